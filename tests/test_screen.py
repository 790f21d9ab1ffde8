"""What is on the screen is where it should be, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.screen import Screen

SCREENS = [Screen(40, 16, 16, 2), Screen(84, 84, 34, 4), Screen(45, 21, 9, 3)]


@pytest.mark.parametrize("screen", SCREENS, ids=str)
@pytest.mark.parametrize("reach", [0, 7])
def test_pictures_are_six_units_left_and_right_of_the_middle(screen: Screen, reach: int) -> None:
    size = screen.picture_size
    pairs = torch.randint(256, (2, 5, 3, size, size), dtype=torch.uint8)
    fields = screen.two_pictures(pairs, reach)
    assert fields.shape == (10, 3, screen.height, screen.width + 2 * reach * screen.gaze_unit)
    for number, field in enumerate(fields):
        pair, first_is_right = divmod(number, 2)
        truth = np.zeros(field.shape, np.float32)
        middle_row, middle = screen.height / 2, field.shape[-1] / 2
        for k in (0, 1):
            centre = middle + (6 if (k == 1) != first_is_right else -6) * screen.gaze_unit
            for row in range(size):
                for column in range(size):
                    y = int(middle_row - size / 2) + row
                    x = int(centre - size / 2) + column
                    truth[:, y, x] = pairs[k, pair, :, row, column].numpy() / 255 - 0.5
        assert np.abs(field.numpy() - truth).max() < 1e-6


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_the_cross_stands_in_the_middle(screen: Screen) -> None:
    cross = screen.cross(reach=7)
    assert set(cross.unique().tolist()) == {0.0, 0.5}
    assert torch.equal(cross, cross.flip(1))
    assert torch.equal(cross, cross.flip(2))
    white = cross[0] == 0.5
    long = 4 * screen.gaze_unit
    for extent in (white.any(0).sum(), white.any(1).sum()):
        assert int(extent) in (long, long + 1)
    assert int(white[0].sum() if screen.height == int(white.any(1).sum()) else 0) <= long
    thick = white.sum(0).min(), white.sum(0)[white.any(0)].min()
    assert int(thick[1]) in (screen.gaze_unit, screen.gaze_unit + 1)


def test_views_are_a_gaze_unit_apart() -> None:
    assert Screen(40, 16, 16, 2).offsets(7) == tuple(range(0, 29, 2))
    assert Screen(40, 16, 16, 2).fields(1, 7).shape[-1] == 68
    assert Screen(84, 84, 34, 4).fields(1, 7).shape[-1] == 140
    assert Screen(84, 84, 34, 4).offsets(0) == (0,)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((38, 16, 16, 2), "38 x 16 pixels cannot show two pictures of 16 pixels 24 apart"),
        ((40, 14, 16, 2), "expected at least 40 x 16"),
        ((84, 84, 34, 2), "the pictures would overlap; expected at most 24"),
        ((41, 16, 16, 2), "a picture cannot be centred"),
    ],
)
def test_screens_too_small(sizes: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Screen(*sizes)
