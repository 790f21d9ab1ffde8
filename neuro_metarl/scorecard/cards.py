"""The whole scorecard: which rows there are, and how they are scored."""

from __future__ import annotations

from collections.abc import Sequence

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.progress import progress_bar
from neuro_metarl.scorecard.row import Row, Scored
from neuro_metarl.scorecard.stage import Stage
from neuro_metarl.scorecard.wang2016 import ROWS_2016
from neuro_metarl.scorecard.wang2018 import ROWS_2018

__all__ = ["PAPERS", "rows_of", "score"]

PAPERS: dict[str, tuple[Row, ...]] = {
    "wang2016": ROWS_2016,
    "wang2018": ROWS_2018,
    "all": ROWS_2016 + ROWS_2018,
}


def rows_of(paper: str, experiments: Sequence[str] = ()) -> tuple[Row, ...]:
    """Choose rows.

    Parameters
    ----------
    paper
        ``"wang2016"``, ``"wang2018"`` or ``"all"``.
    experiments
        Beginnings of their names, such as ``"3"``; none: all.

    Returns
    -------
    tuple of Row

    Raises
    ------
    InputError
        There are none.

    Examples
    --------
    >>> [row.what for row in rows_of("wang2016", ["3"])]
    ['reward in 5 trials']
    """
    if paper not in PAPERS:
        raise InputError(f"no paper {paper!r}; {did_you_mean(paper, PAPERS)}")
    rows = PAPERS[paper]
    if experiments:
        rows = tuple(row for row in rows if row.experiment.startswith(tuple(experiments)))
    if not rows:
        known = dict.fromkeys(row.experiment for row in PAPERS[paper])
        raise InputError(f"no experiment {', '.join(experiments)}; there are {', '.join(known)}")
    return rows


def score(
    paper: str = "all",
    *,
    experiments: Sequence[str] = (),
    stage: Stage | None = None,
    progress: bool = False,
) -> list[Scored]:
    """Measure every published result anew, beside its optimum and its control.

    Parameters
    ----------
    paper, experiments
        See :func:`rows_of`.
    stage
        Where networks play; default: those of the package, at full length.
    progress
        Show progress on standard error.

    Returns
    -------
    list of Scored
        One per row.

    Examples
    --------
    >>> scored, = score("wang2016", experiments=["3"], stage=Stage(quick=True))
    >>> scored.verdict, round(float(scored.ours.mean()), 1), len(scored.ours)
    ('holds', 20.5, 8)
    """
    stage = Stage() if stage is None else stage
    rows, found = rows_of(paper, experiments), []
    with progress_bar("scoring", len(rows), shown=progress) as show:
        for done, row in enumerate(rows, 1):
            found.append(row.score(stage))
            show(done, row.experiment)
    return found
