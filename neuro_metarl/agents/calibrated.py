"""Networks that play with another temperature, a side bias and a habit: a calibrated policy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neuro_metarl.agents.buffers import Changes, Write
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.population import Population
from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Episodes, Task

__all__ = ["CalibratedRollout", "Calibration"]


@dataclass(frozen=True)
class Calibration:
    """How first-step log odds are changed: ``scale`` x, + ``bias``, + ``perseveration`` last side.

    Parameters
    ----------
    scale
        Inverse temperature; 1 leaves the policy as it is.
    bias
        Log odds added for the right.
    perseveration
        Log odds added for the last choice.
    """

    scale: float = 1.0
    bias: float = 0.0
    perseveration: float = 0.0

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise InputError(f"scale is {self.scale}, expected a number above 0")


class CalibratedRollout(Rollout):
    """A rollout whose first-step policy is calibrated; everything else is as it was.

    Parameters
    ----------
    population, task, n_episodes
        See :class:`neuro_metarl.agents.network.Rollout`; a two-step task.
    calibration
        The same for every network.

    Notes
    -----
    An action is the largest of logit + Gumbel noise. Dividing the noise by ``scale`` samples from
    the scaled logits; bias and habit are added to the noise of the right action, the habit as
    something that the action of the trial before writes there.
    """

    def __init__(
        self, population: Population, task: Task, n_episodes: int, calibration: Calibration
    ) -> None:
        super().__init__(population, task, n_episodes)
        self.calibration = calibration

    def _roll(self, episodes: Episodes, noise: Tensor, changes: Changes | None) -> None:
        n_events = len(self.task.events)
        self._first = self.task.events.index("first_step")
        noise = noise.clone()
        chosen = noise[self._first :: n_events]
        chosen /= self.calibration.scale
        chosen[:, :, 1] += self.calibration.bias / self.calibration.scale
        super()._roll(episodes, noise, changes)

    def _plan(self, episodes: Episodes, noise: Tensor) -> list[Write]:
        writes = super()._plan(episodes, noise)
        if self.calibration.perseveration == 0:
            return writes
        n_events, n_actions = len(self.task.events), self.population.shape.n_actions
        pull = self.calibration.perseveration / self.calibration.scale
        right = noise[self._first :: n_events, :, 1:2]
        sides = torch.zeros(n_actions, 1, 1, dtype=right.dtype)
        sides[0], sides[1] = -pull, pull
        following = torch.cat([right[1:], right[-1:]]).unsqueeze(2)
        return [*writes, Write(self._first, n_events, 1, following + sides, noise)]
