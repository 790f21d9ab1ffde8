"""Plots of results: one function per measure, every subject visible.

Colours are the colour-blind safe set of Okabe and Ito; sources also differ in their marker.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_metarl.errors import InputError
from neuro_metarl.plotting.style import (
    COLORS,
    MARKERS,
    SIZE,
    categories,
    one_axes,
    print_style,
    tidy,
)

__all__ = [
    "plot_comparison",
    "plot_indices",
    "plot_lagged_weights",
    "plot_stay_probability",
]

TERMS = {
    "common_rewarded": "common\nrewarded",
    "rare_rewarded": "rare\nrewarded",
    "common_omitted": "common\nomitted",
    "rare_omitted": "rare\nomitted",
}
INDICES = {
    "planning_index": "planning",
    "model_free_index": "model-free",
    "stay_index": "stay",
    "common_stay_index": "common-stay",
}


def plot_stay_probability(comparison: xr.Dataset, ax: Axes | None = None) -> Axes:
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
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")}, n_bootstrap=50)
    >>> plot_stay_probability(result).get_ylabel()
    'P(stay)'
    """
    by_level = isinstance(comparison, xr.Dataset) and "level" in comparison.dims
    dim = "level" if by_level else "term"
    comparison = _by_source(
        comparison, ("stay_probability",), dim, "plot_stay_probability", "stay_probability"
    )
    labels = list(TERMS.values())
    values = comparison["stay_probability"].sel(statistic="value")
    if by_level:
        labels = [f"reward\n{level:g}" for level in values["level"].values]
    else:
        values = values.sel(term=list(TERMS))
    ax = one_axes(ax)
    _dots(ax, values.transpose(dim, "subject"), comparison)
    ax.axhline(0.5, color="0.6", lw=0.7, ls=":", zorder=0)
    ax.set(ylabel="P(stay)", ylim=(-0.03, 1.03), xlabel="previous trial")
    categories(ax, labels)
    return ax


def plot_indices(comparison: xr.Dataset, ax: Axes | None = None) -> Axes:
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
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")}, n_bootstrap=50)
    >>> plot_indices(result).get_ylabel()
    'index (log odds, summed over lags)'
    """
    comparison = _by_source(
        comparison, tuple(INDICES), "subject", "plot_indices", "lagged_regression"
    )
    ax = one_axes(ax)
    values = xr.concat(
        [comparison[name].sel(statistic="value") for name in INDICES], dim="index"
    ).transpose("index", "subject")
    _dots(ax, values, comparison)
    ax.axhline(0, color="0.6", lw=0.7, ls=":", zorder=0)
    ax.set(ylabel="index (log odds, summed over lags)")
    categories(ax, list(INDICES.values()))
    return ax


def plot_lagged_weights(
    comparison: xr.Dataset, axes: Sequence[Axes] | None = None
) -> Sequence[Axes]:
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
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")}, n_bootstrap=50)
    >>> len(plot_lagged_weights(result))
    4
    """
    comparison = _by_source(
        comparison, ("lagged_weight",), "term", "plot_lagged_weights", "lagged_regression"
    )
    if axes is None:
        axes = list(Figure(figsize=(7, 2)).subplots(1, 4, sharey=True))
    lags = comparison["lag"].values
    weights = comparison["lagged_weight"].sel(statistic="value")
    for ax, (term, label) in zip(axes, TERMS.items(), strict=True):
        for k, source in enumerate(_sources(comparison)):
            mine = weights.sel(term=term).isel(subject=comparison["source"].values == source)
            ax.plot(
                lags,
                mine.transpose("lag", "subject"),
                color=COLORS[k % len(COLORS)],
                lw=0.5,
                alpha=0.35,
            )
            ax.plot(
                lags,
                mine.mean("subject"),
                color=COLORS[k % len(COLORS)],
                marker=MARKERS[k % len(MARKERS)],
                ms=3.5,
                lw=1.5,
                label=source,
            )
        ax.axhline(0, color="0.6", lw=0.7, ls=":", zorder=0)
        ax.set_title(label.replace("\n", ", "), fontsize=SIZE)
        ax.set(xlabel="trials back", xticks=lags)
        tidy(ax)
    axes[0].set_ylabel("weight (log odds)")
    return axes


def plot_comparison(comparison: xr.Dataset) -> Figure:
    """Draw the figure of a comparison: stay probabilities, indices, lag weights; or signatures.

    Parameters
    ----------
    comparison
        From :func:`neuro_metarl.comparison.compare`.

    Returns
    -------
    matplotlib.figure.Figure
        7 x 5.4 inches, for print; of signatures 7 x 3.

    Raises
    ------
    InputError
        Something else.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")}, n_bootstrap=50)
    >>> len(plot_comparison(result).axes)
    6
    """
    if isinstance(comparison, xr.Dataset) and "signature" in comparison:
        return _plot_signatures(comparison)
    comparison = _by_source(
        comparison, ("stay_probability", "lagged_weight", *INDICES), "term", "plot_comparison", ""
    )
    with print_style():
        figure = Figure(figsize=(7, 5.4), layout="constrained")
        grid = figure.add_gridspec(2, 4, height_ratios=[1.15, 1])
        left = figure.add_subplot(grid[0, :2])
        plot_stay_probability(comparison, left)
        plot_indices(comparison, figure.add_subplot(grid[0, 2:]))
        first = figure.add_subplot(grid[1, 0])
        others = [figure.add_subplot(grid[1, k], sharey=first) for k in (1, 2, 3)]
        plot_lagged_weights(comparison, [first, *others])
        _legend(figure, left, comparison)
    return figure


def _legend(figure: Figure, ax: Axes, comparison: xr.Dataset) -> None:
    """Say above the figure which color and mark is which source, and how many subjects it has."""
    n_of = [int((comparison["source"] == s).sum()) for s in _sources(comparison)]
    handles = [
        ax.plot(
            [], [], color=COLORS[k % len(COLORS)], marker=MARKERS[k % len(MARKERS)], ls="", ms=4
        )[0]
        for k in range(len(n_of))
    ]
    labels = [f"{s} (n = {n})" for s, n in zip(_sources(comparison), n_of, strict=True)]
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)


def _plot_signatures(comparison: xr.Dataset) -> Figure:
    """Draw every subject's signatures, source beside source, with the mean of each."""
    names = [str(m).replace("_", " ") for m in comparison["measure"].values]
    names = [name.replace("2 5", "2 to 5").replace("3 6", "3 to 6") for name in names]
    value = comparison["signature"].sel(statistic="value").transpose("subject", "measure").values
    sources = _sources(comparison)
    with print_style():
        figure = Figure(figsize=(7, 3), layout="constrained")
        ax = figure.subplots()
        ax.axhline(0, color="0.7", lw=0.6)
        for k, source in enumerate(sources):
            mine = value[(comparison["source"] == source).values]
            middle = np.arange(len(names)) + 0.6 * ((k + 0.5) / len(sources) - 0.5)
            shift = np.linspace(-0.08, 0.08, len(mine)) if len(mine) > 1 else np.zeros(1)
            color, mark = COLORS[k % len(COLORS)], MARKERS[k % len(MARKERS)]
            x = (middle + shift[:, None]).ravel()
            ax.plot(x, mine.ravel(), mark, color=color, ms=2.5, alpha=0.6, mew=0)
            ax.hlines(mine.mean(axis=0), middle - 0.12, middle + 0.12, color=color, lw=1.6)
        categories(ax, [name.replace(" lag", "\nlag") for name in names])
        mixed = comparison.attrs.get("paradigm") == "navigation"
        ax.set_ylabel("signature" if mixed else "signature (log odds)")
        _legend(figure, ax, comparison)
    return figure


def _by_source(
    result: xr.Dataset, needs: Sequence[str], dim: str, plot: str, verb: str
) -> xr.Dataset:
    """Give a result of one measure the form of a comparison; refuse what is neither."""
    wanted = f"what {verb} or compare gives" if verb else "what compare gives"
    if not isinstance(result, xr.Dataset):
        raise InputError(f"{plot} takes {wanted}, got {type(result).__name__}")
    if "choice" in result and "statistic" not in result.dims:
        raise InputError(f"{plot} takes {wanted}, got a cohort; measure it first")
    missing = [name for name in needs if name not in result]
    if not missing and "subject" not in result.dims:
        result = result.expand_dims("subject")
    if not missing and (dim not in result.dims or "statistic" not in result.dims):
        missing = [dim if dim not in result.dims else "statistic"]
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


def _sources(comparison: xr.Dataset) -> list[str]:
    return list(dict.fromkeys(comparison["source"].values.tolist()))


def _dots(ax: Axes, values: xr.DataArray, comparison: xr.Dataset) -> None:
    """Draw each source's subjects as dots beside each other, and their mean as a line."""
    sources = _sources(comparison)
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
