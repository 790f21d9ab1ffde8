"""MATLAB 5 files, read without trust: whatever is damaged is refused, and nothing crashes.

SciPy's parser is fast, but damaged bytes can end the whole process. :func:`check_matlab5` walks
through the elements of a file first; :func:`read_matlab5` gives its variables in the few forms that
a table can have.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuro_metarl.errors import InputError

__all__ = ["Opaque", "check_matlab5", "fields_of_matlab5", "is_matlab5", "read_matlab5"]

MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, OBJECT, CHAR, SPARSE = 1, 2, 3, 4, 5
NUMERIC = range(6, 16)
FUNCTION, OPAQUE = 16, 17
KINDS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
TEXTS = {16: "utf-8", 17: "utf-16", 18: "utf-32", 2: "latin-1", 1: "latin-1"}
LOGICAL, COMPLEX = 0x02, 0x08
DEEPEST = 40
MOST = 1 << 31


@dataclass(frozen=True)
class Opaque:
    """A value of one of MATLAB's classes (string, table, ...), which only MATLAB can read."""

    name: str


class Damaged(ValueError):
    """The bytes break the rules of the format."""


FAULTS = (Damaged, OSError, struct.error, zlib.error, UnicodeDecodeError, ValueError)


@dataclass(frozen=True)
class Element:
    """Kind and content of one element."""

    kind: int
    content: memoryview


def is_matlab5(path: Path) -> bool:
    """Say whether a file begins as a MATLAB 5 file does.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_matlab5(Path(__file__))
    False
    """
    try:
        with path.open("rb") as handle:
            start = handle.read(128)
    except OSError:
        return False
    return len(start) == 128 and start[124:128] in (b"\x00\x01IM", b"\x01\x00MI")


def check_matlab5(path: Path) -> None:
    """Refuse a MATLAB 5 file that is damaged, before a parser that might crash reads it.

    Parameters
    ----------
    path
        A MATLAB 5 file; others are not looked at. Compressed variables carry a sum that is
        checked, all others are walked through.

    Raises
    ------
    ValueError
        Elements do not fit each other, or the file ends too early.

    Examples
    --------
    >>> check_matlab5(Path(__file__))
    """
    if not is_matlab5(path):
        return
    try:
        for parser, element in _top(path):
            if element.kind == COMPRESSED:
                _inflated(element.content)
            else:
                parser.variable(element)
    except FAULTS as error:
        raise ValueError(str(error)) from None


def fields_of_matlab5(path: Path) -> dict[str, tuple[str, ...]]:
    """Name the variables of a MATLAB 5 file, and the fields of each that is a struct.

    Parameters
    ----------
    path
        A MATLAB 5 file.

    Returns
    -------
    dict
        Variable to fields: its own, or those of the first struct in a cell array.

    Raises
    ------
    InputError
        The file is damaged or ends too early.

    Examples
    --------
    >>> import tempfile
    >>> from scipy.io import savemat
    >>> file = Path(tempfile.mkdtemp(), "rat.mat")
    >>> savemat(file, {"data": {"side": "lr"}, "n": 2})
    >>> fields_of_matlab5(file)
    {'data': ('side',), 'n': ()}
    """
    try:
        return dict(parser.fields(element) for parser, element in _top(path))
    except FAULTS as error:
        raise damaged(path, error) from None


def read_matlab5(path: Path) -> dict[str, Any]:
    """Read the variables of a MATLAB 5 file.

    Parameters
    ----------
    path
        A MATLAB 5 file.

    Returns
    -------
    dict
        Name to value: a number array (dims as in MATLAB), a list of texts (rows of characters), an
        array of objects (cell), a dict (struct), an array of dicts (struct array), or
        :class:`Opaque`.

    Raises
    ------
    InputError
        The file is damaged or ends too early.

    Examples
    --------
    >>> import tempfile
    >>> from scipy.io import savemat
    >>> file = Path(tempfile.mkdtemp(), "rat.mat")
    >>> savemat(file, {"side": "lr", "won": [1.0, 0.0]})
    >>> read_matlab5(file)
    {'side': ['lr'], 'won': array([[1., 0.]])}
    """
    try:
        found = dict(parser.variable(element) for parser, element in _top(path))
    except FAULTS as error:
        raise damaged(path, error) from None
    found.pop("", None)
    return found


def damaged(path: Path, error: Exception) -> InputError:
    """Say that a file is damaged."""
    return InputError(f"{path}: cannot be read, the file is damaged or truncated ({error})")


def _top(path: Path) -> Iterator[tuple[_Parser, Element]]:
    """Give the elements of a file."""
    data = path.read_bytes()
    parser = _Parser("<" if data[126:128] == b"IM" else ">")
    for element in parser.elements(memoryview(data)[128:]):
        yield parser, element


class _Parser:
    """Walk through elements of one byte order."""

    def __init__(self, order: str) -> None:
        self.order = order

    def elements(self, content: memoryview) -> Iterator[Element]:
        """Give the elements that stand one after the other."""
        place = 0
        while place < len(content):
            if len(content) - place < 8:
                raise Damaged("an element ends too early")
            kind, length = struct.unpack_from(self.order + "II", content, place)
            if kind >> 16:
                kind, length, start, step = kind & 0xFFFF, kind >> 16, place + 4, 8
                if length > 4:
                    raise Damaged("a short element is too long")
            else:
                start, step = place + 8, 8 + length
                step += 0 if kind == COMPRESSED else -length % 8
            if start + length > len(content):
                raise Damaged("an element ends after its frame")
            yield Element(kind, content[start : start + length])
            place += step

    def variable(self, element: Element, depth: int = 0) -> tuple[str, Any]:
        """Give name and value of a matrix element."""
        element = self._unpacked(element) if not depth else element
        if element.kind != MATRIX:
            raise Damaged(f"an element of kind {element.kind} where a variable is expected")
        if not len(element.content):
            return "", np.empty((0, 0))
        if depth > DEEPEST:
            raise Damaged("variables within variables without end")
        parts = list(self.elements(element.content))
        if any(part.kind not in (*KINDS, *TEXTS, MATRIX) for part in parts):
            raise Damaged("a part of an unknown kind")
        flags = self._numbers(parts, 0, (6,))
        if len(flags) != 2:
            raise Damaged("a variable without flags")
        kind, marks = int(flags[0]) & 0xFF, int(flags[0]) >> 8 & 0xFF
        if kind == OPAQUE:
            return self._opaque(parts)
        shape = tuple(int(n) for n in self._numbers(parts, 1, (5, 6)))
        size = int(np.prod([float(n) for n in shape])) if shape else 0
        if len(shape) < 2 or min(shape) < 0 or size > MOST:
            raise Damaged(f"a variable of size {shape}")
        name = self._name(parts, 2)
        return name, self._value(kind, marks, shape, size, parts[3:], depth)

    def fields(self, element: Element) -> tuple[str, tuple[str, ...]]:
        """Give the name of a variable, and the fields of the first struct that it is or holds."""
        parts = list(self.elements(self._unpacked(element).content))
        if len(parts) < 4:
            return "", ()
        marks = self._numbers(parts, 0, (6,))
        if not marks.size:
            raise Damaged("a variable does not say its class")
        kind, name = int(marks[0]) & 0xFF, self._name(parts, 2)
        if kind == STRUCT:
            return name, tuple(self._field_names(parts[3:]))
        held = (self.fields(part)[1] for part in parts[3:] if part.kind == MATRIX)
        return name, next((found for found in held if found), ()) if kind == CELL else ()

    def _unpacked(self, element: Element) -> Element:
        if element.kind != COMPRESSED:
            return element
        inner = list(self.elements(memoryview(_inflated(element.content))))
        if len(inner) != 1:
            raise Damaged("a compressed element holds no variable")
        return inner[0]

    def _value(
        self, kind: int, marks: int, shape: tuple[int, ...], size: int, parts: list[Element],
        depth: int,
    ) -> Any:  # fmt: skip
        if kind == CELL:
            return self._filled(shape, self._children(parts, size, depth))
        if kind in (STRUCT, OBJECT):
            return self._structs(kind, shape, size, parts, depth)
        if kind == CHAR:
            return self._chars(shape, size, parts)
        if kind == SPARSE:
            return self._sparse(marks, shape, parts)
        if kind == FUNCTION:
            self._children(parts, 1, depth)
            return Opaque("function_handle")
        if kind not in NUMERIC:
            raise Damaged(f"a variable of class {kind}")
        real = self._numbers(parts, 0)
        imaginary = self._numbers(parts, 1) if marks & COMPLEX else real
        if len(real) != size or len(imaginary) != size:
            raise Damaged(f"{len(real)} numbers for size {shape}")
        if marks & COMPLEX:
            real = real + 1j * imaginary
        return (real.astype(bool) if marks & LOGICAL else real).reshape(shape, order="F")

    def _numbers(
        self, parts: list[Element], k: int, kinds: tuple[int, ...] = tuple(KINDS)
    ) -> np.ndarray:
        if k >= len(parts) or parts[k].kind not in kinds:
            raise Damaged("numbers of an unknown kind")
        dtype = np.dtype(self.order + KINDS[parts[k].kind])
        if len(parts[k].content) % dtype.itemsize:
            raise Damaged("numbers that end too early")
        return np.frombuffer(parts[k].content, dtype)

    def _name(self, parts: list[Element], k: int) -> str:
        if k >= len(parts) or parts[k].kind not in (1, 2, 16):
            raise Damaged("a variable without a name")
        return bytes(parts[k].content).rstrip(b"\0").decode("latin-1")

    def _children(self, parts: list[Element], n: int, depth: int) -> list[Any]:
        if len(parts) != n:
            raise Damaged(f"{len(parts)} values where {n} are expected")
        return [self.variable(part, depth + 1)[1] for part in parts]

    def _structs(
        self, kind: int, shape: tuple[int, ...], size: int, parts: list[Element], depth: int
    ) -> Any:
        parts = parts[1:] if kind == OBJECT else parts
        names = self._field_names(parts)
        values = self._children(parts[2:], size * len(names), depth)
        each = [
            dict(zip(names, values[k * len(names) : (k + 1) * len(names)], strict=True))
            for k in range(size)
        ]
        return each[0] if size == 1 else self._filled(shape, each)

    def _field_names(self, parts: list[Element]) -> list[str]:
        step = self._numbers(parts, 0, (5,))
        if len(step) != 1 or not 0 < step[0] <= 256 or len(parts) < 2 or parts[1].kind != 1:
            raise Damaged("a struct without names of fields")
        text, width = bytes(parts[1].content), int(step[0])
        if len(text) % width:
            raise Damaged("names of fields that end too early")
        return [
            text[k : k + width].partition(b"\0")[0].decode("latin-1")
            for k in range(0, len(text), width)
        ]

    def _filled(self, shape: tuple[int, ...], values: list[Any]) -> np.ndarray:
        flat = np.empty(len(values), dtype=object)
        for k, value in enumerate(values):
            flat[k] = value
        return flat.reshape(shape, order="F")

    def _chars(self, shape: tuple[int, ...], size: int, parts: list[Element]) -> list[str]:
        if not size:
            return []
        if len(parts) != 1 or parts[0].kind not in (*TEXTS, 4):
            raise Damaged("characters of an unknown kind")
        if parts[0].kind == 4:
            codes = self._numbers(parts, 0)
            letters = [chr(code) for code in codes]
        else:
            letters = list(bytes(parts[0].content).decode(self._encoding(parts[0].kind)))
        letters = letters or [" "] * size
        if len(letters) < size:
            raise Damaged(f"{len(letters)} characters for size {shape}")
        grid = np.array(letters[:size], dtype=object).reshape(shape, order="F")
        return ["".join(row) for row in grid.reshape(shape[0], -1)]

    def _encoding(self, kind: int) -> str:
        return TEXTS[kind] + (("-le" if self.order == "<" else "-be") if kind in (17, 18) else "")

    def _sparse(self, marks: int, shape: tuple[int, ...], parts: list[Element]) -> Opaque:
        rows, columns = self._numbers(parts, 0, (5,)), self._numbers(parts, 1, (5,))
        if len(parts) != (4 if marks & COMPLEX else 3) or any(p.kind not in KINDS for p in parts):
            raise Damaged("numbers of an unknown kind")
        inside = len(columns) == shape[1] + 1 and (np.diff(columns) >= 0).all()
        if not inside or columns[0] != 0 or columns[-1] > len(rows):
            raise Damaged("a sparse array whose columns do not fit")
        if len(rows) and not (rows.min() >= 0 and rows.max() < max(shape[0], 1)):
            raise Damaged("a sparse array whose rows do not fit")
        return Opaque("sparse")

    def _opaque(self, parts: list[Element]) -> tuple[str, Opaque]:
        name, _, kind = (self._name(parts, k) for k in (1, 2, 3))
        for part in parts[4:]:
            self.variable(part, 1)
        return name, Opaque(kind)


def _inflated(content: memoryview) -> bytes:
    inflater = zlib.decompressobj()
    data = inflater.decompress(content)
    if not inflater.eof:
        raise Damaged("a compressed element ends too early")
    return data
