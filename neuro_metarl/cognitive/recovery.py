"""Trust: simulate subjects whose truth is known on a cohort's own design, and fit them.

The design of a cohort is what did not depend on the subject: the sessions and their lengths, the
nominal reward probabilities, the transition probability, the trials on which the choice was
imposed. A simulated subject plays that design anew: outcomes are drawn again from the
probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cognitive.fitting import fit, planted_values
from neuro_metarl.cognitive.likelihood import log_odds
from neuro_metarl.cognitive.models import Model, Planted, find_model, find_models
from neuro_metarl.cognitive.requirements import check_cohort, check_needs, reward_levels
from neuro_metarl.cognitive.simulation import Outcomes, simulate_stretches
from neuro_metarl.cognitive.trials import borders_of, known_values, trials_of
from neuro_metarl.cohort import concat_cohorts, make_cohort, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.progress import progress_bar

__all__ = [
    "confusion",
    "normalized_weights",
    "predict",
    "recover",
    "simulate_design",
    "typical_subjects",
]

# SD, on the real line, of the subjects that are made up around the models' defaults
SPREAD = {"unit": 1.0, "lower_half": 0.7, "upper_half": 0.7, "positive": 0.4, "real": 0.7}


def simulate_design(
    design: xr.Dataset,
    model: str | Model,
    values: Mapping[str, Mapping[str, float]],
    *,
    seed: int = 0,
    across_problems: bool = False,
) -> xr.Dataset:
    """Let subjects with given parameters play a cohort's design.

    Parameters
    ----------
    design
        Cohort with ``p_reward``; each of its subjects lends its sessions.
    model
        Model or its name.
    values
        New subject to its parameters; the new subjects take the sessions of the design's
        subjects in turn. What is not given is taken from the task, else is the default.
    seed
        Of outcomes and choices.
    across_problems
        Memory runs on where the number of the ``problem`` changes within a session.

    Returns
    -------
    xarray.Dataset
        A cohort, source "model". Invalid trials stay invalid, imposed choices stay imposed, and
        where the design's arms are baited (task ``"bandit-baited"``), so are these. Where the
        design's rewards have two values other than 0 and 1, so have these.

    Raises
    ------
    InputError
        The design has no ``p_reward``, or not of as many options as the model has; its rewards have
        more than two values; or the values are not the model's.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> played = simulate_design(load_dataset("synthetic-rats"), "model_based",
    ...                          {"a": {"learning_rate": 0.5}, "b": {}}, seed=1)
    >>> subjects_of(played)
    ['a', 'b']
    """
    chosen = find_model(model)
    check_needs(check_cohort(design), chosen)
    if "p_reward" not in design:
        raise InputError(
            "the cohort has no 'p_reward' (the nominal reward probability of each option on each "
            "trial), without which outcomes cannot be drawn anew"
        )
    if not values:
        raise InputError("no subjects to simulate")
    lenders = subjects_of(design)
    known = known_values(design, chosen)
    rows, names, theta = [], [], []
    for k, (name, given) in enumerate(values.items()):
        mine = np.flatnonzero(design["subject"].values == lenders[k % len(lenders)])
        mine_and_known: Any = {**known, **given}
        full = chosen.planted(**mine_and_known).values
        rows.append(mine)
        names += [name] * len(mine)
        theta += [list(full.values())] * len(mine)
    taken = np.concatenate(rows)
    table = dict(zip(chosen.parameter_map, np.array(theta).T, strict=True))
    rng = np.random.default_rng(seed)
    outcomes = _draw(design.isel(session=taken), chosen, rng)
    borders = borders_of(design, across_problems)[taken]
    player = Planted(chosen, table, chosen.name)
    played = simulate_stretches(player, outcomes, borders, rng=rng)
    return _as_cohort(design.isel(session=taken), chosen, played, outcomes, names)


def predict(
    cohort: xr.Dataset,
    fit: xr.Dataset,
    *,
    model: str | Model | None = None,
    n: int = 1,
    seed: int = 0,
) -> xr.Dataset:
    """Let the fitted model play each subject's own sessions: a posterior predictive cohort.

    Parameters
    ----------
    cohort
        What was fitted; with ``p_reward``.
    fit
        What :func:`neuro_metarl.cognitive.fitting.fit` gave.
    model
        The model, if it is not one of the package.
    n
        Times that each subject plays.
    seed
        Of outcomes and choices.

    Returns
    -------
    xarray.Dataset
        A cohort with the same subjects: measure it as the data are measured.

    Raises
    ------
    InputError
        See :func:`simulate_design`.

    Examples
    --------
    >>> from neuro_metarl import fit, load_dataset, stay_probability
    >>> rats = load_dataset("synthetic-rats")
    >>> simulated = predict(rats, fit(rats, "mixture"))
    >>> gap = stay_probability(simulated).stay_probability - stay_probability(rats).stay_probability
    >>> bool(abs(gap.sel(statistic="value")).mean() < 0.06)
    True
    """
    chosen = find_model(model or fit.attrs["model"])
    values = planted_values(fit, chosen)
    across = bool(fit.attrs.get("across_problems", False))
    parts = [
        simulate_design(cohort, chosen, values, seed=seed + k, across_problems=across)
        for k in range(n)
    ]
    for k, part in enumerate(parts):
        part["session_id"] = ("session", [f"{s}/{k}" for s in part["session_id"].values])
    return concat_cohorts(parts) if n > 1 else parts[0]


def typical_subjects(
    model: Model, n_subjects: int, rng: np.random.Generator
) -> tuple[dict[str, dict[str, float]], np.ndarray]:
    """Make up subjects around a model's defaults.

    Parameters
    ----------
    model
        The model.
    n_subjects
        Subjects.
    rng
        Random generator.

    Returns
    -------
    values, x
        Subject to its free parameters, independent normal draws on the real line (SD 1 for unit
        ranges, .4 for positive ones, .7 for the others, .84 for weights) around the defaults (1/2
        for a unit default at an end of its range, 1 for a weight of 0), and those draws, dims
        (subject, parameter).

    Examples
    --------
    >>> values, x = typical_subjects(find_model("model_based"), 2, np.random.default_rng(0))
    >>> list(values), x.shape
    (['model_based-0', 'model_based-1'], (2, 4))
    """
    free = [p for p in model.parameters if p.free]
    mean = np.array([p.unconstrained(p.default) for p in free])
    unit = np.array([p.range == "unit" for p in free])
    at_end = np.array([p.default in (0.0, 1.0) for p in free])
    mean = np.where(unit, np.where(at_end, 0.0, np.clip(mean, -1.5, 1.5)), mean)
    sd = np.array([SPREAD[p.range] for p in free])
    x = mean + sd * rng.standard_normal((n_subjects, len(free)))
    weights = [p.name.startswith("weight_") and p.range == "real" for p in free]
    shift = np.where(mean[weights] == 0, 1.0, 0.0)
    x[:, weights] = mean[weights] + shift + 1.2 * (x - mean)[:, weights]
    natural = np.stack([p.natural(x[:, k]) for k, p in enumerate(free)], axis=1)
    return {
        f"{model.name}-{s}": {p.name: float(natural[s, k]) for k, p in enumerate(free)}
        for s in range(n_subjects)
    }, x


def recover(
    model: str | Model,
    design: xr.Dataset,
    *,
    n_subjects: int = 20,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Plant parameters, simulate a design, fit, and compare.

    Parameters
    ----------
    model
        Model or its name.
    design
        Cohort whose sessions are played, with ``p_reward``.
    n_subjects
        Subjects that are made up, parameters independent.
    seed
        Of parameters, outcomes, choices and starting points.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        ``planted`` and ``estimate`` (subject, parameter), ``standard_error``; ``correlation``,
        ``bias``, ``rmse`` and ``coverage`` (parameter), the share of subjects whose 95 %
        interval on the real line holds the truth.

    Raises
    ------
    InputError
        See :func:`simulate_design`.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> table = recover("model_based", load_dataset("synthetic-rats"), n_subjects=12)
    >>> bool(table.correlation.sel(parameter="bias") > 0.8)
    True
    """
    chosen = find_model(model)
    if n_subjects < 3:
        raise InputError(f"n_subjects is {n_subjects}, expected 3 or more")
    values, x = typical_subjects(chosen, n_subjects, np.random.default_rng(seed))
    played = simulate_design(design, chosen, values, seed=seed)
    fitted = fit(played, chosen, seed=seed, progress=progress)
    names = fitted["parameter"].values.tolist()
    truth = np.array([[v[name] for name in names] for v in values.values()])
    estimate = fitted["estimate"].values
    spread = np.sqrt(np.einsum("skk->sk", fitted["covariance"].values))
    inside = np.abs(fitted["unconstrained"].values - x) < 1.96 * spread
    with np.errstate(invalid="ignore", divide="ignore"):
        r = [np.corrcoef(truth[:, k], estimate[:, k])[0, 1] for k in range(len(names))]
    return xr.Dataset(
        {
            "planted": (("subject", "parameter"), truth),
            "estimate": (("subject", "parameter"), estimate),
            "standard_error": (("subject", "parameter"), fitted["standard_error"].values),
            "correlation": ("parameter", r),
            "bias": ("parameter", (estimate - truth).mean(axis=0)),
            "rmse": ("parameter", np.sqrt(((estimate - truth) ** 2).mean(axis=0))),
            "coverage": ("parameter", inside.mean(axis=0)),
        },
        coords={"subject": list(values), "parameter": names},
        attrs={"model": chosen.name, "seed": seed, "n_subjects": n_subjects},
    )


def confusion(
    models: Sequence[str | Model],
    design: xr.Dataset,
    *,
    n_subjects: int = 6,
    truth: Mapping[str, Mapping[str, float]] | None = None,
    n_starts: int = 3,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Simulate each model and see which model wins.

    Parameters
    ----------
    models
        Models or names.
    design
        Cohort whose sessions are played, with ``p_reward``.
    n_subjects
        Subjects made up for each model.
    truth
        Model name to the parameters of all its subjects; default: parameters are made up for
        each subject.
    n_starts
        Starting points of each fit.
    seed
        Of parameters, outcomes, choices and starting points.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        ``confusion`` (simulated, fitted): share of the simulated model's subjects for whom the
        fitted model has the lowest BIC; ``delta_bic`` (simulated, subject, fitted), to the best.

    Raises
    ------
    InputError
        See :func:`simulate_design`.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> table = confusion(["model_based", "model_free"], load_dataset("synthetic-rats"),
    ...                   n_subjects=3)
    >>> bool(table.confusion.sel(simulated="model_free", fitted="model_free") > 0.6)
    True
    """
    chosen = find_models(models)
    names = [m.name for m in chosen]
    bic = np.zeros((len(chosen), n_subjects, len(chosen)))
    with progress_bar("confusion", len(chosen) ** 2, shown=progress) as show:
        for i, model in enumerate(chosen):
            rng = np.random.default_rng([seed, i])
            values, _ = typical_subjects(model, n_subjects, rng)
            if truth and model.name in truth:
                values = {name: dict(truth[model.name]) for name in values}
            played = simulate_design(design, model, values, seed=seed + i)
            for j, other in enumerate(chosen):
                bic[i, :, j] = fit(played, other, n_starts=n_starts, seed=seed).bic.values
                show(i * len(chosen) + j + 1, f"{model.name} by {other.name}")
    wins = bic.argmin(axis=2)
    share = np.stack([(wins == j).mean(axis=1) for j in range(len(chosen))], axis=1)
    return xr.Dataset(
        {
            "confusion": (("simulated", "fitted"), share),
            "delta_bic": (("simulated", "subject", "fitted"), bic - bic.min(2, keepdims=True)),
        },
        coords={"simulated": names, "fitted": names},
        attrs={"n_subjects": n_subjects, "seed": seed},
    )


def normalized_weights(
    cohort: xr.Dataset, fit: xr.Dataset, *, model: str | Model | None = None
) -> xr.DataArray:
    """Give each agent's weight in a mixture in units of what it does to the log odds.

    Parameters
    ----------
    cohort
        What was fitted.
    fit
        Fit of a model with parameters ``weight_*`` that the log odds are linear in.
    model
        The model, if it is not one of the package.

    Returns
    -------
    xarray.DataArray
        Dims subject, parameter: ``weight_i SD_t(q_i)``, q_i being what the weight multiplies.

    Raises
    ------
    InputError
        The model has no such parameters.

    Examples
    --------
    >>> from neuro_metarl import fit, load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> normalized_weights(rats, fit(rats, "mixture")).dims
    ('subject', 'parameter')
    """
    chosen = find_model(model or fit.attrs["model"])
    names = [n for n in fit["parameter"].values.tolist() if n.startswith("weight_")]
    if not names or ("weight_model_based" in names and len(names) == 1):
        raise InputError(f"model {chosen.name!r} is no mixture of weighted agents")
    across = bool(fit.attrs.get("across_problems", False))
    trials = trials_of(cohort, chosen, across_problems=across)
    everything = list(chosen.parameter_map)
    values, result = planted_values(fit, chosen), []
    for subject in fit["subject"].values.tolist():
        vector = np.array([values[subject][name] for name in everything])
        points = np.tile(vector, (1 + len(names), 1))
        for j, name in enumerate(names):
            points[1 + j, everything.index(name)] += 1.0
        odds = log_odds(chosen, trials, trials.subjects.index(subject), points)[:, 0]
        weights = np.array([values[subject][name] for name in names])
        result.append(weights * (odds[1:] - odds[0]).std(axis=1))
    return xr.DataArray(
        np.array(result), dims=("subject", "parameter"),
        coords={"subject": fit["subject"], "parameter": names}, name="normalized_weight",
    )  # fmt: skip


def _draw(design: xr.Dataset, model: Model, rng: np.random.Generator) -> Outcomes:
    p_reward = design["p_reward"].transpose("session", "trial", "option").values
    there = design["valid"].transpose("session", "trial").values == 1
    if not np.isfinite(p_reward[there]).all():
        raise InputError("'p_reward' is missing (NaN) on valid trials")
    _check_options(design, model)
    reward_if = (rng.random(p_reward.shape) < np.nan_to_num(p_reward)).astype(float)
    omission, payment = _two_rewards(design)
    if (omission, payment) != (0.0, 1.0):
        reward_if = np.where(reward_if == 1, payment, omission)
    choice = design["choice"].transpose("session", "trial").values
    imposed = _imposed(design, "forced", "choice")
    if "state" not in design:
        baited = design.attrs["task"] == "bandit-baited"
        return Outcomes(None, reward_if, imposed, there=there, baited=baited, omission=omission)
    p_common = known_values(design, find_model("hybrid")).get("p_common", 0.8)
    common = rng.random(choice.shape) < p_common
    state_if = np.where(common[..., None], [0, 1], [1, 0])
    other = _incongruent(design)
    state_if = state_if ^ other[:, None, None]
    second = _imposed(design, "forced2", "choice2") if model.n_choices == 2 else None
    return Outcomes(
        state_if, reward_if, imposed, other, there, omission=omission, forced_choice2=second
    )


def _imposed(design: xr.Dataset, flag: str, choice: str) -> np.ndarray:
    """Give imposed choices, -1 where the choice was free."""
    made = design[choice].transpose("session", "trial").values
    if flag not in design:
        return np.full(made.shape, -1)
    names = ("valid", flag)
    valid, forced = (design[n].transpose("session", "trial").values == 1 for n in names)
    return np.where(valid & forced, made, -1)


def _check_options(design: xr.Dataset, model: Model) -> None:
    n_options, needed = design.sizes["option"], 4 if model.n_choices == 2 else 2
    if n_options != needed:
        what = "second-step choices (option 2 state + choice2)" if needed == 4 else "options"
        raise InputError(
            f"p_reward has {n_options} options; model {model.name!r} plays {needed} {what}, so "
            "that outcomes cannot be drawn anew"
        )


def _two_rewards(design: xr.Dataset) -> tuple[float, float]:
    """Say what an omission and a reward are worth; ``p_reward`` is the chance of the second."""
    levels = reward_levels(design).astype(float)
    if np.isin(levels, (0, 1)).all():
        return 0.0, 1.0
    if len(levels) != 2:
        raise InputError(
            f"the cohort's rewards have {len(levels)} values; p_reward says how often an option "
            "pays, not how much, so that outcomes cannot be drawn anew"
        )
    return float(levels[0]), float(levels[1])


def _incongruent(design: xr.Dataset) -> np.ndarray:
    """Say of each session whether choice 0 leads commonly to state 1."""
    told = (design["common"] >= 0) & (design["valid"] == 1)
    same = (design["state"] == design["choice"]) == (design["common"] == 1)
    wrong = (told & ~same).sum("trial").values
    return (wrong > told.sum("trial").values / 2).astype(int)


def _correct(variables: dict[str, Any], incongruent: np.ndarray) -> np.ndarray:
    odds = variables["p_reward"][..., :2]
    better = odds[..., 1] > odds[..., 0]
    leads_to = variables["choice"] ^ incongruent[:, None]
    unclear = (variables["valid"] == 0) | ~(odds[..., 0] != odds[..., 1])
    return np.where(unclear, -1, leads_to == better)


def _as_cohort(
    design: xr.Dataset, model: Model, played: dict[str, np.ndarray], outcomes: Outcomes,
    names: list[str],
) -> xr.Dataset:  # fmt: skip
    there = design["valid"].transpose("session", "trial").values == 1
    variables: dict[str, Any] = {
        "valid": there.astype(int),
        "forced": (outcomes.forced_choice >= 0).astype(int),
        "p_reward": design["p_reward"].transpose("session", "trial", "option").values,
    }
    for name in ("choice", "state", "choice2"):
        if name in played:
            variables[name] = np.where(there, played[name], -1)
    for name in ("problem", *(["forced2"] if model.n_choices == 2 else [])):
        if name in design:
            variables[name] = design[name].transpose("session", "trial").values
    variables["reward"] = np.where(there, played["reward"], np.nan)
    if "invalid_reason" in design:
        variables["invalid_reason"] = design["invalid_reason"].transpose("session", "trial").values
    if "state" in played:
        relative = played["state"] ^ np.asarray(outcomes.incongruent, int)[:, None]
        variables["common"] = np.where(there, relative == played["choice"], -1)
    if model.n_choices == 1:
        other = np.asarray(outcomes.incongruent, int) * np.ones(len(names), int)
        variables["correct"] = _correct(variables, other if "state" in played else 0 * other)
    config = json.loads(design.attrs.get("task_config", "{}"))
    return make_cohort(
        variables,
        subject=names,
        task=design.attrs["task"],
        source="model",
        coords={"option": design["option"]} if "option" in design.coords else {},
        attrs={"task_config": json.dumps(config, sort_keys=True), "model": model.name},
    )
