"""MATLAB 7.3 files (HDF5) in the forms that a table can have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neuro_metarl.files.damage import DAMAGE, check_heaps
from neuro_metarl.io.matlab5 import Opaque, damaged

__all__ = ["is_hdf5", "read_matlab73"]

DEEPEST = 40


def is_hdf5(path: Path) -> bool:
    """Say whether a file is HDF5, as MATLAB 7.3 files are.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_hdf5(Path(__file__))
    False
    """
    with path.open("rb") as handle:
        start = handle.read(1024)
    return b"\x89HDF\r\n\x1a\n" in (start[:8], start[512:520]) or start.startswith(b"MATLAB 7.3")


def read_matlab73(path: Path) -> dict[str, Any]:
    """Read the variables of a MATLAB 7.3 file, or of plain HDF5.

    Parameters
    ----------
    path
        HDF5 file.

    Returns
    -------
    dict
        Name to value, as :func:`neuro_metarl.io.matlab5.read_matlab5` has them.

    Raises
    ------
    InputError
        The file is damaged or ends too early.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "rat.mat")
    >>> with h5py.File(file, "w") as content:
    ...     content["won"] = np.array([[1.0, 0.0]])
    >>> read_matlab73(file)["won"].tolist()
    [[1.0], [0.0]]
    """
    try:
        check_heaps(path)
        with h5py.File(path) as file:
            return {name: _value(file[name], file) for name in file if not name.startswith("#")}
    except DAMAGE as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise damaged(path, ValueError(detail)) from None


def _value(node: Any, file: h5py.File, depth: int = 0) -> Any:
    kind = _text(node.attrs.get("MATLAB_class", ""))
    if depth > DEEPEST:
        raise ValueError("variables within variables without end")
    if "MATLAB_object_decode" in node.attrs or kind == "function_handle":
        return Opaque(kind)
    if "MATLAB_sparse" in node.attrs:
        return Opaque("sparse")
    if isinstance(node, h5py.Group):
        return _struct(node, file, depth)
    return _array(node, kind, file, depth)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _struct(group: h5py.Group, file: h5py.File, depth: int) -> Any:
    """Give a struct as a dict; one whose fields are references is an array of them."""
    each = [
        node
        for node in group.values()
        if isinstance(node, h5py.Dataset)
        and "MATLAB_class" not in node.attrs
        and h5py.check_ref_dtype(node.dtype) is h5py.Reference
    ]
    fields = {name: _value(node, file, depth + 1) for name, node in group.items()}
    if not fields or len(each) < len(fields):
        return fields
    shape = each[0].shape[::-1]
    made = np.empty(int(np.prod(shape)), dtype=object)
    for k in range(len(made)):
        made[k] = {name: cells.ravel(order="F")[k] for name, cells in fields.items()}
    return made.reshape(shape, order="F")


def _array(node: h5py.Dataset, kind: str, file: h5py.File, depth: int) -> Any:
    if node.attrs.get("MATLAB_empty", 0):
        return [] if kind == "char" else np.empty((0, 0), dtype=object if kind == "cell" else float)
    if h5py.check_ref_dtype(node.dtype) is h5py.Reference:
        references = np.asarray(node[()], dtype=object)
        flat = [_value(file[r], file, depth + 1) if r else None for r in references.ravel()]
        return _objects(flat, references.shape)
    if h5py.check_string_dtype(node.dtype) is not None:
        texts = np.asarray(node.asstr()[()], dtype=object)
        return (
            [str(texts)] if not texts.ndim else _objects([[t] for t in texts.ravel()], texts.shape)
        )
    values = np.asarray(node[()])
    if values.dtype.kind not in "biufc":
        return Opaque(kind or values.dtype.name)
    values = values.T
    if kind == "char":
        grid = values.reshape(values.shape[0], -1) if values.ndim > 1 else values.reshape(1, -1)
        return ["".join(chr(int(code)) for code in row) for row in grid]
    return values.astype(bool) if kind == "logical" else values


def _objects(values: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    made = np.empty(len(values), dtype=object)
    for k, value in enumerate(values):
        made[k] = value
    return made.reshape(shape).T
