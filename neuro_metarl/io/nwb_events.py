"""Events in NWB files, wherever they live: series, tables of events or intervals, labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.io.nwb_files import decoded, identity, is_index, kind_of, table_columns, walk
from neuro_metarl.io.nwb_signals import find_series, no_series, series_places

__all__ = ["event_times", "table_times"]

MANY = 40


def event_times(
    nwb: h5py.File, name: str, file: Path, *, time_unit: str | None = None, scale: float = 1.0
) -> np.ndarray:
    """Find the times of a kind of event.

    Parameters
    ----------
    nwb
        Open file.
    name
        Name of a time series (of an interval series, the beginnings), of a table of events or
        intervals, or a label that events have in one of these.
    file
        What messages name.
    time_unit
        Unit of the timestamps of a series; default: what the file says.
    scale
        Seconds per unit of time of a table.

    Returns
    -------
    numpy.ndarray
        s, in the file's order.

    Raises
    ------
    InputError
        There is nothing of that name (with a suggestion), several things, or a sampled signal.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb["events/licks/timestamp"] = [0.5, 1.5]
    ...     nwb["events/licks/port"] = ["left", "right"]
    ...     both, one = (event_times(nwb, n, Path("x.nwb")) for n in ("licks", "right"))
    >>> both.tolist(), one.tolist()
    ([0.5, 1.5], [1.5])
    """
    series = find_series(nwb, name, file, time_unit=time_unit)
    if series is not None:
        return series.event_times()
    table = table_times(nwb, name, file)
    if table is not None:
        return table * scale
    labels = {label: times for label, times in _labels(nwb)}
    if name in labels:
        return np.sort(np.concatenate([t for label, t in _labels(nwb) if label == name])) * scale
    known = [*series_places(nwb)[0], *_tables(nwb), *labels]
    raise no_series(name, known[:MANY], file)


def table_times(nwb: h5py.File, name: str, file: Path) -> np.ndarray | None:
    """Read the times of a table of events or the beginnings of one of intervals.

    Parameters
    ----------
    nwb
        Open file.
    name
        Name or path of the table.
    file
        What messages name.

    Returns
    -------
    numpy.ndarray or None
        None where there is no such table.

    Raises
    ------
    InputError
        Several tables of that name, or times that are NaN.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     table_times(nwb, "licks", Path("x.nwb")) is None
    True
    """
    every = [(path, group) for same in _tables(nwb).values() for path, group in same]
    matching = [(p, g) for p, g in every if name in (p, p.rsplit("/", 1)[-1])]
    if not matching:
        return None
    if len(matching) > 1:
        places = ", ".join(path for path, _ in matching)
        raise InputError(f"{file}: several tables of events {name!r}; name one of {places}")
    times = _table_times(matching[0][1])
    if np.isnan(times).any():
        raise InputError(
            f"{file}: table of events {name!r}: time {int(np.isnan(times).argmax())} (from 0) is "
            "NaN; expected times in s"
        )
    return times


def _tables(nwb: h5py.File) -> dict[str, list[tuple[str, h5py.Group]]]:
    found: dict[str, list[tuple[str, h5py.Group]]] = {}
    seen = set()
    for one in walk(nwb):
        if one.thing is None or identity(one.thing) in seen:
            continue
        if "timestamp" in one.thing or (
            "start_time" in one.thing and "timestamps" not in one.thing
        ):
            seen.add(identity(one.thing))
            found.setdefault(one.name, []).append((one.path, one.thing))
    return found


def _table_times(table: h5py.Group) -> np.ndarray:
    stored = table["timestamp" if "timestamp" in table else "start_time"]
    return np.ravel(np.asarray(stored[()], dtype=float))


def _labels(nwb: h5py.File) -> Iterator[tuple[str, np.ndarray]]:
    """Go through the labels that events have, with the times of each."""
    for same in _tables(nwb).values():
        for place, table in same:
            if place.startswith("intervals/") and place.rsplit("/", 1)[-1] == "trials":
                continue
            times = _table_times(table)
            for values in table_columns(table).values():
                if values.dtype.kind == "U" and len(values) == len(times):
                    yield from ((str(v), times[values == v]) for v in np.unique(values))
    seen = set()
    for one in walk(nwb):
        if one.thing is None or identity(one.thing) in seen:
            continue
        seen.add(identity(one.thing))
        if "timestamps" in one.thing and isinstance(one.thing.get("data"), h5py.Dataset):
            yield from _series_labels(one.thing)
        elif "event_times" in one.thing and is_index("event_times_index", one.thing):
            yield from _ragged_labels(one.thing)


def _series_labels(group: h5py.Group) -> Iterator[tuple[str, np.ndarray]]:
    """Labels of an annotation series, or of labeled events, which hold them as numbers."""
    data, times = group["data"], group["timestamps"]
    if data.ndim != 1 or data.shape != times.shape:
        return
    if data.dtype.kind in "SO" and kind_of(group) != "ImageSeries":
        values = np.array([decoded(v) for v in data[()]])
    elif "labels" in data.attrs:
        names = np.array([decoded(v) for v in np.ravel(data.attrs["labels"])])
        values = names[data[()].astype(int)]
    else:
        return
    for value in np.unique(values):
        yield str(value), np.asarray(times[()], dtype=float)[values == value]


def _ragged_labels(table: h5py.Group) -> Iterator[tuple[str, np.ndarray]]:
    """Labels of a table with one kind of event per row, whose times are a ragged column."""
    names: Any = table.get("label", table.get("event_name"))
    if names is None:
        return
    parts = np.split(np.asarray(table["event_times"][()], float), table["event_times_index"][:-1])
    for name, times in zip(names[()], parts, strict=True):
        yield decoded(name), times
