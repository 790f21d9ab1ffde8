"""What comparisons on every task share: models fitted alike, the assessment and its report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_metarl.cli.text import say, unsaid

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from neuro_metarl.agents.zoo import Agents

__all__ = [
    "SIMULATED",
    "Fits",
    "assess_animals",
    "check_assessable",
    "fit_source",
    "fitted_rows",
    "noun_of",
    "profile_means",
    "profile_table",
    "say_results",
    "too_few",
    "write_fits",
    "write_report",
]

Fits = dict[str, "tuple[pd.DataFrame, xr.Dataset]"]
SIMULATED = "The synthetic rats are simulated, not animals."
LATIN = {
    "rattus norvegicus": "rat", "mus musculus": "mouse", "macaca mulatta": "monkey",
    "homo sapiens": "person", "human": "person", "poecilia reticulata": "guppy",
}  # fmt: skip


def assess_animals(
    agents: Agents,
    animals: xr.Dataset,
    settings: dict[str, Any],
    fits: Fits,
    folder: Path,
) -> tuple[list[str], dict[str, Path]]:
    """Place the agents among the animals and write the report; say why where that cannot be."""
    from neuro_metarl.assessment import assess
    from neuro_metarl.cohort import subjects_of
    from neuro_metarl.comparison.cloud import LEAST_ANIMALS
    from neuro_metarl.report import sentences

    n = len(subjects_of(animals))
    if n < LEAST_ANIMALS:
        return [too_few(n)], {}
    tree = assess(
        agents,
        animals,
        n_replicates=settings["replicates"],
        allow_mismatch=settings["allow_task_mismatch"],
        seed=settings["seed"],
        progress=True,
    )
    noun = noun_of(animals)
    named: dict[str, Any] = {"noun": noun, "name": f"the {settings['agents']} agents"}
    models = {source: _overview(table) for source, (_, table) in fits.items()}
    files = write_report(tree, animals, settings, models, folder)
    return sentences(tree, **named), files


def say_results(told: list[str], files: dict[str, Path]) -> None:
    """Print the sentences, and where the files lie."""
    for sentence in told:
        say("* " + sentence)
    for label, path in files.items():
        say(f"{label}: {path}")


def too_few(n: int) -> str:
    """Say that so many animals are described only."""
    from neuro_metarl.comparison.cloud import LEAST_ANIMALS

    many = "1 animal" if n == 1 else f"{n} animals"
    return f"{many}: described, not judged; that needs {LEAST_ANIMALS} or more."


def check_assessable(agents: Agents, animals: xr.Dataset, *, allow_mismatch: bool) -> None:
    """Refuse, before anything is computed, agents that cannot play enough animals' sessions."""
    from neuro_metarl.cohort import subjects_of
    from neuro_metarl.comparison.cloud import LEAST_ANIMALS
    from neuro_metarl.yoking import check_playable

    if len(subjects_of(animals)) >= LEAST_ANIMALS:
        check_playable(agents, animals, allow_mismatch=allow_mismatch)


def noun_of(animals: xr.Dataset) -> str:
    """Call rats rats and mice mice; several species are animals."""
    species = set(animals["species"].values.tolist()) if "species" in animals.coords else set()
    if not species:
        return "rat" if "miller" in str(animals.attrs["task"]) else "animal"
    name = str(species.pop()).lower() if len(species) == 1 else ""
    name = LATIN.get(name, name)
    return name if name.isalpha() else "animal"


def write_report(
    tree: xr.DataTree,
    animals: xr.Dataset,
    settings: dict[str, Any],
    models: dict[str, pd.DataFrame],
    folder: Path,
) -> dict[str, Path]:
    """Write the page, its numbers and its figure."""
    from neuro_metarl.files import write_files
    from neuro_metarl.report import assessment_writers, report_page

    noun = noun_of(animals)
    provenance = settings | {
        key: animals.attrs[key]
        for key in ("title", "licence", "references", "synthetic", "task_config")
        if key in animals.attrs
    }
    page = report_page(
        tree,
        noun=noun,
        name=f"the {settings['agents']} agents",
        title=f"How {noun}-like are the {settings['agents']} agents?",
        provenance=provenance,
        fits=models,
        selected=settings["selected"],
        notes=[SIMULATED] * ("synthetic" in animals.attrs) + unsaid(animals),
    )
    write = assessment_writers(tree, noun=noun)
    writers: dict[str, tuple[str, Callable[[Path], Any]]] = {
        "report": ("report.html", lambda p: p.write_text(page, encoding="utf-8")),
        "assessment": ("assessment.csv", write["csv"]),
        "assessment figure": ("assessment.png", write["png"]),
        "assessment, vector": ("assessment.svg", write["svg"]),
        "assessment, print": ("assessment.pdf", write["pdf"]),
    }
    return write_files(folder, writers)


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


def fit_source(
    source: str, cohort: xr.Dataset, models: list[str], seed: int
) -> tuple[pd.DataFrame, xr.Dataset]:
    """Fit models to the subjects of a cohort; give a table of all, and their comparison."""
    from neuro_metarl.cognitive.fitting import fit_models
    from neuro_metarl.cognitive.selection import compare_models, fit_table

    fits = fit_models(cohort, models, n_starts=3, seed=seed, progress=True)
    table = compare_models(fits, seed=seed)
    per_model = table[["bic", "log_likelihood", "mean_likelihood", "problem"]].to_dataframe()
    rows = fit_table(fits).merge(per_model.reset_index(), on=["subject", "model"])
    rows.insert(0, "source", source)
    return rows, table


def fitted_rows(fits: Fits) -> list[dict[str, Any]]:
    """Lay out every model and subject for JSON."""
    tables = [json.loads(rows.to_json(orient="records")) for rows, _ in fits.values()]
    return [row for table in tables for row in table]


def write_fits(fits: Fits, folder: Path) -> dict[str, Path]:
    """Write the parameters of every model and subject."""
    import pandas as pd

    from neuro_metarl.files import write_files

    if not fits:
        return {}
    rows = pd.concat([table for table, _ in fits.values()], ignore_index=True)
    return write_files(folder, {"fits": ("fits.csv", lambda p: rows.to_csv(p, index=False))})


def profile_table(profiles: dict[str, xr.Dataset]) -> pd.DataFrame:
    """Lay out each signature of each subject with its standard error."""
    import numpy as np
    import pandas as pd

    parts = []
    for source, table in profiles.items():
        error = np.sqrt(np.einsum("sjj->sj", table["covariance"].values))
        both = table[["profile"]].assign(standard_error=(("subject", "measure"), error))
        frame = both.to_dataframe().reset_index().rename(columns={"profile": "value"})
        counts = table["n"].to_dataframe().reset_index()
        frame = frame.merge(counts, on="subject")
        frame.insert(0, "source", source)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def profile_means(profiles: dict[str, xr.Dataset], noun: str) -> pd.DataFrame:
    """Describe both groups: mean and SD over subjects."""
    import pandas as pd

    from neuro_metarl.plotting.style import plural
    from neuro_metarl.report.sentences import in_words

    measures = profiles["agents"]["measure"].values
    rows: dict[str, Any] = {"signature": [in_words(str(m)) for m in measures]}
    for source, label in (("agents", "agents"), ("animals", plural(noun))):
        values = profiles[source]["profile"].values
        told = [f"{mean:.2f}" for mean in values.mean(axis=0)]
        if len(values) > 1:
            spread = values.std(axis=0, ddof=1)
            told = [f"{mean} ± {sd:.2f}" for mean, sd in zip(told, spread, strict=True)]
        heading = f"{label}, n = {len(values)}" + ": mean ± SD" * (len(values) > 1)
        rows[heading] = told
    return pd.DataFrame(rows)
