r"""What a block of images is given, brought into the maps of the walk before its first pixel.

Labels become biases, a context image becomes features of every pixel: the network of `pixelrnn.nn.condition`, in the
same plain float32 as the rest of the walk.
"""

from typing import Any

import numpy as np
from numba import njit

from pixelrnn.kernels.product import Matrix, strict_product
from pixelrnn.kernels.vectors import LANES, Address, address, load, maximum, pointer, splat, store, view
from pixelrnn.walk.program import CONTEXT_FIELDS
from pixelrnn.walk.state import Walk, at, features

__all__ = ["fill_context", "fill_labels"]

_ZERO = np.float32(0)


@njit
def fill_labels(walk: Walk, state: Address, image: int) -> None:
    """Fill the maps of one pixel that hold, for each lane, the biases of its label; zeros without one."""
    if not walk.label:
        return
    labels = view(walk.label, np.int64)
    for number in range(walk.number_of_labelled):
        op = view(walk.labelled + 8 * 2 * number, np.int64)
        count, to = features(walk, op[0]), view(address(at(walk, state, op[0], 0, 0)), np.float32)
        table = view(walk.weights + 4 * op[1], np.float32)
        for lane in range(min(LANES, walk.images - image)):
            label = labels[image + lane]
            if label >= 0:
                for feature in range(count):
                    to[feature * LANES + lane] = table[label * count + feature]


@njit
def fill_context(walk: Walk, state: Address, image: int) -> None:
    """Bring the context images of a block through their network."""
    if not walk.context:
        return
    for number in range(walk.number_of_context_layers):
        op = view(walk.context_layers + 8 * CONTEXT_FIELDS * number, np.int64)
        if number == 0:
            _load(walk, state, image, op[2], op[3])
        for row in range(op[2]):
            for column in range(op[3]):
                for place in range(op[4] * op[5]):
                    _upsample(walk, state, op, row, column, place)


@njit
def _load(walk: Walk, state: Address, image: int, rows: int, columns: int) -> None:
    """Copy the context images of a block into their map."""
    channels, values = features(walk, walk.context_map), view(walk.context, np.float32)
    for row in range(rows):
        for column in range(columns):
            to = view(address(at(walk, state, walk.context_map, row, column)), np.float32)
            for lane in range(min(LANES, walk.images - image)):
                for channel in range(channels):
                    place = (((image + lane) * channels + channel) * rows + row) * columns + column
                    to[channel * LANES + lane] = values[place]


@njit
def _upsample(walk: Walk, state: Address, op: Any, row: int, column: int, place: int) -> None:
    """One of the pixels that a layer makes of a pixel of its source."""
    outputs, inputs = features(walk, op[0]), 3 * features(walk, op[1])
    to = at(walk, state, op[0], row * op[4] + place // op[5], column * op[5] + place % op[5])
    bias = view(walk.weights + 4 * op[7], np.float32)
    for feature in range(outputs):
        store(to, feature * LANES, splat(bias[feature]))
    c = Matrix(to, LANES, 1)
    for tap in range(3):
        if 0 <= row + tap - 1 < op[2]:
            weights = pointer(walk.weights, op[6] + (3 * place + tap) * outputs * inputs)
            source = Matrix(at(walk, state, op[1], row + tap - 1, column - 1), LANES, 1)
            strict_product(c, c, Matrix(weights, inputs, 1), source, outputs, LANES, inputs)
    for j in range(0, outputs * LANES, LANES):
        store(to, j, maximum(load(to, j), splat(_ZERO)))
