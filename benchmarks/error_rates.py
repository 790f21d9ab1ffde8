"""How often is a new rat called un-rat-like, and how often is another agent? Measured afresh.

Ten populations of synthetic rats (a mixture of agents whose parameters vary as in six real rats)
play Miller's task. Groups of 6, 10 and 20 rats, with unequal numbers of trials, are the animals;
rats of the population that are not in the group, and agents of other kinds, are the subjects, with
500 to 12,000 trials. Rates at .05 of the largest |z| and of D2, and of what the field does: a bar
outside of the animals' mean +- SEM in any of the four stay probabilities (Bonferroni). Nothing is
shared between populations, so the standard error of a rate is that of a mean over populations.

    python benchmarks/error_rates.py [--populations 10] [--rats 60] [--groups 40] [--seed 11]
"""

from __future__ import annotations

import argparse
import json
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr
from scipy.stats import norm

from neuro_metarl.agents.calibrated import Calibration
from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.assessment import shuffle_trials
from neuro_metarl.behavior.profile import profile
from neuro_metarl.behavior.two_step import stay_probability
from neuro_metarl.cognitive.recovery import simulate_design
from neuro_metarl.cohort import make_cohort
from neuro_metarl.comparison.cloud import Cloud
from neuro_metarl.progress import progress_bar
from neuro_metarl.yoking import record_yoked

# mean and SD over rats; learning rates on the logit scale; derived from six real rats
POPULATION = {
    "learning_rate_model_based": (1.27, 0.4),
    "weight_model_based": (2.27, 0.45),
    "learning_rate_model_free": (-2.0, 0.4),
    "weight_model_free": (-0.4, 0.5),
    "learning_rate_perseveration": (-1.59, 0.3),
    "weight_perseveration": (2.15, 0.4),
    "weight_novelty": (0.0, 0.35),
    "bias": (0.0, 0.3),
}
LENGTHS, SESSION = (500, 1500, 4000, 12_000), 500
MIXES = {6: (2, 2, 1, 1), 10: (3, 3, 2, 2), 20: (6, 6, 5, 3)}  # of 12k, 4k, 1.5k, 500
KINDS = {
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
# typical over sixteen networks and six real rats, as assess finds it
TYPICAL = Calibration(scale=0.153, perseveration=0.482)
NETWORKS = {"network": None, "network, T and habit": TYPICAL}
N_EACH = 4


def design(n: int, n_trials: int, rng: np.random.Generator) -> xr.Dataset:
    """Miller's odds and blocks, a fifth of the trials forced."""
    shape = (n * max(1, n_trials // SESSION), SESSION)
    good, since = rng.integers(2, size=shape[0]), np.zeros(shape[0], int)
    better = np.empty(shape, int)
    for t in range(SESSION):
        flip = (rng.random(shape[0]) < 0.02) & (since >= 10)
        good, since = np.where(flip, 1 - good, good), np.where(flip, 0, since) + 1
        better[:, t] = good
    common = rng.random(shape) < 0.8
    return make_cohort(
        {
            "choice": rng.integers(2, size=shape), "reward": np.zeros(shape),
            "common": common, "state": np.zeros(shape), "forced": rng.random(shape) < 0.2,
            "p_reward": np.where(better[..., None] == np.arange(2), 0.8, 0.2),
        },
        subject=[f"d{k}" for k in range(n) for _ in range(shape[0] // n)],
        task="two-step-miller", source="model",
        attrs={"task_config": json.dumps({"p_common": 0.8})},
    )  # fmt: skip


def consistent(cohort: xr.Dataset) -> xr.Dataset:
    """Make transitions agree with the placeholder choices."""
    state = np.where(cohort.common == 1, cohort.choice, 1 - cohort.choice)
    return cohort.assign(state=(cohort.choice.dims, state.astype("int8")))


def draw_rats(n: int, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    rats = {}
    for k in range(n):
        values = {name: float(rng.normal(*law)) for name, law in POPULATION.items()}
        for name in values:
            if name.startswith("learning_rate"):
                values[name] = 1 / (1 + np.exp(-values[name]))
        rats[f"rat-{k}"] = values
    return rats


class Measured:
    """Profile, its covariance, and stay probabilities of subjects."""

    def __init__(self, cohort: xr.Dataset) -> None:
        table = profile(cohort)
        self.values, self.covariance = table.profile.values, table.covariance.values
        stay = stay_probability(cohort, n_bootstrap=2).stay_probability
        self.stay = stay.sel(statistic="value").values


def first_sessions(cohort: xr.Dataset, n_trials: int) -> xr.Dataset:
    kept = n_trials // SESSION
    number = np.concatenate([np.arange(n) for n in np.unique(
        cohort.subject.values, return_counts=True)[1]])  # fmt: skip
    order = np.argsort(cohort.subject.values, kind="stable")
    within = np.empty_like(number)
    within[order] = number
    return cohort.isel(session=within < kept)


def bars(group: np.ndarray, subject: np.ndarray) -> bool:
    """Whether any stay bar lies outside of mean +- SEM, by a z test with Bonferroni."""
    error = group.std(axis=0, ddof=1) / np.sqrt(len(group))
    z = np.abs(subject - group.mean(axis=0)) / error
    return bool((z > norm.isf(0.05 / 8)).any())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--populations", type=int, default=10)
    parser.add_argument("--rats", type=int, default=60, help="of a population, 28 or more")
    parser.add_argument("--groups", type=int, default=40, help="of each size and population")
    parser.add_argument("--tested", type=int, default=8, help="rats tested on each group")
    parser.add_argument("--seed", type=int, default=11)
    given = parser.parse_args()
    sizes: dict[int, list[dict]] = {size: [] for size in MIXES}
    try:
        for k in range(given.populations):
            rng = np.random.default_rng([given.seed, k])
            measured = population(given, k, rng)
            for size, mix in MIXES.items():
                sizes[size].append(trial(measured, given, size, mix, rng))
            print(f"population {k + 1} of {given.populations}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("interrupted: what is there so far", file=sys.stderr)
    n_done = min(len(found) for found in sizes.values())
    if n_done:
        show({size: found[:n_done] for size, found in sizes.items()}, given.groups)


def show(sizes: dict[int, list[dict]], n_groups: int) -> None:
    n = len(sizes[6])
    print("rate at .05 of: largest |z| / D2; subjects of 500, 1,500, 4,000, 12,000 trials")
    print(f"(standard error over {n} populations), per cent")
    for size, found in sizes.items():
        print(f"n = {size}, {n * n_groups} groups")
        for kind in ("rat", *NETWORKS, *KINDS, "shuffled rat"):
            cells = [[np.mean(f[kind, t], axis=0) for f in found] for t in LENGTHS]
            rows = [" ".join(told([v[j] for v in cell]) for cell in cells) for j in (0, 1)]
            print(f"  {kind:22s} {rows[0]} / {rows[1]}")
        naive = [told([np.mean(f["bars", t]) for f in found]) for t in LENGTHS]
        print("  rat, stay bars         " + " ".join(naive), flush=True)


def told(rates: list[float]) -> str:
    error = np.std(rates, ddof=1) / np.sqrt(len(rates)) if len(rates) > 1 else float("nan")
    return f"{100 * np.mean(rates):.1f}({100 * error:.1f})"


def population(given: argparse.Namespace, k: int, rng: np.random.Generator) -> dict:
    """Measure fresh rats, shuffled rats, models and networks at every length."""
    longest = LENGTHS[-1]
    rats = simulate_design(
        consistent(design(given.rats, longest, rng)), "mixture", draw_rats(given.rats, rng),
        seed=given.seed + k,
    )  # fmt: skip
    measured = {("rat", n): Measured(first_sessions(rats, n)) for n in LENGTHS}
    some = rats.isel(session=rats.subject.isin([f"rat-{j}" for j in range(N_EACH)]).values)
    for n in LENGTHS:
        measured["shuffled rat", n] = Measured(shuffle_trials(first_sessions(some, n)))
    played = {}
    for kind, (model, values) in KINDS.items():
        each = {f"{kind} {j}": values for j in range(N_EACH)}
        played[kind] = simulate_design(
            consistent(design(N_EACH, longest, rng)), model, each, seed=given.seed + k
        )
    zoo = load_agents("two-step")
    mine = zoo.select([(N_EACH * k + j) % len(zoo) for j in range(N_EACH)])
    sessions = consistent(design(1, longest, rng))
    for kind, calibration in NETWORKS.items():
        played[kind] = record_yoked(
            mine, sessions, n_replicates=1, calibration=calibration, seed=given.seed + k
        )
    for kind, cohort in played.items():
        for n in LENGTHS:
            measured[kind, n] = Measured(first_sessions(cohort, n))
    return measured


def trial(
    measured: dict, given: argparse.Namespace, size: int, mix: tuple[int, ...],
    rng: np.random.Generator,
) -> dict:  # fmt: skip
    """Draw groups of animals; agents other than rats are held against a quarter of them."""
    found: dict = {(kind, n): [] for kind, n in measured} | {("bars", n): [] for n in LENGTHS}
    lengths = np.repeat(LENGTHS[::-1], mix)
    with progress_bar(f"n = {size}", given.groups) as update:
        for g in range(given.groups):
            order = rng.permutation(given.rats)
            group = list(zip(order[:size], lengths, strict=True))
            values = np.array([measured["rat", n].values[k] for k, n in group])
            errors = np.array([measured["rat", n].covariance[k] for k, n in group])
            stay = np.array([measured["rat", n].stay[k] for k, n in group])
            cloud = Cloud(values, errors, n_bootstrap=1000, seed=int(rng.integers(2**31)))
            for kind, n in measured:
                if kind != "rat" and g % 4:
                    continue
                mine = measured[kind, n]
                fresh = order[size : size + given.tested]
                for k in fresh if kind == "rat" else range(N_EACH):
                    score = cloud.score(mine.values[k], mine.covariance[k])
                    found[kind, n].append((score["p_max"] < 0.05, score["p_d2"] < 0.05))
                    if kind == "rat":
                        found["bars", n].append(bars(stay, mine.stay[k]))
            update(g + 1, "")
    return found


if __name__ == "__main__":
    main()
