"""The cloud of animals: the noise-free t-test, invariances, error rates, verdicts, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import t as student

from neuro_metarl.behavior.profiles import PROFILE, profile
from neuro_metarl.comparison.cloud import Cloud, leave_one_out, place
from neuro_metarl.errors import InputError
from neuro_metarl.stats import holm


def group(values: np.ndarray, noise: float = 0.0) -> xr.Dataset:
    n, d = values.shape
    names = [f"m{k}" for k in range(d)]
    return xr.Dataset(
        {
            "profile": (("subject", "measure"), values),
            "covariance": (
                ("subject", "measure", "measure_2"),
                np.tile(noise**2 * np.eye(d), (n, 1, 1)),
            ),
        },
        coords={"subject": [f"a{k}" for k in range(n)], "measure": names, "measure_2": names},
    )


@pytest.mark.parametrize("n", [4, 6, 12, 30])
@pytest.mark.parametrize("x", [0.3, 1.5, 3.0])
def test_without_noise_it_is_crawford_and_howells_t(n: int, x: float) -> None:
    rng = np.random.default_rng(n)
    y = rng.normal(2, 3, (n, 1))
    cloud = Cloud(y, np.zeros((n, 1, 1)), n_bootstrap=5)
    value = y.mean() + x * y.std(ddof=1)
    t = (value - y.mean()) / (y.std(ddof=1) * np.sqrt(1 + 1 / n))
    found = cloud.score(np.array([value]), np.zeros((1, 1)))["p"][0]
    assert found == pytest.approx(2 * student.sf(abs(t), n - 1), abs=5e-5)


def test_noise_widens_and_is_weighed() -> None:
    """A noisy animal counts less; a noisy subject is less surprising."""
    y = np.array([[0.0], [0.4], [-0.3], [0.2], [9.0]])
    precise, noisy = np.zeros((5, 1, 1)), np.zeros((5, 1, 1))
    noisy[4] = 100.0
    a, b = (Cloud(y, s, n_bootstrap=5) for s in (precise, noisy))
    assert abs(b.center[0]) < 0.5 < a.center[0]
    x, s = np.array([5.0]), np.zeros((1, 1))
    assert b.score(x, s)["p"] < a.score(x, s)["p"]
    assert b.score(x, s + 25)["p"] > b.score(x, s)["p"]


def test_more_noise_never_makes_a_subject_less_likely() -> None:
    rng = np.random.default_rng(5)
    cloud = Cloud(rng.normal(size=(7, 1)), 0.1 * np.ones((7, 1, 1)), n_bootstrap=5)
    for x in (-4.0, 0.2, 2.5):
        p = [cloud.score(np.array([x]), np.full((1, 1), s))["p"][0] for s in (0, 0.1, 1, 10, 100)]
        assert (np.diff(p) > -1e-12).all()


@pytest.mark.parametrize("seed", range(10))
def test_the_animals_mean_is_never_outside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    animals = group(rng.normal(size=(6, 4)), noise=0.3)
    mean = group(animals.profile.values.mean(axis=0, keepdims=True), noise=0.1)
    placed = place(mean, animals, n_bootstrap=200)
    assert "outside" not in placed.verdict.values
    assert float(placed.p_max[0]) > 0.2


def test_order_scale_and_sign_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    y, s = rng.normal(size=(6, 3)), 0.04 * np.tile(np.eye(3), (6, 1, 1))
    x, e = rng.normal(size=3) * 2, 0.02 * np.eye(3)
    base = Cloud(y, s, n_bootstrap=300).score(x, e)
    shuffled = Cloud(y[::-1], s, n_bootstrap=300).score(x, e)
    np.testing.assert_allclose(base["z"], shuffled["z"], atol=1e-10)
    scaled = Cloud(5 * y + 7, 25 * s, n_bootstrap=300).score(5 * x + 7, 25 * e)
    np.testing.assert_allclose(base["z"], scaled["z"], atol=1e-10)
    assert base["d2"] == pytest.approx(scaled["d2"])
    flipped = Cloud(-y, s, n_bootstrap=300).score(-x, e)
    np.testing.assert_allclose(base["z"], -flipped["z"], atol=1e-10)


def test_the_order_of_animals_does_not_matter_to_the_bootstrap_either() -> None:
    rng = np.random.default_rng(8)
    animals = group(rng.normal(size=(7, 3)), noise=0.2)
    subject = group(rng.normal(size=(2, 3)) * 2, noise=0.1)
    first = place(subject, animals, n_bootstrap=300, seed=3)
    turned = place(subject, animals.isel(subject=rng.permutation(7)), n_bootstrap=300, seed=3)
    xr.testing.assert_allclose(first, turned, atol=1e-12)
    again = place(subject, animals, n_bootstrap=300, seed=4)
    assert not np.array_equal(first.p_max, again.p_max)


def test_relabelling_the_sides_leaves_every_z_unchanged() -> None:
    """The other port becomes the first at both steps; a side bias changes its sign, no more."""
    from neuro_metarl.datasets import load_dataset

    rats = load_dataset("synthetic-rats")
    there = rats.valid == 1
    mirrored = rats.assign(
        choice=(1 - rats.choice).where(there, -1).astype("int8"),
        state=(1 - rats.state).where(there, -1).astype("int8"),
    )
    a, b = profile(rats), profile(mirrored)
    np.testing.assert_allclose(a.bias, -b.bias, atol=1e-8)
    first, second = (leave_one_out(t, n_bootstrap=100) for t in (a, b))
    np.testing.assert_allclose(first.z, second.z, atol=1e-6)
    wrong = profile(rats.assign(common=(1 - rats.common).where(there, -1).astype("int8")))
    assert not np.allclose(leave_one_out(wrong, n_bootstrap=2).z, first.z, atol=0.1)


def test_four_animals_are_held_against_three_each() -> None:
    rng = np.random.default_rng(6)
    y = rng.normal(size=(4, 2))
    y[3, 0] = 60.0
    alone = leave_one_out(group(y), n_bootstrap=500)
    assert alone.p_max.shape == (4,)
    assert float(alone.p[3, 0]) < 0.01
    assert (alone.p[:3, 0] > 0.3).all()
    others = y[:3, 1]
    t = (y[3, 1] - others.mean()) / (others.std(ddof=1) * np.sqrt(1 + 1 / 3))
    assert float(alone.p[3, 1]) == pytest.approx(2 * student.sf(abs(t), 2), abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 4, 6, 10])
def test_the_nominal_rate_over_many_groups(n: int) -> None:
    """Eight correlated measures, unequal errors; 200 groups, 8 new animals each.

    Standard error over groups is about .007. Animals vary with the tails of Student's t of 8
    degrees, which are heavier than those of the reference.
    """
    rng = np.random.default_rng(40 + n)
    root = np.linalg.cholesky(0.4 * np.ones((8, 8)) + 0.6 * np.eye(8))
    called = []
    for g in range(200):
        size = 0.2 * rng.uniform(0.5, 1.5, n + 8)
        tails = np.sqrt(8 / rng.chisquare(8, n + 8))[:, None]
        y = tails * rng.standard_normal((n + 8, 8)) @ root.T
        y = y + size[:, None] * rng.standard_normal(y.shape)
        errors = (size**2)[:, None, None] * np.eye(8)
        cloud = Cloud(y[:n], errors[:n], n_bootstrap=300, seed=g)
        scores = [cloud.score(y[k], errors[k])["p_max"] < 0.05 for k in range(n, n + 8)]
        called.append(np.mean(scores))
    assert 0.03 <= np.mean(called) <= 0.08, np.mean(called)


def test_further_out_is_less_likely() -> None:
    rng = np.random.default_rng(1)
    cloud = Cloud(rng.normal(size=(8, 2)), np.zeros((8, 2, 2)), n_bootstrap=500)
    p, share = [], []
    for x in (0.0, 1.0, 2.0, 4.0, 8.0):
        value = cloud.center + np.array([x, 0.0])
        p.append(cloud.score(value, np.zeros((2, 2)))["p_max"])
        share.append(cloud.position(value, np.zeros((2, 2)))["share"][0])
    assert (np.diff(p) <= 0).all()
    assert (np.diff(share) < 0).all()
    assert p[0] > 0.3
    assert p[-1] < 0.02


@pytest.mark.parametrize("n", [6, 20])
def test_a_new_animal_is_called_outside_one_time_in_twenty(n: int) -> None:
    """400 groups with three correlated measures and unequal errors; 4 standard errors."""
    rng = np.random.default_rng(n)
    root = np.linalg.cholesky(np.array([[1, 0.5, 0], [0.5, 1, 0.3], [0, 0.3, 1]]))
    rejected = np.zeros(3)
    n_groups = 400
    for seed in range(n_groups):
        sizes = rng.choice([0.1, 0.4, 0.8], n)
        y = rng.standard_normal((n + 1, 3)) @ root.T
        y[:n] += sizes[:, None] * rng.standard_normal((n, 3))
        error = rng.choice([0.1, 0.6])
        x = y[n] + error * rng.standard_normal(3)
        cloud = Cloud(y[:n], (sizes**2)[:, None, None] * np.eye(3), n_bootstrap=300, seed=seed)
        found = cloud.score(x, error**2 * np.eye(3))
        rejected += [found["p_max"] < 0.05, found["p_d2"] < 0.05, found["p"][0] < 0.05]
    rate = rejected / n_groups
    assert (rate < 0.05 + 4 * np.sqrt(0.05 * 0.95 / n_groups)).all(), rate
    assert (rate > 0.015).all(), rate


def test_verdicts() -> None:
    """Inside needs the whole interval within two SDs; nothing is inside by not being outside."""
    rng = np.random.default_rng(2)
    many, few = group(rng.normal(size=(60, 3))), group(rng.normal(size=(5, 3)))
    subject = group(np.array([[0.0, 1.9, 9.0]]))
    near = group(np.array([[0.0, 1.0, 9.0]]))
    a, b = place(subject, many, n_bootstrap=300), place(near, few, n_bootstrap=300)
    assert a.verdict.values[0].tolist() == ["inside", "undecided", "outside"]
    assert a.most_unlike.values.tolist() == ["m2"]
    assert b.verdict.values[0, 1] == "undecided"
    assert float(a.share_high[0, 2]) < 0.01
    assert float(b.share_high[0, 0]) > float(b.share[0, 0]) > float(b.share_low[0, 0])
    assert float(a.p_rank[0]) == 1 / 61
    assert float(b.p_rank[0]) >= 1 / 6


def test_refusals() -> None:
    rng = np.random.default_rng(3)
    subject = group(rng.normal(size=(1, 2)))
    with pytest.raises(InputError, match="3 animals; a cloud needs at least 4"):
        place(subject, group(rng.normal(size=(3, 2))))
    with pytest.raises(InputError, match="3 animals; holding each against the others needs at"):
        leave_one_out(group(rng.normal(size=(3, 2))))
    same = rng.normal(size=(6, 2))
    same[:, 1] = 1.0
    with pytest.raises(InputError, match="'m1' is the same in all 6 animals"):
        place(subject, group(same))


def test_holms_steps_against_the_definition() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        p = rng.random(6)
        ordered = np.sort(p)
        expected = [min(1, max((6 - j) * ordered[j] for j in range(k + 1))) for k in range(6)]
        assert np.sort(holm(p)) == pytest.approx(expected)


def test_the_profile_is_the_indices_cut_at_the_first_lag() -> None:
    from neuro_metarl.behavior.two_step import INDICES, lagged_regression
    from neuro_metarl.datasets import load_dataset

    rats = load_dataset("synthetic-rats")
    table, fit = profile(rats), lagged_regression(rats)
    for name in INDICES:
        short = name.removesuffix("_index")
        both = table.profile.sel(measure=[f"{short}_lag_1", f"{short}_lags_2_5"]).sum("measure")
        np.testing.assert_allclose(both, fit[name].sel(statistic="value"), atol=1e-9)
    assert table.measure.values.tolist() == list(PROFILE)
    assert (np.linalg.eigvalsh(table.covariance.values) > -1e-9).all()


def test_the_profiles_error_is_its_spread() -> None:
    """60 planted rats alike: SD of the estimates against the mean standard error, each measure."""
    from neuro_metarl.models.recovery import simulate_design
    from tests.designs import two_step_design

    values = {"weight_model_based": 2.0, "weight_perseveration": 1.5}
    cohort = simulate_design(
        two_step_design("miller", 60, 2100), "mixture", {f"a{k}": values for k in range(60)}
    )
    table = profile(cohort)
    errors = np.sqrt(np.einsum("sjj->sj", table.covariance.values))
    ratio = errors.mean(axis=0) / table.profile.values.std(axis=0, ddof=1)
    assert (ratio > 0.8).all(), ratio
    assert (ratio < 1.35).all(), ratio


@pytest.mark.parametrize("n_trials", [500, 1500])
def test_errors_of_short_subjects_are_correlated_as_the_profile_says(n_trials: int) -> None:
    """250 planted rats alike: within 3 standard errors of .05; the sandwich's are beyond them."""
    from neuro_metarl.behavior.profiles import _combinations
    from neuro_metarl.behavior.two_step import INDICES, lagged_fit
    from neuro_metarl.models.recovery import simulate_design
    from tests.designs import large_distances, two_step_design

    values = {"weight_model_based": 2.0, "weight_perseveration": 1.5}
    design = two_step_design("miller", 250, n_trials)
    rats = simulate_design(design, "mixture", {f"a{k}": values for k in range(250)})
    table = profile(rats)
    error = np.sqrt(0.05 * 0.95 / 250)
    assert large_distances(table) == pytest.approx(0.05, abs=3 * error)
    combine = _combinations(INDICES)
    sandwich = table.copy(deep=True)
    for k, (_, fit) in enumerate(lagged_fit(rats, n_lags=5, blocks=True)):
        influence = fit.cluster_scores @ fit.covariance @ combine.T
        correlation = np.corrcoef(influence.T)
        size = np.sqrt(np.diag(table.covariance.values[k]))
        sandwich["covariance"][k] = correlation * np.outer(size, size)
    assert large_distances(sandwich) > 0.05 + 3 * error
