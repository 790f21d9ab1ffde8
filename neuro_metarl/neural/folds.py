"""Folds that keep neighbouring trials together: whole sessions, or blocks with a gap."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from neuro_metarl.errors import InputError

__all__ = ["FewTrialsError", "make_folds"]

FEWEST_TRAINING = 10


class FewTrialsError(InputError):
    """One subject or session is too short, or its labels do not differ; others may do."""


def make_folds(
    x: np.ndarray,
    y: np.ndarray,
    session: np.ndarray,
    trial: np.ndarray,
    *,
    folds: Any = "auto",
    n_folds: int = 5,
    gap: int = 10,
    label: str = "the subject",
) -> tuple[np.ndarray, np.ndarray]:
    """Give each trial its fold, and say which trials are too near a fold to be trained on.

    Parameters
    ----------
    x, y
        Dims (row, unit) and (row): for a splitter.
    session, trial
        Dims (row), in order: session, and place in the session.
    folds, n_folds, gap
        See :func:`neuro_metarl.decode`.
    label
        Whom a message names.

    Returns
    -------
    fold, near
        Dims (row), and bool (row, fold): in the fold, or within the gap of it.

    Raises
    ------
    InputError
        Unknown folds, or fewer sessions or trials than they need.

    Examples
    --------
    >>> session, trial = np.zeros(30), np.arange(30)
    >>> fold, near = make_folds(session[:, None], session, session, trial, n_folds=3, gap=2)
    >>> np.bincount(fold).tolist(), near.sum(axis=0).tolist()
    ([10, 10, 10], [12, 14, 12])
    """
    if n_folds < 3:
        raise InputError(f"n_folds is {n_folds}, expected 3 or more")
    if gap < 0:
        raise InputError(f"gap is {gap}, expected 0 or more trials")
    if not isinstance(folds, str):
        return _split(folds, x, y, session)
    if folds not in ("auto", "sessions", "blocks"):
        raise InputError(
            f"folds is {folds!r}, expected 'auto', 'sessions', 'blocks' or a scikit-learn splitter"
        )
    names, number = np.unique(session, return_inverse=True)
    if folds == "blocks" or (folds == "auto" and len(names) < n_folds):
        return _blocks(number, trial, n_folds, gap, label)
    if len(names) < n_folds:
        raise FewTrialsError(
            f"{label} has {len(names)} sessions, fewer than {n_folds} folds; use folds='blocks' "
            "or a smaller n_folds"
        )
    fold = number * n_folds // len(names)
    return fold, np.eye(n_folds, dtype=bool)[fold]


def _split(
    splitter: Any, x: np.ndarray, y: np.ndarray, session: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if not hasattr(splitter, "split"):
        raise InputError(
            f"folds is {splitter!r}, expected 'auto', 'sessions', 'blocks' or a scikit-learn "
            "splitter"
        )
    fold = np.full(len(y), -1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The groups parameter is ignored")
            for k, (_, test) in enumerate(splitter.split(x, y, session)):
                fold[test] = k
    except ValueError as error:
        raise FewTrialsError(f"{type(splitter).__name__}: {error}") from None
    if (fold < 0).any() or fold.max() < 2:
        raise InputError("the splitter has to put every trial into a test fold, of 3 folds or more")
    return fold, np.eye(int(fold.max()) + 1, dtype=bool)[fold]


def _blocks(
    number: np.ndarray, trial: np.ndarray, n_folds: int, gap: int, label: str
) -> tuple[np.ndarray, np.ndarray]:
    counts = np.bincount(number)
    within = np.arange(len(number)) - np.concatenate([[0], np.cumsum(counts)])[number]
    fold = within * n_folds // counts[number]
    near = np.zeros((len(fold), n_folds), bool)
    for k in range(n_folds):
        for s in range(len(counts)):
            mine = number == s
            test = trial[mine & (fold == k)]
            if len(test):
                near[:, k] |= mine & (trial >= test.min() - gap) & (trial <= test.max() + gap)
    fewest = int((~near).sum(axis=0).min())
    if counts.min() < n_folds or fewest < FEWEST_TRAINING:
        raise FewTrialsError(
            f"{label} has {int(counts.min())} trials in its shortest session: too short for "
            f"{n_folds} blocks with a gap of {gap}, which leave {fewest} trials to train on "
            f"({FEWEST_TRAINING} are needed); use a smaller gap or more sessions"
        )
    return fold, near
