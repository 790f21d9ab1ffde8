"""Which engine computes a core: torch's operations, one fused kernel, or autograd.

See ``docs/kernel.md``. ``torch`` is the reference: it computes every core, on any device. ``fused``
is compiled for the core ``lstm`` in float32 on a CPU, for tasks whose observations are numbers.
"""

from __future__ import annotations

import torch

from neuro_metarl.agents.buffers import Engine
from neuro_metarl.agents.cores import LSTM, Core
from neuro_metarl.agents.fast_lstm import FastLstm
from neuro_metarl.agents.fused_lstm import FusedLstm
from neuro_metarl.agents.population import Shape
from neuro_metarl.agents.traced import Traced
from neuro_metarl.errors import InputError, did_you_mean

__all__ = ["DEFAULT_ENGINE", "ENGINES", "FAST", "FUSED", "engine_of", "settle_engine"]

FAST: dict[Core, type[Engine]] = {LSTM: FastLstm}
FUSED: dict[Core, type[Engine]] = {LSTM: FusedLstm}
ENGINES = ("auto", "torch", "fused")
DEFAULT_ENGINE = "torch"


def settle_engine(
    engine: str, shape: Shape, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> str:
    """Say which engine computes networks of a shape.

    Parameters
    ----------
    engine
        ``"torch"``, ``"fused"``, or ``"auto"``: fused where it can be.
    shape
        Of the networks.
    device
        Where they are.
    dtype
        Of their weights.

    Returns
    -------
    str
        ``"torch"`` or ``"fused"``.

    Raises
    ------
    InputError
        There is no such engine, or the fused one cannot compute these networks.

    Examples
    --------
    >>> settle_engine("auto", Shape(4, 3, 48))
    'fused'
    >>> settle_engine("auto", Shape(4, 3, 48), "cuda")
    'torch'
    """
    if engine not in ENGINES:
        raise InputError(f"engine is {engine!r}; {did_you_mean(str(engine), ENGINES)}")
    if engine == "torch":
        return engine
    why = _why_not(shape, device, dtype)
    if engine == "fused" and why:
        raise InputError(f"engine 'fused' cannot compute {why}; take 'torch' or 'auto'")
    return "torch" if why else "fused"


def _why_not(shape: Shape, device: str, dtype: torch.dtype) -> str:
    """Name what the fused kernel was not made for; empty: it can compute them."""
    if shape.core not in FUSED:
        return f"the core {shape.core.name!r}, it is made for 'lstm'"
    if shape.encoder is not None:
        return "networks that see pictures"
    if torch.device(device).type != "cpu":
        return f"on {device!r}, it is made for the CPU"
    if dtype != torch.float32:
        return f"in {dtype}, it is made for float32"
    return ""


def engine_of(settled: str, core: Core) -> type[Engine]:
    """Find the engine that was settled on.

    Parameters
    ----------
    settled
        See :func:`settle_engine`.
    core
        Of the networks.

    Returns
    -------
    type
        Autograd's, for a core that has no faster one.

    Examples
    --------
    >>> from neuro_metarl.agents.cores import core_named
    >>> engine_of("torch", core_named("gru")).__name__
    'Traced'
    """
    return (FUSED if settled == "fused" else FAST).get(core, Traced)
