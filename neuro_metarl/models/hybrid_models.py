"""Hybrids of model-based and model-free values, as Daw et al. 2011 and its descendants have them.

References
----------
Daw et al. 2011, doi:10.1016/j.neuron.2011.02.027; Ahn et al. 2017, doi:10.1162/CPSY_a_00002
(hBayesDM's conventions).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from neuro_metarl.errors import InputError
from neuro_metarl.models.model import Memory, Model, Parameter, Step, Trial

__all__ = [
    "hybrid",
    "hybrid_counts",
    "hybrid_human",
    "hybrid_human_4",
    "hybrid_human_6",
    "hybrid_human_counts",
    "hybrid_human_updated",
    "hybrid_updated",
    "make_hybrid",
]

Logits = tuple[Any, ...]
P_COMMON = Parameter("p_common", "unit", 0.8, free=False)
TEMPERATURE = Parameter("inverse_temperature", "positive", 4.0)
HABIT = (Parameter("perseveration", "real", 0.0), Parameter("bias", "real", 0.0))
TRACE = Parameter("eligibility_trace", "unit", 1.0)


def _hybrid_step(updated: float, counted: float) -> Step:
    """Daw's hybrid: 1 stands for the trace of updated values, and for counted transitions."""

    def step(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
        q0, q1, v0, v1, last, seen = memory
        w = theta.weight_model_based
        sign = counted * (2.0 * (seen > 0) - 1) + (1 - counted)
        planned = sign * (2 * theta.p_common - 1) * (v1 - v0)
        logit = (
            theta.inverse_temperature * (w * planned + (1 - w) * (q1 - q0))
            + theta.perseveration * last
            + theta.bias
        )
        c, s = trial.choice, trial.state
        v = s * v1 + (1 - s) * v0
        q = c * q1 + (1 - c) * q0
        error = trial.reward - v
        trace = theta.eligibility_trace * (1 - updated * theta.learning_rate_second)
        q_step = theta.learning_rate_first * (v - q + trace * error)
        v_step = theta.learning_rate_second * error
        return (logit,), (
            q0 + (1 - c) * q_step,
            q1 + c * q_step,
            v0 + (1 - s) * v_step,
            v1 + s * v_step,
            2 * c - 1,
            seen + (2 * c - 1) * (2 * s - 1),
        )

    return step


def _hybrid_human_step(updated: float, counted: float) -> Step:
    def step(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
        q0, q1, v00, v01, v10, v11, last, seen = memory
        w = theta.weight_model_based
        sign = counted * (2.0 * (seen > 0) - 1) + (1 - counted)
        best = np.maximum(v10, v11) - np.maximum(v00, v01)
        planned = sign * (2 * theta.p_common - 1) * best
        first = (
            theta.inverse_temperature_first * (w * planned + (1 - w) * (q1 - q0))
            + theta.perseveration * last
            + theta.bias
        )
        c, s, d = trial.choice, trial.state, trial.choice2
        second = theta.inverse_temperature_second * (s * (v11 - v10) + (1 - s) * (v01 - v00))
        v = s * (d * v11 + (1 - d) * v10) + (1 - s) * (d * v01 + (1 - d) * v00)
        q = c * q1 + (1 - c) * q0
        error = trial.reward - v
        trace = theta.eligibility_trace * (1 - updated * theta.learning_rate_second)
        q_step = theta.learning_rate_first * (v - q + trace * error)
        v_step = theta.learning_rate_second * error
        return (first, second), (
            q0 + (1 - c) * q_step,
            q1 + c * q_step,
            v00 + (1 - s) * (1 - d) * v_step,
            v01 + (1 - s) * d * v_step,
            v10 + s * (1 - d) * v_step,
            v11 + s * d * v_step,
            2 * c - 1,
            seen + (2 * c - 1) * (2 * s - 1),
        )

    return step


def make_hybrid(
    *,
    second_choice: bool = False,
    eligibility: Literal["old", "updated"] = "old",
    transitions: Literal["fixed", "counts"] = "fixed",
) -> Model:
    """Make Daw's hybrid of model-based and model-free values in one of its published forms.

    Parameters
    ----------
    second_choice
        The human task, whose second step has a choice of its own; else one action per state.
    eligibility
        ``"old"``: the outcome's error, passed back to the first choice, is against the value
        before the trial. ``"updated"``: against the value that has just been updated, which
        makes the trace ``eligibility_trace (1 - learning_rate_second)``: the convention of
        hBayesDM, for parity with old fits.
    transitions
        ``"fixed"``: the common transition is known. ``"counts"``: a subject takes for common
        what has been so far.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        Unknown convention.

    Examples
    --------
    >>> make_hybrid(second_choice=True, eligibility="updated").n_choices
    2
    """
    if eligibility not in ("old", "updated"):
        raise InputError(f"eligibility is {eligibility!r}, expected 'old' or 'updated'")
    if transitions not in ("fixed", "counts"):
        raise InputError(f"transitions is {transitions!r}, expected 'fixed' or 'counts'")
    flags = float(eligibility == "updated"), float(transitions == "counts")
    endings = ["updated"] * (eligibility == "updated") + ["counts"] * (transitions == "counts")
    name = "_".join(["hybrid", *["human"] * second_choice, *endings])
    learning = (
        Parameter("learning_rate_first", "unit", 0.5),
        Parameter("learning_rate_second", "unit", 0.5),
        TRACE,
        Parameter("weight_model_based", "unit", 0.5),
    )
    if second_choice:
        temperatures = (
            Parameter("inverse_temperature_first", "positive", 4.0),
            Parameter("inverse_temperature_second", "positive", 4.0),
        )
        bias = Parameter("bias", "real", 0.0, free=False)
        return Model(
            name,
            (P_COMMON, *learning, *temperatures, HABIT[0], bias),
            (0.0,) * 8,
            _hybrid_human_step(*flags),
            n_choices=2,
            needs=("state", "common", "choice2"),
            family="mixed",
        )
    parameters = (P_COMMON, TEMPERATURE, *HABIT, *learning)
    return Model(name, parameters, (0.0,) * 6, _hybrid_step(*flags), family="mixed")


hybrid = make_hybrid()
"""Hybrid of Daw et al. 2011 without a second-step choice.

``weight_model_based`` 1 is a model-based agent that learns about the visited state alone, 0 is
model-free TD(eligibility_trace).
"""

hybrid_updated = make_hybrid(eligibility="updated")
hybrid_counts = make_hybrid(transitions="counts")
hybrid_human = make_hybrid(second_choice=True)
"""Hybrid of Daw et al. 2011 for the human task: seven parameters, no bias."""

hybrid_human_updated = make_hybrid(second_choice=True, eligibility="updated")
hybrid_human_counts = make_hybrid(second_choice=True, transitions="counts")
hybrid_human_6 = hybrid_human_updated.variant("hybrid_human_6", eligibility_trace=1.0)
"""Six parameters: trace 1; hBayesDM's convention of the trace."""

hybrid_human_4 = hybrid_human_6.variant(
    "hybrid_human_4",
    learning_rate_first="learning_rate_second",
    inverse_temperature_first="inverse_temperature_second",
)
"""Four parameters: trace 1, the same learning rate and inverse temperature at both steps."""
