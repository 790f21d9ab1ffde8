"""What a cohort must be for a model to be fitted to it, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import kind_of_task
from neuro_metarl.errors import InputError
from neuro_metarl.models.model import Model

__all__ = [
    "check_codes",
    "check_cohort",
    "check_needs",
    "check_rewards",
    "check_sessions",
    "has_sessions",
    "recoding",
    "reward_levels",
]

FEW_LEVELS, LEAST_SESSIONS = 6, 2


def check_cohort(cohort: Any) -> xr.Dataset:
    """Refuse what is no cohort.

    Parameters
    ----------
    cohort
        What was given.

    Returns
    -------
    xarray.Dataset
        The same object.

    Raises
    ------
    InputError
        It is a name, a table or anything else.

    Examples
    --------
    >>> check_cohort("synthetic-rats")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: expected a cohort, got the name 'synthetic-rats'; give \
neuro_metarl.load_dataset('synthetic-rats') for a data set, neuro_metarl.read(...) for a file
    """
    if isinstance(cohort, str):
        raise InputError(
            f"expected a cohort, got the name {cohort!r}; give neuro_metarl.load_dataset("
            f"{cohort!r}) for a data set, neuro_metarl.read(...) for a file"
        )
    if not isinstance(cohort, xr.Dataset):
        raise InputError(
            f"expected a cohort (an xarray.Dataset), got {type(cohort).__name__}; "
            "neuro_metarl.from_dataframe makes one of a table"
        )
    return cohort


def check_needs(cohort: xr.Dataset, model: Model) -> None:
    """Refuse a cohort that lacks what a model needs, or whose choices mean something else.

    Parameters
    ----------
    cohort
        The cohort.
    model
        The model.

    Raises
    ------
    InputError
        A variable is missing; the cohort is of learning sets, where a choice is a side and what is
        learned about are objects that change sides; or its kind of task is not known, so that it
        cannot be told which of the two a choice is.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.models import find_model
    >>> check_needs(load_dataset("synthetic-rats"), find_model("hybrid"))
    """
    for name in ("subject", "choice", "reward", "valid", *model.needs):
        if name not in cohort:
            needed = ", ".join(("choice", "reward", *model.needs))
            other = "; models of bandits need choice and reward alone" if "state" in needed else ""
            raise InputError(
                f"model {model.name!r} needs {needed}; the cohort (task "
                f"{cohort.attrs.get('task')!r}) has no {name!r}{other}"
            )
    if "state" not in model.needs:
        _refuse_objects(cohort, model)


def _refuse_objects(cohort: xr.Dataset, model: Model) -> None:
    """Refuse choices of sides where what is learned about are objects, which change sides."""
    task, kind = str(cohort.attrs.get("task", "")), kind_of_task(cohort)
    by_object = (
        f"code choices by object before you fit {model.name!r}: cohort.assign(choice="
        "cohort.correct).drop_vars('stimulus', errors='ignore').assign_attrs(task="
        "'bandit-of-objects'), where 1 is the object that pays, with fixed={'bias': 0.0}"
    )
    if kind == "learning-set" or _changes_within_problems(cohort, "stimulus") > 0:
        raise InputError(
            f"the cohort (task {task!r}) is of learning sets: a choice is a side, but what is "
            "learned about are objects, which change sides; measure it with learning_curve, or "
            + by_object
        )


def _changes_within_problems(cohort: xr.Dataset, name: str) -> float:
    """Share of trials on which what is known (not -1) is not what it was, within a problem."""
    if name not in cohort:
        return 0.0
    valid, values = (cohort[n].transpose("session", "trial").values for n in ("valid", name))
    session, place = np.nonzero((valid == 1) & (values >= 0))
    found = values[session, place]
    same = session[1:] == session[:-1]
    if "problem" in cohort:
        problem = cohort["problem"].transpose("session", "trial").values[session, place]
        same &= problem[1:] == problem[:-1]
    return float((found[1:] != found[:-1])[same].mean()) if same.any() else 0.0


def check_codes(
    subject: str, variable: str, values: np.ndarray, session: np.ndarray, place: np.ndarray
) -> None:
    """Refuse choices and states other than 0 and 1.

    Parameters
    ----------
    subject, variable
        Whose, and which.
    values, session, place
        Dims (row): the values, and session and trial of each.

    Raises
    ------
    InputError
        Naming the first other value.

    Examples
    --------
    >>> check_codes("a", "choice", np.array([0.0, 1]), np.array([0, 0]), np.array([0, 1]))
    """
    wrong = ~np.isin(values, (0, 1))
    if wrong.any():
        k = int(wrong.argmax())
        raise InputError(
            f"subject {subject!r}, session {session[k]}, trial {place[k]}: {variable} is "
            f"{values[k]:g}; models take 0 and 1"
        )


def check_rewards(cohort: xr.Dataset, taker: str, *, binary: bool = True) -> None:
    """Refuse rewards that are missing, or that a model of rewards of 0 and 1 cannot take.

    Parameters
    ----------
    cohort
        The cohort.
    taker
        Who takes rewards of 0 and 1 only, for the message.
    binary
        Rewards must be 0 or 1; else any number will do.

    Raises
    ------
    InputError
        Naming the first other value, the values found, and how to code them where they are two.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> check_rewards(rats.assign(reward=rats.reward + 1), "model 'hybrid'")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: subject 'synthetic-1', session 0, trial 0: reward is 2; \
model 'hybrid' takes 0 and 1; recode the rewards, which are 1 and 2, by \
cohort.assign(reward=(cohort.reward == 2).astype('float32')), or in the command by \
--codes reward:1=0 reward:2=1
    """
    reward = cohort["reward"].transpose("session", "trial").values
    valid = cohort["valid"].transpose("session", "trial").values == 1
    wrong = valid & ~(np.isin(reward, (0, 1)) if binary else np.isfinite(reward))
    if not wrong.any():
        return
    missing = valid & ~np.isfinite(reward)
    session, place = np.argwhere(missing if missing.any() else wrong)[0]
    subject = str(cohort["subject"].values[session])
    where = f"subject {subject!r}, session {session}, trial {place}: "
    if missing.any():
        raise InputError(
            f"{where}reward is {reward[session, place]}; give the outcome of every valid trial, or "
            "mark the trial as invalid"
        )
    found = f"{where}reward is {reward[session, place]:g}; {taker} takes 0 and 1; "
    raise InputError(found + recoding(cohort))


def has_sessions(n_sessions: np.ndarray, model: Model) -> bool:
    """Say whether every subject has the sessions that a model needs.

    Parameters
    ----------
    n_sessions
        Dims (subject): times that memory starts anew.
    model
        The model.

    Returns
    -------
    bool

    Examples
    --------
    >>> from neuro_metarl.models import find_model
    >>> has_sessions(np.array([1, 4]), find_model("session_mixture"))
    False
    """
    return not model.parts or bool((n_sessions >= LEAST_SESSIONS).all())


def check_sessions(subjects: Sequence[str], n_sessions: np.ndarray, model: Model) -> None:
    """Refuse subjects with a single session where a model takes a strategy for each session.

    Parameters
    ----------
    subjects
        Names.
    n_sessions, model
        See :func:`has_sessions`.

    Raises
    ------
    InputError
        Naming the first such subject.

    Examples
    --------
    >>> from neuro_metarl.models import find_model
    >>> check_sessions(["a", "b"], np.array([4, 1]), find_model("hybrid"))
    """
    if has_sessions(n_sessions, model):
        return
    who = subjects[int((n_sessions < LEAST_SESSIONS).argmax())]
    raise InputError(
        f"model {model.name!r} takes one of two strategies for each session; subject {who!r} has "
        "one session, and with one session this cannot be told from taking the better strategy"
    )


def recoding(cohort: xr.Dataset) -> str:
    """Say how rewards other than 0 and 1 may be coded, naming the values found.

    Parameters
    ----------
    cohort
        The cohort.

    Returns
    -------
    str

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> recoding(rats.assign(reward=0 * rats.reward + 2))
    'every reward is 2, so that there is nothing to learn from'
    """
    levels = reward_levels(cohort)
    names = [np.format_float_positional(level, trim="-") for level in levels[:FEW_LEVELS]]
    if len(levels) == 1:
        return f"every reward is {names[0]}, so that there is nothing to learn from"
    if len(levels) == 2:
        low, high = names
        return (
            f"recode the rewards, which are {low} and {high}, by cohort.assign(reward="
            f"(cohort.reward == {high}).astype('float32')), or in the command by --codes "
            f"reward:{low}=0 reward:{high}=1"
        )
    listed = ", ".join(names) + (", ..." if len(levels) > FEW_LEVELS else "")
    return (
        f"recode the rewards, which have {len(levels)} values ({listed}): say which of them count "
        "as a reward, and code those 1 and the others 0; or take a model of rewards of any size "
        "(q_learning, choice_kernel, kalman)"
    )


def reward_levels(cohort: xr.Dataset) -> np.ndarray:
    """List the rewards of the valid trials, each once, in ascending order.

    Parameters
    ----------
    cohort
        The cohort.

    Returns
    -------
    numpy.ndarray

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> reward_levels(load_dataset("synthetic-rats")).tolist()
    [0.0, 1.0]
    """
    reward = cohort["reward"].transpose("session", "trial").values
    valid = cohort["valid"].transpose("session", "trial").values == 1
    return np.unique(reward[valid & np.isfinite(reward)])
