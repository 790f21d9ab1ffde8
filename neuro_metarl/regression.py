"""Logistic regression by Newton's method, converged to rounding, for subjects short and long.

Notes
-----
With ``p = sigmoid(X b)`` and ``W = diag(p (1 - p))`` the score is ``X'(y - p)`` and the
information ``I = X' W X``. Firth's penalty adds ``log det(I) / 2`` to the log-likelihood, which
adds ``X'(h (1/2 - p))`` to the score, ``h`` being the leverages ``diag(W^1/2 X I^-1 X' W^1/2)``:
the first-order bias is gone, and the estimate is finite under separation.

References
----------
Firth 1993, doi:10.1093/biomet/80.1.27; Heinze & Schemper 2002, doi:10.1002/sim.1047.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from neuro_metarl.errors import InputError

__all__ = ["LogisticFit", "Penalty", "fit_logistic"]

Penalty = Literal["firth", "none"]
FISHER_STEPS, MOST_STEPS, MOST_HALVINGS, LONGEST_STEP = 15, 200, 30, 5.0
LARGEST_LOGIT, WORST_CONDITION = 100.0, 1e14
SEPARATION = "separation: no finite maximum of the likelihood"


@dataclass(frozen=True)
class LogisticFit:
    """A fitted logistic regression, with what leaving clusters out needs.

    Parameters
    ----------
    weights
        Dims (column); NaN where no finite maximum exists.
    covariance
        Inverse information, dims (column, column): model-based.
    log_likelihood
        At the weights, without the penalty.
    problem
        Empty, or why there is no estimate.
    cluster_scores
        Dims (cluster, column): each cluster's share of the score at the weights.
    cluster_information
        Dims (cluster, column, column).
    n
        Rows.
    n_rarer
        Rows with the rarer of the two outcomes.
    """

    weights: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    problem: str
    cluster_scores: np.ndarray
    cluster_information: np.ndarray
    n: int
    n_rarer: int

    def left_out(self) -> np.ndarray:
        """Return the weights without each cluster, by one Newton step from the estimate.

        Returns
        -------
        numpy.ndarray
            Dims (cluster, column). Scores are centered over clusters, because with Firth's penalty
            they do not sum to 0. Without its only cluster nothing is left: the weights stay.
        """
        if self.problem or len(self.cluster_scores) == 1:
            return np.broadcast_to(self.weights, self.cluster_scores.shape)
        information = self.cluster_information.sum(0) - self.cluster_information
        ridge = 1e-9 * np.trace(self.cluster_information.sum(0)) * np.eye(len(self.weights))
        scores = self.cluster_scores - self.cluster_scores.mean(axis=0)
        step = np.linalg.solve(information + ridge, scores[..., None])[..., 0]
        return np.asarray(self.weights - step)

    def kept_information(self, multiplicity: np.ndarray) -> np.ndarray:
        """Return the least share of the information that resampled data keep in any direction.

        Parameters
        ----------
        multiplicity
            Dims (resample, cluster): how often each cluster was drawn.

        Returns
        -------
        numpy.ndarray
            Dims (resample): 1 where nothing is lost; near 0 one Newton step leads nowhere.
        """
        if self.problem:
            return np.zeros(len(multiplicity))
        size, direction = np.linalg.eigh(self.cluster_information.sum(0))
        root = direction / np.sqrt(np.maximum(size, 1e-12 * size[-1]))
        information = np.tensordot(multiplicity, self.cluster_information, axes=1)
        return np.linalg.eigvalsh(root.T @ information @ root)[:, 0]


def fit_logistic(
    design: np.ndarray,
    outcome: np.ndarray,
    *,
    penalty: Penalty = "firth",
    cluster: np.ndarray | None = None,
) -> LogisticFit:
    """Fit a logistic regression.

    Parameters
    ----------
    design
        Dims (row, column); give the intercept as a column of ones.
    outcome
        Dims (row); 0 or 1.
    penalty
        ``"firth"`` or ``"none"`` (maximum likelihood).
    cluster
        Dims (row): whole numbers from 0; default one cluster.

    Returns
    -------
    LogisticFit
        Where the design cannot tell the weights apart, or maximum likelihood has no finite
        maximum (separation), the weights are NaN and ``problem`` says why.

    Raises
    ------
    InputError
        Unknown penalty.

    Examples
    --------
    >>> x = np.ones((4, 1))
    >>> fit_logistic(x, np.array([1, 1, 1, 0]), penalty="none").weights.round(4)  # log 3
    array([1.0986])
    >>> fit_logistic(x, np.ones(4)).weights.round(4)  # log (4.5 / .5)
    array([2.1972])
    """
    if penalty not in ("firth", "none"):
        raise InputError(f"penalty is {penalty!r}, expected 'firth' or 'none'")
    design, outcome = np.asarray(design, float), np.asarray(outcome, float)
    clusters = np.zeros(len(design), int) if cluster is None else np.asarray(cluster)
    rows, counts, ones = _compress(design, outcome)
    n_columns = design.shape[1]
    n_rarer = int(min(outcome.sum(), len(outcome) - outcome.sum()))
    if np.linalg.matrix_rank(rows) < n_columns:
        never = int((~rows.any(axis=0)).sum())
        empty = f"{never} of {n_columns} predictors are 0 on every trial"
        why = empty if never else "too few distinct trials"
        return _nothing(len(design), n_rarer, n_columns, why)
    weights, problem = _newton(rows, counts, ones, penalty)
    if problem:
        return _nothing(len(design), n_rarer, n_columns, problem)
    p = _sigmoid(design @ weights)
    variance = p * (1 - p)
    information = (design * variance[:, None]).T @ design
    scores, informations = _by_cluster(design, outcome - p, variance, clusters)
    logits = rows @ weights
    log_likelihood = float(ones @ logits - counts @ np.logaddexp(0, logits))
    covariance = np.linalg.inv(information)
    return LogisticFit(
        weights, covariance, log_likelihood, "", scores, informations, len(design), n_rarer
    )


def _compress(design: np.ndarray, outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merge equal rows; return the distinct rows, how many of each, how many of these 1."""
    view = np.ascontiguousarray(design).view(f"V{design.itemsize * design.shape[1]}").ravel()
    _, first, inverse = np.unique(view, return_index=True, return_inverse=True)
    counts = np.bincount(inverse).astype(float)
    return design[first], counts, np.bincount(inverse, weights=outcome)


def _newton(
    rows: np.ndarray, counts: np.ndarray, ones: np.ndarray, penalty: Penalty
) -> tuple[np.ndarray, str]:
    """Take Newton steps, halved until they do not lose, until a step is lost in rounding."""
    weights = np.zeros(rows.shape[1])
    value, score, information = _evaluate(rows, counts, ones, weights, penalty)
    for n_steps in range(MOST_STEPS):
        if np.linalg.cond(information) > WORST_CONDITION:
            return weights, SEPARATION
        slow = penalty == "firth" and n_steps >= FISHER_STEPS
        curvature = _curvature(rows, counts, ones, weights) if slow else information
        step = np.linalg.solve(curvature, score)
        step *= min(1.0, LONGEST_STEP / np.abs(step).max(initial=LONGEST_STEP))
        if np.abs(step).max() < 1e-13 * max(1.0, np.abs(weights).max()):
            return weights, ""
        for _ in range(MOST_HALVINGS):
            trial = _evaluate(rows, counts, ones, weights + step, penalty)
            if trial[0] >= value - 1e-13 * abs(value):
                break
            step /= 2
        weights, (value, score, information) = weights + step, trial
        if penalty == "none" and np.abs(rows @ weights).max() > LARGEST_LOGIT:
            return weights, SEPARATION
    small = np.abs(step).max() < 1e-8 * max(1.0, np.abs(weights).max())
    return weights, "" if small else "Newton's method did not converge"


def _curvature(
    rows: np.ndarray, counts: np.ndarray, ones: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Differentiate the penalised score: near separation the information is too far from it."""
    shift = 1e-5 * np.eye(len(weights))
    ahead, behind = (
        np.array([_evaluate(rows, counts, ones, weights + s * d, "firth")[1] for d in shift])
        for s in (1, -1)
    )
    slope = (behind - ahead) / 2e-5
    values, vectors = np.linalg.eigh((slope + slope.T) / 2)
    return (vectors * np.maximum(np.abs(values), 1e-8)) @ vectors.T


def _evaluate(
    rows: np.ndarray, counts: np.ndarray, ones: np.ndarray, weights: np.ndarray, penalty: Penalty
) -> tuple[float, np.ndarray, np.ndarray]:
    logits = rows @ weights
    p = _sigmoid(logits)
    variance = counts * p * (1 - p)
    information = (rows * variance[:, None]).T @ rows
    value = float(ones @ logits - counts @ np.logaddexp(0, logits))
    residual = ones - counts * p
    if penalty == "firth":
        sign, log_determinant = np.linalg.slogdet(information)
        if sign <= 0:
            return -np.inf, np.zeros_like(weights), np.eye(len(weights))
        value += 0.5 * float(log_determinant)
        leverage = variance * np.einsum(
            "ij,ij->i", rows @ np.linalg.inv(information), rows, optimize=True
        )
        residual = residual + leverage * (0.5 - p)
    return value, rows.T @ residual, information


def _by_cluster(
    design: np.ndarray, residual: np.ndarray, variance: np.ndarray, cluster: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n_clusters = int(cluster.max()) + 1 if len(cluster) else 1
    scores, informations = [], []
    for k in range(n_clusters):
        mine = design[cluster == k]
        scores.append(residual[cluster == k] @ mine)
        informations.append((mine * variance[cluster == k, None]).T @ mine)
    return np.array(scores), np.array(informations)


def _nothing(n: int, n_rarer: int, n_columns: int, problem: str) -> LogisticFit:
    empty = np.full(n_columns, np.nan)
    square = np.full((n_columns, n_columns), np.nan)
    return LogisticFit(empty, square, float("nan"), problem, empty[None], square[None], n, n_rarer)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))
