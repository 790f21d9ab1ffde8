"""Tables of trials, one row each: a lab's own file into a cohort, by a declared column map."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from neuro_metarl.door.rows import cohort_of_table
from neuro_metarl.errors import InputError
from neuro_metarl.files import atomic_path
from neuro_metarl.files.spreadsheets import begins_formula
from neuro_metarl.io.sources import table_of
from neuro_metarl.storage import to_dataframe

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table", "write_table"]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
Path_ = str | os.PathLike[str]


def read_table(
    path: Path_ | Sequence[Path_],
    *,
    columns: Mapping[str, str] | None = None,
    codes: Mapping[str, Mapping[Any, float]] | None = None,
    task: str = "two-step",
    source: str = "animal",
    rewards: Sequence[float] | None = None,
    attrs: Mapping[str, str] | None = None,
    **reading: Any,
) -> xr.Dataset:
    r"""Read a table with one row per trial into a cohort.

    Parameters
    ----------
    path
        A file, several, or a folder of them: ``.csv``, ``.tsv``, ``.txt``, ``.json``, ``.mat``, or
        ``.xlsx`` and ``.parquet`` with the extra ``neuro_metarl[tables]``; see
        :func:`neuro_metarl.io.sources.table_of`.
    columns
        Our name to theirs, for example ``{"choice": "side1"}``. Names that agree need no entry.
        ``{file}`` and ``{folder}`` stand for the name of a file without its ending and of its
        folder, for example ``{"subject": "{file}"}`` where each file is one animal. Needed:
        subject, choice, reward, and for the two-step task state or common. Used if there: session,
        trial, valid, invalid_reason, forced, choice2, forced2, correct, stimulus, problem,
        ``p_reward_0``, ``p_reward_1``, ``t_<event>``.
    codes
        Our column to their codes, for example ``{"choice": {"1": 0, "2": 1}}``. Without them,
        choice and state are 0/1 or left/right (l/r), common is 0/1 or rare/common, flags are 0/1,
        true/false or yes/no, a reward is a number or true/false; outside the two-step task choices
        are 0, 1, 2, ... A code of -1 for choice, state or common says that the trial did not count.
    task, source, attrs
        Attributes of the cohort.
    rewards
        Values that a reward may have, for example ``(0, 1)``; None: any number.
    **reading
        ``sheet``, ``separator``, ``decimal``, ``header``: how the file is written, see
        :func:`neuro_metarl.io.sources.table_of`.

    Returns
    -------
    xarray.Dataset
        Rows need not be in one piece per subject. Without ``session`` a subject has one
        session. With ``trial``, gaps in its numbers become invalid trials that the source
        dropped; without it, the rows of a session must stand together. If ``common`` is missing
        it is taken from ``state``: the mapping from choice to state that is the more frequent in a
        subject is that subject's common one, which is tested for reversals within and between
        sessions (:mod:`neuro_metarl.door.transitions`). If ``state`` is missing, it is the choice
        after a common transition and the other one after a rare.

    Raises
    ------
    InputError
        One line that names the file, the row (the header is row 1), the column and the value: an
        unknown code (all of them are named), no value where a trial counts, more choices than
        options, odds of some options of a trial only, times that fall within a session, shuffled
        rows, a mapping that reverses or cannot be told, codes after which nothing varies.

    Warns
    -----
    UserWarning
        The choice or the reward is the same on every trial of the file.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rats.csv"
    >>> _ = path.write_text("rat,side,port,won\na,l,l,1\na,r,l,0\na,l,l,1\n")
    >>> cohort = read_table(
    ...     path, columns={"subject": "rat", "choice": "side", "state": "port", "reward": "won"})
    >>> cohort.common.values.tolist()
    [[1, 0, 1]]
    """
    table = table_of(path, columns=columns, **reading)
    return cohort_of_table(
        table,
        task=task,
        source=source,
        columns=columns,
        codes=codes,
        rewards=rewards,
        kind="file",
        attrs=attrs,
    )


def write_table(
    cohort: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a cohort's trials as CSV or TSV, in the form that :func:`read_table` reads.

    Parameters
    ----------
    cohort
        A cohort; activity is not written.
    path
        ``.csv`` or ``.tsv``.
    overwrite
        Replace a table of this form that is there. Other files are never replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        Another ending, a place that cannot be written, or something that is there already.

    Examples
    --------
    >>> import tempfile
    >>> from neuro_metarl.cohort import make_cohort
    >>> cohort = make_cohort({"choice": [[0, 1]], "reward": [[1, 0]]},
    ...                      subject=["a"], task="bandit", source="animal")
    >>> path = write_table(cohort, tempfile.mkdtemp() + "/trials.csv")
    >>> print(path.read_text().splitlines()[0])
    subject,session,trial,choice,reward,valid,forced
    """
    file = Path(path)
    if file.suffix.lower() not in (".csv", ".tsv"):
        raise InputError(f"{file}: write a table to a name that ends in .csv or .tsv")
    frame = to_dataframe(cohort)
    for name in frame.select_dtypes("float").columns:
        shortest = [str(v).removesuffix(".0") for v in frame[name].to_numpy()]
        frame[name] = ["" if text == "nan" else text for text in shortest]
    _warn_of_formulas(frame)
    with atomic_path(file, foreign=foreign_table, overwrite=overwrite) as temporary:
        frame.to_csv(temporary, sep=SEPARATORS[file.suffix.lower()], index=False)
    return file


def _warn_of_formulas(frame: pd.DataFrame) -> None:
    """Names stay as they are, so that the table comes back as it was; a spreadsheet would not."""
    for column in ("subject", "session"):
        for name in dict.fromkeys(frame[column]):
            if begins_formula(name):
                warnings.warn(
                    f"{column} {name!r} begins like a formula: open the table in a spreadsheet by "
                    "importing this column as text, or rename it",
                    UserWarning,
                    stacklevel=3,
                )
                return


def foreign_table(path: Path) -> str:
    """Say why a file is no table of :func:`write_table`, which can be known by its columns."""
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as stream:
            names = stream.readline(100_000).strip().replace("\t", ",").split(",")
        if names[:3] == ["subject", "session", "trial"] and {"valid", "forced"} <= set(names):
            return ""
    return "is there already, and is not a table that was written from a cohort"
