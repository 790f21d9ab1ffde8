"""Animals' sessions of a bandit with two arms, as agents play them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from neuro_metarl.agents.calibrated import Calibration
from neuro_metarl.agents.network import Changes, Rollout
from neuro_metarl.agents.population import Population
from neuro_metarl.agents.zoo import Agents
from neuro_metarl.errors import InputError
from neuro_metarl.tasks.bandits import Bandit, RestlessBandit
from neuro_metarl.tasks.base import Episodes
from neuro_metarl.yoking.sessions import (
    Sessions,
    check_binary,
    play_episodes,
    read_odds,
    to_front,
)

__all__ = ["Arms", "read_arms"]


class _ArmsRollout(Rollout):
    """A rollout on arms whose rewards are drawn, and kept where the arms are baited.

    ``calibration`` changes the policy as :class:`CalibratedRollout` does at the first step of the
    two-step task; the habit is written into the noise of the next trial.
    """

    calibration: Calibration | None = None

    def pay(self, drawn: torch.Tensor, baited: bool) -> None:
        """Take what each arm would newly pay, bool, dims (trial, arm, episode)."""
        self._drawn, self._baited = drawn, baited

    def _roll(self, episodes: Episodes, noise: torch.Tensor, changes: Changes | None) -> None:
        self._begin()
        held, pull = torch.zeros_like(self._drawn[0]), 0.0
        if self.calibration:
            scale = self.calibration.scale
            noise, pull = noise / scale, self.calibration.perseveration / scale
            noise[:, :, 1] += self.calibration.bias / scale

        def react(step: int) -> None:
            there = self._drawn[step] | held
            chosen = self.actions[step, 0] > 0
            self.rewards[step, 0] = (there & chosen).any(0).to(self.x.dtype)
            if self._baited:
                held.copy_(there & ~chosen)
            if pull and step + 1 < self.n_steps:
                noise[step + 1, 0, 1] += pull * (2 * chosen[1].to(noise.dtype) - 1)

        self._run(noise, changes, [], react)


@dataclass(frozen=True)
class Arms(Sessions):
    """Sessions of a bandit.

    Parameters
    ----------
    odds
        Dims (session, trial, arm): probability that each arm pays; None where only what the animal
        did is replayed.
    baited
        Whether a reward that an arm would have paid stays until the arm is chosen.
    clock
        Trials over which the clock that agents see runs from 0 to 1: the longest session's.
    """

    odds: np.ndarray | None
    baited: bool
    clock: int

    @property
    def attrs(self) -> dict[str, Any]:
        """Say whose odds are played."""
        return {"odds": "the animals' own"}

    @property
    def task_name(self) -> str:
        """With baited arms or without."""
        return "bandit-baited" if self.baited else "bandit"

    def task_for(self, agents: Agents, *, allow_mismatch: bool) -> Bandit | RestlessBandit:
        """Make the agents' own bandit as long as the longest session; see ``Sessions``."""
        trained = agents.task
        if not isinstance(trained, (Bandit, RestlessBandit)):
            raise InputError(
                f"agents trained on {trained.name!r} cannot play {self.task_name!r}, a bandit of "
                "two arms: take agents of 'bandit-restless' or another with two arms"
            )
        return replace(trained, n_trials=self.longest)

    def rollout(
        self,
        population: Population,
        task: Bandit | RestlessBandit,
        calibration: Calibration | None,
    ) -> Rollout:
        """Make the buffers; see ``Sessions``."""
        rollout = _ArmsRollout(population, replace(task, n_trials=self.longest), len(self.there))
        rollout.calibration = calibration
        first, last = population.shape.observation_rows
        time = torch.arange(self.longest, dtype=rollout.x.dtype) / self.clock
        rollout.x[:-1, first:last] = time.view(-1, 1, 1)
        return rollout

    def play(self, rollout: _ArmsRollout, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Let the agent choose arms; see ``Sessions``."""
        assert self.odds is not None
        rollout.pay(
            torch.from_numpy(rng.random(self.odds.shape) < self.odds).movedim(0, -1),
            self.baited,
        )
        self._run(rollout, np.where(self.forced, self.choice, -1), rng)
        choice = rollout.actions.argmax(2)[:, 0].T.numpy()
        equal = self.odds[..., 0] == self.odds[..., 1]
        return {
            "choice": choice,
            "reward": rollout.rewards[:, 0].T.numpy().copy(),
            "valid": self.there.astype("int8"),
            "invalid_reason": np.zeros(choice.shape, dtype="int8"),
            "forced": self.forced.astype("int8"),
            "correct": np.where(equal, -1, choice == self.odds.argmax(axis=-1)),
            "p_reward": self.odds.copy(),
        }

    def force(self, rollout: _ArmsRollout, rng: np.random.Generator) -> None:
        """Impose the animals' choices and rewards; see ``Sessions``."""
        paid = torch.from_numpy(np.ascontiguousarray(self.reward.T))
        rollout.pay(paid.unsqueeze(1).expand(-1, 2, -1), baited=False)
        self._run(rollout, self.choice, rng)

    def _run(self, rollout: _ArmsRollout, imposed: np.ndarray, rng: np.random.Generator) -> None:
        moved = torch.from_numpy(np.ascontiguousarray(imposed.T)).unsqueeze(1)
        play_episodes(rollout, Episodes((), {}, imposed=moved), rng)


def read_arms(animals: xr.Dataset, *, played: bool = True) -> Arms:
    """Read sessions of a bandit with two arms off a cohort.

    Parameters
    ----------
    animals
        Without ``state``.
    played
        Agents will choose, so that the odds of the arms must be known.

    Returns
    -------
    Arms

    Raises
    ------
    InputError
        No valid trial, choices or rewards other than 0 and 1, more arms than two, or odds that are
        needed and not known.

    Examples
    --------
    >>> from neuro_metarl import make_player, record
    >>> cohort = record(make_player("random"), "bandit-independent", 3)
    >>> read_arms(cohort.assign(p_reward=cohort.expected_reward)).there.shape
    (3, 100)
    """
    there, moved = to_front(animals)
    choice = moved("choice").astype(np.int64)
    check_binary(animals, ("choice", "reward"), "a bandit of two arms")
    if animals.sizes.get("option", 2) != 2:
        raise InputError(
            f"the animals' bandit has {animals.sizes['option']} options, but agents play bandits "
            "of two arms"
        )
    forced = moved("forced") == 1 if "forced" in animals else np.zeros_like(there)
    odds = read_odds(animals, moved) if played else None
    if played and odds is None:
        raise InputError(
            "sessions of a bandit are copied by their 'p_reward' of two arms (in a table "
            "p_reward_0 and p_reward_1), known on every valid trial, which the animals' cohort "
            "lacks"
        )
    baited = animals.attrs["task"] == "bandit-baited"
    subject, clock = animals["subject"].values, there.shape[1]
    return Arms(there, choice, moved("reward") > 0, forced, subject, odds, baited, clock)
