"""Workbooks and Parquet files as tables of raw cells."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuro_metarl.door.table import Column, Source, Style, Table, as_text, by_name
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.grids import Row, name_columns, names_row, width_of

__all__ = ["read_parquet", "read_workbook"]

HEAD = 200
MERGED = re.compile(rb'<(?:\w+:)?mergeCell [^>]*ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
UNNAMED_INDEX = "__index_level_"


@dataclass(frozen=True)
class Sheet:
    """A sheet's cells; which cells of one column are merged: column, first and last row."""

    name: str
    rows: list[tuple[Any, ...]]
    shown: bool
    merged: list[tuple[int, int, int]]


def read_workbook(
    path: Path,
    *,
    sheet: str | None = None,
    header: int | bool | None = None,
    style: Style = "command",
) -> Table:
    """Read a sheet of an Excel workbook.

    Parameters
    ----------
    path
        ``.xlsx``. Titles above the names and empty rows are passed over.
    sheet
        Name of the sheet; needed where several that are shown hold rows.
    header
        Row of the names, counted from 1; False where there are none: then columns are called
        "1", "2", ...
    style
        See :class:`neuro_metarl.door.table.Source`.

    Returns
    -------
    Table
        Rows keep the numbers that the sheet shows.

    Raises
    ------
    InputError
        Not a workbook, several sheets with rows, no such sheet, no trials, or a formula whose
        value was never saved.

    Examples
    --------
    >>> read_workbook(Path(__file__))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: ...: cannot be read as .xlsx
    """
    sheets = _sheets(path)
    chosen = _chosen(path, sheets, sheet)
    where = f"{path}, sheet {chosen.name!r}" if len(sheets) > 1 else str(path)
    rows = [(n, cells) for n, cells in enumerate(chosen.rows, start=1) if any(_texts(cells))]
    if not rows:
        raise InputError(f"{where}: holds no trials; expected a header and a row per trial")
    wide = max(width_of(_texts(cells)) for _, cells in rows)
    if header is False:
        number, names = 0, [str(k) for k in range(1, wide + 1)]
    else:
        number = _names_number([(n, _texts(cells)) for n, cells in rows[:HEAD]], header, where)
        names = _texts(chosen.rows[number - 1])
    body = [(n, [*cells, *[None] * (wide - len(cells))][:wide]) for n, cells in rows if n > number]
    _fill_merged(body, chosen.merged)
    _check_formulas(path, chosen.name, body)
    columns = [[_plain_date(cells[k]) for _, cells in body] for k in range(wide)]
    names = [*names, *[""] * (wide - len(names))][:wide]
    return name_columns(names, columns, np.array([n for n, _ in body]), where, style=style)


def _names_number(head: list[Row], header: int | bool | None, where: str) -> int:
    """Give the number of the row of the names, as declared or as found."""
    if header is None or header is True:
        return head[names_row(head, where)][0]
    if header not in [n for n, _ in head]:
        raise InputError(f"{where}: header={header}, but that row holds no names")
    return int(header)


def _sheets(path: Path) -> list[Sheet]:
    try:
        import openpyxl
        from openpyxl.utils import column_index_from_string

        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        found = []
        with zipfile.ZipFile(path) as archive:
            for sheet in book.worksheets:
                sheet.reset_dimensions()
                rows = list(sheet.iter_rows(values_only=True))
                content = archive.read(sheet._worksheet_path)
                merged = [
                    (column_index_from_string(a.decode()), int(b), int(d))
                    for a, b, c, d in MERGED.findall(content)
                    if a == c
                ]
                found.append(Sheet(sheet.title, rows, sheet.sheet_state == "visible", merged))
        book.close()
    except ImportError:
        raise missing_extra(path) from None
    except Exception as error:
        raise InputError(
            f"{path}: cannot be read as .xlsx, it is damaged or "
            f"another kind of file under this name ({type(error).__name__})"
        ) from None
    return found


def missing_extra(path: Path) -> InputError:
    """Say what must be installed to read a kind of file."""
    return InputError(
        f'{path}: reading {path.suffix.lower()} needs an extra: pip install "neuro_metarl[tables]"'
    )


def _chosen(path: Path, sheets: list[Sheet], name: str | None) -> Sheet:
    if name is not None:
        for sheet in sheets:
            if sheet.name == name:
                return sheet
        there = [sheet.name for sheet in sheets]
        raise InputError(f"{path}: there is no sheet {name!r}; {did_you_mean(name, there)}")
    filled = [sheet for sheet in sheets if any(any(_texts(row)) for row in sheet.rows)]
    shown = [sheet for sheet in filled if sheet.shown] or filled
    if len(shown) > 1:
        names = [sheet.name for sheet in shown]
        raise InputError(
            f"{path}: {len(names)} sheets hold rows ({', '.join(names)}); say which is meant, for "
            f"example sheet={names[0]!r}"
        )
    if not shown:
        raise InputError(f"{path}: holds no trials; expected a header and a row per trial")
    return shown[0]


def _texts(cells: Sequence[Any]) -> list[str]:
    return [as_text(cell) for cell in cells]


def _plain_date(value: Any) -> Any:
    """Write a day without a time as the day."""
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date()
    return value


def _fill_merged(body: list[tuple[int, list[Any]]], merged: list[tuple[int, int, int]]) -> None:
    """Give every row of cells that are merged over rows their value."""
    at = {number: cells for number, cells in body}
    for column, first, last in merged:
        if first in at and column <= len(at[first]):
            for number in range(first + 1, last + 1):
                if number in at:
                    at[number][column - 1] = at[first][column - 1]


def _check_formulas(path: Path, sheet: str, body: list[tuple[int, list[Any]]]) -> None:
    """Refuse a formula that no spreadsheet has calculated: it would pass for an empty cell."""
    empty = {(n, k) for n, cells in body for k, cell in enumerate(cells, 1) if cell is None}
    if not empty:
        return
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True)
    found = book[sheet]
    found.reset_dimensions()
    for number, cells in enumerate(found.iter_rows(values_only=True), start=1):
        for k, cell in enumerate(cells, start=1):
            if (number, k) in empty and isinstance(cell, str) and cell.startswith("="):
                book.close()
                raise InputError(
                    f"{path}, row {number}: cell {k} holds a formula whose value was never saved "
                    f"({cell[:30]}); open the workbook in a spreadsheet and save it"
                )
    book.close()


def read_parquet(path: Path, *, style: Style = "command") -> Table:
    """Read a Parquet file.

    Parameters
    ----------
    path
        ``.parquet``. A struct becomes a column per field (``data.choice``); a list in a cell
        becomes its text; the index of a data frame is a column where it has a name.
    style
        See :class:`neuro_metarl.door.table.Source`.

    Returns
    -------
    Table
        Rows are records, counted from 1; empty ones are left out.

    Raises
    ------
    InputError
        Not a Parquet file, or no trials.

    Examples
    --------
    >>> read_parquet(Path(__file__))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: ...: cannot be read as .parquet
    """
    try:
        import pyarrow.parquet

        found = pyarrow.parquet.ParquetFile(path).read()
        while any(pyarrow.types.is_struct(field.type) for field in found.schema):
            found = found.flatten()
        read = [
            (name, _arrow_column(found[k]))
            for k, name in enumerate(found.column_names)
            if not name.startswith(UNNAMED_INDEX)
        ]
    except ImportError:
        raise missing_extra(path) from None
    except Exception as error:
        raise InputError(f"{path}: cannot be read as .parquet ({type(error).__name__})") from None
    columns = by_name(read, str(path))
    if not columns or not found.num_rows:
        raise InputError(f"{path}: holds no trials")
    table = Table(columns, Source(str(path), np.arange(1, found.num_rows + 1), "record", style))
    filled = np.zeros(table.n_rows, bool)
    for column in table.columns.values():
        filled |= column.per_row([bool(text) for text in column.texts])
    return table if filled.all() else table.take(np.flatnonzero(filled))


def _arrow_column(values: Any) -> Column:
    import pyarrow

    kind = values.type
    if pyarrow.types.is_nested(kind):
        return Column.of([None if v is None else as_text(v) for v in values.to_pylist()])
    if pyarrow.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
    if pyarrow.types.is_boolean(values.type) or pyarrow.types.is_null(values.type):
        return Column.of(values.to_pylist())
    coded = values.combine_chunks().dictionary_encode("encode")
    levels = [_plain_date(v) for v in coded.dictionary.to_pylist()]
    return Column(coded.indices.to_numpy(zero_copy_only=False), tuple(levels))
