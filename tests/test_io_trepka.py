"""Bari's mice in Trepka's MATLAB file: a small file in that form, and the mice where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_trepka
from neuro_metarl.io.formats.trepka import holds_trepka

SHARED = Path(__file__).parents[2] / "shared/data/trepka2021_mouse_bandit/all_stats_cohen.mat"


def session(name: str = " BB1", **changes: Any) -> dict[str, Any]:
    """Two left, one right; the better arm changes from left to right after two trials."""
    fields = {
        "animal_ids": name,
        "r": np.array([[1], [0], [1]], dtype="uint8"),
        "c": np.array([[-1], [-1], [1]], dtype="int16"),
        "hr_side": np.array([[-1], [-1], [1]], dtype="int16"),
        "rewardprob": np.array([[0.4, 0.1], [0.4, 0.1], [0.05, 0.4]]),
        "bait_l": np.array([[0], [1], [0]], dtype="uint8"),
        "num_miss_trials": np.uint8(2),
        "num_nogo_trials": np.uint8(22),
    }
    return {k: v for k, v in (fields | changes).items() if v is not None}


def written(folder: Path, *sessions: Any, field: str = "all_stats") -> Path:
    cell = np.empty((1, len(sessions)), dtype=object)
    for k, one in enumerate(sessions):
        cell[0, k] = one
    savemat(folder / "mice.mat", {field: cell}, do_compression=True)
    return folder / "mice.mat"


def test_choices_rewards_and_odds(tmp_path: Path) -> None:
    one_trial = {k: session()[k][:1] for k in ("r", "c", "hr_side", "rewardprob")}
    path = written(tmp_path, session(), session("BB2"), session(**one_trial))
    cohort = read_trepka(path)
    assert cohort.subject.values.tolist() == ["BB1", "BB2", "BB1"]
    assert cohort.session_id.values.tolist() == ["BB1/0", "BB2/0", "BB1/1"]
    assert cohort.species.values.tolist() == ["mouse"] * 3
    first = cohort.isel(session=0)
    assert first.choice.values.tolist() == [0, 0, 1]
    assert first.reward.values.tolist() == [1, 0, 1]
    assert first.correct.values.tolist() == [1, 1, 1]
    assert first.p_reward.values[2] == pytest.approx([0.05, 0.4])
    assert cohort.valid.values.tolist() == [[1, 1, 1], [1, 1, 1], [1, 0, 0]]
    assert cohort.invalid_reason.values[2].tolist() == [0, 1, 1]
    assert cohort.attrs["task"] == "bandit-baited"


def test_the_number_of_removed_trials_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path, session(), session(num_miss_trials=None, num_nogo_trials=None))
    cohort = read_trepka(path)
    assert cohort.n_missed.values.tolist() == [2, -1]
    assert cohort.n_nogo.values.tolist() == [22, -1]


def test_where_both_arms_are_equal_neither_is_correct(tmp_path: Path) -> None:
    path = written(tmp_path, session(rewardprob=np.full((3, 2), 0.25)))
    assert read_trepka(path).correct.values.tolist() == [[-1, -1, -1]]


def test_read_tells_it_from_other_matlab_files(tmp_path: Path) -> None:
    path = written(tmp_path, session())
    assert holds_trepka(path)
    assert read(path).identical(read_trepka(path))
    other = written(tmp_path, session(), field="ratdatas")
    assert not holds_trepka(other)
    with pytest.raises(InputError, match=r"a MATLAB 5 file; .*save it in MATLAB with"):
        read(other)
    with pytest.raises(InputError, match=r"columns and codes are for tables; \.mat needs none"):
        read(path, columns={"choice": "c"})
    path.write_bytes(b"MATLAB 5.0 MAT-file" + b"x" * 300)
    assert not holds_trepka(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"r": session()["c"], "c": session()["r"]}, "trial 0: field 'r' is -1, .*README swaps$"),
        ({"c": np.array([[-1], [0], [1]])}, "session 1, trial 1: field 'c' is 0, expected -1 or 1"),
        ({"c": np.array([[-1], [np.nan], [1]])}, "trial 1: field 'c' is nan"),
        ({"hr_side": -session()["hr_side"]}, "'hr_side' is 1, but 'rewardprob' is 0.4 left"),
        ({"rewardprob": np.ones((2, 2))}, r"'rewardprob' has shape \(2, 2\), expected \(3, 2\)"),
        ({"rewardprob": np.array([["a"] * 2] * 3)}, "field 'rewardprob' has shape"),
        ({"r": np.ones((2, 1))}, "field 'r' has 2 values, 'c' has 3"),
        ({"hr_side": np.ones((2, 1))}, "field 'hr_side' has 2 values, 'c' has 3"),
        ({"r": "text"}, "session 1: field 'r' holds no numbers"),
        ({"c": np.empty((0, 1))}, "field 'c' holds no numbers"),
        ({"hr_side": None}, "session 1: field 'hr_side' is missing"),
        ({"animal_ids": 3.0}, r"'animal_ids' holds no characters.*save char\(animal_ids\)"),
        ({"animal_ids": " "}, "session 1: field 'animal_ids' holds no characters"),
        ({"rewardprob": session()["rewardprob"] * 3}, "expected a probability"),
    ],
)
def test_what_is_not_of_the_layout(tmp_path: Path, changes: Any, message: str) -> None:
    path = written(tmp_path, session(), session(**changes))
    with pytest.raises(InputError, match=message) as caught:
        read_trepka(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_that_are_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.mat: there is no such file"):
        read_trepka(tmp_path / "nothing.mat")
    with pytest.raises(InputError, match="field 'all_stats' is missing; there are: mice"):
        read_trepka(written(tmp_path, session(), field="mice"))
    with pytest.raises(InputError, match="field 'all_stats' does not hold a struct"):
        read_trepka(written(tmp_path, np.ones(3)))
    with pytest.raises(InputError, match="field 'all_stats' holds no sessions"):
        read_trepka(written(tmp_path))
    whole = written(tmp_path, session()).read_bytes()
    (tmp_path / "half.mat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="the file is damaged or truncated"):
        read_trepka(tmp_path / "half.mat")
    (tmp_path / "other.mat").write_bytes(b"other")
    with pytest.raises(InputError, match="not a MATLAB 5 file"):
        read_trepka(tmp_path / "other.mat")


@pytest.mark.skipif(not SHARED.is_file(), reason="the mice's file is not here")
def test_sixteen_mice() -> None:
    """Counts and probabilities as stated with the file; baiting beats the nominal odds."""
    cohort = read_trepka(SHARED)
    valid = cohort.valid.values == 1
    choice, reward = cohort.choice.values, cohort.reward.values
    assert (len(subjects_of(cohort)), cohort.sizes["session"]) == (16, 469)
    assert valid.sum() == 189199
    assert (int(cohort.n_missed.sum()), int(cohort.n_nogo.sum())) == (1706, 7893)
    both = valid[:, 1:] & valid[:, :-1]
    stay, won = choice[:, 1:] == choice[:, :-1], reward[:, :-1] == 1
    assert stay[both & won].mean() == pytest.approx(0.854, abs=6e-4)
    assert stay[both & ~won].mean() == pytest.approx(0.635, abs=6e-4)
    assert cohort.correct.values[valid].mean() == pytest.approx(0.691, abs=6e-4)
    assert reward[valid].mean() == pytest.approx(0.382, abs=6e-4)
    nominal = np.take_along_axis(cohort.p_reward.values, choice[..., None].clip(0), 2)[..., 0]
    worse = valid & (cohort.correct.values == 0)
    assert reward[worse].mean() > 1.5 * nominal[worse].mean()
