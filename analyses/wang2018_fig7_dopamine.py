"""Wang et al. 2018, figure 7 (simulation 6): prediction errors that are blocked or added.

    python analyses/wang2018_fig7_dopamine.py [--quick]

Networks of two cores (an actor that sees prediction errors, a critic that sees rewards) in a risky
choice, with their errors left alone, blocked after risky wins, blocked after safe rewards, added
to after risky losses. Eight networks met safe pays that vary from session to session, eight a safe
pay that is always 1; untrained ones and the optimum (dynamic programme on the belief) beside them.
The values of the paper's figure could not be read, and its directions (less risk, more risk, more
risk) are remembered, not verified. Writes figures/wang2018_fig7_dopamine.png, .svg and .csv.
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
from neuro_metarl.agents.risky_optimum import play_risky_optimum
from neuro_metarl.plot.style import Figure, print_style, tidy
from neuro_metarl.recording.two_cores import DOPAMINE

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
WHO = {
    "risky-choice-variable": ("safe pay varies in training", "#0072B2", "o"),
    "risky-choice": ("safe pay always 1", "#D55E00", "s"),
    "untrained": ("untrained", "0.55", "^"),
}
SHORT = ("left\nalone", "block\nrisky wins", "block\nsafe rewards", "add to\nrisky losses")
PUBLISHED = ("", "less", "more", "more")
"""Direction of the shift that the paper shows, as remembered."""


def p_risky(found: dict[tuple[str, str], xr.Dataset], who: str, odds: str = "all") -> np.ndarray:
    """Collect P(risky), dims (what was done, network)."""
    return np.array(
        [found[who, done].p_risky.sel(odds=odds, statistic="value").values for done in DOPAMINE]
    )


def draw_levels(ax: Axes, found: dict[tuple[str, str], xr.Dataset], best: list[float]) -> None:
    """Draw P(risky) by what was done to the errors."""
    for shift, (who, (label, color, marker)) in zip((-0.2, 0.0, 0.2), WHO.items(), strict=True):
        p = p_risky(found, who)
        x = np.arange(len(DOPAMINE))[:, None] + shift + np.linspace(-0.06, 0.06, p.shape[1])
        ax.plot(x, p, marker, color=color, ms=3, mew=0)
        ax.plot([], [], marker, color=color, ms=4, mew=0, label=f"{label} (n = {p.shape[1]})")
    for k, level in enumerate(best):
        ax.hlines(level, k - 0.35, k + 0.35, color="0.1", lw=1)
    ax.hlines([], 0, 0, color="0.1", lw=1, label="optimum on the belief, knows the pays")
    ax.set_xticks(range(len(SHORT)), SHORT)
    ax.set(ylabel="P(risky), free trials", ylim=(0, 1.25))
    ax.legend(frameon=False, fontsize=6.5, loc="upper left", ncols=2)


def draw_shifts(ax: Axes, found: dict[tuple[str, str], xr.Dataset], best: list[float]) -> None:
    """Draw the shift of every network, on the same sessions and noise."""
    for shift, (who, (_, color, marker)) in zip((-0.2, 0.0, 0.2), WHO.items(), strict=True):
        p = p_risky(found, who)
        x = np.arange(3)[:, None] + shift + np.linspace(-0.06, 0.06, p.shape[1])
        ax.plot(x, p[1:] - p[0], marker, color=color, ms=3, mew=0)
    for k, direction in enumerate(PUBLISHED[1:]):
        ax.hlines(best[k + 1] - best[0], k - 0.35, k + 0.35, color="0.1", lw=1)
        ax.text(k, 0.38, f"paper (from memory):\n{direction} risk", ha="center", fontsize=6.5)
    ax.axhline(0, color="0.6", lw=0.6)
    ax.set_xticks(range(3), SHORT[1:])
    ax.set(ylabel="shift of P(risky)", ylim=(-0.6, 0.5))


def draw_odds(ax: Axes, found: dict[tuple[str, str], xr.Dataset], best: dict[str, float]) -> None:
    """Draw P(risky) by odds, errors left alone."""
    for who, (_, color, marker) in WHO.items():
        low, high = (p_risky(found, who, odds)[0] for odds in ("low", "high"))
        ax.plot([0, 1], [low, high], color=color, marker=marker, ms=3, mew=0, lw=0.7)
    ax.plot([0, 1], [best["low"], best["high"]], color="0.1", lw=1.5, ls="--")
    ax.set_xticks([0, 1], ["1/8", "1/2"])
    ax.set(xlabel="P(risky pays 4)", ylabel="P(risky)", ylim=(0, 1), xlim=(-0.3, 1.3))


def tabulate(
    found: dict[tuple[str, str], xr.Dataset], best: list[dict[str, float]]
) -> pd.DataFrame:
    """Put every number into one long table."""
    rows = []
    for (who, done), one in found.items():
        for odds, subject in product(one.odds.values, one.subject.values):
            values = one.p_risky.sel(odds=odds, subject=subject).values
            rows.append((who, subject, done, f"P(risky), {odds}", *values))
        for subject in one.subject.values:
            rows.append(
                (who, subject, done, "reward", *one.reward_rate.sel(subject=subject).values)
            )
    for done, values in zip(DOPAMINE, best, strict=True):
        for key, value in values.items():
            rows.append(("optimum", "optimum", done, key, value, np.nan, np.nan))
    columns = ["who", "subject", "dopamine", "measure", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns).round(4)


def main() -> None:
    """Play, measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 sessions per network, not 1,000")
    n_sessions = 200 if parser.parse_args().quick else 1000
    found = {
        (who, done): nm.behavior.risky_choice(
            nm.recording.record_two_cores(who, n_sessions=n_sessions, seed=2018, dopamine=done)
        )
        for who, done in product(WHO, DOPAMINE)
    }
    task = nm.make_task("risky-choice")
    best = [play_risky_optimum(task, 20_000, dopamine=done) for done in DOPAMINE]
    levels = [one["risky"] for one in best]
    with print_style():
        figure = Figure(figsize=(7.2, 5.2), layout="constrained")
        grid = figure.add_gridspec(2, 3)
        top = figure.add_subplot(grid[0, :])
        left, right = figure.add_subplot(grid[1, :2]), figure.add_subplot(grid[1, 2])
        draw_levels(top, found, levels)
        draw_shifts(left, found, levels)
        draw_odds(right, found, best[0])
        for ax in (top, left, right):
            tidy(ax)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"))
    table = tabulate(found, best)
    table.to_csv(STEM.with_suffix(".csv"), index=False)
    means = table.groupby(["who", "dopamine", "measure"], sort=False).value
    print(means.agg(["mean", "min", "max", "size"]).round(3).to_string())


if __name__ == "__main__":
    main()
