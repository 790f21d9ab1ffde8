"""Digests of everything that a seed decides, printed as JSON by a process of its own.

    python -m tests.digests 2 double

trains, records, yokes and replays on that many threads, under one of ``SURROUNDINGS``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
import xarray as xr

import neuro_metarl as nm
from neuro_metarl.agents.recipes import make_recipe
from neuro_metarl.agents.zoo import Agents, untrained
from neuro_metarl.tasks import VisualTask
from neuro_metarl.yoking import record_yoked, replay

FORMS: dict[str, dict[str, object]] = {
    "two-step": {"n_trials": 12},
    "two-step-2016": {},
    "two-step-akam": {"n_trials": 60, "min_block": 5, "p_forced": 0.3},
    "bandit-independent": {"n_trials": 12},
    "bandit-dependent-easy": {"n_trials": 12},
    "bandit-eleven": {},
    "bandit-restless": {"n_trials": 12},
    "harlow": {"balanced": True},
    "harlow-pixels": {"n_steps": 20, "n_pictures": 4},
    "harlow-pixels-direct": {"n_pictures": 4},
    "navigation": {"n_steps": 20},
    "navigation-continuous": {"n_steps": 12},
}
PICTURES = {"n_episodes": 2, "n_features": 6, "encoder_frozen": 0, "flush_denormals": True}
CORES = {"pictures": ("lstm", "stacked", "feed-forward"), "numbers": ("gru", "vanilla")}


def digest(*arrays: np.ndarray) -> str:
    """Hash types, shapes and bits."""
    whole = hashlib.sha256()
    for array in arrays:
        whole.update(f"{array.dtype}{array.shape}".encode())
        whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()[:16]


def of_cohort(cohort: xr.Dataset | xr.DataArray) -> str:
    """Hash the numbers of a cohort."""
    if isinstance(cohort, xr.DataArray):
        return digest(cohort.values)
    return digest(*(cohort[name].values for name in sorted(map(str, cohort.data_vars))))


def population(name: str, n_agents: int, core: str | None = None) -> Agents:
    """Train shortly."""
    task = nm.make_task(name, **FORMS[name])
    changes: dict[str, object] = {"n_updates": 2, "n_units": 10, "n_episodes": 3}
    if core is not None:
        changes |= {"core": core}
    if isinstance(task, VisualTask):
        changes |= PICTURES
        if name.startswith("navigation"):
            changes["unroll"] = task.n_steps // 2
    recipe = make_recipe(name, changes=changes)
    return nm.train(task, recipe=recipe, n_agents=n_agents, seed=3, progress=False)


def digests(*, pictures: bool = True) -> dict[str, str]:
    """Hash trainings, recordings, yoked and replayed sessions of every task and core."""
    found = {}
    for name in FORMS:
        seen = name.startswith(("harlow-pixels", "navigation"))
        if seen and not pictures:
            continue
        others = (None, *CORES["numbers"]) if name == "two-step" else (None,)
        for core in CORES["pictures"] if seen else others:
            agents, key = population(name, 2, core), f"{name} {core or ''}"
            found[f"train {key}"] = digest(agents.population.flat.numpy())
            kept = ["activity", "value", "rpe"] if core != "feed-forward" else None
            cohort = nm.record(agents, n_sessions=3, seed=1, variables=kept)
            found[f"record {key}"] = of_cohort(cohort)
            fresh = untrained(agents, n_agents=1, seed=5)
            found[f"untrained {key}"] = digest(fresh.population.flat.numpy())
    return found | yoked()


def yoked() -> dict[str, str]:
    """Hash yoked and replayed sessions, models and players."""
    rats = nm.load_dataset("synthetic-rats").isel(session=slice(0, 40, 8))
    arms = nm.record(nm.make_player("thompson"), "bandit-restless", 3, seed=2)
    arms = arms.assign(p_reward=arms["expected_reward"])
    two_step, bandit = nm.load_agents("two-step/0"), nm.load_agents("bandit-restless/0")
    planner = nm.record(nm.models.hybrid.planted(weight_model_based=1.0), "two-step-miller", 3)
    return {
        "player": of_cohort(arms),
        "planner": of_cohort(planner),
        "yoked rats": of_cohort(record_yoked(two_step, rats, n_replicates=1)),
        "replayed rats": of_cohort(replay(two_step, rats)),
        "yoked arms": of_cohort(record_yoked(bandit, arms, n_replicates=1)),
        "replayed arms": of_cohort(replay(bandit, arms)),
        "dose": of_cohort(
            nm.record(two_step, n_sessions=2, perturb=nm.perturb.inject(0.3, [2], where="cell"))
        ),
    }


@contextmanager
def changed(change: Callable[[], object], back: Callable[[], object]) -> Iterator[None]:
    """Change a setting of the process for a while."""
    change()
    try:
        yield
    finally:
        back()


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "plain": nullcontext,
    "double": lambda: changed(
        lambda: torch.set_default_dtype(torch.float64),
        lambda: torch.set_default_dtype(torch.float32),
    ),
    "device": lambda: changed(
        lambda: torch.set_default_device("meta"), lambda: torch.set_default_device(None)
    ),
    "device block": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "precision": lambda: changed(
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: torch.set_float32_matmul_precision("highest"),
    ),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "denormals": lambda: changed(
        lambda: torch.set_flush_denormal(True), lambda: torch.set_flush_denormal(False)
    ),
    "global seeds": lambda: changed(
        lambda: (torch.manual_seed(99), np.random.seed(99)),  # noqa: NPY002
        lambda: None,
    ),
}


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    with SURROUNDINGS[sys.argv[2]]():
        result = digests()
    print(json.dumps(result))
