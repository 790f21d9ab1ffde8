"""The profile: eight signatures of two-step behavior with their joint measurement covariance.

From the lagged regression, each of the four indices is split into lag 1 and lags 2 to 5. The
covariance comes from the scores of the regression by session (the sandwich), and is widened where
the model-based error is larger, because few sessions understate the error.

References
----------
Miller et al. 2017, doi:10.1038/nn.4613; Firth 1993, doi:10.1093/biomet/80.1.27.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl.behavior.two_step import INDICES, lagged_fit
from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError

__all__ = ["PROFILE", "profile"]

PROFILE = tuple(
    f"{name.removesuffix('_index')}_{lags}" for name in INDICES for lags in ("lag_1", "lags_2_5")
)
N_LAGS = 5


def profile(cohort: xr.Dataset) -> xr.Dataset:
    """Measure the eight signatures of each subject.

    Parameters
    ----------
    cohort
        Two-step cohort, dims session, trial.

    Returns
    -------
    xarray.Dataset
        ``profile`` (subject, measure), log odds; ``covariance`` (subject, measure, measure_2) of
        its measurement error; ``bias`` (subject), ``p_correct`` (NaN where undefined),
        ``reward_rate`` and ``n``, the free responses. Measures: planning, model_free, stay and
        common_stay, each at lag_1 and lags_2_5.

    Raises
    ------
    InputError
        Not a two-step cohort, or a subject whose regression has no estimate.

    Notes
    -----
    With scores ``s_k`` of K clusters (sessions; blocks where there are fewer than 12) and
    information H the influence of a cluster is ``IF_k = H^-1 s_k`` and the covariance
    ``K / (K - 1) sum (IF_k - mean)(IF_k - mean)'``; rows and columns are then scaled so that no
    standard error is below the model-based one.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> table = profile(load_dataset("synthetic-rats"))
    >>> table.profile.dims, table.measure.values[:2].tolist()
    (('subject', 'measure'), ['planning_lag_1', 'planning_lags_2_5'])
    """
    combine = _combinations()
    values, covariances, biases = [], [], []
    for name, fit in lagged_fit(cohort, n_lags=N_LAGS):
        if fit.problem:
            raise InputError(
                f"subject {name!r}: {fit.problem}; too little variation for a profile, leave the "
                "subject out"
            )
        values.append(combine @ fit.weights)
        influence = fit.cluster_scores @ fit.covariance @ combine.T
        influence = influence - influence.mean(axis=0)
        n_clusters = len(influence)
        sandwich = n_clusters / max(1, n_clusters - 1) * influence.T @ influence
        model_based = combine @ fit.covariance @ combine.T
        covariances.append(_floored(sandwich, model_based))
        biases.append(fit.weights[0])
    names = subjects_of(cohort)
    rest = [_summary(cohort.isel(session=cohort["subject"].values == name)) for name in names]
    return xr.Dataset(
        {
            "profile": (("subject", "measure"), np.array(values)),
            "covariance": (("subject", "measure", "measure_2"), np.array(covariances)),
            "bias": ("subject", biases),
            **{key: ("subject", [r[key] for r in rest]) for key in rest[0]},
        },
        coords={"subject": names, "measure": list(PROFILE), "measure_2": list(PROFILE)},
        attrs={"method": "lagged regression, Firth, session sandwich floored by the model's error"},
    )


def _combinations() -> np.ndarray:
    """Signatures as combinations of bias and (term, lag) weights, dims (measure, column)."""
    rows = []
    for signs in INDICES.values():
        for lags in (slice(0, 1), slice(1, N_LAGS)):
            table = np.zeros((4, N_LAGS))
            table[:, lags] = np.array(signs, float)[:, None]
            rows.append(np.concatenate([[0.0], table.ravel()]))
    return np.array(rows)


def _floored(sandwich: np.ndarray, model_based: np.ndarray) -> np.ndarray:
    error = np.sqrt(np.diag(sandwich))
    if (error <= 0).any():
        return model_based
    scale = np.maximum(1.0, np.sqrt(np.diag(model_based)) / error)
    return sandwich * np.outer(scale, scale)


def _summary(cohort: xr.Dataset) -> dict[str, float]:
    free = cohort["valid"] == 1
    if "forced" in cohort:
        free = free & (cohort["forced"] == 0)
    correct = float("nan")
    if "correct" in cohort:
        told = free & (cohort["correct"] >= 0)
        correct = float((cohort["correct"] == 1).where(told).mean())
    reward = float(cohort["reward"].where(free).mean())
    return {"p_correct": correct, "reward_rate": reward, "n": int(free.sum())}
