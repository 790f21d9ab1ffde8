"""Animal data sets by name: what they are, where they live, fetched once and checked.

A file is looked for in the folder ``NEURO_METARL_DATA`` (and below it) if that variable is set,
then in the user's cache folder. A download goes into the first of the two that there is. What is
used has the registered checksum; where none is registered, a warning says the file's sha256. Some
deposits cannot be fetched by an address, or are folders: these are put there by hand.
"""

from neuro_metarl.datasets.fetching import (
    data_folder,
    describe_dataset,
    fetch_dataset,
    file_hash,
)
from neuro_metarl.datasets.loading import load_dataset, load_reference
from neuro_metarl.datasets.registry import DatasetInfo, dataset_info, list_datasets

__all__ = [
    "DatasetInfo",
    "data_folder",
    "dataset_info",
    "describe_dataset",
    "fetch_dataset",
    "file_hash",
    "list_datasets",
    "load_dataset",
    "load_reference",
]
