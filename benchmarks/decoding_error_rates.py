"""How often is a label decoded from activity that knows nothing of it? Measured afresh.

Ten units drift (first-order, several speeds) and are noisy; the label comes in blocks of 20 to 40
trials. Neither knows of the other. The share of recordings with p < .05, and the mean accuracy,
by folds that keep neighbours together and by folds of shuffled trials, each with the null of
circular shifts, of other sessions' labels (where there are sessions enough) and of shuffled labels.

    python benchmarks/decoding_error_rates.py [--recordings 200] [--quick]
"""

from __future__ import annotations

import argparse
import os
from itertools import product

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr
from sklearn.model_selection import KFold

from neuro_metarl.cohort import make_cohort
from neuro_metarl.neural.decoding import decode

LAYOUTS = ((1, 400), (3, 200), (10, 100))
SPEEDS = (0.95, 0.98, 0.995)
FOLDS = {"apart": "auto", "shuffled": KFold(5, shuffle=True, random_state=0)}
NULLS = ("circular_shift", "session_permutation", "shuffle")


def recording(seed: int, sessions: int, trials: int, keep: float) -> xr.Dataset:
    """Make units that drift and a label in blocks, unrelated."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(sessions, trials, 10))
    for t in range(1, trials):
        x[:, t] = keep * x[:, t - 1] + np.sqrt(1 - keep**2) * x[:, t]
    x += 0.5 * rng.normal(size=x.shape)
    label = np.zeros((sessions, trials), int)
    for s in range(sessions):
        ends = np.cumsum(rng.integers(20, 41, size=trials // 20 + 1))
        block = np.searchsorted(ends, np.arange(trials), side="right")
        label[s] = (block + rng.integers(2)) % 2
    return make_cohort(
        {"choice": label, "reward": label, "activity": x[:, :, None]},
        subject=["a"] * sessions, task="blocks", source="animal", coords={"event": ["cue"]},
    )  # fmt: skip


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="20 recordings")
    chosen = parser.parse_args()
    n = 20 if chosen.quick else chosen.recordings
    print(f"p < .05 in, of {n} recordings; SE of .05 is {np.sqrt(0.05 * 0.95 / n):.3f}")
    for (sessions, trials), keep in product(LAYOUTS, SPEEDS):
        made = [recording(seed, sessions, trials, keep) for seed in range(n)]
        for (name, folds), null in product(FOLDS.items(), NULLS):
            if null == "session_permutation" and sessions < 4:
                continue
            tables = [
                decode(cohort, "choice", folds=folds, null=null, n_permutations=99,
                       n_bootstrap=1, seed=seed)
                for seed, cohort in enumerate(made)
            ]  # fmt: skip
            p = np.array([table.p.item() for table in tables])
            accuracy = np.mean([table.score.values[0, 0, 0] for table in tables])
            print(
                f"{sessions:3} x {trials} trials, autocorrelation {keep:.3f}, folds {name:8}, "
                f"null {null:19}: {np.mean(p <= 0.05):.3f}, accuracy {accuracy:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
