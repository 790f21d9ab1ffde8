"""Exact optima of Bernoulli bandits: Gittins indices and Bayes-optimal play, computed in seconds.

References
----------
Gittins 1979, doi:10.1111/j.2517-6161.1979.tb01068.x.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from neuro_metarl.errors import InputError

__all__ = ["bayes_policy", "bayes_value", "finite_gittins", "gittins_index", "gittins_table"]


def gittins_index(
    successes: int = 1, failures: int = 1, *, discount: float = 0.9, tolerance: float = 1e-6
) -> float:
    """Compute the Gittins index of a Bernoulli arm with a Beta posterior.

    Parameters
    ----------
    successes, failures
        Parameters of the Beta distribution; 1, 1 is uniform.
    discount
        Per pull, below 1.
    tolerance
        Of the index.

    Returns
    -------
    float
        The sure reward per pull that is worth as much as this arm.

    Notes
    -----
    Calibration: for a sure reward, the value of the arm with the option to retire is computed
    backwards from a depth at which the discount has left less than the tolerance.

    Examples
    --------
    >>> round(gittins_index(discount=0.9), 4), round(gittins_index(discount=0.99), 4)
    (0.7029, 0.8699)
    """
    if not 0 <= discount < 1:
        raise InputError(f"discount is {discount}, expected 0 or more and below 1")
    depth = int(np.ceil(np.log(tolerance / 10) / np.log(max(discount, 1e-6)))) + 1
    low, high = successes / (successes + failures), 1.0
    while high - low > tolerance:
        sure = (low + high) / 2
        if _worth(successes, failures, sure, discount, depth) > sure / (1 - discount):
            low = sure
        else:
            high = sure
    return (low + high) / 2


def _worth(successes: int, failures: int, sure: float, discount: float, depth: int) -> float:
    """Return the value of pulling now, with the option to retire at ``sure`` later."""
    retire = sure / (1 - discount)
    wins = np.arange(depth + 1)
    mean = (successes + wins) / (successes + failures + depth)
    value = np.maximum(retire, mean / (1 - discount))
    pull = value
    for n in range(depth - 1, -1, -1):
        p = (successes + np.arange(n + 1)) / (successes + failures + n)
        pull = p * (1 + discount * value[1 : n + 2]) + (1 - p) * discount * value[: n + 1]
        value = np.maximum(retire, pull)
    return float(pull[0])


@lru_cache(maxsize=8)
def gittins_table(discount: float, n_trials: int) -> np.ndarray:
    """Tabulate the discounted Gittins index of every posterior within an episode.

    Parameters
    ----------
    discount
        Per pull.
    n_trials
        Most pulls of an arm.

    Returns
    -------
    numpy.ndarray
        Dims (wins, losses), from a uniform prior; exact to about 1e-4.

    Notes
    -----
    One backward pass for each of a grid of sure rewards, for all posteriors at once; the index is
    where pulling and retiring are worth the same, by linear interpolation between grid points.

    Examples
    --------
    >>> gittins_table(0.9, 5)[0, 0].round(3)
    np.float64(0.703)
    """
    more = int(np.ceil(np.log(1e-6) / np.log(discount))) + 1
    sure = np.linspace(0, 1, 401)
    retire = sure / (1 - discount)
    depth = n_trials + more
    wins = np.arange(depth + 1)
    mean = (1 + wins) / (2 + depth)
    value = np.maximum(retire[:, None], mean / (1 - discount))
    table = np.zeros((n_trials + 1, n_trials + 1))
    for n in range(depth - 1, -1, -1):
        p = (1 + np.arange(n + 1)) / (2 + n)
        pull = p * (1 + discount * value[:, 1 : n + 2]) + (1 - p) * discount * value[:, : n + 1]
        if n <= n_trials:
            index = _root(sure, (pull - retire[:, None]).T)
            table[np.arange(n + 1), n - np.arange(n + 1)] = index
        value = np.maximum(retire[:, None], pull)
    return table


@lru_cache(maxsize=4)
def finite_gittins(n_trials: int) -> list[np.ndarray]:
    """Tabulate the finite-horizon Gittins index for every number of trials left.

    Parameters
    ----------
    n_trials
        Length of the episode.

    Returns
    -------
    list of numpy.ndarray
        Entry m, for m trials left: dims (wins, losses), from a uniform prior. The index is the
        sure reward per trial that is worth as much as the arm, when one may retire to it for the
        trials that are left.

    Examples
    --------
    >>> [round(float(finite_gittins(10)[m][0, 0]), 4) for m in (1, 2, 5, 10)]
    [0.5, 0.5556, 0.6357, 0.6981]
    """
    sure = np.linspace(0, 1, 201)[:, None, None]
    grid = np.arange(n_trials + 1)
    p = (1 + grid[:, None]) / (2 + grid[:, None] + grid)
    value = np.zeros((201, n_trials + 2, n_trials + 2))
    tables = [np.zeros((n_trials + 1, n_trials + 1))]
    for left in range(1, n_trials + 1):
        pull = p * (1 + value[:, 1:, :-1]) + (1 - p) * value[:, :-1, 1:]
        advantage = (pull - left * sure).reshape(201, -1).T
        tables.append(_root(sure.ravel(), advantage).reshape(p.shape))
        value[:, :-1, :-1] = np.maximum(left * sure, pull)
    return tables


def _root(sure: np.ndarray, advantage: np.ndarray) -> np.ndarray:
    """Find where the advantage of pulling, falling along the grid, crosses 0."""
    k = np.clip((advantage > 0).sum(axis=1), 1, len(sure) - 1)
    row = np.arange(len(advantage))
    above, below = advantage[row, k - 1], advantage[row, k]
    share = np.divide(above, above - below, out=np.zeros_like(above), where=above != below)
    return sure[k - 1] + share * (sure[k] - sure[k - 1])


@lru_cache(maxsize=2)
def _bayes(n_trials: int) -> tuple[float, tuple[np.ndarray, ...]]:
    size = n_trials + 1
    value = np.zeros((size + 1, size + 1, size + 1, 1))[..., 0]
    policy: list[np.ndarray] = []
    for t in range(n_trials - 1, -1, -1):
        n = t + 1
        s0, f0, s1 = np.ogrid[:n, :n, :n]
        f1 = np.maximum(t - s0 - f0 - s1, 0)
        p0, p1 = (1 + s0) / (2 + s0 + f0), (1 + s1) / (2 + s1 + f1)
        first = p0 * (1 + value[1 : n + 1, :n, :n]) + (1 - p0) * value[:n, 1 : n + 1, :n]
        second = p1 * (1 + value[:n, :n, 1 : n + 1]) + (1 - p1) * value[:n, :n, :n]
        gain = second - first
        policy.append(np.where(np.abs(gain) < 1e-12, 0, np.sign(gain)).astype(np.int8))
        value = np.zeros((n + 1, n + 1, n + 1))
        value[:n, :n, :n] = np.maximum(first, second)
    return float(value[0, 0, 0]), tuple(reversed(policy))


def bayes_value(n_trials: int) -> float:
    """Return the expected reward of optimal play on two independent uniform Bernoulli arms.

    Parameters
    ----------
    n_trials
        Length of the episode.

    Returns
    -------
    float
        Sum over the episode; the oracle earns 2/3 per trial.

    Examples
    --------
    >>> round(bayes_value(10), 4)
    6.0218
    """
    return _bayes(n_trials)[0]


def bayes_policy(n_trials: int) -> tuple[np.ndarray, ...]:
    """Return optimal play on two independent uniform Bernoulli arms.

    Parameters
    ----------
    n_trials
        Length of the episode.

    Returns
    -------
    tuple of numpy.ndarray
        For each trial, dims (wins of arm 0, losses of arm 0, wins of arm 1): 1 to pull arm 1, -1
        to pull arm 0, 0 if both are optimal.

    Examples
    --------
    >>> [int(bayes_policy(10)[1][k]) for k in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    [-1, 1, 1]
    """
    return _bayes(n_trials)[1]
