"""Two-step networks: what their activity holds, event by event.

    python analyses/two_step_decoding.py [--quick]

From the hidden state of each of 16 trained networks, and of 16 reservoirs (networks that were never
trained, each driven by the inputs of one trained network), are decoded, across sessions: the exact
Bayesian belief (log odds of the better second-step state), the value that a planner with this
belief expects, and the second-step state itself. Grey bars are the central 95 % of each network's
null distribution (labels shifted in a circle within each session). A belief is a function of past
trials, and any recurrent network remembers some: that it can be decoded says nothing of training.

Lower panels: what training gave (see ``neuro_metarl.neural.coding_table``). R2 of the belief beyond
what ten past trials predict linearly; R2 of a decoder fitted to own play on trials whose choices
were imposed at random; change of the choice's log odds when activity moves by one SD along the
belief. Beside the networks: the history itself, and leaky counters. Bars are means with their 95 %
intervals over networks. The network's own value is in the table only: it is a linear readout of
the hidden state.
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
COLORS = {"trained": "#0072B2", "reservoir": "#D55E00", "history": "0.45", "counters": "0.65"}
MARKERS = {"trained": "o", "reservoir": "s", "history": "^", "counters": "v"}
HEADLINE = {
    "beyond_history": "R2 beyond history",
    "imposed": "R2, imposed choices",
    "push": "push of the choice (log odds)",
}
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


def code(agents: nm.agents.Agents, fresh: nm.agents.Agents, n_sessions: int) -> xr.Dataset:
    """Hold how trained networks code the belief against reservoirs, history and counters."""
    of = dict(zip(fresh.names, agents.names, strict=True))
    own = nm.record(agents, n_sessions=n_sessions, seed=2018)
    forced = nm.record(agents, nm.tasks.TwoStep(p_forced=1.0), n_sessions, seed=7)
    return nm.neural.coding_table(
        {"trained": own, "reservoir": nm.recording.record_replay(fresh, own, of=of)},
        lambda cohort: nm.models.bayes_belief(cohort).log_odds,
        imposed={"trained": forced, "reservoir": nm.recording.record_replay(fresh, forced, of=of)},
        agents={"trained": agents, "reservoir": fresh},
        statistics=None,
    )


def plot_statistic(ax: Axes, table: xr.Dataset, name: str) -> None:
    """Draw every network, and the mean of each kind with its interval."""
    shown = [k for k in COLORS if np.isfinite(table["mean"].sel(statistic=name, kind=k))]
    for place, kind in enumerate(shown):
        one = table.sel(statistic=name, kind=kind)
        x = place + np.linspace(-0.28, 0.28, one.sizes["network"])
        color = COLORS[kind]
        ax.plot(x, one.score, MARKERS[kind], color=color, ms=2.6, mew=0, alpha=0.7)
        ax.hlines(one["mean"], place - 0.4, place + 0.4, color="0.15", lw=1.2)
        ax.vlines(place, one.low, one.high, color="0.15", lw=2.5)
    ax.axhline(0, color="0.6", lw=0.7, ls=":")
    ax.set(ylabel=HEADLINE[name], xlim=(-0.6, max(len(shown), 3) - 0.4))
    ax.set_xticks(range(len(shown)), shown, fontsize=7)
    ax.spines[["top", "right"]].set_visible(False)


def coded(table: xr.Dataset) -> pd.DataFrame:
    """Put the coding table into the long table of the figure."""
    frame = table[["score", "subject"]].to_dataframe().reset_index().dropna(subset="score")
    frame = frame.rename(columns={"kind": "source", "statistic": "measure", "score": "value"})
    return frame.assign(target="belief", event="first_step")


def say(table: xr.Dataset) -> None:
    """Print each statistic of each kind: mean, interval, range, and who is ahead."""
    for name in table.statistic.values:
        for kind in table.kind.values:
            one = table.sel(statistic=name, kind=kind)
            if np.isfinite(one["mean"]):
                ahead = "" if kind == "trained" else f", trained ahead in {int(one.n_ahead)}"
                print(
                    f"{name:15} {kind:10} {float(one['mean']):.3f} [{float(one.low):.3f}, "
                    f"{float(one.high):.3f}], {float(one.least):.3f} to {float(one.most):.3f}"
                    f"{ahead}"
                )


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
    n_sessions = 30 if quick else 100
    own = nm.record(agents, n_sessions=n_sessions, seed=2018)
    of = dict(zip(fresh.names, agents.names, strict=True))
    cohorts = {"trained": own, "reservoir": nm.recording.record_replay(fresh, own, of=of)}
    tables, frames = {}, []
    for source, cohort in cohorts.items():
        tables[source] = decode(cohort, 39 if quick else 99)
        frames += [rows(table, source, name) for name, table in tables[source].items()]
    coding = code(agents, fresh, n_sessions)
    frames.append(coded(coding))
    frame = pd.concat(frames, ignore_index=True)
    order = ["source", "target", "event", "subject", "measure", "value", "low", "high",
             "null_median", "null_95", "p", "chance", "n"]  # fmt: skip
    frame[order].round(5).to_csv(STEM.with_suffix(".csv"), index=False)
    report(frame[frame.p.notna()])
    say(coding)
    with mpl.rc_context({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": STEM.name}):
        figure = Figure(figsize=(7.2, 4.8), layout="constrained")
        axes = figure.subplots(2, 3)
        for ax, (name, label) in zip(axes[0], LABELS.items(), strict=True):
            for k, source in enumerate(tables):
                shown = f"{source} (n = {len(agents)})"
                nm.plot.decoding(tables[source][name], ax, label=shown, color=k, place=(k, 2))
            ax.set(ylabel=label, ylim=(-0.08, 1.05) if name != "state" else (0.42, 1.03))
            ax.tick_params(axis="x", labelsize=7)
        axes[0, 0].legend(frameon=False, loc="center", bbox_to_anchor=(0.5, 0.5), fontsize=7)
        for ax, name in zip(axes[1], HEADLINE, strict=True):
            plot_statistic(ax, coding, name)
        for ax, letter in zip(axes.ravel(), "abcdef", strict=True):
            ax.text(-0.2, 1.04, letter, transform=ax.transAxes, weight="bold", ha="right", size=9)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})
    print(f"{STEM}.png, {np.unique(frame.subject).size} networks")


if __name__ == "__main__":
    main()
