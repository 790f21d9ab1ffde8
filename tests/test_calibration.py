"""The calibration itself: tests that hold, and one that is known not to."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl import load_dataset, record
from neuro_metarl.calibration import check_calibration, wandering_activity
from neuro_metarl.errors import InputError


@pytest.fixture(scope="module")
def drifting() -> xr.Dataset:
    """Six units that drift for tens of trials; the value lasts for blocks."""
    cohort = record("two-step/0", n_sessions=8, seed=1).isel(unit=slice(0, 6))
    rng = np.random.default_rng(0)
    drift = rng.standard_normal(cohort.activity.shape)
    for t in range(1, drift.shape[1]):
        drift[:, t] = 0.95 * drift[:, t - 1] + np.sqrt(1 - 0.95**2) * drift[:, t]
    return cohort.assign(activity=(cohort.activity.dims, drift))


def test_surrogates_wander_as_the_units_do(drifting: xr.Dataset) -> None:
    lacking = drifting.assign(activity=drifting.activity.where(drifting.session_id != "0"))
    lacking.activity[1, 5:9, :, 2] = np.nan
    drawn = wandering_activity(lacking, np.random.default_rng(1))
    assert (drawn.isnull() == lacking.activity.isnull()).all()
    for e in range(3):
        then = [x.isel(event=e).values for x in (drawn, drifting.activity)]
        memory = [np.nansum(x[:, 1:] * x[:, :-1]) / np.nansum(x**2) for x in then]
        assert memory[0] == pytest.approx(memory[1], abs=0.08)
        assert np.nanstd(then[0]) == pytest.approx(np.nanstd(then[1]), rel=0.3)
    r = np.corrcoef(drawn.values[2:].ravel(), drifting.activity.values[2:].ravel())[0, 1]
    assert abs(r) < 0.2


def test_a_test_that_takes_trials_for_independent_is_caught(drifting: xr.Dataset) -> None:
    value = drifting.value.sel(event="first_step").rename("worth").reset_coords(drop=True)
    how = {"regressors": [value], "events": ["first_step"], "n_runs": 12}
    plain = check_calibration("encode", drifting, **how)  # type: ignore[arg-type]
    sound = check_calibration("encode", drifting, null="session_permutation", **how)  # type: ignore[arg-type]
    assert plain.rate.sel(control="negative") > 0.15
    assert plain.low.sel(control="negative") > 0.05
    assert sound.rate.sel(control="negative") < 0.15
    assert sound.rate.sel(control="positive") > 0.8
    assert sound.n_tests.values.tolist() == [72, 72]


def test_animals() -> None:
    rats = load_dataset("synthetic-rats")
    for verb in ("compare_groups", "place"):
        table = check_calibration(verb, rats, n_runs=3, seed=1)
        assert table.n_tests.values.tolist() == [3, 3]
        assert table.rate.sel(control="negative") < table.rate.sel(control="positive")
        assert ((table.low <= table.rate) & (table.rate <= table.high)).all()


def test_decoding(drifting: xr.Dataset) -> None:
    table = check_calibration(
        "decode", drifting, target="choice", events=["first_step"], n_runs=3, size=2.0
    )
    assert table.rate.sel(control="positive") == 1


@pytest.mark.parametrize(
    ("verb", "options", "message"),
    [
        ("encoding", {}, "verb is 'encoding'; did you mean 'encode'"),
        ("encode", {}, "encode needs regressors="),
        ("encode", {"regressors": ["rewrd"]}, "the cohort has no 'rewrd'; did you mean 'reward'"),
        ("decode", {"target": "choice", "n_runs": 1}, "n_runs is 1"),
    ],
)
def test_mistakes(drifting: xr.Dataset, verb: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_calibration(verb, drifting, **options)
