"""What animals' sessions of any task lend to agents, and how agents take turns on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
import xarray as xr

from neuro_metarl.agents.calibrated import Calibration
from neuro_metarl.agents.learning import draw_noise
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.population import Population
from neuro_metarl.agents.zoo import Agents
from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Episodes, Task

__all__ = [
    "Sessions",
    "batches_of",
    "check_binary",
    "play_episodes",
    "read_odds",
    "take_turns",
    "to_front",
]

MOST_STEPS = 300_000


@dataclass(frozen=True)
class Sessions(ABC):
    """Sessions with their valid trials moved to the front; arrays have dims (session, trial, ...).

    Parameters
    ----------
    there
        Which trials exist.
    choice, reward
        What the animal chose (0 or 1) and whether it was rewarded.
    forced
        Which choices were imposed on it.
    subject
        Dims (session): the animal.
    """

    there: np.ndarray
    choice: np.ndarray
    reward: np.ndarray
    forced: np.ndarray
    subject: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Valid trials of each session."""
        return self.there.sum(axis=1)

    @property
    def longest(self) -> int:
        """Trials of the longest session."""
        return self.there.shape[1]

    @property
    @abstractmethod
    def task_name(self) -> str:
        """Task of the cohort that agents make."""

    @property
    def attrs(self) -> dict[str, Any]:
        """What the cohort says of the task."""
        return {}

    def part(self, rows: np.ndarray) -> Self:
        """Take some sessions, cut to the longest of them.

        Parameters
        ----------
        rows
            Numbers of sessions.

        Returns
        -------
        Sessions
        """
        n_trials = max(1, int(self.lengths[rows].max()))
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        cut = {
            name: value[rows, :n_trials] if value.ndim > 1 else value[rows]
            for name, value in arrays.items()
            if isinstance(value, np.ndarray)
        }
        return replace(self, **cut)

    @abstractmethod
    def task_for(self, agents: Agents, *, allow_mismatch: bool) -> Task:
        """Make the task as agents can play it; refuse agents that cannot.

        Parameters
        ----------
        agents
            Who will play.
        allow_mismatch
            Let agents play that were trained with other transitions.

        Returns
        -------
        Task

        Raises
        ------
        InputError
            Agents of another task.
        """

    @abstractmethod
    def rollout(
        self, population: Population, task: Any, calibration: Calibration | None
    ) -> Rollout:
        """Make the buffers in which these sessions are played.

        Parameters
        ----------
        population
            One agent.
        task
            From :meth:`task_for`.
        calibration
            Of the policy, or None.

        Returns
        -------
        Rollout
        """

    @abstractmethod
    def play(self, rollout: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Let the agent choose, with fresh outcomes.

        Parameters
        ----------
        rollout
            From :meth:`rollout`.
        rng
            Of outcomes and actions.

        Returns
        -------
        dict
            Variables of a cohort, dims (session, trial, ...).
        """

    @abstractmethod
    def force(self, rollout: Any, rng: np.random.Generator) -> None:
        """Force the agent through what the animals did.

        Parameters
        ----------
        rollout
            From :meth:`rollout`.
        rng
            Of actions other than the animals' choices.
        """


def to_front(animals: xr.Dataset) -> tuple[np.ndarray, Callable[[str], np.ndarray]]:
    """Move valid trials to the front of each session.

    Parameters
    ----------
    animals
        Dims session, trial.

    Returns
    -------
    there, moved
        Which trials exist, dims (session, trial), and a function that gives a variable by name so
        moved, 0 where there is no trial.

    Raises
    ------
    InputError
        No trial is valid.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> there, moved = to_front(load_dataset("synthetic-rats"))
    >>> moved("choice").shape == there.shape
    True
    """
    valid = animals["valid"].transpose("session", "trial").values == 1
    longest = int(valid.sum(axis=1).max(initial=0))
    if longest == 0:
        raise InputError("the animals' cohort has no valid trial")
    order = np.argsort(~valid, axis=1, kind="stable")[:, :longest]
    there = np.take_along_axis(valid, order, axis=1)

    def moved(name: str) -> np.ndarray:
        values = animals[name].transpose("session", "trial", ...).values
        more = (...,) + (None,) * (values.ndim - 2)
        found = np.take_along_axis(values, order[more], axis=1)
        return np.where(there[more], found, 0)

    return there, moved


def check_binary(animals: xr.Dataset, names: Sequence[str], task: str) -> None:
    """Refuse valid trials whose values are not 0 or 1: agents have no others.

    Parameters
    ----------
    animals
        Dims session, trial.
    names
        Variables that are looked at.
    task
        What agents play, for the message.

    Raises
    ------
    InputError
        With the first such trial.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> check_binary(load_dataset("synthetic-rats"), ["choice", "reward"], "a two-step task")
    """
    for name in names:
        values = animals[name].transpose("session", "trial").values
        wrong = (animals["valid"].transpose("session", "trial").values == 1) & (
            (values != 0) & (values != 1)
        )
        if wrong.any():
            way = "; say which values count as a reward, and code them 1 and the others 0"
            raise InputError(
                f"{_place(animals, wrong)}: {name} is {values[wrong][0]:g}, but agents play {task} "
                f"with {name}s of 0 and 1" + (way if name == "reward" else "")
            )


def read_odds(animals: xr.Dataset, moved: Callable[[str], np.ndarray]) -> np.ndarray | None:
    """Read what each option pays, and refuse odds that are known on some valid trials only.

    Parameters
    ----------
    animals
        Dims session, trial (, option).
    moved
        From :func:`to_front`.

    Returns
    -------
    numpy.ndarray or None
        Dims (session, trial, option), float; 0 where there is no trial. None where the cohort knows
        no odds of any valid trial.

    Raises
    ------
    InputError
        Other than two options, or with the first valid trial that lacks odds.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> read_odds(rats, to_front(rats)[1]).shape[-1]
    2
    """
    if "p_reward" not in animals:
        return None
    n_options = animals.sizes["option"]
    if n_options != 2:
        raise InputError(f"'p_reward' has {n_options} options, but agents play tasks of two")
    odds = animals["p_reward"].transpose("session", "trial", "option").values
    valid = animals["valid"].transpose("session", "trial").values == 1
    unknown = valid & ~np.isfinite(odds).all(axis=-1)
    if (unknown == valid).all():
        return None
    if unknown.any():
        raise InputError(
            f"{_place(animals, unknown)}: 'p_reward' is missing ({int(unknown.sum())} of "
            f"{int(valid.sum())} valid trials), so that these sessions cannot be copied; fill it "
            "in, mark those trials as invalid (valid=0), or drop 'p_reward' altogether"
        )
    return moved("p_reward").astype(float)


def _place(animals: xr.Dataset, marks: np.ndarray) -> str:
    session, trial = (int(i) for i in np.argwhere(marks)[0])
    names = (str(animals[name].values[session]) for name in ("subject", "session_id"))
    subject, identity = names
    return f"subject {subject!r}, session {identity!r}, trial {trial}"


def play_episodes(rollout: Rollout, episodes: Episodes, rng: np.random.Generator) -> None:
    """Play episodes with actions drawn from a numpy generator.

    Parameters
    ----------
    rollout
        Where they are played.
    episodes
        What is played.
    rng
        Of the actions.

    Examples
    --------
    >>> from neuro_metarl import load_agents, make_task
    >>> import torch
    >>> task = make_task("two-step", n_trials=3)
    >>> rollout = Rollout(load_agents("two-step/0").population, task, 2)
    >>> episodes = task.draw(2, [torch.Generator().manual_seed(0)])
    >>> play_episodes(rollout, episodes, np.random.default_rng(0))
    >>> rollout.actions.shape
    torch.Size([9, 1, 3, 2])
    """
    generators = [torch.Generator().manual_seed(int(rng.integers(2**62)))]
    size = (rollout.n_steps, rollout.task.n_actions, rollout.n_episodes)
    rollout.play(episodes, draw_noise(*size, generators))


def batches_of(lengths: np.ndarray, n_events: int) -> list[np.ndarray]:
    """Cut sessions into batches of like length whose rollouts fit into memory.

    Parameters
    ----------
    lengths
        Dims (session): trials.
    n_events
        Steps of a trial.

    Returns
    -------
    list of numpy.ndarray
        Numbers of sessions, each in one batch.

    Examples
    --------
    >>> [batch.tolist() for batch in batches_of(np.array([90_000, 100, 60_000]), 2)]
    [[1, 2], [0]]
    """
    batches: list[list[int]] = [[]]
    for session in np.argsort(lengths, kind="stable").tolist():
        if batches[-1] and (len(batches[-1]) + 1) * lengths[session] * n_events > MOST_STEPS:
            batches.append([])
        batches[-1].append(session)
    return [np.array(batch) for batch in batches]


def take_turns(agents: Agents, make: Callable[[Population], Rollout]) -> Iterator[Rollout]:
    """Give each agent in turn the same rollout.

    Parameters
    ----------
    agents
        Who plays.
    make
        Makes the rollout for a population of one.

    Yields
    ------
    Rollout
        With the weights of the next agent.

    Examples
    --------
    >>> from neuro_metarl import load_agents, make_task
    >>> agents = load_agents("two-step").select([0, 1])
    >>> rollouts = take_turns(agents, lambda one: Rollout(one, make_task("two-step"), 2))
    >>> len({id(rollout) for rollout in rollouts})
    1
    """
    everyone = agents.population
    one = Population(everyone.shape, everyone.flat[:1].clone())
    rollout = make(one)
    for k in range(len(agents)):
        one.flat.copy_(everyone.flat[k : k + 1])
        yield rollout
