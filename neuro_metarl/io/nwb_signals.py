"""The time series of NWB files: found by name, in their unit of measurement, read by slices.

A series is an array with one row per sample. Files also hold arrays the other way round; which way
round an array is follows from the number of its timestamps, electrodes, regions of interest or
control values, and is refused where none of them says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.binning import bin_rates, signal_means
from neuro_metarl.io.nwb_clock import BLOCK, WHOLE, Clock, clock_of
from neuro_metarl.io.nwb_files import decoded, identity, kind_of, texts, walk
from neuro_metarl.io.nwb_units import region_of, region_rows
from neuro_metarl.io.recorded import Reach

__all__ = ["StoredSeries", "find_series", "no_series", "series_places"]

REACH, FEW = 6.0, 3


@dataclass(frozen=True)
class StoredSeries:
    """A time series in an open file.

    Parameters
    ----------
    name
        As it was asked for.
    group
        Its group.
    file
        What messages name.
    clock
        Its times.
    n_channels
        1 where the data have no second dimension.
    turned
        Whether the data are stored as (channel, time).
    """

    name: str
    group: h5py.Group
    file: Path
    clock: Clock
    n_channels: int
    turned: bool

    @property
    def short(self) -> str:
        """Its name without the path."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def units(self) -> str:
        """Unit of measurement."""
        return decoded(self.group["data"].attrs.get("unit", "")) if "data" in self.group else ""

    @property
    def flat(self) -> bool:
        """Whether the data have no dimension but time."""
        return "data" not in self.group or self.group["data"].ndim < 2

    @property
    def marks_intervals(self) -> bool:
        """Whether values above 0 are beginnings, and others ends."""
        if kind_of(self.group) == "IntervalSeries":
            return True
        if "data" not in self.group or not self.flat or self.clock.rate or self.clock.n > BLOCK:
            return False
        values = self.values()
        return values.dtype.kind in "if" and _in_turn(values, {-1, 1})

    def values(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """Read samples in the unit of measurement.

        Parameters
        ----------
        first, last
            Which; default all.

        Returns
        -------
        numpy.ndarray
            Dims time, or (time, channel).
        """
        last = self.clock.n if last is None else last
        if "data" not in self.group:
            return np.ones(last - first)
        data = self.group["data"]
        if data.ndim == 0 or (len(data) == 1 and self.clock.n == 0):
            return np.ones(last - first)
        raw = data[:, first:last].T if self.turned else data[first:last]
        stored = np.asarray(raw)
        values = stored.reshape(len(stored), -1) if stored.ndim > 1 else stored
        if values.dtype.kind in "SO":
            return np.array([decoded(v) for v in values.ravel()]).reshape(values.shape)
        return self._scaled(values)

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        stored = self.group["data"].attrs
        each = self.group.get("channel_conversion")
        if values.dtype.kind not in "iuf":
            return values
        if each is None and "conversion" not in stored and "offset" not in stored:
            return values
        scale, shift = (float(stored.get(n, d)) for n, d in (("conversion", 1), ("offset", 0)))
        if not np.isfinite([scale, shift]).all():
            raise InputError(
                f"{self.file}: series {self.name!r}: conversion is {scale}, offset {shift}, "
                "expected finite numbers"
            )
        factor: Any = scale
        if each is not None:
            by_channel = np.ravel(np.asarray(each[()], dtype=float))
            if len(by_channel) != self.n_channels:
                raise InputError(
                    f"{self.file}: series {self.name!r} has {self.n_channels} channels, but "
                    f"'channel_conversion' has {len(by_channel)} values"
                )
            factor = scale * by_channel if values.ndim > 1 else scale * by_channel[0]
        if np.ndim(factor) == 0 and (factor, shift) == (1.0, 0.0):
            return values
        scaled: np.ndarray = values * factor + shift
        return scaled

    def labels(self) -> tuple[list[str], dict[str, np.ndarray]]:
        """Name the channels, by the ids of their electrodes or regions of interest.

        Returns
        -------
        tuple
            Labels, and ``unit_id`` and perhaps ``area`` of each.
        """
        if self.n_channels == 1:
            return [self.short], {"unit_id": np.array([self.short])}
        ids = [str(k) for k in range(self.n_channels)]
        about: dict[str, np.ndarray] = {}
        region = _region(self.group)
        if region is not None and len(region) == self.n_channels:
            table = region_of(region)
            if table is not None and "id" in table:
                listed = texts(table["id"])
                rows = region_rows(region, len(listed), f"{self.file}: series {self.name!r}")
                ids = [listed[k] for k in rows]
                areas = _areas(table, rows)
                if areas is not None:
                    about["area"] = np.array(areas, dtype=np.str_)
        if len(set(ids)) < len(ids):
            ids = [str(k) for k in range(self.n_channels)]
        return [f"{self.short}_{k}" for k in ids], {
            "unit_id": np.array(ids, dtype=np.str_),
            **about,
        }

    def holds_events(self) -> bool:
        """Whether the times are what counts: intervals, or values that never vary.

        Returns
        -------
        bool
        """
        if self.marks_intervals or "data" not in self.group:
            return True
        if not self.flat or self.clock.n > BLOCK or self.clock.regular():
            return False
        values = self.values()
        return values.dtype.kind in "biuf" and bool(len(values) < 2 or (values == values[0]).all())

    def event_times(self) -> np.ndarray:
        """Give the times of events: all, or the beginnings where ends are marked, too.

        Returns
        -------
        numpy.ndarray
            s.

        Raises
        ------
        InputError
            A signal: samples at a rate, or at times that follow one another at one pace.
        """
        times = self.clock.times()
        if "data" not in self.group or not self.clock.n:
            return times
        values = self.values()
        if values.dtype.kind not in "biuf":
            return times
        turns = self.flat and len(values) > FEW and _in_turn(values, {0, 1})
        if self.marks_intervals or turns:
            return times[values > 0]
        if self.clock.regular() and (self.clock.rate or len(np.unique(values)) > 1):
            raise InputError(
                f"{self.file}: series {self.name!r} is a signal of {len(values)} samples, one "
                f"every {self.clock.step():g} s, not events; name a series with the times of the "
                "events, or a column of the trials"
            )
        return times

    def reach(self) -> Reach:
        """Say when it was taken.

        Returns
        -------
        Reach
        """
        way_out = (
            "is its rate in Hz?"
            if self.clock.rate
            else f"read with time_units={{{{{self.name!r}: '{{unit}}'}}}}, or scale them"
        )
        if self.holds_events():
            return Reach(self.name, np.sort(self.event_times()), 0.0, way_out)
        ends = [self.clock.times(k, k + 1) for k in sorted({0, self.clock.n - 1}) if k >= 0]
        times = np.concatenate([*ends, np.empty(0)])
        return Reach(self.name, times, self.clock.step(), way_out)

    def means(self, at: np.ndarray, edges: np.ndarray, smooth_s: float | None) -> np.ndarray:
        """Average each channel around events, reading no more than is needed.

        Parameters
        ----------
        at
            Times of the events, s.
        edges
            Of the one bin, s relative to them.
        smooth_s
            Width of a Gaussian kernel, s; None: none.

        Returns
        -------
        numpy.ndarray
            Dims (event, channel); NaN as in :func:`neuro_metarl.io.binning.signal_means`.
        """
        if self.holds_events():
            return bin_rates(np.sort(self.event_times()), at, edges, smooth_s)
        found = np.full((len(at), self.n_channels), np.nan)
        gaps = self.clock.gaps()
        if self.clock.n * self.n_channels <= WHOLE:
            self._fill(found, np.arange(len(at)), (0, self.clock.n), at, edges, smooth_s, gaps)
            return found
        reach = 0.0 if smooth_s is None else REACH * smooth_s + edges[-1] - edges[0]
        there = np.flatnonzero(np.isfinite(at))
        there = there[np.argsort(at[there], kind="stable")]
        first = self.clock.before(at[there] + edges[0] - reach)
        last = self.clock.before(at[there] + edges[-1] + reach) + 3
        begin = 0
        for k in range(1, len(there) + 1):
            whole = k < len(there) and (last[k] - first[begin]) * self.n_channels <= WHOLE
            if whole and first[k] <= last[begin:k].max():
                continue
            span = (max(0, int(first[begin])), min(self.clock.n, int(last[begin:k].max())))
            if span[1] - span[0] > 1:
                self._fill(found, there[begin:k], span, at, edges, smooth_s, gaps)
            begin = k
        return found

    def _fill(
        self,
        found: np.ndarray,
        which: np.ndarray,
        span: tuple[int, int],
        at: np.ndarray,
        edges: np.ndarray,
        smooth_s: float | None,
        gaps: np.ndarray,
    ) -> None:
        times = self.clock.times(*span)
        values = self.values(*span).reshape(len(times), -1)
        if values.dtype.kind not in "biuf":
            raise InputError(f"{self.file}: series {self.name!r} holds text, expected numbers")
        for channel in range(values.shape[1]):
            y = values[:, channel].astype(float)
            found[which, channel] = signal_means(times, y, at[which], edges, smooth_s, gaps)[:, 0]


def _in_turn(values: np.ndarray, codes: set[int]) -> bool:
    """Say whether values go on and off in turn; where they do not, they are codes of two kinds."""
    found = set(np.unique(values).tolist())
    return found == codes and bool((values[1:] != values[:-1]).all())


def series_places(nwb: h5py.File) -> tuple[dict[str, list[str]], dict[str, str]]:
    """List the time series of a file.

    Parameters
    ----------
    nwb
        Open file.

    Returns
    -------
    tuple
        Name to the places of series of that name, each series once however many links lead to it;
        and name to where a link leads that leads nowhere.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb["acquisition/licks/timestamps"] = [0.5]
    ...     series_places(nwb)
    ({'licks': ['acquisition/licks']}, {})
    """
    found: dict[str, dict[Any, tuple[bool, str]]] = {}
    broken = {}
    for one in walk(nwb):
        if one.thing is None:
            broken[one.name] = one.leads_to
        elif "timestamps" in one.thing or "starting_time" in one.thing:
            same = found.setdefault(one.name, {})
            known = same.get(identity(one.thing))
            if known is None or (known[0] and not one.linked):
                same[identity(one.thing)] = (one.linked, one.path)
    return {n: [path for _, path in same.values()] for n, same in found.items()}, broken


def find_series(
    nwb: h5py.File, name: str, file: Path, *, time_unit: str | None = None
) -> StoredSeries | None:
    """Find a time series by its name or path.

    Parameters
    ----------
    nwb
        Open file.
    name
        Name, or path where several have that name.
    file
        What messages name.
    time_unit
        Unit of its timestamps; default: what the file says.

    Returns
    -------
    StoredSeries or None
        None where there is no series of that name.

    Raises
    ------
    InputError
        Several of that name, a link that leads nowhere, or data that do not fit their times.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb["acquisition/x/timestamps"] = [0.5, 1.0]
    ...     nwb["acquisition/x/data"] = np.ones((5, 2))
    ...     find_series(nwb, "x", Path("mouse.nwb")).turned
    True
    """
    places, broken = series_places(nwb)
    every = [place for several in places.values() for place in several]
    matching = [name] if name in every or _is_series(nwb.get(name)) else places.get(name, [])
    if not matching and name in broken:
        raise InputError(
            f"{file}: series {name!r} is a link to {broken[name]}, which is not there; put that "
            "file beside this one"
        )
    if not matching:
        return None
    if len(matching) > 1:
        raise InputError(f"{file}: several time series {name!r}; name one of {', '.join(matching)}")
    group = nwb[matching[0]]
    what = f"{file}: series {name!r}"
    if "external_file" in group:
        raise InputError(
            f"{what} holds its images in files outside of this one, which are not read"
        )
    shape = group["data"].shape if "data" in group else ()
    n_times = _n_times(group)
    turned = _turned(group, shape, n_times, what)
    n_rows = (shape[1] if turned else shape[0]) if shape else n_times or 0
    if n_times is not None and shape and n_rows != n_times and not (n_times == 0 and n_rows == 1):
        raise InputError(f"{what} has {n_rows} values, but {n_times} times")
    clock = clock_of(group, n_rows if n_times is None else n_times, what, time_unit)
    n_channels = int(np.prod(shape)) // max(1, n_rows) if len(shape) > 1 else 1
    _check_region(group, n_channels, len(shape), what)
    return StoredSeries(name, group, file, clock, n_channels, turned)


def _is_series(thing: Any) -> bool:
    return isinstance(thing, h5py.Group) and ("timestamps" in thing or "starting_time" in thing)


def no_series(name: str, known: list[str], file: Path) -> InputError:
    """Say that there is no series of a name.

    Parameters
    ----------
    name
        What was asked for.
    known
        What there is.
    file
        What the message names.

    Returns
    -------
    InputError

    Examples
    --------
    >>> str(no_series("lick", ["licks"], Path("mouse.nwb")))
    "mouse.nwb: no time series 'lick'; did you mean 'licks'?"
    """
    return InputError(
        f"{file}: no time series {name!r}; "
        + (did_you_mean(name, known) if known else "it has none")
    )


def _n_times(group: h5py.Group) -> int | None:
    """Count the stored times; a single one that is NaN stands for none."""
    if "timestamps" not in group:
        return None
    stored = group["timestamps"]
    if stored.size == 1 and np.isnan(float(np.ravel(stored[()])[0])):
        return 0
    return int(stored.size)


def _region(group: h5py.Group) -> Any:
    return next((group[n] for n in ("rois", "electrodes") if n in group), None)


def _turned(group: h5py.Group, shape: tuple[int, ...], n_times: int | None, what: str) -> bool:
    """Say whether data are (channel, time)."""
    if len(shape) != 2:
        return False
    rows, columns = shape
    if n_times is None and "control" in group and len(group["control"]) in shape:
        n_times = len(group["control"])
    if n_times is not None:
        return rows != n_times and columns == n_times
    for name in ("rois", "electrodes", "channel_conversion"):
        if name in group and len(group[name]) in shape:
            return columns != len(group[name])
    if rows == 1 < columns:
        return True
    if columns > rows:
        raise InputError(
            f"{what} has data of {rows} by {columns} and a rate: nothing says which of these is "
            "time, and the first has fewer; expected (time, channel)"
        )
    return False


def _check_region(group: h5py.Group, n_channels: int, n_dims: int, what: str) -> None:
    region = _region(group)
    if n_dims == 2 and region is not None and len(region) != n_channels:
        short = region.name.rsplit("/", 1)[-1]
        raise InputError(f"{what} has {n_channels} channels, but names {len(region)} {short}")


def _areas(table: h5py.Group, rows: np.ndarray) -> list[str] | None:
    """Where electrodes are, or the imaging plane of regions of interest."""
    if "location" in table and isinstance(table["location"], h5py.Dataset):
        values = texts(table["location"])
        return [values[k] for k in rows]
    plane = table.get("imaging_plane")
    if isinstance(plane, h5py.Group) and "location" in plane:
        return [decoded(plane["location"][()])] * len(rows)
    return None
