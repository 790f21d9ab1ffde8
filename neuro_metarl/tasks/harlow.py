"""Harlow's learning sets in symbols: two objects, one of them pays, new objects in every episode.

An object is a vector of Gaussian features. On every trial the two stand left and right in random
order; choosing the one that pays is rewarded, on every trial of the episode. The first trial is a
guess; whoever has learned to learn makes no mistake after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Effect, Episodes
from neuro_metarl.tasks.one_step import OneStep, check_whole

__all__ = ["Harlow", "draw_sides"]


def draw_sides(
    n_trials: int, n_episodes: int, generator: torch.Generator, *, balanced: bool = False
) -> Tensor:
    """Draw on which side the object that pays stands.

    Parameters
    ----------
    n_trials, n_episodes
        Sizes.
    generator
        Random numbers; the tensor is made on its device.
    balanced
        As often left as right in every episode, in random order (one more on a random side
        where trials are odd in number). If not, each trial's side is a fair coin.

    Returns
    -------
    torch.Tensor
        int64, dims (trial, episode): 0 left, 1 right.

    Examples
    --------
    >>> sides = draw_sides(6, 4, torch.Generator().manual_seed(0), balanced=True)
    >>> sides.sum(0)
    tensor([3, 3, 3, 3])
    """
    device = generator.device
    uniform = torch.rand(
        n_trials + 1, n_episodes, generator=generator, dtype=torch.float32, device=device
    )
    if not balanced:
        return (uniform[:-1] < 0.5).long()
    first = (uniform[-1] < 0.5).long()
    return (uniform[:-1].argsort(dim=0) + first) % 2


@dataclass(frozen=True)
class Harlow(OneStep):
    """Two objects as random features, sides shuffled on every trial, new objects every episode.

    Parameters
    ----------
    n_features
        Features of an object, independent standard Gaussians.
    n_trials
        Trials per episode, which is one problem.
    reward_correct, reward_wrong
        What the object that pays and the other one give.
    balanced
        The better object stands as often left as right in every episode.

    Raises
    ------
    InputError
        An impossible value.

    Notes
    -----
    An agent sees the left object's features, then the right one's. A perfect agent is right on
    half of the first trials and on all others: with +1 and -1 it earns 5 in six trials.

    References
    ----------
    Harlow 1949, doi:10.1037/h0062474; Wang et al. 2016, arXiv:1611.05763, experiment 6; Wang et
    al. 2018, doi:10.1038/s41593-018-0147-8, simulation 5.

    Examples
    --------
    >>> Harlow().n_observations
    128
    """

    n_features: int = 64
    n_trials: int = 6
    reward_correct: float = 1.0
    reward_wrong: float = -1.0
    balanced: bool = False

    def __post_init__(self) -> None:
        check_whole("n_features", self.n_features)
        check_whole("n_trials", self.n_trials)
        check_rewards(self.reward_correct, self.reward_wrong)

    @property
    def name(self) -> str:
        """Name of the task."""
        return "harlow"

    @property
    def actions(self) -> tuple[str, ...]:
        """Choose the left or the right object."""
        return ("left", "right")

    @property
    def n_actions(self) -> int:  # type: ignore[override]
        """Two sides."""
        return 2

    @property
    def n_observations(self) -> int:
        """Features of both objects."""
        return 2 * self.n_features

    def fixed_observations(self) -> Tensor:
        """Show nothing that is the same in every episode; dims (step, row)."""
        return torch.zeros(self.n_trials, self.n_observations, dtype=torch.float32)

    def draw(self, n_episodes: int, generators: Sequence[torch.Generator]) -> Episodes:
        """Draw objects and sides.

        Parameters
        ----------
        n_episodes
            Episodes per agent.
        generators
            One per agent.

        Returns
        -------
        Episodes
            ``observed``: both objects' features, dims (trial, agent, row, episode).
            ``variables``: ``side`` (0: the object that pays stands left), dims (trial, agent,
            episode), and ``expected_reward`` and ``reward_if``, dims (trial, agent, choice,
            episode).
        """
        drawn = [self._draw_one(n_episodes, generator) for generator in generators]
        objects = torch.stack([one for one, _ in drawn])
        side = torch.stack([sides for _, sides in drawn], dim=1)
        right = (side == 1)[:, :, None]
        pays, other = objects[:, 0], objects[:, 1]
        observed = torch.cat([torch.where(right, other, pays), torch.where(right, pays, other)], 2)
        choice = torch.arange(2, device=side.device).view(1, 1, 2, 1)
        paid = torch.where(choice == side[:, :, None], self.reward_correct, self.reward_wrong)
        paid = paid.to(torch.float32)
        effect = Effect(0, 1, self.n_actions + self.n_observations, paid.unsqueeze(3))
        variables = {"side": side, "expected_reward": paid, "reward_if": paid}
        return Episodes((effect,), variables, observed=observed)

    def _draw_one(self, n_episodes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        shape = (2, self.n_features, n_episodes)
        objects = torch.randn(
            shape, generator=generator, dtype=torch.float32, device=generator.device
        )
        sides = draw_sides(self.n_trials, n_episodes, generator, balanced=self.balanced)
        return objects, sides


def check_rewards(correct: float, wrong: float) -> None:
    """Refuse rewards that do not favour the right choice.

    Raises
    ------
    InputError
        The wrong choice pays as much or more.
    """
    if not wrong < correct:
        raise InputError(
            f"reward_correct is {correct} and reward_wrong {wrong}, expected wrong < correct"
        )
