"""Plain tables in MATLAB files: variables, a struct of vectors, a struct array, a cell array."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neuro_metarl.door.table import Style, Table
from neuro_metarl.errors import InputError
from neuro_metarl.io.grids import table_of_rows
from neuro_metarl.io.matlab5 import Opaque, fields_of_matlab5, is_matlab5, read_matlab5
from neuro_metarl.io.matlab73 import is_hdf5, read_matlab73
from neuro_metarl.io.records import Declared, table_of_records

__all__ = ["fields_of_matlab", "read_matlab_table"]

PUBLISHED = (
    "none of the published MATLAB files (ratdatas, dataset, all_stats, data.dynamicForaging)"
)
EXPORT = {
    "string": "cellstr({name})",
    "categorical": "cellstr({name})",
    "datetime": "cellstr(string({name}))",
    "table": "table2struct({name}, 'ToScalar', true)",
    "timetable": "table2struct(timetable2table({name}), 'ToScalar', true)",
}
FEW_LETTERS = 5
SHOWN = 12


def fields_of_matlab(path: str | os.PathLike[str]) -> dict[str, tuple[str, ...]]:
    """List the variables of a MATLAB file and the fields of those that are structs.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    dict
        Of a cell array of structs, the fields of its first; empty for a file that is not MATLAB's.

    Raises
    ------
    InputError
        The file is damaged.

    Examples
    --------
    >>> fields_of_matlab(__file__)
    {}
    """
    file = Path(path)
    state = file.stat()
    return _fields_of_file(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _fields_of_file(file: Path, changed_ns: int, size: int) -> dict[str, tuple[str, ...]]:
    """Every reader of MATLAB files asks; what did not change is opened once."""
    if is_matlab5(file):
        return {name: tuple(fields) for name, fields in fields_of_matlab5(file).items()}
    return _fields_of_hdf5(file) if is_hdf5(file) else {}


def _fields_of_hdf5(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        with h5py.File(path) as file:
            return {name: _fields(file[name], file) for name in file}
    except Exception:
        return {}


def _fields(node: Any, file: h5py.File) -> tuple[str, ...]:
    if isinstance(node, h5py.Group):
        return tuple(node)
    if h5py.check_ref_dtype(node.dtype) is h5py.Reference:
        held = (file[r] for r in np.ravel(node[()]) if r)
        return next((tuple(g) for g in held if isinstance(g, h5py.Group)), ())
    return ()


def read_matlab_table(
    path: Path,
    declared: Declared,
    *,
    header: int | bool | None = None,
    style: Style = "command",
) -> Table:
    """Read a plain table from a MATLAB file, 5 or 7.3.

    Parameters
    ----------
    path
        One variable per column (numbers, truth values, characters with a row per trial, cell arrays
        of characters), lying or standing; a struct of such; a struct array or a cell array of
        structs with one element per trial, or per session where each field holds a vector; a cell
        array whose first row are the names; or one matrix, with ``header=False``. Single values
        hold for all trials.
    declared
        See :class:`neuro_metarl.io.records.Declared`.
    header
        False for a matrix without names: its columns are called "1", "2", ...
    style
        See :class:`neuro_metarl.door.table.Source`.

    Returns
    -------
    Table
        Rows are the numbers of elements, from 1 as in MATLAB.

    Raises
    ------
    InputError
        No MATLAB file, damaged, no plain table, or a column is an object that only MATLAB reads
        (string, table, ...); the message says how to save it.

    Examples
    --------
    >>> import tempfile
    >>> from scipy.io import savemat
    >>> file = Path(tempfile.mkdtemp(), "rat.mat")
    >>> savemat(file, {"data": {"side": ["l", "r"], "won": [True, False]}, "rat": "r1"})
    >>> table = read_matlab_table(file, Declared({"choice": "side", "subject": "rat"}))
    >>> {name: column.text().tolist() for name, column in table.columns.items()}
    {'rat': ['r1', 'r1'], 'side': ['l', 'r'], 'won': ['True', 'False']}
    """
    if is_matlab5(path):
        variables = read_matlab5(path)
    elif is_hdf5(path):
        variables = read_matlab73(path)
    else:
        raise InputError(f"{path}: not a MATLAB file (neither 5 nor 7.3)")
    if not variables:
        raise InputError(f"{path}: holds no variables")
    for name, value in variables.items():
        _refuse_object(path, name, value, declared)
    alone = next(iter(variables.values())) if len(variables) == 1 else None
    grid = _grid(alone)
    if grid is not None:
        named = header if isinstance(alone, np.ndarray) and alone.dtype == object else False
        _refuse_nameless(path, alone, header)
        return table_of_rows(grid, str(path), header=named, style=style)
    found = _records(path, variables, declared)
    records = [_listed(record, declared, alone=len(found) == 1) for record in found]
    if len(records) == 1:
        records = _sessions(records[0], declared)
    return table_of_records(records, str(path), declared, style=style)


def _grid(alone: Any) -> list[list[Any]] | None:
    """Give the rows of a matrix or of a cell array with names in its first row."""
    if not isinstance(alone, np.ndarray) or alone.ndim != 2 or min(alone.shape) < 2:
        return None
    if alone.dtype != object:
        return alone.tolist()
    rows = [[_element(value) for value in row] for row in alone]
    return rows if not any(isinstance(value, dict) for row in alone for value in row) else None


def _refuse_nameless(path: Path, alone: Any, header: int | bool | None) -> None:
    if header is not False and alone.dtype != object:
        shape = " x ".join(map(str, alone.shape))
        raise InputError(
            f"{path}: {PUBLISHED}; as a plain table it has a matrix of {shape} without names: say "
            "header=False and give each column by its position from 1 (choice=3)"
        )


def _refuse_object(path: Path, name: str, value: Any, declared: Declared) -> None:
    """Refuse what only MATLAB can read, where it is a column that is used, or a table."""
    if not isinstance(value, Opaque):
        return
    if declared.wants(name.rpartition(".")[2]) or value.name in ("table", "timetable"):
        how = EXPORT.get(value.name, "double({name})").format(name=name)
        raise InputError(
            f"{path}: variable {name!r} is a {value.name} object, in a form that only MATLAB "
            f"reads; in MATLAB, {name} = {how} and save again"
            + ("" if "table" not in value.name else f", or writetable({name}, 'trials.csv')")
        )


def _records(
    path: Path, variables: Mapping[str, Any], declared: Declared
) -> list[Mapping[str, Any]]:
    """Find the table: the variables themselves, one struct among them, or an array of structs."""
    structs = {name: found for name, v in variables.items() if (found := _structs(v)) is not None}
    top = {n: v for n, v in variables.items() if n not in structs and not isinstance(v, Opaque)}
    if any(declared.varies(name) and _vector(v) for name, v in top.items()):
        return [top]
    used = {
        name: found
        for name, found in structs.items()
        if any(declared.varies(field) for record in found for field in record)
    }
    chosen = used or (structs if not any(_vector(v) for v in top.values()) else {})
    if len(chosen) == 1:
        name, found = next(iter(chosen.items()))
        for record in found:
            for field, value in record.items():
                _refuse_object(path, f"{name}.{field}", value, declared)
        single = {n: v for n, v in top.items() if not _vector(v)}
        return [single | dict(record) for record in found]
    if len(chosen) > 1:
        raise InputError(
            f"{path}: several structs could be the table ({', '.join(chosen)}); save the one that "
            "is meant in a file of its own"
        )
    if sum(_vector(value) for value in top.values()) < 2:
        raise InputError(
            f"{path}: {PUBLISHED}; as a plain table it has "
            f"{_described(variables)}; expected one variable per column, or a struct of them"
        )
    return [top]


def _structs(value: Any) -> list[Mapping[str, Any]] | None:
    if isinstance(value, dict):
        return [value]
    if isinstance(value, np.ndarray) and value.dtype == object and value.size:
        flat = list(value.ravel(order="F"))
        return flat if all(isinstance(element, dict) for element in flat) else None
    return None


def _vector(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) > 1 or (len(value) == 1 and _letters(value[0]))
    return isinstance(value, np.ndarray) and value.size > 1


def _letters(text: str) -> bool:
    """Whether characters in one row are plainly one per trial: few letters, often repeated."""
    return text.isalpha() and len(set(text)) <= FEW_LETTERS and len(text) >= 2 * len(set(text)) > 2


def _described(variables: Mapping[str, Any]) -> str:
    words = []
    for name, value in list(variables.items())[:SHOWN]:
        if isinstance(value, dict):
            words.append(f"{name} (struct: {', '.join(list(value)[:SHOWN]) or 'empty'})")
        elif isinstance(value, Opaque):
            words.append(f"{name} ({value.name})")
        elif isinstance(value, np.ndarray):
            words.append(f"{name} ({' x '.join(map(str, value.shape))})")
        else:
            words.append(f"{name} (characters)")
    return ", ".join(words) + (", ..." if len(variables) > SHOWN else "")


def _listed(record: Mapping[str, Any], declared: Declared, *, alone: bool) -> dict[str, Any]:
    """Write each field as a list with one element per trial, or as a single value."""
    plain: dict[str, Any] = {}
    matrices: dict[str, np.ndarray] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            plain |= {f"{name}.{inner}": v for inner, v in _field_items(value, declared)}
        elif isinstance(value, np.ndarray) and value.size > 1 and max(value.shape) < value.size:
            matrices[name] = value
        elif not isinstance(value, Opaque):
            plain[name] = _field(value)
    lengths = {n: len(v) for n, v in plain.items() if isinstance(v, list)}
    length = next((k for n, k in lengths.items() if declared.varies(n)), 0)
    for name, matrix in matrices.items():
        plain |= _columns(name, matrix, length, declared)
    names = {declared.columns.get(k, k) for k in ("subject", "session")}
    for name, value in plain.items():
        if not isinstance(value, str) or not _letters(value) or name in names:
            continue
        if len(value) == length or (alone and not length and declared.varies(name)):
            plain[name] = list(value)
    return plain


def _columns(name: str, matrix: np.ndarray, length: int, declared: Declared) -> dict[str, Any]:
    """Take a matrix apart along the dim that is not the trials, as MATLAB would write it."""
    if matrix.ndim == 2 and matrix.shape[0] == length:
        return {f"{name}(:,{k + 1})": _field(matrix[:, k]) for k in range(matrix.shape[1])}
    if matrix.ndim == 2 and matrix.shape[1] == length:
        return {f"{name}({k + 1},:)": _field(matrix[k]) for k in range(matrix.shape[0])}
    return {name: matrix.tolist()} if declared.wants(name) else {}


def _field_items(struct: Mapping[str, Any], declared: Declared) -> Iterable[tuple[str, Any]]:
    return _listed(struct, declared, alone=False).items()


def _sessions(record: dict[str, Any], declared: Declared) -> list[dict[str, Any]]:
    """Take apart cells that hold a vector per session."""
    cells = {
        name: value
        for name, value in record.items()
        if isinstance(value, list) and any(isinstance(element, list) for element in value)
    }
    number = next((len(value) for name, value in cells.items() if declared.varies(name)), 0)
    return [
        {n: v[k] if isinstance(v, list) and len(v) == number else v for n, v in record.items()}
        for k in range(number)
    ] or [record]


def _field(value: Any) -> Any:
    if isinstance(value, list):
        return value[0] if len(value) == 1 else (value or None)
    if isinstance(value, np.ndarray):
        flat = [_element(v) for v in value.ravel(order="F").tolist()]
        return flat[0] if len(flat) == 1 else (flat or None)
    return value


def _element(value: Any) -> Any:
    """Write what stands in a cell as one value."""
    if isinstance(value, np.ndarray):
        flat = value.ravel(order="F").tolist()
        return _element(flat[0]) if len(flat) == 1 else ([_element(v) for v in flat] or None)
    if isinstance(value, list):
        return value[0] if len(value) == 1 else (value or "")
    if isinstance(value, Opaque):
        return f"<{value.name}>"
    return value if not isinstance(value, dict) else {k: _element(v) for k, v in value.items()}
