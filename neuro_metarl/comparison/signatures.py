"""Comparison by signatures: of every paradigm that is not measured by regressions of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

__all__ = ["compare_signatures", "signature_table"]

STATISTIC = ["value", "low", "high"]
Profile = Callable[[xr.Dataset], xr.Dataset]


def compare_signatures(
    cohorts: Mapping[str, xr.Dataset], profile: Profile, *, confidence: float = 0.95
) -> xr.Dataset:
    """Measure the signatures of every subject of every source alike.

    Parameters
    ----------
    cohorts
        Source name to cohort.
    profile
        Measures signatures, see :func:`neuro_metarl.behavior.profile.profile`.
    confidence
        Of the intervals.

    Returns
    -------
    xarray.Dataset
        ``signature`` (subject, measure, statistic: value, low, high), ``n_signature`` (subject)
        responses, coordinate ``source(subject)``.

    Examples
    --------
    >>> from neuro_metarl import load_dataset, profile
    >>> compare_signatures({"rats": load_dataset("synthetic-rats")}, profile).signature.dims
    ('subject', 'measure', 'statistic')
    """
    width = NormalDist().inv_cdf((1 + confidence) / 2)
    parts = []
    for source, cohort in cohorts.items():
        table = profile(cohort)
        value = table["profile"].values
        error = np.sqrt(np.einsum("sjj->sj", table["covariance"].values))
        values = np.stack([value, value - width * error, value + width * error], axis=-1)
        names = table["subject"].values
        parts.append(
            xr.Dataset(
                {
                    "signature": (("subject", "measure", "statistic"), values),
                    "n_signature": ("subject", table["n"].values.astype(float)),
                },
                coords={
                    "subject": names,
                    "source": ("subject", np.full(len(names), source)),
                    "measure": table["measure"].values,
                    "statistic": STATISTIC,
                },
            )
        )
    joined = xr.concat(parts, "subject", data_vars="all", coords="different", compat="equals")
    joined.attrs = {"confidence": confidence, "interval": "normal, with the errors of the profile"}
    return joined


def signature_table(comparison: xr.Dataset, columns: Sequence[str]) -> pd.DataFrame:
    """Lay signatures out as a tidy table, one row per subject and signature.

    Parameters
    ----------
    comparison
        From :func:`compare_signatures`.
    columns
        Of the table.

    Returns
    -------
    pandas.DataFrame

    Examples
    --------
    >>> from neuro_metarl import load_dataset, profile
    >>> found = compare_signatures({"rats": load_dataset("synthetic-rats")}, profile)
    >>> len(signature_table(found, ["subject", "measure", "value"]))
    48
    """
    wide = comparison["signature"].to_dataset("statistic").assign(n=comparison["n_signature"])
    table: Any = wide.to_dataframe().reset_index().reindex(columns=list(columns))
    return table.astype({"lag": "Int64", "n": "Int64"}) if "lag" in columns else table
