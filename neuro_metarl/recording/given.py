"""What subjects were given, event by event: the inputs on which a network is driven again.

A network's input at an event is its last action (one-hot), the observation and its last reward. A
cohort that was recorded from networks holds them (``inputs``). Of other subjects, models and
animals, they are rebuilt from choices, second-step states and rewards.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.agents.zoo import Agents
from neuro_metarl.cohort import kind_of_task
from neuro_metarl.errors import InputError
from neuro_metarl.recording.agents import input_names
from neuro_metarl.tasks.bandits import Bandit, RestlessBandit
from neuro_metarl.tasks.base import Task
from neuro_metarl.tasks.two_step import TwoStep

__all__ = ["Given", "given_to"]

TRIAL = ("session", "trial")
RECORD = "record such subjects with nm.record, which keeps what they were given ('inputs')"


@dataclass(frozen=True)
class Given:
    """The inputs of sessions, trials without inputs left out.

    Parameters
    ----------
    inputs
        float32, dims (session, trial, event, row); a session's trials come first, zeros follow.
    there
        bool, dims (session, trial): the trials of the cohort that have inputs; the k-th of a
        session is the k-th of ``inputs``.
    how
        Where the inputs are from, and what was assumed.
    """

    inputs: np.ndarray
    there: np.ndarray
    how: str


def given_to(agents: Agents, cohort: xr.Dataset, *, seed: int = 0) -> Given:
    """Say what each session's subject was given, as these networks take it.

    Parameters
    ----------
    agents
        Networks that will be driven.
    cohort
        Dims session, trial, with ``inputs`` or what they are rebuilt from.
    seed
        Of actions that the cohort does not know.

    Returns
    -------
    Given

    Raises
    ------
    InputError
        Inputs of another shape, or a cohort that lacks what they are made of.

    Examples
    --------
    >>> from neuro_metarl import load_agents, load_dataset
    >>> given = given_to(load_agents("two-step/0"), load_dataset("synthetic-rats"))
    >>> given.inputs.shape[2:]
    (3, 8)
    """
    task = agents.task
    if not isinstance(task, Task):
        raise InputError(
            f"agents of {task.name!r} see pictures, which a cohort does not keep; replay networks "
            "that see numbers"
        )
    if "inputs" in cohort:
        return _recorded(agents, task, cohort)
    if isinstance(task, TwoStep):
        return _two_step(task, cohort, np.random.default_rng([seed, 2]))
    if isinstance(task, Bandit | RestlessBandit):
        return _bandit(cohort)
    raise InputError(
        f"what was seen in {task.name!r} cannot be rebuilt from choices and rewards; {RECORD}"
    )


def _recorded(agents: Agents, task: Task, cohort: xr.Dataset) -> Given:
    """Take the inputs that were recorded, of every trial that was played."""
    names = input_names(task.actions, agents.population.shape)
    events = list(map(str, cohort["event"].values))
    if cohort["input"].values.tolist() != names or set(events) != set(task.events):
        mine = f"{len(names)} at {', '.join(task.events)}"
        raise InputError(
            f"inputs: the cohort has {cohort.sizes['input']} at {', '.join(events)}, agents of "
            f"{task.name!r} take {mine}; replay agents of the cohort's own task, recorded at all "
            "of its events"
        )
    whole = cohort["inputs"].sel(event=list(task.events)).transpose(*TRIAL, "event", "input")
    there = np.isfinite(whole.values).all(axis=(2, 3))
    ended = there[:, 1:] & ~there[:, :-1]
    if ended.any():
        session, trial = (int(i) for i in np.argwhere(ended)[0])
        raise InputError(
            f"inputs: missing at session {session} before trial {trial + 1}; a network needs those "
            "of every trial from the first on"
        )
    return Given(_front(whole.values, there), there, "inputs as recorded, every trial")


def _two_step(task: TwoStep, cohort: xr.Dataset, rng: np.random.Generator) -> Given:
    """Rebuild: fixation is kept, the choice leads to the state, any action ends the second step."""
    if kind_of_task(cohort) != "two-step":
        raise InputError(
            f"task {cohort.attrs['task']!r} is no two-step task with one choice, which agents of "
            f"{task.name!r} play; replay agents of the cohort's own task"
        )
    _needs(cohort, "state", "common")
    there, choice, _, common, reward = _columns(cohort, "choice", "state", "common", "reward")
    state = np.where(common == 1, choice, 1 - choice) ^ int(task.incongruent)
    n_events = len(task.events)
    action = np.full((*there.shape, n_events), task.n_actions - 1)
    action[..., n_events - 2] = choice
    action[..., n_events - 1] = rng.integers(task.n_actions, size=there.shape)
    paid = np.zeros(action.shape, np.float32)
    paid[..., -1] = reward
    seen = np.zeros((*there.shape, n_events, task.n_observations), np.float32)
    for event in range(n_events - 1):
        seen[..., event, event] = 1
    np.put_along_axis(seen[..., n_events - 1, :], n_events - 1 + state[..., None], 1, axis=-1)
    how = (
        "inputs rebuilt from choice, transition and reward of valid trials, invalid ones left out; "
        "actions at other steps are not known: fixation kept, any action at the second step, drawn"
    )
    return Given(_rows(action, seen, paid, task.n_actions, there), there, how)


def _bandit(cohort: xr.Dataset) -> Given:
    """Rebuild: the arm that was chosen, what it paid, and how far the session has come."""
    if kind_of_task(cohort) != "bandit":
        raise InputError(
            f"task {cohort.attrs['task']!r} is no bandit; replay agents of the cohort's own task"
        )
    there, choice, reward = _columns(cohort, "choice", "reward")
    if cohort.attrs["source"] == "animal":
        n_trials = int(there.sum(axis=1).max(initial=1))
    else:
        config: dict[str, Any] = json.loads(cohort.attrs.get("task_config", "{}"))
        n_trials = int(config["n_trials"] if "n_trials" in config else there.shape[1])
    clock = (np.arange(there.shape[1], dtype=np.float32) / np.float32(n_trials))[:, None, None]
    seen = np.broadcast_to(clock, (*there.shape, 1, 1))
    paid = reward[..., None].astype(np.float32)
    how = "inputs rebuilt from choice and reward of valid trials, invalid ones left out"
    return Given(_rows(choice[..., None], seen, paid, 2, there), there, how)


def _needs(cohort: xr.Dataset, *names: str) -> None:
    for name in names:
        if name not in cohort:
            known = ", ".join(map(str, cohort.data_vars))
            raise InputError(f"the cohort has no {name!r}, which inputs are made of, only {known}")


def _columns(cohort: xr.Dataset, *names: str) -> list[np.ndarray]:
    """Give which trials are valid, and variables of these moved to the front, 0 behind them."""
    valid = cohort["valid"].transpose(*TRIAL).values == 1
    columns = [valid]
    for name in names:
        values = cohort[name].transpose(*TRIAL).values
        wrong = valid & ~np.isin(values, (0, 1))
        if wrong.any():
            session, trial = (int(i) for i in np.argwhere(wrong)[0])
            raise InputError(
                f"{name}: {values[session, trial]:g} at session {session}, trial {trial} (counted "
                f"from 0), but agents are given {name}s of 0 and 1"
                + ("; say which values count as a reward" if name == "reward" else "")
            )
        columns.append(_front(np.where(valid, values, 0)[..., None], valid)[..., 0].astype(int))
    return columns


def _front(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Move what is there to the front of each session, zeros behind it."""
    front = np.arange(there.shape[1]) < there.sum(axis=1, keepdims=True)
    moved = np.zeros_like(values)
    moved[front] = values[there]
    return moved


def _rows(
    action: np.ndarray, seen: np.ndarray, paid: np.ndarray, n_actions: int, there: np.ndarray
) -> np.ndarray:
    """Lay out what a network sees: action and reward of the step before, and the observation."""
    size = (len(action), -1)
    one_hot = np.eye(n_actions, dtype=np.float32)[action].reshape(*size, n_actions)
    flat = np.asarray(seen, np.float32).reshape(*size, seen.shape[-1])
    rows = np.zeros((*flat.shape[:2], n_actions + flat.shape[2] + 1), np.float32)
    rows[:, 1:, :n_actions] = one_hot[:, :-1]
    rows[:, :, n_actions:-1] = flat
    rows[:, 1:, -1] = paid.reshape(size)[:, :-1]
    whole = rows.reshape(*action.shape, -1)
    front = np.arange(there.shape[1]) < there.sum(axis=1, keepdims=True)
    return np.where(front[..., None, None], whole, np.float32(0))
