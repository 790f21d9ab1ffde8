"""Groups: what is planted comes back; humans against published posteriors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.cohort import select_subjects
from neuro_metarl.errors import InputError
from neuro_metarl.io.formats.hbayesdm import read_hbayesdm
from neuro_metarl.models.hierarchy import fit_hierarchical, integrated_bic
from neuro_metarl.models.model import find_model
from neuro_metarl.models.recovery import simulate_design
from tests.designs import human_design, two_step_design

HUMANS = Path(__file__).parents[2] / "shared/data/human_twostep_hbayesdm/ts_exampleData.txt"
MEAN = {"learning_rate": 0.3, "inverse_temperature": 1.4, "perseveration": 0.5, "bias": -0.2}
SD = {"learning_rate": 0.8, "inverse_temperature": 0.35, "perseveration": 0.4, "bias": 0.6}


def group(
    name: str, mean: dict[str, float], sd: dict[str, float], n: int, n_trials: int, seed: int
) -> xr.Dataset:
    model, rng = find_model(name), np.random.default_rng([seed, 3])
    values = {
        f"g{k}": {
            p.name: float(p.natural(np.array(rng.normal(mean[p.name], sd[p.name]))))
            for p in model.parameters
            if p.name in mean
        }
        for k in range(n)
    }
    human = model.n_choices == 2
    design = human_design(n, n_trials) if human else two_step_design("miller", n, n_trials, seed)
    return simulate_design(design, name, values, seed=seed)


@pytest.mark.parametrize("seed", range(3))
def test_the_groups_mean_and_spread_come_back(seed: int) -> None:
    """80 subjects of 400 trials: means within 4 of their errors, SDs within a quarter."""
    result = fit_hierarchical(group("model_based", MEAN, SD, 80, 400, seed), "model_based")
    assert result.attrs["converged"]
    for name in MEAN:
        one = result.sel(parameter=name)
        sampling = SD[name] / 80**0.5
        error = float(np.hypot(one.standard_error, 0))
        assert float(one["mean"]) == pytest.approx(MEAN[name], abs=4 * max(error, sampling))
        assert float(one.sd) == pytest.approx(SD[name], rel=0.25), name
        assert sampling < 1.2 * error < 3 * sampling


def test_spread_uses_the_whole_inverse_and_not_of_the_diagonal() -> None:
    """With 1 / diag(H) for diag(inv(H)) the spread of correlated parameters comes out small."""
    name = "hybrid"
    model = find_model(name)
    mean = {p.name: 0.0 for p in model.parameters if p.free} | {"inverse_temperature": 1.3}
    sd = dict.fromkeys(mean, 0.7) | {"inverse_temperature": 0.4}
    result = fit_hierarchical(group(name, mean, sd, 100, 350, 1), name)
    ratio = np.array([float(result.sd.sel(parameter=k)) / sd[k] for k in mean])
    assert np.exp(np.log(ratio).mean()) == pytest.approx(1, abs=0.12)


def test_shrinkage_beats_single_fits() -> None:
    from neuro_metarl.models.fitting import fit

    cohort = group("model_based", MEAN, SD, 60, 150, 2)
    rng = np.random.default_rng([2, 3])
    truth = np.array([[rng.normal(MEAN[p], SD[p]) for p in MEAN] for _ in range(60)])
    order = [p.name for p in find_model("model_based").parameters if p.name in MEAN]
    truth = truth[:, [list(MEAN).index(p) for p in order]]
    hierarchical = fit_hierarchical(cohort, "model_based").unconstrained.values
    single = fit(cohort, "model_based").unconstrained.values
    assert ((hierarchical - truth) ** 2).mean() < 0.8 * ((single - truth) ** 2).mean()


def test_integrated_bic_prefers_the_truth_and_does_not_overflow() -> None:
    """Sessions of unequal length: a mean taken before the logarithm would be 0 or infinite."""
    cohort = group("model_based", MEAN, SD, 8, 2000, 4)
    cohort["valid"][cohort.subject.values == "g0", 50:] = 0
    for name in ("choice", "state", "common", "correct"):
        cohort[name] = cohort[name].where(cohort.valid == 1, -1).astype("int8")
    bic = {
        name: integrated_bic(cohort, fit_hierarchical(cohort, name), n_draws=300)
        for name in ("model_based", "model_free")
    }
    assert all(np.isfinite(v) for v in bic.values())
    assert bic["model_based"] < bic["model_free"] - 50


def test_integrated_bic_of_a_known_integral() -> None:
    """Temperature 0 for everyone: every draw has likelihood 1/2 per response."""
    cohort = group("model_based", MEAN, SD, 4, 100, 5)
    fixed = {"inverse_temperature": 0.0, "perseveration": 0.0, "bias": 0.0}
    result = fit_hierarchical(cohort, "model_based", fixed=fixed)
    expected = 2 * 400 * np.log(2) + 2 * 1 * np.log(400)
    assert integrated_bic(cohort, result, n_draws=50) == pytest.approx(expected)


def test_two_subjects_are_no_group() -> None:
    cohort = select_subjects(group("model_based", MEAN, SD, 3, 50, 6), ["g0", "g1"])
    with pytest.raises(InputError, match="at least 3 subjects, got 2; use fit"):
        fit_hierarchical(cohort, "model_based")


@pytest.mark.skipif(not HUMANS.is_file(), reason="the humans' file is not here")
def test_eleven_humans_agree_with_the_published_posterior() -> None:
    """Posterior means of three samplers, whose scales are probit (unit) and log (positive).

    The posterior mean on the probit scale is moved to ours by its natural value; z is the
    difference in units of our standard error.
    """
    from math import erf, log

    humans = read_hbayesdm(HUMANS)
    assert humans.sizes["session"] == 11
    assert int(humans.valid.sum()) == 2190
    result = fit_hierarchical(humans, "hybrid_human_updated")

    def probit_to_logit(x: float) -> float:
        p = (1 + erf(x / 2**0.5)) / 2
        return log(p / (1 - p))

    published = {
        "learning_rate_first": probit_to_logit(0.05),
        "inverse_temperature_first": 2.01,
        "learning_rate_second": probit_to_logit(-0.53),
        "inverse_temperature_second": 1.51,
        "perseveration": 5 * (1 + erf(-1.14 / 2**0.5)) / 2,
        "weight_model_based": probit_to_logit(0.72),
        "eligibility_trace": probit_to_logit(1.53),
    }
    for name, value in published.items():
        one = result.sel(parameter=name)
        z = (float(one["mean"]) - value) / float(one.standard_error)
        assert abs(z) < 2, name
