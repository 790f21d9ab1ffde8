"""What a raw value means: codes of choices, states and flags, numbers, and names.

A code is either known (0/1, left/right, true/false, rare/common) or declared. Anything else is
refused with all codes that were found, because one code alone invites a declaration that destroys
the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuro_metarl.door.arms import arm_codes
from neuro_metarl.door.table import Column, Source, as_text
from neuro_metarl.door.texts import MANY, MISSING, in_order, is_missing
from neuro_metarl.schema import INVALID_REASONS

__all__ = [
    "CODED",
    "NO_CHOICE",
    "TRUTH",
    "decode",
    "decode_labels",
    "known_codes",
    "one_each",
    "our_number",
    "refuse_merged",
    "refuse_missing",
]

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


def known_codes(
    name: str,
    column: Column,
    declared: Mapping[Any, float] | None,
    source: Source,
    *,
    sides: bool,
    n_options: int | None = None,
    gaps: bool = True,
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
    n_options, gaps
        See :func:`neuro_metarl.door.arms.arm_codes`.

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
        told = one_each(name, declared, source)
        for word, digit in (("true", "1"), ("false", "0")):
            if digit in told and word not in told and word in {t.lower() for t in column.texts}:
                told[word] = told[digit]
        return {k: our_number(name, k, v, source) for k, v in told.items()}
    known: dict[str, float] = {k: float(v) for k, v in CODED.get(name, TRUTH).items()}
    if name != "choice" or sides:
        return known
    return known | arm_codes(column, known, n_options, source, gaps=gaps)


def one_each(name: str, declared: Mapping[Any, float], source: Source) -> dict[str, Any]:
    """Write declared codes as text in lower case, and refuse two that are one and differ.

    Parameters
    ----------
    name
        Our name of the column.
    declared
        Their code to ours.
    source
        Where messages point.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        One code is declared twice.

    Examples
    --------
    >>> one_each("reward", {"r": 1, "R": 2}, Source("t.csv", np.arange(1)))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: t.csv, column 'reward': the code 'R' is declared twice...
    """
    told: dict[str, Any] = {}
    for theirs, ours in declared.items():
        text = as_text(theirs).lower()
        if text in told and told[text] != ours:
            source.refuse(
                f"the code {theirs!r} is declared twice, as {told[text]} and as {ours}; upper and "
                "lower case, and 1 and '1', are one code",
                column=name,
            )
        told[text] = ours
    return told


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
        refuse_missing(name, column.per_row(empty) & counts, source, column.text())
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


def refuse_missing(
    name: str, bad: np.ndarray, source: Source, texts: np.ndarray | None = None
) -> None:
    """Refuse rows that count and hold nothing.

    Parameters
    ----------
    name
        Our name of the column.
    bad
        bool, dims (row): nothing stands there, and the trial counts.
    source
        Where messages point.
    texts
        Dims (row): what stands there, such as "none".

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
    row = int(bad.argmax())
    advice = (
        "; write 0 where the choice was free, 1 where it was forced"
        if name.startswith("forced")
        else "; where a trial did not count, say so in a column 'valid' (0)"
    )
    word = "" if texts is None else str(texts[row])
    if word:
        advice = (
            f"; {word!r} is read as nothing: if it means something here, declare it among the "
            f"codes of {name}" + advice
        )
    many = f" ({int(bad.sum())} such {source.word}s)" if bad.sum() > 1 else ""
    source.refuse(
        "no value" + many + ("" if name in ("trial", "valid") else advice),
        row=row,
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
    theirs = sorted(
        {column.texts[k] for k in np.unique(column.level[counts]).tolist()}, key=in_order
    )
    theirs = [t for t in theirs if not is_missing(t)]
    if len(theirs) > 1:
        source.refuse(
            f"the codes make {', '.join(map(repr, theirs))} all {found[0]:g}, so that the {name} "
            f"never varies; give each its own number: "
            + source.codes(name, dict.fromkeys(theirs, "?")),
            column=name,
        )


def our_number(name: str, theirs: Any, ours: Any, source: Source) -> float:
    """Take one declared code of ours.

    Parameters
    ----------
    name
        Our name of the column.
    theirs, ours
        Their code and ours.
    source
        Where messages point.

    Returns
    -------
    float

    Raises
    ------
    InputError
        Not a number, or none that the column takes.

    Examples
    --------
    >>> our_number("choice", "L", 0, Source("", np.arange(1)))
    0.0
    """
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
    unknown = sorted({column.texts[k] for k in np.unique(column.level[bad]).tolist()}, key=in_order)
    found = sorted({t for t in column.texts if not is_missing(t)}, key=in_order)
    row = int(bad.argmax())
    first = column.texts[column.level[row]]
    accepted = ", ".join(sorted({str(k) for k in known}, key=in_order)[:MANY])
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
