"""Volatility: the task's odds, its exact filter, and learning rates by phase against planted ones.

Behrens et al. 2007; Wang et al. 2018, simulation 2. Truths are recomputed from the definition.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import neuro_metarl as nm
from neuro_metarl.agents.volatile_players import VolatilityFilter
from neuro_metarl.behavior.phase_rates import phase_learning_rates
from neuro_metarl.errors import InputError
from neuro_metarl.tasks.volatility import VOLATILITY_FORMS, Volatility
from tests.test_tasks import generators

TASK = "bandit-volatility"


@pytest.mark.parametrize("seed", range(2))
def test_odds_kinds_and_reversals(seed: int) -> None:
    task, n = Volatility(), 4000
    drawn = task.draw(n, generators(1, seed)).variables
    p, phase = drawn["expected_reward"][:, 0, 0].double().numpy(), drawn["problem"][:, 0].numpy()
    assert (phase[:100] == phase[0]).all()
    assert (phase[100:] == 1 - phase[0]).all()
    assert abs(phase[0].mean() - 0.5) < 4 * np.sqrt(0.25 / n)
    assert set(np.unique(p[phase == 0]).round(4)) == {0.25, 0.75}
    assert set(np.unique(p[phase == 1]).round(4)) == {0.15, 0.85}
    turns = (p[1:] > 0.5) != (p[:-1] > 0.5)
    volatile, within = phase[1:] == 1, np.arange(1, 200)[:, None] % 100 > 0
    assert not turns[~volatile].any()
    assert not turns[~within[:, 0]].any()
    rate, trials = turns[volatile & within].mean(), (volatile & within).sum()
    assert abs(rate - 0.1) < 4 * np.sqrt(0.09 / trials)
    paid = drawn["reward_if"][:, 0].numpy()
    assert (paid.sum(axis=1) == 1).all()
    for odds in (0.15, 0.25, 0.75, 0.85):
        these = np.isclose(p, odds)
        assert abs(paid[:, 0][these].mean() - odds) < 4 * np.sqrt(0.25 / these.sum())


def test_exact_blocks_and_all_kinds() -> None:
    task = Volatility(min_block=20, kinds="SS SV VS VV", n_trials=120)
    drawn = task.draw(2000, generators(1)).variables
    p, phase = drawn["expected_reward"][:, 0, 0].numpy() > 0.5, drawn["problem"][:, 0].numpy()
    turned = np.flatnonzero((p[1:] != p[:-1]).any(axis=1)) + 1
    assert turned.tolist() == [20, 40, 80, 100]
    share = [((phase[0] == a) & (phase[-1] == b)).mean() for a in (0, 1) for b in (0, 1)]
    assert np.abs(np.array(share) - 0.25).max() < 4 * np.sqrt(0.1875 / 2000)


@pytest.mark.parametrize("name", VOLATILITY_FORMS)
def test_forms_have_their_names(name: str) -> None:
    task = nm.make_task(name)
    assert task.name == name
    assert not task.fixed_observations().any()
    one = torch.zeros(task.n_trials, 1, 3, dtype=torch.long)
    trials = task.trials(task.draw(3, generators(1)), one)
    assert set(trials) >= {"choice", "reward", "problem", "expected_reward", "correct"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_trials": 7}, "even number"),
        ({"p_stable": 0.3}, "expected 0.5 to 1"),
        ({"hazard": -0.1}, "a probability"),
        ({"min_block": -1}, "0 or more trials"),
        ({"kinds": "SX"}, "expected some of SV"),
        ({"kinds": ""}, "expected some of SV"),
    ],
)
def test_impossible_tasks(change: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        nm.make_task(TASK, **change)


@pytest.mark.parametrize("form", [{}, {"kinds": "SS SV VS VV"}, {"min_block": 2, "kinds": "SV VV"}])
def test_the_filter_is_bayes_rule_over_all_histories(form: dict[str, int | str]) -> None:
    """Six trials: every kind and every sequence of better arms is enumerated."""
    task = Volatility(n_trials=6, hazard=0.3, **form)  # type: ignore[arg-type]
    seen = np.random.default_rng(3).integers(2, size=(5, 6))
    exact = VolatilityFilter(task, 5)
    for t in range(6):
        assert exact.mean() == pytest.approx(enumerated(task, seen[:, :t]), abs=1e-12)
        exact.update(seen[:, t])


def enumerated(task: Volatility, seen: np.ndarray) -> np.ndarray:
    """Predict by summing over all hidden histories, dims (session)."""
    n_seen, total = seen.shape[1], np.zeros((2, len(seen)))
    for kind, hidden in itertools.product(
        task.kinds.split(), itertools.product((0, 1), repeat=n_seen + 1)
    ):
        prior, likelihood = 1.0, np.ones(len(seen))
        for t, better in enumerate(hidden):
            volatile = kind[t // (task.n_trials // 2)] == "V"
            place = t % (task.n_trials // 2)
            turns = task.hazard
            if task.min_block:
                turns = float(place % task.min_block == 0)
            turns = turns if volatile and place else 0.0
            if t:
                prior *= turns if better != hidden[t - 1] else 1 - turns
            high = task.p_volatile if volatile else task.p_stable
            p_first = high if better == 0 else 1 - high
            if t < n_seen:
                likelihood = likelihood * np.where(seen[:, t] == 1, p_first, 1 - p_first)
        total += prior * likelihood * np.array([p_first, 1.0])[:, None]
    return np.asarray(total[0] / total[1])


@pytest.mark.parametrize(
    ("task", "name", "options", "reward"),
    [
        (TASK, "bayes", {}, 0.7196), (TASK, "delta-rule", {}, 0.6994),
        (TASK, "hazard-filter", {}, 0.693), (TASK, "hazard-filter", {"hazard": 0.05}, 0.700),
        (TASK, "oracle", {}, 0.8),
        ("bandit-volatility-slow", "bayes", {}, 0.7246),
        ("bandit-volatility-slow", "delta-rule", {"learning_rate": 0.15}, 0.7162),
        ("bandit-volatility-slow", "hazard-filter", {}, 0.706),
    ],
)  # fmt: skip
def test_players_stand_at_their_known_reward(
    task: str, name: str, options: dict[str, float], reward: float
) -> None:
    """Values of an independent program; tolerance: four standard errors of 1,500 sessions."""
    cohort = nm.record(nm.make_player(name, **options), task, 1500, seed=2)
    assert float(cohort.reward.mean()) == pytest.approx(reward, abs=0.006)


def value(rates: object, name: str) -> np.ndarray:
    found = rates[name]  # type: ignore[index]
    return np.asarray((found.sel(statistic="value") if "statistic" in found.dims else found).values)


@pytest.mark.parametrize(("rate", "temperature"), [(0.1, 8.0), (0.4, 4.0)])
def test_planted_delta_rules_come_back(rate: float, temperature: float) -> None:
    player = nm.make_player("delta-rule", learning_rate=rate, inverse_temperature=temperature)
    found = phase_learning_rates(nm.record(player, TASK, 150, seed=4)).isel(subject=0)
    assert value(found, "learning_rate") == pytest.approx(rate, rel=0.15)
    assert value(found, "inverse_temperature") == pytest.approx(temperature, rel=0.12)
    assert value(found, "rate_ratio") == pytest.approx(1, abs=0.2)
    low, high = (found.learning_rate.sel(statistic=s).values for s in ("low", "high"))
    assert (low < rate).all()
    assert (rate < high).all()
    assert not found.at_bound.values.any()
    assert found.n.values.tolist() == [150 * 50] * 2


def test_a_rate_that_changes_with_the_phase_comes_back() -> None:
    """Rates of .08 and .35, of which the fit of each phase sees its own last half."""
    rng, n = np.random.default_rng(1), 300
    drawn = Volatility().draw(n, generators(1)).variables
    phase, first = drawn["problem"][:, 0].numpy().T, drawn["reward_if"][:, 0, 0].numpy().T
    v, choice = np.full(n, 0.5), np.zeros((n, 200), int)
    for t in range(200):
        choice[:, t] = rng.random(n) > 1 / (1 + np.exp(-6 * (2 * v - 1)))
        v += np.where(phase[:, t] == 1, 0.35, 0.08) * (first[:, t] - v)
    reward = np.where(choice == 0, first, 1 - first)
    cohort = nm.make_cohort({"choice": choice, "reward": reward, "problem": phase},
                            subject=["a"] * n, task=TASK, source="model")  # fmt: skip
    found = phase_learning_rates(cohort)
    assert value(found, "learning_rate").ravel() == pytest.approx([0.08, 0.35], rel=0.2)
    assert found.rate_ratio.sel(statistic="low").item() > 2


def test_intervals_are_those_of_refitting_without_each_session() -> None:
    """The Newton step against leaving sessions out in truth."""
    player = nm.make_player("delta-rule", learning_rate=0.3, inverse_temperature=5.0)
    cohort = nm.record(player, TASK, 8, seed=9)
    found = phase_learning_rates(cohort).learning_rate.isel(subject=0)
    others = np.array([
        value(phase_learning_rates(cohort.isel(session=np.delete(np.arange(8), k))),
              "learning_rate")[0]
        for k in range(8)
    ])  # fmt: skip
    logits = np.log(others / (1 - others))
    error = np.sqrt(7 / 8 * ((logits - logits.mean(0)) ** 2).sum(0))
    low, high = (np.log(x / (1 - x)) for x in found.sel(statistic=["low", "high"]).values.T)
    # the interval is never narrower than the model's own error
    assert ((high - low) / 2 >= 0.8 * 2.365 * error).all()
    assert ((high - low) / 2 <= 1.6 * 2.365 * error).all()


def test_ideal_and_fixed_filters() -> None:
    """The exact filter adapts four times and more; a fixed hazard and a fixed rate hardly."""
    rates = {
        name: phase_learning_rates(nm.record(nm.make_player(name), TASK, 150, seed=1))
        for name in ("bayes", "hazard-filter", "delta-rule")
    }
    stable, volatile = value(rates["bayes"], "learning_rate")[0]
    assert stable < 0.08
    assert 0.27 < volatile < 0.42
    for name in ("hazard-filter", "delta-rule"):
        assert 0.8 < value(rates[name], "rate_ratio").item() < 1.25, name


def test_refusals() -> None:
    cohort = nm.record(nm.make_player("random"), TASK, 4)
    with pytest.raises(InputError, match="no 'problem'"):
        phase_learning_rates(cohort.drop_vars("problem"))
    with pytest.raises(InputError, match="expected at least 20"):
        phase_learning_rates(cohort.isel(trial=slice(110)))
    with pytest.raises(InputError, match="has no volatile phase"):
        phase_learning_rates(nm.record(nm.make_player("random"), nm.make_task(TASK, kinds="SS"), 4))
    with pytest.raises(InputError, match="update is 'all'"):
        phase_learning_rates(cohort, update="all")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="part is 0"):
        phase_learning_rates(cohort, part=0)
    with pytest.raises(InputError, match="hazard filter plays 'bandit-volatility'"):
        nm.record(nm.make_player("hazard-filter"), "bandit-independent", 2)
    with pytest.raises(InputError, match="foraging-bayes"):
        nm.record(nm.make_player("bayes"), "bandit-foraging", 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("agents", "least_reward", "most_stable", "least_volatile", "least_ratio"),
    [(TASK, 0.704, 0.15, 0.25, 2.0), ("bandit-volatility-slow", 0.713, 0.16, 0.14, 1.0)],
)
def test_networks_learn_faster_where_it_is_volatile(
    agents: str, least_reward: float, most_stable: float, least_volatile: float, least_ratio: float
) -> None:
    """Each of 8 networks."""
    cohort = nm.record(agents, agents, 400, seed=2018, activity=False)
    assert cohort.reward.mean("trial").groupby(cohort.subject).mean().min() >= least_reward
    found = phase_learning_rates(cohort)
    rate = value(found, "learning_rate")
    assert rate.shape == (8, 2)
    assert (rate[:, 0] <= most_stable).all()
    assert (rate[:, 1] >= least_volatile).all()
    assert (value(found, "rate_ratio") >= least_ratio).all()
    assert value(found, "rate_ratio").mean() >= 1.3


@pytest.mark.slow
def test_networks_of_one_volatility_do_not_adapt() -> None:
    stable = phase_learning_rates(nm.record(f"{TASK}-stable", TASK, 400, seed=2018, activity=False))
    assert (value(stable, "learning_rate") < 0.05).all()
    volatile = phase_learning_rates(
        nm.record(f"{TASK}-volatile", TASK, 400, seed=2018, activity=False)
    )
    assert (np.abs(value(volatile, "rate_ratio") - 1) < 0.25).all()
