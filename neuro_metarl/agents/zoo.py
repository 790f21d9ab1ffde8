"""Trained agents: save, load, list. Nothing loaded executes code.

A checkpoint is a folder with ``agents.safetensors`` (the weights) and ``agents.json`` (what
made them: task, recipe, seed, version, learning curve). The zoo is a folder of checkpoints that
comes with the package.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from neuro_metarl.agents.population import GATES, Population, Shape
from neuro_metarl.agents.recipes import Recipe, check_recipe
from neuro_metarl.agents.visual_learning import fresh_networks
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.files import atomic_path
from neuro_metarl.tasks import Task, VisualTask, make_task

__all__ = ["Agents", "list_agents", "load_agents", "save_agents", "untrained"]

FORMAT = "neuro_metarl.agents/1"
ZOO = Path(__file__).resolve().parents[1] / "data" / "zoo"
WEIGHTS, CARD = "agents.safetensors", "agents.json"


@dataclass(frozen=True)
class Agents:
    """A population of separately trained networks, with what made them.

    Parameters
    ----------
    population
        The weights.
    names
        One per network: the subjects of the cohorts they will make.
    task
        What they were trained on.
    recipe
        How.
    seed
        Seed of the training run.
    curve
        Reward per trial of each agent along training, dims (point, agent).
    created_by
        Package version.
    """

    population: Population
    names: tuple[str, ...]
    task: Task | VisualTask
    recipe: Recipe
    seed: int
    curve: list[list[float]] = field(default_factory=list)
    created_by: str = ""

    def __len__(self) -> int:
        """Count the networks."""
        return len(self.names)

    def select(self, agents: Sequence[int]) -> Agents:
        """Keep some of the networks.

        Parameters
        ----------
        agents
            Positions.

        Returns
        -------
        Agents
        """
        return Agents(
            self.population.select(agents),
            tuple(self.names[i] for i in agents),
            self.task,
            self.recipe,
            self.seed,
            [[row[i] for i in agents] for row in self.curve],
            self.created_by,
        )


def untrained(agents: Agents, *, n_agents: int = 4, seed: int = 0) -> Agents:
    """Make fresh networks like those of a population, which learned nothing.

    Parameters
    ----------
    agents
        Lend shape, task and recipe.
    n_agents
        Networks.
    seed
        The same seed gives the same weights.

    Returns
    -------
    Agents
        Called "untrained/0", "untrained/1", ...

    Examples
    --------
    >>> untrained(load_agents("two-step/0"), n_agents=2).names
    ('untrained/0', 'untrained/1')
    """
    generators = [torch.Generator().manual_seed(1_000_003 * seed + k) for k in range(n_agents)]
    if isinstance(agents.task, VisualTask):
        population = fresh_networks(agents.task, agents.recipe, generators)
    else:
        population = Population.initialise(agents.population.shape, generators)
    names = tuple(f"untrained/{k}" for k in range(n_agents))
    return Agents(population, names, agents.task, agents.recipe, seed)


def save_agents(agents: Agents, path: str | os.PathLike[str]) -> Path:
    """Write a checkpoint folder, whole or not at all.

    Parameters
    ----------
    agents
        What to save.
    path
        The folder; it is replaced if it is there.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        The folder cannot be written, or is something other than a checkpoint.

    Examples
    --------
    >>> import tempfile
    >>> folder = save_agents(load_agents("two-step/0"), tempfile.mkdtemp() + "/mine")
    >>> load_agents(folder).names
    ('two-step/0',)
    """
    folder = Path(path)
    if folder.exists() and any(p.name not in (WEIGHTS, CARD) for p in folder.glob("[!.]*")):
        raise InputError(f"{folder} holds other files than a checkpoint; choose an empty folder")
    shape = agents.population.shape
    card = {
        "format": FORMAT,
        "created_by": agents.created_by,
        "names": list(agents.names),
        "task": agents.task.name,
        "task_config": json.loads(agents.task.config),
        "recipe": agents.recipe.model_dump(),
        "seed": agents.seed,
        "shape": shape.card(),
        "gate_order": list(GATES),
        "curve": [[round(value, 4) for value in row] for row in agents.curve],
    }
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        tensors = {k: v.contiguous() for k, v in agents.population.tensors.items()}
        save_file(tensors, temporary / WEIGHTS)
        (temporary / CARD).write_text(json.dumps(card, indent=1) + "\n")
    return folder


def load_agents(name: str | os.PathLike[str]) -> Agents:
    """Load trained agents from the zoo or from a checkpoint folder.

    Parameters
    ----------
    name
        A zoo name (``"two-step"``), one agent of it (``"two-step/3"``), or a folder.

    Returns
    -------
    Agents

    Raises
    ------
    InputError
        There is no such name or folder, or the checkpoint is damaged.

    Examples
    --------
    >>> agents = load_agents("two-step")
    >>> len(agents) >= 16, agents.task.p_common
    (True, 0.8)
    """
    folder = Path(name)
    if (folder / CARD).is_file():
        return _read(folder)
    parts = str(name).rsplit("/", 1)
    if (ZOO / str(name)).is_dir():
        return _read(ZOO / str(name))
    if len(parts) == 2 and parts[1].isdigit() and (ZOO / parts[0]).is_dir():
        agents = _read(ZOO / parts[0])
        if int(parts[1]) >= len(agents):
            raise InputError(f"{parts[0]!r} has agents 0 to {len(agents) - 1}, not {parts[1]}")
        return agents.select([int(parts[1])])
    raise InputError(
        f"no agents {str(name)!r}: neither a folder with {CARD} nor a zoo name; "
        + did_you_mean(str(name), list_agents())
    )


def list_agents() -> list[str]:
    """List the zoo.

    Returns
    -------
    list of str

    Examples
    --------
    >>> "two-step" in list_agents()
    True
    """
    return sorted(card.parent.name for card in ZOO.glob(f"*/{CARD}"))


def _read(folder: Path) -> Agents:
    try:
        card = json.loads((folder / CARD).read_text())
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{folder}: the checkpoint cannot be read ({error})") from None
    if not isinstance(card, Mapping) or card.get("format") != FORMAT:
        raise InputError(f"{folder / CARD}: not a checkpoint of format {FORMAT!r}")
    try:
        shape = Shape.from_card(card["shape"])
        names = tuple(map(str, card["names"]))
        population = Population(shape, _flatten(folder, shape, tensors, len(names)))
        return Agents(
            population,
            names,
            make_task(card["task"], **card["task_config"]),
            check_recipe(card["recipe"]),
            int(card["seed"]),
            card["curve"],
            str(card["created_by"]),
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / CARD}: damaged, {error} is missing or wrong") from None


def _flatten(
    folder: Path, shape: Shape, tensors: Mapping[str, torch.Tensor], n_agents: int
) -> torch.Tensor:
    parts = []
    for name, dims in shape.tensors().items():
        expected = (n_agents, *dims)
        found: Any = tuple(tensors[name].shape) if name in tensors else "nothing"
        if found != expected:
            raise InputError(
                f"{folder / WEIGHTS}: {name!r} has shape {found}, expected {expected}; "
                f"it does not belong to the {CARD} beside it"
            )
        parts.append(tensors[name].flatten(1).float())
    flat = torch.cat(parts, dim=1)
    if not torch.isfinite(flat).all():
        raise InputError(f"{folder / WEIGHTS}: weights are not finite; the training diverged")
    return flat
