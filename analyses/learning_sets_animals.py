"""Learning sets of agents, monkeys and guppies: correct choices by trial of a problem.

    python analyses/learning_sets_animals.py

Agents with gaze and with features choose among pictures and objects they never saw (a thin line
per agent). Monkeys by block of problems, read off Harlow 1949. Guppies by group of reversals
(Boussard et al. 2020); a problem of theirs is a reversal of the same two colors, so that a first
trial at .5 is not to be expected. Dots are single fish: the share of trials 2 to 6 of a group.
Needs the data set boussard2020-guppies (fetched when it is not here). Writes
figures/learning_sets_animals.png, .svg and .csv.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import neuro_metarl as nm
from neuro_metarl.plot.style import COLORS, print_style, tidy

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
N_GUPPY_TRIALS = 12
REVERSALS = ((0, 0), (1, 3), (4, 6), (7, 10))


def main() -> None:
    """Measure, draw and write."""
    agents = {
        "gaze, pictures": nm.record("harlow-pixels", n_sessions=1000, seed=1, activity=False),
        "objects as features": nm.record("harlow", n_sessions=1000, seed=1, activity=False),
    }
    curves = {name: nm.learning_curve(cohort, n_trials=6) for name, cohort in agents.items()}
    monkeys = nm.behavior.published_curve(nm.datasets.load_reference("harlow1949"))
    fish = nm.load_dataset("boussard2020-guppies")
    guppies = nm.learning_curve(fish, blocks="problem", n_trials=N_GUPPY_TRIALS)
    with print_style():
        figure = Figure(figsize=(7, 2.7), layout="constrained")
        axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.5), sharey=True)
        draw_agents(axes[0], curves)
        draw_monkeys(axes[1], monkeys)
        draw_guppies(axes[2], guppies)
        axes[0].set(ylabel="P(correct)", ylim=(0, 1.02))
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})
    tables = {**curves, "monkeys": monkeys, "guppies, mean": mean_of(guppies)}
    table = pd.concat([as_table(name, curve) for name, curve in tables.items()])
    table.round(4).to_csv(STEM.with_suffix(".csv"), index=False)
    rows, early = ["who", "block"], table[table.trial <= 6]
    print(early.pivot_table("p_correct", rows, "trial", sort=False).round(3).to_string())


def mean_of(guppies: xr.Dataset) -> xr.Dataset:
    """Average over fish, who keep their own lines in the figure only."""
    mean = guppies.p_correct.mean("subject").expand_dims(subject=["mean"])
    return xr.Dataset({"p_correct": mean})


def as_table(name: str, curve: xr.Dataset) -> pd.DataFrame:
    """Lay a curve out as rows."""
    table = curve.p_correct.sel(statistic="value", drop=True).to_dataframe().reset_index()
    return table.assign(who=name)[["who", "subject", "block", "trial", "p_correct"]]


def draw_agents(ax: Axes, curves: dict[str, xr.Dataset]) -> None:
    """One thin line per agent, thick means."""
    for color, (name, curve) in zip(COLORS, curves.items(), strict=False):
        lines = curve.p_correct.sel(statistic="value").isel(block=0)
        ax.plot(lines.trial, lines.T, color=color, lw=0.5, alpha=0.6)
        label = f"{name} (n = {lines.sizes['subject']})"
        ax.plot(lines.trial, lines.mean("subject"), "o-", color=color, ms=3, label=label)
    finish(ax, "agents, trained", "trial of the problem")


def draw_monkeys(ax: Axes, monkeys: xr.Dataset) -> None:
    """One line per block of problems."""
    lines = monkeys.p_correct.sel(statistic="value").isel(subject=0)
    colors = colormaps["cividis_r"]
    for k, block in enumerate(lines.block.values):
        shade = colors(0.15 + 0.85 * k / (lines.sizes["block"] - 1))
        ax.plot(lines.trial, lines.sel(block=block), "o-", color=shade, ms=3, label=str(block))
    finish(ax, "monkeys (Harlow 1949)", "trial of the problem")
    ax.get_legend().set_title("problems", prop={"size": 6})


def draw_guppies(ax: Axes, guppies: xr.Dataset) -> None:
    """Means by group of reversals; each fish as a dot beside them."""
    values = guppies.p_correct.sel(statistic="value")
    colors, rng = colormaps["cividis_r"], np.random.default_rng(0)
    for k, (first, last) in enumerate(REVERSALS):
        group = values.isel(block=slice(first, last + 1)).mean("block")
        shade = colors(0.15 + 0.85 * k / (len(REVERSALS) - 1))
        label = f"{first}-{last}" if last else "before any"
        ax.plot(values.trial, group.mean("subject"), "o-", color=shade, ms=3, label=label)
        fish = group.sel(trial=slice(2, 6)).mean("trial")
        place = N_GUPPY_TRIALS + 1.5 + 1.5 * k + rng.uniform(-0.45, 0.45, fish.size)
        ax.plot(place, fish, ".", color=shade, ms=2, alpha=0.7)
    finish(ax, f"guppies (n = {values.sizes['subject']})", "trial after the reversal | fish")
    ax.set_xticks([1, 4, 8, 12])
    ax.get_legend().set_title("reversals", prop={"size": 6})
    ax.get_legend().set_loc("lower center")


def finish(ax: Axes, title: str, label: str) -> None:
    """Title, chance, legend."""
    ax.axhline(0.5, color="0.5", ls=":", lw=0.8)
    ax.set(title=title, xlabel=label)
    ax.legend(frameon=False, fontsize=6, loc="lower right")
    tidy(ax)


if __name__ == "__main__":
    main()
