"""Small MATLAB 7.3 files in the layout of Miller's, made for the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

Fields = dict[str, np.ndarray]


def text(letters: str) -> np.ndarray:
    return np.array([ord(c) for c in letters], dtype=np.uint16)


def rat(
    name: str = "R1", n_trials: int = 60, *, incongruent: bool = False, seed: int = 0
) -> Fields:
    """One rat's fields; two sessions, a forced trial, both kinds of violation, a missing time."""
    rng = np.random.default_rng(seed)
    left, common = rng.random(n_trials) < 0.5, rng.random(n_trials) < 0.8
    port_left = left ^ ~common ^ incongruent
    left_good = np.arange(n_trials) // 20 % 2 == 0
    better = (left ^ incongruent) == left_good
    fields = {
        "ratname": text(name),
        "task": text("TwoStep"),
        "nTrials": np.array([float(n_trials)]),
        "sides1": np.where(left, ord("l"), ord("r")).astype(np.uint16),
        "sides2": np.where(port_left, ord("l"), ord("r")).astype(np.uint16),
        "trans_common": common.astype(float),
        "rewards": (rng.random(n_trials) < 0.5).astype(float),
        "leftprobs": np.where(left_good, 0.8, 0.2),
        "rightprobs": np.where(left_good, 0.2, 0.8),
        "better_choices": better.astype(float),
        "viols": np.zeros(n_trials),
        "new_sess": np.zeros(n_trials),
    }
    for k, field in enumerate(("c1_times", "s1_times", "c2_times", "s2_times")):
        fields[field] = np.arange(n_trials) + k / 4.0
    fields["new_sess"][[0, 40]] = 1
    fields["better_choices"][5] = np.nan
    fields["viols"][7] = 1
    fields["sides2"][9] = ord("v")
    fields["s2_times"][9] = np.nan
    return fields


def write(
    path: Path, rats: list[Fields], change: Callable[[h5py.File], None] | None = None
) -> Path:
    with h5py.File(path, "w", userblock_size=512) as file:
        cells = file.create_dataset("ratdatas", (len(rats), 1), dtype=h5py.ref_dtype)
        for k, fields in enumerate(rats):
            group = file.create_group(f"#refs#/{k}")
            for name, values in fields.items():
                column = name in ("ratname", "task")
                group[name] = values[:, None] if column else values[None, :]
            cells[k, 0] = group.ref
        if change:
            change(file)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, made by a test".ljust(512, b" "))
    return path
