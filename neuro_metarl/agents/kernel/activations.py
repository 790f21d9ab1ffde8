"""exp, sigmoid and tanh of 16 numbers, as polynomials.

With ``x = n ln 2 + r``, n whole and ``|r| <= ln 2 / 2``, a polynomial of degree 7 gives
``q = exp(r) - 1``; then ``exp(x) = 2^n (1 + q)``, ``exp(x) - 1 = 2^n q + (2^n - 1)``, which loses
no digits near 0, ``sigmoid(x) = 1 / (1 + exp(-x))`` and ``tanh(x) = e / (e + 2)`` with ``e = exp(2
x) - 1``. Arguments of exp are held between -87 and 88, where float32 ends. What is not a number
stays none. The tests hold each within a few units in the last place of float64's.

References
----------
Cephes (Moshier), ``expf``: the coefficients.
"""

from __future__ import annotations

from llvmlite import ir

from neuro_metarl.agents.kernel.vectors import (
    INTEGERS,
    LANES,
    VECTOR,
    Code,
    constant,
    emitted,
    fma,
    load,
    negative,
    store,
)

__all__ = []

LOG2_E, LN2_HIGH, LN2_LOW = 1.44269504, 0.693359375, -2.12194440e-4
LOWEST, HIGHEST = -87.0, 88.0
# adding it leaves the whole part of a small number in the last bits
ROUNDER = 12582912.0
COEFFICIENTS = (
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
    4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
)  # fmt: skip


def _reduced(b: Code, x: Code) -> tuple[Code, Code]:
    """Compute exp(r) - 1, and n shifted to where the exponent of a float32 stands."""
    low, high = constant(LOWEST), constant(HIGHEST)
    x = b.select(b.fcmp_ordered("<", x, low), low, x)
    x = b.select(b.fcmp_ordered(">", x, high), high, x)
    shifted = fma(b, x, constant(LOG2_E), constant(ROUNDER))
    n = b.fsub(shifted, constant(ROUNDER))
    r = fma(b, n, constant(-LN2_LOW), fma(b, n, constant(-LN2_HIGH), x))
    p = constant(COEFFICIENTS[0])
    for coefficient in COEFFICIENTS[1:]:
        p = fma(b, p, r, constant(coefficient))
    q = fma(b, p, b.fmul(r, r), r)
    exponent = b.shl(b.bitcast(shifted, INTEGERS), ir.Constant(INTEGERS, [23] * LANES))
    return q, exponent


def _times_power(b: Code, value: Code, exponent: Code) -> Code:
    return b.bitcast(b.add(b.bitcast(value, INTEGERS), exponent), VECTOR)


def exp(b: Code, x: Code) -> Code:
    """Compute the exponential.

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
    q, exponent = _reduced(b, x)
    return _times_power(b, b.fadd(q, constant(1)), exponent)


def sigmoid(b: Code, x: Code) -> Code:
    """Compute 1 / (1 + exp(-x)).

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
    return b.fdiv(constant(1), b.fadd(constant(1), exp(b, negative(b, x))))


def tanh(b: Code, x: Code) -> Code:
    """Compute the hyperbolic tangent, by exp(2 x) - 1.

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
    q, exponent = _reduced(b, b.fadd(x, x))
    power = _times_power(b, constant(1), exponent)
    e = fma(b, power, q, b.fsub(power, constant(1)))
    return b.fdiv(e, b.fadd(e, constant(2)))


@emitted
def exp_16(b: Code, source: Code, target: Code) -> None:
    """Write exp of the 16 numbers at an address to another."""
    store(b, exp(b, load(b, source)), target)


@emitted
def sigmoid_16(b: Code, source: Code, target: Code) -> None:
    """Write the sigmoid of the 16 numbers at an address to another."""
    store(b, sigmoid(b, load(b, source)), target)


@emitted
def tanh_16(b: Code, source: Code, target: Code) -> None:
    """Write tanh of the 16 numbers at an address to another."""
    store(b, tanh(b, load(b, source)), target)
