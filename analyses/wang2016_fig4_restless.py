"""Wang et al. 2016, figure 4: restless arms, and learning rates in stable and volatile episodes.

    python analyses/wang2016_fig4_restless.py [--quick]

Regret of agents, the exact filter, Thompson, UCB and Rescorla-Wagner(.5); then the learning rate
and the model comparison (BIC) of Rescorla-Wagner fits by block, for the agents and, as a control,
for a Rescorla-Wagner player. Writes figures/wang2016_fig4_restless.png, .svg and .csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import neuro_metarl as nm
from neuro_metarl.stats import mean_interval

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
TASK = "bandit-restless"
PLAYERS = {
    "Bayes filter": ("bayes", {}, "0.15"),
    "Thompson": ("thompson", {}, "#009E73"),
    "UCB, c = 1": ("ucb", {"c": 1.0}, "#CC79A7"),
    "Rescorla-Wagner .5": ("rescorla-wagner", {}, "#E69F00"),
}


def learning_rates(fits: pd.DataFrame) -> pd.DataFrame:
    """Average the learning rate of each subject's blocks, by volatility."""
    free = fits[fits.model == "ab"]
    return free.groupby(["subject", "volatility"]).learning_rate.mean().unstack()[["low", "high"]]


def main() -> None:
    """Play, fit, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 sessions per agent, not 1,000")
    n_sessions = 100 if parser.parse_args().quick else 1000
    agents = nm.record(TASK, n_sessions=n_sessions, seed=2016, activity=False, progress=True)
    player = nm.make_player("rescorla-wagner", inverse_temperature=5.0)
    control = nm.record(player, TASK, n_sessions, seed=2016)
    few = agents.groupby("subject").map(lambda one: one.isel(session=slice(0, 120)))
    fits = {"agents": nm.behavior.fit_learning_rates(few)}
    fits["control"] = nm.behavior.fit_learning_rates(control.isel(session=slice(0, 300)))
    rates = {who: learning_rates(fit) for who, fit in fits.items()}
    difference = (rates["agents"].high - rates["agents"].low).to_numpy()
    low, high = mean_interval(difference)
    rows = [("learning rate, high - low, agents", difference.mean(), low, high)]
    for who, rate in rates.items():
        rows += [(f"learning rate, {k}, {who}", rate[k].mean(), np.nan, np.nan) for k in rate]
    for who, fit in fits.items():
        bic = fit.groupby("model").bic.mean()
        rows += [
            (f"BIC - BIC of b, {m}, {who}", bic[m] - bic["b"], np.nan, np.nan) for m in bic.index
        ]
    with mpl.rc_context({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": STEM.name}):
        figure = Figure(figsize=(7, 2.7), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        missed = nm.regret(agents)
        value = missed.regret.sel(statistic="value")
        trials = np.arange(1, 101)
        left.plot(trials, value.T, color="#0072B2", lw=0.5, alpha=0.5)
        n = value.sizes["subject"]
        left.plot(trials, value.mean("subject"), color="#0072B2", lw=2, label=f"agents (n = {n})")
        final = missed.total_regret.sel(statistic="value").values
        rows.append(("regret, agents", final.mean(), *mean_interval(final)))
        for label, (name, parameters, color) in PLAYERS.items():
            cohort = nm.record(nm.make_player(name, **parameters), TASK, 2 * n_sessions, seed=2016)
            result = nm.regret(cohort).squeeze("subject")
            left.plot(trials, result.regret.sel(statistic="value"), color=color, label=label)
            rows.append((f"regret, {label}", *result.total_regret.values))
        left.set(xlabel="trial", ylabel="cumulative regret", ylim=(0, 17))
        left.legend(frameon=False, fontsize=7)
        for x, (who, color) in enumerate((("agents", "#0072B2"), ("control", "#E69F00"))):
            middle.plot([2 * x, 2 * x + 1], rates[who].T, "o-", color=color, ms=3, lw=0.7)
        middle.axhline(0.5, color="0.6", lw=0.7, ls=":")
        middle.set_xticks(range(4), ["low", "high", "low", "high"])
        middle.set(ylabel="fitted learning rate", xlabel="volatility\nagents | Rescorla-Wagner .5")
        for k, (who, color) in enumerate((("agents", "#0072B2"), ("control", "#E69F00"))):
            bic = fits[who].groupby("model").bic.mean()[["b", "be", "ab", "abe"]]
            right.bar(np.arange(4) + 0.4 * k - 0.2, bic - bic["b"], 0.4, color=color, label=who)
        right.set_xticks(range(4), ["b", "be", "ab", "abe"])
        right.set(ylabel="BIC - BIC of b (lower is better)", xlabel="model")
        right.legend(frameon=False)
        for ax in (left, middle, right):
            ax.spines[["top", "right"]].set_visible(False)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})
    table = pd.DataFrame(rows, columns=["what", "mean", "low", "high"])
    table.to_csv(STEM.with_suffix(".csv"), index=False)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
