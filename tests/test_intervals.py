"""Intervals over sessions and over subjects: by plain loops, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm, t

from benchmarks.interval_coverage import of_two_step, subjects_of, two_step
from neuro_metarl.errors import InputError
from neuro_metarl.intervals import (
    few_sessions,
    mean_intervals,
    over_subjects,
    proportion_intervals,
    session_reach,
)


def test_the_reach_is_t_times_the_jackknife_error_and_at_least_the_models() -> None:
    values = np.array([1.0, 2.0, 4.0, 8.0, 3.0])
    others = np.array([[np.delete(values, k).mean()] for k in range(5)])
    error = values.std(ddof=1) / np.sqrt(5)
    assert session_reach(others, np.zeros(1)) == pytest.approx(t.ppf(0.975, 4) * error)
    assert session_reach(others, np.array([5.0])) == pytest.approx(norm.ppf(0.975) * 5)
    assert session_reach(others, np.zeros(1), 0.5) == pytest.approx(t.ppf(0.75, 4) * error)


@pytest.mark.parametrize("n", range(1, 7))
def test_few_sessions_have_no_interval_and_one_has_the_models(n: int) -> None:
    others = np.arange(float(n))[:, None]
    reach = session_reach(others, np.array([0.1])).item()
    assert np.isnan(reach) == (n in (2, 3)) == bool(few_sessions(n))
    if n == 1:
        assert reach == pytest.approx(0.196, abs=1e-4)
        assert np.isnan(session_reach(others, np.zeros(1))).all()


def test_a_session_without_part_is_none() -> None:
    rng = np.random.default_rng(0)
    n = rng.integers(1, 30, size=(6, 3)).astype(float)
    made = rng.binomial(n.astype(int), 0.7).astype(float)
    padded = [np.insert(x, 2, 0, axis=0) for x in (made, n)]
    np.testing.assert_array_equal(proportion_intervals(*padded), proportion_intervals(made, n))
    table = rng.normal(size=(6, 2))
    lacking = np.insert(table, 3, np.nan, axis=0)
    np.testing.assert_allclose(mean_intervals(lacking), mean_intervals(table))


@pytest.mark.parametrize("seed", range(5))
def test_proportions_by_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = rng.integers(5, 40, size=8)
    made = rng.binomial(n, 0.85)
    odds = [logit((made.sum() - k + 0.5) / (n.sum() - m + 1)) for k, m in zip(made, n, strict=True)]
    jackknife = np.sqrt(7 / 8 * ((odds - np.mean(odds)) ** 2).sum())
    k, m = made.sum(), n.sum()
    reach = max(t.ppf(0.975, 7) * jackknife, norm.ppf(0.975) * np.sqrt(
        1 / (k + 0.5) + 1 / (m - k + 0.5)))  # fmt: skip
    middle = logit((k + 0.5) / (m + 1))
    value, low, high = proportion_intervals(made[:, None] * 1.0, n[:, None] * 1.0)[0]
    assert (value, low, high) == pytest.approx(
        (k / m, expit(middle - reach), expit(middle + reach))
    )


@pytest.mark.parametrize("made", [0.0, 10.0])
def test_a_proportion_at_its_limit_has_an_interval(made: float) -> None:
    value, low, high = proportion_intervals(np.full((12, 1), made), np.full((12, 1), 10.0))[0]
    assert value == made / 10
    assert low <= value <= high
    assert 0.03 < high - low < 0.07


def test_the_typical_subject() -> None:
    values = np.array([0.6, 0.9, 0.95, 0.99])
    odds = logit(values)
    reach = t.ppf(0.975, 3) * odds.std(ddof=1) / 2
    expected = expit([odds.mean(), odds.mean() - reach, odds.mean() + reach])
    assert over_subjects(values, limits=(0, 1)) == pytest.approx(expected, abs=1e-5)
    assert over_subjects(np.append(values, np.nan), limits=(0, 1)) == pytest.approx(expected, 1e-5)
    positive = np.exp(odds)
    assert over_subjects(positive, limits=(0, np.inf))[0] == pytest.approx(np.exp(odds.mean()))
    with_zero = np.append(positive, 0.0)
    assert over_subjects(with_zero, limits=(0, np.inf))[0] == pytest.approx(with_zero.mean())


def test_single_answers_are_not_taken_for_proportions() -> None:
    """A subject right in one of one: no log odds; the typical subject is the mean."""
    right = np.repeat([0.0, 1.0], [10, 30])
    typical, low, high = over_subjects(right, limits=(0, 1), n=np.ones(40))
    assert typical == 0.75
    assert (low, high) == pytest.approx((0.61, 0.89), abs=0.01)
    assert over_subjects(np.ones(5), limits=(0, 1), n=np.full(5, 500.0))[0] > 0.999


def test_two_subjects_are_two_points() -> None:
    assert np.isnan(over_subjects(np.array([1.0, 2.0]))[1:]).all()
    assert np.isnan(over_subjects(np.array([np.nan])[:0])).all()
    with pytest.raises(InputError, match="expected a number between 0 and 1"):
        over_subjects(np.arange(4.0), confidence=95)


@pytest.mark.parametrize("n", [3, 4, 6, 10, 20])
def test_the_mean_of_a_group_is_held_as_often_as_said(n: int) -> None:
    drawn = np.random.default_rng(n).normal(3, 1, (4000, n))
    held = [low <= 3 <= high for _, low, high in map(over_subjects, drawn)]
    assert 0.94 <= np.mean(held) <= 0.96


@pytest.mark.slow
@pytest.mark.parametrize("differ", [True, False])
@pytest.mark.parametrize("sessions", [4, 6, 12])
def test_sessions_are_held_as_often_as_said(sessions: int, differ: bool) -> None:
    """200 subjects: each of 13 quantities .90 or more, their mean .94 to .98.

    Stationary subjects with few sessions are covered more often, up to .99, because no interval is
    narrower than the model's own.
    """
    rng = np.random.default_rng([sessions, differ, 7])
    truth = of_two_step(two_step(2500, 150, differ, rng))
    table = of_two_step(subjects_of(two_step, 200, sessions, 150, differ, rng))
    held = {
        name: np.mean((v[:, 1] <= truth[name][0, 0]) & (truth[name][0, 0] <= v[:, 2]))
        for name, v in table.items()
    }
    assert 0.94 <= np.mean(list(held.values())) <= (0.98 if differ else 0.99)
    assert min(held.values()) >= 0.90, held
