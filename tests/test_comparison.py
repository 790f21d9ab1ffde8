"""The comparison: one line for every source, a tidy table, summaries and plots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neuro_metarl import plot
from neuro_metarl.behavior.reward_levels import stay_by_reward
from neuro_metarl.behavior.two_step import (
    INDICES,
    TERMS,
    lagged_regression,
    one_back_regression,
    stay_probability,
)
from neuro_metarl.cohort import concat_cohorts, select_subjects, subjects_of
from neuro_metarl.comparison.measures import compare, join_comparisons
from neuro_metarl.comparison.table import COLUMNS, from_table, summarize, to_table
from neuro_metarl.datasets import load_dataset
from neuro_metarl.errors import InputError
from neuro_metarl.models.hybrid_models import hybrid
from neuro_metarl.models.mixture_models import mixture
from neuro_metarl.plot.style import MARKERS
from neuro_metarl.recording import record
from neuro_metarl.tasks import make_task


@pytest.fixture(scope="module")
def cohorts() -> dict[str, xr.Dataset]:
    task = make_task("two-step-miller", n_trials=300)
    models = [hybrid.planted(name=f"m{k}", weight_model_based=k / 2) for k in range(3)]
    return {
        "models": record(models, task, 3, seed=1),
        "synthetic rats": load_dataset("synthetic-rats"),
    }


@pytest.fixture(scope="module")
def result(cohorts: dict[str, xr.Dataset]) -> xr.Dataset:
    return compare(cohorts)


def options_of(result: xr.Dataset) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.attrs["options"])
    return found


def test_every_subject_is_measured_as_it_would_be_alone(
    cohorts: dict[str, xr.Dataset], result: xr.Dataset
) -> None:
    rat = select_subjects(cohorts["synthetic rats"], "synthetic-4")
    alone = lagged_regression(rat)
    mine = result.sel(subject="synthetic-4")
    for name in (*INDICES, "lagged_weight"):
        assert np.allclose(mine[name], alone[name].squeeze("subject"))
    assert np.allclose(mine.stay_probability, stay_probability(rat).stay_probability[0])


def test_sources_and_n_are_labelled(result: xr.Dataset) -> None:
    assert result.source.values.tolist() == ["models"] * 3 + ["synthetic rats"] * 6
    assert result.sizes["subject"] == 9
    assert options_of(result)["history"] == "session"
    assert (result.n_lagged > 400).all()


def test_the_tidy_table(result: xr.Dataset) -> None:
    table = to_table(result)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 9 * (4 + 4 * 5 + 4 + 5)
    assert set(table.measure) == {"stay_probability", "lagged_weight", *INDICES, "one_back"}
    assert set(table[table.measure == "stay_probability"].term) == set(TERMS)
    lagged = table[table.measure == "lagged_weight"]
    assert sorted(lagged.lag.unique()) == [1, 2, 3, 4, 5]
    assert not table.duplicated(["source", "subject", "measure", "term", "lag"]).any()
    given = table[table.low.notna()]
    assert (given.low <= given.value).all()
    assert (given.value <= given.high).all()
    assert set(given.subject) == {f"synthetic-{k}" for k in range(1, 6)}
    assert "synthetic rats, synthetic-6: 2 sessions are too few" in result.attrs["problem"]
    assert "models, m1: 3 sessions are too few" in result.attrs["problem"]
    one = table[(table.subject == "m2") & (table.measure == "planning_index")].iloc[0]
    assert one["value"] == pytest.approx(float(result.planning_index.sel(subject="m2")[0]))


def test_the_table_reads_back_identical_also_through_a_file(
    result: xr.Dataset, tmp_path: Path
) -> None:
    table = to_table(result)
    table.to_csv(tmp_path / "t.csv", index=False)
    for source in (table, pd.read_csv(tmp_path / "t.csv")):
        again = from_table(source)
        xr.testing.assert_allclose(again, result.drop_attrs())
    with pytest.raises(InputError, match="column measure is missing"):
        from_table(table.drop(columns="measure"))


def test_correct_is_in_all_regressions_or_in_none(cohorts: dict[str, xr.Dataset]) -> None:
    """The same subject has the same weights whatever stands beside it, and attributes say which."""
    rats = cohorts["synthetic rats"]
    lacking = rats.drop_vars("correct")
    alone = {c: one_back_regression(cohorts["models"], correct=c) for c in (True, False)}
    for other, correct in ((rats, True), (lacking, False)):
        result = compare({"a": cohorts["models"], "b": other})
        assert options_of(result)["correct"] is correct
        assert ("correct" in result.predictor) is correct
        np.testing.assert_array_equal(result.one_back[:3], alone[correct].one_back)
        assert len(to_table(result)) == 9 * (4 + 4 * 5 + 4 + 4 + correct)
    assert not np.allclose(alone[True].one_back[:, :4], alone[False].one_back, atol=0.05)
    assert options_of(compare({"a": rats}, correct=False))["correct"] is False
    with pytest.raises(InputError, match=r"not known in b \('synthetic-1'\), .*default"):
        compare({"a": cohorts["models"], "b": lacking}, correct=True)
    unknown = rats.correct.where(rats.subject != "synthetic-2", -1).astype("int8")
    with pytest.raises(InputError, match=r"not known in b \('synthetic-2'\)"):
        compare({"b": rats.assign(correct=unknown)}, correct=True)


def test_joined_comparisons_with_and_without_correct_stand_together(
    cohorts: dict[str, xr.Dataset],
) -> None:
    parts = [compare({n: c}, correct=n == "models") for n, c in cohorts.items()]
    result = join_comparisons(parts)
    correct = result.one_back.sel(predictor="correct", statistic="value")
    assert np.isnan(correct.values).tolist() == [False] * 3 + [True] * 6
    assert "options" not in result.attrs
    assert len(to_table(result)) == 9 * (4 + 4 * 5 + 4 + 5)


def test_equal_subject_names_in_two_sources_stay_apart(cohorts: dict[str, xr.Dataset]) -> None:
    result = compare({"a": cohorts["models"], "b": cohorts["models"]})
    assert result.sizes["subject"] == 6
    assert len(from_table(to_table(result)).subject) == 6
    assert join_comparisons([result, result]).sizes["subject"] == 12


def test_summary_averages_over_subjects(result: xr.Dataset) -> None:
    summary = summarize(result).set_index(["source", "measure"])
    row = summary.loc[("models", "planning_index")]
    values = result.planning_index.sel(statistic="value").values[:3]
    assert row["mean"] == pytest.approx(values.mean())
    assert row["sd"] == pytest.approx(values.std(ddof=1))
    assert row["n_subjects"] == 3
    assert row["low"] < row["mean"] < row["high"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: {}, "needs at least one cohort"),
        (
            lambda c: {"rats": select_subjects(c, "synthetic-1").assign_attrs(source="animal")},
            r"rats: one subject \('synthetic-1'\); a comparison needs at least 2 animals",
        ),
        (lambda c: {"rats": c.drop_vars("common")}, "rats: the cohort has no 'common'"),
        (
            lambda c: c,
            r"takes cohorts under names, .*compare\(\{'rats': cohort\}\); got one cohort",
        ),
        (lambda c: [c], "takes cohorts under names, .*; got list"),
        (lambda c: "synthetic-rats", "takes cohorts under names, .*; got str"),
        (lambda c: {1: c}, "got the name 1, which is no text"),
        (lambda c: {"rats": c.choice}, "rats: compare takes a cohort, got one variable"),
        (lambda c: {"rats": "rats.csv"}, "rats: compare takes a cohort, got the text 'rats.csv'"),
        (lambda c: {"rats": stay_probability(c)}, "rats: .*not a cohort"),
        (lambda c: {"rats": c.drop_vars("reward")}, "rats: reward: missing"),
    ],
)
def test_refusals(change, message: str, cohorts: dict[str, xr.Dataset]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        compare(change(cohorts["synthetic rats"]))


def test_network_model_and_rat_go_through_the_same_line() -> None:
    task = make_task("two-step-miller", n_trials=100)
    agents = record("two-step", task, 4, seed=0, activity=False)
    rats = load_dataset("synthetic-rats")
    planted = record(mixture.planted(weight_model_based=2.0), task, 4)
    result = compare({"agents": agents, "model": planted, "rats": rats})
    assert dict(zip(*np.unique(result.source, return_counts=True), strict=True)) == {
        "agents": len(subjects_of(agents)), "model": 1, "rats": 6,
    }  # fmt: skip
    assert np.isfinite(result.planning_index.sel(statistic="value")).all()


def test_plots_show_every_subject(result: xr.Dataset) -> None:
    ax = plot.stay_probability(result)
    dots = [line for line in ax.lines if line.get_marker() in MARKERS]
    assert [len(np.ravel(line.get_ydata())) for line in dots] == [3 * 4, 6 * 4]
    shown = np.sort(np.concatenate([np.ravel(line.get_ydata()) for line in dots]))
    truth = np.sort(result.stay_probability.sel(statistic="value").values.ravel())
    assert np.allclose(shown, truth)
    ax = plot.indices(result)
    dots = [line for line in ax.lines if line.get_marker() in MARKERS]
    assert sum(len(np.ravel(line.get_ydata())) for line in dots) == 9 * 4
    axes = plot.lagged_weights(result)
    thin = [line for line in axes[0].lines if line.get_linewidth() < 0.6]
    assert len(thin) == 9


def test_the_figure_is_labelled_and_sources_differ_in_colour_and_marker(
    result: xr.Dataset,
) -> None:
    figure = plot.comparison(result)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["models (n = 3)", "synthetic rats (n = 6)"]
    handles = figure.legends[0].legend_handles
    assert len({(h.get_color(), h.get_marker()) for h in handles}) == 2  # type: ignore[union-attr]
    for ax in figure.axes:
        assert ax.get_xlabel() or [t.get_text() for t in ax.get_xticklabels()]
    assert figure.axes[0].get_ylabel() == "P(stay)"


def test_two_cohorts_of_rats_can_be_joined_and_compared() -> None:
    rats = load_dataset("synthetic-rats")
    first, second = (select_subjects(rats, s) for s in ("synthetic-1", "synthetic-2"))
    assert compare({"rats": concat_cohorts([first, second])}).sizes["subject"] == 2


@pytest.mark.parametrize("verb", [to_table, summarize])
def test_verbs_on_comparisons_refuse_other_things(verb, cohorts: dict[str, xr.Dataset]) -> None:  # type: ignore[no-untyped-def]
    rats = cohorts["synthetic rats"]
    for thing, what in (
        (rats, "got a cohort"),
        (stay_probability(rats), "got a data set without 'source'"),
        ({"rats": rats}, "got dict"),
    ):
        with pytest.raises(InputError, match=f"takes what compare gives, {what}"):
            verb(thing)


def test_conventions_of_a_comparison_are_those_of_its_measures() -> None:
    """One regression on each side of a switch: the measure alone, and compare."""
    rats = load_dataset("synthetic-rats")
    number = np.broadcast_to(np.arange(rats.sizes["trial"]) // 40, rats.choice.shape)
    cohort = rats.assign(problem=(("session", "trial"), number.astype("int32")))
    for how in ({"rewarded": 0.5}, {"across_problems": True}, {"adjacent": True}):
        result = compare({"rats": cohort}, **how)  # type: ignore[arg-type]
        alone = stay_probability(cohort, **how)  # type: ignore[arg-type]
        np.testing.assert_array_equal(result.stay_probability, alone.stay_probability)
        fit = lagged_regression(cohort, **how)  # type: ignore[arg-type]
        np.testing.assert_array_equal(result.planning_index, fit.planning_index)
        assert {k: options_of(result)[k] for k in how} == how
    ends = compare({"rats": cohort}).n_stay.sum()
    assert ends < compare({"rats": cohort}, across_problems=True).n_stay.sum()


def test_a_subject_whose_choices_hardly_vary_is_named() -> None:
    rats = load_dataset("synthetic-rats")
    left = rats.choice.where(rats.subject != "synthetic-1", 0).where(rats.valid == 1, -1)
    result = compare({"rats": rats.assign(choice=left.astype("int8"))})
    assert (
        "rats, synthetic-1, lagged regression: the responses hardly vary" in result.attrs["problem"]
    )
    assert "synthetic-2" not in result.attrs["problem"]
    assert np.abs(result.stay_index).max() < 100
    assert "hardly vary" not in compare({"rats": rats}).attrs["problem"]


@pytest.mark.parametrize("n", [2, 3, 6])
@pytest.mark.parametrize("seed", range(4))
def test_means_of_probabilities_have_intervals_of_probabilities(n: int, seed: int) -> None:
    """Subjects near 1; in the middle nothing is cut; two subjects have no interval."""
    rng = np.random.default_rng(seed)
    result = compare({"rats": load_dataset("synthetic-rats")}).isel(subject=slice(0, n))
    near = 1 - rng.exponential(0.04, size=(n, 4, 1)).clip(0, 1)
    result["stay_probability"] = result.stay_probability * 0 + near
    table = summarize(result)
    stay = table[table.measure == "stay_probability"]
    index = table[table.measure == "planning_index"]
    if n == 2:
        assert table[["low", "high"]].isna().all(axis=None)
        return
    assert ((stay.low >= 0) & (stay.high <= 1) & (stay.low <= stay.typical)).all()
    assert (stay.typical <= stay.high).all()
    assert float(index.high.iloc[0]) > 1


def test_plots_take_what_the_verb_of_their_name_gives() -> None:
    rats = load_dataset("synthetic-rats")
    stay = stay_probability(rats)
    ax = plot.stay_probability(stay)
    dots = [line for line in ax.lines if line.get_marker() in MARKERS]
    truth = stay.stay_probability.sel(statistic="value").values
    np.testing.assert_allclose(np.sort(np.ravel(dots[0].get_ydata())), np.sort(truth.ravel()))
    ax = plot.stay_probability(stay_by_reward(rats))
    assert [t.get_text() for t in ax.get_xticklabels()] == ["reward\n0", "reward\n1"]
    fit = lagged_regression(rats)
    assert plot.indices(fit).get_ylabel() == "index (log odds, summed over lags)"
    assert len(plot.lagged_weights(fit)) == 4
    for one in (stay.sel(subject="synthetic-1"), stay.isel(subject=[0])):
        assert plot.stay_probability(one).get_ylabel() == "P(stay)"
    assert len(plot.lagged_weights(fit.sel(subject="synthetic-1"))) == 4
    whole = compare({"rats": rats}).sel(subject="synthetic-1")
    assert len(plot.comparison(whole).axes) == 6


@pytest.mark.parametrize(
    ("plot", "wanted"),
    [
        (plot.stay_probability, "stay_probability or compare"),
        (plot.indices, "lagged_regression or compare"),
        (plot.lagged_weights, "lagged_regression or compare"),
        (plot.comparison, "compare"),
    ],
)
def test_plots_refuse_other_things(plot, wanted: str) -> None:  # type: ignore[no-untyped-def]
    rats = load_dataset("synthetic-rats")
    other = lagged_regression(rats)[["bias"]]
    for thing, what in (
        (rats, "got a cohort; measure it first"),
        (other, "got a data set without '"),
        ("rats", "got str"),
    ):
        with pytest.raises(InputError, match=f"takes what {wanted} gives, {what}"):
            plot(thing)
