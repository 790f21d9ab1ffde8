"""Verbs of activity on joined recordings: seconds, and memory beyond the cohort's own.

Two synthetic cohorts. "days": as in public monkey data, one animal, 30 sessions of 600 trials, each
with 10 to 40 units of its own, about 750 in all, 3 events, the last of which half of the trials
lack. "large": one recording of 1,000 units x 10,000 trials x 20 events, 800 MB. Each verb runs in a
process of its own; one thread. What is found is checked: planted weights within their errors.

    python benchmarks/joined_recordings.py [--only days] [--quick]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr

import neuro_metarl as nm

BY = ["choice", "reward"]
VERBS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "encode": lambda c: nm.encode(c, ["choice", "reward", "previous_reward"]),
    "encode, poisson": lambda c: nm.encode(c, ["choice", "reward"], family="poisson"),
    "decode": lambda c: nm.decode(c, "choice", n_permutations=100),
    "condition_means": lambda c: nm.condition_means(c, BY),
    "demixed_pca": lambda c: nm.neural.demixed_pca(c, BY, n_components=1),
    "dissimilarities": lambda c: nm.neural.dissimilarities(c, BY, event="cue", n_folds=4),
    "prediction_error_regression": lambda c: nm.neural.prediction_error_regression(
        c, signals(c), variable="activity", events={e: "error" for e in c.event.values.tolist()}
    ),
}
SIZES = {
    # sessions, trials, events, least and most units of a session
    "days": (30, 600, 3, 10, 40),
    "large": (1, 10_000, 20, 1000, 1000),
}
QUICK = {"days": (6, 200, 3, 4, 8), "large": (1, 1000, 4, 60, 60)}
TOO_LONG = {"large": ("encode, poisson", "dissimilarities")}


def joined(n_sessions: int, n_trials: int, n_events: int, fewest: int, most: int) -> xr.Dataset:
    """Spike counts in half a second, as rates; NaN where a unit was not recorded."""
    rng = np.random.default_rng(0)
    size = rng.integers(fewest, most + 1, n_sessions)
    shape = (n_sessions, n_trials)
    choice, reward = rng.integers(2, size=shape), rng.integers(2, size=shape)
    activity = np.full((*shape, n_events, size.sum()), np.nan, "float32")
    tuning = np.where(np.arange(size.sum()) % 2, 0.5, -0.5)
    for k, start in enumerate(np.r_[0, np.cumsum(size)[:-1]]):
        for e in range(n_events):
            units = slice(start, start + size[k])
            drive = np.exp(1.0 + tuning[units] * (choice[k] - 0.5)[:, None])
            activity[k, :, e, units] = rng.poisson(drive) / np.float32(0.5)
    if n_sessions > 1:
        has_event = rng.integers(2, size=shape)[..., None] == 1
        activity[:, :, -1] = np.where(has_event, activity[:, :, -1], np.nan)
    day = np.repeat(np.arange(n_sessions), size)
    cohort = nm.make_cohort(
        {"choice": choice, "reward": reward},
        subject=["monkey"] * n_sessions,
        session_id=[f"day {k}" for k in range(n_sessions)],
        task="bandit",
        source="animal",
    )
    dims = ("session", "trial", "event", "unit")
    attrs = {"units": "spikes/s", "window_s": "0 to 0.5"}
    return cohort.assign(activity=(dims, activity, attrs)).assign_coords(
        event=["cue", *(f"event {e}" for e in range(1, n_events))],
        unit=np.arange(size.sum()),
        recording=("unit", [f"day {k}" for k in day]),
        area=("unit", np.where(np.arange(size.sum()) % 3, "PFC", "ACC")),
    )


def signals(cohort: xr.Dataset) -> xr.Dataset:
    """Make errors of two learners up: one follows choices, one rewards."""
    rng = np.random.default_rng(1)
    both = np.stack([cohort.choice.values, cohort.reward.values]) + rng.normal(
        size=(2, *cohort.choice.shape)
    )
    return xr.Dataset(
        {"rpe": (("system", "session", "trial", "event"), both[..., None])},
        coords={
            "system": ["model_based", "model_free"],
            "event": ["error"],
            "session_id": cohort.session_id,
        },
    )


def megabytes(field: str) -> float:
    """Read the process's memory: VmRSS now, VmHWM at its highest since it was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def measure(size: str, verb: str, quick: bool) -> None:
    """Run one verb and print seconds, memory beyond the cohort, and what was found."""
    cohort = joined(*(QUICK if quick else SIZES)[size])
    before = megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    start = time.perf_counter()
    result = VERBS[verb](cohort)
    seconds = time.perf_counter() - start
    more = megabytes("VmHWM") - before
    own = cohort.activity.nbytes / 2**20
    populations = result.sizes.get("recording", result.sizes.get("subject", 0))
    print(
        f"{size:6s} {verb:28s} {seconds:8.1f} s {more:8.0f} MB beyond the cohort's {own:5.0f} MB; "
        f"{populations} x {cohort.sizes['unit']} units",
        flush=True,
    )
    if verb == "encode":
        planted = np.where(np.arange(cohort.sizes["unit"]) % 2, 1, -1)
        weight = result.coefficient.sel(regressor="choice", lag=0).isel(subject=0, event=0)
        error = result.standard_error.sel(regressor="choice", lag=0).isel(subject=0, event=0)
        truth = planted * (np.exp(1.25) - np.exp(0.75)) / 0.5
        assert (np.abs(weight - truth) < 5 * error).all(), "planted weights were not found"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=SIZES)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("SIZE", "VERB"))
    given = parser.parse_args()
    if given.one:
        measure(*given.one, given.quick)
        return
    for size in [given.only] if given.only else list(SIZES):
        for verb in VERBS:
            if verb not in TOO_LONG.get(size, ()):
                command = [sys.executable, __file__, "--one", size, verb]
                subprocess.run(command + ["--quick"] * given.quick, check=True)


if __name__ == "__main__":
    main()
