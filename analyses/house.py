"""Draw the house: which room of the package knows which, read off the imports themselves.

    python analyses/house.py

A line is an import, from above to below; a row of boxes is a floor, and a room stands one floor
above the highest room that it knows. What is known through another room is not drawn. Writes
``figures/house.png``, ``.svg`` and the imports as ``.csv``.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

import neuro_metarl as nm

ROOT = Path(nm.__file__).parent
STEM = Path(__file__).parents[1] / "figures" / "house"
EVERYWHERE = ("attach", "errors", "files", "progress", "words")
SAYS = {
    "schema": "names, types, blanks", "joining": "several as one", "cohort": "the noun",
    "intervals": "how sure", "stats": "nulls, resampling", "regression": "logistic",
    "door": "raw columns in",
    "storage": "files of cohorts", "tasks": "what is played", "agents": "who learns",
    "models": "cognitive, fitted", "behavior": "verbs on choices", "neural": "verbs on activity",
    "io": "labs' files", "datasets": "data by name", "recording": "subjects on tasks",
    "yoking": "on animals' sessions", "measures": "what compare takes",
    "paradigms": "kinds of experiment", "comparison": "the same on every subject",
    "assessment": "agents among animals", "agents_and_animals": "the one flow",
    "report": "page, sentences", "plot": "verbs on results", "cli": "the command",
    "doctor": "what looks wrong", "perturb": "lesions, clamps", "calibration": "tests tested",
    "twins": "networks like one animal",
    "scorecard": "published, ours", "public": "checks what was given",
}  # fmt: skip


LANE = {
    "plot": 0.0, "report": 0.0, "neural": 0.7, "regression": 1.6, "behavior": 1.9,
    "measures": 1.9, "paradigms": 1.9, "comparison": 2.3, "stats": 2.6, "intervals": 2.3,
    "models": 3.1,
    "schema": 3.6, "joining": 3.4, "cohort": 3.4, "recording": 4.0, "agents": 4.5, "tasks": 4.6,
    "assessment": 4.2, "scorecard": 3.0, "agents_and_animals": 3.9, "cli": 4.5,
    "doctor": 5.6, "calibration": 1.2, "perturb": 4.2,
    "public": 5.9, "yoking": 5.6, "door": 6.7, "storage": 6.7, "io": 6.7, "datasets": 6.7,
}  # fmt: skip


def rooms() -> dict[str, set[str]]:
    """Read which rooms each room imports, and whether it imports torch."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        found[room] |= set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import) and any(name.name == "torch" for name in node.names):
                found[room].add("torch")
            elif isinstance(node, ast.ImportFrom) and node.module:
                parts = node.module.split(".")
                if parts[0] == "neuro_metarl" and len(parts) > 1 and parts[1] != room:
                    found[room].add(parts[1])
    return dict(found)


def floors(knows: dict[str, set[str]]) -> dict[str, int]:
    """Put each room one floor above the highest room that it knows."""
    floor: dict[str, int] = {}

    def of(room: str) -> int:
        if room not in floor:
            below = [
                of(other) for other in knows[room] if other in knows and other not in EVERYWHERE
            ]
            floor[room] = 1 + max(below, default=0)
        return floor[room]

    for room in knows:
        if room not in EVERYWHERE:
            of(room)
    return floor


def with_torch(knows: dict[str, set[str]]) -> set[str]:
    """Find the rooms that import torch, or a room that does."""
    found = {room for room in knows if "torch" in knows[room]}
    while more := {room for room in knows if knows[room] & found} - found:
        found |= more
    return found


def direct(knows: dict[str, set[str]], room: str) -> set[str]:
    """Leave out what is known through a room that is known: only the direct way is drawn."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(knows.get(start, ()))
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo += knows.get(one, ())
        return seen

    mine = {other for other in knows[room] if other in knows and other not in EVERYWHERE}
    return {one for one in mine if not any(one in reached(other) for other in mine - {one})}


def places(knows: dict[str, set[str]], floor: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Put each room on its floor, in its lane; one without a lane beside those that it knows."""
    place = {room: (LANE[room], float(floor[room])) for room in floor if room in LANE}
    for room in sorted(set(floor) - set(LANE), key=lambda room: floor[room]):
        taken = [x for x, y in place.values() if y == floor[room]]
        below = [place[other][0] for other in direct(knows, room) if other in place]
        wish = sum(below) / len(below) if below else 3.0
        free = [k / 4 for k in range(29) if all(abs(k / 4 - x) > 1.05 for x in taken)]
        place[room] = (min(free, key=lambda x: (abs(x - wish), x)), float(floor[room]))
    return place


def draw(knows: dict[str, set[str]]) -> Figure:
    """Draw the rooms by floor, with lines to the rooms that they know."""
    floor = floors(knows)
    place, torch = places(knows, floor), with_torch(knows)
    top = max(floor.values())
    figure = Figure(figsize=(10, 0.82 * (top + 1.2)))
    ax = figure.add_axes((0, 0, 1, 1))
    for room in floor:
        x, y = place[room]
        for other in sorted(direct(knows, room)):
            below_x, below_y = place[other]
            ax.plot([x, below_x], [y, below_y], color="0.65", lw=0.8, zorder=1)
    for room, (x, y) in place.items():
        color = "#FBE3CF" if room in torch else "#DCEBF5"
        box = {"boxstyle": "round,pad=0.35", "facecolor": color, "edgecolor": "0.45", "lw": 0.8}
        ax.text(x, y, f"{room}\n{SAYS[room]}", ha="center", va="center", fontsize=7.5,
                linespacing=1.35, bbox=box, zorder=2)  # fmt: skip
    ax.text(-0.6, 0.3, f"known to all: {', '.join(EVERYWHERE)}", fontsize=8, va="center")
    key = "blue: without torch    orange: with networks (torch)"
    ax.text(7.4, 0.3, key, fontsize=8, ha="right", va="center")
    ax.set(xlim=(-0.7, 7.5), ylim=(0, top + 0.6))
    ax.axis("off")
    return figure


def main() -> None:
    """Write the picture, and the imports behind it."""
    knows = rooms()
    floor = floors(knows)
    rows = [
        {"room": room, "floor": floor.get(room, 0), "knows": other}
        for room in sorted(knows, key=lambda r: (floor.get(r, 0), r))
        for other in sorted(knows[room]) or [""]
    ]
    pd.DataFrame(rows).to_csv(STEM.with_suffix(".csv"), index=False)
    with mpl.rc_context({"svg.hashsalt": "neuro_metarl", "svg.fonttype": "none"}):
        figure = draw(knows)
        figure.savefig(STEM.with_suffix(".png"), dpi=160)
        figure.savefig(STEM.with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
