"""NWB files into a cohort: those of this package, and any lab's by a declared column map."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.door.transitions import with_common
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.columns import Map, Trials, declared_table
from neuro_metarl.io.frames import animal_cohort
from neuro_metarl.io.nwb_activity import WINDOW, ActivityAround, TimeScales, TimeUnits
from neuro_metarl.io.nwb_contents import nwb_columns
from neuro_metarl.io.nwb_events import event_times
from neuro_metarl.io.nwb_files import (
    DAMAGE,
    decoded,
    find_table,
    is_zarr,
    opened,
    session_start,
    table_columns,
)
from neuro_metarl.io.nwb_write import LATIN
from neuro_metarl.io.sessions import LAYOUT, join_sessions
from neuro_metarl.io.trial_times import check_events, trials_in_order
from neuro_metarl.joining import SameUnits

__all__ = ["holds_cohort", "in_order_of_start", "read_nwb"]

COMMON_NAMES = {latin: name for name, latin in LATIN.items()}
MODULES = ("behavior", "ecephys")
Path_ = str | os.PathLike[str]


def read_nwb(
    path: Path_ | Sequence[Path_],
    *,
    columns: Map | None = None,
    codes: Mapping[str, Mapping[str, float]] | None = None,
    task: str = "bandit",
    trials: str = "trials",
    events: str | Sequence[str] = (),
    signals: str | Sequence[str] = (),
    units: str | None = None,
    window: tuple[float, float] = WINDOW,
    smooth_s: float | None = None,
    time_units: TimeUnits = "s",
    same_units: SameUnits = None,
    subject: str | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Read NWB files into a cohort, a session from each.

    Parameters
    ----------
    path
        NWB 2 file (HDF5), several of them, or a folder of them (or of folders of them, one for
        each subject, as archives have it).
    columns
        Our name to a column of theirs, or to an expression: see :mod:`neuro_metarl.io.columns`.
        Not needed for files of :func:`neuro_metarl.io.nwb_write.write_nwb`, which come back as
        they were.
    codes
        Our name to their codes, for example ``{"choice": {"1": 0, "2": 1, "3": -1}}``; the same
        as ``"codes"`` in an entry of ``columns``.
    task
        Name of the task, as in :func:`neuro_metarl.cohort.make_cohort`.
    trials
        Name of the table of trials, in ``intervals`` or elsewhere, or its path.
    events
        Names of events, without ``t_``, around which activity is taken.
    signals
        Names of time series whose values are the activity, for example channels of photometry.
        Default: the spikes of the table ``units``.
    units
        Path of the table of units, where it is not ``units``.
    window, smooth_s
        See :func:`neuro_metarl.io.events.add_activity`.
    time_units
        Unit of time where it is not the second that NWB asks for: ``"ms"`` for the whole file, or
        a mapping of columns, series and ``"spike_times"`` to their unit.
    same_units
        Which units of several files are the same neuron, see
        :func:`neuro_metarl.cohort.concat_cohorts`. Default: none; units of different files are
        different units. Single signals, such as fibers, are known by their name.
    subject
        Name of the subject; default: the file's ``subject_id``.
    attrs
        Further attributes of the cohort, for example its licence.

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial (, option, event, unit). Trials are in order of time, sessions
        in order of their start. ``session_id`` is the file's name, with its folder's before it
        where several files have one name. Units of one file are called by their name or id; of
        several files ``<session>/<unit>``, NaN in the sessions in which they were not recorded.
        Coordinates ``recording(unit)``, ``unit_id(unit)`` and, where the file says so,
        ``unit_name``, ``probe`` and ``area``.

    Raises
    ------
    InputError
        The file is missing, damaged, not NWB, has no such table, column, event or series (with a
        suggestion), or a value is not declared; the message names the file, and the column and the
        trial (from 0, in order of time). Trials whose order is not known, events in two trials,
        times on another clock or in another unit of time.

    References
    ----------
    Rübel et al. 2022, doi:10.7554/eLife.78362.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "mouse.nwb")
    >>> with h5py.File(file, "w") as nwb:
    ...     nwb["general/subject/subject_id"] = "m1"
    ...     nwb["intervals/trials/side"] = [1, 2, 3]
    ...     nwb["intervals/trials/water"] = [True, False, False]
    >>> cohort = read_nwb(file, columns={
    ...     "choice": {"column": "side", "codes": {1: 0, 2: 1}, "invalid": [3]}, "reward": "water"})
    >>> cohort.choice.values.tolist(), cohort.valid.values.tolist()
    ([[0, 1, -1]], [[1, 1, 0]])
    """
    files = _files(path)
    how = ActivityAround(_listed(events), _listed(signals), units, window, smooth_s)
    how.check(files[0])
    if columns is None and not codes:
        if how.events:
            raise InputError(f"{files[0]}: activity around events needs columns; declare them")
        parts = [_own(file) for file in files]
        if any(part is None for part in parts):
            missing = files[parts.index(None)]
            there = ", ".join(nwb_columns(missing, trials=trials))
            raise InputError(
                f"{missing}: was not written by write_nwb; declare columns, for example "
                f"columns={{'choice': THEIRS, 'reward': THEIRS}}; there are: {there}"
            )
        given = {"subject": subject, "attrs": attrs, "time_units": time_units != "s"}
        for name, value in given.items():
            if value:
                raise InputError(
                    f"{files[0]}: was written by write_nwb and comes back as it was; {name} would "
                    "not be used; leave it out, or declare columns"
                )
        return _joined([part for part in parts if part is not None], files, same_units)
    declared = _with_codes(dict(columns or {}), codes or {}, files[0])
    names = _session_names(files)
    scales = TimeScales(time_units, declared)
    cohorts = []
    silent = how.without_units(files)
    for file in in_order_of_start(files):
        labels = {"subject": subject, "session": names[file], "task": task}
        with opened(file) as nwb:
            cohort = _declared(nwb, file, declared, trials, scales, labels, dict(attrs or {}))
            cohorts.append(how.add(cohort, nwb, file, scales, silent=file in silent))
    scales.check(files[0])
    where = str(files[0]) if len(files) == 1 else str(files[0].parent)
    return with_common(concat_cohorts(cohorts, same_units=same_units), where)


def holds_cohort(path: Path_) -> bool:
    """Say whether :func:`neuro_metarl.io.nwb_write.write_nwb` wrote a file.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    bool

    Examples
    --------
    >>> holds_cohort(__file__)
    False
    """
    try:
        with h5py.File(path) as nwb:
            return _layout(nwb) is not None
    except DAMAGE:
        return False


def in_order_of_start(files: Sequence[Path]) -> list[Path]:
    """Put files in order of the start of their sessions.

    Parameters
    ----------
    files
        NWB files.

    Returns
    -------
    list of pathlib.Path
        As given, where a file does not say when its session began.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name, day in {"a": 2, "b": 1}.items():
    ...     with h5py.File(folder / f"{name}.nwb", "w") as nwb:
    ...         nwb["session_start_time"] = f"2024-03-0{day}T09:00:00+00:00"
    >>> [file.name for file in in_order_of_start(sorted(folder.glob("*.nwb")))]
    ['b.nwb', 'a.nwb']
    """
    if len(files) < 2:
        return list(files)
    began = {}
    for file in files:
        with opened(file) as nwb:
            start = session_start(nwb)
        if start is None:
            return list(files)
        began[file] = start
    return sorted(files, key=lambda file: began[file])


def _session_names(files: Sequence[Path]) -> dict[Path, str]:
    stems = [file.stem for file in files]
    return {
        file: f"{file.resolve().parent.name}/{file.stem}" if stems.count(file.stem) > 1
        else file.stem
        for file in files
    }  # fmt: skip


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _files(path: Path_ | Sequence[Path_]) -> list[Path]:
    if not isinstance(path, (str, os.PathLike)):
        files = [file for one in path for file in _files(one)]
        if not files:
            raise InputError("no NWB files were given")
        return files
    found = Path(path)
    if found.is_dir() and not is_zarr(found):
        files = sorted(found.glob("*.nwb")) or sorted(found.glob("*/*.nwb"))
        if not files:
            raise InputError(f"{found}: holds no files that end in .nwb")
        return files
    return [found]


def _text(nwb: h5py.File, name: str) -> str:
    return decoded(nwb[name][()] if name in nwb else b"").strip()


def _layout(nwb: h5py.File) -> dict[str, Any] | None:
    notes = _text(nwb, "general/notes")
    try:
        layout = json.loads(notes)[LAYOUT] if LAYOUT in notes else None
    except (ValueError, KeyError, TypeError):
        return None
    return layout if isinstance(layout, dict) else None


def _own(file: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any]] | None:
    """Columns, series and layout of a file that this package wrote."""
    with opened(file) as nwb:
        layout = _layout(nwb)
        if layout is None:
            return None
        names = [n for n, e in layout["variables"].items() if e["kind"] == "series"]
        series = {}
        for name in names:
            group = next((nwb[p] for m in MODULES if (p := f"processing/{m}/{name}") in nwb), None)
            if group is not None:
                series[name] = group["data" if "data" in group else name][()]
    return nwb_columns(file), series, layout


def _joined(
    parts: list[tuple[Any, Any, Any]], files: list[Path], same_units: SameUnits
) -> xr.Dataset:
    where = str(files[0]) if len(files) == 1 else str(files[0].parent)
    ordered = sorted(parts, key=lambda part: part[2].get("number", 0))
    try:
        if same_units is None:
            return join_sessions(ordered, where)
        alone = [join_sessions([part], where) for part in ordered]
        return concat_cohorts(alone, same_units=same_units)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise InputError(str(error) if where in str(error) else f"{where}: {error}") from None
        raise InputError(f"{where}: its layout is damaged ({error})") from None


def _with_codes(columns: dict[str, Any], codes: Mapping[str, Any], file: Path) -> dict[str, Any]:
    for name, mapping in codes.items():
        if name not in columns:
            raise InputError(
                f"{file}: codes are declared for {name!r}, which the map does not name; "
                + did_you_mean(name, columns)
            )
        entry = columns[name]
        columns[name] = {**({"column": entry} if isinstance(entry, str) else entry),
                         "codes": mapping}  # fmt: skip
    return columns


def _declared(
    nwb: h5py.File,
    file: Path,
    columns: Map,
    table: str,
    scales: TimeScales,
    labels: Mapping[str, Any],
    attrs: dict[str, Any],
) -> xr.Dataset:
    stored = find_table(nwb, table, file)

    def times(name: str) -> np.ndarray:
        return event_times(nwb, name, file, time_unit=scales.unit(name), scale=scales.scale(name))

    held = scales.columns(table_columns(stored))
    found = trials_in_order(
        Trials(
            columns=held,
            times=times,
            start="start_time" if "start_time" in held else "timestamp",
            stop="stop_time",
            where=str(file),
            table=stored.name.strip("/"),
        )
    )
    check_events(found, columns)
    frame, counts = declared_table(found, columns)
    name = labels["subject"] or _text(nwb, "general/subject/subject_id")
    latin = _text(nwb, "general/subject/species")
    if not name:
        raise InputError(f"{file}: field 'general/subject/subject_id' is missing or empty")
    attrs.setdefault("created_by", f"neuro_metarl read_nwb from {file.name}")
    frame = frame.assign(subject=name, session=labels["session"])
    species = COMMON_NAMES.get(latin, latin or "unknown")
    cohort = animal_cohort(
        frame, file, task=labels["task"], species=species, attrs=attrs, derive_common=False
    )
    return cohort.assign_coords({n: ("session", np.array([v])) for n, v in counts.items()})
