"""Null models win where nothing was learned, and the learned ones where something was."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import xarray as xr
from scipy.special import gammaln

from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import CANDIDATES, fit, fit_models
from neuro_metarl.models.likelihood import trial_log_likelihood
from neuro_metarl.models.model import find_model
from neuro_metarl.models.recovery import predict, simulate_design
from neuro_metarl.models.selection import compare_models, select_families, select_models
from tests.designs import bandit_design, human_design, two_step_design

N = 8
NULLS = {"bias", "bias_perseveration", "bias_kernel", "side_kernel"}
DESIGNS: dict[str, Callable[[int, int], xr.Dataset]] = {
    "two-step": lambda n_trials, seed: two_step_design("miller", N, n_trials, seed),
    "bandit": lambda n_trials, seed: bandit_design(N, n_trials, seed=seed),
}
ANY = {"two-step": "model_based", "bandit": "q_learning"}


def planted(kind: str, name: str, n_trials: int, seed: int, **values: float) -> xr.Dataset:
    subjects = {f"a{k}": values for k in range(N)}
    return simulate_design(DESIGNS[kind](n_trials, seed), name, subjects, seed=seed)


def drifting(kind: str, n_trials: int, seed: int) -> xr.Dataset:
    """A preference for a side wanders, blind to outcomes; outcomes follow the design."""
    cohort = planted(kind, ANY[kind], n_trials, seed, inverse_temperature=0.0)
    rng = np.random.default_rng([seed, 1])
    x = np.zeros(cohort.choice.shape)
    for t in range(1, x.shape[1]):
        x[:, t] = 0.97 * x[:, t - 1] + rng.normal(0, 0.35, len(x))
    choice = (rng.random(x.shape) < 1 / (1 + np.exp(-x))).astype("int8")
    given = {"choice": choice}
    option = choice
    if kind == "two-step":
        option = np.where(cohort.common == 1, choice, 1 - choice).astype("int8")
        given["state"] = option
    odds = np.take_along_axis(cohort.p_reward.values, option[..., None].astype(int), -1)[..., 0]
    given["reward"] = (rng.random(odds.shape) < odds).astype("float32")
    dims = ("session", "trial")
    return cohort.assign({name: (dims, values) for name, values in given.items()})


def judged(cohort: xr.Dataset) -> xr.Dataset:
    return compare_models(fit_models(cohort, n_starts=3))


def winning_family(table: xr.Dataset) -> str:
    k = int(table.family_protected_exceedance.argmax("family_name"))
    assert float(table.family_protected_exceedance[k]) > 0.95
    return str(table.family_name[k].item())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_trials", [600, 1000])
@pytest.mark.parametrize("kind", DESIGNS)
def test_random_subjects_are_won_by_a_null(kind: str, n_trials: int, seed: int) -> None:
    table = judged(planted(kind, ANY[kind], n_trials, seed, inverse_temperature=0.0))
    assert set(table.winner.values) <= NULLS, table.winner.values
    assert winning_family(table) == "null"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_trials", [600, 1000])
@pytest.mark.parametrize("kind", DESIGNS)
def test_drifting_subjects_are_won_by_a_null(kind: str, n_trials: int, seed: int) -> None:
    table = judged(drifting(kind, n_trials, seed))
    assert set(table.winner.values) <= {"bias_kernel", "side_kernel"}, table.winner.values
    assert winning_family(table) == "null"


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("name", "values", "family"),
    [
        ("model_based", {}, "planner"),
        ("latent_state", {}, "latent state"),
        ("hybrid", {"weight_model_based": 0.7, "inverse_temperature": 6.0}, "mixed"),
        ("model_free", {}, "model-free"),
    ],
)
def test_what_was_learned_is_still_won_by_its_own(
    name: str, values: dict[str, float], family: str, seed: int
) -> None:
    table = judged(planted("two-step", name, 600, seed, **values))
    assert int((table.winner == name).sum()) >= 7, table.winner.values
    assert winning_family(table) == family


@pytest.mark.parametrize(
    ("name", "family"), [("q_learning", "value learning"), ("reversal_hmm", "inference")]
)
def test_bandits_are_still_won_by_what_was_learned(name: str, family: str) -> None:
    table = judged(planted("bandit", name, 1000, 0))
    assert not set(table.winner.values) & NULLS
    assert winning_family(table) == family


@pytest.mark.parametrize("temperature", [0.0, 4.0])
def test_humans_have_nulls_too(temperature: float) -> None:
    values = {"inverse_temperature_first": temperature, "inverse_temperature_second": temperature}
    cohort = simulate_design(human_design(N, 250, 1), "hybrid_human",
                             {f"a{k}": values for k in range(N)}, seed=1)  # fmt: skip
    table = judged(cohort)
    null = ["human" in w and "hybrid" not in w for w in table.winner.values]
    assert all(null) if temperature == 0 else not any(null)


def test_the_side_kernel_is_a_plain_loop() -> None:
    cohort = planted("bandit", "q_learning", 400, 0)
    values = {"bias": 0.2, "perseveration": -0.3, "learning_rate_side_kernel": 0.15,
              "weight_side_kernel": 1.7}  # fmt: skip
    total = 0.0
    for choices in cohort.choice.values:
        kernel, last = 0.0, 0
        for c in choices.tolist():
            x = 0.2 - 0.3 * last + 1.7 * kernel
            total -= np.log1p(np.exp(-x if c else x))
            last = 2 * c - 1
            kernel += 0.15 * (last - kernel)
    found = trial_log_likelihood(cohort, "side_kernel", values).sum()
    assert float(found) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("name", ["bias_perseveration", "side_kernel"])
def test_nulls_play_the_design_with_its_states(name: str) -> None:
    """A model that needs no second step still meets the states, and is paid by them."""
    cohort = planted("two-step", "model_based", 700, 0)
    again = predict(cohort, fit(cohort, name), seed=2)
    assert np.isin(again.state, (0, 1)).all()
    odds = again.p_reward.isel(option=again.state.astype(int))
    assert float(again.reward.where(odds > 0.5).mean()) == pytest.approx(0.8, abs=0.03)
    assert float(again.reward.where(odds < 0.5).mean()) == pytest.approx(0.2, abs=0.03)


def test_a_null_wins_unless_the_evidence_is_strong() -> None:
    cohort = planted("bandit", "q_learning", 600, 1)
    fits = fit_models(cohort, ["bias", "q_learning"])
    for gain, winner in ((2.5, "bias"), (3.5, "q_learning")):
        moved = fits["q_learning"].assign(log_evidence=fits["bias"].log_evidence + gain)
        table = compare_models({"bias": fits["bias"], "q_learning": moved})
        assert set(table.winner.values) == {winner}


def test_evidence_and_bic_that_disagree_are_named() -> None:
    cohort = planted("two-step", "hybrid", 600, 0, weight_model_based=0.7)
    table = judged(cohort)
    differ = table.winner != table.winner_bic
    assert differ.any()
    assert ((table.conflict != "") == differ).all()
    k = int(np.flatnonzero(differ)[0])
    text = table.conflict.values[k]
    assert text.startswith(f"the evidence says {table.winner.values[k]} (by ")
    assert f"BIC says {table.winner_bic.values[k]} (by " in text
    clear = compare_models(fit_models(cohort, ["bias", "hybrid"]))
    assert (clear.conflict == "").all()
    assert clear.attrs["conflict"] == ""


def by_enumeration(evidence: np.ndarray, family: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Family frequency and protected exceedance from every assignment of models to subjects."""
    names = list(dict.fromkeys(family))
    member = np.array([[f == name for name in names] for f in family], float)
    prior = (member / member.sum(axis=0)).sum(axis=1)
    n, k = evidence.shape
    weights, counts = [], []
    for models in product(range(k), repeat=n):
        made = np.bincount(models, minlength=k)
        weights.append(
            evidence[np.arange(n), models].sum() + gammaln(prior.sum()) - gammaln(prior.sum() + n)
            + (gammaln(prior + made) - gammaln(prior)).sum()
        )  # fmt: skip
        counts.append(1 + made @ member)
    total, of_family = np.logaddexp.reduce(weights), np.array(counts)
    posterior = np.exp(np.array(weights) - total)
    rng, exceedance = np.random.default_rng(0), np.zeros(len(names))
    different, which = np.unique(of_family, axis=0, return_inverse=True)
    for at, weight in zip(different, np.bincount(which.ravel(), posterior), strict=True):
        most = rng.dirichlet(at, 20_000).argmax(axis=1)
        exceedance += weight * np.bincount(most, minlength=len(names)) / 20_000
    alike = np.logaddexp.reduce(evidence + np.log(prior / prior.sum()), axis=1).sum()
    risk = 1 / (1 + np.exp(total - alike))
    share = of_family / of_family.sum(axis=1, keepdims=True)
    return posterior @ share, (1 - risk) * exceedance + risk / len(names)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("family", [["a", "a", "b", "c"], ["a", "b", "b", "b"], list("abcd")])
def test_families_are_what_every_assignment_gives(seed: int, family: list[str]) -> None:
    votes = 3 * np.random.default_rng(seed).standard_normal((6, 4))
    votes[:, 0] += seed
    found = select_families(xr.DataArray(votes, dims=("subject", "model")), family)
    frequency, protected = by_enumeration(votes, family)
    np.testing.assert_allclose(found.family_frequency, frequency, atol=0.01)
    np.testing.assert_allclose(found.family_protected_exceedance, protected, atol=0.01)


def test_families_need_one_name_for_each_model() -> None:
    votes = xr.DataArray(np.zeros((15, 4)), dims=("subject", "model"))
    with pytest.raises(InputError, match="3 families for 4 models"):
        select_families(votes, ["a", "b", "c"])


def test_large_families_have_no_head_start() -> None:
    """Nine copies of a model beside one equally good other: a tie of families."""
    rng = np.random.default_rng(1)
    one, other = rng.standard_normal((2, 30, 1))
    votes = xr.DataArray(np.hstack([np.repeat(one, 9, 1), other]), dims=("subject", "model"))
    result = select_families(votes, ["many"] * 9 + ["one"])
    assert result.family_frequency.values == pytest.approx([0.5, 0.5], abs=0.12)
    assert float(select_models(votes).frequency[:9].sum()) > 0.65


def test_fits_with_other_memories_are_not_compared() -> None:
    cohort = planted("bandit", "q_learning", 400, 0)
    fits = {"bias": fit(cohort, "bias"), "q_dual": fit(cohort, "q_dual", across_problems=True)}
    with pytest.raises(InputError, match="memory runs across problems in some fits"):
        compare_models(fits)


def test_every_kind_has_null_candidates() -> None:
    for models in CANDIDATES.values():
        assert sum(find_model(m).family == "null" for m in models) >= 3
