"""The two-step task in all its forms: one class, parameters say which.

A trial: optional fixation, then a first-step choice (left or right) that leads to one of two
second-step states, commonly or rarely, then the second step, where the state pays a reward or
not. Which state is the better one changes in blocks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Effect, Episodes, draw_uniform

__all__ = ["TwoStep"]

FORMS: dict[str, dict[str, Any]] = {
    "two-step": {},
    "two-step-2016": {
        "n_trials": 10,
        "p_common": 0.75,
        "p_switch": 0.0,
        "fixation": False,
    },
    "two-step-miller": {
        "p_reward_high": 0.8,
        "p_reward_low": 0.2,
        "p_switch": 0.02,
        "min_block": 10,
    },
    "two-step-akam": {
        "p_reward_high": 0.8,
        "p_reward_low": 0.2,
        "p_reward_neutral": 0.4,
        "p_switch": 0.05,
        "min_block": 40,
        "n_trials": 200,
    },
}


@dataclass(frozen=True)
class TwoStep:
    """A two-step task; the defaults are the form of Wang et al. (2018), simulation 4.

    Parameters
    ----------
    n_trials
        Trials per episode.
    p_common
        Probability of the common transition.
    p_reward_high, p_reward_low
        Reward probability of the better and of the worse second-step state.
    p_reward_neutral
        If given, there are neutral blocks too, in which both states pay with this probability.
    p_switch
        Probability per trial that a block ends, once it is ``min_block`` trials old. Where the
        experimenters ended blocks on the animal's performance (Akam et al.), this hazard with
        the same minimum stands in for it.
    min_block
        Trials that a block lasts at least, before ``p_switch`` applies.
    fixation
        A fixation step opens each trial; there is then a third action, *center*, that is right
        there and wrong at the first step.
    invalid_penalty
        Reward for an action that is not allowed: not center at fixation (the trial goes on), or
        center at the first step (the trial ends without a choice).
    p_forced
        Share of trials on which the first-step choice is imposed, as with rats.
    incongruent
        If true, left leads commonly to state 1 and right to state 0. Animals differ in this.

    Raises
    ------
    InputError
        A parameter is out of range.

    Notes
    -----
    Actions: 0 left, 1 right, 2 center. Any action ends the second step; which one is of no
    consequence. Observations, one-hot: fixation (if there is one), first step, second-step
    state 0, second-step state 1.

    Forms by name (see :func:`neuro_metarl.tasks.make_task`): ``two-step`` (common .8, reward
    .9/.1, values swap with probability .025 per trial, 100 trials), ``two-step-2016`` (common
    .75, .9/.1 fixed within an episode of 10 trials, no fixation), ``two-step-miller`` (rats:
    common .8, reward .8/.2, blocks of at least 10 trials that then end with 2 % per trial),
    ``two-step-akam`` (mice: reward .8/.2 with neutral blocks of .4/.4, blocks of at least 40
    trials; transition probabilities do not reverse).

    References
    ----------
    Wang et al. 2016, arXiv:1611.05763; Wang et al. 2018, doi:10.1038/s41593-018-0147-8;
    Miller et al. 2017, doi:10.1038/nn.4613; Akam et al. 2021,
    doi:10.1016/j.neuron.2020.10.013.

    Examples
    --------
    >>> TwoStep(p_reward_high=0.8, p_reward_low=0.2).n_actions
    3
    >>> TwoStep(p_common=1.2)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: p_common is 1.2, expected a probability from 0 to 1
    """

    n_trials: int = 100
    p_common: float = 0.8
    p_reward_high: float = 0.9
    p_reward_low: float = 0.1
    p_reward_neutral: float | None = None
    p_switch: float = 0.025
    min_block: int = 0
    fixation: bool = True
    invalid_penalty: float = -1.0
    p_forced: float = 0.0
    incongruent: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.startswith("p_") and value is not None and not 0 <= value <= 1:
                raise InputError(f"{field.name} is {value}, expected a probability from 0 to 1")
        if self.n_trials < 1 or self.n_trials != int(self.n_trials):
            raise InputError(f"n_trials is {self.n_trials}, expected a whole number from 1")
        if self.min_block < 0:
            raise InputError(f"min_block is {self.min_block}, expected 0 or more trials")
        if self.p_reward_high < self.p_reward_low:
            raise InputError(
                f"p_reward_high is {self.p_reward_high}, below p_reward_low {self.p_reward_low}: "
                "the two are swapped"
            )

    @property
    def name(self) -> str:
        """Name of the form these parameters make, ``"two-step"`` if none in particular."""
        ignored = {"n_trials", "p_forced", "incongruent", "invalid_penalty"}
        mine = {k: v for k, v in asdict(self).items() if k not in ignored}
        for name, form in FORMS.items():
            if mine == {k: v for k, v in asdict(TwoStep(**form)).items() if k not in ignored}:
                return name
        return "two-step"

    @property
    def events(self) -> tuple[str, ...]:
        """Steps of a trial."""
        return ("fixation", "first_step", "second_step")[0 if self.fixation else 1 :]

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of the actions."""
        return ("left", "right", "center")[: self.n_actions]

    @property
    def n_actions(self) -> int:
        """Left, right and, with fixation, center."""
        return 3 if self.fixation else 2

    @property
    def n_observations(self) -> int:
        """Fixation (if any), first step, and the two second-step states."""
        return 4 if self.fixation else 3

    @property
    def config(self) -> str:
        """The parameters as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    def fixed_observations(self) -> Tensor:
        """Show fixation and the first step; the second step depends on the choice.

        Returns
        -------
        torch.Tensor
            Dims (step of the episode, row).
        """
        shown = torch.zeros(len(self.events), self.n_observations, dtype=torch.float32)
        for step in range(len(self.events) - 1):
            shown[step, step] = 1
        return shown.repeat(self.n_trials, 1)

    def draw(self, n_episodes: int, generators: Sequence[torch.Generator]) -> Episodes:
        """Draw transitions, rewards, blocks and forced choices for a batch of episodes.

        Parameters
        ----------
        n_episodes
            Episodes per agent.
        generators
            One per agent.

        Returns
        -------
        Episodes
            ``variables``: ``state_if`` and ``common_if``, dims (trial, agent, choice, episode);
            ``reward_if`` and ``p_reward``, dims (trial, agent, state, episode);
            ``forced_choice``, dims (trial, agent, episode), -1 where the choice is free.
        """
        n, n_blocks = self.n_trials, self._most_blocks()
        uniform = draw_uniform(5 * n + 2 * n_blocks, n_episodes, generators)
        u_transition, u_state_0, u_state_1, u_forced, u_side = uniform[: 5 * n].split(n)
        p_reward = self._reward_probabilities(uniform[5 * n :])
        common = u_transition < self.p_common
        first = torch.ones_like(common) if self.incongruent else torch.zeros_like(common)
        state_if_left = torch.where(common, first, ~first)
        reward_if = torch.stack([u_state_0, u_state_1], dim=2) < p_reward
        side = (u_side < 0.5).long()
        variables = {
            "common": common,
            "state_if": torch.stack([state_if_left, ~state_if_left], dim=2),
            "reward_if": reward_if,
            "p_reward": p_reward,
            "forced_choice": torch.where(u_forced < self.p_forced, side, -1),
        }
        return self.episodes(variables)

    def episodes(self, variables: dict[str, Tensor]) -> Episodes:
        """Make episodes of potential outcomes that were drawn elsewhere.

        Parameters
        ----------
        variables
            As :meth:`draw` leaves them.

        Returns
        -------
        Episodes
        """
        return Episodes(self._effects(variables), variables, self._imposed(variables))

    def trials(self, episodes: Episodes, actions: Tensor) -> dict[str, Tensor]:
        """Read the cohort's trial variables off the potential outcomes.

        Parameters
        ----------
        episodes
            What :meth:`draw` gave.
        actions
            int64, dims (step, agent, episode).

        Returns
        -------
        dict
            ``choice, state, common, reward, valid, invalid_reason, forced, correct``, dims
            (trial, agent, episode), and ``p_reward``, dims (trial, agent, state, episode).
        """
        table = episodes.variables
        first_step = self.events.index("first_step")
        action = actions[first_step :: len(self.events)]
        valid = action < 2
        choice = action.clamp(max=1)
        state = _pick(table["state_if"], choice)
        reward = _pick(table["reward_if"], state.long())
        p_reward = table["p_reward"]
        better = (p_reward[:, :, 1] > p_reward[:, :, 0]).long()
        neutral = p_reward[:, :, 1] == p_reward[:, :, 0]
        leads_to = choice ^ int(self.incongruent)
        correct = torch.where(neutral, -1, (leads_to == better).long())
        none = torch.tensor(-1)
        return {
            "choice": torch.where(valid, choice, none),
            "state": torch.where(valid, state.long(), none),
            "common": torch.where(valid, table["common"].long(), none),
            "reward": torch.where(valid, reward.float(), 0.0),
            "valid": valid.long(),
            "invalid_reason": torch.where(valid, 0, 3),
            "forced": (table["forced_choice"] >= 0).long() * valid,
            "correct": torch.where(valid, correct, none),
            "p_reward": p_reward,
        }

    def _most_blocks(self) -> int:
        return self.n_trials // (self.min_block + 1) + 1 if self.p_switch > 0 else 1

    def _reward_probabilities(self, uniform: Tensor) -> Tensor:
        u_length, u_kind = uniform.chunk(2)
        block = _block_index(u_length, self.n_trials, self.min_block, self.p_switch)
        high, low, neutral = self.p_reward_high, self.p_reward_low, self.p_reward_neutral
        if neutral is None:
            kind = ((u_kind[0] < 0.5).long() + block) % 2
            levels = [[high, low], [low, high]]
        else:
            start = (3 * u_kind[:1]).long()
            moves = 1 + (u_kind[1:] < 0.5).long()
            walk = torch.cat([start, moves]).cumsum(0) % 3
            kind = walk.gather(0, block)
            levels = [[high, low], [neutral, neutral], [low, high]]
        return torch.tensor(levels, dtype=torch.float32)[kind].movedim(-1, 2)

    def _effects(self, variables: dict[str, Tensor]) -> tuple[Effect, ...]:
        n_actions, n_steps = self.n_actions, len(self.events)
        state_if, reward_if = variables["state_if"].float(), variables["reward_if"].float()
        second = torch.stack([1 - state_if, state_if], dim=3)
        pay = torch.where(variables["state_if"], reward_if[:, :, 1:], reward_if[:, :, :1])
        pay = pay.unsqueeze(3)
        row_state = n_actions + n_steps - 1
        row_reward = row_state + 2
        choose = n_steps - 2
        if not self.fixation:
            return Effect(choose, 1, row_state, second), Effect(choose, 2, row_reward, pay)
        shape = (self.n_trials, second.shape[1], 3, 1, second.shape[-1])
        refused = torch.zeros(shape, dtype=torch.float32)
        refused[:, :, 2] = self.invalid_penalty
        nothing = torch.zeros_like(second[:, :, :1])
        after_choice = torch.cat([torch.cat([second, nothing], dim=2), refused], dim=3)
        fixated = torch.full(shape, self.invalid_penalty, dtype=torch.float32)
        fixated[:, :, 2] = 0
        return (
            Effect(0, 1, row_reward, fixated),
            Effect(choose, 1, row_state, after_choice),
            Effect(choose, 2, row_reward, torch.cat([pay, nothing[:, :, :, :1]], dim=2)),
        )

    def _imposed(self, variables: dict[str, Tensor]) -> Tensor | None:
        forced = variables["forced_choice"]
        if (forced < 0).all():
            return None
        imposed = torch.full((self.n_trials, len(self.events), *forced.shape[1:]), -1)
        imposed[:, self.events.index("first_step")] = forced
        return imposed.flatten(0, 1)


def _block_index(uniform: Tensor, n_trials: int, min_block: int, p_switch: float) -> Tensor:
    """Return each trial's block; a block lasts ``min_block`` + a geometric number of trials."""
    if p_switch == 0:
        return torch.zeros((n_trials, *uniform.shape[1:]), dtype=torch.long)
    extra = torch.ones_like(uniform)
    if p_switch < 1:
        extra = (torch.log1p(-uniform) / math.log1p(-p_switch)).ceil().clamp(min=1)
    ends = (min_block + extra).cumsum(0).movedim(0, -1).contiguous()
    trial = torch.arange(n_trials, dtype=ends.dtype).expand(*ends.shape[:-1], -1).contiguous()
    return torch.searchsorted(ends, trial, right=True).movedim(-1, 0)


def _pick(table: Tensor, index: Tensor) -> Tensor:
    return table.gather(2, index.unsqueeze(2)).squeeze(2)
