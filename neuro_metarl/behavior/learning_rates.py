"""How fast a subject learns in stable and in volatile episodes: Rescorla-Wagner fits by block.

References
----------
Wang et al. 2016, arXiv:1611.05763, experiment 4; Behrens et al. 2007, doi:10.1038/nn1954.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.behavior.rows import Rows, check_cohort, read_rows
from neuro_metarl.cohort import select_subjects
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
        Cohort of the restless bandit: choices 0 and 1, rewards from 0 to 1, ``problem`` 0 (low
        volatility) or 1 (high) throughout a session.
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
        The cohort does not say which volatility a session has, choices or rewards are others, or
        there are too few sessions.

    Notes
    -----
    Invalid trials do not exist; forced ones are learned from and are no responses (``n`` counts
    responses). Values start at 1/2 in every episode; the chosen arm's moves by ``learning_rate
    (reward - value)``; ``P(choice) = (1 - lapse) softmax(inverse_temperature values) + lapse /
    2``. Models by their free parameters: ``b`` (inverse temperature), ``ab`` (and learning
    rate), ``be`` (and lapse), ``abe``; a learning rate that is not free is .5, a lapse 0.
    Maximum likelihood on a grid that is refined five times.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> cohort = record(make_player("rescorla-wagner"), "bandit-restless", 80, seed=1)
    >>> fits = fit_learning_rates(cohort)
    >>> bool(abs(fits[fits.model == "ab"].learning_rate.mean() - 0.5) < 0.06)
    True
    """
    if n_episodes < 1:
        raise InputError(f"n_episodes is {n_episodes}, expected 1 or more")
    check_cohort(cohort, "fit_learning_rates")
    if "problem" not in cohort:
        raise InputError("fit_learning_rates needs 'problem' (0 low, 1 high volatility)")
    table = []
    for name, rows in read_rows(cohort, "fit_learning_rates", needs=("problem",)).items():
        trials = _lay_out(rows)
        volatility = _volatility(cohort, name, trials.there)
        for kind, label in ((0, "low"), (1, "high")):
            mine = np.flatnonzero(volatility == kind)
            if len(mine) < n_episodes:
                raise InputError(
                    f"subject {name!r} has {len(mine)} sessions of {label} volatility, fewer than "
                    f"the {n_episodes} of a block; record more sessions"
                )
            for block in range(len(mine) // n_episodes):
                some = trials.of(mine[block * n_episodes : (block + 1) * n_episodes])
                if not some.respond.any():
                    raise InputError(
                        f"subject {name!r}, {label} volatility, block {block}: no response, every "
                        "valid trial is forced"
                    )
                for model in MODELS:
                    fit = _fit(some, model)
                    table.append({"subject": name, "volatility": label, "block": block} | fit)
    return pd.DataFrame(table)


@dataclass(frozen=True)
class _Trials:
    """Dims (session, trial): choices and rewards, and which trials exist and are responses."""

    choice: np.ndarray
    reward: np.ndarray
    there: np.ndarray
    respond: np.ndarray

    def of(self, sessions: np.ndarray) -> _Trials:
        """Keep some sessions."""
        return _Trials(*(getattr(self, f.name)[sessions] for f in fields(self)))


def _lay_out(rows: Rows) -> _Trials:
    if rows.choice.size and rows.choice.max() > 1:
        raise InputError(
            f"subject {rows.subject!r} has choice {rows.choice.max()}; fit_learning_rates takes "
            "two arms, 0 and 1"
        )
    if rows.reward.size and not (0 <= rows.reward.min() <= rows.reward.max() <= 1):
        raise InputError(
            f"subject {rows.subject!r}: {rows.rewards()}; fit_learning_rates starts values at 1/2 "
            "and takes rewards from 0 to 1: subtract the least and divide by the range"
        )
    at = rows.session, rows.position
    choice, reward = np.zeros(rows.shape, int), np.zeros(rows.shape, rows.reward.dtype)
    there, respond = np.zeros((2, *rows.shape), bool)
    choice[at], reward[at], there[at], respond[at] = rows.choice, rows.reward, True, ~rows.forced
    return _Trials(choice, reward, there, respond)


def _volatility(cohort: xr.Dataset, name: str, there: np.ndarray) -> np.ndarray:
    """Read the volatility of each session off its valid trials; -1 where it has none."""
    problem = select_subjects(cohort, name)["problem"].transpose("session", "trial").values
    found = np.full(len(problem), -1)
    for k in np.flatnonzero(there.any(axis=1)):
        kinds = np.unique(problem[k][there[k]])
        if len(kinds) > 1 or kinds[0] not in (0, 1):
            raise InputError(
                f"subject {name!r}, session {k}: 'problem' is {', '.join(map(str, kinds))}; "
                "expected 0 (low volatility) or 1 (high) throughout a session"
            )
        found[k] = kinds[0]
    return found


def _fit(trials: _Trials, model: str) -> dict[str, object]:
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
        table = _log_likelihood(
            trials.choice, trials.reward, *axes, there=trials.there, respond=trials.respond
        )
        place = np.unravel_index(int(table.argmax()), table.shape)
        if table[place] > likelihood:
            best = np.array([axis[i] for axis, i in zip(axes, place, strict=True)])
            likelihood = float(table[place])
        width = (high - low) / 4
        low = np.clip(best - width / 2, lows, highs)
        high = np.clip(best + width / 2, lows, highs)
    n = int(trials.respond.sum())
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
    *,
    there: np.ndarray | None = None,
    respond: np.ndarray | None = None,
) -> np.ndarray:
    """Return the log-likelihood, dims (learning rate, temperature, lapse)."""
    n_sessions, n_trials = choice.shape
    there = np.ones(choice.shape, bool) if there is None else there
    respond = there if respond is None else respond
    values = np.full((len(rates), n_sessions, 2), FIRST_VALUE)
    lead = np.empty((len(rates), n_sessions, n_trials))
    session = np.arange(n_sessions)
    for t in range(n_trials):
        chosen = choice[:, t]
        lead[:, :, t] = values[:, session, chosen] - values[:, session, 1 - chosen]
        error = reward[:, t] - values[:, session, chosen]
        values[:, session, chosen] += rates[:, None] * np.where(there[:, t], error, 0)
    logit = np.exp(log_temperatures)[:, None] * lead.reshape(len(rates), 1, -1)
    p = 0.5 * (1 + np.tanh(0.5 * logit))
    mixed = (1 - lapses)[:, None] * p[:, :, None] + lapses[:, None] / 2
    logs = np.log(np.maximum(mixed, 1e-300))
    return np.where(respond.ravel(), logs, 0).sum(axis=-1)
