"""How strongly units go with variables on average, beside what sessions have in common.

References
----------
Wang et al. 2018, doi:10.1038/s41593-018-0147-8, figure 2b; Tsutsui et al. 2016,
doi:10.1038/ncomms12554.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.regressors import task_regressors

__all__ = ["coding_strength"]

WANG = ("previous_choice", "previous_reward", "previous_choice_x_previous_reward", "value")


def coding_strength(
    cohort: xr.Dataset,
    regressors: Sequence[str | xr.DataArray] = WANG,
    *,
    lags: Sequence[int] = (0,),
    event: str | None = None,
    n_permutations: int = 20,
    seed: int = 0,
) -> xr.Dataset:
    """Average over units how strongly each goes with a variable, and the same by chance.

    Parameters
    ----------
    cohort
        Cohort with ``activity``, dims session, trial, event, unit.
    regressors
        See :func:`neuro_metarl.neural.regressors.task_regressors`. The default is that of Wang et
        al. 2018, figure 2b: last action, last reward, their product, and value.
    lags
        Trials further back: with ``(0, 1)``, ``previous_choice`` is the last and the last but one.
    event
        Which; default the first.
    n_permutations
        Of the null.
    seed
        Of the null.

    Returns
    -------
    xarray.Dataset
        Dims subject, regressor, lag: ``strength``, the mean over units of the absolute correlation;
        ``null``, its mean where each session's activity is put beside another session's variables,
        and ``null_high``, the null's highest; ``n`` trials; ``n_units``, those that vary.

    Raises
    ------
    InputError
        No activity, an unknown name or event, or a subject with fewer than 4 sessions.

    Notes
    -----
    Inputs and readouts make some bars high in any network: the last action and the last reward are
    inputs, and a network's own value is a weighted sum of its units. Compare with networks that
    learned nothing. The null keeps what all sessions have in common, such as a value that falls
    towards the end; it can be far from 0.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> cohort = record("two-step/0", n_sessions=10, seed=1)
    >>> found = coding_strength(cohort, ["previous_reward", "state"], event="fixation")
    >>> found.strength.values.round(1).tolist(), found.null.values.round(1).tolist()
    ([[[0.3], [0.2]]], [[[0.0], [0.0]]])
    """
    if not isinstance(cohort, xr.Dataset) or "activity" not in cohort:
        raise InputError("coding_strength takes a cohort with activity")
    events = [str(e) for e in cohort["event"].values]
    chosen = events[0] if event is None else event
    if chosen not in events:
        raise InputError(f"no event {chosen!r}; {did_you_mean(str(chosen), events)}")
    if n_permutations < 1:
        raise InputError(f"n_permutations is {n_permutations}, expected 1 or more")
    designs = [_at(task_regressors(cohort, regressors, lag=lag), chosen) for lag in lags]
    design = np.stack([d.values for d in designs], axis=1)
    activity = cohort["activity"].sel(event=chosen).transpose("session", "trial", "unit").values
    valid = cohort["valid"].transpose("session", "trial").values == 1
    activity = np.where(valid[..., None], activity, np.nan)
    names, rng = subjects_of(cohort), np.random.default_rng(seed)
    owner, parts = cohort["subject"].values, []
    for name in names:
        mine = np.flatnonzero(owner == name)
        if len(mine) < 4:
            raise InputError(
                f"subject {name!r} has {len(mine)} sessions; a null of permuted sessions needs 4"
            )
        parts.append(_of_subject(design[:, :, mine], activity[mine], n_permutations, rng))
    labels = [str(r) for r in designs[0]["regressor"].values]
    tables = {key: np.array([part[key] for part in parts]) for key in parts[0]}
    n_units = tables.pop("n_units")
    return xr.Dataset(
        {key: (("subject", "regressor", "lag"), table) for key, table in tables.items()}
        | {"n_units": ("subject", n_units)},
        coords={"subject": names, "regressor": labels, "lag": list(lags)},
        attrs={"event": chosen, "n_permutations": n_permutations, "seed": seed},
    )


def _at(design: xr.DataArray, event: str) -> xr.DataArray:
    if "event" in design.dims:
        design = design.sel(event=event, drop=True)
    return design.transpose("regressor", "session", "trial")


def _of_subject(
    design: np.ndarray, activity: np.ndarray, n_permutations: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Correlate; dims of the design (regressor, lag, session, trial)."""
    varies = np.nanstd(activity, axis=(0, 1)) > 1e-9
    activity = activity[..., varies]
    shape, n_sessions = design.shape[:2], len(activity)
    null = np.empty((n_permutations, *shape))
    strength, n = np.empty(shape), np.empty(shape, int)
    orders = [_moved(n_sessions, rng) for _ in range(n_permutations)]
    for at in np.ndindex(shape):
        strength[at], n[at] = _mean_correlation(design[at], activity)
        for k, order in enumerate(orders):
            null[(k, *at)] = _mean_correlation(design[at][order], activity)[0]
    return {"strength": strength, "null": null.mean(axis=0), "null_high": null.max(axis=0),
            "n": n, "n_units": np.array(varies.sum())}  # fmt: skip


def _moved(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw an order in which no session keeps its place."""
    order = rng.permutation(n)
    moved = np.empty(n, int)
    moved[order] = np.roll(order, 1)
    return moved


def _mean_correlation(variable: np.ndarray, activity: np.ndarray) -> tuple[float, int]:
    there = np.isfinite(variable) & np.isfinite(activity).all(axis=-1)
    x, y = variable[there], activity[there].astype(float)
    x, y = x - x.mean(), y - y.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (x @ y) / np.sqrt((x @ x) * (y**2).sum(axis=0))
    return float(np.mean(np.abs(r))), int(there.sum())
