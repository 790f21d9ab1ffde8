"""Measures by the level of a graded reward: staying, and what earlier trials weigh.

Where rewards come in levels (high, medium, none) a single border between rewarded and not rewarded
mixes two of them. Here each level stands for itself.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl.behavior.lagged import (
    check_lags,
    check_two_choices,
    lagged_design,
    warn_of,
    weight_intervals,
)
from neuro_metarl.behavior.objects import By, refuse_objects, what_is_repeated
from neuro_metarl.behavior.rows import Rows, conventions, read_rows
from neuro_metarl.errors import InputError
from neuro_metarl.intervals import OVER_SESSIONS, proportion_intervals
from neuro_metarl.regression import Penalty, fit_logistic

__all__ = ["lagged_by_reward", "stay_by_reward"]

STATISTIC = ["value", "low", "high"]
MOST_LEVELS = 12


def stay_by_reward(
    cohort: xr.Dataset,
    *,
    by: By | None = None,
    across_problems: bool = False,
    adjacent: bool = False,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Measure how often a choice is repeated, by the reward that the trial before brought.

    Parameters
    ----------
    cohort
        Any cohort of choices and rewards, dims session, trial.
    by
        What is repeated: ``"choice"`` or ``"object"``; default: objects on learning sets.
    across_problems, adjacent
        Where history stops, see :mod:`neuro_metarl.behavior.two_step`.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        ``stay_probability`` (subject, level, statistic: value, low, high), NaN where there was no
        response; ``n`` (subject, level) responses. ``level`` is the reward of the trial before,
        from low to high.

    Raises
    ------
    InputError
        More than 12 different rewards, or a subject without responses.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 0, 0, 1, 0]], "reward": [[1, 0.5, 0, 0.5, 1]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> stay = stay_by_reward(cohort)
    >>> stay.level.values.tolist()
    [0.0, 0.5, 1.0]
    >>> stay.stay_probability.sel(subject="a", statistic="value").values.tolist()
    [0.0, 0.5, 1.0]
    """
    how = conventions(rewarded=0.0, across_problems=across_problems, adjacent=adjacent)
    subjects = read_rows(
        cohort, "stay_by_reward", across_problems=across_problems, adjacent=adjacent
    )
    repeats = what_is_repeated(
        cohort, subjects, "stay_by_reward", by, across_problems=across_problems
    )
    levels = _levels(subjects, "stay_by_reward")
    tables, counts = [], []
    for name, rows in subjects.items():
        now, last = rows.pairs()
        stayed, known = repeats.same(rows, now, last)
        now, last, stayed = now[known], last[known], stayed[known]
        _need_responses(name, len(now))
        shape = (rows.shape[0], len(levels))
        cells = rows.session[now] * len(levels) + np.searchsorted(levels, rows.reward[last])
        n, k = (
            np.bincount(cells, weights=w, minlength=shape[0] * shape[1]).reshape(shape)
            for w in (None, stayed)
        )
        tables.append(proportion_intervals(k, n, confidence))
        counts.append(n.sum(axis=0))
    return xr.Dataset(
        {
            "stay_probability": (("subject", "level", "statistic"), np.array(tables)),
            "n": (("subject", "level"), np.array(counts, int)),
        },
        coords={
            "subject": list(subjects), "level": levels.astype(float), "statistic": STATISTIC,
        },
        attrs=_attrs("stay probability by reward", how, confidence)
        | {"by": repeats.by},
    )  # fmt: skip


def lagged_by_reward(
    cohort: xr.Dataset,
    *,
    n_lags: int = 5,
    by: By | None = None,
    penalty: Penalty = "firth",
    across_problems: bool = False,
    adjacent: bool = False,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Regress the choice on the last trials, each by the reward that it brought.

    Parameters
    ----------
    cohort
        Choices 0 and 1, dims session, trial.
    n_lags
        Trials back.
    by
        ``"choice"`` measures the sides of a learning set; other cohorts need no word.
    penalty
        See :func:`neuro_metarl.behavior.two_step.lagged_regression`.
    across_problems, adjacent
        Where history stops, see :mod:`neuro_metarl.behavior.two_step`.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        ``lagged_weight`` (subject, level, lag, statistic) and ``bias`` (subject, statistic), log
        odds; ``n`` (subject); ``problem`` (subject), text, as ``lagged_regression`` gives.

    Raises
    ------
    InputError
        Choices other than 0 and 1, more than 12 different rewards, a learning set, or a subject
        without responses.

    Notes
    -----
    ``logit P(choice 1) = bias + sum over lags and levels of weight x``, where ``x`` is +1 if the
    trial that many back brought that reward and chose 1, -1 if it did and chose 0, else 0.

    Examples
    --------
    >>> from neuro_metarl import make_player, record
    >>> cohort = record(make_player("rescorla-wagner"), "bandit-independent", 20, seed=1)
    >>> lagged_by_reward(cohort, n_lags=2).lagged_weight.shape
    (1, 2, 2, 3)
    """
    check_lags(n_lags)
    how = conventions(rewarded=0.0, across_problems=across_problems, adjacent=adjacent)
    subjects = read_rows(
        cohort, "lagged_by_reward", across_problems=across_problems, adjacent=adjacent
    )
    refuse_objects(cohort, subjects, "lagged_by_reward", by)
    levels = _levels(subjects, "lagged_by_reward")
    n_columns = 1 + len(levels) * n_lags
    tables, counts, problems = [], [], []
    for name, rows in subjects.items():
        check_two_choices(rows)
        free = ~rows.forced
        _need_responses(name, int(free.sum()))
        side = 2.0 * rows.choice - 1
        kind = np.searchsorted(levels, rows.reward)
        sided = np.where(kind[:, None] == np.arange(len(levels)), side[:, None], 0.0)
        design = lagged_design(sided, rows.chain, n_lags)
        fit = fit_logistic(
            design[free], rows.choice[free], penalty=penalty,
            cluster=np.unique(rows.session[free], return_inverse=True)[1],
        )  # fmt: skip
        warn_of(name, fit, penalty)
        table, problem = weight_intervals(fit, np.eye(n_columns), confidence)
        tables.append(table)
        problems.append(problem)
        counts.append(fit.n)
    values = np.array(tables)
    shape = (len(subjects), len(levels), n_lags, 3)
    return xr.Dataset(
        {
            "lagged_weight": (
                ("subject", "level", "lag", "statistic"), values[:, 1:].reshape(shape),
            ),
            "bias": (("subject", "statistic"), values[:, 0]),
            "n": ("subject", counts),
            "problem": ("subject", problems),
        },
        coords={
            "subject": list(subjects), "level": levels.astype(float),
            "lag": np.arange(1, n_lags + 1), "statistic": STATISTIC,
        },
        attrs=_attrs("lagged regression by reward", how, confidence)
        | {"penalty": penalty},
    )  # fmt: skip


def _levels(subjects: dict[str, Rows], verb: str) -> np.ndarray:
    levels = np.unique(np.concatenate([rows.reward for rows in subjects.values()]))
    if len(levels) > MOST_LEVELS:
        raise InputError(
            f"{verb}: {len(levels)} different rewards from {levels[0]:g} to {levels[-1]:g}, "
            f"expected at most {MOST_LEVELS} levels; cut them first, for example "
            "cohort.assign(reward=10 * (cohort.reward // 10))"
        )
    return levels


def _need_responses(name: str, n: int) -> None:
    if not n:
        raise InputError(
            f"subject {name!r} has no response (a valid, free trial after another trial of its "
            "session); leave the subject out"
        )


def _attrs(method: str, how: dict[str, float], confidence: float) -> dict[str, object]:
    return {
        "method": method,
        "interval": OVER_SESSIONS,
        "confidence": confidence,
        "rewarded": "by level",
        **{key: how[key] for key in ("across_problems", "adjacent")},
    }
