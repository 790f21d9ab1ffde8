"""Cores that lack what the LSTM has: another kind of gate, any gates, or any memory.

References
----------
Cho et al. 2014, arXiv:1406.1078 (gated recurrent unit); Elman 1990,
doi:10.1207/s15516709cog1402_1 (vanilla).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from neuro_metarl.agents.cores.base import (
    Core,
    NamePart,
    Seen,
    Sizes,
    draw_blocks,
    draw_normal,
    unchanged,
)

__all__ = ["FEED_FORWARD", "GRU", "VANILLA"]


class Gru(Core):
    """Gated recurrent unit: no cell; a gate chooses between the old hidden state and a new one.

    With ``x = [action | observation | reward | 1]`` and the rows of ``recurrent`` in the order
    reset, update, candidate: ``reset, update = sigmoid(recurrent [x | hidden])``,
    ``candidate = tanh(recurrent x + reset (recurrent hidden))`` (as torch and cuDNN have it) and
    ``hidden = update hidden + (1 - update) candidate``. The update gate's bias is 1 at first.
    """

    name = "gru"
    gates = ("reset", "update", "candidate")
    open_gates = ("reset", "update")
    gate_rows = ("recurrent",)

    def tensors(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """Name ``recurrent``: rows are gates, columns are input, 1 and hidden."""
        return {"recurrent": (3 * sizes.n_units, sizes.n_inputs + 1 + sizes.n_units)}

    def draw(self, weights: Mapping[str, Tensor], sizes: Sizes, generator: torch.Generator) -> None:
        """Draw recurrent weights orthogonal per gate; the update gate's bias is 1."""
        h = sizes.n_units
        draw_blocks(weights["recurrent"], h, generator)
        weights["recurrent"][h : 2 * h, sizes.n_inputs] = 1

    def step(
        self,
        weights: Mapping[str, Tensor],
        seen: Seen,
        state: Mapping[str, Tensor],
        part: NamePart = unchanged,
    ) -> dict[str, Tensor]:
        """Take one step."""
        hidden, recurrent = state["hidden"], weights["recurrent"]
        h = hidden.shape[-2]
        of_input = (recurrent[..., :-h] @ torch.cat(seen.rows(), dim=-2)).chunk(3, dim=-2)
        of_hidden = (recurrent[..., -h:] @ hidden).chunk(3, dim=-2)
        reset = part("reset", (of_input[0] + of_hidden[0]).sigmoid())
        update = part("update", (of_input[1] + of_hidden[1]).sigmoid())
        candidate = part("candidate", (of_input[2] + reset * of_hidden[2]).tanh())
        return {"hidden": part("hidden", candidate + update * (hidden - candidate))}

    def reward_columns(self, sizes: Sizes) -> dict[str, int]:
        """Name the last column before the bias."""
        return {"recurrent": sizes.n_inputs - 1}


class Vanilla(Core):
    """Recurrent tanh units without gates: ``hidden = tanh(recurrent [x | 1 | hidden])``."""

    name = "vanilla"

    def tensors(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """Name ``recurrent``: columns are input, 1 and hidden."""
        return {"recurrent": (sizes.n_units, sizes.n_inputs + 1 + sizes.n_units)}

    def draw(self, weights: Mapping[str, Tensor], sizes: Sizes, generator: torch.Generator) -> None:
        """Draw orthogonal recurrent weights."""
        draw_blocks(weights["recurrent"], sizes.n_units, generator)

    def step(
        self,
        weights: Mapping[str, Tensor],
        seen: Seen,
        state: Mapping[str, Tensor],
        part: NamePart = unchanged,
    ) -> dict[str, Tensor]:
        """Take one step."""
        rows = torch.cat([*seen.rows(), state["hidden"]], dim=-2)
        return {"hidden": part("hidden", (weights["recurrent"] @ rows).tanh())}

    def reward_columns(self, sizes: Sizes) -> dict[str, int]:
        """Name the last column before the bias."""
        return {"recurrent": sizes.n_inputs - 1}


class FeedForward(Core):
    """One layer of tanh units, a control without memory: it sees one step and no other."""

    name = "feed-forward"
    states = ()
    learns_start = False

    def tensors(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """Name ``layer``: columns are input and 1."""
        return {"layer": (sizes.n_units, sizes.n_inputs + 1)}

    def draw(self, weights: Mapping[str, Tensor], sizes: Sizes, generator: torch.Generator) -> None:
        """Draw Gaussian weights with variance 1 / inputs."""
        layer = weights["layer"]
        noise = draw_normal(layer, generator, len(layer), sizes.n_inputs)
        layer[:, :-1] = noise / sizes.n_inputs**0.5

    def step(
        self,
        weights: Mapping[str, Tensor],
        seen: Seen,
        state: Mapping[str, Tensor],
        part: NamePart = unchanged,
    ) -> dict[str, Tensor]:
        """Take one step, in which nothing of the last one is left but action and reward."""
        rows = torch.cat(seen.rows(), dim=-2)
        return {"hidden": part("hidden", torch.tanh(weights["layer"] @ rows))}

    def reward_columns(self, sizes: Sizes) -> dict[str, int]:
        """Name the last column before the bias."""
        return {"layer": sizes.n_inputs - 1}


GRU, VANILLA, FEED_FORWARD = Gru(), Vanilla(), FeedForward()
