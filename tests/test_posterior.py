"""The sampled posterior: its density, its schema, and published numbers."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuro_metarl.errors import InputError
from neuro_metarl.io.formats.hbayesdm import read_hbayesdm
from neuro_metarl.models.climbing import make_problem
from neuro_metarl.models.model import find_model
from neuro_metarl.models.posterior import _Density, sample_posterior, to_arviz
from neuro_metarl.models.recovery import simulate_design
from neuro_metarl.models.trials import trials_of
from tests.designs import human_design, two_step_design

HUMANS = Path(__file__).parents[2] / "shared/data/human_twostep_hbayesdm/ts_exampleData.txt"


@pytest.mark.parametrize("convention", ["plain", "hbayesdm"])
def test_the_densitys_gradient(convention: str) -> None:
    """By central differences along random directions, to 1e-5."""
    model = find_model("hybrid_human_updated")
    cohort = simulate_design(human_design(3, 60), model, {f"h{k}": {} for k in range(3)})
    trials = trials_of(cohort, model)
    known = {name: {"p_common": 0.7} for name in trials.subjects}
    problem, mean, sd = make_problem(model, trials, known)
    density = _Density(problem, mean, sd, 0.5, convention)
    rng = np.random.default_rng(0)
    point = density.start(0)
    value, gradient = density(point)
    assert np.isfinite(value)
    for _ in range(5):
        way = rng.standard_normal(len(point))
        up, down = density(point + 1e-5 * way)[0], density(point - 1e-5 * way)[0]
        assert gradient @ way == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-3)


def test_a_point_too_far_out_is_refused_and_not_an_error() -> None:
    model = find_model("hybrid")
    cohort = simulate_design(two_step_design("miller", 2, 100), model, {"a": {}, "b": {}})
    problem, mean, sd = make_problem(model, trials_of(cohort, model), {})
    density = _Density(problem, mean, sd, 1.0, "plain")
    value, gradient = density(np.full(density.n_dims, 800.0))
    assert value == -np.inf
    assert np.isfinite(gradient).all()


def test_the_tree_has_arvizs_groups_and_finds_the_truth() -> None:
    pytest.importorskip("nutpie", reason="the extra 'bayes' is not installed")
    values = {
        f"a{k}": {"learning_rate": 0.5, "inverse_temperature": 4.0, "bias": 0.3} for k in range(6)
    }
    cohort = simulate_design(two_step_design("miller", 6, 350), "model_based", values)
    tree = sample_posterior(
        cohort, "model_based", n_chains=2, n_tune=250, n_draws=150, thin=5, seed=1
    )
    assert set(tree.children) == {"posterior", "sample_stats", "observed_data", "log_likelihood"}
    posterior = tree["posterior"].to_dataset()
    assert posterior["mean"].dims == ("chain", "draw", "parameter")
    assert posterior["estimate"].dims == ("chain", "draw", "subject", "parameter")
    truth = {"learning_rate": 0.0, "inverse_temperature": np.log(4), "bias": 0.3}
    for name, value in truth.items():
        draws = posterior["mean"].sel(parameter=name).values.ravel()
        assert abs(draws.mean() - value) < 4 * draws.std(), name
    logs = tree["log_likelihood"]["choice"]
    assert dict(logs.sizes) == {"chain": 2, "draw": 30, "response": 2100}
    assert float(logs.max()) <= 0
    assert float(logs.mean()) > np.log(0.5)
    assert tree["observed_data"]["choice"].sizes["response"] == 2100
    assert tree.attrs["model"] == "model_based"
    assert set(to_arviz(tree).groups()) >= {"posterior", "log_likelihood"}


@pytest.mark.slow
@pytest.mark.skipif(not HUMANS.is_file(), reason="the humans' file is not here")
def test_eleven_humans_have_the_posterior_that_other_samplers_gave() -> None:
    """Group means within 2 of their Monte Carlo errors of two other programs' (about .06)."""
    pytest.importorskip("nutpie", reason="the extra 'bayes' is not installed")
    tree = sample_posterior(
        read_hbayesdm(HUMANS), "hybrid_human_updated", convention="hbayesdm", thin=0, seed=1
    )
    assert tree.attrs["largest_rhat"] < 1.03
    assert tree.attrs["n_divergences"] == 0
    mean = tree["posterior"]["mean"].mean(("chain", "draw"))
    published = {
        "learning_rate_first": 0.05, "inverse_temperature_first": 2.01,
        "learning_rate_second": -0.53, "inverse_temperature_second": 1.51,
        "perseveration": -1.14, "weight_model_based": 0.72, "eligibility_trace": 1.53,
    }  # fmt: skip
    for name, value in published.items():
        spread = float(tree["posterior"]["mean"].sel(parameter=name).std())
        assert float(mean.sel(parameter=name)) == pytest.approx(value, abs=0.12 * spread + 0.01)


def test_without_the_extra_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def missing(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == "nutpie":
            raise ImportError
        return real(name, *arguments, **keywords)

    monkeypatch.setattr("importlib.import_module", lambda name: missing(name))
    with pytest.raises(InputError, match=r"nutpie is not installed.*neuro_metarl\[bayes\]"):
        sample_posterior(two_step_design(), "hybrid")


def test_unknown_convention() -> None:
    pytest.importorskip("nutpie", reason="the extra 'bayes' is not installed")
    with pytest.raises(InputError, match="convention is 'stan'"):
        sample_posterior(two_step_design(), "hybrid", convention="stan")  # type: ignore[arg-type]
