r"""The Diagonal BiLSTM layer for a block of images, compiled: forward and backward.

Rows are visited in raster order, no map is skewed. What a row needs of its input and of the row above is computed for
all its columns at once; only the product with the neighbour in the row goes column by column, for all images of the
block together, so that the weights are read once for all of them. The backward pass mirrors this from the last row.

The inputs of `weight` are the pixel, the state of the neighbour in the row (left; for the second direction right), the
state above, and the context. `saved` is `(N, 2, H, W, 4P)`: the activations of the gates; memories are computed again,
row by row.
"""

from typing import Any, NamedTuple

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import callback
from pixelrnn.kernels.product import Matrix, product
from pixelrnn.kernels.spans import accumulate, clear, copy
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import Address, pointer
from pixelrnn.scan.cell import CellGradients, cell_backward, cell_forward, recall_memory, recall_state
from pixelrnn.scan.layer import (
    Backward,
    Layer,
    add_context,
    context_backward,
    project,
    project_backward,
    read_backward,
    read_layer,
)

__all__ = ["backward", "forward"]


@inner
def _weights(start: Any, layer: Layer) -> Any:
    """The matrices from the input, the neighbour in the row, the row above and the context to the gates."""
    gates, features, units = 4 * layer.units, layer.features, layer.units
    return (
        Matrix(pointer(start, 0), gates, 1),
        Matrix(pointer(start, features * gates), gates, 1),
        Matrix(pointer(start, (features + units) * gates), gates, 1),
        Matrix(pointer(start, (features + 2 * units) * gates), gates, 1),
    )


class Block(NamedTuple):
    """Images that are visited together, in one direction.

    Attributes:
        first: The first of them.
        images: Number of images.
        direction: 0, or 1: from the right.
        between: Distance of two images in `saved`, or in the memory instead of it.
    """

    first: int
    images: int
    direction: int
    between: int


class Recalled(NamedTuple):
    """Rows of the images of a block, one image after the other: memories, their tanh, and hidden states."""

    memories: Address
    tanhs: Address
    states: Address


class RowGradients(NamedTuple):
    """Gradients of rows of the images of a block.

    Attributes:
        d_states: Gradients of the hidden states.
        d_gates: Gradients of the gates.
        d_bias: Gradient of the bias of the direction, of the first image; those of the images are two directions apart.
    """

    d_states: Address
    d_gates: Address
    d_bias: Address


@inner
def _wide(layer: Layer) -> int:
    """How many inputs a cell has."""
    return layer.features + 2 * layer.units + layer.context_features


@inner
def _scan_row(layer: Layer, block: Block, rows: Address, states: Address, weight: Matrix) -> None:
    """Visit the columns of one row of all images; `rows` hold the gates, but for what comes from the row itself.

    The row's hidden states go to `states`, image by image.
    """
    _, count, direction, between = block
    columns, units = layer.columns, layer.units
    gates, line = 4 * units, columns * units
    memories = np.zeros(count * units, np.float32)
    step, column = 1 - 2 * direction, direction * (columns - 1)
    for visited in range(columns):
        if visited:
            to = Matrix(pointer(rows, column * gates), between, 1)
            product(to, to, Matrix(pointer(states, (column - step) * units), line, 1), weight, count, gates, units)
        for image in range(count):
            here, memory = pointer(rows, image * between + column * gates), pointer(memories, image * units)
            cell_forward(here, memory, memory, pointer(states, image * line + column * units), units)
        column += step


@inner
def _merge_row(layer: Layer, states: Address, image: int, row: int, direction: int) -> None:
    """Write the states of one direction of a row to `hidden`; those of the second belong to the row below."""
    line = layer.columns * layer.units
    to = pointer(layer.hidden, (image * layer.rows + row + direction) * line)
    if direction == 0:
        copy(to, states, line)
    elif row + 1 < layer.rows:
        accumulate(to, states, line)


@inner
def _forward(layer: Layer, first: int, count: int, direction: int) -> None:
    rows, columns, features, units = layer[2:6]
    gates, line = 4 * units, columns * units
    between = 2 * rows * columns * gates if layer.saved else columns * gates
    block = Block(first, count, direction, between)
    scratch = np.empty(1 if layer.saved else count * between, np.float32)
    states = np.empty(2 * count * line, np.float32)
    start = pointer(layer.weight, direction * _wide(layer) * gates)
    input_weight, side_weight, above_weight, context_weight = _weights(start, layer)
    for row in range(rows):
        now, before = pointer(states, row % 2 * count * line), pointer(states, (1 - row % 2) * count * line)
        of_rows = pointer(layer.saved, ((first * 2 + direction) * rows + row) * columns * gates)
        if not layer.saved:
            of_rows = pointer(scratch, 0)
        for image in range(count):
            to = Matrix(pointer(of_rows, image * between), gates, 1)
            pixel = ((first + image) * rows + row) * columns
            bias = Matrix(pointer(layer.bias, (first + image) * layer.bias_distance + direction * gates), 0, 1)
            x = Matrix(pointer(layer.x, pixel * features), features, 1)
            product(bias, to, x, input_weight, columns, gates, features)
            if row:
                above = Matrix(pointer(before, image * line), units, 1)
                product(to, to, above, above_weight, columns, gates, units)
            add_context(layer, to, context_weight, pixel)
        _scan_row(layer, block, of_rows, now, side_weight)
        for image in range(count):
            _merge_row(layer, pointer(now, image * line), first + image, row, direction)


@inner
def _scan_row_backward(
    layer: Layer, block: Block, rows: Address, recalled: Recalled, gradients: RowGradients, weight: Matrix
) -> None:
    """Visit the columns of one row of all images backwards, from the gradient of the states to that of the gates."""
    _, count, direction, between = block
    d_states, d_gates, d_bias = gradients
    columns, units = layer.columns, layer.units
    gates, line = 4 * units, columns * units
    nothing = np.zeros(units, np.float32)
    d_memories = np.zeros(count * units, np.float32)
    step, column = 1 - 2 * direction, (1 - direction) * (columns - 1)
    for left in range(columns - 1, -1, -1):
        for image in range(count):
            here, at = pointer(rows, image * between + column * gates), image * line + column * units
            before = pointer(recalled.memories, at - step * units) if left else pointer(nothing, 0)
            of_cell = CellGradients(
                pointer(d_states, at),
                pointer(d_memories, image * units),
                pointer(d_gates, (image * columns + column) * gates),
                pointer(d_bias, 2 * image * gates),
            )
            cell_backward(here, before, pointer(recalled.tanhs, at), of_cell, units)
        if left:
            to_states = Matrix(pointer(d_states, (column - step) * units), line, 1)
            of_column = Matrix(pointer(d_gates, column * gates), columns * gates, 1)
            product(to_states, to_states, of_column, weight, count, units, gates)
        column -= step


@inner
def _recall(layer: Layer, block: Block, rows: Address, to: Recalled) -> None:
    """Memories, their tanh and hidden states of one row of all images."""
    _, count, direction, between = block
    memories, tanhs, states = to
    columns, units = layer.columns, layer.units
    nothing = np.zeros(units, np.float32)
    step = 1 - 2 * direction
    for image in range(count):
        column = direction * (columns - 1)
        for visited in range(columns):
            at, gates = (image * columns + column) * units, pointer(rows, image * between + column * 4 * units)
            before = pointer(memories, at - step * units) if visited else pointer(nothing, 0)
            recall_memory(gates, before, pointer(memories, at), units)
            recall_state(gates, pointer(memories, at), pointer(tanhs, at), pointer(states, at), units)
            column += step


@inner
def _to_input(work: Backward, d_gates: Matrix, weight: Matrix, d_weight: Matrix, pixel: int, direction: int) -> None:
    """From the gates of a row that starts at a pixel to its input and the input's weights; direction 0 comes first."""
    layer, gradients = work.layer, work.gradients
    columns, features, gates = layer.columns, layer.features, 4 * layer.units
    to = Matrix(pointer(gradients.d_x, pixel * features), features, 1)
    start = to
    if direction == 0 and layer.is_residual:
        start = Matrix(pointer(gradients.d_out, pixel * features), features, 1)
    elif direction == 0:
        clear(to.at, columns * features)
    product(start, to, d_gates, weight, columns, features, gates)
    x = Matrix(pointer(layer.x, pixel * features), 1, features)
    product(d_weight, d_weight, x, d_gates, features, gates, columns)


@inner
def _backward(work: Backward, d_merged: Address, first: int, count: int, direction: int) -> None:
    """All rows of one direction; `d_merged` is the gradient of the block's `hidden`."""
    layer, gradients, task = work
    rows, columns, features, units = layer[2:6]
    gates, line, wide = 4 * units, columns * units, _wide(layer)
    half, block = count * line, Block(first, count, direction, 2 * rows * columns * gates)
    d_gates, d_states = np.empty(count * columns * gates, np.float32), np.zeros(half, np.float32)
    memories, tanhs, states = (
        np.empty(2 * half, np.float32),
        np.empty(2 * half, np.float32),
        np.empty(2 * half, np.float32),
    )
    nothing = np.zeros(units, np.float32)
    start = direction * gates * wide
    input_weight = Matrix(pointer(layer.weight, start), wide, 1)
    side_weight = Matrix(pointer(layer.weight, start + features), wide, 1)
    above_weight = Matrix(pointer(layer.weight, start + features + units), wide, 1)
    context_weight = Matrix(pointer(layer.weight, start + features + 2 * units), wide, 1)
    start = (task * 2 + direction) * wide * gates
    d_input, d_side, d_above, d_context_weight = _weights(pointer(gradients.d_weight, start), layer)
    d_bias = pointer(gradients.d_bias, (first * 2 + direction) * gates)
    for row in range(rows - 1, -1, -1):
        now, before = row % 2 * half, (1 - row % 2) * half
        of_rows = pointer(layer.saved, ((first * 2 + direction) * rows + row) * columns * gates)
        recalled = Recalled(pointer(memories, now), pointer(tanhs, now), pointer(states, now))
        if row == rows - 1:
            _recall(layer, block, of_rows, recalled)
        if row:
            above = Recalled(pointer(memories, before), pointer(tanhs, before), pointer(states, before))
            _recall(layer, block, pointer(of_rows, -columns * gates), above)
        if row + direction < rows:
            for image in range(count):
                merged = pointer(d_merged, (image * rows + row + direction) * line)
                accumulate(pointer(d_states, image * line), merged, line)
        of_block = RowGradients(pointer(d_states, 0), pointer(d_gates, 0), d_bias)
        _scan_row_backward(layer, block, of_rows, recalled, of_block, side_weight)
        for image in range(count):
            of_row = Matrix(pointer(d_gates, image * columns * gates), gates, 1)
            pixel = ((first + image) * rows + row) * columns
            _to_input(work, of_row, input_weight, d_input, pixel, direction)
            context_backward(work, of_row, context_weight, d_context_weight, pixel)
            to = Matrix(pointer(d_states, image * line), units, 1)
            product(Matrix(pointer(nothing, 0), 0, 1), to, of_row, above_weight, columns, units, gates)
            if row:
                above_states = Matrix(pointer(states, before + image * line), 1, units)
                product(d_above, d_above, above_states, of_row, units, gates, columns)
            if columns > 1:
                neighbours = Matrix(pointer(states, now + image * line + direction * units), 1, units)
                of_rest = Matrix(pointer(of_row.at, (1 - direction) * gates), gates, 1)
                product(d_side, d_side, neighbours, of_rest, units, gates, columns - 1)


@callback(TASK)
def forward(task: int, integers: Any) -> None:
    """Compute `hidden`, `out` and, if wanted, `skips_out` and `saved` of a block of images."""
    layer = read_layer(integers)
    first = task * layer.block
    count = min(layer.block, layer.images - first)
    for direction in range(2):
        _forward(layer, first, count, direction)
    pixels = layer.rows * layer.columns
    project(layer, first * pixels, count * pixels)


@callback(TASK)
def backward(task: int, integers: Any) -> None:
    """Compute `d_x` of a block of images, and add to `d_context`, `d_bias` and the task's gradients of the weights."""
    work = read_backward(integers, task)
    layer = work.layer
    first = task * layer.block
    count = min(layer.block, layer.images - first)
    pixels = layer.rows * layer.columns
    d_merged = np.zeros(count * pixels * layer.units, np.float32)
    states = pointer(layer.hidden, first * pixels * layer.units)
    project_backward(work, states, pointer(d_merged, 0), first * pixels, count * pixels)
    for direction in range(2):
        _backward(work, pointer(d_merged, 0), first, count, direction)
