"""What all plots share: colours, sizes, bare axes, and the name of many animals."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["COLORS", "MARKERS", "SIZE", "categories", "one_axes", "plural", "print_style", "tidy"]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
SIZE = 8.0


def print_style() -> Any:
    """Set the fonts of a printed page, and make SVG the same at every run.

    Examples
    --------
    >>> with print_style():
    ...     mpl.rcParams["font.size"]
    8.0
    """
    return mpl.rc_context(
        {"font.size": SIZE, "svg.fonttype": "none", "svg.hashsalt": "neuro_metarl"}
    )


def one_axes(ax: Axes | None) -> Axes:
    """Take the axes, or make a figure with one.

    Examples
    --------
    >>> one_axes(None).get_xlabel()
    ''
    """
    return Figure(figsize=(3.5, 2.6), layout="constrained").subplots() if ax is None else ax


def categories(ax: Axes, labels: list[str]) -> None:
    """Label categories at 0, 1, ...

    Examples
    --------
    >>> ax = one_axes(None)
    >>> categories(ax, ["a", "b"])
    >>> [t.get_text() for t in ax.get_xticklabels()]
    ['a', 'b']
    """
    ax.set_xticks(range(len(labels)), labels)
    ax.set_xlim(-0.5, len(labels) - 0.5)
    tidy(ax)


def tidy(ax: Axes) -> None:
    """Leave two sides of the frame.

    Examples
    --------
    >>> ax = one_axes(None)
    >>> tidy(ax)
    >>> ax.spines["top"].get_visible()
    False
    """
    ax.spines[["top", "right"]].set_visible(False)


def plural(noun: str, *, owning: bool = False) -> str:
    """Name several of a kind of animal.

    Parameters
    ----------
    noun
        One of them.
    owning
        In the form that owns something.

    Returns
    -------
    str

    Examples
    --------
    >>> plural("mouse"), plural("rat", owning=True), plural("mouse", owning=True), plural("fish")
    ('mice', "rats'", "mice's", 'fish')
    """
    irregular = {"mouse": "mice", "fish": "fish", "guppy": "guppies", "person": "people"}
    many = irregular.get(noun, f"{noun}s")
    ending = "'" if many.endswith("s") else "'s"
    return many + ending if owning else many
