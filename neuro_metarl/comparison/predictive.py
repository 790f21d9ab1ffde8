"""Where a value lies in the distribution of a new animal, and who of all lies furthest out.

The predictive z of one measure: the standard deviation between animals is integrated out on a grid
with Jeffreys' prior, each animal weighed by its own measurement error.
"""

from __future__ import annotations

import numpy as np

__all__ = ["estimate", "held_out_z", "predictive_z"]

N_GRID, WIDEST = 60, 30.0


def estimate(values: np.ndarray, noise: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, ...]:
    """Integrate over the SD between animals on a grid.

    Parameters
    ----------
    values
        Dims (..., animal, measure).
    noise
        Variance of the measurement, dims (animal, measure).
    own
        The animals' own values, which settle the grid, dims (animal, measure).

    Returns
    -------
    tuple of numpy.ndarray
        SDs of the grid, dims (grid, measure); their weights, the animals' mean under each, and its
        precision, dims (..., grid, measure).

    Examples
    --------
    >>> y = np.array([[0.0], [1.0], [2.0]])
    >>> grid, weight, mean, _ = estimate(y, np.zeros((3, 1)), y)
    >>> float((weight * mean).sum().round(6))
    1.0
    """
    sd = np.maximum(own.std(axis=0, ddof=1), 1e-12)
    lowest = np.maximum(0.05 * np.sqrt(noise.min(axis=0)), 0.02 * sd)
    grid = np.exp(np.linspace(np.log(lowest), np.log(WIDEST * sd), N_GRID))
    w = 1 / (grid[:, None, :] ** 2 + noise)
    total = w.sum(axis=1)
    mean = np.einsum("gnj,...nj->...gj", w, values) / total
    squares = np.einsum("gnj,...nj->...gj", w, values**2) - total * mean**2
    log_p = (
        0.5 * np.log(w).sum(axis=1)
        - 0.5 * np.log(total)
        - 0.5 * np.maximum(squares, 0)
        + 2 * np.log(grid)
        + 0.5 * np.log((w**2).sum(axis=1))
    )
    weight = np.exp(log_p - log_p.max(axis=-2, keepdims=True))
    return grid, weight / weight.sum(axis=-2, keepdims=True), mean, total


def predictive_z(
    value: np.ndarray, noise: np.ndarray, grid: np.ndarray, weight: np.ndarray, mean: np.ndarray,
    scale: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Place a value in the predictive distribution of a new animal.

    Parameters
    ----------
    value, noise
        Of the subject: values, dims (..., measure), and variance of the measurement.
    grid, weight, mean, scale
        From :func:`estimate`.

    Returns
    -------
    numpy.ndarray
        Dims (..., measure): 0 at the animals' mean.

    Examples
    --------
    >>> y = np.array([[0.0], [1.0], [2.0]])
    >>> found = predictive_z(np.array([1.0]), np.zeros(1), *estimate(y, np.zeros((3, 1)), y))
    >>> float(found[0].round(6)) + 0
    0.0
    """
    from scipy.special import ndtr, ndtri

    width = np.sqrt(grid**2 + 1 / scale + noise)
    score = (value[..., None, :] - mean) / width
    below = (weight * ndtr(score)).sum(axis=-2)
    above = (weight * ndtr(-score)).sum(axis=-2)
    least = 1e-300
    return np.where(below < 0.5, ndtri(np.maximum(below, least)), -ndtri(np.maximum(above, least)))


def held_out_z(values: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Hold each against all others.

    Whoever is of the same kind as the others is the furthest out of ``n`` with probability ``1/n``,
    whatever the shape of their distribution: the only promise there is without assumptions.

    Parameters
    ----------
    values
        Dims (subject, measure), three subjects or more.
    noise
        Variance of the measurement, dims (subject, measure).

    Returns
    -------
    numpy.ndarray
        Predictive z, dims (subject, measure).

    Examples
    --------
    >>> y = np.array([[0.0], [1.0], [2.0], [9.0]])
    >>> held_out_z(y, np.zeros((4, 1))).argmax()
    np.int64(3)
    """
    each = np.arange(len(values))
    return np.stack(
        [
            predictive_z(
                values[k],
                noise[k],
                *estimate(values[each != k], noise[each != k], values[each != k]),
            )
            for k in each
        ]
    )
