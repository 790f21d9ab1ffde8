"""Bandit behavior: regret, pulls of the worse arm, win-stay, learning rates by volatility.

Regret counts *expected* reward, not the reward that chance paid: what the best arm pays on
average at a trial, less what the chosen arm pays on average.

References
----------
Wang et al. 2016, arXiv:1611.05763.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from neuro_metarl.cohort import select_subjects, subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.stats import interval, multiplicities

__all__ = ["first_arms", "regret", "suboptimal_pulls", "win_stay"]

STATISTIC = ["value", "low", "high"]


def regret(
    cohort: xr.Dataset, *, n_bootstrap: int = 1000, confidence: float = 0.95, seed: int = 0
) -> xr.Dataset:
    """Cumulate the expected reward that a subject misses against the best arm of each trial.

    Parameters
    ----------
    cohort
        Bandit cohort with ``expected_reward``, dims session, trial, option.
    n_bootstrap, confidence, seed
        Of the bootstrap over sessions.

    Returns
    -------
    xarray.Dataset
        ``regret`` (subject, trial, statistic): mean over sessions of the sum up to and including a
        trial; ``total_regret`` (subject, statistic) at the end; ``n`` (subject) sessions.

    Raises
    ------
    InputError
        The cohort does not know what the arms pay.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> cohort = record(make_player("oracle"), "bandit-independent", 20)
    >>> float(regret(cohort).total_regret.sel(statistic="value").item())
    0.0
    """
    if "expected_reward" not in cohort:
        raise InputError("regret needs the variable 'expected_reward', which the cohort lacks")

    def missed(one: xr.Dataset) -> np.ndarray:
        expected = one["expected_reward"].transpose("session", "trial", "option").values
        choice = one["choice"].transpose("session", "trial").values.astype(int)
        valid = one["valid"].transpose("session", "trial").values == 1
        mine = np.take_along_axis(expected, choice.clip(0)[..., None], axis=-1)[..., 0]
        return np.where(valid, expected.max(axis=-1) - mine, 0.0).cumsum(axis=1)

    table = _by_subject(cohort, missed, n_bootstrap, confidence, seed)
    result = xr.Dataset({"regret": (("subject", "trial", "statistic"), table)})
    result["total_regret"] = result["regret"].isel(trial=-1)
    return _labelled(result, cohort, n_bootstrap, confidence, seed)


def suboptimal_pulls(
    cohort: xr.Dataset, *, n_bootstrap: int = 1000, confidence: float = 0.95, seed: int = 0
) -> xr.Dataset:
    """Measure how often each trial's choice is not the best arm.

    Parameters
    ----------
    cohort
        Bandit cohort with ``correct``.
    n_bootstrap, confidence, seed
        Of the bootstrap over sessions.

    Returns
    -------
    xarray.Dataset
        ``suboptimal`` (subject, trial, statistic), share of sessions; ``n`` (subject) sessions.

    Raises
    ------
    InputError
        The cohort does not know which arm is the better.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> cohort = record(make_player("random"), "bandit-dependent-easy", 200)
    >>> bool(abs(suboptimal_pulls(cohort).suboptimal.sel(statistic="value").mean() - 0.5) < 0.05)
    True
    """
    if "correct" not in cohort:
        raise InputError("suboptimal_pulls needs the variable 'correct', which the cohort lacks")
    table = _by_subject(
        cohort,
        lambda one: (one["correct"].transpose("session", "trial").values == 0).astype(float),
        n_bootstrap,
        confidence,
        seed,
    )
    result = xr.Dataset({"suboptimal": (("subject", "trial", "statistic"), table)})
    return _labelled(result, cohort, n_bootstrap, confidence, seed)


def win_stay(
    cohort: xr.Dataset, *, n_bootstrap: int = 1000, confidence: float = 0.95, seed: int = 0
) -> xr.Dataset:
    """Measure how often a choice is repeated after a reward and after an omission.

    Parameters
    ----------
    cohort
        Any cohort of choices and rewards.
    n_bootstrap, confidence, seed
        Of the bootstrap over sessions.

    Returns
    -------
    xarray.Dataset
        ``win_stay`` and ``lose_shift`` (subject, statistic); ``n`` (subject) sessions. Invalid
        trials do not exist, forced ones are no responses.

    Raises
    ------
    InputError
        A subject never had the one or the other.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> cohort = record(make_player("rescorla-wagner", inverse_temperature=20.0),
    ...                 "bandit-independent", 100)
    >>> bool(win_stay(cohort).win_stay.sel(statistic="value").item() > 0.9)
    True
    """
    subjects, tables = subjects_of(cohort), []
    for name in subjects:
        counts = np.array([_transitions(s) for s in _sequences(select_subjects(cohort, name))])
        total = counts.sum(axis=0)
        if not (total[0] and total[2]):
            raise InputError(f"subject {name!r} has no response after a reward, or none after none")
        rng = np.random.default_rng(seed)
        drawn = multiplicities(len(counts), n_bootstrap, rng) @ counts
        with np.errstate(invalid="ignore"):
            draws = np.stack([drawn[:, 1] / drawn[:, 0], drawn[:, 3] / drawn[:, 2]], axis=1)
        value = np.array([total[1] / total[0], total[3] / total[2]])
        draws = np.where(np.isnan(draws), value, draws)
        n = total[[0, 2]]
        error = np.sqrt((value * n + 0.5) * ((1 - value) * n + 0.5) / (n + 1) ** 3)
        low, high = interval(value, draws, error, confidence=confidence)
        tables.append(np.stack([value, low.clip(0, 1), high.clip(0, 1)], axis=-1))
    table = np.array(tables)
    result = xr.Dataset(
        {
            "win_stay": (("subject", "statistic"), table[:, 0]),
            "lose_shift": (("subject", "statistic"), table[:, 1]),
        }
    )
    return _labelled(result, cohort, n_bootstrap, confidence, seed)


def first_arms(cohort: xr.Dataset) -> xr.Dataset:
    """Measure, in the eleven-armed task, how often a subject is informed first and then right.

    Parameters
    ----------
    cohort
        Cohort of the eleven-armed task.

    Returns
    -------
    xarray.Dataset
        ``informed`` (subject): share of sessions that open with the informative arm;
        ``target`` (subject, trial): share of sessions that pull the target at each trial;
        ``total_reward`` (subject): mean return.

    Raises
    ------
    InputError
        A task without eleven arms.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> best = first_arms(record(make_player("bayes"), "bandit-eleven", 50))
    >>> float(best.informed.item()), best.target.values[0].tolist()
    (1.0, [0.0, 1.0, 1.0, 1.0, 1.0])
    """
    if "expected_reward" not in cohort or cohort.sizes["option"] != 11:
        raise InputError(
            f"first_arms needs the eleven-armed task, got {cohort.attrs.get('task')!r}"
        )
    by_subject = {
        "informed": (cohort["choice"].isel(trial=0) == 10).astype(float),
        "target": (cohort["correct"] == 1).astype(float),
        "total_reward": cohort["reward"].sum("trial"),
    }
    means = {k: v.groupby("subject").mean("session") for k, v in by_subject.items()}
    return xr.Dataset(means).sel(subject=subjects_of(cohort))


def _by_subject(
    cohort: xr.Dataset,
    measure: Callable[[xr.Dataset], np.ndarray],
    n_bootstrap: int,
    confidence: float,
    seed: int,
) -> np.ndarray:
    tables = []
    for name in subjects_of(cohort):
        one = select_subjects(cohort, name)
        if not (one["valid"] == 1).any():
            raise InputError(f"subject {name!r} has no valid trial; leave the subject out")
        sessions = measure(one)
        rng = np.random.default_rng(seed)
        draws = multiplicities(len(sessions), n_bootstrap, rng) @ sessions / len(sessions)
        value = sessions.mean(axis=0)
        error = sessions.std(axis=0, ddof=min(1, len(sessions) - 1)) / np.sqrt(len(sessions))
        low, high = interval(value, draws, error, confidence=confidence)
        tables.append(np.stack([value, low, high], axis=-1))
    return np.array(tables)


def _labelled(
    result: xr.Dataset, cohort: xr.Dataset, n_bootstrap: int, confidence: float, seed: int
) -> xr.Dataset:
    subjects = subjects_of(cohort)
    n = [int((cohort["subject"] == name).sum()) for name in subjects]
    labelled = result.assign(n=("subject", n)).assign_coords(subject=subjects, statistic=STATISTIC)
    labelled.attrs = {
        "interval": "bootstrap over sessions",
        "n_bootstrap": n_bootstrap,
        "confidence": confidence,
        "seed": seed,
    }
    return labelled


def _sequences(cohort: xr.Dataset) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    names = ("choice", "reward", "forced", "valid")
    tables = [cohort[n].transpose("session", "trial").values for n in names]
    return [(c[v == 1], r[v == 1], f[v == 1]) for c, r, f, v in zip(*tables, strict=True)]


def _transitions(sequence: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    choice, reward, forced = sequence
    stay, won, free = choice[1:] == choice[:-1], reward[:-1] > 0, forced[1:] == 0
    return np.array(
        [
            (won & free).sum(),
            (won & free & stay).sum(),
            (~won & free).sum(),
            (~won & free & ~stay).sum(),
        ],
        dtype=float,
    )
