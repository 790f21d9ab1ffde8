"""``neuro-metarl reproduce``."""

from __future__ import annotations

import sys

from neuro_metarl.cli.text import Several, say

__all__ = ["reproduce"]

FAILED = 1


def reproduce(
    paper: str = "all",
    *,
    quick: bool = False,
    train: bool = False,
    experiments: Several = None,
    agents: int = 4,
    seed: int = 2018,
    broken: bool = False,
    out: str = "scorecard",
) -> None:
    """Measure every published result anew and say which hold: the scorecard.

    Example: neuro-metarl reproduce all --quick

    Example: neuro-metarl reproduce wang2018 --experiments 1 3

    Writes scorecard.html, .csv, .json and .md. Each row is a published result with its source, the
    exact optimum, what separately trained networks show, and a control. The exit code is 1 if a row
    fails.

    Parameters
    ----------
    paper
        wang2016, wang2018 or all.
    quick
        A quarter of the sessions: about a minute with the networks of the package.
    train
        Train all networks anew, with another seed, by the recipes of those of the package.
    experiments
        Only those whose names begin so, for example 1 3
    agents
        With --train: networks of each set, at most.
    seed
        Of the recordings, and, plus one, of the training.
    broken
        Cut the networks' reward input first: rows must fail. A test of the scorecard.
    out
        Folder.
    """
    from pathlib import Path

    from neuro_metarl.errors import InputError
    from neuro_metarl.files import atomic_path, writable_directory
    from neuro_metarl.files.spreadsheets import write_csv
    from neuro_metarl.scorecard.cards import rows_of, score
    from neuro_metarl.scorecard.page import scorecard_markdown, scorecard_page, scorecard_table
    from neuro_metarl.scorecard.stage import Stage, without_reward

    if agents < 1:
        raise InputError(f"agents is {agents}, expected 1 or more")
    wanted = tuple(experiments or ())
    rows_of(paper, wanted)
    folder = Path(out)
    writable_directory(folder)
    stage = Stage(quick, train, seed, agents, without_reward if broken else None)
    scored = score(paper, experiments=wanted, stage=stage, progress=True)
    table = scorecard_table(scored)
    texts = {
        "scorecard.html": scorecard_page(scored, stage),
        "scorecard.md": scorecard_markdown(scored),
        "scorecard.json": table.to_json(orient="records", indent=1),
    }
    for name, text in texts.items():
        with atomic_path(folder / name, overwrite=True) as path:
            path.write_text(text, encoding="utf-8")
    with atomic_path(folder / "scorecard.csv", overwrite=True) as path:
        write_csv(table.round(4), path)
    for one in scored:
        typical, low, high = one.interval()
        row = one.row
        say(f"{one.verdict:6} {row.paper} {row.experiment:32} {row.what:58} "
            f"{typical:8.3f} [{low:.3f}, {high:.3f}] n = {len(one.ours)}")  # fmt: skip
    held = sum(one.holds for one in scored)
    say(f"{held} of {len(scored)} rows hold; {folder / 'scorecard.html'}")
    if held < len(scored):
        sys.exit(FAILED)
