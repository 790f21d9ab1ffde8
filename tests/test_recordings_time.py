"""Order and clocks: trials, edges of bins, gaps, what was not observed, other units of time."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_metarl.errors import InputError
from neuro_metarl.io import add_activity, align, nwb_series, nwb_spikes, read_nwb
from neuro_metarl.io.columns import Trials
from neuro_metarl.io.trial_times import trials_in_order
from tests.lab_recordings import COLUMNS, counted, session, some_trials

HOW: dict[str, Any] = {"columns": COLUMNS, "events": "cue", "window": (0, 0.5)}
LOOKED_UP = {
    "choice": {"which": {"left": 0, "right": 1}}, "reward": {"happened": ["valve"]}
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def with_series(**series: Any) -> Any:
    """Add acquisition series: name to times, or to times and values."""

    def add(nwb: Any) -> None:
        from pynwb import TimeSeries

        for name, given_as in series.items():
            times, values = given_as if isinstance(given_as, tuple) else (given_as, None)
            values = np.ones(len(times)) if values is None else values
            nwb.add_acquisition(TimeSeries(name, data=values, timestamps=times, unit="a.u."))

    return add


# ---------------------------------------------------------------- trials


def test_trials_written_condition_by_condition(tmp_path: Path) -> None:
    """Choices, times and activity in order of time, as pynapple reads the file."""
    nap = pytest.importorskip("pynapple")
    trials = some_trials(40, seed=3)
    order = np.argsort(trials["choice"], kind="stable")
    spikes = np.sort(np.random.default_rng(0).uniform(0, 80, 300))
    file = session(
        tmp_path / "a.nwb", trials={n: np.asarray(v)[order] for n, v in trials.items()},
        units=[{"spike_times": spikes}],
    )  # fmt: skip
    cohort = read_nwb(file, **HOW)
    assert np.array_equal(cohort.choice.values[0], trials["choice"])
    assert np.array_equal(cohort.t_cue.values[0], trials["cue_time"])
    expected = counted(spikes, trials["cue_time"], (0, 0.5))
    assert cohort.activity.values[0, :, 0, 0].tolist() == expected
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = nap.load_file(str(file))["trials"]
    assert np.array_equal(theirs["choice"], cohort.choice.values[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start_time": [0, np.nan, 4, 6, 8, 10]}, "'start_time' of trial 1 .* is nan"),
        ({"start_time": [0, 0, 4, 6, 8, 10]}, "trials 0 and 1 .* both begin at 0 s"),
        ({"stop_time": [2, 1, 6, 8, 10, 12]}, "trial 1 .* ends at 1, before it begins at 2 s"),
        ({"stop_time": [2, 2, 6, 8, 10, 12]}, "trial 1 .* ends where it begins, at 2 s"),
        (
            {"start_time": [0, 2, 4, 1, 3, 5], "stop_time": [2, 4, 6, 3, 5, 7]},
            "not in order of time and overlap: .* does the clock jump back",
        ),
    ],
)
def test_trials_whose_order_or_length_is_not_known(
    tmp_path: Path, change: dict[str, list], message: str
) -> None:
    floats = {n: np.asarray(v, float) for n, v in change.items()}
    file = session(tmp_path / "a.nwb", trials=some_trials(6) | floats)
    with pytest.raises(InputError, match=message) as caught:
        read_nwb(file, columns=COLUMNS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ends", ["equal", "nan", "last is nan"])
def test_trials_without_ends_end_where_the_next_begins(tmp_path: Path, ends: str) -> None:
    trials = some_trials(6)
    stop = {"equal": trials["start_time"], "nan": np.full(6, np.nan),
            "last is nan": np.append(trials["stop_time"][:-1], np.nan)}[ends]  # fmt: skip
    side = np.array([0, 1, 1, 0, 1, 0])
    poke = trials["start_time"] + 0.6
    events = with_series(left=poke[side == 0], right=poke[side == 1], valve=poke[[0, 3]] + 0.1)
    file = session(tmp_path / "a.nwb", trials=trials | {"stop_time": stop}, add=events)
    cohort = read_nwb(file, columns=LOOKED_UP | {"t_end": "stop_time"})
    assert cohort.choice.values.tolist() == [side.tolist()]
    assert cohort.reward.values.tolist() == [[1, 0, 0, 1, 0, 0]]
    assert np.array_equal(cohort.t_end.values[0], stop, equal_nan=True)


def test_an_event_in_two_trials(tmp_path: Path) -> None:
    """Trials that overlap are read where no event is in doubt, and refused where one is."""
    trials = some_trials(4)
    trials["stop_time"] = trials["start_time"] + 2.5
    sides = {"left": [0.6, 4.6], "right": [2.6, 6.6]}
    file = session(tmp_path / "a.nwb", trials=trials, add=with_series(**sides, valve=[1.0]))
    assert read_nwb(file, columns=LOOKED_UP).choice.values.tolist() == [[0, 1, 0, 1]]
    doubtful = session(tmp_path / "b.nwb", trials=trials, add=with_series(**sides, valve=[2.2]))
    with pytest.raises(InputError, match=r"event 'valve' at 2.2 s lies in trial 0 and trial 1"):
        read_nwb(doubtful, columns=LOOKED_UP)
    narrow = {"choice": LOOKED_UP["choice"],
              "reward": {"happened": ["valve"], "before": "cue_time"}}  # fmt: skip
    assert read_nwb(doubtful, columns=narrow).reward.values.tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize("scale", [0.0, 1000.0])
def test_times_of_events_relative_to_the_trial_or_in_ms(tmp_path: Path, scale: float) -> None:
    trials = some_trials(20)
    trials["cue_time"] = trials["cue_time"] * scale if scale else np.full(20, 0.5)
    file = session(tmp_path / "a.nwb", trials=trials)
    with pytest.raises(InputError, match=r"t_cue: .* of 20 times in column 'cue_time' lie outside"):
        read_nwb(file, columns=COLUMNS)
    if scale:
        read = read_nwb(file, columns=COLUMNS, time_units={"cue_time": "ms"})
        assert read.t_cue.values[0] == pytest.approx(some_trials(20)["cue_time"])


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 12), shuffle=st.randoms(use_true_random=False))
def test_any_order_of_rows_is_put_right(n: int, shuffle: Any) -> None:
    order = list(range(n))
    shuffle.shuffle(order)
    start = 1.5 * np.array(order)
    columns = {"start": start, "stop": start + 1.0, "number": np.array(order),
               "name": np.array([f"t{k}" for k in order])}  # fmt: skip
    found = trials_in_order(Trials(columns, lambda name: np.empty(0), "start", "stop", "f", "t"))
    assert found.columns["number"].tolist() == list(range(n))
    assert found.columns["name"].tolist() == [f"t{k}" for k in range(n)]


# ---------------------------------------------------------------- edges of bins


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    ticks_per_s=st.sampled_from([1000, 30_000, 20_000, 32_000, 25_000]),
    origin=st.sampled_from([0, 1, 3600, 1_301_166, 1_700_000_000]),
    n_bins=st.integers(1, 8),
)
def test_spikes_on_edges_by_whole_numbers(
    seed: int, ticks_per_s: int, origin: int, n_bins: int
) -> None:
    """Spikes and events are ticks of a clock; counts are those of whole numbers, to the last."""
    rng = np.random.default_rng(seed)
    width = ticks_per_s // 20
    events = ticks_per_s * origin + np.sort(rng.integers(0, 60 * ticks_per_s, 20))
    on_edge = rng.choice(events, 60) + width * rng.integers(-2, n_bins + 2, 60)
    spikes = np.sort(np.concatenate([on_edge, on_edge + rng.integers(-3, 4, 60)]))
    first = -width * (n_bins // 2)
    expected = [
        [int(((spikes >= e + first + k * width) & (spikes < e + first + (k + 1) * width)).sum())
         for k in range(n_bins)]
        for e in events
    ]  # fmt: skip
    rate = align(
        spikes / ticks_per_s, events / ticks_per_s, bin_s=0.05,
        window=(first / ticks_per_s, (first + n_bins * width) / ticks_per_s),
    )  # fmt: skip
    assert (rate.values * 0.05).round().astype(int).tolist() == expected


# ---------------------------------------------------------------- absence


def test_gaps_in_a_signal_are_nan(tmp_path: Path) -> None:
    times = np.concatenate([np.arange(0, 4, 0.02), np.arange(9, 13, 0.02)])
    trials = some_trials(6)
    file = session(
        tmp_path / "a.nwb",
        trials=trials,
        add=with_series(dff=(times, np.where(times < 5, 1.0, 9.0))),
    )
    cohort = read_nwb(file, **HOW, signals="dff")
    expected = [1, 1, np.nan, np.nan, np.nan, 9]
    assert np.array_equal(cohort.activity.values[0, :, 0, 0], expected, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), begin=st.floats(1, 8), length=st.floats(0.5, 5))
def test_a_bin_is_nan_where_it_meets_a_gap_and_exact_elsewhere(
    seed: int, begin: float, length: float
) -> None:
    """The signal equals the time; jitter of samples is no gap."""
    rng = np.random.default_rng(seed)
    times = np.arange(0, 15, 0.05) + rng.uniform(-0.02, 0.02, 300)
    kept = times[(times <= begin) | (times >= begin + length)]
    last, first = kept[kept <= begin].max(), kept[kept >= begin + length].min()
    signal = xr.DataArray(kept, dims="time", coords={"time": kept})
    cut = align(signal, [5.0], window=(-4, 6), bin_s=0.25)
    middle = 5.0 + cut.time.values
    meets = (middle + 0.125 > last + 1e-6) & (middle - 0.125 < first - 1e-6)
    assert np.array_equal(np.isnan(cut.values[0]), meets)
    assert cut.values[0][~meets] == pytest.approx(middle[~meets], abs=1e-9)


def test_what_was_not_observed_is_nan(tmp_path: Path) -> None:
    """Unit 0 all the time, unit 1 in two stretches; also where spikes are aligned by hand."""
    trials = some_trials(6)
    spikes = np.sort(np.random.default_rng(0).uniform(0, 12, 80))
    units = [
        {"spike_times": spikes, "obs_intervals": [[0.0, 12.0]]},
        {"spike_times": spikes[spikes < 5], "obs_intervals": [[0.0, 2.0], [2.0, 4.7], [8.0, 12.0]]},
    ]
    file = session(tmp_path / "a.nwb", trials=trials, units=units)
    cohort = read_nwb(file, **HOW)
    rates = counted(spikes, trials["cue_time"], (0, 0.5))
    assert cohort.activity.values[0, :, 0, 0].tolist() == rates
    second = cohort.activity.values[0, :, 0, 1]
    assert np.isnan(second).tolist() == [False, False, True, True, False, False]
    assert second[[0, 1, 4, 5]].tolist() == [*rates[:2], 0, 0]
    cut = align(nwb_spikes(file), trials["cue_time"], window=(0, 0.5), bin_s=0.5)
    assert np.array_equal(cut.values[:, :, 0], cohort.activity.values[0, :, 0], equal_nan=True)
    given = align(
        {"a": spikes}, trials["cue_time"], window=(0, 0.5), bin_s=0.5, observed=[[0.0, 4.7]]
    )
    assert np.isnan(given.values.ravel()).tolist() == [False, False, True, True, True, True]


def test_intervals_of_observation_on_another_clock(tmp_path: Path) -> None:
    units = [{"spike_times": np.linspace(0, 12, 30), "obs_intervals": [[1000.0, 1012.0]]}]
    file = session(tmp_path / "a.nwb", trials=some_trials(6), units=units)
    with pytest.raises(InputError, match="no window around an event lies within the intervals"):
        read_nwb(file, **HOW)


@pytest.mark.parametrize(
    ("observed", "message"),
    [
        ([[3.0, 1.0]], "interval 0 .from 0. runs from 3 to 1, expected a beginning and a later"),
        ([1.0, 2.0], r"intervals have shape \(2,\), expected \(intervals, 2\)"),
        ({"b": [[0.0, 1.0]]}, "observed names unit 'b'; there are: a"),
    ],
)
def test_intervals_that_are_none(observed: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        align({"a": np.array([1.0])}, [1.0], window=(0, 1), bin_s=1, observed=observed)


# ---------------------------------------------------------------- other units of time


@pytest.mark.parametrize(("unit", "per_s"), [("ms", 1e3), ("us", 1e6)])
def test_spikes_in_another_unit_of_time_are_named_or_declared(
    tmp_path: Path, unit: str, per_s: float
) -> None:
    trials = some_trials(50)
    spikes = [np.sort(np.random.default_rng(k).uniform(0, 100, 300)) for k in range(2)]
    right = session(tmp_path / "a.nwb", trials=trials, units=[{"spike_times": s} for s in spikes])
    wrong = session(
        tmp_path / "b.nwb", trials=trials, units=[{"spike_times": s * per_s} for s in spikes]
    )
    with pytest.raises(InputError, match=f"unit '0': .* spikes look like {unit}, expected s; read"):
        read_nwb(wrong, **HOW)
    declared = read_nwb(wrong, **HOW, time_units={"spike_times": unit})
    assert np.array_equal(declared.activity, read_nwb(right, **HOW).activity)
    both = session(
        tmp_path / "c.nwb", trials=trials,
        units=[{"spike_times": spikes[0]}, {"spike_times": spikes[1] * per_s}],
    )  # fmt: skip
    with pytest.raises(InputError, match=f"unit '1': .* spikes look like {unit}"):
        read_nwb(both, **HOW)


def test_six_spikes_in_milliseconds_are_seen(tmp_path: Path) -> None:
    trials = some_trials(6)
    units = [{"spike_times": (trials["cue_time"] + 0.1) * 1000}]
    file = session(tmp_path / "a.nwb", trials=trials, units=units)
    with pytest.raises(InputError, match=r"unit '0': .* spikes look like ms"):
        read_nwb(file, **HOW)
    declared = read_nwb(file, **HOW, time_units={"spike_times": "milliseconds"})
    assert declared.activity.values.ravel().tolist() == [2.0] * 6


def test_a_whole_file_in_milliseconds(tmp_path: Path) -> None:
    trials = some_trials(30)
    spikes = np.sort(np.random.default_rng(0).uniform(0, 60, 200))
    right = session(tmp_path / "a.nwb", trials=trials, units=[{"spike_times": spikes}])
    scaled = {n: v * 1000 if n.endswith("_time") else v for n, v in trials.items()}
    wrong = session(tmp_path / "b.nwb", trials=scaled, units=[{"spike_times": spikes * 1000}])
    assert np.array_equal(
        read_nwb(wrong, **HOW, time_units="ms").activity, read_nwb(right, **HOW).activity
    )


@pytest.mark.parametrize(
    ("time_units", "message"),
    [
        ("minutes", "time_units: unit of time 'minutes' is not known; expected one of s, ms"),
        ({"spike_time": "ms"}, "time_units names 'spike_time', .* did you mean 'spike_times'"),
        ({"cue_time": "m"}, "time_units of 'cue_time': unit of time 'm' is not known"),
        (3, "time_units is 3, expected a unit, 'ms', or a mapping"),
    ],
)
def test_units_of_time_that_are_none(tmp_path: Path, time_units: Any, message: str) -> None:
    units = [{"spike_times": np.linspace(0, 12, 30)}]
    file = session(tmp_path / "a.nwb", trials=some_trials(6), units=units)
    with pytest.raises(InputError, match=message):
        read_nwb(file, **HOW, time_units=time_units)


def test_spikes_on_another_clock_and_units_lost_before_the_task() -> None:
    import neuro_metarl as nm

    cohort = nm.make_cohort(
        {"choice": [[0, 1, 0, 1]], "reward": [[1, 0, 0, 1]], "t_cue": [[100.0, 102, 104, 106]]},
        subject=["m1"], task="bandit", source="animal",
    )  # fmt: skip
    before, during = np.linspace(0, 50, 200), np.linspace(90, 120, 200)
    with pytest.raises(InputError, match="none of the 400 spikes lies between the first event and"):
        add_activity(cohort, {"a": before, "b": before}, events="cue")
    with pytest.warns(
        UserWarning, match=r"no spikes between .* of units a, which have spikes at ot"
    ):
        added = add_activity(cohort, {"a": before, "b": during}, events="cue")
    assert (added.activity.sel(unit="a") == 0).all()


@settings(max_examples=100, deadline=None)
@given(
    begin=st.floats(0, 5000), lead=st.floats(0, 3000), task=st.floats(60, 4000),
    tail=st.floats(0, 3000), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_recordings_in_seconds_are_never_taken_for_others(
    begin: float, lead: float, task: float, tail: float, seed: int
) -> None:
    """A task of a minute or more within any recording of hours, at any origin of the clock."""
    from neuro_metarl.io.clocks import check_spike_clock

    times = np.sort(np.random.default_rng(seed).uniform(begin, begin + lead + task + tail, 200))
    check_spike_clock(times, begin + lead, begin + lead + task, "unit")


def test_clocks_of_series_that_jump(tmp_path: Path) -> None:
    times = np.concatenate([np.arange(0, 8, 0.1), np.arange(4, 13, 0.1)])
    file = session(tmp_path / "a.nwb", trials=some_trials(6), add=with_series(dff=(times, times)))
    with pytest.raises(
        InputError, match=r"sample 80 .from 0. is not later than sample 79: does th"
    ):
        read_nwb(file, **HOW, signals="dff")
    assert nwb_series(file, "dff").sizes["time"] == len(times)


@pytest.mark.parametrize("scale", [1e3, 1e-3])
def test_events_in_another_unit_than_the_trials(tmp_path: Path, scale: float) -> None:
    """Pokes in ms are not "no response" on every trial."""
    trials = some_trials(40)
    poke = trials["start_time"] + 0.6
    sides = {"left": poke[::2] * scale, "right": poke[1::2] * scale, "valve": poke[::3] * scale}
    file = session(tmp_path / "a.nwb", trials=trials, add=with_series(**sides))
    with pytest.raises(InputError, match=r"event 'left': its times run from .* look like ms"):
        read_nwb(file, columns=LOOKED_UP)
    unit = dict.fromkeys(sides, "ms")
    if scale > 1:
        assert read_nwb(file, columns=LOOKED_UP, time_units=unit).choice.values.tolist() == [
            [0, 1] * 20
        ]


def test_events_and_signals_on_another_clock(tmp_path: Path) -> None:
    trials = some_trials(40)
    poke = trials["start_time"] + 0.6
    far = {n: poke + 5000 for n in ("left", "right", "valve")}
    file = session(
        tmp_path / "a.nwb", trials=trials, add=with_series(**far, dff=(poke + 500, poke))
    )
    with pytest.raises(InputError, match=r"none of the 40 events 'left' .* are both on one clock"):
        read_nwb(file, columns=LOOKED_UP)
    with pytest.raises(InputError, match="the signal has no value in any window around an event"):
        read_nwb(file, **HOW, signals="dff")


def test_spikes_that_are_counted_in_samples(tmp_path: Path) -> None:
    spikes = np.sort(np.random.default_rng(0).uniform(0, 100, 300))
    file = session(
        tmp_path / "a.nwb",
        trials=some_trials(50),
        units=[{"spike_times": np.round(spikes * 30_000)}],
    )
    with pytest.raises(InputError, match="spikes look like samples of 30 kHz, expected s; scale"):
        read_nwb(file, **HOW)
