"""Whitening before a null: what it leaves, and how often nothing then seems to be something."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from benchmarks.encoding_few_sessions import KINDS, rates
from neuro_metarl.neural.blocks import Block
from neuro_metarl.neural.whitening import autoregression, filter_rows, order_for, whitened


def block(seed: int, keep: float, n_sessions: int = 4, n_trials: int = 200) -> Block:
    """Twelve units that wander and code a regressor which wanders too."""
    rng = np.random.default_rng(seed)
    session = np.repeat(np.arange(n_sessions), n_trials)
    design, activity = np.empty((len(session), 2)), np.empty((len(session), 12))
    for k in range(n_sessions):
        mine = session == k
        design[mine] = lfilter([1], [1, -0.9], rng.normal(size=(n_trials, 2)), axis=0)
        activity[mine] = lfilter([1], [1, -keep], rng.normal(size=(n_trials, 12)), axis=0)
    activity += design @ np.full((2, 12), 0.7)
    return Block(np.arange(12), design, activity, session, "a")


def lag_one(x: np.ndarray, session: np.ndarray) -> float:
    same = session[1:] == session[:-1]
    x = x - x.mean(axis=0)
    return float((x[1:] * x[:-1])[same].mean() / x.var())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("keep", [0.0, 0.8, 0.97])
def test_what_is_left_has_no_memory_and_weights_stay(seed: int, keep: float) -> None:
    white = whitened(block(seed, keep))
    assert len(white.session) == 4 * (200 - 6)
    weights = np.linalg.lstsq(white.design, white.activity, rcond=None)[0]
    left = white.activity - white.design @ weights
    assert abs(lag_one(left, white.session)) < 0.06
    assert weights.mean() == pytest.approx(0.7, abs=0.05)


def test_the_filter_is_that_of_each_session_alone() -> None:
    given = block(0, 0.9, n_sessions=3, n_trials=40)
    weights = np.array([0.5, -0.2])
    whole = filter_rows(given.activity, given.session, weights)
    for k in range(3):
        mine = given.session == k
        alone = lfilter([1, -0.5, 0.2], [1], given.activity[mine], axis=0)
        assert np.allclose(whole[mine][2:], alone[2:])
        assert np.array_equal(whole[mine][:2], given.activity[mine][:2])


def test_the_autoregression_is_found_and_sizes_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    drawn = lfilter([1], [1, -1.2, 0.4], rng.normal(size=(3000, 5)), axis=0)
    session = np.repeat(np.arange(3), 1000)
    found = autoregression(drawn, session, 2)
    assert found == pytest.approx([1.2, -0.4], abs=0.03)
    assert autoregression(drawn * 10.0 ** np.arange(5), session, 2) == pytest.approx(found)
    assert autoregression(np.ones((3000, 5)), session, 2).tolist() == [0, 0]


@pytest.mark.parametrize(("length", "order"), [(8, 0), (10, 0), (13, 3), (16, 6), (500, 6)])
def test_short_sessions_keep_their_trials(length: int, order: int) -> None:
    assert order_for(np.zeros(length, int)) == order


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_coded_at_the_nominal_rate(kind: str) -> None:
    """Of 250 recordings: units .035 to .065, populations at most .08 (of drifting counts: .12)."""
    null = "session_permutation" if KINDS[kind][0] >= 6 else "circular_shift"
    units, populations = rates(kind, null, 250, seed=40_000)
    assert 0.035 <= units <= 0.065
    assert populations <= (0.12 if "Poisson" in kind else 0.08)
