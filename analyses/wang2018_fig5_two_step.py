"""Wang et al. 2018, figure 5: agents on the two-step task, beside the Bayes filter and rats.

    python analyses/wang2018_fig5_two_step.py [--quick]

Left: how often each agent repeats its choice, beside the published bars (digitised), the exact
Bayes filter and six rats. Right: the lagged regression, planning and model-free sums at each lag.
Writes figures/wang2018_fig5_two_step.png, .svg and .csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import neuro_metarl as nm

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
TERMS = ["common_rewarded", "rare_rewarded", "common_omitted", "rare_omitted"]
# Wang et al. 2018, doi:10.1038/s41593-018-0147-8, figure 5, digitised to about .01
PUBLISHED = dict(zip(TERMS, (0.99, 0.64, 0.62, 0.99), strict=True))
# exact Bayes filter of the task: hazard .025, reward .9/.1, common .8
BAYES = dict(zip(TERMS, (1.0, 0.661, 0.663, 1.0), strict=True))
BLUE, RED, BLACK = "#0072B2", "#D55E00", "0.15"


def measure(n_sessions: int) -> pd.DataFrame:
    """Return the tidy table of agents (on their own task) and rats (reference values)."""
    agents = nm.record("two-step", n_sessions=n_sessions, seed=2018, activity=False, progress=True)
    table = nm.to_table(nm.compare({"agents": agents}, progress=True))
    reward = agents.reward.groupby("subject").mean(...).to_series()
    rewards = pd.DataFrame(
        {"source": "agents", "subject": reward.index, "measure": "reward", "value": reward.values}
    )
    rats = nm.datasets.load_reference().assign(source="rats")
    bars = [("published", PUBLISHED), ("Bayes filter", BAYES)]
    others = [
        {"source": s, "measure": "stay_probability", "term": t, "value": v}
        for s, bar in bars
        for t, v in bar.items()
    ]
    others.append({"source": "Bayes filter", "measure": "reward", "value": 0.706})
    parts = [table, rewards, rats, pd.DataFrame(others)]
    return pd.concat([p.astype(object) for p in parts], ignore_index=True)


def plot_stay(ax: Axes, table: pd.DataFrame) -> None:
    """Draw stay probabilities: subjects as dots, references as marks."""
    stay = table[table.measure == "stay_probability"]
    for source, color, marker, shift in (("agents", BLUE, "o", -0.18), ("rats", RED, "s", 0.18)):
        mine = stay[stay.source == source]
        for k, term in enumerate(TERMS):
            values = mine[mine.term == term].value.astype(float).to_numpy()
            x = k + shift + np.linspace(-0.08, 0.08, len(values))
            label = f"{source} (n = {len(values)})" if k == 0 else None
            ax.plot(x, values, marker, color=color, ms=3, alpha=0.6, mew=0, label=label)
            ax.hlines(values.mean(), k + shift - 0.12, k + shift + 0.12, color=color, lw=1.5)
    for source, marker in (("published", "_"), ("Bayes filter", "x")):
        values = [
            float(stay[(stay.source == source) & (stay.term == t)].value.iloc[0]) for t in TERMS
        ]
        size = 13 if marker == "_" else 5
        ax.plot(
            [k - 0.42 for k in range(4)], values, marker, color=BLACK, ms=size, ls="", label=source
        )
    ax.axhline(0.5, color="0.6", lw=0.7, ls=":")
    ax.set_xticks(range(4), [t.replace("_", "\n") for t in TERMS])
    ax.set(ylabel="P(stay)", ylim=(0, 1.05), xlim=(-0.65, 3.5), xlabel="previous trial")
    ax.legend(loc="lower left", frameon=False, fontsize=7)


def plot_lags(ax: Axes, table: pd.DataFrame) -> None:
    """Draw the planning and the model-free sum of the weights at each lag."""
    lagged = table[table.measure == "lagged_weight"]
    wide = lagged.astype({"value": float, "lag": int}).pivot_table(
        index=["source", "subject", "lag"], columns="term", values="value"
    )
    cr, rr, co, ro = (wide[t] for t in TERMS)
    sums = {"planning": cr - rr - co + ro, "model-free": cr + rr - co - ro}
    for source, color, marker in (("agents", BLUE, "o"), ("rats", RED, "s")):
        for (name, values), style in zip(sums.items(), ("-", "--"), strict=True):
            by_lag = values.loc[source].unstack("lag")
            ax.plot(by_lag.columns, by_lag.T, color=color, lw=0.4, ls=style, alpha=0.35)
            ax.plot(
                by_lag.columns,
                by_lag.mean(),
                color=color,
                marker=marker,
                ms=3.5,
                ls=style,
                mfc=color if style == "-" else "white",
                label=f"{source}, {name}",
            )
    ax.axhline(0, color="0.6", lw=0.7, ls=":")
    ax.set(xlabel="trials back", ylabel="summed weights (log odds)", xticks=range(1, 6))
    ax.legend(frameon=False, fontsize=7)


def main() -> None:
    """Measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="30 sessions per agent, not 300")
    table = measure(30 if parser.parse_args().quick else 300)
    table.to_csv(STEM.with_suffix(".csv"), index=False)
    with mpl.rc_context({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": STEM.name}):
        figure = Figure(figsize=(7, 2.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        plot_stay(left, table)
        plot_lags(right, table)
        for ax in (left, right):
            ax.spines[["top", "right"]].set_visible(False)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})
    reward = table[(table.measure == "reward") & (table.source == "agents")].value.astype(float)
    print(f"reward per trial: mean {reward.mean():.4f}, lowest {reward.min():.4f} (Bayes .706)")
    print(f"{STEM}.png")


if __name__ == "__main__":
    main()
