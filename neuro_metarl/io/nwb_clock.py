"""The times of the samples of NWB series: at a rate, or stored, read by blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.io.binning import gaps_longer_than, gaps_of, longest_step
from neuro_metarl.io.clocks import SECONDS, unit_of_time
from neuro_metarl.io.nwb_files import decoded

__all__ = ["BLOCK", "WHOLE", "Clock", "clock_of"]

WHOLE = 4_000_000
BLOCK = 1_000_000
MANY, FAST, JITTER, NEARLY_ALL = 20, 0.1, 0.5, 0.99


@dataclass(frozen=True)
class Clock:
    """The times of the samples of a series: a rate, or stored times.

    Parameters
    ----------
    n
        Number of samples.
    start, rate
        First time, s, and samples per s; a rate of 0 where times are stored.
    stored
        Dataset of times; None where there is a rate.
    scale
        Seconds per unit of the stored times.
    what
        What messages name.
    """

    n: int
    start: float
    rate: float
    stored: Any
    scale: float
    what: str

    def times(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """Give times of samples, s.

        Parameters
        ----------
        first, last
            Which; default all.

        Returns
        -------
        numpy.ndarray
        """
        last = self.n if last is None else last
        if self.stored is None:
            return self.start + np.arange(first, last) / self.rate
        if not self.n:
            return np.empty(0)
        part = (
            self.stored[first:last]
            if self.stored.ndim == 1
            else self.stored[()].ravel()[first:last]
        )
        times = np.asarray(part, dtype=float) * self.scale
        bad = np.isnan(times)
        if bad.any():
            raise InputError(
                f"{self.what}: time {first + int(bad.argmax())} (from 0) is NaN "
                f"({int(bad.sum())} such times); expected times in s"
            )
        return times

    def step(self) -> float:
        """Give the usual time between samples, s; of long recordings that at the beginning.

        Returns
        -------
        float
            0 where there are fewer than two samples.
        """
        if self.n < 2:
            return 0.0
        if self.stored is None:
            return 1 / self.rate
        return float(np.median(np.diff(self.times(0, min(self.n, BLOCK)))))

    def regular(self) -> bool:
        """Say whether samples follow one another at one pace, faster than events of trials do.

        Returns
        -------
        bool
        """
        if self.stored is None:
            return self.n > 1
        step = self.step()
        if self.n < MANY or not 0 < step <= FAST:
            return False
        steps = np.diff(self.times(0, min(self.n, BLOCK)))
        return bool(np.mean(np.abs(steps - step) <= JITTER * step) >= NEARLY_ALL)

    def before(self, at: np.ndarray) -> np.ndarray:
        """Find a sample at or just before each time; -1 where there is none."""
        if self.stored is None:
            steps = np.floor((at - self.start) * self.rate)
            return np.clip(steps - 1, -1, self.n).astype(int)
        found = np.full(len(at), -1)
        for first in range(0, self.n, BLOCK):
            times = self.times(first, min(self.n, first + BLOCK))
            found = np.where(at >= times[0], first + np.searchsorted(times, at, "right") - 1, found)
        return found

    def gaps(self) -> np.ndarray:
        """Find the steps much longer than most, and refuse times that go back."""
        if self.stored is None:
            return np.empty((0, 2))
        if self.n <= WHOLE:
            times = self.times()
            self._check(np.diff(times), 0)
            return gaps_of(times)
        longest, candidates = [], []
        for first in range(0, self.n, BLOCK):
            times = self.times(first, min(self.n, first + BLOCK + 1))
            steps = np.diff(times)
            self._check(steps, first)
            longest.append(longest_step(steps) if len(steps) else np.nan)
            candidates.append(gaps_longer_than(times, float(np.nanmin(longest))))
        every = np.concatenate(candidates)
        return every[np.diff(every, axis=1)[:, 0] > float(np.nanmedian(longest))]

    def _check(self, steps: np.ndarray, first: int) -> None:
        if not (steps > 0).all():
            k = first + int(np.argmin(steps > 0))
            both = np.asarray(self.stored[k : k + 2], dtype=float)
            coarse = steps.min() == 0 and bool((both == both.astype("float32")).all())
            raise InputError(
                f"{self.what}: the times of a signal must be finite and increase; sample {k + 1} "
                f"(from 0) is not later than sample {k}"
                + (
                    ": they were rounded to float32, which cannot tell them apart; store float64"
                    if coarse
                    else ": does the clock jump?"
                )
            )


def clock_of(group: h5py.Group, n: int, what: str, time_unit: str | None) -> Clock:
    """Read the clock of a series.

    Parameters
    ----------
    group
        Of the series.
    n
        Number of samples.
    what
        What messages name.
    time_unit
        Unit of its times; default: what the file says.

    Returns
    -------
    Clock

    Raises
    ------
    InputError
        An unknown unit of time, or a rate or a start that is no number.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb["starting_time"] = 1.0
    ...     nwb["starting_time"].attrs["rate"] = 2.0
    ...     clock_of(nwb, 3, "series", None).times().tolist()
    [1.0, 1.5, 2.0]
    """
    if "timestamps" in group:
        stored = group["timestamps"]
        said = time_unit or decoded(stored.attrs.get("unit", "seconds"))
        return Clock(n, 0.0, 0.0, stored, SECONDS[unit_of_time(said, what)], what)
    start = group["starting_time"]
    said = time_unit or decoded(start.attrs.get("unit", "seconds"))
    rate = float(start.attrs.get("rate", np.nan))
    if not (np.isfinite(rate) and rate > 0):
        raise InputError(f"{what}: its rate is {rate}, expected samples per s above 0")
    first = float(np.ravel(start[()])[0]) * SECONDS[unit_of_time(said, what)]
    if not np.isfinite(first):
        raise InputError(f"{what}: its starting time is {first}, expected a time in s")
    return Clock(n, first, rate, None, 1.0, what)
