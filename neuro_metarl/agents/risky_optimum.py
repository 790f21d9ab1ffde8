"""The risky choice by dynamic programming on the belief, and what changed errors do to a believer.

Only the risky action tells whether it pays often now; the safe one says nothing, and the belief
then drifts back to one half.
"""

from __future__ import annotations

import numpy as np

from neuro_metarl.tasks.risky import Risky

__all__ = ["play_risky_optimum", "risky_plan"]


def risky_plan(task: Risky, n_points: int = 401) -> tuple[np.ndarray, np.ndarray]:
    """Plan the free trials of a session whose pays are known.

    Parameters
    ----------
    task
        What is played; the safe pay is its ``safe_low``.
    n_points
        Of the grid of beliefs that the odds are high.

    Returns
    -------
    value
        Reward to come, dims (belief), before the first free trial.
    risk
        bool, dims (free trial, belief): whether the risky action is the better one.

    Examples
    --------
    >>> value, risk = risky_plan(Risky())
    >>> round(float(value[200]) / 50, 3)  # per trial, from a belief of one half
    1.305
    """
    b = np.linspace(0, 1, n_points)
    low, high = task.p_low, task.p_high
    win = low + (high - low) * b
    after_win, after_loss = b * high / win, b * (1 - high) / (1 - win)
    value, risk = np.zeros(n_points), []
    for _ in range(task.n_trials - task.n_forced):

        def later(belief: np.ndarray, value: np.ndarray = value) -> np.ndarray:
            return np.interp(belief + task.hazard * (1 - 2 * belief), b, value)

        take = task.risky_reward * win + win * later(after_win) + (1 - win) * later(after_loss)
        leave = task.safe_low + later(b)
        value = np.maximum(take, leave)
        risk.append(take > leave)
    return value, np.array(risk[::-1])


def play_risky_optimum(
    task: Risky, n_sessions: int, *, dopamine: str = "left alone", seed: int = 0
) -> dict[str, float]:
    """Play the optimum, who takes changed errors for changed rewards but knows both pays.

    Parameters
    ----------
    task
        What is played.
    n_sessions
        How many.
    dopamine
        ``"left alone"``, or ``"block risky reward"``: wins look like losses. The other changes
        leave it as it is: it knows what the safe action pays, and that 1 is no win.
    seed
        Of the sessions.

    Returns
    -------
    dict
        ``reward`` per free trial, and ``risky``, ``low``, ``high``: P(risky) on all free trials and
        by odds.

    Examples
    --------
    >>> round(play_risky_optimum(Risky(), 2000)["reward"], 1)
    1.3
    """
    rng, (_, risk) = np.random.default_rng(seed), risky_plan(task)
    high = rng.random(n_sessions) < 0.5
    belief, rows = np.full(n_sessions, 0.5), []
    forced = rng.random((n_sessions, task.n_forced)).argsort(axis=1) % 2 == 0
    for t in range(task.n_trials):
        if t:
            high ^= rng.random(n_sessions) < task.hazard
        if t < task.n_forced:
            risky = forced[:, t]
        else:
            place = np.rint(belief * (risk.shape[1] - 1)).astype(int)
            risky = risk[t - task.n_forced][place]
        won = rng.random(n_sessions) < np.where(high, task.p_high, task.p_low)
        seen = won & (dopamine != "block risky reward")
        of_high, of_low = (np.where(seen, p, 1 - p) for p in (task.p_high, task.p_low))
        updated = belief * of_high / (belief * of_high + (1 - belief) * of_low)
        belief = np.where(risky, updated, belief)
        belief = belief + task.hazard * (1 - 2 * belief)
        if t >= task.n_forced:
            paid = np.where(risky, task.risky_reward * won, task.safe_low)
            rows.append((paid, risky, high.copy()))
    paid, risky, odds = (np.array(column) for column in zip(*rows, strict=True))
    return {"reward": float(paid.mean()), "risky": float(risky.mean()),
            "low": float(risky[~odds].mean()), "high": float(risky[odds].mean())}  # fmt: skip
