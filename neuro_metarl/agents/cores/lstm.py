"""The LSTM, alone and as a stack of two.

What is written here is the definition. The LSTM's fast implementation, with gradients by hand, is
:mod:`neuro_metarl.agents.fast_lstm`; the tests hold it equal to this one.

References
----------
Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; Gers et al. 2000,
doi:10.1162/089976600300015015 (forget gate); Mirowski et al. 2016, arXiv:1611.03673 (stack).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from neuro_metarl.agents.cores.base import Core, NamePart, Seen, Sizes, draw_blocks, unchanged

__all__ = ["GATES", "LSTM", "STACKED"]

GATES = ("output", "input", "forget", "candidate")
OPEN = ("output", "input", "forget")


class Lstm(Core):
    """One LSTM sees action, observation and reward.

    With ``x = [action | observation | reward | 1 | hidden]`` a step is
    ``output, input, forget, candidate = recurrent x``, of which the first three go through a
    sigmoid and the last through tanh, ``cell = forget cell + input candidate`` and
    ``hidden = output tanh(cell)``.
    """

    name = "lstm"
    states = ("hidden", "cell")
    gates = GATES
    open_gates = OPEN
    gate_rows = ("recurrent",)

    def tensors(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """Name ``recurrent``: rows are gates, columns are input, 1 and hidden."""
        return {"recurrent": (4 * sizes.n_units, sizes.n_inputs + 1 + sizes.n_units)}

    def draw(self, weights: Mapping[str, Tensor], sizes: Sizes, generator: torch.Generator) -> None:
        """Draw recurrent weights orthogonal per gate; the forget gate's bias is 1."""
        _draw(weights["recurrent"], sizes.n_units, generator)

    def step(
        self,
        weights: Mapping[str, Tensor],
        seen: Seen,
        state: Mapping[str, Tensor],
        part: NamePart = unchanged,
    ) -> dict[str, Tensor]:
        """Take one step."""
        return _advance(weights["recurrent"], seen.rows(), state["hidden"], state["cell"], part)

    def reward_columns(self, sizes: Sizes) -> dict[str, int]:
        """Name the last column before the bias."""
        return {"recurrent": sizes.n_inputs - 1}

    def jacobian(
        self,
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        parts: Mapping[str, Tensor],
    ) -> Tensor:
        """Differentiate hidden and cell after the step by hidden and cell before it."""
        out, inp, forget, candidate = (parts[name].T for name in GATES)
        cell, squashed = state["cell"].T, parts["cell"].tanh().T
        n, h = out.shape
        w_out, w_inp, w_forget, w_cand = weights["recurrent"][:, -h:].view(4, h, h)
        cell_by_hidden = (
            (forget * (1 - forget) * cell).unsqueeze(2) * w_forget
            + (inp * (1 - inp) * candidate).unsqueeze(2) * w_inp
            + (inp * (1 - candidate**2)).unsqueeze(2) * w_cand
        )
        slope, unit = out * (1 - squashed**2), torch.arange(h)
        jacobian = out.new_zeros(n, 2 * h, 2 * h)
        jacobian[:, h:, :h] = cell_by_hidden
        jacobian[:, h + unit, h + unit] = forget
        jacobian[:, :h, :h] = (out * (1 - out) * squashed).unsqueeze(2) * w_out
        jacobian[:, :h, :h] += slope.unsqueeze(2) * cell_by_hidden
        jacobian[:, unit, h + unit] = slope * forget
        return jacobian


class Stacked(Core):
    """Two LSTMs: the first sees observation and reward, the second the first, action, observation.

    What is recorded (hidden, cell, gates) is of the second; the parts of the first are called
    ``first_hidden``, ``first_cell``, ``first_output`` and so on.
    """

    name = "stacked"
    states = ("first_hidden", "first_cell", "hidden", "cell")
    gates = GATES
    open_gates = (*OPEN, *(f"first_{gate}" for gate in OPEN))
    inner = tuple(f"first_{gate}" for gate in GATES)
    learns_start = False
    gate_rows = ("recurrent", "recurrent_2")

    def tensors(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """Name ``recurrent`` and ``recurrent_2``: rows are gates.

        Columns are observation, reward, 1, hidden; and first layer, action, observation, 1, hidden.
        """
        h, n_obs = sizes.n_units, sizes.n_observations
        second = (4 * h, h + sizes.n_actions + n_obs + 1 + h)
        return {"recurrent": (4 * h, n_obs + 2 + h), "recurrent_2": second}

    def draw(self, weights: Mapping[str, Tensor], sizes: Sizes, generator: torch.Generator) -> None:
        """Draw both layers as one LSTM is drawn."""
        for name in self.gate_rows:
            _draw(weights[name], sizes.n_units, generator)

    def step(
        self,
        weights: Mapping[str, Tensor],
        seen: Seen,
        state: Mapping[str, Tensor],
        part: NamePart = unchanged,
    ) -> dict[str, Tensor]:
        """Take one step of both layers."""
        action, observation, reward, one = seen.rows()
        first = _advance(
            weights["recurrent"],
            [observation, reward, one],
            state["first_hidden"],
            state["first_cell"],
            lambda name, value: part(f"first_{name}", value),
        )
        rows = [first["hidden"], action, observation, one]
        second = _advance(weights["recurrent_2"], rows, state["hidden"], state["cell"], part)
        return {f"first_{name}": value for name, value in first.items()} | second

    def reward_columns(self, sizes: Sizes) -> dict[str, int]:
        """Name the column after the observation, in the first layer."""
        return {"recurrent": sizes.n_observations}


def _draw(weights: Tensor, n_units: int, generator: torch.Generator) -> None:
    draw_blocks(weights, n_units, generator)
    weights[2 * n_units : 3 * n_units, weights.shape[1] - 1 - n_units] = 1


def _advance(
    weights: Tensor, rows: list[Tensor], hidden: Tensor, cell: Tensor, part: NamePart
) -> dict[str, Tensor]:
    drive = (weights @ torch.cat([*rows, hidden], dim=-2)).chunk(4, dim=-2)
    out, inp, forget = (
        part(name, value.sigmoid()) for name, value in zip(OPEN, drive[:3], strict=True)
    )
    candidate = part("candidate", drive[3].tanh())
    later = part("cell", forget * cell + inp * candidate)
    return {"hidden": part("hidden", out * later.tanh()), "cell": later}


LSTM, STACKED = Lstm(), Stacked()
