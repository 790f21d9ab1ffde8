"""Plain tables of any kind of file, one or many, by one function."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from neuro_metarl.door.order import PARTS
from neuro_metarl.door.table import Column, Source, Style, Table
from neuro_metarl.errors import InputError
from neuro_metarl.io.event_log import EventGrammar, read_event_log
from neuro_metarl.io.json_tables import LINES, read_json_table
from neuro_metarl.io.matlab_tables import read_matlab_table
from neuro_metarl.io.records import Declared
from neuro_metarl.io.text_tables import SEPARATORS, read_text_table
from neuro_metarl.io.workbooks import read_parquet, read_workbook

__all__ = ["KINDS", "OPTIONS", "files_of", "table_of"]

Path_ = str | os.PathLike[str]

WORKBOOKS = (".xlsx", ".xlsm")
KINDS = (*SEPARATORS, *WORKBOOKS, ".parquet", ".json", *LINES, ".mat")
HAVE: dict[str, tuple[str, ...]] = {
    "sheet": WORKBOOKS,
    "separator": tuple(SEPARATORS),
    "decimal": tuple(SEPARATORS),
    "header": (*SEPARATORS, *WORKBOOKS, ".json", ".mat"),
}
OPTIONS = (*HAVE, "grammar")
USABLE = ".csv, .tsv, .txt, .xlsx, .parquet, .json, .jsonl or .mat"
WAYS_OUT = {
    **dict.fromkeys((".xls", ".xlsb", ".ods", ".numbers"), "save it as .xlsx or .csv"),
    **dict.fromkeys((".rda", ".rdata", ".rds"), "in R, write.csv(trials, 'trials.csv')"),
    **dict.fromkeys((".sav", ".por"), "in SPSS, export it as .csv or .xlsx"),
    **dict.fromkeys((".dta", ".sas7bdat"), "export it as .csv"),
    **dict.fromkeys(
        (".pkl", ".pickle", ".joblib"),
        "opening it could run anything that is in it; where you trust it, load it in Python and "
        "write the table with to_csv",
    ),
    **dict.fromkeys((".npy", ".npz"), "it names no columns; write them to a .csv"),
    **dict.fromkeys((".feather", ".arrow"), "write it as .parquet"),
    **dict.fromkeys((".gz", ".zip", ".7z", ".tar", ".bz2", ".xz", ".rar"), "unpack it first"),
    **dict.fromkeys((".nc", ".zarr", ".nix"), "cohorts are read one by one"),
    **dict.fromkeys((".h5", ".hdf5"), "write the table as .csv or .parquet"),
}
BESIDE = (
    "", ".md", ".pdf", ".png", ".jpg", ".jpeg", ".svg", ".tif", ".doc", ".docx", ".py", ".ipynb",
    ".m", ".r", ".rmd", ".yaml", ".yml", ".toml", ".html", ".css", ".avi", ".mp4",
)  # fmt: skip
BEGINS: dict[bytes, tuple[str, tuple[str, ...]]] = {
    b"PK\x03\x04": ("a workbook (.xlsx) or another zip archive", WORKBOOKS),
    b"\xd0\xcf\x11\xe0": ("an old workbook (.xls); save it as .xlsx", ()),
    b"PAR1": ("a Parquet file", (".parquet",)),
    b"\x89HDF": ("an HDF5 file (MATLAB 7.3, NWB or netCDF)", (".mat",)),
    b"MATLAB": ("a MATLAB file", (".mat",)),
    b"\x1f\x8b": ("packed; unpack it first", ()),
    b"%PDF-": ("a PDF", ()),
}


def table_of(
    path: Path_ | Sequence[Path_],
    *,
    columns: Mapping[str, str] | None = None,
    sheet: str | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    header: int | bool | None = None,
    grammar: EventGrammar | None = None,
    style: Style = "command",
) -> Table:
    r"""Read a plain table, as raw as it stands there.

    Parameters
    ----------
    path
        A file, several, or a folder of files of one kind: ``.csv``, ``.tsv``, ``.txt``, ``.xlsx``,
        ``.parquet``, ``.json``, ``.jsonl`` or ``.mat``. Files of a folder come in the order of
        their names, in which 10 follows 9.
    columns
        What is declared of them, our name to theirs; tells which of several variables in a JSON
        or MATLAB file are meant.
    sheet
        Sheet of a workbook, see :func:`neuro_metarl.io.workbooks.read_workbook`.
    separator, decimal
        Of text, see :func:`neuro_metarl.io.text_tables.read_text_table`.
    header
        Row of the names, from 1; False where there are none: then columns are "1", "2", ...
    grammar
        How a log of events is written, see :mod:`neuro_metarl.io.event_log`; then files may have
        any ending.
    style
        See :class:`neuro_metarl.door.table.Source`.

    Returns
    -------
    Table
        Has two columns more: ``{file}``, the name of each row's file without its ending (with its
        folder where two files share a name), and ``{folder}``, the name of its folder. Rows of
        several files know their file (``m1.csv row 5``); where nothing says ``session``, each file
        is one, and each record that holds a list of trials (column ``{record}``).

    Raises
    ------
    InputError
        One line: the file, what is wrong, and the way out.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "m1.tsv").write_text("choice\treward\n0\t1\n")
    >>> _ = (folder / "m2.tsv").write_text("choice\treward\n1\t1\n")
    >>> table = table_of(folder)
    >>> table.columns["{file}"].text().tolist(), table.source.rows.tolist()
    (['m1', 'm2'], ['m1.tsv row 2', 'm2.tsv row 2'])
    """
    files = files_of(path, logs=grammar is not None)
    declared = Declared(dict(columns or {}))

    def read(file: Path) -> Table:
        if grammar is not None:
            return read_event_log(file, grammar, style=style)
        return _read(file, declared, sheet, separator, decimal, header, style)

    where = str(path) if isinstance(path, (str, os.PathLike)) else f"{len(files)} files"
    table = joined(files, read, where)
    part = next((n for n in PARTS if n in table.columns and _tells(table.columns[n])), None)
    if part is not None and declared.needs_session(list(table.columns)):
        return replace(table, columns={**table.columns, "session": table.columns[part]})
    return table


def _tells(column: Column) -> bool:
    return len(column.levels) > 1


def files_of(path: Path_ | Sequence[Path_], *, logs: bool = False) -> list[Path]:
    """List the files that a path, several, or a folder stand for.

    Parameters
    ----------
    path
        A file, several files, or a folder.
    logs
        Whether files of a folder may have any ending.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    InputError
        There is no such file, one twice, or a folder holds no tables or several kinds.

    Examples
    --------
    >>> files_of(["a.csv", "a.csv"])
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: a.csv: there is no such file
    """
    if not isinstance(path, (str, os.PathLike)):
        files = [Path(each) for each in path]
        if not files:
            raise InputError("an empty list of files; give at least one")
        for file in files:
            if not file.is_file():
                what = "is a folder; list files" if file.is_dir() else "there is no such file"
                raise InputError(f"{file}: {what}")
        seen = [file.resolve() for file in files]
        twice = [file for k, file in enumerate(files) if seen[k] in seen[:k]]
        if twice:
            raise InputError(f"{twice[0]}: stands twice in the list of files")
        return files
    file = Path(path)
    if file.is_dir():
        return _files_in(file, logs=logs)
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    return [file]


def _files_in(folder: Path, *, logs: bool) -> list[Path]:
    """List the tables in a folder, or else in the folders within it."""
    found = [
        file
        for file in sorted(folder.rglob("*"), key=_natural)
        if file.is_file()
        and not any(part.startswith((".", "~$")) for part in file.relative_to(folder).parts)
        and file.suffix.lower() not in BESIDE
    ]
    if not found:
        raise InputError(f"{folder}: a folder without tables; expected files in {USABLE}")
    kinds = [file.suffix.lower() for file in found]
    if len(set(kinds)) > 1 or (kinds[0] not in KINDS and not logs):
        counted = ", ".join(f"{kinds.count(k)} {k}" for k in dict.fromkeys(kinds))
        raise InputError(
            f"{folder}: a folder with {counted}; give the files that are meant as a list"
            if len(set(kinds)) > 1
            else f"{folder}: a folder with {counted}, which are no tables; {_way_out(kinds[0])}"
        )
    depths = {len(file.relative_to(folder).parts) for file in found}
    if len(depths) > 1:
        deep = max(found, key=lambda file: len(file.parts))
        raise InputError(
            f"{folder}: tables lie in it and in folders within it ({deep.relative_to(folder)}); "
            "give the files that are meant as a list"
        )
    return found


def _natural(path: Path) -> list[Any]:
    """Order by names in which 10 follows 9."""
    parts = re.split(r"([0-9]+)", str(path))
    return [
        (int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in parts
    ]


def _way_out(kind: str) -> str:
    return WAYS_OUT.get(kind, f"use {USABLE}")


def _read(
    file: Path,
    declared: Declared,
    sheet: str | None,
    separator: str | None,
    decimal: str | None,
    header: int | bool | None,
    style: Style,
) -> Table:
    kind = file.suffix.lower()
    if kind not in KINDS:
        raise InputError(f"{file}: unknown kind of table; {_way_out(kind)}")
    if not file.stat().st_size:
        raise InputError(f"{file}: is empty; it holds no trials")
    _refuse_other_content(file, kind)
    asked = {"sheet": sheet, "separator": separator, "decimal": decimal, "header": header}
    for option, value in asked.items():
        if value is not None and kind not in HAVE[option]:
            raise InputError(
                f"{file}: {option}={value!r}, but only {', '.join(HAVE[option])} have it"
            )
    if kind in WORKBOOKS:
        return read_workbook(file, sheet=sheet, header=header, style=style)
    if kind == ".parquet":
        return read_parquet(file, style=style)
    if kind in (".json", *LINES):
        return read_json_table(file, declared, header=header, style=style)
    if kind == ".mat":
        return read_matlab_table(file, declared, header=header, style=style)
    return read_text_table(file, separator=separator, decimal=decimal, header=header, style=style)


def _refuse_other_content(file: Path, kind: str) -> None:
    """Refuse a file whose ending says another thing than its first bytes."""
    with file.open("rb") as handle:
        start = handle.read(8)
    for mark, (what, kinds) in BEGINS.items():
        if start.startswith(mark) and kind not in kinds:
            raise InputError(f"{file}: by its content not {kind} but {what}")


def joined(files: Sequence[Path], read: Callable[[Path], Table], where: str) -> Table:
    """Read files and put their rows one after the other.

    Parameters
    ----------
    files
        Files, at least one.
    read
        Reads one.
    where
        What they are called together.

    Returns
    -------
    Table
        With the columns ``{file}`` and ``{folder}``.

    Raises
    ------
    InputError
        Files with different columns.

    Examples
    --------
    >>> table = joined([Path("rats/m1.csv")], lambda file: Table.of({"choice": [0, 1]}, "m1"), "")
    >>> table.columns["{folder}"].texts
    ['rats']
    """
    tables = _records_of(files, [read(file) for file in files])
    first = tables[0]
    for file, table in zip(files[1:], tables[1:], strict=True):
        _check_same_columns(first, table, files[0], file)
    lengths = [table.n_rows for table in tables]
    columns = {name: _stacked([table.columns[name] for table in tables]) for name in first.columns}
    which = np.repeat(np.arange(len(files)), lengths)
    columns["{file}"] = Column(which, tuple(_names(files)))
    columns["{folder}"] = Column(which, tuple(file.absolute().parent.name for file in files))
    source = first.source
    if len(files) > 1:
        labels = _names(files, ending=True)
        rows = np.array(
            [
                f"{label} {table.source.word} {row}"
                for label, table in zip(labels, tables, strict=True)
                for row in table.source.rows
            ],
            dtype=object,
        )
        source = Source(where, rows, "file", source.style)
    return Table(columns, source)


def _records_of(files: Sequence[Path], tables: list[Table]) -> list[Table]:
    """Call the records of several files by their file and number."""
    if len(files) == 1 or not any("{record}" in table.columns for table in tables):
        return tables
    numbered = []
    for name, table in zip(_names(files), tables, strict=True):
        record = table.columns.get("{record}", Column(np.zeros(table.n_rows, int), (1,)))
        told = replace(record, levels=tuple(f"{name} {number}" for number in record.levels))
        numbered.append(replace(table, columns={**table.columns, "{record}": told}))
    return numbered


def _check_same_columns(first: Table, other: Table, path: Path, file: Path) -> None:
    for name in first.columns:
        if name not in other.columns:
            raise InputError(f"{file}: column {name!r} is missing, which {path.name} has")
    for name in other.columns:
        if name not in first.columns:
            raise InputError(f"{file}: has a column {name!r}, which {path.name} has not")


def _stacked(columns: Sequence[Column]) -> Column:
    """Put columns one after the other; equal values become one level."""
    if len(columns) == 1:
        return columns[0]
    levels: dict[Any, int] = {}
    coded = []
    for column in columns:
        keys = [(type(v), str(v) if v != v else v) for v in column.levels]
        places = np.array([levels.setdefault(key, len(levels)) for key in keys], dtype=np.int64)
        coded.append(places[column.level])
    values = [float("nan") if kind is float and v == "nan" else v for kind, v in levels]
    return Column(np.concatenate(coded), tuple(values))


def _names(files: Sequence[Path], *, ending: bool = False) -> list[str]:
    """Name files by as much of their path as tells them apart."""
    plain = [file.name if ending else file.stem for file in files]
    if len(set(plain)) == len(files):
        return plain
    depth = 2
    while True:
        longer = ["/".join(file.absolute().parts[-depth:]) for file in files]
        named = longer if ending else [str(Path(name).with_suffix("")) for name in longer]
        if len(set(named)) == len(files):
            return named
        if depth > max(len(file.absolute().parts) for file in files):
            return longer
        depth += 1
