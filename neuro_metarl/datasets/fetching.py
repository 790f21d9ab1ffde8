"""The files themselves: found, or fetched once, and checked."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pooch

from neuro_metarl.datasets.registry import DATA, DatasetInfo, dataset_info
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.files import atomic_path, writable_directory
from neuro_metarl.progress import progress_bar

__all__ = ["data_folder", "describe_dataset", "fetch_dataset", "file_hash"]

FOLDER_VARIABLE = "NEURO_METARL_DATA"
HASH_KINDS = {"sha256": 64, "md5": 32, "git-blob": 40}


def describe_dataset(name: str) -> str:
    """Describe a data set in words, and how to get it by hand.

    Parameters
    ----------
    name
        See :func:`list_datasets`.

    Returns
    -------
    str

    Raises
    ------
    InputError
        There is no such data set.

    Examples
    --------
    >>> print(describe_dataset("synthetic-rats").splitlines()[0])
    synthetic-rats: Synthetic rats on the two-step task (simulated; not animals)
    """
    entry = dataset_info(name)
    amounts = (
        f"{'?' if n is None else n} {what}"
        for n, what in (
            (entry.n_subjects, "subjects"), (entry.n_sessions, "sessions"),
            (entry.n_trials, "trials"),
        )
    )  # fmt: skip
    lines = [
        f"{entry.id}: {entry.title}",
        f"  species     {entry.species}",
        f"  task        {entry.task}",
        f"  size        {', '.join(amounts)}",
        f"  format      {entry.format}",
        f"  licence     {entry.licence} (may be redistributed: {entry.redistributable})",
        f"  citation    {entry.citation}",
    ]
    if entry.layout == "package":
        return "\n".join([*lines, "  file        comes with the package"])
    size = "size not known" if entry.bytes is None else f"{entry.bytes:,} bytes"
    what = f"{entry.file}, {size}" if entry.layout == "file" else f"the folder {entry.file}"
    return "\n".join(
        [
            *lines,
            f"  deposit     {entry.landing_page}",
            f"  version     {entry.version or 'not known'}",
            f"  file        {what}",
            f"  checksum    {entry.checksum}",
            f"  here        {_find(entry) or 'not here'}",
            f"  by hand     {entry.by_hand}",
            f"              and put it into {data_folder()}",
        ]
    )


def data_folder() -> Path:
    """Return the folder where data files are looked for first, and kept.

    Returns
    -------
    pathlib.Path
        ``NEURO_METARL_DATA`` if that is set, else the user's cache folder.
    """
    return Path(os.environ.get(FOLDER_VARIABLE) or pooch.os_cache("neuro_metarl"))


def file_hash(path: str | os.PathLike[str], kind: str = "sha256") -> str:
    r"""Compute a file's checksum.

    Parameters
    ----------
    path
        File.
    kind
        ``"sha256"``, ``"md5"`` or ``"git-blob"``: the SHA-1 by which git knows its content.

    Returns
    -------
    str
        Hexadecimal.

    Raises
    ------
    InputError
        Unknown kind.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "a")
    >>> _ = file.write_text("hello\n")
    >>> file_hash(file, "git-blob")
    'ce013625030ba8dba906f756967f9e9ca394464a'
    """
    if kind not in HASH_KINDS:
        raise InputError(f"checksum {kind!r}; {did_you_mean(kind, HASH_KINDS)}")
    file = Path(path)
    digest = hashlib.new("sha1" if kind == "git-blob" else kind, usedforsecurity=False)
    if kind == "git-blob":
        digest.update(f"blob {file.stat().st_size}\0".encode())
    with file.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch_dataset(name: str, *, progress: bool = True) -> Path:
    """Return the file or folder of a data set, downloading it where it is not yet here.

    Parameters
    ----------
    name
        See :func:`list_datasets`.
    progress
        Show progress on standard error.

    Returns
    -------
    pathlib.Path
        A file with the registered checksum. One of the same name and another content that lies in
        the place of the download is kept under another name: ``<file>.not-registered-...``. Where
        none is registered, and of folders, what lies there is taken, and of a file a warning says
        its sha256.

    Raises
    ------
    InputError
        Unknown name, or no way to get the file; the message says what to put where.

    Examples
    --------
    >>> fetch_dataset("synthetic-rats").name
    'synthetic_rats.csv'
    """
    entry = dataset_info(name)
    if entry.layout == "package":
        return DATA / entry.file
    path = _find(entry)
    if path is None:
        path = _download(entry, progress)
    if entry.layout == "file" and entry.hash is None:
        warnings.warn(
            f"{path}: used as it is, for no checksum of {name} is registered; its sha256 is "
            f"{file_hash(path)}",
            stacklevel=2,
        )
    return path


def _find(entry: DatasetInfo) -> Path | None:
    for folder in dict.fromkeys((data_folder(), Path(pooch.os_cache("neuro_metarl")))):
        for path in sorted(folder.rglob(entry.file)):
            if entry.layout == "folder" and path.is_dir():
                return path
            if entry.layout == "file" and path.is_file() and _is_registered(path, entry):
                return path
    return None


def _is_registered(path: Path, entry: DatasetInfo) -> bool:
    return entry.hash is None or file_hash(path, str(entry.hash_kind)) == entry.hash


def _download(entry: DatasetInfo, progress: bool) -> Path:
    folder = data_folder()
    deposit = f" (deposit: {entry.landing_page})" if entry.steps else ""
    if not entry.url:
        raise InputError(
            f"{entry.id} has no address to fetch it from; by hand: {entry.by_hand}{deposit}; put "
            f"it into {folder}"
        )
    target = writable_directory(folder) / entry.file
    _keep_aside(target)
    with progress_bar(f"fetching {entry.file}", entry.bytes or 0, shown=progress) as show:
        try:
            with atomic_path(target) as temporary:
                bar = _PoochBar(entry.bytes, show)
                pooch.HTTPDownloader(progressbar=bar)(entry.url, str(temporary), None)
                if not _is_registered(temporary, entry):
                    found = file_hash(temporary, str(entry.hash_kind))
                    raise InputError(f"what came has {entry.hash_kind} {found}, not {entry.hash}")
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            if "Max retries exceeded" in reason:
                reason = f"no connection to {urlsplit(entry.url).hostname}"
            raise InputError(
                f"cannot fetch {entry.id} ({reason}); by hand: put {entry.file} "
                f"({entry.checksum}) from {entry.url} into {folder}"
            ) from None
    return target


def _keep_aside(target: Path) -> None:
    """Rename a file of another content that has the name of the one that is fetched."""
    if target.is_file():
        target.rename(target.with_name(f"{target.name}.not-registered-{file_hash(target)[:12]}"))


class _PoochBar:
    """What pooch asks of a progress bar; it counts in whole blocks, and the end twice."""

    def __init__(self, total: int | None, show: Any) -> None:
        self.known, self.total, self.done, self.shown, self.show = total, total or 0, 0, 0, show

    def update(self, n_bytes: int) -> None:
        self.done = min(self.done + n_bytes, self.total) if self.total else self.done + n_bytes
        if self.done > self.shown:
            self.shown = self.done
            self.show(self.done, "" if self.known else f"of {self.total or '?'} bytes")

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass
