"""One-shot navigation: what is seen, ways to the goal, latencies, value (Wang 2016, fig. 7).

Bars of the maze are five cells wide, its corridor five cells long, 60 poses; the goal is invisible.
The optimum is exact. The control has no memory (feed-forward core), same inputs and training. An
agent that completes fewer than nine in ten episodes searches one bar only, and is drawn apart.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

import neuro_metarl as nm
from neuro_metarl.plot.style import COLORS, print_style

STEM = Path(__file__).resolve().parents[1] / "figures" / Path(__file__).stem
AGENTS, CONTROL = "navigation", "navigation-feed-forward"
N_GOALS, LATER = 6, 3
BASE = 0.35
CELL, ZOOM = 20, 12


def main() -> None:
    """Play, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="60 episodes per agent, not 500")
    n_sessions = 60 if parser.parse_args().quick else 500
    task = nm.make_task("navigation", n_steps=400, n_trials=N_GOALS)
    latency = {
        name: nm.behavior.goal_latency(
            nm.record(who, task, n_sessions, seed=2016, activity=False, progress=True),
            n_goals=N_GOALS,
        )
        for name, who in (("LSTM", AGENTS), ("feed-forward", CONTROL))
    }
    table = tabulate(latency)
    table.to_csv(STEM.with_suffix(".csv"), index=False)
    print(table.round(2).to_string(index=False))
    able = int(latency["LSTM"].one_shot.argmax("subject"))
    agent = nm.load_agents(AGENTS).select([able])
    episode = choose(nm.recording.trace(agent, "navigation", 40, seed=2016, frames=True))
    with print_style():
        figure = Figure(figsize=(7, 4.6), layout="constrained")
        draw(figure, episode, latency)
        figure.savefig(STEM.with_suffix(".png"), dpi=200)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})
    animate(episode)


def tabulate(latency: dict[str, xr.Dataset]) -> pd.DataFrame:
    """One row per agent."""
    rows = []
    for name, result in latency.items():
        value = result.sel(statistic="value")
        for subject in result.subject.values:
            one = value.sel(subject=subject)
            rows.append(
                {"group": name, "subject": str(subject), "n_episodes": int(one.n)}
                | {f"steps_to_goal_{g}": float(one.latency.sel(goal=g)) for g in one.goal.values}
                | {"ratio": float(one.ratio), "complete": float(one.complete)}
                | {f"complete_{a}": float(one.complete_by_arm.sel(arm=a)) for a in one.arm.values}
                | {"one_shot": int(one.one_shot)}
            )
    optimum = nm.make_task("navigation").references()
    best = [optimum["search"], *[optimum["known"]] * (N_GOALS - 1)]
    goals = {f"steps_to_goal_{g + 1}": steps for g, steps in enumerate(best)}
    rows.append({"group": "optimum", "subject": "exact"} | goals)
    return pd.DataFrame(rows)


def by_reach(latency: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Set apart the agents that miss goals because they search one bar of the maze only."""
    parts = {}
    for name, result in latency.items():
        reach = result.complete.sel(statistic="value") >= 0.9
        for label, kept in ((name, reach), (f"{name}, one bar only", ~reach)):
            if kept.any():
                parts[label] = result.isel(subject=np.flatnonzero(kept))
    return parts


def choose(steps: xr.Dataset) -> xr.Dataset:
    """Take the first episode whose first search goes wrong before it goes right."""
    for k in range(steps.sizes["session"]):
        episode = steps.isel(session=k)
        goals = np.flatnonzero(episode.reward.values > 0)
        if len(goals) > LATER + 1 and 18 <= goals[0] <= 32:
            return episode
    return steps.isel(session=0)


def searches(episode: xr.Dataset) -> tuple[np.ndarray, list[np.ndarray]]:
    """Place before each step, and the path of each search into the goal."""
    places = nm.make_task("navigation").places(episode.view.values)
    paths, start = [], 0
    for step in np.flatnonzero(episode.reward.values > 0):
        last = places[step]
        ahead = last + np.array([np.sin(last[2]), -np.cos(last[2]), 0])
        paths.append(np.vstack([places[start : step + 1], ahead]).round(6))
        start = step + 1
    return places, paths


def draw(figure: Figure, episode: xr.Dataset, latency: dict[str, xr.Dataset]) -> None:
    """Draw the five panels."""
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.1))
    see, first, later = top.subplots(1, 3, width_ratios=(1.6, 1, 1))
    left, right = bottom.subplots(1, 2)
    places, paths = searches(episode)
    walls, goal = nm.make_task("navigation").maze.walls, paths[0][-1, :2]
    farthest = int(np.argmax([open_ahead(walls, place) for place in places[: len(paths[0]) - 1]]))
    frame = episode.frame.isel(step=farthest).transpose("row", "column", "channel")
    see.imshow((frame + BASE).clip(0, 1))
    see.set(xticks=[], yticks=[], title="what the agent sees (24 x 16)")
    nm.plot.maze(walls, first, goal=goal)
    # the way back is drawn a little off the way there
    drift = np.linspace(-0.2, 0.2, len(paths[0]))[:, None]
    nm.plot.path(paths[0][:, :2] + drift, first, color=COLORS[1])
    first.set_title(f"first search: {len(paths[0]) - 1} steps")
    nm.plot.maze(walls, later, goal=goal)
    taken = [len(path) - 1 for path in paths[1 : 1 + LATER]]
    for k, path in enumerate(paths[1 : 1 + LATER]):
        nm.plot.path(path, later, color=COLORS[0], shift=0.16 * (k - (LATER - 1) / 2))
    later.set_title(f"next: {', '.join(map(str, taken))} steps")
    optimum = nm.make_task("navigation").references()
    nm.plot.goal_latency(by_reach(latency), left, optimum=optimum)
    shown = int(np.flatnonzero(episode.reward.values > 0)[5]) + 12
    value = episode.value.values[:shown]
    goals = np.flatnonzero(episode.reward.values[:shown] > 0).tolist()
    nm.plot.value(value, goals, right)
    right.set_ylabel("value (discounted goals)")
    right.legend(frameon=False, loc="lower right")
    label(("a", see), ("b", first), ("c", later), ("d", left), ("e", right))


def open_ahead(walls: np.ndarray, place: np.ndarray) -> int:
    """Count the open cells that are seen straight ahead."""
    x, y = place[:2].astype(int)
    dx, dy = round(np.sin(place[2])), -round(np.cos(place[2]))
    ahead = 0
    while not walls[y + dy, x + dx]:
        x, y, ahead = x + dx, y + dy, ahead + 1
    return ahead


def label(*panels: tuple[str, Axes]) -> None:
    """Letter the panels."""
    for letter, ax in panels:
        ax.annotate(letter, (0, 1), (-4, 4), xycoords="axes fraction", ha="right", weight="bold",
                    textcoords="offset points", fontsize=10)  # fmt: skip


def animate(episode: xr.Dataset) -> None:
    """Write the first searches of the episode: what is seen, and where from."""
    places, paths = searches(episode)
    n_steps = sum(len(path) - 1 for path in paths[: 1 + LATER]) + 1
    walls, goal = nm.make_task("navigation").maze.walls, paths[0][-1, :2]
    rewards = np.concatenate([[0], episode.reward.values])
    images = []
    for step in range(n_steps):
        frame = episode.frame.isel(step=step).transpose("row", "column", "channel").values
        seen = Image.fromarray(((frame + BASE).clip(0, 1) * 255).astype("uint8"))
        seen = seen.resize((seen.width * ZOOM, seen.height * ZOOM), Image.Resampling.NEAREST)
        above = from_above(walls, goal, places[step], met=bool(rewards[step] > 0))
        page = Image.new("RGB", (seen.width + above.width + 30, above.height + 20), "white")
        page.paste(seen, (10, (page.height - seen.height) // 2))
        page.paste(above, (seen.width + 20, 10))
        images.append(page.quantize(64))
    times = [900 if rewards[step] > 0 else 220 for step in range(n_steps)]
    images[0].save(
        STEM.with_suffix(".gif"), save_all=True, append_images=images[1:], duration=times, loop=0
    )


def from_above(walls: np.ndarray, goal: np.ndarray, place: np.ndarray, *, met: bool) -> Image.Image:
    """Draw the maze with the agent as an arrow head; the goal lights up when it was met."""
    n_rows, n_columns = walls.shape
    image = Image.new("RGB", (n_columns * CELL, n_rows * CELL), "white")
    pen = ImageDraw.Draw(image)
    for row, column in np.argwhere(walls):
        corner = (column * CELL, row * CELL)
        pen.rectangle((*corner, corner[0] + CELL - 1, corner[1] + CELL - 1), fill="#777777")
    x, y = (goal * CELL).tolist()
    pen.ellipse((x - 7, y - 7, x + 7, y + 7), fill=COLORS[4] if met else "white", outline=COLORS[1])
    x, y, heading = place[0] * CELL, place[1] * CELL, place[2]
    corners = [(8, 0), (7, 2.5), (7, -2.5)]
    pen.polygon(
        [(x + r * np.sin(heading + a), y - r * np.cos(heading + a)) for r, a in corners],
        fill=COLORS[0],
    )
    return image


if __name__ == "__main__":
    main()
