"""Record what subjects do on a task, and what their units do: the one door into a cohort."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeGuard, cast

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neuro_metarl.agents.learning import draw_noise, one_thread, seed_generators
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.players import PLAYERS, Player
from neuro_metarl.agents.zoo import Agents, load_agents
from neuro_metarl.cognitive.models import Outcomes, Planted, simulate
from neuro_metarl.cohort import concat_cohorts, make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.progress import progress_bar
from neuro_metarl.storage import save_stream
from neuro_metarl.tasks import Task, TwoStep, make_task

__all__ = ["record", "record_to_zarr"]

EPISODES_AT_ONCE = 100
Subjects = Agents | Player | Planted | Sequence[Planted] | str | os.PathLike[str]


def record(
    subjects: Subjects,
    task: Task | str | None = None,
    n_sessions: int = 100,
    *,
    seed: int = 0,
    activity: bool = True,
    progress: bool = False,
) -> xr.Dataset:
    """Let subjects play a task with frozen weights and record them.

    Parameters
    ----------
    subjects
        Trained agents, a zoo name, a checkpoint folder, or planted models. A planted model knows
        the task's transition and reward probabilities, unless it was given others.
    task
        Task or its name; default: what the agents were trained on.
    n_sessions
        Sessions (episodes) of each subject.
    seed
        The same seed gives the same recording. A subject's episodes depend on the seed and on
        its own name, not on who else is recorded, and are not those it was trained on.
    activity
        Record hidden and cell state, value, policy and reward-prediction error too.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        A cohort, dims session, trial (, event, unit, action, option). ``subject`` is the
        separately trained network. Events are the steps of a trial; what is stored at an event
        is the state after seeing that step's input. ``rpe`` is ``reward + discount *
        next value - value`` with the discount of the agent's training. Actions are sampled from
        the policy.

    Raises
    ------
    InputError
        Unknown names, a task that does not fit the networks, or no sessions.

    Examples
    --------
    >>> cohort = record("two-step/0", n_sessions=2, seed=1)
    >>> dict(cohort.activity.sizes)
    {'session': 2, 'trial': 100, 'event': 3, 'unit': 48}
    """
    return concat_cohorts(list(_recordings(subjects, task, n_sessions, seed, activity, progress)))


def record_to_zarr(
    subjects: Subjects,
    task: Task | str | None = None,
    n_sessions: int = 100,
    *,
    out: str | os.PathLike[str],
    seed: int = 0,
    activity: bool = True,
    progress: bool = False,
) -> Path:
    """Record like :func:`record`, but write each subject to a Zarr folder as it is made.

    Parameters
    ----------
    subjects, task, n_sessions, seed, activity, progress
        See :func:`record`.
    out
        The folder; it appears when the recording is complete.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        See :func:`record`; or the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = record_to_zarr("two-step/0", n_sessions=2, out=tempfile.mkdtemp() + "/c.zarr")
    >>> path.name
    'c.zarr'
    """
    return save_stream(_recordings(subjects, task, n_sessions, seed, activity, progress), out)


def _recordings(
    subjects: Subjects,
    task: Task | str | None,
    n_sessions: int,
    seed: int,
    activity: bool,
    progress: bool,
) -> Iterator[xr.Dataset]:
    if n_sessions < 1:
        raise InputError(f"n_sessions is {n_sessions}, expected 1 or more")
    chosen = make_task(task) if isinstance(task, str) else task
    if isinstance(subjects, Player):
        if chosen is None:
            raise InputError("a player has no task of its own: name one")
        yield _record_player(subjects, chosen, n_sessions, seed)
        return
    if isinstance(subjects, Planted) or _all_planted(subjects):
        players = [subjects] if isinstance(subjects, Planted) else list(subjects)
        if chosen is None:
            raise InputError("a planted model has no task of its own: name one")
        for player in players:
            if not isinstance(chosen, TwoStep):
                raise InputError(f"model {player.model.name!r} plays two-step tasks only")
            known = player.knowing(
                p_common=chosen.p_common,
                p_reward_high=chosen.p_reward_high,
                p_reward_low=chosen.p_reward_low,
            )
            yield _record_model(known, chosen, n_sessions, seed)
        return
    agents = subjects if isinstance(subjects, Agents) else load_agents(cast(str, subjects))
    chosen = chosen or agents.task
    agents.population.shape.check(chosen)
    with one_thread(), progress_bar("recording", len(agents), shown=progress) as show:
        for k, name in enumerate(agents.names):
            yield _record_agent(agents.select([k]), chosen, n_sessions, seed, activity)
            show(k + 1, name)


def _all_planted(subjects: Any) -> TypeGuard[Sequence[Planted]]:
    return isinstance(subjects, Sequence) and all(isinstance(s, Planted) for s in subjects)


def _record_player(player: Player, task: Task, n_sessions: int, seed: int) -> xr.Dataset:
    name = next(k for k, kind in PLAYERS.items() if type(player) is kind)
    generators = seed_generators(seed, [name], "record")
    episodes = task.draw(n_sessions, generators)
    if "expected_reward" not in episodes.variables:
        raise InputError(f"player {name!r} plays bandits; {task.name!r} is none")
    expected = _sessions_first(episodes.variables["expected_reward"])
    reward_if = _sessions_first(episodes.variables["reward_if"])
    player.start(task, n_sessions, np.random.default_rng(generators[0].initial_seed()))
    actions = np.zeros((task.n_trials, n_sessions), int)
    for t in range(task.n_trials):
        actions[t] = player.act(expected[:, t])
        player.learn(actions[t], reward_if[np.arange(n_sessions), t, actions[t]])
    trials = task.trials(episodes, torch.from_numpy(actions).unsqueeze(1))
    variables = {key: _sessions_first(value) for key, value in trials.items()}
    return make_cohort(
        variables,
        subject=[name] * n_sessions,
        task=task.name,
        source="model",
        coords=_options(variables),
        attrs={
            "task_config": task.config,
            "created_by": f"neuro_metarl {version('neuro_metarl')}",
            "seed": seed,
            "model": repr(player),
        },
    )


def _record_model(player: Planted, task: TwoStep, n_sessions: int, seed: int) -> xr.Dataset:
    generators = seed_generators(seed, [player.name], "record")
    episodes = task.draw(n_sessions, generators)
    tables = {name: _sessions_first(value) for name, value in episodes.variables.items()}
    outcomes = Outcomes(
        tables["state_if"], tables["reward_if"], tables["forced_choice"], task.incongruent
    )
    rng = np.random.default_rng(generators[0].initial_seed())
    choice = torch.from_numpy(simulate(player, outcomes, rng=rng)["choice"]).long()
    actions = torch.full((task.n_trials, len(task.events), 1, n_sessions), task.n_actions - 1)
    actions[:, task.events.index("first_step"), 0] = choice.T
    trials = task.trials(episodes, actions.flatten(0, 1))
    variables = {name: _sessions_first(value) for name, value in trials.items()}
    return make_cohort(
        variables,
        subject=[player.name] * n_sessions,
        task=task.name,
        source="model",
        coords=_options(variables),
        attrs={
            "task_config": task.config,
            "created_by": f"neuro_metarl {version('neuro_metarl')}",
            "seed": seed,
            "model": player.model.name,
            "parameters": json.dumps(dict(player.values), sort_keys=True),
        },
    )


def _record_agent(
    agents: Agents, task: Task, n_sessions: int, seed: int, activity: bool
) -> xr.Dataset:
    generators = seed_generators(seed, agents.names, "record")
    parts: list[dict[str, np.ndarray]] = []
    rollout = None
    for start in range(0, n_sessions, EPISODES_AT_ONCE):
        size = min(EPISODES_AT_ONCE, n_sessions - start)
        if rollout is None or rollout.n_episodes != size:
            rollout = Rollout(agents.population, task, size)
        episodes = task.draw(size, generators)
        rollout.play(episodes, draw_noise(rollout.n_steps, task.n_actions, size, generators))
        trials = task.trials(episodes, rollout.actions.argmax(2))
        variables = {name: _sessions_first(value) for name, value in trials.items()}
        if activity:
            variables |= _activity(rollout, task, agents.recipe.discount)
        parts.append(variables)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    coords = _options(joined)
    if activity:
        coords |= {
            "event": ("event", np.asarray(task.events)),
            "unit": ("unit", np.arange(agents.population.shape.n_units, dtype="int16")),
            "action": ("action", np.asarray(task.actions)),
        }
    return make_cohort(
        joined,
        subject=[agents.names[0]] * n_sessions,
        task=task.name,
        source="agent",
        coords=coords,
        attrs={
            "task_config": task.config,
            "created_by": f"neuro_metarl {version('neuro_metarl')}",
            "seed": seed,
            "trained_on": agents.task.config,
            "recipe": agents.recipe.model_dump_json(),
            "training_seed": agents.seed,
        },
    )


def _options(variables: dict[str, np.ndarray]) -> dict[str, Any]:
    table = next(variables[k] for k in ("p_reward", "expected_reward") if k in variables)
    return {"option": ("option", np.arange(table.shape[-1], dtype="int8"))}


def _activity(rollout: Rollout, task: Task, discount: float) -> dict[str, np.ndarray]:
    values = rollout.values
    later = torch.cat([values[1:], torch.zeros_like(values[:1])])
    per_step = {
        "activity": rollout.hidden,
        "cell": rollout.cells,
        "policy": torch.softmax(rollout.logits, dim=2),
        "value": values,
        "rpe": rollout.rewards + discount * later - values,
    }
    n_events = len(task.events)
    return {
        name: np.ascontiguousarray(
            value.squeeze(1).unflatten(0, (task.n_trials, n_events)).movedim(-1, 0).numpy()
        )
        for name, value in per_step.items()
    }


def _sessions_first(value: Tensor) -> np.ndarray:
    """Turn (trial, agent, ..., session) into (session, trial, ...)."""
    return np.ascontiguousarray(value.squeeze(1).movedim(-1, 0).numpy())
