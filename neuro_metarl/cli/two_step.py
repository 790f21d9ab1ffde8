"""``neuro-metarl compare-to-rodent-data`` where the animals played a two-step task."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_metarl.cli.assessments import (
    SIMULATED,
    Fits,
    assess_animals,
    check_assessable,
    fit_source,
    fitted_rows,
    say_results,
    write_fits,
)
from neuro_metarl.cli.fits import show_models
from neuro_metarl.cli.text import say
from neuro_metarl.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from neuro_metarl.agents.zoo import Agents

__all__ = ["compare_on_two_step"]

FITTED = ("model_based", "model_free", "hybrid", "mixture", "latent_state")


def compare_on_two_step(
    animals: xr.Dataset,
    settings: dict[str, Any],
    models: list[str] | None,
    out: Path,
    *,
    assess: bool,
    as_json: bool,
) -> None:
    """Let agents play the animals' form of the task; measure, fit and place both alike."""
    from neuro_metarl.agents.zoo import load_agents
    from neuro_metarl.comparison import check_comparable, summarize
    from neuro_metarl.files import writable_directory

    settings = settings | {
        "data": settings["data"] or "synthetic-rats", "agents": settings["agents"] or "two-step"
    }  # fmt: skip
    seed = settings["seed"]
    check_comparable(settings["data"], animals)
    agents = load_agents(settings["agents"])
    played = _form_played(settings["task"], animals, agents, settings["agents"])
    if assess:
        check_assessable(agents, animals, allow_mismatch=settings["allow_task_mismatch"])
    folder = writable_directory(out)
    cohorts, result = _compared(animals, agents, played, settings)
    files, summary = _write_comparison(result, folder), summarize(result, seed=seed)
    wanted = list(FITTED) if models is None else models
    fits = {s: fit_source(s, one, wanted, seed) for s, one in cohorts.items() if wanted}
    files |= write_fits(fits, folder)
    told: list[str] = []
    if assess:
        told, more = assess_animals(agents, animals, settings, fits, folder)
        files = more | files
    if as_json:
        say(_as_json(summary, result, fits, files, told))
        return
    _show(summary, result)
    for source, (_, table) in fits.items():
        show_models(table, f"models fitted to {source}, n = {table.sizes['subject']}")
    if "synthetic" in animals.attrs:
        say(SIMULATED)
    say_results(told, files)


def _compared(
    animals: xr.Dataset, agents: Agents, played: Any, settings: dict[str, Any]
) -> tuple[dict[str, xr.Dataset], xr.Dataset]:
    """Record the agents and measure them as the animals; give both cohorts and the measures."""
    from neuro_metarl.comparison import compare
    from neuro_metarl.recording import record

    seed = settings["seed"]
    cohort = record(agents, played, settings["sessions"], seed=seed, activity=False, progress=True)
    label = "rats" if animals.attrs["source"] == "animal" else "data"
    label = "synthetic rats" if "synthetic" in animals.attrs else label
    cohorts = {"agents": cohort, label: animals}
    how = {key: settings[key] for key in ("history", "penalty")}
    result = compare(cohorts, **how, seed=seed, progress=True)
    result.attrs["agents"] = f"{settings['agents']} on {played.name} {played.config}"
    result.attrs["data"] = settings["data"]
    published = settings["data"] == "synthetic-rats"
    if published and how == {"history": "session", "penalty": "firth"}:
        result = _with_reference(result)
    return cohorts, result


def _form_played(task: str | None, animals: xr.Dataset, subjects: Agents, agents: str) -> Any:
    """Make the form of the two-step task that is asked for, or the animals' own."""
    from neuro_metarl.tasks import list_tasks, make_task

    form = task or str(animals.attrs["task"])
    if task is None and (form not in list_tasks() or form == "two-step"):
        form = "two-step-miller"
    if not subjects.task.name.startswith("two-step"):
        raise InputError(
            f"agents {agents!r} were trained on {subjects.task.name!r} and cannot play the "
            "animals' two-step task; take --agents two-step"
        )
    played = make_task(form, n_trials=300)
    subjects.population.shape.check(played)
    return played


def _with_reference(result: xr.Dataset) -> xr.Dataset:
    from neuro_metarl.comparison import from_table, join_comparisons
    from neuro_metarl.datasets import load_reference

    table = load_reference()
    reference = from_table(table.assign(source="real rats (reference values)"))
    joined = join_comparisons([result, reference])
    joined.attrs = result.attrs | {"reference": str(table.attrs["citation"])}
    return joined


def _write_comparison(result: xr.Dataset, folder: Path) -> dict[str, Path]:
    import matplotlib

    matplotlib.use("Agg")
    from neuro_metarl.comparison import to_table
    from neuro_metarl.files import write_files
    from neuro_metarl.plotting import plot_comparison

    figure = plot_comparison(result)
    writers = {
        "table": ("comparison.csv", lambda p: to_table(result).to_csv(p, index=False)),
        "data set": ("comparison.nc", lambda p: result.to_netcdf(p, engine="h5netcdf")),
        "figure": ("comparison.png", lambda p: figure.savefig(p, dpi=200)),
        "vector figure": ("comparison.svg", lambda p: figure.savefig(p, metadata={"Date": None})),
    }
    return write_files(folder, writers)


def _as_json(
    summary: pd.DataFrame,
    result: xr.Dataset,
    fits: Fits,
    files: dict[str, Path],
    told: list[str],
) -> str:
    return json.dumps(
        {
            "sentences": told,
            "settings": {k: v for k, v in result.attrs.items()},
            "summary": json.loads(summary.to_json(orient="records")),
            "fits": fitted_rows(fits),
            "files": {label: str(path) for label, path in files.items()},
        },
        indent=1,
    )


def _show(summary: pd.DataFrame, result: xr.Dataset) -> None:
    from rich.console import Console
    from rich.table import Table

    counts = dict.fromkeys(result["source"].values.tolist(), 0)
    for source in result["source"].values.tolist():
        counts[source] += 1
    table = Table(title="mean over subjects [95 % interval over subjects]", title_justify="left")
    table.add_column("measure")
    for source, n in counts.items():
        table.add_column(f"{source}\nn = {n}", justify="right")
    for (measure, term), rows in summary.groupby(["measure", "term"], sort=False, dropna=False):
        label = str(measure).replace("_", " ")
        if isinstance(term, str):
            label += f", {term.replace('_', ' ')}"
        by_source = rows.set_index("source")
        cells = []
        for source in counts:
            row = by_source.loc[source]
            cells.append(f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]")
        table.add_row(label, *cells)
    Console(width=None if sys.stdout.isatty() else 110).print(table)
    say("Each measure of each subject, with its own interval, is in the table file.")
