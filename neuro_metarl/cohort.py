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

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.schema import INVALID_REASONS, SCHEMA, cast, specification, validate_cohort

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
        dims, dtype, _ = specification(name)
        array = np.asarray(values)
        if array.ndim != len(dims):
            raise InputError(
                f"{name}: got {array.ndim} dimensions of shape {array.shape}, "
                f"expected {len(dims)}: {', '.join(dims)}"
            )
        data[name] = (dims, cast(name, array, dtype))
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
    config = _shared_config(cohorts)
    if config:
        joined.attrs["task_config"] = json.dumps(config, sort_keys=True)
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


def kind_of_task(cohort: xr.Dataset) -> Literal["two-step-human", "two-step", "bandit"]:
    """Say by its variables what kind of task a cohort played.

    Parameters
    ----------
    cohort
        A cohort.

    Returns
    -------
    str
        ``"two-step-human"`` where the second step has a choice too, ``"two-step"`` where there is a
        second step, else ``"bandit"``.

    Examples
    --------
    >>> kind_of_task(make_cohort({"choice": [[0]], "reward": [[1]]}, subject=["a"],
    ...                          task="reversal", source="animal"))
    'bandit'
    """
    if "choice2" in cohort:
        return "two-step-human"
    return "two-step" if "state" in cohort or "common" in cohort else "bandit"


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


def _number_sessions(subjects: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for name in subjects:
        names.append(f"{name}/{seen.get(name, 0)}")
        seen[name] = seen.get(name, 0) + 1
    return names


def _pad_trials(cohort: xr.Dataset, n_trials: int) -> xr.Dataset:
    missing = n_trials - cohort.sizes["trial"]
    if missing == 0:
        return cohort
    padded = {}
    for name, variable in cohort.variables.items():
        if "trial" in variable.dims:
            fill = specification(str(name))[2]
            padded[name] = variable.pad(trial=(0, missing), constant_values=fill)
    return cohort.drop_vars(list(padded)).assign(padded)
