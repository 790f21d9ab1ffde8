"""Rows of trials through the one door: decoded, ordered, completed, checked, made a cohort."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import xarray as xr

from neuro_metarl.cohort import make_cohort
from neuro_metarl.door.checks import (
    check_copies,
    check_labels,
    check_lengths,
    check_options,
    check_rewards,
    check_times,
    check_variation,
    option_columns,
)
from neuro_metarl.door.codes import (
    CODED,
    NO_CHOICE,
    decode,
    decode_labels,
    known_codes,
)
from neuro_metarl.door.names import (
    OPTION,
    PER_OPTION,
    PLAIN,
    names_sessions,
    refuse_nearly_ours,
    spread_options,
)
from neuro_metarl.door.numbers import decode_numbers, number_codes
from neuro_metarl.door.order import Places, places_of, refuse_joined
from neuro_metarl.door.table import Source, Table
from neuro_metarl.door.transitions import DERIVED, complete_transitions
from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.schema import TRIAL, VARIABLES

__all__ = ["cohort_of_table", "is_known", "may_matter"]

LABELS = ("subject", "session")
NUMBERS = ("reward", "trial", "stimulus", "problem")
NUMBERED = ("p_reward_", "expected_reward_", "t_")
WHOLE = ("stimulus", "problem")
TRANSITION = ("choice", "choice2", "state", "common")
PADDING, NO_RESPONSE, DROPPED = 1, 3, 4
Kind = Literal["file", "frame", "published"]
Codes = Mapping[str, Mapping[Any, float]]


@dataclass(frozen=True)
class Declared:
    """What was said about a table.

    Parameters
    ----------
    columns
        Our name to theirs.
    codes
        Our name to their codes and ours.
    task
        What the subjects played.
    rewards
        Values that a reward may have; None: any.
    """

    columns: Mapping[str, str]
    codes: Codes
    task: str
    rewards: Sequence[float] | None = None

    @property
    def two_step(self) -> bool:
        """Whether choices lead to one of two states."""
        return self.task.startswith("two-step")


def cohort_of_table(
    table: Table,
    *,
    task: str,
    source: str,
    columns: Mapping[str, str] | None = None,
    codes: Codes | None = None,
    rewards: Sequence[float] | None = None,
    kind: Kind = "frame",
    derive_common: bool = True,
    attrs: Mapping[str, Any] | None = None,
    coords: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Make a cohort of a table of trials, one row each.

    Parameters
    ----------
    table
        Raw columns and their source.
    task, source, attrs, coords
        See :func:`neuro_metarl.cohort.make_cohort`.
    columns
        Our name to theirs. Names that agree need no entry.
    codes
        Our name to their codes and ours, for example ``{"choice": {"1": 0, "2": 1}}``; -1 for
        choice, state or common: the trial did not count.
    rewards
        Values that a reward may have; None: any.
    kind
        ``"file"``: a lab's own table, in which a subject with fewer than two trials that count, or
        a two-step task without state and common, is refused; ``"frame"``: a table in memory;
        ``"published"``: a format in which it is known what no column says.
    derive_common
        If false, ``common`` is left to :func:`neuro_metarl.door.transitions.with_common`, once all
        sessions of a subject are there.

    Returns
    -------
    xarray.Dataset
        With ``invalid_reason``. The attribute ``common_from`` says how ``common`` was derived,
        where it was; ``undeclared`` names those of ``forced`` and ``valid`` that no column of a
        lab's own table says.

    Raises
    ------
    InputError
        One line that names the source, the row, the column, what was found and what would be right.

    Warns
    -----
    UserWarning
        The choice or the reward of animals is the same on every trial.

    Examples
    --------
    >>> table = Table.of({"rat": ["a"] * 3, "side": ["l", "r", "l"], "reward": [1, 0, 1],
    ...                   "state": [0, 0, 0]}, "rats.csv")
    >>> cohort_of_table(table, task="two-step", source="animal",
    ...                 columns={"subject": "rat", "choice": "side"}).common.values.tolist()
    [[1, 0, 1]]
    """
    if not isinstance(task, str):
        raise InputError(f"task is {task!r}, expected its name, for example 'two-step' or 'bandit'")
    if PLAIN.sub("", task.casefold()).startswith("twostep") and not task.startswith("two-step"):
        raise InputError(f"task is {task!r}; did you mean 'two-step'?")
    _check_mapping("columns", columns, str, "{'choice': 'side1'}")
    _check_mapping("codes", codes, Mapping, "{'choice': {'1': 0, '2': 1}}")
    said = Declared(dict(columns or {}), dict(codes or {}), task, rewards)
    named = _renamed(spread_options(table, said.columns), said)
    _check_needs(named, said, need_state=kind == "file")
    if kind != "published":
        refuse_nearly_ours(named, _ours(said), said.columns.values())
    place = named.source
    subject = decode_labels("subject", named.columns["subject"], place)
    session = (
        decode_labels("session", named.columns["session"], place)
        if "session" in named.columns
        else subject
    )
    if source == "animal":
        check_labels(subject, session, place)
    gaps = kind == "published" or source != "animal"
    values, valid = _decoded(named, said, gaps=gaps)
    check_rewards(values["reward"], valid, said.rewards, place)
    trial = values.pop("trial", None)
    refuse_joined(subject, session, trial, named)
    places = places_of(subject, session, trial, place, has_session="session" in named.columns)
    if kind == "file":
        check_lengths(valid, subject, place)
    told: dict[str, Any] = {}
    alone = "state" in values and "common" not in values and not derive_common
    if said.two_step and {"state", "common"} & set(values) and not alone:
        order = np.lexsort((places.position, places.session))
        found, how = complete_transitions(values, valid, subject, places.session, order, place)
        values |= found
        if how == "derived":
            told["common_from"] = DERIVED
    undeclared = [n for n in ("forced", "valid") if not _says(n, named, said)]
    if undeclared and source == "animal" and kind != "published":
        told["undeclared"] = ", ".join(undeclared)
    check_options(values, valid, place)
    check_times(values, places, place)
    check_variation(named, values, valid, source)
    values["valid"] = valid.astype(int)
    made = _made(values, places, told | dict(attrs or {}), place, coords, task, source,
                 "session" in named.columns)  # fmt: skip
    if source == "animal" and kind != "published":
        check_copies(made, place)
    return made


def _check_mapping(name: str, given: object, values: type, example: str) -> None:
    if given is None or (
        isinstance(given, Mapping) and all(isinstance(v, values) for v in given.values())
    ):
        return
    raise InputError(f"{name} is {given!r}, expected a mapping, for example {name}={example}")


def is_known(name: str) -> bool:
    """Say whether a name is one of a cohort's columns.

    Parameters
    ----------
    name
        Name of a column.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_known("p_reward_0"), is_known("side")
    (True, False)
    """
    return name in (*LABELS, *NUMBERS, *CODED) or name.startswith(NUMBERED)


def may_matter(name: str) -> bool:
    """Say whether the door looks at what stands in a column.

    Parameters
    ----------
    name
        As in the source.

    Returns
    -------
    bool

    Examples
    --------
    >>> may_matter("p_reward"), may_matter("day"), may_matter("weight")
    (True, True, False)
    """
    return is_known(name) or name in PER_OPTION or names_sessions(name)


def _renamed(table: Table, said: Declared) -> Table:
    """Give columns our names; a column that is declared as something keeps no other meaning."""
    place = table.source
    columns = {
        ours: theirs if theirs in table.columns else theirs.strip()
        for ours, theirs in said.columns.items()
        if ours not in PER_OPTION or f"{ours}_0" not in table.columns
    }
    for ours, theirs in columns.items():
        if not is_known(ours) and ours not in PER_OPTION:
            place.refuse(
                f"{ours!r} (for column {theirs!r}) is no name of ours; "
                + did_you_mean(ours, [*LABELS, *NUMBERS, *CODED, "p_reward_0", "t_choice"])
            )
        if theirs not in table.columns:
            place.refuse(
                f"column {theirs!r} (declared as {ours}) is missing; "
                + did_you_mean(theirs, [c for c in table.columns if not c.startswith("{")])
            )
    _refuse_shared(columns, place)
    taken = {*columns.values(), *columns}
    kept = {name: column for name, column in table.columns.items() if name not in taken}
    named = {ours: table.columns[theirs] for ours, theirs in columns.items()} | kept
    return Table(named, replace(place, names={**place.names, **columns}))


def _refuse_shared(columns: Mapping[str, str], place: Source) -> None:
    """Refuse one column that is declared as two things; a subject may be its session."""
    first: dict[str, str] = {}
    for ours, theirs in columns.items():
        if ours in LABELS:
            continue
        if theirs in first:
            place.refuse(
                f"column {theirs!r} is declared as {first[theirs]} and as {ours}; it can be one of "
                "them only"
            )
        first[theirs] = ours


def _ours(said: Declared) -> list[str]:
    """Names that a column may have in this task."""
    two_step = {"state", "common", "choice2", "forced2"}
    return [n for n in (*LABELS, *NUMBERS, *CODED) if said.two_step or n not in two_step]


def _check_needs(table: Table, said: Declared, *, need_state: bool) -> None:
    for name in ("subject", "choice", "reward"):
        _need(table, name)
    if need_state and said.two_step and not {"state", "common"} & set(table.columns):
        _need(table, "state")
    for name in said.codes:
        if name not in table.columns or name in LABELS or not is_known(name):
            takes = [c for c in table.columns if is_known(c) and c not in LABELS]
            table.source.refuse(
                f"codes are declared for {name!r}, which is no column that takes codes; "
                + did_you_mean(name, takes)
            )
    for name in table.columns:
        if name.startswith(("p_reward_", "expected_reward_")) and not OPTION.fullmatch(name):
            table.source.refuse(
                f"column {name!r} is no name of ours: columns of options are numbered, for example "
                "p_reward_0 and p_reward_1"
            )
    if not table.n_rows:
        table.source.refuse("the table holds no trials")


def _need(table: Table, name: str) -> None:
    if name in table.columns:
        return
    shown = [table.source.names.get(c, c) for c in table.columns if not c.startswith("{")]
    other = " (or 'common')" if name == "state" else ""
    lower = {c.lower(): c for c in shown if not is_known(c)}
    near = get_close_matches(name, lower, n=1)
    theirs = lower[near[0]] if near else "THEIRS"
    one = ""
    if name == "subject" and "{file}" in table.columns:
        one = f"; if every file is one animal: {table.source.declare(name, '{file}')}"
    table.source.refuse(
        f"column {name!r}{other} is missing; there are: {', '.join(shown)}; "
        + (f"did you mean {theirs!r}? if so, " if near else "say which it is, for example ")
        + table.source.declare(name, theirs)
        + one
    )


def _decoded(
    table: Table, said: Declared, *, gaps: bool
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Our numbers of every column, and which rows count."""
    place = table.source
    n_options = sum(name.startswith("p_reward_") for name in table.columns) or None
    coded = {
        name: known_codes(
            name,
            column,
            said.codes.get(name),
            place,
            sides=said.two_step,
            n_options=n_options,
            gaps=gaps,
        )
        for name, column in table.columns.items()
        if name in CODED
    }
    valid = _counts(table, coded)
    values: dict[str, np.ndarray] = {}
    for name, column in table.columns.items():
        if name in CODED and name != "valid":
            values[name] = decode(name, column, coded[name], valid, place)
        elif name in NUMBERS or name.startswith(NUMBERED):
            declared = said.codes.get(name, {})
            codes = number_codes(name, declared, place)
            numbers = decode_numbers(name, column, codes, valid, place)
            values[name] = np.where(np.isnan(numbers), -1, numbers) if name in WHOLE else numbers
    if "invalid_reason" in values:
        values["invalid_reason"] = _reasons(values["invalid_reason"], valid, place)
    return values, valid


def _counts(table: Table, coded: Mapping[str, Mapping[str, float]]) -> np.ndarray:
    """Which rows count: as column valid says, else invalid_reason, else the codes of -1."""
    every = np.ones(table.n_rows, bool)
    if "valid" in table.columns:
        valid = decode("valid", table.columns["valid"], coded["valid"], every, table.source)
        return np.asarray(valid == 1)
    if "invalid_reason" in table.columns:
        column = table.columns["invalid_reason"]
        reason = decode("invalid_reason", column, coded["invalid_reason"], every, table.source)
        return np.asarray(reason == 0)
    for name in TRANSITION:
        if name in table.columns and NO_CHOICE in coded[name].values():
            column = table.columns[name]
            none = [coded[name].get(t.lower()) == NO_CHOICE for t in column.texts]
            every &= ~column.per_row(np.array(none))
    return every


def _reasons(reason: np.ndarray, valid: np.ndarray, place: Source) -> np.ndarray:
    wrong = valid & (reason != 0)
    if wrong.any():
        row = int(wrong.argmax())
        place.refuse(
            f"{reason[row]}, but the row is valid; expected 0", row=row, column="invalid_reason"
        )
    return np.where(~valid & (reason == 0), NO_RESPONSE, reason)


def _says(name: str, table: Table, said: Declared) -> bool:
    """Whether a source says which trials were forced, or which did not count."""
    if name == "forced":
        return "forced" in table.columns
    declared = any(-1 in said.codes.get(n, {}).values() for n in TRANSITION)
    return bool({"valid", "invalid_reason"} & set(table.columns)) or declared


def _made(
    values: dict[str, np.ndarray],
    places: Places,
    attrs: Mapping[str, Any],
    place: Source,
    coords: Mapping[str, Any] | None,
    task: str,
    source: str,
    has_session: bool,
) -> xr.Dataset:
    """Spread rows over (session, trial), and columns of options over (..., option)."""
    at = (places.session, places.position)
    options = option_columns(values, place)
    spread = {
        name: _spread(name, column, at, places.shape)
        for name, column in values.items()
        if (name in VARIABLES and VARIABLES[name][0] == TRIAL) or name.startswith("t_")
    }
    for name, columns in options.items():
        parts = [_spread(name, values[c], at, places.shape) for c in columns]
        spread[name] = np.stack(parts, axis=-1)
    there = np.zeros(places.shape, bool)
    there[at] = True
    spread["invalid_reason"] = _all_reasons(spread, there)
    n_options = [len(c) for c in options.values()][:1]
    along = {"option": ("option", np.arange(n_options[0], dtype="int8"))} if n_options else {}
    try:
        return make_cohort(
            spread,
            subject=places.subjects,
            session_id=places.sessions if has_session else None,
            task=task,
            source=source,
            coords={**along, **(coords or {})},
            attrs=_plain_attrs(attrs),
        )
    except InputError as error:
        raise InputError(f"{place.where}: {error}" if place.where else str(error)) from None


def _plain_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in attrs.items()}


def _spread(
    name: str, column: np.ndarray, at: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]
) -> np.ndarray:
    fill = VARIABLES[name][2] if name in VARIABLES else np.nan
    whole = column.dtype.kind in "biu" and np.isfinite(fill)
    table = np.full(shape, fill, dtype=int if whole else float)
    table[at] = column
    return table


def _all_reasons(spread: Mapping[str, np.ndarray], there: np.ndarray) -> np.ndarray:
    """Why each trial is invalid: as given, else no response; gaps are dropped, the end padding."""
    invalid = spread["valid"] == 0
    given = spread.get("invalid_reason", np.zeros(there.shape))
    reason = np.where(invalid & (given == 0), NO_RESPONSE, given)
    follows = there[:, ::-1].cumsum(axis=1)[:, ::-1] > 0
    return np.where(there, reason, np.where(follows, DROPPED, PADDING))
