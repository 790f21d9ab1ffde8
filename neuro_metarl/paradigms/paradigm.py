"""What a kind of experiment is: all that an assessment, a report and the command ask of it.

Nothing else in the package asks which kind of task a cohort played: what differs between kinds is
said once, in a :class:`Paradigm`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import xarray as xr

from neuro_metarl.measures.measure import Measure
from neuro_metarl.measures.signatures import signature_measures

__all__ = ["Control", "Paradigm"]


@dataclass(frozen=True)
class Control:
    """A model whose place among animals is known.

    Parameters
    ----------
    model
        Name of a cognitive model.
    values
        Its parameters; what is not named keeps the model's typical value.
    """

    model: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Paradigm:
    """A kind of experiment.

    Parameters
    ----------
    name
        Unique name.
    holds
        Cohort to whether it is of this kind.
    profile
        Cohort to the signatures of each subject with the covariance of their errors, as
        :func:`neuro_metarl.behavior.profiles.profile` gives.
    measures
        What :func:`neuro_metarl.compare` measures; default: each signature of the profile.
    needs
        Variables that a cohort of this kind has beside choice and reward, for messages.
    curve
        Cohort to a learning curve, which the command draws beside the comparison.
    agents
        The agents of the package that stand for networks where none are named.
    plays
        What agents play to be measured beside animals: ``"form"``, the animals' form of the task;
        ``"yoked"``, copies of the animals' own sessions; ``"own"``, sessions of their own. Agents
        that play a form or are yoked are also assessed on the animals' own sessions.
    sessions
        What the animals' sessions are to agents that play or meet them, one of
        :data:`neuro_metarl.yoking.KINDS`; empty: they cannot.
    forms
        Beginning of the names of the tasks that the agents must have been trained on.
    fitted
        Models that the comparison fits to agents and animals alike.
    own_model
        The model that is fitted to each animal as the measure of what can be predicted; None: there
        is no prediction.
    controls
        Label to a model whose place is known.
    placed, predicting
        Labels of the controls that the report's figure shows, among the signatures and among the
        predictions.
    methods
        Paragraphs of HTML.
    limits
        Sentences; ``{noun}``, ``{many}`` and ``{selected}`` are filled in.

    Examples
    --------
    >>> coin = Paradigm("coin", lambda cohort: cohort.attrs["task"] == "coin", lambda c: c)
    >>> coin.yoked, coin.own_model
    (False, None)
    """

    name: str
    holds: Callable[[xr.Dataset], bool]
    profile: Callable[[xr.Dataset], xr.Dataset]
    measures: tuple[Measure, ...] = ()
    needs: tuple[str, ...] = ()
    curve: Callable[[xr.Dataset], xr.Dataset] | None = None
    agents: str = ""
    plays: Literal["form", "yoked", "own"] = "own"
    sessions: str = ""
    forms: str = ""
    fitted: tuple[str, ...] = ()
    own_model: str | None = None
    controls: Mapping[str, Control] = field(default_factory=dict)
    placed: tuple[str, ...] = ()
    predicting: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def yoked(self) -> bool:
        """Whether agents are assessed on the animals' own sessions."""
        return self.plays != "own"

    def measure(self, cohort: xr.Dataset) -> xr.Dataset:
        """Measure the signatures of each subject, and sign them with the paradigm's name.

        Parameters
        ----------
        cohort
            Of this kind.

        Returns
        -------
        xarray.Dataset
            The profile, with the attribute ``paradigm``.
        """
        return self.profile(cohort).assign_attrs(paradigm=self.name)

    def usual_measures(self, cohort: xr.Dataset) -> tuple[Measure, ...]:
        """Say what :func:`neuro_metarl.compare` measures where nothing else is named.

        Parameters
        ----------
        cohort
            Of one subject of this kind; where the paradigm names no measures, its profile tells
            the names of the signatures.

        Returns
        -------
        tuple of Measure
        """
        if self.measures:
            return self.measures
        names = [str(name) for name in self.profile(cohort)["measure"].values]
        return signature_measures(self.profile, names, units="signature")

    def said_limits(self, noun: str, many: str, selected: str) -> tuple[str, ...]:
        """Fill in what an animal is called, and how agents were selected.

        Parameters
        ----------
        noun, many
            One animal and several.
        selected
            How many agents were chosen from how many.

        Returns
        -------
        tuple of str
        """
        return tuple(one.format(noun=noun, many=many, selected=selected) for one in self.limits)
