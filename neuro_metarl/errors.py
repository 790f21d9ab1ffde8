"""The one kind of error that is a user's to mend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from numbers import Integral
from unicodedata import category

__all__ = ["InputError", "check_numbers", "did_you_mean"]

# control signs, direction of writing, halves of signs, breaks of lines and paragraphs
STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")


class InputError(ValueError):
    r"""What was given cannot be used; the message says what, where, and what would be right.

    The library raises it like any ``ValueError``; the command line prints its message
    and exits with code 2. The message is one line whatever names it quotes: line breaks and other
    signs that steer a terminal are written as Python writes them, ``\n``.

    Examples
    --------
    >>> raise InputError("rats.csv, row 3, column 'choice': got 'x', expected one of 0, 1")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: rats.csv, row 3, column 'choice': got 'x', expected one of 0, 1
    """

    def __init__(self, message: object = "") -> None:
        super().__init__("".join(map(_on_one_line, str(message))))


def _on_one_line(sign: str) -> str:
    return repr(sign)[1:-1] if category(sign) in STEERING else sign


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """End a message with the nearest known name, or with all of them.

    Parameters
    ----------
    name
        What was asked for.
    known
        What there is.

    Returns
    -------
    str

    Examples
    --------
    >>> did_you_mean("two-stp", ["two-step", "two-step-akam"])
    "did you mean 'two-step'?"
    >>> did_you_mean("x", ["b", "a"])
    'there are: a, b'
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"


def check_numbers(what: str, numbers: Sequence[int], limit: int, there: str) -> None:
    """Refuse what are not different whole numbers from 0 to ``limit - 1``.

    Parameters
    ----------
    what
        What the numbers are called.
    numbers
        As given.
    limit
        How many there are.
    there
        How the message says so, before "0 to ...".

    Raises
    ------
    InputError
        No whole number, out of range, or twice the same.

    Examples
    --------
    >>> check_numbers("units", [0, 9], 8, "the networks have units")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: units: 9 is out of range, the networks have units 0 to 7
    """
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, Integral):
            raise InputError(f"{what}: {number!r} is not a whole number")
        if not 0 <= number < limit:
            raise InputError(f"{what}: {number} is out of range, {there} 0 to {limit - 1}")
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{what}: a number is given twice")
