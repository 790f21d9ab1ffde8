"""What all plots share: colours, sizes, bare axes, and files that are the same at every run."""

from __future__ import annotations

from os import PathLike
from typing import Any
from unicodedata import category

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.category import StrCategoryFormatter
from matplotlib.figure import Figure as _Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, Formatter, FuncFormatter

__all__ = ["COLORS", "MARKERS", "SIZE", "Figure", "categories", "one_axes", "print_style", "tidy"]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
SIZE = 8.0
# formatters that write names
NAMES = (FixedFormatter, FuncFormatter, StrCategoryFormatter)
UNDATED: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


class Figure(_Figure):
    """A figure whose file has the same bytes at every run: no date, no random names in SVG."""

    def draw(self, renderer: Any) -> None:
        """Draw the figure; what subjects are called is shown as it is, and never as a formula."""
        plain_text(self)
        super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Write the figure, see :meth:`matplotlib.figure.Figure.savefig`.

        Parameters
        ----------
        fname
            File, or stream.
        **options
            As matplotlib takes them; ``metadata`` overrides what is left out here.
        """
        ending = str(fname).rpartition(".")[2] if isinstance(fname, str | PathLike) else ""
        form = str(options.get("format") or ending).lower()
        if form in UNDATED:
            options["metadata"] = UNDATED[form] | (options.get("metadata") or {})
        with mpl.rc_context({"svg.hashsalt": "neuro_metarl"}):
            super().savefig(fname, **options)


def plain_text(figure: _Figure) -> None:
    """Show texts as they stand: dollar signs begin no formula, control signs are replaced.

    Labels of numbers on an axis stay as matplotlib writes them.

    Parameters
    ----------
    figure
        Whose texts.

    Examples
    --------
    >>> figure = Figure()
    >>> text = figure.text(0, 0, "rat$_{1$")
    >>> plain_text(figure)
    >>> text.get_parse_math()
    False
    """
    numbers: set[Any] = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, NAMES):
                axis.set_major_formatter(_Visible(formatter))
            elif not isinstance(formatter, _Visible):
                numbers |= {*axis.get_majorticklabels(), *axis.get_minorticklabels()}
                numbers.add(axis.get_offset_text())
    for text in figure.findobj(Text):
        if text not in numbers:
            text.set_parse_math(False)
            text.set_text(_visible(text.get_text()))


class _Visible(Formatter):
    """Write what another formatter writes, without control signs."""

    def __init__(self, names: Formatter) -> None:
        self.names = names

    def __call__(self, x: float, pos: int | None = None) -> str:
        return _visible(str(self.names(x, pos)))


def _visible(text: str) -> str:
    return "".join(
        sign if sign == "\n" or category(sign) not in ("Cc", "Cs") else "\ufffd" for sign in text
    )


def print_style() -> Any:
    """Set the fonts of a printed page.

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
