"""Columns of numbers: rewards, odds, times, and numbers of trials, stimuli and problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from neuro_metarl.door.codes import (
    TRUTH,
    one_each,
    our_number,
    refuse_missing,
)
from neuro_metarl.door.table import Column, Source, as_text
from neuro_metarl.door.texts import MANY, in_order, is_missing

__all__ = ["decode_numbers", "number_codes"]

SHOWN = 4
# numbers that tables often hold where nothing was measured
SENTINELS = (-9, -99, -999, -9999, 99, 999, 9999, -77, -88, 77, 88)
FAR = 9


def number_codes(name: str, declared: Mapping[Any, float], source: Source) -> dict[str, float]:
    """Take the declared codes of a column of numbers.

    Parameters
    ----------
    name
        Our name of the column.
    declared
        Their code to our number.
    source
        Where messages point.

    Returns
    -------
    dict
        Text in lower case to number.

    Raises
    ------
    InputError
        One code twice, or what is no number.

    Examples
    --------
    >>> number_codes("reward", {"Hit": 1, 2.0: 0}, Source("", np.arange(1)))
    {'hit': 1.0, '2': 0.0}
    """
    return {k: our_number(name, k, v, source) for k, v in one_each(name, declared, source).items()}


def decode_numbers(
    name: str,
    column: Column,
    declared: Mapping[str, float],
    counts: np.ndarray,
    source: Source,
) -> np.ndarray:
    """Turn a column of numbers into numbers.

    Parameters
    ----------
    name
        Our name: reward, trial, stimulus, problem, ``p_reward_<k>``, ``t_<event>`` and the like.
    column
        Dims (row).
    declared
        Text in lower case to number.
    counts
        bool, dims (row): the trial counts.
    source
        Where messages point.

    Returns
    -------
    numpy.ndarray
        float, dims (row), NaN where nothing is said.

    Raises
    ------
    InputError
        Text, a decimal comma, a fraction where a whole number belongs, a probability beyond 0 to 1,
        no reward where a trial counts.

    Examples
    --------
    >>> column = Column.of(["0.5", "True", ""])
    >>> decode_numbers("reward", column, {}, np.array([1, 1, 0]) == 1, Source("", np.arange(3)))
    array([0.5, 1. , nan])
    """
    codes = dict(declared) or (TRUTH if name == "reward" else {})
    levels = _level_numbers(column, codes)
    if declared:
        _refuse_undeclared(name, column, declared, counts, source)
    numbers = column.per_row(levels)
    missing = np.isnan(levels)
    if missing.any():
        silent = np.array([
            bool(m) and is_missing(t) for m, t in zip(missing, _texts_where(column, missing),
                                                     strict=True)
        ])  # fmt: skip
        bad = column.per_row(missing & ~silent)
        if bad.any():
            _refuse_text(name, column, bad, codes, source)
        if name in ("reward", "trial"):
            bad = column.per_row(silent) & (counts | (name == "trial"))
            refuse_missing(name, bad, source, column.text())
    _check_range(name, column, numbers, counts, source)
    if name == "reward" and not declared:
        _refuse_sentinels(column, numbers, counts, source)
    return numbers


def _refuse_sentinels(
    column: Column, numbers: np.ndarray, counts: np.ndarray, source: Source
) -> None:
    """Refuse a reward such as -9 or 99 beside far smaller ones: it marks what was not measured."""
    found = np.unique(numbers[counts])
    odd = found[np.isin(found, SENTINELS)]
    rest = found[~np.isin(found, odd)]
    if not len(odd) or not len(rest) or np.abs(rest).max() * FAR > np.abs(odd).min():
        return
    bad = counts & np.isin(numbers, odd)
    row = int(bad.argmax())
    many = f" ({int(bad.sum())} such {source.word}s)" if bad.sum() > 1 else ""
    every = sorted(
        {column.texts[k] for k in np.unique(column.level[counts]).tolist()}, key=in_order
    )
    codes = f": {source.codes('reward', {t: t for t in every})}" if len(every) <= MANY else ""
    source.refuse(
        f"{column.texts[column.level[row]]}{many} beside rewards up to {np.abs(rest).max():g}; if "
        "it marks trials that did not count, say so in a column 'valid' (0), or declare their "
        f"choice as -1; if it is a reward, declare every reward{codes}",
        row=row,
        column="reward",
    )


def _as_number(text: str) -> float | None:
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def _refuse_undeclared(
    name: str, column: Column, declared: Mapping[str, float], counts: np.ndarray, source: Source
) -> None:
    """Where numbers are declared, every number that counts is; words leave numbers as they are."""
    told = {_as_number(k) for k in declared}
    if None in told:
        return
    other = [
        t.lower() not in declared and (n := _as_number(t)) is not None and n not in told
        for t in column.texts
    ]
    bad = column.per_row(np.array(other)) & counts
    if bad.any():
        row = int(bad.argmax())
        found = sorted(
            {column.texts[k] for k in np.unique(column.level[bad]).tolist()}, key=in_order
        )
        source.refuse(
            f"{', '.join(found[:MANY])} not among the declared codes {', '.join(declared)}; "
            "declare every value, or none",
            row=row,
            column=name,
        )


def _level_numbers(column: Column, codes: Mapping[str, float]) -> np.ndarray:
    """Give each level its number, NaN where it is none."""
    levels = np.empty(len(column.levels), dtype=object)
    levels[:] = column.levels
    if codes or any(isinstance(v, bytes) for v in column.levels):
        by_value = {_as_number(k): v for k, v in codes.items()}
        by_value.pop(None, None)
        levels = np.array(
            [codes.get(t.lower(), by_value.get(_as_number(t), t)) for t in column.texts],
            dtype=object,
        )
    numbers = pd.to_numeric(pd.Series(levels, dtype=object), errors="coerce")
    return numbers.to_numpy(dtype=float, na_value=np.nan)


def _texts_where(column: Column, wanted: np.ndarray) -> list[str]:
    return [as_text(v) if w else "" for v, w in zip(column.levels, wanted, strict=True)]


def _refuse_text(
    name: str, column: Column, bad: np.ndarray, codes: Mapping[str, float], source: Source
) -> None:
    row = int(bad.argmax())
    text = column.texts[column.level[row]]
    found = sorted({column.texts[k] for k in np.unique(column.level[bad]).tolist()}, key=in_order)
    hint = "; a column t_<event> holds times in s" if name.startswith("t_") else ""
    if name == "reward" and len(found) <= MANY:
        every = sorted({t for t in column.texts if t.lower() not in ("", "nan")}, key=in_order)
        found = [t for t in every if _as_number(t) is None and t.lower() not in codes]
        whole = {t: codes.get(t.lower(), "?") if t in found or t.lower() in codes else t
                 for t in every}  # fmt: skip
        declared_so = source.codes("reward", whole)
        hint = f"; declare what was delivered: {declared_so} with a number for each ?"
    if not text.isascii() and any(c.isdigit() for c in text):
        hint = "; write numbers with the digits 0 to 9"
    elif text.replace(",", "", 1).lstrip("-").isdecimal():
        hint = "; write decimals with a point"
        if len(text.partition(",")[2]) == 3:
            hint = (
                "; if the comma separates thousands leave it out, if it is a decimal comma write a "
                "point"
            )
    rest = [repr(t) for t in found if t != text]
    more = ", ..." if len(rest) > SHOWN else ""
    others = f" (nor are {', '.join(rest[:SHOWN])}{more})" if rest else ""
    source.refuse(f"{text!r} is not a number{others}{hint}", row=row, column=name)


def _check_range(
    name: str, column: Column, numbers: np.ndarray, counts: np.ndarray, source: Source
) -> None:
    bad, right = np.zeros(len(numbers), bool), ""
    if name == "reward":
        bad, right = counts & np.isinf(numbers), "a finite number"
    elif name.startswith("p_reward_"):
        bad, right = (numbers < 0) | (numbers > 1), "a probability from 0 to 1"
    elif name in ("trial", "stimulus", "problem"):
        bad, right = (numbers != np.round(numbers)) & ~np.isnan(numbers), "a whole number"
        bad |= np.isinf(numbers)
    elif name.startswith(("t_", "expected_reward_")):
        bad, right = np.isinf(numbers), "a finite number"
    if bad.any():
        row = int(bad.argmax())
        text = column.texts[column.level[row]]
        source.refuse(f"{text!r}, expected {right}", row=row, column=name)
