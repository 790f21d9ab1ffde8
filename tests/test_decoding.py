"""Decoding: planted codes give the analytic score, and drift alone gives none."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from math import factorial
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

import neuro_metarl as nm
from neuro_metarl import InputError, decode
from neuro_metarl.agents.zoo import load_agents, untrained
from neuro_metarl.cohort import make_cohort
from neuro_metarl.models import bayes_belief
from neuro_metarl.neural.folds import make_folds

QUICK = {"n_permutations": 0, "n_bootstrap": 10}


def cohort_of(
    activity: np.ndarray, labels: np.ndarray | None = None, *, subjects: list[str] | None = None
) -> xr.Dataset:
    """Make an animal's cohort with one event; activity has dims session, trial, unit."""
    n_sessions, n_trials = activity.shape[:2]
    choice = np.zeros((n_sessions, n_trials), int) if labels is None else labels
    return make_cohort(
        {"choice": choice, "reward": np.ones_like(choice), "activity": activity[:, :, None]},
        subject=subjects or ["a"] * n_sessions, task="bandit", source="animal",
        coords={"event": ["cue"]},
    )  # fmt: skip


def value(table: xr.Dataset) -> float:
    return float(table.score.sel(statistic="value").squeeze())


def trialwise(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, dims=("session", "trial"))


@pytest.mark.parametrize("signal", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_planted_linear_code_gives_its_r2(signal: float, seed: int) -> None:
    """Var(y) = 1, x = y a + noise of covariance S: R2 = s / (1 + s) with s = a' S^-1 a."""
    rng = np.random.default_rng(seed)
    n_units = 8
    mixing = rng.normal(size=(n_units, n_units))
    code = rng.normal(size=n_units)
    covariance = mixing @ mixing.T + 0.1 * np.eye(n_units)
    code *= np.sqrt(signal / (code @ np.linalg.solve(covariance, code)))
    y = rng.normal(size=(40, 100))
    noise = rng.normal(size=(40, 100, n_units)) @ np.linalg.cholesky(covariance).T
    table = decode(cohort_of(y[:, :, None] * code + noise), trialwise(y), n_permutations=20)
    truth = signal / (1 + signal)
    # SE of R2 is about 2 R (1 - R2) / sqrt(n) < .013 at n = 4,000; 8 units cost 8 / n
    assert value(table) == pytest.approx(truth, abs=3.5 * 0.013)
    low, high = table.score.sel(statistic=["low", "high"]).values.ravel()
    assert low - 0.03 < truth < high + 0.03
    assert table.p.item() == pytest.approx(1 / 21)
    assert table.chance.item() == 0


@pytest.mark.parametrize("estimator", [None, LinearDiscriminantAnalysis()])
@pytest.mark.parametrize("distance", [0.5, 2.0])
def test_two_gaussian_classes_give_their_accuracy(estimator: Any, distance: float) -> None:
    rng = np.random.default_rng(5)
    y = rng.integers(2, size=(30, 100))
    x = rng.normal(size=(30, 100, 4))
    x[..., 1] += distance * y
    table = decode(cohort_of(x, y), "choice", estimator=estimator, **QUICK)
    truth = NormalDist().cdf(distance / 2)
    assert value(table) == pytest.approx(truth, abs=3.5 * np.sqrt(0.25 / 3000))
    assert table.chance.item() == max(y.mean(), 1 - y.mean())


@pytest.mark.parametrize("kind", ["number", "class"])
def test_independent_labels_are_at_chance(kind: str) -> None:
    p, scores = [], []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(6, 40, 5))
        y = rng.normal(size=(6, 40)) if kind == "number" else rng.integers(3, size=(6, 40))
        table = decode(cohort_of(x), trialwise(y), n_permutations=39, n_bootstrap=2, seed=seed)
        p.append(table.p.item())
        scores.append(value(table))
    hits = int((np.array(p) <= 0.05).sum())
    assert hits <= binom.ppf(0.999, 25, 0.05)
    assert 0.29 < np.mean(p) < 0.71
    if kind == "number":
        assert np.mean(scores) < 0.01
    else:
        assert np.mean(scores) == pytest.approx(1 / 3, abs=0.03)


def drifting(seed: int, n_sessions: int, n_trials: int) -> xr.Dataset:
    """Activity that drifts (autocorrelation .98) and labels in blocks of 20 to 40: unrelated."""
    rng = np.random.default_rng(seed)
    x = np.empty((n_sessions, n_trials, 10))
    x[:, 0] = rng.normal(size=(n_sessions, 10))
    for t in range(1, n_trials):
        x[:, t] = 0.98 * x[:, t - 1] + np.sqrt(1 - 0.98**2) * rng.normal(size=(n_sessions, 10))
    y = np.zeros((n_sessions, n_trials), int)
    for s in range(n_sessions):
        ends = np.cumsum(rng.integers(20, 41, size=n_trials // 20 + 1))
        y[s] = (np.searchsorted(ends, np.arange(n_trials), side="right") + rng.integers(2)) % 2
    return cohort_of(x + 0.5 * rng.normal(size=x.shape), y)


def rate(n: int, n_sessions: int, n_trials: int, **how: Any) -> tuple[int, float]:
    tables = [
        decode(drifting(seed, n_sessions, n_trials), "choice", n_permutations=39, n_bootstrap=2,
               seed=seed, **how)
        for seed in range(n)
    ]  # fmt: skip
    return sum(t.p.item() <= 0.05 for t in tables), float(np.mean([value(t) for t in tables]))


NAIVE = {"null": "shuffle", "folds": KFold(5, shuffle=True, random_state=0)}


@pytest.mark.parametrize(("n_sessions", "n_trials"), [(1, 300), (6, 100)])
def test_drift_and_blocks_are_no_code_unless_trials_are_shuffled(
    n_sessions: int, n_trials: int
) -> None:
    n = 25
    hits, score = rate(n, n_sessions, n_trials)
    # false positives at .05: 99.9 % of binomial draws
    assert hits <= binom.ppf(0.999, n, 0.05)
    assert score < 0.53
    naive_hits, naive_score = rate(n, n_sessions, n_trials, **NAIVE)
    assert naive_hits > n / 2
    assert naive_score > 0.56


@pytest.mark.slow
@pytest.mark.parametrize(("n_sessions", "n_trials"), [(1, 400), (3, 200), (10, 100)])
def test_the_shift_holds_its_rate(n_sessions: int, n_trials: int) -> None:
    n = 300
    hits, _ = rate(n, n_sessions, n_trials)
    assert hits <= binom.ppf(0.999, n, 0.05)
    assert rate(60, n_sessions, n_trials, **NAIVE)[0] > 30


def test_a_common_course_of_sessions_needs_other_sessions_labels() -> None:
    """Both follow the trial's place in the session: shifts call it a code, other sessions not."""
    hits = {"circular_shift": 0, "session_permutation": 0}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        place = np.linspace(-1, 1, 60)
        y = (place + rng.normal(0, 0.5, (12, 60)) > 0).astype(int)
        x = place[:, None] * rng.normal(size=5) + 0.5 * rng.normal(size=(12, 60, 5))
        for null in hits:
            table = decode(cohort_of(x, y), "choice", null=null, n_permutations=39, n_bootstrap=2)
            hits[null] += table.p.item() <= 0.05
    assert hits["session_permutation"] <= binom.ppf(0.999, 20, 0.05)
    assert hits["circular_shift"] > 15


@pytest.mark.parametrize("n_sessions", [4, 5])
def test_p_of_few_sessions_is_that_of_every_order(n_sessions: int) -> None:
    """Ragged sessions: the score and every order are those of the sessions cut by hand."""
    rng = np.random.default_rng(n_sessions)
    x, y = rng.normal(size=(n_sessions, 30, 3)), rng.integers(2, size=(n_sessions, 30))
    cohort = cohort_of(x, y)
    cohort.valid[0, 24:] = 0
    how: dict[str, Any] = {"folds": "sessions", "n_folds": 4, "n_bootstrap": 2}
    table = decode(cohort, "choice", null="session_permutation", n_permutations=7, **how)
    scores = [
        value(decode(cohort_of(x[:, :24], y[list(order), :24]), "choice", n_permutations=0, **how))
        for order in permutations(range(n_sessions))
    ]
    assert value(table) == pytest.approx(scores[0])
    nulls = table.null_score.squeeze().values
    np.testing.assert_allclose(np.sort(nulls), np.sort(scores[1:]), atol=1e-6)
    assert table.p.item() == np.mean(np.array(scores) >= scores[0] - 1e-9)
    assert table.smallest_p.item() == pytest.approx(1 / factorial(n_sessions))
    assert table.n_distinct.item() == factorial(n_sessions)


@pytest.mark.slow
@pytest.mark.parametrize("n_sessions", [4, 5, 6, 10])
def test_permuted_sessions_hold_their_rate(n_sessions: int) -> None:
    n = 200
    p = []
    for seed in range(n):
        cohort = drifting(seed, n_sessions, 60)
        table = decode(cohort, "choice", null="session_permutation", n_permutations=199,
                       n_bootstrap=2, seed=seed)  # fmt: skip
        p.append(table.p.item())
    for alpha in (0.05, 0.01):
        assert np.sum(np.array(p) <= alpha) <= binom.ppf(0.999, n, alpha)


def coded(seed: int = 0, n_sessions: int = 8, n_trials: int = 40) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=(n_sessions, n_trials))
    x = rng.normal(size=(n_sessions, n_trials, 4)) + y[:, :, None] * [1.0, 0, 0.5, 0]
    return cohort_of(x, y)


def folds_of(cohort: xr.Dataset) -> np.ndarray:
    session, trial = np.nonzero(cohort.valid.values)
    return make_folds(session[:, None], session, session, trial)[0]


def test_scikit_learn_is_taken_as_it_is() -> None:
    cohort = coded()
    x, y = cohort.activity.values[:, :, 0].reshape(-1, 4), cohort.choice.values.ravel()
    for estimator in (
        LinearDiscriminantAnalysis(),
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1)),
    ):
        expected = cross_val_predict(estimator, x, y, cv=PredefinedSplit(folds_of(cohort)))
        table = decode(cohort, "choice", estimator=estimator, **QUICK)
        np.testing.assert_array_equal(table.prediction.values.ravel(), expected)
        assert value(table) == (expected == y).mean()
    regression = decode(cohort, "choice", estimator=SVR(), **QUICK)
    assert regression.measure == "cross-validated R2"
    expected = cross_val_predict(SVR(), x, y, cv=PredefinedSplit(folds_of(cohort)))
    np.testing.assert_allclose(regression.prediction.values.ravel(), expected, atol=1e-5)
    assert "LinearDiscriminantAnalysis" in table.estimator or "Pipeline" in table.estimator


def test_searches_stay_inside_the_training_folds() -> None:
    cohort = coded()
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 10.0, 1000.0]}, cv=None)
    x, y = cohort.activity.values[:, :, 0].reshape(-1, 4), cohort.choice.values.ravel()
    fold, expected = folds_of(cohort), np.empty(len(y))
    for k in range(5):
        train = fold != k
        inner = GridSearchCV(Ridge(), search.param_grid, cv=PredefinedSplit(fold[train]))
        expected[~train] = inner.fit(x[train], y[train]).predict(x[~train])
    table = decode(cohort, cohort.choice.astype(float), estimator=search, **QUICK)
    np.testing.assert_allclose(table.prediction.values.ravel(), expected, atol=1e-5)


def test_logistic_by_name_agrees_with_ridge() -> None:
    cohort = coded()
    logistic = decode(cohort, "choice", estimator="logistic", n_folds=3, n_permutations=1)
    ridge = decode(cohort, "choice", n_folds=3, **QUICK)
    assert value(logistic) == pytest.approx(value(ridge), abs=0.04)
    assert np.isfinite(logistic.null_score).all()


def test_several_classes_and_balanced_accuracy() -> None:
    rng = np.random.default_rng(2)
    y = rng.choice([0, 3, 4], p=[0.7, 0.2, 0.1], size=(10, 60))
    x = rng.normal(size=(10, 60, 3)) + 4 * (y[:, :, None] == [0, 3, 4])
    table = decode(cohort_of(x), trialwise(y), **QUICK)
    prediction = table.prediction.values[:, :, 0]
    assert set(np.unique(prediction)) == {0, 3, 4}
    assert value(table) == (prediction == y).mean() > 0.9
    recall = [(prediction == y)[y == k].mean() for k in (0, 3, 4)]
    assert table.balanced_accuracy.item() == pytest.approx(np.mean(recall))
    assert table.chance.item() == (y == 0).mean()


def test_trials_without_a_target_and_invalid_ones_are_left_out() -> None:
    cohort = coded().copy(deep=True)
    choice = cohort.choice.copy(deep=True)
    choice[:, 3] = -1
    cohort["valid"][:, 7] = 0
    chosen = trialwise(np.ones(cohort.choice.shape, bool))
    chosen[0] = False
    table = decode(cohort, choice, where=chosen, **QUICK)
    assert table.n.item() == 7 * 38
    gone = np.isnan(table.prediction.values[:, :, 0])
    assert gone[0].all()
    assert gone[1:].sum() == 14


@pytest.mark.parametrize("seed", [0, 1])
def test_invariances(seed: int) -> None:
    cohort = coded(seed)
    two = nm.concat_cohorts([
        cohort, coded(seed + 10).assign_coords(subject=("session", ["b"] * 8))
    ])  # fmt: skip
    table = decode(two, "choice", n_permutations=19, seed=3)
    turned = two.transpose("unit", "trial", ...)
    again = decode(turned, "choice", n_permutations=19, seed=3)
    xr.testing.assert_identical(table, again)
    alone = decode(cohort, "choice", n_permutations=19, seed=3)
    np.testing.assert_array_equal(alone.score.values[0], table.score.sel(subject="a").values)
    units = two.assign(activity=(5 * two.activity - 2).astype("float32"))
    scaled = decode(units, "choice", n_permutations=19, seed=3)
    np.testing.assert_allclose(scaled.score, table.score, atol=0.01)
    bent = decode(
        two.assign(activity=np.cos(3 * two.activity)), "choice", n_permutations=19, seed=3
    )
    assert float(abs(bent.score - table.score).max()) > 0.05
    other = decode(two, "choice", n_permutations=19, seed=4)
    np.testing.assert_array_equal(other.score[..., 0], table.score[..., 0])
    assert not np.array_equal(other.null_score, table.null_score)


def test_targets_that_differ_between_events() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 50, 2, 3))
    cohort = make_cohort(
        {"choice": np.zeros((6, 50)), "reward": np.zeros((6, 50)), "activity": x,
         "value": x @ [1.0, -1.0, 0.5]},
        subject=["a"] * 6, task="bandit", source="agent", coords={"event": ["first", "second"]},
    )  # fmt: skip
    table = decode(cohort, "value", **QUICK)
    np.testing.assert_allclose(table.score.sel(statistic="value"), 1, atol=1e-4)
    fixed = decode(cohort, cohort.value.sel(event="first", drop=True), **QUICK)
    assert fixed.score.sel(statistic="value", event="second").item() < 0.1
    assert decode(cohort, "value", events=["second"], **QUICK).event.values.tolist() == ["second"]


def test_sessions_one_by_one_with_their_own_units_and_too_short_ones_said_so() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(2, size=(3, 150))
    x = rng.normal(size=(3, 150, 6)) + 1.5 * y[:, :, None]
    x[0, :, :3], x[1, :, 3:] = np.nan, np.nan
    cohort = cohort_of(x, y).copy(deep=True)
    cohort["valid"][2, 25:] = 0
    with pytest.raises(InputError, match=r"not recorded in the same sessions.*per='recording'"):
        decode(cohort, "choice", per="subject", **QUICK)
    table = decode(cohort, "choice", per="session", n_permutations=60)
    assert table.n_units.values.ravel().tolist() == [3, 3, 6]
    assert (table.score.sel(statistic="value")[:2] > 0.8).all()
    assert table.subject.values.tolist() == ["a"] * 3
    problem = table.problem.values[2, 0]
    assert (
        "session 'a/2' of subject 'a' has 25 trials in its shortest session: too short" in problem
    )
    assert np.isnan(table.score[2]).all()
    assert np.isnan(table.p[2])
    assert np.isnan(table.prediction[2]).all()
    with pytest.raises(InputError, match="too short"):
        decode(cohort.isel(session=[2]), "choice", per="session")


def test_trained_networks_hold_the_exact_belief_and_untrained_ones_less() -> None:
    agents = load_agents("two-step/0")
    trained = nm.record(agents, n_sessions=15, seed=3)
    fresh = nm.record(untrained(agents, n_agents=1), n_sessions=15, seed=3)
    table = decode(trained, bayes_belief(trained).log_odds, n_permutations=19)
    assert (table.score.sel(statistic="low") > 0.95).all()
    assert (table.score.sel(statistic="value") > table.null_score.max("null") + 0.5).all()
    assert (table.p == 0.05).all()
    control = decode(fresh, bayes_belief(fresh).log_odds, **QUICK)
    assert (control.score.sel(statistic="value") < 0.6).all()
    # the state is shown at the second step, and at no event before
    state = decode(fresh, "state", **QUICK).score.sel(statistic="value").values[0]
    assert state[2] == 1
    assert (abs(state[:2] - 0.5) < 0.08).all()


@pytest.mark.parametrize("drift", [0.0, 0.5])
def test_neurons_tuned_to_the_belief_and_neurons_that_only_drift(drift: float) -> None:
    rats = nm.load_dataset("synthetic-rats")
    rats = nm.select_subjects(rats, nm.subjects_of(rats)[:2])
    belief = bayes_belief(rats, hazard=0.02).log_odds
    weights = np.r_[np.linspace(-0.4, 0.4, 6), np.zeros(6)][:, None]
    tuning = xr.DataArray(
        weights, dims=("unit", "regressor"), coords={"regressor": ["belief"]}
    )  # fmt: skip
    known = rats.assign(belief=belief.fillna(0).astype("float32"))
    recorded = nm.neural.virtual_spikes(known, tuning, drift=drift, seed=1)
    how: dict[str, Any] = {"n_permutations": 39, "n_bootstrap": 10}
    for units, found in ((slice(6), True), (slice(6, 12), False)):
        some = recorded.isel(unit=units)
        together = decode(some, belief, **how)
        apart = decode(some, belief, per="session", **how)
        assert ((together.score[..., 0] > 0.2) == found).all()
        hits = int((apart.p <= 0.05).sum())
        assert hits >= 10 if found else hits <= binom.ppf(0.999, 12, 0.05)


def test_the_plot_shows_every_subject_and_the_null() -> None:
    table = decode(coded(), "choice", n_permutations=19)
    ax = nm.plot.decoding(table, label="animals")
    assert [float(x) for x in ax.lines[0].get_ydata()] == [value(table)]
    grey = ax.collections[0].get_segments()[0][:, 1]
    np.testing.assert_allclose(grey, np.quantile(table.null_score, [0.025, 0.975]), atol=1e-6)
    assert ax.get_ylabel() == "choice: accuracy"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["cue"]


def broken(cohort: xr.Dataset, change: Callable[[xr.Dataset], None]) -> xr.Dataset:
    copy = cohort.copy(deep=True)
    change(copy)
    return copy


def spoil(cohort: xr.Dataset) -> None:
    cohort["activity"][2, 5, 0, 1] = np.nan


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        (None, {"target": "chioce"}, "no 'chioce'; did you mean 'choice'"),
        (None, {"variable": "actvity"}, "no 'actvity'; did you mean 'activity'"),
        (lambda c: c.drop_vars("activity"), {}, "holds no activity"),
        (None, {"events": ["cu"]}, "no event 'cu'; did you mean 'cue'"),
        (None, {"target": "reward"}, "'reward' has one class only .1; -1"),
        (lambda c: c.assign(choice=0 * c.choice), {}, "subject 'a'.*one class only .0."),
        (lambda c: broken(c, spoil), {}, "subject 'a'.*unit 1 is missing .NaN. on 1 of 320 trials"),
        (lambda c: c.isel(session=[0, 1]), {"folds": "sessions"}, "2 sessions, fewer than 5 folds"),
        (lambda c: c.isel(session=[0], trial=slice(20)), {}, "20 trials.*too short for 5 blocks"),
        (lambda c: c.isel(session=[0]), {"gap": 0, "least_shift": 15}, "too short for a null"),
        (lambda c: c.isel(session=[0, 1]), {"gap": 0, "null": "session_permutation"},
         "2 sessions, which have 2 orders: p cannot fall below 0.5"),
        (None, {"n_folds": 2}, "n_folds is 2"),
        (None, {"gap": -1}, "gap is -1"),
        (None, {"folds": "kfold"}, "folds is 'kfold'"),
        (None, {"folds": 5}, "folds is 5"),
        (None, {"folds": KFold(2)}, "3 folds or more"),
        (None, {"null": "shift"}, "null is 'shift'"),
        (None, {"least_shift": 0}, "least_shift is 0"),
        (None, {"n_permutations": -1}, "n_permutations is -1"),
        (None, {"per": "unit"}, "per is 'unit'"),
        (None, {"estimator": object()}, "expected 'logistic' or a scikit-learn"),
        (None, {"estimator": "lasso"}, "estimator is 'lasso'"),
        (None, {"estimator": Ridge}, "an object, not a class"),
        (None, {"target": trialwise(np.zeros((8, 40)) + 0.5), "estimator": LogisticRegression()},
         "a classifier needs a target of whole numbers"),
        (None, {"target": trialwise(np.zeros((8, 3)))}, "other sessions or trials"),
        (None, {"target": coded(n_sessions=9).choice.isel(session=slice(1, 9))},
         "other sessions or trials"),
        (None, {"target": trialwise(np.where(np.arange(320) % 2, 1, -2).reshape(8, 40))},
         "has the value -2; classes are 0, 1, ... and -1 for none"),
        (None, {"target": xr.DataArray(np.zeros(8), dims="session")}, "expected session, trial"),
        (None, {"target": trialwise(np.full((8, 40), "left"))}, "expected numbers"),
        (None, {"where": trialwise(np.zeros((8, 40)))}, "where has to be true or false"),
        (None, {"where": trialwise(np.zeros((8, 40), bool))}, "where marks none of the 320 valid"),
        (None, {"confidence": 1.5}, "confidence is 1.5"),
    ],
)  # fmt: skip
def test_bad_input(
    change: Callable[[xr.Dataset], xr.Dataset] | None, given: dict[str, Any], message: str
) -> None:
    cohort = change(coded()) if change else coded()
    with pytest.raises(InputError, match=message):
        decode(cohort, **{"target": "choice", **given})
