"""Two-step behavior: how the last trials' outcomes and transitions move the next choice.

All three measures take a cohort and return a data set with one entry per subject, each number
with the interval of a bootstrap over that subject's sessions (dim ``statistic``: value, low,
high). Three parameters mean the same in each:

``rewarded``
    A trial counts as rewarded if its reward is above this number. With graded rewards say which
    levels count, or use :func:`neuro_metarl.behavior.reward_levels.stay_by_reward`.
``across_problems``
    Where a cohort has ``problem``, history stops where its number changes within a session; with
    ``across_problems=True`` it runs on.
``adjacent``
    An invalid trial does not exist: history skips it. With ``adjacent=True`` history stops at it,
    so that only neighboring trials follow one another.

A response is a valid trial on which the choice was free; a forced trial is history, never a
response; history stops where the session begins. Each result says in its attributes which
conventions it followed.

References
----------
Daw et al. 2011, doi:10.1016/j.neuron.2011.02.027; Akam et al. 2015,
doi:10.1371/journal.pcbi.1004648; Miller et al. 2017, doi:10.1038/nn.4613.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import xarray as xr

from neuro_metarl.behavior.lagged import (
    check_lags,
    check_two_choices,
    lagged_design,
    warn_of,
    weight_intervals,
)
from neuro_metarl.behavior.rows import Rows, conventions, read_rows
from neuro_metarl.errors import InputError
from neuro_metarl.intervals import OVER_SESSIONS, proportion_intervals
from neuro_metarl.regression import LogisticFit, Penalty, fit_logistic
from neuro_metarl.stats import clusters_of

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
    rewarded: float = 0.0,
    across_problems: bool = False,
    adjacent: bool = False,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Measure how often a choice is repeated, by what the trial before brought.

    Parameters
    ----------
    cohort
        Two-step cohort, dims session, trial.
    trial
        Take responses only at this position of the session (from 0): ``trial=1`` asks about the
        second trial alone. Default: all.
    rewarded, across_problems, adjacent
        See the module: what counts as rewarded, and where history stops.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

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
    how = conventions(rewarded=rewarded, across_problems=across_problems, adjacent=adjacent)
    if trial is not None and not isinstance(trial, int | np.integer):
        raise InputError(
            f"trial is {trial!r}, expected a position in the session (from 0), or None"
        )
    subjects, results, counts = [], [], []
    for name, rows in _read(cohort, "stay_probability", across_problems, adjacent).items():
        now, last = rows.pairs()
        if trial is not None:
            now, last = now[rows.position[now] == trial], last[rows.position[now] == trial]
        _need_responses(name, len(now))
        kind = _kind(rows, rewarded)[last]
        stayed = rows.choice[now] == rows.choice[last]
        n_sessions = rows.shape[0]
        cells = rows.session[now] * 4 + kind
        n = np.bincount(cells, minlength=4 * n_sessions).reshape(n_sessions, 4)
        k = np.bincount(cells, weights=stayed, minlength=4 * n_sessions).reshape(n_sessions, 4)
        subjects.append(name)
        results.append(proportion_intervals(k, n, confidence))
        counts.append(n.sum(axis=0))
    return xr.Dataset(
        {
            "stay_probability": (("subject", "term", "statistic"), np.array(results)),
            "n": (("subject", "term"), np.array(counts)),
        },
        coords={"subject": subjects, "term": list(TERMS), "statistic": STATISTIC},
        attrs=_attrs("stay probability", confidence)
        | how
        | {"trial": "all" if trial is None else trial},
    )


def one_back_regression(
    cohort: xr.Dataset,
    *,
    correct: bool = False,
    penalty: Penalty = "firth",
    rewarded: float = 0.0,
    across_problems: bool = False,
    adjacent: bool = False,
    confidence: float = 0.95,
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
    rewarded, across_problems, adjacent
        See the module: what counts as rewarded, and where history stops.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        ``one_back`` (subject, term, statistic), log odds; ``n`` (subject); ``problem`` (subject),
        text: why there is no estimate, or why its interval is the model's own; else empty.

    Raises
    ------
    InputError
        Not a two-step cohort, no ``correct`` where it is asked for, or a subject without
        responses.

    Notes
    -----
    ``logit P(stay) = stay + reward x + common y + reward_x_common 2 x y + correct z`` with
    ``x, y, z = +1/2`` or ``-1/2``: rewarded, common, correct; ``z = 0`` where
    correct is undefined.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> fit = one_back_regression(load_dataset("synthetic-rats"), correct=True)
    >>> fit.term.values.tolist()
    ['stay', 'reward', 'common', 'reward_x_common', 'correct']
    """
    if correct and "correct" not in cohort:
        raise InputError("correct=True needs the variable 'correct', which the cohort lacks")
    terms = ["stay", "reward", "common", "reward_x_common"] + ["correct"] * correct
    how = conventions(rewarded=rewarded, across_problems=across_problems, adjacent=adjacent)
    subjects, results, counts, problems = [], [], [], []
    for name, rows in _read(cohort, "one_back_regression", across_problems, adjacent).items():
        now, last = rows.pairs()
        _need_responses(name, len(now))
        reward = np.where(rows.won(rewarded)[last], 0.5, -0.5)
        common = np.where(rows.common[last] == 1, 0.5, -0.5)
        columns = [np.ones(len(last)), reward, common, 2 * reward * common]
        if correct:
            columns.append(np.array([-0.5, 0.5, 0.0])[rows.correct[last]])
        stayed = rows.choice[now] == rows.choice[last]
        cluster = np.unique(rows.session[now], return_inverse=True)[1]
        fit = fit_logistic(np.stack(columns, 1), stayed, penalty=penalty, cluster=cluster)
        warn_of(name, fit, penalty)
        table, problem = weight_intervals(fit, np.eye(len(terms)), confidence)
        results.append(table)
        problems.append(problem)
        subjects.append(name)
        counts.append(len(last))
    return xr.Dataset(
        {
            "one_back": (("subject", "term", "statistic"), np.array(results)),
            "n": ("subject", counts),
            "problem": ("subject", problems),
        },
        coords={"subject": subjects, "term": terms, "statistic": STATISTIC},
        attrs=_attrs("one-back regression", confidence) | how | {"penalty": penalty},
    )


def lagged_regression(
    cohort: xr.Dataset,
    *,
    n_lags: int = 5,
    history: History = "session",
    penalty: Penalty = "firth",
    rewarded: float = 0.0,
    across_problems: bool = False,
    adjacent: bool = False,
    confidence: float = 0.95,
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
        lags run on from one session, or problem, of a subject into the next.
    penalty
        ``"firth"``: finite and nearly unbiased for short subjects. ``"none"``: plain maximum
        likelihood; NaN with a warning where it does not exist.
    rewarded, across_problems, adjacent
        See the module: what counts as rewarded, and where history stops.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        ``lagged_weight`` (subject, term, lag, statistic) and ``bias`` (subject, statistic), log
        odds; ``planning_index``, ``model_free_index``, ``stay_index``, ``common_stay_index``
        (subject, statistic); ``n`` and ``log_likelihood`` (subject); ``problem`` (subject), text:
        why there is no estimate, or why its interval is the model's own; else empty.

    Raises
    ------
    InputError
        Not a two-step cohort, choices other than 0 and 1, an unknown convention, conventions that
        exclude each other, or a subject without responses.

    Notes
    -----
    ``logit P(choice 1) = bias + sum over lags and terms of weight x``, where ``x`` is +1 if the
    trial that many back was of that kind and chose 1, -1 if it was and chose 0, else 0. With CR,
    RR, CO, RO the weights of the four terms, summed over lags: planning = CR - RR - CO + RO,
    model-free = CR + RR - CO - RO, stay = CR + RR + CO + RO, common-stay = CR - RR + CO - RO.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> fit = lagged_regression(load_dataset("synthetic-rats"))
    >>> fit.lagged_weight.dims
    ('subject', 'term', 'lag', 'statistic')
    """
    how = conventions(rewarded=rewarded, across_problems=across_problems, adjacent=adjacent)
    how["across_problems"] = int(across_problems or history == "published")
    check_lags(n_lags)
    combine = _combinations(n_lags)
    subjects, results, counts, likelihoods, problems = [], [], [], [], []
    for name, fit in lagged_fit(
        cohort, n_lags=n_lags, history=history, penalty=penalty, rewarded=rewarded,
        across_problems=across_problems, adjacent=adjacent,
    ):  # fmt: skip
        warn_of(name, fit, penalty)
        table, problem = weight_intervals(fit, combine, confidence)
        results.append(table)
        problems.append(problem)
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
            "problem": ("subject", problems),
        },
        coords={
            "subject": subjects,
            "term": list(TERMS),
            "lag": np.arange(1, n_lags + 1),
            "statistic": STATISTIC,
        },
        attrs=_attrs("lagged regression", confidence)
        | how
        | {"penalty": penalty, "history": history},
    )


def lagged_fit(
    cohort: xr.Dataset,
    *,
    n_lags: int = 5,
    history: History = "session",
    penalty: Penalty = "firth",
    rewarded: float = 0.0,
    across_problems: bool = False,
    adjacent: bool = False,
    blocks: bool = False,
) -> Iterator[tuple[str, LogisticFit]]:
    """Fit the lagged regression of each subject.

    Parameters
    ----------
    cohort, n_lags, history, penalty, rewarded, across_problems, adjacent
        See :func:`lagged_regression`.
    blocks
        The fit's clusters are sessions; this cuts few sessions into blocks, see
        :func:`neuro_metarl.stats.clusters_of`.

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
    if history not in ("session", "published"):
        raise InputError(f"history is {history!r}, expected 'session' or 'published'")
    check_lags(n_lags)
    published = history == "published"
    if published and adjacent:
        raise InputError(
            "history='published' removes invalid trials, so that lags skip them; use "
            "history='session' with adjacent=True"
        )
    conventions(rewarded=rewarded, across_problems=across_problems, adjacent=adjacent)
    for name, rows in _read(
        cohort, "lagged_regression", across_problems or published, adjacent
    ).items():
        check_two_choices(rows)
        response = np.ones(len(rows.choice), bool) if published else ~rows.forced
        _need_responses(name, int(response.sum()))
        side = 2.0 * rows.choice - 1
        kind = _kind(rows, rewarded)
        sided = np.where(kind[:, None] == np.arange(4), side[:, None], 0.0)
        chain = np.zeros_like(rows.chain) if published else rows.chain
        design = lagged_design(sided, chain, n_lags)
        session = rows.session[response]
        cluster = clusters_of(session) if blocks else np.unique(session, return_inverse=True)[1]
        yield (
            name,
            fit_logistic(design[response], rows.choice[response], penalty=penalty, cluster=cluster),
        )


def _read(cohort: xr.Dataset, verb: str, across_problems: bool, adjacent: bool) -> dict[str, Rows]:
    return read_rows(
        cohort, verb, needs=("common",), across_problems=across_problems, adjacent=adjacent
    )


def _kind(rows: Rows, rewarded: float) -> np.ndarray:
    """Say which term each row is, as a number."""
    return (rows.common == 0).astype(int) + 2 * ~rows.won(rewarded)


def _combinations(n_lags: int) -> np.ndarray:
    """Stack what is reported as combinations of the regression's columns."""
    signs = np.repeat(np.array(list(INDICES.values()), float), n_lags, axis=1)
    indices = np.concatenate([np.zeros((4, 1)), signs], axis=1)
    return np.concatenate([np.eye(1 + 4 * n_lags), indices])


def _need_responses(name: str, n: int) -> None:
    if not n:
        raise InputError(
            f"subject {name!r} has no response (a valid, free trial after another trial of its "
            "session); remove the subject or check 'valid' and 'forced'"
        )


def _attrs(method: str, confidence: float) -> dict[str, object]:
    return {"method": method, "interval": OVER_SESSIONS, "confidence": confidence}
