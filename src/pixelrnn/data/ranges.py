"""Integers that are no bytes: from where to where they go, in which steps, and the levels that stand for them.

Cameras of 12 bits write files of 16, others add an offset or leave the lower bits empty. A model is of what occurs.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelrnn.config import DataConfig
from pixelrnn.config.architectures import MOST_LEVELS
from pixelrnn.data.pixels import AbstractPixels
from pixelrnn.data.quantise import dtype_of
from pixelrnn.errors import DataError

__all__ = ["BYTES", "Range", "Ranged", "is_ranged", "of_arrays", "with_range"]

BYTES = 256
"""Values of what is taken as it is, if nothing else is said."""

AT_ONCE = 256


class Range(NamedTuple):
    """The values of a source.

    Attributes:
        lowest: The lowest one.
        highest: The highest one.
        step: The greatest common divisor of their distances.
        used: How many different ones occur.
    """

    lowest: int
    highest: int
    step: int
    used: int

    @property
    def levels(self) -> int:
        """Values from the lowest to the highest in steps."""
        return (self.highest - self.lowest) // self.step + 1

    @property
    def summary(self) -> str:
        """In words.

        Example:
            >>> Range(100, 4068, 16, 249).summary
            'values 100 .. 4,068 in steps of 16, 249 of 249 occur (12 bits)'
        """
        steps = f" in steps of {self.step}" if self.step > 1 else ""
        bits = max(abs(self.lowest), abs(self.highest)).bit_length()
        return (
            f"values {self.lowest:,} .. {self.highest:,}{steps}, {self.used:,} of {self.levels:,} occur ({bits} bits)"
        )

    @classmethod
    def of(cls, parts: Iterable[NDArray[np.generic]]) -> "Range":
        """Of arrays of integers, read some images at a time.

        Example:
            >>> Range.of([np.array([[7, 9], [13, 7]])])
            Range(lowest=7, highest=13, step=2, used=3)
        """
        values = np.zeros(0, np.int64)
        for part in parts:
            for start in range(0, len(part), AT_ONCE):
                values = np.union1d(values, part[start : start + AT_ONCE])
        step = int(np.gcd.reduce(np.diff(values))) if len(values) > 1 else 1
        return cls(int(values[0]), int(values[-1]), step, len(values)) if len(values) else cls(0, 0, 1, 0)


def is_ranged(config: DataConfig) -> bool:
    """Whether the values of integers are given or measured, and not those of bytes or of fewer levels."""
    return config.offset != 0 or config.step != 1 or (config.source_levels or 0) > BYTES


def of_arrays(config: DataConfig, arrays: Sequence[NDArray[np.generic]]) -> Range | None:
    """The range of arrays that are to be measured: of integers beyond bytes."""
    is_given = config.source_levels is not None or config.packed is not None
    if is_given or any(array.dtype.kind not in "iu" or not array.size for array in arrays):
        return None
    are_bytes = not is_ranged(config) and max(int(array.max()) for array in arrays) < BYTES
    return None if are_bytes else Range.of(arrays)


def with_range(config: DataConfig, found: Range | None, where: str) -> tuple[DataConfig, str]:
    """The configuration with the range that was found, if it says nothing of it, and what is to be said of the values.

    Raises:
        DataError: If there are more levels than a model can have.
    """
    if found is None or config.source_levels is not None:
        return config, "" if found is None else f", {found.summary}"
    if found.lowest < min(config.offset, 0):
        raise DataError(f"{where}: holds {found.summary}; `offset` {found.lowest} makes levels of them")
    offset = config.offset or found.lowest
    step = config.step if config.step > 1 else math.gcd(found.step, found.lowest - offset)
    if (levels := (found.highest - offset) // step + 1) > MOST_LEVELS:
        raise DataError(f"{where}: holds {found.summary}; models have up to {MOST_LEVELS:,} levels")
    ranged = dataclasses.replace(config, offset=offset, step=step, source_levels=max(2, levels))
    return ranged, f", {found.summary}"


@dataclasses.dataclass(frozen=True)
class Ranged:
    """Images of integers as levels: (value - offset) / step.

    Args:
        pixels: The integers.
        config: Says offset, step, how many levels there are, and whether what is beyond is clipped.
        where: How they are called.
        names: How each of them is called, if they have names.
    """

    pixels: AbstractPixels
    config: DataConfig
    where: str
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of images."""
        return len(self.pixels)

    def shape(self, position: int) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        return self.pixels.shape(position)

    def offset(self, position: int) -> int:
        """Number of sub-pixels of all images before one."""
        return self.pixels.offset(position)

    def read(self, positions: Sequence[int]) -> Sequence[NDArray[np.generic]]:
        """Some images, uint8 or uint16; raises `DataError` for values that are no levels."""
        found = self.pixels.read(positions)
        return [self._levels(image, position) for image, position in zip(found, positions, strict=True)]

    def _levels(self, image: NDArray[np.generic], position: int) -> NDArray[np.generic]:
        config, levels = self.config, self.config.source_levels or BYTES
        highest = config.offset + config.step * (levels - 1)
        values = image.astype(np.int64)
        if config.clip_range:
            values = values.clip(config.offset, highest)
        outside = (values < config.offset) | (values > highest) | ((values - config.offset) % config.step != 0)
        if outside.any():
            steps = f" in steps of {config.step}" if config.step > 1 else ""
            name = self.names[position] if self.names else f"image {position}"
            raise DataError(
                f"{self.where}: {name} holds the value {int(values[outside][0])}; {config.offset} .. "
                f"{highest}{steps} are allowed (`clip_range` takes the nearest)"
            )
        return ((values - config.offset) // config.step).astype(dtype_of(levels))
