"""Trained networks beside controls that never learned: what training gave to activity.

A network that was never trained, driven by a trained one's inputs, holds a belief about the task
too, because the belief is a function of past trials and any recurrent network remembers some. So
does the history of ten trials. What counts is what these controls do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.intervals import over_subjects
from neuro_metarl.neural.control_statistics import STATISTICS, Held
from neuro_metarl.neural.folds import make_folds
from neuro_metarl.neural.history import history_design, leaky_counters
from neuro_metarl.neural.recordings import counted_trials

__all__ = ["HEADLINE", "coding_table"]

Design = Callable[[xr.Dataset], xr.DataArray]
HEADLINE = ("beyond_history", "imposed", "push")
BASELINES: dict[str, Design] = {"history": history_design, "counters": leaky_counters}
OF_UNITS = ("along", "push", "push_random", "cosine")


def coding_table(
    cohorts: Mapping[str, xr.Dataset],
    target: Callable[[xr.Dataset], xr.DataArray],
    *,
    imposed: Mapping[str, xr.Dataset] | None = None,
    agents: Mapping[str, Any] | None = None,
    event: str | None = None,
    statistics: Sequence[str] | None = HEADLINE,
    history: Design = history_design,
    n_folds: int = 5,
    seed: int = 0,
) -> xr.Dataset:
    """Hold how networks code a variable against controls on the same trials.

    Parameters
    ----------
    cohorts
        Name of each kind and its cohort with ``activity``: first the networks at play, such as
        "trained", then controls, each driven by the inputs of one of them
        (:func:`neuro_metarl.recording.record_replay` with ``of=``), in the same order.
    target
        Makes the variable of a cohort: float, dims session, trial; NaN where there is none.
    imposed
        By kind, the same networks on trials whose choices were imposed at random: what a decoder
        reads that leans on the habits of play fails there.
    agents
        By kind, the networks: their policy's weights are read.
    event
        Event whose activity is looked at; default: the only one, or ``"first_step"``.
    statistics
        Of those in the notes; default the first three; None: all.
    history
        Makes the regressors that are called history.
    n_folds
        Folds, of whole sessions.
    seed
        Of noise, drawn units and random directions.

    Returns
    -------
    xarray.Dataset
        ``score`` (statistic, kind, network), with ``subject(kind, network)``; ``mean``, and its
        interval ``low`` and ``high`` over networks, ``least`` and ``most`` (statistic, kind), and
        ``n_ahead`` (statistic, kind): how many networks of the first kind are above their own
        control. The kinds ``history`` and ``counters`` are baselines without a network:
        the history itself, and leaky counters, in the place of units. NaN where a statistic needs
        what was not given, or has no meaning (``attrs["left_out"]``).

    Raises
    ------
    InputError
        Unknown names, cohorts that do not match, activity that is missing, or too few sessions.

    Notes
    -----
    ``beyond_history``: R2 of the variable minus what ten past trials, linearly, predict of it.
    ``imposed``: a decoder fitted to own play, R2 on imposed random choices. ``push``: change of the
    choice's log odds (second action against first) when activity is moved by one SD along the
    direction in which it follows the variable. ``partial``: share of what history leaves that
    activity adds, history held. ``imposed_3pc``: as ``imposed``, from three principal components of
    own play. ``r2``, ``r2_1pc``, ``r2_noise``, ``r2_5units``: R2 of all units, of the first
    component, with noise of one SD (root mean square over units) added to each unit, of five
    units (median of 20 draws). ``along``: share of the variance of activity along the variable's
    direction. ``push_random``: as ``push`` in random directions. ``cosine``: of the variable's
    direction and the policy's. R2 of all units does not tell trained networks from reservoirs; do
    not report it alone. Push and cosine look at the networks' own heads: a control whose policy
    was fitted would pass them.

    Predictions are by ridge regression across sessions, the penalty chosen within the training
    folds.

    Examples
    --------
    >>> from neuro_metarl import load_agents, record
    >>> from neuro_metarl.agents import untrained
    >>> from neuro_metarl.models import bayes_belief
    >>> from neuro_metarl.recording import record_replay
    >>> agents = load_agents("two-step").select([0, 1])
    >>> own = record(agents, n_sessions=10)
    >>> fresh = untrained(agents, n_agents=2)
    >>> driven = record_replay(fresh, own, of=dict(zip(fresh.names, agents.names)))
    >>> table = coding_table({"trained": own, "reservoir": driven},
    ...                      lambda cohort: bayes_belief(cohort).log_odds)
    >>> int(table["n_ahead"].sel(statistic="beyond_history", kind="reservoir"))
    2
    """
    names = list(STATISTICS) if statistics is None else [statistics] if isinstance(
        statistics, str) else list(statistics)  # fmt: skip
    for name in names:
        if name not in STATISTICS:
            raise InputError(
                f"statistics: {name!r} is unknown; {did_you_mean(str(name), list(STATISTICS))}"
            )
    given = {"other": imposed or {}, "axis": agents or {}, "": cohorts}
    subjects = _matched(cohorts, imposed or {}, agents or {})
    kinds = [*cohorts, *BASELINES]
    first, n = next(iter(cohorts)), len(next(iter(subjects.values())))
    score = np.full((len(names), len(kinds), n), np.nan)
    for j, kind in enumerate(kinds):
        own = kind if kind in cohorts else first
        features = None if kind in cohorts else BASELINES[kind]
        can = [
            k for k, name in enumerate(names)
            if own in given[STATISTICS[name][1]] and _has_meaning(name, kind)
        ]  # fmt: skip
        if not can:
            continue
        tables = [
            None if cohort is None else _tables(cohort, target, features, history, event)
            for cohort in (cohorts[own], (imposed or {}).get(own))
        ]
        for i, subject in enumerate(subjects[own]):
            axis = None
            if features is None and own in (agents or {}):
                axis = _policy_axis(agents[own], subject)  # type: ignore[index]
            held = _held(tables, subject, axis, n_folds, seed + i)
            for k in can:
                score[k, j, i] = STATISTICS[names[k]][0](held)
    return _label(score, names, kinds, subjects, first)


def _has_meaning(name: str, kind: str) -> bool:
    """Columns have no policy and no size of their own; a history leaves nothing of itself."""
    if kind not in BASELINES:
        return True
    return name not in OF_UNITS and not (kind == "history" and name in
                                         ("beyond_history", "partial"))  # fmt: skip


def _matched(
    cohorts: Mapping[str, xr.Dataset],
    imposed: Mapping[str, xr.Dataset],
    agents: Mapping[str, Any],
) -> dict[str, list[str]]:
    """Name the networks of each kind, the k-th of each on the trials of the k-th of the first."""
    if not cohorts or set(cohorts) & set(BASELINES):
        raise InputError(
            "cohorts: expected at least one kind, such as {'trained': cohort}; "
            f"{' and '.join(BASELINES)} are made here"
        )
    subjects = {kind: subjects_of(cohort) for kind, cohort in cohorts.items()}
    first = next(iter(cohorts))
    for kind, names in subjects.items():
        if len(names) != len(subjects[first]):
            raise InputError(
                f"{kind!r} has {len(names)} networks and {first!r} {len(subjects[first])}; give "
                "each network a control of its own"
            )
        if "animal" in cohorts[kind].coords:
            whose = list(dict.fromkeys(cohorts[kind]["animal"].values.tolist()))
            if kind != first and whose != subjects[first]:
                raise InputError(
                    f"{kind!r} is driven by the trials of {', '.join(map(str, whose[:3]))}, "
                    f"expected those of {', '.join(subjects[first][:3])}, one each, in this order; "
                    "see record_replay(of=...)"
                )
    for what, given in (("imposed", imposed), ("agents", agents)):
        for kind, thing in given.items():
            if kind not in cohorts:
                raise InputError(f"{what}: {kind!r} is none of {', '.join(cohorts)}")
            known = list(thing.names) if what == "agents" else subjects_of(thing)
            missing = [name for name in subjects[kind] if name not in known]
            if missing:
                raise InputError(f"{what}: {kind!r} has no {missing[0]!r}, only "
                                 f"{', '.join(known[:3])}")  # fmt: skip
    return subjects


def _tables(
    cohort: xr.Dataset,
    target: Callable[[xr.Dataset], xr.DataArray],
    features: Design | None,
    history: Design,
    event: str | None,
) -> dict[str, np.ndarray]:
    """Give features, variable and history of every trial, and which trials count."""
    past = history(cohort).transpose("session", "trial", "column").values
    if features is None:
        x = _activity(cohort, event)
    else:
        x = features(cohort).transpose("session", "trial", "column").values
    y = target(cohort).transpose("session", "trial").values
    there = counted_trials(cohort, None) & np.isfinite(y) & np.isfinite(x).all(axis=-1)
    return {"x": x, "y": y, "history": past, "there": there, "subject": cohort["subject"].values}


def _activity(cohort: xr.Dataset, event: str | None) -> np.ndarray:
    if "activity" not in cohort:
        raise InputError("a cohort has no 'activity'; record it, or replay networks on its trials")
    events = list(map(str, cohort["event"].values))
    if event is None:
        event = "first_step" if "first_step" in events else events[0] if len(events) == 1 else ""
    if event not in events:
        raise InputError(f"event: {event!r} is none of {', '.join(events)}; name one")
    table = cohort["activity"].sel(event=event).transpose("session", "trial", "unit")
    return table.values.astype(float)


def _held(
    tables: Sequence[Mapping[str, np.ndarray] | None],
    subject: str,
    axis: np.ndarray | None,
    n_folds: int,
    seed: int,
) -> Held:
    """Take one subject's trials."""
    own, other = tables
    assert own is not None
    mine = (own["subject"] == subject)[:, None] & own["there"]
    if not mine.any():
        raise InputError(f"subject {subject!r} has no trial with activity and the variable")
    session, trial = np.nonzero(mine)
    x, y = own["x"][mine], own["y"][mine]
    fold, _ = make_folds(
        x, y, session, trial, folds="sessions", n_folds=n_folds, label=f"subject {subject!r}"
    )
    carried: dict[str, np.ndarray] = {}
    if other is not None:
        theirs = (other["subject"] == subject)[:, None] & other["there"]
        carried = {"x_other": other["x"][theirs], "y_other": other["y"][theirs]}
    return Held(x, y, own["history"][mine], fold, axis=axis, seed=seed, **carried)


def _policy_axis(agents: Any, subject: str) -> np.ndarray:
    """Weights by which activity moves the log odds of the second action against the first."""
    place = list(agents.names).index(subject)
    heads = agents.population.tensors["heads"][place].numpy().astype(float)
    return np.asarray(heads[1, 1:] - heads[0, 1:])


def _label(
    score: np.ndarray,
    names: Sequence[str],
    kinds: Sequence[str],
    subjects: Mapping[str, Sequence[str]],
    first: str,
) -> xr.Dataset:
    """Name it all, and sum up over networks."""
    own = [subjects.get(kind, subjects[first]) for kind in kinds]
    table = xr.Dataset(
        {"score": (("statistic", "kind", "network"), score)},
        coords={
            "statistic": list(names),
            "kind": list(kinds),
            "subject": (("kind", "network"), np.asarray(own)),
            "label": ("statistic", [STATISTICS[name][2] for name in names]),
        },
    )
    ends = np.full((*score.shape[:2], 2), np.nan)
    for k, j in np.ndindex(*score.shape[:2]):
        if score.shape[2] > 1 and np.isfinite(score[k, j]).all():
            ends[k, j] = over_subjects(score[k, j])[1:]
    table["mean"] = table["score"].mean("network")
    for place, name in enumerate(("low", "high")):
        table[name] = (("statistic", "kind"), ends[..., place])
    table["least"], table["most"] = table["score"].min("network"), table["score"].max("network")
    ahead = table["score"].sel(kind=first, drop=True) > table["score"]
    table["n_ahead"] = ahead.sum("network").where(table["mean"].notnull())
    absent = table["mean"].isnull()
    left = [f"{k} of {j}" for k in names for j in kinds if absent.sel(statistic=k, kind=j)]
    return table.assign_attrs(left_out=", ".join(left), n=score.shape[2])
