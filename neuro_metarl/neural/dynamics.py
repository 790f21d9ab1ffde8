"""Dynamics: where a network's state comes to rest under a constant input, and how it moves there.

The map of a network takes its whole state (what its core carries from step to step: hidden and cell
of an LSTM, hidden of a GRU) one step on. With its input held constant,
or repeated trial after trial, the map has *fixed points*: states that it leaves where they are.
The eigenvalues of the map's Jacobian there say which directions decay, persist or grow, and how
fast.

References
----------
Sussillo & Barak 2013, doi:10.1162/NECO_a_00409; Maheswaranathan et al. 2019, arXiv:1906.10720.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.neural.fixed_point_search import Map, find_fixed_points
from neuro_metarl.neural.recordings import counted_trials

__all__ = ["fixed_points", "input_of", "step_map", "step_network"]

RECORDED = {"hidden": "activity", "cell": "cell"}
"""The variables of a cohort that hold states of a core."""


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
    agents: Any, states: Mapping[str, np.ndarray], inputs: np.ndarray, *, agent: int = 0
) -> dict[str, np.ndarray]:
    """Take a network one step on, as it is played, in double precision.

    Parameters
    ----------
    agents
        Trained agents.
    states
        What the core carries from step to step (``hidden`` and ``cell`` of an LSTM), before the
        step; dims (state, unit).
    inputs
        Dims (row) or (state, row): previous action, observation, previous reward.
    agent
        Position of the network.

    Returns
    -------
    dict of numpy.ndarray
        The same after the step.

    Raises
    ------
    InputError
        Sizes do not fit, there is no such agent, or its core carries other states, or none.

    Examples
    --------
    >>> from neuro_metarl import load_agents
    >>> agents = load_agents("two-step/0")
    >>> rest = {"hidden": np.zeros((1, 48)), "cell": np.zeros((1, 48))}
    >>> after = step_network(agents, rest, input_of(agents, "fixation"))
    >>> after["hidden"].shape
    (1, 48)
    """
    advance, names = _map(agents, agent)
    if set(states) != set(names):
        raise InputError(f"states are {', '.join(states)}, expected {', '.join(names)}")
    h = agents.population.shape.n_units
    blocks = [np.atleast_2d(np.asarray(states[name], float)) for name in names]
    for name, block in zip(names, blocks, strict=True):
        if block.shape != (len(blocks[0]), h):
            raise InputError(
                f"{name} has dims {block.shape}, expected (state, unit): the network has {h} units"
            )
    after, _ = advance(np.concatenate(blocks, axis=1), _inputs(agents, inputs, single=False))
    return dict(zip(names, np.split(after, len(names), axis=1), strict=True))


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
        From states, dims (state, all units of what the core carries: of an LSTM, hidden then
        cell), to the states after and the Jacobians, dims (state, after, before).

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
    step, _ = _map(agents, agent)
    rows = _inputs(agents, inputs, single=True)

    def advance(state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        jacobian = None
        for row in rows:
            state, differentiate = step(state, row)
            one = differentiate()
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
        Recorded from them: ``activity`` and, of LSTMs, ``cell``, dims session, trial, event, unit.
        Each subject of the cohort that is one of the agents is searched.
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
        See :func:`neuro_metarl.neural.fixed_point_search.find_fixed_points`.
    seed
        Of the draw.

    Returns
    -------
    xarray.Dataset
        As ``find_fixed_points`` gives them, for all networks together:
        ``subject_of(fixed_point)`` says whose a point is; ``hidden`` and, of LSTMs, ``cell``
        (fixed_point, unit) in place of ``state``; besides, ``policy`` (fixed_point, action) and
        ``value`` (fixed_point), what the network does there, and ``time_constant`` in network
        steps; ``n_found`` and ``n_failed`` (subject).

    Raises
    ------
    InputError
        No activity or cell state in the cohort, none of its subjects among the agents, other
        sizes, no such event, or networks whose states a cohort does not hold, or that have none.

    Examples
    --------
    >>> from neuro_metarl import load_agents, record
    >>> agents = load_agents("two-step/0")
    >>> cohort = record(agents, n_sessions=3)
    >>> found = fixed_points(agents, cohort, input_of(agents, "fixation"), n_starts=10)
    >>> bool((found.speed < 1e-6).all())
    True
    """
    variables = _recorded_states(agents, cohort)
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
        n_units = agents.population.shape.n_units
        if mine.sizes["unit"] != n_units:
            raise InputError(
                f"the cohort has {mine.sizes['unit']} units, network {name!r} {n_units}: it was "
                "not recorded from it"
            )
        starts = _starts(mine, variables, counted[owner == name], event, n_starts, rng)
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


def _map(agents: Any, agent: int) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """Return one network's map, and what its core carries from step to step."""
    population = agents.population
    core = population.shape.core
    if not core.remembers:
        raise InputError(
            f"networks with the core {core.name!r} carry nothing from step to step: there are no "
            "dynamics to look at"
        )
    if not 0 <= agent < population.n_agents:
        raise InputError(f"agent is {agent}, expected 0 to {population.n_agents - 1}")
    return population.state_map(agent), core.states


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


def _recorded_states(agents: Any, cohort: xr.Dataset) -> list[str]:
    """Name the variables of a cohort that hold what the core carries from step to step."""
    core = agents.population.shape.core
    _map(agents, 0)
    variables = []
    for state in core.states:
        if state not in RECORDED:
            raise InputError(
                f"networks with the core {core.name!r} carry {state!r} from step to step, which no "
                "cohort holds: start step_map from states of your own with find_fixed_points"
            )
        if RECORDED[state] not in cohort:
            raise InputError(
                f"no {RECORDED[state]!r} in this cohort: fixed points start from recorded {state} "
                "states; record the agents with activity=True"
            )
        variables.append(RECORDED[state])
    return variables


def _starts(
    mine: xr.Dataset,
    variables: Sequence[str],
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
    blocks = [mine[name].transpose(*dims).values for name in variables]
    n_numbers = len(blocks) * mine.sizes["unit"]
    states = np.concatenate(blocks, axis=-1)[counted].reshape(-1, n_numbers).astype(float)
    states = states[np.isfinite(states).all(axis=1)]
    if not len(states):
        raise InputError(
            f"{' or '.join(variables)} is NaN everywhere; there is no state to start from"
        )
    return states[rng.choice(len(states), size=min(n_starts, len(states)), replace=False)]


def _read_out(agents: Any, agent: int, found: xr.Dataset) -> xr.Dataset:
    shape = agents.population.shape
    h, names, state = shape.n_units, shape.core.states, found["state"].values
    blocks = dict(zip(names, np.split(state, len(names), axis=1), strict=True))
    heads = np.asarray(agents.population.tensors["heads"][agent].detach().numpy(), float)
    output = blocks["hidden"] @ heads[:, 1:].T + heads[:, 0]
    odds = np.exp(output[:, :-1] - output[:, :-1].max(axis=1, keepdims=True, initial=-np.inf))
    return (
        found.drop_vars("state")
        .assign({name: (("fixed_point", "unit"), block) for name, block in blocks.items()})
        .assign(
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
