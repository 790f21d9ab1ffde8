"""First-person pictures of a walled grid, a whole batch at once, on any device.

Each column of a picture is one ray. Instead of walking from cell to cell, a ray is intersected
with *all* lines of the grid at once; the cell beyond each crossing is looked up, and the nearest
crossing into a wall is what the ray sees. That is exact on closed maps and needs no loop.

Coordinates: x runs along columns, y down rows, one unit is a cell; heading is clockwise in radians,
0 is up (towards row 0). A wall's four faces are up, right, down, left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from neuro_metarl.errors import InputError

__all__ = ["Hits", "Scene", "cast_rays", "make_scene", "render"]

CEILING, FLOOR = (0.44, 0.52, 0.64), (0.42, 0.36, 0.30)
SHADE = 0.15
STRIPE = 0.25
LEAST = 1e-12


@dataclass(frozen=True)
class Scene:
    """Walls of a closed map and how their faces look.

    Parameters
    ----------
    walls
        bool, dims (row, column); the border must be wall.
    colors
        float, dims (row, column, face, channel), 0 to 1.
    stripes
        float, dims (row, column, face): vertical stripes across a face.

    Raises
    ------
    InputError
        The map has a hole in its border, or no room inside.
    """

    walls: Tensor
    colors: Tensor
    stripes: Tensor

    def __post_init__(self) -> None:
        walls = self.walls
        if walls.ndim != 2 or min(walls.shape) < 3 or bool(walls.all()):
            raise InputError(
                f"walls has shape {tuple(walls.shape)}, expected (row, column) from 3 x 3 with "
                "at least one open cell"
            )
        border = torch.cat([walls[0], walls[-1], walls[:, 0], walls[:, -1]])
        if not bool(border.all()):
            raise InputError("walls is open at its border, expected a closed map")

    def to(self, device: torch.device | str) -> Scene:
        """Move to a device.

        Parameters
        ----------
        device
            Such as ``"cpu"``.

        Returns
        -------
        Scene
        """
        return Scene(self.walls.to(device), self.colors.to(device), self.stripes.to(device))


@dataclass(frozen=True)
class Hits:
    """Where rays end.

    Parameters
    ----------
    distance
        In lengths of the ray's direction, any dims.
    cell
        int64: ``row * columns + column`` of the wall that was hit.
    face
        int64: 0 up, 1 right, 2 down, 3 left.
    along
        Place on the face, 0 to 1, in the direction of growing x or y.
    """

    distance: Tensor
    cell: Tensor
    face: Tensor
    along: Tensor


def make_scene(walls: Tensor, generator: torch.Generator) -> Scene:
    """Paint every face of a map in a color and with stripes of its own.

    Parameters
    ----------
    walls
        bool, dims (row, column).
    generator
        Draws hue, saturation, brightness and one to four stripes for each face.

    Returns
    -------
    Scene

    Raises
    ------
    InputError
        See :class:`Scene`.

    Examples
    --------
    >>> walls = torch.ones(3, 4, dtype=torch.bool)
    >>> walls[1, 1:3] = False
    >>> make_scene(walls, torch.Generator().manual_seed(0)).colors.shape
    torch.Size([3, 4, 4, 3])
    """
    device = generator.device
    drawn = torch.rand(*walls.shape, 4, 4, generator=generator, dtype=torch.float32, device=device)
    hue, saturation, brightness, stripes = drawn.unbind(-1)
    wheel = (
        hue.unsqueeze(-1) * 6 + torch.tensor([5.0, 3.0, 1.0], dtype=torch.float32, device=device)
    ) % 6
    pure = torch.minimum(wheel, 4 - wheel).clamp(0, 1)
    saturation = 0.4 + 0.5 * saturation
    brightness = 0.5 + 0.5 * brightness
    colors = brightness.unsqueeze(-1) * (1 - saturation.unsqueeze(-1) * pure)
    return Scene(walls.to(device), colors, (1 + 4 * stripes).floor())


def cast_rays(walls: Tensor, position: Tensor, direction: Tensor) -> Hits:
    """Find what each ray hits first.

    Parameters
    ----------
    walls
        bool, dims (row, column), closed.
    position
        x and y of the eye, dims (xy, view): each in an open cell.
    direction
        dims (xy, view, ray), of any length above 0; distances are in this length.

    Returns
    -------
    Hits
        Dims (view, ray).

    Examples
    --------
    >>> walls = torch.ones(3, 5, dtype=torch.bool)
    >>> walls[1, 1:4] = False
    >>> hits = cast_rays(walls, torch.tensor([[1.5], [1.5]]), torch.tensor([[[1.0]], [[0.0]]]))
    >>> hits.distance.item(), hits.cell.item(), hits.face.item()
    (2.5, 9, 3)
    """
    n_rows, n_columns = walls.shape
    device, dtype = position.device, position.dtype
    step = torch.where(direction.abs() < LEAST, LEAST, direction)
    positive = (step > 0).long()
    blocked = torch.where(walls.flatten(), 0.0, math.inf).to(dtype)
    found = []
    for axis, (n, stride) in enumerate(((n_columns, 1), (n_rows, n_columns))):
        other, n_other = 1 - axis, (n_rows, n_columns)[axis]
        lines = torch.arange(1, n, device=device).view(-1, 1, 1)
        distance = (lines - position[axis].unsqueeze(-1)) / step[axis]
        across = torch.addcmul(position[other].unsqueeze(-1), distance, step[other])
        beyond = (lines - 1 + positive[axis]) * stride
        row = across.clamp(0, n_other - 0.5).long()
        cell = beyond + row * ((n_columns, 1)[axis])
        distance = torch.where(distance > 0, distance + blocked[cell], math.inf)
        nearest = distance.min(0, keepdim=True)
        found.append(
            (
                nearest.values[0],
                cell.gather(0, nearest.indices)[0],
                across.gather(0, nearest.indices)[0],
            )
        )
    (to_x, cell_x, along_x), (to_y, cell_y, along_y) = found
    vertical = to_x <= to_y
    along = torch.where(vertical, along_x, along_y)
    face = torch.where(vertical, 1 + 2 * positive[0], 2 - 2 * positive[1])
    return Hits(
        torch.where(vertical, to_x, to_y),
        torch.where(vertical, cell_x, cell_y),
        face,
        along - along.floor(),
    )


def render(
    scene: Scene,
    position: Tensor,
    heading: Tensor,
    *,
    height: int,
    width: int,
    field_of_view: float = 90.0,
) -> Tensor:
    """Draw what is seen from each place.

    Parameters
    ----------
    scene
        On the device of the places.
    position
        x and y, dims (xy, view), float.
    heading
        Clockwise from up, radians, dims (view).
    height, width
        Of a picture, pixels (square).
    field_of_view
        Across, degrees.

    Returns
    -------
    torch.Tensor
        RGB, 0 to 1, dims (view, channel, height, width). The eye is half-way up a wall of height 1.

    Examples
    --------
    >>> walls = torch.ones(3, 5, dtype=torch.bool)
    >>> walls[1, 1:4] = False
    >>> scene = make_scene(walls, torch.Generator().manual_seed(0))
    >>> place, heading = torch.tensor([[1.5, 2.5], [1.5, 1.5]]), torch.zeros(2)
    >>> render(scene, place, heading, height=16, width=24).shape
    torch.Size([2, 3, 16, 24])
    """
    view = view_of(height, width, field_of_view, position.device, position.dtype)
    sine, cosine = heading.sin().unsqueeze(-1), heading.cos().unsqueeze(-1)
    direction = torch.stack([sine + cosine * view.sideways, sine * view.sideways - cosine])
    hits = cast_rays(scene.walls, position, direction)
    face = hits.cell * 4 + hits.face
    stripes = (hits.along * scene.stripes.flatten()[face]).mul_(2 * math.pi).sin_()
    light = stripes.mul_(STRIPE).add_(1 - STRIPE) / (1 + SHADE * hits.distance)
    wall = scene.colors.flatten(0, 2)[face] * light.unsqueeze(-1)
    seen = view.up < (0.5 / hits.distance).view(len(heading), 1, 1, -1)
    return torch.where(seen, wall.movedim(-1, 1).unsqueeze(2), view.behind)


@dataclass(frozen=True)
class _View:
    """What all pictures of one size share.

    Parameters
    ----------
    sideways
        Tangent of each column's angle, dims (column).
    up
        Absolute tangent of each row's angle, dims (row, 1).
    behind
        Floor and ceiling, darker towards the horizon, dims (channel, row, 1).
    """

    sideways: Tensor
    up: Tensor
    behind: Tensor


@lru_cache(maxsize=16)
def view_of(
    height: int, width: int, field_of_view: float, device: torch.device, dtype: torch.dtype
) -> _View:
    reach = math.tan(math.radians(field_of_view) / 2)
    across, down = (
        (torch.arange(n, device=device, dtype=dtype) * 2 + 1 - n) / n for n in (width, height)
    )
    up = down * (reach * height / width)
    light = 1 / (1 + SHADE * 0.5 / up.abs().clamp(min=1e-3))
    ceiling, floor = (torch.tensor(c, device=device, dtype=dtype) for c in (CEILING, FLOOR))
    behind = torch.where(up > 0, floor.view(3, 1), ceiling.view(3, 1)) * light
    return _View(across * reach, up.abs().unsqueeze(-1), behind.unsqueeze(-1))
