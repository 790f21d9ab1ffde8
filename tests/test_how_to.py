"""The how-to pages on users' own tasks, cores and policies: their code runs, from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neuro_metarl import tasks
from neuro_metarl.agents import cores

PAGES = ("how_to_own_task", "how_to_own_core", "how_to_own_policy")
DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_the_code_of_a_page_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cores, "_CORES", dict(cores._CORES))
    monkeypatch.setattr(tasks, "TASKS", dict(tasks.TASKS))
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / f"{name}.md").read_text(), re.DOTALL)
    assert blocks
    # __name__ of a module, so that dataclasses find their annotations
    names: dict[str, object] = {"__name__": __name__}
    for block in blocks:
        exec(compile(block, f"{name}.md", "exec"), names)
