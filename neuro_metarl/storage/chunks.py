"""A cohort in chunks: how a Zarr folder is laid out."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.storage.whole import WHOLE

__all__ = ["sessions_per_chunk"]

CHUNK_BYTES = 8_000_000
MOST_SESSIONS = 1000
# a variable of more dims than (session, trial, event) is read one event at a time
WIDE = 3
# activity hardly shrinks at any level of zstd; a fast one still drops what is constant
FAST = -1
LARGEST = 2**63 - 1
# what xarray knows for text even where there is none yet
TEXT = np.dtype("O", metadata={"element_type": str})


def sessions_per_chunk(cohort: xr.Dataset, n_sessions: int | None = None) -> int:
    """Choose how many sessions a chunk holds, the same for all variables.

    Parameters
    ----------
    cohort
        Some sessions.
    n_sessions
        How many there will be in all, if that is known.

    Returns
    -------
    int
        As many as fit the widest variable into a few megabytes, evenly shared out.

    Examples
    --------
    >>> wide = np.zeros((4, 100, 3, 48), "float32")
    >>> some = xr.Dataset({"activity": (("session", "trial", "event", "unit"), wide)})
    >>> sessions_per_chunk(some), sessions_per_chunk(some, 1000)
    (416, 334)
    """
    variables = [v for v in cohort.variables.values() if "session" in v.dims]
    most = min(MOST_SESSIONS, max(1, CHUNK_BYTES // max([1, *map(_chunk_bytes, variables)])))
    if not n_sessions:
        return most
    return -(-n_sessions // -(-n_sessions // most))


def _chunk_bytes(variable: xr.Variable) -> int:
    """Count the bytes of one session in a chunk: of one event, if the variable is wide."""
    if variable.dtype.kind in "OUT":
        return 0
    size = variable.dtype.itemsize * prod(n for d, n in variable.sizes.items() if d != "session")
    return size // variable.sizes["event"] if _is_wide(variable) else size


def _is_wide(variable: xr.Variable) -> bool:
    return variable.sizes.get("event", 0) > 0 and variable.ndim > WIDE


def _chunks(variable: xr.Variable, sessions: int) -> tuple[int, ...]:
    """Cut along sessions, wide variables along events too, and very long sessions along trials."""
    sizes = {d: max(1, n) for d, n in variable.sizes.items()} | {"session": sessions}
    if _is_wide(variable):
        sizes["event"] = 1
    size = _chunk_bytes(variable)
    if "trial" in sizes and size > 2 * CHUNK_BYTES:
        sizes["trial"] = max(1, sizes["trial"] * CHUNK_BYTES // size)
    return tuple(sizes[d] for d in variable.dims)


def write_chunks(cohort: xr.Dataset, path: Path, sessions: int) -> None:
    """Write a new Zarr folder that does not pass for whole until it is marked.

    Parameters
    ----------
    cohort
        Without encoding.
    path
        The folder.
    sessions
        Per chunk.
    """
    from zarr.codecs import ZstdCodec

    encoding: dict[Any, dict[str, Any]] = {}
    for name, variable in cohort.variables.items():
        level = _level(variable.dtype)
        encoding[name] = {"compressors": (ZstdCodec(level=level, checksum=True),)}
        if "session" in variable.dims:
            encoding[name]["chunks"] = _chunks(variable, sessions)
    as_text(cohort, TEXT).assign_attrs({WHOLE: 0}).to_zarr(
        path, zarr_format=3, consolidated=False, write_empty_chunks=True, encoding=encoding
    )


def _level(dtype: Any) -> int:
    return FAST if dtype.kind == "f" else 0


def fills_chunks(array: Any, start: int, values: np.ndarray) -> bool:
    """Say whether values, from session ``start`` on, are whole chunks that can be put directly."""
    sizes = (*zip(values.shape, array.chunks, strict=True), (start, array.chunks[0]))
    plain = values.dtype.kind in "iuf" and values.dtype == values.dtype.newbyteorder("<")
    return plain and array.dtype == values.dtype and not any(n % size for n, size in sizes)


def put_chunks(folder: Path, array: Any, start: int, values: np.ndarray) -> None:
    """Write whole chunks as Zarr does, with half of its work: fewer copies, no event loop."""
    from numcodecs.zstd import Zstd  # type: ignore[import-untyped]

    codec = Zstd(level=_level(values.dtype), checksum=True)
    counts = [n // size for n, size in zip(values.shape, array.chunks, strict=True)]
    for index in np.ndindex(*counts):
        cut = tuple(
            slice(i * size, (i + 1) * size) for i, size in zip(index, array.chunks, strict=True)
        )
        place = (start // array.chunks[0] + index[0], *index[1:])
        file = folder.joinpath("c", *map(str, place))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(codec.encode(np.ascontiguousarray(values[cut])))


def check_attributes(cohort: xr.Dataset) -> None:
    """Refuse attributes that no file can hold.

    Parameters
    ----------
    cohort
        A cohort.

    Raises
    ------
    InputError
        Neither text nor a 64-bit number.
    """
    owners = {"": cohort.attrs} | {f" of {n!r}": v.attrs for n, v in cohort.variables.items()}
    for owner, attributes in owners.items():
        for key, value in attributes.items():
            plain = isinstance(value, (str, float, np.integer, np.floating)) or (
                isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
            )
            if not plain:
                raise InputError(
                    f"attribute {key!r}{owner} is a {type(value).__name__}, which cannot be "
                    "stored; use a string (JSON for a configuration) or a 64-bit number"
                )


def as_text(cohort: xr.Dataset, kind: Any) -> xr.Dataset:
    """Turn texts into objects for writing, or into numpy's text after reading.

    Parameters
    ----------
    cohort
        A cohort.
    kind
        ``object`` or ``numpy.str_``.

    Returns
    -------
    xarray.Dataset
    """
    text = {
        name: (v.dims, v.values.astype(object).astype(kind), v.attrs)
        for name, v in cohort.variables.items()
        if v.dtype.kind in "OUT" or name in ("subject", "session_id")
    }
    coords = {name: v for name, v in text.items() if name in cohort.coords}
    return cohort.assign_coords(coords).assign({k: v for k, v in text.items() if k not in coords})
