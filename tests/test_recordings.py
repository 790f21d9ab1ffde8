"""Joined recordings: every verb gives each recording what it has alone, and says whose it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_metarl as nm
from neuro_metarl import InputError
from neuro_metarl.neural.recordings import (
    counted_trials,
    populations_of,
    recorded_units,
    window_width,
)
from tests.joined import alone, joined

DAYS = ("day0", "day1", "day2")
POPULATION: dict[str, Callable[[xr.Dataset], xr.Dataset | xr.DataArray]] = {
    "decode": lambda c: nm.decode(c, "choice", n_permutations=19, n_bootstrap=50),
    "pca": lambda c: nm.neural.pca_trajectories(c, ["choice", "reward"], n_components=2),
    "demixed": lambda c: nm.neural.demixed_pca(c, ["choice", "reward"], n_components=1, n_splits=3),
    "dimensionality": lambda c: nm.neural.dimensionality(c, n_bootstrap=20),
    "euclidean": lambda c: nm.neural.dissimilarities(c, ["choice", "reward"], distance="euclidean"),
    "mahalanobis": lambda c: nm.neural.dissimilarities(
        c, ["choice", "reward"], distance="mahalanobis"
    ),
    "dynamics": lambda c: nm.neural.delay_operators(c, n_delays=2, rank=2),
}


def days_of(fit: xr.Dataset, of: xr.Dataset) -> xr.Dataset:
    """Select the units of a recording from a result."""
    return fit.sel(unit=of.unit.values)


@pytest.mark.parametrize("gain", [8.0, -8.0])
def test_opposite_days_keep_their_weights(gain: float) -> None:
    """Unit 0 of one day prefers one side, unit 0 of the next day the other: c05b."""
    cohort = joined(1, sessions=(1, 1), units=(3, 3), n_trials=150, gain=gain)
    fit = nm.encode(cohort, ["choice"], events=["cue"])
    found = fit.coefficient.values.ravel()
    expected = gain * np.array([1, -1, 1, 1, -1, 1])
    assert np.abs(found - expected).max() < 0.7  # the noise's error is .16: four of them
    table = nm.decode(cohort, "choice", events=["cue"], n_permutations=19)
    assert table.recording.values.tolist() == ["day0", "day1"]
    assert (table.score.sel(statistic="value") > 0.97).all()


@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.tuples(st.integers(1, 3), st.integers(2, 4)), min_size=2, max_size=4),
    family=st.sampled_from(["subject", "session"]),
    where=st.booleans(),
)
@settings(max_examples=15, deadline=None)
def test_units_have_the_numbers_of_their_own_recording(
    seed: int, sizes: list[tuple[int, int]], family: str, where: bool
) -> None:
    sessions, units = zip(*sizes, strict=True)
    cohort = joined(seed, sessions=sessions, units=units, n_trials=150, ragged=True)
    total = cohort.reward.cumsum("trial") / 3  # z-scored: its scale is each recording's own
    cohort = cohort.assign(total=total.astype("float64"))
    names = ["choice", "previous_reward", "total", "choice_x_total"]

    def encoded(c: xr.Dataset) -> xr.Dataset:
        marks = c.reward == 1 if where else None
        return nm.encode(c, names, intercept=family, where=marks)  # type: ignore[arg-type]

    def means(c: xr.Dataset) -> xr.Dataset:
        return nm.condition_means(c, ["choice"], where=(c.reward == 1) if where else None)

    both, both_means = encoded(cohort), means(cohort)
    for k in range(len(sizes)):
        mine = alone(cohort, f"day{k}")
        one = encoded(mine)
        for name in ("coefficient", "standard_error", "low", "p", "cpd", "explained", "n_trials"):
            np.testing.assert_array_equal(days_of(both, mine)[name], one[name])
        one_mean = means(mine)
        for name in ("condition_mean", "n_trials"):
            np.testing.assert_array_equal(days_of(both_means, mine)[name], one_mean[name])
    assert both.recording.values.tolist() == cohort.recording.values.tolist()


@pytest.mark.parametrize("null", ["circular_shift", "session_permutation"])
def test_nulls_of_units_are_those_of_their_own_recording(null: str) -> None:
    cohort = joined(2, sessions=(7, 6), units=(2, 3), n_trials=30)
    how = {"null": null, "n_permutations": 25}
    both = nm.encode(cohort, ["choice", "reward"], **how)
    for day in DAYS[:2]:
        mine = alone(cohort, day)
        one = nm.encode(mine, ["choice", "reward"], **how)
        np.testing.assert_array_equal(days_of(both, mine).p_null, one.p_null)


@pytest.mark.parametrize("verb", POPULATION)
@pytest.mark.parametrize("ragged", [False, True])
def test_populations_are_analyzed_recording_by_recording(verb: str, ragged: bool) -> None:
    cohort = joined(3, sessions=(3, 2, 3), n_trials=120, gain=2.0, ragged=ragged)
    both = POPULATION[verb](cohort)
    assert both.recording.values.tolist() == list(DAYS)
    assert both.subject.dims == ("recording",)
    for k, day in enumerate(DAYS):
        mine = alone(cohort, day)
        one = POPULATION[verb](mine)
        assert "recording" not in one.dims
        for name, values in one.data_vars.items():
            if "subject" not in values.dims:
                continue
            found = both[name].isel(recording=k)
            if "unit" in found.dims:
                found = found.sel(unit=mine.unit.values)
            np.testing.assert_array_equal(found, values.isel(subject=0), err_msg=str(name))


def test_comparisons_are_between_recordings() -> None:
    cohort = joined(4, n_trials=120, gain=2.0)
    by = ["choice", "reward"]
    both = nm.neural.compare_populations(cohort, by=by, measure="angular")
    assert both.dims == ("recording", "recording_2")
    assert both.subject_2.dims == ("recording_2",)
    pair = nm.neural.compare_populations(
        alone(cohort, "day0"), alone(cohort, "day2"), by=by, measure="angular"
    )
    assert both.values[0, 2] == pair.values[0, 0]
    moves = nm.neural.dynamical_similarity(cohort, n_delays=1, rank=2, n_starts=4)
    assert moves.dims == ("recording", "recording_2")
    matrices = nm.neural.dissimilarities(cohort, by, distance="euclidean")
    assert nm.neural.compare_dissimilarities(matrices).recording.values.tolist() == list(DAYS)


def test_pseudo_populations_only_where_asked_for() -> None:
    cohort = joined(5, n_trials=120, gain=2.0)
    by = ["choice", "reward"]
    for verb in (nm.neural.pca_trajectories, nm.neural.demixed_pca):
        pooled = verb(cohort, by, n_components=1, per="subject")
        assert pooled.subject.dims == ("subject",)
        weights = pooled["axis" if "axis" in pooled else "encoder"]
        assert weights.notnull().all()
        apart = verb(cohort, by, n_components=1)
        assert int(apart[weights.name].isel(component=0).notnull().sum()) == cohort.sizes["unit"]
    one = nm.neural.compare_populations(cohort, by=by, measure="cka", per="subject")
    assert one.dims == ("subject", "subject_2")
    for refuse in (
        lambda: nm.decode(cohort, "choice", per="subject"),
        lambda: nm.neural.dimensionality(cohort, per="subject"),
        lambda: nm.neural.dissimilarities(cohort, by, per="subject"),
        lambda: nm.neural.delay_operators(cohort, per="subject"),
    ):
        with pytest.raises(InputError, match="not recorded in the same sessions"):
            refuse()


def test_a_recording_that_cannot_be_analyzed_is_left_out_by_name() -> None:
    cohort = joined(6, n_trials=120, gain=2.0)
    reward = cohort.reward.where(cohort.session_id != "day1/2", 1.0)  # all trials rewarded
    cohort = cohort.assign(reward=reward.astype("float32"))
    with pytest.warns(UserWarning, match="left out: recording 'day1' of subject 'm' has no trial"):
        result = nm.neural.pca_trajectories(cohort, ["choice", "reward"], n_components=1)
    assert result.recording.values.tolist() == ["day0", "day2"]
    assert "'day1'" in result.left_out
    with pytest.warns(
        UserWarning, match="no trial of condition .*reward 0.0 for unit day1/3, day1"
    ):
        means = nm.condition_means(cohort, ["choice", "reward"])
    assert int(means.condition_mean.isnull().all(("choice", "event", "subject")).sum()) == 2
    with pytest.warns(UserWarning, match="regressor 'reward' does not vary"):
        fit = nm.encode(cohort, ["choice", "reward"])
    lost = fit.coefficient.isnull().all(("subject", "event", "regressor", "lag"))
    assert lost.values.tolist() == [u.startswith("day1") for u in cohort.unit.values]
    table = nm.decode(cohort, "reward", n_permutations=0)
    assert [bool(p) for p in table.problem[:, 0].values] == [False, True, False]


def valves(seed: int = 0, n_trials: int = 200) -> xr.Dataset:
    """c39: the outcome's event exists on rewarded trials only."""
    cohort = joined(seed, sessions=(1,), units=(4,), n_trials=n_trials, gain=1.5)
    lacking = (cohort.reward == 0) & (cohort.event == "outcome")
    return cohort.assign(activity=cohort.activity.where(~lacking))


@pytest.mark.parametrize("seed", range(3))
def test_trials_that_lack_an_event_are_left_out_of_that_event_only(seed: int) -> None:
    cohort = valves(seed)
    names = ["choice", "previous_reward"]
    fit = nm.encode(cohort, names)
    rewarded = cohort.reward.values[0] == 1
    assert fit.n_trials.values[0, 0].tolist() == [199] * 4  # the first has none before it
    assert fit.n_trials.values[0, 1].tolist() == [int(rewarded[1:].sum())] * 4
    for e, rows in enumerate((np.arange(1, 200), 1 + np.flatnonzero(rewarded[1:]))):
        past = cohort.reward.values[0, rows - 1]  # history is whole: unrewarded trials count
        x = sm.add_constant(np.column_stack([cohort.choice.values[0, rows], past]))
        for u in range(4):
            y = cohort.activity.values[0, rows, e, u].astype(float)
            params = sm.OLS(y, x).fit().params[1:]
            np.testing.assert_allclose(fit.coefficient.values[0, e, u, :, 0], params, atol=1e-9)
    table = nm.decode(cohort, "choice", n_permutations=19)
    assert table.n.values.tolist() == [[200, int(rewarded.sum())]]
    means = nm.condition_means(cohort, ["choice"])
    assert means.n.sum() == 200
    counts = means.n_trials.sum(("subject", "choice"))
    assert counts.values.tolist() == [[200] * 4, [int(rewarded.sum())] * 4]
    mine = (cohort.reward == 1) & (cohort.choice == 1)
    truth = cohort.activity.sel(event="outcome").where(mine).mean(("session", "trial"))
    found = means.condition_mean.sel(choice=1, event="outcome", subject="m")
    np.testing.assert_allclose(found, truth, atol=1e-6)
    assert int(nm.neural.dimensionality(cohort, n_bootstrap=5).n[0]) == 200 + int(rewarded.sum())
    for verb in (nm.neural.demixed_pca, nm.neural.pca_trajectories):
        parts = verb(cohort, ["choice"], n_components=1)
        assert parts.n_trials.sum("choice").values.tolist() == [[200, int(rewarded.sum())]]


def test_what_an_event_cannot_show_is_said() -> None:
    cohort = valves()
    late = xr.zeros_like(cohort.choice) + (xr.DataArray(np.arange(200), dims="trial") % 2)
    with pytest.warns(UserWarning, match="'outcome': no trial of condition reward 0.0 for unit"):
        nm.condition_means(cohort, ["reward"])
    with pytest.raises(InputError, match=r"reward 0\.0 has the event 'outcome'; leave"):
        nm.neural.pca_trajectories(cohort, ["reward"], n_components=1)
    with pytest.warns(UserWarning, match="of 200 trials lack one of the events and are left out"):
        result = nm.neural.dissimilarities(cohort, {"choice": cohort.choice, "late": late})
    assert int(result.n.sum()) == int((cohort.reward == 1).sum())
    with pytest.warns(UserWarning, match="'outcome': regressor 'reward' does not vary"):
        fit = nm.encode(cohort, ["choice", "reward"])  # at the cue it does: as if alone
    np.testing.assert_array_equal(
        fit.sel(event="cue").coefficient,
        nm.encode(cohort, ["choice", "reward"], events=["cue"]).sel(event="cue").coefficient,
    )
    assert fit.sel(event="outcome").coefficient.isnull().all()
    never = cohort.assign(activity=cohort.activity.where(cohort.event == "cue"))
    with pytest.raises(InputError, match="event 'outcome': activity is NaN throughout on the"):
        nm.encode(never, ["choice"])
    assert nm.encode(never, ["choice"], events=["cue"]).coefficient.notnull().all()
    assert nm.decode(never, "choice", n_permutations=0).problem.values[0, 1].endswith("the event")


@pytest.mark.parametrize("seed", range(2))
def test_where_marks_what_counts_and_leaves_history_whole(seed: int) -> None:
    cohort = joined(seed, sessions=(2,), units=(3,), n_trials=100, ragged=True)
    fit = nm.encode(cohort, ["choice", "reward"], lags=(1, 2), where=cohort.reward == 1)
    rows = []
    for s in range(2):
        at = np.flatnonzero(cohort.valid.values[s] == 1)
        rows += [(s, at[i], at[i - 1], at[i - 2]) for i in range(2, len(at))]
    s, t, one, two = np.array([r for r in rows if cohort.reward.values[r[0], r[1]] == 1]).T
    x = [cohort[v].values[s, back] for v in ("choice", "reward") for back in (one, two)]
    assert (fit.n_trials == len(s)).all()
    for e in range(2):
        for u in range(3):
            theirs = sm.OLS(
                cohort.activity.values[s, t, e, u].astype(float),
                sm.add_constant(np.column_stack(x)),
            ).fit()
            found = fit.coefficient.values[0, e, u].ravel()
            np.testing.assert_allclose(found, theirs.params[1:], atol=1e-9)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (np.ones((2, 60), bool), "where is of type ndarray, expected an xarray.DataArray"),
        ("reward == 1", "where is of type str"),
        (xr.DataArray(np.ones((2, 60)), dims=("session", "trial")), "true or false along session"),
        (xr.DataArray(np.ones((2, 60, 2), bool), dims=("session", "trial", "event")), "dims .sess"),
        (xr.DataArray(True), "true or false along session and trial"),
        (xr.DataArray(np.ones((2, 59), bool), dims=("session", "trial")), "59 along 'trial'"),
        (xr.DataArray(np.zeros(60, bool), dims="trial"), "marks none of the 120 valid trials"),
    ],
)
def test_where_is_the_same_everywhere(where: object, message: str) -> None:
    cohort = joined(0, sessions=(2,), units=(3,))
    by = ["choice", "reward"]
    for verb in (
        lambda: nm.encode(cohort, ["choice"], where=where),
        lambda: nm.neural.unit_correlations(cohort, ["choice"], where=where),
        lambda: nm.decode(cohort, "choice", where=where),
        lambda: nm.condition_means(cohort, by, where=where),
        lambda: nm.neural.pca_trajectories(cohort, by, where=where),
        lambda: nm.neural.dimensionality(cohort, where=where),
        lambda: nm.neural.demixed_pca(cohort, by, where=where),
        lambda: nm.neural.dissimilarities(cohort, by, where=where),
        lambda: nm.neural.compare_populations(cohort, by=by, where=where),
        lambda: nm.neural.compare_populations(cohort, cohort, by=by, other_where=where),
        lambda: nm.neural.delay_operators(cohort, where=where),
        lambda: nm.neural.dynamical_similarity(cohort, where=where),
    ):
        with pytest.raises(InputError, match=message):
            verb()
    turned = joined(1, sessions=(2,), units=(3,)).assign_coords(session_id=("session", ["x", "y"]))
    with pytest.raises(InputError, match="where is of other sessions than the cohort's"):
        nm.encode(cohort, ["choice"], where=turned.reward == 1)


def test_windows() -> None:
    assert window_width("-0.2 to 0.3") == pytest.approx(0.5)
    assert window_width(0.25) == window_width("0.25") == 0.25
    assert window_width("-0.5 to -0.1") == pytest.approx(0.4)


def test_names_of_recordings() -> None:
    cohort = joined(0, sessions=(2, 1), units=(2, 2))
    counted = counted_trials(cohort, None)
    assert recorded_units(cohort.activity, counted).sum() == 2 * 2 + 2
    for names, found in (
        (cohort, ["day0", "day1"]),
        (cohort.drop_vars("recording"), ["day0/0 to day0/1", "day1/2"]),
        (cohort.assign_coords(recording=("unit", ["x"] * 4)), ["day0/0 to day0/1", "day1/2"]),
    ):
        assert [p.name for p in populations_of(names, counted)] == found
    probes = cohort.isel(session=[0, 1], unit=[0, 1]).assign_coords(recording=("unit", ["A", "B"]))
    (one,) = populations_of(probes, counted[:2], per="recording")
    assert (one.name, one.unit.tolist(), one.session.tolist()) == ("A + B", [0, 1], [0, 1])
    same = joined(0, sessions=(1, 1), subjects=("a", "b"), units=(2, 2)).drop_vars("recording")
    same = same.assign_coords(session_id=("session", ["s", "s"]))
    with pytest.raises(InputError, match="per is 'day'"):
        populations_of(same, counted[:2], per="day")  # type: ignore[arg-type]
    assert [p.name for p in populations_of(same, np.ones((2, 60), bool), per="recording")] == [
        "a: s", "b: s",
    ]  # fmt: skip


@pytest.mark.parametrize("verb", [nm.neural.pca_trajectories, nm.neural.demixed_pca])
def test_one_unit_a_day_is_told_of_pseudo_populations(verb: Callable[..., xr.Dataset]) -> None:
    cohort = joined(1, sessions=(1, 1, 1), units=(1, 1, 1), n_trials=80)
    with pytest.raises(InputError, match=r"has 1 unit.*per='subject' pools recordings"):
        verb(cohort, ["choice", "reward"], n_components=1)
    found = verb(cohort, ["choice", "reward"], n_components=1, per="subject")
    assert found.sizes["unit"] == 3
