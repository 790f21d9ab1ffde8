"""How the kernel's functions are compiled, and kept on disk for the next process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

from neuro_metarl.agents.kernel.vectors import target_of_code

__all__ = ["compiled"]


def _digest() -> str:
    """Name this code on this processor: all files of the kernel, and what numba compiles for."""
    made_of = hashlib.sha256(target_of_code().encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        made_of.update(path.read_bytes())
    return made_of.hexdigest()[:12]


DIGEST = _digest()


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, and keep the code on disk.

    numba looks only at the file in which a function stands, not at those that it calls into; so
    the name under which the code is kept has a digest of all of the kernel's files, and of the
    processor, which keeps processes on different machines with one disk apart. Where nothing can
    be written, each process compiles for itself.

    Parameters
    ----------
    function
        At module level.

    Returns
    -------
    numba.core.dispatcher.Dispatcher

    Examples
    --------
    >>> def twice(x):
    ...     return 2 * x
    >>> compiled(twice)(4)
    8
    """
    function.__qualname__ += f"-{DIGEST}"
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no place to keep it
        return njit(**options)(function)
