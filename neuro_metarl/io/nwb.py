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
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.columns import Map, Trials, declared_table
from neuro_metarl.io.events import add_activity
from neuro_metarl.io.frames import animal_cohort
from neuro_metarl.io.nwb_contents import (
    DAMAGE,
    nwb_columns,
    nwb_series,
    nwb_spikes,
    opened,
)
from neuro_metarl.io.nwb_write import LATIN
from neuro_metarl.io.sessions import LAYOUT, join_sessions

__all__ = ["holds_cohort", "read_nwb"]

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
    window: tuple[float, float] = (0.0, 0.5),
    smooth_s: float | None = None,
    subject: str | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Read NWB files into a cohort, a session from each.

    Parameters
    ----------
    path
        NWB 2 file (HDF5), several of them, or a folder of them.
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
        Name of the table of trials, in ``intervals``.
    events
        Names of events, without ``t_``, around which activity is taken.
    signals
        Names of time series whose values are the activity, for example channels of photometry.
        Default: the spikes of the table ``units``.
    window, smooth_s
        See :func:`neuro_metarl.io.events.add_activity`.
    subject
        Name of the subject; default: the file's ``subject_id``.
    attrs
        Further attributes of the cohort, for example its licence.

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial (, option, event, unit). ``session_id`` is the file's name.

    Raises
    ------
    InputError
        The file is missing, damaged, not NWB, has no such table, column, event or series (with a
        suggestion), or a value is not declared; the message names the file, and the column and the
        trial (from 0).

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
    if columns is None and not codes:
        if events:
            raise InputError(f"{files[0]}: activity around events needs columns; declare them")
        parts = [_own(file) for file in files]
        if any(part is None for part in parts):
            missing = files[parts.index(None)]
            there = ", ".join(nwb_columns(missing, trials=trials))
            raise InputError(
                f"{missing}: was not written by write_nwb; declare columns, for example "
                f"columns={{'choice': THEIRS, 'reward': THEIRS}}; there are: {there}"
            )
        return _joined([part for part in parts if part is not None], files)
    declared = _with_codes(dict(columns or {}), codes or {}, files[0])
    cohorts = []
    for file in files:
        cohort = _declared(file, declared, task, trials, subject, dict(attrs or {}))
        cohorts.append(_activity(cohort, file, events, signals, window, smooth_s))
    return concat_cohorts(cohorts) if len(cohorts) > 1 else cohorts[0]


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


def _files(path: Path_ | Sequence[Path_]) -> list[Path]:
    if not isinstance(path, (str, os.PathLike)):
        return [file for one in path for file in _files(one)]
    found = Path(path)
    if found.is_dir():
        files = sorted(found.glob("*.nwb"))
        if not files:
            raise InputError(f"{found}: holds no files that end in .nwb")
        return files
    return [found]


def _text(nwb: h5py.File, name: str) -> str:
    stored = nwb[name][()] if name in nwb else b""
    return (stored.decode() if isinstance(stored, bytes) else str(stored)).strip()


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


def _joined(parts: list[tuple[Any, Any, Any]], files: list[Path]) -> xr.Dataset:
    where = str(files[0]) if len(files) == 1 else str(files[0].parent)
    ordered = sorted(parts, key=lambda part: part[2].get("number", 0))
    try:
        return join_sessions(ordered, where)
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
    file: Path,
    columns: Map,
    task: str,
    table: str,
    subject: str | None,
    attrs: dict[str, Any],
) -> xr.Dataset:
    found = Trials(
        columns=nwb_columns(file, trials=table),
        times=lambda name: nwb_series(file, name)["time"].values,
        start="start_time",
        stop="stop_time",
        where=str(file),
        table=f"intervals/{table}",
    )
    frame, counts = declared_table(found, columns)
    with opened(file) as nwb:
        name = subject or _text(nwb, "general/subject/subject_id")
        latin = _text(nwb, "general/subject/species")
    if not name:
        raise InputError(f"{file}: field 'general/subject/subject_id' is missing or empty")
    attrs.setdefault("created_by", f"neuro_metarl read_nwb from {file.name}")
    frame = frame.assign(subject=name, session=file.stem)
    species = COMMON_NAMES.get(latin, latin or "unknown")
    cohort = animal_cohort(frame, file, task=task, species=species, attrs=attrs)
    return cohort.assign_coords({n: ("session", np.array([v])) for n, v in counts.items()})


def _activity(
    cohort: xr.Dataset,
    file: Path,
    events: str | Sequence[str],
    signals: str | Sequence[str],
    window: tuple[float, float],
    smooth_s: float | None,
) -> xr.Dataset:
    if not events:
        return cohort
    names = [signals] if isinstance(signals, str) else list(signals)
    try:
        if not names:
            spikes = nwb_spikes(file)
            return add_activity(cohort, spikes, events=events, window=window, smooth_s=smooth_s)
        parts = []
        for name in names:
            one = add_activity(
                cohort, nwb_series(file, name), events=events, window=window, smooth_s=smooth_s
            )
            n_units = one.sizes["unit"]
            labels = [name] if n_units == 1 else [f"{name}_{k}" for k in range(n_units)]
            parts.append(one[["activity"]].assign_coords(unit=labels))
        joined = xr.concat(parts, dim="unit", join="override", coords="minimal", compat="override")
        return cohort.assign(activity=joined["activity"])
    except InputError as error:
        message = str(error)
        raise InputError(message if str(file) in message else f"{file}: {message}") from None
