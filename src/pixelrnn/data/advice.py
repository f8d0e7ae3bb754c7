"""Pictures of few values in bytes: which options make levels of what occurs, where a source says 256."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelrnn.data.images import Data, ImageSet

__all__ = ["Advice", "advise"]

BYTES = 256
FEW = 64  # values; images of more are taken as they are
FIRST = 100  # images that are looked at before all are
AT_ONCE = 256


class Advice(NamedTuple):
    """What would fit a source better.

    Attributes:
        values: Values that occur, in words.
        option: Field of `DataConfig`.
        levels: Value for it.
    """

    values: str
    option: str
    levels: int


def advise(data: Data) -> Advice | None:
    """The option by which images that hold few values, and are taken for bytes of 256, become levels.

    Values 0 .. n-1 are levels already (`source_levels`); n values that are evenly spaced up to 255 become levels by
    floor quantisation (`levels`).

    Example:
        >>> from pixelrnn import load_data
        >>> advise(load_data("digits")) is None  # has its 17 levels
        True
    """
    whole = data.whole
    if (whole.quantiser.levels, whole.quantiser.source_levels) != (BYTES, BYTES):
        return None
    if len(_occurring(whole.spaced(FIRST))) > FEW:
        return None
    values = _occurring(whole)
    count, highest = len(values), int(values[-1])
    if not 2 <= count <= FEW:
        return None
    text = " and ".join(map(str, values)) if count == 2 else f"{count}, {values[0]} .. {highest},"
    if highest < FEW:
        # The values of image files are bytes by their format: dark ones are no levels.
        return None if data.names else Advice(text, "source_levels", highest + 1)
    for levels in range(count, 2 * count + 1):
        are_there = np.isin(values, np.round(np.arange(levels) * (BYTES - 1) / (levels - 1))).all()
        if are_there and len(np.unique(values * levels // BYTES)) == count:  # and stay apart
            return Advice(text, "levels", levels)
    return None


def _occurring(images: ImageSet) -> NDArray[np.int64]:
    """The values, in order, that occur in images of a source of bytes; those of few images if they are many."""
    counts = np.zeros(BYTES, np.int64)
    for start in range(0, len(images.positions), AT_ONCE):
        for values in images.pixels.read(images.positions[start : start + AT_ONCE].tolist()):
            counts += np.bincount(np.ravel(values), minlength=BYTES)
        if np.count_nonzero(counts) > FEW:
            break
    return np.flatnonzero(counts)
