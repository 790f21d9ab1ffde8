"""Workbooks and Parquet files as tables of raw cells."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np

from neuro_metarl.door.table import Column, Source, Style, Table, as_text
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.grids import name_columns, names_row, width_of

__all__ = ["read_parquet", "read_workbook"]

HEAD = 200
UNNAMED_INDEX = "__index_level_"


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
    name = _chosen(path, sheets, sheet)
    where = f"{path}, sheet {name!r}" if len(sheets) > 1 else str(path)
    rows = [(n, cells) for n, cells in enumerate(sheets[name], start=1) if any(_texts(cells))]
    if not rows:
        raise InputError(f"{where}: holds no trials; expected a header and a row per trial")
    wide = max(width_of(_texts(cells)) for _, cells in rows)
    head = [(n, _texts(cells)) for n, cells in rows[:HEAD]]
    if header is False:
        number, names = 0, [str(k) for k in range(1, wide + 1)]
    else:
        number = names_number(head, header, where)
        names = next(_texts(cells) for n, cells in rows if n == number)
    body = [(n, [*cells, *[None] * (wide - len(cells))]) for n, cells in rows if n > number]
    _check_formulas(path, name, body)
    columns = [[_plain_date(cells[k]) for _, cells in body] for k in range(wide)]
    names = [*names, *[""] * (wide - len(names))][:wide]
    return name_columns(names, columns, np.array([n for n, _ in body]), where, style=style)


def names_number(head: list[tuple[int, list[str]]], header: int | bool | None, where: str) -> int:
    """Give the number of the row of the names, as declared or as found."""
    if header is None or header is True:
        return head[names_row(head, where)][0]
    if header not in [n for n, _ in head]:
        raise InputError(f"{where}: header={header}, but that row holds no names")
    return int(header)


def _sheets(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Give the cells of every sheet; a sheet that is hidden comes with a leading blank name."""
    try:
        import openpyxl

        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        found = {}
        for sheet in book.worksheets:
            sheet.reset_dimensions()
            found[sheet.title] = list(sheet.iter_rows(values_only=True))
        book.close()
    except ImportError:
        raise missing_extra(path) from None
    except Exception as error:
        raise InputError(f"{path}: cannot be read as .xlsx ({type(error).__name__})") from None
    return found


def missing_extra(path: Path) -> InputError:
    """Say what must be installed to read a kind of file."""
    return InputError(
        f'{path}: reading {path.suffix.lower()} needs an extra: pip install "neuro_metarl[tables]"'
    )


def _chosen(path: Path, sheets: dict[str, list[tuple[Any, ...]]], sheet: str | None) -> str:
    if sheet is not None:
        if sheet not in sheets:
            raise InputError(f"{path}: there is no sheet {sheet!r}; {did_you_mean(sheet, sheets)}")
        return sheet
    filled = [name for name, rows in sheets.items() if any(any(_texts(r)) for r in rows)]
    if len(filled) > 1:
        raise InputError(
            f"{path}: {len(filled)} sheets hold rows ({', '.join(filled)}); say which is meant, "
            f"for example sheet={filled[0]!r}"
        )
    return filled[0] if filled else next(iter(sheets), "")


def _texts(cells: tuple[Any, ...] | list[Any]) -> list[str]:
    return [as_text(cell) for cell in cells]


def _plain_date(value: Any) -> Any:
    """Write a day without a time as the day."""
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date()
    return value


def _check_formulas(path: Path, sheet: str, body: list[tuple[int, list[Any]]]) -> None:
    """A formula that no spreadsheet has calculated has no value, and would pass for an empty cell."""
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
        columns = {
            name: _arrow_column(found[k])
            for k, name in enumerate(found.column_names)
            if not name.startswith(UNNAMED_INDEX)
        }
    except ImportError:
        raise missing_extra(path) from None
    except Exception as error:
        raise InputError(f"{path}: cannot be read as .parquet ({type(error).__name__})") from None
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
        return Column.of([None if v is None else str(v) for v in values.to_pylist()])
    if pyarrow.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
    if pyarrow.types.is_boolean(values.type) or pyarrow.types.is_null(values.type):
        return Column.of(values.to_pylist())
    coded = values.combine_chunks().dictionary_encode("encode")
    levels = [_plain_date(v) for v in coded.dictionary.to_pylist()]
    return Column(coded.indices.to_numpy(zero_copy_only=False), tuple(levels))
