r"""The local network in the compiled walk: what the engine is for the others, for a front of pixels at once.

A local network keeps no state but the image itself, and sees `geometry.RADIUS` rows and columns of it: so pixels of
many rows can be computed side by side, a pixel a lane. `front.py` says which. The same formulas as `network.py`,
in plain float32 in a fixed order: what a pixel gets depends on the pixels that it sees only, bit by bit.
"""

from typing import Any

import numpy as np

from pixelrnn.kernels.functions import exp, log, rounded, scaled, sigmoid
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.product import Matrix, strict_product
from pixelrnn.kernels.spans import clear
from pixelrnn.kernels.vectors import LANES, Address, Vector, choose, load, maximum, pointer, splat, store, view
from pixelrnn.local import squares, windows
from pixelrnn.local.geometry import CANDIDATES, MOST_PLAIN, NEIGHBOURS, OF_A_FIT, RADIUS
from pixelrnn.local.geometry import ERRORS as PLACES_OF_ERRORS
from pixelrnn.local.program import (
    ADAPT,
    COMMON,
    CURRENT,
    EARLIER,
    ERRORS,
    FEATURES,
    FEATURES_BIAS,
    FIT,
    LABEL,
    LAYERS,
    LEVEL,
    MATCH,
    OF_HEAD,
    OUT,
    OUT_BIAS,
    PLACE,
    SAME,
    SUMS,
    Local,
    Pixels,
    errors_at,
    layout,
    spot_at,
    stride,
)  # fmt: skip
from pixelrnn.local.table import read_table
from pixelrnn.outputs.workspace import highest_of

__all__ = ["begin", "find", "take_up"]

_ZERO, _ONE, _TWO, _EIGHT = np.array([0, 1, 2, 8], np.float32)

ERRONEOUS = np.array(PLACES_OF_ERRORS)
NORTH, NORTH_WEST, NORTH_EAST = (NEIGHBOURS.index(place) for place in CANDIDATES[1:4])


@inner
def _squares(net: Local, pixels: Pixels, fit: int) -> windows.Squares:
    table = read_table(net.near if fit == 0 else net.wide)
    return windows.Squares(net.channels, net.levels, pixels.rows, pixels.columns, table)


@inner
def _strips(net: Local, pixels: Pixels, fit: int) -> windows.Strips:
    """The windows of one of the fits, which follow those of the first."""
    step, scratch = pixels.step + windows.EARLIEST, pixels.scratch + 8 * windows.PLACES
    start = 4 * windows.floats_at(read_table(net.near), net.channels) if fit else 0
    return windows.Strips(pixels.windows + start, pixels.last + 16 * LANES * fit, pixels.scratch, step, scratch)


@inner
def _of(memory: int, start: int) -> Address:
    return pointer(memory, start * LANES)


@inner
def _part(net: Local, number: int) -> Any:
    """The address of a part of the weights."""
    return net.weights + 4 * view(net.places, np.int64)[number]


@inner
def _add_product(to: Address, weight: int, source: Address, rows: int, depth: int) -> None:
    """Add a matrix in memory times the features of a block."""
    if depth and rows:
        c = Matrix(to, LANES, 1)
        strict_product(c, c, Matrix(pointer(weight, 0), depth, 1), Matrix(source, LANES, 1), rows, LANES, depth)


@inner
def _fill(to: Address, bias: int, count: int) -> None:
    """Give all lanes a bias."""
    values = view(bias, np.float32)
    for feature in range(count):
        store(to, feature * LANES, splat(values[feature]))


@inner
def _silu(to: Address, source: Address, count: int) -> None:
    for j in range(0, count * LANES, LANES):
        x = load(source, j)
        store(to, j, x * sigmoid(x))


@inner
def _gather(net: Local, pixels: Pixels) -> None:
    """Differences, western neighbours, and candidates of the pixels of a block."""
    place, plane, floats = layout(net), pixels.rows * pixels.columns, stride(net, pixels.rows, pixels.columns)
    offsets, around = view(net.offsets, np.int64), view(pixels.around, np.float32)
    memory = view(pixels.memory, np.float32)
    for lane in range(LANES):
        image, row, column, _ = spot_at(pixels, lane)
        if image < 0:
            continue
        for channel in range(net.channels):
            at = image * floats + channel * plane + (row + RADIUS) * pixels.columns + column + RADIUS
            west = around[at - 1]
            memory[(place.west + channel) * LANES + lane] = west
            for n in range(net.neighbours + net.copies):
                value = around[at - offsets[2 * n] * pixels.columns + offsets[2 * n + 1]]
                if n < net.neighbours:
                    memory[(place.differences + channel * net.neighbours + n) * LANES + lane] = value - west
                else:
                    number = (n - net.neighbours) * net.channels + channel
                    memory[(place.candidates + number) * LANES + lane] = value


@inner
def _absolute(x: Vector) -> Vector:
    return maximum(x, splat(_ZERO) - x)


@inner
def _measure(net: Local, memory: int) -> None:
    """The local activity, and its logarithm."""
    place, total = layout(net), splat(_ZERO)
    for channel in range(net.channels):
        d = _of(memory, place.differences + channel * net.neighbours)
        north, north_west, north_east = load(d, NORTH * LANES), load(d, NORTH_WEST * LANES), load(d, NORTH_EAST * LANES)
        total = total + (_absolute(north_west) + _absolute(north - north_west) + _absolute(north - north_east))
    least = _TWO / np.float32(net.levels - 1)
    activity = total / splat(np.float32(net.channels)) + splat(least)
    store(_of(memory, place.activity), 0, activity)
    store(_of(memory, place.west + net.channels), 0, log(activity))


@inner
def _compare(net: Local, pixels: Pixels) -> None:
    """Which candidates have the same colour as another one."""
    place, offsets, memory = layout(net), view(net.offsets, np.int64), view(pixels.memory, np.float32)
    for pair in range(net.pairs):
        n = net.neighbours + net.copies + pair
        i, j = offsets[2 * n] * net.channels, offsets[2 * n + 1] * net.channels
        for lane in range(LANES):
            is_same = True
            for channel in range(net.channels):
                a, b = place.candidates + i + channel, place.candidates + j + channel
                is_same &= memory[a * LANES + lane] == memory[b * LANES + lane]
            memory[(place.same + pair) * LANES + lane] = 1 if is_same else 0
    for m in range(net.copies):
        store(_of(pixels.memory, place.matches + m), 0, splat(_ONE))


@inner
def _add_biases(net: Local, pixels: Pixels) -> None:
    """Add, lane by lane, the biases of a pixel's place in the grid and of its image's label."""
    h, memory = layout(net).h, view(pixels.memory, np.float32)
    places, table = view(_part(net, PLACE), np.float32), view(_part(net, LABEL), np.float32)
    labels = view(pixels.label, np.int64)
    for lane in range(LANES):
        spot = spot_at(pixels, lane)
        if spot.image < 0:
            continue
        number = spot.row % net.grid * net.grid + spot.column % net.grid
        label = labels[spot.image] if pixels.label else -1
        for feature in range(net.hidden):
            value = places[number * net.hidden + feature]
            if label >= 0:
                value += table[label * net.hidden + feature]
            memory[(h + feature) * LANES + lane] += value


@inner
def _slide(net: Local, pixels: Pixels) -> None:
    """Move the windows of the pixels' rows to them."""
    places, planes = view(pixels.scratch, np.int64), net.channels * pixels.rows * pixels.columns
    for lane in range(LANES):
        spot = spot_at(pixels, lane)
        plain = pixels.around + 4 * (spot.image * stride(net, pixels.rows, pixels.columns) + planes)
        number = spot.image * pixels.rows + spot.row if spot.image >= 0 else -1
        for field, value in enumerate((plain, number, spot.row, spot.column)):
            places[4 * lane + field] = value
    if net.levels > MOST_PLAIN:
        windows.measure(_squares(net, pixels, 0), _strips(net, pixels, 0))
    for fit in range(net.fits):
        windows.slide(_squares(net, pixels, fit), _strips(net, pixels, fit))


@inner
def _fit(net: Local, pixels: Pixels, channel: int) -> None:
    """Predict a channel by least squares."""
    place = layout(net)
    activity, told = load(_of(pixels.memory, place.activity), 0), _of(pixels.memory, place.fit)
    for fit in range(net.fits):
        strips = _strips(net, pixels, fit)
        workspace = pointer(strips.scratch, windows.SCRATCH)
        prediction, deviation = squares.predict(_squares(net, pixels, fit), strips, channel, workspace)
        relative, own = prediction / activity, pointer(told, OF_A_FIT * fit * LANES)
        store(own, 0, relative / (splat(_ONE) + _absolute(relative)))
        store(own, LANES, relative / (splat(_EIGHT) + _absolute(relative)))
        store(own, 2 * LANES, deviation - load(_of(pixels.memory, place.west + net.channels), 0))
        store(told, (OF_A_FIT * net.fits + fit) * LANES, prediction)


@inner
def _see_errors(net: Local, pixels: Pixels) -> None:
    """The errors of the fits at pixels nearby, in units of the activity."""
    place, planes, plane = layout(net), net.channels * net.fits, pixels.rows * pixels.columns
    memory, around = view(pixels.memory, np.float32), view(pixels.around, np.float32)
    floats, number = stride(net, pixels.rows, pixels.columns), len(ERRONEOUS) * planes
    for lane in range(LANES):
        image, row, column, _ = spot_at(pixels, lane)
        if image < 0:
            continue
        here = image * floats + errors_at(net) * plane + (row + RADIUS) * pixels.columns + column + RADIUS
        for n in range(len(ERRONEOUS)):
            at = here - ERRONEOUS[n, 0] * pixels.columns + ERRONEOUS[n, 1]
            for error in range(planes):
                memory[(place.errors + n * planes + error) * LANES + lane] = around[at + error * plane]
    errors, activity = _of(pixels.memory, place.errors), load(_of(pixels.memory, place.activity), 0)
    for j in range(0, number * LANES, LANES):
        relative = load(errors, j) / activity
        squeezed = relative / (splat(_ONE) + _absolute(relative))
        store(errors, j, squeezed)
        store(errors, number * LANES + j, _absolute(squeezed))
    _add_product(_of(pixels.memory, place.h), _part(net, ERRORS), errors, net.hidden, 2 * number)


@inner
def begin(net: Local, pixels: Pixels) -> None:
    """What comes before the first channel of a block of pixels: everything of the neighbourhood."""
    place, memory = layout(net), pixels.memory
    if net.fits:
        _slide(net, pixels)
    _gather(net, pixels)
    _measure(net, memory)
    _compare(net, pixels)
    rows, inputs, h = net.hidden + net.channels * net.mixtures, net.channels * net.neighbours, _of(memory, place.h)
    clear(h, rows * LANES)
    _add_product(h, _part(net, SUMS) + 4 * pixels.weights * rows * inputs, _of(memory, place.differences), rows, inputs)
    activity = load(_of(memory, place.activity), 0)
    for j in range(0, net.hidden * LANES, LANES):
        store(h, j, load(h, j) / activity)
    _add_product(h, _part(net, LEVEL), _of(memory, place.west), net.hidden, net.channels + 1)
    _add_product(h, _part(net, SAME), _of(memory, place.same), net.hidden, net.pairs)
    if net.fits > 1:
        _see_errors(net, pixels)
    _add_biases(net, pixels)
    silu = _of(memory, place.silu)
    for layer in range(net.layers):
        weight = _part(net, LAYERS) + 4 * layer * net.hidden * (net.hidden + 1)
        bias = view(weight + 4 * net.hidden * net.hidden, np.float32)
        _silu(silu, h, net.hidden)
        for feature in range(net.hidden):
            store(h, feature * LANES, load(h, feature * LANES) + splat(bias[feature]))
        _add_product(h, weight, silu, net.hidden, net.hidden)
    _silu(silu, h, net.hidden)


@inner
def _head(net: Local, memory: int, channel: int) -> None:
    """What the perceptron gives for a channel."""
    place, part, rows = layout(net), COMMON + OF_HEAD * channel, 3 * net.mixtures + net.copies
    u, raw = _of(memory, place.u), _of(memory, place.raw)
    _fill(u, _part(net, part + FEATURES_BIAS), net.head)
    _add_product(u, _part(net, part + FEATURES), _of(memory, place.silu), net.head, net.hidden)
    if channel:
        _add_product(u, _part(net, part + EARLIER), _of(memory, place.residuals), net.head, 2 * channel)
        _add_product(u, _part(net, part + MATCH), _of(memory, place.matches), net.head, net.copies)
    if net.fits:
        _add_product(u, _part(net, part + ADAPT), _of(memory, place.fit), net.head, OF_A_FIT * net.fits)
    _silu(u, u, net.head)
    _fill(raw, _part(net, part + OUT_BIAS), rows)
    _add_product(raw, _part(net, part + OUT), u, rows, net.head)


@inner
def find(net: Local, pixels: Pixels, channel: int) -> Address:
    """The parameters of a channel of a block of pixels, whose earlier channels were taken up."""
    place, memory, k = layout(net), pixels.memory, net.mixtures
    if net.fits:
        _fit(net, pixels, channel)
    _head(net, memory, channel)
    to, raw = _of(memory, place.parameters), _of(memory, place.raw)
    linear, changes = _of(memory, place.h + net.hidden + channel * k), _of(memory, place.changes)
    current = view(_part(net, COMMON + OF_HEAD * channel + CURRENT), np.float32)
    activity, west = load(_of(memory, place.activity), 0), load(_of(memory, place.west + channel), 0)
    log_activity = load(_of(memory, place.west + net.channels), 0)
    for component in range(k):
        j = component * LANES
        mean = west + load(linear, j) + activity * load(raw, k * LANES + j)
        for c in range(channel):
            mean = mean + splat(current[component * channel + c]) * load(changes, c * LANES)
        for fit in range(net.fits):
            share = view(_part(net, COMMON + OF_HEAD * channel + FIT), np.float32)[fit * k + component]
            mean = mean + splat(share) * load(_of(memory, place.fit), (OF_A_FIT * net.fits + fit) * LANES)
        store(to, j, load(raw, j))
        store(to, k * LANES + j, mean)
        store(to, 2 * k * LANES + j, log_activity + load(raw, 2 * k * LANES + j))
    half = splat(np.float32(net.levels - 1) / _TWO)
    for m in range(net.copies):
        value = load(_of(memory, place.candidates + m * net.channels + channel), 0)
        level = rounded((value + splat(_ONE)) * half)
        store(to, (3 * k + m) * LANES, load(raw, (3 * k + m) * LANES))
        store(to, (3 * k + net.copies + m) * LANES, level)
    return to


@inner
def take_up(net: Local, pixels: Pixels, channel: int, levels: Address) -> None:
    """Take the values of a channel, in levels, of a block of pixels: into the image, and for the later channels."""
    place, memory = layout(net), pixels.memory
    value = scaled(load(levels, 0), net.levels)
    store(_of(memory, place.changes + channel), 0, value - load(_of(memory, place.west + channel), 0))
    residual = (value - _mean(net, memory)) / load(_of(memory, place.activity), 0)
    to = _of(memory, place.residuals + 2 * channel)
    store(to, 0, residual / (splat(_ONE) + _absolute(residual)))
    store(to, LANES, residual / (splat(_EIGHT) + _absolute(residual)))
    for m in range(net.copies):
        match, candidate = _of(memory, place.matches + m), _of(memory, place.candidates + m * net.channels + channel)
        is_off = choose(splat(_ZERO), _absolute(load(candidate, 0) - value), splat(_ZERO), load(match, 0))
        store(match, 0, is_off)
    _write(net, pixels, channel, value, pixels.around, True)
    planes = net.channels * pixels.rows * pixels.columns
    for fit in range(net.fits):
        windows.know(_squares(net, pixels, fit), _strips(net, pixels, fit), channel, load(levels, 0))
        if fit == 0:
            _write(net, pixels, channel, load(levels, 0), pixels.around + 4 * planes, True)
        if net.fits > 1:
            found = load(_of(memory, place.fit), (OF_A_FIT * net.fits + fit) * LANES)
            error = (value - load(_of(memory, place.west + channel), 0)) - found
            start = pixels.around + 4 * (errors_at(net) * pixels.rows * pixels.columns + fit * planes)
            _write(net, pixels, channel, error, start, False)


@inner
def _mean(net: Local, memory: int) -> Vector:
    """The mean of the logistics whose parameters were found last."""
    parameters, k = _of(memory, layout(net).parameters), net.mixtures
    highest = highest_of(parameters, k)
    total, weighted = splat(_ZERO), splat(_ZERO)
    for j in range(0, k * LANES, LANES):
        share = exp(load(parameters, j) - highest)
        total = total + share
        weighted = weighted + share * load(parameters, k * LANES + j)
    return weighted / total


@inner
def _write(net: Local, pixels: Pixels, channel: int, value: Vector, start: int, has_borders: bool) -> None:
    """Write values into images, of which the first begins at an address, and what they say of their borders."""
    place, around, floats = layout(net), view(start, np.float32), stride(net, pixels.rows, pixels.columns)
    store(_of(pixels.memory, place.u), 0, value)  # u is free again
    values = view(pixels.memory + 4 * place.u * LANES, np.float32)
    for lane in range(LANES):
        image, row, column, _ = spot_at(pixels, lane)
        if image < 0:
            continue
        plane = image * floats + channel * pixels.rows * pixels.columns
        at = plane + (row + RADIUS) * pixels.columns + column + RADIUS
        around[at] = values[lane]
        if not has_borders:
            continue
        if column == 0 and row + RADIUS + 1 < pixels.rows:
            for n in range(RADIUS):
                around[at + pixels.columns - 1 - n] = values[lane]
        if column == pixels.columns - 2 * RADIUS - 1:
            for n in range(RADIUS):
                around[at + 1 + n] = values[lane]
