"""What gates and memory are for: LSTM, GRU and feed-forward agents beside the optimum and chance.

    python analyses/controls_without_gates_or_memory.py [--quick] [--draw]

Three tasks (two-step, a restless bandit, learning sets), three cores, one recipe for each task. The
LSTMs are trained anew by the recipe of the controls, which come with the package. Above, how well
each network does; below, what it does. ``--quick`` records 50 sessions of each instead of 500;
``--draw`` draws the figure of the last run again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import neuro_metarl as nm
from neuro_metarl.plot.style import COLORS, MARKERS, print_style, tidy

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
TASKS = {"two-step": "two-step", "bandit-restless": "restless bandit", "harlow": "learning sets"}
CORES = {"lstm": "LSTM", "gru": "GRU", "feed-forward": "feed-forward"}
MEASURES = {
    "two-step": "reward per trial",
    "bandit-restless": "reward per trial",
    "harlow": "P(correct) on trials 2 to 6",
}
TERMS = ("reward,\ncommon", "reward,\nrare", "none,\ncommon", "none,\nrare")
SEED = 2016


class Believer:
    """The exact optimum of the two-step task: the posterior of which state pays more, and its side.

    Each outcome says the same of either state (what is likely in one is unlikely in the other), so
    that nothing is gained by exploring.
    """

    name = "optimum"

    def __init__(self, task: nm.tasks.TwoStep) -> None:
        self.task = task

    def __call__(self, now) -> np.ndarray:  # type: ignore[no-untyped-def]
        """Fixate, or choose the side that leads to the better state more often."""
        n, task = len(now.action), self.task
        belief = now.memory.setdefault("belief", np.full(n, 0.5))  # that state 1 pays more
        if now.event == "second_step":
            now.memory["state"] = now.observation[:, -1]
        if now.event == "fixation":
            if now.trial > 0:
                at_1, paid = now.memory["state"] == 1, now.reward > 0
                likely = np.where(at_1 == paid, task.p_reward_high, task.p_reward_low)
                unlikely = np.where(at_1 == paid, task.p_reward_low, task.p_reward_high)
                odds = belief * likely
                belief[:] = odds / (odds + (1 - belief) * unlikely)
                belief[:] += task.p_switch * (1 - 2 * belief)
            return np.full(n, 2)
        tie = now.rng.random(n) < 0.5
        return np.where(belief == 0.5, tie, belief > 0.5).astype(int)


def toss(now) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Choose a side at random, and fixate where that is asked."""
    side = now.rng.integers(2, size=len(now.action))
    return np.full(len(side), 2) if now.event == "fixation" else side


def agents_of(task: str, core: str) -> nm.agents.Agents:
    """Load the controls; train LSTMs as the GRUs were trained."""
    if core != "lstm":
        return nm.load_agents(f"{task}-{core}")
    twins = nm.load_agents(f"{task}-gru")
    recipe = twins.recipe.model_copy(update={"core": "lstm"})
    return nm.train(task, recipe=recipe, n_agents=len(twins), seed=twins.seed)


def optimum_of(task: str, n_sessions: int) -> xr.Dataset | None:
    """Record who plays as well as can be; learning sets need nobody: right from trial 2 on."""
    if task == "two-step":
        played = nm.make_task(task)
        return nm.record(Believer(played), played, n_sessions, seed=SEED)
    if task == "bandit-restless":
        return nm.record(nm.make_player("bayes"), task, n_sessions, seed=SEED)
    return None


def measure(task: str, cohort: xr.Dataset, who: str) -> pd.DataFrame:
    """Take how well each subject does, and what it does, as rows."""
    if task == "harlow":
        level = cohort.correct.isel(trial=slice(1, None)).groupby("subject").mean(...)
    else:
        level = cohort.reward.groupby("subject").mean(...)
    rows = [level.rename("value").to_dataframe().reset_index().assign(measure="level", x=0)]
    if task == "two-step":
        stay = nm.stay_probability(cohort).stay_probability.sel(statistic="value")
        curve = stay.rename("value").assign_coords(term=np.arange(4)).rename(term="x")
    else:
        right = cohort.correct.groupby("subject").mean("session")
        curve = right.rename("value").rename(trial="x")
        curve = curve.assign_coords(x=np.arange(1, curve.sizes["x"] + 1))
        if task == "bandit-restless":
            block = (curve.x.values - 1) // 10 * 10 + 5.5
            curve = curve.assign_coords(x=block).groupby("x").mean()
    found = curve.to_dataframe()[["value"]].reset_index()
    rows.append(found.assign(measure="curve"))
    columns = ["who", "task", "subject", "measure", "x", "value"]
    return pd.concat(rows).assign(who=who, task=task)[columns]


def compute(n_sessions: int) -> pd.DataFrame:
    """Record everyone on everything."""
    parts = []
    for task in TASKS:
        for core in CORES:
            agents = agents_of(task, core)
            cohort = nm.record(agents, n_sessions=n_sessions, seed=SEED, activity=False)
            parts.append(measure(task, cohort, core))
        best = optimum_of(task, 10 * n_sessions)
        if best is not None:
            parts.append(measure(task, best, "optimum"))
        chance = nm.record(toss, task, 10 * n_sessions, seed=SEED)
        parts.append(measure(task, chance, "chance"))
    return pd.concat(parts)


def lines_of(task: str, table: pd.DataFrame) -> dict[str, float]:
    """Give the levels of the optimum and of chance."""
    levels = table[(table.task == task) & (table.measure == "level")]
    known = {who: levels[levels.who == who].value.mean() for who in ("optimum", "chance")}
    return known | ({"optimum": 1.0, "chance": 0.5} if task == "harlow" else {})


def draw_levels(ax: Axes, task: str, table: pd.DataFrame) -> None:
    """Draw one dot per network, its core's mean, the optimum and chance."""
    levels = table[(table.task == task) & (table.measure == "level")]
    labels = []
    for k, (core, label) in enumerate(CORES.items()):
        values = levels[levels.who == core].value.to_numpy()
        spread = np.linspace(-0.15, 0.15, len(values))
        ax.plot(k + spread, values, MARKERS[k], color=COLORS[k], ms=4, alpha=0.8)
        ax.plot([k - 0.28, k + 0.28], [values.mean()] * 2, color=COLORS[k], lw=1.5)
        labels.append(f"{label}\nn = {len(values)}")
    known = lines_of(task, table)
    for name, style, x, side in (("optimum", "--", 2.48, "right"), ("chance", ":", -0.48, "left")):
        ax.axhline(known[name], color="0.3", lw=0.9, ls=style)
        ax.annotate(name, (x, known[name]), (0, 2), textcoords="offset points", ha=side,
                    color="0.3", fontsize=7)  # fmt: skip
    ax.set_xticks(range(3), labels)
    ax.set(xlim=(-0.5, 2.5), ylabel=MEASURES[task], title=TASKS[task])
    ax.margins(y=0.12)
    tidy(ax)


def draw_curves(ax: Axes, task: str, table: pd.DataFrame) -> None:
    """Draw what each network does, one line each, and what the optimum does."""
    curves = table[(table.task == task) & (table.measure == "curve")]
    for k, (core, label) in enumerate(CORES.items()):
        by_subject = curves[curves.who == core].pivot(index="x", columns="subject", values="value")
        ax.plot(by_subject, color=COLORS[k], lw=0.8, alpha=0.6, marker=MARKERS[k], ms=2.5)
        ax.plot([], [], color=COLORS[k], marker=MARKERS[k], ms=2.5, lw=0.8, label=label)
    best = curves[curves.who == "optimum"]
    if task == "harlow":
        best = pd.DataFrame({"x": np.arange(1, 7), "value": [0.5, 1, 1, 1, 1, 1]})
    ax.plot(best.x, best.value, color="0.3", lw=0.9, ls="--", label="optimum")
    ax.axhline(0.5, color="0.3", lw=0.9, ls=":", label="chance")
    if task == "two-step":
        ax.set_xticks(range(4), TERMS, fontsize=6)
        ax.set(ylabel="P(stay)", xlabel="reward and transition of the trial before", ylim=(0, 1.03))
    else:
        ax.set(ylabel="P(correct)", xlabel="trial of the episode", ylim=(0.3, 1.03))
    tidy(ax)


def main() -> None:
    """Record, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50 sessions of each, not 500")
    parser.add_argument("--draw", action="store_true", help="take the numbers of the last run")
    options = parser.parse_args()
    if options.draw:
        table = pd.read_csv(STEM.with_suffix(".csv"))
    else:
        table = compute(50 if options.quick else 500)
        table.to_csv(STEM.with_suffix(".csv"), index=False, float_format="%.5f")
    levels = table[table.measure == "level"]
    print(levels.groupby(["task", "who"]).value.agg(["count", "mean", "min", "max"]).round(3))
    with print_style():
        figure = Figure(figsize=(7, 4.6), layout="constrained")
        axes = figure.subplots(2, 3)
        for k, task in enumerate(TASKS):
            draw_levels(axes[0, k], task, table)
            draw_curves(axes[1, k], task, table)
        for letter, ax in zip("abcdef", axes.flat, strict=True):
            ax.annotate(letter, (0, 1), (-6, 4), xycoords="axes fraction", ha="right",
                        textcoords="offset points", fontsize=10, weight="bold")  # fmt: skip
        handles, labels = axes[1, 1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
