"""The memory in which networks play: inputs, gates and outputs of every step, allocated once.

Everything is *feature-major*: rows are features, columns are episodes, so that each gate is one
contiguous block and every step writes into memory that was allocated before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from neuro_metarl.agents.population import Population
from neuro_metarl.tasks.base import check_memory

__all__ = ["Buffers", "Change", "Changes", "Engine", "Write"]

# what to change at a step: a function per place, which edits its tensor, dims (row, episode) after
# those of several agents, where it stands: "seen" (the input as the network will see it), any of
# the core's parts, "heads" (the logits, then the value)
Change = Mapping[str, Callable[[Tensor], object]]
Changes = Callable[[int], Change | None]


@dataclass(frozen=True)
class Write:
    """What the action of one step of every trial writes into a buffer at a later time.

    Parameters
    ----------
    step
        Step within the trial.
    delay
        It is written at the time ``delay`` after the step, if the buffer has it.
    row
        First row written.
    table
        Dims (trial, agent, action, row, episode): what each action would write.
    target
        The buffer, dims (time, agent, row, episode).
    """

    step: int
    delay: int
    row: int
    table: Tensor
    target: Tensor


class Buffers:
    """Inputs, gates, hidden state and outputs of a batch of episodes.

    Parameters
    ----------
    population
        The networks.
    n_episodes
        Episodes per network.
    n_steps
        Steps.
    lanes
        Memory has a multiple of so many episodes; those that are not played are zero at first.

    Notes
    -----
    Dims (time, agent, row, episode), the agent's dim dropped where there is one network: ``x`` has
    the rows ``[previous action | observation | previous reward | 1 | hidden before the step]``;
    ``rows`` has the core's gates and, below them, the heads' output *after the step before*, so
    that one product with ``x`` gives the gradients of all weights of an LSTM.
    """

    def __init__(
        self, population: Population, n_episodes: int, n_steps: int, lanes: int = 1
    ) -> None:
        shape = population.shape
        self.population, self.n_episodes, self.n_steps = population, n_episodes, n_steps
        self.n_lanes = -(-n_episodes // lanes) * lanes
        n, h = population.n_agents, shape.n_units
        self.first_output = len(shape.core.gates) * h
        n_columns = shape.n_inputs + 1 + h
        n_rows = self.first_output + shape.n_actions + 1
        n_numbers = float(n_steps * n * self.n_lanes) * (n_columns + n_rows + 2 * h)
        check_memory(4 * n_numbers, f"{n * n_episodes} episodes of {n_steps} steps")
        self.x = self.make(n_steps + 1, n_columns)
        self.rows = self.make(n_steps + 1, n_rows)
        self.x[..., shape.n_inputs, :] = 1

    def make(self, n_steps: int, n_rows: int) -> Tensor:
        """Allocate zeros, dims (step, agent, row, episode), without the agent where it is one."""
        n = self.population.n_agents
        agents = (n,) if n > 1 else ()
        made = self.population.flat.new_zeros(n_steps, *agents, n_rows, self.n_lanes)
        return made[..., : self.n_episodes]

    def one(self, tensor: Tensor) -> Tensor:
        """Drop the agent's dim, which comes first, where there is one network."""
        return tensor[0] if self.population.n_agents == 1 else tensor

    def four_dims(self, buffer: Tensor) -> Tensor:
        """Give the agent's dim back."""
        return buffer if buffer.ndim == 4 else buffer.unsqueeze(1)

    @property
    def hidden(self) -> Tensor:
        """Hidden state before each step and after the last, dims as ``x``."""
        return self.x[..., self.population.shape.n_inputs + 1 :, :]

    @property
    def output(self) -> Tensor:
        """Logits and, as the last row, the value after each step, dims as ``rows``."""
        return self.rows[1:, ..., self.first_output :, :]

    @property
    def gates(self) -> Tensor:
        """All gates at each step, dims (step, agent, gate, unit, episode), agent as in ``rows``."""
        n_gates = max(1, len(self.population.shape.core.gates))
        return self.rows[:-1, ..., : self.first_output, :].unflatten(-2, (n_gates, -1))

    def gate(self, name: str) -> Tensor:
        """One gate at each step, dims as ``rows``."""
        return self.gates[..., self.population.shape.core.gates.index(name), :, :]


class Engine(Protocol):
    """How a core is computed in buffers: forward step by step, and backward.

    A :class:`~neuro_metarl.agents.network.Rollout` has one. It reads ``x`` of a step, and writes
    the hidden state into ``x`` of the next, the gates and the heads' output into ``rows``.
    """

    def __init__(self, buffers: Buffers, *, learns: bool) -> None: ...

    traces: bool
    """Whether it takes features with autograd's graph, by :meth:`observe`."""

    @staticmethod
    def lanes(n_episodes: int) -> int:
        """Say of what the episodes in memory must be a multiple, to play so many."""

    def begin(self) -> None:
        """Set the state to that before the first step."""

    def go_on(self) -> None:
        """Set the state to that after the last step."""

    def observe(self, features: Tensor) -> None:
        """Take the features of the next step, dims (episode, feature)."""

    def stepper(self) -> Callable[[int, Change | None], None]:
        """Read the weights and make the function that takes a step."""

    def play(self, noise: Tensor, writes: Sequence[Write], n_events: int) -> bool:
        """Take all steps with their actions and what these write; False: it takes single steps.

        Noise has the dims (step, agent, action, episode); a trial has ``n_events`` steps.
        """

    def state(self, name: str) -> Tensor:
        """Give a state other than hidden after each step, dims (step, agent, unit, episode)."""

    def next_value(self) -> Tensor:
        """Evaluate what is seen after the last step, dims (agent, episode)."""

    def backward(
        self,
        d_logits: Tensor,
        d_values: Tensor,
        views: Mapping[str, Tensor],
        leaves: Mapping[str, Tensor],
    ) -> None:
        """Write the gradient of each weight, and of ``leaves`` that were traced, into ``views``."""

    def d_features(self) -> Tensor | None:
        """Give the gradient of the observations after :meth:`backward`, dims (step, episode, row).

        None where it was traced into the leaves already. Of one network.
        """
