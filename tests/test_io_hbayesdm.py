"""hBayesDM's layout: a small file in it, and the humans' own where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neuro_metarl.behavior.two_step import stay_probability
from neuro_metarl.errors import InputError
from neuro_metarl.io.formats.hbayesdm import read_hbayesdm

SHARED = Path(__file__).parents[2] / "shared/data/human_twostep_hbayesdm"
ROWS = """subjID trial level1_choice level2_choice reward A1prob A2prob B1prob B2prob
7 2 1 1 1 .7 .4 .3 .5
7 3 1 4 0 .7 .4 .3 .5
7 5 2 3 1 .6 .4 .3 .5
9 1 2 2 0 .7 .4 .3 .5
"""


def written(folder: Path, text: str, name: str = "ts.txt") -> Path:
    path = folder / name
    path.write_text(text.replace(" ", "\t"))
    return path


def test_choices_states_odds_and_gaps(tmp_path: Path) -> None:
    cohort = read_hbayesdm(written(tmp_path, ROWS))
    first = cohort.isel(session=0)
    assert cohort.subject.values.tolist() == ["7", "9"]
    assert first.valid.values.tolist() == [1, 1, 0, 1]
    assert first.invalid_reason.values.tolist() == [0, 0, 4, 0]
    assert first.choice.values.tolist() == [0, 0, -1, 1]
    assert first.state.values.tolist() == [0, 1, -1, 1]
    assert first.choice2.values.tolist() == [0, 1, -1, 0]
    assert first.common.values.tolist() == [1, 0, -1, 1]
    assert first.p_reward.values[3] == pytest.approx([0.6, 0.4, 0.3, 0.5])
    assert cohort.attrs["task"] == "two-step-human"
    assert cohort.attrs["task_config"] == '{"p_common": 0.7}'


def test_reversal(tmp_path: Path) -> None:
    cohort = read_hbayesdm(written(tmp_path, "subjID trial choice outcome\n1 1 2 1\n1 2 1 -1\n"))
    assert cohort.choice.values.tolist() == [[1, 0]]
    assert cohort.reward.values.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROWS.replace("7 3 1 4", "7 3 1 5"), "row 3, column 'level2_choice': got "),
        (ROWS.replace("7 2 1 1 1", "7 2 0 1 1"), "row 2, column 'level1_choice': got "),
        (ROWS.replace("level2_choice", "second"), "columns subjID, trial, level1_choice, second"),
        ("", "cannot be read as a table"),
    ],
)
def test_what_is_not_of_the_layout(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_hbayesdm(written(tmp_path, text))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the humans' files are not here")
def test_eleven_humans() -> None:
    """Stay probabilities pooled over subjects as published with the file."""
    cohort = read_hbayesdm(SHARED / "ts_exampleData.txt")
    stay = stay_probability(cohort)
    n = stay.n.values
    value = np.nansum(stay.stay_probability.sel(statistic="value").values * n, 0) / n.sum(0)
    order = ["common_rewarded", "common_omitted", "rare_rewarded", "rare_omitted"]
    found = dict(zip(stay.term.values.tolist(), value, strict=True))
    assert [found[t] for t in order] == pytest.approx([0.857, 0.596, 0.743, 0.804], abs=0.012)
    assert int((cohort.invalid_reason == 4).sum()) in range(5, 17)
    assert read_hbayesdm(SHARED / "prl_exampleData.txt").sizes["session"] > 1
