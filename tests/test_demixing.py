"""Demixed PCA: orthogonal parts, planted factors, and the penalty."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from neuro_metarl import InputError
from neuro_metarl.neural import demixed_pca, marginalize
from neuro_metarl.neural.conditions import conditions_of
from neuro_metarl.neural.demixing import _fit, _split
from tests.populations import factorial, planted

SEEDS = range(3)


def rotation(n: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("apart", [(), ("event",)])
def test_marginal_variances_add_to_the_total(seed: int, apart: tuple[str, ...]) -> None:
    table = np.random.default_rng(seed).normal(size=(7, 2, 3, 4, 5))
    centred = table - table.mean(axis=(1, 2, 3, 4), keepdims=True)
    parts = marginalize(table, ["a", "b", "c"], apart=apart)
    assert len(parts) == (8 if not apart else 15)
    np.testing.assert_allclose(sum(parts.values()), centred, atol=1e-12)
    variances = {k: (p**2).sum() for k, p in parts.items()}
    assert sum(variances.values()) == pytest.approx((centred**2).sum(), rel=1e-12)
    names = list(parts)
    for i, one in enumerate(names):
        for other in names[:i]:
            assert abs((parts[one] * parts[other]).sum()) < 1e-10
    plain = {
        k: table.mean(axis=tuple(j for j in range(1, 5) if j != a), keepdims=True)
        for a, k in enumerate(("a", "b", "c", "event"), start=1)
    }
    wrong = sum((np.broadcast_to(p, table.shape) ** 2).sum() for p in plain.values())
    assert wrong != pytest.approx((centred**2).sum(), rel=1e-3)


def mixed(seed: int, noise: float = 0.3, n_repeats: int = 30, overlap: float = 0.7):
    """Plant choice and reward along axes that are not orthogonal, and a time course."""
    rng = np.random.default_rng(seed)
    base = rotation(12, seed)
    axes = {
        "choice": base[0],
        "reward": overlap * base[0] + np.sqrt(1 - overlap**2) * base[1],
        "event": base[2],
    }
    choice, reward = factorial(n_repeats)
    time = np.array([-1.0, 0.0, 1.0])
    signal = (
        2 * (2 * choice - 1)[:, :, None, None] * np.array([0, 1, 1])[:, None] * axes["choice"]
        + 1.5 * (2 * reward - 1)[:, :, None, None] * np.array([0, 0, 1])[:, None] * axes["reward"]
        + 3 * time[:, None] * axes["event"]
    )
    activity = signal + noise * rng.normal(size=(*signal.shape[:3], 12))
    return planted(activity, choice=choice, reward=reward), axes


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_factors_are_demixed_where_pca_mixes_them(seed: int) -> None:
    cohort, axes = mixed(seed)
    result = demixed_pca(cohort, ["choice", "reward"], n_components=1, n_splits=5, seed=seed)
    mine = result.isel(subject=0)
    assert mine.marginal_variance.sum() == pytest.approx(1, abs=1e-9)
    for name in ("choice", "reward", "event"):
        k = mine.marginalization_of.values.tolist().index(name)
        purity = float(mine.component_variance.isel(component=k).sel(marginalization=name))
        assert purity > 0.97
        encoder = mine.encoder.isel(component=k).values
        assert abs(encoder @ axes[name]) > 0.98
        assert np.linalg.norm(encoder) == pytest.approx(1)
    states = cohort.activity.values.reshape(-1, 12)
    first = np.linalg.svd(states - states.mean(0), full_matrices=False)[2][:3]
    shown = {k: float(np.abs(first @ v).max()) for k, v in axes.items()}
    assert shown["reward"] < 0.97


@pytest.mark.parametrize("seed", SEEDS)
def test_marginal_variances_are_those_planted(seed: int) -> None:
    """Without noise: event 3^2 2/3, choice 2^2 2/3, reward 1.5^2 1/3 (mean squares)."""
    cohort, _ = mixed(seed, noise=0.0)
    result = demixed_pca(cohort, ["choice", "reward"], n_components=1, regularization=0.0)
    expected = np.array([9 * 2 / 3, 4 * 2 / 3, 2.25 / 3, 0])
    np.testing.assert_allclose(
        result.marginal_variance.values[0], expected / expected.sum(), atol=1e-5
    )


def test_without_a_penalty_nor_noise_the_fit_is_exact() -> None:
    cohort, _ = mixed(0, noise=0.0)
    result = demixed_pca(cohort, ["choice"], n_components=1, regularization=0.0).isel(subject=0)
    assert float(result.variance_explained.sum()) == pytest.approx(
        float(result.marginal_variance.sum()), abs=1e-5
    )
    choice = result.projection.isel(component=1)
    np.testing.assert_allclose(np.abs(choice.values), np.array([[0, 2, 2], [0, 2, 2]]), atol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_more_noise_asks_for_a_larger_penalty(seed: int) -> None:
    quiet, _ = mixed(seed, noise=0.05, n_repeats=8)
    loud, _ = mixed(seed, noise=3.0, n_repeats=8)
    chosen = [
        float(demixed_pca(c, ["choice", "reward"], n_components=1, seed=seed).regularization[0])
        for c in (quiet, loud)
    ]
    assert chosen[0] < chosen[1]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("strength", [1e-4, 1e-1])
def test_no_other_axes_lose_less(seed: int, strength: float) -> None:
    """Descend the loss |X_m - f d X|^2 + penalty |f d|^2 itself from random axes."""
    table = np.random.default_rng(seed).normal(size=(4, 2, 3, 2))
    table -= table.mean(axis=(1, 2, 3), keepdims=True)
    parts, flat = marginalize(table, ["a", "b"]), table.reshape(4, -1)
    penalty = strength * (flat**2).sum()
    found = _fit(table, ["a", "b"], 1, np.array([strength]))
    for label, part in parts.items():
        target = part.reshape(4, -1)

        def loss(axes: np.ndarray, target: np.ndarray = target) -> tuple[float, np.ndarray]:
            encoder, decoder = axes[:4], axes[4:]
            both = np.outer(encoder, decoder)
            left = target - both @ flat
            slope = 2 * (penalty * both - left @ flat.T)
            value = float((left**2).sum() + penalty * (both**2).sum())
            return value, np.concatenate([slope @ decoder, slope.T @ encoder])

        mine = loss(np.concatenate([found[label][0][0, 0], found[label][1][0, 0]]))[0]
        rng = np.random.default_rng(seed)
        others = [minimize(loss, rng.normal(size=8), jac=True).fun for _ in range(2)]
        assert mine <= min(others) + 1e-6
        assert mine == pytest.approx(min(others), rel=1e-4)


def test_the_trial_held_out_is_not_in_the_training_mean() -> None:
    cohort, _ = mixed(0, n_repeats=3)
    _, mine = next(conditions_of(cohort, ["choice", "reward"]).samples())
    train, test = _split(mine, 4, np.random.default_rng(0))
    for cell in range(4):
        trials = mine.values[mine.cell == cell]
        assert sum(np.array_equal(test[cell], one) for one in trials) == 1
        np.testing.assert_allclose(2 * train[cell] + test[cell], trials.sum(axis=0))


def test_one_event_has_no_part_of_its_own() -> None:
    cohort, _ = mixed(0)
    result = demixed_pca(cohort.isel(event=[2]), ["choice", "reward"], n_components=1, n_splits=2)
    assert result.marginalization.values.tolist() == ["choice", "reward", "choice x reward"]
    assert float(result.marginal_variance.sum()) == pytest.approx(1)


def test_rotating_units_rotates_the_axes_alone() -> None:
    cohort, _ = mixed(1)
    q = rotation(12, 77)
    turned = cohort.assign(
        activity=(cohort.activity.dims, (cohort.activity.values @ q).astype("float32"))
    )
    a, b = (
        demixed_pca(c, ["choice", "reward"], n_components=1, regularization=1e-4)
        for c in (cohort, turned)
    )
    np.testing.assert_allclose(a.component_variance, b.component_variance, atol=1e-4)
    np.testing.assert_allclose(
        np.abs((a.encoder.values @ q * b.encoder.values).sum(-1)), 1, atol=1e-3
    )
    assert np.abs(a.encoder.values - b.encoder.values).max() > 0.1


def test_units_recorded_apart_are_split_apart() -> None:
    cohort, axes = mixed(0, n_repeats=60)
    halves = cohort.isel(session=[0, 0]).assign_coords(session_id=("session", ["a", "b"]))
    activity = halves.activity.values.copy()
    activity[0, :, :, :6], activity[1, :, :, 6:] = np.nan, np.nan
    apart = halves.assign(activity=(halves.activity.dims, activity))
    result = demixed_pca(
        apart, ["choice", "reward"], n_components=1, n_splits=3, per="subject"
    ).isel(subject=0)
    k = result.marginalization_of.values.tolist().index("choice")
    assert abs(result.encoder.isel(component=k).values @ axes["choice"]) > 0.97


def test_bad_input() -> None:
    cohort, _ = mixed(0, n_repeats=1)
    with pytest.raises(InputError, match="a condition with a single trial, which cross-validation"):
        demixed_pca(cohort, ["choice", "reward"], n_components=1)
    with pytest.raises(InputError, match="regularization is -1"):
        demixed_pca(cohort, ["choice", "reward"], n_components=1, regularization=-1)
    with pytest.raises(
        InputError, match="n_components is 5; subject 's0' allows 1 to 2 for 'event'"
    ):
        demixed_pca(cohort, ["choice", "reward"], n_components=5, regularization=0.1)
    many, _ = mixed(0, n_repeats=4)
    with pytest.raises(InputError, match="n_splits is 0"):
        demixed_pca(many, ["choice"], n_components=1, n_splits=0)
    many["valid"] = many.valid.where(~((many.choice == 1) & (many.reward == 1)), 0).astype("int8")
    with pytest.raises(InputError, match="has no trial of condition choice 1, reward 1"):
        demixed_pca(many, ["choice", "reward"])
