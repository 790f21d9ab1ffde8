"""Networks on animals' sessions: what is kept, what calibration does, what replay sees."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import xarray as xr

from neuro_metarl.agents.calibrated import CalibratedRollout, Calibration
from neuro_metarl.agents.learning import draw_noise
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.zoo import load_agents, untrained
from neuro_metarl.cohort import make_cohort
from neuro_metarl.datasets import load_dataset
from neuro_metarl.errors import InputError
from neuro_metarl.models.recovery import simulate_design
from neuro_metarl.recording import record
from neuro_metarl.tasks import make_task
from neuro_metarl.yoking import record_yoked, replay
from tests.designs import bandit_design, check_baiting, two_step_design


def animals(n: int = 2, n_trials: int = 700, seed: int = 0) -> xr.Dataset:
    """Rats with forced trials, a violation in each session, sessions of unequal length."""
    design = two_step_design("miller", n, n_trials, seed)
    rng = np.random.default_rng(seed)
    design["forced"][:] = rng.random(design.forced.shape) < 0.2
    design["choice"][:] = rng.integers(2, size=design.choice.shape)
    design["common"][:] = design.state == design.choice
    for name in ("choice", "state", "common"):
        design[name][:, 30] = -1
        design[name][0, 200:] = -1
    design["valid"][:, 30], design["valid"][0, 200:] = 0, 0
    return simulate_design(design, "mixture", {f"r{k}": {"weight_model_based": 2.0}
                                               for k in range(n)}, seed=seed)  # fmt: skip


def test_yoked_sessions_are_the_animals_without_their_choices() -> None:
    rats, agents = animals(), load_agents("two-step").select([0, 1])
    played = record_yoked(agents, rats, n_replicates=2, seed=3)
    assert played.sizes["session"] == 2 * 2 * rats.sizes["session"]
    one = played.isel(session=slice(0, 4))
    n_valid = rats.valid.sum("trial").values
    assert one.valid.sum("trial").values == pytest.approx(n_valid, abs=6)
    for s in range(4):
        there = np.flatnonzero(rats.valid.values[s] == 1)
        forced = rats.forced.values[s, there] == 1
        mine = one.forced.values[s, : len(there)] == 1
        assert np.array_equal(mine & forced, mine)
        assert mine.sum() >= forced.sum() - 2
        same = one.choice.values[s, : len(there)][mine] == rats.choice.values[s, there][mine]
        assert same.all()
        np.testing.assert_allclose(
            one.p_reward.values[s, : len(there)], rats.p_reward.values[s, there]
        )
    common = played.common.values[played.valid.values == 1]
    assert common.mean() == pytest.approx(0.8, abs=0.02)
    assert json.loads(played.attrs["task_config"])["p_common"] == 0.8


def test_yoked_sessions_are_the_same_again_and_fresh_with_another_seed() -> None:
    rats, agents = animals(1, 350), load_agents("two-step/0")
    a, b, c = (record_yoked(agents, rats, n_replicates=1, seed=s) for s in (1, 1, 2))
    xr.testing.assert_identical(a, b)
    assert not np.array_equal(a.reward, c.reward)


def test_a_calibration_of_nothing_changes_nothing() -> None:
    rats, agents = animals(1, 350), load_agents("two-step/0")
    a = record_yoked(agents, rats, n_replicates=1)
    b = record_yoked(agents, rats, n_replicates=1, calibration=Calibration())
    assert np.array_equal(a.choice, b.choice)


def test_calibrated_choices_follow_the_formula() -> None:
    """Share of right choices: the mean of sigmoid(scale x + bias + habit), by last choice."""
    agents = untrained(load_agents("two-step/0"), n_agents=1, seed=1)
    task = make_task("two-step-miller", n_trials=200)
    calibration = Calibration(scale=3.0, bias=0.4, perseveration=1.2)
    rollout = CalibratedRollout(agents.population, task, 200, calibration)
    generators = [torch.Generator().manual_seed(5)]
    noise = draw_noise(rollout.n_steps, task.n_actions, 200, generators)
    rollout.play(task.draw(200, generators), noise)
    step = slice(task.events.index("first_step"), None, len(task.events))
    logits, action = rollout.logits[step, 0].numpy(), rollout.actions[step, 0].argmax(1).numpy()
    before, now = action[:-1], action[1:]
    lead = (logits[1:, 1] - logits[1:, 0]) * 3.0 + 0.4
    for last, pull in ((0, -1.2), (1, 1.2)):
        here = (before == last) & (now < 2)
        expected = 1 / (1 + np.exp(-(lead[here] + pull)))
        error = np.sqrt((expected * (1 - expected)).sum()) / here.sum()
        assert (now[here] == 1).mean() == pytest.approx(expected.mean(), abs=4 * error)


def test_temperature_must_be_positive() -> None:
    with pytest.raises(InputError, match=r"scale is 0\.0"):
        Calibration(scale=0.0)


def test_replay_gives_the_log_odds_that_the_network_had() -> None:
    """Its own sessions, replayed: what differs are the sampled actions at the other steps."""
    agents = load_agents("two-step/3")
    cohort = record(agents, "two-step-miller", 5, seed=4)
    policy = cohort.policy.sel(event="first_step")
    expected = np.log(policy.sel(action="right") / policy.sel(action="left"))
    odds = replay(agents, cohort.drop_vars(["activity", "cell"]))
    whole = (cohort.valid == 1).all("trial").values
    mine = abs(odds.isel(subject=0) - expected)[whole].values
    assert np.corrcoef(odds.values[0][whole].ravel(), expected.values[whole].ravel())[0, 1] > 0.99
    assert odds.animal.values.tolist() == ["two-step/3"] * 5
    other = replay(load_agents("two-step/4"), cohort.drop_vars(["activity", "cell"]))
    theirs = abs(other.isel(subject=0) - expected)[whole].values
    assert np.median(theirs) > 2 * np.median(mine)


def test_replay_skips_invalid_trials_and_starts_anew() -> None:
    rats, agents = animals(2, 700), load_agents("two-step/0")
    odds = replay(agents, rats)
    assert np.array_equal(np.isfinite(odds.values[0]), rats.valid.values == 1)
    first = odds.values[0, :, 0]
    np.testing.assert_allclose(first, first[0], atol=1e-4)
    assert np.nanstd(odds.values[0, :, 1:]) > 1


def test_replay_does_not_see_the_trial_it_is_for() -> None:
    rats, agents = animals(1, 350), load_agents("two-step/0")
    flipped = rats.copy(deep=True)
    there = flipped.valid.values[0] == 1
    last = int(np.flatnonzero(there)[-1])
    flipped["choice"][0, last] = 1 - flipped["choice"][0, last]
    flipped["common"][0, last] = 1 - flipped["common"][0, last]
    a, b = replay(agents, rats).values, replay(agents, flipped).values
    np.testing.assert_allclose(a, b, equal_nan=True)


def test_other_tasks_and_other_odds_are_refused() -> None:
    rats, agents = animals(1, 350), load_agents("two-step/0")
    other = rats.assign_attrs(task_config='{"p_common": 0.7}')
    with pytest.raises(InputError, match=r"probability 0\.70, the agents were trained with 0\.80"):
        record_yoked(agents, other)
    assert record_yoked(agents, other, n_replicates=1, allow_mismatch=True).sizes["session"] == 1
    with pytest.raises(InputError, match="trained on 'two-step' cannot play 'bandit'"):
        replay(agents, bandit_design())
    with pytest.raises(InputError, match="no 'common': not a two-step task"):
        replay(agents, rats.drop_vars("common"))
    with pytest.raises(InputError, match="'bandit-independent' cannot play a two-step task"):
        replay(load_agents("bandit-independent/0"), rats)
    with pytest.raises(InputError, match="n_replicates is 0"):
        record_yoked(agents, rats, n_replicates=0)


def test_without_odds_the_task_draws_them() -> None:
    rats = animals(1, 350).drop_vars("p_reward")
    played = record_yoked(load_agents("two-step/0"), rats, n_replicates=1)
    assert np.unique(played.p_reward.values) == pytest.approx([0.2, 0.8])


def test_a_rollout_with_everything_imposed_takes_it() -> None:
    task = make_task("two-step-miller", n_trials=20)
    agents = load_agents("two-step/0")
    drawn = task.draw(3, [torch.Generator().manual_seed(0)])
    forced = drawn.variables | {"forced_choice": torch.ones(20, 1, 3, dtype=torch.long)}
    rollout = Rollout(agents.population, task, 3)
    noise = draw_noise(rollout.n_steps, task.n_actions, 3, [torch.Generator().manual_seed(1)])
    rollout.play(task.episodes(forced), noise)
    first = rollout.actions[task.events.index("first_step") :: len(task.events), 0]
    assert (first.argmax(1) == 1).all()


def bandit_animals(*, baited: bool = False, seed: int = 0) -> xr.Dataset:
    """Four animals, odds that reverse, a miss, an imposed choice, sessions of two lengths."""
    rng = np.random.default_rng(seed)
    shape = (8, 60)
    odds = np.where((np.arange(60) // 20 % 2 == 0)[None, :, None], [0.7, 0.1], [0.1, 0.7])
    valid = np.ones(shape, int)
    valid[::2, 50:], valid[:, 5] = 0, 0
    choice = np.where(valid == 1, rng.integers(2, size=shape), -1)
    forced = np.zeros(shape, int)
    forced[:, 7] = 1
    return make_cohort(
        {
            "choice": choice, "reward": rng.random(shape) < 0.4, "valid": valid, "forced": forced,
            "p_reward": np.broadcast_to(odds, (*shape, 2)),
        },
        subject=[f"m{k // 2}" for k in range(8)],
        task="bandit-baited" if baited else "bandit", source="animal",
    )  # fmt: skip


def test_yoked_bandit_sessions_are_the_animals_without_their_choices() -> None:
    animals, agents = bandit_animals(), load_agents("bandit-restless/0")
    played = record_yoked(agents, animals, n_replicates=2, seed=1)
    assert played.sizes["session"] == 16
    there = animals.valid.values == 1
    assert played.valid.sum("trial").values.tolist() == 2 * there.sum(axis=1).tolist()
    first = played.isel(session=0)
    np.testing.assert_allclose(
        first.p_reward.values[: there[0].sum()], animals.p_reward.values[0][there[0]]
    )
    # the sixth trial was a miss: what was imposed on the eighth is imposed on the seventh
    assert first.forced.values.nonzero()[0].tolist() == [6]
    assert (played.choice.values[:8, 6] == animals.choice.values[:, 7]).all()
    again = record_yoked(agents, animals, n_replicates=2, seed=1)
    assert played.equals(again)
    assert not played.equals(record_yoked(agents, animals, n_replicates=2, seed=2))


@pytest.mark.parametrize("baited", [False, True])
def test_yoked_arms_pay_their_odds_and_keep_what_is_baited(baited: bool) -> None:
    """After d trials without it, an arm of odds p pays with 1 - (1 - p)^(d + 1) if baited."""
    animals = bandit_animals(baited=baited)
    flat = animals.assign(p_reward=(animals.p_reward * 0 + 0.25).astype("float32"))
    played = record_yoked(load_agents("bandit-restless").select(range(2)), flat, n_replicates=80)
    check_baiting(played, 0.25, baited)


def test_replay_gives_the_log_odds_that_a_network_had_on_a_bandit() -> None:
    """Nothing is sampled but the choice: along its own sessions a network says the same again."""
    agents, other = (load_agents(f"bandit-restless/{k}") for k in (0, 1))
    cohort = record(agents, "bandit-restless", 6, seed=2)
    policy = cohort.policy.sel(event="choice")
    expected = np.log(policy.sel(action="arm_1") / policy.sel(action="arm_0")).values
    bare = cohort.drop_vars(["activity", "cell"])
    np.testing.assert_allclose(replay(agents, bare).values[0], expected, atol=1e-4)
    assert abs(replay(other, bare).values[0] - expected).mean() > 0.1
    blank = bare.drop_vars("p_reward", errors="ignore")
    np.testing.assert_allclose(replay(agents, blank).values[0], expected, atol=1e-4)


@pytest.mark.parametrize("habit", [-1.0, 0.0, 1.2])
def test_calibrated_arms_follow_the_formula(habit: float) -> None:
    """The share of arm 1 is the mean of sigmoid(scale x + bias + habit), by the last choice."""
    animals = bandit_animals().isel(session=slice(0, 4))
    agents = load_agents("bandit-restless/2")
    calibration = Calibration(scale=0.4, bias=0.5, perseveration=habit)
    played = record_yoked(agents, animals, n_replicates=100, calibration=calibration)
    lead = replay(agents, played).values[0] * 0.4 + 0.5
    free = (played.valid == 1).values & (played.forced == 0).values
    before, now = played.choice.values[:, :-1], played.choice.values[:, 1:]
    for last in (0, 1):
        here = free[:, 1:] & (before == last)
        expected = 1 / (1 + np.exp(-(lead[:, 1:][here] + habit * (2 * last - 1))))
        error = np.sqrt((expected * (1 - expected)).sum()) / here.sum()
        assert now[here].mean() == pytest.approx(expected.mean(), abs=4 * error)


def test_replay_on_a_bandit_skips_misses_and_takes_imposed_choices() -> None:
    animals, agents = bandit_animals(), load_agents("bandit-restless/0")
    odds = replay(agents, animals)
    assert np.array_equal(np.isfinite(odds.values[0]), animals.valid.values == 1)
    moved = animals.copy(deep=True)
    moved["choice"][:, 7] = 1 - moved["choice"][:, 7]
    change = np.nan_to_num(abs(replay(agents, moved) - odds).values[0])
    assert change[:, :8].max() < 1e-5
    assert (change[:, 8] > 1e-3).all()


def test_batches_of_sessions_change_nothing_but_the_luck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each session stays in its place whatever batch it is played in."""
    rats, agents = animals(2, 700), load_agents("two-step").select([0, 1])
    whole, odds = record_yoked(agents, rats, n_replicates=2), replay(agents, rats)
    monkeypatch.setattr("neuro_metarl.yoking.sessions.MOST_STEPS", 1200)
    parts, odds_of_parts = record_yoked(agents, rats, n_replicates=2), replay(agents, rats)
    assert np.array_equal(parts.session_id, whole.session_id)
    np.testing.assert_allclose(parts.p_reward, whole.p_reward)
    n_valid = [c.valid.sum("trial").values for c in (parts, whole)]
    np.testing.assert_allclose(*n_valid, atol=6)
    correlation = np.corrcoef(odds.values[odds.notnull()], odds_of_parts.values[odds.notnull()])
    assert correlation[0, 1] > 0.99


def test_bandits_that_cannot_be_copied_are_refused() -> None:
    agents, animals = load_agents("bandit-restless/0"), bandit_animals()
    with pytest.raises(InputError, match="cannot play 'bandit', a bandit of two arms: take agents"):
        record_yoked(load_agents("two-step/0"), animals)
    with pytest.raises(InputError, match="copied by their 'p_reward' of two arms"):
        record_yoked(agents, animals.drop_vars("p_reward"))


def test_animals_of_two_task_forms_are_refused() -> None:
    """Half of the animals had common transitions in about .6 of trials, the others in .8."""
    rats = load_dataset("synthetic-rats")
    rng = np.random.default_rng(0)
    mine = np.isin(rats.subject.values, ["synthetic-1", "synthetic-2"])[:, None]
    rare = mine & (rats.valid.values == 1) & (rats.common.values == 1)
    rare &= rng.random(rare.shape) < 0.25
    mixed = rats.assign(common=rats.common.where(~rare, 0).astype("int8"))
    with pytest.raises(
        InputError, match=r"different task forms: .* in 0\.\d\d of the trials of 'synthetic-[12]'"
    ):
        record_yoked(load_agents("two-step/0"), mixed, allow_mismatch=True)
