"""Where an image is unusual, by the windows that each pixel is in.

The means of Q say it, over all windows of a side that a pixel is in: a large window that has a flaw in it is high as
well, and says less of its pixels than a small one. The mean over the sides of the logarithms of these means, each in
units of the Gumbel distribution of its highest value in a usual image, is high where a flaw of any size is.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pixelrnn.inspection.features import LOWEST
from pixelrnn.inspection.gumbel import Gumbel
from pixelrnn.inspection.windows import averaged

__all__ = ["Places", "nearby", "oddness_of_places"]

Array = np.ndarray[Any, np.dtype[Any]]

AT_BORDERS = 0.3  # windows as usual, beside those that a pixel is in


@dataclasses.dataclass(frozen=True)
class Places:
    """How odd the places of an image are, beside the oddest ones of usual images.

    Attributes:
        tails: Of the highest of `nearby`, by the number of the side.
        peaks: Of the highest of `oddness_of_places`.
    """

    tails: tuple[Gumbel, ...]
    peaks: Gumbel

    def __call__(self, maps: Iterable[Array], log_ratios: Array) -> Array:
        """`(H, W)`, in units of the peaks of usual images, by `nearby` of each side, and ln r of each."""
        found: Array = self.peaks.units(oddness_of_places(self.tails, maps, log_ratios))
        return found


def nearby(oddness: Array, side: int) -> Array:
    """`(H, W)`: the logarithm of the mean of Q of the windows of a side that each pixel is in."""
    means: Array = np.log(averaged(oddness, side, AT_BORDERS) + LOWEST)
    return means


def oddness_of_places(tails: Sequence[Gumbel], maps: Iterable[Array], log_ratios: Array) -> Array:
    """`(H, W)`: the mean over the sides of what is nearby, each in units of the highest of usual images."""
    sides = len(log_ratios)
    of_sides = zip(tails[:sides], maps, log_ratios, strict=True)
    total: Array = sum(tail.units(each) - ratio for tail, each, ratio in of_sides)
    return total / sides
