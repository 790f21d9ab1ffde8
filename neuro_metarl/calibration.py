"""How often a test finds nothing, and how often something, on a lab's own design.

A test is tried on data in which the answer is known, with the sessions, trials, missing trials and
units of the lab. Negative controls hold nothing to find: animals like the lab's own, or activity
that wanders as the recorded units do and knows nothing of the task. Positive controls hold
something: an animal that tosses a coin, or activity to which the variable was added.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import subjects_of
from neuro_metarl.comparison.cloud import place
from neuro_metarl.comparison.groups import compare_groups
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.intervals import mean_intervals
from neuro_metarl.models.designs import simulate_design
from neuro_metarl.models.fitting import fit, planted_values
from neuro_metarl.neural.decoding import decode
from neuro_metarl.neural.encoding import encode
from neuro_metarl.neural.whitening import autoregression, order_for
from neuro_metarl.paradigms.registry import paradigm_of
from neuro_metarl.progress import progress_bar

__all__ = ["check_calibration", "wandering_activity"]

WARM_UP, N_BOOTSTRAP, N_PERMUTATIONS, N_STARTS = 200, 400, 99, 3
BEHAVIOR, ACTIVITY = ("compare_groups", "place"), ("encode", "decode")
Runs = Iterator[tuple[np.ndarray, np.ndarray]]


def check_calibration(
    verb: str,
    cohort: xr.Dataset,
    *,
    n_runs: int = 100,
    alpha: float = 0.05,
    seed: int = 0,
    size: float = 1.0,
    progress: bool = False,
    **options: Any,
) -> xr.Dataset:
    """Run planted nulls, and something planted, of a cohort's own design through a public test.

    Parameters
    ----------
    verb
        ``"compare_groups"``: two groups, each as many animals as the cohort has, are told apart on
        some signature (Holm). ``"place"``: one more animal is called outside. ``"encode"``: a unit
        codes the first of ``regressors`` (``p_null`` where a ``null`` is given, else ``p``).
        ``"decode"``: a population holds ``target``.
    cohort
        Animals with ``p_reward`` for the first two; a cohort with ``activity`` for the others.
    n_runs
        Data sets without anything, and as many with something.
    alpha
        Of the test.
    seed
        Of everything that is drawn.
    size
        What is planted in activity: SDs of a unit's activity for an SD of the variable.
    progress
        Show progress on standard error.
    **options
        Of the verb: ``regressors``, ``null``, ``target``, ``folds`` and so on.

    Returns
    -------
    xarray.Dataset
        ``rate`` (control: negative, positive) with ``low`` and ``high``, its 95 % interval over
        data sets; ``n_tests`` (control). A sound test has a negative rate near ``alpha``; what
        the positive one is depends on how much was planted.

    Raises
    ------
    InputError
        Another verb, a cohort that lacks what it needs, or what the verb itself refuses.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> cohort = record("two-step/0", n_sessions=6, seed=1)
    >>> some = cohort.isel(trial=slice(0, 40), unit=slice(0, 4))
    >>> table = check_calibration("encode", some, n_runs=4, regressors=["reward"],
    ...                           events=["second_step"])
    >>> bool(table.rate.sel(control="positive") > table.rate.sel(control="negative"))
    True
    """
    if verb not in (*BEHAVIOR, *ACTIVITY):
        raise InputError(f"verb is {verb!r}; {did_you_mean(str(verb), [*BEHAVIOR, *ACTIVITY])}")
    if n_runs < 2:
        raise InputError(f"n_runs is {n_runs}, expected 2 or more")
    runs = _of_animals(verb, cohort, n_runs, alpha, seed, options) if verb in BEHAVIOR else (
        _of_activity(verb, cohort, n_runs, alpha, seed, size, options))  # fmt: skip
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    with progress_bar("calibrating", n_runs, shown=progress) as show:
        for k, (nothing, something) in enumerate(runs):
            found[0].append(nothing)
            found[1].append(something)
            show(k + 1, verb)
    table = np.array([_rate(hits) for hits in found])
    return xr.Dataset(
        {name: ("control", table[:, k]) for k, name in enumerate(("rate", "low", "high"))}
        | {"n_tests": ("control", [sum(map(len, hits)) for hits in found])},
        coords={"control": ["negative", "positive"]},
        attrs={"verb": verb, "alpha": alpha, "n_runs": n_runs, "seed": seed,
               "options": ", ".join(f"{k}={_said(v)}" for k, v in options.items())},
    )  # fmt: skip


def _said(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_said, value))
    return str(value.name) if isinstance(value, xr.DataArray) else str(value)


def wandering_activity(cohort: xr.Dataset, rng: np.random.Generator) -> xr.DataArray:
    """Draw activity that wanders as each unit does, and knows nothing of the task.

    Parameters
    ----------
    cohort
        Cohort with ``activity`` (session, trial, event, unit).
    rng
        Random generator.

    Returns
    -------
    xarray.DataArray
        As ``activity``: each unit of each subject, at each event, from an autoregression of up to
        six trials within sessions that was fitted to it; session means are drawn from those of its
        sessions. NaN where the unit has none.

    Raises
    ------
    InputError
        No activity.

    Examples
    --------
    >>> from neuro_metarl import record
    >>> cohort = record("two-step/0", n_sessions=3, seed=1)
    >>> drawn = wandering_activity(cohort, np.random.default_rng(0))
    >>> drawn.dims == cohort.activity.dims
    True
    """
    if "activity" not in cohort:
        raise InputError("the cohort has no 'activity'")
    dims = cohort["activity"].dims
    table = cohort["activity"].transpose("session", "trial", "event", "unit").values.astype(float)
    drawn = np.full(table.shape, np.nan)
    for name in subjects_of(cohort):
        mine = cohort["subject"].values == name
        for event in range(table.shape[2]):
            for unit in range(table.shape[3]):
                drawn[mine, :, event, unit] = _wander(table[mine, :, event, unit], rng)
    result = xr.DataArray(drawn, dims=("session", "trial", "event", "unit"))
    return result.transpose(*dims).assign_attrs(cohort["activity"].attrs)


def _wander(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one unit at one event, dims (session, trial)."""
    there = np.isfinite(values)
    if there.sum() < 2:
        return np.where(there, values, np.nan)
    known = there.any(axis=1)
    with np.errstate(invalid="ignore"):
        means = np.where(known, np.nansum(values, axis=1) / np.maximum(there.sum(axis=1), 1), 0.0)
    session = np.repeat(np.arange(len(values)), there.sum(axis=1))
    left = (values - means[:, None])[there][:, None]
    weights = autoregression(left, session, order_for(session))
    n, order = values.shape[1] + WARM_UP, len(weights)
    path = rng.standard_normal((len(values), n))
    for t in range(order, n):
        path[:, t] += path[:, t - order : t][:, ::-1] @ weights
    path = path[:, WARM_UP:]
    path *= left.std() / max(path.std(), 1e-300)
    path += rng.choice(means[known], len(values))[:, None]
    return np.where(there, path, np.nan)


def _of_activity(
    verb: str, cohort: xr.Dataset, n_runs: int, alpha: float, seed: int, size: float,
    options: dict[str, Any],
) -> Runs:  # fmt: skip
    what = "regressors" if verb == "encode" else "target"
    if what not in options:
        raise InputError(f"{verb} needs {what}=...")
    planted = options[what][0] if verb == "encode" else options[what]
    signal = _signal(cohort, planted)
    test = _encoded if verb == "encode" else _decoded
    for run in range(n_runs):
        rng = np.random.default_rng([seed, run])
        nothing = wandering_activity(cohort, rng)
        something = nothing + size * float(nothing.std()) * signal
        yield tuple(  # type: ignore[misc]
            test(cohort.assign(activity=one.transpose(*nothing.dims)), alpha, run, options)
            for one in (nothing, something)
        )


def _signal(cohort: xr.Dataset, planted: str | xr.DataArray) -> xr.DataArray:
    """Standardize the variable that is planted; 0 where there is none."""
    if isinstance(planted, str) and planted not in cohort:
        known = [str(name) for name in cohort.data_vars]
        raise InputError(f"the cohort has no {planted!r}; {did_you_mean(planted, known)}")
    values = (cohort[planted] if isinstance(planted, str) else planted).astype(float)
    values = values.where(cohort["valid"] == 1).reset_coords(drop=True)
    return ((values - values.mean()) / values.std()).fillna(0.0)


def _encoded(cohort: xr.Dataset, alpha: float, seed: int, options: dict[str, Any]) -> np.ndarray:
    given = {"n_permutations": N_PERMUTATIONS} | options
    found = encode(cohort, seed=seed, **given).isel(regressor=0, lag=0)
    p = found["p_null"] if "p_null" in found else found["p"]
    values = p.values[np.isfinite(p.values)]
    return np.asarray(values < alpha)


def _decoded(cohort: xr.Dataset, alpha: float, seed: int, options: dict[str, Any]) -> np.ndarray:
    given = {"n_permutations": N_PERMUTATIONS, "n_bootstrap": 2} | options
    p = decode(cohort, seed=seed, **given)["p"].values
    return np.asarray(p[np.isfinite(p)] <= alpha)


def _of_animals(
    verb: str, cohort: xr.Dataset, n_runs: int, alpha: float, seed: int, options: dict[str, Any]
) -> Runs:
    kind = paradigm_of(cohort)
    if kind.own_model is None:
        raise InputError(f"animals on a {kind.name} have no model of their own to be simulated by")
    fitted = planted_values(fit(cohort, kind.own_model, n_starts=N_STARTS, seed=seed))
    test = _told_apart if verb == "compare_groups" else _outside
    names, known = subjects_of(cohort), list(fitted.values())
    n_new = len(names) if verb == "compare_groups" else 1
    for run in range(n_runs):
        rng = np.random.default_rng([seed, run])
        taken = rng.integers(len(known), size=len(names) + n_new)
        values = {f"{k:04d}": known[i] for k, i in enumerate(taken)}
        played = simulate_design(cohort, kind.own_model, values, seed=int(rng.integers(2**31)))
        table = kind.measure(played)
        new = np.array([int(name) >= len(names) for name in table["subject"].values])
        animals, others = (table.isel(subject=m) for m in (~new, new))
        fresh = played.isel(session=[int(s) >= len(names) for s in played["subject"].values])
        still = fresh.assign(choice=_coin(fresh, rng))
        yield (test(others, animals, alpha, run, options),
               test(kind.measure(still), animals, alpha, run, options))  # fmt: skip


def _coin(cohort: xr.Dataset, rng: np.random.Generator) -> xr.DataArray:
    """Let choices be those of a coin; outcomes stay."""
    tossed = xr.zeros_like(cohort["choice"]) + rng.integers(2, size=cohort["choice"].shape).astype(
        cohort["choice"].dtype
    )
    return tossed.where(cohort["valid"] == 1, cohort["choice"]).astype(cohort["choice"].dtype)


def _told_apart(
    first: xr.Dataset, second: xr.Dataset, alpha: float, seed: int, options: dict[str, Any]
) -> np.ndarray:
    return np.array([bool((compare_groups(first, second)["p_holm"] < alpha).any())])


def _outside(
    first: xr.Dataset, second: xr.Dataset, alpha: float, seed: int, options: dict[str, Any]
) -> np.ndarray:
    given = {"n_bootstrap": N_BOOTSTRAP} | options
    return np.asarray(place(first, second, seed=seed, **given)["outside"].values == 1)


def _rate(hits: list[np.ndarray]) -> tuple[float, float, float]:
    """Average over all tests, with an interval over data sets (their tests are not independent)."""
    from scipy.stats import binomtest

    if all(len(each) == 1 for each in hits):
        made = sum(int(each[0]) for each in hits)
        ends = binomtest(made, len(hits)).proportion_ci(0.95, "exact")
        return made / len(hits), ends.low, ends.high
    shares = np.array([[each.mean()] for each in hits if len(each)])
    value, low, high = mean_intervals(shares, 0.95, (0.0, 1.0))[0]
    return float(value), float(low), float(high)
