"""What a training recipe is: every value that says how agents are trained, with its limits."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from neuro_metarl.agents.cores import LSTM

__all__ = ["Recipe"]


class Recipe(BaseModel):
    """How a population of agents is trained with advantage actor-critic (A2C).

    The loss is the mean over steps and episodes of
    ``-advantage log pi(action) + value_weight / 2 (return - value)^2 - entropy_weight entropy``,
    with returns to the end of the episode.

    Examples
    --------
    >>> Recipe(n_updates=10, learning_rate=0.01).n_units
    48
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_updates: int = Field(ge=1, description="gradient steps")
    n_episodes: int = Field(16, ge=1, description="episodes per agent and update")
    n_units: int = Field(48, ge=1, description="units of the core, of each of its layers")
    optimizer: Literal["rmsprop", "adam"] = "rmsprop"
    learning_rate: float = Field(gt=0, le=1, description="at the start")
    learning_rate_end: float = Field(
        1.0, ge=0, le=1, description="share of the learning rate left at the end; linear between"
    )
    discount: float = Field(0.8, ge=0, le=1, description="per step, gamma")
    value_weight: float = Field(0.05, ge=0, description="weight of the value loss, beta_v")
    entropy_weight: float = Field(0.05, ge=0, description="weight of the entropy, beta_e")
    entropy_weight_end: float | None = Field(
        None, ge=0, description="weight of the entropy at the end; linear between; None: constant"
    )
    gradient_clip: float = Field(1.0, gt=0, description="largest gradient norm of one agent")
    learn_initial_state: bool = Field(True, description="the core's first state is learned")
    see_reward: bool = Field(True, description="the previous reward is an input; if not, a control")
    normalize_advantage: bool = Field(
        False, description="the policy learns from advantages of mean 0 and deviation 1 in a batch"
    )
    core: str = Field(
        LSTM.name, description="what stands between what is seen and the policy, see agents.cores"
    )
    encoder: str | None = Field(
        None, description="convolutions of agents that see pictures, see agents.encoder.ENCODERS"
    )
    n_features: int = Field(64, ge=1, description="outputs of the encoder")
    rectified_features: bool = Field(False, description="outputs of the encoder are rectified")
    standardize_features: bool = Field(
        False, description="outputs of the fresh encoder get mean 0 and deviation 1, once"
    )
    encoder_learning_rate: float | None = Field(
        None, ge=0, le=1, description="at the start; None: that of the rest"
    )
    encoder_frozen: int = Field(0, ge=0, description="updates before the encoder learns")
    unroll: int | None = Field(
        None, ge=1, description="steps between two gradients; None: the whole episode"
    )
    bootstrap: bool = Field(
        False, description="the episode's end is a cut, after which the value goes on, not an end"
    )
    curriculum: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="score in the easier first stage of the task at which the task itself begins",
    )
    flush_denormals: bool = Field(
        False, description="take the tiniest numbers for 0: five times faster with large pictures"
    )
    hold: bool = Field(
        False,
        description="schedules, and a frozen encoder, wait for the end of the first stage",
    )

    def at(self, update: int, start: int = 0) -> tuple[float, float]:
        """Return the learning rate and the entropy weight of one update.

        Parameters
        ----------
        update
            From 0.
        start
            Update at which the schedules begin.

        Returns
        -------
        tuple of float

        Examples
        --------
        >>> recipe = Recipe(n_updates=3, learning_rate=0.1, learning_rate_end=0.5)
        >>> [round(recipe.at(u)[0], 3) for u in range(3)]
        [0.1, 0.075, 0.05]
        """
        progress = (update - start) / max(1, self.n_updates - 1 - start)
        rate = self.learning_rate * (1 + progress * (self.learning_rate_end - 1))
        end = self.entropy_weight if self.entropy_weight_end is None else self.entropy_weight_end
        return rate, self.entropy_weight + progress * (end - self.entropy_weight)
