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
from neuro_metarl.io.binning import bin_rates, gaps_of, observed_bins, signal_means
from neuro_metarl.io.clocks import check_heard, check_reach, check_spike_clock, name_silence
from neuro_metarl.io.recorded import Reach, Signal, StoredSpikes, intervals_of
from neuro_metarl.schema import TRIAL

__all__ = ["add_activity", "align"]

WHOLE = 1e-6
BLOCK = 32
DECLARE = (
    "read with time_units={{'spike_times': '{unit}'}} (or 's', where they are in s), or scale them"
)
Samples = np.ndarray | Sequence[np.ndarray] | Mapping[str, np.ndarray] | xr.DataArray | Signal
Observed = np.ndarray | Sequence[Any] | Mapping[str, Any] | None


def align(
    samples: Samples,
    events: xr.DataArray | np.ndarray | Sequence[float],
    *,
    window: tuple[float, float] = (-1.0, 2.0),
    bin_s: float = 0.05,
    smooth_s: float | None = None,
    observed: Observed = None,
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
    observed
        Intervals in which spikes or events were looked for, ``(begin, end)`` in s: an array with
        dims (interval, 2), or a mapping of each unit to one. None: all the time, or what
        :func:`neuro_metarl.io.nwb_contents.nwb_spikes` found in the file.

    Returns
    -------
    xarray.DataArray
        Dims trial (, unit or the signal's other dim), time. Times: events per s in each bin
        (attribute ``units``: 1/s); signal: the mean of the signal, joined by straight lines, in
        each bin. NaN where the trial lacks the event, in bins that were not wholly observed (with
        two standard deviations of the kernel on either side, where there is one), and where the
        signal does not reach, is NaN or has a gap (see
        :func:`neuro_metarl.io.binning.longest_step`). Coordinate ``time``: middle of the bin, in
        s relative to the event. A bin holds its beginning and not its end; times count as equal
        within a nanosecond, or within the last bits of a clock that runs to greater numbers.

    Raises
    ------
    InputError
        Times that are NaN or not 1-d, in another unit of time than the events, a signal without
        times that increase, several sessions, or a window that is no whole number of bins.

    Examples
    --------
    >>> licks = np.array([1.0, 1.26, 5.01])
    >>> rate = align(licks, [1.0, 5.0, np.nan], window=(0, 0.5), bin_s=0.25)
    >>> rate.values.tolist()
    [[4.0, 4.0], [4.0, 0.0], [nan, nan]]
    """
    edges = _edges(window, bin_s)
    at = _event_times(events)
    _check_smoothing(smooth_s)
    time = (edges[:-1] + edges[1:]) / 2
    if isinstance(samples, xr.DataArray):
        if observed is not None:
            raise InputError("observed is for spikes and events; a signal is NaN where it has none")
        return _aligned_signal(samples, at, edges, smooth_s).assign_coords(time=("time", time))
    named, alone = _trains(samples)
    known = _observed(samples, observed, named)
    rates = []
    for name in named:
        what = "the times" if alone else f"unit {name!r}"
        times = _times(named[name], what)
        check_spike_clock(times, *_span([at], edges), what, "times" if alone else "spikes")
        rates.append(_rates(times, at, edges, smooth_s, known.get(name)))
    if alone:
        return xr.DataArray(rates[0], dims=("trial", "time"), coords={"time": time}, attrs=_per_s())
    empty = np.empty((len(at), 0, len(time)))
    return xr.DataArray(
        np.stack(rates, axis=1) if rates else empty,
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
    observed: Observed = None,
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
    smooth_s, observed
        As in :func:`align`.
    area
        Brain area of each unit.

    Returns
    -------
    xarray.Dataset
        The cohort with ``activity(session, trial, event, unit)``, float32, NaN where a trial lacks
        the event or was not observed, and coordinates ``event``, ``unit``, ``recording(unit)``
        (the session), ``unit_id(unit)`` and perhaps ``area(unit)``. Attributes of ``activity``:
        ``units``, ``window_s`` and perhaps ``smooth_s``.

    Raises
    ------
    InputError
        Several sessions, an event without times (with a suggestion) or named twice, no units,
        spikes on another clock or in another unit of time than the events, or as in :func:`align`.

    Warns
    -----
    UserWarning
        Units with many spikes of which none lies between the first and the last event; events in a
        row around which no unit has a spike, though many were to be expected; a signal with fewer
        samples than windows.

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
    first, last = _pair(window)
    edges = _edges(window, last - first)
    _check_smoothing(smooth_s)
    at = [_event_times(cohort[f"t_{n}"]) for n in names]
    session = str(cohort["session_id"].values[0])
    if isinstance(samples, (xr.DataArray, Signal)):
        values, coords, units = _signal_means(samples, at, edges, smooth_s, session)
    else:
        values, coords = _spike_means(samples, at, edges, smooth_s, observed, session)
        units = "spikes/s"
    attrs = {"units": units, "window_s": f"{window[0]} to {window[1]}"}
    if smooth_s is not None:
        attrs["smooth_s"] = str(smooth_s)
    if area is not None:
        if len(area) != values.shape[-1]:
            raise InputError(f"area names {len(area)} units, there are {values.shape[-1]}")
        coords["area"] = ("unit", [str(a) for a in area])
    added = cohort.assign(activity=((*TRIAL, "event", "unit"), values[None], attrs))
    return validate_cohort(added.assign_coords({"event": ("event", names)} | coords))


def _spike_means(
    samples: Any,
    at: list[np.ndarray],
    edges: np.ndarray,
    smooth_s: float | None,
    observed: Observed,
    session: str,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Rates of one unit after the other, so that only one unit's spikes need be at hand."""
    named, alone = _trains(samples)
    known = _observed(samples, observed, named)
    values = np.empty((len(at[0]), len(at), len(named)), "float32")
    block = np.empty((min(BLOCK, len(named)), len(at), len(at[0])), "float32")
    heard, together = np.zeros((len(named), 2)), np.full(block.shape[1:], np.nan)
    first, last = _span(at, edges)
    declared = getattr(samples, "unit_of_time", None)
    way_out = DECLARE if isinstance(samples, StoredSpikes) else "scale them"
    if known and declared != "s":
        every = np.concatenate([np.ravel(spans) for spans in known.values()] or [np.empty(0)])
        ends = np.quantile(every[np.isfinite(every)], (0, 0.5, 1)) if len(every) else every
        check_spike_clock(ends, first, last, "obs_intervals", "ends", way_out)
    for k, name in enumerate(named):
        what = "the times" if alone else f"unit {name!r}"
        times = _times(named[name], what)
        heard[k] = len(times), np.diff(np.searchsorted(times, [first, last]))[0]
        if declared != "s":
            check_spike_clock(times, first, last, what, way_out=way_out)
        for e, events in enumerate(at):
            block[k % BLOCK, e] = _rates(times, events, edges, smooth_s, known.get(name))[:, 0]
        mine = block[k % BLOCK]
        together = np.where(np.isnan(together), mine, together + np.nan_to_num(mine))
        if k % BLOCK == BLOCK - 1 or k == len(named) - 1:
            begin = k - k % BLOCK
            values[:, :, begin : k + 1] = block[: k + 1 - begin].transpose(2, 1, 0)
    check_heard(list(map(str, named)), heard, (first, last))
    if len(named) > 1:
        name_silence(at, together, float(edges[-1] - edges[0]))
    if known and values.size and np.isnan(values).all() and np.isfinite(np.stack(at)).any():
        raise InputError(
            "no window around an event lies within the intervals in which units were observed; "
            "are both on one clock?"
        )
    labels = ["0"] if alone else list(named)
    about = {n: ("unit", v) for n, v in getattr(samples, "about", {}).items()}
    return values, {"unit": ("unit", labels)} | _who(labels, [session] * len(labels)) | about


def _signal_means(
    samples: xr.DataArray | Signal,
    at: list[np.ndarray],
    edges: np.ndarray,
    smooth_s: float | None,
    session: str,
) -> tuple[np.ndarray, dict[str, Any], str]:
    check_reach(_reach_of(samples), _span(at, edges), float(edges[-1] - edges[0]))
    if isinstance(samples, Signal):
        values = np.stack([samples.means(t, edges, smooth_s) for t in at], axis=1)
        labels: list[Any] = list(samples.labels)
        about = dict(samples.about)
        named, units = list(samples.named), samples.units
    else:
        parts = [_aligned_signal(samples, t, edges, smooth_s).isel(time=0) for t in at]
        values = np.stack([p.values.reshape(len(p), -1) for p in parts], axis=1)
        beside = [str(d) for d in samples.dims if d != "time"]
        dim = beside[0] if beside else ""
        n_units = values.shape[-1]
        labels = samples[dim].values.tolist() if dim in samples.coords else (
            list(range(n_units)) if dim else [str(samples.name or 0)])  # fmt: skip
        about = {
            str(n): c.values for n, c in samples.coords.items() if c.dims == (dim,) and n != dim
        }
        named = [not dim and samples.name is not None] * n_units
        units = str(samples.attrs.get("units", ""))
    if values.size and np.isnan(values).all() and np.isfinite(np.stack(at)).any():
        first, last = _span(at, edges)
        raise InputError(
            f"the signal has no value in any window around an event ({first:g} to {last:g} s); are "
            "both on one clock, in s?"
        )
    who = _who(labels, ["" if known else session for known in named])
    coords = {"unit": ("unit", labels)} | who | {n: ("unit", v) for n, v in about.items()}
    return values.astype("float32"), coords, units


def _reach_of(samples: xr.DataArray | Signal) -> Sequence[Reach]:
    if isinstance(samples, Signal):
        return samples.reach
    times = samples["time"].values.astype(float) if "time" in samples.coords else np.empty(0)
    if times.ndim != 1 or len(times) < 2:
        return []
    step = float(np.median(np.diff(times)))
    return [Reach(str(samples.name or "signal"), times[[0, -1]], step)]


def _who(labels: Sequence[Any], recordings: Sequence[str]) -> dict[str, Any]:
    return {
        "recording": ("unit", np.array(recordings, dtype=np.str_)),
        "unit_id": ("unit", np.array([str(v) for v in labels], dtype=np.str_)),
    }


def _span(at: list[np.ndarray], edges: np.ndarray) -> tuple[float, float]:
    times = np.concatenate(at)
    times = times[np.isfinite(times)]
    if not len(times):
        return 0.0, 0.0
    return float(times.min() + edges[0]), float(times.max() + edges[-1])


def _trains(samples: Any) -> tuple[Mapping[Any, Any], bool]:
    """Name the units, and say whether the samples are times of a single kind instead."""
    if isinstance(samples, Mapping):
        return samples, False
    if isinstance(samples, np.ndarray) and samples.dtype.kind != "O":
        return {"0": samples}, True
    listed = list(samples)
    if listed and np.ndim(listed[0]) == 0:
        return {"0": listed}, True
    return (dict(enumerate(listed)), False) if listed else ({"0": np.empty(0)}, True)


def _observed(samples: Any, observed: Observed, named: Mapping[Any, Any]) -> dict[Any, np.ndarray]:
    given = getattr(samples, "observed", None) if observed is None else observed
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(named, intervals_of(given, "observed"))
    unknown = [k for k in given if k not in named]
    if unknown:
        raise InputError(
            f"observed names unit {unknown[0]!r}; " + did_you_mean(str(unknown[0]), map(str, named))
        )
    return {k: intervals_of(v, f"observed of unit {k!r}") for k, v in given.items()}


def _check_smoothing(smooth_s: float | None) -> None:
    if smooth_s is not None and not (np.isfinite(smooth_s) and smooth_s > 0):
        raise InputError(f"smooth_s is {smooth_s}, expected a width in s above 0, or None")


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
    twice = [n for n in names if names.count(n) > 1]
    if twice:
        raise InputError(f"event {twice[0]!r} is named twice in events; name each event once")


def _there(name: str, known: Sequence[str]) -> str:
    return did_you_mean(name, known) if known else "the cohort has no variable t_<event>"


def _per_s() -> dict[str, str]:
    return {"units": "1/s"}


def _pair(window: Any) -> tuple[float, float]:
    try:
        first, last = (float(t) for t in window)
    except (TypeError, ValueError):
        raise InputError(f"window is {window!r}, expected two times in s, (0, 0.5)") from None
    return first, last


def _edges(window: tuple[float, float], bin_s: float) -> np.ndarray:
    first, last = _pair(window)
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
    times: np.ndarray,
    at: np.ndarray,
    edges: np.ndarray,
    smooth_s: float | None,
    observed: np.ndarray | None,
) -> np.ndarray:
    """Events per second, dims (trial, bin); NaN in bins that were not observed."""
    rate = bin_rates(times, at, edges, smooth_s)
    if observed is not None:
        rate[~observed_bins(observed, at, edges, smooth_s)] = np.nan
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
    gaps = gaps_of(times)
    channels = ordered.values.reshape(len(times), -1).astype(float)
    cut = [signal_means(times, y, at, edges, smooth_s, gaps) for y in channels.T]
    rest = [str(d) for d in ordered.dims[1:]]
    coords = {d: ordered[d].values for d in rest if d in ordered.coords}
    values = np.stack(cut, axis=1) if rest else cut[0]
    return xr.DataArray(values, dims=("trial", *rest, "time"), coords=coords, attrs=signal.attrs)
