"""Names of columns: spaces around them, names that are nearly ours, and one column per option."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neuro_metarl.door.table import Column, Source, Table, typed
from neuro_metarl.door.texts import is_missing

__all__ = [
    "OPTION",
    "PER_OPTION",
    "PLAIN",
    "names_sessions",
    "refuse_nearly_ours",
    "spread_options",
]

OPTION = re.compile(r"(p|expected)_reward_(0|[1-9][0-9]*)")
PER_OPTION = ("p_reward", "expected_reward")
PLAIN = re.compile(r"[\W_]+")
SESSIONS = frozenset(
    {"session", "sessions", "sessionid", "sessionnumber", "sessionnr", "sessionno", "sess",
     "sessionname", "sessiondate", "day", "days", "date", "datum", "tag", "sitzung"}
)  # fmt: skip
LEAST_ROWS = 2


def names_sessions(name: str) -> bool:
    """Whether a column may tell the sessions apart, by its name.

    Parameters
    ----------
    name
        As in the source.

    Returns
    -------
    bool

    Examples
    --------
    >>> names_sessions("Session_ID"), names_sessions("side")
    (True, False)
    """
    return PLAIN.sub("", name).casefold() in SESSIONS


def refuse_nearly_ours(table: Table, ours: Iterable[str], declared: Collection[str]) -> None:
    """Refuse a column that is not used, and whose name differs from ours in letters only.

    ``Forced`` beside no ``forced`` would be passed over, and every forced choice taken for a free
    one. Where nothing says ``session``, a column such as ``day`` or ``SessionID`` with several
    values within a subject is refused likewise: its sessions would become one.

    Parameters
    ----------
    table
        Columns with our names.
    ours
        Names that a column may have here.
    declared
        Their names that were declared as one of ours.

    Raises
    ------
    InputError
        With the declaration that uses the column.

    Examples
    --------
    >>> table = Table.of({"choice": [0, 1], "Forced": [0, 1]}, "t.csv")
    >>> refuse_nearly_ours(table, ["choice", "forced"], [])
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: t.csv: column 'Forced' is not used, because it is not...
    """
    known = {PLAIN.sub("", name).casefold(): name for name in ours}
    for name, column in table.columns.items():
        if name in declared or name.startswith("{"):
            continue
        plain = PLAIN.sub("", name).casefold()
        near = known.get(plain)
        if near is None and OPTION.fullmatch(name.casefold()):
            near = name.casefold()
        if near is not None and near != name and near not in table.columns:
            table.source.refuse(
                f"column {name!r} is not used, because it is not declared; if it is {near!r}: "
                f"{table.source.declare(near, name)}; if it is something else, give it another name"
            )
        if names_sessions(name) and "session" not in table.columns and _parts(table, column):
            table.source.refuse(
                f"nothing says 'session', so that all {len(set(column.texts))} values of column "
                f"{name!r} would be one session of a subject; if it tells the sessions apart: "
                f"{table.source.declare('session', name)}; if a subject has one session: "
                + _one_session(table.source)
            )


def _one_session(source: Source) -> str:
    theirs = source.names.get("subject", "subject")
    if source.style == "python":
        return f"frame.assign(session=frame[{theirs!r}])"
    return f"--columns {typed(f'subject={theirs}')} {typed(f'session={theirs}')}"


def _parts(table: Table, column: Column) -> bool:
    """Whether a column splits the rows of a subject into pieces of several rows."""
    subject = table.columns["subject"].level.astype(np.int64)
    pairs = np.unique(np.stack([subject, column.level]), axis=1)
    several = len(pairs[0]) > len(np.unique(subject))
    return several and len(pairs[0]) * LEAST_ROWS <= table.n_rows


def spread_options(table: Table, declared: Mapping[str, str]) -> Table:
    """Give each option a column of its own where a cell holds a list, or a file a matrix.

    Parameters
    ----------
    table
        Columns as they stand there; the columns of a MATLAB matrix are called ``odds(:,1)``, ...
    declared
        Our name to theirs.

    Returns
    -------
    Table
        With ``p_reward_0``, ``p_reward_1``, ... in place of ``p_reward``, or of the column that was
        declared as it; likewise ``expected_reward``.

    Raises
    ------
    InputError
        Lists of different lengths, something that is no list of numbers, or options given twice.

    Warns
    -----
    UserWarning
        A column ``p_reward`` that nobody declared has one number per trial.

    Examples
    --------
    >>> table = Table.of({"p_reward": ["[0.2, 0.8]", None]}, "t.json")
    >>> {name: column.texts for name, column in spread_options(table, {}).columns.items()}
    {'p_reward_0': ['0.2', ''], 'p_reward_1': ['0.8', '']}
    """
    columns = dict(table.columns)
    for ours in PER_OPTION:
        theirs = declared.get(ours, ours)
        source = replace(table.source, names={**table.source.names, ours: theirs})
        found = _matrix(theirs, columns)
        if not found and theirs in columns:
            lists = _lists(ours, columns[theirs], source, told=ours in declared)
            found = {theirs: lists} if lists else {}
        if not found:
            continue
        given = [c for c in columns if c.startswith(f"{ours}_") and OPTION.fullmatch(c)]
        if given:
            source.refuse(
                f"gives the odds of each option, and so does column {given[0]!r}; keep one",
                column=ours,
            )
        spread = [column for part in found.values() for column in part]
        columns = {n: c for n, c in columns.items() if n not in found}
        columns |= {f"{ours}_{k}": column for k, column in enumerate(spread)}
    return table if columns.keys() == table.columns.keys() else replace(table, columns=columns)


def _matrix(theirs: str, columns: Mapping[str, Column]) -> dict[str, list[Column]]:
    """Find the columns of a matrix, as MATLAB numbers them from 1."""
    for form in ("{}(:,{})", "{}({},:)"):
        names = [form.format(theirs, k) for k in range(1, len(columns) + 1)]
        found = [name for name in names if name in columns]
        if found:
            return {name: [columns[name]] for name in found}
    return {}


def _lists(ours: str, column: Column, source: Source, *, told: bool) -> list[Column]:
    """Take lists in cells apart; no list where a column that nobody declared has single numbers."""
    levels = [_list_of(text) for text in column.texts]
    lengths = {len(values) for values in levels if values}
    if not lengths and all(values is None or not values for values in levels) and not told:
        if any(not is_missing(text) for text in column.texts):
            where = f"{source.where}: " if source.where else ""
            warnings.warn(
                f"{where}column {ours!r} has one value per trial and is not used; odds of the "
                f"options stand in columns {ours}_0, {ours}_1, ..., or as a list in each cell",
                stacklevel=5,
            )
        return []
    wide = max(lengths, default=0)
    wrong = np.array([
        len(values) != wide if values else not is_missing(text)
        for values, text in zip(levels, column.texts, strict=True)
    ])  # fmt: skip
    if wrong.any() or not wide:
        bad = column.per_row(wrong)
        row = int(bad.argmax())
        source.refuse(
            f"{column.texts[column.level[row]]!r}, expected a list with one number per option, "
            f"{wide} in each cell" if wide else
            f"{column.texts[column.level[row]]!r}, expected a list with one number per option; "
            f"where each option has a column, declare {ours}_0, {ours}_1, ...",
            row=row,
            column=ours,
        )  # fmt: skip
    return [
        Column(column.level, tuple(values[k] if values else None for values in levels))
        for k in range(wide)
    ]


def _list_of(text: str) -> list[Any] | None:
    """Read a list of numbers from its text; None where it is none."""
    if not text.startswith(("[", "(")):
        return None
    inside = text.strip("[]() ")
    try:
        values = json.loads(f"[{inside}]" if "," in inside else f"[{','.join(inside.split())}]")
    except (ValueError, RecursionError):
        return None
    plain = all(
        v is None or (isinstance(v, (int, float)) and not isinstance(v, bool)) for v in values
    )
    return values if plain else None
