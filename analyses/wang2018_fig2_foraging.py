"""Wang et al. 2018, figure 2 (simulation 1): foraging, the matching law, and what units code.

    python analyses/wang2018_fig2_foraging.py [--quick]

Eight networks trained on some probabilities of baiting and tested on all; beside them the optimum
that knows the probabilities, exact Bayesian players, the best Q learner of 36, a coin that matches,
alternation and random choice, and as controls networks trained on arms without baits, networks
that see no reward, and fresh ones. The values of the paper's figure could not be read: what is
known of it is the direction only (choices match rewards; units code the last action, the last
reward, their product and value). Writes figures/wang2018_fig2_foraging.png, .svg and .csv.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

import neuro_metarl as nm
from neuro_metarl.agents.zoo import untrained
from neuro_metarl.plot.style import Figure, print_style, tidy

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
TASK = "bandit-foraging"
NETWORKS = {
    "trained": ("#0072B2", "o"),
    "trained without baits": ("#D55E00", "s"),
    "trained, sees no reward": ("#CC79A7", "D"),
    "untrained": ("0.55", "^"),
}
PLAYERS = {
    "optimum, knows p": ("foraging-optimum", {}),
    "Bayes, plans": ("foraging-bayes", {}),
    "Bayes, myopic": ("foraging-bayes", {"plans": False}),
    "matching coin, knows p": ("matching", {}),
    "alternation": ("alternation", {}),
    "random": ("random", {}),
}
BARS = {
    ("previous_choice", 0): "action\n1 back", ("previous_reward", 0): "reward\n1 back",
    ("previous_paid", 0): "action\nx reward\n1 back", ("value", 0): "value",
    ("previous_choice", 1): "action\n2 back", ("previous_reward", 1): "reward\n2 back",
    ("previous_paid", 1): "action\nx reward\n2 back",
}  # fmt: skip
LAWS = ("reward_rate", "slope", "trained_slope", "held_out_slope", "r2", "switch_rate")


def best_q(n_sessions: int) -> tuple[dict[str, float], xr.Dataset]:
    """Find the Q learner, of 36, that earns most, and record it in other sessions."""
    rates, temperatures = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7), (1, 2, 3, 5, 8, 15)
    settings = [
        {"learning_rate": a, "inverse_temperature": float(b), "first_value": 0.3}
        for a, b in product(rates, temperatures)
    ]
    learners = [nm.make_player("rescorla-wagner", **setting) for setting in settings]
    earned = [float(nm.record(q, TASK, 2 * n_sessions, seed=7).reward.mean()) for q in learners]
    best = int(np.argmax(earned))
    return settings[best], nm.record(learners[best], TASK, 4 * n_sessions, seed=1)


def code(cohort: xr.Dataset) -> xr.Dataset:
    """Measure what units code, with the action x reward as +1, -1 (rewarded side), 0 (none)."""
    paid = ((2.0 * cohort.choice - 1) * cohort.reward).rename("paid")
    names = ["previous_choice", "previous_reward", paid, "previous_paid", "value"]
    found = nm.neural.coding_strength(cohort, names, lags=(0, 1))
    belief = nm.models.foraging_belief(cohort).posterior_mean.rename("p")
    score = nm.decode(cohort, belief, n_permutations=0, n_bootstrap=20).score
    return found.assign(belief=("subject", score.sel(statistic="value").isel(event=0).values))


def draw_matching(ax: Axes, cohort: xr.Dataset) -> None:
    """Draw sessions, and each network's line through them."""
    points = nm.behavior.matching_points(cohort)
    for mark, label, color in ((0, "probabilities trained on", "0.6"), (1, "held out", "#E69F00")):
        some = points.isel(session=points.held_out.values == mark)
        some = some.isel(session=slice(None, None, max(1, some.sizes["session"] // 400)))
        ax.plot(some.reward_ratio, some.choice_ratio, ".", ms=2.5, color=color, mew=0, label=label)
    x = np.array([-5.0, 5.0])
    for name in dict.fromkeys(points.subject.values.tolist()):
        mine = points.isel(session=points.subject.values == name)
        slope, start = np.polyfit(mine.reward_ratio, mine.choice_ratio, 1)
        ax.plot(x, start + slope * x, color=NETWORKS["trained"][0], lw=0.7)
    ax.plot(x, x, color="0.3", lw=0.8, ls=":", label="perfect matching")
    ax.set(xlabel="log2 reward ratio", ylabel="log2 choice ratio", xlim=x, ylim=x)
    ax.legend(frameon=False, fontsize=7, loc="upper left", handletextpad=0.3, markerscale=2.5)


def draw_rewards(ax: Axes, laws: dict[str, xr.Dataset], labels: dict[str, str]) -> None:
    """Draw what each network and player earns against its slope."""
    for who, (color, marker) in NETWORKS.items():
        law = laws[who].sel(statistic="value")
        ax.plot(law.slope, law.reward_rate, marker, color=color, ms=4, mew=0, alpha=0.8,
                label=f"{who} (n = {law.sizes['subject']})", ls="")  # fmt: skip
    for who, letter in labels.items():
        law = laws[who].sel(statistic="value").isel(subject=0)
        ax.text(float(law.slope), float(law.reward_rate), letter, ha="center", va="center",
                fontsize=8, fontweight="bold")  # fmt: skip
    said = "\n".join(f"{letter}  {who}" for who, letter in labels.items())
    ax.text(0.22, 0.371, said, fontsize=6.5, va="bottom")
    ax.axvline(1, color="0.3", lw=0.8, ls=":")
    ax.set(xlabel="slope of matching", ylabel="reward per trial", xlim=(-0.15, 1.4),
           ylim=(0.366, 0.487))  # fmt: skip
    ax.legend(frameon=False, fontsize=6.5, loc="upper left", ncols=2, handletextpad=0,
              columnspacing=0.6)  # fmt: skip


def draw_history(axes: tuple[Axes, Axes], weights: dict[str, xr.Dataset]) -> None:
    """Draw what past rewards and choices weigh, a panel each."""
    for ax, term in zip(axes, ("reward", "choice"), strict=True):
        for who, color in (("trained", "#0072B2"), ("trained, sees no reward", "#CC79A7"),
                           ("Bayes, plans", "0.2")):  # fmt: skip
            value = weights[who].history_weight.sel(term=term, statistic="value")
            one = value.sizes["subject"] == 1
            ax.plot(
                value.lag, value.T, color=color, lw=1.6 if one else 0.6, ls="--" if one else "-"
            )
            ax.plot([], [], color=color, ls="--" if one else "-", label=who)
        ax.axhline(0, color="0.6", lw=0.6)
        ax.set(ylabel="weight (log odds)")
        ax.set_title(f"past {term}s", fontsize=8)
    axes[1].set(xlabel="trials back")
    axes[1].legend(frameon=False, fontsize=7, loc="lower right")


def draw_code(ax: Axes, codes: dict[str, xr.Dataset]) -> None:
    """Draw the bars of each network, the null beside them."""
    for shift, (who, coded) in zip((-0.14, 0.14), codes.items(), strict=True):
        color, marker = NETWORKS[who]
        for k, (name, lag) in enumerate(BARS):
            one = coded.sel(regressor=name, lag=lag)
            x = k + shift + np.linspace(-0.07, 0.07, one.sizes["subject"])
            ax.plot(x, one.strength, marker, color=color, ms=2.5, mew=0)
            ax.hlines(one.null, x - 0.03, x + 0.03, color="0.2", lw=0.8)
        place = len(BARS) + shift + np.linspace(-0.07, 0.07, coded.sizes["subject"])
        ax.plot(place, coded.belief, marker, color=color, ms=2.5, mew=0, label=who)
    ax.hlines([], 0, 0, color="0.2", lw=0.8, label="sessions permuted")
    ax.axvline(len(BARS) - 0.5, color="0.8", lw=0.8)
    ax.set_xticks(range(len(BARS) + 1), [*BARS.values(), "R2 of\nbelief\nin p"], fontsize=6.5)
    ax.set(ylabel="mean |correlation| of units | R2", ylim=(0, 1))
    ax.legend(frameon=False, fontsize=7, loc="upper left", markerscale=1.5)


def tabulate(
    laws: dict[str, xr.Dataset], weights: dict[str, xr.Dataset], codes: dict[str, xr.Dataset]
) -> pd.DataFrame:
    """Put every number into one long table."""
    rows = []
    for who, law in laws.items():
        for name, subject in product(LAWS, law.subject.values):
            rows.append((who, subject, name, *law[name].sel(subject=subject).values))
    for who, found in weights.items():
        weight = found.history_weight
        for term, lag, subject in product(
            ("reward", "choice"), weight.lag.values, weight.subject.values
        ):
            label = f"weight of {term}, {lag} back"
            rows.append(
                (who, subject, label, *weight.sel(term=term, lag=lag, subject=subject).values)
            )
    for who, coded in codes.items():
        for (name, lag), subject in product(BARS, coded.subject.values):
            one = coded.sel(regressor=name, lag=lag, subject=subject)
            label = BARS[name, lag].replace("\n", " ")
            rows.append((who, subject, f"|r| {label}", float(one.strength), np.nan, np.nan))
            rows.append((who, subject, f"|r| {label}, permuted", float(one.null), np.nan, np.nan))
        for subject in coded.subject.values:
            score = float(coded.belief.sel(subject=subject))
            rows.append((who, subject, "R2 of the belief in p", score, np.nan, np.nan))
    columns = ["who", "subject", "measure", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns).round(4)  # fmt: skip


def main() -> None:
    """Play, measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 sessions per network, not 1,000")
    n_sessions = 100 if parser.parse_args().quick else 1000
    agents = nm.load_agents(TASK)
    who = {
        "trained": agents,
        "trained without baits": nm.load_agents("bandit-foraging-unbaited"),
        "trained, sees no reward": nm.load_agents("bandit-foraging-blind"),
        "untrained": untrained(agents, n_agents=8),
    }
    cohorts = {
        name: nm.record(one, TASK, n_sessions, seed=2018, activity=False)
        for name, one in who.items()
    }
    for name, (player, options) in PLAYERS.items():
        cohorts[name] = nm.record(nm.make_player(player, **options), TASK, 4 * n_sessions, seed=1)
    setting, cohorts["best Q of 36"] = best_q(n_sessions)
    print("best Q learner:", setting)
    laws = {name: nm.behavior.matching(cohort) for name, cohort in cohorts.items()}
    weights = {
        name: nm.behavior.history_regression(
            cohorts[name].groupby("subject").map(lambda one: one.isel(session=slice(500)))
        )
        for name in ("trained", "trained without baits", "trained, sees no reward", "Bayes, plans")
    }
    codes = {
        name: code(nm.record(who[name], TASK, 100, seed=2019)) for name in ("trained", "untrained")
    }
    labels = dict(zip([*PLAYERS, "best Q of 36"], "OBMCARQ", strict=True))
    with print_style():
        figure = Figure(figsize=(7.2, 6.2), layout="constrained")
        grid = figure.add_gridspec(2, 6)
        axes = [figure.add_subplot(grid[0, a:b]) for a, b in ((0, 3), (3, 6))]
        axes.append(figure.add_subplot(grid[1, 2:6]))
        past = grid[1, 0:2].subgridspec(2, 1)
        both = (figure.add_subplot(past[0]), figure.add_subplot(past[1]))
        draw_matching(axes[0], cohorts["trained"])
        draw_rewards(axes[1], laws, labels)
        draw_history(both, weights)
        draw_code(axes[2], codes)
        for ax in (axes[0], axes[1], *both, axes[2]):
            tidy(ax)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"))
    table = tabulate(laws, weights, codes)
    table.to_csv(STEM.with_suffix(".csv"), index=False)
    means = table.groupby(["who", "measure"], sort=False).value.agg(["mean", "min", "max", "size"])
    print(means.round(3).to_string())


if __name__ == "__main__":
    main()
