"""Bandits: independent and dependent arms, eleven arms of which one informs, restless arms.

An episode is a session with one bandit. At each step the agent sees its last action, its last
reward and how far the episode has come; with eleven arms it sees the last reward one-hot too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.tasks.base import Effect, Episodes, draw_uniform
from neuro_metarl.tasks.one_step import OneStep, check_whole

__all__ = ["Bandit", "ElevenArms", "RestlessBandit"]

BETTER_ARM = {"easy": 0.9, "medium": 0.75, "hard": 0.6}
KINDS = ("independent", "uniform", *BETTER_ARM)
BANDIT_FORMS = {
    "bandit-independent": "independent",
    **{f"bandit-dependent-{kind}": kind for kind in KINDS[1:]},
}


@dataclass(frozen=True)
class Bandit(OneStep):
    """Two Bernoulli arms whose probabilities stay within an episode.

    Parameters
    ----------
    arms
        ``"independent"``: both uniform on 0 to 1. The others have the second arm pay with one
        minus the first's probability: ``"uniform"`` (first uniform), ``"easy"`` (.9 and .1),
        ``"medium"`` (.75 and .25), ``"hard"`` (.6 and .4).
    n_trials
        Trials per episode.

    Raises
    ------
    InputError
        Unknown arms or an impossible number of trials.

    References
    ----------
    Wang et al. 2016, arXiv:1611.05763, experiments 1 and 2.

    Examples
    --------
    >>> Bandit("easy").name
    'bandit-dependent-easy'
    """

    arms: str = "independent"
    n_trials: int = 100

    def __post_init__(self) -> None:
        check_whole("n_trials", self.n_trials)
        if self.arms not in KINDS:
            raise InputError(f"arms is {self.arms!r}; {did_you_mean(self.arms, KINDS)}")

    @property
    def name(self) -> str:
        """Name of the task."""
        return next(name for name, arms in BANDIT_FORMS.items() if arms == self.arms)

    @property
    def n_actions(self) -> int:  # type: ignore[override]
        """Two arms."""
        return 2

    @property
    def n_observations(self) -> int:
        """How far the episode has come, from 0 to 1."""
        return 1

    def fixed_observations(self) -> Tensor:
        """Show the time; dims (step, row)."""
        return self.time()

    def draw(self, n_episodes: int, generators: Sequence[torch.Generator]) -> Episodes:
        """Draw the arms and what each pull would pay.

        Parameters
        ----------
        n_episodes
            Episodes per agent.
        generators
            One per agent.

        Returns
        -------
        Episodes
            ``variables``: ``expected_reward`` and ``reward_if``, dims (trial, agent, arm,
            episode).
        """
        uniform = draw_uniform(2 + 2 * self.n_trials, n_episodes, generators)
        if self.arms == "independent":
            p = uniform[:2]
        else:
            high = BETTER_ARM.get(self.arms)
            first = uniform[0]
            if high is not None:
                first = torch.where(first < 0.5, high, 1 - high).to(torch.float32)
            p = torch.stack([first, 1 - first])
        expected = p.transpose(0, 1).expand(self.n_trials, -1, -1, -1)
        return _bernoulli(uniform[2:], expected, self.n_actions + self.n_observations)


@dataclass(frozen=True)
class RestlessBandit(OneStep):
    """Two arms that pay with p and 1 - p; p walks slowly or fast, which of them is hidden.

    Parameters
    ----------
    sd_low, sd_high
        Standard deviation of p's Gaussian step per trial in an episode of low and of high
        volatility, reflected at 0 and 1. The paper does not give them; these are ours.
    n_trials
        Trials per episode.

    Raises
    ------
    InputError
        An impossible value.

    Notes
    -----
    ``problem`` says which volatility an episode has: 0 low, 1 high, each half of the time. p
    starts uniform on 0 to 1.

    References
    ----------
    Wang et al. 2016, arXiv:1611.05763, experiment 4.

    Examples
    --------
    >>> RestlessBandit().n_actions
    2
    """

    sd_low: float = 0.02
    sd_high: float = 0.2
    n_trials: int = 100

    def __post_init__(self) -> None:
        check_whole("n_trials", self.n_trials)
        if not 0 <= self.sd_low <= self.sd_high:
            raise InputError(
                f"sd_low is {self.sd_low} and sd_high {self.sd_high}, expected 0 <= low <= high"
            )

    @property
    def name(self) -> str:
        """Name of the task."""
        return "bandit-restless"

    @property
    def n_actions(self) -> int:  # type: ignore[override]
        """Two arms."""
        return 2

    @property
    def n_observations(self) -> int:
        """How far the episode has come, from 0 to 1."""
        return 1

    def fixed_observations(self) -> Tensor:
        """Show the time; dims (step, row)."""
        return self.time()

    def draw(self, n_episodes: int, generators: Sequence[torch.Generator]) -> Episodes:
        """Draw volatilities, walks and what each pull would pay.

        Parameters
        ----------
        n_episodes
            Episodes per agent.
        generators
            One per agent.

        Returns
        -------
        Episodes
            As :meth:`Bandit.draw`, and ``problem``, dims (trial, agent, episode).
        """
        n = self.n_trials
        uniform = draw_uniform(2 + 3 * n, n_episodes, generators)
        volatile = (uniform[0] < 0.5).long()
        sd = torch.where(volatile == 1, self.sd_high, self.sd_low).to(torch.float32)
        steps = torch.special.ndtri(uniform[2 : 2 + n].clamp(1e-7, 1 - 1e-7)) * sd
        steps[0] = uniform[1]
        p = 1 - (steps.cumsum(0) % 2 - 1).abs()
        expected = torch.stack([p, 1 - p], dim=2)
        row = self.n_actions + self.n_observations
        return _bernoulli(
            uniform[2 + n :], expected, row, problem=volatile.expand(n, *volatile.shape)
        )


@dataclass(frozen=True)
class ElevenArms(OneStep):
    """Eleven arms: ten candidates, one of which is the target, and one that tells which.

    Parameters
    ----------
    target_reward, other_reward
        What the target and each of the nine other candidates pay.
    n_trials
        Trials per episode.

    Notes
    -----
    Arms 0 to 9 are candidates, arm 10 informs: it pays a tenth of the target's number, counted
    from 1. Nothing is random but the target. The last reward is shown one-hot, one row for each
    value there can be, besides the number itself.

    References
    ----------
    Wang et al. 2016, arXiv:1611.05763, experiment 3.

    Examples
    --------
    >>> ElevenArms().n_observations
    11
    """

    target_reward: float = 5.0
    other_reward: float = 1.0
    n_trials: int = 5
    shows_reward: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_whole("n_trials", self.n_trials)
        if self.target_reward <= self.other_reward:
            raise InputError(
                f"target_reward is {self.target_reward}, expected more than other_reward "
                f"({self.other_reward})"
            )

    @property
    def name(self) -> str:
        """Name of the task."""
        return "bandit-eleven"

    @property
    def n_actions(self) -> int:  # type: ignore[override]
        """Ten candidates and the informative arm."""
        return 11

    @property
    def n_observations(self) -> int:
        """One row for each reward there can be."""
        return len(self._values())

    def fixed_observations(self) -> Tensor:
        """Show nothing before the first reward; dims (step, row)."""
        return torch.zeros(self.n_trials, self.n_observations, dtype=torch.float32)

    def draw(self, n_episodes: int, generators: Sequence[torch.Generator]) -> Episodes:
        """Draw the targets.

        Parameters
        ----------
        n_episodes
            Episodes per agent.
        generators
            One per agent.

        Returns
        -------
        Episodes
            As :meth:`Bandit.draw`.
        """
        target = (10 * draw_uniform(1, n_episodes, generators)[0]).long()
        arms = torch.arange(11).view(1, 11, 1)
        is_target = arms == target.unsqueeze(1)
        pays = torch.where(is_target, self.target_reward, self.other_reward).to(torch.float32)
        pays[:, 10] = (target + 1).to(torch.float32) / 10
        values = torch.tensor(self._values(), dtype=torch.float32)
        shown = ((pays.unsqueeze(2) - values.view(1, 1, -1, 1)).abs() < 1e-4).float()
        rows = torch.cat([shown, pays.unsqueeze(2)], dim=2)
        expected = pays.expand(self.n_trials, *pays.shape)
        table = rows.expand(self.n_trials, *rows.shape)
        effect = Effect(step=0, delay=1, row=self.n_actions, table=table)
        return Episodes((effect,), {"expected_reward": expected, "reward_if": expected})

    def _values(self) -> list[float]:
        tenths = {round(k / 10, 1) for k in range(1, 11)}
        return sorted(tenths | {self.target_reward, self.other_reward})


def _bernoulli(uniform: Tensor, expected: Tensor, row: int, **more: Tensor) -> Episodes:
    reward = (uniform.unflatten(0, (2, -1)).movedim(0, 2) < expected).float()
    effect = Effect(step=0, delay=1, row=row, table=reward.unsqueeze(3))
    return Episodes((effect,), {"expected_reward": expected, "reward_if": reward, **more})
