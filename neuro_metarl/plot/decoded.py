"""Plots of decoding and of prediction errors, every subject visible."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from neuro_metarl.errors import InputError
from neuro_metarl.plot.style import COLORS, MARKERS, one_axes, print_style, tidy

__all__ = ["decoding", "prediction_errors"]

SYSTEMS = {"model_based": (COLORS[0], MARKERS[0]), "model_free": (COLORS[1], MARKERS[1])}


def decoding(
    table: xr.Dataset,
    ax: Axes | None = None,
    *,
    label: str | None = None,
    color: int = 0,
    place: tuple[int, int] = (0, 1),
) -> Axes:
    """Plot how well each subject's activity is decoded at each event, above its null.

    Parameters
    ----------
    table
        From :func:`neuro_metarl.decode`.
    ax
        Where; default a new figure.
    label
        Name in the legend.
    color
        Number of the colour and marker.
    place
        Which of how many groups are drawn side by side.

    Returns
    -------
    matplotlib.axes.Axes
        A mark for each subject (or recording, or session) with its interval; grey bars are the
        central 95 % of its null distribution, dotted lines chance, where that is above 0.

    Examples
    --------
    >>> table = xr.Dataset(
    ...     {"score": (("subject", "event", "statistic"), [[[0.8, 0.7, 0.9]]]),
    ...      "null_score": (("subject", "event", "null"), [[[0.5, 0.4, 0.6]]]),
    ...      "chance": (("subject", "event"), [[0.5]])},
    ...     coords={"subject": ["a"], "event": ["cue"], "statistic": ["value", "low", "high"]},
    ...     attrs={"target": "choice", "measure": "accuracy"})
    >>> decoding(table).get_ylabel()
    'choice: accuracy'
    """
    group = str(table["score"].dims[0])
    with print_style():
        ax = one_axes(ax)
        n, events = table.sizes[group], table["event"].values.tolist()
        width = 0.8 / place[1]
        left = -0.4 + width * (place[0] + 0.5)
        spread = np.linspace(-0.38, 0.38, n) * width if n > 1 else np.zeros(1)
        for e, event in enumerate(events):
            one = table.sel(event=event)
            value, low, high = (one["score"].sel(statistic=s) for s in ("value", "low", "high"))
            x = e + left + spread
            if np.isfinite(one["null_score"]).any():
                ends = one["null_score"].quantile([0.025, 0.975], "null")
                ax.vlines(x, *ends.values, color="0.7", lw=1.5, zorder=1)
            ax.vlines(x, low, high, color=COLORS[color], lw=0.7, zorder=2)
            ax.plot(x, value, MARKERS[color], color=COLORS[color], ms=2.8, mew=0, zorder=3,
                    label=label if e == 0 else None)  # fmt: skip
            if (one["chance"] > 0).any():
                reach = width * 0.45
                ax.hlines(one["chance"].mean(), e + left - reach, e + left + reach, color="0.3",
                          lw=0.8, ls=":", zorder=4)  # fmt: skip
        ax.set_xticks(range(len(events)), [str(e).replace("_", " ") for e in events])
        ax.set(xlim=(-0.5, len(events) - 0.5), ylabel=f"{table.target}: {table.measure}")
        tidy(ax)
    return ax


def prediction_errors(
    table: xr.Dataset,
    ax: Axes | None = None,
    *,
    event: Any = None,
    quantity: str = "weight",
    start: int = 0,
    faint: bool = False,
) -> Axes:
    """Plot each subject's weight of model-based and model-free errors.

    Parameters
    ----------
    table
        From :func:`neuro_metarl.neural.prediction_error_regression`.
    ax
        Where; default a new figure.
    event
        Which event; default the first.
    quantity
        ``"weight"``, ``"unique"``, ``"cpd"`` or ``"r2_alone"``.
    start
        Place of the first subject, to draw groups side by side.
    faint
        Open marks, for controls.

    Returns
    -------
    matplotlib.axes.Axes
        Two marks for each subject, with intervals.

    Raises
    ------
    InputError
        The table holds many units.

    Examples
    --------
    >>> table = xr.Dataset(
    ...     {"weight": (("subject", "event", "system", "statistic"),
    ...                 [[[[1.0, 0.9, 1.1], [0.0, -0.1, 0.1]]]])},
    ...     coords={"subject": ["a"], "event": ["first_step"],
    ...             "system": ["model_based", "model_free"],
    ...             "statistic": ["value", "low", "high"]})
    >>> prediction_errors(table).get_ylabel()
    'weight'
    """
    with print_style():
        ax = one_axes(ax)
        chosen = table["event"].values[0] if event is None else event
        if "unit" in table[quantity].dims:
            raise InputError(
                "the table holds many units: choose one, table.sel(unit=...), or plot how many "
                "carry errors: fraction_significant(fraction_significant(table))"
            )
        one = table[quantity].sel(event=chosen)
        x = start + np.arange(one.sizes["subject"])
        for k, system in enumerate(one["system"].values.tolist()):
            color, marker = SYSTEMS.get(system, (COLORS[2 + k], MARKERS[2 + k]))
            value, low, high = (one.sel(system=system, statistic=s) for s in
                                ("value", "low", "high"))  # fmt: skip
            at = x + 0.3 * (k / max(1, one.sizes["system"] - 1) - 0.5)
            ax.vlines(at, low, high, color=color, lw=0.8, alpha=0.5 if faint else 1)
            label = None if faint else str(system).replace("_", "-")
            ax.plot(at, value, marker, color=color, ms=3, mew=0.6 if faint else 0,
                    mfc="white" if faint else color, label=label)  # fmt: skip
        ax.axhline(0, color="0.6", lw=0.7, ls=":", zorder=0)
        ax.set(xlabel="subject", ylabel=quantity.replace("_", " "))
        tidy(ax)
    return ax
