"""What geometry is measured on: single-trial states and condition means of each subject.

A *condition* is a combination of trial factors, such as choice x reward. Factors are given as
``by``: names of the cohort's trial variables, or a mapping from a name of one's own to labels
with dims (session, trial), for example ``{"belief": bins, "previous_reward":
cohort.reward.shift(trial=1)}``. A trial whose label is missing (NaN, -1 or an empty text) is in
no condition.

Only valid trials count. A unit that is NaN throughout a session was not recorded there; its mean
is taken over the other sessions of its subject. A unit that is NaN throughout all of a subject's
sessions is not that subject's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import xarray as xr

from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError, did_you_mean

__all__ = ["Factors", "Samples", "condition_means", "samples_of", "select_events", "together"]

Factors = Sequence[str] | Mapping[str, xr.DataArray]
RESERVED = {"subject", "session", "trial", "event", "unit", "component", "statistic"}


@dataclass(frozen=True)
class Samples:
    """One subject's activity: the valid trials that are in a condition.

    Parameters
    ----------
    values
        Dims (trial, event, unit); NaN where a unit was not recorded.
    cell
        Dims (trial): the condition, counted in C order over the factors.
    session
        Dims (trial).
    units
        Dims (unit): positions of this subject's units in the cohort.
    """

    values: np.ndarray
    cell: np.ndarray
    session: np.ndarray
    units: np.ndarray


def samples_of(
    cohort: xr.Dataset, by: Factors = (), *, variable: str = "activity"
) -> tuple[dict[str, Samples], dict[str, np.ndarray]]:
    """Take the activity of each subject, trial by trial, with its condition.

    Parameters
    ----------
    cohort
        With the variable, dims session, trial, event, unit.
    by
        Factors; see the module.
    variable
        ``"activity"`` or ``"cell"``.

    Returns
    -------
    samples
        Name of the subject to its :class:`Samples`.
    levels
        Name of the factor to its labels, in order.

    Raises
    ------
    InputError
        No such variable or factor, fewer than two units, activity that is NaN on some of a
        session's trials or does not vary, or a subject without trials.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> samples, levels = samples_of(record("two-step/0", n_sessions=2), ["choice"])
    >>> samples["two-step/0"].values.shape[1:], levels["choice"].tolist()
    ((3, 48), [0, 1])
    """
    if variable not in cohort:
        raise InputError(
            f"no {variable!r} in this cohort: record it with activity=True, or read a recording "
            "that has units"
        )
    labels = _labels(cohort, by)
    levels = {name: _levels(name, values) for name, values in labels.items()}
    shape = tuple(len(v) for v in levels.values())
    found = {}
    for name in subjects_of(cohort):
        rows = cohort["subject"].values == name
        mine = select_subjects(cohort, name)
        codes = [np.searchsorted(levels[k], v[rows]) for k, v in labels.items()]
        used = mine["valid"].transpose("session", "trial").values == 1
        for k, v in labels.items():
            used = used & ~_missing(v[rows]) & np.isin(v[rows], levels[k])
        cell = np.zeros(used.shape, int)
        if codes:
            safe = [np.minimum(c, n - 1) for c, n in zip(codes, shape, strict=True)]
            cell = np.ravel_multi_index(safe, shape)
        found[name] = _take(name, mine, used, cell, variable)
    return found, levels


def condition_means(cohort: xr.Dataset, by: Factors, *, variable: str = "activity") -> xr.Dataset:
    """Average activity over the trials of each condition.

    Parameters
    ----------
    cohort
        With the variable, dims session, trial, event, unit.
    by
        Factors; see the module.
    variable
        ``"activity"`` or ``"cell"``.

    Returns
    -------
    xarray.Dataset
        ``condition_mean`` (subject, each factor, event, unit), in units of the variable; NaN for
        units of other subjects. ``n`` (subject, each factor): trials behind it.

    Raises
    ------
    InputError
        See :func:`samples_of`; or a subject has no trial of some condition, which is named.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> means = condition_means(record("two-step/0", n_sessions=5), ["state", "reward"])
    >>> dict(means.condition_mean.sizes)
    {'subject': 1, 'state': 2, 'reward': 2, 'event': 3, 'unit': 48}
    """
    samples, levels = samples_of(cohort, by, variable=variable)
    if not levels:
        raise InputError("by names no factor; for example by=['choice', 'reward']")
    shape = tuple(len(v) for v in levels.values())
    n_events, n_units = cohort.sizes["event"], cohort.sizes["unit"]
    mean = np.full((len(samples), prod(shape), n_events, n_units), np.nan)
    n = np.zeros((len(samples), prod(shape)), int)
    for k, (name, mine) in enumerate(samples.items()):
        n[k] = np.bincount(mine.cell, minlength=prod(shape))
        _need_all(name, n[k], levels)
        mean[k][:, :, mine.units] = _cell_means(name, mine, prod(shape))
    dims = ("subject", *levels)
    return xr.Dataset(
        {
            "condition_mean": (
                (*dims, "event", "unit"),
                mean.reshape(-1, *shape, n_events, n_units),
            ),
            "n": (dims, n.reshape(-1, *shape)),
        },
        coords={"subject": list(samples), **levels, **_coords(cohort)},
        attrs={"measure": f"mean {variable} by condition", "variable": variable},
    )


def select_events(cohort: xr.Dataset, event: str | Sequence[str] | None) -> xr.Dataset:
    """Keep some events of a cohort.

    Parameters
    ----------
    cohort
        With an event dim.
    event
        Name or names; None keeps all.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    InputError
        No such event.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> select_events(record("two-step/0", n_sessions=1), "first_step").sizes["event"]
    1
    """
    if event is None or "event" not in cohort.dims:
        return cohort
    wanted = [event] if isinstance(event, str) else list(event)
    known = [str(e) for e in cohort["event"].values]
    for name in wanted:
        if name not in known:
            raise InputError(f"no event {name!r}; {did_you_mean(name, known)}")
    return cohort.sel(event=wanted)


def together(name: str, mine: Samples) -> np.ndarray:
    """Return a subject's values, refusing units that were not recorded together.

    Parameters
    ----------
    name
        Of the subject, for the message.
    mine
        Its samples.

    Returns
    -------
    numpy.ndarray
        Dims (trial, event, unit), no NaN.

    Raises
    ------
    InputError
        Some units are missing in some sessions.

    Examples
    --------
    >>> zeros = np.zeros((2, 1, 2))
    >>> together("a", Samples(zeros, np.zeros(2), np.zeros(2), np.arange(2))).shape
    (2, 1, 2)
    """
    if np.isnan(mine.values).any():
        raise InputError(
            f"subject {name!r}: its units were not recorded in the same sessions, but single "
            "trials are needed here; select sessions, or use a measure of condition means"
        )
    return mine.values


def _labels(cohort: xr.Dataset, by: Factors) -> dict[str, np.ndarray]:
    if isinstance(by, str):
        raise InputError(f"by is the text {by!r}, expected a list of names, for example [{by!r}]")
    given = dict(by) if isinstance(by, Mapping) else {name: None for name in by}
    shape = (cohort.sizes["session"], cohort.sizes["trial"])
    labels = {}
    for name, values in given.items():
        if name in RESERVED:
            raise InputError(f"a factor cannot be called {name!r}, which is a dim of its own")
        if values is None:
            trial_variables = [
                str(k) for k, v in cohort.data_vars.items() if set(v.dims) == {"session", "trial"}
            ]
            if name not in trial_variables:
                raise InputError(f"no factor {name!r}; {did_you_mean(name, trial_variables)}")
            values = cohort[name]
        if not isinstance(values, xr.DataArray) or set(values.dims) != {"session", "trial"}:
            raise InputError(f"factor {name!r}: expected labels with dims session, trial")
        array = values.transpose("session", "trial").values
        if array.shape != shape:
            raise InputError(f"factor {name!r}: {array.shape} sessions, trials; cohort has {shape}")
        labels[name] = array
    return labels


def _missing(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        return np.isnan(values) | (values == -1)
    if values.dtype.kind == "i":
        return values == -1
    return values == "" if values.dtype.kind == "U" else np.zeros(values.shape, bool)


def _levels(name: str, values: np.ndarray) -> np.ndarray:
    levels = np.unique(values[~_missing(values)])
    if len(levels) < 2:
        raise InputError(f"factor {name!r} has {len(levels)} level(s), expected 2 or more")
    if len(levels) > 50:
        raise InputError(f"factor {name!r} has {len(levels)} levels; bin it first")
    return levels


def _take(
    name: str, mine: xr.Dataset, used: np.ndarray, cell: np.ndarray, variable: str
) -> Samples:
    values = mine[variable].transpose("session", "trial", "event", "unit").values
    valid = mine["valid"].transpose("session", "trial").values == 1
    if not used.any():
        raise InputError(f"subject {name!r} has no valid trial in any condition")
    gaps = np.isnan(values)
    per_session = (gaps & valid[:, :, None, None]).sum(axis=(1, 2))
    whole_session = valid.sum(axis=1)[:, None] * values.shape[2]
    partly = (per_session > 0) & (per_session < whole_session)
    if partly.any():
        session, unit = np.argwhere(partly)[0]
        trial = int(np.flatnonzero((gaps[session, :, :, unit].any(1)) & valid[session])[0])
        raise InputError(
            f"{variable}: nan at subject {name!r}, session "
            f"{str(mine['session_id'].values[session])!r}, trial {trial}, unit {unit}; a unit is "
            "NaN in a whole session (not recorded) or in none of its trials"
        )
    units = np.flatnonzero((per_session < whole_session).any(axis=0))
    if len(units) < 2:
        raise InputError(f"subject {name!r} has {len(units)} unit(s); a population needs 2 or more")
    session = np.broadcast_to(np.arange(len(used))[:, None], used.shape)[used]
    taken = values[used][..., units].astype(float)
    if np.nanmax(np.nanmax(taken, axis=(0, 1)) - np.nanmin(taken, axis=(0, 1))) == 0:
        raise InputError(f"subject {name!r}: {variable} is constant; there is nothing to compare")
    return Samples(taken, cell[used], session, units)


def _need_all(name: str, n: np.ndarray, levels: Mapping[str, np.ndarray]) -> None:
    if n.min() > 0:
        return
    place = np.unravel_index(int(np.argmin(n)), tuple(len(v) for v in levels.values()))
    condition = ", ".join(f"{k} {v[i]}" for (k, v), i in zip(levels.items(), place, strict=True))
    raise InputError(
        f"subject {name!r} has no trial of condition {condition} ({int((n == 0).sum())} of "
        f"{len(n)} conditions are empty); use fewer factors or levels, or more sessions"
    )


def _cell_means(name: str, mine: Samples, n_cells: int) -> np.ndarray:
    """Average over the trials of each cell, dims (cell, event, unit)."""
    there = ~np.isnan(mine.values)
    flat = np.where(there, mine.values, 0).reshape(len(mine.cell), -1)
    member = (mine.cell == np.arange(n_cells)[:, None]).astype(float)
    total, count = member @ flat, member @ there.reshape(len(mine.cell), -1).astype(float)
    if (count == 0).any():
        raise InputError(
            f"subject {name!r}: a unit has no trial of some condition in the sessions that "
            "recorded it; drop the unit or use fewer conditions"
        )
    return (total / count).reshape(n_cells, *mine.values.shape[1:])


def _coords(cohort: xr.Dataset) -> dict[str, xr.Variable]:
    return {d: cohort[d].variable for d in ("event", "unit") if d in cohort.coords}
