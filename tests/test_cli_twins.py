"""``neuro-metarl twin``: its files, a second run, and mistakes as one line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from neuro_metarl.twins import open_twins
from tests.test_cli import run


def test_twin_writes_networks_tables_and_portraits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "twins"
    asked = ["twin", "synthetic-rats", "--units", 1, "--prior", 0, "--folds", 2, "--out", out]
    assert run(*asked)[0] == 0
    said = capsys.readouterr()
    for name in ("twins.nc", "twins.csv", "sessions.csv", "twins.json", "portraits.png"):
        assert (out / name).stat().st_size > 500
        assert str(out / name) in said.out
    table = pd.read_csv(out / "twins.csv")
    assert open_twins(out / "twins.nc").subject.values.tolist() == table.subject.tolist()
    assert json.loads((out / "twins.json").read_text())["made_by"]["prior"] == "none"
    assert "by mixture" in said.out
    assert run(*asked)[0] == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--prior", "abc"], "--prior is 'abc', expected a number of trials, or inner"),
        (["--units", "9"], "n_units is [9], expected numbers from 1 to 4"),
        (["--reset", "never"], "reset is 'never'"),
        (["--folds", "1"], "folds is 1"),
    ],
)
def test_mistakes_are_one_line(
    more: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("twin", "synthetic-rats", "--out", tmp_path / "o", *more)[0] == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error
