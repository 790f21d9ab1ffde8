"""Running episodes of navigation: where everybody is, and the searches that come of it."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuro_metarl.tasks.base import Bank
from neuro_metarl.tasks.maze import ACTIONS
from neuro_metarl.tasks.raycaster import render
from neuro_metarl.tasks.raycaster_cpu import render_compiled

if TYPE_CHECKING:
    from neuro_metarl.tasks.navigation import Navigation

__all__ = ["MOTIONS", "MotionWorld", "Searches", "StepWorld"]

MEAN_OF_IMAGE = 0.35
SETBACK = 0.45
GAP = 1e-4
COMPILE_FROM = 5000
MOTIONS = (*ACTIONS, "forward_left", "forward_right")
FORWARD = (1.0, 0.0, 0.0, 1.0, 1.0)
TURN = (0.0, -1.0, 1.0, -1.0, 1.0)


class Searches:
    """What both forms share: goals, and searches cut out of the steps at which goals were met."""

    bank: Bank | None = None

    def __init__(self, task: Navigation, n_episodes: int, generator: torch.Generator) -> None:
        self.task, self.n_episodes, self.device = task, n_episodes, generator.device
        self.goal = torch.randint(4, (n_episodes,), generator=generator, device=self.device)
        n, starts = task.n_steps + 1, torch.as_tensor(task.maze.starts, device=self.device)
        drawn = torch.randint(len(starts), (n, n_episodes), generator=generator, device=self.device)
        self.start_cells = starts[drawn]
        self.reached = torch.zeros(n - 1, n_episodes, dtype=torch.bool, device=self.device)
        self.n_done = 0

    def cells(self) -> Tensor:
        """Cell before each step and after the last, int64, dims (step, episode)."""
        raise NotImplementedError

    def positions(self) -> Tensor:
        """Place and heading before each step, dims (step, (x, y, radians), episode)."""
        raise NotImplementedError

    def event_steps(self) -> Tensor:
        """Give the first step of each search and the one that enters the goal.

        Returns
        -------
        torch.Tensor
            int64, dims (trial, event, episode); -1: not begun, not reached.
        """
        n_trials, n = self.task.n_trials, self.n_episodes
        steps = torch.full((n_trials + 1, 2, n), -1, device=self.device)
        steps[0, 0] = 0
        when, who = self.reached[: self.n_done].nonzero(as_tuple=True)
        number = (self.reached.cumsum(0) - 1)[when, who].clamp(max=n_trials)
        kept = number < n_trials
        when, who, number = when[kept], who[kept], number[kept]
        steps[number, 1, who] = when
        steps[number + 1, 0, who] = torch.where(when + 1 < self.n_done, when + 1, -1)
        return steps[:-1]

    def trials(self) -> dict[str, Tensor]:
        """Describe the searches.

        Returns
        -------
        dict
            ``choice, reward, valid, invalid_reason, forced, correct, problem, t_start, t_goal``,
            dims (trial, 1, episode).
        """
        start, goal = self.event_steps().unbind(1)
        found = goal >= 0
        choice = torch.where(found, self._first_arm(), -1)
        undefined = torch.tensor(float("nan"), dtype=torch.float64, device=self.device)
        variables = {
            "choice": choice,
            "reward": found.float(),
            "valid": found.long(),
            "invalid_reason": 1 - found.long(),
            "forced": torch.zeros_like(start),
            "correct": torch.where(found, (choice == self.goal).long(), -1),
            "problem": self.goal.expand_as(start),
            "t_start": torch.where(start >= 0, start.double(), undefined),
            "t_goal": torch.where(found, goal.double() + 1, undefined),
        }
        return {name: value.unsqueeze(1) for name, value in variables.items()}

    def score(self) -> float:
        """Share of searches, from the second on, whose first arm is the goal."""
        trials = self.trials()
        later = trials["correct"][1:]
        n = int((later >= 0).sum())
        return float((later == 1).sum()) / n if n else 0.0

    def _entered(self) -> Tensor:
        """Arm whose end each step enters, dims (step, episode); -1: none."""
        maze, cells = self.task.maze, self.cells()
        number = torch.full((len(maze.cells),), -1, device=self.device)
        number[torch.as_tensor(maze.arms, device=self.device)] = torch.arange(4, device=self.device)
        before, after = number[cells[:-1]], number[cells[1:]]
        new = torch.where(after != before, after, -1)
        return torch.where(self.reached[: self.n_done], self.goal, new)

    def _first_arm(self) -> Tensor:
        """Arm whose end each search enters first, dims (trial, episode); -1: none."""
        n_trials, n, entered = self.task.n_trials, self.n_done, self._entered()
        reached = self.reached[:n].long()
        trial = (reached.cumsum(0) - reached).clamp(max=n_trials)
        when = torch.arange(n, device=self.device).view(-1, 1).expand_as(entered)
        late = torch.full((n_trials + 1, self.n_episodes), n, device=self.device)
        when = torch.where(entered >= 0, when, n)
        first = late.scatter_reduce(0, trial, when, "amin")[:-1]
        entered = torch.cat([entered, torch.full_like(entered[:1], -1)])
        return entered.gather(0, first)


class StepWorld(Searches):
    """Episodes of steps from cell to cell.

    Parameters
    ----------
    task
        The maze.
    n_episodes
        Episodes side by side.
    generator
        Draws goals and starts.
    """

    def __init__(self, task: Navigation, n_episodes: int, generator: torch.Generator) -> None:
        super().__init__(task, n_episodes, generator)
        self.bank = _bank(task, self.device)
        self.after = _after(task, self.device)
        n_poses, n_actions = task.maze.after.shape
        self.offset = self.goal * (n_poses * n_actions)
        turned = torch.randint(4, self.start_cells.shape, generator=generator, device=self.device)
        self.starts = 4 * self.start_cells + turned
        self._poses = [self.starts[0].clone()]

    @property
    def poses(self) -> Tensor:
        """Pose before each step and after the last, int64, dims (step, episode)."""
        return torch.stack(self._poses)

    def seen(self) -> Tensor:
        """Give the pose of each episode, which is the number of its view."""
        return self._poses[-1]

    def frames(self) -> Tensor:
        """Give the picture that each episode sees, less its mean."""
        assert self.bank is not None
        return self.bank.fields[self._poses[-1]]

    def step(self, action: Tensor) -> Tensor:
        """Act.

        Parameters
        ----------
        action
            int64, dims (episode).

        Returns
        -------
        torch.Tensor
            Rewards, dims (episode).
        """
        t = self.n_done
        ahead = self.after[self.offset + self._poses[t] * 3 + action]
        reached = torch.lt(ahead, 0, out=self.reached[t])
        self._poses.append(torch.where(reached, self.starts[t + 1], ahead))
        self.n_done = t + 1
        return reached.float()

    def cells(self) -> Tensor:
        """Cell before each step and after the last, int64, dims (step, episode)."""
        return self.poses // 4

    def positions(self) -> Tensor:
        """Place and heading before each step, dims (step, (x, y, radians), episode)."""
        place, heading = _places(self.task, self.poses[:-1], 0.0)
        return torch.stack([*place, heading], dim=1)


class MotionWorld(Searches):
    """Episodes of continuous motion.

    Parameters
    ----------
    task
        The maze, speed and turn.
    n_episodes
        Episodes side by side.
    generator
        Draws goals and starts.
    """

    def __init__(self, task: Navigation, n_episodes: int, generator: torch.Generator) -> None:
        super().__init__(task, n_episodes, generator)
        maze, device = task.maze, self.device
        cells = torch.as_tensor(maze.cells, device=device)
        self.goal_cell = cells[torch.as_tensor(maze.arms, device=device)][self.goal].T
        self.walls = torch.as_tensor(maze.walls.ravel(), device=device)
        turned = torch.rand(
            self.start_cells.shape, generator=generator, dtype=torch.float32, device=device
        )
        places = cells[self.start_cells].movedim(-1, 1).to(torch.float32) + 0.5
        self.starts = torch.cat([places, turned.unsqueeze(1) * (2 * math.pi)], dim=1)
        self.states = self.starts.clone()
        forward, turn = (
            torch.tensor(moves, dtype=torch.float32, device=device) for moves in (FORWARD, TURN)
        )
        self.moves = torch.stack([forward * task.speed, turn * math.radians(task.turn)])
        many = n_episodes * task.n_steps >= COMPILE_FROM
        self.draw = render_compiled if many and device.type == "cpu" else render

    def seen(self) -> Tensor:
        """Refuse: every picture is rendered."""
        raise NotImplementedError("continuous motion has no bank of pictures; use frames()")

    def frames(self) -> Tensor:
        """Render what each episode sees, less its mean."""
        state = self.states[self.n_done]
        return self.task.look_around(state[:2], state[2], draw=self.draw).sub_(MEAN_OF_IMAGE)

    def step(self, action: Tensor) -> Tensor:
        """Act: turn, then move, x before y, as far as the walls allow.

        Parameters
        ----------
        action
            int64, dims (episode).

        Returns
        -------
        torch.Tensor
            Rewards, dims (episode).
        """
        t = self.n_done
        before = self.states[t]
        far, turned = self.moves[:, action]
        heading = (before[2] + turned) % (2 * math.pi)
        place = self._slide(before[:2], torch.stack([far * heading.sin(), -far * heading.cos()]))
        self.reached[t] = (place.long() == self.goal_cell).all(0)
        after = torch.cat([place, heading.unsqueeze(0)])
        torch.where(self.reached[t], self.starts[t + 1], after, out=self.states[t + 1])
        self.n_done = t + 1
        return self.reached[t].float()

    def _slide(self, place: Tensor, move: Tensor) -> Tensor:
        """Move along x, then y; stop at the wall that the leading edge would enter."""
        radius, stride, walls = self.task.radius, self.task.maze.walls.shape[1], self.walls
        after = list(place)
        for axis in (0, 1):
            side = move[axis].sign()
            wanted = after[axis] + move[axis]
            beyond = (wanted + radius * side).floor()
            low, high = ((after[1 - axis] + k * radius).floor() for k in (-1, 1))
            ahead, across = (1, stride) if axis == 0 else (stride, 1)
            at = (beyond * ahead).long()
            hit = walls[at + (low * across).long()] | walls[at + (high * across).long()]
            contact = beyond + (side < 0) - side * (radius + GAP)
            after[axis] = torch.where(hit, contact, wanted)
        return torch.stack(after)

    def cells(self) -> Tensor:
        """Cell before each step and after the last, int64, dims (step, episode)."""
        x, y = self.states[: self.n_done + 1, :2].long().unbind(1)
        maze = self.task.maze
        number = torch.zeros(maze.walls.shape, dtype=torch.long, device=self.device)
        columns, rows = torch.as_tensor(maze.cells, device=self.device).T
        number[rows, columns] = torch.arange(len(rows), device=self.device)
        return number[y, x]

    def positions(self) -> Tensor:
        """Place and heading before each step, dims (step, (x, y, radians), episode)."""
        return self.states[: self.n_done]


@lru_cache(maxsize=8)
def _bank(task: Navigation, device: torch.device) -> Bank:
    poses = torch.arange(4 * len(task.maze.cells), device=device)
    place, heading = _places(task, poses, SETBACK)
    return Bank(task.look_around(place, heading) - MEAN_OF_IMAGE, task.width)


@lru_cache(maxsize=8)
def _after(task: Navigation, device: torch.device) -> Tensor:
    """Pose after (goal, pose, action), flat; -1 where the goal is entered."""
    after = torch.as_tensor(task.maze.after)
    goals = torch.as_tensor(task.maze.arms).view(4, 1, 1)
    return torch.where(after // 4 == goals, -1, after).flatten().to(device)


def _places(task: Navigation, poses: Tensor, setback: float) -> tuple[Tensor, Tensor]:
    """Place (xy first) and heading of poses; the eye stands back from the center of its cell."""
    cells = torch.as_tensor(task.maze.cells, device=poses.device, dtype=torch.float32)
    heading = (poses % 4).to(torch.float32) * (math.pi / 2)
    back = torch.stack([-heading.sin(), heading.cos()]) * setback
    return cells[poses // 4].movedim(-1, 0) + 0.5 + back, heading
