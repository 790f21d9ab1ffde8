"""Record what subjects do on a task, and what their units do: the one door into a cohort."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeGuard, cast

import xarray as xr

from neuro_metarl.agents.learning import one_thread
from neuro_metarl.agents.players import Player
from neuro_metarl.agents.zoo import Agents, load_agents
from neuro_metarl.cognitive.models import Planted
from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.errors import InputError
from neuro_metarl.progress import progress_bar
from neuro_metarl.recording.agents import record_agent
from neuro_metarl.recording.models import record_model, record_player
from neuro_metarl.storage import save_stream
from neuro_metarl.tasks import Task, TwoStep, make_task

__all__ = ["record", "record_to_zarr"]

Subjects = Agents | Player | Planted | Sequence[Planted] | str | os.PathLike[str]


def record(
    subjects: Subjects,
    task: Task | str | None = None,
    n_sessions: int = 100,
    *,
    seed: int = 0,
    activity: bool = True,
    progress: bool = False,
) -> xr.Dataset:
    """Let subjects play a task with frozen weights and record them.

    Parameters
    ----------
    subjects
        Trained agents, a zoo name, a checkpoint folder, or planted models. A planted model knows
        the task's transition and reward probabilities, unless it was given others.
    task
        Task or its name; default: what the agents were trained on.
    n_sessions
        Sessions (episodes) of each subject.
    seed
        The same seed gives the same recording. A subject's episodes depend on the seed and on
        its own name, not on who else is recorded, and are not those it was trained on.
    activity
        Record hidden and cell state, value, policy and reward-prediction error too.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        A cohort, dims session, trial (, event, unit, action, option). ``subject`` is the
        separately trained network. Events are the steps of a trial; what is stored at an event
        is the state after seeing that step's input. ``rpe`` is ``reward + discount *
        next value - value`` with the discount of the agent's training. Actions are sampled from
        the policy.

    Raises
    ------
    InputError
        Unknown names, a task that does not fit the networks, or no sessions.

    Examples
    --------
    >>> cohort = record("two-step/0", n_sessions=2, seed=1)
    >>> dict(cohort.activity.sizes)
    {'session': 2, 'trial': 100, 'event': 3, 'unit': 48}
    """
    return concat_cohorts(list(_recordings(subjects, task, n_sessions, seed, activity, progress)))


def record_to_zarr(
    subjects: Subjects,
    task: Task | str | None = None,
    n_sessions: int = 100,
    *,
    out: str | os.PathLike[str],
    seed: int = 0,
    activity: bool = True,
    progress: bool = False,
) -> Path:
    """Record like :func:`record`, but write each subject to a Zarr folder as it is made.

    Parameters
    ----------
    subjects, task, n_sessions, seed, activity, progress
        See :func:`record`.
    out
        The folder; it appears when the recording is complete.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        See :func:`record`; or the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = record_to_zarr("two-step/0", n_sessions=2, out=tempfile.mkdtemp() + "/c.zarr")
    >>> path.name
    'c.zarr'
    """
    return save_stream(_recordings(subjects, task, n_sessions, seed, activity, progress), out)


def _recordings(
    subjects: Subjects,
    task: Task | str | None,
    n_sessions: int,
    seed: int,
    activity: bool,
    progress: bool,
) -> Iterator[xr.Dataset]:
    if n_sessions < 1:
        raise InputError(f"n_sessions is {n_sessions}, expected 1 or more")
    chosen = make_task(task) if isinstance(task, str) else task
    if isinstance(subjects, Player):
        if chosen is None:
            raise InputError("a player has no task of its own: name one")
        yield record_player(subjects, chosen, n_sessions, seed)
        return
    if isinstance(subjects, Planted) or _all_planted(subjects):
        players = [subjects] if isinstance(subjects, Planted) else list(subjects)
        if chosen is None:
            raise InputError("a planted model has no task of its own: name one")
        for player in players:
            if not isinstance(chosen, TwoStep):
                raise InputError(f"model {player.model.name!r} plays two-step tasks only")
            known = player.knowing(
                p_common=chosen.p_common,
                p_reward_high=chosen.p_reward_high,
                p_reward_low=chosen.p_reward_low,
            )
            yield record_model(known, chosen, n_sessions, seed)
        return
    agents = subjects if isinstance(subjects, Agents) else load_agents(cast(str, subjects))
    chosen = chosen or agents.task
    agents.population.shape.check(chosen)
    with one_thread(), progress_bar("recording", len(agents), shown=progress) as show:
        for k, name in enumerate(agents.names):
            yield record_agent(agents.select([k]), chosen, n_sessions, seed, activity)
            show(k + 1, name)


def _all_planted(subjects: Any) -> TypeGuard[Sequence[Planted]]:
    return isinstance(subjects, Sequence) and all(isinstance(s, Planted) for s in subjects)
