"""One reversing bandit, stable and volatile in turn: how fast to learn must itself be learned.

On every trial exactly one of two arms pays, so that each outcome informs about both. In a stable
phase the better arm stays the same; in a volatile one the arms change places now and then. Which
phase it is, is hidden.

References
----------
Behrens et al. 2007, doi:10.1038/nn1954; Wang et al. 2018, doi:10.1038/s41593-018-0147-8,
simulation 2.
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

__all__ = ["PHASES", "VOLATILITY_FORMS", "Volatility"]

PHASES = {"S": 0, "V": 1}
"""Letters of stable and volatile phases, and their number in ``problem``."""
KINDS = ("SV", "VS", "SS", "VV")

VOLATILITY_FORMS: dict[str, dict[str, Any]] = {
    "bandit-volatility": {},
    "bandit-volatility-slow": {"p_volatile": 0.8, "hazard": 0.04},
}


@dataclass(frozen=True)
class Volatility(OneStep):
    """Two arms of which exactly one pays, in two phases of equal length.

    Parameters
    ----------
    p_stable, p_volatile
        Probability that the better arm pays, in a stable and in a volatile phase.
    hazard
        Probability per trial of a volatile phase, from its second, that the arms change places.
    min_block
        If above 0, they change places after exactly so many trials, each time: then ``hazard`` is
        without effect. A network can count such trials.
    kinds
        The episodes that there are, separated by spaces, all equally likely: ``"SV"`` is a stable
        phase and then a volatile one, likewise ``"VS"``, ``"SS"`` and ``"VV"``.
    n_trials
        Trials per episode, an even number.

    Raises
    ------
    InputError
        An impossible value.

    Notes
    -----
    ``problem`` is the phase of a trial: 0 stable, 1 volatile. Nothing is shown but the last choice
    and reward (one row of zeros), above all no time, which alone would tell where phases change.
    The paper's episodes could not be read; the default form is the one in which an adaptive
    learning rate is worth most, ``"bandit-volatility-slow"`` is close to what Behrens et al. (2007)
    gave their subjects.

    Examples
    --------
    >>> Volatility(hazard=0.04, p_volatile=0.8).name
    'bandit-volatility-slow'
    """

    p_stable: float = 0.75
    p_volatile: float = 0.85
    hazard: float = 0.1
    min_block: int = 0
    kinds: str = "SV VS"
    n_trials: int = 200

    def __post_init__(self) -> None:
        check_whole("n_trials", self.n_trials)
        if self.n_trials % 2:
            raise InputError(f"n_trials is {self.n_trials}, expected an even number: two phases")
        for name in ("p_stable", "p_volatile"):
            if not 0.5 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}, expected 0.5 to 1")
        if not 0 <= self.hazard <= 1:
            raise InputError(f"hazard is {self.hazard}, expected a probability from 0 to 1")
        if self.min_block < 0 or self.min_block != int(self.min_block):
            raise InputError(f"min_block is {self.min_block}, expected 0 or more trials")
        bad = [kind for kind in self.kinds.split() if kind not in KINDS]
        if bad or not self.kinds.split():
            raise InputError(
                f"kinds is {self.kinds!r}, expected some of {', '.join(KINDS)}, separated by spaces"
            )

    @property
    def name(self) -> str:
        """Name of the task."""
        slow = VOLATILITY_FORMS["bandit-volatility-slow"]
        same = all(getattr(self, key) == value for key, value in slow.items())
        return "bandit-volatility-slow" if same else "bandit-volatility"

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
        """Draw kinds of episodes, reversals, and which arm pays on each trial.

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
            episode), and ``problem``, dims (trial, agent, episode).
        """
        n, kinds = self.n_trials, self.kinds.split()
        uniform = draw_uniform(2 + 2 * n, n_episodes, generators)
        place = torch.arange(n, device=uniform.device).view(-1, 1, 1) % (n // 2)
        table = torch.tensor([[PHASES[letter] for letter in kind] for kind in kinds],
                             device=uniform.device)  # fmt: skip
        phases = table[(len(kinds) * uniform[0]).long()].movedim(-1, 0)
        volatile = phases.repeat_interleave(n // 2, 0) == 1
        if self.min_block:
            turns = volatile & (place % self.min_block == 0) & (place > 0)
        else:
            turns = volatile & (place > 0) & (uniform[2 : 2 + n] < self.hazard)
        first_is_better = ((uniform[1] < 0.5) + turns.long().cumsum(0)) % 2 == 1
        high = torch.where(volatile, self.p_volatile, self.p_stable).to(torch.float32)
        p = torch.where(first_is_better, high, 1 - high)
        pays = uniform[2 + n :] < p
        reward = torch.stack([pays, ~pays], dim=2).float()
        row = self.n_actions + self.n_observations
        effect = Effect(step=0, delay=1, row=row, table=reward.unsqueeze(3))
        return Episodes(
            (effect,),
            {
                "expected_reward": torch.stack([p, 1 - p], dim=2),
                "reward_if": reward,
                "problem": volatile.long(),
            },
        )
