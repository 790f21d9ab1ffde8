"""Long work: what is shown, and Ctrl-C in the middle of a compilation."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from numba import njit

from neuro_metarl.progress import call_compiled, progress_bar


def make() -> object:
    """A function that takes a good while to compile, new each time."""

    @njit
    def fill(values, other):  # type: ignore[no-untyped-def]
        for k in range(len(values)):
            values[k] = np.dot(other, other) + np.sort(other)[k] + np.median(other)

    return fill


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.3, 0.5])
def test_an_interrupt_while_compiling_comes_afterwards(delay: float) -> None:
    fill, values = make(), np.zeros(3)
    before = signal.getsignal(signal.SIGINT)
    sender = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        sender.start()
        call_compiled(fill, values, np.ones(3))
        time.sleep(2)
    assert values.tolist() == [5.0, 5.0, 5.0]
    assert signal.getsignal(signal.SIGINT) is before


def test_compiled_functions_are_called_from_threads_too() -> None:
    fill, values = make(), np.zeros(3)
    thread = threading.Thread(target=call_compiled, args=(fill, values, np.ones(3)))
    thread.start()
    thread.join()
    assert values.tolist() == [5.0, 5.0, 5.0]


def test_an_error_in_the_function_comes_through() -> None:
    fill = make()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Exception, match="nopython"):
        call_compiled(fill, "no", {"array": 1})
    assert signal.getsignal(signal.SIGINT) is before


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("working", 3) as update:
        for k in range(3):
            update(k + 1, "")
    assert capsys.readouterr().err == "working: 3/3\n"
    with progress_bar("working", 3, shown=False) as update:
        update(3, "")
    assert capsys.readouterr().err == ""
