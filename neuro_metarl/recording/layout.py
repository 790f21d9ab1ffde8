"""From the tensors of a rollout to the arrays of a cohort."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

__all__: list[str] = []


def options(variables: dict[str, np.ndarray]) -> dict[str, Any]:
    table = next(variables[k] for k in ("p_reward", "expected_reward") if k in variables)
    return {"option": ("option", np.arange(table.shape[-1], dtype="int8"))}


def sessions_first(value: Tensor) -> np.ndarray:
    """Turn (trial, agent, ..., session) into (session, trial, ...)."""
    return np.ascontiguousarray(value.squeeze(1).movedim(-1, 0).numpy())
