"""How often does a unit seem to code a value that it knows nothing of? Measured afresh.

Subjects choose between two options whose worth swaps in blocks; *value* is a running mean of what
the options paid, so that it lasts for tens of trials. Units drift in several ways and code the
choice, the reward or nothing, but never the value. The share of units with p < .05 for value, in a
regression that holds choice and reward apart, by the ordinary test and by the two nulls of
``encode``; then, on planted tuning, how often the 95 % interval covers the truth.

    python benchmarks/encoding_error_rates.py [--datasets 40] [--quick]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr

from neuro_metarl.cohort import make_cohort
from neuro_metarl.neural.encoding import encode
from neuro_metarl.neural.virtual import virtual_spikes

SESSIONS, TRIALS, UNITS = 20, 200, 48
REGRESSORS = ["choice", "reward", "past_value"]
NULLS = (None, "circular_shift", "session_permutation")


def task(rng: np.random.Generator, *, sessions: int = SESSIONS, trials: int = TRIALS) -> xr.Dataset:
    """Let a learner play two options that pay .8 and .2 and swap."""
    shape = (sessions, trials)
    better = (
        np.cumsum(rng.random(shape) < 0.025, axis=1) + rng.integers(2, size=(sessions, 1))
    ) % 2
    choice, reward, value = np.zeros(shape, int), np.zeros(shape), np.zeros(shape)
    worth = np.full((sessions, 2), 0.5)
    for t in range(trials):
        value[:, t] = worth[:, 1] - worth[:, 0]
        choice[:, t] = rng.random(sessions) < 1 / (1 + np.exp(-4 * value[:, t]))
        reward[:, t] = rng.random(sessions) < np.where(choice[:, t] == better[:, t], 0.8, 0.2)
        mine = worth[np.arange(sessions), choice[:, t]]
        worth[np.arange(sessions), choice[:, t]] += 0.15 * (reward[:, t] - mine)
    cohort = make_cohort(
        {"choice": choice, "reward": reward},
        subject=["a"] * sessions, task="reversal", source="model",
    )  # fmt: skip
    return cohort.assign(past_value=(("session", "trial"), value))


def walk(rng: np.random.Generator, trials: float, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a first-order walk along the second axis, of unit variance, from its stationary law."""
    keep, out = np.exp(-1 / trials), rng.standard_normal(shape)
    for t in range(1, shape[1]):
        out[:, t] = keep * out[:, t - 1] + np.sqrt(1 - keep**2) * out[:, t]
    return out


def activity_of(cohort: xr.Dataset, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Make activity, dims (session, trial, unit), that never depends on the value."""
    shape = (*cohort.choice.shape, UNITS)
    noise, time = rng.standard_normal(shape), np.linspace(-1, 1, shape[1])[:, None]
    signs = 2.0 * cohort.choice.values[..., None] - 1
    made: dict[str, Callable[[], np.ndarray]] = {
        "independent trials": lambda: noise,
        "drift, 20 trials": lambda: noise + walk(rng, 20, shape),
        "drift, 20 trials, codes choice, reward": lambda: (
            0.3 * noise + walk(rng, 20, shape) + 2 * cohort.reward.values[..., None] + signs
        ),
        "drift, 60 trials": lambda: noise + walk(rng, 60, shape),
        "walk without a home": lambda: noise + np.cumsum(0.2 * rng.standard_normal(shape), axis=1),
        "the same trend in every session": lambda: noise + 2 * time * rng.standard_normal(UNITS),
        "own level in every session": lambda: noise + rng.standard_normal((shape[0], 1, UNITS)),
        "trend over sessions": lambda: (
            noise + np.linspace(-1, 1, shape[0])[:, None, None] * rng.standard_normal(UNITS)
        ),
    }
    return made[kind]()


KINDS = (
    "independent trials", "drift, 20 trials", "drift, 20 trials, codes choice, reward",
    "drift, 60 trials", "walk without a home", "the same trend in every session",
    "own level in every session", "trend over sessions",
)  # fmt: skip


def with_trend(cohort: xr.Dataset, kind: str) -> xr.Dataset:
    """Give the value the trend that the activity has, so that the two could be confused."""
    sessions, trials = cohort.choice.shape
    value = cohort.past_value
    if kind == "the same trend in every session":
        value = value + xr.DataArray(np.linspace(-0.5, 0.5, trials), dims="trial")
    if kind == "trend over sessions":
        value = value + xr.DataArray(np.linspace(-0.5, 0.5, sessions), dims="session")
    return cohort.assign(past_value=value.transpose("session", "trial"))


def linear_p(seed: int, kind: str, null: str | None, intercept: str, n: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 1])
    cohort = with_trend(task(rng), kind)
    activity = activity_of(cohort, kind, rng)[:, :, None].astype("float32")
    cohort = cohort.assign(activity=(("session", "trial", "event", "unit"), activity))
    fit = encode(
        cohort, REGRESSORS, null=null, n_permutations=n, seed=seed, intercept=intercept
    ).sel(regressor="past_value")  # fmt: skip
    return (fit.p if null is None else fit.p_null).values.ravel()


def poisson_p(seed: int, drift: float, null: str | None, n: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 2])
    cohort = task(rng)
    weights = np.zeros((16, 2))
    weights[:8] = rng.normal(0, 0.5, (8, 2))
    tuning = xr.DataArray(
        weights, dims=("unit", "regressor"), coords={"regressor": ["choice", "reward"]}
    )
    spikes = virtual_spikes(cohort, tuning, drift=drift, drift_trials=20, seed=seed)
    fit = encode(
        spikes, REGRESSORS, family="poisson", null=null, n_permutations=n, seed=seed
    ).sel(regressor="past_value")  # fmt: skip
    return (fit.p if null is None else fit.p_null).values.ravel()


def coverage(seed: int, drift: float) -> np.ndarray:
    """Tell whether 95 % intervals cover planted weights, dims (unit, regressor)."""
    rng = np.random.default_rng([seed, 3])
    weights = rng.normal(0, 0.4, (UNITS, len(REGRESSORS)))
    tuning = xr.DataArray(weights, dims=("unit", "regressor"), coords={"regressor": REGRESSORS})
    spikes = virtual_spikes(task(rng), tuning, drift=drift, drift_trials=20, seed=seed)
    fit = encode(spikes, REGRESSORS, family="poisson").squeeze()
    truth = tuning.values
    low, high = (fit[v].transpose("unit", "regressor").values for v in ("low", "high"))
    return (low <= truth) & (truth <= high)


def rate(p: np.ndarray) -> str:
    share = (p < 0.05).mean()
    return f"{share:.3f} ({np.sqrt(max(share * (1 - share), 1e-4) / len(p)):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--datasets", type=int, default=40, help="data sets of each kind")
    parser.add_argument("--quick", action="store_true", help="6 data sets, 99 permutations")
    options = parser.parse_args()
    n_sets, n = (6, 99) if options.quick else (options.datasets, 399)
    print(f"{SESSIONS} sessions of {TRIALS} trials; share of p < .05 for value (SE), "
          f"{n_sets} data sets of {UNITS} units (Poisson: 16)\n")  # fmt: skip
    heads = ["t or z", "circular shift", "session permutation"]
    print(f"{'activity':42s}" + "".join(f"{h:>22s}" for h in heads))
    for kind in KINDS:
        for intercept in ("subject", "session") if "session" in kind else ("subject",):
            cells = []
            for null in NULLS:
                found = [linear_p(s, kind, null, intercept, n) for s in range(n_sets)]
                cells.append(rate(np.concatenate(found)))
            label = kind + (" *" if intercept == "session" else "")
            print(f"{label:42s}" + "".join(f"{c:>22s}" for c in cells), flush=True)
    for drift in (0.0, 0.5):
        cells = []
        for null in NULLS:
            found = [poisson_p(s, drift, null, n) for s in range(n_sets)]
            cells.append(rate(np.concatenate(found)))
        label = f"spikes, drift {drift:g} of log rate, 20 trials"
        print(f"{label:42s}" + "".join(f"{c:>22s}" for c in cells), flush=True)
    print("* each session's mean taken out (intercept='session')\n")
    for drift in (0.0, 0.5):
        covered = np.stack([coverage(s, drift) for s in range(n_sets)])
        shares = ", ".join(
            f"{name} {covered[..., k].mean():.3f}" for k, name in enumerate(REGRESSORS)
        )
        print(f"planted log-rate weights, drift {drift:g}: 95 % intervals cover {shares} "
              f"(n = {covered[..., 0].size} units)")  # fmt: skip


if __name__ == "__main__":
    main()
