"""Rescorla-Wagner by block: misses, forced trials and padding, against a plain loop."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_metarl.agents.players import make_player
from neuro_metarl.behavior.learning_rates import fit_learning_rates
from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.recording import record


def messy(seed: int, n_sessions: int = 8, n_trials: int = 30) -> xr.Dataset:
    """Rescorla-Wagner with misses, forced trials and sessions of unequal length."""
    rng = np.random.default_rng(seed)
    shape = (n_sessions, n_trials)
    choice, reward = np.full(shape, -1), np.full(shape, np.nan)
    valid, forced = np.zeros(shape, int), np.zeros(shape, int)
    problem = np.full(shape, -1)
    for s in range(n_sessions):
        q = [0.5, 0.5]
        for t in range(rng.integers(n_trials // 2, n_trials + 1)):
            problem[s, t] = s % 2
            if rng.random() < 0.15:
                continue
            valid[s, t], forced[s, t] = 1, rng.random() < 0.2
            p = 1 / (1 + np.exp(-5 * (q[1] - q[0])))
            c = int(rng.random() < (0.5 if forced[s, t] else p))
            r = float(rng.random() < (0.8 if c else 0.3))
            q[c] += 0.4 * (r - q[c])
            choice[s, t], reward[s, t] = c, r
    return make_cohort(
        {"choice": choice, "reward": reward, "valid": valid, "forced": forced, "problem": problem},
        subject=["a"] * n_sessions, task="bandit-restless", source="animal",
    )  # fmt: skip


def loop(cohort: xr.Dataset, kind: int, rate: float, temperature: float, lapse: float) -> float:
    total = 0.0
    for s in range(cohort.sizes["session"]):
        one = cohort.isel(session=s)
        there = np.flatnonzero(one.valid.values == 1)
        if not len(there) or one.problem.values[there[0]] != kind:
            continue
        q = [0.5, 0.5]
        for t in there:
            c, r = int(one.choice[t]), float(one.reward[t])
            p = 1 / (1 + np.exp(-temperature * (q[c] - q[1 - c])))
            if one.forced[t] == 0:
                total += np.log((1 - lapse) * p + lapse / 2)
            q[c] += rate * (r - q[c])
    return total


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_fits_with_misses_and_forced_trials_are_a_plain_loops(seed: int) -> None:
    cohort = messy(seed)
    fits = fit_learning_rates(cohort, n_episodes=4)
    responses = ((cohort.valid == 1) & (cohort.forced == 0)).values
    for row in fits.itertuples():
        kind = 0 if row.volatility == "low" else 1
        found = loop(cohort, kind, row.learning_rate, row.inverse_temperature, row.lapse)
        assert row.log_likelihood == pytest.approx(found, abs=1e-8)
        assert row.n == responses[kind::2].sum()
    best = fits[fits.model == "ab"].iloc[0]
    for rate, temperature in product((0.1, 0.3, 0.5, 0.8), (1.0, 3.0, 6.0)):
        assert loop(cohort, 0, rate, temperature, 0.0) < best.log_likelihood + 0.05


@pytest.mark.parametrize("seed", range(3))
def test_what_does_not_exist_changes_nothing(seed: int) -> None:
    """Dropping invalid rows, or filling them with anything, gives the same fits."""
    cohort = messy(seed)
    filled = cohort.copy(deep=True)
    rng = np.random.default_rng(seed)
    gone = cohort.valid.values == 0
    filled["reward"].values[gone] = rng.integers(0, 9, gone.sum())
    filled["problem"].values[gone] = 7
    pd.testing.assert_frame_equal(
        fit_learning_rates(cohort, n_episodes=4), fit_learning_rates(filled, n_episodes=4)
    )
    order = cohort.transpose("trial", "session")
    pd.testing.assert_frame_equal(
        fit_learning_rates(cohort, n_episodes=4), fit_learning_rates(order, n_episodes=4)
    )


def test_a_cohort_without_misses_has_the_numbers_that_it_had() -> None:
    """Computed before misses were known of."""
    cohort = record(make_player("rescorla-wagner"), "bandit-restless", 40, seed=1)
    fits = fit_learning_rates(cohort)
    found = fits[fits.model == "ab"][["learning_rate", "log_likelihood"]].iloc[0]
    assert found.tolist() == pytest.approx(BEFORE, rel=1e-12)


BEFORE = [0.4934895833333333, -201.20152244893893]


def test_bad_cohorts_are_named() -> None:
    cohort = messy(0)
    changing = cohort.assign(problem=cohort.problem.where(cohort.trial < 5, 1))
    with pytest.raises(InputError, match="session 0: 'problem' is 0, 1; expected 0"):
        fit_learning_rates(changing, n_episodes=4)
    with pytest.raises(InputError, match="'problem' is 3; expected 0 "):
        fit_learning_rates(cohort.assign(problem=0 * cohort.problem + 3), n_episodes=4)
    with pytest.raises(InputError, match="takes rewards from 0 to 1"):
        fit_learning_rates(cohort.assign(reward=40 * cohort.reward), n_episodes=4)
    three = cohort.assign(choice=cohort.choice.where(cohort.choice != 1, 2))
    with pytest.raises(InputError, match="has choice 2; fit_learning_rates takes two arms"):
        fit_learning_rates(three, n_episodes=4)
    with pytest.raises(InputError, match="no response, every valid trial is forced"):
        fit_learning_rates(cohort.assign(forced=0 * cohort.forced + 1), n_episodes=4)
    with pytest.raises(InputError, match="n_episodes is 0"):
        fit_learning_rates(cohort, n_episodes=0)
