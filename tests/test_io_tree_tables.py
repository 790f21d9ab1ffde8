"""Workbooks, Parquet, JSON and MATLAB files: the forms a table has there, and what is refused."""

from __future__ import annotations

import contextlib
import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from neuro_metarl.door.table import Table
from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_miller2017
from neuro_metarl.io.matlab5 import check_matlab5, read_matlab5
from neuro_metarl.io.sources import table_of
from tests.matlab_files import opaque5, opaque73, write_matlab73

WANTED = {"choice": ["0", "1", "1"], "reward": ["1", "0", "1"]}
CHOICE, REWARD = [0, 1, 1], [1, 0, 1]


def texts(table: Table) -> dict[str, list[str]]:
    hidden = ("{file}", "{folder}", "{record}")
    return {n: c.text().tolist() for n, c in table.columns.items() if n not in hidden}


def book(path: Path, **sheets: list[list[Any]]) -> openpyxl.Workbook:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return made


ROWS = [["choice", "reward"], [0, 1], [1, 0], [1, 1]]


def test_a_sheet_is_named_where_several_hold_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    book(path, first=ROWS, notes=[["x"]], empty=[])
    with pytest.raises(InputError, match=r"2 sheets hold rows \(first, notes\).*sheet='first'"):
        table_of(path)
    assert texts(table_of(path, sheet="first")) == WANTED
    with pytest.raises(InputError, match="no sheet 'frist'; did you mean 'first'"):
        table_of(path, sheet="frist")
    with pytest.raises(InputError, match="sheet 'empty': holds no trials"):
        table_of(path, sheet="empty")
    made = openpyxl.load_workbook(path)
    made["notes"].sheet_state = "hidden"
    made.save(path)
    assert texts(table_of(path)) == WANTED


def test_titles_blank_rows_and_columns_of_a_sheet(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    rows = [["Experiment 3"], [], ["choice", None, "reward", None], [0, None, 1, None], [None] * 4]
    book(path, one=[*rows, [1, None, 0, "odd"], [1, None, 1]])
    table = table_of(path)
    assert texts(table) == WANTED | {"column 4": ["", "odd", ""]}
    assert table.source.rows.tolist() == [4, 6, 7]


def test_merged_cells_hold_for_all_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    made = book(path, one=[["Rats of May", None, None], ["rat", "choice", "reward"],
                           ["r1", 0, 1], [None, 1, 0], ["r2", 1, 1]])  # fmt: skip
    made["one"].merge_cells("A1:C1")
    made["one"].merge_cells("A3:A4")
    made.save(path)
    assert texts(table_of(path)) == WANTED | {"rat": ["r1", "r1", "r2"]}


def test_cells_of_a_sheet_are_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    day = datetime.datetime(2024, 5, 1)
    rows = [["NA", day, True, 0.5, 1], ["#1", day, False, 1e-3, "01"]]
    book(path, one=[["subject", "day", "won", "odds", "id"], *rows])
    assert texts(table_of(path)) == {
        "subject": ["NA", "#1"], "day": ["2024-05-01"] * 2, "won": ["True", "False"],
        "odds": ["0.5", "0.001"], "id": ["1", "01"],
    }  # fmt: skip


def test_a_formula_without_a_value_is_no_empty_cell(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    book(path, one=[*ROWS, [0, "=B2+1"]])
    with pytest.raises(InputError, match=r"row 5: cell 2 holds a formula.*\(=B2\+1\)"):
        table_of(path)


def test_columns_of_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({
        "choice": pd.Categorical([0, 1, 1]), "reward": pd.array([1, 0, None], "Int64"),
        "inner": [{"rt": 0.5}, {"rt": 1.0}, None], "licks": [[1], [], [1, 2]],
        "id": pd.array([2**53 + 1, None, 3], "Int64"), "won": [True, False, None],
    }, index=pd.Index(["a", "b", "c"], name="subject"))  # fmt: skip
    frame.to_parquet(path)
    table = table_of(path)
    assert texts(table) == {
        "choice": ["0", "1", "1"], "reward": ["1", "0", ""], "inner.rt": ["0.5", "1", ""],
        "licks": ["[1]", "[]", "[1, 2]"], "id": [str(2**53 + 1), "", "3"],
        "won": ["True", "False", ""], "subject": ["a", "b", "c"],
    }  # fmt: skip
    assert (table.source.word, table.source.rows.tolist()) == ("record", [1, 2, 3])


COLUMNS = {"choice": CHOICE, "reward": REWARD}
RECORDS = [{"choice": c, "reward": r} for c, r in zip(CHOICE, REWARD, strict=True)]


@pytest.mark.parametrize(
    ("content", "more"),
    [
        (COLUMNS, {}),
        (RECORDS, {}),
        ({"data": RECORDS}, {}),
        ({"data": COLUMNS}, {}),
        ({"subject": "r1", "trials": RECORDS}, {"subject": ["r1"] * 3}),
        ({"subject": "r1", **COLUMNS, "box": {"n": 2}},
         {"subject": ["r1"] * 3, "box.n": ["2"] * 3}),
        ([["choice", "reward"], [0, 1], [1, 0], [1, 1]], {}),
        ([{**r, "licks": [0.5] * k} for k, r in enumerate(RECORDS)],
         {"licks": ["[]", "[0.5]", "[0.5, 0.5]"]}),
        ([{**r, "out": {"rt": k}} for k, r in enumerate(RECORDS)], {"out.rt": ["0", "1", "2"]}),
        ({**COLUMNS, "odds": [0.8, 0.2]}, {}),
        ([{"subject": "a", "choice": [0, 1], "reward": [1, 0]},
          {"subject": "b", "choice": [1], "reward": [1]}],
         {"subject": ["a", "a", "b"], "session": ["1", "1", "2"]}),
    ],
)  # fmt: skip
def test_forms_of_json(content: Any, more: dict[str, list[str]], tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(content))
    assert texts(table_of(path)) == WANTED | more


@pytest.mark.parametrize("orient", ["columns", "index", "split", "records", "table"])
def test_forms_of_pandas(orient: Any, tmp_path: Path) -> None:
    pd.DataFrame(COLUMNS).to_json(tmp_path / "t.json", orient=orient)
    found = texts(table_of(tmp_path / "t.json"))
    assert {name: found[name] for name in WANTED} == WANTED


def test_records_of_lines_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps(r) for r in RECORDS[:2]) + "\n\n" + json.dumps(RECORDS[2]))
    table = table_of(path)
    assert (texts(table), table.source.word) == (WANTED, "line")
    assert table.source.rows.tolist() == [1, 2, 4]
    path.rename(tmp_path / "t.json")
    assert texts(table_of(tmp_path / "t.json")) == WANTED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"choice": [0, 1], "reward": [1]}', "'reward' has 1 values, but 'choice' has 2"),
        ('{"choice": 0, "reward": [1, 0]}', r"'choice' is one value \(0\), but others have 2"),
        ('{"choice": [0], "choice": [1], "reward": [1]}', "'choice' appears twice"),
        ('[{"choice": 1, "choice": 0}]', "'choice' appears twice in one record"),
        ('{"a": [{"x": 1}], "b": [{"x": 2}]}', r"several lists of records \(a, b\)"),
        ('{"a": {"x": 1}, "b": {"x": 2}}', "neither is plainly rows"),
        ('[{"choice": 1}, 2]', "a list whose record 2 is a number; expected records"),
        ('"text"', "holds a text; expected a list of records"),
        ("[]", "a list that is empty"),
        ("{}", "holds nothing"),
        ('{"choice": ', "cannot be read as JSON"),
        ('{"choice": 1}\nx\n', "line 2: cannot be read as JSON"),
        ("[[1, 2], [3, 4]]", "row 1: holds numbers.*header=False"),
        ('[{"ratname": "r1", "side": "l"}]', "column '.*' is missing; there are: ratname, side"),
    ],
)
def test_json_that_is_no_table(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / "t.json", task="bandit")
    assert "\n" not in str(caught.value)
    assert "sides" not in str(caught.value)


def matrix(values: list[Any]) -> np.ndarray:
    made = np.empty((1, len(values)), dtype=object)
    made[0, :] = values
    return made


N = np.array
FORMS: dict[str, tuple[dict[str, Any], dict[str, list[str]]]] = {
    "lying": ({"choice": N([CHOICE]), "reward": N([REWARD])}, {}),
    "standing": ({"choice": N([CHOICE]).T, "reward": N([REWARD]).T}, {}),
    "mixed": ({"choice": N([CHOICE]).T, "reward": N([REWARD])}, {}),
    "struct": ({"data": {"choice": N([CHOICE]), "reward": N([REWARD])}}, {}),
    "struct beside": (
        {"subject": "r1", "n": 5.0, "p": N([0.8, 0.2]), "S": {"choice": CHOICE, "reward": REWARD}},
        {"subject": ["r1"] * 3, "n": ["5"] * 3},
    ),
    "singles": (
        {"choice": CHOICE, "reward": REWARD, "rat": "r1", "opts": {"x": [1, 2]}, "p": [0.8, 0.2]},
        {"rat": ["r1"] * 3},
    ),
    "odds": (
        {"choice": CHOICE, "reward": REWARD, "odds": N([[0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])},
        {"odds(:,1)": ["0.8", "0.7", "0.6"], "odds(:,2)": ["0.2", "0.3", "0.4"]},
    ),
    "struct array": ({"T": matrix(RECORDS)}, {}),
    "session cells": (
        {"choice": matrix([N([0.0, 1.0]), N([1.0])]), "reward": matrix([N([1, 0]), N([1])])},
        {"session": ["1", "1", "2"]},
    ),
    "session structs": (
        {"S": matrix([{"choice": N([0, 1]), "reward": N([1, 0])}, {"choice": 1, "reward": 1}])},
        {"session": ["1", "1", "2"]},
    ),
    "cell table": (
        {"T": N([["choice", "reward"], [0, 1], [1, 0], [1, 1]], dtype=object)},
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("zipped", [False, True])
def test_forms_of_matlab_5(form: str, zipped: bool, tmp_path: Path) -> None:
    variables, more = FORMS[form]
    savemat(tmp_path / "t.mat", variables, do_compression=zipped)
    table = table_of(tmp_path / "t.mat")
    assert texts(table) == WANTED | more
    assert table.source.word == "record"


@pytest.mark.parametrize("rows", [True, False])
def test_letters_with_one_per_trial(rows: bool, tmp_path: Path) -> None:
    side = ["l", "r", "r", "l", "l", "r"]
    savemat(
        tmp_path / "t.mat",
        {
            "side": N(side) if rows else "".join(side),
            "won": N([True] * 5 + [False]),
            "rat": "rat_01",
        },
    )
    cohort = read(
        tmp_path / "t.mat", task="bandit",
        columns={"choice": "side", "reward": "won", "subject": "rat"},
    )  # fmt: skip
    assert cohort.choice.values.tolist() == [[0, 1, 1, 0, 0, 1]]
    assert cohort.subject.values.tolist() == ["rat_01"]
    assert cohort.reward.values.tolist() == [[1, 1, 1, 1, 1, 0]]


def test_forms_of_matlab_73(tmp_path: Path) -> None:
    path = tmp_path / "t.mat"
    numbers = {"choice": N(CHOICE, float), "reward": N(REWARD, bool), "rat": ["r1", "", "r2"]}
    expected = {
        "choice": ["0", "1", "1"], "reward": ["True", "False", "True"], "rat": ["r1", "", "r2"],
    }  # fmt: skip
    assert texts(table_of(write_matlab73(path, numbers))) == expected
    assert texts(table_of(write_matlab73(path, {"data": numbers}))) == expected
    with h5py.File(path, "w") as file:
        file["choice"], file["reward"] = CHOICE, REWARD
        file["rat"] = ["r1", "r1", "r2"]
    assert texts(table_of(path)) == WANTED | {"rat": ["r1", "r1", "r2"]}


@pytest.mark.parametrize("version", [5, 73])
@pytest.mark.parametrize(
    ("name", "kind", "advice"),
    [
        ("side", "string", r"side = cellstr\(side\) and save again"),
        ("side", "categorical", r"side = cellstr\(side\)"),
        ("T", "table", r"table2struct\(T.*writetable\(T, 'trials.csv'\)"),
    ],
)
def test_objects_that_only_matlab_reads(
    version: int, name: str, kind: str, advice: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.mat"
    if version == 5:
        savemat(path, {"reward": REWARD, "rat": "r1"})
        opaque5(path, name, kind)
    else:
        opaque73(write_matlab73(path, {"reward": N(REWARD), "rat": "r1"}), name, kind)
    with pytest.raises(InputError, match=f"'{name}' is a {kind} object.*{advice}") as caught:
        read(path, columns={"choice": "side", "subject": "rat"}, task="bandit")
    assert "\n" not in str(caught.value)


def test_an_object_beside_the_table_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "t.mat"
    savemat(path, COLUMNS)
    assert texts(table_of(opaque5(path, "note", "string"))) == WANTED


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"choice": CHOICE, "reward": REWARD[:2]}, "'reward' has 2 values, but 'choice' has 3"),
        ({"choice": 1, "reward": REWARD, "x": REWARD}, r"'choice' is one value \(1\)"),
        ({"a": COLUMNS, "b": COLUMNS}, r"several structs could be the table \(a, b\)"),
        ({"data": {"other": 1.0}}, "column '.*' is missing; there are: other"),
        ({"dataset": N([1.0, 2.0])}, r"as a plain table it has dataset \(1 x 2\)"),
        ({"ratdata": np.ones((4, 3))}, "as a plain table it has a matrix of 4 x 3.*header=False"),
        ({"side": CHOICE, "won": REWARD}, "column '.*' is missing; there are: side, won"),
    ],
)
def test_foreign_matlab_files(variables: dict[str, Any], message: str, tmp_path: Path) -> None:
    savemat(tmp_path / "t.mat", variables)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / "t.mat", task="bandit")
    for word in ("v7.3", "ratdatas' is missing", "'dynamicForaging'", "\n"):
        assert word not in str(caught.value)


def test_a_matrix_by_positions(tmp_path: Path) -> None:
    savemat(tmp_path / "t.mat", {"data": N([CHOICE, REWARD]).T})
    assert texts(table_of(tmp_path / "t.mat", header=False)) == dict(
        zip("12", WANTED.values(), strict=True)
    )


def rats(path: Path) -> bytes:
    """Write a cell array of structs, as the files of 2017 have it, without compression."""
    savemat(path, {"dataset": matrix([{"ratname": "R1", "sides1": "lrrl", "x": np.arange(40.0)}])})
    return path.read_bytes()


def test_a_damaged_file_is_one_line_and_never_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "t.mat"
    whole = rats(path)
    path.write_bytes(whole[:-400] + bytes(400))
    code = (
        "import sys; from neuro_metarl.io import read, read_miller2017\n"
        "from neuro_metarl.errors import InputError\n"
        "for reader in (read, read_miller2017):\n"
        "    try: reader(sys.argv[1])\n"
        "    except InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().split("\n")
    assert len(lines) == 2
    assert all("t.mat: cannot be read" in line for line in lines)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_whatever_is_damaged_is_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "t.mat"
    content = bytearray(rats(path))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(128, len(content) - 1))
        content[place : place + 4] = data.draw(st.binary(min_size=1, max_size=4))
    path.write_bytes(content[: data.draw(st.integers(130, len(content)))])
    for function in (check_matlab5, read_matlab5):
        with contextlib.suppress(ValueError):
            function(path)


def test_a_file_that_is_not_matlabs(tmp_path: Path) -> None:
    (tmp_path / "t.mat").write_text("choice,reward\n0,1\n")
    with pytest.raises(InputError, match=r"not a MATLAB file \(neither 5 nor 7\.3\)"):
        read(tmp_path / "t.mat")
    with pytest.raises(InputError, match="cannot be read as a MATLAB file"):
        read_miller2017(tmp_path / "t.mat")
