"""Principal components of condition means, and the dimensions that activity fills."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl import InputError
from neuro_metarl.neural import dimensionality, pca_trajectories
from tests.populations import factorial, planted

SEEDS = range(3)


def rotation(n: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_directions_are_found(seed: int) -> None:
    """Choice moves along one axis by 3, reward along another by 1, no noise."""
    axes = rotation(8, seed)[:2]
    choice, reward = factorial(3)
    signal = 3 * (2 * choice - 1)[..., None] * axes[0] + (2 * reward - 1)[..., None] * axes[1]
    cohort = planted(signal[:, :, None] + 5.0, choice=choice, reward=reward)
    result = pca_trajectories(cohort, ["choice", "reward"], n_components=2)
    np.testing.assert_allclose(result.variance_explained.values[0], [0.9, 0.1], atol=1e-6)
    np.testing.assert_allclose(np.abs(result.axis.values[0] @ axes.T), np.eye(2), atol=1e-5)
    moved = result.trajectory.sel(subject="s0", component=1, event="e0").values
    assert np.allclose(np.abs(moved), 3, atol=1e-5)
    assert float(result.participation_ratio[0]) == pytest.approx(1 / (0.9**2 + 0.1**2), abs=1e-5)
    assert (result.axis.max("unit") >= -result.axis.min("unit")).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_rotating_units_changes_nothing_but_scaling_one_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    choice, reward = factorial(10)
    activity = rng.normal(size=(1, 40, 3, 6)) + choice[..., None, None]
    turned, scaled = activity @ rotation(6, seed + 9), activity * [9, 1, 1, 1, 1, 1]
    shares, sizes = [], []
    for table in (activity, turned, scaled):
        cohort = planted(table, choice=choice, reward=reward)
        result = pca_trajectories(cohort, ["choice", "reward"])
        shares.append(result.variance_explained.values)
        sizes.append(dimensionality(cohort, n_bootstrap=10).participation_ratio.values[0, 0])
    np.testing.assert_allclose(shares[0], shares[1], atol=1e-5)
    assert np.abs(shares[0] - shares[2]).max() > 0.05
    assert sizes[0] == pytest.approx(sizes[1], abs=1e-4)
    assert abs(sizes[0] - sizes[2]) > 0.5


@pytest.mark.parametrize("d", [1, 3, 10])
def test_participation_ratio_counts_equal_dimensions(d: int) -> None:
    """The expectation with n states is near d / (1 + (d + 1) / n); SD over seeds about 2 %."""
    rng = np.random.default_rng(d)
    latent = rng.normal(size=(4, 500, 1, d))
    cohort = planted(latent @ rotation(12, d)[:d], n_sessions=4)
    result = dimensionality(cohort, n_bootstrap=200)
    value, low, high = result.participation_ratio.values[0]
    assert value == pytest.approx(d / (1 + (d + 1) / 2000), rel=0.03)
    assert low <= value <= high
    assert int(result.n_components[0]) == max(1, int(np.ceil(0.9 * d)))
    assert int(result.n[0]) == 2000


def test_the_interval_covers_the_truth() -> None:
    """Two dimensions of variances 4 and 1: ratio 25/17. 40 data sets, 95 %: 33 or more."""
    covered = 0
    for seed in range(40):
        latent = np.random.default_rng(seed).normal(size=(20, 60, 1, 2)) * [2, 1]
        result = dimensionality(planted(latent, n_sessions=20), n_bootstrap=200, seed=seed)
        _, low, high = result.participation_ratio.values[0]
        covered += low <= 25 / 17 <= high
    assert covered >= 33


def test_events_can_be_chosen() -> None:
    activity = np.random.default_rng(0).normal(size=(1, 200, 2, 4))
    activity[:, :, 1, 1:] = 0
    cohort = planted(activity)
    one = dimensionality(cohort, event="e1", n_bootstrap=10)
    assert float(one.participation_ratio.sel(statistic="value")[0]) == pytest.approx(1)
    assert int(one.n[0]) == 200


def test_bad_input() -> None:
    choice = factorial(3)[0]
    cohort = planted(np.random.default_rng(0).normal(size=(1, 12, 1, 6)), choice=choice)
    for n in (0, 2):
        with pytest.raises(InputError, match=f"n_components is {n}; .* allows 1 to 1"):
            pca_trajectories(cohort, ["choice"], n_components=n)
    with pytest.raises(InputError, match="share is 2"):
        dimensionality(cohort, share=2)
    apart = cohort.activity.copy(deep=True)
    apart[..., 0] = np.nan
    two = xr.concat([cohort, cohort.assign(activity=apart)], dim="session")
    two = two.assign_coords(session_id=("session", ["a", "b"]))
    with pytest.raises(InputError, match="units were not recorded in the same sessions"):
        dimensionality(two, per="subject")
    assert dimensionality(two, n_bootstrap=10).recording.values.tolist() == ["a", "b"]
    assert pca_trajectories(two, ["choice"], n_components=1, per="subject").axis.notnull().all()
    with pytest.raises(InputError, match="n_bootstrap is 0"):
        dimensionality(cohort, n_bootstrap=0)
