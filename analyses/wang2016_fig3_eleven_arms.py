"""Wang et al. 2016, figure 3: the eleven-armed bandit whose last arm tells where the target is.

    python analyses/wang2016_fig3_eleven_arms.py [--quick]

Cumulative regret over the five trials for agents, the optimum (inform first, then the target),
Thompson sampling with the true prior, and UCB; and what agents pull. Writes
figures/wang2016_fig3_eleven_arms.png, .svg and .csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

import neuro_metarl as nm

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
TASK = "bandit-eleven"
PLAYERS = {
    "optimum": ("bayes", "0.15", "--"),
    "Thompson": ("thompson", "#009E73", "-"),
    "UCB": ("ucb", "#CC79A7", "-"),
}


def main() -> None:
    """Play, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 sessions per agent, not 1,000")
    n_sessions = 100 if parser.parse_args().quick else 1000
    agents = nm.record(TASK, n_sessions=n_sessions, seed=2016, activity=False, progress=True)
    missed, arms = nm.regret(agents), nm.behavior.first_arms(agents)
    table = pd.DataFrame(
        {
            "subject": arms.subject,
            "informed_first": arms.informed,
            "target_second": arms.target.isel(trial=1),
            "total_reward": arms.total_reward,
            "regret": missed.total_regret.sel(statistic="value"),
        }
    )
    trials = range(1, 6)
    with mpl.rc_context({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": STEM.name}):
        figure = Figure(figsize=(7, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        value = missed.regret.sel(statistic="value")
        left.plot(trials, value.T, color="#0072B2", lw=0.5, alpha=0.5)
        n = value.sizes["subject"]
        left.plot(trials, value.mean("subject"), "o-", color="#0072B2", label=f"agents (n = {n})")
        for label, (name, color, style) in PLAYERS.items():
            cohort = nm.record(nm.make_player(name), TASK, 4 * n_sessions, seed=2016)
            curve = nm.regret(cohort).regret.sel(statistic="value").squeeze("subject")
            left.plot(trials, curve, ls=style, color=color, label=label)
            returned = float(cohort.reward.sum("trial").mean())
            table.loc[len(table)] = [label, None, None, returned, float(curve[-1])]
        left.set(xlabel="trial", ylabel="cumulative regret", xticks=trials, ylim=(0, 19))
        left.legend(frameon=False)
        free = nm.responses(agents)
        informed = (agents.choice == 10).where(free).groupby("subject").mean("session")
        target = (agents.correct == 1).where(free).groupby("subject").mean("session")
        for share, color, label in (
            (informed, "#E69F00", "informative"),
            (target, "#0072B2", "target"),
        ):
            right.plot(trials, share.transpose("trial", "subject"), color=color, lw=0.5, alpha=0.5)
            right.plot(trials, share.mean("subject"), "o-", color=color, label=f"{label} arm")
        right.set(xlabel="trial", ylabel="share of episodes", xticks=trials, ylim=(-0.03, 1.03))
        right.legend(frameon=False, loc="center right")
        for ax in (left, right):
            ax.spines[["top", "right"]].set_visible(False)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})
    table.to_csv(STEM.with_suffix(".csv"), index=False)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
