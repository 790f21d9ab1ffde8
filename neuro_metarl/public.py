"""What was given to a public function, held against what the function takes.

A function checks what only it can know (names, ranges, shapes) and refuses it in its own words.
What it could not use at all, a text where a data set belongs or a result where a cohort belongs,
ends in an error of Python's or of a library's. Public functions ask here (see
:mod:`neuro_metarl.attach`), so that such an error becomes one line that names the argument; an
error that no argument explains stays what it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.schema import validate_cohort

__all__ = ["explain"]

COHORTS = ("cohort", "animals", "design")
NUMBERS = {int: (int, np.integer), float: (int, float, np.integer, np.floating)}
WORDS = {
    xr.Dataset: "an xarray.Dataset", xr.DataArray: "an xarray.DataArray",
    xr.DataTree: "an xarray.DataTree", int: "a whole number", float: "a number", str: "a text",
    bool: "True or False", NoneType: "None", np.ndarray: "an array",
}  # fmt: skip


def explain(
    function: Callable[..., Any], place: str, given: Sequence[Any], named: Mapping[str, Any],
    error: Exception,
) -> str | None:  # fmt: skip
    """Say which argument of a call that failed was not what the function takes.

    Parameters
    ----------
    function, place
        What was called, and the package by whose name it is public.
    given, named
        With what.
    error
        How it ended.

    Returns
    -------
    str or None
        One line; None if every argument is of the kind that the function takes.

    Examples
    --------
    >>> from neuro_metarl.cohort import subjects_of
    >>> explain(subjects_of, "neuro_metarl", (7,), {}, TypeError())
    'subjects_of: cohort is 7, expected an xarray.Dataset'
    """
    name = function.__name__
    see = f"help({place}.{name})"
    try:
        arguments = inspect.signature(function).bind(*given, **named).arguments
    except TypeError as wrong:
        return f"{name}: {wrong}; see {see}"
    try:
        hints = get_type_hints(function)
    except NameError:  # a type that is imported for the checker of types only
        hints = {}
    for argument, value in _each(function, arguments):
        if argument in hints and not _fits(value, hints[argument]):
            return f"{name}: {argument} is {_told(value)}, expected {_words(hints[argument])}"
        if "seed" in argument and isinstance(value, int | np.integer) and value < 0:
            return f"{name}: {argument} is {value}, expected a whole number from 0"
        if argument in COHORTS and isinstance(value, xr.Dataset):
            unfit = _unfit(value)
            if unfit:
                return f"{name}: {argument} is not a cohort that can be used: {unfit}"
        if _blamed(value, error):
            return f"{name}: {argument} is {_told(value)}; see {see}: {error}"
    return _lacking(name, see, arguments, error)


def _blamed(value: Any, error: Exception) -> bool:
    """Say whether an error speaks of an argument that has no type to be held against."""
    text = str(error)
    if isinstance(value, xr.Dataset):
        return not value.variables or "cannot directly convert an xarray.Dataset" in text
    if isinstance(value, str) and "could not convert string" in text:
        return True
    lacks = f"{type(value).__name__}' object has no attribute"
    return isinstance(error, AttributeError) and lacks in text


def _unfit(cohort: xr.Dataset) -> str:
    """Say why a data set is no cohort, or one without any trial; nothing if it is one."""
    try:
        validate_cohort(cohort)
    except InputError as refusal:
        return str(refusal)
    for dim in ("session", "trial"):
        if not cohort.sizes[dim]:
            return f"it has no {dim}; was every {dim} deselected?"
    return "" if (cohort["valid"] == 1).any() else "it has no valid trial"


def _each(function: Callable[..., Any], arguments: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """List arguments, those of ``*args`` and ``**kwargs`` one by one under the collected name."""
    found, kinds = [], inspect.signature(function).parameters
    for key, value in arguments.items():
        if kinds[key].kind is inspect.Parameter.VAR_POSITIONAL:
            found += [(key, one) for one in value]
        elif kinds[key].kind is inspect.Parameter.VAR_KEYWORD:
            found += [(key, one) for one in value.values()]
        else:
            found.append((key, value))
    return found


def _lacking(name: str, see: str, arguments: Mapping[str, Any], error: Exception) -> str | None:
    """Name a variable or dimension that a data set was expected to have."""
    if not isinstance(error, KeyError | AttributeError | ValueError):
        return None
    quoted = str(error.args[0] if error.args else error).split("'")
    missing = quoted[1] if len(quoted) > 2 else str(error.args[0]) if error.args else ""
    for argument, value in arguments.items():
        one = next(iter(value.values()), None) if isinstance(value, dict) else value
        if not isinstance(one, xr.Dataset | xr.DataArray):
            continue
        has = [str(k) for k in (*getattr(one, "data_vars", []), *one.dims)]
        if missing not in has:
            listed = ", ".join(has[:6]) or "nothing"
            return (
                f"{name}: {argument} has no {missing!r} (it has {listed}); "
                f"give the result that {see} names"
            )
    return None


def _fits(value: Any, hint: Any) -> bool:
    """Say whether a value can be what is annotated; what cannot be checked can."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if hint in NUMBERS:
        return isinstance(value, NUMBERS[hint]) and not isinstance(value, bool)
    if hint is bool:
        return isinstance(value, bool | np.bool_)
    kind = origin or hint
    if kind is Callable or kind is inspect.getattr_static(Callable, "__origin__", None):
        return callable(value)
    if not isinstance(kind, type):
        return True
    if kind is PathLike:
        return isinstance(value, PathLike)
    try:
        known = isinstance(value, kind)
    except TypeError:  # a protocol that cannot be checked while running
        return True
    if isinstance(value, xr.Dataset) and issubclass(kind, Mapping):
        return kind is xr.Dataset
    return known and _holds(value, kind, inner)


def _holds(value: Any, kind: type, inner: tuple[Any, ...]) -> bool:
    """Check what a collection holds."""
    if not inner:
        return True
    if isinstance(value, str):
        return _fits(value, inner[0])
    if issubclass(kind, Mapping):
        return all(_fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items())
    if issubclass(kind, Sequence) and not issubclass(kind, tuple):
        return all(_fits(one, inner[0]) for one in value)
    return True


def _words(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_words(one) for one in inner))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if hint in WORDS:
        return WORDS[hint]
    kind = origin or hint
    if kind is PathLike:
        return "a path"
    if isinstance(kind, type) and issubclass(kind, Mapping) and inner:
        return f"a mapping of {_words(inner[0])} to {_words(inner[1])}"
    if isinstance(kind, type) and issubclass(kind, Sequence) and inner:
        return f"a list of which each is {_words(inner[0])}"
    name = getattr(kind, "__name__", str(kind))
    return "a function" if name == "Callable" else f"a {name}"


def _told(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value!r}"
    if value is None or isinstance(value, bool | int | float | np.generic):
        return repr(value)
    if isinstance(value, list | tuple | Mapping) and len(value):
        first = next(iter(value.values() if isinstance(value, Mapping) else value))
        return f"a {type(value).__name__} of {len(value)} (the first: {type(first).__name__})"
    return f"a {type(value).__name__}"
