"""Encoding: what of the task each unit's activity depends on, event by event.

Every verb takes a cohort with ``activity`` (session, trial, event, unit) and handles subjects one
by one: a network's units are its own. Trials count where they are valid, marked by ``where``, and
every regressor is defined; earlier trials never come from another session. A unit's numbers come
from the sessions and trials on which it has a number (see :mod:`neuro_metarl.neural.recordings`):
they are those of its own recording alone, whatever recordings it was joined with.

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr
from scipy.special import ndtri, stdtrit

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.blocks import (
    NULLS,
    Block,
    blocks_of,
    check_design,
    check_null,
    event_indices,
    groups_of,
    null_orders,
)
from neuro_metarl.neural.designs import Source, columns_at, labels_of
from neuro_metarl.neural.glm import UnitFits, fit_linear, fit_poisson, null_cpd, working_fits
from neuro_metarl.neural.recordings import (
    counted_trials,
    names_of,
    recorded_units,
    unit_coords,
    window_width,
)
from neuro_metarl.neural.regressors import rows_of
from neuro_metarl.neural.unit_table import UnitTable
from neuro_metarl.neural.whitening import autoregression, filtered, order_for, whitened
from neuro_metarl.progress import progress_bar
from neuro_metarl.stats import benjamini_hochberg

__all__ = ["encode", "unit_correlations"]

Family = Literal["gaussian", "poisson"]
Null = Literal["circular_shift", "session_permutation"]
Intercept = Literal["subject", "session"]
WANG = ("previous_choice", "previous_reward", "previous_choice_x_previous_reward", "value")
FAMILIES, INTERCEPTS = ("gaussian", "poisson"), ("subject", "session")


def encode(
    cohort: xr.Dataset,
    regressors: Sequence[str | xr.DataArray],
    *,
    family: Family = "gaussian",
    lags: Sequence[int] = (0,),
    events: Sequence[str] | None = None,
    where: xr.DataArray | None = None,
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
    where
        bool, dims session, trial: the trials that count; default every valid trial. What
        regressors take from earlier trials, and the scale that they are coded on, stay as they are.
    intercept
        One for the subject, or one for every session: then only what happens within sessions
        counts.
    null
        ``"circular_shift"`` or ``"session_permutation"``: tests that hold for activity that drifts;
        default none but t or z. Both test whitened activity and regressors (see
        :func:`neuro_metarl.neural.whitening.whitened`; of counts, the last Newton step as
        weighted least squares); coefficients and partial determination are of the activity as it
        is. ``"circular_shift"`` tests with an intercept for every session, since rotations leave
        session means where they are.
        ``"session_permutation"`` cuts sessions to the shortest for the test; take it from six
        sessions of like length on.
    n_permutations
        Of the null.
    window
        Seconds in which spikes were counted; default the width of
        ``cohort.activity.attrs["window_s"]``, which is "from to to" in seconds about the event,
        for example ``"0 to 0.5"``, or the width itself.
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
        and ``n_trials``, the trials that each unit has at each event (subject, event, unit);
        ``population_cpd``, with SSE or deviance summed
        over units first, and with a null ``population_p`` and ``population_null``, the partial
        determination over units at which p would be .05 (subject, event, regressor, lag).

    Raises
    ------
    InputError
        No activity, unknown names, infinite activity, an event at which no subject has activity;
        or, where that holds for all of a subject's units and events, a regressor that does not vary
        or follows from others, too few trials, or too few sessions or trials for the null.

    Warns
    -----
    UserWarning
        Units that do not vary, or for which the Poisson fit has no finite maximum, or that have no
        trial at an event; recordings or events at which a regressor does not vary, or that have too
        few trials: NaN. Each is named.

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
    source = Source(_without_units(cohort), regressors, lags)
    return _run(cohort, source, events, counted_trials(cohort, where), settings, progress)


def unit_correlations(
    cohort: xr.Dataset,
    regressors: Sequence[str | xr.DataArray] = WANG,
    *,
    events: Sequence[str] | None = None,
    where: xr.DataArray | None = None,
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
    events, where, null, n_permutations, seed
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
    source = Source(_without_units(cohort), regressors, (0,))
    counted, parts = counted_trials(cohort, where), []
    for k in range(source.on().sizes["regressor"]):
        fit = _run(cohort, replace(source, only=k), events, counted, settings, False)
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
    source: Source,
    events: Sequence[str] | None,
    counted: np.ndarray,
    settings: _Settings,
    progress: bool,
) -> xr.Dataset:
    chosen, design, names = event_indices(cohort, events), source.on(), subjects_of(cohort)
    owner, activity = cohort["subject"].values, cohort["activity"]
    if lost := [name for name in names if not counted[owner == name].any()]:
        raise InputError(f"subject {lost[0]!r} has no valid trial that counts; leave it out")
    recorded = recorded_units(activity, cohort["valid"].transpose("session", "trial").values == 1)
    columns = (design.sizes["regressor"], design.sizes["lag"])
    table = UnitTable(len(names), len(chosen), activity.sizes["unit"], columns)
    codings: list[list[str]] = [design["coding"].values.tolist()]
    with progress_bar("encoding", len(names), shown=progress) as show:
        for k, name in enumerate(names):
            table.known[k] = recorded[owner == name].any(axis=0)
            groups = groups_of(recorded, np.flatnonzero(owner == name))
            own = [source.on(group.session) for group in groups]
            codings += [d["coding"].values.tolist() for d in own]
            for group, regressors in zip(groups, own, strict=True):
                rows = rows_of(source.cohort.isel(session=group.session))
                counts = counted[group.session][rows.session, rows.trial]
                for e, (event, position) in enumerate(chosen.items()):
                    place = f"subject {name!r} at event {event!r}"
                    x = np.where(counts[:, None], columns_at(regressors, rows, position), np.nan)
                    with table.failing(k, e, group.unit):
                        for block in blocks_of(activity, x, rows, group, position, place):
                            with table.failing(k, e, block.unit):
                                _encode_block(table, (k, e), block, activity, design, settings)
            show(k + 1, name)
    table.report(activity, names, list(chosen))
    coding = [" or ".join(dict.fromkeys(c)) for c in zip(*codings[1:], strict=True)]
    design = design.assign_coords(coding=("regressor", coding))
    return _as_dataset(table, activity, design, names, list(chosen), settings)


def _encode_block(
    table: UnitTable,
    at: tuple[int, int],
    block: Block,
    activity: xr.DataArray,
    design: xr.DataArray,
    settings: _Settings,
) -> None:
    labels = labels_of(design)
    fits = _fit(block, activity, labels, settings)
    null = None if settings.null is None else _null_of(block, labels, settings)
    tail = 0.5 + settings.confidence / 2
    poisson = settings.family == "poisson"
    table.put(at, block, fits, float(ndtri(tail) if poisson else stdtrit(fits.df, tail)))
    lost = np.isnan(fits.coefficient).any(axis=0)
    if lost.any():
        why = "silent, or silent in some condition" if poisson else "constant"
        labels_lost = names_of(activity, block.unit[lost])
        warnings.warn(f"{block.place}: no estimate for unit {labels_lost} ({why})", stacklevel=4)
    if null is not None:
        table.put_null(at, block, *null)


def _null_of(
    block: Block, labels: list[str], settings: _Settings
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return p of each column and unit, and the sums over units with and without the null."""
    assert settings.null is not None
    check_null(block, settings.null)
    by_session = settings.null == "circular_shift" or settings.intercept == "session"
    parts = [whitened(block)]
    if settings.window is not None:
        parts = list(_of_counts(block, settings.window, by_session=by_session))
    p = np.full((len(labels), len(block.unit)), np.nan)
    sums: list[tuple[np.ndarray, np.ndarray]] = []
    for part in parts:
        even, orders = null_orders(part, settings.null, settings.n_permutations, settings.seed)
        check_design(even, labels, int(even.session.max()) + 1 if by_session else 1)
        fits = fit_linear(even.design, even.activity, group=even.session if by_session else None)
        reached, observed, pooled = null_cpd(fits, orders)
        found = (1 + reached) / (1 + settings.n_permutations)
        p[:, np.isin(block.unit, part.unit)] = np.where(np.isnan(fits.coefficient), np.nan, found)
        sums.append((observed, pooled))
    zero = np.zeros((2, len(labels)))
    observed = np.sum([one for one, _ in sums], axis=0) if sums else zero
    pooled = np.sum([many for _, many in sums], axis=0) if sums else zero[None]
    return p, (observed, pooled)


def _of_counts(block: Block, window: float, *, by_session: bool) -> Iterator[Block]:
    """Give each unit's last Newton step as whitened least squares; one filter serves all units."""
    counts = np.round(block.activity * window)
    group = block.session if by_session else None
    fits = list(working_fits(block.design, counts, group=group))
    left = [fit[2] for fit in fits if fit is not None]
    if not left:
        return
    order = order_for(block.session)
    weights = autoregression(np.stack(left, axis=1), block.session, order)
    for unit, fit in zip(block.unit, fits, strict=True):
        if fit is not None:
            one = replace(block, unit=np.array([unit]), design=fit[0], activity=fit[1][:, None])
            yield filtered(one, weights)


def _fit(block: Block, activity: xr.DataArray, labels: list[str], settings: _Settings) -> UnitFits:
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
            f"{block.place}: unit {names_of(activity, block.unit[[unit]])} has "
            f"{block.activity[row, unit]:.6g} spikes/s, which is {counts[row, unit]:.6g} spikes in "
            f"a window of {settings.window:g} s; give the window in which spikes were counted"
        )
    return fit_poisson(block.design, whole, group=group)


def _without_units(cohort: xr.Dataset) -> xr.Dataset:
    if not isinstance(cohort, xr.Dataset):
        raise InputError("expected a cohort (an xarray.Dataset with 'valid'); see make_cohort")
    return cohort.drop_vars([v for v in cohort.data_vars if "unit" in cohort[v].dims])


def _window(cohort: xr.Dataset, window: float | None) -> float:
    attrs = cohort["activity"].attrs if "activity" in cohort else {}
    recorded = attrs.get("window_s")
    chosen = recorded if window is None else window
    if chosen is None:
        raise InputError(
            "family='poisson' needs the window in which spikes were counted: window=... in "
            "seconds, or cohort.activity.attrs['window_s'], for example '0 to 0.5'"
        )
    width = window_width(chosen)
    if recorded is not None and not np.isclose(width, window_width(recorded)):
        raise InputError(
            f"window is {window} s, but the activity was counted in a window of {recorded} s "
            "(cohort.activity.attrs['window_s']); leave window= out, or correct the attribute"
        )
    return width


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
    table: UnitTable,
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
            "unit": activity["unit"].values,
            **unit_coords(activity),
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
