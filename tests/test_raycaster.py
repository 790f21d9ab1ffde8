"""Pictures of walls against an exact walk from cell to cell, ray by ray."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.raycaster import cast_rays, make_scene, render
from neuro_metarl.tasks.raycaster_cpu import render_compiled

MAPS = {
    "I": [
        "#######",
        "#.....#",
        "###.###",
        "###.###",
        "###.###",
        "#.....#",
        "#######",
    ],
    "rooms": [
        "############",
        "#....#.....#",
        "#.##...#.#.#",
        "#....#.....#",
        "#.#......#.#",
        "############",
    ],
}


def walls_of(name: str) -> torch.Tensor:
    return torch.tensor([[c == "#" for c in row] for row in MAPS[name]])


def random_rays(walls: torch.Tensor, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    rows, columns = (~walls).nonzero(as_tuple=True)
    cell = torch.randint(len(rows), (n,), generator=g)
    place = torch.stack([columns[cell], rows[cell]]) + 0.01 + 0.98 * torch.rand(2, n, generator=g)
    angle = torch.rand(n, generator=g) * 2 * math.pi
    return place, torch.stack([angle.sin(), -angle.cos()]).unsqueeze(-1)


def walk(
    walls: np.ndarray, x: float, y: float, dx: float, dy: float
) -> tuple[float, int, int, float]:
    """Go from cell to cell in double precision (Amanatides and Woo 1987)."""
    column, row, t, face = int(x), int(y), 0.0, -1
    n_columns = walls.shape[1]
    while not walls[row, column]:
        next_x = column + (dx > 0)
        next_y = row + (dy > 0)
        to_x = (next_x - x) / dx if dx else math.inf
        to_y = (next_y - y) / dy if dy else math.inf
        if to_x <= to_y:
            t, column, face = to_x, column + (1 if dx > 0 else -1), 3 if dx > 0 else 1
        else:
            t, row, face = to_y, row + (1 if dy > 0 else -1), 0 if dy > 0 else 2
    along = y + t * dy if face in (1, 3) else x + t * dx
    return t, row * n_columns + column, face, along - math.floor(along)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("seed", [0, 1])
def test_rays_end_where_an_exact_walk_ends(name: str, seed: int) -> None:
    """20,000 rays in all: every face is right, float32 distances are within 1e-5 of it."""
    walls, n = walls_of(name), 5000
    place, direction = random_rays(walls, n, seed)
    hits = cast_rays(walls, place, direction)
    there = [
        walk(walls.numpy(), *map(float, (*place[:, k], *direction[:, k, 0]))) for k in range(n)
    ]
    distance, cell, face, along = map(np.array, zip(*there, strict=True))
    assert (hits.cell[:, 0].numpy() == cell).all()
    assert (hits.face[:, 0].numpy() == face).all()
    assert np.abs(hits.distance[:, 0].numpy() / distance - 1).max() < 1e-5
    assert np.abs(hits.along[:, 0].numpy() - along).max() < 1e-4


def test_the_check_of_rays_can_fail() -> None:
    """Rays from places a thousandth away end on other faces or at other distances."""
    walls = walls_of("I")
    place, direction = random_rays(walls, 5000, 0)
    here, moved = (cast_rays(walls, place + d, direction) for d in (0.0, 1e-3))
    assert float((here.distance / moved.distance - 1).abs().max()) > 1e-3
    assert (here.face != moved.face).any()


def test_rays_along_the_axes_by_hand() -> None:
    walls = walls_of("I")
    place = torch.full((2, 4), 3.5)
    heading = torch.tensor([[0.0, 1.0, 0.0, -1.0], [-1.0, 0.0, 1.0, 0.0]]).unsqueeze(-1)
    hits = cast_rays(walls, place, heading)
    assert hits.distance.flatten().tolist() == [2.5, 0.5, 2.5, 0.5]
    assert hits.face.flatten().tolist() == [2, 3, 0, 1]
    assert hits.cell.flatten().tolist() == [3, 3 * 7 + 4, 6 * 7 + 3, 3 * 7 + 2]
    assert hits.along.flatten().tolist() == [0.5] * 4


def test_longer_directions_give_shorter_distances() -> None:
    walls = walls_of("rooms")
    place, direction = random_rays(walls, 200, 3)
    one, two = (cast_rays(walls, place, k * direction) for k in (1, 2))
    assert torch.allclose(one.distance, 2 * two.distance, rtol=1e-6)
    assert torch.equal(one.cell, two.cell)


def picture(place: list[float], heading: float, **changes: float) -> torch.Tensor:
    walls = torch.ones(3, 12, dtype=torch.bool)
    walls[1, 1:11] = False
    scene = make_scene(walls, torch.Generator().manual_seed(0))
    options = {"height": 40, "width": 60} | changes
    return render(
        scene,
        torch.tensor(place).view(2, 1),
        torch.tensor([heading]),
        **options,  # type: ignore[arg-type]
    )[0]


@pytest.mark.parametrize("x", [6.0, 8.0, 10.0])
def test_a_wall_is_as_high_as_it_is_near(x: float) -> None:
    """At 90 degrees across, a wall of height 1 at distance d covers width / (2 d) rows."""
    image = picture([x, 1.5], math.pi / 2, height=400, width=60)
    far = 11 - x
    column = image[:, :, 29]
    wall = (column - column[:, 200:201]).abs().sum(0) < 1e-6
    assert int(wall.sum()) == pytest.approx(60 / (2 * far), abs=1)
    assert wall.nonzero().float().mean() == pytest.approx(199.5, abs=0.5)


def test_mirrored_rays_go_equally_far() -> None:
    """The I is its own mirror image; a place off its middle is not."""
    walls = walls_of("I")
    _, direction = random_rays(walls, 300, 0)
    mirror = torch.tensor([-1.0, 1.0]).view(2, 1, 1)
    for x, equal in ((3.5, True), (3.3, False)):
        place = torch.tensor([[x], [3.5]]).expand(2, 300)
        a, b = (cast_rays(walls, place, d).distance for d in (direction, direction * mirror))
        assert torch.allclose(a, b, rtol=1e-5) == equal


def test_nearer_walls_are_brighter() -> None:
    near, far = (picture([x, 1.5], math.pi / 2)[:, 20, 30].sum() for x in (10.0, 3.0))
    assert near > far


def test_colors_are_colors_and_repeat_with_their_seed() -> None:
    walls = walls_of("rooms")
    a, b, c = (make_scene(walls, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(a.colors, b.colors)
    assert torch.equal(a.stripes, b.stripes)
    assert not torch.equal(a.colors, c.colors)
    assert float(a.colors.min()) >= 0
    assert float(a.colors.max()) <= 1
    assert a.stripes.unique().tolist() == [1, 2, 3, 4]
    flat = a.colors.flatten(0, 2)
    assert len(flat.unique(dim=0)) == len(flat)


def test_rendering_a_batch_is_rendering_one_by_one() -> None:
    walls = walls_of("rooms")
    scene = make_scene(walls, torch.Generator().manual_seed(0))
    place, direction = random_rays(walls, 30, 5)
    heading = torch.atan2(direction[0, :, 0], -direction[1, :, 0])
    together = render(scene, place, heading, height=12, width=20)
    for k in range(30):
        alone = render(scene, place[:, k : k + 1], heading[k : k + 1], height=12, width=20)
        assert torch.allclose(together[k], alone[0], atol=1e-5)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize(("height", "width"), [(8, 16), (33, 20)])
def test_the_compiled_raycaster_draws_the_same(name: str, height: int, width: int) -> None:
    """To rounding, but for pixels on an edge: fewer than one in a thousand."""
    walls = walls_of(name)
    scene = make_scene(walls, torch.Generator().manual_seed(0))
    place, direction = random_rays(walls, 400, 1)
    heading = torch.atan2(direction[0, :, 0], -direction[1, :, 0])
    straight = torch.tensor([0.0, math.pi / 2, math.pi])
    place, heading = torch.cat([place, place[:, :3]], 1), torch.cat([heading, straight])
    a, b = (
        draw(scene, place, heading, height=height, width=width, field_of_view=80.0)
        for draw in (render, render_compiled)
    )
    other = ((a - b).abs() > 1e-3).any(1)
    assert float(other.float().mean()) < 1e-3
    assert float((a - b).abs().max(1).values[~other].max()) < 1e-3
    moved = render_compiled(scene, place + 0.01, heading, height=height, width=width)
    assert float(((a - moved).abs() > 1e-3).any(1).float().mean()) > 0.1


def test_double_precision_is_kept() -> None:
    walls = walls_of("I")
    place, direction = random_rays(walls, 10, 0)
    assert cast_rays(walls, place.double(), direction.double()).distance.dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_draws_the_same() -> None:
    walls = walls_of("I")
    scene = make_scene(walls, torch.Generator().manual_seed(0))
    place, _ = random_rays(walls, 50, 0)
    heading = torch.linspace(0, 6, 50)
    here = render(scene, place, heading, height=16, width=24)
    there = render(scene.to("cuda"), place.cuda(), heading.cuda(), height=16, width=24).cpu()
    assert float(((here - there).abs() > 1e-3).float().mean()) < 0.01


@pytest.mark.parametrize(
    ("walls", "message"),
    [
        (torch.ones(4, 4, dtype=torch.bool), "at least one open cell"),
        (torch.ones(2, 4, dtype=torch.bool), r"shape \(2, 4\), expected"),
        (torch.zeros(4, 4, dtype=torch.bool), "open at its border"),
    ],
)
def test_impossible_maps(walls: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_scene(walls, torch.Generator().manual_seed(0))
