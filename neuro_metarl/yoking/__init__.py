"""Networks on an animal's own sessions: yoked (they choose) and replayed (the animal chose).

Both are doors between torch and labelled arrays, like :mod:`neuro_metarl.recording`. Agents take
turns in one rollout, whose buffers are made once for each batch of sessions.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

import numpy as np
import xarray as xr

from neuro_metarl.agents.calibrated import Calibration
from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.zoo import Agents
from neuro_metarl.cohort import kind_of_task, make_cohort, validate_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.progress import progress_bar
from neuro_metarl.schema import specification
from neuro_metarl.yoking.bandits import read_arms
from neuro_metarl.yoking.learning_sets import check_learning_sets
from neuro_metarl.yoking.sessions import Sessions, batches_of, take_turns, to_front
from neuro_metarl.yoking.two_step import read_two_step

__all__ = ["KINDS", "check_playable", "record_yoked", "replay", "sessions_for"]

KINDS = ("two-step", "bandit", "learning-set")
"""What animals' sessions can be to agents: played again choice by choice (two-step, bandit), or
problems like those that they meet (learning-set)."""


def record_yoked(
    agents: Agents,
    animals: xr.Dataset,
    *,
    n_replicates: int = 5,
    calibration: Calibration | None = None,
    allow_mismatch: bool = False,
    sessions: Sessions | None = None,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Let agents play copies of the animals' sessions.

    Parameters
    ----------
    agents
        Trained on the two-step task, or on a bandit of two arms.
    animals
        Cohort of their task, with rewards of 0 and 1. Each session lends its length, the places of
        forced choices with what was imposed, and its nominal probabilities, trial by trial; invalid
        trials do not exist. Where a two-step cohort has no ``p_reward`` at all, the odds and blocks
        are drawn by the rule of Miller's task; odds of some trials only are refused. Where the
        animals' arms are baited (task ``"bandit-baited"``), so are these: a reward that an arm
        would have paid stays until the arm is chosen.
    n_replicates
        Times that each agent plays each session, with fresh transitions and rewards.
    calibration
        Changes the policy of the choice (two-step: of the first step).
    allow_mismatch
        Let agents play that were trained with another probability of the common transition.
    sessions
        What :func:`sessions_for` gave for these animals; default: they are read.
    seed
        Of transitions, rewards and actions.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        A cohort, source "agent"; two-step: all mappings as "choice 0 leads commonly to state 0".
        The attribute ``odds`` says whose they are. Where a session has no more trials, ``p_reward``
        and ``reward`` are NaN and the others as the schema has them.

    Raises
    ------
    InputError
        Agents of another task, another transition probability, animals that differ in it, a
        bandit without ``p_reward`` of two arms, odds that are missing on some valid trials, or
        rewards, choices or states other than 0 and 1; with subject, session and trial.

    Examples
    --------
    >>> from neuro_metarl import load_agents, load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> cohort = record_yoked(load_agents("two-step/0"), rats, n_replicates=1)
    >>> cohort.sizes["session"] == rats.sizes["session"]
    True
    """
    if n_replicates < 1:
        raise InputError(f"n_replicates is {n_replicates}, expected 1 or more")
    _check_names(agents)
    sessions = sessions or _read(animals, played=True)
    task = sessions.task_for(agents, allow_mismatch=allow_mismatch)
    n_sessions = len(sessions.there)
    rows = np.tile(np.arange(n_sessions), n_replicates)
    tables: list[dict[str, np.ndarray]] = [{} for _ in agents.names]
    batches = batches_of(sessions.lengths[rows], len(task.events))
    total = len(agents) * len(batches)
    with one_thread(), progress_bar("yoked sessions", total, shown=progress) as show:
        for b, batch in enumerate(batches):
            part = sessions.part(rows[batch])
            turns = take_turns(agents, partial(part.rollout, task=task, calibration=calibration))
            for k, rollout in enumerate(turns):
                played = part.play(rollout, np.random.default_rng([seed, b, k]))
                _put(tables[k], batch, played, part.there, (len(rows), sessions.longest))
                show(b * len(agents) + k + 1, agents.names[k])
    names = sessions.subject.tolist()
    variables = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    if "problem" in animals:
        there, moved = to_front(animals)
        problem = np.where(there, moved("problem"), -1)
        variables["problem"] = np.tile(problem[rows], (len(agents), 1))
    return make_cohort(
        variables,
        subject=np.repeat(agents.names, len(rows)).tolist(),
        session_id=[
            f"{names[s]}/{s}/{i // n_sessions}" for _ in agents.names for i, s in enumerate(rows)
        ],
        task=sessions.task_name,
        source="agent",
        coords={"option": ("option", np.arange(2, dtype="int8"))},
        attrs={
            **sessions.attrs,
            "created_by": f"neuro_metarl {version('neuro_metarl')} record_yoked",
            "seed": seed,
            "trained_on": agents.task.config,
            "yoked_to": ", ".join(dict.fromkeys(map(str, names))),
        },
    )


def replay(
    agents: Agents,
    animals: xr.Dataset,
    *,
    sessions: Sessions | None = None,
    seed: int = 0,
    progress: bool = False,
) -> xr.DataArray:
    """Force agents through the animals' histories and read what they would have chosen.

    Parameters
    ----------
    agents
        Trained on the two-step task, or on a bandit of two arms.
    animals
        Cohort of their task; forced trials are replayed, invalid ones do not exist.
    sessions
        What :func:`sessions_for` gave for these animals; default: they are read.
    seed
        Of the agents' actions at steps other than the choice.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.DataArray
        Log odds of choosing 1 before each trial, dims subject, session, trial, with the session's
        animal as ``animal(session)``; NaN on invalid trials. Hidden state starts anew with each
        session.

    Raises
    ------
    InputError
        A cohort of neither task, or agents of another task.

    Examples
    --------
    >>> from neuro_metarl import load_agents, load_dataset
    >>> odds = replay(load_agents("two-step/0"), load_dataset("synthetic-rats"))
    >>> odds.dims
    ('subject', 'session', 'trial')
    """
    _check_names(agents)
    sessions = sessions or _read(animals, played=False)
    task = sessions.task_for(agents, allow_mismatch=True)
    place = animals["valid"].transpose("session", "trial").values == 1
    odds = np.full((len(agents), *place.shape), np.nan)
    batches = batches_of(sessions.lengths, len(task.events))
    total = len(agents) * len(batches)
    with one_thread(), progress_bar("replaying", total, shown=progress) as show:
        for b, batch in enumerate(batches):
            part = sessions.part(batch)
            turns = take_turns(agents, partial(part.rollout, task=task, calibration=None))
            for k, rollout in enumerate(turns):
                part.force(rollout, np.random.default_rng([seed, b, k]))
                step = max(0, len(task.events) - 2)
                logits = rollout.logits[step :: len(task.events), 0]
                lead = (logits[:, 1] - logits[:, 0]).T.numpy()
                mine = odds[k, batch]
                mine[place[batch]] = lead[part.there]
                odds[k, batch] = mine
                show(b * len(agents) + k + 1, agents.names[k])
    return xr.DataArray(
        odds,
        dims=("subject", "session", "trial"),
        coords={"subject": list(agents.names), "animal": ("session", animals["subject"].values)},
        attrs={"long_name": "log odds of choosing 1"},
    )


def check_playable(
    agents: Agents, animals: xr.Dataset, *, allow_mismatch: bool = False, kind: str = ""
) -> None:
    """Refuse agents that cannot play the animals' sessions, before anything is computed.

    Parameters
    ----------
    agents, animals, allow_mismatch
        See :func:`record_yoked`. Learning sets, which agents meet on problems of their own, can be
        checked too.
    kind
        What the sessions are, one of :data:`KINDS`; default: what the cohort's name and variables
        say.

    Raises
    ------
    InputError
        See :func:`record_yoked`; or animals whose better object does not always pay, beside agents
        whose better object does.

    Examples
    --------
    >>> from neuro_metarl import load_agents, load_dataset
    >>> check_playable(load_agents("two-step/0"), load_dataset("synthetic-rats"))
    """
    kind = kind or kind_of_task(animals)
    if kind == "learning-set":
        check_learning_sets(agents, animals, allow_mismatch=allow_mismatch)
        return
    sessions_for(agents, animals, allow_mismatch=allow_mismatch, kind=kind)


def sessions_for(
    agents: Agents, animals: xr.Dataset, *, allow_mismatch: bool = False, kind: str = ""
) -> Sessions:
    """Read the animals' sessions once, for agents that can play them.

    Parameters
    ----------
    agents, animals, allow_mismatch
        See :func:`record_yoked`.
    kind
        See :func:`check_playable`.

    Returns
    -------
    Sessions
        For :func:`record_yoked` and :func:`replay`.

    Raises
    ------
    InputError
        See :func:`record_yoked`.

    Examples
    --------
    >>> from neuro_metarl import load_agents, load_dataset
    >>> sessions = sessions_for(load_agents("two-step/0"), load_dataset("synthetic-rats"))
    >>> sessions.there.dtype
    dtype('bool')
    """
    sessions = _read(animals, played=True, kind=kind)
    sessions.task_for(agents, allow_mismatch=allow_mismatch)
    return sessions


def _read(animals: xr.Dataset, *, played: bool, kind: str = "") -> Sessions:
    """Read sessions that agents can play, or, where the odds do not matter, be led through."""
    kind = kind or kind_of_task(animals)
    if kind == "two-step-human":
        raise InputError(
            "the second step of these subjects has a choice of its own: agents have no such task"
        )
    readers = {"bandit": read_arms, "two-step": read_two_step}
    if kind not in readers:
        raise InputError(
            f"agents do not play sessions of the kind {kind!r} (task {animals.attrs['task']!r}), "
            f"only of {' and '.join(readers)}; record them on a task of their own"
        )
    return readers[kind](validate_cohort(animals), played=played)


def _check_names(agents: Agents) -> None:
    for name in agents.names:
        if agents.names.count(name) > 1:
            raise InputError(f"subject {name!r} appears twice; give each a name of its own")


def _put(
    table: dict[str, np.ndarray], rows: np.ndarray, played: dict[str, np.ndarray],
    there: np.ndarray, shape: tuple[int, int],
) -> None:  # fmt: skip
    """Write a batch of sessions into an agent's arrays; what does not exist is blank."""
    for name, values in played.items():
        blank = specification(name)[2]
        if name not in table:
            table[name] = np.full((*shape, *values.shape[2:]), blank, dtype=values.dtype)
        values[~there] = blank
        table[name][rows, : values.shape[1]] = values
