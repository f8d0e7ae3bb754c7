r"""How surprising the windows of an image are, at all places and of several sizes.

With the surprise :math:`s_i = -\ln p(x_i \mid x_{<i})` of each sub-pixel, and its mean :math:`H_i` and variance
:math:`V_i` by the model's own distribution, a window w of n pixels has

.. math:: Z_w = \frac{\sum_{i \in w} s_i - H_i}{\sqrt{\sum_{i \in w} V_i + n \epsilon}}

Of images from the model the numerator has mean 0 and, but for :math:`\epsilon`, the variance of which the denominator
is the root. So Z is near a standard normal for windows of many sub-pixels, whatever is in them. :math:`\epsilon`
keeps windows in which all is certain from counting a single surprise as infinite.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from pixelrnn.outputs.moments import SurpriseMap

__all__ = ["SIDES", "Evidence", "averaged", "evidence_of", "sides_for", "standardised_windows", "window_sums"]

Array = np.ndarray[Any, np.dtype[Any]]

SIDES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Sides of the windows, which are squares."""


class Evidence(NamedTuple):
    """What a model says of the pixels of an image, the channels added up.

    Attributes:
        excess: `(H, W)` float32 nats: surprise less its mean.
        variance: `(H, W)` float32 squared nats: its variance.
    """

    excess: Array
    variance: Array


def evidence_of(found: SurpriseMap) -> Iterator[Evidence]:
    """The evidence of each of the images of a map."""
    for parts in zip(*found, strict=True):
        nats, mean, variance = (_summed(part) for part in parts)
        yield Evidence(-(nats + mean), variance)


def _summed(part: Tensor) -> Array:
    summed: Array = part.double().sum(0).numpy().astype(np.float32)
    return summed


def sides_for(size: tuple[int, int]) -> tuple[int, ...]:
    """The sides of windows that an image of a height and a width has."""
    return tuple(side for side in SIDES if side <= min(size))


def window_sums(values: Array, side: int) -> Array:
    """Sums over all windows of a side, `(H - side + 1, W - side + 1)` float64, by a summed-area table.

    Example:
        >>> window_sums(np.arange(6.0).reshape(2, 3), 2)
        array([[ 8., 12.]])
    """
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    np.cumsum(np.cumsum(values, axis=0, dtype=np.float64), axis=1, out=table[1:, 1:])
    sums: Array = table[side:, side:] - table[:-side, side:] - table[side:, :-side] + table[:-side, :-side]
    return sums


def standardised_windows(evidence: Evidence, side: int, least: float) -> Array:
    """Z of all windows of a side, `(H - side + 1, W - side + 1)`, with `least` as epsilon: see the module."""
    variance = np.maximum(window_sums(evidence.variance, side), 0) + side**2 * least
    z: Array = window_sums(evidence.excess, side) / np.sqrt(variance)
    return z


def averaged(windows: Array, side: int) -> Array:
    """The mean of the windows that each pixel is in, `(H, W)`, by the values of all windows.

    Example:
        >>> averaged(np.array([[1.0, 5.0, 2.0]]), 2)
        array([[1. , 3. , 3.5, 2. ],
               [1. , 3. , 3.5, 2. ]])
    """
    counts = np.outer(*(np.convolve(np.ones(length), np.ones(side)) for length in windows.shape))
    means: Array = window_sums(np.pad(windows, side - 1), side) / counts
    return means
