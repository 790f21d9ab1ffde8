"""A small certain reward or a large risky one, whose odds change within the session.

References
----------
Stopper et al. 2014, doi:10.1016/j.neuron.2014.08.033; Wang et al. 2018,
doi:10.1038/s41593-018-0147-8, simulation 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Effect, Episodes, draw_uniform
from neuro_metarl.tasks.one_step import OneStep, check_whole

__all__ = ["RISKY_FORMS", "Risky"]

RISKY_FORMS: dict[str, dict[str, Any]] = {
    "risky-choice": {},
    "risky-choice-variable": {"safe_low": 0.4, "safe_high": 1.6},
}


@dataclass(frozen=True)
class Risky(OneStep):
    """One action pays for certain, the other one more, now and then.

    Parameters
    ----------
    n_trials
        Trials per episode.
    n_forced
        Trials at the beginning whose choice is imposed, half of them of each action, shuffled.
    risky_reward
        What the risky action pays, if it does.
    p_low, p_high
        Probabilities that it does.
    hazard
        Probability per trial that one takes the place of the other.
    safe_low, safe_high
        What the safe action pays is drawn between them in each episode, and stays.

    Raises
    ------
    InputError
        An impossible value.

    Notes
    -----
    Which action is the risky one is drawn in each episode. In the cohort ``problem`` is that
    action, and ``expected_reward`` what each action pays on average. Magnitudes and probabilities
    are those of a re-implementation: the paper's could not be read, see ``docs/wang2018.md``.

    Examples
    --------
    >>> Risky(safe_low=0.4, safe_high=1.6).name
    'risky-choice-variable'
    """

    n_trials: int = 60
    n_forced: int = 10
    risky_reward: float = 4.0
    p_low: float = 0.125
    p_high: float = 0.5
    hazard: float = 1 / 25
    safe_low: float = 1.0
    safe_high: float = 1.0

    def __post_init__(self) -> None:
        check_whole("n_trials", self.n_trials)
        if self.n_forced % 2 or not 0 <= self.n_forced < self.n_trials:
            raise InputError(
                f"n_forced is {self.n_forced}, expected an even number from 0, below n_trials"
            )
        for name in ("p_low", "p_high", "hazard"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}, expected a probability, 0 to 1")
        if not 0 <= self.safe_low <= self.safe_high:
            raise InputError(
                f"safe_low is {self.safe_low} and safe_high {self.safe_high}, expected 0 or more, "
                "rising"
            )

    @property
    def name(self) -> str:
        """Name of the task."""
        return "risky-choice" if self.safe_low == self.safe_high else "risky-choice-variable"

    @property
    def n_actions(self) -> int:  # type: ignore[override]
        """Two levers."""
        return 2

    @property
    def n_observations(self) -> int:
        """One row, in which nothing is shown."""
        return 1

    def fixed_observations(self) -> Tensor:
        """Show nothing; dims (step, row)."""
        return torch.zeros(self.n_trials, 1, dtype=torch.float32)

    def draw(self, n_episodes: int, generators: Sequence[torch.Generator]) -> Episodes:
        """Draw which action is risky, its odds and wins, the safe pay, and the forced choices.

        Parameters
        ----------
        n_episodes
            Episodes per agent.
        generators
            One per agent.

        Returns
        -------
        Episodes
            ``variables``: ``expected_reward`` and ``reward_if``, dims (trial, agent, action,
            episode), ``problem`` and ``forced_choice``, dims (trial, agent, episode).
        """
        n, n_forced = self.n_trials, self.n_forced
        uniform = draw_uniform(3 + 2 * n + n_forced, n_episodes, generators)
        risky = (uniform[0] < 0.5).long()
        safe = self.safe_low + (self.safe_high - self.safe_low) * uniform[1]
        turns = (uniform[3 : 3 + n] < self.hazard).long()
        turns[0] = (uniform[2] < 0.5).long()
        p = torch.where(turns.cumsum(0) % 2 == 1, self.p_high, self.p_low).to(torch.float32)
        won = self.risky_reward * (uniform[3 + n : 3 + 2 * n] < p).float()
        is_risky = torch.stack([risky == action for action in (0, 1)], dim=1)
        paid, mean = (
            torch.where(is_risky, of_risky.unsqueeze(2), safe.unsqueeze(1))
            for of_risky in (won, self.risky_reward * p)
        )
        forced = torch.full((n, *risky.shape), -1, dtype=torch.long)
        forced[:n_forced] = uniform[3 + 2 * n :].argsort(dim=0) % 2
        effect = Effect(0, 1, self.n_actions + self.n_observations, paid.unsqueeze(3))
        return Episodes(
            (effect,),
            {
                "expected_reward": mean,
                "reward_if": paid,
                "problem": risky.expand(n, *risky.shape),
                "forced_choice": forced,
            },
            forced if n_forced else None,
        )

    def trials(self, episodes: Episodes, actions: Tensor) -> dict[str, Tensor]:
        """Read the cohort's trial variables off the potential outcomes.

        Parameters
        ----------
        episodes, actions
            See :meth:`OneStep.trials`.

        Returns
        -------
        dict
            As there; ``forced`` is 1 where the choice was imposed.
        """
        forced = (episodes.variables["forced_choice"] >= 0).long()
        return super().trials(episodes, actions) | {"forced": forced}
