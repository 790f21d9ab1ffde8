"""Three signatures of a subject on one-shot navigation, with their joint measurement covariance.

References
----------
Wang et al. 2016, arXiv:1611.05763, experiment 7.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl.behavior.navigation import check_searches
from neuro_metarl.behavior.profiles import summarize_responses
from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError

__all__ = ["NAVIGATION_PROFILE", "navigation_profile"]

NAVIGATION_PROFILE = ("first_search", "later_searches", "complete")
FEWEST_EPISODES = 12


def navigation_profile(cohort: xr.Dataset, *, n_goals: int = 6) -> xr.Dataset:
    """Measure how long searches take, and how many episodes hold enough of them.

    Parameters
    ----------
    cohort
        Of the navigation task, see :func:`neuro_metarl.behavior.navigation.goal_latency`.
    n_goals
        Searches of an episode; only episodes that ended as many are timed.

    Returns
    -------
    xarray.Dataset
        As :func:`neuro_metarl.behavior.profiles.profile` gives. Measures: first_search and
        later_searches (natural logarithm of their mean number of steps) and complete (log odds of
        an episode with ``n_goals`` searches ended).

    Raises
    ------
    InputError
        A cohort of another task, or a subject with fewer than 12 such episodes.

    Notes
    -----
    The covariance is that of a jackknife over episodes; log odds are of ``(k + 1/2) / (n + 1)``, so
    that they are finite.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> steps = np.array([[0, 20, 27], [0, 18, 25]] * 8)
    >>> cohort = make_cohort(
    ...     {"choice": np.zeros((16, 2)), "reward": np.ones((16, 2)), "problem": np.zeros((16, 2)),
    ...      "t_start": steps[:, :2], "t_goal": steps[:, 1:]},
    ...     subject=["a"] * 16, task="navigation", source="model")
    >>> navigation_profile(cohort, n_goals=2).profile.values.round(3).tolist()
    [[2.944, 1.946, 3.497]]
    """
    check_searches(cohort, n_goals)
    names = subjects_of(cohort)
    each = [_of_subject(select_subjects(cohort, name), name, n_goals) for name in names]
    rest = [summarize_responses(select_subjects(cohort, name)) for name in names]
    return xr.Dataset(
        {
            "profile": (("subject", "measure"), np.array([v for v, _ in each])),
            "covariance": (("subject", "measure", "measure_2"), np.array([c for _, c in each])),
            "bias": ("subject", np.zeros(len(names))),
            **{key: ("subject", [r[key] for r in rest]) for key in rest[0]},
        },
        coords={
            "subject": names,
            "measure": list(NAVIGATION_PROFILE),
            "measure_2": list(NAVIGATION_PROFILE),
        },
        attrs={
            "method": "mean latencies of the same episodes; errors by jackknife over episodes",
            "paradigm": "navigation",
        },
    )


def _of_subject(cohort: xr.Dataset, name: str, n_goals: int) -> tuple[np.ndarray, np.ndarray]:
    order = ("session", "trial")
    took = (cohort["t_goal"] - cohort["t_start"]).transpose(*order).values[:, :n_goals]
    complete = (cohort["valid"].transpose(*order).values[:, :n_goals] == 1).all(axis=1)
    if complete.sum() < FEWEST_EPISODES:
        raise InputError(
            f"subject {name!r} ended {n_goals} searches in {int(complete.sum())} episodes, fewer "
            f"than {FEWEST_EPISODES}; record more, or leave the subject out"
        )
    n = len(complete)
    first = np.where(complete, took[:, 0], 0.0)
    later = np.where(complete, took[:, 1:].mean(axis=1), 0.0)
    sums = np.array([first.sum(), later.sum(), complete.sum()])
    without = sums - np.stack([first, later, complete], axis=1)
    value = _signatures(sums[None], n)[0]
    left_out = _signatures(without, n - 1)
    away = left_out - left_out.mean(axis=0)
    return value, (n - 1) / n * away.T @ away


def _signatures(sums: np.ndarray, n: int) -> np.ndarray:
    first, later, complete = sums.T
    odds = (complete + 0.5) / (n - complete + 0.5)
    return np.stack([np.log(first / complete), np.log(later / complete), np.log(odds)], axis=1)
