"""The declared column map, on tables written out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neuro_metarl.errors import InputError
from neuro_metarl.io.columns import Trials, declared_table

TABLE = {
    "start": np.array([0.0, 10, 20, 30]),
    "stop": np.array([10.0, 20, 30, 40]),
    "side": np.array([1, 2, 9, 1]),
    "word": np.array(["left", "right", "left", "left"]),
    "won_left": np.array([True, False, False, False]),
    "won_right": np.array([False, False, True, True]),
    "drops": np.array([3.0, 0, 0, 2]),
    "p_left": np.array([0.8, 0.2, 0.8, 0.5]),
    "p_right": np.array([0.2, 0.8, 0.2, 0.5]),
    "cue": np.array([1.0, 11, 21, 31]),
    "laser": np.array([0.0, np.nan, 2, 1]),
}
TIMES = {
    "lick_l": np.array([35.0, 5.0]),
    "lick_r": np.array([12.0, 4.5, 29.0]),
    "none": np.empty(0),
}
CHOICE = {"column": "side", "codes": {1: 0, 2: 1}, "invalid": {9: "violation"}}


def filled(columns: dict[str, Any], **changes: Any) -> tuple[dict[str, list], dict[str, int]]:
    def times(name: str) -> np.ndarray:
        if name not in TIMES:
            raise InputError(f"f.nwb: no event {name!r}")
        return TIMES[name]

    trials = Trials(TABLE | changes, times, "start", "stop", "f.nwb", "trials")
    table, counts = declared_table(trials, {"choice": CHOICE, "reward": "drops", **columns})
    return {name: table[name].tolist() for name in table}, counts


@pytest.mark.parametrize(
    ("name", "entry", "expected"),
    [
        ("choice", CHOICE, [0, 1, -1, 0]),
        ("choice", {"column": "word", "codes": {"left": 0, "right": 1}}, [0, 1, 0, 0]),
        ("choice", {"column": "side", "codes": {"1": 1, "2.0": 0, "2": 0, "9": -1}}, [1, 0, -1, 1]),
        ("choice", {"which": {"lick_l": 0, "lick_r": 1}}, [1, 1, 1, 0]),
        ("choice", {"which": {"lick_l": 0, "lick_r": 1}, "after": "cue"}, [1, 1, 1, 0]),
        ("choice", {"which": {"lick_l": 4}}, [4, -1, -1, 4]),
        ("reward", {"any": ["won_left", "won_right"]}, [1, 0, 1, 1]),
        ("reward", {"sum": ["won_left", "won_right", "drops"]}, [4, 0, 1, 3]),
        ("reward", {"happened": ["lick_l", "none"]}, [1, 0, 0, 1]),
        ("reward", {"column": "drops", "codes": {3: 1, 0: 0, 2: 1}}, [1, 0, 0, 1]),
        ("correct", {"best_of": ["p_left", "p_right"]}, [1, 1, -1, -1]),
        ("p_reward_0", "p_left", [0.8, 0.2, 0.8, 0.5]),
        ("t_cue", "cue", [1, 11, 21, 31]),
        ("t_cue", {"column": "cue", "when": "valid"}, [1, 11, np.nan, 31]),
        ("t_lick", {"first": ["lick_l", "lick_r"]}, [4.5, 12, 29, 35]),
        ("t_lick", {"first": ["lick_l"], "after": "cue"}, [5, np.nan, np.nan, 35]),
        ("t_lick", {"first": ["lick_r"], "before": "cue"}, [np.nan] * 4),
        ("t_lick", {"first": ["gone", "lick_l"], "optional": True}, [5, np.nan, np.nan, 35]),
        ("invalid_reason", {"column": "side", "codes": {1: 0, 2: 0, 9: 4}}, [0, 0, 4, 0]),
    ],
)  # fmt: skip
def test_each_kind_of_entry(name: str, entry: Any, expected: list[float]) -> None:
    table, _ = filled({name: entry})
    assert table[name] == pytest.approx(expected, nan_ok=True)


def test_why_a_trial_does_not_count() -> None:
    table, _ = filled({})
    assert table["valid"] == [1, 1, 0, 1]
    assert table["invalid_reason"] == [0, 0, 2, 0]
    table, _ = filled({"choice": {"which": {"lick_l": 0}}})
    assert table["invalid_reason"] == [0, 3, 3, 0]
    table, _ = filled({"valid": "won_right"})
    assert table["valid"] == [0, 0, 0, 1]
    assert table["invalid_reason"] == [3, 3, 2, 0]
    table, _ = filled({"state": {"column": "word", "codes": {"left": 0, "right": -1}}})
    assert table["valid"] == [1, 0, 0, 1]
    assert table["state"] == [0, -1, 0, 0]


def test_counts_and_what_is_optional() -> None:
    table, counts = filled(
        {"n_laser": {"count": "laser"}, "forced": {"column": "f", "optional": 1}}
    )
    assert counts == {"n_laser": 2}
    assert "forced" not in table


def test_the_first_event_may_be_at_the_start_but_not_at_the_stop() -> None:
    table, _ = filled({"t_a": {"first": ["lick_l"]}}, start=np.array([5.0, 10, 20, 30]))
    assert table["t_a"][0] == 5.0
    table, _ = filled({"t_a": {"first": ["lick_l"]}}, stop=np.array([5.0, 20, 30, 40]))
    assert np.isnan(table["t_a"][0])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"t_a": "word"}, "column 'word' holds text where numbers belong; declare its codes"),
        ({"choice": {"column": "side", "codes": {1: 0}}}, "trial 1: column 'side' is 2, expected"),
        ({"choice": CHOICE | {"invalid": {9: "vilation"}}}, "reason 'vilation'; did you mean 'vi"),
        ({"reward": {"any": ["drops"]}}, "trial 0: column 'drops' is 3, expected one of 0, 1"),
        ({"reward": {"any": ["drops"], "sum": ["drops"]}}, "needs one of .* got any, sum"),
        ({"t_x": {"first": ["gone"]}}, "no event 'gone'"),
        ({"n_x": "laser"}, "'count' is for names n_<what>, and only that"),
        ({"reward": {"count": "laser"}}, "'count' is for names n_<what>, and only that"),
        ({"t_x": "sart"}, "column 'sart' of 'trials' is missing; did you mean 'start'"),
        ({"rewards": "drops"}, "'rewards' is no name of ours; did you mean 'reward'"),
    ],
)
def test_what_cannot_be_declared(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        filled(columns)
    assert str(caught.value).startswith("f.nwb")


def test_columns_of_different_lengths_and_no_trials() -> None:
    with pytest.raises(InputError, match="'drops' has 3 values, 'side' has 4"):
        filled({}, drops=np.zeros(3))
    with pytest.raises(InputError, match="'trials' holds no trials"):
        filled({}, **{name: values[:0] for name, values in TABLE.items()})


def test_an_event_on_the_border_of_trials_belongs_to_the_trial_that_begins_there() -> None:
    """Times are whole ticks of .1 s, their decimal sums are not."""
    ticks = np.arange(200)
    start = np.cumsum(np.full(200, 0.1)) - 0.1
    trials = Trials(
        {"start": start, "stop": start + 0.1, "won": np.zeros(200)},
        lambda name: ticks[::2] / 10.0, "start", "stop", "f.nwb", "trials",
    )  # fmt: skip
    table, _ = declared_table(trials, {"choice": {"which": {"poke": 0}}, "reward": "won"})
    np.testing.assert_array_equal(table.valid, (ticks % 2 == 0).astype(int))
