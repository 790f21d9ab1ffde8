"""Text tables: what is plain is read with its row numbers, what is not is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuro_metarl.door.table import Table
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
