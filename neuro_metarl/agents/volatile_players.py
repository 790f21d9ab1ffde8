"""Who tracks a bandit that reverses: the exact filter of its volatility, and those without one.

References
----------
Behrens et al. 2007, doi:10.1038/nn1954.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuro_metarl.agents.player import Player, Rng
from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Task
from neuro_metarl.tasks.volatility import PHASES, Volatility

__all__ = ["DeltaRule", "HazardFilter", "VolatilityFilter"]


class VolatilityFilter:
    """The joint posterior of the kind of episode and of the better arm.

    Parameters
    ----------
    task
        What is played: its probabilities, kinds and phases are known.
    n_sessions
        Sessions filtered side by side.

    Examples
    --------
    >>> exact = VolatilityFilter(Volatility(p_stable=0.75, kinds="SS"), 1)
    >>> exact.update(np.array([1]))
    >>> exact.mean().round(4)  # 3/4 of the belief is on .75
    array([0.625])
    """

    def __init__(self, task: Volatility, n_sessions: int) -> None:
        self.task, self.trial = task, 0
        kinds = task.kinds.split()
        self.volatile = np.array([[PHASES[letter] == 1 for letter in kind] for kind in kinds])
        # dims (session, kind, better arm)
        self.belief = np.full((n_sessions, len(kinds), 2), 1 / (2 * len(kinds)))

    def _pays_first(self) -> np.ndarray:
        """Probability that arm 0 pays, dims (kind, better arm)."""
        volatile = self.volatile[:, self._phase()]
        p = np.where(volatile, self.task.p_volatile, self.task.p_stable)
        return np.stack([p, 1 - p], axis=1)

    def _phase(self) -> int:
        return min(self.trial // (self.task.n_trials // 2), 1)

    def mean(self) -> np.ndarray:
        """Return the probability that arm 0 pays on the next trial, dims (session)."""
        return np.asarray((self.belief * self._pays_first()).sum(axis=(1, 2)))

    def update(self, first_paid: np.ndarray) -> None:
        """See which arm paid, dims (session): 1 if it was arm 0; then the trial is over."""
        p = self._pays_first()
        self.belief *= np.where(first_paid[:, None, None] == 1, p, 1 - p)
        self.belief /= self.belief.sum(axis=(1, 2), keepdims=True)
        self.trial += 1
        place = self.trial % (self.task.n_trials // 2)
        hazard = self.task.hazard
        if self.task.min_block:
            hazard = float(place % self.task.min_block == 0)
        if place and self.trial < self.task.n_trials:
            turns = np.where(self.volatile[:, self._phase()], hazard, 0.0)[:, None]
            self.belief = (1 - turns) * self.belief + turns * self.belief[:, :, ::-1]


@dataclass
class HazardFilter(Player):
    """Infers the better arm by Bayes' rule, with one hazard for all phases: a control.

    Parameters
    ----------
    hazard
        Probability per trial that the arms change places; default the task's, in volatile phases.
    p
        Probability that the better arm pays; default the task's, in volatile phases.

    Notes
    -----
    It infers which arm is the better one, and never how volatile the world is.
    """

    hazard: float | None = None
    p: float | None = None

    def start(self, task: Task, n_sessions: int, rng: Rng) -> None:
        """Begin anew."""
        super().start(task, n_sessions, rng)
        if not isinstance(task, Volatility):
            raise InputError(f"the hazard filter plays 'bandit-volatility', not {task.name!r}")
        self.turns = task.hazard if self.hazard is None else self.hazard
        self.pays = task.p_volatile if self.p is None else self.p
        for name, value in (("hazard", self.turns), ("p", self.pays)):
            if not 0 <= value <= 1:
                raise InputError(f"{name} is {value}, expected a probability from 0 to 1")
        self.belief = np.full(n_sessions, 0.5)

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose the arm that is likelier the better one."""
        return self._greedy(np.stack([self.belief, 1 - self.belief], axis=1))

    def learn(self, choice: np.ndarray, reward: np.ndarray) -> None:
        """See the outcome, of which arm 0's follows."""
        super().learn(choice, reward)
        likelihood = np.where((choice == 0) == (reward == 1), self.pays, 1 - self.pays)
        joint = self.belief * likelihood
        belief = joint / (joint + (1 - self.belief) * (1 - likelihood))
        self.belief = (1 - self.turns) * belief + self.turns * (1 - belief)


@dataclass
class DeltaRule(Player):
    """Learns by a delta rule which of two arms pays, of which exactly one does: a control.

    Parameters
    ----------
    learning_rate
        The same for all phases.
    inverse_temperature
        Of the softmax; default: the likelier arm is chosen.
    """

    learning_rate: float = 0.2
    inverse_temperature: float | None = None

    def start(self, task: Task, n_sessions: int, rng: Rng) -> None:
        """Begin anew."""
        super().start(task, n_sessions, rng)
        if not 0 <= self.learning_rate <= 1:
            raise InputError(f"learning_rate is {self.learning_rate}, expected 0 to 1")
        self.value = np.full(n_sessions, 0.5)

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose by what each arm is expected to pay."""
        values = np.stack([self.value, 1 - self.value], axis=1)
        if self.inverse_temperature is None:
            return self._greedy(values)
        noise = self.rng.gumbel(size=values.shape)
        return np.asarray(np.argmax(self.inverse_temperature * values + noise, axis=1))

    def learn(self, choice: np.ndarray, reward: np.ndarray) -> None:
        """Move towards the outcome of arm 0, whichever arm was chosen."""
        super().learn(choice, reward)
        outcome = ((choice == 0) == (reward == 1)).astype(float)
        self.value += self.learning_rate * (outcome - self.value)
