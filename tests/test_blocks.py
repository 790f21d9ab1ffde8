"""Blocks of units: who was recorded when, cut sessions, orders of a null."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.neural.blocks import (
    Block,
    Group,
    blocks_of,
    event_indices,
    groups_of,
    null_orders,
)
from neuro_metarl.neural.recordings import recorded_units
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


def groups(cohort: xr.Dataset, subject: str) -> list[Group]:
    known = recorded_units(cohort.activity, cohort.valid.values == 1)
    return groups_of(known, np.flatnonzero(cohort.subject.values == subject))


def blocks(cohort: xr.Dataset, group: Group, event: int) -> list[Block]:
    """Blocks of a group, with the number of the row in the place of the design."""
    rows = rows_of(cohort.isel(session=group.session))
    x = np.arange(len(rows.session), dtype=float)[:, None]
    return list(blocks_of(cohort.activity, x, rows, group, event, "a"))


def test_units_with_the_same_sessions_form_a_group() -> None:
    cohort = recorded()
    found = {tuple(g.unit.tolist()): g.session.tolist() for g in groups(cohort, "a")}
    assert found == {(0, 3): [0, 2, 3], (1,): [2, 3], (2,): [0, 2]}
    assert [(g.unit.tolist(), g.session.tolist()) for g in groups(cohort, "b")] == [
        ([2], [4]),
        ([0, 1, 3], [1, 4]),
    ]


def test_a_block_holds_the_trials_of_its_units() -> None:
    cohort = recorded()
    cohort.activity[2, 0, 1, :] = np.nan  # a trial without the event "out"
    cohort.activity[3, 1, 0, 3] = np.nan  # a gap of one unit at the event "cue"
    sizes = {}
    for group in groups(cohort, "a"):
        rows = rows_of(cohort.isel(session=group.session))
        for event in (0, 1):
            for block in blocks(cohort, group, event):
                at = block.design[:, 0].astype(int)
                place = group.session[rows.session[at]], rows.trial[at]
                truth = cohort.activity.values[place][:, event][:, block.unit]
                assert np.array_equal(block.activity, truth)
                assert np.isfinite(block.activity).all()
                sizes[event, tuple(block.unit.tolist())] = np.bincount(block.session).tolist()
    assert sizes == {
        (0, (0,)): [4, 3, 3], (0, (3,)): [4, 3, 2], (0, (1,)): [3, 3], (0, (2,)): [4, 3],
        (1, (0, 3)): [4, 2, 3], (1, (1,)): [2, 3], (1, (2,)): [4, 2],
    }  # fmt: skip


def test_many_units_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = recorded()
    whole = blocks(cohort, groups(cohort, "a")[-1], 0)
    monkeypatch.setattr("neuro_metarl.neural.blocks.MOST_BYTES", 8.0)
    parts = blocks(cohort, groups(cohort, "a")[-1], 0)
    assert [len(b.unit) for b in parts] == [1] * sum(len(b.unit) for b in whole)
    joined = np.concatenate([b.activity for b in parts], axis=1)
    assert np.array_equal(joined, np.concatenate([b.activity for b in whole], axis=1))


def test_the_order_of_dims_is_of_no_consequence() -> None:
    cohort = recorded()
    turned = cohort.transpose("unit", "event", "trial", "session")
    for group in groups(cohort, "a"):
        pairs = zip(blocks(cohort, group, 1), blocks(turned, group, 1), strict=True)
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
    assert event_indices(recorded(), "out") == {"out": 1}
    with pytest.raises(InputError, match="no event 'outt'; did you mean 'out'"):
        event_indices(recorded(), ["outt"])
    with pytest.raises(InputError, match="activity is empty"):
        event_indices(recorded().isel(unit=[]), None)
