r"""What an entropy coder is asked along the front of a local network, and what becomes of its answers.

A step of the front asks for all its pixels, channel by channel. Where all levels can occur it asks in two steps (see
`digits.py`), within a support in one; where that leaves one level, not at all. The order is that of the front: part of
the file format.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from pixelrnn.colours.support import FREE, Forest
from pixelrnn.kernels.vectors import LANES, address, pointer, view
from pixelrnn.local.front import FIXED, Images, go_on, integers_of, pixels_of, place_of, schedule, trees_of, unpack
from pixelrnn.local.nibbles import DIGIT, high_digits, low_digits, weigh_high, weigh_low
from pixelrnn.local.perceptron import begin, find, tell
from pixelrnn.local.program import PIXEL, Local, LocalProgram, Pixels, layout, most
from pixelrnn.local.restricted import forced, only_level, write_shares_within
from pixelrnn.walk.distributions import Output, Room, make_room, prepare
from pixelrnn.walk.program import Array
from pixelrnn.walk.quantise import write_shares_of_sums

__all__ = ["ask_front"]


@njit(nogil=True, cache=True)
def _schedule_all(n: Any, pixel: Any, block: Any) -> tuple[int, int]:
    """The pixels and blocks of the step `first_step`."""
    net, _, of = unpack(n)
    pixels, blocks = schedule(of, 0, of.images, net.sets, of.first_step, pixel, block)
    return pixels, blocks


class Questions(NamedTuple):
    """What is to be asked for the pixels of a step, in arrays, and in compiled code the addresses of these.

    Those whose levels all can occur have the first half of `given` and `image`, the others the second.

    Attributes:
        place: int64: where each pixel of the step is in the next two; -1 - level if only one level can occur.
        given: float32 `(2 M)`: the values there are, then the answers; of the former only which sixteen.
        image: int64 `(2 M)`: of which image each is.
        rest: float32 `(M)`: which level of its sixteen each of the former is.
        high: float64 `(M, sixteens)`: shares of the sixteens of each of the former.
        low: float64 `(M, 16)`: then shares of the levels of one.
        within: float64 `(M, levels)`: shares of the levels of each of the others.
    """

    place: Any
    given: Any
    image: Any
    rest: Any
    high: Any
    low: Any
    within: Any


@njit
def _questions_in(n: Any) -> Questions:
    at = len(n) - 7
    return Questions(n[at], n[at + 1], n[at + 2], n[at + 3], n[at + 4], n[at + 5], n[at + 6])


@njit(nogil=True, cache=True)
def _tabulate(n: Any, pixel: Any, block: Any, features: Any, channel: int, middle: int) -> tuple[int, int]:
    """Take up the values of the channel before, and write what is to be asked for a channel of a step's pixels.

    Args:
        n: What `integers_of` wrote, and the addresses of the questions.
        pixel: Of the step.
        block: Of the step.
        features: Room for each block.
        channel: Which; after the last one only its values are taken up.
        middle: Where the second half of the questions begins.

    Returns:
        How many are to be asked for whose levels all can occur, and how many others.
    """
    (net, output, of), to = unpack(n), _questions_in(n)
    room, free, confined, values = make_room(output), 0, middle, view(of.values, np.float32)
    if channel:
        _take_up(net, output, of, pixel, channel - 1, to, middle)
    for number in range(len(block)):
        first, start = block[number, 0], _start(net, features, number)
        pixels = pixels_of(net, of, block, number, pixel.ctypes.data, start)
        if channel == 0:
            begin(net, pixels)
        else:
            for lane in range(pixels.lanes):
                room.value[lane] = values[place_of(net, of, pixels, lane, channel - 1)]
            go_on(of, pixels, room)
            tell(net, pixels, channel - 1, pointer(room.value, 0))
        if channel < net.channels:
            free, confined = _write_block(net, output, of, pixels, room, channel, first, free, confined, to, middle)
    return free, confined - middle


@njit
def _start(net: Local, features: Any, number: int) -> Any:
    """The address of a block's room."""
    return address(pointer(features, number * layout(net).end * LANES))


@njit
def _write_block(
    net: Local,
    output: Output,
    of: Images,
    pixels: Pixels,
    room: Room,
    channel: int,
    first: int,
    free: int,
    confined: int,
    to: Questions,
    middle: int,
) -> tuple[int, int]:
    """What is to be asked for the pixels of a block, `first` and so on of the step, behind those that are there."""
    place, given, image = view(to.place, np.int64), view(to.given, np.float32), view(to.image, np.int64)
    rest, where, trees, is_free = view(to.rest, np.float32), view(pixels.pixel, np.int64), trees_of(of), False
    parameters, values = find(net, pixels, channel), view(of.values, np.float32)
    count = high_digits(output.levels)
    prepare(output, parameters, room)
    for lane in range(pixels.lanes):
        room.rows[lane] = where[PIXEL * lane + 3]
        is_free |= room.rows[lane] == FREE
    if is_free:
        weigh_high(output, parameters, room)
    for lane in range(pixels.lanes):
        row = room.rows[lane]
        if forced(trees, row):
            place[first + lane] = -1 - only_level(trees, row)
            continue
        at = free if row == FREE else confined
        place[first + lane], image[at] = at, where[PIXEL * lane]
        given[at] = values[place_of(net, of, pixels, lane, channel)]
        if row == FREE:
            level = int(given[at])
            given[at], rest[at] = level // DIGIT, level % DIGIT
            write_shares_of_sums(room, count, to.high + 8 * free * count, lane)
            free += 1
        else:
            shares = to.within + 8 * (confined - middle) * output.levels
            write_shares_within(output, trees, parameters, room, lane, shares)
            confined += 1
    return free, confined


@njit(nogil=True, cache=True)
def _refine(n: Any, block: Any, features: Any, middle: int) -> None:
    """Write the shares of the levels of each pixel's sixteen, of those whose levels all can occur; see `_tabulate`."""
    (net, output, _), to = unpack(n), _questions_in(n)
    place, given = view(to.place, np.int64), view(to.given, np.float32)
    room, count = make_room(output), low_digits(output.levels)
    for number in range(len(block)):
        first, lanes = block[number, 0], block[number, 1]
        parameters = pointer(_start(net, features, number), layout(net).parameters * LANES)
        is_free = False
        for lane in range(lanes):
            at = place[first + lane]
            if 0 <= at < middle:
                room.chosen[lane], is_free = DIGIT * given[at], True
        if is_free:
            prepare(output, parameters, room)
            weigh_low(output, parameters, room)
        for lane in range(lanes):
            at = place[first + lane]
            if 0 <= at < middle:
                write_shares_of_sums(room, count, to.low + 8 * at * count, lane)


@njit
def _take_up(net: Local, output: Output, of: Images, pixel: Any, channel: int, to: Questions, middle: int) -> None:
    """Write the answers for a channel, and what was not asked for, into the images."""
    values, places = view(of.values, np.float32), view(to.place, np.int64)
    given, rest, top = view(to.given, np.float32), view(to.rest, np.float32), np.float32(output.levels - 1)
    for number in range(len(pixel)):
        at = ((pixel[number, 0] * net.channels + channel) * of.rows + pixel[number, 1]) * of.columns + pixel[number, 2]
        place = places[number]
        if place < 0:
            values[at] = -1 - place
        elif place < middle:  # a forged stream can name a level beyond the last one, in its sixteen
            values[at] = min(DIGIT * given[place] + rest[place], top)
        else:
            values[at] = given[place]


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
    """See `pixelrnn.walk.walk.ask`."""
    images, channels, rows, columns = values.shape
    lag = program.lag
    at_once, blocks = most(images, rows, columns, lag, program.sizes.sets)
    pixel, block = np.zeros((at_once, PIXEL), np.int64), np.zeros((blocks, 3), np.int64)
    features = np.zeros(blocks * program.floats * LANES, np.float32)
    to = _questions(at_once, output.levels, support is not None)
    arrays = (program.states(images, rows, columns), values, None, None, None, None, label, None)
    told = integers_of(program, output, (lag, 0, 0), arrays, support)
    integers = np.array((*told, *(array.ctypes.data for array in to)), np.int64)
    step_at = FIXED + Images._fields.index("first_step")
    for step in range(lag * (rows - 1) + columns):
        integers[step_at] = step
        pixels, blocks = _schedule_all(integers, pixel, block)
        of_step, of_blocks = pixel[:pixels], block[:blocks]
        for channel in range(channels + 1):
            free, confined = _tabulate(integers, of_step, of_blocks, features, channel, at_once)
            if free:
                asked = to.image[:free]
                if to.high.shape[1] > 1:
                    to.given[:free] = answer(to.given[:free], to.high[:free], asked)
                _refine(integers, of_blocks, features, at_once)
                to.rest[:free] = answer(to.rest[:free], to.low[:free], asked)
            if confined:
                others = slice(at_once, at_once + confined)
                to.given[others] = answer(to.given[others], to.within[:confined], to.image[others])
        if callback is not None:
            callback(pixels * channels)


def _questions(pixels: int, levels: int, has_support: bool) -> Questions:
    """Room for so many pixels."""
    return Questions(
        place=np.zeros(pixels, np.int64),
        given=np.zeros(2 * pixels, np.float32),
        image=np.zeros(2 * pixels, np.int64),
        rest=np.zeros(pixels, np.float32),
        high=np.zeros((pixels, high_digits(levels))),
        low=np.zeros((pixels, low_digits(levels))),
        within=np.zeros((pixels if has_support else 0, levels)),
    )
