"""Small whole files of every kind that is read, and how the damaged ones are compared with them."""

from __future__ import annotations

import json
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
    """

    name: str
    make: Callable[[Path], Any]
    read: Callable[[Path], Any]
    differs: Callable[[Any, Any, int | None], str]


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


def _put_json(path: Path) -> None:
    path.write_text(json.dumps(_frame().to_dict("records")))


def _put_matlab5(path: Path) -> None:
    frame = _frame()
    content = {name: frame[name].to_numpy() for name in frame}
    savemat(path, {k: v.astype(object) if v.dtype.kind in "OU" else v for k, v in content.items()})


def _put_matlab73(path: Path) -> None:
    write_matlab73(path, {name: list(column) for name, column in _frame().items()})


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
        "c.nc", lambda p: save_cohort(_cohort(wide=True), p), open_cohort, identical
    ),
    "Zarr": Reader(
        "c.zarr", lambda p: save_cohort(_cohort(wide=True), p), open_cohort, identical
    ),
    "checkpoint": Reader("agents", _put_agents, nm.load_agents, same_agents),
    "CSV": Reader("t.csv", lambda p: _frame().to_csv(p, index=False), _read_table, few_rows),
    "TSV": Reader(
        "t.tsv", lambda p: _frame().to_csv(p, index=False, sep="\t"), _read_table, few_rows
    ),
    "XLSX": Reader("t.xlsx", lambda p: _frame().to_excel(p, index=False), _read_table, few_rows),
    "JSON": Reader("t.json", _put_json, _read_table, few_rows),
    "MATLAB 5": Reader("t.mat", _put_matlab5, _read_table, few_rows),
    "MATLAB 7.3": Reader("t.mat", _put_matlab73, _read_table, few_rows),
    "NWB": Reader("s.nwb", _put_nwb, nm.read, few_elements),
    "NIX": Reader("s.nix", _put_nix, _read_neo, few_elements),
}  # fmt: skip
