"""Advantage actor-critic: returns, gradients, optimiser and one update, top to bottom.

References
----------
Wang et al. 2016, arXiv:1611.05763; Mnih et al. 2016, arXiv:1602.01783.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from neuro_metarl.agents.cores import core_named
from neuro_metarl.agents.engines import DEFAULT_ENGINE, engine_of, settle_engine
from neuro_metarl.agents.network import Rollout
from neuro_metarl.agents.population import Population, Shape, views_of
from neuro_metarl.agents.recipes import Recipe, fit_recipe
from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Task

__all__ = [
    "Learner",
    "Moves",
    "actor_critic_gradients",
    "discount_matrix",
    "draw_noise",
    "seed_generators",
]


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
    device = generators[0].device
    noise = torch.empty(
        n_steps, len(generators), n_actions, n_episodes, dtype=torch.float32, device=device
    )
    for agent, generator in enumerate(generators):
        size = (n_steps, n_actions, n_episodes)
        noise[:, agent] = torch.rand(size, generator=generator, dtype=torch.float32, device=device)
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
    reached: Tensor | None = None,
    normalize: bool = False,
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
    reached
        Dims (step, agent, episode), bool: steps that there are; default all. Nothing is learned
        from the others.
    normalize
        The policy learns from advantages of mean 0 and deviation 1 within each agent's batch.

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
    credit = advantage
    if normalize:
        credit = advantage - advantage.mean((0, 2), keepdim=True)
        credit = credit / credit.square().mean((0, 2), keepdim=True).sqrt().clamp(min=1e-8)
    d_logits = (policy - actions) * credit.unsqueeze(2)
    d_logits += entropy_weight * policy * (log_policy - negative_entropy)
    if imposed is not None:
        d_logits = d_logits * (imposed < 0).unsqueeze(2)
    if reached is not None:
        d_logits, advantage = d_logits * reached.unsqueeze(2), advantage * reached
    return d_logits * share, advantage * (-value_weight * share)


class Moves:
    """The optimiser: clips each agent's gradient and moves its weights.

    Parameters
    ----------
    population
        What is moved.
    recipe
        Which way.

    Notes
    -----
    RMSProp: ``g / (sqrt(mean of g^2) + 1e-5)`` with decay .99. Adam: decays .9 and .999,
    bias-corrected, epsilon 1e-5. Core and encoder are clipped apart.

    Examples
    --------
    >>> population = Population.initialise(Shape(1, 2, 4), [torch.Generator().manual_seed(0)])
    >>> moves = Moves(population, Recipe(n_updates=1, learning_rate=0.1))
    >>> before = population.flat.clone()
    >>> moves.step(torch.zeros_like(before), 0.1)
    >>> torch.equal(population.flat, before)
    True
    """

    def __init__(self, population: Population, recipe: Recipe) -> None:
        self.population, self.recipe = population, recipe
        self.unseen = None if recipe.see_reward else _reward_input(population)
        if self.unseen is not None:
            population.flat[:, self.unseen] = 0
        self.first_moment = torch.zeros_like(population.flat)
        self.second_moment = torch.zeros_like(population.flat)
        # of the core, of the encoder: one that was frozen starts its running means anew
        self.n_moves = torch.zeros(2, dtype=torch.int64)

    def state(self) -> dict[str, Tensor]:
        """Give the weights and all that the optimiser remembers.

        Returns
        -------
        dict of torch.Tensor
        """
        names = ("first_moment", "second_moment", "n_moves")
        return {"flat": self.population.flat} | {name: getattr(self, name) for name in names}

    def step(
        self, gradient: Tensor, learning_rate: float, encoder_rate: float | None = None
    ) -> None:
        """Clip each agent's gradient and move its weights.

        Parameters
        ----------
        gradient
            Dims (agent, parameter).
        learning_rate
            Step size.
        encoder_rate
            Step size of the encoder; default: the same.
        """
        if not self.recipe.learn_initial_state:
            views = views_of(self.population.shape, gradient)
            for name in self.population.shape.first_states:
                views[name].zero_()
        if self.unseen is not None:
            gradient[:, self.unseen] = 0
        n_core, n_all = self.population.shape.n_core, gradient.shape[1]
        self._move(0, slice(0, n_core), gradient, learning_rate)
        rate = learning_rate if encoder_rate is None else encoder_rate
        if n_core < n_all and rate > 0:
            self._move(1, slice(n_core, n_all), gradient, rate)

    def _move(self, which: int, part: slice, gradient: Tensor, learning_rate: float) -> None:
        self.n_moves[which] += 1
        gradient, flat = gradient[:, part], self.population.flat[:, part]
        first, second = self.first_moment[:, part], self.second_moment[:, part]
        norm = gradient.norm(dim=1, keepdim=True)
        gradient = gradient * (
            self.recipe.gradient_clip / norm.clamp(min=self.recipe.gradient_clip)
        )
        if self.recipe.optimizer == "rmsprop":
            second.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
            flat.addcdiv_(gradient, second.sqrt().add_(1e-5), value=-learning_rate)
            return
        n = int(self.n_moves[which])
        first.lerp_(gradient, 0.1)
        second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        scale = (second / (1 - 0.999**n)).sqrt_().add_(1e-5)
        flat.addcdiv_(first, scale, value=-learning_rate / (1 - 0.9**n))


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
    engine
        What computes the networks; see :func:`neuro_metarl.agents.engines.settle_engine`.

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

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        generators: list[torch.Generator],
        *,
        engine: str = DEFAULT_ENGINE,
    ) -> None:
        recipe = fit_recipe(recipe, task)
        self.task, self.recipe, self.generators = task, recipe, generators
        shape = Shape(task.n_observations, task.n_actions, recipe.n_units, core_named(recipe.core))
        self.moves = Moves(Population.initialise(shape, generators), recipe)
        self.population = self.moves.population
        self.engine = settle_engine(engine, shape, generators[0].device.type)
        kind = engine_of(self.engine, shape.core)
        self.rollout = Rollout(self.population, task, recipe.n_episodes, learns=True, engine=kind)
        self.to_returns = discount_matrix(self.rollout.n_steps, recipe.discount)
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
            reached=episodes.reached,
            normalize=recipe.normalize_advantage,
        )
        n_trials: Tensor | float = float(self.task.n_trials * recipe.n_episodes)
        if episodes.reached is not None:
            n_trials = episodes.reached.sum((0, 2)) / len(self.task.events)
        reward = rollout.rewards.sum((0, 2)) / n_trials
        self.moves.step(rollout.backward(d_logits, d_values), learning_rate)
        self.n_done += 1
        return reward

    def state(self) -> dict[str, Tensor]:
        """Give all that changes in training, beside ``n_done``, to be written or overwritten.

        Returns
        -------
        dict of torch.Tensor
            The tensors themselves, not copies.
        """
        return self.moves.state()


def _reward_input(population: Population) -> Tensor:
    """Mark the weights through which the previous reward is seen."""
    shape = population.shape
    marks = Population(shape, torch.zeros(1, population.flat.shape[1], dtype=torch.float32))
    for name, column in shape.core.reward_columns(shape).items():
        marks.tensors[name][..., column] = 1
    return marks.flat[0] == 1


def seed_generators(
    seed: int, names: Sequence[str], purpose: str, device: str = "cpu"
) -> list[torch.Generator]:
    """Make one random generator per agent, the same whoever else is there.

    Parameters
    ----------
    seed
        0 or more.
    names
        One per agent.
    purpose
        ``"train"`` or ``"record"``: what an agent is tested on is not what it learned from.
    device
        Where the generators draw.

    Returns
    -------
    list of torch.Generator

    Raises
    ------
    InputError
        The seed is no whole number from 0, or there is no such device.

    Examples
    --------
    >>> one = seed_generators(0, ["b"], "train")
    >>> two = seed_generators(0, ["a", "b"], "train")
    >>> one[0].initial_seed() == two[1].initial_seed()
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed is {seed!r}, expected a whole number from 0")
    seed = int(seed)
    keys = [[seed, zlib.crc32(purpose.encode()), zlib.crc32(name.encode())] for name in names]
    states = [np.random.SeedSequence(key).generate_state(1, np.uint64)[0] for key in keys]
    try:
        made = [torch.Generator(device) for _ in names]
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"device {device!r} cannot be used ({first}); try 'cpu'") from None
    return [g.manual_seed(int(s >> np.uint64(1))) for g, s in zip(made, states, strict=True)]
