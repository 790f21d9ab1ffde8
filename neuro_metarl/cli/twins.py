"""``neuro-metarl twin``."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_metarl.cli.power import numbers
from neuro_metarl.cli.text import Several, load, say
from neuro_metarl.errors import InputError
from neuro_metarl.files.spreadsheets import write_csv

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["twin"]

OUTPUTS = ("twins.nc", "twins.csv", "sessions.csv", "twins.json", "portraits.png", "portraits.svg")
FEW = 2000


def twin(
    cohort: str,
    *,
    out: Path = Path("twins"),
    units: Several = None,
    prior: str = "inner",
    folds: int = 5,
    reset: str = "session",
    pool: bool = False,
    columns: Several = None,
    codes: Several = None,
    sheet: str | None = None,
    task: str = "two-step-miller",
    jobs: int = 1,
    seed: int = 0,
    json: bool = False,
    overwrite: bool = False,
) -> None:
    """Fit to each subject a network of one to four units that chooses as it does.

    Example: neuro-metarl twin synthetic-rats --units 1 --prior 0 --folds 3 --out twins

    Example: neuro-metarl twin mice.csv --task bandit --columns choice=side reward=won

    Parameters
    ----------
    cohort
        A table (.csv, .tsv, .xlsx, .parquet, .json, .mat, hBayesDM's .txt), a folder of such, a
        cohort (.nc, .zarr), a published file (Miller's .mat and others) or a data set name.
    out
        Folder for twins.nc (the networks), twins.csv (a row per subject), sessions.csv (the
        left-out log-likelihood of each session), twins.json and, where one unit is enough for some
        subject, portraits.png and .svg.
    units
        Numbers of units that are tried, separated by spaces or commas; left-out sessions choose.
        Default 2.
    prior
        How many trials the animal's own cognitive model is worth as a prior: a number, 0 for none,
        or "inner": chosen within the training sessions.
    folds
        Folds of whole sessions that are left out.
    reset
        Memory starts anew with every session, problem, or subject.
    pool
        One network for all subjects, judged on subjects that were left out; needs --prior 0.
    columns
        Where a table has other names: ours=theirs, for example choice=side1
    codes
        Where a table has other codes: column:theirs=ours, for example choice:2=1
    sheet
        Sheet of a workbook that has several.
    task
        Of a table: two-step-miller, or any other name (bandit) for a task without second step.
    jobs
        Subjects that are fitted at the same time.
    seed
        Of starting points and pseudo-trials.
    json
        Print the results as JSON.
    overwrite
        Replace the results of an earlier run in the same folder. Files that are not ours, or that
        were changed since, are never replaced.
    """
    from neuro_metarl.files import one_run
    from neuro_metarl.twins import fit_twin

    tried = numbers("units", units) or [2]
    asked: Any = {"reset": reset}
    worth: Any = prior if prior == "inner" else _worth(prior)
    data = load(cohort, columns, codes, task=task, sheet=sheet)
    with one_run(out, OUTPUTS, overwrite=overwrite) as folder:
        found = fit_twin(
            data, n_units=tried, prior="none" if worth == 0 else "own-model", prior_trials=worth,
            folds=folds, pool=pool, n_jobs=jobs, seed=seed, progress=True, **asked,
        )  # fmt: skip
        files = _write(found, folder, cohort)
    if json:
        say(files["results"].read_text())
        return
    for line in _sentences(found):
        say(line)
    for label, path in files.items():
        say(f"{label}: {path}")
    _warn(found)


def _worth(prior: str) -> float:
    try:
        return float(prior)
    except ValueError:
        raise InputError(f"--prior is {prior!r}, expected a number of trials, or inner") from None


def subject_table(found: xr.Dataset) -> pd.DataFrame:
    """Lay out a row for each subject, with what was chosen for it.

    Parameters
    ----------
    found
        From ``fit_twin``.

    Returns
    -------
    pandas.DataFrame
    """
    import numpy as np
    import pandas as pd

    rows = []
    for name in found["subject"].values.tolist():
        one = found.sel(subject=name)
        best = one.sel(n_units=int(one["chosen"]))
        n = int(one["n_choices"])
        rows.append({
            "subject": name, "n_units": int(one["chosen"]), "n_choices": n,
            "prior_trials": float(best["prior_trials"]), "left_out_by": str(one["how"].values),
            "mean_likelihood": float(best["mean_likelihood"]),
            "own_mean_likelihood": float(one["own_mean_likelihood"]),
            "gain_nats": float(best["gain"]), "gain_se_nats": float(best["gain_se"]),
            "gain_millinats_per_choice": float(1000 * best["gain"] / n),
        })  # fmt: skip
    return pd.DataFrame(rows).replace({np.nan: None})


def _sentences(found: xr.Dataset) -> list[str]:
    lines = []
    for row in subject_table(found).to_dict("records"):
        units = f"{row['n_units']} unit{'s' if row['n_units'] > 1 else ''}"
        line = (
            f"{row['subject']}: {units}; a left-out choice has probability "
            f"{row['mean_likelihood']:.4f}"
        )
        if row["own_mean_likelihood"] is not None:
            line += (
                f", {row['own_mean_likelihood']:.4f} by {found.attrs['own_model']}: "
                f"{row['gain_nats']:+.1f} +- {row['gain_se_nats']:.1f} nats "
                f"(SE over {row['left_out_by']}s)"
            )
        lines.append(f"{line}; n = {row['n_choices']} choices.")
    return lines


def _warn(found: xr.Dataset) -> None:
    """Say what the data cannot tell."""
    for row in subject_table(found).to_dict("records"):
        if row["left_out_by"] == "block":
            print(  # noqa: T201
                f"warning: {row['subject']} has fewer sessions than folds: stretches of trials "
                "were left out, which flatters every model", file=sys.stderr,
            )  # fmt: skip
        if row["prior_trials"] and row["n_choices"] < FEW:
            print(  # noqa: T201
                f"warning: {row['subject']} has {row['n_choices']} choices; most of its twin is "
                f"the prior, {found.attrs['own_model']}", file=sys.stderr,
            )  # fmt: skip


def _write(found: xr.Dataset, folder: Path, source: str) -> dict[str, Path]:
    from neuro_metarl.files import write_files
    from neuro_metarl.storage.netcdf import write_netcdf

    table = subject_table(found)
    sessions = found[["held_out", "own_model", "n"]].to_dataframe().reset_index()
    result = {
        "made_by": {"data": source, **found.attrs},
        "sentences": _sentences(found),
        "twins": json_module.loads(table.to_json(orient="records")),
    }
    text = json_module.dumps(result, indent=1, default=str)
    writers: dict[str, tuple[str, Any]] = {
        "networks": ("twins.nc", lambda p: write_netcdf(found, p)),
        "subjects": ("twins.csv", lambda p: write_csv(table, p)),
        "sessions": ("sessions.csv", lambda p: write_csv(sessions, p)),
        "results": ("twins.json", lambda p: p.write_text(text)),
    }
    one = (found["chosen"] == 1).values
    if one.any():
        import matplotlib

        matplotlib.use("Agg")
        from neuro_metarl import plot
        from neuro_metarl.twins import phase_portrait

        figure = plot.phase_portrait(phase_portrait(found.isel(subject=one)))
        writers["portraits"] = ("portraits.png", lambda p: figure.savefig(p, dpi=200))
        writers["vector portraits"] = (
            "portraits.svg", lambda p: figure.savefig(p, metadata={"Date": None}),
        )  # fmt: skip
    return write_files(folder, writers)
