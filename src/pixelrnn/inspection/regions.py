"""The parts of an image that exceed a threshold: connected, each with its place, size and p-value."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

__all__ = ["Box", "Region", "mask_of", "regions_of"]

Array = np.ndarray[Any, np.dtype[Any]]

ALL_AROUND = np.ones((3, 3), np.int64)  # pixels that touch at a corner are connected


class Box(NamedTuple):
    """Rows and columns of a region, from the first up to, without, the end."""

    top: int
    left: int
    bottom: int
    right: int


class Region(NamedTuple):
    """A connected part of an image.

    Attributes:
        box: Where it is.
        area: Its pixels.
        peak: Row and column of its highest pixel.
        highest: The exceedance there.
        p_value: How often a usual image would reach as high anywhere.
    """

    box: Box
    area: int
    peak: tuple[int, int]
    highest: float
    p_value: float


def mask_of(exceedance: Array, threshold: float, share: float) -> Array:
    """`(H, W)` bool: what is above a threshold by a share, at least, of what the highest pixel of its region is.

    For a flaw that is far beyond the threshold is seen in all large windows around it.

    Example:
        >>> mask_of(np.array([[3.0, 9.0, 6.0, 0.0, 2.5]]), 2.0, 0.5)
        array([[False,  True,  True, False,  True]])
    """
    labels, count = ndimage.label(exceedance > threshold, structure=ALL_AROUND)
    highest = ndimage.maximum(exceedance, labels, np.arange(1, count + 1))
    least = np.concatenate([[np.inf], threshold + share * (np.atleast_1d(highest) - threshold)])[labels]
    mask: Array = (labels > 0) & (exceedance >= least)
    return mask


def regions_of(exceedance: Array, mask: Array, p_value: Callable[[float], float]) -> list[Region]:
    """The connected regions of a mask, the highest first.

    Args:
        exceedance: `(H, W)`.
        mask: `(H, W)` bool.
        p_value: The p-value of an exceedance.

    Example:
        >>> image = np.array([[0.0, 3.0, 0.0], [0.0, 0.0, 4.0], [0.0, 0.0, 0.0]])
        >>> regions_of(image, image > 2, lambda x: 1 / x)[0].box
        Box(top=0, left=1, bottom=2, right=3)
    """
    labels, _ = ndimage.label(mask, structure=ALL_AROUND)
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        is_inside = labels[rows, columns] == number
        inside = np.where(is_inside, exceedance[rows, columns], -np.inf)
        row, column = np.unravel_index(int(inside.argmax()), inside.shape)
        highest = float(inside.max())
        box = Box(rows.start, columns.start, rows.stop, columns.stop)
        peak = (int(rows.start + row), int(columns.start + column))
        found.append(Region(box, int(is_inside.sum()), peak, highest, p_value(highest)))
    return sorted(found, key=lambda region: -region.highest)
