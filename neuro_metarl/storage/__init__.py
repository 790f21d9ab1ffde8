"""Cohorts on disk: netCDF, Zarr and plain tables, back as they were."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from neuro_metarl.cohort import validate_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.files import atomic_path
from neuro_metarl.files.damage import DAMAGE, check_heaps
from neuro_metarl.schema import SCHEMA
from neuro_metarl.storage.chunks import (
    as_text,
    check_attributes,
    sessions_per_chunk,
    write_chunks,
)
from neuro_metarl.storage.netcdf import CHECKSUM, checksums, refuse_links, verify, write_netcdf
from neuro_metarl.storage.stream import save_stream
from neuro_metarl.storage.tables import from_dataframe, to_dataframe
from neuro_metarl.storage.whole import (
    LISTING,
    WHOLE,
    check_whole,
    foreign_in_zarr,
    mark_whole,
    refuse_codecs,
)

__all__ = ["from_dataframe", "open_cohort", "save_cohort", "save_stream", "to_dataframe"]


def save_cohort(
    cohort: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a cohort to netCDF or Zarr, whole or not at all.

    Parameters
    ----------
    cohort
        A valid cohort.
    path
        A name that ends in ``.nc`` (one file) or ``.zarr`` (a folder of chunks). A symbolic link
        is followed.
    overwrite
        Replace a cohort that is there. What is no cohort is never replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        Not a cohort, another ending, an attribute that cannot be stored, a place that cannot be
        written, a full disk, or something that is there already.

    Examples
    --------
    >>> import tempfile
    >>> from neuro_metarl import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> path = save_cohort(cohort, tempfile.mkdtemp() + "/cohort.nc")
    >>> open_cohort(path).identical(cohort)
    True
    """
    target = Path(path)
    validate_cohort(cohort)
    kind = _kind(target)
    check_attributes(cohort)
    plain = cohort.drop_encoding()
    foreign = foreign_netcdf if kind == ".nc" else foreign_in_zarr
    with atomic_path(target, foreign=foreign, overwrite=overwrite) as temporary:
        if kind == ".nc":
            write_netcdf(plain.assign_attrs({CHECKSUM: checksums(plain)}), temporary)
        else:
            write_chunks(plain, temporary, sessions_per_chunk(plain, plain.sizes["session"]))
            mark_whole(temporary)
    return target


def open_cohort(path: str | os.PathLike[str], *, lazy: bool = False) -> xr.Dataset:
    """Read a cohort that :func:`save_cohort` or ``record`` wrote.

    Parameters
    ----------
    path
        ``.nc`` or ``.zarr``.
    lazy
        Leave what is large on disk until it is used: take the units and events you need
        (``cohort.activity.sel(event="first_step", unit=[3, 5])``) and only those come into
        memory. The file must stay where it is meanwhile. If false, all is read now.

    Returns
    -------
    xarray.Dataset
        Identical to what was saved, attributes included.

    Raises
    ------
    InputError
        There is no such file, it is damaged, it is not finished, it is stored in a way that could
        execute code or leads to other files, or it is not a cohort. Damage to what is read lazily
        is found when it is read.

    Examples
    --------
    >>> open_cohort("nothing.nc")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: nothing.nc: there is no such file
    """
    source = Path(path)
    kind = _kind(source)
    if not source.exists():
        raise InputError(f"{source}: there is no such file")
    if source.is_dir() != (kind == ".zarr"):
        found = "a folder" if source.is_dir() else "a file"
        raise InputError(f"{source}: is {found}; .nc is one file, .zarr is a folder")
    try:
        cohort = as_text(_opened(source, kind, lazy), np.str_).drop_encoding()
        said = cohort.attrs.get(CHECKSUM)
        cohort.attrs = {
            k: v.item() if isinstance(v, np.generic) else v
            for k, v in cohort.attrs.items()
            if k not in (WHOLE, LISTING, CHECKSUM)
        }
        if said is not None:
            verify(cohort, said, values=not lazy)
    except InputError:
        raise
    except DAMAGE as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{source}: cannot be read, the file is damaged ({first})") from None
    try:
        check_attributes(cohort)
        return validate_cohort(cohort)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def _opened(source: Path, kind: str, lazy: bool) -> xr.Dataset:
    if kind == ".nc":
        with source.open("rb") as stream:
            if stream.read(3) == b"CDF":
                raise InputError(
                    f"{source}: is netCDF 3, expected netCDF 4 as save_cohort writes it; netCDF 3 "
                    "does not keep text and types"
                )
        check_heaps(source)
        refuse_links(source)
        opened = xr.open_dataset(source, engine="h5netcdf")
    else:
        refuse_codecs(source)
        check_whole(source, chunks=not lazy)
        opened = xr.open_zarr(source, consolidated=False, chunks=None)
    if lazy:
        return opened
    with opened:
        return opened.load()


def foreign_netcdf(path: Path) -> str:
    """Say why a file is not a cohort of ours.

    Parameters
    ----------
    path
        What stands where a cohort will be written.

    Returns
    -------
    str
        ``""`` if it is one.
    """
    if path.is_dir():
        return "is a folder"
    try:
        check_heaps(path)
        with h5py.File(path) as file:
            schema = file.attrs.get("schema", "")
    except DAMAGE:
        return "is not a cohort of neuro_metarl"
    schema = schema.decode(errors="replace") if isinstance(schema, bytes) else str(schema)
    family = SCHEMA.rpartition("/")[0]
    return "" if schema.startswith(family) else "is not a cohort of neuro_metarl"


def _kind(path: Path) -> str:
    kind = path.suffix.lower()
    if kind not in (".nc", ".zarr"):
        raise InputError(f"{path}: a cohort's name ends in .nc or .zarr")
    return kind
