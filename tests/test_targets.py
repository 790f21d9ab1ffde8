"""Which targets are classes: the stated rule, and what is not plain is refused."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression

import neuro_metarl as nm
from neuro_metarl import InputError
from neuro_metarl.neural.targets import MOST_CLASSES, read_target
from tests.joined import joined

COHORT = joined(0, sessions=(2,), units=(3,), n_trials=60, gain=1.0)
EVERY = np.ones((2, 60), bool)


def labels(values: list[float], dtype: str = "float64") -> xr.DataArray:
    table = np.resize(np.array(values), 120).reshape(2, 60).astype(dtype)
    return xr.DataArray(table, dims=("session", "trial"), name="x")


@pytest.mark.parametrize(
    ("values", "dtype", "classes"),
    [
        ([0, 1], "int8", True),
        ([0, 1], "bool", True),
        ([0, 1], "float32", True),
        ([0, 1, np.nan], "float64", True),
        ([0, 1, 2, 3], "float32", True),
        ([-1, 1], "float64", True),
        ([0.2, 0.8], "float64", False),
        ([0, 0.5, 1], "float64", False),
        ([-2, 0, 2], "float64", False),
        (list(range(MOST_CLASSES)), "float64", True),
        (list(range(MOST_CLASSES + 1)), "float64", False),
        (list(range(MOST_CLASSES + 1)), "int64", True),
        ([-1, *range(MOST_CLASSES)], "float64", False),
    ],
)
def test_the_rule(values: list[float], dtype: str, classes: bool) -> None:
    found = read_target(COHORT, labels(values, dtype), EVERY, ["cue"])
    assert found.classes == classes
    given_none = np.isnan(found.values[..., 0])
    assert (given_none == np.isnan(labels(values, dtype).values.astype(float))).all()


def test_minus_one_is_none_where_it_is_a_code() -> None:
    found = read_target(COHORT, labels([-1, 0, 1], "int8"), EVERY, ["cue"])
    assert np.isnan(found.values).mean() == pytest.approx(1 / 3)
    with pytest.raises(InputError, match="'x' takes the values -1, 0, 1: say whether -1 means no"):
        read_target(COHORT, labels([-1, 0, 1]), EVERY, ["cue"])
    said = [
        read_target(COHORT, labels([-1, 0, 1]), EVERY, ["cue"], classes=c) for c in (True, False)
    ]
    assert [s.classes for s in said] == [True, False]
    assert [np.isnan(s.values).any() for s in said] == [True, False]
    with pytest.raises(InputError, match="'x' has the value -2; classes are 0, 1"):
        read_target(COHORT, labels([-2, 0, 1], "int8"), EVERY, ["cue"])
    assert not read_target(COHORT, labels([-2, 0], "int8"), EVERY, ["cue"], classes=False).classes


def test_only_trials_that_count_decide() -> None:
    mixed = labels([0, 1])
    mixed[0, :5] = 0.5
    assert not read_target(COHORT, mixed, EVERY, ["cue"]).classes
    later = EVERY.copy()
    later[0, :5] = False
    assert read_target(COHORT, mixed, later, ["cue"]).classes


@pytest.mark.parametrize(
    ("estimator", "classes", "message"),
    [
        (LinearRegression(), True, "classes is True, but the estimator is a regressor"),
        ("logistic", False, "classes is False, but the estimator is a classifier"),
        (LogisticRegression(), None, "needs a target of whole numbers, got 0.5 in 'x'"),
    ],
)
def test_estimators_decide_too(estimator: object, classes: bool | None, message: str) -> None:
    assert not read_target(
        COHORT, labels([0, 1]), EVERY, ["cue"], estimator=LinearRegression()
    ).classes
    with pytest.raises(InputError, match=message):
        read_target(COHORT, labels([0, 0.5]), EVERY, ["cue"], estimator=estimator, classes=classes)


@given(st.permutations(range(60)))
def test_the_order_of_trials_does_not_decide(order: list[int]) -> None:
    wanted = labels([0, 1, 2, np.nan])
    moved = wanted.isel(trial=order)
    assert read_target(COHORT, moved, EVERY, ["cue"]).classes


def test_floats_of_0_and_1_are_decoded_as_choices_are() -> None:
    how = {"n_permutations": 19, "n_bootstrap": 20, "events": ["cue"]}
    whole = nm.decode(COHORT, "choice", **how)
    floats = nm.decode(COHORT, COHORT.choice.astype("float32"), **how)
    assert floats.measure == "accuracy"
    np.testing.assert_array_equal(floats.score, whole.score)
    assert nm.decode(COHORT, "reward", **how).measure == "accuracy"
    numbers = nm.decode(COHORT, "choice", classes=False, **how)
    assert numbers.measure == "cross-validated R2"
    assert float(numbers.score[0, 0, 0]) < float(whole.score[0, 0, 0])


def test_a_target_that_does_not_vary_is_named() -> None:
    for target, message in (
        (COHORT.reward * 0, "'reward' has one class only .0"),
        ((COHORT.reward * 0 + 0.5).rename("belief"), "'belief' has one value only .0.5"),
    ):
        with pytest.raises(InputError, match=message):
            nm.decode(COHORT, target)
