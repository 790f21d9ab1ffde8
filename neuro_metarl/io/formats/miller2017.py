"""The MATLAB file of Miller's two-step rats of 2017: a cell array ``dataset``, one struct per rat.

The fields are those of the later file (see :mod:`neuro_metarl.io.formats.miller`), and so are the
traps. A cell may be empty, or lack the rat's name (a blank that stands for missing sessions): then
it is no rat. In the file of infusions ``dataset`` is a struct with one such cell array per
infusion.
"""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import xarray as xr
from scipy.io import loadmat

from neuro_metarl.errors import InputError, did_you_mean
from neuro_metarl.io.formats import miller
from neuro_metarl.io.matlab5 import check_matlab5
from neuro_metarl.io.matlab_tables import fields_of_matlab
from neuro_metarl.io.readers import Reader

__all__ = ["holds_miller2017", "infusions_of", "read_miller2017"]

CELL, INFUSION = "dataset", "data_"
NAME = "ratname"
MATLAB_5 = b"MATLAB 5.0"
REFERENCES = "doi:10.1038/nn.4613"

Rat = dict[str, np.ndarray]


def read_miller2017(path: str | os.PathLike[str], *, infusion: str | None = None) -> xr.Dataset:
    """Read the rats on the two-step task from ``MBB2017_behavioral_dataset.mat``.

    Parameters
    ----------
    path
        MATLAB file, 5 or 7.3, with the cell array ``dataset``: one struct per rat with
        ``ratname``, ``sides1``, ``sides2`` (l, r, or v for a violation), ``trans_common``,
        ``rewards``, ``leftprobs``, ``rightprobs``, ``better_choices`` (NaN on forced trials),
        ``viols``, ``new_sess`` and, where they are there, the times. Or
        ``MBB2017_infusion_dataset.mat``, where ``dataset`` is a struct of such cell arrays.
    infusion
        Which of these, without ``data_``, for example ``"hippo"``, ``"ofc"``, ``"saline_all"``.
        Its name is kept in the attribute ``infusion``.

    Returns
    -------
    xarray.Dataset
        Cohort, dims session, trial, option, coded as :func:`neuro_metarl.io.read_miller` says:
        ``choice`` 0 left, 1 right; ``state`` 0 left port, 1 right port; ``common`` relative to
        the rat's own mapping; ``forced``; ``correct``; ``p_reward`` (option: left, right port).

    Raises
    ------
    InputError
        The file is missing or damaged, holds no ``dataset``, or breaks its own rules; the message
        names the file, the rat, the field and the trial. No infusion is named where the file has
        several, or one that it has not.

    References
    ----------
    Miller, Botvinick & Brody 2017, doi:10.1038/nn.4613.

    Examples
    --------
    >>> import tempfile
    >>> from scipy.io import savemat
    >>> rat = {"ratname": "R1", "sides1": "llrr", "sides2": "lrrv", "trans_common": [1, 0, 1, 0],
    ...        "rewards": [1, 0, 0, 0], "leftprobs": [0.8] * 4, "rightprobs": [0.2] * 4,
    ...        "better_choices": [1, np.nan, 0, 0], "viols": [0] * 4, "new_sess": [1, 0, 0, 0]}
    >>> cell = np.empty((1, 1), dtype=object)
    >>> cell[0, 0] = rat
    >>> file = Path(tempfile.mkdtemp(), "rats.mat")
    >>> savemat(file, {"dataset": cell})
    >>> cohort = read_miller2017(file)
    >>> cohort.state.values.tolist(), cohort.forced.values.tolist()
    ([[0, 1, 1, -1]], [[0, 1, 0, 0]])
    """
    file = Path(path)
    known = infusions_of(file)
    if infusion not in known and (infusion or known):
        if not known:
            raise InputError(f"{file}: has no infusions; leave infusion={infusion!r} out")
        asked = did_you_mean(infusion, known) if infusion else f"there are: {', '.join(known)}"
        raise InputError(f"{file}: name one of its infusions; {asked}")
    try:
        rats = _from_matlab_5(file, infusion) if _is_matlab_5(file) else _from_hdf5(file, infusion)
    except InputError:
        raise
    except Exception as error:
        raise _unreadable(file, error) from None
    if not rats:
        raise InputError(f"{file}: field {CELL!r} holds no rats")
    attrs = {
        "created_by": f"neuro_metarl read_miller2017 from {file.name}",
        "licence": "Apache-2.0 (as distributed with kevin-j-miller/MBB2017-rat-two-step-task)",
        "references": REFERENCES,
    }
    if infusion:
        attrs["infusion"] = infusion
    return miller.cohort_of_rats(rats, file).assign_attrs(attrs)


def infusions_of(path: str | os.PathLike[str]) -> list[str]:
    """List the infusions of a file; that of the behavioral data has none.

    Parameters
    ----------
    path
        See :func:`read_miller2017`.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        The file is missing or damaged.

    Examples
    --------
    >>> infusions_of("rats.mat")
    Traceback (most recent call last):
    neuro_metarl.errors.InputError: rats.mat: there is no such file
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    try:
        if _is_matlab_5(file):
            check_matlab5(file)
            stored = loadmat(file, variable_names=[CELL]).get(CELL)
            names = () if stored is None else stored.dtype.names or ()
        else:
            with h5py.File(file) as content:
                held = content.get(CELL)
                names = tuple(held) if isinstance(held, h5py.Group) else ()
    except Exception as error:
        raise _unreadable(file, error) from None
    return [name.removeprefix(INFUSION) for name in names if name.startswith(INFUSION)]


def holds_miller2017(path: str | os.PathLike[str]) -> bool:
    """Say whether a MATLAB file holds ``dataset``, the rats of 2017 or their infusions.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    bool

    Raises
    ------
    InputError
        The file is damaged.

    Examples
    --------
    >>> holds_miller2017(__file__)
    False
    """
    fields = fields_of_matlab(path).get(CELL, ())
    return bool({NAME, "sides1"} & set(fields)) or any(f.startswith(INFUSION) for f in fields)


def _is_matlab_5(file: Path) -> bool:
    with file.open("rb") as handle:
        return handle.read(len(MATLAB_5)) == MATLAB_5


def _unreadable(file: Path, error: Exception) -> InputError:
    detail = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"{file}: cannot be read as a MATLAB file ({detail})")


def _missing(file: Path, there: list[str]) -> InputError:
    names = ", ".join(sorted(name for name in there if not name.startswith(("#", "__"))))
    return InputError(f"{file}: field {CELL!r} is missing; there are: {names or 'none'}")


def _from_matlab_5(file: Path, infusion: str | None) -> list[Rat]:
    content = loadmat(file)
    if CELL not in content:
        raise _missing(file, list(content))
    cells = content[CELL]
    if infusion:
        cells = cells[INFUSION + infusion].ravel()[0]
    rats = []
    for number, cell in enumerate(np.ravel(cells)):
        where = f"{file}, rat {number}"
        if isinstance(cell, np.ndarray) and not cell.size:
            continue
        if not isinstance(cell, np.ndarray) or cell.dtype.names is None or cell.size != 1:
            raise InputError(f"{where}: field {CELL!r} does not hold a struct")
        if infusion and NAME not in cell.dtype.names:
            continue
        struct = cell.ravel()[0]
        rats.append({k: _plain(struct[k], k, where) for k in _wanted(cell.dtype.names, where)})
    return rats


def _from_hdf5(file: Path, infusion: str | None) -> list[Rat]:
    with h5py.File(file) as content:
        if CELL not in content:
            raise _missing(file, list(content))
        cells = content[f"{CELL}/{INFUSION}{infusion}"] if infusion else content[CELL]
        if not isinstance(cells, h5py.Dataset) or h5py.check_ref_dtype(cells.dtype) is None:
            raise InputError(f"{file}: field {CELL!r} is not a cell array of structs")
        rats = []
        for number, reference in enumerate(np.ravel(cells[()])):
            where, struct = f"{file}, rat {number}", content[reference]
            if "MATLAB_empty" in struct.attrs:
                continue
            if not isinstance(struct, h5py.Group):
                raise InputError(f"{where}: field {CELL!r} does not hold a struct")
            if infusion and NAME not in struct:
                continue
            names = _wanted(tuple(struct), where)
            rats.append({name: miller.field_values(struct, name, where) for name in names})
    return rats


def _wanted(there: tuple[str, ...], where: str) -> list[str]:
    missing = [name for name in miller.FIELDS if name not in there]
    if missing:
        raise InputError(f"{where}: field {missing[0]!r} is missing")
    return [*miller.FIELDS, *(name for name in miller.EVENTS.values() if name in there)]


def _plain(stored: np.ndarray, name: str, where: str) -> np.ndarray:
    """Flatten a field; letters become their codes, as they are in HDF5."""
    if stored.dtype.kind == "U":
        return np.array([ord(letter) for letter in "".join(stored.ravel())], dtype=np.uint16)
    if stored.dtype.kind not in "biuf":
        raise InputError(f"{where}: field {name!r} holds neither numbers nor characters")
    return np.ravel(stored)


READER = Reader(
    "miller2017",
    "Miller's rats of 2017 on the two-step task: MATLAB with the cell array dataset.",
    holds_miller2017,
    read_miller2017,
    (".mat",),
    "refused",
    parts=infusions_of,
    reads_part=lambda path, part: read_miller2017(path, infusion=part),
)
