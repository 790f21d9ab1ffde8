"""What is not plausible is named at the door, and what is ordinary is read without a word."""

from __future__ import annotations

import datetime as dt
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_metarl import concat_cohorts, make_cohort, read_nwb
from neuro_metarl.errors import InputError
from neuro_metarl.io import align
from neuro_metarl.io.binning import gaps_of
from neuro_metarl.io.clocks import check_reach, check_spike_clock, name_silence
from neuro_metarl.io.recorded import Reach
from tests.lab_recordings import COLUMNS, counted, session, some_trials

HOW: dict[str, Any] = {"columns": COLUMNS, "events": "cue"}
TIMES = ("start_time", "stop_time", "cue_time")


def poisson(seed: int, n: int, span: float, rate: float = 20.0, begin: float = 0.0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [np.sort(rng.uniform(begin, begin + span, int(rate * span))) for _ in range(n)]


def units(spikes: list[Any]) -> list[dict[str, Any]]:
    return [{"id": k, "spike_times": times} for k, times in enumerate(spikes)]


def series(name: str, data: Any, **clock: Any) -> Any:
    from pynwb import TimeSeries

    return lambda nwb: nwb.add_acquisition(TimeSeries(name, data=data, unit="a.u.", **clock))


# ---------------------------------------------------------------- units of time


@pytest.mark.parametrize("scale", [1e3, 1e6, 30_000.0])
def test_a_whole_file_in_another_unit_is_named(tmp_path: Path, scale: float) -> None:
    trials = some_trials(20)
    for name in TIMES:
        trials[name] = trials[name] * scale
    file = session(tmp_path / "a.nwb", trials=trials)
    with pytest.warns(UserWarning, match="begins every .* in ms or in samples"):
        read_nwb(file, columns=COLUMNS)


@pytest.mark.parametrize("length", [0.5, 20.0, 280.0])
def test_trials_of_minutes_are_read_without_a_word(tmp_path: Path, length: float) -> None:
    file = session(tmp_path / "a.nwb", trials=some_trials(20, length=length))
    read_nwb(file, columns=COLUMNS)


def test_a_day_of_spikes_and_a_short_task_are_read_where_seconds_are_declared(
    tmp_path: Path,
) -> None:
    trials, spikes = some_trials(20), poisson(0, 2, 86_400.0, 0.1)
    file = session(tmp_path / "a.nwb", trials=trials, units=units(spikes))
    with pytest.raises(InputError, match=r"look like ms.*or 's', where they are in s"):
        read_nwb(file, **HOW)
    cohort = read_nwb(file, **HOW, time_units={"spike_times": "s"})
    rates = cohort.activity.values[0, :, 0]
    assert rates[:, 1].tolist() == counted(spikes[1], trials["cue_time"], (0.0, 0.5))


def test_where_nothing_can_be_declared_nothing_of_the_kind_is_proposed() -> None:
    with pytest.raises(InputError) as error:
        check_spike_clock(np.linspace(0, 40_000, 50), 0.0, 40.0, "unit 'a'")
    assert "time_units" not in str(error.value)


# a signal of 40 s at 100 Hz or 1 kHz, and what its clock says
WRONG_CLOCKS = {
    "stamps in ms": {"timestamps": np.arange(4000) * 10.0},
    "1 Hz for 1 kHz": {"rate": 1.0, "starting_time": 0.0},
    "the step for the rate": {"rate": 0.01, "starting_time": 0.0},
}


@pytest.mark.parametrize("clock", WRONG_CLOCKS)
def test_signals_on_a_wrong_clock_are_refused(tmp_path: Path, clock: str) -> None:
    n = 40_000 if clock == "1 Hz for 1 kHz" else 4000
    file = session(
        tmp_path / "a.nwb", trials=some_trials(20),
        add=series("dff", np.arange(float(n)), **WRONG_CLOCKS[clock]),
    )  # fmt: skip
    with pytest.raises(InputError, match=r"its samples run from 0 to .* look like"):
        read_nwb(file, **HOW, signals="dff")


def test_stamps_in_ms_are_read_where_it_is_declared(tmp_path: Path) -> None:
    trials = some_trials(20)
    stamps = np.arange(4000) * 10.0
    file = session(tmp_path / "a.nwb", trials=trials, add=series("dff", stamps, timestamps=stamps))
    with pytest.raises(InputError, match=r"time_units=\{'dff': 'ms'\}"):
        read_nwb(file, **HOW, signals="dff")
    cohort = read_nwb(file, **HOW, signals="dff", time_units={"dff": "ms"})
    assert cohort.activity.values[0, :, 0, 0] == pytest.approx(1e3 * (trials["cue_time"] + 0.25))


@settings(max_examples=200, deadline=None)
@given(
    begin=st.floats(-1e4, 1e4), task=st.floats(1, 1e4), lead=st.floats(0, 1e4),
    tail=st.floats(0, 1e5), rate=st.floats(4, 3e4), width=st.floats(0.25, 2),
)  # fmt: skip
def test_signals_sampled_within_the_window_are_never_taken_for_others(
    begin: float, task: float, lead: float, tail: float, rate: float, width: float
) -> None:
    reach = Reach("x", np.array([begin - lead, begin + task + tail]), 1 / rate)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_reach([reach], (begin, begin + task), width)


def test_a_signal_slower_than_the_window_is_named() -> None:
    with pytest.warns(UserWarning, match="a sample every 5 s, the window is 0.5 s"):
        check_reach([Reach("x", np.array([0.0, 40.0]), 5.0)], (0.0, 40.0), 0.5)


def test_stamps_rounded_to_float32_are_told_so(tmp_path: Path) -> None:
    trials = some_trials(20)
    for name in TIMES:
        trials[name] = trials[name] + 20_000
    stamps = (20_000 + np.arange(40_000) / 1000).astype("float32").astype(float)
    file = session(tmp_path / "a.nwb", trials=trials, add=series("dff", stamps, timestamps=stamps))
    with pytest.raises(InputError, match="rounded to float32"):
        read_nwb(file, **HOW, signals="dff")


# ---------------------------------------------------------------- silence


@pytest.mark.parametrize("lost", ["end", "begin", "pause"])
def test_a_task_that_goes_on_without_a_recording_is_named(tmp_path: Path, lost: str) -> None:
    trials, spikes = some_trials(40), poisson(1, 3, 80.0)
    missing = {"end": (50, 99), "begin": (-1, 30), "pause": (30, 50)}[lost]
    spikes = [s[(s < missing[0]) | (s > missing[1])] for s in spikes]
    file = session(tmp_path / "a.nwb", trials=trials, units=units(spikes))
    with pytest.warns(UserWarning, match="no unit has a spike around .* events in a row"):
        read_nwb(file, **HOW)
    observed = [[0, missing[0]], [missing[1], 80]] if lost == "pause" else (
        [[0, 50]] if lost == "end" else [[30, 80]])  # fmt: skip
    said = [{**u, "obs_intervals": np.array(observed, float)} for u in units(spikes)]
    with_intervals = session(tmp_path / "b.nwb", trials=trials, units=said)
    rates = read_nwb(with_intervals, **HOW).activity.values[0, :, 0]
    cue = trials["cue_time"]
    outside = (cue + 0.5 > missing[0]) & (cue < missing[1])
    assert np.isnan(rates[outside]).all()
    assert np.isfinite(rates[~outside]).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n_units=st.integers(2, 30), rate=st.floats(0.05, 30))
def test_spikes_by_chance_are_no_silence(seed: int, n_units: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    together = rng.poisson(rate * 0.5, size=(2, 200, n_units)).sum(axis=2) / 0.5
    at = [np.arange(200) * 2.0, np.arange(200) * 2.0 + 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        name_silence(at, together, 0.5)


def test_a_day_without_units_among_others_is_nan(tmp_path: Path) -> None:
    spikes = poisson(2, 2, 40.0)
    first = session(tmp_path / "d0.nwb", trials=some_trials(20), units=units(spikes))
    second = session(tmp_path / "d1.nwb", trials=some_trials(20, seed=1), day=1)
    with pytest.warns(UserWarning, match=r"no units in .*d1\.nwb"):
        cohort = read_nwb([first, second], **HOW)
    alone = read_nwb(first, **HOW)
    assert np.array_equal(cohort.activity.values[0], alone.activity.values[0])
    assert np.isnan(cohort.activity.values[1]).all()
    with pytest.raises(InputError, match="holds no units"):
        read_nwb(second, **HOW)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), smooth_s=st.sampled_from([0.02, 0.1, 0.3]))
def test_smoothed_rates_do_not_sink_beside_what_was_not_observed(
    seed: int, smooth_s: float
) -> None:
    rng = np.random.default_rng(seed)
    spikes = np.sort(rng.uniform(0, 40, 40_000))
    observed = np.array([[0.0, 10.0], [20.0, 40.0]])
    seen = spikes[(spikes < 10) | (spikes > 20)]
    at = rng.uniform(2, 38, 40)
    how: dict[str, Any] = {"window": (0, 1), "bin_s": 0.5, "smooth_s": smooth_s}
    whole, part = align(spikes, at, **how), align(seen, at, **how, observed=observed)
    known = np.isfinite(part.values)
    # 2.3 % of the kernel lie beyond two standard deviations, on either side
    assert part.values[known] == pytest.approx(whole.values[known], rel=0.05)
    reach = 2 * smooth_s + 1e-6
    far = ((at > reach) & (at + 1 + reach < 10)) | ((at > 20 + reach) & (at + 1 + reach < 40))
    assert known[far].all()


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_intervals_of_observation_in_another_unit_are_refused(tmp_path: Path, scale: float) -> None:
    observed = np.array([[0, 10.0], [20.0, 40.0]])
    listed = units(poisson(5, 2, 40.0))
    for k, factor in enumerate((1.0, scale)):
        said = [{**u, "obs_intervals": observed * factor} for u in listed]
        file = session(tmp_path / f"{k}.nwb", trials=some_trials(20), units=said)
        if factor == 1:
            assert np.isnan(read_nwb(file, **HOW).activity.values[0, 5:10]).all()
            continue
        with pytest.raises(InputError, match=r"obs_intervals: its ends run .* look like"):
            read_nwb(file, **HOW)


# ---------------------------------------------------------------- signals that are no events


def toggles(kind: str) -> dict[str, Any]:
    stamps = np.arange(0, 40, 0.01)
    level = ((stamps % 4) < 0.1).astype(float)
    data = {"level": level, "zero": 0 * level, "position": np.stack([stamps, level], 1)}[
        kind.split()[0]
    ]
    clock = {"rate": 100.0, "starting_time": 0.0} if "rate" in kind else {"timestamps": stamps}
    return {"data": data, **clock}


@pytest.mark.parametrize(
    "kind", ["level stamps", "level rate", "zero rate", "position stamps", "position rate"]
)
def test_what_is_sampled_is_no_event(tmp_path: Path, kind: str) -> None:
    how = toggles(kind)
    file = session(
        tmp_path / "a.nwb", trials=some_trials(20), add=series("ttl", how.pop("data"), **how)
    )
    with pytest.raises(InputError, match=r"is a signal of 4000 samples, one every 0\.01 s"):
        read_nwb(file, columns={"choice": "choice", "reward": {"happened": ["ttl"]}})


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), codes=st.sampled_from([(0, 1), (1, 2, 3), (5,)]))
def test_codes_of_events_are_events(
    tmp_path_factory: pytest.TempPathFactory, seed: int, codes: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(seed)
    trials = some_trials(40)
    happened = rng.random(40) < 0.5
    happened[:2] = True, False
    times = trials["start_time"][happened] + rng.uniform(0.1, 1.5, happened.sum())
    data = rng.choice(codes, len(times)).astype(float)
    if len(times) > 2 and set(data) == {0, 1} and (np.diff(data) != 0).all():
        data[0] = data[1]
    file = tmp_path_factory.mktemp("x") / "a.nwb"
    session(file, trials=trials, add=series("valve", data, timestamps=times))
    cohort = read_nwb(file, columns={"choice": "choice", "reward": {"happened": ["valve"]}})
    assert (cohort.reward.values[0] == happened).all()


@pytest.mark.parametrize("by", ["timestamps", "rate"])
@pytest.mark.parametrize("level", [0.0, 30_000.0])
def test_a_signal_that_never_varies_is_a_signal(tmp_path: Path, by: str, level: float) -> None:
    stamps = np.arange(0, 41, 0.01)
    clock = {"rate": 100.0, "starting_time": 0.0} if by == "rate" else {"timestamps": stamps}
    data = np.full(len(stamps), level)
    file = session(
        tmp_path / "a.nwb", trials=some_trials(20),
        add=series("dff", data, conversion=1e-3, offset=2.0, **clock),
    )  # fmt: skip
    cohort = read_nwb(file, **HOW, signals="dff")
    assert cohort.activity.values.ravel() == pytest.approx(level * 1e-3 + 2)
    assert cohort.activity.attrs["units"] == "a.u."


# ---------------------------------------------------------------- uneven samples, gaps


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), pause=st.sampled_from([0.0, 5.0]))
def test_uneven_samples_are_no_gaps_and_pauses_are(seed: int, pause: float) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.exponential(0.01, 4000))
    times[2000:] += pause
    gaps = gaps_of(times)
    wide = gaps[(gaps[:, 1] - gaps[:, 0]) > 1.0]
    assert len(wide) == (pause > 0)
    assert len(gaps) - len(wide) <= 40  # steps of nine means and more: one in ten thousand


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), burst=st.integers(10, 200), jitter=st.floats(0, 0.3))
def test_pauses_between_even_samples_are_gaps(seed: int, burst: int, jitter: float) -> None:
    rng = np.random.default_rng(seed)
    steps = 0.01 * (1 + rng.uniform(-jitter, jitter, 1000))
    steps[burst::burst] = 1.0
    gaps = gaps_of(np.cumsum(steps))
    assert len(gaps) == len(steps[burst::burst])


# ---------------------------------------------------------------- who the units are


def test_one_electrode_per_unit_in_a_plain_column(tmp_path: Path) -> None:
    def electrodes(nwb: Any) -> None:
        device = nwb.create_device("probe")
        for area in ("OFC", "M1"):
            group = nwb.create_electrode_group(f"shank {area}", "x", area, device)
            nwb.add_electrode(location=area, group=group)

    listed = [{**u, "electrodes": [1 - k]} for k, u in enumerate(units(poisson(3, 2, 40.0)))]
    file = session(tmp_path / "a.nwb", trials=some_trials(20), units=listed, add=electrodes)
    ragged = read_nwb(file, **HOW)
    with h5py.File(file, "a") as nwb:
        del nwb["units/electrodes_index"]
    plain = read_nwb(file, **HOW)
    assert plain.identical(ragged)
    assert plain.area.values.tolist() == ["M1", "OFC"]


def one_day(session_id: str, recording: str, seed: int = 0, subject: str = "m") -> Any:
    rng = np.random.default_rng(seed)
    choice = np.append([0, 1], rng.integers(2, size=8))[None]
    return make_cohort(
        {"choice": choice, "reward": choice, "activity": rng.normal(size=(1, 10, 1, 2))},
        subject=[subject], session_id=[session_id], task="bandit", source="animal",
        coords={"event": ["cue"], "unit": ["0", "1"], "recording": ("unit", [recording] * 2)},
    )  # fmt: skip


def test_a_renamed_session_is_not_pooled_with_the_one_of_its_old_name() -> None:
    first, second = one_day("s", "s"), one_day("later", "s", seed=1)
    for pair in ([first, second], [second, first]):
        with pytest.raises(InputError, match=r"recording 's' .* session 'later'.*\['later'\] \* 2"):
            concat_cohorts(pair)
    followed = second.assign_coords(recording=("unit", ["later"] * 2))
    assert concat_cohorts([first, followed]).sizes["unit"] == 4
    assert concat_cohorts([first, second], same_units=True).sizes["unit"] == 2
    other = one_day("later", "s", subject="n")
    assert concat_cohorts([first, other]).sizes["unit"] == 4


def test_sessions_of_one_recording_and_parts_of_a_joined_cohort_still_join() -> None:
    morning, evening = one_day("d/0", "d"), one_day("d/1", "d", seed=1)
    assert concat_cohorts([morning, evening]).sizes["unit"] == 2
    joined = concat_cohorts([one_day("a", "a"), one_day("b", "b", seed=1)])
    again = concat_cohorts([joined.isel(session=[0]), joined.isel(session=[1])])
    assert again.identical(joined)


def test_two_days_of_one_name_join_once_the_advice_is_followed() -> None:
    first, second = one_day("0", "0"), one_day("0", "0", seed=1)
    with pytest.raises(InputError, match="with different trials") as error:
        concat_cohorts([first, second])
    assert 'recording=("unit", ["day1"] * 2)' in str(error.value)
    days = [
        one.assign_coords(session_id=("session", [day]), recording=("unit", [day] * 2))
        for day, one in (("day1", first), ("day2", second))
    ]
    assert concat_cohorts(days).sizes["unit"] == 4


def test_units_of_two_animals_are_never_pooled_whatever_their_recordings_are_called() -> None:
    first, second = one_day("a", "probe"), one_day("b", "probe", seed=1, subject="n")
    pair = concat_cohorts([first, second])
    third = one_day("c", "probe", seed=2, subject="n")
    assert pair.sizes["unit"] == 4
    both = concat_cohorts([concat_cohorts([third, second]), first])
    assert both.sizes["unit"] == 4
    known = np.isfinite(both.activity.values[:, 0, 0])
    for subject, mine in (("m", [False, False, True]), ("n", [True, True, False])):
        assert (known[both.subject.values == subject].any(axis=0)).sum() == 2, subject
        assert (both.subject.values == subject).tolist() == mine


def test_what_is_said_of_a_unit_twice_is_shown() -> None:
    morning, evening = one_day("d/0", "d"), one_day("d/1", "d", seed=1)
    with pytest.raises(InputError, match="area of unit '1' is B in one cohort and C in another"):
        concat_cohorts(
            [
                morning.assign_coords(area=("unit", ["A", "B"])),
                evening.assign_coords(area=("unit", ["A", "C"])),
            ]
        )


# ---------------------------------------------------------------- Neo


def test_segments_whose_dates_name_a_zone_and_segments_whose_dates_do_not() -> None:
    neo = pytest.importorskip("neo")
    import quantities as pq

    from neuro_metarl.io import from_neo

    block = neo.Block(name="m")
    for name, began in {
        "later": dt.datetime(2024, 1, 2, tzinfo=dt.UTC),
        "earlier": dt.datetime(2024, 1, 1),
    }.items():
        segment = neo.Segment(name=name, rec_datetime=began)
        segment.epochs.append(neo.Epoch([0, 2, 4] * pq.s, [2, 2, 2] * pq.s, name="trials"))
        for label, times in {"left": [0.5, 4.5], "right": [2.5], "valve": [1.0]}.items():
            segment.events.append(neo.Event(times * pq.s, labels=[label] * len(times), name=label))
        block.segments.append(segment)
    columns = {"choice": {"which": {"left": 0, "right": 1}}, "reward": {"happened": ["valve"]}}
    assert from_neo(block, columns=columns).session_id.values.tolist() == ["earlier", "later"]


def test_irregular_samples_are_read() -> None:
    neo = pytest.importorskip("neo")
    import quantities as pq

    from neuro_metarl.io import from_neo

    segment = neo.Segment(name="s")
    start = np.arange(20) * 2.0
    segment.epochs.append(neo.Epoch(start * pq.s, np.full(20, 2.0) * pq.s, name="trials"))
    for label, times in {"left": start[::2] + 0.5, "right": start[1::2] + 0.5,
                         "valve": start[::3] + 1}.items():  # fmt: skip
        segment.events.append(neo.Event(times * pq.s, labels=[label] * len(times), name=label))
    times = np.sort(np.random.default_rng(0).uniform(0, 42, 4200))
    segment.irregularlysampledsignals.append(
        neo.IrregularlySampledSignal(times * pq.s, (times * 1e3)[:, None], units="mV", name="lfp")
    )
    block = neo.Block(name="m")
    block.segments.append(segment)
    cohort = from_neo(
        block, columns={"choice": {"which": {"left": 0, "right": 1}},
                        "reward": {"happened": ["valve"]}},
        events={"outcome": "valve"}, signals="lfp",
    )  # fmt: skip
    assert cohort.activity.values[0, ::3, 0, 0] == pytest.approx(1e3 * (start[::3] + 1.25))
