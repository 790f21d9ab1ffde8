"""No damaged file ends in a traceback, a crash or a hang, or is read as other numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.child import SECONDS
from tests.fuzz.mutations import mutate
from tests.fuzz.readers import READERS

ROOT = Path(__file__).parents[2]
FEW, MANY = 30, 10_000
# a NIX file takes a tenth of a second
SLOW = {"NIX": 10}
# a child is replaced after so many files, so that memory it does not give back is not counted
PER_CHILD = 1000

Jobs = list[tuple[str, int, int]]


def attack(jobs: Jobs, folder: Path) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Read damaged files in children; count their fates, and list what should not have been."""
    fates: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    while jobs:
        lines, ended = run(jobs, folder)
        assert lines, f"no file was read: {ended}"
        for what, kind, case, *said in lines:
            if what != "begun":
                fates[kind, what] += 1
            if what not in ("accepted", "refused", "begun"):
                wrong.append(f"{kind}, case {case}: {what}: {said[0]}")
        what, kind, case, *_ = lines[-1]
        if what == "begun":
            fates[kind, "crash"] += 1
            wrong.append(f"{kind}, case {case}: {ended}")
        done = [name for name, _, _ in jobs].index(kind)
        jobs = [(kind, case + 1, jobs[done][2]), *jobs[done + 1 :]]
        jobs = [job for job in jobs if job[1] < job[2]]
    return fates, wrong


def run(jobs: Jobs, folder: Path) -> tuple[list[Any], str]:
    """Run one child; give its lines, and how it ended."""
    command = [sys.executable, "-m", "tests.fuzz.child", str(folder), json.dumps(jobs)]
    threads = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    longest = 60 + SECONDS * sum(stop - first for _, first, stop in jobs)
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, env=os.environ | threads,
            timeout=longest,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode() if isinstance(error.stdout, bytes) else ""
        ended = "the process hung"
    else:
        output = done.stdout
        ended = f"the process ended with {done.returncode} {done.stderr[-200:]}"
    return [json.loads(line) for line in output.splitlines() if line.startswith("[")], ended


def test_some_damaged_files_of_each_kind(tmp_path: Path) -> None:
    fates, wrong = attack([(kind, 0, SLOW.get(kind, FEW)) for kind in READERS], tmp_path)
    assert not wrong, wrong
    assert {kind for kind, what in fates if what == "refused"} == set(READERS)
    assert sum(fates.values()) == FEW * (len(READERS) - 1) + SLOW["NIX"]


@pytest.mark.fuzz
@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", sorted(READERS))
def test_many_damaged_files(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fates: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    for first in range(1000, 1000 + MANY, PER_CHILD):
        more, bad = attack([(kind, first, first + PER_CHILD)], tmp_path)
        fates += more
        wrong += bad
    with capsys.disabled():
        print(f"\n{kind:12}", {what: n for (_, what), n in sorted(fates.items())})
    assert not wrong, wrong


def test_a_crash_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack itself can fail: a child that ends in the middle is a crash, and it goes on."""
    calls = []

    def dying(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        jobs = json.loads(command[-1])
        calls.append(jobs)
        lines = []
        for kind, first, stop in jobs:
            for case in range(first, stop):
                lines += [
                    json.dumps(["begun", kind, case]),
                    json.dumps(["refused", kind, case, ""]),
                ]
        return subprocess.CompletedProcess(
            command, -11, "\n".join(lines[: 5 if len(calls) == 1 else None]), ""
        )

    monkeypatch.setattr(subprocess, "run", dying)
    fates, wrong = attack([("CSV", 0, 6), ("JSON", 0, 2)], tmp_path)
    assert calls == [[["CSV", 0, 6], ["JSON", 0, 2]], [["CSV", 3, 6], ["JSON", 0, 2]]]
    assert fates == {("CSV", "refused"): 5, ("CSV", "crash"): 1, ("JSON", "refused"): 2}
    assert wrong == ["CSV, case 2: the process ended with -11 "]


def test_the_same_seed_is_the_same_damage(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.write_bytes(bytes(range(200)))
    for seed in range(50):
        told = [mutate(whole, tmp_path / name, seed) for name in "ab"]
        assert told[0] == told[1]
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
