"""Advantage actor-critic: returns, gradients, optimiser and the training loop, top to bottom.

References
----------
Wang et al. 2016, arXiv:1611.05763; Mnih et al. 2016, arXiv:1602.01783.
"""

from __future__ import annotations

import torch
from torch import Tensor

from neuro_metarl.agents.network import Population, Rollout, Shape
from neuro_metarl.agents.recipes import Recipe
from neuro_metarl.tasks.base import Task

__all__ = ["Learner", "actor_critic_gradients", "discounted_returns", "draw_noise"]


def discounted_returns(rewards: Tensor, discount: float) -> Tensor:
    """Sum the rewards from each step to the end of the episode, discounted.

    Parameters
    ----------
    rewards
        Time first; any further dims.
    discount
        Per step, from 0 to 1.

    Returns
    -------
    torch.Tensor
        Same dims; ``return[t] = reward[t] + discount * return[t + 1]``, 0 after the end.

    Examples
    --------
    >>> discounted_returns(torch.tensor([1.0, 0.0, 2.0]), 0.5)
    tensor([1.5000, 1.0000, 2.0000])
    """
    time = torch.arange(len(rewards), dtype=rewards.dtype, device=rewards.device)
    ahead = time[None, :] - time[:, None]
    weight = torch.where(ahead >= 0, discount ** ahead.clamp(min=0), 0.0)
    return (weight @ rewards.flatten(1)).view_as(rewards) if rewards.ndim > 1 else weight @ rewards


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
    noise = torch.empty(len(generators), n_steps, n_actions, n_episodes)
    for agent, generator in enumerate(generators):
        noise[agent].exponential_(generator=generator)
    return noise.log_().neg_().transpose(0, 1)


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
        self.rollout = Rollout(self.population, task, recipe.n_episodes)
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
            discounted_returns(rollout.rewards, recipe.discount),
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
        norm = gradient.norm(dim=1, keepdim=True)
        gradient = gradient * (self.recipe.gradient_clip / norm.clamp(min=self.recipe.gradient_clip))
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
