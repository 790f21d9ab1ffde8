"""What panels of measures are made of: subjects as dots with their mean, or as lines over lags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from neuro_metarl.errors import InputError
from neuro_metarl.plot.style import COLORS, MARKERS, Figure, categories, tidy

__all__ = ["by_source", "draw_dots", "draw_lines", "legend_of", "sources_of", "spoken"]

WIDEST = 11


def by_source(
    result: xr.Dataset, needs: Sequence[str], dim: str, plot: str, verb: str
) -> xr.Dataset:
    """Give a result of one measure the form of a comparison; refuse what is neither.

    Parameters
    ----------
    result
        From a measure's function, or from ``compare``.
    needs
        Variables that are drawn.
    dim
        A dim that it must have; empty: any.
    plot, verb
        Who asks, and what gives such results, for messages; without a verb only ``compare`` does.

    Returns
    -------
    xarray.Dataset
        With the dim subject and the coordinate ``source``.

    Raises
    ------
    InputError
        Something else.

    Examples
    --------
    >>> by_source("rats", ["stay_probability"], "term", "stay_probability", "stay_probability")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: stay_probability takes what stay_probability or compare ...
    """
    wanted = f"what {verb} or compare gives" if verb else "what compare gives"
    if not isinstance(result, xr.Dataset):
        raise InputError(f"{plot} takes {wanted}, got {type(result).__name__}")
    if "choice" in result and "statistic" not in result.dims:
        raise InputError(f"{plot} takes {wanted}, got a cohort; measure it first")
    missing = [name for name in needs if name not in result]
    if not missing and "subject" not in result.dims:
        result = result.expand_dims("subject")
    if not missing:
        missing = [d for d in (dim, "statistic") if d and d not in result.dims]
    if not missing and not verb and "source" not in result.coords:
        missing = ["source"]
    if missing:
        raise InputError(f"{plot} takes {wanted}, got a data set without {missing[0]!r}")
    if "source" not in result.coords:
        result = result.assign_coords(source=("subject", ["subjects"] * result.sizes["subject"]))
    elif result["source"].dims != ("subject",):
        of = [str(result["source"].item())] * result.sizes["subject"]
        result = result.drop_vars("source").assign_coords(source=("subject", of))
    return result


def sources_of(comparison: xr.Dataset) -> list[str]:
    """List the sources of a comparison, in order.

    Examples
    --------
    >>> sources_of(xr.Dataset(coords={"source": ("subject", ["rats", "rats", "agents"])}))
    ['rats', 'agents']
    """
    return list(dict.fromkeys(comparison["source"].values.tolist()))


def spoken(label: object) -> str:
    """Write a label under an axis: in words, over two lines where it is long.

    Examples
    --------
    >>> spoken("common_rewarded").splitlines()
    ['common', 'rewarded']
    """
    text = f"{label:g}" if isinstance(label, float) else str(label)
    words = text.replace("_", " ").split(" ")
    if len(" ".join(words)) <= WIDEST:
        return " ".join(words)
    halves = [(" ".join(words[:k]), " ".join(words[k:])) for k in range(1, len(words))]
    return "\n".join(min(halves, key=lambda half: max(map(len, half)), default=(words[0],)))


def draw_dots(
    ax: Axes,
    values: xr.DataArray,
    comparison: xr.Dataset,
    labels: Sequence[str],
    *,
    line: float = np.nan,
) -> None:
    """Draw each source's subjects as dots beside each other, and their mean as a line.

    Parameters
    ----------
    ax
        Where.
    values
        Dims (category, subject).
    comparison
        Has the source of each subject.
    labels
        Of the categories.
    line
        Height of a dotted line, or NaN.

    Examples
    --------
    >>> from neuro_metarl.plot.style import one_axes
    >>> table = xr.Dataset(coords={"source": ("subject", ["rats", "rats", "agents"])})
    >>> ax = one_axes(None)
    >>> draw_dots(ax, xr.DataArray(np.eye(2, 3), dims=("index", "subject")), table, ["a", "b"])
    >>> len(ax.lines)
    2
    """
    sources = sources_of(comparison)
    width = 0.8 / len(sources)
    for k, source in enumerate(sources):
        subjects = values.isel(subject=comparison["source"].values == source)
        mine = subjects.values
        middle = np.arange(len(mine)) - 0.4 + width * (k + 0.5)
        spread = np.linspace(-0.3, 0.3, mine.shape[1]) * width if mine.shape[1] > 1 else [0.0]
        ax.plot(
            (middle[:, None] + np.asarray(spread)).ravel(),
            mine.ravel(),
            ls="",
            ms=2.8,
            marker=MARKERS[k % len(MARKERS)],
            color=COLORS[k % len(COLORS)],
            alpha=0.55,
            mew=0,
            label=source,
        )
        ax.hlines(
            subjects.mean("subject").values,
            middle - 0.42 * width,
            middle + 0.42 * width,
            color=COLORS[k % len(COLORS)],
            lw=2,
        )
    _dotted(ax, line)
    categories(ax, list(labels))


def draw_lines(
    ax: Axes, values: xr.DataArray, comparison: xr.Dataset, *, line: float = np.nan
) -> None:
    """Draw each subject as a thin line over lags, and each source's mean as a thick one.

    Parameters
    ----------
    ax
        Where.
    values
        Dims lag, subject.
    comparison
        Has the source of each subject.
    line
        Height of a dotted line, or NaN.

    Examples
    --------
    >>> from neuro_metarl.plot.style import one_axes
    >>> table = xr.Dataset(coords={"source": ("subject", ["rats", "rats"]), "lag": [1, 2, 3]})
    >>> ax = one_axes(None)
    >>> draw_lines(ax, xr.DataArray(np.eye(3, 2), {"lag": table.lag}, ("lag", "subject")), table)
    >>> len(ax.lines)
    3
    """
    lags = values["lag"].values
    for k, source in enumerate(sources_of(comparison)):
        mine = values.isel(subject=comparison["source"].values == source)
        color, marker = COLORS[k % len(COLORS)], MARKERS[k % len(MARKERS)]
        ax.plot(lags, mine.transpose("lag", "subject"), color=color, lw=0.5, alpha=0.35)
        ax.plot(
            lags, mine.mean("subject"), color=color, marker=marker, ms=3.5, lw=1.5, label=source
        )
    _dotted(ax, line)
    ax.set(xticks=lags)
    tidy(ax)


def _dotted(ax: Axes, line: float) -> None:
    if np.isfinite(line):
        ax.axhline(line, color="0.6", lw=0.7, ls=":", zorder=0)


def legend_of(figure: Figure, ax: Axes, comparison: xr.Dataset) -> None:
    """Say above the figure which color and mark is which source, and how many subjects it has.

    Examples
    --------
    >>> table = xr.Dataset(coords={"source": ("subject", ["rats", "rats"])})
    >>> figure = Figure(layout="constrained")
    >>> legend_of(figure, figure.subplots(), table)
    >>> figure.legends[0].get_texts()[0].get_text()
    'rats (n = 2)'
    """
    n_of = [int((comparison["source"] == s).sum()) for s in sources_of(comparison)]
    handles = [
        ax.plot(
            [], [], color=COLORS[k % len(COLORS)], marker=MARKERS[k % len(MARKERS)], ls="", ms=4
        )[0]
        for k in range(len(n_of))
    ]
    labels = [f"{s} (n = {n})" for s, n in zip(sources_of(comparison), n_of, strict=True)]
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
