"""What a segment of a Neo block holds, by name: trials, events, spike trains, signals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.binning import gaps_of, signal_means
from neuro_metarl.io.recorded import Reach, Signal, SpikeTimes, unit_labels

__all__ = [
    "START",
    "STOP",
    "event_times",
    "followed_units",
    "known_names",
    "seconds",
    "segment_signal",
    "segment_spikes",
    "trial_columns",
]

START, STOP = "start_time", "stop_time"
AREAS = ("area", "brain_area", "brain_region", "region", "location")
PROBES = (
    "probe", "probe_name", "electrode_group", "group", "group_name", "device", "array", "electrode",
    "channel_name", "channel_id", "channel",
)  # fmt: skip
IDS = ("unit_name", "unit_id", "id", "unit")


def trial_columns(segment: Any, trials: str) -> dict[str, np.ndarray] | None:
    """Read the trials of a segment: epochs, or events with which a trial begins.

    Parameters
    ----------
    segment
        ``neo.Segment``.
    trials
        Name of the epochs or of the event, or a label that these have; several objects of that
        name are joined.

    Returns
    -------
    dict or None
        ``start_time``, ``stop_time`` (s; NaN where the end is not said), ``label`` and the array
        annotations, quantities of time in s. None where there is nothing of that name.

    Raises
    ------
    InputError
        Objects of that name with different annotations.

    Examples
    --------
    >>> import neo, quantities as pq
    >>> segment = neo.Segment()
    >>> segment.epochs.append(neo.Epoch([5, 0] * pq.s, [1, 1] * pq.s, name="trials"))
    >>> trial_columns(segment, "trials")["start_time"].tolist()
    [5.0, 0.0]
    """
    epochs = _called(segment.epochs, trials)
    events = [] if epochs else _called(segment.events, trials)
    epochs = epochs or ([] if events else _labeled(segment.epochs, trials))
    events = events or ([] if epochs else _labeled(segment.events, trials))
    if not epochs and not events:
        return None
    parts = [_columns(one, bool(epochs)) for one in epochs or events]
    for part in parts[1:]:
        if set(part) != set(parts[0]):
            differ = ", ".join(sorted(set(part) ^ set(parts[0])))
            raise InputError(f"several {trials!r} hold different annotations ({differ})")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _called(every: Iterable[Any], name: str) -> list[Any]:
    return [one for one in every if one.name == name]


def _labeled(every: Iterable[Any], label: str) -> list[Any]:
    """Take the events of a label out of objects that hold several kinds."""
    found = []
    for one in every:
        mine = np.asarray(one.labels).astype(str) == label
        if len(mine) == len(one.times) and mine.any():
            found.append(one[mine])
    return found


def _columns(one: Any, is_epoch: bool) -> dict[str, np.ndarray]:
    start = seconds(one.times)
    lengths = one.durations if is_epoch else None
    stop = np.full(len(start), np.nan)
    if lengths is not None and len(lengths) == len(start):
        stop = start + seconds(lengths)
    columns = {str(n): _in_seconds(v) for n, v in one.array_annotations.items()}
    labels = np.asarray(one.labels).astype(str)
    if len(labels) == len(start):
        columns["label"] = labels
    return columns | {START: start, STOP: stop}


def _in_seconds(values: Any) -> np.ndarray:
    import quantities as pq

    if isinstance(values, pq.Quantity):
        if values.dimensionality.simplified == pq.s.dimensionality:
            return seconds(values)
        return np.asarray(values.magnitude)
    return np.asarray(values)


def known_names(segments: Iterable[Any]) -> list[str]:
    """List the names of epochs and events, and the labels of events.

    Parameters
    ----------
    segments
        Of one block.

    Returns
    -------
    list of str

    Examples
    --------
    >>> known_names([])
    []
    """
    found: list[str] = []
    for segment in segments:
        found += [str(e.name) for e in (*segment.epochs, *segment.events) if e.name]
        found += [str(v) for e in segment.events for v in np.unique(np.asarray(e.labels))]
        found += [str(v) for e in segment.epochs for v in np.unique(np.asarray(e.labels))]
    return list(dict.fromkeys(found))


def event_times(segment: Any, name: str, elsewhere: Iterable[str], where: str) -> np.ndarray:
    """Find the times of events by their name, or by the label that they have.

    Parameters
    ----------
    segment
        ``neo.Segment``.
    name
        Name of events or epochs, or a label.
    elsewhere
        Names and labels in other segments of the block: there are none of these here.
    where
        What messages name.

    Returns
    -------
    numpy.ndarray
        s.

    Raises
    ------
    InputError
        There is nothing of that name in the whole block, or a time is NaN.

    Examples
    --------
    >>> import neo, quantities as pq
    >>> segment = neo.Segment()
    >>> segment.events.append(neo.Event([500, 900] * pq.ms, labels=["l", "r"], name="io"))
    >>> event_times(segment, "r", [], "segment").tolist()
    [0.9]
    """
    every = (*segment.events, *segment.epochs)
    found = [seconds(e.times) for e in every if e.name == name]
    if not found:
        labels = [(e, np.asarray(e.labels).astype(str)) for e in every]
        found = [
            seconds(e.times)[mine == name]
            for e, mine in labels
            if len(mine) == len(e.times) and name in mine
        ]
    if not found and name in elsewhere:
        return np.empty(0)
    if not found:
        known = known_names([segment])
        raise InputError(
            f"{where}: no event {name!r}; "
            + (did_you_mean(name, known) if known else "it has none")
        )
    times = np.concatenate(found)
    if np.isnan(times).any():
        raise InputError(f"{where}: a time of event {name!r} is NaN; expected times")
    return times


def seconds(times: Any) -> np.ndarray:
    """Turn a quantity of time into numbers.

    Parameters
    ----------
    times
        Quantity.

    Returns
    -------
    numpy.ndarray
        s.

    Examples
    --------
    >>> import quantities as pq
    >>> seconds([5, 10] * pq.ms).tolist()
    [0.005, 0.01]
    """
    return np.asarray(times.rescale("s").magnitude, dtype=float)


def segment_spikes(segment: Any) -> SpikeTimes:
    """Read the spike trains of a segment.

    Parameters
    ----------
    segment
        ``neo.Segment``.

    Returns
    -------
    SpikeTimes
        Units are called by the names of their trains, else by an annotation ``unit_id`` or ``id``,
        else by number; where names restart, with the probe before them. A unit was observed from
        ``t_start`` to ``t_stop`` of its train; where these are its own first or last spike, as
        some readers set them, from the earliest and to the latest of all trains.

    Examples
    --------
    >>> import neo, quantities as pq
    >>> segment = neo.Segment()
    >>> segment.spiketrains.append(neo.SpikeTrain([1.0] * pq.s, t_stop=10, name="a"))
    >>> spikes = segment_spikes(segment)
    >>> spikes["a"].tolist(), spikes.observed["a"].tolist()
    ([1.0], [[0.0, 10.0]])
    """
    trains = list(segment.spiketrains)
    if not trains:
        return SpikeTimes({})
    ids = [_said(t, ("name", *IDS)) or str(k) for k, t in enumerate(trains)]
    groups = {n: [_said(t, (n,)) for t in trains] for n in PROBES}
    groups = {n: values for n, values in groups.items() if any(values)}
    labels = unit_labels(ids, groups)
    about = {"unit_id": np.array(ids, dtype=np.str_)}
    areas = [_said(t, AREAS) for t in trains]
    if any(areas):
        about["area"] = np.array(areas, dtype=np.str_)
    times = [seconds(t.times) for t in trains]
    spans = [(float(seconds(t.t_start)), float(seconds(t.t_stop))) for t in trains]
    first, last = min(s for s, _ in spans), max(s for _, s in spans)
    observed = {}
    for label, mine, (start, stop) in zip(labels, times, spans, strict=True):
        begin = first if len(mine) and mine.min() == start else start
        end = last if len(mine) and mine.max() == stop else stop
        observed[label] = np.array([[begin, end]])
    return SpikeTimes(dict(zip(labels, times, strict=True)), observed, about)


def _said(thing: Any, names: Sequence[str]) -> str:
    for name in names:
        value = getattr(thing, "name", None) if name == "name" else thing.annotations.get(name)
        if value is not None and str(value) != "":
            return str(value)
    return ""


def followed_units(block: Any, sessions: Mapping[int, str]) -> dict[str, dict[str, str]] | None:
    """Find the units that a block's groups say are the same in several segments.

    Parameters
    ----------
    block
        ``neo.Block``.
    sessions
        Position of each segment to the name of its session.

    Returns
    -------
    dict or None
        As ``same_units`` of :func:`neuro_metarl.cohort.concat_cohorts`; None where no group has
        one train in each of several segments.

    Examples
    --------
    >>> import neo
    >>> followed_units(neo.Block(), {}) is None
    True
    """
    places = {}
    for k, segment in enumerate(block.segments):
        if k in sessions:
            labels = list(segment_spikes(segment))
            for train, label in zip(segment.spiketrains, labels, strict=True):
                places[id(train)] = (sessions[k], label)
    followed: dict[str, dict[str, str]] = {}
    for number, group in enumerate(block.groups):
        mine = [places[id(t)] for t in group.spiketrains if id(t) in places]
        if len(mine) > 1 and len({session for session, _ in mine}) == len(mine):
            name = str(group.name or f"unit {number}")
            followed[name if name not in followed else f"{name}/{number}"] = dict(mine)
    return followed or None


def segment_signal(segment: Any, names: Sequence[str], units: dict[str, Any], where: str) -> Signal:
    """Read signals, side by side.

    Parameters
    ----------
    segment
        ``neo.Segment``.
    names
        Of signals; pieces of one name are joined in order of time, with a gap between them.
    units
        Name to the unit of measurement in which a signal is given; signals that are not named yet
        are added, in the unit of the first signal of the same kind.
    where
        What messages name.

    Returns
    -------
    Signal

    Raises
    ------
    InputError
        No signal of that name, pieces that overlap, or units that do not fit.

    Examples
    --------
    >>> import neo, quantities as pq
    >>> segment = neo.Segment()
    >>> segment.analogsignals.append(
    ...     neo.AnalogSignal([[1], [1], [1]], units="mV", sampling_rate=1 * pq.Hz, name="lfp"))
    >>> segment_signal(segment, ["lfp"], {}, "segment").units
    'mV'
    """
    every = (*segment.analogsignals, *segment.irregularlysampledsignals)
    parts = []
    for name in names:
        pieces = [s for s in every if s.name == name]
        if not pieces:
            raise InputError(
                f"{where}: no signal {name!r}; " + did_you_mean(name, [str(s.name) for s in every])
            )
        parts.append(_joined(name, pieces, units, where))
    labels: list[str] = []
    for name, (_, values) in zip(names, parts, strict=True):
        n = values.shape[1]
        labels += [name] if n == 1 else [f"{name}_{k}" for k in range(n)]
    sizes = [values.shape[1] for _, values in parts]

    def means(at: np.ndarray, edges: np.ndarray, smooth_s: float | None) -> np.ndarray:
        found = [
            signal_means(times, y, at, edges, smooth_s, gaps_of(times))[:, 0]
            for times, values in parts
            for y in values.T
        ]
        return np.stack(found, axis=1)

    stated = dict.fromkeys(units[name].dimensionality.string for name in names)
    reach = [
        Reach(name, times[[0, -1]], float(np.median(np.diff(times))))
        for name, (times, _) in zip(names, parts, strict=True)
        if len(times) > 1
    ]
    named = np.repeat([n == 1 for n in sizes], sizes).tolist()
    return Signal(means, labels, {}, "; ".join(stated), named, reach)


def _joined(
    name: str, pieces: list[Any], units: dict[str, Any], where: str
) -> tuple[np.ndarray, np.ndarray]:
    if name not in units:
        mine = pieces[0].units
        same = (u for u in units.values()
                if u.dimensionality.simplified == mine.dimensionality.simplified)  # fmt: skip
        units[name] = next(same, mine)
    ordered = sorted(pieces, key=lambda s: float(seconds(s.times[0])) if len(s) else np.inf)
    ordered = [piece for piece in ordered if len(piece)] or pieces[:1]
    try:
        values = [np.asarray(p.rescale(units[name]).magnitude, dtype=float) for p in ordered]
    except ValueError:
        found = ", ".join(sorted({p.dimensionality.string for p in ordered}))
        raise InputError(
            f"{where}: signal {name!r} is in {found}, elsewhere in "
            f"{units[name].dimensionality.string}"
        ) from None
    times = np.concatenate([seconds(p.times) for p in ordered])
    if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise InputError(
            f"{where}: the times of signal {name!r} must be finite and increase"
            + (f"; {len(ordered)} signals of that name overlap" if len(ordered) > 1 else "")
        )
    if len({v.shape[1] for v in values}) > 1:
        raise InputError(f"{where}: signals {name!r} have different numbers of channels")
    return times, np.concatenate(values)
