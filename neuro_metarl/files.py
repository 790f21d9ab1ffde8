"""Files appear whole under their final name, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from neuro_metarl.errors import InputError

__all__ = ["atomic_path", "writable_directory", "write_files"]


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to, and move it to ``path`` when the block succeeds.

    Parameters
    ----------
    path
        The final file or directory. What stands there is replaced.

    Yields
    ------
    pathlib.Path
        A path of the same name in a hidden directory beside the final one, hence on the
        same file system. If the block raises, or the process dies, ``path`` is untouched.

    Raises
    ------
    InputError
        The directory of ``path`` is missing or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> (folder / "a.txt").read_text(), len(list(folder.iterdir()))
    ('whole', 1)
    """
    final = Path(path)
    try:
        holder = Path(mkdtemp(prefix=".writing-", dir=final.parent))
    except OSError as error:
        raise InputError(
            f"cannot write {final}: {error.strerror or error} (directory {final.parent}); "
            "choose a directory that exists and can be written"
        ) from None
    try:
        temporary = holder / final.name
        yield temporary
        if final.is_dir() and not final.is_symlink():
            final.rename(holder / "replaced")
        os.replace(temporary, final)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def writable_directory(path: str | os.PathLike[str]) -> Path:
    """Make a directory and make sure that files can be written there, before the work starts.

    Parameters
    ----------
    path
        Directory; its parents are made too.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        It cannot be made or written.

    Examples
    --------
    >>> import tempfile
    >>> writable_directory(tempfile.mkdtemp() + "/results").name
    'results'
    """
    directory = Path(path)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        Path(mkdtemp(prefix=".writing-", dir=directory)).rmdir()
    except OSError as error:
        raise InputError(
            f"cannot write to {directory}: {error.strerror or error}; "
            "give an output directory that can be written"
        ) from None
    return directory


def write_files(
    folder: Path, writers: Mapping[str, tuple[str, Callable[[Path], Any]]]
) -> dict[str, Path]:
    """Write files into a folder, each whole or not at all.

    Parameters
    ----------
    folder
        It exists.
    writers
        What a file is to its name and the function that writes it to a path.

    Returns
    -------
    dict
        What a file is to where it lies.

    Examples
    --------
    >>> import tempfile
    >>> there = Path(tempfile.mkdtemp())
    >>> write_files(there, {"note": ("note.txt", lambda p: p.write_text("n"))})["note"].name
    'note.txt'
    """
    for name, write in writers.values():
        with atomic_path(folder / name) as temporary:
            write(temporary)
    return {label: folder / name for label, (name, _) in writers.items()}
