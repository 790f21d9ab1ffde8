"""Files into a cohort, and a cohort into files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.aind import AIND_COLUMNS, holds_aind, read_aind
from neuro_metarl.io.akam import holds_akam, read_akam
from neuro_metarl.io.beron import holds_beron, read_beron
from neuro_metarl.io.blanco_pozo import holds_blanco_pozo, read_blanco_pozo
from neuro_metarl.io.boussard import holds_boussard, read_boussard
from neuro_metarl.io.event_log import EventGrammar
from neuro_metarl.io.events import add_activity, align
from neuro_metarl.io.grossman import holds_grossman, read_grossman
from neuro_metarl.io.hbayesdm import read_hbayesdm
from neuro_metarl.io.interchange import (
    from_disrnn,
    from_pynapple,
    from_tinyrnn,
    to_disrnn,
    to_pynapple,
    to_tinyrnn,
)
from neuro_metarl.io.matlab import read_miller
from neuro_metarl.io.matlab_tables import published_format
from neuro_metarl.io.miller2017 import read_miller2017
from neuro_metarl.io.neo import from_neo, to_neo
from neuro_metarl.io.neo_files import read_neo, write_neo
from neuro_metarl.io.nwb import read_nwb
from neuro_metarl.io.nwb_contents import nwb_columns, nwb_series, nwb_spikes
from neuro_metarl.io.nwb_files import holds_nwb
from neuro_metarl.io.nwb_write import write_nwb
from neuro_metarl.io.sources import OPTIONS, files_of
from neuro_metarl.io.tab import holds_tab, read_tab
from neuro_metarl.io.tables import read_table, write_table
from neuro_metarl.io.trepka import read_trepka
from neuro_metarl.storage import open_cohort

__all__ = [
    "AIND_COLUMNS",
    "EventGrammar",
    "add_activity",
    "align",
    "from_disrnn",
    "from_neo",
    "from_pynapple",
    "from_tinyrnn",
    "nwb_columns",
    "nwb_series",
    "nwb_spikes",
    "read",
    "read_aind",
    "read_akam",
    "read_beron",
    "read_blanco_pozo",
    "read_boussard",
    "read_grossman",
    "read_hbayesdm",
    "read_miller",
    "read_miller2017",
    "read_neo",
    "read_nwb",
    "read_tab",
    "read_table",
    "read_trepka",
    "to_disrnn",
    "to_neo",
    "to_pynapple",
    "to_tinyrnn",
    "write_neo",
    "write_nwb",
    "write_table",
]

Path_ = str | os.PathLike[str]
Reader = Callable[[Path_], xr.Dataset]

COHORTS: dict[str, Reader] = {".nix": read_neo, ".nc": open_cohort, ".zarr": open_cohort}
MATLAB: dict[str, Reader] = {
    "ratdatas": read_miller,
    "dataset": read_miller2017,
    "all_stats": read_trepka,
    "data": read_grossman,
}


def read(
    path: Path_ | Sequence[Path_],
    *,
    columns: Mapping[str, str] | None = None,
    codes: Mapping[str, Mapping[Any, float]] | None = None,
    task: str = "two-step",
    rewards: Sequence[float] | None = None,
    **reading: Any,
) -> xr.Dataset:
    """Read any file this package knows into a cohort, by its ending and what is in it.

    Parameters
    ----------
    path
        A file, a list of files of one kind, or a folder of them. Published files are known by what
        is in them: ``.mat`` (Miller's rats: ``ratdatas``, or those of 2017: ``dataset``; Bari's
        mice: ``all_stats``; Grossman's: ``data.dynamicForaging``, also in the ``.zip`` around it),
        ``.json`` (Miller's rats on the drifting bandit), a folder with ``info.json`` (Akam's mice),
        and, without columns and codes, a ``.txt`` whose first column is ``subjID`` (hBayesDM), one
        in the folder ``data`` beside ``info.json`` (Akam), one that begins ``I Experiment name``
        (Blanco-Pozo's mice), an ``.xlsx`` with ``tankID``, ``reversal`` and ``success`` (Boussard's
        guppies), a ``.csv`` with ``Mouse``, ``Decision`` and ``Target`` (Beron's mice), ``.nwb`` of
        the Allen Institute's mice. Others: ``.nwb`` or NWB under another ending (cohorts, or any
        other with columns), ``.nc``, ``.zarr`` or ``.nix`` (cohorts), and plain tables
        (``.csv``, ``.tsv``, ``.txt``, ``.xlsx``, ``.parquet``, ``.json``, ``.jsonl``, ``.mat``).
    columns, codes, task, rewards
        For tables, see :func:`neuro_metarl.io.tables.read_table`; for NWB,
        :func:`neuro_metarl.io.nwb.read_nwb`.
    **reading
        ``sheet``, ``separator``, ``decimal``, ``header``: how a table is written; ``grammar``: how
        a log of events is, see :func:`neuro_metarl.io.sources.table_of`.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    InputError
        The file cannot be read, or a column map is given for a file that needs none.

    Examples
    --------
    >>> read("rats.doc")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: rats.doc: there is no such file
    """
    _check_options(reading)
    files = _existing(path)
    declared = bool(columns or codes or reading)
    nwb = _nwb_among(files)
    if nwb and reading:
        raise InputError(f"{files[0]}: {next(iter(reading))}= is for tables; NWB needs none")
    if nwb and not declared and all(holds_aind(file) for file in nwb):
        return read_aind(nwb)
    if nwb:
        several = files if len(files) > 1 else files[0]
        return read_nwb(several, columns=columns, codes=codes, task=task)
    if len(files) == 1 and files[0].is_dir() and not _reader_of(files[0], declared=declared):
        files = files_of(files[0], logs="grammar" in reading)
    readers = [_reader_of(file, declared=declared) for file in files]
    for file, reader in zip(files, readers, strict=True):
        if (reader is None) != (readers[0] is None):
            raise InputError(f"{file}: of another kind than {files[0]}; read them one by one")
    cohorts = [reader(file) for file, reader in zip(files, readers, strict=True) if reader]
    if cohorts:
        return concat_cohorts(cohorts) if len(cohorts) > 1 else cohorts[0]
    return read_table(
        files if len(files) > 1 else files[0],
        columns=columns,
        codes=codes,
        task=task,
        rewards=rewards,
        **reading,
    )


def _check_options(reading: Mapping[str, Any]) -> None:
    for name in reading:
        if name not in OPTIONS:
            raise InputError(f"read has no option {name!r}; {did_you_mean(name, OPTIONS)}")


def _existing(path: Path_ | Sequence[Path_]) -> list[Path]:
    if not isinstance(path, (str, os.PathLike)):
        return files_of(path)
    file = Path(path)
    if not file.exists():
        named = "" if file.suffix or len(file.parts) > 1 else "; for a data set: load_dataset(name)"
        raise InputError(f"{path}: there is no such file{named}")
    return [file]


def _nwb_among(files: list[Path]) -> list[Path]:
    """Give the NWB files, of a folder too, where all files are that."""
    if len(files) == 1 and files[0].is_dir():
        inside = sorted(files[0].glob("*.nwb"))
        return inside or (files if holds_nwb(files[0]) else [])
    all_nwb = all(file.suffix.lower() == ".nwb" or holds_nwb(file) for file in files)
    return files if all_nwb else []


def _reader_of(path: Path, *, declared: bool) -> Reader | None:
    """Give the reader of a format that is known by what is in the file; None for plain tables."""
    kind = path.suffix.lower()
    reader = COHORTS.get(kind)
    if kind == ".mat" and path.is_file():
        reader = MATLAB.get(published_format(path) or "")
    elif kind == ".json" and holds_tab(path):
        reader = read_tab
    if reader is None:
        return None if declared else _reader_of_table(path, kind)
    if declared:
        raise InputError(f"{path}: columns and codes are for tables; {kind} needs none")
    return reader


def _reader_of_table(path: Path, kind: str) -> Reader | None:
    """Give the reader of a published table, which its place or its columns give away."""
    if holds_akam(path) or (path / "info.json").is_file():
        return read_akam
    if kind == ".txt" and path.read_bytes()[:7] == b"subjID\t":
        return read_hbayesdm
    known: dict[str, tuple[Callable[[Path_], bool], Reader]] = {
        ".txt": (holds_blanco_pozo, read_blanco_pozo),
        ".xlsx": (holds_boussard, read_boussard),
        ".csv": (holds_beron, read_beron),
        ".zip": (holds_grossman, read_grossman),
    }
    holds, reader = known.get(kind, (None, None))
    return reader if holds is not None and holds(path) else None
