"""What an NWB file holds, as it is: its table of trials, its spikes, its time series.

Files are read as the HDF5 that they are. That needs no schema, opens the files of any version
and of any extension, and takes milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean

__all__ = ["DAMAGE", "nwb_columns", "nwb_series", "nwb_spikes", "opened"]

PLACES = ("acquisition", "processing", "stimulus", "analysis")
# what h5py raises on damaged files
DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError)


def nwb_columns(path: str | os.PathLike[str], *, trials: str = "trials") -> dict[str, np.ndarray]:
    """Read a table of trials as it is: what there is to declare.

    Parameters
    ----------
    path
        NWB 2 file.
    trials
        Name of the table, in ``intervals``.

    Returns
    -------
    dict
        Column to its values, one per trial; a column of several values per trial becomes
        ``name_0``, ``name_1``; ragged columns are left out.

    Raises
    ------
    InputError
        The file cannot be read or has no such table.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "mouse.nwb")
    >>> with h5py.File(file, "w") as nwb:
    ...     nwb["intervals/trials/side"] = [1, 2]
    >>> {name: values.tolist() for name, values in nwb_columns(file).items()}
    {'side': [1, 2]}
    """
    with opened(Path(path)) as nwb:
        return _table(nwb, f"intervals/{trials}", Path(path))


def nwb_spikes(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the spike times of the table ``units``.

    Parameters
    ----------
    path
        NWB 2 file.

    Returns
    -------
    dict
        Unit (its id) to its spike times, s on the clock of the trials.

    Raises
    ------
    InputError
        There are no units, their index does not fit the spikes, or a spike time is NaN.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "mouse.nwb")
    >>> with h5py.File(file, "w") as nwb:
    ...     nwb["units/id"] = [0, 1]
    ...     nwb["units/spike_times"] = [0.1, 0.2, 0.3]
    ...     nwb["units/spike_times_index"] = [2, 3]
    >>> {unit: times.tolist() for unit, times in nwb_spikes(file).items()}
    {'0': [0.1, 0.2], '1': [0.3]}
    """
    file = Path(path)
    with opened(file) as nwb:
        return _spikes(nwb, file)


def nwb_series(path: str | os.PathLike[str], name: str) -> xr.DataArray:
    """Read a time series: licks, photometry, a position.

    Parameters
    ----------
    path
        NWB 2 file.
    name
        Name of the series, or its path in the file where several have that name.

    Returns
    -------
    xarray.DataArray
        Dims time (, channel), in the unit of the series (attribute ``units``); coordinate
        ``time``, s on the clock of the trials. For a series of events, such as licks, the times
        are what counts: ``.time.values``. A single time that is NaN stands for "none" and gives
        an empty series.

    Raises
    ------
    InputError
        There is no such series (with a suggestion), or its times are NaN or of another length.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "mouse.nwb")
    >>> with h5py.File(file, "w") as nwb:
    ...     nwb["acquisition/licks/timestamps"] = [0.5, 1.5]
    ...     nwb["acquisition/licks/data"] = [1.0, 1.0]
    >>> nwb_series(file, "licks").time.values.tolist()
    [0.5, 1.5]
    """
    file = Path(path)
    with opened(file) as nwb:
        return _series(nwb, name, file)


@contextmanager
def opened(file: Path) -> Iterator[h5py.File]:
    """Open a file, and turn what damaged files raise into one line.

    Parameters
    ----------
    file
        NWB 2 file.

    Yields
    ------
    h5py.File

    Raises
    ------
    InputError
        It is missing, damaged, or no HDF5.

    Examples
    --------
    >>> with opened(Path("nothing.nwb")) as nwb:
    ...     pass
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: nothing.nwb: there is no such file
    """
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    try:
        with h5py.File(file) as nwb:
            yield nwb
    except InputError:
        raise
    except DAMAGE as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file}: cannot be read as NWB in HDF5 ({detail})") from None


def _table(nwb: h5py.File, place: str, file: Path) -> dict[str, np.ndarray]:
    if place not in nwb:
        others = [f"intervals/{n}" for n in nwb.get("intervals", {})]
        raise InputError(
            f"{file}: group {place!r} is missing; expected a table of trials"
            + (f"; there are: {', '.join(others)}" if others else "")
        )
    columns: dict[str, np.ndarray] = {}
    for name, stored in nwb[place].items():
        if not isinstance(stored, h5py.Dataset) or f"{name}_index" in nwb[place]:
            continue
        if stored.ndim == 0 or stored.dtype.kind not in "biufSO" or name.endswith("_index"):
            continue
        values = stored[()]
        if values.dtype.kind in "SO":
            values = np.array([_decoded(v) for v in values.ravel()]).reshape(values.shape)
        if values.ndim == 1:
            columns[name] = values
        elif values.ndim == 2:
            columns |= {f"{name}_{k}": values[:, k] for k in range(values.shape[1])}
    return columns


def _decoded(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _spikes(nwb: h5py.File, file: Path) -> dict[str, np.ndarray]:
    if "units" not in nwb or "spike_times" not in nwb["units"]:
        raise InputError(
            f"{file}: holds no units with spike times; name the series whose values are the "
            "activity in signals=..."
        )
    units = nwb["units"]
    times = np.asarray(units["spike_times"][()], dtype=float)
    last = np.asarray(units["spike_times_index"][()], dtype=int)
    labels = [str(v) for v in units["id"][()].tolist()]
    if len(labels) != len(last):
        raise InputError(
            f"{file}: units: {len(labels)} ids, but 'spike_times_index' has {len(last)} values"
        )
    steps = np.diff(last, prepend=0)
    if (steps < 0).any() or (len(last) and last[-1] != len(times)):
        raise InputError(
            f"{file}: units: 'spike_times_index' runs to {last.max(initial=0)}, there are "
            f"{len(times)} spike times"
        )
    if np.isnan(times).any():
        spike = int(np.isnan(times).argmax())
        unit = labels[int(np.searchsorted(last, spike, side="right"))]
        raise InputError(
            f"{file}: units: a spike time of unit {unit!r} is NaN ({int(np.isnan(times).sum())} "
            "such spikes); expected times in s"
        )
    return dict(zip(labels, np.split(times, last[:-1]), strict=True))


def _series_places(nwb: h5py.File) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}

    def look(place: str, thing: Any) -> None:
        if isinstance(thing, h5py.Group) and ("timestamps" in thing or "starting_time" in thing):
            found.setdefault(place.rsplit("/", 1)[-1], []).append(place)

    for top in PLACES:
        if top in nwb:
            nwb[top].visititems(lambda place, thing, top=top: look(f"{top}/{place}", thing))
    return found


def _series(nwb: h5py.File, name: str, file: Path) -> xr.DataArray:
    places = _series_places(nwb)
    every = [place for several in places.values() for place in several]
    matching = [name] if name in every else places.get(name, [])
    if not matching:
        known = list(places)
        raise InputError(
            f"{file}: no time series {name!r}; "
            + (did_you_mean(name, known) if known else "it has none")
        )
    if len(matching) > 1:
        raise InputError(f"{file}: several time series {name!r}; name one of {', '.join(matching)}")
    group = nwb[matching[0]]
    values = np.asarray(group["data"][()]) if "data" in group else None
    times = _series_times(group, len(values) if values is not None else 0, name, file)
    if values is None or (len(times) == 0 and len(values) == 1):
        values = np.ones(len(times))
    if len(values) != len(times):
        raise InputError(
            f"{file}: series {name!r} has {len(values)} values, but {len(times)} times"
        )
    stored = group["data"].attrs if "data" in group else {}
    if values.dtype.kind in "iuf" and ("conversion" in stored or "offset" in stored):
        scale, shift = float(stored.get("conversion", 1.0)), float(stored.get("offset", 0.0))
        values = values * scale + shift if (scale, shift) != (1.0, 0.0) else values
    flat = values.reshape(len(values), -1) if values.ndim > 1 else values
    dims = ("time", "channel")[: flat.ndim]
    units = _decoded(stored.get("unit", ""))
    return xr.DataArray(flat, dims=dims, coords={"time": times}, name=name,
                        attrs={"units": units})  # fmt: skip


def _series_times(group: h5py.Group, n_values: int, name: str, file: Path) -> np.ndarray:
    if "timestamps" not in group:
        start = group["starting_time"]
        return float(start[()]) + np.arange(n_values) / float(start.attrs["rate"])
    times = np.ravel(np.asarray(group["timestamps"][()], dtype=float))
    if len(times) == 1 and np.isnan(times[0]):
        return np.empty(0)
    bad = np.isnan(times)
    if bad.any():
        raise InputError(
            f"{file}: series {name!r}: time {int(bad.argmax())} (from 0) is NaN ({int(bad.sum())} "
            "such times); expected times in s"
        )
    return times
