"""Controls of the package: what agents without gates, and without memory, can and cannot do."""

from __future__ import annotations

import numpy as np
import pytest

import neuro_metarl as nm

N = 200


@pytest.mark.parametrize("task", ["two-step", "bandit-restless", "harlow"])
def test_controls_differ_from_each_other_in_their_core_alone(task: str) -> None:
    gru, flat = (nm.load_agents(f"{task}-{core}") for core in ("gru", "feed-forward"))
    assert gru.population.shape.core.gates == ("reset", "update", "candidate")
    assert not flat.population.shape.core.remembers
    same = {"core", "learn_initial_state"}
    recipes = [agents.recipe.model_dump(exclude=same) for agents in (gru, flat)]
    assert recipes[0] == recipes[1]
    assert len(gru) == len(flat) >= 3
    assert not set(gru.names) & set(nm.load_agents(task).names)


def test_without_memory_the_two_step_task_is_a_coin() -> None:
    """Either state pays 1/2 on average: errors are those of 20,000 tosses per network."""
    flat = nm.record("two-step-feed-forward", n_sessions=N, seed=11, activity=False)
    gru = nm.record("two-step-gru", n_sessions=N, seed=11, activity=False)
    error = flat.reward.groupby("session_id").mean(...).std().item() / N**0.5
    assert (abs(flat.reward.groupby("subject").mean(...) - 0.5) < 4 * error).all()
    assert (gru.reward.groupby("subject").mean(...) > 0.65).all()


def test_without_memory_stay_probabilities_do_not_depend_on_the_trial_before() -> None:
    flat = nm.record("two-step-feed-forward", n_sessions=N, seed=12, activity=False)
    stay = nm.stay_probability(flat).stay_probability
    width = (stay.sel(statistic="high") - stay.sel(statistic="low")).max("term")
    spread = stay.sel(statistic="value").max("term") - stay.sel(statistic="value").min("term")
    assert (spread < 2 * width).all()


def test_without_memory_the_bandit_is_played_from_the_last_trial_alone() -> None:
    """The same last action, last reward and time: the same policy, whatever came before."""
    flat, gru = (
        nm.record(f"bandit-restless-{core}", n_sessions=N, seed=13, variables=["policy"])
        for core in ("feed-forward", "gru")
    )
    spread = []
    for cohort in (flat, gru):
        one = nm.select_subjects(cohort, nm.subjects_of(cohort)[0])
        p = one.policy.isel(event=0, action=1, trial=60).values
        last = one.choice.values[:, 59] * 2 + one.reward.values[:, 59]
        spread.append(max(p[last == key].std() for key in np.unique(last)))
    assert spread[0] < 1e-6
    assert spread[1] > 0.05


def test_a_network_without_memory_uses_the_world_as_its_memory() -> None:
    """Learning sets: above chance, far below networks that remember.

    It prefers objects by a feature of its own; whether that paid is the last reward, which it sees.
    """
    flat, gru = (
        nm.record(f"harlow-{core}", n_sessions=N, seed=14, variables=["policy"])
        for core in ("feed-forward", "gru")
    )
    right = [c.correct.isel(trial=slice(1, None)).groupby("subject").mean(...) for c in (flat, gru)]
    error = 0.5 / (5 * N) ** 0.5
    assert (right[0] > 0.5 + 4 * error).all()
    assert (right[0] < 0.8).all()
    assert (right[1] > 0.9).all()
    blind = nm.record("harlow-feed-forward", n_sessions=N, seed=14, activity=False,
                      perturb=nm.perturb.lesion_reward())  # fmt: skip
    level = blind.correct.isel(trial=slice(1, None)).groupby("subject").mean(...)
    assert (abs(level - 0.5) < 4 * error).all()
