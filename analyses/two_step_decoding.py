"""Two-step networks: what their activity holds, event by event.

    python analyses/two_step_decoding.py [--quick]

From the hidden state of each of 16 trained networks, and of 16 that were never trained, are
decoded, across sessions: the exact Bayesian belief (log odds of the better second-step state),
the value that a planner with this belief expects, and the second-step state itself. Grey bars are
the central 95 % of each network's null distribution (labels shifted in a circle within each
session). Last panel: one session of one network of each kind, the exact belief and what is read
from its activity; gaps are trials on which an untrained network made no valid choice. The
network's own value is in the table only: it is a linear readout of the hidden state, so that its
R2 is 1 by construction, trained or not.
Writes figures/two_step_decoding.png, .svg and .csv.
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
from neuro_metarl.agents.zoo import untrained

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
BLUE, ORANGE, BLACK = "#0072B2", "#D55E00", "0.15"
LABELS = {
    "belief": "exact belief: R2",
    "planned value": "value of the planner: R2",
    "state": "second-step state: accuracy",
}


def targets(cohort: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return what is decoded."""
    planner = nm.models.find_model("latent_state").planted(hazard=0.025)
    planned = nm.models.model_signals(cohort, planner).value.sel(system="model_based", drop=True)
    return {
        "belief": nm.models.bayes_belief(cohort).log_odds,
        "planned value": planned,
        "state": cohort["state"],
        "own value": cohort["value"],
    }


def decode(cohort: xr.Dataset, n_permutations: int) -> dict[str, xr.Dataset]:
    """Decode every target at the events at which it is defined."""
    tables = {}
    for name, target in targets(cohort).items():
        events = ["first_step", "second_step"] if name == "planned value" else None
        few = min(n_permutations, 20) if name == "own value" else n_permutations
        tables[name] = nm.decode(cohort, target, events=events, n_permutations=few, progress=True)
    return tables


def rows(table: xr.Dataset, source: str, target: str) -> pd.DataFrame:
    """Return a long table: scores, intervals, p and the 95th percentile of the null."""
    wide = table.score.to_dataset("statistic")
    wide["null_95"] = table.null_score.quantile(0.95, "null").drop_vars("quantile")
    wide["null_median"] = table.null_score.median("null")
    wide = wide.assign(p=table.p, chance=table.chance, n=table.n)
    frame = wide.to_dataframe().reset_index()
    return frame.assign(source=source, target=target, measure=table.measure)


def plot_session(ax: Axes, tables: dict[str, dict[str, xr.Dataset]], beliefs: dict) -> None:
    """Draw the exact and the decoded belief of one session of the first network of each kind."""
    shift = {"trained": 0.0, "untrained": -11.0}
    for (source, table), color in zip(tables.items(), (BLUE, ORANGE), strict=True):
        exact = beliefs[source].isel(session=0)
        read = table["belief"].prediction.isel(session=0).sel(event="first_step")
        ax.axhline(shift[source], color="0.6", lw=0.7, ls=":")
        ax.plot(exact + shift[source], color=BLACK, lw=1.8, alpha=0.5, label="exact" if
                source == "trained" else None)  # fmt: skip
        ax.plot(read + shift[source], color=color, lw=0.9, label=f"decoded, {source}")
    ax.set(xlabel="trial", ylabel="belief (log odds)", ylim=(-17, 9))
    ax.set_yticks([-14, -11, -8, -3, 0, 3], ["-3", "0", "3", "-3", "0", "3"])
    ax.legend(frameon=False, ncols=3, loc="upper center", fontsize=6.5, handlelength=1.2)
    ax.spines[["top", "right"]].set_visible(False)


def report(frame: pd.DataFrame) -> None:
    """Print the range over networks of every score."""
    for (source, target, event), mine in frame.groupby(["source", "target", "event"], sort=False):
        above = int((mine.p <= 0.05).sum())
        print(
            f"{source:9} {target:13} {event:11} {mine.value.min():.3f} to {mine.value.max():.3f}, "
            f"largest null 95 % {mine.null_95.max():.3f}, chance {mine.chance.mean():.3f}, "
            f"p <= .05 in {above} of {len(mine)}"
        )


def main() -> None:
    """Record, decode, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="4 networks, 30 sessions")
    quick = parser.parse_args().quick
    agents = nm.load_agents("two-step")
    agents = agents.select(range(4)) if quick else agents
    fresh = untrained(agents, n_agents=len(agents), seed=1)
    tables, beliefs, frames = {}, {}, []
    for source, who in (("trained", agents), ("untrained", fresh)):
        cohort = nm.record(who, n_sessions=30 if quick else 100, seed=2018)
        cohort = cohort.drop_vars(["cell", "policy"])
        tables[source] = decode(cohort, 39 if quick else 99)
        beliefs[source] = nm.models.bayes_belief(cohort).log_odds
        frames += [rows(table, source, name) for name, table in tables[source].items()]
    frame = pd.concat(frames, ignore_index=True)
    order = ["source", "target", "event", "subject", "measure", "value", "low", "high",
             "null_median", "null_95", "p", "chance", "n"]  # fmt: skip
    frame[order].round(5).to_csv(STEM.with_suffix(".csv"), index=False)
    report(frame)
    with mpl.rc_context({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": STEM.name}):
        figure = Figure(figsize=(7.2, 4.8), layout="constrained")
        axes = figure.subplots(2, 2).ravel()
        for ax, (name, label) in zip(axes, LABELS.items(), strict=False):
            for k, source in enumerate(tables):
                shown = f"{source} (n = {len(agents)})"
                nm.plot.decoding(tables[source][name], ax, label=shown, color=k, place=(k, 2))
            ax.set(ylabel=label, ylim=(-0.08, 1.05) if name != "state" else (0.42, 1.03))
        axes[0].legend(frameon=False, loc="center", bbox_to_anchor=(0.5, 0.62), fontsize=7)
        plot_session(axes[3], tables, beliefs)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})
    print(f"{STEM}.png, {np.unique(frame.subject).size} networks")


if __name__ == "__main__":
    main()
