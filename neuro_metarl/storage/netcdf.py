"""A cohort in one netCDF file: written so that a full disk is an error, and known to be whole."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.files import check_room

__all__ = ["checksums", "write_netcdf"]

CHECKSUM = "neuro_metarl_checksum"
FORMAT = "neuro_metarl/checksum/1"
COMPRESSION = {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True}
# what HDF5 adds to the numbers themselves
OVERHEAD, PER_VARIABLE = 1_000_000, 50_000
SUMMED = "biufUO"
# deflate makes nothing smaller than a thousandth; what is smaller was not written
MOST_COMPRESSED, SMALL = 1100, 1_000_000
DIMENSION_ALONE = "This is a netCDF dimension but not a netCDF variable"


def write_netcdf(dataset: xr.Dataset, path: Path) -> None:
    """Write a data set to a new netCDF-4 file; a full disk is an error and no crash.

    HDF5 ends the process when the disk is full at the moment it closes a file. So the room is asked
    for first; where there is not enough for the numbers uncompressed, the file is made in memory,
    and put on the disk as one block.

    Parameters
    ----------
    dataset
        Without encoding.
    path
        The file.

    Raises
    ------
    OSError
        There is no room.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "a.nc")
    >>> write_netcdf(xr.Dataset({"x": ("n", [1.5])}), file)
    >>> xr.load_dataset(file, engine="h5netcdf").x.values.tolist()
    [1.5]
    """
    encoding: dict[Any, dict[str, Any]] = {
        name: COMPRESSION
        for name, v in dataset.variables.items()
        if v.size and v.ndim and v.dtype.kind in "biuf"
    }
    if _has_room(path, dataset):
        dataset.to_netcdf(path, engine="h5netcdf", encoding=encoding)
        return
    import h5netcdf  # type: ignore[import-untyped]
    from xarray.backends import H5NetCDFStore

    whole = io.BytesIO()
    with h5netcdf.File(whole, "w") as file:
        dataset.dump_to_store(H5NetCDFStore(file), encoding=encoding)
    path.write_bytes(whole.getbuffer())


def _has_room(path: Path, dataset: xr.Dataset) -> bool:
    size = OVERHEAD + PER_VARIABLE * len(dataset.variables) + int(1.05 * dataset.nbytes)
    try:
        check_room(path, size)
    except OSError:
        return False
    return True


def checksums(dataset: xr.Dataset) -> str:
    """Sum up what a data set says, so that a file of it can be verified.

    Parameters
    ----------
    dataset
        In memory.

    Returns
    -------
    str
        JSON: SHA-256 of names, dims, shapes, types and attributes, and CRC-32 of the values of
        each variable of numbers or text.

    Examples
    --------
    >>> one, other = xr.Dataset({"x": ("n", [1.0])}), xr.Dataset({"x": ("n", [2.0])})
    >>> checksums(one) == checksums(other)
    False
    """
    values = {
        str(name): _crc(v.values) for name, v in dataset.variables.items() if v.dtype.kind in SUMMED
    }
    return json.dumps({"format": FORMAT, "layout": _layout(dataset), "values": values})


def _layout(dataset: xr.Dataset) -> str:
    said = {
        str(name): [
            list(map(str, v.dims)), list(v.shape), _type(v.dtype), name in dataset.coords,
            _plain(v.attrs),
        ]
        for name, v in dataset.variables.items()
    }  # fmt: skip
    text = json.dumps([said, _plain(dataset.attrs)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _type(dtype: Any) -> str:
    if dtype.kind in "UO":
        return "text"
    return str(dtype.newbyteorder("=")) if dtype.kind in SUMMED else str(dtype.kind)


def _plain(attributes: Any) -> dict[str, Any]:
    plain = {str(k): v.item() if isinstance(v, np.generic) else v for k, v in attributes.items()}
    return {k: v for k, v in plain.items() if k != CHECKSUM}


def _crc(values: np.ndarray) -> int:
    if values.dtype.kind in "UO":
        return zlib.crc32(json.dumps([str(v) for v in values.ravel()]).encode())
    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    if values.dtype.kind == "f":
        # the NaN of netCDF's fill values comes back as the one NaN that NumPy writes
        missing = np.isnan(values)
        if missing.any():
            values = np.where(missing, np.array(np.nan, values.dtype), values)
    return zlib.crc32(values.reshape(-1).view(np.uint8).data) if values.size else 0


def verify(cohort: xr.Dataset, said: Any, *, values: bool) -> None:
    """Compare what was read with the checksums that were written beside it.

    Parameters
    ----------
    cohort
        As it was read.
    said
        What :func:`checksums` made of it before it was written.
    values
        Compare the values too; else names, dims, shapes, types and attributes only.

    Raises
    ------
    ValueError
        They differ, or cannot be read.
    """
    known = json.loads(said) if isinstance(said, str) else {}
    if not isinstance(known, dict) or known.get("format") != FORMAT:
        raise ValueError("its checksums cannot be read")
    if known["layout"] != _layout(cohort):
        raise ValueError("names, sizes, types or attributes are not those that were written")
    if not values:
        return
    found = json.loads(checksums(cohort))["values"]
    for name in sorted(set(found) | set(known["values"])):
        if found.get(name) != known["values"].get(name):
            raise ValueError(f"the checksum of {name!r} differs")


def refuse_links(path: Path) -> None:
    """Refuse an HDF5 file whose numbers stand in other files.

    Parameters
    ----------
    path
        An HDF5 file.

    Raises
    ------
    InputError
        An external or soft link, external storage, or a virtual data set.
    """
    with h5py.File(path) as file:
        for name in file:
            link = file.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise InputError(
                    f"{path}: {name!r} is a link to another place ({getattr(link, 'path', '')}), "
                    "which is not followed; a cohort's numbers stand in its own file"
                )
            item = file[name]
            if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
                raise InputError(
                    f"{path}: {name!r} takes its numbers from other files, which is not followed; "
                    "a cohort's numbers stand in its own file"
                )
            if isinstance(item, h5py.Dataset):
                _refuse_unwritten(path, name, item)


def _refuse_unwritten(path: Path, name: str, item: h5py.Dataset) -> None:
    """Refuse sizes of which the file holds nothing, before memory is asked for."""
    promised, stored = item.size * item.dtype.itemsize, item.id.get_storage_size()
    without_values = DIMENSION_ALONE in str(item.attrs.get("NAME"))
    if promised > MOST_COMPRESSED * stored + SMALL and not without_values:
        raise InputError(
            f"{path}: cannot be read, the file is damaged ({name!r} has {item.size} values, but "
            f"only {stored} bytes of them are in the file); copy the file again"
        )
