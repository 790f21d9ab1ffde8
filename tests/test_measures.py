"""A measure is one object: counted, laid out, summarized and drawn, and nobody asks its kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import neuro_metarl as nm
from neuro_metarl import plot
from neuro_metarl.comparison import from_table
from neuro_metarl.errors import InputError
from neuro_metarl.measures import Measure, measures_in, signature_measures
from neuro_metarl.paradigms import BANDIT, LEARNING_SET, TWO_STEP, Paradigm
from neuro_metarl.storage.netcdf import write_netcdf


def left_share(cohort: xr.Dataset) -> float:
    free = nm.responses(cohort)
    return float((free & (cohort.choice == 0)).sum() / free.sum())


def reward_by_third(cohort: xr.Dataset, *, n_parts: int = 3) -> xr.Dataset:
    """Reward in each third of a session, with an interval and its own count."""
    reward = cohort.reward.where(nm.responses(cohort))
    part = np.arange(cohort.sizes["trial"]) * n_parts // cohort.sizes["trial"]
    means = [reward[:, part == k] for k in range(n_parts)]
    value = np.array([float(m.mean()) for m in means])
    n = np.array([int(m.count()) for m in means])
    error = np.sqrt(value * (1 - value) / n)
    table = np.stack([value, value - error, value + error], axis=-1)
    return xr.Dataset(
        {"reward_by_part": (("part", "statistic"), table), "n": ("part", n)},
        coords={"part": np.arange(1, n_parts + 1), "statistic": ["value", "low", "high"]},
        attrs={"interval": "one standard error"},
    )


def repeats(cohort: xr.Dataset) -> xr.DataArray:
    """How often the choice is that of some trials back, dims lag."""
    choice = cohort.choice.values
    same = [(choice[:, k:] == choice[:, :-k]).mean() for k in (1, 2, 3)]
    return xr.DataArray(same, {"lag": [1, 2, 3]}, ("lag",))


LEFT = Measure("left_share", left_share, unit="P(left)", line=0.5, limits=(0, 1))
PARTS = Measure(
    "reward_by_part", reward_by_third, ("part",), unit="reward", count_dims=("part",),
    label="reward by part", axis="part of the session",
)  # fmt: skip
REPEATS = Measure("repeats", repeats, ("lag",), unit="P(same)", limits=(0, 1))
OWN = (LEFT, PARTS, REPEATS)


@pytest.fixture(scope="module")
def rats() -> xr.Dataset:
    return nm.load_dataset("synthetic-rats")


@pytest.fixture(scope="module")
def own(rats: xr.Dataset) -> xr.Dataset:
    return nm.compare({"a": rats, "b": rats.isel(trial=slice(0, 150))}, measures=OWN)


def test_a_measure_of_one_s_own_is_computed_by_the_function_that_was_given(
    rats: xr.Dataset, own: xr.Dataset
) -> None:
    for k, name in enumerate(nm.subjects_of(rats)):
        one = nm.select_subjects(rats, name)
        assert own.left_share.sel(statistic="value")[k] == left_share(one)
        np.testing.assert_array_equal(own.reward_by_part[k], reward_by_third(one).reward_by_part)
        np.testing.assert_array_equal(own.n_reward_by_part[k], reward_by_third(one).n)
        np.testing.assert_array_equal(own.repeats.sel(statistic="value")[k], repeats(one))
        assert own.n_left_share[k] == nm.responses(one).sum()
    assert own.source.values.tolist() == ["a"] * 6 + ["b"] * 6
    assert own.attrs["interval"] == "one standard error"
    assert own.left_share.sel(statistic=["low", "high"]).isnull().all()


def test_its_table_its_file_and_its_summary(own: xr.Dataset, tmp_path: Path) -> None:
    table = nm.to_table(own)
    assert list(table.columns) == list(nm.to_table(nm.compare({"a": nm.load_dataset(
        "synthetic-rats")})).columns)  # fmt: skip
    assert len(table) == 12 * (1 + 3 + 3)
    assert set(table[table.measure == "reward_by_part"].term) == {"1", "2", "3"}
    assert set(table[table.measure == "repeats"].lag) == {1, 2, 3}
    again = from_table(table, measures=OWN)
    xr.testing.assert_equal(again, own.drop_attrs())
    unknown = from_table(table)
    np.testing.assert_array_equal(unknown.reward_by_part, own.reward_by_part)
    write_netcdf(own, tmp_path / "own.nc")
    with xr.open_dataset(tmp_path / "own.nc") as kept:
        xr.testing.assert_equal(kept.load(), own)
        assert repr(measures_in(kept)) == repr(measures_in(own))
        assert nm.summarize(kept).equals(nm.summarize(own))
    summary = nm.summarize(own).set_index(["source", "measure"])
    assert summary.loc[("a", "left_share"), "mean"] == pytest.approx(
        own.left_share[:6].sel(statistic="value").mean().item()
    )
    assert len(summary) == 2 * (1 + 3 + 3)


def test_its_figure_shows_every_subject(own: xr.Dataset) -> None:
    figure = plot.comparison(own)
    labels = {ax.get_ylabel(): ax for ax in figure.axes}
    assert set(labels) == {"P(left)", "reward", "P(same)"}
    for unit, name in (("P(left)", "left_share"), ("reward", "reward_by_part")):
        dots = [line for line in labels[unit].lines if line.get_alpha() == 0.55]
        shown = np.sort(np.concatenate([np.ravel(line.get_ydata()) for line in dots]))
        truth = np.sort(own[name].sel(statistic="value").values.ravel())
        np.testing.assert_allclose(shown, truth)
    assert labels["reward"].get_xlabel() == "part of the session"
    assert labels["P(same)"].get_xlabel() == "trials back"
    thin = [line for line in labels["P(same)"].lines if line.get_linewidth() < 0.6]
    assert len(thin) == 12


def test_functions_are_called_once_for_each_subject(rats: xr.Dataset) -> None:
    asked: list[str] = []

    def both(cohort: xr.Dataset) -> xr.Dataset:
        asked.append(str(cohort.subject.values[0]))
        return xr.Dataset({"first": 1.0, "second": 2.0})

    result = nm.compare({"rats": rats}, measures=[Measure("first", both), Measure("second", both)])
    assert asked == nm.subjects_of(rats)
    assert (result.second.sel(statistic="value") == 2).all()


def test_names_and_objects_stand_together(rats: xr.Dataset) -> None:
    both = nm.compare({"rats": rats}, measures=["planning_index", LEFT])
    whole = nm.compare({"rats": rats})
    np.testing.assert_array_equal(both.planning_index, whole.planning_index)
    assert set(both.data_vars) == {"planning_index", "n_lagged", "left_share", "n_left_share"}
    assert nm.compare({"rats": rats}, measures=[*TWO_STEP.measures, LEFT]).equals(
        nm.compare({"rats": rats}, measures=(*TWO_STEP.measures, LEFT))
    )


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (Measure("x", lambda c: "much"), "gave str, expected a number, an xarray.DataArray or"),
        (Measure("x", lambda c: [1, 2]), "gave list, expected a number"),
        (Measure("x", lambda c: xr.Dataset({"y": 1})), "without the variable 'x'; it has y"),
        (Measure("x", repeats), r"gave dims \(subject 1, lag 3\), expected \(subject 1\)"),
        (Measure("x", left_share, ("lag",)), r"gave dims \(subject 1\), expected \(subject 1, lag"),
        (Measure("reward_by_part", reward_by_third, ("part",)), "say with count_dims along which"),
        ("planing_index", "no measure 'planing_index'; .*planning_index"),
        (left_share, "measures has function, expected objects or names of measures"),
    ],
)
def test_what_a_measure_declares_is_checked(measure: Any, message: str, rats: xr.Dataset) -> None:
    with pytest.raises(InputError, match=message):
        nm.compare({"rats": rats}, measures=[measure])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Measure("left share", left_share), "the measure's name is 'left share'"),
        (lambda: Measure("x", 3), "of is 3, expected a function on a cohort"),  # type: ignore[arg-type]
        (lambda: Measure("x", len, "lag"), "dims are 'lag', expected a tuple"),  # type: ignore[arg-type]
        (lambda: Measure("x", len, ("subject",)), "expected a tuple of names other than source"),
        (lambda: Measure("x", len, ("lag",), count_dims=("part",)), "expected some of the dims"),
    ],
)
def test_a_measure_that_cannot_be_is_refused_when_it_is_made(
    make: Callable[[], Measure], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_refusals_of_measures_together(rats: xr.Dataset) -> None:
    other = Measure("other", lambda c: repeats(c).assign_coords(lag=[2, 3, 4]), ("lag",))
    with pytest.raises(InputError, match="'repeats' and 'other' have different labels of the dim"):
        nm.compare({"rats": rats}, measures=[REPEATS, other])
    with pytest.raises(InputError, match="two measures are called 'left_share'"):
        nm.compare({"rats": rats}, measures=[LEFT, LEFT])
    with pytest.raises(InputError, match="measures is empty"):
        nm.compare({"rats": rats}, measures=[])


def bandit(n: int = 2) -> xr.Dataset:
    agents = nm.load_agents("bandit-restless").select(range(n))
    return nm.record(agents, "bandit-restless", 12, seed=1, activity=False)


def test_an_option_that_no_measure_takes_is_refused(rats: xr.Dataset) -> None:
    with pytest.raises(InputError, match=r"histroy is an option of none .*history"):
        nm.compare({"rats": rats}, histroy="published")
    with pytest.raises(InputError, match="history is an option of none of the measures reward_lag"):
        nm.compare({"agents": bandit()}, history="published")
    with pytest.raises(InputError, match=r"n_parts is an option of none .* they take no options"):
        nm.compare({"rats": rats}, measures=[LEFT], n_parts=2)
    result = nm.compare({"rats": rats}, measures=[LEFT, PARTS], n_parts=2)
    assert result.sizes["part"] == 2
    assert json.loads(result.attrs["options"]) == {"n_parts": 2}
    four = Measure("reward_by_part", partial(reward_by_third, n_parts=4), ("part",),
                   count_dims=("part",))  # fmt: skip
    assert nm.compare({"rats": rats}, measures=[four]).sizes["part"] == 4


def test_options_reach_the_signatures_of_a_bandit() -> None:
    cohort = bandit()
    problem = np.broadcast_to(np.arange(cohort.sizes["trial"]) // 25, cohort.choice.shape)
    cohort = cohort.assign(problem=(("session", "trial"), problem.astype("int32")))
    for how in ({}, {"across_problems": True}, {"adjacent": True}):
        result = nm.compare({"agents": cohort}, **how)  # type: ignore[arg-type]
        alone = nm.behavior.bandit_profile(cohort, **how)  # type: ignore[arg-type]
        for name in alone.measure.values:
            mine = result[str(name)].sel(statistic="value")
            np.testing.assert_array_equal(mine, alone.profile.sel(measure=name))


def of_paradigms() -> dict[str, xr.Dataset]:
    harlow = nm.record(nm.load_agents("harlow").select([0, 1]), "harlow", 40, activity=False)
    walks = nm.record(nm.load_agents("navigation").select([0]), n_sessions=30, activity=False)
    human = nm.make_cohort(
        {"choice": [[0, 1]], "reward": [[1, 0]]}, subject=["a"], task="tossing", source="model"
    )
    return {
        "two-step": nm.compare({"rats": nm.load_dataset("synthetic-rats")}),
        "bandit": nm.compare({"agents": bandit()}),
        "learning set": nm.compare({"agents": harlow}),
        "navigation": nm.compare({"agents": walks}),
        "": nm.compare({"tossers": human}, measures=[LEFT]),
    }


def test_every_paradigm_has_one_schema() -> None:
    """Names of measures are all that differs: columns, keys, coordinates and attributes do not."""
    results = of_paradigms()
    first = results["two-step"]
    for name, result in results.items():
        assert result.attrs["paradigm"] == name
        assert list(result.attrs) == list(first.attrs)
        assert list(nm.to_table(result).columns) == list(nm.to_table(first).columns)
        assert (
            nm.to_table(result)
            .dtypes[["lag", "n", "value"]]
            .equals(nm.to_table(first).dtypes[["lag", "n", "value"]])
        )
        assert list(nm.summarize(result).columns) == list(nm.summarize(first).columns)
        found = measures_in(result)
        assert ", ".join(m.name for m in found) == result.attrs["measures"]
        assert {"source", "subject", "statistic"} <= set(result.coords)
        for measure in found:
            assert list(result[measure.name].attrs) == list(first.planning_index.attrs)
            assert result[measure.name].dims == ("subject", *measure.dims, "statistic")
            assert result[measure.count].dims == ("subject", *measure.count_dims)
        assert set(result.data_vars) == {m.name for m in found} | {m.count for m in found}
        assert set(nm.to_table(result).measure) == {m.name for m in found}
        assert len(plot.comparison(result).axes) >= 1
        xr.testing.assert_equal(from_table(nm.to_table(result)), result.drop_attrs())


@pytest.mark.parametrize("paradigm", [TWO_STEP, BANDIT, LEARNING_SET])
def test_the_package_s_measures_name_their_functions_results(paradigm: Paradigm) -> None:
    assert len({m.name for m in paradigm.measures}) == len(paradigm.measures)
    for measure in paradigm.measures:
        assert measure.unit
        assert measure.count.startswith("n_")


def test_signatures_are_those_of_the_profile_with_its_errors(rats: xr.Dataset) -> None:
    table = nm.profile(rats)
    names = table.measure.values.tolist()
    measures = signature_measures(nm.profile, names)
    result = nm.compare({"rats": rats}, measures=measures, confidence=0.9)
    for j, name in enumerate(names):
        np.testing.assert_array_equal(result[name].sel(statistic="value"), table.profile[:, j])
        reach = result[name].sel(statistic="high") - result[name].sel(statistic="value")
        np.testing.assert_allclose(reach, 1.6449 * np.sqrt(table.covariance[:, j, j]), rtol=1e-4)
    np.testing.assert_array_equal(result.n_signature, table.n)
