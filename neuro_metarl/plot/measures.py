"""Plots of results: one function per measure, every subject visible.

Colours are the colour-blind safe set of Okabe and Ito; sources also differ in their marker.
"""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr
from matplotlib.axes import Axes

from neuro_metarl.plot.panels import by_source, draw_dots, draw_lines, spoken
from neuro_metarl.plot.style import SIZE, Figure, one_axes

__all__ = ["indices", "lagged_weights", "stay_probability"]

TERMS = ("common_rewarded", "rare_rewarded", "common_omitted", "rare_omitted")
INDICES = {
    "planning_index": "planning",
    "model_free_index": "model-free",
    "stay_index": "stay",
    "common_stay_index": "common-stay",
}


def stay_probability(comparison: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Plot how often each subject repeats its choice after each kind of trial.

    Parameters
    ----------
    comparison
        From :func:`neuro_metarl.comparison.compare`, or from ``stay_probability`` or
        ``stay_by_reward`` itself.
    ax
        Where; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Dots are subjects, horizontal lines are means over subjects.

    Raises
    ------
    InputError
        Something else.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")})
    >>> stay_probability(result).get_ylabel()
    'P(stay)'
    """
    by_level = isinstance(comparison, xr.Dataset) and "level" in comparison.dims
    dim = "level" if by_level else "term"
    comparison = by_source(
        comparison, ("stay_probability",), dim, "stay_probability", "stay_probability"
    )
    values = comparison["stay_probability"].sel(statistic="value")
    if by_level:
        labels = [f"reward\n{level:g}" for level in values["level"].values]
    else:
        values, labels = values.sel(term=list(TERMS)), [spoken(term) for term in TERMS]
    ax = one_axes(ax)
    draw_dots(ax, values.transpose(dim, "subject"), comparison, labels, line=0.5)
    ax.set(ylabel="P(stay)", ylim=(-0.03, 1.03), xlabel="previous trial")
    return ax


def indices(comparison: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Plot the four indices of the lagged regression, subject by subject.

    Parameters
    ----------
    comparison
        From :func:`neuro_metarl.comparison.compare`, or from ``lagged_regression`` itself.
    ax
        Where; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Something else.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")})
    >>> indices(result).get_ylabel()
    'index (log odds, summed over lags)'
    """
    comparison = by_source(comparison, tuple(INDICES), "subject", "indices", "lagged_regression")
    ax = one_axes(ax)
    values = xr.concat(
        [comparison[name].sel(statistic="value") for name in INDICES], dim="index"
    ).transpose("index", "subject")
    draw_dots(ax, values, comparison, list(INDICES.values()), line=0)
    ax.set(ylabel="index (log odds, summed over lags)")
    return ax


def lagged_weights(comparison: xr.Dataset, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
    """Plot the lagged regression's weights, one panel per kind of trial.

    Parameters
    ----------
    comparison
        From :func:`neuro_metarl.comparison.compare`, or from ``lagged_regression`` itself.
    axes
        Four axes; default a new figure.

    Returns
    -------
    sequence of matplotlib.axes.Axes
        Thin lines are subjects, thick lines with markers are means over subjects.

    Raises
    ------
    InputError
        Something else.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")})
    >>> len(lagged_weights(result))
    4
    """
    comparison = by_source(
        comparison, ("lagged_weight",), "term", "lagged_weights", "lagged_regression"
    )
    if axes is None:
        axes = list(Figure(figsize=(7, 2)).subplots(1, 4, sharey=True))
    weights = comparison["lagged_weight"].sel(statistic="value")
    for ax, term in zip(axes, TERMS, strict=True):
        draw_lines(ax, weights.sel(term=term), comparison, line=0)
        ax.set_title(term.replace("_", ", "), fontsize=SIZE)
        ax.set(xlabel="trials back")
    axes[0].set_ylabel("weight (log odds)")
    return axes
