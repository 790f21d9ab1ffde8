"""Representational dissimilarity: how far apart conditions are within a population.

Distances come from rsatoolbox (``pip install neuro_metarl[geometry]``). A condition's pattern is
the activity of all units at all the events asked for.

References
----------
Kriegeskorte et al. 2008, doi:10.3389/neuro.06.004.2008; Walther et al. 2016,
doi:10.1016/j.neuroimage.2015.12.012; Nili et al. 2014, doi:10.1371/journal.pcbi.1003553.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.populations import Factors, Samples, samples_of, select_events, together
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
) -> xr.Dataset:
    """Measure how far apart the conditions are in each population.

    Parameters
    ----------
    cohort
        With the variable, dims session, trial, event, unit.
    by
        Factors of the conditions; see :mod:`neuro_metarl.neural.populations`.
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

    Returns
    -------
    xarray.Dataset
        ``dissimilarity`` (subject, condition, condition_2), 0 on the diagonal; ``n`` (subject,
        condition), trials. Conditions are called "choice 0, reward 1".

    Raises
    ------
    InputError
        See :func:`neuro_metarl.neural.populations.samples_of`; units not recorded together;
        fewer than three conditions; a condition that is missing from a fold; or rsatoolbox is
        not installed.

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
    samples, levels = samples_of(select_events(cohort, event), by, variable=variable)
    names = _names(levels)
    if len(names) < 3:
        raise InputError(f"by makes {len(names)} conditions, expected 3 or more")
    matrices = [_matrix(name, mine, names, distance, n_folds) for name, mine in samples.items()]
    counts = [np.bincount(mine.cell, minlength=len(names)) for mine in samples.values()]
    return xr.Dataset(
        {
            "dissimilarity": (("subject", "condition", "condition_2"), np.array(matrices)),
            "n": (("subject", "condition"), np.array(counts)),
        },
        coords={"subject": subjects_of(cohort), "condition": names, "condition_2": names},
        attrs={
            "measure": f"{distance} dissimilarity",
            "variable": variable,
            "event": "all" if event is None else str(event),
            "n_folds": n_folds if distance == "crossnobis" else 0,
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
        Dims (subject, subject_2). With ``"spearman"`` and ``"kendall"`` and ties, a matrix agrees
        with itself by less than 1.

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
            name = str(result["subject"].values[int(np.argmax(still))])
            raise InputError(f"subject {name!r}: all dissimilarities are the same")
        pair.append(toolbox["RDMs"](vectors))
    found = toolbox["compare"](*pair, method=AGREEMENTS[method])
    return xr.DataArray(
        np.asarray(found, float),
        dims=("subject", "subject_2"),
        coords={"subject": first["subject"].values, "subject_2": second["subject"].values},
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


def _matrix(name: str, mine: Samples, names: list[str], distance: str, n_folds: int) -> np.ndarray:
    toolbox = _toolbox()
    patterns = together(name, mine).reshape(len(mine.cell), -1)
    fold = clusters_of(mine.session) % n_folds
    crossed = distance == "crossnobis"
    counts = np.zeros((n_folds if crossed else 1, len(names)), int)
    np.add.at(counts, (fold if crossed else np.zeros_like(fold), mine.cell), 1)
    if (counts == 0).any():
        where, cell = np.argwhere(counts == 0)[0]
        raise InputError(
            f"subject {name!r} has no trial of condition {names[cell]}"
            + (f" in fold {where} of {n_folds}" if crossed else "")
            + "; use fewer conditions or folds, or more sessions"
        )
    noise = None
    if distance in ("crossnobis", "mahalanobis"):
        group = mine.cell * n_folds + fold if crossed else mine.cell
        noise = _precision(name, patterns, group)
    data = toolbox["Dataset"](
        patterns, obs_descriptors={"condition": mine.cell.astype(float), "fold": fold.astype(float)}
    )
    found = toolbox["calc_rdm"](
        data, method=distance, descriptor="condition", noise=noise, cv_descriptor="fold"
    )
    return np.asarray(found.get_matrices()[0], float)


def _precision(name: str, patterns: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Invert the shrunk covariance of trials about the mean of their condition (and fold)."""
    _, index = np.unique(group, return_inverse=True)
    n_groups = int(index.max()) + 1
    mean = np.stack([patterns[index == k].mean(axis=0) for k in range(n_groups)])
    residuals = patterns - mean[index]
    still = np.flatnonzero((residuals**2).sum(axis=0) == 0)
    if len(still) or len(patterns) <= n_groups:
        raise InputError(
            f"subject {name!r}: {len(still)} of {patterns.shape[1]} units x events do not vary "
            "between trials of one condition, so that there is no noise to measure in; use "
            "distance='euclidean', other events or more trials"
        )
    return np.asarray(_toolbox()["precision"](residuals, dof=len(patterns) - n_groups), float)
