"""Joint weights of several systems in many signals at once, with intervals over sessions.

Signals that are known on the same trials share the predictors' cross-products, so that what is
left without a session solves one system of equations for all of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import stdtr

from neuro_metarl.errors import InputError
from neuro_metarl.intervals import session_interval
from neuro_metarl.neural.recordings import names_of, unit_coords
from neuro_metarl.stats import benjamini_hochberg

__all__ = ["Fit", "WeightTable", "columns_together", "regress"]

STATISTIC = ["value", "low", "high"]
DIFFERENCE = ("model_free", "difference")
PER_SYSTEM = ("weight", "cpd", "unique", "r2_alone")
WORST_CONDITION = 1e8
LEAST_SSE = 1e-9
COLLINEAR = "regressors cannot be told apart"
UNITS_AT_ONCE = 64


@dataclass(frozen=True)
class Fit:
    """Regressions of signals on the same predictors.

    Parameters
    ----------
    quantities
        Name to dims (signal, system or 1, statistic).
    p
        Dims (signal, system): of the weights.
    n
        Trials.
    problem
        Dims (signal): why there are no weights, if so.
    """

    quantities: dict[str, np.ndarray]
    p: np.ndarray
    n: int
    problem: list[str]


def columns_together(
    signal: xr.DataArray, counted: np.ndarray, place: str
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Give the signals that are known on the same trials, at most 64 at a time.

    Parameters
    ----------
    signal
        Dims session, trial (, unit).
    counted
        bool, dims (session, trial): a subject's trials that count.
    place
        For messages.

    Yields
    ------
    unit, row, values
        Positions along ``unit`` (0 without that dim); bool, dims (row), which of the trials that
        count they are known on; and dims (row, unit). Signals known on none are not given.

    Raises
    ------
    InputError
        Infinite values.

    Examples
    --------
    >>> signal = xr.DataArray([[1.0, np.nan, 3.0]], dims=("session", "trial"))
    >>> (unit, row, values), = columns_together(signal, np.ones((1, 3), bool), "subject 'a'")
    >>> row.tolist(), values.ravel().tolist()
    ([True, False, True], [1.0, 3.0])
    """
    table = signal if "unit" in signal.dims else signal.expand_dims("unit", axis=-1)
    table = table.transpose("session", "trial", "unit")
    session, trial = np.nonzero(counted)
    alike: dict[bytes, list[int]] = {}
    for start in range(0, table.sizes["unit"], UNITS_AT_ONCE):
        part = table.isel(unit=slice(start, start + UNITS_AT_ONCE)).values[session, trial]
        if np.isinf(part).any():
            n = int(np.isinf(part).any(axis=1).sum())
            raise InputError(f"{place}: the variable is infinite on {n} trials")
        for k, known in enumerate(~np.isnan(part).T):
            if known.any():
                alike.setdefault(known.tobytes(), []).append(start + k)
    for key, members in alike.items():
        row = np.frombuffer(key, bool)
        known, place_of = np.unique(session[row], return_inverse=True)
        for start in range(0, len(members), UNITS_AT_ONCE):
            unit = np.array(members[start : start + UNITS_AT_ONCE])
            values = table.isel(session=known, unit=unit).values[place_of, trial[row]]
            yield unit, row, values


def regress(
    x: np.ndarray,
    y: np.ndarray,
    cluster: np.ndarray,
    n_systems: int,
    confidence: float,
) -> Fit:
    """Solve the joint regression and those without each system, also without each cluster.

    Parameters
    ----------
    x
        Dims (row, predictor), systems first.
    y
        Dims (row, signal).
    cluster
        Dims (row): whole numbers from 0; what is left out.
    n_systems
        Predictors that are systems; the others are covariates.
    confidence
        Of the intervals, see :func:`neuro_metarl.intervals.session_reach`.

    Returns
    -------
    Fit

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(90, 2))
    >>> fit = regress(x, x @ [[2.0], [0.0]], np.repeat([0, 1, 2], 30), 2, 0.95)
    >>> fit.quantities["weight"][0, :, 0].round(6).tolist()
    [2.0, 0.0]
    """
    n, p = x.shape
    n_signals = y.shape[1]
    spread, still = np.array([column.std() for column in y.T]), np.ptp(y, axis=0) == 0
    scale = np.append(x.std(axis=0), spread)
    scale[scale < 1e-12] = 1.0
    data = np.column_stack([x, y])
    data = np.column_stack([np.ones(n), (data - data.mean(axis=0)) / scale])
    moments = _moments(data, cluster, p)
    inner, of_y = moments[0, 0, : p + 1, : p + 1], scale[p:]
    full, weight, without, alone = _solve(moments, n_systems, p)
    total = _sse(moments, [0])[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = {
            "weight": weight * (of_y[:, None] / scale[:n_systems]),
            "cpd": np.where(without > 0, (without - full[..., None]) / without, 0),
            "unique": (without - full[..., None]) / total[..., None],
            "r2_alone": 1 - alone / total[..., None],
            "r2": (1 - full / total)[..., None],
        }
    error = _model_error(inner, full[0], n, p)[:, :n_systems]
    least = {"weight": error * of_y[:, None] / scale[:n_systems]}
    if n_systems == 2:
        both = draws["weight"]
        draws["difference_weight"] = np.stack([both.sum(axis=2), both[..., 0]], axis=2)
    problem = _problems(x, inner, still, n_systems)
    lost = np.array([bool(text) for text in problem])
    for name in ("weight", "cpd", "unique", "difference_weight"):
        if name in draws:
            draws[name] = np.where(lost[:, None], np.nan, draws[name])
    quantities = {}
    for name, values in draws.items():
        floor = least.get(name, np.zeros(values.shape[1:])).ravel()
        flat = values.reshape(len(values), -1)
        shaped = session_interval(flat[0], flat[1:], floor, confidence)
        if name in ("cpd", "unique"):
            shaped = shaped.clip(0)
        quantities[name] = shaped.reshape(n_signals, -1, 3)
    degrees = max(1, int(cluster.max()))
    return Fit(quantities, _p(draws["weight"], least["weight"], degrees), n, problem)


class WeightTable:
    """What was found, subject by subject, event by event (and unit by unit).

    Parameters
    ----------
    outcome
        The variable, dims session, trial (, event) (, unit).
    subjects, events, systems
        Names.
    """

    def __init__(
        self,
        outcome: xr.DataArray,
        subjects: Sequence[str],
        events: Sequence[str],
        systems: Sequence[str],
    ) -> None:
        self.outcome, self.subjects = outcome, list(subjects)
        self.events, self.systems = list(events), list(systems)
        self.of_units = "unit" in outcome.dims
        n_units = outcome.sizes["unit"] if self.of_units else 1
        shape = (len(subjects), len(events), n_units)
        n_systems = len(systems)
        widths = dict.fromkeys(PER_SYSTEM, n_systems) | {"r2": 1}
        if n_systems == 2:
            widths["difference_weight"] = 2
        self.values = {k: np.full((*shape, w, 3), np.nan) for k, w in widths.items()}
        self.p = np.full((*shape, n_systems), np.nan)
        self.n, self.problem = np.zeros(shape, int), np.full(shape, "", object)

    def put(self, at: tuple[int, int], unit: np.ndarray, fit: Fit) -> None:
        """Store the fit of some units."""
        for name, values in fit.quantities.items():
            self.values[name][(*at, unit)] = values
        self.p[(*at, unit)], self.n[(*at, unit)] = fit.p, fit.n
        self.problem[(*at, unit)] = fit.problem

    def fail(self, at: tuple[int, int], unit: np.ndarray, n: int, reason: str) -> None:
        """Note why some units cannot be regressed."""
        self.n[(*at, unit)], self.problem[(*at, unit)] = n, reason

    def report(self) -> None:
        """Name the units without weights; refuse an event at which nothing is known.

        Raises
        ------
        InputError
            A subject's variable is missing throughout at an event, or no unit of any subject has
            weights.
        """
        known = self.n.sum(axis=1) > 0
        for k, subject in enumerate(self.subjects):
            for e, event in enumerate(self.events):
                place = f"subject {subject!r}, event {event!r}"
                if not self.n[k, e].any():
                    raise InputError(
                        f"{place}: the variable is missing (NaN) on every trial that counts; "
                        "choose other events= or trials (where=)"
                    )
                if not self.of_units:
                    continue
                self.problem[k, e, known[k] & (self.n[k, e] == 0)] = "no trial has the event"
                for reason in dict.fromkeys(self.problem[k, e]):
                    if reason:
                        unit = np.flatnonzero(self.problem[k, e] == reason)
                        text = f"{place}: no weights for unit {names_of(self.outcome, unit)}"
                        warnings.warn(f"{text} ({reason})", stacklevel=3)
        if self.of_units and not np.isfinite(self.p).any() and (self.problem != "").any():
            raise InputError(str(self.problem[self.problem != ""][0]))

    def as_dataset(self, attrs: Mapping[str, Any]) -> xr.Dataset:
        """Give everything its labels."""
        whose = ("subject", "event", "unit")
        found: dict[str, Any] = {
            k: ((*whose, "system", "statistic"), self.values[k]) for k in PER_SYSTEM
        }
        found["r2"] = ((*whose, "statistic"), self.values["r2"][..., 0, :])
        found |= {"p": ((*whose, "system"), self.p), "n": (whose, self.n)}
        found["problem"] = (whose, self.problem.astype(str))
        coords: dict[str, Any] = {
            "subject": self.subjects, "event": self.events, "system": self.systems,
            "statistic": STATISTIC,
        }  # fmt: skip
        if set(self.systems) == {"model_based", "model_free"}:
            of_term = (*whose, "difference_term", "statistic")
            found["difference_weight"] = (of_term, self.values["difference_weight"])
            coords["difference_term"] = list(DIFFERENCE)
        result = xr.Dataset(found, coords=coords, attrs=attrs)
        if not self.of_units:
            return result.isel(unit=0, drop=True)
        q = np.stack(
            [
                np.stack([benjamini_hochberg(p[..., s]) for s in range(p.shape[-1])], axis=-1)
                for p in self.p
            ]
        )
        result = result.assign(q=((*whose, "system"), q)).assign_coords(unit_coords(self.outcome))
        return result.assign_attrs(
            q="Benjamini-Hochberg of p over the units and events of a subject"
        )


def _moments(data: np.ndarray, cluster: np.ndarray, p: int) -> np.ndarray:
    """Sum cross-products, of all and without each cluster, dims (draw, signal, column, column)."""
    n_clusters, n_signals = int(cluster.max()) + 1, data.shape[1] - p - 1
    products = np.zeros((n_clusters, data.shape[1], data.shape[1]))
    for k in range(n_clusters):
        mine = data[cluster == k]
        products[k] = mine.T @ mine
    without = 1 - np.eye(n_clusters) if n_clusters > 1 else np.ones((1, 1))
    everything = np.concatenate([np.ones((1, n_clusters)), without])
    columns = np.column_stack(
        [np.tile(np.arange(p + 1), (n_signals, 1)), p + 1 + np.arange(n_signals)]
    )
    each = products[:, columns[:, :, None], columns[:, None, :]]
    return np.tensordot(everything, np.ascontiguousarray(each), axes=1)


def _solve(
    moments: np.ndarray, n_systems: int, p: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the error of the full fit, its weights, and errors without and with each alone."""
    everything = list(range(p + 1))
    covariates = [0, *range(1 + n_systems, p + 1)]
    full, weights = _sse(moments, everything)
    without, alone = [], []
    for k in range(1, 1 + n_systems):
        without.append(_sse(moments, [j for j in everything if j != k])[0])
        alone.append(_sse(moments, sorted([*covariates, k]))[0])
    of_systems = weights[..., 1 : 1 + n_systems]
    return full, of_systems, np.stack(without, axis=2), np.stack(alone, axis=2)


def _sse(moments: np.ndarray, columns: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Sum of squared errors, dims (draw, signal), and weights, by the cross-products."""
    inner = moments[:, 0][:, columns][:, :, columns]
    cross = moments[:, :, columns, -1]
    ridge = 1e-12 * np.trace(inner, axis1=1, axis2=2)[:, None, None] * np.eye(len(columns))
    solved = np.linalg.solve(inner + ridge, np.swapaxes(cross, 1, 2))
    weights = np.ascontiguousarray(np.swapaxes(solved, 1, 2))
    each = [np.einsum("si,sij,sj->s", w, inner, w) for w in np.swapaxes(weights, 0, 1)]
    explained = 2 * (weights * cross).sum(2) - np.stack(each, axis=1)
    total = moments[:, :, -1, -1]
    sse = total - explained
    return np.where(sse > LEAST_SSE * total, sse, 0), weights


def _model_error(inner: np.ndarray, sse: np.ndarray, n: int, p: int) -> np.ndarray:
    """Return the weights' standard errors of independent trials, dims (signal, predictor)."""
    variance = sse / max(1, n - p - 1)
    square = np.diag(np.linalg.pinv(inner)) * variance[:, None]
    return np.sqrt(np.maximum(square, 0))[:, 1:]


def _problems(x: np.ndarray, inner: np.ndarray, still: np.ndarray, n_systems: int) -> list[str]:
    problem = ""
    if any(np.ptp(x[:, k]) < 1e-12 for k in range(n_systems)):
        problem = "a regressor is constant"
    elif np.linalg.cond(inner) > WORST_CONDITION:
        problem = COLLINEAR
    return [problem or ("the variable is constant" if s else "") for s in still]


def _p(weight: np.ndarray, least: np.ndarray, degrees: int) -> np.ndarray:
    """Test weights, dims (draw, signal, system), by their jackknife error."""
    spread = np.sqrt(len(weight) - 2) * weight[1:].std(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = weight[0] / np.maximum(spread, least)
    return np.asarray(2 * stdtr(degrees, -np.abs(t)))
