"""Who may know whom, what importing costs, and the rules of the house.

If a test here fails, move the import to the room that may have it (see CONTRIBUTING.md), or into
the function that needs it where the rule is about what an import loads.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import neuro_metarl

ROOT = Path(neuro_metarl.__file__).parent
MODULES = sorted(p for p in ROOT.rglob("*.py"))
BOTTOM = {"attach", "errors", "files", "progress", "words"}
ALLOWED = {
    "errors": set(),
    "files": {"errors"},
    "progress": set(),
    "words": set(),
    "attach": {"errors"},
    "schema": {"errors"},
    "public": {"schema", "errors"},
    "joining": {"schema", "errors"},
    "cohort": {"schema", "joining", "errors"},
    "intervals": {"errors"},
    "stats": {"intervals", "errors"},
    "regression": {"errors"},
    "door": {"cohort", "schema", *BOTTOM},
    "storage": {"cohort", "door", "schema", *BOTTOM},
    "behavior": {"cohort", "intervals", "stats", "regression", *BOTTOM},
    "models": {"cohort", "stats", "regression", *BOTTOM},
    "neural": {"cohort", "intervals", "stats", "regression", *BOTTOM},
    "io": {"cohort", "joining", "door", "schema", "storage", *BOTTOM},
    "datasets": {"cohort", "storage", "io", *BOTTOM},
    "measures": {"behavior", "cohort", "stats", *BOTTOM},
    "paradigms": {"behavior", "cohort", "measures", *BOTTOM},
    "comparison": {
        "behavior",
        "models",
        "cohort",
        "measures",
        "paradigms",
        "intervals",
        "stats",
        "regression",
        *BOTTOM,
    },
    "tasks": set(BOTTOM),
    "agents": {"tasks", *BOTTOM},
    "perturb": {"agents", *BOTTOM},
    "recording": {"perturb", "tasks", "agents", "models", "cohort", "schema", "storage", *BOTTOM},
    "yoking": {"tasks", "agents", "cohort", "schema", *BOTTOM},
    "assessment": {
        "agents",
        "behavior",
        "models",
        "cohort",
        "comparison",
        "paradigms",
        "stats",
        "yoking",
        *BOTTOM,
    },
    "agents_and_animals": {
        "agents",
        "assessment",
        "models",
        "cohort",
        "comparison",
        "paradigms",
        "recording",
        "tasks",
        "yoking",
        *BOTTOM,
    },
    "calibration": {
        "cohort",
        "comparison",
        "intervals",
        "models",
        "neural",
        "paradigms",
        *BOTTOM,
    },
    "doctor": {"perturb", "agents", "io", "recording", "schema", "storage", "tasks", *BOTTOM},
    "twins": {"behavior", "cohort", "models", "storage", *BOTTOM},
    "report": {"paradigms", "plot", *BOTTOM},
    "scorecard": {
        "agents",
        "behavior",
        "intervals",
        "models",
        "neural",
        "recording",
        "tasks",
        *BOTTOM,
    },
    "plot": set(BOTTOM),
}
HEAVY = {
    "torch": {
        "tasks",
        "agents",
        "perturb",
        "recording",
        "yoking",
        "assessment",
        "agents_and_animals",
    },
    "matplotlib": {"plot", "report", "cli"},
}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_who_may_know_whom(path: Path) -> None:
    mine = room(path)
    if mine in ("cli", "__init__"):
        return
    assert mine in ALLOWED, f"a new room {mine!r}: say here whom it may know"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "neuro_metarl" and len(parts) > 1 and parts[1] != mine:
            assert parts[1] in ALLOWED[mine], f"{mine} may not import {name}"
        if parts[0] in HEAVY:
            assert mine in HEAVY[parts[0]], f"{mine} may not import {parts[0]}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500
    assert path.stem not in ("utils", "helpers", "common", "misc")


ANALYSIS = "read, read_table, load_dataset, compare, stay_probability, lagged_regression"


@pytest.mark.parametrize(
    "code",
    [
        "import neuro_metarl",
        f"from neuro_metarl import {ANALYSIS}",
        "import neuro_metarl as n; n.stay_probability(n.load_dataset('synthetic-rats'))",
        "import neuro_metarl as n; n.compare({'r': n.load_dataset('synthetic-rats')}, n_lags=1)",
        "import neuro_metarl.cli",
    ],
)
def test_analysing_behavior_imports_neither_torch_nor_matplotlib(code: str) -> None:
    check = "; import sys; bad = {'torch', 'matplotlib'} & set(sys.modules); assert not bad, bad"
    done = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_public_functions_have_an_example_that_runs(path: Path) -> None:
    """Every function in ``__all__`` shows how it is used; doctests run them."""
    tree = ast.parse(path.read_text())
    public: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            public = set(ast.literal_eval(node.value)) if path.name != "__init__.py" else set()
    if room(path) == "cli":
        return
    exempt = {"main", "data_folder", "join_comparisons", "summarize"}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in public - exempt:
            doc = ast.get_docstring(node) or ""
            assert ">>>" in doc, f"{node.name} has no example"
