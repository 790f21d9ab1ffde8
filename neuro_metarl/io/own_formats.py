"""Readers of what this package writes, and of any NWB by a declared column map."""

from __future__ import annotations

from neuro_metarl.io.neo_files import read_neo
from neuro_metarl.io.nwb import read_nwb
from neuro_metarl.io.nwb_files import holds_nwb
from neuro_metarl.io.readers import Reader
from neuro_metarl.storage import open_cohort

__all__ = ["COHORT", "NEO", "NWB"]

NEO = Reader(
    "neo",
    "A cohort as write_neo wrote it: NIX (.nix).",
    lambda path: True,
    read_neo,
    (".nix",),
    "refused",
)
NWB = Reader(
    "NWB",
    "NWB under any ending: as write_nwb wrote it, or any other with columns.",
    lambda path: path.suffix.lower() == ".nwb" or holds_nwb(path),
    read_nwb,
    declared="used",
    several=True,
)
COHORT = Reader(
    "cohort",
    "A cohort as save_cohort wrote it: netCDF (.nc) or a folder of chunks (.zarr).",
    lambda path: True,
    open_cohort,
    (".nc", ".zarr"),
    "refused",
)
