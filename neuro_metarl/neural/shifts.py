"""Labels that could as well have been: shifted in a circle, of another session, or shuffled.

Shifts near 0 leave slow labels nearly as they are and score nearly as high as the labels
themselves: in a single session, where they are a fair share of all shifts, no code would then be
found. They are left out, on either side, so that what remains is no less like the labels that
were observed than any other shift is.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.neural.folds import FewTrialsError

__all__ = ["Null", "nulls"]

Null = Literal["circular_shift", "session_permutation", "shuffle"]
FEWEST_SHIFTS = 19


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
        How many.
    rng
        Random generator.
    least
        Shortest shift; default a tenth of the session.
    label
        Whom a message names.

    Returns
    -------
    list of numpy.ndarray
        Dims (row) each. One session has only so many shifts: each is then there once.

    Raises
    ------
    InputError
        An unknown null, or fewer than 19 different ones, with which p cannot reach .05.

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
    starts = np.flatnonzero(np.append(True, session[1:] != session[:-1]))
    pieces = np.split(np.arange(len(labels)), starts[1:])
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


def _of_others(
    labels: np.ndarray, pieces: list[np.ndarray], n: int, rng: np.random.Generator, label: str
) -> list[np.ndarray]:
    if len(pieces) < 4:
        raise FewTrialsError(
            f"{label} has {len(pieces)} sessions; labels of other sessions need at least 4"
        )
    result = []
    for _ in range(n):
        order = rng.permutation(len(pieces))
        # each session takes the labels of the next in a random circle: never its own
        taken: dict[int, np.ndarray] = {}
        for here, other in zip(order, np.roll(order, -1), strict=True):
            taken[int(here)] = np.resize(pieces[other], len(pieces[here]))
        result.append(labels[np.concatenate([taken[k] for k in range(len(pieces))])])
    return result
