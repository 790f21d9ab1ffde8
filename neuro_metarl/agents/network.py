"""The recurrent actor-critic: an LSTM with visible gates, played and differentiated by hand.

A :class:`Rollout` holds the buffers for playing a batch of episodes with all networks of a
:class:`~neuro_metarl.agents.population.Population` at once and for propagating gradients back
through time.

Everything is *feature-major*: rows are features, columns are episodes, so that each gate is one
contiguous block and every step writes into memory that was allocated once. With

``x[t] = [previous action | observation | previous reward | 1 | h[t-1]]``

one step is ``o, i, f, g = W x[t]``, ``c = f c + i g``, ``h = o tanh(c)``, and the policy's
logits and the value are ``heads [1 | h]``.

References
----------
Wang et al. 2016, arXiv:1611.05763; Hochreiter & Schmidhuber 1997,
doi:10.1162/neco.1997.9.8.1735.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from neuro_metarl.agents.population import Population, views_of
from neuro_metarl.tasks.base import Episodes, Task, VisualTask, check_memory

__all__ = ["Change", "Changes", "Rollout"]

# what to change at a step: a function per place, which edits its tensor, dims (row, episode) after
# those of several agents, where it stands: "input" (as the network will see it), "gates" (rows in
# the order of GATES, after their nonlinearities), "cell" (the new one), "hidden", "output" (the
# logits, then the value)
Change = Mapping[str, Callable[[Tensor], object]]
Changes = Callable[[int], Change | None]


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

    Notes
    -----
    Buffers, dims (time, agent, row, episode), the agent's dim dropped where there is one:
    ``x`` the inputs; ``gates`` the four gates and, in the rows below, the heads' output *after*
    the step before, so that one product with ``x`` gives the gradients of all weights;
    ``cell`` and ``tanh_cell``. :meth:`backward` overwrites ``gates`` with their gradients.
    """

    def __init__(
        self,
        population: Population,
        task: Task | VisualTask,
        n_episodes: int,
        n_steps: int | None = None,
    ) -> None:
        population.shape.check(task)
        self.population, self.task, self.n_episodes = population, task, n_episodes
        shape = population.shape
        n, b, h = population.n_agents, n_episodes, shape.n_units
        self.n_steps = n_steps or task.n_trials * len(task.events)
        n_rows = shape.n_inputs + 1 + h
        n_numbers = float(self.n_steps * n * b) * (n_rows + 6 * h + shape.n_actions + 1)
        check_memory(4 * n_numbers, f"{n * b} episodes of {self.n_steps} steps")

        def buffer(*dims: int) -> Tensor:
            return population.flat.new_zeros(dims if n > 1 else (dims[0], *dims[2:]))

        self.x = buffer(self.n_steps + 1, n, n_rows, b)
        self.gates = buffer(self.n_steps + 1, n, 4 * h + shape.n_actions + 1, b)
        self.cell = buffer(self.n_steps + 1, n, h, b)
        self.tanh_cell = buffer(self.n_steps, n, h, b)
        self._perturbed = buffer(1, n, shape.n_actions, b)[0]
        self._best = buffer(1, n, 1, b)[0]
        self._tanh = torch.tanh if n * b < 32 else _WideTanh(buffer(1, n, h, b)[0])
        self._block = min(self.n_steps, max(1, 24_000 // (n * h * b)))
        self._to_cell, self._to_output = (buffer(self._block, n, h, b) for _ in range(2))
        self._to_rest = buffer(self._block, n, 3 * h, b).unflatten(-2, (3, h))
        self._factors = tuple(
            zip(
                *(block.unbind() for block in (self._to_cell, self._to_output, self._to_rest)),
                strict=True,
            )
        )
        self._product = torch.bmm if n > 1 else torch.mm
        self.x[..., shape.n_inputs, :] = 1
        if not isinstance(task, VisualTask):
            observation = task.fixed_observations().to(self.x)
            rows = self.x[:-1, ..., shape.n_actions : shape.n_inputs - 1, :]
            rows += observation.reshape(len(observation), *[1] * (n > 1), -1, 1)
        self._targets: dict[tuple[int, int], tuple[Tensor, ...]] = {}
        self._views()

    def _views(self) -> None:
        """Cut the buffers into the views that each step reads and writes, once and for all."""
        shape = self.population.shape
        h, a, i = shape.n_units, shape.n_actions, shape.n_inputs
        gates, later, cell = self.gates[:-1], self.gates[1:], self.cell.unbind()
        self._x, self._all_rows = self.x.unbind(), self.gates.unbind()
        self._output, in_gate, self._forget, candidate = (
            gates[..., k * h : (k + 1) * h, :].unbind() for k in range(4)
        )
        self._rest = gates[..., h : 4 * h, :].unflatten(-2, (3, h)).unbind()
        self._steps = tuple(
            zip(
                self._x[:-1],
                gates[..., : 4 * h, :].unbind(),
                gates[..., : 3 * h, :].unbind(),
                self._output,
                in_gate,
                self._forget,
                candidate,
                cell[:-1],
                cell[1:],
                self.tanh_cell.unbind(),
                self.x[1:, ..., i + 1 :, :].unbind(),
                self.x[1:, ..., i:, :].unbind(),
                later[..., 4 * h :, :].unbind(),
                later[..., 4 * h : 4 * h + a, :].unbind(),
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
    def hidden(self) -> Tensor:
        """Hidden state after each step, dims (step, agent, unit, episode)."""
        return self._four_dims(self.x[1:])[:, :, self.population.shape.n_inputs + 1 :]

    @property
    def cells(self) -> Tensor:
        """Cell state after each step, dims (step, agent, unit, episode)."""
        return self._four_dims(self.cell[1:])

    @property
    def logits(self) -> Tensor:
        """Logits of the policy, dims (step, agent, action, episode); lost by ``backward``."""
        return self._four_dims(self.gates[1:])[:, :, 4 * self.population.shape.n_units : -1]

    @property
    def values(self) -> Tensor:
        """Value estimates, dims (step, agent, episode); lost by ``backward``."""
        return self._four_dims(self.gates[1:])[:, :, -1]

    def _four_dims(self, buffer: Tensor) -> Tensor:
        return buffer if buffer.ndim == 4 else buffer.unsqueeze(1)

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
        drop = self.population.n_agents == 1
        if episodes.observed is not None:
            first, last = self.population.shape.observation_rows
            self.x[:-1, ..., first:last, :] = (
                episodes.observed.squeeze(1) if drop else episodes.observed
            )
        self._run(noise, changes, self._plan(episodes, drop), None)

    def _begin(self) -> None:
        """Set hidden and cell to the learned initial state."""
        hidden, cell = (self.population.tensors[f"initial_{k}"] for k in ("hidden", "cell"))
        hidden, cell = (hidden[0], cell[0]) if self.population.n_agents == 1 else (hidden, cell)
        self.x[0, ..., -hidden.shape[-1] :, :] = hidden.unsqueeze(-1)
        self.cell[0] = cell.unsqueeze(-1)

    def _run(
        self,
        noise: Tensor,
        changes: Changes | None,
        writes: Sequence[Sequence[tuple[Tensor, Tensor, Tensor]]],
        react: Callable[[int], object] | None,
    ) -> None:
        """Take every step; an action's effects are looked up, or the world reacts to it."""
        recurrent, heads = (self.population.tensors[k] for k in ("recurrent", "heads"))
        if self.population.n_agents == 1:
            recurrent, heads, noise = recurrent[0], heads[0], noise.squeeze(1)
        product, tanh, perturbed, best = self._product, self._tanh, self._perturbed, self._best
        for t, (views, gumbel, effects) in enumerate(
            zip(self._steps, noise.unbind(), writes, strict=True)
        ):
            x, gates, sigmoid, out_gate, in_gate, forget_gate, candidate, *later = views
            cell, next_cell, tanh_cell, hidden, with_one, output, logits, action, wide = later
            change = changes(t) if changes else None
            if change and "input" in change:
                change["input"](x)
            product(recurrent, x, out=gates)
            sigmoid.sigmoid_()
            tanh(candidate, out=candidate)
            if change and "gates" in change:
                change["gates"](gates)
            torch.mul(forget_gate, cell, out=next_cell)
            next_cell.addcmul_(in_gate, candidate)
            if change and "cell" in change:
                change["cell"](next_cell)
            tanh(next_cell, out=tanh_cell)
            torch.mul(out_gate, tanh_cell, out=hidden)
            if change and "hidden" in change:
                change["hidden"](hidden)
            product(heads, with_one, out=output)
            if change and "output" in change:
                change["output"](output)
            torch.add(logits, gumbel, out=perturbed)
            torch.amax(perturbed, dim=-2, keepdim=True, out=best)
            torch.eq(perturbed, best, out=action)
            for table, chosen, target in effects:
                torch.mul(wide, table, out=chosen)
                torch.sum(chosen, dim=-3, out=target)
            if react:
                react(t)

    def _plan(self, episodes: Episodes, drop: bool) -> list[list[tuple[Tensor, Tensor, Tensor]]]:
        """List, for each step, the potential outcomes and the inputs they are written to."""
        n_events = len(self.task.events)
        writes: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in range(self.n_steps)]
        for effect in episodes.effects:
            whole = effect.table.to(self.x.dtype)
            table = (whole.squeeze(1) if drop else whole).unbind()
            chosen = torch.empty_like(table[0])
            target = self._rows(effect.row, effect.row + effect.table.shape[3])
            for trial in range(self.task.n_trials):
                step = trial * n_events + effect.step
                writes[step].append((table[trial], chosen, target[step + effect.delay]))
        return writes

    def _rows(self, start: int, stop: int) -> tuple[Tensor, ...]:
        if (start, stop) not in self._targets:
            self._targets[start, stop] = self.x[..., start:stop, :].unbind()
        return self._targets[start, stop]

    @torch.no_grad()
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

        Notes
        -----
        What does not depend on the recursion is computed for a block of steps at once, small
        enough to stay in cache; the recursion itself is one product and four elementwise
        operations a step.
        """
        shape, n = self.population.shape, self.population.n_agents
        h = shape.n_units
        gradient = torch.zeros_like(self.population.flat)
        heads_at = self.gates[..., 4 * h :, :]
        heads_at[0] = 0
        four = self._four_dims(heads_at[1:])
        four[:, :, :-1], four[:, :, -1] = d_logits, d_values
        self.gates[-1, ..., : 4 * h, :] = 0
        recurrent, heads = self.population.tensors["recurrent"], self.population.tensors["heads"]
        to_hidden = torch.cat([recurrent[..., -h:], heads[..., 1:]], dim=1).transpose(1, 2)
        to_hidden = to_hidden.contiguous() if n > 1 else to_hidden[0].contiguous()
        n_rows = 4 * h + shape.n_actions + 1
        weights = torch.zeros((n, self.x.shape[-2], n_rows), dtype=self.x.dtype)
        d_cell = torch.zeros_like(self.cell[0])
        d_hidden = torch.empty_like(d_cell)
        for stop in range(self.n_steps, 0, -self._block):
            start = max(0, stop - self._block)
            d_cell = self._backward_block(start, stop, to_hidden, d_hidden, d_cell)
            self._add_products(weights, start + 1, stop + 1)
        self._add_products(weights, 0, 1)
        self._product(to_hidden, self.gates[0], out=d_hidden)
        views = views_of(shape, gradient)
        views["recurrent"].copy_(weights[..., : 4 * h].transpose(1, 2))
        views["heads"].copy_(weights[:, shape.n_inputs :, 4 * h :].transpose(1, 2))
        views["initial_hidden"].copy_(d_hidden.sum(-1))
        views["initial_cell"].copy_(d_cell.sum(-1))
        return gradient

    def _backward_block(
        self, start: int, stop: int, to_hidden: Tensor, d_hidden: Tensor, d_cell: Tensor
    ) -> Tensor:
        """Go back through a block of steps; return the gradient of the cell before it."""
        h, size = self.population.shape.n_units, stop - start
        out, inp, forget, cand = (
            self.gates[start:stop, ..., k * h : (k + 1) * h, :] for k in range(4)
        )
        hidden = self.x[start + 1 : stop + 1, ..., -h:, :]
        to_input, to_forget, to_candidate = self._to_rest[:size].unbind(-3)
        torch.addcmul(out, hidden, self.tanh_cell[start:stop], value=-1, out=self._to_cell[:size])
        torch.addcmul(hidden, hidden, out, value=-1, out=self._to_output[:size])
        written, kept = inp * cand, forget * self.cell[start:stop]
        torch.addcmul(written, written, inp, value=-1, out=to_input)
        torch.addcmul(kept, kept, forget, value=-1, out=to_forget)
        torch.addcmul(inp, written, cand, value=-1, out=to_candidate)
        product, before = self._product, torch.empty_like(d_cell)
        wide, wide_before = d_cell.unsqueeze(-3), before.unsqueeze(-3)
        for t in range(stop - 1, start - 1, -1):
            to_cell, to_output, to_rest = self._factors[t - start]
            product(to_hidden, self._all_rows[t + 1], out=d_hidden)
            d_cell.addcmul_(d_hidden, to_cell)
            torch.mul(d_hidden, to_output, out=self._output[t])
            torch.mul(d_cell, self._forget[t], out=before)
            torch.mul(wide, to_rest, out=self._rest[t])
            d_cell, before, wide, wide_before = before, d_cell, wide_before, wide
        return d_cell

    def _add_products(self, weights: Tensor, start: int, stop: int) -> None:
        """Add the products of inputs and gradients over a block of steps."""
        if self.n_episodes >= 8:
            add = weights.baddbmm_ if weights.shape[0] > 1 else weights[0].addmm_
            for d, x in zip(self._all_rows[start:stop], self._x[start:stop], strict=True):
                add(x, d.transpose(-1, -2))
            return
        d = self._four_dims(self.gates[start:stop]).permute(1, 0, 3, 2).flatten(1, 2)
        x = self._four_dims(self.x[start:stop]).permute(1, 2, 0, 3).flatten(2)
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
