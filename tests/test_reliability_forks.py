"""Processes that are forked after torch has computed, as pools do by default on Linux."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from neuro_metarl.recording import record

FORKED = """
import multiprocessing, sys, warnings
import torch
from neuro_metarl.agents.determinism import one_thread
from neuro_metarl.recording import record
torch.set_num_threads(2)
if sys.argv[1] == "record":
    record("two-step/0", n_sessions=2, seed=1)
elif sys.argv[1] == "torch":
    torch.randn(1000, 1000) @ torch.randn(1000, 1000)

def work(seed):
    return int(record("two-step", n_sessions=4, seed=seed, activity=False).choice.sum())

def ask(_):
    torch.set_num_threads(2)
    with warnings.catch_warnings(record=True) as caught, one_thread():
        return [str(w.message)[:23] for w in caught]

with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(ask if sys.argv[1] == "threads" else work, [3, 4], chunksize=1))
"""


def forked(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, *arguments], capture_output=True, text=True, check=True,
        timeout=120, env=os.environ | {"OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="this system does not fork")
@pytest.mark.parametrize("before", ["record", "torch", "nothing"])
def test_a_forked_pool_records_the_same_and_does_not_wait_for_ever(before: str) -> None:
    here = [int(record("two-step", n_sessions=4, seed=s, activity=False).choice.sum())
            for s in (3, 4)]  # fmt: skip
    assert forked(before) == str(here)


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="this system does not fork")
def test_threads_asked_for_after_a_fork_are_named() -> None:
    assert "this process was forked" in forked("threads")
