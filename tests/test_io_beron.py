"""Beron's mice: small tables in that form (the deposit is not here)."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_beron
from neuro_metarl.io.formats.beron import holds_beron

HEADER = "Trial,blockTrial,Decision,Switch,Reward,Condition,Target,blockLength,Session,Mouse\n"
ROWS = """11.0,11.0,1.0,0.0,1.0,90-10,1.0,58.0,m1_77,m1
12.0,12.0,0.0,1.0,0.0,90-10,1.0,58.0,m1_77,m1
15.0,0.0,0.0,0.0,1.0,90-10,0.0,40.0,m1_77,m1
11.0,11.0,0.0,0.0,0.0,80-20,0.0,50.0,m2_3,m2
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "bandit_data.csv"
    path.write_text(text)
    return path


def test_choices_odds_and_gaps(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + ROWS)
    assert holds_beron(path)
    cohort = read(path)
    assert cohort.subject.values.tolist() == ["m1", "m2"]
    assert cohort.session_id.values.tolist() == ["m1_77", "m2_3"]
    assert cohort.choice.values.tolist() == [[0, 1, -1, -1, 1], [1, -1, -1, -1, -1]]
    assert cohort.correct.values[0].tolist() == [1, 0, -1, -1, 1]
    assert cohort.invalid_reason.values.tolist() == [[0, 0, 4, 4, 0], [0, 1, 1, 1, 1]]
    assert cohort.p_reward.values[0, 0] == pytest.approx([0.9, 0.1])
    assert cohort.p_reward.values[0, 4] == pytest.approx([0.1, 0.9])
    assert cohort.p_reward.values[1, 0] == pytest.approx([0.2, 0.8])


def test_other_tables_are_left_to_read_table(tmp_path: Path) -> None:
    path = written(tmp_path, "subject,choice,reward\na,0,1\na,1,0\n")
    assert not holds_beron(path)
    assert read(path, task="bandit").choice.values.tolist() == [[0, 1]]
    binary = tmp_path / "x.csv"
    binary.write_bytes(b"\xff\xfe")
    assert not holds_beron(binary)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + ROWS.replace("12.0,12.0,0.0", "12.0,12.0,2.0"), "row 3, column 'Decision': got "),
        (HEADER + ROWS.replace("12.0,12.0,0.0", "12.0,12.0,"), "row 3, column 'Decision': got nan"),
        (
            HEADER + ROWS.replace("12.0,12.0,0.0", "12.0,12.0,left"),
            "row 3, column 'Decision': got left, e",
        ),
        (HEADER + ROWS.replace("80-20", "80/20"), "row 5, column 'Condition': got 80/20, expected"),
        (HEADER + ROWS.replace("80-20", ""), "row 5, column 'Condition': got nan, expected odds"),
        (HEADER + ROWS.replace("m2_3,m2", "m2_3,"), "row 5, column 'Mouse': got nan, expected a n"),
        (HEADER + ROWS.replace("12.0,12.0", "11.0,12.0"), "trial 11 of subject 'm1', session 'm1"),
        (HEADER.replace("Target", "High") + ROWS, "column 'Target' is missing; there are: Trial, "),
        (HEADER, "holds no trials"),
        ("", "cannot be read as a table"),
    ],
)
def test_what_is_not_of_the_layout(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        read_beron(path)
    assert str(caught.value).startswith(str(path))
