"""The task protocol: an episode's randomness is drawn first, then playing it is a lookup.

Nothing random depends on what the agent does. Most tasks are *oblivious*, too: an action chooses
among outcomes that can be drawn beforehand. Such a task draws, for a whole batch of episodes,
tables of *potential outcomes* (what each action would lead to). That makes playing fast and
reproducible, and gives counterfactual rewards for free. A task that *reacts* draws all that is
random beforehand as well, but what an action leads to depends on the actions before it (a reward
that waits until it is fetched): its episodes have a :data:`Reaction` beside their tables.

Layout of an agent's input at one step, as rows:
``[previous action, one-hot | observation | previous reward]``.
All tensors carry the dims ``(..., agent, row, episode)``.

Tasks that are played by *looking* are the exception: what is seen depends on what was done. A
:class:`VisualTask` starts a :class:`World`, a running batch of episodes, and each action steps it.
Where all that an episode can show is known beforehand, the world has a :class:`Bank` of pictures,
so that the encoder sees each picture once per update instead of once per step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from neuro_metarl.errors import InputError

__all__ = [
    "Bank",
    "Effect",
    "Episodes",
    "Reaction",
    "Task",
    "VisualTask",
    "World",
    "check_memory",
    "draw_uniform",
    "n_inputs",
]


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


Reaction = Callable[[int, Tensor], Tensor]
"""The step, and the actions, one-hot, dims (agent, action, episode), to the rewards, dims (agent,
episode). It is called once for each step, in order, and remembers what was done before."""


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
    observed
        Dims (step, agent, row, episode): observations that are drawn with the episode and depend
        on no action. None if there are none.
    begin
        Begins to play the episodes from their first step: makes a fresh :data:`Reaction`, which
        pays the rewards. It must be random in nothing, because a batch may be played twice. None
        where the effects pay.
    reached
        Dims (step, agent, episode), bool: the steps that an episode has, where episodes are of
        different lengths. Nothing is learned from the others, and none may pay. None: all.
    """

    effects: tuple[Effect, ...]
    variables: dict[str, Tensor]
    imposed: Tensor | None = None
    observed: Tensor | None = None
    begin: Callable[[], Reaction] | None = None
    reached: Tensor | None = None


@dataclass(frozen=True)
class Bank:
    """The pictures that a batch of episodes can show.

    Parameters
    ----------
    fields
        float32, dims (field, channel, height, column), values about 0.
    width
        Columns of one view.
    offsets
        First column of each view within a field; multiples of the encoder's first stride, if the
        field is to be convolved once for all its views.

    Examples
    --------
    >>> bank = Bank(torch.arange(24.0).view(1, 1, 4, 6), width=2, offsets=(0, 4))
    >>> bank.n_views, bank.views()[1, 0, 0].tolist()
    (2, [4.0, 5.0])
    """

    fields: Tensor
    width: int
    offsets: tuple[int, ...] = (0,)

    @property
    def n_views(self) -> int:
        """Views in all: number ``field * len(offsets) + k`` begins at the k-th offset."""
        return len(self.fields) * len(self.offsets)

    def views(self) -> Tensor:
        """Cut all views out of the fields.

        Returns
        -------
        torch.Tensor
            Dims (view, channel, height, column).
        """
        cuts = [self.fields[..., k : k + self.width] for k in self.offsets]
        return torch.stack(cuts, dim=1).flatten(0, 1)


class Form(Protocol):
    """What every task says of itself."""

    @property
    def name(self) -> str:
        """Name of the family, such as ``"two-step"``."""

    @property
    def n_trials(self) -> int:
        """Trials of an episode; at most, where the agent's pace decides."""

    @property
    def n_actions(self) -> int:
        """Actions an agent can take at any step."""

    @property
    def events(self) -> tuple[str, ...]:
        """Name of each step of a trial; of those at which activity is kept, where pace decides."""

    @property
    def actions(self) -> tuple[str, ...]:
        """Name of each action."""

    @property
    def config(self) -> str:
        """Parameters as JSON."""


@runtime_checkable
class Task(Form, Protocol):
    """What ``train`` and ``record`` ask of a task."""

    @property
    def n_observations(self) -> int:
        """Rows of an observation."""

    def fixed_observations(self) -> Tensor:
        """Observations that depend on no action, dims (step of the episode, row)."""

    def draw(self, n_episodes: int, generators: Sequence[torch.Generator]) -> Episodes:
        """Draw ``n_episodes`` episodes for each generator's agent."""

    def trials(self, episodes: Episodes, actions: Tensor) -> dict[str, Tensor]:
        """Turn actions, dims (step, agent, episode), into the cohort's trial variables."""


class World(Protocol):
    """A running batch of episodes of one agent."""

    bank: Bank | None

    def seen(self) -> Tensor:
        """Say which view each episode sees now, int64, dims (episode)."""

    def frames(self) -> Tensor:
        """Render what each episode sees now, dims (episode, channel, height, column)."""

    def step(self, action: Tensor) -> Tensor:
        """Take one action, int64, dims (episode), and return the rewards, dims (episode)."""

    def trials(self) -> dict[str, Tensor]:
        """Give the cohort's trial variables of finished episodes, dims (trial, 1, episode)."""

    def event_steps(self) -> Tensor:
        """Give the step of each event, int64, dims (trial, event, episode); -1: not reached."""

    def score(self) -> float:
        """Share of correct choices so far, from the second trial on: what a curriculum asks."""


@runtime_checkable
class VisualTask(Form, Protocol):
    """What ``train`` and ``record`` ask of a task that is seen in pictures."""

    @property
    def n_steps(self) -> int:
        """Actions of an episode."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a view."""

    def start(
        self, n_episodes: int, generator: torch.Generator, *, held_out: bool = False
    ) -> World:
        """Begin episodes on the generator's device; held out: with pictures kept from training."""

    def easier(self) -> VisualTask | None:
        """Give the first stage of a curriculum, or None."""


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


def check_memory(n_bytes: float, what: str) -> None:
    """Refuse, before anything is allocated, what cannot fit into this machine.

    Parameters
    ----------
    n_bytes
        What is about to be allocated.
    what
        What it is for, for the message.

    Raises
    ------
    InputError
        It is more than the machine's memory, where that is known.

    Examples
    --------
    >>> check_memory(1e18, "100 episodes of 1e15 steps")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: 100 episodes of 1e15 steps need 1000000000 GB of memory, ...
    """
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    if not set(names) <= set(getattr(os, "sysconf_names", ())):
        return
    whole = float(os.sysconf(names[0])) * os.sysconf(names[1])
    if n_bytes > whole > 0:
        raise InputError(
            f"{what} need {n_bytes / 1e9:.0f} GB of memory, more than the {whole / 1e9:.0f} GB of "
            "this machine; take fewer or smaller ones"
        )


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
    n_bytes = 16.0 * n_rows * n_episodes * len(generators)
    check_memory(n_bytes, f"{n_episodes} episodes with {n_rows} random numbers each")
    drawn = [
        torch.rand(n_rows, n_episodes, generator=g, dtype=torch.float32, device=g.device)
        for g in generators
    ]
    return torch.stack(drawn, dim=1)
