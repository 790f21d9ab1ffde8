"""Whole commands, killed or interrupted at any moment: a rerun ends alike, nothing stray stays."""

from __future__ import annotations

import hashlib
import http.server
import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from neuro_metarl import datasets, load_dataset, plot
from neuro_metarl.agents import training
from neuro_metarl.cli import main
from neuro_metarl.cohort import select_subjects
from neuro_metarl.datasets import registry
from neuro_metarl.models import fitting
from neuro_metarl.storage import save_cohort
from tests.test_reliability_kills import FEW, MANY, contents, kill

# imported before a child says that it is there, so that what is killed is the work
SLOW = (plot, training, fitting)

CHILD = """
import sys
from tests import test_reliability_runs as runs
print("there", flush=True)
getattr(runs, sys.argv[1])(*sys.argv[2:])
"""
NAME = "miller2022-rats"


def train(out: str) -> None:
    changes = ["n_updates=60", "n_episodes=4", "n_units=16"]
    main(["train", "two-step", "--agents", "2", "--change", *changes, "--set", "n_trials=20",
          "--out", out])  # fmt: skip


def fit(out: str, data: str) -> None:
    main(["fit", data, "--models", "bias", "model_free", "--out", out, "--overwrite"])


def compare(out: str, data: str) -> None:
    main(["compare-to-rodent-data", data, "--agents", "two-step/0", "--models", "none",
          "--no-assess", "--sessions", "2", "--out", out, "--overwrite"])  # fmt: skip


def fetch(out: str, address: str, file: str) -> None:
    entry = replace(
        datasets.dataset_info(NAME), url=address, bytes=Path(file).stat().st_size,
        hash=hashlib.sha256(Path(file).read_bytes()).hexdigest(),
    )  # fmt: skip
    before: Any = registry._registry
    registry._registry = lambda: {NAME: entry}  # type: ignore[assignment]
    os.environ["NEURO_METARL_DATA"] = out
    try:
        datasets.fetch_dataset(NAME, progress=False)
    finally:
        registry._registry = before
        del os.environ["NEURO_METARL_DATA"]


COMMANDS = {"train": train, "fit": fit, "compare": compare, "fetch": fetch}


def check_runs(name: str, n: int, folder: Path, *given: str) -> None:
    """A run after each kill gives, byte for byte, the files of a run that was let alone."""
    out = folder / "out"
    COMMANDS[name](str(folder / "warm"), *given)
    began = time.perf_counter()
    COMMANDS[name](str(folder / "whole"), *given)
    longest = 1.5 * (time.perf_counter() - began)
    wanted = contents(folder / "whole")
    assert contents(folder / "warm") == wanted
    chance = random.Random(name)
    for turn in range(n):
        kill([CHILD, name, str(out), *given], chance.random() * longest, turn)
        COMMANDS[name](str(out), *given)
        assert contents(out) == wanted
        assert {p.name for p in folder.iterdir()} <= {"warm", "whole", "out", "given.nc", "shop"}


@pytest.fixture
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """What a command reads: nothing, two rats, or a server that is slow enough to be killed."""
    if request.param == "train":
        yield []
        return
    if request.param in ("fit", "compare"):
        two = select_subjects(load_dataset("synthetic-rats"), ["synthetic-1", "synthetic-2"])
        yield [str(save_cohort(two.isel(session=slice(None, None, 3)), tmp_path / "given.nc"))]
        return

    class Slow(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def copyfile(self, source: Any, outputfile: Any) -> None:
            while piece := source.read(100_000):
                time.sleep(0.02)
                outputfile.write(piece)

    shop = tmp_path / "shop"
    shop.mkdir()
    file = shop / "ofc_physdata.mat"
    file.write_bytes(random.Random(0).randbytes(2_000_000))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Slow, directory=shop))
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [f"http://127.0.0.1:{server.server_port}/{file.name}", str(file)]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("name", "given"), [(n, n) for n in COMMANDS], indirect=["given"])
def test_some_kills_of_a_command(name: str, given: list[str], tmp_path: Path) -> None:
    check_runs(name, FEW // 2, tmp_path, *given)


@pytest.mark.fuzz
@pytest.mark.timeout(0)
@pytest.mark.parametrize(("name", "given"), [(n, n) for n in COMMANDS], indirect=["given"])
def test_many_kills_of_a_command(name: str, given: list[str], tmp_path: Path) -> None:
    check_runs(name, MANY, tmp_path, *given)
