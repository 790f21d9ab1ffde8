"""The risky choice and networks of two cores: odds, the optimum by two roads, shifts by errors.

Stopper et al. 2014; Wang et al. 2018, simulation 6.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import neuro_metarl as nm
from neuro_metarl.agents.risky_optimum import play_risky_optimum, risky_plan
from neuro_metarl.agents.two_cores import (
    DISCOUNT,
    load_two_cores,
    play_two_cores,
    train_two_cores,
)
from neuro_metarl.behavior.risky_choices import risky_choice
from neuro_metarl.errors import InputError
from neuro_metarl.recording.two_cores import DOPAMINE, record_two_cores
from neuro_metarl.tasks.risky import RISKY_FORMS, Risky
from tests.test_tasks import generators


@pytest.mark.parametrize("name", RISKY_FORMS)
def test_odds_pays_and_forced_trials(name: str) -> None:
    task = nm.make_task(name)
    assert task.name == name
    drawn = task.draw(4000, generators(1)).variables
    risky, forced = drawn["problem"][:, 0].numpy(), drawn["forced_choice"][:, 0].numpy()
    assert (risky == risky[0]).all()
    assert abs(risky[0].mean() - 0.5) < 4 * np.sqrt(0.25 / 4000)
    assert (forced[:10].sum(axis=0) == 5).all()
    assert (forced[10:] == -1).all()
    mean, paid = (drawn[k][:, 0].numpy() for k in ("expected_reward", "reward_if"))
    of_risky, won = (np.take_along_axis(t, risky[:, None], 1)[:, 0] for t in (mean, paid))
    of_safe = np.take_along_axis(mean, 1 - risky[:, None], 1)[:, 0]
    assert set(np.unique(of_risky)) == {0.5, 2.0}
    turns = of_risky[1:] != of_risky[:-1]
    assert abs(turns.mean() - 1 / 25) < 4 * np.sqrt(0.04 / turns.size)
    for level in (0.5, 2.0):
        these = of_risky == level
        assert abs(won[these].mean() - level) < 4 * 2 / np.sqrt(these.sum())
    low, high = (0.4, 1.6) if "variable" in name else (1.0, 1.0)
    assert of_safe.min() >= low - 1e-6
    assert of_safe.max() <= high + 1e-6
    assert (of_safe == of_safe[0]).all()


def test_impossible_tasks() -> None:
    for change, said in (
        ({"n_forced": 3}, "an even number"), ({"hazard": 2}, "a probability"),
        ({"safe_low": 2.0}, "rising"), ({"n_trials": 0}, "n_trials"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            nm.make_task("risky-choice", **change)


def test_the_plan_is_what_playing_it_earns() -> None:
    """1.306 per free trial (independent program); the plan's own value begins from one half."""
    played = play_risky_optimum(Risky(), 20_000)
    assert played["reward"] == pytest.approx(1.306, abs=0.012)
    assert played["risky"] == pytest.approx(0.716, abs=0.02)
    assert (played["low"], played["high"]) == pytest.approx((0.544, 0.889), abs=0.02)
    plain = Risky(n_forced=0, n_trials=50)
    value, _ = risky_plan(plain)
    assert play_risky_optimum(plain, 20_000)["reward"] == pytest.approx(value[200] / 50, abs=0.012)
    blocked = play_risky_optimum(Risky(), 20_000, dopamine="block risky reward")
    assert blocked["risky"] == pytest.approx(0.280, abs=0.02)


def test_errors_are_those_of_the_critic_and_changes_reach_the_actor_alone() -> None:
    agents, task = load_two_cores("untrained"), Risky()
    drawn = task.draw(20, generators(4))
    noise = torch.rand(60, 4, 20, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        plain = play_two_cores(agents.tensors, task, drawn, noise)
        added = play_two_cores(agents.tensors, task, drawn, noise, lambda a, r: torch.ones_like(r))
    wanted = plain["reward"][:-1] + DISCOUNT * plain["value"][1:] - plain["value"][:-1]
    assert torch.allclose(plain["rpe"][:-1], wanted, atol=1e-6)
    assert torch.equal(plain["action"][:10], added["action"][:10])
    assert torch.allclose(added["rpe"][:10], plain["rpe"][:10] + 1, atol=1e-5)
    assert torch.equal(added["value"][:11], plain["value"][:11])
    assert not torch.equal(added["logits"][1], plain["logits"][1])


def test_the_actor_sees_no_reward_but_by_the_error() -> None:
    """Zero errors: what is paid makes no difference to the policy."""
    agents, task = load_two_cores("risky-choice-variable"), Risky()
    drawn = task.draw(10, generators(8))
    noise = torch.rand(60, 8, 10, generator=torch.Generator().manual_seed(1))
    blind = dict(agents.tensors) | {"actor": agents.tensors["actor"].clone()}
    blind["actor"][:, :, 2] = 0
    with torch.no_grad():
        one = play_two_cores(blind, task, drawn, noise)
        drawn.variables["reward_if"].zero_()
        two = play_two_cores(blind, task, drawn, noise)
    assert torch.equal(one["logits"], two["logits"])


def test_training_is_repeatable_and_files_go_round(tmp_path: Path) -> None:
    one, two = (train_two_cores("risky-choice", n_agents=2, seed=3, n_updates=2) for _ in range(2))
    for key, value in one.tensors.items():
        assert torch.equal(value, two.tensors[key])
        assert torch.isfinite(value).all()
    again = load_two_cores(one.save(tmp_path / "mine"))
    assert again.names == one.names
    assert again.task == one.task
    assert all(torch.equal(again.tensors[k], v) for k, v in one.tensors.items())


def test_p_risky_of_planted_choosers() -> None:
    """A coin of .3 for the risky action: on every kind of trial, forced ones left out."""
    drawn = Risky().draw(300, generators(1)).variables
    risky, forced = drawn["problem"][:, 0].numpy().T, drawn["forced_choice"][:, 0].numpy().T
    rng = np.random.default_rng(1)
    choice = np.where(rng.random(risky.shape) < 0.3, risky, 1 - risky)
    choice = np.where(forced >= 0, forced, choice)
    paid = np.take_along_axis(
        drawn["reward_if"][:, 0].numpy().transpose(2, 0, 1), choice[..., None], 2
    )
    cohort = nm.make_cohort(
        {"choice": choice, "reward": paid[..., 0], "forced": forced >= 0, "problem": risky,
         "expected_reward": drawn["expected_reward"][:, 0].numpy().transpose(2, 0, 1)},
        subject=["a"] * 300, task="risky-choice", source="model",
    )  # fmt: skip
    found = risky_choice(cohort).isel(subject=0)
    assert found.p_risky.sel(statistic="value").values == pytest.approx(0.3, abs=0.02)
    assert found.n.values[0] == 300 * 50
    assert (found.p_risky.sel(statistic="low") < 0.3).all()
    assert (found.p_risky.sel(statistic="high") > 0.3).all()


def test_refusals() -> None:
    with pytest.raises(InputError, match="did you mean 'block safe reward'"):
        record_two_cores("untrained", dopamine="block safe rewards")
    with pytest.raises(InputError, match="play the risky choice, no other task"):
        record_two_cores("untrained", "bandit-independent")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no networks of two cores 'rats'"):
        load_two_cores("rats")
    with pytest.raises(InputError, match="learn the risky choice"):
        train_two_cores("bandit-independent")
    with pytest.raises(InputError, match="no 'problem'"):
        risky_choice(nm.record(nm.make_player("random"), "bandit-independent", 2))


@pytest.mark.slow
def test_changed_errors_shift_choices_of_trained_networks() -> None:
    """Each of 8 networks; with a fixed safe pay a blocked one moves them little."""
    shifts = {}
    for name in ("risky-choice-variable", "risky-choice", "untrained"):
        found = [
            risky_choice(record_two_cores(name, n_sessions=1000, seed=2018, dopamine=done))
            for done in DOPAMINE
        ]
        p = np.array([one.p_risky.sel(odds="all", statistic="value").values for one in found])
        shifts[name] = p[1:] - p[0]
        if name != "untrained":
            assert (found[0].reward_rate.sel(statistic="value") >= 1.235).all(), name
            by_odds = found[0].p_risky.sel(statistic="value")
            assert (by_odds.sel(odds="high") - by_odds.sel(odds="low") >= 0.2).all(), name
    win, safe, loss = shifts["risky-choice-variable"]
    assert len(win) == 8
    assert (win <= -0.2).all()
    assert (safe > 0).all()
    assert (loss > 0).all()
    assert safe.mean() >= 0.08
    assert loss.mean() >= 0.05
    win, safe, loss = shifts["risky-choice"]
    assert (win <= -0.2).all()
    assert loss.mean() >= 0.08
    assert (np.abs(safe) < 0.08).all()
    assert abs(safe.mean()) < 0.05
    assert (np.abs(shifts["untrained"]) < 0.03).all()
