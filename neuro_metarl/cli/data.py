"""``neuro-metarl datasets``."""

from __future__ import annotations

from neuro_metarl.cli.text import say

__all__ = ["fetch", "info", "list_"]


def list_() -> None:
    """List the data sets.

    Example: neuro-metarl datasets list
    """
    from neuro_metarl.datasets.registry import dataset_info, list_datasets

    for name in list_datasets():
        entry = dataset_info(name)
        n = "?" if entry.n_subjects is None else entry.n_subjects
        say(f"{name:25} {n:>4} subjects  {entry.title}")


def info(name: str) -> None:
    """Say what a data set is, where it comes from, and how to get it by hand.

    Example: neuro-metarl datasets info miller2022-rats

    Parameters
    ----------
    name
        See: neuro-metarl datasets list
    """
    from neuro_metarl.datasets.fetching import describe_dataset

    say(describe_dataset(name))


def fetch(name: str) -> None:
    """Download a data set into the cache, and check it.

    Example: neuro-metarl datasets fetch miller2022-rats

    Parameters
    ----------
    name
        See: neuro-metarl datasets list
    """
    from neuro_metarl.datasets.fetching import fetch_dataset

    say(str(fetch_dataset(name)))
