"""Animal data sets by name: what they are, where they live, fetched once and checked.

A file is looked for in the folder ``NEURO_METARL_DATA`` (and below it) if that variable is set,
then in the user's cache folder. A download goes into the first of the two that there is. Whatever
is used has the registered sha256.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pooch
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.aind import read_aind
from neuro_metarl.io.boussard import read_boussard
from neuro_metarl.io.hbayesdm import read_hbayesdm
from neuro_metarl.io.matlab import read_miller
from neuro_metarl.io.tables import read_table
from neuro_metarl.io.trepka import read_trepka
from neuro_metarl.progress import progress_bar

__all__ = [
    "DatasetInfo",
    "data_folder",
    "dataset_info",
    "describe_dataset",
    "fetch_dataset",
    "list_datasets",
    "load_dataset",
    "load_reference",
]

DATA = Path(__file__).parent / "data"
FOLDER_VARIABLE = "NEURO_METARL_DATA"
TABLE = "table"
READERS: dict[str, Callable[..., xr.Dataset]] = {
    "aind": read_aind,
    "boussard": read_boussard,
    "hbayesdm": read_hbayesdm,
    "miller": read_miller,
    "trepka": read_trepka,
    TABLE: read_table,
}


@dataclass(frozen=True)
class DatasetInfo:
    """What the registry says of a data set.

    Parameters
    ----------
    id, title, species, task
        What it is.
    doi, version, landing_page, citation, licence, redistributable
        Where it is from, and on what terms.
    file, url, bytes, sha256, format, reader
        The file, and what reads it. Without a ``url`` the file comes with the package.
    n_subjects, n_sessions, n_trials
        How much there is.
    """

    id: str
    title: str
    species: str
    task: str
    doi: str
    version: str
    landing_page: str
    file: str
    url: str
    bytes: int
    sha256: str
    format: str
    reader: str
    licence: str
    citation: str
    n_subjects: int
    n_sessions: int
    n_trials: int
    redistributable: str


def list_datasets() -> list[str]:
    """List the names of the data sets.

    Returns
    -------
    list of str

    Examples
    --------
    >>> [name for name in list_datasets() if name.endswith("rats")]
    ['miller2022-rats', 'synthetic-rats']
    """
    return sorted(_registry())


def dataset_info(name: str) -> DatasetInfo:
    """Return what the registry says of a data set.

    Parameters
    ----------
    name
        See :func:`list_datasets`.

    Returns
    -------
    DatasetInfo

    Raises
    ------
    InputError
        There is no such data set.

    Examples
    --------
    >>> dataset_info("miller2022-rats").n_subjects
    6
    >>> dataset_info("miler2022-rats")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: no data set 'miler2022-rats'; did you mean 'miller2022-rats'?
    """
    registry = _registry()
    if name not in registry:
        raise InputError(f"no data set {name!r}; {did_you_mean(name, registry)}")
    return registry[name]


def describe_dataset(name: str) -> str:
    """Describe a data set in words, and how to get it by hand.

    Parameters
    ----------
    name
        See :func:`list_datasets`.

    Returns
    -------
    str

    Raises
    ------
    InputError
        There is no such data set.

    Examples
    --------
    >>> print(describe_dataset("synthetic-rats").splitlines()[0])
    synthetic-rats: Synthetic rats on the two-step task (simulated; not animals)
    """
    entry = dataset_info(name)
    lines = [
        f"{entry.id}: {entry.title}",
        f"  species     {entry.species}",
        f"  task        {entry.task}",
        f"  size        {entry.n_subjects} subjects, {entry.n_sessions} sessions, "
        f"{entry.n_trials} trials",
        f"  format      {entry.format}",
        f"  licence     {entry.licence} (may be redistributed: {entry.redistributable})",
        f"  citation    {entry.citation}",
    ]
    if not entry.url:
        return "\n".join([*lines, "  file        comes with the package"])
    found = _find(entry)
    return "\n".join(
        [
            *lines,
            f"  deposit     {entry.landing_page}",
            f"  version     {entry.version}",
            f"  file        {entry.file}, {entry.bytes:,} bytes",
            f"  sha256      {entry.sha256}",
            f"  here        {found or 'not fetched'}",
            f"  by hand     download {entry.url}",
            f"              and put it into {data_folder()}",
        ]
    )


def data_folder() -> Path:
    """Return the folder where data files are looked for first, and kept.

    Returns
    -------
    pathlib.Path
        ``NEURO_METARL_DATA`` if that is set, else the user's cache folder.
    """
    return Path(os.environ.get(FOLDER_VARIABLE) or pooch.os_cache("neuro_metarl"))


def fetch_dataset(name: str, *, progress: bool = True) -> Path:
    """Return the file of a data set, downloading it where it is not yet here.

    Parameters
    ----------
    name
        See :func:`list_datasets`.
    progress
        Show progress on standard error.

    Returns
    -------
    pathlib.Path
        A file with the registered sha256.

    Raises
    ------
    InputError
        Unknown name, or no way to get the file; the message says what to put where.

    Examples
    --------
    >>> fetch_dataset("synthetic-rats").name
    'synthetic_rats.csv'
    """
    entry = dataset_info(name)
    if not entry.url:
        return DATA / entry.file
    found = _find(entry)
    if found is not None:
        return found
    folder = data_folder()
    with progress_bar(f"fetching {entry.file}", entry.bytes, shown=progress) as show:
        try:
            downloaded = pooch.retrieve(
                entry.url,
                known_hash=f"sha256:{entry.sha256}",
                fname=entry.file,
                path=folder,
                downloader=_downloader(entry, show),
            )
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"cannot fetch {name} ({reason}); by hand: put {entry.file} (sha256 "
                f"{entry.sha256}) from {entry.url} into {folder}"
            ) from None
    return Path(downloaded)


def load_dataset(name: str, *, progress: bool = True) -> xr.Dataset:
    """Load a data set as a cohort, downloading it where it is not yet here.

    Parameters
    ----------
    name
        See :func:`list_datasets`.
    progress
        Show progress of a download.

    Returns
    -------
    xarray.Dataset
        A cohort. Simulated data say so in the attribute ``synthetic``.

    Raises
    ------
    InputError
        See :func:`fetch_dataset`.

    Examples
    --------
    >>> load_dataset("synthetic-rats").attrs["synthetic"]
    'yes: simulated from a mixture-of-agents model; not animals'
    """
    entry = dataset_info(name)
    path = fetch_dataset(name, progress=progress)
    attrs = {"title": entry.title, "licence": entry.licence, "references": entry.citation}
    if entry.reader != TABLE:
        cohort = READERS[entry.reader](path)
        return cohort.assign_attrs(attrs | cohort.attrs)
    if not entry.url:
        attrs["synthetic"] = "yes: simulated from a mixture-of-agents model; not animals"
    return read_table(path, task=entry.task, source="animal" if entry.url else "model", attrs=attrs)


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


def _registry() -> dict[str, DatasetInfo]:
    entries: list[dict[str, Any]] = json.loads((DATA / "registry.json").read_text())
    return {entry["id"]: DatasetInfo(**entry) for entry in entries}


def _find(entry: DatasetInfo) -> Path | None:
    for folder in dict.fromkeys((data_folder(), Path(pooch.os_cache("neuro_metarl")))):
        for path in sorted(folder.rglob(entry.file)):
            if path.is_file() and pooch.file_hash(str(path)) == entry.sha256:
                return path
    return None


def _downloader(entry: DatasetInfo, show: Any) -> Any:
    """Make pooch's downloader, with our progress bar on it."""
    return pooch.HTTPDownloader(progressbar=_PoochBar(entry.bytes, show))


class _PoochBar:
    """What pooch asks of a progress bar; it counts in whole blocks, and the end twice."""

    def __init__(self, total: int, show: Any) -> None:
        self.total, self.done, self.shown, self.show = total, 0, 0, show

    def update(self, n_bytes: int) -> None:
        self.done = min(self.done + n_bytes, self.total)
        if self.done > self.shown:
            self.shown = self.done
            self.show(self.done, "")

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass
