"""Newton and Firth against statsmodels, brute force and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from neuro_metarl.errors import InputError
from neuro_metarl.regression import fit_logistic


def data(seed: int, n: int = 400, columns: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.integers(-1, 2, (n, columns - 1))])
    y = rng.random(n) < 1 / (1 + np.exp(-x @ rng.normal(0, 0.7, columns)))
    return x, y.astype(float)


@pytest.mark.parametrize("seed", range(5))
def test_maximum_likelihood_equals_statsmodels(seed: int) -> None:
    import statsmodels.api as sm

    x, y = data(seed)
    theirs = sm.Logit(y, x).fit(disp=0, tol=1e-14, maxiter=100)
    ours = fit_logistic(x, y, penalty="none")
    assert np.allclose(ours.weights, theirs.params, atol=1e-10)
    assert np.allclose(np.sqrt(np.diag(ours.covariance)), theirs.bse, atol=1e-9)
    assert ours.log_likelihood == pytest.approx(theirs.llf, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_firth_maximises_the_penalised_likelihood(seed: int) -> None:
    x, y = data(seed, n=40)

    def loss(b: np.ndarray) -> float:
        p = 1 / (1 + np.exp(-x @ b))
        information = (x * (p * (1 - p))[:, None]).T @ x
        return (
            -float(y @ x @ b - np.logaddexp(0, x @ b).sum())
            - 0.5 * np.linalg.slogdet(information)[1]
        )

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-10})
    ours = fit_logistic(x, y, penalty="firth").weights
    assert loss(ours) <= best.fun + 1e-10
    assert np.allclose(ours, best.x, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_firth_converges_near_separation(seed: int) -> None:
    """The penalised score vanishes at the estimate, also where scoring steps crawl."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(400), rng.integers(-1, 2, (400, 12))])
    y = (x[:, 1:] @ np.linspace(2, -2, 12) + 0.1 * rng.normal(size=400) > 0).astype(float)
    fit = fit_logistic(x, y)
    assert not fit.problem
    p = 1 / (1 + np.exp(-x @ fit.weights))
    leverage = p * (1 - p) * np.einsum("ij,jk,ik->i", x, fit.covariance, x)
    assert np.abs(x.T @ (y - p + leverage * (0.5 - p))).max() < 1e-9


@pytest.mark.parametrize(("k", "n"), [(0, 5), (3, 7), (50, 50)])
def test_firth_of_one_proportion_is_known(k: int, n: int) -> None:
    y = np.arange(n) < k
    weight = fit_logistic(np.ones((n, 1)), y).weights[0]
    assert weight == pytest.approx(np.log((k + 0.5) / (n - k + 0.5)), abs=1e-10)


def test_separation_is_finite_with_firth_and_said_without() -> None:
    x = np.column_stack([np.ones(20), np.linspace(-1, 1, 20)])
    y = (x[:, 1] > 0).astype(float)
    firth = fit_logistic(x, y)
    assert not firth.problem
    assert np.isfinite(firth.weights).all()
    assert 0 < firth.weights[1] < 30
    plain = fit_logistic(x, y, penalty="none")
    assert "separation" in plain.problem
    assert np.isnan(plain.weights).all()


def test_quasi_separation_is_said() -> None:
    x = np.column_stack([np.ones(40), np.repeat([0, 1], 20)])
    y = np.concatenate([np.arange(20) % 2, np.ones(20)])
    assert "separation" in fit_logistic(x, y, penalty="none").problem
    assert np.isfinite(fit_logistic(x, y).weights).all()


@pytest.mark.parametrize("penalty", ["none", "firth"])
def test_what_cannot_be_told_apart_is_said(penalty: str) -> None:
    x, y = data(0)
    never = fit_logistic(np.column_stack([x, np.zeros(len(x))]), y, penalty=penalty)  # type: ignore[arg-type]
    assert never.problem == "1 of 5 predictors are 0 on every trial"
    assert np.isnan(never.weights).all()


def test_an_unknown_penalty() -> None:
    with pytest.raises(InputError, match="penalty is 'l2', expected 'firth' or 'none'"):
        fit_logistic(np.ones((3, 1)), np.ones(3), penalty="l2")  # type: ignore[arg-type]


@pytest.mark.parametrize("penalty", ["none", "firth"])
def test_scores_of_clusters_sum_to_the_score(penalty: str) -> None:
    x, y = data(1)
    cluster = np.arange(len(x)) // 20
    fit = fit_logistic(x, y, penalty=penalty, cluster=cluster)  # type: ignore[arg-type]
    assert fit.cluster_scores.shape == (20, 4)
    whole = np.linalg.inv(fit.cluster_information.sum(0))
    assert np.allclose(whole, fit.covariance)
    if penalty == "none":
        assert np.abs(fit.cluster_scores.sum(0)).max() < 1e-9


@pytest.mark.parametrize("penalty", ["none", "firth"])
def test_one_step_without_a_cluster_agrees_with_refitting(penalty: str) -> None:
    """The jackknife error of 40 clusters within 3 %, of 6 within 15 %, never much too small."""
    for n_clusters, bound in ((40, 0.03), (6, 0.15)):
        x, y = data(2, n=1200)
        cluster = np.arange(len(x)) * n_clusters // len(x)
        fit = fit_logistic(x, y, penalty=penalty, cluster=cluster)  # type: ignore[arg-type]
        refitted = [
            fit_logistic(x[cluster != k], y[cluster != k], penalty=penalty).weights  # type: ignore[arg-type]
            for k in range(n_clusters)
        ]
        ratio = fit.left_out().std(axis=0) / np.std(refitted, axis=0)
        assert np.abs(ratio - 1).max() < bound
    assert (fit_logistic(x, y).left_out() == fit_logistic(x, y).weights).all()


def test_weights_of_equal_rows_do_not_depend_on_their_order() -> None:
    x, y = data(3)
    order = np.random.default_rng(0).permutation(len(x))
    assert np.allclose(fit_logistic(x, y).weights, fit_logistic(x[order], y[order]).weights)
