"""Recurrent networks, which have units, and to which an experimenter can do things."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuro_metarl.agents.cores import Core
from neuro_metarl.agents.engines import engine_of, settle_engine
from neuro_metarl.agents.learning import draw_noise, seed_generators
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.population import Population, Shape
from neuro_metarl.agents.zoo import Agents
from neuro_metarl.errors import InputError
from neuro_metarl.perturb.perturbation import Perturbations, as_json, describe, of_each
from neuro_metarl.recording.in_flight import InFlight
from neuro_metarl.recording.recorder import (
    DEFAULT,
    PART_OF,
    PER_UNIT,
    Recorder,
    Stored,
    Variables,
    made_by,
    sessions_first,
)
from neuro_metarl.tasks.base import Task, VisualTask

__all__ = [
    "EPISODES_AT_ONCE",
    "agent_recorders",
    "input_names",
    "possible",
    "read_steps",
    "recorders_of",
]

EPISODES_AT_ONCE = 100


def agent_recorders(
    agents: Agents,
    task: Task,
    *,
    seed: int,
    stored: Stored | None,
    perturb: Perturbations | None = None,
    engine: str = "torch",
) -> list[Recorder]:
    """Let networks play with frozen weights.

    Parameters
    ----------
    agents
        Trained networks.
    task
        What they play.
    seed
        Of episodes and actions.
    stored
        What is kept of each step; None: nothing.
    perturb
        What is done to the networks.
    engine
        What computes them; see :func:`neuro_metarl.agents.engines.settle_engine`.

    Returns
    -------
    list of Recorder
        One per network.

    Raises
    ------
    InputError
        A task that does not fit, names that are not there, or an engine that cannot compute these
        networks.

    Examples
    --------
    >>> from neuro_metarl.agents.zoo import load_agents
    >>> agents = load_agents("two-step")
    >>> recorders = agent_recorders(agents, agents.task, seed=0, stored=Stored(("value",)))
    >>> next(recorders[3].batches(2, 0))["value"].shape
    (2, 100, 3)
    """
    shape = agents.population.shape
    shape.check(task)
    engine = settle_engine(engine, shape, dtype=agents.population.flat.dtype)
    stored = possible(stored, shape.core)
    cut, stage = _cut(task, shape.n_units, stored), _Stage(task, engine)
    return recorders_of(
        agents,
        task,
        seed=seed,
        stored=stored,
        perturb=perturb,
        play=lambda one, in_flight: partial(_play, one, stage, seed, cut, in_flight),
        engine=engine,
    )


class _Stage:
    """The buffers in which networks of one shape play, one after the other."""

    def __init__(self, task: Task, engine: str) -> None:
        self.task, self.engine = task, engine
        self._rollouts: dict[int, Rollout] = {}

    def enter(self, network: Population, n_episodes: int) -> Rollout:
        """Give buffers for so many episodes the weights of a network."""
        if n_episodes not in self._rollouts:
            alone = Population(network.shape, network.flat.clone())
            kind = engine_of(self.engine, network.shape.core)
            self._rollouts[n_episodes] = Rollout(alone, self.task, n_episodes, engine=kind)
        rollout = self._rollouts[n_episodes]
        rollout.population.flat.copy_(network.flat)
        return rollout


def recorders_of(
    agents: Agents,
    task: Task | VisualTask,
    *,
    seed: int,
    stored: Stored | None,
    perturb: Perturbations | None,
    play: Callable[[Agents, InFlight | None], Callable[[int, int], Iterator[Variables]]],
    engine: str = "torch",
) -> list[Recorder]:
    """Make a recorder of each network: who it is, what made it, and what is done to it.

    Parameters
    ----------
    agents, task, seed, stored, perturb, engine
        See :func:`agent_recorders`.
    play
        Given one network and the changes in flight, makes what plays its sessions.

    Returns
    -------
    list of Recorder

    Examples
    --------
    >>> from neuro_metarl.agents.zoo import load_agents
    >>> agents = load_agents("two-step/3")
    >>> [one] = recorders_of(agents, agents.task, seed=0, stored=None, perturb=None,
    ...                      play=lambda agent, in_flight: lambda n, skip: iter([]))
    >>> one.name, list(one.coords)
    ('two-step/3', [])
    """
    shape = agents.population.shape
    attrs: dict[str, Any] = {
        "task": task.name,
        "task_config": task.config,
        "created_by": made_by(),
        "seed": seed,
        "trained_on": agents.task.config,
        "recipe": agents.recipe.model_dump_json(),
        "training_seed": agents.seed,
    }
    if engine != "torch":
        attrs["engine"] = engine
    if agents.n_updates_done not in (None, agents.recipe.n_updates):
        attrs["n_updates_done"] = agents.n_updates_done
    each = of_each(perturb, agents.names)
    if each is not None:
        attrs["perturbation"] = as_json(each, agents.names)
    coords = _coords(task, shape, stored)
    recorders = []
    for k, name in enumerate(agents.names):
        one = agents.select([k])
        done = each[k] if each is not None else ()
        recorders.append(
            Recorder(
                name,
                play(one, InFlight(done, task, shape) if done else None),
                source="agent",
                attrs=attrs,
                coords=coords,
                session_coords={} if each is None else {"perturbation": describe(done)},
                identity=hashlib.sha256(one.population.flat.numpy().tobytes()).hexdigest(),
            )
        )
    return recorders


def _coords(task: Task | VisualTask, shape: Shape, stored: Stored | None) -> dict[str, Any]:
    """Name the events, units, gates and actions of what is stored."""
    if stored is None:
        return {}
    events, units = stored.event_places(task.events), stored.unit_places(shape.n_units)
    coords: dict[str, Any] = {"event": ("event", np.asarray(task.events)[events])}
    if set(stored.variables) & set(PER_UNIT):
        coords["unit"] = ("unit", np.asarray(units, dtype="int16"))
    if "gates" in stored.variables:
        coords["gate"] = ("gate", np.asarray(shape.core.gates))
    if "policy" in stored.variables:
        coords["action"] = ("action", np.asarray(task.actions))
    if "inputs" in stored.variables:
        coords["input"] = ("input", np.asarray(input_names(task.actions, shape)))
    return coords


def input_names(actions: Sequence[str], shape: Shape) -> list[str]:
    """Name the rows of a network's input.

    Parameters
    ----------
    actions
        Names of the actions.
    shape
        Of the network.

    Returns
    -------
    list of str

    Examples
    --------
    >>> input_names(["left", "right"], Shape(1, 2, 48))
    ['last left', 'last right', 'observation 0', 'last reward']
    """
    seen = [f"observation {k}" for k in range(shape.n_observations)]
    return [*(f"last {name}" for name in actions), *seen, "last reward"]


def _play(
    agent: Agents,
    stage: _Stage,
    seed: int,
    cut: Callable[[dict[str, Tensor]], Variables] | None,
    in_flight: InFlight | None,
    n_sessions: int,
    skip: int,
) -> Iterator[Variables]:
    generators, task = seed_generators(seed, agent.names, "record"), stage.task
    for start in range(0, n_sessions, EPISODES_AT_ONCE):
        size = min(EPISODES_AT_ONCE, n_sessions - start)
        episodes = task.draw(size, generators)
        noise = draw_noise(task.n_trials * len(task.events), task.n_actions, size, generators)
        if start + size <= skip:
            continue
        rollout = stage.enter(agent.population, size)
        rollout.play(episodes, noise, in_flight)
        seen = rollout.seen
        if in_flight is not None:
            seen = seen.clone()
            in_flight.restore()
        trials = task.trials(episodes, _chosen(rollout.actions))
        variables = {name: sessions_first(value) for name, value in trials.items()}
        if cut is not None:
            last = torch.zeros_like(rollout.values[0])
            if episodes.reached is not None:
                rollout.values.mul_(episodes.reached)
            steps = read_steps(rollout, agent.recipe.discount, last)
            variables |= cut(steps | {"inputs": seen})
            if episodes.reached is not None:
                _blank(variables, sessions_first(episodes.reached[:: len(task.events)]))
        late = max(0, skip - start)
        yield {name: values[late:] for name, values in variables.items()} if late else variables


def _blank(variables: Variables, reached: np.ndarray) -> None:
    """Leave out what a network did after the end of a session that is shorter than others."""
    for name, values in variables.items():
        if values.ndim > 2 and values.dtype.kind == "f":
            variables[name] = np.where(reached.reshape(*reached.shape, *[1] * (values.ndim - 2)),
                                       values, np.float32(np.nan))  # fmt: skip


def _chosen(actions: Tensor) -> Tensor:
    """Turn one-hot actions, dims (step, agent, action, episode), into numbers."""
    numbers = torch.arange(actions.shape[2], dtype=actions.dtype).view(-1, 1)
    return (actions * numbers).sum(2).long()


def read_steps(rollout: Rollout, discount: float, last_value: Tensor) -> dict[str, Tensor]:
    """Read all that can be recorded of what was played.

    Parameters
    ----------
    rollout
        That played.
    discount
        Of the prediction errors.
    last_value
        Value after the last step, dims (agent, episode).

    Returns
    -------
    dict of torch.Tensor
        Dims (step, agent, ..., episode); gates (step, agent, gate, unit, episode).

    Examples
    --------
    >>> from neuro_metarl.agents.zoo import load_agents
    >>> agents = load_agents("two-step/0")
    >>> steps = read_steps(Rollout(agents.population, agents.task, 2), 0.9, torch.zeros(1, 2))
    >>> steps["gates"].shape
    torch.Size([300, 1, 4, 48, 2])
    """
    values, core = rollout.values, rollout.population.shape.core
    later = torch.cat([values[1:], last_value.unsqueeze(0)])
    steps = {name: rollout.part(part) for name, part in PART_OF.items() if part in core.parts}
    if core.gates:
        steps["gates"] = rollout.gates
    return steps | {
        "policy": torch.softmax(rollout.logits, dim=2),
        "value": values,
        "rpe": rollout.rewards + discount * later - values,
    }


def possible(stored: Stored | None, core: Core, *, pictures: bool = False) -> Stored | None:
    """Leave out, of the default, what the networks do not have; refuse it if it was asked for.

    Parameters
    ----------
    stored
        What is to be kept.
    core
        Of the networks.
    pictures
        Whether these are what they see.

    Returns
    -------
    Stored or None

    Raises
    ------
    InputError
        A variable was asked for that networks of this core do not have, or pictures.

    Examples
    --------
    >>> from neuro_metarl.agents.cores import core_named
    >>> possible(Stored(), core_named("gru")).variables
    ('activity', 'policy', 'value', 'rpe', 'inputs')
    """
    if stored is None:
        return None
    missing = [name for name, part in PART_OF.items() if part not in core.parts]
    missing += [] if core.gates else ["gates"]
    missing += ["inputs"] if pictures else []
    asked = [name for name in stored.variables if name in missing]
    if asked == ["inputs"] and stored.variables != DEFAULT:
        raise InputError("variables: 'inputs' are pictures here; nm.recording.trace keeps them")
    if asked and stored.variables != DEFAULT:
        raise InputError(
            f"variables: {asked[0]!r} does not exist in networks with the core {core.name!r}"
        )
    kept = tuple(name for name in stored.variables if name not in missing)
    return Stored(kept, stored.events, stored.units)


def _cut(
    task: Task, n_units: int, stored: Stored | None
) -> Callable[[dict[str, Tensor]], Variables] | None:
    """Make the function that lays out what is stored."""
    if stored is None:
        return None
    n_events = len(task.events)
    events, units = stored.event_places(task.events), stored.unit_places(n_units)

    def cut(per_step: dict[str, Tensor]) -> Variables:
        variables = {}
        for name in stored.variables:
            value = per_step[name].squeeze(1).unflatten(0, (task.n_trials, n_events))
            if stored.events is not None:
                value = value[:, events]
            if stored.units is not None and name in PER_UNIT:
                value = value[..., units, :]
            if name == "gates":
                value = value.transpose(2, 3)
            # each event in one piece, as it is written, and apart from the buffers
            by_event = value.movedim(-1, 0).movedim(2, 0)
            by_event = by_event.clone(memory_format=torch.contiguous_format)
            variables[name] = by_event.movedim(0, 2).numpy()
        return variables

    return cut
