"""Foraging between two arms that fill up while they are left: the task of the matching law.

On every trial each arm is baited with a probability of its own, and a bait stays until the arm is
chosen. So an arm that was left for ``n`` trials pays with probability ``1 - (1 - p0)^(n + 1)``.

References
----------
Tsutsui et al. 2016, doi:10.1038/ncomms12554; Wang et al. 2018, doi:10.1038/s41593-018-0147-8,
simulation 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Episodes, Reaction, draw_uniform
from neuro_metarl.tasks.one_step import OneStep, check_whole

__all__ = ["FORAGING_FORMS", "SUM_OF_P", "Foraging"]

SUM_OF_P = 0.5
"""What the probabilities of the two arms add up to."""
N_RANGES, WIDTH = 3, 0.1


FORAGING_FORMS: dict[str, dict[str, bool | float]] = {
    "bandit-foraging": {},
    "bandit-foraging-training": {"leaves_out": True, "shortest": 0.5},
    "bandit-foraging-unbaited": {"leaves_out": True, "shortest": 0.5, "baited": False},
}


@dataclass(frozen=True)
class Foraging(OneStep):
    """Two arms that are baited with probabilities p and .5 - p.

    Parameters
    ----------
    n_trials
        Trials of an episode, at most.
    shortest
        Shortest episode, as a share of ``n_trials``: each episode has its own number of trials,
        from these to ``n_trials``, all equally likely.
    leaves_out
        p of arm 0 lies in 0 to .1, .2 to .3 or .4 to .5; what lies between is kept for tests. If
        false, it is uniform from 0 to .5.
    baited
        A bait stays until its arm is chosen. If not, it is lost with the trial: a control.

    Raises
    ------
    InputError
        An impossible value.

    Notes
    -----
    ``p_reward`` is what an arm is baited with, p; ``expected_reward`` is what it would pay on
    average on that trial of the subject's own session, ``1 - (1 - p)^(n + 1)``. The larger of the
    two is not what an optimal player chooses, who looks further ahead: ``correct`` is undefined,
    and :func:`neuro_metarl.regret` counts what a trial misses against the arm that pays more at
    that moment. Nothing is shown but the last choice and reward (one row of zeros); there is no
    fixation. What was published of the ranges and lengths could not be read: see
    ``docs/wang2018.md``.

    Examples
    --------
    >>> Foraging(leaves_out=True).name
    'bandit-foraging-training'
    """

    n_trials: int = 100
    shortest: float = 1.0
    leaves_out: bool = False
    baited: bool = True

    def __post_init__(self) -> None:
        check_whole("n_trials", self.n_trials)
        if not 0 < self.shortest <= 1:
            raise InputError(f"shortest is {self.shortest}, expected a share above 0, at most 1")

    @property
    def name(self) -> str:
        """Name of the task."""
        if not self.baited:
            return "bandit-foraging-unbaited"
        return "bandit-foraging-training" if self.leaves_out else "bandit-foraging"

    @property
    def n_actions(self) -> int:  # type: ignore[override]
        """Two arms."""
        return 2

    @property
    def n_observations(self) -> int:
        """One row, in which nothing is shown."""
        return 1

    def fixed_observations(self) -> Tensor:
        """Show nothing; dims (step, row)."""
        return torch.zeros(self.n_trials, 1, dtype=torch.float32)

    def draw(self, n_episodes: int, generators: Sequence[torch.Generator]) -> Episodes:
        """Draw the arms and which of them is newly baited on each trial.

        Parameters
        ----------
        n_episodes
            Episodes per agent.
        generators
            One per agent.

        Returns
        -------
        Episodes
            ``variables``: ``p_reward`` and ``bait`` (0 or 1), dims (trial, agent, arm, episode).
        """
        n = self.n_trials
        uniform = draw_uniform(3 + 2 * n, n_episodes, generators)
        p = SUM_OF_P * uniform[0]
        if self.leaves_out:
            p = 2 * WIDTH * (N_RANGES * uniform[1]).floor() + WIDTH * uniform[0]
        odds = torch.stack([p, SUM_OF_P - p], dim=1)
        bait = uniform[3:].unflatten(0, (n, 2)).movedim(1, 2) < odds
        least = max(1, round(self.shortest * n))
        last = least + ((n - least + 1) * uniform[2]).long()
        reached = torch.arange(n, device=p.device).view(-1, 1, 1) < last
        return Episodes(
            (),
            {"p_reward": odds.expand(n, *odds.shape), "bait": bait.float()},
            begin=lambda: self._reaction(bait, reached),
            reached=None if least == n else reached,
        )

    def _reaction(self, bait: Tensor, reached: Tensor) -> Reaction:
        waiting = torch.zeros_like(bait[0])

        def pay(step: int, actions: Tensor) -> Tensor:
            chosen, there = actions > 0, bait[step] | waiting
            if self.baited:
                waiting.copy_(there & ~chosen)
            return (there & chosen).any(1) & reached[step]

        return pay

    def trials(self, episodes: Episodes, actions: Tensor) -> dict[str, Tensor]:
        """Play the baits again, and read off the cohort's trial variables.

        Parameters
        ----------
        episodes
            What ``draw`` gave.
        actions
            int64, dims (trial, agent, episode).

        Returns
        -------
        dict
            ``choice, reward, valid, invalid_reason, forced, correct``, dims (trial, agent,
            episode), ``p_reward`` and ``expected_reward``, dims (trial, agent, arm, episode).
        """
        assert episodes.begin is not None
        pay, zero = episodes.begin(), torch.zeros_like(actions)
        taken = one_hot(actions, 2).movedim(-1, 2)
        reward = torch.stack([pay(t, taken[t]) for t in range(self.n_trials)]).float()
        odds = episodes.variables["p_reward"]
        pays = odds.clone()
        if self.baited:
            empty = torch.ones_like(pays[0])
            for t in range(self.n_trials):
                empty = empty * (1 - odds[t])
                pays[t] = 1 - empty
                empty = torch.where(taken[t] > 0, 1.0, empty)
        there = zero == 0 if episodes.reached is None else episodes.reached
        return {
            "choice": torch.where(there, actions, -1),
            "reward": torch.where(there, reward, torch.nan),
            "valid": there.long(),
            "invalid_reason": (~there).long(),
            "forced": zero,
            "correct": zero - 1,
            "p_reward": torch.where(there.unsqueeze(2), odds, torch.nan),
            "expected_reward": torch.where(there.unsqueeze(2), pays, torch.nan),
        }
