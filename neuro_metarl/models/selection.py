"""Which model, and perhaps none: evidence, information criteria, families, left-out sessions.

The random-effects selection itself is in :mod:`neuro_metarl.models.random_effects`.
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
from neuro_metarl.models.random_effects import select_families, select_models
from neuro_metarl.models.requirements import check_cohort
from neuro_metarl.models.trials import Trials, known_values, trials_of
from neuro_metarl.progress import progress_bar

__all__ = ["better_than_null", "compare_models", "cross_validate", "fit_table"]

STRONG = 3.0
"""Nats by which something learned must exceed every null model: a Bayes factor of 20."""
SURE = 0.95


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
        ``selected_family``, the family with a protected exceedance above .95, and
        ``selected_model``, its member with a protected exceedance above .95 among all models; each
        is empty where nobody wins. ``evidence``, ``"Laplace"`` or, where a fit had no prior,
        ``"-BIC / 2"``; ``conflict``, empty, or how the models that are best for the group by both
        disagree.

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
        **_selected(table),
        "evidence": "Laplace" if laplace else "-BIC / 2",
        "conflict": _conflict(evidence.sum("subject"), table.bic.sum("subject")),
        "seed": seed,
    }
    return table


def _selected(table: xr.Dataset) -> dict[str, str]:
    """Name the family and the model that are surely the most frequent, if there are any."""
    of_family, of_model = table["family_protected_exceedance"], table["protected_exceedance"]
    family, model = int(of_family.values.argmax()), int(of_model.values.argmax())
    name = str(of_family["family_name"].values[family]) if of_family[family] > SURE else ""
    named = of_model[model] > SURE and str(table["family"].values[model]) == name
    return {
        "selected_family": name,
        "selected_model": str(table["model"].values[model]) if named else "",
    }


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


def better_than_null(table: xr.Dataset, held_out: xr.Dataset) -> xr.DataArray:
    """Say how much better left-out sessions are predicted by what was learned than by a null model.

    The two models of a subject are those of the highest evidence, one that learns and one that
    knows no outcomes, so that left-out sessions choose nothing: they are noisier than the evidence.

    Parameters
    ----------
    table
        From :func:`compare_models`.
    held_out
        From :func:`cross_validate`, of the same models and subjects.

    Returns
    -------
    xarray.DataArray
        Dims subject: log-likelihood of the left-out responses by the model that learns minus that
        by the null model, in nats.

    Raises
    ------
    InputError
        No null model among the models, or nothing but null models.

    Examples
    --------
    >>> from neuro_metarl import fit_models, load_dataset
    >>> rats, names = load_dataset("synthetic-rats"), ["bias_perseveration", "model_based"]
    >>> table = compare_models(fit_models(rats, names))
    >>> bool((better_than_null(table, cross_validate(rats, names)) > 0).all())
    True
    """
    null = table["family"].values == "null"
    if null.all() or not null.any():
        raise InputError("the models must be null models and others; fit both")
    evidence = table["log_evidence"] if table.attrs["evidence"] == "Laplace" else -table["bic"] / 2
    best = []
    for kind in (~null, null):
        chosen = evidence.isel(model=kind).idxmax("model")
        best.append(held_out["log_likelihood"].sel(model=chosen).drop_vars("model"))
    return best[0] - best[1]


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
