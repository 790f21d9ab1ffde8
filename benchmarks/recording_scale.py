"""Recording to Zarr against the bare rollout: memory, throughput, size on disk.

    python benchmarks/recording_scale.py [--sessions 100] [--repeats 3] [--out FOLDER]

All sixteen two-step agents, 100 trials a session. Memory is the peak of a process that does
nothing but record (or read lazily). Throughput: the bare rollout (episodes drawn and played, in
the same batches, nothing kept) and recordings take turns in one process; ratios of wall-clock
time, and of CPU time of all threads. With more than one core free, chunks are written while the
next are played, and the wall-clock ratio is the better one.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

import neuro_metarl as nm
from neuro_metarl.agents.learning import draw_noise, seed_generators
from neuro_metarl.agents.network import Rollout
from neuro_metarl.recording.agents import EPISODES_AT_ONCE

WHAT = {
    "all variables": {},
    "activity only": {"variables": ["activity"]},
    "one event": {"events": ["first_step"]},
    "8 units": {"units": list(range(8))},
    "choices only": {"activity": False},
}
PEAK = """
import resource, sys, torch
import neuro_metarl as nm
torch.set_num_threads(1)
what, out, n_sessions = sys.argv[1], sys.argv[2], int(sys.argv[3])
agents = nm.load_agents("two-step")
if what == "record":
    nm.record_to_zarr(agents, n_sessions=n_sessions, out=out)
elif what == "read":
    cohort = nm.open_cohort(out, lazy=True)
    cohort.activity.sel(event="first_step", unit=[0, 1, 2, 3]).load()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak(what: str, out: Path, n_sessions: int) -> float:
    """Peak memory of a process of its own, MiB."""
    command = [sys.executable, "-c", PEAK, what, str(out), str(n_sessions)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def bare(agents: nm.agents.Agents, n_sessions: int) -> None:
    """Draw and play the episodes of a recording, and keep nothing."""
    task = agents.task
    for k, name in enumerate(agents.names):
        generators = seed_generators(0, [name], "record")
        rollout = None
        for start in range(0, n_sessions, EPISODES_AT_ONCE):
            size = min(EPISODES_AT_ONCE, n_sessions - start)
            if rollout is None or rollout.n_episodes != size:
                rollout = Rollout(agents.select([k]).population, task, size)
            episodes = task.draw(size, generators)
            noise = draw_noise(rollout.n_steps, task.n_actions, size, generators)
            rollout.play(episodes, noise)


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and CPU time of a call."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    call()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100, help="of each agent")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder for what is written; default: temporary")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(dir=chosen.out))
    agents = nm.load_agents("two-step")
    n_trials = len(agents) * chosen.sessions * agents.task.n_trials
    try:
        store = folder / "peak.zarr"
        base = peak("nothing", store, chosen.sessions)
        recording = peak("record", store, chosen.sessions)
        size = sum(f.stat().st_size for f in store.rglob("*") if f.is_file())
        reading = peak("read", store, chosen.sessions)
        print(f"{len(agents)} agents, {n_trials:,} trials, {size / 1e9:.2f} GB on disk")
        print(f"peak memory, MiB: imports {base:.0f}, recording {recording:.0f}, ", end="")
        print(f"4 units at one event read lazily {reading:.0f}")
        shutil.rmtree(store)
        bare(agents, EPISODES_AT_ONCE)
        for label, what in WHAT.items():
            wall, cpu, rate = [], [], []
            for repeat in range(chosen.repeats):
                out = folder / f"{repeat}.zarr"
                alone = seconds(lambda: bare(agents, chosen.sessions))
                with_disk = seconds(
                    lambda out=out, what=what: nm.record_to_zarr(
                        agents, n_sessions=chosen.sessions, out=out, **what
                    )
                )
                shutil.rmtree(out)
                wall.append(alone[0] / with_disk[0])
                cpu.append(alone[1] / with_disk[1])
                rate.append(n_trials / with_disk[0] / 1e3)
            ratios = f"wall {statistics.median(wall):.2f}, CPU {statistics.median(cpu):.2f}"
            spread = f"wall {min(wall):.2f} to {max(wall):.2f}"
            speed = statistics.median(rate)
            print(f"{label:14s} throughput / bare: {ratios} ({spread}); {speed:.0f} k trials/s")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
