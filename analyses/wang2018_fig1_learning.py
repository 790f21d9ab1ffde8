"""Wang et al. 2018, figure 1: what training on independent and on dependent arms leaves behind.

    python analyses/wang2018_fig1_learning.py [--quick]

Regret on arms of .25 and .75 for networks that were trained on independent and on dependent arms,
beside the exact optimum of either belief; and the principal components of their states: along the
session for several pairs of arms, and at its end, by the difference of the arms. Order and shapes
are what is known of the paper's panels; their values could not be read. Writes
figures/wang2018_fig1_learning.png, .svg and .csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

import neuro_metarl as nm
from neuro_metarl.plot.style import Figure, print_style, tidy

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
TRAINED = {
    "independent arms": ("bandit-independent", "#D55E00"),
    "dependent arms": ("bandit-dependent-uniform", "#0072B2"),
}
TESTED = "bandit-dependent-medium"
PLAYERS = {
    "Thompson": ("thompson", "#009E73"), "UCB, c = 2": ("ucb", "#CC79A7"),
    "Gittins": ("gittins", "#56B4E9"), "optimum": ("bayes", "0.1"),
}  # fmt: skip
# exact regret in 100 trials: who knows that arms depend on each other, and who takes them for not
OPTIMUM = {"dependent arms": 1.000, "independent arms": 1.345}
EDGES = np.array([-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1])


def regrets(n_sessions: int) -> dict[str, xr.Dataset]:
    """Measure the regret of networks and players on arms of .25 and .75."""
    found = {
        who: nm.regret(nm.record(zoo, TESTED, n_sessions, seed=2018, activity=False))
        for who, (zoo, _) in TRAINED.items()
    }
    for who, (player, _) in PLAYERS.items():
        found[who] = nm.regret(nm.record(nm.make_player(player), TESTED, 4 * n_sessions, seed=1))
    return found


def components(cohort: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Project states on two components; dims (session, trial, 2), share, difference of arms."""
    states = cohort.activity.isel(event=0).transpose("session", "trial", "unit").values
    flat = states.reshape(-1, states.shape[-1]).astype(float)
    middle = flat.mean(axis=0)
    _, size, axes = np.linalg.svd(flat - middle, full_matrices=False)
    share = (size**2 / (size**2).sum())[:2]
    p = cohort.expected_reward.isel(trial=0).transpose("session", "option").values
    scores = (states - middle) @ axes[:2].T
    # a component has no sign of its own: more of arm 0 is to the right, and the end is above
    difference = p[:, 0] - p[:, 1]
    signs = np.sign([np.corrcoef(scores[:, -1, 0], difference)[0, 1], scores[:, -1, 1].mean()])
    return scores * np.where(signs == 0, 1, signs), share, difference


def draw_states(axes: tuple[Axes, Axes], cohort: xr.Dataset, title: str) -> list[float]:
    """Draw mean trajectories by difference of the arms, and states at the end."""
    scores, share, difference = components(cohort)
    colors, place = mpl.colormaps["coolwarm"], np.digitize(difference, EDGES) - 1
    for k in range(len(EDGES) - 1):
        if (place == k).sum() < 3:
            continue
        path = scores[place == k].mean(axis=0)
        color = colors((EDGES[k] + EDGES[k + 1]) / 4 + 0.5)
        axes[0].plot(*path.T, color=color, lw=0.9)
        axes[0].plot(*path[-1], "o", color=color, ms=3, mew=0)
        axes[0].plot(*path[0], "k.", ms=3)
    last = scores[:, -1]
    axes[1].scatter(*last.T, c=difference, cmap="coolwarm", s=4, lw=0, vmin=-1, vmax=1)
    axes[0].set_title(f"{title}\nmean paths of 100 trials", fontsize=8)
    axes[1].set_title(f"{title}\nstates at trial 100", fontsize=8)
    for ax in axes:
        ax.set(xlabel=f"component 1 ({share[0]:.0%})", ylabel=f"component 2 ({share[1]:.0%})",
               xticks=[], yticks=[])  # fmt: skip
    return [*share.tolist(), abs(float(np.corrcoef(last[:, 0], difference)[0, 1]))]


def draw_regret(ax: Axes, found: dict[str, xr.Dataset]) -> None:
    """Draw regret along the session."""
    trials = np.arange(1, 101)
    for who, (_, color) in TRAINED.items():
        curve = found[who].regret.sel(statistic="value").transpose("trial", "subject")
        ax.plot(trials, curve, color=color, lw=0.5, alpha=0.6)
        ax.plot(trials, curve.mean("subject"), color=color, lw=1.8,
                label=f"trained on {who} (n = {curve.sizes['subject']})")  # fmt: skip
        ax.plot([101], [OPTIMUM[who]], "<", color=color, ms=5, clip_on=False)
    for who, (_, color) in PLAYERS.items():
        curve = found[who].regret.sel(statistic="value").isel(subject=0)
        ax.plot(trials, curve, color=color, lw=1, ls="--", label=who)
    ax.set(xlabel="trial", ylabel="cumulative regret, arms of .25 and .75", xlim=(0, 101),
           ylim=(0, 5))  # fmt: skip
    ax.legend(frameon=False, fontsize=6.5, loc="upper left", title_fontsize=6.5,
              title="arrows: exact optimum of that belief")  # fmt: skip


def main() -> None:
    """Play, measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 sessions per network, not 500")
    n_sessions = 100 if parser.parse_args().quick else 500
    found = regrets(n_sessions)
    rows = []
    for who, one in found.items():
        final = one.total_regret
        for subject in final.subject.values:
            rows.append((who, subject, "regret", *final.sel(subject=subject).values))
    with print_style():
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        grid = figure.add_gridspec(2, 4)
        regret = figure.add_subplot(grid[:, :2])
        draw_regret(regret, found)
        tidy(regret)
        for row, (who, (zoo, _)) in enumerate(TRAINED.items()):
            axes = [figure.add_subplot(grid[row, k]) for k in (2, 3)]
            for network in range(len(nm.load_agents(zoo))):
                cohort = nm.record(f"{zoo}/{network}", n_sessions=200, seed=2018,
                                   variables=["activity"])  # fmt: skip
                if network == 0:
                    numbers = draw_states((axes[0], axes[1]), cohort, who)
                else:
                    scores, share, difference = components(cohort)
                    r = abs(float(np.corrcoef(scores[:, -1, 0], difference)[0, 1]))
                    numbers = [*share.tolist(), r]
                for name, value in zip(
                    ("share of component 1", "share of component 2",
                     "|r| of component 1 at trial 100 with the difference"), numbers, strict=True,
                ):  # fmt: skip
                    rows.append((who, f"{zoo}/{network}", name, value, np.nan, np.nan))
            for ax in axes:
                tidy(ax)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"))
    table = pd.DataFrame(rows, columns=["who", "subject", "measure", "value", "low", "high"])
    table.round(4).to_csv(STEM.with_suffix(".csv"), index=False)
    means = table.groupby(["who", "measure"], sort=False).value.agg(["mean", "min", "max", "size"])
    print(means.round(3).to_string())


if __name__ == "__main__":
    main()
