"""What every reader of one published file does last: its rows become a cohort of animals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.storage import from_dataframe

__all__ = ["animal_cohort"]


def animal_cohort(
    frame: pd.DataFrame, file: Path, *, task: str, species: str, attrs: Mapping[str, Any]
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
    try:
        cohort = from_dataframe(frame, task=task, source="animal", attrs=attrs)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    return cohort.assign_coords(species=("session", np.full(cohort.sizes["session"], species)))
