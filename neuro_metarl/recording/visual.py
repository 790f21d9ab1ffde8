"""Networks that see pictures, recorded at the events of a trial or step by step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.learning import draw_noise, seed_generators
from neuro_metarl.agents.visual import Sight, VisualRollout
from neuro_metarl.agents.zoo import Agents, load_agents
from neuro_metarl.errors import InputError
from neuro_metarl.perturb.perturbation import Perturbations
from neuro_metarl.recording.agents import possible, read_steps, recorders_of
from neuro_metarl.recording.in_flight import InFlight
from neuro_metarl.recording.recorder import (
    PER_UNIT,
    Recorder,
    Stored,
    Variables,
    made_by,
    sessions_first,
)
from neuro_metarl.tasks.base import VisualTask, World
from neuro_metarl.tasks.registry import make_task

__all__ = ["trace", "visual_recorders"]

EPISODES_AT_ONCE = 100


def visual_recorders(
    agents: Agents,
    task: VisualTask,
    *,
    seed: int,
    stored: Stored | None,
    perturb: Perturbations | None = None,
) -> list[Recorder]:
    """Let networks that see pictures play with frozen weights.

    Parameters
    ----------
    agents
        Trained networks.
    task
        What they play; with pictures that training never shows, where it has any.
    seed
        Of episodes and actions.
    stored
        What is kept at each event of a trial; None: nothing. Where an event was not reached,
        there is NaN.
    perturb
        What is done to the networks, throughout their sessions.

    Returns
    -------
    list of Recorder
        One per network.

    Raises
    ------
    InputError
        A task that does not fit, or names that are not there.

    Examples
    --------
    >>> from neuro_metarl.agents.recipes import Recipe
    >>> from neuro_metarl.agents.training import train
    >>> recipe = Recipe(n_updates=1, learning_rate=0.01, encoder="linear")
    >>> agents = train("navigation", recipe=recipe, progress=False)
    >>> [one] = visual_recorders(agents, agents.task, seed=0, stored=Stored(("value",)))
    >>> next(one.batches(2, 0))["value"].shape
    (2, 40, 2)
    """
    shape = agents.population.shape
    shape.check(task)
    stored = possible(stored, shape.core, pictures=True)
    cut = _cut(task, shape.n_units, stored)
    return recorders_of(
        agents,
        task,
        seed=seed,
        stored=stored,
        perturb=perturb,
        play=lambda one, in_flight: partial(_batches, one, task, seed, cut, in_flight),
    )


def trace(
    agents: Agents | str | os.PathLike[str],
    task: VisualTask | str | None = None,
    n_sessions: int = 4,
    *,
    seed: int = 0,
    frames: bool = False,
) -> xr.Dataset:
    """Record every step of agents that see pictures.

    Parameters
    ----------
    agents
        Trained agents, or their name or folder.
    task
        Task or its name; default: what they were trained on.
    n_sessions
        Episodes of each agent, at most 100; those of :func:`neuro_metarl.record` with the same
        seed and number of sessions.
    seed
        The same seed gives the same steps.
    frames
        Keep the pictures too.

    Returns
    -------
    xarray.Dataset
        Dims session, step (, action, unit, channel, row, column): ``action``, ``reward`` that it
        brought, ``value`` and ``policy`` before it, ``activity`` (hidden state), ``view`` (number
        in the bank of pictures before the action, where there is one), ``frame``. Coordinates
        ``subject(session)``, ``session_id(session)``, ``action(action)``.

    Raises
    ------
    InputError
        Unknown names, a task without pictures, or a number of sessions out of range.

    Examples
    --------
    >>> from neuro_metarl.agents.recipes import Recipe
    >>> from neuro_metarl.agents.training import train
    >>> recipe = Recipe(n_updates=1, learning_rate=0.01, encoder="linear")
    >>> agents = train("navigation", recipe=recipe, progress=False)
    >>> dict(trace(agents, n_sessions=2).value.sizes)
    {'session': 2, 'step': 200}
    """
    agents = agents if isinstance(agents, Agents) else load_agents(agents)
    chosen: Any = make_task(task) if isinstance(task, str) else task or agents.task
    if not isinstance(chosen, VisualTask):
        raise InputError(f"task {chosen.name!r} shows no pictures; use record")
    if not 1 <= n_sessions <= EPISODES_AT_ONCE:
        raise InputError(f"n_sessions is {n_sessions}, expected 1 to {EPISODES_AT_ONCE}")
    agents.population.shape.check(chosen)
    parts = []
    with one_thread():
        for k, name in enumerate(agents.names):
            world = _start(chosen, n_sessions, seed, name, 0)
            watched = _Watched(world[0], frames)
            rollout = _play(agents.select([k]), chosen, watched, world[1], n_sessions)
            parts.append(_steps(rollout, watched, name))
    joined = xr.concat(parts, dim="session")
    joined = joined.assign_coords(action=("action", list(chosen.actions)))
    joined.attrs = {
        "task": chosen.name,
        "task_config": chosen.config,
        "created_by": made_by(),
        "seed": seed,
    }
    return joined


class _Watched:
    """A world that writes down what is seen."""

    def __init__(self, world: World, frames: bool) -> None:
        self.world, self.bank, self.keeps_frames = world, world.bank, frames
        self.views: list[Tensor] = []
        self.pictures: list[Tensor] = []

    def seen(self) -> Tensor:
        view = self.world.seen()
        self.views.append(view.clone())
        if self.keeps_frames:
            self.pictures.append(self.world.frames().clone())
        return view

    def frames(self) -> Tensor:
        frames = self.world.frames()
        if self.keeps_frames:
            self.pictures.append(frames.clone())
        return frames

    def step(self, action: Tensor) -> Tensor:
        return self.world.step(action)

    def trials(self) -> dict[str, Tensor]:
        return self.world.trials()

    def event_steps(self) -> Tensor:
        return self.world.event_steps()

    def score(self) -> float:
        return self.world.score()


def _steps(rollout: VisualRollout, watched: _Watched, name: str) -> xr.Dataset:
    n = rollout.n_steps
    per_step = {
        "reward": (("step",), rollout.rewards),
        "value": (("step",), rollout.values),
        "policy": (("step", "action"), torch.softmax(rollout.logits, dim=2)),
        "activity": (("step", "unit"), rollout.hidden),
        "chosen": (("step",), rollout.actions.argmax(2)),
    }
    data = {
        key: (("session", *dims), value.squeeze(1).movedim(-1, 0).contiguous().numpy())
        for key, (dims, value) in per_step.items()
    }
    if watched.views:
        data["view"] = (("session", "step"), torch.stack(watched.views[:n], dim=1).numpy())
    if watched.pictures:
        pictures = torch.stack(watched.pictures[:n], dim=1).numpy()
        data["frame"] = (("session", "step", "channel", "row", "column"), pictures)
    n_sessions = rollout.rewards.shape[-1]
    coords = {
        "subject": ("session", [name] * n_sessions),
        "session_id": ("session", [f"{name}/{k}" for k in range(n_sessions)]),
    }
    return xr.Dataset(data, coords)


def _start(
    task: VisualTask, size: int, seed: int, name: str, batch: int
) -> tuple[World, torch.Generator]:
    [generator] = seed_generators(seed, [f"{name} batch {batch}"], "record")
    return task.start(size, generator, held_out=True), generator


def _play(
    agent: Agents,
    task: VisualTask,
    world: World,
    generator: torch.Generator,
    size: int,
    in_flight: InFlight | None = None,
) -> VisualRollout:
    population = agent.population
    noise = draw_noise(task.n_steps, task.n_actions, size, [generator])
    encoder = population.shape.encoder
    assert encoder is not None
    sight = Sight(encoder, population.agent(0), world, learn=False)
    rollout = VisualRollout(population, task, size, task.n_steps)
    with torch.no_grad():
        rollout.explore(sight, noise, changes=in_flight)
    if in_flight is not None:
        in_flight.restore()
    return rollout


def _batches(
    agent: Agents,
    task: VisualTask,
    seed: int,
    cut: Callable[[dict[str, Tensor], Tensor], Variables] | None,
    in_flight: InFlight | None,
    n_sessions: int,
    skip: int,
) -> Iterator[Variables]:
    for batch, start in enumerate(range(0, n_sessions, EPISODES_AT_ONCE)):
        size = min(EPISODES_AT_ONCE, n_sessions - start)
        if start + size <= skip:
            continue
        world, generator = _start(task, size, seed, agent.names[0], batch)
        rollout = _play(agent, task, world, generator, size, in_flight)
        variables = {name: sessions_first(value) for name, value in world.trials().items()}
        if cut is not None:
            steps = read_steps(rollout, agent.recipe.discount, rollout.next_value())
            variables |= cut({k: v.squeeze(1) for k, v in steps.items()}, world.event_steps())
        late = max(0, skip - start)
        yield {name: values[late:] for name, values in variables.items()} if late else variables


def _cut(
    task: VisualTask, n_units: int, stored: Stored | None
) -> Callable[[dict[str, Tensor], Tensor], Variables] | None:
    """Make the function that keeps what is stored at events."""
    if stored is None:
        return None
    events, units = stored.event_places(task.events), stored.unit_places(n_units)

    def cut(per_step: dict[str, Tensor], event_steps: Tensor) -> Variables:
        steps = event_steps[:, events].movedim(-1, 0)
        episode = torch.arange(len(steps)).view(-1, 1, 1)
        variables = {}
        for name in stored.variables:
            value = per_step[name].movedim(-1, 1)[steps.clamp(min=0), episode].clone()
            value[steps < 0] = torch.nan
            if stored.units is not None and name in PER_UNIT:
                value = value[..., units]
            variables[name] = (value.movedim(-2, -1) if name == "gates" else value).numpy()
        return variables

    return cut
