"""The pages of a newcomer: each how-to runs in a process of its own, and the picture is true."""

from __future__ import annotations

import csv
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import neuro_metarl

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("how_to_*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_newcomers_find_every_page() -> None:
    house, index = (DOCS / "house.md").read_text(), (DOCS / "README.md").read_text()
    assert {"how_to_own_measure", "how_to_own_paradigm"} <= {page.stem for page in PAGES}
    for page in PAGES:
        assert f"({page.name})" in house, f"docs/house.md does not link {page.name}"
    assert "(house.md)" in index
    assert "(docs/house.md)" in (ROOT / "README.md").read_text()
    for link in re.findall(r"\]\(([^)#]+)\)", house):
        assert (DOCS / link).exists(), f"docs/house.md links {link}, which is not there"


def test_the_picture_of_the_house_has_every_room() -> None:
    """Drawn from the imports; run ``python analyses/house.py`` after a room was added."""
    package = Path(neuro_metarl.__file__).parent
    rooms = {p.stem for p in package.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    with (ROOT / "figures" / "house.csv").open() as file:
        drawn = {row["room"] for row in csv.DictReader(file)}
    assert rooms - {"__init__"} == drawn
    script = runpy.run_path(str(ROOT / "analyses" / "house.py"))
    boxes = drawn - set(script["EVERYWHERE"])
    assert boxes == set(script["SAYS"]) >= set(script["LANE"])
    house = (DOCS / "house.md").read_text()
    table = house.split("## Where each thing lives")[1].split("## How to add one")[0]
    places = " ".join(line.split("|")[2] for line in table.splitlines() if line.startswith("|"))
    named = {name for name in re.findall(r"`(\w+)`", places) if not name.startswith("__")}
    assert named == drawn, f"rooms and those of docs/house.md differ: {named ^ drawn}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    blocks = BLOCK.findall(page.read_text())
    assert blocks, "a how-to page without Python"
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks))
    told = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", script.name], cwd=tmp_path, env=told, text=True,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
