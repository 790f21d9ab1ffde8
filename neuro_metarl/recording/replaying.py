"""Networks driven by what others were given: their activity, value and policy on those trials.

Decoding something from a trained network says little of training, because a network that never
learned, given the same inputs, holds most of it too. Here any network is driven by any subject's
own trials, so that the two can be held against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neuro_metarl.agents.buffers import Buffers
from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.network import FAST
from neuro_metarl.agents.population import Population
from neuro_metarl.agents.traced import Traced
from neuro_metarl.agents.zoo import Agents
from neuro_metarl.cohort import subjects_of, validate_cohort
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.progress import progress_bar
from neuro_metarl.recording.agents import EPISODES_AT_ONCE, input_names
from neuro_metarl.recording.given import Given, given_to
from neuro_metarl.recording.recorder import PER_STEP, check_names
from neuro_metarl.tasks.base import check_memory

__all__ = ["record_replay"]

POSSIBLE = ("activity", "cell", "gates", "policy", "value", "inputs")
MOST_STEPS = 300_000


def record_replay(
    agents: Agents,
    cohort: xr.Dataset,
    *,
    variables: Sequence[str] = ("activity", "policy", "value"),
    events: Sequence[str] | None = None,
    of: Mapping[str, str] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Drive networks with what other subjects were given, and record what they do inside.

    Parameters
    ----------
    agents
        Networks of any core, trained or not (:func:`neuro_metarl.agents.untrained`).
    cohort
        Sessions of other networks, of models or of animals, on the agents' task. Where it holds
        ``inputs``, as :func:`neuro_metarl.record` keeps them, the networks are given these, at
        every event and on every trial, those without a choice too. Otherwise inputs are rebuilt
        from the valid trials (forced ones too): of a two-step task or a bandit with two arms.
    variables
        What is recorded at each event, of ``activity``, ``cell``, ``gates``, ``policy``, ``value``
        and ``inputs``.
    events
        Events at which it is recorded; default: all.
    of
        Whose sessions each network replays, by name; default: everybody's.
    seed
        Of actions that the cohort does not know (second step of a two-step task), drawn evenly, as
        trained networks take them, and the same for every network.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        A cohort, dims session, trial, event (, unit, action, gate, input). ``subject`` is the
        network, ``animal(session)`` whose trials they are; choices, outcomes and all else that
        happens on a trial are those of that subject. NaN where there was nothing to give. Hidden
        state starts anew with each session. The attribute ``replayed`` says where the inputs are
        from and what was assumed.

    Raises
    ------
    InputError
        The cohort lacks what inputs are made of, has inputs of another shape, or names that are
        not there.

    Notes
    -----
    A network on its own recorded sessions gives its own activity, value and policy: bit for bit if
    they are replayed as they were recorded, in hundreds of a subject; else to float32 rounding.

    Examples
    --------
    >>> from neuro_metarl import load_agents, record
    >>> from neuro_metarl.agents import untrained
    >>> agents = load_agents("two-step/0")
    >>> cohort = record(agents, n_sessions=2)
    >>> np.array_equal(record_replay(agents, cohort).activity, cohort.activity)
    True
    >>> reservoir = record_replay(untrained(agents, n_agents=1), cohort)
    >>> reservoir.animal.values.tolist(), np.array_equal(reservoir.choice, cohort.choice)
    (['two-step/0', 'two-step/0'], True)
    """
    for name in agents.names:
        if agents.names.count(name) > 1:
            raise InputError(f"subject {name!r} appears twice; give each a name of its own")
    chosen = (variables,) if isinstance(variables, str) else tuple(variables)
    if "rpe" in chosen:
        raise InputError(
            "variables: 'rpe' needs the value after the last event; make it of 'value': reward + "
            "discount * next value - value"
        )
    check_names("variables", chosen, POSSIBLE, "to record")
    core = agents.population.shape.core
    for name in ("cell", "gates"):
        if name in chosen and not (name in core.parts if name == "cell" else core.gates):
            raise InputError(f"variables: networks with the core {core.name!r} have no {name!r}")
    given = given_to(agents, validate_cohort(cohort), seed=seed)
    task_events = agents.task.events
    if events is not None:
        check_names("events", tuple(events), task_events, "in this task")
    places = [task_events.index(e) for e in (events if events is not None else task_events)]
    rows = _whose(agents, cohort, of)
    made = _drive_all(agents, given, rows, chosen, places, progress)
    return _label(agents, cohort, given, rows, made, places)


def _whose(
    agents: Agents, cohort: xr.Dataset, of: Mapping[str, str] | None
) -> list[list[np.ndarray]]:
    """List, for each network, the sessions of each subject that it replays."""
    players, names = subjects_of(cohort), cohort["subject"].values
    sessions = {name: np.flatnonzero(names == name) for name in players}
    if of is None:
        return [list(sessions.values()) for _ in agents.names]
    for network, player in of.items():
        for name, known, what in (
            (network, list(agents.names), "no network"),
            (player, players, "no subject of the cohort"),
        ):
            if name not in known:
                raise InputError(f"of: {name!r} is {what}; {did_you_mean(str(name), known)}")
    missing = [name for name in agents.names if name not in of]
    if missing:
        raise InputError(f"of: {missing[0]!r} replays nobody; name a subject for each network")
    return [[sessions[of[name]]] for name in agents.names]


def _drive_all(
    agents: Agents,
    given: Given,
    rows: list[list[np.ndarray]],
    variables: Sequence[str],
    places: list[int],
    progress: bool,
) -> dict[str, np.ndarray]:
    """Drive network after network; dims (session of a network, trial, event, ...)."""
    n_rows = sum(len(part) for parts in rows for part in parts)
    wide = sum(agents.population.shape.n_units for v in variables if v in ("activity", "cell"))
    size = 4.0 * n_rows * given.there.shape[1] * len(places) * max(wide, 1)
    check_memory(size, f"{n_rows} replayed sessions of {given.there.shape[1]} trials")
    made: dict[str, np.ndarray] = {}
    done = 0
    with one_thread(), progress_bar("replaying", n_rows, shown=progress) as show:
        for k, name in enumerate(agents.names):
            one = agents.select([k]).population
            for batch in _batches(rows[k], given):
                mine, there = given.inputs[batch], given.there[batch]
                longest = max(1, int(there.sum(axis=1).max()))
                front = np.arange(longest) < there.sum(axis=1, keepdims=True)
                for variable, values in _drive(one, mine[:, :longest], variables):
                    kept = values[:, :, places]
                    whole = made.setdefault(
                        variable,
                        np.full((n_rows, there.shape[1], *kept.shape[2:]), np.nan, np.float32),
                    )
                    place = whole[done : done + len(batch)]
                    place[there] = kept[front]
                done += len(batch)
                show(done, name)
    return made


def _batches(parts: list[np.ndarray], given: Given) -> Iterator[np.ndarray]:
    """Cut each subject's sessions into batches as they are recorded, fewer where they are long."""
    n_events = given.inputs.shape[2]
    for part in parts:
        longest = max(1, int(given.there[part].sum(axis=1).max()))
        most = max(1, min(EPISODES_AT_ONCE, MOST_STEPS // (longest * n_events)))
        for start in range(0, len(part), most):
            yield part[start : start + most]


@torch.no_grad()
def _drive(
    network: Population, inputs: np.ndarray, variables: Sequence[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Give one network its inputs, step by step; what is read has dims (session, trial, event)."""
    n_sessions, n_trials, n_events, n_rows = inputs.shape
    steps = torch.from_numpy(inputs.reshape(n_sessions, n_trials * n_events, n_rows))
    buffers = Buffers(network, n_sessions, n_trials * n_events)
    shape = network.shape
    engine = FAST.get(shape.core, Traced)(buffers, learns=False)
    engine.begin()
    buffers.x[:-1, :n_rows] = steps.permute(1, 2, 0)
    advance = engine.stepper()
    for step in range(len(buffers.x) - 1):
        advance(step, None)

    def laid_out(values: Tensor) -> np.ndarray:
        moved = values.movedim(-1, 0).unflatten(1, (n_trials, n_events))
        return moved.contiguous().numpy()

    for name in variables:
        if name == "activity":
            yield name, laid_out(buffers.hidden[1:])
        elif name == "cell":
            yield name, laid_out(engine.state("cell").squeeze(1))
        elif name == "gates":
            yield name, np.moveaxis(laid_out(buffers.gates), 3, 4)
        elif name == "policy":
            yield name, laid_out(torch.softmax(buffers.output[:, :-1], dim=1))
        elif name == "value":
            yield name, laid_out(buffers.output[:, -1])
        else:
            yield name, laid_out(buffers.x[:-1, :n_rows])


def _label(
    agents: Agents,
    cohort: xr.Dataset,
    given: Given,
    rows: list[list[np.ndarray]],
    made: dict[str, np.ndarray],
    places: list[int],
) -> xr.Dataset:
    """Make the cohort: the trials of whoever played, the activity of the networks."""
    order = [np.concatenate(parts) for parts in rows]
    stays = [name for name in cohort.data_vars if name not in PER_STEP]
    played = cohort[stays].transpose("session", "trial", ...)
    gone = {"event", "unit", "action", "gate", "input", "area", "recording", "unit_id"}
    played = played.drop_vars([name for name in played.coords if name in gone])
    played = played.drop_dims([dim for dim in ("event", "unit") if dim in played.dims])
    result = played.isel(session=np.concatenate(order))
    ids = [f"{a}/{s}" for a, s in zip(cohort.subject.values, cohort.session_id.values, strict=True)]
    names = [str(s) for s in cohort["session_id"].values]
    unique = names if len(set(names)) == len(names) else ids
    result = result.assign_coords(
        animal=("session", result["subject"].values),
        subject=("session", np.repeat(agents.names, [len(o) for o in order])),
        session_id=("session", [unique[i] for i in np.concatenate(order)]),
    )
    shape, task = agents.population.shape, agents.task
    coords = {
        "event": np.asarray(task.events)[places],
        "unit": np.arange(shape.n_units, dtype="int16"),
        "action": np.asarray(task.actions),
        "gate": np.asarray(shape.core.gates),
        "input": np.asarray(input_names(task.actions, shape)),
    }
    for name, values in made.items():
        dims = PER_STEP[name]
        result = result.assign_coords({d: (d, coords[d]) for d in dims if d in coords})
        result[name] = (dims, values)
    attrs = {k: v for k, v in cohort.attrs.items() if k in ("schema", "task", "task_config")}
    result.attrs = attrs | {
        "source": "agent",
        "created_by": f"neuro_metarl {version('neuro_metarl')} record_replay",
        "trained_on": task.config,
        "replayed": given.how,
        "played_by": str(cohort.attrs["source"]),
    }
    return validate_cohort(result)
