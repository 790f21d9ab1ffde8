"""Fixed points of maps whose fixed points and eigenvalues are known."""

from __future__ import annotations

import numpy as np
import pytest

from neuro_metarl import InputError
from neuro_metarl.neural import find_fixed_points

SEEDS = range(3)


def linear(matrix: np.ndarray, offset: np.ndarray):
    def advance(z: np.ndarray):
        return z @ matrix.T + offset, np.broadcast_to(matrix, (len(z), *matrix.shape))

    return advance


@pytest.mark.parametrize("seed", SEEDS)
def test_a_linear_map_has_its_one_fixed_point_and_its_own_eigenvalues(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, offset = rng.normal(size=(6, 6)) / 3, rng.normal(size=6)
    found = find_fixed_points(linear(matrix, offset), rng.normal(size=(30, 6)))
    assert found.sizes["fixed_point"] == 1
    np.testing.assert_allclose(
        found.state.values[0], np.linalg.solve(np.eye(6) - matrix, offset), atol=1e-8
    )
    expected = np.linalg.eigvals(matrix)
    np.testing.assert_allclose(
        np.sort_complex(found.eigenvalue.values[0]), np.sort_complex(expected), atol=1e-10
    )
    assert int(found.n_starts[0]) == 30
    assert found.attrs["n_failed"] == 0
    assert int(found.n_unstable[0]) == int((np.abs(expected) > 1).sum())


def pitchfork(z: np.ndarray):
    """Step a bistable direction x -> tanh(2 x) and a decaying spiral of size .8 and angle .5."""
    slope = 2 / np.cosh(2 * z[:, 0]) ** 2
    c, s = 0.8 * np.cos(0.5), 0.8 * np.sin(0.5)
    after = np.column_stack(
        [np.tanh(2 * z[:, 0]), c * z[:, 1] - s * z[:, 2], s * z[:, 1] + c * z[:, 2]]
    )
    jacobian = np.zeros((len(z), 3, 3))
    jacobian[:, 0, 0] = slope
    jacobian[:, 1:, 1:] = [[c, -s], [s, c]]
    return after, jacobian


@pytest.mark.parametrize("seed", SEEDS)
def test_two_attractors_and_the_saddle_between_them(seed: int) -> None:
    starts = np.random.default_rng(seed).normal(size=(100, 3))
    found = find_fixed_points(pitchfork, starts).sortby("fixed_point")
    order = np.argsort(found.state.values[:, 0])
    found = found.isel(fixed_point=order)
    root = 0.9575040240772687
    np.testing.assert_allclose(found.state.values[:, 0], [-root, 0, root], atol=1e-9)
    np.testing.assert_allclose(found.state.values[:, 1:], 0, atol=1e-9)
    assert found.n_unstable.values.tolist() == [0, 1, 0]
    assert (found.speed < 1e-6).all()
    np.testing.assert_allclose(found.q, found.speed**2 / 2)
    attractor, saddle = found.isel(fixed_point=0), found.isel(fixed_point=1)
    np.testing.assert_allclose(np.abs(attractor.eigenvalue[:2]), 0.8, atol=1e-9)
    np.testing.assert_allclose(np.abs(np.angle(attractor.eigenvalue[:2])), 0.5, atol=1e-9)
    assert float(attractor.eigenvalue[2].real) == pytest.approx(2 * (1 - root**2))
    assert float(saddle.eigenvalue[0].real) == pytest.approx(2)
    np.testing.assert_allclose(attractor.time_constant[:2], -1 / np.log(0.8))
    assert float(saddle.time_constant[0]) == pytest.approx(-1 / np.log(2))
    assert int(found.n_starts.sum()) + found.attrs["n_failed"] == 100


def test_a_line_attractor_is_many_points_with_an_eigenvalue_of_1() -> None:
    matrix = np.diag([1.0, 0.5])
    starts = np.column_stack([np.linspace(-1, 1, 11), np.linspace(2, 3, 11)])
    found = find_fixed_points(linear(matrix, np.zeros(2)), starts)
    assert found.sizes["fixed_point"] == 11
    np.testing.assert_allclose(found.eigenvalue.values[:, 0], 1)
    assert np.isinf(found.time_constant.values[:, 0]).all()
    np.testing.assert_allclose(found.state.values[:, 1], 0, atol=1e-6)
    merged = find_fixed_points(linear(matrix, np.zeros(2)), starts, separation=10)
    assert merged.sizes["fixed_point"] == 1


def slow(z: np.ndarray):
    """Step through a ghost: x -> x + x^2 + .01 has no fixed point, and is slowest at 0."""
    return z + z**2 + 0.01, (1 + 2 * z)[:, :, None]


def test_a_slow_point_is_kept_only_when_asked_for() -> None:
    starts = np.linspace(-0.5, 0.5, 9)[:, None]
    none = find_fixed_points(slow, starts)
    assert none.sizes["fixed_point"] == 0
    assert none.attrs["n_failed"] == 9
    some = find_fixed_points(slow, starts, max_speed=0.02)
    assert some.sizes["fixed_point"] >= 1
    assert float(np.abs(some.state[0, 0])) < 0.01  # q is flat here: its curvature is .02
    assert float(some.speed[0]) == pytest.approx(0.01, abs=1e-4)


def test_bad_input() -> None:
    with pytest.raises(InputError, match="starts: expected finite numbers"):
        find_fixed_points(slow, np.array([[np.nan]]))
    with pytest.raises(InputError, match="starts: expected finite numbers"):
        find_fixed_points(slow, np.zeros(3))
    with pytest.raises(InputError, match="max_speed is 0"):
        find_fixed_points(slow, np.zeros((1, 1)), max_speed=0)
    with pytest.raises(InputError, match="separation is -1"):
        find_fixed_points(slow, np.zeros((1, 1)), separation=-1)
