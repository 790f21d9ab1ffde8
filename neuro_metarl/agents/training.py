"""Training: from a task and a recipe to agents, with progress, interruption and resumption."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from neuro_metarl.agents.cards import digest
from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.engines import DEFAULT_ENGINE, settle_engine
from neuro_metarl.agents.interruption import Interrupts, hold_interrupts
from neuro_metarl.agents.learning import Learner, seed_generators
from neuro_metarl.agents.population import Population
from neuro_metarl.agents.recipes import Recipe, fit_recipe, make_recipe
from neuro_metarl.agents.visual_learning import VisualLearner
from neuro_metarl.agents.zoo import Agents, check_destination, refuse_others, save_agents
from neuro_metarl.errors import InputError
from neuro_metarl.files import atomic_path
from neuro_metarl.progress import progress_bar
from neuro_metarl.tasks.base import Task, VisualTask, check_memory
from neuro_metarl.tasks.registry import check_own, make_task

__all__ = ["train", "train_in_stages"]

# its name and its generator of random numbers, before it has any weight
BYTES_OF_AGENT = 6000.0
SECONDS_BETWEEN_SAVES = 15.0
POINTS_OF_CURVE = 50
WAITING = "stopping after this update; press Ctrl-C again to stop at once"
CREATED_BY = f"neuro_metarl {version('neuro_metarl')}"


def train(
    task: Task | VisualTask | str = "two-step",
    *,
    recipe: Recipe | str = "fast",
    n_agents: int = 1,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    device: str = "cpu",
    engine: str = DEFAULT_ENGINE,
    name: str | None = None,
    progress: bool = True,
) -> Agents:
    """Train a population of separate agents, all in this process.

    Parameters
    ----------
    task
        What is learned, or its name.
    recipe
        How, or the name of a recipe of this task: ``"published"``, ``"fast"``, ``"thorough"``.
    n_agents
        Separately initialised and separately trained networks.
    seed
        The same seed and number of agents give the same weights, bit for bit, on the same
        machine, whatever the number of threads, torch's default type and device, and the state of
        the global random generators. First weights and episodes of agent k do not depend on the
        number of agents; rounding does.
    out
        Folder of the checkpoint. A training that is interrupted (Ctrl-C, or a signal that ends
        the process) stops at the end of an update and leaves ``<out>.partial``; the same call
        takes it up again and ends with the same weights. A second Ctrl-C stops at once, and
        ``<out>.partial`` is then that of the last save, if there was one.
    overwrite
        Replace other agents in ``out``; otherwise they are refused before the work begins.
    device
        Where to train, such as ``"cuda"``: for pictures of the paper's size. The agents come back
        on the CPU.
    engine
        What computes the networks: ``"torch"``, ``"fused"`` (one compiled kernel, several times
        faster: LSTMs that see numbers, on a CPU) or ``"auto"``, fused where it can be. The two
        round differently, so that a seed gives other weights; which it was stands in the card.
    name
        What the agents are called: agent k is ``<name>/<k>``. Default: the name of the task, and
        for a seed other than 0 ``<task>/seed-<seed>``, so that the agents of two seeds are never
        taken for the same subjects. Weights do not depend on the name.
    progress
        Show progress on standard error.

    Returns
    -------
    Agents

    Raises
    ------
    InputError
        An impossible value, a recipe field that this task or core does not use, a folder that
        cannot be written or holds other things, a partial training of another configuration, or
        a training that diverged.

    Examples
    --------
    >>> from neuro_metarl.agents.recipes import Recipe
    >>> agents = train("two-step", recipe=Recipe(n_updates=2, learning_rate=0.01), n_agents=2,
    ...                progress=False)
    >>> agents.names
    ('two-step/0', 'two-step/1')
    """
    if out is not None:
        check_destination(out)
    partial = None if out is None else Path(f"{os.fspath(out)}.partial")
    with _surroundings(task, recipe), hold_interrupts(WAITING if progress else "") as interrupts:
        if engine == "auto" and partial is not None and partial.exists():
            engine = _engine_of(partial)
        names, learner, identity = _begin(task, recipe, n_agents, seed, device, engine, name)
        n_updates = learner.recipe.n_updates
        curve = torch.full((n_updates, n_agents), torch.nan, dtype=torch.float32)
        if out is not None and not overwrite:
            refuse_others(_agents(learner, names, seed, curve), Path(out))
        if partial is not None and partial.exists():
            _restore(learner, curve, partial, identity)
        with progress_bar("training", n_updates, shown=progress) as show:
            _run(learner, curve, show, interrupts, partial=partial, identity=identity)
        agents = _agents(learner, names, seed, curve)
        if out is not None and partial is not None:
            with interrupts.whole():
                save_agents(agents, out, overwrite=True)
                partial.unlink(missing_ok=True)
    return agents


def train_in_stages(
    task: Task | VisualTask | str,
    updates: Sequence[int],
    *,
    recipe: Recipe | str = "fast",
    n_agents: int = 1,
    seed: int = 0,
    device: str = "cpu",
    engine: str = DEFAULT_ENGINE,
    name: str | None = None,
    progress: bool = True,
) -> list[Agents]:
    """Train like :func:`train`, and keep the agents as they were on the way.

    Parameters
    ----------
    task, recipe, n_agents, seed, device, engine, name, progress
        See :func:`train`.
    updates
        After how many updates to keep them, rising; 0 is before any. Training goes on to the last.

    Returns
    -------
    list of Agents
        One population per entry of ``updates``; one trained to the recipe's end equals that of
        :func:`train`.

    Raises
    ------
    InputError
        See :func:`train`; or numbers that do not rise or are beyond the recipe's updates.

    Examples
    --------
    >>> from neuro_metarl.agents.recipes import Recipe
    >>> recipe = Recipe(n_updates=2, learning_rate=0.01)
    >>> early, late = train_in_stages("two-step", [0, 2], recipe=recipe, progress=False)
    >>> torch.equal(early.population.flat, late.population.flat)
    False
    """
    with _surroundings(task, recipe), hold_interrupts() as interrupts:
        names, learner, _ = _begin(task, recipe, n_agents, seed, device, engine, name)
        last = learner.recipe.n_updates
        wanted = list(updates)
        if not wanted or wanted != sorted(set(wanted)) or wanted[0] < 0 or wanted[-1] > last:
            raise InputError(f"updates are {wanted}, expected rising numbers from 0 to {last}")
        curve = torch.full((last, n_agents), torch.nan, dtype=torch.float32)
        kept = []
        with progress_bar("training", wanted[-1], shown=progress) as show:
            for stage in wanted:
                _run(learner, curve, show, interrupts, stop=stage)
                whole = _agents(learner, names, seed, curve[:stage])
                kept.append(whole.select(range(n_agents)))
    return kept


def _begin(
    task: Task | VisualTask | str,
    recipe: Recipe | str,
    n_agents: int,
    seed: int,
    device: str,
    engine: str,
    name: str | None,
) -> tuple[tuple[str, ...], Learner | VisualLearner, str]:
    """Make the learner, the agents' names, and what a resumed training must share."""
    task, recipe = _named(task, recipe)
    if isinstance(n_agents, bool) or not isinstance(n_agents, int) or n_agents < 1:
        raise InputError(f"n_agents is {n_agents!r}, expected a whole number from 1")
    check_memory(BYTES_OF_AGENT * n_agents, f"{n_agents} networks")
    recipe = fit_recipe(recipe, task)
    family = name or (task.name if seed == 0 else f"{task.name}/seed-{seed}")
    names = tuple(f"{family}/{k}" for k in range(n_agents))
    keys = [f"{task.name}/{k}" for k in range(n_agents)]
    generators = seed_generators(seed, keys, "train", device)
    learner: Learner | VisualLearner
    if isinstance(task, VisualTask):
        learner = VisualLearner(task, recipe, generators)
        settle_engine(engine, learner.population.shape, device)
    else:
        learner = Learner(task, recipe, generators, engine=engine)
    identity = [CREATED_BY, task.name, task.config, recipe.model_dump(), n_agents, seed, device]
    identity.append(learner.engine)
    return names, learner, json.dumps(identity, sort_keys=True)


def _named(task: Task | VisualTask | str, recipe: Recipe | str) -> tuple[Task | VisualTask, Recipe]:
    if isinstance(task, str):
        task = make_task(task)
    else:
        check_own(task)
    return task, make_recipe(task.name, recipe) if isinstance(recipe, str) else recipe


def _surroundings(
    task: Task | VisualTask | str, recipe: Recipe | str
) -> AbstractContextManager[None]:
    return one_thread(flush_denormals=_named(task, recipe)[1].flush_denormals)


def _agents(
    learner: Learner | VisualLearner, names: tuple[str, ...], seed: int, curve: Tensor
) -> Agents:
    points = curve.tensor_split(min(POINTS_OF_CURVE, len(curve))) if len(curve) else ()
    return Agents(
        Population(learner.population.shape, learner.population.flat.cpu()),
        names,
        learner.task,
        learner.recipe,
        seed,
        [point.mean(0).tolist() for point in points],
        CREATED_BY,
        learner.n_done,
        learner.engine,
    )


def _run(
    learner: Learner | VisualLearner,
    curve: Tensor,
    show: Callable[[int, str], None],
    interrupts: Interrupts,
    *,
    partial: Path | None = None,
    identity: str = "",
    stop: int | None = None,
) -> None:
    """Take update after update; only between two of them is anything saved, or stopped."""
    saved, unit = time.monotonic(), "episode" if isinstance(learner, VisualLearner) else "trial"
    while learner.n_done < (learner.recipe.n_updates if stop is None else stop):
        reward = learner.update()
        curve[learner.n_done - 1] = reward
        if not math.isfinite(float(learner.population.flat.sum())):
            raise InputError(
                f"the training diverged at update {learner.n_done}: weights are not finite; "
                f"lower the learning rate ({learner.recipe.learning_rate}) or gradient_clip"
            )
        show(learner.n_done, f"reward per {unit} {float(reward.mean()):.3f}")
        due = interrupts.waiting or time.monotonic() - saved > SECONDS_BETWEEN_SAVES
        if partial is not None and due:
            with interrupts.whole():
                _save_state(learner, curve, partial, identity)
            saved = time.monotonic()
        interrupts.answer()


def _save_state(
    learner: Learner | VisualLearner, curve: Tensor, partial: Path, identity: str
) -> None:
    state = learner.state() | {"curve": curve}
    state["generators"] = torch.stack([g.get_state() for g in learner.generators])
    state = {name: tensor.contiguous() for name, tensor in state.items()}
    notes = {"identity": identity, "n_done": str(learner.n_done), "engine": learner.engine}
    with atomic_path(partial, overwrite=True) as temporary:
        save_file(state, temporary, notes | {"sha256": digest(state, notes)})


def _engine_of(partial: Path) -> str:
    """Read which engine an interrupted training was computed with; "auto": it does not say."""
    try:
        with safe_open(partial, framework="pt") as file:
            return str((file.metadata() or {}).get("engine", "auto"))
    except (OSError, SafetensorError):
        return "auto"


def _restore(learner: Learner | VisualLearner, curve: Tensor, partial: Path, identity: str) -> None:
    try:
        with safe_open(partial, framework="pt") as file:
            notes = dict(file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{partial} cannot be read ({error}); delete it to start anew") from None
    checksum = notes.pop("sha256", None)
    if notes.get("identity") != identity:
        raise InputError(
            f"{partial} is an interrupted training of another task, recipe, seed, engine or "
            "version; "
            "delete it or choose another folder"
        )
    if checksum != digest(state, notes):
        raise InputError(f"{partial} is damaged: its checksum differs; delete it to start anew")
    for name, tensor in (learner.state() | {"curve": curve}).items():
        tensor.copy_(state[name])
    for generator, saved in zip(learner.generators, state["generators"], strict=True):
        generator.set_state(saved.clone())
    learner.n_done = int(notes["n_done"])
