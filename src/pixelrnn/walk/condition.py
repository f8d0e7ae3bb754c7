r"""What a block of images is given, brought into the maps of the walk before its first pixel.

Labels become biases, a context image becomes features of every pixel: the network of `pixelrnn.nn.condition`, in the
same plain float32 as the rest of the walk.
"""

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.product import Matrix, strict_product
from pixelrnn.kernels.vectors import LANES, address, load, maximum, pointer, splat, store, view
from pixelrnn.walk.program import Upsampling
from pixelrnn.walk.state import Block, Pixel, Walk, at, features, read_labelled, read_upsampling

__all__ = ["fill_context", "fill_labels"]

_ZERO = np.float32(0)


@inner
def fill_labels(walk: Walk, block: Block) -> None:
    """Fill the maps of one pixel that hold, for each lane, the biases of its label; zeros without one."""
    if not walk.images.label:
        return
    labels = view(walk.images.label, np.int64)
    for number in range(walk.code.number_of_labelled):
        op = read_labelled(walk, number)
        count = features(walk, op.target)
        to = view(address(at(walk, op.target, Pixel(block.state, 0, 0))), np.float32)
        table = view(walk.code.weights + 4 * op.table, np.float32)
        for lane in range(block.lanes):
            label = labels[block.image + lane]
            if label >= 0:
                for feature in range(count):
                    to[feature * LANES + lane] = table[label * count + feature]


@inner
def fill_context(walk: Walk, block: Block) -> None:
    """Bring the context images of a block through their network."""
    if not walk.images.context:
        return
    for number in range(walk.code.number_of_context_layers):
        op = read_upsampling(walk, number)
        if number == 0:
            _load(walk, block, op.rows, op.columns)
        for row in range(op.rows):
            for column in range(op.columns):
                for place in range(op.down * op.across):
                    _upsample(walk, op, Pixel(block.state, row, column), place)


@inner
def _load(walk: Walk, block: Block, rows: int, columns: int) -> None:
    """Copy the context images of a block into their map."""
    channels, values = features(walk, walk.code.context_map), view(walk.images.context, np.float32)
    for row in range(rows):
        for column in range(columns):
            to = view(address(at(walk, walk.code.context_map, Pixel(block.state, row, column))), np.float32)
            for lane in range(block.lanes):
                for channel in range(channels):
                    place = (((block.image + lane) * channels + channel) * rows + row) * columns + column
                    to[channel * LANES + lane] = values[place]


@inner
def _upsample(walk: Walk, op: Upsampling, pixel: Pixel, place: int) -> None:
    """One of the pixels that a layer makes of a pixel of its source."""
    outputs, inputs = features(walk, op.target), 3 * features(walk, op.source)
    row, column = pixel.row * op.down + place // op.across, pixel.column * op.across + place % op.across
    to = at(walk, op.target, Pixel(pixel.state, row, column))
    bias = view(walk.code.weights + 4 * op.biases, np.float32)
    for feature in range(outputs):
        store(to, feature * LANES, splat(bias[feature]))
    c = Matrix(to, LANES, 1)
    for tap in range(3):
        if 0 <= pixel.row + tap - 1 < op.rows:
            weights = pointer(walk.code.weights, op.weights + (3 * place + tap) * outputs * inputs)
            near = Pixel(pixel.state, pixel.row + tap - 1, pixel.column - 1)
            source = Matrix(at(walk, op.source, near), LANES, 1)
            strict_product(c, c, Matrix(weights, inputs, 1), source, outputs, LANES, inputs)
    for j in range(0, outputs * LANES, LANES):
        store(to, j, maximum(load(to, j), splat(_ZERO)))
