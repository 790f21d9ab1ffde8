"""Columns as they stand in a source, and where each row of them is."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Number
from typing import Any, Literal, NoReturn

import numpy as np
import pandas as pd

from neuro_metarl.errors import InputError

__all__ = ["Column", "Source", "Table", "as_text", "by_name", "typed"]

Style = Literal["command", "python"]
PLAIN = re.compile(r"[\w{}.:,@%+=/-]+")
AROUND = " \t\r\n\x0b\x0c\u00a0\u200b\ufeff"


@dataclass(frozen=True)
class Source:
    """Where rows come from, as messages name it.

    Parameters
    ----------
    where
        File, and sheet or table within it; empty for a table in memory.
    rows
        Name of each row: the number that a spreadsheet shows, or the number of the trial.
    word
        What a row is called there.
    style
        How a way out is written: as options of the command, or as arguments in Python.
    names
        Our name to theirs, where they differ.
    """

    where: str
    rows: np.ndarray
    word: str = "row"
    style: Style = "command"
    names: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str) -> str:
        """Name a column as the source does, and as we do where that differs."""
        theirs = self.names.get(name, name)
        return f"column {theirs!r}" + (f" ({name})" if theirs != name else "")

    def refuse(
        self, problem: str, *, row: int | None = None, column: str | None = None
    ) -> NoReturn:
        """Raise the refusal, with its place in front.

        Raises
        ------
        InputError
            Always.
        """
        place = [self.where] if self.where else []
        if row is not None:
            place.append(f"{self.word} {self.rows[row]}")
        if column is not None:
            place.append(self.column(column))
        raise InputError(f"{', '.join(place)}: {problem}" if place else problem)

    def codes(self, name: str, codes: Mapping[str, Any]) -> str:
        """Write a declaration of codes as it would be typed."""
        if self.style == "command":
            return "--codes " + " ".join(typed(f"{name}:{k}={v}") for k, v in codes.items())
        inside = ", ".join(f"{k!r}: {v}" for k, v in codes.items())
        return f"codes={{{name!r}: {{{inside}}}}}"

    def declare(self, name: str, theirs: str) -> str:
        """Write a declaration of a column as it would be typed."""
        if self.style == "command":
            return f"--columns {typed(f'{name}={theirs}')}"
        return f"frame.rename(columns={{{theirs!r}: {name!r}}})"


def typed(text: str) -> str:
    """Write a word as it is typed in a shell: in quotes where it has blanks or signs.

    Parameters
    ----------
    text
        Of an option.

    Returns
    -------
    str

    Examples
    --------
    >>> typed("subject={file}"), typed("subject=Rat ID")
    ('subject={file}', "'subject=Rat ID'")
    """
    return text if PLAIN.fullmatch(text) else shlex.quote(text)


@dataclass(frozen=True)
class Column:
    """One column: the different values that stand in it, and which of them each row has.

    Parameters
    ----------
    level
        Dims (row): position in ``levels``.
    levels
        Different raw values: text, numbers, truth values, None or NaN.

    Examples
    --------
    >>> Column.of(["l", "r", "l"]).texts
    ['l', 'r']
    """

    level: np.ndarray
    levels: tuple[Any, ...]

    @classmethod
    def of(cls, values: Iterable[Any]) -> Column:
        """Find the different values of a column.

        Parameters
        ----------
        values
            One per row.

        Returns
        -------
        Column
        """
        raw = values if isinstance(values, (np.ndarray, pd.Series)) else _objects(values)
        try:
            level, levels = pd.factorize(raw, use_na_sentinel=False)
        except TypeError:
            texts = _objects([as_text(v) for v in raw])
            level, levels = pd.factorize(texts, use_na_sentinel=False)
        return cls(np.asarray(level), tuple(levels.tolist()))

    @property
    def texts(self) -> list[str]:
        """Text of each level, see :func:`as_text`."""
        return [as_text(value) for value in self.levels]

    def per_row(self, values: Sequence[Any] | np.ndarray) -> np.ndarray:
        """Give each row what its level has."""
        return np.asarray(values)[self.level]

    def text(self) -> np.ndarray:
        """Text of each row."""
        return self.per_row(np.array(self.texts, dtype=object))

    def take(self, rows: np.ndarray) -> Column:
        """Keep some rows."""
        return replace(self, level=self.level[rows])


@dataclass(frozen=True)
class Table:
    """Raw columns of equal length and their source.

    Parameters
    ----------
    columns
        Name to column; names as in the source.
    source
        Where the rows are.

    Examples
    --------
    >>> Table.of({"side": ["l", "r"]}, "rats.csv").n_rows
    2
    """

    columns: Mapping[str, Column]
    source: Source

    @classmethod
    def of(
        cls,
        columns: Mapping[str, Iterable[Any]] | Iterable[tuple[str, Iterable[Any]]],
        where: str,
        *,
        rows: Sequence[Any] | np.ndarray | None = None,
        word: str = "row",
        style: Style = "command",
    ) -> Table:
        """Make a table from values by column.

        Parameters
        ----------
        columns
            Name to one value per row; or pairs of both, where a name may stand twice.
        where, rows, word, style
            See :class:`Source`; rows default to those of a spreadsheet with one header row.

        Returns
        -------
        Table

        Raises
        ------
        InputError
            Columns of different lengths, one twice, or none.
        """
        pairs = columns.items() if isinstance(columns, Mapping) else columns
        made = by_name([(str(name), Column.of(values)) for name, values in pairs], where)
        if not made:
            raise InputError(f"{where}: holds no columns")
        lengths = {name: len(column.level) for name, column in made.items()}
        n_rows = next(iter(lengths.values()))
        for name, length in lengths.items():
            if length != n_rows:
                first = next(iter(lengths))
                raise InputError(
                    f"{where}: column {name!r} has {length} values, {first!r} has {n_rows}"
                )
        numbered = np.arange(2, n_rows + 2) if rows is None else np.asarray(rows)
        return cls(made, Source(where, numbered, word, style))

    @property
    def n_rows(self) -> int:
        """Rows."""
        return len(self.source.rows)

    def take(self, rows: np.ndarray) -> Table:
        """Keep some rows."""
        source = replace(self.source, rows=self.source.rows[rows])
        return Table({name: c.take(rows) for name, c in self.columns.items()}, source)


def by_name(columns: Iterable[tuple[str, Column]], where: str) -> dict[str, Column]:
    """Call columns by their names without spaces around them.

    Parameters
    ----------
    columns
        Name and column.
    where
        See :class:`Source`.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        A name stands twice.

    Examples
    --------
    >>> list(by_name([(" choice", Column.of([0])), ("reward ", Column.of([1]))], "t.csv"))
    ['choice', 'reward']
    """
    made: dict[str, Column] = {}
    for given, column in columns:
        name = given.strip(AROUND) or given
        if name in made:
            raise InputError(
                (f"{where}: " if where else "")
                + f"column {name!r} appears twice; give each column a name of its own"
            )
        made[name] = column
    return made


def as_text(value: Any) -> str:
    """Write a raw value so that 1, 1.0, "1", " +1 " and b"1" are one text; nothing is "".

    Parameters
    ----------
    value
        Text, bytes, number, truth value, None or NaN.

    Returns
    -------
    str

    Examples
    --------
    >>> [as_text(v) for v in (1.0, " 1.0", True, None, float("nan"), "-1", "L")]
    ['1', '1', 'True', '', '', '-1', 'L']
    """
    if isinstance(value, (bytes, np.bytes_)):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, str):
        return _plain(value.strip())
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if value is None or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return json.dumps(value, default=str)
    if isinstance(value, (float, np.floating)):
        if np.isnan(value):
            return ""
        return str(int(value)) if float(value).is_integer() else str(value)
    text = str(value).strip()
    return _plain(text) if isinstance(value, Number) else text


def _plain(text: str) -> str:
    """Write whole numbers without decimals, plus sign or typographic minus."""
    number = text.replace("\u2212", "-")
    digits = number.removeprefix("+").removeprefix("-")
    whole, point, rest = digits.partition(".")
    if whole.isascii() and whole.isdigit() and not rest.strip("0") and (rest or not point):
        return ("-" if number.startswith("-") and whole.strip("0") else "") + whole
    return text


def _objects(values: Iterable[Any]) -> np.ndarray:
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array
