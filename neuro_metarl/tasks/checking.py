"""A task of one's own is held to the protocol before anything is played, in one line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Episodes, Form, Task, VisualTask

__all__ = ["check_task"]

FORM = ("name", "n_trials", "n_actions", "events", "actions", "config")
NUMBERS = ("n_observations", "fixed_observations", "draw", "trials")
PICTURES = ("n_steps", "image_shape", "start", "easier")
WORLD = ("bank", "seen", "frames", "step", "trials", "event_steps", "score")
ALWAYS = ("choice", "reward", "valid", "forced")
EPISODES = 2


def check_task(task: Any) -> None:
    """Play two episodes of a task and hold it to what ``train`` and ``record`` ask of it.

    Parameters
    ----------
    task
        The object; see :class:`neuro_metarl.tasks.base.Task` and
        :class:`~neuro_metarl.tasks.base.VisualTask`.

    Raises
    ------
    InputError
        One line that says which member is missing, or what has other dims than it should.

    Examples
    --------
    >>> from neuro_metarl.tasks import make_task
    >>> check_task(make_task("two-step"))
    >>> check_task("two-step")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: task 'str': has no n_trials, n_actions, events, actions, config
    """
    name = getattr(task, "name", type(task).__name__)
    try:
        _check_form(task)
        if all(hasattr(task, member) for member in PICTURES):
            _check_pictures(task)
        else:
            _check_members(task, NUMBERS, "; a task of numbers has them (one of pictures has "
                           f"{', '.join(PICTURES)})")  # fmt: skip
            _check_numbers(task)
    except InputError as error:
        raise InputError(f"task {name!r}: {error}") from None
    except Exception as error:
        # whatever one's own code raises, with what it was raised from
        said = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"task {name!r}: playing two episodes failed ({type(error).__name__}: {said})"
        ) from error


def _check_members(thing: Any, names: Sequence[str], note: str = "") -> None:
    missing = [name for name in names if not hasattr(thing, name)]
    if missing:
        raise InputError(f"has no {', '.join(missing)}{note}")


def _check_form(task: Any) -> None:
    if isinstance(task, str):
        raise InputError(f"has no {', '.join(FORM[1:])}")
    _check_members(task, FORM)
    if not isinstance(task.name, str) or not task.name:
        raise InputError(f"name is {task.name!r}, expected text")
    for member in ("n_trials", "n_actions"):
        value = getattr(task, member)
        if type(value) is not int or value < 1:
            raise InputError(f"{member} is {value!r}, expected a whole number from 1")
    _check_names(task)
    try:
        known = isinstance(json.loads(task.config), dict)
    except (TypeError, ValueError):
        known = False
    if not known:
        raise InputError(f"config is {task.config!r}, expected the parameters as a JSON object")


def _check_names(task: Form) -> None:
    for member in ("events", "actions"):
        value = getattr(task, member)
        if not isinstance(value, tuple) or not all(isinstance(v, str) for v in value) or not value:
            raise InputError(f"{member} is {value!r}, expected a tuple of names")
        if len(set(value)) < len(value):
            raise InputError(f"{member} is {value!r}, which has a name twice")
    if len(task.actions) != task.n_actions:
        raise InputError(f"{len(task.actions)} names for {task.n_actions} actions")


def _check_numbers(task: Task) -> None:
    n_steps, n_obs = task.n_trials * len(task.events), task.n_observations
    if type(n_obs) is not int or n_obs < 1:
        raise InputError(f"n_observations is {n_obs!r}, expected a whole number from 1")
    _check_dims("fixed_observations()", task.fixed_observations(), (n_steps, n_obs))
    episodes, again = (task.draw(EPISODES, [torch.Generator().manual_seed(1)]) for _ in range(2))
    if not isinstance(episodes, Episodes):
        raise InputError(f"draw() gives {type(episodes).__name__}, expected Episodes")
    _check_effects(task, episodes)
    if episodes.imposed is not None:
        _check_dims("imposed", episodes.imposed, (n_steps, 1, EPISODES))
    if episodes.observed is not None:
        _check_dims("observed", episodes.observed, (n_steps, 1, n_obs, EPISODES))
    for one, other in zip(episodes.effects, again.effects, strict=True):
        if not torch.equal(one.table, other.table):
            raise InputError(
                "draw() gives other episodes for the same generators: draw all that is random "
                "from them"
            )
    actions = torch.zeros(n_steps, 1, EPISODES, dtype=torch.long)
    _check_trials(task, task.trials(episodes, actions))


def _check_effects(task: Task, episodes: Episodes) -> None:
    """Refuse what an action would write elsewhere than into inputs of its own episode."""
    n_rows = task.n_actions + task.n_observations + 1
    for effect in episodes.effects:
        if not 0 <= effect.step < len(task.events):
            raise InputError(f"an effect has step {effect.step}, a trial has steps 0 to "
                             f"{len(task.events) - 1}")  # fmt: skip
        if not 1 <= effect.delay <= len(task.events) - effect.step:
            raise InputError(
                f"an effect of step {effect.step} has delay {effect.delay}, expected 1 to "
                f"{len(task.events) - effect.step}: inputs up to the first of the next trial"
            )
        if effect.table.ndim != 5:
            raise InputError(
                f"an effect's table has dims {tuple(effect.table.shape)}, expected (trial, agent, "
                "action, row, episode)"
            )
        n_written = effect.table.shape[3]
        wanted = (task.n_trials, 1, task.n_actions, n_written, EPISODES)
        _check_dims("an effect's table", effect.table, wanted)
        if not task.n_actions <= effect.row <= n_rows - n_written:
            raise InputError(
                f"an effect writes {n_written} input rows from {effect.row}, expected some of "
                f"{task.n_actions} to {n_rows - 1}: observation, then reward"
            )


def _check_trials(task: Form, trials: dict[str, Tensor]) -> None:
    for name in ALWAYS:
        if name not in trials:
            raise InputError(
                f"trials() gives {', '.join(trials) or 'nothing'}, but not {name!r}; expected "
                f"at least {', '.join(ALWAYS)}"
            )
    for name, value in trials.items():
        dims = tuple(value.shape)
        if dims[:2] != (task.n_trials, 1) or dims[-1] != EPISODES:
            raise InputError(
                f"trials() gives {name!r} with dims {dims}, expected (trial, agent, ..., episode), "
                f"here ({task.n_trials}, 1, ..., {EPISODES})"
            )


def _check_pictures(task: VisualTask) -> None:
    image = task.image_shape
    if len(image) != 3 or not all(type(n) is int and n > 0 for n in image):
        raise InputError(f"image_shape is {image!r}, expected (channels, rows, columns)")
    world = task.start(EPISODES, torch.Generator().manual_seed(1))
    _check_members(world, WORLD, "; a world has them")
    _check_dims("frames()", world.frames(), (EPISODES, *image))
    if world.bank is not None:
        _check_dims("seen()", world.seen(), (EPISODES,))
    for _ in range(task.n_steps):
        reward = world.step(torch.zeros(EPISODES, dtype=torch.long))
    _check_dims("step()", reward, (EPISODES,))
    _check_trials(task, world.trials())
    steps = (task.n_trials, len(task.events), EPISODES)
    _check_dims("event_steps()", world.event_steps(), steps)


def _check_dims(what: str, value: Any, wanted: tuple[int, ...]) -> None:
    found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if found != wanted:
        raise InputError(f"{what} has dims {found}, expected {wanted}")
