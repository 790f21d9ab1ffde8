"""Who plays bandits without learning by gradient: from random choice to the exact optimum.

A player plays many sessions at once: :meth:`Player.start` says which task and how many sessions,
then, trial by trial, :meth:`Player.act` chooses and :meth:`Player.learn` sees the reward.
``record(player, task)`` gives the same cohort that a trained agent gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from neuro_metarl.agents.foragers import Alternation, ForagingBayes, ForagingOptimum, Matching
from neuro_metarl.agents.optimal import bayes_policy, finite_gittins, gittins_table
from neuro_metarl.agents.player import Player, Rng
from neuro_metarl.agents.volatile_players import DeltaRule, HazardFilter, VolatilityFilter
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.tasks.bandits import BETTER_ARM, Bandit, ElevenArms, RestlessBandit
from neuro_metarl.tasks.base import Task
from neuro_metarl.tasks.foraging import Foraging
from neuro_metarl.tasks.volatility import Volatility

__all__ = [
    "PLAYERS",
    "UCB",
    "BayesOptimal",
    "Gittins",
    "Oracle",
    "Player",
    "Random",
    "RescorlaWagner",
    "Thompson",
    "make_player",
]


@dataclass
class Random(Player):
    """Pulls any arm."""

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose at random."""
        return self.rng.integers(self.task.n_actions, size=self.n_sessions)


@dataclass
class Oracle(Player):
    """Knows what the arms pay; its regret is 0."""

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose the best arm."""
        return self._greedy(expected)


@dataclass
class UCB(Player):
    """Upper confidence bound: mean + sqrt(c ln t / n), each arm once first; t pulls so far.

    Parameters
    ----------
    c
        Width of the bound.
    """

    c: float = 2.0

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose the largest bound."""
        n = np.maximum(self.pulls, 1)
        bound = self.sums / n + np.sqrt(self.c * np.log(max(self.trial, 1)) / n)
        return self._greedy(np.where(self.pulls == 0, np.inf, bound))


@dataclass
class Thompson(Player):
    """Samples a world from its posterior and plays the best arm of it.

    Parameters
    ----------
    structured
        Know how the task draws its arms (that the second pays one minus the first, and from what
        prior), instead of assuming independent arms. With eleven arms it knows the candidates.
    """

    structured: bool = False

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose the best arm of a sampled world."""
        if isinstance(self.task, ElevenArms):
            return self._search()
        wins, losses = self.sums, self.pulls - self.sums
        if (
            not self.structured
            or not isinstance(self.task, Bandit)
            or self.task.arms == "independent"
        ):
            return self._greedy(self.rng.beta(1 + wins, 1 + losses))
        for_first = wins[:, 0] + losses[:, 1]
        against = losses[:, 0] + wins[:, 1]
        assert isinstance(self.task, Bandit)
        if self.task.arms == "uniform":
            return (self.rng.beta(1 + for_first, 1 + against) < 0.5).astype(int)
        odds = np.log(BETTER_ARM[self.task.arms] / (1 - BETTER_ARM[self.task.arms]))
        belief = 1 / (1 + np.exp(-odds * (for_first - against)))
        return (self.rng.random(self.n_sessions) > belief).astype(int)

    def _search(self) -> np.ndarray:
        """Sample a target among the candidates that are still possible."""
        assert isinstance(self.task, ElevenArms)
        mean = self.sums / np.maximum(self.pulls, 1)
        found = (self.pulls > 0) & (mean == self.task.target_reward)
        possible = np.where(found.any(axis=1, keepdims=True), found, self.pulls == 0)
        possible[:, 10] = False
        return np.argmax(possible * self.rng.random(possible.shape), axis=1)


@dataclass
class Gittins(Player):
    """Pulls the arm of the largest Gittins index, for independent Bernoulli arms.

    Parameters
    ----------
    discount
        If given, the index of the discounted infinite horizon. Default: the index of the trials
        that are left, which is the better player of an episode that ends.
    """

    discount: float | None = None
    _table: Any = field(default=None, repr=False)

    def start(self, task: Task, n_sessions: int, rng: Rng) -> None:
        """Begin anew; compute the indices."""
        super().start(task, n_sessions, rng)
        if isinstance(task, ElevenArms):
            raise InputError("gittins plays Bernoulli arms; bandit-eleven has none")
        self._table = (
            finite_gittins(task.n_trials)
            if self.discount is None
            else gittins_table(self.discount, task.n_trials)
        )

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose the largest index."""
        wins, losses = self.sums.astype(int), (self.pulls - self.sums).astype(int)
        table = (
            self._table
            if self.discount is not None
            else self._table[self.task.n_trials - self.trial]
        )
        return self._greedy(table[wins, losses])


@dataclass
class BayesOptimal(Player):
    """The exact Bayes-optimal player of the task it plays.

    Notes
    -----
    Independent arms: dynamic programming over all counts. Dependent arms: every pull informs
    equally, so the majority of signed evidence is optimal. Eleven arms: inform first. Restless
    arms: greedy on the exact filter of p and of the hidden volatility, on a grid; every pull
    informs equally there too, so greedy is optimal. So it is with volatility, whose filter is that
    of the kind of episode and the better arm. Of foraging the optimum is not known: it is refused.
    """

    def start(self, task: Task, n_sessions: int, rng: Rng) -> None:
        """Begin anew; compute the policy."""
        super().start(task, n_sessions, rng)
        self.signed = np.zeros(n_sessions)
        self.filter: _RestlessFilter | VolatilityFilter
        if isinstance(task, Bandit) and task.arms == "independent":
            self.policy = bayes_policy(task.n_trials)
        if isinstance(task, RestlessBandit):
            self.filter = _RestlessFilter(task, n_sessions)
        if isinstance(task, Volatility):
            self.filter = VolatilityFilter(task, n_sessions)
        if isinstance(task, Foraging):
            raise InputError(
                "the optimum of foraging is not known to 'bayes'; there are 'foraging-bayes', "
                "which infers, and 'foraging-optimum', which is told the arms"
            )

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose the optimal arm, ties at random."""
        if isinstance(self.task, ElevenArms):
            return self._inform()
        if isinstance(self.task, RestlessBandit | Volatility):
            p = self.filter.mean()
            return self._greedy(np.stack([p, 1 - p], axis=1))
        if isinstance(self.task, Bandit) and self.task.arms != "independent":
            return self._greedy(np.stack([self.signed, -self.signed], axis=1))
        s0, s1 = self.sums.astype(int).T
        f0 = self.pulls[:, 0].astype(int) - s0
        gain = self.policy[self.trial][s0, f0, s1]
        return np.where(gain == 0, self.rng.integers(2, size=self.n_sessions), gain > 0).astype(int)

    def learn(self, choice: np.ndarray, reward: np.ndarray) -> None:
        """See the rewards."""
        super().learn(choice, reward)
        self.signed += (1 - 2 * choice) * (2 * reward - 1)
        if isinstance(self.task, RestlessBandit | Volatility):
            self.filter.update(np.where(choice == 0, reward, 1 - reward))

    def _inform(self) -> np.ndarray:
        told = np.rint(10 * self.sums[:, 10] / np.maximum(self.pulls[:, 10], 1)).astype(int) - 1
        return np.where(self.pulls[:, 10] > 0, told, 10)


@dataclass
class RescorlaWagner(Player):
    """Learns values by prediction errors and chooses by softmax.

    Parameters
    ----------
    learning_rate
        Of the chosen arm's value.
    inverse_temperature
        Of the softmax.
    first_value
        Of each arm.
    """

    learning_rate: float = 0.5
    inverse_temperature: float = 5.0
    first_value: float = 0.5

    def start(self, task: Task, n_sessions: int, rng: Rng) -> None:
        """Begin anew."""
        super().start(task, n_sessions, rng)
        if not 0 <= self.learning_rate <= 1:
            raise InputError(f"learning_rate is {self.learning_rate}, expected 0 to 1")
        self.values = np.full((n_sessions, task.n_actions), self.first_value)

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Sample from the softmax of the values."""
        noise = self.rng.gumbel(size=self.values.shape)
        return np.argmax(self.inverse_temperature * self.values + noise, axis=1)

    def learn(self, choice: np.ndarray, reward: np.ndarray) -> None:
        """Move the chosen arm's value towards the reward."""
        super().learn(choice, reward)
        each = np.arange(self.n_sessions)
        self.values[each, choice] += self.learning_rate * (reward - self.values[each, choice])


class _RestlessFilter:
    """The joint posterior of p and of the volatility, on a grid of p."""

    def __init__(self, task: RestlessBandit, n_sessions: int, n_grid: int = 101) -> None:
        self.p = (np.arange(n_grid) + 0.5) / n_grid
        self.belief = np.full((n_sessions, 2, n_grid), 1 / (2 * n_grid))
        self.moves = [self._move(sd) for sd in (task.sd_low, task.sd_high)]

    def _move(self, sd: float) -> np.ndarray:
        if sd == 0:
            return np.eye(len(self.p))
        images = np.arange(-2, 3)[:, None, None] * 2
        to = np.concatenate([self.p + images, -self.p + images])
        weight = np.exp(-0.5 * ((to - self.p[:, None]) / sd) ** 2).sum(axis=0)
        return weight / weight.sum(axis=1, keepdims=True)

    def mean(self) -> np.ndarray:
        return self.belief.sum(axis=1) @ self.p

    def update(self, success: np.ndarray) -> None:
        likelihood = np.where(success[:, None] == 1, self.p, 1 - self.p)
        self.belief *= likelihood[:, None]
        self.belief /= self.belief.sum(axis=(1, 2), keepdims=True)
        for kind, move in enumerate(self.moves):
            self.belief[:, kind] = self.belief[:, kind] @ move


PLAYERS: dict[str, Callable[..., Player]] = {
    "random": Random,
    "oracle": Oracle,
    "ucb": UCB,
    "thompson": Thompson,
    "gittins": Gittins,
    "bayes": BayesOptimal,
    "rescorla-wagner": RescorlaWagner,
    "alternation": Alternation,
    "matching": Matching,
    "foraging-optimum": ForagingOptimum,
    "foraging-bayes": ForagingBayes,
    "hazard-filter": HazardFilter,
    "delta-rule": DeltaRule,
}


def make_player(name: str, **parameters: Any) -> Player:
    """Make a player by name.

    Parameters
    ----------
    name
        ``random, oracle, ucb, thompson, gittins, bayes, rescorla-wagner``; on foraging also
        ``alternation, matching, foraging-optimum, foraging-bayes``, on volatility
        ``hazard-filter, delta-rule``.
    **parameters
        Parameters of the player's class; text is converted, so that ``c="0.5"`` works.

    Returns
    -------
    Player

    Raises
    ------
    InputError
        Unknown name or parameter.

    Examples
    --------
    >>> make_player("ucb", c="0.5").c
    0.5
    """
    if name not in PLAYERS:
        raise InputError(f"no player {name!r}; {did_you_mean(name, PLAYERS)}")
    kind: Any = PLAYERS[name]
    known = {f.name for f in fields(kind) if not f.name.startswith("_")}
    for key in parameters:
        if key not in known:
            raise InputError(
                f"{name} has no parameter {key!r}; {did_you_mean(key, known or {'none'})}"
            )
    return kind(**{key: _number(name, key, value) for key, value in parameters.items()})


def _number(name: str, key: str, value: Any) -> float | bool:
    words = {"true": True, "false": False}
    if not isinstance(value, str) or value.lower() in words:
        return words[value.lower()] if isinstance(value, str) else value
    try:
        return float(value)
    except ValueError:
        raise InputError(f"{name}: {key} is {value!r}, expected a number") from None
