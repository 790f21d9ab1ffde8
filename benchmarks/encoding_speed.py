"""Partial determination of many units: CPU seconds, beside statsmodels unit by unit.

48 units, 100,000 trials, 10 regressors, one event: coefficients, standard errors, t, p and the
partial determination of every regressor. statsmodels fits every unit's full model (and, for the
partial determination as it is often done, the ten models without each regressor) on a subset of
units, scaled up. One thread; both in one run, on the same data.

    python benchmarks/encoding_speed.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import statsmodels.api as sm
import xarray as xr

from neuro_metarl.cohort import make_cohort
from neuro_metarl.neural.encoding import encode
from neuro_metarl.neural.regressors import task_regressors

UNITS, SESSIONS, COMPARED = 48, 100, 2


def recording(n_trials: int, family: str) -> tuple[xr.Dataset, list[str]]:
    """Ten continuous and binary regressors, and units that follow them."""
    rng = np.random.default_rng(1)
    shape = (SESSIONS, n_trials // SESSIONS)
    x = rng.standard_normal((*shape, 10))
    x[..., :5] = np.sign(x[..., :5])
    drive = x @ rng.normal(0, 0.1, (10, UNITS))
    noise = rng.standard_normal(drive.shape)
    activity = drive + noise if family == "gaussian" else rng.poisson(np.exp(0.7 + drive))
    cohort = make_cohort(
        {
            "choice": rng.integers(2, size=shape), "reward": rng.integers(2, size=shape),
            "activity": activity[:, :, None].astype("float32"),
        },
        subject=["a"] * SESSIONS, task="two-step", source="model",
    )  # fmt: skip
    names = [f"x{k}" for k in range(10)]
    columns = {n: (("session", "trial"), x[..., k]) for k, n in enumerate(names)}
    return cohort.assign(columns), names


def reference(cohort: xr.Dataset, fit: xr.Dataset, x: np.ndarray, family: str) -> np.ndarray:
    """Seconds a unit for the full model and for the models without each regressor."""
    y = cohort.activity.values.reshape(-1, UNITS).astype(float)
    used = np.zeros(2)
    for unit in range(COMPARED):
        start = time.process_time()
        full = _statsmodels(y[:, unit], x, family)
        used[0] += time.process_time() - start
        ours = fit.isel(unit=unit).squeeze()
        assert np.abs(full.params[1:] - ours.coefficient.values).max() < 1e-6
        start = time.process_time()
        for k in range(10):
            less = _statsmodels(y[:, unit], np.delete(x, k, axis=1), family)
            sse = (less.ssr, full.ssr) if family == "gaussian" else (less.deviance, full.deviance)
            assert abs((sse[0] - sse[1]) / sse[0] - float(ours.cpd[k])) < 1e-6
        used[1] += time.process_time() - start
    return used / COMPARED


def _statsmodels(y: np.ndarray, x: np.ndarray, family: str) -> sm.regression.linear_model.OLS:
    design = sm.add_constant(x)
    if family == "gaussian":
        return sm.OLS(y, design).fit()
    return sm.GLM(y, design, family=sm.families.Poisson()).fit()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="10,000 trials")
    n_trials = 10_000 if parser.parse_args().quick else 100_000
    print(f"{UNITS} units x {n_trials:,} trials x 10 regressors: CPU s, one thread")
    for family in ("gaussian", "poisson"):
        cohort, names = recording(n_trials, family)
        encode(cohort.isel(session=slice(0, 2)), names, family=family, window=1.0)
        start = time.process_time()
        fit = encode(cohort, names, family=family, window=1.0)
        ours = time.process_time() - start
        x = task_regressors(cohort, names).values.reshape(10, -1).T
        full, less = reference(cohort, fit, x, family) * UNITS
        print(f"{family:9s} encode {ours:6.2f}   statsmodels, full models {full:7.1f} "
              f"(x {full / ours:.0f}), with the models without each {full + less:7.1f} "
              f"(x {(full + less) / ours:.0f})")  # fmt: skip
        if family == "gaussian":
            for null in ("circular_shift", "session_permutation"):
                start = time.process_time()
                encode(cohort, names, null=null, n_permutations=200)
                print(f"          with 200 draws of {null}: {time.process_time() - start:.1f}")


if __name__ == "__main__":
    main()
