"""What every player of bandits is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuro_metarl.tasks.base import Task

__all__ = ["Player", "Rng"]

Rng = np.random.Generator


@dataclass
class Player:
    """What every player shares: counts of pulls and rewards, dims (session, arm)."""

    def start(self, task: Task, n_sessions: int, rng: Rng) -> None:
        """Begin anew.

        Parameters
        ----------
        task
            A bandit.
        n_sessions
            Sessions played side by side.
        rng
            Random generator for the whole recording.
        """
        self.task, self.rng, self.n_sessions = task, rng, n_sessions
        self.pulls = np.zeros((n_sessions, task.n_actions))
        self.sums = np.zeros((n_sessions, task.n_actions))
        self.trial = 0

    def act(self, expected: np.ndarray) -> np.ndarray:
        """Choose an arm in every session.

        Parameters
        ----------
        expected
            Dims (session, arm): what the arms really pay on average; of baited arms, what they are
            baited with. Only players that are told the truth look.

        Returns
        -------
        numpy.ndarray
            int, dims (session).
        """
        raise NotImplementedError

    def learn(self, choice: np.ndarray, reward: np.ndarray) -> None:
        """See the rewards.

        Parameters
        ----------
        choice, reward
            Dims (session).
        """
        each = np.arange(self.n_sessions)
        self.pulls[each, choice] += 1
        self.sums[each, choice] += reward
        self.trial += 1

    def _greedy(self, value: np.ndarray) -> np.ndarray:
        """Take the largest, ties at random."""
        best = value >= value.max(axis=1, keepdims=True) - 1e-12
        return np.argmax(best * self.rng.random(value.shape), axis=1)
