"""What was recorded in one session, with what is known of it: spike times of units, and signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neuro_metarl.errors import InputError

__all__ = ["Reach", "Signal", "SpikeTimes", "StoredSpikes", "intervals_of", "unit_labels"]


class SpikeTimes(dict[str, np.ndarray]):
    """Spike times by unit, s, with what the file says of the units.

    Parameters
    ----------
    times
        Label of each unit to its spike times.
    observed
        Unit to the intervals in which it was observed, dims (interval, 2), s; units that are not
        named were observed all the time.
    about
        Name to one value per unit: ``unit_id``, ``area``, ``probe``.

    Examples
    --------
    >>> spikes = SpikeTimes({"a": np.array([0.1])}, about={"area": np.array(["OFC"])})
    >>> spikes["a"].tolist(), spikes.about["area"].tolist()
    ([0.1], ['OFC'])
    """

    def __init__(
        self,
        times: Mapping[str, np.ndarray],
        observed: Mapping[str, np.ndarray] | None = None,
        about: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        super().__init__(times)
        self.observed = dict(observed) if observed else None
        self.about = dict(about or {})


@dataclass(frozen=True)
class StoredSpikes(Mapping[str, np.ndarray]):
    """Spike times that are read unit by unit, when they are asked for.

    Parameters
    ----------
    labels
        Of the units.
    load
        From the position of a unit to its spike times, s.
    observed, about
        As in :class:`SpikeTimes`.
    unit_of_time
        Of the file, where it was declared.

    Examples
    --------
    >>> spikes = StoredSpikes(["a", "b"], lambda k: np.array([float(k)]))
    >>> spikes["b"].tolist(), list(spikes)
    ([1.0], ['a', 'b'])
    """

    labels: Sequence[str]
    load: Callable[[int], np.ndarray]
    observed: Mapping[str, np.ndarray] | None = None
    about: Mapping[str, np.ndarray] = field(default_factory=dict)
    unit_of_time: str | None = None

    def __getitem__(self, label: str) -> np.ndarray:
        """Read the spikes of one unit."""
        if label not in self.labels:
            raise KeyError(label)
        return self.load(self.labels.index(label))

    def __iter__(self) -> Iterator[str]:
        """Go through the labels."""
        return iter(self.labels)

    def __len__(self) -> int:
        """Count the units."""
        return len(self.labels)


@dataclass(frozen=True)
class Reach:
    """When a signal was taken.

    Parameters
    ----------
    name
        Of the signal.
    times
        First and last, s; of events all of them.
    step
        Usual time between samples, s; 0 for events.
    way_out
        What to do where its times are in another unit; ``{unit}`` stands for that.

    Examples
    --------
    >>> Reach("dff", np.array([0.0, 40.0]), 0.01).step
    0.01
    """

    name: str
    times: np.ndarray
    step: float
    way_out: str = "scale them"


@dataclass(frozen=True)
class Signal:
    """A signal of which only the parts around events are read.

    Parameters
    ----------
    means
        From times of events (s), edges of bins (s relative to them) and the width of a kernel to
        the mean of each channel in the one bin, dims (event, channel).
    labels
        Of the channels.
    about
        Name to one value per channel.
    units
        Unit of measurement.
    named
        Of each channel, whether its label alone says which it is in any session, as of a fiber.
    reach
        When each series was taken.

    Examples
    --------
    >>> Signal(lambda at, edges, smooth: np.zeros((len(at), 1)), ["dff"], {}, "a.u.", [True]).labels
    ['dff']
    """

    means: Callable[[np.ndarray, np.ndarray, float | None], np.ndarray]
    labels: Sequence[str]
    about: Mapping[str, np.ndarray]
    units: str
    named: Sequence[bool]
    reach: Sequence[Reach] = ()


def intervals_of(values: Any, what: str) -> np.ndarray:
    """Check intervals of observation.

    Parameters
    ----------
    values
        Dims (interval, 2), s.
    what
        What messages call them.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    InputError
        Another shape, NaN, or an end before its beginning.

    Examples
    --------
    >>> intervals_of([[0, 1]], "observed").tolist()
    [[0.0, 1.0]]
    """
    intervals = np.asarray(values, dtype=float)
    if intervals.ndim != 2 or intervals.shape[1] != 2:
        raise InputError(f"{what}: intervals have shape {intervals.shape}, expected (intervals, 2)")
    bad = ~(intervals[:, 0] <= intervals[:, 1])
    if bad.any():
        k = int(bad.argmax())
        raise InputError(
            f"{what}: interval {k} (from 0) runs from {intervals[k, 0]:g} to {intervals[k, 1]:g}, "
            "expected a beginning and a later end, s"
        )
    return intervals


def unit_labels(ids: Sequence[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Give units labels of their own where their ids restart, probe by probe for example.

    Parameters
    ----------
    ids
        Of the units.
    groups
        Name of a property, such as ``probe``, to its value for each unit.

    Returns
    -------
    list of str
        The ids where they are unique; else ``<group>/<id>`` for the first property that tells the
        units apart; else ``<id>/row<number>``.

    Examples
    --------
    >>> unit_labels(["0", "1", "0"], {"probe": ["A", "A", "B"]})
    ['A/0', 'A/1', 'B/0']
    >>> unit_labels(["0", "0"], {})
    ['0/row0', '0/row1']
    """
    labels = list(ids)
    if len(set(labels)) == len(labels):
        return labels
    for values in groups.values():
        labels = [f"{g}/{u}" for g, u in zip(values, ids, strict=True)]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{u}/row{k}" for k, u in enumerate(ids)]
