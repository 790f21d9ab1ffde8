"""``neuro-metarl train`` and ``neuro-metarl record``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from neuro_metarl.cli.text import Several, check_writable, pairs, say, write
from neuro_metarl.errors import InputError

__all__ = ["record", "train"]


def train(
    task: str,
    *,
    out: Path,
    agents: int = 8,
    seed: int = 0,
    recipe: str = "fast",
    set: Several = None,  # noqa: A002
    change: Several = None,
    device: str = "cpu",
    name: str | None = None,
    overwrite: bool = False,
) -> None:
    """Train separate agents on a task and leave a checkpoint folder.

    Example: neuro-metarl train two-step --agents 8 --seed 0 --out my-agents

    An interrupted training stops at the end of an update (a second Ctrl-C stops it at once), is
    taken up again by the same command, and ends with the same weights.

    Parameters
    ----------
    task
        Task name: two-step, two-step-2016, two-step-miller, two-step-akam, bandit-independent,
        bandit-dependent-uniform (or -easy, -medium, -hard), bandit-eleven, bandit-restless,
        harlow, harlow-pixels, harlow-pixels-direct, harlow-pixels-paper, navigation,
        navigation-continuous.
    out
        Folder of the checkpoint (agents.safetensors and agents.json).
    agents
        Number of separately trained networks.
    seed
        The same seed gives the same agents.
    recipe
        published, fast or thorough.
    set
        Task parameters, for example --set p_common=.7 n_trials=50
    change
        Recipe values, for example --change learning_rate=.01 n_units=32, or another core:
        --change core=gru (lstm, gru, vanilla, stacked, feed-forward)
    device
        Where to train, for example cuda; of use for pictures of the paper's size.
    overwrite
        Replace other agents in the folder.
    name
        What the agents are called: <name>/0, <name>/1, ... Default: the task, and for a seed other
        than 0 task/seed-<seed>.
    """
    from neuro_metarl.agents.recipes import make_recipe
    from neuro_metarl.agents.training import train as train_agents
    from neuro_metarl.files import claim
    from neuro_metarl.tasks.base import VisualTask
    from neuro_metarl.tasks.registry import make_task

    played = make_task(task, **pairs(set, "--set"))
    chosen = make_recipe(task, recipe, pairs(change, "--change"))
    with claim(out):
        population = train_agents(
            played, recipe=chosen, n_agents=agents, seed=seed, out=out, device=device, name=name,
            overwrite=overwrite,
        )  # fmt: skip
    last = population.curve[-1]
    unit = "episode" if isinstance(played, VisualTask) else "trial"
    say(
        f"{len(population)} agents in {out}; reward per {unit} at the end: mean "
        f"{sum(last) / len(last):.3f}, lowest {min(last):.3f}"
    )


def record(
    agents: str,
    *,
    out: Path,
    task: str | None = None,
    sessions: int = 100,
    seed: int = 0,
    set: Several = None,  # noqa: A002
    activity: bool = True,
    variables: Several = None,
    events: Several = None,
    units: Several = None,
    perturb: Several = None,
    overwrite: bool = False,
) -> None:
    """Let agents or players play a task and write what they did, and what their units did.

    Example: neuro-metarl record two-step --task two-step --sessions 100 --seed 1 --out cohort.nc

    Example: neuro-metarl record ucb --task bandit-independent --set c=0.5 --out ucb.nc

    Example: neuro-metarl record two-step --variables activity --events first_step --units 0-15
    --out some.zarr

    Example: neuro-metarl record two-step --perturb where=reward amount=0 --out blind.nc

    Parameters
    ----------
    agents
        A zoo name (two-step), one agent of it (two-step/3), a checkpoint folder, or a player:
        random, oracle, ucb, thompson, gittins, bayes, rescorla-wagner.
    out
        cohort.nc (one file), cohort.zarr (a folder, written as it is made; an interrupted
        recording is taken up again by the same command) or, without activity, cohort.csv.
    task
        Task name; default: what the agents were trained on.
    sessions
        Sessions of each agent.
    seed
        The same seed gives the same recording.
    set
        Parameters of the task (or the player), for example --set p_common=.7
    activity
        Record hidden and cell state, value, policy and reward-prediction error.
    variables
        Which of activity, cell, gates, policy, value, rpe; default: all but gates.
    events
        Events of a trial at which they are recorded; default: all.
    units
        Numbers of the units that are recorded, for example 0 5 8-15; default: all.
    perturb
        What is done to the agents: where=activity (or cell, output, input, forget, candidate of an
        LSTM; reset, update, candidate of a GRU; value, reward), how=clamp (or add, scale),
        amount=0, units=0,5,8-15, events=first_step, trials=50-99.
    overwrite
        Replace a recording that is there. Files that are not ours are never replaced.
    """
    from neuro_metarl.recording.cohorts import record as record_cohort
    from neuro_metarl.recording.cohorts import record_to_zarr

    kind = out.suffix.lower()
    if kind not in (".nc", ".zarr", ".csv", ".tsv"):
        raise InputError(f"{out}: write to a name that ends in .nc, .zarr, .csv or .tsv")
    subjects, played = _who_plays_what(agents, task, pairs(set, "--set"))
    chosen: dict[str, Any] = {
        "variables": variables,
        "events": events,
        "units": None if units is None else _numbers(",".join(units), "--units"),
        "perturb": None if perturb is None else _perturbation(pairs(perturb, "--perturb")),
    }
    if kind == ".zarr":
        record_to_zarr(
            subjects, played, sessions, out=out, seed=seed, activity=activity, progress=True,
            overwrite=overwrite, **chosen,
        )  # fmt: skip
    else:
        check_writable(out, overwrite=overwrite)
        if kind != ".nc" and (variables or events or units):
            raise InputError(f"{out}: a table holds no activity; write to .nc or .zarr")
        activity = activity and kind == ".nc"
        cohort = record_cohort(
            subjects, played, sessions, seed=seed, activity=activity, progress=True, **chosen
        )
        write(cohort, out, overwrite=overwrite)
    n = len(subjects) if hasattr(subjects, "__len__") else 1
    say(f"{n} subjects x {sessions} sessions of {played.name} in {out}")


def _who_plays_what(name: str, task: str | None, given: dict[str, str]) -> tuple[Any, Any]:
    """Find a player or agents by name, and the task; ``--set`` is for both of a player."""
    import json
    from dataclasses import fields

    from neuro_metarl.agents.players import PLAYERS, make_player
    from neuro_metarl.agents.zoo import load_agents
    from neuro_metarl.tasks.registry import make_task

    if name not in PLAYERS:
        agents = load_agents(name)
        if task:
            return agents, make_task(task, **given)
        return agents, make_task(agents.task.name, **json.loads(agents.task.config) | given)
    if task is None:
        raise InputError(
            f"player {name!r} has no task of its own; add --task, say bandit-independent"
        )
    kind: Any = PLAYERS[name]
    own = {f.name for f in fields(kind)}
    player = make_player(name, **{k: v for k, v in given.items() if k in own})
    return player, make_task(task, **{k: v for k, v in given.items() if k not in own})


def _perturbation(given: dict[str, str]) -> Any:
    """Read a perturbation from name=value."""
    from neuro_metarl.errors import did_you_mean
    from neuro_metarl.perturb.perturbation import Perturbation

    names = ("where", "how", "amount", "units", "events", "trials")
    for name in given:
        if name not in names:
            raise InputError(f"--perturb {name}: {did_you_mean(name, names)}")
    if "where" not in given:
        raise InputError("--perturb: say where, for example where=activity units=0-7")
    values: dict[str, Any] = dict(given)
    for name in ("units", "trials"):
        if name in given:
            values[name] = _numbers(given[name], f"--perturb {name}")
    if "events" in given:
        values["events"] = given["events"].split(",")
    if "amount" in given:
        try:
            amounts = [float(part) for part in given["amount"].split(",")]
        except ValueError:
            raise InputError(f"--perturb amount={given['amount']}: expected numbers") from None
        values["amount"] = amounts if len(amounts) > 1 else amounts[0]
    return Perturbation(**values)


def _numbers(text: str, option: str) -> list[int]:
    """Read 0,5,8-15."""
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", part, re.ASCII)
        if found is None:
            raise InputError(f"{option} {part}: expected numbers from 0, for example 0,5,8-15")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise InputError(f"{option} {part}: {last} is below {first}")
        numbers += range(first, last + 1)
    return numbers
