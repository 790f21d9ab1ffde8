"""Tables of trials, one row each: a lab's own file into a cohort, by a declared column map."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from difflib import get_close_matches
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
    "choice2": SIDES,
    "common": FLAGS | {"rare": 0, "uncommon": 0, "common": 1},
    "valid": FLAGS,
    "forced": FLAGS,
    "correct": FLAGS | {"-1": -1},
    "invalid_reason": {str(k): k for k in range(5)},
}
MISSING = {"", "na", "nan", "n/a", "none", "null"}
LABELS = ("subject", "session")
NUMBERS = ("reward", "trial", "stimulus", "problem")
NUMBERED = ("p_reward_", "expected_reward_", "t_")
TRANSITION = ("choice", "state", "common")
NO_RESPONSE = 3
TOO_RARE = 3.0


def read_table(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    codes: Mapping[str, Mapping[str, float]] | None = None,
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
        there: session, trial, valid, invalid_reason, forced, correct, stimulus, problem,
        ``p_reward_0``, ``p_reward_1``, ``t_<event>``.
    codes
        Our column to their codes, for example ``{"choice": {"1": 0, "2": 1}}``. Without them,
        choice and state are 0/1 or left/right (l/r), common is 0/1 or rare/common, flags are 0/1
        or true/false; outside the two-step task choices are 0, 1, 2, ... A code of -1 for choice,
        state or common says that the trial did not count.
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
    if task.startswith("two-step") and not {"state", "common"} & set(frame.columns):
        _need(frame, ("state",), file)
    two_step = task.startswith("two-step")
    for name in codes or {}:
        if name not in frame or name in LABELS:
            raise InputError(
                f"{file}: codes are declared for {name!r}, which is no column that takes codes; "
                + did_you_mean(name, [c for c in frame.columns if _known(c) and c not in LABELS])
            )
    table, valid = _decode(frame, codes, file, two_step=two_step)
    _check_lengths(table, valid, file)
    if two_step:
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
    rows = _rows(file, SEPARATORS[kind])
    if len(rows) < 2:
        raise InputError(f"{file}: holds no trials; expected a header and a row per trial")
    header = rows[0][1]
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise InputError(
                f"{file}, row {number}: {len(row)} cells, but the header has {len(header)} columns"
            )
    if len(header) == 1:
        raise InputError(f"{file}: one column ({header[0]!r}); is the separator {kind} promises?")
    return pd.DataFrame([r for _, r in rows[1:]], columns=header, index=[n for n, _ in rows[1:]])


def _rows(file: Path, separator: str) -> list[tuple[int, list[str]]]:
    """Rows that hold anything, with the numbers that a spreadsheet shows."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as handle:
            every = enumerate(csv.reader(handle, delimiter=separator), start=1)
            rows = [(n, [cell.strip() for cell in row]) for n, row in every if any(row)]
        if any("\0" in cell for _, row in rows for cell in row):
            raise csv.Error
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"{file}: not a text table in UTF-8; save it as CSV UTF-8") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    return rows


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
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    table = frame.map(_as_text).rename(columns=str)
    return table[(table != "").any(axis=1)]


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
        if not _known(ours):
            raise InputError(
                f"{file}: {ours!r} (for column {theirs!r}) is no name of ours; "
                + did_you_mean(ours, [*LABELS, *NUMBERS, *CODES, "p_reward_0", "t_choice"])
            )
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


def _known(name: str) -> bool:
    return name in (*LABELS, *NUMBERS, *CODES) or name.startswith(NUMBERED)


def _need(frame: pd.DataFrame, names: tuple[str, ...], file: Path) -> None:
    for name in names:
        if name not in frame:
            other = " (or 'common')" if name == "state" else ""
            lower = {str(c).lower(): str(c) for c in frame.columns if not _known(c)}
            near = get_close_matches(name, lower, n=1)
            theirs = lower[near[0]] if near else "THEIRS"
            raise InputError(
                f"{file}: column {name!r}{other} is missing; there are: "
                f"{', '.join(frame.columns)}; "
                + (f"did you mean {theirs!r}? if so, " if near else "say which it is, for example ")
                + f"--columns {name}={theirs}"
            )


def _decode(
    frame: pd.DataFrame,
    codes: Mapping[str, Mapping[str, float]] | None,
    file: Path,
    *,
    two_step: bool,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Turn text into our codes and numbers, and say which rows count."""
    table = pd.DataFrame({n: _labels(frame, n, file) for n in LABELS if n in frame})
    known: dict[str, Mapping[str, float]] = dict(CODES)
    if not two_step:
        known["choice"] = _arms(frame["choice"], file) if "choice" not in (codes or {}) else {}
    known |= {k: {str(t).lower(): v for t, v in c.items()} for k, c in (codes or {}).items()}
    valid = _counts(frame, known, file)
    table["valid"] = valid.astype(int)
    for name in frame.columns:
        if name in CODES and name != "valid":
            table[name] = _coded(frame, name, known[name], valid, file)
        elif name in NUMBERS or name.startswith(NUMBERED):
            table[name] = _numbers(frame, name, known.get(name, {}), valid, file)
    if "invalid_reason" in table:
        _check_reasons(table, valid, file)
    return table, valid


def _arms(column: pd.Series, file: Path) -> dict[str, float]:
    """Codes of a task with any number of arms; numbering from 1 must be declared."""
    text = set(_plain(column)) - MISSING - {"-1"}
    numbers = {t: float(t) for t in text if t.isdigit()}
    if numbers and min(numbers.values()) > 0 and len(numbers) == len(text):
        first = min(numbers, key=lambda t: numbers[t])
        raise InputError(
            f"{file}, column 'choice': the lowest code is {first!r}, expected arms numbered from "
            f"0; declare them, for example --codes choice:{first}=0"
        )
    return SIDES | numbers


def _counts(
    frame: pd.DataFrame, known: Mapping[str, Mapping[str, float]], file: Path
) -> np.ndarray:
    """Which rows count: as column valid says, else invalid_reason, else the codes of -1."""
    every = np.ones(len(frame), bool)
    if "valid" in frame:
        return _coded(frame, "valid", known["valid"], every, file) == 1
    if "invalid_reason" in frame:
        return _coded(frame, "invalid_reason", known["invalid_reason"], every, file) == 0
    for name in TRANSITION:
        if name in frame and -1 in known[name].values():
            none = [text for text, code in known[name].items() if code == -1]
            every &= ~_plain(frame[name]).isin(none).to_numpy()
    return every


def _check_reasons(table: pd.DataFrame, valid: np.ndarray, file: Path) -> None:
    reason = table["invalid_reason"].to_numpy()
    wrong = valid & (reason != 0)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{file}, row {table.index[row]}, column 'invalid_reason': {reason[row]}, but the row "
            "is valid; expected 0"
        )
    table["invalid_reason"] = np.where(~valid & (reason == 0), NO_RESPONSE, reason)


def _labels(frame: pd.DataFrame, name: str, file: Path) -> pd.Series:
    empty = frame[name].str.lower().isin(MISSING)
    if empty.any():
        row = frame.index[int(empty.argmax())]
        raise InputError(f"{file}, row {row}, column {name!r}: no value")
    return frame[name].astype(str)


def _plain(column: pd.Series) -> pd.Series:
    """Lower case, and whole numbers without decimals."""
    return column.str.lower().str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True)


def _coded(
    frame: pd.DataFrame, name: str, known: Mapping[str, float], valid: np.ndarray, file: Path
) -> np.ndarray:
    text = _plain(frame[name])
    empty = text.isin(MISSING) & ~text.isin(list(known))
    if name not in ("correct", "invalid_reason"):
        _refuse_missing(frame, name, empty.to_numpy() & valid, file)
    unknown = ~text.isin(list(known)) & ~empty & (valid | (text != "-1"))
    if name in TRANSITION:
        unknown &= valid
    if unknown.any():
        row = int(unknown.argmax())
        raise InputError(
            f"{file}, row {frame.index[row]}, column {name!r}: unknown code "
            f"{frame[name].iloc[row]!r}, expected one of {', '.join(known)}; declare others, for "
            f"example --codes {name}:{frame[name].iloc[row]}=1"
        )
    none = {"forced": 0, "valid": 0, "invalid_reason": 0}.get(name, -1)
    return text.map(dict(known)).fillna(none).to_numpy().astype(int)


def _numbers(
    frame: pd.DataFrame, name: str, known: Mapping[str, float], valid: np.ndarray, file: Path
) -> np.ndarray:
    text = frame[name]
    declared = _plain(text).map(dict(known)).astype(float)
    empty = text.str.lower().isin(MISSING).to_numpy() & declared.isna().to_numpy()
    rest = text.mask(pd.Series(empty, index=text.index) | declared.notna())
    numbers = pd.to_numeric(rest, errors="coerce").fillna(declared).to_numpy(float)
    bad = np.isnan(numbers) & ~empty
    if bad.any():
        row = int(bad.argmax())
        hint = "; a column t_<event> holds times in s" if name.startswith("t_") else ""
        if name == "reward":
            hint = f"; declare it, for example --codes reward:{text.iloc[row]}=1"
        if text.iloc[row].replace(",", "", 1).lstrip("-").isdigit():
            hint = "; write decimals with a point"
        raise InputError(
            f"{file}, row {frame.index[row]}, column {name!r}: {text.iloc[row]!r} is not a number"
            + hint
        )
    if name in ("reward", "trial"):
        _refuse_missing(frame, name, empty & (valid | (name == "trial")), file)
    _check_range(frame, name, numbers, valid, file)
    return np.where(empty, -1, numbers) if name in ("stimulus", "problem") else numbers


def _check_range(
    frame: pd.DataFrame, name: str, numbers: np.ndarray, valid: np.ndarray, file: Path
) -> None:
    bad, right = np.zeros(len(numbers), bool), ""
    if name == "reward":
        bad, right = valid & ~np.isfinite(numbers), "a finite number"
    elif name.startswith("p_reward_"):
        bad, right = (numbers < 0) | (numbers > 1), "a probability from 0 to 1"
    elif name in NUMBERS:
        bad, right = numbers != np.round(numbers), "a whole number"
        bad &= ~np.isnan(numbers)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{file}, row {frame.index[row]}, column {name!r}: {frame[name].iloc[row]!r}, "
            f"expected {right}"
        )


def _refuse_missing(frame: pd.DataFrame, name: str, bad: np.ndarray, file: Path) -> None:
    if not bad.any():
        return
    advice = "; where a trial did not count, say so in a column 'valid' (0)"
    raise InputError(
        f"{file}, row {frame.index[int(bad.argmax())]}, column {name!r}: no value"
        + ("" if name in ("trial", "valid") else advice)
    )


def _check_lengths(table: pd.DataFrame, valid: np.ndarray, file: Path) -> None:
    counts = pd.Series(valid).groupby(table["subject"].to_numpy(), sort=False).sum()
    if counts.min() < 2:
        number = "one trial" if counts.min() else "no trial"
        raise InputError(
            f"{file}: subject {counts.idxmin()!r} holds {number} that counts; nothing can follow "
            "from that, a subject needs at least two"
        )


def _complete_transitions(table: pd.DataFrame, valid: np.ndarray, file: Path) -> None:
    for name in ("choice", "state"):
        beyond = valid & (table[name].to_numpy() > 1) if name in table else np.zeros(1, bool)
        if beyond.any():
            row = int(beyond.argmax())
            raise InputError(
                f"{file}, row {table.index[row]}, column {name!r}: {table[name].iloc[row]}; the "
                "two-step task has 0 and 1"
            )
    if "state" not in table:
        state = np.where(table["common"] == 1, table["choice"], 1 - table["choice"])
        table["state"] = np.where(valid, state, -1)
    if "common" in table:
        _check_common(table[valid], file)
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


def _check_common(counted: pd.DataFrame, file: Path) -> None:
    """Refuse a "common" transition that is clearly the rarer one: raw congruency, most likely."""
    for subject, common in counted.groupby("subject", sort=False)["common"]:
        if common.mean() < 0.5 - TOO_RARE * np.sqrt(0.25 / len(common)):
            raise InputError(
                f"{file}: only {common.mean():.0%} of the transitions of subject {subject!r} are "
                "common; 'common' is relative to the subject's own mapping, not whether choice "
                "and state agree; if it is that, leave it out and give 'state'"
            )
