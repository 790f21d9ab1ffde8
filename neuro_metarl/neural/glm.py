"""Linear and Poisson regression of many units on one design, with nulls for series that drift.

All units of a recording share their trials, so they share the decomposition of the design: a
linear fit of all units is one QR and two matrix products, and the models without each regressor
need no fit at all.

Notes
-----
With one column left out, the coefficient of partial determination of least squares is
``(SSE_without - SSE) / SSE_without = t^2 / (t^2 + df)``; for the Poisson family the deviance takes
the place of SSE and the models without each column are fitted.

Null. Under the hypothesis that column *i* adds nothing, a unit is what the other columns explain
plus a remainder (Freedman & Lane 1983). Rows of the remainder are rotated or permuted, the
fit is done again and the partial determination recomputed. Nothing is refitted in fact: with ``Q``
an orthonormal basis of the design, ``d_i = Q g_i`` the direction of column *i* free of the others
and ``E_i = E + d_i c_i`` the remainder, all that is needed of a rotation are ``Q'PE`` and
``Q'PQ``. The Poisson family does the same, unit by unit, with the weighted least squares of its
last Newton step.

References
----------
Freedman & Lane 1983, doi:10.1080/07350015.1983.10509354; Winkler et al. 2014,
doi:10.1016/j.neuroimage.2014.01.060; McCullagh & Nelder 1989, doi:10.1007/978-1-4899-3242-6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr, stdtr, xlogy

__all__ = ["UnitFits", "fit_linear", "fit_poisson", "null_cpd", "working_fits"]

MOST_STEPS, LARGEST_ERROR, LARGEST_LOG, TINY = 100, 100.0, 50.0, 1e-250


@dataclass(frozen=True)
class UnitFits:
    """Regressions of many units on one design.

    Parameters
    ----------
    coefficient, standard_error, statistic, p, cpd
        Dims (column, unit), the intercept left out: t (linear) or z (Poisson), two-sided.
    df
        Residual degrees of freedom.
    explained
        Dims (unit): share of variance or deviance.
    pooled
        Dims (2, column): over units, what each column takes off SSE (deviance), and SSE without it.
    basis
        Dims (row, direction): orthonormal; see the module's notes. Of least squares only, as the
        next two.
    direction
        Dims (direction, column): ``g``.
    residual
        Dims (row, unit); 0 for units that have no fit.
    """

    coefficient: np.ndarray
    standard_error: np.ndarray
    statistic: np.ndarray
    p: np.ndarray
    cpd: np.ndarray
    df: int
    explained: np.ndarray
    pooled: np.ndarray
    basis: np.ndarray = field(default_factory=lambda: np.empty(0))
    direction: np.ndarray = field(default_factory=lambda: np.empty(0))
    residual: np.ndarray = field(default_factory=lambda: np.empty(0))


def fit_linear(
    design: np.ndarray, activity: np.ndarray, *, group: np.ndarray | None = None
) -> UnitFits:
    """Fit every unit by least squares.

    Parameters
    ----------
    design
        Dims (row, column), no intercept, of full rank with it.
    activity
        Dims (row, unit).
    group
        Dims (row), whole numbers from 0: an intercept for each; default one for all.

    Returns
    -------
    UnitFits
        NaN for a unit that does not vary.

    Examples
    --------
    >>> fits = fit_linear(np.array([[0.0], [1], [2], [3]]), np.array([[1.0], [3], [5], [8]]))
    >>> fits.coefficient.round(2).tolist(), fits.df
    ([[2.3]], 2)
    """
    group = np.zeros(len(design), int) if group is None else group
    x, y = _centered(design, group), _centered(activity, group)
    basis, triangle = np.linalg.qr(x)
    inverse = np.linalg.inv(triangle)
    along = basis.T @ y
    residual = y - basis @ along
    total, left = (y**2).sum(axis=0), (residual**2).sum(axis=0)
    df = len(x) - x.shape[1] - int(group.max() + 1)
    varies = total > 1e-20 * (activity.astype(float) ** 2).sum(axis=0)
    left = np.where(varies, left, np.nan)
    scale = np.sqrt((inverse**2).sum(axis=1))[:, None]
    coefficient = np.where(varies, inverse @ along, np.nan)
    error = scale * np.sqrt(left / df)
    with np.errstate(divide="ignore"):
        t = coefficient / error
    extra = (coefficient / scale) ** 2
    pooled = np.stack([np.nansum(extra, axis=1), np.nansum(extra + left, axis=1)])
    return UnitFits(
        coefficient=coefficient,
        standard_error=error,
        statistic=t,
        p=2 * stdtr(df, -np.abs(t)),
        cpd=extra / (extra + left),
        df=df,
        explained=1 - left / np.where(varies, total, np.nan),
        pooled=pooled,
        basis=basis,
        direction=(inverse / scale).T,
        residual=np.where(varies, residual, 0),
    )


def fit_poisson(
    design: np.ndarray,
    counts: np.ndarray,
    *,
    group: np.ndarray | None = None,
) -> UnitFits:
    """Fit every unit's counts by maximum likelihood, ``log mean = intercept + design @ b``.

    Parameters
    ----------
    design
        Dims (row, column), no intercept, of full rank with it.
    counts
        Dims (row, unit).
    group
        Dims (row), whole numbers from 0, in order: an intercept for each; default one for all.

    Returns
    -------
    UnitFits
        NaN for a unit that is silent, or silent throughout one condition, so that no finite
        maximum exists.

    Notes
    -----
    Intercepts are profiled out: given ``b``, each group's is the log of its spikes over
    ``sum exp(design @ b)``. A group without a spike says nothing.

    Examples
    --------
    >>> x = np.repeat([[-0.5], [0.5]], 50, axis=0)
    >>> counts = np.repeat([[2], [6]], 50, axis=0)
    >>> fit_poisson(x, counts).coefficient.round(4).tolist()  # log 3
    [[1.0986]]
    """
    x, counts = np.asarray(design, float), np.asarray(counts, float)
    problem = _Poisson(counts, np.zeros(len(x), int) if group is None else group)
    weights, information, deviance = problem.maximise(x)
    n_columns, n_units = x.shape[1], counts.shape[1]
    good = ~np.isnan(deviance)
    covariance = np.full((n_units, n_columns, n_columns), np.nan)
    covariance[good] = np.linalg.inv(information[good])
    error = np.sqrt(np.einsum("uii->iu", covariance))
    flat = problem.maximise(x[:, :0])[2]
    without = np.empty((n_columns, n_units))
    for k in range(n_columns):
        start = _start_without(weights, covariance, k)
        without[k] = problem.maximise(np.delete(x, k, axis=1), start, tolerance=1e-11)[2]
    without = np.where(good, np.maximum(without, deviance), np.nan)
    z = weights / error
    return UnitFits(
        coefficient=weights,
        standard_error=error,
        statistic=z,
        p=2 * ndtr(-np.abs(z)),
        cpd=(without - deviance) / without,
        df=len(x) - n_columns - len(problem.start),
        explained=np.where(good, 1 - deviance / flat, np.nan),
        pooled=np.stack([np.nansum(without - deviance, axis=1), np.nansum(without, axis=1)]),
    )


def working_fits(
    design: np.ndarray, counts: np.ndarray, *, group: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray] | None]:
    """Give the weighted least squares that the last step of each unit's Poisson fit solves.

    Parameters
    ----------
    design, counts, group
        See :func:`fit_poisson`.

    Yields
    ------
    design, response, residual
        Dims (row, column), (row) and (row), the groups' intercepts taken out, each row weighed by
        ``sqrt(m / (1 + c m))``, ``m`` being its expected count and ``c`` the excess of the unit's
        variance over a Poisson variable's, by moments: the residuals vary alike on all rows. None
        for a unit without a fit.

    Examples
    --------
    >>> x = np.repeat([[-0.5], [0.5]], 50, axis=0)
    >>> (design, response, _), = working_fits(x, np.repeat([[2], [6]], 50, axis=0))
    >>> np.linalg.lstsq(design, response, rcond=None)[0].round(4).tolist()
    [1.0986]
    """
    x, counts = np.asarray(design, float), np.asarray(counts, float)
    problem = _Poisson(counts, np.zeros(len(x), int) if group is None else group)
    weights, _, deviance = problem.maximise(x)
    for u in range(counts.shape[1]):
        if np.isnan(deviance[u]):
            yield None
            continue
        unit = np.array([u])
        mean = problem.mean(x, weights[:, unit], unit)[0][:, 0]
        away = counts[:, u] - mean
        excess = max(0.0, float((away**2 - mean).sum() / (mean**2).sum()))
        weight = mean / (1 + excess * mean)
        middle = problem.within(weight[:, None] * x) / np.maximum(
            problem.within(weight[:, None]), 1e-300
        )
        root = np.sqrt(weight)
        left = np.where(mean > 0, root * away / np.maximum(mean, 1e-300), 0)
        weighted = root[:, None] * (x - np.repeat(middle, problem.length, axis=0))
        yield weighted, weighted @ weights[:, u] + left, left


def null_cpd(
    fits: UnitFits, permutations: Iterable[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare each unit's partial determinations with those of permuted remainders.

    Parameters
    ----------
    fits
        From :func:`fit_linear`.
    permutations
        Each dims (row): an order of the rows.

    Returns
    -------
    reached
        Dims (column, unit): permutations whose partial determination is at least the unit's own.
    observed
        Dims (2, column): over units, numerator and denominator of the pooled partial determination.
    pooled
        Dims (permutation, 2, column): the same under permutation.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(200, 1)), rng.normal(size=(200, 1))
    >>> orders = [rng.permutation(200) for _ in range(99)]
    >>> reached, *_ = null_cpd(fit_linear(x, x + y), orders)
    >>> reached.tolist()
    [[0]]
    """
    basis, direction, residual = fits.basis, fits.direction, fits.residual
    left = (residual**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        lengths = np.sqrt(left / fits.df) / fits.standard_error
    along = np.nan_to_num(fits.coefficient * lengths)
    total = left + along**2
    with np.errstate(invalid="ignore", divide="ignore"):
        least = np.where(total > 0, along**2 / total, 2.0) * (1 - 1e-9)
    both = np.concatenate([residual, basis], axis=1)
    reached, pooled = np.zeros(along.shape, int), []
    for order in permutations:
        product = basis[order].T @ both
        of_residual = product[:, : along.shape[1]]
        of_basis = product[:, along.shape[1] :] @ direction
        turned = np.einsum("qk,qk->k", direction, of_basis)[:, None]
        extra = (direction.T @ of_residual + along * turned) ** 2
        inside = (
            (of_residual**2).sum(axis=0)
            + 2 * along * (of_basis.T @ of_residual)
            + along**2 * (of_basis**2).sum(axis=0)[:, None]
        )
        without = total - inside + extra
        reached += extra >= least * without
        pooled.append(np.stack([extra.sum(axis=1), without.sum(axis=1)]))
    observed = np.stack([(along**2).sum(axis=1), total.sum(axis=1)])
    return reached, observed, np.array(pooled)


def _centered(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    if group.max(initial=0) == 0:
        return values - values.mean(axis=0)
    order = np.argsort(group, kind="stable")
    size = np.bincount(group)
    start = np.r_[0, np.cumsum(size)[:-1]]
    means = np.add.reduceat(values[order], start, axis=0) / size[:, None]
    return values - means[group]


class _Poisson:
    """The likelihood of many units' counts with the groups' intercepts profiled out."""

    def __init__(self, counts: np.ndarray, group: np.ndarray) -> None:
        self.counts = counts
        self.start = np.r_[0, np.flatnonzero(np.diff(group)) + 1]
        self.length = np.diff(np.r_[self.start, len(group)])
        self.sums = self.within(counts)
        self.saturated = (xlogy(counts, counts) - counts).sum(axis=0)

    def within(self, values: np.ndarray) -> np.ndarray:
        """Sum rows within groups, dims (group, ...)."""
        if len(self.start) == 1:
            return values.sum(axis=0, keepdims=True)
        return np.add.reduceat(values, self.start, axis=0)

    def mean(
        self, x: np.ndarray, weights: np.ndarray, units: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return expected counts, dims (row, unit), and the deviance, dims (unit)."""
        mean = x @ weights
        np.clip(mean, -LARGEST_LOG, LARGEST_LOG, out=mean)
        np.exp(mean, out=mean)
        ratio = self.sums[:, units] / self.within(mean)
        mean *= ratio if len(ratio) == 1 else np.repeat(ratio, self.length, axis=0)
        fitted = ((x.T @ self.counts[:, units]) * weights).sum(axis=0)
        fitted += xlogy(self.sums[:, units], ratio).sum(axis=0) - self.sums[:, units].sum(axis=0)
        return mean, 2 * (self.saturated[units] - fitted)

    def information(self, x: np.ndarray, products: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Return the information on the weights, dims (unit, column, column)."""
        n_columns = x.shape[1]
        upper = np.triu_indices(n_columns)
        matrix = np.empty((mean.shape[1], n_columns, n_columns))
        matrix[:, upper[0], upper[1]] = matrix[:, upper[1], upper[0]] = mean.T @ products
        total = np.maximum(self.within(mean), 1e-300)
        if len(total) == 1:
            sums = (x.T @ mean)[:, None]
        else:
            sums = np.stack([self.within(mean * x[:, [k]]) for k in range(n_columns)])
        return matrix - np.einsum("kgu,lgu->ukl", sums / total, sums, optimize=True)

    def maximise(
        self, x: np.ndarray, start: np.ndarray | None = None, *, tolerance: float = 1e-16
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return weights (column, unit), information (unit, column, column), deviance (unit)."""
        n_columns, n_units = x.shape[1], self.counts.shape[1]
        every = np.arange(n_units)
        information = np.zeros((n_units, n_columns, n_columns))
        if n_columns == 0:
            return (
                np.zeros((0, n_units)),
                information,
                self.mean(x, np.zeros((0, n_units)), every)[1],
            )
        upper = np.triu_indices(n_columns)
        products = x[:, upper[0]] * x[:, upper[1]]
        weights = np.zeros((n_columns, n_units))
        if start is not None:
            weights = np.where(np.isfinite(start).all(axis=0), start, weights)
        deviance, step = np.full(n_units, np.inf), np.zeros_like(weights)
        moving = np.flatnonzero(self.sums.sum(axis=0) > 0)
        for _ in range(MOST_STEPS):
            if not len(moving):
                break
            tried = weights[:, moving] + step[:, moving]
            mean, now = self.mean(x, tried, moving)
            worse = now > deviance[moving] + 1e-9 * (1 + np.abs(deviance[moving]))
            step[:, moving[worse]] /= 2
            better = moving[~worse]
            if not len(better):
                continue
            mean = mean if not worse.any() else mean[:, ~worse]
            weights[:, better], deviance[better] = tried[:, ~worse], now[~worse]
            matrix = self.information(x, products, mean)
            score = (x.T @ (self.counts[:, better] - mean)).T
            ridge = 1e-12 * np.trace(matrix, axis1=1, axis2=2)[:, None, None] + TINY
            new = np.linalg.solve(matrix + ridge * np.eye(n_columns), score[..., None])[..., 0]
            information[better], step[:, better] = matrix, new.T
            done = (new * score).sum(axis=1) < tolerance * (1 + now[~worse])
            moving = np.setdiff1d(moving, better[done])
        failed = np.isinf(deviance) | np.isin(every, moving)
        failed[~failed] |= _is_flat(information[~failed])
        weights[:, failed], deviance[failed] = np.nan, np.nan
        return weights, information, deviance


def _is_flat(information: np.ndarray) -> np.ndarray:
    """Tell which fits ran off: some direction of theirs is all but unknown."""
    if not len(information):
        return np.zeros(0, bool)
    return np.linalg.eigvalsh(information)[:, 0] < 1 / LARGEST_ERROR**2


def _start_without(weights: np.ndarray, covariance: np.ndarray, k: int) -> np.ndarray:
    """Return where the fit without a column will be, to first order, dims (column, unit)."""
    share = covariance[:, :, k] / covariance[:, [k], k]
    return np.delete(weights - share.T * weights[k], k, axis=0)
