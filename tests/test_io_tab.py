"""Miller's rats on the drifting bandit: small files in that form (the deposit is not here)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from neuro_metarl.cohort import responses
from neuro_metarl.errors import InputError
from neuro_metarl.io import read, read_tab


def rat(name: str = "r1", **changes: Any) -> dict[str, Any]:
    """Two sessions of three and two trials: a violation, and an instructed trial."""
    fields = {
        "ratname": name, "sides": "lvrrl", "rewards": [1, 0, 1, 0, 1], "trial_types": "fflfr",
        "new_sess": [1, 0, 0, 1, 0], "left_prob1": [0.8, 0.8, 0.7, 0.5, 0.4],
        "right_prob1": [0.2, 0.2, 0.3, 0.5, 0.6],
    }  # fmt: skip
    return {k: v for k, v in (fields | changes).items() if v is not None}


def written(folder: Path, content: Any) -> Path:
    path = folder / "tab_dataset.json"
    path.write_text(json.dumps(content))
    return path


def test_choices_sessions_and_odds(tmp_path: Path) -> None:
    cohort = read(written(tmp_path, [rat(), rat("r2", sides=list("lvrrl"))]))
    assert cohort.session_id.values.tolist() == ["r1/0", "r1/1", "r2/0", "r2/1"]
    assert cohort.choice.values[:2].tolist() == [[0, -1, 1], [1, 0, -1]]
    assert cohort.choice.values[2:].tolist() == cohort.choice.values[:2].tolist()
    assert cohort.reward.values[0].tolist() == [1, 0, 1]
    assert cohort.correct.values[:2].tolist() == [[1, -1, 0], [-1, 0, -1]]
    assert cohort.p_reward.values[1, 1] == pytest.approx([0.4, 0.6])
    assert set(cohort.species.values) == {"rat"}


def test_violations_and_instructed_trials(tmp_path: Path) -> None:
    cohort = read_tab(written(tmp_path, [rat()]))
    assert cohort.invalid_reason.values.tolist() == [[0, 2, 0], [0, 0, 1]]
    assert cohort.forced.values.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert responses(cohort).values.tolist() == [[True, False, False], [True, False, False]]


def test_the_first_trial_begins_a_session_whatever_is_said(tmp_path: Path) -> None:
    cohort = read_tab(written(tmp_path, [rat(new_sess=[0, 0, 0, 1, 0])]))
    assert cohort.session_id.values.tolist() == ["r1/0", "r1/1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([rat(sides="lxrrl")], "rat 'r1', trial 1: field 'sides' is 'x', expected one of l, r, v"),
        ([rat(sides=[0, 1, 0, 1, 0])], "trial 0: field 'sides' is 0, expected"),
        ([rat(sides=3)], "field 'sides' holds no letters"),
        ([rat(trial_types="ff?ff")], r"trial 2: field 'trial_types' is '\?', expected one of f, "),
        ([rat(trial_types="fff")], "field 'trial_types' has 3 values, 'sides' has 5"),
        ([rat(rewards=[1, 0, 2, 0, 1])], "trial 2: field 'rewards' is 2, expected 0 or 1"),
        ([rat(rewards=[1, 0, None, 0, 1])], "trial 2: field 'rewards' is nan, expected 0 or 1"),
        ([rat(rewards=["x"] * 5)], "field 'rewards' is not a list of numbers"),
        ([rat(rewards=1)], "field 'rewards' is not a list of numbers"),
        ([rat(left_prob1=[80] * 5)], "field 'left_prob1' is 80, expected a probability"),
        ([rat(new_sess=[1])], "field 'new_sess' has 1 values"),
        ([rat(), rat("r2", new_sess=None)], "rat 1: field 'new_sess' is missing"),
        ([rat(), rat()], "rat 'r1' appears twice; expected one object per rat"),
        ([3], "rat 0: field 'ratname' is missing"),
        ([], "holds no list of rats"),
        ({"a": 1}, "holds no list of rats"),
    ],
)
def test_what_is_not_of_the_layout(tmp_path: Path, content: Any, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=message) as caught:
        read_tab(path)
    assert str(caught.value).startswith(str(path))


def test_files_that_are_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.json: there is no such file"):
        read_tab(tmp_path / "nothing.json")
    (tmp_path / "text.json").write_text("no JSON")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        read_tab(tmp_path / "text.json")
