"""Cohorts on disk: netCDF, Zarr and plain tables, back as they were."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.cohort import make_cohort, validate_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.files import atomic_path
from neuro_metarl.schema import TRIAL, VARIABLES

__all__ = ["from_dataframe", "open_cohort", "save_cohort", "save_stream", "to_dataframe"]

PADDING, NO_RESPONSE, DROPPED = 1, 3, 4
CHUNK_BYTES = 4_000_000
COMPRESSION = {"zlib": True, "complevel": 4, "shuffle": True}


def save_cohort(cohort: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write a cohort to netCDF or Zarr, whole or not at all.

    Parameters
    ----------
    cohort
        A valid cohort.
    path
        A name that ends in ``.nc`` (one file) or ``.zarr`` (a folder of chunks).

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        Not a cohort, another ending, an attribute that cannot be stored, or a place that cannot
        be written.

    Examples
    --------
    >>> import tempfile
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> path = save_cohort(cohort, tempfile.mkdtemp() + "/cohort.nc")
    >>> open_cohort(path).identical(cohort)
    True
    """
    target = Path(path)
    validate_cohort(cohort)
    kind = _kind(target)
    for key, value in cohort.attrs.items():
        if not isinstance(value, (str, int, float, np.integer, np.floating)):
            raise InputError(
                f"attribute {key!r} is a {type(value).__name__}, which cannot be stored; use a "
                "string (JSON for a configuration) or a number"
            )
    plain = cohort.drop_encoding()
    with atomic_path(target) as temporary:
        if kind == ".nc":
            encoding = {
                name: COMPRESSION for name, v in plain.data_vars.items() if v.ndim and v.size
            }
            plain.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)
        else:
            _to_zarr(plain, temporary, first=True)
    return target


def save_stream(cohorts: Iterable[xr.Dataset], path: str | os.PathLike[str]) -> Path:
    """Write cohorts to one Zarr folder as they are made, one after the other.

    Parameters
    ----------
    cohorts
        Cohorts that could be joined; only one is in memory at a time.
    path
        A name that ends in ``.zarr``; the folder appears when all are written.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        Another ending, or a place that cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> parts = (make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]}, subject=[name],
    ...                      task="bandit", source="animal") for name in "ab")
    >>> open_cohort(save_stream(parts, tempfile.mkdtemp() + "/c.zarr")).subject.values.tolist()
    ['a', 'b']
    """
    target = Path(path)
    if _kind(target) != ".zarr":
        raise InputError(f"{target}: a stream is written to a name that ends in .zarr")
    with atomic_path(target) as temporary:
        for k, cohort in enumerate(cohorts):
            _to_zarr(validate_cohort(cohort), temporary, first=k == 0)
    return target


def open_cohort(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a cohort that :func:`save_cohort` or ``record`` wrote, into memory.

    Parameters
    ----------
    path
        ``.nc`` or ``.zarr``.

    Returns
    -------
    xarray.Dataset
        Identical to what was saved, attributes included.

    Raises
    ------
    InputError
        There is no such file, it is damaged, or it is not a cohort.

    Examples
    --------
    >>> open_cohort("nothing.nc")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: nothing.nc: there is no such file
    """
    source = Path(path)
    kind = _kind(source)
    if not source.exists():
        raise InputError(f"{source}: there is no such file")
    try:
        if kind == ".nc":
            with xr.open_dataset(source, engine="h5netcdf") as opened:
                cohort = opened.load()
        else:
            with xr.open_zarr(source, consolidated=False, chunks=None) as opened:
                cohort = opened.load()
    except (OSError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{source}: cannot be read, the file is damaged ({first})") from None
    cohort = _strings(cohort, np.str_).drop_encoding()
    cohort.attrs = {
        k: v.item() if isinstance(v, np.generic) else v for k, v in cohort.attrs.items()
    }
    try:
        return validate_cohort(cohort)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


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
        ``p_reward_0, p_reward_1, ...``. Invalid trials are kept, padding is not. Activity,
        value, policy and the like do not fit into a row and are left out. Attributes are in
        ``.attrs``.

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
        trial, valid, invalid_reason, forced, state, common, correct, ``p_reward_<k>``,
        ``t_<event>``. Other columns are ignored. Rows are in order of time within a session,
        or ordered by ``trial``, whose gaps become invalid trials that the source dropped.
    task, source
        See :func:`neuro_metarl.cohort.make_cohort`.
    attrs
        Further attributes.

    Returns
    -------
    xarray.Dataset
        Sessions in order of first appearance.

    Raises
    ------
    InputError
        A column is missing, a trial appears twice, or a value breaks the schema.

    Examples
    --------
    >>> frame = pd.DataFrame({"subject": ["a", "a", "b"], "choice": [0, 1, 1], "reward": [1, 0, 1]})
    >>> cohort = from_dataframe(frame, task="bandit", source="animal")
    >>> cohort.valid.values.tolist()
    [[1, 1], [1, 0]]
    """
    for name in ("subject", "choice", "reward"):
        if name not in frame:
            raise InputError(f"column {name!r} is missing; there are: {', '.join(frame.columns)}")
    subject = frame["subject"].astype(str).to_numpy()
    session = frame["session"].astype(str).to_numpy() if "session" in frame else subject
    index, found = pd.factorize(pd.MultiIndex.from_arrays([subject, session]))
    names = pd.MultiIndex.from_tuples(list(found))
    trial = _positions(frame, index, names)
    shape = (len(names), int(trial.max()) + 1 if len(trial) else 0)
    variables = {}
    for name in frame.columns:
        if (name in VARIABLES and VARIABLES[name][0] == TRIAL) or str(name).startswith("t_"):
            variables[name] = _scatter(frame[name], name, index, trial, shape)
    options = sorted(c for c in frame.columns if str(c).startswith("p_reward_"))
    if options:
        parts = [_scatter(frame[c], "p_reward", index, trial, shape) for c in options]
        variables["p_reward"] = np.stack(parts, axis=-1)
    there = np.zeros(shape, bool)
    there[index, trial] = True
    last = there[:, ::-1].cumsum(axis=1)[:, ::-1] > 0
    if "valid" not in variables:
        variables["valid"] = (there & (variables["choice"] >= 0)).astype("int8")
    variables["valid"] = np.where(there, variables["valid"], 0)
    reason = variables.get("invalid_reason", np.where(variables["valid"] == 1, 0, NO_RESPONSE))
    variables["invalid_reason"] = np.where(there, reason, np.where(last, DROPPED, PADDING))
    own = [f"{a}/{k}" for a, k in zip(names.get_level_values(0), _within(names), strict=True)]
    given = names.get_level_values(1) if "session" in frame else own
    coords = {"option": ("option", np.arange(len(options), dtype="int8"))} if options else {}
    return make_cohort(
        variables,
        subject=list(names.get_level_values(0)),
        session_id=list(given),
        task=task,
        source=source,
        coords=coords,
        attrs=attrs,
    )


def _kind(path: Path) -> str:
    kind = path.suffix.lower()
    if kind not in (".nc", ".zarr"):
        raise InputError(f"{path}: a cohort's name ends in .nc or .zarr")
    return kind


def _to_zarr(cohort: xr.Dataset, path: Path, *, first: bool) -> None:
    """Write or append; a chunk holds as many whole sessions as fit into a few megabytes."""
    how: dict[str, Any] = {"append_dim": "session"}
    if first:
        how = {"encoding": {}}
        for name, variable in cohort.variables.items():
            if variable.dims[:1] == ("session",) and variable.dtype.kind != "U":
                size = variable.nbytes // max(1, variable.shape[0])
                sessions = max(1, CHUNK_BYTES // max(1, size))
                how["encoding"][name] = {"chunks": (sessions, *variable.shape[1:])}
    _strings(cohort, object).to_zarr(path, zarr_format=3, consolidated=False, **how)


def _strings(cohort: xr.Dataset, kind: Any) -> xr.Dataset:
    text = {
        name: (c.dims, c.values.astype(object).astype(kind))
        for name, c in cohort.coords.items()
        if c.dtype.kind in "OUT"
    }
    return cohort.assign_coords(text)


def _within(names: pd.MultiIndex) -> list[int]:
    seen: dict[str, int] = {}
    numbers = []
    for name in names.get_level_values(0):
        numbers.append(seen.get(name, 0))
        seen[name] = numbers[-1] + 1
    return numbers


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
    return (trial - first).astype(int)


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
