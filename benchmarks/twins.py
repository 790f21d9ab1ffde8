"""Twins on planted truths and, where there are files, on real animals; CPU seconds of one thread.

Planted mixtures on Miller's form of the task (a network must lose a little to the truth, and never
beat it), coin flips (nothing may be found), planted learners of one and of two dimensions (how many
units are picked). Real rats: ``NEURO_METARL_DATA`` names the folder that holds
``miller2022_rat_twostep``; whole sessions left out, beside shuffled stretches of 150 trials, which
leak.

    OMP_NUM_THREADS=1 python benchmarks/twins.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr

import neuro_metarl as nm
from neuro_metarl.cohort import make_cohort
from neuro_metarl.models.designs import simulate_design
from neuro_metarl.twins import fit_twin

VALUES = {
    "learning_rate_model_based": 0.4, "weight_model_based": 2.0, "weight_perseveration": 0.5,
}  # fmt: skip
STRETCH, N_FOLDS = 150, 5


def two_step_design(n_trials: int, seed: int) -> xr.Dataset:
    """One subject's sessions of 350 trials, odds .8 and .2 that swap at .02 a trial."""
    rng = np.random.default_rng(seed)
    shape = (-(-n_trials // 350), 350)
    better = np.cumsum(rng.random(shape) < 0.02, axis=1) % 2
    odds = np.where(better[..., None] == np.arange(2), 0.8, 0.2)
    zeros, common = np.zeros(shape), rng.random(shape) < 0.8
    return make_cohort(
        {"choice": zeros, "state": ~common, "common": common, "reward": zeros, "p_reward": odds},
        subject=["a"] * shape[0], task="two-step-miller", source="model",
        attrs={"task_config": '{"p_common": 0.8}'},
    )  # fmt: skip


def learner(n_trials: int, seed: int, *, dimensions: int) -> xr.Dataset:
    """Make a learner on a bandit: x' = .8 x + side (1 if paid, -.3 if not), and a slow habit."""
    rng = np.random.default_rng(seed)
    shape = (n_trials // 500, 500)
    good = np.cumsum(rng.random(shape) < 0.03, axis=1) % 2
    x, habit = np.zeros((2, shape[0]))
    choice, reward = np.zeros(shape, int), np.zeros(shape, int)
    for t in range(shape[1]):
        odds = x + (habit if dimensions == 2 else 0.0)
        choice[:, t] = rng.random(shape[0]) < 1 / (1 + np.exp(-odds))
        reward[:, t] = rng.random(shape[0]) < np.where(choice[:, t] == good[:, t], 0.8, 0.2)
        side = 2 * choice[:, t] - 1
        x = 0.8 * x + side * np.where(reward[:, t] == 1, 1.0, -0.3)
        habit = habit + 0.05 * (2.5 * side - habit)
    return make_cohort({"choice": choice, "reward": reward}, subject=["a"] * shape[0],
                       task="bandit", source="animal")  # fmt: skip


def planted(n_sets: int) -> None:
    """Network minus fitted mixture, where the mixture is true."""
    for worth in (0, 3000):
        gains, z = [], []
        for seed in range(n_sets):
            design = two_step_design(5000, seed)
            cohort = simulate_design(design, "mixture", {"a": VALUES}, seed=seed)
            kind = "own-model" if worth else "none"
            one = fit_twin(cohort, prior=kind, prior_trials=worth, seed=seed)
            gains.append(1000 * float(one.gain[0, 0]) / int(one.n_choices[0]))
            z.append(float(one.gain[0, 0] / one.gain_se[0, 0]))
        print(f"planted mixture, prior {worth}: millinats {_spread(gains)}; highest z {max(z):.1f}")


def coins(n_sets: int) -> None:
    """Network minus bias, where choices are coin flips of .55."""
    gains = []
    for seed in range(n_sets):
        rng = np.random.default_rng(seed)
        choice = (rng.random((10, 500)) < 0.55).astype(int)
        cohort = make_cohort({"choice": choice, "reward": rng.integers(2, size=choice.shape)},
                             subject=["a"] * 10, task="bandit", source="animal")  # fmt: skip
        one = fit_twin(cohort, prior="none", model="bias", seed=seed)
        gains.append(1000 * float(one.gain[0, 0]) / choice.size)
    print(f"coin flips: millinats over bias {_spread(gains)}")


def dimensions(n_sets: int) -> None:
    """Numbers of units picked for learners of 10,000 trials."""
    for d in (1, 2):
        picked = [
            int(fit_twin(learner(10_000, seed, dimensions=d), n_units=(1, 2, 3), prior="none",
                         seed=seed).chosen[0])
            for seed in range(n_sets)
        ]  # fmt: skip
        print(f"planted learner of {d}: {sum(p == d for p in picked)} of {n_sets} picked; {picked}")


def in_stretches(cohort: xr.Dataset, seed: int) -> xr.Dataset:
    """Cut sessions into stretches of at most 150 trials, in an order of their own."""
    parts = []
    for start in range(0, cohort.sizes["trial"], STRETCH):
        part = cohort.isel(trial=slice(start, start + STRETCH))
        names = [f"{s}/{start}" for s in part["session_id"].values]
        part = part.assign_coords(session_id=("session", names))
        there = np.flatnonzero((part["valid"] == 1).any("trial").values)
        parts.append(part.isel(session=there))
    joined = nm.concat_cohorts(parts)
    order = np.random.default_rng(seed).permutation(joined.sizes["session"])
    return joined.isel(session=order)


def rats(folder: Path) -> None:
    """Real rats, and what leaks when stretches of a session are on both sides."""
    cohort = nm.io.read(folder / "miller2022_rat_twostep" / "ofc_physdata_3rats.mat")
    start = time.process_time()
    plain = fit_twin(cohort, prior="none", n_starts=1)
    print(f"{plain.sizes['subject']} rats x {N_FOLDS} folds x 2 units x 1 start, with the fits of "
          f"their own model: {time.process_time() - start:.1f} CPU s")  # fmt: skip
    prior = fit_twin(cohort, prior_trials=3000)
    leaking = fit_twin(in_stretches(cohort, 0), prior="none", n_starts=1)
    for k, name in enumerate(prior.subject.values):
        print(f"{name}: n {int(prior.n_choices[k])}; mixture {prior.own_mean_likelihood[k]:.4f}; "
              f"ridge {plain.mean_likelihood[k, 0]:.4f}; prior 3,000 "
              f"{prior.mean_likelihood[k, 0]:.4f} ({prior.gain[k, 0]:+.0f} +- "
              f"{prior.gain_se[k, 0]:.0f} nats); ridge, leaking stretches "
              f"{leaking.mean_likelihood[k, 0]:.4f}")  # fmt: skip


def _spread(values: list[float]) -> str:
    return (f"{np.mean(values):+.1f} ({min(values):+.1f} to {max(values):+.1f}), "
            f"n = {len(values)}")  # fmt: skip


def main() -> None:
    """Print one line for each claim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two sets of each kind")
    parser.add_argument("--only", choices=["planted", "coins", "dimensions", "rats"])
    asked = parser.parse_args()
    n = 2 if asked.quick else 6
    for name, work in (("planted", planted), ("coins", coins), ("dimensions", dimensions)):
        if asked.only in (None, name):
            work(n)
    folder = os.environ.get("NEURO_METARL_DATA")
    if asked.only in (None, "rats") and folder:
        rats(Path(folder))


if __name__ == "__main__":
    main()
