"""Odd names of subjects: in figures, pages, tables, file names, messages."""

from __future__ import annotations

import csv
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.ticker import LogFormatterSciNotation

from neuro_metarl.cli import main
from neuro_metarl.cohort import make_cohort
from neuro_metarl.datasets import load_dataset
from neuro_metarl.errors import InputError
from neuro_metarl.files.spreadsheets import begins_formula, write_csv
from neuro_metarl.io import read, write_nwb, write_table
from neuro_metarl.plot.style import Figure, categories
from neuro_metarl.storage import open_cohort, save_cohort, to_dataframe

ODD = (
    "rat$_{1$", "a$b$c", "\\$x", "=1+1", "@SUM(A1)", "-x", "<script>alert(1)</script>", "&amp;",
    "a,b\"c'd", "../../etc/passwd", "C:\\x", "%s{0}", "ü²", "\u202eabc", "x" * 300, "nan", "0",
)  # fmt: skip
LINES = ("a\nb", "a\x1b[31mb", "tab\tb")


def cohort(names: tuple[str, ...]) -> xr.Dataset:
    choice = np.random.default_rng(0).integers(2, size=(len(names), 40))
    return make_cohort(
        {"choice": choice, "reward": 1.0 - choice}, subject=list(names), task="bandit",
        source="animal",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["c.nc", "c.zarr"])
def test_odd_names_come_back_from_a_cohort(name: str, tmp_path: Path) -> None:
    odd = cohort(ODD + LINES)
    assert open_cohort(save_cohort(odd, tmp_path / name)).identical(odd)


@pytest.mark.filterwarnings("ignore:subject .* begins like a formula")
@pytest.mark.parametrize("name", ["c.csv", "c.tsv"])
def test_odd_names_come_back_from_a_table(name: str, tmp_path: Path) -> None:
    odd = cohort(tuple(n for n in ODD if n != "nan" and not n.startswith("%")))
    found = read(write_table(odd, tmp_path / name), task="bandit")
    assert found.subject.values.tolist() == odd.subject.values.tolist()
    assert found.choice.equals(odd.choice)


def test_a_name_that_begins_as_a_comment_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"begins as a comment does \('%s\{0\}'\)"):
        read(write_table(cohort(("a", "%s{0}")), tmp_path / "c.csv"), task="bandit")


def test_a_name_that_a_spreadsheet_would_calculate_is_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="subject '=1\\+1' begins like a formula"):
        write_table(cohort(("a", "=1+1")), tmp_path / "c.csv")


def test_no_cell_of_a_table_of_results_is_a_formula(tmp_path: Path) -> None:
    frame = pd.DataFrame({"subject": [*ODD, *LINES], "=n": -1.5})
    write_csv(frame, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    assert not any(begins_formula(cell) for row in rows for cell in row)
    assert [row[0].removeprefix("'") for row in rows[1:]] == [n.removeprefix("'") for n in
                                                              [*ODD, *LINES]]  # fmt: skip
    assert {row[1] for row in rows[1:]} == {"-1.5"}


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
@pytest.mark.parametrize("name", [*(n for n in ODD if len(n) < 300), "a\nb", "a\x1bb", "a\x00b"])
@pytest.mark.filterwarnings("ignore:Glyph")
def test_odd_names_are_drawn_as_they_are(name: str, ending: str, tmp_path: Path) -> None:
    figure = Figure(figsize=(3, 3), layout="constrained")
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], label=name)
    categories(ax, [name, "b"])
    ax.set_title(name)
    ax.set_ylabel(name)
    ax.text(0.5, 0.5, name)
    ax.legend()
    figure.savefig(tmp_path / f"f.{ending}")
    if ending == "svg":
        ET.parse(tmp_path / "f.svg")
    assert all(not t.get_parse_math() for t in (ax.title, *ax.get_xticklabels()))


def test_numbers_on_an_axis_stay_formulas(tmp_path: Path) -> None:
    figure = Figure()
    ax = figure.subplots()
    ax.set_yscale("log")
    ax.plot([1, 1e6])
    assert isinstance(ax.yaxis.get_major_formatter(), LogFormatterSciNotation)
    figure.savefig(tmp_path / "f.png")
    assert any("$" in t.get_text() for t in ax.get_yticklabels())
    assert all(t.get_parse_math() for t in ax.get_yticklabels())


def test_file_names_stay_in_their_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    few = tuple(n for n in ODD if len(n) < 300)
    write_nwb(cohort(few), out)
    files = [p for p in tmp_path.rglob("*") if p.is_file() and not p.name.startswith(".")]
    assert len(files) == len(few)
    assert {p.parent for p in files} == {out}
    assert all(re.fullmatch(r"[\w.+-]+", p.name) for p in files)


@pytest.mark.parametrize("name", LINES)
def test_messages_stay_on_one_line(name: str, tmp_path: Path) -> None:
    frame = to_dataframe(cohort(("a", "b"))).rename(columns={"subject": name})
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError) as caught:
        read(tmp_path / "t.csv", task="bandit", columns={"subject": "nothing"})
    assert not set("\n\r\x1b\t") & set(str(caught.value))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Glyph", "ignore:subject .* begins like a formula")
def test_a_comparison_of_rats_with_odd_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rats = load_dataset("synthetic-rats")
    names = dict(zip(dict.fromkeys(rats.subject.values.tolist()), ODD, strict=False))
    named = rats.assign_coords(subject=("session", [names[s] for s in rats.subject.values]))
    write_table(named, tmp_path / "rats.csv")
    out = tmp_path / "out"
    main(["compare-to-rodent-data", str(tmp_path / "rats.csv"), "--task", "two-step-miller",
          "--sessions", "5", "--models", "model_free", "--replicates", "1", "--out", str(out),
          "--agents", "two-step/0"])  # fmt: skip
    page = (out / "report.html").read_text()
    assert "<script>alert" not in page
    for table in out.glob("*.csv"):
        with table.open(newline="", encoding="utf-8") as stream:
            assert not any(begins_formula(c) for row in csv.reader(stream) for c in row), table
    for drawing in out.glob("*.svg"):
        ET.parse(drawing)
