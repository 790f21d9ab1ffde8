"""Which session a row belongs to, and where it stands in it.

Rows are in order of ``trial`` where there is one, otherwise as they stand. A session that goes on
after another session of the same subject began shows that the rows were shuffled or sorted; without
``trial`` that is refused, because no measure that looks back would mean anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from neuro_metarl.door.table import Column, Source, Table

__all__ = ["PARTS", "Places", "places_of", "refuse_joined"]

# columns that say from which record, and from which file, a row comes
PARTS = ("{record}", "{file}")

SPARSE_ROWS, SPARSE_FACTOR = 1000, 10
MONTHS = "jan|feb|mar|apr|may|mai|jun|jul|aug|sep|okt|oct|nov|dez|dec"
DATE = re.compile(rf"[0-9]{{1,4}}[./-][0-9]{{1,2}}[./-][0-9]{{1,4}}|\b({MONTHS})", re.IGNORECASE)
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Places:
    """Where each row goes.

    Parameters
    ----------
    session
        Dims (row): number of the session.
    position
        Dims (row): number of the trial in its session, from 0.
    subjects, sessions
        Names, one of each per session.
    """

    session: np.ndarray
    position: np.ndarray
    subjects: list[str]
    sessions: list[str]

    @property
    def shape(self) -> tuple[int, int]:
        """Sessions and the most trials of one."""
        return len(self.subjects), int(self.position.max()) + 1


def places_of(
    subject: np.ndarray,
    session: np.ndarray,
    trial: np.ndarray | None,
    source: Source,
    *,
    has_session: bool = True,
) -> Places:
    """Place rows by subject, session and trial.

    Parameters
    ----------
    subject, session
        Text, dims (row).
    trial
        Whole numbers, dims (row); None: rows are in order.
    source
        Where messages point.
    has_session
        Whether a column says the session.

    Returns
    -------
    Places
        Sessions in order of first appearance; those of a subject whose rows are interleaved in the
        natural order of their names ("d2" before "d10").

    Raises
    ------
    InputError
        A trial appears twice, trial numbers run far beyond the number of rows, or rows are
        interleaved and nothing says their order.

    Examples
    --------
    >>> rows = np.array(["a", "a", "a"]), np.array(["1", "1", "2"])
    >>> places_of(*rows, np.array([5.0, 4.0, 1.0]), Source("", np.arange(3))).position.tolist()
    [1, 0, 0]
    """
    index, found = pd.factorize(pd.MultiIndex.from_arrays([subject, session]))
    names = list(found)
    scattered = _scattered(index, names)
    if scattered is not None and trial is None:
        row, one = scattered
        source.refuse(
            f"session {names[one][1]!r} of subject {names[one][0]!r} goes on after another session "
            "of that subject began, and no column 'trial' says the order of the rows; give the "
            "number of each trial within its session as 'trial', or sort the rows by time",
            row=row,
        )
    if scattered is not None:
        _refuse_dates([n[1] for n in names], source)
        index, names = _in_natural_order(index, names)
    if trial is None:
        position = pd.Series(index).groupby(index).cumcount().to_numpy()
    else:
        position = _positions(trial, index, names, source, has_session)
    return Places(index, position, [str(n[0]) for n in names], [str(n[1]) for n in names])


def refuse_joined(
    subject: np.ndarray, session: np.ndarray, trial: np.ndarray | None, table: Table
) -> None:
    """Refuse a session that stands in several files, or records, where it may be several days.

    Labs often number the sessions of each file anew. A session goes on from one file to the next
    only where its trials are numbered without a gap, and where a file holds other sessions, too,
    as in a long table that was cut in pieces.

    Parameters
    ----------
    subject, session
        Text, dims (row).
    trial
        Whole numbers, dims (row); None: none are given.
    table
        Its columns :data:`PARTS`, where it has them, say where a row comes from.

    Raises
    ------
    InputError
        With the row at which a second file, or record, begins.

    Examples
    --------
    >>> table = Table.of({"{file}": ["d1", "d1", "d2", "d2"]}, "rats")
    >>> refuse_joined(np.array(["a"] * 4), np.array(["1"] * 4), None, table)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: rats, row 4: session '1' of subject 'a' stands in file...
    """
    for name in PARTS:
        part = table.columns.get(name)
        if part is None or len(part.levels) == 1:
            continue
        index, found = pd.factorize(pd.MultiIndex.from_arrays([subject, session]))
        pieces = pd.DataFrame({"session": index, "part": part.level})
        first = pieces.drop_duplicates()
        again = first["session"].duplicated()
        if not again.any() or _goes_on(pieces, first, trial):
            continue
        row = int(first.index[again.to_numpy()][0])
        who, what = found[index[row]]
        _refuse_piece(row, str(who), str(what), part, name, first, table.source)


def _goes_on(pieces: pd.DataFrame, first: pd.DataFrame, trial: np.ndarray | None) -> bool:
    """Whether trials are numbered on, without a gap, in a session that was cut in two."""
    if trial is None:
        return False
    numbers = pieces.assign(trial=trial).groupby(["session", "part"], sort=False)["trial"]
    spans = numbers.agg(["min", "max"]).loc[list(first.itertuples(index=False, name=None))]
    sessions_of = first.groupby("part")["session"].nunique()
    for _, span in spans.groupby(level="session", sort=False):
        if len(span) == 1:
            continue
        whole = (span["min"].to_numpy()[1:] == span["max"].to_numpy()[:-1] + 1).all()
        if not whole or sessions_of[span.index.get_level_values("part")].max() == 1:
            return False
    return True


def _refuse_piece(
    row: int, subject: str, session: str, part: Column, name: str, first: pd.DataFrame,
    source: Source,
) -> None:  # fmt: skip
    word = name.strip("{}")
    mine = first["session"] == first["session"][row]
    labels = [repr(part.texts[k]) for k in first["part"][mine]]
    one_each = (first.groupby("part")["session"].nunique() == 1).all()
    way_out = (
        f"if each {word} is a session: {source.declare('session', name)}"
        if one_each
        else f"give every session of a subject a name of its own, for example the day, over all "
        f"{word}s"
    )
    source.refuse(
        f"session {session!r} of subject {subject!r} stands in {word} {labels[0]} and {labels[1]}"
        + (f" and in {len(labels) - 2} more" if len(labels) > 2 else "")
        + f", which would become one session; {way_out}; if it goes on from {word} to {word}, put "
        f"its rows into one {word}",
        row=row,
    )


def _scattered(index: np.ndarray, names: list[tuple[str, str]]) -> tuple[int, int] | None:
    """Find the first row at which a session of a subject goes on after another one of its own."""
    subject = pd.factorize(np.array([n[0] for n in names], dtype=object))[0][index]
    order = np.argsort(subject, kind="stable")
    one, who = index[order], subject[order]
    begins = np.append(True, (one[1:] != one[:-1]) | (who[1:] != who[:-1]))
    if begins.sum() == len(names):
        return None
    again = pd.Series(one[begins]).duplicated().to_numpy()
    row = int(order[begins][again].min())
    return row, int(index[row])


def _in_natural_order(
    index: np.ndarray, names: list[tuple[str, str]]
) -> tuple[np.ndarray, list[tuple[str, str]]]:
    subjects = list(dict.fromkeys(n[0] for n in names))
    rank = {name: k for k, name in enumerate(subjects)}
    order = sorted(range(len(names)), key=lambda k: (rank[names[k][0]], _natural(names[k][1])))
    place = np.empty(len(names), int)
    place[order] = np.arange(len(names))
    return place[index], [names[k] for k in order]


def _natural(name: str) -> list[tuple[int, float, str]]:
    """Rank a name so that d2 comes before d10, -1 before 1, and 1.5 before 1.25 never."""
    try:
        return [(0, float(name), "")]
    except ValueError:
        parts = re.split(r"([0-9]+)", name)
    return [(0, float(p), "") if p.isascii() and p.isdecimal() else (1, 0.0, p) for p in parts if p]


def _refuse_dates(sessions: list[str], source: Source) -> None:
    """Refuse names of sessions that are dates whose order is not that of their numbers."""
    for name in sessions:
        if DATE.search(name) and not ISO_DATE.match(name):
            source.refuse(
                "the rows of sessions are mixed, and sessions are named by dates such as "
                f"{name!r}, whose order cannot be told; write dates as 2024-02-28, number the "
                "sessions, or sort the rows by session"
            )


def _beginnings(trial: np.ndarray, index: np.ndarray, names: list[tuple[str, str]]) -> np.ndarray:
    """Say where the numbers of each session begin: at its own first one, or at the subject's.

    Where a subject's numbers run on from session to session, each session begins at its own first
    number. Where they begin anew, a session that lacks its first rows has lost those trials.
    """
    rows = pd.Series(trial).groupby(index)
    first, last = rows.min().to_numpy(), rows.max().to_numpy()
    begins = first.copy()
    subject = pd.factorize(np.array([n[0] for n in names], dtype=object))[0]
    for number in range(subject.max() + 1):
        mine = np.flatnonzero(subject == number)
        order = mine[np.argsort(first[mine], kind="stable")]
        runs_on = (first[order][1:] > last[order][:-1]).all()
        if len(mine) > 1 and not runs_on:
            begins[mine] = first[mine].min()
    return np.asarray(begins)


def _positions(
    trial: np.ndarray, index: np.ndarray, names: list[tuple[str, str]], source: Source,
    has_session: bool,
) -> np.ndarray:  # fmt: skip
    twice = pd.MultiIndex.from_arrays([index, trial]).duplicated()
    if twice.any():
        row = int(twice.argmax())
        earlier = int(((index == index[row]) & (trial == trial[row])).argmax())
        subject, session = names[index[row]]
        source.refuse(
            f"trial {int(trial[row])} of subject {subject!r}, session {session!r}, appears twice, "
            f"first in {source.word} {source.rows[earlier]}; "
            + (
                "rows are repeated, or 'session' has one name for several sessions"
                if has_session
                else "is a 'session' column missing?"
            ),
            row=row,
        )
    first = pd.Series(trial).groupby(index).transform("min").to_numpy()
    position = trial - _beginnings(trial, index, names)[index]
    rows = np.bincount(index)[index]
    far = position > SPARSE_FACTOR * rows + SPARSE_ROWS
    if far.any():
        row = int(far.argmax())
        subject, session = names[index[row]]
        source.refuse(
            f"column 'trial' runs from {first[row]:.0f} to {trial[row]:.0f} in session {session!r} "
            f"of subject {subject!r}, which has {rows[row]} rows; expected the number of the trial "
            "within its session",
            row=row,
        )
    return np.asarray(position.astype(int))
