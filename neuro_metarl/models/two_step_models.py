"""Models of the two-step task: model-based, model-free, latent state, reward as cue.

Each is a step as :mod:`neuro_metarl.models.model` explains. Every log odds adds
``perseveration`` times the last choice (+1, -1, 0 on a session's first trial) and ``bias``.

References
----------
Daw et al. 2011, doi:10.1016/j.neuron.2011.02.027; Akam et al. 2015,
doi:10.1371/journal.pcbi.1004648; Blanco-Pozo et al. 2024, doi:10.1038/s41593-023-01542-x.
"""

from __future__ import annotations

from typing import Any

from neuro_metarl.models.model import Memory, Model, Parameter, Step, Trial

__all__ = [
    "latent_state",
    "latent_state_asymmetric",
    "model_based",
    "model_based_asymmetric",
    "model_based_forgetting",
    "model_based_symmetric",
    "model_free",
    "model_free_forgetting",
    "reward_as_cue",
]

Logits = tuple[Any, ...]
LEAST_BELIEF = 1e-300
P_COMMON = Parameter("p_common", "unit", 0.8, free=False)
TEMPERATURE = Parameter("inverse_temperature", "positive", 4.0)
HABIT = (Parameter("perseveration", "real", 0.0), Parameter("bias", "real", 0.0))
RATE = Parameter("learning_rate", "unit", 0.5)
TRACE = Parameter("eligibility_trace", "unit", 1.0)
FORGETTING = Parameter("forgetting", "unit", 0.3)


def _model_based(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    v0, v1, last = memory
    planned = (2 * theta.p_common - 1) * (v1 - v0)
    logit = theta.inverse_temperature * planned + theta.perseveration * last + theta.bias
    s, rate, forgotten = trial.state, theta.learning_rate, theta.forgetting
    return (logit,), (
        v0 + (1 - s) * rate * (trial.reward - v0) - s * forgotten * (v0 - 0.5),
        v1 + s * rate * (trial.reward - v1) - (1 - s) * forgotten * (v1 - 0.5),
        2 * trial.choice - 1,
    )


def _model_based_asymmetric(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    v0, v1, last = memory
    planned = (2 * theta.p_common - 1) * (v1 - v0)
    logit = theta.inverse_temperature * planned + theta.perseveration * last + theta.bias
    s, r, forgotten = trial.state, trial.reward, theta.forgetting
    rate = r * theta.learning_rate_reward + (1 - r) * theta.learning_rate_omission
    return (logit,), (
        v0 + (1 - s) * rate * (r - v0) - s * forgotten * (v0 - 0.5),
        v1 + s * rate * (r - v1) - (1 - s) * forgotten * (v1 - 0.5),
        2 * trial.choice - 1,
    )


def _model_based_symmetric(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    v0, v1, last = memory
    planned = (2 * theta.p_common - 1) * (v1 - v0)
    logit = theta.inverse_temperature * planned + theta.perseveration * last + theta.bias
    evidence = trial.state * trial.reward + (1 - trial.state) * (1 - trial.reward)
    return (logit,), (
        v0 + theta.learning_rate * (1 - evidence - v0),
        v1 + theta.learning_rate * (evidence - v1),
        2 * trial.choice - 1,
    )


def _model_free(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    q0, q1, v0, v1, last = memory
    logit = theta.inverse_temperature * (q1 - q0) + theta.perseveration * last + theta.bias
    c, s = trial.choice, trial.state
    v = s * v1 + (1 - s) * v0
    q = c * q1 + (1 - c) * q0
    error = trial.reward - v
    q_step = theta.learning_rate * (v - q + theta.eligibility_trace * error)
    v_step = theta.learning_rate * error
    return (logit,), (
        q0 + (1 - c) * q_step - c * theta.forgetting * q0,
        q1 + c * q_step - (1 - c) * theta.forgetting * q1,
        v0 + (1 - s) * v_step - s * theta.forgetting * v0,
        v1 + s * v_step - (1 - s) * theta.forgetting * v1,
        2 * c - 1,
    )


def _latent_step(omissions_tell: float) -> Step:
    def step(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
        one, zero, last = memory
        logit = (
            theta.inverse_temperature * (2 * theta.p_common - 1) * (one - zero)
            + theta.perseveration * last
            + theta.bias
        )
        high, low = theta.p_reward_high, theta.p_reward_low
        r, s = trial.reward, trial.state
        pays_if_good = high * r + (omissions_tell * (1 - high) + (1 - omissions_tell) / 2) * (1 - r)
        pays_if_bad = low * r + (omissions_tell * (1 - low) + (1 - omissions_tell) / 2) * (1 - r)
        one_good = s * pays_if_good + (1 - s) * pays_if_bad
        one_bad = s * pays_if_bad + (1 - s) * pays_if_good
        one, zero = one_good * one + LEAST_BELIEF, one_bad * zero + LEAST_BELIEF
        one, zero = one / (one + zero), zero / (one + zero)
        switch = theta.hazard * (one - zero)
        return (logit,), (one - switch, zero + switch, 2 * trial.choice - 1)

    return step


def _reward_as_cue(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    a0, a1, b0, b1, c0, c1, d0, d1, cue_a, cue_b, cue_c, cue_d, last = memory
    difference = cue_a * (a1 - a0) + cue_b * (b1 - b0) + cue_c * (c1 - c0) + cue_d * (d1 - d0)
    logit = theta.inverse_temperature * difference + theta.perseveration * last + theta.bias
    c, s, r = trial.choice, trial.state, trial.reward
    left, right = theta.learning_rate * (1 - c), theta.learning_rate * c
    return (logit,), (
        a0 + left * cue_a * (r - a0),
        a1 + right * cue_a * (r - a1),
        b0 + left * cue_b * (r - b0),
        b1 + right * cue_b * (r - b1),
        c0 + left * cue_c * (r - c0),
        c1 + right * cue_c * (r - c1),
        d0 + left * cue_d * (r - d0),
        d1 + right * cue_d * (r - d1),
        (1 - s) * (1 - r),
        (1 - s) * r,
        s * (1 - r),
        s * r,
        2 * c - 1,
    )


PLANNER = (P_COMMON, RATE, FORGETTING, TEMPERATURE, *HABIT)

model_based = Model(
    "model_based", PLANNER, (0.0, 0.0, 0.0), _model_based, family="planner"
).variant("model_based", forgetting=0.0)
"""Model-based; only the visited state is learned about. Values start at 0."""

model_based_forgetting = Model(
    "model_based_forgetting", PLANNER, (0.5, 0.5, 0.0), _model_based, family="planner"
)
"""Model-based; the value of the state not visited goes back to 1/2 by ``forgetting``."""

model_based_asymmetric = Model(
    "model_based_asymmetric",
    (
        P_COMMON,
        Parameter("learning_rate_reward", "unit", 0.5),
        Parameter("learning_rate_omission", "unit", 0.5),
        FORGETTING,
        TEMPERATURE,
        *HABIT,
    ),
    (0.5, 0.5, 0.0),
    _model_based_asymmetric,
    family="planner",
)
"""Like ``model_based_forgetting``, with a learning rate for rewards and one for omissions
(Blanco-Pozo et al. 2024)."""

model_based_symmetric = Model(
    "model_based_symmetric",
    (P_COMMON, RATE, TEMPERATURE, *HABIT),
    (0.5, 0.5, 0.0),
    _model_based_symmetric,
    family="planner",
)
"""Model-based; the state not visited is learned about as one minus the reward."""

model_free_forgetting = Model(
    "model_free_forgetting",
    (RATE, TRACE, FORGETTING, TEMPERATURE, *HABIT),
    (0.0,) * 5,
    _model_free,
    needs=("state",),
    family="model-free",
)
"""Model-free TD(eligibility_trace); what was not chosen or visited goes back to 0, where values
start."""

model_free = model_free_forgetting.variant("model_free", forgetting=0.0)
"""Model-free TD(eligibility_trace), values from 0."""

LATENT = (
    P_COMMON,
    TEMPERATURE,
    *HABIT,
    Parameter("hazard", "lower_half", 0.025),
    Parameter("p_reward_high", "unit", 0.8, free=False),
    Parameter("p_reward_low", "unit", 0.2, free=False),
)

latent_state = Model(
    "latent_state", LATENT, (0.5, 0.5, 0.0), _latent_step(1.0), family="latent state"
)
"""Bayesian inference of which second-step state is the good one; ``hazard`` per trial.

The probability of either state is kept, so that certainty rounds alike on both sides; evidence
that the model holds to be impossible leaves it in doubt.
"""

latent_state_asymmetric = Model(
    "latent_state_asymmetric", LATENT, (0.5, 0.5, 0.0), _latent_step(0.0), family="latent state"
)
"""Like ``latent_state``, but omissions tell nothing (Blanco-Pozo et al. 2024)."""

reward_as_cue = Model(
    "reward_as_cue",
    (
        TEMPERATURE,
        *HABIT,
        Parameter("learning_rate", "unit", 0.05),
    ),
    (0.0,) * 13,
    _reward_as_cue,
    needs=("state",),
)
"""Akam et al. 2015: the last state and reward cue the next choice; no transition model."""
