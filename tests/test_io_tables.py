"""A lab's own table: what is understood, and what each refusal says."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neuro_metarl.cohort import make_cohort
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


@pytest.mark.parametrize(
    ("n_common", "n_rare", "refused"), [(40, 10, False), (24, 26, False), (10, 40, True)]
)
def test_raw_congruency_is_not_taken_for_common(
    n_common: int, n_rare: int, refused: bool, tmp_path: Path
) -> None:
    """Rare transitions may outnumber common ones by chance, but not by far."""
    rows = ["a,0,1,1\n"] * n_common + ["a,1,0,0\n"] * n_rare
    text = "subject,choice,common,reward\n" + "".join(rows)
    path = put(tmp_path, text)
    if not refused:
        assert int(read_table(path).common.sum()) == n_common
        return
    with pytest.raises(InputError, match="only 20% of the transitions of subject 'a' are common"):
        read_table(path)


def test_rewards_may_have_codes(tmp_path: Path) -> None:
    text = "subject,choice,common,reward\na,0,1,Win\na,1,0,loss\na,1,0,0.5\n"
    codes = {"reward": {"win": 1, "loss": 0}}
    assert read_table(put(tmp_path, text), codes=codes).reward.values.tolist() == [[1, 0, 0.5]]
    with pytest.raises(InputError, match=r"row 2, column 'reward': 'Win' is not.*reward:Win=\?"):
        read_table(put(tmp_path, text))
    with pytest.raises(InputError, match="'0,5' is not a number; write decimals with a point"):
        read_table(put(tmp_path, text.replace("0.5", '"0,5"')), codes=codes)


def test_a_word_that_usually_means_missing_may_be_a_code(tmp_path: Path) -> None:
    text = "subject,choice,common,reward\na,0,none,1\na,1,1,0\n"
    cohort = read_table(put(tmp_path, text), codes={"common": {"none": 0, "1": 1}})
    assert cohort.common.values.tolist() == [[0, 1]]


def test_misses_and_violations_may_be_declared_as_codes(tmp_path: Path) -> None:
    text = "subject,choice,state,reward\na,1,1,1\na,x,v,0\na,1,1,1\na,0,v,\na,0,0,1\n"
    codes = {"choice": {"x": -1, "0": 0, "1": 1}, "state": {"v": -1, "0": 0, "1": 1}}
    cohort = read_table(put(tmp_path, text), codes=codes)
    assert cohort.valid.values.tolist() == [[1, 0, 1, 0, 1]]
    assert cohort.choice.values.tolist() == [[1, -1, 1, 0, 0]]
    assert cohort.common.values.tolist() == [[1, -1, 1, -1, 1]]


def test_reasons_without_a_column_valid(tmp_path: Path) -> None:
    text = "subject,choice,common,reward,invalid_reason\na,0,1,1,0\na,,,,2\na,1,1,1,\n"
    cohort = read_table(put(tmp_path, text))
    assert cohort.valid.values.tolist() == [[1, 0, 1]]
    assert cohort.invalid_reason.values.tolist() == [[0, 2, 0]]


@pytest.mark.parametrize(
    ("columns", "codes", "message"),
    [
        ({"chioce": "side"}, {}, "'chioce' .* is no name of ours; did you mean 'choice'"),
        ({"choice": "side"}, {"session": {"1": 2}}, "declared for 'session', which is no column"),
        ({"choice": "side"}, {"side": {"1": 2}}, "declared for 'side', which is no column"),
    ],
)
def test_declarations_that_name_nothing(
    columns: dict[str, str], codes: dict[str, dict[str, int]], message: str, tmp_path: Path
) -> None:
    text = "subject,session,side,common,reward\na,1,0,1,1\na,1,1,1,0\n"
    with pytest.raises(InputError, match=message):
        read_table(put(tmp_path, text), columns=columns, codes=codes)


def test_arms_of_a_bandit(tmp_path: Path) -> None:
    text = "subject,choice,reward\na,3,1\na,0,1\n"
    cohort = read_table(put(tmp_path, text), task="bandit")
    assert cohort.choice.values.tolist() == [[3, 0]]
    path = put(tmp_path, text.replace("a,0", "a,1"))
    with pytest.raises(InputError, match="lowest code is '1', expected arms numbered from 0"):
        read_table(path, task="bandit")
    cohort = read_table(path, task="bandit", codes={"choice": {"1": 0, "3": 1}})
    assert cohort.choice.values.tolist() == [[1, 0]]


def test_eleven_arms_survive_a_table(tmp_path: Path) -> None:
    """Options are in the order of their numbers (…, 9, 10), not of their letters."""
    rng = np.random.default_rng(0)
    cohort = make_cohort(
        {
            "choice": rng.integers(11, size=(2, 40)),
            "reward": rng.random((2, 40)),
            "p_reward": rng.random((2, 40, 11)),
            "expected_reward": rng.random((2, 40, 11)),
            "stimulus": rng.integers(100, size=(2, 40)),
        },
        subject=["a", "b"],
        task="bandit",
        source="model",
        coords={"option": ("option", np.arange(11, dtype="int8"))},
    )
    path = write_table(cohort, tmp_path / "t.csv")
    again = read_table(path, task="bandit", source="model")
    xr.testing.assert_identical(again.drop_vars("invalid_reason"), cohort)


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
            "subject": ["a", "a", None, "a"],
            "choice": [0.0, 1.0, None, 1.0],
            "common": [True, False, None, True],
            "reward": [0.5, None, None, 1],
            "valid": [1, 0, None, 1],
        }
    )
    path = tmp_path / f"t.{ending}"
    frame.to_excel(path, index=False) if ending == "xlsx" else frame.to_parquet(path)
    cohort = read(path)
    assert cohort.choice.values.tolist() == [[0, 1, 1]]
    assert cohort.common.values.tolist() == [[1, 0, 1]]
    assert cohort.valid.values.tolist() == [[1, 0, 1]]
    assert cohort.reward.values[0, 0] == 0.5


def test_a_spreadsheet_is_refused_by_the_row_it_shows(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    choice = [0, None, 1, "v"]
    frame = pd.DataFrame({"subject": "a", "choice": choice, "common": 1, "reward": 1})
    frame.loc[1] = None
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    with pytest.raises(InputError, match="row 5, column 'choice': unknown code 'v'"):
        read(tmp_path / "t.xlsx")


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
        (HEAD + "a,0,1,1\n", "subject 'a' holds one trial"),
        (HEAD + "a,0,1,1\na,0,1,1\nb,0,1,1\n", "subject 'b' holds one trial"),
        (HEAD, "holds no trials"),
        ("", "holds no trials"),
        (HEAD + "a,0,1\n", "row 2: 3 cells, but the header has 4 columns"),
        ("subject choice\na 1\n", "one column .*separator"),
        ("subject,subject,choice,common,reward\na,a,0,1,1\n", "column 'subject' appears twice"),
        (
            "subject,trial,choice,common,reward\na,1,0,1,1\na,1,1,1,1\n",
            "trial 1 of subject 'a', session 'a', appears twice, first in row 2; is a",
        ),
        (
            "subject,trial,choice,common,reward\na,1.5,0,1,1\na,2,1,1,1\n",
            "row 2, column 'trial': '1.5', expected a whole",
        ),
        (HEAD.strip() + ",forced\na,0,1,1,0\na,0,1,1,perhaps\n", "column 'forced': unknown code"),
        (
            HEAD.strip() + ",p_reward_0\na,0,1,1,.2\na,0,1,1,1.4\n",
            "row 3, column 'p_reward_0': '1.4', expected a probability",
        ),
        (HEAD.strip() + ",p_reward_1\na,0,1,1,.2\na,0,1,1,.4\n", "numbered from 0 without gaps"),
        (HEAD + "a,0,1,1\na,1,1,inf\n", "row 3, column 'reward': 'inf', expected a finite"),
        (HEAD + "a,0,1,1\na,1,,1\n", "row 3, column 'common': no value"),
        (HEAD + "\na,0,1,1\n,,,\na,v,1,1\n", "row 5, column 'choice': unknown code 'v'"),
        ("Subject,choice,common,reward\na,0,1,1\n", "did you mean 'Subject'.*subject=Subject"),
        (HEAD + "a,0,1,1\na,0,\0,1\n", "not a text table"),
        (
            HEAD.strip() + ",valid\na,0,1,1,1\na,0,1,1,0\na,0,1,1,0\n",
            "subject 'a' holds one trial that counts",
        ),
        (HEAD.strip() + ",valid\na,0,1,1,0\na,0,1,1,0\n", "subject 'a' holds no trial that"),
        (
            HEAD.strip() + ",valid,invalid_reason\na,0,1,1,1,0\na,0,1,1,1,2\n",
            "row 3, column 'invalid_reason': 2, but the row is valid",
        ),
        (HEAD.strip() + ",t_type\na,0,1,1,x\na,0,1,1,y\n", "row 2, column 't_type'.*times in s"),
        (HEAD.strip() + ",trial\na,0,1,1,1\na,0,1,1,1700000000\n", "runs from 1 to 1700000000"),
        (HEAD.strip() + ",trial\na,0,1,1,1\na,0,1,1,\n", "row 3, column 'trial': no value$"),
        (HEAD.strip() + ",stimulus\na,0,1,1,1\na,0,1,1,.5\n", "column 'stimulus': '.5', expected"),
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
    monkeypatch.setitem(sys.modules, "openpyxl", None)
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
        attrs={k: cohort.attrs[k] for k in ("title", "licence", "references", "synthetic")},
    )
    xr.testing.assert_identical(again, cohort)
    assert again.p_reward.dtype == np.float32
