"""Plain tables of any kind of file, by one function."""

from __future__ import annotations

import os
from pathlib import Path

from neuro_metarl.door.table import Style, Table
from neuro_metarl.errors import InputError
from neuro_metarl.io.text_tables import SEPARATORS, read_text_table
from neuro_metarl.io.workbooks import read_parquet, read_workbook

__all__ = ["table_of"]


def table_of(
    path: str | os.PathLike[str],
    *,
    sheet: str | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    header: int | bool | None = None,
    style: Style = "command",
) -> Table:
    r"""Read a plain table, as raw as it stands there.

    Parameters
    ----------
    path
        ``.csv``, ``.tsv``, ``.txt``, ``.xlsx`` or ``.parquet``.
    sheet
        Sheet of a workbook.
    separator, decimal, header
        See :func:`neuro_metarl.io.text_tables.read_text_table`.
    style
        See :class:`neuro_metarl.door.table.Source`.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        One line: the file, what is wrong, and the way out.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "rat.tsv")
    >>> _ = file.write_text("choice\treward\n0\t1\n")
    >>> table_of(file).columns["reward"].texts
    ['1']
    """
    file = Path(path)
    kind = file.suffix.lower()
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    if sheet is not None and kind != ".xlsx":
        raise InputError(f"{file}: sheet={sheet!r}, but only a workbook (.xlsx) has sheets")
    if kind == ".xlsx":
        return read_workbook(file, sheet=sheet, header=header, style=style)
    if kind == ".parquet":
        return read_parquet(file, style=style)
    if kind in SEPARATORS:
        return read_text_table(
            file, separator=separator, decimal=decimal, header=header, style=style
        )
    raise InputError(f"{file}: unknown kind of table; use .csv, .tsv, .xlsx or .parquet")
