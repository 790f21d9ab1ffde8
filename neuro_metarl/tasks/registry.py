"""What is played: batched, device-agnostic tasks, found by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from inspect import Parameter, isclass, signature
from typing import Any, get_type_hints

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.tasks.bandits import BANDIT_FORMS, Bandit, ElevenArms, RestlessBandit
from neuro_metarl.tasks.base import Task, VisualTask
from neuro_metarl.tasks.checking import check_task
from neuro_metarl.tasks.foraging import FORAGING_FORMS, Foraging
from neuro_metarl.tasks.harlow import Harlow
from neuro_metarl.tasks.harlow_pixels import PIXEL_FORMS, HarlowPixels
from neuro_metarl.tasks.inferred_value import INFERRED_VALUE_FORMS, InferredValue
from neuro_metarl.tasks.navigation import Navigation
from neuro_metarl.tasks.risky import RISKY_FORMS, Risky
from neuro_metarl.tasks.two_step import FORMS, TwoStep
from neuro_metarl.tasks.volatility import VOLATILITY_FORMS, Volatility

__all__ = [
    "Bandit",
    "ElevenArms",
    "Foraging",
    "Harlow",
    "HarlowPixels",
    "InferredValue",
    "Navigation",
    "RestlessBandit",
    "Risky",
    "Task",
    "TwoStep",
    "VisualTask",
    "Volatility",
    "check_own",
    "check_task",
    "list_tasks",
    "make_task",
    "register_task",
]

TASKS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    **{name: (TwoStep, form) for name, form in FORMS.items()},
    **{name: (Bandit, {"arms": arms}) for name, arms in BANDIT_FORMS.items()},
    "bandit-eleven": (ElevenArms, {}),
    "bandit-restless": (RestlessBandit, {}),
    **{name: (Foraging, dict(form)) for name, form in FORAGING_FORMS.items()},
    **{name: (Volatility, dict(form)) for name, form in VOLATILITY_FORMS.items()},
    **{name: (InferredValue, dict(form)) for name, form in INFERRED_VALUE_FORMS.items()},
    **{name: (Risky, dict(form)) for name, form in RISKY_FORMS.items()},
    "harlow": (Harlow, {}),
    **{name: (HarlowPixels, form) for name, form in PIXEL_FORMS.items()},
    "navigation": (Navigation, {}),
    "navigation-continuous": (
        Navigation,
        {"continuous": True, "height": 8, "width": 16, "n_steps": 400},
    ),
}


OF_THE_PACKAGE = tuple({kind for kind, _ in TASKS.values()})


def register_task(name: str, make: Callable[..., Any], **form: Any) -> None:
    """Make a task of one's own known by its name, to commands, recipes and checkpoints.

    Parameters
    ----------
    name
        The ``name`` that its tasks bear.
    make
        Its class, or a function that makes it; called with the task's parameters, each of which has
        a default. ``json.loads(task.config)`` are the parameters that make an equal one.
    **form
        Parameters of this form, where they differ from the defaults.

    Raises
    ------
    InputError
        The name is taken, or the task does not keep to the protocol; see
        :func:`~neuro_metarl.tasks.checking.check_task`.

    Examples
    --------
    >>> class Coin(Bandit):
    ...     name = "coin"
    >>> register_task("coin", Coin, arms="easy")
    >>> make_task("coin", n_trials="30").n_trials
    30
    """
    known = TASKS.get(name)
    if known is not None and known != (make, form):
        raise InputError(f"there is another task called {name!r}; choose another name")
    made = _make(make, form, {})
    check_task(made)
    if made.name != name:
        raise InputError(f"the task to be known as {name!r} calls itself {made.name!r}")
    again = _make(make, form, json.loads(made.config))
    if again.config != made.config:
        raise InputError(
            f"task {name!r}: its config {made.config} makes a task with the config {again.config}"
        )
    TASKS[name] = (make, form)


def check_own(task: Task | VisualTask) -> None:
    """Hold a task to the protocol if it is none of the package.

    Parameters
    ----------
    task
        Any.

    Raises
    ------
    InputError
        See :func:`~neuro_metarl.tasks.checking.check_task`.

    Examples
    --------
    >>> check_own(make_task("harlow"))
    """
    if type(task) not in OF_THE_PACKAGE:
        check_task(task)


def list_tasks() -> list[str]:
    """List the names that :func:`make_task` knows.

    Returns
    -------
    list of str

    Examples
    --------
    >>> list_tasks()[:2]
    ['bandit-dependent-easy', 'bandit-dependent-hard']
    """
    return sorted(TASKS)


def make_task(name: str, **parameters: Any) -> Task:
    """Make a task by name, with any of its parameters changed.

    Parameters
    ----------
    name
        See :func:`list_tasks`.
    **parameters
        Parameters of the task's class; text is converted, so that ``p_common="0.7"`` works.

    Returns
    -------
    Task

    Raises
    ------
    InputError
        Unknown name or parameter, or an impossible value.

    Examples
    --------
    >>> make_task("two-step-miller", p_common=0.7).p_reward_high
    0.8
    >>> make_task("two-step-miler")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: no task 'two-step-miler'; did you mean 'two-step-miller'?
    """
    if name not in TASKS:
        raise InputError(f"no task {name!r}; {did_you_mean(name, TASKS)}")
    kind, form = TASKS[name]
    return _make(kind, form, parameters)


def _make(kind: Any, form: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
    return kind(**dict(form) | _convert(kind, parameters))


def _convert(kind: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    known = signature(kind).parameters
    hints = get_type_hints(kind.__init__ if isclass(kind) else kind)
    converted = {}
    for name, value in parameters.items():
        if name not in known or known[name].kind == Parameter.VAR_KEYWORD:
            raise InputError(f"the task has no parameter {name!r}; {did_you_mean(name, known)}")
        converted[name] = _convert_value(name, value, hints.get(name, str))
    return converted


def _convert_value(name: str, value: Any, hint: Any) -> Any:
    if not isinstance(value, str) or hint is str:
        return value
    words = {"true": True, "false": False}
    try:
        if hint is bool:
            return words[value.lower()]
        return int(value) if hint is int else float(value)
    except (KeyError, ValueError):
        kind = {bool: "true or false", int: "a whole number"}.get(hint, "a number")
        raise InputError(f"{name} is {value!r}, expected {kind}") from None
