"""Blanco-Pozo's mice on the two-step task: small pyControl files (the deposit is not here)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neuro_metarl.cohort import concat_cohorts, responses
from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_blanco_pozo

HEAD = """I Experiment name  : two_step
I Task name : two_step_task
I Subject ID  : m7
I Start date : 2019/01/02 10:11:12

S {'init_trial': 1, 'choose_left': 2, 'choose_right': 3, 'reward_cue': 4, 'no_reward_cue': 5}

E {'poke_4': 6, 'session_timer': 7}

"""
# left-up, right-up, left-down, right-down
TRIALS = [
    "C:1 S:1 O:1 CA:0.5 B:UA CT:FC", "C:0 S:1 O:0 CA:0.5 B:DA CT:R",
    "C:1 S:0 O:1 CA:None B:NB CT:FC", "C:0 S:0 O:1 CA:None B:UB CT:FC",
]  # fmt: skip


def session(*trials: str, head: str = HEAD, numbers: tuple[int, ...] = (1, 2, 3, 4)) -> str:
    text = head
    for k, trial in enumerate(trials or TRIALS):
        ms = 1000 * k
        choice, outcome = (2 if "C:1" in trial else 3), (4 if "O:1" in trial else 5)
        laser = "P 250 Stimulation ON - ss_cue - freq:20\n" if k == 0 else ""
        text += f"D {ms} 1\nD {ms + 100} 6\nD {ms + 200} {choice}\n{laser}D {ms + 500} {outcome}\n"
        text += f"P {ms + 900} T#:{numbers[k]} R#:1 B#:1 {trial} TS:4.5\n"
    return text + "D 9000 7\nV -1 iti [2, 4]\n"


def written(folder: Path, text: str, name: str = "m7-2019-01-02-101112.txt") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_choices_states_and_what_is_common(tmp_path: Path) -> None:
    cohort = read(written(tmp_path, session()))
    assert cohort.subject.values.tolist() == ["m7"]
    assert cohort.session_id.values.tolist() == ["m7-2019-01-02-101112"]
    assert cohort.choice.values.tolist() == [[0, 1, 0, 1]]
    assert cohort.state.values.tolist() == [[0, 0, 1, 1]]
    assert cohort.common.values.tolist() == [[1, 0, 1, 0]]
    assert cohort.correct.values.tolist() == [[1, 1, -1, 1]]
    assert cohort.reward.values.tolist() == [[1, 0, 1, 1]]
    assert cohort.forced.values.tolist() == [[0, 1, 0, 0]]
    assert responses(cohort).values.tolist() == [[True, False, True, True]]
    assert cohort.species.values.tolist() == ["mouse"]


def test_times_and_the_laser(tmp_path: Path) -> None:
    cohort = read_blanco_pozo(written(tmp_path, session()))
    assert cohort.t_choice.values.tolist() == [[0.2, 1.2, 2.2, 3.2]]
    assert cohort.t_outcome.values.tolist() == [[0.5, 1.5, 2.5, 3.5]]
    assert cohort.t_laser.values[0] == pytest.approx([0.25, np.nan, np.nan, np.nan], nan_ok=True)


def test_a_gap_in_the_numbers_is_a_dropped_trial(tmp_path: Path) -> None:
    cohort = read_blanco_pozo(written(tmp_path, session(numbers=(1, 2, 4, 5))))
    assert cohort.invalid_reason.values.tolist() == [[0, 0, 4, 0, 0]]


def test_sessions_are_joined(tmp_path: Path) -> None:
    paths = [written(tmp_path, session(), f"m7-{day}.txt") for day in "12"]
    assert concat_cohorts([read(path) for path in paths]).sizes["session"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (session("C:2 S:1 O:1 B:UA CT:FC"), r"line 15: field 'C' is '2', expected 1 \(left\) or"),
        (session("C:1 S:1 O:1 B:[] CT:None"), r"field 'B' is '\[\]', expected U, N or D and A or"),
        (session("C:1 S:1 O:1 B:UA CT:X"), r"field 'CT' is 'X', expected FC \(free\), L or R"),
        (session("C:1 S:1 O:1 B:UA"), "field 'CT' is missing"),
        (session("C:1 S:1 O:1 B:LA CT:FC RL:LR"), "field 'RL' is 'LR', expected UD: what left"),
        (session(numbers=(1, 1, 2, 3)), "trial"),
        (HEAD, "holds no trials"),
        (session().replace("Subject ID", "Subject"), "no line 'I Subject ID : ...' names the"),
        (session().replace("S {", "S ["), "line 6: S holds no map of states to codes"),
        (session().replace("S {", "S 1 #"), "line 6: S holds no map of states to codes"),
    ],
)
def test_what_is_not_of_the_layout(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        read_blanco_pozo(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"m1\.txt: cannot be read \(FileNotFoundError\)"):
        read_blanco_pozo(tmp_path / "m1.txt")
