"""Plots of learning sets: curves within a problem, and how their start changes over problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes

from neuro_metarl.errors import InputError
from neuro_metarl.plot.style import COLORS, MARKERS, Figure, one_axes, print_style, tidy

__all__ = ["first_trials", "learning_curve", "learning_curves"]


def learning_curve(
    curve: xr.Dataset, ax: Axes | None = None, *, chance: float | None = 0.5
) -> Axes:
    """Plot the probability correct on each trial of a problem, one line per block of problems.

    Parameters
    ----------
    curve
        From :func:`neuro_metarl.behavior.learning_sets.learning_curve` (thin lines are subjects,
        thick lines their means), or from ``mean_learning_curve`` (bands are the 95 % intervals of
        means over subjects).
    ax
        Where; default a new figure.
    chance
        Dotted line, or None.

    Returns
    -------
    matplotlib.axes.Axes
        Blocks run from light (first) to dark (last).

    Examples
    --------
    >>> from neuro_metarl.behavior import published_curve
    >>> from neuro_metarl.datasets import load_reference
    >>> ax = learning_curve(published_curve(load_reference("harlow1949")))
    >>> ax.get_ylabel(), len(ax.lines)
    ('P(correct)', 9)
    """
    ax = one_axes(ax)
    values = curve["p_correct"].sel(statistic="value")
    trials, blocks = curve["trial"].values, curve["block"].values
    shades = colormaps["cividis_r"](np.linspace(0.15, 1, max(2, len(blocks))))[-len(blocks) :]
    for block, shade in zip(blocks, shades, strict=True):
        mine = values.sel(block=block)
        if "subject" in mine.dims:
            if mine.sizes["subject"] > 1:
                each = mine.transpose("trial", "subject").values
                ax.plot(trials, each, color=shade, lw=0.5, alpha=0.3)
            mine = mine.mean("subject")
        else:
            low, high = (curve["p_correct"].sel(block=block, statistic=s) for s in ("low", "high"))
            ax.fill_between(trials, low, high, color=shade, alpha=0.2, lw=0)
        ax.plot(trials, mine, color=shade, marker="o", ms=3, lw=1.4, label=str(block))
    if chance is not None:
        ax.axhline(chance, color="0.6", lw=0.7, ls=":", zorder=0)
    ticks = trials if len(trials) <= 10 else trials[:: max(1, len(trials) // 6)]
    ax.set(xlabel="trial of the problem", ylabel="P(correct)", ylim=(-0.02, 1.02), xticks=ticks)
    tidy(ax)
    return ax


def learning_curves(curves: Mapping[str, xr.Dataset]) -> Figure:
    """Draw the learning curves of several sources side by side.

    Parameters
    ----------
    curves
        Source to what :func:`learning_curve` takes.

    Returns
    -------
    matplotlib.figure.Figure
        6 x 2.8 inches, for print.

    Examples
    --------
    >>> from neuro_metarl.behavior import published_curve
    >>> from neuro_metarl.datasets import load_reference
    >>> monkeys = published_curve(load_reference("harlow1949"))
    >>> len(learning_curves({"monkeys": monkeys, "again": monkeys}).axes)
    2
    """
    with print_style():
        figure = Figure(figsize=(6, 2.8), layout="constrained")
        axes = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
        for ax, (source, curve) in zip(axes, curves.items(), strict=True):
            learning_curve(curve, ax)
            counted = f" (n = {curve.sizes['subject']})" if "subject" in curve.sizes else ""
            ax.set_title(f"{source}{counted}")
    return figure


def first_trials(
    curves: Mapping[str, xr.Dataset] | xr.Dataset,
    ax: Axes | None = None,
    *,
    trials: Sequence[int] = (1, 2),
    chance: float | None = 0.5,
) -> Axes:
    """Plot the probability correct on the first trials of problems against the block of problems.

    Parameters
    ----------
    curves
        From :func:`neuro_metarl.behavior.learning_sets.learning_curve`, with the same number of
        blocks; or name to such a curve.
    ax
        Where; default a new figure.
    trials
        Trials of a problem, one line style each.
    chance
        Dotted line, or None.

    Returns
    -------
    matplotlib.axes.Axes
        Dots are subjects (up to forty), lines are means over subjects; a source has its color and
        marker, trials go from dashed to solid.

    Raises
    ------
    InputError
        A trial that a curve does not have.

    Examples
    --------
    >>> from neuro_metarl.behavior import published_curve
    >>> from neuro_metarl.datasets import load_reference
    >>> curve = published_curve(load_reference("wang2018-harlow"))
    >>> len(first_trials({"published networks": curve}).get_legend_handles_labels()[0])
    2
    """
    ax = one_axes(ax)
    named = {"": curves} if isinstance(curves, xr.Dataset) else dict(curves)
    styles = ["--", "-", "-.", ":"]
    labels: list[str] = []
    for k, (name, curve) in enumerate(named.items()):
        values = curve["p_correct"].sel(statistic="value")
        labels = max(labels, [str(v) for v in curve["block"].values], key=len)
        shift = 0.12 * (k - (len(named) - 1) / 2)
        for j, trial in enumerate(trials):
            if trial not in curve["trial"]:
                raise InputError(
                    f"trial {trial} is not in the curve; it has 1 to {int(curve['trial'].max())}"
                )
            mine = values.sel(trial=trial).transpose("subject", "block").values
            place = np.arange(mine.shape[1]) + shift
            color, marker = COLORS[k % len(COLORS)], MARKERS[k % len(MARKERS)]
            if 1 < len(mine) <= 40:
                ax.plot(
                    np.tile(place, len(mine)), mine.ravel(), ls="", marker=marker, ms=2.2,
                    color=color, alpha=0.35, mew=0,
                )  # fmt: skip
            label = f"{name}, trial {trial}" if name else f"trial {trial}"
            ax.plot(
                place, np.nanmean(mine, axis=0), color=color, marker=marker, ms=4, lw=1.4,
                ls=styles[(j + 1 if len(trials) == 1 else j) % len(styles)], label=label,
            )  # fmt: skip
    if chance is not None:
        ax.axhline(chance, color="0.6", lw=0.7, ls=":", zorder=0)
    ax.set(xlabel="block of problems", ylabel="P(correct)", ylim=(-0.02, 1.02))
    ax.set_xticks(range(len(labels)), labels)
    tidy(ax)
    return ax
