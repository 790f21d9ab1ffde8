"""Whose units are whose: two probes, two days, names, areas, the order of sessions."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_metarl as nm
from neuro_metarl.errors import InputError
from neuro_metarl.io import nwb_spikes, read_nwb
from tests.lab_recordings import COLUMNS, by_unit, counted, session, some_trials

HOW: dict[str, Any] = {"columns": COLUMNS, "events": "cue", "window": (0, 0.5)}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def spikes(seed: int, n_trials: int = 8, n: int = 60) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).uniform(0, 2.0 * n_trials, n))


# ---------------------------------------------------------------- within one file


@pytest.mark.parametrize("column", ["probe", "group_name", "device_name"])
def test_ids_that_restart_are_different_units(tmp_path: Path, column: str) -> None:
    trains = [spikes(k) for k in range(6)]
    units = [{"spike_times": t, "id": k % 3, column: "AB"[k // 3]} for k, t in enumerate(trains)]
    file = session(tmp_path / "a.nwb", trials=some_trials(8), units=units)
    found = nwb_spikes(file)
    assert list(found) == ["A/0", "A/1", "A/2", "B/0", "B/1", "B/2"]
    assert all(np.array_equal(mine, t) for mine, t in zip(found.values(), trains, strict=True))
    cohort = read_nwb(file, **HOW)
    assert cohort.probe.values.tolist() == list("AAABBB")
    assert cohort.unit_id.values.tolist() == list("012012")
    for k, train in enumerate(trains):
        expected = counted(train, cohort.t_cue.values[0], (0, 0.5))
        assert cohort.activity.values[0, :, 0, k].tolist() == expected


def test_ids_that_restart_without_a_word_are_told_apart_by_their_row(tmp_path: Path) -> None:
    units = [{"spike_times": spikes(k), "id": k % 2} for k in range(4)]
    file = session(tmp_path / "a.nwb", trials=some_trials(8), units=units)
    assert list(nwb_spikes(file)) == ["0/row0", "1/row1", "0/row2", "1/row3"]
    assert read_nwb(file, **HOW).sizes["unit"] == 4


def test_names_and_areas_are_kept(tmp_path: Path) -> None:
    """Of a column, of electrodes, of groups; names that are not their own stay ids."""

    def electrodes(nwb: Any) -> None:
        device = nwb.create_device("d")
        for name, area in (("g0", "OFC"), ("g1", "VTA")):
            group = nwb.create_electrode_group(name, "x", area, device)
            for _ in range(2):
                nwb.add_electrode(group=group, location=area)

    units = [
        {"spike_times": spikes(0), "unit_name": "cell_a", "electrodes": [0, 1]},
        {"spike_times": spikes(1), "unit_name": "cell_b", "electrodes": [3]},
        {"spike_times": spikes(2), "unit_name": "cell_c", "electrodes": [1, 2]},
    ]
    file = session(tmp_path / "a.nwb", trials=some_trials(8), units=units, add=electrodes)
    cohort = read_nwb(file, **HOW)
    assert cohort.unit.values.tolist() == ["cell_a", "cell_b", "cell_c"]
    assert cohort.unit_id.values.tolist() == ["0", "1", "2"]
    assert cohort.area.values.tolist() == ["OFC", "VTA", "OFC+VTA"]
    same = [{"spike_times": spikes(k), "unit_name": "mua", "area": "PFC"} for k in range(2)]
    cohort = read_nwb(session(tmp_path / "b.nwb", trials=some_trials(8), units=same), **HOW)
    assert cohort.unit.values.tolist() == ["0", "1"]
    assert cohort.unit_name.values.tolist() == ["mua", "mua"]
    assert cohort.area.values.tolist() == ["PFC", "PFC"]


def test_areas_by_the_group_of_electrodes(tmp_path: Path) -> None:
    def grouped(nwb: Any) -> None:
        device = nwb.create_device("d")
        for name, area in (("g0", "OFC"), ("g1", "VTA")):
            group = nwb.create_electrode_group(name, "x", area, device)
            nwb.add_unit(spike_times=spikes(0), id=0, electrode_group=group)

    file = session(tmp_path / "a.nwb", trials=some_trials(8), add=grouped)
    cohort = read_nwb(file, **HOW)
    assert cohort.unit.values.tolist() == ["g0/0", "g1/0"]
    assert cohort.area.values.tolist() == ["OFC", "VTA"]


def test_tables_of_units_elsewhere(tmp_path: Path) -> None:
    def in_processing(nwb: Any) -> None:
        from pynwb.misc import Units

        module = nwb.create_processing_module("ecephys", "x")
        for name in chosen:
            table = Units(name=name, description="x")
            table.add_unit(spike_times=spikes(len(name)))
            module.add(table)

    chosen = ["sorted"]
    file = session(tmp_path / "a.nwb", trials=some_trials(8), add=in_processing)
    expected = counted(spikes(6), some_trials(8)["cue_time"], (0, 0.5))
    assert read_nwb(file, **HOW).activity.values.ravel().tolist() == expected
    chosen = ["sorted", "raw"]
    file = session(tmp_path / "b.nwb", trials=some_trials(8), add=in_processing)
    with pytest.raises(InputError, match="several tables of units; name one of them, units='pro"):
        read_nwb(file, **HOW)
    assert read_nwb(file, **HOW, units="sorted").activity.values.ravel().tolist() == expected
    with pytest.raises(InputError, match="no tables of units 'sortde'; there are: processing/ece"):
        read_nwb(file, **HOW, units="sortde")


# ---------------------------------------------------------------- several files


def days(folder: Path, n_days: int = 2, n_units: int = 3, reverse: bool = True) -> list[Path]:
    """Unit k prefers choice k % 2; on other days, being another neuron, the other choice."""
    files = []
    for day in range(n_days):
        trials = some_trials(60, seed=day)
        trains = []
        for k in range(n_units):
            preferred = trials["choice"] == (k + day * reverse) % 2
            times = trials["cue_time"] + 0.2
            trains.append(np.sort(np.concatenate([times, times[preferred] + 0.1])))
        units = [{"spike_times": t} for t in trains]
        files.append(session(folder / f"day{day}.nwb", trials=trials, units=units, day=day))
    return files


def test_two_days_with_the_same_ids_are_six_neurons(tmp_path: Path) -> None:
    files = days(tmp_path)
    alone = [nm.encode(read_nwb(f, **HOW), ["choice"]).coefficient.values.ravel() for f in files]
    cohort = read_nwb(files, **HOW)
    assert cohort.unit.values.tolist() == [f"day{d}/{k}" for d in range(2) for k in range(3)]
    both = nm.encode(cohort, ["choice"]).coefficient.values
    weights = both.reshape(-1, 6)
    weights = np.nanmax(weights, axis=0)
    assert weights == pytest.approx(np.concatenate(alone), abs=1e-9)
    assert np.abs(weights).min() > 1


def test_the_same_neurons_are_pooled_where_it_is_declared(tmp_path: Path) -> None:
    files = days(tmp_path, reverse=False)
    cohort = read_nwb(files, **HOW, same_units=True)
    assert cohort.unit.values.tolist() == ["0", "1", "2"]
    assert np.isfinite(cohort.activity.values).all()
    some = read_nwb(files, **HOW, same_units={"n": {"day0": 0, "day1": "2"}})
    assert some.unit.values.tolist() == ["n", "day0/1", "day0/2", "day1/0", "day1/1"]
    assert np.array_equal(some.activity.values[1, ..., 0], cohort.activity.values[1, ..., 2])
    with pytest.raises(InputError, match="no recording 'day3'; did you mean"):
        read_nwb(files, **HOW, same_units={"n": {"day0": 0, "day3": 2}})


def test_sessions_in_order_of_their_start(tmp_path: Path) -> None:
    """File names are out of order; an explicit list is ordered, too."""
    files = [
        session(tmp_path / f"{name}.nwb", trials=some_trials(5, seed=k), day=day)
        for k, (name, day) in enumerate({"s10": 9, "s2": 1, "s1": 5}.items())
    ]
    for given_as in (tmp_path, files, files[::-1]):
        cohort = read_nwb(given_as, columns=COLUMNS)
        assert cohort.session_id.values.tolist() == ["s2", "s1", "s10"]


def test_files_of_one_name_in_different_folders(tmp_path: Path) -> None:
    files = [
        session(tmp_path / d / "rec.nwb", trials=some_trials(5, seed=k), day=k,
                units=[{"spike_times": spikes(k, 5)}])
        for k, d in enumerate(["mon", "tue"])
    ]  # fmt: skip
    cohort = read_nwb(files, **HOW)
    assert cohort.session_id.values.tolist() == ["mon/rec", "tue/rec"]
    assert cohort.unit.values.tolist() == ["mon/rec/0", "tue/rec/0"]


def test_a_single_signal_is_known_by_its_name_and_regions_are_not(tmp_path: Path) -> None:
    def photometry(nwb: Any) -> None:
        from pynwb import TimeSeries

        time = np.arange(0, 20, 0.1)
        nwb.add_acquisition(TimeSeries("fiber", data=time, timestamps=time, unit="dF/F"))
        both = np.stack([time, -time], axis=1)
        nwb.add_acquisition(TimeSeries("rois", data=both, timestamps=time, unit="dF/F"))

    files = [session(tmp_path / f"d{k}.nwb", trials=some_trials(8, seed=k), add=photometry, day=k)
             for k in range(2)]  # fmt: skip
    fiber = read_nwb(files, **HOW, signals="fiber")
    assert fiber.unit.values.tolist() == ["fiber"]
    assert np.isfinite(fiber.activity.values).all()
    both = read_nwb(files, **HOW, signals=["fiber", "rois"])
    assert both.unit.values.tolist() == [
        "fiber",
        "d0/rois_0",
        "d0/rois_1",
        "d1/rois_0",
        "d1/rois_1",
    ]
    assert np.isnan(both.activity.values[1, ..., 1:3]).all()


# ---------------------------------------------------------------- whatever the order


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), shuffle=st.randoms(use_true_random=False), shift=st.booleans())
def test_rates_do_not_depend_on_how_files_are_laid_out(
    seed: int, shuffle: Any, shift: bool
) -> None:
    """Trials, units and files permuted, another origin of the clock, a second probe: same rates."""
    rng = np.random.default_rng(seed)
    origin = 4096.0 if shift else 0.0
    with tempfile.TemporaryDirectory() as folder:
        plain, turned = [], []
        for day in range(2):
            trials = some_trials(6, seed=seed + day)
            trains = [np.sort(rng.uniform(0, 12, 40)).round(3) for _ in range(3)]
            units = [{"spike_times": t, "id": 10 + k} for k, t in enumerate(trains)]
            plain.append(session(Path(folder, f"d{day}.nwb"), trials=trials, units=units, day=day))
            order = list(range(6))
            shuffle.shuffle(order)
            moved = {n: np.asarray(v)[order] + origin * n.endswith("_time")
                     for n, v in trials.items()}  # fmt: skip
            again = [{**u, "spike_times": u["spike_times"] + origin} for u in units]
            shuffle.shuffle(again)
            turned.append(
                session(Path(folder, "x", f"d{day}.nwb"), trials=moved, units=again, day=day)
            )
        shuffle.shuffle(turned)
        one, other = read_nwb(plain, **HOW), read_nwb(turned, **HOW)
    assert by_unit(one) == by_unit(other)
    for name in ("choice", "reward", "valid"):
        assert np.array_equal(one[name], other[name])
    for (day, unit), rates in by_unit(one).items():
        assert len(rates) == 6, (day, unit)


def test_spikes_are_read_unit_by_unit(tmp_path: Path) -> None:
    """Three hundred units of 20,000 spikes take 48 MB at once, and a fraction of that here."""
    import tracemalloc

    file = tmp_path / "many.nwb"
    n_units, n_spikes = 300, 20_000
    with h5py.File(file, "w") as nwb:
        nwb["general/subject/subject_id"] = "m1"
        for name, values in some_trials(50).items():
            nwb[f"intervals/trials/{name}"] = values
        times = np.sort(np.random.default_rng(0).uniform(0, 100, (n_units, n_spikes)), axis=1)
        nwb["units/id"] = np.arange(n_units)
        nwb["units/spike_times"] = times.ravel()
        nwb["units/spike_times_index"] = n_spikes * np.arange(1, n_units + 1)
    tracemalloc.start()
    cohort = read_nwb(file, **HOW)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6
    at = cohort.t_cue.values[0]
    assert cohort.activity.values[0, :, 0, 7].tolist() == counted(times[7], at, (0, 0.5))
