"""The core ``lstm`` as compiled vector code: whole batches forward and backward in one call.

What it computes is :class:`neuro_metarl.agents.fast_lstm.FastLstm`, whose buffers it shares, so
that the two can take turns from step to step: steps at which the network is changed in flight are
taken by that one. numba and the kernel are imported when the first engine is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from neuro_metarl.agents.buffers import Buffers, Change, Write
from neuro_metarl.agents.fast_lstm import FastLstm
from neuro_metarl.progress import call_compiled

__all__ = ["FusedLstm"]

LANES = 16


class FusedLstm(FastLstm):
    """An LSTM in buffers; see :class:`neuro_metarl.agents.buffers.Engine`.

    Parameters
    ----------
    buffers
        float32, on the CPU, with episodes in multiples of 16 if there are several.
    learns
        Of no consequence: what gradients need is kept always.

    Notes
    -----
    One episode is computed with units side by side, several with 16 episodes side by side. After a
    batch with changes in flight, :meth:`backward` is that of ``FastLstm``.
    """

    @staticmethod
    def lanes(n_episodes: int) -> int:
        """Say of what the episodes in memory must be a multiple."""
        return 1 if n_episodes == 1 else LANES

    def __init__(self, buffers: Buffers, *, learns: bool = True) -> None:
        from neuro_metarl.agents.kernel import lanes, single

        super().__init__(buffers, learns=learns)
        shape = self.population.shape
        self._loops = single if buffers.n_episodes == 1 else lanes
        sizes = (shape.n_units, shape.n_inputs, shape.n_actions)
        self._packed = np.zeros((self.population.n_agents, self._loops.size_of_packed(*sizes)),
                                np.float32)  # fmt: skip
        self._buffers = tuple(
            self._flat(buffer) for buffer in (self.x, self.gates, self.cell, self.tanh_cell)
        )
        self._sizes = (self.population.n_agents, *sizes, buffers.n_lanes)
        self._changed = False

    @staticmethod
    def _flat(buffer: Tensor) -> np.ndarray:
        """View all of a buffer's memory, with the lanes that stand for no episode."""
        n = buffer.untyped_storage().nbytes() // buffer.element_size()
        return buffer.as_strided((n,), (1,), 0).numpy()

    def _weights(self) -> tuple[np.ndarray, np.ndarray]:
        names = ("recurrent", "heads")
        recurrent, heads = (self.population.tensors[k].contiguous().numpy() for k in names)
        return recurrent, heads

    def play(self, noise: Tensor, writes: Sequence[Write], n_events: int) -> bool:
        """Take all steps with their actions and what these write, in one call."""
        on_lanes = self._on_lanes(noise)
        kept = []  # tables whose memory is read until the call returns
        effects = np.zeros((len(writes), 8), np.int64)
        for row, write in zip(effects, writes, strict=True):
            table = self._on_lanes(write.table)
            kept.append(table)
            target = on_lanes if write.target is noise else write.target
            row[:4] = write.step, write.delay, write.row, table.shape[3]
            row[4:] = table.data_ptr(), target.data_ptr(), target.shape[2], len(target)
        self._pack()
        self._forward(on_lanes, effects, n_events, 0, self.buffers.n_steps, chooses=True)
        self._changed = False
        return True

    def stepper(self) -> Callable[[int, Change | None], None]:
        """Read the weights and make the function that takes a step."""
        by_hand: list[Callable[[int, Change | None], None]] = []
        nothing, no_effects = torch.zeros(1), np.zeros((0, 8), np.int64)
        self._pack()
        self._changed = False

        def step(t: int, change: Change | None) -> None:
            if change and change.keys() - {"seen", "heads"}:
                if not by_hand:
                    by_hand.append(super(FusedLstm, self).stepper())
                by_hand[0](t, change)
                self._changed = True
            else:
                self._forward(nothing, no_effects, 1, t, t + 1, chooses=False)

        return step

    @torch.no_grad()
    def backward(
        self,
        d_logits: Tensor,
        d_values: Tensor,
        views: Mapping[str, Tensor],
        leaves: Mapping[str, Tensor],
    ) -> None:
        """Propagate gradients back through the episodes just played."""
        if self._changed:
            super().backward(d_logits, d_values, views, leaves)
            return
        buffers, h = self.buffers, self.population.shape.n_units
        heads_at = buffers.four_dims(self.gates)[:, :, 4 * h :]
        if buffers.n_lanes > buffers.n_episodes:
            size = (*heads_at.shape[:3], buffers.n_lanes)
            heads_at.as_strided(size, heads_at.stride()).zero_()
        heads_at[1:, :, :-1], heads_at[1:, :, -1] = d_logits, d_values
        names = ("recurrent", "heads", "initial_hidden", "initial_cell")
        found = [torch.empty_like(views[name], memory_format=torch.contiguous_format)
                 for name in names]  # fmt: skip
        call_compiled(
            self._loops.backward,
            *self._weights(),
            *self._buffers,
            (*self._sizes, 1),
            buffers.n_steps,
            *(gradient.numpy() for gradient in found),
        )
        for name, gradient in zip(names, found, strict=True):
            views[name].copy_(gradient)

    def d_features(self) -> Tensor:
        """Refuse: gradients of what was seen are not kept."""
        raise NotImplementedError("FusedLstm does not learn from pictures")

    def _pack(self) -> None:
        call_compiled(self._loops.pack, *self._weights(), self._packed)

    def _forward(
        self,
        noise: Tensor,
        effects: np.ndarray,
        n_events: int,
        start: int,
        stop: int,
        *,
        chooses: bool,
    ) -> None:
        sizes = (*self._sizes, n_events)
        call_compiled(
            self._loops.forward, self._packed, *self._buffers, noise.view(-1).numpy(), effects,
            sizes, start, stop, chooses,
        )  # fmt: skip

    def _on_lanes(self, tensor: Tensor) -> Tensor:
        """Give a tensor whose last dim is the episode as many lanes as the buffers have."""
        more = self.buffers.n_lanes - tensor.shape[-1]
        tensor = tensor.to(torch.float32)
        return torch.nn.functional.pad(tensor, (0, more)) if more else tensor.contiguous()
