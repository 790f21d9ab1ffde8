"""The foraging task: baits against the formula, in the fast rollout and by every kind of subject.

Wang et al. 2018, simulation 1. The truths are recomputed here from the task's definition.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import neuro_metarl as nm
from neuro_metarl.agents.learning import actor_critic_gradients, draw_noise
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.population import Population, Shape
from neuro_metarl.errors import InputError
from neuro_metarl.models.model import find_model
from neuro_metarl.recording.policies import Moment
from neuro_metarl.tasks.foraging import FORAGING_FORMS, Foraging
from tests.test_tasks import generators


def actions_of(task: Foraging, n: int, seed: int = 5) -> torch.Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randint(2, (task.n_trials, 2, n), generator=made)


def left_for(choice: np.ndarray) -> np.ndarray:
    """Count by hand the trials since an arm was last chosen, dims (trial, arm, ...)."""
    since = np.zeros((len(choice), 2, *choice.shape[1:]), int)
    for t in range(1, len(choice)):
        since[t] = since[t - 1] + 1
        for arm in (0, 1):
            since[t, arm][choice[t - 1] == arm] = 0
    return since


def test_an_arm_pays_more_the_longer_it_was_left() -> None:
    task = Foraging()
    episodes, actions = task.draw(3000, generators(2)), actions_of(Foraging(), 3000)
    trials = task.trials(episodes, actions)
    p0 = trials["p_reward"].numpy().transpose(0, 2, 1, 3)
    since = left_for(actions.numpy())
    expected = trials["expected_reward"].numpy().transpose(0, 2, 1, 3)
    assert np.abs(expected - (1 - (1 - p0) ** (since + 1))).max() < 1e-5
    mine = np.take_along_axis(expected, actions.numpy()[:, None], 1)[:, 0]
    won = trials["reward"].numpy()
    taken = np.take_along_axis(since, actions.numpy()[:, None], 1)[:, 0]
    for n in range(5):
        these = taken == n
        error = np.sqrt((mine * (1 - mine))[these].sum()) / these.sum()
        assert abs(won[these].mean() - mine[these].mean()) < 4 * error


def test_unbaited_arms_pay_what_they_are_baited_with() -> None:
    task = Foraging(baited=False)
    trials = task.trials(task.draw(2000, generators(1)), actions_of(task, 2000)[:, :1])
    assert torch.equal(trials["expected_reward"], trials["p_reward"])
    n = trials["reward"].numel()
    assert abs(float(trials["reward"].mean()) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / n)


@pytest.mark.parametrize("name", FORAGING_FORMS)
def test_probabilities_lengths_and_what_is_left_out(name: str) -> None:
    task = nm.make_task(name)
    assert task.name == name
    trials = task.trials(task.draw(4000, generators(1)), actions_of(task, 4000)[:, :1])
    p = trials["p_reward"][0, 0].numpy()
    assert np.abs(p.sum(0) - 0.5).max() < 1e-6
    held = ((p[0] > 0.1) & (p[0] < 0.2)) | ((p[0] > 0.3) & (p[0] < 0.4))
    length = trials["valid"].sum(0)[0].numpy()
    if name == "bandit-foraging":
        assert abs(held.mean() - 0.4) < 4 * np.sqrt(0.24 / 4000)
        assert (length == 100).all()
        return
    assert not held.any()
    third = [((p[0] >= a) & (p[0] <= a + 0.1)).mean() for a in (0, 0.2, 0.4)]
    assert np.abs(np.array(third) - 1 / 3).max() < 4 * np.sqrt(2 / 9 / 4000)
    assert (length.min(), length.max()) == (50, 100)
    assert abs(length.mean() - 75) < 4 * np.sqrt((51**2 - 1) / 12 / 4000)
    after = trials["valid"] == 0
    assert (trials["choice"][after] == -1).all()
    assert trials["reward"][after].isnan().all()
    assert (trials["invalid_reason"] == after.long()).all()


@pytest.mark.parametrize("n_agents", [1, 3])
def test_the_rollout_pays_as_the_trials_say(n_agents: int) -> None:
    task = nm.make_task("bandit-foraging-training", n_trials=30)
    drawn = generators(n_agents)
    population = Population.initialise(Shape(1, 2, 5), drawn)
    rollout = Rollout(population, task, 40)
    for _ in range(2):
        episodes = task.draw(40, drawn)
        rollout.play(episodes, draw_noise(30, 2, 40, drawn))
        chosen = rollout.actions.argmax(2)
        reward = task.trials(episodes, chosen)["reward"].nan_to_num(0)
        assert torch.equal(rollout.rewards, reward)
        assert reward.sum() > 0


def test_a_batch_that_is_rolled_twice_begins_anew() -> None:
    """Two actions that tie are chosen again: baits of the first time must not wait any more."""
    task = Foraging(n_trials=20)
    drawn = generators(1)
    population = Population.initialise(Shape(1, 2, 4), drawn)
    population.flat.zero_()
    episodes = task.draw(50, drawn)
    rollout = Rollout(population, task, 50)
    rolled = []
    once = rollout._roll
    rollout._roll = lambda *a: rolled.append(1) or once(*a)  # type: ignore[method-assign,func-returns-value,assignment]
    noise = draw_noise(20, 2, 50, drawn)
    noise[3:9, :, 1, ::2] = noise[3:9, :, 0, ::2]
    rollout.play(episodes, noise)
    assert len(rolled) > 1
    reward = task.trials(episodes, rollout.actions.argmax(2))["reward"]
    assert torch.equal(rollout.rewards, reward)


def test_nothing_is_learned_after_the_end() -> None:
    made = torch.Generator().manual_seed(0)
    shape = (6, 1, 2, 3)
    logits, values = torch.randn(shape, generator=made), torch.randn((6, 1, 3), generator=made)
    actions = torch.nn.functional.one_hot(torch.zeros(6, 1, 3, dtype=torch.long), 2)
    given = {"value_weight": 0.1, "entropy_weight": 0.1}
    actions = actions.movedim(-1, 2).float()
    reached = torch.arange(6).view(-1, 1, 1) < torch.tensor([6, 2, 4])
    whole = actor_critic_gradients(logits, values, actions, 0 * values, **given)
    cut = actor_critic_gradients(logits, values, actions, 0 * values, **given, reached=reached)
    for a, b in zip(whole, cut, strict=True):
        there = reached.unsqueeze(2) if a.ndim == 4 else reached
        assert torch.equal(torch.where(there, a, 0), b)


def test_every_kind_of_subject_plays_the_same_baits() -> None:
    def left(now: Moment) -> np.ndarray:
        now.memory.setdefault("paid", []).append(now.reward.copy())
        return np.zeros(len(now.action), int) if now.trial % 3 else np.ones(len(now.action), int)

    task = "bandit-foraging"
    memory: dict[str, list[np.ndarray]] = {}

    def watched(now: Moment) -> np.ndarray:
        now.memory = memory
        return left(now)

    cohort = nm.record(watched, task, 30, seed=3)
    seen = np.array(memory["paid"])[1:].T
    assert (cohort.reward.values[:, :-1] == seen).all()
    for subject in (nm.make_player("oracle"), find_model("q_learning").planted()):
        other = nm.record(subject, task, 50, seed=3)
        won, pays = other.reward.values, other.expected_reward.values
        mine = np.take_along_axis(pays, other.choice.values[..., None].astype(int), 2)[..., 0]
        assert abs((won - mine).sum()) < 4 * np.sqrt((mine * (1 - mine)).sum())
    better = cohort.p_reward.argmax("option")
    oracle = nm.record(nm.make_player("oracle"), task, 50, seed=3)
    assert (oracle.choice == oracle.p_reward.argmax("option")).all()
    assert better.shape == cohort.choice.shape


def test_models_learn_from_the_rewards_that_the_cohort_has() -> None:
    """A planted model's own baiting and the task's agree: its parameters come back."""
    model = find_model("q_learning")
    values = {"learning_rate": 0.3, "inverse_temperature": 5.0}
    cohort = nm.record(model.planted(**values), "bandit-foraging", 100, seed=4)
    found = nm.fit(cohort, "q_learning").isel(subject=0)
    for k, name in enumerate(found.parameter.values):
        if str(name) in values:
            parameter = model.parameter_map[str(name)]
            away = float(found.unconstrained[k]) - parameter.unconstrained(values[str(name)])
            assert abs(away) < 3.5 * float(np.sqrt(found.covariance[k, k]))


def test_activity_ends_with_the_session() -> None:
    recipe = nm.make_recipe("bandit-foraging-training", changes={"n_updates": 2, "n_units": 4})
    agents = nm.train("bandit-foraging-training", recipe=recipe, progress=False)
    cohort = nm.record(agents, n_sessions=12, seed=1)
    there = cohort.valid == 1
    assert 50 <= int(there.sum("trial").min()) < 100
    for name in ("activity", "value", "rpe", "policy", "p_reward"):
        known = cohort[name].notnull()
        extra = [d for d in known.dims if d not in ("session", "trial")]
        assert (known.all(extra) == there).all()
    last = there.sum("trial").values - 1
    own = np.arange(12)
    end = cohort.isel(event=0)
    value, reward, rpe = (end[v].values[own, last] for v in ("value", "reward", "rpe"))
    assert np.abs(reward - value - rpe).max() < 1e-6


@pytest.mark.parametrize("shortest", [0, 1.5, -1])
def test_impossible_lengths_are_refused(shortest: float) -> None:
    with pytest.raises(InputError, match="shortest is"):
        Foraging(shortest=shortest)
