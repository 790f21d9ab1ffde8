"""Clusters, resampling and intervals: sizes, closed forms, coverage."""

from __future__ import annotations

import numpy as np
import pytest

from neuro_metarl.errors import InputError
from neuro_metarl.stats import clusters_of, interval, mean_interval, multiplicities


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
    with pytest.raises(InputError, match="n_bootstrap is 0, expected 1 or more"):
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


def test_mean_interval_covers_the_truth_as_often_as_it_says() -> None:
    """1,000 groups of 10: 95 % within .91 to .97 (a bootstrap of ten is slightly too narrow)."""
    rng = np.random.default_rng(1)
    groups = rng.normal(3, 1, (1000, 10))
    covered = [
        low <= 3 <= high for low, high in (mean_interval(g, n_bootstrap=400) for g in groups)
    ]
    assert 0.91 <= np.mean(covered) <= 0.97


def test_mean_interval_leaves_missing_subjects_out() -> None:
    values = np.arange(8.0)
    assert mean_interval(np.append(values, np.nan)) == mean_interval(values)


def test_one_subject_has_no_interval() -> None:
    assert np.isnan(mean_interval(np.array([1.0]))).all()
