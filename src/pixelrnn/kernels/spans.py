"""Spans of floats in memory, whole vectors each: copied, added, set to zero."""

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import LANES, Address, load, splat, store

__all__ = ["accumulate", "clear", "copy"]

_ZERO = np.float32(0)


@inner
def copy(target: Address, source: Address, count: int) -> None:
    """Copy `count` floats, a multiple of `LANES`."""
    for j in range(0, count, LANES):
        store(target, j, load(source, j))


@inner
def accumulate(target: Address, source: Address, count: int) -> None:
    """Add `count` floats at one address, a multiple of `LANES`, to those at another."""
    for j in range(0, count, LANES):
        store(target, j, load(target, j) + load(source, j))


@inner
def clear(target: Address, count: int) -> None:
    """Set `count` floats, a multiple of `LANES`, to zero."""
    for j in range(0, count, LANES):
        store(target, j, splat(_ZERO))
