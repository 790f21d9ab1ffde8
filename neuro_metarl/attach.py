"""Rooms whose public names are imported when they are first used.

The stub beside a room's ``__init__.py`` is the one list of its public names: type checkers and
editors read it, and so does the room itself, with lazy_loader.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import lazy_loader

from neuro_metarl.errors import did_you_mean

__all__ = ["attach"]


def attach(
    package: str, file: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Give a package the names that its stub lists.

    Parameters
    ----------
    package, file
        ``__name__`` and ``__file__`` of its ``__init__.py``; the stub is the ``.pyi`` beside it.

    Returns
    -------
    tuple
        ``__getattr__``, ``__dir__`` and ``__all__`` of the package. Functions name an argument
        that they could not use, see :mod:`neuro_metarl.public`.

    Examples
    --------
    >>> import neuro_metarl
    >>> _, _, names = attach("neuro_metarl.tasks", neuro_metarl.tasks.__file__)
    >>> names[:3]
    ['Bandit', 'ElevenArms', 'Harlow']
    """
    find, listing, names = lazy_loader.attach_stub(package, file)

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(_unknown(package, name, names))
        thing = find(name)
        if isinstance(thing, FunctionType):
            thing = import_module("neuro_metarl.public").naming_arguments(thing)
        setattr(sys.modules[package], name, thing)
        return thing

    return get, listing, names


def _unknown(package: str, name: str, names: list[str]) -> str:
    """Say that there is no such name, and where one like it is."""
    text = f"module {package!r} has no attribute {name!r}"
    if name.startswith("__"):
        return text
    root = package.partition(".")[0]
    rooms = [path.parent.name for path in Path(__file__).parent.glob("*/__init__.pyi")]
    for room in sorted(rooms):
        if name in import_module(f"{root}.{room}").__all__:
            return f"{text}; it is in {root}.{room}"
    return f"{text}; {did_you_mean(name, names)}" if get_close_matches(name, names) else text
