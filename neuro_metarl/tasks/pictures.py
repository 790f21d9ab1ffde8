"""Sets of pictures: made here by a deterministic generator, or read from a folder.

Made pictures look like nothing in particular: a textured background and one to three blobs with
textures of their own. Every colour channel of every picture has the same mean and the same
standard deviation, so that pictures differ in pattern alone; a glance at the mean colour tells
nothing.

Pictures are split once: those to learn from, and those held out, which training never shows.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from neuro_metarl.errors import InputError

__all__ = ["GENERATED", "load_pictures", "make_pictures", "read_pictures"]

GENERATED = "generated"
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
CANVAS = 68
MEAN, SD = 0.5, 0.2


@lru_cache(maxsize=8)
def load_pictures(
    source: str,
    size: int,
    n_pictures: int,
    *,
    held_out: bool,
    device: torch.device | None = None,
) -> Tensor:
    """Load the pictures of one half of a set; what was loaded is remembered.

    Parameters
    ----------
    source
        ``"generated"`` or a folder, see :func:`make_pictures` and :func:`read_pictures`.
    size
        Side in pixels.
    n_pictures
        Pictures wanted in this half; of a folder, the most that are taken.
    held_out
        The half that training never shows.
    device
        Where they go.

    Returns
    -------
    torch.Tensor
        uint8, dims (picture, 3, row, column).

    Raises
    ------
    InputError
        See :func:`read_pictures`.

    Examples
    --------
    >>> load_pictures("generated", 16, 3, held_out=True).shape
    torch.Size([3, 3, 16, 16])
    """
    if source == GENERATED:
        return make_pictures(n_pictures, size, held_out=held_out).to(device)
    return read_pictures(source, size, held_out=held_out)[:n_pictures].to(device)


def make_pictures(n_pictures: int, size: int, *, held_out: bool = False) -> Tensor:
    """Make pictures: the same numbers give the same pictures, whoever makes them.

    Parameters
    ----------
    n_pictures
        Pictures. The first ones do not depend on how many follow.
    size
        Side in pixels, 4 to 68.
    held_out
        Make the pictures that training never shows.

    Returns
    -------
    torch.Tensor
        uint8, dims (picture, 3, row, column). Every channel of every picture has mean .5 and
        standard deviation .2 of the range.

    Raises
    ------
    InputError
        An impossible size or number.

    Notes
    -----
    Background: noise of spectrum 1/f^a (a .8 to 2), a grating, or rings, the latter two bent by
    noise, in two random colours. In front of it one to three blobs whose outline is a Fourier
    series of four harmonics, each with a texture of its own.

    Examples
    --------
    >>> make_pictures(2, 16).float().mean((2, 3)).div(255).round(decimals=2)
    tensor([[0.5000, 0.5000, 0.5000],
            [0.5000, 0.5000, 0.5000]])
    """
    if not 4 <= size <= CANVAS:
        raise InputError(f"picture size is {size}, expected 4 to {CANVAS} pixels")
    if n_pictures < 2:
        raise InputError(f"n_pictures is {n_pictures}, expected 2 or more")
    made = [_draw(2 * k + held_out) for k in range(n_pictures)]
    pictures = _shrink(np.stack(made), size)
    for _ in range(30):  # clipping moves what was just set; a few rounds settle it
        mean = pictures.mean((-2, -1), keepdims=True)
        sd = pictures.std((-2, -1), keepdims=True)
        pictures = (MEAN + SD * (pictures - mean) / sd).clip(0, 1)
    return torch.from_numpy(np.round(255 * pictures).astype(np.uint8))


def read_pictures(folder: str | os.PathLike[str], size: int, *, held_out: bool = False) -> Tensor:
    """Read the pictures of a folder and of the folders in it.

    Parameters
    ----------
    folder
        Holds picture files, such as JPEG or PNG; other files are passed over.
    size
        Side in pixels: the middle square of each picture is averaged down (or enlarged) to it.
    held_out
        Read the half that training never shows.

    Returns
    -------
    torch.Tensor
        uint8, dims (picture, 3, row, column), in an order that depends on the files alone.

    Raises
    ------
    InputError
        No such folder, a file that cannot be read as a picture, fewer than two pictures in
        either half, or Pillow is missing.

    Notes
    -----
    A file's content says to which half it belongs, not its name or its neighbours: adding
    pictures never moves one that training has shown into the held-out half, and copies of one
    file stay together and count once.

    Examples
    --------
    >>> read_pictures("no/such/folder", 16)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: no folder of pictures no/such/folder...
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(
            f"no folder of pictures {path}; give a folder that is there, or {GENERATED!r}"
        )
    if not 4 <= size <= 1024:
        raise InputError(f"picture size is {size}, expected 4 to 1024 pixels")
    files = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in SUFFIXES and p.is_file()]
    digests = {hashlib.sha256(_bytes(p)).digest(): p for p in reversed(files)}
    halves: tuple[list[Path], list[Path]] = ([], [])
    for digest in sorted(digests):
        halves[digest[-1] % 2].append(digests[digest])
    if min(map(len, halves)) < 2:
        raise InputError(
            f"{path}: {len(halves[0])} pictures to train on and {len(halves[1])} held out (a "
            "file's content says to which half it belongs), expected 2 or more of each; add "
            f"pictures ({', '.join(s[1:] for s in SUFFIXES)})"
        )
    return torch.stack([_open(p, size) for p in halves[held_out]])


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _open(path: Path, size: int) -> Tensor:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise InputError(
            "reading pictures needs Pillow, which is not installed: pip install pillow, or use "
            f"pictures={GENERATED!r}"
        ) from None
    try:
        with Image.open(path) as image:
            rgb = ImageOps.exif_transpose(image).convert("RGB")
            fitted = ImageOps.fit(rgb, (size, size), Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a picture that can be read ({error})") from None
    return torch.from_numpy(np.asarray(fitted).copy()).permute(2, 0, 1)


class _Dice:
    """Random numbers whose bits are fixed for good, unlike those of NumPy's distributions."""

    def __init__(self, key: int) -> None:
        self.bits = np.random.Philox(key=key)

    def uniform(self, *shape: int) -> Any:
        raw = self.bits.random_raw(int(np.prod(shape, initial=1)))
        return ((np.asarray(raw) >> np.uint64(11)) + 0.5).reshape(shape) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        return float(low + (high - low) * self.uniform(1)[0])

    def below(self, n: int) -> int:
        return int(n * self.uniform(1)[0])


_AXIS = (np.arange(CANVAS) + 0.5) / CANVAS - 0.5
_Y, _X = np.meshgrid(_AXIS, _AXIS, indexing="ij")
_FREQUENCY = np.hypot(np.fft.fftfreq(CANVAS)[:, None], np.fft.rfftfreq(CANVAS)[None, :]) * CANVAS


def _draw(key: int) -> Any:
    """Draw one picture on the canvas, dims (3, row, column), of any range."""
    dice = _Dice(key)
    picture = _texture(dice)
    for _ in range(1 + dice.below(3)):
        picture = np.where(_blob(dice), _texture(dice), picture)
    return picture


def _texture(dice: _Dice) -> Any:
    """Fill the canvas with a pattern in two colours."""
    kind = dice.below(3)
    if kind == 0:
        pattern = _noise(dice, dice.between(0.8, 2.0))
    else:
        bend = 0.06 * _noise(dice, 2.0)
        waves, phase = dice.between(2.0, 9.0), dice.between(0, 2 * np.pi)
        if kind == 1:
            angle = dice.between(0, np.pi)
            along = np.cos(angle) * _X + np.sin(angle) * _Y
        else:
            along = np.hypot(_X - dice.between(-0.4, 0.4), _Y - dice.between(-0.4, 0.4))
        pattern = np.sin(2 * np.pi * waves * (along + bend) + phase)
    share = 1 / (1 + np.exp(-2 * pattern))
    one, other = dice.uniform(2, 3, 1, 1)
    return one + (other - one) * share


def _noise(dice: _Dice, exponent: float) -> Any:
    """Make noise whose amplitude falls with frequency to the power; mean 0, sd 1."""
    spectrum = np.fft.rfft2(ndtri(dice.uniform(CANVAS, CANVAS)))
    amplitude = np.where(_FREQUENCY > 0, np.maximum(_FREQUENCY, 1.0) ** -exponent, 0.0)
    noise = np.fft.irfft2(spectrum * amplitude, s=(CANVAS, CANVAS))
    return noise / noise.std()


def _blob(dice: _Dice) -> Any:
    """Mark the inside of a star-shaped outline."""
    x, y = dice.between(-0.28, 0.28), dice.between(-0.28, 0.28)
    angle, radius = np.arctan2(_Y - y, _X - x), np.ones_like(_X)
    for harmonic in range(2, 6):
        size, phase = dice.between(0, 0.5) / harmonic, dice.between(0, 2 * np.pi)
        radius += size * np.cos(harmonic * angle + phase)
    return np.hypot(_X - x, _Y - y) < dice.between(0.14, 0.32) * radius


def _shrink(pictures: Any, size: int) -> Any:
    """Average the canvas down to a size: each pixel is the mean over its own area."""
    edges = np.linspace(0, CANVAS, size + 1)
    pixel = np.arange(CANVAS)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    weights = overlap.clip(0) * size / CANVAS
    return weights @ pictures @ weights.T
