"""Uncertainty of activity's numbers: resampled sessions, nulls, rates of false discoveries.

Nulls for series that drift. A regressor that lasts for blocks (value) and a unit whose activity
drifts look related far more often than an ordinary test says, because neighbouring trials are not
independent. Two nulls keep every series as it is and break only which trial meets which:

:func:`shift_rows`
    rotates each session by its own random number of trials. It holds where, within a session,
    activity is stationary and forgets within far fewer trials than the session lasts. A walk
    without a home strains it, and a trend that activity and task share in every session breaks it.
    It leaves session means where they are, so that they must be taken out before.
:func:`permute_sessions`
    pairs each session's activity with another session's task. It holds for any drift or trend
    within sessions, as long as sessions are exchangeable: a slow change from the first session to
    the last in both activity and task breaks it (take each session's mean out first). It needs
    sessions of equal length, and many: ``s`` sessions have ``s!`` pairings.

Measured error rates at .05 (``benchmarks/encoding_error_rates.py``): of a test that takes trials
for independent, .47 to .97 under drift; of rotations, .05 where drift forgets in a tenth of the
session, .07 in a third, .08 in a walk, .97 under a shared trend; of permuted sessions, .05 to .06
in all of these, .93 under a trend from session to session, and .05 once session means are out.

References
----------
Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x; Harris 2020,
doi:10.1101/2020.11.29.402719; Phipson & Smyth 2010, doi:10.2202/1544-6115.1585.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.intervals import check_confidence

__all__ = [
    "benjamini_hochberg",
    "clusters_of",
    "holm",
    "interval",
    "multiplicities",
    "permutation_p",
    "permute_sessions",
    "shift_rows",
]

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
    if not isinstance(n_bootstrap, int | np.integer) or n_bootstrap < 1:
        raise InputError(f"n_bootstrap is {n_bootstrap!r}, expected a whole number, 1 or more")
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
    check_confidence(confidence)
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


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Turn p values into false-discovery rates by the step-up rule of Benjamini and Hochberg.

    Parameters
    ----------
    p
        Any shape, one family of tests; NaN are no tests.

    Returns
    -------
    numpy.ndarray
        The shape of ``p``: reject where below the rate that is borne. NaN stay NaN.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, np.nan])).round(3).tolist()
    [0.03, 0.04, 0.04, nan]
    """
    values = np.asarray(p, float)
    found = np.full(values.shape, np.nan)
    tests = ~np.isnan(values)
    kept = values[tests]
    order = np.argsort(kept)[::-1]
    steps = kept[order] * len(kept) / np.arange(len(kept), 0, -1)
    rates = np.empty(len(kept))
    rates[order] = np.minimum.accumulate(steps)
    found[tests] = np.minimum(rates, 1)
    return found


def permutation_p(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Give the share of a null that is at least as large as what was observed.

    Parameters
    ----------
    observed
        Dims (...).
    null
        Dims (draw, ...). What was observed counts as one more draw, so that no p is 0.

    Returns
    -------
    numpy.ndarray
        Dims (...); NaN where ``observed`` is.

    Examples
    --------
    >>> permutation_p(np.array([2.5, 0.0]), np.array([[1, 1], [2, 2], [3, 3]])).tolist()
    [0.5, 1.0]
    """
    value = np.asarray(observed, float)
    reach = value - 1e-9 * np.abs(value)  # ties up to rounding count as ties
    p = (1 + (np.asarray(null) >= reach).sum(axis=0)) / (1 + len(null))
    return np.where(np.isnan(value), np.nan, p)


def shift_rows(session: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a rotation of every session's rows by a number of its own, none included.

    Parameters
    ----------
    session
        Dims (row), in order of time: the session of each row, whole numbers; a session's rows lie
        together.
    rng
        Random generator.

    Returns
    -------
    numpy.ndarray
        Dims (row): ``x[shift_rows(session, rng)]`` is ``x``, rotated.

    Examples
    --------
    >>> rows = shift_rows(np.repeat([0, 1], 5), np.random.default_rng(1))
    >>> rows.tolist()
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6]
    """
    start, length = _runs(session)
    by = rng.integers(length)
    place = np.arange(len(session)) - np.repeat(start, length)
    return np.repeat(start, length) + (place + np.repeat(by, length)) % np.repeat(length, length)


def permute_sessions(session: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw an order of the sessions, each kept whole.

    Parameters
    ----------
    session
        Dims (row), in order of time: the session of each row; all have as many rows.
    rng
        Random generator.

    Returns
    -------
    numpy.ndarray
        Dims (row): ``x[permute_sessions(session, rng)]`` is ``x`` with sessions in another order.

    Raises
    ------
    InputError
        Sessions differ in length.

    Examples
    --------
    >>> permute_sessions(np.repeat([0, 1, 2], 2), np.random.default_rng(0)).tolist()
    [4, 5, 0, 1, 2, 3]
    """
    start, length = _runs(session)
    if len(set(length.tolist())) > 1:
        raise InputError(
            f"sessions have {length.min()} to {length.max()} rows; to permute them they must be "
            "of one length: cut them to the shortest"
        )
    return (start[rng.permutation(len(start))][:, None] + np.arange(length[0])).ravel()


def _runs(session: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each session's rows begin, and how many they are."""
    session = np.asarray(session)
    start = np.flatnonzero(np.r_[True, session[1:] != session[:-1]])
    return start, np.diff(np.r_[start, len(session)])
