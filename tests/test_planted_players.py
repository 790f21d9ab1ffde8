"""Planted models play every task that they can, and their parameters come back."""

from __future__ import annotations

import numpy as np
import pytest

import neuro_metarl as nm
from neuro_metarl.errors import InputError
from neuro_metarl.models.model import find_model, list_models
from neuro_metarl.recording import record

BANDITS = ("bandit-independent", "bandit-dependent-easy", "bandit-dependent-uniform",
           "bandit-restless")  # fmt: skip


@pytest.mark.parametrize("name", list_models())
def test_every_model_plays_or_says_why_not(name: str) -> None:
    model = find_model(name)
    for task in (*BANDITS, "two-step", "two-step-akam"):
        second_step = task.startswith("two-step")
        if model.n_choices == 2 or ("state" in model.needs and not second_step):
            with pytest.raises(InputError, match=f"model '{name}' plays two-step tasks"):
                record(model.planted(), task, 2)
            continue
        cohort = record(model.planted(), task, 2, seed=1)
        assert cohort.sizes["session"] == 2
        assert np.isin(cohort.choice, (0, 1)).all()
        assert cohort.attrs["model"] == name
    for task in ("bandit-eleven", "harlow"):
        with pytest.raises(InputError, match=f"model '{name}' plays two-step tasks"):
            record(model.planted(), task, 2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("task", BANDITS)
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("q_learning", {"learning_rate": 0.3, "inverse_temperature": 5.0, "bias": 0.3}),
        ("q_dual", {"learning_rate_reward": 0.6, "learning_rate_omission": 0.2}),
        ("choice_kernel", {"weight_choice_kernel": 1.0, "learning_rate": 0.4}),
    ],
)
def test_planted_bandit_models_are_recovered(
    name: str, values: dict[str, float], task: str, seed: int
) -> None:
    """Within 3.5 standard errors on the real line, which are small."""
    model = find_model(name)
    cohort = record(model.planted(**values), task, 60, seed=seed)
    result = nm.fit(cohort, name).isel(subject=0)
    assert result.problem.item() == ""
    for k, parameter in enumerate(result.parameter.values):
        p = model.parameter_map[str(parameter)]
        truth = p.unconstrained(values.get(p.name, p.default))
        error = float(np.sqrt(result.covariance[k, k]))
        assert error < 1.0
        assert abs(float(result.unconstrained[k]) - truth) < 3.5 * error


def test_rewards_are_those_of_the_arms_and_the_recording_is_repeated() -> None:
    greedy = nm.models.q_learning.planted("greedy", inverse_temperature=20.0)
    cohort = record(greedy, "bandit-dependent-easy", 200, seed=2)
    odds = cohort.expected_reward.isel(option=cohort.choice.astype(int))
    assert float(cohort.reward.mean()) == pytest.approx(float(odds.mean()), abs=0.01)
    assert float(cohort.correct.mean()) > 0.8
    again = record(greedy, "bandit-dependent-easy", 200, seed=2)
    assert np.array_equal(again.choice, cohort.choice)
    other = record(greedy, "bandit-dependent-easy", 200, seed=3)
    assert not np.array_equal(other.choice, cohort.choice)
    assert nm.win_stay(cohort).sizes["subject"] == 1
