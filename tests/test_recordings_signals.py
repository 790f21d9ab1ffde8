"""Signals and places: scales, orientation, intervals, links, tables, slices, arguments."""

from __future__ import annotations

import os
import re
import tracemalloc
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_metarl as nm
from neuro_metarl.errors import InputError
from neuro_metarl.io import (
    align,
    linked_files,
    nwb_clock,
    nwb_columns,
    nwb_series,
    nwb_signals,
    read,
    read_nwb,
)
from tests.lab_recordings import COLUMNS, DAY, session, some_trials

HOW: dict[str, Any] = {"columns": COLUMNS, "events": "cue", "window": (0, 0.5)}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def one_series(folder: Path, series: Any) -> Path:
    return session(
        folder / "a.nwb",
        trials=some_trials(6),
        add=lambda nwb: nwb.add_acquisition(series(nwb)),
    )


# ---------------------------------------------------------------- scales


def electrodes(nwb: Any, n: int) -> Any:
    device = nwb.create_device("d")
    group = nwb.create_electrode_group("g", "x", "PFC", device)
    for k in range(n):
        nwb.add_electrode(group=group, location=f"area{k}")
    return nwb.create_electrode_table_region(list(range(n))[::-1], "all")


def test_scale_of_each_channel(tmp_path: Path) -> None:
    """Data times conversion times channel_conversion plus offset, as the schema has it."""

    def lfp(nwb: Any) -> Any:
        from pynwb.ecephys import ElectricalSeries

        raw = np.stack([np.arange(1300), np.full(1300, 100)], axis=1).astype("int16")
        return ElectricalSeries(
            "lfp", raw, electrodes(nwb, 2), rate=100.0, starting_time=0.0, conversion=1e-3,
            offset=0.5, channel_conversion=[1.0, 10.0],
        )  # fmt: skip

    file = one_series(tmp_path, lfp)
    found = nwb_series(file, "lfp").values
    assert found == pytest.approx(
        np.stack([np.arange(1300) * 1e-3 + 0.5, np.full(1300, 100 * 1e-3 * 10 + 0.5)], axis=1)
    )
    cohort = read_nwb(file, **HOW, signals="lfp")
    assert cohort.activity.values[0, 0, 0] == pytest.approx([0.075 + 0.5, 1.5])
    assert cohort.unit.values.tolist() == ["lfp_1", "lfp_0"]
    assert cohort.area.values.tolist() == ["area1", "area0"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conversion": np.nan}, "series 'x': conversion is nan, offset 0.0, expected finite"),
        ({"rate": 0.0}, "series 'x': its rate is 0.0, expected samples per s above 0"),
        ({"time_unit": "fortnights"}, "series 'x': unit of time 'fortnights' is not known"),
    ],
)
def test_metadata_that_make_no_sense(tmp_path: Path, change: dict, message: str) -> None:
    file = tmp_path / "a.nwb"
    with h5py.File(file, "w") as nwb:
        nwb["acquisition/x/data"] = np.arange(5.0)
        nwb["acquisition/x/data"].attrs["conversion"] = change.get("conversion", 1.0)
        nwb["acquisition/x/starting_time"] = 0.0
        nwb["acquisition/x/starting_time"].attrs["rate"] = change.get("rate", 1.0)
        nwb["acquisition/x/starting_time"].attrs["unit"] = change.get("time_unit", "seconds")
    with pytest.raises(InputError, match=message):
        nwb_series(file, "x")


def test_timestamps_that_say_they_are_in_ms(tmp_path: Path) -> None:
    file = tmp_path / "a.nwb"
    with h5py.File(file, "w") as nwb:
        nwb["acquisition/x/timestamps"] = [500.0, 1500.0]
        nwb["acquisition/x/timestamps"].attrs["unit"] = "milliseconds"
        nwb["acquisition/x/data"] = [1.0, 1.0]
    assert nwb_series(file, "x").time.values.tolist() == [0.5, 1.5]


# ---------------------------------------------------------------- orientation


@pytest.mark.parametrize("by", ["rate", "timestamps"])
@pytest.mark.parametrize("turned", [False, True])
def test_regions_of_interest_either_way_round(tmp_path: Path, by: str, turned: bool) -> None:
    def dff(nwb: Any) -> Any:
        from pynwb.ophys import ImageSegmentation, OpticalChannel, RoiResponseSeries

        plane = nwb.create_imaging_plane(
            "p", OpticalChannel("c", "x", 500.0), "x", nwb.create_device("d"), 900.0, "GCaMP", "V1",
            imaging_rate=10.0,
        )  # fmt: skip
        segmentation = ImageSegmentation()
        table = segmentation.create_plane_segmentation("rois", plane, "ps")
        for k in range(4):
            table.add_roi(pixel_mask=[(k, k, 1.0)], id=10 + k)
        nwb.create_processing_module("ophys", "x").add(segmentation)
        time = np.arange(130) / 10
        values = 100 * np.arange(4)[None] + time[:, None]
        clock = {"rate": 10.0} if by == "rate" else {"timestamps": time}
        return RoiResponseSeries(
            name="dff", data=values, unit="a.u.",
            rois=table.create_roi_table_region("all", region=[0, 1, 2, 3]), **clock,
        )  # fmt: skip

    file = one_series(tmp_path, dff)
    if turned:
        with h5py.File(file, "a") as nwb:
            values = nwb["acquisition/dff/data"][()]
            del nwb["acquisition/dff/data"]
            nwb["acquisition/dff/data"] = values.T
    cohort = read_nwb(file, **HOW, signals="dff")
    assert cohort.unit.values.tolist() == ["dff_10", "dff_11", "dff_12", "dff_13"]
    assert cohort.area.values.tolist() == ["V1"] * 4
    expected = cohort.t_cue.values[0][:, None] + 0.25 + 100 * np.arange(4)
    assert cohort.activity.values[0, :, 0] == pytest.approx(expected, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 40), n_channels=st.integers(1, 6), turned=st.booleans(),
       says=st.sampled_from(["timestamps", "control", "rois", "nothing"]))  # fmt: skip
def test_orientation_is_known_or_refused(
    tmp_path_factory: pytest.TempPathFactory, n: int, n_channels: int, turned: bool, says: str
) -> None:
    values = np.arange(n * n_channels, dtype=float).reshape(n, n_channels)
    file = tmp_path_factory.mktemp("x") / "a.nwb"
    with h5py.File(file, "w") as nwb:
        group = nwb.create_group("acquisition/x")
        group["data"] = values.T if turned else values
        if says == "timestamps":
            group["timestamps"] = np.arange(float(n))
        else:
            group["starting_time"] = 0.0
            group["starting_time"].attrs["rate"] = 1.0
        if says == "control":
            group["control"] = np.zeros(n, "uint8")
        if says == "rois":
            group["rois"] = np.arange(n_channels)
    square = n == n_channels
    wide = n < n_channels
    one_row = n_channels == 1 and turned  # one sample of many channels is no series
    if says == "nothing" and (wide != turned) and not square and not one_row:
        with pytest.raises(InputError, match="nothing says which of these is time"):
            nwb_series(file, "x")
    elif not square and not (says == "nothing" and turned and not one_row):
        assert np.array_equal(nwb_series(file, "x").values, values)


# ---------------------------------------------------------------- intervals and events


def test_of_intervals_the_beginnings_count(tmp_path: Path) -> None:
    """On and off: two licks per s, not four."""

    def licks(nwb: Any) -> Any:
        from pynwb.misc import IntervalSeries

        on = np.arange(0, 12, 0.5)
        times = np.stack([on, on + 0.1], axis=1).ravel()
        return IntervalSeries("licks", data=np.tile([1, -1], 24).astype("int8"), timestamps=times)

    file = one_series(tmp_path, licks)
    times = nwb_series(file, "licks").time.values
    assert times.tolist() == np.arange(0, 12, 0.5).tolist()
    assert (align(times, [2.0], window=(0, 2), bin_s=1).values == 2).all()
    columns = COLUMNS | {"t_lick": {"first": ["licks"], "after": "cue_time"}}
    cohort = read_nwb(file, columns=columns, events="cue", window=(0, 1), signals="licks")
    assert np.array_equal(cohort.t_lick, cohort.t_cue)
    assert (cohort.activity.values == 2).all()
    assert cohort.activity.attrs["units"] == "1/s"


@pytest.mark.parametrize("off", [0, -1])
def test_on_and_off_in_a_plain_series(tmp_path: Path, off: int) -> None:
    """An event is looked for among the beginnings: the end of the first is no poke."""

    def pokes(nwb: Any) -> Any:
        from pynwb import TimeSeries

        times = np.array([0.7, 1.2, 4.7, 5.2])
        return TimeSeries("poke", data=np.array([1, off, 1, off]), timestamps=times, unit="a.u.")

    columns = COLUMNS | {"t_poke": {"first": ["poke"]},
                         "t_late": {"first": ["poke"], "after": "late"}}  # fmt: skip
    trials = some_trials(6)
    trials["late"] = trials["start_time"] + 1.0
    file = session(
        tmp_path / "a.nwb", trials=trials, add=lambda nwb: nwb.add_acquisition(pokes(nwb))
    )
    cohort = read_nwb(file, columns=columns)
    assert nwb_series(file, "poke").sizes["time"] == (2 if off == -1 else 4)
    assert cohort.t_poke.values[0, [0, 2]].tolist() == [0.7, 4.7]
    assert np.isnan(cohort.t_late.values).all()


def test_codes_of_two_spouts_are_all_events(tmp_path: Path) -> None:
    """0 and 1 that do not alternate say which spout it was: no lick is lost."""

    def licks(nwb: Any) -> Any:
        from pynwb import TimeSeries

        times = 2.0 * np.arange(6) + 0.7
        return TimeSeries("lick", data=np.array([0, 0, 1, 0, 1, 1]), timestamps=times, unit="a.u.")

    columns = COLUMNS | {"t_lick": {"first": ["lick"]}}
    cohort = read_nwb(one_series(tmp_path, licks), columns=columns)
    assert cohort.t_lick.values[0] == pytest.approx(2.0 * np.arange(6) + 0.7)


def test_series_of_one_name_and_series_of_text(tmp_path: Path) -> None:
    def add(nwb: Any) -> None:
        from pynwb import TimeSeries
        from pynwb.misc import AnnotationSeries

        time = np.arange(0, 13, 0.1)
        nwb.add_acquisition(TimeSeries("dff", data=time, timestamps=time, unit="a"))
        module = nwb.create_processing_module("ophys", "x")
        module.add(TimeSeries("dff", data=2 * time, timestamps=time, unit="a"))
        nwb.add_acquisition(AnnotationSeries("notes", data=["a", "b"], timestamps=[1.0, 2.0]))

    file = session(tmp_path / "a.nwb", trials=some_trials(6), add=add)
    both = ["acquisition/dff", "processing/ophys/dff"]
    cohort = read_nwb(file, **HOW, signals=both)
    assert cohort.unit.values.tolist() == both
    assert cohort.activity.values[0, 1, 0] == pytest.approx([2.75, 5.5])
    with pytest.raises(InputError, match="several time series 'dff'; name one of acquisition/dff"):
        read_nwb(file, **HOW, signals="dff")
    with pytest.raises(InputError, match="series 'notes' holds text, expected numbers"):
        read_nwb(file, **HOW, signals="notes")


def test_trials_that_are_a_table_of_events_are_ordered_by_its_timestamps(tmp_path: Path) -> None:
    def add(nwb: Any) -> None:
        from pynwb.event import EventsTable

        table = EventsTable(name="choices", description="x")
        table.add_column("side", "x")
        table.add_column("won", "x")
        for k in (3, 0, 2, 1):
            table.add_row(timestamp=2.0 * k + 0.7, side=k % 2, won=float(k > 1))
        nwb.add_events_table(table)

    file = session(tmp_path / "a.nwb", trials=some_trials(6), add=add)
    columns = {"choice": "side", "reward": "won", "t_choice": "timestamp"}
    cohort = read_nwb(file, columns=columns, trials="choices")
    assert cohort.choice.values.tolist() == [[0, 1, 0, 1]]
    assert cohort.reward.values.tolist() == [[0, 0, 1, 1]]


def test_a_folder_for_each_subject(tmp_path: Path) -> None:
    for k, subject in enumerate("ab"):
        session(
            tmp_path / f"sub-{subject}" / f"sub-{subject}_ses-1.nwb", trials=some_trials(5, seed=k),
            subject=subject, day=k,
        )  # fmt: skip
    assert read_nwb(tmp_path, columns=COLUMNS).subject.values.tolist() == ["a", "b"]


def test_a_sampled_signal_is_no_event(tmp_path: Path) -> None:
    def signal(nwb: Any) -> Any:
        from pynwb import TimeSeries

        return TimeSeries("dff", data=np.sin(np.arange(130)), rate=10.0, unit="a.u.")

    columns = COLUMNS | {"t_x": {"first": ["dff"]}}
    with pytest.raises(
        InputError, match=r"'dff' is a signal of 130 samples, one every 0\.1 s, not events"
    ):
        read_nwb(one_series(tmp_path, signal), columns=columns)


def test_tables_of_events_and_labels(tmp_path: Path) -> None:
    """Core tables of events, by their name, by the text of a column; annotations by their text."""

    def add(nwb: Any) -> None:
        from pynwb.event import EventsTable
        from pynwb.misc import AnnotationSeries

        table = EventsTable(name="pokes", description="x")
        table.add_column("port", "x")
        for k, side in enumerate("LRRLRL"):
            table.add_row(timestamp=2.0 * k + 0.7, port={"L": "left", "R": "right"}[side])
        nwb.add_events_table(table)
        notes = AnnotationSeries(
            "notes", data=["valve", "noise", "valve"], timestamps=[1.0, 2.0, 9.0]
        )
        nwb.add_acquisition(notes)

    file = session(tmp_path / "a.nwb", trials=some_trials(6), add=add)
    columns = {"choice": {"which": {"left": 0, "right": 1}}, "reward": {"happened": ["valve"]},
               "t_poke": {"first": ["pokes"]}}  # fmt: skip
    cohort = read_nwb(file, columns=columns)
    assert cohort.choice.values.tolist() == [[0, 1, 1, 0, 1, 0]]
    assert cohort.reward.values.tolist() == [[1, 0, 0, 0, 1, 0]]
    assert cohort.t_poke.values[0] == pytest.approx(2.0 * np.arange(6) + 0.7)
    assert nwb_series(file, "pokes").time.values == pytest.approx(2.0 * np.arange(6) + 0.7)
    with pytest.raises(InputError, match="no time series 'vavle'; did you mean 'valve'"):
        read_nwb(file, columns=columns | {"reward": {"happened": ["vavle"]}})


# ---------------------------------------------------------------- where things live


def test_columns_that_are_called_index(tmp_path: Path) -> None:
    trials = some_trials(
        6, block_index=np.arange(6), image_index=[0, 1] * 3, block=np.arange(6) // 3
    )
    file = session(tmp_path / "a.nwb", trials=trials)
    assert {"block_index", "image_index", "block"} <= set(nwb_columns(file))
    cohort = read_nwb(file, columns={"choice": "image_index", "reward": "reward"})
    assert cohort.choice.values.tolist() == [[0, 1] * 3]


def test_ragged_columns_are_left_out(tmp_path: Path) -> None:
    def ragged(nwb: Any) -> None:
        nwb.add_trial_column("licks", "x", index=True, data=[[0.1], [], [0.2, 0.3], [], [], []])

    from pynwb import NWBHDF5IO

    file = tmp_path / "a.nwb"
    session(tmp_path / "plain.nwb", trials=some_trials(6))
    with NWBHDF5IO(tmp_path / "plain.nwb", "r") as io:
        nwb = io.read()
        ragged(nwb)
        nwb.set_modified()
        with NWBHDF5IO(file, "w") as out:
            out.export(src_io=io, nwbfile=nwb)
    assert not {"licks", "licks_index"} & set(nwb_columns(file))


def bare_file() -> Any:
    """Trials in memory, to which other things can be added."""
    from pynwb import NWBFile
    from pynwb.file import Subject

    trials = some_trials(6)
    nwb = NWBFile("test", "bare", DAY)
    nwb.subject = Subject(subject_id="m1", species="Mus musculus", sex="U", age="P0D/")
    for name in ("choice", "reward", "cue_time"):
        nwb.add_trial_column(name, name)
    for k in range(6):
        nwb.add_trial(**{n: v[k] for n, v in trials.items()})
    return nwb


def test_series_behind_links(tmp_path: Path) -> None:
    """To another file, within the file, and to a file that is not there."""
    from pynwb import NWBHDF5IO, TimeSeries, get_manager

    time = np.arange(0, 13, 0.02)
    data = one_series(tmp_path, lambda nwb: TimeSeries("dff", data=time, timestamps=time, unit="a"))
    data = data.rename(tmp_path / "data.nwb")
    linked, manager = tmp_path / "linked.nwb", get_manager()
    with (
        NWBHDF5IO(data, "r", manager=manager) as io,
        NWBHDF5IO(linked, "w", manager=manager) as out,
    ):
        nwb = bare_file()
        nwb.add_acquisition(io.read().acquisition["dff"])
        out.write(nwb, link_data=True)
    with h5py.File(linked, "a") as nwb:
        nwb["processing/ophys/same"] = h5py.SoftLink("/acquisition/dff")
    expected = some_trials(6)["cue_time"] + 0.25
    for name in ("dff", "same", "processing/ophys/same"):
        with linked_files():
            found = read_nwb(linked, **HOW, signals=name).activity.values.ravel()
        assert found == pytest.approx(expected, abs=1e-5)
    with pytest.raises(InputError, match=r"'acquisition/dff' is taken from another file \(data"):
        read_nwb(linked, **HOW, signals="dff")
    os.rename(data, tmp_path / "elsewhere.nwb")
    with (
        linked_files(),
        pytest.raises(
            InputError, match=r"'dff' is a link to data\.nwb:/acquisition/dff, which is n"
        ),
    ):
        read_nwb(linked, **HOW, signals="dff")


def test_trials_in_a_processing_module(tmp_path: Path) -> None:
    def table(nwb: Any) -> None:
        from pynwb.epoch import TimeIntervals

        found = TimeIntervals(name="behavior_trials", description="x")
        for name in ("choice", "reward", "cue_time"):
            found.add_column(name, name)
        for k in range(4):
            found.add_row(start_time=2.0 * k, stop_time=2.0 * k + 2, choice=k % 2,
                          reward=float(k < 2), cue_time=2.0 * k + 0.5)  # fmt: skip
        nwb.create_processing_module("behavior", "x").add(found)

    file = session(tmp_path / "a.nwb", trials=some_trials(6), add=table)
    for name in ("behavior_trials", "processing/behavior/behavior_trials"):
        cohort = read_nwb(file, columns=COLUMNS, trials=name)
        assert cohort.choice.values.tolist() == [[0, 1, 0, 1]]
    with pytest.raises(InputError, match=r"'intervals/x' is missing; .* there are: .*behavior_tri"):
        read_nwb(file, columns=COLUMNS, trials="x")


def test_codes_with_a_list_of_their_meanings(tmp_path: Path) -> None:
    """EnumData: the file says that 0 is right and 1 is left; numbers alone would be turned."""
    file = session(tmp_path / "a.nwb", trials=some_trials(6))
    with h5py.File(file, "a") as nwb:
        table = nwb["intervals/trials"]
        table["side"] = np.array([0, 1, 1, 0, 0, 1], "uint8")
        table["side_elements"] = ["right", "left"]
        table["side"].attrs["neurodata_type"] = "EnumData"
        table["side"].attrs["elements"] = table["side_elements"].ref
    assert nwb_columns(file)["side"].tolist() == ["right", "left", "left", "right", "right", "left"]


def test_formats_that_are_told_what_they_are(tmp_path: Path) -> None:
    cohort = nm.make_cohort(
        {"choice": [[0, 1]], "reward": [[1, 0]]}, subject=["a"], task="b", source="animal"
    )
    cohort.to_netcdf(tmp_path / "a.nwb", engine="scipy", format="NETCDF3_64BIT")
    with pytest.raises(InputError, match=r"a\.nwb: is netCDF 3, expected NWB 2 in HDF5"):
        read_nwb(tmp_path / "a.nwb", columns=COLUMNS)
    for name in ("b.nwb", "c.nwb.zarr"):
        store = tmp_path / name
        store.mkdir()
        (store / ".zgroup").write_text('{"zarr_format": 2}')
        for verb in (read, read_nwb):
            with pytest.raises(
                InputError, match="is NWB in Zarr, which is not read; save it as HD"
            ):
                verb(store, columns=COLUMNS)
    with h5py.File(tmp_path / "old.nwb", "w") as nwb:
        nwb["nwb_version"] = "NWB-1.0.6"
    with pytest.raises(InputError, match=r"old\.nwb: is NWB-1\.0\.6, expected NWB 2; convert it"):
        read_nwb(tmp_path / "old.nwb", columns=COLUMNS)
    file = session(tmp_path / "d.nwb", trials=some_trials(6)).rename(tmp_path / "d.h5")
    columns = {"choice": "choice", "reward": "reward"}
    found = read(file, columns=columns, task="bandit")
    assert found.identical(read_nwb(file, columns=columns))


# ---------------------------------------------------------------- declared and used


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"signals": "dff"}, "signals says how activity is taken around events, but events names"),
        ({"window": (0, 1)}, "window says how activity is taken around events, but events names"),
        ({"smooth_s": 0.1}, "smooth_s says how activity is taken around events, but events names"),
        ({"units": "x"}, "units says how activity is taken around events, but events names none"),
        ({"events": ["cue", "cue"]}, "event 'cue' is named twice in events"),
        ({"events": "cue", "signals": ["a", "a"]}, "series 'a' is named twice in signals"),
        ({"events": "cue", "signals": "a", "units": "b"}, "of signals or of units; name one"),
        ({"events": "cue", "smooth_s": -1}, "smooth_s is -1, expected a width in s above 0"),
        ({"events": "cue", "smooth_s": 0}, "smooth_s is 0, expected a width in s above 0"),
        ({"events": "cue", "window": (0, 0)}, r"window is \(0, 0\), expected two times in s"),
        ({"events": "cue", "window": (0, 1, 2)}, r"window is \(0, 1, 2\), expected two times"),
        ({"events": "cue", "window": 0.5}, r"window is 0.5, expected two times in s, \(0, 0.5\)"),
        ({"events": ""}, "no times of event '': there are: cue"),
    ],
)
def test_arguments_are_used_or_refused(tmp_path: Path, how: dict, message: str) -> None:
    units = [{"spike_times": np.linspace(0, 12, 30)}]
    file = session(tmp_path / "a.nwb", trials=some_trials(6), units=units)
    with pytest.raises(InputError, match=message):
        read_nwb(file, columns=COLUMNS, **how)


# ---------------------------------------------------------------- slices


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6), stamped=st.booleans(), turned=st.booleans(),
    smooth=st.sampled_from([None, 0.1]), limit=st.integers(20, 3000), block=st.integers(5, 500),
)  # fmt: skip
def test_slices_give_what_the_whole_gives(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int, stamped: bool, turned: bool, smooth: float | None, limit: int, block: int,
) -> None:  # fmt: skip
    """Windows in any order, overlapping, beyond the ends, across a gap, or missing."""
    rng = np.random.default_rng(seed)
    n = 900
    times = np.arange(n) * 0.02 + 1.0
    if stamped:
        times[500:] += 3.0
    values = np.cumsum(rng.normal(size=(n, 3)), axis=0)
    file = tmp_path_factory.mktemp("x") / "a.nwb"
    with h5py.File(file, "w") as nwb:
        group = nwb.create_group("acquisition/x")
        group["data"] = values.T if turned else values
        group["channel_conversion"] = [1.0, 2.0, 3.0]
        if stamped:
            group["timestamps"] = times
        else:
            group["starting_time"] = 1.0
            group["starting_time"].attrs["rate"] = 50.0
    at = np.append(rng.uniform(0, 24, 20), np.nan)
    edges = np.array([-0.3, 0.4])
    with h5py.File(file) as nwb:
        series = nwb_signals.find_series(nwb, "x", file)
        assert series is not None
        whole = series.means(at, edges, smooth)
        with (
            mock.patch.object(nwb_signals, "WHOLE", limit),
            mock.patch.object(nwb_clock, "WHOLE", limit),
            mock.patch.object(nwb_clock, "BLOCK", block),
        ):
            sliced = series.means(at, edges, smooth)
    assert np.array_equal(np.isnan(whole), np.isnan(sliced))
    assert np.allclose(whole, sliced, rtol=0, atol=1e-9, equal_nan=True)
    assert np.isfinite(whole).any() or smooth


def test_two_windows_of_half_an_hour_of_64_channels(tmp_path: Path) -> None:
    """Of 7 GB, as floats, a few MB are read."""
    file = tmp_path / "huge.nwb"
    with h5py.File(file, "w") as nwb:
        nwb["general/subject/subject_id"] = "m1"
        for name, values in some_trials(6).items():
            nwb[f"intervals/trials/{name}"] = values
        group = nwb.create_group("acquisition/lfp")
        data = group.create_dataset(
            "data", (14_000_000, 64), "int16", chunks=(100_000, 8), compression="gzip"
        )
        data[:100_000] = np.arange(100_000)[:, None] // 10
        data.attrs["conversion"] = 1e-3
        group["starting_time"] = 0.0
        group["starting_time"].attrs["rate"] = 10_000.0
    tracemalloc.start()
    cohort = read_nwb(file, **HOW, signals="lfp")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6
    expected = np.where(cohort.t_cue.values[0] < 9, cohort.t_cue.values[0] + 0.25, 0)
    assert cohort.activity.values[0, :4, 0, 63] == pytest.approx(expected[:4], abs=1e-3)


# ---------------------------------------------------------------- the inspector's checks


def test_the_table_of_checks_names_checks_that_there_are() -> None:
    """Every check that the page names exists; every critical one about data is on the page."""
    nwbinspector = pytest.importorskip("nwbinspector")
    page = (Path(__file__).parents[1] / "docs/interchange.md").read_text()
    table = page.split("what the reader does |")[1].split("The other checks")[0]
    named = set(re.findall(r"check_\w+", table))
    known = {check.__name__: check.importance.name for check in nwbinspector.available_checks}
    assert named <= set(known)
    critical = {name for name, importance in known.items() if importance == "CRITICAL"}
    about_data = {n for n in critical if not re.search(r"image|name|slash|sweep|date|subject", n)}
    assert about_data <= named, about_data - named


def test_regions_that_name_rows_that_are_not_there(tmp_path: Path) -> None:
    def lfp(nwb: Any) -> Any:
        from pynwb.ecephys import ElectricalSeries

        return ElectricalSeries("lfp", np.zeros((130, 2)), electrodes(nwb, 2), rate=10.0)

    file = one_series(tmp_path, lfp)
    with h5py.File(file, "a") as nwb:
        nwb["acquisition/lfp/electrodes"][:] = [0, 7]
    with pytest.raises(InputError, match=r"'lfp': names row 7 \(from 0\) of a table with 2 rows"):
        read_nwb(file, **HOW, signals="lfp")


def test_images_outside_of_the_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.nwb", "w") as nwb:
        group = nwb.create_group("acquisition/video")
        group["external_file"] = ["a.avi"]
        group["data"] = np.empty((0, 0, 0))
        group["timestamps"] = np.arange(5.0)
    with pytest.raises(InputError, match="'video' holds its images in files outside of this one"):
        nwb_series(tmp_path / "a.nwb", "video")
