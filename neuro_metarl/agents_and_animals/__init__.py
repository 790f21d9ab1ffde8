"""Agents beside animals, in one way for every paradigm: played, measured, fitted, placed.

This is what ``neuro-metarl compare-to-rodent-data`` does, without files and without a screen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
import xarray as xr

from neuro_metarl.agents.zoo import Agents
from neuro_metarl.agents_and_animals.plays import PLAYS, How
from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.comparison.measures import check_comparable, check_options, compare
from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import choose_models, fit_models, with_nulls
from neuro_metarl.models.misfit import misfit_of
from neuro_metarl.models.selection import compare_models, fit_table
from neuro_metarl.paradigms.paradigm import Paradigm
from neuro_metarl.paradigms.registry import paradigm_of
from neuro_metarl.yoking.sessions import Sessions

__all__ = ["How", "SideBySide", "beside_animals", "check_agents", "fit_source"]

N_STARTS = 3
Fits = dict[str, tuple[pd.DataFrame, xr.Dataset]]


@dataclass(frozen=True)
class SideBySide:
    """Agents and animals, measured and fitted alike.

    Parameters
    ----------
    paradigm
        Kind of experiment.
    cohorts
        Source to what its subjects did.
    comparison
        From :func:`neuro_metarl.comparison.compare`.
    fits
        Source to a table of parameters, and to the comparison of the models.
    tree
        From :func:`neuro_metarl.assessment.assess`, or None where it was not made.
    curves
        Source to the learning curves of its subjects, where the paradigm has such.
    """

    paradigm: Paradigm
    cohorts: dict[str, xr.Dataset]
    comparison: xr.Dataset
    fits: Fits = field(default_factory=dict)
    tree: xr.DataTree | None = None
    curves: dict[str, xr.Dataset] = field(default_factory=dict)


def beside_animals(
    agents: Agents,
    animals: xr.Dataset,
    how: How | None = None,
    *,
    label: str = "animals",
    paradigm: Paradigm | None = None,
    sessions: Sessions | None = None,
) -> SideBySide:
    """Let agents play what the animals played; measure, fit and place both alike.

    Parameters
    ----------
    agents
        Trained networks.
    animals
        Cohort of at least two animals; four or more are needed to place agents among them.
    how
        Options.
    label
        Name of the animals as a source.
    paradigm
        Kind of experiment; default: the one that holds the animals.
    sessions
        What :func:`check_agents` gave, where it was called already.

    Returns
    -------
    SideBySide

    Raises
    ------
    InputError
        Agents that cannot play what the animals played, before anything is computed.

    Examples
    --------
    >>> from neuro_metarl import load_agents, load_dataset
    >>> found = beside_animals(load_agents("two-step/0"), load_dataset("synthetic-rats"),
    ...                        How(n_sessions=2, models=(), assess=False), label="rats")
    >>> found.paradigm.name, list(found.cohorts)
    ('two-step', ['agents', 'rats'])
    """
    how = how or How()
    kind = paradigm or paradigm_of(animals)
    if sessions is None:
        sessions = check_agents(agents, animals, kind, how)
    plays = PLAYS[kind.plays]
    cohorts = {"agents": plays.record(agents, animals, how, sessions), label: animals}
    comparison = compare(
        cohorts, paradigm=kind, **how.options, seed=how.seed, progress=how.progress
    )
    wanted = kind.fitted if how.models is None else how.models
    fits = {s: fit_source(s, one, wanted, how) for s, one in cohorts.items() if wanted}
    tree = None
    if how.judges(animals):
        tree = plays.place(agents, cohorts["agents"], animals, kind, how, sessions)
    curves = {s: kind.curve(one) for s, one in cohorts.items()} if kind.curve else {}
    return SideBySide(kind, cohorts, comparison, fits, tree, curves)


def check_agents(
    agents: Agents, animals: xr.Dataset, kind: Paradigm, how: How, *, name: str = "animals"
) -> Sessions | None:
    """Refuse, before anything is computed, agents that cannot be put beside these animals.

    Parameters
    ----------
    agents, animals, kind, how
        See :func:`beside_animals`.
    name
        What messages call the animals.

    Returns
    -------
    Sessions or None
        The animals' sessions as agents play them, where they will.

    Raises
    ------
    InputError
        Agents of another kind of task, animals whose sessions they cannot play, or an option that
        none of the measures takes.

    Examples
    --------
    >>> from neuro_metarl import load_agents, load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> check_agents(load_agents("two-step/0"), rats, paradigm_of(rats), How()).longest
    300
    """
    check_comparable(name, animals, kind)
    if how.options:
        first = select_subjects(animals, subjects_of(animals)[0])
        check_options(kind.usual_measures(first), how.options)
    mine = agents.task.name
    if not mine.startswith(kind.forms):
        raise InputError(
            f"agents trained on {mine!r} cannot play the animals' {kind.name} task; take agents of "
            f"{kind.agents!r}"
        )
    return PLAYS[kind.plays].sessions(agents, animals, kind, how)


def fit_source(
    source: str, cohort: xr.Dataset, models: tuple[str, ...], how: How
) -> tuple[pd.DataFrame, xr.Dataset]:
    """Fit models to the subjects of a source.

    Parameters
    ----------
    source
        Its name.
    cohort
        What its subjects did.
    models
        Names; null models are put beside them, and a model that takes a strategy for each session
        is left out where a subject has a single one.
    how
        Options.

    Returns
    -------
    tuple
        A table of all parameters, one row each with its model's fit, and the models' comparison
        from :func:`neuro_metarl.models.selection.compare_models`, with ``misfit`` (subject, model)
        from :func:`neuro_metarl.models.misfit.misfit_of`.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> rows, table = fit_source("rats", load_dataset("synthetic-rats"), ("bias",), How())
    >>> set(rows.source), table.sizes["model"]
    ({'rats'}, 4)
    """
    chosen = choose_models(cohort, with_nulls(models), strict=False)
    fits = fit_models(cohort, chosen, n_starts=N_STARTS, seed=how.seed, progress=how.progress)
    table = compare_models(fits, seed=how.seed)
    table["misfit"] = misfit_of(cohort, fits)
    per_model = table[["bic", "log_likelihood", "mean_likelihood", "problem"]].to_dataframe()
    rows = fit_table(fits).merge(per_model.reset_index(), on=["subject", "model"])
    rows.insert(0, "source", source)
    return rows, table
