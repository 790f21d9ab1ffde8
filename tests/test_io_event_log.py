"""Logs of events: trials counted by a plain loop, and every line that is not understood named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuro_metarl.errors import InputError
from neuro_metarl.io import EventGrammar, read
from neuro_metarl.io.sources import table_of

GRAMMAR = EventGrammar(
    line=r"(?P<time>\S+) +(?P<event>\w+)( (?P<value>\S+))?",
    begins="start",
    events={"choice": {"left": "l", "right": "r"}, "reward": {"water": 1, "noise": 0}},
    values={"p_reward_0": "odds"},
    times={"t_choice": ("left", "right"), "t_outcome": "water"},
    absent={"choice": "none"},
    ignored=("lick",),
)


def put(folder: Path, text: str, name: str = "m1.log") -> Path:
    (folder / name).write_text(text)
    return folder / name


trial = st.fixed_dictionaries({
    "choice": st.sampled_from(["left", "right", None]),
    "outcome": st.sampled_from(["water", "noise", None]),
    "odds": st.sampled_from([0.2, 0.8, None]),
    "licks": st.integers(0, 3),
})  # fmt: skip


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(trials=st.lists(trial, min_size=1, max_size=8), unit=st.sampled_from([1.0, 0.001]))
def test_a_row_per_trial(trials: list[dict], unit: float, tmp_path: Path) -> None:
    clock, lines, rows = 0, ["# a comment", "5 lick"], []
    expected: dict[str, list[str]] = {
        k: [] for k in ("choice", "reward", "p_reward_0", "t_choice", "t_outcome")
    }

    def log(event: str) -> int:
        nonlocal clock
        clock += 7
        lines.append(f"{clock} {event}")
        return clock

    for each in trials:
        log("start")
        rows.append(len(lines))
        lines.append("")
        if each["odds"]:
            log(f"odds {each['odds']}")
        choice = log(each["choice"]) if each["choice"] else None
        outcome = log(each["outcome"]) if each["outcome"] else None
        for _ in range(each["licks"]):
            log("lick")
        water = outcome if each["outcome"] == "water" else None
        expected["choice"].append({"left": "l", "right": "r", None: "none"}[each["choice"]])
        expected["reward"].append({"water": "1", "noise": "0", None: ""}[each["outcome"]])
        expected["p_reward_0"].append(str(each["odds"] or ""))
        for name, time in (("t_choice", choice), ("t_outcome", water)):
            seconds = "" if time is None else f"{time * unit:.9f}".rstrip("0").rstrip(".")
            expected[name].append(seconds)
    lines[1] = "0 lick"
    path = put(tmp_path, "\n".join(lines))
    table = table_of(path, grammar=replace(GRAMMAR, unit_s=unit))
    found = {name: c.text().tolist() for name, c in table.columns.items() if "{" not in name}
    assert found == expected
    assert (table.source.word, table.source.rows.tolist()) == ("line", rows)


LOG = "1 start\n2 left\n3 water\n4 start\n5 right\n6 noise\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            LOG + "7 pole\n8 pipe\n9 pole\n",
            r"line 7: events that are named nowhere: 'pole', 'pipe'",
        ),
        (LOG + "garbage\n", "line 7: 'garbage' is not of the form"),
        (LOG + "x left\n", "line 7: the time is 'x', expected a number"),
        (LOG + "nan left\n", "line 7: the time is 'nan'"),
        (LOG + "5 lick\n", "line 7: the time is 5 s after 6 s"),
        (LOG + "7 left\n", "line 7: event 'left' is a second one for 'choice'.*begins on line 4"),
        ("1 left\n", "holds no trials: no event 'start'; there are: left"),
        ("\n# nothing\n", "holds no trials: no event 'start'; there are: none"),
    ],
)
def test_lines_that_are_not_understood(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        table_of(put(tmp_path, text), grammar=GRAMMAR)
    assert "\n" not in str(caught.value)


def test_several_events_for_a_column(tmp_path: Path) -> None:
    path = put(tmp_path, LOG + "7 left\n")
    for repeated, side, time in (("first", "r", "5"), ("last", "l", "7")):
        table = table_of(path, grammar=replace(GRAMMAR, repeated=repeated))
        assert table.columns["choice"].text().tolist() == ["l", side]
        assert table.columns["t_choice"].text().tolist() == ["2", time]


def test_logs_of_several_sessions(tmp_path: Path) -> None:
    put(tmp_path, LOG, "d1.log")
    put(tmp_path, LOG + "7 start\n8 left\n9 noise\n", "d2.log")
    grammar = replace(GRAMMAR, values={})
    cohort = read(tmp_path, grammar=grammar, columns={"subject": "{folder}"}, task="bandit")
    assert cohort.session_id.values.tolist() == ["d1", "d2"]
    assert cohort.choice.values.tolist() == [[0, 1, -1], [0, 1, 0]]
    assert cohort.t_outcome.values[0, 0] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"line": "("}, r"no regular expression"),
        ({"line": "(?P<time>x)(?P<event>y)"}, r"has no group \(\?P<value>"),
        ({"unit_s": 0}, "expected seconds above 0"),
        ({"repeated": "all"}, "expected refuse, first or last"),
        ({"values": {"choice": "odds"}}, "column 'choice' is declared twice"),
        ({"absent": {"state": 0}}, "no events are declared for it"),
    ],
)
def test_grammars_that_say_nothing(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(GRAMMAR, **changes)
