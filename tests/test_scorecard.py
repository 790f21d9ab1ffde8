"""The scorecard: verdicts follow from their rules, a broken agent turns its rows red."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neuro_metarl.agents.zoo import list_agents
from neuro_metarl.cli import main
from neuro_metarl.errors import InputError
from neuro_metarl.scorecard.cards import PAPERS, rows_of, score
from neuro_metarl.scorecard.page import scorecard_markdown, scorecard_page, scorecard_table
from neuro_metarl.scorecard.row import DIGITIZED, DIRECTION, READ, REMEMBERED, Row
from neuro_metarl.scorecard.stage import Stage, without_reward

ROOT = Path(__file__).parents[1]
TWO_CORES = ("risky-choice", "risky-choice-variable")
ROW = Row(
    "wang2016", "0: planted", "a number", "above 1", DIRECTION, "2", "above 1 and the control",
    lambda stage: np.array([1.5, 2.5, 2.0]),
    lambda ours, control: bool(ours.min() > max(1, control.max())), "zeros",
    lambda stage: np.zeros(2), "two-step", "wang2016_fig2_bandits",
)  # fmt: skip


def test_a_verdict_follows_from_networks_and_control() -> None:
    scored = ROW.score(Stage())
    assert scored.verdict == "holds"
    typical, low, high = scored.interval()
    # Student's t with 2 degrees of freedom: 4.3027 * .5 / sqrt(3)
    assert (typical, low, high) == pytest.approx((2, 2 - 1.2421, 2 + 1.2421), abs=1e-3)
    worse = replace(ROW, control=lambda stage: np.array([1.8])).score(Stage())
    assert worse.verdict == "fails"
    with pytest.raises(InputError, match="source is 'I think'"):
        replace(ROW, source="I think")


def test_every_row_names_what_is_there() -> None:
    for row in PAPERS["all"]:
        assert row.agents in [*list_agents(), *TWO_CORES], row.what
        assert (ROOT / "analyses" / f"{row.figure}.py").exists(), row.figure
        assert (ROOT / "figures" / f"{row.figure}.png").exists(), row.figure
        assert row.paper in PAPERS
        assert row.published
        assert row.wanted
        assert row.control_is
        # a number is called published only where it was read or digitized
        if row.source in (DIRECTION, REMEMBERED):
            assert not any(sign.isdigit() for sign in row.published), row.published
        else:
            assert row.source in (READ, DIGITIZED)
    assert len({(row.experiment, row.what) for row in PAPERS["all"]}) == len(PAPERS["all"])


def test_rows_are_chosen_by_paper_and_experiment() -> None:
    assert set(PAPERS["all"]) == set(rows_of("wang2016")) | set(rows_of("wang2018"))
    assert {row.experiment[0] for row in rows_of("wang2018", ["1", "3"])} == {"1", "3"}
    with pytest.raises(InputError, match="no paper 'wang2017'; did you mean"):
        rows_of("wang2017")
    with pytest.raises(InputError, match="no experiment 9; there are figure 1: two arms, "):
        rows_of("wang2018", ["9"])


def test_pages_say_what_was_found() -> None:
    fails = replace(ROW, what="<b>", control=lambda stage: np.array([9.0]))
    scored = [ROW.score(Stage()), fails.score(Stage())]
    table = scorecard_table(scored)
    assert table.verdict.tolist() == ["holds", "fails"]
    assert table[["least", "greatest", "n"]].values[0].tolist() == [1.5, 2.5, 3]
    page = scorecard_page(scored, Stage(quick=True))
    assert "1 of 2 rows hold" in page
    assert "&lt;b&gt;" in page
    assert "direction only" in page
    assert scorecard_markdown(scored).count("\n") == 4


def test_the_table_of_the_readme_is_the_scorecard() -> None:
    """Made by ``neuro-metarl reproduce all --quick``: the same rows, in the same order."""
    lines = [line for line in (ROOT / "README.md").read_text().splitlines() if "| holds |" in line]
    assert len(lines) == len(PAPERS["all"])
    for line, row in zip(lines, PAPERS["all"], strict=True):
        assert f"{row.experiment}: {row.what}" in line


CHEAP = ["1: independent", "1: foraging", "5: two-step"]


def test_broken_agents_turn_their_rows_red() -> None:
    """The reward input is cut; controls are spared."""
    intact = score(experiments=CHEAP, stage=Stage(quick=True))
    assert [one.verdict for one in intact] == ["holds"] * 4
    broken = score(experiments=CHEAP, stage=Stage(quick=True, breaks=without_reward))
    assert [one.verdict for one in broken] == ["fails"] * 4
    for one, two in zip(intact, broken, strict=True):
        assert np.array_equal(one.control, two.control)


def test_the_command_writes_and_says_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "card"
    wanted = ["reproduce", "wang2016", "--quick", "--experiments", "3", "--out", str(out)]
    main(wanted)
    assert "1 of 1 rows hold" in capsys.readouterr().out
    assert pd.read_csv(out / "scorecard.csv").verdict.tolist() == ["holds"]
    assert json.loads((out / "scorecard.json").read_text())[0]["n"] == 8
    assert "1 of 1 rows hold" in (out / "scorecard.html").read_text()
    with pytest.raises(SystemExit) as stopped:
        main([*wanted, "--broken"])
    assert stopped.value.code == 1
    assert "broken on purpose" in (out / "scorecard.html").read_text()
    with pytest.raises(SystemExit) as stopped:
        main(["reproduce", "wang2017"])
    assert stopped.value.code == 2


@pytest.mark.slow
def test_all_rows_hold_and_those_that_rest_on_reward_fail_without_it() -> None:
    assert all(one.holds for one in score(stage=Stage(quick=True)))
    for one in score(stage=Stage(quick=True, breaks=without_reward)):
        assert one.holds != one.row.rests_on_reward, (one.row.experiment, one.row.what)
