r"""Least squares around each sub-pixel, so that a prediction learns from the image itself.

With the D differences z to the western neighbour of a `geometry.Fit` (of the own channel and of the pixel's earlier
channels), and the difference y of the sub-pixel itself, the pixels before it in the windows, each with its weight
:math:`w` (those nearby count most), and the coefficients :math:`\beta_0` that are expected give

.. math:: \beta = (A + \lambda I)^{-1} (b + \lambda \beta_0), \quad A = \sum w z z^T, \quad b = \sum w z y,
          \qquad \hat y = \beta^T z,
          \qquad R = \sum w y^2 + \lambda |\beta_0|^2 - (b + \lambda \beta_0)^T \beta.

For more than 256 levels z and y are in units of the *spread* of their pixel, a fixed share of

.. math:: 1 + \tfrac{3}{2}\,\mathrm{mean}_n |x_n - x_W|

over all neighbours n and channels, rounded to whole numbers: a pixel counts as much where values change by thousands as
where they change by two, and nothing has to be known of the range of an image.

The sums are whole numbers that are kept running (`windows.py`). The factorisation :math:`L D L^T` of the matrix with b
and :math:`\sum w y^2` as its last row gives both: its last row times :math:`L^{-1} z` is the prediction, its last pivot
is R. It takes lanes of pixels side by side, in a fixed order; nothing is fused, so that the bits are the same
everywhere.
"""

from typing import Any, NamedTuple

import numpy as np

from pixelrnn.kernels import threads
from pixelrnn.kernels.functions import log
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import callback
from pixelrnn.kernels.record import Float32, Record, reader
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import (
    LANES,
    Address,
    Vector,
    address,
    aligned,
    load,
    maximum,
    pointer,
    splat,
    store,
    view,
)
from pixelrnn.local.geometry import MOST_PLAIN, NEIGHBOURS, RADIUS, Fit
from pixelrnn.local.table import ROWS, read_table, table_of
from pixelrnn.local.windows import (
    EARLIEST,
    SCRATCH,
    Squares,
    Strips,
    floats_of,
    read,
    slide,
    spread_at,
    spread_of,
    weight_of,
)

__all__ = ["BLOCK", "fit_images", "predict"]

Array = np.ndarray[Any, np.dtype[Any]]

BLOCK = (ROWS + ROWS * ROWS + 2 * ROWS) * LANES
"""Floats for `predict`: differences, matrices, and pivots twice."""

# What is added to the sum of squared residuals: for a weight of 1, and as if so many pixels had such a deviation.
ROUNDING, PRIOR = np.array([0.1, 2], np.float32)
_ZERO, _HALF = np.array([0, 0.5], np.float32)


@inner
def _factorise(matrix: Address, size: int, ridge: Any, pivots: Address) -> None:
    """L and D of lanes of matrices, in place: L below the diagonal."""
    for j in range(size):
        row = j * size * LANES
        pivot = load(matrix, row + j * LANES)
        for k in range(j):
            factor = load(matrix, row + k * LANES)
            scaled = factor * load(pivots, k * LANES)
            store(pivots, (size + k) * LANES, scaled)
            pivot = pivot - factor * scaled
        pivot = maximum(pivot, splat(ridge if j < size - 1 else _ZERO))
        store(pivots, j * LANES, pivot)
        for i in range(j + 1, size):
            value = load(matrix, (i * size + j) * LANES)
            for k in range(j):
                value = value - load(matrix, (i * size + k) * LANES) * load(pivots, (size + k) * LANES)
            store(matrix, (i * size + j) * LANES, value / pivot)


@inner
def predict(sq: Squares, strips: Strips, channel: int, workspace: Address) -> tuple[Vector, Vector]:
    """The predicted difference to the western neighbour of lanes of pixels, and the logarithm of its deviation.

    Args:
        sq: Sizes.
        strips: Rows of the pixels, whose windows are at them; their earlier channels are known.
        channel: Number of the channel.
        workspace: `BLOCK` floats.

    Returns:
        In units of the scaled images, whose levels are spread over [-1, 1].
    """
    count, ridge = view(sq.table.counts, np.int64)[channel], np.float32(sq.table.ridge)
    size, expected = count + 1, view(sq.table.expected + 4 * ROWS * channel, np.float32)
    z, weight, matrix = workspace, weight_of(sq, strips), pointer(workspace, ROWS * LANES)
    pivots = pointer(matrix, ROWS * ROWS * LANES)
    read(sq, strips, channel, z, matrix)
    for i in range(count):
        at, last = (i * size + i) * LANES, (count * size + i) * LANES
        store(matrix, at, load(matrix, at) + splat(ridge))
        if expected[i] != 0:
            store(matrix, last, load(matrix, last) + splat(ridge * expected[i]))
            own = (count * size + count) * LANES
            store(matrix, own, load(matrix, own) + splat(ridge * expected[i] * expected[i]))
    _factorise(matrix, size, ridge, pivots)
    prediction = splat(_ZERO)
    for i in range(count):
        value = load(z, i * LANES)
        for k in range(i):
            value = value - load(matrix, (i * size + k) * LANES) * load(z, k * LANES)
        store(z, i * LANES, value)
        prediction = prediction + value * load(matrix, (count * size + i) * LANES)
    expected_deviation = np.float32(sq.table.deviation)
    residual = load(pivots, count * LANES) + weight * splat(ROUNDING)
    residual = residual + splat(PRIOR * expected_deviation * expected_deviation)
    half, unit = np.float32(sq.levels - 1) * _HALF, spread_at(sq, strips)
    if sq.table.scale:
        unit = unit / splat(np.float32(sq.table.scale))
        prediction = prediction * unit
    bound = splat(np.float32(sq.levels - 1))
    prediction = splat(_ZERO) - maximum(splat(_ZERO) - maximum(prediction, splat(_ZERO) - bound), splat(_ZERO) - bound)
    deviation = splat(_HALF) * log(residual / (weight + splat(PRIOR)))
    if sq.table.scale:
        deviation = deviation + log(unit)
    return prediction / splat(half), deviation - log(splat(half))


class _Images(NamedTuple):
    """Images with their borders in levels, `(N, C, rows, columns)`, and what is found, `(N, H, W, C, 2)`.

    Attributes:
        channels: Their number C.
        levels: Number of levels.
        rows: Number of rows.
        columns: Number of columns.
        table: Record of the fit.
        floats: Floats of the memory of a group of rows.
        plain: The images, behind each its spreads if the fit needs them.
        found: Predictions and deviations.
    """

    channels: int
    levels: int
    rows: int
    columns: int
    table: int
    floats: int
    plain: Float32
    found: Float32


_read_images = reader(_Images)


@callback(TASK)
def _fit_rows(task: int, n: Any) -> None:
    """Some rows of an image, a lane for each."""
    of = _read_images(n)
    sq = Squares(of.channels, of.levels, of.rows, of.columns, read_table(of.table))
    height, width = sq.rows - RADIUS, sq.columns - 2 * RADIUS
    blocks = (height + LANES - 1) // LANES
    image, top = task // blocks, task % blocks * LANES
    planes = sq.channels + (1 if sq.table.scale else 0)
    plain, found = of.plain + 4 * image * planes * sq.rows * sq.columns, view(of.found, np.float32)
    floats, lanes = np.zeros(of.floats + SCRATCH + BLOCK + 3 * LANES, np.float32), min(LANES, height - top)
    memory, last, places = aligned(floats), np.zeros(2 * LANES, np.int64), np.full((LANES, 4), -1, np.int64)
    scratch = pointer(memory, of.floats)
    workspace = pointer(scratch, SCRATCH)
    deviations = pointer(workspace, BLOCK)
    for column in range(width):
        for lane in range(lanes):
            places[lane, 0], places[lane, 1], places[lane, 2], places[lane, 3] = plain, lane, top + lane, column
        step = EARLIEST + column
        strips = Strips(address(memory), last.ctypes.data, places.ctypes.data, step, address(scratch))
        slide(sq, strips)
        for channel in range(sq.channels):
            prediction, deviation = predict(sq, strips, channel, workspace)
            store(deviations, 0, prediction)
            store(deviations, LANES, deviation)
            for lane in range(lanes):
                place = 2 * (((image * height + top + lane) * width + column) * sq.channels + channel)
                found[place], found[place + 1] = deviations[lane], deviations[LANES + lane]
    # Numba frees an array after the last line that names it.
    floats[0], last[0], places[0, 0] = 0, 0, 0


def _spreads(plain: Array) -> Array:
    """The spread of each pixel, `(N, 1, rows, columns)`, of images `(N, C, rows, columns)` with their borders."""
    channels, rows, columns = plain.shape[1:]
    total = np.zeros((len(plain), rows - RADIUS, columns - 2 * RADIUS), np.float32)

    def shifted(up: int, right: int) -> Array:
        return plain[:, :, RADIUS - up : rows - up, RADIUS + right : columns - RADIUS + right]

    for place in NEIGHBOURS:
        total += np.abs(shifted(*place) - shifted(0, -1)).sum(1)
    found = np.zeros((len(plain), 1, rows, columns), np.float32)
    found[:, 0, RADIUS:, RADIUS : columns - RADIUS] = spread_of(total, channels)
    return found


def fit_images(fit: Fit, plain: Array, levels: int) -> Array:
    """Predictions of all sub-pixels of images.

    Args:
        fit: One of `geometry.FITS`.
        plain: `(N, C, RADIUS + H, RADIUS + W + RADIUS)` float32 levels with their borders.
        levels: Number of levels of a sub-pixel.

    Returns:
        `(N, H, W, C, 2)` float32: the predicted difference to the western neighbour, and the logarithm of its deviation
        in the window, in units of scaled images.
    """
    images, channels, rows, columns = plain.shape
    if levels > MOST_PLAIN and not fit.scale:
        raise ValueError(f"levels is {levels}; at most {MOST_PLAIN} keep the sums exact in units of levels")
    plain = np.concatenate([plain, _spreads(plain)], 1) if fit.scale else plain
    plain = np.ascontiguousarray(plain, np.float32)
    found = np.empty((images, rows - RADIUS, columns - 2 * RADIUS, channels, 2), np.float32)
    record = Record(
        _Images,
        channels=channels,
        levels=levels,
        rows=rows,
        columns=columns,
        table=table_of(fit, channels),
        floats=floats_of(fit, channels),
        plain=plain,
        found=found,
    )
    threads.run(_fit_rows, images * -(-(rows - RADIUS) // LANES), record.integers)
    return found
