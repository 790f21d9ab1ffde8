"""Akam's mice on the two-step task: small experiments in that form (the deposit is not here)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuro_metarl.cohort import responses
from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_akam

CODES = {
    "trial_start": 1, "high_poke": 2, "low_poke": 3, "left_active": 4, "right_active": 5,
    "left_reward": 6, "right_reward": 7, "wait_for_poke_out": 8, "left_poke": 9, "ITI_start": 10,
}  # fmt: skip
# a high poke leads to left: common while the transition state is 1, rare after it reversed
BLOCKS = "0 -1 0 1\n"
TRIALS = (
    "0 1\n100 2\n100 4\n200 9\n200 6\n300 8\n400 10\n"
    "1000 1\n1100 3\n1100 4\n1150 2\n1200 8\n"
)  # fmt: skip
REVERSED = "1300 -1 2 0\n2000 1\n2100 2\n2100 4\n2200 8\n3000 1\n3100 2\n3100 5\n3200 7\n3300 8\n"
SESSION = "Run started\n" + BLOCKS + TRIALS + "# Trial number: 2, Reward number: 1\n" + REVERSED


def experiment(
    folder: Path, *texts: str, kind: str = "pyControl_2", codes: dict[str, Any] | None = None
) -> Path:
    (folder / "data").mkdir(parents=True)
    info = {"event_IDs": CODES if codes is None else codes, "file_type": kind, "info": "a test"}
    (folder / "info.json").write_text(json.dumps(info))
    for k, text in enumerate(texts):
        (folder / "data" / f"m{k}-2015-01-02.txt").write_text(text)
    return folder


def test_common_follows_the_mapping_in_force(tmp_path: Path) -> None:
    cohort = read(experiment(tmp_path / "e", SESSION, SESSION))
    assert cohort.subject.values.tolist() == ["m0", "m1"]
    assert cohort.session_id.values.tolist() == ["m0-2015-01-02", "m1-2015-01-02"]
    assert cohort.choice.values[0].tolist() == [0, 1, 0, 0]
    assert cohort.state.values[0].tolist() == [0, 0, 0, 1]
    assert cohort.common.values[0].tolist() == [1, 0, 0, 1]
    assert cohort.correct.values[0].tolist() == [1, 0, 1, 1]
    assert cohort.reward.values[0].tolist() == [1, 0, 0, 1]
    assert cohort.t_choice.values[0].tolist() == [0.1, 1.1, 2.1, 3.1]
    assert cohort.t_outcome.values[0].tolist() == [0.2, 1.2, 2.2, 3.2]
    assert bool(responses(cohort).all())
    assert set(cohort.species.values) == {"mouse"}
    assert cohort.attrs["task"] == "two-step-akam"
    assert "t_laser" not in cohort


def test_one_session_is_read_where_it_lies(tmp_path: Path) -> None:
    folder = experiment(tmp_path / "e", SESSION, SESSION)
    cohort = read(folder / "data" / "m1-2015-01-02.txt")
    assert cohort.subject.values.tolist() == ["m1"]


def test_the_extra_number_of_pycontrol_1(tmp_path: Path) -> None:
    lines = [line.split(" ", 1) for line in (BLOCKS + TRIALS + REVERSED).splitlines()]
    text = "\n".join(f"{ms} 0 {rest}" for ms, rest in lines)
    mine = read_akam(experiment(tmp_path / "1", text, kind="pyControl_1"))
    other = read_akam(experiment(tmp_path / "2", SESSION))
    assert mine.equals(other)


@pytest.mark.parametrize("ends", [("start_stop", "start_stop"), ("session_start", "session_stop")])
def test_an_arduino_codes_the_reward_state_the_other_way_round(
    tmp_path: Path, ends: tuple[str, str]
) -> None:
    """Left good is 2; the first block is told after the first trial began; the clock runs on."""
    codes = CODES | dict(zip(ends, (20, 20) if ends[0] == ends[1] else (20, 21), strict=True))
    text = "0 1\n10 2\n10 4\n20 6\n" + f"5000 {codes[ends[0]]}\n"
    for line in (TRIALS + REVERSED.replace("-1 2 0", "-1 0 0")).splitlines():
        ms, rest = line.split(" ", 1)
        text += f"{int(ms) + 5000} {rest}\n" + ("5050 -1 2 1\n" if line == "0 1" else "")
    text += f"9000 {codes[ends[1]]}\n9100 1\n9200 2\n9200 4\n"
    mine = read_akam(experiment(tmp_path / "1", text, kind="Arduino", codes=codes))
    other = read_akam(experiment(tmp_path / "2", SESSION))
    assert mine.equals(other)


def test_neutral_blocks_have_no_better_choice(tmp_path: Path) -> None:
    cohort = read_akam(experiment(tmp_path / "e", "0 -1 1 1\n" + TRIALS))
    assert cohort.correct.values.tolist() == [[-1, -1]]
    assert cohort.common.values.tolist() == [[1, 0]]


def test_what_was_not_finished_is_invalid(tmp_path: Path) -> None:
    """A port that lit up without a poke, and a session that ends between choice and outcome."""
    text = BLOCKS + "0 1\n50 5\n60 8\n" + TRIALS[4:] + "4000 1\n4100 3\n4100 5\n"
    cohort = read_akam(experiment(tmp_path / "e", text))
    assert cohort.invalid_reason.values.tolist() == [[4, 0, 0, 3]]
    assert cohort.choice.values.tolist() == [[-1, 0, 1, 1]]
    assert cohort.common.values.tolist() == [[-1, 1, 0, 1]]
    assert np.isnan(cohort.reward.values[0, 3])


def test_a_pair_of_lit_ports_is_two_trials(tmp_path: Path) -> None:
    cohort = read_akam(experiment(tmp_path / "e", BLOCKS + "0 1\n5 2\n5 4\n9 2\n9 5\n20 7\n"))
    assert cohort.valid.values.tolist() == [[0, 1]]


def test_the_laser_belongs_to_the_next_choice(tmp_path: Path) -> None:
    laser = "150 -2 1\n250 -2 0\n300 -2 1\n350 -2 0\n2098 -2 1\n9000 -2 1\n"
    cohort = read_akam(experiment(tmp_path / "e", SESSION + laser))
    assert cohort.t_laser.values[0] == pytest.approx([np.nan, 0.15, np.nan, 2.098], nan_ok=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TRIALS, r"m0-2015-01-02\.txt: no block \(code -1\) tells which mapping"),
        ("0 -1 3 1\n" + TRIALS, r"line 1: a block \(code -1\) ends in \[3, 1\], expected a reward"),
        ("0 -1 1\n" + TRIALS, r"line 1: a block \(code -1\) ends in \[1\], expected"),
        ("1050 -1 0 1\n" + TRIALS, "line 1: the first block begins after the second trial"),
        ("9 -1 0 1\n5 -1 0 0\n" + TRIALS, "the times of the blocks or of the trials run back"),
        (BLOCKS + "0 1\n9 2\n9 4\n20 7\n", "line 5: right_reward, but the other port was active"),
        (BLOCKS + "0 1\n9 2\n", "holds no trials with the codes of info.json"),
        ("nothing", "holds no trials with the codes of info.json"),
    ],
)
def test_sessions_that_are_not_of_the_layout(tmp_path: Path, text: str, message: str) -> None:
    folder = experiment(tmp_path / "e", text)
    with pytest.raises(InputError, match=message) as caught:
        read_akam(folder)
    assert str(caught.value).startswith(str(folder / "data" / "m0-2015-01-02.txt"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ("no JSON", r"info\.json: cannot be read \(JSONDecodeError\)"),
        ("[]", "field 'event_IDs' is not a map"),
        ('{"event_IDs": {"high_poke": "2"}}', "field 'event_IDs' is not a map"),
        ('{"event_IDs": {"high_poke": 2}}', "field 'event_IDs' lacks 'trial_start'"),
        (
            json.dumps({"event_IDs": CODES, "file_type": "pyControl"}),
            "field 'file_type' is 'pyControl', expected one of Arduino, pyControl_1, pyControl_2",
        ),
    ],
)
def test_info_that_is_not_of_the_layout(tmp_path: Path, info: str, message: str) -> None:
    folder = experiment(tmp_path / "e", SESSION)
    (folder / "info.json").write_text(info)
    with pytest.raises(InputError, match=message):
        read(folder)


def test_files_of_another_type_than_they_say(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 3: 2 numbers, expected 'ms 0 code'"):
        read_akam(experiment(tmp_path / "1", SESSION, kind="pyControl_1"))
    with pytest.raises(InputError, match="lacks the event 'session_start' or, after it, 'session"):
        read_akam(experiment(tmp_path / "2", SESSION, kind="Arduino"))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"e: holds no data/m<ID>-<date>\.txt"):
        read(experiment(tmp_path / "e"))
    with pytest.raises(InputError, match=r"info\.json: cannot be read \(FileNotFoundError\)"):
        read_akam(tmp_path / "e" / "data" / "deep" / "m1.txt")
    with pytest.raises(InputError, match=r"m9\.txt: cannot be read \(FileNotFoundError\)"):
        read_akam(tmp_path / "e" / "data" / "m9.txt")
