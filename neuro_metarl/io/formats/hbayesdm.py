"""Tables in the layout of hBayesDM's examples: human two-step and probabilistic reversal.

References
----------
Ahn, Haines & Zhang 2017, doi:10.1162/CPSY_a_00002.
"""

from __future__ import annotations

import json
import os
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.door.rows import cohort_of_table
from neuro_metarl.door.table import Column, Source, Table
from neuro_metarl.door.texts import is_missing
from neuro_metarl.door.transitions import rarely_common
from neuro_metarl.errors import InputError
from neuro_metarl.io.readers import Reader

__all__ = ["read_hbayesdm"]

TWO_STEP = ("subjID", "level1_choice", "level2_choice", "reward")
REVERSAL = ("subjID", "choice", "outcome")
UNKNOWN = -99
START = b"subjID\t"
ODDS = ("A1prob", "A2prob", "B1prob", "B2prob")


def read_hbayesdm(path: str | os.PathLike[str], *, p_common: float = 0.7) -> xr.Dataset:
    r"""Read a tab-separated table in hBayesDM's layout.

    Parameters
    ----------
    path
        Two-step: columns subjID, level1_choice (1, 2), level2_choice (1 and 2 in the state
        that is common after 1, 3 and 4 in the other; or 1 and 2 within each state where a column
        state says 1 or 2), reward (0, 1), and where they are there trial and A1prob, A2prob,
        B1prob, B2prob. Probabilistic reversal: subjID, choice (1, 2), outcome (-1 or 0, 1). A row
        without a choice or an outcome is a missed trial.
    p_common
        Probability of the common transition, which the table does not say.

    Returns
    -------
    xarray.Dataset
        A cohort with one session per subject, or one per ``block`` (or ``session``) where there is
        such a column; a gap in ``trial`` is a trial that was dropped.
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
        raw = pd.read_csv(file, sep="\t", dtype=str, na_filter=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as a table ({error})") from None
    columns = {str(n): Column.of(raw[n]) for n in raw.columns}
    table = Table(columns, Source(str(file), np.arange(2, len(raw) + 2)))
    if set(TWO_STEP) <= set(raw.columns):
        return _two_step(table, p_common)
    if set(REVERSAL) <= set(raw.columns):
        return _reversal(table)
    raise InputError(
        f"{file}: columns {', '.join(map(str, raw.columns))}; expected {', '.join(TWO_STEP)} "
        f"(two-step) or {', '.join(REVERSAL)} (reversal)"
    )


def _two_step(table: Table, p_common: float) -> xr.Dataset:
    choice, second = (_codes(table, n) for n in ("level1_choice", "level2_choice"))
    reward = _codes(table, "reward", (0, 1))
    made = (choice > 0) & (second > 0) & (reward >= 0)
    state, choice2 = _second_step(table, second, made)
    common = np.where(state == choice - 1, 1, 0)
    subject = table.columns["subjID"].text()
    for name, share in rarely_common(common[made] == 1, subject[made]):
        table.source.refuse(
            f"on {1 - share:.0%} of the trials of subject {name!r} choice 1 led to the second "
            "state (level2_choice 3 and 4) or choice 2 to the first; in this layout the common "
            "transition is from 1 to the first and from 2 to the second; exchange 1 and 2 in "
            "level1_choice, or 1, 2 and 3, 4 in level2_choice",
            column="level2_choice" if "state" not in table.columns else "state",
        )
    values = {
        "choice": choice - 1, "state": state, "common": np.where(made, common, -1),
        "choice2": choice2, "reward": np.where(made, reward, np.nan),
    }  # fmt: skip
    odds = (
        {f"p_reward_{k}": n for k, n in enumerate(ODDS)} if set(ODDS) <= set(table.columns) else {}
    )
    config = json.dumps({"p_common": p_common})
    return _cohort(table, values, made, odds, "two-step-human", {"task_config": config})


def _second_step(
    table: Table, second: np.ndarray, made: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """State and choice of the second step, 0 and 1 each; -1 where it was missed."""
    within = (second - 1) % 2
    if "state" in table.columns:
        told = _codes(table, "state")
        wrong = made & ((told < 1) | ((second > 2) & ((second - 1) // 2 != told - 1)))
        if wrong.any():
            table.source.refuse(
                f"state {told[wrong][0]} and level2_choice {second[wrong][0]} contradict each "
                "other; expected 1 or 2 within a state, or 3 and 4 in state 2",
                row=int(wrong.argmax()),
                column="level2_choice",
            )
        return np.where(made, told - 1, -1), np.where(made, within, -1)
    if made.any() and second[made].max() <= 2:
        table.source.refuse(
            "never 3 or 4, so that every trial would be in the first state; if the choices are "
            "coded 1 and 2 within each state, add the column 'state' (1, 2), or code those of the "
            "second state 3 and 4",
            column="level2_choice",
        )
    return np.where(made, (second - 1) // 2, -1), np.where(made, within, -1)


def _reversal(table: Table) -> xr.Dataset:
    choice, outcome = _codes(table, "choice"), _codes(table, "outcome", (-1, 0, 1), missing=-9)
    made = (choice > 0) & (outcome > -9)
    found = set(outcome[made].tolist())
    if found >= {-1, 0}:
        held = ", ".join(map(str, sorted(found)))
        table.source.refuse(
            f"holds {held}; expected two outcomes, -1 and 1 or 0 and 1", column="outcome"
        )
    values = {"choice": choice - 1, "reward": np.where(made, (outcome > 0).astype(float), np.nan)}
    return _cohort(table, values, made, {}, "reversal", {})


def _cohort(
    table: Table,
    values: Mapping[str, np.ndarray],
    made: np.ndarray,
    odds: Mapping[str, str],
    task: str,
    attrs: dict[str, str],
) -> xr.Dataset:
    columns = {name: Column.of(array) for name, array in values.items()}
    columns |= {"subject": table.columns["subjID"], "valid": Column.of(made.astype(int))}
    columns |= {ours: table.columns[theirs] for ours, theirs in odds.items()}
    for name, theirs in (("trial", "trial"), ("session", "block"), ("session", "session")):
        if theirs in table.columns:
            columns[name] = table.columns[theirs]
    attrs = attrs | {
        "created_by": f"neuro_metarl read_hbayesdm from {Path(table.source.where).name}"
    }
    ours = Table(columns, replace(table.source, names={"subject": "subjID"}))
    cohort = cohort_of_table(ours, task=task, source="animal", kind="published", attrs=attrs)
    return cohort.assign_coords(species=("session", np.full(cohort.sizes["session"], "human")))


def _codes(
    table: Table, name: str, allowed: tuple[int, ...] | None = None, missing: int = -1
) -> np.ndarray:
    """Whole numbers of a column, ``missing`` where a cell is empty."""
    column = table.columns[name]
    codes = allowed or ((1, 2, 3, 4) if name == "level2_choice" else (1, 2))
    known = {str(k): k for k in codes}
    values = [missing if is_missing(t) else known.get(t, UNKNOWN) for t in column.texts]
    numbers = column.per_row(np.array(values))
    wrong = numbers == UNKNOWN
    if wrong.any():
        row = int(wrong.argmax())
        table.source.refuse(
            f"got {column.texts[column.level[row]]!r}, expected one of {', '.join(known)}",
            row=row,
            column=name,
        )
    return np.asarray(numbers)


def _begins_with_subject(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        start = handle.read(len(BOM_UTF8) + len(START))
    return start.removeprefix(BOM_UTF8).startswith(START)


READER = Reader(
    "hbayesdm",
    "hBayesDM's layout of people on the two-step or the reversal task: a .txt whose first column "
    "is subjID.",
    _begins_with_subject,
    read_hbayesdm,
    (".txt",),
)
