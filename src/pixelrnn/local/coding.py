r"""Coding steps along the front of a local network: what an entropy coder is given, and what becomes of its symbols.

For each step of the front there is a pmf for all its pixels, channel by channel. Where all levels can occur a level is
a two-stage symbol (`nibbles.py`), within a support a single one; where that leaves one level there is none. Within a
step the order is by place in squares of 2x2, row and image. All this is part of version 1 of the file format.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pixelrnn.colours.support import FREE
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import outer
from pixelrnn.kernels.record import Float32, Float64, Int64, Record, reader
from pixelrnn.kernels.vectors import LANES, Address, pointer, view
from pixelrnn.local.front import (
    BLOCK,
    SHARED,
    SPOT,
    Front,
    blocks_of,
    memory_at,
    pixels_of,
    place_of,
    read_front,
    read_job,
    read_values,
    rows_at,
    rows_of,
    schedule,
    share_of,
    slot_of,
)
from pixelrnn.local.nibbles import NIBBLE, high_nibbles, low_nibbles, weigh_high, weigh_low
from pixelrnn.local.perceptron import begin, find, take_up
from pixelrnn.local.program import Local, Pixels, halves_of, layout, read_spot, spot_at
from pixelrnn.local.restricted import write_restricted_pmf
from pixelrnn.local.trie import forced, only_level
from pixelrnn.outputs.logistic import prepare
from pixelrnn.outputs.quantise import write_pmf_of_sums
from pixelrnn.outputs.workspace import Workspace, make_workspace

__all__ = ["Coding", "ask_front"]

Array = np.ndarray[Any, np.dtype[Any]]


class Coding(NamedTuple):
    """The record of what is coded for the pixels of a step.

    Pixels whose levels all can occur have the first half of `given` and `image`, the others the second.

    Attributes:
        middle: Where the second half begins.
        place: Where the pixel of each slot is in `given`; -1 - level if only one level can occur.
        given: `(2 M)`: the values that are known, then the symbols; of two-stage symbols the first.
        image: `(2 M)`: the number of the image of each.
        rest: `(M)`: the second of each two-stage symbol.
        high: `(M, sixteens)`: pmf of the first of each two-stage symbol.
        low: `(M, 16)`: pmf of the second.
        restricted: `(M, levels)`: pmf of each of the others.
    """

    middle: int
    place: Int64
    given: Float32
    image: Int64
    rest: Float32
    high: Float64
    low: Float64
    restricted: Float64


class _Counts(NamedTuple):
    """How many symbols there are so far: two-stage ones, and others."""

    free: int
    restricted: int


_read_coding = reader(Coding)


@outer
def _schedule_all(integers: Any, spots: Any, blocks: Any) -> tuple[int, int]:
    """The pixels and blocks of the step `first` of a job."""
    job = read_job(integers)
    front = read_front(job)
    pixels, of_step = schedule(front, share_of(front, 0, front.of.images), job.first, spots, blocks)
    return pixels, of_step


@inner
def _pixels_of(front: Front, block: Any, spots: Any, floats: Any, step: int) -> Pixels:
    memory = memory_at(floats, layout(front.net).end * LANES, step)
    pixels: Pixels = pixels_of(front, share_of(front, 0, front.of.images), block, spots, memory)
    return pixels


@outer
def _tabulate(integers: Any, spots: Any, blocks: Any, memory: Any, channel: int) -> tuple[int, int]:
    """Take up the symbols of the channel before, and write what is to be coded for a channel of a step's pixels.

    Args:
        integers: A `Job`.
        spots: Spots of the step.
        blocks: Blocks of the step.
        memory: Memory for the features of each block.
        channel: Number of the channel; after the last one only its symbols are taken up.

    Returns:
        How many two-stage symbols are to be coded, and how many others.
    """
    job = read_job(integers)
    front, to = read_front(job), _read_coding(job.coding)
    workspace = make_workspace(front.output)
    if channel:
        _take_symbols(front, to, spots, channel - 1)
    for number in range(len(blocks)):
        pixels = _pixels_of(front, blocks[number], spots, memory, job.first)
        if channel == 0:
            begin(front.net, pixels)
        else:
            read_values(front, pixels, channel - 1, workspace)
            take_up(front.net, pixels, channel - 1, pointer(workspace.value, 0))
    if channel == front.net.channels:
        return 0, 0
    counts = _number_symbols(front, to, job.first, spots, channel)
    for number in range(len(blocks)):
        pixels = _pixels_of(front, blocks[number], spots, memory, job.first)
        _write_block(front, to, pixels, blocks[number, 0] * LANES, find(front.net, pixels, channel), workspace)
    return counts.free, counts.restricted


@inner
def _number_symbols(front: Front, to: Coding, step: int, spots: Any, channel: int) -> _Counts:
    """Give each pixel of a step the place of its symbol, in order."""
    place, given, image = view(to.place, np.int64), view(to.given, np.float32), view(to.image, np.int64)
    rest, rows, values = view(to.rest, np.float32), rows_of(front), view(front.of.values, np.float32)
    share, (first, end), free, restricted = share_of(front, 0, front.of.images), rows_at(front, step), 0, 0
    for half in range(halves_of(front.net.sets)):
        for row in range(first, end):
            if row % halves_of(front.net.sets) != half:
                continue
            for number in range(share.images):
                slot = slot_of(front, share, row, number)
                spot = read_spot(spots.ctypes.data + 8 * SPOT * slot)
                if forced(rows, spot.root):
                    place[slot] = -1 - only_level(rows, spot.root)
                    continue
                at = free if spot.root == FREE else to.middle + restricted
                place[slot], image[at], given[at] = at, spot.image, values[place_of(front, spot, channel)]
                if spot.root == FREE:
                    level = int(given[at])
                    given[at], rest[at] = level // NIBBLE, level % NIBBLE
                    free += 1
                else:
                    restricted += 1
    return _Counts(free, restricted)


@inner
def _write_block(
    front: Front, to: Coding, pixels: Pixels, first: int, parameters: Address, workspace: Workspace
) -> None:
    """Write what the symbols of a block are likely to be; its slots are `first` and so on."""
    place, rows, is_free = view(to.place, np.int64), rows_of(front), False
    levels, count = front.output.levels, high_nibbles(front.output.levels)
    prepare(front.output, parameters, workspace)
    for lane in range(LANES):
        spot = spot_at(pixels, lane)
        workspace.rows[lane] = spot.root if spot.image >= 0 else FREE
        is_free |= workspace.rows[lane] == FREE
    if is_free:
        weigh_high(front.output, parameters, workspace)
    for lane in range(LANES):
        at = place[first + lane]
        if spot_at(pixels, lane).image < 0 or at < 0:
            continue
        if at < to.middle:
            write_pmf_of_sums(workspace, count, to.high + 8 * at * count, lane)
        else:
            to_row = to.restricted + 8 * (at - to.middle) * levels
            write_restricted_pmf(front.output, rows, parameters, workspace, lane, to_row)


@outer
def _refine(integers: Any, spots: Any, blocks: Any, memory: Any) -> None:
    """Write the pmf of the second of each two-stage symbol, whose first is there; see `_tabulate`."""
    job = read_job(integers)
    front, to = read_front(job), _read_coding(job.coding)
    place, given = view(to.place, np.int64), view(to.given, np.float32)
    workspace, count = make_workspace(front.output), low_nibbles(front.output.levels)
    for number in range(len(blocks)):
        pixels, first = _pixels_of(front, blocks[number], spots, memory, job.first), blocks[number, 0] * LANES
        parameters = pointer(pixels.memory, layout(front.net).parameters * LANES)
        for lane in range(LANES):
            at = place[first + lane]
            is_free = spot_at(pixels, lane).image >= 0 and 0 <= at < to.middle
            workspace.rows[lane], workspace.chosen[lane] = at if is_free else -1, NIBBLE * given[at] if is_free else 0
        prepare(front.output, parameters, workspace)
        weigh_low(front.output, parameters, workspace)
        for lane in range(LANES):
            if workspace.rows[lane] >= 0:
                write_pmf_of_sums(workspace, count, to.low + 8 * workspace.rows[lane] * count, lane)


@inner
def _take_symbols(front: Front, to: Coding, spots: Any, channel: int) -> None:
    """Write the symbols of a channel, and the levels that had none, into the images."""
    values, places = view(front.of.values, np.float32), view(to.place, np.int64)
    given, rest, top = view(to.given, np.float32), view(to.rest, np.float32), np.float32(front.output.levels - 1)
    for number in range(len(spots)):
        if spots[number, 0] < 0:
            continue
        plane = spots[number, 0] * front.net.channels + channel
        at, place = (plane * front.of.rows + spots[number, 1]) * front.of.columns + spots[number, 2], places[number]
        if place < 0:
            values[at] = -1 - place
        elif place < to.middle:  # a forged stream can name a level beyond the last one, in its sixteen
            values[at] = min(NIBBLE * given[place] + rest[place], top)
        else:
            values[at] = given[place]


def ask_front(
    job: Record, net: Local, answer: Callable[[Array, Array, Array], Array], report: Callable[[int], None]
) -> None:
    """Go through all steps of a front, and have every value chosen.

    Args:
        job: A `pixelrnn.local.front.Job`, without coding steps.
        net: The network.
        answer: Answer, as for `pixelrnn.walk.protocol.AbstractFace.ask`.
        report: Reporter, as for `pixelrnn.walk.protocol.AbstractFace.ask`.
    """
    of, levels, lag = job.images, job.output.levels, job.lag
    count = blocks_of(net, of.images, of.rows, of.columns, lag)
    middle = count * LANES
    spots, blocks = np.zeros((middle, SPOT), np.int64), np.zeros((count, BLOCK), np.int64)
    memory = np.zeros(SHARED // 4 + (layout.py_func(net).end * count + 1) * LANES, np.float32)
    to = job.coding = _coding(middle, levels, has_support=of.roots is not None)
    given, rest, image = to.given, to.rest, to.image
    for step in range(lag * (of.rows - 1) + of.columns):
        job.first = step
        pixels, count = _schedule_all(job.integers, spots, blocks)
        for channel in range(net.channels + 1):
            free, restricted = _tabulate(job.integers, spots, blocks[:count], memory, channel)
            if free:
                if to.high.shape[1] > 1:
                    given[:free] = answer(given[:free], to.high[:free], image[:free])
                _refine(job.integers, spots, blocks[:count], memory)
                rest[:free] = answer(rest[:free], to.low[:free], image[:free])
            if restricted:
                others = slice(middle, middle + restricted)
                given[others] = answer(given[others], to.restricted[:restricted], image[others])
        report(pixels * net.channels)


def _coding(pixels: int, levels: int, *, has_support: bool) -> Record:
    """Memory for so many pixels of a step."""
    return Record(
        Coding,
        middle=pixels,
        place=np.zeros(pixels, np.int64),
        given=np.zeros(2 * pixels, np.float32),
        image=np.zeros(2 * pixels, np.int64),
        rest=np.zeros(pixels, np.float32),
        high=np.zeros((pixels, high_nibbles.py_func(levels))),
        low=np.zeros((pixels, low_nibbles.py_func(levels))),
        restricted=np.zeros((pixels if has_support else 0, levels)),
    )
