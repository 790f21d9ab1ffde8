"""A small world to look at: pictures of noise, walked by the actions, paid by place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neuro_metarl.tasks.base import Bank


@dataclass(frozen=True)
class Walk:
    """Places on a ring, each with its picture; reward 1 at place 0."""

    n_places: int = 6
    n_steps: int = 12
    rendered: bool = False
    dtype: torch.dtype = torch.float64
    width: int = 12
    offsets: tuple[int, ...] = (0,)

    name = "walk"
    n_trials = 3
    n_actions = 3
    events = ("start",)
    actions = ("back", "stay", "on")
    config = "{}"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return (3, 10, self.width)

    def pictures(self) -> Tensor:
        generator = torch.Generator().manual_seed(5)
        n_fields = self.n_places // len(self.offsets)
        size = (n_fields, 3, 10, self.width + max(self.offsets))
        return torch.randn(size, generator=generator, dtype=self.dtype)

    def start(
        self, n_episodes: int, generator: torch.Generator, *, held_out: bool = False
    ) -> WalkWorld:
        place = torch.randint(self.n_places, (n_episodes,), generator=generator)
        return WalkWorld(self, place)

    def easier(self) -> None:
        return None


class WalkWorld:
    def __init__(self, task: Walk, place: Tensor) -> None:
        self.task, self.place, self.first = task, place, place.clone()
        whole = Bank(task.pictures(), task.width, task.offsets)
        self._views = whole.views()
        self.bank = None if task.rendered else whole
        self.won = torch.zeros(len(place))

    def seen(self) -> Tensor:
        return self.place

    def frames(self) -> Tensor:
        return self._views[self.place]

    def step(self, action: Tensor) -> Tensor:
        self.place = (self.place + action - 1) % self.task.n_places
        self.won += self.place == 0
        return (self.place == 0).float()

    def trials(self) -> dict[str, Tensor]:
        shape = (self.task.n_trials, 1, len(self.place))
        return {
            "choice": self.first.expand(shape),
            "reward": torch.zeros(shape),
            "valid": torch.ones(shape).long(),
            "forced": torch.zeros(shape).long(),
        }

    def event_steps(self) -> Tensor:
        steps = torch.arange(self.task.n_trials).view(-1, 1, 1)
        return steps.expand(-1, 1, len(self.place)).clone()

    def score(self) -> float:
        return float(self.won.mean() / self.task.n_steps)
