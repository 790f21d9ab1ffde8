"""The map of a network: its state one step on, and the derivative of that, in double precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from neuro_metarl.agents.cores.base import Core, Seen, Sizes
from neuro_metarl.agents.determinism import one_thread

__all__ = ["StateMap", "state_map"]

StateMap = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, Callable[[], np.ndarray]]]


def state_map(core: Core, sizes: Sizes, weights: Mapping[str, Tensor]) -> StateMap:
    """Make the map of one network.

    Parameters
    ----------
    core, sizes
        Of the network.
    weights
        By name.

    Returns
    -------
    callable
        From states, dims (state, state and unit), in the order of ``core.states``, and inputs, dims
        (row) or (state, row), to the states after and a function that gives the Jacobians, dims
        (state, after, before).

    Examples
    --------
    >>> from neuro_metarl.agents.population import Population, Shape
    >>> network = Population.initialise(Shape(4, 3, 5), [torch.Generator().manual_seed(0)])
    >>> advance = state_map(network.shape.core, network.shape, network.agent(0))
    >>> after, jacobian = advance(np.zeros((2, 10)), np.zeros(8))
    >>> after.shape, jacobian().shape
    ((2, 10), (2, 10, 10))
    """
    with one_thread():
        double = {name: value.detach().cpu().double() for name, value in weights.items()}
    n_actions, n_in, h = sizes.n_actions, sizes.n_inputs, sizes.n_units

    def advance(
        states: np.ndarray, inputs: np.ndarray
    ) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        with one_thread(), torch.no_grad():
            rows = torch.from_numpy(np.broadcast_to(inputs, (len(states), n_in)).copy()).T
            seen = Seen(rows[:n_actions], rows[n_actions:-1], rows[-1:])
            before = torch.from_numpy(np.ascontiguousarray(states.T)).double()
            parts: dict[str, Tensor] = {}

            def part(name: str, value: Tensor) -> Tensor:
                parts[name] = value
                return value

            cut = dict(zip(core.states, before.split(h), strict=True))
            after = core.step(double, seen, cut, part)
            joined = torch.cat([after[name] for name in core.states])

        def jacobian() -> np.ndarray:
            with one_thread():
                known = core.jacobian(double, cut, parts)
                found = _by_autograd(core, double, seen, before) if known is None else known
                return found.numpy()

        return joined.T.contiguous().numpy(), jacobian

    return advance


def _by_autograd(core: Core, weights: Mapping[str, Tensor], seen: Seen, before: Tensor) -> Tensor:
    """Go back from each unit in turn; episodes do not touch each other, so their sum is enough."""
    before = before.clone().requires_grad_()
    cut = dict(zip(core.states, before.split(len(before) // len(core.states)), strict=True))
    after = core.step(weights, seen, cut)
    rows = torch.cat([after[name] for name in core.states]).sum(1)
    grads = [torch.autograd.grad(row, before, retain_graph=True)[0] for row in rows]
    return torch.stack(grads).permute(2, 0, 1)
