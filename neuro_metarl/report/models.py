"""Models that were fitted to a source, as a table of the report."""

from __future__ import annotations

import pandas as pd
import xarray as xr

__all__ = ["model_table"]


def model_table(table: xr.Dataset) -> pd.DataFrame:
    """Summarise models over subjects, best first.

    Parameters
    ----------
    table
        From :func:`neuro_metarl.models.selection.compare_models`.

    Returns
    -------
    pandas.DataFrame
        Text: one row per model, by its evidence.

    Examples
    --------
    >>> from neuro_metarl import compare_models, fit_models, load_dataset
    >>> fits = fit_models(load_dataset("synthetic-rats"), ["bias", "model_based"])
    >>> model_table(compare_models(fits))["model"].tolist()
    ['model_based', 'bias']
    """
    total = table["bic"].sum("subject")
    evidence = table["log_evidence"] if table.attrs["evidence"] == "Laplace" else -table["bic"] / 2
    gained = evidence.sum("subject")
    rows = []
    for k in (-gained).argsort().values:
        name = str(table["model"].values[k])
        rows.append({
            "model": name,
            "free parameters": int(table["n_parameters"][k]),
            "mean probability of a response": f"{float(table['mean_likelihood'][:, k].mean()):.3f}",
            "log evidence below the best": f"{float(gained.max() - gained[k]):.0f}",
            "sum of BIC above the best": f"{float(total[k] - total.min()):.0f}",
            "subjects best": int((table["winner"] == name).sum()),
        })  # fmt: skip
    return pd.DataFrame(rows)
