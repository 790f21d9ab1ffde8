"""Files into a cohort, and a cohort into files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.door.checks import check_copies
from neuro_metarl.door.table import Source
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.event_log import EventGrammar
from neuro_metarl.io.events import add_activity, align
from neuro_metarl.io.formats.aind import AIND_COLUMNS, read_aind
from neuro_metarl.io.formats.akam import read_akam
from neuro_metarl.io.formats.beron import read_beron
from neuro_metarl.io.formats.blanco_pozo import read_blanco_pozo
from neuro_metarl.io.formats.boussard import read_boussard
from neuro_metarl.io.formats.grossman import read_grossman
from neuro_metarl.io.formats.hbayesdm import read_hbayesdm
from neuro_metarl.io.formats.miller import read_miller
from neuro_metarl.io.formats.miller2017 import read_miller2017
from neuro_metarl.io.formats.tab import read_tab
from neuro_metarl.io.formats.trepka import read_trepka
from neuro_metarl.io.interchange import (
    from_disrnn,
    from_pynapple,
    from_tinyrnn,
    to_disrnn,
    to_pynapple,
    to_tinyrnn,
)
from neuro_metarl.io.neo import from_neo, to_neo
from neuro_metarl.io.neo_files import read_neo, write_neo
from neuro_metarl.io.nwb import read_nwb
from neuro_metarl.io.nwb_contents import nwb_columns, nwb_series, nwb_spikes
from neuro_metarl.io.nwb_links import linked_files
from neuro_metarl.io.nwb_write import write_nwb
from neuro_metarl.io.readers import Reader, list_readers, reader_of, register_reader
from neuro_metarl.io.sources import OPTIONS, files_of
from neuro_metarl.io.tables import read_table, write_table

__all__ = [
    "AIND_COLUMNS",
    "EventGrammar",
    "Reader",
    "add_activity",
    "align",
    "from_disrnn",
    "from_neo",
    "from_pynapple",
    "from_tinyrnn",
    "linked_files",
    "list_readers",
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
    "register_reader",
    "to_disrnn",
    "to_neo",
    "to_pynapple",
    "to_tinyrnn",
    "write_neo",
    "write_nwb",
    "write_table",
]

Path_ = str | os.PathLike[str]


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
    reader = reader_of(files, declared=declared)
    if reader is None and len(files) == 1 and files[0].is_dir():
        files = files_of(files[0], logs="grammar" in reading)
        reader = reader_of(files, declared=declared)
    options = {"columns": columns, "codes": codes, "task": task, "rewards": rewards, **reading}
    if reader is not None:
        cohorts = reader.read(files, options)
        cohort = _joined(cohorts, files) if len(cohorts) > 1 else cohorts[0]
        _check_rewards(cohort, rewards, files[0])
        return cohort
    return read_table(files if len(files) > 1 else files[0], **options)


def _joined(cohorts: list[xr.Dataset], files: Sequence[Path]) -> xr.Dataset:
    parts = _apart(cohorts, files)
    joined = concat_cohorts(parts)
    if parts is not cohorts:
        check_copies(joined, Source(f"{len(files)} files", np.arange(0)))
    return joined


def _check_rewards(cohort: xr.Dataset, rewards: Sequence[float] | None, file: Path) -> None:
    """Refuse other rewards than those named, as for a table."""
    if rewards is None or "reward" not in cohort:
        return
    there = cohort["valid"].transpose("session", "trial").values == 1
    reward = cohort["reward"].transpose("session", "trial").values
    wrong = np.argwhere(there & ~np.isin(reward, list(rewards)))
    if len(wrong):
        session, trial = wrong[0]
        raise InputError(
            f"{file}, trial {trial} of session {str(cohort.session_id.values[session])!r}: reward "
            f"is {reward[session, trial]:g}, expected one of {', '.join(f'{r:g}' for r in rewards)}"
        )


def _apart(cohorts: list[xr.Dataset], files: Sequence[Path]) -> list[xr.Dataset]:
    """Name sessions after their files where no file names any, and a subject is in several."""
    if any("unit" in c.dims or c.attrs.get("source") != "animal" for c in cohorts):
        return cohorts
    unnamed = all(
        str(session).startswith(f"{subject}/")
        for cohort in cohorts
        for subject, session in zip(cohort.subject.values, cohort.session_id.values, strict=True)
    )
    subjects = [set(cohort.subject.values.tolist()) for cohort in cohorts]
    shared = len(set().union(*subjects)) < sum(map(len, subjects))
    stems = [file.stem for file in files]
    if not (unnamed and shared and len(cohorts) == len(set(stems)) == len(files)):
        return cohorts
    if any(
        cohort.sizes["session"] > len(own) for cohort, own in zip(cohorts, subjects, strict=True)
    ):
        return cohorts
    return [
        cohort.assign_coords(session_id=("session", [stem] * cohort.sizes["session"]))
        for cohort, stem in zip(cohorts, stems, strict=True)
    ]


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
    return sorted(file.glob("*.nwb")) or [file]
