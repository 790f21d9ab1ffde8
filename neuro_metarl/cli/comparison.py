"""``neuro-metarl compare-to-rodent-data``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from neuro_metarl.cli.bandits import FITTED as ON_BANDITS
from neuro_metarl.cli.bandits import compare_on_bandit
from neuro_metarl.cli.fits import check_models
from neuro_metarl.cli.learning_sets import compare_on_learning_set
from neuro_metarl.cli.text import Several, binary_rewards, load
from neuro_metarl.cli.two_step import FITTED as ON_TWO_STEP
from neuro_metarl.cli.two_step import compare_on_two_step
from neuro_metarl.errors import InputError

__all__ = ["compare_to_rodent_data"]


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
) -> None:
    """Put agents and animals side by side: two-step task, bandit of two arms, or learning sets.

    Example: neuro-metarl compare-to-rodent-data

    Example: neuro-metarl compare-to-rodent-data rats.csv --columns choice=side1 reward=won

    Example: neuro-metarl compare-to-rodent-data mice.csv --task bandit --columns choice=side

    Example: neuro-metarl compare-to-rodent-data ofc_physdata.mat --history published

    Parameters
    ----------
    data
        A file (.mat of Miller's rats, .csv, .tsv, .xlsx, .parquet, .nc, .zarr) or a data set
        name. Default: the embedded synthetic rats (simulated) beside the values that were
        derived from real ones.
    agents
        A zoo name or a checkpoint folder. Default: two-step; bandit-restless where the animals
        played a bandit; harlow where they met problem after problem. Options that are about the
        two-step task do nothing on other tasks.
    task
        What the animals of a table played: a form of the two-step task, bandit, bandit-baited, or
        harlow (learning sets); and the form of the two-step task that the agents play. Default:
        what the file says, else two-step-miller.
    sessions
        Sessions of 300 trials that each agent plays; on learning sets problems, 300 or more.
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
    """
    from neuro_metarl.cohort import kind_of_task

    if replicates is not None and replicates < 1:
        raise InputError(f"--replicates is {replicates}, expected 1 or more")
    wanted = None if models is None else [] if models == ["none"] else check_models(models)
    fitted = usual_models(task) if wanted is None else wanted
    animals = load(
        data, columns, codes, task or "two-step-miller", sheet=sheet,
        rewards=binary_rewards(fitted),
    )  # fmt: skip
    settings = {
        "data": data, "agents": agents, "selected": selected, "replicates": replicates,
        "allow_task_mismatch": allow_task_mismatch, "seed": seed, "task": task,
        "sessions": sessions, "history": history, "penalty": penalty,
    }  # fmt: skip
    how = {"assess": assess, "as_json": json}
    kind, played = kind_of_task(animals), str(animals.attrs["task"])
    if kind == "bandit" and "problem" in animals and not played.startswith("bandit"):
        kind = "learning-set"
    if kind in ("two-step", "two-step-human"):
        compare_on_two_step(animals, settings, wanted, out, **how)
    elif kind == "learning-set":
        compare_on_learning_set(animals, settings, out, **how)
    elif kind == "bandit":
        compare_on_bandit(animals, settings, wanted, out, **how)
    else:
        raise InputError(
            f"animals on the kind {kind!r} (task {played!r}) have no comparison here; expected a "
            "two-step task, a bandit or learning sets"
        )


def usual_models(task: str | None) -> list[str]:
    """Name the models that are fitted where none is asked for; learning sets have none."""
    if task is not None and task.startswith("harlow"):
        return []
    two_step = task is None or task.startswith("two-step")
    return list(ON_TWO_STEP if two_step else ON_BANDITS)
