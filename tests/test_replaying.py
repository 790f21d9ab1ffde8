"""Networks driven by what others were given: exactly their own state on their own trials."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

import neuro_metarl as nm
from neuro_metarl.agents import untrained
from neuro_metarl.perturb import lesion_reward
from neuro_metarl.recording import record_replay
from neuro_metarl.tasks import TwoStep

EVERY = ("activity", "cell", "gates", "policy", "value", "inputs")


@pytest.fixture(scope="module")
def agents() -> nm.agents.Agents:
    return nm.load_agents("two-step").select([0, 3])


@pytest.fixture(scope="module")
def cohort(agents: nm.agents.Agents) -> xr.Dataset:
    return nm.record(agents, n_sessions=12, seed=4, variables=EVERY)


def test_a_network_on_its_own_sessions_is_itself(
    agents: nm.agents.Agents, cohort: xr.Dataset
) -> None:
    again = record_replay(agents, cohort, of={n: n for n in agents.names}, variables=EVERY)
    for name in EVERY:
        assert np.array_equal(again[name].values, cohort[name].values), name
    assert again.attrs["replayed"].startswith("inputs as recorded")
    some = record_replay(agents.select([1]), cohort.isel(session=[20, 14]))
    expected = cohort.activity.isel(session=[20, 14]).values
    np.testing.assert_allclose(some.activity.values, expected, atol=2e-6)
    whole = record_replay(agents, cohort)
    assert whole.sizes["session"] == 48
    pairs = list(zip(whole.subject.values.tolist(), whole.animal.values.tolist(), strict=True))
    assert pairs[::12] == [(a, b) for a in agents.names for b in agents.names]


@pytest.mark.parametrize(
    "name",
    ["two-step-gru", "two-step-feed-forward", "two-step-2016", "bandit-restless-gru",
     "bandit-eleven", "harlow", "harlow-gru"],
)  # fmt: skip
def test_any_core_and_task(name: str) -> None:
    agents = nm.load_agents(name).select([0])
    cohort = nm.record(agents, n_sessions=3, seed=2)
    again = record_replay(agents, cohort)
    for variable in ("activity", "policy", "value"):
        assert np.array_equal(again[variable].values, cohort[variable].values)


def test_trials_that_were_broken_off_and_forced_ones_are_given_too() -> None:
    fresh = untrained(nm.load_agents("two-step/0"), n_agents=1)
    task = TwoStep(p_forced=0.3, n_trials=40)
    cohort = nm.record(fresh, task, n_sessions=5, seed=1)
    assert (cohort.valid == 0).any()
    assert (cohort.forced == 1).any()
    again = record_replay(fresh, cohort)
    assert np.array_equal(again.activity.values, cohort.activity.values)
    reward = cohort.inputs.sel(input="last reward")
    assert float(reward.sel(event="first_step").min()) == -1  # fixation was left


def test_a_perturbed_network_s_inputs_are_those_it_saw() -> None:
    agents = nm.load_agents("two-step/0")
    blind = nm.record(agents, n_sessions=2, perturb=lesion_reward())
    assert float(abs(blind.inputs.sel(input="last reward")).max()) == 0
    assert float(blind.reward.max()) == 1
    assert np.array_equal(record_replay(agents, blind).activity.values, blind.activity.values)


@pytest.mark.parametrize("name", ["bandit-independent", "bandit-restless"])
def test_inputs_of_bandits_are_rebuilt_exactly(name: str) -> None:
    agents = nm.load_agents(name).select([0])
    cohort = nm.record(agents, n_sessions=4, seed=3)
    rebuilt = record_replay(agents, cohort.drop_vars("inputs"))
    assert np.array_equal(rebuilt.activity.values, cohort.activity.values)


def test_inputs_of_two_step_sessions_are_rebuilt_but_for_what_is_not_known(
    agents: nm.agents.Agents, cohort: xr.Dataset
) -> None:
    rebuilt = record_replay(agents.select([0]), cohort.drop_vars("inputs"), variables="inputs")
    known = cohort.inputs.where(cohort.valid == 1)
    fixation = {"event": "fixation", "input": ["last left", "last right", "last center"]}
    differs = rebuilt.inputs.values != known.values
    differs = xr.DataArray(differs & np.isfinite(known.values), known.coords, known.dims)
    assert 0.5 < float(differs.sel(fixation).any("input").mean()) < 0.8
    chance = rebuilt.inputs.sel(fixation).isel(trial=slice(1, None)).mean(["session", "trial"])
    np.testing.assert_allclose(chance.values, 1 / 3, atol=0.05)
    differs.loc[fixation] = False
    kept = (cohort.valid == 1) & (cohort.valid.shift(trial=1, fill_value=1) == 1)
    fixated = (cohort.inputs.sel(event="first_step", input="last center") == 1) & kept
    assert not bool(differs.where(fixated, False).any())
    assert "drawn" in rebuilt.attrs["replayed"]


def test_the_trials_stay_where_they_were_and_who_they_are_of_is_told() -> None:
    rats = nm.load_dataset("synthetic-rats")
    rats = rats.isel(session=slice(0, 4)).copy(deep=True)
    rats.valid[1, 3] = 0
    rats.choice[1, 3] = -1
    if "invalid_reason" in rats:
        rats.invalid_reason[1, 3] = 3
    agents = nm.load_agents("two-step").select([0, 1])
    played = record_replay(agents, rats, events=["first_step"], seed=7)
    assert played.sizes["event"] == 1
    assert np.isnan(played.activity[1, 3]).all()
    assert np.isfinite(played.activity[1, 4]).all()
    assert np.array_equal(np.isfinite(played.value[..., 0]), played.valid == 1)
    assert np.array_equal(played.choice[4:], rats.choice)
    assert played.attrs["played_by"] == rats.attrs["source"]
    assert played.animal.values[4:].tolist() == rats.subject.values.tolist()
    odds = np.log(played.policy.sel(action="right") / played.policy.sel(action="left"))
    expected = nm.replay(agents, rats).values.reshape(8, -1)
    close = np.corrcoef(odds.values[..., 0][played.valid == 1], expected[played.valid == 1])
    assert close[0, 1] > 0.99  # other draws at the second step


def test_the_subject_s_own_mapping_is_followed() -> None:
    """Rats whose left leads commonly to state 1 are given what they saw as the network knows it."""
    rats = nm.load_dataset("synthetic-rats").isel(session=slice(0, 2))
    turned = rats.assign(state=rats.state.where(rats.valid == 0, 1 - rats.state))
    agents = nm.load_agents("two-step/0")
    one, other = record_replay(agents, rats), record_replay(agents, turned)
    assert np.array_equal(one.activity.values, other.activity.values, equal_nan=True)


@pytest.mark.parametrize(
    ("change", "who", "keywords", "message"),
    [
        (lambda c: c.drop_vars(["inputs", "state"]), "two-step/0", {}, "no 'state', which inputs"),
        (lambda c: c, "harlow/0", {}, "has 8 at fixation, .*agents of 'harlow' take 131 at choice"),
        (lambda c: c.sel(event=["fixation"]), "two-step/0", {}, "recorded at all of its events"),
        (lambda c: c.drop_vars("inputs"), "bandit-restless/0", {}, "is no bandit"),
        (lambda c: c.drop_vars("inputs"), "bandit-eleven/0", {}, "cannot be rebuilt"),
        (lambda c: c, "navigation/0", {}, "see pictures"),
        (lambda c: c, "two-step/0", {"variables": "rpe"}, "value after the last event"),
        (lambda c: c, "two-step/0", {"variables": ["activty"]}, "did you mean 'activity'"),
        (lambda c: c, "two-step-gru/0", {"variables": ["cell"]}, "core 'gru' have no 'cell'"),
        (lambda c: c, "two-step/0", {"of": {"two-step/0": "two-step/9"}}, "no subject of the coh"),
        (lambda c: c, "two-step", {"of": {"two-step/0": "two-step/0"}}, "'two-step/1' replays nob"),
        (
            lambda c: c.drop_vars("inputs").assign(reward=2 * c.reward),
            "two-step/0", {}, "reward: 2 at session 0, .*say which values count as a reward",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_refused(
    cohort: xr.Dataset, change: object, who: str, keywords: dict, message: str
) -> None:
    with pytest.raises(nm.InputError, match=message):
        record_replay(nm.load_agents(who), change(cohort), **keywords)


def test_a_planted_model_s_sessions_are_replayed() -> None:
    planner = nm.models.hybrid.planted(name="planner", weight_model_based=1.0)
    cohort = nm.record([planner], "two-step", n_sessions=3)
    reservoirs = untrained(nm.load_agents("two-step/0"), n_agents=2, seed=3)
    driven = record_replay(reservoirs, cohort)
    assert driven.subject.values.tolist() == ["untrained/0"] * 3 + ["untrained/1"] * 3
    assert set(driven.animal.values) == {"planner"}
    assert json.loads(driven.attrs["task_config"]) == json.loads(cohort.attrs["task_config"])
    assert nm.models.bayes_belief(driven).log_odds.shape == (6, 100)
    again = record_replay(reservoirs, cohort)
    assert again.identical(driven)


def test_an_input_that_is_missing_in_the_middle_is_refused(cohort: xr.Dataset) -> None:
    torn = cohort.copy(deep=True)
    torn.inputs[3, 5] = np.nan
    with pytest.raises(nm.InputError, match="inputs: missing at session 3 before trial 6"):
        record_replay(nm.load_agents("two-step/0"), torn)
    short = cohort.copy(deep=True)
    short.inputs[3, 60:] = np.nan
    driven = record_replay(nm.load_agents("two-step/0"), short)
    assert np.isnan(driven.activity[3, 60:]).all()
    assert np.isfinite(driven.activity[3, :60]).all()
