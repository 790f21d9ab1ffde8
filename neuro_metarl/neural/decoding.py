"""Read task variables out of activity, across trials that are kept apart, against shifted labels.

Activity drifts, and labels come in blocks. Two things then look like a code that is none: a
decoder that was trained on the neighbours of the trials it is tested on, and a null distribution
of shuffled labels, which breaks the blocks up. Here folds are whole sessions, or contiguous blocks
of trials with a gap, and the null distribution shifts the labels in a circle within each session,
which keeps the labels' own autocorrelation as it is.

References
----------
Harris 2020, doi:10.1101/2020.11.29.402719 (nonsense correlations); Varoquaux et al. 2017,
doi:10.1016/j.neuroimage.2016.10.038 (cross-validation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.folds import FewTrialsError, make_folds
from neuro_metarl.neural.ridge import nested_ridge
from neuro_metarl.neural.shifts import Null, nulls
from neuro_metarl.progress import progress_bar
from neuro_metarl.stats import clusters_of, interval, multiplicities

__all__ = ["decode"]

STATISTIC = ["value", "low", "high"]
TRIAL = ("session", "trial")


def decode(
    cohort: xr.Dataset,
    target: str | xr.DataArray,
    *,
    variable: str = "activity",
    events: Sequence[str] | None = None,
    estimator: Any = None,
    per: Literal["subject", "session"] = "subject",
    folds: Any = "auto",
    n_folds: int = 5,
    gap: int = 10,
    null: Null = "circular_shift",
    n_permutations: int = 200,
    least_shift: int | None = None,
    where: xr.DataArray | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Decode a variable of the task from activity, event by event.

    Parameters
    ----------
    cohort
        Cohort with activity, dims session, trial, event, unit.
    target
        Variable of the cohort or array of your own, dims session, trial (, event: each event is
        then decoded into its own). Whole numbers are classes, -1 meaning none; other numbers are
        decoded by regression, NaN meaning none.
    variable
        ``"activity"``, ``"cell"``, or any variable of those dims.
    events
        Default: all.
    estimator
        None: ridge regression; for classes, ridge regression on their indicators, the largest
        winning. ``"logistic"``: logistic regression, L2. Else any scikit-learn classifier or
        regressor, pipelines and searches included; where it has a parameter ``cv`` that is None,
        that becomes the folds of this analysis, inside the training trials.
    per
        ``"subject"``: one decoder for all sessions of a subject, whose units must be the same
        throughout. ``"session"``: each session by itself.
    folds
        ``"sessions"``, ``"blocks"`` (contiguous, the same number in every session), ``"auto"``:
        sessions where there are at least ``n_folds``; or a scikit-learn splitter, which is given
        the sessions as groups.
    n_folds
        At least 3.
    gap
        Trials on either side of a block that are not trained on.
    null
        ``"circular_shift"``: labels turned in a circle within each session, by a number of trials
        of its own. ``"session_permutation"``: labels of another session, trial by trial (where
        activity and labels follow the same course in every session). ``"shuffle"``: labels in any
        order, which is wrong wherever both are autocorrelated.
    n_permutations
        Null decodings; 0 for none.
    least_shift
        Shortest shift, in trials; default a tenth of the session.
    where
        bool, dims session, trial: trials to use; default every valid trial.
    n_bootstrap, confidence, seed
        Of the interval and the null.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        Dims subject (or session), event: ``score`` (statistic: value, low, high), the accuracy or
        the cross-validated R2; ``null_score`` (null); ``p``, one-sided, ``(1 + null scores at
        least as high) / (1 + null scores)``; ``chance``, the rate of the most frequent class, or
        0; ``balanced_accuracy`` for classes; ``n`` trials, ``n_units``; ``problem``: why there is
        no score, if so. ``prediction`` (session, trial, event), each trial by the decoder that did
        not see it.

    Raises
    ------
    InputError
        Unknown names; a target of one class; activity that is missing (NaN) on some trials of a
        unit; no subject or session long enough; an estimator that is none.

    Notes
    -----
    ``R2 = 1 - sum (y - prediction)^2 / sum (y - training mean)^2``, over all folds; below 0 where
    the decoder is worse than the mean. Penalties are chosen anew for every fold and every null
    decoding, within the training trials. The interval is a bootstrap over sessions (or blocks) of
    the errors, the decoders held. Units that a subject or session never had (NaN throughout)
    are left out.

    The shift assumes that what drifts is stationary within a session. A code of the trial's
    place in the session (fatigue, a block that always ends at trial 40) is not in its null: use
    ``null="session_permutation"`` there.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> rng = np.random.default_rng(0)
    >>> choice = rng.integers(2, size=(6, 40))
    >>> rates = choice[..., None, None] * [1.0, 0.0] + rng.normal(size=(6, 40, 1, 2))
    >>> cohort = make_cohort({"choice": choice, "reward": choice, "activity": rates},
    ...                      subject=["a"] * 6, task="bandit", source="animal",
    ...                      coords={"event": ["cue"]})
    >>> table = decode(cohort, "choice", n_permutations=39)
    >>> table.score.sel(subject="a", event="cue", statistic="value").values.round(2), table.p.item()
    (np.float64(0.7), 0.025)
    """
    if n_permutations < 0:
        raise InputError(f"n_permutations is {n_permutations}, expected 0 or more")
    if per not in ("subject", "session"):
        raise InputError(f"per is {per!r}, expected 'subject' or 'session'")
    activity = _activity(cohort, variable, events)
    plan = _Plan(folds, n_folds, gap, null, n_permutations, least_shift, _check(estimator))
    labels, plan = _labels(cohort, target, activity, plan)
    keep = _rows(cohort, where)
    names = subjects_of(cohort) if per == "subject" else cohort["session_id"].values.tolist()
    owner = cohort["subject" if per == "subject" else "session_id"].values
    if per == "session":
        names, owner = list(range(len(names))), np.arange(len(names))
    shape = (*cohort["valid"].transpose(*TRIAL).shape, activity.sizes["event"])
    prediction = np.full(shape, np.nan, np.float32)
    found: list[list[_Score]] = []
    with progress_bar("decoding", len(names), shown=progress) as show:
        for i, name in enumerate(names):
            sessions = np.flatnonzero(owner == name)
            label = _describe(cohort, per, name)
            scores = []
            for e in range(activity.sizes["event"]):
                rows = _take(activity, labels, keep, sessions, e, label)
                score = _decode_rows(rows, plan, label, n_bootstrap, confidence, seed)
                scores.append(score)
                prediction[rows.session, rows.trial, e] = score.prediction
            found.append(scores)
            show(i + 1, label)
    problems = [s.problem for scores in found for s in scores]
    if all(problems):
        raise InputError(problems[0])
    return _as_dataset(cohort, activity, found, prediction, plan, per, target, seed)


@dataclass(frozen=True)
class _Plan:
    folds: Any
    n_folds: int
    gap: int
    null: Null
    n_permutations: int
    least_shift: int | None
    estimator: Any
    classes: bool = False


@dataclass(frozen=True)
class _Rows:
    """Trials of one subject or session at one event, in order."""

    x: np.ndarray
    y: np.ndarray
    session: np.ndarray
    trial: np.ndarray


@dataclass(frozen=True)
class _Score:
    prediction: np.ndarray
    score: np.ndarray
    null_score: np.ndarray
    chance: float
    balanced: float
    n: int
    n_units: int
    problem: str = ""


def _check(estimator: Any) -> Any:
    if estimator is None or (isinstance(estimator, str) and estimator == "logistic"):
        return estimator
    from sklearn.base import clone

    try:
        clone(estimator)
        usable = hasattr(estimator, "fit") and hasattr(estimator, "predict")
    except TypeError:
        usable = False
    if not usable:
        raise InputError(
            f"estimator is {estimator!r}, expected 'logistic' or a scikit-learn classifier or "
            "regressor, for example sklearn.svm.LinearSVC() (an object, not a class)"
        )
    return estimator


def _activity(cohort: xr.Dataset, variable: str, events: Sequence[str] | None) -> xr.DataArray:
    if variable not in cohort:
        many = [str(k) for k, v in cohort.data_vars.items() if "unit" in v.dims]
        raise InputError(
            f"the cohort has no {variable!r}; "
            + (did_you_mean(variable, many) if many else "it holds no activity")
        )
    activity = cohort[variable]
    if set(activity.dims) != {*TRIAL, "event", "unit"}:
        raise InputError(
            f"{variable} has dims ({', '.join(map(str, activity.dims))}), expected session, "
            "trial, event, unit"
        )
    if "event" not in activity.coords:
        activity = activity.assign_coords(event=[str(k) for k in range(activity.sizes["event"])])
    known = [str(e) for e in activity["event"].values]
    activity = activity.assign_coords(event=known)
    wanted = known if events is None else [events] if isinstance(events, str) else list(events)
    for name in wanted:
        if name not in known:
            raise InputError(f"no event {name!r}; {did_you_mean(name, known)}")
    return activity.sel(event=wanted).transpose(*TRIAL, "event", "unit")


def _labels(
    cohort: xr.Dataset, target: str | xr.DataArray, activity: xr.DataArray, plan: _Plan
) -> tuple[np.ndarray, _Plan]:
    """Return labels, dims session, trial, event, NaN where none, and whether they are classes."""
    if isinstance(target, str):
        if target not in cohort:
            raise InputError(
                f"the cohort has no {target!r}; {did_you_mean(target, map(str, cohort.data_vars))}"
            )
        array = cohort[target]
    else:
        array = target
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
    if "event" in array.dims:
        missing = sorted(set(activity["event"].values) - set(array["event"].values))
        if missing:
            raise InputError(f"the target has no event {missing[0]!r}; choose events=")
        array = array.sel(event=activity["event"].values)
    if array.dtype.kind not in "biuf":
        raise InputError(f"the target is of type {array.dtype}, expected numbers")
    whole = array.dtype.kind in "biu"
    classes = whole
    if plan.estimator is not None:
        from sklearn.base import is_classifier

        classes = isinstance(plan.estimator, str) or is_classifier(plan.estimator)
        if classes and not whole:
            raise InputError(
                "a classifier needs a target of whole numbers, got "
                f"{array.dtype}; recode, for example (target > 0).astype(int)"
            )
    labels = array.astype(float)
    labels = labels.where(labels >= 0) if whole else labels
    full = labels.broadcast_like(activity.isel(unit=0, drop=True)).transpose(*TRIAL, "event")
    return full.values, replace(plan, classes=bool(classes))


def _rows(cohort: xr.Dataset, where: xr.DataArray | None) -> np.ndarray:
    valid = cohort["valid"].transpose(*TRIAL).values == 1
    if where is None:
        return valid
    if set(where.dims) - set(TRIAL) or where.dtype != bool:
        raise InputError("where has to be true or false along session and trial")
    return np.asarray(valid & where.broadcast_like(cohort["valid"]).transpose(*TRIAL).values)


def _describe(cohort: xr.Dataset, per: str, name: Any) -> str:
    if per == "subject":
        return f"subject {name!r}"
    return (
        f"session {str(cohort['session_id'].values[name])!r} of subject "
        f"{str(cohort['subject'].values[name])!r}"
    )


def _take(
    activity: xr.DataArray, labels: np.ndarray, keep: np.ndarray, sessions: np.ndarray,
    event: int, label: str,
) -> _Rows:  # fmt: skip
    number, trial = np.nonzero(keep[sessions] & np.isfinite(labels[sessions, :, event]))
    session = sessions[number]
    x = activity.isel(session=sessions, event=event).values[number, trial].astype(float)
    missing = ~np.isfinite(x)
    never = missing.all(axis=0)
    some = missing.any(axis=0) & ~never
    if some.any():
        k = int(some.argmax())
        unit = activity["unit"].values[k] if "unit" in activity.coords else k
        raise InputError(
            f"{label}, event {str(activity['event'].values[event])!r}: activity of unit {unit} is "
            f"missing (NaN) on {int(missing[:, k].sum())} of {len(x)} trials ({int(some.sum())} "
            "such units); leave out these units or trials (where=), or decode per='session'"
        )
    return _Rows(x[:, ~never], labels[session, trial, event], session, trial)


def _decode_rows(
    rows: _Rows, plan: _Plan, label: str, n_bootstrap: int, confidence: float, seed: int
) -> _Score:
    rng = np.random.default_rng(seed)
    n, n_units = rows.x.shape
    try:
        _need(rows, plan, label)
        fold, near = make_folds(
            rows.x, rows.y, rows.session, rows.trial,
            folds=plan.folds, n_folds=plan.n_folds, gap=plan.gap, label=label,
        )  # fmt: skip
        others = nulls(
            rows.y, rows.session, plan.null, plan.n_permutations, rng,
            least=plan.least_shift, label=label,
        )  # fmt: skip
    except FewTrialsError as few:
        empty = np.full(n, np.nan), np.full(3, np.nan), np.full(plan.n_permutations, np.nan)
        return _Score(*empty, np.nan, np.nan, n, n_units, str(few))
    y = np.column_stack([rows.y, *others])
    predicted, baseline = _predict(rows.x, y, fold, near, plan)
    if plan.classes:
        loss, scale = (predicted == y).astype(float), np.ones_like(y)
    else:
        loss, scale = (y - predicted) ** 2, (y - baseline) ** 2
    total = loss.sum(0) / scale.sum(0)
    scores = total if plan.classes else 1 - total
    cluster = clusters_of(rows.session)
    n_clusters = int(cluster.max()) + 1
    sums = np.stack([np.bincount(cluster, w[:, 0], n_clusters) for w in (loss, scale)])
    times = multiplicities(n_clusters, n_bootstrap, rng)
    ratio = (times @ sums[0]) / (times @ sums[1])
    draws = ratio if plan.classes else 1 - ratio
    low, high = interval(scores[:1], draws[:, None], np.zeros(1), confidence=confidence)
    null_score = np.full(plan.n_permutations, np.nan)
    null_score[: len(scores) - 1] = scores[1:]
    chance, balanced = 0.0, np.nan
    if plan.classes:
        kinds, counts = np.unique(rows.y, return_counts=True)
        chance = float(counts.max() / n)
        balanced = float(np.mean([loss[rows.y == c, 0].mean() for c in kinds]))
    return _Score(
        predicted[:, 0], np.array([scores[0], low[0], high[0]]), null_score, chance, balanced, n,
        n_units,
    )  # fmt: skip


def _need(rows: _Rows, plan: _Plan, label: str) -> None:
    if not len(rows.y):
        raise FewTrialsError(f"{label} has no trial with a target")
    if not rows.x.shape[1]:
        raise FewTrialsError(f"{label} has no unit with activity")
    kinds = np.unique(rows.y)
    if len(kinds) < 2:
        what = "class" if plan.classes else "value"
        none = "; -1 means none" if plan.classes else ""
        raise FewTrialsError(f"{label}: the target has one {what} only ({kinds[0]:g}{none})")


def _predict(
    x: np.ndarray, y: np.ndarray, fold: np.ndarray, near: np.ndarray, plan: _Plan
) -> tuple[np.ndarray, np.ndarray]:
    """Predict every column of labels; also the mean of the training labels, both (row, column)."""
    baseline = np.empty_like(y)
    for k in range(near.shape[1]):
        baseline[fold == k] = y[~near[:, k]].mean(axis=0)
    if plan.estimator is not None:
        from neuro_metarl.neural.estimators import predict_folds

        return predict_folds(plan.estimator, x, y, fold, near), baseline
    if not plan.classes:
        return nested_ridge(x, y[:, :, None], fold, near)[0][:, :, 0].astype(float), baseline
    kinds = np.unique(y)
    if len(kinds) == 2:
        above = nested_ridge(x, (y == kinds[1]).astype(float)[:, :, None], fold, near)[0][..., 0]
        return kinds[(above > 0.5).astype(int)], baseline
    indicators = (y[:, :, None] == kinds).astype(float)
    return kinds[nested_ridge(x, indicators, fold, near)[0].argmax(axis=2)], baseline


def _as_dataset(
    cohort: xr.Dataset, activity: xr.DataArray, found: list[list[_Score]],
    prediction: np.ndarray, plan: _Plan, per: str, target: str | xr.DataArray, seed: int,
) -> xr.Dataset:  # fmt: skip
    def table(name: str) -> np.ndarray:
        return np.array([[getattr(s, name) for s in scores] for scores in found])

    score, null_score = table("score"), table("null_score")
    done = np.isfinite(null_score)
    with np.errstate(invalid="ignore"):
        above = (null_score >= score[:, :, :1]).sum(axis=2)
    p = np.where(done.any(axis=2), (1 + above) / (1 + done.sum(axis=2)), np.nan)
    dims = (per, "event")
    data = {
        "score": ((*dims, "statistic"), score),
        "null_score": ((*dims, "null"), null_score.astype(np.float32)),
        "p": (dims, p),
        "chance": (dims, table("chance")),
        **({"balanced_accuracy": (dims, table("balanced"))} if plan.classes else {}),
        "n": (dims, table("n")),
        "n_units": (dims, table("n_units")),
        "problem": (dims, table("problem")),
        "prediction": ((*TRIAL, "event"), prediction),
    }
    coords: dict[str, Any] = {"event": activity["event"].values, "statistic": STATISTIC}
    if per == "subject":
        coords["subject"] = subjects_of(cohort)
        coords["subject_of_session"] = ("session", cohort["subject"].values)
    else:
        coords["subject"] = ("session", cohort["subject"].values)
    coords["session_id"] = ("session", cohort["session_id"].values)
    named = target if isinstance(target, str) else target.name or target.attrs.get("long_name")
    return xr.Dataset(
        data,
        coords=coords,
        attrs={
            "target": str(named or "target"),
            "measure": "accuracy" if plan.classes else "cross-validated R2",
            "estimator": "ridge" if plan.estimator is None else repr(plan.estimator),
            "folds": plan.folds if isinstance(plan.folds, str) else repr(plan.folds),
            "n_folds": plan.n_folds, "gap": plan.gap, "null": plan.null, "seed": seed,
            "interval": "session bootstrap of the errors, decoders held",
        },
    )  # fmt: skip
