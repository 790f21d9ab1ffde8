"""The pyControl files of Blanco-Pozo's mice on the two-step task.

What bites, and is handled here: part of the choices are forced; which transition is common
belongs to the mapping that each trial names; the first stages of training have no choice, and
print one all the same.
"""

from __future__ import annotations

import ast
import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.cohort import concat_cohorts
from neuro_metarl.errors import InputError
from neuro_metarl.io.frames import animal_cohort
from neuro_metarl.io.readers import Reader

__all__ = ["holds_blanco_pozo", "read_blanco_pozo"]

START = b"I Experiment name"
SUBJECT = "Subject ID"
CHOICE = ("choose_left", "choose_right")
OUTCOME = ("reward_cue", "no_reward_cue")
LASER, T_LASER = "Stimulation ON", "t_laser"
FIELDS = {
    "T#": r"\d+", "C": "[01]", "S": "[01]", "O": "[01]", "B": "[UND][AB]", "CT": "FC|L|R",
}  # fmt: skip
EXPECTED = {
    "T#": "the trial's number", "C": "1 (left) or 0 (right)", "S": "1 (up) or 0 (down)",
    "O": "1 or 0", "B": "U, N or D and A or B, as in UA (a stage without blocks has no choices)",
    "CT": "FC (free), L or R",
}  # fmt: skip
LAYOUT = "UD"
TASK_CONFIG = {"p_common": 0.8}


def read_blanco_pozo(path: str | os.PathLike[str]) -> xr.Dataset:
    r"""Read one session of the mice on the two-step task from a pyControl text file.

    Parameters
    ----------
    path
        Text file with lines I (``Subject ID : ...``), S (states: name to code), D ("ms code")
        and P ("ms text"), one P for each trial, as in ``T#:77 R#:52 B#:4 C:1 S:1 O:0 CA:None
        B:UA CT:FC TS:4.2``: C 1 left, S 1 up, O reward, B the reward state (U up good, N neutral,
        D down good) and the mapping (A: left leads commonly to up), CT F... for a free choice.

    Returns
    -------
    xarray.Dataset
        Cohort of one session, dims session, trial; join sessions with
        :func:`neuro_metarl.cohort.concat_cohorts`. ``choice`` 0 left, 1 right; ``state`` 0 up, 1
        down; ``common`` relative to the mapping that the trial names (some mice have A, others
        B); ``forced`` 1 where CT is L or R; ``correct`` 1 where the choice leads commonly to the
        port that B calls good (also in early stages, where both pay alike), -1 in neutral
        blocks. ``t_choice``, ``t_outcome`` (the cue that tells it) and, where there is a laser,
        ``t_laser`` (its onset in this trial) in s since the session began, NaN where none.
        There is no ``p_reward``: the odds depend on the stage of training.

    Raises
    ------
    InputError
        The file cannot be read, or is not of the layout; the message names the file, the line
        (from 1) and the field.

    References
    ----------
    Blanco-Pozo, Akam & Walton 2024, doi:10.1038/s41593-023-01542-x; code
    doi:10.5281/zenodo.10093116.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "m7-2019-01-02-101112.txt")
    >>> _ = file.write_text("I Experiment name  : two_step\nI Subject ID  : m7\n"
    ...                     "P 90 T#:1 R#:1 B#:1 C:1 S:1 O:1 CA:None B:UA CT:FC TS:4.5\n"
    ...                     "P 180 T#:2 R#:1 B#:1 C:0 S:1 O:0 CA:None B:UA CT:R TS:4.5\n")
    >>> cohort = read_blanco_pozo(file)
    >>> [cohort[name].values.tolist() for name in ("choice", "state", "common", "forced")]
    [[[0, 1]], [[0, 0]], [[1, 0]], [[0, 1]]]
    """
    file = Path(path)
    lines = _lines(file)
    frame = _coded(_trials(lines, _states(lines, file), file))
    frame = frame.assign(subject=_subject(lines, file), session=file.stem)
    attrs = {
        "task_config": json.dumps(TASK_CONFIG),
        "created_by": f"neuro_metarl read_blanco_pozo from {file.name}",
        "references": "doi:10.1038/s41593-023-01542-x",
    }
    return animal_cohort(frame, file, task="two-step", species="mouse", attrs=attrs)


def holds_blanco_pozo(path: str | os.PathLike[str]) -> bool:
    """Say whether a file begins as a pyControl file of these mice does.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    bool

    Examples
    --------
    >>> holds_blanco_pozo(__file__)
    False
    """
    try:
        with Path(path).open("rb") as handle:
            return handle.read(len(START)) == START
    except OSError:
        return False


def _lines(file: Path) -> list[tuple[int, str, str]]:
    """Read line numbers, the letter that a line begins with, and the rest."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({type(error).__name__})") from None
    return [
        (number, line[0], line[2:].strip())
        for number, line in enumerate(text.splitlines(), 1)
        if line[1:2] == " "
    ]


def _subject(lines: list[tuple[int, str, str]], file: Path) -> str:
    for _, letter, rest in lines:
        name, _, value = rest.partition(":")
        if letter == "I" and name.strip() == SUBJECT and value.strip():
            return value.strip()
    raise InputError(f"{file}: no line 'I {SUBJECT} : ...' names the mouse")


def _states(lines: list[tuple[int, str, str]], file: Path) -> dict[int, str]:
    """Read what the codes of the states mean; nothing where the file does not say."""
    for number, letter, rest in lines:
        if letter == "S":
            try:
                return {int(code): str(name) for name, code in ast.literal_eval(rest).items()}
            except (ValueError, SyntaxError, AttributeError, TypeError):
                raise InputError(
                    f"{file}, line {number}: S holds no map of states to codes"
                ) from None
    return {}


def _trials(lines: list[tuple[int, str, str]], states: dict[int, str], file: Path) -> pd.DataFrame:
    """Read one row per printed trial, with the times of what came before it."""
    rows: list[dict[str, Any]] = []
    times: dict[str, float] = {}
    for number, letter, rest in lines:
        stamp, _, text = rest.partition(" ")
        if letter not in "DP" or not stamp.isdigit():
            continue
        if letter == "D":
            _note(times, states.get(int(text)) if text.isdigit() else None, int(stamp) / 1000)
        elif text.startswith(LASER):
            times.setdefault("t_laser", int(stamp) / 1000)
        elif text.startswith("T#"):
            rows.append(_fields(text, f"{file}, line {number}") | times)
            times = {}
    if not rows:
        raise InputError(f"{file}: holds no trials (lines such as 'P 2494174 T#:77 ...')")
    return pd.DataFrame(rows)


def _note(times: dict[str, float], state: str | None, at: float) -> None:
    if state in CHOICE:
        times["t_choice"] = at
    elif state in OUTCOME:
        times["t_outcome"] = at


def _fields(text: str, where: str) -> dict[str, Any]:
    found = dict(word.split(":", 1) for word in text.split() if ":" in word)
    if found.get("RL", LAYOUT) != LAYOUT:
        raise InputError(
            f"{where}: field 'RL' is {found['RL']!r}, expected {LAYOUT}: what left and right mean "
            "in other boxes is not known"
        )
    for name, pattern in FIELDS.items():
        if name not in found:
            raise InputError(f"{where}: field {name!r} is missing")
        if not re.fullmatch(pattern, found[name]):
            raise InputError(
                f"{where}: field {name!r} is {found[name]!r}, expected {EXPECTED[name]}"
            )
    return {name: found[name] for name in FIELDS}


def _coded(raw: pd.DataFrame) -> pd.DataFrame:
    choice, state = 1 - raw["C"].astype(int), 1 - raw["S"].astype(int)
    leads_to = np.where(raw["B"].str[1] == "A", choice, 1 - choice)
    better = raw["B"].str[0].map({"U": 0, "D": 1, "N": -1})
    coded = pd.DataFrame({
        "trial": raw["T#"].astype(int), "choice": choice, "state": state,
        "common": (leads_to == state).astype(int),
        "correct": np.where(better < 0, -1, leads_to == better),
        "reward": raw["O"].astype(float), "forced": (raw["CT"] != "FC").astype(int),
    })  # fmt: skip
    return coded.join(raw[[name for name in raw if str(name).startswith("t_")]])


def _sessions_in(folder: Path) -> xr.Dataset:
    """Join all sessions; those of early training, which hold no choices, are left out."""
    files = [p for p in sorted(folder.rglob("m*.txt")) if holds_blanco_pozo(p)]
    sessions, refused = [], []
    for file in files:
        try:
            sessions.append(read_blanco_pozo(file))
        except InputError as error:
            refused.append(str(error))
    if not sessions:
        raise InputError(
            refused[0] if refused else f"{folder}: holds no m<ID>-<time>.txt of pyControl"
        )
    if refused:
        warnings.warn(
            f"{len(refused)} of {len(files)} sessions were left out, the first because: "
            f"{refused[0]}",
            stacklevel=3,
        )
    if any(T_LASER in s for s in sessions):
        sessions = [
            s if T_LASER in s else s.assign({T_LASER: s["reward"].astype(float) * np.nan})
            for s in sessions
        ]
    return concat_cohorts(sessions)


READER = Reader(
    "blanco-pozo",
    "Blanco-Pozo's mice on the two-step task: .txt of pyControl that begins I Experiment name.",
    holds_blanco_pozo,
    read_blanco_pozo,
    (".txt",),
    data_set=_sessions_in,
)
