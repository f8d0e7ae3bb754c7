"""Where decoded values lie: arrays, bit-packed arrays and ragged files, read a few images at a time.

Nothing here copies a source whole: arrays may be memory maps. Positions count images in the order of the source.
"""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["AbstractPixels", "Concatenated", "Dense", "Packed", "Ragged"]


class AbstractPixels(Protocol):
    """A sequence of images `(C, H, W)`, of one or of many sizes."""

    def __len__(self) -> int:
        """Number of images."""

    def shape(self, position: int) -> tuple[int, int, int]:
        """Channels, height and width of one image."""

    def offset(self, position: int) -> int:
        """Number of sub-pixels of all images before one."""

    def read(self, positions: Sequence[int]) -> Sequence[NDArray[np.generic]]:
        """The images at some positions: uint8 levels or floats."""


@dataclasses.dataclass(frozen=True)
class Dense:
    """An array `(N, C, H, W)`, in memory or mapped.

    Args:
        array: The array.
        are_bytes: Whether integers are levels of a byte; else they are given as they are.
    """

    array: NDArray[np.generic]
    are_bytes: bool = True

    def __len__(self) -> int:
        """Number of images."""
        return len(self.array)

    def shape(self, position: int) -> tuple[int, int, int]:
        """The shape that all images share."""
        return self.array.shape[1], self.array.shape[2], self.array.shape[3]

    def offset(self, position: int) -> int:
        """Sub-pixels before an image."""
        return position * int(np.prod(self.array.shape[1:]))

    def read(self, positions: Sequence[int]) -> Sequence[NDArray[np.generic]]:
        """Copies of some images, `(N, C, H, W)`."""
        chosen = self.array[np.asarray(positions, dtype=np.int64)]
        return chosen.astype(np.uint8) if self.are_bytes and chosen.dtype.kind != "f" else chosen  # type: ignore[return-value]


@dataclasses.dataclass(frozen=True)
class Packed:
    """Binary images of H x W in rows of bits, `(N, ceil(H W / 8))` uint8, as `numpy.packbits` makes them."""

    array: NDArray[np.uint8]
    height: int
    width: int

    def __len__(self) -> int:
        """Number of images."""
        return len(self.array)

    def shape(self, position: int) -> tuple[int, int, int]:
        """The shape that all images share."""
        return 1, self.height, self.width

    def offset(self, position: int) -> int:
        """Sub-pixels before an image."""
        return position * self.height * self.width

    def read(self, positions: Sequence[int]) -> Sequence[NDArray[np.generic]]:
        """Some images as 0 and 1, `(N, 1, H, W)`."""
        bits = np.unpackbits(self.array[np.asarray(positions, dtype=np.int64)], axis=1, count=self.height * self.width)
        return bits.reshape(-1, 1, self.height, self.width)  # type: ignore[return-value]


@dataclasses.dataclass(frozen=True)
class Ragged:
    """Images of any size one after another in a flat array.

    Args:
        flat: All values.
        shapes: `(N, 3)` channels, height and width.
        offsets: `(N,)` where each image starts.
    """

    flat: NDArray[np.generic]
    shapes: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.shapes)

    def shape(self, position: int) -> tuple[int, int, int]:
        """The shape of one image."""
        channels, height, width = (int(side) for side in self.shapes[position])
        return channels, height, width

    def offset(self, position: int) -> int:
        """Sub-pixels before an image."""
        return int(self.offsets[position])

    def read(self, positions: Sequence[int]) -> Sequence[NDArray[np.generic]]:
        """Views of some images."""
        starts = [self.offset(position) for position in positions]
        shapes = [self.shape(position) for position in positions]
        return [
            np.asarray(self.flat[start : start + int(np.prod(shape))]).reshape(shape)
            for start, shape in zip(starts, shapes, strict=True)
        ]


@dataclasses.dataclass(frozen=True)
class Concatenated:
    """Several sequences of images as one."""

    parts: tuple[AbstractPixels, ...]

    def __len__(self) -> int:
        """Number of images of all parts."""
        return sum(len(part) for part in self.parts)

    def _locate(self, position: int) -> tuple[int, int]:
        for index, part in enumerate(self.parts):
            if position < len(part):
                return index, position
            position -= len(part)
        raise IndexError(position)

    def shape(self, position: int) -> tuple[int, int, int]:
        """The shape of one image."""
        index, inner = self._locate(position)
        return self.parts[index].shape(inner)

    def offset(self, position: int) -> int:
        """Sub-pixels before an image, in this part and the ones before it."""
        index, inner = self._locate(position)
        before = (
            part.offset(len(part) - 1) + int(np.prod(part.shape(len(part) - 1)))
            for part in self.parts[:index]
            if len(part)
        )
        return sum(before) + self.parts[index].offset(inner)

    def read(self, positions: Sequence[int]) -> Sequence[NDArray[np.generic]]:
        """Some images, read part by part, in the order asked for."""
        places = [self._locate(position) for position in positions]
        result: list[NDArray[np.generic] | None] = [None] * len(places)
        for index, part in enumerate(self.parts):
            wanted = [n for n, place in enumerate(places) if place[0] == index]
            if wanted:
                for n, image in zip(wanted, part.read([places[n][1] for n in wanted]), strict=True):
                    result[n] = image
        return [image for image in result if image is not None]
