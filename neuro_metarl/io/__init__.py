"""Files into a cohort, and a cohort into files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.io.aind import AIND_COLUMNS, holds_aind, read_aind
from neuro_metarl.io.akam import holds_akam, read_akam
from neuro_metarl.io.beron import holds_beron, read_beron
from neuro_metarl.io.blanco_pozo import holds_blanco_pozo, read_blanco_pozo
from neuro_metarl.io.boussard import holds_boussard, read_boussard
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
from neuro_metarl.io.miller2017 import holds_miller2017, read_miller2017
from neuro_metarl.io.neo import from_neo, to_neo
from neuro_metarl.io.neo_files import read_neo, write_neo
from neuro_metarl.io.nwb import read_nwb
from neuro_metarl.io.nwb_contents import nwb_columns, nwb_series, nwb_spikes
from neuro_metarl.io.nwb_files import holds_nwb
from neuro_metarl.io.nwb_write import write_nwb
from neuro_metarl.io.tab import read_tab
from neuro_metarl.io.tables import read_table, write_table
from neuro_metarl.io.trepka import holds_trepka, read_trepka
from neuro_metarl.storage import open_cohort

__all__ = [
    "AIND_COLUMNS",
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

READERS: dict[str, Callable[[str | os.PathLike[str]], xr.Dataset]] = {
    ".mat": read_miller,
    ".json": read_tab,
    ".nix": read_neo,
    ".nc": open_cohort,
    ".zarr": open_cohort,
}


def read(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    codes: Mapping[str, Mapping[str, float]] | None = None,
    task: str = "two-step",
) -> xr.Dataset:
    """Read any file this package knows into a cohort, by its ending and what is in it.

    Parameters
    ----------
    path
        ``.mat`` (Miller's rats, those of 2017 where it holds ``dataset``; Bari's mice where it
        holds ``all_stats``, Grossman's where it or the ``.zip`` around it holds ``data``),
        ``.nwb`` or NWB under another ending (the Allen Institute's mice, cohorts, any other with
        columns) or a folder of them, ``.json``
        (Miller's rats on the drifting bandit), ``.nc``, ``.zarr`` or ``.nix`` (cohorts), a
        folder with ``info.json`` (Akam's mice), or a table.
        Without columns and codes, a ``.txt`` whose first column is ``subjID`` is read as
        hBayesDM's, one in the folder ``data`` beside ``info.json`` as Akam's, one that begins
        ``I Experiment name`` as Blanco-Pozo's mice, an ``.xlsx`` with ``tankID``, ``reversal``
        and ``success`` as Boussard's guppies, and a ``.csv`` with ``Mouse``, ``Decision`` and
        ``Target`` as Beron's mice.
    columns, codes, task
        For tables, see :func:`neuro_metarl.io.tables.read_table`; for NWB,
        :func:`neuro_metarl.io.nwb.read_nwb`.

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
    kind = Path(path).suffix.lower()
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such file")
    declared = bool(columns or codes)
    nwb = [Path(path)] if kind == ".nwb" or holds_nwb(path) else sorted(Path(path).glob("*.nwb"))
    if nwb and not declared and all(holds_aind(file) for file in nwb):
        return read_aind(nwb)
    if nwb:
        return read_nwb(path, columns=columns, codes=codes, task=task)
    if kind in READERS:
        if declared:
            raise InputError(f"{path}: columns and codes are for tables; {kind} needs none")
        return _known_matlab(Path(path)) if kind == ".mat" else READERS[kind](path)
    known = None if declared else _known_table(Path(path), kind)
    if known is not None:
        return known
    return read_table(path, columns=columns, codes=codes, task=task)


def _known_matlab(path: Path) -> xr.Dataset:
    if holds_trepka(path):
        return read_trepka(path)
    if holds_grossman(path):
        return read_grossman(path)
    return read_miller2017(path) if holds_miller2017(path) else read_miller(path)


def _known_table(path: Path, kind: str) -> xr.Dataset | None:
    """Read a published file whose place or columns give it away."""
    if path.is_dir() or holds_akam(path):
        return read_akam(path)
    if kind == ".txt" and path.read_bytes()[:7] == b"subjID\t":
        return read_hbayesdm(path)
    if kind == ".txt" and holds_blanco_pozo(path):
        return read_blanco_pozo(path)
    if kind == ".xlsx" and holds_boussard(path):
        return read_boussard(path)
    if kind == ".csv" and holds_beron(path):
        return read_beron(path)
    if kind == ".zip" and holds_grossman(path):
        return read_grossman(path)
    return None
