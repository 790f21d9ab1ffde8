"""Results of a comparison: what is written, and what is said; the same for every paradigm."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_metarl.cli.fits import show_models
from neuro_metarl.cli.text import say, unsaid

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from neuro_metarl.agents_and_animals import SideBySide

__all__ = ["noun_of", "say_json", "say_text", "sentences_of", "source_of", "write_results"]

OUTPUTS = (
    "report.html", "assessment.csv", "assessment.png", "assessment.svg", "assessment.pdf",
    "comparison.csv", "comparison.nc", "comparison.png", "comparison.svg", "curves.png", "fits.csv",
)  # fmt: skip
SIMULATED = "The synthetic rats are simulated, not animals."
Writers = dict[str, tuple[str, Callable[[Path], Any]]]
LATIN = {
    "rattus norvegicus": "rat", "mus musculus": "mouse", "macaca mulatta": "monkey",
    "homo sapiens": "person", "human": "person", "poecilia reticulata": "guppy",
}  # fmt: skip


def noun_of(animals: xr.Dataset) -> str:
    """Call rats rats and mice mice; several species are animals."""
    species = set(animals["species"].values.tolist()) if "species" in animals.coords else set()
    if not species:
        return "rat" if "miller" in str(animals.attrs["task"]) else "animal"
    name = str(species.pop()).lower() if len(species) == 1 else ""
    name = LATIN.get(name, name)
    return name if name.isalpha() else "animal"


def source_of(animals: xr.Dataset) -> str:
    """Name the animals as a source: rats, mice; what is simulated is said to be."""
    from neuro_metarl.plotting.style import plural

    if "synthetic" in animals.attrs:
        return "synthetic rats"
    many = plural(noun_of(animals))
    return many if animals.attrs["source"] == "animal" else f"simulated {many}"


def sentences_of(found: SideBySide, animals: xr.Dataset, settings: dict[str, Any]) -> list[str]:
    """Say what the assessment found, or why there is none."""
    from neuro_metarl.cohort import subjects_of
    from neuro_metarl.comparison.cloud import LEAST_ANIMALS
    from neuro_metarl.report import sentences

    n = len(subjects_of(animals))
    if found.tree is not None:
        name = f"the {settings['agents']} agents"
        return sentences(found.tree, noun=noun_of(animals), name=name)
    if not settings["assess"] or n >= LEAST_ANIMALS:
        return []
    many = "1 animal" if n == 1 else f"{n} animals"
    return [f"{many}: described, not judged; that needs {LEAST_ANIMALS} or more."]


def write_results(
    found: SideBySide, animals: xr.Dataset, settings: dict[str, Any], folder: Path
) -> dict[str, Path]:
    """Write the comparison, the fits, and the report where there is one."""
    import matplotlib

    matplotlib.use("Agg")
    from neuro_metarl.files import write_files

    writers = _report(found, animals, settings) if found.tree is not None else {}
    writers |= _comparison(found, animals)
    if found.fits:
        import pandas as pd

        rows = pd.concat([table for table, _ in found.fits.values()], ignore_index=True)
        writers["fits"] = ("fits.csv", lambda p: rows.to_csv(p, index=False))
    return write_files(folder, writers)


def _comparison(found: SideBySide, animals: xr.Dataset) -> Writers:
    from neuro_metarl.comparison import to_table
    from neuro_metarl.plotting import plot_comparison
    from neuro_metarl.storage.netcdf import write_netcdf

    result = found.comparison
    figure = plot_comparison(result)
    writers: Writers = {
        "table": ("comparison.csv", lambda p: to_table(result).to_csv(p, index=False)),
        "data set": ("comparison.nc", lambda p: write_netcdf(result.drop_encoding(), p)),
        "figure": ("comparison.png", lambda p: figure.savefig(p, dpi=200)),
        "vector figure": ("comparison.svg", lambda p: figure.savefig(p, metadata={"Date": None})),
    }
    if found.paradigm.name == "learning set":
        curves = _curves(found)
        writers["learning curves"] = ("curves.png", lambda p: curves.savefig(p, dpi=200))
    return writers


def _curves(found: SideBySide) -> Any:
    """Draw the learning curves of every source, a thin line a subject."""
    from matplotlib.figure import Figure

    from neuro_metarl.behavior.learning_sets import learning_curve
    from neuro_metarl.plotting import plot_learning_curve
    from neuro_metarl.plotting.style import print_style

    with print_style():
        figure = Figure(figsize=(6, 2.8), layout="constrained")
        axes = figure.subplots(1, len(found.cohorts), sharey=True)
        for ax, (source, cohort) in zip(axes, found.cohorts.items(), strict=True):
            curve = learning_curve(cohort)
            plot_learning_curve(curve, ax)
            ax.set_title(f"{source} (n = {curve.sizes['subject']})")
    return figure


def _report(found: SideBySide, animals: xr.Dataset, settings: dict[str, Any]) -> Writers:
    from neuro_metarl.report import assessment_writers, report_page

    assert found.tree is not None
    noun = noun_of(animals)
    kept = ("title", "licence", "references", "synthetic", "task_config")
    page = report_page(
        found.tree,
        noun=noun,
        name=f"the {settings['agents']} agents",
        title=f"How {noun}-like are the {settings['agents']} agents?",
        provenance=settings | {key: animals.attrs[key] for key in kept if key in animals.attrs},
        fits={source: _overview(table) for source, (_, table) in found.fits.items()},
        selected=settings["selected"],
        notes=[SIMULATED] * ("synthetic" in animals.attrs) + unsaid(animals),
        paradigm=found.paradigm,
    )
    write = assessment_writers(found.tree, noun=noun, paradigm=found.paradigm)
    return {
        "report": ("report.html", lambda p: p.write_text(page, encoding="utf-8")),
        "assessment": ("assessment.csv", write["csv"]),
        "assessment figure": ("assessment.png", write["png"]),
        "assessment, vector": ("assessment.svg", write["svg"]),
        "assessment, print": ("assessment.pdf", write["pdf"]),
    }


def _overview(table: xr.Dataset) -> pd.DataFrame:
    """Summarise models over subjects, best first."""
    import pandas as pd

    total = table["bic"].sum("subject")
    evidence = table["log_evidence"] if table.attrs["evidence"] == "Laplace" else -table["bic"] / 2
    gained = evidence.sum("subject")
    rows = []
    for k in (-gained).argsort().values:
        name = str(table["model"].values[k])
        rows.append({
            "model": name,
            "free parameters": int(table["n_parameters"][k]),
            "mean probability of a response": f"{float(table['mean_likelihood'][:, k].mean()):.3f}",
            "log evidence below the best": f"{float(gained.max() - gained[k]):.0f}",
            "sum of BIC above the best": f"{float(total[k] - total.min()):.0f}",
            "subjects best": int((table["winner"] == name).sum()),
        })  # fmt: skip
    return pd.DataFrame(rows)


def say_json(found: SideBySide, summary: pd.DataFrame, files: dict[str, Path], told: list[str],
             notes: list[str]) -> None:  # fmt: skip
    """Print everything as JSON; the keys are the same for every paradigm."""
    fits = [json.loads(rows.to_json(orient="records")) for rows, _ in found.fits.values()]
    say(
        json.dumps(
            {
                "paradigm": found.paradigm.name,
                "sentences": told,
                "notes": notes,
                "settings": dict(found.comparison.attrs),
                "summary": json.loads(summary.to_json(orient="records")),
                "fits": [row for table in fits for row in table],
                "files": {label: str(path) for label, path in files.items()},
            },
            indent=1,
        )
    )


def say_text(found: SideBySide, summary: pd.DataFrame, files: dict[str, Path], told: list[str],
             notes: list[str]) -> None:  # fmt: skip
    """Print a table of means, the models, the sentences, and where the files lie."""
    _show(summary, found.comparison)
    for source, (_, table) in found.fits.items():
        show_models(table, f"models fitted to {source}, n = {table.sizes['subject']}")
    for note in notes:
        say(note)
    for sentence in told:
        say("* " + sentence)
    for label, path in files.items():
        say(f"{label}: {path}")


def _show(summary: pd.DataFrame, result: xr.Dataset) -> None:
    from rich.console import Console
    from rich.table import Table

    from neuro_metarl.report.sentences import in_words

    counts = dict.fromkeys(result["source"].values.tolist(), 0)
    for source in result["source"].values.tolist():
        counts[source] += 1
    table = Table(title="mean over subjects [95 % interval over subjects]", title_justify="left")
    table.add_column("measure")
    for source, n in counts.items():
        table.add_column(f"{source}\nn = {n}", justify="right")
    for (measure, term), rows in summary.groupby(["measure", "term"], sort=False, dropna=False):
        label = in_words(str(measure))
        if isinstance(term, str):
            label += f", {term.replace('_', ' ')}"
        by_source = rows.set_index("source")
        table.add_row(label, *(_cell(by_source.loc[source]) for source in counts))
    Console(width=None if sys.stdout.isatty() else 110).print(table)
    say("Each measure of each subject, with its own interval, is in the table file.")


def _cell(row: Any) -> str:
    alone = row["n_subjects"] < 2
    return f"{row['mean']:.2f}" + ("" if alone else f" [{row['low']:.2f}, {row['high']:.2f}]")
