"""Phase portraits of twins: how each kind of trial moves a preference, from where it stands."""

from __future__ import annotations

import xarray as xr

from neuro_metarl.errors import InputError
from neuro_metarl.plot.style import COLORS, SIZE, Figure, print_style, tidy

__all__ = ["phase_portrait"]

COLUMNS, WIDTH, HEIGHT = 3, 2.6, 2.3


def phase_portrait(portrait: xr.Dataset) -> Figure:
    """Plot the change of the log odds by one trial against the log odds before it.

    Parameters
    ----------
    portrait
        From :func:`neuro_metarl.twins.phase_portrait`.

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each subject, one line for each kind of trial: color says the choice, a solid
        line a reward, and thin lines rare transitions. Where a line crosses 0 the preference comes
        to rest if that kind of trial goes on; there is no line where the twin's unit cannot be.

    Raises
    ------
    InputError
        No phase portrait.

    Examples
    --------
    >>> import numpy as np
    >>> grid = np.linspace(-2, 2, 9)
    >>> lines = np.stack([side - 0.2 * grid for side in (0.3, -1.0, -0.3, 1.0)])
    >>> kinds = [f"choice {c}, {r}" for c in (0, 1) for r in ("unrewarded", "rewarded")]
    >>> portrait = xr.Dataset({"change": (("subject", "trial_kind", "log_odds"), lines[None])},
    ...                       coords={"subject": ["a"], "trial_kind": kinds, "log_odds": grid})
    >>> len(phase_portrait(portrait).axes[0].lines)
    6
    """
    dims = ("subject", "trial_kind", "log_odds")
    if not isinstance(portrait, xr.Dataset) or set(dims) - set(portrait.dims):
        raise InputError(f"no phase portrait: expected 'change' with the dims {', '.join(dims)}")
    change = portrait["change"].transpose(*dims)
    names = [str(name) for name in portrait["subject"].values]
    columns = min(COLUMNS, len(names))
    n_rows = -(-len(names) // columns)
    with print_style():
        figure = Figure(figsize=(WIDTH * columns + 1.6, HEIGHT * n_rows), layout="constrained")
        panels = figure.subplots(n_rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for ax, name, lines in zip(panels, names, change.values, strict=False):
            for level, draw in ((0, ax.axhline), (0, ax.axvline)):
                draw(level, color="0.8", lw=0.6, zorder=0)
            for kind, line in zip(portrait["trial_kind"].values, lines, strict=True):
                ax.plot(portrait["log_odds"].values, line, label=str(kind), **_style(str(kind)))
            ax.set_title(name, fontsize=SIZE)
            tidy(ax)
        for ax in panels[len(names) :]:
            ax.set_visible(False)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False,
                      title="choice, outcome")  # fmt: skip
        figure.supxlabel("log odds of choosing 1, before the trial", fontsize=SIZE)
        figure.supylabel("change by the trial", fontsize=SIZE)
    return figure


def _style(kind: str) -> dict[str, object]:
    """Color by choice, solid where paid, thin where the transition was rare."""
    choice, *middle, outcome = kind.split(", ")
    return {
        "color": COLORS[int(choice[-1])],
        "ls": "-" if outcome == "rewarded" else "--",
        "lw": 0.8 if middle and middle[0][-1] != choice[-1] else 1.6,
    }
