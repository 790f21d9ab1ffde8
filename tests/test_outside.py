"""Outside means unlikely, and further out than every animal: rates under any distribution."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from neuro_metarl.comparison.cloud import Cloud, leave_one_out, place
from neuro_metarl.comparison.predictive import held_out_z
from tests.test_cloud import group


def test_held_out_z_is_the_score_against_the_others() -> None:
    rng = np.random.default_rng(1)
    y, noise = rng.normal(size=(7, 3)), rng.uniform(0.01, 0.2, (7, 3))
    z = held_out_z(y, noise)
    for k in range(7):
        others = np.arange(7) != k
        covariance = np.stack([np.diag(row) for row in noise])
        cloud = Cloud(y[others], covariance[others], n_bootstrap=2)
        np.testing.assert_allclose(z[k], cloud.score(y[k], covariance[k])["z"], atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_outside_is_unlikely_and_furthest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    animals = group(rng.normal(size=(8, 3)), noise=0.2)
    far = animals.profile.values.mean(axis=0) + np.array([0, 40.0, 0])
    subject = group(np.stack([far, animals.profile.values.mean(axis=0)]), noise=0.2)
    placed = place(subject, animals, n_bootstrap=300)
    assert placed.outside.values.tolist() == [True, False]
    assert float(placed.p_rank[0]) == pytest.approx(1 / 9)
    assert placed.verdict.values[0].tolist()[1] == "outside"


def test_an_animal_that_lies_further_out_keeps_the_subject_in() -> None:
    """One odd animal: whoever lies less far than it is not called outside, however unlikely."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(20, 2))
    values[7, 0] = 30.0
    for at, outside in ((-25.0, False), (-60.0, True)):
        subject = group(np.array([[at, 0.0]]))
        placed = place(subject, group(values), n_bootstrap=500)
        assert bool(placed.outside[0]) == (outside and float(placed.p_max[0]) < 0.05)
        assert float(placed.p_rank[0]) == pytest.approx((1 if outside else 2) / 21)


@pytest.mark.parametrize(("n", "judged"), [(4, False), (5, False), (6, True)])
def test_few_animals_judge_nobody(n: int, judged: bool) -> None:
    rng = np.random.default_rng(n)
    animals = group(rng.normal(size=(n, 2)))
    subject = group(np.array([[500.0, 0.0]]))
    placed = place(subject, animals, n_bootstrap=300)
    assert bool(placed.outside[0]) is judged
    assert ("outside" in placed.verdict.values) is judged
    assert ("inside" in placed.verdict.values) <= judged


def test_of_the_animals_themselves_at_most_one_is_outside() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        alone = leave_one_out(group(rng.standard_t(2, size=(9, 4))), n_bootstrap=200)
        assert int(alone.outside.sum()) <= 1


def draws(law: str, rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Animals of a distribution, with mean 0 and SD 1 but for the two kinds."""
    if law == "normal":
        return rng.standard_normal(shape)
    if law in ("t5", "t3"):
        freedom = int(law[1])
        drawn = rng.standard_t(freedom, shape) / np.sqrt(freedom / (freedom - 2))
        return np.asarray(drawn)
    if law.startswith("lognormal"):
        return np.exp(float(law[9:]) * rng.standard_normal(shape))
    kinds = rng.random((shape[0], 1)) < 0.3
    return 3.0 * kinds + rng.standard_normal(shape)


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 10, 20])
@pytest.mark.parametrize("law", ["normal", "t5", "t3", "lognormal.4", "lognormal.8", "kinds"])
def test_a_new_animal_is_outside_at_most_as_often_as_promised(law: str, n: int) -> None:
    """Eight signatures, no measurement error; 400 new animals (standard error about .011)."""
    rng = np.random.default_rng([n, sum(map(ord, law))])
    called = []
    for g in range(400):
        y = draws(law, rng, (n + 1, 8))
        placed = place(group(y[:1]), group(y[1:]), n_bootstrap=300, seed=g)
        called.append(bool(placed.outside[0]))
    rate = np.mean(called)
    most = {"normal": 0.06, "t5": 0.08}.get(law, 1 / (n + 1) + 0.02)
    assert rate <= most + 2 * 0.011, rate
    assert rate >= 0.005 or law not in ("normal", "t5")
