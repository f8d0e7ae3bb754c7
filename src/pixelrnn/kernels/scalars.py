r"""Exponential function, logarithm and normal quantile of float64 numbers, the same bits everywhere.

The quantile is that of Wichura, *Algorithm AS 241: the percentage points of the normal distribution*, Applied
Statistics 37 (1988), PPND16.
"""

import math
from typing import Any

from pixelrnn.kernels.inner import inner

__all__ = ["exp", "log", "quantile"]

_CENTRE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_TAIL = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_FAR_TAIL = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131245613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip
_LN2, _LN_THREE_QUARTERS = 0.6931471805599453, -0.2876820724517809


@inner
def _ratio(polynomials: Any, x: Any) -> Any:
    above, below = polynomials
    p = q = 0.0
    for k in range(7, -1, -1):
        p, q = p * x + above[k], q * x + below[k]
    return p / q


@inner
def log(x: Any) -> Any:
    r"""Natural logarithm of positive x from :math:`2 \tanh^{-1} z` by its series."""
    mantissa, exponent = math.frexp(x)
    z = (mantissa - 0.75) / (mantissa + 0.75)
    series = 0.0
    for k in range(25, 0, -2):
        series = series * z * z + 1 / k
    return exponent * _LN2 + _LN_THREE_QUARTERS + 2 * z * series


@inner
def exp(x: Any) -> Any:
    r"""Exponential function of x between -700 and 700: :math:`2^n e^r` with the series of :math:`e^r`, to 1e-13."""
    n = math.floor(x / _LN2 + 0.5)
    r = x - n * _LN2
    series = 1.0
    for k in range(16, 0, -1):
        series = 1.0 + series * r / k
    return math.ldexp(series, int(n))


@inner
def quantile(p: Any) -> Any:
    """The value that a share p of the standard normal distribution lies below, 0 < p < 1."""
    q = p - 0.5
    if abs(q) <= 0.425:
        return q * _ratio(_CENTRE, 0.180625 - q * q)
    r = math.sqrt(-log(min(p, 1 - p)))
    x = _ratio(_TAIL, r - 1.6) if r <= 5 else _ratio(_FAR_TAIL, r - 5)
    return x if q > 0 else -x
