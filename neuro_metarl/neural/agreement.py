"""Is the agreement of two populations more than their events share? A test by permuted conditions.

Two populations whose activity only tells events apart agree over events, whatever else they do: of
a network and of noise that knows each event's mean a centered kernel alignment of .65 was measured.
Here every event's mean is taken out first, and conditions of one population are permuted, the same
way at all events: what is left asks whether the populations order the *conditions* alike.

References
----------
Mantel 1967, Cancer Research 27:209-220; Murphy et al. 2024, arXiv:2405.01012; Nili et al. 2014,
doi:10.1371/journal.pcbi.1003553.
"""

from __future__ import annotations

from math import factorial

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from neuro_metarl.errors import InputError
from neuro_metarl.neural.conditions import Factors, Per, conditions_of
from neuro_metarl.neural.populations import MeanTables, mean_tables, same_conditions
from neuro_metarl.neural.recordings import pair_coords
from neuro_metarl.stats import permutation_p

__all__ = ["dissimilarity_agreement", "population_agreement"]

FEWEST = 5


def population_agreement(
    cohort: xr.Dataset,
    other: xr.Dataset | None = None,
    *,
    by: Factors,
    other_by: Factors | None = None,
    variable: str = "activity",
    where: xr.DataArray | None = None,
    other_where: xr.DataArray | None = None,
    per: Per = "auto",
    n_permutations: int = 999,
    seed: int = 0,
) -> xr.Dataset:
    """Test whether populations hold the same conditions apart, beyond what their events share.

    Parameters
    ----------
    cohort, other, by, other_by, variable, where, other_where, per
        See :func:`neuro_metarl.neural.compare_populations`.
    n_permutations, seed
        Of the conditions.

    Returns
    -------
    xarray.Dataset
        Dims (subject, subject_2), or recordings in their place: ``agreement``, the debiased
        centered kernel alignment of condition means from which each event's mean was taken;
        ``p``, one-sided, the share of permutations (the order that was observed among them) that
        agree as much; ``null_mean``. A population with itself is 1 and is not tested (NaN).
        ``attrs["smallest_p"]``.

    Raises
    ------
    InputError
        See :func:`neuro_metarl.neural.compare_populations`; or fewer than five conditions.

    Examples
    --------
    >>> from neuro_metarl import load_agents, record
    >>> cohort = record(load_agents("two-step").select([0, 1]), n_sessions=20)
    >>> found = population_agreement(cohort, by=["choice", "state", "reward"])
    >>> bool(found.agreement[0, 1] > 0.9), bool(found.p[0, 1] < 0.01)
    (True, True)
    """
    first = conditions_of(cohort, by, variable=variable, where=where, per=per)
    rows = mean_tables(first)
    columns = rows
    if other is not None:
        second = conditions_of(other, other_by or by, variable=variable, where=other_where, per=per)
        same_conditions(first, second)
        columns = mean_tables(second)
    n_events = len(first.events)
    n_conditions = len(rows.tables[0]) // n_events
    orders = _orders(n_conditions, n_permutations, seed)
    kernels = [_kernels(tables, n_events) for tables in (rows, columns)]
    shape = (len(kernels[0]), len(kernels[1]))
    value, p, middle = (np.full(shape, np.nan) for _ in range(3))
    for i, x in enumerate(kernels[0]):
        for j, y in enumerate(kernels[1]):
            if other is None and i == j:
                value[i, j] = 1.0
                continue
            draws = np.array([_aligned(x, _turned(y, order, n_events)) for order in orders])
            value[i, j], middle[i, j] = _aligned(x, y), draws.mean()
            p[i, j] = permutation_p(np.array(value[i, j]), draws)
    return _labelled(
        value, p, middle, pair_coords(rows.names, columns.names), n_conditions, n_permutations
    ).assign_attrs(measure="debiased CKA, events centered", seed=seed)


def dissimilarity_agreement(
    first: xr.Dataset,
    second: xr.Dataset | None = None,
    *,
    n_permutations: int = 999,
    seed: int = 0,
) -> xr.Dataset:
    """Test whether dissimilarity matrices agree, by permuted conditions.

    Parameters
    ----------
    first, second
        From :func:`neuro_metarl.neural.dissimilarities`, with the same conditions; default, the
        first with itself.
    n_permutations, seed
        Of the conditions of the second.

    Returns
    -------
    xarray.Dataset
        Dims (subject, subject_2), or recordings in their place: ``agreement``, Spearman's
        correlation of the upper triangles (ties share their rank); ``p``, one-sided; ``null_mean``.

    Raises
    ------
    InputError
        Other conditions, or fewer than five.

    Examples
    --------
    >>> from neuro_metarl import load_agents, record
    >>> from neuro_metarl.neural import dissimilarities
    >>> cohort = record(load_agents("two-step").select([0, 1]), n_sessions=20)
    >>> matrices = dissimilarities(cohort, ["choice", "state", "reward"])
    >>> bool(dissimilarity_agreement(matrices).p[0, 1] < 0.05)
    True
    """
    second_given = second is not None
    second = first if second is None else second
    names = first["condition"].values.tolist()
    if names != second["condition"].values.tolist():
        raise InputError("the matrices have different conditions, expected the same")
    orders = _orders(len(names), n_permutations, seed)
    upper = np.triu_indices(len(names), 1)
    ranks = [_ranks(one["dissimilarity"].values, upper) for one in (first, second)]
    shape = (len(ranks[0]), len(ranks[1]))
    value, p, middle = (np.full(shape, np.nan) for _ in range(3))
    for i, x in enumerate(ranks[0]):
        for j, y in enumerate(ranks[1]):
            if not second_given and i == j:
                value[i, j] = 1.0
                continue
            turned = np.array([y[np.ix_(order, order)][upper] for order in orders])
            draws = np.array([np.corrcoef(x[upper], row)[0, 1] for row in turned])
            value[i, j] = np.corrcoef(x[upper], y[upper])[0, 1]
            middle[i, j] = draws.mean()
            p[i, j] = permutation_p(np.array(value[i, j]), draws)
    coords = pair_coords(*(one["dissimilarity"] for one in (first, second)))
    return _labelled(value, p, middle, coords, len(names), n_permutations).assign_attrs(
        measure="Spearman correlation of dissimilarities", seed=seed
    )


def _orders(n_conditions: int, n_permutations: int, seed: int) -> list[np.ndarray]:
    if n_conditions < FEWEST:
        raise InputError(
            f"{n_conditions} conditions are too few to permute them; at least {FEWEST} are needed"
        )
    rng = np.random.default_rng(seed)
    return [rng.permutation(n_conditions) for _ in range(n_permutations)]


def _kernels(tables: MeanTables, n_events: int) -> list[np.ndarray]:
    """Give each population's kernel of conditions x events, events centered."""
    found = []
    for table in tables.tables:
        x = table.reshape(-1, n_events, table.shape[-1])
        x = (x - x.mean(axis=0)).reshape(len(table), -1)
        found.append(x @ x.T)
    return found


def _turned(kernel: np.ndarray, order: np.ndarray, n_events: int) -> np.ndarray:
    row = (order[:, None] * n_events + np.arange(n_events)).ravel()
    return kernel[np.ix_(row, row)]


def _aligned(x: np.ndarray, y: np.ndarray) -> float:
    a, b = _u_centered(x), _u_centered(y)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def _u_centered(kernel: np.ndarray) -> np.ndarray:
    n = len(kernel)
    k = kernel - np.diag(np.diag(kernel))
    rows = k.sum(axis=1) / (n - 2)
    k = k - rows[:, None] - rows[None, :] + k.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(k, 0)
    return np.asarray(k)


def _ranks(matrices: np.ndarray, upper: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    found = []
    for matrix in matrices:
        ranks = np.zeros(matrix.shape)
        ranks[upper] = rankdata(matrix[upper])
        found.append(ranks + ranks.T)
    return found


def _labelled(
    value: np.ndarray, p: np.ndarray, middle: np.ndarray, coords: dict, n: int, n_draws: int
) -> xr.Dataset:
    parts = {"agreement": value, "p": p, "null_mean": middle}
    table = xr.Dataset({name: xr.DataArray(x, **coords) for name, x in parts.items()})
    smallest = max(1 / (1 + n_draws), 1 / factorial(min(n, 12)))
    return table.assign_attrs(n_conditions=n, n_permutations=n_draws, smallest_p=smallest)
