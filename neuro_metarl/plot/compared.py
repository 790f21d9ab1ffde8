"""The figure of a comparison: each measure as it says of itself, of any paradigm."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from neuro_metarl.errors import InputError
from neuro_metarl.plot.panels import by_source, draw_dots, draw_lines, legend_of, spoken
from neuro_metarl.plot.style import SIZE, Figure, print_style

__all__ = ["comparison"]

COLUMNS, FEW, ROOM = 12, 4, 0.03


def comparison(comparison: xr.Dataset) -> Figure:
    """Draw every subject of a comparison, measure by measure.

    Parameters
    ----------
    comparison
        From :func:`neuro_metarl.comparison.compare`. Its variables say how they are drawn, see
        :class:`neuro_metarl.measures.Measure`: measures of one ``panel`` side by side, one column
        per label of their dims; those with the dim ``lag`` as lines, one panel per label of the
        other dims.

    Returns
    -------
    matplotlib.figure.Figure
        7 inches wide, for print. Dots and thin lines are subjects, thick lines are means.

    Raises
    ------
    InputError
        Something else, or a comparison of which nothing is drawn.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")})
    >>> len(comparison(result).axes)
    6
    """
    comparison = by_source(comparison, (), "", "comparison", "")
    drawn = [
        variable
        for variable in comparison.data_vars.values()
        if {"subject", "statistic"} <= set(variable.dims) and variable.attrs.get("drawn", 1)
    ]
    if not drawn:
        raise InputError("comparison: no measure of this comparison is drawn; plot it by hand")
    dotted: dict[str, list[xr.DataArray]] = {}
    for variable in drawn:
        if "lag" not in variable.dims:
            dotted.setdefault(variable.attrs.get("panel", str(variable.name)), []).append(variable)
    lined = [variable for variable in drawn if "lag" in variable.dims]
    rows: list[list[Any]] = _pairs([_columns(group) for group in dotted.values()])
    for variable in lined:
        panels = list(_parts(variable, ("lag",)))
        rows += [panels[k : k + FEW] for k in range(0, len(panels), FEW)]
    n_dotted = len(rows) - sum(-(-len(list(_parts(v, ("lag",)))) // FEW) for v in lined)
    heights = [1.15] * n_dotted + [1.0] * (len(rows) - n_dotted)
    with print_style():
        figure = Figure(figsize=(7, 0.6 + 2.4 * len(rows)), layout="constrained")
        grid = figure.add_gridspec(len(rows), COLUMNS, height_ratios=heights)
        for r, row in enumerate(rows):
            first: Axes | None = None
            edges = _edges([1] * len(row) if r >= n_dotted else [len(panel) for panel in row])
            for k, panel in enumerate(row):
                place = grid[r, edges[k] : edges[k + 1]]
                shared = first if r >= n_dotted else None
                ax = figure.add_subplot(place, sharey=shared)
                draw = _draw_lines if r >= n_dotted else _draw_columns
                draw(ax, panel, comparison)
                first = first or ax
                if r >= n_dotted and k:
                    ax.set_ylabel("")
        legend_of(figure, figure.axes[0], comparison)
    return figure


def _edges(sizes: list[int]) -> list[int]:
    """Share the width of a row among panels by their columns; none is narrower than a quarter."""
    if len(sizes) != 2:
        return [k * COLUMNS // len(sizes) for k in range(len(sizes) + 1)]
    left = round(COLUMNS * sizes[0] / sum(sizes))
    return [0, min(max(left, COLUMNS // 4), COLUMNS - COLUMNS // 4), COLUMNS]


def _pairs(panels: list[Any]) -> list[list[Any]]:
    """Put two panels of few columns beside each other; one of many has a row of its own."""
    rows: list[list[Any]] = []
    for panel in panels:
        last = rows[-1] if rows else []
        alone = len(panel) > FEW or (last and len(last[0]) > FEW)
        if len(last) == 1 and not alone:
            last.append(panel)
        else:
            rows.append([panel])
    return rows


def _parts(variable: xr.DataArray, kept: tuple[str, ...]) -> Any:
    """Give each label of the measure's own dims, and the values there, dims (subject, *kept)."""
    values = variable.sel(statistic="value")
    dims = [d for d in variable.dims if d not in ("subject", "statistic", *kept)]
    for labels in itertools.product(*(variable[d].values.tolist() for d in dims)):
        one = values.sel(dict(zip(dims, labels, strict=True)), drop=True)
        one.attrs = variable.attrs
        yield ", ".join(str(label) for label in labels), one


def _columns(group: list[xr.DataArray]) -> list[tuple[str, xr.DataArray]]:
    """Lay the measures of a panel out as columns, each with its label."""
    found = []
    for variable in group:
        said = str(variable.attrs.get("label", variable.name))
        for label, values in _parts(variable, ()):
            named = f"{said}: {label}" if label and len(group) > 1 else label or said
            found.append((spoken(named), values))
    return found


def _draw_columns(
    ax: Axes, columns: list[tuple[str, xr.DataArray]], comparison: xr.Dataset
) -> None:
    labels = [label for label, _ in columns]
    said = columns[0][1].attrs
    values = np.stack([one.transpose("subject").values for _, one in columns])
    drawn = xr.DataArray(values, dims=("column", "subject"))
    draw_dots(ax, drawn, comparison, labels, line=float(said.get("line", np.nan)))
    _name_axes(ax, said)


def _draw_lines(ax: Axes, panel: tuple[str, xr.DataArray], comparison: xr.Dataset) -> None:
    label, values = panel
    said = values.attrs
    draw_lines(ax, values, comparison, line=float(said.get("line", np.nan)))
    ax.set_title(label.replace("_", ", ") or str(said.get("label", "")), fontsize=SIZE)
    _name_axes(ax, said)


def _name_axes(ax: Axes, said: dict[str, Any]) -> None:
    ax.set_ylabel(str(said.get("unit", "")))
    ax.set_xlabel(str(said.get("axis", "")))
    low, high = (float(bound) for bound in said.get("limits", (-np.inf, np.inf)))
    if np.isfinite([low, high]).all():
        room = ROOM * (high - low)
        ax.set_ylim(low - room, high + room)
