"""Activity and design freed of what a trial has in common with the trials before it.

Rotating a remainder that drifts is no fair null: the other regressors have taken part of the slow
fluctuations of the remainder, but not of its rotated copies. After whitening there are no slow
fluctuations to take.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neuro_metarl.neural.blocks import Block

__all__ = ["autoregression", "filter_rows", "filtered", "order_for", "whitened"]

ORDER, LEAST_LEFT = 6, 10


def whitened(block: Block) -> Block:
    """Filter a block so that what its design leaves unexplained has no memory.

    Parameters
    ----------
    block
        Rows of one subject, in order of time within sessions.

    Returns
    -------
    Block
        Activity and design filtered alike. A session loses as many rows at its beginning as the
        filter reaches back, at most 6; sessions too short for that are left out.

    Notes
    -----
    Least squares with an intercept for each session; the remainders of all units, each scaled to
    unit variance, give one autoregression of order 6 by least squares within sessions; activity and
    design are filtered by it. A coefficient means the same before and after; its error is that of
    independent trials after.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> drift = np.zeros((600, 4))
    >>> for t in range(1, 600):
    ...     drift[t] = 0.95 * drift[t - 1] + rng.normal(size=4)
    >>> block = Block(np.arange(4), rng.normal(size=(600, 1)), drift, np.repeat([0, 1], 300), "")
    >>> white = whitened(block).activity
    >>> bool(abs((white[1:] * white[:-1]).mean() / white.var()) < 0.05)
    True
    """
    design, activity = (_within(x, block.session) for x in (block.design, block.activity))
    left = activity - design @ np.linalg.lstsq(design, activity, rcond=None)[0]
    return filtered(block, autoregression(left, block.session, order_for(block.session)))


def filtered(block: Block, weights: np.ndarray) -> Block:
    """Filter a block's activity and design by an autoregression.

    Parameters
    ----------
    block
        Rows of one subject, in order of time within sessions.
    weights
        From :func:`autoregression`.

    Returns
    -------
    Block
        Without the first rows of each session, which the filter does not reach.

    Examples
    --------
    >>> block = Block(np.arange(1), np.ones((4, 1)), np.ones((4, 1)), np.zeros(4, int), "")
    >>> filtered(block, np.array([0.5])).activity.ravel().tolist()
    [0.5, 0.5, 0.5]
    """
    kept, session = _late(block.session, len(weights))
    pair = block.design, block.activity
    design, activity = (filter_rows(x, block.session, weights)[kept] for x in pair)
    number = np.unique(session, return_inverse=True)[1]
    return replace(block, design=design, activity=activity, session=number)


def autoregression(remainder: np.ndarray, session: np.ndarray, order: int) -> np.ndarray:
    """Regress each row on those before it, within sessions and over all units at once.

    Parameters
    ----------
    remainder
        Dims (row, unit).
    session
        Dims (row): whole numbers, rows of a session together and in order.
    order
        Rows back.

    Returns
    -------
    numpy.ndarray
        Dims (order): the nearest row first; zeros where nothing varies.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = np.zeros((4000, 2))
    >>> for t in range(1, 4000):
    ...     x[t] = 0.8 * x[t - 1] + rng.normal(size=2)
    >>> autoregression(x, np.zeros(4000, int), 2).round(1).tolist()
    [0.8, 0.0]
    """
    size = remainder.std(axis=0)
    varies = size > 1e-12 * (np.abs(remainder).max(initial=0) + 1e-300)
    scaled = remainder[:, varies] / size[varies]
    if not scaled.size or not order:
        return np.zeros(order)
    later, _ = _late(session, order)
    back = np.stack([scaled[later - lag] for lag in range(order + 1)])
    products = np.einsum("aru,bru->ab", back, back, optimize=True)
    inner = products[1:, 1:] + 1e-9 * np.trace(products) / (order + 1) * np.eye(order)
    return np.linalg.solve(inner, products[1:, 0])


def filter_rows(values: np.ndarray, session: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Take from each row what the rows before it foretell.

    Parameters
    ----------
    values
        Dims (row, column).
    session
        Dims (row).
    weights
        From :func:`autoregression`.

    Returns
    -------
    numpy.ndarray
        Dims (row, column). The first rows of a session, which have too few before them, are as
        they were.

    Examples
    --------
    >>> filter_rows(np.array([[1.0], [2.0], [4.0]]), np.zeros(3, int), np.array([0.5])).tolist()
    [[1.0], [1.5], [3.0]]
    """
    result = np.array(values, float)
    later, _ = _late(session, len(weights))
    for lag, weight in enumerate(weights, start=1):
        result[later] -= weight * values[later - lag]
    return result


def order_for(session: np.ndarray) -> int:
    """Choose the order: 6, lower where sessions are so short that little would be left of them.

    Parameters
    ----------
    session
        Dims (row): whole numbers from 0.

    Returns
    -------
    int

    Examples
    --------
    >>> order_for(np.zeros(300, int)), order_for(np.zeros(12, int))
    (6, 2)
    """
    longest = int(np.bincount(session).max(initial=0))
    return min(ORDER, max(0, longest - LEAST_LEFT))


def _late(session: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the rows that have ``order`` rows of their session before them, and their sessions."""
    start = np.r_[0, np.flatnonzero(np.diff(session)) + 1]
    length = np.diff(np.r_[start, len(session)])
    place = np.arange(len(session)) - np.repeat(start, length)
    late = np.flatnonzero(place >= order)
    return late, session[late]


def _within(values: np.ndarray, session: np.ndarray) -> np.ndarray:
    """Take each session's mean out."""
    size = np.bincount(session)
    means = np.stack([np.bincount(session, column) for column in values.T], axis=1) / size[:, None]
    return np.asarray(values - means[session])
