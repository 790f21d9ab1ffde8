"""Text tables: separators, decimal commas, titles and comments, with the row of each trial."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neuro_metarl.door.table import Column, Style, Table
from neuro_metarl.errors import InputError
from neuro_metarl.io.grids import ROW_NAMES, Row, is_number, name_columns, names_row, width_of

__all__ = ["SEPARATORS", "read_text_table", "text_of"]

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
CANDIDATES = (",", ";", "\t", "|")
SPELT = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "space": " "}
COMMENTS = ("#", "%", "//")
HEAD = 200
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?')
COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE)
POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+(e[+-]?\d+)?", re.IGNORECASE)
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
POINT_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d+)?")


@dataclass(frozen=True)
class Layout:
    """Separator, names, row of the names (0: there are none), and how wide that row is."""

    separator: str
    names: list[str]
    row: int


def read_text_table(
    path: Path,
    *,
    separator: str | None = None,
    decimal: str | None = None,
    header: int | bool | None = None,
    style: Style = "command",
) -> Table:
    r"""Read a text table as the cells that stand there.

    Parameters
    ----------
    path
        Text in UTF-8, or in UTF-16 with a byte order mark. Blank rows, lines of comment (they
        begin with #, % or //) and titles above the names are passed over; rows keep the numbers
        that an editor shows.
    separator
        One character; without it comma, semicolon, tab or bar, whichever separates all rows into
        equally many cells. Spaces separate only where ``" "`` is given.
    decimal
        ``","`` or ``"."``; without it a comma in a number is a decimal comma where no cell says
        otherwise and the separator is another.
    header
        Row of the names, counted from 1; False where there are none: then columns are called
        "1", "2", ...
    style
        See :class:`neuro_metarl.door.table.Source`.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        No text, no trials, a row with more or fewer cells than names, or a layout that can be
        read in two ways; the message says which, and what to declare.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "rat.csv")
    >>> _ = file.write_text("Experiment 3\n# box 2\nchoice;odds\n0;0,8\n1;0,2\n")
    >>> table = read_text_table(file)
    >>> table.columns["odds"].text().tolist(), table.source.rows.tolist()
    (['0.8', '0.2'], [4, 5])
    """
    text = text_of(path)
    separator = None if separator is None else SPELT.get(separator, separator)
    if separator is not None and len(separator) != 1:
        raise InputError(f"{path}: separator={separator!r}, expected one character")
    if decimal not in (None, ",", "."):
        raise InputError(f"{path}: decimal={decimal!r}, expected ',' or '.'")
    if separator == " ":
        text = "\n".join(line.strip() for line in text.split("\n"))
    layout = _layout(text, path, separator, header)
    if len(layout.names) == 1:
        _refuse_one_column(layout.names[0], path)
    found = _quick(text, layout, style, path) or _slow(text, layout, style, path)
    return _decimals(found, layout, decimal)


def text_of(path: Path) -> str:
    """Read text in UTF-8, or in UTF-16 or UTF-32 with a byte order mark, with one kind of line end.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    str

    Raises
    ------
    InputError
        It is no text in these encodings.

    Examples
    --------
    >>> text_of(Path("nothing.txt"))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: nothing.txt: cannot be read (No such file or directory)
    """
    try:
        data = path.read_bytes()
        mark = next((m for m in MARKS if data.startswith(m)), b"")
        text = data.removeprefix(codecs.BOM_UTF8).decode(MARKS.get(mark, "utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}: not a text table in UTF-8 (line {line}); save it as CSV UTF-8"
        ) from None
    if "\0" in text:
        raise InputError(f"{path}: not a text table in UTF-8; save it as CSV UTF-8")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _records(text: str, separator: str, *, strict: bool) -> Iterator[Row]:
    """Give every record and its number, blank ones too."""
    reader = csv.reader(
        io.StringIO(text, newline="\n"),
        delimiter=separator,
        strict=strict,
        skipinitialspace=separator == " ",
    )
    for number, cells in enumerate(reader, start=1):
        yield number, [cell.strip() for cell in cells]


def _is_comment(cells: list[str]) -> bool:
    return bool(cells) and cells[0].startswith(COMMENTS)


def _head(text: str, separator: str) -> tuple[list[Row], list[Row]]:
    """Give the first rows that hold anything, and the comments among them."""
    rows: list[Row] = []
    comments: list[Row] = []
    try:
        for number, cells in _records(text, separator, strict=False):
            if _is_comment(cells) or (number == 1 and SEPARATOR_LINE.fullmatch("".join(cells))):
                comments.append((number, cells))
            elif any(cells):
                rows.append((number, cells))
                if len(rows) == HEAD:
                    break
    except csv.Error:
        pass
    return rows, comments


def _layout(text: str, path: Path, separator: str | None, header: int | bool | None) -> Layout:
    declared = SEPARATOR_LINE.fullmatch(text.partition("\n")[0].strip())
    if separator is None and declared:
        separator = declared[1]
    if separator is not None:
        return _names(text, separator, header, path)
    plain: list[Layout] = []
    for candidate in CANDIDATES:
        try:
            layout = _names(text, candidate, header, path)
        except InputError:
            continue
        if len(layout.names) > 1 and _agrees(text, layout):
            plain.append(layout)
    first = min((layout.row for layout in plain), default=0)
    plain = [layout for layout in plain if layout.row == first]
    if len(plain) > 1:
        plain = [layout for layout in plain if _leaves_no_other(text, layout)] or plain
    if len(plain) > 1:
        seen = " and ".join(repr(layout.separator) for layout in plain)
        raise InputError(f"{path}: {seen} both separate its rows; say which with separator=")
    return plain[0] if plain else _names(text, _likely(text, path), header, path)


def _agrees(text: str, layout: Layout) -> bool:
    """Whether the first rows have a cell for each name and nothing beyond."""
    rows, _ = _head(text, layout.separator)
    wide = len(layout.names)
    return all(
        len(cells) >= wide and width_of(cells) <= wide for n, cells in rows if n > layout.row
    )


def _leaves_no_other(text: str, layout: Layout) -> bool:
    rows, _ = _head(text, layout.separator)
    return not any(
        other in cell and not is_number(cell)
        for _, cells in rows
        for cell in cells
        for other in CANDIDATES
    )


def _likely(text: str, path: Path) -> str:
    """Separator for the message where none fits: the usual one, or that of the most cells."""
    usual = SEPARATORS.get(path.suffix.lower(), ",")
    order = (usual, *(c for c in CANDIDATES if c != usual))
    wide = {c: max((len(cells) for _, cells in _head(text, c)[0]), default=0) for c in order}
    return usual if wide[usual] > 1 else max(order, key=lambda c: wide[c])


def _names(text: str, separator: str, header: int | bool | None, path: Path) -> Layout:
    """Find the names for a separator.

    Raises
    ------
    InputError
        There are none, or not where they were declared.
    """
    rows, comments = _head(text, separator)
    if not rows:
        raise InputError(f"{path}: holds no trials; expected a header and a row per trial")
    if header is False:
        wide = max(width_of(cells) for _, cells in rows)
        return Layout(separator, [str(k) for k in range(1, wide + 1)], 0)
    if header is not None and header is not True:
        for number, cells in (*rows, *comments):
            if number == header:
                return Layout(separator, _trimmed(_unmarked(cells), rows, number), number)
        raise InputError(f"{path}: header={header}, but that row holds no names")
    try:
        position = names_row(rows, str(path))
    except InputError:
        commented = _commented_names(rows, comments, separator)
        if commented is None:
            raise
        return commented
    number, cells = rows[position]
    return Layout(separator, _trimmed(cells, rows, number), number)


def _unmarked(cells: list[str]) -> list[str]:
    """Take the sign of a comment from the first cell."""
    return [cells[0].lstrip("#%/").strip(), *cells[1:]] if _is_comment(cells) else cells


def _commented_names(rows: list[Row], comments: list[Row], separator: str) -> Layout | None:
    """Take the last comment above the data for its names where it has one for each cell."""
    first = rows[0][0]
    above = [row for row in comments if row[0] < first]
    if not above:
        return None
    number, cells = above[-1]
    names = _unmarked(cells)
    wide = max(width_of(cells) for _, cells in rows)
    named = sum(map(bool, names)) > 1 and all(names[1:])
    plain = len(names) == wide and named and not any(map(is_number, names))
    return Layout(separator, names, number) if plain else None


def _trimmed(names: list[str], rows: list[Row], number: int) -> list[str]:
    """Drop empty names at the end below which nothing stands."""
    below = max((width_of(cells) for n, cells in rows if n > number), default=0)
    wide = max(width_of(names), min(below, len(names)))
    return names[:wide]


def _quick(text: str, layout: Layout, style: Style, path: Path) -> Table | None:
    """Read by columns where every line plainly is one row with a cell for each name.

    Returns
    -------
    Table or None
        None where that is not plain: then rows must be read one by one.
    """
    if layout.separator == " " or not layout.separator.isascii():
        return None
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    if not len(data) or not _plain_quotes(data, layout.separator):
        return None
    ends = np.flatnonzero(data == ord("\n"))
    if data[-1] != ord("\n"):
        ends = np.append(ends, len(data))
    starts = np.append(0, ends[:-1] + 1)
    kept = _holds_anything(data, starts, ends, layout.separator)
    kept[: layout.row] = False
    if _begins_with(data, starts, kept):
        return None
    separators = _per_line(data == ord(layout.separator), starts, ends)
    if not kept.any() or (separators[kept] != len(layout.names) - 1).any():
        return None
    lengths = ends - starts + 1
    lengths[-1] = len(data) - starts[-1]
    body = data if kept.all() else data[np.repeat(kept, lengths)]
    frame = pd.read_csv(
        io.BytesIO(body.tobytes()),
        sep=layout.separator,
        header=None,
        dtype=object,
        na_filter=False,
        skip_blank_lines=False,
        low_memory=False,
    )
    columns = [frame[name].to_numpy() for name in frame]
    rows = np.flatnonzero(kept) + 1
    if len(columns) != len(layout.names) or len(frame) != len(rows):
        return None
    table = name_columns(layout.names, columns, rows, str(path), style=style)
    return _without_blank_rows(table) if (body == ord('"')).any() else table


def _without_blank_rows(table: Table) -> Table:
    """Drop rows of nothing but quotes around nothing."""
    filled = np.zeros(table.n_rows, bool)
    for column in table.columns.values():
        filled |= column.per_row([bool(text) for text in column.texts])
    return table if filled.all() else table.take(np.flatnonzero(filled))


def _plain_quotes(data: np.ndarray, separator: str) -> bool:
    """Whether quotes stand around whole cells only, and no cell runs over a line."""
    quotes = data == ord('"')
    if not quotes.any():
        return True
    inside = np.cumsum(quotes, dtype=np.int64) % 2 == 1
    if inside[-1] or (inside & (data == ord("\n"))).any():
        return False
    edge = (data == ord(separator)) | (data == ord("\n"))
    before = np.append(True, edge[:-1])
    after = np.append(edge[1:], True)
    opens, closes = quotes & inside, quotes & ~inside
    doubled = np.append(False, closes[:-1])
    reopened = np.append(opens[1:], False)
    if (opens & ~before & ~doubled).any() or (closes & ~after & ~reopened).any():
        return False
    return not (inside & (data == ord(separator))).any()


def _per_line(marked: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    total = np.append(0, np.cumsum(marked, dtype=np.int64))
    return total[ends] - total[starts]


def _holds_anything(
    data: np.ndarray, starts: np.ndarray, ends: np.ndarray, separator: str
) -> np.ndarray:
    empty = (data == ord(separator)) | (data == ord(" ")) | (data == ord("\t"))
    empty |= data == ord("\n")
    return _per_line(~empty, starts, ends) > 0


def _begins_with(data: np.ndarray, starts: np.ndarray, kept: np.ndarray) -> bool:
    """Whether a row begins as a comment does, or with a space before one."""
    marks = np.frombuffer("".join(COMMENTS).encode() + b" \t", dtype=np.uint8)
    return bool(np.isin(data[starts[kept]], marks).any())


def _slow(text: str, layout: Layout, style: Style, path: Path) -> Table:
    """Read row by row, and name the row that does not fit."""
    wide = len(layout.names)
    rows: list[Row] = []
    number = 0
    try:
        for number, cells in _records(text, layout.separator, strict=True):
            if number > layout.row and any(cells):
                rows.append((number, cells))
    except csv.Error as error:
        raise InputError(
            f"{path}, row {number + 1}: a quote is opened or closed in the midst of a cell "
            f"({error}); write quotes around whole cells only"
        ) from None
    rows = _without_comments(rows, wide, path)
    for number, cells in rows:
        if len(cells) < wide or width_of(cells) > wide:
            named = len(rows) > 1 and all(len(c) == wide + 1 for _, c in rows)
            raise InputError(
                f"{path}, row {number}: {len(cells)} cells, but the header has {wide} columns"
                + ROW_NAMES * named
            )
    columns: list[Any] = [[cells[k] for _, cells in rows] for k in range(wide)]
    numbers = np.array([number for number, _ in rows], dtype=np.int64)
    return name_columns(layout.names, columns, numbers, str(path), style=style)


def _without_comments(rows: list[Row], wide: int, path: Path) -> list[Row]:
    marked = [(n, c) for n, c in rows if _is_comment(c) and len(c) == wide > 1]
    if marked and len(marked) < sum(len(cells) == wide for _, cells in rows):
        number, cells = marked[0]
        raise InputError(
            f"{path}, row {number}: begins as a comment does ({cells[0][:20]!r}) and has a cell "
            "for each column; delete the row if it is a comment, or write the name without the sign"
        )
    return [(n, c) for n, c in rows if not _is_comment(c) or len(c) == wide > 1]


def _refuse_one_column(name: str, path: Path) -> None:
    raise InputError(
        f"{path}: only one column ({name!r}), expected several, separated by commas, semicolons "
        "or tabs" + (" Where spaces separate, say separator=' '" if " " in name else "")
    )


def _decimals(table: Table, layout: Layout, decimal: str | None) -> Table:
    """Write decimal commas as points, where that is what they are."""
    if decimal == "." or (layout.separator == "," and decimal is None):
        return table
    numbers = {n: c for n, c in table.columns.items() if _comma_numbers(c)}
    if not numbers:
        return table
    commas = [text for column in numbers.values() for text in column.texts if "," in text]
    if decimal is None and all(THOUSANDS.fullmatch(text) for text in commas):
        _refuse_cell(
            table,
            lambda text: text == commas[0],
            "may have a decimal comma or a comma between thousands; say decimal=',' or write the "
            "numbers without commas",
        )
    _check_points(table, declared=decimal is not None)
    pointed = {
        n: replace(c, levels=tuple(t.replace(",", ".") for t in c.texts))
        for n, c in numbers.items()
    }
    return replace(table, columns={n: pointed.get(n, c) for n, c in table.columns.items()})


def _comma_numbers(column: Column) -> bool:
    with_comma = [text for text in column.texts if "," in text]
    return bool(with_comma) and all(COMMA_NUMBER.fullmatch(text) for text in with_comma)


def _check_points(table: Table, *, declared: bool) -> None:
    """Beside decimal commas a point in a number is a second convention, or parts thousands."""
    pattern = POINT_THOUSANDS if declared else POINT_NUMBER
    _refuse_cell(
        table,
        lambda text: pattern.fullmatch(text) is not None,
        "has a point, but other numbers of the file a decimal comma; "
        + ("write it without" if declared else "say decimal=',' or decimal='.'"),
    )


def _refuse_cell(table: Table, wanted: Callable[[str], bool], problem: str) -> None:
    """Refuse the first cell of the first column that has such a text."""
    for name, column in table.columns.items():
        raw = [str(level).strip() for level in column.levels]
        found = column.per_row([wanted(text) for text in raw])
        if found.any():
            row = int(found.argmax())
            text = raw[column.level[row]]
            table.source.refuse(f"{text!r} {problem}", row=row, column=name)
