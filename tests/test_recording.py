"""Recording: what is stored is what happened, and n is the number of networks."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.behavior.two_step import lagged_regression, stay_probability
from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.models.hybrid_models import hybrid
from neuro_metarl.recording import record
from neuro_metarl.tasks import make_task


@pytest.fixture(scope="module")
def cohort() -> xr.Dataset:
    return record("two-step", n_sessions=5, seed=11)


def test_subject_is_the_separately_trained_network(cohort: xr.Dataset) -> None:
    assert subjects_of(cohort) == list(load_agents("two-step").names)
    assert len(subjects_of(cohort)) >= 16
    assert cohort.sizes["session"] == 5 * len(subjects_of(cohort))


def test_labels(cohort: xr.Dataset) -> None:
    assert cohort.event.values.tolist() == ["fixation", "first_step", "second_step"]
    assert cohort.action.values.tolist() == ["left", "right", "center"]
    assert cohort.sizes["unit"] == 48
    assert cohort.activity.dims == ("session", "trial", "event", "unit")
    for name in ("value", "rpe"):
        assert cohort[name].dims == ("session", "trial", "event")


def test_no_session_is_empty_and_activity_is_a_bounded_hidden_state(cohort: xr.Dataset) -> None:
    assert (np.abs(cohort.activity).max(("trial", "event", "unit")) > 0.1).all()
    assert float(np.abs(cohort.activity).max()) <= 1
    assert float(np.abs(cohort.cell).max()) > 1
    assert np.allclose(cohort.policy.sum("action"), 1, atol=1e-5)


def test_prediction_error_is_reward_plus_discounted_next_value_minus_value(
    cohort: xr.Dataset,
) -> None:
    one = cohort.isel(session=7)
    value, rpe = one["value"].values.ravel(), one["rpe"].values.ravel()
    action = one.policy.argmax("action").values
    reward = np.zeros((100, 3))
    reward[:, 2] = one.reward.values
    assert (action[:, 0] == 2).all()
    discount = load_agents("two-step").recipe.discount
    expected = reward.ravel() + discount * np.append(value[1:], 0) - value
    usual = np.abs(rpe - expected) < 1e-4
    assert usual.mean() > 0.98


def test_choices_follow_the_recorded_policy(cohort: xr.Dataset) -> None:
    """Expected and observed share of right choices agree within four standard errors."""
    first = cohort.policy.sel(event="first_step")
    right = first.sel(action="right") / (first.sel(action="right") + first.sel(action="left"))
    valid = cohort.valid == 1
    p, chose = right.where(valid), (cohort.choice == 1).where(valid)
    error = float((p * (1 - p)).sum()) ** 0.5
    assert abs(float((chose - p).sum())) < 4 * error


def test_memory_is_kept_within_a_session() -> None:
    """Chance on the first trial, the optimum later: which needs memory across trials."""
    cohort = record("two-step", n_sessions=60, seed=12, activity=False)
    first = float(cohort.reward.isel(trial=0).mean())
    later = float(cohort.reward.isel(trial=slice(10, None)).mean())
    assert first == pytest.approx(0.5, abs=4 * 0.5 / 960**0.5)
    assert later > 0.69


def test_value_is_calibrated_to_the_return(cohort: xr.Dataset) -> None:
    discount = load_agents("two-step").recipe.discount
    value = cohort["value"].values.reshape(cohort.sizes["session"], -1)
    reward = np.zeros((cohort.sizes["session"], 100, 3))
    reward[:, :, 2] = cohort.reward.values
    reward = reward.reshape(value.shape)
    returns = np.zeros_like(value)
    total = np.zeros(len(value))
    for t in range(value.shape[1] - 1, -1, -1):
        total = reward[:, t] + discount * total
        returns[:, t] = total
    middle = slice(30, 240)
    slope = np.polyfit(value[:, middle].ravel(), returns[:, middle].ravel(), 1)[0]
    assert 0.7 < slope < 1.3
    assert abs(value[:, middle].mean() - returns[:, middle].mean()) < 0.1


def test_same_seed_same_recording_and_a_subject_does_not_depend_on_company() -> None:
    together = record("two-step", n_sessions=2, seed=5)
    alone = record("two-step/3", n_sessions=2, seed=5)
    xr.testing.assert_identical(select_subjects(together, "two-step/3"), alone)
    other = record("two-step/3", n_sessions=2, seed=6)
    assert not np.array_equal(alone.choice, other.choice)


def test_chunks_of_sessions_are_all_different() -> None:
    cohort = record("two-step/0", n_sessions=205, seed=0, activity=False)
    assert len({row.tobytes() for row in cohort.common.values}) == 205


def test_a_choice_of_variables_events_and_units_is_a_cut_of_the_whole() -> None:
    every = ("activity", "cell", "gates", "policy", "value", "rpe")
    whole = record("two-step/4", n_sessions=3, seed=8, variables=every)
    assert whole.gates.dims == ("session", "trial", "event", "unit", "gate")
    events, units = ["second_step", "fixation"], [40, 2, 7]
    for names in (every, ("value",), ("gates", "rpe"), ("policy",)):
        some = record(
            "two-step/4", n_sessions=3, seed=8, variables=names, events=events, units=units
        )
        dropped = [name for name in every if name not in names]
        expected = whole.sel(event=events, unit=units).drop_vars(dropped)
        for name in expected.data_vars:
            xr.testing.assert_identical(
                some[name].drop_vars(["option"], errors="ignore"),
                expected[name].drop_vars(["option"], errors="ignore"),
            )
        assert set(some.data_vars) == set(expected.data_vars)
        assert ("unit" in some.dims) == bool({"activity", "cell", "gates"} & set(names))


def test_gates_are_what_made_the_cell_and_the_hidden_state() -> None:
    cohort = record("two-step/1", n_sessions=2, variables=["activity", "cell", "gates"])
    output, into, forget, candidate = (
        cohort.gates.sel(gate=g).values.reshape(2, 300, 48)
        for g in ("output", "input", "forget", "candidate")
    )
    cell, hidden = (cohort[n].values.reshape(2, 300, 48) for n in ("cell", "activity"))
    made = forget[:, 1:] * cell[:, :-1] + into[:, 1:] * candidate[:, 1:]
    # sums of two float32 products of size up to 8
    np.testing.assert_allclose(cell[:, 1:], made, atol=2e-6)
    np.testing.assert_allclose(hidden, output * np.tanh(cell), atol=1e-6)


def test_sessions_are_next_to_each_other_in_memory(cohort: xr.Dataset) -> None:
    assert cohort.activity.values.flags.c_contiguous


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: record("two-step/0", variables=["activty"]),
            "variables: no 'activty' to record; did you mean 'activity'",
        ),
        (lambda: record("two-step/0", variables=["choice"]), "a trial is always recorded"),
        (lambda: record("two-step/0", variables=[]), "variables is empty, expected some of activ"),
        (lambda: record("two-step/0", variables=["cell", "cell"]), "names one twice"),
        (lambda: record("two-step/0", events=["first"]), "no 'first' in this task; did you mean"),
        (lambda: record("two-step/0", units=[0, 48]), "units: 48 is out of range, .* 0 to 47"),
        (lambda: record("two-step/0", units=[-1]), "units: -1 is out of range"),
        (lambda: record("two-step/0", units=[]), "units is empty"),
        (lambda: record("two-step/0", units=[1, 1]), "units: a number is given twice"),
        (lambda: record("two-step/0", units=[0.5]), "units: 0.5 is not a whole number"),  # type: ignore[list-item]
        (lambda: record("two-step/0", units=[0], activity=False), "but activity is False"),
        (
            lambda: record(hybrid.planted(), "two-step", units=[0]),
            "cognitive models, players and policies have none; record agents",
        ),
        (lambda: record([]), "subjects: got list, expected agents"),
        (
            lambda: record([hybrid.planted(name="a"), hybrid.planted(name="a")], "two-step"),
            "subject 'a' appears twice",
        ),
        (lambda: record("two-stp"), "no agents 'two-stp'.*did you mean 'two-step'"),
        (lambda: record("two-step/99"), "has agents 0 to 15, not 99"),
        (lambda: record("two-step", "two-stepp"), "no task 'two-stepp'"),
        (lambda: record("two-step", "two-step-2016"), "made for 4 observations and 3 actions"),
        (lambda: record("two-step", n_sessions=0), "n_sessions is 0"),
        (lambda: record("two-step", n_sessions=1, seed=-1), "seed is -1"),
    ],
)
def test_refusals(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        call()


def test_the_zoo_stands_beside_the_bayes_filter() -> None:
    """300 held-out sessions of each agent: reward at least .69 (Bayes .706, chance .50), each stay
    cell within .08 of the filter's, planning many times the model-free index: 15 of 16."""
    cohort = record("two-step", "two-step", 300, seed=2024, activity=False)
    reward = cohort.reward.groupby("subject").mean(...)
    stay = stay_probability(cohort).stay_probability.sel(statistic="value")
    fit = lagged_regression(cohort).sel(statistic="value")
    away = np.abs(stay - [1.0, 0.66, 0.66, 1.0]).max("term")
    planner = fit.planning_index > 5 * np.abs(fit.model_free_index)
    good = (reward >= 0.69) & (away <= 0.08) & planner
    assert int(good.sum()) >= 15
    assert good.sizes["subject"] >= 16


def test_agents_play_the_rats_form_too() -> None:
    task = make_task("two-step-miller", n_trials=300, p_forced=0.2)
    cohort = record("two-step", task, 10, seed=0, activity=False)
    assert float(cohort.reward.where(cohort.forced == 0).mean()) > 0.61
    assert float(cohort.forced.mean()) == pytest.approx(0.2, abs=0.02)
