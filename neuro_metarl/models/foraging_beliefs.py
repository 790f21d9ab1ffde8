"""The exact Bayesian belief about how often arms are baited, along a subject's own trials."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError

__all__ = ["foraging_belief"]

DIMS = ("session", "trial")
SUM_OF_P = 0.5


def foraging_belief(cohort: xr.Dataset, *, n_grid: int = 200) -> xr.Dataset:
    """Infer what the arms are baited with from a subject's choices and rewards.

    Parameters
    ----------
    cohort
        Cohort of two baited arms, whose probabilities add up to .5; rewards of 0 and 1.
    n_grid
        Points of the grid of the posterior.

    Returns
    -------
    xarray.Dataset
        Dims session, trial, before the trial's outcome; NaN where the trial is not valid:
        ``posterior_mean`` and ``posterior_sd`` of arm 0's probability, and ``lead``, how much
        likelier arm 1 is to pay than arm 0 at that moment.

    Raises
    ------
    InputError
        Choices or rewards other than 0 and 1, or no cohort.

    Notes
    -----
    The prior is uniform from 0 to .5. An arm left for ``n`` trials pays with probability
    ``1 - (1 - p)^(n + 1)``; missed trials do not exist. The subject's own policy plays no part.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 0]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit-foraging", source="model")
    >>> belief = foraging_belief(cohort)
    >>> belief.posterior_mean.values.round(3)  # 1/4, then 1/3: a density that rises with p
    array([[0.25 , 0.333]])
    """
    if not isinstance(cohort, xr.Dataset) or not {"choice", "reward", "valid"} <= set(cohort):
        raise InputError("foraging_belief takes a cohort, with choice, reward and valid")
    if n_grid < 2:
        raise InputError(f"n_grid is {n_grid}, expected 2 or more")
    choice, reward, valid = (
        cohort[name].transpose(*DIMS).values for name in ("choice", "reward", "valid")
    )
    there = valid == 1
    for name, values in (("choice", choice), ("reward", reward)):
        wrong = there & ~np.isin(values, (0, 1))
        if wrong.any():
            session, trial = np.argwhere(wrong)[0]
            raise InputError(
                f"{name} is {values[session, trial]:g} at session {session}, trial {trial}; the "
                "belief is about two arms that pay 0 or 1"
            )
    found = _filter(choice.astype(int), reward == 1, there, n_grid)
    about = {
        "posterior_mean": "posterior mean of p of arm 0",
        "posterior_sd": "its posterior standard deviation",
        "lead": "P(arm 1 pays) - P(arm 0 pays)",
    }
    kept = {name: cohort[name] for name in ("subject", "session_id")}
    return xr.Dataset(
        {name: (DIMS, table, {"long_name": about[name]}) for name, table in found.items()},
        coords=kept,
    )


def _filter(
    choice: np.ndarray, won: np.ndarray, there: np.ndarray, n_grid: int
) -> dict[str, np.ndarray]:
    p = SUM_OF_P * (np.arange(n_grid) + 0.5) / n_grid
    misses = np.log1p(-np.stack([p, SUM_OF_P - p]))
    n_sessions, n_trials = choice.shape
    each, left = np.arange(n_sessions), np.zeros((n_sessions, 2))
    log_belief = np.zeros((n_sessions, n_grid))
    tables = {
        name: np.full(choice.shape, np.nan) for name in ("posterior_mean", "posterior_sd", "lead")
    }
    for t in range(n_trials):
        now = there[:, t]
        belief = np.exp(log_belief - log_belief.max(axis=1, keepdims=True))
        belief /= belief.sum(axis=1, keepdims=True)
        mean = belief @ p
        empty = np.exp((left[:, :, None] + 1) * misses)
        lead = ((empty[:, 0] - empty[:, 1]) * belief).sum(axis=1)
        tables["posterior_mean"][now, t] = mean[now]
        tables["posterior_sd"][now, t] = np.sqrt((belief @ p**2 - mean**2).clip(min=0))[now]
        tables["lead"][now, t] = lead[now]
        chosen = np.where(now, choice[:, t], 0)
        miss = empty[each, chosen]
        seen = np.log(np.where(won[:, t, None], 1 - miss, miss))
        log_belief += np.where(now[:, None], seen, 0)
        left += now[:, None]
        left[each[now], chosen[now]] = 0
    return tables
