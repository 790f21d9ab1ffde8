"""Arms of a bandit: numbered from 0, without gaps."""

from __future__ import annotations

from collections.abc import Mapping

from neuro_metarl.door.table import Column, Source
from neuro_metarl.door.texts import MANY, in_order, is_missing

__all__ = ["arm_codes"]

FAR, ENOUGH_ROWS = 3, 20


def arm_codes(
    column: Column,
    known: Mapping[str, float],
    n_options: int | None,
    source: Source,
    *,
    gaps: bool = False,
) -> dict[str, float]:
    """Take the numbers of arms that stand in a column.

    Parameters
    ----------
    column
        Choices.
    known
        Codes that need no declaration, in lower case.
    n_options
        Arms whose odds the source tells.
    source
        Where messages point.
    gaps
        Arms may be missing between others, as in one session of several, or in a table of fewer
        than 20 rows; one that is far beyond the others is refused even then.

    Returns
    -------
    dict
        Text to number of the arm.

    Raises
    ------
    InputError
        Arms numbered from 1, or with gaps, and no odds that tell how many there are.

    Examples
    --------
    >>> import numpy as np
    >>> arm_codes(Column.of([0, 2]), {"0": 0.0}, 3, Source("t.csv", np.arange(2)))
    {'2': 2.0}
    """
    found = {t for t in column.texts if not is_missing(t) and t.lower() not in known}
    numbers = {t: float(t) for t in found if t.isascii() and t.isdecimal()}
    if n_options and max((0.0, *numbers.values())) < n_options:
        return numbers
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
    _refuse_gaps(numbers, column, known, source, gaps)
    return numbers


def _refuse_gaps(
    numbers: Mapping[str, float],
    column: Column,
    known: Mapping[str, float],
    source: Source,
    gaps: bool,
) -> None:
    """Refuse arms with gaps between their numbers: one that is far off may mark missed trials."""
    told = {t: known[t.lower()] for t in column.texts if t.lower() in known}
    arms = sorted({*told.values(), *numbers.values()})
    if not numbers or arms == list(range(len(arms))):
        return
    few = gaps or len(column.level) < ENOUGH_ROWS
    if few and arms[-1] < FAR * len(arms):
        return
    first = next(k for k, arm in enumerate(arms) if arm != k)
    beyond = sorted((t for t in numbers if numbers[t] >= arms[first]), key=float)
    every = {t: int(v) for t, v in told.items()} | {t: int(numbers[t]) for t in numbers}
    codes = {t: "?" if t in beyond else every[t] for t in sorted(every, key=in_order)}
    source.refuse(
        f"{', '.join(beyond[:MANY])} beside arms {', '.join(f'{a:g}' for a in arms[:first])}: arms "
        "are numbered without gaps, or their odds are given (p_reward_0, ...); declare what each "
        f"is: {source.codes('choice', codes)} with a number for each ?, -1 where the trial did not "
        "count",
        row=int(column.per_row([t == beyond[0] for t in column.texts]).argmax()),
        column="choice",
    )
