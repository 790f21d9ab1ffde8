"""Cohorts on disk come back identical, and never half-written."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neuro_metarl.cohort import concat_cohorts, make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.recording import record, record_to_zarr
from neuro_metarl.storage import (
    from_dataframe,
    open_cohort,
    save_cohort,
    save_stream,
    to_dataframe,
)


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


def small(subject: str = "a", n_trials: int = 3, **more: object) -> xr.Dataset:
    choice = np.arange(n_trials)[None, :] % 2
    variables = {"choice": choice, "reward": 1.0 - choice, **more}
    return make_cohort(variables, subject=[subject], task="bandit", source="animal")


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.assign_attrs(note="", n=3, share=0.5),
        lambda c: c.assign_coords(area=("session", np.array(["OFC"], dtype=object))),
        lambda c: c.assign_coords(rig="ü µ"),
        lambda c: c.assign_coords(subject=("session", [""], {"long_name": "animal"})),
        lambda c: c.assign(remark=(("session",), np.array(["hungry"]))),
        lambda c: c.assign(reward=c.reward.assign_attrs(units="drops")),
        lambda c: c.transpose("trial", "session"),
        lambda c: c.isel(session=[]),
    ],
)
def test_round_trip_of_unusual_cohorts(ending: str, change, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    cohort = change(small())
    again = open_cohort(save_cohort(cohort, tmp_path / f"c{ending}"))
    xr.testing.assert_identical(again, cohort)
    for name in cohort.variables:
        assert again[name].dtype.kind in (cohort[name].dtype.kind, "U"), name


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


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "nothing to write, the stream held no cohort"),
        ([small("a"), small("b", 4)], "'choice' is .*3.* in the first but .*4.* in a later one"),
        ([small("a"), small("b", state=[[0, 1, 0]])], "'state' is missing in the first"),
        ([small("a"), small("a")], "session 'a/0' of subject 'a' appears twice"),
        ([small("a").assign_attrs(x=None)], "attribute 'x' is a NoneType"),
    ],
)
def test_streams_that_do_not_fit(parts: list[xr.Dataset], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        save_stream(iter(parts), tmp_path / "c.zarr")
    assert not list(tmp_path.iterdir())


def test_names_grow_in_a_stream(tmp_path: Path) -> None:
    parts = [small("a"), small("a much longer name")]
    path = save_stream(iter(parts), tmp_path / "c.zarr")
    xr.testing.assert_identical(open_cohort(path), concat_cohorts(parts))


def damage(folder: Path, name: str, how: str) -> None:
    chunk = sorted(p for p in (folder / name / "c").rglob("*") if p.is_file())[0]
    content = bytearray(chunk.read_bytes())
    if how == "lost":
        chunk.unlink()
    elif how == "cut":
        chunk.write_bytes(bytes(content[: len(content) // 2]))
    else:
        content[len(content) // 2] ^= 0xFF
        chunk.write_bytes(bytes(content))


@pytest.mark.parametrize("how", ["lost", "cut", "changed"])
@pytest.mark.parametrize("name", ["choice", "forced", "p_reward", "subject"])
def test_a_damaged_zarr_is_never_read_as_data(
    name: str, how: str, recorded: xr.Dataset, tmp_path: Path
) -> None:
    """Zarr itself reads a lost chunk as zeros: choices of the left, rewards of nothing."""
    path = save_cohort(recorded, tmp_path / "c.zarr")
    damage(path, name, how)
    with pytest.raises(InputError, match="damaged") as caught:
        open_cohort(path)
    assert "\n" not in str(caught.value)
    assert (f"chunks of '{name}' are missing" in str(caught.value)) == (how == "lost")


def test_a_zarr_of_another_hand_may_leave_out_empty_chunks(tmp_path: Path) -> None:
    cohort = small(forced=[[0, 0, 0]]).assign_coords(
        subject=("session", np.array(["a"], dtype=object)),
        session_id=("session", np.array(["a/0"], dtype=object)),
    )
    cohort.to_zarr(tmp_path / "c.zarr", zarr_format=3, consolidated=False)
    assert not (tmp_path / "c.zarr" / "forced" / "c").exists()
    xr.testing.assert_equal(open_cohort(tmp_path / "c.zarr"), cohort)


def test_a_changed_byte_in_the_numbers_is_noticed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cohort = small(n_trials=4000, t_choice=rng.random((1, 4000)).cumsum(axis=1))
    path = save_cohort(cohort, tmp_path / "c.nc")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="damaged"):
        open_cohort(path)


def test_a_folder_is_no_netcdf_and_a_file_no_zarr(recorded: xr.Dataset, tmp_path: Path) -> None:
    shutil.copytree(save_cohort(recorded, tmp_path / "c.zarr"), tmp_path / "d.nc")
    (tmp_path / "f.zarr").write_bytes(b"x")
    with pytest.raises(InputError, match=r"d\.nc: is a folder; .nc is one file"):
        open_cohort(tmp_path / "d.nc")
    with pytest.raises(InputError, match=r"f\.zarr: is a file; .*\.zarr is a folder"):
        open_cohort(tmp_path / "f.zarr")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="choice"), "column 'choice' is missing; there are: subject, rew"),
        (lambda f: f.rename(columns={"subject": 0}), "column 'subject' is missing; there are: 0,"),
        (lambda f: f.iloc[:0], "the table holds no trials"),
        (lambda f: f.assign(subject=["a", None, "b"]), "row 1, column 'subject': no value"),
        (lambda f: f.assign(choice=["l", "x", "l"]), "row 1, column 'choice': unknown code 'x'"),
        (lambda f: f.assign(choice=[0, np.nan, 1]), "row 1, column 'choice': no value; where"),
        (lambda f: f.assign(trial=[1, 1, 1]), "trial 1 of subject 'a', session 'a', appears twice"),
        (lambda f: f.assign(trial=[1, 10**9, 1]), "'trial' runs from 1 to 1000000000 in session"),
        (lambda f: f.assign(trial=["1", "x", "1"]), "row 1, column 'trial': 'x' is not a number"),
        (lambda f: f.assign(p_reward_1=0.5), "columns p_reward_1: options are numbered from 0"),
        (
            lambda f: f.assign(p_reward_0=0.5, expected_reward_0=0.5, expected_reward_1=0.5),
            "differ in their number of options",
        ),
    ],
)
def test_frames_that_cannot_become_a_cohort(change, message: str) -> None:  # type: ignore[no-untyped-def]
    frame = pd.DataFrame({"subject": ["a", "a", "b"], "choice": [0, 1, 1], "reward": [1, 0, 1]})
    with pytest.raises(InputError, match=message):
        from_dataframe(change(frame), task="bandit", source="animal")


def test_a_frame_carries_trials_but_no_activity(recorded: xr.Dataset) -> None:
    frame = to_dataframe(recorded)
    assert frame.attrs == recorded.attrs
    assert {"subject", "session", "trial", "choice", "p_reward_0", "p_reward_1"} <= set(frame)
    assert not [c for c in frame if c.startswith(("activity", "cell", "value", "policy", "rpe"))]
    assert len(frame) == int((recorded.invalid_reason != 1).sum())


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
            "t_choice": rng.random(valid.shape).cumsum(axis=1),
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


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_a_lazy_cohort_is_the_same(ending: str, recorded: xr.Dataset, tmp_path: Path) -> None:
    path = save_cohort(recorded, tmp_path / f"c{ending}")
    lazy = open_cohort(path, lazy=True)
    assert not lazy.activity.variable._in_memory
    some = lazy.activity.sel(event="first_step", unit=[3, 40])
    xr.testing.assert_identical(
        some.load(), recorded.activity.sel(event="first_step", unit=[3, 40])
    )
    assert not lazy.activity.variable._in_memory
    xr.testing.assert_identical(lazy.load(), recorded)
    lazy.close()


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
    assert not target.exists()
    assert next(tmp_path.iterdir()).name.startswith(".writing-")


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
        save_cohort(recorded, path, overwrite=True)
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


@pytest.mark.parametrize("value", [{"a": 1}, None, True, np.bool_(True), [1, 2], 2**70])
def test_attributes_that_cannot_be_stored(
    value: object, recorded: xr.Dataset, tmp_path: Path
) -> None:
    bad = recorded.assign_attrs(setup=value)
    with pytest.raises(InputError, match="attribute 'setup' is a"):
        save_cohort(bad, tmp_path / "c.nc")
    bad = recorded.copy()
    bad["reward"].attrs["setup"] = value
    with pytest.raises(InputError, match="attribute 'setup' of 'reward' is a"):
        save_cohort(bad, tmp_path / "c.zarr")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(recorded: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choose a directory that exists"):
        save_cohort(recorded, tmp_path / "no" / "c.nc")
