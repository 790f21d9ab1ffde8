"""Two targets whose values change places: the other one's new value can be inferred.

A trial: the eyes fixate the center, then one of two targets is shown, left or right, and the eyes
go there. One target pays, the other one does not; without a sign the two change places. Whoever has
seen the change at one target can infer it at the other.

References
----------
Bromberg-Martin et al. 2010, doi:10.1152/jn.00158.2010; Wang et al. 2018,
doi:10.1038/s41593-018-0147-8, simulation 3.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Effect, Episodes, draw_uniform
from neuro_metarl.tasks.one_step import check_whole

__all__ = ["INFERRED_VALUE_FORMS", "InferredValue"]

INFERRED_VALUE_FORMS: dict[str, dict[str, Any]] = {
    "inferred-value": {},
    "inferred-value-independent": {"independent": True},
}
LEFT, RIGHT, CENTER = range(3)


@dataclass(frozen=True)
class InferredValue:
    """One of two targets is shown on each trial; which one pays changes without a sign.

    Parameters
    ----------
    n_trials
        Trials per episode.
    p_switch
        Probability per trial, from the second, that values change.
    p_reward
        Probability that the better target pays 1; the other one pays with one minus it.
    independent
        The control: each target's value changes on its own, so that one says nothing of the other.
    invalid_penalty
        Reward of looking away from the center during fixation, or not at the target.

    Raises
    ------
    InputError
        An impossible value.

    Notes
    -----
    In the cohort ``stimulus`` is the target shown (0 left, 1 right), ``choice`` the target that was
    looked at, ``problem`` the better target (of independent ones 0 to 3: left's value plus twice
    right's), and ``expected_reward`` what each target would pay on average. The paper's rewards,
    block lengths and penalty could not be read: see ``docs/wang2018.md``.

    Examples
    --------
    >>> InferredValue(independent=True).name
    'inferred-value-independent'
    """

    n_trials: int = 60
    p_switch: float = 1 / 24
    p_reward: float = 1.0
    independent: bool = False
    invalid_penalty: float = -1.0

    def __post_init__(self) -> None:
        check_whole("n_trials", self.n_trials)
        if not 0 <= self.p_switch <= 1:
            raise InputError(f"p_switch is {self.p_switch}, expected a probability from 0 to 1")
        if not 0.5 <= self.p_reward <= 1:
            raise InputError(f"p_reward is {self.p_reward}, expected 0.5 to 1")

    @property
    def name(self) -> str:
        """Name of the task."""
        return "inferred-value-independent" if self.independent else "inferred-value"

    @property
    def events(self) -> tuple[str, ...]:
        """Steps of a trial."""
        return ("fixation", "target")

    @property
    def actions(self) -> tuple[str, ...]:
        """Where the eyes can go."""
        return ("left", "right", "center")

    @property
    def n_actions(self) -> int:
        """Left, right, center."""
        return 3

    @property
    def n_observations(self) -> int:
        """The fixation point, the left and the right target."""
        return 3

    @property
    def config(self) -> str:
        """The parameters as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    def fixed_observations(self) -> Tensor:
        """Show the fixation point; the targets are drawn; dims (step of the episode, row)."""
        shown = torch.zeros(2, 3, dtype=torch.float32)
        shown[0, 0] = 1
        return shown.repeat(self.n_trials, 1)

    def draw(self, n_episodes: int, generators: Sequence[torch.Generator]) -> Episodes:
        """Draw targets, changes and rewards.

        Parameters
        ----------
        n_episodes
            Episodes per agent.
        generators
            One per agent.

        Returns
        -------
        Episodes
            ``variables``: ``shown``, dims (trial, agent, episode); ``p_reward`` and ``pays``, dims
            (trial, agent, target, episode).
        """
        n = self.n_trials
        uniform = draw_uniform(2 + 5 * n, n_episodes, generators)
        shown = (uniform[2 : 2 + n] < 0.5).long()
        change = uniform[2 + n : 2 + 3 * n].unflatten(0, (n, 2)) < self.p_switch
        change[0] = False
        high = (uniform[:2] < 0.5).long() + change.long().cumsum(0)
        if not self.independent:
            high[:, 1] = high[:, 0] + 1
        high = (high % 2).movedim(1, 2)
        p = torch.where(high == 1, self.p_reward, 1 - self.p_reward).to(torch.float32)
        pays = uniform[2 + 3 * n :].unflatten(0, (n, 2)).movedim(1, 2) < p
        return self.episodes({"shown": shown, "p_reward": p, "pays": pays.float()})

    def episodes(self, variables: dict[str, Tensor]) -> Episodes:
        """Make episodes of targets and rewards that were drawn elsewhere.

        Parameters
        ----------
        variables
            As :meth:`draw` leaves them.

        Returns
        -------
        Episodes
        """
        shown, pays = variables["shown"], variables["pays"]
        observed = torch.zeros(self.n_trials, 2, *shown.shape[1:2], 3, shown.shape[2])
        observed[:, 0, :, 0] = 1
        observed[:, 1, :, 1], observed[:, 1, :, 2] = (
            (shown == LEFT).float(),
            (shown == RIGHT).float(),
        )
        away = torch.full((*shown.shape[:2], 3, shown.shape[2]), self.invalid_penalty)
        fixated, looked = away.clone(), away.clone()
        fixated[:, :, CENTER] = 0
        for target in (LEFT, RIGHT):
            looked[:, :, target] = torch.where(
                shown == target, pays[:, :, target], self.invalid_penalty
            )
        row = self.n_actions + self.n_observations
        effects = (Effect(0, 1, row, fixated.unsqueeze(3)), Effect(1, 1, row, looked.unsqueeze(3)))
        return Episodes(effects, variables, observed=observed.flatten(0, 1))

    def trials(self, episodes: Episodes, actions: Tensor) -> dict[str, Tensor]:
        """Read the cohort's trial variables off what was drawn.

        Parameters
        ----------
        episodes
            What :meth:`draw` gave.
        actions
            int64, dims (step, agent, episode).

        Returns
        -------
        dict
            ``choice, reward, valid, invalid_reason, forced, correct, stimulus, problem``, dims
            (trial, agent, episode), and ``expected_reward``, dims (trial, agent, target, episode).
        """
        shown, p = episodes.variables["shown"], episodes.variables["p_reward"]
        valid = (actions[0::2] == CENTER) & (actions[1::2] == shown)
        paid = episodes.variables["pays"].gather(2, shown.unsqueeze(2)).squeeze(2)
        high = (p > 0.5).long()
        kind = high[:, :, 0] + 2 * high[:, :, 1] if self.independent else high[:, :, 1]
        none = torch.tensor(-1)
        return {
            "choice": torch.where(valid, shown, none),
            "reward": torch.where(valid, paid, 0.0),
            "valid": valid.long(),
            "invalid_reason": torch.where(valid, 0, 2),
            "forced": torch.zeros_like(shown),
            "correct": torch.full_like(shown, -1),
            "stimulus": shown,
            "problem": kind,
            "expected_reward": p,
        }
