"""Planted agents through the analysis, on tasks drawn here: known weights, known signatures.

The tables of outcomes are drawn by the few lines of numpy below, not by the package's own task,
so that task and analysis cannot be wrong together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.behavior.two_step import (
    INDICES,
    lagged_regression,
    one_back_regression,
    stay_probability,
)
from neuro_metarl.cohort import make_cohort
from neuro_metarl.models.hybrid_models import hybrid
from neuro_metarl.models.mixture_models import mixture
from neuro_metarl.models.model import Planted, Trial, theta_type
from neuro_metarl.models.simulation import Outcomes, simulate
from neuro_metarl.models.two_step_models import latent_state


@dataclass(frozen=True)
class Form:
    n_trials: int
    high: float
    low: float
    hazard: float
    min_block: int
    p_common: float = 0.8
    p_forced: float = 0.0


MILLER = Form(350, 0.8, 0.2, 0.02, 10)
WANG = Form(100, 0.9, 0.1, 0.025, 0)
Tables = tuple[Outcomes, np.ndarray]


def draw(form: Form, n_sessions: int, rng: np.random.Generator) -> Tables:
    """Draw the outcomes and, dims (session, trial), the better second-step state."""
    shape = (n_sessions, form.n_trials)
    good, since = rng.integers(2, size=n_sessions), np.zeros(n_sessions, int)
    better = np.empty(shape, int)
    for t in range(form.n_trials):
        flip = (rng.random(n_sessions) < form.hazard) & (since >= form.min_block) & (t > 0)
        good, since = np.where(flip, 1 - good, good), np.where(flip, 0, since) + 1
        better[:, t] = good
    rare = rng.random(shape) >= form.p_common
    state_if = np.stack([rare, ~rare], axis=-1).astype(int)
    p = np.where(better[..., None] == np.arange(2), form.high, form.low)
    reward_if = (rng.random((*shape, 2)) < p).astype(int)
    forced = rng.random(shape) < form.p_forced
    forced_choice = np.where(forced, rng.integers(2, size=shape), -1)
    return Outcomes(state_if, reward_if, forced_choice), better


def recorded(player: Planted, tables: Tables, rng: np.random.Generator) -> xr.Dataset:
    outcomes, better = tables
    choice = simulate(player, outcomes, rng=rng)["choice"]
    state = np.take_along_axis(outcomes.state_if, choice[..., None].astype(int), -1)[..., 0]
    reward = np.take_along_axis(outcomes.reward_if, state[..., None], -1)[..., 0]
    relative = state ^ int(outcomes.incongruent)
    variables = {
        "choice": choice,
        "state": state,
        "reward": reward,
        "common": relative == choice,
        "correct": choice == (better ^ int(outcomes.incongruent)),
        "forced": outcomes.forced_choice >= 0,
    }
    return make_cohort(
        {name: np.asarray(v, float) for name, v in variables.items()},
        subject=["planted"] * len(choice),
        task="two-step",
        source="model",
    )


def play(player: Planted, form: Form = MILLER, n_trials: int = 10_000, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng([seed, 7])
    return recorded(player, draw(form, -(-n_trials // form.n_trials), rng), rng)


def value(measure: xr.DataArray) -> np.ndarray:
    return measure.sel(statistic="value").values.squeeze()


def indices(cohort: xr.Dataset) -> dict[str, float]:
    fit = lagged_regression(cohort)
    return {name: float(value(fit[name])) for name in INDICES}


def one_back(cohort: xr.Dataset, *, correct: bool = False) -> dict[str, float]:
    fit = one_back_regression(cohort, correct=correct).one_back
    return {str(t): float(value(fit.sel(term=t))) for t in fit.term.values}


EVERYTHING = {
    "learning_rate_model_based": 0.5, "weight_model_based": 3.0,
    "learning_rate_model_free": 0.6, "weight_model_free": -0.4,
    "learning_rate_perseveration": 0.4, "weight_perseveration": 1.5,
    "weight_novelty": -0.2, "bias": 0.3,
}  # fmt: skip


def closed_form(values: dict[str, float], n_lags: int) -> np.ndarray:
    """Weights of common rewarded, rare rewarded, common omitted, rare omitted: (term, lag)."""

    def kernel(agent: str) -> np.ndarray:
        rate = values.get(f"learning_rate_{agent}", 0.5)
        return values.get(f"weight_{agent}", 0.0) * rate * (1 - rate) ** np.arange(n_lags)

    novelty = values.get("weight_novelty", 0.0) * (np.arange(n_lags) == 0)
    planned, free, habit = map(kernel, ("model_based", "model_free", "perseveration"))
    common, rewarded = np.array([1, -1, 1, -1]), np.array([1, 1, -1, -1])
    return (
        np.outer(common * rewarded, 0.6 * planned)
        + np.outer(rewarded, free)
        + habit
        + np.outer(common, novelty)
    )


@pytest.mark.parametrize("agent", ["model_based", "model_free", "perseveration", "all"])
def test_the_mixtures_log_odds_are_its_closed_form_at_every_trial(agent: str) -> None:
    """No sampling: along any history the log odds are the lag filter, to rounding."""
    known = {k: v for k, v in EVERYTHING.items() if agent in ("all", *k.split("weight_"))}
    known |= {k: EVERYTHING[k] for k in EVERYTHING if k.endswith(f"learning_rate_{agent}")}
    values = mixture.planted(**known).values
    theta = theta_type(tuple(values))(*values.values())
    rng, n = np.random.default_rng(1), 60
    choice, state2, reward = rng.integers(2, size=(3, n, 5)).astype(float)
    kind = (choice != state2) + 2 * (reward == 0)
    weights = closed_form(known, n)
    memory = tuple(np.full(5, v) for v in mixture.initial)
    for t in range(n):
        seen = Trial(choice[t], state2[t], 0.0, reward[t], 0.0)
        (logit,), memory = mixture.step(memory, seen, theta)
        expected = known.get("bias", 0.0) + sum(
            weights[kind[t - lag], lag - 1] * (2 * choice[t - lag] - 1) for lag in range(1, t + 1)
        )
        assert np.allclose(logit, expected, atol=1e-12)


@pytest.mark.parametrize("form", [MILLER, WANG, replace(MILLER, p_forced=0.2)])
def test_the_regression_recovers_the_closed_form_within_its_own_errors(form: Form) -> None:
    """z scores of 41 weights in 5 runs: mean 0 and SD 1, within 4 of their own errors."""
    truth = np.append(closed_form(EVERYTHING, 10).ravel(), EVERYTHING["bias"])
    z = []
    for seed in range(5):
        cohort = play(mixture.planted(**EVERYTHING), form, 20_000, seed)
        fit = lagged_regression(cohort, n_lags=10, penalty="none")
        both = xr.concat(
            [fit.lagged_weight.stack(w=("term", "lag")).drop_vars(("w", "term", "lag")), fit.bias],
            dim="w",
        )
        error = (both.sel(statistic="high") - both.sel(statistic="low")) / (2 * 1.96)
        z.append((both.sel(statistic="value") - truth) / error)
    scores = np.concatenate([s.values.ravel() for s in z])
    assert abs(scores.mean()) < 4 / len(scores) ** 0.5
    assert 0.8 < scores.std() < 1.2


def test_forced_trials_read_as_choices_break_the_closed_form() -> None:
    """Negative control of the forced share above: 20 % coin flips shrink the planning index."""
    player = mixture.planted(learning_rate_model_based=0.6, weight_model_based=2.0)
    cohort = play(player, replace(MILLER, p_forced=0.2), 40_000)
    assert indices(cohort)["planning_index"] == pytest.approx(4.7508, abs=0.45)
    assert indices(cohort.assign(forced=0 * cohort.forced))["planning_index"] < 4.1


@dataclass(frozen=True)
class Signature:
    """Each number with its tolerance: about 3 SD of one agent with 10,000 trials."""

    player: Planted
    reward: tuple[float, float]
    interaction: tuple[float, float]
    with_correct: tuple[float, float]
    planning: tuple[float, float]
    model_free: tuple[float, float]
    stay: tuple[float, float]


PURE = {"weight_model_based": 0.0, "inverse_temperature": 4.0}
BLEND = {"eligibility_trace": 0.7, "inverse_temperature": 6.0}
SIGNATURES = {
    "random": Signature(
        hybrid.planted(inverse_temperature=0.0),
        (0, 0.2), (0, 0.2), (0, 0.2), (0, 0.75), (0, 0.75), (0, 0.75),
    ),
    "mb-symmetric": Signature(
        mixture.planted(learning_rate_model_based=0.6, weight_model_based=4.0),
        (0, 0.18), (3.09, 0.25), (2.78, 0.28), (9.5, 1.1), (0, 0.9), (0, 1.2),
    ),
    "mb-visited": Signature(
        hybrid.planted(weight_model_based=1.0, inverse_temperature=6.0),
        (0.03, 0.18), (2.16, 0.25), (1.52, 0.25), (9.85, 1.1), (-0.72, 1.0), (3.09, 0.95),
    ),
    "mf-symmetric": Signature(
        mixture.planted(learning_rate_model_free=0.6, weight_model_free=2.4),
        (2.74, 0.25), (0.24, 0.25), (0, 0.27), (0, 0.9), (9.5, 1.3), (0, 1.2),
    ),
    "td1": Signature(
        hybrid.planted(**PURE, eligibility_trace=1.0),
        (1.61, 0.22), (0.61, 0.22), (0.04, 0.27), (0.54, 0.7), (8.6, 1.1), (5.69, 0.8),
    ),
    "td0": Signature(
        hybrid.planted(**PURE, eligibility_trace=0.0),
        (0.44, 0.2), (0.56, 0.18), (-0.24, 0.22), (2.55, 0.65), (2.47, 0.95), (4.57, 0.95),
    ),
    "hybrid-25": Signature(
        hybrid.planted(weight_model_based=0.25, **BLEND),
        (1.29, 0.25), (1.05, 0.25), (0.29, 0.3), (3.43, 0.8), (7.03, 1.1), (6.18, 0.8),
    ),
    "hybrid-50": Signature(
        hybrid.planted(weight_model_based=0.5, **BLEND),
        (0.84, 0.2), (1.47, 0.22), (0.73, 0.25), (5.73, 0.9), (4.57, 1.2), (4.67, 0.8),
    ),
    "hybrid-75": Signature(
        hybrid.planted(weight_model_based=0.75, **BLEND),
        (0.42, 0.2), (1.83, 0.24), (1.15, 0.25), (7.94, 1.0), (1.90, 1.1), (3.57, 0.9),
    ),
    "latent": Signature(
        latent_state.planted(inverse_temperature=6.0, hazard=0.025),
        (0.03, 0.33), (2.40, 0.27), (1.68, 0.28), (12.7, 1.3), (0.07, 1.4), (5.78, 1.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", SIGNATURES)
def test_planted_agents_keep_their_signature_in_both_regressions(name: str, seed: int) -> None:
    known = SIGNATURES[name]
    cohort = play(known.player, seed=seed)
    plain, corrected, found = one_back(cohort), one_back(cohort, correct=True), indices(cohort)
    measured = {
        "reward": plain["reward"],
        "interaction": plain["reward_x_common"],
        "with_correct": corrected["reward_x_common"],
        "planning": found["planning_index"],
        "model_free": found["model_free_index"],
        "stay": found["stay_index"],
    }
    for measure, number in measured.items():
        expected, tolerance = getattr(known, measure)
        assert number == pytest.approx(expected, abs=tolerance), measure


def test_random_choices_stay_half_the_time() -> None:
    cohort = play(hybrid.planted(inverse_temperature=0.0))
    stay = value(stay_probability(cohort).stay_probability)
    assert stay == pytest.approx([0.5] * 4, abs=0.045)


def test_bayesian_inference_on_the_rats_probabilities() -> None:
    """Reward .646, stay 1/.785/.784/1: mean of 4 runs of 60,000 trials, hazard .02 throughout."""
    best = latent_state.planted(
        inverse_temperature=500.0, hazard=0.02, p_reward_high=0.8, p_reward_low=0.2
    )
    cohorts = [play(best, replace(MILLER, min_block=0), 60_000, seed) for seed in range(4)]
    assert np.mean([float(c.reward.mean()) for c in cohorts]) == pytest.approx(0.646, abs=0.004)
    assert np.mean([float(c.correct.mean()) for c in cohorts]) == pytest.approx(0.905, abs=0.005)
    stay = [value(stay_probability(c).stay_probability) for c in cohorts]
    assert np.mean(stay, axis=0) == pytest.approx([1, 0.785, 0.784, 1], abs=0.02)


@pytest.mark.parametrize("player", [mixture.planted(**EVERYTHING), SIGNATURES["td0"].player])
def test_the_other_mapping_with_states_relabelled_changes_nothing(player: Planted) -> None:
    """Exactly: the same choices, and the same numbers from every measure."""
    outcomes, better = draw(MILLER, 10, np.random.default_rng(0))
    other = replace(
        outcomes,
        state_if=1 - outcomes.state_if,
        reward_if=outcomes.reward_if[..., ::-1],
        incongruent=True,
    )
    a, b = (
        recorded(player, tables, np.random.default_rng(1))
        for tables in ((outcomes, better), (other, 1 - better))
    )
    for name in ("choice", "common", "reward", "correct"):
        assert np.array_equal(a[name], b[name]), name
    assert not np.array_equal(a.state, b.state)
    for measure in (stay_probability, one_back_regression, lagged_regression):
        xr.testing.assert_equal(measure(a), measure(b))  # type: ignore[operator]


def test_relabelling_the_sides_leaves_staying_as_it_is() -> None:
    """And a negative control: relabelling the outcomes turns the reward effect round."""
    cohort = play(SIGNATURES["td1"].player, n_trials=4000)
    mirrored = cohort.assign(choice=1 - cohort.choice, state=1 - cohort.state)
    for measure in (stay_probability, one_back_regression):
        xr.testing.assert_allclose(measure(cohort), measure(mirrored))  # type: ignore[operator]
    unpaid = cohort.assign(reward=1 - cohort.reward)
    assert one_back(unpaid)["reward"] == pytest.approx(-one_back(cohort)["reward"], abs=1e-8)


def test_one_long_session_is_the_same_under_both_conventions() -> None:
    cohort = play(SIGNATURES["td1"].player, replace(MILLER, n_trials=3000), 3000)
    a, b = (
        lagged_regression(cohort, history=h)  # type: ignore[arg-type]
        for h in ("session", "published")
    )
    xr.testing.assert_equal(a, b)
    many = play(SIGNATURES["td1"].player, replace(WANG, n_trials=20), 3000)
    c, d = (
        lagged_regression(many, history=h).model_free_index  # type: ignore[arg-type]
        for h in ("session", "published")
    )
    assert value(c) - value(d) > 1
