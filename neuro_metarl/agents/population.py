"""The weights of separately initialised networks of one shape, in one flat tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from neuro_metarl.agents.cores import LSTM, Core, core_named
from neuro_metarl.agents.cores.base import draw_normal
from neuro_metarl.agents.cores.maps import StateMap, state_map
from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.encoder import Encoder
from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Task, VisualTask, check_memory

__all__ = ["Population", "Shape", "views_of"]


@dataclass(frozen=True)
class Shape:
    """Sizes of a network.

    Parameters
    ----------
    n_observations, n_actions
        As the task has them; of a network that sees pictures, the encoder's features.
    n_units
        Units of the core; of each of its layers, if it has several.
    core
        What stands between what is seen and what is put out; see
        :func:`neuro_metarl.agents.cores.core_named`.
    encoder
        What turns pictures into features, if the network sees pictures.
    """

    n_observations: int
    n_actions: int
    n_units: int
    core: Core = LSTM
    encoder: Encoder | None = None

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
        core = core_named(card.get("core", LSTM.name))
        return cls(**{**card, "core": core, "encoder": made})

    def card(self) -> dict[str, Any]:
        """Give plain values that JSON can hold.

        Returns
        -------
        dict
        """
        values: dict[str, Any] = {
            name: getattr(self, name) for name in ("n_observations", "n_actions", "n_units")
        }
        if self.encoder is not None or self.core != LSTM:
            values["core"] = self.core.name
        if self.encoder is not None:
            values["encoder"] = asdict(self.encoder)
        return values

    @property
    def n_inputs(self) -> int:
        """Rows of the input: previous action, observation, previous reward."""
        return self.n_actions + self.n_observations + 1

    @property
    def observation_rows(self) -> tuple[int, int]:
        """First row of the observation in the input, and the row after its last."""
        return self.n_actions, self.n_actions + self.n_observations

    def tensors(self, *, encoder: bool = True) -> dict[str, tuple[int, ...]]:
        """Name the parameters of one network and give their shapes.

        First those of the core; ``heads``, with the rows logit of each action, value and the
        columns 1, hidden; the first state, where it is learned; then the encoder's.

        Parameters
        ----------
        encoder
            With those of the encoder.

        Returns
        -------
        dict
        """
        heads = {"heads": (self.n_actions + 1, 1 + self.n_units)}
        start = {name: (self.n_units,) for name in self.first_states}
        tensors = self.core.tensors(self) | heads | start
        return tensors | (self.encoder.tensors() if encoder and self.encoder else {})

    @property
    def first_states(self) -> tuple[str, ...]:
        """Names of the parameters that are the first state, if it is learned."""
        learned = self.core.states if self.core.learns_start else ()
        return tuple(f"initial_{name}" for name in learned)

    @property
    def n_core(self) -> int:
        """Parameters of the core; the encoder's come after them."""
        return sum(map(prod, self.tensors(encoder=False).values()))

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

        The core draws its own; the heads are small, and the first state is zero.

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
        shape, weights = self.shape, self.agent(agent)
        shape.core.draw(weights, shape, generator)
        heads = draw_normal(self.flat, generator, shape.n_actions + 1, shape.n_units)
        heads[:-1] *= 0.1
        weights["heads"][:, 1:] = heads / shape.n_units**0.5
        if shape.encoder is not None:
            shape.encoder.initialise(weights, generator)

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

    def state_map(self, number: int) -> StateMap:
        """Make the map of one network's state, in double precision.

        Parameters
        ----------
        number
            Position.

        Returns
        -------
        callable
            See :func:`neuro_metarl.agents.cores.maps.state_map`.
        """
        return state_map(self.shape.core, self.shape, self.agent(number))

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
