"""Trials in order of time, with an end each, and events that belong to one trial each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.io.clocks import check_spike_clock
from neuro_metarl.io.columns import Map, Trials

__all__ = ["check_events", "trials_in_order"]

END = "end of the trial"
LOOKED_UP = ("first", "which", "happened")
FEW, SLIGHT, LONG = 4, 0.01, 300.0


def trials_in_order(trials: Trials) -> Trials:
    """Put trials in order of their beginnings, and give each an end.

    Parameters
    ----------
    trials
        As a file holds them: in any order.

    Returns
    -------
    Trials
        All columns permuted together. A trial whose end is not known (NaN) ends where the next one
        begins; so do all trials where every end equals its beginning. The last of them is open.

    Raises
    ------
    InputError
        Beginnings that are NaN or equal, ends before beginnings, some ends that equal beginnings,
        or trials out of order that overlap.

    Warns
    -----
    UserWarning
        A trial begins every five minutes, or even less often.

    Examples
    --------
    >>> trials = Trials({"start": np.array([5.0, 0.0]), "stop": np.array([9.0, 5.0]),
    ...                  "side": np.array([1, 0])}, lambda name: np.empty(0), "start", "stop",
    ...                 "mouse.nwb", "trials")
    >>> trials_in_order(trials).columns["side"].tolist()
    [0, 1]
    """
    if trials.start not in trials.columns:
        return trials
    start = _numbers(trials, trials.start)
    columns = {n: np.asarray(v) for n, v in trials.columns.items()}
    lengths = {len(v) for n, v in columns.items()}
    if start is None or len(lengths) > 1 or not len(start):
        return trials
    bad = ~np.isfinite(start)
    if bad.any():
        raise InputError(
            f"{trials.where}: {trials.start!r} of trial {int(bad.argmax())} (from 0, of "
            f"{trials.table!r}) is {start[bad.argmax()]:g} ({int(bad.sum())} such trials); without "
            "it the order of trials is not known; expected times in s"
        )
    order = np.argsort(start, kind="stable")
    sorted_already = bool((order == np.arange(len(order))).all())
    columns = columns if sorted_already else {n: v[order] for n, v in columns.items()}
    start = start[order]
    same = np.flatnonzero(np.diff(start) == 0)
    if len(same):
        pair = sorted(int(k) for k in order[same[0] : same[0] + 2])
        raise InputError(
            f"{trials.where}: trials {pair[0]} and {pair[1]} (from 0, of {trials.table!r}) both "
            f"begin at {start[same[0]]:g} s, so that their order is not known"
        )
    _name_pace(trials, start)
    found = replace(trials, columns=columns)
    stop = _numbers(found, trials.stop)
    if stop is None:
        return found
    return _with_ends(found, start, stop, order, sorted_already)


def _name_pace(trials: Trials, start: np.ndarray) -> None:
    """Name trials that follow one another so slowly that their times may be in ms or samples."""
    pace = float(np.median(np.diff(start))) if len(start) > FEW else 0.0
    if pace > LONG:
        warnings.warn(
            f"{trials.where}: a trial of {trials.table!r} begins every {pace:g} s; are the times "
            "of the file in ms or in samples? Declare it (time_units='ms') or scale them",
            stacklevel=5,
        )


def _with_ends(
    trials: Trials, start: np.ndarray, stop: np.ndarray, order: np.ndarray, in_order: bool
) -> Trials:
    backwards = stop < start
    if backwards.any():
        k = int(backwards.argmax())
        raise InputError(
            f"{trials.where}: trial {int(order[k])} (from 0, of {trials.table!r}) ends at "
            f"{stop[k]:g}, before it begins at {start[k]:g} s ({int(backwards.sum())} such trials)"
        )
    following = np.append(start[1:], np.inf)
    late = stop > following + (SLIGHT * float(np.median(np.diff(start))) if len(start) > 1 else 0)
    if not in_order and late.any():
        k = int(late.argmax())
        raise InputError(
            f"{trials.where}: trials of {trials.table!r} are not in order of time and overlap: "
            f"trial {int(order[k])} (from 0) ends at {stop[k]:g} s, trial {int(order[k + 1])} "
            f"begins at {start[k + 1]:g} s; does the clock jump back?"
        )
    empty = stop == start
    if empty.any() and not empty.all():
        k = int(empty.argmax())
        raise InputError(
            f"{trials.where}: trial {int(order[k])} (from 0, of {trials.table!r}) ends where it "
            f"begins, at {start[k]:g} s ({int(empty.sum())} such trials), others do not"
        )
    open_ended = np.isnan(stop) | empty
    if not open_ended.any():
        return trials
    end = np.where(open_ended, following, stop)
    return replace(trials, columns={**trials.columns, END: end}, stop=END)


def _numbers(trials: Trials, name: str) -> np.ndarray | None:
    values = np.asarray(trials.columns[name]) if name in trials.columns else None
    if values is None or values.dtype.kind not in "iuf":
        return None
    return values.astype(float)


def check_events(trials: Trials, columns: Map) -> None:
    """Refuse events that belong to two trials, and events on another clock than the trials.

    Parameters
    ----------
    trials
        In order of time.
    columns
        The declared map.

    Raises
    ------
    InputError
        An event lies between the limits of two trials; none of several events lies between the
        first trial and the last; or most of the times that a column gives for an event lie outside
        of their own trials, as times do that are relative to the trial, or in another unit.

    Examples
    --------
    >>> trials = Trials({"start": np.array([0.0, 1.0]), "stop": np.array([2.0, 3.0])},
    ...                 lambda name: np.array([1.5]), "start", "stop", "mouse.nwb", "trials")
    >>> check_events(trials, {"reward": {"happened": ["valve"]}})
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: mouse.nwb: event 'valve' at 1.5 s lies in trial 0 and trial 1...
    """
    start, stop = _numbers(trials, trials.start), _numbers(trials, trials.stop)
    for name, entry in columns.items():
        declared: Any = {"column": entry} if isinstance(entry, str) else entry
        if not isinstance(declared, Mapping):
            continue
        for source in LOOKED_UP:
            if source in declared:
                named = list(declared[source])
                times = {name: _times_of(trials.times, name, declared) for name in named}
                if start is not None and len(start):
                    _check_clock(trials, times, start, stop)
                _check_once(trials, declared, times)
        values = _numbers(trials, str(declared.get("column", "")))
        if name.startswith("t_") and values is not None and start is not None:
            _check_within(trials, name, str(declared["column"]), values, start, stop)


def _check_clock(
    trials: Trials, events: Mapping[str, np.ndarray], start: np.ndarray, stop: np.ndarray | None
) -> None:
    """Refuse kinds of events that never happen while the task goes on, or in another unit."""
    ends = start if stop is None else stop[np.isfinite(stop)]
    last = np.inf if len(ends) < len(start) else float(ends.max(initial=start.max()))
    first = float(start.min())
    reach = last if np.isfinite(last) else float(start.max() + np.ptp(start) / len(start))
    for name, times in events.items():
        check_spike_clock(np.sort(times), first, reach, f"{trials.where}: event {name!r}", "times")
        if len(times) > FEW and not ((times >= first) & (times <= last)).any():
            raise InputError(
                f"{trials.where}: none of the {len(times)} events {name!r} ({times.min():g} to "
                f"{times.max():g}) lies between the first trial and the last ({first:g} to "
                f"{last:g} s); are both on one clock, in s?"
            )


def _check_once(trials: Trials, entry: Mapping[str, Any], events: Mapping[str, np.ndarray]) -> None:
    after = _numbers(trials, str(entry.get("after", trials.start)))
    before = _numbers(trials, str(entry.get("before", trials.stop)))
    if after is None or before is None or len(after) != len(before):
        return
    known = np.isfinite(after) & ~np.isnan(before)
    trial = np.flatnonzero(known)[np.argsort(after[known], kind="stable")]
    begin, end = after[trial], before[trial]
    if not len(trial) or (np.maximum.accumulate(end)[:-1] <= begin[1:]).all():
        return
    for name, times in events.items():
        inside = np.searchsorted(begin, times, "right") - np.searchsorted(
            np.sort(end), times, "right"
        )
        if (inside > 1).any():
            time = float(times[int((inside > 1).argmax())])
            both = trial[(begin <= time) & (time < end)]
            raise InputError(
                f"{trials.where}: event {name!r} at {time:g} s lies in trial {both[0]} and trial "
                f"{both[1]} (from 0, in order of time), which overlap; say between which columns "
                "to look, with 'after' and 'before'"
            )


def _times_of(
    times: Callable[[str], np.ndarray], name: str, entry: Mapping[str, Any]
) -> np.ndarray:
    try:
        return np.asarray(times(name), dtype=float)
    except InputError:
        if entry.get("optional"):
            return np.empty(0)
        raise


def _check_within(
    trials: Trials,
    name: str,
    column: str,
    values: np.ndarray,
    start: np.ndarray,
    stop: np.ndarray | None,
) -> None:
    known = np.isfinite(values)
    if known.sum() < FEW or len(values) != len(start) or len(start) < FEW:
        return
    pace = float(np.median(np.diff(start)))
    end = start + pace if stop is None or len(stop) != len(start) else stop
    end = np.where(np.isfinite(end), np.maximum(end, start + pace), np.inf)
    outside = known & ((values < start - pace) | (values > end + pace))
    if 2 * outside.sum() <= known.sum():
        return
    k = int(outside.argmax())
    raise InputError(
        f"{trials.where}: {name}: {int(outside.sum())} of {int(known.sum())} times in column "
        f"{column!r} lie outside of their trials (trial {k} begins at {start[k]:g} s, its value is "
        f"{values[k]:g}); expected s on the clock of the session, not relative to the trial or in "
        "another unit"
    )
