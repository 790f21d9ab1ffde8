"""The same seed, the same bits: what surrounds a computation with networks is set and put back."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

__all__ = ["one_thread"]

_within = threading.local()
_forked = threading.Event()


def _after_fork() -> None:
    """Go on with one thread: those of the parent are gone, and torch would wait for them."""
    _forked.set()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def one_thread(*, flush_denormals: bool = False) -> Iterator[None]:
    """Compute on one thread and with torch's own defaults inside the block.

    Networks this small run slower, and round differently, on more threads. What else a program may
    have set for its own purposes, and what would change the last bits, is put back to torch's
    defaults until the block ends: the default device, automatic mixed precision, the precision of
    products, gradient and inference mode, and the flushing of denormal numbers.

    Parameters
    ----------
    flush_denormals
        Take numbers below 1e-38 for 0; where there are many, a CPU is slow with them. A block
        within another one has no effect, and that of the outer one holds.

    Examples
    --------
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    if getattr(_within, "block", False):
        yield
        return
    if _forked.is_set() and torch.get_num_threads() > 1:
        _forked.clear()
        warnings.warn(
            "this process was forked from one that had used torch, and asks for several threads: "
            "torch may wait for ever for those of the parent; leave torch.set_num_threads at 1, or "
            "start processes with multiprocessing.get_context('spawn')",
            UserWarning,
            stacklevel=4,
        )
    threads, flushed = torch.get_num_threads(), _flushes_denormals()
    precision = torch.get_float32_matmul_precision()
    _within.block = True
    torch.set_num_threads(1)
    torch.set_flush_denormal(flush_denormals)
    if precision != "highest":
        torch.set_float32_matmul_precision("highest")
    try:
        with ExitStack() as defaults:
            if torch.get_default_device().type != "cpu":
                defaults.enter_context(torch.device("cpu"))
            if torch.is_autocast_enabled("cpu"):
                defaults.enter_context(torch.autocast("cpu", enabled=False))
            if torch.is_inference_mode_enabled():
                defaults.enter_context(torch.inference_mode(False))
            if not torch.is_grad_enabled():
                defaults.enter_context(torch.enable_grad())
            yield
    finally:
        if precision != "highest":
            torch.set_float32_matmul_precision(precision)
        torch.set_flush_denormal(flushed)
        torch.set_num_threads(threads)
        _within.block = False


def _flushes_denormals() -> bool:
    """Find out whether this thread takes the tiniest numbers for 0; torch does not tell."""
    tiny = torch.full((1,), 1e-310, dtype=torch.float64, device="cpu")
    return bool((tiny * 1.0 == 0).item())
