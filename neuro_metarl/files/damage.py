"""What libraries raise when a file is damaged."""

import os
from mmap import ACCESS_READ, mmap

__all__ = ["DAMAGE", "check_heaps"]

# h5py raises SystemError where HDF5 fails while its lock is given back
DAMAGE = (
    OSError, RuntimeError, SystemError, ValueError, LookupError, TypeError, AttributeError,
    ArithmeticError, AssertionError, EOFError,
)  # fmt: skip

HEAP, LEAST_HEAP, HEADER = b"GCOL", 4096, 16


def check_heaps(path: str | os.PathLike[str]) -> None:
    """Refuse an HDF5 file whose collections of text HDF5 would walk through without end.

    A collection ("global heap") is a chain of objects, each of which says where the next one
    begins. HDF5 follows the chain without asking whether it gets on: a free object of size 0, which
    one changed byte can make, holds it for ever.

    Parameters
    ----------
    path
        Any file; what is no collection is passed over.

    Raises
    ------
    OSError
        A chain does not get on, or leaves its collection.

    References
    ----------
    HDF5 File Format Specification 3.0, III.E: https://support.hdfgroup.org/documentation/hdf5/

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp(), "rat.nc")
    >>> _ = file.write_bytes(b"GCOL" + bytes([1, 0, 0, 0]) + (4096).to_bytes(8, "little")
    ...                      + bytes(4080))
    >>> check_heaps(file)
    Traceback (most recent call last):
    OSError: damaged collection of text at byte 0
    """
    size = os.stat(path).st_size
    if not size or not os.path.isfile(path):
        return
    with open(path, "rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as content:
        start = content.find(HEAP)
        while start >= 0:
            if not _gets_on(content, start):
                raise OSError(f"damaged collection of text at byte {start}")
            start = content.find(HEAP, start + len(HEAP))


def _gets_on(content: mmap, start: int) -> bool:
    """Walk a chain of objects as HDF5 does."""
    if content[start + 4 : start + 8] != b"\x01\0\0\0":
        return True
    n_bytes = int.from_bytes(content[start + 8 : start + 16], "little")
    end = start + n_bytes
    if n_bytes < LEAST_HEAP or end > len(content):
        return True
    place = start + HEADER
    while place + HEADER <= end:
        number = int.from_bytes(content[place : place + 2], "little")
        held = int.from_bytes(content[place + 8 : place + 16], "little")
        needed = HEADER + -(-held // 8) * 8 if number else held
        if needed < HEADER or place + needed > end:
            return False
        place += needed
    return True
