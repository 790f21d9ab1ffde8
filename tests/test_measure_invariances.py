"""What cannot matter to a measure of choices: which side is called 0, and missed trials."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_metarl import lagged_regression, make_cohort, profile, regret, stay_probability, win_stay
from neuro_metarl.behavior import (
    bandit_profile,
    lagged_by_reward,
    one_back_regression,
    stay_by_reward,
    suboptimal_pulls,
)

MEASURES: dict[str, tuple[Callable[..., xr.Dataset], list[str]]] = {
    "win_stay": (win_stay, ["win_stay", "lose_shift", "n_rewarded", "n_omitted"]),
    "stay_probability": (stay_probability, ["stay_probability"]),
    "stay_by_reward": (stay_by_reward, ["stay_probability"]),
    "lagged_regression": (lagged_regression, ["lagged_weight", "planning_index", "stay_index"]),
    "lagged_by_reward": (lagged_by_reward, ["lagged_weight"]),
    "one_back_regression": (one_back_regression, ["one_back"]),
    "profile": (profile, ["profile"]),
    "bandit_profile": (bandit_profile, ["profile"]),
    "regret": (regret, ["total_regret"]),
    "suboptimal_pulls": (suboptimal_pulls, ["suboptimal"]),
}


def ragged(seed: int) -> xr.Dataset:
    """Two subjects, sessions of several lengths, misses, forced trials, problems, odds."""
    rng, shape = np.random.default_rng(seed), (6, 70)
    choice, reward = rng.integers(0, 2, (2, *shape))
    common = (rng.random(shape) < 0.7).astype(int)
    length = rng.integers(40, 70, (6, 1))
    valid = (rng.random(shape) > 0.1) & (np.arange(70) < length)
    odds = rng.random((*shape, 2)).astype("float32")
    correct = (odds.argmax(axis=-1) == choice).astype(int)
    blank = {"choice": choice, "common": common, "state": choice ^ 1 ^ common, "correct": correct}
    return make_cohort(
        {k: np.where(valid, v, -1) for k, v in blank.items()}
        | {
            "reward": np.where(valid, reward, np.nan), "valid": valid.astype(int),
            "forced": (valid & (rng.random(shape) < 0.1)).astype(int),
            "problem": np.where(valid, np.arange(70) // 25, -1),
            "p_reward": np.where(valid[..., None], odds, np.nan),
            "expected_reward": np.where(valid[..., None], odds, np.nan),
        },
        subject=list("aaabbb"), task="two-step", source="animal",
    )  # fmt: skip


def relabelled(cohort: xr.Dataset) -> xr.Dataset:
    """Side 0 is called 1 everywhere: choices, states and odds."""
    there = cohort.valid == 1
    flipped = {
        name: (1 - cohort[name]).where(there, -1).astype("int8") for name in ("choice", "state")
    }
    turned = {name: cohort[name][..., ::-1] for name in ("p_reward", "expected_reward")}
    return cohort.assign(flipped | turned)


def with_misses(cohort: xr.Dataset) -> xr.Dataset:
    """A missed trial before each third trial: it does not exist for any of these measures."""
    at = np.sort(np.concatenate([np.arange(70), np.arange(0, 70, 3)]))
    there = xr.DataArray(np.append(at[1:] != at[:-1], True), dims="trial")
    wide = cohort.isel(trial=at)
    blank = {"choice": -1, "state": -1, "common": -1, "correct": -1, "valid": 0, "forced": 0}
    return wide.assign(
        {k: wide[k].where(there, v).astype(wide[k].dtype) for k, v in blank.items()}
        | {k: wide[k].where(there) for k in ("reward", "p_reward", "expected_reward")}
        | {"problem": wide["problem"].where(there, -1).astype("int32")}
    )


def numbers(name: str, cohort: xr.Dataset) -> dict[str, np.ndarray]:
    measure, kept = MEASURES[name]
    found = measure(cohort)
    return {key: found[key].values for key in kept if key in found}


@pytest.mark.parametrize("name", sorted(MEASURES))
@given(seed=st.integers(0, 10_000))
@settings(max_examples=5, deadline=None)
def test_what_cannot_matter_does_not(name: str, seed: int) -> None:
    cohort = ragged(seed)
    truth = numbers(name, cohort)
    assert truth, name
    same = {"sides": relabelled(cohort)}
    if name != "suboptimal_pulls":
        same["misses"] = with_misses(cohort)
    for why, other in same.items():
        found = numbers(name, other)
        for key, values in truth.items():
            np.testing.assert_allclose(
                found[key], values, rtol=1e-6, atol=1e-7, err_msg=f"{why}, {key}"
            )
