"""Bandit behavior: regret, pulls of the worse arm, win-stay, and the eleven-armed task.

Regret counts *expected* reward, not the reward that chance paid: what the best arm pays on
average at a trial, less what the chosen arm pays on average. A trial without a free choice (a
miss, a violation, a forced trial, padding) has no value in any of these measures, and each result
says of how many sessions a number was made.

References
----------
Wang et al. 2016, arXiv:1611.05763.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_metarl.behavior.objects import By, what_is_repeated
from neuro_metarl.behavior.rows import Rows, check_cohort, conventions, read_rows
from neuro_metarl.errors import InputError
from neuro_metarl.intervals import OVER_SESSIONS, mean_intervals, proportion_intervals

__all__ = ["first_arms", "regret", "suboptimal_pulls", "win_stay"]

STATISTIC = ["value", "low", "high"]
N_ARMS, INFORMATIVE = 11, 10


def regret(cohort: xr.Dataset, *, confidence: float = 0.95) -> xr.Dataset:
    """Cumulate the expected reward that a subject misses against the best arm of each trial.

    Parameters
    ----------
    cohort
        Bandit cohort with ``expected_reward``, dims session, trial, option.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        ``regret`` (subject, trial, statistic): mean of the sum up to and including a trial over
        the ``n`` (subject, trial) sessions that reach it; ``total_regret`` (subject, statistic):
        mean of each session's sum at its own end; ``n_sessions`` (subject), the sessions behind
        that. NaN where there is no session.

    Raises
    ------
    InputError
        The cohort does not know what the arms pay, or a subject has no valid trial.

    Notes
    -----
    A session reaches a trial until its last valid one; a miss or a forced trial on the way adds
    nothing. Where what the arms pay is not known on a valid trial (NaN), the session counts up to
    the trial before, and not in the total. The mean over the sessions that reach a trial can fall
    where sessions of different lengths end: read it together with ``n``.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> cohort = record(make_player("oracle"), "bandit-independent", 20)
    >>> float(regret(cohort).total_regret.sel(statistic="value").item())
    0.0
    """
    check_cohort(cohort, "regret")
    if "expected_reward" not in cohort:
        raise InputError(
            "regret needs the variable 'expected_reward', which the cohort lacks; where an arm "
            "pays 1 or 0 it is cohort.assign(expected_reward=cohort.p_reward)"
        )
    subjects = read_rows(cohort, "regret", across_problems=True)
    expected = cohort["expected_reward"].transpose("session", "trial", "option").values
    names = cohort["subject"].values.astype(str)
    tables, totals, counts, n_sessions = [], [], [], []
    for name, rows in subjects.items():
        _need_valid(rows)
        missed = _missed(rows, expected[names == name])
        total = _totals(rows, missed)
        tables.append(mean_intervals(missed, confidence, (0, np.inf)))
        totals.append(mean_intervals(total[:, None], confidence, (0, np.inf))[0])
        counts.append(np.isfinite(missed).sum(axis=0))
        n_sessions.append(int(np.isfinite(total).sum()))
    result = xr.Dataset(
        {
            "regret": (("subject", "trial", "statistic"), np.array(tables)),
            "total_regret": (("subject", "statistic"), np.array(totals)),
            "n": (("subject", "trial"), np.array(counts)),
            "n_sessions": ("subject", n_sessions),
        }
    )
    return _labelled(result, list(subjects), confidence)


def suboptimal_pulls(cohort: xr.Dataset, *, confidence: float = 0.95) -> xr.Dataset:
    """Measure how often each trial's choice is not the best arm.

    Parameters
    ----------
    cohort
        Bandit cohort with ``correct``.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        ``suboptimal`` (subject, trial, statistic): share of the ``n`` (subject, trial) sessions
        with a response on that trial of which it is known whether it was the best; NaN where there
        is none.

    Raises
    ------
    InputError
        The cohort does not know which arm is the better, or a subject has no valid trial.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> cohort = record(make_player("random"), "bandit-dependent-easy", 200)
    >>> bool(abs(suboptimal_pulls(cohort).suboptimal.sel(statistic="value").mean() - 0.5) < 0.05)
    True
    """
    check_cohort(cohort, "suboptimal_pulls")
    if "correct" not in cohort:
        raise InputError("suboptimal_pulls needs the variable 'correct', which the cohort lacks")
    subjects = read_rows(cohort, "suboptimal_pulls", across_problems=True)
    tables, counts = [], []
    for rows in subjects.values():
        _need_valid(rows)
        told = ~rows.forced & (rows.correct >= 0)
        worse = rows.table((rows.correct == 0).astype(float), told)
        known = np.isfinite(worse)
        wrong = np.where(known, worse, 0.0)
        tables.append(proportion_intervals(wrong, known.astype(float), confidence))
        counts.append(np.isfinite(worse).sum(axis=0))
    result = xr.Dataset(
        {
            "suboptimal": (("subject", "trial", "statistic"), np.array(tables)),
            "n": (("subject", "trial"), np.array(counts)),
        }
    )
    return _labelled(result, list(subjects), confidence)


def win_stay(
    cohort: xr.Dataset,
    *,
    by: By | None = None,
    rewarded: float = 0.0,
    across_problems: bool = False,
    adjacent: bool = False,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Measure how often a choice is repeated after a reward and changed after an omission.

    Parameters
    ----------
    cohort
        Any cohort of choices and rewards.
    by
        What is repeated: ``"choice"`` (the arm) or ``"object"`` (on a learning set, whose two
        objects change sides). Default: objects on learning sets, else choices.
    rewarded, across_problems, adjacent
        What counts as rewarded, and where history stops, see
        :mod:`neuro_metarl.behavior.two_step`.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        ``win_stay`` and ``lose_shift`` (subject, statistic); ``n_rewarded`` and ``n_omitted``
        (subject), the responses behind them; ``n`` (subject) sessions. Invalid trials do not
        exist, forced ones are no responses. The attribute ``by`` says what was repeated.

    Raises
    ------
    InputError
        A subject never had the one or the other; a learning set that does not say which object
        was chosen; or choices of which it cannot be told whether they are arms or sides.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> cohort = record(make_player("rescorla-wagner", inverse_temperature=20.0),
    ...                 "bandit-independent", 100)
    >>> bool(win_stay(cohort).win_stay.sel(statistic="value").item() > 0.9)
    True
    """
    how = conventions(rewarded=rewarded, across_problems=across_problems, adjacent=adjacent)
    subjects = read_rows(cohort, "win_stay", across_problems=across_problems, adjacent=adjacent)
    repeats = what_is_repeated(cohort, subjects, "win_stay", by, across_problems=across_problems)
    tables, counts = [], []
    for name, rows in subjects.items():
        now, last = rows.pairs()
        stayed, known = repeats.same(rows, now, last)
        now, last, stayed = now[known], last[known], stayed[known]
        won = rows.won(rewarded)[last]
        kept = np.where(won, stayed, ~stayed)
        shape = (rows.shape[0], 2)
        cells = rows.session[now] * 2 + ~won
        n, made = (
            np.bincount(cells, weights=w, minlength=shape[0] * 2).reshape(shape).astype(float)
            for w in (None, kept)
        )
        if not n.sum(axis=0).all():
            raise InputError(
                f"subject {name!r} has no response after a reward, or none after none "
                f"({rows.rewards()}; above rewarded={rewarded:g} counts as a reward)"
            )
        tables.append(proportion_intervals(made, n, confidence))
        counts.append(n.sum(axis=0).astype(int))
    table, total = np.array(tables), np.array(counts)
    result = xr.Dataset(
        {
            "win_stay": (("subject", "statistic"), table[:, 0]),
            "lose_shift": (("subject", "statistic"), table[:, 1]),
            "n_rewarded": ("subject", total[:, 0]),
            "n_omitted": ("subject", total[:, 1]),
            "n": ("subject", [rows.shape[0] for rows in subjects.values()]),
        }
    )
    labelled = _labelled(result, list(subjects), confidence)
    return labelled.assign_attrs(how | {"by": repeats.by})


def first_arms(cohort: xr.Dataset) -> xr.Dataset:
    """Measure, in the eleven-armed task, how often a subject is informed first and then right.

    Parameters
    ----------
    cohort
        Cohort of the eleven-armed task.

    Returns
    -------
    xarray.Dataset
        ``informed`` (subject): share of sessions whose first response pulls the informative arm;
        ``target`` (subject, trial): share of the ``n`` (subject, trial) sessions with a response
        on a trial that pull the target; ``total_reward`` (subject): mean over sessions of the sum
        over valid trials; ``n_sessions`` (subject) with a response.

    Raises
    ------
    InputError
        A task without eleven arms, or a subject without a response.

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> best = first_arms(record(make_player("bayes"), "bandit-eleven", 50))
    >>> float(best.informed.item()), best.target.values[0].tolist()
    (1.0, [0.0, 1.0, 1.0, 1.0, 1.0])
    """
    check_cohort(cohort, "first_arms")
    if "expected_reward" not in cohort or cohort.sizes["option"] != N_ARMS:
        raise InputError(
            f"first_arms needs the eleven-armed task, got {cohort.attrs.get('task')!r}"
        )
    subjects = read_rows(cohort, "first_arms", needs=("correct",), across_problems=True)
    rest = []
    for rows in subjects.values():
        free = ~rows.forced
        if not free.any():
            raise InputError(f"subject {rows.subject!r} has no response; leave the subject out")
        sessions, first = np.unique(rows.session[free], return_index=True)
        target = rows.table((rows.correct == 1).astype(float), free & (rows.correct >= 0))
        n = np.isfinite(target).sum(axis=0)
        paid = np.nansum(rows.table(rows.reward, np.ones(len(free), bool)), axis=1)
        with np.errstate(invalid="ignore"):
            rest.append(
                {
                    "informed": np.mean(rows.choice[free][first] == INFORMATIVE),
                    "target": np.nansum(target, axis=0) / n,
                    "n": n,
                    "total_reward": paid[sessions].mean(),
                    "n_sessions": len(sessions),
                }
            )
    dims = {"target": ("subject", "trial"), "n": ("subject", "trial")}
    return xr.Dataset(
        {k: (dims.get(k, ("subject",)), np.array([r[k] for r in rest])) for k in rest[0]},
        coords={"subject": list(subjects)},
    )


def _need_valid(rows: Rows) -> None:
    if not len(rows.choice):
        raise InputError(f"subject {rows.subject!r} has no valid trial; leave the subject out")


def _missed(rows: Rows, expected: np.ndarray) -> np.ndarray:
    """Cumulate what free choices missed, dims (session, trial), NaN where it is not known."""
    n_arms = expected.shape[-1]
    if rows.choice.max() >= n_arms:
        raise InputError(
            f"subject {rows.subject!r} has choice {rows.choice.max()}, but 'expected_reward' knows "
            f"{n_arms} options"
        )
    pays = expected[rows.session, rows.position].astype(float)
    chosen = np.take_along_axis(pays, rows.choice[:, None], axis=1)[:, 0]
    lost = np.where(rows.forced & np.isfinite(pays).all(axis=1), 0.0, pays.max(axis=1) - chosen)
    step, there = np.zeros(rows.shape), np.zeros(rows.shape, bool)
    step[rows.session, rows.position], there[rows.session, rows.position] = lost, True
    reached = there[:, ::-1].cumsum(axis=1)[:, ::-1] > 0
    return np.where(reached, step.cumsum(axis=1), np.nan)


def _totals(rows: Rows, missed: np.ndarray) -> np.ndarray:
    """Give each session's sum at its last valid trial, dims (session); NaN where there is none."""
    total = np.full(rows.shape[0], np.nan)
    last = np.append(rows.session[1:] != rows.session[:-1], True)
    total[rows.session[last]] = missed[rows.session[last], rows.position[last]]
    return total


def _labelled(result: xr.Dataset, subjects: list[str], confidence: float) -> xr.Dataset:
    labelled = result.assign_coords(subject=subjects, statistic=STATISTIC)
    labelled.attrs = {"interval": OVER_SESSIONS, "confidence": confidence}
    return labelled
