"""Rooms whose public names are imported when they are first used.

The stub beside a room's ``__init__.py`` is the one list of its public names: type checkers and
editors read it, and so does the room itself, with lazy_loader.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import FunctionType
from typing import Any

import lazy_loader

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
        thing = find(name)
        if isinstance(thing, FunctionType):
            thing = import_module("neuro_metarl.public").naming_arguments(thing)
        setattr(sys.modules[package], name, thing)
        return thing

    return get, listing, names
