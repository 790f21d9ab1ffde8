"""What the numbers of units and populations must not depend on: storage, order, company."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_metarl as nm
from tests.joined import joined

BY = ["choice", "reward"]
VERBS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "encode": lambda c: nm.encode(c, ["choice", "previous_reward"]),
    "correlations": lambda c: nm.neural.unit_correlations(c, ["choice", "reward"]),
    "means": lambda c: nm.condition_means(c, BY),
    "pca": lambda c: nm.neural.pca_trajectories(c, BY, n_components=1),
    "demixed": lambda c: nm.neural.demixed_pca(c, BY, n_components=1, regularization=1e-3),
    "euclidean": lambda c: nm.neural.dissimilarities(c, BY, distance="euclidean"),
    "decode": lambda c: nm.decode(c, "choice", n_permutations=5, n_bootstrap=20),
    "dimensionality": lambda c: nm.neural.dimensionality(c, n_bootstrap=5),
    "dynamics": lambda c: nm.neural.delay_operators(c, n_delays=1, rank=2),
}
ORDERED = ("decode", "dimensionality", "dynamics")  # folds and blocks follow the order of sessions


def cohort_of(seed: int) -> xr.Dataset:
    return joined(seed, sessions=(3, 2), units=(3, 4), n_trials=90, gain=1.5, ragged=True)


def same(found: xr.Dataset, expected: xr.Dataset, *, exact: bool) -> None:
    """Compare by labels: units and recordings may stand in another order."""
    for dim in ("unit", "recording"):
        if dim in expected.dims:
            found = found.sel({dim: expected[dim].values})
    for name, values in expected.data_vars.items():
        if {"session", "null"} & set(values.dims) or values.dtype.kind not in "fiu":
            continue
        ours = found[name].transpose(*values.dims).values
        if exact:
            np.testing.assert_array_equal(ours, values.values, err_msg=str(name))
        else:
            if name in ("encoder", "decoder", "projection"):  # axes of demixed PCA have no sign
                ours, values = np.abs(ours), np.abs(values)
            np.testing.assert_allclose(ours, values, rtol=1e-6, atol=1e-7, err_msg=str(name))


def padded(cohort: xr.Dataset, seed: int) -> xr.Dataset:
    """Put invalid trials between and after the valid ones, with whatever values."""
    rng = np.random.default_rng(seed)
    n = cohort.sizes["trial"]
    place = np.sort(rng.choice(n + 15, n, replace=False))
    source = np.full(n + 15, -1)
    source[place] = np.arange(n)
    wide = cohort.isel(trial=np.where(source < 0, 0, source))
    lost = xr.DataArray(source < 0, dims="trial")
    garbage = rng.normal(scale=1e3, size=wide.activity.shape)
    reason = np.where(lost, 4, wide.invalid_reason)
    for k in range(len(reason)):  # the padding at the end stays padding
        last = np.flatnonzero(wide.valid.values[k] * ~lost.values)[-1]
        reason[k, last + 1 :] = 1
    return wide.assign(
        valid=wide.valid.where(~lost, 0),
        choice=wide.choice.where(~lost, -1),
        reward=wide.reward.where(~lost, 7.0),
        activity=wide.activity.where(~lost, wide.activity * 0 + garbage),
        invalid_reason=(("session", "trial"), reason.astype("int8")),
    )


@pytest.mark.parametrize("verb", VERBS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=4, deadline=None)
def test_storage_is_of_no_consequence(verb: str, seed: int) -> None:
    cohort = cohort_of(seed)
    expected = VERBS[verb](cohort)
    turned = cohort.transpose("unit", "event", "trial", "session")
    same(VERBS[verb](turned), expected, exact=True)
    if verb not in ("decode", "dynamics"):  # there the place of a trial in the session counts
        same(VERBS[verb](padded(cohort, seed)), expected, exact=True)


@pytest.mark.parametrize("verb", VERBS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=4, deadline=None)
def test_order_is_of_no_consequence(verb: str, seed: int) -> None:
    cohort, rng = cohort_of(seed), np.random.default_rng(seed)
    expected = VERBS[verb](cohort)
    shuffled = cohort.isel(unit=rng.permutation(cohort.sizes["unit"]))
    if verb != "dynamics":  # operators act on components, which are those of the whole embedding
        same(VERBS[verb](shuffled), expected, exact=False)
    if verb not in ORDERED:
        shuffled = shuffled.isel(session=rng.permutation(cohort.sizes["session"]))
        same(VERBS[verb](shuffled), expected, exact=False)


@pytest.mark.parametrize("verb", VERBS)
@given(seed=st.integers(0, 10**6), other=st.sampled_from(["m", "another"]))
@settings(max_examples=4, deadline=None)
def test_company_is_of_no_consequence(verb: str, seed: int, other: str) -> None:
    """A further recording, of the same or of another subject, adds its own numbers only."""
    sizes = {"sessions": (3, 2, 2), "units": (3, 4, 2), "n_trials": 90, "gain": 1.5}
    three = joined(seed, subjects=("m", "m", other), **sizes)
    two = three.isel(session=slice(0, 5), unit=slice(0, 7))
    more, expected = VERBS[verb](three), VERBS[verb](two)
    if "subject" in expected.dims:
        more = more.sel(subject=["m"]).drop_vars(
            [v for v in more.data_vars if v == "q" or "population" in str(v)]
        )
        expected = expected.drop_vars([v for v in expected.data_vars if v not in more])
        if verb == "means":  # trials of the subject: its other recording has some too
            expected = expected.drop_vars("n")
    same(more, expected, exact=True)


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_another_recording_has_other_numbers(verb: str) -> None:
    """The negative control: the comparison above can fail."""
    cohort = cohort_of(0)
    expected = VERBS[verb](cohort)
    swapped = cohort.isel(unit=[1, 0, *range(2, 7)]).assign_coords(unit=cohort.unit.values)
    later = cohort.assign(activity=cohort.activity.roll(trial=7))
    changed = VERBS[verb](later) if verb in (*ORDERED, "pca", "demixed", "euclidean") else None
    with pytest.raises(AssertionError):
        same(VERBS[verb](swapped) if changed is None else changed, expected, exact=False)
