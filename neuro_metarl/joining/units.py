"""Which units of several cohorts are the same, and one axis for all of them.

A unit is known by its recording and its label. The coordinate ``recording(unit)`` names the
recording: the session, where units were sorted session by session, or the subject, where it was
declared that neurons were followed over sessions. It is empty for a signal that has a name of its
own, such as a fiber. Units of networks and models are known by their label alone, since unit 3 of a
network stays unit 3 however often it is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.joining.stack import Axis, fill_of, same

__all__ = ["SameUnits", "Unit", "join_units"]

SameUnits = bool | Mapping[str, Mapping[str, Any]] | None


@dataclass(frozen=True)
class Unit:
    """A unit of one cohort.

    Parameters
    ----------
    label
        Its entry of ``unit``, without the name of its recording before it.
    recording
        Name of its recording; empty where its label alone says which it is, in any recording; None
        where the cohort says nothing about recordings.
    subject
        Whose it is; empty where the cohort does not tell.
    unit_id
        Its identity in the file, or its label.
    """

    label: Any
    recording: str | None
    subject: str
    unit_id: str


def join_units(cohorts: Sequence[xr.Dataset], same_units: SameUnits) -> Axis | None:
    """Find one common axis of units for several cohorts.

    Parameters
    ----------
    cohorts
        Cohorts that agree on everything but units, sessions and trials.
    same_units
        See :func:`neuro_metarl.cohort.concat_cohorts`.

    Returns
    -------
    Axis or None
        None where the units are the same already.

    Raises
    ------
    InputError
        A unit appears twice in one recording, what is said of a unit differs between cohorts, or
        ``same_units`` names recordings or units that are not there.

    Examples
    --------
    >>> import numpy as np
    >>> day = xr.Dataset({"activity": (("session", "unit"), np.ones((1, 2)))}, coords={
    ...     "unit": ["0", "1"], "recording": ("unit", ["d0", "d0"]),
    ...     "subject": ("session", ["m"]), "session_id": ("session", ["d0"])},
    ...     attrs={"source": "animal"})
    >>> next_day = day.assign_coords(session_id=("session", ["d1"]),
    ...                              recording=("unit", ["d1", "d1"]))
    >>> axis = join_units([day, next_day], None)
    >>> axis.coords["unit"].tolist(), [place.tolist() for place in axis.places]
    (['d0/0', 'd0/1', 'd1/0', 'd1/1'], [[0, 1], [2, 3]])
    """
    if not isinstance(same_units, (bool, Mapping, type(None))):
        raise InputError(
            f"same_units is {same_units!r}, expected True, False, None or a mapping of each "
            "neuron's name to its unit in each session, {'n1': {'day1': '0', 'day2': '3'}}"
        )
    if not any("unit" in cohort.dims for cohort in cohorts):
        if isinstance(same_units, Mapping):
            raise InputError("same_units names units, but none of the cohorts has units")
        return None
    units = _units(cohorts)
    if same_units is None:
        _check_names(cohorts, units)
    if same_units is not False and not isinstance(same_units, Mapping):
        if _one_axis(cohorts, units, same_units is True):
            _check_agreement(cohorts)
            return None
        if _by_label(cohorts):
            labels = [[unit.label for unit in mine] for mine in units]
            return _axis(cohorts, units, labels, {}, "as they are")
    keys, named = _identities(cohorts, units, same_units)
    return _axis(cohorts, units, keys, named, "by recording")


def _units(cohorts: Sequence[xr.Dataset]) -> list[list[Unit]]:
    """Read who the units of each cohort are; one cohort may know what another does not."""
    every = [_units_of(cohort) for cohort in cohorts]
    owners = _owners(every)
    return [
        [
            replace(unit, subject=next(iter(owners[unit.recording])))
            if unit.recording and not unit.subject and len(owners[unit.recording]) == 1
            else unit
            for unit in mine
        ]
        for mine in every
    ]


def _check_names(cohorts: Sequence[xr.Dataset], units: Sequence[Sequence[Unit]]) -> None:
    """Refuse units of a recording that is called as one session, and has numbers in another."""
    names = [_sessions_of(cohort) for cohort in cohorts]
    for number, (cohort, mine) in enumerate(zip(cohorts, units, strict=True)):
        subjects = {subject for subject, _ in names[number]}
        others = [k for k in range(len(cohorts)) if k != number]
        elsewhere = {r for k in others for r in _recordings(units[k])}
        sessions = {s for k in others for who, s in names[k] if who in subjects}
        sessions -= {s for _, s in names[number]} | subjects
        for recording in sorted(_recordings(mine) & sessions & elsewhere):
            unit = [k for k, u in enumerate(mine) if u.recording == recording]
            other = _recorded_in(cohort, unit)
            if other:
                raise InputError(
                    f"cannot join: recording {recording!r} has the name of a session in one "
                    f"cohort, but its units have numbers in session {other!r} of another; name "
                    "that recording, too, where it is another one: "
                    f"cohort.assign_coords(recording=('unit', [{other!r}] * {len(unit)})); give "
                    "same_units=True where these are the same neurons"
                )


def _sessions_of(cohort: xr.Dataset) -> set[tuple[str, str]]:
    return {
        (str(who), str(session))
        for who, session in zip(cohort["subject"].values, cohort["session_id"].values, strict=True)
    }


def _recordings(units: Sequence[Unit]) -> set[str]:
    return {unit.recording for unit in units if unit.recording}


def _recorded_in(cohort: xr.Dataset, unit: Sequence[int]) -> str:
    """Name the first session in which some of the units have a number."""
    if "activity" not in cohort:
        return ""
    activity = cohort["activity"].transpose("session", "unit", ...).values
    for k, session in enumerate(cohort["session_id"].values):
        if np.isfinite(activity[k, unit]).any():
            return str(session)
    return ""


def _owners(units: Sequence[Sequence[Unit]]) -> dict[str | None, set[str]]:
    owners: dict[str | None, set[str]] = {}
    for unit in (unit for mine in units for unit in mine):
        owners.setdefault(unit.recording, set()).update({unit.subject} - {""})
    return owners


def _units_of(cohort: xr.Dataset) -> list[Unit]:
    n_units = cohort.sizes.get("unit", 0)
    labels = cohort["unit"].values.tolist() if "unit" in cohort.coords else list(range(n_units))
    recordings = _along_unit(cohort, "recording")
    ids = _along_unit(cohort, "unit_id")
    owner = {
        str(r): _subject_of(str(r), cohort) for r in ([] if recordings is None else recordings)
    }
    alone = {str(s) for s in cohort["subject"].values}
    found = []
    for k, label in enumerate(labels):
        recording = None if recordings is None else str(recordings[k])
        subject = owner[recording] if recording else next(iter(alone)) if len(alone) == 1 else ""
        for begins in (recording, subject):
            if recording and begins and str(label).startswith(f"{begins}/"):
                label = str(label)[len(begins) + 1 :]
                break
        found.append(Unit(label, recording, subject, str(label if ids is None else ids[k])))
    return found


def _along_unit(cohort: xr.Dataset, name: str) -> np.ndarray | None:
    if name in cohort.coords and cohort[name].dims == ("unit",):
        return np.asarray(cohort[name].values)
    return None


def _subject_of(recording: str, cohort: xr.Dataset) -> str:
    subjects = [str(s) for s in cohort["subject"].values]
    sessions = [str(s) for s in cohort["session_id"].values]
    mine = {
        subject
        for subject, session in zip(subjects, sessions, strict=True)
        if recording in (subject, session, f"{subject}/{session}")
    }
    if len(mine) == 1:
        return mine.pop()
    return _subject_by_numbers(recording, cohort)


def _subject_by_numbers(recording: str, cohort: xr.Dataset) -> str:
    """Name the one subject in whose sessions the units of a recording have numbers."""
    recordings = _along_unit(cohort, "recording")
    if "activity" not in cohort or recordings is None:
        return ""
    unit = np.flatnonzero(recordings.astype(str) == recording)
    activity = cohort["activity"].transpose("session", "unit", ...).values
    there = {
        str(subject)
        for k, subject in enumerate(cohort["subject"].values)
        if np.isfinite(activity[k, unit]).any()
    }
    return there.pop() if len(there) == 1 else ""


def _by_label(cohorts: Sequence[xr.Dataset]) -> bool:
    """Networks and models: the label alone says which unit it is."""
    return cohorts[0].attrs.get("source") != "animal" and not any(
        "recording" in c.coords for c in cohorts
    )


def _one_axis(
    cohorts: Sequence[xr.Dataset], units: Sequence[Sequence[Unit]], declared: bool
) -> bool:
    """Say whether the units are the same in all cohorts already, in the same order."""
    if any("unit" not in c.dims for c in cohorts):
        return False
    known = [
        [(str(u.label), u.recording, u.subject if u.recording else "") for u in mine]
        for mine in units
    ]
    if any(mine != known[0] for mine in known[1:]):
        return False
    if declared and len({(label, who) for label, r, who in known[0] if r}) < sum(
        bool(r) for _, r, _ in known[0]
    ):
        return False
    if declared or len(cohorts) == 1 or cohorts[0].attrs.get("source") != "animal":
        return True
    return all(u.recording is not None for u in units[0]) or not _clash(cohorts)


def _clash(cohorts: Sequence[xr.Dataset]) -> bool:
    """Say whether a subject is in several of the cohorts."""
    subjects = [s for c in cohorts for s in set(c["subject"].values.tolist())]
    return len(subjects) > len(set(subjects))


def _identities(
    cohorts: Sequence[xr.Dataset], units: Sequence[Sequence[Unit]], same_units: SameUnits
) -> tuple[list[list[Any]], dict[Any, tuple[str, str]]]:
    """Give each unit a key that is its own, and each key a label and a recording."""
    recordings = [[_recording(u, c) for u in mine] for mine, c in zip(units, cohorts, strict=True)]
    followed = _followed(units, recordings, same_units if isinstance(same_units, Mapping) else {})
    owners = _owners(
        [
            [replace(u, recording=r) for u, r in zip(mine, there, strict=True)]
            for mine, there in zip(units, recordings, strict=True)
        ]
    )
    one_subject = len({u.subject for mine in units for u in mine}) == 1
    keys: list[list[Any]] = []
    named: dict[Any, tuple[str, str]] = {}
    for number, (mine, there) in enumerate(zip(units, recordings, strict=True)):
        keys.append([])
        for k, (unit, recording) in enumerate(zip(mine, there, strict=True)):
            shown = recording if len(owners[recording]) <= 1 else f"{unit.subject}/{recording}"
            key: tuple[str, ...]
            if (number, k) in followed:
                label = followed[number, k]
                key = ("followed", label)
            elif not recording:
                key, label = ("named", str(unit.label)), str(unit.label)
            elif same_units is True:
                key = ("same", unit.subject, str(unit.label))
                label = str(unit.label) if one_subject else f"{unit.subject}/{unit.label}"
            else:
                key = (unit.subject, recording, str(unit.label))
                label = f"{shown}/{unit.label}"
            before = named.get(key, (label, shown))[1]
            named[key] = (label, shown if before == shown else unit.subject)
            keys[-1].append(key)
        _check_twice(keys[-1], mine, there)
    _check_labels(named)
    return keys, named


def _recording(unit: Unit, cohort: xr.Dataset) -> str:
    if unit.recording is not None:
        return unit.recording
    sessions = [str(s) for s in cohort["session_id"].values]
    return sessions[0] if len(sessions) == 1 else f"{sessions[0]} to {sessions[-1]}"


def _followed(
    units: Sequence[Sequence[Unit]],
    recordings: Sequence[Sequence[str]],
    declared: Mapping[str, Mapping[str, Any]],
) -> dict[tuple[int, int], str]:
    """Find the units that a mapping names: neuron to recording to unit."""
    places: dict[str, dict[str, tuple[int, int]]] = {}
    for number, (mine, there) in enumerate(zip(units, recordings, strict=True)):
        for k, (unit, recording) in enumerate(zip(mine, there, strict=True)):
            of_recording = places.setdefault(recording, {})
            of_recording.setdefault(unit.unit_id, (number, k))
            of_recording[str(unit.label)] = (number, k)
    found: dict[tuple[int, int], str] = {}
    for neuron, where in declared.items():
        if not isinstance(where, Mapping):
            raise InputError(
                f"same_units: neuron {neuron!r} is {where!r}, expected a mapping of session to "
                "unit, {'day1': '0', 'day2': '3'}"
            )
        owners = set()
        for recording, unit in where.items():
            if str(recording) not in places:
                raise InputError(
                    f"same_units: neuron {neuron!r}: no recording {recording!r}; "
                    + did_you_mean(str(recording), places)
                )
            if str(unit) not in places[str(recording)]:
                raise InputError(
                    f"same_units: neuron {neuron!r}: recording {recording!r} has no unit "
                    f"{unit!r}; " + did_you_mean(str(unit), places[str(recording)])
                )
            place = places[str(recording)][str(unit)]
            if found.setdefault(place, str(neuron)) != str(neuron):
                raise InputError(
                    f"same_units: unit {unit!r} of recording {recording!r} is named twice, "
                    f"{found[place]!r} and {neuron!r}"
                )
            owners.add(units[place[0]][place[1]].subject)
        if len(owners) > 1:
            raise InputError(
                f"same_units: neuron {neuron!r} is given to several subjects, "
                f"{', '.join(sorted(owners))}"
            )
    return found


def _check_twice(keys: Sequence[Any], units: Sequence[Unit], recordings: Sequence[str]) -> None:
    seen: dict[Any, int] = {}
    for k, key in enumerate(keys):
        if key in seen and recordings[k] == recordings[seen[key]]:
            raise InputError(
                f"cannot join: unit {str(units[k].label)!r} appears twice in recording "
                f"{recordings[k]!r}; units of different probes need labels of their own, for "
                "example 'A/0' and 'B/0'"
            )
        seen.setdefault(key, k)


def _check_labels(named: Mapping[Any, tuple[str, str]]) -> None:
    labels = [label for label, _ in named.values()]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise InputError(f"cannot join: two different units would be called {twice!r}; rename one")


def _check_agreement(cohorts: Sequence[xr.Dataset]) -> None:
    """Refuse cohorts whose units agree while what is said of them does not."""
    first = cohorts[0]
    for name, variable in first.variables.items():
        if variable.dims != ("unit",):
            continue
        for other in cohorts[1:]:
            if name not in other.variables or variable.equals(other.variables[name]):
                continue
            pairs = zip(variable.values, other.variables[name].values, strict=True)
            k = next(k for k, (one, two) in enumerate(pairs) if not same(one, two))
            raise InputError(
                f"cannot join: {name} of unit {str(first['unit'].values[k])!r} is "
                f"{variable.values[k]!s} in one cohort and {other.variables[name].values[k]!s} in "
                f"another; give it one {name}: cohort.assign_coords({name}=('unit', [...]))"
            )


def _axis(
    cohorts: Sequence[xr.Dataset],
    units: Sequence[Sequence[Unit]],
    keys: Sequence[Sequence[Any]],
    named: Mapping[Any, tuple[str, str]],
    how: str,
) -> Axis:
    """Give every unit its place on the common axis, and join what is said of units."""
    order = {key: k for k, key in enumerate(dict.fromkeys(key for mine in keys for key in mine))}
    places = [np.array([order[key] for key in mine], dtype=int) for mine in keys]
    if how == "as they are":
        labels = np.array(list(order))
        about: dict[str, np.ndarray] = {}
    else:
        labels = np.array([named[key][0] for key in order], dtype=np.str_)
        about = {"recording": np.array([named[key][1] for key in order], dtype=np.str_)}
        ids = {key: u.unit_id for mine, ks in zip(units, keys, strict=True)
               for u, key in reversed(list(zip(mine, ks, strict=True)))}  # fmt: skip
        about["unit_id"] = np.array([ids[key] for key in order], dtype=np.str_)
    names = {
        str(n): str(n) in c.coords
        for c in cohorts
        for n, v in c.variables.items()
        if v.dims == ("unit",) and n not in ("unit", *about)
    }
    said = {n: _said(n, cohorts, places, labels) for n in names}
    return Axis(
        places,
        {"unit": labels, **about, **{n: said[n] for n, is_coord in names.items() if is_coord}},
        {n: said[n] for n, is_coord in names.items() if not is_coord},
    )


def _said(
    name: str, cohorts: Sequence[xr.Dataset], places: Sequence[np.ndarray], labels: np.ndarray
) -> np.ndarray:
    """Join what is said of units, area for example; where nothing is said: "", NaN."""
    parts = [c.variables[name].values if name in c.variables else None for c in cohorts]
    known = [part for part in parts if part is not None]
    dtype = np.result_type(*[part.dtype for part in known])
    everywhere = np.zeros(len(labels), bool)
    for part, place in zip(parts, places, strict=True):
        everywhere[place] |= part is not None
    if dtype.kind in "biu" and not everywhere.all():
        dtype = np.dtype(float)
    joined = np.full(len(labels), fill_of("", dtype), dtype)
    said = np.zeros(len(labels), bool)
    for part, place in zip(parts, places, strict=True):
        if part is None:
            continue
        for value, k in zip(part, place, strict=True):
            nothing = value == "" or (part.dtype.kind == "f" and np.isnan(value))
            if said[k] and not nothing and not same(joined[k], value):
                raise InputError(
                    f"cannot join: {name} of unit {str(labels[k])!r} is {joined[k]!s} in one "
                    f"cohort and {value!s} in another"
                )
            if not nothing:
                joined[k], said[k] = value, True
    return joined
