"""Plain tables in JSON: records, columns, pandas' forms, and one record per line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from neuro_metarl.door.table import Style, Table
from neuro_metarl.errors import InputError
from neuro_metarl.io.grids import table_of_rows
from neuro_metarl.io.records import Declared, table_of_records

__all__ = ["LINES", "read_json_table"]

LINES = (".jsonl", ".ndjson")
SHOWN = 6
DIGITS = re.compile(r"[0-9]+")


class _Twice(ValueError):
    """A field that stands twice in one object."""


def read_json_table(
    path: Path,
    declared: Declared,
    *,
    header: int | bool | None = None,
    style: Style = "command",
) -> Table:
    """Read a table from JSON.

    Parameters
    ----------
    path
        A list of records; an object of lists (columns); one such thing within an object
        (``{"data": [...]}``), whose single values then hold for all rows; a data frame as pandas
        writes it (``orient`` columns, index, split, records or table); a list of rows; or one
        record per line. Records within records are fields with a point (``outcome.reward``).
    declared
        See :class:`neuro_metarl.io.records.Declared`.
    header
        False where a list of rows has no names: then columns are called "1", "2", ...
    style
        See :class:`neuro_metarl.door.table.Source`.

    Returns
    -------
    Table
        Rows are records, counted from 1; those of a file with one record per line are its lines.

    Raises
    ------
    InputError
        No JSON, or none of these forms; the message says what stands there.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "rat.json")
    >>> _ = file.write_text('{"subject": "r1", "choice": [0, 1], "reward": [1, 0]}')
    >>> read_json_table(file, Declared()).columns["choice"].text().tolist()
    ['0', '1']
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        if not text.strip():
            raise InputError(f"{path}: is empty")
        if path.suffix.lower() in LINES:
            return _of_lines(text, path, declared, style)
        try:
            content = _parsed(text)
        except json.JSONDecodeError as error:
            if not error.msg.startswith("Extra data"):
                raise
            return _of_lines(text, path, declared, style)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except _Twice as error:
        raise InputError(f"{path}: column {error} appears twice in one record") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from None
    rows = _rows(content)
    if rows is not None:
        return table_of_rows(rows, str(path), header=header, style=style)
    records = [_with_trials(record, declared) for record in _records(content, path)]
    return table_of_records(records, str(path), declared, style=style)


def _with_trials(record: dict[str, Any], declared: Declared) -> dict[str, Any]:
    """Write the one list of records within a session's record as a list for each of its fields."""
    inner = [name for name, value in record.items() if _is_list_of(value, dict)]
    if len(inner) != 1 or any(declared.varies(name) for name in record):
        return record
    trials = [_flat(trial) for trial in record[inner[0]]]
    names = list(dict.fromkeys(name for trial in trials for name in trial))
    if not any(declared.varies(name) for name in names):
        return record
    held = {name: value for name, value in record.items() if name != inner[0]}
    return held | {name: [trial.get(name) for trial in trials] for name in names}


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name.strip() or name for name, _ in pairs]
    made = {name: value for name, (_, value) in zip(names, pairs, strict=True)}
    if len(made) < len(pairs):
        raise _Twice(repr(next(name for name in names if names.count(name) > 1)))
    return made


def _of_lines(text: str, path: Path, declared: Declared, style: Style) -> Table:
    """Read one record per line, rows named by line."""
    records, numbers = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = _parsed(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{path}, line {number}: cannot be read as JSON ({error.msg}); expected one value "
                "in the file, or one record per line"
            ) from None
        if not isinstance(record, dict):
            raise InputError(f"{path}, line {number}: {_kind(record)}, expected a record")
        records.append(_flat(record))
        numbers.append(number)
    table = table_of_records(records, str(path), declared, style=style)
    if table.n_rows != len(numbers):
        return table
    return Table.of(
        {name: column.text() for name, column in table.columns.items()},
        str(path),
        rows=numbers,
        word="line",
        style=style,
    )


def _rows(content: Any) -> list[list[Any]] | None:
    """Give the rows of a list of rows, with the names of pandas' ``split`` in front."""
    if isinstance(content, dict) and {"columns", "data"} <= set(content):
        names, rows = content["columns"], content["data"]
        if isinstance(names, list) and _is_list_of(rows, list):
            return [names, *rows]
    return content if _is_list_of(content, list) else None


def _records(content: Any, path: Path) -> list[dict[str, Any]]:
    """Find the records, or make one of an object of columns."""
    if _is_list_of(content, dict):
        return [_flat(record) for record in content]
    if isinstance(content, list):
        odd = next((k for k, r in enumerate(content) if not isinstance(r, dict)), None)
        what = "that is empty"
        if odd is not None:
            what = f"whose record {odd + 1} is {_kind(content[odd])}"
        raise InputError(f"{path}: a list {what}; expected records")
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: holds {_kind(content)}; expected a list of records")
    lists = {name: value for name, value in content.items() if _is_list_of(value, dict)}
    objects = {name: value for name, value in content.items() if isinstance(value, dict)}
    if len(objects) == len(content):
        return [_of_frame(objects, path)] if len(objects) > 1 else _records(*_only(objects, path))
    if len(lists) > 1:
        raise InputError(
            f"{path}: several lists of records ({_listed(lists)}); give one list, with a field "
            "that says which each record belongs to"
        )
    single = {n: v for n, v in content.items() if not isinstance(v, (list, dict))}
    if lists:
        return [single | _flat(record) for record in next(iter(lists.values()))]
    if len(objects) == 1 and len(single) == len(content) - 1:
        return [single | record for record in _records(*_only(objects, path))]
    return [_flat(content)]


def _only(objects: dict[str, dict[str, Any]], path: Path) -> tuple[dict[str, Any], Path]:
    return next(iter(objects.values())), path


def _of_frame(objects: dict[str, dict[str, Any]], path: Path) -> dict[str, Any]:
    """Turn pandas' object of objects into columns; numbers are the labels of rows."""
    outer = all(DIGITS.fullmatch(name) for name in objects)
    inner = all(DIGITS.fullmatch(name) for value in objects.values() for name in value)
    if outer == inner:
        raise InputError(
            f"{path}: an object of objects ({_listed(objects)}), of which neither is plainly "
            "rows; give a list of records"
        )
    if outer:
        names = list(dict.fromkeys(name for value in objects.values() for name in value))
        return {name: [value.get(name) for value in objects.values()] for name in names}
    labels = list(next(iter(objects.values())))
    for name, value in objects.items():
        if set(value) != set(labels):
            raise InputError(f"{path}: {name!r} has other rows than {next(iter(objects))!r}")
    return {name: [value[label] for label in labels] for name, value in objects.items()}


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Write records within a record as fields with a point."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict) and value:
            flat |= {f"{name}.{inner}": v for inner, v in _flat(value).items()}
        else:
            flat[name] = value
    return flat


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, kind) for v in value)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    if value is None or value in ({}, []):
        return "nothing"
    return names.get(type(value), "a number")


def _listed(names: dict[str, Any]) -> str:
    shown = list(names)[:SHOWN]
    return ", ".join(shown) + (", ..." if len(names) > SHOWN else "")
