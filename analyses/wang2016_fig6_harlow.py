"""Learning sets: a view, training, P(correct) by trial at stages of it, monkeys (W16, figure 6).

    python analyses/wang2016_fig6_harlow.py [--quick] [--draw]

Agents are trained anew, and kept at several stages on the way; the last are those of the zoo. Every
pair of pictures or objects that is measured was never shown in training. Monkeys: Harlow 1949.
``--quick`` measures the zoo alone; ``--draw`` draws the figure of the last run again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

import neuro_metarl as nm
from neuro_metarl.plot.style import COLORS, print_style, tidy

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
STAGES = {
    "harlow": (8, [0, 250, 500, 750, 1000, 2500]),
    "harlow-pixels": (5, [0, 400, 700, 800, 900, 1200]),
}
TITLES = {"harlow": "objects as features", "harlow-pixels": "pictures, with gaze"}
BEST = {"harlow": 5 / 6, "harlow-pixels": 11.0}
ZOOM, STRIP = 8, 40


def main() -> None:
    """Train, measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the zoo's agents alone, 100 episodes")
    parser.add_argument("--draw", action="store_true", help="take the numbers of the last run")
    options = parser.parse_args()
    if options.draw:
        table = pd.read_csv(STEM.with_suffix(".csv"))
    else:
        table = pd.concat([measure(name, quick=options.quick) for name in STAGES])
        table.to_csv(STEM.with_suffix(".csv"), index=False)
    last = table[table.stage == table.groupby("task").stage.transform("max")]
    print(last.pivot_table(index=["task", "subject"], columns="trial", values="p_correct").round(3))
    episode = choose(nm.recording.trace("harlow-pixels/0", n_sessions=40, seed=2016, frames=True))
    with print_style():
        figure = Figure(figsize=(7, 6), layout="constrained")
        draw(figure, table, episode)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})
    animate(episode)


def measure(task: str, *, quick: bool) -> pd.DataFrame:
    """Give P(correct) of each agent, trial and stage, in episodes of held-out objects."""
    n_agents, stages = STAGES[task]
    n_sessions = 100 if quick else 1000
    if quick:
        stages, populations = stages[-1:], [nm.load_agents(task)]
    else:
        populations = nm.agents.train_in_stages(task, stages, n_agents=n_agents, seed=0)
    parts = []
    for stage, agents in zip(stages, populations, strict=True):
        cohort = nm.record(agents, n_sessions=n_sessions, seed=2016, activity=False)
        parts.append(strict(cohort).assign(task=task, stage=stage))
    return pd.concat(parts)


def strict(cohort: xr.Dataset) -> pd.DataFrame:
    """Share correct on trials 1 to 6, of the episodes with a response on that trial."""
    made = nm.responses(cohort) & (cohort.correct >= 0)
    right = (cohort.correct == 1).where(made).groupby("subject").mean("session")
    right = right.isel(trial=slice(6))
    tidy_table = right.rename("p_correct").assign_coords(trial=np.arange(1, 7))
    return tidy_table.to_dataframe()[["p_correct"]].reset_index()


def choose(steps: xr.Dataset) -> xr.Dataset:
    """Take the first episode that begins with a mistake and makes no other."""
    for k in range(steps.sizes["session"]):
        paid = steps.reward.values[k]
        paid = paid[np.abs(paid) == 1]
        if len(paid) == 10 and paid[0] < 0 and (paid[1:] > 0).all():
            return steps.isel(session=k)
    return steps.isel(session=0)


def draw(figure: Figure, table: pd.DataFrame, episode: xr.Dataset) -> None:
    """Draw the panels."""
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=(0.55, 1, 1))
    views = top.subplots(1, 4)
    draw_views(views, episode)
    training, pixels, symbols = middle.subplots(1, 3)
    draw_training(training)
    for ax, task in ((pixels, "harlow-pixels"), (symbols, "harlow")):
        draw_stages(ax, table[table.task == task])
        ax.set_title(TITLES[task])
    ranks, monkeys, beside = bottom.subplots(1, 3)
    draw_ranks(ranks, table)
    harlow = nm.behavior.published_curve(
        nm.datasets.load_reference("harlow1949"), subject="monkeys"
    )
    nm.plot.learning_curve(harlow, monkeys)
    monkeys.legend(title="problems", frameon=False, fontsize=6, title_fontsize=6, ncols=2)
    monkeys.set_title("monkeys (Harlow 1949)")
    draw_beside(beside, table, harlow)
    panels = (views[0], training, pixels, symbols, ranks, monkeys, beside)
    for letter, ax in zip("abcdefg", panels, strict=True):
        ax.annotate(letter, (0, 1), (-6, 4), xycoords="axes fraction", ha="right", weight="bold",
                    textcoords="offset points", fontsize=10)  # fmt: skip


def draw_views(axes: np.ndarray, episode: xr.Dataset) -> None:
    """Show what is seen at four steps of the first trial."""
    paid = np.flatnonzero(np.abs(episode.reward.values) == 1)[0]
    shown = np.flatnonzero(episode.reward.values > 0)[0] + 1
    steps = [shown - 1, shown, paid, paid + 1]
    titles = ["fixate: +0.2", "two pictures", "gaze moves", "chosen: -1"]
    for ax, step, title in zip(axes, steps, titles, strict=True):
        ax.imshow(picture(episode, step))
        ax.set(xticks=[], yticks=[], title=title)


def picture(episode: xr.Dataset, step: int) -> np.ndarray:
    """Turn a frame into colours, dims (row, column, channel)."""
    frame = episode.frame.isel(step=step).transpose("row", "column", "channel").values
    return (0.5 + frame).clip(0, 1)


def draw_training(ax: Axes) -> None:
    """Draw reward per episode over training, one line per agent, and the most there is."""
    agents = nm.load_agents("harlow-pixels")
    curve = np.array(agents.curve)
    episodes = np.linspace(0, agents.recipe.n_updates * agents.recipe.n_episodes, len(curve)) / 1e3
    ax.plot(episodes, curve, color=COLORS[0], lw=0.7, alpha=0.7)
    ax.axhline(BEST["harlow-pixels"], color="0.3", lw=0.8, ls="--")
    ax.set(xlabel="training episodes (thousands)", ylabel="reward per episode", ylim=(-0.5, 11.8))
    ax.set_title(f"{len(agents)} agents in training")
    tidy(ax)


def draw_stages(ax: Axes, table: pd.DataFrame) -> None:
    """Draw P(correct) by trial at each stage: thin lines are agents, thick ones their means."""
    stages = sorted(table.stage.unique())
    agents = nm.load_agents(str(table.task.iloc[0]))
    shades = colormaps["cividis_r"](np.linspace(0.15, 1, len(stages)))
    for stage, shade in zip(stages, shades, strict=True):
        wide = table[table.stage == stage].pivot(
            index="trial", columns="subject", values="p_correct"
        )
        ax.plot(wide.index, wide, color=shade, lw=0.5, alpha=0.6)
        label = f"{stage * agents.recipe.n_episodes / 1e3:.0f}"
        ax.plot(wide.index, wide.mean(axis=1), color=shade, lw=1.4, marker="o", ms=3, label=label)
    ax.axhline(0.5, color="0.6", lw=0.7, ls=":", zorder=0)
    ax.set(xlabel="trial of the problem", ylabel="P(correct)", ylim=(-0.02, 1.02))
    ax.set_xticks(range(1, 7))
    ax.legend(title="episodes (thousands)", frameon=False, ncols=2, fontsize=6, title_fontsize=6,
              loc=(0.38, 0.18))  # fmt: skip
    tidy(ax)


def draw_ranks(ax: Axes, table: pd.DataFrame) -> None:
    """Draw the trained agents' share correct from trial 2 on, sorted."""
    for task, color, marker in (("harlow", COLORS[0], "o"), ("harlow-pixels", COLORS[1], "s")):
        mine = table[(table.task == task) & (table.trial > 1)]
        mine = mine[mine.stage == mine.stage.max()]
        ranked = np.sort(mine.groupby("subject").p_correct.mean())[::-1]
        good = int((ranked >= 0.9).sum())
        label = f"{TITLES[task]}: {good} of {len(ranked)} above .9"
        ax.plot(range(1, len(ranked) + 1), ranked, color=color, marker=marker, ms=3, label=label)
    for level in (0.5, 0.9):
        ax.axhline(level, color="0.6", lw=0.7, ls=":", zorder=0)
    ax.set(xlabel="agent, sorted", ylabel="P(correct), trials 2 to 6", ylim=(0.35, 1.02))
    ax.legend(frameon=False, loc="lower left", fontsize=6)
    tidy(ax)


def draw_beside(ax: Axes, table: pd.DataFrame, harlow: xr.Dataset) -> None:
    """Draw trial 2 against experience: monkeys' problems, networks' training, each in order."""
    curves = {"monkeys (problems)": harlow}
    published = nm.behavior.published_curve(nm.datasets.load_reference("wang2018-harlow"))
    curves["published networks"] = published
    for k, (name, curve) in enumerate(curves.items()):
        second = curve.p_correct.sel(statistic="value", trial=2).squeeze("subject")
        share = np.linspace(0, 1, second.sizes["block"])
        ax.plot(share, second, color=COLORS[2 + k], marker="^v"[k], ms=3, label=name)
    for task, color, marker in (("harlow", COLORS[0], "o"), ("harlow-pixels", COLORS[1], "s")):
        mine = table[(table.task == task) & (table.trial == 2)]
        wide = mine.pivot(index="stage", columns="subject", values="p_correct")
        share = wide.index / wide.index.max()
        ax.plot(share, wide, color=color, lw=0.4, alpha=0.5)
        ax.plot(share, wide.mean(axis=1), color=color, marker=marker, ms=3, label=TITLES[task])
    ax.axhline(0.5, color="0.6", lw=0.7, ls=":", zorder=0)
    ax.set(xlabel="share of training or problems", ylabel="P(correct), trial 2", ylim=(0, 1.02))
    ax.legend(frameon=False, fontsize=6, loc="lower right")
    tidy(ax)


def animate(episode: xr.Dataset) -> None:
    """Write the episode: what is seen, and below it rewards so far."""
    images, trial, total = [], 1, 0.0
    last = int(np.flatnonzero(np.abs(episode.reward.values) == 1)[-1])
    times = []
    for step in range(last + 1):
        seen = Image.fromarray((picture(episode, step) * 255).astype("uint8"))
        seen = seen.resize((seen.width * ZOOM, seen.height * ZOOM), Image.Resampling.NEAREST)
        page = Image.new("RGB", (seen.width + 20, seen.height + STRIP), "white")
        page.paste(seen, (10, 10))
        pen = ImageDraw.Draw(page)
        paid = float(episode.reward.values[step])
        action = str(episode.action.values[int(episode.chosen.values[step])])
        total += paid
        pen.text((12, seen.height + 18), f"trial {min(trial, 10)}   {action}", fill="black")
        color = "#777777" if paid == 0 else COLORS[2] if paid > 0 else COLORS[1]
        text = f"reward {paid:+.1f}   sum {total:.1f}"
        pen.text((seen.width - 150, seen.height + 18), text, fill=color)
        images.append(page.quantize(64))
        times.append(900 if abs(paid) == 1 else 220)
        trial += abs(paid) == 1
    images[0].save(
        STEM.with_suffix(".gif"), save_all=True, append_images=images[1:], duration=times, loop=0
    )


if __name__ == "__main__":
    main()
