"""The likelihood of a subject's choices under a model: one step, run by two executors.

``"numba"`` compiles the model's own step and runs it along a subject's trials; ``"numpy"`` runs
the same function on arrays, one entry per session and parameter vector. They agree to rounding.
Derivatives are forward differences of the log odds, so that no model needs a gradient of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.models.by_session import OfSessions, mix_log_odds, mix_sums
from neuro_metarl.models.model import Model, Trial, find_model, theta_type
from neuro_metarl.models.trials import Trials, known_values, trials_of
from neuro_metarl.progress import call_compiled

__all__ = ["STEP", "Executor", "evaluate", "log_odds", "trial_log_likelihood"]

Executor = Literal["numba", "numpy"]
STEP, MOST_ODDS, BLOCK = 1e-6, 2**17, 256


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
    if model.parts:
        return _log_odds_of_parts(model, trials, subject, parameters)
    result = np.empty((len(parameters), model.n_choices, rows.stop - rows.start))
    run, who = _run_of(model), np.array([subject])
    call_compiled(run, *_columns(trials), who, parameters[None], result.ravel())
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
    if model.parts:
        return _evaluate_parts(model, trials, np.asarray(subject), parameters, executor)
    n_problems, n_points, _ = parameters.shape
    value = np.empty(n_problems)
    score = np.empty((n_problems, n_points - 1))
    information = np.empty((n_problems, n_points - 1, n_points - 1))
    if executor == "numba":
        subject, run, weigh = np.asarray(subject), _run_of(model), _compiled_weights()
        made = (trials.choice, trials.choice2, trials.respond, trials.first)
        columns, n_rows = _columns(trials), np.diff(trials.first)[subject]
        sizes = n_rows * n_points * model.n_choices
        parts = _parts(sizes)
        buffer = np.empty(max((int(sizes[part].sum()) for part in parts), default=0))
        for part in parts:
            odds = buffer[: sizes[part].sum()]
            call_compiled(run, *columns, subject[part], parameters[part], odds)
            sums = (value[part], score[part], information[part])
            call_compiled(weigh, *made, subject[part], odds, *sums)
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


def _log_odds_of_parts(
    model: Model, trials: Trials, subject: int, parameters: np.ndarray
) -> np.ndarray:
    rows, names = trials.rows_of(subject), list(model.parameter_map)
    first, second = (
        log_odds(part.model, trials, subject, parameters[:, [names.index(n) for n in part.names]])
        for part in model.parts
    )
    share = parameters[:, names.index(model.share)]
    seen = (trials.choice[rows], trials.free[rows], trials.start[rows])
    return mix_log_odds(first[:, 0], second[:, 0], share, *seen)[:, None]


def _evaluate_parts(
    model: Model, trials: Trials, subject: np.ndarray, parameters: np.ndarray, executor: Executor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evaluate both strategies session by session, each where its own parameters move."""
    names, n_directions = list(model.parameter_map), parameters.shape[1] - 1
    first = np.append(np.flatnonzero(trials.start), len(trials.start))
    of_subject = np.searchsorted(first, trials.first)
    count = np.diff(of_subject)[subject]
    owner = np.repeat(np.arange(len(subject)), count)
    sessions = np.concatenate([np.arange(*of_subject[[s, s + 1]]) for s in subject])
    alone, found = replace(trials, first=first), []
    for part in model.parts:
        mine = parameters[..., [names.index(n) for n in part.names]]
        moved = np.flatnonzero((mine[:, 1:] != mine[:, :1]).any(axis=(0, 2)))
        points = mine[:, np.append(0, moved + 1)]
        value, score, information = evaluate(
            part.model, alone, sessions, points[owner], executor=executor
        )
        scores = np.zeros((len(owner), n_directions))
        informations = np.zeros((len(owner), n_directions, n_directions))
        scores[:, moved] = score
        informations[:, moved[:, None], moved] = information
        found.append(OfSessions(value, scores, informations))
    share = parameters[..., names.index(model.share)]
    slope = (share[:, 1:] - share[:, :1]) / STEP
    return mix_sums(found[0], found[1], share[:, 0], slope, count)


def trial_log_likelihood(
    cohort: xr.Dataset,
    model: str | Model,
    values: Mapping[str, float] | Mapping[str, Mapping[str, float]],
    *,
    across_problems: bool = False,
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
    across_problems
        Memory runs on where the number of the ``problem`` changes within a session.
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
    trials = trials_of(cohort, chosen, across_problems=across_problems)
    known = known_values(cohort, chosen)
    shape = (cohort.sizes["session"], cohort.sizes["trial"], chosen.n_choices)
    result = np.full(shape, np.nan)
    for k, name in enumerate(trials.subjects):
        given: Any = values.get(name, values)
        planted = chosen.planted(**{**known[name], **given})
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


def _columns(trials: Trials) -> list[np.ndarray]:
    return [getattr(trials, name) for name in (*Trial._fields, "start", "first")]


def _parts(sizes: np.ndarray) -> list[slice]:
    """Cut problems into runs whose log odds stay in cache."""
    if sizes.sum() <= MOST_ODDS:
        return [slice(0, len(sizes))]
    number = (np.cumsum(sizes) - sizes) // MOST_ODDS
    cuts = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(sizes)]
    return [slice(a, b) for a, b in pairwise(cuts)]


def _run_of(model: Model) -> Any:
    return _compiled_run(model.step, tuple(model.parameter_map), model.initial, model.n_choices)


@lru_cache(maxsize=128)
def _compiled_run(
    step: Any, names: tuple[str, ...], initial: tuple[float, ...], n_choices: int
) -> Any:
    """Compile a model's step into a run along the trials of many problems.

    This is all that is compiled for each model: it takes .4 s.
    """
    from numba import njit
    from numba.np.unsafe.ndarray import to_fixed_tuple

    theta_of, n_names = theta_type(names), len(names)
    single = njit(step, error_model="numpy")

    @njit(error_model="numpy", nogil=True)
    def run(  # type: ignore[no-untyped-def]
        choice, state, choice2, reward, belief, free, start, first, subject, parameters, odds
    ):
        """Leave log odds, dims (problem, point, choice, row), rows as many as each has."""
        offset = 0
        for problem in range(len(subject)):
            a, b = first[subject[problem]], first[subject[problem] + 1]
            for point in range(parameters.shape[1]):
                theta = theta_of(*to_fixed_tuple(parameters[problem, point], n_names))
                memory = initial
                for t in range(a, b):
                    if start[t]:
                        memory = initial
                    seen = Trial(choice[t], state[t], choice2[t], reward[t], belief[t], free[t])
                    logits, memory = single(memory, seen, theta)
                    for j in range(n_choices):
                        odds[offset + j * (b - a) + t - a] = logits[j]
                offset += n_choices * (b - a)

    return run


@lru_cache(maxsize=1)
def _compiled_weights() -> Any:
    """Compile likelihood, score and information from log odds; the same for every model."""
    from numba import njit

    add = _compiled_addition()

    @njit(error_model="numpy", nogil=True)
    def weigh(  # type: ignore[no-untyped-def]
        choice, choice2, respond, first, subject, odds, value, score, information
    ):
        n_directions = score.shape[1]
        block, offset = np.empty((n_directions + 3, BLOCK)), 0
        for problem in range(len(subject)):
            gradient, fisher = np.zeros(n_directions), np.zeros((n_directions, n_directions))
            a, b = first[subject[problem]], first[subject[problem] + 1]
            n_odds, value[problem] = len(respond) * (b - a), 0.0
            for j in range(len(respond)):
                made = choice if j == 0 else choice2
                points = odds[offset + j * (b - a) : offset + n_odds * (n_directions + 1)]
                value[problem] += add(
                    made[a:b], respond[j, a:b], points, n_odds, block, gradient, fisher
                )
            for i in range(n_directions):
                score[problem, i] = gradient[i]
                for k in range(i + 1):
                    information[problem, i, k] = information[problem, k, i] = fisher[i, k]
            offset += n_odds * (n_directions + 1)

    return weigh


@lru_cache(maxsize=1)
def _compiled_addition() -> Any:
    """Compile what the responses of one problem add to its gradient and information."""
    from numba import njit

    fold = _compiled_fold()

    @njit(error_model="numpy", nogil=True)
    def add(made, respond, points, n_odds, block, gradient, fisher):  # type: ignore[no-untyped-def]
        """Points of each direction stand ``n_odds`` apart; give the log-likelihood."""
        n_directions = len(gradient)
        total, product, filled = 0.0, 1.0, 0
        for t in range(len(made)):
            if not respond[t]:
                continue
            x = points[t]
            decay = np.exp(-abs(x))
            p = (1.0 if x >= 0 else decay) / (1 + decay)
            block[n_directions, filled], block[n_directions + 1, filled] = made[t] - p, p * (1 - p)
            total += made[t] * x - max(x, 0.0)
            product *= 1 + decay
            if product > 1e200:
                total -= np.log(product)
                product = 1.0
            for i in range(n_directions):
                block[i, filled] = (points[t + (i + 1) * n_odds] - x) * (1 / STEP)
            filled += 1
            if filled == BLOCK:
                fold(block, filled, gradient, fisher)
                filled = 0
        fold(block, filled, gradient, fisher)
        return total - np.log(product)

    return add


@lru_cache(maxsize=1)
def _compiled_fold() -> Any:
    """Compile the sums over a block of responses, free to add in any order."""
    from numba import njit

    @njit(error_model="numpy", nogil=True, fastmath={"reassoc", "contract"})
    def fold(block, n, gradient, fisher):  # type: ignore[no-untyped-def]
        """Rows of the block: slopes, then residuals, variances, and room for their products."""
        n_directions = len(gradient)
        residual, spread = block[n_directions], block[n_directions + 1]
        weighted = block[n_directions + 2]
        for i in range(n_directions):
            slope, total = block[i], 0.0
            for t in range(n):
                total += slope[t] * residual[t]
                weighted[t] = slope[t] * spread[t]
            gradient[i] += total
            for k in range(i + 1):
                other, total = block[k], 0.0
                for t in range(n):
                    total += weighted[t] * other[t]
                fisher[i, k] += total

    return fold
