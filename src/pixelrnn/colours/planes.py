r"""Colours that pictures were converted from: exact conversions, which leave most colours unused.

Whoever decodes a JPEG file gets colours that 8-bit Y, Cb and Cr can give: a quarter of all that there are. Pictures
from Kodak's Photo CD have those that its 8-bit Y, C1 and C2 can give: an eighth. PNG and other lossless formats do not
notice. Coded in the planes that it came from such a picture is a good deal smaller, and they give back its colours.

`jpeg` is the integer conversion of the libraries that decode JPEG, with Cb and Cr less 128:

.. math:: R = Y + ((91881\,Cr + 2^{15}) \gg 16), \quad G = Y + ((-22554\,Cb - 46802\,Cr + 2^{15}) \gg 16), \quad
          B = Y + ((116130\,Cb + 2^{15}) \gg 16),

`photo-cd` that of the Photo CD to 8-bit video colours, with its constants 1.3584, 2.2179, 1.8215, 0.194 and 0.509 in
16 bits, and with C1 less 156 and C2 less 137:

.. math:: R = (89024\,Y + 119374\,C_2) \gg 16, \quad B = (89024\,Y + 145352\,C_1) \gg 16, \quad
          G = (89024\,Y - 12714\,(145352\,C_1 \gg 16) - 33358\,(119374\,C_2 \gg 16)) \gg 16,

all clipped to 0 .. 255; :math:`\gg` rounds down. The latter was found by measurement: it gives every pixel of the 18
Kodak pictures that it was tried on.

Knows arrays of colours; no models and no files.
"""

import functools
from typing import Any

import numpy as np

__all__ = ["find_planes", "from_planes", "to_planes"]

Array = np.ndarray[Any, np.dtype[Any]]

UNUSED = -1
MOST = 2**15  # above any excess


def from_planes(planes: Array, colours: str) -> Array:
    """Colours from planes.

    Args:
        planes: `(3, ...)` uint8.
        colours: What they are: `rgb`, `jpeg` or `photo-cd`.

    Returns:
        `(3, ...)` uint8: R, G and B.

    Example:
        >>> from_planes(np.array([[100], [128], [130]], np.uint8), "jpeg").ravel().tolist()
        [103, 99, 100]
    """
    if colours == "rgb":
        return planes
    y, a, b = planes.astype(np.int32)
    clipped: Array = _unclipped(y, a, b, colours).clip(0, 255).astype(np.uint8)
    return clipped


def _unclipped(y: Array, a: Array, b: Array, colours: str) -> Array:
    """R, G and B, int32 `(3, ...)`."""
    if colours == "jpeg":
        a, b = a - 128, b - 128
        red, green = y + ((91881 * b + 32768) >> 16), y + ((-22554 * a - 46802 * b + 32768) >> 16)
        blue = y + ((116130 * a + 32768) >> 16)
    else:
        luma, a, b = 89024 * y, a - 156, b - 137
        red, blue = (luma + 119374 * b) >> 16, (luma + 145352 * a) >> 16
        green = (luma - 12714 * ((145352 * a) >> 16) - 33358 * ((119374 * b) >> 16)) >> 16
    return np.stack([red, green, blue])


def to_planes(values: Array, colours: str) -> Array | None:
    """The planes that colours come from; None if some cannot.

    Of several planes that are clipped to the same colour, those that are clipped least are taken.

    Args:
        values: `(3, ...)` uint8: R, G and B.
        colours: Colours, as for `from_planes`.

    Returns:
        `(3, ...)` uint8, from which `from_planes` makes the same values.

    Example:
        >>> to_planes(np.array([[103], [99], [100]], np.uint8), "jpeg").ravel().tolist()
        [100, 128, 130]
        >>> to_planes(np.array([[100], [101], [100]], np.uint8), "photo-cd") is None
        True
    """
    planes, is_found = find_planes(values, colours)
    return planes if is_found.all() else None


def find_planes(values: Array, colours: str) -> tuple[Array, Array]:
    """The planes `(3, ...)` that colours come from, and whether there are any `(...)`; arguments as for `to_planes`.

    Example:
        >>> find_planes(np.array([[103, 100], [99, 101], [100, 100]], np.uint8), "jpeg")[1].tolist()
        [True, False]
    """
    if colours == "rgb":
        return values, np.ones(values.shape[1:], np.bool_)
    red, green, blue = values.astype(np.int64)
    code = _inverse(colours)[(red << 16) + (green << 8) + blue]
    return np.stack([code >> 16, (code >> 8) & 255, code & 255]).astype(np.uint8), code != UNUSED


@functools.lru_cache(maxsize=2)
def _inverse(colours: str) -> Array:
    """For each colour the planes that give it, or `UNUSED`, int32 `(2^24)`."""
    found, least = np.full(2**24, UNUSED, np.int32), np.full(2**24, MOST, np.uint16)
    a, b = (plane.ravel().astype(np.int32) for plane in np.meshgrid(np.arange(256), np.arange(256), indexing="ij"))
    for y in range(256):
        wanted = _unclipped(np.full_like(a, y), a, b, colours)
        red, green, blue = clipped = wanted.clip(0, 255)
        excess = np.abs(wanted - clipped).sum(0).astype(np.uint16)
        # What is written last stays: of those with equal colours that with the least excess.
        order = np.argsort(MOST - excess, kind="stable")
        places, excess = ((red << 16) + (green << 8) + blue)[order], excess[order]
        is_better = excess < least[places]
        places = places[is_better]
        least[places], found[places] = excess[is_better], (y << 16) + order[is_better]
    return found
