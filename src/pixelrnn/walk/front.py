r"""Walking images with a local network: a pixel waits for those that it sees only, not for whole rows.

A front moves through all images at once: in step t it is, in row r, at column :math:`t - lag\,r`, so that of the rows
above all that a pixel sees is there (`LocalProgram.lag` columns are enough). The pixels of a step are computed side by
side, in blocks of the same place in squares of 2x2. With a lag of a whole row the front is one pixel, and the order
that of the raster. Either way each pixel gets the same bits.

Within a step the order is by place, row and image. It is part of the file format, since the codec asks in this order.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import cfunc, njit

from pixelrnn.compiled import threads
from pixelrnn.compiled.threads import TASK
from pixelrnn.compiled.vectors import LANES, Address, address, pointer, view
from pixelrnn.masks import RADIUS
from pixelrnn.support import FREE, Forest
from pixelrnn.walk.confine import Trees, follow, forced, only_level, weigh_within, write_shares_within
from pixelrnn.walk.distributions import (
    Output,
    Room,
    accumulate_weights,
    choose,
    make_room,
    prepare,
    temperature_of,
    weigh,
)
from pixelrnn.walk.local import begin, find, tell
from pixelrnn.walk.local_program import PIXEL, Local, LocalProgram, Pixels, layout, most
from pixelrnn.walk.program import Array
from pixelrnn.walk.tables import write_shares_of_sums

__all__ = ["advance", "ask_front"]

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
def _trees(of: Images) -> Trees:
    return Trees(of.starts, of.entries, of.next)


@njit
def _unpack(n: Any) -> tuple[Local, Output, Images]:
    """What the integers say that `_integers` writes."""
    net = Local(
        n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], n[12], n[13], n[14], n[15]
    )  # fmt: skip
    output = Output(n[16], n[17], n[18], n[19], n[20], n[21], n[22])
    return net, output, Images(
        n[23], n[24], n[25], n[26], n[27], n[28], n[29], n[30], n[31], n[32], n[33], n[34], n[35],
        n[36], n[37], n[38], n[39],
    )  # fmt: skip


@njit
def _schedule(of: Images, first: int, count: int, sets: int, step: int, pixel: Any, block: Any) -> Any:
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
def _place(net: Local, of: Images, pixels: Pixels, lane: int, channel: int) -> Any:
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
            at = _place(net, of, pixels, lane, channel)
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
        at = _place(net, of, pixels, lane, channel)
        values[at] = room.value[lane]
        if of.log_prob:
            nats[at] = room.nats[lane]
        if of.found:
            plane, inside = at // (of.rows * of.columns), at % (of.rows * of.columns)
            for number in range(output.parameters):
                to = (plane * output.parameters + number) * of.rows * of.columns + inside
                shown[to] = parameters[number * LANES + lane]


@njit
def _pixels(net: Local, of: Images, block: Any, number: int, pixel: int, room: int) -> Pixels:
    """One of the blocks of a step."""
    rows, columns = of.rows + RADIUS, of.columns + 2 * RADIUS
    place = pixel + 8 * PIXEL * block[number, 0]
    return Pixels(block[number, 1], block[number, 2], place, of.around, rows, columns, of.label, room)


@njit
def _follow(of: Images, pixels: Pixels, room: Room) -> None:
    """Go on to the row behind the values of a block of pixels."""
    if of.roots:
        where = view(pixels.pixel, np.int64)
        for lane in range(pixels.lanes):
            at = PIXEL * lane + 3
            where[at] = follow(_trees(of), where[at], int(room.value[lane]))


@cfunc(TASK, cache=True)
def advance_front(task: int, n: Any) -> None:
    """Walk some images through some steps."""
    net, output, of = _unpack(n)
    first = task * IMAGES
    count = min(IMAGES, of.images - first)
    at_once = most(count, of.rows, of.columns, of.lag, net.sets)
    pixel, block = np.empty((at_once[0], PIXEL), np.int64), np.empty((at_once[1], 3), np.int64)
    room, features = make_room(output), np.zeros(layout(net).end * LANES, np.float32)
    for step in range(of.first_step, of.end_step):
        _, blocks = _schedule(of, first, count, net.sets, step, pixel, block)
        for number in range(blocks):
            pixels = _pixels(net, of, block, number, pixel.ctypes.data, address(pointer(features, 0)))
            begin(net, pixels)
            for channel in range(net.channels):
                found = find(net, pixels, channel)
                _know(net, of, pixels, room, channel)
                if of.roots:
                    weigh_within(output, _trees(of), found, room, temperature_of(output))
                else:
                    weigh(output, found, room, temperature_of(output))
                choose(output, found, room, of.log_prob != 0)
                _note(net, output, of, pixels, room, found, channel)
                _follow(of, pixels, room)
                tell(net, pixels, channel, pointer(room.value, 0))
    # Numba frees an array after the last line that names it.
    pixel[0, 0], features[0] = 0, 0


@njit(nogil=True, cache=True)
def _schedule_all(n: Any, pixel: Any, block: Any) -> tuple[int, int]:
    """The pixels and blocks of the step `first_step`."""
    net, _, of = _unpack(n)
    pixels, blocks = _schedule(of, 0, of.images, net.sets, of.first_step, pixel, block)
    return pixels, blocks


@njit(nogil=True, cache=True)
def _tabulate(
    n: Any, pixel: Any, block: Any, features: Any, channel: int, place: Any, given: Any, image: Any, shares: Any
) -> int:
    """Take up the values of the channel before, and write what is to be asked for a channel of a step's pixels.

    Args:
        n: What `_integers` wrote.
        pixel: Of the step.
        block: Of the step.
        features: Room for each block.
        channel: Which; after the last one only its values are taken up.
        place: int64: where among those asked for each pixel of the step is; -1 - level if only one level can occur.
        given: float32: answers for the channel before, then the values there are.
        image: int64: of which image each is that is asked for.
        shares: float64 `(pixels, levels)`: of each that is asked for.

    Returns:
        How many are to be asked for.
    """
    net, output, of = _unpack(n)
    room, asked, values = make_room(output), 0, view(of.values, np.float32)
    if channel:
        _take_up(net, of, pixel, channel - 1, place, given)
    for number in range(len(block)):
        first, start = block[number, 0], address(pointer(features, number * layout(net).end * LANES))
        pixels = _pixels(net, of, block, number, pixel.ctypes.data, start)
        if channel == 0:
            begin(net, pixels)
        else:
            for lane in range(pixels.lanes):
                room.value[lane] = values[_place(net, of, pixels, lane, channel - 1)]
            _follow(of, pixels, room)
            tell(net, pixels, channel - 1, pointer(room.value, 0))
        if channel < net.channels:
            asked = _write_block(net, output, of, pixels, room, channel, first, asked, place, given, image, shares)
    return asked


@njit
def _write_block(
    net: Local,
    output: Output,
    of: Images,
    pixels: Pixels,
    room: Room,
    channel: int,
    first: int,
    asked: int,
    place: Any,
    given: Any,
    image: Any,
    shares: Any,
) -> int:
    """What is to be asked for the pixels of a block, `first` and so on of the step, behind `asked` that are there."""
    where, trees, is_free = view(pixels.pixel, np.int64), _trees(of), False
    parameters, values = find(net, pixels, channel), view(of.values, np.float32)
    prepare(output, parameters, room)
    for lane in range(pixels.lanes):
        room.rows[lane] = where[PIXEL * lane + 3]
        is_free |= room.rows[lane] == FREE
    if is_free:
        accumulate_weights(output, parameters, room)
    for lane in range(pixels.lanes):
        row = room.rows[lane]
        if forced(trees, row):
            place[first + lane] = -1 - only_level(trees, row)
            continue
        place[first + lane], image[asked] = asked, where[PIXEL * lane]
        given[asked] = values[_place(net, of, pixels, lane, channel)]
        to = shares.ctypes.data + 8 * asked * output.levels
        if row == FREE:
            write_shares_of_sums(room, to, lane)
        else:
            write_shares_within(output, trees, parameters, room, lane, to)
        asked += 1
    return asked


@njit
def _take_up(net: Local, of: Images, pixel: Any, channel: int, place: Any, given: Any) -> None:
    """Write the answers for a channel, and what was not asked for, into the images."""
    values = view(of.values, np.float32)
    for number in range(len(pixel)):
        at = ((pixel[number, 0] * net.channels + channel) * of.rows + pixel[number, 1]) * of.columns + pixel[number, 2]
        values[at] = given[place[number]] if place[number] >= 0 else np.float32(-1 - place[number])


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
    threads.run(advance_front, -(-len(values) // IMAGES), _integers(program, output, steps, arrays, support))


def ask_front(
    program: LocalProgram,
    output: Output,
    values: Array,
    answer: Callable[[Array, Array, Array], Array],
    *,
    label: Array | None,
    support: Forest | None,
    callback: Callable[[int], None] | None,
) -> None:
    """See `pixelrnn.walk.visit.ask`."""
    images, channels, rows, columns = values.shape
    lag = program.lag
    at_once, blocks = most(images, rows, columns, lag, program.sizes.sets)
    pixel, block = np.zeros((at_once, PIXEL), np.int64), np.zeros((blocks, 3), np.int64)
    features = np.zeros(blocks * program.floats * LANES, np.float32)
    shares, given = np.zeros((at_once, output.levels)), np.zeros(at_once, np.float32)
    place, image = np.zeros(at_once, np.int64), np.zeros(at_once, np.int64)
    arrays = (program.states(images, rows, columns), values, None, None, None, None, label, None)
    integers = _integers(program, output, (lag, 0, 0), arrays, support)
    step_at = FIXED + Images._fields.index("first_step")
    for step in range(lag * (rows - 1) + columns):
        integers[step_at] = step
        pixels, blocks = _schedule_all(integers, pixel, block)
        of_step, of_blocks = pixel[:pixels], block[:blocks]
        for channel in range(channels + 1):
            asked = _tabulate(integers, of_step, of_blocks, features, channel, place, given, image, shares)
            if asked:
                given[:asked] = answer(given[:asked], shares[:asked], image[:asked])
        if callback is not None:
            callback(pixels * channels)


FIXED = len(Local._fields) + len(Output._fields)


def _integers(
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
