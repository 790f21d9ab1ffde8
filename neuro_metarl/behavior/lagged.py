"""Regressions of choices on earlier trials: the lagged design, and the intervals of its weights."""

from __future__ import annotations

import warnings

import numpy as np

from neuro_metarl.behavior.rows import Rows
from neuro_metarl.errors import InputError
from neuro_metarl.regression import SEPARATION, LogisticFit, Penalty
from neuro_metarl.stats import check_confidence, interval, multiplicities

__all__ = [
    "UNSTABLE",
    "check_lags",
    "check_two_choices",
    "lagged_design",
    "warn_of",
    "weight_intervals",
]

LEAST_INFORMATION, RAREST, ENOUGH_DRAWS = 0.1, 0.01, 200
UNSTABLE = (
    "the choices hardly vary: resamples of the sessions cannot tell the weights, so that the "
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
    fit: LogisticFit, combine: np.ndarray, n_bootstrap: int, confidence: float, seed: int
) -> tuple[np.ndarray, str]:
    """Give combinations of weights with the interval of a bootstrap over clusters.

    Parameters
    ----------
    fit
        Logistic regression.
    combine
        Dims (quantity, column).
    n_bootstrap, confidence, seed
        Of the bootstrap.

    Returns
    -------
    table, problem
        Dims (quantity, statistic: value, low, high); what is wrong with them, or nothing.

    Notes
    -----
    A draw is one Newton step from the estimate. Where a resample keeps less than a tenth of the
    information in some direction, as for a subject that nearly always makes the same choice, such
    a step leads nowhere. Where this holds of as many draws as would reach an end of the interval,
    the interval is ``value +- z standard errors`` of the model, and ``problem``
    says so. It also names a subject that makes one of the two responses on at most 1 % of the
    trials.

    Examples
    --------
    >>> from neuro_metarl.regression import fit_logistic
    >>> fit = fit_logistic(np.ones((40, 1)), np.arange(40) % 4 == 0, cluster=np.arange(40) // 4)
    >>> table, problem = weight_intervals(fit, np.eye(1), 200, 0.95, 0)
    >>> table.round(1).tolist(), problem
    ([[-1.1, -1.8, -0.4]], '')
    """
    check_confidence(confidence)
    rng = np.random.default_rng(seed)
    times = multiplicities(len(fit.cluster_scores), n_bootstrap, rng)
    value = combine @ fit.weights
    error = np.sqrt(np.einsum("ij,jk,ik->i", combine, fit.covariance, combine))
    draws, problem = fit.resampled(times) @ combine.T, fit.problem
    if not problem:
        weak = fit.kept_information(times[:ENOUGH_DRAWS]) < LEAST_INFORMATION
        if weak.any():
            weak = fit.kept_information(times) < LEAST_INFORMATION
        beyond = int((1 - confidence) / 2 * (len(times) - 1))
        if weak.sum() > beyond:
            draws, problem = np.broadcast_to(value, draws.shape), UNSTABLE
        elif fit.n_rarer <= RAREST * fit.n:
            problem = ONE_SIDED
    low, high = interval(value, draws, error, confidence=confidence)
    return np.stack([value, low, high], axis=-1), problem


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
