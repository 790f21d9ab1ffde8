"""Regressions of many units: identities, statsmodels, coverage, and the null by brute force."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import binom, kstest

from neuro_metarl.neural.glm import fit_linear, fit_poisson, null_cpd
from neuro_metarl.stats import permute_sessions, shift_rows

N, K, U, GROUPS = 300, 4, 5, 6


def make(seed: int, effect: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Correlated regressors, normal activity, counts, sessions."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, K))
    x[:, 1] = np.sign(x[:, 1]) / 2
    x[:, 3] += x[:, 0]
    drive = x @ rng.normal(0, effect, (K, U))
    counts = rng.poisson(np.exp(0.5 + drive))
    return x, 5 + drive + rng.normal(size=(N, U)), counts, np.repeat(np.arange(GROUPS), N // GROUPS)


def dummies(group: np.ndarray) -> np.ndarray:
    return (group[:, None] == np.unique(group)).astype(float)


@pytest.mark.parametrize("by_session", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_linear_fit_equals_statsmodels(seed: int, by_session: bool) -> None:
    x, y, _, group = make(seed)
    ours = fit_linear(x, y, group=group if by_session else None)
    intercepts = dummies(group) if by_session else np.ones((N, 1))
    for unit in range(U):
        theirs = sm.OLS(y[:, unit], np.c_[x, intercepts]).fit()
        assert ours.df == theirs.df_resid
        for mine, other in (
            (ours.coefficient, theirs.params), (ours.standard_error, theirs.bse),
            (ours.statistic, theirs.tvalues), (ours.p, theirs.pvalues),
        ):  # fmt: skip
            assert np.allclose(mine[:, unit], other[:K], rtol=1e-6, atol=1e-9)
        if not by_session:
            assert ours.explained[unit] == pytest.approx(theirs.rsquared, rel=1e-9)


@pytest.mark.parametrize("by_session", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_poisson_fit_equals_statsmodels(seed: int, by_session: bool) -> None:
    x, _, counts, group = make(seed)
    ours = fit_poisson(x, counts, group=group if by_session else None)
    intercepts = dummies(group) if by_session else np.ones((N, 1))

    def theirs_of(unit: int, columns: np.ndarray) -> sm.genmod.generalized_linear_model.GLM:
        design = np.c_[columns, intercepts]
        return sm.GLM(counts[:, unit], design, family=sm.families.Poisson()).fit(tol=1e-12)

    for unit in range(U):
        theirs = theirs_of(unit, x)
        for mine, other in (
            (ours.coefficient, theirs.params), (ours.standard_error, theirs.bse),
            (ours.statistic, theirs.tvalues), (ours.p, theirs.pvalues),
        ):  # fmt: skip
            assert np.allclose(mine[:, unit], other[:K], rtol=1e-6, atol=1e-9)
        for k in range(K):
            less = theirs_of(unit, np.delete(x, k, axis=1))
            cpd = (less.deviance - theirs.deviance) / less.deviance
            assert ours.cpd[k, unit] == pytest.approx(cpd, abs=1e-9)
        if not by_session:
            share = 1 - theirs.deviance / theirs.null_deviance
            assert ours.explained[unit] == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_partial_determination_is_what_leaving_a_column_out_costs(seed: int) -> None:
    x, y, _, _ = make(seed)
    fits = fit_linear(x, y)
    assert np.allclose(fits.cpd, fits.statistic**2 / (fits.statistic**2 + fits.df), rtol=1e-10)
    full = sse(x, y)
    for k in range(K):
        without = sse(np.delete(x, k, axis=1), y)
        assert np.allclose(fits.cpd[k], (without - full) / without, rtol=1e-8)
        pooled = (without - full).sum(), without.sum()
        assert np.allclose(fits.pooled[:, k], pooled, rtol=1e-8)
        alone = fit_linear(x[:, [k]], y)
        assert not np.allclose(fits.cpd[k], alone.cpd[0], rtol=0.01)  # not the plain R2


def sse(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    design = np.c_[np.ones(len(x)), x]
    return ((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum(axis=0)


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_activity_that_knows_nothing_gives_uniform_p_and_intervals_that_cover(family: str) -> None:
    """1,000 units, 3 designs: 95 % intervals within the 99.9 % range of their number."""
    covered, p = 0, []
    for seed in range(3):
        rng = np.random.default_rng([seed, 7])
        x = make(seed)[0]
        y = rng.normal(size=(N, 1000)) if family == "gaussian" else rng.poisson(3, (N, 1000))
        fits = fit_linear(x, y) if family == "gaussian" else fit_poisson(x, y)
        covered += int((fits.p[0] >= 0.05).sum())
        p.append(fits.p[0])
    low, high = binom.ppf([0.0005, 0.9995], 3000, 0.95)
    assert low <= covered <= high
    assert kstest(np.concatenate(p), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_intervals_cover_what_is_planted_and_halved_errors_do_not(family: str) -> None:
    rng = np.random.default_rng(11)
    x, weights = make(4)[0], rng.normal(0, 0.2, (K, 1000))
    if family == "gaussian":
        fits = fit_linear(x, x @ weights + rng.normal(size=(N, 1000)))
        reach = 1.968  # t of 295 degrees of freedom
    else:
        fits = fit_poisson(x, rng.poisson(np.exp(1 + x @ weights)))
        reach = 1.96
    away = np.abs(fits.coefficient - weights) / fits.standard_error
    low, high = binom.ppf([0.0005, 0.9995], 1000, 0.95) / 1000
    for k in range(K):
        assert low <= (away[k] < reach).mean() <= high
        assert (away[k] < reach / 2).mean() < low


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_scales_and_orders_change_nothing(scale: float) -> None:
    x, y, counts, _ = make(5)
    fits, order = fit_linear(x, y), np.array([3, 0, 4, 1, 2])
    mixed = fit_linear(x, scale * y[:, order] - 3)
    assert np.allclose(mixed.statistic, fits.statistic[:, order], rtol=1e-6)
    assert np.allclose(mixed.coefficient, scale * fits.coefficient[:, order], rtol=1e-6)
    assert np.allclose(mixed.cpd, fits.cpd[:, order], rtol=1e-6)
    columns = np.array([2, 1, 3, 0])
    assert np.allclose(fit_linear(x[:, columns], y).cpd, fits.cpd[columns], rtol=1e-8)
    stretched = fit_linear(x * [10, 1, 1, 1], y)
    assert np.allclose(stretched.statistic, fits.statistic, rtol=1e-8)
    assert np.allclose(stretched.coefficient[0] * 10, fits.coefficient[0], rtol=1e-8)
    poisson = fit_poisson(x, counts)
    mixed = fit_poisson(x[:, columns], counts[:, order])
    assert np.allclose(mixed.statistic, poisson.statistic[columns][:, order], atol=1e-7)
    negative = fit_linear(x, y + x[:, [0]])  # not an invariance: the control
    assert not np.allclose(negative.statistic, fits.statistic, rtol=0.01)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("grouped", [False, True])
def test_null_equals_refits_of_permuted_remainders(seed: int, grouped: bool) -> None:
    x, y, _, group = make(seed)
    rng = np.random.default_rng(seed)
    draw = shift_rows if grouped else permute_sessions
    orders = [draw(group, rng) for _ in range(4)]
    intercepts = dummies(group) if grouped else np.ones((N, 1))
    fits = fit_linear(x, y, group=group if grouped else None)
    reached, observed, pooled = null_cpd(fits, orders)
    assert np.allclose(observed, fits.pooled, rtol=1e-8)
    count = np.zeros((K, U), int)
    for draw_number, order in enumerate(orders):
        for k in range(K):
            less = np.c_[np.delete(x, k, axis=1), intercepts]
            explained = less @ np.linalg.lstsq(less, y, rcond=None)[0]
            permuted = np.empty_like(y)
            permuted[order] = y - explained
            again = explained + permuted
            without = residual_sum(less, again)
            extra = without - residual_sum(np.c_[x, intercepts], again)
            assert np.allclose(pooled[draw_number, 0, k], extra.sum(), rtol=1e-6)
            assert np.allclose(pooled[draw_number, 1, k], without.sum(), rtol=1e-8)
            count[k] += extra / without >= fits.cpd[k]
    assert np.array_equal(reached, count)


def residual_sum(design: np.ndarray, y: np.ndarray) -> np.ndarray:
    return ((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum(axis=0)


@pytest.mark.parametrize("what", ["activity", "counts"])
def test_the_identity_is_always_reached(what: str) -> None:
    x, y, counts, _ = make(2)
    fits = fit_linear(x, y if what == "activity" else counts)
    assert (null_cpd(fits, [np.arange(N)])[0] == 1).all()
    rng = np.random.default_rng(0)
    assert null_cpd(fits, [rng.permutation(N) for _ in range(20)])[0].mean() < 10


def test_units_without_an_estimate_are_nan_and_trouble_no_other() -> None:
    x, y, counts, group = make(3)
    alone = fit_linear(x, y), fit_poisson(x, counts)
    y = np.c_[y, np.full(N, 7.0)]
    silent = np.where(x[:, 1] > 0, counts[:, 0], 0)
    counts = np.c_[counts, np.zeros(N, int), silent]
    linear, poisson = fit_linear(x, y), fit_poisson(x, counts)
    for fits, before, n in ((linear, alone[0], 1), (poisson, alone[1], 2)):
        for name in ("coefficient", "standard_error", "statistic", "p", "cpd", "explained"):
            assert np.isnan(getattr(fits, name)[..., U:]).all()
            assert np.allclose(getattr(fits, name)[..., :U], getattr(before, name))
        assert np.allclose(fits.pooled, before.pooled)
        assert fits.coefficient.shape[1] == U + n
    orders = [shift_rows(group, np.random.default_rng(k)) for k in range(5)]
    assert np.allclose(null_cpd(linear, orders)[2], null_cpd(alone[0], orders)[2])


def test_a_session_without_spikes_says_nothing() -> None:
    x, _, counts, group = make(6)
    counts[group == 2] = 0
    fits = fit_poisson(x, counts, group=group)
    kept = group != 2
    others = np.unique(group[kept], return_inverse=True)[1]
    less = fit_poisson(x[kept], counts[kept], group=others)
    assert np.allclose(fits.coefficient, less.coefficient, atol=1e-9)
    assert np.allclose(fits.standard_error, less.standard_error, atol=1e-9)
