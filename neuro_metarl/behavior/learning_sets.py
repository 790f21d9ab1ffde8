"""Learning sets: how fast each new problem is learned, and how that changes over problems.

A *problem* is a stretch of a session in which one rule holds: a run of equal ``problem`` numbers
within a session, or the whole session where a cohort has none (an agent's episode). Trials of a
problem are counted from 1 over valid trials, because a trial without a choice tells a subject
nothing; imposed choices count, and are no responses. Trial 1 of a new pair of objects is a guess;
what is right afterwards shows what was learned from one outcome. In a reversal trial 1 is below
chance as far as the subject perseverates.

References
----------
Harlow 1949, doi:10.1037/h0062474; Firth 1993, doi:10.1093/biomet/80.1.27.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.behavior.rows import Rows, check_cohort, read_rows
from neuro_metarl.errors import InputError
from neuro_metarl.intervals import (
    OVER_SESSIONS,
    OVER_SUBJECTS,
    over_subjects,
    proportion_intervals,
)

__all__ = [
    "Trials",
    "learning_curve",
    "mean_learning_curve",
    "published_curve",
    "read_trials",
]

STATISTIC = ["value", "low", "high"]
N_TRIALS = 6


@dataclass(frozen=True)
class Trials:
    """Valid trials of one subject in order; every array has dims (row).

    Parameters
    ----------
    rows
        Choices, rewards, ``correct``, and the problem of each trial over the subject's history.
    number
        Trial of the problem, from 1.
    label
        What a block is named after, where that was asked for.
    respond
        Whether the trial counts as an answer.
    """

    rows: Rows
    number: np.ndarray
    label: np.ndarray
    respond: np.ndarray

    @property
    def n_problems(self) -> int:
        """Problems that the subject met."""
        return int(self.rows.problem[-1]) + 1 if len(self.rows.problem) else 0


def learning_curve(
    cohort: xr.Dataset,
    *,
    n_trials: int = N_TRIALS,
    blocks: int | Sequence[int] | str = 1,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Measure how often each trial of a problem is correct, by block of problems.

    Parameters
    ----------
    cohort
        Dims session, trial; needs ``correct``. ``problem`` divides sessions into problems.
    n_trials
        Trials of a problem that are measured.
    blocks
        A number: that many blocks of (nearly) equally many problems of each subject, in order.
        Edges: ``(8, 16, 24)`` are problems 1-8, 9-16 and 17-24; later ones are left out. A name:
        blocks are the values of that variable or coordinate, for example ``"problem"`` (the number
        of a reversal) or ``"stage"`` (of training, a coordinate along session).
    confidence
        Of the intervals over sessions, see :mod:`neuro_metarl.intervals`.

    Returns
    -------
    xarray.Dataset
        ``p_correct`` (subject, block, trial, statistic: value, low, high), NaN where there was no
        response; ``n`` (subject, block, trial) responses; ``n_problems`` (subject, block). The
        coordinate trial counts from 1.

    Raises
    ------
    InputError
        No ``correct``, blocks that there are none of, or edges that do not rise.

    References
    ----------
    Harlow 1949, doi:10.1037/h0062474.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> correct = [[0, 1, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1]]
    >>> cohort = make_cohort({"choice": correct, "reward": correct, "correct": correct},
    ...                      subject=["a"] * 4, task="harlow", source="animal")
    >>> curve = learning_curve(cohort, n_trials=3, blocks=2)
    >>> curve.p_correct.sel(subject="a", statistic="value").values.tolist()
    [[0.5, 1.0, 1.0], [0.5, 0.5, 1.0]]
    >>> curve.block.values.tolist()
    ['1-2', '3-4']
    """
    if n_trials < 1:
        raise InputError(f"n_trials is {n_trials}, expected 1 or more")
    label = blocks if isinstance(blocks, str) else None
    trials = read_trials(cohort, "learning_curve", label)
    named = {name: _blocks(one, blocks) for name, one in trials.items()}
    labels = _labels(named, blocks)
    shape = (len(trials), len(labels), n_trials)
    values, n = np.full((*shape, 3), np.nan), np.zeros(shape, int)
    n_problems = np.zeros(shape[:2], int)
    for s, (name, one) in enumerate(trials.items()):
        of_problem, mine = named[name]
        for b, block in enumerate(labels if label else mine):
            problems = np.flatnonzero(of_problem == (block if label else b))
            right, made = _by_session(one, problems, *_counts(one, problems, n_trials))
            values[s, b] = proportion_intervals(right, made, confidence)
            n[s, b], n_problems[s, b] = made.sum(axis=0), len(problems)
    return xr.Dataset(
        {
            "p_correct": (("subject", "block", "trial", "statistic"), values),
            "n": (("subject", "block", "trial"), n),
            "n_problems": (("subject", "block"), n_problems),
        },
        coords={
            "subject": list(trials), "block": [str(v) for v in labels],
            "trial": np.arange(1, n_trials + 1), "statistic": STATISTIC,
        },
        attrs={
            "interval": OVER_SESSIONS, "confidence": confidence,
            "blocks_are": label or "problems of a subject, in order",
        },
    )  # fmt: skip


def mean_learning_curve(curve: xr.Dataset) -> xr.Dataset:
    """Average learning curves over subjects.

    Parameters
    ----------
    curve
        From :func:`learning_curve`.

    Returns
    -------
    xarray.Dataset
        ``p_correct`` (block, trial, statistic): the mean over subjects, with the 95 % interval of
        the typical subject (see :func:`neuro_metarl.intervals.over_subjects`; NaN with fewer than
        three subjects); ``n_subjects`` (block, trial), those with a response there.

    Raises
    ------
    InputError
        Something else than a learning curve of subjects.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> correct = [[0, 1], [1, 1], [1, 0], [0, 1]]
    >>> cohort = make_cohort({"choice": correct, "reward": correct, "correct": correct},
    ...                      subject=["a", "a", "b", "b"], task="harlow", source="animal")
    >>> mean_learning_curve(learning_curve(cohort, n_trials=2)).p_correct.values[0, :, 0].tolist()
    [0.5, 0.75]
    """
    needed = {"subject", "block", "trial", "statistic"}
    if not isinstance(curve, xr.Dataset) or "p_correct" not in curve:
        what = "a cohort" if isinstance(curve, xr.Dataset) else type(curve).__name__
        raise InputError(f"mean_learning_curve takes what learning_curve gives, got {what}")
    if set(curve["p_correct"].dims) != needed:
        raise InputError(
            f"mean_learning_curve: 'p_correct' has dims {curve['p_correct'].dims}, expected "
            f"{', '.join(sorted(needed))}; select with lists to keep them"
        )
    each = curve["p_correct"].sel(statistic="value").transpose("subject", "block", "trial").values
    n = curve["n"].transpose("subject", "block", "trial").values
    there = np.isfinite(each)
    n_subjects = there.sum(axis=0)
    values = np.full((*each.shape[1:], 3), np.nan)
    for place in np.ndindex(each.shape[1:]):
        mine = each[(slice(None), *place)][there[(slice(None), *place)]]
        if len(mine):
            made = n[(slice(None), *place)][there[(slice(None), *place)]]
            values[place] = mine.mean(), *over_subjects(mine, limits=(0, 1), n=made)[1:]
    return xr.Dataset(
        {
            "p_correct": (("block", "trial", "statistic"), values),
            "n_subjects": (("block", "trial"), n_subjects),
        },
        coords={k: curve[k] for k in ("block", "trial", "statistic")},
        attrs={"interval": OVER_SUBJECTS, "confidence": 0.95},
    )


def published_curve(table: pd.DataFrame, *, subject: str = "published") -> xr.Dataset:
    """Give a published curve the form of a measured one.

    Parameters
    ----------
    table
        Columns block, trial, p_correct: from
        ``neuro_metarl.datasets.load_reference("harlow1949")``.
    subject
        What to call it.

    Returns
    -------
    xarray.Dataset
        As :func:`learning_curve` gives, without intervals and counts; the table's provenance is in
        the attributes.

    Raises
    ------
    InputError
        Another kind of table.

    Examples
    --------
    >>> from neuro_metarl.datasets import load_reference
    >>> curve = published_curve(load_reference("harlow1949"), subject="Harlow's monkeys")
    >>> float(curve.p_correct.sel(block="257-312", trial=2, statistic="value").item())
    0.966
    """
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"published_curve takes a table, got {type(table).__name__}")
    missing = [c for c in ("block", "trial", "p_correct") if c not in table]
    if missing:
        raise InputError(f"the table has no column {missing[0]!r}: not a learning curve")
    labels = list(dict.fromkeys(table["block"].astype(str)))
    wide = table.assign(block=table["block"].astype(str)).pivot(
        index="block", columns="trial", values="p_correct"
    )
    value = wide.loc[labels].to_numpy(float)[None, ..., None]
    unknown = np.full_like(value, np.nan)
    return xr.Dataset(
        {
            "p_correct": (
                ("subject", "block", "trial", "statistic"),
                np.concatenate([value, unknown, unknown], axis=-1),
            )
        },
        coords={
            "subject": [subject], "block": labels, "trial": wide.columns.to_numpy(int),
            "statistic": STATISTIC,
        },
        attrs={k: v for k, v in table.attrs.items() if isinstance(v, str)},
    )  # fmt: skip


def read_trials(
    cohort: xr.Dataset, verb: str, label: str | None = None, *, adjacent: bool = False
) -> dict[str, Trials]:
    """Lay the trials of each subject out in order, and number them within their problems.

    Parameters
    ----------
    cohort
        With ``correct``, dims session, trial.
    verb
        The measure, for messages.
    label
        Variable that names blocks.
    adjacent
        Whether history stops at a missed trial.

    Returns
    -------
    dict
        Name of the subject to its trials.

    Raises
    ------
    InputError
        No ``correct``, no such variable, or an unnumbered trial in a numbered session.

    Examples
    --------
    >>> from neuro_metarl import make_player, record
    >>> trials = read_trials(record(make_player("random"), "harlow", 3), "learning_curve")
    >>> trials["random"].n_problems
    3
    """
    check_cohort(cohort, verb)
    if "correct" not in cohort:
        raise InputError(
            "a learning curve needs the variable 'correct' (1 = the better option was chosen), "
            "which the cohort lacks"
        )
    if label is not None and (
        label not in cohort or set(cohort[label].dims) - {"session", "trial"}
    ):
        raise InputError(f"blocks={label!r}: no such variable along session or trial")
    names = cohort["subject"].values.astype(str)
    table = None
    if label is not None:
        table = cohort[label].broadcast_like(cohort["choice"]).transpose("session", "trial").values
    found = {}
    for name, rows in read_rows(cohort, verb, adjacent=adjacent).items():
        problem = rows.problem
        new = np.append(True, problem[1:] != problem[:-1])[: len(problem)]
        starts = np.flatnonzero(new)
        number = np.arange(len(problem)) - (starts[problem] if len(starts) else 0) + 1
        given = problem if table is None else table[names == name][rows.session, rows.position]
        found[name] = Trials(rows, number, given, ~rows.forced & (rows.correct >= 0))
    return found


def _blocks(trials: Trials, blocks: int | Sequence[int] | str) -> tuple[np.ndarray, list[str]]:
    """Say the block of each problem (-1: none), and the names of this subject's blocks."""
    n = trials.n_problems
    first = np.searchsorted(trials.rows.problem, np.arange(n))
    if isinstance(blocks, str):
        return trials.label[first], []
    if isinstance(blocks, bool):
        raise InputError(f"blocks is {blocks}, expected a whole number, edges or a variable")
    if isinstance(blocks, int | np.integer):
        if not 1 <= blocks <= max(1, n):
            raise InputError(f"{blocks} blocks of {n} problems; expected 1 to {n}")
        edges = [round(n * (k + 1) / blocks) for k in range(blocks)]
    else:
        edges = [int(e) for e in blocks]
        if not edges or edges[0] < 1 or any(np.diff(edges) < 1):
            raise InputError(f"edges of blocks are {tuple(edges)}, expected to rise from 1 or more")
    of_problem = np.searchsorted(edges, np.arange(n) + 1)
    of_problem = np.where(of_problem < len(edges), of_problem, -1)
    starts = [1, *(e + 1 for e in edges[:-1])]
    return of_problem, [f"{a}-{b}" for a, b in zip(starts, edges, strict=True)]


def _labels(
    named: dict[str, tuple[np.ndarray, list[str]]], blocks: int | Sequence[int] | str
) -> list[object]:
    """Name the blocks of all subjects; equal numbers of blocks may hold unequal problems."""
    if isinstance(blocks, str):
        found = np.concatenate([of for of, _ in named.values()]).tolist()
        return list(dict.fromkeys(found if found and isinstance(found[0], str) else sorted(found)))
    each = [labels for _, labels in named.values()]
    if all(labels == each[0] for labels in each):
        return list(each[0])
    return [f"{k + 1} of {len(each[0])}" for k in range(len(each[0]))]


def _counts(trials: Trials, problems: np.ndarray, n_trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Count right answers and answers, dims (problem, trial)."""
    place = np.full(trials.n_problems + 1, -1)
    place[problems] = np.arange(len(problems))
    at = place[trials.rows.problem]
    used = trials.respond & (trials.number <= n_trials) & (at >= 0)
    right, made = np.zeros((2, len(problems), n_trials))
    right[at[used], trials.number[used] - 1] = trials.rows.correct[used]
    made[at[used], trials.number[used] - 1] = 1
    return right, made


def _by_session(
    trials: Trials, problems: np.ndarray, right: np.ndarray, made: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Add up what was right, and made, over the problems of each session."""
    session = trials.rows.session[np.searchsorted(trials.rows.problem, problems)]
    number = np.unique(session, return_inverse=True)[1]
    shape = (int(number.max(initial=-1)) + 1, right.shape[1])
    sums = np.zeros((2, *shape))
    for total, one in zip(sums, (right, made), strict=True):
        np.add.at(total, number, one)
    return sums[0], sums[1]
