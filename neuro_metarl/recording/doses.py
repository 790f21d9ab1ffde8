"""Dose and response: the same episodes under a perturbation of growing strength."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence

import xarray as xr

from neuro_metarl.agents.zoo import Agents
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.perturb.perturbation import Perturbations
from neuro_metarl.progress import progress_bar
from neuro_metarl.recording.cohorts import record
from neuro_metarl.tasks.base import Task

__all__ = ["dose_response", "dose_trend"]

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


def dose_trend(response: xr.Dataset, variable: str = "reward_rate") -> xr.Dataset:
    """Test whether a response rises or falls with the dose, over subjects.

    Parameters
    ----------
    response
        From :func:`dose_response`.
    variable
        Dims dose, subject (and others that are kept); a ``statistic`` is taken at its value.

    Returns
    -------
    xarray.Dataset
        ``slope`` (subject): least squares of the response on the dose, each subject by itself;
        ``mean`` with ``low`` and ``high``, its 95 % interval over subjects (Student's t); ``p``,
        two-sided, that the mean is 0. A subject is the unit: doses are no replicates.

    Raises
    ------
    InputError
        No such variable, fewer than two doses, or fewer than three subjects.

    Examples
    --------
    >>> import numpy as np
    >>> rate = np.array([[0.7, 0.72, 0.69], [0.6, 0.63, 0.58], [0.52, 0.5, 0.49]])
    >>> response = xr.Dataset({"reward_rate": (("dose", "subject"), rate)}, {"dose": [0, 1, 2]})
    >>> trend = dose_trend(response)
    >>> trend["mean"].round(2).item(), trend.p.item() < 0.01
    (-0.1, True)
    """
    from scipy.stats import ttest_1samp

    if variable not in response:
        known = [str(name) for name in response.data_vars]
        raise InputError(f"the response has no {variable!r}; {did_you_mean(variable, known)}")
    values = response[variable]
    if "statistic" in values.dims:
        values = values.sel(statistic="value", drop=True)
    n_doses, n = values.sizes.get("dose", 0), values.sizes.get("subject", 0)
    if n_doses < 2 or n < 3:
        raise InputError(
            f"{n_doses} doses and {n} subjects; a trend needs two doses and three subjects"
        )
    dose = values["dose"].astype(float) - values["dose"].astype(float).mean()
    slope = (values * dose).sum("dose", skipna=False) / (dose**2).sum()
    axis = slope.get_axis_num("subject")
    test = ttest_1samp(slope.values, 0.0, axis=axis)
    ends = test.confidence_interval()
    rest = [d for d in slope.dims if d != "subject"]
    return xr.Dataset(
        {
            "slope": slope, "mean": slope.mean("subject"), "low": (rest, ends.low),
            "high": (rest, ends.high), "p": (rest, test.pvalue),
        },
        attrs={"variable": variable, "n_subjects": n, "test": "one-sample t over subjects"},
    )  # fmt: skip


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
