"""Draw every plot of the package and write a report, and print what their files' bytes are.

Each plot is drawn by the example in its docstring, so that a new one is among them. Run in two
processes by ``tests/test_same_bytes.py``.
"""

from __future__ import annotations

import doctest
import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import neuro_metarl as nm
from neuro_metarl import plot
from neuro_metarl.report import assessment_writers, report_page

FORMS = ("svg", "pdf", "png")


def bytes_of(drawn: Any) -> dict[str, str]:
    """Write a figure, or that of axes, to each kind of file."""
    if isinstance(drawn, (list, tuple)) or hasattr(drawn, "ravel"):
        drawn = next(iter(drawn.ravel() if hasattr(drawn, "ravel") else drawn))
    figure = drawn if hasattr(drawn, "savefig") else drawn.figure
    found = {}
    for form in FORMS:
        stream = io.BytesIO()
        figure.savefig(stream, format=form)
        found[form] = hashlib.sha256(stream.getvalue()).hexdigest()
    return found


def every_plot() -> dict[str, dict[str, str]]:
    """Run the example of each plot, and keep what it drew."""
    found: dict[str, dict[str, str]] = {}

    def kept(name: str, draws: Callable[..., Any]) -> Callable[..., Any]:
        def draw(*given: Any, **options: Any) -> Any:
            drawn = draws(*given, **options)
            found.setdefault(name, bytes_of(drawn))
            return drawn

        return draw

    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for found_module in iter_modules(plot.__path__):
        module = import_module(f"neuro_metarl.plot.{found_module.name}")
        for name in sorted({*getattr(module, "__all__", [])} & {*plot.__all__}):
            draws = getattr(module, name)
            scope = vars(module) | {name: kept(name, draws)}
            example = doctest.DocTestParser().get_doctest(draws.__doc__, scope, name, None, 0)
            public = getattr(plot, name)
            setattr(plot, name, scope[name])
            doctest.DocTestRunner(optionflags=flags).run(example, out=lambda text: None)
            setattr(plot, name, public)
            found.setdefault(name, {})
    return found


def report() -> dict[str, str]:
    """Write the report of a small assessment, and its files."""
    tree = nm.assess(nm.load_agents("two-step/0"), nm.load_dataset("synthetic-rats"),
                     n_replicates=1, n_bootstrap=50)  # fmt: skip
    found = {"html": hashlib.sha256(report_page(tree, noun="rat").encode()).hexdigest()}
    for ending, write in assessment_writers(tree, noun="rat").items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"assessment.{ending}"
            write(path)
            found[ending] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


if __name__ == "__main__":
    json.dump({"plots": every_plot(), "report": report()}, sys.stdout)
