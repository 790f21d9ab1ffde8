"""Plots of an assessment: which signature is unlike the animals', how choices are predicted.

Colours are the colour-blind safe set of Okabe and Ito; groups also differ in their marker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from neuro_metarl.plot.style import (
    COLORS,
    MARKERS,
    SIZE,
    Figure,
    one_axes,
    print_style,
    tidy,
)
from neuro_metarl.words import plural

__all__ = ["assessment", "placement", "prediction"]

BAND = 1.96
FURTHEST, EDGE = 6.0, 5.4


def placement(
    animals: xr.Dataset,
    groups: Mapping[str, xr.Dataset],
    ax: Axes | None = None,
    *,
    noun: str = "animal",
) -> Axes:
    """Plot the predictive z of each signature.

    Parameters
    ----------
    animals
        From :func:`neuro_metarl.comparison.cloud.leave_one_out`.
    groups
        Name to what :func:`neuro_metarl.comparison.cloud.place` gave.
    ax
        Where; default a new figure.
    noun
        What an animal is called.

    Returns
    -------
    matplotlib.axes.Axes
        Gray dots are animals against the others; coloured markers are means over the subjects of a
        group, with their range. The band holds 95 % of new animals. Values beyond 6 are drawn at
        the edge, with an arrow.

    Examples
    --------
    >>> from neuro_metarl import load_dataset, profile
    >>> from neuro_metarl.comparison import leave_one_out
    >>> rats = leave_one_out(profile(load_dataset("synthetic-rats")), n_bootstrap=100)
    >>> placement(rats, {"rats again": rats}).get_ylabel().startswith("predictive z")
    True
    """
    many = plural(noun)
    ax = one_axes(ax)
    measures = animals["measure"].values
    at = np.arange(len(measures))
    width = 0.8 / (1 + len(groups))
    ax.axhspan(-BAND, BAND, color="0.92", zorder=0)
    ax.axhline(0, color="0.6", lw=0.7, zorder=0)
    z = animals["z"].transpose("measure", "subject").values
    spots = np.repeat(at[:, None] - 0.4 + width / 2, z.shape[1], axis=1)
    ax.plot(spots.ravel(), z.ravel().clip(-FURTHEST, FURTHEST), ls="", marker="o", ms=3,
            color="0.35", mew=0,
            label=f"each {noun} against the others (n = {z.shape[1]})")  # fmt: skip
    for k, (name, placed) in enumerate(groups.items()):
        z = placed["z"].transpose("measure", "subject").values
        x = at - 0.4 + width * (k + 1.5)
        mean = z.mean(axis=1)
        low, high = z.min(axis=1).clip(-FURTHEST), z.max(axis=1).clip(max=FURTHEST)
        shown = np.where(np.abs(mean) > FURTHEST, np.sign(mean) * EDGE, mean)
        ax.vlines(x, np.minimum(low, shown), np.maximum(high, shown), color=COLORS[k], lw=1)
        ax.plot(x, shown, ls="", marker=MARKERS[k], ms=4, color=COLORS[k],
                label=f"{name} (n = {z.shape[1]})")  # fmt: skip
        for j in np.flatnonzero(np.abs(mean) > FURTHEST):
            ax.annotate("", (x[j], np.sign(mean[j]) * FURTHEST * 1.07), (x[j], shown[j]),
                        arrowprops={"arrowstyle": "->", "color": COLORS[k]})  # fmt: skip
    labels = [_label(str(m)) for m in measures]
    ax.set_xticks(at, labels, fontsize=SIZE - 2)
    ax.set(xlim=(-0.6, len(at) - 0.4), ylim=(-FURTHEST * 1.08, FURTHEST * 1.08))
    ax.set_ylabel(f"predictive z: distance from the {many}\n(band: 95 % of new {many})")
    tidy(ax)
    return ax


def prediction(
    tables: Mapping[str, xr.Dataset],
    ax: Axes | None = None,
    *,
    noun: str = "animal",
    order: Sequence[str] = (),
) -> Axes:
    """Plot how well each animal's choices are predicted.

    Parameters
    ----------
    tables
        Name of a group to what :func:`neuro_metarl.comparison.prediction.predict_animals` gave; the
        other animals are those of the first.
    ax
        Where; default a new figure.
    noun
        What an animal is called.
    order
        Names of groups in the order of colours, where another panel shows some of them.

    Returns
    -------
    matplotlib.axes.Axes
        Gray dots are other animals' models, coloured markers means over a group's subjects.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.comparison import model_log_odds, predict_animals
    >>> rats = load_dataset("synthetic-rats")
    >>> table = predict_animals(rats, model_log_odds(rats, "model_based", {"planner": {}}))
    >>> prediction({"planner": table}).get_ylabel().startswith("share")
    True
    """
    ax = one_axes(ax)
    first = next(iter(tables.values()))
    animals = first["animal"].values
    at = np.arange(len(animals))
    others = first["other_share"].transpose("animal", "candidate").values
    spots = np.repeat(at[:, None], others.shape[1], axis=1)
    ax.plot(spots.ravel(), others.ravel(), ls="", marker="o", ms=3, color="0.35", mew=0,
            label=f"another {noun}'s model")  # fmt: skip
    colors = {name: k for k, name in enumerate(dict.fromkeys([*order, *tables]))}
    for place, (name, table) in enumerate(tables.items()):
        k = colors[name]
        share = table["share"].transpose("animal", "subject").values
        shift = at + 0.16 * (place + 1)
        ax.vlines(shift, share.min(axis=1), share.max(axis=1), color=COLORS[k], lw=1)
        ax.plot(shift, share.mean(axis=1), ls="", marker=MARKERS[k], ms=4, color=COLORS[k],
                label=name)  # fmt: skip
    for height in (0, 1):
        ax.axhline(height, color="0.6", lw=0.7, zorder=0)
    ax.set_xticks(at, [str(a) for a in animals], rotation=35, ha="right", fontsize=SIZE - 1)
    ax.set_xlim(-0.4, len(at) - 0.2)
    ax.set_ylabel(
        "share of the explainable log-likelihood\n"
        f"0 = bias and repetition, 1 = the {noun}'s own model",
        fontsize=SIZE - 1,
    )
    tidy(ax)
    return ax


def assessment(
    animals: xr.Dataset,
    placed: Mapping[str, xr.Dataset],
    predicted: Mapping[str, xr.Dataset],
    *,
    noun: str = "animal",
) -> Figure:
    """Draw the two-panel figure of a report.

    Parameters
    ----------
    animals, placed, noun
        See :func:`placement`.
    predicted
        See :func:`prediction`.

    Returns
    -------
    matplotlib.figure.Figure
        9.5 x 4 inches.

    Examples
    --------
    See :func:`placement`.

    >>> FURTHEST
    6.0
    """
    theirs = plural(noun, owning=True)
    with print_style():
        figure = Figure(figsize=(9.5, 4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[2.2, 1])
        placement(animals, placed, left, noun=noun)
        prediction(predicted, right, noun=noun, order=list(placed))
        left.set_title(f"which signature is unlike the {theirs}", fontsize=SIZE)
        right.set_title(f"how well it predicts each {noun}'s choices", fontsize=SIZE)
        for ax, columns in ((left, 2), (right, 1)):
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns, frameon=False,
                      fontsize=SIZE - 1)  # fmt: skip
    return figure


def _label(measure: str) -> str:
    name, lagged, lags = measure.partition("_lag")
    if not lagged:
        return name.replace("_", "\n", 1).replace("_", " ")
    return f"{name.replace('_', '-')}\n{'lags 2-5' if lags.startswith('s') else 'lag 1'}"
