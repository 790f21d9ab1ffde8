"""What a raw value means: codes of choices, states and flags, numbers, and names.

A code is either known (0/1, left/right, true/false, rare/common) or declared. Anything else is
refused with all codes that were found, because one code alone invites a declaration that destroys
the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from neuro_metarl.door.table import Column, Source, as_text
from neuro_metarl.schema import INVALID_REASONS

__all__ = [
    "CODED",
    "MISSING",
    "NO_CHOICE",
    "decode",
    "decode_labels",
    "decode_numbers",
    "is_missing",
    "known_codes",
    "refuse_merged",
    "refuse_missing",
]

MISSING = frozenset({"", "na", "nan", "n/a", "<na>", "none", "null", "nat"})
FLAGS = {"0": 0, "1": 1, "false": 0, "true": 1, "no": 0, "yes": 1}
SIDES = {"0": 0, "1": 1, "l": 0, "r": 1, "left": 0, "right": 1, "false": 0, "true": 1}
CODED: dict[str, dict[str, int]] = {
    "choice": SIDES,
    "state": SIDES,
    "choice2": SIDES,
    "common": FLAGS | {"rare": 0, "uncommon": 0, "common": 1},
    "valid": FLAGS,
    "forced": FLAGS,
    "forced2": FLAGS,
    "correct": FLAGS | {"-1": -1},
    "invalid_reason": {
        **{str(code): code for code in INVALID_REASONS},
        **{name: code for code, name in INVALID_REASONS.items()},
    },
}
TRUTH = {"false": 0.0, "true": 1.0}
# what stands where nothing was said
NOTHING = {"valid": 0, "forced": 0, "forced2": 0, "invalid_reason": 0}
NO_CHOICE = -1
MAY_BE_EMPTY = ("correct", "invalid_reason", "forced2", "choice2")
TRANSITION = ("choice", "choice2", "state", "common")
MANY = 12


def is_missing(text: str) -> bool:
    """Say whether a text stands for nothing.

    Parameters
    ----------
    text
        From :func:`neuro_metarl.door.table.as_text`.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_missing("NaN"), is_missing("0")
    (True, False)
    """
    return text.lower() in MISSING


def known_codes(
    name: str, column: Column, declared: Mapping[Any, float] | None, source: Source, *, sides: bool
) -> dict[str, float]:
    """Say which codes a column may hold.

    Parameters
    ----------
    name
        Our name of the column.
    column
        The column.
    declared
        Their code to ours, or None.
    source
        Where messages point.
    sides
        Choices are two sides, as in the two-step task; otherwise arms numbered from 0.

    Returns
    -------
    dict
        Text in lower case to our number.

    Raises
    ------
    InputError
        A declared code that is no number of ours, or arms numbered from 1.

    Examples
    --------
    >>> column, source = Column.of([0, 2]), Source("t.csv", np.arange(2))
    >>> known_codes("choice", column, None, source, sides=False)["2"]
    2.0
    """
    if declared is not None:
        return {as_text(k).lower(): _ours(name, k, v, source) for k, v in declared.items()}
    known: dict[str, float] = {k: float(v) for k, v in CODED.get(name, TRUTH).items()}
    if name != "choice" or sides:
        return known
    found = {t for t in column.texts if not is_missing(t) and t.lower() not in known}
    numbers = {t: float(t) for t in found if t.isdigit()}
    zero = {"0", "l", "left", "false"} & {t.lower() for t in column.texts}
    if numbers and not zero and "1" in column.texts and len(numbers) == len(found):
        every = sorted({*numbers, "1"}, key=float)
        proposal = {t: int(float(t)) - 1 for t in every}
        source.refuse(
            f"the codes are {', '.join(every)}: the lowest code is '1', expected arms numbered "
            "from 0; if they are numbered from 1, declare them: "
            + source.codes("choice", proposal),
            column="choice",
        )
    if numbers and not zero and "1" not in column.texts:
        lowest = min(numbers, key=lambda t: numbers[t])
        source.refuse(
            f"the lowest code is {lowest!r}, expected arms numbered from 0; declare all of them: "
            + source.codes("choice", dict.fromkeys(sorted(numbers, key=float), "?")),
            column="choice",
        )
    return known | numbers


def decode(
    name: str, column: Column, known: Mapping[str, float], counts: np.ndarray, source: Source
) -> np.ndarray:
    """Turn codes into our numbers.

    Parameters
    ----------
    name
        Our name of the column.
    column
        Dims (row).
    known
        From :func:`known_codes`.
    counts
        bool, dims (row): the trial counts. Rows that do not may hold anything in choice, state and
        common, and an undeclared -1 elsewhere.
    source
        Where messages point.

    Returns
    -------
    numpy.ndarray
        int, dims (row); -1 (0 for flags) where nothing is said.

    Raises
    ------
    InputError
        Unknown codes, all of them named, or no value where a trial counts.

    Examples
    --------
    >>> column = Column.of(["left", "R", ""])
    >>> decode("choice", column, SIDES, np.array([True, True, False]), Source("", np.arange(3)))
    array([ 0,  1, -1])
    """
    texts = [t.lower() for t in column.texts]
    empty = np.array([t in MISSING and t not in known for t in texts])
    if name not in MAY_BE_EMPTY:
        refuse_missing(name, column.per_row(empty) & counts, source)
    unknown = np.array([t not in known for t in texts]) & ~empty
    if name in TRANSITION:
        bad = column.per_row(unknown) & counts
    else:
        minus = np.array([t == "-1" for t in texts])
        bad = column.per_row(unknown) & (counts | ~column.per_row(minus))
    if bad.any():
        _refuse_codes(name, column, known, bad, source)
    values = [known.get(t, NOTHING.get(name, NO_CHOICE)) for t in texts]
    return column.per_row(np.array(values, dtype=int))


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
            refuse_missing(name, column.per_row(silent) & (counts | (name == "trial")), source)
    _check_range(name, column, numbers, counts, source)
    return numbers


def decode_labels(name: str, column: Column, source: Source) -> np.ndarray:
    """Turn names of subjects and sessions into text; "NA" is a name.

    Parameters
    ----------
    name
        subject or session.
    column
        Dims (row).
    source
        Where messages point.

    Returns
    -------
    numpy.ndarray
        Text, dims (row).

    Raises
    ------
    InputError
        A row without a name.

    Examples
    --------
    >>> decode_labels("subject", Column.of([7, 7.0, "NA"]), Source("", np.arange(3))).tolist()
    ['7', '7', 'NA']
    """
    texts = column.texts
    empty = np.array([t in ("", "nan", "NaN", "NaT", "<NA>") for t in texts])
    bad = column.per_row(empty)
    if bad.any():
        source.refuse("no value", row=int(bad.argmax()), column=name)
    return column.per_row(np.array(texts, dtype=object))


def refuse_missing(name: str, bad: np.ndarray, source: Source) -> None:
    """Refuse rows that count and hold nothing.

    Parameters
    ----------
    name
        Our name of the column.
    bad
        bool, dims (row): nothing stands there, and the trial counts.
    source
        Where messages point.

    Raises
    ------
    InputError
        Where there are any.

    Examples
    --------
    >>> refuse_missing("choice", np.array([False, True]), Source("t.csv", np.array([2, 3])))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: t.csv, row 3, column 'choice': no value; where a trial did...
    """
    if not bad.any():
        return
    advice = "; where a trial did not count, say so in a column 'valid' (0)"
    many = f" ({int(bad.sum())} such {source.word}s)" if bad.sum() > 1 else ""
    source.refuse(
        "no value" + many + ("" if name in ("trial", "valid") else advice),
        row=int(bad.argmax()),
        column=name,
    )


def refuse_merged(
    name: str, column: Column, values: np.ndarray, counts: np.ndarray, source: Source
) -> None:
    """Refuse codes that make different choices, or different rewards, all one value.

    Parameters
    ----------
    name
        Our name of the column; choices and rewards are looked at.
    column, values
        Theirs and ours, dims (row).
    counts
        bool, dims (row): the trial counts.
    source
        Where messages point.

    Raises
    ------
    InputError
        Where several of theirs became a single one of ours.

    Examples
    --------
    >>> theirs, ours = Column.of(["n", "y"]), np.array([1.0, 1.0])
    >>> refuse_merged("reward", theirs, ours, ours == 1, Source("t.csv", np.arange(2)))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: t.csv, column 'reward': the codes make 'n', 'y' all 1, so...
    """
    found = np.unique(values[counts])
    if name not in ("choice", "reward") or len(found) != 1:
        return
    theirs = sorted({column.texts[k] for k in np.unique(column.level[counts]).tolist()}, key=_rank)
    theirs = [t for t in theirs if not is_missing(t)]
    if len(theirs) > 1:
        source.refuse(
            f"the codes make {', '.join(map(repr, theirs))} all {found[0]:g}, so that the {name} "
            f"never varies; give each its own number: "
            + source.codes(name, dict.fromkeys(theirs, "?")),
            column=name,
        )


def _ours(name: str, theirs: Any, ours: Any, source: Source) -> float:
    try:
        number = float(ours)
    except (TypeError, ValueError):
        source.refuse(
            f"the code {theirs!r} is declared as {ours!r}, expected a number", column=name
        )
    whole = name in CODED
    least = 0 if name in NOTHING else NO_CHOICE
    most = {"choice": np.inf, "invalid_reason": 4}.get(name, 1)
    if whole and not (number.is_integer() and least <= number <= most):
        source.refuse(
            f"the code {theirs!r} is declared as {ours!r}, expected "
            + ("0, 1, ... or -1 for no choice" if name == "choice" else _allowed(name)),
            column=name,
        )
    return number


def _allowed(name: str) -> str:
    if name == "invalid_reason":
        return "0 to 4 (valid, padding, violation, no_response, dropped)"
    return "0 or 1" if name in NOTHING else "0, 1 or -1"


def _refuse_codes(
    name: str, column: Column, known: Mapping[str, float], bad: np.ndarray, source: Source
) -> None:
    """Name every code that stands in the rows that are refused, and how all would be declared."""
    unknown = sorted({column.texts[k] for k in np.unique(column.level[bad]).tolist()}, key=_rank)
    found = sorted({t for t in column.texts if not is_missing(t)}, key=_rank)
    row = int(bad.argmax())
    first = column.texts[column.level[row]]
    accepted = ", ".join(sorted({str(k) for k in known}, key=_rank)[:MANY])
    if len(unknown) > MANY:
        source.refuse(
            f"unknown code {first!r} and {len(unknown) - 1} others, expected one of {accepted}; is "
            f"this the column of {name}?",
            row=row,
            column=name,
        )
    plural = "s" if len(unknown) > 1 else ""
    named = ", ".join(repr(u) for u in unknown)
    source.refuse(
        f"unknown code{plural} {named}, expected one of {accepted}; "
        + _proposal(name, found, known, source),
        row=row,
        column=name,
    )


def _proposal(name: str, found: list[str], known: Mapping[str, float], source: Source) -> str:
    """Declare two codes in their order; otherwise leave what each means to who knows it."""
    if name in ("choice", "choice2", "state") and found in (["1", "2"], ["-1", "1"]):
        safe = dict(zip(found, (0, 1), strict=True))
        text = f"if these are the two options, declare {source.codes(name, safe)}"
        if found[0] == "-1":
            none = dict(zip(found, (NO_CHOICE, 1), strict=True))
            text += f"; if -1 is no choice, {source.codes(name, none)}"
        return text
    told = {t: int(known[t.lower()]) for t in found if t.lower() in known}
    certain = set(told.values()) >= {0, 1}
    whole = {t: told[t] if certain and t in told else "?" for t in found}
    end = "with a number for each ?" + (", -1 where the trial did not count" if name in TRANSITION
                                        else "")  # fmt: skip
    return f"declare what each is: {source.codes(name, whole)} {end}"


def _rank(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text


def _level_numbers(column: Column, codes: Mapping[str, float]) -> np.ndarray:
    """Give each level its number, NaN where it is none."""
    levels = np.empty(len(column.levels), dtype=object)
    levels[:] = column.levels
    if codes or any(isinstance(v, bytes) for v in column.levels):
        levels = np.array([codes.get(t.lower(), t) for t in column.texts], dtype=object)
    numbers = pd.to_numeric(pd.Series(levels, dtype=object), errors="coerce")
    return numbers.to_numpy(dtype=float, na_value=np.nan)


def _texts_where(column: Column, wanted: np.ndarray) -> list[str]:
    return [as_text(v) if w else "" for v, w in zip(column.levels, wanted, strict=True)]


def _refuse_text(
    name: str, column: Column, bad: np.ndarray, codes: Mapping[str, float], source: Source
) -> None:
    row = int(bad.argmax())
    text = column.texts[column.level[row]]
    found = sorted({column.texts[k] for k in np.unique(column.level[bad]).tolist()}, key=_rank)
    hint = "; a column t_<event> holds times in s" if name.startswith("t_") else ""
    if name == "reward" and len(found) <= MANY:
        every = sorted({t for t in column.texts if not is_missing(t)}, key=_rank)
        whole = {t: codes.get(t.lower(), "?") if t in found or t.lower() in codes else t
                 for t in every}  # fmt: skip
        declared_so = source.codes("reward", whole)
        hint = f"; declare what was delivered: {declared_so} with a number for each ?"
    if text.replace(",", "", 1).lstrip("-").isdigit():
        hint = "; write decimals with a point"
    others = f" (nor are {', '.join(map(repr, found[1:MANY]))})" if len(found) > 1 else ""
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
