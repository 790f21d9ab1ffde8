"""What is repeated: the choice, or on learning sets the object that was chosen.

On a bandit the choice is the arm. On a learning set two objects change sides from trial to trial,
so that choosing the same side says nothing: what a subject repeats is the object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from neuro_metarl.behavior.rows import Rows
from neuro_metarl.cohort import kind_of_task
from neuro_metarl.errors import InputError

__all__ = ["By", "Repeats", "refuse_objects", "what_is_repeated"]

By = Literal["choice", "object"]


@dataclass(frozen=True)
class Repeats:
    """How to see whether a response repeats the trial before.

    Parameters
    ----------
    by
        ``"choice"`` or ``"object"``.
    source
        What tells the objects: ``"correct"`` or ``"stimulus"``; for choices ``"choice"``.
    """

    by: By
    source: Literal["choice", "correct", "stimulus"]

    def same(self, rows: Rows, now: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Say of each pair of trials whether it repeats, and whether that is known."""
        chose = rows.choice[now] == rows.choice[last]
        if self.source == "choice":
            return chose, np.ones(len(now), bool)
        told = getattr(rows, self.source)
        known = (told[now] >= 0) & (told[last] >= 0)
        alike = told[now] == told[last]
        return (alike if self.source == "correct" else alike == chose), known


def what_is_repeated(
    cohort: xr.Dataset,
    rows: Mapping[str, Rows],
    verb: str,
    by: By | None,
    *,
    across_problems: bool,
) -> Repeats:
    """Decide whether a measure looks at choices or at objects.

    Parameters
    ----------
    cohort
        The cohort.
    rows
        Its subjects' rows.
    verb
        The measure, for messages.
    by
        ``"choice"``, ``"object"``, or None: objects on learning sets (by the name of the task, see
        :func:`neuro_metarl.cohort.kind_of_task`, or because ``stimulus`` changes within a
        problem), choices on the other kinds; a task of unknown kind needs a word.
    across_problems
        Whether history runs on into the next problem, whose objects are others.

    Returns
    -------
    Repeats

    Raises
    ------
    InputError
        Objects are asked for, or needed, and not known; or what the choices are cannot be told.

    Notes
    -----
    Of two objects one is correct throughout a problem, so that two trials chose the same object if
    both were correct or both wrong. Where ``correct`` is not there, ``stimulus`` tells: the object
    that stood at choice 0, as long as a problem has two.

    Examples
    --------
    >>> from neuro_metarl.behavior.rows import read_rows
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 1]], "correct": [[1, 1]]},
    ...                      subject=["a"], task="harlow", source="animal")
    >>> rows = read_rows(cohort, "win_stay")
    >>> repeats = what_is_repeated(cohort, rows, "win_stay", None, across_problems=False)
    >>> same, known = repeats.same(rows["a"], *rows["a"].pairs())
    >>> repeats.by, same.tolist()
    ('object', [True])
    """
    if by not in (None, "choice", "object"):
        raise InputError(f"by is {by!r}, expected 'choice', 'object' or None")
    every = list(rows.values())
    if by is None:
        by = "object" if _is_learning_set(cohort, every, verb) else "choice"
    if by == "choice":
        return Repeats("choice", "choice")
    if across_problems:
        raise InputError(
            f"{verb}: the next problem has other objects; across_problems=True needs by='choice'"
        )
    for one in every:
        if one.choice.max(initial=0) > 1:
            raise InputError(
                f"{verb}: subject {one.subject!r} has choice {one.choice.max()}; objects are known "
                "of choices 0 and 1 only; use by='choice'"
            )
    return Repeats("object", _source(every, verb))


def refuse_objects(cohort: xr.Dataset, rows: Mapping[str, Rows], verb: str, by: By | None) -> None:
    """Refuse a learning set where a measure regresses the choice of an arm.

    Parameters
    ----------
    cohort, rows, verb, by
        See :func:`what_is_repeated`.

    Raises
    ------
    InputError
        A learning set, a task of unknown kind, or objects are asked for.

    Examples
    --------
    >>> refuse_objects(xr.Dataset(attrs={"task": "harlow"}), {}, "bandit_profile", None)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: bandit_profile measures the choice of arms, but on task ...
    """
    if by not in (None, "choice"):
        raise InputError(
            f"{verb}: by is {by!r}, expected 'choice' or None; learning_set_profile and win_stay "
            "measure the choice of objects"
        )
    if by is None and _is_learning_set(cohort, list(rows.values()), verb):
        raise InputError(
            f"{verb} measures the choice of arms, but on task {cohort.attrs.get('task')!r} objects "
            "change sides; use learning_set_profile, or by='choice' to measure the sides"
        )


def _is_learning_set(cohort: xr.Dataset, rows: list[Rows], verb: str) -> bool:
    """Say whether choices are sides of objects; what cannot be told is refused, not guessed."""
    changing = any(_changes(one, one.stimulus, one.stimulus >= 0) for one in rows)
    try:
        kind = kind_of_task(cohort)
    except InputError as error:
        if changing:
            return True
        raise InputError(
            f"{verb}: {error}; or say for this call by='choice' if choices are arms, by='object' "
            "(win_stay and stay_by_reward) if two objects change sides"
        ) from None
    return kind == "learning-set" or (kind == "bandit" and changing)


def _changes(rows: Rows, values: np.ndarray, told: np.ndarray) -> bool:
    """Say whether what is told changes within a problem."""
    values, problem = values[told], rows.problem[told]
    return bool(((problem[1:] == problem[:-1]) & (values[1:] != values[:-1])).any())


def _source(rows: list[Rows], verb: str) -> Literal["correct", "stimulus"]:
    if any((one.correct >= 0).any() for one in rows):
        return "correct"
    varies = False
    for one in rows:
        told = one.stimulus >= 0
        pairs = np.unique(np.stack([one.problem[told], one.stimulus[told]], axis=1), axis=0)
        counts = np.bincount(pairs[:, 0], minlength=1)
        varies |= bool((counts == 2).any())
        if (counts > 2).any():
            raise InputError(
                f"{verb}: subject {one.subject!r} has a problem with {counts.max()} different "
                "'stimulus'; which of two objects was chosen is not known; give 'correct', number "
                "the problems in 'problem', or use by='choice'"
            )
    if not varies:
        raise InputError(
            f"{verb}: on a learning set objects change sides, and the cohort does not say which "
            "was chosen; give 'correct', or 'stimulus' (the object at choice 0), or use by='choice'"
        )
    return "stimulus"
