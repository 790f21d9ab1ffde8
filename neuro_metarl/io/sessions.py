"""A cohort session by session, as NWB, Neo and pynapple hold it, and back without loss.

A session is a table with one row per trial, series with one row per trial and event, and a
*layout*: everything that neither holds (attributes, labels, types, order of dimensions), as
numbers and text that fit into JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.errors import InputError
from neuro_metarl.schema import TRIAL, VARIABLES, specification, validate_cohort

__all__ = ["LAYOUT", "Session", "join_sessions", "session_spikes", "split_sessions"]

LAYOUT = "neuro_metarl_layout"
VERSION = 1
PADDING = 1
COLUMN, SERIES, LABEL = "column", "series", "label"


@dataclass(frozen=True)
class Session:
    """One session of a cohort.

    Attributes
    ----------
    columns
        Name to one value per trial; a variable with options has a column for each,
        ``p_reward_0``, ``p_reward_1``.
    series
        Name to ``(rows, features)``: one row per trial and event, in order of time.
    start, stop
        Beginning and end of each trial, s.
    times
        Time of each row of the series, s.
    nominal
        True where the cohort holds no times, and steps of a nominal length stand for them.
    layout
        What else the cohort holds; fits into JSON.
    """

    columns: dict[str, np.ndarray]
    series: dict[str, np.ndarray]
    start: np.ndarray
    stop: np.ndarray
    times: np.ndarray
    nominal: bool
    layout: dict[str, Any]

    @property
    def subject(self) -> str:
        """Name of the subject."""
        return str(self.layout["variables"]["subject"]["values"])

    @property
    def session_id(self) -> str:
        """Name of the session."""
        return str(self.layout["variables"]["session_id"]["values"])


def split_sessions(cohort: xr.Dataset, *, step_s: float = 1.0) -> Iterator[Session]:
    """Take a cohort apart into its sessions, without their padding.

    Parameters
    ----------
    cohort
        A cohort.
    step_s
        Nominal length of a step (an event of a trial), s, where there are no times.

    Yields
    ------
    Session
        Times are those of ``t_<event>``. A trial begins at ``t_start``, or else at its first
        event; where no event of it has a time, its beginning is interpolated. A trial ends where
        the next one begins. Without times, or where they do not increase, every event lasts
        ``step_s``.

    Raises
    ------
    InputError
        Not a cohort, or it holds what cannot be written down.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> session = next(split_sessions(cohort))
    >>> session.columns["choice"].tolist(), session.start.tolist(), session.nominal
    ([0, 1], [0.0, 1.0], True)
    """
    validate_cohort(cohort)
    if not (np.isfinite(step_s) and step_s > 0):
        raise InputError(f"step_s is {step_s}, expected a length in seconds above 0")
    if not cohort.sizes["session"]:
        raise InputError("the cohort holds no sessions")
    kinds = {str(name): _kind(str(name), v) for name, v in cohort.variables.items()}
    attrs = {str(k): _plain(v, f"attribute {k!r}") for k, v in cohort.attrs.items()}
    for k in range(cohort.sizes["session"]):
        one = cohort.isel(session=slice(k, k + 1))
        layout = {
            "version": VERSION,
            "attrs": attrs,
            "number": k,
            "n_trials": cohort.sizes["trial"],
            "variables": {n: _entry(one, n, kind) for n, kind in kinds.items()},
        }
        yield _session(one, kinds, layout, step_s)


def join_sessions(
    parts: Sequence[tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray], Mapping[str, Any]]],
    where: str,
) -> xr.Dataset:
    """Make a cohort from the columns, series and layouts of its sessions.

    Parameters
    ----------
    parts
        One tuple ``(columns, series, layout)`` per session.
    where
        File or object that a message names.

    Returns
    -------
    xarray.Dataset
        Identical to the cohort that was split, where the sessions are all its sessions. Padding
        is put back; attributes that differ between sessions are dropped.

    Raises
    ------
    InputError
        A column or a series is missing or has another length, or the sessions do not fit.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1], [1, 1]], "reward": [[1, 0], [0, 0]]},
    ...                      subject=["a", "b"], task="bandit", source="animal")
    >>> parts = [(s.columns, s.series, s.layout) for s in split_sessions(cohort)]
    >>> join_sessions(parts, "the cohort").identical(cohort)
    True
    """
    ones, layouts = [], [layout for _, _, layout in parts]
    for columns, series, layout in parts:
        if layout.get("version") != VERSION:
            raise InputError(
                f"{where}: written in layout {layout.get('version')!r}, expected {VERSION}"
            )
        ones.append(_one(columns, series, layout, where))
    cohort = concat_cohorts(ones, same_units=_same_units(layouts))
    if all(layout["attrs"] == layouts[0]["attrs"] for layout in layouts):
        cohort.attrs = dict(layouts[0]["attrs"])
    order = [n for n in layouts[0]["variables"] if n in cohort.data_vars]
    return cohort[order]


def _same_units(layouts: Sequence[Mapping[str, Any]]) -> bool | None:
    """Say that the sessions of one cohort share its units, where it does not name recordings."""
    numbers = [layout.get("number") for layout in layouts]
    one_cohort = len(set(numbers)) == len(numbers)
    return True if one_cohort and "recording" not in layouts[0]["variables"] else None


def session_spikes(spikes: xr.Dataset, cohort: xr.Dataset, number: int) -> dict[str, np.ndarray]:
    """Take the spikes of one session, by unit.

    Parameters
    ----------
    spikes
        As :func:`neuro_metarl.neural.virtual.spike_times` gives them: along ``spike``, ``time``
        (s) and the positions ``session`` and ``unit`` in the cohort.
    cohort
        The cohort, for the names of its units.
    number
        Position of the session.

    Returns
    -------
    dict
        Name of each unit to its times in order, s; empty where it was silent.

    Raises
    ------
    InputError
        Another form, units that the cohort lacks, or times that are NaN.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0]], "reward": [[1]]}, subject=["a"], task="bandit",
    ...                      source="animal", coords={"unit": ("unit", ["n1", "n2"])})
    >>> spikes = xr.Dataset({"time": ("spike", [0.2, 0.1]), "session": ("spike", [0, 0]),
    ...                      "unit": ("spike", [1, 1])})
    >>> {name: times.tolist() for name, times in session_spikes(spikes, cohort, 0).items()}
    {'n1': [], 'n2': [0.1, 0.2]}
    """
    for name in ("time", "session", "unit"):
        if name not in spikes or spikes[name].dims != ("spike",):
            raise InputError(f"spikes lack {name!r} along 'spike'; expected what spike_times gives")
    time, unit = spikes["time"].values, spikes["unit"].values.astype(int)
    n_units = cohort.sizes.get("unit", 0)
    if len(unit) and not 0 <= unit.min() <= unit.max() < n_units:
        raise InputError(f"spikes are of unit {unit.max()} (from 0), the cohort has {n_units}")
    if not np.isfinite(time).all():
        raise InputError(f"spikes: {int((~np.isfinite(time)).sum())} times are not finite")
    names = cohort["unit"].values if "unit" in cohort.coords else np.arange(n_units)
    mine = np.flatnonzero(spikes["session"].values == number)
    mine = mine[np.lexsort((time[mine], unit[mine]))]
    ends = np.searchsorted(unit[mine], np.arange(1, n_units))
    return dict(zip(map(str, names), np.split(time[mine], ends), strict=True))


def _kind(name: str, variable: xr.Variable) -> str:
    if "trial" not in variable.dims:
        return LABEL
    if "session" not in variable.dims:
        if variable.dims == ("trial",):
            return LABEL
        raise InputError(f"{name}: has the dimension trial without session; it cannot be written")
    return SERIES if "event" in variable.dims else COLUMN


def _entry(one: xr.Dataset, name: str, kind: str) -> dict[str, Any]:
    variable = one.variables[name]
    if variable.dtype.kind not in "biufUO":
        raise InputError(f"{name}: values of type {variable.dtype} cannot be written")
    entry: dict[str, Any] = {
        "kind": kind,
        "dims": [str(d) for d in variable.dims],
        "sizes": {str(d): n for d, n in variable.sizes.items() if d not in TRIAL},
        "dtype": "U" if variable.dtype.kind in "UO" else str(variable.dtype),
        "coord": name in one.coords,
        "attrs": {str(k): _plain(v, f"{name}: attribute {k!r}") for k, v in variable.attrs.items()},
    }
    if kind == LABEL:
        values = variable.isel(session=0) if "session" in variable.dims else variable
        listed = values.values.tolist()
        _plain_list(listed, name)
        entry["values"] = listed
    return entry


def _plain(value: Any, what: str) -> str | int | float:
    if isinstance(value, (str, float)) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, (np.integer, np.floating)):
        return value.item()
    raise InputError(
        f"{what} is a {type(value).__name__}, which cannot be written; use a string (JSON for a "
        "configuration) or a number"
    )


def _plain_list(values: Any, name: str) -> None:
    try:
        json.dumps(values)
    except TypeError:
        raise InputError(f"{name}: its values cannot be written as text and numbers") from None


def _session(
    one: xr.Dataset, kinds: Mapping[str, str], layout: dict[str, Any], step_s: float
) -> Session:
    arrays = {
        name: _flat(one.variables[name], kind) for name, kind in kinds.items() if kind != LABEL
    }
    n_trials = _without_padding(arrays)
    n_events = one.sizes.get("event", 1)
    columns = {
        column: values
        for name, kind in kinds.items()
        if kind == COLUMN
        for column, values in _columns(name, arrays[name][:n_trials], layout["variables"][name])
    }
    start, stop, nominal = _clock(columns, n_trials, n_events, step_s)
    series = {n: arrays[n][:n_trials] for n, kind in kinds.items() if kind == SERIES}
    events = [str(e) for e in one["event"].values] if "event" in one.coords else []
    times, timed = _series_times(columns, series, events, start, stop, n_events)
    if nominal and timed:
        timed = False
        times = start[:, None] + (stop - start)[:, None] * np.arange(n_events) / n_events
    layout["series_rows"] = "timed" if timed else "all"
    rows = _rows(times) if timed else np.arange(times.size)
    flat = {n: v.reshape(times.size, -1)[rows] for n, v in series.items()}
    return Session(columns, flat, start, stop, times.ravel()[rows], nominal or not timed, layout)


def _flat(variable: xr.Variable, kind: str) -> np.ndarray:
    lead = (*TRIAL, "event") if kind == SERIES else TRIAL
    values: np.ndarray = variable.transpose(*lead, ...).values[0]
    return values


def _columns(
    name: str, values: np.ndarray, entry: Mapping[str, Any]
) -> Iterator[tuple[str, np.ndarray]]:
    if not entry["sizes"]:
        yield name, values
        return
    flat = values.reshape(len(values), -1)
    for k in range(flat.shape[1]):
        yield f"{name}_{k}", flat[:, k]


def _fill(name: str, dtype: np.dtype) -> Any:
    if name in VARIABLES or name.startswith("t_"):
        return specification(name)[2]
    return {"f": np.nan, "U": "", "O": ""}.get(dtype.kind, 0)


def _without_padding(arrays: Mapping[str, np.ndarray]) -> int:
    """Count the trials up to the last one that is not padding and nothing else."""
    n_trials = len(arrays["choice"])
    if "invalid_reason" not in arrays:
        return n_trials
    empty = arrays["invalid_reason"] == PADDING
    for name, values in arrays.items():
        fill = _fill(name, values.dtype)
        same = np.isnan(values) if isinstance(fill, float) and np.isnan(fill) else values == fill
        empty &= same.reshape(n_trials, -1).all(axis=1)
    return n_trials - int(np.cumprod(empty[::-1]).sum())


def _clock(
    columns: Mapping[str, np.ndarray], n_trials: int, n_events: int, step_s: float
) -> tuple[np.ndarray, np.ndarray, bool]:
    times = [v for n, v in columns.items() if n.startswith("t_") and v.ndim == 1]
    first = columns.get("t_start", np.full(n_trials, np.nan))
    if times and n_trials:
        stacked = np.stack(times)
        earliest = np.where(np.isnan(stacked), np.inf, stacked).min(axis=0)
        earliest[~np.isfinite(earliest)] = np.nan
        first = np.where(np.isfinite(first), first, earliest)
    known = np.isfinite(first)
    if known.any():
        length = np.median(np.diff(first[known])) if known.sum() > 1 else step_s * n_events
        start = _interpolated(first, known, float(length))
        if length > 0 and (np.diff(start) > 0).all():
            last = [v[-1] for v in times if np.isfinite(v[-1])]
            end = max([start[-1] + length, *last])
            return start, np.append(start[1:], end), False
    start = np.arange(n_trials) * n_events * step_s
    return start, start + n_events * step_s, True


def _interpolated(first: np.ndarray, known: np.ndarray, length: float) -> np.ndarray:
    """Fill gaps in the beginnings of trials; outside of the known ones go on at their pace."""
    number, at = np.arange(len(first)), np.flatnonzero(known)
    start = np.interp(number, at, first[known])
    start = np.where(number < at[0], first[at[0]] - (at[0] - number) * length, start)
    return np.where(number > at[-1], first[at[-1]] + (number - at[-1]) * length, start)


def _series_times(
    columns: Mapping[str, np.ndarray],
    series: Mapping[str, np.ndarray],
    events: Sequence[str],
    start: np.ndarray,
    stop: np.ndarray,
    n_events: int,
) -> tuple[np.ndarray, bool]:
    """Give the times of the events, and say whether they are the cohort's own."""
    spread = start[:, None] + (stop - start)[:, None] * np.arange(n_events) / n_events
    if not series or not events or any(f"t_{event}" not in columns for event in events):
        return spread, False
    times = np.stack([columns[f"t_{event}"] for event in events], axis=1)
    untimed = ~np.isfinite(times)
    for values in series.values():
        if values.dtype.kind != "f" or not np.isnan(values[untimed]).all():
            return spread, False
    return times, True


def _rows(times: np.ndarray) -> np.ndarray:
    flat = times.ravel()
    rows = np.flatnonzero(np.isfinite(flat))
    return rows[np.argsort(flat[rows], kind="stable")]


def _one(
    columns: Mapping[str, np.ndarray],
    series: Mapping[str, np.ndarray],
    layout: Mapping[str, Any],
    where: str,
) -> xr.Dataset:
    entries = layout["variables"]
    n_rows = len(_need(columns, "choice", where))
    data: dict[str, xr.Variable] = {}
    for name, entry in entries.items():
        if entry["kind"] == LABEL:
            values = np.array(entry["values"], dtype=np.dtype(entry["dtype"]))
            if "session" in entry["dims"]:
                values = np.expand_dims(values, entry["dims"].index("session"))
            data[name] = xr.Variable(entry["dims"], values, entry["attrs"])
            continue
        values = (
            _put_back(columns, series, name, entry, layout, where)
            if entry["kind"] == SERIES
            else _table(columns, name, entry, n_rows, where)
        )
        data[name] = _padded(values, name, entry, layout["n_trials"])
    coords = {n for n, e in entries.items() if e["coord"]}
    made = xr.Dataset(
        {n: v for n, v in data.items() if n not in coords},
        coords={n: v for n, v in data.items() if n in coords},
        attrs=dict(layout["attrs"]),
    )
    return validate_cohort(made)


def _need(found: Mapping[str, np.ndarray], name: str, where: str) -> np.ndarray:
    if name not in found:
        raise InputError(f"{where}: {name!r} is missing; the layout in the file names it")
    return np.asarray(found[name])


def _table(
    columns: Mapping[str, np.ndarray],
    name: str,
    entry: Mapping[str, Any],
    n_rows: int,
    where: str,
) -> np.ndarray:
    sizes = list(entry["sizes"].values())
    names = [f"{name}_{k}" for k in range(int(np.prod(sizes)))] if sizes else [name]
    parts = [_need(columns, column, where) for column in names]
    for column, part in zip(names, parts, strict=True):
        if len(part) != n_rows:
            raise InputError(
                f"{where}: column {column!r} has {len(part)} values, 'choice' has {n_rows}"
            )
    values = np.stack(parts, axis=-1) if sizes else parts[0]
    return values.astype(np.dtype(entry["dtype"])).reshape(n_rows, *sizes)


def _put_back(
    columns: Mapping[str, np.ndarray],
    series: Mapping[str, np.ndarray],
    name: str,
    entry: Mapping[str, Any],
    layout: Mapping[str, Any],
    where: str,
) -> np.ndarray:
    n_rows, n_events = len(columns["choice"]), entry["sizes"]["event"]
    rest = [n for d, n in entry["sizes"].items() if d != "event"]
    rows = np.arange(n_rows * n_events)
    if layout["series_rows"] == "timed":
        events = layout["variables"]["event"]["values"]
        rows = _rows(np.stack([_need(columns, f"t_{e}", where) for e in events], axis=1))
    width = int(np.prod(rest))
    stored = _need(series, name, where) if len(rows) else np.empty((0, width))
    values = stored.reshape(-1, width)
    if len(values) != len(rows):
        raise InputError(
            f"{where}: series {name!r} has {len(values)} rows, expected {len(rows)}: one per trial "
            "and event"
        )
    dtype = np.dtype(entry["dtype"])
    flat = np.full((n_rows * n_events, values.shape[1]), _fill(name, dtype), dtype)
    flat[rows] = values
    return flat.reshape(n_rows, n_events, *rest)


def _padded(values: np.ndarray, name: str, entry: Mapping[str, Any], n_trials: int) -> xr.Variable:
    missing = n_trials - len(values)
    shape = [(0, missing)] + [(0, 0)] * (values.ndim - 1)
    padded = np.pad(values, shape, constant_values=_fill(name, values.dtype))
    rest = [d for d in entry["sizes"] if d != "event"]
    lead = [*TRIAL, "event"] if entry["kind"] == SERIES else [*TRIAL]
    stored = xr.Variable([*lead, *rest], padded[None], entry["attrs"])
    return stored.transpose(*entry["dims"])
