"""What the kernel's loops are made of: products with small blocks kept in registers, and one cell.

Addresses are bytes; offsets and strides count float32 numbers. A vector is 16 neighbouring ones.
The sizes of the blocks are those that fill the registers: 24 sums where there are 32 registers of
16 numbers (AVX-512), fewer where one vector takes several registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from neuro_metarl.agents.kernel.activations import sigmoid, tanh
from neuro_metarl.agents.kernel.vectors import (
    FLOAT,
    INTEGERS,
    LANES,
    WIDE,
    Code,
    broadcast,
    call,
    constant,
    emitted,
    fetch,
    fma,
    load,
    load_one,
    loop,
    store,
    whole,
)

__all__ = [
    "COLUMNS",
    "FEW_ROWS",
    "FEW_VECTORS",
    "MANY_ROWS",
    "MANY_VECTORS",
    "SHEET",
    "few_rows_by_lanes",
    "few_rows_by_vectors",
    "many_rows_by_lanes",
    "many_rows_by_vectors",
    "one_column",
    "outer",
    "outer_column",
    "outer_strip",
    "outer_strip_column",
]

MANY_ROWS, FEW_ROWS = (24, 8) if WIDE else (4, 4)
MANY_VECTORS, FEW_VECTORS = (12, 3) if WIDE else (4, 3)
SHEET, COLUMNS = (3, 8) if WIDE else (2, 2)


def _by_lanes(n_rows: int) -> Any:
    """out[row, lane] = sum over k of weights[k, row] x[k, lane]."""

    def body(b: Code, weights: Code, x: Code, out: Code, n: Code) -> None:
        def add(k: Code, sums: list[Code]) -> list[Code]:
            lanes, first = load(b, x, b.mul(k, whole(LANES))), b.mul(k, whole(n_rows))
            return [
                fma(b, broadcast(b, weights, b.add(first, whole(row))), lanes, value)
                for row, value in enumerate(sums)
            ]

        for row, value in enumerate(loop(b, n, [constant(0)] * n_rows, add)):
            store(b, value, out, row * LANES)

    return body


many_rows_by_lanes = emitted(_by_lanes(MANY_ROWS))
few_rows_by_lanes = emitted(_by_lanes(FEW_ROWS))


def _by_vectors(n_vectors: int) -> Any:
    """out[vector] = sum over k of x[k] weights[k, vector]."""

    def body(b: Code, weights: Code, stride: Code, x: Code, out: Code, n: Code) -> None:
        def add(k: Code, sums: list[Code]) -> list[Code]:
            one, first = broadcast(b, x, k), b.mul(k, stride)
            return [
                fma(b, one, load(b, weights, b.add(first, whole(v * LANES))), value)
                for v, value in enumerate(sums)
            ]

        for v, value in enumerate(loop(b, n, [constant(0)] * n_vectors, add)):
            store(b, value, out, v * LANES)

    return body


many_rows_by_vectors = emitted(_by_vectors(MANY_VECTORS))
few_rows_by_vectors = emitted(_by_vectors(FEW_VECTORS))
one_column = emitted(_by_vectors(1))


def _outer(n_vectors: int, n_columns: int) -> Any:
    """sums[column, vector] += sum over blocks and samples of x[sample, column] d[sample, vector].

    Samples are counted through all blocks in d, ``stride`` apart; in x they are ``step`` apart
    within a block and ``block`` apart between blocks; columns are ``across`` apart.
    """

    def body(
        b: Code, sums: Code, d: Code, stride: Code, x: Code, n_blocks: Code, block: Code,
        n_samples: Code, step: Code, across: Code,
    ) -> None:  # fmt: skip
        places = [
            b.add(b.mul(whole(k), stride), whole(v * LANES))
            for k in range(n_columns)
            for v in range(n_vectors)
        ]
        columns = [b.mul(whole(k), across) for k in range(n_columns)]

        def add_block(number: Code, values: list[Code]) -> list[Code]:
            first_d, first_x = b.mul(number, n_samples), b.mul(number, block)

            def add(sample: Code, values: list[Code]) -> list[Code]:
                at_d = b.mul(b.add(first_d, sample), stride)
                at_x = b.add(first_x, b.mul(sample, step))
                gradients = [load(b, d, b.add(at_d, whole(v * LANES))) for v in range(n_vectors)]
                after = []
                for k, column in enumerate(columns):
                    one = broadcast(b, x, b.add(at_x, column))
                    for v, gradient in enumerate(gradients):
                        after.append(fma(b, one, gradient, values[k * n_vectors + v]))
                return after

            return loop(b, n_samples, values, add)

        values = loop(b, n_blocks, [load(b, sums, place) for place in places], add_block)
        for value, place in zip(values, places, strict=True):
            store(b, value, sums, place)

    return body


outer = emitted(_outer(SHEET, COLUMNS))
outer_column = emitted(_outer(SHEET, 1))
outer_strip = emitted(_outer(1, COLUMNS))
outer_strip_column = emitted(_outer(1, 1))


@emitted
def transpose(b: Code, source: Code, target: Code, stride: Code) -> None:
    """Turn 16 vectors that follow each other; each goes ``stride`` numbers after the one before."""
    rows = [load(b, source, i * LANES) for i in range(LANES)]
    for distance in (1, 2, 4, 8):
        low = [j if not j & distance else LANES + (j ^ distance) for j in range(LANES)]
        high = [j | distance if not j & distance else LANES + j for j in range(LANES)]
        turned = list(rows)
        for i in range(LANES):
            if not i & distance:
                pair = rows[i], rows[i | distance]
                turned[i] = b.shuffle_vector(*pair, ir.Constant(INTEGERS, low))
                turned[i | distance] = b.shuffle_vector(*pair, ir.Constant(INTEGERS, high))
        rows = turned
    for i, row in enumerate(rows):
        store(b, row, target, b.mul(stride, whole(i)))


@emitted
def copy_vector(b: Code, source: Code, target: Code) -> None:
    """Copy 16 numbers."""
    store(b, load(b, source), target)


@emitted
def one_cell(
    b: Code, drive: Code, across: Code, cell: Code, hidden: Code, gates: Code, stride: Code,
    cell_out: Code, squashed: Code, hidden_out: Code, next_gates: Code, next_cell: Code,
    next_hidden: Code,
) -> None:  # fmt: skip
    """Go through 16 cells of the LSTM.

    ``drive`` has the four gates' input, ``across`` apart; ``cell`` is read and overwritten. The
    gates go to ``gates``, ``stride`` apart, the hidden state to ``hidden`` and ``hidden_out``, the
    new cell to ``cell_out`` and its tanh to ``squashed``. The last three say how many bytes further
    the same is written at the next step: that memory is fetched meanwhile.
    """
    for place, further in ((cell_out, next_cell), (squashed, next_cell), (hidden_out, next_hidden)):
        fetch(b, b.add(place, further), to_write=True)
    for k in range(4):
        place = b.add(gates, b.mul(b.mul(stride, whole(k)), whole(4)))
        fetch(b, b.add(place, next_gates), to_write=True)
    driven = [load(b, drive, b.mul(across, whole(k))) for k in range(4)]
    output, enter, forget = (sigmoid(b, value) for value in driven[:3])
    candidate = tanh(b, driven[3])
    new = fma(b, forget, load(b, cell), b.fmul(enter, candidate))
    shown = tanh(b, new)
    out = b.fmul(output, shown)
    for k, gate in enumerate((output, enter, forget, candidate)):
        store(b, gate, gates, b.mul(stride, whole(k)))
    for value, place in ((new, cell), (new, cell_out), (shown, squashed)):
        store(b, value, place)
    for place in (hidden, hidden_out):
        store(b, out, place)


@emitted
def back_through_cell(
    b: Code, gates: Code, stride: Code, cell: Code, squashed: Code, d_hidden: Code,
    d_cell: Code, d_drive: Code, across: Code, next_gates: Code, next_cell: Code,
) -> None:  # fmt: skip
    """Go back through 16 cells of the LSTM.

    Reads the gates, ``stride`` apart, the cell before the step and the tanh of the cell after it,
    and the gradient of the hidden state; ``d_cell`` is read, and overwritten with the gradient
    of the cell before the step. Gradients of the gates' input go to ``d_drive``, ``across`` apart.
    The last two say how many bytes further the step before is read: it is fetched meanwhile.
    """
    for place in (cell, squashed):
        fetch(b, b.add(place, next_cell), to_write=False)
    for k in range(4):
        place = b.add(gates, b.mul(b.mul(stride, whole(k)), whole(4)))
        fetch(b, b.add(place, next_gates), to_write=False)
    output, enter, forget, candidate = (load(b, gates, b.mul(stride, whole(k))) for k in range(4))
    one, shown, d_out = constant(1), load(b, squashed), load(b, d_hidden)
    slope = fma(b, b.fneg(shown), shown, one)
    d_new = fma(b, d_out, b.fmul(output, slope), load(b, d_cell))

    def opening(gate: Code) -> Code:
        return b.fmul(gate, b.fsub(one, gate))

    gradients = (
        b.fmul(b.fmul(d_out, shown), opening(output)),
        b.fmul(b.fmul(d_new, candidate), opening(enter)),
        b.fmul(b.fmul(d_new, load(b, cell)), opening(forget)),
        b.fmul(b.fmul(d_new, enter), fma(b, b.fneg(candidate), candidate, one)),
    )
    for k, gradient in enumerate(gradients):
        store(b, gradient, d_drive, b.mul(across, whole(k)))
    store(b, b.fmul(d_new, forget), d_cell)


@emitted
def choose(
    b: Code, logits: Code, noise: Code, stride: Code, n_actions: Code, chosen: Code,
    shown: Code, apart: Code,
) -> None:  # fmt: skip
    """Take, in each of 16 lanes, the action with the largest logit + noise.

    Noise of the next action is ``stride`` further; actions, one-hot, go to ``chosen``, 16 apart,
    and to ``shown``, ``apart`` apart. Where two are equally large, both are taken.
    """

    def noisy(action: Code) -> Code:
        logit = load(b, logits, b.mul(action, whole(LANES)))
        return b.fadd(logit, load(b, noise, b.mul(action, stride)))

    def larger(action: Code, best: list[Code]) -> list[Code]:
        return [call(b, "maximum", best[0], noisy(action))]

    [best] = loop(b, n_actions, [constant(float("-inf"))], larger)

    def write_action(action: Code, nothing: list[Code]) -> list[Code]:
        taken = b.select(b.fcmp_ordered("==", noisy(action), best), constant(1), constant(0))
        store(b, taken, chosen, b.mul(action, whole(LANES)))
        store(b, taken, shown, b.mul(action, apart))
        return nothing

    loop(b, n_actions, [], write_action)


@emitted
def weigh(b: Code, chosen: Code, table: Code, stride: Code, n_actions: Code, target: Code) -> None:
    """Look up what the chosen actions lead to: sum over actions of chosen times table."""

    def add(action: Code, sums: list[Code]) -> list[Code]:
        taken = load(b, chosen, b.mul(action, whole(LANES)))
        return [fma(b, taken, load(b, table, b.mul(action, stride)), sums[0])]

    store(b, loop(b, n_actions, [constant(0)], add)[0], target)


def _reading(definition: Any) -> Any:
    """Make an intrinsic, whose calls have other arguments than its definition."""
    return intrinsic(definition)


@_reading
def read(context: Any, address: Any) -> Any:
    """Read one number at an address."""

    def write_code(context: Code, b: Code, signature: Code, arguments: Code) -> Code:
        return load_one(b, arguments[0])

    return types.float32(types.int64), write_code


@_reading
def write(context: Any, value: Any, address: Any) -> Any:
    """Write one number to an address."""

    def write_code(context: Code, b: Code, signature: Code, arguments: Code) -> Code:
        value, address = arguments
        b.store(value, b.inttoptr(address, FLOAT.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(types.float32, types.int64), write_code
