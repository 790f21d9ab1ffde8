"""The CSV table of Beron's mice on a two-armed bandit.

What bites, and is handled here: numbers are written as decimals; 1 is left in ``Decision`` and
``Target``; a session's trials do not begin with 0, and their numbers may have gaps; the odds stand
in a text such as ``80-20``, the better arm's first.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.io.frames import animal_cohort
from neuro_metarl.io.readers import Reader

__all__ = ["holds_beron", "read_beron"]

BINARY = ("Decision", "Reward", "Target")
COLUMNS = ("Mouse", "Session", "Trial", *BINARY, "Condition")
ODDS = r"(\d+)-(\d+)"


def read_beron(path: str | os.PathLike[str]) -> xr.Dataset:
    r"""Read the mice on the two-armed bandit from ``bandit_data.csv``.

    Parameters
    ----------
    path
        CSV with the columns Mouse, Session, Trial, Decision (1 left, 0 right), Reward (0, 1),
        Target (the better arm, coded as Decision) and Condition (the odds in percent, the better
        arm's first, as in ``80-20``); others are ignored.

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial, option. ``choice`` 0 left, 1 right; ``correct`` 1 where the
        better arm was chosen; ``p_reward`` (option: left, right). A gap in ``Trial`` becomes
        invalid trials that the source dropped.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, or a value is not of the layout; the message
        names the file, the row (the header is row 1) and the column.

    References
    ----------
    Beron, Neufeld, Linderman & Sabatini 2022, doi:10.1073/pnas.2113961119; data
    doi:10.7910/DVN/7E0NM5.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "mice.csv")
    >>> _ = file.write_text("Trial,Decision,Reward,Condition,Target,Session,Mouse\n"
    ...                     "11.0,1.0,1.0,80-20,1.0,m1_7,m1\n12.0,0.0,0.0,80-20,1.0,m1_7,m1\n")
    >>> cohort = read_beron(file)
    >>> cohort.choice.values.tolist(), cohort.correct.values.tolist()
    ([[0, 1]], [[1, 0]])
    """
    file = Path(path)
    raw = _read(file)
    for name in BINARY:
        numbers = pd.to_numeric(raw[name], errors="coerce")
        _refuse(raw[name], ~numbers.isin((0, 1)), "0 or 1", file)
        raw[name] = numbers.astype(float)
    odds = raw["Condition"].astype(str).str.fullmatch(ODDS)
    _refuse(raw["Condition"], ~odds, "odds such as 80-20", file)
    for name in ("Mouse", "Session"):
        _refuse(raw[name], raw[name].isna(), "a name", file)
    percent = raw["Condition"].str.extract(ODDS).astype(float).to_numpy() / 100
    left_is_better = raw["Target"].to_numpy() == 1
    frame = pd.DataFrame({
        "subject": raw["Mouse"], "session": raw["Session"], "trial": raw["Trial"],
        "choice": 1 - raw["Decision"].astype(int), "reward": raw["Reward"],
        "correct": (raw["Decision"] == raw["Target"]).astype(int),
        "p_reward_0": np.where(left_is_better, percent[:, 0], percent[:, 1]),
        "p_reward_1": np.where(left_is_better, percent[:, 1], percent[:, 0]),
    })  # fmt: skip
    attrs = {
        "created_by": f"neuro_metarl read_beron from {file.name}",
        "licence": "CC0 (Harvard Dataverse 10.7910/DVN/7E0NM5)",
        "references": "doi:10.1073/pnas.2113961119; doi:10.7910/DVN/7E0NM5",
    }
    return animal_cohort(frame, file, task="bandit", species="mouse", attrs=attrs)


def holds_beron(path: str | os.PathLike[str]) -> bool:
    """Say whether the first line of a file names the columns of Beron's mice.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    bool

    Examples
    --------
    >>> holds_beron(__file__)
    False
    """
    try:
        with Path(path).open(encoding="utf-8-sig") as handle:
            return set(COLUMNS) <= set(handle.readline().strip().split(","))
    except (OSError, UnicodeDecodeError):
        return False


def _read(file: Path) -> pd.DataFrame:
    text = {"Mouse": str, "Session": str, "Condition": str}
    try:
        raw = pd.read_csv(file, dtype=text)
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as a table ({error})") from None
    missing = [name for name in COLUMNS if name not in raw]
    if missing:
        raise InputError(
            f"{file}: column {missing[0]!r} is missing; there are: {', '.join(map(str, raw))}"
        )
    if raw.empty:
        raise InputError(f"{file}: holds no trials")
    return raw


def _refuse(column: pd.Series, wrong: pd.Series, expected: str, file: Path) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise InputError(
            f"{file}, row {row + 2}, column {str(column.name)!r}: got {column.iloc[row]!s}, "
            f"expected {expected}"
        )


READER = Reader(
    "beron",
    "Beron's mice on a bandit: a .csv with the columns Mouse, Decision and Target.",
    holds_beron,
    read_beron,
    (".csv",),
)
