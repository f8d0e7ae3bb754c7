r"""Walking images with a local network: a pixel waits for those that it sees only, not for whole rows.

A front moves through all images at once: in step t it is, in row r, at column :math:`t - lag\,r`, so that of the rows
above all that a pixel sees is there (`LocalProgram.lag` columns are enough). The pixels of a step are computed side by
side, in blocks of the same place in squares of 2x2. With a lag of a whole row the front is one pixel, and the order
that of the raster. Either way each pixel gets the same bits.

Within a step the order is by place, row and image. It is part of the file format, since the codec asks in this order.
"""

from typing import Any, NamedTuple

import numpy as np

from pixelrnn.colours.support import FREE
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.record import Byte, Float32, Float64, Int64, reader
from pixelrnn.kernels.vectors import LANES, view
from pixelrnn.local.geometry import RADIUS
from pixelrnn.local.program import Local, Pixels, Spot
from pixelrnn.local.trie import Rows, follow
from pixelrnn.outputs.workspace import Output, Workspace

__all__ = [
    "BLOCK", "SPOT", "Front", "Images", "Job", "follow_values", "pixels_of", "place_of",
    "read_front", "read_job", "rows_of", "schedule",
]  # fmt: skip

SPOT = len(Spot._fields)
ROOT = Spot._fields.index("root")
BLOCK = 3  # integers of a block of pixels: the first, how many, their set of weights


class Images(NamedTuple):
    """The record of the images that are walked, of what they are given and of what is wanted; 0 for what is not.

    Attributes:
        images: Number of images.
        rows: Number of rows of an image.
        columns: Number of columns of an image.
        around: What `Face.state` made: images with their borders.
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


@inner
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


@inner
def place_of(front: Front, spot: Spot, channel: int) -> Any:
    """Where in an array `(N, C, H, W)` a channel of a pixel is."""
    return ((spot.image * front.net.channels + channel) * front.of.rows + spot.row) * front.of.columns + spot.column


@inner
def pixels_of(front: Front, blocks: Any, number: int, spots: Any, memory: int) -> Pixels:
    """One of the blocks of a step."""
    of = front.of
    first = spots.ctypes.data + 8 * SPOT * blocks[number, 0]
    rows, columns = of.rows + RADIUS, of.columns + 2 * RADIUS
    return Pixels(blocks[number, 1], blocks[number, 2], first, of.around, rows, columns, of.label, memory)


@inner
def follow_values(front: Front, pixels: Pixels, workspace: Workspace) -> None:
    """Go on to the rows of the trie behind the values of a block of pixels."""
    if front.of.roots:
        spots = view(pixels.spots, np.int64)
        for lane in range(pixels.lanes):
            at = SPOT * lane + ROOT
            spots[at] = follow(rows_of(front), spots[at], int(workspace.value[lane]))
