"""Cells in rows and columns into a table: where the names stand, and what may stand beside them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from neuro_metarl.door.table import Column, Source, Style, Table, as_text, by_name
from neuro_metarl.errors import InputError

__all__ = ["ROW_NAMES", "is_number", "name_columns", "names_row", "table_of_rows", "width_of"]

NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)

ROW_NAMES = "; if the names of rows stand first, as R writes them, write row.names=FALSE"

Row = tuple[int, list[str]]


def is_number(text: str) -> bool:
    """Say whether a cell reads as a number, with a decimal point or a decimal comma.

    Parameters
    ----------
    text
        A cell without spaces around it.

    Returns
    -------
    bool

    Examples
    --------
    >>> [is_number(text) for text in ("1", "-.5", "0,2", "1e3", "r1", "")]
    [True, True, True, True, False, False]
    """
    return NUMBER.fullmatch(text) is not None


def width_of(cells: Sequence[str]) -> int:
    """Count the cells of a row up to the last one that holds anything.

    Parameters
    ----------
    cells
        A row.

    Returns
    -------
    int

    Examples
    --------
    >>> width_of(["Experiment 3", "", ""]), width_of(["", "a", ""])
    (1, 2)
    """
    return next((k for k in range(len(cells), 0, -1) if cells[k - 1]), 0)


def names_row(rows: Sequence[Row], where: str) -> int:
    """Find the row of the names: the first that is as wide as the table.

    Narrower rows above it are titles.

    Parameters
    ----------
    rows
        Number and cells of the first rows that hold anything.
    where
        File, for the message.

    Returns
    -------
    int
        Position in ``rows``.

    Raises
    ------
    InputError
        The row looks like data (a number is among its cells), or a row above it that is nearly
        as wide may be meant.

    Examples
    --------
    >>> names_row([(1, ["Experiment 3", ""]), (3, ["choice", "reward"]), (4, ["0", "1"])], "t")
    1
    """
    counts = Counter(width_of(cells) for _, cells in rows)
    width = max(counts, key=lambda k: (counts[k], k))
    position = next(k for k, (_, cells) in enumerate(rows) if width_of(cells) >= width)
    number, cells = rows[position]
    for _, above in rows[:position]:
        filled = [cell for cell in above if cell]
        if len(filled) > max(1, width / 2) and not any(map(is_number, filled)):
            raise InputError(
                f"{where}, row {number}: {width_of(cells)} cells, but the header has "
                f"{width_of(above)} columns"
                + (ROW_NAMES if width_of(cells) == width_of(above) + 1 else "")
            )
    if any(map(is_number, cells)):
        raise InputError(
            f"{where}, row {number}: holds numbers where names of columns are expected "
            f"({', '.join(cells[:4])}{', ...' if len(cells) > 4 else ''}); where a file has no "
            "names, say header=False and give each column by its position from 1 (choice=3); "
            f"where these are the names, say header={number}"
        )
    return position


def name_columns(
    names: Sequence[str],
    columns: Iterable[Any],
    rows: np.ndarray,
    where: str,
    *,
    word: str = "row",
    style: Style = "command",
) -> Table:
    """Make a table from cells; a column without name is called by its position, or dropped.

    Parameters
    ----------
    names
        Names as they stand there, maybe empty.
    columns
        One value per row, for each name.
    rows, where, word, style
        See :class:`neuro_metarl.door.table.Source`.

    Returns
    -------
    Table
        Without columns that have neither a name nor a value.

    Raises
    ------
    InputError
        No rows, a column twice, or the names repeated among the rows.

    Examples
    --------
    >>> table = name_columns(["a", "", ""], [["x"], ["1"], [""]], np.array([2]), "t.csv")
    >>> list(table.columns)
    ['a', 'column 2']
    """
    if not len(rows):
        raise InputError(f"{where}: holds no trials; expected a header and a row per trial")
    made: list[tuple[str, Column]] = []
    for position, (given, values) in enumerate(zip(names, columns, strict=True), start=1):
        column = Column.of(values)
        if given or any(column.texts):
            made.append((given or f"column {position}", column))
    table = Table(by_name(made, where), Source(where, rows, word, style))
    _refuse_repeated_names(table)
    return table


def table_of_rows(
    rows: Sequence[Sequence[Any]],
    where: str,
    *,
    header: int | bool | None = None,
    style: Style = "command",
) -> Table:
    """Make a table from rows of values, of which the first names the columns.

    Parameters
    ----------
    rows
        Values row by row.
    header
        False where no row holds names: then columns are called "1", "2", ...
    where, style
        See :class:`neuro_metarl.door.table.Source`.

    Returns
    -------
    Table
        Rows are records, counted from 1.

    Raises
    ------
    InputError
        No rows, or rows of different lengths.

    Examples
    --------
    >>> table_of_rows([["side", "won"], ["l", 1]], "t.json").columns["won"].texts
    ['1']
    """
    cells = [[_text(value) for value in row] for row in rows]
    filled = [(n, row) for n, row in enumerate(cells, start=1) if any(row)]
    if not filled:
        raise InputError(f"{where}: holds no trials")
    wide = max(width_of(row) for _, row in filled)
    number, names = 0, [str(k) for k in range(1, wide + 1)]
    if header is not False:
        number, names = filled[names_row(filled[:100], where)]
    body = [(k, row) for k, row in filled if k > number]
    for k, row in body:
        if len(row) != len(names):
            raise InputError(
                f"{where}, record {k}: {len(row)} values, but there are {len(names)} columns"
            )
    columns = [[row[c] for _, row in body] for c in range(len(names))]
    kept = np.array([k for k, _ in body])
    return name_columns(names, columns, kept, where, word="record", style=style)


def _text(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, (list, dict)) else as_text(value)


def _refuse_repeated_names(table: Table) -> None:
    """Files that were pasted together hold their names again."""
    repeated = np.ones(table.n_rows, bool)
    for name, column in table.columns.items():
        repeated &= column.per_row([text == name for text in column.texts])
        if not repeated.any():
            return
    row = int(repeated.argmax())
    table.source.refuse(
        "the names of the columns stand here again; where files were pasted together, give them as "
        "a list of files; where the first row is no names, say header=False",
        row=row,
    )
