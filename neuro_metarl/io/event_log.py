r"""Logs of events, one line each, into a table with one row per trial.

Many rigs write no table but a log: a line for each thing that happened. Such a file is read once it
is declared how a line is written and what the events mean. For example ``<ms> :<event>``:

>>> import tempfile
>>> log = '''# box 2
... 1000 :trial_start
... 1850 :poke_left
... 1900 :water
... 5000 :trial_start
... 5700 :poke_right
... 9000 :trial_start
... 9400 :poke_right
... 9450 :water
... 9990 :house_light
... '''
>>> file = Path(tempfile.mkdtemp(), "m1.log")
>>> _ = file.write_text(log)

Say the form of a line as a regular expression with the groups ``time`` and ``event``, the unit of
time, the event that begins a trial, and for each column which event stands for which value. Water
is logged only where it came, so a trial without it has the reward 0; events that mean nothing here
are named too, so that a new one never passes unseen:

>>> grammar = EventGrammar(
...     line=r"(?P<time>\d+) :(?P<event>\w+)",
...     unit_s=0.001,
...     begins="trial_start",
...     events={
...         "choice": {"poke_left": "left", "poke_right": "right"},
...         "reward": {"water": 1},
...     },
...     absent={"reward": 0},
...     times={"t_choice": ("poke_left", "poke_right")},
...     ignored=("house_light",),
... )
>>> table = read_event_log(file, grammar)
>>> {name: column.text().tolist() for name, column in table.columns.items()}
{'choice': ['left', 'right', 'right'],
 'reward': ['1', '0', '1'],
 't_choice': ['1.85', '5.7', '9.4']}

The same goes through the door as every table does: one log is one session, and its name is the
animal's here (``{file}``):

>>> from neuro_metarl.io import read
>>> cohort = read(file, grammar=grammar, columns={"subject": "{file}"}, task="bandit")
>>> cohort.choice.values.tolist(), cohort.reward.values.tolist(), str(cohort.subject.values[0])
([[0, 1, 1]], [[1.0, 0.0, 1.0]], 'm1')

A log with values (``12.5 odds_left 0.8``) has a third group ``value``; ``values={"p_reward_0":
"odds_left"}`` then fills a column with them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from neuro_metarl.door.table import Style, Table
from neuro_metarl.errors import InputError
from neuro_metarl.io.text_tables import text_of

__all__ = ["EventGrammar", "read_event_log"]

SHOWN = 12


@dataclass(frozen=True)
class EventGrammar:
    r"""How a log of events is written, and what its events mean.

    Parameters
    ----------
    line
        Regular expression of a whole line, with the named groups ``time`` and ``event`` and maybe
        ``value``. Spaces around a line do not matter.
    begins
        Event that begins a trial. Events before the first belong to no trial.
    events
        Column to what each event stands for in it: ``{"choice": {"poke_left": "left"}}``.
    values
        Column to the event whose value it takes.
    times
        Column (``t_<event>``) to the event, or the events, whose time it takes, in s.
    absent
        Column to its value in a trial without any of its events; a column that is not named is
        empty there.
    ignored
        Events that mean nothing for the table. An event that is named nowhere is refused.
    unit_s
        Unit of time in s: 0.001 where the log counts milliseconds.
    repeated
        Where a trial has several events for one column (licks): ``"first"``, ``"last"``, or
        ``"refuse"``.
    skip
        Regular expression of the beginning of lines that are no events; blank ones never are.

    Raises
    ------
    InputError
        No regular expression, or one without ``time`` and ``event``; a unit that is not positive.

    Examples
    --------
    >>> EventGrammar(line=r"(?P<time>\d+)", begins="start")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: line=...: has no group (?P<event>...)
    """

    line: str
    begins: str
    events: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    absent: Mapping[str, Any] = field(default_factory=dict)
    ignored: Collection[str] = ()
    unit_s: float = 1.0
    repeated: Literal["refuse", "first", "last"] = "refuse"
    skip: str = r"#|%|//"

    def __post_init__(self) -> None:
        for name, pattern in (("line", self.line), ("skip", self.skip)):
            try:
                re.compile(pattern)
            except re.error as error:
                raise InputError(f"{name}={pattern!r}: no regular expression ({error})") from None
        groups = re.compile(self.line).groupindex
        for group in ("time", "event", *(["value"] if self.values else [])):
            if group not in groups:
                raise InputError(f"line={self.line!r}: has no group (?P<{group}>...)")
        if not self.unit_s > 0:
            raise InputError(f"unit_s={self.unit_s!r}, expected seconds above 0 (0.001: ms)")
        if self.repeated not in ("refuse", "first", "last"):
            raise InputError(f"repeated={self.repeated!r}, expected refuse, first or last")
        columns = self.columns
        twice = [name for name in columns if columns.count(name) > 1]
        if twice:
            raise InputError(f"column {twice[0]!r} is declared twice in events, values and times")
        for name in self.absent:
            if name not in columns:
                raise InputError(f"absent={{{name!r}: ...}}, but no events are declared for it")

    @property
    def columns(self) -> list[str]:
        """Columns of the table."""
        return [*self.events, *self.values, *self.times]

    @property
    def known(self) -> set[str]:
        """Events that are named anywhere."""
        timed = [e for v in self.times.values() for e in ((v,) if isinstance(v, str) else v)]
        mapped = [event for meaning in self.events.values() for event in meaning]
        return {self.begins, *self.ignored, *self.values.values(), *timed, *mapped}

    def meanings(self, event: str, time_s: float, value: str | None) -> dict[str, Any]:
        """Give what an event says of each column."""
        said: dict[str, Any] = {c: m[event] for c, m in self.events.items() if event in m}
        said |= {column: value for column, wanted in self.values.items() if event == wanted}
        for column, wanted in self.times.items():
            if event == wanted or (not isinstance(wanted, str) and event in wanted):
                said[column] = time_s
        return said


def read_event_log(path: Path, grammar: EventGrammar, *, style: Style = "command") -> Table:
    """Read a log of events as a table with one row per trial; see the module for how to.

    Parameters
    ----------
    path
        Text file.
    grammar
        How it is written.
    style
        See :class:`neuro_metarl.door.table.Source`.

    Returns
    -------
    Table
        Rows are named by the line on which the trial begins.

    Raises
    ------
    InputError
        A line that is not of the declared form, an event that is named nowhere, a time that runs
        backward, a trial with several events for one column, no trials; the message names the line.

    Examples
    --------
    >>> read_event_log(Path("m1.log"), EventGrammar(r"(?P<time>.*) (?P<event>.*)", "start"))
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: m1.log: cannot be read (No such file or directory)
    """
    lines = _lines(path, grammar)
    _refuse_unknown(lines, grammar, path)
    _refuse_backward(lines, path)
    starts: list[int] = []
    trials: list[dict[str, Any]] = []
    for number, time_s, event, value in lines:
        if event == grammar.begins:
            starts.append(number)
            trials.append({})
        if not trials:
            continue
        for column, said in grammar.meanings(event, time_s, value).items():
            if column in trials[-1] and grammar.repeated == "refuse":
                raise InputError(
                    f"{path}, line {number}: event {event!r} is a second one for {column!r} in the "
                    f"trial that begins on line {starts[-1]}; say repeated='first' or 'last'"
                )
            if column not in trials[-1] or grammar.repeated == "last":
                trials[-1][column] = said
    if not trials:
        there = ", ".join(list(dict.fromkeys(event for _, _, event, _ in lines))[:SHOWN])
        raise InputError(
            f"{path}: holds no trials: no event {grammar.begins!r}; there are: {there or 'none'}"
        )
    columns = {c: [t.get(c, grammar.absent.get(c)) for t in trials] for c in grammar.columns}
    return Table.of(columns, str(path), rows=np.array(starts), word="line", style=style)


Line = tuple[int, float, str, str | None]


def _lines(path: Path, grammar: EventGrammar) -> list[Line]:
    """Take each line apart: number, time in s, event, value."""
    form, skip = re.compile(grammar.line), re.compile(grammar.skip)
    found: list[Line] = []
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        text = line.strip()
        if not text or (grammar.skip and skip.match(text)):
            continue
        match = form.fullmatch(text)
        if match is None:
            raise InputError(
                f"{path}, line {number}: {text[:40]!r} is not of the form {grammar.line}; correct "
                "line=, or name how lines begin that are no events with skip="
            )
        parts = match.groupdict()
        try:
            time_s = float(parts["time"]) * grammar.unit_s
        except (TypeError, ValueError):
            raise InputError(
                f"{path}, line {number}: the time is {parts['time']!r}, expected a number"
            ) from None
        if not np.isfinite(time_s):
            raise InputError(f"{path}, line {number}: the time is {parts['time']!r}")
        found.append((number, round(time_s, 9), parts["event"], parts.get("value")))
    return found


def _refuse_unknown(lines: list[Line], grammar: EventGrammar, path: Path) -> None:
    known = grammar.known
    unknown = {event: number for number, _, event, _ in reversed(lines) if event not in known}
    if unknown:
        names = sorted(unknown, key=lambda event: unknown[event])
        shown = ", ".join(repr(name) for name in names[:SHOWN])
        raise InputError(
            f"{path}, line {unknown[names[0]]}: events that are named nowhere: {shown}"
            f"{', ...' if len(names) > SHOWN else ''}; say what they mean in events=, or list them "
            "in ignored="
        )


def _refuse_backward(lines: list[Line], path: Path) -> None:
    for (_, before, _, _), (number, time_s, _, _) in pairwise(lines):
        if time_s < before:
            raise InputError(
                f"{path}, line {number}: the time is {time_s:g} s after {before:g} s on the line "
                "before; expected one session in order of time"
            )
