"""Dynamics: where a network's state comes to rest under a constant input, and how it moves there.

The map of an LSTM takes its whole state, hidden and cell, one step on (see
:mod:`neuro_metarl.agents.network` for the layout of the weights). With its input held constant,
or repeated trial after trial, the map has *fixed points*: states that it leaves where they are.
The eigenvalues of the map's Jacobian there say which directions decay, persist or grow, and how
fast.

References
----------
Sussillo & Barak 2013, doi:10.1162/NECO_a_00409; Maheswaranathan et al. 2019, arXiv:1906.10720.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.fixed_points import Map, find_fixed_points
from neuro_metarl.neural.recordings import counted_trials

__all__ = ["fixed_points", "input_of", "step_map", "step_network"]


def input_of(
    agents: Any, event: str, *, action: str | int | None = None, reward: float = 0.0
) -> np.ndarray:
    """Make the input that a network sees at an event.

    Parameters
    ----------
    agents
        Trained agents.
    event
        What is shown: an event of the task (``"first_step"``), or an observation's position. For
        the two-step task's second step, ``"second_step/0"`` or ``"second_step/1"``.
    action
        The action before, by name or number; None is no action, as at the start.
    reward
        The reward before.

    Returns
    -------
    numpy.ndarray
        Dims (row): previous action one-hot, observation one-hot, previous reward.

    Raises
    ------
    InputError
        No such event or action.

    Examples
    --------
    >>> from neuro_metarl import load_agents
    >>> agents = load_agents("two-step/0")
    >>> input_of(agents, "second_step/1", action="right").tolist()
    [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    """
    shape, task = agents.population.shape, agents.task
    row = np.zeros(shape.n_inputs)
    row[shape.n_actions + _position(event, _observations(task, shape), "event")] = 1
    if action is not None:
        row[_position(action, list(task.actions), "action")] = 1
    row[-1] = reward
    return row


def step_network(
    agents: Any, hidden: np.ndarray, cell: np.ndarray, inputs: np.ndarray, *, agent: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Take a network one step on, as it is played, in double precision.

    Parameters
    ----------
    agents
        Trained agents.
    hidden, cell
        Dims (state, unit): before the step.
    inputs
        Dims (row) or (state, row): previous action, observation, previous reward.
    agent
        Position of the network.

    Returns
    -------
    hidden, cell
        Dims (state, unit): after the step.

    Raises
    ------
    InputError
        Sizes do not fit, or there is no such agent.

    Examples
    --------
    >>> from neuro_metarl import load_agents
    >>> agents = load_agents("two-step/0")
    >>> rest = np.zeros((1, 48))
    >>> hidden, cell = step_network(agents, rest, rest, input_of(agents, "fixation"))
    >>> hidden.shape
    (1, 48)
    """
    weights = _weights(agents, agent)
    state = np.concatenate([np.atleast_2d(hidden), np.atleast_2d(cell)], axis=1).astype(float)
    n_units = weights.shape[0] // 4
    if state.shape[1] != 2 * n_units:
        raise InputError(f"states have {state.shape[1] // 2} units, the network has {n_units}")
    out, *_, later = _gates(weights, state, _inputs(agents, inputs, single=False))
    return out * np.tanh(later), later


def step_map(agents: Any, inputs: np.ndarray, *, agent: int = 0) -> Map:
    """Make the map of a network under an input, with its Jacobian.

    Parameters
    ----------
    agents
        Trained agents.
    inputs
        Dims (row): held constant; or (step, row): the map is all these steps, one after another,
        as in a trial that is repeated.
    agent
        Position of the network.

    Returns
    -------
    callable
        From states, dims (state, 2 x units: hidden then cell), to the states after and the
        Jacobians, dims (state, 2 x units, 2 x units).

    Raises
    ------
    InputError
        See :func:`step_network`.

    Examples
    --------
    >>> from neuro_metarl import load_agents
    >>> agents = load_agents("two-step/0")
    >>> after, jacobian = step_map(agents, input_of(agents, "fixation"))(np.zeros((1, 96)))
    >>> jacobian.shape
    (1, 96, 96)
    """
    weights, rows = _weights(agents, agent), _inputs(agents, inputs, single=True)

    def advance(state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        jacobian = None
        for row in rows:
            state, one = _step(weights, state, row)
            jacobian = one if jacobian is None else one @ jacobian
        assert jacobian is not None
        return state, jacobian

    return advance


def fixed_points(
    agents: Any,
    cohort: xr.Dataset,
    inputs: np.ndarray,
    *,
    event: str | None = None,
    where: xr.DataArray | None = None,
    n_starts: int = 200,
    max_speed: float = 1e-6,
    separation: float = 1e-3,
    seed: int = 0,
) -> xr.Dataset:
    """Find the fixed points of trained networks under an input, from states they visited.

    Parameters
    ----------
    agents
        Trained agents.
    cohort
        Recorded from them: ``activity`` and ``cell``, dims session, trial, event, unit. Each
        subject of the cohort that is one of the agents is searched.
    inputs
        Dims (row): held constant; or (step, row): repeated, as the inputs of a trial. See
        :func:`input_of`.
    event
        Start from states after this event; default after all.
    where
        bool, dims session, trial: start from states of these trials; default every valid trial.
    n_starts
        States drawn per network.
    max_speed, separation
        See :func:`neuro_metarl.neural.fixed_points.find_fixed_points`.
    seed
        Of the draw.

    Returns
    -------
    xarray.Dataset
        As ``find_fixed_points`` gives them, for all networks together:
        ``subject_of(fixed_point)`` says whose a point is; ``hidden`` and ``cell`` (fixed_point,
        unit) in place of ``state``; besides, ``policy`` (fixed_point, action) and ``value``
        (fixed_point), what the network does there, and ``time_constant`` in network steps;
        ``n_found`` and ``n_failed`` (subject).

    Raises
    ------
    InputError
        No activity or cell state in the cohort, none of its subjects among the agents, other
        sizes, or no such event.

    Examples
    --------
    >>> from neuro_metarl import load_agents, record
    >>> agents = load_agents("two-step/0")
    >>> cohort = record(agents, n_sessions=3)
    >>> found = fixed_points(agents, cohort, input_of(agents, "fixation"), n_starts=10)
    >>> bool((found.speed < 1e-6).all())
    True
    """
    _check_cohort(cohort)
    names = [n for n in subjects_of(cohort) if n in agents.names]
    if not names:
        raise InputError(
            f"none of the cohort's subjects ({', '.join(subjects_of(cohort)[:3])} ...) is among "
            f"the agents ({', '.join(agents.names[:3])} ...)"
        )
    rng, parts = np.random.default_rng(seed), []
    counted, owner = counted_trials(cohort, where), cohort["subject"].values
    for name in names:
        agent = agents.names.index(name)
        mine = select_subjects(cohort, name)
        starts = _starts(mine, counted[owner == name], event, n_starts, rng)
        weights = _weights(agents, agent)
        if starts.shape[1] != weights.shape[0] // 2:
            raise InputError(
                f"the cohort has {starts.shape[1] // 2} units, network {name!r} "
                f"{weights.shape[0] // 4}: it was not recorded from it"
            )
        found = find_fixed_points(
            step_map(agents, inputs, agent=agent),
            starts,
            max_speed=max_speed,
            separation=separation,
        )
        parts.append(_read_out(agents, agent, found))
    n_steps = len(_inputs(agents, inputs, single=True))
    return _join(parts, names, n_steps, max_speed, n_starts)


def _observations(task: Any, shape: Any) -> list[str]:
    """Name the observations: the events, the last of which may be shown in several forms."""
    events = list(task.events)
    last = shape.n_observations - len(events) + 1
    if last < 1 or getattr(shape, "encoder", None) is not None:
        raise InputError(
            f"task {task.name!r} does not show its events one-hot; make the input row yourself: "
            f"{shape.n_actions} actions, {shape.n_observations} observations, reward"
        )
    if last == 1:
        return events
    return [*events[:-1], *(f"{events[-1]}/{k}" for k in range(last))]


def _position(wanted: str | int, known: Sequence[str], what: str) -> int:
    if isinstance(wanted, int | np.integer) and 0 <= wanted < len(known):
        return int(wanted)
    if wanted not in known:
        raise InputError(f"no {what} {wanted!r}; {did_you_mean(str(wanted), known)}")
    return list(known).index(str(wanted))


def _weights(agents: Any, agent: int) -> np.ndarray:
    """Return one network's recurrent weights, dims (4 gates x unit, input | 1 | hidden)."""
    population = agents.population
    core = getattr(population.shape, "core", "lstm")
    if core != "lstm":
        raise InputError(f"the network's core is {core!r}; this is for networks of one LSTM layer")
    if not 0 <= agent < population.n_agents:
        raise InputError(f"agent is {agent}, expected 0 to {population.n_agents - 1}")
    return np.asarray(population.tensors["recurrent"][agent].detach().numpy(), float)


def _inputs(agents: Any, inputs: np.ndarray, *, single: bool) -> np.ndarray:
    rows = np.atleast_2d(np.asarray(inputs, float))
    n_inputs = agents.population.shape.n_inputs
    if rows.ndim != 2 or rows.shape[1] != n_inputs or not np.isfinite(rows).all():
        dims = "(row) or (step, row)" if single else "(row) or (state, row)"
        raise InputError(
            f"inputs have shape {np.shape(inputs)}, expected finite numbers with dims {dims}, "
            f"{n_inputs} rows; see input_of"
        )
    return rows


def _gates(weights: np.ndarray, state: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, ...]:
    """Open the gates: output, input, forget, candidate, and the cell after the step."""
    h = weights.shape[0] // 4
    drive = state[:, :h] @ weights[:, -h:].T + row @ weights[:, : -h - 1].T + weights[:, -h - 1]
    out, inp, forget = (_sigmoid(drive[:, k * h : (k + 1) * h]) for k in range(3))
    candidate = np.tanh(drive[:, 3 * h :])
    return out, inp, forget, candidate, forget * state[:, h:] + inp * candidate


def _step(weights: np.ndarray, state: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Step states (state, hidden | cell) and differentiate the step."""
    h = weights.shape[0] // 4
    cell, diagonal = state[:, h:], np.arange(h)
    out, inp, forget, candidate, later = _gates(weights, state, row)
    w_out, w_inp, w_forget, w_cand = weights[:, -h:].reshape(4, h, h)
    squashed = np.tanh(later)
    cell_by_hidden = (
        (forget * (1 - forget) * cell)[:, :, None] * w_forget
        + (inp * (1 - inp) * candidate)[:, :, None] * w_inp
        + (inp * (1 - candidate**2))[:, :, None] * w_cand
    )
    slope = out * (1 - squashed**2)
    jacobian = np.zeros((len(state), 2 * h, 2 * h))
    jacobian[:, h:, :h] = cell_by_hidden
    jacobian[:, h + diagonal, h + diagonal] = forget
    jacobian[:, :h, :h] = (out * (1 - out) * squashed)[:, :, None] * w_out
    jacobian[:, :h, :h] += slope[:, :, None] * cell_by_hidden
    jacobian[:, diagonal, h + diagonal] = slope * forget
    return np.concatenate([out * squashed, later], axis=1), jacobian


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _check_cohort(cohort: xr.Dataset) -> None:
    for name, what in (("activity", "hidden"), ("cell", "cell")):
        if name not in cohort:
            raise InputError(
                f"no {name!r} in this cohort: fixed points start from recorded {what} states; "
                "record the agents with activity=True"
            )


def _starts(
    mine: xr.Dataset,
    counted: np.ndarray,
    event: str | None,
    n_starts: int,
    rng: np.random.Generator,
) -> np.ndarray:
    if n_starts < 1:
        raise InputError(f"n_starts is {n_starts}, expected 1 or more")
    if event is not None:
        known = [str(e) for e in mine["event"].values]
        mine = mine.isel(event=[_position(event, known, "event")])
    dims = ("session", "trial", "event", "unit")
    both = [mine[name].transpose(*dims).values for name in ("activity", "cell")]
    states = (
        np.concatenate(both, axis=-1)[counted].reshape(-1, 2 * mine.sizes["unit"]).astype(float)
    )
    states = states[np.isfinite(states).all(axis=1)]
    if not len(states):
        raise InputError("activity or cell is NaN everywhere; there is no state to start from")
    return states[rng.choice(len(states), size=min(n_starts, len(states)), replace=False)]


def _read_out(agents: Any, agent: int, found: xr.Dataset) -> xr.Dataset:
    h = agents.population.shape.n_units
    state = found["state"].values
    heads = np.asarray(agents.population.tensors["heads"][agent].detach().numpy(), float)
    output = state[:, :h] @ heads[:, 1:].T + heads[:, 0]
    odds = np.exp(output[:, :-1] - output[:, :-1].max(axis=1, keepdims=True, initial=-np.inf))
    return (
        found.drop_vars("state")
        .assign(
            hidden=(("fixed_point", "unit"), state[:, :h]),
            cell=(("fixed_point", "unit"), state[:, h:]),
            policy=(("fixed_point", "action"), odds / odds.sum(axis=1, keepdims=True)),
            value=("fixed_point", output[:, -1]),
        )
        .assign_coords(action=list(agents.task.actions), unit=np.arange(h))
    )


def _join(
    parts: list[xr.Dataset], names: list[str], n_steps: int, max_speed: float, n_starts: int
) -> xr.Dataset:
    counts = [part.sizes["fixed_point"] for part in parts]
    failed = [part.attrs["n_failed"] for part in parts]
    joined = xr.concat(parts, dim="fixed_point", combine_attrs="drop")
    joined["time_constant"] = joined["time_constant"] * n_steps
    return (
        joined.assign(n_found=("subject", counts), n_failed=("subject", failed))
        .assign_coords(
            subject=names, subject_of=("fixed_point", np.repeat(np.asarray(names, np.str_), counts))
        )
        .assign_attrs(
            measure="fixed points",
            max_speed=max_speed,
            n_starts=n_starts,
            n_steps=n_steps,
            time_constant="network steps",
        )
    )
