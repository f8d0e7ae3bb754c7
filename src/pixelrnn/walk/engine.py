r"""One compiled loop that walks sub-pixels in order, with all state cached, for a block of images: an image a lane.

It runs a program (`program.py`) for each sub-pixel, which leaves the parameters of the sub-pixel's distribution; either
`decide` chooses a value (`advance`), or the caller is given the pmf and chooses (`tabulate`); and the network is fed
with it. Features of a lane are `LANES` floats apart in every map, so that each instruction works on all images of the
block at once, whatever the number of features.

Arithmetic is plain float32 in the order of the instructions: nothing is fused or reordered, so that a program gives the
same bits on every processor, whatever the number of threads, of lanes and of images.
"""

from typing import Any, NamedTuple

import numpy as np

from pixelrnn.kernels.functions import scaled, sigmoid, tanh
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import callback
from pixelrnn.kernels.product import Matrix, strict_product
from pixelrnn.kernels.record import Float32, Int64, reader
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import LANES, Address, address, load, maximum, pointer, splat, store, view
from pixelrnn.outputs.decide import decide, weigh
from pixelrnn.outputs.intervals import code_lanes, is_mixture, read_coding, ready
from pixelrnn.outputs.quantise import write_pmf
from pixelrnn.outputs.workspace import Workspace, make_workspace
from pixelrnn.scan.cell import cell_forward
from pixelrnn.walk.condition import fill_context, fill_labels
from pixelrnn.walk.program import BIAS, GATE, GROUP, LINEAR, LSTM, RELU, START, Instruction
from pixelrnn.walk.state import (
    Block,
    Pixel,
    Subpixel,
    Walk,
    at,
    block_of,
    bound,
    features,
    place_of,
    read_instruction,
    read_job,
    read_pass,
    read_walk,
)

__all__ = ["Gathering", "advance", "code", "gather", "tabulate"]

_ZERO = np.float32(0)


class Gathering(NamedTuple):
    """New and old states, the lane that each new one comes from, and the floats of one lane."""

    new: Float32
    old: Float32
    origins: Int64
    floats: int


read_gathering = reader(Gathering)


@inner
def _nonlinear(walk: Walk, op: Instruction, pixel: Pixel, group: int) -> None:
    """The instructions of one group that have their gates together."""
    begin, end = bound(walk, op.target, group), bound(walk, op.target, group + 1)
    units = end - begin
    to = pointer(at(walk, op.target, pixel), begin * LANES)
    if op.kind == LSTM:
        gates = pointer(at(walk, op.source, pixel), 4 * begin * LANES)
        beside = Pixel(pixel.state, pixel.row, pixel.column + op.right)
        before = pointer(at(walk, op.other, beside), begin * LANES)
        memory = pointer(at(walk, op.other, pixel), begin * LANES)
        cell_forward(gates, before, memory, to, units * LANES)
    elif op.kind == GATE:
        a = pointer(at(walk, op.source, pixel), 2 * begin * LANES)
        for j in range(0, units * LANES, LANES):
            store(to, j, tanh(load(a, j)) * sigmoid(load(a, units * LANES + j)))
    elif op.kind == RELU:
        x = pointer(at(walk, op.source, pixel), begin * LANES)
        for j in range(0, units * LANES, LANES):
            store(to, j, maximum(load(x, j), splat(_ZERO)))
    else:
        x = pointer(at(walk, op.source, pixel), begin * LANES)
        y = pointer(at(walk, op.other, pixel), begin * LANES)
        for j in range(0, units * LANES, LANES):
            store(to, j, load(x, j) + load(y, j))


@inner
def _affine(walk: Walk, op: Instruction, pixel: Pixel, begin: int, end: int, depth: int) -> None:
    """A bias, or a product added to features begin .. end of the target."""
    to = pointer(at(walk, op.target, pixel), begin * LANES)
    if op.kind == BIAS:
        bias = view(walk.code.weights + 4 * (op.weights + begin), np.float32)
        for feature in range(end - begin):
            value = splat(bias[feature])
            if op.other >= 0:
                value = value + load(at(walk, op.other, pixel), (begin + feature) * LANES)
            store(to, feature * LANES, value)
    elif pixel.row >= op.up:
        c = Matrix(to, LANES, 1)
        a = Matrix(pointer(walk.code.weights, op.weights + begin * op.distance), op.distance, 1)
        near = Pixel(pixel.state, pixel.row - op.up, pixel.column + op.right)
        b = Matrix(at(walk, op.source, near), LANES, 1)
        strict_product(c, c, a, b, end - begin, LANES, depth)


@inner
def _run(walk: Walk, pixel: Pixel, first: int, end: int, group: int) -> None:
    """Run instructions for one group of a pixel; in a pass (-1), for all groups at once."""
    for number in range(first, end):
        op = read_instruction(walk, number)
        is_whole = group < 0 or (op.phase == START and group == 0)
        if op.kind != BIAS and op.kind != LINEAR:
            for each in range(walk.images.channels) if group < 0 else range(group, group + 1):
                _nonlinear(walk, op, pixel, each)
        elif is_whole:
            depth = op.width * features(walk, op.source) if op.kind == LINEAR else 0
            _affine(walk, op, pixel, 0, features(walk, op.target), depth)
        elif op.phase == GROUP:
            depth = bound(walk, op.source, group + 1) if op.kind == LINEAR else 0
            _affine(walk, op, pixel, bound(walk, op.target, group), bound(walk, op.target, group + 1), depth)


@inner
def _pass(walk: Walk, state: Address, number: int, row: int) -> None:
    """Run a pass over the row that it is for."""
    of = read_pass(walk, number)
    row -= of.up
    if row >= 0:
        for step in range(walk.images.columns):
            column = walk.images.columns - 1 - step if of.is_reversed else step
            _run(walk, Pixel(state, row, column), of.first, of.end, -1)


@inner
def _prepare(walk: Walk, block: Block, visit: int) -> None:
    """What comes before a sub-pixel: the condition before the first one, the passes of a row before its first one."""
    if visit == 0:
        fill_labels(walk, block)
        fill_context(walk, block)
    line = walk.images.columns * walk.images.channels
    if visit % line == 0:
        for number in range(walk.code.number_of_passes):
            _pass(walk, block.state, number, visit // line)


@inner
def _subpixel(walk: Walk, visit: int) -> Subpixel:
    """A sub-pixel by its number."""
    pixel = visit // walk.images.channels
    return Subpixel(pixel // walk.images.columns, pixel % walk.images.columns, visit % walk.images.channels)


@inner
def _parameters(walk: Walk, block: Block, visit: int) -> Address:
    """The parameters of the distribution of a sub-pixel of each image of a block, whose earlier ones were fed."""
    _prepare(walk, block, visit)
    spot = _subpixel(walk, visit)
    pixel = Pixel(block.state, spot.row, spot.column)
    _run(walk, pixel, walk.code.first, walk.code.end, spot.channel)
    return pointer(at(walk, walk.code.parameters, pixel), spot.channel * walk.output.parameters * LANES)


@inner
def _feed(walk: Walk, block: Block, spot: Subpixel, workspace: Workspace) -> None:
    """Give the network the values of a sub-pixel, over -1 .. 1."""
    value = load(pointer(workspace.value, 0), 0)
    if walk.output.levels:
        value = scaled(value, walk.output.levels)
    store(at(walk, walk.code.image, Pixel(block.state, spot.row, spot.column)), spot.channel * LANES, value)


@inner
def _read_known(walk: Walk, block: Block, spot: Subpixel, workspace: Workspace) -> None:
    """What is known of a sub-pixel of each image: its value, or the number that draws it."""
    values, is_known = view(walk.images.values, np.float32), view(walk.images.is_known, np.uint8)
    uniform = view(walk.images.uniform, np.float64)
    for lane in range(LANES):
        workspace.target[lane], workspace.value[lane] = 0.5, 0
        if lane < block.lanes:
            place = place_of(walk, block.image + lane, spot)
            if walk.images.is_known and is_known[place]:
                workspace.target[lane], workspace.value[lane] = -1, values[place]
            else:
                line = (block.image + lane) * walk.images.rows + spot.row
                pixel = line * walk.images.columns + spot.column
                workspace.target[lane] = uniform[pixel * walk.images.channels + spot.channel]


@inner
def _write_values(walk: Walk, block: Block, spot: Subpixel, workspace: Workspace) -> None:
    """Write the values of a sub-pixel, and their log probabilities if wanted."""
    values, nats = view(walk.images.values, np.float32), view(walk.images.log_prob, np.float32)
    for lane in range(block.lanes):
        place = place_of(walk, block.image + lane, spot)
        values[place] = workspace.value[lane]
        if walk.images.log_prob:
            nats[place] = workspace.nats[lane]


@inner
def _write_parameters(walk: Walk, block: Block, spot: Subpixel, parameters: Address) -> None:
    """Write the parameters of a sub-pixel."""
    count = walk.output.parameters
    found, of_lanes = view(walk.images.found, np.float32), view(address(parameters), np.float32)
    for lane in range(block.lanes):
        plane = (block.image + lane) * walk.images.channels + spot.channel
        for number in range(count):
            row = (plane * count + number) * walk.images.rows + spot.row
            found[row * walk.images.columns + spot.column] = of_lanes[number * LANES + lane]


@callback(TASK)
def advance(number: int, integers: Any) -> None:
    """Walk one block of images through some sub-pixels."""
    job = read_job(integers)
    walk = read_walk(job)
    workspace, block = make_workspace(walk.output), block_of(walk, number)
    for visit in range(job.first, job.end):
        parameters, spot = _parameters(walk, block, visit), _subpixel(walk, visit)
        if walk.images.found:
            _write_parameters(walk, block, spot, parameters)
        _read_known(walk, block, spot, workspace)
        decide(walk.output, parameters, workspace, walk.images.log_prob != 0)
        _feed(walk, block, spot, workspace)
        _write_values(walk, block, spot, workspace)


@callback(TASK)
def code(number: int, integers: Any) -> None:
    """Code the values of all images at some sub-pixels, or decode them; those known of the first are not coded."""
    job = read_job(integers)
    walk, coding, workspace = read_walk(job), read_coding(job.coding), make_workspace(read_walk(job).output)
    values, is_known = view(walk.images.values, np.float32), view(walk.images.is_known, np.uint8)
    for visit in range(job.first, job.end):
        spot = _subpixel(walk, visit)
        is_coded = not walk.images.is_known or not is_known[place_of(walk, 0, spot)]
        for of in range((walk.images.images + LANES - 1) // LANES):
            block = block_of(walk, of)
            parameters = _parameters(walk, block, visit)
            for lane in range(block.lanes):
                workspace.image[lane], workspace.coded[lane] = job.image + block.image + lane, lane
                workspace.found[lane] = np.int32(values[place_of(walk, block.image + lane, spot)])
            if is_coded:
                if not is_mixture(walk.output):
                    weigh(walk.output, parameters, workspace, 1.0)
                ready(walk.output, parameters, workspace)
                code_lanes(walk.output, coding, workspace, block.lanes)
            for lane in range(block.lanes):
                workspace.value[lane] = workspace.found[lane]
                values[place_of(walk, block.image + lane, spot)] = workspace.found[lane]
            _feed(walk, block, spot, workspace)


@callback(TASK)
def tabulate(number: int, integers: Any) -> None:
    """Take up the values of the sub-pixel before the first, and write the pmf of that one, float64 `(N, levels)`."""
    job = read_job(integers)
    walk = read_walk(job)
    workspace, block = make_workspace(walk.output), block_of(walk, number)
    if job.first > 0:
        spot, values = _subpixel(walk, job.first - 1), view(walk.images.values, np.float32)
        for lane in range(block.lanes):
            workspace.value[lane] = values[place_of(walk, block.image + lane, spot)]
        _feed(walk, block, spot, workspace)
    parameters = _parameters(walk, block, job.first)
    if job.pmf:
        weigh(walk.output, parameters, workspace, 1.0)
        write_pmf(workspace, job.pmf + 8 * block.image * walk.output.levels, block.lanes)


@callback(TASK)
def gather(number: int, integers: Any) -> None:
    """Give each lane of a block the state of another."""
    of = read_gathering(integers)
    origins = view(of.origins, np.int64)
    for lane in range(LANES):
        origin = origins[number * LANES + lane]
        source = view(of.old + 4 * (origin // LANES * of.floats * LANES + origin % LANES), np.float32)
        target = view(of.new + 4 * (number * of.floats * LANES + lane), np.float32)
        for place in range(0, of.floats * LANES, LANES):
            target[place] = source[place]
