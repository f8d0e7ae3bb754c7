r"""Gumbel distributions, to which the highest of many values tend (Fisher and Tippett, 1928), and p-values by them."""

import math
from typing import Any, NamedTuple

import numpy as np

__all__ = ["LEAST_SCALE", "Gumbel", "p_value_of", "threshold_of"]

Array = np.ndarray[Any, np.dtype[Any]]

LEAST_SCALE = 1e-3
"""Scale, or deviation, of what hardly varies: less is rounding."""

EULER = 0.5772156649015329
ROUNDS = 5  # until the scale by which sizes are allowed for is that of what is left


class Gumbel(NamedTuple):
    r"""A Gumbel distribution, :math:`P(X \le x) = e^{-e^{-(x - \mu) / \beta}}`.

    Attributes:
        location: :math:`\mu`.
        scale: :math:`\beta`.
    """

    location: float
    scale: float

    @classmethod
    def of(cls, values: Array) -> "Gumbel":
        """The one with the first two L-moments of some values (Hosking, 1990)."""
        ordered, count = np.sort(np.asarray(values, np.float64)), len(values)
        ranks = np.arange(count)
        second = 2 * (ranks * ordered).sum() / (count * max(1, count - 1)) - ordered.mean()
        scale = max(second / math.log(2), LEAST_SCALE)
        return cls(float(ordered.mean() - EULER * scale), float(scale))

    @classmethod
    def of_highest(cls, values: Array, log_ratios: Array) -> "Gumbel":
        """That of the highest of so many values, by some of :math:`e^{ratio}` times as many, which reach higher."""
        found = cls.of(values)
        for _ in range(ROUNDS):  # the scale says how much higher
            found = cls.of(values - found.scale * log_ratios)
        return found

    def units(self, x: Any) -> Any:
        """Values from the location, in scales."""
        return (x - self.location) / self.scale


def p_value_of(x: float) -> float:
    """:math:`P = 1 - e^{-e^{-x}}`: how often a standard Gumbel variable is higher than x."""
    return -math.expm1(-math.exp(-max(x, -700.0)))


def threshold_of(alpha: float) -> float:
    """The x that has the p-value alpha."""
    return -math.log(-math.log1p(-alpha))
