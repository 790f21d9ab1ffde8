"""Whose prediction errors a subject's own signal carries: model-based or model-free.

A subject's reward-prediction error or value (a network's, or a recorded dopamine signal) is
regressed on those of a model-based and of a model-free learner, jointly. The two are correlated:
both know the reward, and where the subject is right both expect it. A regression on one alone
therefore says little. What counts is what each explains that the other does not.

References
----------
Daw et al. 2011, doi:10.1016/j.neuron.2011.02.027; Wang et al. 2018,
doi:10.1038/s41593-018-0147-8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.stats import clusters_of, interval, multiplicities

__all__ = ["prediction_error_regression"]

STATISTIC = ["value", "low", "high"]
DIFFERENCE = ("model_free", "difference")
WORST_CONDITION = 1e8
LEAST_SSE = 1e-9
COLLINEAR = "regressors cannot be told apart"


def prediction_error_regression(
    cohort: xr.Dataset,
    signals: xr.Dataset | Sequence[xr.Dataset],
    *,
    variable: str | xr.DataArray = "rpe",
    predictor: str | None = None,
    events: Sequence[str] | Mapping[str, str] | None = None,
    covariates: Sequence[str] = (),
    where: xr.DataArray | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Regress subjects' own prediction errors or values on those of models.

    Parameters
    ----------
    cohort
        Cohort with the variable, dims session, trial, event.
    signals
        What :func:`neuro_metarl.model_signals` gave for this cohort: one data set, or several
        that are joined along ``system``.
    variable
        ``"rpe"``, ``"value"``, or an array with dims session, trial (, event), such as one unit
        of the activity.
    predictor
        ``"rpe"`` or ``"value"`` of the signals; default: the same as the variable, else "rpe".
    events
        Events to look at; a mapping pairs events of the cohort with events of the signals
        (``{"outcome": "second_step"}``). Default: the events that both have.
    covariates
        Variables of the cohort, dims session, trial, that every regression also holds. With
        ``["reward"]`` the errors at the outcome are compared by what was expected alone.
    where
        bool, dims session, trial: trials to use; default every valid trial.
    n_bootstrap, confidence, seed
        Of the bootstrap over a subject's sessions.

    Returns
    -------
    xarray.Dataset
        Dims subject, event, (system,) statistic (value, low, high): ``weight`` (system), of the
        joint least squares, in the signals' units; ``cpd`` (system), the coefficient of partial
        determination ``(SSE_without - SSE) / SSE_without``; ``unique`` (system), that difference
        as a share of the total variance; ``r2_alone`` (system); ``r2``. With a model-based and a
        model-free system also ``difference_weight`` (difference_term): the same regression
        written as model-free error + model-based minus model-free difference (Daw et al. 2011).
        ``n`` and ``problem`` (subject, event): trials, and why there are no weights, if so. A
        shared part of the variance is not lost: ``r2`` holds it, ``unique`` does not.

    Raises
    ------
    InputError
        Unknown names, signals of another cohort, a variable that is missing (NaN) on trials that
        count, or too few trials.

    Notes
    -----
    The bootstrap is exact: each draw weighs the sessions' own cross-products (with fewer than 12
    sessions, blocks of trials). Intervals of weights are no narrower than the model-based error.
    ``cpd`` and ``unique`` cannot be negative, so their intervals never reach across 0: judge them
    by size, and whether there is anything by the interval of the weight. With covariates,
    ``r2_alone`` and ``r2`` hold what the covariates explain too.

    Examples
    --------
    >>> from neuro_metarl import load_dataset, model_signals
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
    keep = _rows(cohort, where)
    subjects, systems = subjects_of(cohort), joined["system"].values.tolist()
    fits = []
    for subject in subjects:
        mine = keep & (cohort["subject"].values == subject)[:, None]
        for mine_event, other in pairs.items():
            y = outcome.sel(event=mine_event) if "event" in outcome.dims else outcome
            x = joined[name].sel(event=other).transpose("system", "session", "trial").values
            table = _Table(
                np.column_stack([x[:, mine].T, *(c[mine] for c in nuisance)]),
                y.transpose("session", "trial").values[mine],
                clusters_of(np.nonzero(mine)[0]),
            )
            table.check(subject, mine_event)
            rng = np.random.default_rng(seed)
            fits.append(_regress(table, len(systems), n_bootstrap, confidence, rng))
    return _as_dataset(
        fits, subjects, pairs, systems,
        {
            "variable": variable if isinstance(variable, str) else str(outcome.name or "variable"),
            "predictor": name, "covariates": ", ".join(covariates),
            "interval": f"session bootstrap, {n_bootstrap} draws", "confidence": confidence,
            "seed": seed,
        },
    )  # fmt: skip


@dataclass(frozen=True)
class _Table:
    """Rows of one subject at one event: predictors (systems first), outcome, cluster."""

    x: np.ndarray
    y: np.ndarray
    cluster: np.ndarray

    def check(self, subject: str, event: str) -> None:
        where = f"subject {subject!r}, event {event!r}"
        if len(self.y) <= self.x.shape[1] + 1:
            raise InputError(
                f"{where}: {len(self.y)} trials, too few for {self.x.shape[1]} predictors"
            )
        for what, values in (("the variable", self.y), ("a predictor", self.x)):
            bad = int((~np.isfinite(values)).reshape(len(self.y), -1).any(axis=1).sum())
            if bad:
                raise InputError(
                    f"{where}: {what} is missing (NaN) on {bad} of {len(self.y)} trials that "
                    "count; choose the trials with where="
                )


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
    extra = set(variable.dims) - {"session", "trial", "event"}
    if extra or not {"session", "trial"} <= set(variable.dims):
        raise InputError(
            f"the variable has dims ({', '.join(map(str, variable.dims))}), expected session, "
            "trial (, event); choose one unit, for example cohort.activity.sel(unit=0)"
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


def _rows(cohort: xr.Dataset, where: xr.DataArray | None) -> np.ndarray:
    valid = cohort["valid"].transpose("session", "trial").values == 1
    if where is None:
        return valid
    if set(where.dims) - {"session", "trial"} or where.dtype != bool:
        raise InputError("where has to be true or false along session and trial")
    wanted = where.broadcast_like(cohort["valid"]).transpose("session", "trial").values
    return np.asarray(valid & wanted)


@dataclass(frozen=True)
class _Fit:
    quantities: dict[str, np.ndarray]
    n: int
    problem: str


def _regress(
    table: _Table, n_systems: int, n_bootstrap: int, confidence: float, rng: np.random.Generator
) -> _Fit:
    """Solve the joint regression and those without each system, for the data and each draw."""
    scale = np.append(table.x.std(axis=0), table.y.std())
    scale[scale < 1e-12] = 1.0
    data = np.column_stack([table.x, table.y])
    data = np.column_stack([np.ones(len(data)), (data - data.mean(axis=0)) / scale])
    n_clusters = int(table.cluster.max()) + 1
    products = np.zeros((n_clusters, data.shape[1], data.shape[1]))
    for k in range(n_clusters):
        mine = data[table.cluster == k]
        products[k] = mine.T @ mine
    times = multiplicities(n_clusters, n_bootstrap, rng)
    everything = np.concatenate([np.ones((1, n_clusters)), times])
    moments = np.tensordot(everything, products, axes=1)
    p = table.x.shape[1]
    solved = _solve(moments, n_systems, p)
    total = _sse(moments, [0])[0]
    problem = ""
    inner = moments[0][: p + 1, : p + 1]
    still = [k for k in range(n_systems) if np.ptp(table.x[:, k]) < 1e-12]
    if still:
        problem = "a regressor is constant"
    elif np.linalg.cond(inner) > WORST_CONDITION:
        problem = COLLINEAR
    with np.errstate(invalid="ignore", divide="ignore"):
        full, without, alone = solved["full"], solved["without"], solved["alone"]
        per_system = {
            "weight": solved["weight"] * (scale[-1] / scale[:n_systems]),
            "cpd": np.where(without > 0, (without - full[:, None]) / without, 0),
            "unique": (without - full[:, None]) / total[:, None],
            "r2_alone": 1 - alone / total[:, None],
            "r2": (1 - full / total)[:, None],
        }
    error = _model_error(inner, full[0], len(table.y), p)[:n_systems]
    least = {"weight": error * scale[-1] / scale[:n_systems]}
    if n_systems == 2:
        weight = per_system["weight"]
        per_system["difference_weight"] = np.stack([weight.sum(axis=1), weight[:, 0]], axis=1)
        least["difference_weight"] = np.zeros(2)
    if problem:
        for name in ("weight", "cpd", "unique", "difference_weight"):
            if name in per_system:
                per_system[name] = np.full_like(per_system[name], np.nan)
    quantities = {}
    for name, draws in per_system.items():
        floor = least.get(name, np.zeros(draws.shape[1]))
        low, high = interval(draws[0], draws[1:], floor, confidence=confidence)
        quantities[name] = np.stack([draws[0], low, high], axis=-1)
    return _Fit(quantities, len(table.y), problem)


def _solve(moments: np.ndarray, n_systems: int, p: int) -> dict[str, np.ndarray]:
    everything = list(range(p + 1))
    covariates = [0, *range(1 + n_systems, p + 1)]
    full, weights = _sse(moments, everything)
    without, alone = [], []
    for k in range(1, 1 + n_systems):
        without.append(_sse(moments, [j for j in everything if j != k])[0])
        alone.append(_sse(moments, sorted([*covariates, k]))[0])
    return {
        "full": full,
        "weight": weights[:, 1 : 1 + n_systems],
        "without": np.stack(without, axis=1),
        "alone": np.stack(alone, axis=1),
    }


def _sse(moments: np.ndarray, columns: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Sum of squared errors and weights of a least-squares fit, by its cross-products."""
    inner = moments[:, columns][:, :, columns]
    cross = moments[:, columns, -1]
    ridge = 1e-12 * np.trace(inner, axis1=1, axis2=2)[:, None, None] * np.eye(len(columns))
    weights = np.linalg.solve(inner + ridge, cross[..., None])[..., 0]
    explained = 2 * (weights * cross).sum(1) - np.einsum("si,sij,sj->s", weights, inner, weights)
    total = moments[:, -1, -1]
    sse = total - explained
    return np.where(sse > LEAST_SSE * total, sse, 0), weights


def _model_error(inner: np.ndarray, sse: float, n: int, p: int) -> np.ndarray:
    variance = sse / max(1, n - p - 1)
    return np.sqrt(np.maximum(np.diag(np.linalg.pinv(inner)) * variance, 0))[1:]


def _as_dataset(
    fits: list[_Fit], subjects: list[str], pairs: dict[str, str], systems: list[str],
    attrs: dict[str, object],
) -> xr.Dataset:  # fmt: skip
    shape = (len(subjects), len(pairs))

    def stacked(name: str) -> np.ndarray:
        arrays = np.array([fit.quantities[name] for fit in fits])
        return arrays.reshape(*shape, *arrays.shape[1:])

    of_system = ("subject", "event", "system", "statistic")
    data = {k: (of_system, stacked(k)) for k in ("weight", "cpd", "unique", "r2_alone")}
    coords: dict[str, object] = {
        "subject": subjects, "event": list(pairs), "system": systems, "statistic": STATISTIC
    }  # fmt: skip
    if set(systems) == {"model_based", "model_free"}:
        of_term = ("subject", "event", "difference_term", "statistic")
        data["difference_weight"] = (of_term, stacked("difference_weight"))
        coords["difference_term"] = list(DIFFERENCE)
    return xr.Dataset(
        {
            **data,
            "r2": (("subject", "event", "statistic"), stacked("r2")[:, :, 0]),
            "n": (("subject", "event"), np.reshape([fit.n for fit in fits], shape)),
            "problem": (("subject", "event"), np.reshape([fit.problem for fit in fits], shape)),
        },
        coords=coords,
        attrs=attrs,
    )
