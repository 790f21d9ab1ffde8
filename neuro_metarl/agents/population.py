"""The weights of separately initialised networks of one shape, in one flat tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.encoder import Encoder
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.tasks.base import Task, VisualTask, check_memory

__all__ = ["CORES", "GATES", "Population", "Shape", "views_of"]

GATES = ("output", "input", "forget", "candidate")
CORES = ("lstm", "stacked", "feed-forward")


@dataclass(frozen=True)
class Shape:
    """Sizes of a network.

    Parameters
    ----------
    n_observations, n_actions
        As the task has them; of a network that sees pictures, the encoder's features.
    n_units
        LSTM units; of each of the two layers, if stacked.
    core
        ``"lstm"``; ``"stacked"``: two LSTMs, of which the first sees features and reward, the
        second the first, the features and the action (Mirowski et al. 2016, arXiv:1611.03673);
        ``"feed-forward"``: one layer of tanh units in their place, a control without memory.
    encoder
        What turns pictures into features, if the network sees pictures.

    Raises
    ------
    InputError
        Unknown core.
    """

    n_observations: int
    n_actions: int
    n_units: int
    core: str = "lstm"
    encoder: Encoder | None = None

    def __post_init__(self) -> None:
        if self.core not in CORES:
            raise InputError(f"core is {self.core!r}; {did_you_mean(self.core, CORES)}")

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> Shape:
        """Make a shape from what :meth:`card` gave.

        Parameters
        ----------
        card
            Plain values.

        Returns
        -------
        Shape
        """
        encoder = card.get("encoder")
        made = Encoder(**encoder | {"image": tuple(encoder["image"])}) if encoder else None
        return cls(**{**card, "encoder": made})

    def card(self) -> dict[str, Any]:
        """Give plain values that JSON can hold.

        Returns
        -------
        dict
        """
        values = asdict(self)
        if self.encoder is None:
            del values["encoder"]
            if self.core == "lstm":
                del values["core"]
        return values

    @property
    def n_inputs(self) -> int:
        """Rows of the input: previous action, observation, previous reward."""
        return self.n_actions + self.n_observations + 1

    @property
    def observation_rows(self) -> tuple[int, int]:
        """First row of the observation in the input, and the row after its last."""
        return self.n_actions, self.n_actions + self.n_observations

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Name the parameters of one network and give their shapes.

        ``recurrent`` has the gates' rows in the order output, input, forget, candidate and the
        columns input, 1, hidden; ``heads`` has the rows logit of each action, value and the
        columns 1, hidden. ``initial_hidden`` and ``initial_cell`` are the last of the core. A
        stacked core has ``recurrent`` with the columns observation, reward, 1, hidden and
        ``recurrent_2`` with the columns first layer, action, observation, 1, hidden.
        """
        h, n_in, n_obs = self.n_units, self.n_inputs, self.n_observations
        heads = {"heads": (self.n_actions + 1, 1 + h)}
        state = {"initial_hidden": (h,), "initial_cell": (h,)}
        core: dict[str, tuple[int, ...]]
        if self.core == "lstm":
            core = {"recurrent": (4 * h, n_in + 1 + h), **heads, **state}
        elif self.core == "stacked":
            second = (4 * h, h + self.n_actions + n_obs + 1 + h)
            core = {"recurrent": (4 * h, n_obs + 2 + h), "recurrent_2": second, **heads}
        else:
            core = {"layer": (h, n_in + 1), **heads}
        return core | (self.encoder.tensors() if self.encoder else {})

    @property
    def n_core(self) -> int:
        """Parameters of the core; the encoder's come after them."""
        encoder = self.encoder.tensors() if self.encoder else {}
        return sum(prod(dims) for name, dims in self.tensors().items() if name not in encoder)

    def check(self, task: Task | VisualTask) -> None:
        """Refuse a task whose observations or actions do not fit.

        Raises
        ------
        InputError
            They differ.
        """
        if isinstance(task, VisualTask) or self.encoder is not None:
            self._check_pictures(task)
            return
        mine = (self.n_observations, self.n_actions)
        asked = (task.n_observations, task.n_actions)
        if mine != asked:
            raise InputError(
                f"the network was made for {mine[0]} observations and {mine[1]} actions, but task "
                f"{task.name!r} has {asked[0]} and {asked[1]}; train on this form, or record with "
                "one that has the same steps"
            )

    def _check_pictures(self, task: Task | VisualTask) -> None:
        if self.encoder is None or not isinstance(task, VisualTask):
            sees = "pictures" if self.encoder else "numbers"
            raise InputError(
                f"the network sees {sees}, but task {task.name!r} shows "
                f"{'pictures' if isinstance(task, VisualTask) else 'numbers'}"
            )
        if (self.encoder.image, self.n_actions) != (task.image_shape, task.n_actions):
            raise InputError(
                f"the network was made for pictures of {self.encoder.image} (channel, row, column) "
                f"and {self.n_actions} actions, but task {task.name!r} has {task.image_shape} and "
                f"{task.n_actions}"
            )


class Population:
    """The weights of N networks of one shape, in one flat tensor.

    Parameters
    ----------
    shape
        Sizes of each network.
    flat
        Dims (agent, parameter).

    Examples
    --------
    >>> generators = [torch.Generator().manual_seed(s) for s in (0, 1)]
    >>> agents = Population.initialise(Shape(4, 3, 48), generators)
    >>> agents.n_agents, agents.tensors["recurrent"].shape
    (2, torch.Size([2, 192, 57]))
    """

    def __init__(self, shape: Shape, flat: Tensor) -> None:
        self.shape = shape
        self.flat = flat
        self.tensors = views_of(shape, flat)

    @property
    def n_agents(self) -> int:
        """Number of separately trained networks."""
        return self.flat.shape[0]

    @classmethod
    def initialise(
        cls, shape: Shape, generators: Sequence[torch.Generator], dtype: torch.dtype = torch.float32
    ) -> Population:
        """Draw fresh weights, each network from its own generator.

        Recurrent weights are orthogonal per gate, input weights Gaussian with variance 1 /
        inputs, the forget gate's bias is 1, the heads are small, and the initial state is zero.

        Parameters
        ----------
        shape
            Sizes of each network.
        generators
            One per network.
        dtype
            Type of the weights.

        Returns
        -------
        Population
        """
        n_parameters = sum(prod(s) for s in shape.tensors().values())
        device, n_agents = generators[0].device, len(generators)
        check_memory(
            16.0 * n_parameters * n_agents, f"{n_agents} networks of {shape.n_units} units"
        )
        flat = torch.zeros(n_agents, n_parameters, dtype=dtype, device=device)
        population = cls(shape, flat)
        with one_thread():
            for agent, generator in enumerate(generators):
                population._draw(agent, generator)
        return population

    def _draw(self, agent: int, generator: torch.Generator) -> None:
        """Draw the weights of one network, in place."""
        shape, h, dtype = self.shape, self.shape.n_units, self.flat.dtype
        for name in ("recurrent", "recurrent_2"):
            if name in self.tensors:
                _draw_gates(self.tensors[name][agent], h, generator)
        if "layer" in self.tensors:
            layer = self.tensors["layer"][agent]
            noise = _normal(layer[:, :-1].shape, generator, dtype)
            layer[:, :-1] = noise / (layer.shape[1] - 1) ** 0.5
        heads = _normal((shape.n_actions + 1, h), generator, dtype)
        heads[:-1] *= 0.1
        self.tensors["heads"][agent, :, 1:] = heads / h**0.5
        if shape.encoder is not None:
            shape.encoder.initialise(self.agent(agent), generator)

    def agent(self, number: int) -> dict[str, Tensor]:
        """View the parameters of one network.

        Parameters
        ----------
        number
            Position.

        Returns
        -------
        dict of torch.Tensor
        """
        return {name: tensor[number] for name, tensor in self.tensors.items()}

    def one(self, number: int) -> Population:
        """View one network as a population that shares its weights.

        Parameters
        ----------
        number
            Position.

        Returns
        -------
        Population
        """
        return Population(self.shape, self.flat[number : number + 1])

    def select(self, agents: Sequence[int]) -> Population:
        """Copy some of the networks.

        Parameters
        ----------
        agents
            Positions.

        Returns
        -------
        Population
        """
        return Population(self.shape, self.flat[list(agents)].clone())


def views_of(shape: Shape, flat: Tensor) -> dict[str, Tensor]:
    """Cut a flat tensor into the parameters of a shape, without copying.

    Parameters
    ----------
    shape
        Names and sizes.
    flat
        Dims (agent, parameter).

    Returns
    -------
    dict of torch.Tensor
        Dims (agent, ...).

    Examples
    --------
    >>> views_of(Shape(1, 2, 3), torch.zeros(1, 114))["heads"].shape
    torch.Size([1, 3, 4])
    """
    views, start = {}, 0
    for name, dims in shape.tensors().items():
        size = prod(dims)
        views[name] = flat[:, start : start + size].view(-1, *dims)
        start += size
    return views


def _draw_gates(weights: Tensor, h: int, generator: torch.Generator) -> None:
    """Fill (gate rows, input | 1 | hidden) in place."""
    n_in = weights.shape[1] - 1 - h
    for gate in range(4):
        square = _normal((h, h), generator, weights.dtype)
        weights[gate * h : (gate + 1) * h, n_in + 1 :] = torch.linalg.qr(square)[0]
    weights[:, :n_in] = _normal((4 * h, n_in), generator, weights.dtype) / n_in**0.5
    weights[2 * h : 3 * h, n_in] = 1


def _normal(size: Sequence[int], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    return torch.randn(size, generator=generator, dtype=dtype, device=generator.device)
