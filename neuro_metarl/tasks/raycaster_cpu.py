"""The raycaster compiled for one CPU core: the same pictures, each ray walked from cell to cell.

:func:`neuro_metarl.tasks.raycaster.render` runs on any device and is made of some seventy tensor
operations, which is fast for large batches of large pictures. With small ones the operations
themselves cost more than what they compute; there this is several times faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from neuro_metarl.progress import call_compiled
from neuro_metarl.tasks.raycaster import SHADE, STRIPE, Scene, view_of

__all__ = ["render_compiled"]


def render_compiled(
    scene: Scene,
    position: Tensor,
    heading: Tensor,
    *,
    height: int,
    width: int,
    field_of_view: float = 90.0,
) -> Tensor:
    """Draw what is seen from each place, on the CPU.

    Parameters
    ----------
    scene, position, heading, height, width, field_of_view
        See :func:`neuro_metarl.tasks.raycaster.render`; float32, on the CPU.

    Returns
    -------
    torch.Tensor
        RGB, 0 to 1, dims (view, channel, height, width).

    Examples
    --------
    >>> from neuro_metarl.tasks.raycaster import make_scene, render
    >>> walls = torch.ones(3, 5, dtype=torch.bool)
    >>> walls[1, 1:4] = False
    >>> scene = make_scene(walls, torch.Generator().manual_seed(0))
    >>> place, heading = torch.tensor([[1.5, 2.5], [1.5, 1.5]]), torch.tensor([0.0, 1.0])
    >>> a, b = (draw(scene, place, heading, height=16, width=24)
    ...         for draw in (render, render_compiled))
    >>> bool((a - b).abs().max() < 1e-4)
    True
    """
    view = view_of(height, width, field_of_view, position.device, position.dtype)
    pictures = torch.empty(len(heading), 3, height, width, dtype=torch.float32)
    tensors = (scene.walls, scene.colors, scene.stripes, position, heading, view.sideways,
               view.up.squeeze(-1), view.behind.squeeze(-1), pictures)  # fmt: skip
    call_compiled(_drawer(), *(tensor.contiguous().numpy() for tensor in tensors))
    return pictures


def _walk(
    walls: np.ndarray, x: float, y: float, dx: float, dy: float
) -> tuple[float, int, int, int]:
    """Go on to the first wall: distance, row, column, face."""
    column, row, distance, face = int(x), int(y), 0.0, 0
    step_x, step_y = (1 if dx > 0 else -1), (1 if dy > 0 else -1)
    slow_x = math.inf if dx == 0 else abs(1 / dx)
    slow_y = math.inf if dy == 0 else abs(1 / dy)
    to_x = math.inf if dx == 0 else ((column + 1 - x) if dx > 0 else (x - column)) * slow_x
    to_y = math.inf if dy == 0 else ((row + 1 - y) if dy > 0 else (y - row)) * slow_y
    while not walls[row, column]:
        if to_x <= to_y:
            distance, to_x, column, face = to_x, to_x + slow_x, column + step_x, 2 + step_x
        else:
            distance, to_y, row, face = to_y, to_y + slow_y, row + step_y, 1 - step_y
    return distance, row, column, face


def _draw(
    walls: np.ndarray,
    colors: np.ndarray,
    stripes: np.ndarray,
    position: np.ndarray,
    heading: np.ndarray,
    sideways: np.ndarray,
    up: np.ndarray,
    behind: np.ndarray,
    pictures: np.ndarray,
) -> None:
    """Draw into the pictures, dims (view, channel, row, column)."""
    n_views, _, height, width = pictures.shape
    for k in range(n_views):
        x, y = float(position[0, k]), float(position[1, k])
        sine, cosine = math.sin(heading[k]), math.cos(heading[k])
        pictures[k] = np.expand_dims(behind, -1)
        for i in range(width):
            dx, dy = sine + cosine * sideways[i], sine * sideways[i] - cosine
            distance, row, column, face = walk(walls, x, y, dx, dy)
            along = y + distance * dy if face % 2 else x + distance * dx
            phase = (along - math.floor(along)) * stripes[row, column, face] * 2 * math.pi
            light = (1 - STRIPE + STRIPE * math.sin(phase)) / (1 + SHADE * distance)
            reach = 0.5 / distance
            for j in range(height):
                if up[j] < reach:
                    for c in range(3):
                        pictures[k, c, j, i] = colors[row, column, face, c] * light


@lru_cache(maxsize=1)
def _drawer() -> Callable[..., None]:
    from numba import njit

    global walk
    walk = njit(_walk, cache=True)
    return njit(_draw, cache=True)


walk = _walk
