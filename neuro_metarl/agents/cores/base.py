"""What a core is: the part of a network between what it sees and what it puts out.

A core is one object: it names its weights, draws them, and takes one step. Everything else in the
package (playing, learning, recording, perturbing, fixed points) asks it for its names and calls its
step; see ``docs/how_to_own_core.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

__all__ = ["Core", "NamePart", "Seen", "Sizes", "draw_blocks", "draw_normal", "unchanged"]

NamePart = Callable[[str, Tensor], Tensor]


class Sizes(Protocol):
    """How large a network is."""

    @property
    def n_observations(self) -> int:
        """Rows of the observation, or features of the picture."""

    @property
    def n_actions(self) -> int:
        """Actions."""

    @property
    def n_units(self) -> int:
        """Units of a layer."""

    @property
    def n_inputs(self) -> int:
        """Rows of action, observation and reward together."""


class Seen(NamedTuple):
    """What a network sees at a step, dims (..., row, episode); the agent comes first, if several.

    ``action`` is the previous action, one-hot; ``observation`` the observation, or the features of
    the picture; ``reward`` the previous reward, one row.
    """

    action: Tensor
    observation: Tensor
    reward: Tensor

    def rows(self) -> list[Tensor]:
        """List the three and a row of ones, which carries the biases."""
        return [*self, torch.ones_like(self.reward)]


def unchanged(name: str, value: Tensor) -> Tensor:
    """Leave a part of a step as it is.

    Parameters
    ----------
    name
        Of the part.
    value
        Dims (..., unit, episode).

    Returns
    -------
    torch.Tensor

    Examples
    --------
    >>> unchanged("hidden", torch.ones(2)).tolist()
    [1.0, 1.0]
    """
    return value


class Core:
    """The part of a network between what it sees and what it puts out.

    A core of one's own sets ``name`` and, where they differ from the defaults, the other
    attributes, and defines :meth:`tensors` and :meth:`step`;
    :func:`neuro_metarl.agents.cores.register_core` makes it known.

    Attributes
    ----------
    name
        What recipes and checkpoints call it.
    states
        What it carries from step to step, ``n_units`` numbers each; empty for a core without
        memory.
    gates
        Gates that are recorded as the cohort's ``gates``, in this order.
    open_gates
        Those of them that are open from 0 to 1.
    inner
        Further parts, which can be perturbed but are not recorded.
    learns_start
        Whether the first state is learned, as weights ``initial_<state>``; if not, it is zero.
    gate_rows
        Weights whose rows are one block of ``n_units`` for each gate, in the order of ``gates``.
    """

    name: str = ""
    states: tuple[str, ...] = ("hidden",)
    gates: tuple[str, ...] = ()
    open_gates: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    learns_start: bool = True
    gate_rows: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        return f"<core {self.name!r}>"

    @property
    def parts(self) -> tuple[str, ...]:
        """All that a step names, and that can be perturbed."""
        return tuple(dict.fromkeys(("hidden", *self.states, *self.gates, *self.inner)))

    @property
    def remembers(self) -> bool:
        """Whether anything is carried from step to step."""
        return bool(self.states)

    def tensors(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """Name the weights of one network and give their dims.

        Parameters
        ----------
        sizes
            Of the network.

        Returns
        -------
        dict
            Without those of the heads, of the first state and of an encoder.
        """
        raise NotImplementedError

    def draw(self, weights: Mapping[str, Tensor], sizes: Sizes, generator: torch.Generator) -> None:
        """Draw fresh weights of one network, in place; they are zero before.

        By default each matrix is Gaussian with variance 1 / columns, and vectors stay zero.

        Parameters
        ----------
        weights
            By name.
        sizes
            Of the network.
        generator
            Source of randomness.
        """
        for name in self.tensors(sizes):
            if weights[name].ndim > 1:
                columns = weights[name].shape[-1]
                weights[name].copy_(draw_normal(weights[name], generator) / columns**0.5)

    def first_state(
        self, weights: Mapping[str, Tensor], sizes: Sizes, n_episodes: int
    ) -> dict[str, Tensor]:
        """Give the state before the first step.

        Parameters
        ----------
        weights
            By name.
        sizes
            Of the network.
        n_episodes
            Episodes that are played side by side.

        Returns
        -------
        dict of torch.Tensor
            Dims (..., unit, episode).
        """
        if self.learns_start:
            return {
                name: start.unsqueeze(-1).expand(*start.shape, n_episodes)
                for name in self.states
                for start in [weights[f"initial_{name}"]]
            }
        some = weights[next(iter(self.tensors(sizes)))]
        several = weights["heads"].shape[:-2]
        zero = some.new_zeros(*several, sizes.n_units, n_episodes)
        return dict.fromkeys(self.states, zero)

    def step(
        self,
        weights: Mapping[str, Tensor],
        seen: Seen,
        state: Mapping[str, Tensor],
        part: NamePart = unchanged,
    ) -> dict[str, Tensor]:
        """Take one step.

        Parameters
        ----------
        weights
            By name, dims of :meth:`tensors`; the agent comes first, if several.
        seen
            Dims (..., row, episode).
        state
            ``states`` before the step, dims (..., unit, episode).
        part
            To be called with the name and the value of each of ``parts`` once it is computed;
            it records the part, and what it returns is to be used on: an experimenter may have
            changed it.

        Returns
        -------
        dict of torch.Tensor
            ``hidden``, which the policy and the value are read from, and ``states`` after the step.
        """
        raise NotImplementedError

    def reward_columns(self, sizes: Sizes) -> dict[str, int]:
        """Say which column of which weights the previous reward is seen through.

        Parameters
        ----------
        sizes
            Of the network.

        Returns
        -------
        dict
            Needed by recipes with ``see_reward=False`` alone.
        """
        return {}

    def jacobian(
        self,
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        parts: Mapping[str, Tensor],
    ) -> Tensor | None:
        """Differentiate a step by the state, where that is known in closed form.

        Parameters
        ----------
        weights
            Of one network.
        state
            Before the step, dims (unit, episode).
        parts
            All that the step named.

        Returns
        -------
        torch.Tensor or None
            Dims (episode, state and unit after, state and unit before); None: autograd finds it.
        """
        return None


def draw_normal(like: Tensor, generator: torch.Generator, *dims: int) -> Tensor:
    """Draw standard Gaussian numbers of a tensor's type.

    Parameters
    ----------
    like
        Gives the type, and the dims where there are none.
    generator
        Source of randomness.
    *dims
        Of the result.

    Returns
    -------
    torch.Tensor

    Examples
    --------
    >>> draw_normal(torch.zeros(1), torch.Generator().manual_seed(0), 2, 3).shape
    torch.Size([2, 3])
    """
    size: Any = dims or like.shape
    return torch.randn(size, generator=generator, dtype=like.dtype, device=generator.device)


def draw_blocks(weights: Tensor, n_units: int, generator: torch.Generator) -> None:
    """Fill (blocks of units, input | 1 | hidden) in place.

    Parameters
    ----------
    weights
        Recurrent weights are made orthogonal within each block, those of the input Gaussian with
        variance 1 / inputs; biases stay.
    n_units
        Rows of a block.
    generator
        Source of randomness.

    Examples
    --------
    >>> weights = torch.zeros(4, 3 + 1 + 4)
    >>> draw_blocks(weights, 4, torch.Generator().manual_seed(0))
    >>> (weights[:, 4:] @ weights[:, 4:].T).round().diag().tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    n_in = weights.shape[1] - 1 - n_units
    for block in weights.split(n_units):
        square = draw_normal(weights, generator, n_units, n_units)
        block[:, n_in + 1 :] = torch.linalg.qr(square)[0]
    weights[:, :n_in] = draw_normal(weights, generator, len(weights), n_in) / n_in**0.5
