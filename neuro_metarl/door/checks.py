"""What rows must be once they are decoded: options, odds, times, rewards, variation."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.door.codes import refuse_merged
from neuro_metarl.door.order import Places
from neuro_metarl.door.table import Source, Table
from neuro_metarl.schema import TRIAL, VARIABLES

__all__ = [
    "check_copies",
    "check_labels",
    "check_lengths",
    "check_options",
    "check_rewards",
    "check_times",
    "check_variation",
    "option_columns",
]

LEAST_TRIALS, ENOUGH_TRIALS = 2, 20
LONGEST_TRIAL_S = 900
LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")


def check_rewards(
    reward: np.ndarray, valid: np.ndarray, allowed: Sequence[float] | None, place: Source
) -> None:
    """Refuse rewards that the models to be fitted do not take.

    Parameters
    ----------
    reward, valid
        Dims (row).
    allowed
        Values that a reward may have; None: any.
    place
        Where messages point.

    Raises
    ------
    InputError
        With the place.

    Examples
    --------
    >>> check_rewards(np.array([0.0, 2.0]), np.ones(2, bool), (0, 1), Source("t", np.arange(2)))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: t, row 1, column 'reward': 2, but the models that will be...
    """
    if allowed is None:
        return
    wrong = valid & ~np.isin(reward, allowed)
    if not wrong.any():
        return
    row = int(wrong.argmax())
    found = sorted(set(reward[valid].tolist()))
    theirs = [_exact(v) for v in found]
    codes: dict[str, Any] = {t: float(t) if v in allowed else "?"
                             for t, v in zip(theirs, found, strict=True)}  # fmt: skip
    if len(found) == len(allowed):
        codes = dict(zip(theirs, [_exact(v) for v in allowed], strict=True))
    else:
        codes = {t: _exact(v) if isinstance(v, float) else v for t, v in codes.items()}
    both = " and ".join(_exact(v) for v in allowed)
    what = f"; found are {', '.join(theirs)}: {place.codes('reward', codes)}" * (len(found) < 9)
    place.refuse(
        f"{_exact(reward[row])}, but the models that will be fitted take rewards of {both}{what}, "
        "or fit no such models",
        row=row,
        column="reward",
    )


def _exact(number: float) -> str:
    """Write a number so that it can be typed again."""
    return repr(float(number)).removesuffix(".0")


def check_lengths(valid: np.ndarray, subject: np.ndarray, place: Source) -> None:
    """Refuse subjects from whose trials nothing can follow.

    Parameters
    ----------
    valid, subject
        Dims (row).
    place
        Where messages point.

    Raises
    ------
    InputError
        With the place.

    Examples
    --------
    >>> check_lengths(np.array([True]), np.array(["a"]), Source("t.csv", np.arange(1)))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: t.csv: subject 'a' holds one trial that counts; nothing can...
    """
    counts = pd.Series(valid).groupby(subject, sort=False).sum()
    if counts.min() < LEAST_TRIALS:
        number = "one trial" if counts.min() else "no trial"
        place.refuse(
            f"subject {str(counts.idxmin())!r} holds {number} that counts; nothing can follow "
            "from that, a subject needs at least two"
        )


def check_labels(subject: np.ndarray, session: np.ndarray, place: Source) -> None:
    """Name subjects, or sessions of one subject, that may be one and are written in two ways.

    Parameters
    ----------
    subject, session
        Text, dims (row).
    place
        Where messages point.

    Warns
    -----
    UserWarning
        Two names differ in upper and lower case or in leading zeros only.

    Examples
    --------
    >>> two = np.array(["m1", "m2"])
    >>> check_labels(two, two, Source("t.csv", np.arange(2)))
    """
    names = pd.unique(pd.Series(subject)).tolist()
    pairs = pd.MultiIndex.from_arrays([subject, session]).unique().tolist()
    kinds = {"subjects": [("", n) for n in names], "sessions": pairs}
    where = f"{place.where}: " if place.where else ""
    for word, found in kinds.items():
        seen: dict[tuple[str, str], str] = {}
        for of, name in found:
            key = (of, LEADING_ZEROS.sub("", str(name).casefold()))
            if seen.setdefault(key, str(name)) != str(name):
                warnings.warn(
                    f"{where}{word} {seen[key]!r} and {str(name)!r} are taken for two; if they are "
                    "one, write its name in one way",
                    stacklevel=4,
                )
                break


def check_copies(cohort: xr.Dataset, place: Source) -> None:
    """Name two sessions that hold the same trials, as where a file was copied.

    Parameters
    ----------
    cohort
        Of one source.
    place
        Where messages point.

    Warns
    -----
    UserWarning
        Two sessions of at least 20 trials have the same choices and rewards, which both vary.

    Examples
    --------
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1], [0, 1]], "reward": [[1, 0], [1, 0]]},
    ...                      subject=["a", "b"], task="bandit", source="animal")
    >>> check_copies(cohort, Source("", np.arange(4)))
    """
    parts = [cohort[n].transpose(*TRIAL).values for n in ("choice", "reward", "valid")]
    lengths = (parts[2] == 1).sum(axis=1)
    seen: dict[bytes, int] = {}
    for k in np.flatnonzero(lengths >= ENOUGH_TRIALS).tolist():
        choice, reward = (part[k][parts[2][k] == 1] for part in parts[:2])
        first = seen.setdefault(choice.tobytes() + reward.tobytes(), k)
        if first == k or np.ptp(choice) == 0 or np.ptp(reward) == 0:
            continue
        one, other = (
            f"session {str(cohort.session_id.values[s])!r} of subject "
            f"{str(cohort.subject.values[s])!r}"
            for s in (first, k)
        )
        warnings.warn(
            (f"{place.where}: " if place.where else "")
            + f"{other} holds the same {int(lengths[k])} choices and rewards as {one}; is it a "
            "copy? then leave it out",
            stacklevel=4,
        )
        return


def option_columns(values: Mapping[str, np.ndarray], place: Source) -> dict[str, list[str]]:
    """Columns of each variable with one column per option, in the order of the options.

    Parameters
    ----------
    values
        Columns.
    place
        Where messages point.

    Returns
    -------
    dict
        Variable to its columns.

    Raises
    ------
    InputError
        With the place.

    Examples
    --------
    >>> columns = {"p_reward_1": np.ones(1), "p_reward_0": np.ones(1)}
    >>> option_columns(columns, Source("", np.arange(1)))
    {'p_reward': ['p_reward_0', 'p_reward_1']}
    """
    found = {}
    for name, (dims, _, _) in VARIABLES.items():
        if dims != (*TRIAL, "option"):
            continue
        prefix = f"{name}_"
        numbers = sorted(
            int(c[len(prefix) :])
            for c in values
            if c.startswith(prefix) and c[len(prefix) :].isdecimal()
        )
        if numbers and numbers != list(range(len(numbers))):
            place.refuse(
                f"columns {', '.join(f'{prefix}{k}' for k in numbers)}: options are numbered from "
                "0 without gaps"
            )
        if numbers:
            found[name] = [f"{prefix}{k}" for k in numbers]
    if len({len(columns) for columns in found.values()}) > 1:
        place.refuse("p_reward_<k> and expected_reward_<k> differ in their number of options")
    return found


def check_options(values: Mapping[str, np.ndarray], valid: np.ndarray, place: Source) -> None:
    """No more choices than options, and odds of all options of a trial or of none.

    Parameters
    ----------
    values
        Decoded columns, dims (row).
    valid
        bool, dims (row).
    place
        Where messages point.

    Raises
    ------
    InputError
        With the place.

    Examples
    --------
    >>> rows = {"choice": np.array([0, 2]), "p_reward_0": np.ones(2), "p_reward_1": np.ones(2)}
    >>> check_options(rows, np.ones(2, bool), Source("t.csv", np.arange(2)))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: t.csv, row 1, column 'choice': 2, but there are 2 options...
    """
    for columns in option_columns(values, place).values():
        table = np.stack([values[c] for c in columns], axis=1)
        absent = np.isnan(table)
        partly = absent.any(axis=1) & ~absent.all(axis=1)
        if partly.any():
            row = int(partly.argmax())
            column = columns[int(absent[row].argmax())]
            others = f" ({int(partly.sum())} such {place.word}s)" if partly.sum() > 1 else ""
            place.refuse(
                f"no value, but the other options of the trial have one{others}; give all of "
                f"them, or none where they are unknown",
                row=row,
                column=column,
            )
        beyond = valid & (values["choice"] >= len(columns))
        if beyond.any():
            row = int(beyond.argmax())
            codes: dict[str, Any] = {str(k): k for k in range(len(columns))}
            codes |= dict.fromkeys(map(str, np.unique(values["choice"][beyond]).tolist()), -1)
            many = f"are {len(columns)} options" if len(columns) > 1 else "is one option"
            none = f"; if it is no choice, declare it: {place.codes('choice', codes)}"
            if set(np.unique(values["choice"][valid]).tolist()) == set(range(len(columns) + 1)):
                shifted = {"0": -1} | {str(k + 1): k for k in range(len(columns))}
                none += f"; if 0 is no choice: {place.codes('choice', shifted)}"
            place.refuse(
                f"{values['choice'][row]}, but there {many} ({', '.join(columns)}), numbered from "
                f"0; if it is an option, give its odds too" + none * (len(columns) > 1),
                row=row,
                column="choice",
            )


def check_times(values: Mapping[str, np.ndarray], places: Places, place: Source) -> None:
    """Refuse times of an event that fall within a session.

    Parameters
    ----------
    values
        Decoded columns, dims (row).
    places
        Where each row goes.
    place
        Where messages point.

    Raises
    ------
    InputError
        With the place.

    Warns
    -----
    UserWarning
        Trials last longer than a quarter of an hour each, as where times are in milliseconds.

    Examples
    --------
    >>> from neuro_metarl.door.order import places_of
    >>> source, one = Source("t.csv", np.arange(2)), np.array(["a", "a"])
    >>> check_times({"t_cue": np.array([2.0, 1.0])}, places_of(one, one, None, source), source)
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: t.csv, row 1, column 't_cue': 1, after 2 on an earlier...
    """
    order = np.lexsort((places.position, places.session))
    for name in values:
        if not name.startswith("t_"):
            continue
        rows = order[np.isfinite(values[name][order])]
        time, session = values[name][rows], places.session[rows]
        falls = np.append(False, (time[1:] < time[:-1]) & (session[1:] == session[:-1]))
        if falls.any():
            k = int(falls.argmax())
            place.refuse(
                f"{time[k]:g}, after {time[k - 1]:g} on an earlier trial of the session "
                f"({int(falls.sum())} such {place.word}s); times are on the session's clock, "
                "in s, and rise with its trials; is the order wrong, a column 'session' missing, "
                "or the time counted from the beginning of the trial? then leave it out",
                row=int(rows[k]),
                column=name,
            )
        steps = (time[1:] - time[:-1])[session[1:] == session[:-1]]
        if len(steps) >= ENOUGH_TRIALS and np.median(steps) > LONGEST_TRIAL_S:
            where = f"{place.where}: " if place.where else ""
            warnings.warn(
                f"{where}{place.column(name)} rises by {np.median(steps):g} from trial to trial, "
                "and times are in s; are these milliseconds? then divide them by 1000",
                stacklevel=4,
            )


def check_variation(
    table: Table, values: Mapping[str, np.ndarray], valid: np.ndarray, source: str
) -> None:
    """Name a choice or a reward that never varies; refuse it where declared codes made it so.

    Parameters
    ----------
    table
        Raw columns.
    values, valid
        Decoded columns and the rows that count, dims (row).
    source
        agent, model or animal.

    Raises
    ------
    InputError
        With the place.

    Warns
    -----
    UserWarning
        The choice or the reward of animals is the same on every trial.

    Examples
    --------
    >>> table = Table.of({"choice": ["l"], "reward": [1]}, "t.csv")
    >>> rows = {"choice": np.zeros(1), "reward": np.ones(1)}
    >>> check_variation(table, rows, np.ones(1, bool), "animal")
    """
    for name in ("choice", "reward"):
        found = np.unique(values[name][valid])
        if len(found) != 1:
            continue
        refuse_merged(name, table.columns[name], values[name], valid, table.source)
        if source == "animal" and valid.sum() >= ENOUGH_TRIALS:
            where = f"{table.source.where}: " if table.source.where else ""
            warnings.warn(
                f"{where}the {name} is {found[0]:g} on every one of {int(valid.sum())} trials",
                stacklevel=4,
            )
