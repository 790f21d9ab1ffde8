"""Trust: simulate subjects whose truth is known on a cohort's own design, and fit them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.errors import InputError
from neuro_metarl.models.designs import simulate_design
from neuro_metarl.models.fitting import fit, planted_values
from neuro_metarl.models.likelihood import log_odds
from neuro_metarl.models.model import Model, find_model, find_models
from neuro_metarl.models.trials import trials_of
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
        What :func:`neuro_metarl.models.fitting.fit` gave.
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
        fitted model has the highest evidence (Laplace's, as in
        :func:`~neuro_metarl.models.selection.compare_models`); ``delta_evidence`` (simulated,
        subject, fitted), nats below the best; ``confusion_bic``, the share with the lowest BIC.

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
    bic, evidence = np.zeros((2, len(chosen), n_subjects, len(chosen)))
    with progress_bar("confusion", len(chosen) ** 2, shown=progress) as show:
        for i, model in enumerate(chosen):
            rng = np.random.default_rng([seed, i])
            values, _ = typical_subjects(model, n_subjects, rng)
            if truth and model.name in truth:
                values = {name: dict(truth[model.name]) for name in values}
            played = simulate_design(design, model, values, seed=seed + i)
            for j, other in enumerate(chosen):
                fitted = fit(played, other, n_starts=n_starts, seed=seed)
                bic[i, :, j], evidence[i, :, j] = fitted.bic, fitted.log_evidence
                show(i * len(chosen) + j + 1, f"{model.name} by {other.name}")
    places = np.arange(len(chosen))
    share, by_bic = (
        (wins[..., None] == places).mean(axis=1)
        for wins in (evidence.argmax(axis=2), bic.argmin(axis=2))
    )
    return xr.Dataset(
        {
            "confusion": (("simulated", "fitted"), share),
            "confusion_bic": (("simulated", "fitted"), by_bic),
            "delta_evidence": (
                ("simulated", "subject", "fitted"), evidence.max(2, keepdims=True) - evidence
            ),
        },
        coords={"simulated": names, "fitted": names},
        attrs={"n_subjects": n_subjects, "seed": seed, "evidence": "Laplace"},
    )  # fmt: skip


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
