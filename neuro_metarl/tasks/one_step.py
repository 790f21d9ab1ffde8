"""What tasks share whose trial is one step: a choice among things that pay or do not."""

from __future__ import annotations

import json
from dataclasses import asdict

import torch
from torch import Tensor

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Episodes

__all__ = ["OneStep", "check_whole"]


class OneStep:
    """A task whose trial is one step, at which any of its things may be chosen."""

    n_trials: int
    n_actions: int

    @property
    def events(self) -> tuple[str, ...]:
        """The one step of a trial."""
        return ("choice",)

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of the arms."""
        return tuple(f"arm_{k}" for k in range(self.n_actions))

    @property
    def config(self) -> str:
        """The parameters as JSON."""
        return json.dumps(asdict(self), sort_keys=True)  # type: ignore[call-overload]

    def time(self) -> Tensor:
        """Say how far the episode has come at each step, from 0 to 1, dims (step, row)."""
        return torch.arange(self.n_trials, dtype=torch.float32).unsqueeze(1) / self.n_trials

    def trials(self, episodes: Episodes, actions: Tensor) -> dict[str, Tensor]:
        """Read the cohort's trial variables off the potential outcomes.

        Parameters
        ----------
        episodes
            What ``draw`` gave.
        actions
            int64, dims (trial, agent, episode).

        Returns
        -------
        dict
            ``choice, reward, valid, invalid_reason, forced, correct``, dims (trial, agent,
            episode), ``expected_reward``, dims (trial, agent, choice, episode), and where there are
            kinds of episodes ``problem``.
        """
        table = episodes.variables
        chosen = actions.unsqueeze(2)
        expected = table["expected_reward"]
        best = expected.max(dim=2).values
        mine = expected.gather(2, chosen).squeeze(2)
        zero = torch.zeros_like(actions)
        variables = {
            "choice": actions,
            "reward": table["reward_if"].gather(2, chosen).squeeze(2),
            "valid": zero + 1,
            "invalid_reason": zero,
            "forced": zero,
            "correct": (mine >= best).long(),
            "expected_reward": expected,
        }
        return variables | ({"problem": table["problem"]} if "problem" in table else {})


def check_whole(name: str, value: float) -> None:
    """Refuse what is not a whole number from 1.

    Parameters
    ----------
    name
        Parameter that the message names.
    value
        What was given.

    Raises
    ------
    InputError
        It is something else.

    Examples
    --------
    >>> check_whole("n_trials", 0)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: n_trials is 0, expected a whole number from 1
    """
    if value < 1 or value != int(value):
        raise InputError(f"{name} is {value}, expected a whole number from 1")
