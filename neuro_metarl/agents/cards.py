"""The card beside a checkpoint's weights: what it declares is honoured, or the checkpoint refused.

Keys of ``agents.json``: ``format``, ``created_by``, ``names``, ``task``, ``task_config``,
``recipe`` (the fields that were used), ``seed``, ``shape``, ``gate_order`` (of the rows of the
recurrent weights), ``curve``, ``n_updates_done`` (updates that the weights have had), ``engine``
(what computed the networks in training; where it is missing: torch) and ``sha256`` (of the weights
and of all the rest of the card).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from neuro_metarl.agents.cores import GATES
from neuro_metarl.agents.engines import ENGINES
from neuro_metarl.agents.population import Population, Shape
from neuro_metarl.agents.recipes import Recipe, check_recipe, fit_recipe, used_fields
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.tasks.base import Task, VisualTask
from neuro_metarl.tasks.registry import check_own, list_tasks, make_task

__all__ = ["CARD", "FORMAT", "WEIGHTS", "digest", "make_card", "read_checkpoint"]

FORMAT = "neuro_metarl.agents/1"
WEIGHTS, CARD = "agents.safetensors", "agents.json"
REQUIRED = (
    "created_by", "names", "task", "task_config", "recipe", "seed", "shape", "gate_order", "curve",
)  # fmt: skip
KINDS = {"created_by": str, "task": str, "task_config": dict, "recipe": dict, "shape": dict}
KNOWN = ("format", *REQUIRED, "n_updates_done", "engine", "sha256")


def digest(tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> str:
    """Compute the checksum of weights and of all that is said of them.

    Parameters
    ----------
    tensors
        The weights by name.
    card
        What is said; ``sha256`` is left out.

    Returns
    -------
    str
        Hexadecimal.

    Examples
    --------
    >>> digest({"w": torch.zeros(2)}, {"seed": 0}) == digest({"w": torch.zeros(2)}, {"seed": 1})
    False
    """
    whole = hashlib.sha256()
    said = {key: value for key, value in card.items() if key != "sha256"}
    whole.update(json.dumps(said, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        whole.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        whole.update(value.numpy().tobytes())
    return whole.hexdigest()


def make_card(
    shape: Shape, task: Task | VisualTask, recipe: Recipe, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Say what made a population.

    Parameters
    ----------
    shape, task, recipe
        Of the population.
    more
        The other keys.

    Returns
    -------
    dict
        Without ``sha256``. Only the fields of the recipe stand there that were used.

    Examples
    --------
    >>> from neuro_metarl.agents.recipes import make_recipe
    >>> card = make_card(Shape(4, 3, 48), make_task("two-step"), make_recipe("two-step"), {})
    >>> "encoder" in card["recipe"]
    False
    """
    used = set(used_fields(recipe, task))
    return {
        "format": FORMAT,
        "task": task.name,
        "task_config": json.loads(task.config),
        "recipe": recipe.model_dump(include=used),
        "shape": shape.card(),
        "gate_order": list(shape.core.gates),
        **{key: value for key, value in more.items() if value is not None},
    }


def read_checkpoint(
    folder: Path, task: Task | VisualTask | None = None
) -> tuple[dict[str, Any], Population, Task | VisualTask, Recipe]:
    """Read a checkpoint, and refuse a card that does not tell the truth about its weights.

    Parameters
    ----------
    folder
        Of the checkpoint.
    task
        The task, where the package cannot make it by its name.

    Returns
    -------
    card, population, task, recipe

    Raises
    ------
    InputError
        A file cannot be read; a key is missing, unknown or impossible; names, shapes or types of
        the weights are not those of the card; weights are not finite; recipe, shape and task do
        not fit each other; or the checksum differs.

    Examples
    --------
    >>> from neuro_metarl.agents.zoo import ZOO
    >>> card, population, task, recipe = read_checkpoint(ZOO / "two-step")
    >>> population.n_agents == len(card["names"])
    True
    """
    try:
        card = json.loads((folder / CARD).read_text())
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise InputError(f"{folder}: the checkpoint cannot be read ({error})") from None
    _check_format(folder, card)
    try:
        _check_keys(card)
        _check_values(card)
        played = _task_of(card, task)
        recipe = fit_recipe(check_recipe(card["recipe"]), played)
        shape = _shape_of(card, played, recipe)
        flat = _flatten(shape, tensors, card)
    except RecursionError:
        raise InputError(f"{folder / CARD}: is nested too deeply; it is damaged") from None
    except InputError as error:
        raise InputError(f"{folder / CARD}: {error}") from None
    if "sha256" in card and card["sha256"] != digest(tensors, card):
        raise InputError(
            f"{folder}: the checksum 'sha256' in {CARD} is not that of its card and weights: one "
            "of them was damaged or changed after it was saved; take the original, or load, "
            "change and save the agents in Python (a card without it is taken at its word)"
        )
    return card, Population(shape, flat), played, recipe


def _check_format(folder: Path, card: Any) -> None:
    found = card.get("format") if isinstance(card, Mapping) else None
    if found == FORMAT:
        return
    message = f"{folder / CARD}: not a checkpoint of format {FORMAT!r}"
    if isinstance(found, str) and found.startswith(FORMAT.rpartition("/")[0]):
        message += (
            f", but of {found!r} (made by {card.get('created_by', 'an unknown version')}); "
            "read it with the version that made it"
        )
    raise InputError(message)


def _check_keys(card: dict[str, Any]) -> None:
    """Refuse keys that are missing or unknown."""
    for key in REQUIRED:
        if key not in card:
            raise InputError(f"{key!r} is missing; the checkpoint is damaged")
    for key in card:
        if key not in KNOWN:
            raise InputError(
                f"declares {key!r}, which this version does not know: {did_you_mean(key, KNOWN)}"
            )


def _check_values(card: dict[str, Any]) -> None:
    """Refuse values of another kind."""
    _check_names(card["names"])
    for key, kind in KINDS.items():
        if not isinstance(card[key], kind):
            raise InputError(f"{key} is {_short(card[key])}, expected {kind.__name__}")
    for key in ("seed", "n_updates_done"):
        value = card.get(key, 0)
        if type(value) is not int or value < 0:
            raise InputError(f"{key} is {_short(value)}, expected a whole number from 0")
    if card.get("engine", "torch") not in ENGINES[1:]:
        raise InputError(
            f"engine is {_short(card['engine'])}; {did_you_mean(str(card['engine']), ENGINES[1:])}"
        )
    n = len(card["names"])
    rows: list[Any] = card["curve"] if isinstance(card["curve"], list) else [card["curve"]]
    for row in rows:
        if not _is_list(row, int | float) or len(row) != n:
            raise InputError(f"curve has a row {_short(row)}, expected numbers for {n} agents")


def _check_names(names: Any) -> None:
    if not _is_list(names, str) or not names or not all(names):
        raise InputError(f"names is {_short(names)}, expected a list of names")
    if len(set(names)) < len(names):
        raise InputError(f"names has {next(n for n in names if names.count(n) > 1)!r} twice")


def _task_of(card: dict[str, Any], task: Task | VisualTask | None) -> Task | VisualTask:
    name, config = card["task"], card["task_config"]
    if task is None:
        if name not in list_tasks():
            raise InputError(
                f"trained on {name!r}, which is no task of the package; "
                f"{did_you_mean(name, list_tasks())} if it is a task of your own, "
                "register_task, or load_agents(..., task=it)"
            )
        try:
            task = make_task(name, **config)
        except TypeError as error:
            raise InputError(f"task_config is {_short(config)}: {error}") from None
    check_own(task)
    made = json.loads(task.config)
    if task.name != name:
        raise InputError(f"task is {name!r}, but its task_config makes {task.name!r}")
    for key in sorted(set(made) | set(config)):
        if key not in config or key not in made or made[key] != config[key]:
            said = _short(config[key]) if key in config else "missing"
            raise InputError(
                f"task_config: {key} is {said}, but task {name!r} has "
                f"{_short(made[key]) if key in made else 'no such parameter'}"
            )
    return task


def _shape_of(card: dict[str, Any], task: Task | VisualTask, recipe: Recipe) -> Shape:
    """Make the shape, and hold the recipe and the task to it."""
    try:
        shape = Shape.from_card(card["shape"])
    except (KeyError, TypeError, AttributeError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, InputError):
            raise InputError(f"shape: {error}") from None
        raise InputError(f"shape is {_short(card['shape'])}: {error}") from None
    for key in ("n_observations", "n_actions", "n_units"):
        value = getattr(shape, key)
        if type(value) is not int or value < 1:
            raise InputError(f"shape: {key} is {_short(value)}, expected a whole number from 1")
    shape.check(task)
    said: dict[str, Any] = {"n_units": recipe.n_units, "core": recipe.core}
    true: dict[str, Any] = {"n_units": shape.n_units, "core": shape.core.name}
    if shape.encoder is not None:
        said |= {
            "encoder": recipe.encoder, "n_features": recipe.n_features,
            "rectified_features": recipe.rectified_features,
        }  # fmt: skip
        true |= {
            "encoder": shape.encoder.kind, "n_features": shape.encoder.n_features,
            "rectified_features": shape.encoder.rectified,
        }  # fmt: skip
        if shape.encoder.n_features != shape.n_observations:
            raise InputError(
                f"shape: n_observations is {shape.n_observations}, but the encoder has "
                f"{shape.encoder.n_features} features"
            )
    for key, value in said.items():
        if value != true[key]:
            raise InputError(
                f"the recipe says {key} {value!r}, the shape {true[key]!r}: {CARD} does not belong "
                "to the agents"
            )
    return shape


def _flatten(shape: Shape, tensors: Mapping[str, Tensor], card: dict[str, Any]) -> Tensor:
    """Put the weights into one tensor, gates in the order of this package."""
    order = _order_of_gates(shape, card["gate_order"])
    expected = shape.tensors()
    for name in tensors:
        if name not in expected:
            raise InputError(
                f"{WEIGHTS} has {name!r}, which is no weight of a network of this shape with the "
                f"core {shape.core.name!r}; {did_you_mean(name, expected)}"
            )
    parts, n_agents = [], len(card["names"])
    for name, dims in expected.items():
        found = tuple(tensors[name].shape) if name in tensors else "nothing"
        if found != (n_agents, *dims):
            raise InputError(
                f"{name!r} in {WEIGHTS} has shape {found}, expected {(n_agents, *dims)} for "
                f"{n_agents} names: {CARD} does not belong to the agents"
            )
        if tensors[name].dtype != torch.float32:
            raise InputError(
                f"{name!r} in {WEIGHTS} is {tensors[name].dtype}, expected torch.float32; the "
                "agents were trained in it, and other types round their weights"
            )
        value = tensors[name]
        if order is not None and name in shape.core.gate_rows:
            value = value.unflatten(1, (len(order), -1))[:, order].flatten(1, 2)
        parts.append(value.flatten(1))
    flat = torch.cat(parts, dim=1)
    if not torch.isfinite(flat).all():
        raise InputError(f"{WEIGHTS}: weights are not finite; the training diverged")
    return flat


def _order_of_gates(shape: Shape, said: Any) -> list[int] | None:
    """Find where each gate of ours stands among theirs; None: where it stands already."""
    gates = shape.core.gates
    if not gates and said == list(GATES):
        return None  # cards of networks without gates declared those of the LSTM once
    if not _is_list(said, str) or sorted(said) != sorted(gates):
        wanted = f"an order of {', '.join(gates)}" if gates else "[]: this core has no gates"
        raise InputError(f"gate_order is {_short(said)}, expected {wanted}")
    return None if said == list(gates) else [said.index(gate) for gate in gates]


def _is_list(values: Any, kind: Any) -> bool:
    """Whether it is a list of such things; numbers are finite and no booleans."""
    return isinstance(values, list) and all(
        isinstance(v, kind) and not isinstance(v, bool) and (isinstance(v, str) or math.isfinite(v))
        for v in values
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
