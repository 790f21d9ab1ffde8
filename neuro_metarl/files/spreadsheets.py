"""Tables of results as text that a spreadsheet shows and does not calculate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["begins_formula", "write_csv"]

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def begins_formula(cell: Any) -> bool:
    """Say whether a spreadsheet would take a text for a formula.

    Parameters
    ----------
    cell
        Anything; numbers, and texts that are numbers, are no formulas.

    Returns
    -------
    bool

    Examples
    --------
    >>> [begins_formula(c) for c in ("=1+1", "-0.5", -0.5, "rat", "@cmd")]
    [True, False, False, False, True]
    """
    if not isinstance(cell, str) or not cell.startswith(FORMULA):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table of results; a text that would be a formula gets an apostrophe before it.

    Parameters
    ----------
    frame
        The table; its index is left out.
    path
        The file.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> file = Path(tempfile.mkdtemp(), "t.csv")
    >>> write_csv(pd.DataFrame({"subject": ["=HYPERLINK(1)", "rat"], "n": [-1, 2]}), file)
    >>> file.read_text().splitlines()
    ['subject,n', "'=HYPERLINK(1),-1", 'rat,2']
    """
    guarded = frame.rename(columns=_guard)
    for k, kind in enumerate(guarded.dtypes):
        if kind.kind not in "biufcmM":
            guarded.isetitem(k, [_guard(cell) for cell in guarded.iloc[:, k]])
    guarded.to_csv(path, index=False)


def _guard(cell: Any) -> Any:
    return f"'{cell}" if begins_formula(cell) else cell
