"""One table in every kind of file is one table; several files and folders; what is no table."""

from __future__ import annotations

import csv
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from neuro_metarl.door.table import Table, as_text
from neuro_metarl.errors import InputError
from neuro_metarl.io import read
from neuro_metarl.io.sources import table_of
from tests.matlab_files import write_matlab73

Cells = dict[str, list[str]]


def texts(table: Table) -> Cells:
    hidden = ("{file}", "{folder}")
    return {n: c.text().tolist() for n, c in table.columns.items() if n not in hidden}


def delimited(path: Path, cells: Cells, separator: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter=separator)
        writer.writerow(cells)
        writer.writerows(zip(*cells.values(), strict=True))


def records(cells: Cells) -> list[dict[str, str]]:
    return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]


def workbook(path: Path, cells: Cells) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(list(cells))
    for row in zip(*cells.values(), strict=True):
        book.active.append([cell or None for cell in row])
    book.save(path)


def cell_array(values: list[Any]) -> np.ndarray:
    made = np.empty((len(values), 1), dtype=object)
    made[:, 0] = values
    return made


def struct_array(path: Path, cells: Cells) -> None:
    made = np.empty((1, len(next(iter(cells.values())))), dtype=object)
    made[0, :] = records(cells)
    savemat(path, {"trials": made})


def columns5(cells: Cells) -> dict[str, np.ndarray]:
    return {name: cell_array(values) for name, values in cells.items()}


KINDS: dict[str, tuple[str, Callable[[Path, Cells], Any]]] = {
    "csv": ("t.csv", delimited),
    "tsv": ("t.tsv", lambda p, c: delimited(p, c, "\t")),
    "semicolon": ("t.csv", lambda p, c: delimited(p, c, ";")),
    "xlsx": ("t.xlsx", workbook),
    "parquet": ("t.parquet", lambda p, c: pd.DataFrame(c).to_parquet(p)),
    "categorical": ("t.parquet", lambda p, c: pd.DataFrame(c).astype("category").to_parquet(p)),
    "json records": ("t.json", lambda p, c: p.write_text(json.dumps(records(c)))),
    "json columns": ("t.json", lambda p, c: p.write_text(json.dumps(c))),
    "json data": ("t.json", lambda p, c: p.write_text(json.dumps({"data": records(c)}))),
    "json lines": ("t.jsonl", lambda p, c: p.write_text("\n".join(map(json.dumps, records(c))))),
    "pandas": ("t.json", lambda p, c: pd.DataFrame(c).to_json(p)),
    "pandas index": ("t.json", lambda p, c: pd.DataFrame(c).to_json(p, orient="index")),
    "pandas split": ("t.json", lambda p, c: pd.DataFrame(c).to_json(p, orient="split")),
    "matlab 5": ("t.mat", lambda p, c: savemat(p, columns5(c))),
    "matlab 5 zip": ("t.mat", lambda p, c: savemat(p, columns5(c), do_compression=True)),
    "struct": ("t.mat", lambda p, c: savemat(p, {"data": columns5(c)})),
    "struct array": ("t.mat", struct_array),
    "matlab 7.3": ("t.mat", write_matlab73),
    "struct 7.3": ("t.mat", lambda p, c: write_matlab73(p, {"data": c})),
}
word = st.text("abXY01äß_-. ,;\t\"'", max_size=5).map(str.strip)
number = st.one_of(st.integers(-3, 12), st.floats(-9, 9).map(lambda x: round(x, 3))).map(str)
cell = st.one_of(word, number, st.sampled_from(["left", "right", "NA", "True", "nan"]))


def plain(text: str) -> bool:
    """Whether a comma cannot be taken for a decimal comma, which a file of ; may have."""
    parts = text.lstrip("+-").split(",")
    return not (len(parts) == 2 and parts[1].isdigit() and (parts[0] or "0").isdigit())


@st.composite
def tables(draw: st.DrawFn) -> Cells:
    names = ["subject", "choice", "reward", *draw(st.sampled_from([(), ("note",)]))]
    row = st.lists(cell.filter(plain), min_size=len(names), max_size=len(names))
    rows = draw(st.lists(row.filter(lambda r: any(r) and r != names), min_size=2, max_size=6))
    return {name: [row[k] for row in rows] for k, name in enumerate(names)}


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cells=tables())
def test_a_table_is_the_same_in_every_kind_of_file(kind: str, cells: Cells, tmp_path: Path) -> None:
    name, write = KINDS[kind]
    write(tmp_path / name, cells)
    table = table_of(tmp_path / name)
    expected = {name: [as_text(value) for value in values] for name, values in cells.items()}
    assert texts(table) == expected


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


HEAD = "choice,common,reward\n"
TRIALS = "0,1,1\n1,0,0\n0,1,1\n"


def test_files_are_animals_or_sessions(tmp_path: Path) -> None:
    for name in ("m10", "m2", "m1"):
        put(tmp_path, f"{name}.csv", HEAD + TRIALS)
    cohort = read(tmp_path, columns={"subject": "{file}"})
    assert cohort.subject.values.tolist() == ["m1", "m2", "m10"]
    cohort = read([tmp_path / "m2.csv", tmp_path / "m1.csv"], columns={"subject": "{folder}"})
    assert cohort.session_id.values.tolist() == ["m2", "m1"]
    assert cohort.subject.values.tolist() == [tmp_path.name] * 2
    one = read(tmp_path / "m1.csv", columns={"subject": "{file}", "session": "{file}"})
    assert one.choice.values.tolist() == [[0, 1, 0]]


def test_folders_of_animals_with_files_of_sessions(tmp_path: Path) -> None:
    for rat in ("r1", "r2"):
        for day in ("d1", "d2"):
            put(tmp_path, f"{rat}/{day}.csv", HEAD + TRIALS)
    cohort = read(tmp_path, columns={"subject": "{folder}"})
    assert cohort.subject.values.tolist() == ["r1", "r1", "r2", "r2"]
    assert len(set(cohort.session_id.values.tolist())) == 4
    table = table_of(tmp_path)
    assert table.source.rows[3] == "r1/d2.csv row 2"


def test_rows_of_several_files_know_their_file(tmp_path: Path) -> None:
    put(tmp_path, "m1.csv", "# x\n" + HEAD + TRIALS)
    put(tmp_path, "m2.csv", HEAD + TRIALS + "v,1,1\n")
    with pytest.raises(InputError, match=r"file m2\.csv row 5, column 'choice'"):
        read(tmp_path, columns={"subject": "{file}"})


def test_columns_may_stand_in_another_order_but_not_be_others(tmp_path: Path) -> None:
    put(tmp_path, "m1.csv", HEAD + TRIALS)
    put(tmp_path, "m2.csv", "reward,choice,common\n1,0,1\n0,1,0\n")
    cohort = read(tmp_path, columns={"subject": "{file}"})
    assert cohort.choice.values.tolist() == [[0, 1, 0], [0, 1, -1]]
    put(tmp_path, "m3.csv", "choice,common,won\n0,1,1\n")
    with pytest.raises(InputError, match=r"m3\.csv: column 'reward' is missing, which m1\.csv has"):
        table_of(tmp_path)
    put(tmp_path, "m3.csv", "choice,common,reward,forced\n0,1,1,1\n")
    with pytest.raises(InputError, match=r"m3\.csv: has a column 'forced', which m1\.csv has not"):
        table_of(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "a folder without tables; expected files in"),
        (("a.csv", "b.xlsx"), "a folder with 1 .csv, 1 .xlsx; give the files"),
        (("a.csv", "b.xls"), "a folder with 1 .csv, 1 .xls; give"),
        (("a.pkl",), "a folder with 1 .pkl, which are no tables; opening it could run"),
        (("a.csv", "more/b.csv"), r"in it and in folders within it \(more/b.csv\)"),
    ],
)
def test_folders_of_mixed_things(files: tuple[str, ...], message: str, tmp_path: Path) -> None:
    for name in (*files, "README.md", ".hidden.csv", "~$a.xlsx"):
        put(tmp_path, name, HEAD + TRIALS)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_lists_of_files(tmp_path: Path) -> None:
    path = put(tmp_path, "m1.csv", HEAD + TRIALS)
    for given_, message in (
        ([], "an empty list"),
        ([path, path], "stands twice"),
        ([path, tmp_path / "m2.csv"], r"m2\.csv: there is no such file"),
        ([path, tmp_path], "is a folder"),
    ):
        with pytest.raises(InputError, match=message):
            read(given_)


class Trap:
    """Something that leaves a trace where it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return (eval, (f"open({str(self.place)!r}, 'w').close()", ""))


@pytest.mark.parametrize(
    ("ending", "way_out"),
    [
        (".xls", "save it as .xlsx"), (".ods", "save it as .xlsx"), (".rda", r"write\.csv"),
        (".rds", r"write\.csv"), (".sav", "SPSS"), (".dta", "export"), (".npy", "names no columns"),
        (".npz", "names no columns"), (".zip", "unpack"), (".gz", "unpack"),
        (".feather", "parquet"), (".pkl", "opening it could run"), (".joblib", "opening it"),
        (".doc", "use .csv"), ("", "unknown kind"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_told_the_way_out(ending: str, way_out: str, tmp_path: Path) -> None:
    path = tmp_path / f"t{ending}"
    path.write_bytes(pickle.dumps([Trap(tmp_path / "opened")]))
    with pytest.raises(InputError, match=f"unknown kind of table.*{way_out}|{way_out}") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("name", ["t.csv", "t.json", "t.mat", "t.xlsx", "t.parquet", "t.tsv"])
def test_empty_files(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="is empty; it holds no trials"):
        read(tmp_path / name)


def test_names_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no such file; for a data set: load_dataset"):
        read("miller2002-rats")
    with pytest.raises(InputError, match=r"rats\.csv: there is no such file$"):
        read(tmp_path / "rats.csv")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("t.csv", {"sheet": "A"}, r"t\.csv: sheet='A', but only \.xlsx, \.xlsm have it"),
        ("t.json", {"separator": ";"}, "separator=';', but only .csv, .tsv, .txt have it"),
        ("t.parquet", {"header": False}, "header=False, but only"),
        ("t.csv", {"seperator": ";"}, "no option 'seperator'; did you mean 'separator'"),
    ],
)
def test_options_that_a_kind_has_not(
    name: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    put(tmp_path, name, HEAD + TRIALS)
    with pytest.raises(InputError, match=message):
        read(tmp_path / name, **options)


def test_one_cohort_from_every_kind(tmp_path: Path) -> None:
    """Through the door, the same numbers whatever the file."""
    cells = {
        "subject": ["a", "a", "b", "b"], "choice": ["left", "right", "right", "left"],
        "common": ["1", "0", "1", "1"], "reward": ["1", "0", "0.5", "0"],
    }  # fmt: skip
    first: xr.Dataset | None = None
    for kind, (name, write) in KINDS.items():
        (tmp_path / kind).mkdir()
        write(tmp_path / kind / name, cells)
        cohort = read(tmp_path / kind / name)
        first = cohort if first is None else first
        xr.testing.assert_identical(cohort, first)


@pytest.mark.parametrize("kind", ["xlsx", "parquet", "matlab 5", "matlab 7.3"])
@pytest.mark.parametrize("ending", [".csv", ".txt", ".json", ".xlsx", ".mat"])
def test_files_under_another_ending(kind: str, ending: str, tmp_path: Path) -> None:
    name, write = KINDS[kind]
    if name.endswith(ending):
        return
    write(tmp_path / name, {"subject": ["a", "a"], "choice": ["0", "1"], "reward": ["1", "0"]})
    path = (tmp_path / name).rename(tmp_path / f"renamed{ending}")
    with pytest.raises(InputError, match=f"by its content not {ending} but|not a MATLAB file"):
        read(path)
