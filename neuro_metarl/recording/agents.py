"""Recurrent networks, which have units."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import torch
import xarray as xr

from neuro_metarl.agents.learning import draw_noise, seed_generators
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.zoo import Agents
from neuro_metarl.cohort import make_cohort
from neuro_metarl.recording.layout import options, sessions_first
from neuro_metarl.tasks import Task

__all__: list[str] = []

EPISODES_AT_ONCE = 100


def record_agent(
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
        variables = {name: sessions_first(value) for name, value in trials.items()}
        if activity:
            variables |= _activity(rollout, task, agents.recipe.discount)
        parts.append(variables)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    coords = options(joined)
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
