"""Neo: a cohort as a block and back, and a block from elsewhere by the names of its events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import concat_cohorts, select_subjects
from neuro_metarl.door.transitions import with_common
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.columns import Map, Trials, declared_table
from neuro_metarl.io.events import add_activity
from neuro_metarl.io.frames import animal_cohort
from neuro_metarl.io.neo_segments import (
    START,
    STOP,
    event_times,
    followed_units,
    known_names,
    segment_signal,
    segment_spikes,
    trial_columns,
)
from neuro_metarl.io.sessions import (
    LAYOUT,
    Session,
    join_sessions,
    session_spikes,
    split_sessions,
)
from neuro_metarl.io.trial_times import check_events, trials_in_order
from neuro_metarl.joining import SameUnits

if TYPE_CHECKING:
    import neo

__all__ = ["from_neo", "to_neo"]

TRIALS, UNKNOWN = "trials", "unknown"
RATES = ("1/s", "Hz", "spikes/s")
WINDOW = (0.0, 0.5)
MANY = 60


def to_neo(
    cohort: xr.Dataset,
    *,
    subject: str | None = None,
    spikes: xr.Dataset | None = None,
    step_s: float = 1.0,
) -> neo.Block:
    """Turn a cohort, or one subject of it, into a Neo block.

    Parameters
    ----------
    cohort
        A cohort.
    subject
        Only this subject; default: all.
    spikes
        Spike times, as :func:`neuro_metarl.neural.virtual.spike_times` gives them, for the spike
        trains.
    step_s
        Length of a step, s, for subjects whose steps have none (networks, models).

    Returns
    -------
    neo.Block
        One ``Segment`` per session. Each has the ``Epoch`` "trials", whose array annotations are
        the variables of the trials; an ``Event`` for each event of the trials; and for activity,
        value, policy and the like a signal with one row per trial and event: an ``AnalogSignal``
        at the nominal step, or an ``IrregularlySampledSignal`` where the cohort knows the times.
        Firing rates are in Hz, the rest is dimensionless. Labels of units are array annotations.
        The segment's annotation ``neuro_metarl_layout`` (JSON) holds what makes the way back
        exact.

    Raises
    ------
    InputError
        Not a cohort, or no such subject.

    References
    ----------
    Garcia et al. 2014, doi:10.3389/fninf.2014.00010.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> block = to_neo(cohort)
    >>> block.segments[0].epochs[0].array_annotations["choice"].tolist()
    [0, 1]
    """
    import neo

    chosen = cohort if subject is None else select_subjects(cohort, subject)
    block = neo.Block(name=subject or str(chosen.attrs.get("task", "")))
    sessions = list(split_sessions(chosen, step_s=step_s))
    attrs = {k: v for k, v in sessions[0].layout["attrs"].items() if k != "description"}
    block.annotate(**{f"cohort_{k}" if k in ("name", "nix_name") else k: v
                      for k, v in attrs.items()})  # fmt: skip
    of_subject = np.flatnonzero(np.isin(cohort["subject"].values, chosen["subject"].values))
    for session, number in zip(sessions, of_subject, strict=True):
        segment = _segment(session, chosen)
        if spikes is not None:
            _add_spikes(segment, session, session_spikes(spikes, cohort, int(number)))
        block.segments.append(segment)
    return block


def from_neo(
    block: neo.Block,
    *,
    columns: Map | None = None,
    events: Mapping[str, str] | None = None,
    trials: str = TRIALS,
    signals: str | Sequence[str] = (),
    window: tuple[float, float] = WINDOW,
    smooth_s: float | None = None,
    same_units: SameUnits = None,
    task: str = "bandit",
    subject: str | None = None,
    species: str = UNKNOWN,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Turn a Neo block into a cohort: one of :func:`to_neo` exactly, any other by its events.

    Parameters
    ----------
    block
        One segment per session.
    columns
        For a block from elsewhere: our name to a column or an expression, see
        :mod:`neuro_metarl.io.columns`. Columns are the array annotations of the trials,
        ``start_time`` and ``stop_time`` (s), and ``label``; the events that ``first``, ``which``
        and ``happened`` name are Neo's events and epochs, or labels of events.
    events
        Our name of an event to theirs, for example ``{"outcome": "valve"}``: the first in each
        trial becomes ``t_outcome``, and activity is taken around it.
    trials
        Name of the epochs that are the trials, or of the event with which a trial begins (it ends
        where the next one begins).
    signals
        Names of signals that are the activity. Default: the spike trains, where there are any.
    window, smooth_s
        Where spikes are counted, see :func:`neuro_metarl.io.events.add_activity`.
    same_units
        Which units are the same neuron in several segments, see
        :func:`neuro_metarl.cohort.concat_cohorts`. Default: those whose trains one of the block's
        groups holds, one in each segment; all others are different units, whatever their names.
    task, subject, species, attrs
        Labels of the cohort; the subject is by default the annotation ``subject_id`` of the block,
        or its name.

    Returns
    -------
    xarray.Dataset
        Trials are in order of time, sessions in order of ``rec_datetime`` where every segment has
        one. Segments without trials, such as pauses, are left out; the attribute ``history`` says
        which. Rates are NaN outside of ``t_start`` and ``t_stop`` of a train.

    Raises
    ------
    InputError
        No segments, no trials or event of that name (with a suggestion), trials whose order is not
        known, an event in two trials, an argument that nothing uses, or a value that is not
        declared.

    Examples
    --------
    >>> import neo, quantities as pq
    >>> segment = neo.Segment(name="day1")
    >>> segment.epochs.append(neo.Epoch([0, 5] * pq.s, [5, 5] * pq.s, name="trials"))
    >>> for name, times in {"left": [1], "right": [6], "valve": [1.5]}.items():
    ...     segment.events.append(neo.Event(times * pq.s, labels=[name] * len(times), name=name))
    >>> segment.spiketrains.append(neo.SpikeTrain([1.6, 1.7, 8] * pq.s, t_stop=10))
    >>> block = neo.Block(name="m1")
    >>> block.segments.append(segment)
    >>> cohort = from_neo(block, events={"outcome": "valve"}, columns={
    ...     "choice": {"which": {"left": 0, "right": 1}}, "reward": {"happened": ["valve"]}})
    >>> cohort.choice.values.tolist(), cohort.activity.values.ravel().tolist()
    ([[0, 1]], [4.0, nan])
    """
    if not block.segments:
        raise InputError("the block holds no segments")
    names = [signals] if isinstance(signals, str) else list(signals)
    _check_used(block, columns, events, names, window, smooth_s)
    if columns is None:
        parts = [_own(segment) for segment in block.segments]
        if any(part is None for part in parts):
            raise InputError(
                "the block is not one of to_neo; declare columns, for example "
                "columns={'choice': {'which': {'left': 0, 'right': 1}}, 'reward': ...}; "
                "there are: " + ", ".join(known_names(block.segments)[:MANY])
            )
        for name, given in {"attrs": attrs, "species": species != UNKNOWN}.items():
            if given:
                raise InputError(
                    f"the block is one of to_neo and comes back as it was; {name} would not be "
                    "used; leave it out, or declare columns"
                )
        own = [part for part in parts if part is not None]
        if same_units is None:
            return join_sessions(own, "the block")
        alone = [join_sessions([part], "the block") for part in own]
        return concat_cohorts(alone, same_units=same_units)
    named = {f"t_{ours}": {"first": [theirs]} for ours, theirs in (events or {}).items()}
    labels: dict[str, Any] = {
        "task": task,
        "species": species,
        "subject": subject or str(block.annotations.get("subject_id") or block.name or ""),
        "attrs": {"created_by": "neuro_metarl from_neo", **(attrs or {})},
    }
    if not labels["subject"]:
        raise InputError("the block has no name and no annotation subject_id; give subject=...")
    sessions = _sessions(block, trials, labels["attrs"])
    heard = any(len(block.segments[k].spiketrains) for k in sessions)
    units: dict[str, Any] = {}
    cohorts = []
    for k, session in sessions.items():
        segment, where = block.segments[k], f"segment {session!r}"
        one = _declared(block, k, {**columns, **named}, trials, session, labels)
        if events and (names or heard):
            samples = (
                segment_signal(segment, names, units, where) if names else segment_spikes(segment)
            )
            one = add_activity(one, samples, events=list(events), window=window, smooth_s=smooth_s)
        cohorts.append(one)
    followed = followed_units(block, sessions) if same_units is None and heard else same_units
    joined = concat_cohorts(cohorts, same_units=followed if events and not names else same_units)
    return with_common(joined, f"block {labels['subject']!r}")


def _check_used(
    block: neo.Block,
    columns: Map | None,
    events: Mapping[str, str] | None,
    signals: Sequence[str],
    window: tuple[float, float],
    smooth_s: float | None,
) -> None:
    """Refuse what is declared and would not be used."""
    if columns is None and events:
        raise InputError("activity around events needs columns; declare them")
    for ours in events or {}:
        if f"t_{ours}" in (columns or {}):
            raise InputError(f"event {ours!r} is declared in events and as 't_{ours}' in columns")
    twice = [n for n in signals if signals.count(n) > 1]
    if twice:
        raise InputError(f"signal {twice[0]!r} is named twice in signals")
    silent = not any(len(segment.spiketrains) for segment in block.segments) and not signals
    if events and not silent:
        return
    unused = {"signals": bool(signals), "smooth_s": smooth_s is not None,
              "window": tuple(window) != WINDOW}  # fmt: skip
    for name, given in unused.items():
        if given:
            raise InputError(
                f"{name} says how activity is taken around events, but "
                + ("the block holds no spike trains" if events else "events names none")
            )


def _sessions(block: neo.Block, trials: str, attrs: dict[str, Any]) -> dict[int, str]:
    """Name the segments that hold trials, in order of time; say which do not."""
    every = list(block.segments)
    names = [str(s.name or k) for k, s in enumerate(every)]
    names = [f"{n}/{k}" if names.count(n) > 1 else n for k, n in enumerate(names)]
    held = {}
    for k, segment in enumerate(every):
        found = trial_columns(segment, trials)
        if found is not None and len(found[START]):
            held[k] = names[k]
        elif found is None and (len(segment.events) or len(segment.epochs)):
            raise InputError(
                f"segment {names[k]!r}: no epochs and no event {trials!r} that could be the "
                "trials; " + did_you_mean(trials, known_names([segment]))
            )
    if not held:
        raise InputError(
            f"no segment of the block holds trials {trials!r}; "
            + did_you_mean(trials, known_names(every))
        )
    empty = [names[k] for k in range(len(every)) if k not in held]
    if empty:
        said = f"segments without trials were left out: {', '.join(empty)}"
        attrs["history"] = f"{attrs['history']}; {said}" if "history" in attrs else said
    began = {k: every[k].rec_datetime for k in held}
    if any(start is None for start in began.values()):
        return held
    zoned = {k: t if t.tzinfo else t.replace(tzinfo=UTC) for k, t in began.items()}
    return {k: held[k] for k in sorted(held, key=lambda k: zoned[k])}


def _segment(session: Session, cohort: xr.Dataset) -> Any:
    import neo
    import quantities as pq

    segment = neo.Segment(name=session.session_id)
    segment.annotate(
        subject=session.subject, nominal_times=int(session.nominal),
        **{LAYOUT: json.dumps(session.layout)},
    )  # fmt: skip
    segment.epochs.append(
        neo.Epoch(
            times=session.start * pq.s,
            durations=(session.stop - session.start) * pq.s,
            labels=np.array([str(k) for k in range(len(session.start))]),
            name=TRIALS,
            array_annotations=session.columns,
        )
    )
    for name, times in _event_times(session, cohort).items():
        there = np.isfinite(times)
        labels = np.full(int(there.sum()), name, dtype="U")
        segment.events.append(neo.Event(times=times[there] * pq.s, labels=labels, name=name))
    for name, values in session.series.items():
        if len(values):
            signal = _signal(session, name, values, cohort)
            regular = isinstance(signal, neo.AnalogSignal)
            into = segment.analogsignals if regular else segment.irregularlysampledsignals
            into.append(signal)
    return segment


def _add_spikes(segment: Any, session: Session, spikes: Mapping[str, np.ndarray]) -> None:
    import neo
    import quantities as pq

    every = np.concatenate([session.start[:1], session.stop[-1:], *spikes.values()])
    for name, times in spikes.items():
        train = neo.SpikeTrain(
            times * pq.s, t_start=every.min() * pq.s, t_stop=every.max() * pq.s, name=name
        )
        segment.spiketrains.append(train)


def _event_times(session: Session, cohort: xr.Dataset) -> dict[str, np.ndarray]:
    known = {n[2:]: v for n, v in session.columns.items() if n.startswith("t_")}
    if known or "event" not in cohort.coords:
        return known
    names = [str(e) for e in cohort["event"].values]
    length = (session.stop - session.start) / len(names)
    return {name: session.start + k * length for k, name in enumerate(names)}


def _signal(session: Session, name: str, values: np.ndarray, cohort: xr.Dataset) -> Any:
    import neo
    import quantities as pq

    stated = str(cohort[name].attrs.get("units", ""))
    rest = [d for d in session.layout["variables"][name]["sizes"] if d != "event"]
    labels = (
        {f"{rest[0]}_name": cohort[rest[0]].values.astype(str)}
        if len(rest) == 1 and rest[0] in cohort.coords
        else {}
    )
    shared: dict[str, Any] = {
        "units": "Hz" if stated in RATES else "dimensionless",
        "name": name,
        "array_annotations": labels,
        "stated_units": stated or "a.u.",
    }
    steps = np.diff(session.times)
    if session.nominal and (not len(steps) or np.allclose(steps, steps[0], rtol=1e-9, atol=0)):
        step = steps[0] if len(steps) else session.stop[0] - session.start[0]
        return neo.AnalogSignal(
            values, sampling_period=step * pq.s, t_start=session.times[0] * pq.s, **shared
        )
    return neo.IrregularlySampledSignal(session.times * pq.s, values, **shared)


def _own(segment: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]] | None:
    """Columns, series and layout of a segment that :func:`to_neo` made."""
    if LAYOUT not in segment.annotations:
        return None
    try:
        layout = json.loads(segment.annotations[LAYOUT])
    except (ValueError, TypeError):
        raise InputError(f"the layout of segment {segment.name!r} is damaged") from None
    epochs = [e for e in segment.epochs if e.name == TRIALS]
    if not epochs:
        raise InputError(f"segment {segment.name!r} has lost its epochs {TRIALS!r}")
    columns = {n: np.asarray(v) for n, v in epochs[0].array_annotations.items()}
    signals = [*segment.analogsignals, *segment.irregularlysampledsignals]
    return columns, {s.name: s.magnitude for s in signals}, layout


def _declared(
    block: neo.Block,
    number: int,
    columns: Map,
    trials: str,
    session: str,
    labels: Mapping[str, Any],
) -> xr.Dataset:
    segment, where = block.segments[number], f"segment {session!r}"
    elsewhere = known_names(block.segments)
    found = trials_in_order(
        Trials(
            columns=trial_columns(segment, trials) or {},
            times=lambda name: event_times(segment, name, elsewhere, where),
            start=START,
            stop=STOP,
            where=where,
            table=trials,
        )
    )
    check_events(found, columns)
    frame, counts = declared_table(found, columns)
    frame = frame.assign(subject=labels["subject"], session=session)
    cohort = animal_cohort(
        frame,
        Path(where),
        task=labels["task"],
        species=labels["species"],
        attrs=labels["attrs"],
        derive_common=False,
    )
    return cohort.assign_coords({n: ("session", np.array([v])) for n, v in counts.items()})
