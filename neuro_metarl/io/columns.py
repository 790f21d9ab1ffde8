"""The declared column map: a lab's own table of trials into the variables of a cohort.

A map says for each variable of a cohort where it comes from. Most entries are the name of a
column; the others are small dictionaries, so that a map can be kept as JSON:

=============================================  =============================================
entry                                          meaning
=============================================  =============================================
``"side"``                                     the column, by the codes that every reader knows
``{"column": "side", "codes": {1: 0, 2: 1}}``  theirs to ours; ours -1: the trial did not count
``{"column": "side", "invalid": {2: "miss"}}`` codes of trials that do not count, and why:
                                               violation, no_response (or miss), dropped
``{"any": ["won_left", "won_right"]}``         1 where any of these flags is 1
``{"sum": ["drops_left", "drops_right"]}``     their sum
``{"best_of": ["p_left", "p_right"]}``         for ``correct``: whether the choice was the
                                               greatest, -1 where several are
``{"column": "t_out", "when": "valid"}``       only on valid trials, NaN on the others
``{"first": ["lick_l", "lick_r"]}``            time of the first of these events in the trial
``{"which": {"lick_l": 0, "lick_r": 1}}``      code of the first of these events in the trial,
                                               no response where there was none
``{"happened": ["water"]}``                    1 where one of these events was in the trial
``{"count": "laser"}``                         for ``n_<what>``: trials on which it is not 0
=============================================  =============================================

``first``, ``which`` and ``happened`` take ``"after"`` and ``"before"``, the columns between which
to look; without them, the trial. ``"optional": true`` leaves a variable out where its column is
not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from neuro_metarl.door.codes import (
    CODED,
    decode,
    known_codes,
    refuse_merged,
)
from neuro_metarl.door.numbers import decode_numbers, number_codes
from neuro_metarl.door.table import Column, Source, as_text
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.binning import tick
from neuro_metarl.schema import INVALID_REASONS, TRIAL, VARIABLES

__all__ = ["Trials", "declared_table"]

SOURCES = ("column", "any", "sum", "best_of", "first", "which", "happened", "count")
MODIFIERS = ("codes", "invalid", "when", "optional", "after", "before")
REASONS = {name: code for code, name in INVALID_REASONS.items() if code > 1} | {"miss": 3}
NO_RESPONSE = REASONS["no_response"]
SAYS_WHAT_COUNTS = ("valid", "invalid_reason")
INVALIDATING = ("choice", "choice2", "state", "common")
NUMBERED = ("p_reward_", "expected_reward_", "t_", "n_")
FLAGS = (0, 1)
Map = Mapping[str, str | Mapping[str, Any]]


@dataclass(frozen=True)
class Trials:
    """A lab's own trials.

    Attributes
    ----------
    columns
        Name to one value per trial.
    times
        From the name of a kind of event to its times, s.
    start, stop
        Columns between which events belong to a trial.
    where
        File and table that messages name.
    table
        What the table is called there.
    """

    columns: Mapping[str, np.ndarray]
    times: Callable[[str], np.ndarray]
    start: str
    stop: str
    where: str
    table: str


def declared_table(trials: Trials, columns: Map) -> tuple[pd.DataFrame, dict[str, int]]:
    """Fill the variables of a cohort from a lab's trials, as a map declares.

    Parameters
    ----------
    trials
        The lab's trials.
    columns
        Our name to their entry; see the module.

    Returns
    -------
    tuple
        Table with one row per trial for :func:`neuro_metarl.storage.from_dataframe`, and the
        counts ``n_<what>``.

    Raises
    ------
    InputError
        A name that is none of ours, an entry that is none, a column or event that is not there
        (with a suggestion), a code that is not declared, or columns of different lengths.

    Examples
    --------
    >>> trials = Trials({"side": np.array([1, 2, 3]), "won": np.array([True, False, False])},
    ...                 lambda name: np.empty(0), "start", "stop", "mouse.nwb", "trials")
    >>> table, _ = declared_table(trials, {
    ...     "choice": {"column": "side", "codes": {1: 0, 2: 1}, "invalid": {3: "miss"}},
    ...     "reward": "won"})
    >>> table.choice.tolist(), table.valid.tolist(), table.invalid_reason.tolist()
    ([0.0, 1.0, -1.0], [1, 1, 0], [0, 0, 3])
    """
    entries = {name: _entry(name, entry, trials) for name, entry in columns.items()}
    for name in ("choice", "reward"):
        if name not in entries:
            raise InputError(
                f"{trials.where}: the map declares no {name!r}; there are: "
                + ", ".join(sorted(trials.columns))
            )
    n_trials = _check_lengths(entries, trials)
    found: dict[str, np.ndarray] = {}
    reason = np.zeros(n_trials, int)
    for name in sorted(entries, key=lambda n: n not in SAYS_WHAT_COUNTS):
        entry = entries[name]
        if "count" in entry or "best_of" in entry:
            continue
        found[name], why = _values(name, entry, trials, _told(found, reason, n_trials))
        reason = np.where((reason == 0) & (why > 0), why, reason)
    valid = _valid(found, reason)
    found["valid"] = valid.astype(int)
    if "invalid_reason" not in found:
        found["invalid_reason"] = np.where(valid, 0, np.where(reason > 0, reason, NO_RESPONSE))
    for name, entry in entries.items():
        if "best_of" in entry:
            found[name] = _chose_best(entry, found["choice"], valid, trials)
        elif entry.get("when") == "valid":
            found[name] = np.where(valid, found[name], np.nan)
    counts = {n: _count(e, trials) for n, e in entries.items() if "count" in e}
    return pd.DataFrame(found), counts


def _entry(name: str, entry: Any, trials: Trials) -> dict[str, Any]:
    known = [n for n, (dims, _, _) in VARIABLES.items() if dims == TRIAL]
    if name not in known and not name.startswith(NUMBERED):
        raise InputError(
            f"{trials.where}: {name!r} is no name of ours; "
            + did_you_mean(name, [*known, "p_reward_0", "t_choice"])
        )
    declared = {"column": entry} if isinstance(entry, str) else entry
    if not isinstance(declared, Mapping):
        raise InputError(
            f"{trials.where}: the map's entry of {name!r} is {entry!r}, expected the name of a "
            "column or a dictionary"
        )
    unknown = [str(k) for k in declared if k not in (*SOURCES, *MODIFIERS)]
    if unknown:
        raise InputError(
            f"{trials.where}: the map's entry of {name!r} has {unknown[0]!r}; "
            + did_you_mean(unknown[0], [*SOURCES, *MODIFIERS])
        )
    given = [k for k in SOURCES if k in declared]
    if len(given) != 1:
        raise InputError(
            f"{trials.where}: the map's entry of {name!r} needs one of {', '.join(SOURCES)}, got "
            + (", ".join(given) or "none")
        )
    if (given[0] == "count") != name.startswith("n_"):
        raise InputError(f"{trials.where}: {name!r}: 'count' is for names n_<what>, and only that")
    return dict(declared)


def _names(entry: Mapping[str, Any]) -> list[str]:
    """Columns that an entry reads, without those of its limits."""
    for source in ("column", "count"):
        if source in entry:
            return [str(entry[source])]
    for source in ("any", "sum", "best_of"):
        if source in entry:
            return [str(n) for n in entry[source]]
    return []


def _check_lengths(entries: dict[str, dict[str, Any]], trials: Trials) -> int:
    """Look up every column once, drop optional entries without theirs, count the trials."""
    for name in [n for n, e in entries.items() if e.get("optional")]:
        if any(column not in trials.columns for column in _names(entries[name])):
            del entries[name]
    used = [c for e in entries.values() for c in _names(e)]
    for entry in entries.values():
        if {"first", "which", "happened"} & set(entry):
            used += _limits(entry, trials)
    lengths = {name: _column(name, trials).shape for name in dict.fromkeys(used)}
    reference = used[0]
    n_trials = lengths[reference][0]
    for name, shape in lengths.items():
        if shape != (n_trials,):
            raise InputError(
                f"{trials.where}: column {name!r} has {shape[0]} values, {reference!r} has "
                f"{n_trials}"
            )
    if not n_trials:
        raise InputError(f"{trials.where}: {trials.table!r} holds no trials")
    return int(n_trials)


def _limits(entry: Mapping[str, Any], trials: Trials) -> list[str]:
    return [str(entry.get("after", trials.start)), str(entry.get("before", trials.stop))]


def _column(name: str, trials: Trials) -> np.ndarray:
    if name not in trials.columns:
        raise InputError(
            f"{trials.where}: column {name!r} of {trials.table!r} is missing; "
            + (did_you_mean(name, trials.columns) if trials.columns else "it has none")
        )
    return np.asarray(trials.columns[name])


def _numbers(name: str, trials: Trials) -> np.ndarray:
    values = _column(name, trials)
    if values.dtype.kind not in "biuf":
        raise InputError(
            f"{trials.where}: column {name!r} holds text where numbers belong; declare its codes"
        )
    return values.astype(float)


def _flags(name: str, trials: Trials) -> np.ndarray:
    values = _numbers(name, trials)
    _refuse(~np.isin(values, FLAGS), values, name, FLAGS, trials)
    return values


def _refuse(
    wrong: np.ndarray, values: np.ndarray, name: str, known: Sequence[Any], trials: Trials
) -> None:
    if wrong.any():
        trial = int(wrong.argmax())
        value = values[trial]
        raise InputError(
            f"{trials.where}, trial {trial}: column {name!r} is "
            + (f"{value:g}" if isinstance(value, (float, np.floating)) else f"{value!s}")
            + f", expected one of {', '.join(map(str, known))}"
        )


def _told(found: Mapping[str, np.ndarray], reason: np.ndarray, n_trials: int) -> np.ndarray:
    """Mark the trials that count by what was said of them so far."""
    counts: np.ndarray = (reason == 0) & np.ones(n_trials, bool)
    if "valid" in found:
        counts &= found["valid"] == 1
    if "invalid_reason" in found:
        counts &= found["invalid_reason"] == 0
    return counts


def _refuse_unknown(
    text: np.ndarray, known: Sequence[str], shown: Sequence[str], name: str, trials: Trials
) -> None:
    """Name every code that was not declared, at the first trial that has one."""
    wrong = ~np.isin(text, known)
    if wrong.any():
        trial = int(wrong.argmax())
        others = sorted(set(text[wrong].tolist()) - {text[trial]})
        raise InputError(
            f"{trials.where}, trial {trial}: column {name!r} is {text[trial]}, expected one of "
            + ", ".join(shown)
            + (f"; not declared either: {', '.join(others)}" if others else "")
        )


def _values(
    name: str, entry: Mapping[str, Any], trials: Trials, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values of a variable, and why trials do not count on its account (0: they do)."""
    none = np.zeros(len(counts), int)
    if "any" in entry:
        return np.max([_flags(n, trials) for n in entry["any"]], axis=0), none
    if "sum" in entry:
        return np.sum([_numbers(n, trials) for n in entry["sum"]], axis=0), none
    if "first" in entry:
        return _first(entry, list(entry["first"]), trials)[0], none
    if "happened" in entry:
        return np.isfinite(_first(entry, list(entry["happened"]), trials)[0]).astype(float), none
    if "which" in entry:
        codes = np.array([float(v) for v in entry["which"].values()])
        times, which = _first(entry, list(entry["which"]), trials)
        there = np.isfinite(times)
        return np.where(there, codes[which], -1), np.where(there, 0, NO_RESPONSE)
    if "codes" in entry or "invalid" in entry:
        return _coded(name, entry, trials)
    if name in CODED or name == "reward":
        return _known(name, str(entry["column"]), trials, counts), none
    return _numbers(str(entry["column"]), trials), none


def _known(name: str, theirs: str, trials: Trials, counts: np.ndarray) -> np.ndarray:
    """Read a column by the codes that every reader knows; others are refused."""
    column, source = Column.of(_column(theirs, trials)), _source(name, theirs, trials, len(counts))
    if name not in CODED:
        return decode_numbers(name, column, {}, counts, source)
    codes = known_codes(name, column, None, source, sides=False)
    return decode(name, column, codes, counts, source).astype(float)


def _source(name: str, theirs: str, trials: Trials, n_trials: int) -> Source:
    return Source(trials.where, np.arange(n_trials), "trial", "python", {name: theirs})


def _coded(name: str, entry: Mapping[str, Any], trials: Trials) -> tuple[np.ndarray, np.ndarray]:
    column = str(entry["column"])
    raw = _column(column, trials)
    source = _source(name, column, trials, len(raw))
    text = np.array([_key(v) for v in raw.tolist()])
    codes = number_codes(name, dict(entry.get("codes", {})), source)
    bad = entry.get("invalid", {})
    bad = dict(bad) if isinstance(bad, Mapping) else dict.fromkeys(bad, "no_response")
    reasons = {_key(k): _reason(v, name, trials) for k, v in bad.items()}
    reasons |= {
        k: NO_RESPONSE
        for k, v in codes.items()
        if v == -1 and name in INVALIDATING and k not in bad
    }
    why = np.array([reasons.get(t, 0) for t in text])
    if codes:
        shown = [str(k) for k in (*entry["codes"], *bad)]
        _refuse_unknown(text, [*codes, *reasons], shown, column, trials)
        values = np.array([codes.get(t, -1.0) for t in text])
        refuse_merged(name, Column.of(text), values, why == 0, source)
    else:
        values = np.where(why > 0, -1.0, _numbers(column, trials))
    return values, why


def _key(value: Any) -> str:
    """Write a code so that 1, 1.0, True and "1" are one, and L is l."""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and np.isnan(value):
        return "nan"
    return as_text(value).lower()


def _reason(name: Any, variable: str, trials: Trials) -> int:
    if name not in REASONS:
        raise InputError(
            f"{trials.where}: the map's entry of {variable!r} gives the reason {name!r}; "
            + did_you_mean(str(name), REASONS)
        )
    return REASONS[name]


def _first(
    entry: Mapping[str, Any], names: Sequence[str], trials: Trials
) -> tuple[np.ndarray, np.ndarray]:
    """Time of the first of these events after one column and before another, and which it was."""
    after, before = (_numbers(name, trials) for name in _limits(entry, trials))
    after, before = after - tick(after), before - tick(before)
    found = []
    for name in names:
        times = np.append(np.sort(_times(name, entry, trials)), np.inf)
        first = times[np.searchsorted(times, after)]
        found.append(np.where(first < before, first, np.inf))
    which = np.argmin(found, axis=0)
    earliest = np.min(found, axis=0)
    return np.where(np.isfinite(earliest), earliest, np.nan), which


def _times(name: str, entry: Mapping[str, Any], trials: Trials) -> np.ndarray:
    try:
        return trials.times(name)
    except InputError:
        if entry.get("optional"):
            return np.empty(0)
        raise


def _valid(found: Mapping[str, np.ndarray], reason: np.ndarray) -> np.ndarray:
    valid: np.ndarray = (found["choice"] >= 0) & (reason == 0)
    if "valid" in found:
        valid &= found["valid"] == 1
    if "invalid_reason" in found:
        valid &= found["invalid_reason"] == 0
    return valid


def _chose_best(
    entry: Mapping[str, Any], choice: np.ndarray, valid: np.ndarray, trials: Trials
) -> np.ndarray:
    odds = np.stack([_numbers(n, trials) for n in entry["best_of"]], axis=1)
    best = odds == odds.max(axis=1, keepdims=True)
    known = valid & (best.sum(axis=1) == 1) & (choice < odds.shape[1])
    chosen = np.where(known, choice, 0).astype(int)
    return np.where(known, best[np.arange(len(choice)), chosen], -1).astype(int)


def _count(entry: Mapping[str, Any], trials: Trials) -> int:
    values = _numbers(str(entry["count"]), trials)
    return int((np.nan_to_num(values) != 0).sum())
