"""Cohorts of every kind that files must hold: networks, animals with gaps, bare behavior."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.cohort import make_cohort
from neuro_metarl.storage import from_dataframe, to_dataframe

KINDS = ("networks", "animals", "models", "odd")


def make(kind: str, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    return {"networks": networks, "animals": animals, "models": models, "odd": odd}[kind](rng)


def networks(rng: np.random.Generator, n_trials: int = 12, n_units: int = 5) -> xr.Dataset:
    """Two subjects, three sessions, all that a recording of agents holds; names with slashes."""
    shape = (3, n_trials)
    events = ["fixation", "first_step", "second_step"]
    per_event = (*shape, len(events))
    return make_cohort(
        {
            "choice": rng.integers(2, size=shape), "state": rng.integers(2, size=shape),
            "common": rng.integers(2, size=shape), "reward": rng.integers(2, size=shape),
            "p_reward": rng.random((*shape, 2)), "correct": rng.integers(-1, 2, size=shape),
            "activity": rng.normal(size=(*per_event, n_units)),
            "cell": rng.normal(size=(*per_event, n_units)),
            "gates": rng.random((*per_event, n_units, 4)),
            "policy": rng.dirichlet(np.ones(3), per_event),
            "value": rng.normal(size=per_event), "rpe": rng.normal(size=per_event),
        },
        subject=["two-step/0", "two-step/0", "two-step/1"], task="two-step", source="agent",
        coords={
            "event": ("event", events), "unit": ("unit", np.arange(n_units, dtype="int16")),
            "action": ("action", ["left", "right", "fixate"]),
            "option": ("option", np.arange(2, dtype="int8")),
        },
        attrs={"task_config": '{"p_common": 0.8,  "n": 1}', "seed": 7, "learning_rate": 7e-4},
    )  # fmt: skip


def animals(rng: np.random.Generator) -> xr.Dataset:
    """Two mice: missed trials, events without a time, rates that lack where the event lacks."""
    frames = [to_dataframe(_animal(rng, *mouse)) for mouse in (("m1", 9), ("m2", 7))]
    cohort = from_dataframe(
        pd.concat(frames, ignore_index=True), task="bandit-baited", source="animal",
        attrs={"licence": "CC0", "references": "doi:10.1/x", "task_config": json.dumps({"b": 1})},
    )  # fmt: skip
    times = np.stack([cohort.t_go_cue.values, cohort.t_choice.values], axis=2)
    rates = rng.gamma(2, 3, size=(*times.shape, 4))
    rates[~np.isfinite(times)] = np.nan
    cohort["activity"] = (
        ("session", "trial", "event", "unit"), rates.astype("float32"), {"units": "spikes/s"}
    )  # fmt: skip
    return cohort.assign_coords(
        event=("event", ["go_cue", "choice"]), unit=("unit", ["n1", "n2", "n3", "n4"]),
        area=("unit", ["OFC", "OFC", "VTA", "VTA"]), species=("session", ["mouse", "mouse"]),
        n_laser=("session", np.array([3, 0])),
    )  # fmt: skip


def models(rng: np.random.Generator) -> xr.Dataset:
    """Behaviour only; sessions of different lengths, padded; forced choices."""
    shape = (3, 20)
    choice = rng.integers(3, size=shape)
    reward = rng.integers(2, size=shape).astype(float)
    valid = np.arange(20) < np.array([[20], [14], [17]])
    gaps = valid & (rng.random(shape) < 0.1)
    choice[~valid | gaps] = -1
    reason = np.where(valid, np.where(gaps, 3, 0), 1)
    reward[~valid] = np.nan
    return make_cohort(
        {
            "choice": choice, "reward": reward, "invalid_reason": reason,
            "forced": np.where(valid, rng.random(shape) < 0.2, 0),
        },
        subject=["a", "b", "b"], task="bandit", source="model",
    )  # fmt: skip


def odd(rng: np.random.Generator) -> xr.Dataset:
    """Dims in another order, variables and labels of one's own, a single session."""
    cohort = networks(rng).isel(session=[1])
    cohort["stage"] = (("session", "trial"), rng.integers(5, size=(1, 12)))
    cohort["phase"] = (("session", "trial"), [[f"p{k}" for k in range(12)]])
    cohort["lesion"] = (("unit",), rng.random(5))
    cohort["day"] = (("session",), [4.5])
    cohort["choice"].attrs["coding"] = "0 left, 1 right"
    return cohort.transpose("unit", "event", "trial", ...).assign_coords(
        trial=("trial", np.arange(12))
    )


def _animal(rng: np.random.Generator, mouse: str, n_trials: int) -> xr.Dataset:
    start = 1_301_166.0 + np.cumsum(rng.uniform(8, 12, n_trials))
    choice = rng.integers(2, size=n_trials)
    missed = np.arange(n_trials) == 3
    choice[missed] = -1
    times = {"t_go_cue": start + 1, "t_choice": np.where(missed, np.nan, start + 2.5)}
    return make_cohort(
        {
            "choice": choice[None], "reward": (rng.integers(2, size=n_trials) * ~missed)[None],
            "valid": ~missed[None], "invalid_reason": np.where(missed, 3, 0)[None],
            **{name: values[None] for name, values in times.items()},
        },
        subject=[mouse], task="bandit-baited", source="animal",
    )  # fmt: skip
