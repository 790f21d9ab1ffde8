"""One table through every door: the same cohort, or the same refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.errors import InputError
from neuro_metarl.io import from_neo, read, read_nwb
from neuro_metarl.storage import from_dataframe, open_cohort, save_cohort
from tests.lab_tables import DOORS, bandit_table, put, two_step_table

PER_SESSION = ("nwb", "neo")
NOT_COLUMNS = ("subject", "session", "trial")


def through(
    door: str, frame: pd.DataFrame, folder: Path, task: str, codes: dict[str, Any] | None = None
) -> xr.Dataset:
    given = put(frame, door, folder)
    if door == "frame":
        return from_dataframe(given, task=task, source="animal", codes=codes)
    if door in PER_SESSION:
        columns = {n: n for n in frame.columns if n not in NOT_COLUMNS}
        columns = {n: {"column": n, "codes": (codes or {})[n]} if n in (codes or {}) else n
                   for n in columns}  # fmt: skip
        if door == "nwb":
            return read_nwb(given, columns=columns, task=task)
        return concat_cohorts([from_neo(b, columns=columns, task=task) for b in given])
    return read(given, task=task, codes=codes)


def meaning(cohort: xr.Dataset) -> dict[str, np.ndarray]:
    """What a cohort says of its trials, subject by subject, without names of sessions and files."""
    names = ["choice", "reward", "valid", "forced", "state", "common", "correct", "p_reward"]
    order = np.argsort(cohort.subject.values, kind="stable")
    found = {n: cohort[n].values[order] for n in names if n in cohort}
    return found | {"subject": cohort.subject.values[order]}


def assert_same(one: xr.Dataset, other: xr.Dataset, door: str) -> None:
    first, second = meaning(one), meaning(other)
    assert set(first) == set(second), door
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=f"{door}: {name}")


def with_misses(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    missed = rng.random(len(frame)) < 0.1
    return frame.assign(valid=(~missed).astype(int), forced=(rng.random(len(frame)) < 0.2) * 1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("door", DOORS)
def test_one_table_is_one_cohort(door: str, seed: int, tmp_path: Path) -> None:
    for task, frame in (
        ("two-step", two_step_table(seed)),
        ("two-step", two_step_table(seed).drop(columns="common")),
        ("bandit", with_misses(bandit_table(seed), seed)),
    ):
        folder = tmp_path / f"{task}{len(frame.columns)}"
        folder.mkdir()
        expected = from_dataframe(frame, task=task, source="animal")
        for name in ("choice", "reward"):
            by_hand = frame.pivot(index=["subject", "session"], columns="trial", values=name)
            np.testing.assert_array_equal(expected[name].values, by_hand.to_numpy())
        assert_same(through(door, frame, folder, task), expected, door)


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_a_cohort_on_disk_is_the_same(ending: str, tmp_path: Path) -> None:
    cohort = from_dataframe(two_step_table(0), task="two-step", source="animal")
    again = open_cohort(save_cohort(cohort, tmp_path / f"c.{ending}"))
    xr.testing.assert_identical(again, cohort)


@pytest.mark.parametrize("door", DOORS)
def test_words_and_truth_values_are_read_alike(door: str, tmp_path: Path) -> None:
    frame = two_step_table(1)
    expected = from_dataframe(frame, task="two-step", source="animal")
    words = frame.assign(choice=np.where(frame.choice == 1, "right", "left"))
    if door != "mat73":
        words = words.assign(reward=frame.reward == 1)
    assert_same(through(door, words, tmp_path, "two-step"), expected, door)


def miscoded(kind: str) -> tuple[pd.DataFrame, str]:
    """Tables whose codes nobody declared, and their task."""
    two_step, bandit = two_step_table(2), bandit_table(2)
    return {
        "choice -1/1": (two_step.assign(choice=2 * two_step.choice - 1), "two-step"),
        "arms -1/1": (bandit.assign(choice=2 * bandit.choice - 1), "bandit"),
        "choice 1/2": (two_step.assign(choice=two_step.choice + 1), "two-step"),
        "arms 1/2": (bandit.assign(choice=bandit.choice + 1), "bandit"),
        "arms, 2 = none": (bandit.assign(choice=bandit.choice.where(bandit.index % 7 > 0, 2)),
                           "bandit"),
        "choice A/B": (two_step.assign(choice=np.where(two_step.choice == 1, "B", "A")),
                       "two-step"),
        "state 1/2": (two_step.assign(state=two_step.state + 1), "two-step"),
        "reward yes/no": (bandit.assign(reward=np.where(bandit.reward == 1, "yes", "no")),
                          "bandit"),
        "a gap in the odds": (bandit.assign(p_reward_0=bandit.p_reward_0.mask(bandit.index == 17)),
                              "bandit"),
        "odds in percent": (bandit.assign(p_reward_0=bandit.p_reward_0 * 100), "bandit"),
        "a missing choice": (bandit.assign(choice=bandit.choice.astype(float).mask(
            bandit.index == 30)), "bandit"),
        "a missing reward": (bandit.assign(reward=bandit.reward.astype(float).mask(
            bandit.index == 30)), "bandit"),
        "forced 2": (bandit.assign(forced=np.where(bandit.index % 5 == 0, 2, 0)), "bandit"),
        "common 1/2": (two_step.assign(common=two_step.common + 1), "two-step"),
        "reversing mapping": (two_step_table(3, n_trials=160, block=40).drop(columns="common"),
                              "two-step"),
        "congruence as common": (two_step.assign(common=(two_step.choice == two_step.state) * 1),
                                 "two-step"),
    }[kind]  # fmt: skip


KINDS = (
    "choice -1/1", "arms -1/1", "choice 1/2", "arms 1/2", "arms, 2 = none", "choice A/B",
    "state 1/2", "reward yes/no", "a gap in the odds", "odds in percent", "a missing choice",
    "a missing reward", "forced 2", "common 1/2", "reversing mapping", "congruence as common",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("door", DOORS)
def test_what_nobody_declared_is_refused_at_every_door(
    door: str, kind: str, tmp_path: Path
) -> None:
    frame, task = miscoded(kind)
    with pytest.raises(InputError) as caught:
        through(door, frame, tmp_path, task)
    message = str(caught.value)
    assert "\n" not in message
    assert "=1 " not in message or "=0" in message, "a proposal that maps everything to 1"


@pytest.mark.parametrize("door", DOORS)
def test_declared_codes_are_read_alike(door: str, tmp_path: Path) -> None:
    frame = bandit_table(4)
    expected = from_dataframe(frame, task="bandit", source="animal")
    coded = frame.assign(choice=2 * frame.choice - 1, reward=np.where(frame.reward == 1, 4.0, 1.5))
    codes = {"choice": {"-1": 0, "1": 1}, "reward": {"4": 1, "1.5": 0}}
    assert_same(through(door, coded, tmp_path, "bandit", codes), expected, door)
