"""How fast a subject learns in stable and in volatile episodes: Rescorla-Wagner fits by block.

References
----------
Wang et al. 2016, arXiv:1611.05763, experiment 4; Behrens et al. 2007, doi:10.1038/nn1954.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError

__all__ = ["MODELS", "fit_learning_rates"]

# free parameters: b inverse temperature, a learning rate, e lapse
MODELS = {"b": 1, "ab": 2, "be": 2, "abe": 3}
FIXED_RATE, NO_LAPSE, FIRST_VALUE = 0.5, 0.0, 0.5
ZOOMS, POINTS = 5, 13
LOG_TEMPERATURE = (np.log(0.1), np.log(60.0))


def fit_learning_rates(cohort: xr.Dataset, *, n_episodes: int = 10) -> pd.DataFrame:
    """Fit a learning rate to each block of episodes of one volatility.

    Parameters
    ----------
    cohort
        Cohort of the restless bandit: choices 0 and 1, ``problem`` 0 (low volatility) or 1 (high).
    n_episodes
        Episodes of one volatility that are put together into a block.

    Returns
    -------
    pandas.DataFrame
        One row per subject, block and model: ``subject, volatility`` ("low", "high"), ``block,
        model, learning_rate, inverse_temperature, lapse, log_likelihood, bic, n``. ``bic`` is
        ``k ln n - 2 log L``, lower is better.

    Raises
    ------
    InputError
        The cohort does not say which volatility a session has, or there are too few sessions.

    Notes
    -----
    Values start at 1/2 in every episode; the chosen arm's moves by ``learning_rate (reward -
    value)``; ``P(choice) = (1 - lapse) softmax(inverse_temperature values) + lapse / 2``. Models by
    their free parameters: ``b`` (inverse temperature), ``ab`` (and learning rate), ``be`` (and
    lapse), ``abe``; a learning rate that is not free is .5, a lapse 0. Maximum likelihood on a grid
    that is refined five times.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> cohort = record(make_player("rescorla-wagner"), "bandit-restless", 80, seed=1)
    >>> fits = fit_learning_rates(cohort)
    >>> bool(abs(fits[fits.model == "ab"].learning_rate.mean() - 0.5) < 0.06)
    True
    """
    if "problem" not in cohort:
        raise InputError("fit_learning_rates needs 'problem' (0 low, 1 high volatility)")
    rows = []
    for name in subjects_of(cohort):
        one = select_subjects(cohort, name)
        volatility = one["problem"].transpose("session", "trial").values[:, 0]
        choice = one["choice"].transpose("session", "trial").values
        reward = one["reward"].transpose("session", "trial").values
        for kind, label in ((0, "low"), (1, "high")):
            mine = np.flatnonzero(volatility == kind)
            if len(mine) < n_episodes:
                raise InputError(
                    f"subject {name!r} has {len(mine)} sessions of {label} volatility, fewer than "
                    f"the {n_episodes} of a block; record more sessions"
                )
            for block in range(len(mine) // n_episodes):
                some = mine[block * n_episodes : (block + 1) * n_episodes]
                for model in MODELS:
                    fit = _fit(choice[some], reward[some], model)
                    rows.append({"subject": name, "volatility": label, "block": block} | fit)
    return pd.DataFrame(rows)


def _fit(choice: np.ndarray, reward: np.ndarray, model: str) -> dict[str, object]:
    """Maximise the likelihood on a grid that shrinks around its best point."""
    lows = np.array([0.0, LOG_TEMPERATURE[0], 0.0])
    highs = np.array([1.0, LOG_TEMPERATURE[1], 0.5])
    free = np.array(["a" in model, True, "e" in model])
    fixed = (FIXED_RATE, 0.0, NO_LAPSE)
    low, high = lows.copy(), highs.copy()
    best, likelihood = np.array(fixed), -np.inf
    for _ in range(ZOOMS):
        axes = [
            np.linspace(low[k], high[k], POINTS) if free[k] else np.array([fixed[k]])
            for k in range(3)
        ]
        table = _log_likelihood(choice, reward, *axes)
        place = np.unravel_index(int(table.argmax()), table.shape)
        if table[place] > likelihood:
            best = np.array([axis[i] for axis, i in zip(axes, place, strict=True)])
            likelihood = float(table[place])
        width = (high - low) / 4
        low = np.clip(best - width / 2, lows, highs)
        high = np.clip(best + width / 2, lows, highs)
    n = choice.size
    return {
        "model": model,
        "learning_rate": best[0],
        "inverse_temperature": float(np.exp(best[1])),
        "lapse": best[2],
        "log_likelihood": likelihood,
        "bic": MODELS[model] * np.log(n) - 2 * likelihood,
        "n": n,
    }


def _log_likelihood(
    choice: np.ndarray,
    reward: np.ndarray,
    rates: np.ndarray,
    log_temperatures: np.ndarray,
    lapses: np.ndarray,
) -> np.ndarray:
    """Return the log-likelihood, dims (learning rate, temperature, lapse)."""
    n_sessions, n_trials = choice.shape
    values = np.full((len(rates), n_sessions, 2), FIRST_VALUE)
    lead = np.empty((len(rates), n_sessions, n_trials))
    session = np.arange(n_sessions)
    for t in range(n_trials):
        chosen = choice[:, t]
        lead[:, :, t] = values[:, session, chosen] - values[:, session, 1 - chosen]
        error = reward[:, t] - values[:, session, chosen]
        values[:, session, chosen] += rates[:, None] * error
    logit = np.exp(log_temperatures)[:, None] * lead.reshape(len(rates), 1, -1)
    p = 0.5 * (1 + np.tanh(0.5 * logit))
    mixed = (1 - lapses)[:, None] * p[:, :, None] + lapses[:, None] / 2
    return np.log(np.maximum(mixed, 1e-300)).sum(axis=-1)
