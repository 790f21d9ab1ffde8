"""Grossman's mice on a two-armed bandit: small files in that form (the deposit is not here)."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_grossman

NAN = np.nan
FIELDS = ("trialType", "rewardL", "rewardR", "rewardProbL", "rewardProbR", "licksL")
# left rewarded, right not, no choice, no-go, left at equal odds
TRIALS = [
    ("CSplus", 1.0, NAN, 90.0, 10.0, np.array([1.5, 2.5])), ("CSplus", NAN, 0.0, 90.0, 10.0, []),
    ("CSplus", NAN, NAN, 90.0, 10.0, []), ("CSminus", NAN, NAN, [], [], []),
    ("CSplus", 0.0, NAN, 50.0, 50.0, 3.5),
]  # fmt: skip


def session(*trials: tuple[Any, ...], fields: tuple[str, ...] = FIELDS) -> np.ndarray:
    rows = np.empty((len(trials or TRIALS), 1), dtype=[(name, object) for name in fields])
    for k, trial in enumerate(trials or TRIALS):
        rows[k, 0] = trial
    return rows


def written(folder: Path, behavior: Any, *, name: str = "data.mat") -> Path:
    tree = {"dynamicForaging": {"behavior": behavior, "neural": {"AB01": {"x": session()}}}}
    savemat(folder / name, {"data": tree}, do_compression=True)
    return folder / name


MICE = {"AB01": {"mAB01d1": session(), "mAB01d2": session(TRIALS[1])}, "AB02": {"d1": session()}}


def test_choices_and_odds(tmp_path: Path) -> None:
    cohort = read(written(tmp_path, MICE))
    assert cohort.subject.values.tolist() == ["AB01", "AB01", "AB02"]
    assert cohort.session_id.values.tolist() == ["mAB01d1", "mAB01d2", "d1"]
    assert cohort.choice.values[0].tolist() == [0, 1, -1, -1, 0]
    assert cohort.choice.values[1].tolist() == [1, -1, -1, -1, -1]
    assert cohort.reward.values[0, [0, 1, 4]].tolist() == [1, 0, 0]
    assert cohort.invalid_reason.values[0].tolist() == [0, 0, 3, 3, 0]
    assert cohort.correct.values[0].tolist() == [1, 0, -1, -1, -1]
    assert cohort.p_reward.values[0, 0] == pytest.approx([0.9, 0.1])
    assert set(cohort.species.values) == {"mouse"}


def test_the_zip_is_read_as_it_is(tmp_path: Path) -> None:
    mat = written(tmp_path, MICE)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(mat, "data/data.mat")
    assert read(tmp_path / "all.zip").equals(read(mat))


@pytest.mark.parametrize(
    ("behavior", "message"),
    [
        ((("CSplus", 1.0, 0.0, 90.0, 10.0, []),), "trial 0: fields 'rewardL' and 'rewardR' are"),
        ((("CSplus", 2.0, NAN, 90.0, 10.0, []),), "trial 0: field 'rewardL' is 2, expected 0, 1"),
        ((("CSplus", 1.0, NAN, 900.0, 1.0, []),), "field 'rewardProbL' is 900, expected percent"),
        ((("CSplus", "x", NAN, 90.0, 1.0, []),), "field 'rewardL' is not a single number"),
        ((("go", 1.0, NAN, 90.0, 1.0, []),), "field 'trialType' is 'go', expected CSplus or CSm"),
    ],
)
def test_trials_that_are_not_of_the_layout(
    tmp_path: Path, behavior: tuple[Any, ...], message: str
) -> None:
    path = written(tmp_path, {"AB01": {"d1": session(*behavior)}})
    with pytest.raises(InputError, match=message) as caught:
        read_grossman(path)
    assert str(caught.value).startswith(f"{path}, session 'd1', trial 0")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("behavior", "message"),
    [
        (3.0, "'behavior' is not a struct"),
        ({"AB01": 3.0}, "mouse 'AB01' is not a struct"),
        ({"AB01": {"d1": 3.0}}, "session 'd1', trial 0 is not a struct"),
        ({"AB01": {"d1": np.empty((0, 0))}}, "session 'd1': holds no trials"),
        (
            {"AB01": {"d1": session(("CSplus",), fields=("trialType",))}},
            "session 'd1', trial 0: field 'rewardL' is missing",
        ),
    ],
)
def test_files_that_are_not_of_the_layout(tmp_path: Path, behavior: Any, message: str) -> None:
    path = written(tmp_path, behavior)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))


def test_files_that_are_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.mat: there is no such file"):
        read_grossman(tmp_path / "nothing.mat")
    (tmp_path / "text.mat").write_text("no MATLAB")
    with pytest.raises(InputError, match=r"text\.mat: cannot be read as a MATLAB 5 file"):
        read_grossman(tmp_path / "text.mat")
    savemat(tmp_path / "other.mat", {"data": {"other": 1.0}})
    with pytest.raises(InputError, match=r"'dynamicForaging' of data\.dynamicForaging\.behavior"):
        read_grossman(tmp_path / "other.mat")
    with pytest.raises(InputError, match=r"column '\w+' is missing; there are: other"):
        read(tmp_path / "other.mat")
