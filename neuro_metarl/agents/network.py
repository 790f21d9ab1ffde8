"""The recurrent actor-critic: networks of any core play a task, and gradients go back through time.

A :class:`Rollout` plays batches of episodes with all networks of a
:class:`~neuro_metarl.agents.population.Population` at once. It chooses actions and looks up what
they lead to; how the core is computed is left to an engine: the fast one of its core, or the one
that calls the core's own step and lets autograd differentiate it. Which there are, says
:mod:`neuro_metarl.agents.engines`.

References
----------
Wang et al. 2016, arXiv:1611.05763.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from neuro_metarl.agents.buffers import Buffers, Change, Changes, Engine, Write
from neuro_metarl.agents.engines import FAST
from neuro_metarl.agents.population import Population, views_of
from neuro_metarl.agents.traced import Traced
from neuro_metarl.tasks.base import Episodes, Task, VisualTask

__all__ = ["FAST", "Change", "Changes", "Rollout"]


class Rollout:
    """Buffers to play batches of episodes with a population, and to learn from them.

    Parameters
    ----------
    population
        The networks; their weights are read at every :meth:`play`.
    task
        What is played; it must fit the networks.
    n_episodes
        Episodes per network in a batch.
    n_steps
        Steps of the buffers; default: those of the task's episode.
    learns
        Keep what :meth:`backward` needs.
    engine
        How the core is computed; default: by its fast implementation, where it has one.

    Notes
    -----
    See :class:`~neuro_metarl.agents.buffers.Buffers` for the layout of ``x``.
    """

    def __init__(
        self,
        population: Population,
        task: Task | VisualTask,
        n_episodes: int,
        n_steps: int | None = None,
        *,
        learns: bool = False,
        engine: type[Engine] | None = None,
    ) -> None:
        population.shape.check(task)
        self.population, self.task, self.n_episodes = population, task, n_episodes
        shape = population.shape
        self.n_steps = n_steps or task.n_trials * len(task.events)
        kind = engine or FAST.get(shape.core, Traced)
        self.buffers = Buffers(population, n_episodes, self.n_steps, kind.lanes(n_episodes))
        self.engine = kind(self.buffers, learns=learns)
        self.x = self.buffers.x
        self._perturbed = self.buffers.make(1, shape.n_actions)[0]
        self._best = self.buffers.make(1, 1)[0]
        if not isinstance(task, VisualTask):
            observation = task.fixed_observations().to(self.x)
            rows = self.x[:-1, ..., shape.n_actions : shape.n_inputs - 1, :]
            several = population.n_agents > 1
            rows += observation.reshape(len(observation), *[1] * several, -1, 1)

    @cached_property
    def _x(self) -> tuple[Tensor, ...]:
        return self.x.unbind()

    @cached_property
    def _steps(self) -> tuple[tuple[Tensor, ...], ...]:
        """Cut the buffers into what single steps read and write."""
        a, output = self.population.shape.n_actions, self.buffers.output
        return tuple(
            zip(
                self._x[:-1],
                output.unbind(),
                output[..., :a, :].unbind(),
                self.x[1:, ..., :a, :].unbind(),
                self.x[1:, ..., :a, :].unsqueeze(-2).unbind(),
                strict=True,
            )
        )

    @property
    def actions(self) -> Tensor:
        """One-hot actions of the last batch, dims (step, agent, action, episode)."""
        return self._four_dims(self.x[1:, ..., : self.population.shape.n_actions, :])

    @property
    def rewards(self) -> Tensor:
        """Rewards of the last batch, dims (step, agent, episode)."""
        return self._four_dims(self.x[1:])[:, :, self.population.shape.n_inputs - 1]

    @property
    def seen(self) -> Tensor:
        """What the networks were given at each step, dims (step, agent, row, episode)."""
        return self._four_dims(self.x[:-1, ..., : self.population.shape.n_inputs, :])

    @property
    def hidden(self) -> Tensor:
        """Hidden state after each step, dims (step, agent, unit, episode)."""
        return self._four_dims(self.buffers.hidden[1:])

    @property
    def logits(self) -> Tensor:
        """Logits of the policy, dims (step, agent, action, episode); lost by ``backward``."""
        return self._four_dims(self.buffers.output)[:, :, :-1]

    @property
    def values(self) -> Tensor:
        """Value estimates, dims (step, agent, episode); lost by ``backward``."""
        return self._four_dims(self.buffers.output)[:, :, -1]

    @property
    def gates(self) -> Tensor:
        """Gates at each step, dims (step, agent, gate, unit, episode); lost by ``backward``."""
        gates = self.buffers.gates
        return gates if gates.ndim == 5 else gates.unsqueeze(1)

    def part(self, name: str) -> Tensor:
        """Read a state or a gate of the core at each step; gates are lost by ``backward``.

        Parameters
        ----------
        name
            Of the core's states and gates.

        Returns
        -------
        torch.Tensor
            Dims (step, agent, unit, episode).
        """
        if name == "hidden":
            return self.hidden
        if name in self.population.shape.core.gates:
            return self._four_dims(self.buffers.gate(name))
        return self.engine.state(name)

    def _four_dims(self, buffer: Tensor) -> Tensor:
        return self.buffers.four_dims(buffer)

    @torch.no_grad()
    def play(self, episodes: Episodes, noise: Tensor, changes: Changes | None = None) -> None:
        """Play one batch of episodes; the buffers then hold all that happened.

        Parameters
        ----------
        episodes
            What the task drew.
        noise
            Standard Gumbel noise, dims (step, agent, action, episode): the action is the largest
            of logit + noise, which samples from the softmax. Zeros give the greedy policy.
        changes
            Called with each step; what it returns changes the network in flight, see ``Changes``.
        """
        noise = self._impose(noise.to(self.x.dtype), episodes.imposed)
        self._roll(episodes, noise, changes)
        apart = torch.arange(noise.shape[2], dtype=noise.dtype).view(1, 1, -1, 1) * 1e-3
        while (ties := self.actions.sum(2, keepdim=True) > 1).any():
            noise = noise + ties * apart
            self._roll(episodes, noise, changes)

    def _impose(self, noise: Tensor, imposed: Tensor | None) -> Tensor:
        if imposed is None:
            return noise
        impossible = torch.full_like(noise, -torch.inf)
        impossible.scatter_(2, imposed.clamp(min=0).unsqueeze(2), 0.0)
        return torch.where(imposed.unsqueeze(2) >= 0, impossible, noise)

    def _roll(self, episodes: Episodes, noise: Tensor, changes: Changes | None) -> None:
        self._begin()
        if episodes.observed is not None:
            first, last = self.population.shape.observation_rows
            self._four_dims(self.x)[:-1, :, first:last] = episodes.observed
        self._run(noise, changes, self._plan(episodes, noise), self._reaction(episodes))

    def _reaction(self, episodes: Episodes) -> Callable[[int], object] | None:
        """Begin what pays the rewards of a task that reacts; anew each time a batch is rolled."""
        if episodes.begin is None:
            return None
        pay, actions, rewards = episodes.begin(), self.actions, self.rewards

        def react(step: int) -> None:
            rewards[step] = pay(step, actions[step])

        return react

    def _begin(self) -> None:
        """Set the networks to their first state."""
        self.engine.begin()

    def _run(
        self,
        noise: Tensor,
        changes: Changes | None,
        writes: Sequence[Write],
        react: Callable[[int], object] | None,
    ) -> None:
        """Take every step; an action's effects are looked up, or the world reacts to it."""
        together = changes is None and react is None
        if together and self.engine.play(noise, writes, len(self.task.events)):
            return
        if self.population.n_agents == 1:
            noise = noise.squeeze(1)
        perturbed, best, advance = self._perturbed, self._best, self.engine.stepper()
        add, largest, equal = torch.add, torch.amax, torch.eq
        for t, ((x, output, logits, action, wide), gumbel, effects) in enumerate(
            zip(self._steps, noise.unbind(), self._by_step(writes), strict=True)
        ):
            change = changes(t) if changes else None
            if change and "seen" in change:
                change["seen"](x)
            advance(t, change)
            if change and "heads" in change:
                change["heads"](output)
            add(logits, gumbel, out=perturbed)
            largest(perturbed, dim=-2, keepdim=True, out=best)
            equal(perturbed, best, out=action)
            for table, chosen, target in effects:
                torch.mul(wide, table, out=chosen)
                torch.sum(chosen, dim=-3, out=target)
            if react:
                react(t)

    def _plan(self, episodes: Episodes, noise: Tensor) -> list[Write]:
        """List what actions write: the potential outcomes, into later inputs."""
        x = self._four_dims(self.x)
        return [Write(e.step, e.delay, e.row, e.table, x) for e in episodes.effects]

    def _by_step(self, writes: Sequence[Write]) -> list[list[tuple[Tensor, Tensor, Tensor]]]:
        """List, for each step, what each action would write, room for it, and where it goes."""
        several = self.population.n_agents > 1
        found: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in range(self.n_steps)]
        for write in writes:
            whole = write.table.to(self.x.dtype)
            table = (whole if several else whole.squeeze(1)).unbind()
            chosen = torch.empty_like(table[0])
            rows = write.target[:, :, write.row : write.row + write.table.shape[3]]
            target = (rows if several else rows.squeeze(1)).unbind()
            steps = range(write.step, self.n_steps, len(self.task.events))
            for step, outcomes in zip(steps, table, strict=True):
                if step + write.delay < len(target):
                    found[step].append((outcomes, chosen, target[step + write.delay]))
        return found

    def backward(self, d_logits: Tensor, d_values: Tensor) -> Tensor:
        """Propagate gradients back through the episodes just played.

        Parameters
        ----------
        d_logits
            Gradient of the loss with respect to the logits, dims (step, agent, action, episode).
        d_values
            The same for the values, dims (step, agent, episode).

        Returns
        -------
        torch.Tensor
            Gradient of every parameter, dims (agent, parameter), as ``population.flat``.
        """
        gradient = torch.zeros_like(self.population.flat)
        views = views_of(self.population.shape, gradient)
        self.engine.backward(d_logits, d_values, views, {})
        return gradient
