"""How alike two populations are, whatever their units: CKA, CCA, Procrustes and shape, RSA.

Two populations are compared on matched observations: rows that mean the same in both. For
:func:`compare_populations` these are conditions at each event (see
:mod:`neuro_metarl.neural.conditions`), so that a network and an animal, or networks that met
different trials, can be compared; or whatever arrays one gives to the functions of arrays, dims
(observation, unit).

=====================  ======================================================================
measure                invariant to
=====================  ======================================================================
``cka``                rotation, reflection and scale (1 = the same)
``debiased_cka``       the same; near 0 for unrelated populations however many units there are
``cca``                every invertible linear map (mean canonical correlation)
``svcca``, ``pwcca``   CCA of the leading components; weighted by what the directions carry
``procrustes``         rotation and reflection (a distance: 0 = the same)
``angular``            rotation, reflection and scale (a distance, 0 to pi / 2, a metric)
=====================  ======================================================================

References
----------
Kornblith et al. 2019, arXiv:1905.00414; Murphy et al. 2024, arXiv:2405.01012; Raghu et al. 2017,
arXiv:1706.05806; Morcos et al. 2018, arXiv:1806.05759; Williams et al. 2021, arXiv:2110.14739.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.conditions import Factors, conditions_of
from neuro_metarl.neural.populations import mean_tables, same_conditions
from neuro_metarl.neural.recordings import Per, pair_coords

__all__ = [
    "MEASURES",
    "canonical_correlations",
    "compare_populations",
    "linear_cka",
    "procrustes_distance",
    "pwcca",
    "shape_distance",
    "svcca",
]

Measure = Literal["cka", "debiased_cka", "cca", "svcca", "pwcca", "procrustes", "angular"]
MEASURES = ("cka", "debiased_cka", "cca", "svcca", "pwcca", "procrustes", "angular")
NEGLIGIBLE = 1e-10


def compare_populations(
    cohort: xr.Dataset,
    other: xr.Dataset | None = None,
    *,
    by: Factors,
    other_by: Factors | None = None,
    measure: Measure = "debiased_cka",
    alpha: float = 1.0,
    share: float = 0.99,
    variable: str = "activity",
    where: xr.DataArray | None = None,
    other_where: xr.DataArray | None = None,
    per: Per = "auto",
) -> xr.DataArray:
    """Compare the populations of all subjects, or of one cohort's subjects with another's.

    Parameters
    ----------
    cohort
        With the variable, dims session, trial, event, unit.
    other
        A second cohort with the same events; default, the first is compared with itself.
    by
        Factors of the conditions, whose means are the matched observations: names of variables,
        or a mapping from names to labels.
    other_by
        The same for the second cohort; needed where ``by`` maps names to labels.
    measure
        See the module's table.
    alpha
        Of ``"angular"``; see :func:`shape_distance`.
    share
        Of ``"svcca"``; see :func:`svcca`.
    variable
        ``"activity"`` or ``"cell"``.
    where, other_where
        bool, dims session, trial: the trials of the first and of the second cohort that count;
        default every valid trial.
    per
        ``"auto"``: one population per subject where its units were recorded together, else one per
        recording; ``"recording"``; or ``"subject"``: units that were recorded apart are
        pooled into a pseudo-population; see :mod:`neuro_metarl.neural.recordings`.

    Returns
    -------
    xarray.DataArray
        Dims (subject, subject_2), or recordings in their place. ``attrs["n_observations"]``:
        conditions x events. There is no interval: the replicates are the subjects, all shown.

    Raises
    ------
    InputError
        See :func:`neuro_metarl.neural.populations.complete_means`; the cohorts differ in their
        conditions or events; or the measure cannot be had from so few observations.

    Examples
    --------
    >>> from neuro_metarl import load_agents, record
    >>> cohort = record(load_agents("two-step").select([0, 1]), n_sessions=20)
    >>> alike = compare_populations(cohort, by=["choice", "state", "reward"], measure="cka")
    >>> alike.dims, bool(alike[0, 1] < alike[0, 0])
    (('subject', 'subject_2'), True)
    """
    if measure not in MEASURES:
        raise InputError(f"no measure {measure!r}; {did_you_mean(measure, MEASURES)}")
    if other is None and other_where is not None:
        raise InputError("other_where belongs to a second cohort, and there is none")
    first = conditions_of(cohort, by, variable=variable, where=where, per=per)
    rows = mean_tables(first)
    columns = rows
    if other is not None:
        second = conditions_of(other, other_by or by, variable=variable, where=other_where, per=per)
        same_conditions(first, second)
        columns = mean_tables(second)
    found = np.zeros((len(rows.tables), len(columns.tables)))
    score = _scorer(measure, alpha, share)
    mirrored = other is None and measure != "pwcca"
    for i, x in enumerate(rows.tables):
        for j, y in enumerate(columns.tables):
            if mirrored and j < i:
                found[i, j] = found[j, i]
                continue
            try:
                found[i, j] = score(x, y)
            except InputError as error:
                kind, pair = (
                    rows.names.dims[0],
                    (str(rows.names[i].values), str(columns.names[j].values)),
                )
                raise InputError(f"{kind}s {pair[0]!r} and {pair[1]!r}: {error}") from None
    return xr.DataArray(
        found,
        **pair_coords(rows.names, columns.names),
        name=measure,
        attrs={
            "measure": measure,
            "variable": variable,
            "n_observations": len(rows.tables[0]),
            "observations": " x ".join([*first.levels, "event"]),
            "alpha": alpha,
            "share": share,
            "left_out": "; ".join(dict.fromkeys(t for t in (rows.lost, columns.lost) if t)),
        },
    )


def linear_cka(x: np.ndarray, y: np.ndarray, *, debiased: bool = False) -> float:
    """Align the kernels of two populations: linear centred kernel alignment.

    Parameters
    ----------
    x, y
        Dims (observation, unit), the same observations.
    debiased
        Estimate both terms without bias: near 0 for independent populations, may be below 0.

    Returns
    -------
    float
        1 for the same up to rotation and scale.

    Raises
    ------
    InputError
        Different numbers of observations, NaN, no variance, or (debiased) fewer than four.

    Notes
    -----
    ``|Y' X|^2 / (|X' X| |Y' Y|)`` of the centred arrays, Frobenius norms. Debiased, the
    inner products of kernels are the U-statistics of Song et al. 2012.

    References
    ----------
    Kornblith et al. 2019, arXiv:1905.00414; Song et al. 2012, JMLR 13:1393;
    Murphy et al. 2024, arXiv:2405.01012.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(50, 40)), rng.normal(size=(50, 40))
    >>> linear_cka(x, y) > 0.4, abs(linear_cka(x, y, debiased=True)) < 0.1
    (True, True)
    """
    x, y = _pair(x, y)
    if not debiased:
        cross = ((y.T @ x) ** 2).sum()
        return float(cross / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))
    if len(x) < 4:
        raise InputError(f"debiased CKA needs 4 observations or more, got {len(x)}")
    k, m = _u_centred(x @ x.T), _u_centred(y @ y.T)
    scale = (k * k).sum() * (m * m).sum()
    return float((k * m).sum() / np.sqrt(scale))


def canonical_correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Correlate two populations along the directions in which they agree best.

    Parameters
    ----------
    x, y
        Dims (observation, unit), the same observations.

    Returns
    -------
    numpy.ndarray
        Dims (direction), falling, as many as the smaller rank.

    Raises
    ------
    InputError
        See :func:`linear_cka`; or there are so few observations that some correlations are 1
        whatever the data: ranks that add to more than observations - 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(50, 4))
    >>> canonical_correlations(x, x @ rng.normal(size=(4, 4))).round(6).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    return _cca(*_pair(x, y))[0]


def svcca(x: np.ndarray, y: np.ndarray, *, share: float = 0.99) -> float:
    """Average the canonical correlations of the leading principal components.

    Parameters
    ----------
    x, y
        Dims (observation, unit), the same observations.
    share
        Of the variance that the components kept of each population hold.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    InputError
        See :func:`canonical_correlations`; or a share outside 0 to 1.

    References
    ----------
    Raghu et al. 2017, arXiv:1706.05806.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(svcca(x, x[:, ::-1]), 6)
    1.0
    """
    if not 0 < share <= 1:
        raise InputError(f"share is {share}, expected more than 0 and at most 1")
    x, y = _pair(x, y)
    return float(_cca(_leading(x, share), _leading(y, share))[0].mean())


def pwcca(x: np.ndarray, y: np.ndarray) -> float:
    """Average canonical correlations, weighted by what the directions carry of the first.

    Parameters
    ----------
    x, y
        Dims (observation, unit), the same observations. Not symmetric: weights are of ``x``.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    InputError
        See :func:`canonical_correlations`.

    Notes
    -----
    The weight of a canonical variate of ``x`` is the sum over units of the size of its inner
    product with the unit's activity.

    References
    ----------
    Morcos et al. 2018, arXiv:1806.05759.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(pwcca(x, x[:, ::-1]), 6)
    1.0
    """
    x, y = _pair(x, y)
    correlations, variates = _cca(x, y)
    weight = np.abs(variates.T @ x).sum(axis=1)
    return float((correlations * weight).sum() / weight.sum())


def procrustes_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Measure what is left between two populations after the best rotation.

    Parameters
    ----------
    x, y
        Dims (observation, unit), the same observations; the one with fewer units is taken to
        have silent ones.

    Returns
    -------
    float
        ``min |X - Y R|`` over orthogonal R, Frobenius norm of the centred arrays: in units of
        activity times the square root of observations.

    Raises
    ------
    InputError
        See :func:`linear_cka`.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(procrustes_distance(x, x[:, ::-1]), 6)
    0.0
    """
    x, y = _pair(x, y)
    return _rotated_difference(*_pair(x, y))


def shape_distance(x: np.ndarray, y: np.ndarray, *, alpha: float = 1.0) -> float:
    """Measure the angle between two populations' shapes; a metric.

    Parameters
    ----------
    x, y
        Dims (observation, unit), the same observations.
    alpha
        1: up to rotation and scale (angular Procrustes distance). 0: both are whitened first, so
        that it is up to every invertible linear map, like CCA. Between them, in part.

    Returns
    -------
    float
        Radians, 0 to pi / 2: ``arccos(|X' Y|_* / (|X| |Y|))`` with the nuclear norm.

    Raises
    ------
    InputError
        See :func:`linear_cka`; alpha outside 0 to 1; or, below 1, too few observations (see
        :func:`canonical_correlations`).

    References
    ----------
    Williams et al. 2021, arXiv:2110.14739.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(shape_distance(x, x @ np.diag([1, 2, 3, 4]), alpha=0), 6)
    0.0
    """
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha is {alpha}, expected 0 to 1")
    x, y = _pair(x, y)
    if alpha < 1:
        _check_ranks(x, y)
        x, y = _partly_whitened(x, alpha), _partly_whitened(y, alpha)
    chord = _rotated_difference(x / np.linalg.norm(x), y / np.linalg.norm(y))
    return float(2 * np.arcsin(min(chord / 2, 1.0)))


def _scorer(measure: str, alpha: float, share: float) -> Callable[[np.ndarray, np.ndarray], float]:
    scorers: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "cka": linear_cka,
        "debiased_cka": lambda x, y: linear_cka(x, y, debiased=True),
        "cca": lambda x, y: float(canonical_correlations(x, y).mean()),
        "svcca": lambda x, y: svcca(x, y, share=share),
        "pwcca": pwcca,
        "procrustes": procrustes_distance,
        "angular": lambda x, y: shape_distance(x, y, alpha=alpha),
    }
    return scorers[measure]


def _pair(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check and centre two arrays of matched observations."""
    pair = []
    for name, given in (("x", x), ("y", y)):
        array = np.asarray(given, float)
        if array.ndim != 2:
            raise InputError(f"{name}: got {array.ndim} dims, expected (observation, unit)")
        if not np.isfinite(array).all():
            row, unit = np.argwhere(~np.isfinite(array))[0]
            raise InputError(
                f"{name}: {array[row, unit]} at observation {row}, unit {unit}; expected numbers"
            )
        centred = array - array.mean(axis=0)
        if (centred**2).sum() <= (NEGLIGIBLE * np.abs(array)).sum() ** 2:
            raise InputError(f"{name}: activity is constant; there is nothing to compare")
        pair.append(centred)
    if len(pair[0]) != len(pair[1]):
        raise InputError(
            f"x has {len(pair[0])} observations and y {len(pair[1])}; expected the same "
            "conditions or trials in both"
        )
    return pair[0], pair[1]


def _u_centred(kernel: np.ndarray) -> np.ndarray:
    """Centre a kernel so that inner products of two are unbiased; its diagonal is 0."""
    n = len(kernel)
    kernel = kernel - np.diag(np.diag(kernel))
    rows = kernel.sum(axis=1)
    centred = kernel - (rows[:, None] + rows) / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    return centred - np.diag(np.diag(centred))


def _basis(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    real = singular > NEGLIGIBLE * singular[0]
    return left[:, real], singular[real], right[real]


def _check_ranks(x: np.ndarray, y: np.ndarray) -> None:
    ranks = len(_basis(x)[1]), len(_basis(y)[1])
    if sum(ranks) > len(x) - 1:
        raise InputError(
            f"{len(x)} observations are too few for populations of {ranks[0]} and {ranks[1]} "
            "dimensions: some correlations would be 1 whatever the data; use more conditions, "
            "'svcca' with a smaller share, 'cka' or 'angular' with alpha=1"
        )


def _cca(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return canonical correlations, and the canonical variates of ``x`` as columns."""
    _check_ranks(x, y)
    mine, yours = _basis(x)[0], _basis(y)[0]
    left, correlations, _ = np.linalg.svd(mine.T @ yours, full_matrices=False)
    return correlations.clip(0, 1), mine @ left


def _leading(x: np.ndarray, share: float) -> np.ndarray:
    left, singular, _ = _basis(x)
    held = np.cumsum(singular**2) / (singular**2).sum()
    n = int(np.searchsorted(held, share - NEGLIGIBLE)) + 1
    return left[:, :n] * singular[:n]


def _partly_whitened(x: np.ndarray, alpha: float) -> np.ndarray:
    left, singular, right = _basis(x)
    return (left * (alpha * singular + 1 - alpha)) @ right


def _rotated_difference(x: np.ndarray, y: np.ndarray) -> float:
    """Return the norm of X - Y R for the best orthogonal R, units padded with silent ones."""
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(a, ((0, 0), (0, width - a.shape[1]))) for a in (x, y))
    left, _, right = np.linalg.svd(y.T @ x)
    return float(np.linalg.norm(x - y @ (left @ right)))
