"""Dynamical similarity: 0 for rotated systems, large for others; operators of known systems."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
import xarray as xr
from scipy.linalg import block_diag

from neuro_metarl import InputError
from neuro_metarl.neural import delay_operators, dynamical_similarity
from neuro_metarl.neural.delays import aligned_angle
from tests.populations import planted

SEEDS = range(3)


def spiral(size: float, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return size * np.array([[c, -s], [s, c]])


A = block_diag(spiral(0.95, 0.3), spiral(0.9, 1.0))
B = block_diag(spiral(0.7, 2.0), spiral(0.9, 0.05))


def rotation(n: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


def play(matrix: np.ndarray, seed: int, noise: float = 1.0) -> np.ndarray:
    """Drive a linear system by white noise, dims (session, trial, event, unit)."""
    rng = np.random.default_rng(seed)
    x = np.zeros((20, 300, 1, len(matrix)))
    for t in range(1, 300):
        x[:, t, 0] = x[:, t - 1, 0] @ matrix.T + noise * rng.normal(size=(20, len(matrix)))
    return x


def cohort_of(*tables: np.ndarray) -> xr.Dataset:
    return planted(np.concatenate(tables), n_sessions=20, n_subjects=len(tables))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_operator_has_the_systems_eigenvalues(seed: int) -> None:
    """6,000 steps driven by noise: standard errors of about .01."""
    found = delay_operators(cohort_of(play(A, seed)), n_delays=1, rank=4)
    expected = np.linalg.eigvals(A)
    got = found.eigenvalue.values[0]
    np.testing.assert_allclose(np.sort_complex(got), np.sort_complex(expected), atol=0.05)
    assert float(found.variance_explained[0]) == pytest.approx(1)
    assert int(found.n[0]) == 6000


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("score", ["angular", "wasserstein"])
def test_small_for_rotated_systems_and_large_for_other_eigenvalues(seed: int, score: str) -> None:
    q = rotation(4, seed + 10)
    original = play(A, seed)
    cohort = cohort_of(original, original @ q, play(q @ A @ q.T, seed + 5), play(B, seed + 6))
    apart = dynamical_similarity(cohort, score=score, n_delays=2, rank=4)  # type: ignore[arg-type]
    same, conjugate, other = apart.values[0, 1:]
    assert same < 5e-3  # float32 operators
    assert conjugate < 0.1
    assert other > 5 * conjugate
    assert other > 0.3
    np.testing.assert_allclose(apart, apart.T)
    assert (np.diag(apart) < 1e-9).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("n", [3, 6, 10])
def test_the_angle_is_0_for_rotated_operators_not_for_others(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, q = rng.normal(size=(n, n)), rng.normal(size=(n, n)), rotation(n, seed + 20)
    mirror = np.diag([-1.0, *np.ones(n - 1)])
    assert aligned_angle(a, 3 * q @ a @ q.T, n_starts=60) < 1e-4
    assert aligned_angle(a, mirror @ a @ mirror, n_starts=60) < 1e-4
    assert aligned_angle(a, b) > 0.1
    stretched = np.diag(np.geomspace(1, 5, n))
    similar = stretched @ a @ np.linalg.inv(stretched)
    np.testing.assert_allclose(
        np.sort(np.abs(np.linalg.eigvals(similar))), np.sort(np.abs(np.linalg.eigvals(a)))
    )
    assert aligned_angle(a, similar) > 0.1


def test_the_angle_of_symmetric_operators_is_that_of_their_eigenvalues() -> None:
    """The best rotation matches eigenvectors in order (von Neumann)."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        d, e = np.sort(rng.normal(size=(2, 5)), axis=1)
        a = rotation(5, seed) @ np.diag(d) @ rotation(5, seed).T
        b = rotation(5, seed + 99) @ np.diag(e) @ rotation(5, seed + 99).T
        expected = np.arccos(d @ e / np.linalg.norm(d) / np.linalg.norm(e))
        assert aligned_angle(a, b) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_never_above_the_angle_that_dsa_metric_finds(seed: int) -> None:
    from DSA import SimilarityTransformDist

    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 4, 4)).astype("float32")
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    theirs = SimilarityTransformDist(iters=100, lr=0.05, score_method="angular").fit_score(
        a.copy(), b.copy()
    )
    mine = aligned_angle(a, b)
    assert mine < float(theirs) + 1e-3
    assert mine > 0.5 * float(theirs)


def test_noise_in_the_same_marginal_distribution_is_told_apart() -> None:
    """Shuffling a session's steps keeps its geometry and destroys its dynamics."""
    original = play(A, 0)
    shuffled = np.random.default_rng(0).permuted(original, axis=1)
    order = np.random.default_rng(0).permutation(300)
    apart = dynamical_similarity(
        cohort_of(original, play(A, 1), original[:, order], shuffled), n_delays=2, rank=4
    )
    assert apart[0, 1] < 0.1 < 0.3 < apart[0, 2]


def test_padded_trials_are_left_out() -> None:
    table = play(A, 0)
    cohort = cohort_of(table)
    padded = table.copy()
    padded[3:, 200:] = np.nan
    short = cohort.assign(activity=(cohort.activity.dims, padded.astype("float32")))
    found = delay_operators(short, n_delays=2, rank=4)
    assert int(found.n[0]) == 3 * 300 + 17 * 200
    whole = delay_operators(cohort, n_delays=2, rank=4)
    assert aligned_angle(found.operator.values[0], whole.operator.values[0]) < 0.05


def test_units_of_other_subjects_are_left_out() -> None:
    cohort = cohort_of(play(A, 0), play(A, 1))
    wider = np.concatenate([cohort.activity.values, cohort.activity.values[..., :1]], axis=-1)
    wider[20:, ..., 4] = np.nan
    both = cohort.drop_vars("activity").assign(activity=(cohort.activity.dims, wider))
    alone = delay_operators(cohort, n_delays=1, rank=4).operator.values[1]
    np.testing.assert_allclose(
        delay_operators(both, n_delays=1, rank=4).operator.values[1], alone, atol=1e-6
    )


def test_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = cohort_of(play(A, 0)[:, :20])
    with pytest.raises(InputError, match="no score 'angle'; did you mean 'angular'"):
        dynamical_similarity(cohort, score="angle")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="n_delays is 0 and rank 3, expected 1 or more"):
        delay_operators(cohort, n_delays=0, rank=3)
    with pytest.raises(InputError, match="rank is 9; subject 's0' allows 4 with 1 delays"):
        delay_operators(cohort, n_delays=1, rank=9)
    with pytest.raises(InputError, match="no session of 52 steps or more, which 50 delays need"):
        delay_operators(cohort, n_delays=50, rank=3)
    with pytest.raises(InputError, match="no 'cell' in this cohort"):
        delay_operators(cohort, variable="cell")
    with pytest.raises(InputError, match=r"has 1 unit\(s\); a population needs 2 or more"):
        delay_operators(cohort.isel(unit=[0]), rank=1)
    infinite = cohort.copy(deep=True)
    infinite["activity"][0, 1, 0, 0] = np.inf
    with pytest.raises(InputError, match="activity is infinite on some trial"):
        delay_operators(infinite)
    with pytest.raises(InputError, match="activity is constant; it has no dynamics"):
        delay_operators(cohort.assign(activity=cohort.activity * 0 + 1), rank=2)
    hole = cohort.copy(deep=True)
    hole["activity"][2, 5, 0, 1] = np.nan
    with pytest.raises(InputError, match="nan at subject 's0', session 's0/2', trial 5, unit 1"):
        delay_operators(hole, rank=2)
    flat = cohort.assign(activity=cohort.activity.isel(unit=[0, 0, 0, 0]))
    with pytest.raises(InputError, match="rank is 3; the embedding of subject 's0' has 1"):
        delay_operators(flat, n_delays=1, rank=3)
    with pytest.raises(InputError, match=r"operators have shapes \(2, 2\) and \(3, 3\)"):
        aligned_angle(np.eye(2), np.eye(3))
    with pytest.raises(InputError, match="an operator is 0 or not finite"):
        aligned_angle(np.eye(2), np.zeros((2, 2)))
    with pytest.raises(InputError, match="n_starts is 0"):
        aligned_angle(np.eye(2), np.eye(2), n_starts=0)
    real = builtins.__import__

    def without(name: str, *args, **kwargs):
        if name == "DSA":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'neuro_metarl\[geometry\]'"):
        delay_operators(cohort, rank=2)
