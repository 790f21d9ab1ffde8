"""Text tables: what is plain is read with its row numbers, what is not is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuro_metarl.door.table import Table
from neuro_metarl.errors import InputError
from neuro_metarl.io import read
from neuro_metarl.io.sources import table_of

WANTED = {"subject": ["a", "a", "b"], "choice": ["0", "1", "1"], "odds": ["0.8", "0.25", "1"]}


def put(tmp_path: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def texts(table: Table) -> dict[str, list[str]]:
    hidden = ("{file}", "{folder}")
    return {n: c.text().tolist() for n, c in table.columns.items() if n not in hidden}


@pytest.mark.parametrize(
    ("text", "name", "rows"),
    [
        ("subject,choice,odds\na,0,0.8\na,1,0.25\nb,1,1\n", "t.csv", [2, 3, 4]),
        ("subject,choice,odds\r\na,0,0.8\r\na,1,0.25\r\nb,1,1", "t.csv", [2, 3, 4]),
        ("subject,choice,odds\ra,0,0.8\ra,1,0.25\rb,1,1\r", "t.csv", [2, 3, 4]),
        ("\ufeffsubject;choice;odds\na;0;0,8\na;1;0,25\nb;1;1\n", "t.csv", [2, 3, 4]),
        ("subject\tchoice\todds\na\t0\t0,8\na\t1\t0,25\nb\t1\t1\n", "t.txt", [2, 3, 4]),
        ("subject|choice|odds\na|0|0.8\na|1|0.25\nb|1|1\n", "t.txt", [2, 3, 4]),
        ("subject,choice,odds\na,0,0.8\na,1,0.25\nb,1,1\n", "t.txt", [2, 3, 4]),
        ("sep=;\nsubject;choice;odds\na;0;0,8\na;1;0,25\nb;1;1\n", "t.csv", [3, 4, 5]),
        (
            "Rats of May\n\nsubject,choice,odds\na,0,0.8\n\na,1,0.25\n,,\nb,1,1\n",
            "t.csv",
            [4, 6, 8],
        ),
        ("Box,2,,\nsubject,choice,odds\na,0,0.8\na,1,0.25\nb,1,1\n", "t.csv", [3, 4, 5]),
        ("# a, b\n%x\n//y\nsubject,choice,odds\na,0,0.8\na,1,0.25\nb,1,1\n", "t.csv", [5, 6, 7]),
        ("subject,choice,odds\na,0,0.8\n# pause\na,1,0.25\n#,\nb,1,1\n", "t.csv", [2, 4, 6]),
        ("# subject,choice,odds\na,0,0.8\na,1,0.25\nb,1,1\n", "t.csv", [2, 3, 4]),
        ("subject,choice,odds,\na,0,0.8,\na,1,0.25,\nb,1,1,\n", "t.csv", [2, 3, 4]),
        ("subject,choice,odds\na,0,0.8,\na,1,0.25,\nb,1,1,\n", "t.csv", [2, 3, 4]),
        ("subject,choice,odds,,\na,0,0.8\na,1,0.25\nb,1,1\n", "t.csv", [2, 3, 4]),
        ('"subject","choice","odds"\n"a","0","0.8"\n"a",1,0.25\nb,"1",1\n', "t.csv", [2, 3, 4]),
        ('"subject";"choice";"odds"\n"a";"0";"0,8"\na;1;0,25\nb;1;1\n', "t.csv", [2, 3, 4]),
        ('subject,choice,odds\n"","",""\na,0,0.8\na,1,0.25\nb,1,1\n', "t.csv", [3, 4, 5]),
        (" subject , choice , odds \n a , 0 , 0.8\n a , 1, 0.25 \nb,1,1\n", "t.csv", [2, 3, 4]),
    ],
)
def test_what_is_plain_is_read(text: str, name: str, rows: list[int], tmp_path: Path) -> None:
    table = table_of(put(tmp_path, text, name))
    assert texts(table) == WANTED
    assert table.source.rows.tolist() == rows


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_byte_order_marks(encoding: str, tmp_path: Path) -> None:
    text = "subject;choice;odds\na;0;0,8\na;1;0,25\nb;1;1\n"
    assert texts(table_of(put(tmp_path, text.encode(encoding)))) == WANTED


def test_numbers_of_positions_where_there_are_no_names(tmp_path: Path) -> None:
    path = put(tmp_path, "a,0,0.8\na,1,0.25\nb,1,1\n")
    with pytest.raises(InputError, match=r"row 1: holds numbers where names.*say header=False"):
        table_of(path)
    table = table_of(path, header=False)
    assert texts(table) == dict(zip("123", WANTED.values(), strict=True))
    assert table.source.rows.tolist() == [1, 2, 3]
    put(tmp_path, "a,0,0.8\na,1,0.25\nb,1,1\nb,0,0.5\n")
    positions = {"subject": "1", "choice": "2", "reward": "3"}
    cohort = read(path, header=False, task="bandit", columns=positions)
    assert cohort.choice.values.tolist() == [[0, 1], [1, 0]]


def test_names_in_a_declared_row(tmp_path: Path) -> None:
    path = put(tmp_path, "group,1\n1,2,3\na,0,0.8\na,1,0.25\nb,1,1\n")
    assert list(texts(table_of(path, header=2))) == ["1", "2", "3"]
    with pytest.raises(InputError, match="header=9, but that row holds no names"):
        table_of(path, header=9)


def test_spaces_separate_only_where_that_is_declared(tmp_path: Path) -> None:
    path = put(tmp_path, "subject choice  odds\n a   0 0.8\na 1  0.25 \nb 1 1\n", "t.txt")
    with pytest.raises(InputError, match=r"one column .*separator=' '"):
        table_of(path)
    assert texts(table_of(path, separator=" ")) == WANTED
    assert texts(table_of(path, separator="space")) == WANTED


def test_a_column_without_a_name_is_called_by_its_position(tmp_path: Path) -> None:
    """A data frame's index, written beside its columns, has none."""
    table = table_of(put(tmp_path, ",choice,,reward\n0,left,,1\n1,right,,0\n"))
    assert list(texts(table)) == ["column 1", "choice", "reward"]


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,1", "row 4: 2 cells, but the header has 3 columns"),
        ("a,1,1,1", "row 4: 4 cells, but the header has 3 columns"),
        ('a,1,"1', "row 4: a quote is opened"),
        ('a,1,"1"x', "row 4: a quote is opened"),
        ("# a,1,1", r"row 4: begins as a comment does \('# a'\)"),
        ("subject,choice,reward", "row 4: the names of the columns stand here again"),
    ],
)
def test_a_row_that_does_not_fit_is_named(
    row: str, message: str, quoted: bool, tmp_path: Path
) -> None:
    first = '"a",0,1' if quoted else "a,0,1"
    path = put(tmp_path, f"subject,choice,reward\n{first}\na,1,0\n{row}\nb,0,1\nb,1,1\n")
    with pytest.raises(InputError, match=message) as caught:
        table_of(path)
    assert "\n" not in str(caught.value)


def test_an_open_quote_does_not_swallow_rows(tmp_path: Path) -> None:
    rows = "a,0,fine\n" * 3 + 'a,1,"not\n' + "a,0,fine\n" * 3
    with pytest.raises(InputError, match="row 5: a quote is opened"):
        table_of(put(tmp_path, "subject,choice,note\n" + rows))


def test_a_cell_may_hold_separators_and_lines(tmp_path: Path) -> None:
    text = 'subject,choice,note\na,0,"x, y"\na,1,"two\nlines"\nb,1,"say ""no"""\n'
    table = table_of(put(tmp_path, text))
    assert texts(table)["note"] == ["x, y", "two\nlines", 'say "no"']
    assert table.source.rows.tolist() == [2, 3, 4]


def test_subjects_with_the_sign_of_a_comment(tmp_path: Path) -> None:
    table = table_of(put(tmp_path, "subject,choice\n#1,0\n#1,1\n#2,0\n"))
    assert texts(table)["subject"] == ["#1", "#1", "#2"]


@pytest.mark.parametrize(
    ("odds", "message"),
    [
        (("1,234", "2,500"), r"row 2, column 'odds': '1,234' may have a decimal comma or"),
        (("0,5", "0.5"), r"row 3, column 'odds': '0\.5' has a point, but other numbers"),
        (("0,5", "1.234"), r"'1\.234' has a point"),
    ],
)
def test_commas_that_can_be_read_in_two_ways(
    odds: tuple[str, str], message: str, tmp_path: Path
) -> None:
    path = put(tmp_path, "subject;odds\na;{}\na;{}\n".format(*odds))
    with pytest.raises(InputError, match=message):
        table_of(path)


def test_declared_decimals(tmp_path: Path) -> None:
    path = put(tmp_path, "subject;odds;day\na;1,234;1.5\na;2,500;2.5\n")
    assert texts(table_of(path, decimal=","))["odds"] == ["1.234", "2.500"]
    assert texts(table_of(path, decimal="."))["odds"] == ["1,234", "2,500"]
    path = put(tmp_path, "subject;odds\na;0,5\na;1.234\n")
    with pytest.raises(InputError, match=r"'1\.234' has a point.*write it without"):
        table_of(path, decimal=",")
    for bad in ({"decimal": ";"}, {"separator": ""}, {"separator": ",,"}):
        with pytest.raises(InputError, match="expected"):
            table_of(path, **bad)


def test_a_comma_in_text_is_no_decimal_comma(tmp_path: Path) -> None:
    path = put(tmp_path, "subject;place;odds\na;3,4;0,5\na;3,4,5;0,25\n")
    assert texts(table_of(path))["place"] == ["3,4", "3,4,5"]


def test_two_separators_that_both_fit(tmp_path: Path) -> None:
    path = put(tmp_path, "a,b;c,d\nx,y;z,w\nx,z;z,w\n")
    with pytest.raises(InputError, match="both separate its rows; say which with separator="):
        table_of(path)
    assert list(texts(table_of(path, separator=";"))) == ["a,b", "c,d"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Müller;0\n".encode("latin-1"), r"not a text table in UTF-8 \(line 1\)"),
        ("subject,choice\na,0\n".encode("utf-16-le"), "not a text table in UTF-8"),
        (b"\n\n \n", "holds no trials"),
        (b"# only\n# comments\n", "holds no trials"),
        (b"subject,choice,reward\n", "holds no trials"),
        (b"subject,side\na,left,yes\nb,right,no\n", "row 2: 3 cells, but the header has 2"),
    ],
)
def test_what_is_no_table(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        table_of(put(tmp_path, content))


cell = st.one_of(st.text("ab01. #%", max_size=3), st.sampled_from(['""', '""""', '"a"', "NA"]))


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(st.lists(cell, min_size=3, max_size=3), min_size=1, max_size=8),
    blank=st.sets(st.integers(0, 8)),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_reading_by_columns_is_reading_by_rows(
    rows: list[list[str]], blank: set[int], end: str, tmp_path: Path
) -> None:
    """A quoted cell with a line in it, at the end, makes every row be read one by one."""
    lines = [",".join(row) for row in rows]
    for place in sorted(blank):
        lines.insert(place, ",,")
    quick = end.join(["one,two,three", *lines, "x,y,z"])
    slow = end.join(["one,two,three", *lines, "x,y,z", '"u","v","w\nw"'])
    found = []
    for text in (quick, slow):
        try:
            table = table_of(put(tmp_path, text))
            found.append((texts(table), table.source.rows.tolist()))
        except InputError as error:
            found.append(str(error).split(" has a cell")[0])
    if isinstance(found[0], str):
        assert found[0] == found[1]
        return
    assert {n: v[:-1] for n, v in found[1][0].items()} == found[0][0]
    assert found[1][1][:-1] == found[0][1]
