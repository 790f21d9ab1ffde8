"""Files appear whole under their final name, or not at all, and never in place of another's.

What is not ours is never replaced. What is ours is replaced only when the caller asks for it.

What is written stands first in a hidden folder ``.writing-<process>-...`` beside its final place.
It is put on the disk (fsync) before it gets its name, so that a loss of power leaves the old or
the new. The process that writes holds a lock on the hidden folder, which ends with the process; the
next write beside it finishes or undoes what a dead process was moving, and removes its folder.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from neuro_metarl.errors import InputError
from neuro_metarl.files.moving import NEW, claim, clean, hidden_folder, swap, to_disk

__all__ = [
    "atomic_path",
    "check_outputs",
    "check_replaceable",
    "check_room",
    "claim",
    "disk_trouble",
    "foreign_text",
    "one_run",
    "to_disk",
    "writable_directory",
    "write_files",
]

MANIFEST = ".neuro_metarl.json"
OUTPUTS = "neuro_metarl/outputs/1"
OVERWRITE = "overwrite=True; on the command line --overwrite"
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
BLOCK = 1 << 20

Foreign = Callable[[Path], str]
# what a run under way may still take away of an earlier one, by its folder
_runs: dict[Path, set[str]] = {}


@contextmanager
def atomic_path(
    path: str | os.PathLike[str],
    *,
    foreign: Foreign | None = None,
    overwrite: bool | None = None,
) -> Iterator[Path]:
    """Give a temporary path to write to, and move it to ``path`` when the block succeeds.

    Parameters
    ----------
    path
        The final file or folder; a symbolic link is followed.
    foreign, overwrite
        What may be replaced; see :func:`check_replaceable`.

    Yields
    ------
    pathlib.Path
        A path of the same name in a hidden folder beside the final one, hence on the same file
        system. If the block raises, or the process dies, ``path`` is untouched.

    Raises
    ------
    InputError
        The directory of ``path`` is missing or cannot be written, the disk is full, or what stands
        at ``path`` is not ours.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> (folder / "a.txt").read_text(), len(list(folder.iterdir()))
    ('whole', 1)
    >>> with atomic_path(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("again")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: ...a.txt is there already, and is not replaced: ...
    """
    final = check_replaceable(path, foreign=foreign, overwrite=overwrite)
    with _naming_the_disk(final), hidden_folder(final.parent, str(final)) as holder:
        yield holder / NEW / final.name
        check_replaceable(final, foreign=foreign, overwrite=overwrite)
        swap(holder, final.parent)


def check_replaceable(
    path: str | os.PathLike[str],
    *,
    foreign: Foreign | None = None,
    overwrite: bool | None = None,
) -> Path:
    """Refuse to write in place of what is not ours, before the work starts.

    Parameters
    ----------
    path
        A file or folder that will be written.
    foreign
        Called with what stands there; says why it is not ours, in words that follow its name,
        or ``""`` if it is. None: only the caller knows, and says by ``overwrite`` what it found.
    overwrite
        Replace it if it is ours. None: the caller has no such choice to offer.

    Returns
    -------
    pathlib.Path
        Where a symbolic link leads, or the path itself.

    Raises
    ------
    InputError
        It is not ours, or it is and nobody asked to replace it.

    Examples
    --------
    >>> check_replaceable("nothing.nc").name
    'nothing.nc'
    """
    final = Path(path)
    if final.is_symlink():
        final = final.resolve()
    if _is_nothing(final):
        return final
    if not final.is_file() and not final.is_dir():
        reason, ours = "is no file", False
    else:
        reason = "" if foreign is None else foreign(final)
        ours = not reason
    if ours and overwrite:
        return final
    ways = "name another place, or move it away"
    if ours and overwrite is not None:
        ways += f", or let it be replaced ({OVERWRITE})"
    raise InputError(f"{path} {reason or 'is there already'}, and is not replaced: {ways}")


def _is_nothing(path: Path) -> bool:
    if path.is_dir():
        return not os.listdir(path)
    return not path.exists() or (path.is_file() and not path.stat().st_size)


def foreign_text(*words: str) -> Foreign:
    """Know files of ours by words that stand in their bytes.

    Parameters
    ----------
    *words
        All of which a file of ours contains.

    Returns
    -------
    callable
        For ``foreign`` of :func:`atomic_path`.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "a.h5")
    >>> _ = file.write_bytes(b"other")
    >>> foreign_text("neuro_metarl")(file)
    'is not a file of neuro_metarl'
    """

    def foreign(path: Path) -> str:
        missing = {word.encode() for word in words}
        if path.is_file():
            with path.open("rb") as stream:
                tail = b""
                while missing and (block := stream.read(BLOCK)):
                    missing = {word for word in missing if word not in tail + block}
                    tail = block[-max(map(len, words), default=1) :]
            return "is not a file of neuro_metarl" if missing else ""
        return "is a folder"

    return foreign


@contextmanager
def _naming_the_disk(final: Path) -> Iterator[None]:
    """Turn a full, failing or read-only disk into one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = disk_trouble(error)
        if not reason:
            raise
        raise InputError(
            f"cannot write {final}: {reason}; nothing was changed: make room, or write elsewhere"
        ) from None


def check_room(path: Path, n_bytes: int) -> None:
    """Ask for room on the disk before a library writes that crashes where there is none.

    Parameters
    ----------
    path
        The file that will be written.
    n_bytes
        Its size at most.

    Raises
    ------
    OSError
        There is no room.

    Examples
    --------
    >>> import tempfile
    >>> check_room(Path(tempfile.mkdtemp(), "a.nc"), 1000)
    """
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if not hasattr(os, "posix_fallocate"):
        if shutil.disk_usage(path.parent).free < n_bytes:
            raise full
        return
    probe = path.with_name(f"{path.name}.room")
    try:
        with probe.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, n_bytes)
    except OSError as error:
        if disk_trouble(error) or shutil.disk_usage(path.parent).free < n_bytes:
            raise full from None
    finally:
        probe.unlink(missing_ok=True)


def disk_trouble(error: BaseException) -> str:
    """Say what is wrong with the disk, if that is what an error is about.

    Parameters
    ----------
    error
        Of any library that writes.

    Returns
    -------
    str
        In the words of the operating system; ``""`` for other errors.

    Examples
    --------
    >>> disk_trouble(OSError(28, "No space left on device"))
    'No space left on device'
    >>> disk_trouble(ValueError("a number"))
    ''
    """
    here: BaseException | None = error
    while here is not None:
        number = getattr(here, "errno", None)
        text = str(here)
        said = re.search(r"(?:errno ?= ?|os error |code: )(\d+)", text)
        number = int(said[1]) if said and number is None else number
        for known in DISK:
            if number == known or (number is None and os.strerror(known) in text):
                return os.strerror(known)
        here = here.__cause__ or here.__context__
    return ""


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
        clean(directory)
    except OSError as error:
        raise InputError(
            f"cannot write to {directory}: {error.strerror or error}; "
            "give an output directory that can be written"
        ) from None
    return directory


@contextmanager
def one_run(
    path: str | os.PathLike[str], names: Collection[str], *, overwrite: bool = False
) -> Iterator[Path]:
    """Keep an output folder for one run, in which nothing of an earlier run stays beside it.

    Parameters
    ----------
    path
        The folder; it is made.
    names
        Of all files that a run of this kind may write. Those of an earlier run go in the moment
        in which the first files of this one come.
    overwrite
        Replace the files of an earlier run; otherwise they are refused.

    Yields
    ------
    pathlib.Path
        The folder, for :func:`write_files`.

    Raises
    ------
    InputError
        It cannot be written, another process writes there, an earlier run's files are there and
        nobody asked to replace them, or a file of one of these names was not written by us or was
        changed since.

    Examples
    --------
    >>> import tempfile
    >>> with one_run(tempfile.mkdtemp(), ["a.txt", "b.txt"]) as folder:
    ...     files = write_files(folder, {"note": ("a.txt", lambda p: p.write_text("n"))})
    >>> sorted(files)
    ['note']
    """
    folder = writable_directory(path)
    there = folder.resolve()
    with claim(there):
        check_outputs(folder, names, overwrite=overwrite)
        _runs[there] = set(names)
        try:
            yield folder
        finally:
            _runs.pop(there, None)


def write_files(
    folder: Path, writers: Mapping[str, tuple[str, Callable[[Path], Any]]]
) -> dict[str, Path]:
    """Write files into a folder, all of them or none.

    Parameters
    ----------
    folder
        It exists. A hidden file in it, ``.neuro_metarl.json``, lists what was written here with
        its checksum: what is in the list and unchanged is replaced, and nothing else. Whether an
        earlier run may be replaced at all is asked before the work, by :func:`one_run`.
    writers
        What a file is to its name and the function that writes it to a path.

    Returns
    -------
    dict
        What a file is to where it lies.

    Raises
    ------
    InputError
        A file of one of these names is there that was not written here, or was changed since; or
        the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> there = Path(tempfile.mkdtemp())
    >>> write_files(there, {"note": ("note.txt", lambda p: p.write_text("n"))})["note"].name
    'note.txt'
    """
    there = Path(folder).resolve()
    with _naming_the_disk(Path(folder)), claim(there), hidden_folder(there, str(folder)) as holder:
        written = _listed(there)
        names = [name for name, _ in writers.values()]
        check_outputs(folder, names, overwrite=True)
        for name, write in writers.values():
            write(holder / NEW / name)
        made = {name: _checksum(holder / NEW / name) for name in names}
        stale = {n for n in _runs.pop(there, set()) if n in written and n not in made}
        kept = {name: known for name, known in written.items() if name not in stale}
        listing = {"schema": OUTPUTS, "files": kept | made}
        (holder / NEW / MANIFEST).write_text(json.dumps(listing, indent=1) + "\n")
        for name in names:
            if (there / name).is_symlink():
                with atomic_path(there / name, overwrite=True) as temporary:
                    shutil.move(holder / NEW / name, temporary)
        swap(holder, there, stale)
    return {label: Path(folder) / name for label, (name, _) in writers.items()}


def check_outputs(
    folder: str | os.PathLike[str], names: Collection[str], *, overwrite: bool = False
) -> None:
    """Refuse names of files that stand in an output folder already.

    Parameters
    ----------
    folder
        For :func:`write_files`.
    names
        Of the files that will be written.
    overwrite
        Take those that we wrote there and nobody changed since.

    Raises
    ------
    InputError
        A file of that name is there.

    Examples
    --------
    >>> import tempfile
    >>> check_outputs(tempfile.mkdtemp(), ["fits.csv"])
    """
    written = _listed(Path(folder))
    for name in names:

        def foreign(path: Path, known: str = written.get(name, "")) -> str:
            if not known:
                return "was there before, and is not an output of neuro_metarl"
            return "" if _checksum(path) == known else "was changed after it was written"

        check_replaceable(Path(folder) / name, foreign=foreign, overwrite=overwrite)


def _listed(folder: Path) -> dict[str, str]:
    try:
        listing = json.loads((folder / MANIFEST).read_text())
        return dict(listing["files"]) if listing["schema"] == OUTPUTS else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _checksum(path: Path) -> str:
    digest = hashlib.sha256()
    if path.is_dir():
        return ""
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
