"""Residuals tell a wrong model, and a subject that changes its strategy, from a true one."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import fit
from neuro_metarl.models.misfit import misfit_test
from neuro_metarl.models.recovery import simulate_design
from tests.designs import bandit_design, two_step_design
from tests.test_nulls import drifting

N = 8


def planted(name: str, n_trials: int, seed: int, **values: float) -> xr.Dataset:
    design = two_step_design("miller", N, n_trials, seed)
    return simulate_design(design, name, {f"a{k}": values for k in range(N)}, seed=seed)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("n_trials", [700, 3500])
@pytest.mark.parametrize("name", ["model_based", "hybrid", "latent_state", "model_free"])
def test_the_true_model_fits(name: str, n_trials: int, seed: int) -> None:
    cohort = planted(name, n_trials, seed)
    assert int(misfit_test(cohort, fit(cohort, name)).misfit.sum()) <= 1


def test_p_values_of_true_models_are_not_too_small() -> None:
    """Over 80 subjects, 5 tests: at .05 no more than .09 (the binomial's 99.9 % point)."""
    design = two_step_design("miller", 80, 1400, 3)
    cohort = simulate_design(design, "model_based", {f"a{k}": {} for k in range(80)}, seed=3)
    p = misfit_test(cohort, fit(cohort, "model_based")).p
    assert float((p < 0.05).mean()) < 0.09


@pytest.mark.parametrize("n_trials", [700, 3500])
def test_a_drifting_side_is_no_hybrid(n_trials: int) -> None:
    cohort = drifting("two-step", n_trials, 0)
    assert int(misfit_test(cohort, fit(cohort, "hybrid")).misfit.sum()) == N


@pytest.mark.parametrize("seed", range(2))
def test_sessions_that_alternate_strategies_are_seen(seed: int) -> None:
    """A planner's and a model-free learner's sessions in turn; the hybrid describes neither."""
    design = two_step_design("miller", N, 2800, seed)
    values = {f"a{k}": {"inverse_temperature": 5.0} for k in range(N)}
    plans = simulate_design(design, "model_based", values, seed=seed)
    free = simulate_design(design, "model_free", values, seed=seed + 10)
    turn = xr.DataArray(np.arange(plans.sizes["session"]) % 2 == 0, dims="session")
    names = ("choice", "state", "common", "reward", "correct")
    mixed = plans.assign({n: plans[n].where(turn, free[n]).astype(plans[n].dtype) for n in names})
    found = misfit_test(mixed, fit(mixed, "hybrid"))
    assert int(found.misfit.sum()) >= 7
    assert float(found.p.sel(test="model_free").median()) < 0.001


def test_bandits_one_session_and_other_subjects() -> None:
    cohort = simulate_design(bandit_design(2, 600), "q_learning", {"a": {}, "b": {}})
    result = fit(cohort, "q_learning")
    found = misfit_test(cohort, result)
    assert "planning" not in found.test.values
    one = cohort.isel(session=[0])
    alone = misfit_test(one, fit(one, "q_learning"))
    assert alone.p.sel(test="sessions").isnull().all()
    assert alone.p.sel(test="serial").notnull().all()
    with pytest.raises(InputError, match="the fit has no subject 'a'"):
        misfit_test(cohort, result.isel(subject=[1]))
