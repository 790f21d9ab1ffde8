"""Cohorts as plain tables with one row per trial, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.cohort import make_cohort, validate_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.schema import TRIAL, VARIABLES

__all__ = ["from_dataframe", "to_dataframe"]

PADDING, NO_RESPONSE, DROPPED = 1, 3, 4
SPARSE_ROWS, SPARSE_FACTOR = 1000, 10


def to_dataframe(cohort: xr.Dataset) -> pd.DataFrame:
    """Lay a cohort out as a table with one row per trial.

    Parameters
    ----------
    cohort
        A cohort.

    Returns
    -------
    pandas.DataFrame
        Columns subject, session, trial (from 0), the variables of each trial, and
        ``p_reward_0, p_reward_1, ...`` (one column per option, likewise ``expected_reward``).
        Invalid trials are kept, padding is not. Activity, value, policy and the like do not fit
        into a row and are left out. Attributes are in ``.attrs``.

    Examples
    --------
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> to_dataframe(cohort)[["subject", "session", "trial", "choice"]].values.tolist()
    [['a', 'a/0', 0, 0], ['a', 'a/0', 1, 1]]
    """
    validate_cohort(cohort)
    exists = cohort["valid"].transpose(*TRIAL).values == 1
    if "invalid_reason" in cohort:
        exists = exists | (cohort["invalid_reason"].transpose(*TRIAL).values > PADDING)
    else:
        after = exists[:, ::-1].cumsum(axis=1)[:, ::-1] > 0
        exists = exists | after
    session, trial = np.nonzero(exists)
    columns: dict[str, np.ndarray] = {
        "subject": cohort["subject"].values[session],
        "session": cohort["session_id"].values[session],
        "trial": trial,
    }
    for name, variable in cohort.data_vars.items():
        dims = set(variable.dims)
        if dims == set(TRIAL):
            columns[str(name)] = variable.transpose(*TRIAL).values[exists]
        elif dims == {*TRIAL, "option"}:
            values = variable.transpose(*TRIAL, "option").values[exists]
            columns |= {f"{name}_{k}": values[:, k] for k in range(values.shape[1])}
    frame = pd.DataFrame(columns)
    frame.attrs = dict(cohort.attrs)
    return frame


def from_dataframe(
    frame: pd.DataFrame,
    *,
    task: str,
    source: str,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Make a cohort from a table with one row per trial.

    Parameters
    ----------
    frame
        Columns as :func:`to_dataframe` gives: subject, choice, reward, and any of session,
        trial, valid, invalid_reason, forced, state, common, correct, stimulus, problem,
        ``p_reward_<k>``, ``expected_reward_<k>``, ``t_<event>``. Other columns are ignored. Rows
        are in order of time within a session, or ordered by ``trial``, whose gaps become invalid
        trials that the source dropped.
    task, source
        See :func:`neuro_metarl.cohort.make_cohort`.
    attrs
        Further attributes.

    Returns
    -------
    xarray.Dataset
        Sessions in order of first appearance. It always has ``invalid_reason``; an invalid row
        without a reason counts as "no response".

    Raises
    ------
    InputError
        A column is missing, there are no rows, a trial appears twice, trial numbers run far
        beyond the number of rows, or a value breaks the schema.

    Examples
    --------
    >>> frame = pd.DataFrame({"subject": ["a", "a", "b"], "choice": [0, 1, 1], "reward": [1, 0, 1]})
    >>> cohort = from_dataframe(frame, task="bandit", source="animal")
    >>> cohort.valid.values.tolist()
    [[1, 1], [1, 0]]
    """
    _check_frame(frame)
    subject = frame["subject"].astype(str).to_numpy()
    session = frame["session"].astype(str).to_numpy() if "session" in frame else subject
    index, found = pd.factorize(pd.MultiIndex.from_arrays([subject, session]))
    names = pd.MultiIndex.from_tuples(list(found))
    trial = _positions(frame, index, names)
    variables = _variables(frame, index, trial)
    there = np.zeros(variables["choice"].shape, bool)
    there[index, trial] = True
    given = variables.get("valid", variables["choice"] >= 0)
    variables["valid"] = np.where(there, given, 0).astype(int)
    variables["invalid_reason"] = _reasons(variables, there)
    options = [v.shape[-1] for v in variables.values() if v.ndim > len(TRIAL)][:1]
    coords = {"option": ("option", np.arange(options[0], dtype="int8"))} if options else {}
    return make_cohort(
        variables,
        subject=list(names.get_level_values(0)),
        session_id=list(names.get_level_values(1)) if "session" in frame else None,
        task=task,
        source=source,
        coords=coords,
        attrs=attrs,
    )


def _check_frame(frame: pd.DataFrame) -> None:
    for name in ("subject", "choice", "reward"):
        if name not in frame:
            there = ", ".join(map(str, frame.columns))
            raise InputError(f"column {name!r} is missing; there are: {there}")
    if not len(frame):
        raise InputError("the table holds no trials")
    for name in ("subject", "session"):
        if name in frame and frame[name].isna().any():
            raise InputError(f"column {name!r} holds a missing value; name it in every row")


def _variables(frame: pd.DataFrame, index: np.ndarray, trial: np.ndarray) -> dict[str, np.ndarray]:
    """Spread each column over (session, trial), and those of options over (…, option)."""
    shape = (int(index.max()) + 1, int(trial.max()) + 1)
    variables = {}
    for name in map(str, frame.columns):
        if (name in VARIABLES and VARIABLES[name][0] == TRIAL) or name.startswith("t_"):
            variables[name] = _scatter(frame[name], name, index, trial, shape)
    options = _options(frame)
    if len({len(columns) for columns in options.values()}) > 1:
        raise InputError("p_reward_<k> and expected_reward_<k> differ in their number of options")
    for name, columns in options.items():
        parts = [_scatter(frame[c], name, index, trial, shape) for c in columns]
        variables[name] = np.stack(parts, axis=-1)
    return variables


def _positions(frame: pd.DataFrame, index: np.ndarray, names: pd.MultiIndex) -> np.ndarray:
    if "trial" not in frame:
        return frame.groupby(index).cumcount().to_numpy()
    trial = pd.to_numeric(frame["trial"], errors="coerce").to_numpy(float)
    bad = ~np.isfinite(trial) | (trial != np.round(trial))
    if bad.any():
        value = frame["trial"].iloc[int(bad.argmax())]
        raise InputError(f"column 'trial' holds {value!s}, expected whole numbers")
    twice = pd.MultiIndex.from_arrays([index, trial]).duplicated()
    if twice.any():
        place = int(twice.argmax())
        raise InputError(
            f"trial {int(trial[place])} of subject {names[index[place]][0]!r}, session "
            f"{names[index[place]][1]!r}, appears twice; is a 'session' column "
            "missing?"
        )
    first = pd.Series(trial).groupby(index).transform("min").to_numpy()
    position = trial - first
    rows = np.bincount(index)[index]
    far = position > SPARSE_FACTOR * rows + SPARSE_ROWS
    if far.any():
        place = int(far.argmax())
        raise InputError(
            f"column 'trial' runs from {first[place]:.0f} to {trial[place]:.0f} in session "
            f"{names[index[place]][1]!r} of subject {names[index[place]][0]!r}, which has "
            f"{rows[place]} rows; expected the number of the trial within its session"
        )
    return position.astype(int)


def _options(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Columns of each variable with one column per option, in the order of the options."""
    found = {}
    for name, (dims, _, _) in VARIABLES.items():
        if dims != (*TRIAL, "option"):
            continue
        prefix = f"{name}_"
        numbers = sorted(
            int(str(c)[len(prefix) :])
            for c in frame.columns
            if str(c).startswith(prefix) and str(c)[len(prefix) :].isdigit()
        )
        if numbers and numbers != list(range(len(numbers))):
            raise InputError(
                f"columns {', '.join(f'{prefix}{k}' for k in numbers)}: options are numbered from "
                "0 without gaps"
            )
        if numbers:
            found[name] = [f"{prefix}{k}" for k in numbers]
    return found


def _reasons(variables: Mapping[str, np.ndarray], there: np.ndarray) -> np.ndarray:
    """Why each trial is invalid: as given, else no response; gaps are dropped, the end padding."""
    invalid = variables["valid"] == 0
    given = variables.get("invalid_reason", np.zeros(there.shape))
    reason = np.where(invalid & (given == 0), NO_RESPONSE, given)
    follows = there[:, ::-1].cumsum(axis=1)[:, ::-1] > 0
    return np.where(there, reason, np.where(follows, DROPPED, PADDING))


def _scatter(
    column: pd.Series, name: str, index: np.ndarray, trial: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    fill = VARIABLES[name][2] if name in VARIABLES else np.nan
    values = column.to_numpy()
    if values.dtype.kind not in "biuf":
        try:
            values = values.astype(float)
        except (TypeError, ValueError):
            raise InputError(f"column {name!r} holds text where numbers belong") from None
    whole = values.dtype.kind in "biu" and np.isfinite(fill)
    table = np.full(shape, fill, dtype=int if whole else float)
    table[index, trial] = values
    return table
