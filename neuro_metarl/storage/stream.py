"""Cohorts written to Zarr as they are made, and taken up again where they stopped.

While it is made, a recording is ``<name>.partial``: a folder that holds the Zarr folder, a note
of whose it is, and how many of its sessions are on disk. Whole chunks are written at a time, and
counted when they are written, so that whatever kills the process, what was counted is there and
the rest is written anew.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import validate_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.files import (
    atomic_path,
    check_replaceable,
    disk_trouble,
    writable_directory,
)
from neuro_metarl.storage.chunks import (
    check_attributes,
    fills_chunks,
    put_chunks,
    sessions_per_chunk,
    write_chunks,
)
from neuro_metarl.storage.whole import check_whole, foreign_in_zarr, mark_whole

__all__ = ["save_stream"]

NOTE, STORE, LOCK = "progress.json", "cohort.zarr", "lock"
SHOWN = 60

Cohorts = Iterable[xr.Dataset] | Callable[[int], Iterable[xr.Dataset]]


def save_stream(
    cohorts: Cohorts,
    path: str | os.PathLike[str],
    *,
    identity: Mapping[str, str] | None = None,
    n_sessions: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write cohorts to one Zarr folder as they are made, one after the other.

    Parameters
    ----------
    cohorts
        Cohorts of the same variables and sizes but for ``session``, of different sessions; only
        a few are in memory at a time. The attributes are those of the first. With an identity: a
        function that, called with a number of sessions, makes the cohorts that follow them.
    path
        A name that ends in ``.zarr``; the folder appears when all are written. A
        symbolic link is followed.
    identity
        What decides the numbers, name to value. If it is given, a stream that was interrupted
        leaves ``<path>.partial``, and one of the same identity goes on from there.
    n_sessions
        How many there will be in all, if that is known; it settles the size of the chunks.
    overwrite
        Replace a cohort that is there, when all are written. What is no cohort is never replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        Another ending, no cohorts, cohorts that do not fit each other, a place that cannot be
        written, something that is there already, or a partial of another
        identity.

    Examples
    --------
    >>> import tempfile
    >>> from neuro_metarl import make_cohort, open_cohort
    >>> parts = (make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]}, subject=[name],
    ...                      task="bandit", source="animal") for name in "ab")
    >>> open_cohort(save_stream(parts, tempfile.mkdtemp() + "/c.zarr")).subject.values.tolist()
    ['a', 'b']
    """
    target = Path(path)
    if target.suffix.lower() != ".zarr":
        raise InputError(f"{target}: a stream is written to a name that ends in .zarr")
    final = check_replaceable(target, foreign=foreign_in_zarr, overwrite=overwrite)
    if identity is None:
        assert not callable(cohorts)
        with atomic_path(final, foreign=foreign_in_zarr, overwrite=overwrite) as temporary:
            checked = map(validate_cohort, cohorts)
            if not _pour(checked, _Store(temporary, n_sessions), lambda n: None):
                raise InputError(f"{target}: nothing to write, the stream held no cohort")
            mark_whole(temporary)
        return target
    assert callable(cohorts)
    with _partial(final, identity) as (folder, n_done):
        store = _Store(folder / STORE, n_sessions, n_done)
        n_done = _pour(cohorts(n_done), store, lambda n: _note(folder, identity, n))
        if not n_done:
            raise InputError(f"{target}: nothing to write, the stream held no cohort")
        store.trim()
        mark_whole(folder / STORE)
        check_whole(folder / STORE)
        with atomic_path(final, foreign=foreign_in_zarr, overwrite=overwrite) as temporary:
            (folder / STORE).rename(temporary)
        shutil.rmtree(folder)
    return target


def _pour(cohorts: Iterable[xr.Dataset], store: _Store, note: Callable[[int], None]) -> int:
    """Write cohorts in whole chunks, the last as it is; return the number of sessions there.

    A chunk is written while the next is made.
    """
    shape: dict[str, Any] = {}
    seen: set[tuple[str, str]] = set()
    waiting: list[xr.Dataset] = []
    n_waiting = 0

    def write(cohorts: list[xr.Dataset], n_sessions: int) -> None:
        store.write(cohorts, n_sessions)
        note(store.n_done)

    with ThreadPoolExecutor(1) as writer:
        writing: Future[Any] = writer.submit(int)
        for cohort in cohorts:
            check_attributes(cohort)
            _check_part(cohort, shape, seen)
            shape = shape or _shape(cohort)
            waiting.append(cohort.drop_encoding())
            n_waiting += cohort.sizes["session"]
            whole = n_waiting - n_waiting % store.per_chunk(cohort)
            if whole:
                writing.result()
                writing = writer.submit(write, waiting, whole)
                waiting, n_waiting = _after(waiting, whole), n_waiting - whole
        writing.result()
        if n_waiting:
            write(waiting, n_waiting)
    return store.n_done


def _after(cohorts: list[xr.Dataset], n_sessions: int) -> list[xr.Dataset]:
    """Leave out the first sessions."""
    rest = []
    for cohort in cohorts:
        size = cohort.sizes["session"]
        if size > n_sessions:
            rest.append(cohort.isel(session=slice(n_sessions, None)))
        n_sessions = max(0, n_sessions - size)
    return rest


class _Store:
    """A Zarr folder that grows along sessions; room is made ahead and trimmed at the end."""

    def __init__(self, path: Path, n_sessions: int | None, n_done: int = 0) -> None:
        self.path, self.n_sessions, self.n_done = path, n_sessions, n_done
        self.arrays: dict[str, tuple[Any, int]] = {}
        if n_done:
            self._open()
            self._check()

    def write(self, cohorts: list[xr.Dataset], n_sessions: int) -> None:
        """Write the first sessions."""
        if not self.arrays:
            nothing = cohorts[0].isel(session=slice(0))
            write_chunks(nothing, self.path, self.per_chunk(cohorts[0]))
            self._open()
        for name, (array, axis) in self.arrays.items():
            parts = [c.variables[name].values for c in cohorts]
            values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis)
            self._put(name, array, axis, values[(*[slice(None)] * axis, slice(n_sessions))])
        self.n_done += n_sessions

    def per_chunk(self, cohort: xr.Dataset) -> int:
        """Say how many sessions a chunk holds."""
        return sessions_per_chunk(cohort, self.n_sessions)

    def trim(self) -> None:
        """Give back the room that was made ahead."""
        for array, axis in self.arrays.values():
            array.resize(_with(array.shape, axis, self.n_done))

    def _open(self) -> None:
        import zarr

        with zarr.config.set({"array.write_empty_chunks": True}):
            for name, array in zarr.open_group(self.path, mode="r+").arrays():
                dims = getattr(array.metadata, "dimension_names", None) or ()
                if "session" in dims:
                    self.arrays[name] = array, dims.index("session")

    def _check(self) -> None:
        """Read what is there: a loss of power may have left chunks that were counted torn."""
        for name, (array, axis) in self.arrays.items():
            for start in range(0, self.n_done, array.chunks[axis]):
                stop = min(start + array.chunks[axis], self.n_done)
                try:
                    array[(*[slice(None)] * axis, slice(start, stop))]
                except (OSError, ValueError, RuntimeError) as error:
                    raise InputError(
                        f"{self.path.parent}: what is finished is damaged ({name!r}, sessions "
                        f"{start} to {stop - 1}: {error}); delete it to begin anew"
                    ) from None

    def _put(self, name: str, array: Any, axis: int, values: np.ndarray) -> None:
        start, stop = self.n_done, self.n_done + values.shape[axis]
        if array.shape[axis] < stop:
            array.resize(_with(array.shape, axis, max(stop, self.n_sessions or 2 * start)))
        if axis == 0 and fills_chunks(array, start, values):
            put_chunks(self.path / name, array, start, values)
            return
        place = (*[slice(None)] * axis, slice(start, stop))
        array[place] = values.astype(object) if values.dtype.kind == "U" else values


def _with(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    return (*shape[:axis], size, *shape[axis + 1 :])


@contextmanager
def _partial(target: Path, identity: Mapping[str, str]) -> Iterator[tuple[Path, int]]:
    """Give the folder of an unfinished stream, and how many of its sessions are there."""
    if not target.parent.is_dir():
        raise InputError(f"cannot write {target}: there is no directory {target.parent}")
    writable_directory(target.parent)
    folder = target.with_name(f"{target.name}.partial")
    folder.mkdir(exist_ok=True)
    with _alone(folder):
        n_done = _n_done(folder, identity)
        if not (folder / STORE).exists():
            n_done = 0  # killed between moving what was finished out and giving it its name
        if not n_done:
            shutil.rmtree(folder / STORE, ignore_errors=True)
            _note(folder, identity, 0)
        for torn in (folder / STORE).rglob("*.partial"):
            # what Zarr was writing when the process was killed
            torn.unlink()
        try:
            yield folder, n_done
        except InputError:
            _forget(folder, identity)
            raise
        except Exception as error:
            reason = disk_trouble(error)
            if isinstance(error, OSError) or reason:
                raise InputError(
                    f"cannot write {target}: {reason or getattr(error, 'strerror', '') or error}; "
                    f"what is finished is in {folder}, and the same call goes on from there"
                ) from None
            _forget(folder, identity)
            raise


def _forget(folder: Path, identity: Mapping[str, str]) -> None:
    """Remove a partial in which nothing is finished."""
    if folder.exists() and not _n_done(folder, identity):
        shutil.rmtree(folder)


def _n_done(folder: Path, identity: Mapping[str, str]) -> int:
    strange = {p.name for p in folder.iterdir()} - {NOTE, STORE, LOCK}
    strange = {name for name in strange if not name.startswith(".writing-")}
    if strange:
        raise InputError(f"{folder} holds {sorted(strange)[0]!r}, not an unfinished recording")
    if not (folder / NOTE).exists():
        if (folder / STORE).exists():
            raise InputError(f"{folder} holds {STORE!r} without {NOTE}; move it away to begin anew")
        return 0
    try:
        noted = json.loads((folder / NOTE).read_text())
        theirs, n_done = dict(noted["identity"]), int(noted["n_done"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder / NOTE} is damaged; delete {folder} to begin anew") from None
    for name in {**theirs, **identity}:
        was, now = theirs.get(name, "nothing"), identity.get(name, "nothing")
        if was != now:
            values = f" ({was}, now {now})" if len(was) + len(now) < SHOWN else ""
            raise InputError(
                f"{folder} is an unfinished recording of another {name}{values}; make the call "
                "that began it to go on, or delete the folder"
            )
    return n_done


def _note(folder: Path, identity: Mapping[str, str], n_done: int) -> None:
    with atomic_path(folder / NOTE, overwrite=True) as temporary:
        temporary.write_text(json.dumps({"n_done": n_done, "identity": dict(identity)}, indent=1))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Refuse to write where another process is writing; its lock ends with it."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(folder / LOCK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"another process is recording to {folder}; wait for it") from None
        yield


def _shape(cohort: xr.Dataset) -> dict[str, Any]:
    """Sizes and types by variable, without sessions."""
    return {
        str(name): tuple((d, n) for d, n in v.sizes.items() if d != "session")
        for name, v in cohort.variables.items()
    }


def _check_part(cohort: xr.Dataset, shape: dict[str, Any], seen: set[tuple[str, str]]) -> None:
    mine = _shape(cohort)
    if shape and mine != shape:
        name = next(n for n in [*shape, *mine] if shape.get(n) != mine.get(n))
        raise InputError(
            f"a stream's cohorts must agree: {name!r} is {shape.get(name, 'missing')} in the first "
            f"but {mine.get(name, 'missing')} in a later one"
        )
    subjects, sessions = cohort["subject"].values.tolist(), cohort["session_id"].values.tolist()
    for identity in zip(subjects, sessions, strict=True):
        if identity in seen:
            raise InputError(f"session {identity[1]!r} of subject {identity[0]!r} appears twice")
        seen.add(identity)
