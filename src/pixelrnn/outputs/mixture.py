"""What the mixtures share: bounds of the scales of their components."""

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import LANES, Address, Vector, load, maximum, minimum, splat

__all__ = ["MAX_LOG_SCALE", "MIN_LOG_SCALE", "log_scale"]

# Beyond these a logistic is a point or flat at the width of a level; the bound keeps gradients finite.
MIN_LOG_SCALE, MAX_LOG_SCALE = -12.0, 12.0

_BOUND = np.float32(MAX_LOG_SCALE)


@inner
def log_scale(parameters: Address, count: int, k: int) -> Vector:
    """Logarithm of the scale of component k / LANES of a mixture, within its bounds."""
    found = load(parameters, 2 * count * LANES + k)
    return minimum(maximum(found, splat(-_BOUND)), splat(_BOUND))
