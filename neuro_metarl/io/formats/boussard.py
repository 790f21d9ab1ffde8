"""The Excel sheet of Boussard's guppies: ten serial reversals of two colors.

What bites, and is handled here: there is no column of choices (a choice is known from success and
the color that was rewarded); an empty cell is a trial without a choice; ``fishID`` is not unique,
``tankID`` is; some dates carry a wrong year; the color of one fish in one phase is wrong.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.io.frames import animal_cohort
from neuro_metarl.io.readers import Reader

__all__ = ["holds_boussard", "read_boussard"]

COLUMNS = ("tankID", "replicate", "brainsize", "colour", "reversal", "trial", "success")
COLORS = {"red": 0, "yellow": 1}
WHOLE = ("tankID", "replicate", "brainsize", "reversal", "trial")
PER_FISH = {"replicate": "replicate", "brain_size": "brainsize"}
SESSIONS = ("phase", "day")
TRIALS_PER_DAY = 6
NO_RESPONSE = 3


def read_boussard(path: str | os.PathLike[str], *, session: str = "phase") -> xr.Dataset:
    """Read the guppies' serial reversal learning from ``SRL(all_data).xlsx``.

    Parameters
    ----------
    path
        Sheet with one row per trial: tankID (the fish), replicate, brainsize (0, 1: line selected
        for a small or a large brain), colour (red, yellow: the one rewarded in this phase),
        reversal (0 = first learning, then 1, 2, ...), trial (from 1 in each phase) and success
        (0, 1, empty = no choice). Needs ``neuro_metarl[tables]``.
    session
        What is a session, which lags do not cross: ``"phase"`` (the 30 trials between two
        reversals, given on five days) or ``"day"`` (six trials).

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial, option. ``choice`` and ``option`` are colors: 0 red, 1 yellow;
        ``reward`` and ``correct`` are success; ``p_reward`` is 1 for the rewarded color and 0 for
        the other; ``problem`` is the number of the reversal. The rewarded color alternates from
        phase to phase; where a phase has another color than the rest of that fish's phases imply,
        the rest counts. Coordinates ``replicate(session)`` and ``brain_size(session)``.

    Raises
    ------
    InputError
        The file is missing or no such sheet, a column is missing, or a value is not of the layout;
        the message names the file, the row (the header is row 1) and the column.

    References
    ----------
    Boussard, Buechel, Amcoff, Kotrschal & Kolm 2020, doi:10.1242/jeb.224741.

    Examples
    --------
    >>> import tempfile
    >>> rows = pd.DataFrame({
    ...     "tankID": 7, "replicate": 1, "brainsize": 0, "colour": ["red", "red", "yellow"],
    ...     "reversal": [0, 0, 1], "trial": [1, 2, 1], "success": [1, None, 0]})
    >>> file = Path(tempfile.mkdtemp(), "fish.xlsx")
    >>> rows.to_excel(file, index=False)
    >>> cohort = read_boussard(file)
    >>> cohort.choice.values.tolist()
    [[0, -1], [0, -1]]
    >>> cohort.invalid_reason.values.tolist()
    [[0, 3], [0, 1]]
    """
    file = Path(path)
    if session not in SESSIONS:
        raise InputError(f"session={session!r}: expected one of {', '.join(SESSIONS)}")
    raw = _read(file)
    raw = raw.sort_values(["tankID", "reversal", "trial"], kind="stable")
    rewarded = _rewarded_color(raw, file)
    made = raw["success"].notna()
    chosen = np.where(raw["success"] == 1, rewarded, 1 - rewarded)
    frame = pd.DataFrame({
        "subject": raw["tankID"].astype(str), "session": _sessions(raw, session),
        "trial": raw["trial"], "choice": np.where(made, chosen, -1), "reward": raw["success"],
        "correct": raw["success"].fillna(-1).astype(int), "problem": raw["reversal"],
        "valid": made.astype(int), "invalid_reason": np.where(made, 0, NO_RESPONSE),
        "p_reward_0": 1.0 - rewarded, "p_reward_1": rewarded.astype(float),
    })  # fmt: skip
    return _cohort(frame, raw, file)


def holds_boussard(path: str | os.PathLike[str]) -> bool:
    """Say whether the first sheet of an Excel file has the guppies' columns.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    bool
        False too where Excel files cannot be read here.

    Examples
    --------
    >>> holds_boussard(__file__)
    False
    """
    try:
        return set(COLUMNS) <= set(pd.read_excel(path, nrows=0).columns)
    except Exception:
        return False


def _read(file: Path) -> pd.DataFrame:
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    try:
        raw = pd.read_excel(file, dtype=object)
    except ImportError:
        raise InputError(
            f'{file}: reading .xlsx needs an extra: pip install "neuro_metarl[tables]"'
        ) from None
    except Exception as error:
        raise InputError(
            f"{file}: cannot be read as .xlsx, it is damaged or "
            f"another kind of file under this name ({type(error).__name__})"
        ) from None
    missing = [name for name in COLUMNS if name not in raw]
    if missing:
        raise InputError(
            f"{file}: column {missing[0]!r} is missing; there are: {', '.join(map(str, raw))}"
        )
    if raw.empty:
        raise InputError(f"{file}: holds no trials")
    numbers = {name: _numbers(raw[name], name, file) for name in (*WHOLE, "success")}
    wrong = ~raw["colour"].isin(list(COLORS))
    _refuse(raw["colour"], wrong, f"one of {', '.join(COLORS)}", file)
    return pd.DataFrame({**numbers, "colour": raw["colour"].map(COLORS).astype(int)})


def _numbers(column: pd.Series, name: str, file: Path) -> pd.Series:
    """Numbers of a column; only success may be empty."""
    values = pd.to_numeric(column, errors="coerce")
    if name == "success":
        _refuse(column, ~(values.isin((0, 1)) | column.isna()), "0, 1 or an empty cell", file)
        return values.astype(float)
    _refuse(column, ~(values >= 0) | (values % 1 != 0), "a whole number", file)
    return values.astype(int)


def _refuse(column: pd.Series, wrong: pd.Series, expected: str, file: Path) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise InputError(
            f"{file}, row {row + 2}, column {str(column.name)!r}: got {column.iloc[row]!r}, "
            f"expected {expected}"
        )


def _rewarded_color(raw: pd.DataFrame, file: Path) -> np.ndarray:
    """Alternate the color that was rewarded first, which most of a fish's phases agree on."""
    phases = raw.drop_duplicates(["tankID", "reversal"])
    implied = phases["colour"] ^ (phases["reversal"] % 2)
    share = implied.groupby(phases["tankID"]).mean()
    if (share == 0.5).any():
        raise InputError(
            f"{file}, column 'colour': the colors of fish {share.index[share == 0.5][0]} do not "
            "alternate from one reversal to the next"
        )
    first = (raw["tankID"].map(share) > 0.5).astype(int)
    return (first ^ (raw["reversal"] % 2)).to_numpy()


def _sessions(raw: pd.DataFrame, session: str) -> pd.Series:
    name = raw["tankID"].astype(str) + "/" + raw["reversal"].astype(str)
    if session == "phase":
        return name
    return name + "/" + ((raw["trial"] - 1) // TRIALS_PER_DAY).astype(str)


def _cohort(frame: pd.DataFrame, raw: pd.DataFrame, file: Path) -> xr.Dataset:
    attrs = {
        "created_by": f"neuro_metarl read_boussard from {file.name}",
        "licence": "CC0 (Dryad 10.5061/dryad.5mkkwh72s)",
        "references": "doi:10.1242/jeb.224741",
    }
    cohort = animal_cohort(frame, file, task="reversal", species="guppy", attrs=attrs)
    fish = raw.drop_duplicates("tankID").set_index("tankID")
    tanks = cohort["subject"].values.astype(int)
    labels: dict[str, Any] = {
        ours: ("session", fish.loc[tanks, theirs].to_numpy("int64"))
        for ours, theirs in PER_FISH.items()
    }
    return cohort.assign_coords(labels)


READER = Reader(
    "boussard",
    "Boussard's guppies on reversals: an .xlsx with tankID, reversal and success.",
    holds_boussard,
    read_boussard,
    (".xlsx",),
)
