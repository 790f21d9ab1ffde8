"""The likelihood: against plain loops written here, between executors, and what masks do."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.cohort import concat_cohorts, make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.models.climbing import make_problem
from neuro_metarl.models.likelihood import STEP, evaluate, log_odds, trial_log_likelihood
from neuro_metarl.models.model import Model, Parameter, Trial, find_model, list_models
from neuro_metarl.models.recovery import simulate_design
from neuro_metarl.models.trials import known_values, trials_of
from tests.designs import bandit_design, human_design, two_step_design

MODELS = [find_model(name) for name in list_models()]


def design_for(model: Model, n_subjects: int = 1, n_trials: int = 300, seed: int = 0) -> xr.Dataset:
    if model.n_choices == 2:
        return human_design(n_subjects, n_trials, seed)
    if "state" in model.needs:
        return two_step_design("wang", n_subjects, n_trials, seed)
    return bandit_design(n_subjects, n_trials, 100, seed=seed)


def some_values(model: Model, seed: int = 0) -> dict[str, float]:
    """Values inside of every range, none at its default."""
    rng = np.random.default_rng(seed)
    return {
        p.name: float(p.natural(np.array(p.unconstrained(p.default) * 0.7 + rng.normal(0, 0.5))))
        for p in model.parameters
        if p.free
    }


def played(model: Model, n_subjects: int = 1, n_trials: int = 300, seed: int = 0) -> xr.Dataset:
    values = {f"a{k}": some_values(model, seed + k) for k in range(n_subjects)}
    return simulate_design(design_for(model, n_subjects, n_trials, seed), model, values, seed=seed)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_both_executors_give_the_same_log_odds(model: Model) -> None:
    """To 1e-12, on sessions of unequal length, for several parameter vectors."""
    cohort = played(model)
    cohort["valid"][0, 60:] = 0
    cohort["valid"][0, 10] = 0
    cohort = cohort.where(cohort.valid == 1, cohort.assign(choice=-1 + 0 * cohort.choice))
    cohort = cohort.assign(valid=cohort.valid.astype("int8"))
    trials = trials_of(cohort, model)
    theta = np.array(
        [list(model.planted(**some_values(model, s)).values.values()) for s in range(3)]
    )
    a, b = (log_odds(model, trials, 0, theta, executor=e) for e in ("numba", "numpy"))  # type: ignore[arg-type]
    assert a.shape == (3, model.n_choices, int(cohort.valid.sum()))
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert np.ptp(a) > 0.1


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_gradient_and_information_by_central_differences(model: Model) -> None:
    """The Jacobian of the log odds by forward differences, against central ones, to 1e-5."""
    cohort = played(model)
    trials = trials_of(cohort, model)
    problem, _, _ = make_problem(model, trials, {})
    values = some_values(model)
    x0 = np.array([p.unconstrained(values[p.name]) for p in problem.free])
    eye = np.eye(len(x0))
    points = problem.full(0, x0 + STEP * np.concatenate([0 * eye[:1], eye]))
    odds = log_odds(model, trials, 0, points)
    ahead, behind = (
        log_odds(model, trials, 0, problem.full(0, x0 + h * eye)) for h in (1e-5, -1e-5)
    )
    slopes = (ahead - behind) / 2e-5
    forward = (odds[1:] - odds[0]) / STEP
    assert np.abs(forward - slopes).max() < 1e-5 * max(1, np.abs(slopes).max())
    x = odds[0]
    y = np.stack([trials.choice, trials.choice2])[: model.n_choices]
    p = 1 / (1 + np.exp(-x))
    for executor in ("numba", "numpy"):
        value, score, information = evaluate(
            model, trials, np.array([0]), points[None], executor=executor  # type: ignore[arg-type]
        )  # fmt: skip
        assert value[0] == pytest.approx((y * x - np.logaddexp(0, x)).sum(), rel=1e-12)
        near = 1e-5 if model.parts else 1e-6
        assert score[0] == pytest.approx(np.einsum("kct,ct->k", forward, y - p), rel=near, abs=near)
        if model.parts:  # missing information, see test_session_models
            continue
        expected = np.einsum("kct,ct,jct->kj", forward, p * (1 - p), forward)
        np.testing.assert_allclose(information[0], expected, rtol=1e-6, atol=1e-6)


Row = tuple[int, int, int, float, bool]


def rows_of(cohort: xr.Dataset) -> list[Row]:
    """Choice, state, choice2, reward and whether a session begins, in order."""
    found = []
    for s in range(cohort.sizes["session"]):
        for t in range(cohort.sizes["trial"]):
            get = {n: cohort[n].values[s, t] for n in ("choice", "state", "choice2", "reward")
                   if n in cohort}  # fmt: skip
            found.append((
                int(get["choice"]), int(get.get("state", 0)), int(get.get("choice2", 0)),
                float(get["reward"]), t == 0,
            ))  # fmt: skip
    return found


def bernoulli(x: float, y: int) -> float:
    return -math.log1p(math.exp(-x)) if y else -math.log1p(math.exp(x))


def loop_hybrid(rows: list[Row], v: dict[str, float], pc: float = 0.8) -> float:
    total = 0.0
    for c, s, _, r, new in rows:
        if new:
            q, u, last = [0.0, 0.0], [0.0, 0.0], 0
        planned = [pc * u[0] + (1 - pc) * u[1], (1 - pc) * u[0] + pc * u[1]]
        w = v["weight_model_based"]
        net = [w * planned[k] + (1 - w) * q[k] for k in (0, 1)]
        x = v["inverse_temperature"] * (net[1] - net[0]) + v["perseveration"] * last + v["bias"]
        total += bernoulli(x, c)
        d1, d2 = u[s] - q[c], r - u[s]
        q[c] += v["learning_rate_first"] * (d1 + v["eligibility_trace"] * d2)
        u[s] += v["learning_rate_second"] * d2
        last = 2 * c - 1
    return total


def loop_human(rows: list[Row], v: dict[str, float], pc: float = 0.7) -> float:
    total = 0.0
    for c, s, d, r, new in rows:
        if new:
            q, u, last = [0.0, 0.0], [[0.0, 0.0], [0.0, 0.0]], 0
        best = [max(u[0]), max(u[1])]
        planned = [pc * best[0] + (1 - pc) * best[1], (1 - pc) * best[0] + pc * best[1]]
        w = v["weight_model_based"]
        net = [w * planned[k] + (1 - w) * q[k] for k in (0, 1)]
        x = v["inverse_temperature_first"] * (net[1] - net[0]) + v["perseveration"] * last
        total += bernoulli(x, c)
        total += bernoulli(v["inverse_temperature_second"] * (u[s][1] - u[s][0]), d)
        d1, d2 = u[s][d] - q[c], r - u[s][d]
        q[c] += v["learning_rate_first"] * (d1 + v["eligibility_trace"] * d2)
        u[s][d] += v["learning_rate_second"] * d2
        last = 2 * c - 1
    return total


def loop_mixture_2017(rows: list[Row], v: dict[str, float], pc: float = 0.8) -> float:
    total = 0.0
    for c, s, _, r, new in rows:
        if new:
            m, q, f, last, novel = [0.5, 0.5], [0.5, 0.5], [0.5, 0.5], 0, 0
        planned = (2 * pc - 1) * (m[1] - m[0])
        x = (
            v["weight_model_based"] * planned + v["weight_model_free"] * (q[1] - q[0])
            + v["weight_novelty"] * novel + v["weight_perseveration"] * last + v["bias"]
        )  # fmt: skip
        total += bernoulli(x, c)
        for values, rate in ((m, v["learning_rate_model_based"]),
                             (f, v["learning_rate_model_free"])):  # fmt: skip
            values[s] += rate * (r - values[s])
            values[1 - s] += rate * (1 - r - values[1 - s])
        rate = v["learning_rate_model_free"]
        q[c] += rate * (f[s] - q[c]) + rate * 1.0 * (r - f[s])
        last = 2 * c - 1
        novel = last * (1 if s == c else -1)
    return total


def loop_latent(rows: list[Row], v: dict[str, float], pc: float = 0.8) -> float:
    total = 0.0
    for c, s, _, r, new in rows:
        if new:
            p, last = 0.5, 0
        x = v["inverse_temperature"] * (2 * pc - 1) * (2 * p - 1)
        total += bernoulli(x + v["perseveration"] * last + v["bias"], c)
        good = 0.9 if r else 0.1
        one, zero = (good, 1 - good) if s == 1 else (1 - good, good)
        p = one * p / (one * p + zero * (1 - p))
        p = p * (1 - v["hazard"]) + (1 - p) * v["hazard"]
        last = 2 * c - 1
    return total


def loop_kalman(rows: list[Row], v: dict[str, float], _: float = 0) -> float:
    total = 0.0
    for c, _s, _d, r, new in rows:
        if new:
            mean, variance, last = [0.5, 0.5], [0.1, 0.1], 0
        x = v["inverse_temperature"] * (mean[1] - mean[0]) + v["weight_uncertainty"] * (
            math.sqrt(variance[1]) - math.sqrt(variance[0])
        )
        total += bernoulli(x + v["perseveration"] * last + v["bias"], c)
        gain = variance[c] / (variance[c] + 0.2)
        mean[c] += gain * (r - mean[c])
        variance[c] *= 1 - gain
        mean = [v["decay"] * m + (1 - v["decay"]) / 2 for m in mean]
        variance = [v["decay"] ** 2 * s + v["variance_drift"] for s in variance]
        last = 2 * c - 1
    return total


def loop_hgf(rows: list[Row], v: dict[str, float], _: float = 0) -> float:
    """The classical three levels, mean of the third first."""
    total = 0.0
    for c, _s, _d, r, new in rows:
        if new:
            m2, s2, m3, s3, last = 0.0, 1.0, 0.0, 1.0, 0
        p = 1 / (1 + math.exp(-m2))
        x = v["inverse_temperature"] * (2 * p - 1) + v["perseveration"] * last + v["bias"]
        total += bernoulli(x, c)
        u = 1 if c == r else 0
        var = math.exp(m3 + v["log_volatility"])
        pi2_hat = 1 / (s2 + var)
        pi2 = pi2_hat + p * (1 - p)
        m2_new = m2 + (u - p) / pi2
        w, d2 = var * pi2_hat, (1 / pi2 + (m2_new - m2) ** 2) * pi2_hat - 1
        pi3_hat = 1 / (s3 + 0.1)
        m3_new = min(max(m3 + 0.5 * w * d2 / pi3_hat, -6), 6)
        var = math.exp(m3_new + v["log_volatility"])
        w = var / (s2 + var)
        d2 = (1 / pi2 + (m2_new - m2) ** 2) / (s2 + var) - 1
        ratio = (var - s2) / (var + s2)
        pi3 = pi3_hat + max(0, 0.5 * w * w + 0.5 * w * ratio * d2)
        m2, s2, m3, s3 = min(max(m2_new, -8), 8), 1 / pi2, m3_new, 1 / pi3
        last = 2 * c - 1
    return total


LOOPS: dict[str, Callable[..., float]] = {
    "hybrid": loop_hybrid, "hybrid_human": loop_human, "mixture_2017": loop_mixture_2017,
    "latent_state": loop_latent, "kalman": loop_kalman, "hgf": loop_hgf,
}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", LOOPS)
def test_the_likelihood_is_the_plain_loops(name: str, seed: int) -> None:
    """To 1e-10, written with branches and lists from the equations."""
    model = find_model(name)
    cohort, values = played(model, seed=seed), some_values(model, seed + 10)
    expected = LOOPS[name](rows_of(cohort), values)
    total = float(trial_log_likelihood(cohort, name, values).sum())
    assert total == pytest.approx(expected, abs=1e-10 * abs(expected))
    habit = "weight_perseveration" if name == "mixture_2017" else "perseveration"
    shifted = LOOPS[name](rows_of(cohort), values | {habit: values[habit] + 1})
    assert abs(shifted - expected) > 1


def test_invalid_trials_do_not_exist() -> None:
    """Deleting rows and marking them invalid give the same log odds for the rest."""
    model = find_model("hybrid")
    cohort = played(model)
    holes = np.random.default_rng(0).random(cohort.valid.shape) < 0.2
    marked = cohort.copy(deep=True)
    for name in ("choice", "state", "common", "correct"):
        marked[name] = marked[name].where(~holes, -1).astype("int8")
    marked["valid"] = marked["valid"].where(~holes, 0).astype("int8")
    theta = np.array([list(model.planted(**some_values(model)).values.values())])
    a = log_odds(model, trials_of(marked, model), 0, theta)[0, 0]
    parts = [cohort.isel(session=[s], trial=np.flatnonzero(~holes[s])) for s in range(3)]
    b = log_odds(model, trials_of(concat_cohorts(parts), model), 0, theta)[0, 0]
    assert np.array_equal(a, b)
    assert len(a) == (~holes).sum()


def test_forced_trials_teach_but_do_not_count() -> None:
    model = find_model("hybrid")
    cohort, values = played(model), some_values(model)
    forced = cohort.assign(forced=cohort.forced.copy())
    forced["forced"][:, 20:30] = 1
    free = trial_log_likelihood(cohort, model, values)
    seen = trial_log_likelihood(forced, model, values)
    assert np.isnan(seen.values[:, 20:30]).all()
    assert np.array_equal(seen.values[:, 30:], free.values[:, 30:])
    dropped = cohort.isel(trial=np.r_[0:20, 30:100])
    unseen = trial_log_likelihood(dropped, model, values)
    assert not np.allclose(unseen.values[:, 20:22], free.values[:, 30:32])


def test_memory_starts_anew_with_every_session() -> None:
    """And a negative control: one long session is another likelihood."""
    model, values = find_model("hybrid"), some_values(find_model("hybrid"))
    cohort = played(model)
    together = trial_log_likelihood(cohort, model, values)
    for s in range(3):
        alone = trial_log_likelihood(cohort.isel(session=[s]), model, values)
        assert np.array_equal(alone.values[0], together.values[s])
    names = ("choice", "state", "common", "reward")
    joined = make_cohort(
        {n: cohort[n].values.reshape(1, -1).astype(float) for n in names},
        subject=["a0"], task="two-step", source="model",
        attrs={"task_config": cohort.attrs["task_config"]},
    )  # fmt: skip
    long = trial_log_likelihood(joined, model, values).values.reshape(3, -1)
    assert np.array_equal(long[0], together.values[0])
    assert not np.allclose(long[1], together.values[1])


def test_the_other_mapping_is_relabelled_first() -> None:
    """Swapping the states of every trial of a subject changes nothing."""
    model, values = find_model("hybrid"), some_values(find_model("hybrid"))
    cohort = played(model)
    other = cohort.assign(state=1 - cohort.state)
    a, b = (trial_log_likelihood(c, model, values).values for c in (cohort, other))
    assert np.array_equal(a, b)
    mixed = cohort.copy(deep=True)
    mixed["state"][0] = 1 - mixed["state"][0]
    with pytest.raises(InputError, match="the common transition changes sides"):
        trial_log_likelihood(mixed, model, values)
    assert trial_log_likelihood(mixed, "akam_model_based", {}).notnull().all()


def test_what_the_task_says_is_taken_from_it() -> None:
    wang = played(find_model("latent_state"))
    told = {"p_common": 0.8, "p_reward_high": 0.9, "p_reward_low": 0.1}
    (subject,) = set(wang.subject.values.tolist())
    assert known_values(wang, find_model("latent_state")) == {subject: told}
    silent = wang.assign_attrs(task_config="{}")
    known = known_values(silent, find_model("latent_state"))[subject]
    assert known["p_common"] == pytest.approx(float((wang.common == 1).mean()), abs=1e-3)
    assert (known["p_reward_high"], known["p_reward_low"]) == (0.9, 0.1)


def _greedy(memory: Any, trial: Trial, theta: Any) -> Any:
    (value,) = memory
    return (theta.pull * value,), (value + theta.speed * (2 * trial.choice - 1 - value),)


def test_a_model_of_ones_own_is_a_function_and_ranges() -> None:
    mine = Model(
        "mine", (Parameter("pull", "real", 1.0), Parameter("speed", "unit", 0.3)), (0.0,), _greedy,
        needs=(),
    )  # fmt: skip
    cohort = simulate_design(bandit_design(3, 1000), mine, {"a": {"pull": 1.5, "speed": 0.4}})
    total = 0.0
    for session in cohort.choice.values:
        value = 0.0
        for c in session:
            total += bernoulli(1.5 * value, int(c))
            value += 0.4 * (2 * c - 1 - value)
    got = trial_log_likelihood(cohort, mine, {"pull": 1.5, "speed": 0.4}).sum()
    assert float(got) == pytest.approx(total, rel=1e-12)
