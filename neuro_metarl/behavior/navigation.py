"""One-shot navigation: how long each search for the goal takes, and which goals are found at all.

Episodes end after a fixed number of steps, so that late goals are met only in episodes in which
searches were short. A mean over all searches that ended therefore falls with their number even for
a subject that remembers nothing. Here latencies are means over *the same* episodes: those in which
the goal was met a given number of times. In these, a subject without memory is flat. Their share is
reported beside the latencies, and by goal: a subject that only ever searches one half of the maze
looks fast, but misses half of the goals.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl.behavior.rows import check_cohort
from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.intervals import (
    OVER_SESSIONS,
    mean_intervals,
    proportion_intervals,
    session_interval,
)

__all__ = ["check_searches", "goal_latency"]

STATISTIC = ["value", "low", "high"]
ARMS = ["upper_left", "upper_right", "lower_left", "lower_right"]
ENOUGH, HALF = 0.9, 0.5


def goal_latency(
    cohort: xr.Dataset,
    *,
    n_goals: int = 6,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Measure the latency of the first and of later searches in the same episodes.

    Parameters
    ----------
    cohort
        Of the navigation task: dims session, trial, with ``t_start``, ``t_goal`` and ``problem``
        (the goal). A trial is a search; one that the end of the episode cuts off is invalid.
    n_goals
        Searches that are measured; only episodes that ended as many are.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        ``latency`` (subject, goal, statistic: value, low, high): mean of ``t_goal - t_start``,
        steps, goal counted from 1; ``ratio`` (subject, statistic): later ones over the first;
        ``complete`` (subject, statistic): share of episodes with ``n_goals`` searches ended;
        ``complete_by_arm`` and ``found_by_arm`` (subject, arm): that share, and the share with at
        least one, among the episodes with this goal; ``first_arm`` (subject, goal): share of
        searches whose first arm was the goal; ``one_shot`` (subject): 1 where complete is at least
        .9 and ratio at most .5; ``n`` and ``n_complete`` (subject) episodes. NaN where there is
        nothing to average.

    Raises
    ------
    InputError
        A cohort of another task, fewer searches in it than asked for, or a search that ended
        without a time: the message names the place.

    References
    ----------
    Wang et al. 2016, arXiv:1611.05763, experiment 7.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort(
    ...     {"choice": [[2, 0, 0]], "reward": [[1, 1, 1]], "problem": [[0, 0, 0]],
    ...      "t_start": [[0, 20, 27]], "t_goal": [[20, 27, 34]]},
    ...     subject=["a"], task="navigation", source="model")
    >>> found = goal_latency(cohort, n_goals=3)
    >>> found.latency.sel(subject="a", statistic="value").values.tolist()
    [20.0, 7.0, 7.0]
    >>> float(found.ratio.sel(statistic="value").item())
    0.35
    """
    check_searches(cohort, n_goals)
    subjects = subjects_of(cohort)
    parts = [_of_subject(select_subjects(cohort, name), n_goals, confidence) for name in subjects]
    result = xr.concat(parts, "subject").assign_coords(
        subject=subjects, goal=np.arange(1, n_goals + 1), arm=ARMS, statistic=STATISTIC
    )
    value = result.sel(statistic="value")
    remembers = (value["complete"] >= ENOUGH) & (value["ratio"] <= HALF)
    result["one_shot"] = remembers.astype("int8").drop_vars("statistic")
    result.attrs = {
        "interval": OVER_SESSIONS,
        "confidence": confidence,
        "unit": "steps",
    }
    return result


def check_searches(cohort: xr.Dataset, n_goals: int) -> None:
    """Refuse a cohort in which searches cannot be timed.

    Parameters
    ----------
    cohort, n_goals
        See :func:`goal_latency`.

    Raises
    ------
    InputError
        See :func:`goal_latency`.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> check_searches(load_dataset("synthetic-rats"), 2)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: goal_latency needs the variable 't_start' of a navigation...
    """
    check_cohort(cohort, "goal_latency")
    for name in ("t_start", "t_goal", "problem"):
        if name not in cohort:
            raise InputError(
                f"goal_latency needs the variable {name!r} of a navigation task, which the cohort "
                f"of {cohort.attrs.get('task')!r} lacks"
            )
    n_trials = cohort.sizes["trial"]
    if not 2 <= n_goals <= n_trials:
        raise InputError(
            f"n_goals is {n_goals}, expected 2 to {n_trials}, the searches that the cohort holds"
        )
    took = (cohort["t_goal"] - cohort["t_start"]).transpose("session", "trial").values
    timeless = (cohort["valid"].transpose("session", "trial").values == 1) & ~np.isfinite(took)
    if timeless.any():
        session, trial = (int(i) for i in np.argwhere(timeless)[0])
        raise InputError(
            f"t_goal - t_start is {took[session, trial]} at subject "
            f"{str(cohort['subject'].values[session])!r}, session {session}, trial {trial} (both "
            "counted from 0), which is valid; give both times, or set valid to 0"
        )


def _of_subject(cohort: xr.Dataset, n_goals: int, confidence: float) -> xr.Dataset:
    order = ("session", "trial")
    valid = cohort["valid"].transpose(*order).values == 1
    goal = cohort["problem"].transpose(*order).values.max(axis=1)
    took = (cohort["t_goal"] - cohort["t_start"]).transpose(*order).values[:, :n_goals]
    complete = valid[:, :n_goals].all(axis=1)
    latency, ratio = _latencies(took[complete], confidence)
    ended = complete[:, None].astype(float)
    share = proportion_intervals(ended, np.ones_like(ended), confidence)[0]
    by_arm, found = (
        [_mean(what[goal == arm]) for arm in range(len(ARMS))] for what in (complete, valid[:, 0])
    )
    right = cohort["choice"].transpose(*order).values[:, :n_goals] == goal[:, None]
    return xr.Dataset(
        {
            "latency": (("goal", "statistic"), latency),
            "ratio": ("statistic", ratio),
            "complete": ("statistic", share),
            "complete_by_arm": ("arm", by_arm),
            "found_by_arm": ("arm", found),
            "first_arm": ("goal", [_mean(column) for column in right[complete].T]),
            "n": ((), len(complete)),
            "n_complete": ((), int(complete.sum())),
        }
    )


def _latencies(took: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each search and the ratio of later to first, with intervals."""
    n, n_goals = took.shape
    if n == 0:
        return np.full((n_goals, 3), np.nan), np.full(3, np.nan)
    total = took.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio, others = (
            each[..., 1:].mean(axis=-1, keepdims=True) / each[..., :1]
            for each in (total, total - took)
        )
    found = session_interval(ratio, others, np.zeros(1), confidence)[0]
    return mean_intervals(took, confidence, (0, np.inf)), found.clip(0)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
