"""Encoding: what of the task each unit's activity depends on, event by event.

Every verb takes a cohort with ``activity`` (session, trial, event, unit) and handles subjects one
by one: a network's units are its own. Trials count where they are valid and every regressor is
defined; earlier trials never come from another session. A unit that is NaN throughout a session
was not recorded there, and its numbers come from its own sessions.

Which event can code what is said in :mod:`neuro_metarl.neural.regressors`; the coding of regressors
too. How the nulls work is said in :mod:`neuro_metarl.neural.glm`, when each holds in
:mod:`neuro_metarl.stats`. In short: an ordinary t or z test takes trials for independent. Activity
that drifts and regressors that last for blocks (values) break that: in ``benchmarks/
encoding_error_rates.py`` half of the units seem to code a value that they know nothing of.
``null="session_permutation"`` is right for any drift within sessions, needs some ten sessions of
like length and none of a trend from session to session; ``null="circular_shift"`` serves few or
single sessions in which activity wanders about a fixed level.

References
----------
Miller et al. 2022, doi:10.7554/eLife.64575; Akam et al. 2021, doi:10.1016/j.neuron.2020.10.013;
Tsutsui et al. 2016, doi:10.1038/ncomms12554; Wang et al. 2018, doi:10.1038/s41593-018-0147-8.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr
from scipy.special import ndtri, stdtrit

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.blocks import (
    NULLS,
    Block,
    blocks_of,
    check_design,
    event_indices,
    null_orders,
    unit_labels,
)
from neuro_metarl.neural.glm import UnitFits, fit_linear, fit_poisson, null_cpd
from neuro_metarl.neural.regressors import Rows, rows_of, task_regressors
from neuro_metarl.progress import progress_bar
from neuro_metarl.stats import benjamini_hochberg, permutation_p

__all__ = ["encode", "fraction_significant", "unit_correlations"]

Family = Literal["gaussian", "poisson"]
Null = Literal["circular_shift", "session_permutation"]
Intercept = Literal["subject", "session"]
PER_UNIT = ("coefficient", "standard_error", "low", "high", "statistic", "p", "p_null", "cpd")
POPULATION = ("population_cpd", "population_p", "population_null")
WANG = ("previous_choice", "previous_reward", "previous_choice_x_previous_reward", "value")
FAMILIES, INTERCEPTS = ("gaussian", "poisson"), ("subject", "session")


def encode(
    cohort: xr.Dataset,
    regressors: Sequence[str | xr.DataArray],
    *,
    family: Family = "gaussian",
    lags: Sequence[int] = (0,),
    events: Sequence[str] | None = None,
    intercept: Intercept = "subject",
    null: Null | None = None,
    n_permutations: int = 1000,
    window: float | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Regress every unit's activity on task variables, at every event.

    Parameters
    ----------
    cohort
        Cohort with ``activity``, dims session, trial, event, unit.
    regressors
        Names or labelled arrays: see :func:`neuro_metarl.neural.regressors.task_regressors`.
    family
        ``"gaussian"``: least squares. ``"poisson"``: spike counts, log link; activity in spikes/s
        is multiplied by ``window``.
    lags
        Trials back: ``(0, 1, 2)`` puts each regressor of this trial, of the one before and of the
        one before that into the same regression.
    events
        Which; default all.
    intercept
        One for the subject, or one for every session: then only what happens within sessions
        counts.
    null
        ``"circular_shift"`` or ``"session_permutation"``: tests that hold for activity that drifts;
        default none but t or z. ``"circular_shift"`` tests with an intercept for every session,
        since rotations leave session means where they are. ``"session_permutation"`` cuts sessions
        to the shortest for the test.
    n_permutations
        Of the null.
    window
        Seconds in which spikes were counted; default ``cohort.activity.attrs["window"]``.
    confidence
        Of the intervals.
    seed
        Of the null.
    progress
        Show progress on standard error.

    Returns
    -------
    xarray.Dataset
        Dims subject, event, unit, regressor, lag. ``coefficient`` (activity per unit of the coded
        regressor; log for Poisson), ``standard_error``, ``low``, ``high``, ``statistic`` (t or z),
        ``p``, ``p_null`` (with a null), ``q`` (false-discovery rate of ``p_null``, else ``p``,
        over the units and events of a subject), ``cpd``; ``explained`` (R2 or share of deviance)
        and ``n_trials`` (subject, event, unit); ``population_cpd``, with SSE or deviance summed
        over units first, and with a null ``population_p`` and ``population_null``, the null's
        95 % quantile (subject, event, regressor, lag).

    Raises
    ------
    InputError
        No activity, unknown names, NaN within a recorded session, a regressor that does not vary
        or follows from others, too few trials, or too few sessions or trials for the null.

    Warns
    -----
    UserWarning
        Units that do not vary, or for which the Poisson fit has no finite maximum: NaN.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> cohort = record("two-step/0", n_sessions=5, seed=1)
    >>> fit = encode(cohort, ["state", "previous_reward"], events=["fixation", "second_step"])
    >>> fit.population_cpd.sel(event="fixation", lag=0).values.round(1).tolist()
    [[0.3, 0.1]]
    >>> fit.population_cpd.sel(event="second_step", lag=0).values.round(1).tolist()
    [[0.7, 0.0]]
    """
    _check_options(n_permutations, confidence)
    settings = _Settings(
        _one_of("family", family, FAMILIES),
        _one_of("intercept", intercept, INTERCEPTS),
        None if null is None else _one_of("null", null, NULLS),
        n_permutations,
        confidence,
        seed,
        _window(cohort, window) if family == "poisson" else None,
    )
    return _run(cohort, _design(cohort, regressors, lags), events, settings, progress)


def fraction_significant(
    encoding: xr.Dataset, *, alpha: float = 0.05, corrected: bool = False, confidence: float = 0.95
) -> xr.Dataset:
    """Count the units whose activity depends on each regressor.

    Parameters
    ----------
    encoding
        From :func:`encode` or :func:`unit_correlations`.
    alpha
        Level.
    corrected
        Use the false-discovery rate ``q``; default ``p_null`` where there is one, else ``p``: then
        a fraction of ``alpha`` is what chance gives.
    confidence
        Of the interval (Wilson's), which takes units for independent.

    Returns
    -------
    xarray.Dataset
        ``fraction`` (subject, event, regressor, lag, statistic: value, low, high) and ``n_units``
        (subject, event, regressor, lag): units that have a test.

    Raises
    ------
    InputError
        Not such a result, or ``alpha`` out of range.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> fit = encode(record("two-step/0", n_sessions=5, seed=1), ["state"])
    >>> found = fraction_significant(fit).fraction.sel(statistic="value", lag=0)
    >>> found.sel(event="second_step").values.round(1).tolist()
    [[0.9]]
    """
    if not isinstance(encoding, xr.Dataset) or "p" not in encoding:
        raise InputError("expected a result of encode or unit_correlations, with 'p'")
    for label, number in (("alpha", alpha), ("confidence", confidence)):
        if not 0 < number < 1:
            raise InputError(f"{label} is {number}, expected a number between 0 and 1")
    test = "q" if corrected else "p_null" if "p_null" in encoding else "p"
    p = encoding[test]
    n = p.notnull().sum("unit")
    share = (p < alpha).sum("unit") / n.where(n > 0)
    z = float(ndtri(0.5 + confidence / 2))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    fraction = xr.concat([share, middle - reach, middle + reach], dim="statistic")
    fraction = fraction.assign_coords(statistic=["value", "low", "high"])
    return xr.Dataset(
        {"fraction": fraction.transpose(..., "statistic"), "n_units": n},
        attrs={"alpha": alpha, "test": test, "interval": "Wilson", "confidence": confidence},
    )


def unit_correlations(
    cohort: xr.Dataset,
    regressors: Sequence[str | xr.DataArray] = WANG,
    *,
    events: Sequence[str] | None = None,
    null: Null | None = None,
    n_permutations: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Correlate every unit's activity with each task variable by itself.

    Parameters
    ----------
    cohort
        Cohort with ``activity``, dims session, trial, event, unit.
    regressors
        See :func:`encode`. The default is that of Wang et al. 2018, figure 2b, and of Tsutsui et
        al. 2016: last action, last reward, their product, and value.
    events, null, n_permutations, seed
        See :func:`encode`.

    Returns
    -------
    xarray.Dataset
        ``correlation`` (Pearson), ``p``, ``p_null`` (with a null) and ``q``, dims subject, event,
        unit, regressor; ``n_trials`` (subject, event, unit, regressor).

    Raises
    ------
    InputError
        See :func:`encode`.

    Notes
    -----
    Variables are not held apart from each other here: use :func:`encode` for that. A network's own
    value is a weighted sum of its units, so that some must correlate with it, trained or not.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> found = unit_correlations(record("two-step/0", n_sessions=5, seed=1), events=["fixation"])
    >>> abs(found.correlation).max("unit").values.round(1).tolist()
    [[[0.9, 0.9, 0.7, 0.6]]]
    """
    _check_options(n_permutations, 0.95)
    kind = None if null is None else _one_of("null", null, NULLS)
    settings = _Settings("gaussian", "subject", kind, n_permutations, 0.95, seed, None)
    design = _design(cohort, regressors, (0,))
    parts = []
    for k in range(design.sizes["regressor"]):
        fit = _run(cohort, design.isel(regressor=[k]), events, settings, False)
        fit["correlation"] = np.sign(fit["coefficient"]) * np.sqrt(fit["cpd"])
        fit["n_trials"] = fit["n_trials"].expand_dims(regressor=fit["regressor"])
        keep = [v for v in ("correlation", "p", "p_null", "q", "n_trials") if v in fit]
        parts.append(fit[keep].isel(lag=0, drop=True))
    joined = xr.concat(parts, "regressor", data_vars="all", coords="minimal", compat="override")
    joined = joined.transpose("subject", "event", "unit", "regressor")
    joined.attrs["method"] = "correlation of each unit with each variable"
    return joined


@dataclass(frozen=True)
class _Settings:
    family: str
    intercept: str
    null: str | None
    n_permutations: int
    confidence: float
    seed: int
    window: float | None


def _run(
    cohort: xr.Dataset,
    design: xr.DataArray,
    events: Sequence[str] | None,
    settings: _Settings,
    progress: bool,
) -> xr.Dataset:
    chosen, rows = event_indices(cohort, events), rows_of(cohort)
    if lost := [name for k, name in enumerate(rows.names) if k not in rows.subject]:
        raise InputError(f"subject {lost[0]!r} has no valid trial; leave the subject out")
    activity = cohort["activity"]
    columns = (design.sizes["regressor"], design.sizes["lag"])
    table = _Table(len(rows.names), len(chosen), activity.sizes["unit"], columns)
    with progress_bar("encoding", len(rows.names), shown=progress) as show:
        for k, name in enumerate(rows.names):
            for e, (event, position) in enumerate(chosen.items()):
                place = f"subject {name!r} at event {event!r}"
                x = _design_at(design, rows, position)
                for block in blocks_of(activity, x, rows, k, position, place):
                    _encode_block(table, (k, e), block, activity, _labels(design), settings)
            show(k + 1, name)
    return _as_dataset(table, activity, design, rows.names, list(chosen), settings)


class _Table:
    """What is found, filled block by block."""

    def __init__(self, n_subjects: int, n_events: int, n_units: int, columns: tuple[int, int]):
        self.columns = columns
        shape = (n_subjects, n_events, n_units)
        self.unit = {name: np.full((*shape, *columns), np.nan) for name in PER_UNIT}
        self.explained, self.n_trials = np.full(shape, np.nan), np.zeros(shape, int)
        self.pooled = np.zeros((n_subjects, n_events, 2, *columns))
        self.null: dict[tuple[int, int], np.ndarray] = {}
        self.observed: dict[tuple[int, int], np.ndarray] = {}

    def put(self, at: tuple[int, int], block: Block, fits: UnitFits, reach: float) -> None:
        """Store the fits of a block; intervals reach that many standard errors."""
        values = {name: getattr(fits, name) for name in PER_UNIT if hasattr(fits, name)}
        values["low"] = fits.coefficient - reach * fits.standard_error
        values["high"] = fits.coefficient + reach * fits.standard_error
        for name, found in values.items():
            self.unit[name][(*at, block.unit)] = found.T.reshape(-1, *self.columns)
        self.explained[(*at, block.unit)] = fits.explained
        self.n_trials[(*at, block.unit)] = len(block.session)
        self.pooled[at] += fits.pooled.reshape(2, *self.columns)

    def put_null(
        self, at: tuple[int, int], block: Block, p: np.ndarray, pair: tuple[np.ndarray, np.ndarray]
    ) -> None:
        """Store the p values of a block, and add its part to the null over all units."""
        self.unit["p_null"][(*at, block.unit)] = p.T.reshape(-1, *self.columns)
        observed, pooled = pair
        self.observed[at] = self.observed.get(at, 0) + observed
        self.null[at] = self.null.get(at, 0) + pooled

    def population(self) -> dict[str, np.ndarray]:
        """Return the partial determination over units, and what the null gives."""
        with np.errstate(invalid="ignore", divide="ignore"):
            cpd = self.pooled[:, :, 0] / self.pooled[:, :, 1]
        p, quantile = np.full(cpd.shape, np.nan), np.full(cpd.shape, np.nan)
        for at, sums in self.null.items():
            draws = sums[:, 0] / sums[:, 1]
            observed = self.observed[at][0] / self.observed[at][1]
            p[at] = permutation_p(observed, draws).reshape(self.columns)
            quantile[at] = np.quantile(draws, 0.95, axis=0).reshape(self.columns)
        return dict(zip(POPULATION, (cpd, p, quantile), strict=True))


def _encode_block(
    table: _Table,
    at: tuple[int, int],
    block: Block,
    activity: xr.DataArray,
    labels: list[str],
    settings: _Settings,
) -> None:
    fits = _fit(block, activity, labels, settings, for_null=False)
    tail = 0.5 + settings.confidence / 2
    poisson = settings.family == "poisson"
    table.put(at, block, fits, float(ndtri(tail) if poisson else stdtrit(fits.df, tail)))
    lost = np.isnan(fits.coefficient).any(axis=0)
    if lost.any():
        why = "silent, or silent in some condition" if poisson else "constant"
        labels_lost = unit_labels(activity, block.unit[lost])
        warnings.warn(f"{block.place}: no estimate for unit {labels_lost} ({why})", stacklevel=4)
    if settings.null is None:
        return
    even, orders = null_orders(block, settings.null, settings.n_permutations, settings.seed)
    shifting = settings.null == "circular_shift"
    tested = replace(settings, intercept="session") if shifting else settings
    fits = _fit(even, activity, labels, tested, for_null=True)
    reached, observed, pooled = null_cpd(fits, orders)
    p = (1 + reached) / (1 + settings.n_permutations)
    p = np.where(np.isnan(fits.coefficient), np.nan, p)
    table.put_null(at, block, p, (observed, pooled))


def _fit(
    block: Block, activity: xr.DataArray, labels: list[str], settings: _Settings, *, for_null: bool
) -> UnitFits:
    by_session = settings.intercept == "session"
    check_design(block, labels, int(block.session.max()) + 1 if by_session else 1)
    group = block.session if by_session else None
    if settings.window is None:
        return fit_linear(block.design, block.activity, group=group)
    counts = block.activity * settings.window
    whole = np.round(counts)
    bad = (np.abs(counts - whole) > 1e-3 * (1 + whole)) | (counts < 0)
    if bad.any():
        row, unit = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{block.place}: unit {unit_labels(activity, block.unit[[unit]])} has "
            f"{block.activity[row, unit]:.6g} spikes/s, which is {counts[row, unit]:.6g} spikes in "
            f"a window of {settings.window:g} s; give the window in which spikes were counted"
        )
    return fit_poisson(block.design, whole, group=group, for_null=for_null)


def _design(
    cohort: xr.Dataset, regressors: Sequence[str | xr.DataArray], lags: Sequence[int]
) -> xr.DataArray:
    """Return the regressors at all lags, dims regressor, lag, session, trial (, event)."""
    wanted = [lags] if isinstance(lags, int | np.integer) else list(lags)
    if not wanted or any(lag != int(lag) for lag in wanted) or len(set(wanted)) < len(wanted):
        raise InputError(f"lags are {wanted}, expected different whole numbers, trials back")
    parts = [task_regressors(cohort, regressors, lag=int(lag)) for lag in wanted]
    joined = xr.concat(parts, "lag", coords="minimal", compat="override", combine_attrs="drop")
    dims = ("regressor", "lag", "session", "trial")
    return joined.assign_coords(lag=np.array(wanted, int)).transpose(*dims, ...)


def _design_at(design: xr.DataArray, rows: Rows, event: int) -> np.ndarray:
    """Return the columns of an event, dims (row, column)."""
    here = design.isel(event=event) if "event" in design.dims else design
    return here.values[:, :, rows.session, rows.trial].reshape(-1, len(rows.session)).T


def _labels(design: xr.DataArray) -> list[str]:
    lags = design["lag"].values.tolist()
    alone = lags == [0]
    return [
        str(name) if alone else f"{name} ({lag} back)"
        for name in design["regressor"].values
        for lag in lags
    ]


def _window(cohort: xr.Dataset, window: float | None) -> float:
    given = cohort["activity"].attrs.get("window") if "activity" in cohort else None
    found = window if window is not None else given
    if found is None:
        raise InputError(
            "family='poisson' needs the window in which spikes were counted, in seconds: "
            "window=..., or cohort.activity.attrs['window']"
        )
    if not np.isfinite(found) or found <= 0:
        raise InputError(f"window is {found}, expected seconds above 0")
    return float(found)


def _one_of(label: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise InputError(f"{label} is {value!r}; {did_you_mean(str(value), known)}")
    return value


def _check_options(n_permutations: int, confidence: float) -> None:
    if n_permutations < 1:
        raise InputError(f"n_permutations is {n_permutations}, expected 1 or more")
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}, expected a number between 0 and 1")


def _as_dataset(
    table: _Table,
    activity: xr.DataArray,
    design: xr.DataArray,
    names: Sequence[str],
    events: list[str],
    settings: _Settings,
) -> xr.Dataset:
    dims = ("subject", "event", "unit", "regressor", "lag")
    tested = "p" if settings.null is None else "p_null"
    q = np.full_like(table.unit["p"], np.nan)
    for at in np.ndindex(len(names), *table.columns):
        family = (at[0], slice(None), slice(None), *at[1:])
        q[family] = benjamini_hochberg(table.unit[tested][family])
    data = {name: (dims, values) for name, values in {**table.unit, "q": q}.items()}
    pooled = {name: (dims[:2] + dims[3:], v) for name, v in table.population().items()}
    found = xr.Dataset(
        {
            **data,
            "explained": (dims[:3], table.explained),
            "n_trials": (dims[:3], table.n_trials),
            **pooled,
        },
        coords={
            "subject": list(names),
            "event": events,
            "unit": activity["unit"],
            "regressor": design["regressor"],
            "lag": design["lag"],
            "coding": design["coding"],
        },
        attrs={
            "method": f"{settings.family} regression of each unit",
            "family": settings.family,
            "intercept": settings.intercept,
            "interval": "normal" if settings.family == "poisson" else "t",
            "confidence": settings.confidence,
            "null": settings.null or "none",
            "q": f"Benjamini-Hochberg of {tested} over the units and events of a subject",
        },
    )
    if settings.null is None:
        return found.drop_vars(["p_null", "population_p", "population_null"])
    return found.assign_attrs(n_permutations=settings.n_permutations, seed=settings.seed)
