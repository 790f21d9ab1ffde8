"""Dose and response: the same episodes under a perturbation of growing strength."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence

import xarray as xr

from neuro_metarl.agents.zoo import Agents
from neuro_metarl.errors import InputError
from neuro_metarl.perturb.perturbation import Perturbations
from neuro_metarl.progress import progress_bar
from neuro_metarl.recording.cohorts import record
from neuro_metarl.tasks.base import Task

__all__ = ["dose_response"]

Measure = Callable[[xr.Dataset], xr.Dataset | xr.DataArray]


def dose_response(
    agents: Agents | str | os.PathLike[str],
    task: Task | str | None = None,
    n_sessions: int = 100,
    *,
    perturb: Callable[[float], Perturbations],
    doses: Sequence[float],
    measure: Measure | None = None,
    seed: int = 0,
    activity: bool = False,
    progress: bool = False,
) -> xr.Dataset:
    """Record agents at several doses of a perturbation and measure each recording.

    Parameters
    ----------
    agents, task, n_sessions
        See :func:`neuro_metarl.record`.
    perturb
        Turns a dose into what is done to the agents.
    doses
        Numbers, such as how much is injected or how many units are silenced.
    measure
        Turns a cohort into the response, for example ``neuro_metarl.stay_probability``; default:
        the reward per trial of each subject.
    seed
        Of the recordings. All doses meet the same episodes with the same draws, so that doses
        differ by the perturbation alone.
    activity
        Record activity too, for a measure of it.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        What ``measure`` gave, with the dim ``dose`` in front and the coordinate
        ``perturbation(dose)``. By default ``reward_rate``, dims dose, subject: one value per
        subject, no interval; and ``valid_rate``, the share of trials with a choice.

    Raises
    ------
    InputError
        No doses, doses that are not different finite numbers, or see :func:`neuro_metarl.record`.

    Examples
    --------
    >>> from neuro_metarl.perturb.perturbation import scale
    >>> response = dose_response("two-step/0", n_sessions=50, doses=[1, 0],
    ...                          perturb=lambda dose: scale(dose, where="reward"))
    >>> response.reward_rate.dims, bool(response.reward_rate[0, 0] > response.reward_rate[1, 0])
    (('dose', 'subject'), True)
    """
    _check_doses(doses)
    if not callable(perturb):
        raise InputError("perturb is not a function: give one from a dose to perturbations")
    of = measure or _reward_rate
    results, said = [], []
    with progress_bar("doses", len(doses), shown=progress) as show:
        for k, dose in enumerate(doses):
            cohort = record(
                agents, task, n_sessions, seed=seed, activity=activity, perturb=perturb(dose)
            )
            result = of(cohort)
            results.append(result if isinstance(result, xr.Dataset) else _named(result))
            words = dict.fromkeys(cohort["perturbation"].values.tolist())
            said.append(next(iter(words)) if len(words) == 1 else "differs between subjects")
            show(k + 1, f"dose {dose:g}")
    joined = xr.concat(results, "dose", join="exact", combine_attrs="drop_conflicts")
    return joined.assign_coords(dose=list(map(float, doses)), perturbation=("dose", said))


def _reward_rate(cohort: xr.Dataset) -> xr.Dataset:
    by_subject = cohort[["reward", "valid"]].groupby("subject").mean(...)
    rates = by_subject.rename(reward="reward_rate", valid="valid_rate")
    rates.attrs = {
        "n": rates.sizes["subject"],
        "n_sessions": cohort.sizes["session"] // rates.sizes["subject"],
        "interval_method": "none: one value per subject",
    }
    return rates


def _named(result: xr.DataArray) -> xr.Dataset:
    return result.to_dataset(name=result.name or "response")


def _check_doses(doses: Sequence[float]) -> None:
    if isinstance(doses, str) or not len(doses):
        raise InputError("doses is empty, expected numbers")
    for dose in doses:
        if not isinstance(dose, int | float) or not math.isfinite(dose):
            raise InputError(f"doses: {dose!r} is not a finite number")
    if len(set(doses)) < len(doses):
        raise InputError("doses: a dose is given twice")
