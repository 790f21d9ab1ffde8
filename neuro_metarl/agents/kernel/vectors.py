"""Code for 16 numbers at once: what the intrinsics of the kernel are written with.

Every function takes LLVM's builder first and adds instructions where it stands. Addresses are
int64, in bytes; offsets and strides count float32 numbers. A processor whose registers are shorter
than 16 numbers gets several instructions for one: LLVM splits them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

__all__ = ["LANES", "WIDE", "constant", "emitted", "target_of_code", "whole"]

LANES = 16
FLOAT, INT32, INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
VECTOR, INTEGERS = ir.VectorType(FLOAT, LANES), ir.VectorType(INT32, LANES)
# of the builder and of LLVM's values, which have no types that could be told apart
Code = Any


def target_of_code() -> str:
    """Name the processor that numba compiles for, with its features.

    Returns
    -------
    str

    Examples
    --------
    >>> target_of_code() == target_of_code()
    True
    """
    return " ".join(map(str, cpu_target.target_context.codegen().magic_tuple()))


WIDE = "+avx512f" in target_of_code()
"""Whether one register holds 16 numbers, and there are 32 of them."""


def whole(value: int) -> Code:
    """Make a constant int64.

    Parameters
    ----------
    value
        The number.

    Returns
    -------
    llvmlite.ir.Constant

    Examples
    --------
    >>> print(whole(3))
    i64 3
    """
    return ir.Constant(INT64, value)


def constant(value: float) -> Code:
    """Make a vector of one number.

    Parameters
    ----------
    value
        The number; it is rounded to float32.

    Returns
    -------
    llvmlite.ir.Constant

    Examples
    --------
    >>> str(constant(1.0)).count("float")
    17
    """
    return ir.Constant(VECTOR, [float(value)] * LANES)


def _pointer(b: Code, address: Code, offset: Code, kind: Code) -> Code:
    if isinstance(offset, int):
        offset = whole(offset)
    return b.inttoptr(b.add(address, b.mul(offset, whole(4))), kind.as_pointer())


def load(b: Code, address: Code, offset: Code = 0) -> Code:
    """Read 16 neighbouring numbers.

    Parameters
    ----------
    b
        The builder.
    address, offset
        Where.

    Returns
    -------
    vector
    """
    return b.load(_pointer(b, address, offset, VECTOR), align=4)


def load_one(b: Code, address: Code, offset: Code = 0) -> Code:
    """Read one number.

    Parameters
    ----------
    b
        The builder.
    address, offset
        Where.

    Returns
    -------
    float
    """
    return b.load(_pointer(b, address, offset, FLOAT), align=4)


def store(b: Code, value: Code, address: Code, offset: Code = 0) -> None:
    """Write 16 neighbouring numbers.

    Parameters
    ----------
    b
        The builder.
    value
        Vector.
    address, offset
        Where to.
    """
    b.store(value, _pointer(b, address, offset, VECTOR), align=4)


def broadcast(b: Code, address: Code, offset: Code = 0) -> Code:
    """Read one number into all 16 places.

    Parameters
    ----------
    b
        The builder.
    address, offset
        Where.

    Returns
    -------
    vector
    """
    nothing = ir.Constant(VECTOR, ir.Undefined)
    first = b.insert_element(nothing, load_one(b, address, offset), ir.Constant(INT32, 0))
    return b.shuffle_vector(first, nothing, ir.Constant(INTEGERS, [0] * LANES))


def fetch(b: Code, address: Code, *, to_write: bool) -> None:
    """Have the memory at an address brought into the caches, while other things are done.

    Parameters
    ----------
    b
        The builder.
    address
        Where; it may be outside of any array.
    to_write
        Whether it will be written.
    """
    place = b.inttoptr(address, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [place.type, INT32, INT32, INT32])
    name = "llvm.prefetch.p0"
    function = b.module.globals.get(name) or ir.Function(b.module, kind, name)
    b.call(function, [place, *(ir.Constant(INT32, k) for k in (int(to_write), 3, 1))])


def call(b: Code, name: str, *arguments: Code) -> Code:
    """Call one of LLVM's own functions on vectors.

    Parameters
    ----------
    b
        The builder.
    name
        Without its type.
    *arguments
        Vectors.

    Returns
    -------
    vector
    """
    name = f"llvm.{name}.v{LANES}f32"
    kind = ir.FunctionType(VECTOR, [VECTOR] * len(arguments))
    return b.call(b.module.globals.get(name) or ir.Function(b.module, kind, name), arguments)


def fma(b: Code, x: Code, y: Code, z: Code) -> Code:
    """Compute x y + z, rounded once.

    Parameters
    ----------
    b
        The builder.
    x, y, z
        Vectors.

    Returns
    -------
    vector
    """
    return call(b, "fma", x, y, z)


def negative(b: Code, x: Code) -> Code:
    """Compute -x.

    Parameters
    ----------
    b
        The builder.
    x
        Vector.

    Returns
    -------
    vector
    """
    return b.fneg(x)


def loop(
    b: Code,
    n: Code,
    start: Sequence[Code],
    body: Callable[[Code, list[Code]], Sequence[Code]],
) -> list[Code]:
    """Repeat, with vectors that are carried from turn to turn in registers.

    Parameters
    ----------
    b
        The builder.
    n
        How often, at least once.
    start
        The vectors before the first turn.
    body
        The number of the turn and the vectors before it, to the vectors after it.

    Returns
    -------
    list of vector
        After the last turn.
    """
    before = b.block
    inside, after = (b.function.append_basic_block(name) for name in ("turn", "done"))
    b.branch(inside)
    b.position_at_end(inside)
    turn = b.phi(INT64)
    turn.add_incoming(whole(0), before)
    carried = [b.phi(value.type) for value in start]
    for phi, value in zip(carried, start, strict=True):
        phi.add_incoming(value, before)
    changed = list(body(turn, carried))
    following = b.add(turn, whole(1))
    turn.add_incoming(following, b.block)
    for phi, value in zip(carried, changed, strict=True):
        phi.add_incoming(value, b.block)
    b.cbranch(b.icmp_signed("<", following, n), inside, after)
    b.position_at_end(after)
    return changed


def emitted(body: Callable[..., None]) -> Any:
    """Make what numba's functions can call of a function that writes code.

    Parameters
    ----------
    body
        Takes the builder and int64s: addresses, strides and counts.

    Returns
    -------
    numba.extending.intrinsic
        Takes the int64s and returns nothing.

    Examples
    --------
    >>> @emitted
    ... def clear(b, address):
    ...     store(b, constant(0), address)
    """
    n_numbers = len(signature(body).parameters) - 1

    def write_code(context: Code, b: Code, kind: Code, numbers: Code) -> Code:
        body(b, *numbers)
        return context.get_dummy_value()

    def definition(context: Any, *numbers: Any) -> Any:
        return types.void(*[types.int64] * n_numbers), write_code

    definition.__name__, definition.__doc__ = body.__name__, body.__doc__
    # numba asks for the names of arguments; the builder's place is that of the typing context
    definition.__signature__ = signature(body)  # type: ignore[attr-defined]
    return intrinsic(definition)
