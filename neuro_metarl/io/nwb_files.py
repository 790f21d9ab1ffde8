"""NWB files as the HDF5 that they are: opened, walked through, their tables read.

That needs no schema, opens the files of any version and of any extension, and takes milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.files.damage import DAMAGE, check_heaps
from neuro_metarl.io.nwb_links import refuse_other_files

__all__ = [
    "DAMAGE",
    "Found",
    "decoded",
    "find_table",
    "holds_nwb",
    "is_zarr",
    "kind_of",
    "opened",
    "session_start",
    "table_columns",
    "texts",
    "walk",
]

PLACES = ("acquisition", "processing", "events", "stimulus", "analysis", "intervals", "scratch")
# what h5py raises on damaged files
ZARR = (".zgroup", ".zarray", "zarr.json", ".zmetadata")
HDF5 = b"\x89HDF\r\n\x1a\n"
BEGINS = {
    b"CDF\x01": "netCDF 3", b"CDF\x02": "netCDF 3", b"CDF\x05": "netCDF 3",
    b"MATL": "a MATLAB file", b"PK\x03\x04": "a zip archive",
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """An object of a file, or a link to one that is not there.

    Parameters
    ----------
    path
        Place in the file.
    thing
        Group or dataset; None where a link leads nowhere.
    linked
        Whether a link leads there.
    leads_to
        Where a link that leads nowhere should lead.
    """

    path: str
    thing: Any
    linked: bool
    leads_to: str = ""

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rsplit("/", 1)[-1]


@contextmanager
def opened(file: Path) -> Iterator[h5py.File]:
    """Open a file, and turn what damaged files raise into one line.

    Parameters
    ----------
    file
        NWB 2 file.

    Yields
    ------
    h5py.File

    Raises
    ------
    InputError
        It is missing, damaged, NWB 1, NWB in Zarr, or no HDF5.

    Examples
    --------
    >>> with opened(Path("nothing.nwb")) as nwb:
    ...     pass
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: nothing.nwb: there is no such file
    """
    if is_zarr(file):
        raise InputError(
            f"{file}: is NWB in Zarr, which is not read; save it as HDF5 first, for example "
            "with NWBHDF5IO('mouse.nwb', 'w').export(src_io=NWBZarrIO(..., 'r'))"
        )
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    try:
        check_heaps(file)
        with h5py.File(file) as nwb:
            version = _first_version(nwb)
            if version:
                raise InputError(f"{file}: is {version}, expected NWB 2; convert it first")
            refuse_other_files(nwb, file)
            yield nwb
    except InputError:
        raise
    except DAMAGE as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        known = BEGINS.get(file.read_bytes()[:4]) if os.access(file, os.R_OK) else None
        if known:
            raise InputError(f"{file}: is {known}, expected NWB 2 in HDF5") from None
        raise InputError(f"{file}: cannot be read as NWB in HDF5 ({detail})") from None


def _first_version(nwb: h5py.File) -> str:
    """Name the version of a file of NWB 1, which keeps it in a dataset."""
    stored = nwb.get("nwb_version")
    if not isinstance(stored, h5py.Dataset):
        return ""
    version = decoded(np.ravel(stored[()])[0])
    return version if version.removeprefix("NWB-").startswith(("0", "1")) else ""


def is_zarr(path: Path) -> bool:
    """Say whether a folder is a Zarr store.

    Parameters
    ----------
    path
        Any path.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_zarr(Path("mouse.nwb"))
    False
    """
    return path.is_dir() and any((path / name).is_file() for name in ZARR)


def holds_nwb(path: str | os.PathLike[str]) -> bool:
    """Say whether a file or Zarr store is NWB, whatever its ending.

    Parameters
    ----------
    path
        Any path.

    Returns
    -------
    bool

    Examples
    --------
    >>> holds_nwb(__file__)
    False
    """
    place = Path(path)
    if is_zarr(place):
        about = [place / name for name in (".zattrs", "zarr.json") if (place / name).is_file()]
        return ".nwb" in place.suffixes or any("nwb_version" in a.read_text() for a in about)
    try:
        with place.open("rb") as stream:
            if stream.read(len(HDF5)) != HDF5:
                return False
        with h5py.File(place) as nwb:
            return "nwb_version" in nwb.attrs or "nwb_version" in nwb
    except DAMAGE:
        return False


def decoded(value: Any) -> str:
    """Turn what HDF5 holds for text into text.

    Parameters
    ----------
    value
        bytes or str.

    Returns
    -------
    str

    Examples
    --------
    >>> decoded(b"left")
    'left'
    """
    return value.decode() if isinstance(value, bytes) else str(value)


def texts(stored: Any) -> list[str]:
    """Read a column as text.

    Parameters
    ----------
    stored
        Dataset or array.

    Returns
    -------
    list of str

    Examples
    --------
    >>> texts(np.array([b"a", b"b"]))
    ['a', 'b']
    """
    return [decoded(v) for v in np.ravel(stored[()])]


def kind_of(thing: Any) -> str:
    """Give the NWB type of an object, or ``""``.

    Parameters
    ----------
    thing
        Group or dataset.

    Returns
    -------
    str

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb.attrs["neurodata_type"] = "NWBFile"
    ...     kind_of(nwb)
    'NWBFile'
    """
    return decoded(thing.attrs.get("neurodata_type", ""))


def session_start(nwb: h5py.File) -> datetime | None:
    """Read when a session began.

    Parameters
    ----------
    nwb
        File.

    Returns
    -------
    datetime.datetime or None
        With a time zone; UTC where the file names none. None where it does not say.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb["session_start_time"] = "2024-03-01T09:00:00+00:00"
    ...     session_start(nwb).hour
    9
    """
    if "session_start_time" not in nwb:
        return None
    try:
        began = datetime.fromisoformat(decoded(np.ravel(nwb["session_start_time"][()])[0]).strip())
    except (ValueError, IndexError):
        return None
    return began if began.tzinfo else began.replace(tzinfo=UTC)


def walk(nwb: h5py.File) -> Iterator[Found]:
    """Go through the groups that hold data, and the links between them.

    Parameters
    ----------
    nwb
        File.

    Yields
    ------
    Found
        Groups, and links that lead nowhere. Links are followed, within the file and to other
        files.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb["acquisition/licks/timestamps"] = [0.5]
    ...     nwb["processing/again"] = h5py.SoftLink("/acquisition/licks")
    ...     [(found.path, found.linked) for found in walk(nwb)]
    [('acquisition/licks', False), ('processing/again', True)]
    """
    for top in PLACES:
        if isinstance(nwb.get(top), h5py.Group):
            yield from _walk(nwb[top], top, False, ())


def _walk(group: h5py.Group, place: str, linked: bool, above: tuple[Any, ...]) -> Iterator[Found]:
    mine = identity(group)
    if mine in above:
        return
    for name in group:
        link = group.get(name, getlink=True)
        is_link = linked or not isinstance(link, h5py.HardLink)
        path = f"{place}/{name}"
        try:
            thing = group[name]
        except (KeyError, OSError):
            other = getattr(link, "filename", "")
            yield Found(path, None, True, f"{other}:{link.path}" if other else str(link.path))
            continue
        if isinstance(thing, h5py.Group):
            yield Found(path, thing, is_link)
            yield from _walk(thing, path, is_link, (*above, mine))


def identity(thing: Any) -> tuple[int, int]:
    """Tell HDF5 objects apart, whichever way leads to them.

    Parameters
    ----------
    thing
        Group or dataset.

    Returns
    -------
    tuple of int
        Number of the file, and address in it.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     identity(nwb) == identity(nwb["/"])
    True
    """
    info = h5py.h5o.get_info(thing.id)
    return int(info.fileno), int(info.addr)


def find_table(nwb: h5py.File, name: str, file: Path) -> h5py.Group:
    """Find a table of trials: in ``intervals``, by its path, or wherever the name is.

    Parameters
    ----------
    nwb
        File.
    name
        Name or path.
    file
        What messages name.

    Returns
    -------
    h5py.Group

    Raises
    ------
    InputError
        There is none, or several.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb["processing/behavior/trials/id"] = [0]
    ...     find_table(nwb, "trials", Path("mouse.nwb")).name
    '/processing/behavior/trials'
    """
    for place in (f"intervals/{name}", name):
        if isinstance(nwb.get(place), h5py.Group):
            return nwb[place]
    tables = {f.path: f.thing for f in walk(nwb) if f.thing is not None and _is_table(f.thing)}
    matching = [path for path in tables if path.rsplit("/", 1)[-1] == name]
    if len({identity(tables[path]) for path in matching}) == 1:
        return tables[matching[0]]
    if matching:
        raise InputError(f"{file}: several tables {name!r}; name one of {', '.join(matching)}")
    raise InputError(
        f"{file}: group 'intervals/{name}' is missing; expected a table of trials"
        + (f"; there are: {', '.join(tables)}" if tables else "")
    )


def _is_table(group: h5py.Group) -> bool:
    return "colnames" in group.attrs or "id" in group or "start_time" in group


def table_columns(table: h5py.Group) -> dict[str, np.ndarray]:
    """Read the columns of a table that have one value, or a few, per row.

    Parameters
    ----------
    table
        Group.

    Returns
    -------
    dict
        Name to values; a column of several values per row becomes ``name_0``, ``name_1``; ragged
        columns and references are left out. Coded columns (``EnumData``) become text.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb["side"] = [1, 2]
    ...     nwb["block_index"] = [5, 6]
    ...     list(table_columns(nwb))
    ['block_index', 'side']
    """
    columns: dict[str, np.ndarray] = {}
    for name in table:
        stored = table.get(name)
        if not isinstance(stored, h5py.Dataset) or stored.ndim == 0:
            continue
        if is_index(name, table) or is_index(f"{name}_index", table):
            continue
        if stored.dtype.kind not in "biufSO" or h5py.check_ref_dtype(stored.dtype):
            continue
        values = _decoded_column(stored, table)
        if values.ndim == 1:
            columns[name] = values
        elif values.ndim == 2:
            columns |= {f"{name}_{k}": values[:, k] for k in range(values.shape[1])}
    return columns


def _decoded_column(stored: h5py.Dataset, table: h5py.Group) -> np.ndarray:
    values = stored[()]
    if kind_of(stored) == "EnumData" and "elements" in stored.attrs:
        elements = np.array(texts(table.file[stored.attrs["elements"]]))
        return elements[values.astype(int)]
    if values.dtype.kind in "SO":
        return np.array([decoded(v) for v in values.ravel()]).reshape(values.shape)
    return np.asarray(values)


def is_index(name: str, table: h5py.Group) -> bool:
    """Say whether a column is the index of a ragged one, rather than a column called so.

    Parameters
    ----------
    name
        Of the column.
    table
        Group.

    Returns
    -------
    bool
        True for a ``VectorIndex``; and where the file does not give types, for whole numbers that
        rise to the length of the column they would index.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb["licks"] = [0.1, 0.2, 0.3]
    ...     nwb["licks_index"] = [1, 3]
    ...     nwb["image_index"] = [0, 1]
    ...     is_index("licks_index", nwb), is_index("image_index", nwb)
    (True, False)
    """
    if not name.endswith("_index") or name not in table:
        return False
    kind, ragged = kind_of(table[name]), name.removesuffix("_index")
    if kind:
        return kind == "VectorIndex"
    if not isinstance(table.get(ragged), h5py.Dataset) or table[name].dtype.kind not in "iu":
        return False
    ends, n_values = table[name][()], len(table[ragged])
    return bool(len(ends) == 0 or ((np.diff(ends) >= 0).all() and ends[-1] == n_values))
