"""Seeded damage to the bytes of a file, or to the files of a folder."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

__all__ = ["mutate", "mutate_bytes"]

MOST = 8


def mutate(source: Path, target: Path, seed: int) -> tuple[str, int | None]:
    """Copy a file or folder with one damage.

    Parameters
    ----------
    source
        Whole.
    target
        Where the damaged one goes.
    seed
        Decides the damage.

    Returns
    -------
    what, n_bytes
        What was done, in words; how many bytes were changed in place, or None if bytes or files
        were taken out, put in or moved.
    """
    chance = random.Random(seed)
    if not source.is_dir():
        damaged, what, n = mutate_bytes(source.read_bytes(), chance)
        target.write_bytes(damaged)
        return what, n
    shutil.copytree(source, target)
    files = sorted(p for p in target.rglob("*") if p.is_file())
    one = chance.choice(files)
    name = one.relative_to(target).as_posix()
    how = chance.choice(["bytes"] * 6 + ["lost", "swapped", "copied", "empty"])
    if how == "bytes":
        damaged, what, n = mutate_bytes(one.read_bytes(), chance)
        one.write_bytes(damaged)
        return f"{name}: {what}", n
    other = chance.choice(files)
    if how == "lost":
        one.unlink()
    elif how == "empty":
        one.write_bytes(b"")
    elif how == "copied":
        one.write_bytes(other.read_bytes())
    else:
        mine = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(mine)
    return f"{name}: {how} ({other.relative_to(target).as_posix()})", None


def mutate_bytes(content: bytes, chance: random.Random) -> tuple[bytes, str, int | None]:
    """Damage bytes: some in place, or some taken out, put in, moved, or all after a place lost."""
    damaged = bytearray(content)
    size = len(damaged)
    if not size:
        return b"\0", "one byte put into an empty file", None
    how = chance.choice(
        ["bit", "byte", "byte", "run", "zeros", "out", "in", "again", "cut", "move"]
    )
    at, n = chance.randrange(size), chance.randint(1, MOST)
    if how == "bit":
        damaged[at] ^= 1 << chance.randrange(8)
        n = 1
    elif how == "byte":
        damaged[at] = chance.randrange(256)
        n = 1
    elif how in ("run", "zeros"):
        n = min(n, size - at)
        damaged[at : at + n] = bytes(n) if how == "zeros" else chance.randbytes(n)
    elif how == "out":
        del damaged[at : at + n]
    elif how == "in":
        damaged[at:at] = chance.randbytes(n)
    elif how == "again":
        damaged[at:at] = damaged[at : at + n]
    elif how == "cut":
        del damaged[at:]
    else:
        other = chance.randrange(size)
        piece = bytes(damaged[other : other + n])
        damaged[at : at + len(piece)] = piece
        n = len(piece)
    in_place = n if how in ("bit", "byte", "run", "zeros", "move") else None
    if len(damaged) != size:
        in_place = None
    return bytes(damaged), f"{how} of {n} at {at}", in_place
