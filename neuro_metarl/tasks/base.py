"""The task protocol: an episode's randomness is drawn first, then playing it is a lookup.

Every task here is *oblivious*: nothing random depends on what the agent does, beyond choosing
among outcomes that can be drawn beforehand. A task therefore draws, for a whole batch of
episodes, tables of *potential outcomes* (what each action would lead to). That makes playing
fast and reproducible, and gives counterfactual rewards for free.

Layout of an agent's input at one step, as rows:
``[previous action, one-hot | observation | previous reward]``.
All tensors carry the dims ``(..., agent, row, episode)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = ["Effect", "Episodes", "Task", "draw_uniform", "n_inputs"]


@dataclass(frozen=True)
class Effect:
    """What the action of one step of every trial writes into a later input.

    Parameters
    ----------
    step
        Step within the trial whose action has the effect.
    delay
        The input of ``delay`` steps later is written.
    row
        First input row written.
    table
        Dims (trial, agent, action, row, episode): what each action would write.
    """

    step: int
    delay: int
    row: int
    table: Tensor


@dataclass(frozen=True)
class Episodes:
    """A drawn batch of episodes.

    Parameters
    ----------
    effects
        What actions lead to.
    variables
        Potential outcomes by name, dims (trial, agent, episode) or
        (trial, agent, alternative, episode).
    imposed
        Dims (step, agent, episode), int64: the action that is imposed at a step, or -1.
        None if nothing is imposed anywhere.
    """

    effects: tuple[Effect, ...]
    variables: dict[str, Tensor]
    imposed: Tensor | None = None


@runtime_checkable
class Task(Protocol):
    """What ``train`` and ``record`` ask of a task."""

    @property
    def name(self) -> str:
        """Name of the family, such as ``"two-step"``."""

    @property
    def n_trials(self) -> int:
        """Trials per episode."""

    @property
    def n_observations(self) -> int:
        """Rows of an observation."""

    @property
    def n_actions(self) -> int:
        """Actions an agent can take at any step."""

    @property
    def events(self) -> tuple[str, ...]:
        """Name of each step of a trial."""

    @property
    def actions(self) -> tuple[str, ...]:
        """Name of each action."""

    @property
    def config(self) -> str:
        """Parameters as JSON."""

    def fixed_observations(self) -> Tensor:
        """Observations that depend on no action, dims (step of the episode, row)."""

    def draw(self, n_episodes: int, generators: Sequence[torch.Generator]) -> Episodes:
        """Draw ``n_episodes`` episodes for each generator's agent."""

    def trials(self, episodes: Episodes, actions: Tensor) -> dict[str, Tensor]:
        """Turn actions, dims (step, agent, episode), into the cohort's trial variables."""


def n_inputs(task: Task) -> int:
    """Count the rows of an agent's input: previous action, observation, previous reward.

    Parameters
    ----------
    task
        A task.

    Returns
    -------
    int

    Examples
    --------
    >>> from neuro_metarl.tasks.two_step import TwoStep
    >>> n_inputs(TwoStep())
    8
    """
    return task.n_actions + task.n_observations + 1


def draw_uniform(n_rows: int, n_episodes: int, generators: Sequence[torch.Generator]) -> Tensor:
    """Draw uniform numbers, each agent's from its own generator.

    Parameters
    ----------
    n_rows, n_episodes
        Numbers wanted per agent.
    generators
        One per agent, so that an agent's episodes do not depend on the other agents.

    Returns
    -------
    torch.Tensor
        float32 in [0, 1), dims (row, agent, episode).

    Examples
    --------
    >>> seeds = [torch.Generator().manual_seed(s) for s in (0, 1)]
    >>> draw_uniform(3, 4, seeds).shape
    torch.Size([3, 2, 4])
    """
    drawn = [torch.rand(n_rows, n_episodes, generator=g, device=g.device) for g in generators]
    return torch.stack(drawn, dim=1)
