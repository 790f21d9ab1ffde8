"""Mixtures of agents: each agent has a value of its own, and the choice weighs them.

References
----------
Miller et al. 2017, doi:10.1038/nn.4613; Miller et al. 2022, doi:10.7554/eLife.64575; Venditto et
al. 2024, doi:10.7554/eLife.97612.
"""

from __future__ import annotations

from typing import Any, Literal

from neuro_metarl.errors import InputError
from neuro_metarl.models.model import Memory, Model, Parameter, Step, Trial

__all__ = [
    "make_mixture_2017",
    "mixture",
    "mixture_2017",
    "mixture_2017_miller",
    "mixture_choice_outcome",
]

Logits = tuple[Any, ...]
P_COMMON = Parameter("p_common", "unit", 0.8, free=False)


def _mixture(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    good, paid, habit, last, transition = memory
    logit = (
        theta.weight_model_based * (2 * theta.p_common - 1) * (2 * good - 1)
        + theta.weight_model_free * (2 * paid - 1)
        + theta.weight_perseveration * habit
        + theta.weight_novelty * last * transition
        + theta.bias
    )
    side = 2 * trial.choice - 1
    evidence = trial.state * trial.reward + (1 - trial.state) * (1 - trial.reward)
    success = trial.choice * trial.reward + (1 - trial.choice) * (1 - trial.reward)
    return (logit,), (
        good + theta.learning_rate_model_based * (evidence - good),
        paid + theta.learning_rate_model_free * (success - paid),
        habit + theta.learning_rate_perseveration * (side - habit),
        side,
        side * (2 * trial.state - 1),
    )


def _mixture_2017_step(bias_scale: float) -> Step:
    def step(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
        good, q0, q1, f0, f1, last, transition, won, won_there = memory
        logit = (
            theta.weight_model_based * (2 * theta.p_common - 1) * (2 * good - 1)
            + theta.weight_model_free * (q1 - q0)
            + theta.weight_novelty * last * transition
            + theta.weight_win_stay_model_free * won
            + theta.weight_win_stay_model_based * won_there
            + theta.weight_perseveration * last
            + bias_scale * theta.bias
        )
        c, s, r = trial.choice, trial.state, trial.reward
        evidence = s * r + (1 - s) * (1 - r)
        rate = theta.learning_rate_model_free
        g0 = f0 + rate * (1 - evidence - f0)
        g1 = f1 + rate * (evidence - f1)
        g = s * g1 + (1 - s) * g0
        q = c * q1 + (1 - c) * q0
        q_step = rate * (g - q + theta.eligibility_trace * (r - g))
        side, port, sign = 2 * c - 1, 2 * s - 1, 2 * r - 1
        return (logit,), (
            good + theta.learning_rate_model_based * (evidence - good),
            q0 + (1 - c) * q_step,
            q1 + c * q_step,
            g0,
            g1,
            side,
            side * port,
            sign * side,
            sign * port,
        )

    return step


def _mixture_choice_outcome(memory: Memory, trial: Trial, theta: Any) -> tuple[Logits, Memory]:
    mb_reward, mb_choice, mf_reward, mf_choice = memory
    logit = (
        theta.weight_model_based_reward * mb_reward
        + theta.weight_model_based_choice * mb_choice
        + theta.weight_model_free_reward * mf_reward
        + theta.weight_model_free_choice * mf_choice
        + theta.bias
    )
    side, port, sign = 2 * trial.choice - 1, 2 * trial.state - 1, 2 * trial.reward - 1
    return (logit,), (
        mb_reward + theta.learning_rate_model_based_reward * (sign * port - mb_reward),
        mb_choice + theta.learning_rate_model_based_choice * (port - mb_choice),
        mf_reward + theta.learning_rate_model_free_reward * (sign * side - mf_reward),
        mf_choice + theta.learning_rate_model_free_choice * (side - mf_choice),
    )


def make_mixture_2017(*, convention: Literal["plain", "miller"] = "plain") -> Model:
    """Make the mixture of agents of Miller et al. 2017.

    Parameters
    ----------
    convention
        ``"miller"``: the bias counts twice, as in the published code, where it is added for one
        side and taken off for the other.

    Returns
    -------
    Model
        Model-based and TD(eligibility_trace) model-free agents whose values of what did not
        happen are learned too, as one minus the reward; novelty preference, win-stay agents,
        one-back perseveration, bias. The trace is held at 1 (where the model-free learning rate
        is one for both steps it can hardly be identified) and the win-stay weights at 0 (as
        the published selection had it); free them by ``fit(..., free=[...])``.

    Raises
    ------
    InputError
        Unknown convention.

    Examples
    --------
    >>> make_mixture_2017(convention="miller").name
    'mixture_2017_miller'
    """
    if convention not in ("plain", "miller"):
        raise InputError(f"convention is {convention!r}, expected 'plain' or 'miller'")
    return Model(
        "mixture_2017" + "_miller" * (convention == "miller"),
        (
            P_COMMON,
            Parameter("learning_rate_model_based", "unit", 0.5),
            Parameter("weight_model_based", "real", 3.0),
            Parameter("learning_rate_model_free", "unit", 0.5),
            Parameter("eligibility_trace", "unit", 1.0, free=False),
            Parameter("weight_model_free", "real", 0.0),
            Parameter("weight_novelty", "real", 0.0),
            Parameter("weight_win_stay_model_free", "real", 0.0, free=False),
            Parameter("weight_win_stay_model_based", "real", 0.0, free=False),
            Parameter("weight_perseveration", "real", 0.0),
            Parameter("bias", "real", 0.0),
        ),
        (0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0),
        _mixture_2017_step(2.0 if convention == "miller" else 1.0),
        family="mixed",
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
    family="mixed",
)
"""Mixture of agents after Miller et al. 2022: model-based, model-free, habit, novelty, bias.

Values of the option not taken are learned too, as one minus the outcome, so that the log odds are
an exact linear function of the past trials: the lagged regression of this model is known in closed
form.
"""

mixture_2017 = make_mixture_2017()
mixture_2017_miller = make_mixture_2017(convention="miller")

mixture_choice_outcome = Model(
    "mixture_choice_outcome",
    (
        Parameter("learning_rate_model_based_reward", "unit", 0.5),
        Parameter("learning_rate_model_based_choice", "unit", 0.5),
        Parameter("learning_rate_model_free_reward", "unit", 0.5),
        Parameter("learning_rate_model_free_choice", "unit", 0.5),
        Parameter("weight_model_based_reward", "real", 0.0),
        Parameter("weight_model_based_choice", "real", 0.0),
        Parameter("weight_model_free_reward", "real", 0.0),
        Parameter("weight_model_free_choice", "real", 0.0),
        Parameter("bias", "real", 0.0),
    ),
    (0.0,) * 4,
    _mixture_choice_outcome,
    needs=("state",),
    family="mixed",
)
"""Mixture of agents of Venditto et al. 2024: what was rewarded, and what was merely chosen or
seen, by the transition model and without it; every value decays."""
