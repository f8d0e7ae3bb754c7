"""A fit as compiled code knows it: its differences, the products of them, and where each channel has its own."""

import functools
from typing import NamedTuple

import numpy as np

from pixelrnn.kernels.record import Float32, Int64, Record, reader
from pixelrnn.local.geometry import FITS, Fit

__all__ = ["MOST_CHANNELS", "ROWS", "Table", "read_table", "table_of"]

MOST_CHANNELS = 4

ROWS = max(len(fit.differences(MOST_CHANNELS - 1)) for fit in FITS) + 1
"""Of the largest matrix: of the differences, and of the pixel itself."""


class Table(NamedTuple):
    """The record of a fit for images of so many channels.

    Attributes:
        pairs: Products that are summed.
        windows: Number of windows.
        kept: Columns of the rows above whose sums are kept.
        own: Differences of a channel: those that it is predicted by itself, then that of the pixel itself.
        up: Rows above that the differences see.
        around: Columns that they see.
        right: Columns to the right of these.
        most: Differences beyond this count as this.
        ridge: See `Fit`.
        scale: See `Fit`.
        deviation: See `Fit`.
        radii: `(windows)` int64.
        weights: `(windows)` float32.
        offsets: `(own - 1, 2)` int64.
        products: `(pairs, 2)`: numbers of the differences of each product.
        counts: `(channels)`: differences that each channel is predicted by.
        numbers: `(channels, ROWS)`: these, and the channel's own last.
        matrix: `(channels, ROWS, ROWS)`: numbers of the products in the matrix of each channel.
        expected: `(channels, ROWS)` float32.
    """

    pairs: int
    windows: int
    kept: int
    own: int
    up: int
    around: int
    right: int
    most: int
    ridge: int
    scale: int
    deviation: int
    radii: Int64
    weights: Float32
    offsets: Int64
    products: Int64
    counts: Int64
    numbers: Int64
    matrix: Int64
    expected: Float32


read_table = reader(Table)


@functools.cache
def table_of(fit: Fit, channels: int) -> Record:
    """The record of a fit."""
    known, own = [*fit.own, (0, 0)], len(fit.own) + 1
    numbers = [
        [of * own + known.index((up, right)) for of, up, right in [*fit.differences(channel), (channel, 0, 0)]]
        for channel in range(channels)
    ]
    pairs = sorted({(max(a, b), min(a, b)) for each in numbers for a in each for b in each})
    rows, matrix = np.zeros((channels, ROWS), np.int64), np.zeros((channels, ROWS, ROWS), np.int64)
    expected = np.zeros((channels, ROWS), np.float32)
    for channel, each in enumerate(numbers):
        rows[channel, : len(each)] = each
        expected[channel, : len(each) - 1] = fit.expectations(channel)
        for i, a in enumerate(each):
            for j, b in enumerate(each[: i + 1]):
                matrix[channel, i, j] = pairs.index((max(a, b), min(a, b)))
    left, right = (sign * max(sign * column for _, column in fit.own) for sign in (-1, 1))
    return Record(
        Table,
        pairs=len(pairs),
        windows=len(fit.windows),
        kept=2 * fit.window + 2,
        own=own,
        up=max(up for up, _ in fit.own),
        around=right - left + 1,
        right=right,
        most=fit.most,
        ridge=fit.ridge,
        scale=fit.scale,
        deviation=fit.deviation,
        radii=np.array([radius for radius, _ in fit.windows]),
        weights=np.array([weight for _, weight in fit.windows], np.float32),
        offsets=np.array(fit.own),
        products=np.array(pairs),
        counts=np.array([len(each) - 1 for each in numbers]),
        numbers=rows,
        matrix=matrix,
        expected=expected,
    )
