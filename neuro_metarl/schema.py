"""The rules of the cohort: its variables, their types, and what each refusal says.

The rules are explained in :mod:`neuro_metarl.cohort`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError

__all__ = [
    "INVALID_REASONS",
    "SCHEMA",
    "TRIAL",
    "VARIABLES",
    "cast",
    "check_made",
    "specification",
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
    "choice2": (TRIAL, "int8", -1),
    "forced2": (TRIAL, "int8", 0),
    "correct": (TRIAL, "int8", -1),
    "stimulus": (TRIAL, "int32", -1),
    "problem": (TRIAL, "int32", -1),
    "p_reward": ((*TRIAL, "option"), "float32", np.nan),
    "expected_reward": ((*TRIAL, "option"), "float32", np.nan),
    "activity": (ACTIVITY, "float32", np.nan),
    "cell": (ACTIVITY, "float32", np.nan),
    "gates": ((*ACTIVITY, "gate"), "float32", np.nan),
    "value": ((*TRIAL, "event"), "float32", np.nan),
    "rpe": ((*TRIAL, "event"), "float32", np.nan),
    "policy": ((*TRIAL, "event", "action"), "float32", np.nan),
    "inputs": ((*TRIAL, "event", "input"), "float32", np.nan),
}
REQUIRED = ("choice", "reward", "valid")
BINARY = {
    "valid": (0, 1),
    "forced": (0, 1),
    "forced2": (0, 1),
    "common": (-1, 0, 1),
    "correct": (-1, 0, 1),
}
TOO_RARE = 3.0
SLIPS = {
    "choice": "code choices 0, 1, ... and -1 for no choice (not 1/2, not 'l'/'r')",
    "reward": "give the outcome as delivered, for example 0 or 1",
    "valid": "1 = the trial counts, 0 = padding, violation or miss",
    "forced": "1 = the choice was imposed, 0 = free",
    "common": "1 = common, 0 = rare, relative to the subject's own mapping; -1 = no transition",
    "correct": "1 = better option, 0 = worse, -1 = undefined (not NaN)",
    "state": "code second-step states 0, 1, ... and -1 for none",
}


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
    >>> from neuro_metarl.cohort import make_cohort
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


def specification(name: str) -> tuple[tuple[str, ...], str, float]:
    """Return a variable's dims, dtype and fill value.

    Parameters
    ----------
    name
        Name of the variable; ``t_<event>`` is any event time.

    Returns
    -------
    tuple
        Dims, dtype, and the value that stands where there is no trial.

    Raises
    ------
    InputError
        The schema has no such variable.

    Examples
    --------
    >>> specification("choice")
    (('session', 'trial'), 'int8', -1)
    """
    if name.startswith("t_"):
        return TRIAL, "float64", np.nan
    if name not in VARIABLES:
        raise InputError(
            f"{name}: not a variable of the cohort schema; known are {', '.join(VARIABLES)} "
            "and t_<event> for event times"
        )
    return VARIABLES[name]


def cast(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    """Turn an array into the schema's type, refusing what would be lost on the way.

    Parameters
    ----------
    name
        Variable that the message names.
    array
        Numbers.
    dtype
        Type of the schema.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    InputError
        Text, fractions or NaN where whole numbers belong, or too large a number.

    Examples
    --------
    >>> cast("choice", np.array([0.0, 1.0]), "int8").dtype
    dtype('int8')
    """
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


def check_made(cohort: xr.Dataset, *, told_valid: bool) -> None:
    """Check what a cohort must be when it is made: codes, options, odds and order of time.

    Parameters
    ----------
    cohort
        A valid cohort.
    told_valid
        Whether its maker said which trials count; if not, a choice of -1 says it.

    Raises
    ------
    InputError
        Choices coded -1 and 1, animals' choices numbered from 1, more choices than options, odds of
        some options of a trial only, or times that fall within a session.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> make_cohort({"choice": [[-1, 1, -1]], "reward": [[1, 0, 1]]},
    ...             subject=["a"], task="bandit", source="animal")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: choice: -1 and 1 but never 0: is -1 the other option? ...
    """
    choice = cohort["choice"].transpose(*TRIAL).values
    valid = cohort["valid"].transpose(*TRIAL).values == 1
    made = choice[valid]
    inside = valid[:, ::-1].cumsum(axis=1)[:, ::-1] > 0
    if not told_valid and (choice[inside] == -1).any() and set(np.unique(made)) == {1}:
        raise InputError(
            "choice: -1 and 1 but never 0: is -1 the other option? code choices 0 and 1, or give "
            "'valid' (1 where a choice was made)"
        )
    n_options = _n_options(cohort)
    if {"state", "common"} & set(cohort.data_vars):
        n_options = min(n_options or 2, 2)
        _check_second_step(cohort, valid)
    if n_options is not None:
        _refuse(cohort, "choice", valid & (choice >= n_options), f"there are {n_options} options")
    elif cohort.attrs["source"] == "animal" and made.size and made.min() > 0 and made.max() > 1:
        raise InputError(
            f"choice: the lowest code is {made.min()}, expected options numbered from 0; where the "
            "first options were never chosen, say how many there are: coords={'option': [0, ...]}"
        )
    for name in ("p_reward", "expected_reward"):
        if name in cohort:
            absent = np.isnan(cohort[name].transpose(*TRIAL, "option").values)
            partly = valid & absent.any(axis=-1) & ~absent.all(axis=-1)
            _refuse(cohort, name, partly, "give all options of a trial or none (NaN)")
    for variable in map(str, cohort.data_vars):
        if variable.startswith("t_"):
            _check_times(cohort, variable)


def _check_second_step(cohort: xr.Dataset, valid: np.ndarray) -> None:
    """Refuse a third state, and a "common" transition that is clearly the rarer one."""
    if "state" in cohort:
        state = cohort["state"].transpose(*TRIAL).values
        _refuse(cohort, "state", valid & (state > 1), "the second step has the states 0 and 1")
    if "common" not in cohort:
        return
    common = cohort["common"].transpose(*TRIAL).values == 1
    names = cohort["subject"].values
    for name in dict.fromkeys(names.tolist()):
        mine = (names == name)[:, None] & valid
        n, share = mine.sum(), common[mine].mean() if mine.any() else 0.5
        if share < 0.5 - TOO_RARE * np.sqrt(0.25 / max(n, 1)):
            raise InputError(
                f"common: only {share:.0%} of the transitions of subject {str(name)!r} are common; "
                "likely slip: " + SLIPS["common"]
            )


def _n_options(cohort: xr.Dataset) -> int | None:
    return int(cohort.sizes["option"]) if "option" in cohort.sizes else None


def _check_times(cohort: xr.Dataset, name: str) -> None:
    """Refuse times that fall; NaN is passed over."""
    times = cohort[name].transpose(*TRIAL).values
    if not times.size:
        return
    latest = np.fmax.accumulate(np.where(np.isfinite(times), times, -np.inf), axis=1)
    before = np.concatenate([np.full((len(times), 1), -np.inf), latest[:, :-1]], axis=1)
    _refuse(
        cohort, name, times < before,
        "times are on the clock of the session, in s, and rise with its trials",
    )  # fmt: skip


def _check_dims(cohort: xr.Dataset) -> None:
    for name, variable in cohort.data_vars.items():
        known = str(name).startswith("t_") or name in VARIABLES
        if not known:
            continue
        dims, dtype, _ = specification(str(name))
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
            f"session_id: session {twice[1]!r} of subject {twice[0]!r} appears twice; each session "
            "of a subject needs a name of its own"
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


def _refuse(cohort: xr.Dataset, name: str, bad: Any, slip: str = "") -> None:
    if not bad.any():
        return
    session, trial = (int(i) for i in np.argwhere(bad)[0])
    value = cohort[name].transpose(*TRIAL, ...).values[session, trial]
    exists = bool(cohort["valid"].transpose(*TRIAL).values[session, trial] == 1)
    slip = slip or SLIPS.get(name, "see the schema in neuro_metarl.cohort")
    raise InputError(
        f"{name}: {value} at subject {str(cohort['subject'].values[session])!r}, "
        f"session {str(cohort['session_id'].values[session])!r}, trial {trial}"
        + (", which is valid" if exists and name != "valid" else "")
        + (f" ({int(bad.sum())} such trials)" if bad.sum() > 1 else "")
        + f"; likely slip: {slip}"
    )
