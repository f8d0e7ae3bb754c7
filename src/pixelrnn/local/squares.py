r"""Least squares around each sub-pixel, so that a prediction learns from the image itself.

With the D differences z of `geometry.fitted_differences` to the western neighbour (of the own channel and of the
pixel's earlier channels), and the difference y of the sub-pixel itself, the pixels before it in `geometry.WINDOWS`,
each with its weight :math:`w` (those nearby count most), give

.. math:: \beta = (A + \lambda I)^{-1} b, \quad A = \sum w z z^T, \quad b = \sum w z y,
          \qquad \hat y = \beta^T z, \quad R = \sum w y^2 - b^T \beta.

The sums are of products of integers and stay below :math:`2^{24}`, so float32 holds them exactly, whatever the order:
they are kept running, a column of each window coming and another one going. The factorisation :math:`L D L^T` of the
matrix with b and :math:`\sum w y^2` as its last row gives both: its last row times :math:`L^{-1} z` is the prediction,
its last pivot is R. It takes lanes of pixels side by side, in a fixed order; nothing is fused, so that the bits are the
same everywhere.
"""

from typing import Any, NamedTuple

import numpy as np

from pixelrnn.kernels import threads
from pixelrnn.kernels.functions import log
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import callback
from pixelrnn.kernels.record import Float32, Int64, Record, reader
from pixelrnn.kernels.spans import clear
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import LANES, Address, Vector, load, maximum, padded, pointer, splat, store, view
from pixelrnn.local.geometry import RADIUS, WINDOW, WINDOWS, fitted_differences

__all__ = [
    "BLOCK", "STARTS", "Position", "Squares", "fit_images", "gather", "offsets_of", "predict", "slide",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]

COUNTS = np.array([len(fitted_differences(channel)) for channel in range(4)])
WIDTHS = np.array([padded(count + 1) for count in COUNTS])  # of a row of a matrix: of the differences, and the target
MATRICES = (COUNTS + 1) * WIDTHS
ROWS = COUNTS[-1] + 1
RADII, WEIGHTS = np.array([radius for radius, _ in WINDOWS]), np.array([weight for _, weight in WINDOWS], np.float32)
KEPT = 2 * WINDOW + 2  # columns whose sums are kept, as high as each window
# What is kept are triangles, row after row: a window moves along faster if it is small. The last row has a whole width.
TRIANGLES = np.array([padded(count * (count + 1) // 2 + padded(count + 1)) for count in COUNTS])
STARTS = np.concatenate([[0], ((1 + KEPT * len(WINDOWS)) * TRIANGLES).cumsum()])
"""Where in the floats of windows that move along a row those of each channel begin; how many they are in all."""

MOST_LEVELS = 256
RIDGE = np.float32(32)  # levels squared
WORKSPACE = WIDTHS[-1] + MATRICES[-1] + TRIANGLES[-1]
"""Floats for `slide`: differences, a matrix and a triangle."""

BLOCK = (ROWS + 1 + ROWS * ROWS + 2 * ROWS) * LANES
"""Floats for `predict`: differences, weights of the windows, matrices, and pivots twice."""

# What is added to the sum of squared residuals: for a weight of 1, and as if so many pixels had such a deviation.
ROUNDING, PRIOR, DEVIATION = np.array([0.1, 2, 8], np.float32)
_ZERO, _ONE, _HALF = np.array([0, 1, 0.5], np.float32)


class Squares(NamedTuple):
    """Sizes, and the table that `offsets_of` makes.

    Attributes:
        channels: Number of channels of an image.
        levels: Number of levels of a sub-pixel, up to 256.
        rows: Number of rows of a plane with its border.
        columns: Number of columns of a plane with its borders.
        offsets: Address of the table.
    """

    channels: int
    levels: int
    rows: int
    columns: int
    offsets: Int64


class Position(NamedTuple):
    """A pixel: the address of the float32 levels of its image with their borders, its row and its column."""

    plain: int
    row: int
    column: int


def offsets_of(channels: int) -> Array:
    """Of each difference of each channel its channel, rows up and columns to the right."""
    table = np.zeros((channels, ROWS, 3), np.int64)
    for channel in range(channels):
        table[channel, : COUNTS[channel]] = fitted_differences(channel)
    return table


@inner
def _differences(sq: Squares, channel: int, position: Position, to: Address, step: int) -> None:
    """Write the differences of a pixel, each `step` floats after the one before; the target comes last."""
    offsets, values, count = view(sq.offsets, np.int64), view(position.plain, np.float32), COUNTS[channel]
    plane, here = sq.rows * sq.columns, (position.row + RADIUS) * sq.columns + position.column + RADIUS
    for i in range(count):
        at = 3 * (ROWS * channel + i)
        of_channel = offsets[at] * plane + here
        value = values[of_channel - offsets[at + 1] * sq.columns + offsets[at + 2]] - values[of_channel - 1]
        to[i * step] = value
    own = channel * plane + here
    to[count * step] = values[own] - values[own - 1]


@inner
def _add_products(channel: int, to: Address, z: Address, weight: Any) -> None:
    """Add the weighted products of all pairs of differences, below and on the diagonal."""
    width = WIDTHS[channel]
    for i in range(COUNTS[channel] + 1):
        factor = splat(weight * z[i])
        for j in range(0, i + 1, LANES):
            store(to, i * width + j, load(to, i * width + j) + factor * load(z, j))


@inner
def _add(channel: int, to: Address, source: Address, weight: Any) -> None:
    """Add a weighted triangle to another."""
    factor = splat(weight)
    for j in range(0, TRIANGLES[channel], LANES):
        store(to, j, load(to, j) + factor * load(source, j))


@inner
def _pack(channel: int, to: Address, matrix: Address) -> None:
    """Make a triangle of a matrix; what a row writes too much the next one writes over."""
    width = WIDTHS[channel]
    for i in range(COUNTS[channel] + 1):
        for j in range(0, i + 1, LANES):
            store(to, i * (i + 1) // 2 + j, load(matrix, i * width + j))


@inner
def _kept(channel: int, sums: Address, column: int, window: int) -> Address:
    """The sums of a column of the rows above, as high as a window."""
    return pointer(sums, (1 + column % KEPT * len(RADII) + window) * TRIANGLES[channel])


@inner
def _keep_column(sq: Squares, channel: int, position: Position, sums: Address, z: Address) -> None:
    """Find the sums of a column of the rows above a pixel, window by window: each is higher than the one before."""
    plain, row, column = position
    up, matrix = 0, pointer(z, WIDTHS[-1])
    clear(matrix, MATRICES[channel])
    for window in range(len(RADII)):
        while up < min(RADII[window], row):
            up += 1
            _differences(sq, channel, Position(plain, row - up, column), z, 1)
            _add_products(channel, matrix, z, _ONE)
        _pack(channel, _kept(channel, sums, column, window), matrix)


@inner
def slide(sq: Squares, position: Position, sums: int, workspace: Address) -> None:
    """Move the windows of a row to a pixel, which were at the pixel before or nowhere.

    Args:
        sq: Sizes.
        position: Position of the pixel.
        sums: Address of the row's floats, `STARTS[channels]`.
        workspace: `WORKSPACE` floats.
    """
    plain, row, column = position
    width, matrix = sq.columns - 2 * RADIUS, pointer(workspace, WIDTHS[-1])
    packed = pointer(matrix, MATRICES[-1])
    for channel in range(sq.channels):
        own = pointer(sums, STARTS[channel])
        clear(workspace, WIDTHS[-1])
        if column == 0:
            _begin(sq, channel, position, own, workspace)
        if column + WINDOW < width:
            _keep_column(sq, channel, Position(plain, row, column + WINDOW), own, workspace)
        clear(matrix, MATRICES[channel])  # of the pixels of the row itself
        if column > 0:
            _differences(sq, channel, Position(plain, row, column - 1), workspace, 1)
            _add_products(channel, matrix, workspace, WEIGHTS.sum())
        for window in range(len(RADII)):
            coming, gone, weight = column + RADII[window], column - RADII[window] - 1, WEIGHTS[window]
            if gone >= 0:  # before another one comes, so that the sums stay small
                _add(channel, own, _kept(channel, own, gone, window), -weight)
                _differences(sq, channel, Position(plain, row, gone), workspace, 1)
                _add_products(channel, matrix, workspace, -weight)
            if coming < width:
                _add(channel, own, _kept(channel, own, coming, window), weight)
        _pack(channel, packed, matrix)
        _add(channel, own, packed, _ONE)


@inner
def _begin(sq: Squares, channel: int, position: Position, own: Address, workspace: Address) -> None:
    """The windows of a row's first pixel, without their last columns."""
    clear(own, TRIANGLES[channel])
    for column in range(min(WINDOW, sq.columns - 2 * RADIUS)):
        _keep_column(sq, channel, Position(position.plain, position.row, column), own, workspace)
        for window in range(len(RADII)):
            if column < RADII[window]:
                _add(channel, own, _kept(channel, own, column, window), WEIGHTS[window])


@inner
def weight_in_windows(sq: Squares, row: int, column: int) -> Any:
    """The sum of the weights of the pixels in the windows of a pixel."""
    weight = _ZERO
    for window in range(len(RADII)):
        radius = RADII[window]
        left, right = min(column, radius), min(sq.columns - 2 * RADIUS - 1 - column, radius)
        weight += WEIGHTS[window] * np.float32(min(row, radius) * (left + 1 + right) + left)
    return weight


@inner
def _factorise(matrix: Address, size: int, pivots: Address) -> None:
    """L and D of lanes of matrices, in place: L below the diagonal."""
    for j in range(size):
        row = j * size * LANES
        pivot = load(matrix, row + j * LANES)
        for k in range(j):
            factor = load(matrix, row + k * LANES)
            scaled = factor * load(pivots, k * LANES)
            store(pivots, (size + k) * LANES, scaled)
            pivot = pivot - factor * scaled
        pivot = maximum(pivot, splat(RIDGE if j < size - 1 else _ZERO))
        store(pivots, j * LANES, pivot)
        for i in range(j + 1, size):
            value = load(matrix, (i * size + j) * LANES)
            for k in range(j):
                value = value - load(matrix, (i * size + k) * LANES) * load(pivots, (size + k) * LANES)
            store(matrix, (i * size + j) * LANES, value / pivot)


@inner
def predict(sq: Squares, channel: int, workspace: Address) -> tuple[Vector, Vector]:
    """The predicted difference to the western neighbour of lanes of pixels, and the logarithm of its deviation.

    Args:
        sq: Sizes.
        channel: Number of the channel.
        workspace: Begins with what `gather` wrote; `BLOCK` floats.

    Returns:
        In units of the scaled images, whose levels are spread over [-1, 1].
    """
    count = COUNTS[channel]
    size = count + 1
    z, weight, matrix = workspace, load(workspace, ROWS * LANES), pointer(workspace, (ROWS + 1) * LANES)
    pivots = pointer(matrix, ROWS * ROWS * LANES)
    for i in range(count):
        at = (i * size + i) * LANES
        store(matrix, at, load(matrix, at) + splat(RIDGE))
    _factorise(matrix, size, pivots)
    prediction = splat(_ZERO)
    for i in range(count):
        value = load(z, i * LANES)
        for k in range(i):
            value = value - load(matrix, (i * size + k) * LANES) * load(z, k * LANES)
        store(z, i * LANES, value)
        prediction = prediction + value * load(matrix, (count * size + i) * LANES)
    residual = load(pivots, count * LANES) + weight * splat(ROUNDING) + splat(PRIOR * DEVIATION * DEVIATION)
    half = np.float32(sq.levels - 1) * _HALF
    bound = splat(np.float32(sq.levels - 1))
    prediction = splat(_ZERO) - maximum(splat(_ZERO) - maximum(prediction, splat(_ZERO) - bound), splat(_ZERO) - bound)
    deviation = splat(_HALF) * log(residual / (weight + splat(PRIOR)))
    return prediction / splat(half), deviation - log(splat(half))


@inner
def gather(sq: Squares, channel: int, position: Position, sums: int, lane: int, workspace: Address) -> None:
    """Write differences and sums of a pixel into its lane, for `predict`."""
    size = COUNTS[channel] + 1
    _differences(sq, channel, position, pointer(workspace, lane), LANES)
    workspace[ROWS * LANES + lane] = weight_in_windows(sq, position.row, position.column)
    own, matrix = pointer(sums, STARTS[channel]), pointer(workspace, (ROWS + 1) * LANES)
    for i in range(size):
        for j in range(i + 1):
            matrix[(i * size + j) * LANES + lane] = own[i * (i + 1) // 2 + j]


class _Images(NamedTuple):
    """Images with their borders in levels, `(N, C, rows, columns)`, and what is found, `(N, H, W, C, 2)`."""

    squares: int
    plain: Float32
    found: Float32


_read_squares, _read_images = reader(Squares), reader(_Images)


@callback(TASK)
def _fit_rows(task: int, n: Any) -> None:
    """Some rows of an image, a lane for each."""
    of = _read_images(n)
    sq = _read_squares(of.squares)
    height, width = sq.rows - RADIUS, sq.columns - 2 * RADIUS
    blocks = (height + LANES - 1) // LANES
    image, top = task // blocks, task % blocks * LANES
    plain = of.plain + 4 * image * sq.channels * sq.rows * sq.columns
    floats, found = STARTS[sq.channels], view(of.found, np.float32)
    sums, workspace, z = (
        np.zeros(LANES * floats, np.float32),
        np.zeros(BLOCK, np.float32),
        np.zeros(WORKSPACE, np.float32),
    )
    deviations = np.zeros(2 * LANES, np.float32)
    lanes = min(LANES, height - top)
    for column in range(width):
        for lane in range(lanes):
            slide(sq, Position(plain, top + lane, column), sums.ctypes.data + 4 * lane * floats, pointer(z, 0))
        for channel in range(sq.channels):
            for lane in range(lanes):
                at = sums.ctypes.data + 4 * lane * floats
                gather(sq, channel, Position(plain, top + lane, column), at, lane, pointer(workspace, 0))
            prediction, deviation = predict(sq, channel, pointer(workspace, 0))
            store(pointer(deviations, 0), 0, prediction)
            store(pointer(deviations, 0), LANES, deviation)
            for lane in range(lanes):
                place = 2 * (((image * height + top + lane) * width + column) * sq.channels + channel)
                found[place], found[place + 1] = deviations[lane], deviations[LANES + lane]
    # Numba frees an array after the last line that names it.
    sums[0], workspace[0], z[0] = 0, 0, 0


def fit_images(plain: Array, levels: int) -> Array:
    """Predictions of all sub-pixels of images.

    Args:
        plain: `(N, C, RADIUS + H, RADIUS + W + RADIUS)` float32 levels with their borders.
        levels: Up to 256.

    Returns:
        `(N, H, W, C, 2)` float32: the predicted difference to the western neighbour, and the logarithm of its deviation
        in the window, in units of scaled images.
    """
    images, channels, rows, columns = plain.shape
    if levels > MOST_LEVELS:
        raise ValueError(f"levels is {levels}; at most {MOST_LEVELS} keep the sums exact")
    plain = np.ascontiguousarray(plain, np.float32)
    found = np.empty((images, rows - RADIUS, columns - 2 * RADIUS, channels, 2), np.float32)
    sizes = Record(Squares, channels=channels, levels=levels, rows=rows, columns=columns, offsets=offsets_of(channels))
    record = Record(_Images, squares=sizes, plain=plain, found=found)
    threads.run(_fit_rows, images * -(-(rows - RADIUS) // LANES), record.integers)
    return found
