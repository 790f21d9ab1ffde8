"""``neuro-metarl compare-to-rodent-data`` where the animals met problem after problem."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_metarl.cli.assessments import (
    noun_of,
    profile_means,
    profile_table,
    say_results,
    too_few,
    write_report,
)
from neuro_metarl.cli.text import say

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from neuro_metarl.agents.zoo import Agents

__all__ = ["compare_on_learning_set"]

FEWEST_PROBLEMS, N_TRIALS = 300, 6


def compare_on_learning_set(
    animals: xr.Dataset, settings: dict[str, Any], out: Path, *, assess: bool, as_json: bool
) -> None:
    """Let agents meet problems of their own; measure and place both alike."""
    from neuro_metarl.agents.zoo import load_agents
    from neuro_metarl.behavior.learning_sets import learning_curve
    from neuro_metarl.behavior.learning_signatures import learning_set_profile
    from neuro_metarl.files import writable_directory, write_files
    from neuro_metarl.recording import record
    from neuro_metarl.yoking import check_playable

    settings = settings | {"agents": settings["agents"] or "harlow"}
    agents = load_agents(settings["agents"])
    check_playable(agents, animals, allow_mismatch=settings["allow_task_mismatch"])
    profiles = {"animals": learning_set_profile(animals)}
    folder, n = writable_directory(out), max(FEWEST_PROBLEMS, settings["sessions"])
    played = record(agents, n_sessions=n, seed=settings["seed"], activity=False, progress=True)
    profiles = {"agents": learning_set_profile(played)} | profiles
    noun, table = noun_of(animals), profile_table(profiles)
    curves = {
        source: learning_curve(cohort, n_trials=N_TRIALS, seed=settings["seed"])
        for source, cohort in {"agents": played, "animals": animals}.items()
    }
    figure = _figure(curves, noun)
    files = write_files(
        folder,
        {
            "table": ("comparison.csv", lambda p: table.to_csv(p, index=False)),
            "figure": ("comparison.png", lambda p: figure.savefig(p, dpi=200)),
            "vector figure": (
                "comparison.svg", lambda p: figure.savefig(p, metadata={"Date": None})
            ),
        },
    )  # fmt: skip
    told: list[str] = []
    if assess:
        told, more = _assess(agents, animals, profiles, settings, folder)
        files = more | files
    if as_json:
        rows = json.loads(table.to_json(orient="records"))
        found = {"sentences": told, "summary": rows}
        say(json.dumps(found | {"files": {k: str(path) for k, path in files.items()}}, indent=1))
        return
    say(profile_means(profiles, noun).to_string(index=False))
    say_results(told, files)


def _assess(
    agents: Agents,
    animals: xr.Dataset,
    profiles: dict[str, xr.Dataset],
    settings: dict[str, Any],
    folder: Path,
) -> tuple[list[str], dict[str, Path]]:
    from neuro_metarl.agents.zoo import untrained
    from neuro_metarl.assessment import assess_profiles
    from neuro_metarl.behavior.learning_signatures import learning_set_profile
    from neuro_metarl.comparison.cloud import LEAST_ANIMALS
    from neuro_metarl.recording import record
    from neuro_metarl.report import sentences

    n, seed = profiles["animals"].sizes["subject"], settings["seed"]
    if n < LEAST_ANIMALS:
        return [too_few(n)], {}
    controls = {}
    if agents.task.name == "harlow":
        fresh = record(
            untrained(agents, seed=seed), n_sessions=FEWEST_PROBLEMS, seed=seed, activity=False
        )
        controls["untrained network"] = learning_set_profile(fresh)
    tree = assess_profiles(
        profiles["agents"], profiles["animals"], controls=controls, seed=seed, progress=True
    )
    name = f"the {settings['agents']} agents"
    return sentences(tree, noun=noun_of(animals), name=name), write_report(
        tree, animals, settings, {}, folder
    )


def _figure(curves: dict[str, xr.Dataset], noun: str) -> Figure:
    """Draw the learning curves of both, a thin line a subject."""
    from matplotlib.figure import Figure

    from neuro_metarl.plotting import plot_learning_curve
    from neuro_metarl.plotting.style import plural, print_style

    titles = {"agents": "agents", "animals": plural(noun)}
    with print_style():
        figure = Figure(figsize=(6, 2.8), layout="constrained")
        for ax, (source, curve) in zip(
            figure.subplots(1, 2, sharey=True), curves.items(), strict=True
        ):
            plot_learning_curve(curve, ax)
            ax.set_title(f"{titles[source]} (n = {curve.sizes['subject']})")
    return figure
