"""``neuro-metarl compare-to-rodent-data`` where the animals played a bandit of two arms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_metarl.cli.assessments import (
    assess_animals,
    fit_source,
    fitted_rows,
    noun_of,
    profile_means,
    profile_table,
    say_results,
    write_fits,
)
from neuro_metarl.cli.fits import show_models
from neuro_metarl.cli.text import say

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["compare_on_bandit"]

FITTED = (
    "q_learning", "q_forgetting", "choice_kernel", "q_differential_forgetting", "reversal_hmm"
)  # fmt: skip


def compare_on_bandit(
    animals: xr.Dataset,
    settings: dict[str, Any],
    models: list[str] | None,
    out: Path,
    *,
    assess: bool,
    as_json: bool,
) -> None:
    """Let agents play the animals' own sessions; measure, fit and place both alike."""
    from neuro_metarl.agents.zoo import load_agents
    from neuro_metarl.behavior.profile import bandit_profile
    from neuro_metarl.files import writable_directory, write_files
    from neuro_metarl.yoking import check_playable, record_yoked

    settings = settings | {"agents": settings["agents"] or "bandit-restless"}
    agents, seed = load_agents(settings["agents"]), settings["seed"]
    check_playable(agents, animals)
    folder = writable_directory(out)
    played = record_yoked(agents, animals, n_replicates=1, seed=seed, progress=True)
    noun = noun_of(animals)
    cohorts = {"agents": played, "animals": animals}
    profiles = {source: bandit_profile(cohort) for source, cohort in cohorts.items()}
    table = profile_table(profiles)
    writers = {"table": ("comparison.csv", lambda p: table.to_csv(p, index=False))}
    files = write_files(folder, writers)
    wanted = list(FITTED) if models is None else models
    fits = {s: fit_source(s, one, wanted, seed) for s, one in cohorts.items() if wanted}
    files |= write_fits(fits, folder)
    told: list[str] = []
    if assess:
        told, more = assess_animals(agents, animals, settings, fits, folder)
        files = more | files
    if as_json:
        say(
            json.dumps(
                {
                    "sentences": told,
                    "summary": json.loads(table.to_json(orient="records")),
                    "fits": fitted_rows(fits),
                    "files": {label: str(path) for label, path in files.items()},
                },
                indent=1,
            )
        )
        return
    say(profile_means(profiles, noun).to_string(index=False))
    for source, (_, models_of) in fits.items():
        show_models(models_of, f"models fitted to {source}, n = {models_of.sizes['subject']}")
    say_results(told, files)
