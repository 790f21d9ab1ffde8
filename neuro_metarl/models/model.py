"""What a cognitive model is.

A model is a function ``step(memory, trial, theta) -> (logits, memory)``: from the memory before a
trial it gives the log odds of choosing 1, and from what happened the memory after it. The same
function simulates and, read along a subject's trials, gives the likelihood
(:mod:`neuro_metarl.models.likelihood`), so that the two cannot drift apart.

How to write a step. ``memory`` is a tuple of numbers, ``trial`` has the fields of :class:`Trial`,
``theta`` has the model's parameters as fields; ``logits`` is a tuple with one entry per choice of
a trial. Everything is arithmetic without branches (``choice * q1 + (1 - choice) * q0``), with
numpy's functions (``np.exp``, ``np.maximum``) and nothing else, because the function is run on
arrays, one entry per session, as well as compiled and run on single numbers. The first entry of
``logits`` may not depend on ``trial``; the second may depend on ``trial.choice`` and
``trial.state``.

Coding: ``choice``, ``state`` and ``choice2`` are 0 or 1, with the common transition leading from
choice 0 to state 0 and from choice 1 to state 1 (the states of a subject with the other mapping
are flipped first); ``reward`` is as delivered. Where there is no second step, ``state`` equals
``choice``. Memory starts anew with every session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from neuro_metarl.errors import InputError, did_you_mean

__all__ = [
    "Model",
    "Observer",
    "Parameter",
    "Part",
    "Planted",
    "Trial",
    "find_model",
    "find_models",
    "list_models",
    "theta_type",
]

Memory = tuple[Any, ...]
Step = Callable[[Memory, "Trial", Any], tuple[tuple[Any, ...], Memory]]
Range = Literal["unit", "lower_half", "upper_half", "positive", "real"]
ENDS: dict[Range, tuple[float, float]] = {
    "unit": (0, 1),
    "lower_half": (0, 0.5),
    "upper_half": (0.5, 1),
    "positive": (0, np.inf),
    "real": (-np.inf, np.inf),
}
FAMILIES = (
    "two_step_models", "hybrid_models", "mixture_models", "akam_models", "bandit_models",
    "null_models", "session_models",
)  # fmt: skip
WEAK: dict[Range, tuple[float, float]] = {
    "unit": (0, 2), "lower_half": (0, 2), "upper_half": (0, 2), "positive": (1, 2), "real": (0, 5)
}  # fmt: skip
FURTHEST_LOGIT, FURTHEST_LOG, FURTHEST = 15.0, 10.0, 60.0


class Trial(NamedTuple):
    """What happened on a trial, as a step sees it.

    ``belief`` is what the model's :class:`Observer`, if it has one, held before the trial. ``free``
    is 0 where the choice was imposed.
    """

    choice: Any
    state: Any
    choice2: Any
    reward: Any
    belief: Any
    free: Any = 1.0


class Observer(Protocol):
    """A learner without free parameters that runs beside a step, one row per session."""

    def start(self, n_sessions: int) -> None:
        """Begin sessions."""

    def belief(self) -> np.ndarray:
        """Return what is held now, dims (session)."""

    def learn(self, choice: np.ndarray, reward: np.ndarray, there: np.ndarray) -> None:
        """Take in a trial, where ``there`` is true."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a model.

    Parameters
    ----------
    name
        In the field's words.
    range
        ``"unit"`` (0 to 1), ``"lower_half"`` (0 to .5), ``"upper_half"`` (.5 to 1),
        ``"positive"`` or ``"real"``.
    default
        Value where none is given.
    free
        Fitted by default; a parameter that is not keeps its default or what the task says.
    prior
        Mean and SD on the real line; default the weak prior of its range.
    reward_power
        The parameter is in units of reward to this power: -1 for an inverse temperature, 2 for a
        variance of rewards. In a model with a parameter ``reward_scale`` the prior is one of the
        parameter in units of that scale, so that fits do not depend on the unit of rewards.
    """

    name: str
    range: Range
    default: float
    free: bool = True
    prior: tuple[float, float] | None = None
    reward_power: int = 0

    def check(self, value: float) -> float:
        """Return the value if it is in range.

        Raises
        ------
        InputError
            It is not.
        """
        low, high = ENDS[self.range]
        if not (np.isfinite(value) and low <= value <= high):
            raise InputError(f"{self.name} is {value}, expected a {self.range} number")
        return float(value)

    def natural(self, x: np.ndarray) -> np.ndarray:
        """Map the real line onto the range: logistic, exponential or identity."""
        if self.range == "real":
            return np.asarray(x, float)
        if self.range == "positive":
            return np.exp(x)
        low, high = ENDS[self.range]
        return low + (high - low) * 0.5 * (1 + np.tanh(0.5 * x))

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Differentiate :meth:`natural`."""
        if self.range == "real":
            return np.ones_like(x)
        if self.range == "positive":
            return np.exp(x)
        low, high = ENDS[self.range]
        p = 0.5 * (1 + np.tanh(0.5 * x))
        return (high - low) * p * (1 - p)

    def unconstrained(self, value: float) -> float:
        """Invert :meth:`natural`, an end of the range giving a large finite number."""
        if self.range == "real":
            return value
        if self.range == "positive":
            return float(np.log(max(value, np.exp(-self.furthest))))
        low, high = ENDS[self.range]
        p = np.clip((value - low) / (high - low), 1e-6, 1 - 1e-6)
        return float(np.log(p / (1 - p)))

    @property
    def weak_prior(self) -> tuple[float, float]:
        """Mean and SD, on the real line, of the prior of fits."""
        return self.prior or WEAK[self.range]

    @property
    def furthest(self) -> float:
        """How far from 0 a fit may go on the real line."""
        return {"real": FURTHEST, "positive": FURTHEST_LOG}.get(self.range, FURTHEST_LOGIT)


@dataclass(frozen=True)
class Model:
    """A cognitive model.

    Parameters
    ----------
    name
        Its name.
    parameters
        Its parameters: the fields of ``theta``.
    initial
        Value of each memory when a session starts.
    step
        See the module.
    n_choices
        Choices in a trial, 1 or 2.
    needs
        Variables of a cohort without which the model makes no sense, besides choice and reward.
    binary
        The model takes rewards of 0 and 1 only.
    tied
        Pairs (parameter, other): the parameter always equals the other.
    observer
        Makes the :class:`Observer` whose belief the step sees.
    family
        Which models are of one kind when families are compared, such as ``"planner"``; default the
        model is a family of its own. ``"null"`` models know no outcomes.
    parts, share
        Where each session is wholly one of two models': these, and the parameter that is the first
        one's share of the sessions (:func:`neuro_metarl.models.session_models.mix_sessions`).
    """

    name: str
    parameters: tuple[Parameter, ...]
    initial: tuple[float, ...]
    step: Step
    n_choices: int = 1
    needs: tuple[str, ...] = ("state", "common")
    binary: bool = True
    tied: tuple[tuple[str, str], ...] = ()
    observer: Callable[[], Observer] | None = field(default=None, compare=False)
    family: str = ""
    parts: tuple[Part, ...] = ()
    share: str = ""

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
        >>> find_model("hybrid").planted(weight_model_based=1.0).values["eligibility_trace"]
        1.0
        """
        known = self.parameter_map
        self.check_names(values)
        theta = {k: p.check(values.get(k, p.default)) for k, p in known.items()}
        for mine, other in self.tied:
            theta[mine] = theta[other]
        return Planted(self, theta, name or self.name, frozenset(values))

    def variant(self, name: str, **fixed: float | str) -> Model:
        """Make a model with parameters held at a value, or tied to another parameter.

        Parameters
        ----------
        name
            Name of the variant.
        **fixed
            Parameter to its value, or to the name of the parameter it always equals.

        Returns
        -------
        Model

        Examples
        --------
        >>> planner = find_model("hybrid").variant("planner", weight_model_based=1.0)
        >>> "weight_model_based" in [p.name for p in planner.parameters if p.free]
        False
        """
        self.check_names(fixed)
        ties = tuple((k, v) for k, v in fixed.items() if isinstance(v, str))
        held = {k: v for k, v in fixed.items() if not isinstance(v, str)}
        parameters = tuple(
            replace(p, default=p.check(held.get(p.name, p.default)), free=False)
            if p.name in fixed
            else p
            for p in self.parameters
        )
        return replace(self, name=name, parameters=parameters, tied=self.tied + ties)

    def check_names(self, names: Mapping[str, object]) -> None:
        """Refuse names that are no parameters of the model.

        Raises
        ------
        InputError
            Naming the nearest parameter.
        """
        for name in names:
            if name not in self.parameter_map:
                raise InputError(
                    f"{self.name} has no parameter {name!r}; "
                    f"{did_you_mean(name, self.parameter_map)}"
                )

    @property
    def parameter_map(self) -> dict[str, Parameter]:
        """Parameters by name."""
        return {p.name: p for p in self.parameters}


@dataclass(frozen=True)
class Part:
    """A model that is one of the strategies of another.

    Parameters
    ----------
    model
        The model.
    names
        For each of its parameters, in order, the name that the other model has for it.
    """

    model: Model
    names: tuple[str, ...]


@dataclass(frozen=True)
class Planted:
    """A model with its parameter values: a subject that plays.

    Parameters
    ----------
    model
        The model.
    values
        Parameter name to value, or to one value per session.
    name
        Name of the subject.
    given
        Parameters that were given; the others are defaults.
    """

    model: Model
    values: Mapping[str, Any]
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
        >>> hybrid = find_model("hybrid")
        >>> hybrid.planted().knowing(p_common=0.75).values["p_common"]
        0.75
        >>> hybrid.planted(p_common=0.8).knowing(p_common=0.75).values["p_common"]
        0.8
        """
        learned = {k: v for k, v in task.items() if k in self.values and k not in self.given}
        return replace(self, values={**self.values, **learned})


def theta_type(names: tuple[str, ...]) -> Any:
    """Make the named tuple that a step reads its parameters from.

    Parameters
    ----------
    names
        Parameters in order.

    Examples
    --------
    >>> theta_type(("bias",))(0.5).bias
    0.5
    """
    return NamedTuple("Theta", [(name, float) for name in names])


def list_models() -> list[str]:
    """List the names of the models that the package has.

    Examples
    --------
    >>> "latent_state" in list_models()
    True
    """
    return sorted(_all_models())


def find_model(name: str | Model) -> Model:
    """Find a model by name.

    Parameters
    ----------
    name
        See :func:`list_models`; a model is returned as it is.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        There is none of that name.

    Examples
    --------
    >>> find_model("latent_stat")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: no model 'latent_stat'; did you mean 'latent_state'?
    """
    if isinstance(name, Model):
        return name
    known = _all_models()
    if name not in known:
        raise InputError(f"no model {name!r}; {did_you_mean(str(name), known)}")
    return known[name]


def find_models(names: str | Model | Sequence[str | Model]) -> list[Model]:
    """Find several models, or one.

    Parameters
    ----------
    names
        Models or their names, or one of them.

    Returns
    -------
    list of Model

    Raises
    ------
    InputError
        See :func:`find_model`, or there is none.

    Examples
    --------
    >>> [m.name for m in find_models("hybrid")]
    ['hybrid']
    """
    chosen = [find_model(n) for n in ([names] if isinstance(names, str | Model) else names)]
    if not chosen:
        raise InputError("no models were named; list_models() lists their names")
    return chosen


def _all_models() -> dict[str, Model]:
    families = [import_module(f"neuro_metarl.models.{name}") for name in FAMILIES]
    return {m.name: m for family in families for m in vars(family).values() if _is_model(m)}


def _is_model(thing: object) -> bool:
    return isinstance(thing, Model)
