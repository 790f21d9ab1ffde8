"""What agents play to stand beside animals: a form of the task, copies of sessions, or their own.

A paradigm names one of the three (:attr:`neuro_metarl.paradigms.paradigm.Paradigm.plays`). Each is
asked the same: what the agents need of the animals, what they play, and where they lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import xarray as xr

from neuro_metarl.agents.zoo import Agents, untrained
from neuro_metarl.assessment import assess, assess_profiles
from neuro_metarl.cohort import subjects_of
from neuro_metarl.comparison.cloud import LEAST_ANIMALS
from neuro_metarl.paradigms.paradigm import Paradigm
from neuro_metarl.recording.cohorts import record_agents
from neuro_metarl.tasks.registry import list_tasks, make_task
from neuro_metarl.yoking import check_playable, record_yoked, sessions_for
from neuro_metarl.yoking.sessions import Sessions

__all__ = ["PLAYS", "How", "Plays"]

N_TRIALS, FEWEST_SESSIONS = 300, 300
USUAL_FORM = "two-step-miller"


@dataclass(frozen=True)
class How:
    """What was asked for.

    Parameters
    ----------
    task
        Form of the task that agents play; None: the animals' own.
    n_sessions
        Sessions that each agent plays where it does not play the animals' own.
    options
        Of the measures, see :func:`neuro_metarl.comparison.compare`: on two-step tasks ``history``
        and ``penalty``.
    models
        Models fitted to agents and animals alike; None: those of the paradigm.
    n_replicates, allow_mismatch
        See :func:`neuro_metarl.assessment.assess`.
    assess
        Whether agents are placed among the animals.
    seed
        Of everything.
    progress
        Show progress on standard error.

    Examples
    --------
    >>> How(seed=1).n_sessions
    100
    """

    task: str | None = None
    n_sessions: int = 100
    options: Mapping[str, Any] = field(default_factory=dict)
    models: tuple[str, ...] | None = None
    n_replicates: int | None = None
    allow_mismatch: bool = False
    assess: bool = True
    seed: int = 0
    progress: bool = False

    def judges(self, animals: xr.Dataset) -> bool:
        """Say whether agents are placed among these animals: if asked for, and there are enough.

        Parameters
        ----------
        animals
            A cohort.

        Returns
        -------
        bool
        """
        return self.assess and len(subjects_of(animals)) >= LEAST_ANIMALS


class Plays(Protocol):
    """What agents play beside animals; the arguments are those of ``beside_animals``."""

    def sessions(
        self, agents: Agents, animals: xr.Dataset, kind: Paradigm, how: How
    ) -> Sessions | None:
        """Read the animals' sessions, where agents will play them; refuse agents that cannot."""

    def record(
        self, agents: Agents, animals: xr.Dataset, how: How, sessions: Sessions | None
    ) -> xr.Dataset:
        """Let the agents play what they are measured on."""

    def place(
        self, agents: Agents, played: xr.Dataset, animals: xr.Dataset, kind: Paradigm, how: How,
        sessions: Sessions | None,
    ) -> xr.DataTree:  # fmt: skip
        """Say where the agents lie among the animals."""


class Yoked:
    """Copies of the animals' own sessions, on which agents are measured and assessed."""

    def sessions(
        self, agents: Agents, animals: xr.Dataset, kind: Paradigm, how: How
    ) -> Sessions | None:
        """Read what the agents will play."""
        return sessions_for(agents, animals, allow_mismatch=how.allow_mismatch, kind=kind.sessions)

    def record(
        self, agents: Agents, animals: xr.Dataset, how: How, sessions: Sessions | None
    ) -> xr.Dataset:
        """Play each session once."""
        return record_yoked(
            agents, animals, n_replicates=1, sessions=sessions, seed=how.seed,
            progress=how.progress,
        )  # fmt: skip

    def place(
        self, agents: Agents, played: xr.Dataset, animals: xr.Dataset, kind: Paradigm, how: How,
        sessions: Sessions | None,
    ) -> xr.DataTree:  # fmt: skip
        """Assess the agents on the animals' own sessions; played again with every control."""
        if kind.own_model is None:
            return Own().place(agents, played, animals, kind, how, sessions)
        return assess(
            agents, animals, paradigm=kind, n_replicates=how.n_replicates,
            allow_mismatch=how.allow_mismatch, sessions=sessions, seed=how.seed,
            progress=how.progress,
        )  # fmt: skip


class Form(Yoked):
    """A form of the task with its own sessions to be measured, the animals' to be assessed."""

    def sessions(
        self, agents: Agents, animals: xr.Dataset, kind: Paradigm, how: How
    ) -> Sessions | None:
        """Read what the agents will be assessed on."""
        judged = how.judges(animals) and kind.own_model is not None
        return super().sessions(agents, animals, kind, how) if judged else None

    def record(
        self, agents: Agents, animals: xr.Dataset, how: How, sessions: Sessions | None
    ) -> xr.Dataset:
        """Play sessions of 300 trials of the form that was asked for, or that the animals had."""
        form = how.task or str(animals.attrs["task"])
        if how.task is None and (form not in list_tasks() or form == "two-step"):
            form = USUAL_FORM
        task = make_task(form, n_trials=N_TRIALS)
        cohort = record_agents(agents, task, how.n_sessions, seed=how.seed, progress=how.progress)
        return cohort.assign_attrs(played=f"{task.name} {task.config}")


class Own:
    """Sessions of the task that the agents were trained on."""

    def sessions(
        self, agents: Agents, animals: xr.Dataset, kind: Paradigm, how: How
    ) -> Sessions | None:
        """Refuse agents whose task differs from the animals' in what makes it hard."""
        if kind.sessions:
            check_playable(agents, animals, allow_mismatch=how.allow_mismatch, kind=kind.sessions)
        return None

    def record(
        self, agents: Agents, animals: xr.Dataset, how: How, sessions: Sessions | None
    ) -> xr.Dataset:
        """Play 300 sessions or more: on learning sets a session is one problem."""
        n = max(FEWEST_SESSIONS, how.n_sessions)
        return record_agents(agents, n_sessions=n, seed=how.seed, progress=how.progress)

    def place(
        self, agents: Agents, played: xr.Dataset, animals: xr.Dataset, kind: Paradigm, how: How,
        sessions: Sessions | None,
    ) -> xr.DataTree:  # fmt: skip
        """Hold signatures against signatures, beside networks that never learned."""
        controls = {}
        if not hasattr(agents.task, "image_shape"):
            fresh = untrained(agents, seed=how.seed)
            control = record_agents(fresh, n_sessions=FEWEST_SESSIONS, seed=how.seed)
            controls["untrained network"] = kind.measure(control)
        return assess_profiles(
            kind.measure(played), kind.measure(animals), controls=controls, seed=how.seed,
            progress=how.progress,
        )  # fmt: skip


PLAYS: dict[str, Plays] = {"form": Form(), "yoked": Yoked(), "own": Own()}
"""By the name that a paradigm gives."""
