r"""One compiled loop that walks sub-pixels in order, with all state cached, for a block of images: an image a lane.

It runs a program (`program.py`) for each sub-pixel, which leaves the parameters of the sub-pixel's distribution, has
`distributions.decide` choose a value, and writes it into the image. Images of a lane are `LANES` floats apart in every
map, so that each instruction works on all images of the block at once, whatever the number of features.

Arithmetic is plain float32 in the order of the instructions: nothing is fused or reordered, so that a program gives the
same bits on every processor, whatever the number of threads, of lanes and of images.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import cfunc, njit

from pixelrnn.compiled.functions import sigmoid, tanh
from pixelrnn.compiled.product import Matrix, strict_product
from pixelrnn.compiled.threads import TASK
from pixelrnn.compiled.vectors import LANES, Address, address, load, maximum, pointer, splat, store, view
from pixelrnn.scan.cell import cell_forward
from pixelrnn.walk.distributions import Output, Room, decide, make_room
from pixelrnn.walk.program import BIAS, FIELDS, GATE, GROUP, LINEAR, LSTM, MAP_FIELDS, RELU, START

__all__ = ["advance"]

_ZERO, _ONE, _TWO = np.array([0, 1, 2], np.float32)


class Walk(NamedTuple):
    """Sizes, and addresses as integers: of the program, of the images, of their states."""

    images: int
    channels: int
    rows: int
    columns: int
    first_row: int
    end_row: int
    weights: int
    instructions: int
    maps: int
    bounds: int
    passes: int
    number_of_passes: int
    first: int
    end: int
    floats: int
    image: int
    parameters: int
    states: int
    values: int
    is_known: int
    uniform: int
    log_prob: int
    found: int


@njit
def _at(walk: Walk, state: Address, number: int, row: int, column: int) -> Address:
    """Where a map has the features of a pixel."""
    fields = view(walk.maps, np.int64)
    m = number * MAP_FIELDS
    place = fields[m] + row % fields[m + 2] * fields[m + 3] + (column + fields[m + 5]) * fields[m + 4]
    return pointer(state, place * LANES)


@njit
def _features(walk: Walk, number: int) -> Any:
    return view(walk.maps, np.int64)[number * MAP_FIELDS + 1]


@njit
def _bound(walk: Walk, number: int, group: int) -> Any:
    """The first feature of a group of a map, or the end of the one before."""
    return view(walk.bounds, np.int64)[number * (walk.channels + 1) + group]


@njit
def _nonlinear(walk: Walk, state: Address, op: Any, row: int, column: int, group: int) -> None:
    """The instructions of one group that have their gates together."""
    kind, target, source, other = op[0], op[2], op[3], op[4]
    begin, end = _bound(walk, target, group), _bound(walk, target, group + 1)
    units = end - begin
    to = pointer(_at(walk, state, target, row, column), begin * LANES)
    if kind == LSTM:
        gates = pointer(_at(walk, state, source, row, column), 4 * begin * LANES)
        before = pointer(_at(walk, state, other, row, column + op[6]), begin * LANES)
        memory = pointer(_at(walk, state, other, row, column), begin * LANES)
        cell_forward(gates, before, memory, to, units * LANES)
    elif kind == GATE:
        a = pointer(_at(walk, state, source, row, column), 2 * begin * LANES)
        for j in range(0, units * LANES, LANES):
            store(to, j, tanh(load(a, j)) * sigmoid(load(a, units * LANES + j)))
    elif kind == RELU:
        x = pointer(_at(walk, state, source, row, column), begin * LANES)
        for j in range(0, units * LANES, LANES):
            store(to, j, maximum(load(x, j), splat(_ZERO)))
    else:
        x = pointer(_at(walk, state, source, row, column), begin * LANES)
        y = pointer(_at(walk, state, other, row, column), begin * LANES)
        for j in range(0, units * LANES, LANES):
            store(to, j, load(x, j) + load(y, j))


@njit
def _affine(walk: Walk, state: Address, op: Any, row: int, column: int, begin: int, end: int, depth: int) -> None:
    """A bias, or a product added to features begin .. end of the target."""
    to = pointer(_at(walk, state, op[2], row, column), begin * LANES)
    if op[0] == BIAS:
        bias = view(walk.weights + 4 * (op[8] + begin), np.float32)
        for feature in range(end - begin):
            value = splat(bias[feature])
            if op[4] >= 0:
                value = value + load(_at(walk, state, op[4], row, column), (begin + feature) * LANES)
            store(to, feature * LANES, value)
    elif row >= op[5]:
        c = Matrix(to, LANES, 1)
        a = Matrix(pointer(walk.weights, op[8] + begin * op[9]), op[9], 1)
        b = Matrix(_at(walk, state, op[3], row - op[5], column + op[6]), LANES, 1)
        strict_product(c, c, a, b, end - begin, LANES, depth)


@njit
def _run(walk: Walk, state: Address, first: int, end: int, row: int, column: int, group: int) -> None:
    """Run instructions for one group of a pixel; in a pass (-1), for all groups at once."""
    for number in range(first, end):
        op = view(walk.instructions + 8 * number * FIELDS, np.int64)
        kind, phase, target, source = op[0], op[1], op[2], op[3]
        is_whole = group < 0 or (phase == START and group == 0)
        if kind != BIAS and kind != LINEAR:
            for each in range(walk.channels) if group < 0 else range(group, group + 1):
                _nonlinear(walk, state, op, row, column, each)
        elif is_whole:
            depth = op[7] * _features(walk, source) if kind == LINEAR else 0
            _affine(walk, state, op, row, column, 0, _features(walk, target), depth)
        elif phase == GROUP:
            depth = _bound(walk, source, group + 1) if kind == LINEAR else 0
            _affine(walk, state, op, row, column, _bound(walk, target, group), _bound(walk, target, group + 1), depth)


@njit
def _pass(walk: Walk, state: Address, number: int, row: int) -> None:
    """Run a pass over the row that it is for."""
    fields = view(walk.passes + 8 * 4 * number, np.int64)
    row -= fields[2]
    if row >= 0:
        for step in range(walk.columns):
            column = walk.columns - 1 - step if fields[3] else step
            _run(walk, state, fields[0], fields[1], row, column, -1)


@njit
def _ask(walk: Walk, room: Room, image: int, row: int, column: int, channel: int) -> None:
    """Tell the room what is known of a sub-pixel of each image: its value, or the number that draws it."""
    values, is_known = view(walk.values, np.float32), view(walk.is_known, np.uint8)
    uniform = view(walk.uniform, np.float64)
    for lane in range(LANES):
        room.target[lane], room.value[lane] = 0.5, 0
        if image + lane < walk.images:
            at = (((image + lane) * walk.channels + channel) * walk.rows + row) * walk.columns + column
            if walk.is_known and is_known[at]:
                room.target[lane], room.value[lane] = -1, values[at]
            else:
                pixel = ((image + lane) * walk.rows + row) * walk.columns + column
                room.target[lane] = uniform[pixel * walk.channels + channel]


@njit
def _tell(walk: Walk, room: Room, image: int, row: int, column: int, channel: int) -> None:
    """Write the values of a sub-pixel, and their log probabilities if wanted."""
    values, nats = view(walk.values, np.float32), view(walk.log_prob, np.float32)
    for lane in range(min(LANES, walk.images - image)):
        at = (((image + lane) * walk.channels + channel) * walk.rows + row) * walk.columns + column
        values[at] = room.value[lane]
        if walk.log_prob:
            nats[at] = room.nats[lane]


@njit
def _show(walk: Walk, output: Output, parameters: Address, image: int, row: int, column: int, channel: int) -> None:
    """Write the parameters of a sub-pixel."""
    count, found, shown = output.parameters, view(walk.found, np.float32), view(address(parameters), np.float32)
    for lane in range(min(LANES, walk.images - image)):
        for number in range(count):
            at = (((image + lane) * walk.channels + channel) * count + number) * walk.rows + row
            found[at * walk.columns + column] = shown[number * LANES + lane]


@njit
def _walk_block(walk: Walk, output: Output, block: int) -> None:
    """Walk the images of one block through some rows."""
    room, top = make_room(output), splat(np.float32(output.levels - 1))
    image, state = block * LANES, pointer(walk.states, block * walk.floats * LANES)
    for row in range(walk.first_row, walk.end_row):
        for number in range(walk.number_of_passes):
            _pass(walk, state, number, row)
        for column in range(walk.columns):
            pixel = _at(walk, state, walk.image, row, column)
            for channel in range(walk.channels):
                _run(walk, state, walk.first, walk.end, row, column, channel)
                start = channel * output.parameters * LANES
                parameters = pointer(_at(walk, state, walk.parameters, row, column), start)
                if walk.found:
                    _show(walk, output, parameters, image, row, column, channel)
                _ask(walk, room, image, row, column, channel)
                decide(output, parameters, room, walk.log_prob != 0)
                value = load(pointer(room.value, 0), 0)
                if output.levels:
                    value = splat(_TWO) * value / top - splat(_ONE)
                store(pixel, channel * LANES, value)
                _tell(walk, room, image, row, column, channel)


@cfunc(TASK, cache=True)
def advance(block: int, n: Any) -> None:
    """Walk one block of images through some rows; `visit.py` writes the integers."""
    walk = Walk(
        n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11],
        n[12], n[13], n[14], n[15], n[16], n[17], n[18], n[19], n[20], n[21], n[22],
    )  # fmt: skip
    _walk_block(walk, Output(n[23], n[24], n[25], n[26], n[27], n[28]), block)
