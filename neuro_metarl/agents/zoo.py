"""Trained agents: save, load, list. Nothing loaded executes code.

A checkpoint is a folder with ``agents.safetensors`` (the weights) and ``agents.json`` (the card:
task, recipe, seed, version, learning curve; see :mod:`neuro_metarl.agents.cards`). The zoo is a
folder of checkpoints that comes with the package.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from neuro_metarl.agents.cards import CARD, WEIGHTS, digest, make_card, read_checkpoint
from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.population import Population
from neuro_metarl.agents.recipes import Recipe
from neuro_metarl.agents.visual_learning import fresh_networks
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.files import atomic_path, writable_directory
from neuro_metarl.tasks.base import Task, VisualTask

__all__ = [
    "Agents",
    "check_destination",
    "list_agents",
    "load_agents",
    "refuse_others",
    "save_agents",
    "untrained",
]

ZOO = Path(__file__).resolve().parents[1] / "data" / "zoo"


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
    n_updates_done
        Updates that the networks have had; None: all of the recipe's.
    engine
        What computed them in training; see :func:`neuro_metarl.agents.engines.settle_engine`.

    Raises
    ------
    InputError
        Not one name for each network.
    """

    population: Population
    names: tuple[str, ...]
    task: Task | VisualTask
    recipe: Recipe
    seed: int
    curve: list[list[float]] = field(default_factory=list)
    created_by: str = ""
    n_updates_done: int | None = None
    engine: str = "torch"

    def __post_init__(self) -> None:
        if len(self.names) != self.population.n_agents:
            raise InputError(
                f"{len(self.names)} names for {self.population.n_agents} networks; "
                "expected one for each"
            )

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
            self.n_updates_done,
            self.engine,
        )


def untrained(
    agents: Agents, *, n_agents: int = 4, seed: int = 0, name: str = "untrained"
) -> Agents:
    """Make fresh networks like those of a population, which learned nothing.

    Parameters
    ----------
    agents
        Lend shape, task and recipe.
    n_agents
        Networks.
    seed
        The same seed gives the same weights.
    name
        What they are called; give populations of two seeds two names.

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
    with one_thread():
        if isinstance(agents.task, VisualTask):
            population = fresh_networks(agents.task, agents.recipe, generators)
        else:
            population = Population.initialise(agents.population.shape, generators)
    names = tuple(f"{name}/{k}" for k in range(n_agents))
    return Agents(population, names, agents.task, agents.recipe, seed, n_updates_done=0)


def save_agents(agents: Agents, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a checkpoint folder, whole or not at all.

    Parameters
    ----------
    agents
        What to save.
    path
        The folder.
    overwrite
        Replace a checkpoint of other agents.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        The folder cannot be written, is something other than a checkpoint, or one of other agents.

    Examples
    --------
    >>> import tempfile
    >>> folder = save_agents(load_agents("two-step/0"), tempfile.mkdtemp() + "/mine")
    >>> load_agents(folder).names
    ('two-step/0',)
    """
    folder = check_destination(path)
    if not overwrite:
        refuse_others(agents, folder)
    tensors = {name: value.contiguous() for name, value in agents.population.tensors.items()}
    card = _card_of(agents)
    if agents.population.flat.dtype != torch.float32:
        raise InputError(
            f"the weights are {agents.population.flat.dtype}; a checkpoint holds float32: convert "
            "them first, and know that they change"
        )
    if len(set(agents.names)) < len(agents.names):
        raise InputError(f"names: {', '.join(agents.names)} has one twice; give each its own")
    card["sha256"] = digest(tensors, card)
    with atomic_path(folder, overwrite=True) as temporary:
        temporary.mkdir()
        save_file(tensors, temporary / WEIGHTS)
        (temporary / CARD).write_text(json.dumps(card, indent=1) + "\n")
    return folder


def _card_of(agents: Agents) -> dict[str, Any]:
    return make_card(agents.population.shape, agents.task, agents.recipe, {
        "created_by": agents.created_by,
        "names": list(agents.names),
        "seed": agents.seed,
        "n_updates_done": agents.n_updates_done,
        "engine": agents.engine,
        "curve": [[round(value, 4) for value in row] for row in agents.curve],
    })  # fmt: skip


def refuse_others(agents: Agents, folder: Path) -> None:
    """Refuse a folder that holds other agents, before they would be replaced.

    Parameters
    ----------
    agents
        Those that will be saved; their weights do not matter.
    folder
        Of the checkpoint.

    Raises
    ------
    InputError
        Agents of other names, seed, task or recipe are there.

    Examples
    --------
    >>> import tempfile
    >>> agents = load_agents("two-step").select([0, 1])
    >>> folder = save_agents(agents, tempfile.mkdtemp() + "/mine")
    >>> refuse_others(agents, folder)
    """
    if not (folder / CARD).exists():
        return
    there = json.loads((folder / CARD).read_text())
    card = json.loads(json.dumps(_card_of(agents)))
    names = ", ".join(map(str, there.get("names", [])))
    for key in ("names", "seed", "task", "task_config", "recipe"):
        if there.get(key) != card[key]:
            raise InputError(
                f"{folder} holds other agents ({names}; their {key.replace('_', ' ')} differs); "
                "choose another folder, or replace them: overwrite=True, on the command line "
                "--overwrite"
            )


def check_destination(path: str | os.PathLike[str]) -> Path:
    """Make sure that a checkpoint can be written to a folder, before the work starts.

    Parameters
    ----------
    path
        The folder; its parents are made.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        It is a file, holds other things than a checkpoint, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> check_destination(tempfile.mkdtemp() + "/mine").name
    'mine'
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; a checkpoint is a folder: choose another name")
    if folder.is_dir():
        if folder.resolve() == Path.cwd():
            raise InputError(f"{folder} is the working directory; name a folder in it")
        others = sorted(p.name for p in folder.iterdir() if p.name not in (WEIGHTS, CARD))
        if others:
            raise InputError(
                f"{folder} holds other files than a checkpoint ({others[0]}); choose an empty "
                "folder, or one that does not exist"
            )
        if any(folder.iterdir()) and not _is_ours(folder):
            raise InputError(
                f"{folder} holds {WEIGHTS} or {CARD}, but is no checkpoint of neuro_metarl; choose "
                "another name, or move it away"
            )
    writable_directory(folder.parent)
    return folder


def load_agents(name: str | os.PathLike[str], *, task: Task | VisualTask | None = None) -> Agents:
    """Load trained agents from the zoo or from a checkpoint folder.

    Parameters
    ----------
    name
        A zoo name (``"two-step"``), one agent of it (``"two-step/3"``), or a folder.
    task
        The task that the agents of a folder were trained on, where it is one of your own, which
        the package cannot make by its name.

    Returns
    -------
    Agents

    Raises
    ------
    InputError
        There is no such name or folder, or the checkpoint is damaged: the card does not belong to
        the weights, declares what this version does not know, or says of them what is not so.

    Examples
    --------
    >>> agents = load_agents("two-step")
    >>> len(agents) >= 16, agents.task.p_common
    (True, 0.8)
    """
    folder = Path(name)
    if (folder / CARD).is_file():
        return _read(folder, task)
    parts = str(name).rsplit("/", 1)
    if (ZOO / str(name)).is_dir():
        return _read(ZOO / str(name), task)
    if len(parts) == 2 and parts[1].isdigit() and (ZOO / parts[0]).is_dir():
        agents = _read(ZOO / parts[0], task)
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


def _is_ours(folder: Path) -> bool:
    try:
        return str(json.loads((folder / CARD).read_text())["format"]).startswith("neuro_metarl")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _read(folder: Path, task: Task | VisualTask | None) -> Agents:
    card, population, task, recipe = read_checkpoint(folder, task)
    return Agents(
        population,
        tuple(card["names"]),
        task,
        recipe,
        card["seed"],
        card["curve"],
        card["created_by"],
        card.get("n_updates_done"),
        card.get("engine", "torch"),
    )
