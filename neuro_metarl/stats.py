"""Uncertainty: resampling sessions within a subject, and subjects within a group."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from neuro_metarl.errors import InputError

__all__ = ["clusters_of", "holm", "interval", "mean_interval", "multiplicities"]

FEW_SESSIONS, BLOCKS, SHORTEST_BLOCK = 12, 24, 20


def clusters_of(session: np.ndarray) -> np.ndarray:
    """Label the clusters that the bootstrap resamples.

    Parameters
    ----------
    session
        Dims (row), in order of time: the session of each row.

    Returns
    -------
    numpy.ndarray
        Dims (row), whole numbers from 0. Clusters are sessions; with fewer than 12 sessions
        each is cut into equal blocks of at least 20 rows, about 24 in all.

    Examples
    --------
    >>> np.bincount(clusters_of(np.repeat([0, 1], 100))).tolist()
    [20, 20, 20, 20, 20, 20, 20, 20, 20, 20]
    >>> np.bincount(clusters_of(np.repeat(np.arange(15), 30))).tolist() == [30] * 15
    True
    """
    session = np.asarray(session)
    names, index = np.unique(session, return_inverse=True)
    if len(names) >= FEW_SESSIONS:
        return index
    wanted = -(-BLOCKS // max(1, len(names)))
    clusters, start = np.zeros(len(session), int), 0
    for k in range(len(names)):
        mine = np.flatnonzero(index == k)
        n_blocks = max(1, min(wanted, len(mine) // SHORTEST_BLOCK))
        clusters[mine] = start + np.arange(len(mine)) * n_blocks // len(mine)
        start += n_blocks
    return clusters


def multiplicities(n_clusters: int, n_bootstrap: int, rng: np.random.Generator) -> np.ndarray:
    """Draw how often each cluster is in each bootstrap sample.

    Parameters
    ----------
    n_clusters
        Clusters.
    n_bootstrap
        Samples.
    rng
        Random generator.

    Returns
    -------
    numpy.ndarray
        Dims (sample, cluster); each row sums to ``n_clusters``.

    Examples
    --------
    >>> multiplicities(4, 3, np.random.default_rng(0)).sum(axis=1).tolist()
    [4.0, 4.0, 4.0]
    """
    if n_bootstrap < 1:
        raise InputError(f"n_bootstrap is {n_bootstrap}, expected 1 or more")
    share = np.full(n_clusters, 1 / n_clusters)
    return rng.multinomial(n_clusters, share, size=n_bootstrap).astype(float)


def holm(p: np.ndarray) -> np.ndarray:
    """Correct p values for their number by Holm's steps.

    Parameters
    ----------
    p
        Dims (test).

    Returns
    -------
    numpy.ndarray
        Dims (test); reject where below alpha.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    steps = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(steps, 1)
    return corrected


def interval(
    value: np.ndarray,
    draws: np.ndarray,
    least_error: np.ndarray,
    *,
    confidence: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Make percentile intervals that are never narrower than the model-based error allows.

    Parameters
    ----------
    value
        Estimates, dims (quantity).
    draws
        Bootstrap draws, dims (sample, quantity).
    least_error
        Model-based standard errors, dims (quantity): few clusters understate the error, so
        draws are stretched about the estimate until their spread is at least this. Draws that
        do not vary at all, as with one cluster, give the model-based (Wald) interval.
    confidence
        For example .95.

    Returns
    -------
    low, high
        Dims (quantity).

    Raises
    ------
    InputError
        ``confidence`` is not between 0 and 1.

    Examples
    --------
    >>> low, high = interval(np.array([1.0]), np.ones((1000, 1)), np.array([0.5]), confidence=0.95)
    >>> low.round(2), high.round(2)
    (array([0.02]), array([1.98]))
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}, expected a number between 0 and 1")
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = draws.std(axis=0)
        still = spread <= 1e-9 * np.maximum(1, np.abs(value))
        stretch = np.where(still, 1.0, np.maximum(1.0, least_error / spread))
        draws = value + (draws - value) * stretch
    missing = np.isnan(value)
    tail = (1 - confidence) / 2
    low, high = np.full(len(value), np.nan), np.full(len(value), np.nan)
    if not missing.all():
        low[~missing], high[~missing] = np.quantile(draws[:, ~missing], [tail, 1 - tail], axis=0)
    reach = NormalDist().inv_cdf(1 - tail) * least_error
    return np.where(still, value - reach, low), np.where(still, value + reach, high)


def mean_interval(
    values: np.ndarray, *, confidence: float = 0.95, n_bootstrap: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Give the interval of a mean over subjects, by a bootstrap over subjects.

    Parameters
    ----------
    values
        One number per subject; NaN are left out.
    confidence
        For example .95.
    n_bootstrap, seed
        Of the bootstrap.

    Returns
    -------
    low, high
        NaN with fewer than two subjects. Draws are widened by ``sqrt(n / (n - 1))``, without
        which a bootstrap of few subjects is too narrow.

    Examples
    --------
    >>> low, high = mean_interval(np.arange(20.0))
    >>> bool(6 < low < 9 and 10 < high < 13)
    True
    """
    kept = np.asarray(values, float)
    kept = kept[~np.isnan(kept)]
    if len(kept) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    draws = kept[rng.integers(len(kept), size=(n_bootstrap, len(kept)))].mean(axis=1)
    draws = kept.mean() + (draws - kept.mean()) * np.sqrt(len(kept) / (len(kept) - 1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)
