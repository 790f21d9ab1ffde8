"""Fit twins: networks of one to four units, judged by sessions that were left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import fit_trials
from neuro_metarl.models.likelihood import log_odds
from neuro_metarl.models.model import Model, find_model
from neuro_metarl.models.requirements import check_cohort
from neuro_metarl.models.trials import known_values
from neuro_metarl.progress import progress_bar
from neuro_metarl.twins.climbing import Rows, fit_network
from neuro_metarl.twins.files import SCHEMA
from neuro_metarl.twins.networks import n_weights, run_network
from neuro_metarl.twins.pseudo import pseudo_rows
from neuro_metarl.twins.sequences import (
    OWN_MODELS,
    Reset,
    Sequences,
    folds_of,
    read_sequences,
)

__all__ = ["fit_twin"]


POOL = "pool"
TRIED = (0.0, 1000.0, 3000.0)
"""Pseudo-trials among which inner folds choose."""
INNER_FOLDS, MOST_UNITS, MOST_TRIALS = 2, 4, 1e6


@dataclass(frozen=True)
class _Job:
    """What all fits of a subject have in common."""

    sequences: Sequences
    cohort: xr.Dataset
    known: dict[str, dict[str, float]]
    model: Model | None
    use_prior: bool
    worths: tuple[float, ...]
    n_units: tuple[int, ...]
    n_folds: int
    by: str
    ridge: float
    n_starts: int
    seed: int


def fit_twin(
    cohort: xr.Dataset,
    *,
    n_units: int | Sequence[int] = 2,
    prior: Literal["own-model", "none"] = "own-model",
    prior_trials: float | Literal["inner"] = "inner",
    model: str | Model | None = None,
    folds: int = 5,
    reset: Reset = "session",
    pool: bool = False,
    ridge: float = 3.0,
    n_starts: int = 2,
    n_jobs: int = 1,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Fit to each subject's choices a small gated network, and judge it on left-out sessions.

    Parameters
    ----------
    cohort
        Of the two-step task, of a bandit of two arms, or of learning sets; rewards 0 and 1. Invalid
        trials do not exist; imposed choices move the network and are not predicted.
    n_units
        Units of the network, 1 to 4, or several numbers among which left-out choices decide.
    prior
        ``"own-model"``: what the animal's own cognitive model would do stands beside the animal's
        choices, as soft pseudo-trials. ``"none"``: a ridge alone.
    prior_trials
        How many trials the pseudo-trials are worth in all. ``"inner"``: 0, 1,000 or 3,000, chosen
        in folds within the training sessions, so that no scored session has a say.
    model
        The animal's own model or its name; default ``mixture`` on the two-step task, else
        ``q_differential_forgetting``. It is fitted to the same training sessions and judged on the
        same choices.
    folds
        Folds of whole sessions, each of about as many choices. A subject with fewer sessions than
        folds has stretches of trials for folds, through which memory runs on; ``how`` says so.
    reset
        The network, and the model, start anew with every ``"session"``, with every ``"problem"`` or
        once for each ``"subject"``.
    pool
        Fit one network to all subjects together, with folds of subjects; its subject is ``pool``.
    ridge
        Of fits without pseudo-trials: half of it times the sum of squared weights is added to the
        loss in nats, whatever the number of trials.
    n_starts
        Starting points of each fit without pseudo-trials.
    n_jobs
        Subjects that are fitted at the same time, in threads; the result is the same.
    seed
        Of starting points and pseudo-trials.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        Dims subject, session, n_units, weight. ``held_out`` (n_units, session) and ``own_model``
        (session): log-likelihood, in nats, of the free choices of each session when it was left
        out; ``n`` (session). ``log_likelihood`` (subject, n_units), ``mean_likelihood``, their
        geometric mean probability, ``own_log_likelihood`` and ``own_mean_likelihood`` (subject),
        ``gain`` and ``gain_se`` (subject, n_units), nats over the own model with its SE over
        sessions (blocks). ``chosen`` (subject): the fewest units whose loss is within one SE of the
        best; ``prior_trials`` (subject, n_units), what was chosen for the final fit; ``weights``
        (subject, n_units, weight) of the fit to all sessions. ``how`` (subject): what a fold is.
        Each session has its ``animal``, ``session_id`` and, where folds are of sessions, ``fold``.

    Raises
    ------
    InputError
        See :func:`neuro_metarl.twins.sequences.read_sequences`; or numbers out of range.

    Notes
    -----
    ``chosen`` looks at left-out sessions, so its likelihood is a little too good where several
    numbers of units were tried; ``prior_trials`` does not. Sums in nats over thousands of trials
    look huge: read the SE, and count animals.

    References
    ----------
    Ji-An, Benna & Mattar 2025, doi:10.1038/s41586-025-09142-4, fit such networks; their folds are
    of segments of sessions, these are of whole sessions.

    Examples
    --------
    >>> from neuro_metarl import load_dataset, select_subjects
    >>> rat = select_subjects(load_dataset("synthetic-rats"), "synthetic-1")
    >>> twin = fit_twin(rat, n_units=1, prior="none", folds=2)
    >>> bool(twin.mean_likelihood[0, 0] > 0.5), twin.how.values.tolist()
    (True, ['session'])
    """
    sizes = _check(n_units, prior, prior_trials, folds, ridge, n_starts, n_jobs)
    sequences = read_sequences(check_cohort(cohort), reset, model=model)
    own = find_model(OWN_MODELS[sequences.kind] if model is None else model)
    if own.observer is not None and reset == "subject":
        raise InputError(f"model {own.name!r} starts anew with every session; give another model")
    names = subjects_of(cohort)
    if pool and (len(names) < 2 or prior != "none"):
        raise InputError('pool=True is for several subjects, and takes prior="none"')
    by_object = sequences.kind == "learning-set"
    known = {} if pool or by_object else known_values(cohort, own)
    worths = TRIED if prior_trials == "inner" else (float(prior_trials),)
    use_prior = prior == "own-model"
    jobs = [
        _Job(
            sequences if pool else sequences.of_subject(k),
            cohort,
            known,
            None if pool else own, use_prior, worths if use_prior else (0.0,), sizes, folds,
            "subject" if pool else "session", ridge, n_starts, seed,
        )
        for k, name in enumerate([POOL] if pool else names)
    ]  # fmt: skip
    with progress_bar("fitting twins", len(jobs), shown=progress) as show:
        fitted = []
        with ThreadPoolExecutor(n_jobs) as threads:
            for k, one in enumerate(threads.map(_fit_one, jobs)):
                fitted.append(one)
                show(k + 1, jobs[k].sequences.trials.subjects[0])
    return _describe(cohort, jobs, fitted, [POOL] if pool else names, own)


def _check(
    n_units: Any, prior: str, worth: Any, folds: int, ridge: float, n_starts: int, n_jobs: int
) -> tuple[int, ...]:
    sizes = (n_units,) if isinstance(n_units, int | np.integer) else tuple(n_units)
    if not sizes or any(d not in range(1, MOST_UNITS + 1) for d in sizes):
        raise InputError(f"n_units is {n_units!r}, expected numbers from 1 to {MOST_UNITS}")
    if prior not in ("own-model", "none"):
        raise InputError(f"prior is {prior!r}, expected 'own-model' or 'none'")
    numeric = isinstance(worth, int | float) and 0 <= worth <= MOST_TRIALS
    if worth != "inner" and not numeric:
        raise InputError(f"prior_trials is {worth!r}, expected 'inner' or a number from 0")
    if folds < 2:
        raise InputError(f"folds is {folds}, expected 2 or more")
    if not (np.isfinite(ridge) and ridge > 0):
        raise InputError(f"ridge is {ridge}, expected a positive number")
    for name, value in (("n_starts", n_starts), ("n_jobs", n_jobs)):
        if value < 1:
            raise InputError(f"{name} is {value}, expected 1 or more")
    return tuple(sorted({int(d) for d in sizes}))


def _fit_one(job: _Job) -> dict[str, Any]:
    """Score left-out trials, then fit to all."""
    s = job.sequences
    fold, how = folds_of(s, job.n_folds, job.by)
    held = np.full((len(job.n_units), len(fold)), np.nan)
    own = np.full(len(fold), np.nan)
    picks = np.zeros((job.n_folds, len(job.n_units)))
    for f in range(job.n_folds):
        out = fold == f
        held[:, out], own[out], picks[f] = _left_out(job, out, how, job.seed + f)
    every = np.ones(len(fold), bool)
    nets, _ = _fit_rows(job, every, job.seed, worths=tuple(sorted(set(picks.ravel()))))
    worths = [_middle(picks[:, j]) for j in range(len(job.n_units))]
    weights = [nets[j][worths[j]] for j in range(len(job.n_units))]
    return {
        "held": held, "own": own, "fold": fold, "how": how, "prior_trials": worths,
        "weights": weights,
    }  # fmt: skip


def _middle(picks: np.ndarray) -> float:
    """Give the middle one of what the folds picked, the larger of two."""
    return float(np.sort(picks)[len(picks) // 2])


def _left_out(
    job: _Job, out: np.ndarray, how: str, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit to the other trials; log-likelihood of these by networks and model, and the prior."""
    train = ~out
    picks = [job.worths[0]] * len(job.n_units)
    if len(job.worths) > 1:
        picks = _inner(job, train, how, seed)
    worths = tuple(sorted(set(picks)))
    nets, odds = _fit_rows(job, train, seed, worths=worths)
    scores = [_score(job, nets[j][picks[j]], d)[out] for j, d in enumerate(job.n_units)]
    own = np.full(int(out.sum()), np.nan) if odds is None else _log_p(job, odds)[out]
    return np.array(scores), own, np.array(picks)


def _inner(job: _Job, train: np.ndarray, how: str, seed: int) -> list[float]:
    """Choose the weight of the prior by training trials alone."""
    s = job.sequences
    inside = replace(s, counts=s.counts * train)
    fold = np.full(len(train), -1)
    if how == "block":
        done = np.cumsum(inside.counts) - inside.counts
        fold = np.minimum(done * INNER_FOLDS / inside.counts.sum(), INNER_FOLDS - 1).astype(int)
    else:
        sessions = np.unique(s.trials.session[train])
        sizes = [s.counts[s.trials.session == k].sum() for k in sessions]
        order = sessions[np.argsort(-np.array(sizes), kind="stable")]
        for place, k in enumerate(order):
            fold[s.trials.session == k] = place % INNER_FOLDS
    total = np.zeros((len(job.n_units), len(job.worths)))
    for f in range(INNER_FOLDS):
        out = train & (fold == f)
        if not s.counts[out].sum() or not s.counts[train & ~out].sum():
            continue
        nets, _ = _fit_rows(job, train & ~out, seed, worths=job.worths)
        for j, d in enumerate(job.n_units):
            for k, worth in enumerate(job.worths):
                total[j, k] += np.nansum(_score(job, nets[j][worth], d)[out])
    return [job.worths[k] for k in total.argmax(axis=1)]


def _fit_rows(
    job: _Job, train: np.ndarray, seed: int, *, worths: tuple[float, ...]
) -> tuple[list[dict[float, np.ndarray]], np.ndarray | None]:
    """Fit the model and the networks to some trials; the model's log odds of all."""
    s = job.sequences
    rows = Rows(s.code, s.trials.choice, s.counts * train, s.trials.start)
    if s.reset != "subject":
        rows = _without_idle(rows)
    rng = np.random.default_rng([seed, int(train.sum())])
    odds = pseudo = None
    if job.model is not None:
        counted = replace(s.trials, respond=s.trials.respond & train)
        problem, best = fit_trials(job.model, counted, job.known, n_starts=3, seed=seed)
        full = problem.full(0, best.x[0])
        odds = log_odds(job.model, s.trials, 0, full[None])[0, 0]
        if job.use_prior and max(worths) > 0:
            kept = np.unique(s.trials.session[train & (s.counts > 0)])
            pseudo = pseudo_rows(job.cohort, s, job.model, full, kept, seed)
    nets = []
    for d in job.n_units:
        options: Any = {"ridge": job.ridge, "n_starts": job.n_starts, "rng": rng}
        fitted = fit_network(rows, d, s.n_codes, pseudo=pseudo, prior_trials=worths, **options)
        nets.append(dict(zip(worths, fitted, strict=True)))
    return nets, odds


def _without_idle(rows: Rows) -> Rows:
    """Leave out stretches of memory that hold no trial that counts."""
    stretch = np.cumsum(rows.start) - 1
    kept = np.bincount(stretch, weights=rows.counts)[stretch] > 0
    return Rows(rows.code[kept], rows.target[kept], rows.counts[kept], rows.start[kept])


def _score(job: _Job, weights: np.ndarray, n_units: int) -> np.ndarray:
    s = job.sequences
    return _log_p(job, run_network(weights, s.code, s.trials.start, n_units, s.n_codes)[0])


def _log_p(job: _Job, odds: np.ndarray) -> np.ndarray:
    """Log probability of each choice of the subject's own; NaN where there was none."""
    s = job.sequences
    made = np.where(s.trials.choice == 1, 1.0, -1.0)
    return np.where(s.counts > 0, -np.logaddexp(0, -made * odds), np.nan)


def _describe(
    cohort: xr.Dataset, jobs: list[_Job], fitted: list[dict[str, Any]], names: list[str],
    own: Model,
) -> xr.Dataset:  # fmt: skip
    sizes, s = jobs[0].n_units, jobs[0].sequences
    n_sessions, n_codes = cohort.sizes["session"], s.n_codes
    held = np.full((len(sizes), n_sessions), np.nan)
    model, n = np.full(n_sessions, np.nan), np.zeros(n_sessions, int)
    fold = np.full(n_sessions, -1)
    longest = n_weights(sizes[-1], n_codes)
    shape = (len(names), len(sizes))
    weights, worth = np.full((*shape, longest), np.nan), np.zeros(shape)
    totals = {name: np.full(shape, np.nan) for name in ("log_likelihood", "gain", "gain_se")}
    own_total, count, chosen = np.full(len(names), np.nan), np.zeros(len(names), int), []
    for k, (job, one) in enumerate(zip(jobs, fitted, strict=True)):
        at, counts = job.sequences.trials.session, job.sequences.counts > 0
        for j in range(len(sizes)):
            held[j, np.unique(at)] = _sums(at, one["held"][j])
            weights[k, j, : len(one["weights"][j])] = one["weights"][j]
        model[np.unique(at)] = _sums(at, one["own"])
        n[np.unique(at)] = _sums(at, counts.astype(float)).astype(int)
        if one["how"] != "block":
            fold[at] = one["fold"]
        unit = one["fold"] if one["how"] == "block" else at
        if one["how"] == "subject":
            unit = np.repeat(np.arange(len(job.sequences.trials.subjects)),
                             np.diff(job.sequences.trials.first))  # fmt: skip
        by_unit = np.array([_sums(unit, part) for part in one["held"]])
        worth[k], count[k] = one["prior_trials"], counts.sum()
        totals["log_likelihood"][k] = by_unit.sum(axis=1)
        chosen.append(sizes[_fewest(by_unit)])
        if job.model is not None:
            of_model = _sums(unit, one["own"])
            own_total[k] = of_model.sum()
            for j in range(len(sizes)):
                totals["gain"][k, j], totals["gain_se"][k, j] = _total(by_unit[j] - of_model)
    per = {name: (("subject", "n_units"), values) for name, values in totals.items()}
    likelihood = np.exp(totals["log_likelihood"] / count[:, None])
    return xr.Dataset(
        {
            "held_out": (("n_units", "session"), held),
            "own_model": ("session", model), "n": ("session", n), **per,
            "mean_likelihood": (("subject", "n_units"), likelihood),
            "own_log_likelihood": ("subject", own_total),
            "own_mean_likelihood": ("subject", np.exp(own_total / count)),
            "chosen": ("subject", np.array(chosen)),
            "prior_trials": (("subject", "n_units"), worth),
            "how": ("subject", np.array([one["how"] for one in fitted])),
            "n_choices": ("subject", count),
            "weights": (("subject", "n_units", "weight"), weights),
        },
        coords={
            "subject": names, "n_units": list(sizes),
            "animal": ("session", cohort["subject"].values),
            "session_id": ("session", cohort["session_id"].values),
            "fold": ("session", fold),
        },
        attrs=_attributes(cohort, jobs[0], own),
    )  # fmt: skip


def _attributes(cohort: xr.Dataset, job: _Job, own: Model) -> dict[str, Any]:
    """Say what was fitted, and how."""
    return {
        "schema": SCHEMA, "created_by": f"neuro_metarl {version('neuro_metarl')} fit_twin",
        "task": str(cohort.attrs["task"]), "kind": job.sequences.kind,
        "task_config": str(cohort.attrs.get("task_config", "{}")),
        "reset": job.sequences.reset, "codes": json.dumps(job.sequences.labels),
        "own_model": "" if job.model is None else own.name,
        "prior": "own-model" if job.use_prior else "none", "tried": json.dumps(job.worths),
        "folds": job.n_folds, "ridge": job.ridge, "n_starts": job.n_starts, "seed": job.seed,
        "note": "chosen looks at left-out sessions; prior_trials looks at training sessions alone",
    }  # fmt: skip


def _sums(group: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum up what there is in each group; NaN where nothing is."""
    names, at = np.unique(group, return_inverse=True)
    there = np.isfinite(values)
    total = np.bincount(at[there], weights=values[there], minlength=len(names))
    found = np.bincount(at[there], minlength=len(names))
    return np.where(found > 0, total, 0.0)


def _total(differences: np.ndarray) -> tuple[float, float]:
    """Sum of differences, with its SE over their units."""
    n = len(differences)
    se = float(differences.std(ddof=1) * np.sqrt(n)) if n > 1 else np.nan
    return float(differences.sum()), se


def _fewest(by_unit: np.ndarray) -> int:
    """Find the first row whose sum is within one SE, paired, of the best row's."""
    best = int(by_unit.sum(axis=1).argmax())
    for j in range(best):
        behind, se = _total(by_unit[best] - by_unit[j])
        if behind <= se:
            return j
    return best
