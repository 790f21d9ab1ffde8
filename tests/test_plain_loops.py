"""Every public measure of choices equals a plain loop on ragged cohorts, and is invariant."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_metarl.behavior.bandits import first_arms, regret, suboptimal_pulls, win_stay
from neuro_metarl.behavior.learning_sets import learning_curve, mean_learning_curve
from neuro_metarl.behavior.learning_signatures import learning_set_profile
from neuro_metarl.behavior.navigation import goal_latency
from neuro_metarl.behavior.profiles import bandit_profile, profile, summarize_responses
from neuro_metarl.behavior.reward_levels import lagged_by_reward, stay_by_reward
from neuro_metarl.behavior.two_step import (
    INDICES,
    lagged_regression,
    one_back_regression,
    stay_probability,
)
from neuro_metarl.cohort import concat_cohorts, select_subjects, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.regression import fit_logistic
from tests.plain_loops import (
    TERMS,
    Trial,
    lagged_loop,
    mean_of_known,
    one_back_loop,
    pairs,
    problems_loop,
    ragged,
    regret_loop,
    seeds,
    sessions_of,
    stay_loop,
    term_of,
    win_stay_loop,
)

hows = st.fixed_dictionaries({"across_problems": st.booleans(), "adjacent": st.booleans()})
borders = st.sampled_from([0.0, 0.5])
FEW = settings(max_examples=25, deadline=None)


def quietly(measure: Callable[..., xr.Dataset], *args: object, **options: object) -> xr.Dataset:
    """Measure, letting regressions of ten trials warn that they have no estimate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return measure(*args, **options)


def value(result: xr.DataArray) -> np.ndarray:
    return result.sel(statistic="value").values


def someone_never_responds(cohort: xr.Dataset, how: dict[str, bool]) -> bool:
    """Whether a subject has no response with a trial before it; then the measures refuse."""
    return any(not list(pairs(s, **how)) for s in sessions_of(cohort).values())


def check_intervals(variable: xr.DataArray, low: float = -np.inf, high: float = np.inf) -> None:
    ends = [variable.sel(statistic=edge).values for edge in ("low", "high")]
    known = np.isfinite(ends[0])
    assert (known == np.isfinite(ends[1])).all(), "two or three sessions have neither end"
    assert not (known & np.isnan(value(variable))).any()
    assert (ends[0][known] <= value(variable)[known] + 1e-12).all()
    assert (value(variable)[known] <= ends[1][known] + 1e-12).all()
    assert (ends[0][known] >= low).all()
    assert (ends[1][known] <= high).all()


@FEW
@given(seed=seeds, how=hows, rewarded=borders)
def test_stay_probability(seed: int, how: dict[str, bool], rewarded: float) -> None:
    cohort = ragged(seed)
    if someone_never_responds(cohort, how):
        with pytest.raises(InputError, match="has no response"):
            stay_probability(cohort, **how)
        return
    result = stay_probability(cohort, rewarded=rewarded, **how)
    check_intervals(result.stay_probability, 0, 1)
    for name, sessions in sessions_of(cohort).items():
        expected = stay_loop(sessions, rewarded, **how)
        mine = result.sel(subject=name)
        np.testing.assert_allclose(value(mine.stay_probability), [expected[t][0] for t in TERMS])
        assert mine.n.values.tolist() == [expected[t][1] for t in TERMS]
    assert result.attrs["rewarded"] == rewarded
    assert {k: result.attrs[k] for k in how} == how


@FEW
@given(seed=seeds, trial=st.integers(1, 8))
def test_stay_probability_of_one_trial(seed: int, trial: int) -> None:
    cohort = ragged(seed)
    how = {"across_problems": False, "adjacent": False}
    loops = {n: stay_loop(s, 0.0, trial, **how) for n, s in sessions_of(cohort).items()}
    if not all(any(n for _, n in found.values()) for found in loops.values()):
        with pytest.raises(InputError, match="has no response"):
            stay_probability(cohort, trial=trial)
        return
    result = stay_probability(cohort, trial=trial)
    for name, found in loops.items():
        assert result.n.sel(subject=name).values.tolist() == [found[t][1] for t in TERMS]


@FEW
@given(seed=seeds, how=hows, rewarded=borders, correct=st.booleans())
def test_one_back_regression(
    seed: int, how: dict[str, bool], rewarded: float, correct: bool
) -> None:
    cohort = ragged(seed)
    if someone_never_responds(cohort, how):
        with pytest.raises(InputError, match="has no response"):
            one_back_regression(cohort, **how)
        return
    result = quietly(one_back_regression, cohort, correct=correct, rewarded=rewarded, **how)
    for name, sessions in sessions_of(cohort).items():
        design, stayed = one_back_loop(sessions, rewarded, correct=correct, **how)
        mine = result.sel(subject=name)
        assert int(mine.n) == len(design)
        found = fit_logistic(design, stayed)
        np.testing.assert_allclose(value(mine.one_back), found.weights, atol=1e-7)
        assert bool(found.problem) <= bool(str(mine.problem.item()))


@FEW
@given(seed=seeds, how=hows, rewarded=borders, n_lags=st.integers(1, 4))
def test_lagged_regression(seed: int, how: dict[str, bool], rewarded: float, n_lags: int) -> None:
    cohort = ragged(seed)
    result = quietly(lagged_regression, cohort, n_lags=n_lags, rewarded=rewarded, **how)
    for name, sessions in sessions_of(cohort).items():
        design, chosen = lagged_loop(
            sessions, list(TERMS), lambda t: term_of(t, rewarded), n_lags, **how
        )
        mine = result.sel(subject=name)
        assert int(mine.n) == len(design)
        weights = fit_logistic(design, chosen).weights
        np.testing.assert_allclose(value(mine.bias), weights[0], atol=1e-6)
        table = weights[1:].reshape(4, n_lags)
        np.testing.assert_allclose(value(mine.lagged_weight), table, atol=1e-6)
        for index, signs in INDICES.items():
            np.testing.assert_allclose(
                value(mine[index]), (np.array(signs)[:, None] * table).sum(), atol=1e-5
            )
        if np.isfinite(weights).all():
            check_intervals(mine.lagged_weight)


@FEW
@given(seed=seeds, how=hows)
def test_measures_by_reward_level(seed: int, how: dict[str, bool]) -> None:
    cohort = ragged(seed, task="bandit").drop_vars("stimulus")
    if someone_never_responds(cohort, how):
        with pytest.raises(InputError, match="has no response"):
            stay_by_reward(cohort, **how)
        return
    result = stay_by_reward(cohort, **how)
    check_intervals(result.stay_probability, 0, 1)
    fitted = quietly(lagged_by_reward, cohort, n_lags=2, **how)
    levels = result.level.values.tolist()
    assert set(levels) == {0.0, 0.5, 1.0}
    for name, sessions in sessions_of(cohort).items():
        for level in levels:
            stayed = [
                now["choice"] == last["choice"]
                for _, now, last in pairs(sessions, **how)
                if last["reward"] == level
            ]
            one = result.sel(subject=name, level=level)
            assert int(one.n) == len(stayed)
            expected = np.mean(stayed) if stayed else np.nan
            np.testing.assert_allclose(value(one.stay_probability), expected)
        design, chosen = lagged_loop(sessions, levels, lambda t: float(t["reward"]), 2, **how)
        weights = fit_logistic(design, chosen).weights[1:].reshape(3, 2)
        np.testing.assert_allclose(
            value(fitted.lagged_weight.sel(subject=name)), weights, atol=1e-6
        )


@FEW
@given(seed=seeds, how=hows, rewarded=borders, by=st.sampled_from(["choice", "object"]))
def test_win_stay(seed: int, how: dict[str, bool], rewarded: float, by: str) -> None:
    cohort = ragged(seed, task="bandit")
    how = how | {"across_problems": how["across_problems"] and by == "choice"}
    loops = {n: win_stay_loop(s, rewarded, by, **how) for n, s in sessions_of(cohort).items()}
    if not all(stays and shifts for stays, shifts in loops.values()):
        with pytest.raises(InputError, match="has no response after a reward"):
            win_stay(cohort, by=by, rewarded=rewarded, **how)  # type: ignore[arg-type]
        return
    result = win_stay(cohort, by=by, rewarded=rewarded, **how)  # type: ignore[arg-type]
    assert result.attrs["by"] == by
    for name, (stays, shifts) in loops.items():
        mine = result.sel(subject=name)
        np.testing.assert_allclose(value(mine.win_stay), np.mean(stays))
        np.testing.assert_allclose(value(mine.lose_shift), np.mean(shifts))
        assert [int(mine.n_rewarded), int(mine.n_omitted)] == [len(stays), len(shifts)]
    check_intervals(result.win_stay, 0, 1)
    check_intervals(result.lose_shift, 0, 1)


@FEW
@given(seed=seeds)
def test_regret_and_suboptimal_pulls(seed: int) -> None:
    cohort = ragged(seed, task="bandit")
    result, pulls = regret(cohort), suboptimal_pulls(cohort)
    check_intervals(result.regret, 0)
    check_intervals(pulls.suboptimal, 0, 1)
    for name, sessions in sessions_of(cohort).items():
        table, totals = regret_loop(sessions)
        mine, of_pulls = result.sel(subject=name), pulls.sel(subject=name)
        total, n_sessions = mean_of_known(totals)
        np.testing.assert_allclose(value(mine.total_regret), total, atol=1e-9)
        assert int(mine.n_sessions) == n_sessions
        for trial in range(cohort.sizes["trial"]):
            mean, n = mean_of_known([row[trial] for row in table])
            np.testing.assert_allclose(value(mine.regret)[trial], mean, atol=1e-9)
            assert int(mine.n[trial]) == n
            made = [s[trial] for s in sessions]
            wrong = [
                float(t["correct"] == 0) if t and not t["forced"] and t["correct"] >= 0 else np.nan
                for t in made
            ]
            mean, n = mean_of_known(wrong)
            np.testing.assert_allclose(value(of_pulls.suboptimal)[trial], mean)
            assert int(of_pulls.n[trial]) == n


@FEW
@given(seed=seeds)
def test_first_arms(seed: int) -> None:
    cohort = ragged(seed, task="bandit-eleven", n_arms=11)
    result = first_arms(cohort)
    for name, sessions in sessions_of(cohort).items():
        free = [[t for t in s if t and not t["forced"]] for s in sessions]
        mine = result.sel(subject=name)
        first = [float(s[0]["choice"] == 10) for s in free if s]
        np.testing.assert_allclose(mine.informed, np.mean(first))
        paid = [sum(float(t["reward"]) for t in s if t) for s in sessions]
        kept = [p for p, s in zip(paid, free, strict=True) if s]
        np.testing.assert_allclose(mine.total_reward, np.mean(kept))
        assert int(mine.n_sessions) == len(kept)
        for trial in range(cohort.sizes["trial"]):
            hits = [
                float(t["correct"] == 1) if t and not t["forced"] and t["correct"] >= 0 else np.nan
                for t in (s[trial] for s in sessions)
            ]
            mean, n = mean_of_known(hits)
            np.testing.assert_allclose(mine.target[trial], mean)
            assert int(mine.n[trial]) == n


@FEW
@given(seed=seeds)
def test_learning_curve(seed: int) -> None:
    cohort = ragged(seed, task="harlow")
    result = learning_curve(cohort, n_trials=4)
    by_number = learning_curve(cohort, n_trials=4, blocks="problem")
    check_intervals(result.p_correct, 0, 1)
    means = mean_learning_curve(result).p_correct
    assert ((means >= 0) & (means <= 1) | means.isnull()).all()

    def right(problems: list[list[Trial]], k: int) -> tuple[float, int]:
        rows = [p[k] for p in problems if len(p) > k]
        return mean_of_known(
            [float(t["correct"]) for t in rows if not t["forced"] and t["correct"] >= 0]
        )

    for name, sessions in sessions_of(cohort).items():
        problems = problems_loop(sessions)
        mine, numbered = result.sel(subject=name), by_number.sel(subject=name)
        assert int(mine.n_problems.sum()) == len(problems)
        for k in range(4):
            mean, n = right([trials for *_, trials in problems], k)
            np.testing.assert_allclose(value(mine.p_correct)[0, k], mean)
            assert int(mine.n[0, k]) == n
            for block in numbered.block.values:
                some = [trials for _, number, trials in problems if str(number) == block]
                mean, n = right(some, k)
                np.testing.assert_allclose(value(numbered.p_correct.sel(block=block))[k], mean)
                assert int(numbered.n.sel(block=block)[k]) == n


@FEW
@given(seed=seeds, rewarded=borders, adjacent=st.booleans())
def test_learning_set_profile(seed: int, rewarded: float, adjacent: bool) -> None:
    cohort = ragged(seed, task="harlow")
    designs = {}
    for name, sessions in sessions_of(cohort).items():
        problems = problems_loop(sessions)
        first: list[list[float]] = []
        correct: list[float] = []
        for k, (*_, trials) in enumerate(problems):
            for number, t in enumerate(trials[:6], start=1):
                if t["forced"] or t["correct"] < 0:
                    continue
                u = k / max(1, len(problems) - 1) - 0.5
                first.append([number == 1, number == 2, number >= 3, u * (number > 1)])
                correct.append(float(t["correct"]))
        seen = {id(t) for *_, trials in problems for t in trials[:6]}
        how = {"across_problems": False, "adjacent": adjacent}
        second, same = [], []
        for _, now, last in pairs(sessions, **how):
            if id(now) in seen and now["correct"] >= 0 and last["correct"] >= 0:
                won = float(last["reward"] > rewarded)
                second.append([won, 1 - won])
                same.append(float(now["correct"] == last["correct"]))
        designs[name] = (first, correct, second, same)
    fits = {
        name: [fit_logistic(np.reshape(x, (-1, c)), np.array(y)) if y else None
               for x, y, c in ((d[0], d[1], 4), (d[2], d[3], 2))]
        for name, d in designs.items()
    }  # fmt: skip
    few = any(len(problems_loop(s)) < 2 for s in sessions_of(cohort).values())
    if few or any(f is None or f.problem for pair in fits.values() for f in pair):
        with pytest.raises(InputError, match=r"leave the subject out|needs two or more"):
            learning_set_profile(cohort, rewarded=rewarded, adjacent=adjacent)
        return
    result = learning_set_profile(cohort, rewarded=rewarded, adjacent=adjacent)
    for name, (a, b) in fits.items():
        expected = [*a.weights, b.weights[0], -b.weights[1]]  # type: ignore[union-attr]
        np.testing.assert_allclose(result.profile.sel(subject=name), expected, atol=1e-7)


@FEW
@given(seed=seeds, how=hows, rewarded=borders)
def test_profiles(seed: int, how: dict[str, bool], rewarded: float) -> None:
    cohort = ragged(seed, n_subjects=1)
    (sessions,) = sessions_of(cohort).values()
    cases = (
        (profile, cohort, list(TERMS), lambda t: term_of(t, rewarded), INDICES),
        (
            bandit_profile, ragged(seed, n_subjects=1, task="bandit").drop_vars("stimulus"),
            [True, False], lambda t: bool(t["reward"] > rewarded),
            {"reward": (1, -1), "stay": (1, 1)},
        ),
    )  # fmt: skip
    for measure, one, kinds, kind_of, indices in cases:
        design, chosen = lagged_loop(sessions, kinds, kind_of, 5, **how)
        fit = fit_logistic(design, chosen)
        if fit.problem:
            with pytest.raises(InputError, match="too little variation"):
                measure(one, rewarded=rewarded, **how)  # type: ignore[operator]
            continue
        table = fit.weights[1:].reshape(len(kinds), 5)
        expected = [
            (np.array(signs)[:, None] * table[:, lags]).sum()
            for signs in indices.values()
            for lags in (slice(0, 1), slice(1, 5))
        ]
        found = measure(one, rewarded=rewarded, **how)  # type: ignore[operator]
        np.testing.assert_allclose(found.profile[0], expected, atol=1e-6)
        free = [t for s in sessions for t in s if t and not t["forced"]]
        assert found.n.item() == len(free)
        np.testing.assert_allclose(
            found.reward_rate, np.mean([float(t["reward"]) for t in free]), rtol=1e-6
        )
        told = [float(t["correct"]) for t in free if t["correct"] >= 0]
        np.testing.assert_allclose(found.p_correct, np.mean(told), rtol=1e-6)
        assert summarize_responses(one)["n"] == len(free)


@FEW
@given(seed=seeds, n_goals=st.integers(2, 4))
def test_goal_latency(seed: int, n_goals: int) -> None:
    cohort = ragged(seed, task="navigation", n_arms=4)
    goal = cohort.problem.where(cohort.problem < 0, 0) + (cohort.problem[:, :1].values % 4)
    cohort = cohort.assign(problem=goal.astype("int32"))
    result = goal_latency(cohort, n_goals=n_goals)
    for name, sessions in sessions_of(cohort).items():
        done = [s[:n_goals] for s in sessions if all(t is not None for t in s[:n_goals])]
        mine = result.sel(subject=name)
        assert int(mine.n_complete) == len(done)
        np.testing.assert_allclose(value(mine.complete), len(done) / len(sessions))
        for k in range(n_goals):
            took = [float(s[k]["t_goal"] - s[k]["t_start"]) for s in done]  # type: ignore[index]
            np.testing.assert_allclose(value(mine.latency)[k], np.mean(took) if took else np.nan)


HISTORY: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "stay_probability": lambda c: stay_probability(c),
    "one_back_regression": lambda c: one_back_regression(c, correct=True),
    "lagged_regression": lambda c: lagged_regression(c, n_lags=1),
    "stay_by_reward": lambda c: stay_by_reward(c, by="choice"),
    "lagged_by_reward": lambda c: lagged_by_reward(c, n_lags=1, by="choice"),
    "bandit_profile": lambda c: bandit_profile(c, by="choice"),
    "win_stay": lambda c: win_stay(c, by="choice"),
    "win_stay of objects": lambda c: win_stay(c, by="object"),
    "learning_set_profile": learning_set_profile,
}
MEASURES = HISTORY | {
    "regret": lambda c: regret(c),
    "suboptimal_pulls": lambda c: suboptimal_pulls(c),
    "learning_curve": lambda c: learning_curve(c),
}
ORDERED = ("learning_set_profile",)
"""Measures of change from problem to problem, for which the order of sessions is time."""


def numbers(name: str, cohort: xr.Dataset) -> xr.Dataset | None:
    """Measure; None where the cohort is refused."""
    try:
        return quietly(MEASURES[name], cohort)
    except InputError:
        return None


def assert_equal(
    name: str, a: xr.Dataset | None, b: xr.Dataset | None, *, intervals: bool = True
) -> None:
    """Hold every number of one result against the other's."""
    assert (a is None) == (b is None), name
    if a is None or b is None:
        return
    for key in a.data_vars:
        mine, other = a[key], b[key].sel(subject=a.subject)
        if "statistic" in mine.dims and not intervals:
            mine, other = mine.sel(statistic="value"), other.sel(statistic="value")
        if "trial" in mine.dims:
            shared = min(mine.sizes["trial"], other.sizes["trial"])
            for one in (mine, other):
                rest = one.isel(trial=slice(shared, None))
                assert (rest.isnull() | (rest == 0)).all()
            mine, other = (one.isel(trial=slice(0, shared)) for one in (mine, other))
        if mine.dtype.kind in "US":
            continue
        np.testing.assert_allclose(mine.values, other.values, atol=1e-6, err_msg=f"{name}.{key}")


def padded(cohort: xr.Dataset) -> xr.Dataset:
    fills = {"choice": -1, "state": -1, "common": -1, "correct": -1, "stimulus": -1, "problem": -1}
    fills |= {"valid": 0, "forced": 0, "invalid_reason": 1}
    return xr.Dataset(
        {
            k: v.pad(trial=(0, 3), constant_values=fills.get(str(k), np.nan))
            if "trial" in v.dims else v
            for k, v in cohort.data_vars.items()
        },
        attrs=cohort.attrs,
    )  # fmt: skip


def turned(cohort: xr.Dataset) -> xr.Dataset:
    return cohort.transpose("option", "trial", "session")


def split(cohort: xr.Dataset) -> xr.Dataset:
    parts = [select_subjects(cohort, name) for name in subjects_of(cohort)]
    lengths = [int((p.valid == 1).any("session").values.nonzero()[0].max()) + 1 for p in parts]
    trimmed = [p.isel(trial=slice(0, n)) for p, n in zip(parts, lengths, strict=True)]
    return concat_cohorts(trimmed[::-1])


def shuffled_sessions(cohort: xr.Dataset) -> xr.Dataset:
    return cohort.isel(session=np.random.default_rng(0).permutation(cohort.sizes["session"]))


@settings(max_examples=12, deadline=None)
@given(seed=seeds)
@pytest.mark.parametrize("name", MEASURES)
def test_what_must_not_matter(name: str, seed: int) -> None:
    cohort = ragged(seed)
    plain = numbers(name, cohort)
    assert_equal(name, plain, numbers(name, padded(cohort)))
    assert_equal(name, plain, numbers(name, turned(cohort)))
    assert_equal(name, plain, numbers(name, split(cohort)))
    if name not in ORDERED:
        shuffled = numbers(name, shuffled_sessions(cohort))
        assert_equal(name, plain, shuffled, intervals=False)


def differs(name: str, a: xr.Dataset, b: xr.Dataset) -> bool:
    try:
        assert_equal(name, numbers(name, a), numbers(name, b), intervals=False)
    except AssertionError:
        return True
    return False


def swapped_in_time(cohort: xr.Dataset) -> xr.Dataset:
    order = np.random.default_rng(1).permutation(cohort.sizes["trial"])
    return cohort.isel(trial=order)


def padding_that_counts(cohort: xr.Dataset) -> xr.Dataset:
    """What is forgotten most easily: a miss that is taken for a choice of the first option."""
    made = cohort.valid == 1
    return cohort.assign(
        valid=(made | (cohort.invalid_reason == 3)).astype("int8"),
        choice=cohort.choice.where(made, 0).astype("int8"),
        reward=cohort.reward.fillna(0.0),
        common=cohort.common.where(made, 1).astype("int8"),
        correct=cohort.correct.where(made, 0).astype("int8"),
    )


def one_subject(cohort: xr.Dataset) -> xr.Dataset:
    names = np.array([f"s{k % 2}" for k in range(cohort.sizes["session"])])
    return cohort.assign_coords(
        subject=("session", names), session_id=("session", [str(k) for k in range(len(names))])
    )


@pytest.mark.parametrize("change", [swapped_in_time, padding_that_counts, one_subject])
@pytest.mark.parametrize("name", MEASURES)
def test_what_must_matter_moves_the_numbers(
    name: str, change: Callable[[xr.Dataset], xr.Dataset]
) -> None:
    cohorts = [ragged(seed, n_subjects=2) for seed in range(8)]
    usable = [c for c in cohorts if numbers(name, c) is not None and c.sizes["session"] > 3]
    assert usable, "no cohort can be measured"
    assert any(differs(name, c, change(c)) for c in usable)


@pytest.mark.parametrize("switch", ["across_problems", "adjacent"])
@pytest.mark.parametrize("name", HISTORY)
def test_each_switch_moves_the_numbers(name: str, switch: str) -> None:
    """By a cohort without problems, and one whose misses were dropped: the switch's other side."""
    cohorts = [c for c in (ragged(seed) for seed in range(8)) if numbers(name, c) is not None]
    assert cohorts
    if switch == "across_problems":
        assert any(differs(name, c, c.drop_vars("problem")) for c in cohorts)
    else:
        measure = {
            "stay_probability": stay_probability, "one_back_regression": one_back_regression,
            "lagged_regression": lagged_regression, "learning_set_profile": learning_set_profile,
            "stay_by_reward": stay_by_reward, "lagged_by_reward": lagged_by_reward,
            "bandit_profile": bandit_profile, "win_stay": win_stay, "win_stay of objects": win_stay,
        }[name]  # fmt: skip
        by = {"win_stay of objects": "object", "learning_set_profile": ""}.get(name, "choice")
        options = {"by": by} if by and "by" in measure.__kwdefaults__ else {}  # type: ignore[attr-defined]
        if name == "lagged_regression":
            options["n_lags"] = 1  # type: ignore[assignment]
        moved = []
        for c in cohorts:
            try:
                a, b = (quietly(measure, c, adjacent=x, **options) for x in (False, True))
            except InputError:
                continue
            key = next(iter(a.data_vars))
            moved.append(not np.array_equal(a[key], b[key], equal_nan=True))
        assert any(moved)
