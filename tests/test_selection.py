"""Model selection: known answers of the formulas, and what selection says of planted models."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import fit, fit_models
from neuro_metarl.models.likelihood import trial_log_likelihood
from neuro_metarl.models.recovery import simulate_design
from neuro_metarl.models.selection import compare_models, cross_validate, select_models
from tests.designs import bandit_design, two_step_design

DIMS = ("subject", "model")


def evidence(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, dims=DIMS)


def test_protected_exceedance_of_a_clear_majority() -> None:
    """14, 6 and 0 of 20 subjects at a Bayes factor of e^3: .969, .029, .002."""
    votes = 3.0 * np.repeat(np.eye(3)[:2], [14, 6], axis=0)
    result = select_models(evidence(votes))
    assert result.protected_exceedance.values == pytest.approx([0.969, 0.029, 0.002], abs=0.004)
    assert result.frequency.values[0] > 0.6
    assert result.assignment.values[0, 0] > 0.9


def test_noise_is_a_tie() -> None:
    rng = np.random.default_rng(0)
    result = select_models(evidence(0.3 * rng.standard_normal((20, 3))))
    assert result.protected_exceedance.values == pytest.approx([1 / 3] * 3, abs=0.06)
    assert result.omnibus_risk > 0.85


def test_evidence_has_no_zero_and_models_no_order() -> None:
    rng = np.random.default_rng(1)
    values = 2 * rng.standard_normal((15, 4))
    a = select_models(evidence(values))
    b = select_models(evidence(values + rng.standard_normal((15, 1)) * 1e3))
    assert a.frequency.values == pytest.approx(b.frequency.values, abs=1e-6)
    c = select_models(evidence(values[:, ::-1]))
    assert a.frequency.values == pytest.approx(c.frequency.values[::-1], abs=1e-9)
    with pytest.raises(InputError, match="not finite"):
        select_models(evidence(np.array([[0.0, np.nan]])))


def planted(name: str, n: int, n_trials: int, seed: int = 0, **values: float) -> xr.Dataset:
    design = two_step_design("miller", n, n_trials, seed)
    return simulate_design(design, name, {f"a{k}": values for k in range(n)}, seed=seed)


def test_models_side_by_side() -> None:
    cohort = planted("latent_state", 5, 1000, inverse_temperature=6.0)
    table = compare_models(fit_models(cohort, ["model_based", "latent_state", "model_free"]))
    assert table.bic.dims == DIMS
    assert set(table.winner.values) == {"latent_state"}
    assert float(table.protected_exceedance.sel(model="latent_state")) > 0.9
    assert float(table.delta_bic.min()) == 0
    assert table.attrs["evidence"] == "Laplace"
    without = {n: fit(cohort, n, prior="none") for n in ("model_based", "model_free")}
    assert compare_models(without).attrs["evidence"] == "-BIC / 2"


def test_fits_of_other_data_are_refused() -> None:
    a, b = planted("model_based", 2, 200), planted("model_based", 3, 200)
    with pytest.raises(InputError, match="hybrid: other subjects"):
        compare_models({"model_based": fit(a, "model_based"), "hybrid": fit(b, "hybrid")})
    shorter = a.isel(trial=slice(0, 50))
    with pytest.raises(InputError, match="fitted to other responses"):
        compare_models({"model_based": fit(a, "model_based"), "hybrid": fit(shorter, "hybrid")})
    with pytest.raises(InputError, match="no fits"):
        compare_models({})


def test_held_out_likelihood_is_of_sessions_that_the_fit_did_not_see() -> None:
    """By hand: fit all sessions but one, predict that one from a fresh memory."""
    cohort = planted("hybrid", 1, 1400, seed=3)
    result = cross_validate(cohort, ["model_based"], n_folds=4)
    total = 0.0
    for out in range(4):
        others = [s for s in range(4) if s != out]
        values = fit(cohort.isel(session=others), "model_based", n_starts=3).estimate[0]
        given = {str(p): float(v) for p, v in zip(values.parameter.values, values, strict=True)}
        total += float(trial_log_likelihood(cohort.isel(session=[out]), "model_based", given).sum())
    assert float(result.log_likelihood[0, 0]) == pytest.approx(total, abs=1e-3)
    assert int(result.n[0]) == 1400


def test_a_rich_model_does_not_win_on_held_out_sessions() -> None:
    """Twelve random subjects: the more parameters, the worse the prediction, unlike the fit."""
    design = two_step_design("wang", 12, 200, 4)
    cohort = simulate_design(design, "model_based", {f"a{k}": {"inverse_temperature": 0.0}
                             for k in range(12)}, seed=4)  # fmt: skip
    result = cross_validate(cohort, ["model_based", "akam"], n_folds=2)
    inside = {m: float(fit(cohort, m).log_likelihood.sum()) for m in ("model_based", "akam")}
    outside = result.log_likelihood.sum("subject")
    assert inside["akam"] > inside["model_based"]
    assert float(outside.sel(model="akam")) < float(outside.sel(model="model_based"))


def test_one_session_cannot_be_left_out() -> None:
    cohort = simulate_design(bandit_design(1, 200), "q_dual", {"s0": {}})
    with pytest.raises(InputError, match="'s0' has one session"):
        cross_validate(cohort, ["q_dual"])
    with pytest.raises(InputError, match="n_folds is 1"):
        cross_validate(planted("model_based", 1, 700), ["model_based"], n_folds=1)


@pytest.mark.slow
def test_the_hard_pair_planning_with_forgetting_and_latent_inference() -> None:
    """Shares of 20 agents called latent, by trials: few from 1,000 trials on, none from 2,000."""
    models = ["latent_state", "model_based", "model_based_forgetting", "model_based_symmetric",
              "hybrid", "model_free"]  # fmt: skip
    called = {}
    for n_trials in (200, 500, 1000, 2000):
        forgetting = planted(
            "model_based_forgetting", 20, n_trials, 5,
            learning_rate=0.5, forgetting=0.3, inverse_temperature=6.0,
        )  # fmt: skip
        latent = planted("latent_state", 20, n_trials, 6, hazard=0.025, inverse_temperature=6.0)
        winners = [
            compare_models(fit_models(c, models, n_starts=3)).winner.values
            for c in (forgetting, latent)
        ]
        called[n_trials] = [int((w == "latent_state").sum()) for w in winners]
    assert called[200][0] <= 11
    assert called[500][0] <= 10
    assert called[1000][0] <= 5
    assert called[2000][0] <= 1
    assert called[200][1] >= 16
    assert called[1000][1] >= 19
    assert called[2000][1] == 20
