"""Representational dissimilarity: unbiased where cross-validated, and compared between subjects."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
import xarray as xr
from rsatoolbox.data.noise import prec_from_residuals
from scipy.stats import kendalltau, spearmanr

from neuro_metarl import InputError
from neuro_metarl.neural import compare_dissimilarities, dissimilarities
from tests.populations import factorial, planted

N_DATA_SETS = 20


def noise_cohort(
    seed: int, shift: float = 0.0, n_subjects: int = 1, n_sessions: int = 4
) -> xr.Dataset:
    """Draw correlated noise; choice 1 moves the first unit by ``shift``."""
    rng = np.random.default_rng(seed)
    choice, reward = factorial(5, n_subjects * n_sessions)
    mix = rng.normal(size=(6, 6)) / 3 + np.eye(6)
    activity = rng.normal(size=(*choice.shape, 1, 6)) @ mix
    activity[..., 0] += shift * choice[..., None]
    return planted(
        activity, n_sessions=n_sessions, n_subjects=n_subjects, choice=choice, reward=reward
    )


def mean_pair(distance: str, shift: float) -> np.ndarray:
    found = [
        dissimilarities(noise_cohort(s, shift), ["choice", "reward"], distance=distance)
        for s in range(N_DATA_SETS)
    ]
    return np.array([d.dissimilarity.values[0][0, 2:].mean() for d in found])


def test_crossnobis_is_0_on_average_without_a_difference_and_mahalanobis_is_not() -> None:
    """Means over 20 data sets, against 4 standard errors."""
    crossed, plain = mean_pair("crossnobis", 0), mean_pair("mahalanobis", 0)
    assert abs(crossed.mean()) < 4 * crossed.std() / np.sqrt(N_DATA_SETS)
    assert (crossed < 0).mean() > 0.2
    assert plain.mean() > 10 * plain.std() / np.sqrt(N_DATA_SETS)
    assert plain.min() > 0


def test_a_difference_is_seen_and_grows_with_its_square() -> None:
    small, large = mean_pair("crossnobis", 2.0), mean_pair("crossnobis", 4.0)
    assert small.mean() > 4 * small.std() / np.sqrt(N_DATA_SETS)
    assert large.mean() / small.mean() == pytest.approx(4, rel=0.2)


def test_crossnobis_is_its_formula() -> None:
    """Each fold's difference of means times that of the other folds, in the noise's metric."""
    cohort = noise_cohort(3, 1.0)
    cell = (2 * cohort.choice + cohort.reward).values.astype(int).ravel()
    x = cohort.activity.values.reshape(-1, 6).astype(float)
    fold = np.repeat(np.arange(4), 20)
    residuals = x.copy()
    for f in range(4):
        for c in range(4):
            here = (fold == f) & (cell == c)
            residuals[here] -= x[here].mean(0)
    precision = prec_from_residuals(residuals, dof=80 - 16)
    expected = 0.0
    for f in range(4):
        out, rest = fold == f, fold != f
        first, second = (
            x[m & (cell == 0)].mean(0) - x[m & (cell == 3)].mean(0) for m in (out, rest)
        )
        expected += first @ precision @ second / 6 / 4
    found = dissimilarities(cohort, ["choice", "reward"], n_folds=4).dissimilarity.values[0]
    assert found[0, 3] == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(found, found.T)


def test_euclidean_and_correlation_distances_are_their_formulas() -> None:
    cohort = noise_cohort(0)
    means = np.array(
        [
            cohort.activity.values[(cohort.choice == c).values & (cohort.reward == r).values].mean(
                0
            )
            for c in (0, 1)
            for r in (0, 1)
        ]
    ).reshape(4, -1)
    found = dissimilarities(cohort, ["choice", "reward"], distance="euclidean")
    expected = ((means[:, None] - means) ** 2).mean(-1)
    np.testing.assert_allclose(found.dissimilarity.values[0], expected, atol=1e-5)
    found = dissimilarities(cohort, ["choice", "reward"], distance="correlation")
    np.testing.assert_allclose(found.dissimilarity.values[0], 1 - np.corrcoef(means), atol=1e-5)
    assert found.condition.values.tolist()[1] == "choice 0, reward 1.0"
    assert found.n.values.tolist() == [[20] * 4]


def test_more_than_ten_conditions_keep_their_order() -> None:
    rng = np.random.default_rng(0)
    label = np.tile(np.arange(12), (2, 10))
    activity = label[:, :, None, None] * np.array([1.0, 2.0]) + 1e-3 * rng.normal(
        size=(2, 120, 1, 2)
    )
    cohort = planted(activity, n_sessions=2, choice=label)
    found = dissimilarities(cohort, ["choice"], distance="euclidean")
    expected = 2.5 * (np.arange(12)[:, None] - np.arange(12)) ** 2
    np.testing.assert_allclose(found.dissimilarity.values[0], expected, atol=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_agreement_is_that_of_scipy(seed: int) -> None:
    cohort = noise_cohort(seed, 1.0, n_subjects=2)
    found = dissimilarities(cohort, ["choice", "reward"])
    upper = np.triu_indices(4, 1)
    a, b = (m[upper] for m in found.dissimilarity.values)
    tests = {
        "spearman": spearmanr(a, b).statistic,
        "kendall": kendalltau(a, b).statistic,
        "pearson": np.corrcoef(a, b)[0, 1],
        "cosine": a @ b / np.linalg.norm(a) / np.linalg.norm(b),
    }
    for method, expected in tests.items():
        agreement = compare_dissimilarities(found, method=method)  # type: ignore[arg-type]
        assert agreement.dims == ("subject", "subject_2")
        assert float(agreement[0, 1]) == pytest.approx(expected)
        np.testing.assert_allclose(np.diag(agreement), 1)


def test_rotating_units_changes_no_crossnobis_distance_by_more_than_shrinkage() -> None:
    """Euclidean distances are invariant exactly; scaling one unit changes them."""
    cohort = noise_cohort(0, 1.0)
    q = np.linalg.qr(np.random.default_rng(5).normal(size=(6, 6)))[0]
    turned = cohort.assign(
        activity=(cohort.activity.dims, (cohort.activity.values @ q).astype("float32"))
    )
    scaled = cohort.assign(activity=cohort.activity * [10, 1, 1, 1, 1, 1])
    scaled["activity"] = scaled.activity.astype("float32")
    a, b, c = (
        dissimilarities(d, ["choice", "reward"], distance="euclidean").dissimilarity.values
        for d in (cohort, turned, scaled)
    )
    np.testing.assert_allclose(a, b, atol=1e-5)
    assert np.abs(a - c).max() > 1


def test_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = noise_cohort(0)
    both = ["choice", "reward"]
    with pytest.raises(InputError, match="no distance 'crosnobis'; did you mean 'crossnobis'"):
        dissimilarities(cohort, both, distance="crosnobis")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="n_folds is 1"):
        dissimilarities(cohort, both, n_folds=1)
    with pytest.raises(InputError, match="by makes 2 conditions, expected 3 or more"):
        dissimilarities(cohort, ["choice"])
    short = cohort.isel(session=[0], trial=slice(0, 5))
    with pytest.raises(InputError, match=r"condition choice 0, reward 0\.0 in fold 1"):
        dissimilarities(short, both, n_folds=2)
    still = cohort.assign(activity=cohort.activity * 0 + cohort.choice)
    still["activity"] = still.activity.transpose(*cohort.activity.dims).astype("float32")
    with pytest.raises(InputError, match="6 of 6 units x events do not vary between trials"):
        dissimilarities(still, both)
    found = dissimilarities(cohort, both)
    with pytest.raises(InputError, match="no method 'tau'; there are"):
        compare_dissimilarities(found, method="tau")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="4 and 3 conditions or other names"):
        compare_dissimilarities(found, found.isel(condition=slice(3), condition_2=slice(3)))
    with pytest.raises(InputError, match="'s0': all dissimilarities are the same"):
        compare_dissimilarities(found.assign(dissimilarity=found.dissimilarity * 0))
    real = builtins.__import__

    def without(name: str, *args, **kwargs):
        if name.startswith("rsatoolbox"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'neuro_metarl\[geometry\]'"):
        dissimilarities(cohort, both)
