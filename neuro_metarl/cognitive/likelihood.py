"""The likelihood of a subject's choices under a model: one step, run by two executors.

``"numba"`` compiles the model's own step and runs it along a subject's trials; ``"numpy"`` runs
the same function on arrays, one entry per session and parameter vector. They agree to rounding.
Derivatives are forward differences of the log odds, so that no model needs a gradient of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.cognitive.models import Model, Trial, find_model, theta_type
from neuro_metarl.cognitive.trials import Trials, known_values, trials_of
from neuro_metarl.errors import InputError

__all__ = ["STEP", "Executor", "evaluate", "log_odds", "trial_log_likelihood"]

Executor = Literal["numba", "numpy"]
STEP = 1e-6


def log_odds(
    model: Model,
    trials: Trials,
    subject: int,
    parameters: np.ndarray,
    *,
    executor: Executor = "numba",
) -> np.ndarray:
    """Give the log odds of choosing 1 on each of a subject's trials.

    Parameters
    ----------
    model
        The model.
    trials
        See :func:`trials_of`.
    subject
        Number of the subject.
    parameters
        Dims (vector, parameter), natural values in the model's order.
    executor
        ``"numba"`` or ``"numpy"``.

    Returns
    -------
    numpy.ndarray
        Dims (vector, choice, row).

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> model = find_model("hybrid")
    >>> trials = trials_of(load_dataset("synthetic-rats"), model)
    >>> theta = np.array([list(model.planted().values.values())])
    >>> a, b = (log_odds(model, trials, 0, theta, executor=e) for e in ("numba", "numpy"))
    >>> bool(np.allclose(a, b, atol=1e-12, rtol=0))
    True
    """
    if executor not in ("numba", "numpy"):
        raise InputError(f"executor is {executor!r}, expected 'numba' or 'numpy'")
    rows = trials.rows_of(subject)
    parameters = np.ascontiguousarray(parameters, float)
    if executor == "numpy":
        return _numpy_log_odds(model, trials, rows, parameters)
    result = np.empty((len(parameters), model.n_choices, rows.stop - rows.start))
    run = _compiled_run(model.step, tuple(model.parameter_map), model.initial, model.n_choices)
    columns = [getattr(trials, name)[rows] for name in (*Trial._fields, "start")]
    for k, vector in enumerate(parameters):
        run(*columns, vector, result[k])
    return result


def evaluate(
    model: Model,
    trials: Trials,
    subject: np.ndarray,
    parameters: np.ndarray,
    *,
    executor: Executor = "numba",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evaluate the log-likelihood with its derivatives for many problems at once.

    Parameters
    ----------
    model, trials
        See :func:`log_odds`.
    subject
        Dims (problem): number of each problem's subject.
    parameters
        Dims (problem, 1 + direction, parameter), natural values: the point, and the point
        moved by 1e-6 in each direction.
    executor
        ``"numba"`` or ``"numpy"``.

    Returns
    -------
    value, score, information
        Dims (problem), (problem, direction), (problem, direction, direction): log-likelihood,
        its gradient, and the Fisher information ``J' W J``.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> model = find_model("hybrid")
    >>> trials = trials_of(load_dataset("synthetic-rats"), model)
    >>> theta = np.array([[list(model.planted(inverse_temperature=0).values.values())]])
    >>> value, _, _ = evaluate(model, trials, np.array([0]), theta)
    >>> bool(np.isclose(value[0], -np.log(2) * trials.n_responses[0]))
    True
    """
    parameters = np.ascontiguousarray(parameters, float)
    n_problems, n_points, _ = parameters.shape
    value = np.empty(n_problems)
    score = np.empty((n_problems, n_points - 1))
    information = np.empty((n_problems, n_points - 1, n_points - 1))
    if executor == "numba":
        run_all = _compiled_sums(
            model.step, tuple(model.parameter_map), model.initial, model.n_choices
        )
        columns = [getattr(trials, name) for name in (*Trial._fields, "start", "respond", "first")]
        run_all(*columns, np.asarray(subject), parameters, value, score, information)
    else:
        for k, who in enumerate(subject):
            rows = trials.rows_of(int(who))
            odds = log_odds(model, trials, int(who), parameters[k], executor=executor)
            chosen = np.stack([trials.choice[rows], trials.choice2[rows]])[: model.n_choices]
            respond = trials.respond[:, rows]
            x, y = odds[0][respond], chosen[respond]
            slopes = (odds[1:, respond] - x) / STEP
            p = 0.5 * (1 + np.tanh(0.5 * x))
            value[k] = (y * x - np.logaddexp(0, x)).sum()
            score[k] = slopes @ (y - p)
            information[k] = (slopes * (p * (1 - p))) @ slopes.T
    return value, score, information


def trial_log_likelihood(
    cohort: xr.Dataset,
    model: str | Model,
    values: Mapping[str, float] | Mapping[str, Mapping[str, float]],
    *,
    executor: Executor = "numba",
) -> xr.DataArray:
    """Give the log probability of every response.

    Parameters
    ----------
    cohort
        Dims session, trial.
    model
        Model or its name.
    values
        Parameter to value, or subject to such a mapping. What is not given is taken from the
        task (``p_common`` and the like), else it has the model's default.
    executor
        ``"numba"`` or ``"numpy"``.

    Returns
    -------
    xarray.DataArray
        Dims session, trial (, choice where a trial has two); NaN where there is no response.

    Raises
    ------
    InputError
        See :func:`trials_of`; unknown parameters or values out of range.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> rats = load_dataset("synthetic-rats")
    >>> ll = trial_log_likelihood(rats, "hybrid", {"inverse_temperature": 0.0})
    >>> bool(np.isclose(float(ll.mean()), np.log(0.5)))
    True
    """
    chosen = find_model(model)
    trials = trials_of(cohort, chosen)
    known = known_values(cohort, chosen)
    shape = (cohort.sizes["session"], cohort.sizes["trial"], chosen.n_choices)
    result = np.full(shape, np.nan)
    for k, name in enumerate(trials.subjects):
        given: Any = values.get(name, values)
        planted = chosen.planted(**{**known, **given})
        theta = np.array([list(planted.values.values())])
        rows = trials.rows_of(k)
        odds = log_odds(chosen, trials, k, theta, executor=executor)[0]
        picked = np.stack([trials.choice[rows], trials.choice2[rows]])[: chosen.n_choices]
        logs = -np.logaddexp(0, np.where(picked == 1, -odds, odds))
        logs = np.where(trials.respond[:, rows], logs, np.nan)
        result[trials.session[rows], trials.place[rows]] = logs.T
    dims = ("session", "trial", "choice_number")
    array = xr.DataArray(result, dims=dims, coords={"subject": cohort["subject"]})
    array.attrs = {"long_name": "log probability of the response", "model": chosen.name}
    return array.isel(choice_number=0) if chosen.n_choices == 1 else array


def _numpy_log_odds(
    model: Model, trials: Trials, rows: slice, parameters: np.ndarray
) -> np.ndarray:
    start = trials.start[rows]
    number = np.cumsum(start) - 1
    within = np.arange(len(start)) - np.flatnonzero(start)[number]
    n_sessions, n_trials = int(number[-1]) + 1, int(within.max()) + 1
    columns = []
    for name in Trial._fields:
        padded = np.zeros((n_sessions, n_trials))
        padded[number, within] = getattr(trials, name)[rows]
        columns.append(padded)
    theta = theta_type(tuple(model.parameter_map))(*parameters.T[:, :, None])
    shape = (len(parameters), n_sessions)
    memory: Any = tuple(np.full(shape, value) for value in model.initial)
    odds = np.empty((n_trials, model.n_choices, *shape))
    with np.errstate(all="ignore"):
        for t in range(n_trials):
            logits, memory = model.step(memory, Trial(*(c[:, t] for c in columns)), theta)
            for j in range(model.n_choices):
                odds[t, j] = logits[j]
    return odds[within, :, :, number].transpose(2, 1, 0)


@lru_cache(maxsize=128)
def _compiled_run(
    step: Any, names: tuple[str, ...], initial: tuple[float, ...], n_choices: int
) -> Any:
    """Compile a model's step into a run along a subject's trials."""
    from numba import njit
    from numba.np.unsafe.ndarray import to_fixed_tuple

    theta_of, n_names = theta_type(names), len(names)
    single = njit(step, error_model="numpy")

    @njit(error_model="numpy", nogil=True)
    def run(choice, state, choice2, reward, belief, start, vector, odds):  # type: ignore[no-untyped-def]
        theta = theta_of(*to_fixed_tuple(vector, n_names))
        memory = initial
        for t in range(len(choice)):
            if start[t]:
                memory = initial
            seen = Trial(choice[t], state[t], choice2[t], reward[t], belief[t])
            logits, memory = single(memory, seen, theta)
            for j in range(n_choices):
                odds[j, t] = logits[j]

    return run


@lru_cache(maxsize=128)
def _compiled_sums(
    step: Any, names: tuple[str, ...], initial: tuple[float, ...], n_choices: int
) -> Any:
    """Compile likelihood, score and information of many problems."""
    from numba import njit

    run, weigh = _compiled_run(step, names, initial, n_choices), _compiled_weights()

    @njit(error_model="numpy", nogil=True)
    def run_all(  # type: ignore[no-untyped-def]
        choice, state, choice2, reward, belief, start, respond, first,
        subject, parameters, value, score, information,
    ):  # fmt: skip
        n_points = parameters.shape[1]
        most = 0
        for k in subject:
            most = max(most, first[k + 1] - first[k])
        odds = np.empty((n_points, n_choices, most))
        for problem in range(len(subject)):
            a, b = first[subject[problem]], first[subject[problem] + 1]
            n = b - a
            for k in range(n_points):
                run(choice[a:b], state[a:b], choice2[a:b], reward[a:b], belief[a:b], start[a:b],
                    parameters[problem, k], odds[k])  # fmt: skip
            residual, spread = np.zeros(n), np.zeros(n)
            slope = np.empty((n_points - 1, n))
            value[problem], score[problem], information[problem] = 0.0, 0.0, 0.0
            for j in range(n_choices):
                made = choice[a:b] if j == 0 else choice2[a:b]
                value[problem] += weigh(made, odds[0, j], respond[j, a:b], residual, spread)
                for k in range(n_points - 1):
                    for t in range(n):
                        slope[k, t] = (odds[k + 1, j, t] - odds[0, j, t]) * (1 / STEP)
                score[problem] += np.dot(slope, residual)
                information[problem] += np.dot(slope * spread, slope.T)

    return run_all


@lru_cache(maxsize=1)
def _compiled_weights() -> Any:
    from numba import njit

    @njit(error_model="numpy", nogil=True)
    def weigh(made, odds, respond, residual, spread):  # type: ignore[no-untyped-def]
        """Log-likelihood; leaves ``y - p`` and ``p (1 - p)``, 0 where there is no response."""
        value, product = 0.0, 1.0
        for t in range(len(made)):
            residual[t], spread[t] = 0.0, 0.0
            if respond[t]:
                x = odds[t]
                decay = np.exp(-abs(x))
                p = (1.0 if x >= 0 else decay) / (1 + decay)
                residual[t], spread[t] = made[t] - p, p * (1 - p)
                value += made[t] * x - max(x, 0.0)
                product *= 1 + decay
                if product > 1e200:
                    value -= np.log(product)
                    product = 1.0
        return value - np.log(product)

    return weigh
