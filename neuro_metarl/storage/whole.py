"""A Zarr folder is whole: which variables it holds, their sizes, and checksums of its files."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from neuro_metarl.errors import InputError

__all__ = ["foreign_in_zarr", "refuse_codecs"]

WHOLE = "neuro_metarl_all_chunks_written"
LISTING = "neuro_metarl_variables"
OURS = "neuro_metarl."
ROOT = "zarr.json"
ATTRIBUTES = "attributes"
THREADS = 4
# what only turns bytes into numbers or text; others, such as pickle, execute what they read
CODECS = {"bytes", "vlen-utf8", "zstd", "gzip", "zlib", "blosc", "lz4", "lzma", "bz2", "shuffle",
          "delta", "crc32c", "crc32", "adler32", "fletcher32", "transpose",
          "sharding_indexed"}  # fmt: skip
OLD_FILES = (".zarray", ".zgroup", ".zattrs", ".zmetadata")


def mark_whole(path: Path) -> None:
    """Say in a Zarr folder that all of it was written, and what it holds.

    Parameters
    ----------
    path
        The folder. Its root attributes list each variable with its shape, its type and a checksum
        of its metadata and its chunks, and hold a checksum of the other attributes.
    """
    import zarr

    group = zarr.open_group(path, mode="r+")
    group.attrs.update({WHOLE: 1, LISTING: {}})
    listing: dict[str, Any] = {}
    for name in sorted(name for name, _ in group.arrays()):
        said = _json(path / name / ROOT)
        listing[name] = {
            "shape": said["shape"],
            "dtype": said["data_type"],
            "metadata": _digest(said),
            "chunks": _chunks_digest(path / name),
        }
    group.attrs[LISTING] = {
        "attributes": _digest(_others(_json(path / ROOT))),
        "variables": listing,
    }


def check_whole(path: Path, *, chunks: bool = False) -> None:
    """Refuse lost or changed files, which Zarr would leave out or read as zeros.

    Parameters
    ----------
    path
        A Zarr folder.
    chunks
        Read all chunks for their checksums; else only look whether they are there.

    Raises
    ------
    InputError
        Variables or chunks are missing, there are others, metadata or chunks were changed, or the
        writing was not finished.
    """
    import zarr

    group = zarr.open_group(path, mode="r")
    if WHOLE not in group.attrs and LISTING not in group.attrs:
        return
    if group.attrs.get(WHOLE) != 1:
        raise InputError(
            f"{path}: the recording is unfinished; the call that began it takes it up again"
        )
    listed = _check_listing(path, group.attrs[LISTING]) if LISTING in group.attrs else {}
    for name, array in group.arrays():
        lost = array.nchunks - array.nchunks_initialized
        if lost:
            raise _damaged(path, f"{lost} of {array.nchunks} chunks of {name!r} are missing")
    for name, known in listed.items() if chunks else ():
        if _chunks_digest(path / name) != known["chunks"]:
            raise _damaged(path, f"chunks of {name!r} are not those that were written")


def _check_listing(path: Path, listing: Any) -> dict[str, Any]:
    try:
        known, attributes = dict(listing["variables"]), listing["attributes"]
    except (KeyError, TypeError, ValueError):
        raise _damaged(path, "the list of its variables cannot be read") from None
    if _digest(_others(_json(path / ROOT))) != attributes:
        raise _damaged(path, "its attributes are not those that were written")
    there = {p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")}
    for name in sorted(set(known) | there):
        if name not in known:
            raise _damaged(path, f"{name!r} is none of the variables that were written")
        if not (path / name / ROOT).is_file():
            raise _damaged(path, f"the variable {name!r} is missing: {name}/{ROOT} was lost")
        said = _json(path / name / ROOT)
        if _digest(said) != known[name]["metadata"]:
            raise _damaged(path, f"{name}/{ROOT} is not the one that was written")
    return known


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path}: cannot be read, the file is damaged ({reason}); copy the folder again"
    )


def _json(file: Path) -> Any:
    return json.loads(file.read_bytes())


def _others(root: Any) -> Any:
    attributes = root.get(ATTRIBUTES, {})
    return {k: v for k, v in attributes.items() if k not in (WHOLE, LISTING)}


def _digest(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _chunks_digest(folder: Path) -> str:
    """Sum up the names and the bytes of all chunks."""
    whole = hashlib.sha256()
    files = sorted(_files(folder / "c"))
    with ThreadPoolExecutor(THREADS) as pool:
        checksums = list(pool.map(_checksum, files))
    for file, checksum in zip(files, checksums, strict=True):
        whole.update(f"{file.relative_to(folder).as_posix()} {checksum};".encode())
    return whole.hexdigest()


def _checksum(file: Path) -> int:
    return zlib.crc32(file.read_bytes())


def _files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    found = []
    for base, _, names in os.walk(folder):
        found += [Path(base, name) for name in names]
    return found


def refuse_codecs(path: Path) -> None:
    """Refuse a Zarr folder whose reading could execute code, before Zarr opens it.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    InputError
        A codec, filter or compressor is none of those that only turn bytes into numbers or text.

    Examples
    --------
    >>> import tempfile
    >>> refuse_codecs(Path(tempfile.mkdtemp()))
    """
    for base, _, names in os.walk(path):
        for name in {ROOT, ".zarray", ".zmetadata"} & set(names):
            file = Path(base, name)
            try:
                said = _json(file)
            except (ValueError, RecursionError):
                raise InputError(f"{file}: cannot be read, the file is damaged (no JSON)") from None
            for codec in _codecs(said):
                if codec.removeprefix("numcodecs.") not in CODECS:
                    raise InputError(
                        f"{path}: {Path(base).name} is stored with the codec {codec!r}, which is "
                        "not read, for some codecs execute what they read (pickle); known are "
                        f"{', '.join(sorted(CODECS))}"
                    )


def _codecs(said: Any) -> list[str]:
    """Find the names of all codecs, those within codecs too."""
    found: list[str] = []
    waiting = [said]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        if not isinstance(item, dict):
            continue
        for key, value in item.items():
            if key == ATTRIBUTES:
                continue
            if key in ("codecs", "index_codecs", "filters", "compressor"):
                several = value if isinstance(value, list) else [value]
                found += [_name(codec) for codec in several if codec is not None]
            waiting.append(value)
    return found


def _name(codec: Any) -> str:
    if isinstance(codec, dict):
        return str(codec.get("name", codec.get("id", codec)))
    return str(codec)


def foreign_in_zarr(path: Path) -> str:
    """Say what is in a folder that is no Zarr folder of ours.

    Parameters
    ----------
    path
        What stands where a cohort will be written.

    Returns
    -------
    str
        ``""`` if all of it is a cohort's, whole or not.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "thesis.tex").write_text("mine")
    >>> foreign_in_zarr(folder)
    "is not a cohort: it holds 'thesis.tex'"
    """
    if not path.is_dir():
        return "is a file, and not a cohort's folder"
    names = sorted(p.name for p in path.iterdir())
    if ROOT not in names:
        return f"is not a cohort: it holds {names[0]!r}"
    try:
        schema = str(_json(path / ROOT)[ATTRIBUTES]["schema"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        schema = ""
    if not schema.startswith(OURS):
        return "is a Zarr folder, but not a cohort of neuro_metarl"
    for name in names:
        if name != ROOT and not _is_variable(path / name):
            return f"is not a cohort alone: it holds {name!r}"
    return ""


def _is_variable(folder: Path) -> bool:
    """Whether a folder holds metadata and chunks, and nothing else."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    places = [file.relative_to(folder).parts for file in _files(folder)]
    return all(p in ((ROOT,), ("c",)) or (p[0] == "c" and "".join(p[1:]).isdigit()) for p in places)
