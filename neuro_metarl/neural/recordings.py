"""Which trials count in an analysis of activity, and which units were recorded together.

Trials. ``where`` is the same in every verb: an array of true and false with dims session, trial
(or one of them). The trials that count are the valid ones that it marks. History is never cut: the
trial before is the valid trial before, marked or not.

Units. A unit is NaN in the sessions in which it was not recorded. The units of a subject that were
recorded in the same sessions form a *recording*: they can be analyzed as one population. Where all
of every subject's units were recorded together, as in networks, the population is the subject, and
results have the dim ``subject``. Otherwise (``per="auto"``) results have the dim ``recording``,
with the coordinate ``subject`` along it. A recording is called by the labels of ``recording(unit)``
where these tell recordings apart, otherwise by its sessions.

Events. Some trials lack an event (no valve opens where no reward is given): there every unit is
NaN, and the trial is left out at that event only. Where only some of the units of a recording are
NaN, verbs that look at units one by one use each unit's own trials, and verbs that look at
populations refuse and name the units.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError, did_you_mean

__all__ = [
    "Per",
    "Population",
    "counted_trials",
    "names_of",
    "one_by_one",
    "pair_coords",
    "population_coords",
    "populations_of",
    "recorded_units",
    "span",
    "unit_coords",
    "window_width",
]

TRIAL = ("session", "trial")
Per = Literal["auto", "subject", "recording"]
PER = ("auto", "subject", "recording")
ABOUT_UNITS = ("recording", "unit_id", "area")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Population:
    """Units of one subject that are analyzed as one population.

    Parameters
    ----------
    name
        Of the recording, or of the subject.
    subject
        Whose units these are.
    session, unit
        Positions in the cohort.
    kind
        ``"subject"``, ``"recording"`` or ``"session"``: what ``name`` names.
    together
        Whether all units were recorded in all of the sessions.
    """

    name: str
    subject: str
    session: np.ndarray
    unit: np.ndarray
    kind: str = "subject"
    together: bool = True

    @property
    def label(self) -> str:
        """Name it in a message."""
        if self.kind == "subject":
            return f"subject {self.subject!r}"
        return f"{self.kind} {self.name!r} of subject {self.subject!r}"


def counted_trials(cohort: xr.Dataset, where: xr.DataArray | None) -> np.ndarray:
    """Mark the trials that count: valid, and marked by ``where``.

    Parameters
    ----------
    cohort
        A cohort.
    where
        bool, dims session, trial (or one of them); None marks every trial.

    Returns
    -------
    numpy.ndarray
        bool, dims (session, trial).

    Raises
    ------
    InputError
        Not an array of true and false, other dims or sizes, sessions of another cohort, or no
        trial that counts.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1, -1]], "reward": [[1, 0, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> counted_trials(cohort, cohort.reward == 0).tolist()
    [[False, True, False]]
    """
    if not isinstance(cohort, xr.Dataset) or "valid" not in cohort:
        raise InputError("expected a cohort (an xarray.Dataset with 'valid'); see make_cohort")
    valid = np.asarray(cohort["valid"].transpose(*TRIAL).values == 1)
    if where is None:
        return valid
    if not isinstance(where, xr.DataArray):
        raise InputError(
            f"where is of type {type(where).__name__}, expected an xarray.DataArray of true and "
            "false with dims session, trial, for example cohort.reward == 1"
        )
    if where.dtype != bool or not where.dims or set(where.dims) - set(TRIAL):
        raise InputError(
            "where has to be true or false along session and trial; got "
            f"{where.dtype} with dims ({', '.join(map(str, where.dims))})"
        )
    for dim in where.dims:
        if where.sizes[dim] != cohort.sizes[dim]:
            raise InputError(
                f"where has {where.sizes[dim]} along {str(dim)!r}, the cohort {cohort.sizes[dim]}"
            )
    if "session_id" in where.coords and "session" in where.dims:
        theirs, mine = where["session_id"].values.tolist(), cohort["session_id"].values.tolist()
        if theirs != mine:
            raise InputError("where is of other sessions than the cohort's; make it from this one")
    marks = where.variable.set_dims({d: cohort.sizes[d] for d in TRIAL}).transpose(*TRIAL).values
    counted = valid & marks
    if not counted.any():
        raise InputError(f"where marks none of the {int(valid.sum())} valid trials")
    return np.asarray(counted)


def recorded_units(activity: xr.DataArray, counted: np.ndarray) -> np.ndarray:
    """Tell in which sessions each unit was recorded: where it has a number on some trial.

    Parameters
    ----------
    activity
        Dims session, trial, event, unit.
    counted
        bool, dims (session, trial): trials that are looked at.

    Returns
    -------
    numpy.ndarray
        bool, dims (session, unit).

    Examples
    --------
    >>> table = xr.DataArray(np.zeros((2, 3, 1, 2)), dims=("session", "trial", "event", "unit"))
    >>> table[1, :, :, 0] = np.nan
    >>> recorded_units(table, np.ones((2, 3), bool)).tolist()
    [[True, True], [False, True]]
    """
    found = np.zeros((activity.sizes["session"], activity.sizes["unit"]), bool)
    for k in np.flatnonzero(counted.any(axis=1)):
        one = activity.isel(session=int(k)).transpose("event", "trial", "unit")
        for event in range(activity.sizes["event"]):  # one by one: a session may be large
            found[k] |= (~np.isnan(one.isel(event=event).values[counted[k]])).any(axis=0)
            if found[k].all():
                break
    return found


def span(positions: np.ndarray) -> np.ndarray | slice:
    """Give positions as a slice where they follow one another, which reads without a copy.

    Parameters
    ----------
    positions
        In order.

    Returns
    -------
    numpy.ndarray or slice

    Examples
    --------
    >>> span(np.array([2, 3, 4])), span(np.array([0, 2])).tolist()
    (slice(2, 5, None), [0, 2])
    """
    if len(positions) and (np.diff(positions) == 1).all():
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return positions


def populations_of(
    cohort: xr.Dataset, counted: np.ndarray, *, per: Per = "auto", variable: str = "activity"
) -> list[Population]:
    """List the populations of a cohort: one for each subject, or for each recording.

    Parameters
    ----------
    cohort
        With the variable, dims session, trial, event, unit.
    counted
        bool, dims (session, trial).
    per
        ``"subject"``; ``"recording"``; or ``"auto"``: subjects where all of every subject's units
        were recorded together, else recordings.
    variable
        ``"activity"`` or ``"cell"``.

    Returns
    -------
    list of Population
        In the order of subjects, then of sessions. Sessions without units are in none. A subject
        without units has one population of none.

    Raises
    ------
    InputError
        Another ``per``, or no such variable.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> cohort = record("two-step/0", n_sessions=2)
    >>> one, = populations_of(cohort, counted_trials(cohort, None))
    >>> one.name, one.session.tolist(), len(one.unit)
    ('two-step/0', [0, 1], 48)
    """
    if per not in PER:
        raise InputError(f"per is {per!r}; {did_you_mean(str(per), PER)}")
    if variable not in cohort:
        raise InputError(
            f"no {variable!r} in this cohort: record it with activity=True, or read a recording "
            "that has units"
        )
    recorded = recorded_units(cohort[variable], counted)
    owner = cohort["subject"].values
    groups = {
        name: _groups(recorded, np.flatnonzero(owner == name)) for name in subjects_of(cohort)
    }
    if per == "subject" or (per == "auto" and all(len(g) < 2 for g in groups.values())):
        found = []
        for name, parts in groups.items():
            sessions = np.sort(np.concatenate(parts)) if parts else np.flatnonzero(owner == name)
            units = np.flatnonzero(recorded[sessions].any(axis=0))
            found.append(Population(name, name, sessions, units, "subject", len(parts) < 2))
        return found
    apart = [
        Population(name, name, sessions, np.flatnonzero(recorded[sessions[0]]), "recording")
        for name, members in groups.items()
        for sessions in members
    ]
    return [
        replace(part, name=label) for label, part in zip(_names(cohort, apart), apart, strict=True)
    ]


def population_coords(populations: Sequence[Population]) -> dict[str, Any]:
    """Give the coordinates of a result that has one entry per population.

    Parameters
    ----------
    populations
        Of one kind.

    Returns
    -------
    dict
        ``subject``; or ``recording``, and ``subject`` along it.

    Examples
    --------
    >>> one = Population("day 1", "a", np.arange(2), np.arange(3), "recording")
    >>> population_coords([one])
    {'recording': ['day 1'], 'subject': ('recording', ['a'])}
    """
    names = [p.name for p in populations]
    if populations[0].kind == "subject":
        return {"subject": names}
    return {"recording": names, "subject": ("recording", [p.subject for p in populations])}


def pair_coords(first: xr.DataArray, second: xr.DataArray) -> dict[str, Any]:
    """Give dims and coordinates of a matrix between the populations of two results.

    Parameters
    ----------
    first, second
        With the dim subject or recording first.

    Returns
    -------
    dict
        ``dims``, for example (subject, subject_2), and ``coords``; recordings keep their subjects.

    Examples
    --------
    >>> one = xr.DataArray(np.zeros(2), dims="subject", coords={"subject": ["a", "b"]})
    >>> pair_coords(one, one)["dims"]
    ('subject', 'subject_2')
    """
    dims: list[str] = []
    coords: dict[str, Any] = {}
    for result, suffix in ((first, ""), (second, "_2")):
        dim = str(result.dims[0])
        dims.append(f"{dim}{suffix}")
        coords[f"{dim}{suffix}"] = result[dim].values
        if dim == "recording":
            coords[f"subject{suffix}"] = (dims[-1], result["subject"].values)
    return {"dims": tuple(dims), "coords": coords}


def unit_coords(cohort: xr.Dataset | xr.DataArray, dim: str = "subject") -> dict[str, Any]:
    """Give what is known of the units, for a result that has the dim ``unit``.

    Parameters
    ----------
    cohort
        With units.
    dim
        Dim of the result's populations. Where that is ``"recording"``, the coordinate
        ``recording`` of the units is called ``recording_of_unit``.

    Returns
    -------
    dict
        ``unit`` and, where the cohort has them, ``recording``, ``unit_id`` and ``area``.

    Examples
    --------
    >>> table = xr.DataArray(np.zeros(2), dims="unit", coords={"area": ("unit", ["M1", "PFC"])})
    >>> list(unit_coords(table))
    ['area']
    """
    found: dict[str, Any] = {}
    for name in ("unit", *ABOUT_UNITS):
        if name in cohort.coords and cohort[name].dims == ("unit",):
            label = f"{name}_of_unit" if name == "recording" == dim else name
            found[label] = ("unit", cohort[name].values)
    return found


def names_of(array: xr.Dataset | xr.DataArray, unit: np.ndarray, *, most: int = 5) -> str:
    """Name some units in a message.

    Parameters
    ----------
    array
        With the dim ``unit``.
    unit
        Positions.
    most
        Units named before the rest is counted.

    Returns
    -------
    str

    Examples
    --------
    >>> names_of(xr.DataArray(np.zeros(9), dims="unit"), np.arange(8))
    '0, 1, 2, 3, 4 and 3 more'
    """
    names = array["unit"].values[unit].tolist()
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def one_by_one(
    items: Iterable[tuple[Population, Any]], analysis: Callable[[Population, Any], Result]
) -> tuple[list[Population], list[Result], str]:
    """Analyze populations one by one; recordings that cannot be analyzed are left out by name.

    Parameters
    ----------
    items
        Populations, each with what the analysis needs.
    analysis
        Of one population.

    Returns
    -------
    populations, results, left_out
        Those that were analyzed, and which were not and why (an empty text: none).

    Raises
    ------
    InputError
        A subject cannot be analyzed, or none of the recordings.

    Warns
    -----
    UserWarning
        Recordings that are left out.

    Examples
    --------
    >>> one = Population("a", "a", np.arange(1), np.arange(2))
    >>> one_by_one([(one, 2.0)], lambda population, value: 2 * value)[1:]
    ([4.0], '')
    """
    done, results, problems = [], [], []
    for population, given in items:
        try:
            results.append(analysis(population, given))
            done.append(population)
        except InputError as error:
            if population.kind == "subject":
                raise
            problems.append(str(error))
    if not results:
        raise InputError(problems[0])
    if problems:
        warnings.warn(f"left out: {'; '.join(problems)}", stacklevel=3)
    return done, results, "; ".join(problems)


def window_width(window: float | str) -> float:
    """Read how long the window is in which spikes were counted.

    Parameters
    ----------
    window
        Seconds; or "from to to" in seconds about the event, as in
        ``cohort.activity.attrs["window_s"]``.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    InputError
        Other text, or no time above 0.

    Examples
    --------
    >>> window_width("-0.25 to 0.5"), window_width(0.2)
    (0.75, 0.2)
    """
    try:
        ends = [float(part) for part in str(window).split(" to ")]
    except ValueError:
        ends = []
    if len(ends) not in (1, 2):
        raise InputError(
            f"window is {window!r}, expected seconds (0.5) or from and to ('0 to 0.5')"
        )
    width = ends[-1] - ends[0] if len(ends) == 2 else ends[0]
    if not np.isfinite(width) or width <= 0:
        raise InputError(f"window is {window}, expected seconds above 0")
    return float(width)


def _groups(recorded: np.ndarray, sessions: np.ndarray) -> list[np.ndarray]:
    """Group sessions by the units that were recorded in them, dims of each (session)."""
    found: dict[bytes, list[int]] = {}
    for k in sessions:
        if recorded[k].any():
            found.setdefault(recorded[k].tobytes(), []).append(int(k))
    return [np.array(members) for members in found.values()]


def _names(cohort: xr.Dataset, parts: Sequence[Population]) -> list[str]:
    """Name recordings by their units' labels where these differ, else by their sessions."""
    if "recording" in cohort.coords and cohort["recording"].dims == ("unit",):
        label = cohort["recording"].values
        names = [" + ".join(dict.fromkeys(map(str, label[p.unit].tolist()))) for p in parts]
        if len(set(names)) == len(names):
            return names
    names = []
    for p in parts:
        first, last = (str(cohort["session_id"].values[k]) for k in (p.session[0], p.session[-1]))
        names.append(first if first == last else f"{first} to {last}")
    if len(set(names)) == len(names):
        return names
    return [f"{p.subject}: {name}" for p, name in zip(parts, names, strict=True)]
