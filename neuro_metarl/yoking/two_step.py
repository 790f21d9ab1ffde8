"""Animals' sessions of a two-step task, as agents play them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from neuro_metarl.agents.calibrated import CalibratedRollout, Calibration
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.population import Population
from neuro_metarl.agents.zoo import Agents
from neuro_metarl.errors import InputError
from neuro_metarl.tasks.registry import make_task
from neuro_metarl.tasks.two_step import TwoStep
from neuro_metarl.yoking.sessions import (
    Sessions,
    check_binary,
    play_episodes,
    read_odds,
    to_front,
)

__all__ = ["TwoStepSessions", "read_two_step"]

SAME = 0.02


@dataclass(frozen=True)
class TwoStepSessions(Sessions):
    """Sessions of a two-step task, mapped as "choice 0 leads commonly to state 0".

    Parameters
    ----------
    state
        Second-step state.
    odds
        Dims (session, trial, state): probability that each pays, or None where unknown.
    p_common
        Probability of the common transition.
    estimated
        Whether it was counted, not told.
    """

    state: np.ndarray
    odds: np.ndarray | None
    p_common: float
    estimated: bool

    @property
    def task_name(self) -> str:
        """Miller's form, whose odds and blocks are the animals' own where these are known."""
        return "two-step-miller"

    @property
    def attrs(self) -> dict[str, Any]:
        """Say the probability of the common transition, and whose odds are played."""
        drawn = f"drawn by the rule of {self.task_name}: the animals' cohort has none"
        return {
            "task_config": json.dumps({"p_common": self.p_common}),
            "odds": drawn if self.odds is None else "the animals' own",
        }

    def task_for(self, agents: Agents, *, allow_mismatch: bool) -> TwoStep:
        """Make Miller's form with the agents' own steps; see ``Sessions``."""
        trained = agents.task
        if not isinstance(trained, TwoStep):
            raise InputError(
                f"agents trained on {trained.name!r} cannot play a two-step task: take 'two-step'"
            )
        room = 0.04 if self.estimated else SAME
        if abs(trained.p_common - self.p_common) > room and not allow_mismatch:
            raise InputError(
                f"the animals' common transition has probability {self.p_common:.2f}, the agents "
                f"were trained with {trained.p_common:.2f}: weights scale with it; train agents "
                "for it, or allow the mismatch, which the result then says"
            )
        form = make_task("two-step-miller", n_trials=self.longest)
        assert isinstance(form, TwoStep)
        task = replace(form, fixation=trained.fixation, invalid_penalty=trained.invalid_penalty)
        agents.population.shape.check(task)
        return task

    def rollout(
        self, population: Population, task: TwoStep, calibration: Calibration | None
    ) -> Rollout:
        """Make the buffers; see ``Sessions``."""
        size = (population, replace(task, n_trials=self.longest), len(self.there))
        return CalibratedRollout(*size, calibration) if calibration else Rollout(*size)

    def play(self, rollout: Rollout, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Let the agent choose at the first step; see ``Sessions``."""
        task = rollout.task
        assert isinstance(task, TwoStep)
        common = rng.random(self.there.shape) < self.p_common
        state_if = np.where(common[..., None], [0, 1], [1, 0])
        odds = self.odds if self.odds is not None else _blocks(task, len(self.there), rng)
        forced = np.where(self.there & self.forced, self.choice, -1)
        outcomes = rng.random(odds.shape) < odds
        episodes = task.episodes(_tensors(common, state_if, outcomes, odds, forced))
        play_episodes(rollout, episodes, rng)
        trials = task.trials(episodes, rollout.actions.argmax(2))
        return {
            name: np.ascontiguousarray(value.squeeze(1).movedim(-1, 0).numpy())
            for name, value in trials.items()
        }

    def force(self, rollout: Rollout, rng: np.random.Generator) -> None:
        """Impose the animals' choices, states and rewards; see ``Sessions``."""
        task = rollout.task
        assert isinstance(task, TwoStep)
        state_if = np.repeat(self.state[..., None], 2, axis=-1)
        outcomes = np.repeat(self.reward[..., None], 2, axis=-1)
        imposed = np.where(self.there, self.choice, -1)
        odds = np.full(outcomes.shape, 0.5)
        variables = _tensors(self.state == 0, state_if, outcomes, odds, imposed)
        play_episodes(rollout, task.episodes(variables), rng)


def read_two_step(animals: xr.Dataset, *, played: bool = True) -> TwoStepSessions:
    """Read sessions of a two-step task off a cohort.

    Parameters
    ----------
    animals
        Two-step cohort.
    played
        Agents will choose, so that the odds of the states matter.

    Returns
    -------
    TwoStepSessions

    Raises
    ------
    InputError
        Not a two-step cohort, no valid trial, choices, states or rewards other than 0 and 1, odds
        of some valid trials only, or animals with other transitions than each other or than
        ``task_config`` says.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> round(read_two_step(load_dataset("synthetic-rats")).p_common, 1)
    0.8
    """
    for name in ("choice", "state", "common", "reward"):
        if name not in animals:
            raise InputError(f"the animals' cohort has no {name!r}: not a two-step task")
    there, moved = to_front(animals)
    check_binary(animals, ("choice", "state", "reward"), "a two-step task")
    _check_one_form(animals)
    choice = moved("choice").astype(np.int64)
    config = json.loads(animals.attrs.get("task_config", "{}"))
    common = moved("common")[there] == 1
    p_common = float(config.get("p_common", common.mean()))
    _check_declared(p_common, common)
    return TwoStepSessions(
        there,
        choice,
        moved("reward") > 0,
        moved("forced") == 1 if "forced" in animals else np.zeros_like(there),
        animals["subject"].values,
        np.where(moved("common") == 1, choice, 1 - choice),
        _odds(animals, moved) if played else None,
        p_common,
        "p_common" not in config,
    )


def _odds(animals: xr.Dataset, moved: Any) -> np.ndarray | None:
    """Probabilities by state as this module numbers them: where an animal's mapping is reversed."""
    odds = read_odds(animals, moved)
    if odds is None:
        return None
    same = (animals["state"] == animals["choice"]) == (animals["common"] == 1)
    valid = animals["valid"] == 1
    reversed_map = (valid & ~same).sum("trial").values > valid.sum("trial").values / 2
    return np.where(reversed_map[:, None, None], odds[..., ::-1], odds)


def _check_one_form(animals: xr.Dataset) -> None:
    """Refuse animals that played with other transition probabilities than each other."""
    common = (animals["common"] == 1).where(animals["valid"] == 1)
    by_subject = common.stack(row=("session", "trial")).groupby("subject")
    share, n = by_subject.mean().values, by_subject.count().values
    names = np.unique(animals["subject"].values)
    low, high = int(share.argmin()), int(share.argmax())
    error = np.sqrt(0.25 / n[low] + 0.25 / n[high])
    if share[high] - share[low] > max(2 * SAME, 5 * error):
        raise InputError(
            f"animals of different task forms: transitions are common in {share[low]:.2f} of the "
            f"trials of {str(names[low])!r} and {share[high]:.2f} of those of "
            f"{str(names[high])!r}; compare each form by itself"
        )


def _check_declared(p_common: float, common: np.ndarray) -> None:
    """Refuse a declared probability that the transitions themselves contradict."""
    share, error = common.mean(), np.sqrt(0.25 / len(common))
    if abs(share - p_common) > max(2 * SAME, 5 * error):
        raise InputError(
            f"task_config says p_common {p_common:.2f}, but transitions are common in {share:.2f} "
            f"of {len(common)} valid trials; correct task_config, or the variable 'common'"
        )


def _blocks(task: TwoStep, n_sessions: int, rng: np.random.Generator) -> np.ndarray:
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    drawn = task.draw(n_sessions, [generator]).variables["p_reward"]
    return drawn.squeeze(1).movedim(-1, 0).numpy()


def _tensors(
    common: np.ndarray, state_if: np.ndarray, reward_if: np.ndarray, odds: np.ndarray,
    forced: np.ndarray,
) -> dict[str, torch.Tensor]:  # fmt: skip
    """Potential outcomes as the task has them, dims (trial, agent, ..., episode)."""

    def tensor(values: np.ndarray) -> torch.Tensor:
        moved = np.moveaxis(values, 0, -1)
        return torch.from_numpy(np.ascontiguousarray(moved)).unsqueeze(1)

    return {
        "common": tensor(common),
        "state_if": tensor(state_if.astype(bool)),
        "reward_if": tensor(reward_if.astype(bool)),
        "p_reward": tensor(odds.astype(np.float32)),
        "forced_choice": tensor(forced),
    }
