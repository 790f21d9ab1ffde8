"""Whether times are on one clock and in one unit of time, and seconds out of other units."""

from __future__ import annotations

import numpy as np

from neuro_metarl.errors import InputError

__all__ = ["SECONDS", "check_spike_clock", "unit_of_time"]

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
    times: np.ndarray, first: float, last: float, what: str, kind: str = "spikes"
) -> None:
    """Refuse spikes, or other events, that are in another unit of time than the task.

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
                way_out = (
                    f"read with time_units={{'spike_times': {unit!r}}}, or scale them"
                    if whose == "spikes" and unit in SECONDS
                    else "scale them"
                )
                raise InputError(
                    f"{what}: its {kind} run from {begin:g} to {end:g}, the task from {first:g} to "
                    f"{last:g} s; {whose} look like {unit}, expected s; {way_out}"
                )


def _overlap(begin: float, end: float, first: float, last: float) -> float:
    """Share of the time of both that both have in common."""
    common = min(end, last) - max(begin, first)
    return max(0.0, common) / (max(end, last) - min(begin, first))
