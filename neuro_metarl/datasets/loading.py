"""Data sets as cohorts, and values derived from animals or read off a publication."""

from __future__ import annotations

import json

import pandas as pd
import xarray as xr

from neuro_metarl.datasets.fetching import fetch_dataset
from neuro_metarl.datasets.registry import DATA, dataset_info
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.readers import reader_named
from neuro_metarl.io.tables import read_table

__all__ = ["load_dataset", "load_reference"]

TABLE = "table"


def load_dataset(name: str, *, progress: bool = True) -> xr.Dataset:
    """Load a data set as a cohort, downloading it where it is not yet here.

    Parameters
    ----------
    name
        See :func:`list_datasets`. Of a data set with parts (Akam's experiments, Miller's
        infusions) ``"<name>/<part>"``; without a part the message lists them.
    progress
        Show progress of a download.

    Returns
    -------
    xarray.Dataset
        A cohort. Simulated data say so in the attribute ``synthetic``.

    Raises
    ------
    InputError
        See :func:`fetch_dataset`; a part that there is none of.

    Examples
    --------
    >>> load_dataset("synthetic-rats").attrs["synthetic"]
    'yes: simulated from a mixture-of-agents model; not animals'
    """
    name, _, part = name.partition("/")
    entry = dataset_info(name)
    path = fetch_dataset(name, progress=progress)
    attrs = {"title": entry.title, "licence": entry.licence, "references": entry.citation}
    if entry.reader == TABLE:
        if part:
            raise InputError(f"{name} has no parts; ask for {name!r}")
        if entry.layout == "package":
            attrs["synthetic"] = "yes: simulated from a mixture-of-agents model; not animals"
        source = "model" if entry.layout == "package" else "animal"
        return read_table(path, task=entry.task, source=source, attrs=attrs)
    reader = reader_named(entry.reader)
    parts = reader.parts(path) if reader.parts else []
    if part not in parts and (part or parts):
        if not parts:
            raise InputError(f"{name} has no parts; ask for {name!r}")
        asked = did_you_mean(part, parts) if part else f"there are: {', '.join(parts)}"
        raise InputError(f"{name} has parts, ask for one as '{name}/<part>'; {asked}")
    if part and reader.reads_part:
        cohort = reader.reads_part(path, part)
    else:
        cohort = (reader.data_set or reader.reads)(path)
    return cohort.assign_attrs(attrs | cohort.attrs)


def load_reference(name: str = "miller2022-rats") -> pd.DataFrame:
    """Load values derived from real animals or read off a publication: numbers, not data.

    Parameters
    ----------
    name
        ``"miller2022-rats"`` (measures of six rats), ``"harlow1949"`` (monkeys' learning set) or
        ``"wang2018-harlow"`` (networks on Harlow's task, by stage of training).

    Returns
    -------
    pandas.DataFrame
        Provenance in ``.attrs``. Measures have the columns that
        :func:`neuro_metarl.comparison.to_table` gives; learning sets have block, trial (from 1)
        and p_correct, see :func:`neuro_metarl.behavior.learning_sets.published_curve`. Published
        curves were digitised from figures and are good to about .01 to .02.

    Raises
    ------
    InputError
        There are none of this name.

    Examples
    --------
    >>> table = load_reference()
    >>> sorted(table.subject.unique())
    ['M055', 'M064', 'M070', 'M071', 'M088', 'M093']
    >>> load_reference("harlow1949").query("trial == 2").p_correct.tolist()[:3]
    [0.52, 0.65, 0.67]
    """
    path = DATA / f"reference_{name}.csv"
    known = [p.stem.removeprefix("reference_") for p in DATA.glob("reference_*.csv")]
    if name not in known:
        raise InputError(f"there are no reference values of {name!r}; {did_you_mean(name, known)}")
    table = pd.read_csv(path)
    if "lag" in table:
        table = table.astype({"lag": "Int64", "n": "Int64"})
    table.attrs = json.loads(path.with_suffix(".json").read_text())
    return table
