"""Figures and reports are the same, byte by byte, in every process: no date, no random name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DRAWN_BY_THE_REPORT = {"assessment"}
COMMAND = [
    "-m", "neuro_metarl.cli", "compare-to-rodent-data", "--agents", "two-step/0", "--sessions", "2",
    "--replicates", "1", "--models", "model_free", "--out", "comparison",
]  # fmt: skip


def twice(arguments: list[str], folders: list[Path]) -> list[str]:
    """Run Python in two processes at once, that hash texts differently, in two folders."""
    runs = []
    for seed, folder in enumerate(folders):
        folder.mkdir()
        told = os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)}
        runs.append(
            subprocess.Popen(
                [sys.executable, *arguments], cwd=folder, env=told, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
    told_by = [run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told_by[0][1]
    return [out for out, _ in told_by]


def test_every_plot_and_the_report_are_the_same_in_two_processes(tmp_path: Path) -> None:
    first, second = map(
        json.loads,
        twice([str(ROOT / "tests" / "every_figure.py")], [tmp_path / "one", tmp_path / "two"]),
    )
    assert len(first["plots"]) >= 25
    not_drawn = {name for name, found in first["plots"].items() if not found}
    assert not_drawn <= DRAWN_BY_THE_REPORT, "give the docstring an example that draws"
    for kind, found in first.items():
        for name, files in found.items():
            assert files == second[kind][name], name


def test_what_the_command_writes_is_the_same_in_two_processes(tmp_path: Path) -> None:
    folders = [tmp_path / "here", tmp_path / "a much longer place"]
    twice(COMMAND, folders)
    names = sorted(path.name for path in (folders[0] / "comparison").iterdir())
    assert {"report.html", "comparison.svg", "comparison.nc", "assessment.pdf"} <= set(names)
    for name in names:
        one, other = ((folder / "comparison" / name).read_bytes() for folder in folders)
        assert one == other, name
    page = (folders[0] / "comparison" / "report.html").read_text()
    assert str(tmp_path) not in page
    assert not re.search(r"\b20\d\d-\d\d-\d\d[ T]", page), "a date that changes"


@pytest.mark.parametrize("form", ["svg", "pdf"])
def test_the_test_would_see_a_date(form: str, tmp_path: Path) -> None:
    """A control: a plain figure of matplotlib is not the same."""
    from matplotlib.figure import Figure

    from neuro_metarl.plot.style import Figure as Undated

    for kind, same in ((Figure, False), (Undated, True)):
        found = []
        for day in ("0", "86400000"):
            os.environ["SOURCE_DATE_EPOCH"] = day
            try:
                figure = kind()
                figure.subplots().plot([1, 2], marker="o")
                figure.savefig(tmp_path / f"figure.{form}")
            finally:
                del os.environ["SOURCE_DATE_EPOCH"]
            found.append((tmp_path / f"figure.{form}").read_bytes())
        assert (found[0] == found[1]) is same
