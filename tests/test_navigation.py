"""The I-maze: exact references, steps, motion, searches."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from neuro_metarl.errors import InputError
from neuro_metarl.tasks import list_tasks, make_task
from neuro_metarl.tasks.base import VisualTask
from neuro_metarl.tasks.maze import i_maze, optimal_latency, random_latency
from neuro_metarl.tasks.navigation import Navigation
from neuro_metarl.tasks.searches import MotionWorld
from tests.navigators import arrival, best_order, cohort_of, play, steps_to

FORMS = ("navigation", "navigation-continuous")
# half, arm: the fewest steps to a goal that is known, and to one that must be searched
OPTIMA = [(2, 2, 7, 18.70), (1, 2, 6, 17.17), (1, 3, 7, 21.17), (2, 3, 8, 22.70), (2, 4, 9, 26.70)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_world(task: Navigation, n_episodes: int, seed: int = 0):  # type: ignore[no-untyped-def]
    generator = seeded(seed)
    world = task.start(n_episodes, generator)
    actions = torch.randint(task.n_actions, (task.n_steps, n_episodes), generator=generator)
    rewards = torch.stack([world.step(a) for a in actions])
    return world, rewards


@pytest.mark.parametrize(("half", "arm", "known", "search"), OPTIMA)
def test_the_exact_optimum(half: int, arm: int, known: float, search: float) -> None:
    optimum = optimal_latency(i_maze(half, arm))
    assert optimum["known"] == pytest.approx(known, abs=1e-12)
    assert optimum["search"] == pytest.approx(search, abs=0.005)


@pytest.mark.parametrize(("half", "arm"), [(2, 2), (1, 3), (0, 1)])
def test_the_optimum_is_the_best_of_all_orders(half: int, arm: int) -> None:
    maze = i_maze(half, arm)
    poses = [int(4 * c + h) for c in maze.starts for h in range(4)]
    search = np.mean([best_order(half, arm, p)[0] for p in poses])
    known = np.mean([[steps_to(half, arm, a)[p] for a in range(4)] for p in poses])
    optimum = optimal_latency(maze)
    assert optimum["search"] == pytest.approx(search)
    assert optimum["known"] == pytest.approx(known)


def test_starting_in_the_center() -> None:
    optimum = optimal_latency(i_maze(2, 2, "center"))
    assert optimum == pytest.approx({"search": 19.5, "known": 7.0})


def test_sizes_of_the_maze() -> None:
    for half, arm in ((0, 1), (2, 2), (3, 5)):
        maze = i_maze(half, arm)
        assert len(maze.cells) == 2 * half + 1 + 2 * (2 * arm + 1)
        assert sorted(np.unique(maze.after).tolist()) == list(range(4 * len(maze.cells)))
        assert not maze.walls[maze.cells[:, 1], maze.cells[:, 0]].any()


def test_the_random_walk_takes_as_long_as_its_equations_say() -> None:
    """3,000 first searches, long enough that all but a few end: within 4 standard errors."""
    task = Navigation(half=1, arm=1, n_steps=3000, n_trials=1)
    world, _ = random_world(task, 3000)
    trials = world.trials()
    latency = (trials["t_goal"] - trials["t_start"]).flatten()
    found = ~latency.isnan()
    assert found.float().mean() > 0.999
    error = float(latency[found].std()) / 3000**0.5
    assert float(latency[found].mean()) == pytest.approx(random_latency(task.maze), abs=4 * error)


@pytest.mark.parametrize("seed", [0, 1])
def test_goals_of_a_random_walk_per_thousand_steps(seed: int) -> None:
    """A thousand steps per goal count more than the mean search: 444 known, +-4 errors of ours."""
    _, rewards = random_world(Navigation(n_steps=1000), 1000, seed)
    goals = rewards.sum(0)
    error = 1000 / float(goals.mean()) ** 2 * float(goals.std()) / 1000**0.5
    assert 1000 / float(goals.mean()) == pytest.approx(444, abs=4 * error)
    assert random_latency(i_maze(2, 2)) == pytest.approx(490.75)


def test_all_poses_look_different() -> None:
    for size in ((16, 24), (84, 84)):
        world = Navigation(height=size[0], width=size[1]).start(2, seeded())
        views = world.bank.views().flatten(1)
        assert len(views) == 60
        apart = torch.cdist(views, views) + 99 * torch.eye(60)
        assert float(apart.min()) > 2
        assert abs(float(views.mean())) < 0.05


def test_another_look_is_another_bank() -> None:
    a, b, c = (Navigation(look=k).start(1, seeded()).bank.fields for k in (0, 0, 1))
    assert torch.equal(a, b)
    assert float((a - c).abs().mean()) > 0.05


@pytest.mark.parametrize("name", FORMS)
def test_every_form_completes_random_episodes(name: str) -> None:
    assert name in list_tasks()
    task = make_task(name)
    assert isinstance(task, VisualTask)
    assert task.name == name
    assert make_task(task.name, **json.loads(task.config)) == task
    world, rewards = random_world(task, 64)
    assert rewards.shape == (task.n_steps, 64)
    assert set(rewards.unique().tolist()) == {0, 1}
    assert world.frames().shape == (64, *task.image_shape)
    walls = task.maze.walls
    x, y = world.positions()[:, :2].long().unbind(1)
    assert not walls[y.numpy(), x.numpy()].any()
    cohort = cohort_of(world)
    assert int((cohort.valid == 1).sum()) == int(rewards.sum())
    assert task.easier() is None


@pytest.mark.parametrize("name", FORMS)
def test_same_seed_same_episodes_and_frames(name: str) -> None:
    task = make_task(name, n_steps=40)
    actions = torch.randint(task.n_actions, (40, 8), generator=seeded(9))

    def frames(seed: int) -> torch.Tensor:
        world = task.start(8, seeded(seed))
        seen = []
        for a in actions:
            seen.append(world.frames())
            world.step(a)
        return torch.stack(seen)

    a, b, c = (frames(s) for s in (3, 3, 4))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_what_was_seen_stays_as_it_was() -> None:
    """Whoever keeps what the world gave must not find it changed by the next step."""
    for name in FORMS:
        world = make_task(name, n_steps=20).start(6, seeded())
        kept = [world.frames()] + ([] if world.bank is None else [world.seen()])
        before = [k.clone() for k in kept]
        versions = [k._version for k in kept]
        for _ in range(20):
            world.step(torch.zeros(6, dtype=torch.long))
        assert all(torch.equal(a, b) for a, b in zip(kept, before, strict=True))
        assert [k._version for k in kept] == versions


def test_frames_are_the_views_of_the_poses() -> None:
    task = Navigation(n_steps=50)
    generator = seeded()
    world = task.start(20, generator)
    for _ in range(50):
        world.step(torch.randint(3, (20,), generator=generator))
        assert torch.equal(world.frames(), world.bank.views()[world.seen()])


def test_steps_by_hand() -> None:
    """From the middle, looking up: forward, a turn and its undoing, and a wall that stops."""
    task = Navigation(n_steps=12, start_in="center")
    world = task.start(40, seeded(2))
    up = (world.seen() % 4 == 0).nonzero().flatten()
    assert len(up)
    left, right, forward = (torch.full((40,), k) for k in (1, 2, 0))
    for action in (forward, left, forward, right, forward, forward, forward, left):
        world.step(action)
    x, y, heading = world.positions()[:, :, up[0]].T
    assert x.tolist() == [3.5] * 8
    assert y.tolist() == [4.5, 3.5, 3.5, 3.5, 3.5, 2.5, 1.5, 1.5]
    degrees = (heading * 180 / math.pi).round().tolist()
    assert degrees == [0, 0, 270, 270, 0, 0, 0, 0]


def test_a_goal_pays_and_puts_back() -> None:
    world = play(Navigation(), 40, remembers=True)
    won = world.reached.nonzero()
    assert len(won) > 800
    maze = world.task.maze
    poses = world.poses
    for step, episode in won[:200].tolist():
        arm = int(world.goal[episode])
        before, after = poses[step, episode], poses[step + 1, episode]
        assert maze.after[before, 0] == arrival(maze, arm)
        assert int(after) // 4 in maze.starts
    elsewhere = poses[:-1][~world.reached] // 4
    assert len(elsewhere)
    never = ~world.reached & (world.cells()[1:] == torch.tensor(maze.arms)[world.goal])
    assert not never.any()


@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_searches_take_as_long_as_the_player_should(remembers: bool, seed: int) -> None:
    """Within 4 standard errors of the exact optimum, per search."""
    task = Navigation(n_steps=300, n_trials=6)
    trials = play(task, 300, remembers=remembers, seed=seed).trials()
    assert trials["valid"].eq(1).all()
    latency = (trials["t_goal"] - trials["t_start"]).squeeze(1)
    truth = task.references()
    for k, row in enumerate(latency):
        expected = truth["search"] if k == 0 or not remembers else truth["known"]
        assert float(row.mean()) == pytest.approx(expected, abs=4 * float(row.std()) / 300**0.5)
    right = trials["correct"].squeeze(1).float().mean(1)
    assert 0.1 < float(right[0]) < 0.4
    assert right[1:].eq(1).all() == remembers


def test_events_are_the_steps_of_the_times() -> None:
    world = play(Navigation(n_trials=5), 30, remembers=True)
    trials, steps = world.trials(), world.event_steps()
    assert steps.shape == (5, 2, 30)
    assert torch.equal(steps[:, 0].double(), trials["t_start"].squeeze(1))
    assert torch.equal(steps[:, 1].double() + 1, trials["t_goal"].squeeze(1))
    assert torch.equal(steps[1:, 0], steps[:-1, 1] + 1)
    assert world.score() == 1
    assert play(Navigation(), 30, remembers=False).score() < 0.5


def test_a_search_that_is_cut_off_is_padding() -> None:
    world, rewards = random_world(Navigation(n_steps=100), 50)
    trials = {k: v.squeeze(1) for k, v in world.trials().items()}
    cut = trials["t_goal"].isnan()
    assert torch.equal(cut, trials["valid"] == 0)
    assert torch.equal(cut, trials["choice"] == -1)
    assert torch.equal(cut.long(), trials["invalid_reason"])
    begun = ~trials["t_start"].isnan()
    last = rewards[-1].bool()
    assert torch.equal((begun & cut).sum(0), (~last).long())
    assert torch.equal(trials["problem"], world.goal.expand(40, 50))


def test_the_first_arm_of_a_search_by_hand() -> None:
    """One episode led through upper left and upper right to lower left."""
    task = Navigation(n_steps=60)
    world = task.start(200, seeded(5))
    chosen = int((world.goal == 2).nonzero()[0])
    for arm in (0, 1, 2):
        left = steps_to(2, 2, arm)
        target = arrival(task.maze, arm)
        while int(world.seen()[chosen]) != target and not world.reached[:, chosen].any():
            pose = int(world.seen()[chosen])
            action = int(np.argmin(left[task.maze.after[pose]]))
            world.step(torch.full((200,), action))
    trials = world.trials()
    assert trials["choice"][0, 0, chosen] == 0
    assert trials["correct"][0, 0, chosen] == 0
    assert trials["valid"][0, 0, chosen] == 1


def slide(place: tuple[float, float], move: tuple[float, float]) -> list[float]:
    task = Navigation(continuous=True, height=8, width=8, n_steps=1)
    world = task.start(1, seeded())
    assert isinstance(world, MotionWorld)
    after = world._slide(torch.tensor(place).view(2, 1), torch.tensor(move).view(2, 1))
    return after.flatten().tolist()


@pytest.mark.parametrize(
    ("place", "move", "after"),
    [
        ((3.5, 4.5), (0.0, -0.5), (3.5, 4.0)),
        ((3.5, 4.5), (0.5, 0.0), (3.8, 4.5)),
        ((3.5, 4.5), (0.3, 0.3), (3.8, 4.8)),
        ((3.5, 4.5), (0.4, 0.2), (3.8, 4.7)),
        ((3.5, 4.5), (-0.4, 0.2), (3.2, 4.7)),
        ((3.5, 1.5), (0.0, -0.45), (3.5, 1.2)),
        ((1.5, 1.5), (-0.4, -0.4), (1.2, 1.2)),
        ((4.1, 1.5), (0.0, 0.4), (4.1, 1.8)),
        ((3.6, 1.5), (0.0, 0.4), (3.6, 1.9)),
    ],
)
def test_sliding_along_walls(
    place: tuple[float, float], move: tuple[float, float], after: tuple[float, float]
) -> None:
    assert slide(place, move) == pytest.approx(after, abs=2e-4)


@pytest.mark.parametrize(("speed", "turn"), [(0.25, 22.5), (0.5, 45.0), (0.9, 90.0)])
def test_motion_never_enters_walls(speed: float, turn: float) -> None:
    task = Navigation(continuous=True, speed=speed, turn=turn, n_steps=300, height=8, width=8)
    world, _ = random_world(task, 200)
    place = world.positions()[:, :2]
    walls = task.maze.walls
    for corner in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        shift = torch.tensor(corner).view(1, 2, 1) * task.radius
        x, y = (place + shift).long().unbind(1)
        assert not walls[y.numpy(), x.numpy()].any()
    moved = place.diff(dim=0).square().sum(1).sqrt()[~world.reached[:-1]]
    assert float(moved.max()) <= speed + 1e-4
    assert float(moved.max()) > 0.99 * speed


def test_motion_turns_and_goes() -> None:
    task = Navigation(continuous=True, speed=0.25, turn=30.0, n_steps=5, start_in="center")
    world = task.start(50, seeded())
    world.states[0, 2] = 0.0
    for action in (0, 2, 1, 3, 4):
        world.step(torch.full((50,), action))
    x, y, heading = world.states[:, :, 0].T
    degrees = (heading * 180 / math.pi) % 360
    assert degrees.tolist() == pytest.approx([0, 0, 30, 0, 330, 0], abs=1e-3)
    assert y.tolist() == pytest.approx(
        [4.5, 4.25, 4.25, 4.25, 4.25 - 0.25 * math.cos(math.pi / 6), 4.0 - 0.2165], abs=1e-3
    )
    assert x.tolist() == pytest.approx([3.5, 3.5, 3.5, 3.5, 3.375, 3.375], abs=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
def test_goals_of_random_motion(seed: int) -> None:
    """Combined actions reach goals sooner than turning and going apart would."""
    task = Navigation(continuous=True, n_steps=1000, height=8, width=8, speed=0.25, turn=22.5)
    _, rewards = random_world(task, 300, seed)
    assert 450 < 300_000 / float(rewards.sum()) < 850


def test_places_of_views_are_the_worlds_positions() -> None:
    world, _ = random_world(Navigation(n_steps=30), 10)
    there = Navigation().places(world.poses[:-1])
    np.testing.assert_allclose(there, world.positions().movedim(1, -1), rtol=1e-6)
    with pytest.raises(InputError, match="no bank of views"):
        Navigation(continuous=True).places([0])


def test_large_batches_of_motion_are_drawn_compiled() -> None:
    """The same pictures either way, to rounding."""
    task = make_task("navigation-continuous", n_steps=100)
    few, many = (task.start(n, seeded()) for n in (40, 60))
    assert few.draw is not many.draw
    few.states = many.states[:, :, :40].clone()
    apart = (few.frames() - many.frames()[:40]).abs()
    assert float((apart > 1e-3).float().mean()) < 1e-3


def test_continuous_motion_sees_where_it_is() -> None:
    task = make_task("navigation-continuous", n_steps=10)
    world = task.start(5, seeded())
    assert world.bank is None
    world.step(torch.zeros(5, dtype=torch.long))
    place, heading = world.states[1, :2], world.states[1, 2]
    assert torch.equal(world.frames(), task.look_around(place, heading) - 0.35)
    with pytest.raises(NotImplementedError, match="no bank of pictures"):
        world.seen()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"half": -1}, "half is -1, expected a whole number from 0"),
        ({"half": 1.5}, "half is 1.5, expected a whole number"),
        ({"arm": 0}, "arm is 0, expected a whole number from 1"),
        ({"start_in": "middle"}, "start_in is 'middle', expected one of corridor, center"),
        ({"height": 2}, "height is 2, expected a whole number from 4"),
        ({"width": 0}, "width is 0, expected a whole number from 4"),
        ({"n_steps": 0}, "n_steps is 0, expected a whole number from 1"),
        ({"n_trials": 0}, "n_trials is 0, expected"),
        ({"speed": 0.0}, "speed is 0.0, expected more than 0 and less than 1"),
        ({"speed": -0.5}, "speed is -0.5"),
        ({"speed": 1.0}, "speed is 1.0"),
        ({"turn": 0.0}, "turn is 0.0, expected more than 0 and less than 180"),
        ({"radius": 0.5}, "radius is 0.5, expected more than 0 and less than 0.5"),
        (
            {"field_of_view": 180.0},
            "field_of_view is 180.0, expected more than 10 and",
        ),
        ({"look": -1}, "look is -1"),
    ],
)
def test_impossible_values(changes: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Navigation(**changes)  # type: ignore[arg-type]


def test_no_optimum_of_continuous_motion() -> None:
    with pytest.raises(InputError, match="known for steps only"):
        make_task("navigation-continuous").references()
    assert set(Navigation().references()) == {"search", "known", "random"}


def test_parameters_as_text() -> None:
    task = make_task("navigation", half="1", arm="3", start_in="center", continuous="false")
    assert (task.half, task.arm, task.start_in) == (1, 3, "center")
    with pytest.raises(InputError, match="no parameter 'halff'; did you mean 'half'"):
        make_task("navigation", halff=1)
