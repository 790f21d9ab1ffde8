"""Wang et al. 2016, figure 5: the two-step task of ten trials, pooled and on the second trial.

    python analyses/wang2016_fig5_two_step.py [--quick]

The published bars, 1/0/0/1, are what an optimal agent shows on the second trial alone; pooled over
ten trials it shows 1/.51/.51/1. Both are drawn. Writes figures/wang2016_fig5_two_step.png, .svg and
.csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import neuro_metarl as nm

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
TASK = "two-step-2016"
TERMS = ["common_rewarded", "rare_rewarded", "common_omitted", "rare_omitted"]
PUBLISHED = (1.00, 0.00, 0.00, 0.97)
OPTIMUM = {"pooled": (1.0, 0.509, 0.509, 1.0), "second trial alone": (1.0, 0.0, 0.0, 1.0)}


def main() -> None:
    """Play, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 sessions per agent, not 1,000")
    n_sessions = 100 if parser.parse_args().quick else 1000
    agents = nm.record(TASK, n_sessions=n_sessions, seed=2016, activity=False, progress=True)
    reward = agents.reward.groupby("subject").mean(...)
    rows = [("reward per trial", "", s, float(r)) for s, r in reward.to_series().items()]
    with mpl.rc_context({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": STEM.name}):
        figure = Figure(figsize=(7, 2.6), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        for ax, title, trial in zip(axes, OPTIMUM, (None, 1), strict=True):
            stay = nm.stay_probability(agents, trial=trial).stay_probability
            values = stay.sel(term=TERMS, statistic="value")
            x = np.arange(4)
            spread = np.linspace(-0.12, 0.12, values.sizes["subject"])[:, None]
            n = values.sizes["subject"]
            ax.plot(
                (x + spread).ravel(),
                values.values.ravel(),
                "o",
                color="#0072B2",
                ms=3,
                alpha=0.6,
                mew=0,
                label=f"agents (n = {n})",
            )
            ax.plot(x - 0.25, OPTIMUM[title], "x", color="0.15", label="Bayes filter")
            ax.plot(x + 0.25, PUBLISHED, "_", color="#D55E00", ms=12, label="published")
            ax.set_xticks(x, [t.replace("_", "\n") for t in TERMS])
            ax.set(title=title, xlabel="previous trial")
            ax.spines[["top", "right"]].set_visible(False)
            for term in TERMS:
                for subject in values.subject.values:
                    p = float(values.sel(term=term, subject=subject))
                    rows.append((f"stay, {title}", term, subject, p))
        axes[0].set_ylabel("P(stay)")
        axes[0].legend(frameon=False, loc="lower left")
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})
    table = pd.DataFrame(rows, columns=["what", "term", "subject", "value"])
    table.to_csv(STEM.with_suffix(".csv"), index=False)
    print(table.groupby(["what", "term"], sort=False).value.agg(["mean", "min", "max"]).round(3))


if __name__ == "__main__":
    main()
