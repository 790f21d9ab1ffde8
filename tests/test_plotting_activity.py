"""Plots of activity are read by their artists: what stands in the result stands on the axes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl import plot
from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.neural.areas import fraction_significant
from neuro_metarl.neural.encoding import encode, unit_correlations

NAMES = ["choice", "reward"]


def recorded(n_subjects: int = 3) -> xr.Dataset:
    rng = np.random.default_rng(4)
    shape = (8 * n_subjects, 40)
    choice = rng.integers(2, size=shape)
    activity = rng.normal(size=(*shape, 2, 5))
    activity[:, :, 1, :3] += choice[..., None]
    return make_cohort(
        {"choice": choice, "reward": rng.integers(2, size=shape), "activity": activity},
        subject=[f"s{k}" for k in range(n_subjects) for _ in range(8)], task="bandit",
        source="animal", coords={"event": ["cue", "out_come"], "unit": np.arange(5)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def fit() -> xr.Dataset:
    return encode(recorded(), NAMES, null="circular_shift", n_permutations=19)


def test_partial_determination_over_events(fit: xr.Dataset) -> None:
    ax = plot.cpd(fit)
    curves = [line.get_ydata() for line in ax.lines]
    assert len(curves) == 2 * (3 + 1 + 1)
    cpd = 100 * fit.population_cpd.sel(regressor="choice", lag=0)
    for k in range(3):
        assert np.allclose(curves[k], cpd.isel(subject=k))
    assert np.allclose(curves[3], cpd.mean("subject"))
    null = 100 * fit.population_null.sel(regressor="choice", lag=0).mean("subject")
    assert np.allclose(curves[4], null)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["cue", "out\ncome"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == NAMES
    bare = plot.cpd(encode(recorded(), NAMES), regressors=["reward"])
    assert len(bare.lines) == 4


def test_fraction_of_significant_units(fit: xr.Dataset) -> None:
    share = fraction_significant(fit)
    ax = plot.fraction_significant(share)
    value = 100 * share.fraction.sel(regressor="choice", lag=0, statistic="value")
    assert np.allclose(ax.lines[3].get_ydata(), value.mean("subject"))
    assert np.allclose(ax.lines[-1].get_ydata(), 5)
    assert ax.get_ylabel() == "significant units (%), p < 0.05"
    corrected = plot.fraction_significant(fraction_significant(fit, alpha=0.1, corrected=True))
    assert corrected.get_ylabel() == "significant units (%), q < 0.1"
    assert len(corrected.lines) == len(ax.lines) - 1
    one = fraction_significant(encode(recorded(1), NAMES))
    ax = plot.fraction_significant(one)
    low = [p.vertices[0, 1] for p in ax.collections[0].get_paths()]
    expected = 100 * one.fraction.sel(statistic="low", regressor="choice", lag=0).values[0]
    assert np.allclose(low, expected)


def test_unit_correlations_show_every_unit() -> None:
    found = unit_correlations(recorded(), ["choice", "reward"])
    ax = plot.unit_correlations(found, event="out_come")
    dots = np.concatenate([line.get_ydata() for line in ax.lines])
    truth = abs(found.correlation.sel(event="out_come")).transpose("regressor", "subject", "unit")
    assert np.allclose(dots, truth.values.ravel())
    assert ax.get_ylabel() == "|correlation| at out come"
    again = plot.unit_correlations(found)
    assert again.get_ylabel() == "|correlation| at cue"
    with pytest.raises(InputError, match="no event 'cu'; did you mean 'cue'"):
        plot.unit_correlations(found, event="cu")


def test_what_cannot_be_plotted(fit: xr.Dataset) -> None:
    with pytest.raises(InputError, match="no regressor 'chioce'; did you mean 'choice'"):
        plot.cpd(fit, regressors=["chioce"])
    with pytest.raises(InputError, match="no lag 2; there are: 0"):
        plot.cpd(fit, lag=2)
    with pytest.raises(InputError, match="expected a result of fraction_significant"):
        plot.fraction_significant(fit)
    with pytest.raises(InputError, match="expected a result of unit_correlations"):
        plot.unit_correlations(fit)
    many = fit.isel(regressor=[0, 1] * 4).assign_coords(regressor=list("abcdefgh"))
    with pytest.raises(InputError, match="8 regressors in one plot, at most 6"):
        plot.cpd(many)
