"""What things are called in sentences, tables and figures: animals, and measures."""

from __future__ import annotations

import xarray as xr

__all__ = ["in_words", "noun_of", "plural", "source_of"]

LATIN = {
    "rattus norvegicus": "rat", "mus musculus": "mouse", "macaca mulatta": "monkey",
    "homo sapiens": "person", "human": "person", "poecilia reticulata": "guppy",
}  # fmt: skip


def plural(noun: str, *, owning: bool = False) -> str:
    """Name several of a kind of animal.

    Parameters
    ----------
    noun
        One of them.
    owning
        In the form that owns something.

    Returns
    -------
    str

    Examples
    --------
    >>> plural("mouse"), plural("rat", owning=True), plural("mouse", owning=True), plural("fish")
    ('mice', "rats'", "mice's", 'fish')
    """
    irregular = {"mouse": "mice", "fish": "fish", "guppy": "guppies", "person": "people"}
    many = irregular.get(noun, f"{noun}s")
    ending = "'" if many.endswith("s") else "'s"
    return many + ending if owning else many


def in_words(measure: str) -> str:
    """Name a measure as a sentence does.

    Parameters
    ----------
    measure
        Its name in a profile or a comparison.

    Returns
    -------
    str

    Examples
    --------
    >>> in_words("model_free_lags_2_5"), in_words("trials_3_6")
    ('model-free at lags 2 to 5', 'trials 3 to 6')
    """
    name, lagged, lags = measure.partition("_lag")
    if not lagged or not lags.lstrip("s_").replace("_", "").isdigit():
        return measure.replace("_3_6", " 3 to 6").replace("_", " ")
    return f"{name.replace('_', '-')} at {'lags 2 to 5' if lags.startswith('s') else 'lag 1'}"


def noun_of(animals: xr.Dataset) -> str:
    """Call rats rats and mice mice; several species are animals.

    Parameters
    ----------
    animals
        A cohort.

    Returns
    -------
    str
        One of them: by the coordinate ``species``; without it a rat on Miller's task.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> noun_of(load_dataset("synthetic-rats"))
    'rat'
    """
    species = set(animals["species"].values.tolist()) if "species" in animals.coords else set()
    if not species:
        return "rat" if "miller" in str(animals.attrs["task"]) else "animal"
    name = str(species.pop()).lower() if len(species) == 1 else ""
    name = LATIN.get(name, name)
    return name if name.isalpha() else "animal"


def source_of(animals: xr.Dataset) -> str:
    """Name the animals as a source: rats, mice; what is simulated is said to be.

    Parameters
    ----------
    animals
        A cohort.

    Returns
    -------
    str

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> source_of(load_dataset("synthetic-rats"))
    'synthetic rats'
    """
    if "synthetic" in animals.attrs:
        return "synthetic rats"
    many = plural(noun_of(animals))
    return many if animals.attrs["source"] == "animal" else f"simulated {many}"
