"""What a cohort must be for a fit: rewards, kinds of task, borders, forced second choices."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_metarl as nm
from neuro_metarl.cohort import concat_cohorts, make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import choose_models, fit, planted_values
from neuro_metarl.models.hierarchy import fit_hierarchical, integrated_bic
from neuro_metarl.models.likelihood import trial_log_likelihood
from neuro_metarl.models.model import find_model, find_models, list_models
from neuro_metarl.models.recovery import confusion, predict, simulate_design
from neuro_metarl.models.selection import cross_validate
from neuro_metarl.models.signals import model_signals
from neuro_metarl.models.trials import known_values, trials_of
from tests.designs import bandit_design, human_design, two_step_design

ANY_REWARD = ("q_learning", "choice_kernel", "kalman")


def planted(name: str, n: int, n_trials: int, seed: int = 0, **values: float) -> xr.Dataset:
    model = find_model(name)
    if model.n_choices == 2:
        design = human_design(n, n_trials, seed)
    elif "state" in model.needs:
        design = two_step_design("miller", n, n_trials, seed)
    else:
        design = bandit_design(n, n_trials, seed=seed)
    return simulate_design(design, model, {f"a{k}": values for k in range(n)}, seed=seed)


def points(n_trials: int, rate: float, temperature: float, seed: int) -> xr.Dataset:
    """A plain loop: two arms that pay points around 50 and wander; values start at 50."""
    rng = np.random.default_rng(seed)
    choice, reward = np.zeros((4, n_trials)), np.zeros((4, n_trials))
    for s in range(4):
        value, mean = [50.0, 50.0], rng.normal(50, 8, 2)
        for t in range(n_trials):
            mean += 0.1 * (50 - mean) + rng.normal(0, 3, 2)
            p = 1 / (1 + np.exp(-temperature * (value[1] - value[0])))
            c = int(rng.random() < p)
            r = float(np.clip(mean[c] + rng.normal(0, 4), 1, 99))
            value[c] += rate * (r - value[c])
            choice[s, t], reward[s, t] = c, r
    return make_cohort({"choice": choice, "reward": reward}, subject=["a"] * 4, task="bandit",
                       source="animal")  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rate", [0.15, 0.3, 0.6])
def test_points_near_fifty_give_back_what_was_planted(rate: float, seed: int) -> None:
    cohort = points(500, rate, 0.1, seed)
    result = fit(cohort, "q_learning").isel(subject=0)
    found = dict(zip(result.parameter.values, result.estimate.values, strict=True))
    error = dict(zip(result.parameter.values, result.standard_error.values, strict=True))
    assert abs(found["learning_rate"] - rate) < 3 * error["learning_rate"] < 0.25
    assert abs(found["inverse_temperature"] - 0.1) < 3 * error["inverse_temperature"] < 0.05
    assert result.problem.item() == ""
    held = planted_values(fit(cohort, "q_learning"))["a"]
    assert held["value_initial"] == pytest.approx(50, abs=8)
    told = fit(cohort, "q_learning", fixed={"value_initial": 50.0}).isel(subject=0)
    assert float(told.log_likelihood) == pytest.approx(float(result.log_likelihood), abs=3)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(ANY_REWARD), st.floats(-300, 300), st.floats(0.01, 500), st.integers(0, 3))
def test_fits_move_with_the_unit_of_rewards(
    name: str, shift: float, scale: float, seed: int
) -> None:
    """Rewards a + b r give the same rates and likelihood, and temperatures divided by b."""
    cohort = planted(name, 2, 400, seed)
    cohort["reward"] = cohort["reward"].astype(float)
    moved = cohort.assign(reward=shift + scale * cohort.reward)
    a, b = fit(cohort, name, n_starts=2), fit(moved, name, n_starts=2)
    power = np.array([find_model(name).parameter_map[p].reward_power for p in a.parameter.values])
    np.testing.assert_allclose(b.estimate, a.estimate * scale**power, rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(b.standard_error, a.standard_error * scale**power, rtol=5e-3)
    for variable in ("log_likelihood", "log_evidence"):
        np.testing.assert_allclose(b[variable], a[variable], atol=1e-4)
    assert b.problem.values.tolist() == a.problem.values.tolist()


def test_units_of_reward_hold_in_groups_and_folds() -> None:
    cohort = planted("q_learning", 4, 600, 1)
    cohort["reward"] = cohort["reward"].astype(float)
    moved = cohort.assign(reward=40 + 25 * cohort.reward)
    a, b = (fit_hierarchical(c, "q_learning") for c in (cohort, moved))
    ratio = b["median"] / a["median"]
    assert float(ratio.sel(parameter="learning_rate")) == pytest.approx(1, rel=1e-3)
    assert float(ratio.sel(parameter="inverse_temperature")) == pytest.approx(1 / 25, rel=1e-3)
    bic = [integrated_bic(c, g, n_draws=100) for c, g in ((cohort, a), (moved, b))]
    assert bic[0] == pytest.approx(bic[1], abs=0.1)
    folds = [cross_validate(c, "q_learning", n_folds=2) for c in (cohort, moved)]
    np.testing.assert_allclose(folds[0].log_likelihood, folds[1].log_likelihood, atol=1e-3)


def test_the_likelihood_of_points_is_a_plain_loops() -> None:
    cohort = points(100, 0.3, 0.1, 0)
    values = {"learning_rate": 0.4, "inverse_temperature": 0.07, "value_initial": 45.0,
              "bias": 0.3}  # fmt: skip
    total = 0.0
    for choice, reward in zip(cohort.choice.values, cohort.reward.values.tolist(), strict=True):
        q = [45.0, 45.0]
        for c, r in zip(choice, reward, strict=True):
            x = 0.07 * (q[1] - q[0]) + 0.3
            total -= np.log1p(np.exp(-x if c else x))
            q[c] += 0.4 * (r - q[c])
    got = trial_log_likelihood(cohort, "q_learning", values).sum()
    assert float(got) == pytest.approx(total, rel=1e-10)


def test_rewards_of_zero_and_one_start_at_one_half() -> None:
    cohort = planted("q_learning", 1, 200)
    for name in ANY_REWARD:
        (known,) = known_values(cohort, find_model(name)).values()
        assert known["value_initial"] == 0.5
        assert known["reward_scale"] == 1.0
    for level in (0.0, 1.0):
        constant = cohort.assign(reward=0 * cohort.reward + level)
        (same,) = known_values(constant, find_model("kalman")).values()
        assert (same["value_initial"], same["reward_scale"]) == (0.5, 1.0)


@pytest.mark.parametrize("levels", [(-1.0, 0.0), (1.0, 2.0), (0.0, 0.1), (-1.0, 1.0), (0.0, 5.0)])
@pytest.mark.parametrize("name", ["model_based", "q_dual"])
def test_the_advice_on_two_valued_rewards_is_right_when_followed(
    name: str, levels: tuple[float, float]
) -> None:
    cohort = planted(name, 2, 350)
    low, high = levels
    coded = cohort.assign(reward=(low + (high - low) * cohort.reward).astype("float32"))
    with pytest.raises(InputError, match="takes 0 and 1; recode the rewards, which are") as caught:
        fit(coded, name)
    assert "\n" not in str(caught.value)
    advice = re.search(r"cohort\.assign\(.*?'\)\)", str(caught.value))
    assert advice is not None
    followed = eval(advice.group(), {"cohort": coded})
    assert np.array_equal(followed.reward, cohort.reward)
    pairs = re.findall(r"reward:(\S+)=([01])", str(caught.value))
    assert [(np.float32(value), code) for value, code in pairs] == [
        (np.float32(low), "0"), (np.float32(high), "1")
    ]  # fmt: skip


def test_other_rewards_are_named_and_no_recoding_is_guessed() -> None:
    cohort = planted("model_based", 1, 350)
    graded = cohort.assign(reward=cohort.reward + (cohort.reward == 1) * cohort.choice)
    with pytest.raises(InputError, match=r"have 3 values \(0, 1, 2\): say which of them count"):
        fit(graded, "model_based")
    with pytest.raises(InputError, match="every reward is 3, so that there is nothing to learn"):
        fit(cohort.assign(reward=0 * cohort.reward + 3), "model_based")
    hole = cohort.assign(reward=cohort.reward.where(cohort.trial != 7))
    for name in ("model_based", "q_learning"):
        with pytest.raises(InputError, match="trial 7: reward is nan; give the outcome"):
            fit(hole, name)


def test_padding_is_no_value() -> None:
    """Odds of 0 in padding do not become the lower reward probability."""
    cohort = planted("latent_state", 2, 700)
    short = cohort.isel(session=[0], trial=slice(0, 50))
    wide = concat_cohorts([cohort, short.assign_coords(session_id=("session", ["late"]))])
    wide["p_reward"] = wide["p_reward"].where(wide.valid == 1, 0)
    known = known_values(wide.assign_attrs(task_config="{}"), find_model("latent_state"))
    for mine in known.values():
        assert (mine["p_reward_high"], mine["p_reward_low"]) == (0.8, 0.2)


@pytest.mark.parametrize("name", ["hybrid", "q_learning", "volatility", "latent_state"])
def test_a_new_problem_starts_memory_anew(name: str) -> None:
    """The same as if each problem were a session; and the switch undoes it."""
    model = find_model(name)
    cohort = planted(name, 1, 700)
    n = cohort.sizes["trial"] // 2
    halves = [cohort.isel(trial=slice(0, n)), cohort.isel(trial=slice(n, 2 * n))]
    whole = cohort.isel(trial=slice(0, 2 * n))
    number = np.broadcast_to(np.repeat([3, 9], n), whole.choice.shape)
    marked = whole.assign(problem=(("session", "trial"), number.astype("int32")))
    found = trial_log_likelihood(marked, model, {}).values
    apart = [trial_log_likelihood(half, model, {}).values for half in halves]
    assert np.array_equal(found, np.concatenate(apart, axis=1))
    on = trial_log_likelihood(marked, model, {}, across_problems=True)
    assert np.array_equal(on, trial_log_likelihood(whole, model, {}))
    assert not np.array_equal(on, found)
    by_numpy = trial_log_likelihood(marked, model, {}, executor="numpy")
    np.testing.assert_allclose(by_numpy, found, atol=1e-10)


def test_fits_say_what_memory_did_and_everything_after_follows() -> None:
    cohort = planted("hybrid", 3, 700)
    number = (np.arange(cohort.sizes["trial"]) // 20).astype("int32")
    shape = cohort.choice.shape
    marked = cohort.assign(problem=(("session", "trial"), np.broadcast_to(number, shape)))
    a = fit(marked, "hybrid")
    b = fit(marked, "hybrid", across_problems=True)
    assert (a.attrs["across_problems"], a.attrs["memory_restarts"]) == (0, "session, problem")
    assert (b.attrs["across_problems"], b.attrs["memory_restarts"]) == (1, "session")
    np.testing.assert_array_equal(b.estimate, fit(cohort, "hybrid").estimate)
    assert not np.allclose(a.estimate, b.estimate, atol=0.01)
    simulated = {k: predict(marked, f, seed=1) for k, f in (("a", a), ("b", b))}
    assert np.array_equal(simulated["a"].problem, marked.problem)
    assert not np.array_equal(simulated["a"].choice, simulated["b"].choice)
    values = [model_signals(marked, f).value.values for f in (a, b)]
    fresh = values[0][0, :, ::20, 0]
    assert (fresh == 0).all()
    assert not (values[1][0, :, ::20, 0] == 0).all()
    group = fit_hierarchical(marked, "hybrid")
    assert group.attrs["memory_restarts"] == "session, problem"
    apart = cross_validate(marked, ["hybrid"]).log_likelihood
    assert not np.allclose(apart, cross_validate(marked, ["hybrid"], across_problems=True)
                           .log_likelihood)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_temperatures_of_subjects_with_problems_are_recovered(seed: int) -> None:
    """Objects are new in every problem of 25 trials: 4 is planted, and memory that runs on errs."""
    design = bandit_design(4, 2000, length=200, seed=seed)
    number = (np.arange(200) // 25).astype("int32")
    shape = design.choice.shape
    design["problem"] = (("session", "trial"), np.broadcast_to(number, shape).copy())
    cohort = simulate_design(design, "q_learning", {f"a{k}": {} for k in range(4)}, seed=seed)
    right = fit(cohort, "q_learning").estimate.sel(parameter="inverse_temperature")
    assert (abs(np.log(right / 4.0)) < 0.25).all()
    wrong = fit(cohort, "q_learning", across_problems=True)
    assert (wrong.log_likelihood < fit(cohort, "q_learning").log_likelihood - 3).all()


def test_problems_of_whole_sessions_change_nothing() -> None:
    """A restless bandit's problem is its volatility, the same all session long."""
    cohort = planted("q_learning", 2, 1000)
    kinds = np.arange(cohort.sizes["session"]) % 2
    marked = cohort.assign(problem=(("session", "trial"),
                                    np.repeat(kinds[:, None], 200, 1).astype("int32")))  # fmt: skip
    a, b = fit(cohort, "q_learning"), fit(marked, "q_learning")
    xr.testing.assert_identical(a, b)


def test_forced_second_choices_are_no_responses() -> None:
    """Learned from, not predicted, imposed again in simulations, and not counted."""
    model = find_model("hybrid_human")
    cohort = planted("hybrid_human", 2, 400, inverse_temperature_second=3.0)
    rng = np.random.default_rng(0)
    forced = (rng.random(cohort.choice.shape) < 0.4).astype("int8")
    made = np.where(forced == 1, rng.integers(0, 2, forced.shape), cohort.choice2)
    marked = cohort.assign(forced2=(("session", "trial"), forced),
                           choice2=(("session", "trial"), made.astype("int8")))  # fmt: skip
    logs = trial_log_likelihood(marked, model, {})
    assert np.array_equal(logs.isnull().isel(choice_number=1), forced == 1)
    assert logs.isel(choice_number=0).notnull().all()
    unmarked = trial_log_likelihood(marked.drop_vars("forced2"), model, {})
    assert np.array_equal(logs.where(logs.notnull(), 0), unmarked.where(logs.notnull(), 0))
    result = fit(marked, model)
    assert result.n.values.tolist() == (2 * 400 - forced.sum(axis=1)).tolist()
    again = predict(marked, result)
    assert np.array_equal(again.choice2.values[forced == 1], made[forced == 1])
    assert np.array_equal(again.forced2, forced)


@pytest.mark.parametrize("seed", range(3))
def test_temperatures_are_recovered_with_forced_second_choices(seed: int) -> None:
    design = human_design(6, 500, seed)
    rng = np.random.default_rng(seed)
    forced = (rng.random(design.choice.shape) < 0.3).astype("int8")
    design["forced2"] = (("session", "trial"), forced)
    design["choice2"] = (("session", "trial"), rng.integers(0, 2, forced.shape).astype("int8"))
    cohort = simulate_design(design, "hybrid_human", {f"a{k}": {} for k in range(6)}, seed=seed)
    parameter = "inverse_temperature_second"
    right = fit(cohort, "hybrid_human").estimate.sel(parameter=parameter)
    wrong = fit(cohort.drop_vars("forced2"), "hybrid_human").estimate.sel(parameter=parameter)
    assert abs(float(np.log(right / 4.0).mean())) < 3 * 0.15 / np.sqrt(6)
    assert (wrong < 0.85 * right).all()


def test_learning_sets_are_refused_with_a_way_out_that_works() -> None:
    """Objects change sides: planted .5 comes back by object, and by side it is refused."""
    rng = np.random.default_rng(0)
    n_sessions, n_trials = 200, 6
    good = rng.integers(0, 2, (n_sessions, n_trials))
    right, reward = np.zeros(good.shape), np.zeros(good.shape)
    for s in range(n_sessions):
        q = [0.5, 0.5]
        for t in range(n_trials):
            c = int(rng.random() < 1 / (1 + np.exp(-4 * (q[1] - q[0]))))
            right[s, t], reward[s, t] = c, c
            q[c] += 0.5 * (c - q[c])
    side = np.where(right == 1, good, 1 - good)
    cohort = make_cohort({"choice": side, "reward": reward, "correct": right},
                         subject=["a"] * n_sessions, task="harlow", source="animal")  # fmt: skip
    with pytest.raises(InputError, match="is of learning sets: a choice is a side") as caught:
        fit(cohort, "q_learning")
    advice = re.search(r"cohort\.assign\(.*?'bandit-of-objects'\)", str(caught.value))
    assert advice is not None
    objects = eval(advice.group(), {"cohort": cohort})
    result = fit(objects, "q_learning", fixed={"bias": 0.0}).isel(subject=0)
    rate = result.sel(parameter="learning_rate")
    assert abs(float(rate.estimate) - 0.5) < 3 * float(rate.standard_error) < 0.5


@pytest.mark.parametrize("task", ["harlow-pixels", "learning set", "Learning_Set", "monkeys"])
def test_kinds_of_task_that_no_model_plays_are_refused(task: str) -> None:
    rng = np.random.default_rng(1)
    better = rng.integers(0, 2, (10, 12))
    choice = rng.integers(0, 2, (10, 12))
    right = (choice == better).astype(int)
    problem = np.broadcast_to(np.arange(12) // 6, choice.shape)
    variables = {"choice": choice, "reward": right, "correct": right, "problem": problem}
    cohort = make_cohort(variables, subject=["a"] * 10, task=task, source="animal")
    refused = "no kind of task is known" if task == "monkeys" else "learning set"
    for name in ("q_learning", "reversal_hmm"):
        with pytest.raises(InputError, match=refused):
            fit(cohort, name)
    with pytest.raises(InputError, match=r"learning.set|kind of task"):
        choose_models(cohort)
    with pytest.raises(InputError, match=refused):
        cross_validate(cohort, "q_learning")
    arms = cohort.assign_attrs(task="bandit")
    assert fit(arms, "q_learning").sizes["subject"] == 1
    pictures = arms.assign(stimulus=(("session", "trial"), better.astype("int32")))
    with pytest.raises(InputError, match="objects, which change sides"):
        fit(pictures, "q_learning")
    still = arms.assign(stimulus=(("session", "trial"), np.array(problem, "int32")))
    assert fit(still, "q_learning").sizes["subject"] == 1


def test_recorded_learning_sets_are_refused() -> None:
    cohort = nm.record("harlow", n_sessions=3, activity=False)
    with pytest.raises(InputError, match="is of learning sets"):
        fit(cohort, "q_learning")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: fit("synthetic-rats", "hybrid"), "got the name 'synthetic-rats'; give"),
        (lambda c: fit(c.to_dataframe(), "hybrid"), "got DataFrame; neuro_metarl.from_dataframe"),
        (lambda c: choose_models("x"), "got the name 'x'"),
        (lambda c: cross_validate("x", "hybrid"), "got the name 'x'"),
        (lambda c: fit_hierarchical("x", "hybrid"), "got the name 'x'"),
        (lambda c: trial_log_likelihood("x", "hybrid", {}), "got the name 'x'"),
        (lambda c: simulate_design("x", "hybrid", {"a": {}}), "got the name 'x'"),
        (lambda c: confusion("hybrid", "x"), "got the name 'x'"),
        (lambda c: choose_models(c, []), "no models were named"),
    ],
)
def test_what_is_no_cohort_is_named(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(planted("model_based", 2, 350))


def test_one_name_is_enough() -> None:
    cohort = planted("model_based", 2, 700)
    assert [m.name for m in choose_models(cohort, "hybrid")] == ["hybrid"]
    one = cross_validate(cohort, "model_based", n_folds=2)
    xr.testing.assert_identical(one, cross_validate(cohort, ["model_based"], n_folds=2))
    assert confusion("model_based", cohort, n_subjects=2).confusion.shape == (1, 1)
    assert find_models(find_model("hybrid"))[0].name == "hybrid"


def test_outcomes_that_cannot_be_drawn_anew_are_refused() -> None:
    cohort = planted("hybrid_human", 2, 200)
    result = fit(cohort, "hybrid_human")
    two = cohort.isel(option=[0, 1])
    with pytest.raises(InputError, match=r"p_reward has 2 options; model 'hybrid_human' plays 4"):
        predict(two, result)
    arms = planted("q_learning", 2, 400)
    three = arms.assign(reward=arms.reward + 0.5 * arms.choice)
    with pytest.raises(InputError, match="rewards have 4 values; p_reward says how often"):
        predict(three, fit(three, "q_learning"))


def test_predictions_pay_what_the_data_pay() -> None:
    cohort = planted("q_learning", 2, 2000)
    paid = cohort.assign(reward=(2 + 3 * cohort.reward))
    result = fit(paid, "q_learning")
    again = predict(paid, result, seed=3)
    assert np.unique(again.reward).tolist() == [2, 5]
    assert float((again.reward == 5).mean()) == pytest.approx(
        float((paid.reward == 5).mean()), abs=0.05
    )


@pytest.mark.parametrize("name", list_models())
def test_every_model_reads_its_own_trials(name: str) -> None:
    """Whatever is listed can be planted, played and read."""
    cohort = planted(name, 1, 200)
    trials = trials_of(cohort, find_model(name))
    assert np.isfinite(trials.reward).all()
