"""How unknown values are drawn, for which images, and by what: the words between a model and its walk."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from pixelrnn.colours.support import Forest
from pixelrnn.config import require_seed
from pixelrnn.errors import ConfigError

__all__ = ["AbstractWalker", "Array", "Drawing", "Group"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing:
    """How values are drawn.

    Attributes:
        seed: Of all random numbers.
        temperature: T > 0: every conditional is raised to the power 1/T.
        top_k: Only so many of the likeliest values can be drawn; None: all.
        top_p: Only the likeliest values that together have this probability can be drawn.
    """

    seed: int
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0

    def __post_init__(self) -> None:
        """Check every field."""
        require_seed("seed", self.seed)
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature is {self.temperature}; it must be above 0 and finite")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p is {self.top_p}; it lies above 0 and up to 1")
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top_k is {self.top_k}; at least 1 is needed")

    def numbers(self, images: range, count: int, *, stream: tuple[int, int, int] = (0, 0, 0)) -> Array:
        """Uniform numbers in [0, 1), `(n, count)`: each image has streams of its own, told apart by three integers."""
        # The upper 53 bits of each word, spelt out: NumPy keeps its bit streams for ever, but not its distributions.
        words = [np.random.Philox(key=[self.seed, i], counter=[0, *stream]).random_raw(count) for i in images]
        numbers: Array = (np.stack(words) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return numbers


@dataclasses.dataclass(frozen=True)
class Group:
    """Images that are drawn together, each with P particles.

    Attributes:
        images: Their numbers in the call, which choose their random numbers.
        is_known: `(N, C, H, W)` bool.
        label: `(N P)` int64, if the model knows labels.
        context: `(N P, Cc, Hc, Wc)`, not scaled, if it has a context.
        support: The rows of levels that can occur in the N P images, if not all can.
    """

    images: range
    is_known: Array
    label: Array | None
    context: Array | None
    support: Forest | None = None


class AbstractWalker(Protocol):
    """Lets all particles (a `pixelrnn.walk.Cloud`) of some images draw what is not known, by the raster face."""

    def __call__(self, cloud: Any, group: Group, callback: Callable[[float], None] | None) -> None:
        """Draw; the callback is told the finished share."""
