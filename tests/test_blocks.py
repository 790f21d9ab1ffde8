"""Blocks of units: who was recorded when, cut sessions, orders of a null."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.neural.blocks import Block, blocks_of, event_indices, null_orders, unit_labels
from neuro_metarl.neural.regressors import rows_of


def recorded() -> xr.Dataset:
    """Two interleaved subjects, five sessions of 4 trials, 4 units; some trials are invalid."""
    activity = np.arange(5 * 4 * 2 * 4, dtype=float).reshape(5, 4, 2, 4)
    activity[0, :, :, 1] = np.nan
    activity[[1, 3], :, :, 2] = np.nan
    choice = np.zeros((5, 4), int)
    choice[2, 1], choice[3, 3] = -1, -1
    return make_cohort(
        {"choice": choice, "reward": np.zeros((5, 4)), "activity": activity},
        subject=list("abaab"), task="bandit", source="animal",
        coords={"event": ["cue", "out"], "unit": ["u", "v", "w", "x"]},
    )  # fmt: skip


def test_units_with_the_same_sessions_form_a_block() -> None:
    cohort = recorded()
    rows = rows_of(cohort)
    x = np.arange(len(rows.session), dtype=float)[:, None]
    for event in (0, 1):
        blocks = list(blocks_of(cohort.activity, x, rows, 0, event, "a"))
        found = {tuple(b.unit.tolist()): b for b in blocks}
        assert set(found) == {(0, 3), (1,), (2,)}
        sizes = {units: np.bincount(b.session).tolist() for units, b in found.items()}
        assert sizes == {(0, 3): [4, 3, 3], (1,): [3, 3], (2,): [4, 3]}
        for block in blocks:
            at = block.design[:, 0].astype(int)
            truth = cohort.activity.values[rows.session[at], rows.trial[at], event][:, block.unit]
            assert np.array_equal(block.activity, truth)
            assert (rows.subject[at] == 0).all()
        assert "units v" in found[(1,)].place
    other = list(blocks_of(cohort.activity, x, rows, 1, 0, "b"))
    assert sorted(len(b.session) for b in other) == [4, 8]


def test_the_order_of_dims_is_of_no_consequence() -> None:
    cohort = recorded()
    rows = rows_of(cohort)
    x = np.ones((len(rows.session), 1))
    turned = cohort.transpose("unit", "event", "trial", "session")
    pairs = zip(
        blocks_of(cohort.activity, x, rows, 0, 1, ""),
        blocks_of(turned.activity, x, rows, 0, 1, ""),
        strict=True,
    )
    for a, b in pairs:
        assert np.array_equal(a.activity, b.activity)


def test_the_first_rows_of_each_session() -> None:
    session = np.repeat([0, 1, 2], [3, 5, 2])
    rows = np.arange(10.0)[:, None]
    block = Block(np.arange(1), rows, rows, session, "").first(2)
    assert block.design[:, 0].tolist() == [0, 1, 3, 4, 8, 9]
    assert block.session.tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("null", ["circular_shift", "session_permutation"])
def test_orders_keep_sessions_whole_and_are_seeded(null: str) -> None:
    session = np.repeat(np.arange(8), 5)
    rows = np.arange(40.0)[:, None]
    block = Block(np.arange(1), rows, rows, session, "")
    draws = [list(null_orders(block, null, 30, seed)[1]) for seed in (1, 1, 2)]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    for order in draws[0]:
        assert np.array_equal(np.sort(order), np.arange(40))
        assert all(len(set(block.session[part])) == 1 for part in order.reshape(8, 5))
        assert np.array_equal(block.session[order], session) == (null == "circular_shift")


def test_names_in_messages() -> None:
    assert unit_labels(recorded().activity, np.array([0, 3])) == "u, x"
    assert event_indices(recorded(), "out") == {"out": 1}
    with pytest.raises(InputError, match="no event 'outt'; did you mean 'out'"):
        event_indices(recorded(), ["outt"])
    with pytest.raises(InputError, match="activity is empty"):
        event_indices(recorded().isel(unit=[]), None)
