"""The fast implementation of the core ``lstm``: forward in place, gradients by hand.

It computes what :class:`neuro_metarl.agents.cores.lstm.Lstm` defines, one product and a few
operations in place a step; the tests hold states, outputs and gradients equal to the definition.
With

``x[t] = [previous action | observation | previous reward | 1 | h[t-1]]``

one step is ``o, i, f, g = W x[t]``, ``c = f c + i g``, ``h = o tanh(c)``, and the policy's
logits and the value are ``heads [1 | h]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from neuro_metarl.agents.buffers import Buffers, Change, Write
from neuro_metarl.agents.cores.base import Seen
from neuro_metarl.agents.cores.lstm import GATES

__all__ = ["FastLstm"]


class FastLstm:
    """An LSTM in buffers; see :class:`neuro_metarl.agents.buffers.Engine`.

    Parameters
    ----------
    buffers
        Where it reads and writes.
    learns
        Of no consequence: what gradients need is kept always.

    Notes
    -----
    :meth:`backward` overwrites the gates and outputs in ``buffers.rows`` with their gradients.
    """

    traces = False

    def __init__(self, buffers: Buffers, *, learns: bool = True) -> None:
        self.buffers, self.population = buffers, buffers.population
        shape, n_steps = self.population.shape, buffers.n_steps
        n, b, h = self.population.n_agents, buffers.n_episodes, shape.n_units
        self.x, self.gates = buffers.x, buffers.rows
        self.cell, self.tanh_cell = buffers.make(n_steps + 1, h), buffers.make(n_steps, h)
        self._block = min(n_steps, max(1, 24_000 // (n * h * b)))
        self._product = torch.bmm if n > 1 else torch.mm

    @staticmethod
    def lanes(n_episodes: int) -> int:
        """Take any number of episodes."""
        return 1

    # cut into what each step reads and writes when it is first needed, then once and for all

    @cached_property
    def _tanh(self) -> Callable[..., Any]:
        buffers, n_units = self.buffers, self.population.shape.n_units
        small = self.population.n_agents * buffers.n_episodes < 32
        return torch.tanh if small else _WideTanh(buffers.make(1, n_units)[0])

    @cached_property
    def _steps(self) -> tuple[tuple[Tensor, ...], ...]:
        h, i = self.population.shape.n_units, self.population.shape.n_inputs
        gates, cell = self.gates[:-1], self.cell.unbind()
        output, in_gate, forget, candidate = (self.buffers.gate(name).unbind() for name in GATES)
        return tuple(
            zip(
                self._x[:-1],
                gates[..., : 4 * h, :].unbind(),
                gates[..., : 3 * h, :].unbind(),
                output,
                in_gate,
                forget,
                candidate,
                cell[:-1],
                cell[1:],
                self.tanh_cell.unbind(),
                self.x[1:, ..., i + 1 :, :].unbind(),
                self.x[1:, ..., i:, :].unbind(),
                self.buffers.output.unbind(),
                strict=True,
            )
        )

    @cached_property
    def _x(self) -> tuple[Tensor, ...]:
        return self.x.unbind()

    @cached_property
    def _back(self) -> tuple[tuple[Tensor, ...], ...]:
        """List, of each step, the output gate, the forget gate, and all gates but the output."""
        h = self.population.shape.n_units
        rest = self.gates[:-1, ..., h : 4 * h, :].unflatten(-2, (3, h))
        output, forget = (self.buffers.gate(name).unbind() for name in ("output", "forget"))
        return tuple(zip(output, forget, rest.unbind(), strict=True))

    @cached_property
    def _all_rows(self) -> tuple[Tensor, ...]:
        return self.gates.unbind()

    @cached_property
    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Hold, for a block of steps, what does not depend on the recursion."""
        h = self.population.shape.n_units
        to_cell, to_output = (self.buffers.make(self._block, h) for _ in range(2))
        return to_cell, to_output, self.buffers.make(self._block, 3 * h).unflatten(-2, (3, h))

    @cached_property
    def _each_factor(self) -> tuple[tuple[Tensor, ...], ...]:
        return tuple(zip(*(block.unbind() for block in self._factors), strict=True))

    def begin(self) -> None:
        """Set hidden and cell to the learned first state."""
        hidden, cell = (
            self.buffers.one(self.population.tensors[f"initial_{k}"]) for k in ("hidden", "cell")
        )
        self.x[0, ..., -hidden.shape[-1] :, :] = hidden.unsqueeze(-1)
        self.cell[0] = cell.unsqueeze(-1)

    def go_on(self) -> None:
        """Set hidden and cell to those after the last step."""
        self.buffers.hidden[0] = self.buffers.hidden[-1].clone()
        self.cell[0] = self.cell[-1].clone()

    def observe(self, features: Tensor) -> None:
        """Do nothing: features are read from the buffers."""

    def stepper(self) -> Callable[[int, Change | None], None]:
        """Read the weights and make the function that takes a step."""
        recurrent, heads = (
            self.buffers.one(self.population.tensors[k]) for k in ("recurrent", "heads")
        )
        product, tanh, steps, multiply = self._product, self._tanh, self._steps, torch.mul

        def step(t: int, change: Change | None) -> None:
            (
                x, gates, sigmoid, out_gate, in_gate, forget_gate, candidate,
                cell, next_cell, tanh_cell, hidden, with_one, output,
            ) = steps[t]  # fmt: skip
            product(recurrent, x, out=gates)
            sigmoid.sigmoid_()
            tanh(candidate, out=candidate)
            if change:
                opened = (out_gate, in_gate, forget_gate, candidate)
                for name, gate in zip(GATES, opened, strict=True):
                    if name in change:
                        change[name](gate)
            multiply(forget_gate, cell, out=next_cell)
            next_cell.addcmul_(in_gate, candidate)
            if change and "cell" in change:
                change["cell"](next_cell)
            tanh(next_cell, out=tanh_cell)
            multiply(out_gate, tanh_cell, out=hidden)
            if change and "hidden" in change:
                change["hidden"](hidden)
            product(heads, with_one, out=output)

        return step

    def play(self, noise: Tensor, writes: Sequence[Write], n_events: int) -> bool:
        """Leave the choices to the rollout."""
        return False

    def state(self, name: str) -> Tensor:
        """Give the cell state after each step, dims (step, agent, unit, episode)."""
        return self.buffers.four_dims({"cell": self.cell[1:]}[name])

    @torch.no_grad()
    def next_value(self) -> Tensor:
        """Evaluate what is seen after the last step, dims (agent, episode)."""
        shape, population = self.population.shape, self.population
        a, i = shape.n_actions, shape.n_inputs
        weights = {name: self.buffers.one(value) for name, value in population.tensors.items()}
        x = self.x[-1]
        seen = Seen(x[..., :a, :], x[..., a : i - 1, :], x[..., i - 1 : i, :])
        state = {"hidden": x[..., i + 1 :, :], "cell": self.cell[-1]}
        hidden = shape.core.step(weights, seen, state)["hidden"]
        row = weights["heads"][..., -1:, :]
        value = row[..., :1] + row[..., 1:] @ hidden
        return value.view(population.n_agents, -1)

    @torch.no_grad()
    def backward(
        self,
        d_logits: Tensor,
        d_values: Tensor,
        views: Mapping[str, Tensor],
        leaves: Mapping[str, Tensor],
    ) -> None:
        """Propagate gradients back through the episodes just played.

        Notes
        -----
        What does not depend on the recursion is computed for a block of steps at once, small
        enough to stay in cache; the recursion itself is one product and four elementwise
        operations a step.
        """
        shape, n, n_steps = self.population.shape, self.population.n_agents, self.buffers.n_steps
        h = shape.n_units
        heads_at = self.gates[..., 4 * h :, :]
        heads_at[0] = 0
        four = self.buffers.four_dims(heads_at[1:])
        four[:, :, :-1], four[:, :, -1] = d_logits, d_values
        self.gates[-1, ..., : 4 * h, :] = 0
        recurrent, heads = self.population.tensors["recurrent"], self.population.tensors["heads"]
        to_hidden = torch.cat([recurrent[..., -h:], heads[..., 1:]], dim=1).transpose(1, 2)
        to_hidden = to_hidden.contiguous() if n > 1 else to_hidden[0].contiguous()
        n_rows = 4 * h + shape.n_actions + 1
        weights = self.x.new_zeros(n, self.x.shape[-2], n_rows)
        d_cell = torch.zeros_like(self.cell[0])
        d_hidden = torch.empty_like(d_cell)
        for stop in range(n_steps, 0, -self._block):
            start = max(0, stop - self._block)
            d_cell = self._backward_block(start, stop, to_hidden, d_hidden, d_cell)
            self._add_products(weights, start + 1, stop + 1)
        self._add_products(weights, 0, 1)
        self._product(to_hidden, self.gates[0], out=d_hidden)
        views["recurrent"].copy_(weights[..., : 4 * h].transpose(1, 2))
        views["heads"].copy_(weights[:, shape.n_inputs :, 4 * h :].transpose(1, 2))
        views["initial_hidden"].copy_(d_hidden.sum(-1))
        views["initial_cell"].copy_(d_cell.sum(-1))

    def d_features(self) -> Tensor:
        """Give the gradient of the observations, dims (step, episode, row)."""
        shape = self.population.shape
        first, last = shape.observation_rows
        weights = self.population.tensors["recurrent"][0, :, first:last]
        return self.gates[:-1, : 4 * shape.n_units].transpose(1, 2) @ weights

    def _backward_block(
        self, start: int, stop: int, to_hidden: Tensor, d_hidden: Tensor, d_cell: Tensor
    ) -> Tensor:
        """Go back through a block of steps; return the gradient of the cell before it."""
        h, size = self.population.shape.n_units, stop - start
        out, inp, forget, cand = (
            self.gates[start:stop, ..., k * h : (k + 1) * h, :] for k in range(4)
        )
        hidden = self.x[start + 1 : stop + 1, ..., -h:, :]
        to_cell, to_output, to_rest = (factor[:size] for factor in self._factors)
        to_input, to_forget, to_candidate = to_rest.unbind(-3)
        torch.addcmul(out, hidden, self.tanh_cell[start:stop], value=-1, out=to_cell)
        torch.addcmul(hidden, hidden, out, value=-1, out=to_output)
        written, kept = inp * cand, forget * self.cell[start:stop]
        torch.addcmul(written, written, inp, value=-1, out=to_input)
        torch.addcmul(kept, kept, forget, value=-1, out=to_forget)
        torch.addcmul(inp, written, cand, value=-1, out=to_candidate)
        product, before = self._product, torch.empty_like(d_cell)
        wide, wide_before = d_cell.unsqueeze(-3), before.unsqueeze(-3)
        for t in range(stop - 1, start - 1, -1):
            to_cell, to_output, to_rest = self._each_factor[t - start]
            output_gate, forget_gate, rest = self._back[t]
            product(to_hidden, self._all_rows[t + 1], out=d_hidden)
            d_cell.addcmul_(d_hidden, to_cell)
            torch.mul(d_hidden, to_output, out=output_gate)
            torch.mul(d_cell, forget_gate, out=before)
            torch.mul(wide, to_rest, out=rest)
            d_cell, before, wide, wide_before = before, d_cell, wide_before, wide
        return d_cell

    def _add_products(self, weights: Tensor, start: int, stop: int) -> None:
        """Add the products of inputs and gradients over a block of steps."""
        if self.buffers.n_episodes >= 8:
            add = weights.baddbmm_ if weights.shape[0] > 1 else weights[0].addmm_
            for d, x in zip(self._all_rows[start:stop], self._x[start:stop], strict=True):
                add(x, d.transpose(-1, -2))
            return
        d = self.buffers.four_dims(self.gates[start:stop]).permute(1, 0, 3, 2).flatten(1, 2)
        x = self.buffers.four_dims(self.x[start:stop]).permute(1, 2, 0, 3).flatten(2)
        weights.baddbmm_(x, d)


class _WideTanh:
    """tanh(a) = 1 - 2 sigmoid(-2 a): five times faster where only sigmoid is vectorised."""

    def __init__(self, like: Tensor) -> None:
        self.ones = torch.ones_like(like)
        self.minus_two = torch.tensor(-2, dtype=like.dtype)

    def __call__(self, source: Tensor, *, out: Tensor) -> None:
        torch.mul(source, self.minus_two, out=out)
        out.sigmoid_()
        torch.sub(self.ones, out, alpha=2, out=out)
