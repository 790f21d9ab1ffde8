"""Networks of two cores at their task, their prediction errors left alone, blocked or added to."""

from __future__ import annotations

import os
from importlib.metadata import version

import torch
import xarray as xr

from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.agents.learning import seed_generators
from neuro_metarl.agents.two_cores import (
    Change,
    TwoCores,
    load_two_cores,
    play_two_cores,
)
from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.recording.recorder import sessions_first
from neuro_metarl.tasks.registry import make_task
from neuro_metarl.tasks.risky import Risky

__all__ = ["DOPAMINE", "record_two_cores"]

DOPAMINE = ("left alone", "block risky reward", "block safe reward", "stimulate risky loss")
"""What can be done to the prediction errors."""


def record_two_cores(
    agents: TwoCores | str | os.PathLike[str],
    task: Risky | str = "risky-choice",
    n_sessions: int = 100,
    *,
    seed: int = 0,
    dopamine: str = "left alone",
) -> xr.Dataset:
    """Let networks of two cores play with frozen weights, and change the errors their actor sees.

    Parameters
    ----------
    agents
        Networks, or what :func:`neuro_metarl.agents.load_two_cores` takes.
    task
        A risky choice, or its name.
    n_sessions
        Of each network.
    seed
        Episodes and the noise of actions follow from it and from the network's name; they are the
        same whatever is done to the errors, so that shifts are paired.
    dopamine
        ``"left alone"``; ``"block risky reward"``: 4 less after a win of the risky action, by the
        task's ``risky_reward``; ``"block safe reward"``: 1 less after the safe action;
        ``"stimulate risky loss"``: 1 more after a loss of the risky action. On every trial, forced
        ones included.

    Returns
    -------
    xarray.Dataset
        A cohort. ``rpe`` is the error that the actor saw, ``value`` the critic's. What was paid,
        and so what the critic saw, stays. The attribute ``dopamine`` says what was done.

    Raises
    ------
    InputError
        Other agents or tasks, or an unknown change.

    Examples
    --------
    >>> cohort = record_two_cores("risky-choice-variable", n_sessions=5, seed=1)
    >>> cohort.sizes["session"], cohort.rpe.dims
    (40, ('session', 'trial', 'event'))
    """
    if dopamine not in DOPAMINE:
        raise InputError(f"no change {dopamine!r}; {did_you_mean(dopamine, DOPAMINE)}")
    networks = agents if isinstance(agents, TwoCores) else load_two_cores(agents)
    played = make_task(task) if isinstance(task, str) else task
    if not isinstance(played, Risky):
        raise InputError("networks of two cores play the risky choice, no other task")
    if n_sessions < 1:
        raise InputError(f"n_sessions is {n_sessions}, expected 1 or more")
    parts: dict[str, list[object]] = {}
    with one_thread(), torch.no_grad():
        for k, name in enumerate(networks.names):
            generators = seed_generators(seed, [name], "record")
            episodes = played.draw(n_sessions, generators)
            noise = torch.rand(played.n_trials, 1, n_sessions, generator=generators[0])
            risky = episodes.variables["problem"][0]
            found = play_two_cores(
                {key: value[k : k + 1] for key, value in networks.tensors.items()},
                played, episodes, noise, _change(dopamine, risky, played.risky_reward),
            )  # fmt: skip
            trials = played.trials(episodes, found["action"])
            for key in ("value", "rpe"):
                trials[key] = found[key].unsqueeze(2)
            trials["policy"] = found["logits"].softmax(dim=2).unsqueeze(2)
            for key, value in trials.items():
                parts.setdefault(key, []).append(torch.from_numpy(sessions_first(value)))
    variables = {key: torch.cat(values).numpy() for key, values in parts.items()}  # type: ignore[arg-type]
    cohort = make_cohort(
        variables, subject=[name for name in networks.names for _ in range(n_sessions)],
        task=played.name, source="agent",
        coords={"event": ["choice"], "action": list(played.actions), "option": [0, 1]},
    )  # fmt: skip
    return cohort.assign_attrs(
        task_config=played.config, seed=seed, dopamine=dopamine,
        created_by=f"neuro_metarl {version('neuro_metarl')}",
    )  # fmt: skip


def _change(dopamine: str, risky: torch.Tensor, risky_reward: float) -> Change | None:
    changes: dict[str, Change] = {
        "block risky reward": lambda a, r: -risky_reward * ((a == risky) & (r > 0)).float(),
        "block safe reward": lambda a, r: -(a != risky).float(),
        "stimulate risky loss": lambda a, r: ((a == risky) & (r == 0)).float(),
    }
    return changes.get(dopamine)
