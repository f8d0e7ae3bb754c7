r"""Coding steps along the front of a local network: what an entropy coder is given, and what becomes of its symbols.

For each step of the front there is a pmf for all its pixels, channel by channel. Where all levels can occur a level is
a two-stage symbol (`nibbles.py`), within a support a single one; where that leaves one level there is none. The order
is that of the front: part of the file format.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pixelrnn.colours.support import FREE
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import outer
from pixelrnn.kernels.record import Float32, Float64, Int64, Record, reader
from pixelrnn.kernels.vectors import LANES, address, pointer, view
from pixelrnn.local.front import (
    BLOCK,
    SPOT,
    Front,
    follow_values,
    pixels_of,
    place_of,
    read_front,
    read_job,
    rows_of,
    schedule,
)  # fmt: skip
from pixelrnn.local.nibbles import NIBBLE, high_nibbles, low_nibbles, weigh_high, weigh_low
from pixelrnn.local.perceptron import begin, find, take_up
from pixelrnn.local.program import Local, Pixels, layout, most, spot_at
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
        place: Where each pixel of the step is in `given`; -1 - level if only one level can occur.
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
    pixels, of_step = schedule(front, (0, front.of.images), job.first, spots, blocks)
    return pixels, of_step


@inner
def _memory_of(net: Local, memory: Any, number: int) -> Any:
    """The address of a block's features."""
    return address(pointer(memory, number * layout(net).end * LANES))


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
    workspace, counts, values = make_workspace(front.output), _Counts(0, 0), view(front.of.values, np.float32)
    if channel:
        _take_symbols(front, to, spots, channel - 1)
    for number in range(len(blocks)):
        pixels = pixels_of(front, blocks, number, spots, _memory_of(front.net, memory, number))
        if channel == 0:
            begin(front.net, pixels)
        else:
            for lane in range(pixels.lanes):
                workspace.value[lane] = values[place_of(front, spot_at(pixels, lane), channel - 1)]
            follow_values(front, pixels, workspace)
            take_up(front.net, pixels, channel - 1, pointer(workspace.value, 0))
        if channel < front.net.channels:
            counts = _write_block(front, to, pixels, blocks[number, 0], channel, workspace, counts)
    return counts.free, counts.restricted


@inner
def _write_block(
    front: Front, to: Coding, pixels: Pixels, first: int, channel: int, workspace: Workspace, counts: _Counts
) -> _Counts:
    """What is to be coded for the pixels of a block, `first` and so on of the step, behind what is there."""
    place, given, image = view(to.place, np.int64), view(to.given, np.float32), view(to.image, np.int64)
    rest, rows, is_free = view(to.rest, np.float32), rows_of(front), False
    parameters, values = find(front.net, pixels, channel), view(front.of.values, np.float32)
    levels, count, (free, restricted) = front.output.levels, high_nibbles(front.output.levels), counts
    prepare(front.output, parameters, workspace)
    for lane in range(pixels.lanes):
        workspace.rows[lane] = spot_at(pixels, lane).root
        is_free |= workspace.rows[lane] == FREE
    if is_free:
        weigh_high(front.output, parameters, workspace)
    for lane in range(pixels.lanes):
        row, spot = workspace.rows[lane], spot_at(pixels, lane)
        if forced(rows, row):
            place[first + lane] = -1 - only_level(rows, row)
            continue
        at = free if row == FREE else to.middle + restricted
        place[first + lane], image[at], given[at] = at, spot.image, values[place_of(front, spot, channel)]
        if row == FREE:
            level = int(given[at])
            given[at], rest[at] = level // NIBBLE, level % NIBBLE
            write_pmf_of_sums(workspace, count, to.high + 8 * free * count, lane)
            free += 1
        else:
            write_restricted_pmf(
                front.output, rows, parameters, workspace, lane, to.restricted + 8 * restricted * levels
            )
            restricted += 1
    return _Counts(free, restricted)


@outer
def _refine(integers: Any, blocks: Any, memory: Any) -> None:
    """Write the pmf of the second of each two-stage symbol, whose first is there; see `_tabulate`."""
    job = read_job(integers)
    front, to = read_front(job), _read_coding(job.coding)
    place, given = view(to.place, np.int64), view(to.given, np.float32)
    workspace, count = make_workspace(front.output), low_nibbles(front.output.levels)
    for number in range(len(blocks)):
        first, lanes = blocks[number, 0], blocks[number, 1]
        parameters = pointer(_memory_of(front.net, memory, number), layout(front.net).parameters * LANES)
        is_free = False
        for lane in range(lanes):
            at = place[first + lane]
            if 0 <= at < to.middle:
                workspace.chosen[lane], is_free = NIBBLE * given[at], True
        if is_free:
            prepare(front.output, parameters, workspace)
            weigh_low(front.output, parameters, workspace)
        for lane in range(lanes):
            at = place[first + lane]
            if 0 <= at < to.middle:
                write_pmf_of_sums(workspace, count, to.low + 8 * at * count, lane)


@inner
def _take_symbols(front: Front, to: Coding, spots: Any, channel: int) -> None:
    """Write the symbols of a channel, and the levels that had none, into the images."""
    values, places = view(front.of.values, np.float32), view(to.place, np.int64)
    given, rest, top = view(to.given, np.float32), view(to.rest, np.float32), np.float32(front.output.levels - 1)
    for number in range(len(spots)):
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
    middle, count = most.py_func(of.images, of.rows, of.columns, lag, net.sets)
    spots, blocks = np.zeros((middle, SPOT), np.int64), np.zeros((count, BLOCK), np.int64)
    memory = np.zeros(count * layout.py_func(net).end * LANES, np.float32)
    to = job.coding = _coding(middle, levels, has_support=of.roots is not None)
    given, rest, image = to.given, to.rest, to.image
    for step in range(lag * (of.rows - 1) + of.columns):
        job.first = step
        pixels, count = _schedule_all(job.integers, spots, blocks)
        for channel in range(net.channels + 1):
            free, restricted = _tabulate(job.integers, spots[:pixels], blocks[:count], memory, channel)
            if free:
                if to.high.shape[1] > 1:
                    given[:free] = answer(given[:free], to.high[:free], image[:free])
                _refine(job.integers, blocks[:count], memory)
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
