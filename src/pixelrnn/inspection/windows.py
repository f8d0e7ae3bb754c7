r"""What is odd about the windows of an image, at all places and of several sizes.

With the surprise :math:`s_i = -\ln p(x_i \mid x_{<i})` of each sub-pixel, and its mean :math:`H_i` and variance
:math:`V_i` by the model's own distribution, a window w of n pixels has

.. math:: Z_w = \frac{\sum_{i \in w} s_i - H_i}{\sqrt{\sum_{i \in w} V_i + n \epsilon}}, \quad
    R_w = \frac{1}{\sqrt n} \sum_{i \in w} r_i, \quad O_w = \frac{1}{\sqrt n} \sum_{i \in w} o_i

where :math:`r_i` says on which side of what was expected a value lies, and :math:`o_i` how far out
(`pixelrnn.outputs.moments`): a window can be surprising, darker than was expected, or smoother. Of images from the
model all three have the mean 0, and Z, but for :math:`\epsilon`, the variance 1, whatever is in the window.
:math:`\epsilon` keeps windows in which all is certain from counting a single surprise as infinite.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from torch import Tensor

from pixelrnn.outputs.moments import SurpriseMap

__all__ = [
    "SIDES",
    "SIGNALS",
    "Evidence",
    "Readings",
    "averaged",
    "readings_of",
    "sides_for",
    "window_signals",
    "window_sums",
]

Array = np.ndarray[Any, np.dtype[Any]]

SIDES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Sides of the windows, which are squares."""


SIGNALS = 3
"""Z, R and O of a window."""


class Evidence(NamedTuple):
    """What a model says of the pixels of an image, the channels added up.

    Attributes:
        excess: `(H, W)` float32 nats: surprise less its mean.
        variance: `(H, W)` float32 squared nats: its variance.
        rank: `(H, W)` float32.
        outlying: `(H, W)` float32.
    """

    excess: Array
    variance: Array
    rank: Array
    outlying: Array


Readings: TypeAlias = tuple[Evidence, ...]
"""The evidence of an image, of each order in which the model reads it."""


def readings_of(found: Sequence[SurpriseMap]) -> Iterator[Readings]:
    """The evidence of each of the images of maps of some orders."""
    for image in range(len(found[0].log_prob)):
        yield tuple(_evidence(*(_summed(part[image]) for part in each)) for each in found)


def _evidence(nats: Array, mean: Array, variance: Array, rank: Array, outlying: Array) -> Evidence:
    return Evidence(-(nats + mean), variance, rank, outlying)


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
    return _sums(_table(values), side)


def window_signals(evidence: Evidence, sides: Sequence[int], least: float) -> Iterator[tuple[int, Array]]:
    """Each side with Z, R and O of all windows, `(3, H - side + 1, W - side + 1)` float32, with `least` as epsilon."""
    tables = [_table(part) for part in evidence]
    for side in sides:
        excess, variance, rank, outlying = (_sums(table, side).astype(np.float32) for table in tables)
        excess /= np.sqrt(np.maximum(variance, 0) + np.float32(side**2 * least))
        yield side, np.stack([excess, rank / np.float32(side), outlying / np.float32(side)])


def _table(values: Array) -> Array:
    """The sums of all that is above and to the left, `(H + 1, W + 1)` float64."""
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    inside = table[1:, 1:]
    np.cumsum(values, axis=0, dtype=np.float64, out=inside)
    np.cumsum(inside, axis=1, out=inside)
    return table


def _sums(table: Array, side: int) -> Array:
    sums: Array = table[side:, side:] - table[:-side, side:]
    sums -= table[side:, :-side]
    sums += table[:-side, :-side]
    return sums


def averaged(windows: Array, side: int, ones: float = 0.0) -> Array:
    """The mean of the windows that each pixel is in, `(H, W)`, by the values of all windows.

    Args:
        windows: `(H - side + 1, W - side + 1)`.
        side: Their side.
        ones: Windows of the value 1 that count with those of each pixel, as a share of what one in the middle has:
            at the borders there are few, whose mean would vary more.

    Example:
        >>> averaged(np.array([[1.0, 5.0, 2.0]]), 2)
        array([[1. , 3. , 3.5, 2. ],
               [1. , 3. , 3.5, 2. ]])
    """
    counts = np.outer(*(np.convolve(np.ones(length), np.ones(side)) for length in windows.shape))
    more = ones * counts.max()
    means: Array = (window_sums(np.pad(windows, side - 1), side) + more) / (counts + more)
    return means
