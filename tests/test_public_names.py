"""What `import neuro_metarl as nm` offers: few names, documented, known to type checkers."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import neuro_metarl as nm

ROOMS = sorted(n for n in nm.__all__ if isinstance(getattr(nm, n), ModuleType))
SCRIPT = """\
import neuro_metarl as nm

agents = nm.train("two-step", n_agents=2, seed=1)
cohort = nm.record(agents, n_sessions=10)
ax = nm.plot.stay_probability(nm.stay_probability(cohort))
fitted = nm.fit(cohort, nm.models.hybrid)
print(nm.__version__, ax, fitted)
"""
MISTAKES = {
    "nm.tarin('two-step')": "tarin",
    "nm.train('two-step', n_agent=4)": "n_agent",
    "nm.plot.stay_probabilty(1)": "stay_probabilty",
    "nm.neural.dimensionalty(1)": "dimensionalty",
    "nm.models.hybird": "hybird",
    "nm.record(seed='a', subjects='two-step')": "seed",
}


def test_daily_names_are_few() -> None:
    assert len(nm.__all__) <= 60
    assert not [name for name in nm.__all__ if name.startswith(("plot_", "read_a", "_"))]


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_every_public_name_is_there_and_documented(room: str) -> None:
    place = importlib.import_module(f"neuro_metarl.{room}".rstrip("."))
    assert place.__doc__
    for name in place.__all__:
        thing = getattr(place, name)
        assert thing.__doc__, name
        if not room and name not in ROOMS:
            assert callable(thing), name
    assert set(place.__all__) <= set(dir(place))


@pytest.mark.parametrize("room", ROOMS)
def test_a_name_is_no_module_by_the_order_of_imports(room: str) -> None:
    """A function must not share its name with a module of its room, which would take its place."""
    place = importlib.import_module(f"neuro_metarl.{room}")
    files = getattr(place, "__path__", None)
    modules = {p.stem for folder in files or [] for p in Path(folder).glob("*.py")}
    assert not modules & set(place.__all__)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tarin", "has no attribute 'tarin'; did you mean 'train'"),
        ("find_model", "has no attribute 'find_model'; it is in neuro_metarl.models"),
        ("qqq", "has no attribute 'qqq'$"),
    ],
)
def test_a_wrong_name_is_an_attribute_error(name: str, message: str) -> None:
    with pytest.raises(AttributeError, match=message):
        getattr(nm, name)
    with pytest.raises(ImportError):
        exec(f"from neuro_metarl import {name}")


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_type_checkers_know_the_names_and_their_arguments(checker: str, tmp_path: Path) -> None:
    command = {"mypy": [sys.executable, "-m", "mypy"], "pyright": ["pyright"]}[checker]
    if checker == "pyright" and not shutil.which("pyright"):
        pytest.skip("pyright is not installed")
    lines = [SCRIPT, *MISTAKES]
    script = tmp_path / "script.py"
    script.write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [*command, script.name], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    wrong = [line for line in done.stdout.splitlines() if "error" in line and "script.py" in line]
    found = {int(line.split("script.py:")[1].split(":")[0]) for line in wrong}
    first = SCRIPT.count("\n") + 2
    assert found == set(range(first, first + len(MISTAKES))), done.stdout + done.stderr
    for line, name in zip(sorted(found), MISTAKES.values(), strict=True):
        assert any(f"script.py:{line}:" in text and name in text for text in wrong), name
