"""Population geometry: condition means along principal components, and dimensionality.

Which trials and units count, and how conditions are named, is told in
:mod:`neuro_metarl.neural.populations`.

References
----------
Cunningham & Yu 2014, doi:10.1038/nn.3776; Gao et al. 2017, doi:10.1101/214262.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.neural.populations import (
    Factors,
    condition_means,
    samples_of,
    select_events,
    together,
)
from neuro_metarl.stats import clusters_of, interval, multiplicities

__all__ = ["dimensionality", "pca_trajectories"]


def pca_trajectories(
    cohort: xr.Dataset, by: Factors, *, n_components: int = 3, variable: str = "activity"
) -> xr.Dataset:
    """Follow condition means through a trial along their principal components.

    Parameters
    ----------
    cohort, by, variable
        See :func:`condition_means`.
    n_components
        Components kept, by variance.

    Returns
    -------
    xarray.Dataset
        ``trajectory`` (subject, component, each factor, event) in the units of the variable,
        about the mean over conditions and events; ``axis`` (subject, component, unit), unit
        length, its largest weight positive; ``variance_explained`` (subject, component), share of
        the variance of the condition means; ``participation_ratio`` (subject) of the condition
        means; ``n`` (subject, each factor).

    Raises
    ------
    InputError
        See :func:`condition_means`; or more components than units or conditions allow.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> result = pca_trajectories(record("two-step/0", n_sessions=5), ["state", "reward"])
    >>> result.trajectory.dims
    ('subject', 'component', 'state', 'reward', 'event')
    """
    means = condition_means(cohort, by, variable=variable)
    factors = [str(d) for d in means["n"].dims[1:]]
    shape = (*means["n"].shape[1:], means.sizes["event"])
    n_subjects, n_units = means.sizes["subject"], means.sizes["unit"]
    axes = np.full((n_subjects, n_components, n_units), np.nan)
    scores = np.zeros((n_subjects, n_components, *shape))
    share, ratio = np.zeros((n_subjects, n_components)), np.zeros(n_subjects)
    for k, name in enumerate(means["subject"].values.tolist()):
        table = means["condition_mean"].values[k].reshape(-1, n_units)
        units = ~np.isnan(table).any(axis=0)
        centred = table[:, units] - table[:, units].mean(axis=0)
        _check_components(name, n_components, centred)
        _, singular, vectors = np.linalg.svd(centred, full_matrices=False)
        vectors = _signed(vectors[:n_components])
        axes[k][:, units] = vectors
        scores[k] = (centred @ vectors.T).T.reshape(n_components, *shape)
        share[k] = singular[:n_components] ** 2 / (singular**2).sum()
        ratio[k] = _participation(singular**2)
    return xr.Dataset(
        {
            "trajectory": (("subject", "component", *factors, "event"), scores),
            "axis": (("subject", "component", "unit"), axes),
            "variance_explained": (("subject", "component"), share),
            "participation_ratio": ("subject", ratio),
            "n": means["n"],
        },
        coords={"component": np.arange(1, n_components + 1), **means.coords},
        attrs={"measure": "principal components of condition means", "variable": variable},
    )


def dimensionality(
    cohort: xr.Dataset,
    *,
    event: str | Sequence[str] | None = None,
    variable: str = "activity",
    share: float = 0.9,
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
    n_bootstrap, confidence, seed
        Of the bootstrap over sessions.

    Returns
    -------
    xarray.Dataset
        ``participation_ratio`` (subject, statistic): (sum of eigenvalues)^2 / sum of squares of
        the covariance's eigenvalues, from 1 to the number of units; ``n_components`` (subject),
        principal components that hold the share; ``n`` (subject), states.

    Raises
    ------
    InputError
        See :func:`samples_of`; units not recorded in all sessions, or no such event.

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
    samples, _ = samples_of(select_events(cohort, event), variable=variable)
    ratio, components, n = [], [], []
    for name, mine in samples.items():
        flat = together(name, mine).reshape(-1, len(mine.units))
        cluster = np.repeat(clusters_of(mine.session), mine.values.shape[1])
        value, draws = _ratio_draws(flat, cluster, n_bootstrap, np.random.default_rng(seed))
        draws = draws - draws.mean() + value
        low, high = interval(np.array([value]), draws[:, None], np.zeros(1), confidence=confidence)
        eigenvalues = np.linalg.eigvalsh(np.cov(flat.T))[::-1].clip(0)
        kept = np.cumsum(eigenvalues) / eigenvalues.sum()
        ratio.append([value, low[0], high[0]])
        components.append(int(np.searchsorted(kept, share)) + 1)
        n.append(len(flat))
    return xr.Dataset(
        {
            "participation_ratio": (("subject", "statistic"), ratio),
            "n_components": ("subject", components),
            "n": ("subject", n),
        },
        coords={"subject": list(samples), "statistic": ["value", "low", "high"]},
        attrs={
            "measure": "dimensionality",
            "variable": variable,
            "share": share,
            "interval": f"{confidence:.0%} percentile bootstrap over sessions, centred",
            "n_bootstrap": n_bootstrap,
            "seed": seed,
        },
    )


def _check_components(name: str, n_components: int, centred: np.ndarray) -> None:
    most = min(centred.shape[0] - 1, centred.shape[1])
    if not 1 <= n_components <= most:
        raise InputError(
            f"n_components is {n_components}; subject {name!r} with {centred.shape[1]} units and "
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
