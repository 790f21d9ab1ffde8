"""Planted agents against a table that an independent implementation gave.

``acceptance.csv``: mean and SD over 20 agents of 10,000 trials each of both regressions, and over
6 agents of 5,000 trials of the hybrid's fitted weight, simulated and analysed by another program.
Here 6 agents of each kind; the difference of two means has SD ``sd sqrt(1/6 + 1/20)`` and may be
four of these (and the table's rounding).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neuro_metarl.behavior.two_step import (
    INDICES,
    lagged_regression,
    one_back_regression,
    stay_probability,
)
from neuro_metarl.models.fitting import fit
from neuro_metarl.models.recovery import simulate_design
from tests.designs import two_step_design

VISITED = {"learning_rate": 0.5, "inverse_temperature": 6.0}
TD = {"learning_rate": 0.5, "inverse_temperature": 4.0}
BLEND = {"eligibility_trace": 0.7, "inverse_temperature": 6.0}
AGENTS = {
    "random": ("model_based", {"inverse_temperature": 0.0}),
    "mb": ("model_based", VISITED),
    "mb_slow": ("model_based", {"learning_rate": 0.1, "inverse_temperature": 10.0}),
    "mb_forget": ("model_based_forgetting", {**VISITED, "forgetting": 0.3}),
    "mb_symmetric": ("model_based_symmetric", {"learning_rate": 0.6, "inverse_temperature": 4.0}),
    "td1": ("model_free", {**TD, "eligibility_trace": 1.0}),
    "td0": ("model_free", {**TD, "eligibility_trace": 0.0}),
    "td_slow": (
        "model_free",
        {"learning_rate": 0.1, "eligibility_trace": 0.5, "inverse_temperature": 8.0},
    ),
    "mf_symmetric": ("mixture", {"learning_rate_model_free": 0.6, "weight_model_free": 2.4}),
    "mf_forget": ("model_free_forgetting", {**TD, "forgetting": 0.3, "eligibility_trace": 1.0}),
    "hybrid_25": ("hybrid", {**BLEND, "weight_model_based": 0.25}),
    "hybrid_50": ("hybrid", {**BLEND, "weight_model_based": 0.5}),
    "hybrid_75": ("hybrid", {**BLEND, "weight_model_based": 0.75}),
    "latent": ("latent_state", {"hazard": 0.025, "inverse_temperature": 6.0}),
    "latent_asymmetric": (
        "latent_state_asymmetric",
        {"hazard": 0.05, "inverse_temperature": 6.0},
    ),
    "cue": ("reward_as_cue", {"learning_rate": 0.05, "inverse_temperature": 8.0}),
    "td1_perseveration": ("model_free", {**TD, "eligibility_trace": 1.0, "perseveration": 1.0}),
    "mb_perseveration": ("model_based", {**VISITED, "perseveration": 1.0}),
    "rat_like": (
        "mixture_2017",
        {
            "learning_rate_model_based": 0.5, "weight_model_based": 3.0,
            "learning_rate_model_free": 0.5, "eligibility_trace": 0.9, "weight_model_free": 0.4,
            "weight_novelty": 0.3, "weight_perseveration": 0.5, "bias": 0.1,
        },
    ),
}  # fmt: skip
TABLE = pd.read_csv(Path(__file__).with_name("acceptance.csv"))
N, ROUNDING = 6, 0.011
NEAREST = {"mf_symmetric": {"model_free_forgetting"}, "cue": {"mixture_2017", "hybrid"}}
NINE = (
    "model_based", "model_based_forgetting", "model_based_symmetric", "model_free",
    "model_free_forgetting", "hybrid", "mixture_2017", "latent_state", "latent_state_asymmetric",
)  # fmt: skip
TRUE_KINDS = [a for a in AGENTS if a not in ("random", *NEAREST)]


def play(form: str, agent: str, n_trials: int, n_agents: int = N, seed: int = 0) -> xr.Dataset:
    model, values = AGENTS[agent]
    design = two_step_design(form, n_agents, n_trials, seed=seed)
    return simulate_design(design, model, {f"a{k}": values for k in range(n_agents)}, seed=seed)


def measures(cohort: xr.Dataset) -> dict[str, np.ndarray]:
    def value(array: xr.DataArray) -> np.ndarray:
        return array.sel(statistic="value").values

    stay = stay_probability(cohort).stay_probability
    plain = one_back_regression(cohort).one_back
    corrected = one_back_regression(cohort, correct=True).one_back
    lagged = lagged_regression(cohort)
    found = {f"stay_{t}": value(stay.sel(term=t)) for t in stay.term.values}
    found |= {t: value(plain.sel(term=t)) for t in ("reward", "common", "reward_x_common")}
    found["reward_x_common_corrected"] = value(corrected.sel(term="reward_x_common"))
    found["correct"] = value(corrected.sel(term="correct"))
    return found | {name: value(lagged[name]) for name in INDICES}


@pytest.mark.parametrize("form", ["miller", "wang"])
@pytest.mark.parametrize("agent", AGENTS)
def test_regressions_give_the_tables_row(form: str, agent: str) -> None:
    rows = TABLE[(TABLE.task == form) & (TABLE.agent == agent)].set_index("measure")
    found = measures(play(form, agent, 10_000))
    for name, values in found.items():
        expected, sd = rows.loc[name, ["mean", "sd"]]
        tolerance = 4 * max(sd, values.std(ddof=1)) * (1 / N + 1 / 20) ** 0.5 + ROUNDING
        assert values.mean() == pytest.approx(expected, abs=tolerance), name


@cache
def fits(form: str, agent: str) -> dict[str, xr.Dataset]:
    cohort = play(form, agent, 5000, seed=1)
    return {name: fit(cohort, name, n_starts=3) for name in NINE}


def winners(form: str, agent: str) -> list[str]:
    bic = {name: f.bic.values for name, f in fits(form, agent).items()}
    return [list(bic)[k] for k in np.array(list(bic.values())).argmin(axis=0)]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["miller", "wang"])
def test_bic_finds_the_true_kind_in_95_of_100_and_the_nearest_where_it_is_no_candidate(
    form: str,
) -> None:
    right = [winner == AGENTS[agent][0] for agent in TRUE_KINDS for winner in winners(form, agent)]
    assert len(right) == 16 * N
    assert np.mean(right) >= 0.95
    for agent, allowed in NEAREST.items():
        assert set(winners(form, agent)) <= allowed, agent


@pytest.mark.slow
@pytest.mark.parametrize("form", ["miller", "wang"])
def test_the_hybrids_fitted_weight_is_the_tables(form: str) -> None:
    for agent in AGENTS:
        rows = TABLE[(TABLE.task == form) & (TABLE.agent == agent)].set_index("measure")
        if "weight_model_based" not in rows.index:
            continue
        found = fits(form, agent)["hybrid"].estimate.sel(parameter="weight_model_based").values
        expected, sd = rows.loc["weight_model_based", ["mean", "sd"]]
        tolerance = 4 * max(sd, found.std(ddof=1)) * (2 / N) ** 0.5 + ROUNDING
        assert found.mean() == pytest.approx(expected, abs=tolerance), agent


@pytest.mark.parametrize(
    ("agent", "low", "high"),
    [
        ("mb_symmetric", 0.88, 1), ("mb", 0.88, 1), ("mf_symmetric", 0, 0.18), ("td1", 0, 0.1),
        ("td0", 0, 0.06), ("hybrid_25", 0.19, 0.31), ("hybrid_50", 0.44, 0.56),
        ("hybrid_75", 0.69, 0.81), ("latent", 0.8, 1),
    ],
)  # fmt: skip
def test_each_agents_weight_and_trace(agent: str, low: float, high: float) -> None:
    """The rules for a mean of three agents of 5,000 trials; hybrids within .06 of the truth."""
    cohort = play("miller", agent, 5000, 3, seed=2)
    weight = fit(cohort, "hybrid").estimate.sel(parameter="weight_model_based")
    assert low <= weight.mean() <= high
    if agent in ("td1", "td0"):
        trace = fit(cohort, "model_free").estimate.sel(parameter="eligibility_trace").values
        assert (trace > 0.9).all() if agent == "td1" else (trace < 0.06).all()


def test_what_bic_says_of_td0_and_of_latent_state() -> None:
    """Model-free TD(0) beats every planner by 600, latent inference beats the hybrid by 300."""
    cohort = play("miller", "td0", 10_000, 3, seed=3)
    truth = fit(cohort, "model_free").bic
    for planner in ("model_based", "model_based_forgetting", "model_based_symmetric",
                    "latent_state", "latent_state_asymmetric"):  # fmt: skip
        assert (fit(cohort, planner).bic - truth > 600).all(), planner
    assert (fit(cohort, "hybrid").bic - truth > 8).all()
    cohort = play("miller", "latent", 5000, 3, seed=3)
    assert (fit(cohort, "hybrid").bic - fit(cohort, "latent_state").bic > 300).all()


def test_symmetric_planning_is_forgetting_at_the_same_rate_with_twice_the_temperature() -> None:
    """An identity of the models: the same likelihood, so BIC differs by one parameter."""
    cohort = play("miller", "mb_symmetric", 5000, 3)
    one = fit(cohort, "model_based_symmetric", prior="none")
    other = fit(cohort, "model_based_forgetting", prior="none")
    gain = (other.log_likelihood - one.log_likelihood).values
    assert (gain > -1e-6).all()
    assert (gain < 5).all()
    values = one.estimate.to_dataset("parameter")
    from neuro_metarl.models.likelihood import trial_log_likelihood

    for k in range(3):
        mine = {name: float(values[name][k]) for name in values}
        twin = mine | {
            "forgetting": mine["learning_rate"],
            "inverse_temperature": 2 * mine["inverse_temperature"],
        }
        alone = cohort.isel(session=np.flatnonzero(cohort.subject.values == f"a{k}"))
        a = trial_log_likelihood(alone, "model_based_symmetric", mine)
        b = trial_log_likelihood(alone, "model_based_forgetting", twin)
        np.testing.assert_allclose(a, b, atol=1e-10)
