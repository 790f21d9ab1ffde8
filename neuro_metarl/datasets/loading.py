"""Data sets as cohorts, and values derived from animals or read off a publication."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.datasets.fetching import fetch_dataset
from neuro_metarl.datasets.registry import DATA, dataset_info
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.aind import read_aind
from neuro_metarl.io.akam import INFO, read_akam
from neuro_metarl.io.beron import read_beron
from neuro_metarl.io.blanco_pozo import holds_blanco_pozo, read_blanco_pozo
from neuro_metarl.io.boussard import read_boussard
from neuro_metarl.io.grossman import read_grossman
from neuro_metarl.io.hbayesdm import read_hbayesdm
from neuro_metarl.io.matlab import read_miller
from neuro_metarl.io.miller2017 import infusions_of, read_miller2017
from neuro_metarl.io.tab import read_tab
from neuro_metarl.io.tables import read_table
from neuro_metarl.io.trepka import read_trepka

__all__ = ["READERS", "load_dataset", "load_reference"]

TABLE, LASER = "table", "t_laser"


def _sessions_of_blanco_pozo(folder: Path) -> xr.Dataset:
    """Join all sessions; those of early training, which hold no choices, are left out."""
    files = [p for p in sorted(folder.rglob("m*.txt")) if holds_blanco_pozo(p)]
    sessions, refused = [], []
    for file in files:
        try:
            sessions.append(read_blanco_pozo(file))
        except InputError as error:
            refused.append(str(error))
    if not sessions:
        raise InputError(
            refused[0] if refused else f"{folder}: holds no m<ID>-<time>.txt of pyControl"
        )
    if refused:
        warnings.warn(
            f"{len(refused)} of {len(files)} sessions were left out, the first because: "
            f"{refused[0]}",
            stacklevel=3,
        )
    if any(LASER in s for s in sessions):
        sessions = [
            s if LASER in s else s.assign({LASER: s["reward"].astype(float) * np.nan})
            for s in sessions
        ]
    return concat_cohorts(sessions)


READERS: dict[str, Callable[..., xr.Dataset]] = {
    "aind": read_aind,
    "akam": read_akam,
    "beron": read_beron,
    "blanco-pozo": _sessions_of_blanco_pozo,
    "boussard": read_boussard,
    "grossman": read_grossman,
    "hbayesdm": read_hbayesdm,
    "miller": read_miller,
    "miller2017": read_miller2017,
    "miller2017-infusion": read_miller2017,
    "tab": read_tab,
    "trepka": read_trepka,
    TABLE: read_table,
}


def _experiments_of_akam(folder: Path) -> list[str]:
    return sorted(p.parent.name for p in folder.glob(f"*/{INFO}"))


# what has parts, of which one is loaded at a time
PARTS: dict[str, Callable[[Path], list[str]]] = {
    "akam": _experiments_of_akam,
    "miller2017-infusion": infusions_of,
}


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
    parts = PARTS[entry.reader](path) if entry.reader in PARTS else []
    if part not in parts and (part or parts):
        if not parts:
            raise InputError(f"{name} has no parts; ask for {name!r}")
        asked = did_you_mean(part, parts) if part else f"there are: {', '.join(parts)}"
        raise InputError(f"{name} has parts, ask for one as '{name}/<part>'; {asked}")
    if entry.reader == TABLE:
        if entry.layout == "package":
            attrs["synthetic"] = "yes: simulated from a mixture-of-agents model; not animals"
        source = "model" if entry.layout == "package" else "animal"
        return read_table(path, task=entry.task, source=source, attrs=attrs)
    if entry.reader == "akam":
        path, part = path / part, ""
    cohort = READERS[entry.reader](path, **({"infusion": part} if part else {}))
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
