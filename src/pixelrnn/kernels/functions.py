r"""Elementary functions of vectors from our own polynomials, without fused operations: the same bits everywhere.

The libraries of operating systems differ in their last bits, and those of compilers in whether a loop gets the one for
vectors. tanh and exp are minimax fits, the others series.
"""

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import Vector, choose, exponent, mantissa, maximum, minimum, scale, splat

__all__ = ["exp", "log", "one_minus_exp", "rounded", "scaled", "sigmoid", "tanh"]

_HALF, _ONE, _ZERO = np.array([0.5, 1, 0], np.float32)

# tanh x = x P(x^2) / Q(x^2) on |x| <= 7.9, where 1 - tanh is 2.7e-7: relative error 5.7e-9 before rounding and 3.2e-7
# in float32; never above 1.
_EDGE = np.float32(7.9)
_P0, _P1, _P2, _P3, _P4 = np.array([1.0, 1.34506211e-1, 3.57899186e-3, 2.20232432e-5, 1.54279700e-8], np.float32)
_Q0, _Q1, _Q2, _Q3, _Q4 = np.array([1.0, 4.67839479e-1, 2.61922386e-2, 3.42365034e-4, 8.59877900e-7], np.float32)


@inner
def tanh(x: Vector) -> Vector:
    """Hyperbolic tangent, to 4e-7 of its value; not a number stays so."""
    x = minimum(maximum(x, splat(-_EDGE)), splat(_EDGE))
    t = x * x
    p = (((splat(_P4) * t + splat(_P3)) * t + splat(_P2)) * t + splat(_P1)) * t + splat(_P0)
    q = (((splat(_Q4) * t + splat(_Q3)) * t + splat(_Q2)) * t + splat(_Q1)) * t + splat(_Q0)
    return x * p / q


@inner
def sigmoid(x: Vector) -> Vector:
    r"""Logistic function :math:`1 / (1 + e^{-x}) = (1 + \tanh(x / 2)) / 2`, to 2e-7."""
    half = splat(_HALF)
    return tanh(x * half) * half + half


# e^r on |r| <= (ln 2) / 2, relative error 1.9e-9.
_E2, _E3, _E4, _E5, _E6 = np.array([0.49999992, 0.1666642, 0.04166823, 0.00837482, 0.00138368], np.float32)
_LOWEST, _HIGHEST = np.array([-87, 88], np.float32)
_PER_LN2, _LN2_HIGH, _LN2_LOW = np.array([1.4426950408889634, 0.693359375, -2.1219444005469058e-4], np.float32)
_ROUNDER = np.float32(1.5 * 2**23)  # adding it leaves no digit behind the point


@inner
def rounded(x: Vector) -> Vector:
    """The nearest whole number, the even one of two, of x between -2^22 and 2^22."""
    return (x + splat(_ROUNDER)) - splat(_ROUNDER)


@inner
def exp(x: Vector) -> Vector:
    """Exponential function, to 2e-7 of its value, of x between -87 and 88; beyond, of these."""
    x = minimum(maximum(x, splat(_LOWEST)), splat(_HIGHEST))
    n = rounded(x * splat(_PER_LN2))
    r = (x - n * splat(_LN2_HIGH)) - n * splat(_LN2_LOW)
    p = (((splat(_E6) * r + splat(_E5)) * r + splat(_E4)) * r + splat(_E3)) * r + splat(_E2)
    return scale(p * r * r + r + splat(_ONE), n)


@inner
def one_minus_exp(x: Vector) -> Vector:
    r""":math:`1 - e^{-x}` for x >= 0, to 3e-7 of its value, however small x is."""
    one, series = splat(_ONE), splat(_ONE)
    for k in range(8, 1, -1):
        series = one - x * series / splat(np.float32(k))
    return choose(x, splat(_HALF), x * series, one - exp(splat(_ZERO) - x))


_SQRT2, _LN2, _TWO = np.array([1.4142135623730951, 0.6931471805599453, 2], np.float32)
_L3, _L5, _L7, _L9 = np.array([1 / 3, 1 / 5, 1 / 7, 1 / 9], np.float32)


@inner
def log(x: Vector) -> Vector:
    r"""Natural logarithm of positive normal x, to 2e-7 of 1 or of its value, from :math:`2 \tanh^{-1} z`."""
    e, m = exponent(x), mantissa(x)
    is_high = choose(splat(_SQRT2), m, splat(_ONE), splat(_ZERO))
    m = m - m * is_high * splat(_HALF)
    z = (m - splat(_ONE)) / (m + splat(_ONE))
    t = z * z
    series = (((splat(_L9) * t + splat(_L7)) * t + splat(_L5)) * t + splat(_L3)) * t + splat(_ONE)
    return (e + is_high) * splat(_LN2) + splat(_TWO) * z * series


@inner
def scaled(value: Vector, levels: int) -> Vector:
    """Levels as the networks read them, spread over -1 .. 1."""
    return splat(_TWO) * value / splat(np.float32(levels - 1)) - splat(_ONE)
