"""Cognitive models of the two-step task: one step function each, planted and simulated.

A model is a function ``step(state, choice, state2, reward, theta) -> (logit, state)``: from the
state before a trial it gives the log odds of choosing 1, and from what happened the state after
it. The same function simulates and, read along a subject's trials, gives the likelihood, so that
the two cannot drift apart. It has no branches: everything in it is arithmetic on arrays, one
entry per session.

Coding inside a step: ``choice`` and ``state2`` are 0 or 1 with the common transition leading
from choice 0 to state 0 and from choice 1 to state 1 (:func:`simulate` flips the states of a
subject with the other mapping), ``reward`` is 0 or 1. States start anew with every session.

References
----------
Daw et al. 2011, doi:10.1016/j.neuron.2011.02.027; Akam et al. 2015,
doi:10.1371/journal.pcbi.1004648; Miller et al. 2017, doi:10.1038/nn.4613.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from neuro_metarl.errors import InputError, did_you_mean

__all__ = [
    "MODELS",
    "Model",
    "Outcomes",
    "Parameter",
    "Planted",
    "hybrid",
    "latent_state",
    "mixture",
    "reward_as_cue",
    "simulate",
]

State = tuple[np.ndarray, ...]
Theta = Mapping[str, float]
Step = Callable[[State, np.ndarray, np.ndarray, np.ndarray, Theta], tuple[np.ndarray, State]]
LEAST_BELIEF = 1e-300
Range = Literal["unit", "positive", "real"]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a model.

    Parameters
    ----------
    name
        In the field's words.
    range
        ``"unit"`` (0 to 1), ``"positive"`` or ``"real"``.
    default
        Value where none is given.
    """

    name: str
    range: Range
    default: float

    def check(self, value: float) -> float:
        """Return the value if it is in range.

        Raises
        ------
        InputError
            It is not.
        """
        fits = {"unit": 0 <= value <= 1, "positive": value >= 0, "real": True}[self.range]
        if not (np.isfinite(value) and fits):
            raise InputError(f"{self.name} is {value}, expected a {self.range} number")
        return float(value)


@dataclass(frozen=True)
class Model:
    """A cognitive model.

    Parameters
    ----------
    name
        Its name.
    parameters
        Its parameters.
    initial
        Value of each state variable when a session starts.
    step
        See the module.
    """

    name: str
    parameters: tuple[Parameter, ...]
    initial: tuple[float, ...]
    step: Step

    def planted(self, name: str = "", **values: float) -> Planted:
        """Plant parameter values, which makes a subject whose truth is known.

        Parameters
        ----------
        name
            Name of the subject; default the model's.
        **values
            Parameters; those not given keep their default.

        Returns
        -------
        Planted

        Raises
        ------
        InputError
            Unknown parameter, or a value out of range.

        Examples
        --------
        >>> hybrid.planted(weight_model_based=1.0).values["eligibility_trace"]
        1.0
        """
        known = {p.name: p for p in self.parameters}
        for key in values:
            if key not in known:
                raise InputError(
                    f"{self.name} has no parameter {key!r}; {did_you_mean(key, known)}"
                )
        theta = {k: p.check(values.get(k, p.default)) for k, p in known.items()}
        return Planted(self, theta, name or self.name, frozenset(values))


@dataclass(frozen=True)
class Planted:
    """A model with its parameter values: a subject that plays.

    Parameters
    ----------
    model
        The model.
    values
        Parameter name to value.
    name
        Name of the subject.
    given
        Parameters that were given; the others are defaults.
    """

    model: Model
    values: Mapping[str, float]
    name: str
    given: frozenset[str] = frozenset()

    def knowing(self, **task: float) -> Planted:
        """Take from the task what the subject is supposed to know and was not given.

        Parameters
        ----------
        **task
            The task's ``p_common``, ``p_reward_high`` and the like.

        Returns
        -------
        Planted

        Examples
        --------
        >>> hybrid.planted().knowing(p_common=0.75).values["p_common"]
        0.75
        >>> hybrid.planted(p_common=0.8).knowing(p_common=0.75).values["p_common"]
        0.8
        """
        learned = {k: v for k, v in task.items() if k in self.values and k not in self.given}
        return replace(self, values={**self.values, **learned})


@dataclass(frozen=True)
class Outcomes:
    """What every choice would lead to, drawn before anyone plays.

    Parameters
    ----------
    state_if
        Dims (session, trial, choice): the second-step state each choice would lead to.
    reward_if
        Dims (session, trial, state): the reward each second-step state would pay.
    forced_choice
        Dims (session, trial): the imposed choice, or -1 where the choice is free.
    incongruent
        If true, choice 0 leads commonly to state 1.
    """

    state_if: np.ndarray
    reward_if: np.ndarray
    forced_choice: np.ndarray
    incongruent: bool = False


def simulate(player: Planted, outcomes: Outcomes, *, rng: np.random.Generator) -> np.ndarray:
    """Let a planted model choose, all sessions at once.

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
    numpy.ndarray
        int8, dims (session, trial): the choices, imposed ones included.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> outcomes = Outcomes(np.tile([0, 1], (3, 50, 1)), np.tile([1, 0], (3, 50, 1)),
    ...                     np.full((3, 50), -1))
    >>> choice = simulate(hybrid.planted(inverse_temperature=8), outcomes, rng=rng)
    >>> bool(choice.mean() < 0.2)
    True
    """
    n_sessions, n_trials = outcomes.forced_choice.shape
    state: State = tuple(np.full(n_sessions, value) for value in player.model.initial)
    chosen = np.empty((n_sessions, n_trials), np.int8)
    uniform = rng.random((n_trials, n_sessions))
    nothing, each = np.zeros(n_sessions), np.arange(n_sessions)
    for t in range(n_trials):
        logit, _ = player.model.step(state, nothing, nothing, nothing, player.values)
        free = uniform[t] < 0.5 * (1 + np.tanh(0.5 * logit))
        imposed = outcomes.forced_choice[:, t]
        choice = np.where(imposed >= 0, imposed, free).astype(np.int8)
        state2 = outcomes.state_if[each, t, choice].astype(int)
        reward = outcomes.reward_if[each, t, state2].astype(float)
        relative = (state2 ^ int(outcomes.incongruent)).astype(float)
        _, state = player.model.step(state, choice.astype(float), relative, reward, player.values)
        chosen[:, t] = choice
    return chosen


def _mixture(
    state: State, choice: np.ndarray, state2: np.ndarray, reward: np.ndarray, theta: Theta
) -> tuple[np.ndarray, State]:
    good, paid, habit, last, transition = state
    logit = (
        theta["weight_model_based"] * (2 * theta["p_common"] - 1) * (2 * good - 1)
        + theta["weight_model_free"] * (2 * paid - 1)
        + theta["weight_perseveration"] * habit
        + theta["weight_novelty"] * last * transition
        + theta["bias"]
    )
    side = 2 * choice - 1
    evidence = state2 * reward + (1 - state2) * (1 - reward)
    success = choice * reward + (1 - choice) * (1 - reward)
    return logit, (
        good + theta["learning_rate_model_based"] * (evidence - good),
        paid + theta["learning_rate_model_free"] * (success - paid),
        habit + theta["learning_rate_perseveration"] * (side - habit),
        side,
        side * (2 * state2 - 1),
    )


def _hybrid(
    state: State, choice: np.ndarray, state2: np.ndarray, reward: np.ndarray, theta: Theta
) -> tuple[np.ndarray, State]:
    q0, q1, v0, v1, last = state
    w = theta["weight_model_based"]
    planned = (2 * theta["p_common"] - 1) * (v1 - v0)
    logit = (
        theta["inverse_temperature"] * (w * planned + (1 - w) * (q1 - q0))
        + theta["perseveration"] * last
        + theta["bias"]
    )
    v = state2 * v1 + (1 - state2) * v0
    q = choice * q1 + (1 - choice) * q0
    error = reward - v
    q_step = theta["learning_rate_first"] * (v - q + theta["eligibility_trace"] * error)
    v_step = theta["learning_rate_second"] * error
    return logit, (
        q0 + (1 - choice) * q_step,
        q1 + choice * q_step,
        v0 + (1 - state2) * v_step,
        v1 + state2 * v_step,
        2 * choice - 1,
    )


def _latent_state(
    state: State, choice: np.ndarray, state2: np.ndarray, reward: np.ndarray, theta: Theta
) -> tuple[np.ndarray, State]:
    one, zero, last = state
    logit = (
        theta["inverse_temperature"] * (2 * theta["p_common"] - 1) * (one - zero)
        + theta["perseveration"] * last
        + theta["bias"]
    )
    high, low = theta["p_reward_high"], theta["p_reward_low"]
    pays_if_good = high * reward + (1 - high) * (1 - reward)
    pays_if_bad = low * reward + (1 - low) * (1 - reward)
    one_good = state2 * pays_if_good + (1 - state2) * pays_if_bad
    one_bad = state2 * pays_if_bad + (1 - state2) * pays_if_good
    one, zero = one_good * one + LEAST_BELIEF, one_bad * zero + LEAST_BELIEF
    one, zero = one / (one + zero), zero / (one + zero)
    switch = theta["hazard"] * (one - zero)
    return logit, (one - switch, zero + switch, 2 * choice - 1)


def _reward_as_cue(
    state: State, choice: np.ndarray, state2: np.ndarray, reward: np.ndarray, theta: Theta
) -> tuple[np.ndarray, State]:
    values, cues, last = state[:8], state[8:12], state[12]
    difference = sum(
        cue * (right - left)
        for cue, left, right in zip(cues, values[::2], values[1::2], strict=True)
    )
    logit = (
        theta["inverse_temperature"] * difference + theta["perseveration"] * last + theta["bias"]
    )
    learned = []
    for k, value in enumerate(values):
        chosen = choice if k % 2 else 1 - choice
        learned.append(value + theta["learning_rate"] * cues[k // 2] * chosen * (reward - value))
    now = (
        (1 - state2) * (1 - reward),
        (1 - state2) * reward,
        state2 * (1 - reward),
        state2 * reward,
    )
    return logit, (*learned, *now, 2 * choice - 1)


P_COMMON = Parameter("p_common", "unit", 0.8)
SHARED = (
    P_COMMON,
    Parameter("inverse_temperature", "positive", 4.0),
    Parameter("perseveration", "real", 0.0),
    Parameter("bias", "real", 0.0),
)

mixture = Model(
    "mixture",
    (
        P_COMMON,
        Parameter("learning_rate_model_based", "unit", 0.5),
        Parameter("weight_model_based", "real", 0.0),
        Parameter("learning_rate_model_free", "unit", 0.5),
        Parameter("weight_model_free", "real", 0.0),
        Parameter("learning_rate_perseveration", "unit", 0.5),
        Parameter("weight_perseveration", "real", 0.0),
        Parameter("weight_novelty", "real", 0.0),
        Parameter("bias", "real", 0.0),
    ),
    (0.5, 0.5, 0.0, 0.0, 0.0),
    _mixture,
)
"""Mixture of agents after Miller et al. 2017: model-based, model-free, habit, novelty, bias.

Values of the option not taken are learned too, as one minus the outcome, so that the log odds are
an exact linear function of the past trials: the lagged regression of this model is known in closed
form.
"""

hybrid = Model(
    "hybrid",
    (
        *SHARED,
        Parameter("learning_rate_first", "unit", 0.5),
        Parameter("learning_rate_second", "unit", 0.5),
        Parameter("eligibility_trace", "unit", 1.0),
        Parameter("weight_model_based", "unit", 0.5),
    ),
    (0.0, 0.0, 0.0, 0.0, 0.0),
    _hybrid,
)
"""Hybrid of Daw et al. 2011 without a second-step choice.

``weight_model_based`` 1 is a model-based agent that learns about the visited state alone, 0 is
model-free TD(eligibility_trace).
"""

latent_state = Model(
    "latent_state",
    (
        *SHARED,
        Parameter("hazard", "unit", 0.025),
        Parameter("p_reward_high", "unit", 0.8),
        Parameter("p_reward_low", "unit", 0.2),
    ),
    (0.5, 0.5, 0.0),
    _latent_state,
)
"""Bayesian inference of which second-step state is the good one; ``hazard`` per trial.

The probability of either state is kept, so that certainty rounds alike on both sides; evidence
that the model holds to be impossible leaves it in doubt.
"""

reward_as_cue = Model(
    "reward_as_cue",
    (*SHARED[1:], Parameter("learning_rate", "unit", 0.05)),
    (0.0,) * 13,
    _reward_as_cue,
)
"""Akam et al. 2015: the last state and reward cue the next choice; no transition model."""

MODELS = {m.name: m for m in (mixture, hybrid, latent_state, reward_as_cue)}
