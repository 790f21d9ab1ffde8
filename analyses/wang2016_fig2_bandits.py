"""Wang et al. 2016, figure 2: agents on independent and dependent arms, beside the exact optimum.

    python analyses/wang2016_fig2_bandits.py [--quick]

Regret along the episode for agents and players on independent and on dependent arms, and the matrix
of final regret, trained (rows) by tested (columns). Writes figures/wang2016_fig2_bandits.png, .svg
and .csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import neuro_metarl as nm

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
TASKS = {
    "independent": "bandit-independent",
    "uniform": "bandit-dependent-uniform",
    "easy": "bandit-dependent-easy",
    "medium": "bandit-dependent-medium",
    "hard": "bandit-dependent-hard",
}
# expected regret after 100 trials of optimal play, exact
OPTIMUM = {"independent": 1.748, "uniform": 1.221, "easy": 0.625, "medium": 1.000, "hard": 2.312}
PLAYERS = {
    "Thompson": ("thompson", {}, "#009E73"),
    "UCB, c = 2": ("ucb", {"c": 2.0}, "#CC79A7"),
    "UCB, c = .5": ("ucb", {"c": 0.5}, "#E69F00"),
    "Gittins": ("gittins", {}, "#56B4E9"),
    "Bayes optimum": ("bayes", {}, "0.15"),
}


def play(n_sessions: int) -> dict[tuple[str, str], xr.Dataset]:
    """Return the regret of everyone (row) on every task (column)."""
    results = {}
    for tested, task in TASKS.items():
        for trained, zoo in TASKS.items():
            cohort = nm.record(zoo, task, n_sessions, seed=2016, activity=False, progress=True)
            results[trained, tested] = nm.regret(cohort)
        for label, (name, parameters, _) in PLAYERS.items():
            cohort = nm.record(nm.make_player(name, **parameters), task, 4 * n_sessions, seed=2016)
            results[label, tested] = nm.regret(cohort)
    return results


def plot_curves(ax: Axes, results: dict[tuple[str, str], xr.Dataset], task: str) -> None:
    """Draw cumulative regret along the episode."""
    agents = results[task, task].regret.sel(statistic="value")
    trials = np.arange(1, agents.sizes["trial"] + 1)
    ax.plot(trials, agents.transpose("trial", "subject"), color="#0072B2", lw=0.5, alpha=0.5)
    label = f"agents (n = {agents.sizes['subject']})"
    ax.plot(trials, agents.mean("subject"), color="#0072B2", lw=2, label=label)
    for label, (_, _, color) in PLAYERS.items():
        curve = results[label, task].regret.sel(statistic="value").squeeze("subject")
        ax.plot(
            trials, curve, color=color, lw=1.2, ls="--" if color == "0.15" else "-", label=label
        )
    ax.set(title=f"{task} arms", xlabel="trial", ylim=(0, 6))
    ax.spines[["top", "right"]].set_visible(False)


def plot_matrix(ax: Axes, matrix: pd.DataFrame) -> None:
    """Draw final regret, trained by tested."""
    ax.imshow(np.log(matrix), cmap="viridis_r", aspect="auto")
    for i, row in enumerate(matrix.values):
        for k, value in enumerate(row):
            ax.text(
                k, i, f"{value:.2f}", ha="center", va="center", color="w" if value > 2.5 else "k"
            )
    ax.set_xticks(range(5), matrix.columns, rotation=30)
    ax.set_yticks(range(5), matrix.index)
    ax.set(xlabel="tested on", ylabel="trained on", title="regret after 100 trials")


def main() -> None:
    """Play, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 sessions per agent, not 1,000")
    results = play(100 if parser.parse_args().quick else 1000)
    rows = []
    for (who, task), result in results.items():
        final = result.total_regret
        for subject in final.subject.values:
            value, low, high = final.sel(subject=subject).values
            rows.append((who, task, subject, value, low, high, OPTIMUM[task]))
    columns = ["who", "tested_on", "subject", "regret", "low", "high", "optimum"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(STEM.with_suffix(".csv"), index=False)
    means = table.groupby(["who", "tested_on"]).regret.mean().unstack()[list(TASKS)]
    print(means.round(3).to_string())
    with mpl.rc_context({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": STEM.name}):
        figure = Figure(figsize=(7, 4.6), layout="constrained")
        axes = figure.subplots(2, 3)
        for ax, task in zip(axes.flat, TASKS, strict=False):
            plot_curves(ax, results, task)
        plot_matrix(axes[1, 2], means.loc[list(TASKS)])
        for ax in axes[:, 0]:
            ax.set_ylabel("cumulative regret")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
