"""Small NWB files as labs write them, through pynwb, and rates counted by a plain loop."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = {"choice": "choice", "reward": "reward", "t_cue": "cue_time"}
DAY = datetime(2024, 3, 1, 9, tzinfo=UTC)


def session(
    path: Path,
    *,
    trials: Mapping[str, Sequence[Any]],
    units: Sequence[Mapping[str, Any]] = (),
    add: Any = None,
    subject: str = "m1",
    day: int = 0,
) -> Path:
    """Write a session: columns of trials, units with their ids, and what ``add`` adds."""
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.file import Subject

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nwb = NWBFile("test", path.stem, DAY + timedelta(days=day))
        nwb.subject = Subject(subject_id=subject, species="Mus musculus", sex="U", age="P0D/")
        given = [n for n in trials if n not in ("start_time", "stop_time")]
        for name in given:
            nwb.add_trial_column(name, name)
        for k in range(len(trials["start_time"])):
            nwb.add_trial(**{n: v[k] for n, v in trials.items()})
        for name in dict.fromkeys(n for u in units for n in u):
            if name not in ("spike_times", "id", "obs_intervals", "electrodes", "electrode_group"):
                nwb.add_unit_column(name, name)
        if add is not None:
            add(nwb)
        for unit in units:
            nwb.add_unit(**(unit(nwb) if callable(unit) else unit))
        path.parent.mkdir(parents=True, exist_ok=True)
        with NWBHDF5IO(path, "w") as io:
            io.write(nwb)
    return path


def some_trials(n: int, *, length: float = 2.0, seed: int = 0, **more: Any) -> dict[str, Any]:
    """Trials one after the other, a cue half a second into each."""
    rng = np.random.default_rng(seed)
    start = np.arange(n) * length
    choice = rng.integers(2, size=n)
    choice[:2] = 0, 1
    reward = rng.integers(2, size=n).astype(float)
    reward[:2] = 1, 0
    return {
        "start_time": start, "stop_time": start + length, "cue_time": start + 0.5,
        "choice": choice, "reward": reward, **more,
    }  # fmt: skip


def counted(spikes: np.ndarray, at: np.ndarray, window: tuple[float, float]) -> list[float]:
    """Spikes per s in a window around each event, one after the other."""
    found = []
    for event in at:
        n = 0
        for spike in spikes:
            n += event + window[0] <= spike < event + window[1]
        found.append(n / (window[1] - window[0]))
    return found


def by_unit(cohort: Any) -> dict[tuple[str, str], list[float]]:
    """Recording and unit to the rates of its session: the order of both is forgotten."""
    found = {}
    activity = cohort.activity.transpose("session", "unit", "trial", "event").values
    for k in range(cohort.sizes["session"]):
        for j in range(cohort.sizes["unit"]):
            if np.isfinite(activity[k, j]).any():
                name = str(cohort.unit.values[j]).removeprefix(f"{cohort.recording.values[j]}/")
                found[str(cohort.session_id.values[k]), name] = activity[k, j].ravel().tolist()
    return found
