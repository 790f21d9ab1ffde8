"""MATLAB 7.3 files as MATLAB writes them, and values of MATLAB's own classes in both versions."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def write_matlab73(path: Path, variables: dict[str, Any]) -> Path:
    """Write numbers, truth values, texts, lists of texts (cells) and dicts (structs)."""
    with h5py.File(path, "w", userblock_size=512) as file:
        references = file.create_group("#refs#")
        for name, value in variables.items():
            _put(file, name, value, references)
    with path.open("r+b") as handle:
        handle.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return path


def _put(group: h5py.Group, name: str, value: Any, references: h5py.Group) -> h5py.Dataset:
    if isinstance(value, dict):
        struct_ = group.create_group(name)
        struct_.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, inner in value.items():
            _put(struct_, field, inner, references)
        return struct_
    if isinstance(value, str):
        return _text(group, name, value)
    if isinstance(value, list) and all(isinstance(each, (str, list, dict)) for each in value):
        return _cell(group, name, value, references)
    numbers = np.atleast_2d(np.asarray(value))
    stored = group.create_dataset(
        name, data=numbers.T.astype("u1" if numbers.dtype == bool else numbers.dtype)
    )
    stored.attrs["MATLAB_class"] = np.bytes_("logical" if numbers.dtype == bool else "double")
    return stored


def _text(group: h5py.Group, name: str, value: str) -> h5py.Dataset:
    codes = np.array([[ord(letter)] for letter in value], dtype="u2")
    stored = group.create_dataset(name, data=codes if value else np.zeros(2, "u8"))
    stored.attrs["MATLAB_class"] = np.bytes_("char")
    if not value:
        stored.attrs["MATLAB_empty"] = np.uint8(1)
    return stored


def _cell(
    group: h5py.Group, name: str, values: Sequence[Any], references: h5py.Group
) -> h5py.Dataset:
    made = [_put(references, str(len(references)), each, references) for each in values]
    stored = group.create_dataset(name, (1, len(values)), dtype=h5py.ref_dtype)
    stored[0] = [each.ref for each in made]
    stored.attrs["MATLAB_class"] = np.bytes_("cell")
    return stored


def opaque73(path: Path, name: str, kind: str) -> Path:
    """Add an object of one of MATLAB's classes to a file."""
    with h5py.File(path, "a") as file:
        stored = file.create_dataset(name, data=np.array([[0xDD000000, 2, 1, 1, 1, 1]], "u4"))
        stored.attrs["MATLAB_class"] = np.bytes_(kind)
        stored.attrs["MATLAB_object_decode"] = np.int32(3)
    return path


def opaque5(path: Path, name: str, kind: str) -> Path:
    """Append an object of one of MATLAB's classes to a MATLAB 5 file."""

    def element(code: int, content: bytes) -> bytes:
        return struct.pack("<II", code, len(content)) + content + b"\0" * (-len(content) % 8)

    numbers = element(6, struct.pack("<II", 13, 0)) + element(5, struct.pack("<ii", 1, 1))
    inner = element(14, numbers + element(1, b"") + element(6, struct.pack("<I", 7)))
    parts = element(6, struct.pack("<II", 17, 0)) + element(1, name.encode())
    parts += element(1, b"MCOS") + element(1, kind.encode()) + inner
    path.write_bytes(path.read_bytes() + element(14, parts))
    return path
