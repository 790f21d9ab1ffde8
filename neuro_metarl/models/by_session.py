"""Two strategies, one of them in each session: what their likelihoods come to together.

``L = sum over sessions of log(pi L1 + (1 - pi) L2)``. With ``r`` the posterior of the first
strategy in a session and ``d`` the difference of the two complete scores, the score is the mean of
the complete scores under ``r``, and the information is the mean of the complete informations less
``r (1 - r) d d'``, what is missing because the strategy is not seen.

References
----------
Louis 1982, doi:10.1111/j.2517-6161.1982.tb01203.x.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["OfSessions", "mix_log_odds", "mix_sums"]

MOST_MISSING, LEAST_SHARE = 0.99, 1e-300


class OfSessions(NamedTuple):
    """Log-likelihood, score and information of sessions under a model, dims (session, ...)."""

    value: np.ndarray
    score: np.ndarray
    information: np.ndarray


def mix_sums(
    first: OfSessions, second: OfSessions, share: np.ndarray, slope: np.ndarray, count: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add sessions up, of which each is wholly the first strategy's or wholly the second's.

    Parameters
    ----------
    first, second
        Of the sessions under both strategies, one problem after another.
    share
        Dims (problem): share of sessions of the first strategy.
    slope
        Dims (problem, direction): its derivative.
    count
        Dims (problem): sessions of each.

    Returns
    -------
    value, score, information
        Dims (problem), (problem, direction), (problem, direction, direction). Of the complete
        information at most .99 is taken for missing, so that it stays positive.

    Examples
    --------
    >>> none = np.zeros((2, 1)), np.zeros((2, 1, 1))
    >>> one, other = np.log([0.5, 0.1]), np.log([0.1, 0.5])
    >>> value, _, _ = mix_sums(OfSessions(one, *none), OfSessions(other, *none), np.array([0.5]),
    ...                        np.zeros((1, 1)), np.array([2]))
    >>> bool(np.isclose(value[0], 2 * np.log(0.3)))
    True
    """
    begin = np.concatenate([[0], np.cumsum(count)[:-1]])
    pi, other = np.maximum(share, LEAST_SHARE), np.maximum(1 - share, LEAST_SHARE)
    rise, fall = slope / pi[:, None], -slope / other[:, None]

    def spread(x: np.ndarray) -> np.ndarray:
        return np.repeat(x, count, axis=0)

    of_first, of_second = spread(np.log(pi)) + first.value, spread(np.log(other)) + second.value
    value = np.logaddexp(of_first, of_second)
    r = np.exp(of_first - value)
    score, score_2 = first.score + spread(rise), second.score + spread(fall)
    apart = score - score_2
    complete = r[:, None, None] * first.information + (1 - r)[:, None, None] * second.information
    expected = _outer(rise) * pi[:, None, None] + _outer(fall) * other[:, None, None]
    missing = _outer(apart) * (r * (1 - r))[:, None, None]
    return (
        np.add.reduceat(value, begin),
        np.add.reduceat(r[:, None] * score + (1 - r)[:, None] * score_2, begin),
        _less(
            np.add.reduceat(complete, begin) + expected * count[:, None, None],
            np.add.reduceat(missing, begin),
        ),
    )


def _outer(x: np.ndarray) -> np.ndarray:
    return x[:, :, None] * x[:, None, :]


def _less(complete: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Subtract, but never more than most of the complete information in any direction."""
    if not complete.shape[1] or not np.isfinite(complete).all() or not np.isfinite(missing).all():
        return complete - missing
    values, vectors = np.linalg.eigh(complete)
    alive = values > 1e-12 * values[:, -1:]
    root = np.sqrt(np.where(alive, values, 0.0))
    scaled = vectors / np.where(alive, np.sqrt(np.where(alive, values, 1.0)), np.inf)[:, None, :]
    share, turned = np.linalg.eigh(np.swapaxes(scaled, 1, 2) @ missing @ scaled)
    half = (vectors * root[:, None, :]) @ turned
    kept = 1 - np.minimum(share, MOST_MISSING)
    return np.asarray((half * kept[:, None, :]) @ np.swapaxes(half, 1, 2))


def mix_log_odds(
    first: np.ndarray,
    second: np.ndarray,
    share: np.ndarray,
    choice: np.ndarray,
    free: np.ndarray,
    start: np.ndarray,
) -> np.ndarray:
    """Give the log odds of choosing 1 where it is not known which strategy the session has.

    Parameters
    ----------
    first, second
        Log odds under both strategies, dims (vector, row).
    share
        Dims (vector): share of sessions of the first strategy.
    choice, free, start
        Dims (row): the choice; 1 where it was the subject's own; a session begins.

    Returns
    -------
    numpy.ndarray
        Dims (vector, row).

    Examples
    --------
    >>> sure = np.array([[4.0, 4.0]])
    >>> odds = mix_log_odds(sure, -sure, np.array([0.5]), np.array([1.0, 1.0]), np.ones(2),
    ...                     np.array([True, False]))
    >>> odds.round(2).tolist()
    [[0.0, 3.31]]
    """
    made = np.where(choice == 1, -1.0, 1.0)
    gain = free * (np.logaddexp(0, made * second) - np.logaddexp(0, made * first))
    told = np.cumsum(gain, axis=1) - gain
    begins = np.flatnonzero(start)
    told = told - told[:, begins][:, np.cumsum(start) - 1]
    pi, other = np.maximum(share, LEAST_SHARE), np.maximum(1 - share, LEAST_SHARE)
    ahead = (np.log(pi) - np.log(other))[:, None] + told
    one = np.logaddexp(ahead - np.logaddexp(0, -first), -np.logaddexp(0, -second))
    return np.asarray(one - np.logaddexp(ahead - np.logaddexp(0, first), -np.logaddexp(0, second)))
