"""What every reader of one published file does last: its rows become a cohort of animals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.door.rows import cohort_of_table
from neuro_metarl.storage.tables import table_of_frame

__all__ = ["animal_cohort"]


def animal_cohort(
    frame: pd.DataFrame,
    file: Path,
    *,
    task: str,
    species: str,
    attrs: Mapping[str, Any],
    word: str = "trial",
    derive_common: bool = True,
) -> xr.Dataset:
    """Make a cohort of animals from rows, naming the file in what goes wrong.

    Parameters
    ----------
    frame
        See :func:`neuro_metarl.storage.from_dataframe`.
    file
        Where the rows come from.
    task
        Name of the task.
    species
        Coordinate ``species(session)``.
    attrs
        Attributes: what made it, licence, references.
    word
        What a row is called in the file.
    derive_common
        See :func:`neuro_metarl.door.rows.cohort_of_table`.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    InputError
        The rows are no cohort.

    Examples
    --------
    >>> rows = pd.DataFrame({"subject": ["a"], "choice": [0], "reward": [1.0]})
    >>> cohort = animal_cohort(rows, Path("x.csv"), task="bandit", species="mouse", attrs={})
    >>> cohort.species.values.tolist()
    ['mouse']
    """
    table = table_of_frame(frame, str(file), word)
    cohort = cohort_of_table(
        table,
        task=task,
        source="animal",
        kind="published",
        derive_common=derive_common,
        attrs=attrs,
    )
    return cohort.assign_coords(species=("session", np.full(cohort.sizes["session"], species)))
