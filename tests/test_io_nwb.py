"""NWB: back as it was, past the inspector, into other labs' tools, and any lab's file into ours."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from neuro_metarl.behavior.bandits import win_stay
from neuro_metarl.cohort import concat_cohorts, select_subjects
from neuro_metarl.errors import InputError
from neuro_metarl.io import (
    AIND_COLUMNS,
    align,
    nwb_columns,
    nwb_series,
    nwb_spikes,
    nwb_write,
    read,
    read_nwb,
    write_nwb,
)  # fmt: skip
from neuro_metarl.neural.virtual import spike_times, virtual_spikes
from tests.interchange_cohorts import KINDS, make

MADE = "http://purl.obolibrary.org/obo/NCBITaxon_32630"
START = 1_301_166.0


@pytest.fixture
def others_may_warn() -> Iterator[None]:
    """Other packages warn of their own dependencies; ours is what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# ---------------------------------------------------------------- back as it was


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_cohort_comes_back_as_it_was(tmp_path: Path, kind: str, seed: int) -> None:
    cohort = make(kind, seed)
    files = write_nwb(cohort, tmp_path / "out")
    assert len(files) == cohort.sizes["session"]
    assert read_nwb(tmp_path / "out").identical(cohort)
    assert read_nwb(files).identical(cohort)
    assert read(tmp_path / "out").identical(cohort)
    one = read(files[0])
    assert one.identical(cohort.isel(session=[0]))


def test_a_changed_value_does_not_come_back_unseen(tmp_path: Path) -> None:
    """The control of the test above: it is the file that is read."""
    cohort = make("networks")
    files = write_nwb(cohort, tmp_path / "out")
    with h5py.File(files[0], "a") as nwb:
        nwb["processing/behavior/activity/data"][0, 0] += 1
    assert not read_nwb(files).identical(cohort)
    assert read_nwb(files).drop_vars("activity").identical(cohort.drop_vars("activity"))


def test_many_sessions_keep_their_order(tmp_path: Path) -> None:
    one = select_subjects(make("models"), "a")
    names = [f"a/{k}" for k in range(12)]
    cohort = concat_cohorts([one.assign_coords(session_id=("session", [n])) for n in names])
    files = write_nwb(cohort, tmp_path / "out")
    assert sorted(f.name for f in files) != [f.name for f in files]
    assert read_nwb(tmp_path / "out").session_id.values.tolist() == names


def test_names_that_are_the_same_in_a_file_system(tmp_path: Path) -> None:
    cohort = make("models").assign_coords(
        subject=("session", ["a/b", "a-b", "A b"]), session_id=("session", ["1", "1", "1"])
    )
    files = write_nwb(cohort, tmp_path / "out")
    assert len({f.name.lower() for f in files}) == 3
    assert read_nwb(tmp_path / "out").identical(cohort)


# ---------------------------------------------------------------- the inspector


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("others_may_warn")
def test_the_inspector_finds_nothing_critical(tmp_path: Path, kind: str) -> None:
    file = write_nwb(make(kind), tmp_path / "out")[-1]
    assert not _critical(file, "default")
    assert not _critical(file, "dandi")


@pytest.mark.usefixtures("others_may_warn")
def test_fewer_rows_than_units_are_not_taken_for_transposed(tmp_path: Path) -> None:
    cohort = make("networks").isel(trial=[0])
    files = write_nwb(cohort, tmp_path / "out")
    assert not _critical(files[0], "default")
    assert read_nwb(files).identical(cohort)


@pytest.mark.usefixtures("others_may_warn")
def test_the_inspector_would_find_a_network_that_is_called_a_species(tmp_path: Path) -> None:
    """The control: without the taxonomy's term, the inspector objects."""
    (file,) = write_nwb(make("odd"), tmp_path / "out")
    with h5py.File(file, "a") as nwb:
        nwb["general/subject/species"][()] = "artificial network"
    assert _critical(file, "dandi") == ["check_subject_species_form"]
    (bare,) = write_nwb(make("odd"), tmp_path / "bare", species="")
    assert _critical(bare, "default") == []
    assert _critical(bare, "dandi") == ["check_subject_species_exists"]


def _critical(file: Path, config: str) -> list[str]:
    """What the inspector calls critical; with the default rules, the schema is checked too."""
    nwbinspector = pytest.importorskip("nwbinspector")
    dandi = nwbinspector.load_config("dandi") if config == "dandi" else None
    found = nwbinspector.inspect_nwbfile(
        nwbfile_path=file, config=dandi, skip_validate=dandi is not None
    )
    bad = ("CRITICAL", "ERROR", "PYNWB_VALIDATION")
    return [m.check_function_name for m in found if m.importance.name in bad]


@pytest.mark.usefixtures("others_may_warn")
def test_what_pynwb_finds(tmp_path: Path) -> None:
    from pynwb import NWBHDF5IO

    cohort = make("networks")
    files = write_nwb(cohort, tmp_path / "out", step_s=0.5, institution="Here", lab="L")
    with NWBHDF5IO(files[2], "r") as io:
        nwb = io.read()
        trials = nwb.trials.to_dataframe()
        for name in ("choice", "reward", "state", "common", "valid"):
            assert np.array_equal(trials[name], cohort[name].values[2])
            assert trials[name].dtype == cohort[name].dtype
        assert np.array_equal(trials["p_reward_1"], cohort.p_reward.values[2, :, 1])
        assert np.array_equal(trials["start_time"], 1.5 * np.arange(12))
        activity = nwb.processing["behavior"]["activity"]
        assert activity.rate == 2.0
        assert np.array_equal(activity.data[:], cohort.activity.values[2].reshape(36, 5))
        assert "no electrodes" in activity.comments
        assert nwb.electrodes is None
        assert nwb.units is None
        assert nwb.subject.subject_id == "two-step-1"
        assert nwb.subject.species == MADE
        assert "not an animal" in nwb.subject.description
        assert "recurrent neural network" in nwb.session_description
        assert (nwb.institution, nwb.lab, nwb.experimenter) == ("Here", "L", None)


@pytest.mark.usefixtures("others_may_warn")
def test_an_animal_keeps_its_species_and_its_clock(tmp_path: Path) -> None:
    from pynwb import NWBHDF5IO

    cohort = make("animals")
    began = datetime(2024, 2, 1, 18, tzinfo=UTC)
    files = write_nwb(cohort, tmp_path / "out", start=began)
    with NWBHDF5IO(files[0], "r") as io:
        nwb = io.read()
        assert nwb.subject.species == "Mus musculus"
        assert nwb.session_start_time == began
        series = nwb.processing["ecephys"]["activity"]
        known = cohort.activity.values[0].reshape(-1, 4)
        times = np.stack([cohort.t_go_cue.values[0], cohort.t_choice.values[0]], axis=1).ravel()
        there = np.isfinite(times)
        assert np.array_equal(series.timestamps[:], times[there])
        assert np.array_equal(series.data[:], known[there])
        assert series.unit == "spikes/s"
        assert (np.diff(nwb.trials["start_time"][:]) > 0).all()


@pytest.mark.usefixtures("others_may_warn")
def test_pynapple_opens_it(tmp_path: Path) -> None:
    nap = pytest.importorskip("pynapple")
    cohort = make("networks")
    data = nap.load_file(str(write_nwb(cohort, tmp_path / "out")[1]))
    assert np.array_equal(data["trials"]["choice"], cohort.choice.values[1])
    assert np.array_equal(data["trials"]["reward"], cohort.reward.values[1])
    assert np.array_equal(data["activity"].values, cohort.activity.values[1].reshape(36, 5))
    first = data["activity"].restrict(data["trials"][0])
    assert np.array_equal(first.values, cohort.activity.values[1, 0])


@pytest.mark.usefixtures("others_may_warn")
def test_virtual_spikes_become_units_that_labs_count(tmp_path: Path) -> None:
    """Counted again as any lab's file is read, they give the rates they were drawn for."""
    nap = pytest.importorskip("pynapple")
    cohort = virtual_spikes(make("networks"), window=0.25, seed=1)
    spikes = spike_times(cohort, seed=1)
    files = write_nwb(cohort, tmp_path / "out", spikes=spikes)
    assert read_nwb(files).identical(cohort)
    assert not _critical(files[1], "default")
    events = [str(e) for e in cohort.event.values]
    columns = {"choice": "choice", "reward": "reward"} | {f"t_{e}": f"t_{e}" for e in events}
    again = read_nwb(files[1], columns=columns, events=events, window=(0, 0.25))
    assert np.array_equal(again.activity.values[0], cohort.activity.values[1])
    assert again.activity.values.sum() > 0
    units = nap.load_file(str(files[1]))["units"]
    assert len(units) == cohort.sizes["unit"]
    assert sum(len(units[k]) for k in units) == int((spikes.session == 1).sum())


def test_spikes_in_another_form(tmp_path: Path) -> None:
    cohort = virtual_spikes(make("networks"), seed=1)
    spikes = spike_times(cohort, seed=1)
    broken = [
        (spikes.drop_vars("unit"), "spikes lack 'unit' along 'spike'; expected what spike_times"),
        (spikes.assign(unit=spikes.unit + 1), "spikes are of unit 5 .from 0., the cohort has 5"),
        (spikes.assign(time=spikes.time * np.nan), "times are not finite"),
    ]
    for given, message in broken:
        with pytest.raises(InputError, match=message):
            write_nwb(cohort, tmp_path / "out", spikes=given)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- whole or not at all


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, real = [], nwb_write._write

    def second_fails(session: Any, file: Path, *rest: Any) -> None:
        if written:
            raise RuntimeError("the disk is full")
        real(session, file, *rest)
        written.append(file)

    monkeypatch.setattr(nwb_write, "_write", second_fails)
    with pytest.raises(RuntimeError, match="disk is full"):
        write_nwb(make("networks"), tmp_path / "out")
    assert written
    assert not list(tmp_path.iterdir())


def test_places_and_words_that_cannot_be_written(tmp_path: Path) -> None:
    cohort = make("networks")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("x")
    later = datetime.now(UTC) + timedelta(days=1)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"path": tmp_path / "a.nwb"}, "holds one session, the cohort has 3; name a folder"),
        ({"path": tmp_path / "full"}, "holds something already; name a new or empty folder"),
        ({"path": tmp_path / "no" / "where"}, "choose a directory that exists"),
        ({"start": datetime(2024, 1, 1)}, "has no time zone"),
        ({"start": later}, "is in the future"),
        ({"species": "mouse"}, "species 'mouse': expected a Latin binomial"),
        ({"step_s": 0.0}, "step_s is 0.0, expected a length in seconds above 0"),
    ]
    for how, message in cases:
        with pytest.raises(InputError, match=message):
            write_nwb(cohort, **{"path": tmp_path / "out", **how})
    assert [p.name for p in tmp_path.iterdir()] == ["full"]
    assert (tmp_path / "full" / "precious.txt").read_text() == "x"
    with pytest.raises(InputError, match="attribute 'x' is a dict"):
        write_nwb(cohort.assign_attrs(x={}), tmp_path / "out")
    times = cohort.assign_coords(day=("session", np.array(["2024-01-01"] * 3, "M8[ns]")))
    with pytest.raises(InputError, match=r"day: values of type datetime64\[ns\] cannot be writte"):
        write_nwb(times, tmp_path / "out")


# ---------------------------------------------------------------- any lab's file

COLUMNS = {
    "choice": {"column": "side", "codes": {"L": 0, "R": 1}, "invalid": {"none": "miss"}},
    "reward": {"sum": ["drops_left", "drops_right"]},
    "t_go": "cue_time",
    "t_lick": {"first": ["lick_left", "lick_right"], "after": "cue_time"},
    "t_outcome": {"first": ["valve"]},
}


def lab_file(path: Path, **changes: Any) -> Path:
    """Five trials of 10 s by pynwb: units, licks, and photometry that equals the time."""
    from pynwb import NWBHDF5IO, NWBFile, TimeSeries
    from pynwb.file import Subject

    nwb = NWBFile(
        session_description="test", identifier=path.stem,
        session_start_time=datetime(2024, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    nwb.subject = Subject(subject_id="m1", species="Mus musculus", sex="U", age="P0D/")
    for name in ("side", "drops_left", "drops_right", "cue_time"):
        nwb.add_trial_column(name, name)
    sides = ["L", "R", "none", "R", "L"]
    for k, side in enumerate(sides):
        nwb.add_trial(
            start_time=10.0 * k, stop_time=10.0 * k + 10, side=side, cue_time=10.0 * k + 2,
            drops_left=2.0 * (k == 0), drops_right=1.0 * (k == 3),
        )  # fmt: skip
    rng = np.random.default_rng(0)
    for trains in (np.sort(rng.uniform(0, 50, 400)), np.array([2.1, 2.2, 12.1, 42.4])):
        nwb.add_unit(spike_times=trains)
    one = np.array([3.0, 43.0])
    nwb.add_acquisition(TimeSeries("lick_left", data=np.ones(2), unit="a.u.", timestamps=one))
    nwb.add_acquisition(
        TimeSeries("lick_right", data=np.ones(2), unit="a.u.", timestamps=np.array([13.0, 33.5]))
    )
    nwb.add_acquisition(
        TimeSeries("valve", data=np.ones(2), unit="a.u.", timestamps=np.array([4.0, 34.0]))
    )
    module = nwb.create_processing_module("ophys", "photometry")
    module.add(
        TimeSeries(
            "dff",
            data=2 * np.arange(0, 50.01, 0.1),
            unit="dF/F",
            rate=10.0,
            starting_time=0.0,
            conversion=0.5,
        )
    )
    with NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lab_file(tmp_path_factory.mktemp("lab") / "m1_day1.nwb")


def test_a_declared_map_reads_a_lab_s_own_columns(lab: Path) -> None:
    cohort = read_nwb(lab, columns=COLUMNS, task="bandit", attrs={"licence": "CC0"})
    assert cohort.choice.values.tolist() == [[0, 1, -1, 1, 0]]
    assert cohort.reward.values.tolist() == [[2, 0, 0, 1, 0]]
    assert cohort.invalid_reason.values.tolist() == [[0, 0, 3, 0, 0]]
    assert cohort.t_lick.values[0] == pytest.approx([3, 13, np.nan, 33.5, 43], nan_ok=True)
    assert cohort.t_outcome.values[0] == pytest.approx([4, np.nan, np.nan, 34, np.nan], nan_ok=True)
    assert (cohort.subject.item(), cohort.session_id.item()) == ("m1", "m1_day1")
    assert (cohort.species.item(), cohort.attrs["licence"]) == ("mouse", "CC0")
    assert set(nwb_columns(lab)) >= {"side", "drops_left", "start_time"}


def test_codes_beside_columns_and_through_read(lab: Path) -> None:
    """As the command line gives them: -1 says that the trial did not count."""
    columns = {"choice": "side", "reward": "drops_left"}
    codes = {"choice": {"L": 0, "R": 1, "none": -1}}
    cohort = read(lab, columns=columns, codes=codes, task="bandit")
    assert cohort.choice.values.tolist() == [[0, 1, -1, 1, 0]]
    assert cohort.invalid_reason.values.tolist() == [[0, 0, 3, 0, 0]]


def test_spikes_become_activity(lab: Path) -> None:
    """Counts by hand: unit 1 fires at 2.1, 2.2, 12.1 and 42.4; the cue is at 2, 12, 22 ..."""
    cohort = read_nwb(lab, columns=COLUMNS, events=["go", "outcome"], window=(0, 0.5))
    assert cohort.activity.dims == ("session", "trial", "event", "unit")
    assert cohort.activity.sel(unit="1", event="go").values[0].tolist() == [4, 2, 0, 0, 2]
    missing = np.isnan(cohort.t_outcome.values[0])
    assert np.array_equal(np.isnan(cohort.activity.sel(event="outcome").values[0, :, 0]), missing)
    spikes = nwb_spikes(lab)["0"]
    expected = [((spikes >= t) & (spikes < t + 0.5)).sum() / 0.5 for t in 10.0 * np.arange(5) + 2]
    assert cohort.activity.sel(unit="0", event="go").values[0].tolist() == expected
    assert cohort.activity.attrs["units"] == "spikes/s"


def test_photometry_becomes_activity_and_trials_by_time(lab: Path) -> None:
    """The signal equals the time, so that its mean in a window is the window's middle."""
    cohort = read_nwb(lab, columns=COLUMNS, events="go", signals="dff", window=(0, 1))
    assert cohort.activity.values.ravel() == pytest.approx(10.0 * np.arange(5) + 2.5, abs=1e-5)
    assert cohort.unit.values.tolist() == ["dff"]
    cut = align(nwb_series(lab, "dff"), cohort.t_outcome, window=(-1, 2), bin_s=0.1)
    assert cut.dims == ("trial", "time")
    assert cut.shape == (5, 30)
    expected = cohort.t_outcome.values[0][:, None] + cut.time.values
    assert np.allclose(cut.values, expected, equal_nan=True, atol=1e-9)


def test_a_written_animal_s_activity_is_read_like_a_lab_s(tmp_path: Path, lab: Path) -> None:
    cohort = read_nwb(lab, columns=COLUMNS, events=["go", "lick"])
    (file,) = write_nwb(cohort, tmp_path / "out")
    assert read_nwb(file).identical(cohort)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("columns", "how", "message"),
    [
        (None, {}, "was not written by write_nwb; declare columns.*there are: .*side"),
        ({"choice": "sied", "reward": "drops_left"}, {}, "'sied' .* missing; did you mean 'side'"),
        ({"choice": "side", "reward": "drops_left"}, {}, "trial 2, column 'side' .choice.: no val"),
        ({"choise": "side"}, {}, "'choise' is no name of ours; did you mean 'choice'"),
        ({"reward": "drops_left"}, {}, "the map declares no 'choice'; there are: .*side"),
        (COLUMNS | {"choice": {"column": "side", "codes": {"L": 0, "R": 1}}}, {},
         "trial 2: column 'side' is none, expected one of L, R"),
        (COLUMNS | {"t_x": {"first": ["lick_lfet"]}}, {}, "series 'lick_lfet'; did you mea"),
        (COLUMNS | {"t_x": {"frist": ["lick_left"]}}, {}, "has 'frist'; did you mean 'first'"),
        (COLUMNS | {"t_x": {"when": "valid"}}, {}, "needs one of column, any, .*, got none"),
        (COLUMNS | {"t_x": 3}, {}, "entry of 't_x' is 3, expected the name of a column"),
        (COLUMNS | {"forced": {"any": ["cue_time"]}}, {}, "'cue_time' is 2, expected one of 0, 1"),
        (None, {"events": "go"}, "activity around events needs columns; declare them"),
        (COLUMNS, {"events": ["goo"]}, "no times of event 'goo': did you mean 'go'"),
        (COLUMNS, {"events": "go", "signals": "dfff"}, "no time series 'dfff'; did you mean 'dff'"),
        (COLUMNS, {"events": "go", "window": (1, 0)}, r"window is \(1, 0\), expected two times"),
        (COLUMNS, {"trials": "epochs"}, "'intervals/epochs' is missing.*there are: intervals/tri"),
        (COLUMNS, {"codes": {"state": {"1": 0}}}, "codes are declared for 'state', which the map"),
    ],
)  # fmt: skip
def test_what_cannot_be_declared(lab: Path, columns: Any, how: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_nwb(lab, columns=columns, **how)
    assert str(caught.value).startswith(str(lab))
    assert "\n" not in str(caught.value)


def changed(lab: Path, tmp_path: Path, change: Any) -> Path:
    file = tmp_path / "changed.nwb"
    file.write_bytes(lab.read_bytes())
    with h5py.File(file, "a") as nwb:
        change(nwb)
    return file


def _nan_spike(nwb: h5py.File) -> None:
    nwb["units/spike_times"][401] = np.nan


def _short_units(nwb: h5py.File) -> None:
    nwb["units/spike_times_index"][1] = 500


def _fewer_ids(nwb: h5py.File) -> None:
    del nwb["units/id"]
    nwb["units/id"] = [0]


def _no_units(nwb: h5py.File) -> None:
    del nwb["units"]


def _no_trials(nwb: h5py.File) -> None:
    del nwb["intervals"]


def _no_subject(nwb: h5py.File) -> None:
    del nwb["general/subject"]


def _nan_lick(nwb: h5py.File) -> None:
    nwb["acquisition/lick_left/timestamps"][1] = np.nan


def _short_licks(nwb: h5py.File) -> None:
    del nwb["acquisition/lick_left/data"]
    nwb["acquisition/lick_left/data"] = np.ones(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_nan_spike, "a spike time of unit '1' is NaN .1 such spikes."),
        (_short_units, "'spike_times_index' runs to 500, there are 404 spike times"),
        (_fewer_ids, "units: 1 ids, but 'spike_times_index' has 2 values"),
        (_no_units, "holds no units with spike times; name the series"),
        (_no_trials, "group 'intervals/trials' is missing; expected a table of trials"),
        (_no_subject, "'general/subject/subject_id' is missing or empty"),
        (_nan_lick, r"series 'lick_left': time 1 \(from 0\) is NaN"),
        (_short_licks, "series 'lick_left' has 3 values, but 2 times"),
    ],
)
def test_what_files_can_lack(lab: Path, tmp_path: Path, change: Any, message: str) -> None:
    file = changed(lab, tmp_path, change)
    with pytest.raises(InputError, match=message) as caught:
        read_nwb(file, columns=COLUMNS, events="go")
    assert str(caught.value).startswith(str(file))


def test_files_that_are_damaged(lab: Path, tmp_path: Path) -> None:
    whole = lab.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 1000):
        (tmp_path / "cut.nwb").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.nwb: cannot be read as NWB in HDF5"):
            read_nwb(tmp_path / "cut.nwb", columns=COLUMNS)
    with pytest.raises(InputError, match="there is no such file"):
        read_nwb(tmp_path / "none.nwb")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no files that end in \.nwb"):
        read_nwb(tmp_path / "empty")


def test_layouts_that_are_damaged(tmp_path: Path) -> None:
    cohort = make("networks").isel(session=[0])
    (file,) = write_nwb(cohort, tmp_path / "out")
    with h5py.File(file, "a") as nwb:
        del nwb["intervals/trials/reward"]
    with pytest.raises(InputError, match="'reward' is missing; the layout in the file names it"):
        read_nwb(file)
    (other,) = write_nwb(cohort, tmp_path / "other")
    with h5py.File(other, "a") as nwb:
        data = nwb["processing/behavior/activity/data"][:-1]
        del nwb["processing/behavior/activity/data"]
        nwb["processing/behavior/activity/data"] = data
    with pytest.raises(InputError, match="series 'activity' has 35 rows, expected 36"):
        read_nwb(other)


def test_several_series_of_one_name(lab: Path, tmp_path: Path) -> None:
    def twin(nwb: h5py.File) -> None:
        nwb.copy("acquisition/lick_left", nwb["processing/ophys"], "lick_left")

    file = changed(lab, tmp_path, twin)
    with pytest.raises(InputError, match="several time series 'lick_left'; name one of acq"):
        nwb_series(file, "lick_left")
    assert nwb_series(file, "acquisition/lick_left").time.values.tolist() == [3, 43]


# ---------------------------------------------------------------- the mice, where they are


@pytest.fixture
def mice(real_data: Path) -> Path:
    folder = real_data / "aind_mouse_foraging_nwb"
    if not folder.is_dir():
        pytest.skip("the mice's files are not here")
    return folder


def stays(cohort: xr.Dataset) -> tuple[int, float, float]:
    """As stated with the files: over adjacent trials that both have a response."""
    one = cohort.isel(session=0)
    valid = one.valid.values == 1
    both = valid[1:] & valid[:-1]
    stay = one.choice.values[1:] == one.choice.values[:-1]
    won = one.reward.values[:-1] == 1
    return int(both.sum()), float(stay[both & won].mean()), float(stay[both & ~won].mean())


@pytest.mark.parametrize(
    ("name", "n", "win", "lose"),
    [
        ("689514_2024-02-01_18-06-43.nwb", 361, 0.874, 0.777),
        ("703548_2024-03-01_08-51-32.nwb", 470, 0.926, 0.789),
    ],
)
def test_mice_by_the_map_alone(mice: Path, name: str, n: int, win: float, lose: float) -> None:
    """Within .001 of what their source states, rounded to three digits there."""
    cohort = read_nwb(mice / name, columns=AIND_COLUMNS, task="bandit-baited")
    found = stays(cohort)
    assert found[0] == n
    assert found[1:] == pytest.approx((win, lose), abs=0.001)
    reread = read(mice / name)
    assert reread.drop_attrs().identical(cohort.drop_attrs())
    licks = nwb_series(mice / name, "left_lick_time").time.values
    rate = align(licks, cohort.t_choice, window=(-1, 2), bin_s=0.1)
    assert rate.shape == (cohort.sizes["trial"], 30)
    chose_left = cohort.choice.values[0] == 0
    after = rate.sel(time=slice(0, 1)).mean("time").values
    assert after[chose_left].mean() > 2 * np.nanmean(after[~chose_left])


def test_a_folder_of_mice(mice: Path) -> None:
    cohort = read(mice)
    assert cohort.subject.values.tolist() == ["689514", "703548", "705599"]
    assert (cohort.invalid_reason != 1).sum("trial").values.tolist() == [432, 555, 1]


def test_a_mouse_with_one_trial(mice: Path) -> None:
    """It loads; what needs more says so."""
    cohort = read(mice / "705599_2024-05-31_14-06-54.nwb")
    assert dict(cohort.sizes) == {"session": 1, "trial": 1, "option": 2}
    with pytest.raises(InputError, match="no response after a reward"):
        win_stay(cohort)
    licks = nwb_series(mice / "705599_2024-05-31_14-06-54.nwb", "left_lick_time").time.values
    assert align(licks, cohort.t_go_cue, window=(0, 1), bin_s=0.5).values.tolist() == [[0, 0]]


@pytest.mark.parametrize("mouse", ["689514", "705599"])
@pytest.mark.usefixtures("others_may_warn")
def test_a_mouse_written_passes_the_inspector(mice: Path, tmp_path: Path, mouse: str) -> None:
    cohort = read(next(mice.glob(f"{mouse}*.nwb")))
    (file,) = write_nwb(cohort, tmp_path / "out")
    assert read(file).identical(cohort)
    assert not _critical(file, "dandi")
