"""Long work that a person can follow (a bar, or a line now and then) and stop."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["call_compiled", "progress_bar"]

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress_bar(
    description: str, total: int, *, shown: bool = True
) -> Iterator[Callable[[int, str], None]]:
    """Show how far a long piece of work has come, on standard error.

    Parameters
    ----------
    description
        What is being done.
    total
        Units of work.
    shown
        If false, nothing is shown.

    Yields
    ------
    callable
        ``update(n_done, note)``; call it whenever there is news.

    Examples
    --------
    >>> with progress_bar("training", 10, shown=False) as update:
    ...     update(5, "reward .5")
    """
    if not shown:
        yield lambda n_done, note: None
    elif sys.stderr.isatty():
        with _bar(description, total) as update:
            yield update
    else:
        yield _lines(description, total)


def call_compiled(function: Any, *arguments: Any) -> None:
    """Call a function of numba; Ctrl-C waits while the first call compiles it.

    The compiler calls back into Python, and a ``KeyboardInterrupt`` that is raised there is lost.

    Parameters
    ----------
    function
        What ``numba.njit`` gave.
    *arguments
        Of the function.

    Examples
    --------
    >>> import numba
    >>> import numpy as np
    >>> @numba.njit
    ... def fill(values):
    ...     values[:] = 2
    >>> values = np.zeros(2)
    >>> call_compiled(fill, values)
    >>> values.tolist()
    [2.0, 2.0]
    """
    if function.overloads or threading.current_thread() is not threading.main_thread():
        function(*arguments)
        return
    pressed: list[Any] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append((number, frame)))
    try:
        function(*arguments)
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed and callable(before):
            before(*pressed[-1])


@contextmanager
def _bar(description: str, total: int) -> Iterator[Callable[[int, str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, note="")
        yield lambda n_done, note: progress.update(task, completed=n_done, note=note)


def _lines(description: str, total: int) -> Callable[[int, str], None]:
    last = time.monotonic()

    def update(n_done: int, note: str) -> None:
        nonlocal last
        now = time.monotonic()
        if n_done >= total or now - last >= SECONDS_BETWEEN_LINES:
            last = now
            print(f"{description}: {n_done}/{total} {note}".rstrip(), file=sys.stderr)  # noqa: T201

    return update
