"""What is known of each data set: where it lives, its checksum, its terms, how much there is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuro_metarl.errors import InputError, did_you_mean

__all__ = ["DatasetInfo", "dataset_info", "list_datasets"]

DATA = Path(__file__).parents[1] / "data"
LAYOUTS = ("package", "file", "folder")


@dataclass(frozen=True)
class DatasetInfo:
    """What the registry says of a data set; None is what nobody here knows.

    Parameters
    ----------
    id, title, species, task
        What it is.
    doi, version, landing_page, citation, licence, redistributable
        Where it is from, and on what terms.
    layout
        ``"package"`` (it comes with the package), ``"file"`` or ``"folder"``.
    file, url, steps, format, reader
        The file or folder, its address (empty: it has none), what to do by hand, and what reads
        it.
    bytes, hash_kind, hash
        Size and checksum: sha256, md5 or git-blob (the SHA-1 that ``git hash-object`` prints).
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
    layout: str
    file: str
    url: str
    steps: str
    bytes: int | None
    hash_kind: str | None
    hash: str | None
    format: str
    reader: str
    licence: str
    citation: str
    n_subjects: int | None
    n_sessions: int | None
    n_trials: int | None
    redistributable: str

    @property
    def checksum(self) -> str:
        """Kind and value, or that there is none.

        Examples
        --------
        >>> dataset_info("grossman2022-mice").checksum
        'no checksum is registered'
        """
        return f"{self.hash_kind} {self.hash}" if self.hash else "no checksum is registered"

    @property
    def by_hand(self) -> str:
        """What to do where the file is not fetched.

        Examples
        --------
        >>> dataset_info("akam2021-mice").by_hand.split(",")[0]
        'download data.zip from the deposit'
        """
        return self.steps or f"download {self.url}" + (
            "" if self.url.endswith(self.file) else f" as {self.file}"
        )


def list_datasets() -> list[str]:
    """List the names of the data sets.

    Returns
    -------
    list of str

    Examples
    --------
    >>> [name for name in list_datasets() if name.startswith("miller")]
    ['miller2017-rats', 'miller2017-rats-infusion', 'miller2018-rats', 'miller2022-rats']
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


def _registry() -> dict[str, DatasetInfo]:
    entries: list[dict[str, Any]] = json.loads((DATA / "registry.json").read_text())
    return {entry["id"]: DatasetInfo(**entry) for entry in entries}
