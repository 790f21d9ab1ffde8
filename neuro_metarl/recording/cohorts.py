"""Record what subjects do on a task, and what their units do: the one door into a cohort.

Whoever plays becomes a list of recorders, one per subject (:func:`_recorders` is the one place
that knows the kinds of subjects); what they make is joined in memory by :func:`record` or written
batch by batch by :func:`record_to_zarr`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard, cast

import numpy as np
import xarray as xr

from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.engines import ENGINES, settle_engine
from neuro_metarl.agents.players import Player
from neuro_metarl.agents.population import Shape
from neuro_metarl.agents.zoo import Agents, load_agents
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.models.model import Planted
from neuro_metarl.perturb.perturbation import Perturbations
from neuro_metarl.progress import progress_bar
from neuro_metarl.recording.agents import agent_recorders
from neuro_metarl.recording.models import model_recorders, player_recorders
from neuro_metarl.recording.policies import Policy, policy_recorders
from neuro_metarl.recording.recorder import (
    DEFAULT,
    Recorder,
    Stored,
    label_sessions,
    shared_attrs,
)
from neuro_metarl.recording.visual import trace, visual_recorders
from neuro_metarl.storage import save_stream
from neuro_metarl.storage.chunks import sessions_per_chunk
from neuro_metarl.tasks.base import Task, VisualTask, check_memory
from neuro_metarl.tasks.registry import check_own, make_task

__all__ = ["record", "record_agents", "record_to_zarr", "trace"]

# at least: choice, reward, their likes and the odds
BYTES_OF_TRIAL = 16

Subjects = Agents | Player | Planted | Sequence[Planted] | Policy | str | os.PathLike[str]


def record(
    subjects: Subjects,
    task: Task | VisualTask | str | None = None,
    n_sessions: int = 100,
    *,
    seed: int = 0,
    activity: bool = True,
    variables: Sequence[str] | None = None,
    events: Sequence[str] | None = None,
    units: Sequence[int] | None = None,
    perturb: Perturbations | None = None,
    engine: str = "torch",
    progress: bool = False,
) -> xr.Dataset:
    """Let subjects play a task with frozen weights and record them.

    Parameters
    ----------
    subjects
        Trained agents, a zoo name, a checkpoint folder, a player, planted models, or a function of
        your own that is called with a :class:`~neuro_metarl.recording.policies.Moment` at each
        step and gives the actions. A planted model knows the task's transition and reward
        probabilities, unless it was given others.
    task
        Task or its name; default: what the agents were trained on.
    n_sessions
        Sessions (episodes) of each subject.
    seed
        The same seed and number of sessions give the same recording, bit for bit, whatever the
        threads and settings of torch. A subject's episodes depend on the seed and on its own
        name, not on who else is recorded, and are not those it was trained on. They depend on
        ``n_sessions``, too: agents play 100 sessions at a time, so that ``n_sessions=100`` gives
        the first hundred of ``n_sessions=250``, but ``n_sessions=1`` does not give the first of
        ``n_sessions=4``. Models and players draw all of their sessions at once. To look at fewer
        sessions of a recording, take them from it: ``cohort.isel(session=slice(1))``.
    activity
        Record what happens at each step of a trial too; if false, choices and outcomes only.
    variables
        What to record at each step, of ``activity`` (hidden state), ``cell``, ``gates``,
        ``policy``, ``value``, ``rpe`` (reward-prediction error) and ``inputs`` (what the network
        was given); default: all but gates. What happens on a trial (choice, reward, ...) is always
        recorded.
    events
        Events at which it is recorded; default: all.
    units
        Numbers of the units that are recorded; default: all.
    perturb
        What is done to the agents while they play: a
        :class:`~neuro_metarl.perturb.perturbation.Perturbation`, several, or a mapping of
        subjects to them. An empty list is a control that says so.
    engine
        What computes networks: ``"torch"``, ``"fused"`` (one compiled kernel, faster: LSTMs that
        see numbers) or ``"auto"``, fused where it can be. The two round differently, so that one
        choice in millions may differ, and all of its session after it; the attribute ``engine``
        says which it was, if not torch.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        A cohort, dims session, trial (, event, unit, action, option, gate). ``subject`` is the
        separately trained network. Events are the steps of a trial; what is stored at an event
        is the state after seeing that step's input. ``rpe`` is ``reward + discount *
        next value - value`` with the discount of the agent's training. Actions are sampled from
        the policy. If something was done to the agents, the coordinate ``perturbation(session)``
        says what in words and the attribute ``perturbation`` in JSON.

    Raises
    ------
    InputError
        Unknown names, a task that does not fit the networks, no sessions, or units, events or
        perturbations of subjects that have none.

    Examples
    --------
    >>> cohort = record("two-step/0", n_sessions=2, seed=1)
    >>> dict(cohort.activity.sizes)
    {'session': 2, 'trial': 100, 'event': 3, 'unit': 48}
    >>> from neuro_metarl.perturb.perturbation import lesion
    >>> cohort = record("two-step/0", n_sessions=2, perturb=lesion([3]), events=["first_step"])
    >>> bool((cohort.activity.sel(unit=3) == 0).all()), str(cohort.perturbation.values[0])
    (True, 'activity set to 0 in units 3')
    """
    stored = _stored(activity, variables, events, units)
    recorders = _recorders(
        subjects, task, n_sessions, seed=seed, stored=stored, perturb=perturb, engine=engine,
        whole=True,
    )  # fmt: skip
    return _in_memory(recorders, n_sessions, progress)


def record_agents(
    agents: Agents,
    task: Task | VisualTask | None = None,
    n_sessions: int = 100,
    *,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Record the choices of networks, without their activity.

    Parameters
    ----------
    agents, task, n_sessions, seed, progress
        See :func:`record`.

    Returns
    -------
    xarray.Dataset
        As :func:`record` gives with ``activity=False``.

    Raises
    ------
    InputError
        See :func:`record`.

    Examples
    --------
    >>> from neuro_metarl.agents.zoo import load_agents
    >>> "activity" in record_agents(load_agents("two-step/0"), n_sessions=2)
    False
    """
    _check_number(n_sessions)
    recorders = _networks(agents, task or agents.task, n_sessions, seed=seed)
    return _in_memory(recorders, n_sessions, progress)


def _in_memory(recorders: Sequence[Recorder], n_sessions: int, progress: bool) -> xr.Dataset:
    parts = [part for _, part in _batches(recorders, n_sessions, 0, progress)]
    joined = {name: _join([part.pop(name) for part in parts]) for name in list(parts[0])}
    rows = [(k, s) for k in range(len(recorders)) for s in range(n_sessions)]
    return label_sessions(recorders, joined, rows, shared_attrs(recorders))


def record_to_zarr(
    subjects: Subjects,
    task: Task | VisualTask | str | None = None,
    n_sessions: int = 100,
    *,
    out: str | os.PathLike[str],
    seed: int = 0,
    activity: bool = True,
    variables: Sequence[str] | None = None,
    events: Sequence[str] | None = None,
    units: Sequence[int] | None = None,
    perturb: Perturbations | None = None,
    engine: str = "torch",
    progress: bool = False,
    overwrite: bool = False,
) -> Path:
    """Record like :func:`record`, but write sessions to a Zarr folder as they are made.

    Parameters
    ----------
    subjects, task, n_sessions, seed, activity, variables, events, units, perturb, engine, progress
        See :func:`record`.
    out
        The folder; it appears when the recording is complete. A recording that is interrupted,
        or killed, leaves ``<out>.partial``; the same call takes it up again and ends with the
        same numbers.
    overwrite
        Replace a cohort that is there, when the recording is complete. What is no cohort is never
        replaced.

    Returns
    -------
    pathlib.Path
        The folder; :func:`neuro_metarl.open_cohort` with ``lazy=True`` reads no more of it than
        is used.

    Raises
    ------
    InputError
        See :func:`record`; or the folder cannot be written, is there already and is no cohort, or
        ``<out>.partial`` is of another recording.

    Examples
    --------
    >>> import tempfile
    >>> path = record_to_zarr("two-step/0", n_sessions=2, out=tempfile.mkdtemp() + "/c.zarr")
    >>> path.name
    'c.zarr'
    """
    stored = _stored(activity, variables, events, units)
    recorders = _recorders(
        subjects, task, n_sessions, seed=seed, stored=stored, perturb=perturb, engine=engine
    )
    attrs = shared_attrs(recorders)

    total = n_sessions * len(recorders)

    def cohorts(skip: int) -> Iterator[xr.Dataset]:
        held: list[tuple[list[tuple[int, int]], dict[str, np.ndarray]]] = []
        enough = 0
        for batch in _batches(recorders, n_sessions, skip, progress):
            held.append(batch)
            enough = enough or sessions_per_chunk(_labelled(recorders, held, attrs), total)
            if sum(len(rows) for rows, _ in held) >= enough:
                yield _labelled(recorders, held, attrs)
                held = []
        if held:
            yield _labelled(recorders, held, attrs)

    identity = {
        **{str(key): str(value) for key, value in attrs.items()},
        "subjects": json.dumps([(r.name, r.identity) for r in recorders]),
        "n_sessions": str(n_sessions),
        "stored": str(stored),
    }
    return save_stream(cohorts, out, identity=identity, n_sessions=total, overwrite=overwrite)


def _recorders(
    subjects: Subjects,
    task: Task | VisualTask | str | None,
    n_sessions: int,
    *,
    seed: int,
    stored: Stored | None,
    perturb: Perturbations | None,
    engine: str = "torch",
    whole: bool = False,
) -> list[Recorder]:
    """Find out who plays. A new kind of subject gets a branch here and a module beside.

    What is needed is held against the machine's memory: of the whole recording, or of a session.
    """
    _check_number(n_sessions)
    chosen: Any = make_task(task) if isinstance(task, str) else task
    if chosen is not None:
        check_own(chosen)
    if engine not in ENGINES:
        raise InputError(f"engine is {engine!r}; {did_you_mean(str(engine), ENGINES)}")
    recorders = _without_units(subjects, chosen, seed)
    if recorders is not None:
        _refuse_units(stored, perturb)
        _check_memory(chosen, n_sessions * len(recorders) if whole else 1, None, None)
        return _apart(recorders)
    if not isinstance(subjects, Agents | str | os.PathLike):
        raise InputError(
            f"subjects: got {type(subjects).__name__}, expected agents, the name of a zoo or "
            "checkpoint, a player, planted models, or a function that chooses"
        )
    agents = subjects if isinstance(subjects, Agents) else load_agents(cast(str, subjects))
    return _networks(
        agents, chosen or agents.task, n_sessions, seed=seed, stored=stored, perturb=perturb,
        engine=engine, whole=whole,
    )  # fmt: skip


def _check_number(n_sessions: int) -> None:
    if isinstance(n_sessions, bool) or not isinstance(n_sessions, int | np.integer):
        raise InputError(f"n_sessions is {n_sessions!r}, expected a whole number from 1")
    if n_sessions < 1:
        raise InputError(f"n_sessions is {n_sessions}, expected 1 or more")


def _networks(
    agents: Agents,
    task: Task | VisualTask,
    n_sessions: int,
    *,
    seed: int,
    stored: Stored | None = None,
    perturb: Perturbations | None = None,
    engine: str = "torch",
    whole: bool = True,
) -> list[Recorder]:
    """Make recorders of networks that see numbers, or pictures."""
    shape = agents.population.shape
    _check_memory(task, n_sessions * len(agents) if whole else 1, stored, shape)
    shape.check(task)
    if isinstance(task, VisualTask):
        settle_engine(engine, shape)
        return _apart(visual_recorders(agents, task, seed=seed, stored=stored, perturb=perturb))
    return _apart(
        agent_recorders(agents, task, seed=seed, stored=stored, perturb=perturb, engine=engine)
    )


def _apart(recorders: list[Recorder]) -> list[Recorder]:
    """Refuse two subjects of one name."""
    names = [recorder.name for recorder in recorders]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"subject {name!r} appears twice; give each a name of its own")
    return recorders


def _without_units(subjects: Any, task: Any, seed: int) -> list[Recorder] | None:
    """Make recorders of subjects that have choices alone; None: of another kind."""
    if isinstance(subjects, Player):
        return player_recorders(subjects, task, seed)
    if isinstance(subjects, Planted):
        return model_recorders([subjects], task, seed)
    if _all_planted(subjects):
        return model_recorders(list(subjects), task, seed)
    if callable(subjects) and not isinstance(subjects, type):
        return policy_recorders(subjects, task, seed)
    return None


def _check_memory(task: Any, n_sessions: int, stored: Stored | None, shape: Shape | None) -> None:
    """Refuse, before anything is played, recordings that do not fit into this machine."""
    n_trials = getattr(task, "n_trials", 1)
    size = BYTES_OF_TRIAL
    if stored is not None and shape is not None and not isinstance(task, VisualTask):
        units = shape.n_units if stored.units is None else len(stored.units)
        events = len(task.events if stored.events is None else stored.events)
        numbers = {"activity": 1, "cell": 1, "gates": len(shape.core.gates)}
        wide = sum(numbers.get(name, 0) for name in stored.variables)
        size += 4 * units * events * wide
    advice = "" if n_sessions == 1 else " (record_to_zarr holds some sessions at a time)"
    what = f"{n_sessions} sessions of {n_trials} trials{advice}"
    check_memory(float(n_sessions) * n_trials * size, what)


def _batches(
    recorders: Sequence[Recorder], n_sessions: int, skip: int, progress: bool
) -> Iterator[tuple[list[tuple[int, int]], dict[str, np.ndarray]]]:
    """Play subject after subject, without the first sessions, and say whose each session is."""
    total = n_sessions * len(recorders)
    done = skip
    with one_thread(), progress_bar("recording", total, shown=progress) as show:
        while done < total:
            k, late = divmod(done, n_sessions)
            for part in recorders[k].batches(n_sessions, late):
                size = len(part["choice"])
                first = done - k * n_sessions
                yield [(k, s) for s in range(first, first + size)], part
                done += size
                show(done, recorders[k].name)


def _labelled(
    recorders: Sequence[Recorder],
    batches: Sequence[tuple[list[tuple[int, int]], dict[str, np.ndarray]]],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    rows = [row for more, _ in batches for row in more]
    parts = [part for _, part in batches]
    joined = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    return label_sessions(recorders, joined if len(parts) > 1 else parts[0], rows, attrs)


def _join(parts: list[np.ndarray]) -> np.ndarray:
    """Stack sessions, those of one session side by side in memory."""
    shape = (sum(map(len, parts)), *parts[0].shape[1:])
    return np.concatenate(parts, out=np.empty(shape, parts[0].dtype))


def _all_planted(subjects: Any) -> TypeGuard[Sequence[Planted]]:
    return (
        isinstance(subjects, Sequence)
        and len(subjects) > 0
        and all(isinstance(s, Planted) for s in subjects)
    )


def _stored(
    activity: bool,
    variables: Sequence[str] | None,
    events: Sequence[str] | None,
    units: Sequence[int] | None,
) -> Stored | None:
    if not activity:
        given = {"variables": variables, "events": events, "units": units}
        for name, value in given.items():
            if value is not None:
                raise InputError(f"{name} chosen, but activity is False: nothing to choose from")
        return None
    return Stored(DEFAULT if variables is None else variables, events, units)


def _refuse_units(stored: Stored | None, perturb: Perturbations | None) -> None:
    """Models and players have no units: refuse to choose among them or to perturb them."""
    if perturb is not None:
        raise InputError(
            "perturb: cognitive models, players and policies have no units; perturb agents"
        )
    if stored is not None and stored != Stored():
        raise InputError(
            "variables, events, units: cognitive models, players and policies have none; record "
            "agents"
        )
