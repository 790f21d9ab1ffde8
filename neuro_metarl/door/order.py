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

from neuro_metarl.door.table import Source

__all__ = ["Places", "places_of"]

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
    subject: np.ndarray, session: np.ndarray, trial: np.ndarray | None, source: Source
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
        position = _positions(trial, index, names, source)
    return Places(index, position, [str(n[0]) for n in names], [str(n[1]) for n in names])


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
    trial: np.ndarray, index: np.ndarray, names: list[tuple[str, str]], source: Source
) -> np.ndarray:
    twice = pd.MultiIndex.from_arrays([index, trial]).duplicated()
    if twice.any():
        row = int(twice.argmax())
        subject, session = names[index[row]]
        source.refuse(
            f"trial {int(trial[row])} of subject {subject!r}, session {session!r}, appears twice; "
            "is a 'session' column missing?",
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
