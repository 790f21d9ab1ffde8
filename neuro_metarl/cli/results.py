"""Results of a comparison: what is written, and what is said; the same for every paradigm."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_metarl.cli.fits import show_models
from neuro_metarl.cli.text import say, unsaid
from neuro_metarl.files.spreadsheets import write_csv

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from neuro_metarl.agents_and_animals import SideBySide

__all__ = ["say_json", "say_text", "sentences_of", "write_results"]

OUTPUTS = (
    "report.html", "assessment.csv", "assessment.png", "assessment.svg", "assessment.pdf",
    "comparison.csv", "comparison.nc", "comparison.png", "comparison.svg", "curves.png", "fits.csv",
)  # fmt: skip
SIMULATED = "The synthetic rats are simulated, not animals."
Writers = dict[str, tuple[str, Callable[[Path], Any]]]


def sentences_of(found: SideBySide, animals: xr.Dataset, settings: dict[str, Any]) -> list[str]:
    """Say what the assessment found, or why there is none."""
    from neuro_metarl.cohort import subjects_of
    from neuro_metarl.comparison.cloud import LEAST_ANIMALS
    from neuro_metarl.report import sentences
    from neuro_metarl.words import noun_of

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
        writers["fits"] = ("fits.csv", lambda p: write_csv(rows, p))
    return write_files(folder, writers)


def _comparison(found: SideBySide, animals: xr.Dataset) -> Writers:
    from neuro_metarl import plot
    from neuro_metarl.comparison.table import to_table
    from neuro_metarl.storage.netcdf import write_netcdf

    result = found.comparison
    figure = plot.comparison(result)
    writers: Writers = {
        "table": ("comparison.csv", lambda p: write_csv(to_table(result), p)),
        "data set": ("comparison.nc", lambda p: write_netcdf(result.drop_encoding(), p)),
        "figure": ("comparison.png", lambda p: figure.savefig(p, dpi=200)),
        "vector figure": ("comparison.svg", lambda p: figure.savefig(p)),
    }
    if found.curves:
        curves = plot.learning_curves(found.curves)
        writers["learning curves"] = ("curves.png", lambda p: curves.savefig(p, dpi=200))
    return writers


def _report(found: SideBySide, animals: xr.Dataset, settings: dict[str, Any]) -> Writers:
    from neuro_metarl.report import assessment_writers, report_page
    from neuro_metarl.words import noun_of

    assert found.tree is not None
    noun = noun_of(animals)
    kept = ("title", "licence", "references", "synthetic", "task_config")
    page = report_page(
        found.tree,
        noun=noun,
        name=f"the {settings['agents']} agents",
        title=f"How {noun}-like are the {settings['agents']} agents?",
        provenance=settings | {key: animals.attrs[key] for key in kept if key in animals.attrs},
        fits={source: table for source, (_, table) in found.fits.items()},
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


def say_json(found: SideBySide, summary: pd.DataFrame, files: dict[str, Path], told: list[str],
             notes: list[str]) -> None:  # fmt: skip
    """Print everything as JSON; the keys are the same for every paradigm."""
    from neuro_metarl.report import model_sentences

    fits = [json.loads(rows.to_json(orient="records")) for rows, _ in found.fits.values()]
    say(
        json.dumps(
            {
                "paradigm": found.paradigm.name,
                "sentences": told,
                "models": {
                    source: model_sentences(table, noun=_called(found, source))
                    for source, (_, table) in found.fits.items()
                },
                "notes": notes,
                "settings": _settings(found.comparison.attrs),
                "summary": json.loads(summary.to_json(orient="records")),
                "fits": [row for table in fits for row in table],
                "files": {label: str(path) for label, path in files.items()},
            },
            indent=1,
        )
    )


def _called(found: SideBySide, source: str) -> str:
    from neuro_metarl.words import noun_of

    return "agent" if source == "agents" else noun_of(found.cohorts[source])


def _settings(attrs: dict[str, Any]) -> dict[str, Any]:
    """Give the attributes of a comparison, its options as an object."""
    return attrs | {"options": json.loads(attrs["options"])}


def say_text(found: SideBySide, summary: pd.DataFrame, files: dict[str, Path], told: list[str],
             notes: list[str]) -> None:  # fmt: skip
    """Print a table of means, the models, the sentences, and where the files lie."""
    _show(summary, found.comparison)
    for source, (_, table) in found.fits.items():
        title = f"models fitted to {source}, n = {table.sizes['subject']}"
        show_models(table, title, noun=_called(found, source))
    for note in notes:
        say(note)
    for sentence in told:
        say("* " + sentence)
    for label, path in files.items():
        say(f"{label}: {path}")


def _show(summary: pd.DataFrame, result: xr.Dataset) -> None:
    from rich.console import Console
    from rich.table import Table

    from neuro_metarl.measures.measure import measures_in

    label_of = {measure.name: measure.label for measure in measures_in(result)}
    counts = dict.fromkeys(result["source"].values.tolist(), 0)
    for source in result["source"].values.tolist():
        counts[source] += 1
    table = Table(title="the typical subject [95 % interval over subjects]", title_justify="left")
    table.add_column("measure")
    for source, n in counts.items():
        table.add_column(f"{source}\nn = {n}", justify="right")
    keys = ["measure", "term", "lag"]
    for (measure, term, lag), rows in summary.groupby(keys, sort=False, dropna=False):
        label = label_of[str(measure)]
        if isinstance(term, str):
            label += f", {term.replace('_', ' ')}"
        if isinstance(lag, int):
            label += f", lag {lag}"
        by_source = rows.set_index("source")
        cells = [_cell(by_source.loc[s]) if s in by_source.index else "" for s in counts]
        table.add_row(label, *cells)
    Console(width=None if sys.stdout.isatty() else 110).print(table)
    say("Each measure of each subject, with its own interval, is in the table file.")


def _cell(row: Any) -> str:
    few = isnan(row["low"])
    return f"{row['typical']:.2f}" + ("" if few else f" [{row['low']:.2f}, {row['high']:.2f}]")
