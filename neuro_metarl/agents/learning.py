"""Advantage actor-critic: returns, gradients, optimiser and the training loop, top to bottom.

References
----------
Wang et al. 2016, arXiv:1611.05763; Mnih et al. 2016, arXiv:1602.01783.
"""

from __future__ import annotations

import json
import math
import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.population import Population, Shape
from neuro_metarl.agents.recipes import Recipe, make_recipe
from neuro_metarl.agents.zoo import Agents, save_agents
from neuro_metarl.errors import InputError
from neuro_metarl.files import atomic_path, writable_directory
from neuro_metarl.progress import progress_bar
from neuro_metarl.tasks import Task, make_task

__all__ = [
    "Learner",
    "actor_critic_gradients",
    "discount_matrix",
    "draw_noise",
    "one_thread",
    "seed_generators",
    "train",
]

SECONDS_BETWEEN_SAVES = 15.0
POINTS_OF_CURVE = 50


def discount_matrix(n_steps: int, discount: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Make the matrix that turns rewards into returns to the end of the episode.

    Parameters
    ----------
    n_steps
        Length of the episode.
    discount
        Per step, from 0 to 1.
    dtype
        Type of the matrix.

    Returns
    -------
    torch.Tensor
        Dims (step, later step): with ``return = matrix @ reward``,
        ``return[t] = reward[t] + discount * return[t + 1]``, and 0 after the end.

    Examples
    --------
    >>> discount_matrix(3, 0.5) @ torch.tensor([1.0, 0.0, 2.0])
    tensor([1.5000, 1.0000, 2.0000])
    """
    step = torch.arange(n_steps, dtype=torch.float64)
    ahead = step[None, :] - step[:, None]
    return torch.where(ahead >= 0, discount ** ahead.clamp(min=0), 0.0).to(dtype)


def draw_noise(
    n_steps: int, n_actions: int, n_episodes: int, generators: list[torch.Generator]
) -> Tensor:
    """Draw standard Gumbel noise, with which the largest logit is a softmax sample.

    Parameters
    ----------
    n_steps, n_actions, n_episodes
        Sizes.
    generators
        One per agent.

    Returns
    -------
    torch.Tensor
        Dims (step, agent, action, episode).

    Examples
    --------
    >>> draw_noise(4, 2, 3, [torch.Generator().manual_seed(0)]).shape
    torch.Size([4, 1, 2, 3])
    """
    noise = torch.empty(n_steps, len(generators), n_actions, n_episodes)
    for agent, generator in enumerate(generators):
        noise[:, agent] = torch.rand(n_steps, n_actions, n_episodes, generator=generator)
    return noise.log_().neg_().log_().neg_()


def actor_critic_gradients(
    logits: Tensor,
    values: Tensor,
    actions: Tensor,
    returns: Tensor,
    *,
    value_weight: float,
    entropy_weight: float,
    imposed: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Differentiate the loss of :class:`neuro_metarl.agents.recipes.Recipe` in closed form.

    Parameters
    ----------
    logits, actions
        Dims (step, agent, action, episode); actions one-hot.
    values, returns
        Dims (step, agent, episode).
    value_weight, entropy_weight
        Weights of the value loss and of the entropy bonus.
    imposed
        Dims (step, agent, episode): actions that were imposed (-1: none) teach the policy
        nothing.

    Returns
    -------
    d_logits, d_values
        Gradients of the loss, a mean over steps and episodes, of each agent.

    Examples
    --------
    >>> one = torch.ones(1, 1, 1)
    >>> action = torch.tensor([1.0, 0.0]).view(1, 1, 2, 1)
    >>> d_logits, d_values = actor_critic_gradients(
    ...     torch.zeros(1, 1, 2, 1), 0 * one, action, one, value_weight=0.1, entropy_weight=0.0)
    >>> d_logits.flatten().tolist(), round(d_values.item(), 3)
    ([-0.5, 0.5], -0.1)
    """
    share = 1 / (logits.shape[0] * logits.shape[-1])
    log_policy = torch.log_softmax(logits, dim=2)
    policy = log_policy.exp()
    advantage = returns - values
    negative_entropy = (policy * log_policy).sum(2, keepdim=True)
    d_logits = (policy - actions) * advantage.unsqueeze(2)
    d_logits += entropy_weight * policy * (log_policy - negative_entropy)
    if imposed is not None:
        d_logits = d_logits * (imposed < 0).unsqueeze(2)
    return d_logits * share, advantage * (-value_weight * share)


class Learner:
    """A population in training: weights, optimiser state and random generators.

    Parameters
    ----------
    task
        What is learned.
    recipe
        How.
    generators
        One per agent; an agent's course depends on its own generator alone.

    Examples
    --------
    >>> from neuro_metarl.tasks import make_task
    >>> recipe = Recipe(n_updates=2, n_episodes=4, learning_rate=0.01)
    >>> learner = Learner(make_task("two-step", n_trials=5), recipe,
    ...                   [torch.Generator().manual_seed(0)])
    >>> reward = learner.update()
    >>> reward.shape, learner.n_done
    (torch.Size([1]), 1)
    """

    def __init__(self, task: Task, recipe: Recipe, generators: list[torch.Generator]) -> None:
        self.task, self.recipe, self.generators = task, recipe, generators
        shape = Shape(task.n_observations, task.n_actions, recipe.n_units)
        self.population = Population.initialise(shape, generators)
        self.unseen = None if recipe.see_reward else _reward_input(self.population)
        if self.unseen is not None:
            self.population.flat[:, self.unseen] = 0
        self.rollout = Rollout(self.population, task, recipe.n_episodes)
        self.to_returns = discount_matrix(self.rollout.n_steps, recipe.discount)
        self.first_moment = torch.zeros_like(self.population.flat)
        self.second_moment = torch.zeros_like(self.population.flat)
        self.n_done = 0

    def update(self) -> Tensor:
        """Play a batch of episodes and take one gradient step.

        Returns
        -------
        torch.Tensor
            Reward per trial of each agent in the batch just played, dims (agent).
        """
        recipe, rollout = self.recipe, self.rollout
        episodes = self.task.draw(recipe.n_episodes, self.generators)
        n_actions = self.task.n_actions
        noise = draw_noise(rollout.n_steps, n_actions, recipe.n_episodes, self.generators)
        rollout.play(episodes, noise)
        learning_rate, entropy_weight = recipe.at(self.n_done)
        d_logits, d_values = actor_critic_gradients(
            rollout.logits,
            rollout.values,
            rollout.actions,
            (self.to_returns @ rollout.rewards.flatten(1)).view_as(rollout.values),
            value_weight=recipe.value_weight,
            entropy_weight=entropy_weight,
            imposed=episodes.imposed,
        )
        reward = rollout.rewards.sum((0, 2)) / (self.task.n_trials * recipe.n_episodes)
        self.step(rollout.backward(d_logits, d_values), learning_rate)
        return reward

    def step(self, gradient: Tensor, learning_rate: float) -> None:
        """Clip each agent's gradient and move its weights.

        Parameters
        ----------
        gradient
            Dims (agent, parameter).
        learning_rate
            Step size.

        Notes
        -----
        RMSProp: ``g / (sqrt(mean of g^2) + 1e-5)`` with decay .99. Adam: decays .9 and .999,
        bias-corrected, epsilon 1e-5.
        """
        self.n_done += 1
        if not self.recipe.learn_initial_state:
            gradient[:, -2 * self.population.shape.n_units :] = 0
        if self.unseen is not None:
            gradient[:, self.unseen] = 0
        norm = gradient.norm(dim=1, keepdim=True)
        gradient = gradient * (
            self.recipe.gradient_clip / norm.clamp(min=self.recipe.gradient_clip)
        )
        if self.recipe.optimizer == "rmsprop":
            self.second_moment.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
            self.population.flat.addcdiv_(
                gradient, self.second_moment.sqrt().add_(1e-5), value=-learning_rate
            )
            return
        self.first_moment.lerp_(gradient, 0.1)
        self.second_moment.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        scale = (self.second_moment / (1 - 0.999**self.n_done)).sqrt_().add_(1e-5)
        self.population.flat.addcdiv_(
            self.first_moment, scale, value=-learning_rate / (1 - 0.9**self.n_done)
        )


def _reward_input(population: Population) -> Tensor:
    """Mark the weights through which the previous reward is seen."""
    shape = population.shape
    marks = Population(shape, torch.zeros(1, population.flat.shape[1]))
    marks.tensors["recurrent"][..., shape.n_inputs - 1] = 1
    return marks.flat[0] == 1


def seed_generators(seed: int, names: Sequence[str], purpose: str) -> list[torch.Generator]:
    """Make one random generator per agent, the same whoever else is there.

    Parameters
    ----------
    seed
        0 or more.
    names
        One per agent.
    purpose
        ``"train"`` or ``"record"``: what an agent is tested on is not what it learned from.

    Returns
    -------
    list of torch.Generator

    Raises
    ------
    InputError
        The seed is negative.

    Examples
    --------
    >>> one = seed_generators(0, ["b"], "train")
    >>> two = seed_generators(0, ["a", "b"], "train")
    >>> one[0].initial_seed() == two[1].initial_seed()
    True
    """
    if seed < 0:
        raise InputError(f"seed is {seed}, expected 0 or more")
    keys = [[seed, zlib.crc32(purpose.encode()), zlib.crc32(name.encode())] for name in names]
    states = [np.random.SeedSequence(key).generate_state(1, np.uint64)[0] for key in keys]
    return [torch.Generator().manual_seed(int(state >> np.uint64(1))) for state in states]


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread inside the block: networks this small run slower, and less alike, on more.

    Examples
    --------
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(
    task: Task | str = "two-step",
    *,
    recipe: Recipe | str = "fast",
    n_agents: int = 1,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
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
        machine. First weights and episodes of agent k do not depend on the number of agents;
        rounding does.
    out
        Folder of the checkpoint. A training that is interrupted leaves ``<out>.partial``; the
        same call takes it up again and ends with the same weights.
    progress
        Show progress on standard error.

    Returns
    -------
    Agents

    Raises
    ------
    InputError
        An impossible value, a folder that cannot be written, a partial training of another
        configuration, or a training that diverged.

    Examples
    --------
    >>> from neuro_metarl.agents.recipes import Recipe
    >>> agents = train("two-step", recipe=Recipe(n_updates=2, learning_rate=0.01), n_agents=2,
    ...                progress=False)
    >>> agents.names
    ('two-step/0', 'two-step/1')
    """
    task = make_task(task) if isinstance(task, str) else task
    recipe = make_recipe(task.name, recipe) if isinstance(recipe, str) else recipe
    if n_agents < 1:
        raise InputError(f"n_agents is {n_agents}, expected 1 or more")
    created_by = f"neuro_metarl {version('neuro_metarl')}"
    identity = json.dumps(
        [created_by, task.config, recipe.model_dump(), n_agents, seed], sort_keys=True
    )
    names = tuple(f"{task.name}/{k}" for k in range(n_agents))
    learner = Learner(task, recipe, seed_generators(seed, names, "train"))
    curve = torch.full((recipe.n_updates, n_agents), torch.nan)
    partial = None
    if out is not None:
        writable_directory(Path(out).parent)
        partial = Path(f"{os.fspath(out)}.partial")
        if partial.exists():
            _restore(learner, curve, partial, identity)
    with one_thread(), progress_bar("training", recipe.n_updates, shown=progress) as show:
        try:
            _run(learner, curve, partial, identity, show)
        except KeyboardInterrupt:
            if partial is not None:
                _save_state(learner, curve, partial, identity)
            raise
    points = curve.tensor_split(min(POINTS_OF_CURVE, recipe.n_updates))
    agents = Agents(
        learner.population,
        names,
        task,
        recipe,
        seed,
        [point.mean(0).tolist() for point in points],
        created_by,
    )
    if out is not None and partial is not None:
        save_agents(agents, out)
        partial.unlink(missing_ok=True)
    return agents


def _run(
    learner: Learner,
    curve: Tensor,
    partial: Path | None,
    identity: str,
    show: Callable[[int, str], None],
) -> None:
    saved = time.monotonic()
    while learner.n_done < learner.recipe.n_updates:
        reward = learner.update()
        curve[learner.n_done - 1] = reward
        if not math.isfinite(float(learner.population.flat.sum())):
            raise InputError(
                f"the training diverged at update {learner.n_done}: weights are not finite; "
                f"lower the learning rate ({learner.recipe.learning_rate}) or gradient_clip"
            )
        show(learner.n_done, f"reward per trial {float(reward.mean()):.3f}")
        if partial is not None and time.monotonic() - saved > SECONDS_BETWEEN_SAVES:
            _save_state(learner, curve, partial, identity)
            saved = time.monotonic()


def _save_state(learner: Learner, curve: Tensor, partial: Path, identity: str) -> None:
    state = {name: getattr(learner, name) for name in ("first_moment", "second_moment")}
    state |= {"flat": learner.population.flat, "curve": curve}
    state["generators"] = torch.stack([g.get_state() for g in learner.generators])
    with atomic_path(partial) as temporary:
        save_file(state, temporary, {"identity": identity, "n_done": str(learner.n_done)})


def _restore(learner: Learner, curve: Tensor, partial: Path, identity: str) -> None:
    try:
        with safe_open(partial, framework="pt") as file:
            notes = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{partial} cannot be read ({error}); delete it to start anew") from None
    if notes.get("identity") != identity:
        raise InputError(
            f"{partial} is an interrupted training of another task, recipe, seed or version; "
            "delete it or choose another folder"
        )
    learner.population.flat.copy_(state["flat"])
    learner.first_moment.copy_(state["first_moment"])
    learner.second_moment.copy_(state["second_moment"])
    for generator, saved in zip(learner.generators, state["generators"], strict=True):
        generator.set_state(saved.clone())
    learner.n_done = int(notes["n_done"])
    curve.copy_(state["curve"])
