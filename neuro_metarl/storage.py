"""Cohorts on disk: netCDF, Zarr and plain tables, back as they were."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
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
COMPRESSION = {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True}
WHOLE = "neuro_metarl_all_chunks_written"
SPARSE_ROWS, SPARSE_FACTOR = 1000, 10
LARGEST = 2**63 - 1
# what h5py, h5netcdf, zarr and xarray raise on damaged files
DAMAGE = (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, IndexError)


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
    _check_attributes(cohort)
    plain = cohort.drop_encoding()
    with atomic_path(target) as temporary:
        if kind == ".nc":
            encoding = {
                name: COMPRESSION
                for name, v in plain.data_vars.items()
                if v.size and v.ndim and v.dtype.kind in "biuf"
            }
            plain.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)
        else:
            _to_zarr(plain, temporary, first=True)
            _mark_whole(temporary)
    return target


def save_stream(cohorts: Iterable[xr.Dataset], path: str | os.PathLike[str]) -> Path:
    """Write cohorts to one Zarr folder as they are made, one after the other.

    Parameters
    ----------
    cohorts
        Cohorts of the same variables and sizes but for ``session``, of different sessions; only
        one is in memory at a time. The attributes are those of the first.
    path
        A name that ends in ``.zarr``; the folder appears when all are written.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        Another ending, no cohorts, cohorts that do not fit each other, or a place that cannot be
        written.

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
    shape: dict[str, Any] = {}
    seen: set[tuple[str, str]] = set()
    with atomic_path(target) as temporary:
        for cohort in cohorts:
            _check_attributes(validate_cohort(cohort))
            _check_part(cohort, shape, seen)
            _to_zarr(cohort.drop_encoding(), temporary, first=not shape)
            shape = shape or _shape(cohort)
        if not shape:
            raise InputError(f"{target}: nothing to write, the stream held no cohort")
        _mark_whole(temporary)
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
    if source.is_dir() != (kind == ".zarr"):
        found = "a folder" if source.is_dir() else "a file"
        raise InputError(f"{source}: is {found}; .nc is one file, .zarr is a folder")
    try:
        if kind == ".nc":
            h5py.File(source).close()
            with xr.open_dataset(source, engine="h5netcdf") as opened:
                cohort = opened.load()
        else:
            _check_whole(source)
            with xr.open_zarr(source, consolidated=False, chunks=None) as opened:
                cohort = opened.load()
    except InputError:
        raise
    except DAMAGE as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{source}: cannot be read, the file is damaged ({first})") from None
    cohort = _strings(cohort, np.str_).drop_encoding()
    cohort.attrs = {
        k: v.item() if isinstance(v, np.generic) else v
        for k, v in cohort.attrs.items()
        if k != WHOLE
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


def _kind(path: Path) -> str:
    kind = path.suffix.lower()
    if kind not in (".nc", ".zarr"):
        raise InputError(f"{path}: a cohort's name ends in .nc or .zarr")
    return kind


def _check_attributes(cohort: xr.Dataset) -> None:
    owners = {"": cohort.attrs} | {f" of {n!r}": v.attrs for n, v in cohort.variables.items()}
    for owner, attributes in owners.items():
        for key, value in attributes.items():
            plain = isinstance(value, (str, float, np.integer, np.floating)) or (
                isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
            )
            if not plain:
                raise InputError(
                    f"attribute {key!r}{owner} is a {type(value).__name__}, which cannot be "
                    "stored; use a string (JSON for a configuration) or a 64-bit number"
                )


def _shape(cohort: xr.Dataset) -> dict[str, Any]:
    """Sizes and types by variable, without sessions."""
    return {
        str(name): tuple((d, n) for d, n in v.sizes.items() if d != "session")
        for name, v in cohort.variables.items()
    }


def _check_part(cohort: xr.Dataset, shape: dict[str, Any], seen: set[tuple[str, str]]) -> None:
    mine = _shape(cohort)
    if shape and mine != shape:
        name = next(n for n in [*shape, *mine] if shape.get(n) != mine.get(n))
        raise InputError(
            f"a stream's cohorts must agree: {name!r} is {shape.get(name, 'missing')} in the first "
            f"but {mine.get(name, 'missing')} in a later one"
        )
    subjects, sessions = cohort["subject"].values.tolist(), cohort["session_id"].values.tolist()
    for identity in zip(subjects, sessions, strict=True):
        if identity in seen:
            raise InputError(f"session {identity[1]!r} of subject {identity[0]!r} appears twice")
        seen.add(identity)


def _to_zarr(cohort: xr.Dataset, path: Path, *, first: bool) -> None:
    """Write or append; a chunk holds as many whole sessions as fit into a few megabytes."""
    from zarr.codecs import ZstdCodec

    how: dict[str, Any] = {"append_dim": "session"}
    if first:
        checked = {"compressors": (ZstdCodec(level=0, checksum=True),)}
        how = {"encoding": {name: dict(checked) for name in cohort.variables}}
        for name, variable in cohort.variables.items():
            if variable.dims[:1] == ("session",) and variable.dtype.kind != "U":
                size = variable.nbytes // max(1, variable.shape[0])
                sessions = max(1, CHUNK_BYTES // max(1, size))
                how["encoding"][name]["chunks"] = (sessions, *variable.shape[1:])
    _strings(cohort, object).to_zarr(
        path, zarr_format=3, consolidated=False, write_empty_chunks=True, **how
    )


def _mark_whole(path: Path) -> None:
    import zarr

    zarr.open_group(path, mode="r+").attrs[WHOLE] = 1


def _check_whole(path: Path) -> None:
    """Refuse lost chunks: Zarr would read them as zeros, which look like data."""
    import zarr

    group = zarr.open_group(path, mode="r")
    if WHOLE not in group.attrs:
        return
    for name, array in group.arrays():
        lost = array.nchunks - array.nchunks_initialized
        if lost:
            raise InputError(
                f"{path}: cannot be read, the file is damaged ({lost} of {array.nchunks} chunks of "
                f"{name!r} are missing); copy the folder again"
            )


def _strings(cohort: xr.Dataset, kind: Any) -> xr.Dataset:
    text = {
        name: (v.dims, v.values.astype(object).astype(kind), v.attrs)
        for name, v in cohort.variables.items()
        if v.dtype.kind in "OUT" or name in ("subject", "session_id")
    }
    coords = {name: v for name, v in text.items() if name in cohort.coords}
    return cohort.assign_coords(coords).assign({k: v for k, v in text.items() if k not in coords})


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
