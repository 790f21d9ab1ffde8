"""Cohorts on disk come back identical, and never half-written."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from neuro_metarl.cohort import concat_cohorts, make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.recording import record, record_to_zarr
from neuro_metarl.storage import from_dataframe, open_cohort, save_cohort, to_dataframe


@pytest.fixture(scope="module")
def recorded() -> xr.Dataset:
    return record("two-step", n_sessions=2, seed=3)


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_round_trip_is_identical(recorded: xr.Dataset, ending: str, tmp_path: Path) -> None:
    recorded.attrs["note"] = "über 5 µV"
    again = open_cohort(save_cohort(recorded, tmp_path / f"c{ending}"))
    xr.testing.assert_identical(again, recorded)
    assert again.attrs == recorded.attrs
    for name, variable in recorded.variables.items():
        assert again[name].dtype == variable.dtype, name
    assert [p.name for p in tmp_path.iterdir()] == [f"c{ending}"]


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_round_trip_of_what_was_read_back(
    recorded: xr.Dataset, ending: str, tmp_path: Path
) -> None:
    once = open_cohort(save_cohort(recorded, tmp_path / "a.nc"))
    twice = open_cohort(save_cohort(once, tmp_path / f"b{ending}"))
    xr.testing.assert_identical(twice, recorded)


def test_streamed_recording_equals_the_one_in_memory(recorded: xr.Dataset, tmp_path: Path) -> None:
    path = record_to_zarr("two-step", n_sessions=2, seed=3, out=tmp_path / "c.zarr")
    streamed = open_cohort(path)
    xr.testing.assert_equal(streamed, recorded)


def test_table_round_trip_is_identical_for_what_a_table_carries() -> None:
    rng = np.random.default_rng(0)
    parts = []
    for subject, n_trials in (("rat, 1", 7), ('"two"', 5)):
        valid = rng.integers(2, size=(3, n_trials))
        reason = np.where(valid == 1, 0, 2)
        choice = np.where(valid == 1, rng.integers(2, size=valid.shape), -1)
        variables = {
            "choice": choice,
            "reward": np.where(valid == 1, rng.random(valid.shape), np.nan),
            "valid": valid,
            "invalid_reason": reason,
            "forced": rng.integers(2, size=valid.shape) * valid,
            "p_reward": rng.random((3, n_trials, 2)),
            "t_choice": rng.random(valid.shape),
        }
        parts.append(
            make_cohort(
                variables,
                subject=[subject] * 3,
                task="two-step",
                source="animal",
                coords={"option": ("option", np.arange(2, dtype="int8"))},
            )
        )
    cohort = concat_cohorts(parts)
    again = from_dataframe(to_dataframe(cohort), task="two-step", source="animal")
    xr.testing.assert_identical(again, cohort)


def test_gaps_in_trial_numbers_become_dropped_trials() -> None:
    frame = to_dataframe(
        make_cohort(
            {"choice": [[0, 1, 0, 1]], "reward": [[1, 0, 1, 0]]},
            subject=["a"],
            task="bandit",
            source="animal",
        )
    ).drop(index=2)
    cohort = from_dataframe(frame.drop(columns="valid"), task="bandit", source="animal")
    assert cohort.valid.values.tolist() == [[1, 1, 0, 1]]
    assert cohort.invalid_reason.values.tolist() == [[0, 0, 4, 0]]


SLOW_WRITE = """
import sys, time, xarray as xr
from pathlib import Path
import neuro_metarl.storage as storage
from neuro_metarl import record
cohort = record("two-step/0", n_sessions=1)
def slowly(self, path, *a, **k):
    Path(path).mkdir() if str(path).endswith("zarr") else Path(path).write_bytes(b"half")
    print("writing", flush=True); time.sleep(60)
xr.Dataset.to_netcdf = xr.Dataset.to_zarr = slowly
storage.save_cohort(cohort, sys.argv[1])
"""


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_a_killed_write_leaves_nothing_under_the_final_name(ending: str, tmp_path: Path) -> None:
    target = tmp_path / f"c{ending}"
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITE, str(target)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "writing"
        process.send_signal(signal.SIGKILL)
    time.sleep(0.05)
    assert not target.exists()


def test_a_failed_write_keeps_what_was_there(
    recorded: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_cohort(recorded, tmp_path / "c.nc")
    before = path.read_bytes()

    def fail(self: xr.Dataset, where: Path, **_: object) -> None:
        Path(where).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    with pytest.raises(OSError, match="disk full"):
        save_cohort(recorded, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c.nc"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.nc", b"", "cannot be read, the file is damaged"),
        ("a.nc", b"\x89HDF\r\n\x1a\n" + b"0" * 50, "cannot be read, the file is damaged"),
        ("a.doc", b"x", "ends in .nc or .zarr"),
    ],
)
def test_damaged_files(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_cohort(path)


def test_a_truncated_file_is_refused(recorded: xr.Dataset, tmp_path: Path) -> None:
    path = save_cohort(recorded, tmp_path / "c.nc")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="damaged"):
        open_cohort(path)


def test_a_data_set_that_is_no_cohort(tmp_path: Path) -> None:
    xr.Dataset({"x": 1}).to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    with pytest.raises(InputError, match=r"x\.nc: attribute 'schema' is None"):
        open_cohort(tmp_path / "x.nc")


@pytest.mark.parametrize("value", [{"a": 1}, None, True, [1, 2]])
def test_attributes_that_cannot_be_stored(
    value: object, recorded: xr.Dataset, tmp_path: Path
) -> None:
    bad = recorded.assign_attrs(setup=value)
    if value is True:
        bad.attrs["setup"] = np.bool_(True)
    with pytest.raises(InputError, match="attribute 'setup' is a"):
        save_cohort(bad, tmp_path / "c.nc")


def test_a_folder_that_is_not_there(recorded: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choose a directory that exists"):
        save_cohort(recorded, tmp_path / "no" / "c.nc")
