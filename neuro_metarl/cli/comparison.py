"""``neuro-metarl compare-to-rodent-data``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from neuro_metarl.cli.fits import check_models
from neuro_metarl.cli.results import (
    OUTPUTS,
    SIMULATED,
    say_json,
    say_text,
    sentences_of,
    write_results,
)
from neuro_metarl.cli.text import Several, binary_rewards, load, unsaid
from neuro_metarl.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["compare_to_rodent_data"]

USUAL = {"history": "session", "penalty": "firth"}


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
    sheet: str | None = None,
    models: Several = None,
    replicates: int | None = None,
    allow_task_mismatch: bool = False,
    selected: str = "none declared",
    assess: bool = True,
    seed: int = 0,
    out: Path = Path("comparison"),
    json: bool = False,
    overwrite: bool = False,
) -> None:
    """Put agents and animals side by side: two-step task, bandit of two arms, or learning sets.

    Example: neuro-metarl compare-to-rodent-data

    Example: neuro-metarl compare-to-rodent-data rats.csv --columns choice=side1 reward=won

    Example: neuro-metarl compare-to-rodent-data mice.csv --task bandit --columns choice=side

    Example: neuro-metarl compare-to-rodent-data ofc_physdata.mat --history published

    Parameters
    ----------
    data
        A table (.csv, .tsv, .xlsx, .parquet, .json, .mat), a folder of such, a cohort (.nc,
        .zarr), a published file (Miller's .mat and others) or a data set name. Default: the
        embedded synthetic rats (simulated) beside the values that were
        derived from real ones.
    agents
        A zoo name or a checkpoint folder. Default: two-step; bandit-restless where the animals
        played a bandit; harlow where they met problem after problem.
    task
        What the animals of a table played: a form of the two-step task, bandit, bandit-baited, or
        harlow (learning sets); and the form of the two-step task that the agents play. Default:
        what the file says, else two-step-miller.
    sessions
        Sessions of 300 trials that each agent plays; on learning sets problems, 300 or more.
    history
        Two-step only. session: lags stop at session boundaries, forced trials are never
        responses. published: Miller's own convention.
    penalty
        Two-step only. firth (finite and nearly unbiased for short subjects) or none (plain
        maximum likelihood).
    columns
        Where a table has other names: ours=theirs, for example choice=side1
    codes
        Where a table has other codes: column:theirs=ours, for example choice:2=1
    sheet
        Sheet of a workbook that has several.
    models
        Cognitive models fitted to agents and animals alike, separated by spaces or commas; default
        model_based, model_free, hybrid, mixture and latent_state, or on a bandit q_learning,
        q_forgetting, choice_kernel, q_differential_forgetting and reversal_hmm. "none": no fits.
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
    overwrite
        Replace the results of an earlier run in the same folder. Files that are not ours, or that
        were changed since, are never replaced.
    """
    from neuro_metarl.agents.zoo import load_agents
    from neuro_metarl.agents_and_animals import How, beside_animals, check_agents
    from neuro_metarl.comparison.table import summarize
    from neuro_metarl.files import one_run
    from neuro_metarl.paradigms.registry import paradigm_for, paradigm_of
    from neuro_metarl.words import source_of

    if replicates is not None and replicates < 1:
        raise InputError(f"--replicates is {replicates}, expected 1 or more")
    wanted = None if models is None else [] if models == ["none"] else check_models(models)
    form = task or "two-step-miller"
    usual = paradigm_for(form)
    fitted = wanted if wanted is not None else list(usual.fitted) if usual else []
    animals = load(data, columns, codes, form, sheet=sheet, rewards=binary_rewards(fitted))
    kind = paradigm_of(animals)
    settings = {
        "data": data or "synthetic-rats", "agents": agents or kind.agents, "selected": selected,
        "replicates": replicates, "allow_task_mismatch": allow_task_mismatch, "seed": seed,
        "task": task, "sessions": sessions, "history": history, "penalty": penalty,
        "assess": assess,
    }  # fmt: skip
    networks = load_agents(str(settings["agents"]))
    said = {"history": history, "penalty": penalty}
    options = {name: value for name, value in said.items() if value != USUAL[name]}
    how = How(
        task=task, n_sessions=sessions, options=options,
        models=None if wanted is None else tuple(wanted), n_replicates=replicates,
        allow_mismatch=allow_task_mismatch, assess=assess, seed=seed, progress=True,
    )  # fmt: skip
    yoked = check_agents(networks, animals, kind, how, name=str(settings["data"]))
    with one_run(out, OUTPUTS, overwrite=overwrite) as folder:
        found = beside_animals(
            networks, animals, how, label=source_of(animals), paradigm=kind, sessions=yoked
        )
        if settings["data"] == "synthetic-rats" and not options:
            found = replace(found, comparison=_with_reference(found.comparison))
        played = found.cohorts["agents"].attrs
        found.comparison.attrs = {
            "agents": f"{settings['agents']} on {played.get('played', played['task'])}",
            "data": settings["data"],
            "reference": "",
        } | found.comparison.attrs
        summary = summarize(found.comparison)
        told = sentences_of(found, animals, settings)
        files = write_results(found, animals, settings, folder)
    notes = [SIMULATED] * ("synthetic" in animals.attrs) + unsaid(animals)
    (say_json if json else say_text)(found, summary, files, told, notes)


def _with_reference(result: xr.Dataset) -> xr.Dataset:
    """Put the values of six real rats under the comparison."""
    from neuro_metarl.comparison.measures import join_comparisons
    from neuro_metarl.comparison.table import from_table
    from neuro_metarl.datasets.loading import load_reference

    table = load_reference()
    reference = from_table(table.assign(source="real rats (reference values)"))
    joined = join_comparisons([result, reference])
    return joined.assign_attrs(result.attrs | {"reference": str(table.attrs["citation"])})
