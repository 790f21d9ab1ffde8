"""The doctor finds what was planted, names it by its check, and finds nothing in what is sound."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from neuro_metarl.agents.zoo import Agents, load_agents, save_agents, untrained
from neuro_metarl.cli import main
from neuro_metarl.cohort import make_cohort
from neuro_metarl.doctor import examine, examine_agents, examine_recording, examine_trials
from neuro_metarl.errors import InputError
from neuro_metarl.models.model import find_model
from neuro_metarl.perturb.perturbation import Perturbation
from neuro_metarl.recording import record
from neuro_metarl.storage import save_cohort


def verdicts(found: list[Any]) -> dict[str, str]:
    worst = ["fine", "unknown", "look", "wrong"]
    said: dict[str, str] = {}
    for f in found:
        said[f.check] = max(said.get(f.check, "fine"), f.verdict, key=worst.index)
    return said


@pytest.fixture(scope="module")
def animals() -> xr.Dataset:
    """Three planted two-step players that stand for animals; each its own mapping."""
    planted = [find_model("model_free").planted(f"r{k}") for k in range(3)]
    cohort = record(planted, "two-step-miller", n_sessions=6, seed=5)
    return cohort.assign_attrs(source="animal")


@pytest.fixture(scope="module")
def networks() -> xr.Dataset:
    return record("two-step/0", n_sessions=90, seed=2)


def test_nothing_is_wrong_with_what_is_sound(animals: xr.Dataset, networks: xr.Dataset) -> None:
    for cohort in (animals, networks):
        said = verdicts(examine_trials(cohort))
        assert set(said.values()) == {"fine"}, said
    assert set(verdicts(examine_recording(networks)).values()) == {"fine"}


def _sorted_by(name: str) -> Callable[[xr.Dataset], xr.Dataset]:
    def change(cohort: xr.Dataset) -> xr.Dataset:
        order = cohort[name].argsort(axis=1, kind="stable")
        return cohort.map(
            lambda v: v.isel(trial=order) if v.dims[:2] == ("session", "trial") else v
        )

    return change


def _shuffled(cohort: xr.Dataset) -> xr.Dataset:
    order = np.random.default_rng(0).permutation(cohort.sizes["trial"])
    return cohort.isel(trial=order)


def _times(step: float) -> Callable[[xr.Dataset], xr.Dataset]:
    def change(cohort: xr.Dataset) -> xr.Dataset:
        times = np.arange(cohort.sizes["trial"]) * step + np.zeros((cohort.sizes["session"], 1))
        return cohort.assign(t_choice=(("session", "trial"), times))

    return change


def _backwards(cohort: xr.Dataset) -> xr.Dataset:
    changed = _times(8.0)(cohort)
    changed["t_choice"][0, 7] = 3.0
    return changed


def _copied(cohort: xr.Dataset) -> xr.Dataset:
    changed = cohort.copy(deep=True)
    for name in ("choice", "reward", "state", "common"):
        changed[name][3] = changed[name][1]
    return changed


PLANTED: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str, str]] = {
    "sorted by reward": (_sorted_by("reward"), "order", "wrong"),
    "sorted by choice": (_sorted_by("choice"), "order", "look"),
    "shuffled rows": (_shuffled, "order", "look"),
    "time goes back": (_backwards, "order", "wrong"),
    "milliseconds": (_times(8000.0), "units of time", "look"),
    "odds of the other state": (
        lambda c: c.assign(p_reward=c.p_reward.isel(option=[1, 0]).assign_coords(option=[0, 1])),
        "odds", "wrong",
    ),
    "odds of the next trial": (
        lambda c: c.assign(p_reward=0 * c.p_reward + 0.95), "odds", "look",
    ),
    "common and rare exchanged": (
        lambda c: c.assign(common=xr.where(c.common >= 0, 1 - c.common, -1).astype("int8")),
        "mapping", "wrong",
    ),
    "mapping of half a session": (
        lambda c: c.assign(state=xr.where(c.trial < 50, c.state, 1 - c.state).astype("int8")),
        "mapping", "look",
    ),
    "forced is free": (
        lambda c: c.assign(forced=(1 - c.forced).astype("int8")), "forced", "look",
    ),
    "a session twice": (_copied, "copies", "wrong"),
    "a subject in two spellings": (
        lambda c: c.assign_coords(
            subject=("session", np.where(np.arange(18) % 2, "Rat 1", "rat1"))),
        "subjects", "look",
    ),
    "always rewarded": (lambda c: c.assign(reward=0 * c.reward + 1), "reward", "wrong"),
    "rewards coded 1 and 2": (lambda c: c.assign(reward=c.reward + 1), "reward", "look"),
    "one side": (lambda c: c.assign(choice=0 * c.choice), "choice", "look"),
    "nobody said what counts": (
        lambda c: c.assign_attrs(undeclared="valid, forced"), "valid", "look",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_what_was_planted_in_trials_is_found(name: str, animals: xr.Dataset) -> None:
    change, check, verdict = PLANTED[name]
    said = verdicts(examine_trials(change(animals.copy(deep=True))))
    assert said[check] == verdict, said


@pytest.mark.parametrize("seed", range(3))
def test_arms_in_each_others_place_are_found(seed: int) -> None:
    cohort = record("bandit-independent/0", n_sessions=40, seed=seed)
    assert verdicts(examine_trials(cohort))["odds"] == "fine"
    exchanged = cohort.expected_reward.isel(option=[1, 0]).assign_coords(option=[0, 1])
    assert verdicts(examine_trials(cohort.assign(expected_reward=exchanged)))["odds"] == "wrong"


@pytest.mark.parametrize("share", [0.6, 1.0])
def test_silent_units_are_found(share: float, networks: xr.Dataset) -> None:
    silent = networks.unit < share * networks.sizes["unit"]
    changed = networks.assign(activity=networks.activity.where(~silent, 0.0))
    assert verdicts(examine_trials(changed))["units"] == "wrong"


# ---------------------------------------------------------------- networks


def test_a_critic_that_foresees_nothing_is_found(networks: xr.Dataset) -> None:
    constant = networks.assign(value=0 * networks.value)
    assert verdicts(examine_recording(constant))["critic"] == "wrong"
    # values of other sessions, with the errors that belong to them
    other = networks.value.roll(session=7, roll_coords=False)
    rewards = xr.zeros_like(other)
    rewards[..., -1] = networks.reward
    flat = np.asarray(other).reshape(len(other), -1)
    following = np.concatenate([flat[:, 1:], np.zeros((len(flat), 1))], axis=1)
    errors = np.asarray(rewards).reshape(flat.shape) + 0.8 * following - flat
    moved = networks.assign(value=other, rpe=other.copy(data=errors.reshape(other.shape)))
    assert verdicts(examine_recording(moved))["critic"] == "wrong"


def test_errors_of_another_kind_are_no_verdict(networks: xr.Dataset) -> None:
    changed = networks.assign(rpe=networks.rpe + np.random.default_rng(0).random(100)[:, None])
    assert verdicts(examine_recording(changed))["critic"] == "unknown"


def test_memory_that_outlives_a_session_is_found(networks: xr.Dataset) -> None:
    changed = networks.copy(deep=True)
    ends = changed.activity.isel(trial=-1, event=-1).values
    changed.activity[1:, 0, 0] = ends[:-1]
    assert verdicts(examine_recording(changed))["memory at the start"] == "wrong"


def test_memory_that_is_wiped_after_every_trial_is_found() -> None:
    wipe = [
        Perturbation("activity", "clamp", 0.0, events=["second_step"]),
        Perturbation("cell", "clamp", 0.0, events=["second_step"]),
    ]
    said = verdicts(examine_recording(record("two-step/0", n_sessions=60, seed=2, perturb=wipe)))
    assert said["learning within a session"] == "look"
    assert said["better than chance"] in ("wrong", "fine")


def test_a_recording_with_choices_alone_is_no_verdict() -> None:
    cohort = make_cohort(
        {"choice": [[0, 1] * 20], "reward": [[0, 1] * 20]},
        subject=["a"], task="bandit", source="agent",
    )  # fmt: skip
    assert set(verdicts(examine_recording(cohort)).values()) == {"unknown"}


def deaf(agents: Agents) -> Agents:
    """Set the weights of the input that shows the reward to 0."""
    shape = agents.population.shape
    with torch.no_grad():
        for name, column in shape.core.reward_columns(shape).items():
            agents.population.tensors[name][..., column] = 0
    return agents


@pytest.mark.parametrize("name", ["two-step", "bandit-independent", "harlow", "two-step-2016"])
def test_trained_networks_pass_and_untrained_do_not(name: str) -> None:
    agents = load_agents(name)
    said = verdicts(examine_agents(agents))
    assert "wrong" not in said.values(), said
    for check in ("critic", "reward reaches the network", "memory from trial to trial",
                  "better than its control"):  # fmt: skip
        assert said[check] == "fine", said
    said = verdicts(examine_agents(untrained(agents)))
    assert said["better than its control"] == "wrong", said
    assert said["better than chance"] == "wrong", said
    assert said["critic"] == "wrong", said
    assert said["memory from trial to trial"] == "look"


def test_a_network_that_rewards_do_not_reach_is_found() -> None:
    said = verdicts(examine_agents(deaf(load_agents("two-step/0"))))
    assert said["reward reaches the network"] == "wrong"


# ---------------------------------------------------------------- files and the command


def test_what_a_file_is_and_whether_it_is_whole(networks: xr.Dataset, tmp_path: Path) -> None:
    few = networks.isel(session=slice(12))
    for name, what in (("c.nc", "a cohort in netCDF"), ("c.zarr", "a cohort in Zarr")):
        found = examine(save_cohort(few, tmp_path / name))
        assert found.what == what
        assert "checksums" in found.whole
        assert found.attrs["units"] == 48
        assert found.healthy
    (tmp_path / "c.zarr" / "reward" / "zarr.json").unlink()
    with pytest.raises(InputError, match="'reward' is missing"):
        examine(tmp_path / "c.zarr")
    with pytest.raises(InputError, match="says itself what it holds; leave out columns"):
        examine(tmp_path / "c.nc", columns={"choice": "side"})
    with pytest.raises(InputError, match=r"nothing\.csv: there is no such file"):
        examine(tmp_path / "nothing.csv")


def test_a_checkpoint_without_a_checksum_is_said(tmp_path: Path) -> None:
    folder = save_agents(load_agents("harlow/0"), tmp_path / "mine")
    assert examine(folder).whole == "the checksum of weights and card agrees"
    card = json.loads((folder / "agents.json").read_text())
    del card["sha256"]
    (folder / "agents.json").write_text(json.dumps(card))
    assert "no checksum" in examine(folder).whole


def test_the_command_says_it_and_ends_accordingly(
    tmp_path: Path, animals: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["doctor", str(save_cohort(animals, tmp_path / "a.nc"))])
    said = capsys.readouterr().out
    assert "a.nc: a cohort in netCDF" in said
    assert "fine     odds: " in said
    table = tmp_path / "t.csv"
    rows = ["subject,side,reward", *(f"a,{k % 2 + 1},{int(k > 20)}" for k in range(40))]
    table.write_text("\n".join(rows))
    with pytest.raises(SystemExit) as ended:
        main(["doctor", str(table), "--columns", "choice=side", "--codes", "choice:1=0",
              "choice:2=1", "--task", "bandit", "--json"])  # fmt: skip
    assert ended.value.code == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["healthy"]
    assert {"check": "order", "verdict": "wrong"}.items() <= next(
        f for f in found["findings"] if f["verdict"] == "wrong"
    ).items()
    with pytest.raises(SystemExit) as ended:
        main(["doctor", str(tmp_path / "nothing.nc")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
