"""Miller's files: every trap, and every way a file can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from neuro_metarl.cohort import responses, select_subjects
from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_miller
from tests.miller_file import Fields, rat, write


def flat(cohort, name: str) -> np.ndarray:  # type: ignore[no-untyped-def]
    there = cohort.invalid_reason.values != 1
    return cohort[name].values[there]


@pytest.mark.parametrize("incongruent", [False, True])
def test_a_rat_is_read_as_it_was_written(incongruent: bool, tmp_path: Path) -> None:
    fields = rat(incongruent=incongruent)
    cohort = read(write(tmp_path / "r.mat", [fields]))
    assert cohort.sizes["session"] == 2
    assert [(cohort.valid.values[k].sum()) for k in (0, 1)] == [38, 20]
    assert cohort.subject.values.tolist() == ["R1", "R1"]
    assert cohort.species.values.tolist() == ["rat", "rat"]
    assert np.array_equal(flat(cohort, "choice"), fields["sides1"] == ord("r"))
    valid = flat(cohort, "valid") == 1
    assert np.array_equal(flat(cohort, "state")[valid], (fields["sides2"] == ord("r"))[valid])
    assert np.array_equal(flat(cohort, "common")[valid], fields["trans_common"][valid])
    assert np.array_equal(flat(cohort, "reward")[valid], fields["rewards"][valid])
    assert np.allclose(cohort.p_reward.values[0, 0], [0.8, 0.2])
    assert np.allclose(flat(cohort, "t_choice"), fields["s1_times"])


def test_forced_trials_have_no_better_choice_but_are_correct_or_not(tmp_path: Path) -> None:
    fields = rat()
    truth = fields["better_choices"].copy()
    truth[5] = (fields["sides1"][5] == ord("l")) == (fields["leftprobs"][5] > 0.5)
    cohort = read(write(tmp_path / "r.mat", [fields]))
    assert np.flatnonzero(flat(cohort, "forced")).tolist() == [5]
    assert np.array_equal(flat(cohort, "correct"), truth)
    assert not responses(cohort).values[0, 5]


def test_both_marks_of_a_violation_count(tmp_path: Path) -> None:
    cohort = read(write(tmp_path / "r.mat", [rat()]))
    assert np.flatnonzero(flat(cohort, "valid") == 0).tolist() == [7, 9]
    assert np.flatnonzero(flat(cohort, "invalid_reason") == 2).tolist() == [7, 9]
    assert flat(cohort, "state")[9] == -1
    assert np.isnan(flat(cohort, "t_outcome")[9])


def test_rats_of_either_mapping_in_one_file(tmp_path: Path) -> None:
    rats = [rat("A", 60), rat("B", 50, incongruent=True, seed=1)]
    cohort = read(write(tmp_path / "r.mat", rats))
    for name, fields in zip("AB", rats, strict=True):
        one = select_subjects(cohort, name)
        valid = flat(one, "valid") == 1
        assert np.array_equal(flat(one, "common")[valid], fields["trans_common"][valid])


def spoil(field: str, place: int, value: float) -> Callable[[Fields], None]:
    def change(fields: Fields) -> None:
        fields[field][place] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil("sides1", 3, ord("x")), "rat 'R1', trial 3: field 'sides1' is 'x', expected one of"),
        (spoil("sides2", 3, ord("q")), "trial 3: field 'sides2' is 'q'"),
        (spoil("rewards", 4, np.nan), "trial 4: field 'rewards' is nan, not 0 or 1"),
        (spoil("rewards", 4, 3), "trial 4: field 'rewards' is 3"),
        (lambda f: f.pop("viols"), "rat 0: field 'viols' is missing"),
        (
            lambda f: f.update(sides1=np.full(60, np.nan)),
            "trial 0: field 'sides1' is 'nan', expected one of l, r, v",
        ),
        (spoil("leftprobs", 11, np.nan), "trial 11: field 'better_choices' is .*mapping say -1"),
        (spoil("leftprobs", 7, 80), r"r\.mat: p_reward: \[80"),
        (
            lambda f: f.update({k: v[:0] for k, v in f.items() if len(v) == 60}),
            "field 'sides1' holds no trials",
        ),
        (lambda f: f.update(rewards=f["rewards"][:-1]), "'rewards' has 59 values, 'sides1' has 60"),
        (
            lambda f: f["trans_common"].__setitem__(11, 1 - f["trans_common"][11]),
            "trial 11: field 'trans_common' disagrees",
        ),
        (
            lambda f: f["better_choices"].__setitem__(11, 1 - f["better_choices"][11]),
            "trial 11: field 'better_choices' is",
        ),
    ],
)
def test_files_that_break_their_own_rules(
    change: Callable[[Fields], object], message: str, tmp_path: Path
) -> None:
    fields = rat()
    change(fields)
    path = write(tmp_path / "r.mat", [fields])
    with pytest.raises(InputError, match=message) as caught:
        read_miller(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_truncated_files(share: float, tmp_path: Path) -> None:
    path = write(tmp_path / "r.mat", [rat(), rat("R2")])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        InputError, match=r"r\.mat: cannot be read, the file is damaged or truncated"
    ):
        read_miller(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"MATLAB 5.0 MAT-file, Platform: x" + b" " * 200, r"a MATLAB 5 file; .*-v7.3"),
        (b"choice,reward\n0,1\n", "not a MATLAB 7.3 file"),
        (b"", "not a MATLAB 7.3 file"),
    ],
)
def test_other_files(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "r.mat"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_miller(path)


def replace(name: str, values: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        if values is None:
            file.create_group(name)
        else:
            file[name] = values

    return change


def no_reference(file: h5py.File) -> None:
    del file["ratdatas"]
    file.create_dataset("ratdatas", (1, 1), dtype=h5py.ref_dtype)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replace("#refs#/0/rewards", None), "rat 0: field 'rewards' holds neither numbers nor"),
        (replace("#refs#/0/viols", np.full(60, b"x")), "field 'viols' holds neither numbers nor"),
        (replace("ratdatas", np.arange(3.0)), "'ratdatas' is not a cell array of structs"),
        (no_reference, "rat 0: field 'ratdatas' does not hold a struct"),
    ],
)
def test_fields_of_another_kind(
    change: Callable[[h5py.File], None], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "r.mat", [rat()], change)
    with pytest.raises(InputError, match=message) as caught:
        read_miller(path)
    assert "\n" not in str(caught.value)


def test_one_rat_that_stands_without_a_cell(tmp_path: Path) -> None:
    def bare(file: h5py.File) -> None:
        del file["ratdatas"]
        file.move("#refs#/0", "ratdatas")

    one = read_miller(write(tmp_path / "r.mat", [rat()], bare))
    xr.testing.assert_identical(one, read_miller(write(tmp_path / "r.mat", [rat()])))


def test_a_violation_before_the_choice(tmp_path: Path) -> None:
    fields = rat()
    fields["sides1"][7] = ord("v")
    cohort = read_miller(write(tmp_path / "r.mat", [fields]))
    row = cohort.isel(session=0, trial=7)
    assert [int(row[k]) for k in ("choice", "valid", "correct")] == [-1, 0, -1]


@pytest.mark.parametrize("incongruent", [False, True])
def test_a_short_session_with_mostly_rare_transitions(incongruent: bool, tmp_path: Path) -> None:
    """The mapping is the one that the file states, not the more frequent one."""
    fields = rat(incongruent=incongruent)
    rare = np.flatnonzero((fields["trans_common"] == 0) & (fields["viols"] == 0))
    common = np.flatnonzero((fields["trans_common"] == 1) & (fields["viols"] == 0))
    keep = [*rare[:4], *common[:2]]
    short = {k: v[keep] if len(v) == 60 else v for k, v in fields.items()}
    short["new_sess"][:] = 0
    short |= {k: np.sort(v) for k, v in short.items() if k.endswith("_times")}
    cohort = read_miller(write(tmp_path / "r.mat", [short]))
    assert cohort.common.values.tolist() == [[0, 0, 0, 0, 1, 1]]


def test_one_session(tmp_path: Path) -> None:
    fields = rat()
    fields["new_sess"][:] = 0
    assert dict(read_miller(write(tmp_path / "r.mat", [fields])).sizes)["session"] == 1


def test_another_structure(tmp_path: Path) -> None:
    path = write(tmp_path / "r.mat", [rat()], lambda f: f.move("ratdatas", "dataset"))
    with pytest.raises(InputError, match="field 'ratdatas' is missing; there are: dataset"):
        read_miller(path)


def test_the_real_rats_have_the_published_counts(real_data: Path) -> None:
    folder = real_data / "miller2022_rat_twostep"
    known = json.loads((folder / "reference_values.json").read_text())["rats"]
    cohort = read_miller(folder / "ofc_physdata_3rats.mat")
    for name, expected in known.items():
        one = select_subjects(cohort, name)
        valid = one.valid == 1
        assert int((one.invalid_reason != 1).sum()) == expected["n_rows"]
        assert int(valid.sum()) == expected["n_valid"]
        assert int((valid & (one.forced == 1)).sum()) == expected["n_forced"]
        assert one.sizes["session"] == expected["sessions"]
