"""Ridge regression for many targets at once, its penalty chosen inside the training folds.

A null distribution decodes the same activity hundreds of times, with other labels. Everything
that depends on the activity alone (sums of squares, eigenvectors) is then shared, and the nested
cross-validation needs no trial twice: all errors follow from the folds' sums of products.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["PENALTIES", "nested_ridge"]

PENALTIES = 10.0 ** np.arange(-6, 3)
LEAST_SD = 1e-9


class _Moments(NamedTuple):
    """Sums over some trials: dims (unit), (unit, unit), (column), (unit, column), (column)."""

    n: float
    x: np.ndarray
    xx: np.ndarray
    y: np.ndarray
    xy: np.ndarray
    yy: np.ndarray


class _Basis(NamedTuple):
    """What ridge regression on some trials needs, for any penalty."""

    mean_x: np.ndarray
    sd: np.ndarray
    mean_y: np.ndarray
    eigenvalues: np.ndarray
    vectors: np.ndarray
    projected: np.ndarray

    def weights(self, penalty: np.ndarray) -> np.ndarray:
        """Return weights, dims (unit, column), for one penalty per column."""
        shrunk = self.projected / (self.eigenvalues[:, None] + penalty)
        return (self.vectors @ shrunk) / self.sd[:, None]


def nested_ridge(
    x: np.ndarray, y: np.ndarray, fold: np.ndarray, near: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Predict each fold by ridge regression on the others.

    Parameters
    ----------
    x
        Dims (row, unit).
    y
        Dims (row, target, output): outputs of one target share a penalty.
    fold
        Dims (row): the fold in which the row is predicted.
    near
        bool, dims (row, fold): in the fold, or too near it to be trained on.

    Returns
    -------
    prediction, penalty
        Dims (row, target, output) and (fold, target). Units are standardised on the training
        rows; the weights minimise mean squared error + penalty x squared weights, with the
        penalty from :data:`PENALTIES` that predicts best when each of the other folds is left
        out in turn.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, fold = rng.normal(size=(90, 2)), np.repeat([0, 1, 2], 30)
    >>> y = (x @ [1.0, -2.0])[:, None, None]
    >>> prediction, penalty = nested_ridge(x, y, fold, np.eye(3, dtype=bool)[fold])
    >>> bool(np.allclose(prediction, y, atol=1e-4)), penalty.max()
    (True, np.float64(1e-06))
    """
    n_targets, n_outputs = y.shape[1:]
    n_folds = near.shape[1]
    centre = x.mean(axis=0)
    x = x - centre
    flat = np.ascontiguousarray(y.reshape(len(y), -1), float)
    kinds, cell = np.unique(np.column_stack([near, fold]), axis=0, return_inverse=True)
    is_near, in_fold = kinds[:, :n_folds].astype(bool), kinds[:, n_folds]
    moments = [_moments(x[cell == k], flat[cell == k]) for k in range(len(kinds))]
    prediction = np.empty((len(y), flat.shape[1]), np.float32)
    chosen = np.empty((n_folds, n_targets))
    for k in range(n_folds):
        error = np.zeros((len(PENALTIES), n_targets))
        for j in range(n_folds):
            test = (in_fold == j) & ~is_near[:, k]
            train = ~is_near[:, k] & ~is_near[:, j]
            if j != k and test.any() and train.any():
                basis, held_out = _basis(_total(moments, train)), _total(moments, test)
                for i, penalty in enumerate(PENALTIES):
                    sse = _squared_error(basis, np.full(flat.shape[1], penalty), held_out)
                    error[i] += sse.reshape(n_targets, n_outputs).sum(axis=1)
        chosen[k] = PENALTIES[error.argmin(axis=0)]
        basis = _basis(_total(moments, ~is_near[:, k]))
        rows = fold == k
        weights = basis.weights(np.repeat(chosen[k], n_outputs))
        prediction[rows] = basis.mean_y + (x[rows] - basis.mean_x) @ weights
    return prediction.reshape(y.shape), chosen


def _moments(x: np.ndarray, y: np.ndarray) -> _Moments:
    return _Moments(len(x), x.sum(0), x.T @ x, y.sum(0), x.T @ y, (y**2).sum(0))


def _total(moments: list[_Moments], which: np.ndarray) -> _Moments:
    some = [moments[k] for k in np.flatnonzero(which)]
    return _Moments(*(sum(parts[1:], parts[0]) for parts in zip(*some, strict=True)))


def _basis(total: _Moments) -> _Basis:
    n = total.n
    mean_x, mean_y = total.x / n, total.y / n
    covariance = total.xx / n - np.outer(mean_x, mean_x)
    sd = np.sqrt(np.maximum(np.diag(covariance), 0))
    sd = np.where(sd > LEAST_SD, sd, np.inf)
    eigenvalues, vectors = np.linalg.eigh(covariance / np.outer(sd, sd))
    together = (total.xy / n - np.outer(mean_x, mean_y)) / sd[:, None]
    return _Basis(mean_x, sd, mean_y, np.maximum(eigenvalues, 0), vectors, vectors.T @ together)


def _squared_error(basis: _Basis, penalty: np.ndarray, test: _Moments) -> np.ndarray:
    """Sum the squared errors on other trials, dims (column), from their sums of products."""
    w, mean_x, mean_y = basis.weights(penalty), basis.mean_x, basis.mean_y
    outer = np.outer(mean_x, test.x)
    xx = test.xx - outer - outer.T + test.n * np.outer(mean_x, mean_x)
    xy = (
        test.xy - np.outer(mean_x, test.y) - np.outer(test.x, mean_y)
        + test.n * np.outer(mean_x, mean_y)
    )  # fmt: skip
    yy = test.yy - 2 * mean_y * test.y + test.n * mean_y**2
    return np.asarray(yy - 2 * (w * xy).sum(0) + (w * (xx @ w)).sum(0))
