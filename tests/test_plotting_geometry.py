"""Plots of geometry: what is drawn is what was found."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl import InputError, plot
from neuro_metarl.neural import demixed_pca, pca_trajectories
from tests.populations import factorial, planted


@pytest.fixture(scope="module")
def cohort() -> xr.Dataset:
    choice, reward = factorial(6, 2)
    activity = np.random.default_rng(0).normal(size=(2, 24, 3, 5))
    activity += choice[..., None, None] - 2 * reward[..., None, None]
    return planted(activity, n_subjects=2, choice=choice, reward=reward)


def test_paths_are_the_trajectories(cohort: xr.Dataset) -> None:
    result = pca_trajectories(cohort, ["choice", "reward"])
    ax = plot.trajectories(result, subject="s1", components=(1, 3))
    paths = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert [line.get_label() for line in paths][1] == "choice 0, reward 1.0"
    mine = result.trajectory.sel(subject="s1", choice=0, reward=1)
    np.testing.assert_allclose(paths[1].get_xdata(), mine.sel(component=1))
    np.testing.assert_allclose(paths[1].get_ydata(), mine.sel(component=3))
    assert {line.get_linestyle() for line in paths} == {"-", "--"}
    assert ax.get_xlabel().startswith("component 1 (")
    with pytest.raises(InputError, match="no component 9; there are 1 to 3"):
        plot.trajectories(result, components=(1, 9))
    with pytest.raises(InputError, match="no subject 's7'"):
        plot.trajectories(result, subject="s7")


def test_lines_are_the_demixed_component(cohort: xr.Dataset) -> None:
    result = demixed_pca(cohort, ["choice", "reward"], n_components=1, regularization=0.01)
    ax = plot.demixed(result, part="reward")
    component = result.marginalization_of.values.tolist().index("reward")
    mine = result.projection.isel(subject=0, component=component)
    for line, place in zip(ax.lines, np.ndindex(2, 2), strict=True):
        np.testing.assert_allclose(line.get_ydata(), mine.values[place])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["e0", "e1", "e2"]
    with pytest.raises(InputError, match="no part 'rewrad'; did you mean 'reward'"):
        plot.demixed(result, part="rewrad")


def test_the_matrix_is_shown_with_its_groups() -> None:
    matrix = xr.DataArray(
        np.arange(9.0).reshape(3, 3),
        dims=("subject", "subject_2"),
        coords={"subject": list("abc"), "subject_2": list("abc")},
        name="debiased_cka",
    )
    ax = plot.similarity(matrix.transpose(), groups={"old": 1, "new": 2})
    np.testing.assert_array_equal(ax.images[0].get_array(), matrix)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["old", "new"]
    assert ax.get_xticks().tolist() == [0, 1.5]
    with pytest.raises(InputError, match="groups hold 4 subjects, the matrix 3"):
        plot.similarity(matrix, groups={"old": 4})
    with pytest.raises(InputError, match=r"expected \(subject, subject_2\)"):
        plot.similarity(matrix.rename(subject_2="x"))


def test_eigenvalues_are_at_their_places() -> None:
    values = np.array([[1 + 0.5j, -0.3]])
    ax = plot.eigenvalues(xr.Dataset({"eigenvalue": (("fixed_point", "mode"), values)}))
    assert ax.lines[0].get_xdata().tolist() == [1, -0.3]
    assert ax.lines[0].get_ydata().tolist() == [0.5, 0]
    assert (
        len(plot.eigenvalues(xr.Dataset({"eigenvalue": ("x", values[0])}), ax, color=1).lines) == 2
    )
    assert len(ax.patches) == 1
    with pytest.raises(InputError, match="no 'eigenvalue' in this result"):
        plot.eigenvalues(xr.Dataset())
