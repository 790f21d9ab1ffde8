"""The JSON file of Miller's rats on a two-armed bandit whose odds drift.

The file is a list of rats, each with one value per trial in every field, over all its sessions.
What bites, and is handled here: a violation is the letter ``v`` among the sides; instructed trials
are known from ``trial_types`` alone; sessions follow each other without a gap.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.io.frames import animal_cohort
from neuro_metarl.io.readers import Reader

__all__ = ["holds_tab", "read_tab"]

SIDES = "lrv"
TYPES = "flr"
NUMBERS = {
    "rewards": "0 or 1", "new_sess": "0 or 1", "left_prob1": "a probability from 0 to 1",
    "right_prob1": "a probability from 0 to 1",
}  # fmt: skip
FIELDS = ("ratname", "sides", "trial_types", *NUMBERS)
VIOLATED, VIOLATION = SIDES.index("v"), 2


def read_tab(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the rats on the drifting two-armed bandit from ``tab_dataset.json``.

    Parameters
    ----------
    path
        JSON: a list with one object per rat: ``ratname``, ``sides`` (l, r, or v for a violation),
        ``rewards`` (0, 1), ``trial_types`` (f free, l and r instructed), ``new_sess`` (1 on the
        first trial of a session), ``left_prob1`` and ``right_prob1``. Letters are one string or a
        list.

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial, option. ``choice`` 0 left, 1 right; violations are kept as
        invalid rows (reason: violation); ``forced`` 1 on instructed trials; ``p_reward`` (option:
        left, right); ``correct`` 1 where the better arm was chosen, -1 where both are equal.

    Raises
    ------
    InputError
        The file is missing, no JSON, or a value is not of the layout; the message names the file,
        the rat, the field and the trial (from 0).

    References
    ----------
    Miller, Botvinick & Brody 2018, doi:10.1101/461129; data doi:10.6084/m9.figshare.20449356.

    Examples
    --------
    >>> import tempfile
    >>> rat = {"ratname": "r1", "sides": "lvr", "rewards": [1, 0, 0], "trial_types": "ffl",
    ...        "new_sess": [1, 0, 0], "left_prob1": [0.8] * 3, "right_prob1": [0.2] * 3}
    >>> file = Path(tempfile.mkdtemp(), "rats.json")
    >>> _ = file.write_text(json.dumps([rat]))
    >>> cohort = read_tab(file)
    >>> cohort.choice.values.tolist(), cohort.forced.values.tolist()
    ([[0, -1, 1]], [[0, 0, 1]])
    """
    file = Path(path)
    tables = [_rat(rat, number, file) for number, rat in enumerate(_load(file))]
    names = [table["subject"].iloc[0] for table in tables]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"{file}: rat {twice[0]!r} appears twice; expected one object per rat")
    frame = pd.concat(tables, ignore_index=True)
    attrs = {
        "created_by": f"neuro_metarl read_tab from {file.name}",
        "licence": "CC BY 4.0 (figshare 10.6084/m9.figshare.20449356)",
        "references": "doi:10.1101/461129; doi:10.6084/m9.figshare.20449356",
    }
    return animal_cohort(frame, file, task="bandit-drifting", species="rat", attrs=attrs)


def holds_tab(path: str | os.PathLike[str]) -> bool:
    """Say whether a file is JSON whose first object has the fields of these rats.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    bool
        True too where a field or two are missing.

    Examples
    --------
    >>> holds_tab(__file__)
    False
    """
    try:
        content = Path(path).read_bytes()
        if content.lstrip()[:1] != b"[" or b'"sides"' not in content:
            return False
        rats = json.loads(content)
    except (ValueError, OSError, RecursionError):
        return False
    first = rats[0] if rats else None
    return isinstance(first, dict) and len(set(FIELDS) & set(first)) >= len(FIELDS) - 2


def _load(file: Path) -> list[Any]:
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    try:
        rats = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{file}: cannot be read as JSON ({error})") from None
    if not isinstance(rats, list) or not rats:
        raise InputError(f"{file}: holds no list of rats")
    return rats


def _rat(rat: Any, number: int, file: Path) -> pd.DataFrame:
    where = f"{file}, rat {number}"
    missing = [name for name in FIELDS if not isinstance(rat, dict) or name not in rat]
    if missing:
        raise InputError(f"{where}: field {missing[0]!r} is missing")
    name = str(rat["ratname"])
    where = f"{file}, rat {name!r}"
    side = _letters(rat["sides"], SIDES, "sides", where)
    forced = _letters(rat["trial_types"], TYPES, "trial_types", where) > 0
    values = {field: _numbers(rat[field], field, where) for field in NUMBERS}
    for field, found in {"trial_types": forced, **values}.items():
        if len(found) != len(side):
            raise InputError(
                f"{where}: field {field!r} has {len(found)} values, 'sides' has {len(side)}"
            )
    return _table(name, side, forced, values)


def _table(
    name: str, side: np.ndarray, forced: np.ndarray, values: dict[str, np.ndarray]
) -> pd.DataFrame:
    valid = side < VIOLATED
    left, right = values["left_prob1"], values["right_prob1"]
    undefined = (left == right) | ~valid
    starts = np.append(1, values["new_sess"][1:]).cumsum().astype(int) - 1
    return pd.DataFrame({
        "subject": name, "session": [f"{name}/{k}" for k in starts],
        "choice": np.where(valid, side, -1), "reward": values["rewards"],
        "valid": valid.astype(int), "invalid_reason": np.where(valid, 0, VIOLATION),
        "forced": forced.astype(int),
        "correct": np.where(undefined, -1, side == (right > left)),
        "p_reward_0": left, "p_reward_1": right,
    })  # fmt: skip


def _letters(given: Any, allowed: str, field: str, where: str) -> np.ndarray:
    letters = list(given) if isinstance(given, (str, list)) else []
    if not letters:
        raise InputError(f"{where}: field {field!r} holds no letters")
    for trial, letter in enumerate(letters):
        if letter not in list(allowed):
            raise InputError(
                f"{where}, trial {trial}: field {field!r} is {letter!r}, expected one of "
                f"{', '.join(allowed)}"
            )
    return np.array([allowed.index(letter) for letter in letters])


def _numbers(given: Any, field: str, where: str) -> np.ndarray:
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        values = np.empty((0, 0))
    if values.ndim != 1:
        raise InputError(f"{where}: field {field!r} is not a list of numbers")
    right = (values >= 0) & (values <= 1)
    if not field.endswith("prob1"):
        right &= np.isin(values, (0, 1))
    if not right.all():
        trial = int((~right).argmax())
        raise InputError(
            f"{where}, trial {trial}: field {field!r} is {values[trial]:g}, expected "
            f"{NUMBERS[field]}"
        )
    return values


READER = Reader(
    "tab",
    "Miller's rats on a drifting bandit: JSON, a list of rats with sides and rewards.",
    holds_tab,
    read_tab,
    (".json",),
    "refused",
)
