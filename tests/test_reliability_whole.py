"""A cohort on disk is whole or refused, and reading it executes nothing."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_metarl.cohort import make_cohort
from neuro_metarl.errors import InputError
from neuro_metarl.recording import record
from neuro_metarl.storage import netcdf, open_cohort, save_cohort
from neuro_metarl.storage.whole import LISTING, WHOLE


@pytest.fixture(scope="module")
def recorded() -> xr.Dataset:
    cohort = record("two-step/0", n_sessions=3, seed=1, units=[0, 1])
    return cohort.assign_attrs(note="über", share=0.25, n=3)


@pytest.fixture
def folder(recorded: xr.Dataset, tmp_path: Path) -> Path:
    return save_cohort(recorded, tmp_path / "c.zarr")


def edit(file: Path, change: Callable[[Any], Any]) -> None:
    said = json.loads(file.read_text())
    change(said)
    file.write_text(json.dumps(said))


VARIABLES = ["activity", "choice", "forced", "subject", "reward", "event", "valid"]


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("name", VARIABLES)
def test_a_lost_variable_is_not_left_out(name: str, lazy: bool, folder: Path) -> None:
    """Without ``forced`` all choices would be free ones."""
    for lost in (folder / name / "zarr.json", folder / name):
        lost.unlink() if lost.is_file() else shutil.rmtree(lost)
        with pytest.raises(InputError, match=f"the variable '{name}' is missing"):
            open_cohort(folder, lazy=lazy)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "shape": lambda said: said["shape"].__setitem__(0, 2),
    "type": lambda said: said.__setitem__("data_type", "uint8"),
    "dims": lambda said: said["dimension_names"].reverse(),
    "attributes": lambda said: said["attributes"].__setitem__("units", "ms"),
    "fill": lambda said: said["attributes"].__setitem__("_FillValue", 1),
    "scale": lambda said: said["attributes"].__setitem__("scale_factor", 2.0),
    "codecs": lambda said: said["codecs"].pop(),
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("change", sorted(CHANGES))
def test_changed_metadata_of_a_variable(change: str, lazy: bool, folder: Path) -> None:
    edit(folder / "choice" / "zarr.json", CHANGES[change])
    with pytest.raises(InputError, match=r"choice/zarr\.json is not the one|damaged"):
        open_cohort(folder, lazy=lazy)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.__setitem__("task", "two-step-miller"),
        lambda a: a.__setitem__("more", 1),
        lambda a: a.pop("note"),
        lambda a: a.pop(WHOLE),
        lambda a: a.pop(LISTING),
        lambda a: a.__setitem__("neuro_metarl_variablez", a.pop(LISTING)),
        lambda a: a.__setitem__(LISTING, {}),
        lambda a: a[LISTING]["variables"].pop("forced"),
        lambda a: a[LISTING]["variables"]["forced"].__setitem__("chunks", "0"),
    ],
)
def test_changed_attributes_of_the_folder(change: Callable[[Any], Any], folder: Path) -> None:
    before = json.loads((folder / "zarr.json").read_text())["attributes"]
    edit(folder / "zarr.json", lambda said: change(said["attributes"]))
    if (
        LISTING in before
        and LISTING not in (json.loads((folder / "zarr.json").read_text())["attributes"])
        and "neuro_metarl_variablez" not in (folder / "zarr.json").read_text()
    ):
        # a folder of an earlier version, which is read as before
        open_cohort(folder)
        return
    with pytest.raises(InputError):
        open_cohort(folder)


def chunks(folder: Path, name: str) -> list[Path]:
    return sorted(p for p in (folder / name / "c").rglob("*") if p.is_file())


def test_chunks_in_each_others_place(tmp_path: Path) -> None:
    """Each is whole for itself, so that only the folder's own list can tell."""
    rng = np.random.default_rng(0)
    choice = rng.integers(2, size=(1200, 3))
    cohort = make_cohort(
        {"choice": choice, "reward": rng.random((1200, 3))},
        subject=[f"s{k}" for k in range(1200)], task="bandit", source="animal",
    )  # fmt: skip
    folder = save_cohort(cohort, tmp_path / "c.zarr")
    first, second = chunks(folder, "choice")
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    with pytest.raises(InputError, match="chunks of 'choice' are not those that were written"):
        open_cohort(folder)


def test_a_chunk_of_another_variable(folder: Path) -> None:
    (ours,), (theirs,) = chunks(folder, "forced"), chunks(folder, "valid")
    shutil.copy(theirs, ours)
    with pytest.raises(InputError, match="chunks of 'forced' are not those"):
        open_cohort(folder)


def test_a_variable_that_was_not_written(folder: Path) -> None:
    shutil.copytree(folder / "choice", folder / "state2")
    with pytest.raises(InputError, match="'state2' is none of the variables that were written"):
        open_cohort(folder)


def test_a_folder_of_an_earlier_version_is_read(recorded: xr.Dataset, folder: Path) -> None:
    edit(folder / "zarr.json", lambda said: said["attributes"].pop(LISTING))
    xr.testing.assert_identical(open_cohort(folder), recorded)


def test_a_netcdf_of_an_earlier_version_is_read(recorded: xr.Dataset, tmp_path: Path) -> None:
    recorded.drop_encoding().to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
    xr.testing.assert_identical(open_cohort(tmp_path / "c.nc"), recorded)


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_what_is_read_can_be_saved_by_other_means(
    ending: str, recorded: xr.Dataset, tmp_path: Path
) -> None:
    """Our own marks stay in the file; what xarray writes of a cohort is a cohort."""
    again = open_cohort(save_cohort(recorded, tmp_path / f"c{ending}"))
    assert again.attrs == recorded.attrs
    again.isel(session=[0]).to_netcdf(tmp_path / "d.nc", engine="h5netcdf")
    xr.testing.assert_identical(open_cohort(tmp_path / "d.nc"), recorded.isel(session=[0]))


@pytest.mark.parametrize("lazy", [False, True])
def test_a_changed_value_of_a_netcdf(lazy: bool, recorded: xr.Dataset, tmp_path: Path) -> None:
    """Written anew by HDF5 itself, so that its own checksums are right."""
    path = save_cohort(recorded, tmp_path / "c.nc")
    for name, index in (
        ("choice", (0, 0)),
        ("subject", 0),
        ("event", 0),
        ("activity", (0, 0, 0, 0)),
    ):
        shutil.copy(path, tmp_path / "d.nc")
        with h5py.File(tmp_path / "d.nc", "r+") as file:
            value = file[name][index]
            file[name][index] = "other" if isinstance(value, bytes) else value + 1
        if lazy:
            open_cohort(tmp_path / "d.nc", lazy=True).close()
            continue
        with pytest.raises(InputError, match=f"damaged .the checksum of '{name}' differs"):
            open_cohort(tmp_path / "d.nc")


@pytest.mark.parametrize("lazy", [False, True])
def test_a_lost_variable_or_attribute_of_a_netcdf(
    lazy: bool, recorded: xr.Dataset, tmp_path: Path
) -> None:
    path = save_cohort(recorded, tmp_path / "c.nc")
    changes: list[Callable[[Any], Any]] = [
        lambda f: f.__delitem__("forced"),
        lambda f: f.attrs.__setitem__("task", "bandit"),
        lambda f: f["reward"].attrs.__setitem__("units", "drops"),
        lambda f: f.move("forced", "stimulus"),
        lambda f: f.attrs.__setitem__("neuro_metarl_checksum", "{}"),
        lambda f: f.attrs.__setitem__("neuro_metarl_checksum", "x"),
    ]
    for change in changes:
        shutil.copy(path, tmp_path / "d.nc")
        with h5py.File(tmp_path / "d.nc", "r+") as file:
            change(file)
        with pytest.raises(InputError, match=r"d\.nc: cannot be read, the file is damaged"):
            open_cohort(tmp_path / "d.nc", lazy=lazy)


def test_all_numbers_of_a_netcdf_have_a_chunk_checksum(
    recorded: xr.Dataset, tmp_path: Path
) -> None:
    with h5py.File(save_cohort(recorded, tmp_path / "c.nc")) as file:
        for name, item in file.items():
            if item.ndim and item.size and item.dtype.kind in "biuf" and name in recorded:
                assert item.fletcher32, name


@given(
    values=st.lists(
        st.floats(width=32, allow_nan=True, allow_infinity=True) | st.just(-0.0), min_size=1
    ),
    text=st.text(max_size=5).filter(lambda t: "\0" not in t),
)
@settings(max_examples=40, deadline=None)
def test_no_whole_file_is_taken_for_damaged(
    values: list[float], text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    numbers = np.array([values])
    numbers[np.isnan(numbers)] *= -1
    cohort = make_cohort(
        {"choice": np.zeros((1, numbers.shape[1])), "reward": np.zeros(numbers.shape)},
        subject=["a"], task="bandit", source="animal",
    )  # fmt: skip
    cohort["pupil"] = (("session", "trial"), numbers)
    cohort = cohort.assign_coords(rig=("session", np.array([text])), day=3, on=True)
    place = tmp_path_factory.mktemp("whole")
    xr.testing.assert_identical(save_and_open(cohort, place / "c.nc"), cohort)
    xr.testing.assert_identical(save_and_open(cohort, place / "c.zarr"), cohort)


def save_and_open(cohort: xr.Dataset, path: Path) -> xr.Dataset:
    return open_cohort(save_cohort(cohort, path))


def test_dates_and_other_types_are_not_taken_for_damage(tmp_path: Path) -> None:
    cohort = make_cohort(
        {"choice": [[0, 1]], "reward": [[1, 0]]}, subject=["a"], task="bandit", source="animal"
    )
    for k, unit in enumerate(("s", "ns")):
        days = np.array(["2020-01-02"], f"datetime64[{unit}]")
        dated = cohort.assign_coords(day=("session", days))
        again = save_and_open(dated, tmp_path / f"{k}.nc")
        assert (again.day == dated.day).all()


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("how", ["filters", "compressor", "v3", "nested"])
@pytest.mark.parametrize("codec", ["pickle", "msgpack2", "json2", "mine"])
def test_codecs_that_could_execute_are_refused_before_zarr_opens_the_folder(
    how: str, codec: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(zarr, "open_group", never)
    monkeypatch.setattr(xr, "open_zarr", never)
    mark = tmp_path / "executed"
    if how in ("v3", "nested"):
        bad = {"name": f"numcodecs.{codec}", "configuration": {}}
        if how == "nested":
            bad = {"name": "sharding_indexed", "configuration": {"codecs": [bad]}}
        edit(folder / "choice" / "zarr.json", lambda said: said["codecs"].append(bad))
    else:
        (folder / "rig").mkdir()
        said = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "order": "C",
                "fill_value": None, "compressor": None, "filters": None}  # fmt: skip
        said[how] = [{"id": codec}] if how == "filters" else {"id": codec}
        (folder / "rig" / ".zarray").write_text(json.dumps(said))
        (folder / "rig" / "0").write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(InputError, match=f"stored with the codec '.*{codec}', which is not read"):
        open_cohort(folder)
    assert not mark.exists()


def test_a_zarr_of_version_2_with_plain_codecs_is_read(tmp_path: Path) -> None:
    cohort = make_cohort(
        {"choice": [[0, 1]], "reward": [[1, 0]]}, subject=["a"], task="bandit", source="animal"
    )
    text = {n: ("session", cohort[n].values.astype(object)) for n in ("subject", "session_id")}
    cohort.assign_coords(text).to_zarr(tmp_path / "c.zarr", zarr_format=2, consolidated=False)
    xr.testing.assert_equal(open_cohort(tmp_path / "c.zarr"), cohort)


@pytest.mark.parametrize("how", ["external", "soft", "storage", "virtual"])
def test_numbers_in_other_files_are_not_followed(
    how: str, recorded: xr.Dataset, tmp_path: Path
) -> None:
    path = save_cohort(recorded, tmp_path / "c.nc")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.zeros((3, 100), "int8")
    with h5py.File(path, "r+") as file:
        if how == "external":
            file["state2"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
        elif how == "soft":
            file["state2"] = h5py.SoftLink("/choice")
        elif how == "storage":
            outside = [(str(tmp_path / "raw"), 0, 300)]
            file.create_dataset("state2", (3, 100), "int8", external=outside)
        else:
            layout = h5py.VirtualLayout((3, 100), "int8")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (3, 100))
            file.create_virtual_dataset("state2", layout)
    with pytest.raises(InputError, match=r"'state2' .*which is not followed"):
        open_cohort(path)


def test_checksums_see_every_variable(recorded: xr.Dataset) -> None:
    said = json.loads(netcdf.checksums(recorded))["values"]
    assert set(said) == set(map(str, recorded.variables))
