"""The trials of a cohort as a network reads them: one code for each trial, folds, memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.cohort import Kind, kind_of_task
from neuro_metarl.errors import InputError
from neuro_metarl.models.model import Model, find_model
from neuro_metarl.models.requirements import check_cohort, check_rewards
from neuro_metarl.models.trials import Trials, trials_of

__all__ = ["OWN_MODELS", "Reset", "Sequences", "check_reset", "folds_of", "read_sequences"]

Reset = Literal["problem", "session", "subject"]
RESETS = ("problem", "session", "subject")
OWN_MODELS: dict[str, str] = {
    "two-step": "mixture",
    "bandit": "q_differential_forgetting",
    "learning-set": "q_differential_forgetting",
}
"""The cognitive model that stands for an animal's own, by kind of task."""
LEAST_CHOICES = 100


@dataclass(frozen=True)
class Sequences:
    """The valid trials of several subjects, one after another.

    Parameters
    ----------
    trials
        As cognitive models read them, with ``start`` where memory starts anew.
    code
        int, dims (row): two-step 4 choice + 2 state + reward, with the state relative to the
        subject's own mapping; else 2 choice + reward.
    counts
        Dims (row): 1 where the choice is predicted, 0 where it was imposed.
    labels
        What the codes mean, in order.
    kind, reset
        Kind of task, and with what memory starts anew.
    """

    trials: Trials
    code: np.ndarray
    counts: np.ndarray
    labels: tuple[str, ...]
    kind: Kind
    reset: Reset

    @property
    def n_codes(self) -> int:
        """Number of codes."""
        return len(self.labels)

    def of_subject(self, number: int) -> Sequences:
        """Keep the rows of one subject."""
        rows = self.trials.rows_of(number)
        n = rows.stop - rows.start
        return replace(
            self,
            trials=_cut(self.trials, rows, (self.trials.subjects[number],), np.array([0, n])),
            code=self.code[rows],
            counts=self.counts[rows],
        )


def _cut(trials: Trials, rows: slice, subjects: tuple[str, ...], first: np.ndarray) -> Trials:
    names = ("choice", "state", "choice2", "reward", "belief", "free", "start", "session", "place")
    parts: Any = {name: getattr(trials, name)[rows] for name in names}
    return replace(trials, subjects=subjects, first=first, respond=trials.respond[:, rows], **parts)


def check_reset(reset: str) -> None:
    """Refuse what memory cannot start anew with.

    Parameters
    ----------
    reset
        ``"problem"``, ``"session"`` or ``"subject"``.

    Raises
    ------
    InputError
        Another word.

    Examples
    --------
    >>> check_reset("session")
    """
    if reset not in RESETS:
        raise InputError(f"reset is {reset!r}, expected one of {', '.join(RESETS)}")


def read_sequences(
    cohort: xr.Dataset, reset: Reset = "session", *, model: str | Model | None = None
) -> Sequences:
    """Read the trials of a cohort.

    Parameters
    ----------
    cohort
        Of the two-step task, of a bandit of two arms, or of learning sets. Invalid trials do not
        exist; imposed choices are seen and not predicted. In learning sets choices are coded by
        object: 1 where the object is the one that was chosen first in its problem, and that first
        choice is not predicted.
    reset
        Memory starts anew with every problem, every session, or once for each subject.
    model
        Cognitive model that the trials must suit; default that of :data:`OWN_MODELS`.

    Returns
    -------
    Sequences

    Raises
    ------
    InputError
        Another kind of task, choices or rewards other than 0 and 1, or no choices of a subject.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> rats = read_sequences(load_dataset("synthetic-rats"))
    >>> rats.n_codes, rats.labels[-1]
    (8, 'choice 1, state 1, rewarded')
    """
    check_reset(reset)
    kind = kind_of_task(check_cohort(cohort))
    if kind not in OWN_MODELS:
        raise InputError(
            f"the cohort is of the kind {kind!r}; twins are fitted to choices between two on "
            f"{', '.join(OWN_MODELS)}"
        )
    check_rewards(cohort, "a twin", binary=True)
    by_object = _by_object(cohort) if kind == "learning-set" else cohort
    chosen = find_model(OWN_MODELS[kind] if model is None else model)
    trials = trials_of(by_object, chosen, across_problems=reset != "problem")
    first_of_problem = np.zeros(len(trials.choice), bool)
    if kind == "learning-set":
        first_of_problem = trials_of(by_object, chosen).start
    if reset == "subject":
        start = np.zeros(len(trials.start), bool)
        start[trials.first[:-1]] = True
        trials = replace(trials, start=start)
    trials = replace(trials, respond=trials.respond & ~first_of_problem)
    c, s, r = (getattr(trials, name).astype(int) for name in ("choice", "state", "reward"))
    two_step = kind == "two-step"
    code = 4 * c + 2 * s + r if two_step else 2 * c + r
    return Sequences(
        trials, code, trials.respond[0].astype(float), _labels(two_step), kind, reset
    )  # fmt: skip


def _labels(two_step: bool) -> tuple[str, ...]:
    seconds = (", state 0", ", state 1") if two_step else ("",)
    paid = ("unrewarded", "rewarded")
    return tuple(f"choice {c}{s}, {p}" for c in (0, 1) for s in seconds for p in paid)


def _by_object(cohort: xr.Dataset) -> xr.Dataset:
    """Code choices by object: 1 for the object that was chosen first in its problem."""
    for name in ("correct", "problem"):
        if name not in cohort:
            raise InputError(
                f"a twin on learning sets needs {name!r}, which tells objects apart; the cohort "
                "lacks it"
            )
    dims = ("session", "trial")
    valid, correct, problem = (
        cohort[name].transpose(*dims).values for name in ("valid", "correct", "problem")
    )
    choice = np.full(valid.shape, -1, "int8")
    for session in range(len(valid)):
        rows = np.flatnonzero((valid[session] == 1) & (correct[session] >= 0))
        if len(rows) < (valid[session] == 1).sum():
            raise InputError(
                "correct: -1 on valid trials; a twin on learning sets must know which object was "
                "chosen"
            )
        if not len(rows):
            continue
        starts = np.append(True, np.diff(problem[session, rows]) != 0)
        firsts = correct[session, rows][starts][np.cumsum(starts) - 1]
        choice[session, rows] = correct[session, rows] == firsts
    recoded = cohort.drop_vars(["stimulus", "option"], errors="ignore")
    return recoded.assign(choice=(dims, choice)).assign_attrs(task="bandit-of-objects")


def folds_of(sequences: Sequences, n_folds: int, by: str = "session") -> tuple[np.ndarray, str]:
    """Put whole sessions into folds of about as many choices each.

    Parameters
    ----------
    sequences
        Of one subject, or of several that are fitted together.
    n_folds
        Number of folds, 2 or more.
    by
        ``"session"`` or ``"subject"``.

    Returns
    -------
    fold, how
        int, dims (row); ``"session"``, ``"subject"`` or, where there are fewer sessions than
        folds, ``"block"``: stretches of trials, through which memory runs on.

    Raises
    ------
    InputError
        Fewer than two folds, or too few choices.

    Examples
    --------
    >>> from neuro_metarl import load_dataset
    >>> one = read_sequences(load_dataset("synthetic-rats")).of_subject(0)
    >>> fold, how = folds_of(one, 5)
    >>> how, len(set(fold.tolist()))
    ('session', 5)
    """
    if n_folds < 2:
        raise InputError(f"folds is {n_folds}, expected 2 or more")
    trials, total = sequences.trials, int(sequences.counts.sum())
    if total < LEAST_CHOICES:
        raise InputError(
            f"subject {', '.join(trials.subjects)!r} has {total} choices of its own, a twin needs "
            f"{LEAST_CHOICES} or more; pool=True fits one network to several subjects"
        )
    group = trials.session
    if by == "subject":
        group = np.repeat(np.arange(len(trials.subjects)), np.diff(trials.first))
    names, of_row = np.unique(group, return_inverse=True)
    how = by
    if len(names) < n_folds:
        if by == "subject":
            raise InputError(
                f"{len(names)} subjects are fewer than {n_folds} folds; give folds={len(names)} or "
                "fewer"
            )
        how = "block"
        done = np.cumsum(sequences.counts) - sequences.counts
        return np.minimum((done * n_folds / total).astype(int), n_folds - 1), how
    sizes = np.bincount(of_row, weights=sequences.counts)
    filled, fold = np.zeros(n_folds), np.zeros(len(names), int)
    for k in np.argsort(-sizes, kind="stable"):
        fold[k] = int(filled.argmin())
        filled[fold[k]] += sizes[k]
    return fold[of_row], how
