"""Coding along the front of a local network: all of a group of images in one compiled call.

For each step of the front the values of its pixels are coded channel by channel, in the order of the front: part of the
file format. A value takes an interval among all levels, or within a support among those that can occur there; where
that is one, it takes none.
"""

from typing import Any

import numpy as np

from pixelrnn.colours.support import FREE
from pixelrnn.kernels import rans
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import callback
from pixelrnn.kernels.rans import slot_of
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import LANES, pointer, view
from pixelrnn.local.front import (
    BLOCK,
    SPOT,
    Front,
    blocks_of,
    floats_of,
    memory_at,
    pixels_of,
    place_of,
    read_front,
    read_job,
    read_values,
    rows_of,
    schedule,
    share_of,
)
from pixelrnn.local.perceptron import begin, find, take_up
from pixelrnn.local.program import Pixels, layout, spot_at
from pixelrnn.local.restricted import find_in_row, place_in_row, weigh_row
from pixelrnn.local.trie import forced, only_level
from pixelrnn.outputs.intervals import code_lanes, code_symbol, read_coding, ready
from pixelrnn.outputs.workspace import Workspace, make_workspace

__all__ = ["code"]


@inner
def _code_in_row(front: Front, coding: rans.Coding, pixels: Pixels, workspace: Workspace, lane: int) -> None:
    """Code the value of a pixel that has a row of levels which can occur; the block is prepared."""
    rows, root = rows_of(front), spot_at(pixels, lane).root
    if forced(rows, root):
        workspace.found[lane] = only_level(rows, root)
        return
    workspace.rows[lane] = root
    weigh_row(front.output, rows, pointer(pixels.memory, layout(front.net).parameters * LANES), workspace, lane)
    if coding.intervals:
        place_in_row(rows, workspace, lane)
    else:
        workspace.slot[lane] = slot_of(coding, 0)
        find_in_row(rows, workspace, lane)
    code_symbol(coding, workspace, lane)


@inner
def _code_block(front: Front, coding: rans.Coding, pixels: Pixels, channel: int, workspace: Workspace) -> None:
    """Code a channel of a block of pixels."""
    parameters, values, lanes, count = find(front.net, pixels, channel), view(front.of.values, np.float32), 0, 0
    for lane in range(LANES):
        spot = spot_at(pixels, lane)
        if spot.image >= 0:
            workspace.found[lane] = np.int32(values[place_of(front, spot, channel)])
            workspace.image[lane] = spot.image
            lanes += 1
            if spot.root == FREE:
                workspace.coded[count] = lane
                count += 1
    ready(front.output, parameters, workspace)
    if count == lanes:
        code_lanes(front.output, coding, workspace, count)
    else:
        _code_in_turn(front, coding, pixels, workspace)
    for lane in range(LANES):
        spot = spot_at(pixels, lane)
        if spot.image >= 0:
            values[place_of(front, spot, channel)] = workspace.found[lane]


@inner
def _code_in_turn(front: Front, coding: rans.Coding, pixels: Pixels, workspace: Workspace) -> None:
    """Code pixels of which some have rows of levels which can occur."""
    for lane in range(LANES):
        spot = spot_at(pixels, lane)
        if spot.image >= 0 and spot.root == FREE:
            workspace.coded[0] = lane
            code_lanes(front.output, coding, workspace, 1)
        elif spot.image >= 0:
            _code_in_row(front, coding, pixels, workspace, lane)


@callback(TASK)
def code(number: int, integers: Any) -> None:
    """Go through some steps of the front, of all images at once, and code or decode every value."""
    job = read_job(integers)
    front, coding = read_front(job), read_coding(job.coding)
    of, net = front.of, front.net
    share, at_once = share_of(front, 0, of.images), blocks_of(net, of.images, of.rows, of.columns, front.lag)
    spots, blocks = np.empty((at_once * LANES, SPOT), np.int64), np.empty((at_once, BLOCK), np.int64)
    workspace, floats = make_workspace(front.output), floats_of(net, at_once)
    for step in range(job.first, job.end):
        memory = memory_at(floats, layout(net).end * LANES, step)
        _, of_step = schedule(front, share, step, spots, blocks)
        for channel in range(net.channels + 1):
            for block in range(of_step):
                pixels = pixels_of(front, share, blocks[block], spots, memory)
                if channel == 0:
                    begin(net, pixels)
                else:
                    read_values(front, pixels, channel - 1, workspace)
                    take_up(net, pixels, channel - 1, pointer(workspace.value, 0))
                if channel < net.channels:
                    _code_block(front, coding, pixels, channel, workspace)
    # Numba frees an array after the last line that names it.
    spots[0, 0], blocks[0, 0], floats[0] = 0, 0, 0
