"""Models that were fitted to a source: a table, and in plain sentences who wins, if anybody."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from neuro_metarl.words import plural

__all__ = ["model_sentences", "model_table"]


def model_table(table: xr.Dataset) -> pd.DataFrame:
    """Summarise models over subjects, best first.

    Parameters
    ----------
    table
        From :func:`neuro_metarl.models.selection.compare_models`, where known with the variable
        ``misfit`` from :func:`neuro_metarl.models.misfit.misfit_of`.

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
    gained = _evidence(table).sum("subject")
    rows = []
    for k in (-gained).argsort().values:
        name = str(table["model"].values[k])
        row = {
            "model": name,
            "family": str(table["family"].values[k]),
            "free parameters": int(table["n_parameters"][k]),
            "mean probability of a response": f"{float(table['mean_likelihood'][:, k].mean()):.3f}",
            "log evidence below the best": f"{float(gained.max() - gained[k]):.0f}",
            "sum of BIC above the best": f"{float(total[k] - total.min()):.0f}",
            "subjects best": int((table["winner"] == name).sum()),
            "with a problem": int((table["problem"][:, k] != "").sum()),
            "protected exceedance": f"{float(table['protected_exceedance'][k]):.2f}",
        }
        if "misfit" in table:
            row["misfit"] = int(table["misfit"].sel(model=name).sum())
        rows.append(row)
    return pd.DataFrame(rows)


def model_sentences(table: xr.Dataset, *, noun: str = "subject") -> list[str]:
    """Say in words which family of models and which model wins, if any, and what speaks against it.

    Parameters
    ----------
    table
        From :func:`neuro_metarl.models.selection.compare_models`. What it has of ``misfit``
        (subject, model) from :func:`neuro_metarl.models.misfit.misfit_of` and
        ``held_out_gain`` (subject) from
        :func:`neuro_metarl.models.selection.better_than_null` is said too.
    noun
        What a subject is called.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from neuro_metarl import compare_models, fit_models, load_dataset
    >>> fits = fit_models(load_dataset("synthetic-rats"), ["bias", "model_based", "hybrid"])
    >>> for sentence in model_sentences(compare_models(fits), noun="rat")[:2]:
    ...     print(sentence)
    No family of models wins among the 6 rats: none has a protected exceedance above .95 (the \
highest, planner, has .69).
    In 6 of 6 rats a model that learns exceeds every null model by 3 nats of evidence or more.
    """
    families = list(dict.fromkeys(table["family"].values.tolist()))
    told = _nobody_or_family(table, families, noun)
    n = table.sizes["subject"]
    many = noun if n == 1 else plural(noun)
    if "null" not in families:
        told.append(
            "No null model was fitted: the best of these models need not be better than one that "
            "knows nothing of outcomes."
        )
    elif len(families) > 1:
        kind = table["family"].sel(model=table["winner"]).values
        told.append(
            f"In {int((kind != 'null').sum())} of {n} {many} a model that learns exceeds every "
            "null model by 3 nats of evidence or more."
        )
    told += _left_out(table, many) + _bic(table, many) + _misfit(table, many)
    return told


def _nobody_or_family(table: xr.Dataset, families: list[str], noun: str) -> list[str]:
    n, family = table.sizes["subject"], table.attrs["selected_family"]
    among = f"the {n} {plural(noun)}" if n > 1 else f"one {noun}"
    of_family = table["family_protected_exceedance"]
    if len(families) == 1:
        return []
    if not family:
        highest = of_family.idxmax("family_name").item()
        return [
            f"No family of models wins among {among}: none has a protected exceedance above .95 "
            f"(the highest, {highest}, has {_short(of_family.max())})."
        ]
    sure = _short(of_family.sel(family_name=family))
    if family == "null":
        return [
            f"Nothing learned wins among {among}: models that know nothing of outcomes are the "
            f"most frequent family (protected exceedance {sure})."
        ]
    told = (
        f"The most frequent family of models among {among} is {family} (protected exceedance "
        f"{sure} of {len(families)} families)"
    )
    members = table["model"].values[table["family"].values == family]
    if len(members) == 1:
        return [f"{told}; its one member here is {_words(members[0])}."]
    of_model = table["protected_exceedance"].sel(model=members)
    best = _words(of_model.idxmax("model").item())
    if table.attrs["selected_model"]:
        return [f"{told}, and its member {best} wins ({_short(of_model.max())} of all models)."]
    return [f"{told}; which of its {len(members)} members is not settled ({best} has "
            f"{_short(of_model.max())}, less than .95)."]  # fmt: skip


def _left_out(table: xr.Dataset, many: str) -> list[str]:
    if "held_out_gain" not in table:
        return []
    gain = table["held_out_gain"]
    return [
        f"Left-out sessions are predicted better by the best model that learns than by the best "
        f"null model in {int((gain > 0).sum())} of {gain.sizes['subject']} {many} (mean "
        f"{float(gain.mean()):+.1f} nats)."
    ]


def _bic(table: xr.Dataset, many: str) -> list[str]:
    told: list[str] = []
    conflicts = int((table["conflict"] != "").sum())
    if table.attrs["conflict"]:
        told.append(f"BIC disagrees about the group: {_words(table.attrs['conflict'])}.")
    if conflicts:
        told.append(
            f"BIC names another model than the evidence in {conflicts} of {table.sizes['subject']} "
            f"{many}; the evidence decides."
        )
    return told


def _misfit(table: xr.Dataset, many: str) -> list[str]:
    if "misfit" not in table:
        return []
    best = _evidence(table).sum("subject").idxmax("model").item()
    flagged = table["misfit"].sel(model=best)
    k, n = int(flagged.sum()), flagged.sizes["subject"]
    if not k:
        return [f"The residuals of {_words(best)}, the best by evidence, show no misfit."]
    return [
        f"In {k} of {n} {many} the residuals of {_words(best)}, the best by evidence, are related "
        "over time or differ between sessions (p < .01; true models fail this in about 1 of 40): "
        "the best of these models may not describe the choices there."
    ]


def _evidence(table: xr.Dataset) -> xr.DataArray:
    return table["log_evidence"] if table.attrs["evidence"] == "Laplace" else -table["bic"] / 2


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _short(p: xr.DataArray) -> str:
    """Write a probability without its leading zero, and never as 1."""
    return "above .99" if float(p) >= 0.995 else f"{float(p):.2f}".lstrip("0")
