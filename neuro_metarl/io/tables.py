"""Tables of trials, one row each: a lab's own file into a cohort, by a declared column map."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.files import atomic_path
from neuro_metarl.storage import from_dataframe, to_dataframe

__all__ = ["read_table", "write_table"]

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
SIDES = {"0": 0, "1": 1, "l": 0, "r": 1, "left": 0, "right": 1}
FLAGS = {"0": 0, "1": 1, "true": 1, "false": 0}
CODES: dict[str, dict[str, int]] = {
    "choice": SIDES,
    "state": SIDES,
    "common": {"0": 0, "1": 1, "rare": 0, "uncommon": 0, "common": 1},
    "valid": FLAGS,
    "forced": FLAGS,
    "correct": FLAGS | {"-1": -1},
    "invalid_reason": {str(k): k for k in range(5)},
}
MISSING = {"", "na", "nan", "n/a", "none", "null"}
NUMBERS = ("reward", "trial")


def read_table(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    codes: Mapping[str, Mapping[str, int]] | None = None,
    task: str = "two-step",
    source: str = "animal",
    attrs: Mapping[str, str] | None = None,
) -> xr.Dataset:
    r"""Read a table with one row per trial into a cohort.

    Parameters
    ----------
    path
        ``.csv``, ``.tsv`` or ``.txt`` (tabs); ``.xlsx`` and ``.parquet`` with the extra
        ``neuro_metarl[tables]``.
    columns
        Our name to theirs, for example ``{"choice": "side1"}``. Names that agree need no entry.
        Needed: subject, choice, reward, and for the two-step task state or common. Used if
        there: session, trial, valid, forced, correct, ``p_reward_0``, ``p_reward_1``,
        ``t_<event>``.
    codes
        Our column to their codes, for example ``{"choice": {"1": 0, "2": 1}}``. Without them,
        choice and state are 0/1 or left/right (l/r), common is 0/1 or rare/common, flags are 0/1
        or true/false.
    task, source, attrs
        Attributes of the cohort.

    Returns
    -------
    xarray.Dataset
        Rows need not be in one piece per subject. Without ``session`` a subject has one
        session. With ``trial``, gaps in its numbers become invalid trials that the source
        dropped. If ``common`` is missing it is taken from ``state``: the mapping from choice to
        state that is the more frequent in a subject is that subject's common one. If ``state``
        is missing, it is the choice after a common transition and the other one after a rare.

    Raises
    ------
    InputError
        One line that names the file, the row (the header is row 1), the column and the value.

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
    file = Path(path)
    raw = _read_text(file)
    frame = _rename(raw, dict(columns or {}), file)
    _need(frame, ("subject", "choice", "reward"), file)
    if task.startswith("two-step") and not {"state", "common"} & set(frame):
        _need(frame, ("state",), file)
    for name in codes or {}:
        if name not in frame:
            raise InputError(f"{file}: codes are declared for {name!r}, which is no column")
    table, valid = _decode(frame, codes, file)
    _check_lengths(table, file)
    if task.startswith("two-step"):
        _complete_transitions(table, valid, file)
    try:
        return from_dataframe(table, task=task, source=source, attrs=attrs)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def write_table(cohort: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write a cohort's trials as CSV or TSV, in the form that :func:`read_table` reads.

    Parameters
    ----------
    cohort
        A cohort; activity is not written.
    path
        ``.csv`` or ``.tsv``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        Another ending, or a place that cannot be written.

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
    with atomic_path(file) as temporary:
        frame.to_csv(temporary, sep=SEPARATORS[file.suffix.lower()], index=False)
    return file


def _read_text(file: Path) -> pd.DataFrame:
    """Read every cell as the text that stands there."""
    kind = file.suffix.lower()
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    if kind in (".xlsx", ".parquet"):
        return _read_binary(file, kind)
    if kind not in SEPARATORS:
        raise InputError(f"{file}: unknown kind of table; use .csv, .tsv, .xlsx or .parquet")
    try:
        with file.open(encoding="utf-8-sig", newline="") as handle:
            rows = [row for row in csv.reader(handle, delimiter=SEPARATORS[kind]) if row]
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"{file}: not a text table (UTF-8)") from None
    if len(rows) < 2:
        raise InputError(f"{file}: holds no trials; expected a header and a row per trial")
    header = [name.strip() for name in rows[0]]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise InputError(
                f"{file}, row {number}: {len(row)} cells, but the header has {len(header)} columns"
            )
    if len(header) == 1:
        raise InputError(f"{file}: one column ({header[0]!r}); is the separator {kind} promises?")
    return pd.DataFrame([[cell.strip() for cell in row] for row in rows[1:]], columns=header)


def _read_binary(file: Path, kind: str) -> pd.DataFrame:
    try:
        frame = pd.read_excel(file, dtype=object) if kind == ".xlsx" else pd.read_parquet(file)
    except ImportError:
        raise InputError(
            f'{file}: reading {kind} needs an extra: pip install "neuro_metarl[tables]"'
        ) from None
    except Exception as error:
        raise InputError(f"{file}: cannot be read as {kind} ({type(error).__name__})") from None
    if frame.empty:
        raise InputError(f"{file}: holds no trials")
    return frame.map(_as_text).rename(columns=str)


def _as_text(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _rename(raw: pd.DataFrame, columns: dict[str, str], file: Path) -> pd.DataFrame:
    if not raw.columns.is_unique:
        twice = raw.columns[raw.columns.duplicated()][0]
        raise InputError(f"{file}: column {twice!r} appears twice")
    for ours, theirs in columns.items():
        if theirs not in raw:
            raise InputError(
                f"{file}: column {theirs!r} (declared as {ours}) is missing; "
                + did_you_mean(theirs, raw.columns)
            )
    taken = set(columns.values())
    kept = [c for c in raw.columns if c not in taken and c not in columns]
    return pd.DataFrame(
        {ours: raw[theirs] for ours, theirs in columns.items()} | {c: raw[c] for c in kept}
    )


def _need(frame: pd.DataFrame, names: tuple[str, ...], file: Path) -> None:
    for name in names:
        if name not in frame:
            other = " (or 'common')" if name == "state" else ""
            raise InputError(
                f"{file}: column {name!r}{other} is missing; there are: "
                f"{', '.join(frame.columns)}; say which it is, for example --columns {name}=THEIRS"
            )


def _decode(
    frame: pd.DataFrame, codes: Mapping[str, Mapping[str, int]] | None, file: Path
) -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.DataFrame({"subject": _labels(frame, "subject", file)})
    if "session" in frame:
        table["session"] = _labels(frame, "session", file)
    valid = np.ones(len(frame), bool)
    if "valid" in frame:
        table["valid"] = _coded(frame, "valid", codes, valid, file)
        valid = table["valid"].to_numpy() == 1
    for name in frame.columns:
        if name in CODES and name != "valid":
            table[name] = _coded(frame, name, codes, valid, file)
        elif name in NUMBERS or name.startswith(("p_reward_", "t_")):
            table[name] = _numbers(frame, name, valid, file)
    return table, valid


def _labels(frame: pd.DataFrame, name: str, file: Path) -> pd.Series:
    empty = frame[name].str.lower().isin(MISSING)
    if empty.any():
        raise InputError(f"{file}, row {int(empty.argmax()) + 2}, column {name!r}: no value")
    return frame[name].astype(str)


def _coded(
    frame: pd.DataFrame,
    name: str,
    codes: Mapping[str, Mapping[str, int]] | None,
    valid: np.ndarray,
    file: Path,
) -> np.ndarray:
    declared = (codes or {}).get(name)
    known = {str(k).lower(): v for k, v in (declared or CODES[name]).items()}
    text = frame[name].str.lower().str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True)
    optional = name in ("correct", "invalid_reason")
    empty = text.isin(MISSING) & (name not in known)
    _refuse_missing(empty.to_numpy() & valid & (not optional), name, file)
    unknown = ~text.isin(list(known)) & ~empty & (valid | (text != "-1"))
    if declared is None and name in ("choice", "state", "common"):
        unknown &= valid
    if unknown.any():
        row = int(unknown.argmax())
        raise InputError(
            f"{file}, row {row + 2}, column {name!r}: unknown code {frame[name].iloc[row]!r}, "
            f"expected one of {', '.join(known)}; declare others, for example "
            f"--codes {name}:{frame[name].iloc[row]}=1"
        )
    none = {"forced": 0, "valid": 0, "invalid_reason": 0}.get(name, -1)
    return text.map(known).fillna(none).to_numpy().astype(int)


def _numbers(frame: pd.DataFrame, name: str, valid: np.ndarray, file: Path) -> np.ndarray:
    text = frame[name]
    empty = text.str.lower().isin(MISSING).to_numpy()
    numbers = pd.to_numeric(text.mask(pd.Series(empty, index=text.index)), errors="coerce")
    bad = numbers.isna().to_numpy() & ~empty
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{file}, row {row + 2}, column {name!r}: {text.iloc[row]!r} is not a number"
        )
    if name in NUMBERS:
        _refuse_missing(empty & (valid | (name == "trial")), name, file)
    return numbers.to_numpy(float)


def _refuse_missing(bad: np.ndarray, name: str, file: Path) -> None:
    if bad.any():
        raise InputError(
            f"{file}, row {int(bad.argmax()) + 2}, column {name!r}: no value; where a trial did "
            "not count, say so in a column 'valid' (0)"
        )


def _check_lengths(table: pd.DataFrame, file: Path) -> None:
    counts = table["subject"].value_counts()
    if counts.min() < 2:
        raise InputError(
            f"{file}: subject {counts.idxmin()!r} has one trial; nothing can follow from one "
            "trial, a subject needs at least two"
        )


def _complete_transitions(table: pd.DataFrame, valid: np.ndarray, file: Path) -> None:
    for name in ("choice", "state"):
        if name in table and (table[name].to_numpy()[valid] > 1).any():
            row = int((valid & (table[name].to_numpy() > 1)).argmax())
            raise InputError(
                f"{file}, row {row + 2}, column {name!r}: {table[name].iloc[row]}; the two-step "
                "task has 0 and 1"
            )
    if "state" not in table:
        state = np.where(table["common"] == 1, table["choice"], 1 - table["choice"])
        table["state"] = np.where(valid, state, -1)
    if "common" in table:
        return
    same = (table["state"] == table["choice"]).where(valid)
    share = same.astype(float).groupby(table["subject"]).mean()
    for subject, value in share.items():
        if value == 0.5:
            raise InputError(
                f"{file}: subject {subject!r} reached either state equally often after each "
                "choice, so its common transition cannot be told; add a column 'common'"
            )
    congruent = table["subject"].map(share > 0.5)
    table["common"] = np.where(valid, same == congruent, -1).astype(int)
