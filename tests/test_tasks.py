"""The two-step task: its probabilities, its steps, its names."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from neuro_metarl.agents.learning import draw_noise
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.population import Population, Shape
from neuro_metarl.errors import InputError
from neuro_metarl.tasks import Task, TwoStep, list_tasks, make_task


def generators(n: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(100 * seed + k) for k in range(n)]


def play(task: TwoStep, n_episodes: int, seed: int = 0) -> tuple[Rollout, dict[str, torch.Tensor]]:
    shape = Shape(task.n_observations, task.n_actions, 8)
    rollout = Rollout(Population.initialise(shape, generators(2, seed)), task, n_episodes)
    drawn = generators(2, seed + 1)
    episodes = task.draw(n_episodes, drawn)
    rollout.play(episodes, draw_noise(rollout.n_steps, task.n_actions, n_episodes, drawn))
    return rollout, task.trials(episodes, rollout.actions.argmax(2))


TWO_STEPS = [name for name in list_tasks() if name.startswith("two-step")]


@pytest.mark.parametrize("name", TWO_STEPS)
def test_every_form_completes_random_episodes(name: str) -> None:
    task = make_task(name, n_trials=12)
    assert isinstance(task, Task)
    assert task.name == name
    rollout, trials = play(task, 50)
    valid = trials["valid"] == 1
    assert valid.float().mean() > 0.3
    assert set(trials["choice"][valid].unique().tolist()) == {0, 1}
    assert set(trials["choice"][~valid].unique().tolist()) <= {-1}
    one_hot = rollout.actions.sum(2)
    assert torch.equal(one_hot, torch.ones_like(one_hot))


@pytest.mark.parametrize("name", TWO_STEPS)
def test_rewards_seen_equal_rewards_recorded(name: str) -> None:
    """The input row, the trial variable and the penalties tell one story."""
    task = make_task(name, n_trials=9)
    rollout, trials = play(task, 40)
    per_step = rollout.rewards.unflatten(0, (9, len(task.events)))
    assert torch.equal(per_step[:, -1], trials["reward"])
    if task.fixation:
        first = rollout.actions.argmax(2).unflatten(0, (9, 3))
        assert torch.equal(per_step[:, 0], -(first[:, 0] != 2).float())
        assert torch.equal(per_step[:, 1], -(first[:, 1] == 2).float())


@pytest.mark.parametrize("name", TWO_STEPS)
def test_agent_observes_both_stages_and_its_own_action_and_reward(name: str) -> None:
    task = make_task(name, n_trials=6)
    rollout, trials = play(task, 30)
    x = rollout.x.unflatten(1, (2, -1)) if rollout.x.ndim == 3 else rollout.x
    n_actions, n_events = task.n_actions, len(task.events)
    observation = x[:-1, :, n_actions : n_actions + task.n_observations].unflatten(0, (6, n_events))
    first_step = observation[:, task.events.index("first_step")]
    assert first_step[:, :, -3].eq(1).all()
    assert first_step.sum(2).eq(1).all()
    second = observation[:, -1]
    for state in (0, 1):
        assert torch.equal(second[:, :, state - 2] == 1, trials["state"] == state)
    assert second[:, :, :-2].eq(0).all()
    assert torch.equal(x[1:, :, :n_actions], rollout.actions)
    assert torch.equal(x[1:, :, n_actions + task.n_observations], rollout.rewards)


@pytest.mark.parametrize(
    ("name", "p_common", "high", "low"),
    [
        ("two-step", 0.8, 0.9, 0.1),
        ("two-step-2016", 0.75, 0.9, 0.1),
        ("two-step-miller", 0.8, 0.8, 0.2),
        ("two-step-akam", 0.8, 0.8, 0.2),
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_probabilities(name: str, p_common: float, high: float, low: float, seed: int) -> None:
    """Within four standard errors, about 10,000 draws each."""
    task = make_task(name, n_trials=100)
    table = task.draw(200, generators(1, seed)).variables
    n = table["common"].numel()
    assert table["common"].float().mean().item() == pytest.approx(
        p_common, abs=4 * (p_common * (1 - p_common) / n) ** 0.5
    )
    for level in (high, low):
        paid = table["reward_if"][table["p_reward"] == level].float()
        se = (level * (1 - level) / len(paid)) ** 0.5
        assert paid.mean().item() == pytest.approx(level, abs=4 * se)


def better_state(task: TwoStep, n_episodes: int = 400, seed: int = 0) -> torch.Tensor:
    p_reward = task.draw(n_episodes, generators(1, seed)).variables["p_reward"][:, 0]
    return (p_reward[:, 1] > p_reward[:, 0]).long()


def test_wang_2018_values_swap_with_the_stated_hazard() -> None:
    swaps = better_state(make_task("two-step")).diff(dim=0).abs().float()
    assert swaps.mean().item() == pytest.approx(0.025, abs=4 * (0.025 / swaps.numel()) ** 0.5)
    assert swaps[0].mean() > 0


def test_wang_2016_values_stay_and_start_anywhere() -> None:
    better = better_state(make_task("two-step-2016"))
    assert better.diff(dim=0).eq(0).all()
    assert 0.4 < better[0].float().mean() < 0.6


def test_miller_blocks_last_ten_trials_then_end_with_two_percent() -> None:
    task = make_task("two-step-miller", n_trials=2000)
    better = better_state(task, 20)
    lengths = []
    for session in better.T:
        ends = session.diff().nonzero().flatten()
        lengths += ends.diff().tolist()
    assert min(lengths) >= 11
    mean = sum(lengths) / len(lengths)
    assert mean == pytest.approx(10 + 1 / 0.02, abs=4 * 50 / len(lengths) ** 0.5 + 2)


def test_akam_has_neutral_blocks_where_nothing_is_correct() -> None:
    task = make_task("two-step-akam", n_trials=400)
    _, trials = play(task, 30)
    neutral = trials["p_reward"][:, :, 0] == trials["p_reward"][:, :, 1]
    assert 0.2 < neutral.float().mean() < 0.5
    assert trials["p_reward"][:, :, 0][neutral].unique().tolist() == pytest.approx([0.4])
    assert trials["correct"][neutral].eq(-1).all()
    assert trials["correct"][~neutral & (trials["valid"] == 1)].ge(0).all()


@pytest.mark.parametrize("incongruent", [False, True])
def test_common_and_correct_are_relative_to_the_mapping(incongruent: bool) -> None:
    task = TwoStep(incongruent=incongruent, n_trials=50)
    _, trials = play(task, 60)
    valid = trials["valid"] == 1
    leads_to = trials["choice"] ^ int(incongruent)
    assert torch.equal((trials["state"] == leads_to)[valid], (trials["common"] == 1)[valid])
    p = trials["p_reward"]
    better = (p[:, :, 1] > p[:, :, 0]).long()
    assert torch.equal((leads_to == better)[valid], (trials["correct"] == 1)[valid])


def test_forced_trials_are_imposed_flagged_and_as_frequent_as_asked() -> None:
    task = TwoStep(p_forced=0.2, n_trials=100)
    shape = Shape(4, 3, 8)
    rollout = Rollout(Population.initialise(shape, generators(1)), task, 100)
    episodes = task.draw(100, generators(1, 5))
    rollout.play(episodes, draw_noise(300, 3, 100, generators(1, 6)))
    trials = task.trials(episodes, rollout.actions.argmax(2))
    forced = episodes.variables["forced_choice"]
    assert torch.equal(trials["forced"] == 1, forced >= 0)
    assert torch.equal(trials["choice"][forced >= 0], forced[forced >= 0])
    assert (forced >= 0).float().mean().item() == pytest.approx(0.2, abs=0.02)


def test_agents_draw_their_own_episodes() -> None:
    table = make_task("two-step").draw(20, generators(3)).variables
    assert not torch.equal(table["reward_if"][:, 0], table["reward_if"][:, 1])
    assert not torch.equal(table["common"][:, 1], table["common"][:, 2])
    alone = make_task("two-step").draw(20, generators(1)).variables
    assert torch.equal(alone["reward_if"][:, 0], table["reward_if"][:, 0])


def test_counterfactual_outcomes_do_not_depend_on_the_choice() -> None:
    task = TwoStep(n_trials=30)
    episodes = task.draw(20, generators(1))
    left = torch.tensor([2, 0, 0]).repeat(30)[:, None, None].expand(90, 1, 20)
    right = torch.tensor([2, 1, 0]).repeat(30)[:, None, None].expand(90, 1, 20)
    a, b = task.trials(episodes, left), task.trials(episodes, right)
    assert torch.equal(a["state"], 1 - b["state"])
    assert torch.equal(a["p_reward"], b["p_reward"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"p_common": 1.2}, "p_common is 1.2, expected a probability"),
        ({"n_trials": 0}, "n_trials is 0, expected a whole number from 1"),
        ({"min_block": -1}, "min_block is -1"),
        ({"p_reward_high": 0.1, "p_reward_low": 0.9}, "the two are swapped"),
        ({"p_comon": 0.7}, "no parameter 'p_comon'; did you mean 'p_common'"),
        ({"p_common": "much"}, "p_common is 'much', expected a number"),
        ({"n_trials": "7.5"}, "n_trials is '7.5', expected a whole number"),
        ({"fixation": "maybe"}, "fixation is 'maybe', expected true or false"),
    ],
)
def test_impossible_parameters_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_task("two-step", **wrong)


def test_text_parameters_are_converted() -> None:
    task = make_task("two-step", p_common="0.7", n_trials="20", fixation="false")
    assert (task.p_common, task.n_trials, task.fixation) == (0.7, 20, False)


def test_tasks_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TwoStep().p_common = 0.5  # type: ignore[misc]
