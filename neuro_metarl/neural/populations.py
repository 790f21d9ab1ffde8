"""Condition means: what geometry compares.

What a condition is, and which trials count, is told in :mod:`neuro_metarl.neural.conditions`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.neural.conditions import (
    MOST_BYTES,
    Conditions,
    Factors,
    Samples,
    checked,
    conditions_of,
    spread_of,
)
from neuro_metarl.neural.recordings import (
    Population,
    names_of,
    one_by_one,
    population_coords,
    unit_coords,
)

__all__ = [
    "MeanTables",
    "cell_means",
    "complete_means",
    "condition_means",
    "event_coords",
    "event_counts",
    "mean_tables",
    "same_conditions",
]


def condition_means(
    cohort: xr.Dataset,
    by: Factors,
    *,
    variable: str = "activity",
    where: xr.DataArray | None = None,
) -> xr.Dataset:
    """Average activity over the trials of each condition, unit by unit.

    Parameters
    ----------
    cohort
        With the variable, dims session, trial, event, unit.
    by
        Factors; see :mod:`neuro_metarl.neural.conditions`.
    variable
        ``"activity"`` or ``"cell"``.
    where
        bool, dims session, trial: the trials that count; default every valid trial.

    Returns
    -------
    xarray.Dataset
        ``condition_mean`` (subject, each factor, event, unit), in units of the variable, over each
        unit's own sessions and trials; NaN for units of other subjects. ``n`` (subject, each
        factor): trials of the condition. ``n_trials`` (subject, each factor, event, unit): those of
        them on which the unit has a number.

    Raises
    ------
    InputError
        See :func:`neuro_metarl.neural.conditions.conditions_of`; no units; activity that is
        infinite or does not vary; or a subject has no trial of some condition, which is named.

    Warns
    -----
    UserWarning
        Units or events without a trial of some condition: NaN there.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> means = condition_means(record("two-step/0", n_sessions=5), ["state", "reward"])
    >>> dict(means.condition_mean.sizes)
    {'subject': 1, 'state': 2, 'reward': 2, 'event': 3, 'unit': 48}
    """
    conditions = conditions_of(cohort, by, variable=variable, where=where, per="recording")
    levels, shape = conditions.levels, conditions.shape
    if not levels:
        raise InputError("by names no factor; for example by=['choice', 'reward']")
    subjects = subjects_of(cohort)
    size = (len(subjects), prod(shape), cohort.sizes["event"], cohort.sizes["unit"])
    total, count = np.zeros(size), np.zeros(size, int)
    n = np.zeros(size[:2], int)
    for k, name in enumerate(subjects):
        mine = [p for p in conditions.populations if p.subject == name]
        _check_subject(name, mine, conditions)
        spread = 0.0
        for population in mine:
            for events in conditions.parts(population):
                samples = conditions.read(population, events)
                spread = max(spread, spread_of(samples, variable))
                sums, counts = _cell_sums(samples, size[1])
                total[k][:, events, population.unit] += sums
                count[k][:, events, population.unit] += counts
            n[k] += np.bincount(samples.cell, minlength=size[1])
        if spread == 0:
            raise InputError(f"subject {name!r}: {variable} is constant")
        _need_all(f"subject {name!r}", n[k], levels)
        units = np.unique(np.concatenate([p.unit for p in mine]))
        _name_missing(name, count[k][..., units], units, conditions)
    mean = total / np.where(count > 0, count, np.nan)
    dims = ("subject", *levels)
    return xr.Dataset(
        {
            "condition_mean": ((*dims, "event", "unit"), mean.reshape(-1, *shape, *size[2:])),
            "n": (dims, n.reshape(-1, *shape)),
            "n_trials": ((*dims, "event", "unit"), count.reshape(-1, *shape, *size[2:])),
        },
        coords={"subject": subjects, **levels, **event_coords(cohort), **unit_coords(cohort)},
        attrs={"measure": f"mean {variable} by condition", "variable": variable},
    )


def cell_means(samples: Samples, n_cells: int) -> np.ndarray:
    """Average over the trials of each condition.

    Parameters
    ----------
    samples
        Of one population.
    n_cells
        Conditions.

    Returns
    -------
    numpy.ndarray
        Dims (condition, event, unit); NaN where a unit has no trial.

    Examples
    --------
    >>> one = Population("a", "a", np.arange(1), np.arange(1))
    >>> values = np.array([1.0, 3, np.nan, 5]).reshape(4, 1, 1)
    >>> cell_means(Samples(one, values, np.array([0, 0, 0, 1]), np.zeros(4)), 2).ravel().tolist()
    [2.0, 5.0]
    """
    total, count = _cell_sums(samples, n_cells)
    return np.asarray(total / np.where(count > 0, count, np.nan))


def complete_means(conditions: Conditions, population: Population, samples: Samples) -> np.ndarray:
    """Average over the trials of each condition, which every unit must have at every event.

    Parameters
    ----------
    conditions
        Of the cohort.
    population, samples
        One of its populations.

    Returns
    -------
    numpy.ndarray
        Dims (condition, event, unit).

    Raises
    ------
    InputError
        A condition without trials, or an event or unit without a trial of some condition.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> from neuro_metarl.neural.conditions import conditions_of
    >>> conditions = conditions_of(record("two-step/0", n_sessions=5), ["state", "reward"])
    >>> (population, samples), = conditions.samples()
    >>> complete_means(conditions, population, samples).shape
    (4, 3, 48)
    """
    if not conditions.levels:
        raise InputError("by names no factor; for example by=['choice', 'reward']")
    n_cells = prod(conditions.shape)
    n_units = samples.stored.shape[2]
    if population.kind == "recording" and len(samples.stored) and n_units < 2:
        raise InputError(
            f"{population.label} has {n_units} unit(s); a population needs 2 or more; "
            "per='subject' pools recordings into a pseudo-population"
        )
    checked(samples, conditions.variable)
    counts = np.bincount(samples.cell, minlength=n_cells)
    _need_all(population.label, counts, conditions.levels)
    means = cell_means(samples, n_cells)
    lost = np.isnan(means)
    for e, event in enumerate(conditions.events):
        if lost[:, e].all(axis=1).any():
            cell = int(lost[:, e].all(axis=1).argmax())
            raise InputError(
                f"{population.label}: no trial of condition {_name(cell, conditions.levels)} has "
                f"the event {event!r}; leave the event out: cohort.sel(event=[...])"
            )
    if lost.any():
        unit = population.unit[np.flatnonzero(lost.any(axis=(0, 1)))]
        raise InputError(
            f"{population.label}: unit {names_of(conditions.cohort[conditions.variable], unit)} "
            "has no trial of some condition; drop the unit or use fewer conditions"
        )
    # units slowest in memory: decompositions read them one by one
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(means, -1, 0)), 0, -1)


@dataclass(frozen=True)
class MeanTables:
    """Condition means of populations, as observations that can be matched.

    Parameters
    ----------
    tables
        Of each population, dims (condition x event, unit).
    names
        Of the populations, dims subject or recording, with coordinates.
    lost
        Recordings left out, and why.
    """

    tables: list[np.ndarray]
    names: xr.DataArray
    lost: str

    def label(self, k: int) -> str:
        """Name a population in a message."""
        return repr(str(self.names[k].values))


def mean_tables(conditions: Conditions) -> MeanTables:
    """Give the condition means of every population; see :func:`complete_means`.

    Parameters
    ----------
    conditions
        Of the cohort.

    Returns
    -------
    MeanTables

    Examples
    --------
    >>> from neuro_metarl import record
    >>> from neuro_metarl.neural.conditions import conditions_of
    >>> cohort = record("two-step/0", n_sessions=5)
    >>> [t.shape for t in mean_tables(conditions_of(cohort, ["state"])).tables]
    [(6, 48)]
    """

    def analysis(population: Population, samples: Samples) -> np.ndarray:
        table = complete_means(conditions, population, samples)
        return table.reshape(-1, table.shape[-1])

    populations, tables, lost = one_by_one(conditions.samples(), analysis)
    names = xr.DataArray(
        [p.name for p in populations], dims=conditions.dim, coords=population_coords(populations)
    )
    return MeanTables(tables, names, lost)


def same_conditions(first: Conditions, second: Conditions) -> None:
    """Refuse two cohorts whose conditions or events differ.

    Parameters
    ----------
    first, second
        Of two cohorts.

    Raises
    ------
    InputError
        Other factors, levels or events.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> from neuro_metarl.neural.conditions import conditions_of
    >>> conditions = conditions_of(record("two-step/0", n_sessions=2), ["state"])
    >>> same_conditions(conditions, conditions)
    """
    mine, yours = list(first.levels), list(second.levels)
    if mine != yours:
        raise InputError(
            f"the cohorts have factors {', '.join(mine)} and {', '.join(yours)}, expected the same "
            "in the same order"
        )
    pairs = {name: (first.levels[name], second.levels[name]) for name in mine}
    pairs["event"] = (np.array(first.events), np.array(second.events))
    for name, (a, b) in pairs.items():
        if not np.array_equal(a, b):
            raise InputError(
                f"the cohorts have different numbers or labels of {name!r}: {a.tolist()} and "
                f"{b.tolist()}; matched observations are needed"
            )


def event_counts(samples: Samples, n_cells: int) -> np.ndarray:
    """Count the trials of each condition that have each event.

    Parameters
    ----------
    samples
        Of one population.
    n_cells
        Conditions.

    Returns
    -------
    numpy.ndarray
        Dims (condition, event): trials on which any unit has a number.

    Examples
    --------
    >>> one = Population("a", "a", np.arange(1), np.arange(1))
    >>> values = np.array([1.0, 3, np.nan, 5]).reshape(4, 1, 1)
    >>> event_counts(Samples(one, values, np.array([0, 0, 0, 1]), np.zeros(4)), 2).ravel().tolist()
    [2, 1]
    """
    known = ~np.isnan(samples.stored).all(axis=2)
    return np.stack([known[samples.cell == k].sum(axis=0) for k in range(n_cells)])


def event_coords(cohort: xr.Dataset) -> dict[str, xr.Variable]:
    """Give the names of the events, for a result that has the dim ``event``.

    Parameters
    ----------
    cohort
        A cohort.

    Returns
    -------
    dict

    Examples
    --------
    >>> event_coords(xr.Dataset(coords={"event": ["cue"]}))["event"].values.tolist()
    ['cue']
    """
    return {"event": cohort["event"].variable} if "event" in cohort.coords else {}


def _check_subject(name: str, mine: list[Population], conditions: Conditions) -> None:
    """Refuse a subject without trials or without units."""
    rows = conditions.cohort["subject"].values == name
    if not conditions.used[rows].any():
        raise InputError(f"subject {name!r} has no valid trial in any condition")
    if not any(len(p.unit) for p in mine):
        raise InputError(f"subject {name!r} has no unit with {conditions.variable}")


def _need_all(label: str, n: np.ndarray, levels: Mapping[str, np.ndarray]) -> None:
    if n.min() > 0:
        return
    raise InputError(
        f"{label} has no trial of condition {_name(int(np.argmin(n)), levels)} "
        f"({int((n == 0).sum())} of {len(n)} conditions are empty); use fewer factors or levels, "
        "or more sessions"
    )


def _name(cell: int, levels: Mapping[str, np.ndarray]) -> str:
    place = np.unravel_index(cell, tuple(len(v) for v in levels.values()))
    return ", ".join(f"{k} {v[i]}" for (k, v), i in zip(levels.items(), place, strict=True))


def _name_missing(name: str, count: np.ndarray, units: np.ndarray, conditions: Conditions) -> None:
    """Name the units and events that have no trial of some condition."""
    empty = count == 0
    activity = conditions.cohort[conditions.variable]
    for e, event in enumerate(conditions.events):
        lost = empty[:, e].any(axis=0)
        if lost.any():
            cell = int(empty[:, e].any(axis=1).argmax())
            warnings.warn(
                f"subject {name!r} at event {event!r}: no trial of condition "
                f"{_name(cell, conditions.levels)} for unit "
                f"{names_of(activity, units[np.flatnonzero(lost)])}: NaN",
                stacklevel=3,
            )


def _cell_sums(samples: Samples, n_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum over the trials of each cell, and count them, dims (cell, event, unit)."""
    n_trials, n_events, n_units = samples.stored.shape
    member = (samples.cell == np.arange(n_cells)[:, None]).astype(float)
    total = np.zeros((n_cells, n_events, n_units))
    count = np.zeros((n_cells, n_events, n_units), int)
    width = max(1, int(MOST_BYTES / (8 * max(1, n_trials * n_units))))
    for start in range(0, n_events, width):
        part = samples.stored[:, start : start + width].astype(float)
        known = ~np.isnan(part)
        flat = np.where(known, part, 0).reshape(n_trials, -1)
        at = (slice(None), slice(start, start + width))
        total[at] = (member @ flat).reshape(n_cells, -1, n_units)
        counts = member @ known.reshape(n_trials, -1).astype(float)
        count[at] = counts.reshape(n_cells, -1, n_units)
    return total, count
