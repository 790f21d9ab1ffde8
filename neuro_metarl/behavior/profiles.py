"""The profile: signatures of a subject's behavior with their joint measurement covariance.

Two-step tasks: from the lagged regression, each of the four indices is split into lag 1 and lags 2
to 5. Bandits: the same for what rewards and what choices do to the next choice. The errors come
from the scores of the regression by session (the sandwich) and are never below the model-based
ones, because few sessions understate the error. How errors are correlated is what the model
implies, because two dozen sessions cannot tell 28 correlations: by the sandwich's, the distance of
pure measurement error is called large (5 % point) in .17 to .22 of subjects of 500 to 1,500 trials,
by the model's in .02 to .04 (``tests/test_cloud.py``).

References
----------
Miller et al. 2017, doi:10.1038/nn.4613; Firth 1993, doi:10.1093/biomet/80.1.27.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import numpy as np
import xarray as xr

from neuro_metarl.behavior.lagged import check_two_choices, lagged_design
from neuro_metarl.behavior.objects import refuse_objects
from neuro_metarl.behavior.rows import Rows, check_cohort, conventions, read_rows
from neuro_metarl.behavior.two_step import INDICES, lagged_fit
from neuro_metarl.cohort import responses, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.regression import LogisticFit, fit_logistic
from neuro_metarl.stats import clusters_of

__all__ = [
    "BANDIT_PROFILE",
    "PROFILE",
    "bandit_profile",
    "floored_covariance",
    "profile",
    "summarize_responses",
]

PROFILE = tuple(
    f"{name.removesuffix('_index')}_{lags}" for name in INDICES for lags in ("lag_1", "lags_2_5")
)
N_LAGS = 5
BANDIT_TERMS = {"reward": (1, -1), "stay": (1, 1)}
BANDIT_PROFILE = tuple(f"{name}_{lags}" for name in BANDIT_TERMS for lags in ("lag_1", "lags_2_5"))


def profile(
    cohort: xr.Dataset,
    *,
    rewarded: float = 0.0,
    across_problems: bool = False,
    adjacent: bool = False,
) -> xr.Dataset:
    """Measure the eight signatures of each subject.

    Parameters
    ----------
    cohort
        Two-step cohort, dims session, trial.
    rewarded, across_problems, adjacent
        What counts as rewarded, and where history stops, see
        :mod:`neuro_metarl.behavior.two_step`.

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
    information H the influence of a cluster is ``IF_k = H^-1 s_k`` and the variances are
    ``K / (K - 1) sum (IF_k - mean)^2``, or those of the model, ``H^-1``, where these are larger.
    Correlations are those of ``H^-1``.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> table = profile(load_dataset("synthetic-rats"))
    >>> table.profile.dims, table.measure.values[:2].tolist()
    (('subject', 'measure'), ['planning_lag_1', 'planning_lags_2_5'])
    """
    check_cohort(cohort, "profile")
    how = {"rewarded": rewarded, "across_problems": across_problems, "adjacent": adjacent}
    fits = lagged_fit(cohort, n_lags=N_LAGS, blocks=True, **how)  # type: ignore[arg-type]
    return _measure(cohort, fits, INDICES, PROFILE).assign_attrs(
        paradigm="two-step",
        **conventions(**how),  # type: ignore[arg-type]
    )


def bandit_profile(
    cohort: xr.Dataset,
    *,
    by: Literal["choice"] | None = None,
    rewarded: float = 0.0,
    across_problems: bool = False,
    adjacent: bool = False,
) -> xr.Dataset:
    """Measure four signatures of each subject on a two-armed bandit.

    Parameters
    ----------
    cohort
        Dims session, trial; choices 0 and 1.
    by
        ``"choice"`` measures the sides of a learning set; other cohorts need no word.
    rewarded, across_problems, adjacent
        What counts as rewarded, and where history stops, see
        :mod:`neuro_metarl.behavior.two_step`.

    Returns
    -------
    xarray.Dataset
        As :func:`profile` gives. Measures: reward (what a rewarded choice does to the next, less
        what an unrewarded one does) and stay (what both do together), each at lag_1 and lags_2_5.

    Raises
    ------
    InputError
        Choices other than 0 and 1, a subject whose regression has no estimate, or a learning set:
        its objects change sides, see
        :func:`neuro_metarl.behavior.learning_signatures.learning_set_profile`.

    Notes
    -----
    ``logit P(choice 1) = bias + sum over lags of R_l x_l + U_l y_l``, where x is +1 (choice 1) or
    -1 (choice 0) if the trial that many back was rewarded, else 0, and y the same for trials
    without reward. reward = R - U, stay = R + U.

    Examples
    --------
    >>> from neuro_metarl import make_player, record
    >>> cohort = record(make_player("rescorla-wagner"), "bandit-independent", 20, seed=1)
    >>> bandit_profile(cohort).measure.values.tolist()
    ['reward_lag_1', 'reward_lags_2_5', 'stay_lag_1', 'stay_lags_2_5']
    """
    how = conventions(rewarded=rewarded, across_problems=across_problems, adjacent=adjacent)
    subjects = read_rows(
        cohort, "bandit_profile", across_problems=across_problems, adjacent=adjacent
    )
    refuse_objects(cohort, subjects, "bandit_profile", by)
    fits = _bandit_fits(subjects, rewarded)
    return _measure(cohort, fits, BANDIT_TERMS, BANDIT_PROFILE).assign_attrs(
        paradigm="bandit", **how
    )


def _bandit_fits(
    subjects: Mapping[str, Rows], rewarded: float
) -> Iterator[tuple[str, LogisticFit]]:
    for name, rows in subjects.items():
        check_two_choices(rows)
        free = ~rows.forced
        if not free.any():
            raise InputError(f"subject {name!r} has no response")
        paid, side = rows.won(rewarded), 2.0 * rows.choice - 1
        sided = np.stack([side * paid, side * ~paid], axis=1)
        design = lagged_design(sided, rows.chain, N_LAGS)
        yield (
            name,
            fit_logistic(design[free], rows.choice[free], cluster=clusters_of(rows.session[free])),
        )


def _measure(
    cohort: xr.Dataset,
    fits: Iterable[tuple[str, LogisticFit]],
    terms: Mapping[str, tuple[int, ...]],
    measures: tuple[str, ...],
) -> xr.Dataset:
    combine = _combinations(terms)
    values, covariances, biases = [], [], []
    for name, fit in fits:
        if fit.problem:
            raise InputError(
                f"subject {name!r}: {fit.problem}; too little variation for a profile, leave the "
                "subject out"
            )
        values.append(combine @ fit.weights)
        covariances.append(
            floored_covariance(
                fit.cluster_scores @ fit.covariance @ combine.T,
                combine @ fit.covariance @ combine.T,
            )
        )
        biases.append(fit.weights[0])
    names = subjects_of(cohort)
    rest = [
        summarize_responses(cohort.isel(session=cohort["subject"].values == name)) for name in names
    ]
    return xr.Dataset(
        {
            "profile": (("subject", "measure"), np.array(values)),
            "covariance": (("subject", "measure", "measure_2"), np.array(covariances)),
            "bias": ("subject", biases),
            **{key: ("subject", [r[key] for r in rest]) for key in rest[0]},
        },
        coords={"subject": names, "measure": list(measures), "measure_2": list(measures)},
        attrs={"method": "regression on lags, Firth; errors by session, floored by the model's"},
    )


def floored_covariance(influence: np.ndarray, model_based: np.ndarray) -> np.ndarray:
    """Make the covariance of estimates from what each cluster does to them.

    Parameters
    ----------
    influence
        Dims (cluster, measure).
    model_based
        Covariance that the model implies, dims (measure, measure): no variance is below it, and
        its correlations are kept.

    Returns
    -------
    numpy.ndarray
        Dims (measure, measure).

    Examples
    --------
    >>> floored_covariance(np.array([[0.1], [-0.1]]), np.array([[1.0]]))
    array([[1.]])
    """
    influence = influence - influence.mean(axis=0)
    n_clusters = len(influence)
    by_cluster = n_clusters / max(1, n_clusters - 1) * (influence**2).sum(axis=0)
    scale = np.sqrt(np.maximum(1.0, by_cluster / np.diag(model_based)))
    return model_based * np.outer(scale, scale)


def summarize_responses(cohort: xr.Dataset) -> dict[str, float]:
    """Count responses; give their share of correct ones and of rewards.

    Parameters
    ----------
    cohort
        Of one subject.

    Returns
    -------
    dict
        ``p_correct`` (NaN where undefined), ``reward_rate``, ``n``.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]}, subject=["a"],
    ...                      task="bandit", source="animal")
    >>> summarize_responses(cohort)
    {'p_correct': nan, 'reward_rate': 0.5, 'n': 2}
    """
    free = responses(cohort)
    correct = float("nan")
    if "correct" in cohort:
        told = free & (cohort["correct"] >= 0)
        correct = float((cohort["correct"] == 1).where(told).mean())
    reward = float(cohort["reward"].where(free).mean())
    return {"p_correct": correct, "reward_rate": reward, "n": int(free.sum())}


def _combinations(terms: Mapping[str, tuple[int, ...]]) -> np.ndarray:
    """Signatures as combinations of bias and (term, lag) weights, dims (measure, column)."""
    rows = []
    for signs in terms.values():
        for lags in (slice(0, 1), slice(1, N_LAGS)):
            table = np.zeros((len(signs), N_LAGS))
            table[:, lags] = np.array(signs, float)[:, None]
            rows.append(np.concatenate([[0.0], table.ravel()]))
    return np.array(rows)
