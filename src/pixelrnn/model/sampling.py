"""What the raster face draws of a model's images: random numbers, and the images that are drawn together."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from pixelrnn.condition import Condition
from pixelrnn.progress import Reporter

__all__ = ["AbstractWalker", "Array", "Walks", "uniform_numbers"]

Array = np.ndarray[Any, np.dtype[Any]]


def uniform_numbers(seed: int, images: Sequence[int], count: int, *, stream: tuple[int, int, int] = (0, 0, 0)) -> Array:
    """Uniform numbers in [0, 1), `(n, count)`: each image has streams of its own, told apart by three integers.

    Example:
        >>> bool((uniform_numbers(0, range(1, 2), 3) == uniform_numbers(0, range(3), 3)[1]).all())
        True
    """
    # The upper 53 bits of each word, spelt out: NumPy keeps its bit streams for ever, but not its distributions.
    words = [np.random.Philox(key=[seed, i], counter=[0, *stream]).random_raw(count) for i in images]
    numbers: Array = (np.stack(words) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers


@dataclasses.dataclass(frozen=True)
class Walks:
    """N images that are drawn together, each by P walks.

    Attributes:
        images: Their numbers in the call, which choose their random numbers.
        is_known: `(N, C, H, W)` bool.
        condition: Arrays of the N P walks; the context `(N P, Cc, Hc, Wc)` is not scaled.
    """

    images: Sequence[int]
    is_known: Array
    condition: Condition


class AbstractWalker(Protocol):
    """Lets all particles (`pixelrnn.walk.particles.Particles`) of some images draw what is not known."""

    def __call__(self, particles: Any, walks: Walks, report: Reporter) -> None:
        """Draw; the reporter is told the finished share."""
