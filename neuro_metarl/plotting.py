"""Plots of results: one function per measure, every subject visible.

Colours are the colour-blind safe set of Okabe and Ito; sources also differ in their marker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "plot_comparison",
    "plot_confusion",
    "plot_indices",
    "plot_lagged_weights",
    "plot_model_comparison",
    "plot_recovery",
    "plot_stay_probability",
]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
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
SIZE = 8.0


def plot_stay_probability(comparison: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Plot how often each subject repeats its choice after each kind of trial.

    Parameters
    ----------
    comparison
        From :func:`neuro_metarl.comparison.compare`.
    ax
        Where; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Dots are subjects, horizontal lines are means over subjects.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")}, n_bootstrap=50)
    >>> plot_stay_probability(result).get_ylabel()
    'P(stay)'
    """
    ax = _axes(ax)
    values = comparison["stay_probability"].sel(term=list(TERMS), statistic="value")
    _dots(ax, values.transpose("term", "subject"), comparison)
    ax.axhline(0.5, color="0.6", lw=0.7, ls=":", zorder=0)
    ax.set(ylabel="P(stay)", ylim=(-0.03, 1.03), xlabel="previous trial")
    _categories(ax, list(TERMS.values()))
    return ax


def plot_indices(comparison: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Plot the four indices of the lagged regression, subject by subject.

    Parameters
    ----------
    comparison
        From :func:`neuro_metarl.comparison.compare`.
    ax
        Where; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")}, n_bootstrap=50)
    >>> plot_indices(result).get_ylabel()
    'index (log odds, summed over lags)'
    """
    ax = _axes(ax)
    values = xr.concat(
        [comparison[name].sel(statistic="value") for name in INDICES], dim="index"
    ).transpose("index", "subject")
    _dots(ax, values, comparison)
    ax.axhline(0, color="0.6", lw=0.7, ls=":", zorder=0)
    ax.set(ylabel="index (log odds, summed over lags)")
    _categories(ax, list(INDICES.values()))
    return ax


def plot_lagged_weights(
    comparison: xr.Dataset, axes: Sequence[Axes] | None = None
) -> Sequence[Axes]:
    """Plot the lagged regression's weights, one panel per kind of trial.

    Parameters
    ----------
    comparison
        From :func:`neuro_metarl.comparison.compare`.
    axes
        Four axes; default a new figure.

    Returns
    -------
    sequence of matplotlib.axes.Axes
        Thin lines are subjects, thick lines with markers are means over subjects.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")}, n_bootstrap=50)
    >>> len(plot_lagged_weights(result))
    4
    """
    if axes is None:
        axes = list(Figure(figsize=(7, 2)).subplots(1, 4, sharey=True))
    lags = comparison["lag"].values
    weights = comparison["lagged_weight"].sel(statistic="value")
    for ax, (term, label) in zip(axes, TERMS.items(), strict=True):
        for k, source in enumerate(_sources(comparison)):
            mine = weights.sel(term=term).isel(subject=comparison["source"].values == source)
            ax.plot(lags, mine.transpose("lag", "subject"), color=COLORS[k], lw=0.5, alpha=0.35)
            ax.plot(
                lags,
                mine.mean("subject"),
                color=COLORS[k],
                marker=MARKERS[k],
                ms=3.5,
                lw=1.5,
                label=source,
            )
        ax.axhline(0, color="0.6", lw=0.7, ls=":", zorder=0)
        ax.set_title(label.replace("\n", ", "), fontsize=SIZE)
        ax.set(xlabel="trials back", xticks=lags)
        _tidy(ax)
    axes[0].set_ylabel("weight (log odds)")
    return axes


def plot_comparison(comparison: xr.Dataset) -> Figure:
    """Draw the figure of a comparison: stay probabilities, indices, lag weights.

    Parameters
    ----------
    comparison
        From :func:`neuro_metarl.comparison.compare`.

    Returns
    -------
    matplotlib.figure.Figure
        7 x 5.4 inches, for print.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")}, n_bootstrap=50)
    >>> len(plot_comparison(result).axes)
    6
    """
    with mpl.rc_context(
        {"font.size": SIZE, "svg.fonttype": "none", "svg.hashsalt": "neuro_metarl"}
    ):
        figure = Figure(figsize=(7, 5.4), layout="constrained")
        grid = figure.add_gridspec(2, 4, height_ratios=[1.15, 1])
        left = figure.add_subplot(grid[0, :2])
        plot_stay_probability(comparison, left)
        plot_indices(comparison, figure.add_subplot(grid[0, 2:]))
        first = figure.add_subplot(grid[1, 0])
        others = [figure.add_subplot(grid[1, k], sharey=first) for k in (1, 2, 3)]
        plot_lagged_weights(comparison, [first, *others])
        n_of = [int((comparison["source"] == s).sum()) for s in _sources(comparison)]
        handles = [
            left.plot([], [], color=COLORS[k], marker=MARKERS[k], ls="", ms=4)[0]
            for k in range(len(n_of))
        ]
        labels = [f"{s} (n = {n})" for s, n in zip(_sources(comparison), n_of, strict=True)]
        figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


def plot_model_comparison(table: xr.Dataset) -> Figure:
    """Plot each subject's BIC above its best model, and the models' exceedance.

    Parameters
    ----------
    table
        From :func:`neuro_metarl.cognitive.selection.compare_models`.

    Returns
    -------
    matplotlib.figure.Figure
        Dots are subjects (0 is the subject's best model; symlog axis), bars are protected
        exceedance probabilities. Models from best to worst by the sum of their BIC.

    Examples
    --------
    >>> from neuro_metarl import compare_models, fit_models, load_dataset
    >>> fits = fit_models(load_dataset("synthetic-rats"), ["model_based", "model_free"])
    >>> len(plot_model_comparison(compare_models(fits)).axes)
    2
    """
    order = table["bic"].sum("subject").argsort().values
    names = table["model"].values[order]
    height = np.arange(len(names))
    with mpl.rc_context(
        {"font.size": SIZE, "svg.fonttype": "none", "svg.hashsalt": "neuro_metarl"}
    ):
        figure = Figure(figsize=(7, 1.1 + 0.27 * len(names)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2, 1])
        above = table["delta_bic"].transpose("model", "subject").values[order]
        n = above.shape[1]
        spread = np.linspace(-0.25, 0.25, n) if n > 1 else np.zeros(1)
        left.plot(above.ravel(), (height[:, None] + spread).ravel(), ls="", marker="o", ms=3,
                  color=COLORS[0], alpha=0.6, mew=0)  # fmt: skip
        left.vlines(np.median(above, axis=1), height - 0.4, height + 0.4, color=COLORS[1], lw=2)
        left.set_xscale("symlog", linthresh=10)
        left.set(xlabel="BIC above the subject's best model", xlim=(-0.6, None))
        left.set_yticks(height, [str(name).replace("_", " ") for name in names])
        left.set_title(f"subjects (n = {n}), median", fontsize=SIZE)
        right.barh(height, table["protected_exceedance"].values[order], color=COLORS[0])
        right.set(xlabel="protected exceedance probability", xlim=(0, 1))
        left.invert_yaxis()
        for ax in (left, right):
            _tidy(ax)
    return figure


def plot_recovery(table: xr.Dataset) -> Figure:
    """Plot planted against fitted parameters.

    Parameters
    ----------
    table
        From :func:`neuro_metarl.cognitive.recovery.recover`.

    Returns
    -------
    matplotlib.figure.Figure
        One panel per parameter; dots are subjects with their standard errors, the line is
        equality.

    Examples
    --------
    >>> from neuro_metarl import load_dataset, recover
    >>> table = recover("model_based", load_dataset("synthetic-rats"), n_subjects=5)
    >>> len([ax for ax in plot_recovery(table).axes if ax.get_visible()])
    4
    """
    names = table["parameter"].values.tolist()
    n_columns = min(4, len(names))
    n_rows = -(-len(names) // n_columns)
    with mpl.rc_context({"font.size": SIZE, "svg.fonttype": "none"}):
        figure = Figure(figsize=(1.85 * n_columns, 1.95 * n_rows), layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
        for ax in axes[len(names) :]:
            ax.set_visible(False)
        for ax, name in zip(axes, names, strict=False):
            one = table.sel(parameter=name)
            ax.errorbar(one["planted"], one["estimate"], one["standard_error"], ls="", marker="o",
                        ms=2.5, color=COLORS[0], elinewidth=0.5, alpha=0.6)  # fmt: skip
            low, high = float(one["planted"].min()), float(one["planted"].max())
            room = 0.2 * (high - low) + 1e-9
            ends = (low - room, high + room)
            ax.plot(ends, ends, color="0.5", lw=0.7, zorder=0)
            ax.set(xlim=ends, ylim=(low - 3 * room, high + 3 * room))
            label = name.replace("_", " ")
            ax.set_title(f"{label}\nr = {float(one['correlation']):.2f}", fontsize=SIZE - 1)
            _tidy(ax)
        figure.supxlabel("planted", fontsize=SIZE)
        figure.supylabel("fitted", fontsize=SIZE)
    return figure


def plot_confusion(table: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Plot which model wins for subjects simulated from each.

    Parameters
    ----------
    table
        From :func:`neuro_metarl.cognitive.recovery.confusion`.
    ax
        Where; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Rows are the simulated model, columns the fitted one; numbers are shares of subjects.

    Examples
    --------
    >>> table = xr.Dataset(
    ...     {"confusion": (("simulated", "fitted"), np.eye(2))},
    ...     coords={"simulated": ["a", "b"], "fitted": ["a", "b"]}, attrs={"n_subjects": 5})
    >>> plot_confusion(table).get_xlabel()
    'lowest BIC'
    """
    share = table["confusion"].transpose("simulated", "fitted")
    names = [str(name).replace("_", " ") for name in share["simulated"].values]
    if ax is None:
        size = 2 + 0.35 * len(names)
        ax = Figure(figsize=(size + 0.6, size), layout="constrained").subplots()
    ax.imshow(share.values, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(share.values):
        if value > 0:
            ax.text(column, row, f"{value:.2f}".lstrip("0"), ha="center", va="center",
                    color="white" if value > 0.6 else "0.1", fontsize=SIZE - 1)  # fmt: skip
    ax.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="lowest BIC", ylabel="simulated")
    ax.set_title(f"{table.attrs['n_subjects']} subjects per row", fontsize=SIZE)
    return ax


def _axes(ax: Axes | None) -> Axes:
    return Figure(figsize=(3.5, 2.6), layout="constrained").subplots() if ax is None else ax


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
            marker=MARKERS[k],
            color=COLORS[k],
            alpha=0.55,
            mew=0,
            label=source,
        )
        ax.hlines(
            subjects.mean("subject").values,
            middle - 0.42 * width,
            middle + 0.42 * width,
            color=COLORS[k],
            lw=2,
        )


def _categories(ax: Axes, labels: list[str]) -> None:
    ax.set_xticks(range(len(labels)), labels)
    ax.set_xlim(-0.5, len(labels) - 0.5)
    _tidy(ax)


def _tidy(ax: Axes) -> Any:
    ax.spines[["top", "right"]].set_visible(False)
