"""How often do 95 % intervals hold the truth? Measured through the public functions.

One subject over its sessions. A planner plays the rats' two-step task, a learner a two-armed
bandit, a third answers problems of six trials. "Sessions differ": inverse temperature 4 +- 1.5 (at
least .5), perseveration .3 +- .5, bias 0 +- .7 and learning rate .4 +- .1 are drawn anew in every
session; right answers have an SD of .8 log odds between sessions. "Stationary": the means, in all
sessions. The truth is what the same function gives on thousands of sessions. With two or three
sessions there is no interval, and the row shows 0.

Over subjects. Groups of 2 to 20 subjects whose values are drawn from a known law; the truth is the
law's mean on the scale on which ``summarize`` works, mapped back, and beside it the law's
arithmetic mean.

    python benchmarks/interval_coverage.py [--subjects 200] [--groups 2000] [--seed 0] [--quick]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr

import neuro_metarl as nm
from neuro_metarl.behavior import one_back_regression
from neuro_metarl.behavior.two_step import INDICES

CELLS = ((3, 150), (4, 150), (6, 150), (12, 150), (20, 150), (3, 500), (6, 500))
SESSIONS, GROUPS = (3, 4, 6, 12, 20), (2, 3, 4, 6, 10, 20)
MANY_TRIALS, MANY_BANDITS = 400_000, 20_000
COMMON, WEIGHT, SWAP = 0.8, 0.7, 1 / 40
CURVE = np.log(
    np.array([0.5, 0.75, 0.85, 0.9, 0.9, 0.9]) / np.array([0.5, 0.25, 0.15, 0.1, 0.1, 0.1])
)
PROBLEMS, SPREAD, CEILING = 10, 0.8, 0.976

Table = dict[str, np.ndarray]


def habits(n: int, differ: bool, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Draw inverse temperature, perseveration, bias and learning rate of each session."""
    draw = rng.standard_normal((4, n)) * differ
    temperature = np.maximum(4 + 1.5 * draw[0], 0.5)
    return temperature, 0.3 + 0.5 * draw[1], 0.7 * draw[2], np.clip(0.4 + 0.1 * draw[3], 0.05, 0.95)


def two_step(n: int, trials: int, differ: bool, rng: np.random.Generator) -> xr.Dataset:
    """Let a planner with some model-free learning play n sessions of the rats' task."""
    beta, again, bias, rate = habits(n, differ, rng)
    every, better = np.arange(n), rng.integers(2, size=n)
    worth, value, last = np.full((n, 2), 0.5), np.full((n, 2), 0.5), np.zeros(n)
    seen = {k: np.zeros((n, trials), int) for k in ("choice", "state", "common", "reward")}
    for t in range(trials):
        lead = WEIGHT * (2 * COMMON - 1) * (worth[:, 1] - worth[:, 0])
        lead += (1 - WEIGHT) * (value[:, 1] - value[:, 0])
        choice = (rng.random(n) < 1 / (1 + np.exp(-(beta * lead + again * last + bias)))).astype(
            int
        )
        common = (rng.random(n) < COMMON).astype(int)
        state = np.where(common == 1, choice, 1 - choice)
        reward = (rng.random(n) < np.where(state == better, 0.8, 0.2)).astype(int)
        worth[every, state] += rate * (reward - worth[every, state])
        value[every, choice] += rate * (reward - value[every, choice])
        last, better = 2.0 * choice - 1, np.where(rng.random(n) < SWAP, 1 - better, better)
        for name, what in zip(seen, (choice, state, common, reward), strict=True):
            seen[name][:, t] = what
    return nm.make_cohort(seen, subject=["a"] * n, task="two-step", source="model")


def bandit(n: int, trials: int, differ: bool, rng: np.random.Generator) -> xr.Dataset:
    """Let a learner play n sessions of two arms whose odds are drawn anew in each session."""
    beta, again, bias, rate = habits(n, differ, rng)
    odds, every = rng.random((n, 2)), np.arange(n)
    value, last = np.full((n, 2), 0.5), np.zeros(n)
    choices, rewards = np.zeros((2, n, trials), int)
    for t in range(trials):
        logit = beta * (value[:, 1] - value[:, 0]) + again * last + bias
        choice = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
        reward = (rng.random(n) < odds[every, choice]).astype(int)
        value[every, choice] += rate * (reward - value[every, choice])
        choices[:, t], rewards[:, t], last = choice, reward, 2.0 * choice - 1
    pays = np.repeat(odds[:, None], trials, axis=1)
    return nm.make_cohort(
        {"choice": choices, "reward": rewards, "p_reward": pays, "expected_reward": pays},
        subject=["a"] * n, task="bandit-independent", source="model",
    )  # fmt: skip


def answers(n: int, logits: np.ndarray, spread: float, rng: np.random.Generator) -> xr.Dataset:
    """Answer ten problems in each of n sessions, sessions being good or bad as a whole."""
    shape = (n, PROBLEMS, len(logits))
    level = logits + spread * rng.standard_normal((n, 1, 1))
    correct = (rng.random(shape) < 1 / (1 + np.exp(-level))).astype(int).reshape(n, -1)
    problem = np.tile(np.repeat(np.arange(PROBLEMS), len(logits)), (n, 1))
    return nm.make_cohort(
        {"choice": rng.integers(2, size=correct.shape), "reward": correct, "correct": correct,
         "problem": problem}, subject=["a"] * n, task="harlow", source="model",
    )  # fmt: skip


def of_two_step(cohort: xr.Dataset) -> Table:
    fit, terms = nm.lagged_regression(cohort), one_back_regression(cohort).one_back
    stay = nm.stay_probability(cohort).stay_probability
    found = {name: fit[name].values for name in INDICES} | {"bias": fit.bias.values}
    found |= {f"stay, {t}": stay.sel(term=t).values for t in stay.term.values}
    return found | {f"one-back, {t}": terms.sel(term=t).values for t in terms.term.values}


def of_bandit(cohort: xr.Dataset) -> Table:
    table = nm.win_stay(cohort)
    return {
        "regret": nm.regret(cohort).total_regret.values,
        "win-stay": table.win_stay.values,
        "lose-shift": table.lose_shift.values,
    }


def of_answers(cohort: xr.Dataset) -> Table:
    curve = nm.learning_curve(cohort).p_correct.isel(block=0)
    return {f"trial {t}": curve.sel(trial=t).values for t in curve.trial.values}


def subjects_of(
    play: Callable[..., xr.Dataset], subjects: int, sessions: int, *how: object
) -> xr.Dataset:
    """Play many subjects at once; each session's habits are its own, so cutting is enough."""
    cohort = play(subjects * sessions, *how)
    names = np.repeat([f"{k:04d}" for k in range(subjects)], sessions)
    return cohort.assign_coords(subject=("session", names))


def covered(
    measure: Callable[[xr.Dataset], Table], cohort: xr.Dataset, truth: Table
) -> dict[str, tuple[float, float]]:
    """Give each quantity's coverage and the median width of its interval."""
    found = {}
    for name, table in measure(cohort).items():
        _, low, high = table.T
        at = truth[name][0, 0]
        found[name] = (float(((low <= at) & (at <= high)).mean()), float(np.median(high - low)))
    return found


def say(label: str, found: dict[str, tuple[float, float]]) -> None:
    shares = {name: share for name, (share, _) in found.items()}
    low, high = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    mean = np.mean(list(shares.values()))
    print(f"{label:28s} mean {mean:.3f}  lowest {shares[low]:.3f} ({low}), "
          f"highest {shares[high]:.3f} ({high})", flush=True)  # fmt: skip


def over_sessions(subjects: int, seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    print(f"13 quantities of the two-step task, {subjects} subjects a row\n")
    every: dict[str, dict[str, tuple[float, float]]] = {}
    for differ in (True, False):
        truths = {
            t: of_two_step(two_step(MANY_TRIALS // t, t, differ, rng))
            for t in {t for _, t in CELLS}
        }
        for sessions, trials in CELLS:
            cohort = subjects_of(two_step, subjects, sessions, trials, differ, rng)
            label = f"{'differ' if differ else 'stationary'} {sessions} x {trials}"
            every[label] = covered(of_two_step, cohort, truths[trials])
            say(label, every[label])
    print("\ncoverage, median width")
    for name in next(iter(every.values())):
        shown = (f"{every[k][name][0]:.2f}, {every[k][name][1]:.2f}" for k in every)
        print(f"{name:26s}" + " | ".join(shown))
    print()
    for label, differ in (("differ", True), ("stationary", False)):
        truth = of_bandit(bandit(MANY_BANDITS, 100, differ, rng))
        for sessions in SESSIONS:
            cohort = subjects_of(bandit, subjects, sessions, 100, differ, rng)
            cells = covered(of_bandit, cohort, truth)
            print(f"bandit, {label} {sessions} x 100: "
                  + ", ".join(f"{k} {v[0]:.3f}" for k, v in cells.items()), flush=True)  # fmt: skip
    print()
    top = np.full(6, ceiling_logit())
    for label, logits, spread in (
        (f"learning curve, SD {SPREAD} log odds", CURVE, SPREAD),
        ("learning curve, stationary", CURVE, 0.0),
        (f"at the ceiling ({CEILING})", top, SPREAD),
    ):
        truth = {
            f"trial {k + 1}": np.full((1, 3), mean_of(x, spread)) for k, x in enumerate(logits)
        }
        for sessions in SESSIONS:
            cohort = subjects_of(answers, subjects, sessions, logits, spread, rng)
            say(f"{label}, {sessions}", covered(of_answers, cohort, truth))


def mean_of(logit: float, spread: float) -> float:
    """Average a proportion over sessions whose log odds are normal."""
    at, weight = np.polynomial.hermite_e.hermegauss(60)
    return float((weight / (1 + np.exp(-(logit + spread * at)))).sum() / weight.sum())


def ceiling_logit() -> float:
    low, high = 0.0, 10.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if mean_of(middle, SPREAD) < CEILING else (low, middle)
    return low


def laws(
    rng: np.random.Generator,
) -> Iterator[tuple[str, tuple[float, float], Callable, float, float]]:
    """Laws of a signature: label, limits, draw, mean on the unbounded scale mapped back, mean."""
    logit, spread = np.log(9.0), 0.8
    yield "normal", (-np.inf, np.inf), lambda s: 3 + rng.standard_normal(s), 3.0, 3.0
    yield "t3", (-np.inf, np.inf), lambda s: 3 + rng.standard_t(3, s), 3.0, 3.0
    yield ("lognormal .8, a rate", (0, np.inf), lambda s: np.exp(0.8 * rng.standard_normal(s)),
           1.0, float(np.exp(0.32)))  # fmt: skip
    yield ("lognormal .8, of any sign", (-np.inf, np.inf),
           lambda s: np.exp(0.8 * rng.standard_normal(s)), *[float(np.exp(0.32))] * 2)  # fmt: skip
    yield ("proportions near .9", (0, 1),
           lambda s: 1 / (1 + np.exp(-(logit + spread * rng.standard_normal(s)))),
           0.9, mean_of(logit, spread))  # fmt: skip


def over_subjects(groups: int, seed: int) -> None:
    print(
        f"\nover subjects, {groups} groups: coverage of the typical subject / of the mean "
        "(no interval at n = 2)\n"
    )
    print(f"{'law':28s}" + "".join(f"{n:>14d}" for n in GROUPS))
    for label, limits, draw, typical, mean in laws(np.random.default_rng([seed, 2])):
        cells = []
        for n in GROUPS:
            table = nm.summarize(comparison(draw((groups, n)), limits))
            low, high = table["low"].to_numpy(), table["high"].to_numpy()
            shares = (((low <= at) & (at <= high)).mean() for at in (typical, mean))
            cells.append("-" if np.isnan(low).all() else " / ".join(f"{s:.3f}" for s in shares))
        print(f"{label:28s}" + "".join(f"{c:>14s}" for c in cells), flush=True)


def comparison(values: np.ndarray, limits: tuple[float, float]) -> xr.Dataset:
    """Lay drawn values out as ``compare`` does, one source for each group."""
    groups, n = values.shape
    measure = nm.measures.Measure("signature", len, limits=limits)
    table = np.stack([values.ravel()] + 2 * [np.full(values.size, np.nan)], axis=1)
    result = xr.Dataset(
        {"signature": (("subject", "statistic"), table, measure.attrs),
         "n_signature": ("subject", np.full(values.size, 1e6))},
        coords={"subject": [str(k) for k in range(values.size)],
                "statistic": ["value", "low", "high"],
                "source": ("subject", np.repeat([str(g) for g in range(groups)], n))},
    )  # fmt: skip
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--subjects", type=int, default=200, help="subjects of each kind")
    parser.add_argument("--groups", type=int, default=2000, help="groups of each size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="20 subjects, 200 groups")
    options = parser.parse_args()
    subjects, groups = (20, 200) if options.quick else (options.subjects, options.groups)
    begun = time.process_time()
    over_sessions(subjects, options.seed)
    over_subjects(groups, options.seed)
    print(f"\n{time.process_time() - begun:.0f} CPU s")


if __name__ == "__main__":
    main()
