"""Wang et al. 2018, figure 4 (simulation 3): prediction errors reflect inferred value.

    python analyses/wang2018_fig4_inferred_value.py [--quick]

Eight networks trained on two targets whose values change places together; as controls four trained
on targets that change independently (on both tasks), four that see no reward, four fresh ones. The
truth is the closed form: what an agent that infers everything, and one that infers nothing, would
show. The values of the paper's figure could not be read: what is known of it is the direction
(prediction errors at the other target have turned before it was met again). Writes
figures/wang2018_fig4_inferred_value.png, .svg and .csv.
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
from neuro_metarl.plot.style import Figure, print_style, tidy

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
TASK, APART = "inferred-value", "inferred-value-independent"
WHO = {
    "networks": (TASK, TASK, "#0072B2", "o"),
    "trained on independent targets": (APART, TASK, "#D55E00", "s"),
    "the same, on independent targets": (APART, APART, "#E69F00", "D"),
    "no reward input": (f"{TASK}-blind", TASK, "#CC79A7", "^"),
}
HAZARD, DISCOUNT = 1 / 24, 0.9
KEPT = 1 - 2 * HAZARD
K = DISCOUNT**2 * KEPT / (2 * (1 - DISCOUNT**2 * KEPT))
ONSET = DISCOUNT * (0.5 - HAZARD)
"""Prediction error at the better target of whoever knows which it is."""
# closed forms on the task whose targets change together: index of values and of prediction errors
TRUTHS = {"infers all": (1.0, 1.0), "infers nothing": (-K / (1 + K), 1.0)}


def draw_changes(ax: Axes, found: dict[str, xr.Dataset], variable: str, label: str) -> None:
    """Draw a variable before and after the change, by kind, each network a line."""
    places = {}
    for k, (who, kind) in enumerate(product(found, ("experienced", "inferred"))):
        value = found[who][variable].sel(kind=kind, statistic="value")
        x = np.array([0, 0.55]) + k + 0.35 * (k // 2)
        *_, color, marker = WHO[who]
        ax.plot(x, value.T, color=color, marker=marker, ms=3, mew=0, lw=0.7)
        if kind == "inferred":
            ax.plot([], [], color=color, marker=marker, ms=3, mew=0, lw=0.7,
                    label=f"{who} (n = {value.sizes['subject']})")  # fmt: skip
        places[x.mean()] = kind
    ax.set_xticks(list(places), list(places.values()), fontsize=6, rotation=40, ha="right")
    ax.axhline(0, color="0.6", lw=0.6)
    ax.set(ylabel=label)


def draw_index(ax: Axes, found: dict[str, xr.Dataset]) -> None:
    """Draw both indices of every network, and those of the two truths."""
    for k, who in enumerate(found):
        *_, color, marker = WHO[who]
        for shift, measure in ((-0.18, "value"), (0.18, "rpe")):
            index = found[who].index.sel(measure=measure, statistic="value")
            x = k + shift + np.linspace(-0.07, 0.07, len(index))
            filled = color if measure == "value" else "none"
            ax.plot(x, index, marker, color=color, mfc=filled, ms=4, ls="")
    for (who, (of_value, _)), style in zip(TRUTHS.items(), ("-", "--"), strict=True):
        ax.axhline(of_value, color="0.2", lw=0.8, ls=style, label=f"{who}: index of value")
    ax.plot([], [], "o", color="0.3", ms=4, label="index of value")
    ax.plot([], [], "o", color="0.3", mfc="none", ms=4, label="index of prediction errors")
    ax.axhline(0, color="0.8", lw=0.6)
    labels = ["networks", "trained on\nindependent", "same, on\nindependent"]
    ax.set_xticks(range(len(found)), labels[: len(found)], fontsize=7)
    ax.set(ylabel="inferred / experienced change", ylim=(-1.0, 1.9))
    ax.legend(frameon=False, fontsize=6.5, loc="upper right", ncols=2, columnspacing=0.8)


def gate(cohort: xr.Dataset) -> np.ndarray:
    """Say how much of the ideal value of targets the critic explains, by subject."""
    ideal = nm.neural.ideal_target_value(cohort).values
    value = cohort.value.sel(event="target").transpose("session", "trial").values
    found = []
    for name in dict.fromkeys(cohort.subject.values.tolist()):
        mine = cohort.subject.values == name
        x, y = (table[mine][:, 3:50].ravel() for table in (ideal, value))
        found.append(np.corrcoef(x, y)[0, 1] ** 2)
    return np.array(found)


def tabulate(found: dict[str, xr.Dataset], learned: np.ndarray) -> pd.DataFrame:
    """Put every number into one long table."""
    rows = [
        ("networks", subject, "R2 of value with the ideal", r2, np.nan, np.nan)
        for subject, r2 in zip(found["networks"].subject.values, learned, strict=True)
    ]
    for who, one in found.items():
        for subject in one.subject.values:
            mine = one.sel(subject=subject)
            for variable, kind, when in product(("rpe", "value"), one.kind.values, one.when.values):
                values = mine[variable].sel(kind=kind, when=when).values
                rows.append((who, subject, f"{variable}, {kind}, {when}", *values))
            for measure in one.measure.values:
                values = mine["index"].sel(measure=measure).values
                rows.append((who, subject, f"index of {measure}", *values))
            for kind in one.kind.values:
                n = float(mine.n.sel(kind=kind))
                rows.append((who, subject, f"changes, {kind}", n, np.nan, np.nan))
    columns = ["who", "subject", "measure", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns).round(4)


def main() -> None:
    """Play, measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="60 sessions per network, not 400")
    n_sessions = 60 if parser.parse_args().quick else 400
    found, learned = {}, np.array([])
    for who, (agents, task, *_) in WHO.items():
        cohort = nm.record(agents, task, n_sessions, seed=2018, variables=["value", "rpe"])
        found[who] = nm.neural.inferred_value(cohort)
        if who == "networks":
            learned = gate(cohort)
    with print_style():
        figure = Figure(figsize=(7.2, 5.2), layout="constrained")
        grid = figure.add_gridspec(2, 2)
        left, right = (figure.add_subplot(grid[0, k]) for k in (0, 1))
        index = figure.add_subplot(grid[1, :])
        draw_changes(
            left, found, "rpe", "prediction error at the target\n(before, after the change)"
        )
        for level in (-ONSET, ONSET):
            left.axhline(level, color="0.2", lw=0.8, ls="-")
        left.text(0.02, ONSET + 0.03, "infers all", fontsize=6.5)
        left.set(ylim=(-0.55, 1.15))
        left.legend(frameon=False, fontsize=6.5, loc="upper right")
        draw_changes(right, found, "value", "value of the target\n(before, after the change)")
        draw_index(index, {who: found[who] for who in list(WHO)[:3]})
        for ax in (left, right, index):
            tidy(ax)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"))
    table = tabulate(found, learned)
    table.to_csv(STEM.with_suffix(".csv"), index=False)
    means = table.groupby(["who", "measure"], sort=False).value.agg(["mean", "min", "max", "size"])
    print(means.round(3).to_string())


if __name__ == "__main__":
    main()
