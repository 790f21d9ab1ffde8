"""Networks on an animal's own sessions: yoked (they choose) and replayed (the animal chose).

Both are doors between torch and labelled arrays, like :mod:`neuro_metarl.recording`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import xarray as xr

from neuro_metarl.agents.calibrated import CalibratedRollout, Calibration
from neuro_metarl.agents.learning import draw_noise, one_thread, seed_generators
from neuro_metarl.agents.network import Changes, Rollout
from neuro_metarl.agents.zoo import Agents
from neuro_metarl.cohort import concat_cohorts, make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.progress import progress_bar
from neuro_metarl.tasks import Bandit, RestlessBandit, TwoStep, make_task
from neuro_metarl.tasks.base import Episodes

__all__ = ["record_yoked", "replay"]

SAME = 0.02


def record_yoked(
    agents: Agents,
    animals: xr.Dataset,
    *,
    n_replicates: int = 5,
    calibration: Calibration | None = None,
    allow_mismatch: bool = False,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Let agents play copies of the animals' sessions.

    Parameters
    ----------
    agents
        Trained on the two-step task, or on a bandit of two arms.
    animals
        Cohort of their task. Each session lends its length, the places of forced choices with what
        was imposed, and its nominal probabilities, trial by trial; invalid trials do not exist.
        Where a two-step cohort has no ``p_reward`` the odds and blocks are drawn by the rule of
        Miller's task. Where the animals' arms are baited (task ``"bandit-baited"``), so are these:
        a reward that an arm would have paid stays until the arm is chosen.
    n_replicates
        Times that each agent plays each session, with fresh transitions and rewards.
    calibration
        Changes the first-step policy; two-step only.
    allow_mismatch
        Let agents play that were trained with another probability of the common transition.
    seed
        Of transitions, rewards and actions.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        A cohort, source "agent"; two-step: all mappings as "choice 0 leads commonly to state 0".

    Raises
    ------
    InputError
        Agents of another task, another transition probability, animals that differ in it, or a
        bandit without ``p_reward`` of two arms.

    Examples
    --------
    >>> from neuro_metarl import load_agents, load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> cohort = record_yoked(load_agents("two-step/0"), rats, n_replicates=1)
    >>> cohort.sizes["session"] == rats.sizes["session"]
    True
    """
    if n_replicates < 1:
        raise InputError(f"n_replicates is {n_replicates}, expected 1 or more")
    bandit = "state" not in animals
    task: Any
    if bandit:
        arms = _arms(animals)
        task = _bandit_task(agents, animals, arms.there.shape[1], calibration)
    else:
        design = _design(animals)
        task = _task(agents, animals, design, allow_mismatch)
    parts = []
    with one_thread(), progress_bar("yoked sessions", len(agents), shown=progress) as show:
        for k, name in enumerate(agents.names):
            one = agents.select([k])
            for r in range(n_replicates):
                rng = np.random.default_rng([seed, r, k])
                if bandit:
                    parts.append(_play_bandit(one, task, arms, rng, [seed, r]))
                else:
                    parts.append(_play(one, task, design, calibration, rng, [seed, r]))
            show(k + 1, name)
    return concat_cohorts(parts)


def replay(
    agents: Agents, animals: xr.Dataset, *, seed: int = 0, progress: bool = False
) -> xr.DataArray:
    """Force agents through the animals' histories and read what they would have chosen.

    Parameters
    ----------
    agents
        Trained on the two-step task.
    animals
        Two-step cohort; forced trials are replayed, invalid ones do not exist.
    seed
        Of the agents' actions at steps other than the first.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.DataArray
        Log odds of choosing 1 before each trial, dims subject, session, trial, with the session's
        animal as ``animal(session)``; NaN on invalid trials. Hidden state starts anew with each
        session.

    Raises
    ------
    InputError
        Not a two-step cohort, or agents of another task.

    Examples
    --------
    >>> from neuro_metarl import load_agents, load_dataset
    >>> odds = replay(load_agents("two-step/0"), load_dataset("synthetic-rats"))
    >>> odds.dims
    ('subject', 'session', 'trial')
    """
    design = _design(animals)
    task = _task(agents, animals, design, allow_mismatch=True)
    odds = np.full((len(agents), *design.place.shape), np.nan)
    state_if = np.repeat(design.state[..., None], 2, axis=-1)
    reward_if = np.repeat(design.reward[..., None], 2, axis=-1)
    variables = _tensors(design, state_if, reward_if, design.choice)
    with one_thread(), progress_bar("replaying", len(agents), shown=progress) as show:
        for k, name in enumerate(agents.names):
            one = agents.select([k])
            rollout = Rollout(one.population, task, len(design.there))
            noise = draw_noise(
                rollout.n_steps, task.n_actions, len(design.there),
                seed_generators(seed, [name], "replay"),
            )  # fmt: skip
            rollout.play(task.episodes(variables), noise)
            logits = rollout.logits[task.events.index("first_step") :: len(task.events), 0]
            lead = (logits[:, 1] - logits[:, 0]).T.numpy()
            odds[k][design.place] = lead[design.there]
            show(k + 1, name)
    return xr.DataArray(
        odds,
        dims=("subject", "session", "trial"),
        coords={"subject": list(agents.names), "animal": ("session", animals["subject"].values)},
        attrs={"long_name": "log odds of choosing 1"},
    )


class _BanditRollout(Rollout):
    """A rollout on arms whose rewards are drawn, and kept where the arms are baited."""

    def bait(self, drawn: torch.Tensor, baited: bool) -> None:
        """Take what each arm would newly pay, bool, dims (trial, arm, episode)."""
        self._drawn, self._baited = drawn, baited

    def _roll(self, episodes: Episodes, noise: torch.Tensor, changes: Changes | None) -> None:
        self._begin()
        held = torch.zeros_like(self._drawn[0])

        def react(step: int) -> None:
            there = self._drawn[step] | held
            chosen = self.actions[step, 0] > 0
            self.rewards[step, 0] = (there & chosen).any(0).to(self.x.dtype)
            if self._baited:
                held.copy_(there & ~chosen)

        self._run(noise, changes, [[]] * self.n_steps, react)


@dataclass(frozen=True)
class _Arms:
    """A bandit's valid trials moved to the front of each session; dims (session, trial[, arm])."""

    there: np.ndarray
    forced: np.ndarray
    odds: np.ndarray
    baited: bool
    subject: np.ndarray


def _arms(animals: xr.Dataset) -> _Arms:
    valid = animals["valid"].transpose("session", "trial").values == 1
    longest = int(valid.sum(axis=1).max(initial=0))
    if longest == 0:
        raise InputError("the animals' cohort has no valid trial")
    if "p_reward" not in animals or animals.sizes["option"] != 2:
        raise InputError(
            "sessions of a bandit are copied by their 'p_reward' of two arms, which the animals' "
            "cohort lacks (and without a 'state' it is not of a two-step task)"
        )
    order = np.argsort(~valid, axis=1, kind="stable")[:, :longest]
    there = np.take_along_axis(valid, order, axis=1)
    odds = animals["p_reward"].transpose("session", "trial", "option").values
    if not np.isfinite(odds[valid]).all():
        raise InputError("p_reward is not known on every valid trial: sessions cannot be copied")
    odds = np.where(there[..., None], np.take_along_axis(odds, order[..., None], axis=1), 0)
    choice = animals["choice"].transpose("session", "trial").values
    imposed = np.full(choice.shape, -1)
    if "forced" in animals:
        forced = animals["forced"].transpose("session", "trial").values == 1
        imposed = np.where(forced, choice, -1)
    moved = np.where(there, np.take_along_axis(imposed, order, axis=1), -1)
    baited = animals.attrs["task"] == "bandit-baited"
    return _Arms(there, moved.astype(int), odds, baited, animals["subject"].values)


def _bandit_task(
    agents: Agents, animals: xr.Dataset, n_trials: int, calibration: Calibration | None
) -> Bandit | RestlessBandit:
    trained = agents.task
    if not isinstance(trained, (Bandit, RestlessBandit)):
        raise InputError(
            f"agents trained on {trained.name!r} cannot play {animals.attrs['task']!r}, a bandit "
            "of two arms: take agents of 'bandit-restless' or another with two arms"
        )
    if calibration is not None:
        raise InputError("calibrated policies are for two-step tasks; leave calibration out")
    return replace(trained, n_trials=n_trials)


def _play_bandit(
    agents: Agents, task: Bandit | RestlessBandit, arms: _Arms, rng: np.random.Generator,
    seeds: list[int],
) -> xr.Dataset:  # fmt: skip
    n_sessions = len(arms.there)
    drawn = torch.from_numpy(rng.random(arms.odds.shape) < arms.odds).movedim(0, -1)
    imposed = torch.from_numpy(arms.forced.T.copy()).unsqueeze(1)
    rollout = _BanditRollout(agents.population, task, n_sessions)
    rollout.bait(drawn, arms.baited)
    generators = [torch.Generator().manual_seed(int(rng.integers(2**62)))]
    noise = draw_noise(rollout.n_steps, task.n_actions, n_sessions, generators)
    rollout.play(Episodes((), {}, imposed=imposed), noise)
    choice = rollout.actions.argmax(2)[:, 0].T.numpy()
    reward = rollout.rewards[:, 0].T.numpy().copy()
    forced = (arms.forced >= 0).astype("int8")
    equal = arms.odds[..., 0] == arms.odds[..., 1]
    correct = np.where(equal, -1, choice == arms.odds.argmax(axis=-1))
    return make_cohort(
        {
            "choice": np.where(arms.there, choice, -1), "reward": reward,
            "valid": arms.there, "invalid_reason": np.where(arms.there, 0, 1),
            "forced": forced, "correct": np.where(arms.there, correct, -1), "p_reward": arms.odds,
        },
        subject=[agents.names[0]] * n_sessions,
        session_id=[f"{s}/{k}/{seeds[1]}" for k, s in enumerate(arms.subject.tolist())],
        task="bandit-baited" if arms.baited else "bandit",
        source="agent",
        coords={"option": ("option", np.arange(2, dtype="int8"))},
        attrs={
            "created_by": f"neuro_metarl {version('neuro_metarl')} record_yoked",
            "seed": seeds[0],
            "trained_on": agents.task.config,
            "yoked_to": ", ".join(dict.fromkeys(map(str, arms.subject.tolist()))),
        },
    )  # fmt: skip


@dataclass(frozen=True)
class _Design:
    """The animals' valid trials moved to the front of each session; dims (session, trial)."""

    there: np.ndarray
    place: np.ndarray
    choice: np.ndarray
    state: np.ndarray
    reward: np.ndarray
    forced: np.ndarray
    odds: np.ndarray | None
    p_common: float
    subject: np.ndarray


def _design(animals: xr.Dataset) -> _Design:
    for name in ("choice", "state", "common", "reward"):
        if name not in animals:
            raise InputError(f"the animals' cohort has no {name!r}: not a two-step task")
    valid = animals["valid"].transpose("session", "trial").values == 1
    longest = int(valid.sum(axis=1).max(initial=0))
    if longest == 0:
        raise InputError("the animals' cohort has no valid trial")
    order = np.argsort(~valid, axis=1, kind="stable")[:, :longest]
    there = np.take_along_axis(valid, order, axis=1)

    def moved(name: str) -> np.ndarray:
        values = animals[name].transpose("session", "trial").values
        return np.where(there, np.take_along_axis(values, order, axis=1), 0)

    choice = moved("choice").astype(int)
    relative = np.where(moved("common") == 1, choice, 1 - choice)
    forced = moved("forced").astype(int) if "forced" in animals else np.zeros_like(choice)
    common = animals["common"].values[valid]
    config = json.loads(animals.attrs.get("task_config", "{}"))
    p_common = float(config.get("p_common", (common == 1).mean()))
    return _Design(
        there, valid, choice, relative, moved("reward") > 0, forced,
        _odds(animals, valid, order, there), p_common, animals["subject"].values,
    )  # fmt: skip


def _odds(
    animals: xr.Dataset, valid: np.ndarray, order: np.ndarray, there: np.ndarray
) -> np.ndarray | None:
    if "p_reward" not in animals or animals.sizes["option"] != 2:
        return None
    odds = animals["p_reward"].transpose("session", "trial", "option").values
    if not np.isfinite(odds[valid]).all():
        return None
    same = (animals["state"] == animals["choice"]) == (animals["common"] == 1)
    other = ((animals["valid"] == 1) & ~same).sum("trial").values > valid.sum(axis=1) / 2
    odds = np.where(other[:, None, None], odds[..., ::-1], odds)
    odds = np.take_along_axis(odds, order[..., None], axis=1)
    return np.where(there[..., None], odds, 0.5)


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
            f"{str(names[high])!r}; "
            "compare each form by itself"
        )


def _task(agents: Agents, animals: xr.Dataset, design: _Design, allow_mismatch: bool) -> TwoStep:
    trained = agents.task
    if not isinstance(trained, TwoStep):
        raise InputError(
            f"agents trained on {trained.name!r} cannot play a two-step task: take 'two-step'"
        )
    _check_one_form(animals)
    estimated = "p_common" not in json.loads(animals.attrs.get("task_config", "{}"))
    room = 0.04 if estimated else SAME
    if abs(trained.p_common - design.p_common) > room and not allow_mismatch:
        raise InputError(
            f"the animals' common transition has probability {design.p_common:.2f}, the agents "
            f"were trained with {trained.p_common:.2f}: weights scale with it; train agents for "
            "it, or allow the mismatch, which the result then says"
        )
    form = make_task("two-step-miller", n_trials=design.there.shape[1])
    assert isinstance(form, TwoStep)
    task = replace(form, fixation=trained.fixation, invalid_penalty=trained.invalid_penalty)
    agents.population.shape.check(task)
    return task


def _play(
    agents: Agents, task: TwoStep, design: _Design, calibration: Calibration | None,
    rng: np.random.Generator, seeds: list[int],
) -> xr.Dataset:  # fmt: skip
    n_sessions, n_trials = design.there.shape
    common = rng.random((n_sessions, n_trials)) < design.p_common
    state_if = np.where(common[..., None], [0, 1], [1, 0])
    odds = design.odds if design.odds is not None else _blocks(task, n_sessions, rng)
    reward_if = rng.random(odds.shape) < odds
    forced = np.where(design.forced == 1, design.choice, -1)
    variables = _tensors(design, state_if, reward_if, forced, common=common, odds=odds)
    episodes = task.episodes(variables)
    size = (agents.population, task, n_sessions)
    rollout = CalibratedRollout(*size, calibration) if calibration else Rollout(*size)
    generators = [torch.Generator().manual_seed(int(rng.integers(2**62)))]
    rollout.play(episodes, draw_noise(rollout.n_steps, task.n_actions, n_sessions, generators))
    trials = task.trials(episodes, rollout.actions.argmax(2))
    played: dict[str, Any] = {
        name: np.ascontiguousarray(value.squeeze(1).movedim(-1, 0).numpy())
        for name, value in trials.items()
    }
    gone = ~design.there
    for name in ("choice", "state", "common", "correct"):
        played[name][gone] = -1
    played["valid"][gone], played["forced"][gone] = 0, 0
    played["invalid_reason"][gone] = 1
    return make_cohort(
        played,
        subject=[agents.names[0]] * n_sessions,
        session_id=[
            f"{s}/{k}/{seeds[1]}" for k, s in enumerate(design.subject.tolist())
        ],
        task="two-step-miller",
        source="agent",
        coords={"option": ("option", np.arange(2, dtype="int8"))},
        attrs={
            "task_config": json.dumps({"p_common": design.p_common}),
            "created_by": f"neuro_metarl {version('neuro_metarl')} record_yoked",
            "seed": seeds[0],
            "trained_on": agents.task.config,
            "yoked_to": ", ".join(dict.fromkeys(map(str, design.subject.tolist()))),
        },
    )  # fmt: skip


def _blocks(task: TwoStep, n_sessions: int, rng: np.random.Generator) -> np.ndarray:
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    drawn = task.draw(n_sessions, [generator]).variables["p_reward"]
    return drawn.squeeze(1).movedim(-1, 0).numpy()


def _tensors(
    design: _Design, state_if: np.ndarray, reward_if: np.ndarray, forced: np.ndarray, *,
    common: np.ndarray | None = None, odds: np.ndarray | None = None,
) -> dict[str, torch.Tensor]:  # fmt: skip
    """Potential outcomes as the task has them, dims (trial, agent, ..., episode)."""

    def tensor(values: np.ndarray) -> torch.Tensor:
        moved = np.moveaxis(values, 0, -1)
        return torch.from_numpy(np.ascontiguousarray(moved)).unsqueeze(1)

    told = common if common is not None else state_if[..., 0] == 0
    chances = odds if odds is not None else np.full(reward_if.shape, 0.5)
    return {
        "common": tensor(told),
        "state_if": tensor(state_if.astype(bool)),
        "reward_if": tensor(reward_if.astype(bool)),
        "p_reward": tensor(chances.astype(np.float32)),
        "forced_choice": tensor(np.where(design.there, forced, -1)),
    }
