"""What is written moves to its place: hidden folders, their locks, and what dead processes left."""

from __future__ import annotations

import errno
import os
import re
import shutil
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from neuro_metarl.errors import InputError

__all__ = ["claim", "to_disk"]

HOLDER = re.compile(r"\.writing-(?:\d+-\w{8}|to-.+)")
NEW, OLD = "new", "old"
TRIES = 40
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF)

_claimed: dict[Path, tuple[int, int]] = {}


@contextmanager
def hidden_folder(folder: Path, final: str) -> Iterator[Path]:
    """Make the hidden folder, with a lock that ends with the process."""
    lock = None
    try:
        clean(folder)
        while lock is None:
            holder = Path(mkdtemp(prefix=f".writing-{os.getpid()}-", dir=folder))
            lock = _lock(holder)
        (holder / NEW).mkdir()
    except OSError as error:
        if lock is not None:
            os.close(lock[0])
            shutil.rmtree(holder, ignore_errors=True)
        raise InputError(
            f"cannot write {final}: {error.strerror or error} (directory {folder}); "
            "choose a directory that exists and can be written"
        ) from None
    try:
        yield holder
    finally:
        try:
            _recover(holder, folder)
            _remove(holder)
        finally:
            os.close(lock[0])


def _remove(holder: Path) -> None:
    """Remove a folder in which threads of a writer that failed may still be writing."""
    for _ in range(TRIES):
        shutil.rmtree(holder, ignore_errors=True)
        if not holder.exists():
            return
        time.sleep(0.05)


def _lock(folder: Path) -> tuple[int, bool] | None:
    """Lock a folder; None: another has it. Say too whether this file system knows locks."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except PermissionError:
        # Windows opens no folders
        return os.open(os.devnull, os.O_RDONLY), False
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return handle, False
    except OSError as error:
        if error.errno in NO_LOCKS:
            return handle, False
        os.close(handle)
        return None
    if os.fstat(handle).st_nlink and folder.exists():
        return handle, True
    os.close(handle)
    return None


def clean(folder: Path) -> None:
    """Finish or undo what dead processes were moving, and remove their hidden folders."""
    with os.scandir(folder) as entries:
        left = [Path(e.path) for e in entries if e.name.startswith(".writing-") and e.is_dir()]
    for holder in left:
        if not HOLDER.fullmatch(holder.name) or holder.is_symlink():
            continue
        lock = _lock(holder)
        if lock is None:
            continue
        if lock[1] and holder.name.startswith(".writing-to-"):
            _remove_empty(holder)
        elif lock[1]:
            _recover(holder, folder)
            shutil.rmtree(holder, ignore_errors=True)
        os.close(lock[0])


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def swap(holder: Path, folder: Path, stale: Collection[str] = ()) -> None:
    """Put what is new in its place: a file in one step, else the old aside first.

    New and old never stand side by side: all of the old, and what is stale, is put aside before the
    first of the new is put in its place. A process that dies in between leaves both to
    :func:`_recover`. The list of outputs, the first by name, goes last and comes first.
    """
    new = sorted((holder / NEW).iterdir())
    to_disk(holder / NEW)
    if len(new) > 1 or any(p.is_dir() for p in new):
        (holder / OLD).mkdir()
        for name in [*stale, *(p.name for p in reversed(new))]:
            if os.path.lexists(folder / name):
                os.replace(folder / name, holder / OLD / name)
    for path in new:
        os.replace(path, folder / path.name)
    _sync(folder)


def _recover(holder: Path, folder: Path) -> None:
    """Finish a swap if all of the old was put aside, or else put it back."""
    # without what was new, the swap had ended, and the process died while it cleaned up
    if not (holder / OLD).is_dir() or not (holder / NEW).is_dir():
        return
    new = list((holder / NEW).iterdir())
    begun = any(os.path.lexists(folder / path.name) for path in new)
    for path in list((holder / OLD).iterdir()) if begun else new:
        if not os.path.lexists(folder / path.name):
            os.replace(path, folder / path.name)


def to_disk(path: Path) -> None:
    """Wait until a file, or a folder and all in it, is on the disk.

    Parameters
    ----------
    path
        File or folder.

    Examples
    --------
    >>> import tempfile
    >>> to_disk(Path(tempfile.mkdtemp()))
    """
    if path.is_dir():
        for child in sorted(path.iterdir()):
            to_disk(child)
    _sync(path)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(handle)


@contextmanager
def claim(path: str | os.PathLike[str]) -> Iterator[None]:
    """Keep an output for oneself while the work that makes it goes on.

    Parameters
    ----------
    path
        A file or folder that will be written. The claim is a hidden folder beside it,
        ``.writing-to-<name>``, with a lock that ends with the process. In one thread claims may be
        nested.

    Yields
    ------
    None

    Raises
    ------
    InputError
        Another process, or thread, is writing to it.

    Examples
    --------
    >>> import tempfile
    >>> with claim(tempfile.mkdtemp() + "/results"):
    ...     print("alone")
    alone
    """
    final = Path(path).resolve()
    mark = final.with_name(f".writing-to-{final.name}")
    mine = threading.get_ident(), _claimed.get(mark, (0, 0))[1] + 1
    if mark in _claimed and _claimed[mark][0] == mine[0]:
        _claimed[mark] = mine
        try:
            yield
        finally:
            _claimed[mark] = mine[0], mine[1] - 1
        return
    handle = _claim(mark, final)
    _claimed[mark] = mine
    try:
        yield
    finally:
        del _claimed[mark]
        _remove_empty(mark)
        os.close(handle)


def _claim(mark: Path, final: Path) -> int:
    for _ in range(3):
        try:
            mark.mkdir(exist_ok=True)
        except OSError as error:
            if final.is_dir():
                # it can be written, but nothing beside it: then nothing can be claimed either
                return os.open(os.devnull, os.O_RDONLY)
            raise InputError(
                f"cannot write {final}: {error.strerror or error} (directory {mark.parent}); "
                "choose a directory that exists and can be written"
            ) from None
        lock = _lock(mark)
        if lock is not None:
            return lock[0]
    raise InputError(
        f"another process (or thread) is writing to {final}; wait for it, or name another place"
    )
