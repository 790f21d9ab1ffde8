"""A gaze that moves, looks at a cross and then at one of two pictures: a finite automaton.

Nothing about it is random, so that all of it fits in one table: a state is (phase, counter, gaze,
velocity), and a look-up moves a whole batch of episodes by one decision.

The gaze moves on a lattice of whole units. The first press of left or right moves it by one unit,
the next in the same direction by two; without a press it drifts on by half of its last
displacement, cut to whole units. It stops at the ends of the lattice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = [
    "BLANK",
    "CHOSE_LEFT",
    "CHOSE_RIGHT",
    "CROSS",
    "FIXATED",
    "NOTHING",
    "N_GAZES",
    "OVER",
    "PICTURES",
    "REACH",
    "TARGET",
    "GazeRules",
]

REACH, TARGET = 7, 6
N_GAZES = 2 * REACH + 1
BLANK, CROSS, PICTURES, OVER = range(4)
NOTHING, FIXATED, CHOSE_LEFT, CHOSE_RIGHT = range(4)
N_VELOCITIES = 5
MOVES = (-1, 1, 0)


@dataclass(frozen=True)
class GazeRules:
    """When a trial goes on, and by what.

    Parameters
    ----------
    n_blank
        Decisions between a choice and the next cross.
    n_fixation
        Decisions that the cross must be looked at, one after the other.
    fixation_tolerance, choice_tolerance
        How far from the cross, and from a picture's centre, still counts; units. The cross is at
        0, the pictures' centres are at -6 and 6, the lattice ends at -7 and 7.
    least_counts
        Make room for a counter of so many values, so that states are numbered as by other rules.

    Examples
    --------
    >>> rules = GazeRules(2, 2, 1, 2)
    >>> table, state = rules.table(), torch.tensor(rules.first)
    >>> for _ in range(3):
    ...     state = table[state, 1] // 4
    >>> int(rules.gaze(state)), int(rules.phase(state)) == CROSS
    (5, True)
    """

    n_blank: int
    n_fixation: int
    fixation_tolerance: int
    choice_tolerance: int
    least_counts: int = 1

    @property
    def n_counts(self) -> int:
        """Values of the counter."""
        return max(self.n_blank, self.n_fixation, self.least_counts)

    @property
    def first(self) -> int:
        """The state in which an episode begins: gaze in the middle, nothing seen."""
        return self.number(BLANK if self.n_blank else CROSS, 0, 0, 0)

    @property
    def over(self) -> int:
        """The state that is never left: a blank screen after the last trial."""
        return self.number(OVER, 0, -REACH, -2)

    def number(self, phase: int, count: int, gaze: int, velocity: int) -> int:
        """Give the number of a state."""
        row = (phase * self.n_counts + count) * N_GAZES + gaze + REACH
        return row * N_VELOCITIES + velocity + 2

    def phase(self, state: Tensor) -> Tensor:
        """Read the phase off a state: 0 blank, 1 cross, 2 pictures, 3 over."""
        return state // (self.n_counts * N_GAZES * N_VELOCITIES)

    def gaze(self, state: Tensor) -> Tensor:
        """Read the gaze off a state, in units right of the middle; lost when all is over."""
        return state // N_VELOCITIES % N_GAZES - REACH

    def velocity(self, state: Tensor) -> Tensor:
        """Read the last displacement off a state, in units."""
        return state % N_VELOCITIES - 2

    def table(self) -> Tensor:
        """Tabulate what every action does in every state.

        Returns
        -------
        torch.Tensor
            int64, dims (state, action): 4 times the next state plus what happens (0 nothing, 1
            the cross was fixated, 2 and 3 the left or right picture was chosen). Actions: left,
            right, stay.
        """
        states = [
            (phase, count, gaze, velocity)
            for phase in (BLANK, CROSS, PICTURES)
            for count in range(self.n_counts)
            for gaze in range(-REACH, REACH + 1)
            for velocity in range(-2, 3)
        ]
        rows = [[self._after(*state, move) for move in MOVES] for state in states]
        return torch.tensor([*rows, [4 * self.over] * len(MOVES)])

    def _after(self, phase: int, count: int, gaze: int, velocity: int, move: int) -> int:
        moved = max(-REACH, min(REACH, gaze + _displacement(velocity, move)))
        phase, count, event = self._advance(phase, count, moved)
        return 4 * self.number(phase, count, moved, moved - gaze) + event

    def _advance(self, phase: int, count: int, gaze: int) -> tuple[int, int, int]:
        """Give phase and counter after the gaze has moved, and what happens."""
        if phase == BLANK:
            more = count + 1 < self.n_blank
            return (BLANK, count + 1, NOTHING) if more else (CROSS, 0, NOTHING)
        if phase == CROSS:
            if abs(gaze) > self.fixation_tolerance:
                return CROSS, 0, NOTHING
            more = count + 1 < self.n_fixation
            return (CROSS, count + 1, NOTHING) if more else (PICTURES, 0, FIXATED)
        if abs(abs(gaze) - TARGET) > self.choice_tolerance:
            return PICTURES, 0, NOTHING
        after = BLANK if self.n_blank else CROSS
        return after, 0, CHOSE_LEFT if gaze < 0 else CHOSE_RIGHT


def _displacement(velocity: int, move: int) -> int:
    if move:
        return 2 * move if velocity * move > 0 else move
    return int(velocity / 2)
