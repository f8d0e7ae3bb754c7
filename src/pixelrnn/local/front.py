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

from pixelrnn.colours.support import FREE, Forest
from pixelrnn.kernels import threads
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import LANES, Address, address, pointer, view
from pixelrnn.local.perceptron import begin, find, tell
from pixelrnn.local.program import PIXEL, Local, LocalProgram, Pixels, layout, most
from pixelrnn.local.restricted import Trees, follow, weigh_within
from pixelrnn.masks import RADIUS
from pixelrnn.walk.distributions import (
    Output,
    Room,
    choose,
    make_room,
    temperature_of,
    weigh,
)
from pixelrnn.walk.program import Array

__all__ = [
    "FIXED",
    "Images",
    "advance",
    "go_on",
    "integers_of",
    "pixels_of",
    "place_of",
    "schedule",
    "trees_of",
    "unpack",
]

IMAGES = 8  # of a task


class Images(NamedTuple):
    """Sizes, and addresses as integers: of images with their borders, of their values and conditions; 0 for none."""

    images: int
    rows: int
    columns: int
    lag: int
    first_step: int
    end_step: int
    around: int
    values: int
    is_known: int
    uniform: int
    log_prob: int
    found: int
    label: int
    roots: int
    starts: int
    entries: int
    next: int


@njit
def trees_of(of: Images) -> Trees:
    """The rows of levels that can occur."""
    return Trees(of.starts, of.entries, of.next)


@njit
def unpack(n: Any) -> tuple[Local, Output, Images]:
    """What the integers say that `integers_of` writes."""
    net = Local(
        n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], n[12], n[13], n[14], n[15]
    )  # fmt: skip
    output = Output(n[16], n[17], n[18], n[19], n[20], n[21], n[22])
    return net, output, Images(
        n[23], n[24], n[25], n[26], n[27], n[28], n[29], n[30], n[31], n[32], n[33], n[34], n[35],
        n[36], n[37], n[38], n[39],
    )  # fmt: skip


@njit
def schedule(of: Images, first: int, count: int, sets: int, step: int, pixel: Any, block: Any) -> Any:
    """Fill in the pixels of a step (image, row, column, root) of some images, and their blocks (first, count, set).

    Returns:
        How many pixels and how many blocks there are.
    """
    pixels = blocks = 0
    top, bottom = max(0, (step - of.columns + of.lag) // of.lag), min(of.rows - 1, step // of.lag)
    for weights in range(sets):
        room = 0
        for row in range(top, bottom + 1):
            column = step - of.lag * row
            if sets > 1 and weights != row % 2 * 2 + column % 2:
                continue
            for image in range(first, first + count):
                if room == 0:
                    block[blocks, 0], block[blocks, 1], block[blocks, 2] = pixels, 0, weights
                    blocks, room = blocks + 1, LANES
                pixel[pixels, 0], pixel[pixels, 1], pixel[pixels, 2] = image, row, column
                pixel[pixels, 3] = view(of.roots, np.int64)[image] if of.roots else FREE
                block[blocks - 1, 1] += 1
                pixels, room = pixels + 1, room - 1
    return pixels, blocks


@njit
def place_of(net: Local, of: Images, pixels: Pixels, lane: int, channel: int) -> Any:
    """Where in an array `(N, C, H, W)` a channel of a pixel lies."""
    where = view(pixels.pixel, np.int64)
    plane = where[PIXEL * lane] * net.channels + channel
    return (plane * of.rows + where[PIXEL * lane + 1]) * of.columns + where[PIXEL * lane + 2]


@njit
def _know(net: Local, of: Images, pixels: Pixels, room: Room, channel: int) -> None:
    """Tell the room what is known of a channel of some pixels: the value, or the number that draws it; and the rows."""
    values, is_known, uniform = view(of.values, np.float32), view(of.is_known, np.uint8), view(of.uniform, np.float64)
    where = view(pixels.pixel, np.int64)
    for lane in range(LANES):
        room.target[lane], room.value[lane], room.rows[lane] = 0.5, 0, FREE
        if lane < pixels.lanes:
            room.rows[lane] = where[PIXEL * lane + 3]
            at = place_of(net, of, pixels, lane, channel)
            if of.is_known and is_known[at]:
                room.target[lane], room.value[lane] = -1, values[at]
            else:
                row = where[PIXEL * lane] * of.rows + where[PIXEL * lane + 1]
                room.target[lane] = uniform[(row * of.columns + where[PIXEL * lane + 2]) * net.channels + channel]


@njit
def _note(net: Local, output: Output, of: Images, pixels: Pixels, room: Room, found: Address, channel: int) -> None:
    """Write values, and log probabilities and parameters if wanted."""
    values, nats, shown = view(of.values, np.float32), view(of.log_prob, np.float32), view(of.found, np.float32)
    parameters = view(address(found), np.float32)
    for lane in range(pixels.lanes):
        at = place_of(net, of, pixels, lane, channel)
        values[at] = room.value[lane]
        if of.log_prob:
            nats[at] = room.nats[lane]
        if of.found:
            plane, inside = at // (of.rows * of.columns), at % (of.rows * of.columns)
            for number in range(output.parameters):
                to = (plane * output.parameters + number) * of.rows * of.columns + inside
                shown[to] = parameters[number * LANES + lane]


@njit
def pixels_of(net: Local, of: Images, block: Any, number: int, pixel: int, room: int) -> Pixels:
    """One of the blocks of a step."""
    rows, columns = of.rows + RADIUS, of.columns + 2 * RADIUS
    place = pixel + 8 * PIXEL * block[number, 0]
    return Pixels(block[number, 1], block[number, 2], place, of.around, rows, columns, of.label, room)


@njit
def go_on(of: Images, pixels: Pixels, room: Room) -> None:
    """Go on to the row behind the values of a block of pixels."""
    if of.roots:
        where = view(pixels.pixel, np.int64)
        for lane in range(pixels.lanes):
            at = PIXEL * lane + 3
            where[at] = follow(trees_of(of), where[at], int(room.value[lane]))


@cfunc(TASK, cache=True)
def advance_front(task: int, n: Any) -> None:
    """Walk some images through some steps."""
    net, output, of = unpack(n)
    first = task * IMAGES
    count = min(IMAGES, of.images - first)
    at_once = most(count, of.rows, of.columns, of.lag, net.sets)
    pixel, block = np.empty((at_once[0], PIXEL), np.int64), np.empty((at_once[1], 3), np.int64)
    room, features = make_room(output), np.zeros(layout(net).end * LANES, np.float32)
    for step in range(of.first_step, of.end_step):
        _, blocks = schedule(of, first, count, net.sets, step, pixel, block)
        for number in range(blocks):
            pixels = pixels_of(net, of, block, number, pixel.ctypes.data, address(pointer(features, 0)))
            begin(net, pixels)
            for channel in range(net.channels):
                found = find(net, pixels, channel)
                _know(net, of, pixels, room, channel)
                if of.roots:
                    weigh_within(output, trees_of(of), found, room, temperature_of(output))
                else:
                    weigh(output, found, room, temperature_of(output))
                choose(output, found, room, of.log_prob != 0)
                _note(net, output, of, pixels, room, found, channel)
                go_on(of, pixels, room)
                tell(net, pixels, channel, pointer(room.value, 0))
    # Numba frees an array after the last line that names it.
    pixel[0, 0], features[0] = 0, 0


def advance(
    program: LocalProgram,
    output: Output,
    steps: tuple[int, int, int],
    arrays: tuple[Array | None, ...],
    support: Forest | None,
) -> None:
    """Walk images through some steps, on all threads.

    Args:
        program: Of the network.
        output: Of a sub-pixel.
        steps: The lag of the front, the first step and the end.
        arrays: As `visit.walk` has them: images with their borders, values, ...
        support: The rows of levels that can occur in each image.
    """
    values = arrays[1]
    assert values is not None
    threads.run(advance_front, -(-len(values) // IMAGES), integers_of(program, output, steps, arrays, support))


FIXED = len(Local._fields) + len(Output._fields)
"""How many integers come before those of `Images`."""


def integers_of(
    program: LocalProgram,
    output: Output,
    steps: tuple[int, int, int],
    arrays: tuple[Array | None, ...],
    support: Forest | None,
) -> Array:
    """What the compiled functions are told."""
    *known, context = arrays
    values = known[1]
    assert values is not None
    assert context is None
    trees = (None,) * len(Forest._fields) if support is None else support
    of = (len(values), *values.shape[2:], *steps, *(0 if a is None else a.ctypes.data for a in (*known, *trees)))
    assert len(of) == len(Images._fields)
    return np.array((*program.net, *output, *of), np.int64)
