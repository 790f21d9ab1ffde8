"""Measure how often a new animal is called unlike the others, and how often another agent is.

Populations of simulated animals are drawn afresh: rats on Miller's two-step task (a mixture of
agents whose parameters vary as in six real rats), mice on Bari's baited arms (Ito and Doya's
learner, parameters as in 16 real mice), or animals on learning sets (win-stay and lose-shift that
improve). Groups of 6, 10 and 20, with unequal numbers of trials, are the animals; others of the
same population, and agents of other kinds, are the subjects, at four lengths. Rates at .05 of the
largest |z| and of D2, and on the two-step task of what the field does: a bar outside of the
animals' mean +- SEM in any of the four stay probabilities (Bonferroni). Nothing is shared between
populations, so the standard error of a rate is that of a mean over populations.

    python benchmarks/error_rates.py [--task two-step] [--law normal] [--populations 10] [--seed 12]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr
from scipy.stats import norm

from neuro_metarl.agents.calibrated import Calibration
from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.assessment import shuffle_trials
from neuro_metarl.behavior.learning_signatures import learning_set_profile
from neuro_metarl.behavior.profiles import bandit_profile, profile
from neuro_metarl.behavior.two_step import stay_probability
from neuro_metarl.cohort import make_cohort
from neuro_metarl.comparison.cloud import FREEDOM, Cloud
from neuro_metarl.models.recovery import simulate_design
from neuro_metarl.progress import progress_bar
from neuro_metarl.recording import record
from neuro_metarl.yoking import record_yoked

Law = dict[str, tuple[float, float]]
Cohorts = dict[str, xr.Dataset]
N_EACH, UNIT = 4, ("learning_rate", "forgetting")
# mean and SD over animals, learning rates and forgetting on the logit scale
RATS: Law = {
    "learning_rate_model_based": (1.27, 0.4),
    "weight_model_based": (2.27, 0.45),
    "learning_rate_model_free": (-2.0, 0.4),
    "weight_model_free": (-0.4, 0.5),
    "learning_rate_perseveration": (-1.59, 0.3),
    "weight_perseveration": (2.15, 0.4),
    "weight_novelty": (0.0, 0.35),
    "bias": (0.0, 0.3),
}
MICE: Law = {
    "learning_rate": (-0.24, 0.4),
    "forgetting": (-0.86, 1.0),
    "value_reward": (4.4, 0.8),
    "value_omission": (0.9, 0.6),
    "perseveration": (-0.4, 0.4),
    "bias": (-0.05, 0.13),
}
LEARNERS: Law = {"win_stay": (1.7, 0.5), "lose_shift": (0.6, 0.5), "improvement": (0.5, 0.3)}
TWO_STEP_KINDS: dict[str, tuple[str, dict[str, float]]] = {
    "MF TD(1)": ("model_free", {"eligibility_trace": 1.0, "inverse_temperature": 4.0}),
    "latent state": ("latent_state", {"inverse_temperature": 6.0}),
    "hybrid w=.5": ("hybrid", {"eligibility_trace": 0.7, "inverse_temperature": 6.0}),
    "MB visited-only": ("model_based", {"inverse_temperature": 6.0}),
    "MB symmetric": (
        "model_based_symmetric",
        {"learning_rate": 0.6, "inverse_temperature": 4.0},
    ),
    "reward-as-cue": ("reward_as_cue", {"learning_rate": 0.05, "inverse_temperature": 8.0}),
}
BANDIT_KINDS: dict[str, tuple[str, dict[str, float]]] = {
    "Q learning": ("q_learning", {"inverse_temperature": 6.0}),
    "Q learning, cooler": ("q_learning", {"learning_rate": 0.4, "inverse_temperature": 2.5}),
    "win-stay, lose-shift": (
        "q_differential_forgetting",
        {"learning_rate": 1.0, "forgetting": 1.0, "value_reward": 3.0, "value_omission": -3.0},
    ),
    "reversal inference": ("reversal_hmm", {"hazard": 0.05, "inverse_temperature": 4.0}),
}
LEARNER_KINDS = {"perfect": (4.0, 4.0, 0.0), "no memory": (0.0, 0.0, 0.0),
                 "no improvement": (1.7, 0.6, -1.0), "never shifts": (1.7, -1.7, 0.5)}  # fmt: skip
# typical over the zoo's networks and real animals, as assess finds it
TYPICAL = {"two-step": Calibration(0.153, perseveration=0.482),
           "bandit": Calibration(0.097, perseveration=1.01)}  # fmt: skip


@dataclass(frozen=True)
class World:
    """A task: lengths of subjects, how many trials a session has, how it is measured."""

    lengths: tuple[int, ...]
    session: int
    law: Law
    measure: Callable[[xr.Dataset], xr.Dataset]
    animals: Callable[[dict[str, dict[str, float]], np.random.Generator], xr.Dataset]
    others: Callable[[int, np.random.Generator], Cohorts]


def two_step_design(n: int, n_trials: int, rng: np.random.Generator) -> xr.Dataset:
    """Miller's odds and blocks, a fifth of the trials forced."""
    shape = (n * max(1, n_trials // 500), 500)
    good, since = rng.integers(2, size=shape[0]), np.zeros(shape[0], int)
    better = np.empty(shape, int)
    for t in range(shape[1]):
        flip = (rng.random(shape[0]) < 0.02) & (since >= 10)
        good, since = np.where(flip, 1 - good, good), np.where(flip, 0, since) + 1
        better[:, t] = good
    common, choice = rng.random(shape) < 0.8, rng.integers(2, size=shape)
    return make_cohort(
        {
            "choice": choice, "reward": np.zeros(shape), "common": common,
            "state": np.where(common, choice, 1 - choice), "forced": rng.random(shape) < 0.2,
            "p_reward": np.where(better[..., None] == np.arange(2), 0.8, 0.2),
        },
        subject=[f"d{k}" for k in range(n) for _ in range(shape[0] // n)],
        task="two-step-miller", source="model",
        attrs={"task_config": json.dumps({"p_common": 0.8})},
    )  # fmt: skip


def bandit_design(n: int, n_trials: int, rng: np.random.Generator) -> xr.Dataset:
    """Bari's baited arms: .4 and .1, blocks of 40 to 100 trials."""
    shape = (n * max(1, n_trials // 500), 500)
    better = np.empty(shape, int)
    for row in better:
        lengths = rng.integers(40, 101, size=13)
        row[:] = (np.repeat(np.arange(13), lengths)[: shape[1]] + rng.integers(2)) % 2
    return make_cohort(
        {
            "choice": np.zeros(shape), "reward": np.zeros(shape),
            "p_reward": np.where(better[..., None] == np.arange(2), 0.4, 0.1),
        },
        subject=[f"d{k}" for k in range(n) for _ in range(shape[0] // n)],
        task="bandit-baited", source="model",
    )  # fmt: skip


def learners(drawn: dict[str, dict[str, float]], rng: np.random.Generator) -> xr.Dataset:
    """Problems of six trials; win-stay and lose-shift improve from the first to the last."""
    n, n_problems = len(drawn), 1000
    win, lose, slope = (
        np.array([[d[name]] for d in drawn.values()]) for name in LEARNERS
    )  # fmt: skip
    gain = slope * (np.arange(n_problems) / n_problems - 0.5)
    correct = np.zeros((n, n_problems, 6), int)
    correct[..., 0] = rng.random((n, n_problems)) < 0.5
    for t in range(1, 6):
        logit = np.where(correct[..., t - 1] == 1, win, lose) + gain
        correct[..., t] = rng.random((n, n_problems)) < 1 / (1 + np.exp(-logit))
    correct = correct.reshape(-1, 6)
    stimulus = rng.integers(2, size=correct.shape)
    return make_cohort(
        {
            "choice": np.where(correct == 1, stimulus, 1 - stimulus), "correct": correct,
            "reward": correct, "stimulus": stimulus,
        },
        subject=np.repeat(list(drawn), n_problems).tolist(), task="harlow", source="model",
    )  # fmt: skip


def others_on(
    task: str, kinds: dict[str, tuple[str, dict[str, float]]],
    design: Callable[[int, int, np.random.Generator], xr.Dataset],
) -> Callable[[int, np.random.Generator], Cohorts]:  # fmt: skip
    """Agents of other kinds on designs of their own; four networks raw and calibrated."""

    def others(k: int, rng: np.random.Generator) -> Cohorts:
        played = _models(kinds, design, k, rng)
        return played | _networks(task, design(1, 12_000, rng), k)

    return others


def learning_set_others(k: int, rng: np.random.Generator) -> Cohorts:
    """Strategies, and four networks."""
    played = {
        kind: learners(
            {f"{kind} {j}": dict(zip(LEARNERS, v, strict=True)) for j in range(N_EACH)}, rng
        )
        for kind, v in LEARNER_KINDS.items()
    }
    zoo = load_agents("harlow")
    mine = zoo.select([(N_EACH * k + j) % len(zoo) for j in range(N_EACH)])
    return played | {"network": record(mine, "harlow", 1000, seed=k, activity=False)}


def _models(
    kinds: dict[str, tuple[str, dict[str, float]]],
    design: Callable[[int, int, np.random.Generator], xr.Dataset], k: int, rng: np.random.Generator,
) -> Cohorts:  # fmt: skip
    return {
        kind: simulate_design(
            design(N_EACH, 12_000, rng), model, {f"{kind} {j}": v for j in range(N_EACH)}, seed=k
        )
        for kind, (model, v) in kinds.items()
    }


def _networks(task: str, sessions: xr.Dataset, k: int) -> Cohorts:
    zoo = load_agents({"two-step": "two-step", "bandit": "bandit-restless"}[task])
    mine = zoo.select([(N_EACH * k + j) % len(zoo) for j in range(N_EACH)])
    kinds = {"network": None, "network, T and habit": TYPICAL[task]}
    return {
        kind: record_yoked(mine, sessions, n_replicates=1, calibration=calibration, seed=k)
        for kind, calibration in kinds.items()
    }


WORLDS = {
    "two-step": World(
        (500, 1500, 4000, 12_000), 500, RATS, profile,
        lambda drawn, rng: simulate_design(
            two_step_design(len(drawn), 12_000, rng), "mixture", drawn,
            seed=int(rng.integers(2**31)),
        ),
        others_on("two-step", TWO_STEP_KINDS, two_step_design),
    ),
    "bandit": World(
        (500, 1500, 4000, 12_000), 500, MICE, bandit_profile,
        lambda drawn, rng: simulate_design(
            bandit_design(len(drawn), 12_000, rng), "q_differential_forgetting", drawn,
            seed=int(rng.integers(2**31)),
        ),
        others_on("bandit", BANDIT_KINDS, bandit_design),
    ),
    "learning-set": World(
        (30, 100, 300, 1000), 1, LEARNERS, learning_set_profile, learners, learning_set_others
    ),
}  # fmt: skip
# animals of a group to how many have the longest to the shortest length
MIXES = {
    3: (1, 1, 1, 0), 4: (1, 1, 1, 1), 6: (2, 2, 1, 1), 10: (3, 3, 2, 2), 20: (6, 6, 5, 3)
}  # fmt: skip


def draw(n: int, law: Law, heavy: bool, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Parameters of n animals, normal or t with 5 degrees of freedom."""
    found = {}
    for k in range(n):
        away = rng.standard_t(5, len(law)) * np.sqrt(3 / 5) if heavy else rng.normal(size=len(law))
        values = {
            name: float(mean + sd * z)
            for (name, (mean, sd)), z in zip(law.items(), away, strict=True)
        }
        found[f"animal-{k}"] = {
            name: 1 / (1 + np.exp(-v)) if name.startswith(UNIT) else v for name, v in values.items()
        }
    return found


class Measured:
    """Profile, its covariance, and on the two-step task stay probabilities of subjects."""

    def __init__(self, cohort: xr.Dataset, world: World) -> None:
        table = world.measure(cohort)
        self.values, self.covariance = table.profile.values, table.covariance.values
        self.stay = np.full((len(self.values), 4), np.nan)
        if world.measure is profile:
            stay = stay_probability(cohort).stay_probability
            self.stay = stay.sel(statistic="value").values


def some_sessions(cohort: xr.Dataset, n_sessions: int, evenly: bool) -> xr.Dataset:
    """Keep the first sessions of each subject, or as many from its whole history."""
    names = cohort.subject.values
    counts = np.unique(names, return_counts=True)[1]
    within = np.empty(len(names), int)
    within[np.argsort(names, kind="stable")] = np.concatenate([np.arange(n) for n in counts])
    every = counts[0] // n_sessions if evenly else 1
    return cohort.isel(session=(within % every == 0) & (within // every < n_sessions))


def bars(group: np.ndarray, subject: np.ndarray) -> bool:
    """Whether any stay bar lies outside of mean +- SEM, by a z test with Bonferroni."""
    error = group.std(axis=0, ddof=1) / np.sqrt(len(group))
    z = np.abs(subject - group.mean(axis=0)) / error
    return bool((z > norm.isf(0.05 / 8)).any())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--task", choices=WORLDS, default="two-step")
    parser.add_argument("--law", choices=("normal", "t5"), default="normal", help="of parameters")
    parser.add_argument("--sizes", type=int, nargs="+", choices=MIXES, default=[6, 10, 20])
    parser.add_argument("--populations", type=int, default=10)
    parser.add_argument("--animals", type=int, default=60, help="of a population, 28 or more")
    parser.add_argument("--groups", type=int, default=40, help="of each size and population")
    parser.add_argument("--tested", type=int, default=8, help="animals tested on each group")
    parser.add_argument("--freedom", type=int, default=FREEDOM, help="of the reference's t")
    parser.add_argument("--seed", type=int, default=12)
    given = parser.parse_args()
    world = WORLDS[given.task]
    sizes: dict[int, list[dict]] = {size: [] for size in given.sizes}
    try:
        for k in range(given.populations):
            rng = np.random.default_rng([given.seed, k])
            measured = population(world, given, k, rng)
            for size in given.sizes:
                sizes[size].append(trial(world, measured, given, size, rng))
            print(f"population {k + 1} of {given.populations}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("interrupted: what is there so far", file=sys.stderr)
    n_done = min(len(found) for found in sizes.values())
    if n_done:
        show(world, {size: found[:n_done] for size, found in sizes.items()}, given)


def show(world: World, sizes: dict[int, list[dict]], given: argparse.Namespace) -> None:
    n = len(sizes[given.sizes[0]])
    lengths = ", ".join(f"{length:,}" for length in world.lengths)
    unit = "problems" if given.task == "learning-set" else "trials"
    print(f"{given.task}, parameters {given.law}: rate at .05 of largest |z| / D2, per cent")
    print(f"subjects of {lengths} {unit}; (standard error over {n} populations)")
    for size, found in sizes.items():
        print(f"n = {size}, {n * given.groups} groups")
        for kind in dict.fromkeys(kind for kind, _ in found[0] if kind != "bars"):
            cells = [[np.mean(f[kind, t], axis=0) for f in found] for t in world.lengths]
            rows = [" ".join(told([v[j] for v in cell]) for cell in cells) for j in (0, 1)]
            print(f"  {kind:22s} {rows[0]} / {rows[1]}")
        if world.measure is profile:
            naive = [told([np.mean(f["bars", t]) for f in found]) for t in world.lengths]
            print("  animal, stay bars      " + " ".join(naive), flush=True)


def told(rates: list[float]) -> str:
    error = np.std(rates, ddof=1) / np.sqrt(len(rates)) if len(rates) > 1 else float("nan")
    return f"{100 * np.mean(rates):.1f}({100 * error:.1f})"


def population(
    world: World, given: argparse.Namespace, k: int, rng: np.random.Generator
) -> dict[tuple[str, int], Measured]:
    """Measure fresh animals, shuffled ones, models and networks at every length."""
    animals = world.animals(draw(given.animals, world.law, given.law == "t5", rng), rng)
    some = animals.isel(session=animals.subject.isin([f"animal-{j}" for j in range(N_EACH)]).values)
    cohorts = {"animal": animals} | world.others(k, rng)
    if given.task != "learning-set":
        cohorts["shuffled animal"] = some
    measured = {}
    for kind, cohort in cohorts.items():
        for n in world.lengths:
            short = some_sessions(cohort, n // world.session, world.session == 1)
            short = shuffle_trials(short) if kind == "shuffled animal" else short
            measured[kind, n] = Measured(short, world)
    return measured


def trial(
    world: World, measured: dict[tuple[str, int], Measured], given: argparse.Namespace, size: int,
    rng: np.random.Generator,
) -> dict:  # fmt: skip
    """Draw groups of animals; other agents are held against a quarter of them."""
    found: dict = {key: [] for key in measured} | {("bars", n): [] for n in world.lengths}
    lengths = np.repeat(world.lengths[::-1], MIXES[size])
    with progress_bar(f"n = {size}", given.groups) as update:
        for g in range(given.groups):
            order = rng.permutation(given.animals)
            group = list(zip(order[:size], lengths, strict=True))
            values, errors, stay = (
                np.array([getattr(measured["animal", n], name)[k] for k, n in group])
                for name in ("values", "covariance", "stay")
            )
            cloud = Cloud(
                values, errors, n_bootstrap=1000, freedom=given.freedom,
                seed=int(rng.integers(2**31)),
            )  # fmt: skip
            for kind, n in measured:
                if kind != "animal" and g % 4:
                    continue
                mine = measured[kind, n]
                fresh = order[size : size + given.tested]
                for k in fresh if kind == "animal" else range(N_EACH):
                    score = cloud.score(mine.values[k], mine.covariance[k])
                    found[kind, n].append((score["p_max"] < 0.05, score["p_d2"] < 0.05))
                    if kind == "animal":
                        found["bars", n].append(bars(stay, mine.stay[k]))
            update(g + 1, "")
    return found


if __name__ == "__main__":
    main()
