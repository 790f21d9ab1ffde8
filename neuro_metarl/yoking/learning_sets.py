"""Learning sets, which agents meet on problems of their own: whether the two can be compared."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl.agents.zoo import Agents
from neuro_metarl.errors import InputError
from neuro_metarl.tasks.harlow import Harlow
from neuro_metarl.tasks.harlow_pixels import HarlowPixels

__all__ = ["check_learning_sets"]

SURE = 0.98


def check_learning_sets(
    agents: Agents, animals: xr.Dataset, *, allow_mismatch: bool = False
) -> None:
    """Refuse agents whose problems differ from the animals' in what makes them hard.

    Parameters
    ----------
    agents
        Trained on learning sets, in which the better object always pays and the other never.
    animals
        Cohort of learning sets. What its objects pay is known from ``p_reward``; without it,
        from ``correct`` and ``reward``.
    allow_mismatch
        Compare agents with animals whose better object pays sometimes.

    Raises
    ------
    InputError
        Agents of another task, more than two choices, or animals whose better object does not
        always pay, or whose worse one pays too.

    Examples
    --------
    >>> from neuro_metarl import load_agents, record
    >>> agents = load_agents("harlow/0")
    >>> check_learning_sets(agents, record(agents, n_sessions=20))
    """
    if not isinstance(agents.task, Harlow | HarlowPixels):
        raise InputError(
            f"agents trained on {agents.task.name!r} know no learning sets: take 'harlow' or "
            "'harlow-pixels'"
        )
    valid = animals["valid"].transpose("session", "trial").values == 1
    choice = animals["choice"].transpose("session", "trial").values[valid]
    if choice.size and choice.max() > 1:
        raise InputError(f"choice {choice.max()} in learning sets of two objects, expected 0 and 1")
    better, worse, source = _odds(animals, valid)
    if allow_mismatch or (better >= SURE and worse <= 1 - SURE):
        return
    raise InputError(
        f"by {source} the animals' better object paid with probability {better:.2f} and the other "
        f"with {worse:.2f}, the agents were trained with 1 and 0: one outcome tells them all, the "
        "animals not; train agents for it, or allow the mismatch"
    )


def _odds(animals: xr.Dataset, valid: np.ndarray) -> tuple[float, float, str]:
    """Find what the better and the worse object pay, 1 and 0 where nothing is known."""
    if "p_reward" in animals:
        odds = animals["p_reward"].transpose("session", "trial", "option").values[valid]
        known = odds[np.isfinite(odds).all(axis=-1)]
        if len(known):
            return float(known.max(axis=1).mean()), float(known.min(axis=1).mean()), "'p_reward'"
    if "correct" not in animals:
        return 1.0, 0.0, "nothing"
    correct = animals["correct"].transpose("session", "trial").values[valid]
    reward = animals["reward"].transpose("session", "trial").values[valid]
    paid = reward > 0
    right, wrong = paid[correct == 1], paid[correct == 0]
    better = float(right.mean()) if right.size else 1.0
    return better, float(wrong.mean()) if wrong.size else 0.0, "'correct' and 'reward'"
