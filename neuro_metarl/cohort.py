"""The cohort: what subjects did, and what their units did, as one labelled data set.

Every analysis in this package takes a *cohort* and asks nothing about where it came from: a
trained network, a cognitive model or an animal. A cohort is a plain
:class:`xarray.Dataset` that obeys the schema ``neuro_metarl.cohort/1``.

Dimensions are known by name; their order never matters. Reserved names: ``session``,
``trial``, ``option``, ``event``, ``unit``, ``subject``, ``lag``, ``term``, ``statistic``.

==================  ===========================  ==========================================
name                dims                         meaning
==================  ===========================  ==========================================
``choice``          session, trial               first-step action (0, 1, ...); -1 exactly
                                                 where there was none
``reward``          session, trial               outcome as delivered
``valid``           session, trial               1 = the trial counts; 0 = padding,
                                                 violation, miss: it does not exist for any
                                                 analysis
``invalid_reason``  session, trial               0 valid, 1 padding, 2 violation,
                                                 3 no response, 4 dropped by the source
``forced``          session, trial               1 = the choice was imposed: history for
                                                 the learner, never a response
``state``           session, trial               two-step: second-step state; -1 if none
``common``          session, trial               two-step: 1 common, 0 rare, relative to
                                                 this subject's own mapping; -1 if none
``choice2``         session, trial               two-step: second-step action (0, 1) where the
                                                 second step has one; -1 if none
``forced2``         session, trial               1 = the second choice was imposed
``correct``         session, trial               1 = the better option was chosen, 0 = the
                                                 worse; -1 = undefined
``p_reward``        session, trial, option       nominal reward probability of each
                                                 second-step state (two-step) or arm
``expected_reward`` session, trial, option       bandits: expected reward of each arm
``t_<event>``       session, trial               time of an event, s on the session's clock
``activity``        session, trial, event, unit  hidden state (a.u.), spikes/s or dF/F
``cell``            session, trial, event, unit  cell state of a network
``policy``          session, trial, event,       probability of each action of a network
                    action
``value``, ``rpe``  session, trial, event        value estimate and reward-prediction error
``inputs``          session, trial, event,       what a network was given: last action (one-hot),
                    input                        observation, last reward
==================  ===========================  ==========================================

Coordinates: ``subject(session)``, the unit of replication (a separately trained network or
an animal), ``session_id(session)``, and where they apply ``species(session)``,
``event(event)``, ``unit(unit)``, ``action(action)``, ``input(input)``, ``option(option)``,
``area(unit)``, in joined recordings ``recording(unit)`` and ``unit_id(unit)``: a unit is known by
both. Attributes: ``schema``, ``task``, ``source`` ("agent", "model" or "animal"), ``task_config``
(JSON), ``created_by`` and others.

Rules. (1) A trial that the source dropped is an invalid row where the source lets us know. (2) Lags
never cross sessions. (3) Flags are ``int8``. (4) Padding is trailing and invalid. (5) Responses are
``valid & ~forced``, history is every valid row. (6) An agent's episode is a session.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.joining import SameUnits, join_units, refuse_same_sessions, stack_sessions
from neuro_metarl.schema import (
    INVALID_REASONS,
    SCHEMA,
    TRIAL,
    cast,
    check_made,
    specification,
    validate_cohort,
)

PADDING = 1

__all__ = [
    "INVALID_REASONS",
    "SCHEMA",
    "concat_cohorts",
    "kind_of_task",
    "make_cohort",
    "responses",
    "select_subjects",
    "subjects_of",
    "validate_cohort",
]


Kind = Literal["two-step-human", "two-step", "bandit", "learning-set", "navigation"]
# words in the name of a task that tell its kind where its variables do not
KIND_WORDS: dict[Kind, str] = {
    "bandit": "bandit|reversal|foraging|prl",
    "learning-set": "harlow|learning-set|object",
    "navigation": "navigation",
}


def make_cohort(
    variables: Mapping[str, Any],
    *,
    subject: Sequence[str],
    task: str,
    source: str,
    session_id: Sequence[str] | None = None,
    coords: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Make a cohort from arrays in the schema's order of dimensions.

    Parameters
    ----------
    variables
        Name to array, dims as in the schema; ``choice`` and ``reward`` at least. Variables
        named ``t_<event>`` are times in seconds. ``valid`` defaults to "a choice was made",
        ``forced`` to 0 everywhere. What stands in the padding after a session's last trial is
        replaced by the schema's fill value.
    subject
        Subject of each session (length: sessions).
    task
        Task name, such as ``"two-step"``.
    source
        ``"agent"``, ``"model"`` or ``"animal"``.
    session_id
        Name of each session; default ``<subject>/<number within the subject>``.
    coords
        Further coordinates, name to ``(dims, values)`` or values along the dim of that name.
    attrs
        Further attributes: strings or numbers, for example ``licence``.

    Returns
    -------
    xarray.Dataset
        A valid cohort.

    Raises
    ------
    InputError
        See :func:`validate_cohort`.

    Examples
    --------
    >>> cohort = make_cohort(
    ...     {"choice": [[0, 1, 1], [1, 0, -1]], "reward": [[1, 0, 1], [0, 1, np.nan]]},
    ...     subject=["a", "b"], task="bandit", source="animal")
    >>> dict(cohort.sizes)
    {'session': 2, 'trial': 3}
    >>> cohort.valid.values.tolist()
    [[1, 1, 1], [1, 1, 0]]
    """
    given = dict(variables)
    told_valid = "valid" in given or "invalid_reason" in given
    if "choice" in given:
        choice = _array("choice", given["choice"])
        made = choice >= 0 if choice.dtype.kind in "biuf" else np.ones(choice.shape, bool)
        given.setdefault("valid", made.astype("int8"))
        given.setdefault("forced", np.zeros(choice.shape, "int8"))
    absent = _absent(given) if told_valid else None
    data = {}
    for name, values in given.items():
        dims, dtype, fill = specification(name)
        array = _array(name, values)
        if absent is not None:
            array = _blanked(name, array, dims, fill, *absent)
        if array.ndim != len(dims):
            raise InputError(
                f"{name}: got {array.ndim} dimensions of shape {array.shape}, "
                f"expected {len(dims)}: {', '.join(dims)}"
            )
        data[name] = (dims, cast(name, array, dtype))
    names = _names("subject", subject, data)
    identity = _number_sessions(names) if session_id is None else _names("session_id", session_id,
                                                                          data)  # fmt: skip
    cohort = xr.Dataset(
        data,
        coords={
            "subject": ("session", np.asarray(names, dtype=np.str_)),
            "session_id": ("session", np.asarray([str(s) for s in identity], dtype=np.str_)),
            **(coords or {}),
        },
        attrs={"schema": SCHEMA, "task": task, "source": source, **(attrs or {})},
    )
    validate_cohort(cohort)
    check_made(cohort, told_valid=told_valid)
    return cohort


def concat_cohorts(cohorts: Sequence[xr.Dataset], *, same_units: SameUnits = None) -> xr.Dataset:
    """Stack cohorts along ``session``; shorter sessions are padded with invalid trials.

    Parameters
    ----------
    cohorts
        Cohorts of one task and one source. A variable must be in all of them or in none.
    same_units
        Which units of an animal are the same neuron. None: those of one recording, which is what
        ``recording(unit)`` names; units of different recordings are different units whatever their
        ids. True: units of a subject that have the same id are the same neuron in every recording.
        A mapping of each neuron's name to its unit in each recording,
        ``{"n1": {"day1": "0", "day2": "3"}}``, for neurons that were followed; all other units
        stay different. Units of networks and models are known by their label; False
        tells them apart by cohort, too.

    Returns
    -------
    xarray.Dataset
        Attributes that are equal everywhere are kept; others are dropped. Where units differ,
        ``unit`` holds all of them, ``activity`` is NaN in the sessions in which a unit was not
        recorded, labels are ``<recording>/<unit>``, and the coordinates ``recording(unit)`` and
        ``unit_id(unit)`` say whose they are. A neuron that was followed over recordings has the
        name of its subject as its recording.

    Raises
    ------
    InputError
        None given, or tasks, sources, variables, labels or the unit of measurement or window of
        the activity differ; or ``same_units`` names what is not there.

    Examples
    --------
    >>> a = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                 subject=["a"], task="bandit", source="animal")
    >>> b = make_cohort({"choice": [[0, 1, 1]], "reward": [[1, 0, 0]]},
    ...                 subject=["b"], task="bandit", source="animal")
    >>> concat_cohorts([a, b]).valid.values.tolist()
    [[1, 1, 0], [1, 1, 1]]
    """
    if not cohorts:
        raise InputError("concat_cohorts needs at least one cohort, got none")
    first = cohorts[0]
    for other in cohorts[1:]:
        for key in ("task", "source"):
            if other.attrs.get(key) != first.attrs.get(key):
                raise InputError(
                    f"cannot join cohorts of different {key}: "
                    f"{first.attrs.get(key)!r} and {other.attrs.get(key)!r}"
                )
        difference = sorted(_apart_from_units(first) ^ _apart_from_units(other))
        if difference:
            raise InputError(
                f"cannot join: {', '.join(difference)} is in one cohort but not in the other; read "
                f"both in one way, or join without: cohort.drop_vars({difference})"
            )
        for dim in set(first.dims) - {"session", "trial", "unit"}:
            same = first.sizes[dim] == other.sizes[dim] and (
                dim not in first.coords or np.array_equal(first[dim], other[dim])
            )
            if not same:
                raise InputError(f"cannot join: the cohorts differ along {dim!r}")
    _check_measure(cohorts)
    refuse_same_sessions(cohorts)
    joined = stack_sessions(cohorts, join_units(cohorts, same_units))
    config = _shared_config(cohorts)
    if config:
        joined.attrs["task_config"] = json.dumps(config, sort_keys=True)
    return validate_cohort(joined)


def _apart_from_units(cohort: xr.Dataset) -> set[str]:
    """Names of variables, without what only describes units."""
    return {str(n) for n, v in cohort.variables.items() if v.dims != ("unit",)}


def _check_measure(cohorts: Sequence[xr.Dataset]) -> None:
    """Refuse activity in different units of measurement, or taken over different windows."""
    for key in ("units", "window_s", "window", "smooth_s"):
        found = {str(c["activity"].attrs[key]) for c in cohorts
                 if "activity" in c and key in c["activity"].attrs}  # fmt: skip
        if len(found) > 1:
            raise InputError(
                f"cannot join: the {key} of activity differ, {' and '.join(sorted(found))}; read "
                "both with the same window, smoothing and kind of signal"
            )


def responses(cohort: xr.Dataset) -> xr.DataArray:
    """Mark the trials on which the subject itself chose: valid and not forced.

    Parameters
    ----------
    cohort
        A cohort.

    Returns
    -------
    xarray.DataArray
        bool, dims session, trial.

    Examples
    --------
    >>> cohort = make_cohort({"choice": [[0, 1, -1]], "reward": [[1, 0, 0]],
    ...                       "forced": [[1, 0, 0]]}, subject=["a"], task="bandit", source="animal")
    >>> responses(cohort).values.tolist()
    [[False, True, False]]
    """
    valid = cohort["valid"] == 1
    return valid & (cohort["forced"] == 0) if "forced" in cohort else valid


def kind_of_task(cohort: xr.Dataset) -> Kind:
    """Say what kind of task a cohort played, by its variables and by the name of its task.

    Parameters
    ----------
    cohort
        A cohort.

    Returns
    -------
    str
        ``"two-step-human"`` where the second step has a choice too (``choice2``), ``"two-step"``
        where there is a second step (``state`` or ``common``). Else the name of the task
        decides, by any word of it: ``"bandit"`` (bandit, reversal, foraging, prl),
        ``"learning-set"`` (harlow, learning-set, objects) or ``"navigation"``.

    Raises
    ------
    InputError
        The name says nothing of the kind, or calls a task two-step that has no second step.

    Examples
    --------
    >>> kind_of_task(make_cohort({"choice": [[0]], "reward": [[1]]}, subject=["a"],
    ...                          task="reversal", source="animal"))
    'bandit'
    """
    if "choice2" in cohort:
        return "two-step-human"
    if "state" in cohort or "common" in cohort:
        return "two-step"
    task = str(cohort.attrs.get("task", ""))
    name = re.sub(r"[\s_]+", "-", task.strip().lower())
    for kind, words in KIND_WORDS.items():
        if re.search(rf"(^|-)({words})s?(-|$)", name):
            return kind
    unknown = f"no kind of task is known by the name {task!r}"
    if re.search(r"(^|-)two-?(step|stage)", name):
        unknown = f"task {task!r} has no variable 'state', the second step's"
    raise InputError(
        f"{unknown}; name the task by what it is: cohort.assign_attrs(task='bandit') for arms that "
        "stay where they are, 'harlow' for two objects that change sides, 'navigation', or "
        "'two-step' with the variable 'state' (when you read a file: task='bandit', in the "
        "command --task bandit)"
    )


def subjects_of(cohort: xr.Dataset) -> list[str]:
    """List the subjects in order of first appearance.

    Parameters
    ----------
    cohort
        A cohort.

    Returns
    -------
    list of str

    Examples
    --------
    >>> cohort = make_cohort({"choice": [[0], [1], [0]], "reward": [[1], [0], [1]]},
    ...                      subject=["b", "a", "b"], task="bandit", source="animal")
    >>> subjects_of(cohort)
    ['b', 'a']
    """
    return [str(s) for s in dict.fromkeys(cohort["subject"].values.tolist())]


def select_subjects(cohort: xr.Dataset, subjects: str | Sequence[str]) -> xr.Dataset:
    """Keep the sessions of some subjects.

    Parameters
    ----------
    cohort
        A cohort.
    subjects
        One subject or several.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    InputError
        There is no such subject.

    Examples
    --------
    >>> cohort = make_cohort({"choice": [[0], [1]], "reward": [[1], [0]]},
    ...                      subject=["b", "a"], task="bandit", source="animal")
    >>> subjects_of(select_subjects(cohort, "a"))
    ['a']
    """
    wanted = [subjects] if isinstance(subjects, str) else list(subjects)
    known = subjects_of(cohort)
    for name in wanted:
        if name not in known:
            raise InputError(f"no subject {name!r} in this cohort; there are: {', '.join(known)}")
    return cohort.isel(session=np.flatnonzero(np.isin(cohort["subject"].values, wanted)))


def _shared_config(cohorts: Sequence[xr.Dataset]) -> dict[str, Any]:
    """Keep what the tasks' configurations agree on; the transition probability must agree."""
    configs = [json.loads(str(c.attrs.get("task_config", "{}"))) for c in cohorts]
    first = configs[0]
    for other in configs[1:]:
        known = first.get("p_common"), other.get("p_common")
        if None not in known and known[0] != known[1]:
            raise InputError(
                f"cannot join cohorts of different task forms: p_common {known[0]} and {known[1]}"
            )
    return {k: v for k, v in first.items() if all(c.get(k) == v for c in configs)}


def _array(name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError(
            f"{name}: rows of different lengths; pad shorter sessions and give 'valid' (0 there)"
        ) from None


def _names(what: str, given: Sequence[Any], data: Mapping[str, Any]) -> list[str]:
    """Names of sessions or of their subjects as text, one for each session of the arrays."""
    if isinstance(given, (str, bytes)):
        raise InputError(
            f"{what} is {given!r}, expected one name per session, for example [{given!r}]"
        )
    names = []
    for k, value in enumerate(given):
        if value is None or value != value:
            raise InputError(f"{what}: no name for session {k} (counted from 0)")
        whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
        names.append(str(int(value)) if whole else str(value))
    shapes = {
        name: np.shape(array)[:2] for name, (dims, array) in data.items() if dims[:2] == TRIAL
    }
    reference = shapes.get("choice")
    for name, shape in shapes.items():
        if reference is not None and shape != reference:
            raise InputError(
                f"{name}: {shape[0]} sessions of {shape[1]} trials, but choice has {reference[0]} "
                f"of {reference[1]}"
            )
    if reference is not None and len(names) != reference[0]:
        raise InputError(f"{what}: {len(names)} names, but choice has {reference[0]} sessions")
    return names


def _absent(given: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray] | None:
    """Mark padding, and trials that do not count; None where the arrays do not fit together."""
    shape = np.shape(given.get("choice", ()))
    valid = np.asarray(given["valid"])
    if len(shape) != len(TRIAL) or valid.shape != shape or valid.dtype.kind not in "biuf":
        return None
    invalid = valid == 0
    if "invalid_reason" in given:
        reason = np.asarray(given["invalid_reason"])
        return (reason == PADDING, invalid) if reason.shape == shape else None
    return ~((~invalid)[:, ::-1].cumsum(axis=1)[:, ::-1] > 0), invalid


def _blanked(
    name: str,
    array: np.ndarray,
    dims: tuple[str, ...],
    fill: float,
    padding: np.ndarray,
    invalid: np.ndarray,
) -> np.ndarray:
    """Put the fill value where there is no trial, and for NaN where none counts."""
    small = dims == TRIAL or dims == (*TRIAL, "option")
    if name in ("valid", "invalid_reason") or not small or array.shape[:2] != padding.shape:
        return array
    if array.ndim != len(dims) or array.dtype.kind not in "biuf":
        return array
    where = padding
    if array.dtype.kind == "f" and np.isfinite(fill) and array.ndim == len(TRIAL):
        where = padding | (invalid & np.isnan(array))
    if not where.any():
        return array
    typed = array if array.dtype.kind == "f" or np.isfinite(fill) else array.astype(float)
    if typed.dtype.kind in "bu" and fill < 0:
        typed = typed.astype(int)
    mask = where if array.ndim == len(TRIAL) else where[..., None]
    return np.where(mask, np.asarray(fill, dtype=typed.dtype), typed)


def _number_sessions(subjects: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for name in subjects:
        names.append(f"{name}/{seen.get(name, 0)}")
        seen[name] = seen.get(name, 0) + 1
    return names
