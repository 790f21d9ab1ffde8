"""The tables of units of NWB files: who the units are, when they were observed, their spikes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.io.nwb_files import decoded, is_index, kind_of, texts, walk
from neuro_metarl.io.recorded import StoredSpikes, intervals_of, unit_labels

__all__ = ["holds_units", "region_of", "region_rows", "stored_spikes"]

AREAS = (
    "area", "brain_area", "brain_region", "region", "location", "electrode_location",
    "anatomical_location", "acronym",
)  # fmt: skip
PROBES = (
    "probe", "probe_name", "probe_id", "probe_label", "electrode_group", "group_name", "group",
    "device", "device_name", "shank", "sorting",
)  # fmt: skip
NAMES = ("unit_name",)


def stored_spikes(
    nwb: h5py.File,
    file: Path,
    *,
    table: str | None = None,
    scale: float = 1.0,
    unit_of_time: str | None = None,
) -> StoredSpikes:
    """Find the units of a file; their spikes are read when they are asked for.

    Parameters
    ----------
    nwb
        Open file.
    file
        What messages name.
    table
        Path of the table of units; default: ``units``, or else the only one in the file.
    scale
        Seconds per unit of time of the spikes.
    unit_of_time
        Its name, where it was declared.

    Returns
    -------
    StoredSpikes
        Labels are the names of units where the column ``unit_name`` gives each its own, else their
        ids, with the probe before them where ids restart. ``about`` holds ``unit_id``, and where
        the file says so ``unit_name``, ``probe`` and ``area`` (from a column of that meaning or
        from the electrodes).

    Raises
    ------
    InputError
        There are no units, several tables of them, an index that does not fit the spikes, or,
        when they are read, spike times that are NaN.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb["units/id"] = [0, 0]
    ...     nwb["units/probe"] = ["A", "B"]
    ...     nwb["units/spike_times"] = [0.1, 0.2, 0.3]
    ...     nwb["units/spike_times_index"] = [2, 3]
    ...     spikes = stored_spikes(nwb, Path("mouse.nwb"))
    ...     {unit: times.tolist() for unit, times in spikes.items()}
    {'A/0': [0.1, 0.2], 'B/0': [0.3]}
    """
    units = _table(nwb, file, table)
    last = _ends(units, "spike_times", file)
    ids = texts(units["id"].asstr() if units["id"].dtype.kind in "SO" else units["id"]) if (
        "id" in units) else [str(k) for k in range(len(last))]  # fmt: skip
    if len(ids) != len(last):
        raise InputError(
            f"{file}: units: {len(ids)} ids, but 'spike_times_index' has {len(last)} values"
        )
    if not ids:
        raise InputError(f"{file}: the table {units.name.strip('/')!r} holds no units")
    first = np.append(0, last[:-1])
    groups = _groups(units, len(ids))
    about = {"unit_id": np.array(ids, dtype=np.str_)}
    names = next((_column(units, n, len(ids)) for n in NAMES if n in units), None)
    if names is not None:
        about["unit_name"] = np.array(names, dtype=np.str_)
    if groups:
        about["probe"] = np.array(next(iter(groups.values())), dtype=np.str_)
    areas = _areas(units, len(ids))
    if areas is not None:
        about["area"] = np.array(areas, dtype=np.str_)
    own = names is not None and len(set(names)) == len(names) and all(names)
    labels = list(names) if own and names is not None else unit_labels(ids, groups)

    def load(k: int) -> np.ndarray:
        times = np.asarray(units["spike_times"][first[k] : last[k]], dtype=float)
        if np.isnan(times).any():
            raise InputError(
                f"{file}: units: a spike time of unit {labels[k]!r} is NaN "
                f"({int(np.isnan(times).sum())} such spikes); expected times in s"
            )
        return times if scale == 1.0 else times * scale

    observed = _observed(units, labels, scale, file)
    return StoredSpikes(labels, load, observed, about, unit_of_time)


def holds_units(nwb: h5py.File) -> bool:
    """Say whether a file has a table of units with a unit in it.

    Parameters
    ----------
    nwb
        Open file.

    Returns
    -------
    bool

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     holds_units(nwb)
    False
    """
    every = [nwb.get("units"), *(f.thing for f in walk(nwb))]
    return any(
        _holds_spikes(thing) and len(thing.get("spike_times_index", thing["spike_times"])) > 0
        for thing in every
    )


def region_of(stored: Any) -> h5py.Group | None:
    """Follow a column or series of references to the table that they are of.

    Parameters
    ----------
    stored
        Dataset of row numbers (``DynamicTableRegion``).

    Returns
    -------
    h5py.Group or None

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb["rois"] = [0]
    ...     region_of(nwb["rois"]) is None
    True
    """
    reference = stored.attrs.get("table")
    if isinstance(reference, h5py.Reference) and reference:
        return stored.file[reference]
    return None


def region_rows(stored: Any, n_rows: int, what: str) -> np.ndarray:
    """Read the rows that a region names.

    Parameters
    ----------
    stored
        Dataset of row numbers.
    n_rows
        Number of rows of the table that they are of.
    what
        What messages name.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    InputError
        The table has no such row.

    Examples
    --------
    >>> region_rows(np.array([0, 2]), 2, "units")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: units: names row 2 (from 0) of a table with 2 rows
    """
    rows = np.asarray(stored[()], dtype=int)
    bad = (rows < 0) | (rows >= n_rows)
    if bad.any():
        raise InputError(
            f"{what}: names row {int(rows[bad.argmax()])} (from 0) of a table with {n_rows} rows"
        )
    return rows


def _table(nwb: h5py.File, file: Path, name: str | None) -> h5py.Group:
    tables = {"units": nwb["units"]} if _holds_spikes(nwb.get("units")) else {}
    elsewhere = {f.path: f.thing for f in walk(nwb) if _holds_spikes(f.thing)}
    if name is not None:
        known = tables | elsewhere
        matching = [p for p in known if name in (p, p.rsplit("/", 1)[-1])]
        if len(matching) != 1:
            raise InputError(
                f"{file}: {'several' if matching else 'no'} tables of units {name!r}; there are: "
                + (", ".join(matching or known) or "none")
            )
        return known[matching[0]]
    if tables:
        return tables["units"]
    if len(elsewhere) == 1:
        return next(iter(elsewhere.values()))
    if elsewhere:
        raise InputError(
            f"{file}: several tables of units; name one of them, units={sorted(elsewhere)[0]!r}; "
            f"there are: {', '.join(sorted(elsewhere))}"
        )
    raise InputError(
        f"{file}: holds no units with spike times; name the series whose values are the "
        "activity in signals=..."
    )


def _holds_spikes(thing: Any) -> bool:
    return isinstance(thing, h5py.Group) and "spike_times" in thing


def _ends(units: h5py.Group, column: str, file: Path) -> np.ndarray:
    """Where the values of each unit end in a ragged column."""
    index = f"{column}_index"
    if index not in units:
        raise InputError(f"{file}: units: 'spike_times' has no index {index!r} that parts it")
    last = np.asarray(units[index][()], dtype=int)
    n_values = len(units[column])
    if (np.diff(last, prepend=0) < 0).any() or (len(last) and last[-1] != n_values):
        raise InputError(
            f"{file}: units: {index!r} runs to {last.max(initial=0)}, there are "
            f"{n_values} {'spike times' if column == 'spike_times' else 'values'}"
        )
    return last


def _column(units: h5py.Group, name: str, n_units: int) -> list[str] | None:
    """Read a column with one text or number, or one reference to a group, per unit."""
    stored = units.get(name)
    if not isinstance(stored, h5py.Dataset) or stored.shape != (n_units,):
        return None
    if is_index(f"{name}_index", units) or is_index(name, units):
        return None
    if h5py.check_ref_dtype(stored.dtype):
        values = [stored.file[r].name.rsplit("/", 1)[-1] if r else "" for r in stored[()]]
        return values
    if kind_of(stored) == "EnumData" and "elements" in stored.attrs:
        elements = texts(stored.file[stored.attrs["elements"]])
        return [elements[int(k)] for k in stored[()]]
    return [decoded(v) for v in stored[()].tolist()] if stored.dtype.kind in "biufSO" else None


def _groups(units: h5py.Group, n_units: int) -> dict[str, list[str]]:
    """Collect what could tell units of one id apart: probes and the like."""
    found = {name: _column(units, name, n_units) for name in PROBES}
    named = _from_electrodes(units, "group_name", n_units)
    if named is not None:
        found["electrodes"] = named
    return {name: values for name, values in found.items() if values is not None}


def _areas(units: h5py.Group, n_units: int) -> list[str] | None:
    for name in AREAS:
        values = _column(units, name, n_units)
        if values is not None:
            return values
    values = _from_electrodes(units, "location", n_units)
    if values is not None:
        return values
    stored = units.get("electrode_group")
    if isinstance(stored, h5py.Dataset) and h5py.check_ref_dtype(stored.dtype):
        groups = [stored.file[r] if r else None for r in stored[()]]
        return ["" if g is None else decoded(g.attrs.get("location", "")) for g in groups]
    return None


def _from_electrodes(units: h5py.Group, name: str, n_units: int) -> list[str] | None:
    """Read what the electrodes of each unit say; several values are joined by ``+``."""
    if "electrodes" not in units:
        return None
    ragged = "electrodes_index" in units
    if len(units["electrodes_index" if ragged else "electrodes"]) != n_units:
        return None
    table = region_of(units["electrodes"])
    if table is None:
        table = units.file.get("general/extracellular_ephys/electrodes")
    if table is None or name not in table:
        return None
    values = texts(table[name])
    every = region_rows(units["electrodes"], len(values), "units")
    rows = np.split(every, units["electrodes_index"][()][:-1] if ragged else range(1, n_units))
    return ["+".join(dict.fromkeys(values[k] for k in mine)) for mine in rows]


def _observed(
    units: h5py.Group, labels: list[str], scale: float, file: Path
) -> dict[str, np.ndarray] | None:
    """When each unit was observed; a unit without any interval is not said to be unobserved."""
    if "obs_intervals" not in units or not len(units["obs_intervals"]):
        return None
    last = _ends(units, "obs_intervals", file)
    parts = np.split(np.asarray(units["obs_intervals"][()], dtype=float) * scale, last[:-1])
    return {
        label: intervals_of(part, f"{file}: units: obs_intervals of unit {label!r}")
        for label, part in zip(labels, parts, strict=True)
        if len(part)
    }
