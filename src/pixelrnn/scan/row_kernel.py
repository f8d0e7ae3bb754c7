r"""The Row LSTM layer for a block of images, compiled: forward and backward.

All columns of a row are computed at once: a convolution along a row is a matrix product with the window of each column,
and in a row kept with margins of zeros the windows are already there, one every column.

The inputs of `weight` are T input pixels, the last of them the pixel itself, K states of the row above, and the
context. `saved` is `(N, H, W, 5P)`: the activations of the gates and the memory.
"""

from typing import Any

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import callback
from pixelrnn.kernels.product import Matrix, product
from pixelrnn.kernels.spans import copy
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import Address, pointer
from pixelrnn.scan.cell import CellGradients, cell_backward, cell_forward, recall_state
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
def _forward(layer: Layer, image: int) -> None:
    rows, columns, features, units, taps, width = layer[2:8]
    gates, cell, line = 4 * units, 5 * units, columns * features
    margin, window = (width // 2) * units, taps * features
    scratch = np.empty(1 if layer.saved else 2 * columns * cell, np.float32)
    inputs = np.zeros((taps - 1) * features + line, np.float32)
    states = np.zeros((2, 2 * margin + columns * units), np.float32)
    nothing = np.zeros(units, np.float32)
    bias = Matrix(pointer(layer.bias, image * layer.bias_distance), 0, 1)
    input_weight = Matrix(pointer(layer.weight, 0), gates, 1)
    state_weight = Matrix(pointer(layer.weight, window * gates), gates, 1)
    context_weight = Matrix(pointer(layer.weight, (window + width * units) * gates), gates, 1)
    for row in range(rows):
        now, before = states[row % 2], states[1 - row % 2]
        start = (image * rows + row) * columns
        cells, above = pointer(layer.saved, start * cell), pointer(layer.saved, (start - columns) * cell)
        if not layer.saved:
            cells, above = pointer(scratch, row % 2 * columns * cell), pointer(scratch, (1 - row % 2) * columns * cell)
        copy(pointer(inputs, (taps - 1) * features), pointer(layer.x, start * features), line)
        to = Matrix(cells, cell, 1)
        product(bias, to, Matrix(pointer(inputs, 0), features, 1), input_weight, columns, gates, window)
        if row:
            product(to, to, Matrix(pointer(before, 0), units, 1), state_weight, columns, gates, width * units)
        add_context(layer, to, context_weight, start)
        for column in range(columns):
            here, state = pointer(cells, column * cell), pointer(now, margin + column * units)
            before_it = pointer(above, column * cell + gates) if row else pointer(nothing, 0)
            cell_forward(here, before_it, pointer(here, gates), state, units)
        copy(pointer(layer.hidden, start * units), pointer(now, margin), columns * units)
        project(layer, start, columns)


@inner
def _recall(cells: Address, tanhs: Address, states: Address, columns: int, units: int) -> None:
    for column in range(columns):
        at = column * units
        cell = pointer(cells, column * 5 * units)
        recall_state(cell, pointer(cell, 4 * units), pointer(tanhs, at), pointer(states, at), units)


@inner
def _input_backward(work: Backward, inputs: Any, d_inputs: Any, d_gates: Matrix, start: int) -> None:
    """From the gates of a row to its input pixels, its context, and the weights of both.

    `inputs` and `d_inputs` have left margins.
    """
    layer, gradients, task = work
    columns, features, units, taps, width = layer[3:8]
    gates, line, margin, window = 4 * units, columns * features, (taps - 1) * features, taps * features
    wide = window + width * units + layer.context_features
    copy(pointer(inputs, margin), pointer(layer.x, start * features), line)
    to = Matrix(pointer(gradients.d_weight, task * wide * gates), gates, 1)
    product(to, to, Matrix(pointer(inputs, 0), 1, features), d_gates, window, gates, columns)
    d_inputs[:] = 0
    if layer.is_residual:
        copy(pointer(d_inputs, margin), pointer(gradients.d_out, start * features), line)
    for tap in range(taps):
        to = Matrix(pointer(d_inputs, tap * features), features, 1)
        tap_weight = Matrix(pointer(layer.weight, tap * features), wide, 1)
        product(to, to, d_gates, tap_weight, columns, features, gates)
    copy(pointer(gradients.d_x, start * features), pointer(d_inputs, margin), line)
    before = window + width * units
    to = Matrix(pointer(gradients.d_weight, (task * wide + before) * gates), gates, 1)
    context_backward(work, d_gates, Matrix(pointer(layer.weight, before), wide, 1), to, start)


@inner
def _above_backward(work: Backward, states: Any, d_states: Any, d_gates: Matrix) -> None:
    """From the gates of a row to the states of the row above and to their weights, both with margins."""
    layer, gradients, task = work
    columns, features, units, taps, width = layer[3:8]
    gates, window = 4 * units, taps * features
    wide = window + width * units + layer.context_features
    to = Matrix(pointer(gradients.d_weight, (task * wide + window) * gates), gates, 1)
    product(to, to, Matrix(pointer(states, 0), 1, units), d_gates, width * units, gates, columns)
    d_states[:] = 0
    for tap in range(width):
        to = Matrix(pointer(d_states, tap * units), units, 1)
        tap_weight = Matrix(pointer(layer.weight, window + tap * units), wide, 1)
        product(to, to, d_gates, tap_weight, columns, units, gates)


@inner
def _backward(work: Backward, image: int) -> None:
    layer = work.layer
    rows, columns, features, units, taps, width = layer[2:8]
    gates, cell, margin = 4 * units, 5 * units, (width // 2) * units
    d_gates = np.empty(columns * gates, np.float32)
    d_states = np.zeros(2 * margin + columns * units, np.float32)
    d_memory = np.zeros(columns * units, np.float32)
    inputs = np.zeros((taps - 1 + columns) * features, np.float32)
    d_inputs = np.empty((taps - 1 + columns) * features, np.float32)
    states = np.zeros((2, 2 * margin + columns * units), np.float32)
    tanhs = np.empty((2, columns * units), np.float32)
    nothing = np.zeros(units, np.float32)
    d_bias, d_state = pointer(work.gradients.d_bias, image * gates), pointer(d_states, margin)
    for row in range(rows - 1, -1, -1):
        now, before = row % 2, 1 - row % 2
        start = (image * rows + row) * columns
        cells = pointer(layer.saved, start * cell)
        if row == rows - 1:
            _recall(cells, pointer(tanhs[now], 0), pointer(states[now], margin), columns, units)
        if row:
            above = pointer(cells, -columns * cell)
            _recall(above, pointer(tanhs[before], 0), pointer(states[before], margin), columns, units)
        project_backward(work, pointer(states[now], margin), d_state, start, columns)
        for column in range(columns):
            here, at = pointer(cells, column * cell), column * units
            memory = pointer(here, gates - columns * cell) if row else pointer(nothing, 0)
            tanh_c, to = pointer(tanhs[now], at), pointer(d_gates, column * gates)
            of_cell = CellGradients(pointer(d_state, at), pointer(d_memory, at), to, d_bias)
            cell_backward(here, memory, tanh_c, of_cell, units)
        of_row = Matrix(pointer(d_gates, 0), gates, 1)
        _input_backward(work, inputs, d_inputs, of_row, start)
        if row:
            _above_backward(work, states[before], d_states, of_row)


@callback(TASK)
def forward(task: int, integers: Any) -> None:
    """Compute `hidden`, `out` and, if wanted, `skips_out` and `saved` of a block of images."""
    layer = read_layer(integers)
    for image in range(task * layer.block, min(layer.images, (task + 1) * layer.block)):
        _forward(layer, image)


@callback(TASK)
def backward(task: int, integers: Any) -> None:
    """Compute `d_x` of a block of images, and add to `d_context`, `d_bias` and the task's gradients of the weights."""
    work = read_backward(integers, task)
    layer = work.layer
    for image in range(task * layer.block, min(layer.images, (task + 1) * layer.block)):
        _backward(work, image)
