"""Arithmetic of bins on a session's clock: counts, smoothed rates, means of signals.

A clock ticks: spikes and events are whole numbers of its ticks, but the decimal numbers that a
file holds are not, and their sums are off by the last bit. A spike that lies on the edge of a bin
to within a nanosecond, or to within the last bits of the clock, therefore belongs to the bin that
begins there.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "bin_rates",
    "gaps_longer_than",
    "gaps_of",
    "longest_step",
    "observed_bins",
    "signal_means",
    "tick",
]

REACH = 5.0
NANOSECOND = 1e-9
LAST_BITS = 4
LONG_STEP = 3.0
UNEVEN = 2.0
LEANS = 2.0


def bin_rates(
    times: np.ndarray, at: np.ndarray, edges: np.ndarray, smooth_s: float | None = None
) -> np.ndarray:
    """Count events per second in bins around each event of reference.

    Parameters
    ----------
    times
        In order, s.
    at
        Events of reference, s; NaN where there is none.
    edges
        Of the bins, s relative to ``at``. A bin holds its beginning and not its end.
    smooth_s
        Standard deviation of a Gaussian kernel, s; None: none.

    Returns
    -------
    numpy.ndarray
        Dims (reference, bin), 1/s; NaN where there is no event of reference.

    Examples
    --------
    >>> bin_rates(np.array([0.3]), np.array([0.1]), np.array([0.0, 0.1, 0.2, 0.3])).round().tolist()
    [[0.0, 0.0, 10.0]]
    """
    from scipy.special import ndtr

    known = np.isfinite(at)
    rate = np.full((len(at), len(edges) - 1), np.nan)
    bounds = at[known, None] + edges
    if smooth_s is None:
        below = np.searchsorted(times, bounds - tick(bounds), side="left").astype(float)
    else:
        below = np.empty(bounds.shape)
        for k, row in enumerate(bounds):
            reach = np.array([row[0], row[-1]]) + REACH * smooth_s * np.array([-1, 1])
            near = times[slice(*np.searchsorted(times, reach))]
            below[k] = ndtr((row[:, None] - near) / smooth_s).sum(axis=1)
    rate[known] = np.diff(below, axis=1) / np.diff(edges)
    return rate


def tick(times: np.ndarray) -> float:
    """Give the time within which two times are the same, s.

    Parameters
    ----------
    times
        On the clock, s.

    Returns
    -------
    float
        A nanosecond, or the last bits of the greatest time where these are more.

    Examples
    --------
    >>> tick(np.array([10.0])), round(tick(np.array([1.7e9])), 9)
    (1e-09, 9.54e-07)
    """
    greatest = float(np.abs(times).max(initial=0.0))
    return max(NANOSECOND, LAST_BITS * float(np.spacing(greatest)))


def observed_bins(
    intervals: np.ndarray, at: np.ndarray, edges: np.ndarray, smooth_s: float | None = None
) -> np.ndarray:
    """Say which bins lie wholly within the intervals of observation.

    Parameters
    ----------
    intervals
        Dims (interval, 2): begin and end, s.
    at, edges, smooth_s
        As in :func:`bin_rates`. Smoothed bins lean on two standard deviations of the kernel on
        either side, too.

    Returns
    -------
    numpy.ndarray
        bool, dims (reference, bin).

    Examples
    --------
    >>> spans = np.array([[0.0, 1.0], [1.0, 2.0], [5.0, 6.0]])
    >>> observed_bins(spans, np.array([0.5, 4.8]), np.array([0.0, 0.5, 1.0])).tolist()
    [[True, True], [False, True]]
    """
    bounds = np.nan_to_num(at[:, None] + edges, nan=np.inf)
    if not len(intervals):
        return np.zeros((len(at), len(edges) - 1), bool)
    ordered = intervals[np.argsort(intervals[:, 0], kind="stable")]
    same = tick(ordered[np.isfinite(ordered)])
    reached = np.maximum.accumulate(ordered[:, 1])
    begins = np.append(True, ordered[1:, 0] > reached[:-1] + same)
    start = ordered[begins, 0]
    stop = reached[np.append(np.flatnonzero(begins)[1:] - 1, len(ordered) - 1)]
    reach = 0.0 if smooth_s is None else LEANS * smooth_s
    within = np.searchsorted(start, bounds[:, :-1] - reach + same, side="right") - 1
    inside: np.ndarray = (within >= 0) & (bounds[:, 1:] + reach <= stop[within] + same)
    return inside


def gaps_of(times: np.ndarray) -> np.ndarray:
    """Find the gaps of a recording: steps much longer than most.

    Parameters
    ----------
    times
        Of the samples, increasing, s.

    Returns
    -------
    numpy.ndarray
        Dims (gap, 2): last sample before and first sample after each step longer than
        :func:`longest_step`, s.

    Examples
    --------
    >>> gaps_of(np.array([0.0, 0.1, 0.2, 5.0, 5.1])).tolist()
    [[0.2, 5.0]]
    """
    steps = np.diff(times)
    if not len(steps):
        return np.empty((0, 2))
    return gaps_longer_than(times, longest_step(steps))


def longest_step(steps: np.ndarray) -> float:
    """Give the longest step between samples that is no gap.

    Parameters
    ----------
    steps
        s.

    Returns
    -------
    float
        Three times the median step; for samples at uneven times (the median is more than twice the
        lowest tenth of the steps), whose steps differ without a gap, three times the longest steps
        but for a twentieth.

    Examples
    --------
    >>> longest_step(np.full(100, 0.1))
    0.30000000000000004
    """
    short, middle, long = np.quantile(steps, (0.1, 0.5, 0.95))
    return LONG_STEP * float(long if middle > UNEVEN * short else middle)


def gaps_longer_than(times: np.ndarray, longest: float) -> np.ndarray:
    """Find the steps longer than a given time.

    Parameters
    ----------
    times
        Of the samples, increasing, s.
    longest
        s.

    Returns
    -------
    numpy.ndarray
        As in :func:`gaps_of`.

    Examples
    --------
    >>> gaps_longer_than(np.array([0.0, 0.1, 0.3]), 0.15).tolist()
    [[0.1, 0.3]]
    """
    after = np.flatnonzero(np.diff(times) > longest)
    return np.stack([times[after], times[after + 1]], axis=1)


def signal_means(
    times: np.ndarray,
    y: np.ndarray,
    at: np.ndarray,
    edges: np.ndarray,
    smooth_s: float | None,
    gaps: np.ndarray,
) -> np.ndarray:
    """Average the straight lines between samples over bins.

    Parameters
    ----------
    times
        Of the samples, increasing, s.
    y
        Samples; NaN where there is none.
    at, edges, smooth_s
        As in :func:`bin_rates`; bins are of one width.
    gaps
        As in :func:`gaps_of`.

    Returns
    -------
    numpy.ndarray
        Dims (reference, bin); NaN in bins that reach beyond the recording, into a gap or to a
        sample that is NaN.

    Examples
    --------
    >>> times = np.array([0.0, 1.0, 2.0, 9.0, 10.0])
    >>> signal_means(times, times, np.array([0.0, 3.0, 9.0]), np.array([0.0, 1.0]), None,
    ...              gaps_of(times)).tolist()
    [[0.5], [nan], [9.5]]
    """
    from scipy.special import ndtr

    width, reach = edges[1] - edges[0], 0
    if smooth_s is not None:
        reach = int(np.ceil(REACH * smooth_s / width))
        extra = width * np.arange(1, reach + 1)
        edges = np.concatenate([edges[0] - extra[::-1], edges, edges[-1] + extra])
    bounds = at[:, None] + edges
    missing = np.isnan(y)
    area = _integral(times, np.where(missing, 0.0, y), bounds)
    holes = _integral(times, missing.astype(float), bounds)
    mean = np.diff(area, axis=1) / width
    mean[np.diff(holes, axis=1) > 0] = np.nan
    if len(gaps):
        mean[_touch(gaps, bounds)] = np.nan
    if smooth_s is None:
        return mean
    kernel = np.diff(ndtr((np.arange(-reach, reach + 2) - 0.5) * width / smooth_s))
    kernel /= kernel.sum()
    return np.stack([np.convolve(row, kernel, mode="valid") for row in mean])


def _touch(gaps: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Say which bins overlap a gap."""
    known = np.nan_to_num(bounds, nan=-np.inf)
    same = tick(gaps)
    first = np.searchsorted(gaps[:, 1], known[:, :-1] + same, side="right")
    begin = np.append(gaps[:, 0], np.inf)[first]
    touched: np.ndarray = begin < known[:, 1:] - same
    return touched


def _integral(times: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Integral of the straight lines between samples up to each time; NaN beyond their ends."""
    if len(times) < 2:
        return np.full(at.shape, np.nan)
    summed = np.concatenate([[0.0], np.cumsum(np.diff(times) * (y[1:] + y[:-1]) / 2)])
    with np.errstate(invalid="ignore"):
        left = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
        inside = (at >= times[0]) & (at <= times[-1])
        height = np.interp(at, times, y)
        total: np.ndarray = summed[left] + (at - times[left]) * (y[left] + height) / 2
    return np.where(inside, total, np.nan)
