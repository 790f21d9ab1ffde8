"""Advantage actor-critic for agents that see pictures: worlds, unrolls, curricula.

The loss and the optimiser are those of :mod:`neuro_metarl.agents.learning`. What is added: an
episode may be cut into unrolls, after each of which weights move while the state goes on; a task
may begin with an easier stage; and the encoder has its own learning rate.
"""

from __future__ import annotations

import torch
from torch import Tensor

from neuro_metarl.agents.cores import core_named
from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.encoder import Encoder
from neuro_metarl.agents.learning import (
    Moves,
    actor_critic_gradients,
    discount_matrix,
    draw_noise,
)
from neuro_metarl.agents.population import Population, Shape, views_of
from neuro_metarl.agents.recipes import Recipe, fit_recipe
from neuro_metarl.agents.visual import Sight, VisualRollout
from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import VisualTask, World

__all__ = ["VisualLearner", "fresh_networks", "shape_for"]

PICTURES_TO_STANDARDIZE = 500
KEPT_SCORE = 0.9


def shape_for(task: VisualTask, recipe: Recipe) -> Shape:
    """Find the sizes of networks that play a task by a recipe.

    Parameters
    ----------
    task
        Shows pictures.
    recipe
        Names core, encoder and sizes.

    Returns
    -------
    Shape

    Raises
    ------
    InputError
        The recipe has no encoder.

    Examples
    --------
    >>> from neuro_metarl.tasks import make_task
    >>> recipe = Recipe(n_updates=1, learning_rate=0.1, encoder="small", n_features=8)
    >>> shape_for(make_task("navigation"), recipe).n_observations
    8
    """
    if recipe.encoder is None:
        raise InputError(
            f"recipe: encoder is missing, but task {task.name!r} shows pictures; "
            "set encoder, for example to 'small'"
        )
    encoder = Encoder(
        recipe.encoder, task.image_shape, recipe.n_features, recipe.rectified_features
    )
    core = core_named(recipe.core)
    return Shape(recipe.n_features, task.n_actions, recipe.n_units, core, encoder)


def fresh_networks(
    task: VisualTask, recipe: Recipe, generators: list[torch.Generator]
) -> Population:
    """Draw networks that have learned nothing.

    Parameters
    ----------
    task, recipe
        What they will play, and how they are made.
    generators
        One per network.

    Returns
    -------
    Population

    Examples
    --------
    >>> from neuro_metarl.tasks import make_task
    >>> recipe = Recipe(n_updates=1, learning_rate=0.1, encoder="linear", n_features=8)
    >>> generators = [torch.Generator().manual_seed(0)]
    >>> fresh_networks(make_task("navigation"), recipe, generators).n_agents
    1
    """
    population = Population.initialise(shape_for(task, recipe), generators)
    encoder = population.shape.encoder
    if recipe.standardize_features and encoder is not None:
        with one_thread():
            for k, generator in enumerate(generators):
                world = task.start(PICTURES_TO_STANDARDIZE // 4, generator)
                views = world.frames() if world.bank is None else world.bank.views()
                order = torch.randperm(len(views), generator=generator, device=generator.device)
                encoder.standardize(population.agent(k), views[order[:PICTURES_TO_STANDARDIZE]])
    return population


class VisualLearner:
    """A population in training on a task that is seen in pictures.

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
    >>> recipe = Recipe(n_updates=1, n_episodes=2, learning_rate=0.01, encoder="linear")
    >>> learner = VisualLearner(make_task("navigation"), recipe, [torch.Generator().manual_seed(0)])
    >>> reward = learner.update()
    >>> reward.shape, learner.n_done
    (torch.Size([1]), 1)
    """

    def __init__(self, task: VisualTask, recipe: Recipe, generators: list[torch.Generator]) -> None:
        recipe = fit_recipe(recipe, task)
        self.task, self.recipe, self.generators = task, recipe, generators
        self.population = fresh_networks(task, recipe, generators)
        self.engine = "torch"
        self.pupils = [
            _Pupil(task, recipe, self.population.one(k), generator)
            for k, generator in enumerate(generators)
        ]
        self.n_done = 0

    def update(self) -> Tensor:
        """Play a batch of episodes with each agent and move its weights after each unroll.

        Returns
        -------
        torch.Tensor
            Reward per episode of each agent in the batch just played, dims (agent).
        """
        rewards = [pupil.update(self.n_done) for pupil in self.pupils]
        self.n_done += 1
        return torch.tensor(rewards, dtype=torch.float32)

    def state(self) -> dict[str, Tensor]:
        """Give all that changes in training, beside ``n_done``, to be written or overwritten.

        Returns
        -------
        dict of torch.Tensor
        """
        return {
            f"{name}_{k}": tensor
            for k, pupil in enumerate(self.pupils)
            for name, tensor in pupil.state().items()
        }


class _Pupil:
    """One agent in training: its weights, its stage of the curriculum, its buffers."""

    def __init__(
        self, task: VisualTask, recipe: Recipe, population: Population, generator: torch.Generator
    ) -> None:
        self.task, self.recipe, self.generator = task, recipe, generator
        self.moves = Moves(population, recipe)
        first = task.easier() if recipe.curriculum is not None else None
        if recipe.curriculum is not None and first is None:
            raise InputError(f"recipe: task {task.name!r} has no easier stage; drop 'curriculum'")
        self.first = first
        # update at which the task itself began (-1: not yet), and the moving average of the score
        self.course = torch.tensor([0.0 if first is None else -1.0, 0.0], dtype=torch.float64)
        n_steps = recipe.unroll or task.n_steps
        self.n_unrolls, rest = divmod(task.n_steps, n_steps)
        if rest:
            raise InputError(
                f"recipe: unroll is {n_steps}, expected a divisor of the {task.n_steps} steps of "
                "an episode"
            )
        self.rollout = VisualRollout(population, task, recipe.n_episodes, n_steps, learns=True)
        device = population.flat.device
        self.to_returns = discount_matrix(n_steps, recipe.discount).to(device)
        left = torch.arange(n_steps, 0, -1, dtype=torch.float32, device=device)
        self.to_end = (recipe.discount**left).view(-1, 1, 1)

    def state(self) -> dict[str, Tensor]:
        return self.moves.state() | {"course": self.course}

    def update(self, number: int) -> float:
        recipe, began = self.recipe, int(self.course[0])
        task = self.task if began >= 0 or self.first is None else self.first
        waiting = recipe.hold and began < 0
        start = max(0, began) if recipe.hold else 0
        rate, entropy_weight = recipe.at(0) if waiting else recipe.at(number, start)
        frozen = waiting or number < recipe.encoder_frozen
        world = task.start(recipe.n_episodes, self.generator)
        total = 0.0
        for unroll in range(self.n_unrolls):
            self._play(world, learn=not frozen, resume=unroll > 0)
            total += float(self.rollout.rewards.sum())
            going_on = recipe.bootstrap or unroll < self.n_unrolls - 1
            gradient = self._gradient(entropy_weight, going_on=going_on)
            if unroll > 0:
                self._forget_start(gradient)
            share = rate / recipe.learning_rate
            own = recipe.encoder_learning_rate
            encoder_rate = 0.0 if frozen else rate if own is None else own * share
            self.moves.step(gradient, rate, encoder_rate)
        self._follow_course(world, number)
        return total / recipe.n_episodes

    def _play(self, world: World, *, learn: bool, resume: bool) -> None:
        population, rollout = self.moves.population, self.rollout
        encoder = population.shape.encoder
        assert encoder is not None
        noise = draw_noise(
            rollout.n_steps, self.task.n_actions, self.recipe.n_episodes, [self.generator]
        )
        sight = Sight(encoder, population.agent(0), world, learn=learn)
        rollout.explore(sight, noise, resume=resume)

    def _gradient(self, entropy_weight: float, *, going_on: bool) -> Tensor:
        rollout, rewards = self.rollout, self.rollout.rewards
        returns = (self.to_returns @ rewards.flatten(1)).view_as(rewards)
        if going_on:
            returns = returns + self.to_end * rollout.next_value()
        d_logits, d_values = actor_critic_gradients(
            rollout.logits,
            rollout.values,
            rollout.actions,
            returns,
            value_weight=self.recipe.value_weight,
            entropy_weight=entropy_weight,
            normalize=self.recipe.normalize_advantage,
        )
        return rollout.backward(d_logits, d_values)

    def _forget_start(self, gradient: Tensor) -> None:
        """Drop what a later unroll says of the initial state: it did not start there."""
        views = views_of(self.moves.population.shape, gradient)
        for name in self.moves.population.shape.first_states:
            views[name].zero_()

    def _follow_course(self, world: World, number: int) -> None:
        if self.recipe.curriculum is None or self.course[0] >= 0:
            return
        score = world.score()
        average = score if number == 0 else float(self.course[1])
        self.course[1] = KEPT_SCORE * average + (1 - KEPT_SCORE) * score
        late = number + 1 >= self.recipe.n_updates // 2
        if self.course[1] >= self.recipe.curriculum or late:
            self.course[0] = number + 1
