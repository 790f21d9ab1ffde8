"""Plots of model selection, recovery and confusion.

Colours are the colour-blind safe set of Okabe and Ito.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from neuro_metarl.plot.style import COLORS, SIZE, Figure, print_style, tidy

__all__ = ["confusion", "model_comparison", "recovery"]


def model_comparison(table: xr.Dataset) -> Figure:
    """Plot each subject's evidence below its best model's, and the models' exceedance.

    Parameters
    ----------
    table
        From :func:`neuro_metarl.models.selection.compare_models`.

    Returns
    -------
    matplotlib.figure.Figure
        Dots are subjects (0 is the subject's best model; symlog axis), bars are protected
        exceedance probabilities. Models from best to worst by the sum of the evidence that the
        exceedance and the winners rest on. Where BIC says another best model, the title says so.

    Examples
    --------
    >>> from neuro_metarl import compare_models, fit_models, load_dataset
    >>> fits = fit_models(load_dataset("synthetic-rats"), ["model_based", "model_free"])
    >>> len(model_comparison(compare_models(fits)).axes)
    2
    """
    laplace = table.attrs["evidence"] == "Laplace"
    evidence = table["log_evidence"] if laplace else -0.5 * table["bic"]
    order = (-evidence.sum("subject")).argsort().values
    names = table["model"].values[order]
    height = np.arange(len(names))
    with print_style():
        figure = Figure(figsize=(7, 1.1 + 0.27 * len(names)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2, 1])
        below = evidence.max("model") - evidence
        above = below.transpose("model", "subject").values[order]
        n = above.shape[1]
        spread = np.linspace(-0.25, 0.25, n) if n > 1 else np.zeros(1)
        left.plot(above.ravel(), (height[:, None] + spread).ravel(), ls="", marker="o", ms=3,
                  color=COLORS[0], alpha=0.6, mew=0)  # fmt: skip
        left.vlines(np.median(above, axis=1), height - 0.4, height + 0.4, color=COLORS[1], lw=2)
        left.set_xscale("symlog", linthresh=10)
        kind = "log evidence" if laplace else "-BIC / 2"
        left.set(xlabel=f"{kind} below the subject's best model (nats)", xlim=(-0.6, None))
        left.set_yticks(height, [str(name).replace("_", " ") for name in names])
        left.set_title(f"subjects (n = {n}), median", fontsize=SIZE)
        right.barh(height, table["protected_exceedance"].values[order], color=COLORS[0])
        right.set(xlabel="protected exceedance probability", xlim=(0, 1))
        left.invert_yaxis()
        if table.attrs["conflict"]:
            figure.suptitle(table.attrs["conflict"].replace("_", " "), fontsize=SIZE - 1)
        for ax in (left, right):
            tidy(ax)
    return figure


def recovery(table: xr.Dataset) -> Figure:
    """Plot planted against fitted parameters.

    Parameters
    ----------
    table
        From :func:`neuro_metarl.models.recovery.recover`.

    Returns
    -------
    matplotlib.figure.Figure
        One panel per parameter; dots are subjects with their standard errors, the line is
        equality.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.models import recover
    >>> table = recover("model_based", load_dataset("synthetic-rats"), n_subjects=5)
    >>> len([ax for ax in recovery(table).axes if ax.get_visible()])
    4
    """
    names = table["parameter"].values.tolist()
    n_columns = min(4, len(names))
    n_rows = -(-len(names) // n_columns)
    with print_style():
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
            tidy(ax)
        figure.supxlabel("planted", fontsize=SIZE)
        figure.supylabel("fitted", fontsize=SIZE)
    return figure


def confusion(table: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Plot which model wins for subjects simulated from each.

    Parameters
    ----------
    table
        From :func:`neuro_metarl.models.recovery.confusion`.
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
    >>> confusion(table).get_xlabel()
    'highest evidence'
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
    ax.set(xlabel="highest evidence", ylabel="simulated")
    ax.set_title(f"{table.attrs['n_subjects']} subjects per row", fontsize=SIZE)
    return ax
