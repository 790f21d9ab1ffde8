"""A lab's own table: what is understood, and what each refusal says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neuro_metarl.datasets import load_dataset
from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_table, write_table

GOOD = """rat,day,side,port,won
a,1,l,l,1
a,1,r,l,0
b,1,l,r,1
b,1,l,r,0
a,2,L,left,1
a,2,Right,r,0
b,1,r,r,0
"""
COLUMNS = {"subject": "rat", "session": "day", "choice": "side", "state": "port", "reward": "won"}


def put(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_lab_table_with_interleaved_subjects(tmp_path: Path) -> None:
    cohort = read_table(put(tmp_path, GOOD), columns=COLUMNS)
    assert cohort.subject.values.tolist() == ["a", "b", "a"]
    assert cohort.session_id.values.tolist() == ["1", "1", "2"]
    assert cohort.choice.values.tolist() == [[0, 1, -1], [0, 0, 1], [0, 1, -1]]
    assert cohort.valid.values.tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 0]]


def test_the_common_transition_is_each_subjects_own(tmp_path: Path) -> None:
    """Rat a goes to the side it chose (3 of 4), rat b to the other (2 of 3)."""
    cohort = read_table(put(tmp_path, GOOD), columns=COLUMNS)
    assert cohort.common.values.tolist() == [[1, 0, -1], [1, 1, 0], [1, 1, -1]]


def test_a_mapping_that_cannot_be_told(tmp_path: Path) -> None:
    text = "subject,choice,state,reward\na,0,0,1\na,0,1,1\n"
    with pytest.raises(InputError, match="'a' reached either state equally often"):
        read_table(put(tmp_path, text))


def test_state_follows_from_choice_and_transition(tmp_path: Path) -> None:
    text = "subject,choice,common,reward\na,0,common,1\na,1,rare,1\na,1,1,0\n"
    assert read_table(put(tmp_path, text)).state.values.tolist() == [[0, 0, 1]]


def test_declared_codes(tmp_path: Path) -> None:
    text = "subject,choice,common,reward\na,1,1,1\na,2,0,1\n"
    with pytest.raises(InputError, match=r"row 3, column 'choice': unknown code '2'.*--codes"):
        read_table(put(tmp_path, text))
    cohort = read_table(put(tmp_path, text), codes={"choice": {"1": 0, "2": 1}})
    assert cohort.choice.values.tolist() == [[0, 1]]


def test_invalid_rows_may_hold_anything_and_gaps_are_kept(tmp_path: Path) -> None:
    text = "subject,trial,choice,common,reward,valid\na,1,0,1,1,1\na,2,,v,,0\na,5,1,0,0,1\n"
    cohort = read_table(put(tmp_path, text))
    assert cohort.valid.values.tolist() == [[1, 0, 0, 0, 1]]
    assert cohort.invalid_reason.values.tolist() == [[0, 3, 4, 4, 0]]
    assert cohort.common.values.tolist() == [[1, -1, -1, -1, 0]]


def test_rows_are_ordered_by_trial(tmp_path: Path) -> None:
    text = "subject,trial,choice,common,reward\na,2,1,1,0\na,1,0,1,1\n"
    assert read_table(put(tmp_path, text)).choice.values.tolist() == [[0, 1]]


def test_tabs_and_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeffsubject\tchoice\tcommon\treward\na\t0\t1\t1\na\t1\t1\t0\n"
    assert read(put(tmp_path, text, "t.tsv")).choice.values.tolist() == [[0, 1]]


@pytest.mark.parametrize("ending", ["xlsx", "parquet"])
def test_spreadsheets_and_parquet(ending: str, tmp_path: Path) -> None:
    pytest.importorskip({"xlsx": "openpyxl", "parquet": "pyarrow"}[ending])
    frame = pd.DataFrame(
        {
            "subject": ["a", "a"],
            "choice": [0.0, 1.0],
            "common": [1, 0],
            "reward": [0.5, None],
            "valid": [1, 0],
        }
    )
    path = tmp_path / f"t.{ending}"
    frame.to_excel(path, index=False) if ending == "xlsx" else frame.to_parquet(path)
    cohort = read(path)
    assert cohort.choice.values.tolist() == [[0, 1]]
    assert cohort.reward.values[0, 0] == 0.5


HEAD = "subject,choice,common,reward\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "subject,side,common,reward\na,0,1,1\n",
            "column 'choice' is missing; there are: subject,",
        ),
        ("subject,choice,reward\na,0,1\na,1,1\n", r"column 'state' \(or 'common'\) is missing"),
        (HEAD + "a,0,1,1\na,x,1,0\n", "row 3, column 'choice': unknown code 'x', expected one of"),
        (HEAD + "a,0,1,1\na,1,2,0\n", "row 3, column 'common': unknown code '2'"),
        (HEAD + "a,0,1,1\na,,1,0\n", "row 3, column 'choice': no value; .* 'valid'"),
        (HEAD + "a,0,1,1\na,1,1,NaN\n", "row 3, column 'reward': no value"),
        (HEAD + "a,0,1,1\na,1,1,yes\n", "row 3, column 'reward': 'yes' is not a number"),
        (HEAD + "a,0,1,1\n,1,1,0\n", "row 3, column 'subject': no value"),
        (HEAD + "a,0,1,1\n", "subject 'a' has one trial"),
        (HEAD + "a,0,1,1\na,0,1,1\nb,0,1,1\n", "subject 'b' has one trial"),
        (HEAD, "holds no trials"),
        ("", "holds no trials"),
        (HEAD + "a,0,1\n", "row 2: 3 cells, but the header has 4 columns"),
        ("subject;choice\na;1\n", "one column .*separator"),
        ("subject,subject,choice,common,reward\na,a,0,1,1\n", "column 'subject' appears twice"),
        (
            "subject,trial,choice,common,reward\na,1,0,1,1\na,1,1,1,1\n",
            "trial 1 of subject 'a', session 'a', appears twice; is a 'session' column",
        ),
        (
            "subject,trial,choice,common,reward\na,1.5,0,1,1\na,2,1,1,1\n",
            "'trial' holds 1.5, expected whole",
        ),
        (HEAD.strip() + ",forced\na,0,1,1,0\na,0,1,1,perhaps\n", "column 'forced': unknown code"),
        (HEAD.strip() + ",p_reward_0\na,0,1,1,1.4\na,0,1,1,.2\n", "p_reward"),
    ],
)
def test_refusals_name_file_row_and_column(text: str, message: str, tmp_path: Path) -> None:
    path = put(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"\xff\xfe\x00\x01\x80", "not a text table"),
        ("t.xlsx", b"no spreadsheet", "cannot be read as .xlsx"),
        ("t.parquet", b"no parquet", "cannot be read as .parquet"),
        ("t.doc", b"x", "unknown kind of table"),
    ],
)
def test_files_of_another_kind(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(path)


def test_a_declared_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"column 'sid' \(declared as choice\).*mean 'side'"):
        read_table(put(tmp_path, GOOD), columns=COLUMNS | {"choice": "sid"})


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError

    monkeypatch.setattr(pd, "read_excel", missing)
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"x")
    with pytest.raises(InputError, match=r'pip install "neuro_metarl\[tables\]"'):
        read(path)


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_write_then_read_is_identical(ending: str, tmp_path: Path) -> None:
    cohort = load_dataset("synthetic-rats")
    path = write_table(cohort, tmp_path / f"t.{ending}")
    again = read_table(
        path,
        task=cohort.attrs["task"],
        source="model",
        attrs={k: cohort.attrs[k] for k in ("licence", "references", "synthetic")},
    )
    xr.testing.assert_identical(again, cohort)
    assert again.p_reward.dtype == np.float32
