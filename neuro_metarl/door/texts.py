"""Texts of codes: which stand for nothing, and their order."""

from __future__ import annotations

__all__ = ["MANY", "MISSING", "in_order", "is_missing"]

MISSING = frozenset({"", "na", "nan", "n/a", "<na>", "none", "null", "nat"})
MANY = 12


def is_missing(text: str) -> bool:
    """Say whether a text stands for nothing.

    Parameters
    ----------
    text
        From :func:`neuro_metarl.door.table.as_text`.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_missing("NaN"), is_missing("0")
    (True, False)
    """
    return text.lower() in MISSING


def in_order(text: str) -> tuple[int, float, str]:
    """Sort numbers by value, before words.

    Parameters
    ----------
    text
        Of a code.

    Returns
    -------
    tuple

    Examples
    --------
    >>> sorted(["b", "10", "9"], key=in_order)
    ['9', '10', 'b']
    """
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text
