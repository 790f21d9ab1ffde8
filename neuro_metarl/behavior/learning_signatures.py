"""Six signatures of a subject on learning sets, with their joint measurement covariance.

References
----------
Harlow 1949, doi:10.1037/h0062474; Firth 1993, doi:10.1093/biomet/80.1.27.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl.behavior.lagged import check_two_choices
from neuro_metarl.behavior.learning_sets import N_TRIALS, Trials, read_trials
from neuro_metarl.behavior.profiles import floored_covariance, summarize_responses
from neuro_metarl.behavior.rows import conventions
from neuro_metarl.errors import InputError
from neuro_metarl.regression import LogisticFit, fit_logistic
from neuro_metarl.stats import clusters_of

__all__ = ["LEARNING_SET_PROFILE", "learning_set_profile"]

FEW_PROBLEMS = 12
LEARNING_SET_PROFILE = (
    "trial_1",
    "trial_2",
    "trials_3_6",
    "change_over_problems",
    "win_stay",
    "lose_shift",
)


def learning_set_profile(
    cohort: xr.Dataset, *, rewarded: float = 0.0, adjacent: bool = False
) -> xr.Dataset:
    """Measure six signatures of each subject on a series of two-choice problems.

    Parameters
    ----------
    cohort
        Dims session, trial; needs ``correct``; choices 0 and 1. The first six trials of each
        problem are used.
    rewarded, adjacent
        What counts as rewarded in win_stay and lose_shift, and whether they look at neighboring
        trials only, see :mod:`neuro_metarl.behavior.two_step`.

    Returns
    -------
    xarray.Dataset
        As :func:`neuro_metarl.behavior.profiles.profile` gives, log odds. Measures: trial_1,
        trial_2 and trials_3_6 (correct there, in the middle of a subject's problems);
        change_over_problems (correct after trial 1, last problem less first, on a straight line);
        win_stay and lose_shift (choosing the same *object* after a reward, another after none).

    Raises
    ------
    InputError
        No ``correct``, choices other than 0 and 1, a subject with one problem, or one whose
        regression has no estimate.

    Notes
    -----
    ``logit P(correct) = a1 [trial 1] + a2 [trial 2] + a3 [trials 3-6] + c u [after trial 1]``, u
    running from -1/2 (first problem) to +1/2 (last); ``logit P(same object) = w [won] + l [not]``,
    win_stay = w, lose_shift = -l. Of two objects one is correct, so the same object was chosen
    where both trials were correct or both were wrong: sides do not matter. Firth's penalty in both;
    the joint covariance is the sandwich over sessions (blocks of 20 trials or more where there are
    fewer than 12), floored by the model-based error.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = rng.random((60, 6)) < [0.5, 0.8, 0.9, 0.9, 0.9, 0.9]
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": rng.integers(2, size=(60, 6)), "reward": correct,
    ...                       "correct": correct}, subject=["a"] * 60, task="harlow",
    ...                      source="animal")
    >>> learning_set_profile(cohort).measure.values.tolist()[:3]
    ['trial_1', 'trial_2', 'trials_3_6']
    """
    how = conventions(rewarded=rewarded, across_problems=False, adjacent=adjacent)
    subjects = read_trials(cohort, "learning_set_profile", adjacent=adjacent)
    names = list(subjects)
    values, covariances, rest = [], [], []
    for name, trials in subjects.items():
        one = cohort.isel(session=cohort["subject"].values == name)
        value, covariance, bias = _signatures(trials, rewarded)
        values.append(value)
        covariances.append(covariance)
        rest.append({"bias": bias, **summarize_responses(one)})
    labels = list(LEARNING_SET_PROFILE)
    return xr.Dataset(
        {
            "profile": (("subject", "measure"), np.array(values)),
            "covariance": (("subject", "measure", "measure_2"), np.array(covariances)),
            **{key: ("subject", [r[key] for r in rest]) for key in rest[0]},
        },
        coords={"subject": names, "measure": labels, "measure_2": labels},
        attrs={
            "method": "two logistic regressions, Firth, session sandwich floored by the model's",
            "paradigm": "learning set",
            "by": "object",
            **how,
        },
    )


def _signatures(trials: Trials, rewarded: float) -> tuple[np.ndarray, np.ndarray, float]:
    rows, name = trials.rows, trials.rows.subject
    check_two_choices(rows)
    if trials.n_problems < 2:
        raise InputError(
            f"subject {name!r} has {trials.n_problems} problem; a learning set needs two or more"
        )
    used = np.flatnonzero(trials.respond & (trials.number <= N_TRIALS))
    if not len(used):
        raise InputError(f"subject {name!r} has no response; leave the subject out")
    cluster = clusters_of(rows.session[used])
    progress = rows.problem[used] / (trials.n_problems - 1) - 0.5
    number = trials.number[used]
    kinds = [number == 1, number == 2, number >= 3, (number > 1) * progress]
    correct, design = rows.correct[used], np.stack(kinds, 1)
    first = fit_logistic(design, correct, cluster=cluster)
    after = np.flatnonzero(number > 1)
    before = used[after] - 1
    known = (rows.correct[before] >= 0) & (rows.chain[before] == rows.chain[used[after]])
    after, before = after[known], before[known]
    won = rows.won(rewarded)[before]
    same = rows.correct[before] == correct[after]
    outcome = np.stack([won, ~won], 1)
    second = fit_logistic(outcome, same, cluster=cluster[after])
    for fit, what in ((first, "correct"), (second, "same object")):
        if fit.problem:
            raise InputError(
                f"subject {name!r}, regression of {what}: {fit.problem}; leave the subject out"
            )
    value = np.append(first.weights, second.weights * [1, -1])
    right = float((rows.choice[used] == 1).sum())
    bias = float(np.log((right + 0.5) / (len(used) - right + 0.5)))
    problem = np.unique(rows.problem[used], return_inverse=True)[1]
    pulls = np.zeros((problem.max() + 1, 6))
    np.add.at(pulls[:, :4], problem, _scores(first, design, correct))
    np.add.at(pulls[:, 4:], problem[after], _scores(second, outcome, same))
    return value, _joint(first, second, pulls), bias


def _scores(fit: LogisticFit, design: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Give the pull of each trial at each weight, dims (trial, weight)."""
    chance = 0.5 * (1 + np.tanh(0.5 * design @ fit.weights))
    return (made - chance)[:, None] * design


def _joint(first: LogisticFit, second: LogisticFit, pulls: np.ndarray) -> np.ndarray:
    """Covariance of both regressions.

    Trials of a problem hang together, which neither regression knows: how errors are correlated is
    taken from the problems' scores, dims (problem, weight), shrunk where these are few.
    """
    inverse = np.zeros((6, 6))
    inverse[:4, :4], inverse[4:, 4:] = first.covariance, second.covariance
    n_clusters = max(len(first.cluster_scores), len(second.cluster_scores))
    influence = np.zeros((n_clusters, 6))
    influence[: len(first.cluster_scores), :4] = first.cluster_scores @ first.covariance
    influence[: len(second.cluster_scores), 4:] = second.cluster_scores @ second.covariance
    by_problem = _correlation(inverse @ (pulls.T @ pulls + 1e-9 * np.eye(6)) @ inverse)
    share = len(pulls) / (len(pulls) + FEW_PROBLEMS)
    mixed = share * by_problem + (1 - share) * _correlation(inverse)
    error, sign = np.sqrt(np.diag(inverse)), np.array([1, 1, 1, 1, 1, -1])
    return floored_covariance(influence * sign, mixed * np.outer(error * sign, error * sign))


def _correlation(covariance: np.ndarray) -> np.ndarray:
    size = np.sqrt(np.diag(covariance))
    return covariance / np.outer(size, size)
