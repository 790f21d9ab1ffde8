"""Two-step measures: by hand, against the published numbers, and on planted truths."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.behavior.two_step import (
    INDICES,
    TERMS,
    lagged_regression,
    one_back_regression,
    stay_probability,
)
from neuro_metarl.cohort import make_cohort, select_subjects
from neuro_metarl.errors import InputError
from neuro_metarl.io import read_miller
from neuro_metarl.models.hybrid_models import hybrid
from neuro_metarl.models.mixture_models import mixture
from neuro_metarl.models.model import Planted
from neuro_metarl.models.two_step_models import latent_state, reward_as_cue
from neuro_metarl.recording import record
from neuro_metarl.regression import fit_logistic
from neuro_metarl.tasks import TwoStep, make_task

MILLER = make_task("two-step-miller", n_trials=350)
WANG = make_task("two-step")


def value(measure: xr.DataArray) -> np.ndarray:
    return measure.sel(statistic="value").values.squeeze()


def indices(cohort: xr.Dataset, **options: object) -> dict[str, float]:
    fit = lagged_regression(cohort, **options)  # type: ignore[arg-type]
    return {name: float(value(fit[name])) for name in INDICES}


def play(
    player: Planted, task: TwoStep = MILLER, n_trials: int = 10_000, seed: int = 0
) -> xr.Dataset:
    return record(player, task, -(-n_trials // task.n_trials), seed=seed)


def hand_made(**changes: list) -> xr.Dataset:  # type: ignore[type-arg]
    """Nine trials in two sessions; one forced, one invalid."""
    variables = {
        "choice": [[0, 0, 1, 1, 0], [1, 1, 1, 0, -1]],
        "reward": [[1, 0, 1, 1, 0], [1, 1, 0, 0, 0]],
        "common": [[1, 0, 1, 0, 1], [1, 1, 0, 1, -1]],
        "state": [[0, 1, 1, 0, 0], [1, 1, 0, 0, -1]],
        "valid": [[1, 1, 1, 1, 1], [1, 0, 1, 1, 0]],
        "forced": [[0, 0, 0, 1, 0], [0, 0, 0, 0, 0]],
        "correct": [[1, 0, 1, 0, 1], [1, 1, 0, 1, -1]],
    } | changes
    return make_cohort(variables, subject=["a", "a"], task="two-step", source="animal")


def test_stay_probability_by_hand() -> None:
    """Responses: 0 after CR stays, 1 after RO switches, 0 after forced RR switches;
    second session: trial 2 follows trial 0 (CR, stays), trial 3 follows RO (switches)."""
    stay = stay_probability(hand_made())
    assert stay.n.sel(subject="a").values.tolist() == [2, 1, 0, 2]
    assert value(stay.stay_probability)[[0, 1, 3]].tolist() == [1, 0, 0]
    assert np.isnan(value(stay.stay_probability)[2])


def test_stay_probability_of_one_trial_alone() -> None:
    stay = stay_probability(hand_made(), trial=1)
    assert stay.n.sel(subject="a").values.tolist() == [1, 0, 0, 0]


def test_the_first_trial_of_a_session_is_no_response() -> None:
    one_each = hand_made().isel(trial=[0])
    with pytest.raises(InputError, match="subject 'a' has no response"):
        stay_probability(one_each)


def test_intervals_hold_the_estimate_and_widen_with_confidence() -> None:
    cohort = play(hybrid.planted(weight_model_based=1.0), n_trials=2000)
    for measure, name in (
        (stay_probability, "stay_probability"),
        (one_back_regression, "one_back"),
    ):
        narrow, wide = (measure(cohort, confidence=c)[name] for c in (0.5, 0.95))  # type: ignore[operator]
        for result in (narrow, wide):
            assert (result.sel(statistic="low") <= result.sel(statistic="value")).all()
            assert (result.sel(statistic="high") >= result.sel(statistic="value")).all()
        assert (wide.sel(statistic="low") < narrow.sel(statistic="low")).all()


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """60 planted subjects of 1,500 trials: at least 50 of their 95 % intervals hold the truth."""
    rat = mixture.planted(learning_rate_model_based=0.6, weight_model_based=2.0)
    truth = 4 * 2.0 * 0.6 * (1 - 0.4**5)
    inside = 0
    for seed in range(60):
        fit = lagged_regression(play(rat, n_trials=1500, seed=seed))
        low, high = fit.planning_index.sel(statistic=["low", "high"]).values.squeeze()
        inside += low <= truth <= high
    assert inside >= 50


@pytest.mark.parametrize("history", ["published", "session"])
def test_real_rats_equal_the_published_convention(history: str, real_data: Path) -> None:
    folder = real_data / "miller2022_rat_twostep"
    known = json.loads((folder / "reference_values.json").read_text())["rats"]
    cohort = read_miller(folder / "ofc_physdata_3rats.mat")
    fit = lagged_regression(cohort, history=history, penalty="none")  # type: ignore[arg-type]
    stay = stay_probability(cohort)
    names = {"planning_index": "mb", "model_free_index": "mf", "stay_index": "persev"}
    terms = dict(zip(TERMS, ("common_rew", "rare_rew", "common_omit", "rare_omit"), strict=True))
    codes = dict(zip(TERMS, ("CR", "RR", "CO", "RO"), strict=True))
    for rat, expected in known.items():
        reference = expected["published" if history == "published" else "free_only_reset"]
        mine = fit.sel(subject=rat, statistic="value")
        for ours, theirs in names.items():
            assert float(mine[ours]) == pytest.approx(reference[theirs], abs=2e-4), (rat, ours)
        for ours, theirs in terms.items():
            weights = mine.lagged_weight.sel(term=ours).values
            assert np.allclose(weights, reference["betas"][theirs], atol=1e-4)
        assert int(mine.n) == reference["n"]
        assert float(mine.log_likelihood) == pytest.approx(reference["ll"], abs=1e-3)
        for ours, theirs in codes.items():
            p, n = expected["one_back"]["stay"][theirs]
            one = stay.sel(subject=rat, term=ours)
            assert float(one.stay_probability.sel(statistic="value")) == pytest.approx(p, abs=1e-4)
            assert int(one.n) == n


def test_one_back_regression_of_real_rats_equals_the_reference(real_data: Path) -> None:
    """The reference codes +1/-1: its main effects are half of ours, as is its interaction."""
    folder = real_data / "miller2022_rat_twostep"
    known = json.loads((folder / "reference_values.json").read_text())["rats"]
    cohort = read_miller(folder / "ofc_physdata_3rats.mat")
    fit = one_back_regression(cohort, penalty="none")
    for rat, expected in known.items():
        logit = expected["one_back"]["logit"]
        ours = value(fit.one_back.sel(subject=rat)) * [1, 0.5, 0.5, 0.5]
        theirs = [logit[k] for k in ("intercept", "reward", "common", "reward_x_common")]
        assert np.allclose(ours, theirs, atol=1e-4), rat


def test_forced_trials_counted_as_choices_change_the_answer(real_data: Path) -> None:
    """The trap, with its size: rat M064, planning 6.2 against 4.4."""
    path = real_data / "miller2022_rat_twostep" / "ofc_physdata_3rats.mat"
    rat = select_subjects(read_miller(path), "M064")
    right = indices(rat)["planning_index"]
    wrong = indices(rat.assign(forced=rat.forced * 0))["planning_index"]
    assert right - wrong > 1.5


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("task", [MILLER, WANG], ids=["miller", "wang"])
def test_lag_weights_of_the_mixture_are_known_exactly(task: TwoStep, seed: int) -> None:
    """MB .6/2: weights 2 (.6) .6 (.4)^lag; each within 4.5 model-based standard errors."""
    player = mixture.planted(learning_rate_model_based=0.6, weight_model_based=2.0)
    fit = lagged_regression(play(player, task, 40_000, seed), n_lags=8, penalty="none")
    kernel = 2.0 * 0.6 * 0.6 * 0.4 ** np.arange(8)
    expected = np.array([kernel, -kernel, -kernel, kernel])
    weight = fit.lagged_weight.sel(subject="mixture")
    error = (weight.sel(statistic="high") - weight.sel(statistic="low")) / (2 * 1.96)
    assert (np.abs(weight.sel(statistic="value") - expected) < 4.5 * error).all()
    assert float(error.max()) < 0.09


@pytest.mark.parametrize("seed", [0, 1])
def test_model_free_and_perseveration_have_their_own_index(seed: int) -> None:
    free = mixture.planted(learning_rate_model_free=0.6, weight_model_free=1.2)
    habit = mixture.planted(learning_rate_perseveration=0.3, weight_perseveration=1.5)
    of_free = indices(play(free, n_trials=40_000, seed=seed))
    assert of_free["model_free_index"] == pytest.approx(4 * 1.2 * (1 - 0.4**5), abs=0.5)
    assert abs(of_free["planning_index"]) < 0.5
    fit = lagged_regression(play(habit, n_trials=40_000, seed=seed), n_lags=12)
    first_five = value(fit.lagged_weight)[:, :5].sum()
    assert first_five == pytest.approx(4 * 1.5 * (1 - 0.7**5), abs=0.5)


@pytest.mark.parametrize("seed", [0, 1])
def test_agents_add_up_in_the_lag_weights(seed: int) -> None:
    player = mixture.planted(
        learning_rate_model_based=0.5, weight_model_based=3.0,
        learning_rate_perseveration=0.2, weight_perseveration=1.5, weight_novelty=-0.2,
    )  # fmt: skip
    fit = lagged_regression(play(player, n_trials=60_000, seed=seed), n_lags=10)
    first = value(fit.lagged_weight)[:, 0]
    assert first == pytest.approx([1.0, -0.4, -0.8, 1.4], abs=0.15)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("task", "without", "spread"), [(MILLER, 0.61, 0.2), (WANG, 0.95, 0.25)], ids=["miller", "wang"]
)
def test_correct_removes_the_interaction_of_td1_and_not_of_a_planner(
    task: TwoStep, without: float, spread: float, seed: int
) -> None:
    td1 = play(hybrid.planted(weight_model_based=0.0, eligibility_trace=1.0), task, seed=seed)
    planner = play(hybrid.planted(weight_model_based=1.0, inverse_temperature=6.0), task, seed=seed)

    def interaction(cohort: xr.Dataset, correct: bool) -> float:
        fit = one_back_regression(cohort, correct=correct)
        return float(value(fit.one_back.sel(term="reward_x_common")))

    assert interaction(td1, False) == pytest.approx(without, abs=spread)
    assert abs(interaction(td1, True)) < 0.3
    assert interaction(planner, False) > 1.9
    assert interaction(planner, True) > 1.2


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("player", "stay", "planning", "model_free"),
    [
        (hybrid.planted(inverse_temperature=0.0), (0.5, 0.5, 0.5, 0.5), (0, 0.75), (0, 0.75)),
        (
            mixture.planted(learning_rate_model_based=0.6, weight_model_based=4.0),
            (0.88, 0.25, 0.26, 0.88), (9.5, 0.9), (0, 0.9),
        ),
        (
            hybrid.planted(weight_model_based=1.0, inverse_temperature=6.0),
            (0.90, 0.47, 0.51, 0.88), (9.85, 0.9), (-0.72, 1.0),
        ),
        (
            mixture.planted(learning_rate_model_free=0.6, weight_model_free=2.4),
            (0.87, 0.83, 0.26, 0.29), (0, 0.9), (9.5, 1.1),
        ),
        (hybrid.planted(weight_model_based=0.0), (0.90, 0.82, 0.51, 0.63), (0.54, 0.7), (8.6, 1.1)),
        (
            hybrid.planted(weight_model_based=0.0, eligibility_trace=0.0),
            (0.80, 0.63, 0.60, 0.66), (2.55, 0.7), (2.47, 0.9),
        ),
        (
            latent_state.planted(inverse_temperature=6.0),
            (0.95, 0.62, 0.62, 0.95), (12.7, 1.2), (0, 0.95),
        ),
    ],
    ids=["random", "mb-sym", "mb", "mf-sym", "td1", "td0", "latent"],
)  # fmt: skip
def test_planted_agents_have_the_known_signature(
    player: Planted,
    stay: tuple[float, ...],
    planning: tuple[float, float],
    model_free: tuple[float, float],
    seed: int,
) -> None:
    """About three standard deviations of one agent with 10,000 trials."""
    cohort = play(player, seed=seed)
    measured = value(stay_probability(cohort).stay_probability)
    assert measured == pytest.approx(stay, abs=0.045)
    found = indices(cohort)
    assert found["planning_index"] == pytest.approx(planning[0], abs=planning[1])
    assert found["model_free_index"] == pytest.approx(model_free[0], abs=model_free[1])


def test_reward_as_cue_looks_like_planning_to_the_one_back_regression_alone() -> None:
    """Mean of 8 agents, whose SDs are about .06 (stay), .22 (interaction), .4 (index)."""
    player = reward_as_cue.planted(inverse_temperature=8.0, learning_rate=0.05)
    cohorts = [play(player, seed=seed) for seed in range(8)]
    stay = [value(stay_probability(c).stay_probability) for c in cohorts]
    assert np.mean(stay, axis=0) == pytest.approx([0.83, 0.37, 0.41, 0.77], abs=0.05)
    fits = [one_back_regression(c, correct=True).one_back for c in cohorts]
    interaction = np.mean([value(f.sel(term="reward_x_common")) for f in fits])
    assert interaction == pytest.approx(1.85, abs=0.25)
    assert np.mean([indices(c)["planning_index"] for c in cohorts]) == pytest.approx(2.1, abs=0.5)


def test_bayesian_inference_reaches_the_optimum() -> None:
    """A Bayes filter earns .706 and stays 1/.66/.66/1: mean of 4 runs, tolerance 3 SD of it
    (one run's SDs: reward .002, stay after rare rewarded .013, after common omitted .005)."""
    best = latent_state.planted(
        inverse_temperature=500.0, hazard=0.025, p_reward_high=0.9, p_reward_low=0.1
    )
    cohorts = [play(best, WANG, 60_000, seed) for seed in range(4)]
    reward = np.mean([float(c.reward.mean()) for c in cohorts])
    assert reward == pytest.approx(0.706, abs=0.003)
    stay = [value(stay_probability(c).stay_probability) for c in cohorts]
    assert np.mean(stay, axis=0) == pytest.approx([1.0, 0.661, 0.663, 1.0], abs=0.02)


@pytest.mark.parametrize("seed", [0, 1])
def test_wang_2016_pooled_and_on_the_second_trial_alone(seed: int) -> None:
    task = make_task("two-step-2016")
    best = latent_state.planted(
        p_common=0.75, inverse_temperature=500.0, hazard=0.0, p_reward_high=0.9, p_reward_low=0.1
    )
    cohort = play(best, task, 20_000, seed)
    pooled = value(stay_probability(cohort).stay_probability)
    second = value(stay_probability(cohort, trial=1).stay_probability)
    assert pooled == pytest.approx([1, 0.51, 0.51, 1], abs=0.03)
    assert second == pytest.approx([1, 0, 0, 1], abs=0.01)
    assert float(cohort.reward.mean()) == pytest.approx(0.669, abs=0.012)


def test_relabelling_the_sides_flips_the_bias_and_nothing_else() -> None:
    cohort = play(mixture.planted(weight_model_based=2.0, bias=0.5), n_trials=3000)
    mirrored = cohort.assign(choice=1 - cohort.choice, state=1 - cohort.state)
    a, b = (lagged_regression(c) for c in (cohort, mirrored))
    assert np.allclose(value(a.lagged_weight), value(b.lagged_weight), atol=1e-8)
    assert value(a.bias) == pytest.approx(-value(b.bias), abs=1e-8)
    assert abs(value(a.bias)) > 0.3


def test_the_subjects_mapping_changes_nothing() -> None:
    player = mixture.planted(weight_model_based=2.0)
    a = play(player, make_task("two-step-miller", n_trials=350), 20_000)
    b = play(player, make_task("two-step-miller", n_trials=350, incongruent=True), 20_000)
    assert indices(a)["planning_index"] == pytest.approx(indices(b)["planning_index"], abs=0.5)


def test_lags_that_cross_sessions_change_the_model_free_index() -> None:
    """100-trial sessions, TD(1): 8.5 with the lags reset, lower where they run on."""
    cohort = play(hybrid.planted(weight_model_based=0.0), WANG, 40_000)
    reset = indices(cohort)["model_free_index"]
    crossing = indices(cohort, history="published")["model_free_index"]
    assert reset - crossing > 0.3


def test_three_lags_read_less_than_five() -> None:
    cohort = play(
        mixture.planted(learning_rate_model_based=0.3, weight_model_based=3.0), n_trials=20_000
    )
    three, five = (indices(cohort, n_lags=n)["planning_index"] for n in (3, 5))
    assert five - three > 0.4


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_firth_is_finite_and_nearly_unbiased_for_short_subjects(seed: int) -> None:
    """20 subjects of 400 trials each: the mean index is off by less than a tenth with Firth."""
    player = mixture.planted(learning_rate_model_based=0.6, weight_model_based=3.0)
    truth = 4 * 3 * 0.6 * (1 - 0.4**5)
    short = make_task("two-step-miller", n_trials=400)
    cohorts = [record(player, short, 1, seed=100 * seed + k) for k in range(20)]
    found = [indices(c)["planning_index"] for c in cohorts]
    assert np.isfinite(found).all()
    assert np.mean(found) == pytest.approx(truth, abs=0.1 * truth + 3 * np.std(found) / 20**0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = [indices(c, penalty="none")["planning_index"] for c in cohorts]
    assert np.nanmean(plain) > np.mean(found)


def test_separation_warns_and_names_the_remedy() -> None:
    always = hand_made(choice=[[1, 1, 1, 1, 1], [1, 1, 1, 1, -1]])
    with pytest.warns(UserWarning, match="subject 'a': .*"):
        fit = one_back_regression(always, penalty="none")
    assert np.isnan(value(fit.one_back)).all()


def test_undefined_correct_is_coded_zero() -> None:
    """Against the design written out; neither as correct nor as an error."""
    cohort = play(hybrid.planted(), n_trials=700).isel(session=[0])
    correct = cohort.correct.where(np.arange(350) % 3 > 0, -1).astype("int8")
    fit = one_back_regression(cohort.assign(correct=correct), correct=True)
    last = {k: v.values[0, :-1] for k, v in cohort.assign(correct=correct).data_vars.items()}
    x, y = last["reward"] - 0.5, last["common"] - 0.5
    z = np.where(last["correct"] < 0, 0, last["correct"] - 0.5)
    stayed = cohort.choice.values[0, 1:] == last["choice"]
    by_hand = fit_logistic(np.stack([np.ones(349), x, y, 2 * x * y, z], axis=1), stayed)
    assert np.allclose(value(fit.one_back), by_hand.weights, atol=1e-8)


def test_separation_alone_is_mended_by_firth() -> None:
    rng = np.random.default_rng(0)
    table = {k: rng.integers(2, size=(1, 80)) for k in ("reward", "common", "state")}
    repeater = make_cohort(
        {"choice": np.ones((1, 80)), **table}, subject=["a"], task="two-step", source="animal"
    )
    with pytest.warns(UserWarning, match="subject 'a': separation.*; use penalty='firth'"):
        plain = one_back_regression(repeater, penalty="none")
    assert np.isnan(value(plain.one_back)).all()
    assert np.isfinite(value(one_back_regression(repeater).one_back)).all()


@pytest.mark.parametrize("penalty", ["firth", "none"])
@pytest.mark.parametrize(
    ("common", "n_trials", "n_lags"), [(1, 60, 5), (None, 4, 5)], ids=["no-rare", "short-sessions"]
)
def test_what_no_penalty_mends_is_not_said_to_be_mended(
    penalty: str, common: int | None, n_trials: int, n_lags: int
) -> None:
    rng = np.random.default_rng(1)
    table = {k: rng.integers(2, size=(30, n_trials)) for k in ("choice", "reward", "state")}
    kinds = rng.integers(2, size=(30, n_trials)) if common is None else np.ones((30, n_trials))
    cohort = make_cohort(
        table | {"common": kinds}, subject=["a"] * 30, task="two-step", source="animal"
    )
    with pytest.warns(UserWarning, match="predictors are 0 on every trial; no penalty mends that"):
        fit = lagged_regression(cohort, penalty=penalty, n_lags=n_lags)  # type: ignore[arg-type]
    assert np.isnan(value(fit.planning_index))
    fewer = lagged_regression(cohort, penalty="firth", n_lags=3) if not common else fit
    assert bool(np.isnan(value(fewer.planning_index))) is bool(common)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: lagged_regression(c, n_lags=0), "n_lags is 0, expected a whole number"),
        (lambda c: lagged_regression(c, history="all"), "history is 'all', expected 'session'"),
        (lambda c: lagged_regression(c, penalty="l1"), "penalty is 'l1'"),
        (lambda c: lagged_regression(c.assign(choice=c.choice * 2)), "choice 2, expected 0 and 1"),
        (lambda c: stay_probability(c.drop_vars("common")), "the cohort has no 'common'"),
        (lambda c: stay_probability(c.assign(forced=c.valid)), "subject 'a' has no response"),
        (lambda c: stay_probability(c, confidence=1.5), "confidence is 1.5"),
        (
            lambda c: one_back_regression(c.drop_vars("correct"), correct=True),
            "needs the variable 'correct'",
        ),
    ],
)
def test_refusals(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        call(hand_made())
