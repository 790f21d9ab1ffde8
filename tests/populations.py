"""Cohorts of planted activity for the tests of population geometry."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl import make_cohort


def planted(
    activity: np.ndarray, *, seed: int = 0, n_sessions: int = 1, n_subjects: int = 1, **variables
) -> xr.Dataset:
    """Make a cohort whose sessions hold the activity, dims (session, trial, event, unit)."""
    n, n_trials = activity.shape[:2]
    rng = np.random.default_rng(seed)
    given = {
        "choice": rng.integers(2, size=(n, n_trials)),
        "reward": rng.integers(2, size=(n, n_trials)),
    } | variables
    assert n == n_sessions * n_subjects
    return make_cohort(
        given | {"activity": activity},
        subject=[f"s{k // n_sessions}" for k in range(n)],
        task="bandit",
        source="animal",
        coords={"event": ("event", [f"e{k}" for k in range(activity.shape[2])])},
    )


def factorial(n_repeats: int, n_sessions: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Give choices and rewards, each combination equally often, dims (session, trial)."""
    choice = np.tile([0, 0, 1, 1], n_repeats)
    reward = np.tile([0, 1, 0, 1], n_repeats)
    return np.tile(choice, (n_sessions, 1)), np.tile(reward, (n_sessions, 1))
