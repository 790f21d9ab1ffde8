"""Measure how often a new animal is called outside where animals are not normal.

Eight independent signatures without measurement error; animals of a distribution, and one more of
the same. Three rules side by side: the reference alone (largest |z| against a bootstrap from a t of
16 degrees), the reference and further out than every animal (``outside`` of ``nm.place``), and the
rank alone. The last column is the power of the second rule for a normal animal that lies four SDs
off on one signature.

    python benchmarks/outside_rates.py [--runs 600] [--seed 5]
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr

from neuro_metarl.comparison.cloud import place

N_MEASURES, SIZES = 8, (6, 10, 20)
LAWS = ("normal", "t5", "t3", "lognormal .4", "lognormal .8", "two kinds")


def draw(law: str, rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw animals, dims (animal, measure)."""
    shape = (n, N_MEASURES)
    if law == "normal":
        return rng.standard_normal(shape)
    if law in ("t5", "t3"):
        return rng.standard_t(int(law[1]), shape)
    if law == "two kinds":
        return 3.0 * (rng.random((n, 1)) < 0.3) + rng.standard_normal(shape)
    return np.exp(float(law.split()[1]) * rng.standard_normal(shape))


def profiles(values: np.ndarray) -> xr.Dataset:
    n, names = len(values), [f"m{k}" for k in range(N_MEASURES)]
    zero = np.zeros((n, N_MEASURES, N_MEASURES))
    return xr.Dataset(
        {
            "profile": (("subject", "measure"), values),
            "covariance": (("subject", "measure", "measure_2"), zero),
        },
        coords={"subject": np.arange(n), "measure": names, "measure_2": names},
    )


def rates(law: str, n: int, n_runs: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Give the rates of the three rules."""
    called = np.zeros((n_runs, 3))
    for g in range(n_runs):
        values = draw(law, np.random.default_rng([seed, n, g, LAWS.index(law)]), n + 1)
        values[0, g % N_MEASURES] += shift
        found = place(profiles(values[:1]), profiles(values[1:]), n_bootstrap=300, seed=g)
        rank = float(found.p_rank[0])
        called[g] = float(found.p_max[0]) < 0.05, bool(found.outside[0]), rank <= 1 / (n + 1)
    return called.mean(axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=600)
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args()
    print("| animals | " + " | ".join(LAWS) + " | power, 4 SD off |")
    print("| ---: |" + " --- |" * (len(LAWS) + 1))
    for n in SIZES:
        cells = [
            "/".join(f"{r:.3f}" for r in rates(law, n, given.runs, given.seed)) for law in LAWS
        ]
        power = rates("normal", n, given.runs, given.seed + 1, shift=4.0)[1]
        print(f"| {n} | " + " | ".join(cells) + f" | {power:.2f} |", flush=True)


if __name__ == "__main__":
    main()
