"""A perturbation at work: the changes that a rollout asks for, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from neuro_metarl.agents.network import Change
from neuro_metarl.agents.population import Shape
from neuro_metarl.errors import InputError, check_numbers
from neuro_metarl.perturb.perturbation import Perturbation, as_list, place_in
from neuro_metarl.recording.recorder import check_names
from neuro_metarl.tasks.base import Task, VisualTask

__all__ = ["InFlight"]


class InFlight:
    """Perturbations of one network at its task, as :meth:`Rollout.play` takes them.

    Parameters
    ----------
    perturbations
        In the order in which they are done.
    task
        Has the events and trials; one that is seen in pictures is perturbed throughout.
    shape
        Has the units.

    Raises
    ------
    InputError
        Events, trials, units or parts that are not there.

    Notes
    -----
    The reward that the network sees is changed in the rollout's buffer, which also tells what was
    delivered: :meth:`restore` puts it back when the batch is played.
    """

    def __init__(
        self, perturbations: Sequence[Perturbation], task: Task | VisualTask, shape: Shape
    ) -> None:
        self._edits: dict[int, dict[str, list[Callable[[Tensor], object]]]] = {}
        self._delivered: list[tuple[Tensor, Tensor]] = []
        for perturbation in perturbations:
            edit = _edit(perturbation, shape)
            place = place_in(shape.core, perturbation.where)
            for step in _steps(perturbation, task):
                self._edits.setdefault(step, {}).setdefault(place, []).append(edit)
        reward = shape.n_inputs - 1
        self._reward = slice(reward, reward + 1)
        self._changes: dict[int, Change] = {
            step: {place: partial(self._apply, place, edits) for place, edits in places.items()}
            for step, places in self._edits.items()
        }

    def __call__(self, step: int) -> Change | None:
        """Give the changes of one step."""
        if step == 0:
            self.restore()
        return self._changes.get(step)

    def restore(self) -> None:
        """Put delivered rewards back where the network saw others."""
        for row, delivered in self._delivered:
            row.copy_(delivered)
        self._delivered.clear()

    def _apply(self, place: str, edits: list[Callable[[Tensor], object]], tensor: Tensor) -> None:
        if place == "seen":
            row = tensor[..., self._reward, :]
            self._delivered.append((row, row.clone()))
        for edit in edits:
            edit(tensor)


def _edit(perturbation: Perturbation, shape: Shape) -> Callable[[Tensor], None]:
    """Make the function that changes its rows of a tensor, dims (..., row, episode), in place."""
    h, where = shape.n_units, perturbation.where
    if where == "reward":
        rows = [shape.n_inputs - 1]
    elif where == "value":
        rows = [shape.n_actions]
    else:
        units = perturbation.units if perturbation.units is not None else tuple(range(h))
        check_numbers("units", units, h, "the networks have units")
        rows = list(units)
    index = torch.tensor(rows, dtype=torch.long, device="cpu")
    amount = torch.tensor(as_list(perturbation.amount), dtype=torch.float32, device="cpu")
    amount = amount.expand(len(rows)).unsqueeze(-1)

    def edit(tensor: Tensor) -> None:
        if perturbation.how == "clamp":
            tensor[..., index, :] = amount.to(tensor)
        elif perturbation.how == "add":
            tensor[..., index, :] += amount.to(tensor)
        else:
            tensor[..., index, :] *= amount.to(tensor)

    return edit


def _steps(perturbation: Perturbation, task: Task | VisualTask) -> list[int]:
    if isinstance(task, VisualTask):
        if perturbation.events is not None or perturbation.trials is not None:
            raise InputError(
                f"perturb: when events and trials of {task.name!r} come depends on what the agent "
                "does; leave events and trials out, to perturb the whole session"
            )
        return list(range(task.n_steps))
    events: Sequence[str] = task.events
    if perturbation.events is not None:
        check_names("events", perturbation.events, task.events, "in this task")
        events = perturbation.events
    trials: Sequence[int] = range(task.n_trials)
    if perturbation.trials is not None:
        check_numbers("trials", perturbation.trials, task.n_trials, "a session has trials")
        trials = perturbation.trials
    places = [task.events.index(event) for event in events]
    return [trial * len(task.events) + place for trial in trials for place in places]
