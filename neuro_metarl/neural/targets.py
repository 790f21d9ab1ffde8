"""What is decoded: the labels of each trial, and whether they are classes or numbers.

The rule. Whole numbers of an integer or boolean type are classes, and -1 means none. So are numbers
of a float type that are all whole and take at most ten values, none of them below 0 (0.0 and 1.0
are choices that were shifted by a trial), or the two values -1 and 1. All other floats are numbers.
NaN always means none. ``classes=True`` and ``classes=False`` overrule this; where -1 stands beside
other whole floats, so that it may mean none or be a value, one of them has to be given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean

__all__ = ["MOST_CLASSES", "Target", "read_target"]

TRIAL = ("session", "trial")
MOST_CLASSES = 10


@dataclass(frozen=True)
class Target:
    """Labels of trials.

    Parameters
    ----------
    values
        Dims (session, trial, event); NaN where there is none.
    classes
        Whether they are classes.
    name
        For messages.
    """

    values: np.ndarray
    classes: bool
    name: str


def read_target(
    cohort: xr.Dataset,
    target: str | xr.DataArray,
    counted: np.ndarray,
    events: Sequence[str],
    *,
    classes: bool | None = None,
    estimator: Any = None,
) -> Target:
    """Read the target of a decoding; see the module for what are classes.

    Parameters
    ----------
    cohort
        A cohort.
    target
        Name of a variable, or an array, dims session, trial (, event).
    counted
        bool, dims (session, trial): the trials whose labels decide what they are.
    events
        Names of the events that are decoded.
    classes
        Overrules the rule.
    estimator
        A scikit-learn estimator decides by its kind.

    Returns
    -------
    Target

    Raises
    ------
    InputError
        No such variable; other dims, sessions, trials or events; text; labels that are no classes
        where classes are needed; or labels of which it is not plain what they are.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1, 1]], "reward": [[0.5, 0, 1]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> counted = np.ones((1, 3), bool)
    >>> [read_target(cohort, t, counted, ["cue"]).classes for t in ("choice", "reward")]
    [True, False]
    """
    array, name = _array(cohort, target)
    _check_dims(cohort, array)
    if "event" in array.dims:
        known = [str(e) for e in array["event"].values.tolist()]
        missing = sorted(set(events) - set(known))
        if missing:
            raise InputError(f"the target has no event {missing[0]!r}; choose events=")
        array = array.isel(event=[known.index(e) for e in events])
    if array.dtype.kind not in "biuf":
        raise InputError(f"the target is of type {array.dtype}, expected numbers")
    values = array.transpose(*TRIAL, ...).values.astype(float)
    kinds = np.unique(values[counted])
    kinds = kinds[np.isfinite(kinds)]
    whole = array.dtype.kind in "biu"
    wanted = _wanted(classes, estimator)
    found = wanted
    if found is None:
        found = whole or _few_whole(kinds, name)
    elif found:
        _check_classes(kinds, name)
    if found or (whole and classes is None):
        values = _without_none(values, kinds, name)
    full = values if values.ndim == 3 else np.repeat(values[:, :, None], len(events), axis=2)
    return Target(full, bool(found), name)


def _array(cohort: xr.Dataset, target: str | xr.DataArray) -> tuple[xr.DataArray, str]:
    if isinstance(target, xr.DataArray):
        return target, str(target.name or target.attrs.get("long_name") or "target")
    if not isinstance(target, str) or target not in cohort:
        raise InputError(
            f"the cohort has no {target!r}; {did_you_mean(str(target), map(str, cohort.data_vars))}"
        )
    return cohort[target], target


def _check_dims(cohort: xr.Dataset, array: xr.DataArray) -> None:
    extra = set(array.dims) - {*TRIAL, "event"}
    if extra or not set(TRIAL) <= set(array.dims):
        raise InputError(
            f"the target has dims ({', '.join(map(str, array.dims))}), expected session, trial "
            "(, event)"
        )
    if any(array.sizes[d] != cohort.sizes[d] for d in TRIAL) or (
        "session_id" in array.coords
        and array["session_id"].values.tolist() != cohort["session_id"].values.tolist()
    ):
        raise InputError("the target has other sessions or trials than the cohort")


def _wanted(classes: bool | None, estimator: Any) -> bool | None:
    """Say what the caller or the estimator asks for; None leaves it to the rule."""
    if estimator is None:
        return classes
    from sklearn.base import is_classifier

    of_estimator = isinstance(estimator, str) or is_classifier(estimator)
    if classes is not None and classes != of_estimator:
        kind = "classifier" if of_estimator else "regressor"
        raise InputError(f"classes is {classes}, but the estimator is a {kind}")
    return bool(of_estimator)


def _few_whole(kinds: np.ndarray, name: str) -> bool:
    """Apply the rule to values of a float type."""
    if not len(kinds) or len(kinds) > MOST_CLASSES or (kinds != np.round(kinds)).any():
        return False
    if kinds[0] >= 0 or kinds.tolist() == [-1, 1]:
        return True
    if kinds[0] < -1:
        return False
    listed = ", ".join(f"{k:g}" for k in kinds)
    raise InputError(
        f"target {name!r} takes the values {listed}: say whether -1 means none (classes=True) or "
        "is a number like the others (classes=False)"
    )


def _check_classes(kinds: np.ndarray, name: str) -> None:
    broken = kinds[kinds != np.round(kinds)]
    if len(broken):
        raise InputError(
            f"a classifier needs a target of whole numbers, got {broken[0]:g} in {name!r}; recode, "
            "for example (target > 0).astype(int)"
        )


def _without_none(values: np.ndarray, kinds: np.ndarray, name: str) -> np.ndarray:
    """Make -1 NaN, unless it is one of the only two classes of a float type."""
    if len(kinds) and kinds[0] < -1:
        raise InputError(
            f"target {name!r} has the value {kinds[0]:g}; classes are 0, 1, ... and -1 for none: "
            "recode, or decode numbers: classes=False"
        )
    return values if kinds.tolist() == [-1, 1] else np.where(values >= 0, values, np.nan)
