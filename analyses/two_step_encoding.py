"""What units of two-step networks code, event by event, from one choice to the next.

    python analyses/two_step_encoding.py [--quick]

Sixteen trained networks at play on their own task, and sixteen reservoirs: networks that were never
trained, each driven by the inputs of one trained network. At every
event each unit is regressed on the trial's choice, transition, second-step state and outcome, on
the outcome's interactions with these, on the same of the trial before, and on value: the log odds
of an exact Bayes filter before the choice (which side is the better one), and their product with
the state that was reached (what that state is worth). Shown is the population's coefficient of
partial determination: what each regressor alone explains of what the others leave.

Three events show the trial itself and three the next trial, whose first event brings the outcome
to the network: before that, the outcome and its interactions can be coded only as far as they could
be predicted. Value is shown where it is of use, in the trial itself. Dotted, all but on the axis:
95 % of draws in which sessions are permuted. Writes figures/two_step_encoding.png, .svg and .csv.
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
EVENTS = ("fixation", "first_step", "second_step")
TASK = ("choice", "common", "state", "reward", "choice_x_reward", "reward_x_common",
        "state_x_reward")  # fmt: skip
VALUES = ("belief", "state_x_belief")
PANELS = {
    "the choice and where it led": {
        "choice": ("#0072B2", "o"), "common": ("#E69F00", "v"), "state": ("#009E73", "D"),
    },
    "the outcome": {
        "reward": ("#D55E00", "s"), "choice_x_reward": ("#0072B2", "o"),
        "reward_x_common": ("#E69F00", "v"), "state_x_reward": ("#009E73", "D"),
    },
    "value": {"belief": ("#CC79A7", "^"), "state_x_belief": ("#009E73", "D")},
}  # fmt: skip
LABELS = {
    "common": "transition", "reward": "outcome", "choice_x_reward": "... x choice",
    "reward_x_common": "... x transition", "state_x_reward": "... x state",
    "belief": "better side", "state_x_belief": "worth of state",
}  # fmt: skip


def previous(name: str) -> str:
    """Name the same of the trial before."""
    return "_x_".join(f"previous_{part}" for part in name.split("_x_"))


def measure(cohort: xr.Dataset, n_permutations: int) -> xr.Dataset:
    """Encode every network's units."""
    free = cohort.assign(forced=xr.zeros_like(cohort.forced))  # the filter reads, it need not act
    odds = nm.comparison.model_log_odds(free, "latent_state", {"filter": {}})
    belief = odds.isel(subject=0, drop=True).rename("belief")
    names = [*TASK, *map(previous, TASK), "state_x_belief"]
    return nm.encode(
        cohort, [belief, *names], null="session_permutation", n_permutations=n_permutations,
        progress=True,
    )  # fmt: skip


def tidy(fit: xr.Dataset, source: str) -> pd.DataFrame:
    """Return one row for each network, regressor and event after the trial's first."""
    found = nm.neural.fraction_significant(fit, corrected=True).fraction.sel(
        statistic="value", lag=0
    )
    parts = []
    for shift, trial in enumerate(("this trial", "next trial")):
        for name in (*TASK, *VALUES):
            if shift and name in VALUES:
                continue
            used = previous(name) if shift else name
            here = fit.sel(regressor=used, lag=0)
            table = here[["population_cpd", "population_p", "population_null"]].to_dataframe()
            table = table[["population_cpd", "population_p", "population_null"]]
            share = found.sel(regressor=used).to_series()
            table = table.assign(significant_units=share).reset_index()
            step = table.event.map({e: k + 3 * shift for k, e in enumerate(EVENTS)})
            parts.append(table.assign(regressor=name, trial=trial, step=step, source=source))
    return pd.concat(parts, ignore_index=True)


def plot(ax: Axes, table: pd.DataFrame, looks: dict[str, tuple[str, str]]) -> None:
    """Draw each network thin and the mean thick, over the events of this trial and the next."""
    for name, (color, marker) in looks.items():
        mine = table[table.regressor == name]
        wide = 100 * mine.pivot_table(index="step", columns="subject", values="population_cpd")
        null = 100 * mine.groupby("step").population_null.mean()
        ax.plot(wide.index, wide, color=color, lw=0.4, alpha=0.35)
        label = LABELS.get(name, name)
        ax.plot(wide.index, wide.mean(axis=1), color=color, marker=marker, ms=3.5, label=label)
        ax.plot(null.index, null, color=color, ls=":", lw=0.8)
    steps = np.sort(table[table.regressor.isin(list(looks))].step.unique())
    if len(steps) > 3:
        ax.axvline(2.5, color="0.7", lw=0.7)
    ax.set_xticks(steps, [EVENTS[k % 3].replace("_", " ") for k in steps], rotation=40, ha="right")
    ax.spines[["top", "right"]].set_visible(False)


def draw(table: pd.DataFrame) -> Figure:
    """Make the figure: panels by kind of regressor, trained networks above reservoirs."""
    sources = list(dict.fromkeys(table.source))
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots(2, 3, sharey="row", width_ratios=[2, 2, 1])
    for row, source in zip(axes, sources, strict=True):
        mine = table[table.source == source]
        for ax, (title, looks) in zip(row, PANELS.items(), strict=True):
            plot(ax, mine, looks)
            ax.set_ylim(0, None)
            if source == sources[0]:
                ax.set_title(title, fontsize=8)
                ax.set_xticklabels([])
                side = "upper right" if ax is row[0] else "upper left"
                ax.legend(frameon=False, fontsize=6.5, loc=side, handlelength=1.5)
        row[0].set_ylabel(f"{source} (n = {mine.subject.nunique()})\npartial determination (%)")
    for ax in axes[1, :2]:
        ax.set_xlabel("this trial | next trial")
    axes[1, 2].set_xlabel("this trial")
    return figure


def main() -> None:
    """Record, encode, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 sessions per network, not 100")
    n_sessions, n_permutations = (20, 50) if parser.parse_args().quick else (100, 200)
    agents = nm.load_agents("two-step")
    fresh = untrained(agents, n_agents=len(agents), seed=2018)
    own = nm.record(agents, agents.task, n_sessions, seed=2018).drop_vars("cell")
    of = dict(zip(fresh.names, agents.names, strict=True))
    driven = nm.recording.record_replay(fresh, own, of=of, variables=["activity"])
    tables = [
        tidy(measure(cohort, n_permutations), source)
        for source, cohort in {"trained": own, "reservoir": driven}.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(STEM.with_suffix(".csv"), index=False, float_format="%.6g")
    with mpl.rc_context({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": STEM.name}):
        figure = draw(table)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})
    means = 100 * table.groupby(["source", "regressor", "step"]).population_cpd.mean()
    print(means.unstack("step").round(2).to_string())
    print(f"{STEM}.png")


if __name__ == "__main__":
    main()
