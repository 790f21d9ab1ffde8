"""What an NWB file takes from other files: nothing, unless that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import h5py

from neuro_metarl.errors import InputError

# what is smaller in memory is no danger, and nothing written is compressed as much
SMALL, MOST_COMPRESSED = 500_000_000, 1100

__all__ = ["linked_files", "refuse_other_files"]

_asked: ContextVar[bool] = ContextVar("linked_files", default=False)


@contextmanager
def linked_files() -> Iterator[None]:
    """Let NWB files that are read inside the block take data from the files they link to.

    Without it such files are refused: a link can lead to any file of this computer.

    Examples
    --------
    >>> with linked_files():
    ...     _asked.get()
    True
    """
    before = _asked.set(True)
    try:
        yield
    finally:
        _asked.reset(before)


def refuse_other_files(nwb: h5py.File, file: Path) -> None:
    """Refuse a file that takes data from other files unasked, or promises more than it holds.

    Parameters
    ----------
    nwb, file
        The file, and where it lies.

    Raises
    ------
    InputError
        It has an external link, external storage or a virtual data set; or a column has so many
        values, and so few in the file, that reading it would only fill the memory.

    Examples
    --------
    >>> import io
    >>> with h5py.File(io.BytesIO(), "w") as nwb:
    ...     nwb["acquisition/x"] = h5py.ExternalLink("/home/me/other.h5", "/x")
    ...     refuse_other_files(nwb, Path("mouse.nwb"))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: mouse.nwb: 'acquisition/x' is taken from another file...
    """
    asked = _asked.get()

    def look(name: str, link: Any) -> tuple[str, Any] | None:
        if isinstance(link, h5py.ExternalLink):
            return None if asked else (name, link.filename)
        item = nwb.get(name) if isinstance(link, h5py.HardLink) else None
        if not isinstance(item, h5py.Dataset):
            return None
        if item.external or item.is_virtual:
            other = item.external[0][0] if item.external else "a virtual data set"
            return None if asked else (name, other)
        return (name, None) if _is_unwritten(item) else None

    # an error that is raised while HDF5 goes around does not come out whole
    found = nwb.visititems_links(look)
    if found and found[1] is None:
        n, stored = nwb[found[0]].size, nwb[found[0]].id.get_storage_size()
        raise InputError(
            f"{file}: {found[0]!r} has {n} values, but only {stored} bytes of them are in the "
            "file: it is damaged, or was made before its values were known"
        )
    if found:
        raise InputError(
            f"{file}: {found[0]!r} is taken from another file ({found[1]}), which is not opened "
            "without being asked for; where you trust both, read inside: with "
            "neuro_metarl.io.linked_files():"
        )


def _is_unwritten(item: h5py.Dataset) -> bool:
    if item.ndim != 1:
        return False
    promised = item.size * item.dtype.itemsize
    return bool(promised > SMALL + MOST_COMPRESSED * item.id.get_storage_size())
