"""Spikes, licks and photometry around the events of trials: binned, smoothed, averaged.

The clock is the session's: the times of what was recorded and those of the events must be on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import validate_cohort
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.schema import TRIAL

__all__ = ["add_activity", "align"]

REACH = 5.0
WHOLE = 1e-6
Samples = np.ndarray | Sequence[np.ndarray] | Mapping[str, np.ndarray] | xr.DataArray


def align(
    samples: Samples,
    events: xr.DataArray | np.ndarray | Sequence[float],
    *,
    window: tuple[float, float] = (-1.0, 2.0),
    bin_s: float = 0.05,
    smooth_s: float | None = None,
) -> xr.DataArray:
    """Cut what was recorded in one session into pieces around an event of each trial.

    Parameters
    ----------
    samples
        Times, s, of one kind of event (licks: a 1-d array); spike times of several units (mapping
        of name to 1-d array, or a list); or a signal, such as photometry: a DataArray with the
        dim time, coordinate time in s, and perhaps one other dim.
    events
        Time of the event in each trial, s: 1-d, or a variable ``t_<event>`` of a cohort of one
        session. NaN where there was none.
    window
        From and to, s relative to the event.
    bin_s
        Width of a bin, s; the window is a whole number of bins.
    smooth_s
        Standard deviation of a Gaussian kernel, s. Spikes outside the window count with their
        tail, so that rates do not sink at its edges. None: no smoothing.

    Returns
    -------
    xarray.DataArray
        Dims trial (, unit or the signal's other dim), time. Times: events per s in each bin
        (attribute ``units``: 1/s); signal: the mean of the signal, joined by straight lines, in
        each bin; NaN where the signal does not reach, is NaN, or where the trial lacks the event.
        Coordinate ``time``: middle of the bin relative to the event, s.

    Raises
    ------
    InputError
        Times that are NaN or not 1-d, a signal without times that increase, several sessions, or a
        window that is no whole number of bins.

    Examples
    --------
    >>> licks = np.array([1.0, 1.26, 5.01])
    >>> rate = align(licks, [1.0, 5.0, np.nan], window=(0, 0.5), bin_s=0.25)
    >>> rate.values.tolist()
    [[4.0, 4.0], [4.0, 0.0], [nan, nan]]
    """
    edges = _edges(window, bin_s)
    at = _event_times(events)
    if smooth_s is not None and not (np.isfinite(smooth_s) and smooth_s > 0):
        raise InputError(f"smooth_s is {smooth_s}, expected a width in s above 0, or None")
    time = (edges[:-1] + edges[1:]) / 2
    if isinstance(samples, xr.DataArray):
        return _aligned_signal(samples, at, edges, smooth_s).assign_coords(time=("time", time))
    if isinstance(samples, np.ndarray) or not len(samples) or np.isscalar(_first(samples)):
        rate = _rates(_times(samples, "the times"), at, edges, smooth_s)
        return xr.DataArray(rate, dims=("trial", "time"), coords={"time": time}, attrs=_per_s())
    named = samples if isinstance(samples, Mapping) else dict(enumerate(samples))
    rates = [_rates(_times(v, f"unit {k!r}"), at, edges, smooth_s) for k, v in named.items()]
    return xr.DataArray(
        np.stack(rates, axis=1),
        dims=("trial", "unit", "time"),
        coords={"time": time, "unit": list(named)},
        attrs=_per_s(),
    )


def add_activity(
    cohort: xr.Dataset,
    samples: Samples,
    *,
    events: str | Sequence[str],
    window: tuple[float, float] = (0.0, 0.5),
    smooth_s: float | None = None,
    area: Sequence[str] | None = None,
) -> xr.Dataset:
    """Add ``activity`` to a cohort of one session: each unit's mean around each event.

    Parameters
    ----------
    cohort
        A cohort of one session with the variables ``t_<event>``.
    samples
        As in :func:`align`; spikes become spikes/s, a signal keeps its unit.
    events
        Names of the events, without ``t_``.
    window
        From and to, s relative to each event: the bin over which is averaged.
    smooth_s
        As in :func:`align`.
    area
        Brain area of each unit.

    Returns
    -------
    xarray.Dataset
        The cohort with ``activity(session, trial, event, unit)``, float32, NaN where a trial lacks
        the event, and coordinates ``event``, ``unit`` and perhaps ``area(unit)``. Attributes of
        ``activity``: ``units``, ``window_s`` and perhaps ``smooth_s``.

    Raises
    ------
    InputError
        Several sessions, an event without times (with a suggestion), no units, or as in
        :func:`align`.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]], "t_choice": [[1.0, 5.0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> cohort = add_activity(cohort, {"n1": np.array([1.1, 1.2, 5.3])}, events="choice")
    >>> cohort.activity.values.tolist()
    [[[[4.0]], [[2.0]]]]
    """
    names = [events] if isinstance(events, str) else list(events)
    _check_events(cohort, names)
    width = float(window[1]) - float(window[0])
    parts = [
        _unit_means(align(samples, cohort[f"t_{n}"], window=window, bin_s=width, smooth_s=smooth_s))
        for n in names
    ]
    attrs = {"units": parts[0].attrs.get("units", ""), "window_s": f"{window[0]} to {window[1]}"}
    if attrs["units"] == "1/s":
        attrs["units"] = "spikes/s"
    if smooth_s is not None:
        attrs["smooth_s"] = str(smooth_s)
    values = np.stack([part.values for part in parts], axis=1)[None].astype("float32")
    coords: dict[str, Any] = {"event": ("event", names), "unit": parts[0]["unit"].variable}
    if area is not None:
        if len(area) != values.shape[-1]:
            raise InputError(f"area names {len(area)} units, there are {values.shape[-1]}")
        coords["area"] = ("unit", [str(a) for a in area])
    added = cohort.assign(activity=((*TRIAL, "event", "unit"), values, attrs))
    return validate_cohort(added.assign_coords(coords))


def _check_events(cohort: xr.Dataset, names: Sequence[str]) -> None:
    validate_cohort(cohort)
    if cohort.sizes["session"] != 1:
        raise InputError(
            f"activity is added to one session at a time, the cohort has {cohort.sizes['session']}"
        )
    known = [str(n)[2:] for n in cohort.data_vars if str(n).startswith("t_")]
    for name in names:
        if name not in known:
            raise InputError(f"no times of event {name!r}: " + _there(name, known))
    if not names:
        raise InputError("name at least one event")


def _unit_means(cut: xr.DataArray) -> xr.DataArray:
    """Drop the one bin, and call whatever stands beside the trials units."""
    flat = cut.isel(time=0, drop=True)
    if flat.ndim == 1:
        return flat.expand_dims({"unit": ["0"]}, axis=1)
    beside = str(flat.dims[1])
    named = flat if beside == "unit" else flat.rename({beside: "unit"})
    return named if "unit" in named.coords else named.assign_coords(unit=np.arange(named.shape[1]))


def _there(name: str, known: Sequence[str]) -> str:
    return did_you_mean(name, known) if known else "the cohort has no variable t_<event>"


def _per_s() -> dict[str, str]:
    return {"units": "1/s"}


def _first(samples: Any) -> Any:
    return next(iter(samples.values() if isinstance(samples, Mapping) else samples))


def _edges(window: tuple[float, float], bin_s: float) -> np.ndarray:
    first, last = float(window[0]), float(window[1])
    if not (np.isfinite([first, last]).all() and first < last):
        raise InputError(f"window is {window}, expected two times in s, the smaller one first")
    if not (np.isfinite(bin_s) and bin_s > 0):
        raise InputError(f"bin_s is {bin_s}, expected a width in s above 0")
    n_bins = (last - first) / bin_s
    if n_bins < 1 - WHOLE or abs(n_bins - round(n_bins)) > WHOLE * max(1.0, n_bins):
        raise InputError(
            f"the window {first:g} to {last:g} s is {n_bins:g} bins of {bin_s:g} s, expected a "
            "whole number"
        )
    return first + bin_s * np.arange(round(n_bins) + 1)


def _event_times(events: Any) -> np.ndarray:
    values = events.values if isinstance(events, xr.DataArray) else np.asarray(events)
    if isinstance(events, xr.DataArray) and "session" in events.dims:
        if events.sizes["session"] != 1:
            raise InputError(
                f"events are of {events.sizes['session']} sessions; align one session at a time, "
                "for example cohort.t_choice.isel(session=0)"
            )
        values = events.squeeze("session").values
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise InputError(
            f"events have shape {values.shape} and type {values.dtype}, expected one time in s per "
            "trial"
        )
    return values.astype(float)


def _times(values: Any, what: str) -> np.ndarray:
    times = np.asarray(values)
    if times.ndim != 1 or (times.dtype.kind not in "iuf" and times.size):
        raise InputError(f"{what}: expected a 1-d array of times in s, got shape {times.shape}")
    times = times.astype(float)
    bad = ~np.isfinite(times)
    if bad.any():
        raise InputError(
            f"{what}: time {int(bad.argmax())} (from 0) is {times[bad.argmax()]}, expected finite "
            f"times in s ({int(bad.sum())} such times)"
        )
    return np.sort(times)


def _rates(
    times: np.ndarray, at: np.ndarray, edges: np.ndarray, smooth_s: float | None
) -> np.ndarray:
    """Events per second, dims (trial, bin)."""
    from scipy.special import ndtr

    known = np.isfinite(at)
    rate = np.full((len(at), len(edges) - 1), np.nan)
    bounds = at[known, None] + edges
    if smooth_s is None:
        below = np.searchsorted(times, bounds, side="left").astype(float)
    else:
        below = np.empty(bounds.shape)
        for k, row in enumerate(bounds):
            reach = np.array([row[0], row[-1]]) + REACH * smooth_s * np.array([-1, 1])
            near = times[slice(*np.searchsorted(times, reach))]
            below[k] = ndtr((row[:, None] - near) / smooth_s).sum(axis=1)
    rate[known] = np.diff(below, axis=1) / np.diff(edges)
    return rate


def _aligned_signal(
    signal: xr.DataArray, at: np.ndarray, edges: np.ndarray, smooth_s: float | None
) -> xr.DataArray:
    if "time" not in signal.dims or "time" not in signal.coords or signal.ndim > 2:
        raise InputError(
            f"a signal has the dim time with its coordinate, and at most one other; got dims "
            f"({', '.join(map(str, signal.dims))})"
        )
    ordered = signal.transpose("time", ...)
    times = ordered["time"].values.astype(float)
    if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise InputError("the times of a signal must be finite and increase")
    channels = ordered.values.reshape(len(times), -1).astype(float)
    cut = np.stack([_means(times, y, at, edges, smooth_s) for y in channels.T], axis=1)
    rest = [str(d) for d in ordered.dims[1:]]
    coords = {d: ordered[d].values for d in rest if d in ordered.coords}
    values = cut if rest else cut[:, 0]
    return xr.DataArray(values, dims=("trial", *rest, "time"), coords=coords, attrs=signal.attrs)


def _means(
    times: np.ndarray, y: np.ndarray, at: np.ndarray, edges: np.ndarray, smooth_s: float | None
) -> np.ndarray:
    """Mean of the straight lines between samples in each bin, dims (trial, bin)."""
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
    if smooth_s is None:
        return mean
    kernel = np.diff(ndtr((np.arange(-reach, reach + 2) - 0.5) * width / smooth_s))
    kernel /= kernel.sum()
    return np.stack([np.convolve(row, kernel, mode="valid") for row in mean])


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
