"""The network of a twin: a gated unit or a few, read by what happened on the last trial.

The state ``h`` has one number for each unit; ``k`` is the code of the last trial::

    r = s(W_r[k] + U_r h)    z = s(W_z[k] + U_z h)    n = tanh(W_n[k] + r (U_n h + c))
    h' = (1 - z) n + z h     log odds of choosing 1 = w h + b

``s`` is the logistic function. ``h`` is ``h0``, which is fitted too, wherever memory starts anew.
The gradient is written by hand: one pass forward that keeps the gates, one pass back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from neuro_metarl.errors import InputError

__all__ = ["loss_and_gradient", "n_weights", "run_network", "split_weights", "weight_names"]


def n_weights(n_units: int, n_codes: int) -> int:
    """Count the weights of a network.

    Parameters
    ----------
    n_units, n_codes
        Units, and codes of a trial (8 on the two-step task, 4 on a bandit of two arms).

    Examples
    --------
    >>> [n_weights(d, 8) for d in (1, 2, 3)]
    [31, 67, 109]
    """
    return 3 * n_codes * n_units + 3 * n_units**2 + 3 * n_units + 1


def weight_names(n_units: int, n_codes: int) -> list[str]:
    """Name the weights in the order in which they stand in a vector.

    Parameters
    ----------
    n_units, n_codes
        See :func:`n_weights`.

    Examples
    --------
    >>> weight_names(1, 4)[-4:]
    ['candidate_bias 0', 'readout 0', 'initial 0', 'bias']
    """
    units, gates = range(n_units), ("reset", "update", "candidate")
    return [
        *(f"{g} code {k} to {i}" for k in range(n_codes) for g in gates for i in units),
        *(f"{g} {j} to {i}" for g in gates for i in units for j in units),
        *(f"candidate_bias {i}" for i in units),
        *(f"readout {i}" for i in units),
        *(f"initial {i}" for i in units),
        "bias",
    ]


def split_weights(weights: np.ndarray, n_units: int, n_codes: int) -> dict[str, np.ndarray]:
    """Cut a vector of weights into its parts.

    Parameters
    ----------
    weights
        Dims (weight).
    n_units, n_codes
        See :func:`n_weights`.

    Returns
    -------
    dict
        ``table`` (code, gate, unit), ``recurrent`` (gate, unit, from unit), ``candidate_bias``,
        ``readout`` and ``initial`` (unit), ``bias``. Gates: reset, update, candidate.

    Examples
    --------
    >>> split_weights(np.arange(n_weights(2, 4)), 2, 4)["recurrent"].shape
    (3, 2, 2)
    """
    d = n_units
    sizes = [3 * n_codes * d, 3 * d * d, d, d, d]
    table, recurrent, c, w, h0, b = np.split(np.asarray(weights), np.cumsum(sizes))
    return {
        "table": table.reshape(n_codes, 3, d), "recurrent": recurrent.reshape(3, d, d),
        "candidate_bias": c, "readout": w, "initial": h0, "bias": b,
    }  # fmt: skip


def loss_and_gradient(
    weights: np.ndarray, code: np.ndarray, target: np.ndarray, counts: np.ndarray,
    start: np.ndarray, n_units: int, n_codes: int,
) -> tuple[float, np.ndarray]:  # fmt: skip
    """Give the cross entropy of targets, and how it changes with each weight.

    Parameters
    ----------
    weights
        Dims (weight).
    code
        int, dims (row): what happened on the trial.
    target
        Dims (row), 0 to 1: the choice, or the probability of choosing 1 that is to be met.
    counts
        Dims (row): how much the trial counts; 0 where the choice was imposed or is left out.
    start
        bool, dims (row): memory starts anew before the trial.
    n_units, n_codes
        See :func:`n_weights`.

    Returns
    -------
    loss, gradient
        In nats; dims (weight).

    Raises
    ------
    InputError
        A wrong number of weights, or a code that there is not.

    Examples
    --------
    >>> loss, gradient = loss_and_gradient(np.zeros(n_weights(1, 4)), np.array([3, 0]),
    ...                                    np.ones(2), np.ones(2), np.array([True, False]), 1, 4)
    >>> round(loss, 3), float(gradient[-1])
    (1.386, -1.0)
    """
    _check(weights, code, n_units, n_codes)
    gradient = np.zeros(len(weights))
    loss = _compiled(_back)(weights, code, target, counts, start, n_units, n_codes, gradient)
    return float(loss), gradient


def run_network(
    weights: np.ndarray, code: np.ndarray, start: np.ndarray, n_units: int, n_codes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run a network along trials.

    Parameters
    ----------
    weights, code, start, n_units, n_codes
        See :func:`loss_and_gradient`.

    Returns
    -------
    log_odds, before, after
        Dims (row), log odds of choosing 1; dims (row, unit), the state before the choice and after
        the outcome.

    Examples
    --------
    >>> odds, before, after = run_network(np.ones(n_weights(1, 4)), np.array([0, 1]),
    ...                                   np.array([True, False]), 1, 4)
    >>> bool(after[0, 0] == before[1, 0]), round(float(odds[0]), 2)
    (True, 2.0)
    """
    _check(weights, code, n_units, n_codes)
    odds = np.empty(len(code))
    before, after = np.empty((len(code), n_units)), np.empty((len(code), n_units))
    _compiled(_forward)(weights, code, start, n_units, n_codes, odds, before, after)
    return odds, before, after


def _check(weights: np.ndarray, code: np.ndarray, n_units: int, n_codes: int) -> None:
    """Refuse what compiled code would read beyond its end."""
    if len(weights) != n_weights(n_units, n_codes):
        raise InputError(
            f"{len(weights)} weights, expected {n_weights(n_units, n_codes)} for {n_units} units "
            f"and {n_codes} codes"
        )
    if len(code) and not 0 <= code.min() <= code.max() < n_codes:
        raise InputError(
            f"codes run from {code.min()} to {code.max()}, expected 0 to {n_codes - 1}"
        )


@lru_cache(maxsize=4)
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile, and keep what was compiled on disk where there is a place for it."""
    from numba import njit

    options: dict[str, Any] = {"error_model": "numpy", "nogil": True}
    try:
        return njit(function, cache=True, **options)
    except RuntimeError:
        return njit(function, **options)


def _forward(weights, code, start, d, n_codes, odds, before, after):  # type: ignore[no-untyped-def]
    u = 3 * n_codes * d
    c = u + 3 * d * d
    w, h0, b = c + d, c + 2 * d, c + 3 * d
    h = np.zeros(d)
    for t in range(len(code)):
        if start[t]:
            for i in range(d):
                h[i] = weights[h0 + i]
        k, x = 3 * d * code[t], weights[b]
        for i in range(d):
            x += weights[w + i] * h[i]
            before[t, i] = h[i]
        odds[t] = x
        for i in range(d):
            a, m, g = weights[k + i], weights[k + d + i], weights[c + i]
            for j in range(d):
                a += weights[u + i * d + j] * before[t, j]
                m += weights[u + d * d + i * d + j] * before[t, j]
                g += weights[u + 2 * d * d + i * d + j] * before[t, j]
            z = 1 / (1 + np.exp(-m))
            n = np.tanh(weights[k + 2 * d + i] + g / (1 + np.exp(-a)))
            h[i] = (1 - z) * n + z * before[t, i]
            after[t, i] = h[i]


def _back(weights, code, target, counts, start, d, n_codes, gradient):  # type: ignore[no-untyped-def]  # noqa: C901
    u = 3 * n_codes * d
    ur, uz, un, c = u, u + d * d, u + 2 * d * d, u + 3 * d * d
    w, h0, b = c + d, c + 2 * d, c + 3 * d
    rows = len(code)
    # state, reset, update, candidate, and what the reset gate multiplies
    kept = np.empty((rows, 5, d))
    error = np.empty(rows)
    h, loss = np.zeros(d), 0.0
    for t in range(rows):
        if start[t]:
            for i in range(d):
                h[i] = weights[h0 + i]
        k, x = 3 * d * code[t], weights[b]
        for i in range(d):
            kept[t, 0, i] = h[i]
            x += weights[w + i] * h[i]
        e = np.exp(-abs(x))
        p = (1.0 if x >= 0 else e) / (1 + e)
        error[t] = counts[t] * (p - target[t])
        if counts[t] > 0:
            loss += counts[t] * (max(x, 0.0) + np.log1p(e) - target[t] * x)
        for i in range(d):
            a, m, g = weights[k + i], weights[k + d + i], weights[c + i]
            for j in range(d):
                a += weights[ur + i * d + j] * kept[t, 0, j]
                m += weights[uz + i * d + j] * kept[t, 0, j]
                g += weights[un + i * d + j] * kept[t, 0, j]
            r, z = 1 / (1 + np.exp(-a)), 1 / (1 + np.exp(-m))
            n = 1 - 2 / (1 + np.exp(2 * (weights[k + 2 * d + i] + r * g)))
            kept[t, 1, i], kept[t, 2, i], kept[t, 3, i], kept[t, 4, i] = r, z, n, g
            h[i] = (1 - z) * n + z * kept[t, 0, i]
    later, earlier = np.zeros(d), np.zeros(d)
    for t in range(rows - 1, -1, -1):
        k = 3 * d * code[t]
        for j in range(d):
            earlier[j] = later[j] * kept[t, 2, j] + error[t] * weights[w + j]
            gradient[w + j] += error[t] * kept[t, 0, j]
        gradient[b] += error[t]
        for i in range(d):
            h_i, r, z = kept[t, 0, i], kept[t, 1, i], kept[t, 2, i]
            n, g = kept[t, 3, i], kept[t, 4, i]
            dn = later[i] * (1 - z) * (1 - n * n)
            dm = later[i] * (h_i - n) * z * (1 - z)
            dg = dn * r
            da = dn * g * r * (1 - r)
            gradient[k + i] += da
            gradient[k + d + i] += dm
            gradient[k + 2 * d + i] += dn
            gradient[c + i] += dg
            for j in range(d):
                h_j = kept[t, 0, j]
                gradient[ur + i * d + j] += da * h_j
                gradient[uz + i * d + j] += dm * h_j
                gradient[un + i * d + j] += dg * h_j
                earlier[j] += (
                    da * weights[ur + i * d + j]
                    + dm * weights[uz + i * d + j]
                    + dg * weights[un + i * d + j]
                )
        for j in range(d):
            if start[t]:
                gradient[h0 + j] += earlier[j]
                later[j] = 0.0
            else:
                later[j] = earlier[j]
    return loss
