"""Which trials each unit has: the rows of one subject at one event, by what was recorded together.

A unit that is NaN on all trials of a session was not recorded in it. Units of a subject that were
recorded in the same sessions form a group: regressors are coded on those sessions, so that the
numbers of a unit are those of its own recording, whatever it was joined with. Units of a group that
have a number on the same trials of an event form a block: they share trials and design, and so they
are fitted together. Many units are taken in parts, so that no more than 64 MB are in hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.recordings import names_of, span
from neuro_metarl.neural.regressors import Rows
from neuro_metarl.stats import permute_sessions, shift_rows

__all__ = [
    "NULLS",
    "Block",
    "Group",
    "UnfitError",
    "blocks_of",
    "check_design",
    "check_null",
    "event_indices",
    "groups_of",
    "null_orders",
]

NULLS = ("circular_shift", "session_permutation")
LEAST_DF, COLLINEAR = 10, 1e-10
FEWEST_SESSIONS, FEWEST_SHIFTS = 6, 100
ACTIVITY = ("session", "trial", "event", "unit")
MOST_BYTES = 64e6


class UnfitError(InputError):
    """Some units cannot be fitted at an event; others may do."""


@dataclass(frozen=True)
class Group:
    """Units of one subject that were recorded in the same sessions.

    Parameters
    ----------
    session, unit
        Positions in the cohort.
    only
        Whether the subject has no other units.
    """

    session: np.ndarray
    unit: np.ndarray
    only: bool = True


@dataclass(frozen=True)
class Block:
    """Units of one subject that were recorded together, at one event.

    Parameters
    ----------
    unit
        Positions along ``unit``.
    design
        Dims (row, column).
    activity
        Dims (row, unit).
    session
        Dims (row): whole numbers from 0, in order.
    place
        Where this is, for messages: "subject 'a' at event 'x'".
    """

    unit: np.ndarray
    design: np.ndarray
    activity: np.ndarray
    session: np.ndarray
    place: str

    def first(self, n: int) -> Block:
        """Keep the first ``n`` rows of every session.

        Parameters
        ----------
        n
            Rows.

        Returns
        -------
        Block
        """
        start = np.r_[0, np.flatnonzero(np.diff(self.session)) + 1]
        length = np.diff(np.r_[start, len(self.session)])
        kept = np.arange(len(self.session)) - np.repeat(start, length) < n
        rows = self.design[kept], self.activity[kept], self.session[kept]
        return Block(self.unit, *rows, self.place)


def event_indices(cohort: xr.Dataset, events: str | Sequence[str] | None) -> dict[str, int]:
    """Find the events that are asked for, in a cohort that has activity.

    Parameters
    ----------
    cohort
        Cohort with ``activity``.
    events
        Names; None for all.

    Returns
    -------
    dict
        Name to position along ``event``.

    Raises
    ------
    InputError
        No activity, other dims than session, trial, event, unit, or an unknown event.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> event_indices(record("two-step/0", n_sessions=1), ["second_step"])
    {'second_step': 2}
    """
    if "activity" not in cohort:
        raise InputError(
            "the cohort has no 'activity' (session, trial, event, unit); record with activity=True"
        )
    activity = cohort["activity"]
    if set(activity.dims) != set(ACTIVITY):
        raise InputError(
            f"activity has dims ({', '.join(map(str, activity.dims))}), "
            f"expected ({', '.join(ACTIVITY)})"
        )
    if 0 in activity.shape:
        raise InputError(f"activity is empty: {dict(activity.sizes)}")
    names = [str(name) for name in activity["event"].values.tolist()]
    wanted = names if events is None else [events] if isinstance(events, str) else list(events)
    if not wanted:
        raise InputError(f"no events asked for; there are: {', '.join(names)}")
    for name in wanted:
        if str(name) not in names:
            raise InputError(f"no event {str(name)!r}; {did_you_mean(str(name), names)}")
    return {str(name): names.index(str(name)) for name in wanted}


def groups_of(recorded: np.ndarray, sessions: np.ndarray) -> list[Group]:
    """Group the units of a subject by the sessions that they were recorded in.

    Parameters
    ----------
    recorded
        bool, dims (session, unit), of the whole cohort.
    sessions
        Positions of the subject's sessions.

    Returns
    -------
    list of Group
        Units that were recorded in none of the sessions are in no group.

    Examples
    --------
    >>> recorded = np.array([[True, False, True], [True, True, True]])
    >>> [(g.session.tolist(), g.unit.tolist()) for g in groups_of(recorded, np.arange(2))]
    [([1], [1]), ([0, 1], [0, 2])]
    """
    patterns, member = np.unique(recorded[sessions], axis=1, return_inverse=True)
    known = [k for k in range(patterns.shape[1]) if patterns[:, k].any()]
    return [
        Group(sessions[patterns[:, k]], np.flatnonzero(member.ravel() == k), len(known) == 1)
        for k in known
    ]


def blocks_of(
    activity: xr.DataArray, design: np.ndarray, rows: Rows, group: Group, event: int, place: str
) -> Iterator[Block]:
    """Give the units of a group at an event, by the trials on which they have a number.

    Parameters
    ----------
    activity
        Dims session, trial, event, unit.
    design
        Dims (row, column); rows with a NaN are left out.
    rows
        The valid trials of the group's sessions; ``session`` counts within the group.
    group
        Sessions and units.
    event
        Position.
    place
        For messages.

    Yields
    ------
    Block
        Units without a number on any row are in no block.

    Raises
    ------
    InputError
        Infinite activity, or no row.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> from neuro_metarl.neural.regressors import rows_of
    >>> cohort = record("two-step/0", n_sessions=2)
    >>> rows, group = rows_of(cohort), Group(np.arange(2), np.arange(48))
    >>> x = np.zeros((len(rows.session), 1))
    >>> [b.activity.shape for b in blocks_of(cohort.activity, x, rows, group, 1, "subject '0'")]
    [(200, 48)]
    """
    used = np.flatnonzero(np.isfinite(design).all(axis=1))
    if not len(used):
        named = place if group.only else f"{place}, units {names_of(activity, group.unit)}"
        raise UnfitError(f"{named}: no trial on which every regressor is defined")
    session, trial = rows.session[used], rows.trial[used]
    at_event = activity.isel(event=event).transpose("session", "trial", "unit")
    width = max(1, int(MOST_BYTES / (8 * len(used))))
    for start in range(0, len(group.unit), width):
        unit = group.unit[start : start + width]
        nearby = at_event.isel(session=span(group.session), unit=span(unit)).values
        values = nearby[session, trial].astype(float)
        _refuse_infinite(activity, values, group, rows, used, unit, place)
        present = ~np.isnan(values)
        patterns, member = np.ones((len(used), 1), bool), np.zeros(len(unit), int)
        if not present.all():
            patterns, member = np.ones((len(used), 1), bool), np.zeros(len(unit), int)
        if not present.all():
            patterns, member = np.unique(present, axis=1, return_inverse=True)
        for k in range(patterns.shape[1]):
            kept = patterns[:, k]
            if not kept.any():
                continue
            mine = np.flatnonzero(member.ravel() == k)
            number = np.unique(session[kept], return_inverse=True)[1]
            whole = group.only and len(mine) == len(group.unit)
            here = place if whole else f"{place}, units {names_of(activity, unit[mine])}"
            yield Block(unit[mine], design[used[kept]], values[np.ix_(kept, mine)], number, here)


def check_design(block: Block, columns: Sequence[str], n_intercepts: int) -> None:
    """Refuse a design that cannot be fitted, and say which column is at fault.

    Parameters
    ----------
    block
        Rows.
    columns
        Names of the design's columns.
    n_intercepts
        1, or the number of sessions: then each session's mean is taken out first.

    Raises
    ------
    InputError
        Too few trials, or a column that does not vary or follows from others.

    Examples
    --------
    >>> x = np.array([[0.5, -0.5], [-0.5, 0.5]] * 20)
    >>> block = Block(np.arange(1), x, np.zeros((40, 1)), np.zeros(40, int), "subject 'a'")
    >>> check_design(block, ["choice", "state"], 1)
    Traceback (most recent call last):
    neuro_metarl.neural.blocks.UnfitError: subject 'a': regressor 'state' follows from choice; ...
    """
    n, needed = len(block.design), n_intercepts + len(columns) + LEAST_DF
    if n < needed:
        raise UnfitError(
            f"{block.place}: {n} trials are too few for {len(columns)} regressors and "
            f"{n_intercepts} intercept{'s' * (n_intercepts > 1)}; at least {needed} are needed"
        )
    group = block.session if n_intercepts > 1 else np.zeros(n, int)
    size = np.bincount(group)
    spread = np.empty_like(block.design)
    for k in range(len(columns)):
        column = block.design[:, k]
        spread[:, k] = column - (np.bincount(group, column) / size)[group]
    length = np.sqrt((spread**2).sum(axis=0))
    still = length <= 1e-7 * np.sqrt((block.design**2).sum(axis=0)).clip(1e-300)
    if still.any():
        within = " within any session" if n_intercepts > 1 else ""
        named = columns[int(np.flatnonzero(still)[0])]
        raise UnfitError(
            f"{block.place}: regressor {named!r} does not vary{within} ({n} trials); leave it out"
        )
    _refuse_collinear(spread / length, columns, block.place)


def check_null(block: Block, null: str) -> None:
    """Refuse a null for which a block has too few sessions or trials.

    Parameters
    ----------
    block
        Rows.
    null
        ``"circular_shift"`` or ``"session_permutation"``.

    Raises
    ------
    InputError
        Fewer than 6 sessions to permute, sessions so uneven that half of the trials would be lost,
        or fewer than 100 rotations.

    Examples
    --------
    >>> rows = np.zeros((5, 1)), np.zeros((5, 1)), np.arange(5)
    >>> check_null(Block(np.arange(1), *rows, "subject 'a'"), "session_permutation")
    Traceback (most recent call last):
    neuro_metarl.neural.blocks.UnfitError: subject 'a': 5 sessions are too few to permute them; ...
    """
    length = np.bincount(block.session)
    if null == "circular_shift":
        if np.log(length).sum() < np.log(FEWEST_SHIFTS):
            raise UnfitError(
                f"{block.place}: {len(block.session)} trials have too few rotations for "
                f"null='circular_shift'; at least {FEWEST_SHIFTS} are needed"
            )
        return
    if len(length) < FEWEST_SESSIONS:
        raise UnfitError(
            f"{block.place}: {len(length)} sessions are too few to permute them; at least "
            f"{FEWEST_SESSIONS} are needed, or null='circular_shift'"
        )
    if length.min() * len(length) < len(block.session) / 2:
        raise UnfitError(
            f"{block.place}: sessions have {length.min()} to {length.max()} trials; cut to the "
            "shortest, less than half would be left: leave short sessions out, or use "
            "null='circular_shift'"
        )


def null_orders(
    block: Block, null: str, n_permutations: int, seed: int
) -> tuple[Block, Iterator[np.ndarray]]:
    """Draw orders of a block's rows that break which trial meets which, and nothing else.

    Parameters
    ----------
    block
        Rows.
    null
        ``"circular_shift"`` or ``"session_permutation"``; see :mod:`neuro_metarl.stats`.
    n_permutations, seed
        Of the null. One seed gives the same orders for all units that share their trials.

    Returns
    -------
    block, orders
        The block that the orders are for (for session permutation, sessions cut to the shortest),
        and an iterator over orders, dims (row).

    Examples
    --------
    >>> rows = np.zeros((6, 1)), np.zeros((6, 1)), np.arange(6)
    >>> _, orders = null_orders(Block(np.arange(1), *rows, ""), "session_permutation", 2, seed=0)
    >>> [sorted(order.tolist()) for order in orders]
    [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]
    """
    rng = np.random.default_rng(seed)
    if null == "circular_shift":
        return block, (shift_rows(block.session, rng) for _ in range(n_permutations))
    even = block.first(int(np.bincount(block.session).min()))
    return even, (permute_sessions(even.session, rng) for _ in range(n_permutations))


def _refuse_collinear(unit_columns: np.ndarray, columns: Sequence[str], place: str) -> None:
    for k in range(1, len(columns)):
        before, column = unit_columns[:, :k], unit_columns[:, k]
        weights = np.linalg.lstsq(before, column, rcond=None)[0]
        left = column - before @ weights
        if left @ left <= COLLINEAR:
            others = [columns[j] for j in range(k) if abs(weights[j]) > 1e-6]
            raise UnfitError(
                f"{place}: regressor {columns[k]!r} follows from {' and '.join(others)}; "
                "leave one of them out"
            )


def _refuse_infinite(
    activity: xr.DataArray, values: np.ndarray, group: Group, rows: Rows, used: np.ndarray,
    unit: np.ndarray, place: str,
) -> None:  # fmt: skip
    bad = np.isinf(values)
    if not bad.any():
        return
    row, column = (int(i) for i in np.argwhere(bad)[0])
    session, trial = group.session[rows.session[used[row]]], rows.trial[used[row]]
    raise InputError(
        f"{place}: activity of unit {names_of(activity, unit[[column]])} is {values[row, column]} "
        f"at session {session}, trial {trial} (counted from 0), a trial that counts "
        f"({int(bad.sum())} such values); expected numbers, or NaN where there is none"
    )
