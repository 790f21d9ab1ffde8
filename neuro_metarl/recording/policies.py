"""Any function that chooses: a policy of one's own, recorded on any task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from neuro_metarl.agents.learning import seed_generators
from neuro_metarl.errors import InputError
from neuro_metarl.recording.recorder import Recorder, Variables, made_by, sessions_first
from neuro_metarl.tasks.base import Task, VisualTask

__all__ = ["Moment", "Policy", "policy_recorders"]


@dataclass
class Moment:
    """What a policy knows when it chooses, of many sessions that are played side by side.

    Parameters
    ----------
    observation
        What is shown now, dims (session, row); pictures (session, channel, row, column).
    action
        int, dims (session): the action of the step before; -1 before the first.
    reward
        Dims (session): the reward that it brought; 0 before the first.
    step, trial, event
        Number of the step in the session, of the trial, and name of the event; in a task of
        pictures, where the pace decides, ``trial`` is -1 and ``event`` empty.
    actions
        Names of the actions; a choice is a position among them.
    rng
        Random generator; one that is used in no other way gives the same recording again.
    memory
        Empty at first; what a policy puts there, it finds at the next step.
    """

    observation: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    step: int
    trial: int
    event: str
    actions: tuple[str, ...]
    rng: np.random.Generator
    memory: dict[str, Any] = field(default_factory=dict)


Policy = Callable[[Moment], Any]


def policy_recorders(policy: Policy, task: Task | VisualTask | None, seed: int) -> list[Recorder]:
    """Let a function play.

    Parameters
    ----------
    policy
        Called at every step with a :class:`Moment`; gives the actions, int, dims (session). Its
        ``name``, or else the name of the function, is the subject.
    task
        Any.
    seed
        Of its episodes and of ``rng``.

    Returns
    -------
    list of Recorder
        One.

    Raises
    ------
    InputError
        No task, a function without a name, or, when it plays, actions that there are not.

    Examples
    --------
    >>> from neuro_metarl.tasks import make_task
    >>> def left(now):
    ...     return np.zeros(len(now.action), int)
    >>> one, = policy_recorders(left, make_task("bandit-independent"), 0)
    >>> one.name, next(one.batches(3, 0))["choice"].shape
    ('left', (3, 100))
    """
    if task is None:
        raise InputError("a policy has no task of its own: name one")
    name = getattr(policy, "name", None) or getattr(policy, "__name__", None)
    if not isinstance(name, str) or name == "<lambda>":
        raise InputError(
            "a policy needs a name, by which its sessions are known: define it with def, or give "
            "it an attribute 'name'"
        )
    attrs = {
        "task": task.name,
        "task_config": task.config,
        "created_by": made_by(),
        "seed": seed,
        "model": f"policy {name}",
    }
    play: Any = _play_pictures if isinstance(task, VisualTask) else _play_numbers
    return [Recorder(name, partial(play, policy, name, task, seed), source="model", attrs=attrs)]


def _play_numbers(
    policy: Policy, name: str, task: Task, seed: int, n_sessions: int, skip: int
) -> Iterator[Variables]:
    generators = seed_generators(seed, [name], "record")
    episodes = task.draw(n_sessions, generators)
    rng = np.random.default_rng(generators[0].initial_seed())
    n_events, a, n_obs = len(task.events), task.n_actions, task.n_observations
    n_steps = task.n_trials * n_events
    # rows as an agent sees them: previous action, observation, previous reward
    x = torch.zeros(n_steps + 1, a + n_obs + 1, n_sessions, dtype=torch.float32)
    x[:-1, a:-1] = task.fixed_observations().unsqueeze(2)
    if episodes.observed is not None:
        x[:-1, a:-1] = episodes.observed[:, 0]
    actions = torch.zeros(n_steps, 1, n_sessions, dtype=torch.long)
    every, memory = torch.arange(n_sessions), dict[str, Any]()
    last = np.full(n_sessions, -1)
    pay = None if episodes.begin is None else episodes.begin()
    for step in range(n_steps):
        trial, event = divmod(step, n_events)
        seen = x[step, a:-1].T.numpy().copy()
        paid = x[step, -1].numpy().copy()
        now = Moment(
            seen, last, paid, step, trial, task.events[event], task.actions, rng, memory
        )  # fmt: skip
        last = _choose(policy, name, now)
        chosen = torch.from_numpy(last)
        if episodes.imposed is not None:
            forced = episodes.imposed[step, 0]
            chosen = torch.where(forced >= 0, forced, chosen)
            last = chosen.numpy()
        actions[step, 0] = chosen
        for effect in episodes.effects:
            if effect.step == event:
                rows = slice(effect.row, effect.row + effect.table.shape[3])
                x[step + effect.delay, rows] = effect.table[trial, 0, chosen, :, every].T
        if pay is not None:
            x[step + 1, -1] = pay(step, one_hot(chosen, a).T.unsqueeze(0))[0]
    trials = task.trials(episodes, actions)
    yield {key: sessions_first(value)[skip:] for key, value in trials.items()}


def _play_pictures(
    policy: Policy, name: str, task: VisualTask, seed: int, n_sessions: int, skip: int
) -> Iterator[Variables]:
    [generator] = seed_generators(seed, [name], "record")
    world = task.start(n_sessions, generator, held_out=True)
    rng = np.random.default_rng(generator.initial_seed())
    memory: dict[str, Any] = {}
    last, paid = np.full(n_sessions, -1), np.zeros(n_sessions, "float32")
    for step in range(task.n_steps):
        seen = world.frames().numpy().copy()
        now = Moment(seen, last, paid, step, -1, "", task.actions, rng, memory)
        last = _choose(policy, name, now)
        reward: Tensor = world.step(torch.from_numpy(last))
        paid = reward.numpy().copy()
    yield {key: sessions_first(value)[skip:] for key, value in world.trials().items()}


def _choose(policy: Policy, name: str, now: Moment) -> np.ndarray:
    """Ask the policy, and refuse what is no action of each session."""
    given, n, n_actions = np.asarray(policy(now)), len(now.action), len(now.actions)
    where = f"policy {name!r} at step {now.step}"
    if given.shape != (n,):
        raise InputError(
            f"{where} gives actions with dims {given.shape}, expected (session), here ({n},)"
        )
    if given.dtype.kind not in "iub" or (given < 0).any() or (given >= n_actions).any():
        raise InputError(
            f"{where} gives {given[:3].tolist()}{'...' if n > 3 else ''}, expected whole numbers "
            f"from 0 to {n_actions - 1}: {', '.join(now.actions)}"
        )
    return given.astype(int)
