"""Tables in the layout of hBayesDM's examples: human two-step and probabilistic reversal.

References
----------
Ahn, Haines & Zhang 2017, doi:10.1162/CPSY_a_00002.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.io.frames import animal_cohort

__all__ = ["read_hbayesdm"]

TWO_STEP = ("subjID", "level1_choice", "level2_choice", "reward")
REVERSAL = ("subjID", "choice", "outcome")
ODDS = ("A1prob", "A2prob", "B1prob", "B2prob")


def read_hbayesdm(path: str | os.PathLike[str], *, p_common: float = 0.7) -> xr.Dataset:
    r"""Read a tab-separated table in hBayesDM's layout.

    Parameters
    ----------
    path
        Two-step: columns subjID, level1_choice (1, 2), level2_choice (1 and 2 in the state
        that is common after 1, 3 and 4 in the other), reward (0, 1), and where they are there
        trial and A1prob, A2prob, B1prob, B2prob. Probabilistic reversal: subjID, choice (1,
        2), outcome (-1 or 0, 1).
    p_common
        Probability of the common transition, which the table does not say.

    Returns
    -------
    xarray.Dataset
        A cohort with one session per subject; a gap in ``trial`` is a trial that was dropped.
        Two-step: ``choice``, ``state``, ``common``, ``choice2``, ``reward`` and, where odds are
        there, ``p_reward`` (option = 2 state + choice2). Reversal: a reward of -1 becomes 0.

    Raises
    ------
    InputError
        A column is missing, or a value is not of the layout.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "ts.txt")
    >>> _ = path.write_text("subjID\tlevel1_choice\tlevel2_choice\treward\n1\t1\t4\t1\n")
    >>> cohort = read_hbayesdm(path)
    >>> [int(cohort[name].item()) for name in ("choice", "state", "common", "choice2")]
    [0, 1, 0, 1]
    """
    file = Path(path)
    try:
        raw = pd.read_csv(file, sep="\t", dtype={"subjID": str})
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as a table ({error})") from None
    if set(TWO_STEP) <= set(raw.columns):
        return _two_step(raw, file, p_common)
    if set(REVERSAL) <= set(raw.columns):
        return _reversal(raw, file)
    raise InputError(
        f"{file}: columns {', '.join(map(str, raw.columns))}; expected {', '.join(TWO_STEP)} "
        f"(two-step) or {', '.join(REVERSAL)} (reversal)"
    )


def _two_step(raw: pd.DataFrame, file: Path, p_common: float) -> xr.Dataset:
    _check(raw, "level1_choice", (1, 2), file)
    _check(raw, "level2_choice", (1, 2, 3, 4), file)
    _check(raw, "reward", (0, 1), file)
    choice, second = raw["level1_choice"].astype(int) - 1, raw["level2_choice"].astype(int) - 1
    state = second // 2
    frame = pd.DataFrame({
        "subject": raw["subjID"], "choice": choice, "state": state, "common": state == choice,
        "choice2": second % 2, "reward": raw["reward"],
    }).astype({"common": int})  # fmt: skip
    if set(ODDS) <= set(raw.columns):
        frame = frame.assign(**{f"p_reward_{k}": raw[name] for k, name in enumerate(ODDS)})
    config = json.dumps({"p_common": p_common})
    return _cohort(frame, raw, file, "two-step-human", {"task_config": config})


def _reversal(raw: pd.DataFrame, file: Path) -> xr.Dataset:
    _check(raw, "choice", (1, 2), file)
    _check(raw, "outcome", (-1, 0, 1), file)
    frame = pd.DataFrame({
        "subject": raw["subjID"], "choice": raw["choice"].astype(int) - 1,
        "reward": (raw["outcome"] > 0).astype(float),
    })  # fmt: skip
    return _cohort(frame, raw, file, "reversal", {})


def _cohort(
    frame: pd.DataFrame, raw: pd.DataFrame, file: Path, task: str, attrs: dict[str, str]
) -> xr.Dataset:
    if "trial" in raw:
        frame = frame.assign(trial=raw["trial"])
    attrs = attrs | {"created_by": f"neuro_metarl read_hbayesdm from {file.name}"}
    return animal_cohort(frame, file, task=task, species="human", attrs=attrs)


def _check(raw: pd.DataFrame, column: str, allowed: tuple[int, ...], file: Path) -> None:
    wrong = ~raw[column].isin(allowed)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise InputError(
            f"{file}, row {row + 2}, column {column!r}: got {raw[column].iloc[row]!r}, expected "
            f"one of {', '.join(map(str, allowed))}"
        )
