"""Cohorts that join recordings of different units, for the tests of activity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neuro_metarl import make_cohort

EVENTS = ("cue", "outcome")


def joined(
    seed: int = 0,
    *,
    sessions: Sequence[int] = (2, 1, 2),
    units: Sequence[int] = (3, 2, 4),
    subjects: Sequence[str] | None = None,
    n_trials: int = 60,
    gain: float = 1.0,
    ragged: bool = False,
) -> xr.Dataset:
    """Join recordings, each with its own units, NaN where a unit was not recorded.

    Units prefer choice 1 or 0 by turns (by ``gain``, at the cue) and reward at the outcome. With
    ``ragged`` sessions differ in length, have missed trials, forced trials and unequal rewards.
    """
    rng = np.random.default_rng(seed)
    n_sessions, n_units = sum(sessions), sum(units)
    names = ["m"] * len(sessions) if subjects is None else list(subjects)
    shape = (n_sessions, n_trials)
    choice, reward = rng.integers(2, size=shape), rng.integers(2, size=shape).astype(float)
    forced = np.zeros(shape, int)
    if ragged:
        forced = (rng.random(shape) < 0.15).astype(int)
        choice[rng.random(shape) < 0.1] = -1
        for k in range(n_sessions):
            choice[k, n_trials - rng.integers(0, n_trials // 3) :] = -1
    activity = np.full((*shape, 2, n_units), np.nan)
    of_session = np.repeat(np.arange(len(sessions)), sessions)
    of_unit = np.repeat(np.arange(len(units)), units)
    sign = np.where((np.arange(n_units) + of_unit) % 2, -1.0, 1.0)
    for k in range(n_sessions):
        mine = np.flatnonzero(of_unit == of_session[k])
        for u in mine:
            activity[k, :, 0, u] = gain * sign[u] * (choice[k] == 1) + rng.normal(size=n_trials)
            activity[k, :, 1, u] = gain * reward[k] + rng.normal(size=n_trials)
    cohort = make_cohort(
        {"choice": choice, "reward": reward, "forced": forced, "activity": activity},
        subject=[names[k] for k in of_session],
        session_id=[f"day{of_session[k]}/{k}" for k in range(n_sessions)],
        task="bandit",
        source="animal",
        coords={
            "event": list(EVENTS),
            "unit": [f"day{of_unit[u]}/{u}" for u in range(n_units)],
            "recording": ("unit", [f"day{k}" for k in of_unit]),
            "unit_id": ("unit", np.concatenate([np.arange(n) for n in units])),
            "area": ("unit", np.where(np.arange(n_units) % 2, "PFC", "M1")),
        },
    )
    missed = (cohort["valid"] == 0).values
    reason = np.where(missed, 3, 0)
    for k in range(n_sessions):
        last = np.flatnonzero(~missed[k])[-1]
        reason[k, last + 1 :] = 1
    return cohort.assign(invalid_reason=(("session", "trial"), reason.astype("int8")))


def alone(cohort: xr.Dataset, recording: str) -> xr.Dataset:
    """Give one recording of a joined cohort as if it were the only one."""
    units = np.flatnonzero(cohort["recording"].values == recording)
    here = cohort["activity"].transpose("session", "trial", "event", "unit").values[..., units]
    known = np.isfinite(here).any(axis=(1, 2, 3))
    return cohort.isel(unit=units, session=np.flatnonzero(known))
