"""Similarity of populations: what each measure is blind to, and what it is not."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.spatial import procrustes
from statsmodels.multivariate.cancorr import CanCorr

from neuro_metarl import InputError
from neuro_metarl.neural import compare_populations
from neuro_metarl.neural.similarity import (
    MEASURES,
    canonical_correlations,
    linear_cka,
    procrustes_distance,
    pwcca,
    shape_distance,
    svcca,
)
from tests.populations import factorial, planted

SEEDS = range(5)


def rotation(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def populations(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a population, a rotation and an invertible map far from one (condition number 30)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6)) + 3.0
    stretched = rotation(6, rng) * np.geomspace(1, 30, 6) @ rotation(6, rng)
    return x, rotation(6, rng), stretched


@pytest.mark.parametrize("seed", SEEDS)
def test_cka_is_1_under_rotation_and_scale_not_under_other_linear_maps(seed: int) -> None:
    x, q, stretched = populations(seed)
    for debiased in (False, True):
        assert linear_cka(x, 2.5 * x @ q + 1, debiased=debiased) == pytest.approx(1, abs=1e-10)
        assert linear_cka(x, x @ stretched, debiased=debiased) < 0.98


@pytest.mark.parametrize("seed", SEEDS)
def test_cka_equals_its_kernel_form(seed: int) -> None:
    """tr(K H L H) / sqrt(tr(K H K H) tr(L H L H)), and the U-statistic written out."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(12, 4)), rng.normal(size=(12, 7))
    centre = np.eye(12) - 1 / 12
    k, m = x @ x.T, y @ y.T

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.trace(a @ centre @ b @ centre))

    assert linear_cka(x, y) == pytest.approx(hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m)))

    def unbiased(a: np.ndarray, b: np.ndarray) -> float:
        a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
        one, n = np.ones(12), 12
        return float(
            np.trace(a @ b)
            + one @ a @ one * (one @ b @ one) / ((n - 1) * (n - 2))
            - 2 / (n - 2) * (one @ a @ b @ one)
        )

    expected = unbiased(k, m) / np.sqrt(unbiased(k, k) * unbiased(m, m))
    assert linear_cka(x, y, debiased=True) == pytest.approx(expected)


def test_debiased_cka_is_near_0_for_unrelated_populations_where_plain_cka_is_not() -> None:
    """n = p = 60. The debiased mean over 100 pairs is within 4 of its own standard errors of 0."""
    plain, debiased = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(60, 60)), rng.normal(size=(60, 60))
        plain.append(linear_cka(x, y))
        debiased.append(linear_cka(x, y, debiased=True))
    assert np.mean(plain) > 0.45
    assert abs(np.mean(debiased)) < 4 * np.std(debiased) / 10
    assert np.abs(debiased).max() < 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_cca_is_1_under_invertible_maps_not_under_maps_that_lose_a_dimension(seed: int) -> None:
    x, _, stretched = populations(seed)
    np.testing.assert_allclose(canonical_correlations(x, x @ stretched + 2), 1, atol=1e-8)
    assert pwcca(x, x @ stretched) == pytest.approx(1, abs=1e-8)
    assert svcca(x, x @ stretched, share=1) == pytest.approx(1, abs=1e-8)
    assert shape_distance(x, x @ stretched, alpha=0) == pytest.approx(0, abs=1e-6)
    rng = np.random.default_rng(seed + 50)
    other = np.column_stack([x[:, :3] @ stretched[:3], rng.normal(size=(60, 3))])
    assert canonical_correlations(x, other @ np.ones((9, 3)) + rng.normal(size=(60, 3)))[-1] < 0.9
    noisy = x @ stretched + x.std() * 5 * rng.normal(size=x.shape)
    assert canonical_correlations(x, noisy).mean() < 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_canonical_correlations_of_planted_pairs(seed: int) -> None:
    """Pairs of unit normals correlated .9, .5 and 0, each hidden by a linear map; SE <= .02."""
    rng = np.random.default_rng(seed)
    n, rho = 4000, np.array([0.9, 0.5, 0.0])
    z = rng.normal(size=(n, 3))
    w = rho * z + np.sqrt(1 - rho**2) * rng.normal(size=(n, 3))
    found = canonical_correlations(z @ rng.normal(size=(3, 3)), w @ rng.normal(size=(3, 3)))
    np.testing.assert_allclose(found, rho, atol=0.06)


@pytest.mark.parametrize("seed", SEEDS)
def test_against_statsmodels_and_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 40, 5)) @ rng.normal(size=(5, 5))
    y[:, 0] += x[:, 1]
    reference = CanCorr(y - y.mean(0), x - x.mean(0)).cancorr
    np.testing.assert_allclose(canonical_correlations(x, y), reference, atol=1e-10)
    disparity = procrustes(x, y)[2]
    assert np.cos(shape_distance(x, y)) ** 2 == pytest.approx(1 - disparity)


@pytest.mark.parametrize("seed", SEEDS)
def test_svcca_drops_what_carries_little(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shared = 10 * rng.normal(size=(80, 2))
    x, y = (
        np.column_stack([shared, 0.1 * rng.normal(size=(80, 3))]) @ rotation(5, rng)
        for _ in range(2)
    )
    assert svcca(x, y, share=0.99) > 0.999
    assert svcca(x, y, share=1) < 0.8
    assert pwcca(x, y) > svcca(x, y, share=1) + 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_procrustes_and_angle_are_0_under_rotation_not_under_other_maps(seed: int) -> None:
    x, q, stretched = populations(seed)
    scale = np.linalg.norm(x - x.mean(0))
    assert procrustes_distance(x, x @ q - 4) < 1e-10 * scale
    assert shape_distance(x, 3 * x @ q) < 1e-10
    assert procrustes_distance(x, 3 * x) == pytest.approx(2 * scale)
    assert shape_distance(x, x @ stretched) > 0.1
    mirrored = x @ np.diag([-1, 1, 1, 1, 1, 1])
    assert procrustes_distance(x, mirrored) < 1e-10 * scale


@pytest.mark.parametrize("seed", SEEDS)
def test_distances_equal_their_closed_forms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 7))
    x, y = x - x.mean(0), y - y.mean(0)
    nuclear = np.linalg.svd(x.T @ y, compute_uv=False).sum()
    squared = (x**2).sum() + (y**2).sum() - 2 * nuclear
    assert procrustes_distance(x, y) == pytest.approx(np.sqrt(squared))
    cosine = nuclear / np.linalg.norm(x) / np.linalg.norm(y)
    assert shape_distance(x, y) == pytest.approx(np.arccos(cosine))
    assert procrustes_distance(x, y) == pytest.approx(procrustes_distance(y, x))
    correlations = canonical_correlations(x, y)
    whitened = np.arccos(correlations.sum() / np.sqrt(4 * 7))
    assert shape_distance(x, y, alpha=0) == pytest.approx(whitened)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_angle_obeys_the_triangle_inequality(alpha: float) -> None:
    rng = np.random.default_rng(int(10 * alpha))
    least = np.inf
    for _ in range(300):
        x, z = rng.normal(size=(2, 12, 3))
        y = x + z if rng.random() < 0.5 else rng.normal(size=(12, 3))
        d = [shape_distance(*pair, alpha=alpha) for pair in ((x, z), (x, y), (y, z))]
        least = min(least, d[1] + d[2] - d[0])
    assert least > -1e-9


def test_one_minus_the_cosine_of_the_angle_does_not() -> None:
    """The squared chord is no metric: a point half way breaks the triangle inequality."""
    broken = 0
    for seed in range(100):
        x, z = np.random.default_rng(seed).normal(size=(2, 12, 3))
        y = x / np.linalg.norm(x) + z / np.linalg.norm(z)
        d = [1 - np.cos(shape_distance(*pair)) for pair in ((x, z), (x, y), (y, z))]
        broken += d[1] + d[2] < d[0] - 1e-9
    assert broken > 50


def cohort_of(seed: int, n_subjects: int = 3, n_units: int = 5, n_trials: int = 10) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    choice, reward = factorial(n_trials, n_subjects)
    signal = np.stack([choice, reward, choice * reward, choice - reward], axis=-1) @ rng.normal(
        size=(4, n_units)
    )
    activity = signal[:, :, None] * [[[1], [2], [3]]] + rng.normal(size=(*choice.shape, 3, n_units))
    return planted(activity, n_subjects=n_subjects, choice=choice, reward=reward)


@pytest.mark.parametrize("measure", MEASURES)
def test_matrices_are_labelled_and_hold_the_pairs_own_values(measure: str) -> None:
    cohort = cohort_of(0, n_units=3)
    found = compare_populations(cohort, by=["choice", "reward"], measure=measure, share=0.9)
    assert found.dims == ("subject", "subject_2")
    assert found.subject.values.tolist() == ["s0", "s1", "s2"] == found.subject_2.values.tolist()
    assert found.attrs["n_observations"] == 12
    same = 0 if measure in ("procrustes", "angular") else 1
    np.testing.assert_allclose(np.diag(found), same, atol=1e-9)
    if measure != "pwcca":
        np.testing.assert_allclose(found, found.T)
    means = [
        cohort.isel(session=[k]).activity.groupby(
            (2 * cohort.choice + cohort.reward).isel(session=k).rename("cell")
        )
        for k in range(2)
    ]
    x, y = (
        m.mean("trial").squeeze("session").transpose("cell", "event", "unit").values.reshape(12, 3)
        for m in means
    )
    functions = {
        "cka": linear_cka,
        "debiased_cka": lambda a, b: linear_cka(a, b, debiased=True),
        "cca": lambda a, b: canonical_correlations(a, b).mean(),
        "svcca": lambda a, b: svcca(a, b, share=0.9),
        "pwcca": pwcca,
        "procrustes": procrustes_distance,
        "angular": shape_distance,
    }
    assert float(found[0, 1]) == pytest.approx(functions[measure](x, y), abs=1e-4)


def test_two_cohorts_with_other_units_and_other_names_of_subjects() -> None:
    mine, yours = cohort_of(0, 2, 5), cohort_of(0, 3, 8, 20)
    found = compare_populations(mine, yours, by=["choice", "reward"], measure="angular")
    assert found.shape == (2, 3)
    assert (found > 0).all()


def test_cohorts_with_other_conditions_are_refused() -> None:
    mine = cohort_of(0)
    three = mine.assign(reward=mine.reward.copy(data=np.tile([0, 1, 2, 1], (3, 10))))
    with pytest.raises(InputError, match=r"different numbers or labels of 'reward': \[0.0, 1.0\]"):
        compare_populations(mine, three, by=["reward"])
    with pytest.raises(InputError, match="different numbers or labels of 'event'"):
        compare_populations(mine, mine.isel(event=[0, 1]), by=["reward"])
    with pytest.raises(InputError, match="factors choice and reward, expected the same"):
        compare_populations(mine, mine, by=["choice"], other_by=["reward"])


def test_too_few_conditions_for_cca_are_refused_where_1_would_be_certain() -> None:
    with pytest.raises(InputError, match=r"'s0' and 's0': 12 observations are too few .* 8 and 8"):
        compare_populations(cohort_of(0, n_units=8), by=["choice", "reward"], measure="cca")
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="20 observations are too few"):
        shape_distance(rng.normal(size=(20, 12)), rng.normal(size=(20, 12)), alpha=0.5)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.eye(3), np.eye(4), "x has 3 observations and y 4"),
        (np.ones((5, 2)), np.eye(5), "x: activity is constant"),
        (np.eye(5), np.full((5, 2), np.nan), "y: nan at observation 0, unit 0"),
        (np.ones(5), np.eye(5), r"x: got 1 dims, expected \(observation, unit\)"),
    ],
)
def test_bad_arrays(x: np.ndarray, y: np.ndarray, message: str) -> None:
    for function in (linear_cka, canonical_correlations, procrustes_distance, shape_distance):
        with pytest.raises(InputError, match=message):
            function(x, y)


def test_bad_settings() -> None:
    x = np.random.default_rng(0).normal(size=(9, 3))
    with pytest.raises(InputError, match="alpha is 2, expected 0 to 1"):
        shape_distance(x, x, alpha=2)
    with pytest.raises(InputError, match="share is 0"):
        svcca(x, x, share=0)
    with pytest.raises(InputError, match="debiased CKA needs 4 observations or more, got 3"):
        linear_cka(x[:3], x[:3], debiased=True)
    with pytest.raises(InputError, match="no measure 'cak'; did you mean 'cka'"):
        compare_populations(cohort_of(0), by=["choice"], measure="cak")  # type: ignore[arg-type]
