"""The cores that networks are made of, found by name."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

import torch
from torch import Tensor

from neuro_metarl.agents.cores.base import Core, Seen, Sizes
from neuro_metarl.agents.cores.lstm import GATES, LSTM, STACKED
from neuro_metarl.agents.cores.simple import FEED_FORWARD, GRU, VANILLA
from neuro_metarl.errors import InputError, did_you_mean

__all__ = [
    "GATES",
    "LSTM",
    "Core",
    "Seen",
    "Sizes",
    "check_core",
    "core_named",
    "list_cores",
    "register_core",
]

_CORES: dict[str, Core] = {core.name: core for core in (LSTM, GRU, VANILLA, STACKED, FEED_FORWARD)}
# names that mean something else to a recording or a perturbation
_TAKEN = ("activity", "value", "reward", "policy", "gates", "rpe", "seen", "heads")


def list_cores() -> list[str]:
    """List the names that a recipe's ``core`` may have.

    Returns
    -------
    list of str

    Examples
    --------
    >>> list_cores()
    ['feed-forward', 'gru', 'lstm', 'stacked', 'vanilla']
    """
    return sorted(_CORES)


def core_named(name: str) -> Core:
    """Find a core.

    Parameters
    ----------
    name
        See :func:`list_cores`.

    Returns
    -------
    Core

    Raises
    ------
    InputError
        There is none of this name.

    Examples
    --------
    >>> core_named("gru").gates
    ('reset', 'update', 'candidate')
    >>> core_named("lstn")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: core is 'lstn'; did you mean 'lstm'? (a core of your own: \
register_core first)
    """
    if not isinstance(name, str) or name not in _CORES:
        raise InputError(
            f"core is {name!r}; {did_you_mean(str(name), _CORES)} (a core of your own: "
            "register_core first)"
        )
    return _CORES[name]


def every_part() -> dict[str, bool]:
    """Name the parts of all cores, and whether each is a gate that is open from 0 to 1.

    Examples
    --------
    >>> every_part()["forget"], every_part()["cell"]
    (True, False)
    """
    cores = _CORES.values()
    return {part: any(part in c.open_gates for c in cores) for core in cores for part in core.parts}


def register_core(core: Core) -> Core:
    """Make a core of one's own known, so that recipes and checkpoints can name it.

    Parameters
    ----------
    core
        The object. It takes one step with small random weights, which must give what it says.
        Registering an equal core again changes nothing.

    Returns
    -------
    Core
        The same.

    Raises
    ------
    InputError
        The name is taken by another core, or the core does not do what it says.

    Examples
    --------
    >>> class Blind(type(core_named("feed-forward"))):
    ...     name = "blind"
    >>> register_core(Blind())
    <core 'blind'>
    >>> "blind" in list_cores()
    True
    """
    check_core(core)
    if core.name in _CORES and _CORES[core.name] != core:
        raise InputError(f"core: there is another one called {core.name!r}; choose another name")
    _CORES[core.name] = core
    return core


def check_core(core: Core) -> None:
    """Let a core take one step and hold it to what it says of itself.

    Parameters
    ----------
    core
        The object.

    Raises
    ------
    InputError
        One line that says which part is missing, doubled or of other dims.

    Examples
    --------
    >>> check_core(core_named("stacked"))
    """
    if not isinstance(core, Core) or not isinstance(core.name, str) or not core.name:
        raise InputError(f"core is {core!r}, expected an object of a subclass of Core with a name")
    _check_names(core)
    try:
        _check_weights_and_step(core)
    except InputError:
        raise
    except Exception as error:
        # whatever one's own code raises, with what it was raised from
        said = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"core {core.name!r}: its tensors, draw or step failed ({type(error).__name__}: {said})"
        ) from error


def _check_weights_and_step(core: Core) -> None:
    # numbers of which no two are equal, so that dims that are mixed up do not fit by chance
    sizes = SimpleNamespace(n_observations=3, n_actions=2, n_units=5, n_inputs=6)
    tensors = core.tensors(sizes)
    for name, dims in tensors.items():
        if name == "heads" or name.startswith(("initial_", "encoder_")):
            raise InputError(f"core {core.name!r}: weights may not be called {name!r}; rename them")
        if not isinstance(dims, tuple) or not all(isinstance(d, int) and d > 0 for d in dims):
            raise InputError(f"core {core.name!r}: dims of {name!r} are {dims!r}, expected a tuple")
    weights = {name: torch.zeros(dims) for name, dims in tensors.items()}
    core.draw(weights, sizes, torch.Generator().manual_seed(0))
    for name in core.gate_rows:
        if name not in weights or len(weights[name]) != len(core.gates) * sizes.n_units:
            raise InputError(
                f"core {core.name!r}: gate_rows has {name!r}, which has no block of rows per gate"
            )
    _check_step(core, sizes, weights)


def _check_names(core: Core) -> None:
    """Refuse parts whose names are doubled or mean something else."""
    for name in core.parts:
        if name in _TAKEN:
            raise InputError(
                f"core {core.name!r}: a part is called {name!r}, which has a meaning of its own in "
                "recordings and perturbations; rename it"
            )
    named = (*core.states, *core.gates, *core.inner)
    if len(set(named)) < len(named):
        raise InputError(f"core {core.name!r}: states, gates and inner name a part twice")
    if "cell" in core.parts and "cell" not in core.states:
        raise InputError(f"core {core.name!r}: 'cell' is the name of a state; rename the part")
    if not set(core.open_gates) <= set(core.parts):
        raise InputError(f"core {core.name!r}: open_gates names a part that there is not")


def _check_step(core: Core, sizes: SimpleNamespace, weights: dict[str, Tensor]) -> None:
    """Refuse a step that gives other things than it says."""
    generator, n_episodes = torch.Generator().manual_seed(1), 4

    def draw(n_rows: int) -> Tensor:
        return torch.rand(n_rows, n_episodes, generator=generator)

    seen = Seen(draw(sizes.n_actions), draw(sizes.n_observations), draw(1))
    state = {name: draw(sizes.n_units) for name in core.states}
    named: dict[str, Tensor] = {}

    def part(name: str, value: Tensor) -> Tensor:
        named[name] = value
        return value

    after = core.step(weights, seen, state, part)
    for what, wanted, given in (
        ("returns", ("hidden", *core.states), after),
        ("names with part(...)", core.parts, named),
    ):
        _check_parts(f"core {core.name!r}: a step {what}", wanted, given, sizes.n_units)
    moved = core.step(weights, seen, state, lambda name, value: torch.zeros_like(value))
    if bool(moved["hidden"].any()):
        raise InputError(
            f"core {core.name!r}: 'hidden' is not what part('hidden', ...) returned; use on what "
            "part returns, so that it can be perturbed"
        )


def _check_parts(what: str, wanted: Iterable[str], given: dict[str, Tensor], n_units: int) -> None:
    for name in wanted:
        if name not in given:
            raise InputError(f"{what} {', '.join(given) or 'nothing'}, but not {name!r}")
        if tuple(given[name].shape) != (n_units, 4):
            raise InputError(
                f"{what} {name!r} with dims {tuple(given[name].shape)}, expected (unit, episode), "
                f"here ({n_units}, 4)"
            )
    for name in given:
        if name not in tuple(wanted):
            raise InputError(
                f"{what} {name!r}, which is none of its states, gates and inner parts; name it "
                "there"
            )
