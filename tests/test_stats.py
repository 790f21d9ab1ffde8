"""Clusters, resampling and intervals: sizes, closed forms, coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from neuro_metarl.errors import InputError
from neuro_metarl.stats import (
    benjamini_hochberg,
    clusters_of,
    interval,
    multiplicities,
    permutation_p,
    permute_sessions,
    shift_rows,
)


def test_few_sessions_are_cut_into_blocks() -> None:
    one = clusters_of(np.zeros(500, int))
    assert np.bincount(one).min() >= 20
    assert one.max() + 1 == 24
    assert (np.diff(one) >= 0).all()
    short = clusters_of(np.zeros(30, int))
    assert short.max() == 0
    many = clusters_of(np.repeat(np.arange(12), 5))
    assert many.max() + 1 == 12


@pytest.mark.parametrize("sizes", [[500] * 6, [30] * 11, [400, 25, 25], [15] * 3, [81, 200]])
def test_blocks_stay_within_a_session_and_are_of_equal_length(sizes: list[int]) -> None:
    session = np.repeat(np.arange(len(sizes)), sizes)
    cluster = clusters_of(session)
    assert np.array_equal(np.unique(cluster), np.arange(cluster.max() + 1))
    for k, size in enumerate(sizes):
        blocks = np.unique(cluster[session == k], return_counts=True)[1]
        assert blocks.max() - blocks.min() <= 1
        assert blocks.min() >= min(20, size)
    pairs = set(zip(session.tolist(), cluster.tolist(), strict=True))
    assert len(pairs) == cluster.max() + 1


def test_multiplicities_are_seeded_and_of_mean_one() -> None:
    a, b = (multiplicities(30, 4000, np.random.default_rng(3)) for _ in "ab")
    assert np.array_equal(a, b)
    assert (a.sum(axis=1) == 30).all()
    assert np.abs(a.mean(axis=0) - 1).max() < 5 / 4000**0.5
    assert a.var() == pytest.approx(1 - 1 / 30, abs=0.03)
    with pytest.raises(InputError, match="n_bootstrap is 0, expected a whole number, 1 or more"):
        multiplicities(3, 0, np.random.default_rng(0))


def test_interval_is_never_narrower_than_the_model_allows() -> None:
    draws = np.random.default_rng(0).normal(0, 0.1, (4000, 2))
    low, high = interval(np.zeros(2), draws, np.array([0.05, 0.4]), confidence=0.95)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * 0.1, rel=0.1)
    assert high[1] - low[1] == pytest.approx(2 * 1.96 * 0.4, rel=0.1)


@pytest.mark.parametrize("n_draws", [1, 2, 1000])
def test_draws_that_do_not_vary_give_the_wald_interval(n_draws: int) -> None:
    low, high = interval(np.ones(1), np.ones((n_draws, 1)), np.array([0.5]), confidence=0.95)
    assert low[0] == pytest.approx(1 - 1.959964 * 0.5, abs=1e-6)
    assert high[0] == pytest.approx(1 + 1.959964 * 0.5, abs=1e-6)


def test_an_estimate_that_does_not_exist_has_no_interval() -> None:
    value = np.array([np.nan, 0.0])
    draws = np.random.default_rng(0).normal(0, 1, (500, 2))
    draws[:, 0] = np.nan
    low, high = interval(value, draws, np.array([np.nan, 0.1]), confidence=0.9)
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] < 0 < high[1]


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_an_impossible_confidence(confidence: float) -> None:
    with pytest.raises(InputError, match="expected a number between 0 and 1"):
        interval(np.zeros(1), np.zeros((5, 1)), np.ones(1), confidence=confidence)


@pytest.mark.parametrize("seed", range(4))
def test_false_discovery_rates_are_scipys(seed: int) -> None:
    p = np.random.default_rng(seed).random((7, 11)) ** 3
    p[0, 1] = p[2, 3]
    expected = false_discovery_control(p.ravel()).reshape(p.shape)
    assert np.allclose(benjamini_hochberg(p), expected)
    gaps = p.copy()
    gaps[1] = np.nan
    found = benjamini_hochberg(gaps)
    assert np.isnan(found[1]).all()
    assert np.allclose(np.delete(found, 1, 0).ravel(),
                       false_discovery_control(np.delete(p, 1, 0).ravel()))  # fmt: skip
    assert not np.allclose(found[0], expected[0])
    assert np.isnan(benjamini_hochberg(np.full(3, np.nan))).all()


def test_false_discovery_rate_is_held_and_uncorrected_p_do_not() -> None:
    """400 families of 40 true and 10 false hypotheses; the share of false finds is below .05."""
    rng = np.random.default_rng(5)
    shares, naive = [], []
    for _ in range(400):
        p = np.concatenate([rng.random(40), rng.random(10) * 1e-3])
        for rates, out in ((benjamini_hochberg(p), shares), (p, naive)):
            hits = rates < 0.05
            out.append(hits[:40].sum() / max(1, hits.sum()))
    error = np.std(shares) / 20
    assert np.mean(shares) < 0.05 * 0.8 + 3 * error
    assert np.mean(naive) > 0.1


def test_a_permutation_p_is_never_nought_and_uniform_under_the_null() -> None:
    rng = np.random.default_rng(2)
    draws = rng.random((100, 2000))
    p = permutation_p(draws[0], draws[1:])
    assert p.min() >= 0.01
    assert p.max() <= 1
    share = (p <= 0.05).mean()
    assert abs(share - 0.05) < 3.3 * np.sqrt(0.05 * 0.95 / 2000)
    assert permutation_p(np.array([2.0]), np.full((9, 1), 2.0)) == 1
    assert np.isnan(permutation_p(np.array([np.nan]), np.zeros((5, 1)))).all()


SESSIONS = np.repeat([0, 1, 2, 3], [5, 1, 8, 5])


@pytest.mark.parametrize("seed", range(3))
def test_rotations_stay_in_the_session_and_keep_its_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    seen = set()
    for _ in range(200):
        rows = shift_rows(SESSIONS, rng)
        assert np.array_equal(np.sort(rows), np.arange(len(SESSIONS)))
        assert np.array_equal(SESSIONS[rows], SESSIONS)
        for name in range(4):
            mine = rows[name == SESSIONS] - np.flatnonzero(name == SESSIONS)[0]
            assert (np.diff(mine) % len(mine) == 1 % len(mine)).all()
        seen.add(tuple(rows.tolist()))
    assert len(seen) > 100  # of 5 x 8 x 5 = 200


def test_every_rotation_is_as_likely() -> None:
    rng = np.random.default_rng(1)
    first = [shift_rows(np.zeros(5, int), rng)[0] for _ in range(5000)]
    counts = np.bincount(first, minlength=5)
    assert np.abs(counts - 1000).max() < 4 * np.sqrt(1000 * 0.8)


def test_sessions_are_permuted_whole() -> None:
    session = np.repeat(np.arange(4), 3)
    rng = np.random.default_rng(0)
    orders = {tuple(permute_sessions(session, rng).tolist()) for _ in range(400)}
    assert len(orders) == 24
    for order in orders:
        blocks = np.array(order).reshape(4, 3)
        assert (blocks % 3 == np.arange(3)).all()
        assert (blocks // 3 == blocks[:, :1] // 3).all()
    with pytest.raises(InputError, match="sessions have 1 to 8 rows; to permute them they must"):
        permute_sessions(SESSIONS, rng)
