"""``neuro-metarl fit``."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_metarl.cli.text import Several, binary_rewards, load, say
from neuro_metarl.errors import InputError
from neuro_metarl.files.spreadsheets import write_csv

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["check_models", "fit", "show_models"]

HEADS = {
    "model": "model",
    "free parameters": "para-\nmeters",
    "mean probability of a response": "probability\nof a choice",
    "log evidence below the best": "evidence\nbelow\nthe best",
    "sum of BIC above the best": "BIC\nabove\nthe best",
    "subjects best": "best\nin",
    "with a problem": "with a\nproblem",
    "protected exceedance": "protected\nexceed-\nance",
    "misfit": "mis-\nfit",
}
OUTPUTS = (
    "parameters.csv", "models.csv", "group.csv", "predictive.csv", "fits.json", "fits.png",
    "fits.svg", "predictive.png",
)  # fmt: skip


def fit(
    cohort: str,
    *,
    out: Path = Path("fits"),
    models: Several = None,
    columns: Several = None,
    codes: Several = None,
    sheet: str | None = None,
    task: str = "two-step-miller",
    starts: int = 5,
    folds: int = 0,
    group: bool = False,
    check: bool = False,
    jobs: int = 1,
    seed: int = 0,
    json: bool = False,
    overwrite: bool = False,
) -> None:
    """Fit cognitive models to each subject, and say which explains the choices.

    Example: neuro-metarl fit synthetic-rats --models hybrid latent_state mixture_2017 --out fits

    Example: neuro-metarl fit mice.csv --task bandit --columns choice=side reward=won

    Parameters
    ----------
    cohort
        A table (.csv, .tsv, .xlsx, .parquet, .json, .mat, hBayesDM's .txt), a folder of such, a
        cohort (.nc, .zarr), a published file (Miller's .mat and others) or a data set name.
    out
        Folder for parameters.csv, models.csv, fits.json, fits.png and fits.svg.
    models
        Names, separated by spaces or commas; default: the usual candidates of the task, with
        latent-state inference among them. Null models, which know nothing of outcomes, always
        stand beside them. A wrong name lists all.
    columns
        Where a table has other names: ours=theirs, for example choice=side1
    codes
        Where a table has other codes: column:theirs=ours, for example choice:2=1
    sheet
        Sheet of a workbook that has several.
    task
        Of a table: two-step-miller, or any other name (bandit) for a task without second step.
    starts
        Starting points of each fit.
    folds
        Also predict left-out sessions, in so many folds: is what was learned better than a null
        model? (The best model goes by the evidence.)
    group
        Also fit the group as a hierarchy (group.csv).
    check
        Also let the three best models play each subject's own sessions, and measure them beside
        the data: stay probabilities and lag weights (predictive.csv, .png); two-step only.
    jobs
        Processes.
    seed
        Of starting points.
    json
        Print the results as JSON.
    overwrite
        Replace the results of an earlier run in the same folder. Files that are not ours, or that
        were changed since, are never replaced.
    """
    from neuro_metarl.files import one_run
    from neuro_metarl.models.fitting import choose_models, fit_models, with_nulls
    from neuro_metarl.models.misfit import misfit_of
    from neuro_metarl.models.selection import (
        better_than_null,
        compare_models,
        cross_validate,
        fit_table,
    )
    from neuro_metarl.words import noun_of

    names = check_models(models)
    data = load(cohort, columns, codes, task=task, sheet=sheet, rewards=binary_rewards(names))
    chosen = choose_models(data, with_nulls(names) if names else None)
    if starts < 1:
        raise InputError(f"n_starts is {starts}, expected 1 or more")
    lacking = [name for name in ("common", "p_reward") if check and name not in data]
    if lacking:
        raise InputError(f"--check needs {lacking[0]!r}, which {cohort} lacks; leave --check out")
    with one_run(out, OUTPUTS, overwrite=overwrite) as folder:
        fits = fit_models(data, chosen, n_starts=starts, seed=seed, n_jobs=jobs, progress=True)
        table = compare_models(fits, seed=seed)
        table["misfit"] = misfit_of(data, fits)
        if folds:
            held_out = cross_validate(data, list(fits), n_folds=folds, seed=seed, progress=True)
            table["held_out_likelihood"] = held_out.mean_likelihood
            table["held_out_gain"] = better_than_null(table, held_out)
        groups = _groups(data, list(fits)) if group else None
        made_by = {"data": cohort, "seed": seed}
        files = _write(fit_table(fits), table, groups, folder, made_by, noun_of(data))
        if check:
            files |= _check(data, fits, table, folder, seed)
    if json:
        say(files["results"].read_text())
        return
    show_models(table, noun=noun_of(data))
    _warn(fits)
    for label, path in files.items():
        say(f"{label}: {path}")


def _warn(fits: dict[str, xr.Dataset]) -> None:
    """Say what the data cannot tell."""
    for name, one in fits.items():
        for trouble, who in one.subject.groupby(one.problem):
            if trouble:
                subjects = ", ".join(map(str, who.values))
                print(f"warning: {name}, subject {subjects}: {trouble}", file=sys.stderr)  # noqa: T201


def show_models(table: xr.Dataset, title: str = "", *, noun: str = "subject") -> None:
    """Print models by their summed evidence, and in words who wins, if anybody does."""
    from rich.console import Console
    from rich.table import Table

    from neuro_metarl.report import model_sentences, model_table

    n = table.sizes["subject"]
    shown = Table(title=title or f"models, n = {n} subjects", title_justify="left")
    rows = model_table(table).drop(columns="family")
    for k, name in enumerate(rows.columns):
        shown.add_column(HEADS[name], no_wrap=k == 0, justify="left" if k == 0 else "right")
    for row in rows.astype(str).itertuples(index=False, name=None):
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 110).print(shown)
    families = ", ".join(
        f"{name} {float(p):.2f}"
        for name, p in zip(
            table.family_name.values, table.family_protected_exceedance.values, strict=True
        )
    )
    say(f"Protected exceedance of families: {families}.")
    for sentence in model_sentences(table, noun=noun):
        say(sentence)


def _groups(data: xr.Dataset, names: list[str]) -> Any:
    import pandas as pd

    from neuro_metarl.models.hierarchy import fit_hierarchical, integrated_bic

    rows = []
    for name in names:
        one = fit_hierarchical(data, name, progress=True)
        frame = one[["mean", "sd", "standard_error", "median"]].to_dataframe().reset_index()
        frame.insert(0, "model", name)
        rows.append(frame.assign(integrated_bic=integrated_bic(data, one)))
    return pd.concat(rows, ignore_index=True)


def _write(
    parameters: Any,
    table: xr.Dataset,
    groups: Any,
    folder: Path,
    made_by: dict[str, Any],
    noun: str,
) -> dict[str, Path]:
    import matplotlib

    matplotlib.use("Agg")
    from importlib.metadata import version

    from neuro_metarl import plot
    from neuro_metarl.files import write_files
    from neuro_metarl.report import model_sentences

    per_subject = (
        table.drop_dims("family_name").drop_vars("assignment").to_dataframe().reset_index()
    )
    result = {
        "made_by": made_by | {"version": version("neuro_metarl"), **table.attrs},
        "sentences": model_sentences(table, noun=noun),
        "families": {
            str(name): float(p) for name, p in table.family_protected_exceedance.to_series().items()
        },
        "models": json_module.loads(per_subject.to_json(orient="records")),
        "parameters": json_module.loads(parameters.to_json(orient="records")),
    }
    figure = plot.model_comparison(table)
    writers: dict[str, tuple[str, Any]] = {
        "parameters": ("parameters.csv", lambda p: write_csv(parameters, p)),
        "models": ("models.csv", lambda p: write_csv(per_subject, p)),
        "results": ("fits.json", lambda p: p.write_text(json_module.dumps(result, indent=1))),
        "figure": ("fits.png", lambda p: figure.savefig(p, dpi=200)),
        "vector figure": ("fits.svg", lambda p: figure.savefig(p, metadata={"Date": None})),
    }
    if groups is not None:
        writers["group"] = ("group.csv", lambda p: write_csv(groups, p))
    return write_files(folder, writers)


def _check(
    data: xr.Dataset, fits: dict[str, xr.Dataset], table: xr.Dataset, folder: Path, seed: int
) -> dict[str, Path]:
    """Measure what the best models would have done on the same sessions."""
    from neuro_metarl import plot
    from neuro_metarl.comparison.measures import compare
    from neuro_metarl.comparison.table import to_table
    from neuro_metarl.files import write_files
    from neuro_metarl.models.recovery import predict

    evidence = table["log_evidence"].sum("subject")
    best = table["model"].values[(-evidence).argsort().values][:3]
    played = {str(name): predict(data, fits[str(name)], seed=seed) for name in best}
    result = compare({"data": data} | played, seed=seed, progress=True)
    figure = plot.comparison(result)
    writers = {
        "predictive check": (
            "predictive.csv", lambda p: write_csv(to_table(result), p)
        ),
        "predictive figure": ("predictive.png", lambda p: figure.savefig(p, dpi=200)),
    }  # fmt: skip
    return write_files(folder, writers)


def check_models(names: list[str] | None) -> list[str]:
    """Split names at commas and refuse unknown ones before anything is done."""
    from neuro_metarl.models.model import find_model

    found = [n for item in names or [] for n in item.split(",") if n]
    for name in found:
        find_model(name)
    if names and not found:
        raise InputError("--models: no names")
    return found
