"""A comparison as a tidy table, and back; and its means over the subjects of each source."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.intervals import over_subjects
from neuro_metarl.measures.measure import STATISTIC, Measure, measures_in, no_function
from neuro_metarl.paradigms.registry import known_paradigms

__all__ = ["COLUMNS", "from_table", "summarize", "to_table"]

COLUMNS = ("source", "subject", "measure", "term", "lag", "value", "low", "high", "n")
SUMMARY = (
    "source", "measure", "term", "lag", "mean", "typical", "low", "high", "sd", "n_subjects",
)  # fmt: skip
BETWEEN = ", "


def to_table(comparison: xr.Dataset) -> pd.DataFrame:
    """Lay a comparison out as a tidy table.

    Parameters
    ----------
    comparison
        What :func:`neuro_metarl.compare` gave.

    Returns
    -------
    pandas.DataFrame
        Columns source, subject, measure, term, lag, value, low, high, n, the same for every
        paradigm; one row per number. ``lag`` is the dim of this name; ``term`` has the labels of
        the measure's other dims, and is missing where there are none.

    Raises
    ------
    InputError
        Something else than a comparison.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")})
    >>> to_table(result).query("measure == 'planning_index'").shape
    (6, 9)
    """
    parts = []
    for measure in _read(comparison, "to_table"):
        values = comparison[measure.name].to_dataset("statistic")
        rows = values.assign(n=comparison[measure.count]).to_dataframe().reset_index()
        dims = [dim for dim in measure.dims if dim != "lag"]
        if dims:
            labels = zip(*(rows[dim].astype(str) for dim in dims), strict=True)
            rows["term"] = [BETWEEN.join(label) for label in labels]
        elif "term" in rows:
            rows = rows.drop(columns="term")
        parts.append(rows.reindex(columns=list(COLUMNS)).assign(measure=measure.name))
    known = [part.astype({"term": object, "lag": "Int64"}) for part in parts]
    table = pd.concat(known, ignore_index=True)
    table = table[table["n"].notna()].astype({"n": "Int64"})
    return table.sort_values("source", key=_order(comparison), kind="stable", ignore_index=True)


def from_table(table: pd.DataFrame, *, measures: Sequence[Measure] = ()) -> xr.Dataset:
    """Read a comparison back from its tidy table.

    Parameters
    ----------
    table
        What :func:`to_table` gave, or a CSV of it.
    measures
        Those of one's own; the package's are known. Of an unknown measure the dims are ``term``
        and ``lag``, where it has them.

    Returns
    -------
    xarray.Dataset
        As :func:`neuro_metarl.compare` gives, without the attributes of the whole.

    Raises
    ------
    InputError
        No table, or columns are missing.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")})
    >>> from_table(to_table(result)).equals(result.drop_attrs())
    True
    """
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"from_table takes the table of to_table, got {type(table).__name__}")
    missing = [c for c in COLUMNS if c not in table]
    if missing:
        raise InputError(f"not a comparison table: column {', '.join(missing)} is missing")
    known = {measure.name: measure for measure in (*_known(), *measures)}
    subjects = list(dict.fromkeys(zip(table["source"], table["subject"], strict=True)))
    index = pd.MultiIndex.from_tuples(subjects)
    variables: dict[str, xr.DataArray] = {}
    for name, rows in table.groupby("measure", sort=False):
        measure = known.get(str(name)) or _guessed(str(name), rows)
        at = index.get_indexer(pd.MultiIndex.from_frame(rows[["source", "subject"]]))
        labels = _labels(measure, rows)
        axes = {dim: list(dict.fromkeys(column)) for dim, column in labels.items()}
        place = (at, *(pd.Index(axes[d]).get_indexer(labels[d]) for d in measure.dims))
        shape = (len(index), *(len(axes[dim]) for dim in measure.dims))
        values = np.full((*shape, len(STATISTIC)), np.nan)
        counts = np.full(shape, np.nan)
        values[place] = rows[STATISTIC].to_numpy(float)
        counts[place] = rows["n"].to_numpy(float)
        dims = ("subject", *measure.dims)
        variables[measure.name] = xr.DataArray(
            values, axes | {"statistic": STATISTIC}, (*dims, "statistic"), attrs=measure.attrs
        )
        if measure.count not in variables:
            same = [dim for dim in measure.dims if dim not in measure.count_dims]
            variables[measure.count] = xr.DataArray(counts, axes, dims).max(same)
    names = [str(subject) for _, subject in subjects]
    sources = [str(source) for source, _ in subjects]
    return xr.Dataset(variables, coords={"subject": names, "source": ("subject", sources)})


def _known() -> list[Measure]:
    return [measure for paradigm in known_paradigms() for measure in paradigm.measures]


def _guessed(name: str, rows: pd.DataFrame) -> Measure:
    dims = tuple(dim for dim in ("term", "lag") if rows[dim].notna().any())
    return Measure(name, no_function, dims, count_dims=dims)


def _labels(measure: Measure, rows: pd.DataFrame) -> dict[str, list]:
    """Give the label of each row along each dim; numbers are numbers again."""
    dims = [dim for dim in measure.dims if dim != "lag"]
    texts = [str(term).split(BETWEEN, len(dims) - 1) for term in rows["term"]] if dims else []
    found: dict[str, list] = {}
    for dim in measure.dims:
        if dim == "lag":
            found[dim] = [int(lag) for lag in rows["lag"]]
            continue
        column = pd.Series([text[dims.index(dim)] for text in texts])
        numbers = pd.to_numeric(column, errors="coerce")
        found[dim] = (column if numbers.isna().any() else numbers).tolist()
    return found


def summarize(comparison: xr.Dataset) -> pd.DataFrame:
    """Average each measure over the subjects of each source.

    Parameters
    ----------
    comparison
        What :func:`neuro_metarl.compare` gave.

    Returns
    -------
    pandas.DataFrame
        Columns source, measure, term, lag, mean, typical, low, high, sd, n_subjects, the same for
        every paradigm. ``typical`` is the mean on the scale on which the measure has no limits,
        mapped back (of a proportion: from log odds), and ``low`` to ``high`` its 95 % interval,
        which fewer than three subjects do not have; see
        :func:`neuro_metarl.intervals.over_subjects`.

    Raises
    ------
    InputError
        Something else than a comparison.

    Examples
    --------
    >>> from neuro_metarl import compare, load_dataset
    >>> result = compare({"synthetic rats": load_dataset("synthetic-rats")})
    >>> summarize(result)["n_subjects"].unique().tolist()
    [6]
    """
    bounds = {m.name: m.limits for m in _read(comparison, "summarize") if m.summarized}
    table = to_table(comparison)
    rows = []
    for (source, name, term, lag), group in table[table["measure"].isin(list(bounds))].groupby(
        ["source", "measure", "term", "lag"], sort=False, dropna=False
    ):
        values = group["value"].dropna().to_numpy(float)
        made = group["n"][group["value"].notna()].to_numpy(float)
        typical, low, high = over_subjects(values, limits=bounds[str(name)], n=made)
        spread = values.std(ddof=1) if len(values) > 1 else np.nan
        mean = values.mean() if len(values) else np.nan
        rows.append((source, name, term, lag, mean, typical, low, high, spread, len(values)))
    return pd.DataFrame(rows, columns=list(SUMMARY)).astype({"lag": "Int64"})


def _read(comparison: object, verb: str) -> list[Measure]:
    """Say which measures a comparison holds; refuse what compare did not give."""
    if isinstance(comparison, xr.Dataset):
        found = measures_in(comparison, _known())
        if found and "source" in comparison:
            missing = [m.count for m in found if m.count not in comparison]
            if not missing:
                return found
            what = f"a data set without {missing[0]!r}"
        else:
            what = "a cohort" if "choice" in comparison else "a data set without 'source'"
    else:
        what = type(comparison).__name__
    raise InputError(f"{verb} takes what compare gives, got {what}: {verb}(compare({{...}}))")


def _order(comparison: xr.Dataset) -> Callable[[pd.Series], pd.Series]:
    sources = list(dict.fromkeys(comparison["source"].values.tolist()))
    return lambda column: column.map(sources.index)
