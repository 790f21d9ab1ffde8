"""The text files of Akam's mice on the two-step task with reversals of the transitions.

What bites, and is handled here: the transition matrix reverses within a session, so that which
transition is common has to be told trial by trial; files of the Arduino code the reward state the
other way round, and go on outside the session; those of ``pyControl_1`` have one number more in
each line; a session may end between a choice and its outcome.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.io.frames import animal_cohort
from neuro_metarl.io.readers import Reader

__all__ = ["holds_akam", "read_akam"]

INFO = "info.json"
ARDUINO, PYCONTROL_1 = "Arduino", "pyControl_1"
FILE_TYPES = (ARDUINO, PYCONTROL_1, "pyControl_2")
POKES = {"high_poke": 0, "low_poke": 1}
PORTS = {"left_active": 0, "right_active": 1}
OUTCOMES = {"left_reward": 0, "right_reward": 1, "wait_for_poke_out": None}
EVENTS = ("trial_start", *POKES, *PORTS, *OUTCOMES)
BLOCK, LASER = -1, -2
NUMBERS = re.compile(r"-?\d+( +-?\d+)+")
NO_RESPONSE, DROPPED = 3, 4
LASER_S = 0.005

Lines = list[tuple[int, list[int]]]


def read_akam(path: str | os.PathLike[str]) -> xr.Dataset:
    r"""Read an experiment, or one session, of the mice on the two-step task.

    Parameters
    ----------
    path
        Folder of an experiment, with ``info.json`` (``event_IDs``: name to code; ``file_type``:
        Arduino, pyControl_1 or pyControl_2) and ``data/m<ID>-<date>.txt``; or one of these text
        files where it lies. A text file has lines "ms code" (pyControl_1: "ms 0 code"); the code
        -1 begins a block and ends in the reward state (0 left good, 1 neutral, 2 right good; the
        other way round in Arduino files) and the transition state (1: high leads commonly to
        left); -2 is the laser (ends in 1: on). Other lines are ignored.

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial. ``choice`` 0 high, 1 low poke; ``state`` 0 left, 1 right
        port. **The transition matrix reverses within a session**: ``common`` is per trial, and
        relative to the mapping in force: neither poke belongs to one port. ``correct`` 1 where the
        choice leads commonly to the better port, -1 in neutral blocks. ``t_choice`` (the port
        lights up) and ``t_outcome`` in s since the session began, and where there is a
        laser ``t_laser``: its first onset since the choice before this one, NaN where none. A
        choice without an outcome is invalid (no response), a port without a choice too (dropped).
        There is no ``p_reward`` and no ``p_common``: the task has two contrasts, and the codes do
        not tell which.

    Raises
    ------
    InputError
        A file is missing, or not of the layout; the message names the file, the line (from 1) or
        the field.

    References
    ----------
    Akam et al. 2021, doi:10.1016/j.neuron.2020.10.013; data doi:10.17605/OSF.IO/8JWHM.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = Path(folder, "data").mkdir()
    >>> names = ["trial_start", "high_poke", "low_poke", "left_active", "right_active",
    ...          "left_reward", "right_reward", "wait_for_poke_out"]
    >>> info = {"event_IDs": {n: k for k, n in enumerate(names)}, "file_type": "pyControl_2"}
    >>> _ = Path(folder, "info.json").write_text(json.dumps(info))
    >>> _ = Path(folder, "data", "m7-2015-01-02.txt").write_text(
    ...     "0 -1 0 1\n0 0\n10 1\n10 3\n20 5\n30 0\n40 2\n40 3\n50 7\n")
    >>> cohort = read_akam(folder)
    >>> [cohort[name].values.tolist() for name in ("choice", "state", "common", "reward")]
    [[[0, 1]], [[0, 0]], [[1, 0]], [[1.0, 0.0]]]
    """
    given = Path(path)
    folder = given if given.is_dir() else given.parent.parent
    files = sorted((given / "data").glob("m*.txt")) if given.is_dir() else [given]
    if not files:
        raise InputError(f"{given}: holds no data/m<ID>-<date>.txt")
    key = _key(folder)
    frame = pd.concat([_session(file, key) for file in files], ignore_index=True)
    attrs = {
        "created_by": f"neuro_metarl read_akam from {given.name}",
        "references": "doi:10.1016/j.neuron.2020.10.013; doi:10.17605/OSF.IO/8JWHM",
    }
    return animal_cohort(frame, given, task="two-step-akam", species="mouse", attrs=attrs)


def holds_akam(path: str | os.PathLike[str]) -> bool:
    """Say whether a folder, or the folder that a session's file belongs to, is Akam's.

    Parameters
    ----------
    path
        Any file or folder.

    Returns
    -------
    bool

    Examples
    --------
    >>> holds_akam(__file__)
    False
    """
    given = Path(path)
    folder = given if given.is_dir() else given.parent.parent
    try:
        _key(folder)
    except InputError:
        return False
    return given.is_dir() or (given.parent.name == "data" and given.suffix == ".txt")


@dataclass(frozen=True)
class _Key:
    """What the codes of an experiment mean."""

    names: dict[int, str]
    file_type: str


def _key(folder: Path) -> _Key:
    file = folder / INFO
    try:
        info: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{file}: cannot be read ({type(error).__name__}); it tells what the codes mean, and "
            "lies beside the folder data"
        ) from None
    fields = info if isinstance(info, dict) else {}
    codes, file_type = fields.get("event_IDs"), fields.get("file_type")
    if not isinstance(codes, dict) or not all(type(code) is int for code in codes.values()):
        raise InputError(f"{file}: field 'event_IDs' is not a map of names to whole numbers")
    missing = [name for name in EVENTS if name not in codes]
    if missing:
        raise InputError(f"{file}: field 'event_IDs' lacks {missing[0]!r}")
    if file_type not in FILE_TYPES:
        raise InputError(
            f"{file}: field 'file_type' is {file_type!r}, expected one of {', '.join(FILE_TYPES)}"
        )
    return _Key({code: name for name, code in codes.items()}, file_type)


def _session(file: Path, key: _Key) -> pd.DataFrame:
    lines = _lines(file, key)
    events = [(line, row[0], key.names[row[1]]) for line, row in lines if row[1] in key.names]
    begin = 0
    if key.file_type == ARDUINO:
        events = _between(events, key, file)
        begin = events[0][1]
    trials = _trials(events, file)
    reward_state, transition_state = _blocks(lines, trials["start"].to_numpy(), key, file)
    choice, port = trials["choice"].to_numpy(), trials["port"].to_numpy()
    leads_to = np.where(transition_state == 1, choice, 1 - choice)
    chosen, ended = choice >= 0, trials["reward"].notna().to_numpy()
    reason = np.where(chosen, np.where(ended, 0, NO_RESPONSE), DROPPED)
    frame = pd.DataFrame({
        "subject": file.stem.split("-")[0], "session": file.stem,
        "choice": choice, "state": port, "common": np.where(chosen, leads_to == port, -1),
        "correct": np.where(chosen & (reward_state != 1), leads_to == reward_state // 2, -1),
        "reward": trials["reward"], "valid": (reason == 0).astype(int), "invalid_reason": reason,
        "t_choice": (trials["chosen_at"] - begin) / 1000,
        "t_outcome": (trials["ended_at"] - begin) / 1000,
    })  # fmt: skip
    return frame.assign(**_laser(lines, frame["t_choice"].to_numpy(), begin))


def _lines(file: Path, key: _Key) -> Lines:
    """Read the lines that are numbers: line number, and ms, code and what follows."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({type(error).__name__})") from None
    rows = [
        (number, [int(word) for word in line.split()])
        for number, line in enumerate(text.splitlines(), 1)
        if NUMBERS.fullmatch(line.strip())
    ]
    if key.file_type != PYCONTROL_1:
        return rows
    for number, row in rows:
        if len(row) < 3:
            raise InputError(
                f"{file}, line {number}: {len(row)} numbers, expected 'ms 0 code' as info.json "
                f"says that the file is {PYCONTROL_1}"
            )
    return [(number, [row[0], *row[2:]]) for number, row in rows]


def _between(
    events: list[tuple[int, int, str]], key: _Key, file: Path
) -> list[tuple[int, int, str]]:
    """Cut an Arduino's events to those of the session."""
    both = "start_stop" in key.names.values()
    first, last = ("start_stop", "start_stop") if both else ("session_start", "session_stop")
    names = [name for *_, name in events]
    try:
        start = names.index(first)
        stop = names.index(last, start + 1)
    except ValueError:
        raise InputError(
            f"{file}: lacks the event {first!r} or, after it, {last!r}, between which a session "
            "of an Arduino lies"
        ) from None
    return events[start:stop]


def _trials(events: list[tuple[int, int, str]], file: Path) -> pd.DataFrame:
    """List the trials: each is a port that lights up, the poke before it, what follows it."""
    rows: list[dict[str, float]] = []
    poke, start, open_trial = -1, None, False
    for line, ms, name in events:
        if name == "trial_start":
            start = ms
        elif name in POKES:
            poke = POKES[name]
        elif name in PORTS:
            rows.append({
                "start": ms if start is None else start, "choice": poke, "port": PORTS[name],
                "chosen_at": ms, "reward": np.nan, "ended_at": np.nan,
            })  # fmt: skip
            poke, open_trial = -1, True
        elif name in OUTCOMES and open_trial:
            if OUTCOMES[name] not in (None, rows[-1]["port"]):
                raise InputError(f"{file}, line {line}: {name}, but the other port was active")
            rows[-1] |= {"reward": float(OUTCOMES[name] is not None), "ended_at": ms}
            open_trial = False
    if not rows:
        raise InputError(f"{file}: holds no trials with the codes of {INFO}")
    return pd.DataFrame(rows)


def _blocks(
    lines: Lines, start: np.ndarray, key: _Key, file: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Return the reward state (0 left good, 1 neutral, 2 right good) and mapping of each trial."""
    blocks = [(number, row) for number, row in lines if row[1] == BLOCK]
    for number, row in blocks:
        if len(row) < 4 or row[-2] not in (0, 1, 2) or row[-1] not in (0, 1):
            raise InputError(
                f"{file}, line {number}: a block (code {BLOCK}) ends in {row[2:]}, expected a "
                "reward state of 0, 1 or 2 and a transition state of 0 or 1"
            )
    if not blocks:
        raise InputError(f"{file}: no block (code {BLOCK}) tells which mapping is in force")
    since = np.array([row[0] for _, row in blocks])
    if (np.diff(since) < 0).any() or (np.diff(start) < 0).any():
        raise InputError(f"{file}: the times of the blocks or of the trials run back")
    # an Arduino tells of the first block after the first trial began
    place = np.searchsorted(since, start, side="right") - 1
    if (place[1:] < 0).any():
        raise InputError(
            f"{file}, line {blocks[0][0]}: the first block begins after the second trial; the "
            "mapping before it is not known"
        )
    states = np.array([row[-2:] for _, row in blocks])[np.maximum(place, 0)]
    reward = 2 - states[:, 0] if key.file_type == ARDUINO else states[:, 0]
    return reward, states[:, 1]


def _laser(lines: Lines, chosen_at: np.ndarray, begin: int) -> dict[str, np.ndarray]:
    """Give each onset of the laser to the first choice after it."""
    onsets = [(row[0] - begin) / 1000 for _, row in lines if row[1] == LASER and row[-1] == 1]
    times = np.full(len(chosen_at), np.nan)
    for onset in reversed(onsets):
        trial = np.searchsorted(chosen_at, onset + LASER_S)
        if trial < len(times):
            times[trial] = onset
    return {"t_laser": times} if onsets else {}


def _in_experiment(path: Path) -> bool:
    return holds_akam(path) or (path / INFO).is_file()


def _experiments(folder: Path) -> list[str]:
    return sorted(p.parent.name for p in folder.glob(f"*/{INFO}"))


READER = Reader(
    "akam",
    "Akam's mice on the two-step task: a folder with info.json, or a .txt in its folder data.",
    _in_experiment,
    read_akam,
    parts=_experiments,
    reads_part=lambda folder, part: read_akam(folder / part),
)
