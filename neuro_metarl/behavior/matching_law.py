"""The matching law: how far the share of choices follows the share of rewards.

Matching by itself shows little. A subject that ignores how long an arm was left and stays where it
was rewarded matches perfectly and earns what a coin earns. So the reward and the rate of switches
belong beside the slope, and :func:`matching` gives all of them.

References
----------
Herrnstein 1961, doi:10.1901/jeab.1961.4-267; Baum 1974, doi:10.1901/jeab.1974.22-231 (the
logarithmic form); Lau & Glimcher 2005, doi:10.1901/jeab.2005.110-04.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neuro_metarl.behavior.rows import Rows, check_cohort, read_rows
from neuro_metarl.errors import InputError
from neuro_metarl.intervals import OVER_SESSIONS, session_interval

__all__ = ["HELD_OUT", "LEAST_SESSIONS", "matching", "matching_points"]

STATISTIC = ["value", "low", "high"]
MEASURES = ("slope", "held_out_slope", "trained_slope", "r2", "reward_rate", "switch_rate")
HELD_OUT = ((0.1, 0.2), (0.3, 0.4))
"""Probabilities of arm 0 that agents of ``bandit-foraging-training`` never meet."""
LEAST_SESSIONS = 10
SUM_OF_P = 0.5


def matching_points(
    cohort: xr.Dataset,
    *,
    constant: float = 1.0,
    held_out: Sequence[tuple[float, float]] = HELD_OUT,
) -> xr.Dataset:
    """Count choices and rewards of each session, and give their logarithmic ratios.

    Parameters
    ----------
    cohort
        Cohort of two arms, rewards of 0 and 1.
    constant
        Added to each of the four counts, so that an arm that was never chosen has a logarithm. It
        moves the slope: say which one was used.
    held_out
        Ranges of arm 0's ``p_reward`` that mark a session as held out; empty: none are.

    Returns
    -------
    xarray.Dataset
        Dims session: ``choice_ratio``, ``log2((C_1 + constant) / (C_0 + constant))`` of the valid
        choices, ``reward_ratio`` likewise of their rewards, ``switches`` and ``pairs`` (of
        successive responses), ``rewards``, ``trials``, and ``held_out`` (0 or 1). Sessions without
        a valid trial are left out.

    Raises
    ------
    InputError
        More arms than two, rewards other than 0 and 1, a constant that is not above 0, or held-out
        ranges of a cohort without ``p_reward``, or with pairs that do not add up to .5.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[1, 1, 1, 0]], "reward": [[1, 0, 0, 0]]},
    ...                      subject=["a"], task="foraging", source="animal")
    >>> points = matching_points(cohort, held_out=())
    >>> points.choice_ratio.values, points.reward_ratio.values  # log2(4 / 2), log2(2 / 1)
    (array([1.]), array([1.]))
    """
    if not (np.isfinite(constant) and constant > 0):
        raise InputError(f"constant is {constant}, expected a number above 0")
    check_cohort(cohort, "matching_points", needs=("p_reward",) if held_out else ())
    parts = []
    for name, rows in read_rows(cohort, "matching_points", across_problems=True).items():
        _check_rows(rows)
        mine = cohort.isel(session=cohort["subject"].values.astype(str) == name)
        marks = _marked(mine, rows, held_out) if held_out else np.zeros(rows.shape[0])
        parts.append(_points(mine, rows, constant, marks))
    return xr.concat(parts, "session", join="exact")


def matching(
    cohort: xr.Dataset,
    *,
    constant: float = 1.0,
    held_out: Sequence[tuple[float, float]] = HELD_OUT,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Fit the matching law to each subject's sessions, beside what it earns and how it switches.

    Parameters
    ----------
    cohort, constant, held_out
        See :func:`matching_points`.
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        Dims subject, statistic: ``slope`` of the least-squares line of ``choice_ratio`` on
        ``reward_ratio`` over sessions, its ``r2``, ``held_out_slope`` and ``trained_slope`` of the
        sessions inside and outside the held-out ranges (NaN where there are fewer than 3, or none
        were named), ``reward_rate`` per trial, ``switch_rate`` per pair of successive responses;
        ``n`` (subject), sessions, and ``n_held_out``. The attribute ``constant``.

    Raises
    ------
    InputError
        See :func:`matching_points`; or fewer than 10 sessions of a subject.

    Notes
    -----
    Slope 1 is perfect matching, less is undermatching. The line has an intercept (a bias for an
    arm), which is not shown. Where the sessions of a subject do not differ in their rewards, there
    is no slope (NaN).

    Examples
    --------
    >>> from neuro_metarl.agents.players import make_player
    >>> from neuro_metarl.recording import record
    >>> law = matching(record(make_player("matching"), "bandit-foraging", 200, seed=1))
    >>> law.slope.sel(statistic="value").values.round(1)
    array([0.9])
    """
    points = matching_points(cohort, constant=constant, held_out=held_out)
    subject = points["subject"].values.astype(str)
    tables, counts = [], []
    for name in dict.fromkeys(subject.tolist()):
        mine = points.isel(session=subject == name)
        n = mine.sizes["session"]
        if n < LEAST_SESSIONS:
            raise InputError(
                f"subject {name!r} has {n} sessions, expected at least {LEAST_SESSIONS}: the "
                "matching law is a line through sessions"
            )
        value = _measures(mine, np.ones((1, n)))[0]
        with np.errstate(invalid="ignore", divide="ignore"):
            others = _measures(mine, 1 - np.eye(n))
        tables.append(session_interval(value, others, np.zeros(len(value)), confidence))
        counts.append((n, int(mine["held_out"].sum())))
    table = np.array(tables)
    return xr.Dataset(
        {name: (("subject", "statistic"), table[:, k]) for k, name in enumerate(MEASURES)}
        | {"n": ("subject", [n for n, _ in counts]),
           "n_held_out": ("subject", [n for _, n in counts])},
        coords={"subject": list(dict.fromkeys(subject.tolist())), "statistic": STATISTIC},
        attrs={
            "interval": OVER_SESSIONS, "confidence": confidence, "constant": constant,
        },
    )  # fmt: skip


def _check_rows(rows: Rows) -> None:
    if not len(rows.choice):
        raise InputError(f"subject {rows.subject!r} has no valid trial; leave the subject out")
    if rows.choice.max() > 1:
        raise InputError(
            f"subject {rows.subject!r} has choice {rows.choice.max()}; matching takes two arms, 0 "
            "and 1"
        )
    if not np.isin(rows.reward, (0, 1)).all():
        raise InputError(
            f"subject {rows.subject!r}: {rows.rewards()}; matching counts rewards of 0 and 1"
        )


def _marked(cohort: xr.Dataset, rows: Rows, held_out: Sequence[tuple[float, float]]) -> np.ndarray:
    """Mark sessions by what arm 0 is baited with on their first valid trial."""
    odds = cohort["p_reward"].transpose("session", "trial", "option").values
    marks = np.zeros(rows.shape[0])
    sessions, first = np.unique(rows.session, return_index=True)
    pairs = odds[sessions, rows.position[first]].astype(float)
    off = (np.abs(pairs.sum(axis=1) - SUM_OF_P) > 1e-4) | (pairs < -1e-6).any(axis=1)
    if pairs.shape[1] != 2 or off.any():
        shown = pairs[np.argmax(off)].round(4).tolist()
        raise InputError(
            f"p_reward of the two arms is {shown} in a session of subject {rows.subject!r}, "
            "expected two probabilities from 0 that add up to 0.5, as foraging has them; for other "
            "arms give held_out=()"
        )
    inside = [(pairs[:, 0] > low) & (pairs[:, 0] < high) for low, high in held_out]
    marks[sessions] = np.any(inside, axis=0)
    return marks


def _points(cohort: xr.Dataset, rows: Rows, constant: float, marks: np.ndarray) -> xr.Dataset:
    n = rows.shape[0]

    def count(of: np.ndarray) -> np.ndarray:
        return np.bincount(rows.session[of], minlength=n).astype(float)

    won, second = rows.won(0.0), rows.choice == 1
    now, last = rows.pairs()
    changed = rows.choice[now] != rows.choice[last]

    def ratio(among: np.ndarray) -> np.ndarray:
        both = count(among & second) + constant, count(among & ~second) + constant
        return np.log2(both[0] / both[1])

    every = np.ones(len(won), bool)
    there = count(every) > 0
    values = {
        "choice_ratio": ratio(every), "reward_ratio": ratio(won), "rewards": count(won),
        "trials": count(every), "switches": count(now[changed]), "pairs": count(now),
        "held_out": marks,
    }  # fmt: skip
    return xr.Dataset(
        {name: ("session", value[there]) for name, value in values.items()},
        coords={
            name: ("session", cohort[name].values[there]) for name in ("subject", "session_id")
        },
        attrs={"constant": constant},
    )


def _measures(points: xr.Dataset, weight: np.ndarray) -> np.ndarray:
    """Measure resampled sessions, weights (sample, session); dims (sample, measure)."""
    x, y, held = (points[n].values for n in ("reward_ratio", "choice_ratio", "held_out"))
    slope, r2 = _line(x, y, weight)
    apart = [_line(x, y, weight * (held == mark))[0] for mark in (1, 0)]
    if not held.any():
        apart = [np.full(len(weight), np.nan)] * 2
    per_trial = (weight @ points["rewards"].values) / (weight @ points["trials"].values)
    pairs = weight @ points["pairs"].values
    with np.errstate(invalid="ignore"):
        switched = (weight @ points["switches"].values) / pairs
    return np.stack([slope, *apart, r2, per_trial, switched], axis=1)


def _line(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slope and r2 of weighted least squares, NaN where fewer than 3 points count."""
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weight.sum(axis=1)
        mean_x, mean_y = (weight @ x) / total, (weight @ y) / total
        var_x, var_y = ((weight @ z**2) / total - m**2 for z, m in ((x, mean_x), (y, mean_y)))
        both = (weight @ (x * y)) / total - mean_x * mean_y
        few = ((weight > 0).sum(axis=1) < 3) | (var_x < 1e-12)
        slope = np.where(few, np.nan, both / var_x)
        r2 = np.where(few | (var_y < 1e-12), np.nan, both**2 / (var_x * var_y))
    return slope, r2
