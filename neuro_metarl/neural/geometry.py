"""Population geometry: condition means along principal components, and dimensionality.

Which trials and units count, and how conditions are named, is told in
:mod:`neuro_metarl.neural.conditions`.

References
----------
Cunningham & Yu 2014, doi:10.1038/nn.3776; Gao et al. 2017, doi:10.1101/214262.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.neural.conditions import (
    Conditions,
    Factors,
    Samples,
    conditions_of,
    select_events,
    states_of,
)
from neuro_metarl.neural.populations import complete_means, event_coords, event_counts
from neuro_metarl.neural.recordings import (
    Per,
    Population,
    one_by_one,
    population_coords,
    unit_coords,
)
from neuro_metarl.stats import clusters_of, interval, multiplicities

__all__ = ["dimensionality", "pca_trajectories"]


def pca_trajectories(
    cohort: xr.Dataset,
    by: Factors,
    *,
    n_components: int = 3,
    variable: str = "activity",
    where: xr.DataArray | None = None,
    per: Per = "auto",
) -> xr.Dataset:
    """Follow condition means through a trial along their principal components.

    Parameters
    ----------
    cohort, by, variable
        See :func:`neuro_metarl.neural.populations.condition_means`.
    n_components
        Components kept, by variance.
    where
        bool, dims session, trial: the trials that count; default every valid trial.
    per
        ``"auto"``: one population per subject where its units were recorded together, else one per
        recording; ``"recording"``; or ``"subject"``: units that were recorded apart are
        pooled into a pseudo-population; see
        :mod:`neuro_metarl.neural.recordings`.

    Returns
    -------
    xarray.Dataset
        Dims subject, or recording. ``trajectory`` (subject, component, each factor, event) in the
        units of the variable, about the mean over conditions and events; ``axis`` (subject,
        component, unit), unit length, its largest weight positive; ``variance_explained`` (subject,
        component), share of the variance of the condition means; ``participation_ratio`` (subject)
        of the condition means; ``n`` (subject, each factor), trials, and ``n_trials`` (subject,
        each factor, event), those of them that have the event.

    Raises
    ------
    InputError
        See :func:`neuro_metarl.neural.populations.complete_means`; or more components than units or
        conditions allow.

    Warns
    -----
    UserWarning
        Recordings that cannot be analyzed: they are left out by name.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> result = pca_trajectories(record("two-step/0", n_sessions=5), ["state", "reward"])
    >>> result.trajectory.dims
    ('subject', 'component', 'state', 'reward', 'event')
    """
    conditions = conditions_of(cohort, by, variable=variable, where=where, per=per)

    def analysis(population: Population, samples: Samples) -> _Paths:
        table = complete_means(conditions, population, samples)
        return _paths(population.label, table, n_components, samples)

    populations, paths, left_out = one_by_one(conditions.samples(), analysis)
    shape, dim = (*conditions.shape, cohort.sizes["event"]), conditions.dim
    axes = np.full((len(paths), n_components, cohort.sizes["unit"]), np.nan)
    for k, (population, found) in enumerate(zip(populations, paths, strict=True)):
        axes[k][:, population.unit] = found.axes
    scores = np.stack([p.scores.reshape(n_components, *shape) for p in paths])
    n, counts = np.stack([p.n for p in paths]), np.stack([p.n_trials for p in paths])
    factors = list(conditions.levels)
    return xr.Dataset(
        {
            "trajectory": ((dim, "component", *factors, "event"), scores),
            "axis": ((dim, "component", "unit"), axes),
            "variance_explained": ((dim, "component"), np.stack([p.share for p in paths])),
            "participation_ratio": (dim, [p.ratio for p in paths]),
            "n": ((dim, *factors), n.reshape(-1, *conditions.shape)),
            "n_trials": ((dim, *factors, "event"), counts.reshape(-1, *shape)),
        },
        coords={
            "component": np.arange(1, n_components + 1),
            **population_coords(populations),
            **conditions.levels,
            **event_coords(cohort),
            **unit_coords(cohort, dim),
        },
        attrs={
            "measure": "principal components of condition means",
            "variable": variable,
            "left_out": left_out,
        },
    )


def dimensionality(
    cohort: xr.Dataset,
    *,
    event: str | Sequence[str] | None = None,
    variable: str = "activity",
    share: float = 0.9,
    where: xr.DataArray | None = None,
    per: Per = "auto",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Count the dimensions that single-trial activity fills.

    Parameters
    ----------
    cohort
        With the variable, dims session, trial, event, unit.
    event
        Event or events whose states are pooled; default all.
    variable
        ``"activity"`` or ``"cell"``.
    share
        Of the variance, for ``n_components``.
    where
        bool, dims session, trial: the trials that count; default every valid trial.
    per
        ``"auto"``: one population per subject where its units were recorded together, else one per
        recording; ``"recording"``; or ``"subject"``; see
        :mod:`neuro_metarl.neural.recordings`.
    n_bootstrap, confidence, seed
        Of the bootstrap over sessions.

    Returns
    -------
    xarray.Dataset
        ``participation_ratio`` (subject, statistic): (sum of eigenvalues)^2 / sum of squares of
        the covariance's eigenvalues, from 1 to the number of units; ``n_components`` (subject),
        principal components that hold the share; ``n`` (subject), states: events that a trial
        lacks are none. The dim is recording, where units were recorded apart.

    Raises
    ------
    InputError
        See :func:`neuro_metarl.neural.conditions.states_of`; or no such event.

    Warns
    -----
    UserWarning
        Recordings that cannot be analyzed: they are left out by name.

    Notes
    -----
    With n states in d equally strong dimensions the ratio is about ``d / (1 + d / n)``: it is
    too small where states are not many more than dimensions. Resampling shrinks it once more,
    so that the bootstrap's draws are centred on the estimate before the interval is read.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> result = dimensionality(record("two-step/0", n_sessions=5), n_bootstrap=100)
    >>> bool(1 < result.participation_ratio.sel(statistic="value") < 48)
    True
    """
    if not 0 < share < 1:
        raise InputError(f"share is {share}, expected a number between 0 and 1")
    conditions = conditions_of(
        select_events(cohort, event), variable=variable, where=where, per=per
    )

    def analysis(_: Population, samples: Samples) -> tuple[list[float], int, int]:
        return _fill(samples, conditions, share, n_bootstrap, confidence, seed)

    populations, found, left_out = one_by_one(conditions.samples(), analysis)
    ratio, components, n = zip(*found, strict=True)
    dim = conditions.dim
    return xr.Dataset(
        {
            "participation_ratio": ((dim, "statistic"), np.array(ratio)),
            "n_components": (dim, np.array(components)),
            "n": (dim, np.array(n)),
        },
        coords={**population_coords(populations), "statistic": ["value", "low", "high"]},
        attrs={
            "measure": "dimensionality",
            "variable": variable,
            "share": share,
            "interval": f"{confidence:.0%} percentile bootstrap over sessions, centred",
            "n_bootstrap": n_bootstrap,
            "seed": seed,
            "left_out": left_out,
        },
    )


@dataclass(frozen=True)
class _Paths:
    """Of one population: dims (component, unit), (component, condition x event), (component)."""

    axes: np.ndarray
    scores: np.ndarray
    share: np.ndarray
    ratio: float
    n: np.ndarray
    n_trials: np.ndarray


def _paths(label: str, table: np.ndarray, n_components: int, samples: Samples) -> _Paths:
    n_cells = len(table)
    table = table.reshape(-1, table.shape[-1])
    centred = table - table.mean(axis=0)
    _check_components(label, n_components, centred)
    _, singular, vectors = np.linalg.svd(centred, full_matrices=False)
    vectors = _signed(vectors[:n_components])
    share = singular[:n_components] ** 2 / (singular**2).sum()
    scores = (centred @ vectors.T).T
    n = np.bincount(samples.cell, minlength=n_cells)
    counts = event_counts(samples, n_cells)
    return _Paths(vectors, scores, share, _participation(singular**2), n, counts)


def _fill(
    samples: Samples, conditions: Conditions, share: float, n_bootstrap: int, confidence: float,
    seed: int,
) -> tuple[list[float], int, int]:  # fmt: skip
    """Return the participation ratio with its interval, components that hold a share, and n."""
    known = states_of(samples, conditions)
    flat = samples.values[known]
    cluster = np.repeat(clusters_of(samples.session)[:, None], known.shape[1], axis=1)[known]
    cluster = np.unique(cluster, return_inverse=True)[1]
    value, draws = _ratio_draws(flat, cluster, n_bootstrap, np.random.default_rng(seed))
    draws = draws - draws.mean() + value
    low, high = interval(np.array([value]), draws[:, None], np.zeros(1), confidence=confidence)
    eigenvalues = np.linalg.eigvalsh(np.cov(flat.T))[::-1].clip(0)
    kept = np.cumsum(eigenvalues) / eigenvalues.sum()
    return [value, low[0], high[0]], int(np.searchsorted(kept, share)) + 1, len(flat)


def _check_components(label: str, n_components: int, centred: np.ndarray) -> None:
    most = min(centred.shape[0] - 1, centred.shape[1])
    if not 1 <= n_components <= most:
        raise InputError(
            f"n_components is {n_components}; {label} with {centred.shape[1]} units and "
            f"{centred.shape[0]} conditions x events allows 1 to {most}"
        )


def _signed(vectors: np.ndarray) -> np.ndarray:
    """Turn each row so that its largest weight is positive."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(1)[:, None], axis=1)
    return vectors * np.where(largest < 0, -1, 1)


def _participation(eigenvalues: np.ndarray) -> float:
    return float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


def _ratio_draws(
    flat: np.ndarray, cluster: np.ndarray, n_bootstrap: int, rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    n_clusters = int(cluster.max()) + 1
    flat = flat - flat.mean(axis=0)
    n = np.bincount(cluster, minlength=n_clusters).astype(float)
    sums = np.stack([flat[cluster == k].sum(axis=0) for k in range(n_clusters)])
    products = np.stack([flat[cluster == k].T @ flat[cluster == k] for k in range(n_clusters)])
    times = multiplicities(n_clusters, n_bootstrap, rng)

    def ratio(weights: np.ndarray) -> float:
        mean = weights @ sums / (weights @ n)
        covariance = np.tensordot(weights, products, 1) / (weights @ n) - np.outer(mean, mean)
        return float(np.trace(covariance) ** 2 / (covariance**2).sum())

    return ratio(np.ones(n_clusters)), np.array([ratio(row) for row in times])
