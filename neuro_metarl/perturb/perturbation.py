"""Perturbations: what an experimenter does to a network while it plays.

A :class:`Perturbation` says where (hidden state, cell state, a gate, the value, the reward that
the network sees), what is done there (clamp, add, scale), to which units, at which events and on
which trials. :func:`neuro_metarl.record` takes one, several, or some of each subject. What there is
to perturb, the network's core says: every part that its step names.

===========================================  ==================================================
where                                        what is changed
===========================================  ==================================================
``activity``                                 hidden state after the step: policy, value and the
                                             next step see the change
``cell``                                     the new cell state of an LSTM, before its tanh
``output``, ``input``, ``forget``,           the gate of an LSTM after its nonlinearity
``candidate``
``reset``, ``update``, ``candidate``         the gate of a GRU after its nonlinearity
``first_hidden``, ``first_forget``, ...      a part of the first layer of a stack
``value``                                    the value estimate; nothing reads it at test, so that
                                             only the recorded value and prediction error change
``reward``                                   the previous reward as the network sees it; what was
                                             delivered, and so the cohort's ``reward`` and
                                             ``rpe``, stay
===========================================  ==================================================
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from neuro_metarl.agents.cores import Core, every_part
from neuro_metarl.agents.learning import seed_generators
from neuro_metarl.agents.zoo import Agents
from neuro_metarl.errors import InputError, check_numbers, did_you_mean

__all__ = [
    "Perturbation",
    "Perturbations",
    "clamp",
    "inject",
    "lesion",
    "lesion_at_random",
    "lesion_reward",
    "scale",
]

PLACES = {"activity": "hidden", "value": "heads", "reward": "seen"}
"""Where a change is made that is not called as the part of the core it is made to."""
VERBS = {"clamp": "set to", "add": "plus", "scale": "times"}


@dataclass(frozen=True)
class Perturbation:
    """One change to a network in flight.

    Parameters
    ----------
    where
        ``"activity"``, ``"value"``, ``"reward"``, or a part of the networks' core: ``"cell"``,
        ``"output"``, ``"input"``, ``"forget"``, ``"candidate"`` of an LSTM; ``"reset"``,
        ``"update"``, ``"candidate"`` of a GRU.
    how
        ``"clamp"`` (set to the amount), ``"add"`` or ``"scale"``.
    amount
        One number, or one per unit.
    units
        Numbers of the units, from 0; None: all. Not for value and reward.
    events
        Names of the task's events; None: all.
    trials
        Numbers of the trials, from 0, such as ``range(50, 100)``; None: all.

    Raises
    ------
    InputError
        Unknown names, no finite amount, or as many amounts as units are not.

    Examples
    --------
    >>> print(Perturbation("forget", "clamp", 0.0, units=[3, 5], events=["second_step"]))
    forget set to 0 in units 3, 5 at second_step
    >>> Perturbation("actvity", "clamp", 0.0)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: where: nothing to perturb at 'actvity'; did you mean 'activity'?
    """

    where: str
    how: str = "clamp"
    amount: float | tuple[float, ...] = 0.0
    units: tuple[int, ...] | None = None
    events: tuple[str, ...] | None = None
    trials: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        parts = every_part()
        known = [*PLACES, *(part for part in parts if part != "hidden")]
        if self.where not in known:
            raise InputError(
                f"where: nothing to perturb at {self.where!r}; {did_you_mean(self.where, known)}"
            )
        if self.how not in VERBS:
            raise InputError(f"how is {self.how!r}, expected one of {', '.join(VERBS)}")
        for name in ("units", "trials"):
            numbers = getattr(self, name)
            if numbers is not None:
                plain = tuple(int(n) if isinstance(n, np.integer) else n for n in as_list(numbers))
                check_numbers(name, plain, 2**31, "numbers go from")
                object.__setattr__(self, name, plain)
        if self.events is not None:
            named = (self.events,) if isinstance(self.events, str) else tuple(self.events)
            object.__setattr__(self, "events", named)
        if self.units is not None and self.where in ("value", "reward"):
            raise InputError(f"{self.where} has no units; leave units out")
        self._check_amount(is_open=parts.get(self.where, False))

    def _check_amount(self, *, is_open: bool) -> None:
        several = np.ndim(self.amount) > 0
        numbers = [float(a) for a in as_list(self.amount)]
        if not all(map(math.isfinite, numbers)):
            raise InputError(f"amount is {self.amount}, expected finite numbers")
        if several and (self.units is None or len(self.units) != len(numbers)):
            n = "no" if self.units is None else len(self.units)
            raise InputError(f"{len(numbers)} amounts for {n} named units; give one for each")
        if self.how == "clamp" and is_open:
            outside = [a for a in numbers if not 0 <= a <= 1]
            if outside:
                raise InputError(
                    f"amount is {outside[0]:g}, but the {self.where} gate is open from 0 to 1"
                )
        object.__setattr__(self, "amount", tuple(numbers) if several else numbers[0])

    def __str__(self) -> str:
        amounts = ", ".join(f"{a:g}" for a in as_list(self.amount))
        text = f"{self.where} {VERBS[self.how]} {amounts}"
        if self.units is not None:
            text += f" in units {', '.join(map(str, self.units)) or 'none'}"
        if self.events is not None:
            text += f" at {', '.join(self.events)}"
        if self.trials is not None:
            text += f" on trials {_runs(self.trials)}"
        return text


Perturbations = (
    Perturbation | Sequence[Perturbation] | Mapping[str, Perturbation | Sequence[Perturbation]]
)


def lesion(
    units: Sequence[int] | None = None,
    *,
    where: str = "activity",
    events: Sequence[str] | None = None,
    trials: Sequence[int] | None = None,
) -> Perturbation:
    """Silence units: set them to zero.

    Parameters
    ----------
    units, where, events, trials
        See :class:`Perturbation`.

    Returns
    -------
    Perturbation

    Examples
    --------
    >>> print(lesion([0, 7], trials=range(50, 100)))
    activity set to 0 in units 0, 7 on trials 50-99
    """
    return clamp(0.0, units, where=where, events=events, trials=trials)


def clamp(
    amount: float | Sequence[float],
    units: Sequence[int] | None = None,
    *,
    where: str = "activity",
    events: Sequence[str] | None = None,
    trials: Sequence[int] | None = None,
) -> Perturbation:
    """Hold units at a value.

    Parameters
    ----------
    amount
        The value, or one per unit.
    units, where, events, trials
        See :class:`Perturbation`.

    Returns
    -------
    Perturbation

    Examples
    --------
    >>> print(clamp(1, where="forget"))
    forget set to 1
    """
    return _perturbation("clamp", amount, units, where, events, trials)


def inject(
    amount: float | Sequence[float],
    units: Sequence[int] | None = None,
    *,
    where: str = "activity",
    events: Sequence[str] | None = None,
    trials: Sequence[int] | None = None,
) -> Perturbation:
    """Add to units, as current injection or optical stimulation does.

    Parameters
    ----------
    amount
        What is added, or one number per unit.
    units, where, events, trials
        See :class:`Perturbation`.

    Returns
    -------
    Perturbation

    Examples
    --------
    >>> print(inject([0.5, -0.5], [2, 4], where="cell", events=["fixation"]))
    cell plus 0.5, -0.5 in units 2, 4 at fixation
    """
    return _perturbation("add", amount, units, where, events, trials)


def scale(
    amount: float | Sequence[float],
    units: Sequence[int] | None = None,
    *,
    where: str = "activity",
    events: Sequence[str] | None = None,
    trials: Sequence[int] | None = None,
) -> Perturbation:
    """Multiply units: 0 silences, below 1 weakens, above 1 strengthens.

    Parameters
    ----------
    amount
        The factor, or one per unit.
    units, where, events, trials
        See :class:`Perturbation`.

    Returns
    -------
    Perturbation

    Examples
    --------
    >>> print(scale(0.5, where="reward"))
    reward times 0.5
    """
    return _perturbation("scale", amount, units, where, events, trials)


def lesion_reward(
    *, events: Sequence[str] | None = None, trials: Sequence[int] | None = None
) -> Perturbation:
    """Hide rewards: the network sees 0 for its previous reward, whatever was delivered.

    Parameters
    ----------
    events, trials
        See :class:`Perturbation`.

    Returns
    -------
    Perturbation

    Examples
    --------
    >>> print(lesion_reward())
    reward set to 0
    """
    return lesion(where="reward", events=events, trials=trials)


def lesion_at_random(agents: Agents, n_units: int, *, seed: int = 0) -> dict[str, Perturbation]:
    """Silence a random subset of each network's units.

    Parameters
    ----------
    agents
        Whose units.
    n_units
        How many of each. With the same seed, the units of a larger lesion include those of a
        smaller one.
    seed
        Of the subsets, which differ between networks.

    Returns
    -------
    dict
        Subject to its lesion.

    Raises
    ------
    InputError
        More units than there are, or fewer than none.

    Examples
    --------
    >>> from neuro_metarl.agents.zoo import load_agents
    >>> agents = load_agents("two-step")
    >>> lesions = lesion_at_random(agents, 4)
    >>> len(lesions), len(lesions["two-step/0"].units)
    (16, 4)
    """
    there = agents.population.shape.n_units
    if isinstance(n_units, bool) or n_units != int(n_units) or not 0 <= n_units <= there:
        raise InputError(f"n_units is {n_units}, expected a whole number from 0 to {there}")
    lesions = {}
    for name, generator in zip(
        agents.names, seed_generators(seed, agents.names, "lesion"), strict=True
    ):
        order = torch.randperm(there, generator=generator).tolist()
        lesions[name] = lesion(sorted(order[: int(n_units)]))
    return lesions


def place_in(core: Core, where: str) -> str:
    """Find what a perturbation changes in networks of a core.

    Parameters
    ----------
    core
        Of the networks.
    where
        Of the perturbation.

    Returns
    -------
    str
        The name of a part, ``"heads"`` or ``"seen"``.

    Raises
    ------
    InputError
        The core has no such part.

    Examples
    --------
    >>> from neuro_metarl.agents.cores import core_named
    >>> place_in(core_named("gru"), "activity"), place_in(core_named("gru"), "reset")
    ('hidden', 'reset')
    """
    if where in PLACES:
        return PLACES[where]
    if where not in core.parts:
        others = [*PLACES, *(part for part in core.parts if part != "hidden")]
        raise InputError(
            f"perturb: networks with the core {core.name!r} have no {where!r}; "
            f"there are: {', '.join(sorted(others))}"
        )
    return where


def of_each(
    perturb: Perturbations | None, names: Sequence[str]
) -> list[tuple[Perturbation, ...]] | None:
    """Sort perturbations by subject; None where nothing was asked for.

    Raises
    ------
    InputError
        A subject that is not there, or something else than perturbations.
    """
    if perturb is None:
        return None
    if not isinstance(perturb, Mapping):
        return [_several(perturb)] * len(names)
    for name in perturb:
        if name not in names:
            raise InputError(
                f"perturb: no subject {name!r} is recorded; {did_you_mean(str(name), names)}"
            )
    return [_several(perturb.get(name, ())) for name in names]


def as_json(each: Sequence[tuple[Perturbation, ...]], names: Sequence[str]) -> str:
    """Write down perturbations: a list if they are the same for all, else one per subject."""
    if len(set(each)) == 1:
        return json.dumps([asdict(p) for p in each[0]])
    return json.dumps({n: [asdict(p) for p in e] for n, e in zip(names, each, strict=True)})


def describe(perturbations: Sequence[Perturbation]) -> str:
    """Say what was done, in words."""
    return "; ".join(map(str, perturbations)) or "none"


def _perturbation(
    how: str, amount: Any, units: Any, where: str, events: Any, trials: Any
) -> Perturbation:
    return Perturbation(where, how, amount, units, events, trials)


def _several(perturb: Perturbation | Sequence[Perturbation]) -> tuple[Perturbation, ...]:
    several = (perturb,) if isinstance(perturb, Perturbation) else tuple(as_list(perturb))
    for one in several:
        if not isinstance(one, Perturbation):
            raise InputError(
                f"perturb: got {type(one).__name__}, expected a Perturbation, several, or a "
                "mapping of subjects to them; lesion, clamp, inject and scale make one"
            )
    return several


def as_list(values: Any) -> list[Any]:
    """Put one value into a list, and several into one."""
    if isinstance(values, str | Mapping) or not hasattr(values, "__iter__"):
        return [values]
    return list(values)


def _runs(numbers: Sequence[int]) -> str:
    """Write 0, 1, 2, 5 as 0-2, 5."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs) or "none"
