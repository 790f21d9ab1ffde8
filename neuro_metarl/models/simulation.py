"""How a cognitive model plays: its own step, run forward on what choices would lead to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuro_metarl.models.model import Memory, Planted, Trial, theta_type

__all__ = ["Outcomes", "simulate", "simulate_stretches"]


@dataclass(frozen=True)
class Outcomes:
    """What every choice would lead to, drawn before anyone plays.

    Parameters
    ----------
    state_if
        Dims (session, trial, choice): the second-step state each choice would lead to; None in
        a task without a second step.
    reward_if
        Dims (session, trial, option): what each option would pay. Options are second-step
        states, or arms, or, where the second step has a choice of its own, 2 state + choice.
    forced_choice
        Dims (session, trial): the imposed choice, or -1 where the choice is free.
    incongruent
        Choice 0 leads commonly to state 1; a truth value, or one per session.
    there
        Dims (session, trial): the trial exists; default all do.
    baited
        What an option would have paid and did not, because it was not taken, waits there until it
        is taken.
    omission
        What an option gives that does not pay.
    forced_choice2
        Dims (session, trial): the imposed second choice, or -1 where it is free; default all are.
    """

    state_if: np.ndarray | None
    reward_if: np.ndarray
    forced_choice: np.ndarray
    incongruent: Any = False
    there: np.ndarray | None = None
    baited: bool = False
    omission: float = 0.0
    forced_choice2: np.ndarray | None = None


def simulate(
    player: Planted, outcomes: Outcomes, *, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Let a planted model play, all sessions at once.

    Parameters
    ----------
    player
        The model with its values.
    outcomes
        What its choices lead to.
    rng
        Random generator of the choices.

    Returns
    -------
    dict
        Dims (session, trial): ``choice`` (int8, imposed ones included), ``reward``, ``state``
        where there is a second step, and ``choice2`` where that has a choice.

    Examples
    --------
    >>> from neuro_metarl.models.model import find_model
    >>> rng = np.random.default_rng(0)
    >>> outcomes = Outcomes(np.tile([0, 1], (3, 50, 1)), np.tile([1, 0], (3, 50, 1)),
    ...                     np.full((3, 50), -1))
    >>> played = simulate(find_model("hybrid").planted(inverse_temperature=8), outcomes, rng=rng)
    >>> bool(played["choice"].mean() < 0.2)
    True
    """
    model = player.model
    n_sessions, n_trials = outcomes.forced_choice.shape
    theta = theta_type(tuple(model.parameter_map))(*player.values.values())
    memory: Memory = tuple(np.full(n_sessions, value) for value in model.initial)
    observer = model.observer() if model.observer else None
    if observer:
        observer.start(n_sessions)
    kinds = {"choice": "i1", "state": "i1", "choice2": "i1", "reward": "f8"}
    played = {name: np.zeros((n_sessions, n_trials), kind) for name, kind in kinds.items()}
    uniform = rng.random((n_trials, model.n_choices, n_sessions))
    nothing, each = np.zeros(n_sessions), np.arange(n_sessions)
    there = np.ones((n_sessions, n_trials), bool) if outcomes.there is None else outcomes.there
    waiting = np.full_like(outcomes.reward_if[:, 0], outcomes.omission)
    for t in range(n_trials):
        belief = observer.belief() if observer else nothing
        logits, _ = model.step(memory, Trial(nothing, nothing, nothing, nothing, belief), theta)
        imposed = outcomes.forced_choice[:, t]
        choice = np.where(imposed >= 0, imposed, uniform[t, 0] < _sigmoid(logits[0])).astype(int)
        state = choice if outcomes.state_if is None else outcomes.state_if[each, t, choice]
        relative = state.astype(int) ^ np.asarray(outcomes.incongruent, int)
        free = (imposed < 0).astype(float)
        seen = Trial(choice.astype(float), relative.astype(float), nothing, nothing, belief, free)
        option = state.astype(int)
        if model.n_choices == 2:
            logits, _ = model.step(memory, seen, theta)
            choice2 = (uniform[t, 1] < _sigmoid(logits[1])).astype(int)
            if outcomes.forced_choice2 is not None:
                imposed2 = outcomes.forced_choice2[:, t]
                choice2 = np.where(imposed2 >= 0, imposed2, choice2)
            option = 2 * option + choice2
            seen = seen._replace(choice2=choice2.astype(float))
            played["choice2"][:, t] = choice2
        paying = np.maximum(outcomes.reward_if[:, t], waiting)
        reward = np.where(there[:, t], paying[each, option], 0.0)
        if outcomes.baited:
            paying[each, option] = outcomes.omission
            waiting = np.where(there[:, t, None], paying, waiting)
        _, later = model.step(memory, seen._replace(reward=reward), theta)
        memory = tuple(
            np.where(there[:, t], new, old) for new, old in zip(later, memory, strict=True)
        )
        if observer:
            observer.learn(seen.choice, reward, there[:, t])
        played["choice"][:, t], played["state"][:, t] = choice, state
        played["reward"][:, t] = reward
    unused = {"choice2"} if model.n_choices == 1 else set()
    unused |= {"state"} if outcomes.state_if is None else set()
    return {name: values for name, values in played.items() if name not in unused}


def simulate_stretches(
    player: Planted, outcomes: Outcomes, borders: np.ndarray, *, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Let a planted model play sessions within which its memory starts anew.

    Parameters
    ----------
    player, outcomes, rng
        See :func:`simulate`.
    borders
        Dims (session, trial): number of the stretch over which memory lasts, see
        :func:`neuro_metarl.models.trials.borders_of`. What waits on a baited option waits until
        the end of the stretch.

    Returns
    -------
    dict
        See :func:`simulate`.

    Examples
    --------
    >>> from neuro_metarl.models.model import find_model
    >>> outcomes = Outcomes(None, np.tile([1, 0], (1, 4, 1)), np.full((1, 4), -1))
    >>> played = simulate_stretches(find_model("q_learning").planted(), outcomes,
    ...                             np.array([[0, 0, 1, 1]]), rng=np.random.default_rng(0))
    >>> played["choice"].shape
    (1, 4)
    """
    if not borders.any():
        return simulate(player, outcomes, rng=rng)
    new = np.ones(borders.shape, bool)
    new[:, 1:] = np.diff(borders, axis=1) != 0
    stretch = np.cumsum(new.ravel()).reshape(borders.shape) - 1
    session, place = np.nonzero(new)
    within = np.arange(borders.shape[1]) - place[stretch]
    shape = (len(session), int(within.max()) + 1)
    at = (stretch, within)

    def cut(values: np.ndarray | None, fill: Any) -> np.ndarray | None:
        if values is None:
            return None
        result = np.full((*shape, *values.shape[2:]), fill, values.dtype)
        result[at] = values
        return result

    there = np.ones(borders.shape, bool) if outcomes.there is None else outcomes.there
    pieces: Any = {
        "state_if": cut(outcomes.state_if, 0), "reward_if": cut(outcomes.reward_if, 0),
        "forced_choice": cut(outcomes.forced_choice, 0), "there": cut(there, False),
        "forced_choice2": cut(outcomes.forced_choice2, -1),
    }  # fmt: skip
    if np.ndim(outcomes.incongruent):
        pieces["incongruent"] = np.asarray(outcomes.incongruent)[session]
    values = {
        name: np.asarray(value)[session] if np.ndim(value) else value
        for name, value in player.values.items()
    }
    played = simulate(replace(player, values=values), replace(outcomes, **pieces), rng=rng)
    return {name: array[at] for name, array in played.items()}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))
