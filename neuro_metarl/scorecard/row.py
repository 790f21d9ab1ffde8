"""A row of the scorecard: one published result, how it is measured, and when it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.intervals import over_subjects
from neuro_metarl.scorecard.stage import Stage

__all__ = ["DIGITIZED", "DIRECTION", "READ", "REMEMBERED", "Row", "Scored"]

READ = "read in the text"
DIGITIZED = "digitized from the figure, to about .01"
DIRECTION = "direction only: the paper's numbers could not be read"
REMEMBERED = "direction from memory, not verified"
SOURCES = (READ, DIGITIZED, DIRECTION, REMEMBERED)

Measure = Callable[[Stage], np.ndarray]


@dataclass(frozen=True)
class Row:
    """One published result.

    Parameters
    ----------
    paper
        ``"wang2016"`` or ``"wang2018"``.
    experiment
        Number and name.
    what
        What is measured, with its unit.
    published
        What the paper shows: a number, or a direction in words.
    source
        How that is known: one of ``READ``, ``DIGITIZED``, ``DIRECTION``, ``REMEMBERED``.
    optimum
        The exact optimum or ideal, and whose it is; empty where there is none.
    wanted
        When the row holds, in words.
    measure
        Plays, and returns one number for each separately trained network.
    holds
        Called with the numbers of the networks and of the control.
    control_is
        Who the control is.
    control
        As ``measure``, of the control.
    agents
        The networks of the package that it rests on.
    figure
        Script and figure, without ending.
    limits
        Least and greatest value there can be, for the interval.
    rests_on_reward
        Whether it must fail where the networks' reward input is cut: a first trial is a guess, and
        a goal is seen.

    Raises
    ------
    InputError
        A source that is none of those.
    """

    paper: str
    experiment: str
    what: str
    published: str
    source: str
    optimum: str
    wanted: str
    measure: Measure
    holds: Callable[[np.ndarray, np.ndarray], bool]
    control_is: str
    control: Measure
    agents: str
    figure: str
    limits: tuple[float, float] = (-np.inf, np.inf)
    rests_on_reward: bool = True

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise InputError(f"source is {self.source!r}, expected one of: {'; '.join(SOURCES)}")

    def score(self, stage: Stage) -> Scored:
        """Measure the networks and the control, and judge.

        Parameters
        ----------
        stage
            Where they play; what breaks its networks spares the control.

        Returns
        -------
        Scored
        """
        ours = np.asarray(self.measure(stage), float)
        control = np.asarray(self.control(stage.intact()), float)
        return Scored(self, ours, control, bool(self.holds(ours, control)))


@dataclass(frozen=True)
class Scored:
    """A row with what was found.

    Parameters
    ----------
    row
        What was measured.
    ours, control
        One number for each network, or player.
    holds
        The verdict.

    Examples
    --------
    >>> row = Row("wang2016", "1", "x", "above 0", DIRECTION, "", "", lambda s: np.ones(3),
    ...           lambda ours, control: ours.min() > 0, "", lambda s: np.zeros(3), "", "")
    >>> scored = row.score(Stage())
    >>> scored.verdict, scored.interval()
    ('holds', (1.0, 1.0, 1.0))
    """

    row: Row
    ours: np.ndarray
    control: np.ndarray
    holds: bool

    @property
    def verdict(self) -> str:
        """In one word."""
        return "holds" if self.holds else "fails"

    def interval(self) -> tuple[float, float, float]:
        """Give the typical network and its interval over networks (Student's t).

        Returns
        -------
        typical, low, high
            The interval is NaN below three networks.
        """
        return over_subjects(self.ours, limits=self.row.limits)
