"""What agents of the two-step task need: rewards seen, and enough units.

    python analyses/two_step_perturbation.py [--quick]

The sixteen agents play with frozen weights. Left: reward along the session, intact and with the
reward input lesioned. Middle: stay probability, intact and lesioned. Right: reward against the
number of units silenced at random, five subsets of each agent (band: 5 to 95 % of the lesions).
Silenced agents also choose *center* where only left and right count, which ends the trial without
a choice. Reference lines: the Bayes filter on the same form of the task, and chance. Writes
figures/two_step_perturbation.png, .svg and .csv.
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

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
DOSES = (0, 4, 8, 12, 16, 24, 32, 40, 48)
INTACT, LESIONED = "#0072B2", "#D55E00"
CHANCE, FILTER = 0.5, 0.706
BLOCK = 10


def along(cohort: xr.Dataset) -> xr.DataArray:
    """Reward per trial in blocks of trials, dims subject, block."""
    blocks = cohort.reward.coarsen(trial=BLOCK).mean()
    return blocks.groupby("subject").mean("session").transpose("subject", "trial")


def doses(agents: nm.agents.Agents, n_subsets: int, n_sessions: int) -> xr.Dataset:
    """Reward against the number of silenced units, dims subset, dose, subject."""
    parts = [
        nm.dose_response(
            agents,
            n_sessions=n_sessions,
            seed=2018,
            doses=DOSES,
            perturb=lambda n, subset=subset: nm.perturb.lesion_at_random(
                agents, int(n), seed=subset
            ),
            progress=True,
        )
        for subset in range(n_subsets)
    ]
    return xr.concat(parts, "subset", combine_attrs="drop_conflicts")


def draw_session(ax: Axes, cohorts: dict[str, xr.Dataset]) -> None:
    """Reward along the session."""
    for (label, cohort), color in zip(cohorts.items(), (INTACT, LESIONED), strict=True):
        rate = along(cohort)
        trial = np.arange(BLOCK / 2, cohort.sizes["trial"], BLOCK)
        ax.plot(trial, rate.T, color=color, lw=0.5, alpha=0.4)
        ax.plot(trial, rate.mean("subject"), "o-", color=color, ms=3, label=label)
    ax.axhline(FILTER, color="0.3", lw=0.8, ls="--")
    ax.axhline(CHANCE, color="0.3", lw=0.8, ls=":")
    ax.set(xlabel="trial of the session", ylabel="reward per trial", ylim=(0.3, 0.8))
    ax.legend(frameon=False, loc="lower left")


def draw_stay(ax: Axes, cohorts: dict[str, xr.Dataset]) -> pd.DataFrame:
    """Stay probability after each outcome and transition."""
    table = {}
    for k, (label, cohort) in enumerate(cohorts.items()):
        stay = nm.stay_probability(cohort).stay_probability.sel(statistic="value")
        color = (INTACT, LESIONED)[k]
        place = np.arange(stay.sizes["term"]) + 0.3 * k - 0.15
        spread = np.linspace(-0.08, 0.08, stay.sizes["subject"])
        for i, x in enumerate(place):
            ax.plot(x + spread, stay.isel(term=i), ".", ms=3, color=color, alpha=0.6)
        ax.plot(place, stay.mean("subject"), "_", ms=14, mew=2, color=color, label=label)
        for term in stay.term.values.tolist():
            table[f"stay_{term}_{label.split()[0]}"] = stay.sel(term=term).to_series()
    names = [str(t).replace("_", "\n") for t in stay.term.values]
    ax.set_xticks(range(len(names)), names, fontsize=7)
    ax.set(xlabel="previous trial", ylabel="stay probability", ylim=(-0.03, 1.03))
    return pd.DataFrame(table)


def draw_doses(ax: Axes, response: xr.Dataset) -> None:
    """Reward against the number of silenced units."""
    rate = response.reward_rate.mean("subset")
    dose = response.dose
    ax.plot(dose, rate.transpose("dose", "subject"), color=INTACT, lw=0.5, alpha=0.4)
    ax.plot(dose, rate.mean("subject"), "o-", color=INTACT, ms=3, label="per trial")
    every = response.reward_rate.stack(each=("subset", "subject"))
    low, high = every.quantile([0.05, 0.95], "each").values
    ax.fill_between(dose, low, high, color=INTACT, alpha=0.12, lw=0)
    chosen = (response.reward_rate / response.valid_rate).mean(("subset", "subject"))
    ax.plot(dose, chosen, "s--", color="#009E73", ms=3, lw=1, label="per trial with a choice")
    ax.axhline(FILTER, color="0.3", lw=0.8, ls="--")
    ax.axhline(CHANCE, color="0.3", lw=0.8, ls=":")
    ax.text(49, FILTER + 0.006, "Bayes filter", ha="right", va="bottom", color="0.3")
    ax.text(0, CHANCE - 0.008, "chance", va="top", color="0.3")
    ax.set(xlabel="units silenced (of 48)", ylabel="reward per trial", xticks=range(0, 49, 8))
    ax.set_ylim(0.3, 0.8)
    n = response.sizes
    title = f"{n['subject']} agents, {n['subset']} subsets each"
    ax.legend(frameon=False, loc="lower left", title=title, alignment="left", borderaxespad=0)


def main() -> None:
    """Record, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 sessions and 2 subsets")
    quick = parser.parse_args().quick
    n_sessions, n_subsets = (20, 2) if quick else (50, 5)
    agents = nm.load_agents("two-step")
    cohorts = {
        "intact": nm.record(agents, n_sessions=n_sessions, seed=2018, activity=False),
        "reward input lesioned": nm.record(
            agents,
            n_sessions=n_sessions,
            seed=2018,
            activity=False,
            perturb=nm.perturb.lesion_reward(),
        ),
    }
    response = doses(agents, n_subsets, n_sessions)
    style = {"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": STEM.name}
    with mpl.rc_context(style):
        figure = Figure(figsize=(7.6, 2.6), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.25, 1))
        draw_session(left, cohorts)
        table = draw_stay(middle, cohorts)
        draw_doses(right, response)
        for ax in (left, middle, right):
            ax.spines[["top", "right"]].set_visible(False)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})
    late = slice(20, None)
    for label, cohort in cohorts.items():
        rate = cohort.reward.isel(trial=late).groupby("subject").mean(...)
        table[f"reward_{label.split()[0]}_from_trial_20"] = rate.to_series()
    for dose in response.dose.values:
        of_agent = response.reward_rate.sel(dose=dose).mean("subset")
        table[f"reward_{dose:.0f}_units_silenced"] = of_agent.to_series()
    assert np.array_equal(
        response.reward_rate.isel(subset=0, dose=0),
        cohorts["intact"].reward.groupby("subject").mean(...),
    ), "silencing no unit must be no change"
    table.rename_axis("subject").to_csv(STEM.with_suffix(".csv"))
    print(table.describe().loc[["mean", "min", "max"]].T.round(3).to_string())


if __name__ == "__main__":
    main()
