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
``correct``         session, trial               1 = the better option was chosen, 0 = the
                                                 worse; -1 = undefined
``p_reward``        session, trial, option       nominal reward probability of each
                                                 second-step state (two-step) or arm
``t_<event>``       session, trial               time of an event, s on the session's clock
``activity``        session, trial, event, unit  hidden state (a.u.), spikes/s or dF/F
``cell``            session, trial, event, unit  cell state of a network
``policy``          session, trial, event,       probability of each action of a network
                    action
``value``, ``rpe``  session, trial, event        value estimate and reward-prediction error
==================  ===========================  ==========================================

Coordinates: ``subject(session)``, the unit of replication (a separately trained network or
an animal), ``session_id(session)``, and where they apply ``species(session)``,
``event(event)``, ``unit(unit)``, ``action(action)``, ``option(option)``, ``area(unit)``.
Attributes: ``schema``, ``task``, ``source`` ("agent", "model" or "animal"),
``task_config`` (JSON), ``created_by`` and, where they apply, ``licence``, ``references``,
``history``.

Rules. (1) A trial that the source dropped is kept as an invalid row where the source lets us
know. (2) Lags never cross sessions. (3) Flags are ``int8``, so that ``shift`` keeps them
numbers. (4) The table is rectangular: padding is trailing and invalid. (5) Responses are
``valid & ~forced``; history is every valid row. (6) An agent's episode is a session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError

__all__ = [
    "INVALID_REASONS",
    "SCHEMA",
    "concat_cohorts",
    "make_cohort",
    "responses",
    "select_subjects",
    "subjects_of",
    "validate_cohort",
]

SCHEMA = "neuro_metarl.cohort/1"
INVALID_REASONS = {0: "valid", 1: "padding", 2: "violation", 3: "no_response", 4: "dropped"}
SOURCES = ("agent", "model", "animal")

TRIAL = ("session", "trial")
ACTIVITY = (*TRIAL, "event", "unit")
# dims, dtype, and the value that stands where there is no trial
VARIABLES: dict[str, tuple[tuple[str, ...], str, float]] = {
    "choice": (TRIAL, "int8", -1),
    "reward": (TRIAL, "float32", np.nan),
    "valid": (TRIAL, "int8", 0),
    "invalid_reason": (TRIAL, "int8", 1),
    "forced": (TRIAL, "int8", 0),
    "state": (TRIAL, "int8", -1),
    "common": (TRIAL, "int8", -1),
    "correct": (TRIAL, "int8", -1),
    "stimulus": (TRIAL, "int32", -1),
    "problem": (TRIAL, "int32", -1),
    "p_reward": ((*TRIAL, "option"), "float32", np.nan),
    "activity": (ACTIVITY, "float32", np.nan),
    "cell": (ACTIVITY, "float32", np.nan),
    "gates": ((*ACTIVITY, "gate"), "float32", np.nan),
    "value": ((*TRIAL, "event"), "float32", np.nan),
    "rpe": ((*TRIAL, "event"), "float32", np.nan),
    "policy": ((*TRIAL, "event", "action"), "float32", np.nan),
}
REQUIRED = ("choice", "reward", "valid")
BINARY = {"valid": (0, 1), "forced": (0, 1), "common": (-1, 0, 1), "correct": (-1, 0, 1)}
SLIPS = {
    "choice": "code choices 0, 1, ... and -1 for no choice (not 1/2, not 'l'/'r')",
    "reward": "give the outcome as delivered, for example 0 or 1",
    "valid": "1 = the trial counts, 0 = padding, violation or miss",
    "forced": "1 = the choice was imposed, 0 = free",
    "common": "1 = common, 0 = rare, relative to the subject's own mapping; -1 = no transition",
    "correct": "1 = better option, 0 = worse, -1 = undefined (not NaN)",
    "state": "code second-step states 0, 1, ... and -1 for none",
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
        ``forced`` to 0 everywhere.
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
    if "choice" in given:
        choice = np.asarray(given["choice"])
        made = choice >= 0 if choice.dtype.kind in "biuf" else np.ones(choice.shape, bool)
        given.setdefault("valid", made.astype("int8"))
        given.setdefault("forced", np.zeros(choice.shape, "int8"))
    data = {}
    for name, values in given.items():
        dims, dtype, _ = _specification(name)
        array = np.asarray(values)
        if array.ndim != len(dims):
            raise InputError(
                f"{name}: got {array.ndim} dimensions of shape {array.shape}, "
                f"expected {len(dims)}: {', '.join(dims)}"
            )
        data[name] = (dims, _cast(name, array, dtype))
    names = [str(s) for s in subject]
    identity = session_id if session_id is not None else _number_sessions(names)
    cohort = xr.Dataset(
        data,
        coords={
            "subject": ("session", np.asarray(names, dtype=np.str_)),
            "session_id": ("session", np.asarray([str(s) for s in identity], dtype=np.str_)),
            **(coords or {}),
        },
        attrs={"schema": SCHEMA, "task": task, "source": source, **(attrs or {})},
    )
    return validate_cohort(cohort)


def validate_cohort(cohort: xr.Dataset) -> xr.Dataset:
    """Check a data set against the schema and return it unchanged.

    Parameters
    ----------
    cohort
        Dims by name; see the module's table.

    Returns
    -------
    xarray.Dataset
        The same object.

    Raises
    ------
    InputError
        Naming the variable, its dimension or the place of the first bad value (subject,
        session, trial counted from 0), what was found and the likely slip.

    Examples
    --------
    >>> bad = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                   subject=["a"], task="bandit", source="animal")
    >>> bad["reward"][0, 1] = np.nan
    >>> validate_cohort(bad)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: reward: nan at subject 'a', session 'a/0', trial 1, ...
    """
    if not isinstance(cohort, xr.Dataset):
        raise InputError(f"a cohort is an xarray.Dataset, got {type(cohort).__name__}")
    schema = cohort.attrs.get("schema")
    if schema != SCHEMA:
        raise InputError(f"attribute 'schema' is {schema!r}, expected {SCHEMA!r}: not a cohort")
    if cohort.attrs.get("source") not in SOURCES:
        raise InputError(
            f"attribute 'source' is {cohort.attrs.get('source')!r}, "
            f"expected one of {', '.join(SOURCES)}"
        )
    if "task" not in cohort.attrs:
        raise InputError("attribute 'task' is missing: name the task, for example 'two-step'")
    for name in REQUIRED:
        if name not in cohort:
            raise InputError(f"{name}: missing; a cohort needs {', '.join(REQUIRED)}")
    _check_dims(cohort)
    _check_subjects(cohort)
    _check_values(cohort)
    _check_padding(cohort)
    return cohort


def concat_cohorts(cohorts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Stack cohorts along ``session``; shorter sessions are padded with invalid trials.

    Parameters
    ----------
    cohorts
        Cohorts of one task and one source. A variable must be in all of them or in none.

    Returns
    -------
    xarray.Dataset
        Attributes that are equal everywhere are kept; others are dropped.

    Raises
    ------
    InputError
        None given, or tasks, sources, variables or labels differ.

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
        difference = set(first.variables) ^ set(other.variables)
        if difference:
            raise InputError(
                f"cannot join: {', '.join(sorted(map(str, difference)))} is in one cohort but not "
                "in the other; drop it first with cohort.drop_vars(...)"
            )
        for dim in set(first.dims) - {"session", "trial"}:
            same = first.sizes[dim] == other.sizes[dim] and (
                dim not in first.coords or np.array_equal(first[dim], other[dim])
            )
            if not same:
                raise InputError(f"cannot join: the cohorts differ along {dim!r}")
    n_trials = max(c.sizes["trial"] for c in cohorts)
    padded = [_pad_trials(c, n_trials) for c in cohorts]
    joined = xr.concat(
        padded,
        dim="session",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="drop_conflicts",
    )
    return validate_cohort(joined)


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


def _specification(name: str) -> tuple[tuple[str, ...], str, float]:
    if name.startswith("t_"):
        return TRIAL, "float64", np.nan
    if name not in VARIABLES:
        raise InputError(
            f"{name}: not a variable of the cohort schema; known are {', '.join(VARIABLES)} "
            "and t_<event> for event times"
        )
    return VARIABLES[name]


def _cast(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{name}: got values of type {array.dtype}, expected numbers; likely slip: "
            + SLIPS.get(name, "text where numbers belong")
        )
    if dtype.startswith("int") and array.dtype.kind == "f":
        bad = ~np.isfinite(array) | (array != np.round(array))
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            raise InputError(
                f"{name}: {array[place]} at session {place[0]}, trial {place[1]} (counted from 0), "
                f"expected whole numbers; likely slip: {SLIPS.get(name, 'NaN for a missing value')}"
            )
    if dtype.startswith("int"):
        limits = np.iinfo(dtype)
        if array.size and (array.min() < limits.min or array.max() > limits.max):
            raise InputError(f"{name}: values run to {array.max()}, more than {dtype} can hold")
    return array.astype(dtype)


def _number_sessions(subjects: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for name in subjects:
        names.append(f"{name}/{seen.get(name, 0)}")
        seen[name] = seen.get(name, 0) + 1
    return names


def _check_dims(cohort: xr.Dataset) -> None:
    for name, variable in cohort.data_vars.items():
        known = str(name).startswith("t_") or name in VARIABLES
        if not known:
            continue
        dims, dtype, _ = _specification(str(name))
        missing = [d for d in dims if d not in variable.dims]
        extra = [str(d) for d in variable.dims if d not in dims]
        if missing or extra:
            raise InputError(
                f"{name}: dims are ({', '.join(map(str, variable.dims))}), "
                f"expected ({', '.join(dims)})"
                + (f"; missing {', '.join(missing)}" if missing else "")
                + (f"; {', '.join(extra)} does not belong" if extra else "")
            )
        if variable.dtype != np.dtype(dtype):
            raise InputError(
                f"{name}: dtype is {variable.dtype}, expected {dtype}"
                + (
                    "; likely slip: bool flags; use .astype('int8')"
                    if variable.dtype == bool
                    else ""
                )
            )


def _check_subjects(cohort: xr.Dataset) -> None:
    for name in ("subject", "session_id"):
        if name not in cohort.coords or cohort[name].dims != ("session",):
            raise InputError(f"coordinate {name!r} along 'session' is missing")
    names, sessions = cohort["subject"].values.tolist(), cohort["session_id"].values.tolist()
    identities = list(zip(names, sessions, strict=True))
    if len(set(identities)) < len(identities):
        twice = next(i for i in identities if identities.count(i) > 1)
        raise InputError(
            f"session_id: session {twice[1]!r} of subject {twice[0]!r} appears twice; "
            "likely slip: the same file joined twice"
        )


def _check_values(cohort: xr.Dataset) -> None:
    valid = cohort["valid"].transpose(*TRIAL).values
    _refuse(cohort, "valid", ~np.isin(valid, (0, 1)))
    exists = valid == 1
    for name, codes in BINARY.items():
        if name in cohort and name != "valid":
            _refuse(cohort, name, ~np.isin(cohort[name].transpose(*TRIAL).values, codes))
    choice = cohort["choice"].transpose(*TRIAL).values
    _refuse(cohort, "choice", (choice < -1) | (exists & (choice < 0)))
    _refuse(cohort, "reward", exists & ~np.isfinite(cohort["reward"].transpose(*TRIAL).values))
    for name in ("state", "common"):
        if name in cohort:
            _refuse(cohort, name, exists & (cohort[name].transpose(*TRIAL).values < 0))
    if "p_reward" in cohort:
        p = cohort["p_reward"].transpose(*TRIAL, ...).values
        _refuse(cohort, "p_reward", ((p < 0) | (p > 1)).any(axis=-1))


def _check_padding(cohort: xr.Dataset) -> None:
    if "invalid_reason" not in cohort:
        return
    reason = cohort["invalid_reason"].transpose(*TRIAL).values
    valid = cohort["valid"].transpose(*TRIAL).values == 1
    _refuse(cohort, "invalid_reason", ~np.isin(reason, list(INVALID_REASONS)))
    _refuse(cohort, "invalid_reason", (reason == 0) != valid)
    padding = reason == 1
    _refuse(cohort, "invalid_reason", padding[:, :-1] & ~padding[:, 1:])


def _refuse(cohort: xr.Dataset, name: str, bad: Any) -> None:
    if not bad.any():
        return
    session, trial = (int(i) for i in np.argwhere(bad)[0])
    value = cohort[name].transpose(*TRIAL, ...).values[session, trial]
    exists = bool(cohort["valid"].transpose(*TRIAL).values[session, trial] == 1)
    slip = SLIPS.get(name, "see the schema in neuro_metarl.cohort")
    raise InputError(
        f"{name}: {value} at subject {str(cohort['subject'].values[session])!r}, "
        f"session {str(cohort['session_id'].values[session])!r}, trial {trial}"
        + (", which is valid" if exists and name != "valid" else "")
        + (f" ({int(bad.sum())} such trials)" if bad.sum() > 1 else "")
        + f"; likely slip: {slip}"
    )


def _pad_trials(cohort: xr.Dataset, n_trials: int) -> xr.Dataset:
    missing = n_trials - cohort.sizes["trial"]
    if missing == 0:
        return cohort
    padded = {}
    for name, variable in cohort.variables.items():
        if "trial" in variable.dims:
            fill = _specification(str(name))[2]
            padded[name] = variable.pad(trial=(0, missing), constant_values=fill)
    return cohort.drop_vars(list(padded)).assign(padded)
