"""Small whole files of every kind that is read, and how the damaged ones are compared with them."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.io import savemat

import neuro_metarl as nm
from neuro_metarl.cohort import make_cohort
from neuro_metarl.storage import open_cohort, save_cohort, to_dataframe
from tests.fuzz.structure import Grid, Said, damage_grid, damage_hdf5, damage_json, in_text
from tests.matlab_files import write_matlab73

__all__ = ["READERS", "Reader"]

N_SUBJECTS, N_TRIALS = 3, 12


@dataclass(frozen=True)
class Reader:
    """One kind of file.

    Parameters
    ----------
    name
        Of the file, with its ending.
    make
        Writes a whole one.
    read
        Gives what is compared.
    differs
        Called with the original, with what was read of the damaged one, and with the number of
        bytes changed in place (None: others); says in words why it should have been refused, or
        ``""``.
    structure
        Damages columns, keys or groups of a whole copy in place; says what it did, and how many
        cells were changed where the others stayed as they were.
    """

    name: str
    make: Callable[[Path], Any]
    read: Callable[[Path], Any]
    differs: Callable[[Any, Any, int | None], str]
    structure: Callable[[Path, random.Random], tuple[str, int | None]]


def _cohort(wide: bool) -> xr.Dataset:
    rng = np.random.default_rng(0)
    shape = (N_SUBJECTS, N_TRIALS)
    choice = rng.integers(2, size=shape)
    variables: dict[str, Any] = {
        "choice": choice,
        "reward": rng.integers(2, size=shape).astype(float),
        "forced": rng.integers(2, size=shape),
        "p_reward": rng.integers(1, 9, size=(*shape, 2)) / 10,
    }
    coords: dict[str, Any] = {"option": ("option", np.arange(2, dtype="int8"))}
    if wide:
        variables["activity"] = rng.random((*shape, 2, 4), dtype="float32")
        coords |= {"event": ["cue", "reward"], "unit": np.arange(4)}
    names = [f"rat{k}" for k in range(N_SUBJECTS)]
    return make_cohort(
        variables, subject=names, task="bandit", source="animal", coords=coords,
        attrs={"title": "a small cohort"},
    )  # fmt: skip


def _frame() -> pd.DataFrame:
    frame = to_dataframe(_cohort(wide=False)).drop(columns="invalid_reason", errors="ignore")
    return frame.assign(valid=frame["valid"].astype(int))


def _grid() -> Grid:
    frame = _frame()
    return [list(frame.columns), *frame.astype(object).to_numpy().tolist()]


def _columns(grid: Grid) -> dict[str, list[Any]]:
    """Put a damaged grid into named columns, as a program that writes a file would."""
    names = [str(name) for name in grid[0]]
    return {
        name: [row[k] if k < len(row) else "" for row in grid[1:]] for k, name in enumerate(names)
    }


def _put_json(path: Path, grid: Grid | None = None) -> None:
    rows = grid or _grid()
    names = [str(name) for name in rows[0]]
    path.write_text(json.dumps([dict(zip(names, row, strict=False)) for row in rows[1:]]))


def _put_xlsx(path: Path, grid: Grid | None = None) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in grid or _grid():
        # a workbook holds no more letters in a cell
        book.active.append([c[:32_000] if isinstance(c, str) else c for c in row])
    book.save(path)


def _put_matlab5(path: Path, grid: Grid | None = None) -> None:
    named = {k[:31]: np.array(v) for k, v in _columns(grid or _grid()).items() if k.isidentifier()}
    savemat(path, {k: v.astype(object) if v.dtype.kind in "OU" else v for k, v in named.items()})


def _put_matlab73(path: Path, grid: Grid | None = None) -> None:
    named = {k[:63]: v for k, v in _columns(grid or _grid()).items() if k.isidentifier()}
    for key, column in named.items():
        if any(isinstance(cell, str) or cell is None for cell in column):
            named[key] = [str(cell)[:1000] for cell in column]
    write_matlab73(path, named)


def _regridded(put: Callable[[Path, Grid], None]) -> Callable[[Path, random.Random], Said]:
    """Damage the grid, and write the file anew."""

    def damage(path: Path, chance: random.Random) -> Said:
        grid = _grid()
        said = damage_grid(grid, chance)
        put(path, grid)
        return said

    return damage


def _one_of(*ways: Callable[[Path, random.Random], Said]) -> Callable[[Path, random.Random], Said]:
    return lambda path, chance: chance.choice(ways)(path, chance)


def _in_json(path: Path, chance: random.Random) -> Said:
    """Damage one of the JSON files of a folder, or a JSON file."""
    files = [path] if path.is_file() else sorted(path.rglob("*.json"))
    file = chance.choice(files)
    damaged, what = damage_json(file.read_text(), chance)
    file.write_text(damaged)
    return f"{file.name}: {what}", None


def _in_safetensors(path: Path, chance: random.Random) -> Said:
    """Damage the header of the weights, whose length stands before it."""
    file = path / "agents.safetensors"
    content = file.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header, what = damage_json(content[8:end].decode(), chance)
    encoded = header.encode()
    file.write_bytes(len(encoded).to_bytes(8, "little") + encoded + content[end:])
    return f"{file.name}: {what}", None


def _read_table(path: Path) -> xr.Dataset:
    return nm.read(path, task="bandit")


def identical(original: xr.Dataset, found: xr.Dataset, n_bytes: int | None) -> str:
    """Nothing may differ: the format has checksums."""
    if not found.identical(original):
        return "another cohort, although its files have checksums"
    return ""


def few_elements(original: xr.Dataset, found: xr.Dataset, n_bytes: int | None) -> str:
    """No more numbers may differ than bytes were changed; names and sizes may not."""
    several = 0
    for name, variable in original.variables.items():
        if name not in found.variables:
            return f"{name!r} is missing"
        other = found.variables[name]
        if other.shape != variable.shape or other.dims != variable.dims:
            return f"{name!r} has sizes {dict(other.sizes)}, not {dict(variable.sizes)}"
        same = (variable.values == other.values) | (
            (variable.values != variable.values) & (other.values != other.values)
        )
        several += int((~np.asarray(same)).sum())
    # a choice that turns invalid takes its reward with it
    allowed = 0 if n_bytes is None else 3 * n_bytes
    return f"{several} values differ, of {n_bytes} changed bytes" if several > allowed else ""


def few_rows(original: xr.Dataset, found: xr.Dataset, n_bytes: int | None) -> str:
    """No more trials may differ than bytes were changed."""
    if n_bytes is None:
        # a row that was taken out or put in whole leaves a table that is whole too
        return ""
    # a column whose name was damaged is told to be missing, and is not compared
    told = set(str(found.attrs.get("undeclared", "")).split(", "))
    told |= {"p_reward_0", "p_reward_1"} if "p_reward" not in found else set()
    lost = _rows(original, told) - _rows(found, told)
    allowed = n_bytes + 1
    n = sum(lost.values())
    return f"{n} trials differ, of {n_bytes} changed bytes" if n > allowed else ""


def _rows(cohort: xr.Dataset, told: set[str]) -> Counter[Any]:
    frame = to_dataframe(cohort)
    kept = frame[frame["valid"] == 1]
    names = ["subject", "choice", "reward", "forced", "p_reward_0", "p_reward_1"]
    there = [name for name in names if name in kept and name not in told]
    return Counter(tuple(str(v) for v in row) for row in kept[there].to_numpy().tolist())


def same_agents(original: Any, found: Any, n_bytes: int | None) -> str:
    """Weights, names, task and recipe are those that were saved."""
    import torch

    for name, one, other in (
        ("names", original.names, found.names),
        ("task", original.task.config, found.task.config),
        ("recipe", original.recipe, found.recipe),
        ("seed", original.seed, found.seed),
    ):
        if one != other:
            return f"another {name}, although the checkpoint has a checksum"
    same = torch.equal(original.population.flat, found.population.flat)
    return "" if same else "other weights, although the checkpoint has a checksum"


def _put_agents(path: Path) -> None:
    nm.save_agents(nm.load_agents("two-step/0"), path)


def _put_nwb(path: Path) -> None:
    from neuro_metarl.io import write_nwb

    write_nwb(_cohort(wide=True).isel(session=[0]), path)


def _put_nix(path: Path) -> None:
    from neuro_metarl.io import write_neo

    write_neo(_cohort(wide=True).isel(session=[0]), path)


def _read_neo(path: Path) -> xr.Dataset:
    from neuro_metarl.io import read_neo

    return read_neo(path)


READERS = {
    "netCDF": Reader(
        "c.nc", lambda p: save_cohort(_cohort(wide=True), p), open_cohort, identical, damage_hdf5
    ),
    "Zarr": Reader(
        "c.zarr", lambda p: save_cohort(_cohort(wide=True), p), open_cohort, identical, _in_json
    ),
    "checkpoint": Reader(
        "agents", _put_agents, nm.load_agents, same_agents, _one_of(_in_json, _in_safetensors)
    ),
    "CSV": Reader(
        "t.csv", lambda p: _frame().to_csv(p, index=False), _read_table, few_rows, in_text(",")
    ),
    "TSV": Reader(
        "t.tsv", lambda p: _frame().to_csv(p, index=False, sep="\t"), _read_table, few_rows,
        in_text("\t"),
    ),
    "XLSX": Reader("t.xlsx", _put_xlsx, _read_table, few_rows, _regridded(_put_xlsx)),
    "JSON": Reader(
        "t.json", _put_json, _read_table, few_rows, _one_of(_in_json, _regridded(_put_json))
    ),
    "MATLAB 5": Reader("t.mat", _put_matlab5, _read_table, few_rows, _regridded(_put_matlab5)),
    "MATLAB 7.3": Reader(
        "t.mat", _put_matlab73, _read_table, few_rows,
        _one_of(damage_hdf5, _regridded(_put_matlab73)),
    ),
    "NWB": Reader("s.nwb", _put_nwb, nm.read, few_elements, damage_hdf5),
    "NIX": Reader("s.nix", _put_nix, _read_neo, few_elements, damage_hdf5),
}  # fmt: skip
