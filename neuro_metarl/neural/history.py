"""What the last trials alone say: designs that any description of activity has to beat.

A belief is a function of past trials, so that whatever remembers them holds it in part. The linear
history of ten trials and leaky counters are such descriptions without any network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean

__all__ = ["history_design", "leaky_counters"]

TRIAL = ("session", "trial")


def history_design(
    cohort: xr.Dataset,
    variables: Sequence[str] | None = None,
    *,
    lags: int = 10,
    products: bool = True,
) -> xr.DataArray:
    """Lay out the last trials as regressors.

    Parameters
    ----------
    cohort
        A cohort.
    variables
        Of each past trial; default ``state``, ``reward`` and ``choice``, as far as there are.
    lags
        Valid trials back.
    products
        With the products of two and three of the variables of the same trial, such as state x
        reward.

    Returns
    -------
    xarray.DataArray
        Dims session, trial, column, called "state_x_reward_3" for three valid trials back. Coded
        from -1 (the variable's lowest value in the cohort) to 1 (its highest). 0 before a session's
        first trial; NaN on trials that are not valid, which lags pass over.

    Raises
    ------
    InputError
        No such variable, one that does not vary, or fewer than one lag.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1, 1]], "reward": [[1, 0, 1]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> history_design(cohort, lags=1).sel(column="reward_x_choice_1").values.tolist()
    [[0.0, -1.0, -1.0]]
    """
    if isinstance(lags, bool) or lags != int(lags) or lags < 1:
        raise InputError(f"lags is {lags!r}, expected a whole number from 1")
    if variables is None:
        variables = [name for name in ("state", "reward", "choice") if name in cohort]
    signs = {name: _signs(cohort, name) for name in variables}
    valid = cohort["valid"].transpose(*TRIAL).values == 1
    columns, names = [], []
    for size in range(1, len(signs) + 1 if products else 2):
        for group in combinations(signs, size):
            value = np.prod([signs[name] for name in group], axis=0)
            for lag in range(1, lags + 1):
                columns.append(_lagged(value, valid, lag))
                names.append(f"{'_x_'.join(group)}_{lag}")
    table = np.where(valid[..., None], np.stack(columns, axis=-1), np.nan)
    coords = {name: cohort[name] for name in ("subject", "session_id")}
    return xr.DataArray(table, {**coords, "column": names}, (*TRIAL, "column"))


def leaky_counters(
    cohort: xr.Dataset,
    variables: Sequence[str] | None = None,
    *,
    keep: Sequence[float] = (0.5, 0.7, 0.8, 0.9, 0.95),
) -> xr.DataArray:
    """Count evidence with a leak: the simplest memory there is.

    Parameters
    ----------
    cohort
        A cohort.
    variables
        Whose product, coded from -1 to 1, is counted; default ``state`` x ``reward`` where there
        are states (which state paid), else ``choice`` x ``reward``.
    keep
        Share of the count that is kept from trial to trial, one for each counter.

    Returns
    -------
    xarray.DataArray
        Dims session, trial, column: the count before each trial; ``column`` is what is kept. 0 at a
        session's first trial; NaN on trials that are not valid, which are not counted.

    Raises
    ------
    InputError
        No such variable, one that does not vary, or a share that is not from 0 to 1.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[1, 1, 0]], "reward": [[1, 1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> leaky_counters(cohort, keep=[0.5]).values[..., 0].tolist()
    [[0.0, 0.5, 0.75]]
    """
    shares = np.asarray(keep, float)
    if shares.ndim != 1 or not len(shares) or (shares < 0).any() or (shares > 1).any():
        raise InputError(f"keep is {keep!r}, expected some shares from 0 to 1")
    if variables is None:
        variables = ["state" if "state" in cohort else "choice", "reward"]
    value = np.prod([_signs(cohort, name) for name in variables], axis=0)
    valid = cohort["valid"].transpose(*TRIAL).values == 1
    count = np.zeros((*valid.shape, len(shares)))
    now = np.zeros((len(valid), len(shares)))
    for trial in range(valid.shape[1]):
        count[:, trial] = now
        told = valid[:, trial, None]
        now = np.where(told, shares * (now + value[:, trial, None]), now)
    coords = {name: cohort[name] for name in ("subject", "session_id")}
    table = np.where(valid[..., None], count, np.nan)
    return xr.DataArray(table, {**coords, "column": shares}, (*TRIAL, "column"))


def _signs(cohort: xr.Dataset, name: str) -> np.ndarray:
    """Code a variable from -1 to 1 over the valid trials; 0 on others."""
    if name not in cohort:
        raise InputError(
            f"the cohort has no {name!r}; {did_you_mean(name, map(str, cohort.data_vars))}"
        )
    valid = cohort["valid"].transpose(*TRIAL).values == 1
    values = cohort[name].transpose(*TRIAL).values.astype(float)
    known = values[valid]
    if not len(known) or known.min() == known.max():
        raise InputError(f"{name} is the same on all valid trials; a history of it says nothing")
    coded = 2 * (values - known.min()) / (known.max() - known.min()) - 1
    return np.where(valid, coded, 0.0)


def _lagged(value: np.ndarray, valid: np.ndarray, lag: int) -> np.ndarray:
    """Give the value that many valid trials back, within the session."""
    made = np.zeros(value.shape)
    if valid.all():
        made[:, lag:] = value[:, :-lag]
        return made
    for row, there in enumerate(valid):
        places = np.flatnonzero(there)
        made[row, places[lag:]] = value[row, places[:-lag]]
    return made
