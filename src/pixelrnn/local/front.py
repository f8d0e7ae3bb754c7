r"""Walking images with a local network: a pixel waits for those that it sees only, not for whole rows.

A front moves through all images at once: in step t it is, in row r, at column :math:`t - lag\,r`, so that of the rows
above all that a pixel sees is there (`LocalProgram.lag` columns are enough). The pixels of a step are computed side by
side, in blocks of the same place in squares of 2x2. With a lag of a whole row the front is one pixel, and the order
that of the raster. Either way each pixel gets the same bits.

A row of an image has a slot, and so a lane of a block, while the front goes through it; when it is finished another
one gets the slot. Where there are sets of weights, even and odd rows have slots of their own. Within a step the order
is that of the slots. It is part of the file format, since the codec goes through pixels in this order.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from pixelrnn.colours.support import FREE
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.record import Byte, Float32, Float64, Int64, reader
from pixelrnn.kernels.vectors import LANES, address, aligned, view
from pixelrnn.local.geometry import RADIUS
from pixelrnn.local.program import Local, Pixels, Spot, halves_of, in_flight, layout, spot_at
from pixelrnn.local.squares import BLOCK as FIT
from pixelrnn.local.trie import Rows, follow
from pixelrnn.local.windows import PLACES, SCRATCH
from pixelrnn.outputs.workspace import Output, Workspace

__all__ = [
    "BLOCK", "SHARED", "SPOT", "Front", "Images", "Job", "Memory", "Share", "blocks_of", "floats_of", "follow_values",
    "memory_at", "pixels_of", "place_of", "read_front", "read_job", "read_values", "rows_at", "rows_of", "schedule",
    "share_of", "slot_of",
]  # fmt: skip

SPOT = len(Spot._fields)
ROOT = Spot._fields.index("root")
BLOCK = 2  # integers of a block of pixels: its number among all, its set of weights


class Images(NamedTuple):
    """The record of the images that are walked, of what they are given and of what is wanted; 0 for what is not.

    Attributes:
        images: Number of images.
        rows: Number of rows of an image.
        columns: Number of columns of an image.
        around: What `Face.state` made: images with their borders.
        windows: The same: memory for the windows of each block, of an adaptive network.
        last: The same: `(2, LANES)` for each block and fit.
        of_block: Floats of the windows of a block.
        values: `(N, C, H, W)`.
        is_known: `(N, C, H, W)`.
        uniform: `(N, H, W, C)`.
        log_prob: `(N, C, H, W)`, to be filled.
        found: `(N, C, P, H, W)` parameters, to be filled.
        label: `(N)`.
        roots: Roots of a `Trie`.
        starts: Starts of a `Trie`.
        entries: Values of a `Trie`.
        next: Next nodes of a `Trie`.
    """

    images: int
    rows: int
    columns: int
    around: Float32
    windows: Float32
    last: Int64
    of_block: int
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


@inner
def read_front(job: Job) -> Front:
    """The records of a job."""
    return Front(_read_local(job.local), _read_images(job.images), _read_output(job.output), job.lag)


@inner
def rows_of(front: Front) -> Rows:
    """The rows of levels that can occur."""
    return Rows(front.of.starts, front.of.entries, front.of.next)


class Memory(NamedTuple):
    """Memory for a step: address of the features of all blocks, floats of each, number of the step, shared memory."""

    features: int
    floats: int
    step: int
    scratch: int


SHARED = 8 * PLACES + 4 * (SCRATCH + FIT)
"""Bytes of what blocks share: for moving windows, and for fitting."""


@inner
def floats_of(net: Local, blocks: int) -> Any:
    """Memory for so many blocks, of which `aligned` gives the address: what they share, then their features."""
    return np.zeros(SHARED // 4 + (layout(net).end * blocks + 1) * LANES, np.float32)


@inner
def memory_at(floats: Any, of_block: int, step: int) -> Memory:
    """Memory as `floats_of` makes it, for a step, of which each block has so many floats; 0: they share theirs."""
    scratch = address(aligned(floats))
    return Memory(scratch + SHARED, of_block, step, scratch)


class Share(NamedTuple):
    """Some of the images: the first, how many, the number of the first of their blocks; rows at once (`in_flight`)."""

    first: int
    images: int
    block: int
    flight: int


@register_jitable  # Python calls it too
def blocks_of(net: Local, images: int, rows: int, columns: int, lag: int) -> Any:
    """How many blocks there are, of so many images."""
    flight = in_flight(images, rows, columns, lag, net.sets)
    return halves_of(net.sets) * ((flight + LANES - 1) // LANES)


@inner
def share_of(front: Front, task: int, images: int) -> Share:
    """The images of a task, each of which has so many but the last."""
    of, first = front.of, task * images
    block = task * blocks_of(front.net, images, of.rows, of.columns, front.lag)
    images = min(images, of.images - first)
    return Share(first, images, block, in_flight(images, of.rows, of.columns, front.lag, front.net.sets))


@inner
def rows_at(front: Front, step: int) -> Any:
    """The rows that the front is in: the first, and behind the last."""
    of, lag = front.of, front.lag
    return max(0, (step - of.columns + lag) // lag), min(of.rows - 1, step // lag) + 1


@inner
def slot_of(front: Front, share: Share, row: int, number: int) -> Any:
    """The slot of a row of an image, by its number in the share."""
    halves, of_half = halves_of(front.net.sets), (share.flight + LANES - 1) // LANES * LANES
    return row % halves * of_half + (row // halves * share.images + number) % share.flight


@inner
def schedule(front: Front, share: Share, step: int, spots: Any, blocks: Any) -> Any:
    """Fill in the pixels of a step of some images, by their slots, and the blocks that have any.

    Returns:
        How many pixels and how many blocks there are.
    """
    of, pixels, count = front.of, 0, 0
    for slot in range(len(spots)):
        spots[slot, 0] = -1
    first, end = rows_at(front, step)
    for row in range(first, end):
        for number in range(share.images):
            slot, image = slot_of(front, share, row, number), share.first + number
            spots[slot, 0], spots[slot, 1], spots[slot, 2] = image, row, step - front.lag * row
            spots[slot, ROOT] = view(of.roots, np.int64)[image] if of.roots else FREE
            pixels += 1
    for block in range(len(spots) // LANES):
        weights = -1
        for slot in range(block * LANES, block * LANES + LANES):
            if spots[slot, 0] >= 0:
                weights = spots[slot, 1] % 2 * 2 + spots[slot, 2] % 2 if front.net.sets > 1 else 0
        if weights >= 0:
            blocks[count, 0], blocks[count, 1] = block, weights
            count += 1
    return pixels, count


@inner
def place_of(front: Front, spot: Spot, channel: int) -> Any:
    """Where in an array `(N, C, H, W)` a channel of a pixel is."""
    return ((spot.image * front.net.channels + channel) * front.of.rows + spot.row) * front.of.columns + spot.column


@inner
def pixels_of(front: Front, share: Share, block: Any, spots: Any, memory: Memory) -> Pixels:
    """One of the blocks of a step."""
    of, number = front.of, block[0]
    first = spots.ctypes.data + 8 * SPOT * LANES * number
    rows, columns, place = of.rows + RADIUS, of.columns + 2 * RADIUS, share.block + number
    return Pixels(
        block[1],
        first,
        of.around,
        rows,
        columns,
        of.label,
        memory.features + 4 * memory.floats * number,
        of.windows + 4 * of.of_block * place,
        of.last + 8 * 2 * LANES * front.net.fits * place,
        memory.step,
        memory.scratch,
    )


@inner
def follow_values(front: Front, pixels: Pixels, workspace: Workspace) -> None:
    """Go on to the rows of the trie behind the values of a block of pixels."""
    if front.of.roots:
        spots = view(pixels.spots, np.int64)
        for lane in range(LANES):
            at = SPOT * lane + ROOT
            if spots[SPOT * lane] >= 0:
                spots[at] = follow(rows_of(front), spots[at], int(workspace.value[lane]))


@inner
def read_values(front: Front, pixels: Pixels, channel: int, workspace: Workspace) -> None:
    """Read the values of a channel of a block of pixels, and go on to the rows of the trie behind them."""
    values = view(front.of.values, np.float32)
    for lane in range(LANES):
        spot = spot_at(pixels, lane)
        if spot.image >= 0:
            workspace.value[lane] = values[place_of(front, spot, channel)]
    follow_values(front, pixels, workspace)
