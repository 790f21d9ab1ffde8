"""Kinds of experiment, one file each; which one a cohort is of is asked here and nowhere else."""

from __future__ import annotations

import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.paradigms.bandit import BANDIT
from neuro_metarl.paradigms.foraging import FORAGING
from neuro_metarl.paradigms.learning_set import LEARNING_SET
from neuro_metarl.paradigms.navigation import NAVIGATION
from neuro_metarl.paradigms.paradigm import Control, Paradigm
from neuro_metarl.paradigms.two_step import TWO_STEP, TWO_STEP_HUMAN

__all__ = [
    "BANDIT",
    "FORAGING",
    "LEARNING_SET",
    "NAVIGATION",
    "TWO_STEP",
    "TWO_STEP_HUMAN",
    "Control",
    "Paradigm",
    "known_paradigms",
    "paradigm_for",
    "paradigm_named",
    "paradigm_of",
    "register_paradigm",
]

_KNOWN: dict[str, Paradigm] = {
    p.name: p for p in (TWO_STEP, TWO_STEP_HUMAN, FORAGING, LEARNING_SET, BANDIT, NAVIGATION)
}
_OWN: dict[str, Paradigm] = {}


def known_paradigms() -> list[Paradigm]:
    """List the paradigms: those that were registered, then the package's own.

    Returns
    -------
    list of Paradigm

    Examples
    --------
    >>> [p.name for p in known_paradigms()][-1]
    'navigation'
    """
    return [*_OWN.values(), *_KNOWN.values()]


def paradigm_of(cohort: xr.Dataset) -> Paradigm:
    """Say which kind of experiment a cohort is of.

    Parameters
    ----------
    cohort
        A cohort.

    Returns
    -------
    Paradigm
        One that was registered before the package's own.

    Raises
    ------
    InputError
        No paradigm holds the cohort.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> paradigm_of(load_dataset("synthetic-rats")).name
    'two-step'
    """
    for paradigm in known_paradigms():
        if paradigm.holds(cohort):
            return paradigm
    raise InputError(
        f"task {cohort.attrs.get('task')!r}: no paradigm holds this cohort; there are "
        f"{', '.join([*_OWN, *_KNOWN])}; give your own as paradigm=..., or register it with "
        "register_paradigm"
    )


def paradigm_for(task: str) -> Paradigm | None:
    """Find the paradigm of a task by the beginning of its name.

    Parameters
    ----------
    task
        Such as ``"bandit-baited"``.

    Returns
    -------
    Paradigm or None

    Examples
    --------
    >>> paradigm_for("two-step-miller").name, paradigm_for("a coin")
    ('two-step', None)
    """
    return next((p for p in known_paradigms() if p.forms and task.startswith(p.forms)), None)


def paradigm_named(name: str) -> Paradigm:
    """Find a paradigm by its name.

    Parameters
    ----------
    name
        As in the attribute ``paradigm`` of profiles and assessments.

    Returns
    -------
    Paradigm

    Raises
    ------
    InputError
        There is none of this name.

    Examples
    --------
    >>> paradigm_named("bandit").own_model
    'q_differential_forgetting'
    """
    known = _KNOWN | _OWN
    if name not in known:
        raise InputError(f"no paradigm {name!r}; {did_you_mean(name, known)}")
    return known[name]


def register_paradigm(paradigm: Paradigm) -> None:
    """Make a paradigm of one's own known, for this process.

    Parameters
    ----------
    paradigm
        Asked before those of the package.

    Raises
    ------
    InputError
        Its name is taken.

    Examples
    --------
    >>> coin = Paradigm("a coin", lambda cohort: cohort.attrs["task"] == "coin", TWO_STEP.profile)
    >>> register_paradigm(coin)
    >>> paradigm_named("a coin") is coin
    True
    """
    if paradigm.name in _KNOWN or _OWN.get(paradigm.name, paradigm) is not paradigm:
        raise InputError(f"a paradigm {paradigm.name!r} is known already; give yours another name")
    _OWN[paradigm.name] = paradigm
