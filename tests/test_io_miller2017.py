"""Miller's rats of 2017: small files in that form, of both MATLAB versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_miller, read_miller2017
from neuro_metarl.io.formats.miller2017 import infusions_of
from tests.miller_file import rat, text, write

LETTERS = ("ratname", "task", "sides1", "sides2")


def struct(**changes: Any) -> dict[str, Any]:
    """Give a rat as MATLAB has it: letters and numbers in columns."""
    fields = rat(incongruent=True) | changes
    made = {k: np.asarray(v, dtype=float)[:, None] for k, v in fields.items() if k not in LETTERS}
    for name in LETTERS:
        letters = [chr(code) for code in fields[name]]
        made[name] = "".join(letters) if name in ("ratname", "task") else np.array(letters)[:, None]
    return made


def matlab_5(folder: Path, *cells: Any, field: str = "dataset") -> Path:
    cell = np.empty((1, len(cells)), dtype=object)
    for k, one in enumerate(cells):
        cell[0, k] = one
    savemat(folder / "five.mat", {field: cell}, do_compression=True)
    return folder / "five.mat"


def matlab_73(folder: Path, *rats: dict[str, np.ndarray]) -> Path:
    return write(folder / "seven.mat", list(rats), lambda file: file.move("ratdatas", "dataset"))


def test_both_versions_are_read_as_the_later_file_is(tmp_path: Path) -> None:
    later = read_miller(write(tmp_path / "later.mat", [rat(incongruent=True)]))
    five = read(matlab_5(tmp_path, struct()))
    seven = read(matlab_73(tmp_path, rat(incongruent=True)))
    assert five.equals(later)
    assert seven.equals(later)
    assert five.subject.values.tolist() == ["R1", "R1"]
    assert five.forced.values[0, 5] == 1
    assert set(np.flatnonzero(five.invalid_reason.values[0] == 2)) == {7, 9}
    assert five.attrs["created_by"] == "neuro_metarl read_miller2017 from five.mat"


def test_letters_in_a_row_are_read_too(tmp_path: Path) -> None:
    row = struct() | {"sides1": "".join(chr(c) for c in rat(incongruent=True)["sides1"])}
    assert read(matlab_5(tmp_path, row)).equals(read_miller2017(matlab_5(tmp_path, struct())))


def test_an_empty_cell_is_no_rat(tmp_path: Path) -> None:
    assert read(matlab_5(tmp_path, np.empty((0, 0)), struct())).sizes["session"] == 2

    def empty(file: h5py.File) -> None:
        file.move("ratdatas", "dataset")
        nothing = file.create_dataset("#refs#/e", data=np.zeros(2, dtype="uint64"))
        nothing.attrs["MATLAB_empty"] = 1
        file["dataset"][1, 0] = nothing.ref

    path = write(tmp_path / "seven.mat", [rat("A"), rat("B")], empty)
    assert set(read(path).subject.values) == {"A"}


def infusions(folder: Path, version: int) -> Path:
    """Write a struct of cell arrays; the second rat's saline sessions are a blank."""
    if version == 5:
        cells = {}
        blank = {"task": "TwoStep", "sides1": np.array([["r"], ["r"]]), "nTrials": 2.0}
        for name, second in (("hippo", struct(ratname=text("B"))), ("saline_all", blank)):
            cell = np.empty((1, 2), dtype=object)
            cell[0, 0], cell[0, 1] = struct(), second
            cells[f"data_{name}"] = cell
        savemat(folder / "five.mat", {"dataset": cells}, do_compression=True)
        return folder / "five.mat"

    def moved(file: h5py.File) -> None:
        group = file.create_group("dataset")
        both = file["ratdatas"][()]
        blank = file.create_group("#refs#/blank")
        blank["sides1"] = np.zeros((1, 2), dtype="uint16")
        group.create_dataset("data_hippo", data=both, dtype=h5py.ref_dtype)
        both[1, 0] = blank.ref
        group.create_dataset("data_saline_all", data=both, dtype=h5py.ref_dtype)
        del file["ratdatas"]

    rats = [rat(incongruent=True), rat("B", incongruent=True)]
    return write(folder / "seven.mat", rats, moved)


@pytest.mark.parametrize("version", [5, 7])
def test_infusions_are_read_one_at_a_time(tmp_path: Path, version: int) -> None:
    path = infusions(tmp_path, version)
    assert infusions_of(path) == ["hippo", "saline_all"]
    both = read_miller2017(path, infusion="hippo")
    assert list(dict.fromkeys(both.subject.values.tolist())) == ["R1", "B"]
    assert both.attrs["infusion"] == "hippo"
    saline = read_miller2017(path, infusion="saline_all")
    assert set(saline.subject.values) == {"R1"}
    (tmp_path / "alone").mkdir()
    alone = read_miller2017(matlab_5(tmp_path / "alone", struct()))
    assert saline.equals(alone)
    with pytest.raises(InputError, match="name one of its infusions; there are: hippo, saline_all"):
        read(path)
    with pytest.raises(InputError, match="did you mean 'hippo'"):
        read_miller2017(path, infusion="hipo")


def test_the_behavioral_data_have_no_infusions(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no infusions; leave infusion='ofc' out"):
        read_miller2017(matlab_5(tmp_path, struct()), infusion="ofc")


def without(name: str) -> dict[str, Any]:
    return {k: v for k, v in struct().items() if k != name}


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (without("viols"), "rat 0: field 'viols' is missing"),
        (np.ones(3), "rat 0: field 'dataset' does not hold a struct"),
        (struct() | {"viols": struct()}, "rat 0: field 'viols' holds neither numbers nor char"),
        (struct(sides1=text("x" * 60)), "rat 'R1', trial 0: field 'sides1' is 'x', expected one"),
        (struct(rewards=np.ones(3)), "field 'rewards' has 3 values, 'sides1' has 60"),
        (np.empty((0, 0)), "field 'dataset' holds no rats"),
    ],
)
def test_what_is_not_of_the_layout(tmp_path: Path, cell: Any, message: str) -> None:
    path = matlab_5(tmp_path, cell)
    with pytest.raises(InputError, match=message) as caught:
        read_miller2017(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_with_other_fields(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="field 'dataset' is missing; there are: data"):
        read_miller2017(matlab_5(tmp_path, struct(), field="data"))
    with pytest.raises(InputError, match="field 'dataset' is missing; there are: ratdatas"):
        read_miller2017(write(tmp_path / "seven.mat", [rat()]))


def test_a_field_that_is_no_cell_of_structs(tmp_path: Path) -> None:
    def numbers(file: h5py.File) -> None:
        file["dataset"] = np.arange(3.0)

    path = write(tmp_path / "numbers.mat", [rat()], numbers)
    with pytest.raises(InputError, match="field 'dataset' is not a cell array of structs"):
        read_miller2017(path)

    def points_to_numbers(file: h5py.File) -> None:
        file.move("ratdatas", "dataset")
        file["dataset"][0, 0] = file["#refs#/0/sides1"].ref

    path = write(tmp_path / "points.mat", [rat()], points_to_numbers)
    with pytest.raises(InputError, match="rat 0: field 'dataset' does not hold a struct"):
        read_miller2017(path)
    with pytest.raises(InputError, match=r"none of the published MATLAB files.*as a plain table"):
        read(path)


def test_files_that_are_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.mat: there is no such file"):
        read_miller2017(tmp_path / "nothing.mat")
    (tmp_path / "text.mat").write_text("no MATLAB")
    with pytest.raises(InputError, match=r"text\.mat: cannot be read as a MATLAB file"):
        read_miller2017(tmp_path / "text.mat")
    whole = matlab_5(tmp_path, struct()).read_bytes()
    (tmp_path / "half.mat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"half\.mat: cannot be read as a MATLAB file"):
        read_miller2017(tmp_path / "half.mat")
