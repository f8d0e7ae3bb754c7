r"""Walking images with a local network: a pixel waits for those that it sees only, not for whole rows.

A front moves through all images at once: in step t it is, in row r, at column :math:`t - lag\,r`, so that of the rows
above all that a pixel sees is there (`LocalProgram.lag` columns are enough). The pixels of a step are computed side by
side, in blocks of the same place in squares of 2x2. With a lag of a whole row the front is one pixel, and the order
that of the raster. Either way each pixel gets the same bits.

Within a step the order is by place, row and image. It is part of the file format, since the codec asks in this order.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import cfunc, njit

from pixelrnn.colours.support import FREE
from pixelrnn.kernels.record import Byte, Float32, Float64, Int64, reader
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import LANES, Address, address, pointer, view
from pixelrnn.local.geometry import RADIUS
from pixelrnn.local.perceptron import begin, find, take_up
from pixelrnn.local.program import Local, Pixels, Spot, layout, most, spot_at
from pixelrnn.local.restricted import Rows, follow, weigh_restricted
from pixelrnn.outputs.decide import choose, temperature_of, weigh
from pixelrnn.outputs.workspace import Output, Workspace, make_workspace

__all__ = [
    "BLOCK", "IMAGES", "SPOT", "Front", "Images", "Job", "advance", "follow_values", "pixels_of", "place_of",
    "read_front", "read_job", "rows_of", "schedule",
]  # fmt: skip

IMAGES = 8  # of a task
SPOT = len(Spot._fields)
ROOT = Spot._fields.index("root")
BLOCK = 3  # integers of a block of pixels: the first, how many, their set of weights


class Images(NamedTuple):
    """The record of the images that are walked, of what they are given and of what is wanted; 0 for what is not.

    Attributes:
        images: How many there are.
        rows: Of an image.
        columns: Of an image.
        around: What `Face.state` made: images with their borders.
        values: `(N, C, H, W)`.
        is_known: `(N, C, H, W)`.
        uniform: `(N, H, W, C)`.
        log_prob: `(N, C, H, W)`, to be filled.
        found: `(N, C, P, H, W)` parameters, to be filled.
        label: `(N)`.
        roots: Of a `Trie`.
        starts: Of a `Trie`.
        entries: Of a `Trie`: its values.
        next: Of a `Trie`.
    """

    images: int
    rows: int
    columns: int
    around: Float32
    values: Float32
    is_known: Byte
    uniform: Float64
    log_prob: Float32
    found: Float32
    label: Int64
    roots: Int64
    starts: Int64
    entries: Int64
    next: Int64


class Job(NamedTuple):
    """What a task is told: records of network, images, output and coding steps; the front and its steps."""

    local: int
    images: int
    output: int
    coding: int
    lag: int
    first: int
    end: int


class Front(NamedTuple):
    """The records of a job, and the lag."""

    net: Local
    of: Images
    output: Output
    lag: int


read_job = reader(Job)
_read_local, _read_images, _read_output = reader(Local), reader(Images), reader(Output)


@njit
def read_front(job: Job) -> Front:
    """The records of a job."""
    return Front(_read_local(job.local), _read_images(job.images), _read_output(job.output), job.lag)


@njit
def rows_of(front: Front) -> Rows:
    """The rows of levels that can occur."""
    return Rows(front.of.starts, front.of.entries, front.of.next)


@njit
def schedule(front: Front, images: Any, step: int, spots: Any, blocks: Any) -> Any:
    """Fill in the pixels of a step of some images (the first, how many), and their blocks.

    Returns:
        How many pixels and how many blocks there are.
    """
    of, lag, sets, (first, count) = front.of, front.lag, front.net.sets, images
    pixels = number = 0
    top, bottom = max(0, (step - of.columns + lag) // lag), min(of.rows - 1, step // lag)
    for weights in range(sets):
        free = 0
        for row in range(top, bottom + 1):
            column = step - lag * row
            if sets > 1 and weights != row % 2 * 2 + column % 2:
                continue
            for image in range(first, first + count):
                if free == 0:
                    blocks[number, 0], blocks[number, 1], blocks[number, 2] = pixels, 0, weights
                    number, free = number + 1, LANES
                spots[pixels, 0], spots[pixels, 1], spots[pixels, 2] = image, row, column
                spots[pixels, ROOT] = view(of.roots, np.int64)[image] if of.roots else FREE
                blocks[number - 1, 1] += 1
                pixels, free = pixels + 1, free - 1
    return pixels, number


@njit
def place_of(front: Front, spot: Spot, channel: int) -> Any:
    """Where in an array `(N, C, H, W)` a channel of a pixel is."""
    return ((spot.image * front.net.channels + channel) * front.of.rows + spot.row) * front.of.columns + spot.column


@njit
def pixels_of(front: Front, blocks: Any, number: int, spots: Any, memory: int) -> Pixels:
    """One of the blocks of a step."""
    of = front.of
    first = spots.ctypes.data + 8 * SPOT * blocks[number, 0]
    rows, columns = of.rows + RADIUS, of.columns + 2 * RADIUS
    return Pixels(blocks[number, 1], blocks[number, 2], first, of.around, rows, columns, of.label, memory)


@njit
def follow_values(front: Front, pixels: Pixels, workspace: Workspace) -> None:
    """Go on to the rows of the trie behind the values of a block of pixels."""
    if front.of.roots:
        spots = view(pixels.spots, np.int64)
        for lane in range(pixels.lanes):
            at = SPOT * lane + ROOT
            spots[at] = follow(rows_of(front), spots[at], int(workspace.value[lane]))


@njit
def _read_known(front: Front, pixels: Pixels, channel: int, workspace: Workspace) -> None:
    """What is known of a channel of some pixels: the value, or the number that draws it; and the rows."""
    of = front.of
    values, is_known, uniform = view(of.values, np.float32), view(of.is_known, np.uint8), view(of.uniform, np.float64)
    for lane in range(LANES):
        workspace.target[lane], workspace.value[lane], workspace.rows[lane] = 0.5, 0, FREE
        if lane < pixels.lanes:
            spot = spot_at(pixels, lane)
            workspace.rows[lane] = spot.root
            at = place_of(front, spot, channel)
            if of.is_known and is_known[at]:
                workspace.target[lane], workspace.value[lane] = -1, values[at]
            else:
                pixel = (spot.image * of.rows + spot.row) * of.columns + spot.column
                workspace.target[lane] = uniform[pixel * front.net.channels + channel]


@njit
def _write(front: Front, pixels: Pixels, channel: int, workspace: Workspace, parameters: Address) -> None:
    """Write values, and log probabilities and parameters if wanted."""
    of, count = front.of, front.output.parameters
    values, nats, found = view(of.values, np.float32), view(of.log_prob, np.float32), view(of.found, np.float32)
    of_lanes = view(address(parameters), np.float32)
    for lane in range(pixels.lanes):
        at = place_of(front, spot_at(pixels, lane), channel)
        values[at] = workspace.value[lane]
        if of.log_prob:
            nats[at] = workspace.nats[lane]
        if of.found:
            plane, inside = at // (of.rows * of.columns), at % (of.rows * of.columns)
            for number in range(count):
                found[(plane * count + number) * of.rows * of.columns + inside] = of_lanes[number * LANES + lane]


@njit
def _decide(front: Front, pixels: Pixels, channel: int, workspace: Workspace) -> None:
    """Draw a channel of a block of pixels, or keep what is known."""
    parameters, temperature = find(front.net, pixels, channel), temperature_of(front.output)
    _read_known(front, pixels, channel, workspace)
    if front.of.roots:
        weigh_restricted(front.output, rows_of(front), parameters, workspace, temperature)
    else:
        weigh(front.output, parameters, workspace, temperature)
    choose(front.output, parameters, workspace, front.of.log_prob != 0)
    _write(front, pixels, channel, workspace, parameters)


@cfunc(TASK, cache=True)
def advance(task: int, integers: Any) -> None:
    """Walk some images through some steps."""
    job = read_job(integers)
    front = read_front(job)
    first = task * IMAGES
    count = min(IMAGES, front.of.images - first)
    at_once = most(count, front.of.rows, front.of.columns, front.lag, front.net.sets)
    spots, blocks = np.empty((at_once[0], SPOT), np.int64), np.empty((at_once[1], BLOCK), np.int64)
    workspace, memory = make_workspace(front.output), np.zeros(layout(front.net).end * LANES, np.float32)
    for step in range(job.first, job.end):
        _, of_step = schedule(front, (first, count), step, spots, blocks)
        for number in range(of_step):
            pixels = pixels_of(front, blocks, number, spots, address(pointer(memory, 0)))
            begin(front.net, pixels)
            for channel in range(front.net.channels):
                _decide(front, pixels, channel, workspace)
                follow_values(front, pixels, workspace)
                take_up(front.net, pixels, channel, pointer(workspace.value, 0))
    # Numba frees an array after the last line that names it.
    spots[0, 0], memory[0] = 0, 0
