"""Signals that end a process, held back until its work can be left whole."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interrupts", "hold_interrupts"]

HELD = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupts:
    """What has asked the process to stop, and has not been answered.

    Parameters
    ----------
    note
        What a first signal prints on standard error; nothing if empty.
    """

    def __init__(self, note: str = "") -> None:
        self.note = note
        self._before: dict[int, Any] = {}
        self._waiting: list[tuple[int, FrameType | None]] = []
        self._whole = False

    @property
    def waiting(self) -> bool:
        """Whether a signal waits for an answer."""
        return bool(self._waiting)

    def hold(self) -> None:
        """Take the signals that would end the process; those that are ignored stay ignored."""
        if threading.current_thread() is not threading.main_thread():
            return
        for name in HELD:
            number = getattr(signal, name, None)
            before = None if number is None else signal.getsignal(number)
            if number is not None and before not in (None, signal.SIG_IGN):
                self._before[number] = before
                signal.signal(number, self._take)

    def answer(self) -> None:
        """Do what the signal that waits would have done; where that ends nothing, go on."""
        if self._waiting:
            number, frame = self._waiting[-1]
            self._waiting.clear()
            self._act(number, frame)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Hold back a second signal too, for the moment in which something is written."""
        self._whole = True
        try:
            yield
        finally:
            self._whole = False
        if len(self._waiting) > 1:
            self.answer()

    def release(self) -> None:
        """Give the signals back, and answer the one that waits."""
        for number, before in self._before.items():
            signal.signal(number, before)
        self.answer()

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._waiting.append((number, frame))
        if len(self._waiting) > 1 and not self._whole:
            self.answer()
        elif self.note:
            os.write(2, f"\n{self.note}\n".encode())

    def _act(self, number: int, frame: FrameType | None) -> None:
        before = self._before[number]
        if callable(before):
            before(number, frame)
        else:
            signal.signal(number, before)
            signal.raise_signal(number)


@contextmanager
def hold_interrupts(note: str = "") -> Iterator[Interrupts]:
    """Hold back Ctrl-C and the signals that end a process, until :meth:`Interrupts.answer`.

    A second signal is not held back: it acts at once. Outside the main thread, where signals do not
    arrive, nothing is held.

    Parameters
    ----------
    note
        What a first signal prints on standard error.

    Yields
    ------
    Interrupts

    Examples
    --------
    >>> import signal
    >>> try:
    ...     with hold_interrupts() as interrupts:
    ...         signal.raise_signal(signal.SIGINT)
    ...         print(interrupts.waiting)
    ... except KeyboardInterrupt:
    ...     print("after the work")
    True
    after the work
    """
    interrupts = Interrupts(note)
    interrupts.hold()
    try:
        yield interrupts
    finally:
        interrupts.release()
