"""Simulated designs, posterior predictive cohorts, confusion, weights of a mixture."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.behavior.two_step import lagged_regression, stay_probability
from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import fit
from neuro_metarl.models.model import find_model
from neuro_metarl.models.recovery import (
    confusion,
    normalized_weights,
    predict,
    recover,
    simulate_design,
)
from tests.designs import bandit_design, check_baiting, human_design, two_step_design


def test_a_design_is_played_as_it_is() -> None:
    """Sessions, invalid trials, forced choices and mappings stay; outcomes follow the odds."""
    design = two_step_design("wang", 2, 4000)
    rng = np.random.default_rng(0)
    design["forced"][:] = rng.random(design.forced.shape) < 0.2
    design["choice"][:] = rng.integers(2, size=design.choice.shape)
    other = design.subject.values == "s1"
    design["common"][:] = design.state == design.choice
    design["common"][other] = 1 - design["common"][other]
    for name in ("choice", "state", "common"):
        design[name][:, 70:] = -1
    design["valid"][:, 70:] = 0
    played = simulate_design(design, "hybrid", {"x": {}, "y": {}, "z": {}}, seed=1)
    assert subjects_of(played) == ["x", "y", "z"]
    assert played.sizes["session"] == 120
    assert np.array_equal(played.valid[:80], design.valid)
    forced = (design.forced == 1) & (design.valid == 1)
    assert np.array_equal(
        played.choice[:80].values[forced.values], design.choice.values[forced.values]
    )
    there = played.valid == 1
    same = ((played.state == played.choice) == (played.common == 1)).where(there)
    assert float(same.groupby("subject").mean(...).sel(subject="x")) == 1
    assert float(same.groupby("subject").mean(...).sel(subject="y")) == 0
    assert float(played.common.where(there).mean()) == pytest.approx(0.8, abs=0.015)
    odds = played.p_reward.isel(option=played.state.clip(0).astype(int)).where(there)
    for p in (0.1, 0.9):
        assert float(played.reward.where(abs(odds - p) < 1e-3).mean()) == pytest.approx(p, abs=0.02)


def test_the_better_option_is_marked() -> None:
    played = simulate_design(
        two_step_design("wang", 1, 3000), "latent_state", {"a": {"inverse_temperature": 9.0}}
    )
    better = played.p_reward.argmax("option")
    assert np.array_equal(played.correct, (played.choice == better).astype(int))
    assert float(played.correct.mean()) > 0.8
    arms = simulate_design(bandit_design(1, 2000), "reversal_hmm", {"a": {}})
    assert float(arms.correct.mean()) > 0.7
    assert "correct" not in simulate_design(human_design(1, 100), "hybrid_human", {"h": {}})


@pytest.mark.parametrize("baited", [False, True])
def test_baited_arms_keep_what_they_would_have_paid(baited: bool) -> None:
    design = bandit_design(2, 3000)
    design["p_reward"][:] = 0.3
    design["valid"][:, ::7] = 0
    design.attrs["task"] = "bandit-baited" if baited else "bandit"
    values = {"a": {"inverse_temperature": 0.0}, "b": {"inverse_temperature": 2.0}}
    check_baiting(simulate_design(design, "q_learning", values, seed=1), 0.3, baited)


def test_the_fitted_model_repeats_the_datas_measures() -> None:
    """And a wrong model does not: model-free agents cannot make a planner's stays."""
    values = {f"a{k}": {"inverse_temperature": 5.0, "bias": 0.3} for k in range(4)}
    cohort = simulate_design(two_step_design("miller", 4, 5000), "model_based", values)

    def measures(one: xr.Dataset) -> np.ndarray:
        stay = stay_probability(one).stay_probability.sel(statistic="value")
        return stay.mean("subject").values

    data = measures(cohort)
    right = measures(predict(cohort, fit(cohort, "model_based"), n=2, seed=1))
    wrong = measures(predict(cohort, fit(cohort, "model_free"), n=2, seed=1))
    assert np.abs(right - data).max() < 0.03
    assert np.abs(wrong - data).max() > 0.1
    index = [
        float(lagged_regression(c).planning_index.sel(statistic="value").mean())
        for c in (cohort, predict(cohort, fit(cohort, "model_based"), seed=2))
    ]
    assert index[1] == pytest.approx(index[0], abs=0.8)


def test_a_model_of_ones_own_plays_its_fit() -> None:
    mine = find_model("model_based").variant("my planner", perseveration=0.0, bias=0.0)
    cohort = simulate_design(two_step_design("miller", 3, 1000), mine, {"a": {}, "b": {}, "c": {}})
    played = predict(cohort, fit(cohort, mine), model=mine)
    assert subjects_of(played) == ["a", "b", "c"]
    assert played.attrs["model"] == "my planner"
    with pytest.raises(InputError, match="no model 'my planner'"):
        predict(cohort, fit(cohort, mine))


def test_simulations_are_the_same_again() -> None:
    design = two_step_design("miller", 2, 400)
    a, b = (simulate_design(design, "hybrid", {"a": {}}, seed=3) for _ in "ab")
    xr.testing.assert_identical(a, b)
    assert not a.choice.equals(simulate_design(design, "hybrid", {"a": {}}, seed=4).choice)


def test_recovery_reports_what_it_planted() -> None:
    table = recover("model_based", two_step_design("miller", 5, 700), n_subjects=15, seed=2)
    errors = table.estimate - table.planted
    assert table["bias"].values == pytest.approx(errors.mean("subject").values)
    assert table.rmse.values == pytest.approx(((errors**2).mean("subject") ** 0.5).values)
    assert (table.correlation > 0.7).all()
    again = recover("model_based", two_step_design("miller", 5, 700), n_subjects=15, seed=2)
    xr.testing.assert_identical(table, again)


def test_bic_confuses_few_of_five_models() -> None:
    """Typical subjects of 5,000 trials, six of each model."""
    models = ["model_based_symmetric", "model_free", "hybrid", "latent_state", "reward_as_cue"]
    truth = {
        "model_based_symmetric": {"learning_rate": 0.6, "inverse_temperature": 4.0},
        "model_free": {"eligibility_trace": 0.9},
        "hybrid": {"eligibility_trace": 0.7, "inverse_temperature": 6.0},
        "latent_state": {"inverse_temperature": 6.0},
        "reward_as_cue": {"inverse_temperature": 8.0},
    }
    table = confusion(models, two_step_design("miller", 6, 5000), truth=truth, seed=1)
    assert np.allclose(table.confusion.sum("fitted"), 1)
    assert float(np.diag(table.confusion.values).mean()) >= 0.95
    assert float(table.delta_evidence.min()) == 0
    assert np.allclose(table.confusion_bic.sum("fitted"), 1)


def test_normalised_weights_are_weight_times_spread() -> None:
    """Of a mixture with one agent alone: the SD of the log odds; the others are near 0."""
    truth = {"weight_model_based": 3.0, "learning_rate_model_based": 0.4}
    cohort = simulate_design(two_step_design("miller", 3, 3000), "mixture",
                             {f"a{k}": truth for k in range(3)})  # fmt: skip
    fitted = fit(cohort, "mixture", fixed={"weight_model_free": 0.0, "weight_perseveration": 0.0,
                                           "learning_rate_model_free": 0.5, "bias": 0.0,
                                           "learning_rate_perseveration": 0.5})  # fmt: skip
    weights = normalized_weights(cohort, fitted)
    assert weights.parameter.values.tolist() == ["weight_model_based", "weight_novelty"]
    from neuro_metarl.models.fitting import planted_values
    from neuro_metarl.models.likelihood import log_odds
    from neuro_metarl.models.trials import trials_of

    model = find_model("mixture")
    values = planted_values(fitted)["a0"] | {"weight_novelty": 0.0}
    theta = np.array([[values[name] for name in model.parameter_map]])
    odds = log_odds(model, trials_of(cohort, model), 0, theta)[0, 0]
    assert float(weights[0, 0]) == pytest.approx(odds.std())
    assert (abs(weights.sel(parameter="weight_novelty")) < 0.2).all()
    with pytest.raises(InputError, match="'hybrid' is no mixture"):
        normalized_weights(cohort, fit(cohort, "hybrid"))


def test_a_design_without_odds_cannot_be_played() -> None:
    design = two_step_design("miller", 2, 100).drop_vars("p_reward")
    with pytest.raises(InputError, match="no 'p_reward'"):
        simulate_design(design, "hybrid", {"a": {}})
    holes = two_step_design("miller", 2, 100)
    holes["p_reward"][0, 3] = np.nan
    with pytest.raises(InputError, match="missing"):
        simulate_design(holes, "hybrid", {"a": {}, "b": {}})
    with pytest.raises(InputError, match="hybrid has no parameter 'beta'"):
        simulate_design(two_step_design(), "hybrid", {"a": {"beta": 2.0}})
    with pytest.raises(InputError, match="no subjects to simulate"):
        simulate_design(two_step_design(), "hybrid", {})
    with pytest.raises(InputError, match="n_subjects is 2, expected 3 or more"):
        recover("hybrid", two_step_design(), n_subjects=2)
