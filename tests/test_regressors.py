"""Named task variables: their coding, lags that stop at sessions, and what cannot be named."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.neural.regressors import task_regressors

TRIAL = ("session", "trial")


@pytest.fixture
def cohort() -> xr.Dataset:
    """Two subjects, three sessions; trial 2 of the first is invalid, the last is padded."""
    rng = np.random.default_rng(3)
    choice = rng.integers(2, size=(3, 8))
    choice[0, 2], choice[2, 6:] = -1, -1
    shape = choice.shape
    made = make_cohort(
        {
            "choice": choice, "reward": rng.integers(2, size=shape),
            "common": rng.integers(2, size=shape), "state": rng.integers(2, size=shape),
            "correct": np.where(rng.random(shape) < 0.3, -1, rng.integers(2, size=shape)),
            "value": rng.normal(size=(*shape, 2)),
            "activity": rng.normal(size=(*shape, 2, 4)),
        },
        subject=["a", "a", "b"], task="two-step", source="animal",
        coords={"event": ["cue", "outcome"]},
    )  # fmt: skip
    return made


def one(cohort: xr.Dataset, name: str | xr.DataArray, **options: int) -> xr.DataArray:
    return task_regressors(cohort, [name], **options).isel(regressor=0)


@pytest.mark.parametrize("name", ["choice", "reward", "common", "state"])
def test_two_values_are_minus_and_plus_a_half(cohort: xr.Dataset, name: str) -> None:
    found = one(cohort, name)
    valid = cohort.valid.values == 1
    assert np.array_equal(found.values[valid], cohort[name].values[valid] - 0.5)
    assert np.isnan(found.values[~valid]).all()
    assert str(found.coding.values) == "+-1/2"


def test_correct_is_nought_where_undefined(cohort: xr.Dataset) -> None:
    valid = cohort.valid.values == 1
    truth = np.where(cohort.correct < 0, 0, cohort.correct - 0.5)
    assert np.array_equal(one(cohort, "correct").values[valid], truth[valid])


def test_an_interaction_is_a_product_of_signs(cohort: xr.Dataset) -> None:
    choice, reward = one(cohort, "choice"), one(cohort, "reward")
    found = one(cohort, "choice_x_reward")
    assert np.array_equal(found, 2 * choice * reward, equal_nan=True)
    three = one(cohort, "choice_x_reward_x_common")
    expected = 4 * choice * reward * one(cohort, "common")
    assert np.array_equal(three, expected, equal_nan=True)
    belief = xr.DataArray(np.random.default_rng(0).normal(size=(3, 8)), dims=TRIAL, name="belief")
    pair = task_regressors(cohort, [belief, "state_x_belief"])
    expected = 2 * one(cohort, "state") * pair.sel(regressor="belief")
    assert np.array_equal(pair.sel(regressor="state_x_belief"), expected, equal_nan=True)
    assert pair.coding.values.tolist() == ["z", "sign x z"]


def test_what_is_continuous_has_mean_nought_and_unit_variance_in_each_subject(
    cohort: xr.Dataset,
) -> None:
    values = np.random.default_rng(1).normal(5, 3, size=(3, 8))
    found = one(cohort, xr.DataArray(values, dims=TRIAL, name="belief"))
    valid = cohort.valid.values == 1
    for sessions in ([0, 1], [2]):
        mine = found.values[sessions][valid[sessions]]
        given = values[sessions][valid[sessions]]
        assert np.allclose(mine, (given - given.mean()) / given.std())
    scaled = one(cohort, xr.DataArray(7 * values - 2, dims=TRIAL, name="belief"))
    assert np.allclose(scaled, found, equal_nan=True)
    both = np.concatenate([values[valid]])
    assert not np.allclose(found.values[valid], (both - both.mean()) / both.std())


def test_the_trial_before_is_the_valid_one_before_in_the_session(cohort: xr.Dataset) -> None:
    choice, found = one(cohort, "choice").values, one(cohort, "previous_choice").values
    assert np.isnan(found[:, 0]).all()
    assert found[0, 3] == choice[0, 1]
    assert np.array_equal(found[1, 1:], choice[1, :-1])
    assert np.isnan(found[0, 2])
    assert np.array_equal(one(cohort, "choice", lag=1), found, equal_nan=True)
    twice = one(cohort, "previous_previous_choice")
    assert np.array_equal(twice, one(cohort, "choice", lag=2), equal_nan=True)
    assert twice.values[0, 4] == choice[0, 1]
    later = one(cohort, "next_choice").values
    assert later[0, 1] == choice[0, 3]
    assert np.isnan(later[2, 5])
    assert np.isnan(later[0, 7])


def test_lags_never_cross_sessions_whatever_the_session_before_holds(cohort: xr.Dataset) -> None:
    changed = cohort.copy(deep=True)
    changed["choice"][0] = np.where(changed.valid[0] == 1, 1 - changed.choice[0], -1)
    for lag in (1, 2, 7):
        before, after = (one(c, "choice", lag=lag).values for c in (cohort, changed))
        assert np.array_equal(before[1:], after[1:], equal_nan=True)
    within = one(changed, "choice", lag=1).values[0]
    assert not np.array_equal(within, one(cohort, "choice", lag=1).values[0], equal_nan=True)


def test_a_prefix_belongs_to_one_name(cohort: xr.Dataset) -> None:
    found = one(cohort, "previous_choice_x_reward")
    expected = 2 * one(cohort, "previous_choice") * one(cohort, "reward")
    assert np.array_equal(found, expected, equal_nan=True)
    both = one(cohort, "previous_choice_x_previous_reward")
    assert np.array_equal(both, one(cohort, "choice_x_reward", lag=1), equal_nan=True)
    assert not np.array_equal(both, found, equal_nan=True)


def test_a_name_that_looks_like_a_combination_may_be_ones_own(cohort: xr.Dataset) -> None:
    own = xr.DataArray(np.arange(24.0).reshape(3, 8), dims=TRIAL, name="choice_x_reward")
    assert str(one(cohort, own).coding.values) == "z"


def test_values_with_events_are_z_scored_event_by_event(cohort: xr.Dataset) -> None:
    found = task_regressors(cohort, ["value", "choice"])
    assert found.dims == ("regressor", "session", "trial", "event")
    assert found.event.values.tolist() == ["cue", "outcome"]
    mine = found.sel(regressor="value").isel(session=[0, 1])
    assert np.allclose(mine.mean(("session", "trial")), 0)
    assert np.allclose(mine.std(("session", "trial")), 1)
    assert np.array_equal(
        found.sel(regressor="choice", event="cue"), one(cohort, "choice"), equal_nan=True
    )
    swapped = cohort.value.isel(event=[1, 0]).rename("mine")
    assert np.array_equal(one(cohort, swapped), one(cohort, "value"), equal_nan=True)


def test_chosen_value_and_value_difference(cohort: xr.Dataset) -> None:
    table = np.random.default_rng(2).normal(size=(3, 8, 2))
    known = cohort.assign(action_value=((*TRIAL, "option"), table))
    choice = np.maximum(cohort.choice.values, 0)
    chosen = np.take_along_axis(table, choice[..., None], axis=2)[..., 0]
    expected = one(cohort, xr.DataArray(chosen, dims=TRIAL, name="c"))
    assert np.allclose(one(known, "chosen_value"), expected, equal_nan=True)
    expected = one(cohort, xr.DataArray(table[..., 1] - table[..., 0], dims=TRIAL, name="c"))
    assert np.allclose(one(known, "value_difference"), expected, equal_nan=True)
    with pytest.raises(InputError, match="needs the variable 'action_value'"):
        one(cohort, "chosen_value")
    three = known.drop_vars("action_value").assign(
        action_value=((*TRIAL, "arm"), np.zeros((3, 8, 3)))
    )
    with pytest.raises(InputError, match="needs two options, there are 3"):
        one(three.rename(arm="option"), "value_difference")


def test_reward_of_any_two_amounts(cohort: xr.Dataset) -> None:
    paid = cohort.assign(reward=(TRIAL, (10 + 30 * cohort.reward.values).astype("float32")))
    assert np.array_equal(one(paid, "reward"), one(cohort, "reward"), equal_nan=True)


def test_transposed_variables_are_read_by_name(cohort: xr.Dataset) -> None:
    other = cohort.transpose("event", "unit", "trial", "session")
    names = ["choice", "previous_reward", "value"]
    assert np.array_equal(
        task_regressors(cohort, names), task_regressors(other, names), equal_nan=True
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("chioce", "no variable 'chioce' in the cohort; did you mean 'choice'"),
        ("outcome", "no variable 'outcome'; here it is called 'reward'"),
        ("transition", "here it is called 'common'"),
        ("choice_x_rewrad", "regressor 'choice_x_rewrad': no variable 'rewrad' in the cohort; did"),
        ("previous_stat", "regressor 'previous_stat': no variable 'stat'.*did you mean 'state'"),
        ("valid", "no variable 'valid'"),
        ("activity", "no variable 'activity'"),
        (3, "a regressor is a name or a labelled array, got int: 3"),
        (xr.DataArray(np.zeros((3, 8)), dims=TRIAL), "needs a name"),
        (xr.DataArray(np.zeros((3, 7)), dims=TRIAL, name="b"), "7.*expected session 3, trial 8"),
        (xr.DataArray(np.zeros(8), dims="trial", name="b"), "regressor 'b' has dims"),
        (xr.DataArray([["x"] * 8] * 3, dims=TRIAL, name="b"), "type <U1, expected numbers"),
        (xr.DataArray(np.full((3, 8), np.inf), dims=TRIAL, name="b"), "'b' is infinite on 21"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_regressor(cohort: xr.Dataset, name: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        task_regressors(cohort, [name])  # type: ignore[list-item]


def test_none_or_the_same_twice(cohort: xr.Dataset) -> None:
    with pytest.raises(InputError, match="no regressors: name one at least"):
        task_regressors(cohort, [])
    with pytest.raises(InputError, match="regressor 'choice' is named twice"):
        task_regressors(cohort, ["choice", "choice"])
    with pytest.raises(InputError, match="expected a cohort"):
        task_regressors(cohort.choice, ["choice"])  # type: ignore[arg-type]


def test_more_than_two_arms_need_an_array_of_ones_own() -> None:
    bandit = make_cohort(
        {"choice": [[0, 1, 2, 10] * 5], "reward": [[0, 1, 0, 1] * 5]},
        subject=["a"], task="bandit-eleven", source="model",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"'choice' takes 11 values; .*\(cohort.choice == 2\)"):
        one(bandit, "choice")
    mine = one(bandit, (bandit.choice == 10).rename("informative"))
    assert mine.values[0, :4].tolist() == [-0.5, -0.5, -0.5, 0.5]


def test_other_events_are_refused(cohort: xr.Dataset) -> None:
    other = cohort.value.assign_coords(event=["a", "b"]).rename("mine")
    with pytest.raises(InputError, match="regressor 'mine' has other events than the cohort"):
        one(cohort, other)
