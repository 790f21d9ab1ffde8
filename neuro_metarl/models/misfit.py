"""Does a fitted model describe the choices: tests of its residuals, in closed form.

With the fitted probability ``p`` of choosing 1, the residual is ``e = choice - p`` and its variance
``v = p (1 - p)``. Under the model residuals are unrelated over time, and over sessions they sum to
nothing, also when weighed by the sign of what a strategy would have done. A subject that changes
its strategy from session to session fails the last; the model that fits best may still be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import planted_values
from neuro_metarl.models.likelihood import log_odds
from neuro_metarl.models.model import Model, find_model
from neuro_metarl.models.trials import Trials, trials_of

__all__ = ["misfit_of", "misfit_test"]

N_LAGS, FLAG = 20, 0.01


def misfit_test(
    cohort: xr.Dataset, fit: xr.Dataset, *, model: str | Model | None = None
) -> xr.Dataset:
    """Test whether residuals of first choices are unrelated over time and alike over sessions.

    Parameters
    ----------
    cohort
        What was fitted.
    fit
        What :func:`neuro_metarl.models.fitting.fit` gave.
    model
        The model, if it is not one of the package.

    Returns
    -------
    xarray.Dataset
        ``p`` (subject, test) of ``"serial"`` (products of residuals 1 to 20 trials apart, summed),
        ``"sessions"`` (sums over sessions), and the same sums of residuals times the sign of what
        repeating (``"stay"``), win-stay lose-shift (``"model_free"``) and, where there is a second
        step, win-stay by state (``"planning"``) would choose: heterogeneity over sessions. NaN
        where there is one session. ``misfit`` (subject): the smallest p is below .01.

    Raises
    ------
    InputError
        The fit is of other subjects.

    Notes
    -----
    Residuals are never divided by their own SD, for those of a near-deterministic model are far
    from normal. Fitted parameters make the tests conservative: true models of 500 to 5,000 trials
    were flagged in 13 of 480 subjects.

    Examples
    --------
    >>> from neuro_metarl import fit, load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> misfit_test(rats, fit(rats, "mixture")).p.dims
    ('subject', 'test')
    """
    chosen = find_model(model or fit.attrs["model"])
    across = bool(fit.attrs.get("across_problems", False))
    trials = trials_of(cohort, chosen, across_problems=across)
    values = planted_values(fit, chosen)
    tests = ["serial", "sessions", "stay", "model_free"]
    tests += ["planning"] if "state" in chosen.needs else []
    rows = []
    for k, name in enumerate(trials.subjects):
        if name not in values:
            raise InputError(f"the fit has no subject {name!r}; fit the same cohort")
        theta = np.array([[values[name][p.name] for p in chosen.parameters]])
        odds = log_odds(chosen, trials, k, theta)[0, 0]
        rows.append(_tests(trials, k, 0.5 * (1 + np.tanh(0.5 * odds)))[: len(tests)])
    p = np.array(rows)
    return xr.Dataset(
        {
            "p": (("subject", "test"), p),
            "misfit": ("subject", np.nanmin(p, axis=1) < FLAG),
        },
        coords={"subject": list(trials.subjects), "test": tests},
        attrs={"model": chosen.name},
    )


def misfit_of(cohort: xr.Dataset, fits: Mapping[str, xr.Dataset]) -> xr.DataArray:
    """Test of several models whether they describe the choices.

    Parameters
    ----------
    cohort
        What was fitted.
    fits
        Model of the package to what :func:`neuro_metarl.models.fitting.fit` gave.

    Returns
    -------
    xarray.DataArray
        Dims subject, model: the ``misfit`` of :func:`misfit_test`.

    Examples
    --------
    >>> from neuro_metarl import fit_models, load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> misfit_of(rats, fit_models(rats, ["bias", "mixture"])).sel(model="bias").sum().item()
    6
    """
    flags = [misfit_test(cohort, one).misfit for one in fits.values()]
    return (
        xr.concat(flags, dim="model").assign_coords(model=list(fits)).transpose("subject", "model")
    )


def _tests(trials: Trials, subject: int, p: np.ndarray) -> list[float]:
    rows = trials.rows_of(subject)
    respond = trials.respond[0, rows]
    choice, reward, state = (getattr(trials, n)[rows] for n in ("choice", "reward", "state"))
    error = np.where(respond, choice - p, 0.0)
    variance = np.where(respond, p * (1 - p), 0.0)
    stretch = np.cumsum(trials.start[rows])
    session = np.unique(trials.session[rows], return_inverse=True)[1]
    won = np.where(reward > (reward.min() + reward.max()) / 2, 1.0, -1.0)
    first = trials.start[rows]

    def before(sign: np.ndarray) -> np.ndarray:
        last = np.append(0.0, sign[:-1])
        last[first] = 0
        return last

    side, port = 2 * choice - 1, 2 * state - 1
    found = [_serial(error, variance, stretch), _over(session, error, variance)]
    for sign in (before(side), before(side * won), before(port * won)):
        found.append(_over(session, error * sign, variance * sign**2))
    return found


def _serial(error: np.ndarray, variance: np.ndarray, stretch: np.ndarray) -> float:
    """Compare the summed products of residuals up to 20 trials apart with their variance."""
    from scipy.special import ndtr

    total, spread = 0.0, 0.0
    for lag in range(1, min(N_LAGS, len(error) - 1) + 1):
        same = stretch[lag:] == stretch[:-lag]
        total += float((error[lag:] * error[:-lag])[same].sum())
        spread += float((variance[lag:] * variance[:-lag])[same].sum())
    return float(2 * ndtr(-abs(total) / np.sqrt(spread))) if spread > 0 else np.nan


def _over(session: np.ndarray, error: np.ndarray, variance: np.ndarray) -> float:
    """Compare squared sums over sessions with their variances; one degree is spent on the mean."""
    from scipy.special import chdtrc

    sums, spread = np.bincount(session, error), np.bincount(session, variance)
    there = spread > 0
    if there.sum() < 2:
        return np.nan
    squares = sums[there] ** 2 / spread[there]
    mean = sums[there].sum() ** 2 / spread[there].sum()
    return float(chdtrc(int(there.sum()) - 1, squares.sum() - mean))
