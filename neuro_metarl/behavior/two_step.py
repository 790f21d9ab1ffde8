"""Two-step behavior: how the last trials' outcomes and transitions move the next choice.

All three measures take a cohort and return a data set with one entry per subject, each number
with the interval of a bootstrap over that subject's sessions (dim ``statistic``: value, low,
high). A trial counts as *rewarded* if its reward is above 0. A response is a valid trial on which
the choice was free; a forced trial is history, never a response; an invalid trial does not exist,
so that lags skip it; lags stop where the session begins.

References
----------
Daw et al. 2011, doi:10.1016/j.neuron.2011.02.027; Akam et al. 2015,
doi:10.1371/journal.pcbi.1004648; Miller et al. 2017, doi:10.1038/nn.4613.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.regression import SEPARATION, LogisticFit, Penalty, fit_logistic
from neuro_metarl.stats import clusters_of, interval, multiplicities

__all__ = [
    "INDICES",
    "TERMS",
    "lagged_fit",
    "lagged_regression",
    "one_back_regression",
    "stay_probability",
]

TERMS = ("common_rewarded", "rare_rewarded", "common_omitted", "rare_omitted")
INDICES = {
    "planning_index": (1, -1, -1, 1),
    "model_free_index": (1, 1, -1, -1),
    "stay_index": (1, 1, 1, 1),
    "common_stay_index": (1, -1, 1, -1),
}
STATISTIC = ["value", "low", "high"]
History = Literal["session", "published"]


def stay_probability(
    cohort: xr.Dataset,
    *,
    trial: int | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Measure how often a choice is repeated, by what the trial before brought.

    Parameters
    ----------
    cohort
        Two-step cohort, dims session, trial.
    trial
        Take responses only at this position of the session (from 0): ``trial=1`` asks about the
        second trial alone. Default: all.
    n_bootstrap, confidence, seed
        Of the session bootstrap.

    Returns
    -------
    xarray.Dataset
        ``stay_probability`` (subject, term, statistic) and ``n`` (subject, term), the responses
        behind it; NaN where there are none. Terms are of the trial before: common_rewarded,
        rare_rewarded, common_omitted, rare_omitted.

    Raises
    ------
    InputError
        Not a two-step cohort, or a subject without responses.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort(
    ...     {"choice": [[0, 0, 1, 1]], "state": [[0, 0, 1, 1]], "common": [[1, 1, 1, 1]],
    ...      "reward": [[1, 0, 1, 0]]}, subject=["a"], task="two-step", source="animal")
    >>> stay = stay_probability(cohort)
    >>> stay.stay_probability.sel(subject="a", statistic="value").values.tolist()
    [1.0, nan, 0.0, nan]
    >>> stay.n.sel(subject="a").values.tolist()
    [2, 0, 1, 0]
    """
    subjects, results, counts = [], [], []
    for name, rows in _each_subject(cohort):
        rng = np.random.default_rng(seed)
        before, response = _previous(rows)
        if trial is not None:
            response = response & (rows.position == trial)
        _need_responses(name, response)
        kind = rows.kind[before[response]]
        stayed = rows.choice[response] == rows.choice[before[response]]
        cluster = clusters_of(rows.session[response])
        n_clusters = int(cluster.max()) + 1
        cells = cluster * 4 + kind
        n = np.bincount(cells, minlength=4 * n_clusters).reshape(n_clusters, 4)
        k = np.bincount(cells, weights=stayed, minlength=4 * n_clusters).reshape(n_clusters, 4)
        total, stays = n.sum(0), k.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = stays / total
            times = multiplicities(n_clusters, n_bootstrap, rng)
            draws = (times @ k) / (times @ n)
        draws = np.where(np.isnan(draws), value, draws)
        smoothed = (stays + 0.5) / (total + 1)
        error = np.sqrt(smoothed * (1 - smoothed) / (total + 1))
        low, high = interval(value, draws, error, confidence=confidence)
        subjects.append(name)
        results.append(np.stack([value, low.clip(0, 1), high.clip(0, 1)], axis=-1))
        counts.append(total)
    return xr.Dataset(
        {
            "stay_probability": (("subject", "term", "statistic"), np.array(results)),
            "n": (("subject", "term"), np.array(counts)),
        },
        coords={"subject": subjects, "term": list(TERMS), "statistic": STATISTIC},
        attrs=_attrs("stay probability", n_bootstrap, confidence, seed)
        | {"trial": "all" if trial is None else trial},
    )


def one_back_regression(
    cohort: xr.Dataset,
    *,
    correct: bool = False,
    penalty: Penalty = "firth",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Regress repeating the choice on the last trial's reward and transition.

    Parameters
    ----------
    cohort
        Two-step cohort, dims session, trial.
    correct
        Add the predictor *correct*: whether the last choice was the better option. Without it,
        a model-free agent seems to use the transition structure wherever values last for
        blocks of trials (Akam et al. 2015).
    penalty
        ``"firth"`` or ``"none"``: plain maximum likelihood, NaN with a warning where it does not
        exist.
    n_bootstrap, confidence, seed
        Of the session bootstrap.

    Returns
    -------
    xarray.Dataset
        ``one_back`` (subject, term, statistic), log odds; ``n`` (subject).

    Raises
    ------
    InputError
        Not a two-step cohort, no ``correct`` where it is asked for, or a subject without
        responses.

    Notes
    -----
    ``logit P(stay) = stay + reward x + common y + reward_x_common 2 x y + correct z`` with
    ``x, y, z = +1/2`` or ``-1/2``: rewarded (reward above 0), common, correct; ``z = 0`` where
    correct is undefined.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> fit = one_back_regression(load_dataset("synthetic-rats"), correct=True, n_bootstrap=50)
    >>> fit.term.values.tolist()
    ['stay', 'reward', 'common', 'reward_x_common', 'correct']
    """
    if correct and "correct" not in cohort:
        raise InputError("correct=True needs the variable 'correct', which the cohort lacks")
    terms = ["stay", "reward", "common", "reward_x_common"] + ["correct"] * correct
    subjects, results, counts = [], [], []
    for name, rows in _each_subject(cohort):
        before, response = _previous(rows)
        _need_responses(name, response)
        last = before[response]
        reward = np.where(np.isin(rows.kind[last], (0, 1)), 0.5, -0.5)
        common = np.where(np.isin(rows.kind[last], (0, 2)), 0.5, -0.5)
        columns = [np.ones(len(last)), reward, common, 2 * reward * common]
        if correct:
            columns.append(np.array([-0.5, 0.5, 0.0])[rows.correct[last]])
        stayed = rows.choice[response] == rows.choice[last]
        cluster = clusters_of(rows.session[response])
        fit = fit_logistic(np.stack(columns, 1), stayed, penalty=penalty, cluster=cluster)
        _warn(name, fit, penalty)
        every = np.eye(len(terms))
        results.append(_intervals(fit, every, n_bootstrap, confidence, seed))
        subjects.append(name)
        counts.append(len(last))
    return xr.Dataset(
        {
            "one_back": (("subject", "term", "statistic"), np.array(results)),
            "n": ("subject", counts),
        },
        coords={"subject": subjects, "term": terms, "statistic": STATISTIC},
        attrs=_attrs("one-back regression", n_bootstrap, confidence, seed) | {"penalty": penalty},
    )


def lagged_regression(
    cohort: xr.Dataset,
    *,
    n_lags: int = 5,
    history: History = "session",
    penalty: Penalty = "firth",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Regress the choice on the last trials, each by its transition and outcome.

    Parameters
    ----------
    cohort
        Two-step cohort, dims session, trial; choices 0 and 1.
    n_lags
        Trials back.
    history
        ``"session"``: forced trials are history but never responses, lags stop at session
        boundaries. ``"published"``: Miller's convention; forced trials count as responses and
        lags run on from one session of a subject into the next.
    penalty
        ``"firth"``: finite and nearly unbiased for short subjects. ``"none"``: plain maximum
        likelihood; NaN with a warning where it does not exist.
    n_bootstrap, confidence, seed
        Of the session bootstrap.

    Returns
    -------
    xarray.Dataset
        ``lagged_weight`` (subject, term, lag, statistic) and ``bias`` (subject, statistic), log
        odds; ``planning_index``, ``model_free_index``, ``stay_index``, ``common_stay_index``
        (subject, statistic); ``n`` and ``log_likelihood`` (subject).

    Raises
    ------
    InputError
        Not a two-step cohort, choices other than 0 and 1, an unknown convention, or a subject
        without responses.

    Notes
    -----
    ``logit P(choice 1) = bias + sum over lags and terms of weight x``, where ``x`` is +1 if the
    trial that many back was of that kind and chose 1, -1 if it was and chose 0, else 0. With CR,
    RR, CO, RO the weights of the four terms, summed over lags: planning = CR - RR - CO + RO,
    model-free = CR + RR - CO - RO, stay = CR + RR + CO + RO, common-stay = CR - RR + CO - RO.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> fit = lagged_regression(load_dataset("synthetic-rats"), n_bootstrap=50)
    >>> fit.lagged_weight.dims
    ('subject', 'term', 'lag', 'statistic')
    """
    if history not in ("session", "published"):
        raise InputError(f"history is {history!r}, expected 'session' or 'published'")
    if n_lags < 1:
        raise InputError(f"n_lags is {n_lags}, expected 1 or more")
    combine = _combinations(n_lags)
    subjects, results, counts, likelihoods = [], [], [], []
    for name, fit in lagged_fit(cohort, n_lags=n_lags, history=history, penalty=penalty):
        _warn(name, fit, penalty)
        results.append(_intervals(fit, combine, n_bootstrap, confidence, seed))
        subjects.append(name)
        counts.append(fit.n)
        likelihoods.append(fit.log_likelihood)
    values = np.array(results)
    weights = values[:, 1 : 1 + 4 * n_lags].reshape(-1, 4, n_lags, 3)
    indices = {
        index: (("subject", "statistic"), values[:, 1 + 4 * n_lags + k])
        for k, index in enumerate(INDICES)
    }
    return xr.Dataset(
        {
            "lagged_weight": (("subject", "term", "lag", "statistic"), weights),
            "bias": (("subject", "statistic"), values[:, 0]),
            **indices,
            "n": ("subject", counts),
            "log_likelihood": ("subject", likelihoods),
        },
        coords={
            "subject": subjects,
            "term": list(TERMS),
            "lag": np.arange(1, n_lags + 1),
            "statistic": STATISTIC,
        },
        attrs=_attrs("lagged regression", n_bootstrap, confidence, seed)
        | {"penalty": penalty, "history": history},
    )


def lagged_fit(
    cohort: xr.Dataset,
    *,
    n_lags: int = 5,
    history: History = "session",
    penalty: Penalty = "firth",
) -> Iterator[tuple[str, LogisticFit]]:
    """Fit the lagged regression of each subject.

    Parameters
    ----------
    cohort, n_lags, history, penalty
        See :func:`lagged_regression`.

    Yields
    ------
    name, fit
        Columns of the fit: bias, then the weights by term and lag.

    Raises
    ------
    InputError
        See :func:`lagged_regression`.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> name, fit = next(lagged_fit(load_dataset("synthetic-rats")))
    >>> name, fit.weights.shape
    ('synthetic-1', (21,))
    """
    for name, rows in _each_subject(cohort):
        if rows.choice.max(initial=0) > 1:
            raise InputError(f"subject {name!r}: choice {rows.choice.max()}, expected 0 and 1")
        design = _lagged_design(rows, n_lags, within=history == "session")
        response = ~rows.forced if history == "session" else np.ones(len(rows.choice), bool)
        _need_responses(name, response)
        cluster = clusters_of(rows.session[response])
        yield (
            name,
            fit_logistic(design[response], rows.choice[response], penalty=penalty, cluster=cluster),
        )


@dataclass(frozen=True)
class _Rows:
    """The valid trials of one subject in order; ``kind`` numbers the terms."""

    choice: np.ndarray
    kind: np.ndarray
    correct: np.ndarray
    forced: np.ndarray
    session: np.ndarray
    position: np.ndarray


def _each_subject(cohort: xr.Dataset) -> list[tuple[str, _Rows]]:
    for name in ("common", "reward", "choice", "valid"):
        if name not in cohort:
            raise InputError(
                f"the cohort has no {name!r}; a two-step measure needs choice, common and reward"
            )
    return [(name, _rows(select_subjects(cohort, name))) for name in subjects_of(cohort)]


def _rows(cohort: xr.Dataset) -> _Rows:
    def flat(name: str, default: int = 0) -> np.ndarray:
        if name not in cohort:
            return np.full(int(valid.sum()), default)
        return cohort[name].transpose("session", "trial").values[valid]

    valid = cohort["valid"].transpose("session", "trial").values == 1
    session, position = np.nonzero(valid)
    rare = flat("common") == 0
    omitted = flat("reward") <= 0
    return _Rows(
        choice=flat("choice").astype(int),
        kind=rare.astype(int) + 2 * omitted,
        correct=flat("correct", -1).astype(int),
        forced=flat("forced") == 1,
        session=session,
        position=position,
    )


def _previous(rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's previous row, and whether the row is a response that has one."""
    before = np.arange(len(rows.choice)) - 1
    has_one = np.zeros(len(before), bool)
    has_one[1:] = rows.session[1:] == rows.session[:-1]
    return before, has_one & ~rows.forced


def _lagged_design(rows: _Rows, n_lags: int, *, within: bool) -> np.ndarray:
    side = 2.0 * rows.choice - 1
    sided = np.where(rows.kind[:, None] == np.arange(4), side[:, None], 0.0)
    design = np.zeros((len(side), 4, n_lags))
    for lag in range(1, n_lags + 1):
        shifted = sided[:-lag]
        if within:
            shifted = shifted * (rows.session[lag:] == rows.session[:-lag])[:, None]
        design[lag:, :, lag - 1] = shifted
    return np.concatenate([np.ones((len(side), 1)), design.reshape(len(side), -1)], axis=1)


def _combinations(n_lags: int) -> np.ndarray:
    """Stack what is reported as combinations of the regression's columns."""
    signs = np.repeat(np.array(list(INDICES.values()), float), n_lags, axis=1)
    indices = np.concatenate([np.zeros((4, 1)), signs], axis=1)
    return np.concatenate([np.eye(1 + 4 * n_lags), indices])


def _intervals(
    fit: LogisticFit, combine: np.ndarray, n_bootstrap: int, confidence: float, seed: int
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    times = multiplicities(len(fit.cluster_scores), n_bootstrap, rng)
    value = combine @ fit.weights
    error = np.sqrt(np.einsum("ij,jk,ik->i", combine, fit.covariance, combine))
    draws = fit.resampled(times) @ combine.T
    low, high = interval(value, draws, error, confidence=confidence)
    return np.stack([value, low, high], axis=-1)


def _need_responses(name: str, response: np.ndarray) -> None:
    if not response.any():
        raise InputError(
            f"subject {name!r} has no response (a valid, free trial after another trial of its "
            "session); remove the subject or check 'valid' and 'forced'"
        )


def _warn(name: str, fit: LogisticFit, penalty: Penalty) -> None:
    if fit.problem:
        remedy = "no penalty mends that: take more trials, fewer lags, or leave the subject out"
        if penalty == "none" and fit.problem == SEPARATION:
            remedy = "use penalty='firth'"
        warnings.warn(f"subject {name!r}: {fit.problem}; {remedy}", stacklevel=3)


def _attrs(method: str, n_bootstrap: int, confidence: float, seed: int) -> dict[str, object]:
    return {
        "method": method,
        "interval": "session bootstrap",
        "n_bootstrap": n_bootstrap,
        "confidence": confidence,
        "seed": seed,
    }
