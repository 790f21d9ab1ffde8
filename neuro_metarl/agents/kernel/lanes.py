"""The LSTM for 16 episodes side by side: forward with its choices, and backward.

Buffers are those of :class:`neuro_metarl.agents.buffers.Buffers`, dims (time, agent, row, lane),
with lanes in multiples of 16. Sixteen lanes of one network are taken through all steps before the
next sixteen, so that weights and state stay in the caches.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neuro_metarl.agents.kernel.blocks import (
    COLUMNS,
    FEW_ROWS,
    MANY_ROWS,
    SHEET,
    back_through_cell,
    choose,
    copy_vector,
    few_rows_by_lanes,
    many_rows_by_lanes,
    one_cell,
    outer,
    outer_column,
    outer_strip,
    outer_strip_column,
    transpose,
    weigh,
)
from neuro_metarl.agents.kernel.compiling import compiled
from neuro_metarl.agents.kernel.vectors import LANES

__all__ = ["BYTES", "add_products", "aligned", "backward", "forward", "pack", "size_of_packed"]

BYTES = 4 * LANES
MANY_UNITS, FEW_UNITS = MANY_ROWS // 4, FEW_ROWS // 4
# steps whose products of inputs and gradients are added at once: their lanes stay in cache
STEPS_AT_ONCE = 4


@compiled
def aligned(n: int) -> Any:
    """Allocate zeros that begin where a register's worth of memory begins."""
    made = np.zeros(n + LANES, np.float32)
    skip = (BYTES - made.ctypes.data % BYTES) % BYTES // 4
    return made[skip : skip + n]


@compiled
def _blocks(n: int, many: int, few: int) -> tuple[int, int]:
    """Count the large blocks that n fills, and the small ones for what is left."""
    large = n // many
    return large, (n - large * many + few - 1) // few


@compiled
def size_of_packed(n_units: int, n_inputs: int, n_actions: int) -> int:
    """Count the numbers of one network's packed weights."""
    large, small = _blocks(n_units, MANY_UNITS, FEW_UNITS)
    n_columns = n_inputs + 1 + n_units
    in_cells = (large * MANY_ROWS + small * FEW_ROWS) * n_columns
    return in_cells + (n_actions // FEW_ROWS + 1) * FEW_ROWS * (1 + n_units)


@compiled
def pack(recurrent: Any, heads: Any, packed: Any) -> None:
    """Lay weights out in the order in which the products read them.

    Block after block, within a block column after column, within a column the rows side by side:
    the four gates of the block's units, or outputs. Rows that fill a block up are zero.
    """
    n_agents, n_rows, n_columns = recurrent.shape
    n_units, n_outputs = n_rows // 4, heads.shape[1]
    large, small = _blocks(n_units, MANY_UNITS, FEW_UNITS)
    packed[:] = 0
    for n in range(n_agents):
        at, unit = 0, 0
        for block in range(large + small):
            size = MANY_UNITS if block < large else FEW_UNITS
            for k in range(n_columns):
                for gate in range(4):
                    for u in range(min(size, n_units - unit)):
                        row = gate * n_units + unit + u
                        packed[n, at + (k * 4 + gate) * size + u] = recurrent[n, row, k]
            at += n_columns * 4 * size
            unit += size
        for first in range(0, n_outputs, FEW_ROWS):
            for k in range(1 + n_units):
                for q in range(min(FEW_ROWS, n_outputs - first)):
                    packed[n, at + k * FEW_ROWS + q] = heads[n, first + q, k]
            at += (1 + n_units) * FEW_ROWS


@compiled
def _copy_rows(p_source: int, stride: int, n: int, p_target: int) -> None:
    """Copy 16 lanes of n rows, ``stride`` apart, to rows that follow each other."""
    for k in range(n):
        copy_vector(p_source + 4 * k * stride, p_target + k * BYTES)


@compiled
def _cells(
    p_weights: int, p_now: int, n_columns: int, h: int, n_lanes: int, p_drive: int, p_memory: int,
    p_shown: int, p_gates: int, p_cell: int, p_tanh: int, p_hidden: int,
) -> int:  # fmt: skip
    """Take all units through one step; return where the weights of the heads begin."""
    large, small = _blocks(h, MANY_UNITS, FEW_UNITS)
    unit = 0
    for block in range(large + small):
        size = MANY_UNITS
        if block < large:
            many_rows_by_lanes(p_weights, p_now, p_drive, n_columns)
        else:
            size = FEW_UNITS
            few_rows_by_lanes(p_weights, p_now, p_drive, n_columns)
        for u in range(min(size, h - unit)):
            j, far = unit + u, 4 * (unit + u) * n_lanes
            one_cell(p_drive + u * BYTES, size * LANES, p_memory + j * BYTES, p_shown + j * BYTES,
                     p_gates + far, h * n_lanes, p_cell + far, p_tanh + far,
                     p_hidden + far)  # fmt: skip
        p_weights += 4 * n_columns * 4 * size
        unit += size
    return p_weights


@compiled
def _write_effects(
    effects: Any, t: int, n: int, n_agents: int, n_events: int, p_taken: int, n_actions: int,
    n_lanes: int, lane: int,
) -> None:  # fmt: skip
    """Write what the actions at a step lead to."""
    trial = t // n_events
    for e in range(effects.shape[0]):
        later = t + effects[e, 1]
        if effects[e, 0] != t - trial * n_events or later >= effects[e, 7]:
            continue
        n_written = effects[e, 3]
        table = (trial * n_agents + n) * n_actions * n_written
        target = (later * n_agents + n) * effects[e, 6] + effects[e, 2]
        for r in range(n_written):
            weigh(p_taken, effects[e, 4] + 4 * ((table + r) * n_lanes + lane), n_written * n_lanes,
                  n_actions, effects[e, 5] + 4 * ((target + r) * n_lanes + lane))  # fmt: skip


@compiled
def forward(
    packed: Any, x: Any, rows: Any, cell: Any, tanh_cell: Any, noise: Any, effects: Any,
    sizes: Any, start: int, stop: int, chooses: bool,
) -> None:  # fmt: skip
    """Take steps ``start`` to ``stop`` of all lanes.

    Parameters
    ----------
    packed
        Dims (agent, number).
    x, rows, cell, tanh_cell, noise
        The buffers, flat.
    effects
        int64, one row each: step within the trial, delay, first row, rows; address of the table,
        dims (trial, agent, action, row, lane); address of the buffer that is written, its rows and
        its times.
    sizes
        Agents, units, inputs, actions, lanes, events of a trial.
    start, stop
        Steps.
    chooses
        Whether actions are taken, and what they lead to written.
    """
    n_agents, h, n_inputs, n_actions, n_lanes, n_events = sizes
    n_columns, n_rows = n_inputs + 1 + h, 4 * h + n_actions + 1
    hidden_at = n_inputs + 1
    scratch = aligned((n_columns + MANY_ROWS + 2 * h + 1 + 2 * n_actions + 1 + FEW_ROWS) * LANES)
    p_now = scratch.ctypes.data
    p_drive = p_now + n_columns * BYTES
    p_memory = p_drive + MANY_ROWS * BYTES
    p_shown = p_memory + h * BYTES
    p_taken = p_shown + (1 + h) * BYTES
    p_out = p_taken + n_actions * BYTES
    ones = (n_columns + MANY_ROWS + h) * LANES
    scratch[ones : ones + LANES] = 1
    p_x, p_rows = x.ctypes.data, rows.ctypes.data
    p_cell, p_tanh, p_noise = cell.ctypes.data, tanh_cell.ctypes.data, noise.ctypes.data
    for n in range(n_agents):
        p_packed = packed.ctypes.data + 4 * n * packed.shape[1]
        for lane in range(0, n_lanes, LANES):
            first = start * n_agents + n
            _copy_rows(p_x + 4 * (first * n_columns * n_lanes + lane), n_lanes, n_columns, p_now)
            _copy_rows(p_cell + 4 * (first * h * n_lanes + lane), n_lanes, h, p_memory)
            for t in range(start, stop):
                here = t * n_agents + n
                after = here + n_agents
                p_weights = _cells(
                    p_packed,
                    p_now,
                    n_columns,
                    h,
                    n_lanes,
                    p_drive,
                    p_memory,
                    p_shown + BYTES,
                    p_rows + 4 * (here * n_rows * n_lanes + lane),
                    p_cell + 4 * (after * h * n_lanes + lane),
                    p_tanh + 4 * (here * h * n_lanes + lane),
                    p_x + 4 * ((after * n_columns + hidden_at) * n_lanes + lane),
                )
                for first in range(0, n_actions + 1, FEW_ROWS):
                    few_rows_by_lanes(p_weights, p_shown, p_out + first * BYTES, 1 + h)
                    p_weights += 4 * (1 + h) * FEW_ROWS
                p_outputs = p_rows + 4 * ((after * n_rows + 4 * h) * n_lanes + lane)
                for q in range(n_actions + 1):
                    copy_vector(p_out + q * BYTES, p_outputs + 4 * q * n_lanes)
                if chooses:
                    choose(
                        p_out,
                        p_noise + 4 * (here * n_actions * n_lanes + lane),
                        n_lanes,
                        n_actions,
                        p_taken,
                        p_x + 4 * (after * n_columns * n_lanes + lane),
                        n_lanes,
                    )
                    _write_effects(
                        effects, t, n, n_agents, n_events, p_taken, n_actions, n_lanes, lane
                    )
                source = p_x + 4 * (after * n_columns * n_lanes + lane)
                _copy_rows(source, n_lanes, hidden_at, p_now)
                _copy_rows(p_shown + BYTES, LANES, h, p_now + hidden_at * BYTES)
    scratch[0] = 0  # numba frees what is not used any more, though addresses point into it


@compiled
def _pack_back(recurrent: Any, heads: Any, n: int, packed: Any) -> None:
    """Lay out, for each unit, what its hidden state drives: gates of the next step, and outputs."""
    n_rows, n_columns = recurrent.shape[1:]
    h, n_outputs = n_rows // 4, heads.shape[1]
    large, small = _blocks(h, MANY_ROWS, FEW_ROWS)
    at, unit = 0, 0
    for block in range(large + small):
        size = MANY_ROWS if block < large else FEW_ROWS
        for row in range(n_rows + n_outputs):
            for u in range(min(size, h - unit)):
                j = unit + u
                if row < n_rows:
                    packed[at + row * size + u] = recurrent[n, row, n_columns - h + j]
                else:
                    packed[at + row * size + u] = heads[n, row - n_rows, 1 + j]
        at += (n_rows + n_outputs) * size
        unit += size


@compiled
def add_products(
    p_sums: int, p_d: int, n_vectors: int, p_x: int, n_columns: int, n_blocks: int, block: int,
    n_samples: int, step: int, across: int,
) -> None:  # fmt: skip
    """Add to sums, dims (column, row), the products of x and d of all samples.

    Strides as in :func:`blocks.outer`.
    """
    stride, paired = n_vectors * LANES, n_columns - n_columns % COLUMNS
    for v in range(0, n_vectors - SHEET + 1, SHEET):
        for k in range(0, paired, COLUMNS):
            outer(p_sums + 4 * k * stride + v * BYTES, p_d + v * BYTES, stride,
                  p_x + 4 * k * across, n_blocks, block, n_samples, step, across)  # fmt: skip
        for k in range(paired, n_columns):
            outer_column(p_sums + 4 * k * stride + v * BYTES, p_d + v * BYTES, stride,
                         p_x + 4 * k * across, n_blocks, block, n_samples, step,
                         across)  # fmt: skip
    for v in range(n_vectors - n_vectors % SHEET, n_vectors):
        for k in range(0, paired, COLUMNS):
            outer_strip(p_sums + 4 * k * stride + v * BYTES, p_d + v * BYTES, stride,
                        p_x + 4 * k * across, n_blocks, block, n_samples, step, across)  # fmt: skip
        for k in range(paired, n_columns):
            outer_strip_column(p_sums + 4 * k * stride + v * BYTES, p_d + v * BYTES, stride,
                               p_x + 4 * k * across, n_blocks, block, n_samples, step,
                               across)  # fmt: skip


@compiled
def _hidden_gradients(p_packed: int, n_rows: int, h: int, p_drive: int, p_shown: int) -> None:
    """Multiply the gradients of all that the hidden state drives with its weights."""
    large, small = _blocks(h, MANY_ROWS, FEW_ROWS)
    for block in range(large):
        many_rows_by_lanes(p_packed, p_drive, p_shown + block * MANY_ROWS * BYTES, n_rows)
        p_packed += 4 * n_rows * MANY_ROWS
    p_shown += large * MANY_ROWS * BYTES
    for block in range(small):
        few_rows_by_lanes(p_packed, p_drive, p_shown + block * FEW_ROWS * BYTES, n_rows)
        p_packed += 4 * n_rows * FEW_ROWS


@compiled
def _unpack(sums: Any, n_vectors: int, d_recurrent: Any, d_heads: Any) -> None:
    """Write sums, dims (column, row), into the gradients of one network's weights."""
    n_rows, n_columns = d_recurrent.shape
    for k in range(n_columns):
        at = k * n_vectors * LANES
        for row in range(n_rows):
            d_recurrent[row, k] = sums[at + row]
    first = n_columns - d_heads.shape[1]
    for k in range(first, n_columns):
        at = k * n_vectors * LANES + n_rows
        for q in range(d_heads.shape[0]):
            d_heads[q, k - first] = sums[at + q]


@compiled
def backward(
    recurrent: Any, heads: Any, x: Any, rows: Any, cell: Any, tanh_cell: Any, sizes: Any,
    n_steps: int, d_recurrent: Any, d_heads: Any, d_first_hidden: Any, d_first_cell: Any,
) -> None:  # fmt: skip
    """Go back through all steps of all lanes.

    Parameters
    ----------
    recurrent, heads
        Weights, dims (agent, row, column).
    x, rows, cell, tanh_cell
        The buffers, flat; in ``rows`` the gradients of the outputs stand where the outputs were.
    sizes, n_steps
        As in :func:`forward`.
    d_recurrent, d_heads, d_first_hidden, d_first_cell
        What is written, dims (agent, ...).
    """
    n_agents, h, n_inputs, n_actions, n_lanes, _ = sizes
    n_columns, n_rows = n_inputs + 1 + h, 4 * h + n_actions + 1
    n_vectors = (n_rows + LANES - 1) // LANES
    large, small = _blocks(h, MANY_ROWS, FEW_ROWS)
    unit_rows = large * MANY_ROWS + small * FEW_ROWS
    packed = aligned(n_rows * unit_rows)
    sums = aligned(n_columns * n_vectors * LANES)
    turned = aligned(STEPS_AT_ONCE * LANES * n_vectors * LANES)
    seen = aligned(STEPS_AT_ONCE * n_columns * LANES)
    drive = aligned(n_vectors * LANES * LANES)
    memory, shown = aligned(h * LANES), aligned(unit_rows * LANES)
    p_packed, p_sums, p_turned = packed.ctypes.data, sums.ctypes.data, turned.ctypes.data
    p_seen, p_drive, p_memory = seen.ctypes.data, drive.ctypes.data, memory.ctypes.data
    p_shown, p_x, p_rows = shown.ctypes.data, x.ctypes.data, rows.ctypes.data
    p_cell, p_tanh = cell.ctypes.data, tanh_cell.ctypes.data
    for n in range(n_agents):
        _pack_back(recurrent, heads, n, packed)
        sums[:] = 0
        d_first_hidden[n] = 0
        d_first_cell[n] = 0
        for lane in range(0, n_lanes, LANES):
            drive[:] = 0
            memory[:] = 0
            kept = 0
            for t in range(n_steps, -1, -1):
                here = t * n_agents + n
                if t > 0:
                    source = p_rows + 4 * ((here * n_rows + 4 * h) * n_lanes + lane)
                    _copy_rows(source, n_lanes, n_actions + 1, p_drive + 4 * h * BYTES)
                else:
                    drive[4 * h * LANES :] = 0
                source = p_x + 4 * (here * n_columns * n_lanes + lane)
                _copy_rows(source, n_lanes, n_columns, p_seen + kept * n_columns * BYTES)
                for v in range(n_vectors):
                    target = p_turned + (kept * LANES * n_vectors + v) * BYTES
                    transpose(p_drive + v * LANES * BYTES, target, n_vectors * LANES)
                kept += 1
                if kept == STEPS_AT_ONCE or t == 0:
                    add_products(p_sums, p_turned, n_vectors, p_seen, n_columns, kept,
                                 n_columns * LANES, LANES, 1, LANES)  # fmt: skip
                    kept = 0
                _hidden_gradients(p_packed, n_rows, h, p_drive, p_shown)
                if t == 0:
                    break
                before = here - n_agents
                for j in range(h):
                    back_through_cell(
                        p_rows + 4 * ((before * n_rows + j) * n_lanes + lane),
                        h * n_lanes,
                        p_cell + 4 * ((before * h + j) * n_lanes + lane),
                        p_tanh + 4 * ((before * h + j) * n_lanes + lane),
                        p_shown + j * BYTES,
                        p_memory + j * BYTES,
                        p_drive + j * BYTES,
                        h * LANES,
                    )
            for j in range(h):
                d_first_hidden[n, j] += shown[j * LANES : (j + 1) * LANES].sum()
                d_first_cell[n, j] += memory[j * LANES : (j + 1) * LANES].sum()
        _unpack(sums, n_vectors, d_recurrent[n], d_heads[n])
    # numba frees what is not used any more, though addresses point into it
    packed[0] = sums[0] = turned[0] = seen[0] = drive[0] = memory[0] = shown[0] = 0
