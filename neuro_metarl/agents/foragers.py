"""Who forages between baited arms without learning by gradient, up to the optimum that knows them.

References
----------
Houston & McNamara 1981, doi:10.1901/jeab.1981.35-367 (optimal choice on baited arms).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuro_metarl.agents.player import Player, Rng
from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Task
from neuro_metarl.tasks.foraging import SUM_OF_P, Foraging

__all__ = [
    "Alternation",
    "ForagingBayes",
    "ForagingOptimum",
    "Matching",
    "foraging_plan",
    "foraging_value",
]

# after so many trials an arm is as good as surely full, for any p that is worth a visit
LONGEST, GRID = 60, 100


def foraging_plan(p: np.ndarray, n_trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Solve foraging between two arms whose probabilities are known, by dynamic programming.

    Parameters
    ----------
    p
        Dims (problem): what arm 0 is baited with; arm 1 with .5 - p.
    n_trials
        Length of the session, which begins with empty arms.

    Returns
    -------
    value
        Dims (problem): expected reward of the session.
    switch
        bool, dims (trial, problem, arm chosen last, trials since the other was chosen): whether the
        optimum is to choose the other arm. On the first trial: as after arm 0, with 0 trials.

    Examples
    --------
    >>> value, switch = foraging_plan(np.array([0.4]), 100)
    >>> round(float(value[0]) / 100, 4), int(switch[20, 0, 0].argmax())  # six times, then the other
    (0.4511, 6)
    """
    p = np.asarray(p, float)
    arms = np.stack([p, SUM_OF_P - p], axis=1)
    left = np.arange(LONGEST)
    later = np.minimum(left + 1, LONGEST - 1)
    value = np.zeros((len(p), 2, LONGEST))
    switch = np.zeros((n_trials, *value.shape), bool)
    other_pays = 1 - (1 - arms[:, ::-1, None]) ** (left + 1)
    for t in range(n_trials - 1, -1, -1):
        stay = arms[:, :, None] + value[:, :, later]
        leave = other_pays + value[:, ::-1, 1][:, :, None]
        switch[t] = leave > stay
        value = np.maximum(stay, leave)
    return value[:, 0, 0], switch


def foraging_value(p: np.ndarray, n_trials: int) -> np.ndarray:
    """Give the expected reward per trial of the optimum that knows the arms.

    Parameters
    ----------
    p, n_trials
        See :func:`foraging_plan`.

    Returns
    -------
    numpy.ndarray
        Dims (problem).

    Examples
    --------
    >>> foraging_value(np.array([0.25, 0.5]), 100).round(4)
    array([0.4356, 0.5   ])
    """
    return foraging_plan(p, n_trials)[0] / n_trials


@dataclass
class Alternation(Player):
    """Takes the arms in turn, beginning with either."""

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose the other arm."""
        if self.trial == 0:
            self.first = self.rng.integers(2, size=self.n_sessions)
        return (self.first + self.trial) % 2


@dataclass
class Matching(Player):
    """Tosses a coin that matches the arms: it is told what they are baited with."""

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose each arm as often as its share of the baits."""
        share = expected[:, 1] / expected.sum(axis=1)
        return (self.rng.random(self.n_sessions) < share).astype(int)


class _Forager(Player):
    """Knows that arms are baited, and keeps count of how long each was left."""

    def start(self, task: Task, n_sessions: int, rng: Rng) -> None:
        """Begin anew; plan for every p of a grid."""
        super().start(task, n_sessions, rng)
        if not isinstance(task, Foraging):
            raise InputError(f"{type(self).__name__} forages between baited arms; {task.name!r} "
                             "has none; play 'bandit-foraging'")  # fmt: skip
        self.left = np.zeros((n_sessions, 2), int)
        self.last = np.zeros(n_sessions, int)

    def learn(self, choice: np.ndarray, reward: np.ndarray) -> None:
        """See the rewards."""
        super().learn(choice, reward)
        self.left += 1
        self.left[np.arange(self.n_sessions), choice] = 0
        self.last = choice

    def planned(self, plan: np.ndarray, problem: np.ndarray) -> np.ndarray:
        """Choose what a plan says for each session's problem."""
        each = np.arange(self.n_sessions)
        left = np.minimum(self.left[each, 1 - self.last], LONGEST - 1)
        return np.where(plan[self.trial, problem, self.last, left], 1 - self.last, self.last)


@dataclass
class ForagingOptimum(_Forager):
    """The optimum that is told what the arms are baited with: dynamic programming."""

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose the optimal arm."""
        if self.trial == 0:
            self.plan = foraging_plan(expected[:, 0], self.task.n_trials)[1]
        return self.planned(self.plan, np.arange(self.n_sessions))


@dataclass
class ForagingBayes(_Forager):
    """Infers from choices and rewards, exactly, what the arms are baited with.

    Parameters
    ----------
    plans
        Plan ahead as if the mean of the posterior were true. If not, take the arm that is likelier
        to pay now.

    Notes
    -----
    The prior is uniform, on a grid. That is not the optimum under what it knows: it does not choose
    in order to learn. What it earns is therefore less than the optimum earns that infers, and that
    is less than what :class:`ForagingOptimum` earns, who knows.
    """

    plans: bool = True

    def start(self, task: Task, n_sessions: int, rng: Rng) -> None:
        """Begin anew, with a uniform prior."""
        super().start(task, n_sessions, rng)
        self.p = SUM_OF_P * (np.arange(GRID) + 0.5) / GRID
        self.belief = np.full((n_sessions, GRID), 1 / GRID)
        if self.plans:
            self.plan = foraging_plan(self.p, task.n_trials)[1]

    def pays(self) -> np.ndarray:
        """Say what each arm would pay now, for every p, dims (session, arm, p)."""
        arms = np.stack([self.p, SUM_OF_P - self.p])
        return 1 - (1 - arms) ** (self.left[:, :, None] + 1)

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose by the belief."""
        if not self.plans:
            return self._greedy((self.pays() * self.belief[:, None]).sum(axis=2))
        mean = self.belief @ self.p
        return self.planned(self.plan, np.rint(mean / SUM_OF_P * GRID - 0.5).astype(int))

    def learn(self, choice: np.ndarray, reward: np.ndarray) -> None:
        """See the rewards."""
        paid = self.pays()[np.arange(self.n_sessions), choice]
        self.belief *= np.where(reward[:, None] == 1, paid, 1 - paid)
        self.belief /= self.belief.sum(axis=1, keepdims=True)
        super().learn(choice, reward)
