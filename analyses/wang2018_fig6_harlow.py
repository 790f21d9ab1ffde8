"""Wang et al. 2018, figure 6 (simulation 5): learning sets, trials 1 to 6 by stage of training.

    python analyses/wang2018_fig6_harlow.py [--draw]

Networks are trained anew (objects as features, six trials) and kept in the middle of each sixth of
their training and at its end: two of 256 units, as the paper's, and eight of 48 units, all with
states that begin at zero; the better object stands left or right by chance, or as often left as
right in each problem. Every object that is measured was never shown in training. The paper's curves
were read off its figure, to about .01-.02; its networks saw pictures.
``--draw`` draws the figure of the last run again. Writes figures/wang2018_fig6_harlow.png, .svg and
.csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes

import neuro_metarl as nm
from neuro_metarl.plot.style import Figure, print_style, tidy

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
SIXTHS = ("1st", "2nd", "3rd", "4th", "5th", "6th", "end")
LARGE = {"n_units": 256, "learning_rate": 4e-3, "learn_initial_state": False}
NETWORKS: dict[tuple[str, int], tuple[int, dict[str, float]]] = {
    ("balanced", 256): (2, {"n_updates": 3000, **LARGE}),
    ("balanced", 48): (8, {"learn_initial_state": False}),
    ("by chance", 256): (2, {"n_updates": 1500, **LARGE}),
    ("by chance", 48): (8, {"learn_initial_state": False}),
}


def measure(sides: str, n_units: int) -> pd.DataFrame:
    """Train, and give P(correct) of each network, stage and trial."""
    n_agents, changes = NETWORKS[sides, n_units]
    recipe = nm.agents.make_recipe("harlow", "fast", changes)
    stages = [round(recipe.n_updates * (2 * k + 1) / 12) for k in range(6)] + [recipe.n_updates]
    task = nm.make_task("harlow", balanced=sides == "balanced")
    kept = nm.agents.train_in_stages(
        task, stages, recipe=recipe, n_agents=n_agents, seed=0, engine="auto"
    )
    parts = []
    for sixth, stage, agents in zip(SIXTHS, stages, kept, strict=True):
        cohort = nm.record(agents, task, 1000, seed=2018, activity=False)
        curve = nm.behavior.learning_curve(cohort, n_trials=6).p_correct.isel(block=0)
        table = curve.sel(statistic="value").drop_vars(["statistic", "block"])
        frame = table.to_dataframe(name="p_correct").reset_index()
        episodes = stage * recipe.n_episodes
        parts.append(frame.assign(n_units=n_units, sixth=sixth, episodes=episodes, sides=sides))
    return pd.concat(parts)


def published() -> pd.DataFrame:
    """Give the paper's curves."""
    curve = nm.behavior.published_curve(nm.datasets.load_reference("wang2018-harlow"))
    table = curve.p_correct.sel(statistic="value").squeeze("subject", drop=True)
    frame = table.drop_vars("statistic").to_dataframe(name="p_correct").reset_index()
    names = dict(zip(dict.fromkeys(frame.block), SIXTHS, strict=True))
    return frame.assign(sixth=frame.block.map(names), subject="published").drop(columns="block")


def draw(ax: Axes, table: pd.DataFrame, title: str) -> None:
    """Draw trials 1 to 6 by stage: thin lines are networks, thick ones their means."""
    shades = colormaps["cividis_r"](np.linspace(0.12, 1, len(SIXTHS)))
    for sixth, shade in zip(SIXTHS, shades, strict=True):
        wide = table[table.sixth == sixth].pivot(
            index="trial", columns="subject", values="p_correct"
        )
        if wide.shape[1] > 1:
            ax.plot(wide.index, wide, color=shade, lw=0.4, alpha=0.6)
        ax.plot(wide.index, wide.mean(axis=1), color=shade, lw=1.4, marker="o", ms=3, label=sixth)
    ax.plot(range(1, 7), [0.5, *[1.0] * 5], color="0.3", lw=0.8, ls=":", label="never errs")
    ax.set(xlabel="trial of the problem", ylim=(0.35, 1.03))
    ax.set_title(title, fontsize=8)
    ax.set_xticks(range(1, 7))
    tidy(ax)


def main() -> None:
    """Train, measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true", help="take the numbers of the last run")
    if parser.parse_args().draw:
        table = pd.read_csv(STEM.with_suffix(".csv"))
    else:
        table = pd.concat([measure(*which) for which in NETWORKS]).round(4)
        table.to_csv(STEM.with_suffix(".csv"), index=False)
    with print_style():
        figure = Figure(figsize=(7.2, 5.4), layout="constrained")
        axes = figure.subplots(2, 3, sharey=True)
        draw(axes[0, 0], published(), "published, 256 units\n(pictures; read off the figure)")
        places = (axes[0, 1], axes[0, 2], axes[1, 1], axes[1, 2])
        for ax, (sides, n_units) in zip(places, NETWORKS, strict=True):
            mine = table[(table.n_units == n_units) & (table.sides == sides)]
            n, episodes = mine.subject.nunique(), mine.episodes.max() / 1e3
            title = f"{n_units} units, {n} networks\nsides {sides}; {episodes:.0f} k episodes"
            draw(ax, mine, title)
        for ax in (axes[0, 0], axes[1, 1]):
            ax.set_ylabel("P(correct), new objects")
            ax.tick_params(labelleft=True)
        axes[1, 0].axis("off")
        axes[1, 0].legend(
            *axes[0, 0].get_legend_handles_labels(), loc="center", frameon=False, fontsize=7,
            title="middle of each sixth\nof training, and its end", title_fontsize=7,
        )  # fmt: skip
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"))
    wide = table.pivot_table(
        index=["sides", "n_units", "sixth"], columns="trial", values="p_correct"
    )
    print(wide.round(3).to_string())
    last = table[table.sixth == "end"].pivot_table(
        index=["sides", "n_units", "subject"], columns="trial", values="p_correct"
    )
    print(last.round(3).to_string())


if __name__ == "__main__":
    main()
