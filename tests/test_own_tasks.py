"""Tasks and policies of users' own: known by name, held to the protocol, refused in one line."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import neuro_metarl as nm
from neuro_metarl.agents.learning import draw_noise, seed_generators
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.players import Thompson
from neuro_metarl.agents.population import Population, Shape
from neuro_metarl.agents.recipes import Recipe
from neuro_metarl.errors import InputError
from neuro_metarl.recording.policies import Moment
from neuro_metarl.tasks import TwoStep, list_tasks, make_task, register_task
from neuro_metarl.tasks import registry as tasks
from neuro_metarl.tasks.base import Effect, Episodes
from neuro_metarl.tasks.checking import check_task
from tests.worlds import Walk, WalkWorld

SMALL = Recipe(n_updates=1, n_episodes=2, n_units=6, learning_rate=0.01)


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TASKS", dict(tasks.TASKS))


@dataclass(frozen=True)
class Own(TwoStep):
    """A two-step task with a name of its own."""

    n_trials: int = 6

    @property
    def name(self) -> str:
        return "own"


# ---- known by name


def test_a_registered_task_is_made_trained_loaded_and_recorded_by_name(tmp_path: Path) -> None:
    register_task("own", Own)
    register_task("own", Own)
    assert "own" in list_tasks()
    assert make_task("own", p_common="0.7", n_trials="9") == Own(p_common=0.7, n_trials=9)
    agents = nm.train("own", recipe=SMALL, out=tmp_path / "a", progress=False)
    again = nm.load_agents(tmp_path / "a")
    assert again.task == Own()
    assert nm.record(again, "own", n_sessions=2).sizes["trial"] == 6
    assert nm.record(agents, n_sessions=2).attrs["task"] == "own"
    with pytest.raises(InputError, match="no parameter 'p_comon'; did you mean 'p_common'"):
        make_task("own", p_comon=1)


def test_a_function_may_make_a_task() -> None:
    def make(n_trials: int = 5) -> Own:
        return Own(n_trials=n_trials)

    with pytest.raises(InputError, match="the task has no parameter"):
        register_task("own", make)  # its config has more parameters than it takes


@pytest.mark.parametrize("name", list_tasks())
def test_the_tasks_of_the_package_keep_to_the_protocol(name: str) -> None:
    task = make_task(name)
    long = getattr(task, "n_steps", 0) > 20
    check_task(make_task(name, n_steps=20) if long else task)


# ---- held to the protocol


def episodes_with(**changes: Any) -> Callable[..., Episodes]:
    return lambda self, n, generators: replace(TwoStep.draw(self, n, generators), **changes)


def effect_with(change: Callable[[Effect], Effect]) -> Callable[..., Episodes]:
    def draw(self: Any, n: int, generators: Any) -> Episodes:
        drawn = TwoStep.draw(self, n, generators)
        return replace(drawn, effects=(change(drawn.effects[0]), *drawn.effects[1:]))

    return draw


def trials_with(change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Any:
    return lambda self, episodes, actions: change(TwoStep.trials(self, episodes, actions))


def drifting(self: Any, n: int, generators: Any) -> Episodes:
    other = [torch.Generator().manual_seed(int(torch.randint(2**31, (1,)))) for _ in generators]
    return TwoStep.draw(self, n, other)


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": ""}, "name is ''"),
    "number": ({"n_actions": 2.5, "actions": ("a", "b")}, "n_actions is 2.5"),
    "events": ({"events": ["a", "b", "c"]}, "events is .*expected a tuple"),
    "events twice": ({"events": ("a", "a", "c")}, "has a name twice"),
    "actions": ({"actions": ("left", "right")}, "2 names for 3 actions"),
    "config": ({"config": "none"}, "config is 'none'"),
    "config list": ({"config": "[1]"}, "expected the parameters as a JSON object"),
    "observations": ({"n_observations": 0}, "n_observations is 0"),
    "fixed": ({"fixed_observations": lambda self: torch.zeros(3, 4)}, "observations.. has"),
    "draw": ({"draw": lambda self, n, g: None}, "gives NoneType, expected Episodes"),
    "observed": ({"draw": episodes_with(observed=torch.zeros(18, 4, 2))}, "observed has dims"),
    "imposed": ({"draw": episodes_with(imposed=torch.zeros(18, 2))}, "imposed has dims"),
    "step": ({"draw": effect_with(lambda e: replace(e, step=3))}, "a trial has steps 0 to 2"),
    "delay": ({"draw": effect_with(lambda e: replace(e, delay=4))}, "has delay 4, expected 1 to 3"),
    "row": ({"draw": effect_with(lambda e: replace(e, row=8))}, "writes 1 input rows from 8"),
    "action": ({"draw": effect_with(lambda e: replace(e, row=0))}, "writes 1 input rows from 0"),
    "table": ({"draw": effect_with(lambda e: replace(e, table=e.table[0]))}, "table has dims"),
    "table trials": ({"draw": effect_with(lambda e: replace(e, table=e.table[1:]))}, "table has"),
    "chance": ({"draw": drifting}, "other episodes for the same generators"),
    "raises": (
        {"trials": trials_with(lambda t: t["chioce"])}, "failed .KeyError: 'chioce'"
    ),
    "no valid": (
        {"trials": trials_with(lambda t: {k: v for k, v in t.items() if k != "valid"})},
        "but not 'valid'",
    ),
    "trial dims": (
        {"trials": trials_with(lambda t: t | {"choice": t["choice"][:, 0]})}, "'choice' with dims",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_task_that_does_not_keep_to_the_protocol_is_refused(name: str) -> None:
    changes, message = BROKEN[name]
    # not frozen, so that what is a property in the class can be a value here
    task = type("Broken", (Own,), changes)()
    for attempt in (
        lambda: check_task(task),
        lambda: nm.train(task, recipe=SMALL, progress=False),
        lambda: nm.record(nm.load_agents("two-step/0"), task, n_sessions=1),
    ):
        with pytest.raises(InputError, match=message) as refusal:
            attempt()
        assert "\n" not in str(refusal.value)
        assert str(refusal.value).startswith("task '")


@pytest.mark.parametrize("member", ["draw", "trials", "n_observations", "events", "config"])
def test_a_missing_member_is_named(member: str) -> None:
    names = ("name", "n_trials", "n_actions", "events", "actions", "config", "n_observations",
             "fixed_observations", "draw", "trials")  # fmt: skip
    whole = Own()
    task = type("Part", (), {n: getattr(whole, n) for n in names if n != member})()
    with pytest.raises(InputError, match=f"task 'own': has no {member}"):
        check_task(task)


def test_a_task_of_pictures_is_checked_too() -> None:
    check_task(Walk())

    class Dark(WalkWorld):
        def frames(self) -> Tensor:
            return super().frames()[:, :1]

    class DarkWalk(Walk):
        def start(self, n: int, generator: torch.Generator, *, held_out: bool = False) -> Dark:
            return Dark(self, torch.zeros(n, dtype=torch.long))

    with pytest.raises(InputError, match=r"task 'walk': frames\(\) has dims \(2, 1, 10, 12\)"):
        nm.train(DarkWalk(), recipe=SMALL, progress=False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: register_task("two-step", Own), "there is another task called 'two-step'"),
        (lambda: register_task("mine", Own), "known as 'mine' calls itself 'own'"),
        (lambda: check_task(3), "task 'int': has no name, n_trials"),
        (lambda: nm.train(3, recipe=SMALL, progress=False), "task 'int': has no name"),
        (lambda: nm.record("two-step/0", 3), "task 'int': has no name"),
    ],
)
def test_refusals(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


# ---- policies


@pytest.mark.parametrize("n", [2])
@pytest.mark.parametrize(
    "task",
    [
        make_task("two-step", n_trials=7, p_forced=0.4),
        make_task("two-step-2016"),
        make_task("bandit-eleven"),
        make_task("bandit-restless", n_trials=9),
        make_task("harlow", n_features=3),
    ],
    ids=lambda task: task.name,
)
def test_a_policy_sees_what_a_network_sees(task: Any, n: int) -> None:
    """It takes a network's own actions, and is shown the network's inputs and paid its rewards."""
    shape = Shape(task.n_observations, task.n_actions, 5)
    network = Population.initialise(shape, [torch.Generator().manual_seed(3)])
    rollout = Rollout(network, task, n)
    generators = seed_generators(4, ["follow"], "record")
    episodes = task.draw(n, generators)
    rollout.play(episodes, draw_noise(rollout.n_steps, task.n_actions, n, generators))
    actions = rollout.actions[:, 0].argmax(1).numpy()
    shown: list[Moment] = []

    def follow(now: Moment) -> np.ndarray:
        shown.append(now)
        return actions[now.step]

    cohort = nm.record(follow, task, n_sessions=n, seed=4)
    first, last = shape.observation_rows
    for step, now in enumerate(shown):
        np.testing.assert_array_equal(now.observation, rollout.x[step, first:last].T)
        np.testing.assert_array_equal(now.reward, rollout.x[step, -1 - 5 - 1])
        assert now.event == task.events[step % len(task.events)]
    expected = task.trials(episodes, torch.from_numpy(actions).unsqueeze(1))
    np.testing.assert_array_equal(cohort.choice, expected["choice"][:, 0].T)
    np.testing.assert_array_equal(cohort.reward, expected["reward"][:, 0].T)


def win_stay_lose_shift(now: Moment) -> np.ndarray:
    first = now.rng.integers(2, size=len(now.action))
    return np.where(now.action < 0, first, np.where(now.reward > 0, now.action, 1 - now.action))


@pytest.mark.parametrize("seed", range(3))
def test_a_policy_does_what_it_says(seed: int) -> None:
    cohort = nm.record(win_stay_lose_shift, "bandit-restless", n_sessions=40, seed=seed)
    stay = cohort.choice.values[:, 1:] == cohort.choice.values[:, :-1]
    assert (stay == (cohort.reward.values[:, :-1] > 0)).all()
    assert nm.subjects_of(cohort) == ["win_stay_lose_shift"]
    again = nm.record(win_stay_lose_shift, "bandit-restless", n_sessions=40, seed=seed)
    assert np.array_equal(cohort.choice, again.choice)
    assert cohort.attrs["model"] == "policy win_stay_lose_shift"


def test_memory_is_kept_within_a_recording_and_empty_before() -> None:
    class Counter:
        name = "counter"

        def __call__(self, now: Moment) -> np.ndarray:
            assert now.memory.get("steps", 0) == now.step
            now.memory["steps"] = now.step + 1
            return np.full(len(now.action), now.step % 2)

    for _ in range(2):
        cohort = nm.record(Counter(), "bandit-independent", n_sessions=3)
        assert (cohort.choice.isel(session=0).values[:4] == [0, 1, 0, 1]).all()


def test_imposed_choices_are_taken_and_told() -> None:
    told: list[np.ndarray] = []

    def left(now: Moment) -> np.ndarray:
        told.append(now.action.copy())
        return np.full(len(now.action), 2 if now.event == "fixation" else 0)

    task = make_task("two-step", n_trials=30, p_forced=0.5)
    cohort = nm.record(left, task, n_sessions=8)
    forced = cohort.forced.values == 1
    assert (cohort.choice.values[~forced] == 0).all()
    assert set(cohort.choice.values[forced]) == {0, 1}
    np.testing.assert_array_equal(np.array(told)[2::3].T, cohort.choice)


def test_a_policy_walks_through_pictures() -> None:
    def on(now: Moment) -> np.ndarray:
        assert now.observation.shape == (2, 3, 10, 12)
        return np.full(2, 2)

    assert nm.record(on, Walk(dtype=torch.float32), n_sessions=2).sizes["session"] == 2


def giving(value: Any) -> Callable[[Moment], Any]:
    def policy(now: Moment) -> Any:
        return value

    return policy


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (giving(None), "policy 'policy' at step 0 gives actions with dims"),
        (giving([0]), r"dims \(1,\), expected \(session\), here \(3,\)"),
        (giving([0, 1, 2]), "gives .0, 1, 2., expected whole numbers from 0 to 1: arm_0, arm_1"),
        (giving([0, -1, 0]), "expected whole numbers from 0 to 1"),
        (giving([0.0, 1.0, 0.5]), "expected whole numbers"),
        (giving([[0], [1], [0]]), r"dims \(3, 1\)"),
        (lambda now: [0, 0, 0], "a policy needs a name"),
        (functools.partial(win_stay_lose_shift), "a policy needs a name"),
        (dict, "subjects: got type"),
    ],
)
def test_a_choice_that_is_none_is_refused(policy: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        nm.record(policy, "bandit-independent", n_sessions=3)
    assert "\n" not in str(refusal.value)


def test_what_a_policy_does_not_have_is_refused() -> None:
    with pytest.raises(InputError, match="a policy has no task of its own"):
        nm.record(win_stay_lose_shift)
    with pytest.raises(InputError, match="policies have no units; perturb agents"):
        nm.record(win_stay_lose_shift, "bandit-restless", perturb=nm.perturb.lesion([0]))


def test_a_player_of_ones_own_is_called_by_its_class() -> None:
    class Cautious(Thompson):
        """A player that the package does not list."""

    cohort = nm.record(Cautious(), "bandit-independent", n_sessions=2)
    assert nm.subjects_of(cohort) == ["Cautious"]
    assert json.loads(cohort.attrs["task_config"])["n_trials"] == 100
