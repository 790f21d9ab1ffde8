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

__all__ = ["BYTES"]

BYTES = 4 * LANES
MANY_UNITS, FEW_UNITS = MANY_ROWS // 4, FEW_ROWS // 4
# blocks of 16 lanes that take each step together, so that neighbouring memory is written together
GROUP = 8
# steps of a block whose products of inputs and gradients are added at once, in cache
KEPT = 4


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
    p_weights: int, p_now: int, n_columns: int, h: int, n_lanes: int, side: int, p_drive: int,
    p_memory: int, p_shown: int, p_gates: int, p_cell: int, p_tanh: int, p_hidden: int,
    next_gates: int, next_cell: int, next_hidden: int,
) -> int:  # fmt: skip
    """Take all units of a group through one step; return where the heads' weights begin."""
    large, small = _blocks(h, MANY_UNITS, FEW_UNITS)
    unit = 0
    for block in range(large + small):
        size = MANY_UNITS if block < large else FEW_UNITS
        for i in range(side):
            p_seen, p_driven = p_now + i * n_columns * BYTES, p_drive + i * MANY_ROWS * BYTES
            if block < large:
                many_rows_by_lanes(p_weights, p_seen, p_driven, n_columns)
            else:
                few_rows_by_lanes(p_weights, p_seen, p_driven, n_columns)
        for u in range(min(size, h - unit)):
            for i in range(side):
                j, far = unit + u, 4 * (unit + u) * n_lanes + i * BYTES
                one_cell(p_drive + (i * MANY_ROWS + u) * BYTES, size * LANES,
                         p_memory + (i * h + j) * BYTES, p_shown + (i * (1 + h) + 1 + j) * BYTES,
                         p_gates + far, h * n_lanes, p_cell + far, p_tanh + far,
                         p_hidden + far, next_gates, next_cell, next_hidden)  # fmt: skip
        p_weights += 4 * n_columns * 4 * size
        unit += size
    return p_weights


@compiled
def _outputs(
    p_weights: int, p_shown: int, h: int, n: int, p_out: int, p_rows: int, stride: int
) -> None:
    """Compute logits and value of 16 lanes, and copy them to rows that are ``stride`` apart."""
    for first in range(0, n, FEW_ROWS):
        few_rows_by_lanes(p_weights, p_shown, p_out + first * BYTES, 1 + h)
        p_weights += 4 * (1 + h) * FEW_ROWS
    for q in range(n):
        copy_vector(p_out + q * BYTES, p_rows + 4 * q * stride)


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
    now, drive = aligned(GROUP * n_columns * LANES), aligned(GROUP * MANY_ROWS * LANES)
    memory, shown = aligned(GROUP * h * LANES), aligned(GROUP * (1 + h) * LANES)
    out, taken = aligned((n_actions + 1 + FEW_ROWS) * LANES), aligned(n_actions * LANES)
    for i in range(GROUP):
        shown[i * (1 + h) * LANES : (i * (1 + h) + 1) * LANES] = 1
    p_now, p_drive, p_memory = now.ctypes.data, drive.ctypes.data, memory.ctypes.data
    p_shown, p_out, p_taken = shown.ctypes.data, out.ctypes.data, taken.ctypes.data
    p_x, p_rows, p_noise = x.ctypes.data, rows.ctypes.data, noise.ctypes.data
    p_cell, p_tanh = cell.ctypes.data, tanh_cell.ctypes.data
    next_gates, next_cell = 4 * n_agents * n_rows * n_lanes, 4 * n_agents * h * n_lanes
    next_x = 4 * n_agents * n_columns * n_lanes
    for n in range(n_agents):
        p_packed = packed.ctypes.data + 4 * n * packed.shape[1]
        for first in range(0, n_lanes, GROUP * LANES):
            side = min(GROUP, (n_lanes - first) // LANES)
            here = start * n_agents + n
            for i in range(side):
                lane = first + i * LANES
                source = p_x + 4 * (here * n_columns * n_lanes + lane)
                _copy_rows(source, n_lanes, n_columns, p_now + i * n_columns * BYTES)
                source = p_cell + 4 * (here * h * n_lanes + lane)
                _copy_rows(source, n_lanes, h, p_memory + i * h * BYTES)
            for t in range(start, stop):
                here = t * n_agents + n
                after = here + n_agents
                p_later = p_x + 4 * (after * n_columns * n_lanes + first)
                p_weights = _cells(
                    p_packed, p_now, n_columns, h, n_lanes, side, p_drive, p_memory, p_shown,
                    p_rows + 4 * (here * n_rows * n_lanes + first),
                    p_cell + 4 * (after * h * n_lanes + first),
                    p_tanh + 4 * (here * h * n_lanes + first),
                    p_later + 4 * hidden_at * n_lanes,
                    next_gates, next_cell, next_x,
                )  # fmt: skip
                for i in range(side):
                    lane, p_hidden = first + i * LANES, p_shown + i * (1 + h) * BYTES
                    target = p_rows + 4 * ((after * n_rows + 4 * h) * n_lanes + lane)
                    _outputs(p_weights, p_hidden, h, n_actions + 1, p_out, target, n_lanes)
                    if chooses:
                        source = p_noise + 4 * (here * n_actions * n_lanes + lane)
                        choose(p_out, source, n_lanes, n_actions, p_taken, p_later + i * BYTES,
                               n_lanes)  # fmt: skip
                        _write_effects(effects, t, n, n_agents, n_events, p_taken, n_actions,
                                       n_lanes, lane)  # fmt: skip
                    target = p_now + i * n_columns * BYTES
                    _copy_rows(p_later + i * BYTES, n_lanes, hidden_at, target)
                    _copy_rows(p_hidden + BYTES, LANES, h, target + hidden_at * BYTES)
    # numba frees what is not used any more, though addresses point into it
    now[0] = drive[0] = memory[0] = shown[0] = out[0] = taken[0] = 0


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
def _hidden_gradients(
    p_packed: int,
    n_rows: int,
    h: int,
    side: int,
    p_drive: int,
    drives: int,
    p_shown: int,
    units: int,
) -> None:
    """Multiply the gradients of all that the hidden state drives with its weights."""
    large, small = _blocks(h, MANY_ROWS, FEW_ROWS)
    for _ in range(large):
        for i in range(side):
            many_rows_by_lanes(p_packed, p_drive + i * drives, p_shown + i * units, n_rows)
        p_packed += 4 * n_rows * MANY_ROWS
        p_shown += MANY_ROWS * BYTES
    for _ in range(small):
        for i in range(side):
            few_rows_by_lanes(p_packed, p_drive + i * drives, p_shown + i * units, n_rows)
        p_packed += 4 * n_rows * FEW_ROWS
        p_shown += FEW_ROWS * BYTES


@compiled
def _transpose_all(p_drive: int, n_vectors: int, p_turned: int) -> None:
    """Turn 16 rows of 16 lanes after the other: dims (lane, row)."""
    for v in range(n_vectors):
        transpose(p_drive + v * LANES * BYTES, p_turned + v * BYTES, n_vectors * LANES)


@compiled
def _back_through_cells(
    p_gates: int, p_cell: int, p_tanh: int, h: int, n_lanes: int, side: int, p_shown: int,
    units: int, p_memory: int, p_drive: int, drives: int, next_gates: int, next_cell: int,
) -> None:  # fmt: skip
    """Take the gradients of all units of a group back through one step."""
    for j in range(h):
        for i in range(side):
            far = 4 * j * n_lanes + i * BYTES
            back_through_cell(p_gates + far, h * n_lanes, p_cell + far, p_tanh + far,
                              p_shown + i * units + j * BYTES, p_memory + (i * h + j) * BYTES,
                              p_drive + i * drives + j * BYTES, h * LANES,
                              next_gates, next_cell)  # fmt: skip


@compiled
def _add_lanes(values: Any, n_rows: int, side: int, sums: Any) -> None:
    """Add up the lanes of each unit; blocks are ``n_rows`` rows apart."""
    for i in range(side):
        for j in range(sums.size):
            at = (i * n_rows + j) * LANES
            sums[j] += values[at : at + LANES].sum()


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
    turned = aligned(KEPT * LANES * n_vectors * LANES)
    seen = aligned(KEPT * n_columns * LANES)
    drive = aligned(GROUP * n_vectors * LANES * LANES)
    memory, shown = aligned(GROUP * h * LANES), aligned(GROUP * unit_rows * LANES)
    p_packed, p_sums, p_turned = packed.ctypes.data, sums.ctypes.data, turned.ctypes.data
    p_seen, p_drive, p_memory = seen.ctypes.data, drive.ctypes.data, memory.ctypes.data
    p_shown, p_x, p_rows = shown.ctypes.data, x.ctypes.data, rows.ctypes.data
    p_cell, p_tanh = cell.ctypes.data, tanh_cell.ctypes.data
    drives, units = n_vectors * LANES * BYTES, unit_rows * BYTES
    next_gates, next_cell = -4 * n_agents * n_rows * n_lanes, -4 * n_agents * h * n_lanes
    for n in range(n_agents):
        _pack_back(recurrent, heads, n, packed)
        sums[:] = 0
        d_first_hidden[n] = 0
        d_first_cell[n] = 0
        for first in range(0, n_lanes, GROUP * LANES):
            side = min(GROUP, (n_lanes - first) // LANES)
            drive[:] = 0
            memory[:] = 0
            kept = 0
            for t in range(n_steps, -1, -1):
                here = t * n_agents + n
                for i in range(side):
                    lane, p_driven = first + i * LANES, p_drive + i * drives
                    outputs = (i * n_vectors * LANES + 4 * h) * LANES
                    drive[outputs : outputs + (n_actions + 1) * LANES] = 0
                    if t > 0:
                        source = p_rows + 4 * ((here * n_rows + 4 * h) * n_lanes + lane)
                        _copy_rows(source, n_lanes, n_actions + 1, p_driven + 4 * h * BYTES)
                    source = p_x + 4 * (here * n_columns * n_lanes + lane)
                    _copy_rows(source, n_lanes, n_columns, p_seen + kept * n_columns * BYTES)
                    _transpose_all(p_driven, n_vectors, p_turned + kept * n_vectors * LANES * BYTES)
                    kept += 1
                    if kept == KEPT or (t == 0 and i == side - 1):
                        add_products(p_sums, p_turned, n_vectors, p_seen, n_columns, kept,
                                     n_columns * LANES, LANES, 1, LANES)  # fmt: skip
                        kept = 0
                _hidden_gradients(p_packed, n_rows, h, side, p_drive, drives, p_shown, units)
                if t == 0:
                    break
                before = here - n_agents
                _back_through_cells(
                    p_rows + 4 * (before * n_rows * n_lanes + first),
                    p_cell + 4 * (before * h * n_lanes + first),
                    p_tanh + 4 * (before * h * n_lanes + first),
                    h, n_lanes, side, p_shown, units, p_memory, p_drive, drives,
                    next_gates, next_cell,
                )  # fmt: skip
            _add_lanes(shown, unit_rows, side, d_first_hidden[n])
            _add_lanes(memory, h, side, d_first_cell[n])
        _unpack(sums, n_vectors, d_recurrent[n], d_heads[n])
    # numba frees what is not used any more, though addresses point into it
    packed[0] = sums[0] = turned[0] = seen[0] = drive[0] = memory[0] = shown[0] = 0
