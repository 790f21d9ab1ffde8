"""Virtual physiology: what an electrode or a microscope would see of a subject.

Spikes and calcium signals are made from a network's hidden activity, or from tuning that is planted
and so is known, and come as an ordinary cohort with ``activity``: whatever reads an animal's cohort
reads this one, and a laboratory's own analysis can be tried on a subject whose truth is known.

The model. A virtual neuron fires as a Poisson process in a window that opens at each event:

    ``log rate = log base_rate + drive + drift``, at most ``max_rate``,

where *drive* is a neuron's planted weights on task variables, or ``gain`` times a z-scored hidden
unit (or mixture of them), and *drift* a slow walk about 0 along the trials of a session. Spikes of
one neuron are independent given the rate: there is no refractory time and no correlation between
neurons beyond what drives them. Calcium adds to each spike a decay and to each sample noise.

References
----------
Vogelstein et al. 2010, doi:10.1152/jn.01073.2009 (the spike-to-calcium model).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import validate_cohort
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.recordings import window_width
from neuro_metarl.neural.regressors import Rows, rows_of, task_regressors

__all__ = ["spike_times", "virtual_calcium", "virtual_spikes"]

TRIAL = ("session", "trial")
NETWORK_ONLY = ("activity", "cell", "gates", "policy")


def virtual_spikes(
    cohort: xr.Dataset,
    tuning: xr.DataArray | None = None,
    *,
    n_units: int | None = None,
    base_rate: float = 8.0,
    gain: float = 0.7,
    max_rate: float = 150.0,
    window: float = 0.25,
    event_interval: float = 1.0,
    drift: float = 0.0,
    drift_trials: float = 50.0,
    seed: int = 0,
) -> xr.Dataset:
    """Record a cohort with virtual electrodes.

    Parameters
    ----------
    cohort
        A cohort; with ``activity`` (session, trial, event, unit) unless tuning is planted.
    tuning
        Planted weights, natural log of the rate per unit of the coded regressor, dims unit,
        regressor (, event); ``regressor`` names task variables (see
        :func:`neuro_metarl.neural.regressors.task_regressors`). An undefined regressor counts as
        0. Default: neurons follow the hidden units.
    n_units
        Virtual neurons. Default: one for each hidden unit (or for each unit of ``tuning``). Another
        number: each neuron follows a random mixture of the hidden units.
    base_rate, max_rate
        Spikes/s.
    gain
        Log rate per standard deviation of the hidden unit or mixture.
    window
        Seconds after an event in which spikes are counted.
    event_interval
        Seconds between events where the cohort has no ``t_<event>``; a trial then lasts as many
        intervals as it has events.
    drift
        Standard deviation of the log rate's slow walk, each neuron and session its own.
    drift_trials
        Trials after which the walk's correlation has fallen to 1/e.
    seed
        The same seed gives the same spikes.

    Returns
    -------
    xarray.Dataset
        The cohort with ``activity`` (session, trial, event, unit) in spikes/s (spikes in the
        window, over the window; NaN on invalid trials), with attributes ``units`` and ``window_s``
        (s), and ``t_<event>`` (s). A network's cell state, gates and policy are left behind.
        The truth is there too: ``tuning`` (unit, regressor (, event)) or ``mixture`` (unit,
        hidden_unit), the weights on z-scored hidden units.

    Raises
    ------
    InputError
        Nothing to record from, unknown regressors or events, or numbers out of range.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> truth = xr.DataArray([[0.8, 0.0], [0.0, -0.5]], dims=("unit", "regressor"),
    ...                      coords={"regressor": ["choice", "reward"]})
    >>> recorded = virtual_spikes(load_dataset("synthetic-rats"), truth, seed=1)
    >>> recorded.activity.attrs["units"], recorded.sizes["unit"]
    ('spikes/s', 2)
    >>> from neuro_metarl.neural.encoding import encode
    >>> fit = encode(recorded, ["choice", "reward"], family="poisson")
    >>> fit.coefficient.isel(event=0, lag=0).mean("subject").values.round(1) + 0
    array([[ 0.8,  0. ],
           [ 0. , -0.5]])
    """
    values = {
        "base_rate": base_rate, "max_rate": max_rate, "window": window,
        "event_interval": event_interval, "drift_trials": drift_trials,
    }  # fmt: skip
    for name, value in values.items():
        if not np.isfinite(value) or value <= 0:
            raise InputError(f"{name} is {value}, expected a number above 0")
    if not np.isfinite(drift) or drift < 0:
        raise InputError(f"drift is {drift}, expected 0 or more (log rate)")
    rng = np.random.default_rng(seed)
    rows, events = rows_of(cohort), _events(cohort)
    timed = _with_times(cohort, events, event_interval, window)
    if tuning is not None:
        if n_units is not None and n_units != tuning.sizes.get("unit"):
            raise InputError(
                f"n_units is {n_units}, tuning has {tuning.sizes.get('unit')} units; leave it out"
            )
        drive, truth = _planted(cohort, tuning, rows, events)
    else:
        drive, truth = _from_hidden(cohort, rows, n_units, gain, rng)
    slow = _drift(rows, drive.shape[2], drift, drift_trials, rng)
    rate = np.minimum(base_rate * np.exp(drive + slow[:, None]), max_rate)
    counts = rng.poisson(rate * window)
    made = {
        "kind": "spikes", "base_rate": base_rate, "max_rate": max_rate, "window": window,
        "drift": drift, "drift_trials": drift_trials, "seed": seed,
        "from": "planted tuning" if tuning is not None else "hidden activity",
    }  # fmt: skip
    return _assembled(timed, counts / window, rows, events, truth, "spikes/s", window, made)


def virtual_calcium(
    cohort: xr.Dataset,
    tuning: xr.DataArray | None = None,
    *,
    decay: float = 0.6,
    amplitude: float = 0.1,
    noise: float = 0.1,
    seed: int = 0,
    **spiking: Any,
) -> xr.Dataset:
    """Record a cohort with a virtual microscope.

    Parameters
    ----------
    cohort, tuning
        See :func:`virtual_spikes`.
    decay
        Seconds in which the indicator falls to 1/e.
    amplitude
        dF/F of one spike.
    noise
        Standard deviation of a sample, dF/F.
    seed
        The same seed gives the same signals.
    **spiking
        Of :func:`virtual_spikes`: ``n_units, base_rate, gain, window, drift`` and so on.

    Returns
    -------
    xarray.Dataset
        As :func:`virtual_spikes` returns it, ``activity`` in dF/F at the end of each window. What
        was fired at earlier events of the session, the last trial's too, is still there as far as
        it has not decayed.

    Raises
    ------
    InputError
        See :func:`virtual_spikes`.

    Notes
    -----
    ``c(e) = c(e - 1) exp(-interval / decay) + amplitude spikes(e)``, less the neuron's mean over
    valid trials: spikes between windows, which only raise the baseline, are not drawn.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> cohort = virtual_calcium(record("two-step/0", n_sessions=2), n_units=20)
    >>> cohort.activity.attrs["units"], cohort.sizes["unit"]
    ('dF/F', 20)
    """
    for name, value in (("decay", decay), ("amplitude", amplitude)):
        if not np.isfinite(value) or value <= 0:
            raise InputError(f"{name} is {value}, expected a number above 0")
    if not np.isfinite(noise) or noise < 0:
        raise InputError(f"noise is {noise}, expected 0 or more (dF/F)")
    spikes = virtual_spikes(cohort, tuning, seed=seed, **spiking)
    rows, events = rows_of(spikes), [str(e) for e in spikes["event"].values.tolist()]
    window = window_width(spikes["activity"].attrs["window_s"])
    counts = spikes["activity"].values[rows.session, rows.trial] * window
    times = _event_times(spikes, rows, events)
    signal = _decayed(amplitude * counts, times, rows.session, decay)
    signal -= signal.mean(axis=0)
    signal += noise * np.random.default_rng([seed, 1]).standard_normal(signal.shape)
    made = json.loads(spikes.attrs["virtual"])
    made |= {"kind": "calcium", "decay": decay, "amplitude": amplitude, "noise": noise}
    truth = {k: spikes[k] for k in ("tuning", "mixture") if k in spikes}
    return _assembled(
        spikes.drop_vars(list(truth)), signal, rows, events, truth, "dF/F", window, made
    )


def spike_times(cohort: xr.Dataset, *, background: bool = True, seed: int = 0) -> xr.Dataset:
    """Draw the times of the spikes that a virtual recording counted.

    Parameters
    ----------
    cohort
        From :func:`virtual_spikes`.
    background
        Fill the time between windows with spikes at the neuron's mean rate in the session. Without
        it neurons are silent there.
    seed
        The same seed gives the same times.

    Returns
    -------
    xarray.Dataset
        One entry per spike along ``spike``, ordered by session, then unit, then time: ``time``
        (float64, s, on the session's clock, that of ``t_<event>``), ``session`` and ``unit``
        (positions along these dims of the cohort), ``session_id``. Counting the spikes of a unit
        from ``t_<event>`` on, within the window, gives back the cohort's activity exactly.

    Raises
    ------
    InputError
        Not such a cohort.

    Notes
    -----
    Given their number, the spikes of a Poisson process are independent and uniform in the window.
    One unit of one session, ready for neo or pynapple: ``times.time.values[(times.session == 3) &
    (times.unit == 0)]``.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> spikes = virtual_spikes(record("two-step/0", n_sessions=2), seed=1)
    >>> times = spike_times(spikes)
    >>> times.time.dims, times.time.attrs["units"]
    (('spike',), 's')
    """
    activity = cohort.get("activity")
    if (
        activity is None
        or activity.attrs.get("units") != "spikes/s"
        or "window_s" not in activity.attrs
        or "virtual" not in cohort.attrs
    ):
        raise InputError("expected spikes as virtual_spikes makes them: activity in spikes/s")
    rows, rng = rows_of(cohort), np.random.default_rng([seed, 2])
    events = [str(e) for e in cohort["event"].values]
    window = window_width(activity.attrs["window_s"])
    counts = activity.transpose(*TRIAL, "event", "unit").values[rows.session, rows.trial]
    counts = np.round(counts * window).astype(int)
    start = _event_times(cohort, rows, events)
    parts = [_uniform(counts, start, np.full(start.shape, window), rows.session, rng)]
    if background:
        rate = _session_means(counts.mean(axis=1) / window, rows.session)
        gap, begins = _gaps(start, rows.session, window)
        extra = rng.poisson(rate[:, None] * gap[:, :, None])
        parts.append(_uniform(extra, begins, gap, rows.session, rng))
    time, session, unit = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((time, unit, session))
    time, session, unit = time[order], session[order], unit[order]
    return xr.Dataset(
        {
            "time": ("spike", time, {"units": "s"}),
            "session": ("spike", session),
            "unit": ("spike", unit),
            "session_id": ("spike", cohort["session_id"].values[session]),
        },
        attrs={
            "clock": "seconds of the session, as t_<event>",
            "window": window,
            "background": int(background),
            "seed": seed,
        },
    )


def _events(cohort: xr.Dataset) -> list[str]:
    if "event" in cohort.dims:
        return [str(e) for e in cohort["event"].values.tolist()]
    timed = {str(v)[2:]: cohort[v] for v in cohort.data_vars if str(v).startswith("t_")}
    medians = {name: float(times.median()) for name, times in timed.items()}
    return sorted(medians, key=lambda name: medians[name]) or ["trial"]


def _with_times(
    cohort: xr.Dataset, events: list[str], interval: float, window: float
) -> xr.Dataset:
    if all(f"t_{e}" in cohort for e in events):
        return cohort
    if window > interval:
        raise InputError(
            f"window is {window} s, longer than event_interval, {interval} s: windows would overlap"
        )
    onset = np.arange(cohort.sizes["trial"]) * len(events) * interval
    times = {
        f"t_{e}": (TRIAL, np.tile(onset + k * interval, (cohort.sizes["session"], 1)))
        for k, e in enumerate(events)
    }
    return cohort.assign(times)


def _event_times(cohort: xr.Dataset, rows: Rows, events: list[str]) -> np.ndarray:
    """Return when each event was, dims (row, event)."""
    times = [cohort[f"t_{e}"].transpose(*TRIAL).values for e in events]
    return np.stack([t[rows.session, rows.trial] for t in times], axis=1)


def _planted(
    cohort: xr.Dataset, tuning: xr.DataArray, rows: Rows, events: list[str]
) -> tuple[np.ndarray, dict[str, xr.DataArray]]:
    """Return the drive, dims (row, event, unit), and the weights."""
    dims = set(tuning.dims)
    if not {"unit", "regressor"} <= dims <= {"unit", "regressor", "event"}:
        raise InputError(
            f"tuning has dims ({', '.join(map(str, tuning.dims))}), expected unit, regressor "
            "(and event)"
        )
    if "regressor" not in tuning.coords:
        raise InputError("tuning needs the names of its regressors as the coordinate 'regressor'")
    if not np.isfinite(tuning.values).all():
        raise InputError("tuning has weights that are not finite")
    weights = tuning if "event" in dims else tuning.expand_dims(event=events)
    for name in map(str, weights["event"].values.tolist()):
        if name not in events:
            raise InputError(f"tuning: no event {name!r}; {did_you_mean(name, events)}")
    weights = weights.reindex(event=events, fill_value=0.0)
    weights = weights.transpose("event", "regressor", "unit")
    names = [str(r) for r in tuning["regressor"].values.tolist()]
    coded = task_regressors(cohort, names)
    table = coded.values[:, rows.session, rows.trial]
    if table.ndim == 2:
        table = np.repeat(table[:, :, None], len(events), axis=2)
    drive = np.einsum("kre,eku->reu", np.nan_to_num(table), weights.values, optimize=True)
    kept = (weights if "event" in dims else tuning).transpose("unit", "regressor", ...)
    kept = kept.drop_vars("unit", errors="ignore")
    kept = kept.assign_coords(coding=("regressor", coded["coding"].values))
    return drive, {"tuning": kept.rename("tuning")}


def _from_hidden(
    cohort: xr.Dataset, rows: Rows, n_units: int | None, gain: float, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, xr.DataArray]]:
    if "activity" not in cohort:
        raise InputError(
            "the cohort has no 'activity' to record from; record with activity=True, or plant "
            "tuning=..."
        )
    if n_units is not None and n_units < 1:
        raise InputError(f"n_units is {n_units}, expected 1 or more")
    hidden = cohort["activity"].transpose(*TRIAL, "event", "unit").values
    hidden = hidden[rows.session, rows.trial].astype(float)
    if not np.isfinite(hidden).all():
        raise InputError("activity is not finite on some valid trials: nothing to record from")
    for k in range(len(rows.names)):
        mine = rows.subject == k
        hidden[mine] = _standard(hidden[mine])
    mixture = np.eye(hidden.shape[2])
    if n_units is not None and n_units != hidden.shape[2]:
        mixture = rng.standard_normal((n_units, hidden.shape[2]))
        mixture /= np.linalg.norm(mixture, axis=1, keepdims=True)
        hidden = hidden @ mixture.T
        for k in range(len(rows.names)):
            mine = rows.subject == k
            hidden[mine] = _standard(hidden[mine])
    return gain * hidden, {"mixture": xr.DataArray(mixture, dims=("unit", "hidden_unit"))}


def _standard(values: np.ndarray) -> np.ndarray:
    away = values - values.mean(axis=(0, 1))
    spread = away.std(axis=(0, 1))
    return away / np.where(spread > 1e-12, spread, 1)


def _drift(
    rows: Rows, n_units: int, sd: float, trials: float, rng: np.random.Generator
) -> np.ndarray:
    """Return a stationary first-order walk along each session's trials, dims (row, unit)."""
    shocks = rng.standard_normal((len(rows.session), n_units))
    if sd == 0:
        return np.zeros_like(shocks)
    keep = np.exp(-1 / trials)
    fresh = np.r_[True, np.diff(rows.session) != 0]
    walk = shocks
    for t in range(1, len(walk)):
        if not fresh[t]:
            walk[t] = keep * walk[t - 1] + np.sqrt(1 - keep**2) * shocks[t]
    return sd * walk


def _decayed(jumps: np.ndarray, times: np.ndarray, session: np.ndarray, decay: float) -> np.ndarray:
    """Let what was added at each event decay until the next, dims (row, event, unit)."""
    n_rows, n_events, n_units = jumps.shape
    flat, clock = jumps.reshape(-1, n_units), times.ravel()
    fresh = np.repeat(np.r_[True, np.diff(session) != 0], n_events)
    fresh[1:] &= np.arange(1, len(fresh)) % n_events == 0
    keep = np.exp(-np.diff(clock, prepend=0).clip(0) / decay)
    keep[fresh | np.isnan(keep)] = 0
    signal = np.array(flat, float)
    for t in range(1, len(signal)):
        signal[t] += keep[t] * signal[t - 1]
    return signal.reshape(n_rows, n_events, n_units)


def _assembled(
    cohort: xr.Dataset, values: np.ndarray, rows: Rows, events: list[str],
    truth: dict[str, xr.DataArray], units: str, window: float, made: dict[str, Any],
) -> xr.Dataset:  # fmt: skip
    shape = (cohort.sizes["session"], cohort.sizes["trial"], *values.shape[1:])
    activity = np.full(shape, np.nan, "float32")
    activity[rows.session, rows.trial] = values
    left = [v for v in cohort.variables if v in NETWORK_ONLY or "unit" in cohort[v].dims]
    found = cohort.drop_vars([*left, *[c for c in ("action",) if c in cohort.coords]])
    found = found.assign_coords(event=events, unit=np.arange(shape[3], dtype="int32"))
    about = {"units": units, "window_s": f"0 to {float(window)!r}"}
    found["activity"] = (*TRIAL, "event", "unit"), activity, about
    found = found.assign(truth)
    found.attrs["virtual"] = json.dumps(made, sort_keys=True)
    return validate_cohort(found)


def _session_means(values: np.ndarray, session: np.ndarray) -> np.ndarray:
    _, index = np.unique(session, return_inverse=True)
    sums = np.zeros((int(index.max()) + 1, values.shape[1]))
    np.add.at(sums, index, values)
    return (sums / np.bincount(index)[:, None])[index]


def _gaps(start: np.ndarray, session: np.ndarray, window: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths of the times between windows, and when they begin."""
    clock, of = start.ravel(), np.repeat(session, start.shape[1])
    gap = np.zeros(len(clock))
    gap[:-1] = np.where(of[1:] == of[:-1], np.diff(clock) - window, 0)
    gap = np.where(np.isnan(gap), 0, gap).clip(0)
    return gap.reshape(start.shape), start + window


def _uniform(
    counts: np.ndarray,
    begins: np.ndarray,
    length: np.ndarray,
    session: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spread counted spikes, dims (row, event, unit), over their stretch of time."""
    row, event, unit = np.unravel_index(
        np.repeat(np.arange(counts.size), counts.ravel()), counts.shape
    )
    time = begins[row, event] + length[row, event] * rng.random(len(row))
    known = ~np.isnan(time)
    return time[known], session[row][known], unit[known]
