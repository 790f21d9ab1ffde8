"""Seeded damage to what a file says: its columns and cells, its JSON, its groups and attributes."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

__all__ = ["HDF5_DAMAGE", "Grid", "Said", "damage_grid", "damage_hdf5", "damage_json", "in_text"]

Grid = list[list[Any]]
Said = tuple[str, int | None]

ODD_NAMES = (
    "p_reward_01", "p_reward_²", "p_reward_", "p_reward_99999999", "t_", "=1+1", "rat$_{1$", "",
    " choice ", "Choice", "choice2", "nan", "trial", "session", "valid", "x" * 70_000, "a\nb",
)  # fmt: skip
ODD_CELLS = (
    "²", "١", "1e400", "-1e400", "nan", "-0", "-1", "2", "99999999999999999999", "", " ", "0x1",
    "1,5", "1_0", "true", "=1+1", "=cmd|' /C calc'!A0", "rat$_{1$", "<script>", "x" * 70_000,
    "\u202e", "NULL", "#DIV/0!", "2020-01-01", "1e300", "0.5",
)  # fmt: skip
ODD_VALUES = (
    None, True, -1, 0, 2**70, 1e300, "", "abc", "²", [], {}, [[]], [1, "a"], {"a": {"b": []}},
    "x" * 70_000, [0] * 1000, "../../etc", float("nan"),
)  # fmt: skip


def damage_grid(grid: Grid, chance: random.Random) -> Said:
    """Change rows and columns in place; the first row has the names.

    Returns
    -------
    what, n_cells
        What was done; how many cells were changed where the others stayed as they were, else None.
    """
    n_rows, n_columns = len(grid), len(grid[0])
    row, column = chance.randrange(1, n_rows), chance.randrange(n_columns)
    other = chance.randrange(n_columns)
    how = chance.choice(list(GRID_DAMAGE))
    said = GRID_DAMAGE[how](grid, chance, row, column, other)
    return f"{how} (row {row}, column {grid[0][column % len(grid[0])]!r:.40})", said


def _lost(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> None:
    for cells in grid:
        del cells[column]


def _twice(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> None:
    for cells in grid:
        cells.insert(other, cells[column])


def _renamed(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> None:
    grid[0][column] = chance.choice(ODD_NAMES)


def _exchanged(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> None:
    grid[0][column], grid[0][other] = grid[0][other], grid[0][column]


def _moved(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> int:
    for cells in grid:
        cells.insert(other, cells.pop(column))
    return 0


def _cell(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> int:
    grid[row][column] = chance.choice(ODD_CELLS)
    return 1


def _column(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> None:
    odd = chance.choice(ODD_CELLS)
    for cells in grid[1:]:
        cells[column] = odd


def _short(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> None:
    del grid[row][column:]


def _long(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> None:
    grid[row] += [""] * chance.choice([1, 10, 300]) + [chance.choice(ODD_CELLS)]


def _no_row(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> None:
    del grid[row]


def _row_twice(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> None:
    grid.insert(row, list(grid[row]))


def _no_rows(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> None:
    del grid[1:]


def _names_again(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> None:
    grid.insert(row, list(grid[0]))


def _without_names(grid: Grid, chance: random.Random, row: int, column: int, other: int) -> None:
    del grid[0]


GRID_DAMAGE: dict[str, Callable[[Grid, random.Random, int, int, int], int | None]] = {
    "column lost": _lost,
    "column twice": _twice,
    "column renamed": _renamed,
    "names exchanged": _exchanged,
    "column moved": _moved,
    "one cell": _cell,
    "another cell": _cell,
    "whole column": _column,
    "short row": _short,
    "long row": _long,
    "row lost": _no_row,
    "row twice": _row_twice,
    "no rows": _no_rows,
    "names again": _names_again,
    "names lost": _without_names,
}


def in_text(separator: str) -> Callable[[Path, random.Random], Said]:
    """Damage the grid of a text table."""

    def damage(path: Path, chance: random.Random) -> Said:
        with path.open(newline="", encoding="utf-8") as stream:
            grid: Grid = list(csv.reader(stream, delimiter=separator))
        said = damage_grid(grid, chance)
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, delimiter=separator).writerows(grid)
        return said

    return damage


def damage_json(text: str, chance: random.Random) -> tuple[str, str]:
    """Change, remove, add or nest one thing in a JSON text."""
    said = json.loads(text)
    places: list[tuple[Any, Any]] = []
    waiting = [said]
    while waiting:
        item = waiting.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item))
        places += [(item, key) for key in keys]
        waiting += [item[key] for key in keys if isinstance(item[key], dict | list)]
    holder, key = chance.choice(places)
    how = chance.choice(["changed", "changed", "removed", "added", "nested", "renamed", "deep"])
    if how == "changed":
        holder[key] = chance.choice(ODD_VALUES)
    elif how == "removed":
        del holder[key]
    elif how == "nested":
        holder[key] = [holder[key]]
    elif how == "added":
        odd = chance.choice(ODD_VALUES)
        holder.append(odd) if isinstance(holder, list) else holder.update({"odd": odd})
    elif how == "renamed" and isinstance(holder, dict):
        holder[f"{key}²"] = holder.pop(key)
    elif how == "deep":
        holder[key] = "DEEP"
        depth = chance.choice([500, 200_000])
        return json.dumps(said).replace('"DEEP"', "[" * depth + "]" * depth), f"{key}: {how}"
    return json.dumps(said), f"{key}: {how}"


def damage_hdf5(path: Path, chance: random.Random) -> Said:
    """Change one group, data set or attribute of an HDF5 file by HDF5's own means."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = chance.choice(names)
        how = chance.choice(list(HDF5_DAMAGE))
        HDF5_DAMAGE[how](file, name, chance.choice(names), chance)
    return f"{name}: {how}", None


def _remove(file: h5py.File, name: str, other: str, chance: random.Random) -> None:
    del file[name]


def _rename(file: h5py.File, name: str, other: str, chance: random.Random) -> None:
    file.move(name, f"{name}²")


def _link(file: h5py.File, name: str, other: str, chance: random.Random) -> None:
    if not other.startswith(name):
        del file[name]
        file[name] = h5py.SoftLink(f"/{other}")


def _outside(file: h5py.File, name: str, other: str, chance: random.Random) -> None:
    del file[name]
    file[name] = h5py.ExternalLink("/etc/hostname", "/")


def _refill(file: h5py.File, name: str, content: Any) -> None:
    kept = dict(file[name].attrs)
    del file[name]
    made = file.create_dataset(name, data=content)
    for key, value in kept.items():
        made.attrs[key] = value


def _shorter(file: h5py.File, name: str, other: str, chance: random.Random) -> None:
    if isinstance(file[name], h5py.Dataset) and file[name].ndim:
        _refill(file, name, file[name][:-1])


def _other_type(file: h5py.File, name: str, other: str, chance: random.Random) -> None:
    if isinstance(file[name], h5py.Dataset) and file[name].dtype.kind in "iuf":
        _refill(file, name, np.asarray(file[name]).astype("S8"))


def _flat(file: h5py.File, name: str, other: str, chance: random.Random) -> None:
    if isinstance(file[name], h5py.Dataset):
        _refill(file, name, 1.0)


def _huge(file: h5py.File, name: str, other: str, chance: random.Random) -> None:
    """A data set of 1e10 values that takes no place on the disk."""
    if isinstance(file[name], h5py.Dataset) and file[name].ndim == 1:
        kept = dict(file[name].attrs)
        kind = file[name].dtype
        del file[name]
        made = file.create_dataset(name, (10**10,), dtype=kind, chunks=(1000,))
        for key, value in kept.items():
            made.attrs[key] = value


def _attribute(file: h5py.File, name: str, other: str, chance: random.Random) -> None:
    attributes = file[name].attrs
    if attributes:
        key = chance.choice(sorted(attributes))
        if chance.random() < 0.5:
            del attributes[key]
        else:
            attributes[key] = chance.choice(["", "²", "abc", -1, 1e300, "x" * 1000])


HDF5_DAMAGE: dict[str, Callable[[h5py.File, str, str, random.Random], None]] = {
    "removed": _remove,
    "renamed": _rename,
    "a link": _link,
    "a link to another file": _outside,
    "shorter": _shorter,
    "text": _other_type,
    "one number": _flat,
    "1e10 values": _huge,
    "an attribute": _attribute,
}
