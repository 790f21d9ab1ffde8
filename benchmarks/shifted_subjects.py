"""Measure how often a subject some animal-SDs away on one of eight signatures is found.

Animals are normal with correlation .4 between signatures; every subject is measured with an error
of .3 SD. The subject is a new animal but for one signature, which lies some SDs from the mean. For
groups of 4 to 20 animals: how often that signature alone has p < .05, how often the largest |z|
over all eight has, and how often the signature is called inside.

    python benchmarks/shifted_subjects.py [--groups 300] [--seed 31]
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from neuro_metarl.comparison.cloud import MARGIN, Cloud

N_MEASURES, ERROR, SIZES, SHIFTS = 8, 0.3, (4, 6, 10, 20), (0.0, 2.0, 3.0, 4.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--groups", type=int, default=300)
    parser.add_argument("--seed", type=int, default=31)
    given = parser.parse_args()
    error = ERROR**2 * np.eye(N_MEASURES)
    root = np.linalg.cholesky(0.4 * np.ones(error.shape) + 0.6 * np.eye(N_MEASURES))
    print(f"{given.groups} groups; found alone / over eight / called inside, by shift in SDs")
    print("animals " + "".join(f"{shift:20.0f}" for shift in SHIFTS))
    for size in SIZES:
        found = np.zeros((given.groups, len(SHIFTS), 3))
        for g in range(given.groups):
            rng = np.random.default_rng([given.seed, size, g])
            true = rng.standard_normal((size + 1, N_MEASURES)) @ root.T
            values = true + ERROR * rng.standard_normal(true.shape)
            cloud = Cloud(values[:-1], np.tile(error, (size, 1, 1)), n_bootstrap=500, seed=g)
            for k, shift in enumerate(SHIFTS):
                subject, at = values[-1].copy(), g % N_MEASURES
                subject[at] += shift - true[-1, at]
                where = cloud.position(subject, error)
                low, high = where["delta_low"][at], where["delta_high"][at]
                score = cloud.score(subject, error)
                inside = low > -MARGIN and high < MARGIN
                found[g, k] = score["p"][at] < 0.05, score["p_max"] < 0.05, inside
        cells = [f"{a:.2f} / {b:.2f} / {c:.2f}" for a, b, c in found.mean(axis=0)]
        print(f"{size:7d} " + "".join(f"{cell:>20s}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
