"""How often a unit of a short recording seems to code a belief that it knows nothing of.

A believer plays two options that swap; units drift in several ways and code its choice and its
last reward, but not the belief of an ideal observer. ``encode`` holds choice and last reward apart.
Shares of p < .05 for the belief, of units and of populations, by rotations and (10 sessions) by
permuted sessions; then the power, where units code the belief weakly.

    python benchmarks/encoding_few_sessions.py [--datasets 250] [--seed 0]
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr

from neuro_metarl.cohort import make_cohort
from neuro_metarl.neural.encoding import encode

UNITS, REGRESSORS = 20, ["choice", "previous_reward", "belief"]
KINDS = {
    "AR(.95) 1x300": (1, 300), "AR + white 1x300": (1, 300), "sum of slow ARs 1x300": (1, 300),
    "random walk 1x300": (1, 300), "Poisson 3x150": (3, 150), "AR(.95) 3x150": (3, 150),
    "AR(.95) 10x100": (10, 100), "AR + white 10x100": (10, 100),
}  # fmt: skip


def player(rng: np.random.Generator, n_sessions: int, n_trials: int) -> xr.Dataset:
    """Let a believer play two options of which one pays .8; they swap with probability .03."""
    shape = (n_sessions, n_trials)
    good = (np.cumsum(rng.random(shape) < 0.03, axis=1) + rng.integers(2, size=(n_sessions, 1))) % 2
    choice, reward, belief = np.zeros(shape, int), np.zeros(shape), np.zeros(shape)
    odds = np.zeros(n_sessions)
    for t in range(n_trials):
        belief[:, t] = odds
        choice[:, t] = rng.random(n_sessions) < 1 / (1 + np.exp(-1.5 * odds))
        reward[:, t] = rng.random(n_sessions) < np.where(choice[:, t] == good[:, t], 0.8, 0.2)
        odds = odds + np.log(4) * np.where(choice[:, t] == 1, 1, -1) * (2 * reward[:, t] - 1)
        p = 1 / (1 + np.exp(-odds))
        p = 0.97 * p + 0.03 * (1 - p)
        odds = np.log(p / (1 - p))
    return make_cohort(
        {"choice": choice, "reward": reward},
        subject=["a"] * n_sessions, task="reversal", source="model",
    ).assign(belief=(("session", "trial"), belief))  # fmt: skip


def slow(rng: np.random.Generator, shape: tuple[int, ...], keep: float) -> np.ndarray:
    """Draw a first-order autoregression along the second axis, of unit variance."""
    out = rng.standard_normal(shape)
    for t in range(1, shape[1]):
        out[:, t] = keep * out[:, t - 1] + np.sqrt(1 - keep**2) * out[:, t]
    return out


def recorded(kind: str, seed: int, effect: float = 0.0) -> xr.Dataset:
    """Make a recording whose units code choice and last reward, and the belief by ``effect``."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    cohort = player(rng, *KINDS[kind])
    shape = (*cohort.choice.shape, UNITS)
    if "white" in kind:
        drift = slow(rng, shape, 0.95) + rng.standard_normal(shape)
    elif "sum" in kind:
        drift = slow(rng, shape, 0.98) + slow(rng, shape, 0.9) + slow(rng, shape, 0.5)
    elif "walk" in kind:
        drift = np.cumsum(0.2 * rng.standard_normal(shape), axis=1)
    else:
        drift = slow(rng, shape, 0.95)
    before = np.roll(cohort.reward.values, 1, axis=1) - 0.5
    before[:, 0] = 0
    signal = 0.5 * (2 * cohort.choice.values - 1)[..., None] + before[..., None]
    activity = signal + drift + effect * cohort.belief.values[..., None]
    if "Poisson" in kind:
        activity = rng.poisson(np.exp(1 + 0.5 * activity)).astype(float)
    return cohort.assign(
        activity=(("session", "trial", "event", "unit"), activity[:, :, None].astype("float32"))
    )


def rates(kind: str, null: str, n_sets: int, seed: int, effect: float = 0.0) -> tuple[float, float]:
    """Give the shares of p < .05 of units and of populations."""
    units, populations = [], []
    for k in range(n_sets):
        fit = encode(
            recorded(kind, seed + k, effect), REGRESSORS, null=null, n_permutations=199, seed=k,
            **({"family": "poisson", "window": 1.0} if "Poisson" in kind else {}),
        ).sel(regressor="belief")  # fmt: skip
        units.append((fit.p_null.values < 0.05).mean())
        populations.append(float(fit.population_p.squeeze()) < 0.05)
    return float(np.mean(units)), float(np.mean(populations))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--datasets", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("| activity | null | units | populations | power of units, .08 per unit log odds |")
    print("|---|---|---:|---:|---:|")
    for kind, (n_sessions, _) in KINDS.items():
        for null in ("circular_shift", *["session_permutation"] * (n_sessions >= 6)):
            units, populations = rates(kind, null, given.datasets, 1000 * given.seed)
            power = rates(kind, null, max(1, given.datasets // 10), 1000 * given.seed + 500, 0.08)[
                0
            ]
            row = f"| {kind} | {null} | {units:.3f} | {populations:.3f} | {power:.2f} |"
            print(row, flush=True)


if __name__ == "__main__":
    main()
