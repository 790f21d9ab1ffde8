"""Fit models to each subject: maximum a posteriori by batched Fisher scoring.

Parameters are moved onto the real line (logit, log or identity), where a weak normal prior keeps
them finite. Every subject is climbed from several starts at once by Levenberg-Marquardt steps
with the Fisher information as curvature; a climb that does not end where the gradient vanishes is
finished by L-BFGS. The same information gives standard errors and Laplace's evidence.

References
----------
Daw 2011, "Trial-by-trial data analysis using computational models",
doi:10.1093/acprof:oso/9780199600434.003.0001.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Literal

import numpy as np
import xarray as xr

from neuro_metarl.cohort import kind_of_task, select_subjects, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.models.climbing import ROUGH, Climb, Problem, climb, make_problem, polish
from neuro_metarl.models.held import held_text, held_values, read_held
from neuro_metarl.models.identifiability import problems_of, refused
from neuro_metarl.models.likelihood import Executor
from neuro_metarl.models.model import Model, find_model, find_models
from neuro_metarl.models.requirements import check_cohort, check_sessions, has_sessions
from neuro_metarl.models.trials import Trials, known_values, restarts, trials_of
from neuro_metarl.progress import progress_bar

__all__ = [
    "CANDIDATES", "choose_models", "fit", "fit_models", "fit_trials", "planted_values",
    "with_nulls",
]  # fmt: skip

NULLS = ("bias", "bias_perseveration", "bias_kernel", "side_kernel")
HUMAN_NULLS = ("perseveration_human", "bias_perseveration_human", "side_kernel_human")
CANDIDATES = {
    "two-step": (
        "model_based", "model_based_forgetting", "model_based_symmetric", "model_free",
        "model_free_forgetting", "hybrid", "mixture", "mixture_2017", "session_mixture",
        "latent_state", "latent_state_asymmetric", *NULLS,
    ),
    "two-step-human": (
        "hybrid_human", "hybrid_human_6", "hybrid_human_4", *HUMAN_NULLS,
    ),
    "bandit": (
        "q_learning", "q_dual", "q_forgetting", "choice_kernel", "reversal_hmm", "hgf", *NULLS
    ),
}  # fmt: skip
"""Models that are tried where none are named. Latent-state inference is always among those of the
two-step task: its choices look model-based to every regression, and only a fit tells. So are null
models, which know no outcomes: without them something learned always wins. ``session_mixture`` is
left out where a subject has a single session."""

LONG, BEGINNING, SAME = 1500, 1000, 0.01
LEAST_CURVATURE = 1e-8
Prior = Literal["weak", "none"]


def fit(
    cohort: xr.Dataset,
    model: str | Model,
    *,
    fixed: Mapping[str, float] | None = None,
    free: Sequence[str] = (),
    prior: Prior = "weak",
    n_starts: int = 5,
    seed: int = 0,
    executor: Executor = "numba",
    across_problems: bool = False,
    n_jobs: int = 1,
    progress: bool = False,
) -> xr.Dataset:
    """Fit a model to each subject.

    Parameters
    ----------
    cohort
        Dims session, trial: agents, planted models or animals.
    model
        Model or its name, see :func:`neuro_metarl.models.model.list_models`.
    fixed
        Parameters held at a value.
    free
        Parameters fitted although the model holds them by default.
    prior
        ``"weak"``: normal on the real line (unit N(0, 2), positive N(1, 2), real N(0, 5), mean
        and SD). ``"none"``: maximum likelihood; what has no finite maximum stops far out and is
        flagged.
    n_starts
        Starting points; the first is the prior's mean.
    seed
        Of the starting points.
    executor
        ``"numba"`` or ``"numpy"``.
    across_problems
        Memory runs on where the number of the ``problem`` changes within a session; else it starts
        anew there, as it does with every session.
    n_jobs
        Processes over which the subjects are spread.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        Dims subject, parameter (the free ones). ``estimate`` and ``standard_error`` (subject,
        parameter), natural values, errors by the delta method, both NaN for a weight between
        planning and model-free learning where all rewards are the same or no transition is rare;
        ``unconstrained`` (subject, parameter) and ``covariance`` (subject, parameter, parameter_2)
        on the real line; ``log_likelihood``, ``log_evidence`` (Laplace; NaN without prior),
        ``bic``, ``aic`` (lower is better), ``mean_likelihood`` (geometric mean probability of a
        response), ``n`` (responses), ``share_best`` (share of starts that reached the best within
        .01) and ``problem`` (subject): empty, or why not to trust the fit and what the data cannot
        tell (:mod:`neuro_metarl.models.identifiability`). Attributes: ``model``, ``family``,
        ``held`` (JSON: parameter to the value it was held at, or to each subject's where they
        differ; what the task does not declare is taken from the subject's own trials), ``prior``,
        ``across_problems`` and ``memory_restarts`` (what memory starts anew with: ``"session"``, or
        ``"session, problem"``), ``seed``, ``version``. A subject's row does not depend on the
        subjects beside it.

    Raises
    ------
    InputError
        Unknown names, or a cohort that the model cannot be fitted to.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> result = fit(rats, "hybrid")
    >>> bool(result.estimate.sel(parameter="weight_model_based").mean() > 0.5)
    True
    """
    chosen = find_model(model)
    if prior not in ("weak", "none"):
        raise InputError(f"prior is {prior!r}, expected 'weak' or 'none'")
    if n_starts < 1:
        raise InputError(f"n_starts is {n_starts}, expected 1 or more")
    options = {
        "fixed": dict(fixed or {}), "free": tuple(free), "prior": prior, "n_starts": n_starts,
        "seed": seed, "executor": executor, "across_problems": across_problems,
    }  # fmt: skip
    known = known_values(cohort, chosen)
    options["restarts"] = restarts(cohort, across_problems)
    names = subjects_of(cohort)
    chunks = np.array_split(names, min(len(names), max(1, n_jobs * (2 if n_jobs > 1 else 1))))
    if n_jobs == 1 and progress and len(names) > 1:
        chunks = np.array_split(names, min(len(names), 10))
    parts = []
    with progress_bar(f"fitting {chosen.name}", len(names), shown=progress) as show:
        work = [(select_subjects(cohort, list(chunk)), chosen, known, options) for chunk in chunks]
        done = 0
        for part in _spread(_fit_some, work, n_jobs):
            parts.append(part)
            done += part.sizes["subject"]
            show(done, "")
    joined = xr.concat(parts, dim="subject", combine_attrs="override").sel(subject=names)
    held = joined["held"]
    return joined.drop_dims("held_parameter").assign_attrs(held=held_text(held))


def fit_models(
    cohort: xr.Dataset,
    models: str | Model | Sequence[str | Model] | None = None,
    *,
    n_starts: int = 5,
    seed: int = 0,
    across_problems: bool = False,
    n_jobs: int = 1,
    progress: bool = False,
) -> dict[str, xr.Dataset]:
    """Fit several models to each subject.

    Parameters
    ----------
    cohort
        Dims session, trial.
    models
        Models or names, or one of them; default :data:`CANDIDATES` for the cohort's kind of task.
    n_starts, seed, across_problems, n_jobs, progress
        See :func:`fit`.

    Returns
    -------
    dict
        Model name to what :func:`fit` gives.

    Raises
    ------
    InputError
        See :func:`fit`.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> fits = fit_models(load_dataset("synthetic-rats"), ["model_based", "model_free"])
    >>> bool((fits["model_based"].bic < fits["model_free"].bic).all())
    True
    """
    chosen = choose_models(cohort, models)
    options = {"n_starts": n_starts, "seed": seed, "across_problems": across_problems}
    return {
        m.name: fit(cohort, m, **options, n_jobs=n_jobs, progress=progress)  # type: ignore[arg-type]
        for m in chosen
    }


def choose_models(
    cohort: xr.Dataset,
    models: str | Model | Sequence[str | Model] | None = None,
    *,
    strict: bool = True,
) -> list[Model]:
    """Find models, and make sure that each can be fitted to a cohort.

    Parameters
    ----------
    cohort
        Dims session, trial.
    models
        Models or names, or one of them; default :data:`CANDIDATES` for the cohort's kind of task,
        without those that need several sessions of each subject where one has not.
    strict
        Refuse named models that need several sessions of each subject; else leave them out.

    Returns
    -------
    list of Model

    Raises
    ------
    InputError
        Unknown names, the same name twice, or a cohort that a model cannot be fitted to.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> len(choose_models(load_dataset("synthetic-rats")))
    15
    """
    check_cohort(cohort)
    found = models
    if found is None:
        kind = kind_of_task(cohort)
        if kind not in CANDIDATES:
            raise InputError(
                f"no models are tried by default on the kind {kind!r} (task "
                f"{cohort.attrs['task']!r}); there are some for {', '.join(CANDIDATES)}"
            )
        found = CANDIDATES[kind]
    named, chosen, kept = models is not None and strict, find_models(found), []
    if len({m.name for m in chosen}) < len(chosen):
        raise InputError("two models have the same name; give each its own")
    for model in chosen:
        trials = trials_of(cohort, model)
        if named:
            check_sessions(trials.subjects, trials.n_stretches, model)
        if has_sessions(trials.n_stretches, model):
            kept.append(model)
    return kept


def with_nulls(models: str | Model | Sequence[str | Model]) -> list[Model]:
    """Put the null models, which know no outcomes, beside models that were named.

    Parameters
    ----------
    models
        Models or names, or one of them.

    Returns
    -------
    list of Model
        These, and the null models that are not among them: those of both choices where a model has
        two choices in a trial.

    Examples
    --------
    >>> [m.name for m in with_nulls("hybrid")]
    ['hybrid', 'bias', 'bias_perseveration', 'bias_kernel', 'side_kernel']
    """
    chosen = find_models(models)
    names = {m.name for m in chosen}
    nulls = HUMAN_NULLS if any(m.n_choices == 2 for m in chosen) else NULLS
    return [*chosen, *(find_model(name) for name in nulls if name not in names)]


def planted_values(
    fit: xr.Dataset, model: str | Model | None = None
) -> dict[str, dict[str, float]]:
    """Give each subject's fitted values, held ones included.

    Parameters
    ----------
    fit
        What :func:`fit` gave.
    model
        The model, if it is not one of the package.

    Returns
    -------
    dict
        Subject to parameter to natural value; for weights whose estimate was refused, where the
        climb ended.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.models import fitting
    >>> result = fitting.fit(load_dataset("synthetic-rats"), "model_based")
    >>> planted_values(result)["synthetic-1"]["p_common"]
    0.811
    """
    known = find_model(model or fit.attrs["model"])
    values = {}
    for name in fit["subject"].values.tolist():
        one = fit["estimate"].sel(subject=name)
        held = read_held(fit, name)
        mine = held | dict(zip(one["parameter"].values.tolist(), one.values.tolist(), strict=True))
        for p in known.parameters:
            if np.isnan(mine.get(p.name, 0.0)):
                x = fit["unconstrained"].sel(subject=name, parameter=p.name)
                mine[p.name] = float(p.natural(x.values))
        tied = dict(known.tied)
        values[name] = {p.name: float(mine[tied.get(p.name, p.name)]) for p in known.parameters}
    return values


def fit_trials(
    model: Model, trials: Trials, known: Mapping[str, Mapping[str, float]], *, n_starts: int = 5,
    seed: int = 0,
) -> tuple[Problem, Climb]:  # fmt: skip
    """Fit by the weak prior what has been read from a cohort already.

    Parameters
    ----------
    model, trials
        The model and what the subjects did.
    known
        Subject to what the task says of held parameters.
    n_starts, seed
        See :func:`fit`.

    Returns
    -------
    problem, climb
        With one row per subject.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> model = find_model("model_based")
    >>> rats = load_dataset("synthetic-rats")
    >>> fit_trials(model, trials_of(rats, model), known_values(rats, model))[1].x.shape
    (6, 4)
    """
    problem, mean, sd = make_problem(model, trials, known)
    options = {"n_starts": n_starts, "seed": seed}
    return problem, _best(problem, mean, sd, sd**-2.0, options)[0]


def _fit_some(
    cohort: xr.Dataset, model: Model, known: dict[str, dict[str, float]], options: dict
) -> xr.Dataset:
    trials = trials_of(cohort, model, across_problems=options["across_problems"])
    given = {name: options[name] for name in ("fixed", "free", "executor")}
    check_sessions(trials.subjects, trials.n_stretches, model)
    problem, mean, sd = make_problem(model, trials, known, **given)
    precision = np.zeros(len(mean)) if options["prior"] == "none" else sd**-2.0
    best, share = _best(problem, mean, sd, precision, options)
    return _describe(problem, best, share, mean, precision, options)


def _best(
    problem: Problem, mean: np.ndarray, spread: np.ndarray, precision: np.ndarray, options: dict
) -> tuple[Climb, np.ndarray]:
    """Climb from several starts (on the first trials of long subjects), then finish the best."""
    n_subjects, n_starts = len(problem.trials.subjects), options["n_starts"]
    rng = np.random.default_rng(options["seed"])
    starts = mean + 0.6 * np.minimum(spread, 2.5) * rng.standard_normal((n_starts, len(mean)))
    starts[0] = mean
    x = np.tile(starts, (n_subjects, 1))
    who = np.repeat(np.arange(n_subjects), n_starts)
    short = problem
    if n_starts > 1 and np.diff(problem.trials.first).max() > LONG:
        short = problem.on(problem.trials.beginning(BEGINNING, longer_than=LONG))
    first = climb(short, who, x, mean, precision, decrement=ROUGH)
    objective = np.where(np.isfinite(first.objective), first.objective, -np.inf)
    table = objective.reshape(n_subjects, n_starts)
    share = (table >= table.max(axis=1, keepdims=True) - SAME).mean(axis=1)
    kept = _two_best(table, first.x.reshape(n_subjects, n_starts, -1))
    who = np.repeat(np.arange(n_subjects), 2)
    rows = (np.arange(n_subjects)[:, None] * n_starts + kept).ravel()
    twice = kept[:, 0] != kept[:, 1]
    chosen = np.append(True, np.ones(2 * n_subjects - 1, bool))
    chosen[1::2] = twice
    second = climb(problem, who[chosen], first.x[rows[chosen]], mean, precision)
    polish(problem, who[chosen], second, mean, precision)
    order = np.lexsort((-second.objective, who[chosen]))
    _, place = np.unique(who[chosen][order], return_index=True)
    return _take(second, order[place]), share


def _two_best(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Find the best start and the best that ended elsewhere, dims (subject, 2)."""
    best = table.argmax(axis=1)
    each = np.arange(len(table))
    away = np.abs(x - x[each, best][:, None, :]).max(axis=2) > 0.1
    other = np.where(away, table, -np.inf)
    runner = np.where(np.isfinite(other).any(axis=1), other.argmax(axis=1), best)
    return np.stack([best, runner], axis=1)


def _take(state: Climb, rows: np.ndarray) -> Climb:
    names = ("x", "objective", "log_likelihood", "gradient", "information", "converged")
    return Climb(*(getattr(state, name)[rows] for name in names))


def _describe(
    problem: Problem, best: Climb, share: np.ndarray, mean: np.ndarray, precision: np.ndarray,
    options: dict,
) -> xr.Dataset:  # fmt: skip
    names = [p.name for p in problem.free]
    n, k = problem.trials.n_responses.astype(float), len(names)
    curvature = best.information + np.diag(precision)
    covariance = _inverse(curvature)
    who = np.arange(len(n))
    error = problem.slope(who, best.x) * np.sqrt(np.maximum(np.einsum("skk->sk", covariance), 0))
    untold, evidence = refused(problem), np.full(len(n), np.nan)
    if options["prior"] != "none":
        log_prior = best.objective - best.log_likelihood + 0.5 * np.log(precision).sum()
        evidence = best.log_likelihood + log_prior - 0.5 * np.linalg.slogdet(curvature)[1]
    likelihood = best.log_likelihood
    return xr.Dataset(
        {
            "estimate": (
                ("subject", "parameter"), np.where(untold, np.nan, problem.natural(who, best.x))
            ),
            "standard_error": (("subject", "parameter"), np.where(untold, np.nan, error)),
            "unconstrained": (("subject", "parameter"), best.x),
            "covariance": (("subject", "parameter", "parameter_2"), covariance),
            "log_likelihood": ("subject", likelihood),
            "log_evidence": ("subject", evidence),
            "bic": ("subject", k * np.log(n) - 2 * likelihood),
            "aic": ("subject", 2 * k - 2 * likelihood),
            "mean_likelihood": ("subject", np.exp(likelihood / n)),
            "n": ("subject", n.astype(int)),
            "held": held_values(problem),
            "share_best": ("subject", share),
            "problem": ("subject", np.array(problems_of(problem, best), dtype=np.str_)),
        },
        coords={"subject": list(problem.trials.subjects), "parameter": names,
                "parameter_2": names},
        attrs={
            "model": problem.model.name,
            "family": problem.model.family or problem.model.name,
            "tied": json.dumps(dict(problem.model.tied)),
            "prior": options["prior"],
            **options["restarts"],
            "n_starts": options["n_starts"],
            "seed": options["seed"],
            "created_by": f"neuro_metarl {version('neuro_metarl')} fit",
        },
    )  # fmt: skip


def _inverse(curvature: np.ndarray) -> np.ndarray:
    """Invert; a direction without curvature has a huge variance, not none."""
    inverse = np.linalg.pinv(curvature, hermitian=True)
    values, vectors = np.linalg.eigh(curvature)
    for s in np.flatnonzero(values[:, 0] < LEAST_CURVATURE):
        inverse[s] = (vectors[s] / np.maximum(values[s], LEAST_CURVATURE)) @ vectors[s].T
    return inverse


def _spread(work: Callable, tasks: list[tuple], n_jobs: int) -> Iterator[xr.Dataset]:
    """Yield results in order, from this process or from several."""
    if n_jobs == 1 or len(tasks) == 1:
        yield from (work(*task) for task in tasks)
        return
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=n_jobs, return_as="generator")(delayed(work)(*t) for t in tasks)
