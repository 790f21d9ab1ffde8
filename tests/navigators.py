"""Planted players of the I-maze, whose latencies are known."""

from __future__ import annotations

from collections import deque
from functools import cache
from itertools import permutations

import numpy as np
import torch

from neuro_metarl.cohort import make_cohort
from neuro_metarl.tasks.maze import Maze, i_maze
from neuro_metarl.tasks.navigation import Navigation


@cache
def steps_to(half: int, arm: int, target: int) -> np.ndarray:
    """Fewest steps from every pose into an arm's end, by search backwards; dims (pose)."""
    maze = i_maze(half, arm)
    after = maze.after
    steps = np.full(len(after), -1)
    queue = deque(p for p in range(len(after)) if p // 4 == maze.arms[target])
    steps[list(queue)] = 0
    while queue:
        there = queue.popleft()
        for pose in np.flatnonzero((after == there).any(axis=1)):
            if steps[pose] < 0:
                steps[pose] = steps[there] + 1
                queue.append(pose)
    return steps


def arrival(maze: Maze, arm: int) -> int:
    """The pose in which an arm's end is entered: looking out along the arm."""
    return int(4 * maze.arms[arm] + (1 if arm in (1, 3) else 3))


@cache
def best_order(half: int, arm: int, pose: int) -> tuple[float, tuple[int, ...]]:
    """Try all orders of the four arms; mean steps to the goal and the order."""
    maze, best = i_maze(half, arm), (np.inf, (0,))
    for order in permutations(range(4)):
        here, spent, total = pose, 0, 0
        for a in order:
            spent += int(steps_to(half, arm, a)[here])
            total += spent
            here = arrival(maze, a)
        best = min(best, (total / 4, order))
    return best  # type: ignore[return-value]


def play(task: Navigation, n_episodes: int, *, remembers: bool, seed: int = 0):  # type: ignore[no-untyped-def]
    """Let a searcher that takes the best order play; afterwards it remembers the goal, or not."""
    world = task.start(n_episodes, torch.Generator().manual_seed(seed))
    size, maze = (task.half, task.arm), task.maze
    orders: list[list[int]] = [[] for _ in range(n_episodes)]
    known = [-1] * n_episodes
    for _ in range(task.n_steps):
        poses = world.seen().tolist()
        actions = []
        for k, pose in enumerate(poses):
            if not orders[k]:
                orders[k] = [known[k]] if known[k] >= 0 else list(best_order(*size, pose)[1])
            if pose == arrival(maze, orders[k][0]):
                orders[k].pop(0)
            left = steps_to(*size, orders[k][0])
            actions.append(int(np.argmin(left[maze.after[pose]])))
        won = world.step(torch.tensor(actions))
        for k in won.nonzero().flatten().tolist():
            known[k] = int(world.goal[k]) if remembers else -1
            orders[k] = []
    return world


def cohort_of(world, subject: str = "planted"):  # type: ignore[no-untyped-def]
    """Turn a world's trials into a cohort."""
    trials = {k: v.squeeze(1).T.numpy() for k, v in world.trials().items()}
    return make_cohort(
        trials,
        subject=[subject] * world.n_episodes,
        task=world.task.name,
        source="model",
        attrs={"task_config": world.task.config},
    )
