"""Representational dissimilarity: how far apart conditions are within a population.

Distances come from rsatoolbox (``pip install neuro_metarl[geometry]``). A condition's pattern is
the activity of all units at all the events asked for.

References
----------
Kriegeskorte et al. 2008, doi:10.3389/neuro.06.004.2008; Walther et al. 2016,
doi:10.1016/j.neuroimage.2015.12.012; Nili et al. 2014, doi:10.1371/journal.pcbi.1003553.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.conditions import (
    Conditions,
    Factors,
    Samples,
    conditions_of,
    select_events,
    states_of,
)
from neuro_metarl.neural.recordings import (
    Per,
    Population,
    names_of,
    one_by_one,
    pair_coords,
    population_coords,
)
from neuro_metarl.stats import clusters_of

__all__ = ["compare_dissimilarities", "dissimilarities"]

Distance = Literal["crossnobis", "mahalanobis", "euclidean", "correlation"]
Agreement = Literal["spearman", "kendall", "pearson", "cosine"]
DISTANCES = ("crossnobis", "mahalanobis", "euclidean", "correlation")
AGREEMENTS = {"spearman": "rho-a", "kendall": "tau-a", "pearson": "corr", "cosine": "cosine"}


def dissimilarities(
    cohort: xr.Dataset,
    by: Factors,
    *,
    distance: Distance = "crossnobis",
    event: str | Sequence[str] | None = None,
    n_folds: int = 4,
    variable: str = "activity",
    where: xr.DataArray | None = None,
    per: Per = "auto",
) -> xr.Dataset:
    """Measure how far apart the conditions are in each population.

    Parameters
    ----------
    cohort
        With the variable, dims session, trial, event, unit.
    by
        Factors of the conditions; see :mod:`neuro_metarl.neural.conditions`.
    distance
        ``"crossnobis"`` and ``"mahalanobis"``: squared, in units of the noise between trials of
        one condition (covariance shrunk to its diagonal), per channel; the first is
        cross-validated over folds of sessions, so that its mean is 0 where there is no
        difference and it may be negative. ``"euclidean"``: squared, per channel.
        ``"correlation"``: 1 - correlation.
    event
        Event or events of the patterns; default all.
    n_folds
        Of the cross-validation; sessions (or, with fewer than 12, blocks of at least 20 trials)
        are dealt to the folds in turn.
    variable
        ``"activity"`` or ``"cell"``.
    where
        bool, dims session, trial: the trials that count; default every valid trial.
    per
        ``"auto"``: one population per subject where its units were recorded together, else one per
        recording; ``"recording"``; or ``"subject"``; see
        :mod:`neuro_metarl.neural.recordings`.

    Returns
    -------
    xarray.Dataset
        Dims subject, or recording. ``dissimilarity`` (subject, condition, condition_2), 0 on the
        diagonal; ``n`` (subject, condition), trials that have all the events; ``n_units``
        (subject), units of the patterns. Conditions are called "choice 0, reward 1".

    Raises
    ------
    InputError
        See :func:`neuro_metarl.neural.conditions.states_of`; fewer than three conditions; a
        condition that is missing from a fold; units that do not vary between the trials of any
        condition, but between conditions; or rsatoolbox is not installed.

    Warns
    -----
    UserWarning
        For crossnobis and Mahalanobis distances, units that are silent (one value on all trials of
        an event), which are left out of the patterns, named in ``attrs["silent"]`` too; trials
        that lack one of several events; recordings that cannot be analyzed.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> result = dissimilarities(record("two-step/0", n_sessions=20), ["state", "reward"])
    >>> dict(result.dissimilarity.sizes)
    {'subject': 1, 'condition': 4, 'condition_2': 4}
    """
    if distance not in DISTANCES:
        raise InputError(f"no distance {distance!r}; {did_you_mean(distance, DISTANCES)}")
    if n_folds < 2:
        raise InputError(f"n_folds is {n_folds}, expected 2 or more")
    chosen = select_events(cohort, event)
    conditions = conditions_of(chosen, by, variable=variable, where=where, per=per)
    names = _names(conditions.levels)
    if len(names) < 3:
        raise InputError(f"by makes {len(names)} conditions, expected 3 or more")

    def analysis(_: Population, samples: Samples) -> _Matrix:
        return _matrix(samples, conditions, names, distance, n_folds)

    populations, found, left_out = one_by_one(conditions.samples(), analysis)
    dim, silent = conditions.dim, "; ".join(m.silent for m in found if m.silent)
    if silent:
        warnings.warn(f"left out, silent: {silent}", stacklevel=2)
    return xr.Dataset(
        {
            "dissimilarity": (
                (dim, "condition", "condition_2"),
                np.array([m.distances for m in found]),
            ),
            "n": ((dim, "condition"), np.array([m.n for m in found])),
            "n_units": (dim, [m.n_units for m in found]),
        },
        coords={**population_coords(populations), "condition": names, "condition_2": names},
        attrs={
            "measure": f"{distance} dissimilarity",
            "variable": variable,
            "event": "all" if event is None else str(event),
            "n_folds": n_folds if distance == "crossnobis" else 0,
            "silent": silent,
            "left_out": left_out,
        },
    )


def compare_dissimilarities(
    first: xr.Dataset, second: xr.Dataset | None = None, *, method: Agreement = "spearman"
) -> xr.DataArray:
    """Compare dissimilarity matrices between subjects.

    Parameters
    ----------
    first, second
        From :func:`dissimilarities`, with the same conditions; default, the first with itself.
    method
        Of the upper triangles: ``"spearman"`` (rho-a: ties take their expected value, not an
        average), ``"kendall"`` (tau-a), ``"pearson"`` or ``"cosine"``.

    Returns
    -------
    xarray.DataArray
        Dims (subject, subject_2), or recordings in their place. With ``"spearman"`` and
        ``"kendall"`` and ties, a matrix agrees with itself by less than 1.

    Raises
    ------
    InputError
        Other conditions, a matrix that does not vary, or rsatoolbox is not installed.

    Examples
    --------
    >>> from neuro_metarl import load_agents, record
    >>> cohort = record(load_agents("two-step").select([0, 1]), n_sessions=20)
    >>> matrices = dissimilarities(cohort, ["choice", "state", "reward"])
    >>> compare_dissimilarities(matrices).values.diagonal().round(6).tolist()
    [1.0, 1.0]
    """
    if method not in AGREEMENTS:
        raise InputError(f"no method {method!r}; {did_you_mean(method, AGREEMENTS)}")
    second = first if second is None else second
    if first["condition"].values.tolist() != second["condition"].values.tolist():
        raise InputError(
            f"the matrices have {first.sizes['condition']} and {second.sizes['condition']} "
            "conditions or other names of them; expected the same"
        )
    toolbox = _toolbox()
    pair = []
    for result in (first, second):
        upper = np.triu_indices(result.sizes["condition"], 1)
        vectors = result["dissimilarity"].values[:, upper[0], upper[1]]
        still = np.ptp(vectors, axis=1) == 0
        if still.any():
            dim = str(result["dissimilarity"].dims[0])
            name = str(result[dim].values[int(np.argmax(still))])
            raise InputError(f"{dim} {name!r}: all dissimilarities are the same")
        pair.append(toolbox["RDMs"](vectors))
    found = toolbox["compare"](*pair, method=AGREEMENTS[method])
    return xr.DataArray(
        np.asarray(found, float),
        **pair_coords(*(r["dissimilarity"] for r in (first, second))),
        name=method,
        attrs={
            "measure": f"{method} agreement of dissimilarities",
            "n_pairs": len(upper[0]),
            "distance": first.attrs.get("measure", ""),
        },
    )


def _toolbox() -> dict[str, Any]:
    try:
        from rsatoolbox.data import Dataset
        from rsatoolbox.data.noise import prec_from_residuals
        from rsatoolbox.rdm import RDMs, calc_rdm, compare
    except ImportError:
        raise InputError(
            "dissimilarities need rsatoolbox, which is not installed: "
            "pip install 'neuro_metarl[geometry]'"
        ) from None
    return {
        "Dataset": Dataset,
        "precision": prec_from_residuals,
        "RDMs": RDMs,
        "calc_rdm": calc_rdm,
        "compare": compare,
    }


def _names(levels: Mapping[str, np.ndarray]) -> list[str]:
    if not levels:
        raise InputError("by names no factor; for example by=['choice', 'reward']")
    return [
        ", ".join(f"{k} {v}" for k, v in zip(levels, combination, strict=True))
        for combination in product(*levels.values())
    ]


@dataclass(frozen=True)
class _Matrix:
    """Of one population."""

    distances: np.ndarray
    n: np.ndarray
    n_units: int
    silent: str


def _matrix(
    mine: Samples, conditions: Conditions, names: list[str], distance: str, n_folds: int
) -> _Matrix:
    toolbox, label = _toolbox(), mine.population.label
    complete = np.asarray(states_of(mine, conditions).all(axis=1))
    if not complete.all():
        lost = f"{int((~complete).sum())} of {len(complete)} trials"
        if not complete.any():
            raise InputError(f"{label}: no trial has all the events; choose some: event=...")
        warnings.warn(
            f"{label}: {lost} lack one of the events and are left out; choose event=...",
            stacklevel=4,
        )
    cell, values = mine.cell[complete], mine.stored[complete].astype(float)
    fold = clusters_of(mine.session[complete]) % n_folds
    crossed = distance == "crossnobis"
    counts = np.zeros((n_folds if crossed else 1, len(names)), int)
    np.add.at(counts, (fold if crossed else np.zeros_like(fold), cell), 1)
    if (counts == 0).any():
        where, empty = np.argwhere(counts == 0)[0]
        raise InputError(
            f"{label} has no trial of condition {names[empty]}"
            + (f" in fold {where} of {n_folds}" if crossed else "")
            + "; use fewer conditions or folds, or more sessions"
        )
    noise, silent = None, np.zeros(values.shape[1:], bool)
    if distance in ("crossnobis", "mahalanobis"):
        silent = np.ptp(values, axis=0) == 0
        if silent.all():
            raise InputError(f"{label}: every unit is silent; there is nothing to compare")
    patterns = values.reshape(len(cell), -1)[:, ~silent.ravel()]
    if distance in ("crossnobis", "mahalanobis"):
        group = cell * n_folds + fold if crossed else cell
        noise = _precision(label, patterns, group)
    data = toolbox["Dataset"](
        patterns, obs_descriptors={"condition": cell.astype(float), "fold": fold.astype(float)}
    )
    found = toolbox["calc_rdm"](
        data, method=distance, descriptor="condition", noise=noise, cv_descriptor="fold"
    )
    return _Matrix(
        np.asarray(found.get_matrices()[0], float),
        np.bincount(cell, minlength=len(names)),
        int((~silent.all(axis=0)).sum()),
        _silent_units(mine.population, conditions, silent),
    )


def _silent_units(population: Population, conditions: Conditions, silent: np.ndarray) -> str:
    """Name what is silent, dims (event, unit), throughout or at some events."""
    activity, parts = conditions.cohort[conditions.variable], []
    always = silent.all(axis=0)
    for where, units in [
        ("", always),
        *(
            (f" at event {e!r}", s & ~always)
            for e, s in zip(conditions.events, silent, strict=True)
        ),
    ]:
        if units.any():
            named = names_of(activity, population.unit[np.flatnonzero(units)], most=20)
            parts.append(f"{population.label}, unit {named}{where}")
    return "; ".join(parts)


def _precision(label: str, patterns: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Invert the shrunk covariance of trials about the mean of their condition (and fold)."""
    _, index = np.unique(group, return_inverse=True)
    n_groups = int(index.max()) + 1
    mean = np.stack([patterns[index == k].mean(axis=0) for k in range(n_groups)])
    residuals = patterns - mean[index]
    still = np.flatnonzero((residuals**2).sum(axis=0) == 0)
    if len(still) or len(patterns) <= n_groups:
        raise InputError(
            f"{label}: {len(still)} of {patterns.shape[1]} units x events do not vary "
            "between trials of one condition, so that there is no noise to measure in; use "
            "distance='euclidean', other events or more trials"
        )
    return np.asarray(_toolbox()["precision"](residuals, dof=len(patterns) - n_groups), float)
