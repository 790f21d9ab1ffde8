"""Playing by looking: networks that see pictures, step by step with the world.

:class:`VisualRollout` is the LSTM with gradients by hand; those of its input go on into the
encoder, which autograd differentiates. :class:`GraphRollout` plays the same worlds with a plain
loop that autograd follows: for cores without gradients by hand, and as the reference of the one
that has. Both play one network.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from neuro_metarl.agents.encoder import Encoder
from neuro_metarl.agents.network import Changes, Rollout
from neuro_metarl.agents.population import Population, views_of
from neuro_metarl.tasks.base import VisualTask, World

__all__ = ["GraphRollout", "Played", "Sight", "VisualRollout", "make_rollout"]

FRAMES_AT_ONCE = 2048


class Sight:
    """What one network sees of a world, as features, and the way back into its encoder.

    Parameters
    ----------
    encoder
        Sizes.
    tensors
        Parameters of one network.
    world
        A running batch of episodes.
    learn
        Keep what gradients need.
    """

    def __init__(
        self, encoder: Encoder, tensors: dict[str, Tensor], world: World, *, learn: bool
    ) -> None:
        self.encoder, self.world, self.learn = encoder, world, learn
        self.leaves = {
            name: tensors[name].detach().requires_grad_(learn and name in encoder.learned())
            for name in encoder.tensors()
        }
        self.table: Tensor | None = None
        self.looks: list[Tensor] = []
        if world.bank is not None:
            with torch.set_grad_enabled(learn):
                self.table = encoder.encode_bank(self.leaves, world.bank)
            self._rows = self.table.detach()

    def look(self) -> Tensor:
        """See what each episode shows now, without a graph; dims (episode, feature)."""
        if self.table is not None:
            view = self.world.seen()
            if self.learn:
                self.looks.append(view)
            return self._rows.index_select(0, view)
        frames = self.world.frames()
        if self.learn:
            self.looks.append(frames)
        with torch.no_grad():
            return self.encoder.encode(self.leaves, frames)

    def look_with_graph(self) -> Tensor:
        """See what each episode shows now, for autograd; dims (episode, feature)."""
        if self.table is not None:
            return self.table.index_select(0, self.world.seen())
        with torch.set_grad_enabled(self.learn):
            return self.encoder.encode(self.leaves, self.world.frames())

    def gradients(self, d_features: Tensor) -> dict[str, Tensor]:
        """Carry the gradient of all that was looked at back into the encoder.

        Parameters
        ----------
        d_features
            Dims (step, episode, feature), in the order of the looks.

        Returns
        -------
        dict of torch.Tensor
            By the name of the parameter.
        """
        names = self.encoder.learned()
        leaves = [self.leaves[name] for name in names]
        if self.table is not None:
            d_table = torch.zeros_like(self._rows)
            views = torch.cat(self.looks[: len(d_features)])
            d_table.index_add_(0, views, d_features.flatten(0, 1))
            return dict(zip(names, torch.autograd.grad(self.table, leaves, d_table), strict=True))
        sums = [torch.zeros_like(leaf) for leaf in leaves]
        at_once = max(1, FRAMES_AT_ONCE // d_features.shape[1])
        for start in range(0, len(d_features), at_once):
            d = d_features[start : start + at_once]
            frames = torch.cat(self.looks[start : start + len(d)])
            with torch.enable_grad():
                features = self.encoder.encode(self.leaves, frames)
            for total, part in zip(
                sums, torch.autograd.grad(features, leaves, d.flatten(0, 1)), strict=True
            ):
                total += part
        return dict(zip(names, sums, strict=True))


class Played(Protocol):
    """What learning and recording ask of a network that played."""

    n_steps: int

    @property
    def actions(self) -> Tensor:
        """One-hot, dims (step, agent, action, episode)."""

    @property
    def rewards(self) -> Tensor:
        """Dims (step, agent, episode)."""

    @property
    def logits(self) -> Tensor:
        """Dims (step, agent, action, episode)."""

    @property
    def values(self) -> Tensor:
        """Dims (step, agent, episode)."""

    @property
    def hidden(self) -> Tensor:
        """Dims (step, agent, unit, episode)."""

    @property
    def cells(self) -> Tensor | None:
        """Dims (step, agent, unit, episode), if there are any."""

    def explore(
        self,
        sight: Sight,
        noise: Tensor,
        *,
        resume: bool = False,
        changes: Changes | None = None,
    ) -> None:
        """Play on; ``resume`` goes on where the last steps ended."""

    def next_value(self) -> Tensor:
        """Value after the last step, dims (agent, episode)."""

    def backward(self, d_logits: Tensor, d_values: Tensor) -> Tensor:
        """Gradient of every parameter, dims (agent, parameter)."""


class VisualRollout(Rollout):
    """Buffers of one LSTM that plays a world by looking, with gradients by hand.

    Parameters
    ----------
    population
        One network.
    task
        What is played.
    n_episodes
        Episodes of a batch.
    n_steps
        Steps between two gradients.
    """

    task: VisualTask
    sight: Sight

    def explore(
        self,
        sight: Sight,
        noise: Tensor,
        *,
        resume: bool = False,
        changes: Changes | None = None,
    ) -> None:
        """Play on in a world; the buffers then hold all that happened.

        Parameters
        ----------
        sight
            How the world is seen.
        noise
            Standard Gumbel noise, dims (step, agent, action, episode).
        resume
            Go on where the last steps ended, rather than from the initial state.
        changes
            See :meth:`Rollout.play`.
        """
        first, last = self.population.shape.observation_rows
        with torch.no_grad():
            if resume:
                self.x[0], self.cell[0] = self.x[-1].clone(), self.cell[-1].clone()
            else:
                self.x[0, : self.population.shape.n_inputs] = 0
                self._begin()
            self.sight = sight
            self.x[0, first:last] = sight.look().T

            def react(step: int) -> None:
                later = self._x[step + 1]
                action = later[:first].argmax(0)
                later[:first].zero_().scatter_(0, action.unsqueeze(0), 1.0)
                later[last] = sight.world.step(action)
                later[first:last] = sight.look().T

            nothing: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in range(self.n_steps)]
            self._run(noise.to(self.x.dtype), changes, nothing, react)

    @torch.no_grad()
    def next_value(self) -> Tensor:
        """Evaluate what is seen after the last step.

        Returns
        -------
        torch.Tensor
            Dims (agent, episode).
        """
        h, tensors = self.population.shape.n_units, self.population.agent(0)
        out, inp, forget, candidate = (tensors["recurrent"] @ self.x[-1]).split(h)
        cell = forget.sigmoid() * self.cell[-1] + inp.sigmoid() * candidate.tanh()
        hidden = out.sigmoid() * cell.tanh()
        row = tensors["heads"][-1]
        return (row[0] + row[1:] @ hidden).unsqueeze(0)

    @torch.no_grad()
    def backward(self, d_logits: Tensor, d_values: Tensor) -> Tensor:
        """Propagate gradients back through the steps just played, and into the encoder.

        Parameters
        ----------
        d_logits, d_values
            See :meth:`Rollout.backward`.

        Returns
        -------
        torch.Tensor
            Gradient of every parameter, dims (agent, parameter).
        """
        gradient = super().backward(d_logits, d_values)
        if self.sight.learn:
            shape = self.population.shape
            first, last = shape.observation_rows
            weights = self.population.tensors["recurrent"][0, :, first:last]
            d_features = self.gates[:-1, : 4 * shape.n_units].transpose(1, 2) @ weights
            views = views_of(shape, gradient)
            for name, value in self.sight.gradients(d_features).items():
                views[name][0] = value
        return gradient


class GraphRollout:
    """One network of any core that plays a world by looking, followed by autograd.

    Parameters
    ----------
    population
        One network.
    task
        What is played.
    n_episodes
        Episodes of a batch.
    n_steps
        Steps between two gradients.
    """

    def __init__(
        self, population: Population, task: VisualTask, n_episodes: int, n_steps: int
    ) -> None:
        population.shape.check(task)
        self.population, self.task = population, task
        self.n_episodes, self.n_steps = n_episodes, n_steps
        self._past: tuple[Tensor, ...] = ()

    @property
    def actions(self) -> Tensor:
        """One-hot actions, dims (step, agent, action, episode)."""
        return self._stacked("action")

    @property
    def rewards(self) -> Tensor:
        """Rewards, dims (step, agent, episode)."""
        return self._stacked("reward")

    @property
    def logits(self) -> Tensor:
        """Logits of the policy, dims (step, agent, action, episode)."""
        return self._output.detach()[:, None, :-1]

    @property
    def values(self) -> Tensor:
        """Value estimates, dims (step, agent, episode)."""
        return self._output.detach()[:, None, -1]

    @property
    def hidden(self) -> Tensor:
        """Output of the core's last layer, dims (step, agent, unit, episode)."""
        return self._stacked("hidden")

    @property
    def cells(self) -> Tensor | None:
        """Cell state of the last layer, dims (step, agent, unit, episode), if there is one."""
        return None if self.population.shape.core == "feed-forward" else self._stacked("cell")

    def _stacked(self, name: str) -> Tensor:
        return torch.stack(self._steps[name]).unsqueeze(1)

    def explore(
        self,
        sight: Sight,
        noise: Tensor,
        *,
        resume: bool = False,
        changes: Changes | None = None,
    ) -> None:
        """Play on in a world; see :meth:`VisualRollout.explore`.

        Parameters
        ----------
        sight, noise, resume
            See there.
        changes
            Not taken.
        """
        if changes is not None:
            raise NotImplementedError("changes in flight are for the core 'lstm'")
        shape, b = self.population.shape, self.n_episodes
        core = [n for n in shape.tensors() if not n.startswith("encoder_")]
        weights = self.population.agent(0)
        self._leaves = {
            n: weights[n].detach().requires_grad_(torch.is_grad_enabled()) for n in core
        }
        self._sight = sight
        zero = self.population.flat.new_zeros
        if not resume or not self._past:
            self._past = (zero(shape.n_actions, b), zero(1, b))
            self._state = self._first_state()
        self._steps: dict[str, list[Tensor]] = {
            k: [] for k in ("action", "reward", "hidden", "cell")
        }
        outputs = []
        for gumbel in noise.to(self.population.flat.dtype).squeeze(1):
            output, state = self._core(sight.look_with_graph().T)
            choice = (output.detach()[:-1] + gumbel).argmax(0)
            action = torch.zeros_like(gumbel).scatter_(0, choice.unsqueeze(0), 1.0)
            reward = sight.world.step(choice).to(action.dtype)
            self._past, self._state = (action, reward.unsqueeze(0)), state
            outputs.append(output)
            last = state[-2] if len(state) > 1 else state[-1]
            for name, value in (
                ("action", action), ("reward", reward), ("hidden", last), ("cell", state[-1]),
            ):  # fmt: skip
                self._steps[name].append(value.detach())
        self._output = torch.stack(outputs)
        self._state = tuple(part.detach() for part in self._state)

    def _first_state(self) -> tuple[Tensor, ...]:
        """Hidden and cell of each layer, the last layer's last."""
        shape, b = self.population.shape, self.n_episodes
        if shape.core == "lstm":
            names = ("initial_hidden", "initial_cell")
            return tuple(self._leaves[n].unsqueeze(1).expand(-1, b) for n in names)
        n_parts = 4 if shape.core == "stacked" else 1
        return tuple(self.population.flat.new_zeros(shape.n_units, b) for _ in range(n_parts))

    def _core(self, features: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Take one step; return logits and value, and the new state."""
        action, reward = self._past
        one, leaves, state = torch.ones_like(reward), self._leaves, self._state
        new: tuple[Tensor, ...]
        if self.population.shape.core == "lstm":
            seen = torch.cat([action, features, reward, one, state[0]])
            new = _lstm(leaves["recurrent"], seen, state[1])
        elif self.population.shape.core == "stacked":
            below = _lstm(
                leaves["recurrent"], torch.cat([features, reward, one, state[0]]), state[1]
            )
            seen = torch.cat([below[0], action, features, one, state[2]])
            new = below + _lstm(leaves["recurrent_2"], seen, state[3])
        else:
            new = (torch.tanh(leaves["layer"] @ torch.cat([action, features, reward, one])),)
        top = new[-2] if len(new) > 1 else new[-1]
        return leaves["heads"] @ torch.cat([one, top]), new

    @torch.no_grad()
    def next_value(self) -> Tensor:
        """Evaluate what is seen after the last step.

        Returns
        -------
        torch.Tensor
            Dims (agent, episode).
        """
        return self._core(self._sight.look_with_graph().T)[0][-1:]

    def backward(self, d_logits: Tensor, d_values: Tensor) -> Tensor:
        """Let autograd propagate gradients back through the steps just played.

        Parameters
        ----------
        d_logits, d_values
            Gradients of the loss, dims (step, agent, action, episode) and (step, agent, episode).

        Returns
        -------
        torch.Tensor
            Gradient of every parameter, dims (agent, parameter).
        """
        gradient = torch.zeros_like(self.population.flat)
        views = views_of(self.population.shape, gradient)
        seen = {n: v for n, v in self._sight.leaves.items() if v.requires_grad}
        leaves = self._leaves | seen
        found = torch.autograd.grad(
            self._output,
            list(leaves.values()),
            torch.cat([d_logits[:, 0], d_values[:, :1]], dim=1),
            allow_unused=True,
        )
        for name, value in zip(leaves, found, strict=True):
            if value is not None:
                views[name][0] = value
        return gradient


def _lstm(weights: Tensor, seen: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    out, inp, forget, candidate = (weights @ seen).chunk(4)
    new = forget.sigmoid() * cell + inp.sigmoid() * candidate.tanh()
    return out.sigmoid() * new.tanh(), new


def make_rollout(
    population: Population, task: VisualTask, n_episodes: int, n_steps: int
) -> VisualRollout | GraphRollout:
    """Make the buffers that fit a network's core.

    Parameters
    ----------
    population
        One network.
    task
        What is played.
    n_episodes
        Episodes of a batch.
    n_steps
        Steps between two gradients.

    Returns
    -------
    VisualRollout or GraphRollout

    Examples
    --------
    >>> from neuro_metarl.agents.population import Shape
    >>> from neuro_metarl.tasks import make_task
    >>> task = make_task("navigation")
    >>> shape = Shape(8, task.n_actions, 4, "feed-forward", Encoder("linear", task.image_shape, 8))
    >>> network = Population.initialise(shape, [torch.Generator().manual_seed(0)])
    >>> type(make_rollout(network, task, 2, 10)).__name__
    'GraphRollout'
    """
    kind = VisualRollout if population.shape.core == "lstm" else GraphRollout
    return kind(population, task, n_episodes, n_steps)
