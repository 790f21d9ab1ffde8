"""Prediction errors at a target whose new value was not met yet: experienced or inferred.

References
----------
Bromberg-Martin et al. 2010, doi:10.1152/jn.00158.2010; Wang et al. 2018,
doi:10.1038/s41593-018-0147-8, simulation 3.
"""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.intervals import OVER_SESSIONS, session_interval

__all__ = ["ideal_target_value", "inferred_value"]

KINDS, WHEN, STATISTIC = ("experienced", "inferred"), ("pre", "post"), ["value", "low", "high"]
LEAST_BLOCK, LEAST_TESTS, LEAST_CHANGE = 4, 4, 0.05
VARIABLES = ("value", "rpe", "stimulus", "expected_reward")


def inferred_value(cohort: xr.Dataset, *, confidence: float = 0.95) -> xr.Dataset:
    """Compare values and prediction errors of a target before and after values changed.

    Parameters
    ----------
    cohort
        Of the task ``"inferred-value"``, with ``value`` and ``rpe`` at its two events, the target
        shown as ``stimulus``, and ``expected_reward`` of both targets.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        Dims subject, kind (``experienced``: the target at which the change was seen is shown again;
        ``inferred``: the other one), when (``pre``: the last time the same target was shown before
        the change; ``post``: the trial after the change was seen), statistic: ``rpe``, the
        prediction error when the target appears, and ``value``, the value of the target.
        ``index`` (subject, measure: value, rpe; statistic): the change of the inferred kind over
        that of the experienced kind, 1 for full inference; NaN where the latter is below .05.
        ``n`` (subject, kind): changes.

    Raises
    ------
    InputError
        Variables that are missing, or a subject with fewer than 4 changes of either kind.

    Notes
    -----
    Signs are turned so that a rise is positive. Changes count that end a stretch of 4 trials or
    more without one in which both targets were shown; nothing may change on the trial after.

    **Take the index of values.** That of prediction errors is near 1 without any inference: it is
    measured against the value of the fixation point, the mean of both targets, which the omission
    at one target lowers. See ``docs/wang2018.md``.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> found = inferred_value(record("inferred-value/0", n_sessions=60, seed=1))
    >>> found.index.sel(measure="value", statistic="value").values.round(0)
    array([1.])
    """
    shown, p, at_target, onset, valid = _read(cohort)
    owner, names = cohort["subject"].values, subjects_of(cohort)
    tables, indices, counts = [], [], []
    for name in names:
        mine = np.flatnonzero(owner == name)
        sums, n = np.zeros((len(mine), 2, 2, 2)), np.zeros((len(mine), 2))
        for k, session in enumerate(mine):
            for kind, sign, before, after in _tests(shown[session], p[session], valid[session]):
                n[k, kind] += 1
                for w, trial in enumerate((before, after)):
                    sums[k, 0, kind, w] += sign * onset[session, trial]
                    sums[k, 1, kind, w] += sign * at_target[session, trial]
        if n.sum(axis=0).min() < LEAST_TESTS:
            found = ", ".join(f"{c:.0f} {kind}" for c, kind in zip(n.sum(0), KINDS, strict=True))
            raise InputError(
                f"subject {name!r} has {found} changes, expected at least {LEAST_TESTS} of each: "
                "200 sessions of 60 trials have about 190"
            )
        tables.append(_summary(sums, n, confidence))
        indices.append(_index(sums, n, confidence))
        counts.append(n.sum(axis=0).astype(int))
    table = np.array(tables)
    dims = ("subject", "kind", "when", "statistic")
    return xr.Dataset(
        {
            "rpe": (dims, table[:, 0]),
            "value": (dims, table[:, 1]),
            "index": (("subject", "measure", "statistic"), np.array(indices)[:, ::-1]),
            "n": (("subject", "kind"), np.array(counts)),
        },
        coords={
            "subject": names, "kind": list(KINDS), "when": list(WHEN), "statistic": STATISTIC,
            "measure": ["value", "rpe"],
        },
        attrs={"interval": OVER_SESSIONS, "confidence": confidence},
    )  # fmt: skip


def ideal_target_value(cohort: xr.Dataset, *, discount: float = 0.9) -> xr.DataArray:
    """Give the value that a target has for whoever infers everything, and never errs.

    Parameters
    ----------
    cohort
        Of ``"inferred-value"`` with ``p_reward=1`` and targets that change together: one outcome
        tells which target pays.
    discount
        Per step, of which a trial has two.

    Returns
    -------
    xarray.DataArray
        Dims session, trial: the value when the target is shown, of the finite episode. NaN on the
        first trial, when nothing is known.

    Raises
    ------
    InputError
        Another task.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> value = ideal_target_value(record("inferred-value/0", n_sessions=2, seed=1))
    >>> sorted(set(value.values[:, 1].round(2).tolist()))  # low and high, 59 trials to go
    [2.17, 3.09]
    """
    config = json.loads(str(cohort.attrs.get("task_config", "{}")))
    if config.get("independent") is not False or config.get("p_reward") != 1:
        raise InputError(
            "the ideal value is that of the task 'inferred-value' with p_reward=1, got "
            f"{cohort.attrs.get('task')!r} with p_reward={config.get('p_reward')}"
        )
    stimulus = cohort["stimulus"].transpose("session", "trial")
    paid = cohort["expected_reward"].transpose("session", "trial", "option").values
    before = np.full(stimulus.shape, np.nan)
    was = np.take_along_axis(paid[:, :-1], stimulus.values[:, 1:, None].astype(int), axis=2)[..., 0]
    before[:, 1:] = np.where(was > 0.5, 1 - config["p_switch"], config["p_switch"])
    fixation = np.zeros(stimulus.shape[1] + 1)
    for left in range(1, len(fixation)):
        fixation[left] = discount * (0.5 + discount * fixation[left - 1])
    later = discount * fixation[stimulus.shape[1] - 1 :: -1]
    return stimulus.copy(data=before + later).rename("ideal_value")


def _read(cohort: xr.Dataset) -> tuple[np.ndarray, ...]:
    missing = [name for name in VARIABLES if name not in cohort]
    if missing:
        raise InputError(
            f"the cohort has no {missing[0]!r}; inferred_value takes recordings of the task "
            "'inferred-value' with values and prediction errors"
        )
    events = [str(e) for e in cohort["event"].values]
    if events != ["fixation", "target"]:
        raise InputError(f"events are {', '.join(events)}, expected fixation and target")
    shown = cohort["stimulus"].transpose("session", "trial").values.astype(int)
    valid = cohort["valid"].transpose("session", "trial").values == 1
    if not np.isin(shown[valid], (0, 1)).all():
        raise InputError("stimulus must be the target shown, 0 left or 1 right, on valid trials")
    p = cohort["expected_reward"].transpose("session", "trial", "option").values > 0.5
    value, rpe = (cohort[v].transpose("session", "trial", "event").values for v in ("value", "rpe"))
    return shown, p, value[:, :, 1].astype(float), rpe[:, :, 0].astype(float), valid


def _tests(
    shown: np.ndarray, high: np.ndarray, valid: np.ndarray
) -> list[tuple[int, int, int, int]]:
    """Find the changes of a session: kind, sign, trial before, trial after."""
    changed = np.zeros(high.shape, bool)
    changed[1:] = high[1:] != high[:-1]
    found = []
    starts = np.flatnonzero(changed.any(axis=1)).tolist()
    for t in starts:
        begin = max([s for s in starts if s < t], default=0)
        seen, after = shown[t], t + 1
        if (
            after >= len(shown) or t - begin < LEAST_BLOCK or not changed[t, seen]
            or changed[after].any() or not valid[begin : after + 1].all()
            or len(set(shown[begin:t].tolist())) < 2
        ):  # fmt: skip
            continue
        kind = int(shown[after] != seen)
        sign = (1 if high[t, seen] else -1) * (-1 if kind else 1)
        before = begin + int(np.flatnonzero(shown[begin:t] == shown[after])[-1])
        found.append((kind, sign, before, int(after)))
    return found


def _means(sums: np.ndarray, n: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums / n[..., None, :, None])


def _without(table: np.ndarray) -> np.ndarray:
    return np.asarray(table.sum(axis=0) - table)


def _summary(sums: np.ndarray, n: np.ndarray, confidence: float) -> np.ndarray:
    """Return means, dims (measure, kind, when, statistic)."""
    value, others = _means(sums.sum(axis=0), n.sum(axis=0)), _means(_without(sums), _without(n))
    flat = others.reshape(len(others), -1)
    found = session_interval(value.ravel(), flat, np.zeros(value.size), confidence)
    return found.reshape(*value.shape, 3)


def _index(sums: np.ndarray, n: np.ndarray, confidence: float) -> np.ndarray:
    """Return the index of prediction errors and of values, dims (measure, statistic)."""

    def ratio(mean: np.ndarray) -> np.ndarray:
        change = mean[..., 1] - mean[..., 0]
        below = np.where(np.abs(change[..., 0]) < LEAST_CHANGE, np.nan, change[..., 0])
        return np.asarray(change[..., 1] / below)

    value, others = ratio(_means(sums.sum(0), n.sum(0))), ratio(_means(_without(sums), _without(n)))
    return session_interval(value, others, np.zeros(2), confidence)
