"""Regressions of choices on earlier trials: the lagged design, and the intervals of its weights."""

from __future__ import annotations

import warnings
from statistics import NormalDist

import numpy as np

from neuro_metarl.behavior.rows import Rows
from neuro_metarl.errors import InputError
from neuro_metarl.intervals import LEAST_SESSIONS, check_confidence, session_interval
from neuro_metarl.regression import SEPARATION, LogisticFit, Penalty

__all__ = [
    "UNSTABLE",
    "check_lags",
    "check_two_choices",
    "lagged_design",
    "warn_of",
    "weight_intervals",
]

LEAST_INFORMATION, RAREST = 0.1, 0.01
UNSTABLE = (
    "the choices hardly vary: without one session the others cannot tell the weights, so that the "
    "intervals are the model's own (Wald)"
)

ONE_SIDED = (
    "the responses hardly vary: the rarer of the two outcomes is on at most 1 % of the trials, so "
    "that the weights are hardly known"
)


def lagged_design(sided: np.ndarray, chain: np.ndarray, n_lags: int) -> np.ndarray:
    """Lay out the earlier trials of each trial.

    Parameters
    ----------
    sided
        Dims (row, kind): +1 if the trial was of that kind and chose 1, -1 if it was and chose 0,
        else 0; rows in order of time.
    chain
        Dims (row): lags look back within a chain only.
    n_lags
        Trials back.

    Returns
    -------
    numpy.ndarray
        Dims (row, column): a column of ones, then the columns by kind and lag.

    Examples
    --------
    >>> lagged_design(np.array([[1.0], [-1.0], [1.0]]), np.array([0, 0, 1]), 1)[:, 1].tolist()
    [0.0, 1.0, -0.0]
    """
    n_rows, n_kinds = sided.shape
    design = np.zeros((n_rows, n_kinds, n_lags))
    for lag in range(1, min(n_lags, n_rows - 1) + 1):
        same = chain[lag:] == chain[:-lag]
        design[lag:, :, lag - 1] = sided[:-lag] * same[:, None]
    return np.concatenate([np.ones((n_rows, 1)), design.reshape(n_rows, -1)], axis=1)


def check_lags(n_lags: int) -> None:
    """Refuse what is no number of trials back.

    Parameters
    ----------
    n_lags
        Trials back.

    Raises
    ------
    InputError
        Not a whole number from 1.

    Examples
    --------
    >>> check_lags(0)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: n_lags is 0, expected a whole number, 1 or more
    """
    whole = isinstance(n_lags, int | np.integer) and not isinstance(n_lags, bool)
    if not whole or n_lags < 1:
        raise InputError(f"n_lags is {n_lags!r}, expected a whole number, 1 or more")


def check_two_choices(rows: Rows) -> None:
    """Refuse choices other than 0 and 1.

    Parameters
    ----------
    rows
        Of a subject.

    Raises
    ------
    InputError
        A third choice.

    Examples
    --------
    >>> from neuro_metarl.behavior.rows import read_rows
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 2]], "reward": [[1, 0]]}, subject=["a"],
    ...                      task="bandit", source="animal")
    >>> check_two_choices(read_rows(cohort, "bandit_profile")["a"])
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: subject 'a': choice 2, expected 0 and 1
    """
    highest = rows.choice.max(initial=0)
    if highest > 1:
        raise InputError(f"subject {rows.subject!r}: choice {highest}, expected 0 and 1")


def weight_intervals(
    fit: LogisticFit, combine: np.ndarray, confidence: float
) -> tuple[np.ndarray, str]:
    """Give combinations of weights with their intervals over sessions.

    Parameters
    ----------
    fit
        Logistic regression whose clusters are sessions.
    combine
        Dims (quantity, column).
    confidence
        Of the intervals, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    table, problem
        Dims (quantity, statistic: value, low, high); what is wrong with them, or nothing.

    Notes
    -----
    A session is left out by one Newton step from the estimate. Where the others keep less than a
    tenth of the information in some direction, such a step leads nowhere: the interval is
    ``value +- z standard errors`` of the model, and ``problem`` says so. It also names a subject
    that makes one of the two responses on at most 1 % of the trials.

    Examples
    --------
    >>> from neuro_metarl.regression import fit_logistic
    >>> fit = fit_logistic(np.ones((40, 1)), np.arange(40) % 4 == 0, cluster=np.arange(40) // 4)
    >>> table, problem = weight_intervals(fit, np.eye(1), 0.95)
    >>> table.round(1).tolist(), problem
    ([[-1.1, -1.8, -0.4]], '')
    """
    check_confidence(confidence)
    value = combine @ fit.weights
    error = np.sqrt(np.einsum("ij,jk,ik->i", combine, fit.covariance, combine))
    if fit.problem:
        return np.stack([value, value, value], axis=-1), fit.problem
    n = len(fit.cluster_scores)
    if n >= LEAST_SESSIONS and (fit.kept_information(1 - np.eye(n)) < LEAST_INFORMATION).any():
        reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
        return np.stack([value, value - reach, value + reach], axis=-1), UNSTABLE
    problem = ONE_SIDED if fit.n_rarer <= RAREST * fit.n else ""
    return session_interval(value, fit.left_out() @ combine.T, error, confidence), problem


def warn_of(name: str, fit: LogisticFit, penalty: Penalty) -> None:
    """Warn where a subject's regression has no estimate, and say what helps.

    Parameters
    ----------
    name
        Subject.
    fit
        Its regression.
    penalty
        The penalty that was used.

    Examples
    --------
    >>> from neuro_metarl.regression import fit_logistic
    >>> fit = fit_logistic(np.ones((4, 1)), np.ones(4), penalty="none")
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     warn_of("a", fit, "none")
    >>> str(told[0].message)
    "subject 'a': separation: no finite maximum of the likelihood; use penalty='firth'"
    """
    if fit.problem:
        remedy = "no penalty mends that: take more trials, fewer lags, or leave the subject out"
        if penalty == "none" and fit.problem == SEPARATION:
            remedy = "use penalty='firth'"
        warnings.warn(f"subject {name!r}: {fit.problem}; {remedy}", stacklevel=3)
