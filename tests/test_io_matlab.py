"""Miller's files: every trap, and every way a file can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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
