"""Intervals of one subject over its sessions, and of a group over its subjects.

One rule serves every number of a subject that is measured over sessions. Sessions are left out one
by one; the spread of what the others give is the error between sessions (jackknife), and Student's
t with one degree of freedom less than there are sessions says how far the interval reaches. It
never reaches less far than the model's own error, which takes trials for independent, allows. With
two or three sessions such an interval is so wide that it says nothing: none is given. With one
session the interval is the model's and holds for that session alone.

Proportions are handled on log odds, so that intervals stay between 0 and 1; a proportion of
``k`` in ``n`` counts there as ``(k + 1/2) / (n + 1)``. The interval is of the mean over sessions
to come, in which a session weighs by its trials.

Over subjects: Student's t on the scale on which the measure has no limits (log odds of
proportions, logarithms of what is positive), mapped back. It is the interval of the typical
subject, the mean on that scale, not of the arithmetic mean. Two subjects are two points and have
none. Coverage of both rules: ``benchmarks/interval_coverage.py``.

References
----------
Bell & McCaffrey 2002, Survey Methodology 28:169-181; Cameron & Miller 2015,
doi:10.3368/jhr.50.2.317; Agresti & Coull 1998, doi:10.1080/00031305.1998.10480550.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from scipy.special import expit, logit, stdtrit

from neuro_metarl.errors import InputError

__all__ = [
    "LEAST_SESSIONS",
    "OVER_SESSIONS",
    "OVER_SUBJECTS",
    "check_confidence",
    "few_sessions",
    "mean_intervals",
    "over_subjects",
    "proportion_intervals",
    "session_interval",
    "session_reach",
]

LEAST_SESSIONS, LEAST_SUBJECTS, ENOUGH_TRIALS = 4, 3, 20
OVER_SESSIONS = (
    "session jackknife with Student's t, never narrower than the model's own; none with 2 or 3 "
    "sessions; with 1 the model's own, given that session"
)
OVER_SUBJECTS = "Student's t of the typical subject, on the scale without limits; none below 3"


def check_confidence(confidence: float) -> None:
    """Refuse what is no confidence.

    Parameters
    ----------
    confidence
        For example .95.

    Raises
    ------
    InputError
        Not a number between 0 and 1.

    Examples
    --------
    >>> check_confidence(95)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: confidence is 95, expected a number between 0 and 1
    """
    if not isinstance(confidence, int | float | np.number) or not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence!r}, expected a number between 0 and 1")


def few_sessions(n_sessions: int) -> str:
    """Say that a subject has too few sessions for intervals.

    Parameters
    ----------
    n_sessions
        That it has.

    Returns
    -------
    str
        Empty where it has enough, or one, of which the model's interval is told.

    Examples
    --------
    >>> few_sessions(3)
    '3 sessions are too few for intervals over sessions (4 are needed)'
    >>> few_sessions(4), few_sessions(1)
    ('', '')
    """
    if not 1 < n_sessions < LEAST_SESSIONS:
        return ""
    return (
        f"{n_sessions} sessions are too few for intervals over sessions ({LEAST_SESSIONS} are "
        "needed)"
    )


def session_reach(
    left_out: np.ndarray, model_error: np.ndarray, confidence: float = 0.95
) -> np.ndarray:
    """Say how far to either side intervals over sessions reach.

    Parameters
    ----------
    left_out
        Dims (session, quantity): what all other sessions give; NaN where the session has no part
        in the quantity, and does not count as one of its sessions.
    model_error
        Dims (quantity): standard error of the model's own, 0 where there is none.
    confidence
        For example .95.

    Returns
    -------
    numpy.ndarray
        Dims (quantity); NaN with no, two or three sessions, and with one where the model has no
        error of its own.

    Raises
    ------
    InputError
        ``confidence`` is not between 0 and 1.

    Examples
    --------
    >>> session_reach(np.array([[0.9], [1.0], [1.1], [1.0]]), np.array([0.1])).round(3).tolist()
    [0.39]
    >>> session_reach(np.array([[0.9], [1.0], [1.1]]), np.array([0.1])).tolist()
    [nan]
    """
    check_confidence(confidence)
    tail = (1 + confidence) / 2
    there = np.isfinite(left_out)
    n = there.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.where(there, left_out, 0).sum(axis=0) / n
        away = np.where(there, left_out - middle, 0)
        jackknife = np.sqrt((n - 1) / n * (away**2).sum(axis=0))
    reach = stdtrit(np.maximum(n - 1, 1), tail) * jackknife
    of_model = NormalDist().inv_cdf(tail) * np.asarray(model_error, float)
    alone = np.where(of_model > 0, of_model, np.nan)
    many = np.where(n >= LEAST_SESSIONS, np.fmax(reach, of_model), np.nan)
    return np.where(n == 1, alone, many)


def session_interval(
    value: np.ndarray, left_out: np.ndarray, model_error: np.ndarray, confidence: float = 0.95
) -> np.ndarray:
    """Lay values out with their intervals over sessions.

    Parameters
    ----------
    value
        Dims (quantity).
    left_out, model_error, confidence
        See :func:`session_reach`.

    Returns
    -------
    numpy.ndarray
        Dims (quantity, statistic: value, low, high).

    Examples
    --------
    >>> others = np.array([[0.9], [1.0], [1.1], [1.0]])
    >>> session_interval(np.array([1.0]), others, np.zeros(1)).round(2).tolist()
    [[1.0, 0.61, 1.39]]
    """
    reach = session_reach(left_out, model_error, confidence)
    return np.stack([value, value - reach, value + reach], axis=-1)


def mean_intervals(
    table: np.ndarray,
    confidence: float = 0.95,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> np.ndarray:
    """Average over sessions.

    Parameters
    ----------
    table
        Dims (session, quantity); NaN where a session has no value.
    confidence
        For example .95.
    limits
        Between which the mean must lie.

    Returns
    -------
    numpy.ndarray
        Dims (quantity, statistic: value, low, high). A single session has no interval.

    Examples
    --------
    >>> mean_intervals(np.array([[1.0], [2.0], [3.0], [4.0]])).round(2).tolist()
    [[2.5, 0.45, 4.55]]
    """
    there = np.isfinite(table)
    filled, n = np.where(there, table, 0.0), there.sum(axis=0)
    total = filled.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        others = np.where(there, (total - filled) / (n - 1), np.nan)
        found = session_interval(total / n, others, np.zeros(table.shape[1]), confidence)
    return found.clip(*limits)


def proportion_intervals(made: np.ndarray, n: np.ndarray, confidence: float = 0.95) -> np.ndarray:
    """Give proportions with their intervals over sessions, on log odds.

    Parameters
    ----------
    made, n
        Dims (session, quantity): how often it happened, and how often it could have.
    confidence
        For example .95.

    Returns
    -------
    numpy.ndarray
        Dims (quantity, statistic: value, low, high), within 0 and 1; NaN where ``n`` is 0 in all
        sessions. The model's own error is the binomial's.

    Examples
    --------
    >>> made, n = np.array([[2.0, 0], [4, 0], [3, 0], [3, 0]]), np.array([[4.0, 0]] * 4)
    >>> proportion_intervals(made, n)[:, 0].tolist()
    [0.75, nan]
    """
    happened, total = made.sum(axis=0), n.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = happened / total
    odds = logit((happened + 0.5) / (total + 1))
    others = logit((happened - made + 0.5) / (total - n + 1))
    error = np.sqrt(1 / (happened + 0.5) + 1 / (total - happened + 0.5))
    reach = session_reach(np.where(n > 0, others, np.nan), error, confidence)
    low, high = np.minimum(expit(odds - reach), value), np.maximum(expit(odds + reach), value)
    return np.stack([value, low, high], axis=-1)


def over_subjects(
    values: np.ndarray,
    *,
    limits: tuple[float, float] = (-np.inf, np.inf),
    n: np.ndarray | None = None,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Give the typical subject of a group, and its interval.

    Parameters
    ----------
    values
        Dims (subject); NaN are left out.
    limits
        Least and greatest value that the measure can have: ``(0, 1)`` is handled on log odds,
        ``(0, inf)`` on logarithms.
    n
        Dims (subject): trials behind each proportion; default many. With 20 or more for every
        subject a proportion of 0 or 1, which has no log odds, counts as half a trial away from it.
    confidence
        For example .95.

    Returns
    -------
    typical, low, high
        The mean on the scale without limits, mapped back, and its interval, NaN with fewer than
        three subjects. Where a subject's value is at a limit itself (and a proportion rests on
        fewer than 20 trials) values are handled as they are, and the interval is cut at the limits.

    Examples
    --------
    >>> [round(v, 2) for v in over_subjects(np.array([0.8, 0.9, 0.95]), limits=(0, 1))]
    [0.9, 0.56, 0.98]
    >>> over_subjects(np.array([1.0, 3.0]))
    (2.0, nan, nan)
    """
    check_confidence(confidence)
    there = np.isfinite(np.asarray(values, float))
    kept = np.asarray(values, float)[there]
    if not len(kept):
        return float("nan"), float("nan"), float("nan")
    known = None if n is None else np.asarray(n, float)[there]
    back, scaled = _without_limits(kept, limits, known)
    middle = scaled.mean()
    reach = np.nan
    if len(kept) >= LEAST_SUBJECTS:
        error = scaled.std(ddof=1) / np.sqrt(len(scaled))
        reach = float(stdtrit(len(scaled) - 1, (1 + confidence) / 2)) * error
    typical, low, high = (float(back(middle + by)) for by in (0.0, -reach, reach))
    lowest, highest = limits
    return typical, max(low, lowest), min(high, highest)


def _without_limits(
    kept: np.ndarray, limits: tuple[float, float], n: np.ndarray | None
) -> tuple[Callable[[float], float], np.ndarray]:
    """Give the way back from a scale without limits, and the values on it."""
    trials = np.full(len(kept), 1e6) if n is None else np.where(np.isfinite(n), n, 1e6)
    inside = ((kept > 0) & (kept < 1)).all()
    if tuple(limits) == (0, 1) and (inside or trials.min() >= ENOUGH_TRIALS):
        return expit, logit((kept * trials + 0.5) / (trials + 1))
    if tuple(limits) == (0, np.inf) and (kept > 0).all():
        return np.exp, np.log(kept)
    return (lambda x: x), kept
