"""Cognitive models and players, which have choices but no units."""

from __future__ import annotations

import json
from importlib.metadata import version

import numpy as np
import torch
import xarray as xr

from neuro_metarl.agents.learning import seed_generators
from neuro_metarl.agents.players import PLAYERS, Player
from neuro_metarl.cognitive.models import Outcomes, Planted, simulate
from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.recording.layout import options, sessions_first
from neuro_metarl.tasks import Task, TwoStep

__all__: list[str] = []


def record_player(player: Player, task: Task, n_sessions: int, seed: int) -> xr.Dataset:
    name = next(k for k, kind in PLAYERS.items() if type(player) is kind)
    generators = seed_generators(seed, [name], "record")
    episodes = task.draw(n_sessions, generators)
    if "expected_reward" not in episodes.variables:
        raise InputError(f"player {name!r} plays bandits; {task.name!r} is none")
    expected = sessions_first(episodes.variables["expected_reward"])
    reward_if = sessions_first(episodes.variables["reward_if"])
    player.start(task, n_sessions, np.random.default_rng(generators[0].initial_seed()))
    actions = np.zeros((task.n_trials, n_sessions), int)
    for t in range(task.n_trials):
        actions[t] = player.act(expected[:, t])
        player.learn(actions[t], reward_if[np.arange(n_sessions), t, actions[t]])
    trials = task.trials(episodes, torch.from_numpy(actions).unsqueeze(1))
    variables = {key: sessions_first(value) for key, value in trials.items()}
    return make_cohort(
        variables,
        subject=[name] * n_sessions,
        task=task.name,
        source="model",
        coords=options(variables),
        attrs={
            "task_config": task.config,
            "created_by": f"neuro_metarl {version('neuro_metarl')}",
            "seed": seed,
            "model": repr(player),
        },
    )


def record_model(player: Planted, task: TwoStep, n_sessions: int, seed: int) -> xr.Dataset:
    generators = seed_generators(seed, [player.name], "record")
    episodes = task.draw(n_sessions, generators)
    tables = {name: sessions_first(value) for name, value in episodes.variables.items()}
    outcomes = Outcomes(
        tables["state_if"], tables["reward_if"], tables["forced_choice"], task.incongruent
    )
    rng = np.random.default_rng(generators[0].initial_seed())
    choice = torch.from_numpy(simulate(player, outcomes, rng=rng)["choice"]).long()
    actions = torch.full((task.n_trials, len(task.events), 1, n_sessions), task.n_actions - 1)
    actions[:, task.events.index("first_step"), 0] = choice.T
    trials = task.trials(episodes, actions.flatten(0, 1))
    variables = {name: sessions_first(value) for name, value in trials.items()}
    return make_cohort(
        variables,
        subject=[player.name] * n_sessions,
        task=task.name,
        source="model",
        coords=options(variables),
        attrs={
            "task_config": task.config,
            "created_by": f"neuro_metarl {version('neuro_metarl')}",
            "seed": seed,
            "model": player.model.name,
            "parameters": json.dumps(dict(player.values), sort_keys=True),
        },
    )
