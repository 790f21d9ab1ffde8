"""Cohorts as plain tables with one row per trial, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.cohort import validate_cohort
from neuro_metarl.door.rows import cohort_of_table, may_matter
from neuro_metarl.door.table import Column, Source, Table
from neuro_metarl.errors import InputError
from neuro_metarl.schema import TRIAL

__all__ = ["from_dataframe", "table_of_frame", "to_dataframe"]

PADDING = 1


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
    >>> from neuro_metarl.cohort import make_cohort
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
    codes: Mapping[str, Mapping[Any, float]] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Make a cohort from a table with one row per trial.

    Parameters
    ----------
    frame
        Columns as :func:`to_dataframe` gives: subject, choice, reward, and any of session,
        trial, valid, invalid_reason, forced, state, common, choice2, forced2, correct, stimulus,
        problem, ``p_reward_<k>``, ``expected_reward_<k>``, ``t_<event>``. Others are ignored. Rows
        are in order of time within a session, or ordered by ``trial``, whose gaps become
        invalid trials that the source dropped. Choices, states and flags have the codes that
        :func:`neuro_metarl.io.tables.read_table` knows: 0 and 1 (arms 0, 1, 2, ...), left and
        right, true and false. -1 says "no choice" only in rows that ``valid`` or
        ``invalid_reason`` marks, or where ``codes`` declares it.
    task, source
        See :func:`neuro_metarl.cohort.make_cohort`. For the two-step task state or common is
        needed, and the other is derived as :func:`neuro_metarl.io.tables.read_table` says.
    codes
        Our column to other codes, for example ``{"choice": {-1: 0, 1: 1}}``.
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
        One line that names the row by its label in the index, the column, what was found and what
        would be right.

    Examples
    --------
    >>> frame = pd.DataFrame({"subject": ["a", "a", "b"], "choice": [0, 1, 1], "reward": [1, 0, 1]})
    >>> cohort = from_dataframe(frame, task="bandit", source="animal")
    >>> cohort.valid.values.tolist()
    [[1, 1], [1, 0]]
    """
    return cohort_of_table(
        table_of_frame(frame), task=task, source=source, codes=codes, attrs=attrs
    )


def table_of_frame(frame: pd.DataFrame, where: str = "", word: str = "row") -> Table:
    """Take the columns of a data frame as they stand.

    Parameters
    ----------
    frame
        One row per trial. Rows are named by the index where its labels are unique.
    where, word
        See :class:`neuro_metarl.door.table.Source`.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        Not a data frame, a column twice, or columns of two levels.

    Examples
    --------
    >>> table_of_frame(pd.DataFrame({"choice": [0, 1]})).n_rows
    2
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"expected a pandas.DataFrame, got {type(frame).__name__}")
    if isinstance(frame.columns, pd.MultiIndex):
        raise InputError(
            f"the columns have {frame.columns.nlevels} levels, such as {frame.columns[0]}; give "
            "each column one name, for example frame.set_axis([...], axis=1)"
        )
    names = [str(c).strip() for c in frame.columns]
    twice = [n for n in dict.fromkeys(names) if names.count(n) > 1]
    if twice:
        raise InputError(f"column {twice[0]!r} appears {names.count(twice[0])} times; keep one")
    rows = frame.index.to_numpy() if frame.index.is_unique else np.arange(len(frame))
    nothing = Column(np.zeros(len(frame), int), (None,))
    columns = {
        name: Column.of(frame.iloc[:, k]) if may_matter(name) else nothing
        for k, name in enumerate(names)
    }
    return Table(columns, Source(where, rows, word, "python"))
