"""Which model: information criteria, random-effects selection, cross-validation.

References
----------
Stephan et al. 2009, doi:10.1016/j.neuroimage.2009.03.025; Rigoux et al. 2014,
doi:10.1016/j.neuroimage.2013.08.065.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import fit_trials
from neuro_metarl.models.model import Model, find_models
from neuro_metarl.models.requirements import check_cohort
from neuro_metarl.models.trials import Trials, known_values, trials_of
from neuro_metarl.progress import progress_bar

__all__ = ["compare_models", "cross_validate", "fit_table", "select_families", "select_models"]

DRAWS, MOST_ROUNDS, SMALL = 200_000, 1000, 1e-10
STRONG = 3.0
"""Nats by which something learned must exceed every null model: a Bayes factor of 20."""


def compare_models(fits: Mapping[str, xr.Dataset], *, seed: int = 0) -> xr.Dataset:
    """Put the fits of several models to the same subjects side by side.

    Parameters
    ----------
    fits
        Model name to what :func:`neuro_metarl.models.fitting.fit` gave.
    seed
        Of the draws behind exceedance probabilities.

    Returns
    -------
    xarray.Dataset
        Dims subject, model: ``log_likelihood``, ``mean_likelihood``, ``bic``, ``aic``,
        ``log_evidence``, ``n_parameters`` (model), ``delta_bic`` (to the subject's best),
        ``problem``. ``winner`` (subject): the model of the highest evidence, on which the
        exceedance rests too, but a null model unless something learned exceeds every null model by
        3 nats (a Bayes factor of 20). ``winner_bic`` (subject): that of the lowest BIC.
        ``conflict`` (subject): empty, or how the two disagree. ``family`` (model). What
        :func:`select_models` and :func:`select_families` give of the evidence. Attributes:
        ``evidence``, ``"Laplace"`` or, where a fit had no prior, ``"-BIC / 2"``; ``conflict``,
        empty, or how the models that are best for the group by both disagree.

    Notes
    -----
    BIC charges log(n) / 2 for every parameter, also for those that the data hardly touch; Laplace's
    evidence agrees with importance sampling to .15 nats, where -BIC / 2 of a seven-parameter hybrid
    is 6.5 to 7.5 too low. Evidence depends on the prior, see :func:`fit`.

    Raises
    ------
    InputError
        No fits, or fits of different subjects or different choices.

    Examples
    --------
    >>> from neuro_metarl import fit_models, load_dataset
    >>> table = compare_models(fit_models(load_dataset("synthetic-rats"),
    ...                                   ["model_based", "model_free"]))
    >>> table.winner.values.tolist() == ["model_based"] * 6
    True
    """
    if not fits:
        raise InputError("no fits to compare")
    first = next(iter(fits.values()))
    for name, one in fits.items():
        if one["subject"].values.tolist() != first["subject"].values.tolist():
            raise InputError(f"{name}: other subjects than the other fits")
        if not np.array_equal(one["n"], first["n"]):
            raise InputError(f"{name}: fitted to other responses than the other fits")
        if one.attrs.get("across_problems", 0) != first.attrs.get("across_problems", 0):
            raise InputError(
                f"{name}: memory runs across problems in some fits and not in others; fit all with "
                "the same across_problems"
            )
    kept = ["log_likelihood", "mean_likelihood", "bic", "aic", "log_evidence", "problem"]
    names = list(fits)
    table = xr.concat(
        [f[kept].reset_coords(drop=True) for f in fits.values()], dim="model",
        combine_attrs="drop",
    ).assign_coords(model=names)  # fmt: skip
    table = table.transpose("subject", "model")
    table["n_parameters"] = ("model", [f.sizes["parameter"] for f in fits.values()])
    table["delta_bic"] = table.bic - table.bic.min("model")
    laplace = bool(np.isfinite(table.log_evidence).all())
    evidence = table.log_evidence if laplace else -0.5 * table.bic
    families = [str(f.attrs["family"]) for f in fits.values()]
    handicapped = evidence - STRONG * (np.array(families) != "null")
    table["winner"] = ("subject", [names[k] for k in handicapped.values.argmax(axis=1)])
    table["winner_bic"] = ("subject", [names[k] for k in table.bic.values.argmin(axis=1)])
    texts = [
        _conflict(handicapped.isel(subject=s), table.bic.isel(subject=s))
        for s in range(table.sizes["subject"])
    ]
    table["conflict"] = ("subject", np.array(texts, dtype=np.str_))
    table = table.assign_coords(family=("model", families))
    table = table.merge(select_models(evidence, seed=seed), combine_attrs="drop")
    of_families = select_families(evidence, table["family"].values.tolist(), seed=seed)
    table = table.merge(of_families, combine_attrs="drop")
    table.attrs = {
        "evidence": "Laplace" if laplace else "-BIC / 2",
        "conflict": _conflict(evidence.sum("subject"), table.bic.sum("subject")),
        "seed": seed,
    }
    return table


def _conflict(evidence: xr.DataArray, bic: xr.DataArray) -> str:
    """Say how the winners by evidence and by BIC disagree, if they do."""
    best, low = int(evidence.values.argmax()), int(bic.values.argmin())
    if best == low:
        return ""
    names = [str(name) for name in evidence["model"].values]
    gain = float(evidence[best] - evidence[low])
    return (
        f"the evidence says {names[best]} (by {gain:.1f} nats over {names[low]}), BIC says "
        f"{names[low]} (by {float(bic[best] - bic[low]):.1f})"
    )


def fit_table(fits: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Lay fitted parameters out as a tidy table.

    Parameters
    ----------
    fits
        Model name to what :func:`neuro_metarl.models.fitting.fit` gave.

    Returns
    -------
    pandas.DataFrame
        Columns subject, model, parameter, estimate, standard_error; one row per number.

    Raises
    ------
    InputError
        No fits.

    Examples
    --------
    >>> from neuro_metarl import fit_models, load_dataset
    >>> table = fit_table(fit_models(load_dataset("synthetic-rats"), ["model_based"]))
    >>> table.shape
    (24, 5)
    """
    if not fits:
        raise InputError("no fits to lay out")
    parts = []
    for name, one in fits.items():
        frame = one[["estimate", "standard_error"]].to_dataframe().reset_index()
        parts.append(frame.assign(model=name))
    order = ["subject", "model", "parameter", "estimate", "standard_error"]
    return pd.concat(parts, ignore_index=True)[order]


def select_models(log_evidence: xr.DataArray, *, seed: int = 0) -> xr.Dataset:
    """Select among models whose frequencies in the population are unknown.

    Parameters
    ----------
    log_evidence
        Dims subject, model.
    seed
        Of the draws behind exceedance probabilities.

    Returns
    -------
    xarray.Dataset
        ``frequency`` (model), expected share of subjects; ``exceedance`` (model), probability
        that the model is the most frequent; ``protected_exceedance`` (model), the same weighed
        against the chance that all are equally frequent, ``omnibus_risk``; ``assignment``
        (subject, model), posterior of each subject's model.

    Raises
    ------
    InputError
        Evidence that is not finite.

    Examples
    --------
    >>> votes = np.repeat([[3.0, 0, 0], [0, 3.0, 0]], [14, 6], axis=0)
    >>> result = select_models(xr.DataArray(votes, dims=("subject", "model")))
    >>> result.protected_exceedance.values.round(2)
    array([0.97, 0.03, 0.  ])
    """
    evidence = log_evidence.transpose("subject", "model").values
    if not np.isfinite(evidence).all():
        raise InputError("log_evidence holds values that are not finite")
    n_models = evidence.shape[1]
    prior = np.ones(n_models)
    counts, assignment = _variational(evidence, prior)
    rng = np.random.default_rng(seed)
    draws = rng.dirichlet(counts, DRAWS)
    exceedance = np.bincount(draws.argmax(axis=1), minlength=n_models) / DRAWS
    gain = _free_energy(evidence, assignment, counts, prior) - _null(evidence)
    risk = float(1 / (1 + np.exp(np.clip(gain, -700, 700))))
    return xr.Dataset(
        {
            "frequency": ("model", counts / counts.sum()),
            "exceedance": ("model", exceedance),
            "protected_exceedance": ("model", (1 - risk) * exceedance + risk / n_models),
            "assignment": (("subject", "model"), assignment),
            "omnibus_risk": ((), risk),
        },
        coords={k: v for k, v in log_evidence.coords.items() if v.dims in (("model",),)},
    )


def select_families(
    log_evidence: xr.DataArray, family: Sequence[str], *, seed: int = 0
) -> xr.Dataset:
    """Select among families of models, whatever their sizes.

    Parameters
    ----------
    log_evidence
        Dims subject, model.
    family
        Family of each model.
    seed
        Of the draws behind exceedance probabilities.

    Returns
    -------
    xarray.Dataset
        Dims family_name, in order of first appearance: ``family_frequency``,
        ``family_exceedance`` and ``family_protected_exceedance``, as :func:`select_models` has them
        of models. A subject's evidence of a family is the mean over its members.

    Raises
    ------
    InputError
        Evidence that is not finite, or not one family per model.

    References
    ----------
    Penny et al. 2010, doi:10.1371/journal.pcbi.1000709.

    Examples
    --------
    >>> votes = np.repeat([[3.0, 0, 2.5], [0, 3.0, 0]], [14, 6], axis=0)
    >>> votes = xr.DataArray(votes, dims=("subject", "model"))
    >>> select_families(votes, ["a", "b", "a"]).family_protected_exceedance.values.round(2)
    array([0.75, 0.25])
    """
    evidence = log_evidence.transpose("subject", "model").values
    if not np.isfinite(evidence).all():
        raise InputError("log_evidence holds values that are not finite")
    if len(family) != evidence.shape[1]:
        raise InputError(f"{len(family)} families for {evidence.shape[1]} models")
    names = list(dict.fromkeys(family))
    of_family = []
    for name in names:
        members = evidence[:, [k for k, f in enumerate(family) if f == name]]
        of_family.append(np.logaddexp.reduce(members, axis=1) - np.log(members.shape[1]))
    chosen = select_models(
        xr.DataArray(np.stack(of_family, axis=1), dims=("subject", "model")), seed=seed
    )
    kept = ["frequency", "exceedance", "protected_exceedance"]
    renamed = {name: f"family_{name}" for name in kept} | {"model": "family_name"}
    return chosen[kept].rename(renamed).assign_coords(family_name=names)


def cross_validate(
    cohort: xr.Dataset,
    models: str | Model | Sequence[str | Model],
    *,
    n_folds: int = 5,
    n_starts: int = 3,
    seed: int = 0,
    across_problems: bool = False,
    progress: bool = False,
) -> xr.Dataset:
    """Predict the sessions that were left out of the fit.

    Parameters
    ----------
    cohort
        Dims session, trial; every subject has at least two sessions.
    models
        Models or names, or one of them.
    n_folds
        Folds of sessions (fewer where a subject has fewer sessions); session k of a subject is
        in fold k mod n_folds.
    n_starts, seed, across_problems
        See :func:`neuro_metarl.models.fitting.fit`.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        Dims subject, model: ``log_likelihood`` of held-out responses and ``mean_likelihood``,
        their geometric mean probability; ``n`` (subject). Memory starts anew in every session,
        so nothing of a held-out session reaches the fit.

    Raises
    ------
    InputError
        A subject with one session, or fewer than two folds.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> result = cross_validate(load_dataset("synthetic-rats"), ["model_based", "model_free"])
    >>> bool((result.mean_likelihood.sel(model="model_based") > 0.5).all())
    True
    """
    if n_folds < 2:
        raise InputError(f"n_folds is {n_folds}, expected 2 or more")
    chosen = find_models(models)
    names = subjects_of(check_cohort(cohort))
    known = {m.name: known_values(cohort, m) for m in chosen}
    total = np.zeros((len(names), len(chosen)))
    n = np.zeros(len(names), int)
    with progress_bar("cross-validating", len(names) * len(chosen), shown=progress) as show:
        for k, name in enumerate(names):
            one = select_subjects(cohort, name)
            for j, model in enumerate(chosen):
                total[k, j], n[k] = _held_out(
                    trials_of(one, model, across_problems=across_problems), model,
                    known[model.name], n_folds, n_starts, seed,
                )  # fmt: skip
                show(k * len(chosen) + j + 1, f"{name}: {model.name}")
    return xr.Dataset(
        {
            "log_likelihood": (("subject", "model"), total),
            "mean_likelihood": (("subject", "model"), np.exp(total / n[:, None])),
            "n": ("subject", n),
        },
        coords={"subject": names, "model": [m.name for m in chosen]},
        attrs={"n_folds": n_folds, "n_starts": n_starts, "seed": seed},
    )


def _held_out(
    trials: Trials, model: Model, known: Mapping[str, Mapping[str, float]], n_folds: int,
    n_starts: int, seed: int,
) -> tuple[float, int]:  # fmt: skip
    (name,) = trials.subjects
    sessions = np.unique(trials.session)
    if len(sessions) < 2:
        raise InputError(f"subject {name!r} has one session; cross-validation needs two or more")
    total, n = 0.0, 0
    for fold in range(min(n_folds, len(sessions))):
        out = sessions[fold :: min(n_folds, len(sessions))]
        inside = trials.responding(np.setdiff1d(sessions, out))
        if not inside.n_responses[0]:
            raise InputError(f"subject {name!r}: no responses outside of fold {fold}")
        problem, best = fit_trials(model, inside, known, n_starts=n_starts, seed=seed)
        held = trials.responding(out)
        total += float(problem.on(held).values(np.array([0]), best.x)[0])
        n += int(held.n_responses[0])
    return total, n


def _variational(evidence: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.special import digamma, logsumexp

    counts = prior.copy()
    for _ in range(MOST_ROUNDS):
        log_weight = evidence + digamma(counts) - digamma(counts.sum())
        assignment = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True))
        new = prior + assignment.sum(axis=0)
        if np.abs(new - counts).max() < SMALL:
            break
        counts = new
    return new, assignment


def _free_energy(
    evidence: np.ndarray, assignment: np.ndarray, counts: np.ndarray, prior: np.ndarray
) -> float:
    from scipy.special import digamma, gammaln

    log_share = digamma(counts) - digamma(counts.sum())
    sure = np.where(assignment > 0, assignment, 1.0)
    expected = (assignment * (evidence + log_share - np.log(sure))).sum()
    divergence = (
        gammaln(counts.sum()) - gammaln(counts).sum() - gammaln(prior.sum())
        + gammaln(prior).sum() + ((counts - prior) * log_share).sum()
    )  # fmt: skip
    return float(expected - divergence)


def _null(evidence: np.ndarray) -> float:
    """Evidence that every model is equally frequent."""
    from scipy.special import logsumexp

    return float((logsumexp(evidence, axis=1) - np.log(evidence.shape[1])).sum())
