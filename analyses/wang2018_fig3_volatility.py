"""Wang et al. 2018, figure 3 (simulation 2): learning rates in stable and volatile phases.

    python analyses/wang2018_fig3_volatility.py [--quick]

Eight networks of each of two forms of the task, beside the exact filter of volatility; as controls
networks trained on stable or on volatile episodes only, untrained networks, a filter with a fixed
hazard and delta rules. The values of the paper's figure could not be read: what is known of it is
the direction (the learning rate is higher in volatile phases, in people and in the network).
Writes figures/wang2018_fig3_volatility.png, .svg and .csv.
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
TASK, SLOW = "bandit-volatility", "bandit-volatility-slow"
WHO = {
    "networks": (TASK, TASK, {}, "#0072B2", "o"),
    "exact filter: optimum": (TASK, "bayes", {}, "0.1", "*"),
    "networks, stable only": (TASK, f"{TASK}-stable", {}, "#009E73", "s"),
    "networks, volatile only": (TASK, f"{TASK}-volatile", {}, "#D55E00", "D"),
    "filter of fixed hazard": (TASK, "hazard-filter", {}, "#CC79A7", "P"),
    "delta rule .2": (TASK, "delta-rule", {"inverse_temperature": 8.0}, "#E69F00", "X"),
    "slow form: networks": (SLOW, SLOW, {}, "#0072B2", "o"),
    "slow form: optimum": (SLOW, "bayes", {}, "0.1", "*"),
    "slow form: fixed hazard": (SLOW, "hazard-filter", {}, "#CC79A7", "P"),
    "slow form: delta rule .15": (
        SLOW, "delta-rule", {"learning_rate": 0.15, "inverse_temperature": 10.0}, "#E69F00", "X",
    ),
}  # fmt: skip
MEASURES = ("learning_rate", "inverse_temperature", "reward_rate")


def play(task: str, name: str, options: dict[str, float], n_sessions: int) -> xr.Dataset:
    """Record networks of the package, or a player."""
    if name in nm.agents.list_agents():
        return nm.record(name, task, n_sessions, seed=2018, activity=False)
    return nm.record(nm.make_player(name, **options), task, 2 * n_sessions, seed=2018)


def after_reversals(cohort: xr.Dataset, before: int = 5, after: int = 12) -> np.ndarray:
    """Average, by subject, the choice of the arm that is better after a reversal."""
    better = cohort.expected_reward.transpose("session", "trial", "option").values.argmax(-1)
    chosen, phase = cohort.choice.values, cohort.problem.values
    found = []
    for name in dict.fromkeys(cohort.subject.values.tolist()):
        mine = cohort.subject.values == name
        arm, side, volatile = better[mine], chosen[mine], phase[mine] == 1
        session, trial = np.nonzero(
            (arm[:, 1:] != arm[:, :-1]) & volatile[:, 1:] & volatile[:, :-1]
        )
        trial = trial + 1
        apart = [t for t in range(-before, after + 1) if t]
        ok = (trial >= before) & (trial + after < arm.shape[1])
        for t in apart:
            place = np.clip(trial + t - (t > 0), 0, arm.shape[1] - 1)
            kept = arm[session, trial - 1] if t < 0 else arm[session, trial]
            ok &= (arm[session, place] == kept) & volatile[session, place]
        session, trial = session[ok], trial[ok]
        window = np.arange(-before, after)
        new = arm[session, trial][:, None]
        found.append((side[session[:, None], trial[:, None] + window] == new).mean(axis=0))
    return np.array(found)


def draw_rates(ax: Axes, rates: dict[str, xr.Dataset], names: list[str]) -> None:
    """Draw each subject's two learning rates, joined."""
    for k, who in enumerate(names):
        *_, color, marker = WHO[who]
        value = rates[who].learning_rate.sel(statistic="value")
        x = np.array([k - 0.18, k + 0.18])
        ax.plot(x, value.T, color=color, lw=0.7, marker=marker, ms=3.5, mew=0)
        ratio = rates[who].rate_ratio.sel(statistic="value").values
        ax.text(k, value.max() + 0.02, f"x {np.exp(np.log(ratio).mean()):.1f}", ha="center",
                fontsize=6.5)  # fmt: skip
    labels = [f"{n.removeprefix('slow form: ')}\n(n = {rates[n].sizes['subject']})" for n in names]
    ax.set_xticks(range(len(names)), labels, rotation=35, ha="right", fontsize=6.5)
    ax.set(ylabel="learning rate: stable, volatile", ylim=(0, 0.5))


def draw_reward(ax: Axes, rates: dict[str, xr.Dataset], names: list[str]) -> None:
    """Draw what is earned in each phase."""
    for who in names:
        *_, color, marker = WHO[who]
        earned = rates[who].reward_rate
        ax.plot(earned.sel(phase="stable"), earned.sel(phase="volatile"), marker, color=color,
                ms=4.5, mew=0, ls="", label=who)  # fmt: skip
    ax.set(xlabel="reward per trial, stable phases", ylabel="reward per trial, volatile phases")
    ax.legend(frameon=False, fontsize=6.5, loc="lower left", handletextpad=0.2)


def draw_reversals(ax: Axes, cohorts: dict[str, xr.Dataset], names: list[str]) -> None:
    """Draw how soon choices follow a reversal of volatile phases."""
    for who in names:
        *_, color, _ = WHO[who]
        found = after_reversals(cohorts[who])
        one = len(found) == 1
        ax.plot(np.arange(-5, 12), found.T, color=color, lw=1.5 if one else 0.6,
                ls="--" if one else "-")  # fmt: skip
        ax.plot([], [], color=color, ls="--" if one else "-", label=who)
    ax.axvline(-0.5, color="0.6", lw=0.6, ls=":")
    ax.set(xlabel="trials from a reversal (volatile phases)", ylabel="choice of the new better arm",
           ylim=(0, 1))  # fmt: skip
    ax.legend(frameon=False, fontsize=6.5, loc="lower right")


def tabulate(rates: dict[str, xr.Dataset]) -> pd.DataFrame:
    """Put every number into one long table."""
    rows = []
    for who, found in rates.items():
        for name, phase, subject in product(MEASURES, found.phase.values, found.subject.values):
            one = found[name].sel(phase=phase, subject=subject)
            values = one.values if "statistic" in one.dims else (float(one), np.nan, np.nan)
            rows.append((who, subject, f"{name}, {phase}", *values))
        for subject in found.subject.values:
            rows.append((who, subject, "rate_ratio", *found.rate_ratio.sel(subject=subject).values))
    return pd.DataFrame(
        rows, columns=["who", "subject", "measure", "value", "low", "high"]
    ).round(4)  # fmt: skip


def main() -> None:
    """Play, fit, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="60 sessions per network, not 400")
    n_sessions = 60 if parser.parse_args().quick else 400
    cohorts = {who: play(*setting[:3], n_sessions) for who, setting in WHO.items()}
    rates = {who: nm.behavior.phase_learning_rates(cohort) for who, cohort in cohorts.items()}
    main_form = [who for who in WHO if not who.startswith("slow")]
    slow_form = [who for who in WHO if who.startswith("slow")]
    with print_style():
        figure = Figure(figsize=(7.2, 5.6), layout="constrained")
        axes = figure.subplots(2, 2, width_ratios=(3, 2))
        draw_rates(axes[0, 0], rates, main_form)
        draw_rates(axes[0, 1], rates, slow_form)
        axes[0, 0].set_title("p .75 | .85, hazard .1", fontsize=8)
        axes[0, 1].set_title("slow form: p .75 | .8, hazard .04", fontsize=8)
        draw_reversals(axes[1, 0], cohorts, [main_form[k] for k in (0, 3, 4, 5, 1)])
        draw_reward(axes[1, 1], rates, main_form)
        for ax in axes.flat:
            tidy(ax)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"))
    table = tabulate(rates)
    table.to_csv(STEM.with_suffix(".csv"), index=False)
    means = table.groupby(["who", "measure"], sort=False).value.agg(["mean", "min", "max", "size"])
    print(means.round(3).to_string())


if __name__ == "__main__":
    main()
