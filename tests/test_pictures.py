"""Pictures: made ones are all different in pattern and alike in colour; folders split by file."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.pictures import load_pictures, make_pictures, read_pictures

N = 150


@pytest.fixture(scope="module", params=[16, 34])
def made(request: pytest.FixtureRequest) -> torch.Tensor:
    return make_pictures(N, request.param).double().div(255)


def test_every_channel_has_the_same_mean_and_deviation(made: torch.Tensor) -> None:
    """Up to what clipping and 256 levels leave: .005."""
    assert (made.mean((2, 3)) - 0.5).abs().max() < 0.005
    assert (made.std((2, 3)) - 0.2).abs().max() < 0.005


def test_every_pair_differs_in_pattern_in_every_channel(made: torch.Tensor) -> None:
    """Independent patterns of deviation .2 are sqrt(2) .2 = .28 apart, root mean square."""
    pixels = made.shape[-1]
    all_channels = torch.pdist(made.flatten(1)) / (3 * pixels**2) ** 0.5
    assert all_channels.mean().item() == pytest.approx(0.28, abs=0.01)
    assert all_channels.min() > 0.12
    for channel in range(3):
        assert torch.pdist(made[:, channel].flatten(1)).min() / pixels > 0.07


def identified(features: torch.Tensor, cast: torch.Tensor) -> float:
    """Share of pairs told apart by the nearest feature, under a colour cast of the probe."""
    probe = features + cast
    same = (probe - features).square().sum(1)
    other = (probe - features.roll(1, 0)).square().sum(1)
    return float((same < other).double().mean())


def test_mean_colour_tells_nothing_and_pattern_everything(made: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    cast = (torch.rand(N, 3, generator=generator, dtype=torch.float64) - 0.5) * 0.2
    mean = made.mean((2, 3))
    explained = mean.var(0).mean() / made.flatten(1).var(0).mean()
    assert explained < 0.001
    assert identified(mean, cast) < 0.5 + 4 * 0.5 / N**0.5
    whole = cast[:, :, None, None].expand_as(made).flatten(1)
    assert identified(made.flatten(1), whole) == 1


def test_a_jittered_mean_would_tell(made: torch.Tensor) -> None:
    """Negative control of the test above."""
    generator = torch.Generator().manual_seed(0)
    jitter = torch.randn(N, 3, generator=generator, dtype=torch.float64) * 0.2
    cast = (torch.rand(N, 3, generator=generator, dtype=torch.float64) - 0.5) * 0.2
    assert identified(made.mean((2, 3)) + jitter, cast) > 0.8


def test_pictures_are_the_same_everywhere_and_halves_share_none() -> None:
    """Means over the first pictures, to a level; they must not change with any version."""
    train, held = make_pictures(20, 12), make_pictures(20, 12, held_out=True)
    assert torch.equal(train[:5], make_pictures(5, 12))
    assert not (train[:, None] == held[None]).flatten(2).all(2).any()
    corners = train[:4, :, 0, 0].int().flatten().tolist()
    assert corners == pytest.approx(KNOWN, abs=2)


KNOWN = [62, 164, 98, 156, 127, 141, 94, 191, 207, 130, 94, 168]


def test_a_size_is_the_average_of_the_larger_one() -> None:
    """17 pixels are 34 averaged by twos, but that each size is clipped on its own."""
    large, small = make_pictures(30, 34).double(), make_pictures(30, 17).double().flatten(1)
    halved = torch.nn.functional.avg_pool2d(large, 2).flatten(1)
    together = np.corrcoef(small, halved)[:30, 30:]
    assert together.diagonal().min() > 0.9
    assert np.abs(together[~np.eye(30, dtype=bool)]).max() < 0.8


@pytest.mark.parametrize(("n", "size"), [(1, 16), (10, 3), (10, 69)])
def test_impossible_sets(n: int, size: int) -> None:
    with pytest.raises(InputError, match="expected"):
        make_pictures(n, size)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write 40 pictures in two folders, beside a file that is none."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for k in range(40):
        where = tmp_path / ("a" if k % 2 else "b")
        where.mkdir(exist_ok=True)
        rgb = np.zeros((30, 40, 3), np.uint8)
        rgb[..., :] = rng.integers(0, 256, 3)
        suffix = (".png", ".bmp", ".PNG", ".tiff")[k % 4]
        Image.fromarray(rgb).save(where / f"{k}{suffix}")
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def colours(pictures: torch.Tensor) -> set[tuple[int, ...]]:
    return {tuple(p) for p in pictures[:, :, 0, 0].tolist()}


def test_a_folder_is_split_by_file(folder: Path) -> None:
    train, held = read_pictures(folder, 8), read_pictures(folder, 8, held_out=True)
    assert train.dtype == torch.uint8
    assert train.shape[1:] == held.shape[1:] == (3, 8, 8)
    assert len(train) + len(held) == 40
    assert min(len(train), len(held)) >= 2
    assert not colours(train) & colours(held)
    assert train.eq(train[:, :, :1, :1]).all()


def test_names_and_neighbours_do_not_move_a_picture(folder: Path) -> None:
    from PIL import Image

    before = colours(read_pictures(folder, 8, held_out=True))
    first = next((folder / "a").iterdir())
    (folder / "copy.png").write_bytes((folder / "a" / "1.bmp").read_bytes())
    first.rename(folder / f"z{first.suffix}")
    assert colours(read_pictures(folder, 8, held_out=True)) == before
    assert len(read_pictures(folder, 8)) + len(before) == 40
    Image.new("RGB", (9, 9), (1, 2, 3)).save(folder / "new.png")
    assert before <= colours(read_pictures(folder, 8, held_out=True))


def test_the_middle_square_is_averaged(tmp_path: Path) -> None:
    """Left and right margins are cut; each pixel is the mean of those it stands for.

    Within a level: rows and columns are averaged, and rounded, one after the other.
    """
    from PIL import Image

    rng = np.random.default_rng(1)
    inner = rng.integers(0, 256, (16, 16, 3), np.uint8)
    wide = np.pad(inner, ((0, 0), (5, 5), (0, 0)))
    for k in range(12):
        wide[0, 0] = k
        Image.fromarray(wide).save(tmp_path / f"{k}.png")
    truth = inner.reshape(4, 4, 4, 4, 3).mean((1, 3)).transpose(2, 0, 1)
    assert np.abs(read_pictures(tmp_path, 4)[0].numpy() - truth).max() <= 1


def test_what_cannot_be_used(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(InputError, match="0 pictures to train on and 0 held out"):
        read_pictures(empty, 8)
    with pytest.raises(InputError, match="no folder of pictures"):
        load_pictures(str(empty / "nowhere"), 8, 10, held_out=False)
    (empty / "one.png").write_bytes((folder / "b" / "0.png").read_bytes())
    with pytest.raises(InputError, match="expected 2 or more of each"):
        read_pictures(empty, 8)
    for k in range(12):
        (folder / f"torn{k}.png").write_bytes((folder / "b" / "0.png").read_bytes()[: 30 + k])
    with pytest.raises(InputError, match=r"torn\d+\.png: not a picture that can be read"):
        read_pictures(folder, 8)


def test_pillow_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "PIL":
            raise ImportError(name)
        return ordinary(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match="needs Pillow, which is not installed: pip install"):
        read_pictures(folder, 8)
    assert len(load_pictures("generated", 8, 2, held_out=False)) == 2


def test_loading_takes_as_many_as_wanted(folder: Path) -> None:
    assert len(load_pictures(str(folder), 8, 3, held_out=True)) == 3
    assert len(load_pictures(str(folder), 8, 1000, held_out=True)) > 3
