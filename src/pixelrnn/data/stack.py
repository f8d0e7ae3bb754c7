"""Files with more than 8 bits a value, or with several pages: all values as they are, under the axes that they name.

TIFF with 16 bits or several pages, and PNG with 16. Nothing is scaled or inverted: a measurement is no picture.
"""

import contextlib
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from pixelrnn.data.picture import Content, UnreadableError, layout_of, lower_halves, opened, reason_of

__all__ = ["Depth", "Stack", "depth_of", "file_of", "read_stack"]

Depth = Literal["plain", "pages", "deep"]

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNG, PNG_DEPTH = b"\x89PNG\r\n\x1a\n", 24
MOST_BYTES = 2**31  # of the values of a file
MOST_PAGES = 2**16
MOST_CHANNELS = 4
INSIDE = "YX"
ORIENTATION = 274  # tag
TURNS: dict[int, Callable[[Any], Any]] = {
    2: lambda a: a[..., ::-1],
    3: lambda a: a[..., ::-1, ::-1],
    4: lambda a: a[..., ::-1, :],
    5: lambda a: a.swapaxes(-2, -1),
    6: lambda a: a.swapaxes(-2, -1)[..., ::-1],
    7: lambda a: a.swapaxes(-2, -1)[..., ::-1, ::-1],
    8: lambda a: a.swapaxes(-2, -1)[..., ::-1, :],
}
"""How to turn `(..., H, W)` upright, by the number that EXIF has for it."""

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is odd about a file is an error, or no matter


class Stack(NamedTuple):
    """What a file holds.

    Attributes:
        values: `(P, C, H, W)` integers: pages, each with its channels.
        axes: The axes as the file names them, and their lengths: `ZCYX 45x2x130x133`.
        bits: Of a value, in the file.
    """

    values: NDArray[np.generic]
    axes: str
    bits: int

    @property
    def kind(self) -> str:
        """In a few words."""
        return f"{self.bits}-bit {self.axes}"


def depth_of(content: Content) -> Depth:
    """What a file is, by its head: deep, with more than 8 bits a value; pages, several of 8 bits; or a plain picture.

    Raises:
        UnreadableError: If it is a TIFF that cannot be read.
    """
    if not isinstance(content, bytes):
        return "plain"
    if content.startswith(PNG):
        return "deep" if content[PNG_DEPTH : PNG_DEPTH + 1] == b"\x10" else "plain"
    if not content.startswith(TIFF):
        return "plain"
    with _opened(content) as tiff:
        if int(tiff.pages.first.bitspersample) > 8:
            return "deep"
        return "pages" if len(tiff.pages) > 1 else "plain"


def read_stack(content: bytes, *, are_images: bool = False) -> Stack:
    """The values of a file.

    Args:
        content: The file.
        are_images: Whether channels are pages of their own.

    Raises:
        UnreadableError: If it is none of these, or its values are no integers, or are too many, or it is damaged.
    """
    if content.startswith(PNG):
        values, axes, bits, turn = *_of_png(content), 16, 1
    else:
        values, axes, bits, turn = _of_tiff(content)
    if values.dtype.kind not in "iu" or values.dtype.itemsize > 2:
        raise UnreadableError(f"its values are {values.dtype}; integers of up to 16 bits are read")
    sizes = "x".join(map(str, values.shape))
    stacked = np.ascontiguousarray(TURNS.get(turn, lambda upright: upright)(_stacked(values, axes)))
    if are_images:
        stacked = stacked.reshape(-1, 1, *stacked.shape[2:])
    if stacked.shape[1] > MOST_CHANNELS:
        raise UnreadableError(
            f"it has {stacked.shape[1]} channels; up to {MOST_CHANNELS} are read as such (`channels` images "
            "makes images of them)"
        )
    return Stack(stacked, f"{axes} {sizes}", bits)


def file_of(values: NDArray[np.generic]) -> bytes:
    """The TIFF of an image `(C, H, W)` of integers.

    Example:
        >>> read_stack(file_of(np.array([[[0, 1], [2, 700]]], np.uint16))).values.tolist()
        [[[[0, 1], [2, 700]]]]
    """
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="minisblack", metadata={"axes": "CYX"})
    return file.getvalue()


def _stacked(values: NDArray[np.generic], axes: str) -> NDArray[np.generic]:
    """Values `(P, C, H, W)`: channels are C, or samples S; all other axes but the last two are pages."""
    places = {name: number for number, name in enumerate(axes)}
    channels = [places[name] for name in "CS" if name in places]
    pages = [number for number, name in enumerate(axes) if name not in f"CS{INSIDE}"]
    ordered = values.transpose(*pages, *channels, places["Y"], places["X"])
    height, width = ordered.shape[-2:]
    count = int(np.prod([values.shape[number] for number in channels]))
    found = ordered.reshape(-1, count, height, width)
    return found.astype(found.dtype.newbyteorder("="))


def _of_tiff(content: bytes) -> tuple[NDArray[np.generic], str, int, int]:
    """Values, axes, bits, and how the image is turned, in the words of EXIF."""
    with _opened(content) as tiff:
        if 0 in tiff.pages.first.shape:
            raise UnreadableError("it holds no values")
        series = tiff.series[0]
        if len(tiff.pages) > MOST_PAGES:
            raise UnreadableError(f"it has {len(tiff.pages):,} pages; up to {MOST_PAGES:,} are read")
        if len(tiff.series) > 1:
            sizes = " and ".join("x".join(map(str, each.shape)) for each in tiff.series[:2])
            raise UnreadableError(f"its pages differ in size ({sizes}{', ...' if len(tiff.series) > 2 else ''})")
        if not set(INSIDE) <= set(series.axes):
            raise UnreadableError(f"its axes {series.axes} are those of no image")
        if series.size == 0:
            raise UnreadableError("it holds no values")
        if series.nbytes > MOST_BYTES:
            raise UnreadableError(f"its values are {series.nbytes:,} bytes; up to {MOST_BYTES:,} are read")
        bits = int(tiff.pages.first.bitspersample)
        stored = sum(sum(page.databytecounts) for page in series.pages if page is not None)
        if stored > len(content) or (int(tiff.pages.first.compression) == 1 and 8 * len(content) < series.size * bits):
            raise UnreadableError("it is cut off: its values are not all there")
        turn = tiff.pages.first.tags.get(ORIENTATION)
        return series.asarray(), series.axes, bits, 1 if turn is None else int(turn.value)


def _of_png(content: bytes) -> tuple[NDArray[np.generic], str]:
    """Grey or RGB; Pillow gives the upper halves of colours."""
    image = opened(content)
    layout = layout_of(image)
    if layout not in ("I;16B", "RGB;16B"):
        raise UnreadableError("its transparency of 16 bits is not read")
    try:
        values = np.asarray(image).astype(np.uint16)
        if layout == "I;16B":
            return values, "YX"
        return (values << 8) + np.asarray(lower_halves(content)), "YXS"
    except Exception as error:  # decoders raise errors of many kinds for damaged data
        raise UnreadableError(reason_of(error)) from error


@contextlib.contextmanager
def _opened(content: bytes) -> Iterator[tifffile.TiffFile]:
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as tiff:
            yield tiff
    except UnreadableError:
        raise
    except Exception as error:  # as above
        raise UnreadableError(reason_of(error)) from error
