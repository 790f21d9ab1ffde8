"""What past rewards and past choices weigh, jointly, in the choice between two arms.

Rewards and choices of the same trials are correlated. Fitted in two regressions, each takes what
is the other's; so they are fitted in one.

References
----------
Lau & Glimcher 2005, doi:10.1901/jeab.2005.110-04; Tsutsui et al. 2016, doi:10.1038/ncomms12554.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr

from neuro_metarl.behavior.rows import Rows, conventions, read_rows
from neuro_metarl.errors import InputError
from neuro_metarl.intervals import OVER_SESSIONS, session_interval
from neuro_metarl.regression import LogisticFit

__all__ = ["history_regression"]

STATISTIC = ["value", "low", "high"]
TERMS = ["reward", "choice"]
MOST_STEPS = 100


def history_regression(
    cohort: xr.Dataset,
    *,
    n_lags: int = 15,
    ridge: float = 1.0,
    skip: float = 1 / 3,
    rewarded: float = 0.0,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Regress each choice on the rewards and the choices of the trials before, jointly.

    Parameters
    ----------
    cohort
        Cohort of two arms.
    n_lags
        Trials back.
    ridge
        Penalty, ``ridge / 2`` times the sum of squared weights (not of the intercept), once for a
        subject: finite weights where a subject's choices are predicted without error.
    skip
        Share of each session that is left out at its beginning, where there is nothing to go by
        yet. Its trials are history still.
    rewarded
        A trial counts as rewarded if its reward is above this.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        ``history_weight`` (subject, term, lag, statistic), log odds of choosing arm 1. Term
        ``reward`` is +1 for a reward from arm 1, -1 for one from arm 0, 0 for none; ``choice`` is
        +1 for arm 1, -1 for arm 0. ``n`` (subject), responses.

    Raises
    ------
    InputError
        More arms than two; or no session of a subject is long enough for ``n_lags`` trials of
        history and a response.

    Notes
    -----
    A response counts if it lies behind the skipped share of its session's valid trials and has
    ``n_lags`` trials before it in that session. Imposed choices are history and no responses.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> player = make_player("rescorla-wagner", learning_rate=1.0, inverse_temperature=2.0)
    >>> cohort = record(player, "bandit-foraging", 100, seed=1)
    >>> weight = history_regression(cohort, n_lags=2).history_weight.sel(statistic="value")
    >>> weight.sel(term="reward").values.round(1)
    array([[2. , 0.3]])
    """
    if n_lags < 1 or n_lags != int(n_lags):
        raise InputError(f"n_lags is {n_lags}, expected a whole number from 1")
    if not (np.isfinite(ridge) and ridge > 0):
        raise InputError(f"ridge is {ridge}, expected a number above 0")
    if not 0 <= skip < 1:
        raise InputError(f"skip is {skip}, expected a share from 0, below 1")
    how = conventions(rewarded=rewarded, across_problems=True, adjacent=False)
    tables, counts = [], []
    subjects = read_rows(cohort, "history_regression", across_problems=True)
    for rows in subjects.values():
        design, outcome, session = _design(rows, n_lags, skip, rewarded)
        fit = _fit(design, outcome, ridge, session)
        error = np.sqrt(np.diag(fit.covariance))
        table = session_interval(fit.weights, fit.left_out(), error, confidence)[1:]
        tables.append(table.reshape(len(TERMS), n_lags, 3))
        counts.append(fit.n)
    return xr.Dataset(
        {
            "history_weight": (("subject", "term", "lag", "statistic"), np.array(tables)),
            "n": ("subject", counts),
        },
        coords={
            "subject": list(subjects), "term": TERMS, "lag": np.arange(1, n_lags + 1),
            "statistic": STATISTIC,
        },
        attrs={
            "interval": OVER_SESSIONS, "confidence": confidence, "ridge": ridge, "skip": skip,
            "rewarded": how["rewarded"],
        },
    )  # fmt: skip


def _design(
    rows: Rows, n_lags: int, skip: float, rewarded: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if len(rows.choice) and rows.choice.max() > 1:
        raise InputError(
            f"subject {rows.subject!r} has choice {rows.choice.max()}; history_regression takes "
            "two arms, 0 and 1"
        )
    length = np.bincount(rows.session, minlength=rows.shape[0])
    start = np.concatenate([[0], length.cumsum()])
    place = np.arange(len(rows.choice)) - start[rows.session]
    late = place >= np.maximum(n_lags, skip * length[rows.session])
    now = np.flatnonzero(late & ~rows.forced)
    if not len(now):
        raise InputError(
            f"subject {rows.subject!r}: the longest session has {length.max(initial=0)} valid "
            f"trials, too few for {n_lags} lags after its first {skip:.0%}; take fewer lags "
            "(n_lags)"
        )
    side = 2.0 * rows.choice - 1
    paid = side * rows.won(rewarded)
    back = now[:, None] - np.arange(1, n_lags + 1)
    design = np.hstack([np.ones((len(now), 1)), paid[back], side[back]])
    return design, rows.choice[now].astype(float), rows.session[now]


def _fit(design: np.ndarray, outcome: np.ndarray, ridge: float, session: np.ndarray) -> LogisticFit:
    """Take Newton steps, halved until they do not lose, to the maximum of the penalised fit."""
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 1e-6 * ridge
    weights = np.zeros(design.shape[1])

    def value(w: np.ndarray) -> float:
        logits = design @ w
        return float(outcome @ logits - np.logaddexp(0, logits).sum() - penalty @ w**2 / 2)

    for _ in range(MOST_STEPS):
        p = 0.5 * (1 + np.tanh(0.5 * (design @ weights)))
        spread = p * (1 - p)
        information = (design * spread[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(information, design.T @ (outcome - p) - penalty * weights)
        if np.abs(step).max() < 1e-10 * max(1.0, np.abs(weights).max()):
            break
        while value(weights + step) < value(weights) and np.abs(step).max() > 1e-12:
            step /= 2
        weights = weights + step
    _, cluster = np.unique(session, return_inverse=True)
    n_clusters = int(cluster.max()) + 1
    scores = np.zeros((n_clusters, len(weights)))
    np.add.at(scores, cluster, design * (outcome - p)[:, None])
    scores -= scores.mean(axis=0)
    border = np.searchsorted(cluster, np.arange(n_clusters + 1))
    informations = np.array([
        (design[a:b] * spread[a:b, None]).T @ design[a:b] + np.diag(penalty) / n_clusters
        for a, b in pairwise(border)
    ])  # fmt: skip
    logits = design @ weights
    n_rarer = int(min(outcome.sum(), len(outcome) - outcome.sum()))
    return LogisticFit(
        weights, np.linalg.inv(information),
        float(outcome @ logits - np.logaddexp(0, logits).sum()), "", scores, informations,
        len(outcome), n_rarer,
    )  # fmt: skip
