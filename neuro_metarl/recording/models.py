"""Cognitive models and players, which have choices but no units."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch.nn.functional import one_hot

from neuro_metarl.agents.learning import seed_generators
from neuro_metarl.agents.players import PLAYERS, Player
from neuro_metarl.errors import InputError
from neuro_metarl.models.model import Model, Planted
from neuro_metarl.models.simulation import Outcomes, simulate
from neuro_metarl.recording.recorder import Recorder, Variables, made_by, sessions_first
from neuro_metarl.tasks.base import Episodes, Task
from neuro_metarl.tasks.harlow import Harlow
from neuro_metarl.tasks.one_step import OneStep
from neuro_metarl.tasks.two_step import TwoStep

__all__ = ["model_recorders", "player_recorders"]

TOLD = ("p_common", "p_reward_high", "p_reward_low")


def player_recorders(player: Player, task: Task | None, seed: int) -> list[Recorder]:
    """Let a player play.

    Parameters
    ----------
    player
        A player of bandits.
    task
        A bandit.
    seed
        Of its episodes and choices.

    Returns
    -------
    list of Recorder
        One.

    Raises
    ------
    InputError
        There is no task, or no bandit.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.tasks import make_task
    >>> one, = player_recorders(make_player("ucb"), make_task("bandit-independent"), 0)
    >>> next(one.batches(2, 0))["choice"].shape
    (2, 100)
    """
    if task is None:
        raise InputError("a player has no task of its own: name one")
    kind = type(player)
    name = next((k for k, known in PLAYERS.items() if kind is known), kind.__name__)
    return [
        Recorder(
            name,
            partial(_play_bandit, player, name, task, seed),
            source="model",
            attrs={
                "task": task.name,
                "task_config": task.config,
                "created_by": made_by(),
                "seed": seed,
                "model": repr(player),
            },
        )
    ]


def model_recorders(players: Sequence[Planted], task: Task | None, seed: int) -> list[Recorder]:
    """Let planted models play.

    Parameters
    ----------
    players
        Each knows the task's probabilities, unless it was given others.
    task
        A two-step task, or a bandit with two arms for models that need no second step.
    seed
        Of episodes and choices.

    Returns
    -------
    list of Recorder

    Raises
    ------
    InputError
        There is no task, or none that the model can play.

    Examples
    --------
    >>> from neuro_metarl import make_task
    >>> from neuro_metarl.models import hybrid
    >>> planner = hybrid.planted(name="planner", weight_model_based=1.0)
    >>> model_recorders([planner], TwoStep(), 0)[0].name
    'planner'
    >>> model_recorders([planner], make_task("bandit-independent"), 0)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: model 'hybrid' plays two-step tasks; 'bandit-independent' has \
no second step
    """
    if task is None:
        raise InputError("a planted model has no task of its own: name one")
    recorders = []
    for player in players:
        _check_can_play(player.model, task)
        known = player.knowing(
            **{name: getattr(task, name) for name in TOLD if hasattr(task, name)}
        )
        attrs = {
            "task": task.name,
            "task_config": task.config,
            "created_by": made_by(),
            "seed": seed,
            "model": known.model.name,
            "parameters": json.dumps(dict(known.values), sort_keys=True),
        }
        play = partial(_play_model, known, task, seed)
        recorders.append(Recorder(known.name, play, source="model", attrs=attrs))
    return recorders


def _play_bandit(
    player: Player, name: str, task: Task, seed: int, n_sessions: int, skip: int
) -> Iterator[Variables]:
    generators = seed_generators(seed, [name], "record")
    episodes = task.draw(n_sessions, generators)
    known = "expected_reward" if episodes.begin is None else "p_reward"
    if known not in episodes.variables:
        raise InputError(f"player {name!r} plays bandits; {task.name!r} is none")
    expected = sessions_first(episodes.variables[known])
    pay = _payer(episodes, task.n_actions)
    player.start(task, n_sessions, np.random.default_rng(generators[0].initial_seed()))
    actions = np.zeros((task.n_trials, n_sessions), int)
    for t in range(task.n_trials):
        actions[t] = player.act(expected[:, t])
        player.learn(actions[t], pay(t, actions[t]))
    trials = task.trials(episodes, torch.from_numpy(actions).unsqueeze(1))
    yield {key: sessions_first(value)[skip:] for key, value in trials.items()}


def _payer(episodes: Episodes, n_actions: int) -> Callable[[int, np.ndarray], np.ndarray]:
    """Say how rewards are paid: looked up, or by a task that reacts."""
    if episodes.begin is None:
        reward_if = sessions_first(episodes.variables["reward_if"])
        return lambda trial, choice: reward_if[np.arange(len(choice)), trial, choice]
    react = episodes.begin()

    def pay(trial: int, choice: np.ndarray) -> np.ndarray:
        taken = one_hot(torch.from_numpy(choice), n_actions).T.unsqueeze(0)
        return np.asarray(react(trial, taken)[0].numpy())

    return pay


def _check_can_play(model: Model, task: Task) -> None:
    """Refuse a task whose choices are not those of the model."""
    second_step = isinstance(task, TwoStep)
    if model.n_choices == 2:
        raise InputError(
            f"model {model.name!r} plays two-step tasks whose second step has a choice; "
            f"{task.name!r} has none; simulate_design plays the design of such a cohort"
        )
    if "state" in model.needs and not second_step:
        raise InputError(
            f"model {model.name!r} plays two-step tasks; {task.name!r} has no second step"
        )
    arms = isinstance(task, OneStep) and not isinstance(task, Harlow)
    if not (second_step or (arms and task.n_actions == 2)):
        raise InputError(
            f"model {model.name!r} plays two-step tasks and bandits with two arms; "
            f"{task.name!r} is neither"
        )


def _play_model(
    player: Planted, task: Task, seed: int, n_sessions: int, skip: int
) -> Iterator[Variables]:
    generators = seed_generators(seed, [player.name], "record")
    episodes = task.draw(n_sessions, generators)
    tables = {name: sessions_first(value) for name, value in episodes.variables.items()}
    free = np.full((n_sessions, task.n_trials), -1)
    baited = "bait" in tables
    outcomes = Outcomes(
        tables.get("state_if"), tables["bait" if baited else "reward_if"],
        tables.get("forced_choice", free), getattr(task, "incongruent", False), baited=baited,
    )  # fmt: skip
    rng = np.random.default_rng(generators[0].initial_seed())
    choice = torch.from_numpy(simulate(player, outcomes, rng=rng)["choice"]).long()
    actions = torch.full((task.n_trials, len(task.events), 1, n_sessions), task.n_actions - 1)
    actions[:, task.events.index("first_step") if "state_if" in tables else 0, 0] = choice.T
    trials = task.trials(episodes, actions.flatten(0, 1))
    yield {name: sessions_first(value)[skip:] for name, value in trials.items()}
