"""One-shot navigation: a first-person I-maze whose goal moves from episode to episode.

The goal is one of the four ends of the arms. It cannot be seen: entering it pays, and the agent is
put back into the corridor, to find it again and again until the episode ends. Whoever remembers the
goal from the first search walks straight to it; whoever does not must search every time.

Two forms: *steps* (forward, turn left, turn right; a finite number of poses, hence a bank of
pictures) and *continuous* motion (real position and heading, every picture rendered anew).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.maze import ACTIONS, Maze, i_maze, optimal_latency, random_latency
from neuro_metarl.tasks.raycaster import Scene, make_scene, render
from neuro_metarl.tasks.searches import MOTIONS, MotionWorld, StepWorld

__all__ = ["Navigation"]


@dataclass(frozen=True)
class Navigation:
    """The I-maze in first person.

    Parameters
    ----------
    continuous
        Continuous motion instead of steps from cell to cell.
    half
        The corridor between the bars has ``2 half + 1`` cells.
    arm
        Cells of each of the four arms, its end included.
    start_in
        Where a search starts, in a random direction: ``"corridor"``, anywhere in it, or
        ``"center"``.
    n_steps
        Actions per episode.
    n_trials
        Searches that a recording keeps; later ones are played and paid all the same.
    height, width
        Of a picture, pixels.
    field_of_view
        Across, degrees.
    speed, turn
        Continuous motion: cells per step forward and degrees per step turned.
    radius
        Continuous motion: half the width of the agent, cells; it slides along walls.
    look
        Seed of the walls' colors.

    Raises
    ------
    InputError
        An impossible value.

    Notes
    -----
    A trial of the cohort is a search, from being put into the corridor to entering the goal.
    ``choice`` is the arm whose end is entered first (0 upper left, 1 upper right, 2 lower left, 3
    lower right), ``correct`` whether that is the goal, ``problem`` the goal. Times are in steps,
    one a second: ``t_goal - t_start`` is the number of actions of a search. A search that the end
    of the episode cuts off is padding.

    References
    ----------
    Wang et al. 2016, arXiv:1611.05763, experiment 7; Mirowski et al. 2016, arXiv:1611.03673. The
    size of the maze and that the goal is invisible are ours.

    Examples
    --------
    >>> task = Navigation()
    >>> task.actions, task.image_shape
    (('forward', 'turn_left', 'turn_right'), (3, 16, 24))
    >>> world = task.start(4, torch.Generator().manual_seed(0))
    >>> world.step(torch.zeros(4, dtype=torch.long))
    tensor([0., 0., 0., 0.])
    """

    continuous: bool = False
    half: int = 2
    arm: int = 2
    start_in: str = "corridor"
    n_steps: int = 200
    n_trials: int = 40
    height: int = 16
    width: int = 24
    field_of_view: float = 90.0
    speed: float = 0.5
    turn: float = 45.0
    radius: float = 0.2
    look: int = 0

    def __post_init__(self) -> None:
        for name, least in (("n_steps", 1), ("n_trials", 1), ("height", 4), ("width", 4)):
            value = getattr(self, name)
            if value != int(value) or value < least:
                raise InputError(f"{name} is {value}, expected a whole number from {least}")
        for name, low, high in (
            ("field_of_view", 10, 170),
            ("speed", 0, 1),
            ("turn", 0, 180),
            ("radius", 0, 0.5),
        ):
            value = getattr(self, name)
            if not low < value < high:
                raise InputError(
                    f"{name} is {value}, expected more than {low} and less than {high}"
                )
        if self.look != int(self.look) or self.look < 0:
            raise InputError(f"look is {self.look}, expected a whole number from 0")
        self.maze  # noqa: B018

    @property
    def name(self) -> str:
        """Name of the task."""
        return "navigation-continuous" if self.continuous else "navigation"

    @property
    def actions(self) -> tuple[str, ...]:
        """Forward and turns; in continuous motion both at once, too."""
        return MOTIONS if self.continuous else ACTIONS

    @property
    def n_actions(self) -> int:
        """Three, or five in continuous motion."""
        return len(self.actions)

    @property
    def events(self) -> tuple[str, ...]:
        """The first step of a search and the one that enters the goal."""
        return ("start", "goal")

    @property
    def config(self) -> str:
        """The parameters as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a picture."""
        return (3, self.height, self.width)

    @property
    def maze(self) -> Maze:
        """The map and its graph of poses."""
        return i_maze(self.half, self.arm, self.start_in)

    def easier(self) -> Navigation | None:
        """There is no easier form."""
        return None

    def references(self) -> dict[str, float]:
        """Give exact references: mean steps to the goal in the form of steps.

        Returns
        -------
        dict
            ``"search"`` and ``"known"``: the optimum for a goal that is unknown (the best order of
            the four arms) and known; ``"random"``: uniformly random actions.

        Raises
        ------
        InputError
            Continuous motion, whose optimum is not known.
        """
        if self.continuous:
            raise InputError("the optimum is known for steps only, not for continuous motion")
        return {**optimal_latency(self.maze), "random": random_latency(self.maze)}

    def places(self, views: Any) -> np.ndarray:
        """Say where a view is seen from.

        Parameters
        ----------
        views
            Numbers in the bank of pictures, which are poses; any dims.

        Returns
        -------
        numpy.ndarray
            x, y (cells) and heading (clockwise from up, radians) in a last dim.

        Raises
        ------
        InputError
            Continuous motion, which has no bank.
        """
        if self.continuous:
            raise InputError("continuous motion has no bank of views; use the world's positions()")
        poses = np.asarray(views, int)
        heading = (poses % 4) * (np.pi / 2)
        return np.concatenate([self.maze.cells[poses // 4] + 0.5, heading[..., None]], axis=-1)

    def scene(self, device: torch.device | str = "cpu") -> Scene:
        """Paint the walls.

        Parameters
        ----------
        device
            Where the scene goes; its colors are the same on every device.

        Returns
        -------
        Scene
        """
        return _scene(self, torch.device(device))

    def look_around(
        self, position: Tensor, heading: Tensor, *, draw: Callable[..., Tensor] = render
    ) -> Tensor:
        """Draw what is seen at any place.

        Parameters
        ----------
        position
            x and y in cells, dims (xy, view); a cell's center is at its number plus .5.
        heading
            Clockwise from up, radians, dims (view).
        draw
            Which raycaster.

        Returns
        -------
        torch.Tensor
            RGB, 0 to 1, dims (view, channel, height, width).
        """
        return draw(
            self.scene(position.device),
            position,
            heading,
            height=self.height,
            width=self.width,
            field_of_view=self.field_of_view,
        )

    def start(
        self, n_episodes: int, generator: torch.Generator, *, held_out: bool = False
    ) -> StepWorld | MotionWorld:
        """Begin a batch of episodes.

        Parameters
        ----------
        n_episodes
            Episodes.
        generator
            Draws goals and starts; everything is on its device.
        held_out
            Changes nothing: there is one maze, and all four goals are trained.

        Returns
        -------
        StepWorld or MotionWorld
        """
        kind = MotionWorld if self.continuous else StepWorld
        return kind(self, n_episodes, generator)


@lru_cache(maxsize=8)
def _scene(task: Navigation, device: torch.device) -> Scene:
    generator = torch.Generator().manual_seed(task.look)
    return make_scene(torch.as_tensor(task.maze.walls), generator).to(device)
