"""Rooms whose public names are imported when they are first used.

The stub beside a room's ``__init__.py`` is the one list of its public names: type checkers and
editors read it, and so does the room itself, with lazy_loader.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import lazy_loader

import neuro_metarl  # noqa: F401
from neuro_metarl.errors import InputError, did_you_mean

__all__ = ["attach", "naming_arguments"]

_NAMING: dict[Callable[..., Any], Callable[..., Any]] = {}


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
    ['Bandit', 'ElevenArms', 'Foraging']
    """
    find, listing, names = lazy_loader.attach_stub(package, file)

    def get(name: str) -> Any:
        if name == "__version__" and "." not in package:
            return import_module("importlib.metadata").version(package)
        if name not in names:
            raise AttributeError(_unknown(package, name, names))
        thing = find(name)
        if isinstance(thing, FunctionType):
            thing = naming_arguments(thing, package)
        setattr(sys.modules[package], name, thing)
        return thing

    return get, listing, names


def naming_arguments(function: Callable[..., Any], place: str) -> Callable[..., Any]:
    """Let a function name the argument that it could not use.

    Parameters
    ----------
    function
        A public function.
    place
        The package by whose name it is public.

    Returns
    -------
    callable
        The function, one object however often it is asked for; errors other than
        :class:`InputError` that an argument explains are replaced.

    Examples
    --------
    >>> def total(rewards: list) -> float:
    ...     return sum(rewards)
    >>> naming_arguments(total, "neuro_metarl")("rats.csv")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: total: rewards is the text 'rats.csv', expected a list
    """
    if function in _NAMING:
        return _NAMING[function]

    @wraps(function)
    def named(*given: Any, **named_given: Any) -> Any:
        try:
            return function(*given, **named_given)
        except InputError:
            raise
        except Exception as error:
            explain = import_module("neuro_metarl.public").explain
            text = explain(function, place, given, named_given, error)
            if text is None:
                raise
            raise InputError(text) from error

    # pickle finds it as an attribute of neuro_metarl in this module
    named.__module__, named.__qualname__ = __name__, f"{place}.{function.__name__}"
    _NAMING[function] = named
    return named


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
    near = did_you_mean(name, names)
    return f"{text}; {near}" if near.startswith("did") else text
