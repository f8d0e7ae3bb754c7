"""Drawing with a local network: a front moves through some images, and each value is drawn or kept."""

from typing import Any

import numpy as np

from pixelrnn.colours.support import FREE
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.kept import callback
from pixelrnn.kernels.threads import TASK
from pixelrnn.kernels.vectors import LANES, Address, address, pointer, view
from pixelrnn.local.front import (
    BLOCK,
    SPOT,
    Front,
    blocks_of,
    floats_of,
    follow_values,
    memory_at,
    pixels_of,
    place_of,
    read_front,
    read_job,
    rows_of,
    schedule,
    share_of,
)
from pixelrnn.local.perceptron import begin, find, take_up
from pixelrnn.local.program import Pixels, spot_at
from pixelrnn.local.restricted import weigh_restricted
from pixelrnn.outputs.decide import choose, decide, temperature_of
from pixelrnn.outputs.workspace import Workspace, make_workspace

__all__ = ["IMAGES", "advance"]

IMAGES = 8  # of a task


@inner
def _read_known(front: Front, pixels: Pixels, channel: int, workspace: Workspace) -> None:
    """What is known of a channel of some pixels: the value, or the number that draws it; and the rows."""
    of = front.of
    values, is_known, uniform = view(of.values, np.float32), view(of.is_known, np.uint8), view(of.uniform, np.float64)
    for lane in range(LANES):
        workspace.target[lane], workspace.value[lane], workspace.rows[lane] = 0.5, 0, FREE
        spot = spot_at(pixels, lane)
        if spot.image >= 0:
            workspace.rows[lane] = spot.root
            at = place_of(front, spot, channel)
            if of.is_known and is_known[at]:
                workspace.target[lane], workspace.value[lane] = -1, values[at]
            else:
                pixel = (spot.image * of.rows + spot.row) * of.columns + spot.column
                workspace.target[lane] = uniform[pixel * front.net.channels + channel]


@inner
def _write(front: Front, pixels: Pixels, channel: int, workspace: Workspace, parameters: Address) -> None:
    """Write values, and log probabilities and parameters if wanted."""
    of, count = front.of, front.output.parameters
    values, nats, found = view(of.values, np.float32), view(of.log_prob, np.float32), view(of.found, np.float32)
    of_lanes = view(address(parameters), np.float32)
    for lane in range(LANES):
        spot = spot_at(pixels, lane)
        if spot.image < 0:
            continue
        at = place_of(front, spot, channel)
        values[at] = workspace.value[lane]
        if of.log_prob:
            nats[at] = workspace.nats[lane]
        if of.found:
            plane, inside = at // (of.rows * of.columns), at % (of.rows * of.columns)
            for number in range(count):
                found[(plane * count + number) * of.rows * of.columns + inside] = of_lanes[number * LANES + lane]


@inner
def _decide(front: Front, pixels: Pixels, channel: int, workspace: Workspace) -> None:
    """Draw a channel of a block of pixels, or keep what is known."""
    parameters, wants_nats = find(front.net, pixels, channel), front.of.log_prob != 0
    _read_known(front, pixels, channel, workspace)
    if front.of.roots:
        weigh_restricted(front.output, rows_of(front), parameters, workspace, temperature_of(front.output))
        choose(front.output, parameters, workspace, wants_nats)
    else:
        decide(front.output, parameters, workspace, wants_nats)
    _write(front, pixels, channel, workspace, parameters)


@callback(TASK)
def advance(task: int, integers: Any) -> None:
    """Walk some images through some steps."""
    job = read_job(integers)
    front = read_front(job)
    share = share_of(front, task, IMAGES)
    at_once = blocks_of(front.net, share.images, front.of.rows, front.of.columns, front.lag)
    spots, blocks = np.empty((at_once * LANES, SPOT), np.int64), np.empty((at_once, BLOCK), np.int64)
    workspace, floats = make_workspace(front.output), floats_of(front.net, 1)
    for step in range(job.first, job.end):
        memory = memory_at(floats, 0, step)
        _, of_step = schedule(front, share, step, spots, blocks)
        for number in range(of_step):
            pixels = pixels_of(front, share, blocks[number], spots, memory)
            begin(front.net, pixels)
            for channel in range(front.net.channels):
                _decide(front, pixels, channel, workspace)
                follow_values(front, pixels, workspace)
                take_up(front.net, pixels, channel, pointer(workspace.value, 0))
    # Numba frees an array after the last line that names it.
    spots[0, 0], floats[0] = 0, 0
