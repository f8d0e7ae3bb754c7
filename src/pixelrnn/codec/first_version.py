"""Streams of version 1, which are read for ever: by a pmf of each value in turn and a range coder.

The walk is asked at every sub-pixel; a pmf has probabilities that are multiples of :math:`2^{-24}`.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pixelrnn.condition import Condition
from pixelrnn.errors import ArchiveError
from pixelrnn.kernels.range_coder import WORD, decode_rows, decoder

__all__ = ["decode_first", "least_bytes_first"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_SUBPIXELS = 2**14  # for each byte of a stream


def decode_first(
    visit: Callable[..., None],
    stream: bytes,
    shape: tuple[int, int, int, int],
    condition: Condition,
    tick: Callable[[int], None],
) -> Array:
    """Images `(N, C, H, W)` int64 of a shape, by a function that visits the stages of a model.

    Raises:
        ArchiveError: If the stream cannot be one of such images, or needs too much memory.
    """
    if len(stream) % WORD.itemsize or len(stream) < least_bytes_first(shape):
        raise ArchiveError(f"a stream of {len(stream)} bytes cannot hold {shape[0]} images of its shape")
    coder = decoder(stream)

    def give(_: Array, pmf: Array, __: Array) -> Array:
        symbols = np.empty(len(pmf), np.int64)
        if not decode_rows(coder.integers, pmf, symbols):
            raise ArchiveError("a stream holds what no image can give")
        return symbols

    values = np.zeros(shape, np.float32)
    visit(values, condition, lambda face, batch: face.ask(batch, give, tick), is_known=False)
    return values.astype(np.int64)


def least_bytes_first(shape: tuple[int, ...]) -> int:
    """The size that a stream has at least, in whole words."""
    words = -(-math.prod(shape) // (MOST_SUBPIXELS * WORD.itemsize))
    return words * WORD.itemsize
