"""Boussard's guppies: a small sheet in that form, and the guppies where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from neuro_metarl.cohort import subjects_of
from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_boussard
from neuro_metarl.io.formats import boussard

SHARED = Path(__file__).parents[2] / "shared/data/boussard_guppy_serial_reversal"
FILE = SHARED / "SRL(all_data).xlsx"


def rows(tank: int = 7, first: str = "red", n_phases: int = 3, n_trials: int = 8) -> pd.DataFrame:
    """Make one fish that succeeds on odd trials and does not choose on trial 2."""
    other = {"red": "yellow", "yellow": "red"}[first]
    table = [
        {
            "tankID": tank, "fishID": 270, "replicate": 2, "brainsize": 1,
            "colour": (first, other)[phase % 2], "date": "1.10.2018", "reversal": phase,
            "side": "HV"[trial % 2], "trial": trial,
            "success": None if trial == 2 else trial % 2,
        }
        for phase in range(n_phases)
        for trial in range(1, n_trials + 1)
    ]  # fmt: skip
    return pd.DataFrame(table)


def written(folder: Path, table: pd.DataFrame) -> Path:
    path = folder / "fish.xlsx"
    table.astype(object).to_excel(path, index=False)
    return path


def changed(column: str, row: int, value: Any) -> pd.DataFrame:
    table = rows().astype(object)
    table.loc[row, column] = value
    return table


def test_choices_are_colors(tmp_path: Path) -> None:
    """Sorted by trial in the file, as there; red is 0, and the rule reverses each phase."""
    table = pd.concat([rows(7, "red"), rows(12, "yellow")])
    cohort = read_boussard(written(tmp_path, table.sort_values(["trial", "reversal"])))
    assert subjects_of(cohort) == ["7", "12"]
    assert cohort.session_id.values.tolist() == ["7/0", "7/1", "7/2", "12/0", "12/1", "12/2"]
    red, reversed_ = cohort.isel(session=0), cohort.isel(session=1)
    assert red.choice.values.tolist() == [0, -1, 0, 1, 0, 1, 0, 1]
    assert reversed_.choice.values.tolist() == [1, -1, 1, 0, 1, 0, 1, 0]
    assert cohort.isel(session=3).choice.values.tolist() == reversed_.choice.values.tolist()
    assert red.p_reward.values.tolist() == [[1, 0]] * 8
    assert reversed_.p_reward.values.tolist() == [[0, 1]] * 8
    assert cohort.problem.values[:, 0].tolist() == [0, 1, 2, 0, 1, 2]
    assert cohort.brain_size.values.tolist() == [1] * 6
    assert cohort.replicate.values.tolist() == [2] * 6


def test_an_empty_success_is_no_choice(tmp_path: Path) -> None:
    cohort = read_boussard(written(tmp_path, rows()))
    assert cohort.valid.values[0].tolist() == [1, 0, 1, 1, 1, 1, 1, 1]
    assert cohort.invalid_reason.values[0].tolist() == [0, 3, 0, 0, 0, 0, 0, 0]
    assert cohort.correct.values[0].tolist() == [1, -1, 1, 0, 1, 0, 1, 0]
    assert np.isnan(cohort.reward.values[0, 1])


def test_a_wrong_color_in_one_phase_is_outvoted(tmp_path: Path) -> None:
    right, wrong = rows(), rows()
    wrong.loc[wrong.reversal == 1, "colour"] = "red"
    expected = read_boussard(written(tmp_path, right))
    assert read_boussard(written(tmp_path, wrong)).choice.equals(expected.choice)


def test_days_as_sessions(tmp_path: Path) -> None:
    cohort = read_boussard(written(tmp_path, rows(n_phases=1)), session="day")
    assert cohort.session_id.values.tolist() == ["7/0/0", "7/0/1"]
    assert cohort.valid.values.tolist() == [[1, 0, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0]]
    with pytest.raises(InputError, match="session='week': expected one of phase, day"):
        read_boussard(tmp_path / "fish.xlsx", session="week")


def test_dropped_trials_become_invalid_rows(tmp_path: Path) -> None:
    cohort = read_boussard(written(tmp_path, rows(n_phases=1).drop(index=[3, 4])))
    assert cohort.invalid_reason.values.tolist() == [[0, 3, 0, 4, 4, 0, 0, 0]]


def test_read_tells_it_from_other_sheets(tmp_path: Path) -> None:
    path = written(tmp_path, rows())
    assert read(path).identical(read_boussard(path))
    plain = pd.DataFrame({"subject": ["a", "a"], "choice": [0, 1], "reward": [1, 0]})
    plain.to_excel(tmp_path / "plain.xlsx", index=False)
    assert read(tmp_path / "plain.xlsx", task="bandit").choice.values.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (changed("success", 2, "yes"), "row 4, column 'success': got 'yes', expected 0, 1 or an"),
        (changed("success", 2, 2), "row 4, column 'success': got 2, expected 0, 1"),
        (changed("reversal", 0, "first"), "row 2, column 'reversal': got 'first', expected a wh"),
        (changed("trial", 1, None), "row 3, column 'trial': got nan, expected a whole number"),
        (changed("tankID", 5, 1.5), "row 7, column 'tankID': got 1.5"),
        (changed("colour", 5, "blue"), "row 7, column 'colour': got 'blue', expected one of red, "),
        (changed("trial", 1, 1), "trial 1 of subject '7', session '7/0', appears twice"),
        (rows(n_phases=2).assign(colour="red"), "colors of fish 7 do not alternate"),
        (rows().drop(columns="success"), "column 'success' is missing; there are: tankID, fishID"),
        (rows().iloc[:0], "holds no trials"),
    ],
)
def test_what_is_not_of_the_layout(tmp_path: Path, table: pd.DataFrame, message: str) -> None:
    path = written(tmp_path, table)
    with pytest.raises(InputError, match=message) as caught:
        read_boussard(path)
    assert str(caught.value).startswith(str(path))


def test_files_that_are_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"fish\.xlsx: there is no such file"):
        read_boussard(tmp_path / "fish.xlsx")
    (tmp_path / "fish.xlsx").write_bytes(b"no spreadsheet")
    with pytest.raises(InputError, match=r"cannot be read as \.xlsx"):
        read_boussard(tmp_path / "fish.xlsx")

    def without(*_: object, **__: object) -> None:
        raise ImportError

    monkeypatch.setattr(boussard.pd, "read_excel", without)
    with pytest.raises(InputError, match=r"needs an extra: pip install \"neuro_metarl\[tables\]\""):
        read_boussard(tmp_path / "fish.xlsx")


@pytest.mark.skipif(not FILE.is_file(), reason="the guppies' file is not here")
def test_ninety_six_guppies() -> None:
    """Successes and stays as stated with the file, whose own choice is success XOR parity."""
    cohort = read_boussard(FILE)
    valid, choice = cohort.valid.values == 1, cohort.choice.values
    assert (len(subjects_of(cohort)), cohort.sizes["session"]) == (96, 1056)
    assert ((cohort.invalid_reason.values == 3).sum(), valid.sum()) == (2315, 29365)
    phase, success = cohort.problem.values, cohort.correct.values
    expected = [0.548, 0.064, 0.094, 0.156, 0.302, 0.344, 0.260, 0.292, 0.305, 0.404, 0.351]
    first = [success[k::11, 0] for k in range(11)]
    assert [s[s >= 0].mean() for s in first] == pytest.approx(expected, abs=6e-4)
    same = (choice == (success ^ (phase % 2)))[valid].reshape(-1)
    fish = np.repeat(cohort.subject.values, 30).reshape(choice.shape)[valid]
    assert set(pd.Series(same).groupby(fish).mean()) == {0.0, 1.0}
    frame = pd.DataFrame({
        "session": np.nonzero(valid)[0], "choice": choice[valid], "won": success[valid],
    })  # fmt: skip
    before = frame.groupby("session").shift()
    known = before.won.notna()
    stay = (frame.choice == before.choice)[known].groupby(before.won[known]).mean()
    assert stay.tolist() == pytest.approx([0.466, 0.715], abs=6e-4)
