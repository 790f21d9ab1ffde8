"""A recorder: one subject at its task, whose sessions are made batch by batch.

The door, :mod:`neuro_metarl.recording`, turns whatever plays into recorders. A recorder makes
the same sessions whether it is asked for all of them or taken up in the middle, so that a
recording can be interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError, check_numbers, did_you_mean

__all__ = ["DEFAULT", "PER_STEP", "PER_UNIT", "Recorder", "Stored", "Variables", "sessions_first"]

STEP = ("session", "trial", "event")
PER_STEP = {
    "activity": (*STEP, "unit"),
    "cell": (*STEP, "unit"),
    "gates": (*STEP, "unit", "gate"),
    "policy": (*STEP, "action"),
    "value": STEP,
    "rpe": STEP,
    "inputs": (*STEP, "input"),
}
DEFAULT = ("activity", "cell", "policy", "value", "rpe", "inputs")
PER_UNIT = ("activity", "cell", "gates")
PART_OF = {"activity": "hidden", "cell": "cell"}
"""Which part of a network's core a variable of the cohort is."""

Variables = dict[str, np.ndarray]


@dataclass(frozen=True)
class Recorder:
    """One subject, ready to play.

    Parameters
    ----------
    name
        The subject.
    batches
        Called with a number of sessions and how many of them to leave out at the beginning;
        gives the variables of the others in order, session first, some sessions at a time.
    source
        "agent" or "model".
    attrs
        Of the cohort; must hold ``task`` and ``task_config``.
    coords
        Of events, units, actions, options; None until the first batch is there.
    session_coords
        Coordinates along ``session`` that are the same for each of its sessions.
    identity
        Whatever decides its numbers besides the attributes, such as a digest of the weights.
    """

    name: str
    batches: Callable[[int, int], Iterator[Variables]]
    source: str
    attrs: Mapping[str, Any]
    coords: Mapping[str, Any] = field(default_factory=dict)
    session_coords: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""


@dataclass(frozen=True)
class Stored:
    """Which of the variables at each step are kept, at which events, of which units.

    Parameters
    ----------
    variables
        Of ``PER_STEP``.
    events, units
        None for all.

    Raises
    ------
    InputError
        Unknown or doubled names, or none.

    Examples
    --------
    >>> Stored(("activty",))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: variables: no 'activty' to record; did you mean 'activity'?
    """

    variables: Sequence[str] = DEFAULT
    events: Sequence[str] | None = None
    units: Sequence[int] | None = None

    def __post_init__(self) -> None:
        for name in ("variables", "events"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        if self.units is not None:
            units = (int(u) if isinstance(u, np.integer) else u for u in self.units)
            object.__setattr__(self, "units", tuple(units))
        check_names("variables", self.variables, tuple(PER_STEP), "to record")

    def event_places(self, events: Sequence[str]) -> list[int]:
        """Find the chosen events among a task's.

        Raises
        ------
        InputError
            The task has no such event.
        """
        if self.events is None:
            return list(range(len(events)))
        check_names("events", self.events, events, "in this task")
        return [events.index(name) for name in self.events]

    def unit_places(self, n_units: int) -> list[int]:
        """Check the chosen units.

        Raises
        ------
        InputError
            The networks have no such unit.
        """
        if self.units is None:
            return list(range(n_units))
        if not len(self.units):
            raise InputError(f"units is empty, expected some of 0 to {n_units - 1}")
        check_numbers("units", self.units, n_units, "the networks have units")
        return list(self.units)


def check_names(what: str, names: Sequence[str], known: Sequence[str], where: str) -> None:
    """Refuse an empty list, names that are not there, and names given twice."""
    if not len(names):
        raise InputError(f"{what} is empty, expected some of {', '.join(known)}")
    for name in names:
        if name not in known:
            raise InputError(
                f"{what}: no {name!r} {where}; {did_you_mean(str(name), known)}"
                + ("" if what != "variables" else _always(name))
            )
    if len(set(names)) < len(names):
        raise InputError(f"{what}: {', '.join(names)} names one twice")


def _always(name: str) -> str:
    trial = ("choice", "reward", "valid", "state", "common", "forced", "p_reward", "correct")
    return " (what happens on a trial is always recorded)" if name in trial else ""


def label_sessions(
    recorders: Sequence[Recorder],
    variables: Variables,
    rows: Sequence[tuple[int, int]],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Make a cohort of sessions whose subjects are known.

    Parameters
    ----------
    recorders
        The subjects.
    variables
        Session first.
    rows
        Number of the recorder and of the session within it, for each session.
    attrs
        Of the cohort.

    Returns
    -------
    xarray.Dataset
    """
    who = [recorders[k] for k, _ in rows]
    coords = dict(recorders[0].coords)
    for name in recorders[0].session_coords:
        coords[name] = ("session", np.asarray([r.session_coords[name] for r in who]))
    if options := _options(variables):
        coords["option"] = ("option", np.arange(options, dtype="int8"))
    of_trials = {k: v for k, v in variables.items() if k not in PER_STEP}
    of_trials |= _without_padding(of_trials)
    cohort = make_cohort(
        of_trials,
        subject=[r.name for r in who],
        session_id=[f"{recorders[k].name}/{s}" for k, s in rows],
        task=str(attrs["task"]),
        source=recorders[0].source,
        coords=coords,
        attrs={k: v for k, v in attrs.items() if k != "task"},
    )
    # already of the schema's type: casting would copy what is large
    per_step = {k: (PER_STEP[k], v) for k, v in variables.items() if k in PER_STEP}
    return cohort.assign(per_step)


def shared_attrs(recorders: Sequence[Recorder]) -> dict[str, Any]:
    """Keep the attributes on which all recorders agree."""
    first = dict(recorders[0].attrs)
    kept = {k: v for k, v in first.items() if all(r.attrs.get(k) == v for r in recorders)}
    kept["task_config"] = json.dumps(json.loads(first["task_config"]), sort_keys=True)
    return kept


def made_by() -> str:
    """Name the version of the package."""
    return f"neuro_metarl {version('neuro_metarl')}"


def _without_padding(of_trials: Variables) -> Variables:
    """Make outcomes and odds of trials that do not exist NaN, where the task gives them a value."""
    padding = np.asarray(of_trials.get("invalid_reason", 0)) == 1
    if not padding.any():
        return {}
    names = [n for n in ("reward", "p_reward", "expected_reward") if n in of_trials]
    masks = {n: padding.reshape(padding.shape + (1,) * (of_trials[n].ndim - 2)) for n in names}
    return {n: np.where(mask, np.float32(np.nan), of_trials[n]) for n, mask in masks.items()}


def _options(variables: Variables) -> int:
    tables = [variables[k] for k in ("p_reward", "expected_reward") if k in variables]
    return tables[0].shape[-1] if tables else 0


def sessions_first(value: Tensor) -> np.ndarray:
    """Turn a task's tensor of one agent into an array of the cohort.

    Parameters
    ----------
    value
        Dims (trial, agent, ..., session), one agent.

    Returns
    -------
    numpy.ndarray
        Dims (session, trial, ...); a copy, because the task's tensor may be a view of what will be
        played in again.

    Examples
    --------
    >>> sessions_first(torch.zeros(5, 1, 2, 3)).shape
    (3, 5, 2)
    """
    first = value.squeeze(1).movedim(-1, 0)
    return first.clone(memory_format=torch.contiguous_format).numpy()
