"""The LSTM for one episode: units side by side, forward with its choices, and backward.

Buffers are those of :class:`neuro_metarl.agents.buffers.Buffers`, dims (time, agent, row). Each
gate has its own vectors; units that fill the last one up have weights of zero. The functions are
those of :mod:`neuro_metarl.agents.kernel.lanes`, and take the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neuro_metarl.agents.kernel.blocks import (
    FEW_VECTORS,
    MANY_VECTORS,
    back_through_cell,
    few_rows_by_vectors,
    many_rows_by_vectors,
    one_cell,
    one_column,
    read,
    write,
)
from neuro_metarl.agents.kernel.compiling import compiled
from neuro_metarl.agents.kernel.lanes import BYTES, add_products, aligned
from neuro_metarl.agents.kernel.vectors import LANES

__all__ = []


@compiled
def _filled(n: int) -> int:
    """Round up to whole vectors."""
    return (n + LANES - 1) // LANES * LANES


@compiled
def _multiply(p_weights: int, n_numbers: int, p_x: int, p_out: int, n: int) -> None:
    """out[number] = sum over k of x[k] weights[k, number]; numbers are whole vectors."""
    v, n_vectors = 0, n_numbers // LANES
    while v < n_vectors:
        if n_vectors - v >= MANY_VECTORS:
            many_rows_by_vectors(p_weights + v * BYTES, n_numbers, p_x, p_out + v * BYTES, n)
            v += MANY_VECTORS
        elif n_vectors - v >= FEW_VECTORS:
            few_rows_by_vectors(p_weights + v * BYTES, n_numbers, p_x, p_out + v * BYTES, n)
            v += FEW_VECTORS
        else:
            one_column(p_weights + v * BYTES, n_numbers, p_x, p_out + v * BYTES, n)
            v += 1


@compiled
def size_of_packed(n_units: int, n_inputs: int, n_actions: int) -> int:
    """Count the numbers of one network's packed weights."""
    in_cells = 4 * _filled(n_units) * (n_inputs + 1 + n_units)
    return in_cells + _filled(n_actions + 1) * (1 + n_units)


@compiled
def pack(recurrent: Any, heads: Any, packed: Any) -> None:
    """Lay weights out column after column, each gate's rows filled up to whole vectors."""
    n_agents, n_rows, n_columns = recurrent.shape
    h, n_outputs = n_rows // 4, heads.shape[1]
    width, n_out = _filled(h), _filled(n_outputs)
    packed[:] = 0
    for n in range(n_agents):
        for k in range(n_columns):
            for gate in range(4):
                for j in range(h):
                    packed[n, (k * 4 + gate) * width + j] = recurrent[n, gate * h + j, k]
        at = n_columns * 4 * width
        for k in range(1 + h):
            for q in range(n_outputs):
                packed[n, at + k * n_out + q] = heads[n, q, k]


@compiled
def _choose(out: Any, noise: Any, first_noise: int, x: Any, first_x: int, n_actions: int) -> None:
    """Take the action with the largest logit + noise, as :func:`blocks.choose` does."""
    best = out[0] + noise[first_noise]
    for a in range(1, n_actions):
        value = out[a] + noise[first_noise + a]
        if value > best or value != value:
            best = value
    for a in range(n_actions):
        x[first_x + a] = 1 if out[a] + noise[first_noise + a] == best else 0


@compiled
def _write_effects(
    effects: Any, t: int, n: int, n_agents: int, n_events: int, x: Any, first_x: int, n_actions: int
) -> None:
    """Write what the action at a step leads to."""
    trial = t // n_events
    for e in range(effects.shape[0]):
        later = t + effects[e, 1]
        if effects[e, 0] != t - trial * n_events or later >= effects[e, 7]:
            continue
        n_written = effects[e, 3]
        table = (trial * n_agents + n) * n_actions * n_written
        target = (later * n_agents + n) * effects[e, 6] + effects[e, 2]
        for r in range(n_written):
            value = np.float32(0)
            for a in range(n_actions):
                at = effects[e, 4] + 4 * (table + a * n_written + r)
                value += x[first_x + a] * read(at)
            write(value, effects[e, 5] + 4 * (target + r))


@compiled
def _copy_gates(source: Any, apart: int, h: int, target: Any, stride: int) -> None:
    """Copy the four gates of all units, which stand at other distances there."""
    for gate in range(4):
        for j in range(h):
            target[gate * stride + j] = source[gate * apart + j]


@compiled
def forward(
    packed: Any, x: Any, rows: Any, cell: Any, tanh_cell: Any, noise: Any, effects: Any,
    sizes: Any, start: int, stop: int, chooses: bool,
) -> None:  # fmt: skip
    """Take steps ``start`` to ``stop``; see :func:`neuro_metarl.agents.kernel.lanes.forward`."""
    n_agents, h, n_inputs, n_actions, _, n_events = sizes
    n_columns, n_rows, width = n_inputs + 1 + h, 4 * h + n_actions + 1, _filled(h)
    drive, gates, memory = aligned(4 * width), aligned(4 * width), aligned(width)
    new, squashed, hidden = aligned(width), aligned(width), aligned(width)
    shown, out = aligned(1 + width), aligned(_filled(n_actions + 1))
    shown[0] = 1
    p_shown, p_hidden = shown.ctypes.data, hidden.ctypes.data
    p_drive, p_gates, p_memory = drive.ctypes.data, gates.ctypes.data, memory.ctypes.data
    p_new, p_squashed, p_out = new.ctypes.data, squashed.ctypes.data, out.ctypes.data
    for n in range(n_agents):
        p_cells = packed.ctypes.data + 4 * n * packed.shape[1]
        p_heads = p_cells + 4 * n_columns * 4 * width
        for j in range(h):
            memory[j] = cell[(start * n_agents + n) * h + j]
        for t in range(start, stop):
            here = t * n_agents + n
            after = here + n_agents
            _multiply(p_cells, 4 * width, x.ctypes.data + 4 * here * n_columns, p_drive, n_columns)
            for v in range(0, width, LANES):
                at = 4 * v
                one_cell(p_drive + at, width, p_memory + at, p_shown + 4 + at, p_gates + at, width,
                         p_new + at, p_squashed + at, p_hidden + at, 0, 0, 0)  # fmt: skip
            _copy_gates(gates, width, h, rows[here * n_rows :], h)
            cell[after * h : (after + 1) * h] = new[:h]
            tanh_cell[here * h : (here + 1) * h] = squashed[:h]
            x[after * n_columns + n_inputs + 1 : (after + 1) * n_columns] = hidden[:h]
            _multiply(p_heads, out.size, p_shown, p_out, 1 + h)
            rows[after * n_rows + 4 * h : (after + 1) * n_rows] = out[: n_actions + 1]
            if chooses:
                first = after * n_columns
                _choose(out, noise, here * n_actions, x, first, n_actions)
                _write_effects(effects, t, n, n_agents, n_events, x, first, n_actions)
    # numba frees what is not used any more, though addresses point into it
    shown[0] = drive[0] = gates[0] = memory[0] = new[0] = squashed[0] = hidden[0] = out[0] = 0


@compiled
def _pack_back(recurrent: Any, heads: Any, n: int, width: int, packed: Any) -> None:
    """Lay out what the hidden state drives, row after row: gates of the next step, and outputs."""
    n_rows, n_columns = recurrent.shape[1:]
    h = n_rows // 4
    for gate in range(4):
        for i in range(h):
            for j in range(h):
                packed[(gate * width + i) * width + j] = recurrent[
                    n, gate * h + i, n_columns - h + j
                ]
    for q in range(heads.shape[1]):
        for j in range(h):
            packed[(4 * width + q) * width + j] = heads[n, q, 1 + j]


@compiled
def _unpack(sums: Any, n_vectors: int, width: int, d_recurrent: Any, d_heads: Any) -> None:
    """Write sums, dims (column, row), into the gradients of one network's weights."""
    n_rows, n_columns = d_recurrent.shape
    h = n_rows // 4
    for gate in range(4):
        for j in range(h):
            for k in range(n_columns):
                d_recurrent[gate * h + j, k] = sums[k * n_vectors * LANES + gate * width + j]
    for q in range(d_heads.shape[0]):
        for k in range(1 + h):
            at = (n_columns - 1 - h + k) * n_vectors * LANES + 4 * width
            d_heads[q, k] = sums[at + q]


@compiled
def backward(
    recurrent: Any, heads: Any, x: Any, rows: Any, cell: Any, tanh_cell: Any, sizes: Any,
    n_steps: int, d_recurrent: Any, d_heads: Any, d_first_hidden: Any, d_first_cell: Any,
) -> None:  # fmt: skip
    """Go back through all steps; see :func:`neuro_metarl.agents.kernel.lanes.backward`."""
    n_agents, h, n_inputs, n_actions, _, _ = sizes
    n_columns, n_rows, width = n_inputs + 1 + h, 4 * h + n_actions + 1, _filled(h)
    n_vectors = (4 * width + _filled(n_actions + 1)) // LANES
    driven = 4 * width + n_actions + 1
    packed, sums = aligned(driven * width), aligned(n_columns * n_vectors * LANES)
    drive = aligned((n_steps + 1) * n_vectors * LANES)
    gates, before, squashed = aligned(4 * width), aligned(width), aligned(width)
    shown, memory = aligned(width), aligned(width)
    p_packed, p_drive, p_sums = packed.ctypes.data, drive.ctypes.data, sums.ctypes.data
    p_gates, p_before, p_squashed = gates.ctypes.data, before.ctypes.data, squashed.ctypes.data
    p_shown, p_memory, p_x = shown.ctypes.data, memory.ctypes.data, x.ctypes.data
    for n in range(n_agents):
        _pack_back(recurrent, heads, n, width, packed)
        sums[:] = 0
        memory[:] = 0
        drive[n_steps * n_vectors * LANES :] = 0
        drive[: n_vectors * LANES] = 0
        for t in range(n_steps, -1, -1):
            here, p_now = t * n_agents + n, p_drive + t * n_vectors * BYTES
            if t > 0:
                at = t * n_vectors * LANES + 4 * width
                drive[at : at + n_actions + 1] = rows[here * n_rows + 4 * h : (here + 1) * n_rows]
            _multiply(p_packed, width, p_now, p_shown, driven)
            if t == 0:
                break
            here -= n_agents
            _copy_gates(rows[here * n_rows :], h, h, gates, width)
            before[:h] = cell[here * h : (here + 1) * h]
            squashed[:h] = tanh_cell[here * h : (here + 1) * h]
            for v in range(0, width, LANES):
                at = 4 * v
                back_through_cell(p_gates + at, width, p_before + at, p_squashed + at,
                                  p_shown + at, p_memory + at, p_now - n_vectors * BYTES + at,
                                  width, 0, 0)  # fmt: skip
        add_products(p_sums, p_drive, n_vectors, p_x + 4 * n * n_columns, n_columns, 1, 0,
                     n_steps + 1, n_agents * n_columns, 1)  # fmt: skip
        d_first_hidden[n], d_first_cell[n] = shown[:h], memory[:h]
        _unpack(sums, n_vectors, width, d_recurrent[n], d_heads[n])
    # numba frees what is not used any more, though addresses point into it
    packed[0] = sums[0] = drive[0] = gates[0] = before[0] = squashed[0] = shown[0] = memory[0] = 0
