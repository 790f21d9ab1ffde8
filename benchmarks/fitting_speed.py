"""Fits of cognitive models: CPU seconds of one thread, beside an ordinary optimiser.

The hybrid of seven parameters, 5 starts per subject, on planted subjects; EM-Laplace on 200
subjects of 1,000 trials; and, on the very same likelihood, scipy's L-BFGS-B with finite
differences, subject by subject.

    python benchmarks/fitting_speed.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr
from scipy.optimize import minimize

from neuro_metarl.cohort import make_cohort
from neuro_metarl.models.climbing import make_problem
from neuro_metarl.models.fitting import fit
from neuro_metarl.models.hierarchy import fit_hierarchical
from neuro_metarl.models.model import find_model
from neuro_metarl.models.recovery import simulate_design, typical_subjects
from neuro_metarl.models.trials import known_values, trials_of

MODEL, N_STARTS = "hybrid", 5


def subjects(n: int, n_trials: int) -> xr.Dataset:
    """Planted hybrids on Miller's form of the task, in sessions of up to 350 trials."""
    rng = np.random.default_rng(n + n_trials)
    length = min(350, n_trials)
    shape = (n * -(-n_trials // length), length)
    better = np.cumsum(rng.random(shape) < 0.02, axis=1) % 2
    odds = np.where(better[..., None] == np.arange(2), 0.8, 0.2)
    zeros, common = np.zeros(shape), rng.random(shape) < 0.8
    design = make_cohort(
        {"choice": zeros, "state": ~common, "common": common, "reward": zeros, "p_reward": odds},
        subject=[f"s{k}" for k in range(n) for _ in range(shape[0] // n)],
        task="two-step-miller", source="model", attrs={"task_config": '{"p_common": 0.8}'},
    )  # fmt: skip
    return simulate_design(design, MODEL, typical_subjects(find_model(MODEL), n, rng)[0])


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def plain_optimiser(cohort: xr.Dataset) -> np.ndarray:
    """L-BFGS-B with finite differences on the compiled likelihood; log posterior per subject."""
    model = find_model(MODEL)
    trials = trials_of(cohort, model)
    problem, mean, sd = make_problem(model, trials, known_values(cohort, model))
    rng, best = np.random.default_rng(0), np.full(len(trials.subjects), -np.inf)
    for who in range(len(trials.subjects)):
        for k in range(N_STARTS):
            x0 = mean + (k > 0) * 0.6 * sd.clip(0, 2.5) * rng.standard_normal(len(mean))

            def loss(x: np.ndarray, who: int = who) -> float:
                away = (x - mean) / sd
                return -float(problem.values(np.array([who]), x[None])[0]) + 0.5 * away @ away

            best[who] = max(best[who], -minimize(loss, x0, method="L-BFGS-B").fun)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="20 subjects only")
    quick = parser.parse_args().quick
    fit(subjects(2, 100), MODEL)
    print("hybrid, 5 starts             CPU s   smallest share of starts at the best")
    sizes = [(20, 1000), (20, 10_000)] + ([] if quick else [(200, 1000), (200, 10_000)])
    for n, n_trials in sizes:
        cohort = subjects(n, n_trials)
        used, result = seconds(lambda cohort=cohort: fit(cohort, MODEL, n_starts=N_STARTS))
        print(f"{n:4d} subjects x {n_trials:6,d}    {used:7.2f}   {result.share_best.min():.1f}")  # type: ignore[attr-defined]
    cohort = subjects(20, 1000)
    ours, fitted = seconds(lambda: fit(cohort, MODEL, n_starts=N_STARTS))
    plain, best = seconds(lambda: plain_optimiser(cohort))
    mean, sd = np.array([p.weak_prior for p in find_model(MODEL).parameters if p.free]).T
    away = (fitted.unconstrained.values - mean) / sd  # type: ignore[attr-defined]
    objective = fitted.log_likelihood.values - 0.5 * (away**2).sum(1)  # type: ignore[attr-defined]
    print(f"L-BFGS-B with finite differences, 20 x 1,000: {plain:.2f} s, {plain / ours:.0f} times "
          f"ours; ours is below its best by at most {(best - objective).max():.1e}")  # fmt: skip
    if not quick:
        cohort = subjects(200, 1000)
        used, group = seconds(lambda: fit_hierarchical(cohort, MODEL))
        print(f"EM-Laplace, 200 x 1,000: {used:.2f} s, {group.attrs['n_rounds']} rounds")  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
