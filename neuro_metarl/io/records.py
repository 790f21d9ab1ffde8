"""Named values into a table: one record per trial, or lists with one value per trial."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neuro_metarl.door.table import Style, Table
from neuro_metarl.errors import InputError
from neuro_metarl.schema import VARIABLES

__all__ = ["Declared", "table_of_records"]

OURS = frozenset({*VARIABLES, "subject", "session", "trial", "stimulus", "problem"})
NUMBERED = ("p_reward_", "expected_reward_", "t_")
PER_OPTION, MOST_OPTIONS = ("p_reward", "expected_reward"), 12
PER_TRIAL = ("choice", "choice2", "reward", "state", "common", "correct", "trial")


@dataclass(frozen=True)
class Declared:
    """What was declared about columns, our name to theirs; says which fields are meant.

    Examples
    --------
    >>> declared = Declared({"choice": "side"})
    >>> [declared.wants(name) for name in ("side", "reward", "choice", "licks")]
    [True, True, False, False]
    """

    columns: Mapping[str, str] = field(default_factory=dict)

    def wants(self, theirs: str) -> bool:
        """Whether a field is used: it is declared, or has a name of ours that is not."""
        if theirs in self.columns.values():
            return True
        known = theirs in OURS or theirs.startswith(NUMBERED)
        return known and theirs not in self.columns

    def needs_session(self, names: Sequence[str]) -> bool:
        """Whether nothing says which session a record is: then each is one of its own."""
        return "session" not in self.columns and "session" not in names

    def varies(self, theirs: str) -> bool:
        """Whether a field must have a value for each trial."""
        return theirs in {self.columns.get(ours, ours) for ours in PER_TRIAL}


def table_of_records(
    records: Sequence[Mapping[str, Any]],
    where: str,
    declared: Declared,
    *,
    word: str = "record",
    style: Style = "command",
) -> Table:
    """Make a table from records.

    Parameters
    ----------
    records
        Field to value. A value is a list (or an array of one dim) with one element per trial, or
        something that holds for the whole record. Where choices and rewards are lists, a record
        is a session, else a trial.
    where, word, style
        See :class:`neuro_metarl.door.table.Source`.
    declared
        Which fields are columns that are used: these must fit each other; lists of other lengths
        are left out.

    Returns
    -------
    Table
        Rows are the numbers of records, or of trials within them, from 1. Several records with
        lists are a session each: the column ``{record}`` numbers them.

    Raises
    ------
    InputError
        No records, or lists of different lengths.

    Examples
    --------
    >>> table = table_of_records([{"subject": "r1", "choice": [0, 1]}], "t.json", Declared())
    >>> {name: column.text().tolist() for name, column in table.columns.items()}
    {'subject': ['r1', 'r1'], 'choice': ['0', '1']}
    """
    if not records:
        raise InputError(f"{where}: holds no trials")
    names = list(dict.fromkeys(name for record in records for name in record))
    if not names:
        raise InputError(f"{where}: holds no columns")
    if len(records) == 1 or any(_is_list(r[n]) for r in records for n in r if declared.varies(n)):
        return _lists(records, names, where, declared, word, style)
    columns = {name: [_cell(record.get(name)) for record in records] for name in names}
    rows = np.arange(1, len(records) + 1)
    return Table.of(columns, where, rows=rows, word=word, style=style)


def _lists(
    records: Sequence[Mapping[str, Any]],
    names: list[str],
    where: str,
    declared: Declared,
    word: str,
    style: Style,
) -> Table:
    columns: dict[str, list[Any]] = {name: [] for name in names}
    rows: list[Any] = []
    sessions: list[int] = []
    for number, record in enumerate(records, start=1):
        here = where if len(records) == 1 else f"{where}, {word} {number}"
        upright = {n: _upright(n, v, record, declared) for n, v in record.items()}
        length = _length(upright, declared, here)
        for name in list(columns):
            value: Any = upright.get(name)
            if not _is_list(value):
                columns[name] += [_cell(value)] * length
            elif len(value) == length:
                columns[name] += [_cell(element) for element in value]
            else:
                del columns[name]
        alone = len(records) == 1
        rows += [k if alone else f"{number} trial {k}" for k in range(1, length + 1)]
        sessions += [number] * length
    if not rows:
        raise InputError(f"{where}: holds no trials")
    if len(records) > 1:
        columns["{record}"] = sessions
    return Table.of(columns, where, rows=np.array(rows, dtype=object), word=word, style=style)


def _upright(name: str, value: Any, record: Mapping[str, Any], declared: Declared) -> Any:
    """Give each trial its list: of one list for each option, or of odds that hold for all trials.

    A list of numbers stands for the options where its name says so and its length is another.
    """
    trials = [len(v) for n, v in record.items() if declared.varies(n) and _is_list(v)]
    n_trials = trials[0] if trials else 0
    if not _is_list(value) or not n_trials or len(value) == n_trials:
        return value
    if all(_is_list(inner) and len(inner) == n_trials for inner in value):
        return [list(each) for each in zip(*value, strict=True)]
    of_options = name in {declared.columns.get(ours, ours) for ours in PER_OPTION}
    if of_options and 1 < len(value) < MOST_OPTIONS and not any(map(_is_list, value)):
        return [list(value)] * n_trials
    return value


def _length(record: Mapping[str, Any], declared: Declared, where: str) -> int:
    """Give the number of trials of a record, on which all its used lists agree."""
    lengths = {name: len(value) for name, value in record.items() if _is_list(value)}
    used = {name: length for name, length in lengths.items() if declared.wants(name)}
    if not lengths:
        return 1
    length = next(iter(used.values()), 0) or Counter(lengths.values()).most_common(1)[0][0]
    for name, other in used.items():
        if other != length:
            first = next(iter(used))
            raise InputError(
                f"{where}: {name!r} has {other} values, but {first!r} has {length}; expected one "
                "per trial in each"
            )
    for name, value in record.items():
        if declared.varies(name) and not _is_list(value) and length != 1:
            raise InputError(
                f"{where}: {name!r} is one value ({_cell(value)!r}), but others have {length}; "
                "expected one per trial"
            )
    return length


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _cell(value: Any) -> Any:
    """Write what is no single value as text."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return json.dumps(value, default=str) if isinstance(value, (list, tuple, dict)) else value
