"""The exact belief about the two-step task, against closed forms, enumeration and the model."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit, logit

import neuro_metarl as nm
from neuro_metarl import InputError
from neuro_metarl.cohort import make_cohort
from neuro_metarl.models import bayes_belief
from neuro_metarl.models.likelihood import log_odds
from neuro_metarl.models.trials import trials_of

KNOWN = {"hazard": 0.025, "p_reward_high": 0.9, "p_reward_low": 0.1}


def played(task: nm.tasks.TwoStep | str, *, n_sessions: int = 20, seed: int = 0) -> xr.Dataset:
    player = nm.models.latent_state.planted(inverse_temperature=5.0)
    return nm.record(player, task, n_sessions, seed=seed)


def small(state: list[int], reward: list[float]) -> xr.Dataset:
    return make_cohort(
        {"choice": [state], "state": [state], "reward": [reward]},
        subject=["a"], task="two-step", source="model",
    )  # fmt: skip


def test_evidence_adds_log_likelihood_ratios_where_nothing_switches() -> None:
    rng = np.random.default_rng(3)
    state, reward = rng.integers(2, size=(2, 60))
    belief = bayes_belief(
        small(state.tolist(), reward.tolist()), hazard=0.0, p_reward_high=0.8, p_reward_low=0.3
    )
    step = np.where(reward == 1, np.log(0.8 / 0.3), np.log(0.2 / 0.7))
    evidence = np.cumsum(np.where(state == 1, step, -step))
    np.testing.assert_allclose(belief.log_odds_after.values[0], evidence, atol=1e-9)
    np.testing.assert_allclose(belief.log_odds.values[0, 1:], evidence[:-1], atol=1e-9)


def test_the_hazard_mixes() -> None:
    belief = bayes_belief(small([1, 0, 1], [1, 1, 0]), **KNOWN)
    p = 0.5
    for t, step in enumerate((np.log(9), -np.log(9), -np.log(9))):
        assert belief.log_odds.values[0, t] == pytest.approx(logit(p), abs=1e-12)
        after = logit(p) + step
        assert belief.log_odds_after.values[0, t] == pytest.approx(after, abs=1e-12)
        p = expit(after) * (1 - 0.025) + (1 - expit(after)) * 0.025


@pytest.mark.parametrize("seed", [0, 1])
def test_without_least_blocks_it_is_the_filter_of_the_model(seed: int) -> None:
    cohort = played("two-step", seed=seed)
    belief = bayes_belief(cohort)
    # temperature 1 and certain transitions leave the difference of the two probabilities
    theta = nm.models.latent_state.planted(
        inverse_temperature=1.0, p_common=1.0, hazard=0.025, p_reward_high=0.9, p_reward_low=0.1
    )
    trials = trials_of(cohort, nm.models.latent_state)
    difference = log_odds(
        nm.models.latent_state, trials, 0, np.array([list(theta.values.values())])
    )
    p = expit(belief.log_odds.values[cohort.valid.values == 1])
    np.testing.assert_allclose(2 * p - 1, difference[0, 0], atol=1e-12)


@pytest.mark.parametrize(("least", "neutral"), [(0, None), (2, None), (1, 0.5), (0, 0.4)])
def test_it_is_bayes_by_enumeration_of_all_blocks(least: int, neutral: float | None) -> None:
    """Sum over every sequence of blocks, which shares nothing with the filter."""
    state, reward, hazard = [1, 0, 1, 1, 0, 1], [1, 1, 0, 1, 0, 1], 0.3
    levels = [(0.8, 0.1), *([(neutral, neutral)] if neutral is not None else []), (0.1, 0.8)]
    total = np.zeros(len(levels))
    for kinds in product(range(len(levels)), repeat=len(state)):
        p, age = 1 / len(levels), 0
        for t in range(len(state)):
            if t > 0:
                may_end = age >= least
                if kinds[t] != kinds[t - 1]:
                    p *= hazard * may_end / (len(levels) - 1)
                    age = 0
                else:
                    p *= 1 - hazard * may_end
                    age += 1
            if t < len(state) - 1:
                pays = levels[kinds[t]][state[t]]
                p *= pays if reward[t] else 1 - pays
        total[kinds[-1]] += p
    belief = bayes_belief(
        small(state, reward), hazard=hazard, min_block=least, p_reward_high=0.8, p_reward_low=0.1,
        p_reward_neutral=neutral,
    )  # fmt: skip
    assert belief.log_odds.values[0, -1] == pytest.approx(np.log(total[-1] / total[0]), abs=1e-10)


@pytest.mark.parametrize("task", ["two-step", "two-step-miller", "two-step-akam"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_belief_is_calibrated_and_only_with_the_true_task(task: str, seed: int) -> None:
    """Of trials on which it says p, a share p has state 1 the better; a wrong hazard is not."""
    cohort = played(task, n_sessions=150, seed=seed)
    p_reward = cohort.p_reward.values
    unequal = p_reward[..., 0] != p_reward[..., 1]
    better = (p_reward[..., 1] > p_reward[..., 0])[unequal]

    def surprise(**wrong: float) -> float:
        odds = bayes_belief(cohort, **wrong).log_odds.values[unequal]
        return float(np.logaddexp(0, np.where(better, -odds, odds)).mean())

    p = expit(bayes_belief(cohort).log_odds.values[unequal])
    for low in np.arange(0, 1, 0.2):
        here = (p >= low) & (p < low + 0.2)
        # trials of a block are not independent: 60 is about the number of blocks behind 1,000
        tolerance = 3.5 * np.sqrt(0.25 / max(20, here.sum() / 15))
        assert abs(better[here].mean() - p[here].mean()) < tolerance
    right = surprise()
    assert right < surprise(hazard=0.3)
    assert right < surprise(p_reward_high=0.99, p_reward_low=0.01)
    if task != "two-step":
        assert right < surprise(min_block=0)


def test_the_task_says_what_is_known() -> None:
    belief = bayes_belief(played("two-step-miller", n_sessions=2))
    assert belief.attrs == {
        "hazard": 0.02, "min_block": 10, "p_reward_high": 0.8, "p_reward_low": 0.2,
    }  # fmt: skip
    assert "p_reward_neutral" in bayes_belief(played("two-step-akam", n_sessions=2)).attrs


def test_invalid_trials_do_not_exist_and_the_mapping_does_not_matter() -> None:
    cohort = played("two-step", n_sessions=4)
    order = [*range(10), 9, *range(10, 99)]
    gap = cohort.isel(trial=order).copy(deep=True)
    gap["valid"][:, 10] = 0
    gap["invalid_reason"][:, 10] = 2
    without, within = bayes_belief(cohort).log_odds, bayes_belief(gap).log_odds
    assert np.isnan(within.values[:, 10]).all()
    np.testing.assert_array_equal(within.values[:, 11:], without.values[:, 10:99])
    other = cohort.assign(choice=1 - cohort.choice)  # the other transition mapping
    np.testing.assert_array_equal(bayes_belief(other).log_odds, without)
    flipped = cohort.assign(state=1 - cohort.state)
    np.testing.assert_allclose(bayes_belief(flipped).log_odds, -without, atol=1e-12)


def test_extremes_stay_finite() -> None:
    belief = bayes_belief(
        small([1] * 2000 + [1], [1] * 2000 + [0]), hazard=0.0, p_reward_high=1.0, p_reward_low=0.0
    )
    assert np.isfinite(belief.log_odds_after).all()


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        (lambda c: c.drop_vars("state"), {}, "has no 'state'"),
        (lambda c: c.assign(reward=c.reward * 3), {}, "reward is 3 at session 0.*recode"),
        (lambda c: c.assign_attrs(task_config="{}"), {}, "does not say hazard.*give hazard="),
        (lambda c: c, {"hazard": 1.5}, "hazard is 1.5"),
        (lambda c: c, {"min_block": -1}, "min_block is -1"),
        (lambda c: c, {"p_reward_neutral": 7}, "p_reward_neutral is 7"),
        (
            lambda c: c.drop_vars("p_reward").assign_attrs(task_config="{}"), {"hazard": 0.1},
            "does not say p_reward_high",
        ),
    ],
)  # fmt: skip
def test_bad_input(change: object, given: dict[str, float], message: str) -> None:
    cohort = played("two-step", n_sessions=2)
    cohort["reward"][0, 0] = 1
    with pytest.raises(InputError, match=message):
        bayes_belief(change(cohort), **given)  # type: ignore[operator]
