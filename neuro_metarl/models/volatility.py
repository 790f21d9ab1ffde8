"""Behrens' Bayesian learner of a reward rate and of how fast it changes.

References
----------
Behrens et al. 2007, doi:10.1038/nn1954, supplementary note.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

__all__ = ["VolatilityLearner"]

RATES, VOLATILITIES, CHANGES = 30, 14, 7
LOG_VOLATILITY, LOG_CHANGE = (-11.0, -2.0), (-4.0, 2.0)


class VolatilityLearner:
    """Joint belief about the rate at which arm 1 is the good one, its volatility, and its change.

    What is observed on a trial is whether arm 1 was good: ``choice`` equals ``reward``.

    Notes
    -----
    On a grid of the rate ``r``, log volatility ``v`` and ``log k``: before each trial
    ``v ~ Normal(v, k)`` and ``r ~ Beta`` with mean ``r`` and precision ``exp(-v)``; then the
    outcome has probability ``r`` or ``1 - r``.

    Examples
    --------
    >>> learner = VolatilityLearner()
    >>> learner.start(1)
    >>> for _ in range(20):
    ...     learner.learn(np.ones(1), np.ones(1), np.ones(1, bool))
    >>> bool(learner.belief()[0] > 0.8)
    True
    """

    def start(self, n_sessions: int) -> None:
        """Begin sessions, with a flat belief."""
        shape = (n_sessions, CHANGES, VOLATILITIES, RATES)
        self.joint = np.full(shape, 1 / (CHANGES * VOLATILITIES * RATES))

    def belief(self) -> np.ndarray:
        """Return the mean rate that is expected on the next trial, dims (session)."""
        return self.joint.sum(axis=(1, 2)) @ rate_grid()

    def volatility(self) -> np.ndarray:
        """Return the mean log volatility, dims (session)."""
        return self.joint.sum(axis=(1, 3)) @ np.linspace(*LOG_VOLATILITY, VOLATILITIES)

    def learn(self, choice: np.ndarray, reward: np.ndarray, there: np.ndarray) -> None:
        """Take in a trial where ``there``, and look ahead to the next."""
        good = (choice == reward)[:, None]
        likelihood = np.where(good, rate_grid(), 1 - rate_grid())
        joint = self.joint * likelihood[:, None, None, :]
        change, drift = _transitions()
        joint = np.einsum("skvr,kvw->skwr", joint, change, optimize=True)
        joint = np.einsum("skwr,wrq->skwq", joint, drift, optimize=True)
        joint /= joint.sum(axis=(1, 2, 3), keepdims=True)
        self.joint = np.where(there[:, None, None, None], joint, self.joint)


def rate_grid() -> np.ndarray:
    """Return the rates that the learner tells apart."""
    return (np.arange(RATES) + 0.5) / RATES


@lru_cache(maxsize=1)
def _transitions() -> tuple[np.ndarray, np.ndarray]:
    v, k = np.linspace(*LOG_VOLATILITY, VOLATILITIES), np.linspace(*LOG_CHANGE, CHANGES)
    spread = np.exp(k)[:, None, None]
    change = np.exp(-((v[None, :, None] - v[None, None, :]) ** 2) / (2 * spread**2))
    r = rate_grid()
    precision = np.exp(-v)[:, None, None]
    a, b = precision * r[None, :, None], precision * (1 - r[None, :, None])
    log_density = (a - 1) * np.log(r) + (b - 1) * np.log(1 - r)
    drift = np.exp(log_density - log_density.max(axis=2, keepdims=True))
    return change / change.sum(2, keepdims=True), drift / drift.sum(2, keepdims=True)
