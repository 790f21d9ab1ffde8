"""Plots of one-shot navigation: the maze from above with a path, latencies, values on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from neuro_metarl.errors import InputError
from neuro_metarl.plot.style import COLORS, MARKERS, one_axes, tidy

__all__ = ["goal_latency", "maze", "path", "value"]


def maze(walls: Any, ax: Axes | None = None, *, goal: Sequence[float] | None = None) -> Axes:
    """Plot a maze from above.

    Parameters
    ----------
    walls
        bool, dims (row, column).
    ax
        Where; default a new figure.
    goal
        x and y of the goal's center, cells.

    Returns
    -------
    matplotlib.axes.Axes
        x runs along columns, y down rows, one unit is a cell.

    Raises
    ------
    InputError
        Walls that are no map.

    Examples
    --------
    >>> ax = maze([[1, 1, 1], [1, 0, 1], [1, 1, 1]], goal=(1.5, 1.5))
    >>> ax.lines[0].get_marker()
    '*'
    """
    wall = np.asarray(walls, bool)
    if wall.ndim != 2:
        raise InputError(f"walls has {wall.ndim} dimensions, expected 2: row, column")
    ax = one_axes(ax)
    n_rows, n_columns = wall.shape
    shade = np.where(wall, 0.45, 1.0)
    ax.imshow(shade, cmap="gray", vmin=0, vmax=1, extent=(0, n_columns, n_rows, 0), zorder=0)
    if goal is not None:
        ax.plot(*goal, marker="*", ms=11, color=COLORS[4], mec="0.2", mew=0.5, ls="", label="goal",
                zorder=4)  # fmt: skip
    ax.set(xlim=(0, n_columns), ylim=(n_rows, 0), xticks=[], yticks=[], aspect="equal")
    return ax


def path(
    path: Any, ax: Axes, *, color: str = COLORS[0], label: str | None = None, shift: float = 0.0
) -> Axes:
    """Plot a path onto a maze, with a dot where it starts and an arrow head where it ends.

    Parameters
    ----------
    path
        x and y (and what follows, ignored), cells, dims (step, xy).
    ax
        From :func:`maze`.
    color, label
        Of the path.
    shift
        Cells by which the path is drawn off its place to the lower right, so that several can be
        told apart.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> ax = maze([[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]])
    >>> len(path([[1.5, 1.5], [2.5, 1.5]], ax).lines)
    2
    """
    x, y = np.asarray(path, float)[:, :2].T + shift
    ax.plot(x, y, color=color, lw=1.3, label=label, solid_capstyle="round", zorder=2)
    ax.plot(x[:1], y[:1], marker="o", ms=4, color=color, ls="", zorder=3)
    moved = np.flatnonzero((np.diff(x) != 0) | (np.diff(y) != 0))
    if len(moved):
        last = moved[-1]
        ax.annotate(
            "", (x[last + 1], y[last + 1]), (x[last], y[last]),
            arrowprops={"arrowstyle": "-|>", "color": color, "lw": 1.3, "shrinkA": 0, "shrinkB": 0},
            zorder=3,
        )  # fmt: skip
    return ax


def goal_latency(
    results: Mapping[str, xr.Dataset],
    ax: Axes | None = None,
    *,
    optimum: Mapping[str, float] | None = None,
) -> Axes:
    """Plot how many steps each search for the goal takes.

    Parameters
    ----------
    results
        Name of a group to what :func:`neuro_metarl.behavior.navigation.goal_latency` gave.
    ax
        Where; default a new figure.
    optimum
        ``"search"`` and ``"known"``, the fewest steps to the first and to later goals.

    Returns
    -------
    matplotlib.axes.Axes
        Thin lines are subjects, thick ones means over subjects; dashed: the optimum.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> from neuro_metarl import behavior, plot
    >>> cohort = make_cohort(
    ...     {"choice": [[2, 1, 1]], "reward": [[1, 1, 1]], "problem": [[1, 1, 1]],
    ...      "t_start": [[0, 20, 27]], "t_goal": [[20, 27, 34]]},
    ...     subject=["a"], task="navigation", source="model")
    >>> ax = plot.goal_latency({"agents": behavior.goal_latency(cohort, n_goals=3)})
    >>> ax.get_ylabel()
    'steps to the goal'
    """
    ax = one_axes(ax)
    goals: list[int] = []
    for k, (name, result) in enumerate(results.items()):
        value = result["latency"].sel(statistic="value").transpose("subject", "goal")
        goals = value["goal"].values.tolist()
        color = COLORS[k % len(COLORS)]
        for row in value.values:
            ax.plot(goals, row, color=color, lw=0.6, alpha=0.6)
        n = int(np.isfinite(value.values).all(axis=1).sum())
        ax.plot(goals, np.nanmean(value.values, axis=0), color=color, lw=1.8, marker=MARKERS[k],
                ms=4, label=f"{name} (n = {n})")  # fmt: skip
    if optimum is not None:
        best = [optimum["search"], *[optimum["known"]] * (len(goals) - 1)]
        ax.plot(goals, best, color="0.15", ls="--", lw=1, label="optimum")
    ax.set(xlabel="goal of the episode, in order", ylabel="steps to the goal", xticks=goals)
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    tidy(ax)
    return ax


def value(value: Any, goal_steps: Sequence[int], ax: Axes | None = None) -> Axes:
    """Plot an agent's value estimate along an episode.

    Parameters
    ----------
    value
        Dims (step).
    goal_steps
        Steps at which the goal was entered: vertical lines.
    ax
        Where; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> value([0.1, 0.4, 0.9, 0.2], [2]).get_xlabel()
    'step of the episode'
    """
    ax = one_axes(ax)
    values = np.asarray(value, float)
    for k, step in enumerate(goal_steps):
        ax.axvline(step, color=COLORS[4], lw=0.8, label="goal" if k == 0 else None, zorder=0)
    ax.plot(np.arange(len(values)), values, color=COLORS[0], lw=1)
    ax.set(xlabel="step of the episode", ylabel="value (a.u.)", xlim=(0, len(values)))
    tidy(ax)
    return ax
