"""Units that do not vary are named and left out; what is measured of the others stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import neuro_metarl as nm
from neuro_metarl import InputError
from tests.joined import joined
from tests.populations import planted

BY = ["choice", "reward"]


def with_silent(seed: int, value: float = 0.0) -> xr.Dataset:
    """Give one recording of five units a silent one (the third of six)."""
    cohort = joined(seed, sessions=(3,), units=(5,), n_trials=80, gain=1.0)
    activity = np.insert(cohort.activity.values, 2, value, axis=-1)
    names = ["u0", "u1", "silent", "u2", "u3", "u4"]
    return planted(activity, n_sessions=3, choice=cohort.choice.values,
                   reward=cohort.reward.values).assign_coords(unit=names)  # fmt: skip


@pytest.mark.parametrize("distance", ["crossnobis", "mahalanobis"])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_distances_are_those_without_the_silent_unit(distance: str, value: float) -> None:
    cohort = with_silent(0, value)
    others = cohort.isel(unit=cohort.unit.values != "silent")
    with pytest.warns(UserWarning, match="left out, silent: subject 's0', unit silent"):
        found = nm.neural.dissimilarities(cohort, BY, distance=distance, n_folds=3)
    expected = nm.neural.dissimilarities(others, BY, distance=distance, n_folds=3)
    np.testing.assert_array_equal(found.dissimilarity, expected.dissimilarity)
    assert found.silent == "subject 's0', unit silent"
    assert expected.silent == ""
    assert found.n_units.values.tolist() == expected.n_units.values.tolist() == [5]


def test_a_unit_that_is_silent_at_one_event_keeps_the_other() -> None:
    cohort = with_silent(1)
    cohort.activity[:, :, 0, 2] = np.random.default_rng(0).normal(size=(3, 80))
    with pytest.warns(UserWarning, match="unit silent at event 'e1'"):
        both = nm.neural.dissimilarities(cohort, BY, distance="mahalanobis")
    assert both.n_units.values.tolist() == [6]
    first = nm.neural.dissimilarities(cohort, BY, distance="mahalanobis", event="e0")
    assert first.silent == ""


def test_what_is_the_same_in_every_trial_of_a_condition_is_no_silence() -> None:
    """It tells conditions apart without noise: to leave it out would be a wrong number."""
    cohort = with_silent(2)
    cohort.activity[..., 2] = cohort.choice.values[:, :, None]
    with pytest.raises(InputError, match="do not vary between trials of one condition"):
        nm.neural.dissimilarities(cohort, BY)


def test_silence_of_all() -> None:
    cohort = with_silent(3)
    with pytest.raises(InputError, match="activity is constant"):
        nm.neural.dissimilarities(cohort.assign(activity=cohort.activity * 0), BY)


def test_other_verbs_take_silent_units() -> None:
    cohort = with_silent(4)
    others = cohort.isel(unit=cohort.unit.values != "silent")
    with pytest.warns(UserWarning, match="no estimate for unit silent .constant."):
        fit = nm.encode(cohort, ["choice"])
    assert fit.coefficient.sel(unit="silent").isnull().all()
    same = nm.encode(others, ["choice"])
    np.testing.assert_allclose(fit.coefficient.sel(unit=others.unit), same.coefficient, atol=1e-12)
    for verb in (
        lambda c: nm.decode(c, "choice", n_permutations=19).score,
        lambda c: nm.neural.pca_trajectories(c, BY).trajectory,
        lambda c: (
            nm.neural.demixed_pca(c, BY, n_components=1, regularization=1e-3).marginal_variance
        ),
        lambda c: nm.neural.dimensionality(c, n_bootstrap=9).participation_ratio,
        lambda c: nm.neural.compare_populations(c, others, by=BY, measure="cka"),
    ):
        np.testing.assert_allclose(verb(cohort), verb(others), atol=1e-6)
    assert nm.neural.delay_operators(cohort, rank=2, n_delays=1).operator.notnull().all()
