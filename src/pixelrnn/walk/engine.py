r"""One compiled loop that walks sub-pixels in order, with all state cached, for a block of images: an image a lane.

It runs a program (`program.py`) for each sub-pixel, which leaves the parameters of the sub-pixel's distribution, has
`distributions.decide` choose a value (`advance`) or its caller (`tabulate`), and writes it into the image. Features of
a lane are `LANES` floats apart in every map, so that each instruction works on all images of the block at once,
whatever the number of features.

Arithmetic is plain float32 in the order of the instructions: nothing is fused or reordered, so that a program gives the
same bits on every processor, whatever the number of threads, of lanes and of images.
"""

from typing import Any

import numpy as np
from numba import cfunc, njit

from pixelrnn.kernels.functions import sigmoid, tanh
from pixelrnn.kernels.product import Matrix, strict_product
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import LANES, Address, address, load, maximum, pointer, splat, store, view
from pixelrnn.scan.cell import cell_forward
from pixelrnn.walk.condition import fill_context, fill_labels
from pixelrnn.walk.distributions import Output, Room, decide, make_room, weigh
from pixelrnn.walk.program import BIAS, FIELDS, GATE, GROUP, LINEAR, LSTM, RELU, START
from pixelrnn.walk.quantise import write_shares
from pixelrnn.walk.state import Walk, at, bound, features, scaled

__all__ = ["advance", "gather", "tabulate"]

_ZERO = np.float32(0)


@njit
def _nonlinear(walk: Walk, state: Address, op: Any, row: int, column: int, group: int) -> None:
    """The instructions of one group that have their gates together."""
    kind, target, source, other = op[0], op[2], op[3], op[4]
    begin, end = bound(walk, target, group), bound(walk, target, group + 1)
    units = end - begin
    to = pointer(at(walk, state, target, row, column), begin * LANES)
    if kind == LSTM:
        gates = pointer(at(walk, state, source, row, column), 4 * begin * LANES)
        before = pointer(at(walk, state, other, row, column + op[6]), begin * LANES)
        memory = pointer(at(walk, state, other, row, column), begin * LANES)
        cell_forward(gates, before, memory, to, units * LANES)
    elif kind == GATE:
        a = pointer(at(walk, state, source, row, column), 2 * begin * LANES)
        for j in range(0, units * LANES, LANES):
            store(to, j, tanh(load(a, j)) * sigmoid(load(a, units * LANES + j)))
    elif kind == RELU:
        x = pointer(at(walk, state, source, row, column), begin * LANES)
        for j in range(0, units * LANES, LANES):
            store(to, j, maximum(load(x, j), splat(_ZERO)))
    else:
        x = pointer(at(walk, state, source, row, column), begin * LANES)
        y = pointer(at(walk, state, other, row, column), begin * LANES)
        for j in range(0, units * LANES, LANES):
            store(to, j, load(x, j) + load(y, j))


@njit
def _affine(walk: Walk, state: Address, op: Any, row: int, column: int, begin: int, end: int, depth: int) -> None:
    """A bias, or a product added to features begin .. end of the target."""
    to = pointer(at(walk, state, op[2], row, column), begin * LANES)
    if op[0] == BIAS:
        bias = view(walk.weights + 4 * (op[8] + begin), np.float32)
        for feature in range(end - begin):
            value = splat(bias[feature])
            if op[4] >= 0:
                value = value + load(at(walk, state, op[4], row, column), (begin + feature) * LANES)
            store(to, feature * LANES, value)
    elif row >= op[5]:
        c = Matrix(to, LANES, 1)
        a = Matrix(pointer(walk.weights, op[8] + begin * op[9]), op[9], 1)
        b = Matrix(at(walk, state, op[3], row - op[5], column + op[6]), LANES, 1)
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
            depth = op[7] * features(walk, source) if kind == LINEAR else 0
            _affine(walk, state, op, row, column, 0, features(walk, target), depth)
        elif phase == GROUP:
            depth = bound(walk, source, group + 1) if kind == LINEAR else 0
            _affine(walk, state, op, row, column, bound(walk, target, group), bound(walk, target, group + 1), depth)


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
def _visit(
    walk: Walk, output: Output, state: Address, room: Room, image: int, row: int, column: int, channel: int
) -> None:
    """Compute the distribution of a sub-pixel of each image of a block, and its value."""
    _run(walk, state, walk.first, walk.end, row, column, channel)
    parameters = pointer(at(walk, state, walk.parameters, row, column), channel * output.parameters * LANES)
    if walk.found:
        _show(walk, output, parameters, image, row, column, channel)
    _ask(walk, room, image, row, column, channel)
    decide(output, parameters, room, walk.log_prob != 0)
    _feed(walk, output, state, room, row, column, channel)
    _tell(walk, room, image, row, column, channel)


@njit
def _feed(walk: Walk, output: Output, state: Address, room: Room, row: int, column: int, channel: int) -> None:
    """Give the network the values of a sub-pixel, over -1 .. 1."""
    value = load(pointer(room.value, 0), 0)
    if output.levels:
        value = scaled(value, output.levels)
    store(at(walk, state, walk.image, row, column), channel * LANES, value)


@njit
def _unpack(n: Any) -> tuple[Walk, Output]:
    """What the integers say that `visit._integers` writes."""
    walk = Walk(
        n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], n[12], n[13], n[14],
        n[15], n[16], n[17], n[18], n[19], n[20], n[21], n[22], n[23], n[24], n[25], n[26], n[27], n[28], n[29],
    )  # fmt: skip
    return walk, Output(n[30], n[31], n[32], n[33], n[34], n[35], n[36])


@njit
def _place(walk: Walk, visit: int) -> tuple[int, int, int]:
    """Row, column and channel of a sub-pixel."""
    pixel = visit // walk.channels
    return pixel // walk.columns, pixel % walk.columns, visit % walk.channels


@njit
def _begin(walk: Walk, state: Address, image: int, visit: int) -> None:
    """What comes before a sub-pixel: the condition before the first one, the passes of a row before its first one."""
    if visit == 0:
        fill_labels(walk, state, image)
        fill_context(walk, state, image)
    if visit % (walk.columns * walk.channels) == 0:
        for number in range(walk.number_of_passes):
            _pass(walk, state, number, visit // (walk.columns * walk.channels))


@cfunc(TASK, cache=True)
def advance(block: int, n: Any) -> None:
    """Walk one block of images through some sub-pixels."""
    walk, output = _unpack(n)
    room = make_room(output)
    image, state = block * LANES, pointer(walk.states, block * walk.floats * LANES)
    for visit in range(walk.first_visit, walk.end_visit):
        _begin(walk, state, image, visit)
        row, column, channel = _place(walk, visit)
        _visit(walk, output, state, room, image, row, column, channel)


@cfunc(TASK, cache=True)
def tabulate(block: int, n: Any) -> None:
    """Take up the values of the sub-pixel before `first_visit`, and write the shares of the levels for that one.

    The address of the shares, float64 `(N, levels)`, is the last integer; 0 for none.
    """
    walk, output = _unpack(n)
    shares = n[37]
    room = make_room(output)
    image, state = block * LANES, pointer(walk.states, block * walk.floats * LANES)
    visit = walk.first_visit
    if visit > 0:
        row, column, channel = _place(walk, visit - 1)
        values = view(walk.values, np.float32)
        for lane in range(min(LANES, walk.images - image)):
            room.value[lane] = values[
                (((image + lane) * walk.channels + channel) * walk.rows + row) * walk.columns + column
            ]
        _feed(walk, output, state, room, row, column, channel)
    _begin(walk, state, image, visit)
    row, column, channel = _place(walk, visit)
    _run(walk, state, walk.first, walk.end, row, column, channel)
    if shares:
        weigh(
            output,
            pointer(at(walk, state, walk.parameters, row, column), channel * output.parameters * LANES),
            room,
            1.0,
        )
        write_shares(room, shares + 8 * image * output.levels, min(LANES, walk.images - image))


@cfunc(TASK, cache=True)
def gather(block: int, n: Any) -> None:
    """Give each lane of a block the state of another: addresses of new and old states and of origins; floats of one."""
    new, old, origins, floats = n[0], n[1], view(n[2], np.int64), n[3]
    for lane in range(LANES):
        origin = origins[block * LANES + lane]
        source = view(old + 4 * (origin // LANES * floats * LANES + origin % LANES), np.float32)
        target = view(new + 4 * (block * floats * LANES + lane), np.float32)
        for place in range(0, floats * LANES, LANES):
            target[place] = source[place]
