"""Folds keep neighbours together; shifted labels keep their order."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold

from neuro_metarl.errors import InputError
from neuro_metarl.neural.folds import make_folds
from neuro_metarl.neural.shifts import distinct_orders, equal_sessions, nulls

SESSION = np.repeat([0, 3, 4], [60, 50, 80])
TRIAL = np.concatenate([np.arange(60), np.arange(50) + 7, np.arange(80)])


@pytest.mark.parametrize("gap", [0, 5])
@pytest.mark.parametrize("n_folds", [3, 5])
def test_blocks_are_contiguous_and_nobody_near_is_trained_on(gap: int, n_folds: int) -> None:
    fold, near = make_folds(
        SESSION[:, None], SESSION, SESSION, TRIAL, folds="blocks", gap=gap, n_folds=n_folds
    )
    for k in range(n_folds):
        for s in np.unique(SESSION):
            test = TRIAL[(fold == k) & (s == SESSION)]
            assert (np.diff(test) == 1).all()
            train = TRIAL[~near[:, k] & (s == SESSION)]
            assert np.abs(train[:, None] - test).min() == gap + 1
    sizes = np.bincount(fold)
    assert sizes.max() - sizes.min() <= 3
    # ordinary folds are not so
    fold, near = make_folds(
        SESSION[:, None], SESSION, SESSION, TRIAL, folds=KFold(5, shuffle=True, random_state=0)
    )
    assert np.abs(TRIAL[~near[:, 0]][:, None] - TRIAL[fold == 0]).min() == 0


def test_sessions_stay_whole() -> None:
    session = np.repeat(np.arange(7), 10)
    fold, near = make_folds(session[:, None], session, session, np.tile(np.arange(10), 7))
    assert fold.reshape(7, 10).std(axis=1).max() == 0
    assert np.bincount(fold[::10]).tolist() == [2, 1, 2, 1, 1]
    np.testing.assert_array_equal(near.argmax(axis=1), fold)
    grouped = make_folds(session[:, None], session, session, session, folds=GroupKFold(3))[0]
    assert grouped.reshape(7, 10).std(axis=1).max() == 0


@pytest.mark.parametrize("seed", [0, 1])
def test_shifts_keep_the_order_and_the_session(seed: int) -> None:
    labels = np.arange(len(SESSION)).astype(float)
    for shifted in nulls(labels, SESSION, "circular_shift", 50, np.random.default_rng(seed)):
        for s in np.unique(SESSION):
            mine, theirs = labels[s == SESSION], shifted[s == SESSION]
            step = int(theirs[0] - mine[0])
            np.testing.assert_array_equal(np.roll(mine, -step), theirs)
            assert len(mine) // 10 <= step <= len(mine) - len(mine) // 10
    for shuffled in nulls(labels, SESSION, "shuffle", 3, np.random.default_rng(seed)):
        assert (np.diff(shuffled) != 1).mean() > 0.9


def test_one_session_has_each_shift_once() -> None:
    some = nulls(np.arange(50), np.zeros(50), "circular_shift", 1000, np.random.default_rng(0))
    assert sorted(int(labels[0]) for labels in some) == list(range(5, 46))


@pytest.mark.parametrize("n_sessions", [4, 5, 6, 7, 10])
def test_other_sessions_lend_their_labels_trial_by_trial(n_sessions: int) -> None:
    session, place = np.repeat(np.arange(n_sessions), 5), np.tile(np.arange(5), n_sessions)
    labels = 100 * session + place
    drawn = nulls(labels, session, "session_permutation", 40, np.random.default_rng(n_sessions))
    for other in drawn:
        lenders = (other // 100).reshape(n_sessions, 5)
        assert (lenders == lenders[:, :1]).all()
        assert sorted(lenders[:, 0]) == list(range(n_sessions))
        np.testing.assert_array_equal(other % 100, place)
    if n_sessions > 6:
        assert len(drawn) == 40
        return
    orders = {tuple(other[::5] // 100) for other in drawn} | {tuple(range(n_sessions))}
    assert len(drawn) == len(orders) - 1
    assert orders == set(permutations(range(n_sessions)))


def test_sessions_with_the_same_labels_make_fewer_orders() -> None:
    session = np.repeat(np.arange(5), 3)
    kinds = np.array([[0, 1, 2], [2, 1, 0], [0, 0, 1]])
    for owned in product(range(3), repeat=5):
        labels = kinds[list(owned)].ravel()
        brute = {tuple(kinds[list(order)].ravel()) for order in set(permutations(owned))}
        assert distinct_orders(labels, session) == len(brute)


def test_sessions_are_cut_to_the_shortest_before_they_are_permuted() -> None:
    session = np.repeat([3, 5, 6, 9], [4, 2, 3, 2])
    kept = equal_sessions(session)
    assert session[kept].tolist() == [3, 3, 5, 5, 6, 6, 9, 9]
    with pytest.raises(InputError, match="2 to 4 trials"):
        nulls(session, session, "session_permutation", 5, np.random.default_rng(0))
