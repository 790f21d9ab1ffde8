"""Fits of one network: L-BFGS with a ridge, and the animal's own model as soft pseudo-trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from neuro_metarl.twins.networks import loss_and_gradient, n_weights

__all__ = ["Rows", "climb", "fit_network"]

BIAS_RIDGE, DISTILL_RIDGE, RIDGE_WITH_PRIOR = 0.01, 0.1, 0.3
ITERATIONS, DISTILL_ITERATIONS, ITERATIONS_WITH_PRIOR = 200, 200, 120


@dataclass(frozen=True)
class Rows:
    """What a network is fitted to.

    Parameters
    ----------
    code, target, counts, start
        Dims (row), see :func:`neuro_metarl.twins.networks.loss_and_gradient`.
    """

    code: np.ndarray
    target: np.ndarray
    counts: np.ndarray
    start: np.ndarray

    def weighted(self, total: float) -> Rows:
        """Let the rows count this much in all."""
        return Rows(self.code, self.target, self.counts * (total / self.counts.sum()), self.start)


def climb(
    parts: list[Rows], x: np.ndarray, n_units: int, n_codes: int, *, ridge: float, iterations: int
) -> tuple[np.ndarray, float]:
    """Climb to the nearest optimum.

    Parameters
    ----------
    parts
        What is fitted, together.
    x
        Dims (weight): where to start.
    n_units, n_codes
        Of the network.
    ridge
        Half of this times the sum of squared weights is added; the bias is nearly free.
    iterations
        At most so many.

    Returns
    -------
    weights, objective
        Dims (weight); nats.

    Examples
    --------
    >>> rows = Rows(np.array([3, 0]), np.ones(2), np.ones(2), np.array([True, False]))
    >>> x = np.zeros(n_weights(1, 4))
    >>> weights, objective = climb([rows], x, 1, 4, ridge=3.0, iterations=20)
    >>> objective < 1.386
    True
    """
    penalty = np.full(len(x), ridge)
    penalty[-1] = min(BIAS_RIDGE, ridge)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = 0.5 * float(penalty @ x**2), penalty * x
        for part in parts:
            one, slope = loss_and_gradient(
                x, part.code, part.target, part.counts, part.start, n_units, n_codes
            )
            loss, gradient = loss + one, gradient + slope
        return loss, gradient

    done = minimize(
        objective, x, jac=True, method="L-BFGS-B", options={"maxiter": iterations, "maxcor": 20}
    )
    return done.x, float(done.fun)


def fit_network(
    rows: Rows,
    n_units: int,
    n_codes: int,
    *,
    pseudo: Rows | None = None,
    prior_trials: tuple[float, ...] = (0.0,),
    ridge: float = 3.0,
    n_starts: int = 1,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Fit a network once for each weight of the prior.

    Parameters
    ----------
    rows
        The animal's choices.
    n_units, n_codes
        Of the network.
    pseudo
        What the animal's own model would do, as soft targets. The network is first fitted to these
        alone, and goes on from there.
    prior_trials
        How many trials the pseudo-trials are worth in all; without ``pseudo`` there is one fit.
    ridge
        Of fits without pseudo-trials; those with them have .3.
    n_starts
        Of fits without pseudo-trials; the best by the objective of the fit is kept.
    rng
        Of starting points.

    Returns
    -------
    list of numpy.ndarray
        Dims (weight), one for each of ``prior_trials``.

    Examples
    --------
    >>> rows = Rows(np.array([3, 0]), np.ones(2), np.ones(2), np.array([True, False]))
    >>> len(fit_network(rows, 1, 4, rng=np.random.default_rng(0))[0])
    19
    """
    plain: np.ndarray | None = None
    fitted: list[np.ndarray] = []
    distilled: np.ndarray | None = None
    for worth in prior_trials:
        if pseudo is None or worth == 0:
            if plain is None:
                tried = [
                    climb([rows], _start(n_units, n_codes, rng), n_units, n_codes, ridge=ridge,
                          iterations=ITERATIONS)
                    for _ in range(n_starts)
                ]  # fmt: skip
                plain = min(tried, key=lambda one: one[1])[0]
            fitted.append(plain)
            continue
        if distilled is None:
            distilled = climb([pseudo], _start(n_units, n_codes, rng), n_units, n_codes,
                              ridge=DISTILL_RIDGE, iterations=DISTILL_ITERATIONS)[0]  # fmt: skip
        together = [rows, pseudo.weighted(worth)]
        fitted.append(
            climb(together, distilled, n_units, n_codes, ridge=RIDGE_WITH_PRIOR,
                  iterations=ITERATIONS_WITH_PRIOR)[0]
        )  # fmt: skip
    return fitted


def _start(n_units: int, n_codes: int, rng: np.random.Generator) -> np.ndarray:
    """Draw weights between +-1/sqrt(units); the state that sessions start with is 0."""
    x = rng.uniform(-1, 1, n_weights(n_units, n_codes)) / np.sqrt(n_units)
    x[-1 - n_units : -1] = 0.0
    return x
