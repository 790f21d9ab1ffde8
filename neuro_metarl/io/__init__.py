"""Files into a cohort, and a cohort into files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.io.hbayesdm import read_hbayesdm
from neuro_metarl.io.matlab import read_miller
from neuro_metarl.io.tables import read_table, write_table
from neuro_metarl.storage import open_cohort

__all__ = ["read", "read_hbayesdm", "read_miller", "read_table", "write_table"]


def read(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    codes: Mapping[str, Mapping[str, float]] | None = None,
    task: str = "two-step",
) -> xr.Dataset:
    """Read any file this package knows into a cohort, by its ending.

    Parameters
    ----------
    path
        ``.mat`` (Miller's rats), ``.nc`` or ``.zarr`` (cohorts), or a table; one whose first column
        is ``subjID`` is read as hBayesDM's.
    columns, codes, task
        For tables, see :func:`neuro_metarl.io.tables.read_table`.

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
    if kind in (".mat", ".nc", ".zarr"):
        if columns or codes:
            raise InputError(f"{path}: columns and codes are for tables; {kind} needs none")
        return read_miller(path) if kind == ".mat" else open_cohort(path)
    if kind == ".txt" and not columns and Path(path).read_bytes()[:7] == b"subjID\t":
        return read_hbayesdm(path)
    return read_table(path, columns=columns, codes=codes, task=task)
