"""The exact Bayesian belief about the two-step task, along a subject's own trials.

What an ideal observer, who knows the task and sees the subject's second-step states and rewards,
believes about which state is the better one. The observer's choices play no part: a subject
that chooses badly is seen by an observer who watches well.

References
----------
Wang et al. 2018, doi:10.1038/s41593-018-0147-8; Akam et al. 2015,
doi:10.1371/journal.pcbi.1004648.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.models.requirements import recoding
from neuro_metarl.models.trials import known_values
from neuro_metarl.models.two_step_models import LEAST_BELIEF, latent_state

__all__ = ["bayes_belief"]


def bayes_belief(
    cohort: xr.Dataset,
    *,
    hazard: float | None = None,
    min_block: int | None = None,
    p_reward_high: float | None = None,
    p_reward_low: float | None = None,
    p_reward_neutral: float | None = None,
) -> xr.Dataset:
    """Filter which second-step state is the better one.

    Parameters
    ----------
    cohort
        Two-step cohort, dims session, trial, with rewards of 0 and 1.
    hazard
        Probability per trial that a block ends; default the task's ``p_switch``.
    min_block
        Trials that a block lasts at least before the hazard applies; default the task's, else 0.
    p_reward_high, p_reward_low
        Reward probability of the better and the worse state; default the task's, else the
        largest and smallest of the cohort's ``p_reward``.
    p_reward_neutral
        Of both states in neutral blocks; default the task's, else there are none.

    Returns
    -------
    xarray.Dataset
        Log odds (natural logarithm) that state 1 is the better against that state 0 is, in the
        cohort's own coding of states, dims session, trial; NaN where the trial is not valid:
        ``log_odds`` before the trial's outcome, ``log_odds_after`` with it (and before the block
        may end).

    Raises
    ------
    InputError
        No states, rewards other than 0 and 1, or something of the task is not known.

    Notes
    -----
    A hidden semi-Markov filter over kind of block and its age, up to ``min_block``. With
    ``min_block`` 0 and no neutral blocks it is the filter of the model ``latent_state``: the log
    odds move by ±ln(p_high/p_low) or ±ln((1 - p_low)/(1 - p_high)), then the hazard mixes. Blocks
    age on valid trials only; every session starts in a new block.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[1, 1]], "state": [[1, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="two-step", source="model")
    >>> belief = bayes_belief(cohort, hazard=0.0, p_reward_high=0.9, p_reward_low=0.1)
    >>> belief.log_odds.values.round(3).tolist()  # ln 9 after a reward
    [[0.0, 2.197]]
    """
    state, reward, valid = _columns(cohort)
    config = json.loads(str(cohort.attrs.get("task_config", "{}")))
    known = known_values(cohort, latent_state).values()
    nominal = {
        name: pick(values[name] for values in known)
        for name, pick in (("p_reward_high", max), ("p_reward_low", min))
        if known and all(name in values for values in known)
    }
    high = _known("p_reward_high", p_reward_high, nominal)
    low = _known("p_reward_low", p_reward_low, nominal)
    switch = _known("hazard", hazard, {"hazard": config.get("p_switch")})
    neutral = config.get("p_reward_neutral") if p_reward_neutral is None else p_reward_neutral
    least = int(config.get("min_block", 0) if min_block is None else min_block)
    if least < 0:
        raise InputError(f"min_block is {least}, expected 0 or more trials")
    levels = [[high, low], [low, high]]
    if neutral is not None:
        levels.insert(1, [_known("p_reward_neutral", neutral, {})] * 2)
    before, after = _filter(state, reward, valid, np.array(levels), switch, least)
    dims = ("session", "trial")
    kept = {name: cohort[name] for name in ("subject", "session_id")}
    about = {"long_name": "log odds that state 1 is the better", "units": "nats"}
    return xr.Dataset(
        {"log_odds": (dims, before, about), "log_odds_after": (dims, after, about)},
        coords=kept,
        attrs={
            "hazard": switch, "min_block": least, "p_reward_high": high, "p_reward_low": low,
            **({} if neutral is None else {"p_reward_neutral": neutral}),
        },
    )  # fmt: skip


def _columns(cohort: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if "state" not in cohort:
        raise InputError(
            "the belief is about second-step states, but the cohort (task "
            f"{cohort.attrs.get('task')!r}) has no 'state'"
        )
    state, reward, valid = (
        cohort[name].transpose("session", "trial").values for name in ("state", "reward", "valid")
    )
    there = valid == 1
    for name, values in (("state", state), ("reward", reward)):
        wrong = there & ~np.isin(values, (0, 1))
        if wrong.any():
            session, trial = np.argwhere(wrong)[0]
            raise InputError(
                f"{name} is {values[session, trial]:g} at session {session}, trial {trial}; the "
                "belief is about two states that pay 0 or 1"
                + (f"; {recoding(cohort)}" if name == "reward" else "")
            )
    return state.astype(int), reward.astype(float), there


def _known(name: str, given: float | None, task: dict[str, Any]) -> float:
    value = task.get(name) if given is None else given
    if value is None:
        raise InputError(f"the cohort does not say {name} (task_config); give {name}=")
    if not 0 <= value <= 1:
        raise InputError(f"{name} is {value}, expected a probability from 0 to 1")
    return float(value)


def _filter(
    state: np.ndarray, reward: np.ndarray, valid: np.ndarray, levels: np.ndarray, hazard: float,
    min_block: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Run the filter; the belief has dims (session, kind of block, age)."""
    n_sessions, n_trials = state.shape
    n_kinds = len(levels)
    moves = (1 - np.eye(n_kinds)) / (n_kinds - 1)
    belief = np.zeros((n_sessions, n_kinds, min_block + 1))
    belief[:, :, 0] = 1 / n_kinds
    before, after = np.full((2, n_sessions, n_trials), np.nan)
    for t in range(n_trials):
        now = valid[:, t]
        old = belief[now]
        before[now, t] = _log_odds(old)
        pays = levels[:, state[now, t]].T
        likelihood = np.where(reward[now, t, None] == 1, pays, 1 - pays)
        new = old * likelihood[:, :, None] + LEAST_BELIEF * (old > 0)
        new /= new.sum(axis=(1, 2), keepdims=True)
        after[now, t] = _log_odds(new)
        ended = hazard * new[:, :, -1]
        aged = np.zeros_like(new)
        aged[:, :, 1:] = new[:, :, :-1]
        aged[:, :, -1] += new[:, :, -1] - ended
        aged[:, :, 0] += ended @ moves
        belief[now] = aged
    return before, after


def _log_odds(belief: np.ndarray) -> np.ndarray:
    kind = belief.sum(axis=2)
    return np.asarray(np.log(kind[:, -1]) - np.log(kind[:, 0]))
