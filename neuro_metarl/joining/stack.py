"""Sessions stacked: shorter ones padded, units put where they belong on a common axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.schema import VARIABLES, specification

__all__ = ["Axis", "fill_of", "same", "shared_attrs", "stack_sessions"]


@dataclass(frozen=True)
class Axis:
    """A common axis of units.

    Parameters
    ----------
    places
        For each cohort, the place of each of its units on the axis.
    coords, data
        Coordinates and variables along the axis; the coordinate ``unit`` names the units.
    """

    places: Sequence[np.ndarray]
    coords: Mapping[str, np.ndarray]
    data: Mapping[str, np.ndarray]

    @property
    def n_units(self) -> int:
        """Count the units."""
        return len(self.coords["unit"])


def stack_sessions(cohorts: Sequence[xr.Dataset], axis: Axis | None = None) -> xr.Dataset:
    """Stack cohorts along ``session``; shorter sessions are padded.

    Parameters
    ----------
    cohorts
        Cohorts with the same variables, and the same sizes but for sessions, trials and units.
    axis
        Where their units go; None: they have the same.

    Returns
    -------
    xarray.Dataset
        Padding is what the schema has for it, and for other variables NaN, ``""`` or 0; NaN where
        a unit was not recorded. Variables without ``session`` are the first cohort's; attributes
        that differ are dropped.

    Raises
    ------
    InputError
        A variable along ``unit`` cannot hold NaN.

    Examples
    --------
    >>> a = xr.Dataset({"reward": (("session", "trial"), [[1.0, 0.0]])})
    >>> b = xr.Dataset({"reward": (("session", "trial"), [[1.0]])})
    >>> stack_sessions([a, b]).reward.values.tolist()
    [[1.0, 0.0], [1.0, nan]]
    """
    sizes = {"session": sum(c.sizes["session"] for c in cohorts),
             "trial": max(c.sizes["trial"] for c in cohorts)}  # fmt: skip
    longest = max(cohorts, key=lambda c: c.sizes["trial"])
    made: dict[str, xr.Variable] = {}
    for name, first in cohorts[0].variables.items():
        if axis is not None and first.dims == ("unit",):
            continue
        parts = [c.variables[name] for c in cohorts]
        if axis is not None and "unit" in first.dims:
            made[str(name)] = _spread(str(name), parts, axis, sizes)
        elif any("session" in part.dims for part in parts):
            made[str(name)] = _stacked(str(name), parts, cohorts, sizes)
        else:
            chosen = longest.variables[name] if "trial" in first.dims else first
            made[str(name)] = chosen.copy(deep=False)
        made[str(name)].attrs = shared_attrs([part.attrs for part in parts])
    coords = {str(n) for n in cohorts[0].coords}
    if axis is not None:
        along = {**axis.coords, **axis.data}
        made |= {n: xr.Variable(("unit",), values) for n, values in along.items()}
        coords = (coords - set(axis.data)) | set(axis.coords)
    return xr.Dataset(
        {n: v for n, v in made.items() if n not in coords},
        coords={n: v for n, v in made.items() if n in coords},
        attrs=shared_attrs([c.attrs for c in cohorts]),
    )


def _spread(
    name: str, parts: Sequence[xr.Variable], axis: Axis, sizes: Mapping[str, int]
) -> xr.Variable:
    """Fill one array with what was recorded of each unit; NaN elsewhere."""
    dims = parts[0].dims
    dtype = np.result_type(*[part.dtype for part in parts])
    if dtype.kind != "f":
        raise InputError(
            f"cannot join: {name} is of type {dtype}, which cannot hold NaN where a unit was not "
            "recorded; make it float"
        )
    shape = [
        axis.n_units if d == "unit" else sizes.get(str(d), n)
        for d, n in zip(dims, parts[0].shape, strict=True)
    ]
    whole = np.full(shape, np.nan, dtype)
    by_unit = np.moveaxis(whole, dims.index("unit"), -1)
    rest = [d for d in dims if d != "unit"]
    begin = 0
    for part, place in zip(parts, axis.places, strict=True):
        block = part.transpose(*rest, "unit").values
        n_sessions = part.sizes.get("session", 0)
        spans = {"session": slice(begin, begin + n_sessions),
                 "trial": slice(part.sizes.get("trial", 0))}  # fmt: skip
        into = by_unit[tuple(spans.get(str(d), slice(None)) for d in rest)]
        begin += n_sessions
        if len(np.unique(place)) == len(place):
            into[..., place] = block
            continue
        for k, column in zip(place, np.moveaxis(block, -1, 0), strict=True):
            into[..., k] = np.where(np.isnan(column), into[..., k], column)
    return xr.Variable(dims, whole)


def shared_attrs(every: Iterable[Mapping[Any, Any]]) -> dict[Any, Any]:
    """Keep the attributes that nobody contradicts.

    Parameters
    ----------
    every
        Attributes of several things.

    Returns
    -------
    dict

    Examples
    --------
    >>> shared_attrs([{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"c": 4}])
    {'a': 1, 'c': 4}
    """
    kept: dict[Any, Any] = {}
    dropped = set()
    for attrs in every:
        for name, value in attrs.items():
            if name in kept and not same(kept[name], value):
                dropped.add(name)
            kept.setdefault(name, value)
    return {name: value for name, value in kept.items() if name not in dropped}


def same(one: Any, other: Any) -> bool:
    """Say whether two values are equal; NaN equals NaN.

    Parameters
    ----------
    one, other
        Numbers, texts or arrays.

    Returns
    -------
    bool

    Examples
    --------
    >>> same(float("nan"), float("nan")), same("a", "b")
    (True, False)
    """
    try:
        return bool(np.array_equal(one, other, equal_nan=True))
    except TypeError:
        return bool(np.array_equal(one, other))


def _stacked(
    name: str, parts: list[xr.Variable], cohorts: Sequence[xr.Dataset], sizes: dict[str, int]
) -> xr.Variable:
    """Fill one array with the blocks of every cohort."""
    if len(parts) == 1:
        return parts[0].copy(deep=False)
    dims = next(part.dims for part in parts if "session" in part.dims)
    dims = dims if len(dims) == max(len(p.dims) for p in parts) else parts[0].dims
    blocks = []
    for part, cohort in zip(parts, cohorts, strict=True):
        missing = {d: cohort.sizes[d] for d in dims if d not in part.dims}
        blocks.append(np.asarray(part.set_dims({**missing, **part.sizes}).transpose(*dims).values))
    at, along = dims.index("session"), dims.index("trial") if "trial" in dims else None
    dtype = np.result_type(*[b.dtype for b in blocks])
    if along is None or len({b.shape[along] for b in blocks}) == 1:
        return xr.Variable(dims, np.concatenate(blocks, axis=at).astype(dtype, copy=False))
    shape = [sizes.get(str(d), n) for d, n in zip(dims, blocks[0].shape, strict=True)]
    stacked = np.full(shape, fill_of(name, dtype), dtype)
    begin = 0
    for block in blocks:
        place = [slice(None)] * len(shape)
        place[at] = slice(begin, begin + block.shape[at])
        place[along] = slice(block.shape[along])
        stacked[tuple(place)] = block
        begin += block.shape[at]
    return xr.Variable(dims, stacked)


def fill_of(name: str, dtype: np.dtype) -> Any:
    """Give what stands where there is nothing.

    Parameters
    ----------
    name
        Of the variable.
    dtype
        Of its values.

    Returns
    -------
    object
        What the schema has for it; for other variables NaN, ``""`` or 0.

    Examples
    --------
    >>> fill_of("choice", np.dtype("int8")), fill_of("phase", np.dtype("U3"))
    (-1, '')
    """
    if name in VARIABLES or name.startswith("t_"):
        return specification(name)[2]
    return {"f": np.nan, "U": "", "O": "", "M": np.datetime64("NaT")}.get(dtype.kind, 0)
