"""What the data cannot tell is said, and good fits are left in peace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import norm

from neuro_metarl.models.fitting import fit, planted_values
from neuro_metarl.models.hierarchy import fit_hierarchical
from neuro_metarl.models.identifiability import _habit_log_likelihood, overlap
from neuro_metarl.models.model import Model, Parameter, find_model
from neuro_metarl.models.recovery import simulate_design
from neuro_metarl.models.trials import trials_of
from tests.designs import bandit_design, human_design, two_step_design

GOOD: dict[str, dict[str, float]] = {
    "model_based": {}, "model_free": {}, "model_based_forgetting": {}, "latent_state": {},
    "reward_as_cue": {}, "hybrid": {"weight_model_based": 0.5, "eligibility_trace": 0.7},
    "hybrid_human": {}, "hybrid_human_4": {}, "q_learning": {}, "q_dual": {}, "q_forgetting": {},
    "reversal_hmm": {}, "hgf": {}, "volatility": {}, "q_differential_forgetting": {},
}  # fmt: skip


def planted(name: str, n: int, n_trials: int, seed: int, **values: float) -> xr.Dataset:
    model = find_model(name)
    if model.n_choices == 2:
        design = human_design(n, n_trials, seed)
    elif "state" in model.needs:
        design = two_step_design("miller", n, n_trials, seed)
    else:
        design = bandit_design(n, n_trials, seed=seed)
    return simulate_design(design, model, {f"a{k}": values for k in range(n)}, seed=seed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", GOOD)
def test_good_fits_are_not_flagged(name: str, seed: int) -> None:
    """Inverse temperature 4, 500 trials, eight subjects."""
    result = fit(planted(name, 8, 500, seed, **GOOD[name]), name)
    assert (result.problem == "").all(), result.problem.values


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weight", [0.7, 0.8, 1.0])
def test_a_weight_near_the_end_of_its_range_is_told(weight: float, seed: int) -> None:
    """What stands behind a weight of 0 (here the model-free half's trace) may be untold."""
    result = fit(planted("hybrid", 12, 500, seed, weight_model_based=weight), "hybrid")
    named = sum("weight_model_based" in text for text in result.problem.values)
    assert named <= (2 if weight == 1 else 0)
    others = sum(text != "" for text in result.problem.values)
    assert others <= {0.7: 1, 0.8: 1, 1.0: 6}[weight]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_trials", [500, 2000])
@pytest.mark.parametrize("name", ["hybrid", "model_based", "mixture", "latent_state", "q_learning"])
def test_random_subjects_are_flagged(name: str, n_trials: int, seed: int) -> None:
    model = find_model(name)
    silent = {p.name: 0.0 for p in model.parameters if p.name.startswith("weight_")}
    silent["inverse_temperature"] = 0.0
    silent = {k: v for k, v in silent.items() if k in model.parameter_map}
    result = fit(planted(name, 12, n_trials, seed, **silent), name)
    flagged = ["the data cannot tell" in text for text in result.problem.values]
    assert sum(flagged) >= 11, result.problem.values
    if name == "hybrid":
        named = ["weight_model_based" in text for text in result.problem.values]
        assert sum(named) >= 11, result.problem.values


@pytest.mark.parametrize("reward", [0.0, 1.0])
@pytest.mark.parametrize("name", ["hybrid", "model_free", "mixture", "q_learning", "kalman"])
def test_one_reward_value_is_named(name: str, reward: float) -> None:
    cohort = planted(name, 2, 500, 0)
    same = cohort.assign(reward=0 * cohort.reward + reward)
    result = fit(same, name)
    between = [p == "weight_model_based" and name == "hybrid" for p in result.parameter.values]
    assert (result.estimate.isnull() == between).all()
    for text in result.problem.values:
        assert f"every reward is {reward:g}" in text
        learned = [p.name for p in find_model(name).parameters if p.free]
        learned = [p for p in learned if p.startswith(("learning_rate_f", "weight_model"))]
        assert all(p in text for p in learned), text


def test_rewards_count_over_what_is_learned_from() -> None:
    """Forced trials teach; invalid ones do not exist."""
    cohort = planted("model_based", 1, 700, 1)
    some = np.zeros(cohort.valid.shape, bool)
    some[:, 10:60] = True
    same = cohort.reward.where(some, 1.0)
    forced = cohort.assign(reward=same, forced=cohort.forced.where(~some, 1).astype("int8"))
    assert "every reward" not in fit(forced, "model_based").problem.item()
    invalid = cohort.assign(reward=same, valid=cohort.valid.where(~some, 0).astype("int8"))
    assert "every reward is 1" in fit(invalid, "model_based").problem.item()


@pytest.mark.parametrize("seed", range(3))
def test_no_rare_transition_is_named(seed: int) -> None:
    cohort = planted("hybrid", 6, 500, seed)
    never = cohort.assign(state=cohort.choice, common=0 * cohort.common + 1)
    always = cohort.assign(state=1 - cohort.choice, common=0 * cohort.common)
    for text in fit(never, "hybrid").problem.values:
        assert "no rare transition" in text
        assert "cannot tell" in text
        assert "weight_model_based" in text
    refused = fit(never, "hybrid")
    for values in (refused.estimate, refused.standard_error):
        assert values.sel(parameter="weight_model_based").isnull().all()
        assert values.drop_sel(parameter="weight_model_based").notnull().all()
    ended = planted_values(refused)["a0"]["weight_model_based"]
    x = float(refused.unconstrained.sel(subject="a0", parameter="weight_model_based"))
    assert ended == pytest.approx(1 / (1 + np.exp(-x)))
    assert all("no common transition" in text for text in fit(always, "hybrid").problem.values)
    assert "transition" not in "".join(fit(cohort, "hybrid").problem.values)
    one_state = cohort.assign(state=0 * cohort.state, common=1 - cohort.choice)
    texts = fit(one_state, "model_free").problem.values
    assert all("the second-step state is always 0" in text for text in texts)


def test_a_second_choice_that_never_varies_is_named() -> None:
    cohort = planted("hybrid_human", 1, 300, 0)
    stuck = cohort.assign(choice2=0 * cohort.choice2)
    text = fit(stuck, "hybrid_human").problem.item()
    assert "all 300 second responses are choice 0" in text
    assert "all 300 responses" not in text


def _scaled(memory: Any, trial: Any, theta: Any) -> Any:
    q0, q1 = memory
    r = theta.reward_sensitivity * trial.reward
    return (theta.inverse_temperature * (q1 - q0) + theta.bias,), (
        q0 + (1 - trial.choice) * theta.learning_rate * (r - q0),
        q1 + trial.choice * theta.learning_rate * (r - q1),
    )


RIDGE = Model(
    "scaled",
    (
        Parameter("learning_rate", "unit", 0.4),
        Parameter("reward_sensitivity", "positive", 1.0),
        Parameter("inverse_temperature", "positive", 4.0),
        Parameter("bias", "real", 0.0),
    ),
    (0.0, 0.0), _scaled, needs=(),
)  # fmt: skip


@pytest.mark.parametrize("prior", ["weak", "none"])
@pytest.mark.parametrize("seed", range(3))
def test_a_ridge_of_scale_is_named_by_its_parameters(seed: int, prior: Any) -> None:
    """The size of rewards and the inverse temperature are known by their product alone."""
    cohort = simulate_design(bandit_design(4, 800, seed=seed), RIDGE,
                             {f"a{k}": {} for k in range(4)}, seed=seed)  # fmt: skip
    result = fit(cohort, RIDGE, prior=prior)
    for text in result.problem.values:
        assert "reward_sensitivity from inverse_temperature" in text
        assert "learning_rate" not in text
    held = fit(cohort, RIDGE, fixed={"reward_sensitivity": 1.0}, prior=prior)
    assert (held.problem == "").all()


def test_a_parameter_without_any_effect_has_no_small_error() -> None:
    """Without a prior, a flat direction has a huge variance, not none."""
    cohort = planted("q_learning", 3, 500, 0)
    result = fit(cohort, "q_learning", free=["reward_scale"], prior="none")
    assert all("cannot tell reward_scale" in text for text in result.problem.values)
    assert (result.standard_error.sel(parameter="reward_scale") > 10).all()
    sharp = result.standard_error.sel(parameter="learning_rate")
    assert (sharp < 0.2).all()


def test_groups_say_it_too() -> None:
    cohort = planted("hybrid", 4, 300, 0)
    first = cohort.subject.values == "a0"
    same = cohort.assign(reward=cohort.reward.where(xr.DataArray(~first, dims="session"), 0.0))
    texts = fit_hierarchical(same, "hybrid").problem
    assert "every reward is 0" in texts.sel(subject="a0").item()
    assert "every reward" not in texts.sel(subject="a1").item()


@settings(max_examples=60, deadline=None)
@given(st.floats(-5, 5), st.floats(0.05, 6), st.floats(-5, 5), st.floats(0.05, 6))
def test_the_overlap_is_an_integral(m: float, s: float, n: float, t: float) -> None:
    """By the trapezoidal rule, whose error at the kinks is below step^2 / (8 s^2) = 1e-6."""
    points = np.linspace(-60, 60, 800_001)
    lower = np.minimum(norm.pdf(points, m, s), norm.pdf(points, n, t))
    exact = (lower.sum() - (lower[0] + lower[-1]) / 2) * (points[1] - points[0])
    assert float(overlap(m, s, n, t)) == pytest.approx(exact, abs=2e-6)
    assert float(overlap(n, t, m, s)) == pytest.approx(float(overlap(m, s, n, t)), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_likelihood_of_habits_is_an_independent_optimisers(seed: int) -> None:
    cohort = planted("hybrid", 1, 400, seed, perseveration=0.8, bias=-0.4)
    trials = trials_of(cohort, find_model("hybrid"))
    chosen = trials.choice
    last = np.where(trials.start, 0, np.append(0, 2 * chosen[:-1] - 1))

    def loss(w: np.ndarray) -> float:
        x = w[0] + w[1] * last
        return float((np.logaddexp(0, x) - chosen * x).sum())

    best = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9})
    assert float(_habit_log_likelihood(trials)[0]) == pytest.approx(-best.fun, abs=1e-4)
