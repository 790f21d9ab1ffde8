"""Values and prediction errors of models: by hand, by the belief, by the likelihood's own odds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit

import neuro_metarl as nm
from neuro_metarl import InputError
from neuro_metarl.cohort import make_cohort
from neuro_metarl.models import bayes_belief, model_signals
from neuro_metarl.models.likelihood import log_odds
from neuro_metarl.models.model import Memory, Model, Parameter, Trial, find_model
from neuro_metarl.models.trials import trials_of

CHOICE, STATE, REWARD = [0, 0, 1, 1, 0, 1], [0, 1, 1, 0, 0, 1], [1, 0, 1, 1, 0, 0]


def small(choice: list[int] = CHOICE, state: list[int] = STATE) -> xr.Dataset:
    common = [int(c == s) for c, s in zip(choice, state, strict=True)]
    return make_cohort(
        {"choice": [choice], "state": [state], "common": [common], "reward": [REWARD]},
        subject=["a"], task="two-step", source="model",
        attrs={"task_config": '{"p_common": 0.8}'},
    )  # fmt: skip


@pytest.fixture(scope="module")
def cohort() -> xr.Dataset:
    players = [
        find_model("hybrid").planted(name, inverse_temperature=4.0, weight_model_based=w)
        for name, w in (("a", 0.2), ("b", 0.8))
    ]
    return nm.record(players, "two-step", 15, seed=4)


@pytest.mark.parametrize("trace", [0.0, 0.4, 1.0])
def test_temporal_differences_by_hand(trace: float) -> None:
    planted = find_model("model_free").planted(learning_rate=0.3, eligibility_trace=trace)
    signals = model_signals(small(), planted)
    assert signals.system.values.tolist() == ["model_free"]
    q, v = np.zeros(2), np.zeros(2)
    for t, (c, s, r) in enumerate(zip(CHOICE, STATE, REWARD, strict=True)):
        first, second = v[s] - q[c], r - v[s]
        np.testing.assert_allclose(signals.rpe.values[0, 0, t], [first, second], atol=1e-12)
        np.testing.assert_allclose(signals.value.values[0, 0, t], [q[c], v[s]], atol=1e-12)
        q[c] += 0.3 * (first + trace * second)
        v[s] += 0.3 * second


def test_the_hybrid_has_both_and_shares_the_outcome() -> None:
    signals = model_signals(small(), find_model("hybrid").planted(p_common=0.7))
    planned, cached = signals.rpe
    np.testing.assert_array_equal(planned.sel(event="second_step"), cached.sel(event="second_step"))
    v = np.zeros(2)
    for t, (c, s, r) in enumerate(zip(CHOICE, STATE, REWARD, strict=True)):
        expected = 0.7 * v[c] + 0.3 * v[1 - c]
        assert planned.values[0, t, 0] == pytest.approx(v[s] - expected, abs=1e-12)
        v[s] += 0.5 * (r - v[s])


def test_the_latent_state_planner_values_what_the_exact_belief_says(cohort: xr.Dataset) -> None:
    signals = model_signals(cohort, find_model("latent_state").planted(hazard=0.025))
    p_one = expit(bayes_belief(cohort).log_odds)
    value = xr.where(cohort.state == 1, 0.1 + 0.8 * p_one, 0.9 - 0.8 * p_one)
    mine = signals.value.sel(system="model_based", event="second_step")
    np.testing.assert_allclose(mine.values, value.values, atol=1e-12)
    toward_one = xr.where(cohort.choice == 1, 0.8, 0.2)
    planned = toward_one * (0.1 + 0.8 * p_one) + (1 - toward_one) * (0.9 - 0.8 * p_one)
    first = signals.value.sel(system="model_based", event="first_step")
    np.testing.assert_allclose(first.values, planned.values, atol=1e-12)


def test_an_ideal_observer_is_not_surprised_on_average_and_another_is(cohort: xr.Dataset) -> None:
    def mean(**values: float) -> np.ndarray:
        rpe = model_signals(cohort, find_model("latent_state").planted(**values)).rpe[0]
        per_session = rpe.mean("trial")
        error = per_session.std("session") / np.sqrt(per_session.sizes["session"])
        return np.asarray(per_session.mean("session") / error)

    assert (np.abs(mean(hazard=0.025)) < 3.5).all()
    assert np.abs(mean(hazard=0.025, p_reward_high=0.9, p_reward_low=0.4)).max() > 6


@pytest.mark.parametrize("name", ["model_based", "model_based_symmetric", "model_based_forgetting"])
def test_planned_values_are_those_that_choices_are_made_by(cohort: xr.Dataset, name: str) -> None:
    """At temperature 1 the log odds are Q(1) - Q(0); Q(0) + Q(1) is V(0) + V(1)."""
    model = find_model(name)
    planted = model.planted(inverse_temperature=1.0, p_common=0.8)
    signals = model_signals(cohort, planted).value.sel(system="model_based")
    trials = trials_of(cohort, model)
    odds = log_odds(model, trials, 1, np.array([list(planted.values.values())]))[0, 0]
    rows = trials.rows_of(1)
    place = trials.session[rows], trials.place[rows]
    chosen = signals.sel(event="first_step").values[place]
    # Q(c) = (V(0) + V(1)) / 2 +- odds / 2, and V(s) = (V(0) + V(1)) / 2 +- (odds / .6) / 2
    half = chosen - (2 * trials.choice[rows] - 1) * odds / 2
    state = half + (2 * trials.state[rows] - 1) * odds / 0.6 / 2
    np.testing.assert_allclose(signals.sel(event="second_step").values[place], state, atol=1e-12)


def as_fit(subjects: list[str], rates: list[float]) -> xr.Dataset:
    held = {"eligibility_trace": 0.5, "perseveration": 0.0, "bias": 0.0, "forgetting": 0.0}
    return xr.Dataset(
        {"estimate": (("subject", "parameter"), [[rate, 4.0] for rate in rates])},
        coords={"subject": subjects, "parameter": ["learning_rate", "inverse_temperature"]},
        attrs={"model": "model_free", "held": json.dumps(held)},
    )


def test_each_subject_has_its_own_fit(cohort: xr.Dataset) -> None:
    signals = model_signals(cohort, as_fit(["b", "a"], [0.3, 0.6]))
    for name, rate in (("a", 0.6), ("b", 0.3)):
        planted = find_model("model_free").planted(learning_rate=rate, eligibility_trace=0.5)
        mine = model_signals(nm.select_subjects(cohort, name), planted)
        np.testing.assert_array_equal(signals.rpe[:, cohort.subject.values == name], mine.rpe)


@pytest.mark.slow
def test_what_fit_gives_is_taken(cohort: xr.Dataset) -> None:
    fitted = nm.fit(cohort, "model_free", n_starts=1)
    assert fitted.parameter.values.tolist()[0] == "learning_rate"
    estimate = dict(
        zip(fitted.parameter.values, fitted.estimate.sel(subject="b").values, strict=True)
    )
    mine = model_signals(
        nm.select_subjects(cohort, "b"), find_model("model_free").planted(**estimate)
    )
    signals = model_signals(cohort, fitted)
    np.testing.assert_allclose(signals.rpe[:, cohort.subject.values == "b"], mine.rpe, atol=1e-12)


@pytest.mark.parametrize("name", ["hybrid", "mixture", "mixture_2017", "latent_state"])
def test_the_other_mapping_gives_the_same_errors(name: str) -> None:
    other = small(state=[1 - s for s in STATE])
    other["common"] = small().common
    signals = model_signals(other, name).rpe
    np.testing.assert_array_equal(signals, model_signals(small(), name).rpe)
    rare = small(state=[1 - s for s in STATE])  # no renaming: common and rare change places
    assert not np.allclose(model_signals(rare, name).rpe, signals)


def test_the_mixtures_model_free_value_knows_no_states() -> None:
    signals = model_signals(small(), "mixture").rpe.sel(system="model_free")
    assert (signals.sel(event="first_step") == 0).all()
    assert signals.values[0, 0, 1] == 0.5


def test_invalid_trials_have_none_and_change_nothing(cohort: xr.Dataset) -> None:
    gap = cohort.isel(trial=[*range(5), 4, *range(5, 100)]).copy(deep=True)
    gap["valid"][:, 5], gap["invalid_reason"][:, 5] = 0, 2
    rpe = model_signals(gap, "hybrid").rpe
    assert np.isnan(rpe[:, :, 5]).all()
    np.testing.assert_array_equal(rpe[:, :, 6:], model_signals(cohort, "hybrid").rpe[:, :, 5:])


def test_a_second_step_with_a_choice() -> None:
    human = small().assign(choice2=(("session", "trial"), np.array([[0, 1, 1, 0, 1, 0]], "int8")))
    value = model_signals(human, find_model("hybrid_human").planted(p_common=0.7)).value
    # after trial 0 (state 0, choice2 0, reward 1) the best of state 0 is .5, met by choice 0
    assert value.sel(system="model_based").values[0, 1, 0] == pytest.approx(0.35)
    assert value.sel(system="model_free").values[0, 1, 0] == pytest.approx(0.5)


def test_a_model_of_ones_own() -> None:
    def step(memory: Memory, trial: Trial, theta: Any) -> tuple[tuple[Any], Memory]:
        return (0.0,), (memory[0] + theta.rate * (trial.reward - memory[0]),)

    mine = Model("mine", (Parameter("rate", "unit", 0.1),), (0.5,), step)
    with pytest.raises(InputError, match=r"'mine' has no values.*give reader="):
        model_signals(small(), mine)
    signals = model_signals(
        small(), mine, reader=lambda memory, trial, theta: {"model_free": (memory[0], memory[0])}
    )
    assert signals.rpe.values[0, 0, :2, 1].tolist() == pytest.approx([0.5, -0.55])


def test_bad_input(cohort: xr.Dataset) -> None:
    with pytest.raises(InputError, match="no model 'hybrit'; did you mean 'hybrid'"):
        model_signals(cohort, "hybrit")
    with pytest.raises(InputError, match="'reward_as_cue' has no values"):
        model_signals(cohort, "reward_as_cue")
    with pytest.raises(InputError, match="this data set is no fit"):
        model_signals(cohort, cohort)
    with pytest.raises(InputError, match="the fit has no subject 'b'"):
        model_signals(cohort, as_fit(["a"], [0.5]))
    with pytest.raises(InputError, match="needs choice, reward, state"):
        model_signals(cohort.drop_vars("state"), "model_free")
