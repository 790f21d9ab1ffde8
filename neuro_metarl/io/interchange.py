"""Cohorts as other tools hold them: pynapple, disentangled RNNs, tiny RNNs; and back.

The shapes are those that the tools document in their public source: `disentangled_rnns` of
Google DeepMind (`DatasetRNNCategorical`, arrays by time, session, feature) and the tiny RNNs of
Ji-An, Benna and Mattar (`BaseTwoStepDataset`, arrays by trial, block, feature). Neither package
is needed: what is given here are plain arrays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import make_cohort, responses, subjects_of
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.sessions import LAYOUT, join_sessions, split_sessions
from neuro_metarl.schema import TRIAL, VARIABLES, validate_cohort

__all__ = [
    "from_disrnn",
    "from_pynapple",
    "from_tinyrnn",
    "to_disrnn",
    "to_pynapple",
    "to_tinyrnn",
]

TRIALS = "trials"
MICROSECOND = 1e-6
BEFORE = "previous "
SUBJECT = "subject"
NONE = -1
TINY = ("action", "stage2", "reward")


def to_pynapple(cohort: xr.Dataset, *, step_s: float = 1.0) -> list[dict[str, Any]]:
    """Turn a cohort into pynapple objects.

    Parameters
    ----------
    cohort
        A cohort.
    step_s
        Length of a step, s, for subjects whose steps have none (networks, models).

    Returns
    -------
    list of dict
        One per session: ``trials``, an ``IntervalSet`` whose metadata are the variables of the
        trials; for activity, value, policy and the like a ``TsdFrame`` of that name with one row
        per trial and event, columns named after the units; for each ``t_<event>`` a ``Ts`` named
        after the event; and ``neuro_metarl_layout`` (JSON), for the way back. A trial that the
        next one follows at once ends a microsecond earlier, as pynapple wants it.

    Raises
    ------
    InputError
        Not a cohort, or the extra ``neuro_metarl[interop]`` is not installed.

    References
    ----------
    Viejo et al. 2023, doi:10.7554/eLife.85786.

    Examples
    --------
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> to_pynapple(cohort)[0]["trials"]["choice"].tolist()
    [0, 1]
    """
    try:
        import pynapple as nap
    except ImportError:
        raise InputError('pynapple is an extra: pip install "neuro_metarl[interop]"') from None

    every = []
    for session in split_sessions(cohort, step_s=step_s):
        stop = session.stop.copy()
        stop[:-1] = np.minimum(stop[:-1], session.start[1:] - MICROSECOND)
        columns = {
            n: v.astype(np.str_) if v.dtype.kind in "UO" else v for n, v in session.columns.items()
        }
        events = {n[2:]: v[np.isfinite(v)] for n, v in columns.items() if n.startswith("t_")}
        reach = np.concatenate([session.start, stop, session.times, *events.values()])
        support = nap.IntervalSet(start=reach.min(), end=reach.max())
        objects: dict[str, Any] = {
            TRIALS: nap.IntervalSet(start=session.start, end=stop, metadata=columns)
        }
        for name, values in session.series.items():
            labels = _labels(cohort, session.layout["variables"][name])
            objects[name] = nap.TsdFrame(
                t=session.times, d=values, columns=labels, time_support=support
            )
        for name, times in events.items():
            objects[name] = nap.Ts(t=np.sort(times), time_support=support)
        objects[LAYOUT] = json.dumps(session.layout)
        every.append(objects)
    return every


def from_pynapple(sessions: Sequence[Mapping[str, Any]]) -> xr.Dataset:
    """Turn what :func:`to_pynapple` gave back into the cohort.

    Parameters
    ----------
    sessions
        One mapping per session.

    Returns
    -------
    xarray.Dataset
        Identical to the cohort that was given, where the objects are as they were.

    Raises
    ------
    InputError
        An object is missing or has another length.

    Examples
    --------
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> from_pynapple(to_pynapple(cohort)).identical(cohort)
    True
    """
    parts = []
    for number, objects in enumerate(sessions):
        for name in (TRIALS, LAYOUT):
            if name not in objects:
                raise InputError(f"session {number}: {name!r} is missing; see to_pynapple")
        metadata = objects[TRIALS].metadata
        columns = {str(n): metadata[n].to_numpy() for n in metadata.columns}
        layout = json.loads(objects[LAYOUT])
        series = {
            n: objects[n].values
            for n, entry in layout["variables"].items()
            if entry["kind"] == "series" and n in objects
        }
        parts.append((columns, series, layout))
    if not parts:
        raise InputError("no sessions were given")
    return join_sessions(parts, "pynapple objects")


def to_disrnn(
    cohort: xr.Dataset,
    *,
    features: Sequence[str] = ("choice", "reward"),
    subject_feature: bool = False,
) -> dict[str, Any]:
    """Turn choices into the arrays of disentangled RNNs.

    Parameters
    ----------
    cohort
        A cohort.
    features
        Variables of the previous trial that the network sees.
    subject_feature
        Put the subject's number first among the features, as for several subjects at once.

    Returns
    -------
    dict
        Arguments of ``DatasetRNNCategorical`` of ``disentangled_rnns``: ``xs`` (time, session,
        feature), float32: the features of the previous trial, 0 at the first step, -1 where the
        session is over; ``ys`` (time, session, 1), int32: the choice, -1 where it was imposed and
        where there is none; ``x_names``, ``y_names``, ``n_classes``. Time is
        one longer than the longest session: the last step has an input and no target. Invalid
        trials are left out, as that project's own loaders do.

    Raises
    ------
    InputError
        A feature is no variable of the trials, or no session holds a valid trial.

    References
    ----------
    Miller et al. 2023, doi:10.1101/2023.06.23.546250.

    Examples
    --------
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> arrays = to_disrnn(cohort)
    >>> arrays["xs"][:, 0].tolist(), arrays["ys"][:, 0, 0].tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [0, 1, -1])
    """
    rows, free = _valid_rows(cohort, features)
    n_time, n_sessions = max(len(r["choice"]) for r in rows) + 1, len(rows)
    if n_time == 1:
        raise InputError("no session holds a valid trial")
    xs = np.full((n_time, n_sessions, len(features)), NONE, dtype="float32")
    ys = np.full((n_time, n_sessions, 1), NONE, dtype="int32")
    xs[0] = 0
    for k, row in enumerate(rows):
        n_trials = len(row["choice"])
        xs[1 : n_trials + 1, k] = np.stack([row[name] for name in features], axis=-1)
        ys[:n_trials, k, 0] = np.where(free[k], row["choice"], NONE)
    names = [f"{BEFORE}{name}" for name in features]
    if subject_feature:
        number = np.broadcast_to(_subject_numbers(cohort)[None, :, None], (n_time, n_sessions, 1))
        xs = np.concatenate([number.astype("float32"), xs], axis=2)
        names = [SUBJECT, *names]
    n_classes = int(max(max(r["choice"], default=0) for r in rows)) + 1
    return {"xs": xs, "ys": ys, "x_names": names, "y_names": ["choice"], "n_classes": n_classes}


def from_disrnn(
    xs: np.ndarray,
    ys: np.ndarray,
    *,
    subject: Sequence[str],
    x_names: Sequence[str] = (BEFORE + "choice", BEFORE + "reward"),
    session_id: Sequence[str] | None = None,
    task: str = "bandit",
    source: str = "animal",
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Turn the arrays of disentangled RNNs into a cohort.

    Parameters
    ----------
    xs, ys
        As :func:`to_disrnn` gives them: (time, session, feature) and (time, session, 1).
    subject, session_id, task, source, attrs
        Labels, see :func:`neuro_metarl.cohort.make_cohort`.
    x_names
        What the features are: ``"previous <variable>"``, or ``"subject"``.

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial. A choice without a target is forced.

    Raises
    ------
    InputError
        Shapes that do not fit, no previous choice or reward among the features, or inputs that
        are not the targets one step later.

    Examples
    --------
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> arrays = to_disrnn(cohort)
    >>> from_disrnn(arrays["xs"], arrays["ys"], subject=["a"]).choice.values.tolist()
    [[0, 1]]
    """
    inputs, targets = np.asarray(xs), np.asarray(ys)
    _check_shapes(inputs, targets, x_names, subject)
    names = [str(name).removeprefix(BEFORE) for name in x_names]
    for name in ("choice", "reward"):
        if name not in names:
            raise InputError(
                f"x_names are {', '.join(map(str, x_names))}; expected {BEFORE + name!r} among them"
            )
    table = {
        n: np.moveaxis(inputs[1:, :, k], 0, 1)
        for k, n in enumerate(names)
        if n in VARIABLES and VARIABLES[n][0] == TRIAL
    }
    choice, target = table["choice"], np.moveaxis(targets[:-1, :, 0], 0, 1)
    exists = choice >= 0
    wrong = (target >= 0) & (target != choice)
    if wrong.any():
        session, time = (int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"ys is {target[session, time]} at time {time}, session {session}, but xs says "
            f"{choice[session, time]:g} one step later; likely slip: xs not shifted by one trial"
        )
    return _tabled(table, exists, exists & (target < 0), subject, session_id, task, source, attrs)


def to_tinyrnn(cohort: xr.Dataset, *, subject_feature: bool = False) -> dict[str, np.ndarray]:
    """Turn choices into the arrays of tiny RNNs.

    Parameters
    ----------
    cohort
        A cohort. ``state`` is the second stage; without it, the second stage is the choice, as
        that project has it for bandits.
    subject_feature
        Put the subject's number last among the inputs, for its embedding.

    Returns
    -------
    dict
        ``input`` (trial, block, 3 or 4), float64: action, stage2, reward (, subject); ``target``
        (trial, block), int64: the action; ``mask`` (trial, block), float64: 1 where the action
        counts, 0 where it was imposed and where the block is over. What a network puts out before
        trial t is compared with ``target[t]`` (their ``output_h0``). A block is a session;
        invalid trials are left out, padding is 0. ``n_trials`` (block) says how many there are,
        ``sub_id`` (block) whose they are. ``torch.from_numpy`` makes tensors of them.

    Raises
    ------
    InputError
        Not a cohort, or no session holds a valid trial.

    References
    ----------
    Ji-An, Benna & Mattar 2025, doi:10.1038/s41586-025-09142-4.

    Examples
    --------
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> arrays = to_tinyrnn(cohort)
    >>> arrays["input"][:, 0].tolist(), arrays["target"][:, 0].tolist()
    ([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]], [0, 1])
    """
    second = "state" if "state" in cohort else "choice"
    rows, free = _valid_rows(cohort, ("choice", second, "reward"))
    lengths = np.array([len(r["choice"]) for r in rows])
    if not lengths.any():
        raise InputError("no session holds a valid trial")
    shape = (int(lengths.max()), len(rows))
    inputs, target, mask = np.zeros((*shape, 3)), np.zeros(shape, "int64"), np.zeros(shape)
    for k, row in enumerate(rows):
        inputs[: lengths[k], k] = np.stack([row["choice"], row[second], row["reward"]], axis=-1)
        target[: lengths[k], k] = row["choice"]
        mask[: lengths[k], k] = free[k]
    numbers = _subject_numbers(cohort)
    if subject_feature:
        number = np.broadcast_to(numbers[None, :, None], (*shape, 1)).astype(float)
        inputs = np.concatenate([inputs, number], axis=2)
    return {
        "input": inputs,
        "target": target,
        "mask": mask,
        "n_trials": lengths,
        "sub_id": numbers,
    }


def from_tinyrnn(
    arrays: Mapping[str, np.ndarray],
    *,
    subject: Sequence[str],
    session_id: Sequence[str] | None = None,
    task: str = "bandit",
    source: str = "animal",
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Turn the arrays of tiny RNNs into a cohort.

    Parameters
    ----------
    arrays
        ``input``, ``target`` and ``mask`` as :func:`to_tinyrnn` gives them. Without ``n_trials``,
        a block ends with its last action that counts.
    subject, session_id, task, source, attrs
        Labels, see :func:`neuro_metarl.cohort.make_cohort`.

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial. ``state`` only where the second stage is not the action
        throughout. An action within a block that does not count is forced.

    Raises
    ------
    InputError
        An array is missing, or shapes or actions do not fit.

    Examples
    --------
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> from_tinyrnn(to_tinyrnn(cohort), subject=["a"]).choice.values.tolist()
    [[0, 1]]
    """
    for name in ("input", "target", "mask"):
        if name not in arrays:
            raise InputError(f"array {name!r} is missing; there are: {', '.join(arrays)}")
    inputs, target, mask = (np.asarray(arrays[n]) for n in ("input", "target", "mask"))
    if inputs.ndim != 3 or inputs.shape[2] not in (3, 4):
        raise InputError(f"input has shape {inputs.shape}, expected (trial, block, 3 or 4)")
    for name, array in (("target", target), ("mask", mask)):
        if array.shape != inputs.shape[:2]:
            raise InputError(f"{name} has shape {array.shape}, expected {inputs.shape[:2]}")
    if len(subject) != inputs.shape[1]:
        raise InputError(f"subject names {len(subject)} blocks, there are {inputs.shape[1]}")
    number = np.arange(len(inputs))[:, None]
    last = np.where(mask > 0, number + 1, 0).max(axis=0)
    exists = (number < np.asarray(arrays.get("n_trials", last))).T
    wrong = exists & (target != inputs[..., 0]).T
    if wrong.any():
        block, trial = (int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"target is {target[trial, block]} at trial {trial}, block {block}, but the action in "
            f"input is {inputs[trial, block, 0]:g}; likely slip: target shifted by one trial"
        )
    table = dict(zip(("choice", "state", "reward"), np.moveaxis(inputs, (0, 1), (1, 0)).transpose(
        2, 0, 1), strict=False))  # fmt: skip
    if np.array_equal(table["state"][exists], table["choice"][exists]):
        del table["state"]
    forced = exists & (mask.T == 0)
    return _tabled(table, exists, forced, subject, session_id, task, source, attrs)


def _labels(cohort: xr.Dataset, entry: Mapping[str, Any]) -> Any:
    rest = [d for d in entry["sizes"] if d != "event"]
    if len(rest) == 1 and rest[0] in cohort.coords:
        return cohort[rest[0]].values.tolist()
    return np.arange(int(np.prod([entry["sizes"][d] for d in rest])))


def _valid_rows(
    cohort: xr.Dataset, features: Sequence[str]
) -> tuple[list[dict[str, np.ndarray]], list[np.ndarray]]:
    """Take the valid trials of each session, and say which of their choices were free."""
    validate_cohort(cohort)
    known = [str(n) for n, v in cohort.data_vars.items() if set(v.dims) == set(TRIAL)]
    for name in features:
        if name not in known:
            raise InputError(f"{name!r} is no variable of the trials; " + did_you_mean(name, known))
    if not cohort.sizes["session"]:
        raise InputError("the cohort holds no sessions")
    valid = cohort["valid"].transpose(*TRIAL).values == 1
    free = responses(cohort).transpose(*TRIAL).values
    wanted = {n: cohort[n].transpose(*TRIAL).values for n in {"choice", *features}}
    rows = [{n: v[k][valid[k]] for n, v in wanted.items()} for k in range(len(valid))]
    return rows, [free[k][valid[k]] for k in range(len(valid))]


def _subject_numbers(cohort: xr.Dataset) -> np.ndarray:
    order = {name: k for k, name in enumerate(subjects_of(cohort))}
    return np.array([order[str(name)] for name in cohort["subject"].values])


def _check_shapes(
    xs: np.ndarray, ys: np.ndarray, x_names: Sequence[str], subject: Sequence[str]
) -> None:
    if xs.ndim != 3 or ys.ndim != 3 or ys.shape != (*xs.shape[:2], 1):
        raise InputError(
            f"xs has shape {xs.shape} and ys {ys.shape}; expected (time, session, feature) and "
            "(time, session, 1)"
        )
    if len(x_names) != xs.shape[2]:
        raise InputError(f"x_names names {len(x_names)} features, xs has {xs.shape[2]}")
    if len(subject) != xs.shape[1]:
        raise InputError(f"subject names {len(subject)} sessions, xs has {xs.shape[1]}")


def _tabled(
    table: Mapping[str, np.ndarray],
    exists: np.ndarray,
    forced: np.ndarray,
    subject: Sequence[str],
    session_id: Sequence[str] | None,
    task: str,
    source: str,
    attrs: Mapping[str, Any] | None,
) -> xr.Dataset:
    longest = max(1, int(exists.sum(axis=1).max(initial=0)))
    variables = {
        name: np.where(exists, values, VARIABLES[name][2])[:, :longest]
        for name, values in table.items()
        if name not in ("valid", "forced", "invalid_reason")
    }
    there = exists[:, :longest]
    variables |= {
        "valid": there.astype(int),
        "invalid_reason": np.where(there, 0, 1),
        "forced": forced[:, :longest].astype(int),
    }
    return make_cohort(
        variables, subject=subject, session_id=session_id, task=task, source=source, attrs=attrs
    )
