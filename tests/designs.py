"""Designs for simulated subjects, drawn by a few lines of numpy: sessions, odds, transitions."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from scipy.stats import chi2

from neuro_metarl.cohort import make_cohort


def blocks(
    n_sessions: int, n_trials: int, hazard: float, min_block: int, rng: np.random.Generator
) -> np.ndarray:
    """The better of two options, dims (session, trial)."""
    good, since = rng.integers(2, size=n_sessions), np.zeros(n_sessions, int)
    better = np.empty((n_sessions, n_trials), int)
    for t in range(n_trials):
        flip = (rng.random(n_sessions) < hazard) & (since >= min_block) & (t > 0)
        good, since = np.where(flip, 1 - good, good), np.where(flip, 0, since) + 1
        better[:, t] = good
    return better


def two_step_design(
    form: str = "miller", n_subjects: int = 1, n_trials: int = 1000, seed: int = 0
) -> xr.Dataset:
    """Odds and sessions as Miller's rats (350 trials) or Wang's agents (100 trials) have them."""
    length, high, hazard, least = {
        "miller": (350, 0.8, 0.02, 10), "wang": (100, 0.9, 0.025, 0)
    }[form]  # fmt: skip
    length = min(length, n_trials)
    per = -(-n_trials // length)
    rng = np.random.default_rng([seed, 11])
    better = blocks(n_subjects * per, length, hazard, least, rng)
    odds = np.where(better[..., None] == np.arange(2), high, 1 - high)
    shape = better.shape
    common = rng.random(shape) < 0.8
    config = {"p_common": 0.8, "p_reward_high": high, "p_reward_low": round(1 - high, 3)}
    return make_cohort(
        {
            "choice": np.zeros(shape), "state": np.where(common, 0, 1), "common": common,
            "reward": np.zeros(shape), "p_reward": odds,
        },
        subject=[f"s{k}" for k in range(n_subjects) for _ in range(per)],
        task="two-step-miller", source="model",
        attrs={"task_config": json.dumps(config)},
    )  # fmt: skip


def bandit_design(
    n_subjects: int = 1, n_trials: int = 2000, length: int = 200, high: float = 0.8,
    hazard: float = 0.05, seed: int = 0,
) -> xr.Dataset:  # fmt: skip
    """Two arms that pay with ``high`` and ``1 - high`` and swap."""
    per = -(-n_trials // length)
    better = blocks(n_subjects * per, length, hazard, 5, np.random.default_rng([seed, 12]))
    odds = np.where(better[..., None] == np.arange(2), high, 1 - high)
    return make_cohort(
        {"choice": np.zeros(better.shape), "reward": np.zeros(better.shape), "p_reward": odds},
        subject=[f"s{k}" for k in range(n_subjects) for _ in range(per)],
        task="reversal", source="model",
    )  # fmt: skip


def human_design(n_subjects: int = 1, n_trials: int = 200, seed: int = 0) -> xr.Dataset:
    """Daw's form: four odds that wander between .25 and .75, common .7."""
    rng = np.random.default_rng([seed, 13])
    odds = np.empty((n_subjects, n_trials, 4))
    now = rng.uniform(0.25, 0.75, (n_subjects, 4))
    for t in range(n_trials):
        odds[:, t] = now
        now = now + 0.05 * rng.standard_normal(now.shape)
        now = np.where(now > 0.75, 1.5 - now, np.where(now < 0.25, 0.5 - now, now))
    shape = (n_subjects, n_trials)
    common = rng.random(shape) < 0.7
    return make_cohort(
        {
            "choice": np.zeros(shape), "state": np.where(common, 0, 1), "common": common,
            "choice2": np.zeros(shape), "reward": np.zeros(shape), "p_reward": odds,
        },
        subject=[f"h{k}" for k in range(n_subjects)], task="two-step-human", source="model",
        attrs={"task_config": '{"p_common": 0.7}'},
    )  # fmt: skip


def check_baiting(played: xr.Dataset, odds: float, baited: bool) -> None:
    """After d trials without it, an arm of odds p pays with 1 - (1 - p)^(d + 1) if baited."""
    valid, choice, reward = (played[k].values for k in ("valid", "choice", "reward"))
    gap = np.zeros((len(choice), 2), int)
    paid: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for t in range(choice.shape[1]):
        rows = np.flatnonzero(valid[:, t] == 1)
        arm = choice[rows, t]
        for d, r in zip(gap[rows, arm], reward[rows, t], strict=True):
            paid.setdefault(int(d), []).append(float(r))
        gap[rows] += 1
        gap[rows, arm] = 0
    for d in (0, 1, 2):
        expected = 1 - (1 - odds) ** (d + 1) if baited else odds
        error = np.sqrt(expected * (1 - expected) / len(paid[d]))
        assert len(paid[d]) > 200
        assert abs(np.mean(paid[d]) - expected) < 4 * error


def large_distances(table: xr.Dataset) -> float:
    """Share of subjects alike whose ``e' S^-1 e`` is beyond the 5 % point of chi-square."""
    away = table.profile.values - table.profile.values.mean(axis=0)
    solved = np.linalg.solve(table.covariance.values, away[..., None])[..., 0]
    distance = np.einsum("sj,sj->s", away, solved)
    return float((distance > chi2.isf(0.05, away.shape[1])).mean())
