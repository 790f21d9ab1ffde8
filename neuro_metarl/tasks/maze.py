"""The I-maze as a graph of poses, and the exact references that follow from it.

A pose is a cell and one of four headings (up, right, down, left); its number is ``4 * cell +
heading``. Actions are forward, turn left, turn right; forward into a wall does nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from neuro_metarl.errors import InputError

__all__ = ["ACTIONS", "Maze", "i_maze", "optimal_latency", "random_latency"]

ACTIONS = ("forward", "turn_left", "turn_right")
AHEAD = ((0, -1), (1, 0), (0, 1), (-1, 0))
STARTS = ("corridor", "center")


@dataclass(frozen=True)
class Maze:
    """A map, its cells, its poses.

    Parameters
    ----------
    walls
        bool, dims (row, column).
    cells
        Column and row of each open cell, dims (cell, 2).
    arms
        Cell at the end of each arm: upper left, upper right, lower left, lower right.
    starts
        Cells in which a search starts.
    after
        Pose that each action leads to, dims (pose, action).
    """

    walls: np.ndarray
    cells: np.ndarray
    arms: np.ndarray
    starts: np.ndarray
    after: np.ndarray


@lru_cache(maxsize=16)
def i_maze(half: int, arm: int, start: str = "corridor") -> Maze:
    """Lay out an I: a corridor between two bars.

    Parameters
    ----------
    half
        The corridor between the bars has ``2 half + 1`` cells.
    arm
        Each of the four arms has this many cells, its end included.
    start
        ``"corridor"``: a search starts anywhere in the corridor; ``"center"``: in its middle.

    Returns
    -------
    Maze

    Raises
    ------
    InputError
        A corridor or an arm without cells, or an unknown start.

    Examples
    --------
    >>> maze = i_maze(2, 2)
    >>> for row in maze.walls:
    ...     print("".join("#" if wall else "." for wall in row))
    #######
    #.....#
    ###.###
    ###.###
    ###.###
    ###.###
    ###.###
    #.....#
    #######
    >>> len(maze.cells), len(maze.after)
    (15, 60)
    """
    for name, value, least in (("half", half, 0), ("arm", arm, 1)):
        if value != int(value) or value < least:
            raise InputError(f"{name} is {value}, expected a whole number from {least}")
    if start not in STARTS:
        raise InputError(f"start_in is {start!r}, expected one of {', '.join(STARTS)}")
    n_rows, n_columns, middle = 2 * half + 5, 2 * arm + 3, arm + 1
    walls = np.ones((n_rows, n_columns), bool)
    walls[[1, -2], 1:-1] = False
    walls[1:-1, middle] = False
    rows, columns = np.nonzero(~walls)
    cells = np.stack([columns, rows], axis=1)
    number = {(int(x), int(y)): k for k, (x, y) in enumerate(cells)}
    ends = [(x, y) for y in (1, n_rows - 2) for x in (1, n_columns - 2)]
    corridor = range(2, n_rows - 2) if start == "corridor" else [half + 2]
    return Maze(
        walls,
        cells,
        np.array([number[end] for end in ends]),
        np.array([number[middle, y] for y in corridor]),
        _after(cells, number),
    )


def optimal_latency(maze: Maze) -> dict[str, float]:
    """Give the fewest steps to the goal, exactly, averaged over starts and goals.

    Parameters
    ----------
    maze
        From :func:`i_maze`.

    Returns
    -------
    dict
        ``"search"``: the goal is unknown, one of the four ends with equal chance; ``"known"``: the
        goal is known. A goal shows only by being entered.

    Examples
    --------
    >>> {name: round(steps, 2) for name, steps in optimal_latency(i_maze(2, 2)).items()}
    {'search': 18.7, 'known': 7.0}
    """
    starts = _start_poses(maze)
    to_arm = {pose: _steps_to_arms(maze, pose) for pose in starts}
    known = np.mean([[steps for steps, _ in to_arm[pose]] for pose in starts])
    reached = {a: to_arm[starts[0]][a][1] for a in range(4)}
    for a in range(4):
        to_arm[reached[a]] = _steps_to_arms(maze, reached[a])

    @cache
    def search(pose: int, left: frozenset[int]) -> float:
        """Give the expected steps from a pose while the goal is one of the arms that are left."""
        if not left:
            return 0.0
        stay = (len(left) - 1) / len(left)
        return min(to_arm[pose][a][0] + stay * search(reached[a], left - {a}) for a in left)

    everywhere = frozenset(range(4))
    return {
        "search": float(np.mean([search(pose, everywhere) for pose in starts])),
        "known": float(known),
    }


def random_latency(maze: Maze) -> float:
    """Give the mean steps to the goal of uniformly random actions, exactly.

    Parameters
    ----------
    maze
        From :func:`i_maze`.

    Returns
    -------
    float
        Averaged over starts and goals; the solution of the linear equations of the hitting times.

    Examples
    --------
    >>> round(random_latency(i_maze(2, 2)))
    491
    """
    n, n_actions = maze.after.shape
    means = []
    for arm in maze.arms:
        moves = np.zeros((n, n))
        np.add.at(moves, (np.repeat(np.arange(n), n_actions), maze.after.ravel()), 1 / n_actions)
        goal = np.arange(n) // 4 == arm
        moves[:, goal] = 0
        means.append(np.linalg.solve(np.eye(n) - moves, np.ones(n))[_start_poses(maze)].mean())
    return float(np.mean(means))


def _after(cells: np.ndarray, number: dict[tuple[int, int], int]) -> np.ndarray:
    after = np.empty((4 * len(cells), len(ACTIONS)), int)
    for k, (x, y) in enumerate(cells):
        for heading, (dx, dy) in enumerate(AHEAD):
            ahead = number.get((int(x) + dx, int(y) + dy), k)
            after[4 * k + heading] = [
                4 * ahead + heading,
                4 * k + (heading - 1) % 4,
                4 * k + (heading + 1) % 4,
            ]
    return after


def _start_poses(maze: Maze) -> list[int]:
    return [int(4 * cell + heading) for cell in maze.starts for heading in range(4)]


def _steps_to_arms(maze: Maze, pose: int) -> list[tuple[int, int]]:
    """Fewest steps from a pose to each arm's end, and the pose there, which is always the same."""
    steps, queue = {pose: 0}, deque([pose])
    first: dict[int, tuple[int, int]] = {}
    while queue:
        here = queue.popleft()
        if here != pose:
            first.setdefault(here // 4, (steps[here], here))
        for after in maze.after[here]:
            if int(after) not in steps:
                steps[int(after)] = steps[here] + 1
                queue.append(int(after))
    return [first[int(cell)] for cell in maze.arms]
