"""The scorecard as a table and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from neuro_metarl.scorecard.row import Scored
from neuro_metarl.scorecard.stage import Stage

__all__ = ["scorecard_markdown", "scorecard_page", "scorecard_table"]

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; vertical-align: top; padding: 5px 8px; border-bottom: 1px solid #ddd; }
.holds { color: #00704a; font-weight: 600; } .fails { color: #b00020; font-weight: 600; }
.small { color: #555; }
"""
HEADS = (
    "experiment", "what is measured", "published", "optimum", "ours (95 % interval over networks)",
    "control", "holds when", "verdict",
)  # fmt: skip


def scorecard_table(scored: Sequence[Scored]) -> pd.DataFrame:
    """Lay the scorecard out, a row for each published result.

    Parameters
    ----------
    scored
        What :func:`neuro_metarl.scorecard.score` gave.

    Returns
    -------
    pandas.DataFrame
        Columns paper, experiment, what, published, source, optimum, ours, low, high, least,
        greatest, n, control_is, control, n_control, wanted, verdict, agents, figure. ``ours`` is
        the typical network, the interval that of Student's t over networks on the scale without
        limits; ``least`` and ``greatest`` are single networks, none left out.

    Examples
    --------
    >>> from neuro_metarl.scorecard import Stage, score
    >>> table = scorecard_table(score("wang2016", experiments=["3"], stage=Stage(quick=True)))
    >>> table[["what", "n", "verdict"]].values.tolist()
    [['reward in 5 trials', 8, 'holds']]
    """
    rows = []
    for one in scored:
        row, (typical, low, high) = one.row, one.interval()
        rows.append({
            "paper": row.paper, "experiment": row.experiment, "what": row.what,
            "published": row.published, "source": row.source, "optimum": row.optimum,
            "ours": typical, "low": low, "high": high, "least": one.ours.min(),
            "greatest": one.ours.max(), "n": len(one.ours), "control_is": row.control_is,
            "control": float(np.mean(one.control)), "n_control": len(one.control),
            "wanted": row.wanted, "verdict": one.verdict, "agents": row.agents,
            "figure": row.figure,
        })  # fmt: skip
    return pd.DataFrame(rows)


def scorecard_markdown(scored: Sequence[Scored]) -> str:
    """Write the scorecard as a table of a README.

    Parameters
    ----------
    scored
        What :func:`neuro_metarl.scorecard.score` gave.

    Returns
    -------
    str

    Examples
    --------
    >>> scorecard_markdown([]).splitlines()[0]
    '| result | published | optimum | networks (n) | control | |'
    """
    lines = [
        "| result | published | optimum | networks (n) | control | |",
        "|---|---|---|---|---|---|",
    ]
    for one in scored:
        row = one.row
        lines.append(
            f"| {row.paper[-4:]}, {row.experiment}: {row.what} "
            f"| {row.published}{_mark(row.source)} "
            f"| {row.optimum} | {_ours(one)} ({len(one.ours)}) "
            f"| {number(float(np.mean(one.control)))}, {row.control_is} | {one.verdict} |"
        )
    return "\n".join(lines) + "\n"


def scorecard_page(scored: Sequence[Scored], stage: Stage) -> str:
    """Write the scorecard as one HTML page.

    Parameters
    ----------
    scored
        What :func:`neuro_metarl.scorecard.score` gave.
    stage
        Where it was measured.

    Returns
    -------
    str
        HTML that needs nothing else; figures are named with the script that draws them.

    Examples
    --------
    >>> scorecard_page([], Stage())[:15]
    '<!doctype html>'
    """
    held = sum(one.holds for one in scored)
    played = "trained anew for this page" if stage.train else "that come with the package"
    length = "a quarter of the sessions (quick)" if stage.quick else "the full number of sessions"
    broken = "<p class='fails'>The networks were broken on purpose.</p>" if stage.breaks else ""
    body = "\n".join(_html_row(one) for one in scored)
    head = "".join(f"<th>{escape(h)}</th>" for h in HEADS)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Scorecard</title><style>{STYLE}</style></head>
<body><h1>Wang et al. 2016 and 2018, result by result</h1>
<p><b>{held} of {len(scored)} rows hold.</b> Networks {played}, {length}, seed {stage.seed}. No
network is left out: n is the number of separately trained networks, and the range is that of single
ones.</p>
{broken}
<p class="small">"Direction only" means that the paper's numbers could not be read: only the
direction is compared. Optima are exact where they say so. A row's control must differ, or be
beaten, as the column "holds when" says; the verdict is that rule's and no one's opinion.</p>
<table><tr>{head}</tr>
{body}
</table></body></html>
"""


def _html_row(one: Scored) -> str:
    row = one.row
    drawn = f"analyses/{row.figure}.py, figures/{row.figure}.png"
    cells = (
        f"{escape(row.paper[-4:])}, {escape(row.experiment)}",
        f"{escape(row.what)}<br><span class='small'>{escape(drawn)}</span>",
        f"{escape(row.published)}<br><span class='small'>{escape(row.source)}</span>",
        escape(row.optimum),
        f"{_ours(one)}<br><span class='small'>n = {len(one.ours)}, single networks "
        f"{number(one.ours.min())} to {number(one.ours.max())}</span>",
        f"{number(float(np.mean(one.control)))}<br><span class='small'>{escape(row.control_is)}, "
        f"n = {len(one.control)}</span>",
        escape(row.wanted),
        f"<span class='{one.verdict}'>{one.verdict}</span>",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _ours(one: Scored) -> str:
    typical, low, high = one.interval()
    if not np.isfinite(low):
        return number(typical)
    return f"{number(typical)} ({number(low)} to {number(high)})"


def number(value: float) -> str:
    """Write a number with three digits.

    Parameters
    ----------
    value
        Any.

    Returns
    -------
    str

    Examples
    --------
    >>> number(0.98765), number(16.6667), number(float("nan"))
    ('0.988', '16.7', 'none')
    """
    if not np.isfinite(value):
        return "none"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.3g}"


def _mark(source: str) -> str:
    return f" ({source.split(':', maxsplit=1)[0].split(',')[0]})"
