"""Fit a model to a group: subjects' parameters drawn from a normal distribution, by EM-Laplace.

On the real line subject i's parameters are ``x_i ~ Normal(mean, diag(sd^2))``. The E-step climbs
every subject to its maximum under the current group and takes the Laplace covariance
``C_i = (information + diag(sd^-2))^-1``; the M-step sets ``mean`` to the mean of ``x_i`` and
``sd^2`` to the mean of ``x_i^2 + diag(C_i)`` less ``mean^2``. The information about the mean is
``sum_i (sd^2 - diag(C_i)) / sd^4`` (Louis), which gives its standard error.

References
----------
Huys et al. 2011, doi:10.1371/journal.pcbi.1002028; Huys et al. 2012,
doi:10.1371/journal.pcbi.1002410 (integrated BIC).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import xarray as xr

from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.models.climbing import Climb, Problem, climb, make_problem
from neuro_metarl.models.held import held_text, held_values, read_held
from neuro_metarl.models.identifiability import problems_of
from neuro_metarl.models.likelihood import Executor
from neuro_metarl.models.model import Model, find_model
from neuro_metarl.models.trials import known_values, restarts, trials_of
from neuro_metarl.progress import progress_bar

__all__ = ["fit_hierarchical", "integrated_bic"]

MOST_ROUNDS, SMALL, LEAST_SD = 300, 2e-4, 0.05
LEAST_SUBJECTS = 3


def fit_hierarchical(
    cohort: xr.Dataset,
    model: str | Model,
    *,
    fixed: Mapping[str, float] | None = None,
    free: Sequence[str] = (),
    executor: Executor = "numba",
    across_problems: bool = False,
    progress: bool = False,
) -> xr.Dataset:
    """Fit a model to all subjects of a group at once.

    Parameters
    ----------
    cohort
        Dims session, trial; at least three subjects.
    model, fixed, free, executor, across_problems
        See :func:`neuro_metarl.models.fitting.fit`.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        Dims subject, parameter. The group: ``mean``, ``sd`` and ``standard_error`` of the mean
        (parameter), on the real line (logit, log or identity by ``range(parameter)``), and
        ``median`` (parameter), the group's median in natural values (where subjects' rewards have
        different ranges: the median over subjects, each by its own range). Subjects: ``estimate``
        and ``unconstrained`` (subject, parameter), ``covariance`` (subject, parameter,
        parameter_2), ``log_likelihood`` and ``log_evidence`` (subject) under the fitted group,
        ``n`` (responses), ``problem`` (what the subject's own data cannot tell, so that the number
        is the group's). Attributes: ``n_rounds``, ``converged``, ``model``, ``held``,
        ``memory_restarts``.

    Raises
    ------
    InputError
        Fewer than three subjects, or see :func:`neuro_metarl.models.fitting.fit`.

    Notes
    -----
    Standard deviations of weakly identified parameters come out low, and with some 200 trials a
    subject the Laplace intervals of learning rates and of ``weight_model_based`` cover less than
    they say (about .76 instead of .95): for such data sample the posterior
    (:func:`neuro_metarl.models.posterior.sample_posterior`).

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> group = fit_hierarchical(load_dataset("synthetic-rats"), "model_based")
    >>> group["median"].dims, bool(group.attrs["converged"])
    (('parameter',), True)
    """
    chosen = find_model(model)
    trials = trials_of(cohort, chosen, across_problems=across_problems)
    n_subjects = len(trials.subjects)
    if n_subjects < LEAST_SUBJECTS:
        raise InputError(
            f"a hierarchical fit needs at least {LEAST_SUBJECTS} subjects, got {n_subjects}; "
            "use fit for single subjects"
        )
    problem, mean, sd = make_problem(
        chosen, trials, known_values(cohort, chosen), fixed=fixed, free=free, executor=executor
    )
    who = np.arange(n_subjects)
    x = np.tile(mean, (n_subjects, 1))
    converged = False
    with progress_bar(f"fitting a group by {chosen.name}", MOST_ROUNDS, shown=progress) as show:
        for n_rounds in range(1, MOST_ROUNDS + 1):
            done = climb(problem, who, x, mean, sd**-2.0, decrement=1e-6)
            x, covariance = done.x, np.linalg.inv(done.information + np.diag(sd**-2.0))
            spread = np.einsum("skk->sk", covariance)
            new_mean = x.mean(axis=0)
            variance = ((x - new_mean) ** 2 + spread).mean(axis=0)
            new_sd = np.sqrt(np.maximum(variance, LEAST_SD**2))
            change = max(np.abs(new_mean - mean).max(), np.abs(np.log(new_sd / sd)).max())
            mean, sd = new_mean, new_sd
            show(n_rounds, f"largest change {change:.1e}")
            if change < SMALL:
                converged = True
                break
    done = climb(problem, who, x, mean, sd**-2.0)
    result = _describe(problem, done, mean, sd, n_rounds=n_rounds, converged=converged)
    return result.assign_attrs(restarts(cohort, across_problems))


def integrated_bic(
    cohort: xr.Dataset, group: xr.Dataset, *, model: str | Model | None = None,
    n_draws: int = 1000, seed: int = 0,
) -> float:  # fmt: skip
    """Give the integrated BIC of a hierarchical fit: lower is better.

    Parameters
    ----------
    cohort
        What was fitted.
    group
        What :func:`fit_hierarchical` gave.
    model
        The model, if it is not one of the package.
    n_draws
        Draws of parameters from the group, for each subject.
    seed
        Of the draws.

    Returns
    -------
    float
        ``-2 sum_i log mean_draws p(choices_i | draw) + 2 K log(n)`` with K group means and K
        group SDs and n the responses of all subjects; the mean is taken as a logsumexp.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> bic = {m: integrated_bic(rats, fit_hierarchical(rats, m), n_draws=50)
    ...        for m in ("model_based", "model_free")}
    >>> bic["model_based"] < bic["model_free"]
    True
    """
    chosen = find_model(model or group.attrs["model"])
    names = group["parameter"].values.tolist()
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n_draws, len(names)))
    x = group["mean"].values + group["sd"].values * noise
    across = bool(group.attrs.get("across_problems", False))
    known = known_values(cohort, chosen)
    total, n_responses = 0.0, 0
    for name in subjects_of(cohort):
        one = select_subjects(cohort, name)
        trials = trials_of(one, chosen, across_problems=across)
        problem, _, _ = make_problem(
            chosen, trials, known, fixed=read_held(group, name), free=names, executor="numba"
        )
        problem = _reordered(problem, names)
        far = problem.furthest
        value = problem.values(np.zeros(n_draws, int), np.clip(x, -far, far))
        total += float(np.logaddexp.reduce(value) - np.log(n_draws))
        n_responses += int(trials.n_responses.sum())
    return -2 * total + 2 * len(names) * float(np.log(n_responses))


def _reordered(problem: Problem, names: list[str]) -> Problem:
    order = {p.name: p for p in problem.free}
    place = [[p.name for p in problem.free].index(n) for n in names]
    return replace(
        problem, free=tuple(order[n] for n in names), unit=problem.unit[:, place],
        origin=problem.origin[:, place],
    )  # fmt: skip


def _describe(
    problem: Problem, done: Climb, mean: np.ndarray, sd: np.ndarray, *, n_rounds: int,
    converged: bool,
) -> xr.Dataset:  # fmt: skip
    names = [p.name for p in problem.free]
    curvature = done.information + np.diag(sd**-2.0)
    covariance = np.linalg.inv(curvature)
    log_prior = done.objective - done.log_likelihood - np.log(sd).sum()
    evidence = done.log_likelihood + log_prior - 0.5 * np.linalg.slogdet(curvature)[1]
    known = np.maximum(sd**2 - np.einsum("skk->sk", covariance), 0).sum(axis=0)
    error = sd**2 / np.sqrt(np.maximum(known, 1e-12))
    who = np.arange(len(done.x))
    of_group = problem.natural(who, np.tile(mean, (len(who), 1)))
    return xr.Dataset(
        {
            "mean": ("parameter", mean),
            "sd": ("parameter", sd),
            "standard_error": ("parameter", error),
            "median": ("parameter", np.median(of_group, axis=0)),
            "estimate": (("subject", "parameter"), problem.natural(who, done.x)),
            "unconstrained": (("subject", "parameter"), done.x),
            "covariance": (("subject", "parameter", "parameter_2"), covariance),
            "log_likelihood": ("subject", done.log_likelihood),
            "log_evidence": ("subject", evidence),
            "n": ("subject", problem.trials.n_responses),
            "problem": ("subject", np.array(problems_of(problem, done), dtype=np.str_)),
        },
        coords={
            "subject": list(problem.trials.subjects),
            "parameter": names,
            "parameter_2": names,
            "range": ("parameter", [p.range for p in problem.free]),
        },
        attrs={
            "model": problem.model.name,
            "held": held_text(held_values(problem)),
            "tied": json.dumps(dict(problem.model.tied)),
            "n_rounds": n_rounds,
            "converged": int(converged),
            "created_by": f"neuro_metarl {version('neuro_metarl')} fit_hierarchical",
        },
    )
