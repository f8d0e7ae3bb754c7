r"""How well maps say where something is unusual, by masks of what is.

The *per-region overlap* (Bergmann et al., *The MVTec Anomaly Detection Dataset*, IJCV 2021, section 4.2) of a threshold
is the share of each connected region of the masks that lies above it, averaged over the regions: a small flaw counts as
much as a large one. Its area under the curve over the share of all pixels outside of masks that lie above the
threshold, up to a most, divided by that most, is 1 if all regions are found before any other pixel, and half of the
most if nothing is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from pixelrnn.errors import DataError
from pixelrnn.inspection.regions import ALL_AROUND

__all__ = ["area_under_overlap"]

Array = np.ndarray[Any, np.dtype[Any]]

STEPS = 300  # thresholds


def area_under_overlap(maps: Sequence[Array], masks: Sequence[Array | None], *, most: float = 0.3) -> float:
    """Area under the curve of the per-region overlap, divided by its width: AUPRO.

    Args:
        maps: `(H, W)` of each image: higher where something is unusual.
        masks: `(H, W)` bool of each: where something is; None if nowhere.
        most: Share of false pixels up to which it is taken.

    Raises:
        DataError: If there is nothing unusual, or nothing else, or a mask is not of its image's size.

    Example:
        >>> image = np.arange(16.0).reshape(4, 4)
        >>> round(area_under_overlap([image], [image > 13]), 3), round(area_under_overlap([-image], [image > 13]), 3)
        (1.0, 0.0)
    """
    regions, others = list[Array](), list[Array]()
    for found, mask in zip(maps, masks, strict=True):
        mask = np.zeros(found.shape, np.bool_) if mask is None else np.asarray(mask, np.bool_)
        if mask.shape != found.shape:
            raise DataError(f"a mask is {mask.shape[0]}x{mask.shape[1]}, its image {found.shape[0]}x{found.shape[1]}")
        labels, count = ndimage.label(mask, structure=ALL_AROUND)
        regions += [np.sort(found[labels == number]) for number in range(1, count + 1)]
        others.append(found[~mask])
    outside = np.sort(np.concatenate(others)) if others else np.zeros(0)
    if not regions or not len(outside):
        raise DataError("there are no unusual pixels, or no usual ones, to measure by")
    # Thresholds at which so many of the pixels outside lie above; between them the curve is a line.
    wanted = np.linspace(0, most, STEPS + 1)
    places = len(outside) - np.floor(wanted * len(outside)).astype(np.int64) - 1
    thresholds = outside[np.maximum(places, 0)]
    overlaps = [1 - np.searchsorted(region, thresholds, "right") / len(region) for region in regions]
    false = 1 - np.searchsorted(outside, thresholds, "right") / len(outside)
    return _area(np.append(0.0, false), np.append(0.0, np.mean(overlaps, axis=0)), most)


def _area(x: Array, y: Array, most: float) -> float:
    """Area under a curve of rising points up to `most`, by trapezia, over its width."""
    at_most = float(np.interp(most, x, y))
    inside = x <= most
    x, y = np.append(x[inside], most), np.append(y[inside], at_most)
    return float(np.trapezoid(y, x) / most)
