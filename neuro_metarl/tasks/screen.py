"""A simulated screen with a cross or two pictures, wider than what is seen of it at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.gaze import REACH, TARGET

__all__ = ["Screen"]

GREY = 0.5


@dataclass(frozen=True)
class Screen:
    """Sizes of a screen, in pixels, and how it is drawn.

    Parameters
    ----------
    width, height
        What is seen at once.
    picture_size
        Side of a picture.
    gaze_unit
        The smallest displacement of the gaze. Pictures are centred six units left and right of
        the middle.

    Raises
    ------
    InputError
        Both pictures cannot be shown.

    Notes
    -----
    Grey is 0, black -.5, white .5, in each of three colour channels.

    Examples
    --------
    >>> Screen(40, 16, 16, 2).cross(reach=7).shape
    torch.Size([3, 16, 68])
    """

    width: int
    height: int
    picture_size: int
    gaze_unit: int

    def __post_init__(self) -> None:
        size, apart = self.picture_size, 2 * TARGET * self.gaze_unit
        if size > apart:
            raise InputError(
                f"picture_size is {size} and gaze_unit {self.gaze_unit}: the pictures would "
                f"overlap; expected at most {apart} pixels"
            )
        if self.width < apart + size or self.height < size:
            raise InputError(
                f"a screen of {self.width} x {self.height} pixels cannot show two pictures of "
                f"{size} pixels {apart} apart; expected at least {apart + size} x {size}"
            )
        if (self.width - size) % 2 or (self.height - size) % 2:
            raise InputError(
                f"width {self.width}, height {self.height} and picture_size {size}: a picture "
                "cannot be centred; expected all even or all odd"
            )

    def offsets(self, reach: int) -> tuple[int, ...]:
        """Give the first column of the view at each gaze, from ``-reach`` units to ``reach``."""
        return tuple(self.gaze_unit * k for k in range(2 * reach + 1))

    def fields(self, n: int, reach: int, device: torch.device | None = None) -> Tensor:
        """Make grey fields for a gaze that reaches so many units.

        Returns
        -------
        torch.Tensor
            float32, dims (field, 3, row, column).
        """
        wide = self.width + 2 * reach * self.gaze_unit
        return torch.zeros(n, 3, self.height, wide, dtype=torch.float32, device=device)

    def cross(self, reach: int = REACH, device: torch.device | None = None) -> Tensor:
        """Draw a white cross in the middle, four units long and one thick.

        Returns
        -------
        torch.Tensor
            Dims (3, row, column).
        """
        field = self.fields(1, reach, device)[0]
        sizes, unit = field.shape[-2:], self.gaze_unit
        for lengths in ((4 * unit, unit), (unit, 4 * unit)):
            # a bar has the parity of the screen, so that it stands in the very middle
            rows, columns = (
                slice((size - length) // 2, (size + length) // 2)
                for size, length in zip(sizes, map(_match, lengths, sizes), strict=True)
            )
            field[:, rows, columns] = 1 - GREY
        return field

    def two_pictures(self, pairs: Tensor, reach: int = REACH) -> Tensor:
        """Draw pairs of pictures, either way round.

        Parameters
        ----------
        pairs
            uint8, dims (2, pair, 3, row, column).
        reach
            Units that the gaze reaches.

        Returns
        -------
        torch.Tensor
            Dims (field, 3, row, column). Field ``2 p`` has the first picture of pair p left,
            field ``2 p + 1`` has it right.
        """
        first, second = pairs.float().div(255).sub(GREY)
        fields = self.fields(2 * pairs.shape[1], reach, pairs.device)
        size, away = self.picture_size, TARGET * self.gaze_unit
        top, middle = ((n - size) // 2 for n in fields.shape[-2:])
        left = fields[:, :, top : top + size, middle - away : middle - away + size]
        right = fields[:, :, top : top + size, middle + away : middle + away + size]
        left[0::2] = right[1::2] = first
        left[1::2] = right[0::2] = second
        return fields


def _match(length: int, size: int) -> int:
    return min(size, length + (size - length) % 2)
