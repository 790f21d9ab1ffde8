"""The MATLAB 5 file of Bari's mice as Trepka et al. distribute it: a baited two-armed bandit.

The file holds a cell array ``all_stats`` with one struct per session. What bites, and is handled
here: the README that comes with the file swaps ``r`` and ``c``; an arm keeps its bait until it is
chosen, so that the nominal probability is less than the chance of a reward; missed and no-go
trials were removed, and only their number per session is known.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.io import loadmat

from neuro_metarl.errors import InputError
from neuro_metarl.io.frames import animal_cohort
from neuro_metarl.io.matlab5 import check_matlab5
from neuro_metarl.io.matlab_tables import fields_of_matlab
from neuro_metarl.io.readers import Reader

__all__ = ["holds_trepka", "read_trepka"]

CELL = "all_stats"
FIELDS = ("animal_ids", "r", "c", "hr_side", "rewardprob")
CODES = {"r": (0, 1), "c": (-1, 1), "hr_side": (-1, 1)}
REMOVED = {"n_missed": "num_miss_trials", "n_nogo": "num_nogo_trials"}
SWAPPED = "; 'r' is the reward (0, 1) and 'c' the choice (-1, 1), which the README swaps"
MATLAB_5 = b"MATLAB 5.0"


def read_trepka(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the mice on the baited two-armed bandit from ``all_stats_cohen.mat``.

    Parameters
    ----------
    path
        MATLAB 5 file with the cell array ``all_stats``, one struct per session: ``animal_ids``,
        ``r`` (reward 0, 1), ``c`` (choice -1 left, 1 right), ``hr_side`` (the better arm, coded as
        ``c``), ``rewardprob`` (trials by left, right), and where they are there
        ``num_miss_trials`` and ``num_nogo_trials``.

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial, option. ``choice`` 0 left, 1 right; ``reward`` 0, 1;
        ``correct`` 1 where the better arm was chosen, -1 where both are equal; ``p_reward``
        (option: left, right) as nominal, without what baiting adds. Trials that the source
        removed cannot be put back; the coordinates ``n_missed(session)`` and ``n_nogo(session)``
        say how many there were, -1 where the file does not say.

    Raises
    ------
    InputError
        The file is missing, damaged, in another format, or a value is not of the layout; the
        message names the file, the session (from 0), the field and the trial (from 0).

    References
    ----------
    Bari et al. 2019, doi:10.1016/j.neuron.2019.06.001; Trepka et al. 2021,
    doi:10.1038/s41467-021-26784-w.

    Examples
    --------
    >>> import tempfile
    >>> from scipy.io import savemat
    >>> cell = np.empty((1, 1), dtype=object)
    >>> cell[0, 0] = {"animal_ids": " BB1", "r": [[1], [0]], "c": [[-1], [1]],
    ...               "hr_side": [[-1], [-1]], "rewardprob": [[0.4, 0.1], [0.4, 0.1]]}
    >>> file = Path(tempfile.mkdtemp(), "mice.mat")
    >>> savemat(file, {"all_stats": cell})
    >>> cohort = read_trepka(file)
    >>> cohort.subject.values.tolist(), cohort.choice.values.tolist()
    (['BB1'], [[0, 1]])
    """
    file = Path(path)
    structs = _structs(file)
    tables, removed, counted = [], [], dict[str, int]()
    for number, struct in enumerate(structs):
        where = f"{file}, session {number}"
        name = _animal(struct["animal_ids"], where)
        counted[name] = counted.get(name, -1) + 1
        table = _trials(struct, where)
        tables.append(table.assign(subject=name, session=f"{name}/{counted[name]}"))
        removed.append({ours: _count(struct, theirs) for ours, theirs in REMOVED.items()})
    return _cohort(pd.concat(tables, ignore_index=True), pd.DataFrame(removed), file)


def holds_trepka(path: str | os.PathLike[str]) -> bool:
    """Say whether a MATLAB file holds the sessions of Bari's mice.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    bool

    Raises
    ------
    InputError
        The file is damaged.

    Examples
    --------
    >>> holds_trepka(__file__)
    False
    """
    return bool({"animal_ids", "rewardprob"} & set(fields_of_matlab(path).get(CELL, ())))


def _structs(file: Path) -> list[np.void]:
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    if file.read_bytes()[: len(MATLAB_5)] != MATLAB_5:
        raise InputError(f"{file}: not a MATLAB 5 file")
    try:
        check_matlab5(file)
        content = loadmat(file)
    except Exception as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{file}: cannot be read, the file is damaged or truncated ({detail})"
        ) from None
    if CELL not in content:
        there = ", ".join(name for name in content if not name.startswith("__"))
        raise InputError(f"{file}: field {CELL!r} is missing; there are: {there or 'none'}")
    cells = np.ravel(content[CELL])
    if not len(cells):
        raise InputError(f"{file}: field {CELL!r} holds no sessions")
    return [_struct(cell, f"{file}, session {number}") for number, cell in enumerate(cells)]


def _struct(cell: object, where: str) -> np.void:
    if not isinstance(cell, np.ndarray) or cell.dtype.names is None or cell.size != 1:
        raise InputError(f"{where}: field {CELL!r} does not hold a struct")
    missing = [name for name in FIELDS if name not in cell.dtype.names]
    if missing:
        raise InputError(f"{where}: field {missing[0]!r} is missing")
    struct: np.void = cell.ravel()[0]
    return struct


def _animal(stored: np.ndarray, where: str) -> str:
    if stored.dtype.kind != "U" or stored.size != 1 or not str(stored.ravel()[0]).strip():
        raise InputError(
            f"{where}: field 'animal_ids' holds no characters, expected a name; where it is a "
            "MATLAB string object, as with the monkeys, save char(animal_ids)"
        )
    return str(stored.ravel()[0]).strip()


def _trials(struct: np.void, where: str) -> pd.DataFrame:
    reward, choice, better = (_codes(struct, name, where) for name in CODES)
    odds = np.asarray(struct["rewardprob"])
    if odds.dtype.kind not in "biuf" or odds.shape != (len(choice), 2):
        raise InputError(
            f"{where}: field 'rewardprob' has shape {odds.shape}, expected ({len(choice)}, 2)"
        )
    for name, values in (("r", reward), ("hr_side", better)):
        if len(values) != len(choice):
            raise InputError(
                f"{where}: field {name!r} has {len(values)} values, 'c' has {len(choice)}"
            )
    wrong = (odds[:, 1] - odds[:, 0]) * better < 0
    if wrong.any():
        trial = int(wrong.argmax())
        raise InputError(
            f"{where}, trial {trial}: field 'hr_side' is {better[trial]}, but 'rewardprob' is "
            f"{odds[trial, 0]:g} left, {odds[trial, 1]:g} right; are its columns swapped?"
        )
    correct = np.where(odds[:, 0] == odds[:, 1], -1, choice == better)
    return pd.DataFrame({
        "choice": (choice + 1) // 2, "reward": reward, "correct": correct,
        "p_reward_0": odds[:, 0], "p_reward_1": odds[:, 1],
    })  # fmt: skip


def _codes(struct: np.void, name: str, where: str) -> np.ndarray:
    values = np.ravel(struct[name])
    if values.dtype.kind not in "biuf" or not len(values):
        raise InputError(f"{where}: field {name!r} holds no numbers")
    wrong = ~np.isin(values, CODES[name])
    if wrong.any():
        trial = int(wrong.argmax())
        raise InputError(
            f"{where}, trial {trial}: field {name!r} is {values[trial]:g}, expected "
            f"{CODES[name][0]} or {CODES[name][1]}" + (SWAPPED if name in "rc" else "")
        )
    return values.astype(int)


def _count(struct: np.void, name: str) -> int:
    there = name in (struct.dtype.names or ()) and np.size(struct[name]) == 1
    return int(np.ravel(struct[name])[0]) if there else -1


def _cohort(frame: pd.DataFrame, removed: pd.DataFrame, file: Path) -> xr.Dataset:
    attrs = {
        "task_config": json.dumps({"baited": True}),
        "created_by": f"neuro_metarl read_trepka from {file.name}",
        "licence": "MIT (as distributed with DartmouthCCNL/trepka_etal_natcomm_2021)",
        "references": "doi:10.1016/j.neuron.2019.06.001; doi:10.1038/s41467-021-26784-w",
    }
    cohort = animal_cohort(frame, file, task="bandit-baited", species="mouse", attrs=attrs)
    labels: dict[str, Any] = {n: ("session", removed[n].to_numpy("int64")) for n in REMOVED}
    return cohort.assign_coords(labels)


READER = Reader(
    "trepka",
    "Bari's mice on a baited bandit: MATLAB 5 with the cell array all_stats.",
    holds_trepka,
    read_trepka,
    (".mat",),
    "refused",
)
