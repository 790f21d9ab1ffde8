"""Activity around events out of an open NWB file, and the units of time that were declared."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.clocks import SECONDS, unit_of_time
from neuro_metarl.io.columns import Map
from neuro_metarl.io.events import add_activity
from neuro_metarl.io.nwb_files import opened
from neuro_metarl.io.nwb_signals import StoredSeries, find_series, no_series, series_places
from neuro_metarl.io.nwb_units import holds_units, stored_spikes
from neuro_metarl.io.recorded import Signal, SpikeTimes

__all__ = ["SPIKES", "WINDOW", "ActivityAround", "TimeScales", "TimeUnits"]

WINDOW = (0.0, 0.5)
SPIKES = "spike_times"
TimeUnits = str | Mapping[str, str]


class TimeScales:
    """Seconds per unit of time of columns, series and spikes, as declared.

    Parameters
    ----------
    time_units
        A unit for the whole file, or a mapping of columns, series and ``"spike_times"`` to theirs.
    columns
        The declared map: its ``t_<event>`` are times, too.

    Raises
    ------
    InputError
        An unknown unit of time.

    Examples
    --------
    >>> TimeScales({"spike_times": "ms"}, {}).scale("spike_times")
    0.001
    """

    def __init__(self, time_units: TimeUnits, columns: Map) -> None:
        self.everything: str | None = None
        self.declared: dict[str, str] = {}
        self.used: set[str] = set()
        self.known: set[str] = {SPIKES}
        if isinstance(time_units, str):
            self.everything = unit_of_time(time_units, "time_units")
        elif isinstance(time_units, Mapping):
            self.declared = {
                str(n): unit_of_time(u, f"time_units of {n!r}") for n, u in time_units.items()
            }
        else:
            raise InputError(
                f"time_units is {time_units!r}, expected a unit, 'ms', or a mapping of columns, "
                "series and 'spike_times' to their unit"
            )
        self.times = {"start_time", "stop_time", "timestamp"}
        for name, entry in columns.items():
            declared = {"column": entry} if isinstance(entry, str) else entry
            if not isinstance(declared, Mapping):
                continue
            if name.startswith("t_") and "column" in declared:
                self.times.add(str(declared["column"]))
            self.times |= {str(declared[k]) for k in ("after", "before") if k in declared}

    def unit(self, name: str) -> str | None:
        """Give the unit that was declared for a thing; None: none was."""
        self.known.add(name)
        if name in self.declared:
            self.used.add(name)
            return self.declared[name]
        return self.everything if self.everything != "s" else None

    def scale(self, name: str) -> float:
        """Give seconds per unit."""
        return SECONDS[self.unit(name) or "s"]

    def columns(self, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Turn the columns that hold times into seconds."""
        scaled = {}
        for name, values in found.items():
            is_time = name in self.declared or (name in self.times and values.dtype.kind in "iuf")
            scale = self.scale(name) if is_time else 1.0
            self.known.add(name)
            scaled[name] = values if scale == 1.0 else values * scale
        return scaled

    def check(self, file: Path) -> None:
        """Refuse a declaration that nothing used."""
        unused = sorted(set(self.declared) - self.used)
        if unused:
            raise InputError(
                f"{file}: time_units names {unused[0]!r}, which is no column, series or "
                "'spike_times' that was read; " + did_you_mean(unused[0], self.known)
            )


@dataclass(frozen=True)
class ActivityAround:
    """Which activity is taken around which events, and how.

    Parameters
    ----------
    events
        Names of events, without ``t_``.
    signals
        Names of series; none: the spikes of units.
    units
        Path of the table of units.
    window, smooth_s
        See :func:`neuro_metarl.io.events.add_activity`.

    Examples
    --------
    >>> ActivityAround([], ["dff"], None, (0.0, 0.5), None).check(Path("mouse.nwb"))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: mouse.nwb: signals says how activity is taken around events...
    """

    events: list[str]
    signals: list[str]
    units: str | None
    window: tuple[float, float]
    smooth_s: float | None

    def check(self, file: Path) -> None:
        """Refuse what is declared and would not be used."""
        if self.events:
            twice = [n for n in self.signals if self.signals.count(n) > 1]
            if twice:
                raise InputError(f"{file}: series {twice[0]!r} is named twice in signals")
            if self.signals and self.units is not None:
                raise InputError(f"{file}: activity is of signals or of units; name one of them")
            return
        unused = {
            "signals": self.signals, "units": self.units, "smooth_s": self.smooth_s is not None,
            "window": tuple(self.window) != WINDOW,
        }  # fmt: skip
        for name, given in unused.items():
            if given:
                raise InputError(
                    f"{file}: {name} says how activity is taken around events, but events names "
                    "none; give events=['choice'], for example"
                )

    def without_units(self, files: Sequence[Path]) -> list[Path]:
        """Find files without units among others that have some: sessions of behavior alone."""
        if not self.events or self.signals or self.units is not None or len(files) < 2:
            return []
        silent = []
        for file in files:
            with opened(file) as nwb:
                if not holds_units(nwb):
                    silent.append(file)
        if len(silent) == len(files):
            return []
        if silent:
            warnings.warn(
                f"no units in {', '.join(str(file) for file in silent)}: no activity there, NaN",
                stacklevel=3,
            )
        return silent

    def add(
        self, cohort: xr.Dataset, nwb: h5py.File, file: Path, scales: TimeScales, *, silent: bool
    ) -> xr.Dataset:
        """Take the activity from an open file."""
        if not self.events:
            return cohort
        samples: Any = SpikeTimes({})
        if self.signals:
            samples = self._signal(nwb, file, scales)
        elif not silent:
            samples = stored_spikes(
                nwb, file, table=self.units, scale=scales.scale(SPIKES),
                unit_of_time=scales.declared.get(SPIKES),
            )  # fmt: skip
        try:
            return add_activity(
                cohort, samples, events=self.events, window=self.window, smooth_s=self.smooth_s
            )
        except InputError as error:
            message = str(error)
            raise InputError(message if str(file) in message else f"{file}: {message}") from None

    def _signal(self, nwb: h5py.File, file: Path, scales: TimeScales) -> Signal:
        """Lay the channels of several series side by side."""
        every = [self._series(nwb, name, file, scales) for name in self.signals]
        labels, about = [], []
        for one in every:
            mine, said = one.labels()
            labels += mine
            about.append(said)
        if len(set(labels)) < len(labels):
            labels = [
                one.group.name.strip("/") + label.removeprefix(one.short)
                for one in every
                for label in one.labels()[0]
            ]
        names = dict.fromkeys(n for said in about for n in said)
        sizes = [one.n_channels for one in every]
        both = list(zip(about, sizes, strict=True))
        joined = {
            n: np.concatenate([said.get(n, np.full(size, "")) for said, size in both])
            for n in names
        }

        def means(at: np.ndarray, edges: np.ndarray, smooth_s: float | None) -> np.ndarray:
            return np.concatenate([one.means(at, edges, smooth_s) for one in every], axis=1)

        stated = dict.fromkeys("1/s" if one.holds_events() else one.units for one in every)
        named = np.repeat([size == 1 for size in sizes], sizes).tolist()
        reach = [one.reach() for one in every]
        return Signal(means, labels, joined, "; ".join(stated), named, reach)

    def _series(self, nwb: h5py.File, name: str, file: Path, scales: TimeScales) -> StoredSeries:
        series = find_series(nwb, name, file, time_unit=scales.unit(name))
        if series is None:
            raise no_series(name, list(series_places(nwb)[0]), file)
        return series
