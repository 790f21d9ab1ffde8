"""Whose prediction errors a subject's own signal carries: model-based or model-free.

A subject's reward-prediction error or value (a network's, or a recorded dopamine signal), or the
activity of each of its units, is regressed on those of a model-based and of a model-free learner,
jointly. The two are correlated: both know the reward, and where the subject is right both expect
it. A regression on one alone therefore says little. What counts is what each explains that the
other does not.

References
----------
Daw et al. 2011, doi:10.1016/j.neuron.2011.02.027; Wang et al. 2018,
doi:10.1038/s41593-018-0147-8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.intervals import LEAST_SESSIONS
from neuro_metarl.neural.joint_weights import WeightTable, columns_together, regress
from neuro_metarl.neural.recordings import counted_trials
from neuro_metarl.stats import clusters_of

__all__ = ["prediction_error_regression"]

JACKKNIFE = "session jackknife with Student's t; of blocks of trials with fewer than 4 sessions"


def prediction_error_regression(
    cohort: xr.Dataset,
    signals: xr.Dataset | Sequence[xr.Dataset],
    *,
    variable: str | xr.DataArray = "rpe",
    predictor: str | None = None,
    events: Sequence[str] | Mapping[str, str] | None = None,
    covariates: Sequence[str] = (),
    where: xr.DataArray | None = None,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Regress subjects' own prediction errors or values on those of models.

    Parameters
    ----------
    cohort
        Cohort with the variable, dims session, trial, event.
    signals
        What :func:`neuro_metarl.models.model_signals` gave for this cohort: one data set, or
        several that are joined along ``system``.
    variable
        ``"rpe"``, ``"value"``, ``"activity"``, or an array with dims session, trial (, event)
        (, unit). All units are regressed at once, each on its own sessions and trials.
    predictor
        ``"rpe"`` or ``"value"`` of the signals; default: the same as the variable, else "rpe".
    events
        Events to look at; a mapping pairs events of the cohort with events of the signals
        (``{"outcome": "second_step"}``). Default: the events that both have.
    covariates
        Variables of the cohort, dims session, trial, that every regression also holds. With
        ``["reward"]`` the errors at the outcome are compared by what was expected alone.
    where
        bool, dims session, trial: the trials that count; default every valid trial.
    confidence
        Of the intervals.

    Returns
    -------
    xarray.Dataset
        Dims subject, event, (unit,) (system,) statistic (value, low, high): ``weight`` (system), of
        the joint least squares, in the signals' units; ``cpd`` (system), the coefficient of partial
        determination ``(SSE_without - SSE) / SSE_without``; ``unique`` (system), that difference
        as a share of the total variance; ``r2_alone`` (system); ``r2``. With a model-based and a
        model-free system also ``difference_weight`` (difference_term): the same regression
        written as model-free error + model-based minus model-free difference (Daw et al. 2011).
        ``n`` and ``problem`` (subject, event): trials on which the variable is not missing, and why
        there are no weights, if so. A shared part of the variance is not lost: ``r2`` holds it,
        ``unique`` does not. ``p`` (system) of the weight; with units also ``q``, its
        false-discovery rate (Benjamini and Hochberg) over the units and events of a subject.
        :func:`neuro_metarl.neural.fraction_significant` counts units, also area by area.

    Raises
    ------
    InputError
        Unknown names, signals of another cohort, predictors that are missing (NaN) on trials that
        count, a variable that is infinite, or that is missing throughout at an event, or too few
        trials.

    Warns
    -----
    UserWarning
        Units that have no trial at an event, too few trials, or do not vary: NaN, with a
        ``problem``.

    Notes
    -----
    ``p`` is two-sided, of t: the weight over its standard error, that of the jackknife but no less
    than the model-based error, with one degree of freedom less than there are sessions.

    The jackknife (see :mod:`neuro_metarl.intervals`) leaves sessions out, exactly; with fewer than
    four sessions, about 24 blocks of trials, which know nothing of how sessions differ. Intervals
    of weights are no narrower than the model-based error. ``cpd`` and ``unique`` cannot be
    negative, so their intervals never reach across 0: judge them by size, and whether there is
    anything by the interval of the weight. With covariates, ``r2_alone`` and ``r2`` hold what the
    covariates explain too.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> from neuro_metarl.models import model_signals
    >>> rats = load_dataset("synthetic-rats")
    >>> signals = model_signals(rats, "hybrid")
    >>> planted = 0.7 * signals.rpe.sel(system="model_based", drop=True)
    >>> table = prediction_error_regression(rats, signals, variable=planted, events=["first_step"])
    >>> table.weight.sel(statistic="value")[0, 0].values.round(6) + 0.0
    array([0.7, 0. ])
    """
    joined = _joined(cohort, signals)
    outcome = _outcome(cohort, variable)
    default = variable if isinstance(variable, str) and variable in ("rpe", "value") else "rpe"
    name = predictor or default
    if name not in joined:
        raise InputError(
            f"the signals have no {name!r}; {did_you_mean(name, map(str, joined.data_vars))}"
        )
    pairs = _pairs(outcome, joined, events)
    nuisance = _covariates(cohort, covariates)
    keep = counted_trials(cohort, where)
    subjects, systems = subjects_of(cohort), joined["system"].values.tolist()
    table = WeightTable(outcome, subjects, list(pairs), systems)
    for k, subject in enumerate(subjects):
        mine = keep & (cohort["subject"].values == subject)[:, None]
        for e, (mine_event, other) in enumerate(pairs.items()):
            x = joined[name].sel(event=other).transpose("system", "session", "trial").values
            x = np.column_stack([x[:, mine].T, *(c[mine] for c in nuisance)])
            y = outcome.sel(event=mine_event) if "event" in outcome.dims else outcome
            place = f"subject {subject!r}, event {mine_event!r}"
            for units, rows, values in columns_together(y, mine, place):
                if (reason := _too_few(x[rows], place)) and table.of_units:
                    table.fail((k, e), units, len(values), reason)
                    continue
                if reason:
                    raise InputError(reason)
                cluster = _clusters(np.nonzero(mine)[0][rows])
                fit = regress(x[rows], values, cluster, len(systems), confidence)
                table.put((k, e), units, fit)
    table.report()
    return table.as_dataset(
        {
            "variable": variable if isinstance(variable, str) else str(outcome.name or "variable"),
            "predictor": name, "covariates": ", ".join(covariates),
            "interval": JACKKNIFE, "confidence": confidence,
        },
    )  # fmt: skip


def _clusters(session: np.ndarray) -> np.ndarray:
    number = np.unique(session, return_inverse=True)[1]
    return number if number.max(initial=0) + 1 >= LEAST_SESSIONS else clusters_of(session)


def _too_few(x: np.ndarray, place: str) -> str:
    """Say why rows cannot be regressed, if so; refuse predictors that are missing."""
    bad = int((~np.isfinite(x)).any(axis=1).sum())
    if bad:
        raise InputError(
            f"{place}: a predictor is missing (NaN) on {bad} of {len(x)} trials that count; choose "
            "the trials with where="
        )
    if len(x) <= x.shape[1] + 1:
        return f"{place}: {len(x)} trials, too few for {x.shape[1]} predictors"
    return ""


def _joined(cohort: xr.Dataset, signals: xr.Dataset | Sequence[xr.Dataset]) -> xr.Dataset:
    parts = [signals] if isinstance(signals, xr.Dataset) else list(signals)
    if not parts:
        raise InputError("no signals given; make some by model_signals(cohort, model)")
    for part in parts:
        if "system" not in part.dims or not {"session", "trial", "event"} <= set(part.dims):
            raise InputError(
                f"signals have dims ({', '.join(map(str, part.dims))}), expected system, session, "
                "trial, event, as from model_signals(cohort, model)"
            )
        same = all(part.sizes[d] == cohort.sizes[d] for d in ("session", "trial"))
        if not same or part["session_id"].values.tolist() != cohort["session_id"].values.tolist():
            raise InputError("the signals are of other sessions than the cohort's; make them anew")
    joined = parts[0] if len(parts) == 1 else xr.concat(
        [p.drop_attrs() for p in parts], "system", data_vars="minimal", coords="minimal",
        compat="override", join="inner",
    )  # fmt: skip
    names = joined["system"].values.tolist()
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise InputError(
            f"{twice[0]!r} comes twice; keep one, for example signals.sel(system=['model_free'])"
        )
    return joined.sel(system=sorted(names))


def _outcome(cohort: xr.Dataset, variable: str | xr.DataArray) -> xr.DataArray:
    if isinstance(variable, str):
        if variable not in cohort:
            raise InputError(
                f"the cohort has no {variable!r}; "
                + did_you_mean(variable, map(str, cohort.data_vars))
                + ("; networks have it where they were recorded with activity" if variable in
                   ("rpe", "value") else "")
            )  # fmt: skip
        variable = cohort[variable]
    extra = set(variable.dims) - {"session", "trial", "event", "unit"}
    if extra or not {"session", "trial"} <= set(variable.dims):
        raise InputError(
            f"the variable has dims ({', '.join(map(str, variable.dims))}), expected session, "
            "trial (, event) (, unit)"
        )
    if any(variable.sizes[d] != cohort.sizes[d] for d in ("session", "trial")) or (
        "session_id" in variable.coords
        and variable["session_id"].values.tolist() != cohort["session_id"].values.tolist()
    ):
        raise InputError("the variable has other sessions or trials than the cohort")
    return variable


def _pairs(
    outcome: xr.DataArray, signals: xr.Dataset, events: Sequence[str] | Mapping[str, str] | None
) -> dict[str, str]:
    theirs = signals["event"].values.tolist()
    mine = outcome["event"].values.tolist() if "event" in outcome.dims else None
    if events is None:
        shared = [e for e in theirs if mine is None or e in mine]
        if not shared:
            raise InputError(
                f"the variable's events ({', '.join(mine or [])}) are none of the signals' "
                f"({', '.join(theirs)}); pair them, for example events={{'outcome': 'second_step'}}"
            )
        return {e: e for e in shared}
    if isinstance(events, str):
        events = [events]
    pairs = dict(events) if isinstance(events, Mapping) else {e: e for e in events}
    for own, other in pairs.items():
        if mine is not None and own not in mine:
            raise InputError(f"no event {own!r} in the variable; {did_you_mean(own, mine)}")
        if other not in theirs:
            raise InputError(f"no event {other!r} in the signals; {did_you_mean(other, theirs)}")
    return pairs


def _covariates(cohort: xr.Dataset, names: Sequence[str]) -> list[np.ndarray]:
    found = []
    for name in [names] if isinstance(names, str) else names:
        if name not in cohort or set(cohort[name].dims) != {"session", "trial"}:
            per_trial = [str(k) for k, v in cohort.data_vars.items() if v.ndim == 2]
            raise InputError(f"no covariate {name!r} per trial; {did_you_mean(name, per_trial)}")
        found.append(cohort[name].transpose("session", "trial").values.astype(float))
    return found
