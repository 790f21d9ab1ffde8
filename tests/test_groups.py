"""Welch over subjects, and the signatures of bandits."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import ttest_ind

from neuro_metarl.behavior.profiles import BANDIT_PROFILE, bandit_profile, profile
from neuro_metarl.comparison.cloud import place
from neuro_metarl.comparison.groups import compare_groups
from neuro_metarl.errors import InputError
from neuro_metarl.models.recovery import simulate_design
from neuro_metarl.recording import record
from tests.designs import bandit_design, two_step_design
from tests.test_cloud import group


def test_it_is_welchs_test() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 4)), rng.normal(0.5, 3, size=(12, 4))
    table = compare_groups(group(a), group(b))
    expected = ttest_ind(a, b, equal_var=False)
    assert table.t.values == pytest.approx(expected.statistic)
    assert table.p.values == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval()
    assert table.low.values == pytest.approx(low)
    assert table.high.values == pytest.approx(high)
    assert (table.p_holm >= table.p).all()


def test_two_groups_alike_differ_one_time_in_twenty() -> None:
    """Networks and animals of one population, unequal sizes: 600 draws, 4 standard errors."""
    rng = np.random.default_rng(1)
    hits = [
        compare_groups(group(rng.normal(size=(8, 1))), group(rng.normal(size=(6, 1)))).p < 0.05
        for _ in range(600)
    ]
    assert np.mean([h.item() for h in hits]) == pytest.approx(0.05, abs=4 * 0.0089)


def test_refusals() -> None:
    rng = np.random.default_rng(2)
    with pytest.raises(InputError, match="first group has 1 subject"):
        compare_groups(group(rng.normal(size=(1, 2))), group(rng.normal(size=(5, 2))))
    with pytest.raises(InputError, match="other signatures"):
        compare_groups(group(rng.normal(size=(4, 2))), group(rng.normal(size=(5, 3))))


def learners(n: int, model: str, seed: int, **values: float) -> xr.Dataset:
    each = {f"{model}-{k}": values for k in range(n)}
    return simulate_design(bandit_design(n, 2000, seed=seed), model, each, seed=seed)


def test_symmetric_learning_has_its_closed_form() -> None:
    """A habit alone: weight a (1 - a)^(l - 1) at lag l, rewarded or not."""
    kernel = {"learning_rate": 0.0, "learning_rate_choice_kernel": 0.4, "weight_choice_kernel": 2.0}
    table = bandit_profile(learners(12, "choice_kernel", 1, **kernel))
    mean = dict(zip(BANDIT_PROFILE, table.profile.values.mean(axis=0), strict=True))
    assert mean["stay_lag_1"] == pytest.approx(2 * 2 * 0.4, abs=0.12)
    expected = 2 * 2 * sum(0.4 * 0.6**k for k in range(1, 5))
    assert mean["stay_lags_2_5"] == pytest.approx(expected, abs=0.3)
    assert mean["reward_lag_1"] == pytest.approx(0, abs=0.12)
    assert mean["reward_lags_2_5"] == pytest.approx(0, abs=0.3)


def test_learners_are_placed_among_their_like() -> None:
    """The cloud's machinery on bandits: its own kind inside the spread, another kind outside."""
    rng = np.random.default_rng(3)
    values = {
        f"m{k}": {"learning_rate": float(rng.uniform(0.4, 0.7)), "inverse_temperature": 3.0,
                  "perseveration": float(rng.normal(0.5, 0.3))}
        for k in range(12)
    }  # fmt: skip
    mice = bandit_profile(simulate_design(bandit_design(12, 2000, seed=3), "q_learning", values))
    like = place(mice.isel(subject=[0, 1]), mice.isel(subject=slice(2, None)), n_bootstrap=500)
    assert (like.p_max > 0.02).all()
    other = bandit_profile(learners(2, "reversal_hmm", 4, inverse_temperature=8.0))
    assert (place(other, mice, n_bootstrap=500).p_max < 0.05).all()


def test_agents_on_bandits_have_a_profile() -> None:
    cohort = record("bandit-independent/0", n_sessions=50, seed=1, activity=False)
    table = bandit_profile(cohort)
    assert float(table.profile.sel(measure="reward_lag_1")[0]) > 1
    assert int(table.n[0]) == 5000


def test_bandit_profiles_refuse_what_they_cannot_measure() -> None:
    wide = record("bandit-eleven/0", n_sessions=5, seed=1, activity=False)
    with pytest.raises(InputError, match="expected 0 and 1"):
        bandit_profile(wide)
    with pytest.raises(InputError, match="no 'common'"):
        profile(bandit_design())
    assert (
        profile(simulate_design(two_step_design("miller", 1, 700), "mixture", {"a": {}})).sizes[
            "measure"
        ]
        == 8
    )
