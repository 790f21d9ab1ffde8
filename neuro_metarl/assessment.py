"""Assess how animal-like agents are: behavior on the animals' own sessions, and prediction.

One function brings together what :mod:`neuro_metarl.behavior.profiles`,
:mod:`neuro_metarl.comparison.cloud` and :mod:`neuro_metarl.comparison.prediction` measure, with the
controls that every such claim needs: animals whose trials were shuffled (must lie outside), models
fitted to the animals themselves (must lie inside), pure agents, and networks that never learned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.agents.calibrated import Calibration
from neuro_metarl.agents.zoo import Agents, untrained
from neuro_metarl.cohort import concat_cohorts, select_subjects, subjects_of, validate_cohort
from neuro_metarl.comparison.cloud import ALPHA, LEAST_ANIMALS, leave_one_out, place
from neuro_metarl.comparison.groups import compare_groups
from neuro_metarl.comparison.prediction import model_log_odds, predict_animals
from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import fit, planted_values
from neuro_metarl.models.recovery import simulate_design
from neuro_metarl.paradigms.paradigm import Paradigm
from neuro_metarl.paradigms.registry import paradigm_of
from neuro_metarl.stats import holm
from neuro_metarl.yoking import check_playable, record_yoked, replay, sessions_for
from neuro_metarl.yoking.sessions import Sessions

__all__ = ["assess", "assess_profiles", "shuffle_trials"]

ENOUGH_TRIALS, FEW_TRIALS = 20_000, 1000


def assess(
    agents: Agents,
    animals: xr.Dataset,
    *,
    paradigm: Paradigm | None = None,
    n_replicates: int | None = None,
    allow_mismatch: bool = False,
    sessions: Sessions | None = None,
    n_bootstrap: int = 2000,
    seed: int = 0,
    progress: bool = False,
) -> xr.DataTree:
    """Assess agents against animals of a two-step task, or of a bandit with two arms.

    Parameters
    ----------
    agents
        Trained networks; each is a subject.
    animals
        Cohort of at least four animals. Without ``state`` it is a bandit, and needs ``p_reward``.
    paradigm
        Kind of experiment; default: the one that holds the animals, see
        :func:`neuro_metarl.paradigms.paradigm_of`.
    n_replicates
        Times that each agent plays each animal's sessions; default: until it has played 20,000
        trials, at most five times.
    allow_mismatch
        See :func:`neuro_metarl.yoking.record_yoked`.
    sessions
        What :func:`neuro_metarl.yoking.sessions_for` gave for these animals; default: they are
        read, once.
    n_bootstrap, seed
        Of the reference; the seed also of sessions, fits and controls.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.DataTree
        ``profiles/animals``, ``profiles/agents``, ``profiles/calibrated`` (see
        :func:`neuro_metarl.behavior.profiles.profile`); ``animals`` (each against the others),
        ``agents``, ``calibrated``, ``controls/<name>`` and, where some animals have fewer than
        1,000 free trials, ``agents_among_long``, the agents among the others (see
        :func:`neuro_metarl.comparison.cloud.place`); ``prediction`` and
        ``control_prediction/<name>`` (see
        :func:`neuro_metarl.comparison.prediction.predict_animals`). ``agents`` and ``prediction``
        also have ``p_corrected``, Holm's over the two tests of a subject. With two agents or more
        ``groups``, Welch's test over subjects (see
        :func:`neuro_metarl.comparison.groups.compare_groups`). Attributes say what made it, and
        ``skipped`` which controls could not be made and why.

    Raises
    ------
    InputError
        Fewer than four animals, agents of another task, another transition probability.

    Examples
    --------
    >>> from neuro_metarl import load_agents, load_dataset
    >>> tree = assess(load_agents("two-step/0"), load_dataset("synthetic-rats"), n_replicates=1,
    ...               n_bootstrap=100)
    >>> tree["agents"]["most_unlike"].values.tolist()
    ['planning_lags_2_5']
    """
    validate_cohort(animals)
    kind = paradigm or paradigm_of(animals)
    names = subjects_of(animals)
    if len(names) < LEAST_ANIMALS:
        raise InputError(
            f"{len(names)} animals; an assessment needs at least {LEAST_ANIMALS}: with fewer, "
            "describe them (compare)"
        )
    if not kind.yoked and kind.sessions:
        check_playable(agents, animals, allow_mismatch=allow_mismatch, kind=kind.sessions)
    if not kind.yoked or kind.own_model is None:
        raise InputError(
            f"animals on a {kind.name} (task {animals.attrs['task']!r}) are not assessed by agents "
            "that play their sessions; measure agents and animals alike (for example by "
            "learning_set_profile) and take assess_profiles"
        )
    if sessions is None:
        sessions = sessions_for(agents, animals, allow_mismatch=allow_mismatch, kind=kind.sessions)
    if n_replicates is None:
        n_trials = int((animals["valid"] == 1).sum())
        n_replicates = int(np.clip(-(-ENOUGH_TRIALS // n_trials), 1, 5))
    options: dict[str, Any] = {"n_bootstrap": n_bootstrap, "seed": seed}
    cloud = kind.measure(animals)
    groups: dict[str, xr.Dataset] = {"profiles/animals": cloud}
    groups["animals"] = leave_one_out(cloud, progress=progress, **options)
    predicted, control_predictions = _predictions(agents, animals, kind, sessions, seed, progress)
    yoking: dict[str, Any] = {
        "sessions": sessions, "n_replicates": n_replicates, "allow_mismatch": allow_mismatch,
        "seed": seed, "progress": progress,
    }  # fmt: skip
    calibrations = {"agents": None, "calibrated": _typical(predicted)}
    for name, calibration in calibrations.items():
        played = record_yoked(agents, animals, calibration=calibration, **yoking)
        groups[f"profiles/{name}"] = kind.measure(played)
        groups[name] = place(groups[f"profiles/{name}"], cloud, **options)
    many = cloud.isel(subject=(cloud["n"] >= FEW_TRIALS).values)
    if LEAST_ANIMALS <= many.sizes["subject"] < len(names):
        groups["agents_among_long"] = place(groups["profiles/agents"], many, **options)
    both = np.stack([groups["agents"]["p_max"].values, predicted["p"].values])
    corrected = np.apply_along_axis(holm, 0, both)
    groups["agents"]["p_corrected"] = ("subject", corrected[0])
    groups["agents"]["outside"] &= groups["agents"]["p_corrected"] < ALPHA
    predicted["p_corrected"] = ("subject", corrected[1])
    groups["prediction"] = predicted
    if len(agents) > 1:
        groups["groups"] = compare_groups(groups["profiles/agents"], cloud)
    made, skipped = _controls(agents, animals, kind, cloud, sessions, options, progress)
    tree = xr.DataTree.from_dict(groups | made | control_predictions)
    tree.attrs = _made_by(agents, names, n_replicates, options) | {
        "paradigm": kind.name,
        "calibration": json.dumps(vars(calibrations["calibrated"])),
        "skipped": "; ".join(skipped),
    }
    return tree


def assess_profiles(
    agents: xr.Dataset,
    animals: xr.Dataset,
    *,
    controls: Mapping[str, xr.Dataset] | None = None,
    n_bootstrap: int = 2000,
    seed: int = 0,
    progress: bool = False,
) -> xr.DataTree:
    """Assess agents among animals on any set of signatures.

    Parameters
    ----------
    agents, animals
        Profiles of the same measures, from ``profile``, ``bandit_profile`` or
        ``learning_set_profile``; at least four animals.
    controls
        Name to the profile of subjects whose place is known.
    n_bootstrap, seed
        Of the reference.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.DataTree
        ``profiles/animals``, ``profiles/agents``; ``animals`` (each against the others),
        ``agents``, ``controls/<name>`` (see :func:`neuro_metarl.comparison.cloud.place`), and
        with two agents or more ``groups``, Welch's test over subjects (see
        :func:`neuro_metarl.comparison.groups.compare_groups`).

    Raises
    ------
    InputError
        Fewer than four animals, other measures, or one that does not vary.

    Examples
    --------
    >>> from neuro_metarl import load_dataset, profile
    >>> table = profile(load_dataset("synthetic-rats"))
    >>> tree = assess_profiles(table.isel(subject=[0, 1]), table.isel(subject=slice(2, 6)),
    ...                        n_bootstrap=100)
    >>> tree["agents"].sizes["measure"], tree["groups"].sizes["measure"]
    (8, 8)
    """
    if agents["measure"].values.tolist() != animals["measure"].values.tolist():
        raise InputError("agents and animals have other signatures; measure both alike")
    kinds = [str(table.attrs.get("paradigm", "")) for table in (agents, animals)]
    if all(kinds) and kinds[0] != kinds[1]:
        raise InputError(
            f"agents were measured on a {kinds[0]} and animals on a {kinds[1]}; measure both alike"
        )
    options: dict[str, Any] = {"n_bootstrap": n_bootstrap, "seed": seed}
    groups = {
        "profiles/animals": animals,
        "animals": leave_one_out(animals, progress=progress, **options),
        "profiles/agents": agents,
        "agents": place(agents, animals, progress=progress, **options),
    }
    groups["agents"]["p_corrected"] = groups["agents"]["p_max"]
    if agents.sizes["subject"] > 1:
        groups["groups"] = compare_groups(agents, animals)
    for name, table in (controls or {}).items():
        groups[f"controls/{name}"] = place(table, animals, **options)
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {
        "paradigm": kinds[0] or kinds[1],
        "agents": ", ".join(map(str, agents["subject"].values)),
        "animals": ", ".join(map(str, animals["subject"].values)),
        "n_bootstrap": n_bootstrap,
        "seed": seed,
        "skipped": "",
        "created_by": f"neuro_metarl {version('neuro_metarl')} assess_profiles",
    }
    return tree


def _made_by(
    agents: Agents, names: list[str], n_replicates: int, options: dict[str, Any]
) -> dict[str, Any]:
    return {
        "agents": ", ".join(agents.names),
        "trained_on": agents.task.config,
        "animals": ", ".join(names),
        "n_replicates": n_replicates,
        **options,
        "created_by": f"neuro_metarl {version('neuro_metarl')} assess",
    }


def shuffle_trials(cohort: xr.Dataset, *, seed: int = 0) -> xr.Dataset:
    """Permute the valid trials of each session: what is left has no memory.

    Parameters
    ----------
    cohort
        Dims session, trial.
    seed
        Of the permutations.

    Returns
    -------
    xarray.Dataset
        The same trials in another order; subjects are called "shuffled <name>".

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> shuffled = shuffle_trials(rats)
    >>> float(shuffled.reward.sum()) == float(rats.reward.sum())
    True
    """
    rng = np.random.default_rng(seed)
    valid = cohort["valid"].transpose("session", "trial").values == 1
    order = np.tile(np.arange(valid.shape[1]), (len(valid), 1))
    for session, there in zip(order, valid, strict=True):
        session[there] = rng.permutation(np.flatnonzero(there))
    pick = xr.DataArray(order, dims=("session", "trial"))
    moved = {
        name: variable.isel(trial=pick, session=xr.DataArray(np.arange(len(valid)), dims="session"))
        for name, variable in cohort.data_vars.items()
        if "trial" in variable.dims
    }
    result = cohort.assign({k: v.drop_vars("trial", errors="ignore") for k, v in moved.items()})
    return result.assign_coords(
        subject=("session", [f"shuffled {s}" for s in cohort["subject"].values])
    )


def _typical(predicted: xr.Dataset) -> Calibration:
    """Average over animals and agents; a side bias has no typical sign and is left out."""
    mean = predicted["calibration"].mean(("subject", "animal"))
    return Calibration(
        scale=max(0.02, float(mean.sel(term="scale"))),
        perseveration=float(mean.sel(term="perseveration")),
    )


def _predictions(
    agents: Agents,
    animals: xr.Dataset,
    kind: Paradigm,
    sessions: Sessions,
    seed: int,
    progress: bool,
) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """Predict the animals by the agents and by every control at once: they share the fits."""
    fresh, models = untrained(agents, seed=seed), kind.controls
    odds = [
        replay(agents, animals, sessions=sessions, seed=seed, progress=progress),
        replay(fresh, animals, sessions=sessions, seed=seed),
        *(model_log_odds(animals, one.model, {k: one.values}) for k, one in models.items()),
    ]
    joined = xr.concat([o.reset_coords(drop=True) for o in odds], dim="subject")
    joined = joined.transpose("subject", "session", "trial")
    found = predict_animals(animals, joined, model=kind.own_model, seed=seed, progress=progress)
    controls = {"untrained network": list(fresh.names)} | {label: [label] for label in models}
    return found.sel(subject=list(agents.names)), {
        f"control_prediction/{label}": found.sel(subject=names) for label, names in controls.items()
    }


def _controls(
    agents: Agents,
    animals: xr.Dataset,
    kind: Paradigm,
    cloud: xr.Dataset,
    sessions: Sessions,
    options: dict[str, Any],
    progress: bool,
) -> tuple[dict[str, xr.Dataset], list[str]]:
    seed, skipped = options["seed"], []
    played = {"shuffled": shuffle_trials(animals, seed=seed)}
    fresh = untrained(agents, seed=seed)
    played["untrained network"] = record_yoked(
        fresh, animals, n_replicates=1, allow_mismatch=True, sessions=sessions, seed=seed
    )
    names = subjects_of(animals)
    if "p_reward" in animals:
        own = str(kind.own_model)
        fitted = planted_values(fit(animals, own, seed=seed, progress=progress))
        played[f"fitted {own.replace('_', ' ')}"] = _simulated(animals, own, fitted, seed)
        for label, control in kind.controls.items():
            each = {name: dict(control.values) for name in names}
            played[label] = _simulated(animals, control.model, each, seed)
    else:
        skipped.append("models on the animals' sessions: the cohort has no p_reward")
    groups = {f"controls/{k}": place(kind.measure(v), cloud, **options) for k, v in played.items()}
    return groups, skipped


def _simulated(
    animals: xr.Dataset, model: str, values: dict[str, dict[str, float]], seed: int
) -> xr.Dataset:
    """One simulated subject for each animal, on that animal's own sessions."""
    parts = []
    for k, (name, given) in enumerate(values.items()):
        design = select_subjects(animals, name)
        parts.append(simulate_design(design, model, {f"{model} {name}": given}, seed=seed + k))
    return concat_cohorts(parts)
