"""The family of models of Akam et al. 2015 and 2021: one step, whose subsets are the models.

The agent learns the transition probabilities, and knows first-step actions in two ways: by what
was chosen, and as a movement made from where the last trial ended (motor level). Forgetting pulls
what was not experienced back. Kernels add history without value.

References
----------
Akam et al. 2015, doi:10.1371/journal.pcbi.1004648; Akam et al. 2021,
doi:10.1016/j.neuron.2020.10.013.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from neuro_metarl.errors import InputError
from neuro_metarl.models.model import Memory, Model, Parameter, Trial

__all__ = ["akam", "make_akam"]

AGENTS = ("model_free", "model_based", "motor")
FORGETTING = {"none": (), "all": ("values", "transitions"), "values": ("values",),
              "transitions": ("transitions",)}  # fmt: skip
KERNELS = {
    "bias": ("bias",),
    "perseveration": ("perseveration",),
    "rotation": ("rotation",),
    "choice_trace": ("weight_choice_trace", "learning_rate_choice_trace"),
    "motor_trace": ("weight_motor_trace", "learning_rate_motor_trace"),
}


def _akam(memory: Memory, trial: Trial, theta: Any) -> tuple[tuple[Any, ...], Memory]:
    q0, q1, v0, v1, a0, a1, b0, b1, t0, t1, last, port, made, made_a, made_b = memory
    from_a, from_b = (1 - port) * port * port / 2, (1 + port) * port * port / 2
    planned = (t1 - t0) * (v1 - v0)
    motor = from_a * (a1 - a0) + from_b * (b1 - b0)
    logit = (
        theta.weight_model_free * (q1 - q0)
        + theta.weight_motor * motor
        + theta.weight_model_based * planned
        + theta.bias
        + theta.perseveration * last
        + theta.rotation * port
        + theta.weight_choice_trace * made
        + theta.weight_motor_trace * (from_a * made_a + from_b * made_b)
    )
    c, s, r = trial.choice, trial.state, trial.reward
    keep, rate = theta.forgetting_values, theta.learning_rate
    v = s * v1 + (1 - s) * v0
    target = (1 - theta.eligibility_trace) * v + theta.eligibility_trace * r
    at_a0, at_a1 = from_a * (1 - c), from_a * c
    at_b0, at_b1 = from_b * (1 - c), from_b * c
    side = 2 * c - 1
    trace, motor_trace = theta.learning_rate_choice_trace, theta.learning_rate_motor_trace
    transition, fading = theta.learning_rate_transition, theta.forgetting_transitions
    return (logit,), (
        q0 + (1 - c) * rate * (target - q0) - c * keep * q0,
        q1 + c * rate * (target - q1) - (1 - c) * keep * q1,
        v0 + (1 - s) * rate * (r - v0) - s * keep * v0,
        v1 + s * rate * (r - v1) - (1 - s) * keep * v1,
        a0 + at_a0 * rate * (target - a0) - (1 - at_a0) * keep * a0,
        a1 + at_a1 * rate * (target - a1) - (1 - at_a1) * keep * a1,
        b0 + at_b0 * rate * (target - b0) - (1 - at_b0) * keep * b0,
        b1 + at_b1 * rate * (target - b1) - (1 - at_b1) * keep * b1,
        t0 + (1 - c) * transition * (s - t0) - c * fading * (t0 - 0.5),
        t1 + c * transition * (s - t1) - (1 - c) * fading * (t1 - 0.5),
        side,
        2 * s - 1,
        made + trace * (side - made),
        made_a + from_a * motor_trace * (side - made_a),
        made_b + from_b * motor_trace * (side - made_b),
    )


akam = Model(
    "akam",
    (
        Parameter("learning_rate", "unit", 0.5),
        Parameter("eligibility_trace", "unit", 0.5),
        Parameter("learning_rate_transition", "unit", 0.2),
        Parameter("forgetting_values", "unit", 0.3),
        Parameter("forgetting_transitions", "unit", 0.1),
        Parameter("weight_model_free", "positive", 2.0),
        Parameter("weight_motor", "positive", 2.0),
        Parameter("weight_model_based", "positive", 2.0),
        Parameter("bias", "real", 0.0),
        Parameter("perseveration", "real", 0.0),
        Parameter("rotation", "real", 0.0),
        Parameter("weight_choice_trace", "real", 0.0),
        Parameter("learning_rate_choice_trace", "unit", 0.3),
        Parameter("weight_motor_trace", "real", 0.0),
        Parameter("learning_rate_motor_trace", "unit", 0.3),
    ),
    (0.0,) * 8 + (0.5, 0.5) + (0.0,) * 5,
    _akam,
    needs=("state",),
    family="mixed",
)
"""Everything free: model-free, motor-level and model-based values, forgetting, all kernels.

``rotation`` counts for choice 1 after state 1 and against it after state 0.
"""


def make_akam(
    *agents: str, forgetting: str = "none", kernels: tuple[str, ...] = ("bias", "perseveration")
) -> Model:
    """Make a member of the family.

    Parameters
    ----------
    *agents
        Of ``"model_free"``, ``"model_based"``, ``"motor"`` (model-free values of movements).
    forgetting
        ``"none"``, ``"all"``, ``"values"`` or ``"transitions"``: what is forgotten.
    kernels
        Of ``"bias"``, ``"perseveration"``, ``"rotation"``, ``"choice_trace"``,
        ``"motor_trace"``.

    Returns
    -------
    Model
        Named by what it has; what it has not is held at 0.

    Raises
    ------
    InputError
        An unknown agent, forgetting or kernel, or no agent.

    Examples
    --------
    >>> model = make_akam("model_free", "model_based", forgetting="values")
    >>> model.name, sum(p.free for p in model.parameters)
    ('akam_model_free_model_based_forgetting_values', 8)
    """
    _check("agents", agents, AGENTS)
    _check("forgetting", (forgetting,), FORGETTING)
    _check("kernels", kernels, KERNELS)
    if not agents:
        raise InputError(f"an agent is needed, of {', '.join(AGENTS)}")
    held = {f"weight_{agent}": 0.0 for agent in AGENTS if agent not in agents}
    held |= {
        f"forgetting_{kind}": 0.0
        for kind in ("values", "transitions")
        if kind not in FORGETTING[forgetting]
    }
    if "model_based" not in agents:
        held |= {"learning_rate_transition": 0.0, "forgetting_transitions": 0.0}
    if set(agents) == {"model_based"}:
        held["eligibility_trace"] = 0.0
    for kernel, parameters in KERNELS.items():
        if kernel not in kernels:
            held |= dict.fromkeys(parameters, 0.0)
    chosen = [a for a in AGENTS if a in agents]
    name = "_".join(["akam", *chosen, *[f"forgetting_{forgetting}"] * (forgetting != "none")])
    own = {"bias", "perseveration"}
    extra = [k for k in KERNELS if k in kernels and k not in own]
    lacking = [f"no_{k}" for k in sorted(own) if k not in kernels]
    model = akam.variant("_".join([name, *extra, *lacking]), **held)
    planning = {"model_based"} & set(agents)
    alone = "planner" if planning else "model-free"
    return replace(model, family="mixed" if planning and len(set(agents)) > 1 else alone)


def _check(what: str, given: tuple[str, ...], known: Any) -> None:
    for name in given:
        if name not in known:
            raise InputError(f"{what}: {name!r}, expected of {', '.join(known)}")


_members = {
    m.name: m
    for agents, forgetting in product(
        (("model_free",), ("model_based",), ("model_free", "model_based"), AGENTS), FORGETTING
    )
    if "model_based" in agents or forgetting in ("none", "values")
    for m in [make_akam(*agents, forgetting=forgetting)]
}
globals().update(_members)
