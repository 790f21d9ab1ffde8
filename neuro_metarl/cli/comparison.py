"""``neuro-metarl compare-to-rodent-data``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from neuro_metarl.cli.fits import check_models, show_models
from neuro_metarl.cli.text import Several, load, say
from neuro_metarl.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from neuro_metarl.agents.zoo import Agents

__all__ = ["compare_to_rodent_data"]

SIMULATED = "The synthetic rats are simulated, not animals."
FITTED = ("model_based", "model_free", "hybrid", "mixture", "latent_state")


def compare_to_rodent_data(
    data: str | None = None,
    *,
    agents: str | None = None,
    task: str | None = None,
    sessions: int = 100,
    history: Literal["session", "published"] = "session",
    penalty: Literal["firth", "none"] = "firth",
    columns: Several = None,
    codes: Several = None,
    models: Several = None,
    replicates: int | None = None,
    allow_task_mismatch: bool = False,
    selected: str = "none declared",
    assess: bool = True,
    seed: int = 0,
    out: Path = Path("comparison"),
    json: bool = False,
) -> None:
    """Put agents and animals side by side, on the two-step task or a bandit of two arms.

    Example: neuro-metarl compare-to-rodent-data

    Example: neuro-metarl compare-to-rodent-data rats.csv --columns choice=side1 reward=won

    Example: neuro-metarl compare-to-rodent-data ofc_physdata.mat --history published

    Parameters
    ----------
    data
        A file (.mat of Miller's rats, .csv, .tsv, .xlsx, .parquet, .nc, .zarr) or a data set
        name. Default: the embedded synthetic rats (simulated) beside the values that were
        derived from real ones.
    agents
        A zoo name or a checkpoint folder. Default: two-step, or bandit-restless where the animals
        played a bandit. On a bandit the agents play the animals' own sessions and are placed among
        them; the options that are about the two-step task do nothing.
    task
        Form of the task that the agents play; default: the animals' form where the file says
        it, else two-step-miller.
    sessions
        Sessions of 300 trials that each agent plays.
    history
        session: lags stop at session boundaries, forced trials are never responses.
        published: Miller's own convention.
    penalty
        firth (finite and nearly unbiased for short subjects) or none (plain maximum
        likelihood).
    columns
        Where a table has other names: ours=theirs, for example choice=side1
    codes
        Where a table has other codes: column:theirs=ours, for example choice:2=1
    models
        Cognitive models fitted to agents and animals alike, separated by spaces or commas; default
        model_based, model_free, hybrid, mixture and latent_state. "none": no fits.
    replicates
        Times that each agent plays each animal's own sessions; default: until it has played
        20,000 trials, at most five times.
    allow_task_mismatch
        Let agents be assessed that were trained with another transition probability; the report
        says so.
    selected
        How many agents were chosen from how many before this comparison, for the report.
    assess
        Place the agents among the animals and write report.html; needs four animals or more.
    seed
        Of the agents' recording, the bootstrap, the fits and the assessment.
    out
        Folder for report.html (with assessment.csv, .png, .svg, .pdf), comparison.csv, .nc, .png,
        .svg, and fits.csv.
    json
        Print the table as JSON.
    """
    from neuro_metarl.agents.zoo import load_agents
    from neuro_metarl.comparison import check_comparable, compare, summarize
    from neuro_metarl.files import writable_directory
    from neuro_metarl.recording import record as record_cohort

    if replicates is not None and replicates < 1:
        raise InputError(f"--replicates is {replicates}, expected 1 or more")
    wanted = [] if models == ["none"] else check_models(models) or list(FITTED)
    animals = load(data, columns, codes)
    if "state" not in animals and animals.sizes.get("option") == 2:
        settings = {
            "data": data, "agents": agents or "bandit-restless", "selected": selected,
            "replicates": replicates, "seed": seed,
        }  # fmt: skip
        _compare_on_bandit(animals, settings, writable_directory(out), json)
        return
    agents = agents or "two-step"
    check_comparable(data or "synthetic-rats", animals)
    synthetic = "synthetic" in animals.attrs
    subjects = load_agents(agents)
    played = _form_played(task, animals, subjects, agents)
    folder = writable_directory(out)
    cohort = record_cohort(subjects, played, sessions, seed=seed, activity=False, progress=True)
    label = "rats" if animals.attrs["source"] == "animal" else "data"
    cohorts = {"agents": cohort, "synthetic rats" if synthetic else label: animals}
    result = compare(cohorts, history=history, penalty=penalty, seed=seed, progress=True)
    result.attrs["agents"] = f"{agents} on {played.name} {played.config}"
    result.attrs["data"] = data or "synthetic-rats"
    if data is None and (history, penalty) == ("session", "firth"):
        result = _with_reference(result)
    files = _write_comparison(result, folder)
    summary = summarize(result, seed=seed)
    fits = {source: _fit(source, one, wanted, seed) for source, one in cohorts.items() if wanted}
    files |= _write_fits(fits, folder)
    told: list[str] = []
    if assess:
        settings = {
            "data": data or "synthetic-rats", "agents": agents, "selected": selected,
            "replicates": replicates, "allow_task_mismatch": allow_task_mismatch, "seed": seed,
        }  # fmt: skip
        told, more = _assess(subjects, animals, settings, fits, folder)
        files = more | files
    if json:
        say(_as_json(summary, result, fits, files, told))
        return
    _show(summary, result)
    for source, (_, table) in fits.items():
        show_models(table, f"models fitted to {source}, n = {table.sizes['subject']}")
    for sentence in told:
        say("* " + sentence)
    if synthetic:
        say(SIMULATED)
    for label, path in files.items():
        say(f"{label}: {path}")


def _assess(
    agents: Agents,
    animals: xr.Dataset,
    settings: dict[str, Any],
    fits: dict[str, tuple[pd.DataFrame, xr.Dataset]],
    folder: Path,
) -> tuple[list[str], dict[str, Path]]:
    """Place the agents among the animals and write the report; say why where that cannot be."""
    from neuro_metarl.assessment import assess
    from neuro_metarl.cohort import subjects_of
    from neuro_metarl.comparison.cloud import LEAST_ANIMALS
    from neuro_metarl.report import sentences

    n = len(subjects_of(animals))
    if n < LEAST_ANIMALS:
        return [f"{n} animals: described, not judged; that needs {LEAST_ANIMALS} or more."], {}
    tree = assess(
        agents,
        animals,
        n_replicates=settings["replicates"],
        allow_mismatch=settings["allow_task_mismatch"],
        seed=settings["seed"],
        progress=True,
    )
    noun = _noun(animals)
    named: dict[str, Any] = {"noun": noun, "name": f"the {settings['agents']} agents"}
    models = {source: _overview(table) for source, (_, table) in fits.items()}
    files = _write_report(tree, animals, settings, models, folder)
    return sentences(tree, **named), files


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


def _noun(animals: xr.Dataset) -> str:
    """Call rats rats, and others animals."""
    species = set(animals["species"].values.tolist()) if "species" in animals.coords else set()
    if "miller" in str(animals.attrs["task"]) or species == {"rat"}:
        return "rat"
    return "animal"


def _compare_on_bandit(
    animals: xr.Dataset, settings: dict[str, Any], folder: Path, as_json: bool
) -> None:
    """Place agents that play the animals' own sessions of a bandit among them."""
    from neuro_metarl.agents.zoo import load_agents
    from neuro_metarl.assessment import assess
    from neuro_metarl.report import group_table, sentences

    tree = assess(
        load_agents(settings["agents"]),
        animals,
        n_replicates=settings["replicates"],
        seed=settings["seed"],
        progress=True,
    )
    noun = _noun(animals)
    told = sentences(tree, noun=noun, name=f"the {settings['agents']} agents")
    files = _write_report(tree, animals, settings, {}, folder)
    if as_json:
        say(json.dumps({"sentences": told, "files": {k: str(p) for k, p in files.items()}}))
        return
    if "groups" in tree.children:
        say(group_table(tree, noun=noun).to_string(index=False))
    for sentence in told:
        say("* " + sentence)
    for label, path in files.items():
        say(f"{label}: {path}")


def _write_report(
    tree: xr.DataTree,
    animals: xr.Dataset,
    settings: dict[str, Any],
    models: dict[str, pd.DataFrame],
    folder: Path,
) -> dict[str, Path]:
    from neuro_metarl.files import atomic_path
    from neuro_metarl.report import report_figure, report_numbers, report_page

    noun = _noun(animals)
    provenance = settings | {
        key: animals.attrs[key]
        for key in ("title", "licence", "references", "synthetic", "task_config")
        if key in animals.attrs
    }
    figure = report_figure(tree, noun=noun)
    page = report_page(
        tree,
        noun=noun,
        name=f"the {settings['agents']} agents",
        title=f"How {noun}-like are the {settings['agents']} agents?",
        provenance=provenance,
        fits=models,
        selected=settings["selected"],
        notes=[SIMULATED] if "synthetic" in animals.attrs else [],
    )
    writers: dict[str, tuple[str, Callable[[Path], Any]]] = {
        "report": ("report.html", lambda p: p.write_text(page, encoding="utf-8")),
        "assessment": (
            "assessment.csv", lambda p: report_numbers(tree).to_csv(p, index=False)
        ),
        "assessment figure": ("assessment.png", lambda p: figure.savefig(p, dpi=200)),
        "assessment, vector": (
            "assessment.svg", lambda p: figure.savefig(p, metadata={"Date": None})
        ),
        "assessment, print": ("assessment.pdf", lambda p: figure.savefig(p, format="pdf")),
    }  # fmt: skip
    files = {}
    for label, (name, write) in writers.items():
        with atomic_path(folder / name) as temporary:
            write(temporary)
        files[label] = folder / name
    return files


def _overview(table: xr.Dataset) -> pd.DataFrame:
    """Summarise models over subjects, best first."""
    import pandas as pd

    total = table["bic"].sum("subject")
    rows = []
    for k in total.argsort().values:
        name = str(table["model"].values[k])
        rows.append({
            "model": name,
            "free parameters": int(table["n_parameters"][k]),
            "mean probability of a response": f"{float(table['mean_likelihood'][:, k].mean()):.3f}",
            "sum of BIC above the best": f"{float(total[k] - total.min()):.0f}",
            "subjects best": int((table["winner"] == name).sum()),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _fit(
    source: str, cohort: xr.Dataset, models: list[str], seed: int
) -> tuple[pd.DataFrame, xr.Dataset]:
    from neuro_metarl.cognitive.fitting import fit_models
    from neuro_metarl.cognitive.selection import compare_models, fit_table

    fits = fit_models(cohort, models, n_starts=3, seed=seed, progress=True)
    table = compare_models(fits, seed=seed)
    per_model = table[["bic", "log_likelihood", "mean_likelihood", "problem"]].to_dataframe()
    rows = fit_table(fits).merge(per_model.reset_index(), on=["subject", "model"])
    rows.insert(0, "source", source)
    return rows, table


def _write_fits(fits: dict[str, tuple[pd.DataFrame, xr.Dataset]], folder: Path) -> dict[str, Path]:
    import pandas as pd

    from neuro_metarl.files import atomic_path

    if not fits:
        return {}
    rows = pd.concat([table for table, _ in fits.values()], ignore_index=True)
    with atomic_path(folder / "fits.csv") as temporary:
        rows.to_csv(temporary, index=False)
    return {"fits": folder / "fits.csv"}


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
    from neuro_metarl.files import atomic_path
    from neuro_metarl.plotting import plot_comparison

    figure = plot_comparison(result)
    writers = {
        "table": ("comparison.csv", lambda p: to_table(result).to_csv(p, index=False)),
        "data set": ("comparison.nc", lambda p: result.to_netcdf(p, engine="h5netcdf")),
        "figure": ("comparison.png", lambda p: figure.savefig(p, dpi=200)),
        "vector figure": ("comparison.svg", lambda p: figure.savefig(p, metadata={"Date": None})),
    }
    files = {}
    for label, (name, write) in writers.items():
        with atomic_path(folder / name) as temporary:
            write(temporary)
        files[label] = folder / name
    return files


def _as_json(
    summary: pd.DataFrame,
    result: xr.Dataset,
    fits: dict[str, tuple[pd.DataFrame, xr.Dataset]],
    files: dict[str, Path],
    told: list[str],
) -> str:
    return json.dumps(
        {
            "sentences": told,
            "settings": {k: v for k, v in result.attrs.items()},
            "summary": json.loads(summary.to_json(orient="records")),
            "fits": [
                row
                for rows, _ in fits.values()
                for row in json.loads(rows.to_json(orient="records"))
            ],
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
