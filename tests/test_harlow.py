"""Symbolic learning sets: what is seen, what pays, and what the best and the blind can earn."""

from __future__ import annotations

import pytest
import torch

from neuro_metarl.agents.learning import draw_noise
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.population import Population, Shape
from neuro_metarl.agents.recipes import make_recipe
from neuro_metarl.agents.training import train
from neuro_metarl.agents.zoo import load_agents, untrained
from neuro_metarl.behavior.learning_sets import learning_curve
from neuro_metarl.errors import InputError
from neuro_metarl.recording import record
from neuro_metarl.tasks import Task, make_task
from neuro_metarl.tasks.base import Episodes
from neuro_metarl.tasks.harlow import Harlow, draw_sides
from tests.test_tasks import generators


def sides_of(n_trials: int, balanced: bool, seed: int, n: int = 4000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return draw_sides(n_trials, n, generator, balanced=balanced).double()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("n_trials", [5, 6])
def test_balanced_sides_are_as_often_left_and_in_any_order(n_trials: int, seed: int) -> None:
    sides = sides_of(n_trials, True, seed)
    assert set(sides.sum(0).tolist()) == {n_trials // 2, (n_trials + 1) // 2}
    error = 4 * 0.5 / 4000**0.5
    assert (sides.mean(1) - 0.5).abs().max() < error
    orders = sides.T.unique(dim=0)
    assert len(orders) == {5: 20, 6: 20}[n_trials]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_free_sides_are_fair_coins(seed: int) -> None:
    """Sums are binomial: variance n / 4, which balanced sides do not have."""
    sums = sides_of(6, False, seed).sum(0)
    assert sums.mean().item() == pytest.approx(3, abs=4 * (1.5 / 4000) ** 0.5)
    assert sums.var().item() == pytest.approx(1.5, rel=4 * (2 / 4000) ** 0.5)
    assert sides_of(6, True, seed).sum(0).var() == 0


@pytest.fixture
def drawn() -> tuple[Harlow, Episodes]:
    task = make_task("harlow", n_features=5, n_trials=8)
    assert isinstance(task, Harlow)
    assert isinstance(task, Task)
    return task, task.draw(50, generators(2))


def test_the_same_two_objects_on_the_sides_that_are_drawn(drawn: tuple[Harlow, Episodes]) -> None:
    _, episodes = drawn
    side = episodes.variables["side"]
    assert episodes.observed is not None
    left, right = episodes.observed.unflatten(2, (2, 5)).unbind(2)
    pays = torch.where(side[:, :, None] == 0, left, right)
    other = torch.where(side[:, :, None] == 0, right, left)
    assert pays.eq(pays[:1]).all()
    assert other.eq(other[:1]).all()
    assert not left.eq(left[:1]).all()
    assert pays[0].flatten(1).unique(dim=1).shape == (2, 5 * 50)


def test_the_object_pays_wherever_it_stands(drawn: tuple[Harlow, Episodes]) -> None:
    task, episodes = drawn
    side = episodes.variables["side"]
    right = task.trials(episodes, side)
    wrong = task.trials(episodes, 1 - side)
    assert right["correct"].eq(1).all()
    assert right["reward"].eq(1).all()
    assert wrong["correct"].eq(0).all()
    assert wrong["reward"].eq(-1).all()
    assert right["expected_reward"].sum(2).eq(0).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_features_are_standard_and_independent(seed: int) -> None:
    observed = make_task("harlow").draw(300, generators(1, seed)).observed  # type: ignore[attr-defined]
    values = observed[0, 0].T
    n = values.numel()
    assert values.mean().item() == pytest.approx(0, abs=4 / n**0.5)
    assert values.var().item() == pytest.approx(1, abs=4 * (2 / n) ** 0.5)
    correlation = torch.corrcoef(values.T) - torch.eye(128)
    assert correlation.abs().max() < 5 / 300**0.5


def test_networks_see_what_is_drawn_and_get_what_is_paid() -> None:
    task = make_task("harlow", n_features=7, balanced="true", reward_wrong="0")
    shape = Shape(task.n_observations, task.n_actions, 8)
    rollout = Rollout(Population.initialise(shape, generators(2)), task, 30)
    episodes = task.draw(30, generators(2, 1))
    rollout.play(episodes, draw_noise(rollout.n_steps, 2, 30, generators(2, 2)))
    trials = task.trials(episodes, rollout.actions.argmax(2))
    assert torch.equal(rollout.rewards, trials["reward"])
    assert torch.equal(rollout.x[:-1, :, 2:16], episodes.observed)
    assert set(trials["reward"].unique().tolist()) == {0.0, 1.0}


def test_an_agents_episodes_do_not_depend_on_the_others() -> None:
    task = make_task("harlow", n_features=3)
    alone = task.draw(20, generators(1)).observed
    together = task.draw(20, generators(2)).observed
    assert alone is not None
    assert together is not None
    assert torch.equal(alone[:, 0], together[:, 0])
    assert not torch.equal(together[:, 0], together[:, 1])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_features": 0}, "n_features is 0"),
        ({"n_trials": 0}, "n_trials is 0"),
        ({"reward_wrong": 1.0}, "expected wrong < correct"),
    ],
)
def test_impossible_forms(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_task("harlow", **parameters)


def test_trained_agents_have_a_learning_set() -> None:
    """At least .95 from trial 2 on with objects never seen, chance on trial 1; blind ones: chance.

    Chance within four standard errors of 8 times 300 guesses.
    """
    agents = load_agents("harlow")
    curve = learning_curve(record(agents, n_sessions=300, seed=5, activity=False))
    right = curve.p_correct.sel(statistic="value", block="1-300")
    assert len(agents) == 8
    assert int((right.sel(trial=slice(2, 6)).mean("trial") >= 0.95).sum()) >= 7
    assert float(right.sel(trial=1).mean()) == pytest.approx(0.5, abs=4 * 0.5 / 2400**0.5)
    fresh = record(untrained(agents, n_agents=8), n_sessions=300, seed=5, activity=False)
    assert float((fresh.correct == 1).mean()) == pytest.approx(0.5, abs=0.02)


@pytest.mark.slow
def test_two_seconds_of_training_make_a_learning_set_in_most() -> None:
    agents = train("harlow", recipe=make_recipe("harlow", changes={"n_updates": 1000}), n_agents=4,
                   seed=3, progress=False)  # fmt: skip
    cohort = record(agents, n_sessions=500, seed=5, activity=False)
    later = (cohort.correct == 1).isel(trial=slice(1, None)).groupby("subject").mean(...)
    assert int((later >= 0.9).sum()) >= 3
