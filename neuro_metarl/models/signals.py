"""Values and reward-prediction errors of cognitive models, along subjects' own trials.

They are read from the memory of a model's own step (:mod:`neuro_metarl.models.model`), and are
stored as :func:`neuro_metarl.record` stores those of an agent: the error at an event is made when
the event ends. At ``first_step`` it is what the second-step state was worth minus what was
expected of the choice; at ``second_step`` it is the reward minus what was expected of the state.

References
----------
Daw et al. 2011, doi:10.1016/j.neuron.2011.02.027.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.models.fitting import planted_values
from neuro_metarl.models.model import Memory, Model, Planted, Trial, find_model, theta_type
from neuro_metarl.models.trials import Trials, known_values, trials_of

__all__ = ["Reader", "model_signals"]

Worth = Mapping[str, tuple[Any, Any]]
Reader = Callable[[Memory, Trial, Any], Worth]
EVENTS = ("first_step", "second_step")


def model_signals(
    cohort: xr.Dataset,
    model: str | Model | Planted | xr.Dataset,
    *,
    reader: Reader | None = None,
) -> xr.Dataset:
    """Give a model's values and reward-prediction errors on every trial of a cohort.

    Parameters
    ----------
    cohort
        Two-step cohort, dims session, trial.
    model
        A fit (each subject has its own parameters), a planted model (all subjects the same), or a
        model or its name, at its defaults. What was not given is taken from the task.
    reader
        For models of one's own: function of ``memory`` before the trial, ``trial`` and ``theta``
        that gives, for ``"model_based"`` or ``"model_free"`` or both, the value expected of the
        choice and the value of the second-step state.

    Returns
    -------
    xarray.Dataset
        ``value`` and ``rpe``, dims system, session, trial, event, in units of reward; NaN where
        the trial is not valid. ``system`` is what the model has of ``model_based`` and
        ``model_free``. ``value`` at ``first_step`` is that of the choice made, at ``second_step``
        that of the state; ``rpe`` at ``first_step`` is their difference, at ``second_step`` the
        reward minus the state's value.

    Raises
    ------
    InputError
        The model has no values that can be read, or see
        :func:`neuro_metarl.models.likelihood.trial_log_likelihood`.

    Notes
    -----
    Model-based: ``Q(c) = sum_s P(s|c) V(s)``, by the model's ``p_common`` (even where the model
    counts transitions to know which are the common ones). In Daw's hybrid both
    systems share the values of states, and so the error at the outcome. The model-free value of
    ``mixture`` knows no states: nothing happens to it until the outcome.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> signals = model_signals(load_dataset("synthetic-rats"), "hybrid")
    >>> signals.system.values.tolist(), signals.event.values.tolist()
    (['model_based', 'model_free'], ['first_step', 'second_step'])
    """
    chosen, values_of = _values_of(cohort, model)
    read = reader or _reader(chosen)
    across = isinstance(model, xr.Dataset) and bool(model.attrs.get("across_problems", False))
    trials = trials_of(cohort, chosen, across_problems=across)
    shape = (cohort.sizes["session"], cohort.sizes["trial"], len(EVENTS))
    systems: dict[str, np.ndarray] = {}
    for k, name in enumerate(trials.subjects):
        rows = trials.rows_of(k)
        place = trials.session[rows], trials.place[rows]
        for system, worth in _run(chosen, trials, rows, values_of(name), read).items():
            array = systems.setdefault(system, np.full(shape, np.nan))
            array[place] = worth
    order = sorted(systems)
    value = np.stack([systems[s] for s in order])
    reward = cohort["reward"].transpose("session", "trial").values
    final = np.broadcast_to(reward, value.shape[:-1])
    error = np.stack([value[..., 1] - value[..., 0], final - value[..., 1]], axis=-1)
    dims = ("system", "session", "trial", "event")
    return xr.Dataset(
        {
            "value": (dims, value, {"long_name": "value", "units": "reward"}),
            "rpe": (dims, error, {"long_name": "reward-prediction error", "units": "reward"}),
        },
        coords={
            "system": order, "event": list(EVENTS), "subject": cohort["subject"],
            "session_id": cohort["session_id"],
        },
        attrs={"model": chosen.name},
    )  # fmt: skip


def _values_of(
    cohort: xr.Dataset, model: str | Model | Planted | xr.Dataset
) -> tuple[Model, Callable[[str], Mapping[str, float]]]:
    if isinstance(model, xr.Dataset):
        if not {"model", "held"} <= set(model.attrs) or "estimate" not in model:
            raise InputError("this data set is no fit: it has no 'estimate' or names no model")
        chosen = find_model(model.attrs["model"])
        fitted = planted_values(model, chosen)

        def of_fit(name: str) -> Mapping[str, float]:
            if name not in fitted:
                raise InputError(f"the fit has no subject {name!r}; fit the same cohort")
            return fitted[name]

        return chosen, of_fit
    planted = model if isinstance(model, Planted) else find_model(model).planted()
    known = known_values(cohort, planted.model)
    return planted.model, lambda name: planted.knowing(**known[name]).values


def _run(
    model: Model, trials: Trials, rows: slice, values: Mapping[str, float], reader: Reader
) -> dict[str, np.ndarray]:
    """Step through a subject's sessions side by side; dims (row, event) for each system."""
    start = trials.start[rows]
    number = np.cumsum(start) - 1
    within = np.arange(len(start)) - np.flatnonzero(start)[number]
    n_sessions, n_trials = int(number[-1]) + 1, int(within.max()) + 1
    columns = []
    for name in Trial._fields:
        padded = np.zeros((n_sessions, n_trials))
        padded[number, within] = getattr(trials, name)[rows]
        columns.append(padded)
    theta = theta_type(tuple(model.parameter_map))(*values.values())
    memory: Memory = tuple(np.full(n_sessions, value) for value in model.initial)
    found: dict[str, np.ndarray] = {}
    for t in range(n_trials):
        trial = Trial(*(c[:, t] for c in columns))
        for system, worth in reader(memory, trial, theta).items():
            array = found.setdefault(system, np.zeros((n_sessions, n_trials, len(EVENTS))))
            array[:, t] = np.stack(np.broadcast_arrays(*worth, memory[0])[:2], axis=-1)
        _, memory = model.step(memory, trial, theta)
    return {system: array[number, within] for system, array in found.items()}


def _reader(model: Model) -> Reader:
    if model.parts:
        return _reader_of_parts(model)
    key = model.step.__qualname__.split(".")[0]
    if key not in READERS:
        raise InputError(
            f"model {model.name!r} has no values in units of reward that can be read; models that "
            "have: model_based (all kinds), latent_state, model_free, hybrid (all kinds), "
            "mixture, mixture_2017; for a model of your own give reader="
        )
    return READERS[key]


def _reader_of_parts(model: Model) -> Reader:
    """Read both strategies of a session, whichever it has."""
    n, readers = len(model.parts[0].model.initial), [_reader(part.model) for part in model.parts]
    thetas = [theta_type(tuple(part.model.parameter_map)) for part in model.parts]

    def read(memory: Memory, trial: Trial, theta: Any) -> Worth:
        worth: dict[str, tuple[Any, Any]] = {}
        for k, own in enumerate((memory[:n], memory[n:-2])):
            mine = thetas[k](*(getattr(theta, name) for name in model.parts[k].names))
            worth |= readers[k](own, trial, mine)
        return worth

    return read


def _pick(index: Any, zero: Any, one: Any) -> Any:
    return index * one + (1 - index) * zero


def _planned(trial: Trial, theta: Any, v0: Any, v1: Any) -> Any:
    p_one = _pick(trial.choice, 1 - theta.p_common, theta.p_common)
    return _pick(p_one, v0, v1)


def _read_planner(memory: Memory, trial: Trial, theta: Any) -> Worth:
    v0, v1, *_ = memory
    return {"model_based": (_planned(trial, theta, v0, v1), _pick(trial.state, v0, v1))}


def _read_latent(memory: Memory, trial: Trial, theta: Any) -> Worth:
    one, zero, *_ = memory
    high, low = theta.p_reward_high, theta.p_reward_low
    return _read_planner((high * zero + low * one, high * one + low * zero), trial, theta)


def _read_model_free(memory: Memory, trial: Trial, theta: Any) -> Worth:
    q0, q1, v0, v1, *_ = memory
    return {"model_free": (_pick(trial.choice, q0, q1), _pick(trial.state, v0, v1))}


def _read_hybrid(memory: Memory, trial: Trial, theta: Any) -> Worth:
    planner = _read_planner(memory[2:4], trial, theta)
    return {**planner, **_read_model_free(memory, trial, theta)}


def _read_human(memory: Memory, trial: Trial, theta: Any) -> Worth:
    q0, q1, v00, v01, v10, v11, *_ = memory
    state = _pick(trial.state, _pick(trial.choice2, v00, v01), _pick(trial.choice2, v10, v11))
    planned = _planned(trial, theta, np.maximum(v00, v01), np.maximum(v10, v11))
    return {
        "model_based": (planned, state),
        "model_free": (_pick(trial.choice, q0, q1), state),
    }


def _read_mixture(memory: Memory, trial: Trial, theta: Any) -> Worth:
    good, paid, *_ = memory
    chosen = _pick(trial.choice, 1 - paid, paid)
    return {**_read_planner((1 - good, good), trial, theta), "model_free": (chosen, chosen)}


def _read_mixture_2017(memory: Memory, trial: Trial, theta: Any) -> Worth:
    good = memory[0]
    planner = _read_planner((1 - good, good), trial, theta)
    return {**planner, **_read_model_free(memory[1:5], trial, theta)}


READERS: dict[str, Reader] = {
    "_model_based": _read_planner,
    "_model_based_asymmetric": _read_planner,
    "_model_based_symmetric": _read_planner,
    "_latent_step": _read_latent,
    "_model_free": _read_model_free,
    "_hybrid_step": _read_hybrid,
    "_hybrid_human_step": _read_human,
    "_mixture": _read_mixture,
    "_mixture_2017_step": _read_mixture_2017,
}
