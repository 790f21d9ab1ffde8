"""A strategy for each session: the likelihood is the mixture of the two models' own."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import multivariate_t

from neuro_metarl.errors import InputError
from neuro_metarl.models.climbing import make_problem
from neuro_metarl.models.fitting import choose_models, fit, fit_models
from neuro_metarl.models.likelihood import evaluate, trial_log_likelihood
from neuro_metarl.models.model import find_model
from neuro_metarl.models.recovery import recover, simulate_design
from neuro_metarl.models.selection import compare_models
from neuro_metarl.models.session_models import mix_sessions
from neuro_metarl.models.signals import model_signals
from neuro_metarl.models.trials import known_values, trials_of
from tests.designs import bandit_design, two_step_design

PLANNER = {"learning_rate": 0.6, "inverse_temperature": 5.0, "perseveration": 0.4, "bias": -0.2}
LEARNER = {"learning_rate": 0.3, "eligibility_trace": 0.8, "inverse_temperature": 3.0,
           "perseveration": -0.3, "bias": 0.5}  # fmt: skip
BOTH = {f"{k}_model_based": v for k, v in PLANNER.items()} | {
    f"{k}_model_free": v for k, v in LEARNER.items()
}


def alternating(n: int, n_trials: int, seed: int) -> xr.Dataset:
    """A planner's and a model-free learner's sessions in turn."""
    design = two_step_design("miller", n, n_trials, seed)
    values = {f"a{k}": {"inverse_temperature": 4.0} for k in range(n)}
    plans = simulate_design(design, "model_based", values, seed=seed)
    learns = simulate_design(design, "model_free", values, seed=seed + 10_000)
    turn = xr.DataArray(np.arange(plans.sizes["session"]) % 2 == 0, dims="session")
    names = ("choice", "state", "common", "reward", "correct")
    return plans.assign({k: plans[k].where(turn, learns[k]).astype(plans[k].dtype) for k in names})


def with_forced(cohort: xr.Dataset, seed: int) -> xr.Dataset:
    forced = np.random.default_rng(seed).random(cohort.choice.shape) < 0.2
    return cohort.assign(forced=(("session", "trial"), forced.astype("int8")))


@pytest.mark.parametrize(("share", "seed"), [(0.0, 0), (0.3, 1), (1.0, 2)])
def test_the_likelihood_is_the_mixture_of_whole_sessions(share: float, seed: int) -> None:
    cohort = with_forced(alternating(2, 1400, seed), seed)
    with np.errstate(divide="ignore"):
        log_share = np.log([share, 1 - share])
    whole = np.stack([
        trial_log_likelihood(cohort, "model_based", PLANNER).sum("trial"),
        trial_log_likelihood(cohort, "model_free", LEARNER).sum("trial"),
    ])  # fmt: skip
    truth = logsumexp(whole + log_share[:, None], axis=0)
    for executor in ("numba", "numpy"):
        found = trial_log_likelihood(
            cohort, "session_mixture", BOTH | {"share_model_based": share},
            executor=executor,  # type: ignore[arg-type]
        )  # fmt: skip
        np.testing.assert_allclose(found.sum("trial"), truth, rtol=1e-12)
        assert (found.notnull() == (cohort.forced == 0)).all()


def test_a_plain_loop() -> None:
    """Everything anew by scalars: values, both likelihoods of each session, their mixture."""
    cohort = alternating(1, 350, 3)
    total = np.zeros(2)
    v, q, u, last = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], 0
    for c, s, r in zip(
        cohort.choice.values[0].tolist(), cohort.state.values[0].tolist(),
        cohort.reward.values[0].tolist(), strict=True,
    ):  # fmt: skip
        x = 5.0 * 0.6 * (v[1] - v[0]) + 0.4 * last - 0.2
        y = 3.0 * (q[1] - q[0]) - 0.3 * last + 0.5
        total -= [np.log1p(np.exp(-x if c else x)), np.log1p(np.exp(-y if c else y))]
        v[s] += 0.6 * (r - v[s])
        error = r - u[s]
        q[c] += 0.3 * (u[s] - q[c] + 0.8 * error)
        u[s] += 0.3 * error
        last = 2 * c - 1
    truth = np.log(0.25 * np.exp(total[0]) + 0.75 * np.exp(total[1]))
    found = trial_log_likelihood(cohort, "session_mixture", BOTH | {"share_model_based": 0.25})
    assert float(found.sum()) == pytest.approx(truth, rel=1e-10)


@pytest.mark.parametrize("seed", range(2))
def test_the_score_is_a_derivative_and_the_information_minus_the_second(seed: int) -> None:
    """At the maximum; the parts' Fisher information stands for their curvature, hence 25 %."""
    cohort, model = alternating(1, 2800, seed), find_model("session_mixture")
    trials = trials_of(cohort, model)
    problem, mean, _ = make_problem(model, trials, known_values(cohort, model))
    who, step = np.array([0]), 1e-4
    best = fit(cohort, model).unconstrained.values
    for x in (best, best + 0.2 * np.random.default_rng(seed).standard_normal(best.shape)):
        up, down = (
            np.array([problem.values(who, x + sign * step * e)[0] for e in np.eye(len(mean))])
            for sign in (1, -1)
        )
        score = problem.evaluate(who, x)[1][0]
        np.testing.assert_allclose(score, (up - down) / (2 * step), rtol=2e-3, atol=2e-2)
    value, _, information = problem.evaluate(who, best)
    second = np.array([
        [problem.evaluate(who, best + step * e)[1][0][j] - problem.evaluate(who, best - step * e)
         [1][0][j] for j in range(len(mean))] for e in np.eye(len(mean))
    ]) / (2 * step)  # fmt: skip
    sharp = np.linalg.slogdet(information[0] + np.eye(len(mean)) / 4)[1]
    true = np.linalg.slogdet(np.eye(len(mean)) / 4 - (second + second.T) / 2)[1]
    assert abs(sharp - true) < 1.0, (sharp, true)
    assert np.isfinite(value).all()


@pytest.mark.parametrize("executor", ["numba", "numpy"])
def test_hidden_strategies_leave_less_information_but_never_none(executor: str) -> None:
    """Two strategies that are alike: every direction keeps at least a hundredth."""
    cohort, model = alternating(1, 700, 1), find_model("session_mixture")
    trials = trials_of(cohort, model)
    problem, mean, _ = make_problem(model, trials, known_values(cohort, model))
    x = np.zeros((1, 1, len(mean)))
    moved = x + np.concatenate([np.zeros((1, len(mean))), 1e-6 * np.eye(len(mean))])
    value, _, information = evaluate(
        model, trials, np.array([0]), problem.full(np.array([0]), moved),
        executor=executor,  # type: ignore[arg-type]
    )  # fmt: skip
    assert np.isfinite(value).all()
    assert np.linalg.eigvalsh(information[0]).min() > -1e-9


def test_imposed_choices_say_nothing_of_the_strategy() -> None:
    """All but the last trial imposed: it is predicted by the share, whatever came before."""
    cohort = alternating(1, 350, 0).isel(session=[0], trial=slice(0, 40))
    forced = np.ones((1, 40), "int8")
    forced[0, -1] = 0
    cohort = cohort.assign(forced=(("session", "trial"), forced))
    p = [np.exp(float(trial_log_likelihood(cohort, m, v)[0, -1]))
         for m, v in (("model_based", PLANNER), ("model_free", LEARNER))]  # fmt: skip
    found = trial_log_likelihood(cohort, "session_mixture", BOTH | {"share_model_based": 0.3})
    assert np.exp(float(found[0, -1])) == pytest.approx(0.3 * p[0] + 0.7 * p[1], rel=1e-12)


def test_a_session_is_played_by_one_strategy() -> None:
    """Of 200 sessions about .3 are nearly surely the planner's, the others nearly surely not."""
    design = two_step_design("miller", 200, 350, 0)
    strong = {**BOTH, "inverse_temperature_model_based": 9.0, "bias_model_based": 0.0,
              "inverse_temperature_model_free": 9.0, "share_model_based": 0.3}  # fmt: skip
    played = simulate_design(design, "session_mixture", {f"a{k}": strong for k in range(200)})
    mine = {"model_based": PLANNER | {"inverse_temperature": 9.0, "bias": 0.0},
            "model_free": LEARNER | {"inverse_temperature": 9.0}}  # fmt: skip
    logs = [trial_log_likelihood(played, m, v).sum("trial").values for m, v in mine.items()]
    gain = logs[0] - logs[1]
    assert (np.abs(gain) > 3).mean() > 0.95
    assert (gain > 0).mean() == pytest.approx(0.3, abs=3 * np.sqrt(0.21 / 200))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_recovery(seed: int) -> None:
    design = two_step_design("miller", 1, 5600, seed)
    values = {f"a{k}": BOTH | {"share_model_based": 0.5} for k in range(6)}
    played = simulate_design(design, "session_mixture", values, seed=seed)
    fitted = fit(played, "session_mixture")
    away = fitted.estimate - xr.DataArray(
        [values["a0"][p] for p in fitted.parameter.values.tolist()], dims="parameter"
    )
    z = (away / fitted.standard_error).values
    assert (np.abs(z) < 3.5).all(), z
    assert (fitted.problem == "").all()
    table = recover("session_mixture", design, n_subjects=12, seed=seed)
    assert float(table.coverage.mean()) > 0.85


@pytest.mark.slow
def test_starts_agree() -> None:
    cohort = alternating(8, 1400, 5)
    few = fit(cohort, "session_mixture").log_evidence
    many = fit(cohort, "session_mixture", n_starts=20, seed=7).log_evidence
    assert float((many - few).max()) < 0.05


@pytest.mark.parametrize(
    ("n_trials", "seed"),
    [(500, 0), *(pytest.param(n, s, marks=pytest.mark.slow) for n in (500, 1000) for s in (1, 2))],
)
def test_alternating_sessions_are_won_by_the_mixture_of_sessions(n_trials: int, seed: int) -> None:
    names = ["bias_perseveration", "model_based", "model_free", "hybrid", "mixture",
             "session_mixture", "latent_state"]  # fmt: skip
    table = compare_models(fit_models(alternating(8, n_trials, 20 + seed), names, n_starts=3))
    assert int((table.winner == "session_mixture").sum()) >= 7, table.winner.values


@pytest.mark.parametrize("n_trials", [700, 2100])
def test_the_evidence_is_an_integral(n_trials: int) -> None:
    """Importance sampling, 3,000 draws from a t about the mode; Laplace comes within 1 nat."""
    cohort, model = alternating(3, n_trials, 8), find_model("session_mixture")
    fitted = fit(cohort, model)
    trials = trials_of(cohort, model)
    problem, mean, sd = make_problem(model, trials, known_values(cohort, model))
    rng = np.random.default_rng(0)
    for k in range(3):
        mode, spread = fitted.unconstrained.values[k], fitted.covariance.values[k]
        law = multivariate_t(mode, 1.2 * spread, df=6, seed=rng)
        x = law.rvs(3000)
        far = problem.furthest
        likelihood = problem.values(np.full(len(x), k), np.clip(x, -far, far))
        prior = -0.5 * (((x - mean) / sd) ** 2 + np.log(2 * np.pi * sd**2)).sum(axis=1)
        weights = likelihood + prior - law.logpdf(x)
        share = np.exp(weights - logsumexp(weights))
        assert 1 / (share**2).sum() > 60
        exact = logsumexp(weights) - np.log(len(x))
        assert float(fitted.log_evidence[k]) == pytest.approx(exact, abs=1.0)


def test_one_session_is_refused_or_left_out() -> None:
    cohort = alternating(2, 700, 0)
    single = cohort.isel(session=[0, 1, 2])
    with pytest.raises(InputError, match="subject 'a1' has one session"):
        fit(single, "session_mixture")
    with pytest.raises(InputError, match="subject 'a1' has one session"):
        choose_models(single, ["hybrid", "session_mixture"])
    assert "session_mixture" not in [m.name for m in choose_models(single)]
    assert "session_mixture" in [m.name for m in choose_models(cohort)]


def test_any_two_models_of_one_choice() -> None:
    """Sessions of learning and sessions of mere repeating, on a bandit."""
    q, habit = find_model("q_learning"), find_model("bias_perseveration")
    model = mix_sessions("attentive", q, habit)
    names = [p.name for p in model.parameters]
    assert names[0] == "share_q_learning"
    assert {"value_initial_q_learning", "bias_bias_perseveration"} < set(names) | {
        "value_initial_q_learning"
    }
    design = bandit_design(4, 1600)
    values = {"share_q_learning": 0.5, "inverse_temperature_q_learning": 5.0,
              "perseveration_bias_perseveration": 2.0}  # fmt: skip
    played = simulate_design(design, model, {f"a{k}": values for k in range(4)})
    fits = fit_models(played, [model, "q_learning", "bias_perseveration"])
    assert set(compare_models(fits).winner.values) == {"attentive"}
    with pytest.raises(InputError, match="both models are called 'q_learning'"):
        mix_sessions("twice", q, q)
    with pytest.raises(InputError, match="'hybrid_human' cannot be one"):
        mix_sessions("human", find_model("hybrid_human"), q)


def test_both_strategies_have_signals() -> None:
    cohort = alternating(1, 700, 0)
    found = model_signals(cohort, find_model("session_mixture").planted(**BOTH))
    for system, name, values in (
        ("model_based", "model_based", PLANNER), ("model_free", "model_free", LEARNER),
    ):  # fmt: skip
        alone = model_signals(cohort, find_model(name).planted(**values))
        np.testing.assert_allclose(
            found.rpe.sel(system=system), alone.rpe.sel(system=system), atol=1e-12
        )
