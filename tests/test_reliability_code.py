"""Nothing that is read executes code, or leads to other files without being asked."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import neo
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from neuro_metarl.errors import InputError
from neuro_metarl.io import linked_files, nwb_columns, read, read_neo, read_nwb
from neuro_metarl.io.neo_files import READERS
from neuro_metarl.storage import open_cohort

ROOT = Path(__file__).parents[1]


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return Path.touch, (self.place,)


@pytest.mark.parametrize("ending", ["pkl", "pickle", "PKL", "npy", "joblib", "csv", "nix", "mat"])
@pytest.mark.parametrize("reader", [read_neo, read])
def test_a_pickle_is_never_opened(reader: Any, ending: str, tmp_path: Path) -> None:
    burst = tmp_path / "burst"
    path = tmp_path / f"rat.{ending}"
    path.write_bytes(pickle.dumps(Bomb(burst)))
    with pytest.raises(InputError):
        reader(path)
    assert not burst.exists()


def test_a_folder_with_a_pickle_is_not_opened_by_neo(tmp_path: Path) -> None:
    burst = tmp_path / "burst"
    (tmp_path / "session").mkdir()
    (tmp_path / "session" / "rat.pkl").write_bytes(pickle.dumps(Bomb(burst)))
    with pytest.raises(InputError, match="PickleIO of Neo, which could execute"):
        read_neo(tmp_path / "session")
    assert not burst.exists()


def test_every_reader_of_neo_that_may_be_used_was_looked_at() -> None:
    """A word that executes, loads or fetches stands in no source of those that are used."""
    danger = re.compile(r"\b(pickle|eval\(|exec\(|CDLL|WinDLL|urlopen|loadmat|import_module)")
    found = set()
    for kind in neo.io.iolist:
        classes = [c for c in kind.__mro__ if c.__module__.startswith("neo.")]
        files = {str(sys.modules[c.__module__].__file__) for c in classes}
        words = {word for file in files for word in danger.findall(Path(file).read_text("utf-8"))}
        words |= {"pickle"} if "allow_pickle=True" in str(words) else set()
        if words:
            found.add(kind.__name__)
    assert {"PickleIO", "ElphyIO", "NeoMatlabIO"} <= found
    assert not found & READERS


def nwb(path: Path, other: Path, how: str) -> Path:
    with h5py.File(other, "w") as file:
        file["side"] = [0, 1, 0]
    with h5py.File(path, "w") as file:
        file["general/subject/subject_id"] = "m1"
        file["intervals/trials/water"] = [True, False, True]
        trials = file["intervals/trials"]
        if how == "external":
            trials["side"] = h5py.ExternalLink(str(other), "/side")
        elif how == "storage":
            raw = path.with_name("raw.bin")
            raw.write_bytes(bytes([0, 1, 0]))
            trials.create_dataset("side", (3,), "int8", external=[(str(raw), 0, 3)])
        else:
            layout = h5py.VirtualLayout((3,), "int64")
            layout[:] = h5py.VirtualSource(str(other), "side", (3,))
            trials.create_virtual_dataset("side", layout)
    return path


@pytest.mark.parametrize("how", ["external", "storage", "virtual"])
def test_an_nwb_file_leads_to_others_only_when_asked(how: str, tmp_path: Path) -> None:
    path = nwb(tmp_path / "m.nwb", tmp_path / "other.h5", how)
    columns = {"choice": "side", "reward": "water"}
    for call in (lambda: read_nwb(path, columns=columns), lambda: nwb_columns(path)):
        with pytest.raises(InputError, match=r"'intervals/trials/side' is taken from another file"):
            call()
    with linked_files():
        assert read_nwb(path, columns=columns).choice.values.tolist() == [[0, 1, 0]]
    with pytest.raises(InputError, match="is taken from another file"):
        read_nwb(path, columns=columns)


def test_an_object_array_of_a_zarr_of_version_2_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "c.zarr"
    (folder / "choice").mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    meta = {
        "zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "order": "C",
        "fill_value": None, "compressor": None, "filters": [{"id": "pickle", "protocol": 5}],
    }  # fmt: skip
    (folder / "choice" / ".zarray").write_text(json.dumps(meta))
    burst = tmp_path / "burst"
    (folder / "choice" / "0").write_bytes(pickle.dumps(np.array([Bomb(burst)], dtype=object)))
    with pytest.raises(InputError, match="codec 'pickle', which is not read"):
        open_cohort(folder)
    assert not burst.exists()


def test_versions_with_known_holes_cannot_be_installed() -> None:
    """The metadata excludes each version that docs/reliability.md names; ours is none of them."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [r for several in said["optional-dependencies"].values() for r in several]
    needed = {Requirement(r).name: Requirement(r) for r in (*said["dependencies"], *extras)}
    page = (ROOT / "docs" / "reliability.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| below ([\d.]+) \|", page, re.MULTILINE)
    assert {name for name, _ in rows} >= {"numcodecs", "torch", "pyarrow", "numpy", "h5py"}
    for name, safe in rows:
        bounds = [Version(s.version) for s in needed[name].specifier if s.operator == ">="]
        assert bounds, name
        assert max(bounds) >= Version(safe), name
        assert Version(version(name)) >= Version(safe), name


def test_importing_a_reader_loads_no_pickle_of_the_package() -> None:
    """No file that comes with the package is a pickle."""
    files = subprocess.run(
        ["git", "ls-files", "neuro_metarl"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()  # fmt: skip
    assert not [f for f in files if f.endswith((".pkl", ".pt", ".pth", ".npy", ".npz", ".joblib"))]


def test_a_column_of_ten_billion_values_that_are_not_there(tmp_path: Path) -> None:
    path = nwb(tmp_path / "m.nwb", tmp_path / "other.h5", "external")
    with h5py.File(path, "a") as file:
        del file["intervals/trials/side"]
        file["intervals/trials"].create_dataset("side", (10**10,), "f8", chunks=(1000,))
    with pytest.raises(InputError, match=r"'intervals/trials/side' has 10000000000 values, but on"):
        read_nwb(path, columns={"choice": "side", "reward": "water"})
