"""One registry of readers: whose files these are, how they are known, and what reads them.

A reader of a published format, or of a lab's own, is one :class:`Reader`. Those of the package are
objects of the modules of :mod:`neuro_metarl.io.formats`; a user's own is given to
:func:`register_reader` and is asked first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Literal

import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io import formats

__all__ = ["Reader", "list_readers", "reader_named", "reader_of", "register_reader"]

USED = ("columns", "codes", "task")


@dataclass(frozen=True)
class Reader:
    """What reads one format, and how its files are known.

    Parameters
    ----------
    name
        Short and unique: ``"beron"``.
    card
        One sentence: whose files these are, and what in them tells so.
    recognises
        Takes an existing path; True if this reader reads it. Raises only where the file is damaged.
    reads
        Takes a path (a list of paths, if ``several``) and gives a cohort. Where ``declared`` is
        ``"used"`` it also takes ``columns``, ``codes`` and ``task``.
    endings
        Lower case, with the dot; a path of another ending is not asked about. None: any ending.
        ``""`` is that of most folders.
    declared
        What happens when columns, codes or options are given for such a file: they are
        ``"used"``; ``"refused"``; or the reader ``"yields"`` to the one of plain tables.
    several
        ``reads`` takes all files of one call; otherwise each is read alone, and all are joined.
    data_set
        Reads a whole data set of the registry, where this differs from ``reads``.
    parts
        Lists the parts of a data set, of which one is loaded at a time.
    reads_part
        Takes the path of the data set and the name of a part.

    Examples
    --------
    >>> reader = Reader("mine", "Our lab's logs.", lambda path: False, lambda path: None, (".log",))
    >>> reader.holds(Path("rat.csv"))
    False
    """

    name: str
    card: str
    recognises: Callable[[Path], bool]
    reads: Callable[..., xr.Dataset]
    endings: tuple[str, ...] | None = None
    declared: Literal["used", "refused", "yields"] = "yields"
    several: bool = False
    data_set: Callable[[Path], xr.Dataset] | None = None
    parts: Callable[[Path], list[str]] | None = None
    reads_part: Callable[[Path, str], xr.Dataset] | None = None

    def holds(self, path: Path) -> bool:
        """Say whether this reader reads a path.

        Parameters
        ----------
        path
            It exists.

        Returns
        -------
        bool

        Examples
        --------
        >>> reader_named("beron").holds(Path(__file__))
        False
        """
        asked = self.endings is None or path.suffix.lower() in self.endings
        return asked and bool(self.recognises(path))

    def read(self, files: Sequence[Path], declared: Mapping[str, Any]) -> list[xr.Dataset]:
        """Read files that this reader holds.

        Parameters
        ----------
        files
            One or more.
        declared
            Keyword arguments: ``columns``, ``codes``, ``task`` and the like; those that are None
            were not given.

        Returns
        -------
        list of xarray.Dataset
            One if ``several``, else one per file.

        Raises
        ------
        InputError
            Something is declared that this format needs not, or a file cannot be read.

        Examples
        --------
        >>> reader_named("cohort").read([Path("a.nc")], {"columns": {"choice": "side"}})
        Traceback (most recent call last):
        neuro_metarl.errors.InputError: a.nc: columns and codes are for tables; .nc needs none
        """
        silent = ("task", "rewards")
        given = [name for name, value in declared.items() if value and name not in silent]
        if given and self.declared != "used":
            kind = files[0].suffix.lower() or self.name
            raise InputError(f"{files[0]}: columns and codes are for tables; {kind} needs none")
        for name in given:
            if name not in USED:
                raise InputError(f"{files[0]}: {name}= is for tables; {self.name} needs none")
        used = {name: declared[name] for name in USED if self.declared == "used"}
        if self.several:
            return [self.reads(list(files) if len(files) > 1 else files[0], **used)]
        return [self.reads(file, **used) for file in files]


_OWN: dict[str, Reader] = {}


@cache
def _of_the_package() -> tuple[Reader, ...]:
    names = [f"formats.{one.name}" for one in iter_modules(formats.__path__)] + ["own_formats"]
    modules = [import_module(f"neuro_metarl.io.{name}") for name in names]
    return tuple(r for module in modules for r in vars(module).values() if isinstance(r, Reader))


def list_readers() -> list[Reader]:
    """List the readers in the order in which they are asked.

    Returns
    -------
    list of Reader
        A user's own first.

    Examples
    --------
    >>> [reader.name for reader in list_readers()][:3]
    ['aind', 'akam', 'beron']
    """
    return [*_OWN.values(), *_of_the_package()]


def register_reader(reader: Reader) -> None:
    """Let :func:`neuro_metarl.read` know a format of one's own.

    Parameters
    ----------
    reader
        Asked before those of the package. One of the same name replaces an own one.

    Raises
    ------
    InputError
        Not a reader, or the package has one of this name.

    Examples
    --------
    >>> register_reader("our lab")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: expected a Reader, got str
    """
    if not isinstance(reader, Reader):
        raise InputError(f"expected a Reader, got {type(reader).__name__}")
    if reader.name in {one.name for one in _of_the_package()}:
        raise InputError(f"the package has a reader named {reader.name!r}; choose another name")
    _OWN[reader.name] = reader


def reader_named(name: str) -> Reader:
    """Find a reader by name.

    Parameters
    ----------
    name
        See :func:`list_readers`.

    Returns
    -------
    Reader

    Raises
    ------
    InputError
        There is none.

    Examples
    --------
    >>> reader_named("beron").endings
    ('.csv',)
    """
    known = {reader.name: reader for reader in list_readers()}
    if name not in known:
        raise InputError(f"no reader {name!r}; {did_you_mean(name, list(known))}")
    return known[name]


def reader_of(files: Sequence[Path], *, declared: bool) -> Reader | None:
    """Find the one reader that knows all files.

    Parameters
    ----------
    files
        They exist.
    declared
        Columns, codes or options are given, so that readers that yield are not asked.

    Returns
    -------
    Reader or None
        None: plain tables.

    Raises
    ------
    InputError
        Some are known and others are not.

    Examples
    --------
    >>> print(reader_of([Path(__file__)], declared=False))
    None
    """
    asked = [r for r in list_readers() if not (declared and r.declared == "yields")]
    other: Path | None = None
    for reader in asked:
        held = [reader.holds(file) for file in files]
        if all(held):
            return reader
        if any(held):
            other = other or files[held.index(not held[0])]
    if other is not None:
        raise InputError(f"{other}: of another kind than {files[0]}; read them one by one")
    return None
