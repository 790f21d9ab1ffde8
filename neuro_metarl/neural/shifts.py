"""Labels that could as well have been: shifted in a circle, of another session, or shuffled.

Shifts near 0 leave slow labels nearly as they are and score nearly as high as the labels
themselves: in a single session, where they are a fair share of all shifts, no code would then be
found. They are left out, on either side, so that what remains is no less like the labels that
were observed than any other shift is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice, permutations
from math import factorial, prod
from typing import Literal

import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.neural.folds import FewTrialsError

__all__ = ["Null", "distinct_orders", "equal_sessions", "nulls"]

Null = Literal["circular_shift", "session_permutation", "shuffle"]
FEWEST_SHIFTS, FEWEST_SESSIONS, MOST_ENUMERATED = 19, 4, 6


def nulls(
    labels: np.ndarray,
    session: np.ndarray,
    null: Null,
    n: int,
    rng: np.random.Generator,
    *,
    least: int | None = None,
    label: str = "the session",
) -> list[np.ndarray]:
    """Draw labels for a null distribution.

    Parameters
    ----------
    labels
        Dims (row), in order of time within sessions.
    session
        Dims (row), sessions one after another.
    null
        ``"circular_shift"``, ``"session_permutation"`` or ``"shuffle"``; see
        :func:`neuro_metarl.decode`.
    n
        How many. Sessions are permuted in every order once, whatever this is, where there are no
        more than 6 of them.
    rng
        Random generator.
    least
        Shortest shift; default a tenth of the session.
    label
        Whom a message names.

    Returns
    -------
    list of numpy.ndarray
        Dims (row) each. One session has only so many shifts: each is then there once. The order
        that was observed is not among all orders of the sessions; it counts as one more draw.

    Raises
    ------
    InputError
        An unknown null; fewer than 19 different shifts or fewer than 4 sessions, with which p
        cannot reach .05; sessions to permute that differ in length.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> some = nulls(np.arange(40), np.zeros(40), "circular_shift", 100, rng)
    >>> len(some), min(int(labels[0]) for labels in some)
    (33, 4)
    """
    if null not in ("circular_shift", "session_permutation", "shuffle"):
        raise InputError(
            f"null is {null!r}, expected 'circular_shift', 'session_permutation' or 'shuffle'"
        )
    pieces = _pieces(session)
    if n == 0:
        return []
    if null == "shuffle":
        return [rng.permutation(labels) for _ in range(n)]
    if null == "session_permutation":
        return _of_others(labels, pieces, n, rng, label)
    return _shifted(labels, pieces, n, rng, least, label)


def _shifted(
    labels: np.ndarray, pieces: list[np.ndarray], n: int, rng: np.random.Generator,
    least: int | None, label: str,
) -> list[np.ndarray]:  # fmt: skip
    if least is not None and least < 1:
        raise InputError(f"least_shift is {least}, expected 1 or more trials")
    lengths = np.array([len(piece) for piece in pieces])
    shortest = np.maximum(1, lengths // 10) if least is None else np.full(len(lengths), least)
    n_shifts = lengths - 2 * shortest + 1
    if (n_shifts < 1).any() or np.log(n_shifts).sum() < np.log(FEWEST_SHIFTS):
        k = int(n_shifts.argmin())
        raise FewTrialsError(
            f"{label}: {lengths[k]} trials in a session allow {max(0, n_shifts[k])} shifts of at "
            f"least {shortest[k]} trials; too short for a null distribution of shifts "
            f"({FEWEST_SHIFTS} are needed in all): use null='session_permutation' or leave the "
            "session out"
        )
    if len(pieces) == 1:
        steps = shortest[0] + rng.permutation(n_shifts[0])[:n]
        return [np.roll(labels, -s) for s in steps]
    result = []
    for _ in range(n):
        steps = shortest + rng.integers(n_shifts)
        source = [np.roll(piece, -s) for piece, s in zip(pieces, steps, strict=True)]
        result.append(labels[np.concatenate(source)])
    return result


def equal_sessions(session: np.ndarray) -> np.ndarray:
    """Tell which rows are left where every session is cut to the length of the shortest.

    Parameters
    ----------
    session
        Dims (row), sessions one after another.

    Returns
    -------
    numpy.ndarray
        bool, dims (row).

    Examples
    --------
    >>> equal_sessions(np.array([0, 0, 0, 1, 1])).tolist()
    [True, True, False, True, True]
    """
    pieces = _pieces(session)
    shortest = min((len(piece) for piece in pieces), default=0)
    return np.concatenate([np.arange(len(piece)) < shortest for piece in pieces])


def distinct_orders(labels: np.ndarray, session: np.ndarray) -> int:
    """Count the orders of the sessions that give different labels, the observed one included.

    Parameters
    ----------
    labels, session
        Dims (row), sessions one after another and of one length.

    Returns
    -------
    int
        ``n!``, divided by the orders of sessions that have the same labels among themselves.

    Examples
    --------
    >>> session = np.repeat(np.arange(4), 2)
    >>> distinct_orders(np.array([0, 1, 1, 0, 0, 1, 1, 1]), session)
    12
    """
    kinds = Counter(labels[piece].tobytes() for piece in _pieces(session))
    return factorial(kinds.total()) // prod(factorial(times) for times in kinds.values())


def _pieces(session: np.ndarray) -> list[np.ndarray]:
    starts = np.flatnonzero(np.append(True, session[1:] != session[:-1]))
    return np.split(np.arange(len(session)), starts[1:])


def _of_others(
    labels: np.ndarray, pieces: list[np.ndarray], n: int, rng: np.random.Generator, label: str
) -> list[np.ndarray]:
    n_sessions, lengths = len(pieces), [len(piece) for piece in pieces]
    if n_sessions < FEWEST_SESSIONS:
        raise FewTrialsError(
            f"{label} has {n_sessions} sessions, which have {factorial(n_sessions)} orders: p "
            f"cannot fall below {1 / factorial(n_sessions):.2g}; null='session_permutation' needs "
            f"at least {FEWEST_SESSIONS} sessions: add sessions, or use null='circular_shift'"
        )
    if len(set(lengths)) > 1:
        raise InputError(
            f"{label}: sessions have {min(lengths)} to {max(lengths)} trials; to permute them they "
            "must be of one length: cut them to the shortest"
        )
    orders: Iterable[Sequence[int]]
    if n_sessions <= MOST_ENUMERATED:
        orders = islice(permutations(range(n_sessions)), 1, None)  # the first is the identity
    else:
        orders = [rng.permutation(n_sessions).tolist() for _ in range(n)]
    return [labels[np.concatenate([pieces[k] for k in order])] for order in orders]
