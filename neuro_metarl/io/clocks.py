"""Whether times are on one clock and in one unit of time, and seconds out of other units."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.io.recorded import Reach

__all__ = [
    "SECONDS",
    "check_heard",
    "check_reach",
    "check_spike_clock",
    "name_silence",
    "unit_of_time",
]

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
SPELLINGS = {
    "second": "s", "seconds": "s", "sec": "s", "secs": "s", "millisecond": "ms",
    "milliseconds": "ms", "msec": "ms", "msecs": "ms", "microsecond": "us", "microseconds": "us",
    "usec": "us", "usecs": "us", "µs": "us", "μs": "us", "nanosecond": "ns", "nanoseconds": "ns",
}  # fmt: skip
SCALES = {
    "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "samples of 30 kHz": 1 / 30_000,
    "samples of 20 kHz": 1 / 20_000, "samples of 40 kHz": 1 / 40_000,
    "samples of 24.4 kHz": 1 / 24_414.0625,
}  # fmt: skip
FEW_SPIKES, MANY_SPIKES = 3, 10
APART, TOGETHER = 0.02, 0.2
HEARD, LOST, MANY_NAMES = 5, 20, 5
IN_A_ROW, EXPECTED, SLOW = 3, 50.0, 2.0


def unit_of_time(name: str, what: str) -> str:
    """Recognize a unit of time.

    Parameters
    ----------
    name
        For example ``"ms"`` or ``"milliseconds"``.
    what
        What messages say is in that unit.

    Returns
    -------
    str
        ``"s"``, ``"ms"``, ``"us"`` or ``"ns"``.

    Raises
    ------
    InputError
        It is none.

    Examples
    --------
    >>> unit_of_time("milliseconds", "spike times")
    'ms'
    """
    short = SPELLINGS.get(str(name).strip().lower(), str(name).strip())
    if short not in SECONDS:
        raise InputError(
            f"{what}: unit of time {name!r} is not known; expected one of {', '.join(SECONDS)}"
        )
    return short


def check_spike_clock(
    times: np.ndarray,
    first: float,
    last: float,
    what: str,
    kind: str = "spikes",
    way_out: str = "scale them",
) -> None:
    """Refuse spikes, events or samples that are in another unit of time than the task.

    Parameters
    ----------
    times
        In order, s.
    first, last
        Span of the task, s.
    what
        Whose spikes these are.
    kind
        What messages call them.
    way_out
        What to do, in messages; ``{unit}`` stands for the unit of time that they seem to be in.

    Raises
    ------
    InputError
        The span of the spikes and that of the events have almost nothing in common, but would if
        one of them were in another unit of time.

    Examples
    --------
    >>> check_spike_clock(np.linspace(0, 100_000, 50), 0.0, 100.0, "unit '0'")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: unit '0': its spikes run from 0 to 100000...
    """
    if len(times) < FEW_SPIKES or last <= first:
        return
    begin, end = float(times[0]), float(times[-1])
    if _overlap(begin, end, first, last) >= APART:
        return
    for unit, scale in SCALES.items():
        for factor, whose, enough in (
            (scale, kind, FEW_SPIKES),
            (1 / scale, "those of the task", MANY_SPIKES),
        ):
            if (
                len(times) >= enough
                and _overlap(begin * factor, end * factor, first, last) > TOGETHER
            ):
                named = whose == kind and unit in SECONDS
                advice = way_out.format(unit=unit) if named else "scale them"
                raise InputError(
                    f"{what}: its {kind} run from {begin:g} to {end:g}, the task from {first:g} to "
                    f"{last:g} s; {whose} look like {unit}, expected s; {advice}"
                )


def check_heard(names: Sequence[str], heard: np.ndarray, span: tuple[float, float]) -> None:
    """Name units that have many spikes, but none while the task went on.

    Parameters
    ----------
    names
        Of the units.
    heard
        Dims (unit, 2): all spikes, and those within the span.
    span
        Of the task, s.

    Raises
    ------
    InputError
        No unit has a spike within the span.

    Warns
    -----
    UserWarning
        Some units have none.

    Examples
    --------
    >>> check_heard(["a"], np.array([[50, 0]]), (0.0, 9.0))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: none of the 50 spikes lies between the first event and the...
    """
    if span[0] == span[1]:
        return
    where = f"between the first event and the last ({span[0]:g} to {span[1]:g} s)"
    if heard[:, 0].sum() >= HEARD and not heard[:, 1].any():
        raise InputError(
            f"none of the {int(heard[:, 0].sum())} spikes lies {where}; are spikes and events on "
            "one clock, in s?"
        )
    silent = [n for n, (every, within) in zip(names, heard, strict=True)
              if every >= LOST and not within]  # fmt: skip
    if not silent:
        return
    warnings.warn(
        f"no spikes {where} of units {', '.join(silent[:MANY_NAMES])}"
        + (f" and {len(silent) - MANY_NAMES} more" if len(silent) > MANY_NAMES else "")
        + ", which have spikes at other times: their rates are 0",
        stacklevel=5,
    )


def name_silence(at: Sequence[np.ndarray], rates: np.ndarray, width: float) -> None:
    """Name a run of events at which no unit has a spike: perhaps nothing was recorded there.

    Parameters
    ----------
    at
        Times of each kind of event, s.
    rates
        Of all units together, dims (event, trial), 1/s; NaN where none was observed.
    width
        Of the window, s.

    Warns
    -----
    UserWarning
        Three events or more in a row at which fifty spikes were to be expected.

    Examples
    --------
    >>> name_silence([np.arange(9.0)], np.ones((1, 9)), 0.5)
    """
    known = np.isfinite(rates)
    spikes = rates[known] * width
    times = np.stack(at)[known]
    order = np.argsort(times, kind="stable")
    silent = np.append(np.append(False, spikes[order] == 0), False)
    begins, ends = np.flatnonzero(np.diff(silent.astype(int))).reshape(-1, 2).T
    if not len(begins) or not spikes.any():
        return
    k = int(np.argmax(ends - begins))
    first, last, n = int(begins[k]), int(ends[k]) - 1, int(ends[k] - begins[k])
    expected = n * float(spikes.mean())
    if n >= IN_A_ROW and expected >= EXPECTED:
        warnings.warn(
            f"no unit has a spike around {n} events in a row, {times[order[first]]:g} to "
            f"{times[order[last]]:g} s, where {expected:.0f} were to be expected: their rates are "
            "0; where nothing was recorded there, say so (obs_intervals in NWB, t_start and t_stop "
            "in Neo, observed=)",
            stacklevel=5,
        )


def check_reach(reach: Sequence[Reach], span: tuple[float, float], width: float) -> None:
    """Refuse signals in another unit of time than the task; name those that are too slow.

    Parameters
    ----------
    reach
        Of each signal.
    span
        Of the task, s.
    width
        Of the window around an event, s.

    Raises
    ------
    InputError
        Times that would fit the task in another unit of time.

    Warns
    -----
    UserWarning
        More than two windows lie between one sample and the next.

    Examples
    --------
    >>> check_reach([Reach("dff", np.array([0.0, 40_000.0]), 10.0)], (0.0, 40.0), 0.5)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: series 'dff': its samples run from 0 to 40000...
    """
    first, last = span
    for one in reach:
        what = f"series {one.name!r}"
        if not len(one.times) or last <= first:
            continue
        if one.step == 0:
            check_spike_clock(one.times, first, last, what, "times", one.way_out)
        elif one.step > width:
            ends = np.linspace(one.times[0], one.times[-1], MANY_SPIKES)
            check_spike_clock(ends, first, last, what, "samples", one.way_out)
        if one.step > SLOW * width and one.times[0] < last and first < one.times[-1]:
            warnings.warn(
                f"{what} has a sample every {one.step:g} s, the window is {width:g} s: its values "
                "lie between samples far apart; are its times in s, and is its rate in Hz?",
                stacklevel=5,
            )


def _overlap(begin: float, end: float, first: float, last: float) -> float:
    """Share of the time of both that both have in common."""
    common = min(end, last) - max(begin, first)
    return max(0.0, common) / (max(end, last) - min(begin, first))
