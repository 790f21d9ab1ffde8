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
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.folds import FewTrialsError, make_folds
from neuro_metarl.neural.recordings import (
    Population,
    counted_trials,
    names_of,
    population_coords,
    populations_of,
    recorded_units,
    span,
)
from neuro_metarl.neural.ridge import nested_ridge
from neuro_metarl.neural.shifts import Null, distinct_orders, equal_sessions, nulls
from neuro_metarl.neural.targets import Target, read_target
from neuro_metarl.progress import progress_bar
from neuro_metarl.stats import clusters_of, interval, multiplicities

__all__ = ["decode"]

STATISTIC = ["value", "low", "high"]
TRIAL = ("session", "trial")
KINDS = ("auto", "subject", "recording", "session")


def decode(
    cohort: xr.Dataset,
    target: str | xr.DataArray,
    *,
    variable: str = "activity",
    events: Sequence[str] | None = None,
    estimator: Any = None,
    classes: bool | None = None,
    per: Literal["auto", "subject", "recording", "session"] = "auto",
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
        then decoded into its own). Whole numbers are classes, -1 meaning none, also where they are
        stored as floats but take few values; other numbers are decoded by regression, NaN meaning
        none. The rule is in :mod:`neuro_metarl.neural.targets`.
    variable
        ``"activity"``, ``"cell"``, or any variable of those dims.
    events
        Default: all.
    estimator
        None: ridge regression; for classes, ridge regression on their indicators, the largest
        winning. ``"logistic"``: logistic regression, L2. Else any scikit-learn classifier or
        regressor, pipelines and searches included; where it has a parameter ``cv`` that is None,
        that becomes the folds of this analysis, inside the training trials.
    classes
        Overrules what the target is: true, classes; false, numbers.
    per
        ``"auto"``: one decoder for all sessions of a subject where its units were recorded
        together, else one per recording: the sessions in which the same units were recorded.
        ``"subject"`` and ``"recording"`` ask for either; ``"session"``: each session by itself.
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
        of its own. ``"session_permutation"``: the sessions' labels in another order of sessions
        (where activity and labels follow the same course in every session); at least 4 sessions,
        of which 4 reach p = .042, 5 reach .0083. Sessions are first cut to the shortest, for the
        score as well. ``"shuffle"``: labels in any order, which is wrong wherever both are
        autocorrelated.
    n_permutations
        Null decodings; 0 for none. Up to 6 sessions are permuted in all their orders (23, 119, 719
        beside the observed one), whatever this is.
    least_shift
        Shortest shift, in trials; default a tenth of the session.
    where
        bool, dims session, trial: the trials that count; default every valid trial.
    n_bootstrap, confidence, seed
        Of the interval and the null.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        Dims subject (or recording, or session), event: ``score`` (statistic: value, low, high), the
        accuracy or the cross-validated R2; ``null_score`` (null); ``p``, one-sided, ``(1 + null
        scores at least as high) / (1 + null scores)``; ``smallest_p``, the lowest that p can be;
        with session permutation ``n_distinct``, the orders of sessions that give different labels;
        ``chance``, the rate of the most frequent class, or 0; ``balanced_accuracy`` for classes;
        ``n`` trials that have the event, ``n_units``; ``problem``: why there is no score, if so.
        ``prediction`` (session, trial, event), each trial by the decoder that did not see it.

    Raises
    ------
    InputError
        Unknown names; an estimator that is none; or, where that holds for all: a target of one
        class; units that are missing (NaN) on trials on which others are not; too few trials.

    Notes
    -----
    ``R2 = 1 - sum (y - prediction)^2 / sum (y - training mean)^2``, over all folds; below 0 where
    the decoder is worse than the mean. Penalties are chosen anew for every fold and every null
    decoding, within the training trials. The interval is a bootstrap over sessions (or blocks) of
    the errors, the decoders held. Units that a subject or session never had (NaN throughout)
    are left out; so are trials that lack an event, at that event.

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
    if per not in KINDS:
        raise InputError(f"per is {per!r}, expected {', '.join(map(repr, KINDS))}")
    activity = _activity(cohort, variable, events)
    counted = counted_trials(cohort, where)
    labels = read_target(
        cohort, target, counted, activity["event"].values.tolist(),
        classes=classes, estimator=_check(estimator),
    )  # fmt: skip
    plan = _Plan(folds, n_folds, gap, null, n_permutations, least_shift, estimator, labels.classes)
    if per == "session":
        populations = _sessions(cohort, recorded_units(activity, counted))
    else:
        chosen = cohort[["valid"]].assign({variable: activity})
        populations = populations_of(chosen, counted, per=per, variable=variable)
    prediction = np.full(labels.values.shape, np.nan, np.float32)
    found: list[list[_Score]] = []
    with progress_bar("decoding", len(populations), shown=progress) as show:
        for i, population in enumerate(populations):
            scores = []
            for e in range(activity.sizes["event"]):
                score, rows = _decode_one(
                    activity, labels, counted, population, e, plan, n_bootstrap, confidence, seed
                )
                scores.append(score)
                prediction[rows.session, rows.trial, e] = score.prediction
            found.append(scores)
            show(i + 1, population.label)
    problems = [s.problem for scores in found for s in scores]
    if all(problems):
        raise InputError(problems[0])
    return _as_dataset(cohort, activity, populations, found, prediction, plan, labels.name, seed)


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
    n_distinct: float = np.nan
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
    chosen = activity if wanted == known else activity.sel(event=wanted)
    return chosen.transpose(*TRIAL, "event", "unit")


def _sessions(cohort: xr.Dataset, recorded: np.ndarray) -> list[Population]:
    """Make each session a population of its own."""
    names, owners = (cohort[k].values.tolist() for k in ("session_id", "subject"))
    return [
        Population(str(names[k]), str(owners[k]), np.array([k]), np.flatnonzero(units), "session")
        for k, units in enumerate(recorded)
    ]


def _decode_one(
    activity: xr.DataArray, labels: Target, counted: np.ndarray, population: Population,
    event: int, plan: _Plan, n_bootstrap: int, confidence: float, seed: int,
) -> tuple[_Score, _Rows]:  # fmt: skip
    rows, problem = _take(activity, labels, counted, population, event)
    if problem:
        return _empty(rows, plan, problem), rows
    if plan.null == "session_permutation" and plan.n_permutations and len(rows.y):
        kept = equal_sessions(rows.session)
        rows = _Rows(rows.x[kept], rows.y[kept], rows.session[kept], rows.trial[kept])
    score = _decode_rows(rows, plan, population.label, labels.name, n_bootstrap, confidence, seed)
    return score, rows


def _take(
    activity: xr.DataArray, labels: Target, counted: np.ndarray, population: Population, event: int
) -> tuple[_Rows, str]:
    """Read the trials that have a label and the event; also why they cannot be decoded, if so."""
    sessions = population.session
    number, trial = np.nonzero(counted[sessions] & np.isfinite(labels.values[sessions, :, event]))
    here = activity.isel(session=span(sessions), event=event, unit=span(population.unit))
    x = here.values[number, trial].astype(float)
    missing = np.isnan(x)
    if x.shape[1] and missing.any():
        kept = ~missing.all(axis=1)
        number, trial, x, missing = number[kept], trial[kept], x[kept], missing[kept]
    session = sessions[number]
    never = missing.all(axis=0)
    rows = _Rows(x[:, ~never], labels.values[session, trial, event], session, trial)
    place = f"{population.label}, event {str(activity['event'].values[event])!r}"
    if np.isinf(x).any():
        lost = population.unit[np.flatnonzero(np.isinf(x).any(axis=0))]
        return rows, f"{place}: activity of unit {names_of(activity, lost)} is infinite"
    some = missing.any(axis=0) & ~never
    if not len(x) or not some.any():
        return rows, ""
    if not population.together:
        return rows, (
            f"{place}: its units were not recorded in the same sessions; decode per='recording' or "
            "per='session'"
        )
    lost = np.flatnonzero(some)
    return rows, (
        f"{place}: activity of unit {names_of(activity, population.unit[lost])} is missing (NaN) "
        f"on {int(missing[:, lost].any(axis=1).sum())} of {len(x)} trials on which other units "
        "have numbers; leave out these units (cohort.isel(unit=...)) or these trials (where=)"
    )


def _empty(rows: _Rows, plan: _Plan, problem: str) -> _Score:
    n, n_units = rows.x.shape
    empty = np.full(n, np.nan), np.full(3, np.nan), np.empty(0)
    return _Score(*empty, np.nan, np.nan, n, n_units, problem=problem)


def _decode_rows(
    rows: _Rows, plan: _Plan, label: str, target: str, n_bootstrap: int, confidence: float,
    seed: int,
) -> _Score:  # fmt: skip
    rng = np.random.default_rng(seed)
    n, n_units = rows.x.shape
    try:
        _need(rows, plan, label, target)
        fold, near = make_folds(
            rows.x, rows.y, rows.session, rows.trial,
            folds=plan.folds, n_folds=plan.n_folds, gap=plan.gap, label=label,
        )  # fmt: skip
        others = nulls(
            rows.y, rows.session, plan.null, plan.n_permutations, rng,
            least=plan.least_shift, label=label,
        )  # fmt: skip
    except FewTrialsError as few:
        return _empty(rows, plan, str(few))
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
    permuted = plan.null == "session_permutation" and others
    n_distinct = distinct_orders(rows.y, rows.session) if permuted else np.nan
    chance, balanced = 0.0, np.nan
    if plan.classes:
        kinds, counts = np.unique(rows.y, return_counts=True)
        chance = float(counts.max() / n)
        balanced = float(np.mean([loss[rows.y == c, 0].mean() for c in kinds]))
    return _Score(
        predicted[:, 0], np.array([scores[0], low[0], high[0]]), scores[1:], chance, balanced, n,
        n_units, n_distinct,
    )  # fmt: skip


def _need(rows: _Rows, plan: _Plan, label: str, target: str) -> None:
    if not len(rows.y):
        raise FewTrialsError(f"{label} has no trial with a target and the event")
    if not rows.x.shape[1]:
        raise FewTrialsError(f"{label} has no unit with activity")
    kinds = np.unique(rows.y)
    if len(kinds) < 2:
        what = "class" if plan.classes else "value"
        none = "; -1 means none" if plan.classes else ""
        raise FewTrialsError(
            f"{label}: the target {target!r} has one {what} only ({kinds[0]:g}{none})"
        )


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


def _padded(found: list[list[_Score]], least: int) -> np.ndarray:
    """Stack null scores, of which some subjects have fewer, dims (population, event, null)."""
    width = max(least, *(len(s.null_score) for scores in found for s in scores), 0)
    padded = np.full((len(found), len(found[0]), width), np.nan)
    for at in np.ndindex(padded.shape[:2]):
        own = found[at[0]][at[1]].null_score
        padded[(*at, slice(len(own)))] = own
    return padded


def _as_dataset(
    cohort: xr.Dataset, activity: xr.DataArray, populations: list[Population],
    found: list[list[_Score]], prediction: np.ndarray, plan: _Plan, target: str, seed: int,
) -> xr.Dataset:  # fmt: skip
    def table(name: str) -> np.ndarray:
        return np.array([[getattr(s, name) for s in scores] for scores in found])

    score, null_score = table("score"), _padded(found, plan.n_permutations)
    done = np.isfinite(null_score)
    reach = score[:, :, :1] - 1e-9 * np.abs(score[:, :, :1])  # ties up to rounding count as ties
    with np.errstate(invalid="ignore"):
        above = (null_score >= reach).sum(axis=2)
    p = np.where(done.any(axis=2), (1 + above) / (1 + done.sum(axis=2)), np.nan)
    n_distinct = table("n_distinct")
    smallest = np.fmax(1 / (1 + done.sum(axis=2)), 1 / n_distinct)
    permuting = plan.null == "session_permutation"
    kind = populations[0].kind
    dims = (kind, "event")
    data = {
        "score": ((*dims, "statistic"), score),
        "null_score": ((*dims, "null"), null_score.astype(np.float32)),
        "p": (dims, p),
        "smallest_p": (dims, np.where(np.isfinite(p), smallest, np.nan)),
        **({"n_distinct": (dims, n_distinct)} if permuting else {}),
        "chance": (dims, table("chance")),
        **({"balanced_accuracy": (dims, table("balanced"))} if plan.classes else {}),
        "n": (dims, table("n")),
        "n_units": (dims, table("n_units")),
        "problem": (dims, table("problem")),
        "prediction": ((*TRIAL, "event"), prediction),
    }
    coords: dict[str, Any] = {"event": activity["event"].values, "statistic": STATISTIC}
    if kind == "session":
        coords["subject"] = ("session", cohort["subject"].values)
    else:
        coords |= population_coords(populations)
        coords["subject_of_session"] = ("session", cohort["subject"].values)
    if kind == "recording":
        of_session = np.full(cohort.sizes["session"], "", object)
        for population in populations:
            of_session[population.session] = population.name
        coords["recording_of_session"] = ("session", of_session.astype(str))
    coords["session_id"] = ("session", cohort["session_id"].values)
    return xr.Dataset(
        data,
        coords=coords,
        attrs={
            "target": target,
            "per": kind,
            "measure": "accuracy" if plan.classes else "cross-validated R2",
            "estimator": "ridge" if plan.estimator is None else repr(plan.estimator),
            "folds": plan.folds if isinstance(plan.folds, str) else repr(plan.folds),
            "n_folds": plan.n_folds, "gap": plan.gap, "null": plan.null, "seed": seed,
            "interval": "session bootstrap of the errors, decoders held",
        },
    )  # fmt: skip
