"""Measure how often the test of prediction calls a new animal, or another agent, no animal.

Populations of simulated rats on Miller's two-step task, drawn afresh (see error_rates.py). Each rat
that is not in a group, by the model fitted to it, and agents of other kinds predict the group's
choices; rates at .05 of the two-sided test of the excess gap, and the shares with their ceiling.

    python benchmarks/prediction_error_rates.py [--trials 4000] [--populations 6] [--seed 21]
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr
from error_rates import RATS, draw, told, two_step_design

from neuro_metarl.agents.zoo import load_agents, untrained
from neuro_metarl.comparison.prediction import excess_gap_test, model_log_odds, predict_animals
from neuro_metarl.models.fitting import fit, planted_values
from neuro_metarl.models.recovery import simulate_design
from neuro_metarl.paradigms import TWO_STEP
from neuro_metarl.yoking import replay

SIZES, N_NETWORKS = (6, 10, 20), 4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=4000, help="of each rat")
    parser.add_argument("--populations", type=int, default=6)
    parser.add_argument("--animals", type=int, default=40, help="of a population, 28 or more")
    parser.add_argument("--groups", type=int, default=60, help="of each size and population")
    parser.add_argument("--seed", type=int, default=21)
    given = parser.parse_args()
    found: list[dict[tuple[str, int], float]] = []
    shares: list[dict[str, float]] = []
    for k in range(given.populations):
        rng = np.random.default_rng([given.seed, k])
        table = population(given, k, rng)
        found.append({
            (kind, n): rate for n in SIZES for kind, rate in groups(table, n, given, rng).items()
        })  # fmt: skip
        shares.append(mean_shares(table))
        print(f"population {k + 1} of {given.populations}", file=sys.stderr, flush=True)
    print(f"rats of {given.trials:,} trials; rejected at .05, per cent, with 6, 10 and 20 animals")
    print(f"(standard error over {given.populations} populations); share of the own model's")
    for kind in shares[0]:
        rates = " ".join(told([f[kind, n] for f in found]) for n in SIZES)
        share = np.array([s[kind] for s in shares])
        print(f"  {kind:18s} {rates:32s} share {share.mean():.2f}")


def population(given: argparse.Namespace, k: int, rng: np.random.Generator) -> xr.Dataset:
    """Predict every rat by every other rat's model and by agents."""
    values = draw(given.animals, RATS, False, rng)
    design = two_step_design(given.animals, given.trials, rng)
    rats = simulate_design(design, "mixture", values, seed=given.seed + k)
    own = planted_values(fit(rats, "mixture", n_starts=3, seed=k))
    odds = [model_log_odds(rats, "mixture", own)]
    for kind, control in TWO_STEP.controls.items():
        odds.append(model_log_odds(rats, control.model, {kind: control.values}))
    zoo = load_agents("two-step")
    mine = zoo.select([(N_NETWORKS * k + j) % len(zoo) for j in range(N_NETWORKS)])
    odds += [replay(mine, rats), replay(untrained(mine, n_agents=N_NETWORKS, seed=k), rats)]
    joined = xr.concat([o.reset_coords(drop=True) for o in odds], dim="subject")
    return predict_animals(rats, joined.transpose("subject", "session", "trial"), seed=k)


def kinds_of(table: xr.Dataset) -> dict[str, np.ndarray]:
    """Rows of the subjects of each kind that is not a rat."""
    names = table["subject"].values
    kinds = {kind: np.flatnonzero(names == kind) for kind in TWO_STEP.controls}
    starts = {"network": "two-step/", "untrained network": "untrained/"}
    return kinds | {
        kind: np.flatnonzero(np.char.startswith(names.astype(str), start))
        for kind, start in starts.items()
    }


def groups(
    table: xr.Dataset, size: int, given: argparse.Namespace, rng: np.random.Generator
) -> dict[str, float]:
    """Rejection rates over groups of rats."""
    n, logs = given.animals, np.log(table["mean_likelihood"].values)
    found: dict[str, list[float]] = {"rat": []} | {kind: [] for kind in kinds_of(table)}
    for _ in range(given.groups):
        order = rng.permutation(n)
        group, fresh = order[:size], order[size : size + 8]
        others = logs[np.ix_(group, group)].copy()
        np.fill_diagonal(others, np.nan)
        for kind, rows in (("rat", fresh), *kinds_of(table).items()):
            p = excess_gap_test(logs[np.ix_(rows, group)], others, np.arange(size))
            found[kind].append(float((p < 0.05).mean()))
    return {kind: float(np.mean(rates)) for kind, rates in found.items()}


def mean_shares(table: xr.Dataset) -> dict[str, float]:
    """Mean share of the own model's, over animals and subjects of a kind."""
    shares = table["share"].values.copy()
    n = table.sizes["animal"]
    shares[np.arange(n), np.arange(n)] = np.nan
    rats = {"rat": float(np.nanmean(shares[:n]))}
    return rats | {kind: float(shares[rows].mean()) for kind, rows in kinds_of(table).items()}


if __name__ == "__main__":
    main()
