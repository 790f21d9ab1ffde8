"""Null models: choices that know nothing of outcomes, for something learned to be better than.

They are among the candidates of every task. Without them something learned always wins, even for
subjects that choose at random or whose preference for a side drifts.
"""

from __future__ import annotations

from typing import Any

from neuro_metarl.models.model import Memory, Model, Parameter, Trial

__all__ = [
    "bias",
    "bias_kernel",
    "bias_perseveration",
    "bias_perseveration_human",
    "perseveration_human",
    "side_kernel",
    "side_kernel_human",
]

Logits = tuple[Any, ...]
BIAS = Parameter("bias", "real", 0.0)
PERSEVERATION = Parameter("perseveration", "real", 0.0)
RATE = Parameter("learning_rate_side_kernel", "unit", 0.1)
WEIGHT = Parameter("weight_side_kernel", "real", 0.0)
REPEATS = Parameter("perseveration", "real", 0.5)
SECOND = (
    Parameter("bias_second", "real", 0.0),
    Parameter("perseveration_second", "real", 0.5),
)


def _sides(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    kernel, last = memory
    logit = theta.bias + theta.perseveration * last + theta.weight_side_kernel * kernel
    side = 2 * trial.choice - 1
    return (logit,), (kernel + theta.learning_rate_side_kernel * (side - kernel), side)


def _sides_human(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    kernel, last, last_zero, last_one = memory
    first = theta.bias + theta.perseveration * last + theta.weight_side_kernel * kernel
    s = trial.state
    before = s * last_one + (1 - s) * last_zero
    second = theta.bias_second + theta.perseveration_second * before
    side, second_side = 2 * trial.choice - 1, 2 * trial.choice2 - 1
    return (first, second), (
        kernel + theta.learning_rate_side_kernel * (side - kernel),
        side,
        s * last_zero + (1 - s) * second_side,
        s * second_side + (1 - s) * last_one,
    )


side_kernel = Model(
    "side_kernel",
    (BIAS, PERSEVERATION, RATE, WEIGHT),
    (0.0, 0.0),
    _sides,
    needs=(),
    binary=False,
    family="null",
)
"""Bias, perseveration, and a trace of past sides: a preference that drifts, blind to outcomes."""

bias_kernel = side_kernel.variant("bias_kernel", perseveration=0.0)
"""Bias and a trace of past sides, without the perseveration of the last choice alone."""

bias_perseveration = side_kernel.variant(
    "bias_perseveration", learning_rate_side_kernel=0.0, weight_side_kernel=0.0
)
"""Bias and perseveration."""

bias = bias_perseveration.variant("bias", perseveration=0.0)
"""One side is chosen more often than the other, and that is all."""

side_kernel_human = Model(
    "side_kernel_human",
    (BIAS, REPEATS, RATE, WEIGHT, *SECOND),
    (0.0,) * 4,
    _sides_human,
    n_choices=2,
    needs=("state", "common", "choice2"),
    binary=False,
    family="null",
)
"""``side_kernel`` of the human task: the second choice has a bias and a perseveration of its own,
which repeats what was chosen last in that state."""

bias_perseveration_human = side_kernel_human.variant(
    "bias_perseveration_human", learning_rate_side_kernel=0.0, weight_side_kernel=0.0
)
"""Bias and perseveration of both choices of the human task."""

perseveration_human = side_kernel_human.variant(
    "perseveration_human",
    bias=0.0,
    learning_rate_side_kernel=0.0,
    weight_side_kernel=0.0,
    bias_second=0.0,
    perseveration_second="perseveration",
)
"""Both choices of the human task are repeated, equally strongly, and that is all."""
