"""Models of two-armed bandits.

Each is a step as :mod:`neuro_metarl.models.model` explains. Every log odds adds
``perseveration`` times the last choice (+1, -1, 0 on a session's first trial) and ``bias``. Models
that take rewards of any size measure them in units of ``reward_scale``, with 1/2 at
``value_initial``, so that their values are those of rewards of 0 and 1.

References
----------
Ito & Doya 2009, doi:10.1523/JNEUROSCI.6157-08.2009; Behrens et al. 2007, doi:10.1038/nn1954;
Mathys et al. 2011, doi:10.3389/fnhum.2011.00039; Daw et al. 2006, doi:10.1038/nature04766;
Costa et al. 2015, doi:10.1523/JNEUROSCI.4631-14.2015 (reversal inference).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neuro_metarl.models.model import Memory, Model, Parameter, Trial
from neuro_metarl.models.volatility import VolatilityLearner

__all__ = [
    "choice_kernel",
    "hgf",
    "kalman",
    "q_differential_forgetting",
    "q_dual",
    "q_forgetting",
    "q_learning",
    "reversal_hmm",
    "volatility",
]

Logits = tuple[Any, ...]
TEMPERATURE = Parameter("inverse_temperature", "positive", 4.0)
PER_REWARD = Parameter("inverse_temperature", "positive", 4.0, reward_power=-1)
ANY_REWARD = (
    Parameter("value_initial", "real", 0.5, free=False, prior=(0, 0.5), reward_power=1),
    Parameter("reward_scale", "positive", 1.0, free=False),
)
HABIT = (Parameter("perseveration", "real", 0.0), Parameter("bias", "real", 0.0))
RATE = Parameter("learning_rate", "unit", 0.5)
RATES = (
    Parameter("learning_rate_reward", "unit", 0.5),
    Parameter("learning_rate_omission", "unit", 0.5),
)
FORGETTING = Parameter("forgetting", "unit", 0.2)
LEAST_BELIEF, STEEPEST, WIDEST = 1e-300, 8.0, 6.0


def _q_learning(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    q0, q1, trace, last = memory
    logit = (
        theta.inverse_temperature * theta.reward_scale * (q1 - q0)
        + theta.weight_choice_kernel * trace
        + theta.perseveration * last
        + theta.bias
    )
    c, side = trial.choice, 2 * trial.choice - 1
    r = (trial.reward - theta.value_initial) / theta.reward_scale + 0.5
    return (logit,), (
        q0 + (1 - c) * theta.learning_rate * (r - q0),
        q1 + c * theta.learning_rate * (r - q1),
        trace + theta.learning_rate_choice_kernel * (side - trace),
        side,
    )


def _q_dual(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    q0, q1, last = memory
    logit = theta.inverse_temperature * (q1 - q0) + theta.perseveration * last + theta.bias
    c, r = trial.choice, trial.reward
    rate = r * theta.learning_rate_reward + (1 - r) * theta.learning_rate_omission
    return (logit,), (
        q0 + (1 - c) * rate * (r - q0) - c * theta.forgetting * (q0 - 0.5),
        q1 + c * rate * (r - q1) - (1 - c) * theta.forgetting * (q1 - 0.5),
        2 * c - 1,
    )


def _differential(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    q0, q1, last = memory
    logit = q1 - q0 + theta.perseveration * last + theta.bias
    c, r = trial.choice, trial.reward
    worth = r * theta.value_reward + (1 - r) * theta.value_omission
    rate, forgotten = theta.learning_rate, theta.forgetting
    return (logit,), (
        q0 + (1 - c) * rate * (worth - q0) - c * forgotten * q0,
        q1 + c * rate * (worth - q1) - (1 - c) * forgotten * q1,
        2 * c - 1,
    )


def _reversal_hmm(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    one, zero, last = memory
    logit = theta.inverse_temperature * (one - zero) + theta.perseveration * last + theta.bias
    c, r, good = trial.choice, trial.reward, theta.reliability
    for_one = c * r + (1 - c) * (1 - r)
    one_good = for_one * good + (1 - for_one) * (1 - good)
    one, zero = one_good * one + LEAST_BELIEF, (1 - one_good) * zero + LEAST_BELIEF
    one, zero = one / (one + zero), zero / (one + zero)
    switch = theta.hazard * (one - zero)
    return (logit,), (one - switch, zero + switch, 2 * c - 1)


def _kalman(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    m0, m1, s0, s1, last = memory
    scale, square = theta.reward_scale, theta.reward_scale * theta.reward_scale
    logit = (
        theta.inverse_temperature * scale * (m1 - m0)
        + theta.weight_uncertainty * scale * (np.sqrt(s1) - np.sqrt(s0))
        + theta.perseveration * last
        + theta.bias
    )
    c, d = trial.choice, theta.decay
    r = (trial.reward - theta.value_initial) / theta.reward_scale + 0.5
    noise, drift = theta.variance_outcome / square, theta.variance_drift / square
    gain0 = (1 - c) * s0 / (s0 + noise)
    gain1 = c * s1 / (s1 + noise)
    return (logit,), (
        d * (m0 + gain0 * (r - m0)) + (1 - d) * 0.5,
        d * (m1 + gain1 * (r - m1)) + (1 - d) * 0.5,
        d * d * (1 - gain0) * s0 + drift,
        d * d * (1 - gain1) * s1 + drift,
        2 * c - 1,
    )


def _hgf(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    mean2, variance2, mean3, variance3, last = memory
    p = 1 / (1 + np.exp(-mean2))
    logit = theta.inverse_temperature * (2 * p - 1) + theta.perseveration * last + theta.bias
    c, r = trial.choice, trial.reward
    good = c * r + (1 - c) * (1 - r)
    v = np.exp(mean3 + theta.log_volatility)
    predicted2 = 1 / (variance2 + v)
    precision2 = predicted2 + p * (1 - p)
    new2 = mean2 + (good - p) / precision2
    moved = 1 / precision2 + (new2 - mean2) ** 2
    predicted3 = 1 / (variance3 + theta.meta_volatility)
    new3 = mean3 + 0.5 * v * predicted2 * (moved * predicted2 - 1) / predicted3
    new3 = np.minimum(np.maximum(new3, -WIDEST), WIDEST)
    v = np.exp(new3 + theta.log_volatility)
    w, surprise = v / (variance2 + v), moved / (variance2 + v) - 1
    balance = (v - variance2) / (v + variance2)
    precision3 = predicted3 + np.maximum(0.0, 0.5 * w * (w + balance * surprise))
    new2 = np.minimum(np.maximum(new2, -STEEPEST), STEEPEST)
    return (logit,), (new2, 1 / precision2, new3, 1 / precision3, 2 * c - 1)


def _volatility(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    (last,) = memory
    logit = (
        theta.inverse_temperature * (2 * trial.belief - 1) + theta.perseveration * last + theta.bias
    )
    return (logit,), (2 * trial.choice - 1,)


choice_kernel = Model(
    "choice_kernel",
    (
        RATE,
        PER_REWARD,
        Parameter("learning_rate_choice_kernel", "unit", 0.3),
        Parameter("weight_choice_kernel", "real", 0.0),
        Parameter("perseveration", "real", 0.0, free=False),
        HABIT[1],
        *ANY_REWARD,
    ),
    (0.5, 0.5, 0.0, 0.0),
    _q_learning,
    needs=(),
    binary=False,
    family="value learning",
)
"""Rescorla-Wagner and a trace of past choices.

Rewards may be any numbers. Values start at ``value_initial`` (1/2 where rewards are 0 and 1, else
the middle of the cohort's rewards), and ``inverse_temperature`` is per unit of reward.
"""

q_learning = replace(
    choice_kernel, parameters=(*choice_kernel.parameters[:4], *HABIT, *ANY_REWARD)
).variant("q_learning", learning_rate_choice_kernel=0.0, weight_choice_kernel=0.0)
"""Rescorla-Wagner, values from ``value_initial``; rewards may be any numbers."""

q_forgetting = Model(
    "q_forgetting",
    (*RATES, FORGETTING, TEMPERATURE, *HABIT),
    (0.5, 0.5, 0.0),
    _q_dual,
    needs=(),
    family="value learning",
)
"""A learning rate for rewards and one for omissions; the arm not chosen goes back to 1/2."""

q_dual = q_forgetting.variant("q_dual", forgetting=0.0)
"""A learning rate for rewards and one for omissions."""

q_differential_forgetting = Model(
    "q_differential_forgetting",
    (
        RATE,
        FORGETTING,
        Parameter("value_reward", "real", 2.0),
        Parameter("value_omission", "real", 0.0),
        *HABIT,
    ),
    (0.0, 0.0, 0.0),
    _differential,
    needs=(),
    family="value learning",
)
"""Ito & Doya: what a reward and an omission are worth, forgetting towards 0."""

reversal_hmm = Model(
    "reversal_hmm",
    (
        Parameter("hazard", "lower_half", 0.05),
        Parameter("reliability", "upper_half", 0.8),
        TEMPERATURE,
        *HABIT,
    ),
    (0.5, 0.5, 0.0),
    _reversal_hmm,
    needs=(),
    family="inference",
)
"""Bayesian inference of which arm is the good one, paying with probability ``reliability``; the
other pays with one minus that."""

kalman = Model(
    "kalman",
    (
        Parameter("variance_drift", "positive", 0.02, prior=(-4, 2), reward_power=2),
        Parameter("decay", "unit", 0.95),
        Parameter("variance_outcome", "positive", 0.2, free=False, reward_power=2),
        PER_REWARD,
        Parameter("weight_uncertainty", "real", 0.0, reward_power=-1),
        *HABIT,
        *ANY_REWARD,
    ),
    (0.5, 0.5, 0.1, 0.1, 0.0),
    _kalman,
    needs=(),
    binary=False,
    family="inference",
)
"""Kalman filter of each arm's reward, which drifts back to ``value_initial``; a bonus for
uncertainty. Rewards may be any numbers; variances are in squared units of reward, and start at a
tenth of the squared ``reward_scale``, the range of the rewards."""

hgf = Model(
    "hgf",
    (
        Parameter("log_volatility", "real", -2.0),
        Parameter("meta_volatility", "positive", 0.1, free=False),
        TEMPERATURE,
        *HABIT,
    ),
    (0.0, 1.0, 0.0, 1.0, 0.0),
    _hgf,
    needs=(),
    family="inference",
)
"""Hierarchical Gaussian filter of which arm is good, three levels, mean of the third level first;
``meta_volatility`` is held, because it can hardly be identified."""

volatility = Model(
    "volatility",
    (TEMPERATURE, *HABIT),
    (0.0,),
    _volatility,
    needs=(),
    observer=VolatilityLearner,
    family="inference",
)
"""Behrens' Bayesian learner of reward rate and volatility, by its mean reward rate."""
