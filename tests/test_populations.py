"""Condition means: which trials and units count, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl import InputError, condition_means
from neuro_metarl.neural.conditions import conditions_of, select_events, states_of
from tests.populations import factorial, planted


def test_means_are_those_of_the_valid_trials_of_each_condition() -> None:
    rng = np.random.default_rng(0)
    cohort = planted(rng.normal(size=(3, 40, 2, 5)), n_sessions=3)
    cohort["valid"][:, 30:] = 0
    means = condition_means(cohort, ["choice", "reward"])
    assert means.condition_mean.dims == ("subject", "choice", "reward", "event", "unit")
    for c in (0, 1):
        for r in (0, 1):
            mine = (cohort.choice == c) & (cohort.reward == r) & (cohort.valid == 1)
            expected = cohort.activity.where(mine).mean(("session", "trial"))
            found = means.condition_mean.sel(subject="s0", choice=c, reward=r)
            np.testing.assert_allclose(found, expected, atol=1e-6)  # float32 activity
            assert int(means.n.sel(subject="s0", choice=c, reward=r)) == int(mine.sum())


@pytest.mark.parametrize("unit", [0, 2])
def test_one_unit_has_the_means_that_it_has_among_others(unit: int) -> None:
    choice, reward = factorial(5, 2)
    activity = np.random.default_rng(1).normal(size=(2, 20, 2, 3))
    cohort = planted(activity, n_sessions=2, choice=choice, reward=reward)
    by = ["choice", "reward"]
    alone = condition_means(cohort.isel(unit=[unit]), by)
    assert alone.identical(condition_means(cohort, by).isel(unit=[unit]))


def test_labels_of_ones_own_and_what_is_missing_is_in_no_condition() -> None:
    cohort = planted(np.random.default_rng(0).normal(size=(2, 30, 1, 3)), n_sessions=2)
    previous = cohort.reward.shift(trial=1)
    side = xr.where(cohort.choice == 1, "right", "left")
    means = condition_means(cohort, {"previous_reward": previous, "side": side})
    assert int(means.n.sum()) == 2 * 29
    assert means.side.values.tolist() == ["left", "right"]


def test_units_recorded_in_other_sessions_and_units_of_other_subjects() -> None:
    choice, reward = factorial(5, 4)
    activity = np.random.default_rng(0).normal(size=(4, 20, 2, 6))
    activity[0, :, :, 0] = np.nan  # not recorded in this session
    activity[2:, :, :, 5] = np.nan  # not a unit of the second subject
    cohort = planted(activity, n_sessions=2, n_subjects=2, choice=choice, reward=reward)
    means = condition_means(cohort, ["choice"])
    assert np.isnan(means.condition_mean.values[1, ..., 5]).all()
    assert np.isfinite(np.delete(means.condition_mean.values, 5, axis=-1)).all()
    alone = activity[1][choice[1] == 0][:, :, 0].mean(axis=0)
    np.testing.assert_allclose(means.condition_mean.values[0, 0, :, 0], alone, atol=1e-6)
    conditions = conditions_of(cohort, per="subject")
    (_, first), (_, second) = conditions.samples()
    assert second.values.shape[-1] == 5
    with pytest.raises(InputError, match="'s0': its units were not recorded in the same sessions"):
        states_of(first, conditions)
    assert states_of(second, conditions).shape == (40, 2)
    apart = conditions_of(cohort).populations
    assert [(p.name, p.session.tolist(), len(p.unit)) for p in apart] == [
        ("s0/0", [0], 5), ("s0/1", [1], 6), ("s1/0 to s1/1", [2, 3], 5),
    ]  # fmt: skip


def bad(change: str) -> xr.Dataset:
    rng = np.random.default_rng(0)
    choice, reward = factorial(5, 2)
    n_units = 0 if change == "no unit" else 3
    cohort = planted(
        rng.normal(size=(2, 20, 2, n_units)), n_sessions=2, choice=choice, reward=reward
    )
    if change == "infinite":
        cohort["activity"][1, 3, 0, 2] = np.inf
    if change == "constant":
        cohort["activity"][:] = 2.0
    if change == "empty cell":
        cohort["reward"] = xr.where(cohort.choice == 1, 1, cohort.reward).astype("float32")
    if change == "no activity":
        cohort = cohort.drop_vars("activity")
    if change == "no trials":
        cohort["valid"][:] = 0
    return cohort


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("no unit", "subject 's0' has no unit with activity"),
        ("infinite", "subject 's0'.*activity is infinite on some trial"),
        ("constant", "subject 's0': activity is constant"),
        ("empty cell", "subject 's0' has no trial of condition choice 1, reward 0.0 \\(1 of 4"),
        ("no activity", "no 'activity' in this cohort: record it with activity=True"),
        ("no trials", "subject 's0' has no valid trial in any condition"),
    ],
)
def test_bad_cohorts(change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        condition_means(bad(change), ["choice", "reward"])


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("choice", r"by is the text 'choice', expected a list of names, for example \['choice'\]"),
        (["chioce"], "no factor 'chioce'; did you mean 'choice'?"),
        ([], "by names no factor"),
        (["unit"], "a factor cannot be called 'unit'"),
        ({"x": xr.DataArray(np.zeros(3), dims="trial")}, "factor 'x': expected labels with dims"),
        ({"x": [1, 2]}, "factor 'x': expected labels with dims"),
        (["forced"], r"factor 'forced' has 1 level\(s\), expected 2 or more"),
        (
            {"x": xr.DataArray(np.arange(40.0).reshape(2, 20) * 2, dims=("session", "trial"))},
            "no trial of condition|levels; bin it first",
        ),
        (
            {"x": xr.DataArray(np.zeros((2, 7)), dims=("session", "trial"))},
            r"factor 'x': \(2, 7\) sessions, trials; cohort has \(2, 20\)",
        ),
    ],
)
def test_bad_factors(by: object, message: str) -> None:
    cohort = planted(
        np.random.default_rng(0).normal(size=(4, 20, 2, 3))[:2],
        n_sessions=1,
        n_subjects=2,
        choice=factorial(5, 2)[0],
        reward=factorial(5, 2)[1],
    )
    with pytest.raises(InputError, match=message):
        condition_means(cohort, by)  # type: ignore[arg-type]


def test_an_unknown_event() -> None:
    cohort = planted(np.random.default_rng(0).normal(size=(1, 20, 2, 3)))
    with pytest.raises(InputError, match="no event 'e9'; there are: e0, e1"):
        select_events(cohort, "e9")
    assert select_events(cohort, None) is cohort
