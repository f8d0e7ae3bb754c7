r"""From the values of a source to the values of a model: fewer pixels, quantisation, binarisation, dequantisation.

Stateless: what is random is a function of a seed, the image's place in the source and the number of the draw, so that
an interrupted run sees the same values again and no process depends on another.
"""

import dataclasses
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Quantiser", "dtype_of", "enlarged", "fixed_bits", "shrunk"]


def dtype_of(levels: int) -> type[np.uint8] | type[np.uint16]:
    """The smallest type of integers that holds so many levels."""
    return np.uint8 if levels <= 256 else np.uint16


def fixed_bits(values: NDArray[Any], levels: int, seed: int, offset: int) -> NDArray[np.uint8]:
    r"""One stochastic binarisation for good: bit = u < value / (levels - 1).

    The uniform numbers u are those of `numpy.random.Generator(PCG64(seed)).random` over the whole source in order, of
    which the stretch that starts at `offset` is computed alone: PCG64 can jump, and a double takes one step.

    Args:
        values: Values 0 .. levels-1 of any shape.
        levels: Levels of the source.
        seed: Seed of the draw.
        offset: Number of values of the source before these.

    Returns:
        0 and 1, in the shape of `values`.

    Example:
        >>> whole = fixed_bits(np.full(6, 128, dtype=np.uint8), 256, seed=1, offset=0)
        >>> np.array_equal(fixed_bits(np.full(2, 128, dtype=np.uint8), 256, seed=1, offset=4), whole[4:])
        True
    """
    stream = np.random.PCG64(seed)
    stream.advance(offset)
    bits: NDArray[np.uint8] = (np.random.Generator(stream).random(values.shape) < values / (levels - 1)).astype(
        np.uint8
    )
    return bits


def shrunk(values: NDArray[np.generic], side: int) -> NDArray[np.generic]:
    """Images `(..., H, W)` of the means of squares of pixels, `(..., ceil(H / side), ceil(W / side))`.

    Squares at the right and at the bottom may be cut. Integers are rounded, halves upwards.

    Example:
        >>> shrunk(np.array([[[0, 2, 9], [3, 4, 8]]], np.uint8), 2)
        array([[[2, 9]]], dtype=uint8)
    """
    if side == 1:
        return values
    is_float = values.dtype.kind == "f"
    sums: NDArray[Any] = values.astype(np.float64 if is_float else np.int64)
    counts = np.ones((), np.int64)
    for axis in (-2, -1):
        starts = np.arange(0, values.shape[axis], side)
        sums = np.add.reduceat(sums, starts, axis=axis)
        counts = np.multiply.outer(counts, np.diff(np.append(starts, values.shape[axis])))
    means: NDArray[Any] = sums / counts if is_float else (2 * sums + counts) // (2 * counts)
    return means.astype(values.dtype)


def enlarged(values: NDArray[Any], side: int, size: tuple[int, int]) -> NDArray[Any]:
    """The other way, `(..., *size)`: each value of `(..., H, W)` over its square.

    Example:
        >>> enlarged(np.array([[2, 9]]), 2, (2, 3))
        array([[2, 2, 9],
               [2, 2, 9]])
    """
    rows, columns = (np.arange(length) // side for length in size)
    return values[..., rows[:, None], columns]


@dataclasses.dataclass(frozen=True)
class Quantiser:
    """Maps source values to model values.

    Args:
        source_levels: Values of the source, 0 .. source_levels-1; 0 for floats.
        levels: Values wanted; 0 for floats.
        binarize: Way in which two levels are made; `none` and `threshold` are floor quantisation.
        seed: Seed of all draws.
    """

    source_levels: int
    levels: int
    binarize: Literal["none", "threshold", "fixed", "dynamic"]
    seed: int

    def __call__(self, values: NDArray[np.generic], offset: int, item: int, draw: int) -> NDArray[np.generic]:
        r"""Values of one image as the model takes them.

        Floor quantisation is :math:`\lfloor x L / S \rfloor`; integers become floats by uniform dequantisation,
        :math:`2 (x + u) / S - 1` with a fresh u in [0, 1) each draw.

        Args:
            values: `(C, H, W)` of the source.
            offset: Sub-pixels of the source before this image (for the fixed draw).
            item: Number of the image (for fresh draws).
            draw: Number of the draw: the epoch in training.

        Returns:
            `(C, H, W)` uint8, above 256 levels uint16, or float32 for 0 levels.
        """
        if self.source_levels == 0:
            return values.astype(np.float32)
        integers: NDArray[Any] = values.astype(dtype_of(self.source_levels))
        if self.binarize == "fixed":
            return fixed_bits(integers, self.source_levels, self.seed, offset)
        if self.binarize == "dynamic":
            return (self._uniform(item, draw, values.shape) < integers / (self.source_levels - 1)).astype(np.uint8)
        if self.levels == 0:
            return ((integers + self._uniform(item, draw, values.shape)) * 2 / self.source_levels - 1).astype(
                np.float32
            )
        return self._floor(integers)

    def plainly(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Values of one image with nothing random: floor quantisation; for 0 levels the middle of each source level."""
        if self.source_levels == 0:
            return values.astype(np.float32)
        if self.levels == 0:
            return ((values.astype(np.float32) + 0.5) * 2 / self.source_levels - 1).astype(np.float32)
        return self._floor(values.astype(dtype_of(self.source_levels)))

    def _floor(self, integers: NDArray[Any]) -> NDArray[Any]:
        if self.levels == self.source_levels:
            return integers
        table = np.arange(self.source_levels) * self.levels // self.source_levels
        found: NDArray[Any] = table.astype(dtype_of(self.levels))[integers]
        return found

    def _uniform(self, item: int, draw: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
        stream = np.random.Philox(key=self.seed, counter=[0, 0, item, draw])
        return np.random.Generator(stream).random(shape)
