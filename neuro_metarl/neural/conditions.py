"""Which trials geometry is measured on, in which condition each is, and of which population.

A *condition* is a combination of trial factors, such as choice x reward. Factors are given as
``by``: names of the cohort's trial variables, or a mapping from a name of one's own to labels
with dims (session, trial), for example ``{"belief": bins, "previous_reward":
cohort.reward.shift(trial=1)}``. A trial whose label is missing (NaN, -1 or an empty text) is in
no condition.

Which trials count (``where``), which units were recorded together and what a population is
(``per``) is told in :mod:`neuro_metarl.neural.recordings`. Means are of each unit's own trials at
each event. With ``per="subject"`` units that were recorded apart are pooled into one
pseudo-population, where the measure is one of condition means; single-trial states cannot be
pooled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.recordings import (
    Per,
    Population,
    counted_trials,
    names_of,
    populations_of,
    span,
)

__all__ = [
    "Conditions",
    "Factors",
    "Samples",
    "checked",
    "conditions_of",
    "select_events",
    "spread_of",
    "states_of",
]

Factors = Sequence[str] | Mapping[str, xr.DataArray]
RESERVED = {"subject", "session", "trial", "event", "unit", "component", "statistic", "recording"}
ACTIVITY = ("session", "trial", "event", "unit")
MOST_BYTES = 64e6


@dataclass(frozen=True)
class Samples:
    """A population's activity: the trials that count and are in a condition.

    Parameters
    ----------
    population
        Whose.
    stored
        Dims (trial, event, unit), in the cohort's own type; NaN where a unit has no number.
    cell
        Dims (trial): the condition, counted in C order over the factors.
    session
        Dims (trial).
    """

    population: Population
    stored: np.ndarray
    cell: np.ndarray
    session: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """Return the activity as float64, dims (trial, event, unit)."""
        return self.stored.astype(float)


@dataclass(frozen=True)
class Conditions:
    """The trials of a cohort that count, by condition, and its populations.

    Parameters
    ----------
    cohort
        With the events that are looked at.
    variable
        ``"activity"`` or ``"cell"``.
    levels
        Name of the factor to its labels, in order.
    used
        bool, dims (session, trial): trials that count and are in a condition.
    cell
        Dims (session, trial): the condition, counted in C order over the factors.
    populations
        Of the cohort.
    """

    cohort: xr.Dataset
    variable: str
    levels: dict[str, np.ndarray]
    used: np.ndarray
    cell: np.ndarray
    populations: list[Population]

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the number of levels of each factor."""
        return tuple(len(v) for v in self.levels.values())

    @property
    def events(self) -> list[str]:
        """Name the events."""
        return [str(e) for e in self.cohort["event"].values.tolist()]

    @property
    def dim(self) -> str:
        """Name the dim of the populations: subject or recording."""
        return self.populations[0].kind

    def parts(self, population: Population) -> list[slice]:
        """Divide the events so that no more than 64 MB of a population are in hand."""
        n = self.used[population.session].sum() * len(population.unit)
        width = max(1, int(MOST_BYTES / (8 * max(1, n))))
        return [slice(k, k + width) for k in range(0, len(self.events), width)]

    def samples(self) -> Iterator[tuple[Population, Samples]]:
        """Read the populations one after another.

        Yields
        ------
        Population, Samples

        Raises
        ------
        InputError
            A subject has fewer than two units, no trial in any condition, or activity that is
            infinite or does not vary.
        """
        for population in self.populations:
            yield population, self.read(population)

    def read(self, population: Population, events: slice = slice(None)) -> Samples:
        """Read one population, at all or some events; see :meth:`samples`."""
        session, trial = np.nonzero(self.used[population.session])
        activity = self.cohort[self.variable].transpose(*ACTIVITY).isel(event=events)
        here = activity.isel(session=span(population.session), unit=span(population.unit)).values
        at = population.session[session]
        return Samples(population, here[session, trial], self.cell[at, trial], session)


def conditions_of(
    cohort: xr.Dataset,
    by: Factors = (),
    *,
    variable: str = "activity",
    where: xr.DataArray | None = None,
    per: Per = "auto",
) -> Conditions:
    """Say which trials count, in which condition each is, and what the populations are.

    Parameters
    ----------
    cohort
        With the variable, dims session, trial, event, unit.
    by
        Factors; see the module.
    variable
        ``"activity"`` or ``"cell"``.
    where
        bool, dims session, trial: the trials that count; default every valid trial.
    per
        See :mod:`neuro_metarl.neural.recordings`.

    Returns
    -------
    Conditions

    Raises
    ------
    InputError
        No such variable or factor, a factor of one level, or a subject without a trial that counts.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> conditions = conditions_of(record("two-step/0", n_sessions=2), ["choice"])
    >>> conditions.levels["choice"].tolist(), len(conditions.populations)
    ([0, 1], 1)
    """
    if variable not in cohort:
        raise InputError(
            f"no {variable!r} in this cohort: record it with activity=True, or read a recording "
            "that has units"
        )
    if set(cohort[variable].dims) != set(ACTIVITY):
        raise InputError(
            f"{variable} has dims ({', '.join(map(str, cohort[variable].dims))}), expected "
            f"({', '.join(ACTIVITY)})"
        )
    counted = counted_trials(cohort, where)
    for name in subjects_of(cohort):
        if not counted[cohort["subject"].values == name].any():
            raise InputError(f"subject {name!r} has no valid trial in any condition; leave it out")
    labels = _labels(cohort, by)
    levels = {name: _levels(name, values[counted]) for name, values in labels.items()}
    used, cell = counted, np.zeros(counted.shape, int)
    for name, values in labels.items():
        used = used & ~_missing(values) & np.isin(values, levels[name])
        code = np.minimum(np.searchsorted(levels[name], values), len(levels[name]) - 1)
        cell = cell * len(levels[name]) + code
    populations = populations_of(cohort, counted, per=per, variable=variable)
    return Conditions(cohort, variable, levels, used, cell, populations)


def checked(samples: Samples, variable: str) -> Samples:
    """Refuse what no population is: too few units, no trials, no variance, infinite numbers.

    Parameters
    ----------
    samples
        Of one population.
    variable
        For messages.

    Returns
    -------
    Samples
        The same.

    Raises
    ------
    InputError
        As said.

    Examples
    --------
    >>> one = Population("a", "a", np.arange(1), np.arange(2))
    >>> checked(Samples(one, np.zeros((3, 1, 2)), np.zeros(3), np.zeros(3)), "activity")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: subject 'a': activity is constant; there is nothing to compare
    """
    label, stored = samples.population.label, samples.stored
    if not len(stored):
        raise InputError(f"{label} has no valid trial in any condition")
    if stored.shape[2] < 2:
        raise InputError(f"{label} has {stored.shape[2]} unit(s); a population needs 2 or more")
    if spread_of(samples, variable) == 0:
        raise InputError(f"{label}: {variable} is constant; there is nothing to compare")
    return samples


def spread_of(samples: Samples, variable: str) -> float:
    """Measure how far the most variable unit varies.

    Parameters
    ----------
    samples
        Of one population.
    variable
        For messages.

    Returns
    -------
    float
        Its largest value less its smallest; 0 without any value.

    Raises
    ------
    InputError
        Infinite activity.

    Examples
    --------
    >>> one = Population("a", "a", np.arange(1), np.arange(2))
    >>> values = np.array([[[1.0, 5.0]], [[3.0, 5.0]]])
    >>> spread_of(Samples(one, values, np.zeros(2), np.zeros(2)), "activity")
    2.0
    """
    if not samples.stored.size:
        return 0.0
    most, least = (f.reduce(samples.stored, axis=(0, 1)) for f in (np.fmax, np.fmin))
    if np.isinf(most).any() or np.isinf(least).any():
        raise InputError(
            f"{samples.population.label}: {variable} is infinite on some trial; expected numbers, "
            "or NaN for none"
        )
    known = np.isfinite(most)
    return float((most - least)[known].max()) if known.any() else 0.0


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
    return cohort.isel(event=[known.index(name) for name in wanted])


def states_of(samples: Samples, conditions: Conditions) -> np.ndarray:
    """Tell which single-trial states there are: at which events of each trial all units are known.

    Parameters
    ----------
    samples
        Of one population.
    conditions
        Of the cohort, for messages.

    Returns
    -------
    numpy.ndarray
        bool, dims (trial, event): false where the trial lacks the event.

    Raises
    ------
    InputError
        See :func:`checked`; the units were not recorded together; or some units, but not all, are
        NaN somewhere.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> conditions = conditions_of(record("two-step/0", n_sessions=2))
    >>> bool(states_of(next(conditions.samples())[1], conditions).all())
    True
    """
    checked(samples, conditions.variable)
    population = samples.population
    if not population.together:
        raise InputError(
            f"{population.label}: its units were not recorded in the same sessions, but single "
            "trials are needed here; use per='recording', or select sessions"
        )
    missing = np.isnan(samples.stored)
    known = ~missing.any(axis=2)
    partly = ~known & ~missing.all(axis=2)
    if partly.any():
        activity = conditions.cohort[conditions.variable]
        trial, event = np.argwhere(partly)[0]
        lost = missing[partly].any(axis=0)
        session = conditions.cohort["session_id"].values[population.session[samples.session[trial]]]
        raise InputError(
            f"{population.label}: {conditions.variable} of unit "
            f"{names_of(activity, population.unit[np.flatnonzero(lost)])} is NaN on "
            f"{int(partly.any(axis=1).sum())} trials on which other units have numbers (first in "
            f"session {str(session)!r} at event {conditions.events[event]!r}); leave out these "
            "units (cohort.isel(unit=...)) or these trials (where=)"
        )
    return known


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
