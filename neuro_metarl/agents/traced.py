"""Any core in buffers, differentiated by autograd.

It calls the core's own step, so that a core needs nothing else to be trained, recorded and
perturbed; a core that has a fast implementation is held to this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from neuro_metarl.agents.buffers import Buffers, Change, Write
from neuro_metarl.agents.cores.base import NamePart, Seen

__all__ = ["Traced"]


class Traced:
    """A core in buffers; see :class:`neuro_metarl.agents.buffers.Engine`.

    Parameters
    ----------
    buffers
        Where it reads and writes.
    learns
        Keep what gradients need; without it, :meth:`backward` is not possible.
    """

    traces = True

    @staticmethod
    def lanes(n_episodes: int) -> int:
        """Take any number of episodes."""
        return 1

    def __init__(self, buffers: Buffers, *, learns: bool = False) -> None:
        self.buffers, self.learns = buffers, learns
        shape = buffers.population.shape
        self._gates = {name: buffers.gate(name) for name in shape.core.gates}
        others = [name for name in shape.core.states if name != "hidden"]
        self._states = {name: buffers.make(buffers.n_steps, shape.n_units) for name in others}
        self._state: dict[str, Tensor] | None = None
        self._leaves: dict[str, Tensor] = {}
        self._observed: list[Tensor] = []
        self._outputs: list[Tensor] = []

    def begin(self) -> None:
        """Forget the state; the next step begins with the first one."""
        self._state = None
        self._observed.clear()

    def go_on(self) -> None:
        """Go on from the state after the last step, which is where gradients end."""
        assert self._state is not None
        self._state = {name: value.detach() for name, value in self._state.items()}
        self.buffers.hidden[0] = self.buffers.hidden[-1].clone()
        self._observed.clear()

    def observe(self, features: Tensor) -> None:
        """Take the features of the next step, dims (episode, feature), with their graph."""
        self._observed.append(features)

    def stepper(self) -> Callable[[int, Change | None], None]:
        """Read the weights and make the function that takes a step."""
        buffers, shape = self.buffers, self.buffers.population.shape
        core, names = shape.core, shape.tensors(encoder=False)
        tensors = buffers.population.tensors
        self._leaves = {
            name: buffers.one(tensors[name]).detach().requires_grad_(self.learns) for name in names
        }
        self._outputs = []
        x, hidden, output = buffers.x.unbind(), buffers.hidden, buffers.output
        with torch.set_grad_enabled(self.learns):
            if self._state is None:
                self._state = core.first_state(self._leaves, shape, buffers.n_episodes)
        if "hidden" in self._state:
            hidden[0] = self._state["hidden"].detach()

        def step(t: int, change: Change | None) -> None:
            with torch.set_grad_enabled(self.learns):
                new, values = self._advance(self._see(t, x[t]), self._part(t, change))
            hidden[t + 1] = new["hidden"].detach()
            output[t] = values.detach()
            for name, kept in self._states.items():
                kept[t] = new[name].detach()
            self._state = {name: new[name] for name in core.states}
            if self.learns:
                self._outputs.append(values)

        return step

    def _see(self, t: int, x: Tensor) -> Seen:
        shape = self.buffers.population.shape
        a, i = shape.n_actions, shape.n_inputs
        rows = x[..., :i, :].clone()
        observation = self._observed[t].T if self._observed else rows[..., a : i - 1, :]
        return Seen(rows[..., :a, :], observation, rows[..., i - 1 :, :])

    def _advance(self, seen: Seen, part: NamePart) -> tuple[dict[str, Tensor], Tensor]:
        """Take one step; return all that it gave, and logits and value."""
        assert self._state is not None
        new = self.buffers.population.shape.core.step(self._leaves, seen, self._state, part)
        with_one = torch.cat([torch.ones_like(seen.reward), new["hidden"]], dim=-2)
        return new, self._leaves["heads"] @ with_one

    def _part(self, t: int, change: Change | None) -> NamePart:
        gates = self._gates

        def part(name: str, value: Tensor) -> Tensor:
            if change and name in change:
                value = value.clone()
                change[name](value)
            if name in gates:
                gates[name][t] = value.detach()
            return value

        return part

    def play(self, noise: Tensor, writes: Sequence[Write], n_events: int) -> bool:
        """Leave the choices to the rollout."""
        return False

    def state(self, name: str) -> Tensor:
        """Give a state other than hidden after each step, dims (step, agent, unit, episode)."""
        return self.buffers.four_dims(self._states[name])

    @torch.no_grad()
    def next_value(self) -> Tensor:
        """Evaluate what is seen after the last step, dims (agent, episode)."""
        n_steps = self.buffers.n_steps
        _, values = self._advance(
            self._see(n_steps, self.buffers.x[n_steps]), lambda name, value: value
        )
        return values[..., -1, :].view(self.buffers.population.n_agents, -1)

    def backward(
        self,
        d_logits: Tensor,
        d_values: Tensor,
        views: Mapping[str, Tensor],
        leaves: Mapping[str, Tensor],
    ) -> None:
        """Let autograd propagate gradients back through the steps just played."""
        if not self._outputs:
            raise RuntimeError("nothing was traced: make the rollout with learns=True")
        d_output = torch.cat([d_logits, d_values.unsqueeze(2)], dim=2)
        output = torch.stack(self._outputs)
        traced = self._leaves | dict(leaves)
        found = torch.autograd.grad(
            output, list(traced.values()), d_output.view_as(output), allow_unused=True
        )
        self._outputs = []
        for name, value in zip(traced, found, strict=True):
            if value is not None:
                views[name].copy_(value if value.ndim == views[name].ndim else value.unsqueeze(0))

    def d_features(self) -> None:
        """Give nothing: autograd followed the features themselves."""
