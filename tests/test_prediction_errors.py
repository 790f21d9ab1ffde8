"""Whose prediction errors: planted subjects get their own weights back; references; bad input."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm
import xarray as xr

import neuro_metarl as nm
from neuro_metarl import InputError
from neuro_metarl.models import model_signals
from neuro_metarl.models.model import find_model
from neuro_metarl.neural import prediction_error_regression

PLANNER = find_model("latent_state").planted(hazard=0.025)
TEMPORAL = {
    "TD(0)": find_model("model_free").planted(learning_rate=0.5, eligibility_trace=0.0),
    "TD(1)": find_model("model_free").planted(learning_rate=0.5, eligibility_trace=1.0),
}


@pytest.fixture(scope="module")
def cohort() -> xr.Dataset:
    player = find_model("hybrid").planted("player", inverse_temperature=4.0)
    return nm.record(player, "two-step", 20, seed=1)


MADE: dict[tuple[str, str], list[xr.Dataset]] = {}


def both(cohort: xr.Dataset, cached: str = "TD(1)") -> list[xr.Dataset]:
    key = str(cohort.session_id.values.tolist()), cached
    if key not in MADE:
        MADE[key] = [model_signals(cohort, m) for m in (PLANNER, TEMPORAL[cached])]
    return MADE[key]


def carrying(cohort: xr.Dataset, weights: tuple[float, float], cached: str) -> xr.Dataset:
    """Give the subject a signal ``rpe`` that is a mixture of the two learners' errors."""
    planned, other = (s.rpe.isel(system=0, drop=True) for s in both(cohort, cached))
    return cohort.assign(rpe=(weights[0] * planned + weights[1] * other).astype("float32"))


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (0.6, 0.4), (-0.5, 2.0)])
@pytest.mark.parametrize("cached", ["TD(0)", "TD(1)"])
def test_planted_errors_get_their_weights(
    cohort: xr.Dataset, weights: tuple[float, float], cached: str
) -> None:
    mine = carrying(cohort, weights, cached)
    table = prediction_error_regression(mine, both(cohort, cached))
    value = table.sel(statistic="value", subject="player")
    assert value.event.values.tolist() == ["first_step", "second_step"]
    for event in value.event.values:
        one = value.sel(event=event)
        # float32 signals: relative error 6e-8
        np.testing.assert_allclose(one.weight, weights, atol=1e-5)
        np.testing.assert_allclose(one.difference_weight, [sum(weights), weights[0]], atol=1e-5)
        np.testing.assert_allclose(one.cpd, np.array(weights) != 0, atol=1e-4)
        assert float(one.r2) == pytest.approx(1, abs=1e-6)
    assert (table.problem == "").all()


def test_alone_the_wrong_learner_explains_much_and_jointly_nothing(cohort: xr.Dataset) -> None:
    table = prediction_error_regression(carrying(cohort, (1.0, 0.0), "TD(1)"), both(cohort))
    wrong = table.sel(statistic="value", system="model_free", subject="player")
    assert (wrong.r2_alone > 0.4).all()
    assert (wrong.unique < 1e-6).all()
    right = table.sel(statistic="value", system="model_based", subject="player")
    assert (right.unique > 0.1).all()


def noisy(cohort: xr.Dataset, sd: float, seed: int, weights: tuple[float, float]) -> xr.Dataset:
    mine = carrying(cohort, weights, "TD(1)")
    noise = np.random.default_rng(seed).normal(0, sd, mine.rpe.shape)
    return mine.assign(rpe=mine.rpe + noise.astype("float32"))


def test_it_is_least_squares_by_statsmodels(cohort: xr.Dataset) -> None:
    mine = noisy(cohort, 0.3, 0, (0.7, 0.2))
    signals = both(cohort)
    table = prediction_error_regression(mine, signals, covariates=["reward"])
    for event in ("first_step", "second_step"):
        y = mine.rpe.sel(event=event).values.ravel().astype(float)
        x = [s.rpe.isel(system=0).sel(event=event).values.ravel() for s in signals]
        design = sm.add_constant(np.column_stack([*x, mine.reward.values.ravel()]))
        full = sm.OLS(y, design).fit()
        value = table.sel(statistic="value", subject="player", event=event)
        np.testing.assert_allclose(value.weight, full.params[1:3], atol=1e-7)
        np.testing.assert_allclose(value.r2, full.rsquared, atol=1e-9)
        t = full.tvalues[1:3]
        np.testing.assert_allclose(value.cpd, t**2 / (t**2 + full.df_resid), atol=1e-7)
        for k in (0, 1):
            without = sm.OLS(y, np.delete(design, 1 + k, axis=1)).fit()
            assert float(value.unique[k]) == pytest.approx(
                full.rsquared - without.rsquared, abs=1e-8
            )
            alone = sm.OLS(y, np.delete(design, 2 - k, axis=1)).fit()
            assert float(value.r2_alone[k]) == pytest.approx(alone.rsquared, abs=1e-8)
        daw = design.copy()
        daw[:, 1], daw[:, 2] = design[:, 2], design[:, 1] - design[:, 2]
        np.testing.assert_allclose(
            value.difference_weight, sm.OLS(y, daw).fit().params[1:3], atol=1e-7
        )


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.5, 0.5)])
def test_intervals_hold_the_truth(cohort: xr.Dataset, weights: tuple[float, float]) -> None:
    held, n = np.zeros(2), 60
    for seed in range(n):
        table = prediction_error_regression(
            noisy(cohort, 0.5, seed, weights), both(cohort), events=["first_step"]
        )
        weight = table.weight.isel(subject=0, event=0)
        low, high = weight.sel(statistic="low"), weight.sel(statistic="high")
        held += (low.values <= weights) & (weights <= high.values)
    # .95 minus 3.5 SE of 60 binomial draws is .85
    assert (held / n > 0.85).all()


def test_drifting_values_need_the_sessions(cohort: xr.Dataset) -> None:
    """A signal that drifts by itself: session intervals hold 0, errors over trials do not."""
    signals = [s[["value"]] for s in both(cohort)]
    held, naive, n = np.zeros(2), np.zeros(2), 60
    for seed in range(n):
        rng = np.random.default_rng(seed)
        drift = np.zeros(cohort.choice.shape)
        for t in range(1, drift.shape[1]):
            drift[:, t] = 0.95 * drift[:, t - 1] + rng.normal(size=len(drift))
        table = prediction_error_regression(
            cohort, signals, variable=xr.DataArray(drift, dims=("session", "trial")),
            predictor="value", events=["first_step"],
        )  # fmt: skip
        weight = table.weight.isel(subject=0, event=0)
        held += weight.sel(statistic="low").values <= 0
        held -= weight.sel(statistic="high").values < 0
        x = [s.value.isel(system=0, event=0).values.ravel() for s in signals]
        fit = sm.OLS(drift.ravel(), sm.add_constant(np.column_stack(x))).fit()
        naive += np.abs(fit.tvalues[1:]) < 1.96
    # of 120 intervals of 95 %, 3.5 SE are .07
    assert held.sum() / (2 * n) > 0.88
    assert naive.sum() / (2 * n) < 0.88


def test_errors_of_other_sessions_explain_nothing(cohort: xr.Dataset) -> None:
    mine = carrying(cohort, (1.0, 0.0), "TD(1)")
    rolled = mine.assign(rpe=mine.rpe.roll(session=1))
    table = prediction_error_regression(rolled, both(cohort), events=["first_step"])
    assert float(table.r2.sel(statistic="value").squeeze()) < 0.02
    assert (table.weight.sel(statistic="low") < 0.1).all()


def test_invariances(cohort: xr.Dataset) -> None:
    mine = noisy(cohort, 0.2, 3, (0.7, 0.2))
    table = prediction_error_regression(mine, both(cohort))
    reordered = mine.isel(session=slice(None, None, -1)).transpose("trial", "event", "session", ...)
    again = prediction_error_regression(reordered, both(reordered)[::-1])
    pick = {"statistic": "value"}
    for name in ("weight", "cpd", "unique"):
        np.testing.assert_allclose(again[name].sel(pick), table[name].sel(pick), atol=1e-9)
    scaled = prediction_error_regression(mine.assign(rpe=5 * mine.rpe + 3), both(cohort))
    np.testing.assert_allclose(scaled.weight, 5 * table.weight, rtol=1e-4)
    np.testing.assert_allclose(scaled.cpd, table.cpd, rtol=1e-4)
    assert not np.allclose(
        prediction_error_regression(mine, both(cohort), where=mine.reward == 1).weight, table.weight
    )


def test_shared_errors_cannot_be_told_apart_and_it_says_so(cohort: xr.Dataset) -> None:
    signals = model_signals(cohort, "hybrid")
    mine = cohort.assign(rpe=signals.rpe.isel(system=0, drop=True).astype("float32"))
    table = prediction_error_regression(mine, signals).sel(subject="player")
    assert table.problem.values.tolist() == ["", "regressors cannot be told apart"]
    outcome = table.sel(event="second_step")
    assert np.isnan(outcome.weight).all()
    np.testing.assert_allclose(outcome.r2_alone.sel(statistic="value"), 1, atol=1e-6)
    flat = prediction_error_regression(
        mine, model_signals(cohort, "mixture"), events=["first_step"]
    )
    assert flat.problem.item() == "a regressor is constant"


def test_one_unit_of_an_animal_at_an_event_of_its_own() -> None:
    rats = nm.load_dataset("synthetic-rats")
    signals = model_signals(rats, "latent_state")
    rng = np.random.default_rng(0)
    rate = 3 + 2 * signals.rpe.sel(system="model_based", event="second_step")
    spikes = (rate + rng.normal(size=rate.shape)).expand_dims(event=["outcome"], axis=2)
    table = prediction_error_regression(
        rats, signals, variable=spikes, events={"outcome": "second_step"}
    )
    assert table.event.values.tolist() == ["outcome"]
    np.testing.assert_allclose(table.weight.sel(statistic="value"), 2, atol=0.5)
    assert "difference_weight" not in table


def units_of(cohort: xr.Dataset, seed: int = 0) -> xr.Dataset:
    """Give the player eight units: weights of the planner from 0 to 3.5, NaN at some places."""
    rng = np.random.default_rng(seed)
    planned = both(cohort)[0].rpe.isel(system=0, drop=True).transpose("session", "trial", "event")
    gain = np.r_[0, 0, 0, 0, 2.0, 2.5, 3.0, 3.5]
    noise = rng.normal(size=(*planned.shape, 8))
    activity = planned.values[..., None] * gain + noise
    activity[:10, :, :, [0, 4]] = np.nan  # recorded in ten of twenty sessions
    activity[:, ::3, 1] = np.nan  # a third of the trials lack the second event
    return cohort.assign(
        activity=(("session", "trial", "event", "unit"), activity.astype("float32"))
    ).assign_coords(
        event=planned.event.values, area=("unit", ["A"] * 4 + ["B"] * 4),
        unit=[f"u{k}" for k in range(8)],
    )  # fmt: skip


def test_all_units_at_once_are_each_unit_by_itself(cohort: xr.Dataset) -> None:
    mine, signals = units_of(cohort.drop_vars("event", errors="ignore")), both(cohort)
    table = prediction_error_regression(mine, signals, variable="activity")
    assert table.weight.dims == ("subject", "event", "unit", "system", "statistic")
    assert table.n.values[0].tolist() == [
        [1000, 2000, 2000, 2000, 1000, 2000, 2000, 2000],
        [660, 1320, 1320, 1320, 660, 1320, 1320, 1320],
    ]
    for k in range(8):
        one = prediction_error_regression(mine, signals, variable=mine.activity.isel(unit=k))
        for name in ("weight", "cpd", "unique", "r2_alone", "r2", "difference_weight", "p"):
            found = table[name].isel(unit=k)
            np.testing.assert_allclose(found, one[name], rtol=1e-6, atol=1e-9, err_msg=name)
    alone = mine.isel(session=slice(10, None), unit=[0, 4])
    there = prediction_error_regression(
        alone, [s.isel(session=slice(10, None)) for s in signals], variable="activity",
    )  # fmt: skip
    for name in ("weight", "cpd", "p", "n"):
        np.testing.assert_array_equal(table[name].isel(unit=[0, 4]), there[name])
    y = mine.activity.isel(unit=5, event=0).values.ravel().astype(float)
    x = [s.rpe.isel(system=0, event=0).values.ravel() for s in signals]
    truth = sm.OLS(y, sm.add_constant(np.column_stack(x))).fit()
    found = table.weight.isel(unit=5, event=0, subject=0).sel(statistic="value")
    np.testing.assert_allclose(found, truth.params[1:], atol=1e-6)


def test_false_discovery_rates_over_units_and_their_areas(cohort: xr.Dataset) -> None:
    table = prediction_error_regression(units_of(cohort, seed=3), both(cohort), variable="activity")
    p, q = (table[k].sel(system="model_based").values[0] for k in ("p", "q"))
    order = np.argsort(p.ravel())
    steps = p.ravel()[order] * p.size / np.arange(1, p.size + 1)
    expected = np.minimum.accumulate(steps[::-1])[::-1].clip(max=1)
    np.testing.assert_allclose(q.ravel()[order], expected)
    assert (q[0, 4:] < 0.05).all()
    areas = nm.neural.summarize_areas(table).sel(
        system="model_based", event="first_step", subject="player"
    )
    assert areas.area.values.tolist() == ["A", "B"]
    assert areas.n_units.values.tolist() == [4, 4]
    assert areas.fraction.sel(statistic="value").values.tolist() == [(q[0, :4] < 0.05).mean(), 1.0]
    mean = table.weight.sel(statistic="value", system="model_based").isel(event=0, subject=0)
    np.testing.assert_allclose(areas["mean"], [mean[:4].mean(), mean[4:].mean()])
    with pytest.raises(InputError, match="the units have no 'area'"):
        nm.neural.summarize_areas(table.drop_vars("area"))


def test_units_without_weights_are_named(cohort: xr.Dataset) -> None:
    mine = units_of(cohort)
    mine.activity[..., 2] = 3.0
    mine.activity[:, :, 1, 3] = np.nan
    mine.activity[:, 2:, :, 6] = np.nan
    mine.activity[1:, :, :, 6] = np.nan
    with pytest.warns(UserWarning, match="no weights for unit") as said:
        table = prediction_error_regression(mine, both(cohort), variable="activity")
    text = " ".join(str(w.message) for w in said)
    for part in ("unit u2 .the variable is constant", "unit u3 .no trial has the event", "unit u6"):
        assert re.search(part, text), part
    lost = table.weight.sel(statistic="value").isnull().all("system")
    assert lost.values[0].sum(axis=1).tolist() == [2, 3]
    assert (table.n.isel(unit=6) == [2, 1]).all()


@pytest.mark.parametrize("n_sessions", [4, 6, 10, 20])
@pytest.mark.parametrize("drift", [0.0, 0.9])
def test_p_of_units_that_know_nothing(cohort: xr.Dataset, drift: float, n_sessions: int) -> None:
    """The negative control: noise, and noise that wanders, are found at the nominal rate."""
    rng = np.random.default_rng(n_sessions)
    cohort = cohort.isel(session=slice(0, n_sessions))
    values = rng.normal(size=(*cohort.choice.shape, 1, 300))
    for t in range(1, values.shape[1]):
        values[:, t] = drift * values[:, t - 1] + np.sqrt(1 - drift**2) * values[:, t]
    noise = xr.DataArray(values, dims=("session", "trial", "event", "unit"),
                         coords={"event": ["first_step"]})  # fmt: skip
    table = prediction_error_regression(cohort, both(cohort), variable=noise)
    share = (table.p < 0.05).mean(("subject", "event", "unit"))
    # .05 and three and a half standard errors of 300 units, .044
    assert (share < 0.094).all()


def test_the_plot_shows_both_learners_of_every_subject(cohort: xr.Dataset) -> None:
    table = prediction_error_regression(carrying(cohort, (0.6, 0.4), "TD(1)"), both(cohort))
    ax = nm.plot.prediction_errors(table, event="second_step", start=3)
    assert [line.get_label() for line in ax.lines[:2]] == ["model-based", "model-free"]
    heights = [float(line.get_ydata()[0]) for line in ax.lines[:2]]
    assert heights == pytest.approx([0.6, 0.4], abs=1e-5)
    assert float(ax.lines[0].get_xdata()[0]) == pytest.approx(2.85)


def first_of_three() -> xr.DataArray:
    trial = xr.DataArray(np.arange(100), dims="trial")
    return (trial < 1) & (xr.DataArray(np.arange(20), dims="session") < 3)


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        (lambda c: c.drop_vars("rpe"), {}, "the cohort has no 'rpe'.*recorded with activity"),
        (lambda c: c, {"variable": "vlue"}, "no 'vlue'; did you mean 'value'"),
        (lambda c: c, {"events": ["first_stp"]}, "no event 'first_stp'.*'first_step'"),
        (lambda c: c, {"events": {"first_step": "x"}}, "no event 'x' in the signals"),
        (lambda c: c, {"predictor": "q"}, "the signals have no 'q'"),
        (lambda c: c, {"covariates": ["rewad"]}, "no covariate 'rewad'.*'reward'"),
        (lambda c: c, {"variable": xr.DataArray(np.zeros((2, 3)), dims=("unit", "trial"))},
         "dims .unit, trial., expected session, trial"),
        (lambda c: c, {"where": xr.DataArray([1.0], dims="session")}, "where has to be true"),
        (lambda c: c.assign(rpe=c.rpe.where(c.trial < 0)), {}, "NaN. on every trial that counts"),
        (lambda c: c.assign(rpe=c.rpe + np.inf), {}, "the variable is infinite on 2000 trials"),
        (lambda c: c, {"where": xr.DataArray(np.arange(100) < 0, dims="trial")},
         "where marks none of the 2000 valid trials"),
        (lambda c: c, {"where": first_of_three()},
         "3 trials, too few"),
        (lambda c: c, {"confidence": 2.0}, "confidence is 2.0"),
    ],
)  # fmt: skip
def test_bad_input(
    cohort: xr.Dataset, change: Callable[[xr.Dataset], xr.Dataset], given: dict[str, object],
    message: str,
) -> None:  # fmt: skip
    mine = carrying(cohort, (1.0, 0.0), "TD(1)")
    mine = mine.assign(value=mine.rpe, trial=np.arange(100))
    with pytest.raises(InputError, match=message):
        prediction_error_regression(change(mine), both(cohort), **given)  # type: ignore[arg-type]


def test_bad_signals(cohort: xr.Dataset) -> None:
    mine = carrying(cohort, (1.0, 0.0), "TD(1)")
    planned, cached = both(cohort)
    with pytest.raises(InputError, match="of other sessions than"):
        prediction_error_regression(mine, planned.isel(session=slice(5)))
    with pytest.raises(InputError, match="'model_free' comes twice"):
        prediction_error_regression(mine, [cached, cached])
    with pytest.raises(InputError, match="expected system, session"):
        prediction_error_regression(mine, mine)
    with pytest.raises(InputError, match="no signals given"):
        prediction_error_regression(mine, [])
