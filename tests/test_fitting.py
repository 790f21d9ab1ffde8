"""Fits of single subjects: optimum, recovery, errors, flags, real rats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize

from neuro_metarl.errors import InputError
from neuro_metarl.io import read
from neuro_metarl.models.fitting import fit, fit_models, planted_values
from neuro_metarl.models.likelihood import trial_log_likelihood
from neuro_metarl.models.model import find_model
from neuro_metarl.models.recovery import normalized_weights, recover, simulate_design
from tests.designs import bandit_design, human_design, two_step_design

RATS = Path(__file__).parents[2] / "shared/data/miller2022_rat_twostep/ofc_physdata_3rats.mat"
NO_MODEL_FREE = {"weight_model_free": 0.0, "learning_rate_model_free": 0.5}


def played(name: str, n_subjects: int = 3, n_trials: int = 1000, seed: int = 0) -> xr.Dataset:
    values = {f"a{k}": {"perseveration": 0.3 * k, "bias": 0.2} for k in range(n_subjects)}
    return simulate_design(two_step_design("miller", n_subjects, n_trials, seed), name, values,
                           seed=seed)  # fmt: skip


@pytest.mark.parametrize("name", ["hybrid", "latent_state", "model_free"])
def test_the_maximum_is_an_independent_optimisers(name: str) -> None:
    """Nelder-Mead from the fit gains at most 1e-5 nats, which the ends of the ranges cost."""
    cohort = played(name, 2)
    result = fit(cohort, name, prior="none")
    model = find_model(name)
    for who in result.subject.values:
        one = cohort.isel(session=np.flatnonzero(cohort.subject.values == who))
        mine = result.sel(subject=who)
        ranges = [model.parameter_map[p] for p in result.parameter.values]

        def loss(x: np.ndarray, ranges: list = ranges, one: xr.Dataset = one) -> float:
            values = {p.name: float(p.natural(v)) for p, v in zip(ranges, x, strict=True)}
            return -float(trial_log_likelihood(one, name, values).sum())

        start = mine.unconstrained.values
        found = minimize(loss, start, method="Nelder-Mead", options={"maxfev": 400, "xatol": 1e-6})
        assert loss(start) == pytest.approx(-float(mine.log_likelihood), rel=1e-12)
        assert -found.fun - float(mine.log_likelihood) < 1e-5


def test_both_executors_fit_the_same() -> None:
    cohort = played("hybrid", 2, 300)
    a, b = (fit(cohort, "hybrid", executor=e) for e in ("numba", "numpy"))  # type: ignore[arg-type]
    np.testing.assert_allclose(a.estimate, b.estimate, rtol=1e-5, atol=1e-6)
    assert a.log_evidence.values == pytest.approx(b.log_evidence.values, abs=1e-6)


def test_long_subjects_in_two_stages_end_where_one_stage_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cohort = played("hybrid", 4, 4000)
    two = fit(cohort, "hybrid")
    from neuro_metarl.models import fitting

    monkeypatch.setattr(fitting, "LONG", 10**9)
    one = fit(cohort, "hybrid")
    mean, sd = np.array([p.weak_prior for p in find_model("hybrid").parameters if p.free]).T
    heights = [
        r.log_likelihood.values - 0.5 * (((r.unconstrained.values - mean) / sd) ** 2).sum(1)
        for r in (one, two)
    ]
    np.testing.assert_allclose(*heights, rtol=0, atol=1e-6)


def test_fits_are_the_same_again_and_in_several_processes() -> None:
    cohort = played("model_based", 4, 400)
    a, b = fit(cohort, "model_based"), fit(cohort, "model_based", n_jobs=2)
    xr.testing.assert_identical(a, fit(cohort, "model_based"))
    np.testing.assert_allclose(a.estimate, b.estimate, rtol=1e-6)
    assert a.subject.values.tolist() == b.subject.values.tolist()


# correlations that an independent program found: subjects, trials, figures
PUBLISHED = {
    "hybrid_human": (200, 1000, {
        "learning_rate_first": 0.74, "learning_rate_second": 0.97, "eligibility_trace": 0.81,
        "weight_model_based": 0.84, "inverse_temperature_first": 0.95, "perseveration": 0.97,
    }),
    "mixture_2017": (200, 1000, {
        "learning_rate_model_based": 0.88, "learning_rate_model_free": 0.51,
        "weight_model_free": 0.8, "weight_novelty": 0.9, "weight_perseveration": 0.93,
        "bias": 0.96,
    }),
    "q_forgetting": (30, 2000, {
        "learning_rate_reward": 0.91, "learning_rate_omission": 0.94, "forgetting": 0.83,
        "inverse_temperature": 0.97,
    }),
    "reversal_hmm": (30, 2000, {
        "hazard": 0.9, "reliability": 0.86, "inverse_temperature": 0.95,
    }),
    "hgf": (30, 2000, {"log_volatility": 0.85, "inverse_temperature": 0.99}),
    "kalman": (30, 2000, {"decay": 0.72, "weight_uncertainty": 0.32}),
}  # fmt: skip
# floors of our own populations: the figure depends on how much subjects differ, which for these
# is not published, or is narrower here (temperatures, the Kalman filter's drift)
FLOORS = {
    "hybrid": {
        "learning_rate_first": 0.74, "learning_rate_second": 0.8, "eligibility_trace": 0.75,
        "weight_model_based": 0.84, "inverse_temperature": 0.95, "perseveration": 0.97,
    },
    "hybrid_human": {"inverse_temperature_second": 0.9},
    "mixture_2017": {"weight_model_based": 0.7},
    "latent_state": {"hazard": 0.85, "inverse_temperature": 0.9, "perseveration": 0.97},
    "model_based": {"learning_rate": 0.9, "inverse_temperature": 0.95},
    "model_free": {"learning_rate": 0.9, "eligibility_trace": 0.75, "inverse_temperature": 0.9},
    "reward_as_cue": {"learning_rate": 0.9, "inverse_temperature": 0.9},
    "mixture_choice_outcome": {"weight_model_based_reward": 0.9, "weight_model_free_reward": 0.9},
    "akam_model_free_model_based": {"learning_rate": 0.9, "weight_model_free": 0.9,
                                    "weight_model_based": 0.75},
    "q_dual": {"learning_rate_reward": 0.88, "learning_rate_omission": 0.8,
               "inverse_temperature": 0.9},
    "kalman": {"variance_drift": 0.5, "decay": 0.6, "inverse_temperature": 0.5},
    "volatility": {"inverse_temperature": 0.95},
    "choice_kernel": {"learning_rate": 0.88, "weight_choice_kernel": 0.9},
}  # fmt: skip


def fisher_low(r: float, n: int) -> float:
    """The 1 % point of a sample correlation of n pairs whose true correlation is r."""
    return float(np.tanh(np.arctanh(r) - 2.33 / np.sqrt(n - 3)))


def design_of(name: str, n: int, n_trials: int) -> xr.Dataset:
    model = find_model(name)
    if model.n_choices == 2:
        return human_design(n, n_trials)
    if "state" in model.needs:
        return two_step_design("miller", n, n_trials)
    return bandit_design(n, n_trials)


def recovered(name: str, n: int, n_trials: int, figures: dict[str, float]) -> None:
    table = recover(name, design_of(name, n, n_trials), n_subjects=n, seed=5)
    for parameter, r in figures.items():
        found = float(table.correlation.sel(parameter=parameter))
        assert found > fisher_low(r, n), (parameter, found)
    assert float(table.coverage.mean()) > 0.85


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_recovered_as_published(name: str) -> None:
    """Within the sampling error of a correlation of so many subjects."""
    n, n_trials, figures = PUBLISHED[name]
    recovered(name, n, n_trials, figures)


@pytest.mark.parametrize("name", FLOORS)
def test_parameters_are_recovered(name: str) -> None:
    """40 subjects of 1,000 trials."""
    recovered(name, 40, 1000, FLOORS[name])


def test_daws_weight_is_recovered_from_ten_thousand_trials() -> None:
    table = recover("hybrid", two_step_design("miller", 60, 10_000), n_subjects=60, seed=6)
    assert float(table.correlation.sel(parameter="weight_model_based")) >= 0.95
    assert float(table.coverage.sel(parameter="weight_model_based")) >= 0.85


def test_standard_errors_are_the_spread_of_estimates() -> None:
    values = {f"a{k}": {"inverse_temperature": 4.0} for k in range(80)}
    cohort = simulate_design(two_step_design("miller", 80, 1000), "model_based", values)
    result = fit(cohort, "model_based")
    ratio = result.standard_error.mean("subject") / result.estimate.std("subject", ddof=1)
    assert (abs(np.log(ratio)) < 0.35).all()


def test_criteria_are_their_formulas() -> None:
    result = fit(played("model_based", 2, 400), "model_based").isel(subject=0)
    k, n, ll = 4, float(result.n), float(result.log_likelihood)
    assert float(result.bic) == pytest.approx(k * np.log(n) - 2 * ll)
    assert float(result.aic) == pytest.approx(2 * k - 2 * ll)
    assert float(result.mean_likelihood) == pytest.approx(np.exp(ll / n))
    x, mean, sd = result.unconstrained.values, np.array([0, 1, 0, 0]), np.array([2, 2, 5, 5])
    log_prior = (-0.5 * ((x - mean) / sd) ** 2 - np.log(sd)).sum()
    evidence = ll + log_prior + 0.5 * np.linalg.slogdet(result.covariance.values)[1]
    assert float(result.log_evidence) == pytest.approx(evidence, rel=1e-9)


def test_laplace_evidence_is_the_integral() -> None:
    """One free parameter, by quadrature: within .02 nats."""
    fixed = {"learning_rate": 0.5, "perseveration": 0.0, "bias": 0.0}
    cohort = played("model_based", 1, 400)
    result = fit(cohort, "model_based", fixed=fixed)
    x = np.linspace(-3, 4, 400)
    ll = np.array([
        float(
            trial_log_likelihood(cohort, "model_based", {**fixed, "inverse_temperature": b}).sum()
        )
        for b in np.exp(x)
    ])  # fmt: skip
    density = ll - 0.5 * ((x - 1) / 2) ** 2 - np.log(2 * np.sqrt(2 * np.pi))
    exact = np.logaddexp.reduce(density) + np.log(x[1] - x[0])
    assert float(result.log_evidence[0]) == pytest.approx(exact, abs=0.02)


def test_fixed_and_freed_parameters() -> None:
    cohort = played("hybrid", 2, 400)
    held = fit(cohort, "hybrid", fixed={"eligibility_trace": 0.5, "bias": 0.0})
    assert not {"eligibility_trace", "bias"} & set(held.parameter.values)
    assert json.loads(held.attrs["held"])["eligibility_trace"] == 0.5
    freed = fit(cohort, "mixture_2017", free=["eligibility_trace"])
    assert "eligibility_trace" in freed.parameter.values
    values = planted_values(held)["a0"]
    total = trial_log_likelihood(cohort, "hybrid", planted_values(held)).groupby("subject").sum(...)
    assert total.values == pytest.approx(held.log_likelihood.values)
    assert values["eligibility_trace"] == 0.5


def test_tied_parameters_are_equal_in_simulation_and_fit() -> None:
    design = human_design(4, 400)
    cohort = simulate_design(design, "hybrid_human_4", {f"h{k}": {} for k in range(4)})
    result = fit(cohort, "hybrid_human_4")
    assert result.parameter.values.tolist() == [
        "learning_rate_second", "weight_model_based", "inverse_temperature_second", "perseveration"
    ]  # fmt: skip
    total = trial_log_likelihood(cohort, "hybrid_human_4", planted_values(result))
    assert total.groupby("subject").sum(...).values == pytest.approx(result.log_likelihood.values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "hybird"}, "no model 'hybird'; did you mean 'hybrid'"),
        ({"fixed": {"weight": 1.0}}, "hybrid has no parameter 'weight'"),
        ({"fixed": {"bias": np.inf}}, "bias is inf, expected a real number"),
        ({"prior": "flat"}, "prior is 'flat', expected 'weak' or 'none'"),
        ({"n_starts": 0}, "n_starts is 0, expected 1 or more"),
        ({"model": "hybrid_human"}, "needs choice, reward, state, common, choice2; the cohort"),
    ],
)
def test_wrong_arguments(change: dict, message: str) -> None:
    cohort = played("hybrid", 1, 100)
    with pytest.raises(InputError, match=message):
        fit(cohort, **{"model": "hybrid", **change})


def test_bad_cohorts_are_named() -> None:
    cohort = played("hybrid", 2, 200)
    none = cohort.copy(deep=True)
    first = cohort.subject.values == "a0"
    for name in ("choice", "state", "common", "correct"):
        none[name][first] = -1
    none["valid"][first] = 0
    with pytest.raises(InputError, match="subject 'a0' has no valid trial; leave the subject out"):
        fit(none, "hybrid")
    all_forced = cohort.assign(forced=0 * cohort.forced + 1)
    with pytest.raises(InputError, match="has no response: every valid trial is forced"):
        fit(all_forced, "hybrid")
    drops = cohort.assign(reward=cohort.reward * 2.5)
    with pytest.raises(InputError, match=r"reward is 2.5; model 'hybrid' takes 0 and 1; recode"):
        fit(drops, "hybrid")
    with pytest.raises(InputError, match="needs choice, reward, state, common; the cohort"):
        fit(bandit_design(1, 200), "hybrid")
    wide = cohort.assign(choice=cohort.choice * 2)
    with pytest.raises(InputError, match="choice is 2; models take 0 and 1"):
        fit(wide, "q_learning")


@pytest.mark.parametrize("prior", ["weak", "none"])
@pytest.mark.parametrize("name", ["hybrid", "latent_state", "mixture", "akam", "hgf", "kalman"])
def test_one_who_always_chooses_one_side_is_finite_and_flagged(name: str, prior: str) -> None:
    cohort = played("hybrid", 2, 200)
    stuck = cohort.assign(choice=0 * cohort.choice, common=1 - cohort.state)
    result = fit(stuck, name, prior=prior)  # type: ignore[arg-type]
    for variable in ("estimate", "standard_error", "log_likelihood", "bic", "covariance"):
        assert np.isfinite(result[variable]).all(), variable
    assert all("responses are choice 0" in text for text in result.problem.values)
    fine = fit(cohort, "hybrid")
    assert (fine.problem == "").all()


@pytest.mark.parametrize("seed", range(3))
def test_a_peak_at_a_kink_counts_as_rest(seed: int) -> None:
    """The human model's max() has kinks; every fit is at rest, and no neighbor is higher."""
    values = {f"h{k}": {"weight_model_based": 0.9} for k in range(12)}
    cohort = simulate_design(human_design(12, 150, seed), "hybrid_human", values, seed=seed)
    result = fit(cohort, "hybrid_human", prior="weak")
    assert not any("rest" in text for text in result.problem.values)
    for who in result.subject.values[:3]:
        one = cohort.isel(session=np.flatnonzero(cohort.subject.values == who))
        fitted = planted_values(result)[str(who)]
        at = float(trial_log_likelihood(one, "hybrid_human", fitted).sum())
        assert at == pytest.approx(float(result.log_likelihood.sel(subject=who)), abs=1e-6)


def test_more_parameters_than_responses_is_flagged() -> None:
    cohort = played("hybrid", 1, 100)
    short = cohort.isel(trial=slice(0, 5))
    result = fit(short, "hybrid")
    assert np.isfinite(result.unconstrained).all()
    assert "5 responses for 7 parameters" in result.problem.item()


def test_default_candidates_go_by_the_task_and_hold_latent_state() -> None:
    assert "latent_state" in fit_models(played("hybrid", 1, 100), n_starts=1)
    arms = bandit_design(1, 200)
    arms["choice"][:, ::2] = 1
    assert "reversal_hmm" in fit_models(arms, n_starts=1)
    with pytest.raises(InputError, match="two models have the same name"):
        fit_models(arms, ["q_dual", "q_dual"])


@pytest.fixture(scope="module")
def rats() -> xr.Dataset:
    return read(RATS)


@pytest.mark.skipif(not RATS.is_file(), reason="the rats' file is not here")
class TestRealRats:
    """Three rats of Miller et al. 2022: rates published for our fits, optima by another way."""

    def test_rates_and_likelihoods(self, rats: xr.Dataset) -> None:
        result = fit(rats, "mixture", fixed=NO_MODEL_FREE, prior="none")
        rates = result.estimate.sel(
            parameter=["learning_rate_model_based", "learning_rate_perseveration"]
        )
        assert result.subject.values.tolist() == ["M055", "M064", "M088"]
        assert rates.values == pytest.approx(
            np.array([[0.77, 0.44], [0.56, 0.19], [1.0, 0.18]]), abs=0.011
        )
        assert (result.mean_likelihood.values >= [0.700, 0.676, 0.607]).all()
        assert result.n.values.tolist() == [12445, 8601, 1696]
        with_model_free = fit(rats, "mixture", prior="none")
        assert (abs(with_model_free.mean_likelihood - result.mean_likelihood) <= 0.003).all()

    def test_weights_are_an_independent_optimisers(self, rats: xr.Dataset) -> None:
        """L-BFGS-B with bounds on a loop over trials written here."""
        result = fit(rats, "mixture", fixed=NO_MODEL_FREE, prior="none")
        names = result.parameter.values.tolist()
        for k, who in enumerate(result.subject.values):
            one = rats.isel(session=np.flatnonzero(rats.subject.values == who))
            known = json.loads(rats.attrs["task_config"])["p_common"]
            series = _series(one)
            start = result.estimate.values[k] * 0.9 + 0.02
            bounds = [(0, 1) if n.startswith("learning") else (-9, 9) for n in names]
            found = minimize(_loss, start, args=(series, 2 * known - 1), method="L-BFGS-B",
                             bounds=bounds)  # fmt: skip
            assert found.fun == pytest.approx(-float(result.log_likelihood[k]), abs=0.02)
            weights = [n.startswith("weight") for n in names]
            assert result.estimate.values[k][weights] == pytest.approx(found.x[weights], abs=0.05)

    def test_forced_trials_update_without_counting(self, rats: xr.Dataset) -> None:
        held = planted_values(fit(rats, "mixture", fixed=NO_MODEL_FREE))
        counted = trial_log_likelihood(rats, "mixture", held)
        forced = (rats.forced == 1) & (rats.valid == 1)
        assert int(forced.sum()) == 2097 + 215
        assert bool(counted.where(forced).isnull().all())
        blind = rats.assign(valid=rats.valid.where(~forced, 0).astype("int8"))
        for name in ("choice", "state", "common", "correct"):
            blind[name] = blind[name].where(~forced, -1).astype("int8")
        total = trial_log_likelihood(blind, "mixture", held)
        assert int(total.notnull().sum()) == int(counted.notnull().sum())
        assert float(counted.sum()) != pytest.approx(float(total.sum()), abs=5)

    def test_normalised_weights_are_large_for_planning_and_habit(self, rats: xr.Dataset) -> None:
        weights = normalized_weights(rats, fit(rats, "mixture", fixed=NO_MODEL_FREE))
        planning, habit, novelty = weights.values.T
        assert (planning > 2 * abs(novelty)).all()
        assert (habit > 2 * abs(novelty)).all()


def _series(cohort: xr.Dataset) -> list[list[tuple[int, int, float, bool]]]:
    sessions = []
    for s in range(cohort.sizes["session"]):
        rows = []
        for t in np.flatnonzero(cohort.valid.values[s] == 1):
            c, common = int(cohort.choice.values[s, t]), int(cohort.common.values[s, t])
            relative = c if common else 1 - c
            free = int(cohort.forced.values[s, t]) == 0
            rows.append((c, relative, float(cohort.reward.values[s, t]), free))
        sessions.append(rows)
    return sessions


def _loss(x: np.ndarray, sessions: list, k: float) -> float:
    rate, planning, habit_rate, habit_weight, novelty, bias = x.tolist()
    if not (0 <= rate <= 1 and 0 <= habit_rate <= 1):
        return 1e9
    total = 0.0
    for rows in sessions:
        good, habit, novel = 0.5, 0.0, 0.0
        for c, s, r, free in rows:
            logit = planning * k * (2 * good - 1) + habit_weight * habit + novelty * novel + bias
            if free:
                total += np.log1p(np.exp(-logit if c else logit))
            good += rate * ((r if s else 1 - r) - good)
            side = 2 * c - 1
            habit += habit_rate * (side - habit)
            novel = side * (1 if s == c else -1)
    return total
