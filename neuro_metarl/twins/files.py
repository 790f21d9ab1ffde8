"""Files of twins: netCDF, whole or not there, read without executing anything."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.files import atomic_path
from neuro_metarl.storage.netcdf import write_netcdf
from neuro_metarl.twins.networks import n_weights

__all__ = ["SCHEMA", "check_twins", "open_twins", "save_twins"]

SCHEMA = "neuro_metarl.twins/1"
NEEDED = ("weights", "chosen", "held_out", "n")
N_CODES = {"two-step": 8, "bandit": 4, "learning-set": 4}


def check_twins(twins: object) -> tuple[str, ...]:
    """Refuse what is no result of ``fit_twin``.

    Parameters
    ----------
    twins
        What was given.

    Returns
    -------
    tuple of str
        What the codes of a trial mean.

    Raises
    ------
    InputError
        Something else, or weights that do not fit the number of units.

    Examples
    --------
    >>> check_twins("twins.nc")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: expected what fit_twin gives, got str; open_twins reads a file
    """
    if not isinstance(twins, xr.Dataset):
        raise InputError(
            f"expected what fit_twin gives, got {type(twins).__name__}; open_twins reads a file"
        )
    if twins.attrs.get("schema") != SCHEMA:
        schema = twins.attrs.get("schema")
        raise InputError(f"expected what fit_twin gives; the attribute 'schema' is {schema!r}")
    missing = [name for name in NEEDED if name not in twins]
    if missing:
        raise InputError(f"the twins are not whole: {', '.join(missing)} is missing")
    labels = tuple(json.loads(twins.attrs["codes"]))
    if len(labels) != N_CODES.get(twins.attrs.get("kind", "")):
        raise InputError("the twins are not whole: their codes are not those of their task")
    for name in twins["subject"].values.tolist():
        one = twins.sel(subject=name)
        n_units = int(one["chosen"])
        there = n_units in twins["n_units"].values
        found = int(np.isfinite(one["weights"].sel(n_units=n_units)).sum()) if there else 0
        if found != n_weights(n_units, len(labels)):
            raise InputError(f"the twins are not whole: {name!r} has {found} weights")
    return labels


def save_twins(twins: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write twins to a netCDF file, which is there whole or not at all.

    Parameters
    ----------
    twins
        From :func:`neuro_metarl.twins.fit_twin`.
    path
        Ends with ``.nc``.
    overwrite
        Replace twins that are there.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        No twins, another ending, or a file that is there.

    Examples
    --------
    >>> save_twins(xr.Dataset(), "a.nc")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: expected what fit_twin gives; the attribute 'schema' is None
    """
    check_twins(twins)
    target = Path(path)
    if target.suffix != ".nc":
        raise InputError(f"{target}: twins are written as netCDF; end the name with .nc")
    with atomic_path(target, foreign=_foreign, overwrite=overwrite) as temporary:
        write_netcdf(twins, temporary)
    return target


def open_twins(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read twins from a file.

    Parameters
    ----------
    path
        Of :func:`save_twins`.

    Returns
    -------
    xarray.Dataset
        As :func:`neuro_metarl.twins.fit_twin` gave it.

    Raises
    ------
    InputError
        No file, or one that holds no twins or is damaged.

    Examples
    --------
    >>> open_twins("nowhere.nc")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: nowhere.nc: no such file
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(f"{source}: no such file")
    try:
        with xr.open_dataset(source, engine="h5netcdf") as file:
            twins = file.load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{source}: cannot be read as netCDF: {error}") from None
    try:
        check_twins(twins)
    except (InputError, ValueError, KeyError) as error:
        raise InputError(f"{source}: {error}") from None
    return twins


def _foreign(path: Path) -> str:
    """Say why a file is not ours to replace."""
    try:
        open_twins(path)
    except InputError as error:
        return str(error)
    return ""
