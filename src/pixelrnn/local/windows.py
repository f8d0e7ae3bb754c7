r"""Sums of products over windows around pixels, which move along the rows of images: `LANES` rows side by side.

Of each pixel z are the differences of its neighbours to the western one, of all channels, and of itself: whatever a
least-squares fit of one of the channels needs is among the products :math:`z_a z_b`. A sum is over all
windows of a `geometry.Fit`, each pixel with its weight. It moves with the pixel: a column of the rows above comes,
as high as the window, another one goes; so do the pixels of the row itself. All are whole numbers below :math:`2^{24}`,
which float32 holds exactly, whatever the order.

The memory of a group of rows has, for each lane, the sums; those of the last columns of the rows above, as high
as each window; the differences of the last pixels of the row; and values of the rows above around the column that comes
next. What belongs to a column is found by the number of the *step* in which the row came to it: lanes are at different
columns, but take each step together. A lane that begins a row, or whose row was not moved in the step before, catches
up on the steps that it needs.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from pixelrnn.kernels.functions import rounded
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import (
    LANES,
    Address,
    Vector,
    address,
    choose,
    load,
    maximum,
    minimum,
    pointer,
    splat,
    store,
    view,
)
from pixelrnn.local.geometry import FITS, NEIGHBOURS, RADIUS, Fit
from pixelrnn.local.table import MOST_CHANNELS, ROWS, Table, table_of

__all__ = [
    "EARLIEST", "PLACES", "SCRATCH", "Place", "Squares", "Strips", "floats_at", "floats_of", "know", "measure", "read",
    "slide", "spread_at", "spread_of", "weight_of",
]  # fmt: skip

_ZERO, _ONE = np.array([0, 1], np.float32)
_AROUND, _SPREAD = np.array(NEIGHBOURS), np.float32(1.5 / len(NEIGHBOURS))

EARLIEST = 4 * max(fit.window + 1 for fit in FITS)
"""Number of the first step, at least."""


class Squares(NamedTuple):
    """Sizes, and a fit.

    Attributes:
        channels: Number of channels of an image.
        levels: Number of levels of a sub-pixel.
        rows: Number of rows of a plane with its border.
        columns: Number of columns of a plane with its borders.
        table: The fit.
    """

    channels: int
    levels: int
    rows: int
    columns: int
    table: Table


class _Parts(NamedTuple):
    """Where in the memory of a group of rows the parts begin, in vectors; the sums come first."""

    kept: int
    past: int
    values: int
    west: int
    spread: int
    weight: int
    end: int


@inner
def _parts(table: Table, channels: int) -> _Parts:
    past = table.pairs + table.kept * table.windows * table.pairs
    values = past + table.kept * table.own * channels
    west = values + table.around * (table.kept // 2 - 1 + table.up) * (channels + 1)
    spread = west + channels
    return _Parts(table.pairs, past, values, west, spread, spread + 1, spread + 2)


@inner
def floats_at(table: Table, channels: int) -> Any:
    """Floats of the memory of a group of rows, for images of so many channels."""
    return _parts(table, channels).end * LANES


def floats_of(fit: Fit, channels: int) -> int:
    """As `floats_at`, for those that hold the memory."""
    table = Table(*table_of(fit, channels).integers.tolist())
    return int(_parts.py_func(table, channels).end) * LANES


PLACES = 4 * LANES
"""Integers of the places of a group of lanes."""


class Place(NamedTuple):
    """Where a lane is: address of the float32 levels of its image with their borders, number of the row, row, column.

    Behind the levels lies a plane of spreads, if a fit needs them. The number tells rows of all images apart; it is -1
    if there is none.
    """

    plain: int
    number: int
    row: int
    column: int


class Strips(NamedTuple):
    """A group of rows of images, a lane for each.

    Attributes:
        memory: Address of `FLOATS`, zeros at first.
        last: Address of `(2, LANES)` int64, zeros at first: number of the row that each lane is in, plus 1, and the
            step to which it was moved.
        places: Address of a `Place` for each.
        step: Number of the step, at least `EARLIEST`.
        scratch: Address of `SCRATCH` floats.
    """

    memory: int
    last: int
    places: int
    step: int
    scratch: int


# Scratch, in vectors: the weights with which columns come and go, and pixels of the row go and come; whether a lane
# moves, and from which column on it catches up; the differences of a column of pixels; those of the row, weighted.
_MOST = max(len(fit.windows) for fit in FITS)
_DIFFERENCES = max(len(fit.own) + 1 for fit in FITS) * MOST_CHANNELS
_IN, _OUT, _PAST_OUT = 0, _MOST, 2 * _MOST
_PAST_IN, _MOVES, _START = 3 * _MOST, 3 * _MOST + 1, 3 * _MOST + 2
_WEIGHTED = 3 * _MOST + 3
_COLUMN = _WEIGHTED + _DIFFERENCES
SCRATCH = (_COLUMN + max(fit.window for fit in FITS) * _DIFFERENCES) * LANES
"""Floats that `slide` needs for itself."""

_NOWHERE = np.float32(-(2**20))  # from where on a lane catches up that does not


@inner
def _place(strips: Strips, lane: int) -> Place:
    at = view(strips.places, np.int64)
    return Place(at[4 * lane], at[4 * lane + 1], at[4 * lane + 2], at[4 * lane + 3])


@inner
def _part(strips: Strips, start: int) -> Address:
    """A part of the memory, by its vectors."""
    return pointer(strips.memory, start * LANES)


@inner
def _past(sq: Squares, strips: Strips, step: int) -> Address:
    """The differences of the pixels of a step."""
    table = sq.table
    return _part(strips, _parts(table, sq.channels).past + step % table.kept * table.own * sq.channels)


@inner
def _values(sq: Squares, strips: Strips, step: int) -> Address:
    """Values of the rows above, row by row and channel by channel, spreads last, of the column reached in a step."""
    table = sq.table
    seen = table.kept // 2 - 1 + table.up
    return _part(strips, _parts(table, sq.channels).values + step % table.around * seen * (sq.channels + 1))


@inner
def _kept(sq: Squares, strips: Strips, step: int, window: int) -> Address:
    """Sums of a column of the rows above, as high as a window, that is reached in a step."""
    of_step = step % sq.table.kept * sq.table.windows + window
    return _part(strips, sq.table.pairs * (1 + of_step))


@inner
def slide(sq: Squares, strips: Strips) -> None:
    """Move the windows of all lanes to their pixels, and take the differences of these."""
    last, behind, window = view(strips.last, np.int64), 0, _window(sq)
    sums, starts = view(strips.memory, np.float32), _scratch(strips, _START)
    for lane in range(LANES):
        place = _place(strips, lane)
        if place.number < 0:
            continue
        starts[lane] = _NOWHERE
        if last[lane] != place.number + 1 or last[LANES + lane] != strips.step - 1:
            starts[lane] = max(place.column - 2 * window, -window)
            behind = max(behind, place.column - int(starts[lane]))
            for pair in range(sq.table.pairs):
                sums[pair * LANES + lane] = 0
        last[lane], last[LANES + lane] = place.number + 1, strips.step
    if behind:
        for shift in range(behind + sq.table.around - 1, behind, -1):
            _look(sq, strips, shift)
        for shift in range(behind, 0, -1):
            _move(sq, strips, shift)
    _move(sq, strips, 0)
    _count(sq, strips)


@inner
def _window(sq: Squares) -> Any:
    """The radius of the largest window."""
    return sq.table.kept // 2 - 1


@inner
def _scratch(strips: Strips, start: int) -> Any:
    return view(strips.scratch + 4 * start * LANES, np.float32)


@inner
def _move(sq: Squares, strips: Strips, shift: int) -> None:
    """Move the windows to the place so many columns before that of each lane; if any, of those that catch up only."""
    _look(sq, strips, shift)
    _weigh(sq, strips, shift)
    _subtract(sq, strips, shift)
    _keep(sq, strips, shift)
    for window in range(sq.table.windows):
        _exchange(sq, strips, shift, window)
    _add_past(sq, strips, _past(sq, strips, strips.step - shift - 1), _PAST_IN)
    _remember(sq, strips, shift)


@inner
def _look(sq: Squares, strips: Strips, shift: int) -> None:
    """See the values of the rows above in the column that comes next."""
    starts, width = _scratch(strips, _START), sq.columns - 2 * RADIUS
    for lane in range(LANES):
        place, start = _place(strips, lane), int(starts[lane])
        is_late = start == _NOWHERE or place.column - shift < start - sq.table.around + 1
        if place.number < 0 or (shift > 0 and is_late):
            continue
        plane = view(place.plain, np.float32)
        for up in range(1, _window(sq) + sq.table.up + 1):
            # Of the row just above, the pixel to the right may not be there yet; nothing needs it.
            column = place.column - shift + _window(sq) + (sq.table.right if up > 1 else 0)
            is_there = up <= place.row + sq.table.up and column < width + RADIUS
            to = view(address(_values(sq, strips, strips.step + column - place.column)), np.float32)
            at = (place.row + RADIUS - up) * sq.columns + column + RADIUS
            for channel in range(sq.channels + (1 if sq.table.scale else 0)):
                value = plane[at + channel * sq.rows * sq.columns] if is_there else _ZERO
                to[((up - 1) * (sq.channels + 1) + channel) * LANES + lane] = value


@inner
def _weigh(sq: Squares, strips: Strips, shift: int) -> None:
    """Find out, for each lane, which columns and pixels come and go."""
    scratch, width, total = _scratch(strips, 0), sq.columns - 2 * RADIUS, _ZERO
    radii, weights = view(sq.table.radii, np.int64), view(sq.table.weights, np.float32)
    for window in range(sq.table.windows):
        total += weights[window]
    for number in range(_START * LANES):
        scratch[number] = 0
    for lane in range(LANES):
        place, start = _place(strips, lane), int(scratch[_START * LANES + lane])
        column = place.column - shift
        if place.number < 0 or (shift > 0 and (start == _NOWHERE or column < start)):
            continue
        scratch[_MOVES * LANES + lane] = 1
        # Before the start nothing has come that could go.
        scratch[_PAST_IN * LANES + lane] = total if column - 1 >= max(0, start) else _ZERO
        for window in range(sq.table.windows):
            coming, gone, weight = column + radii[window], column - radii[window] - 1, weights[window]
            scratch[(_IN + window) * LANES + lane] = weight if 0 <= coming < width else _ZERO
            scratch[(_OUT + window) * LANES + lane] = _ZERO - weight if gone >= max(0, start + radii[window]) else _ZERO
            scratch[(_PAST_OUT + window) * LANES + lane] = _ZERO - weight if gone >= max(0, start) else _ZERO


@inner
def _bounded(sq: Squares, difference: Vector, spread: Vector) -> Vector:
    """A difference in whole units."""
    most = splat(np.float32(sq.table.most))
    if sq.table.scale:  # beside an image there are no spreads, and nothing counts
        difference = difference / maximum(spread, splat(_ONE)) * splat(np.float32(sq.table.scale))
    bounded = minimum(maximum(difference, splat(_ZERO) - most), most)
    return rounded(bounded) if sq.table.scale else bounded


@inner
def measure(sq: Squares, strips: Strips) -> None:
    """Write the spreads of the pixels that the windows come to into their images."""
    planes = sq.rows * sq.columns
    for lane in range(LANES):
        place = _place(strips, lane)
        if place.number < 0:
            continue
        plane, total = view(place.plain, np.float32), _ZERO
        here = (place.row + RADIUS) * sq.columns + place.column + RADIUS
        for channel in range(sq.channels):
            base = plane[here + channel * planes - 1]
            for n in range(len(_AROUND)):
                at = here + channel * planes - _AROUND[n, 0] * sq.columns + _AROUND[n, 1]
                total += abs(plane[at] - base)
        plane[here + sq.channels * planes] = spread_of(total, sq.channels)


@register_jitable  # Python calls it too
def spread_of(total: Any, channels: int) -> Any:
    """The spread of a pixel by the sum of the changes around it, of all channels, which float32 holds exactly."""
    return total * (_SPREAD / np.float32(channels)) + _ONE


@inner
def _subtract(sq: Squares, strips: Strips, shift: int) -> None:
    """Find the differences of the pixels of the column of the rows above that comes next."""
    column, to = strips.step - shift + _window(sq), pointer(strips.scratch, _COLUMN * LANES)
    highest, offsets = 2**20, view(sq.table.offsets, np.int64)
    for lane in range(LANES):
        place = _place(strips, lane)
        highest = min(highest, place.row) if place.number >= 0 else highest
    rows, inside = (sq.channels + 1) * LANES, _scratch(strips, _WEIGHTED)
    here, west = _values(sq, strips, column), _values(sq, strips, column - 1)
    for up in range(_window(sq)):
        spread = load(here, up * rows + sq.channels * LANES)
        for channel in range(0, sq.channels * LANES, LANES):
            base = load(west, up * rows + channel)
            for number in range(sq.table.own - 1):
                source = _values(sq, strips, column + offsets[2 * number + 1])
                value = load(source, (up + offsets[2 * number]) * rows + channel)
                store(to, number * LANES, _bounded(sq, value - base, spread))
            store(to, (sq.table.own - 1) * LANES, _bounded(sq, load(here, up * rows + channel) - base, spread))
            to = pointer(to, sq.table.own * LANES)
        if up >= highest:  # above some images
            for lane in range(LANES):
                inside[lane] = _ONE if up < _place(strips, lane).row else _ZERO
            is_inside = load(pointer(strips.scratch, _WEIGHTED * LANES), 0)
            for number in range(1, sq.table.own * sq.channels + 1):
                store(to, -number * LANES, load(to, -number * LANES) * is_inside)


@inner
def _keep(sq: Squares, strips: Strips, shift: int) -> None:
    """Sum the products of the column that comes next, as high as each window; each is higher than the one before."""
    column, of_row = pointer(strips.scratch, _COLUMN * LANES), sq.table.own * sq.channels * LANES
    tables, radii = view(sq.table.products, np.int64), view(sq.table.radii, np.int64)
    step = strips.step - shift + _window(sq)
    moves = load(pointer(strips.scratch, _MOVES * LANES), 0)
    for pair in range(sq.table.pairs):
        a, b = tables[2 * pair] * LANES, tables[2 * pair + 1] * LANES
        total, up = splat(_ZERO), 0
        for window in range(sq.table.windows):
            while up < radii[window]:
                total = total + load(column, up * of_row + a) * load(column, up * of_row + b)
                up += 1
            to = _kept(sq, strips, step, window)
            kept = total if shift == 0 else choose(splat(_ZERO), moves, total, load(to, pair * LANES))
            store(to, pair * LANES, kept)


@inner
def _exchange(sq: Squares, strips: Strips, shift: int, window: int) -> None:
    """Add a column of a window to the sums, and take one away, and the pixel of the row that leaves the window."""
    sums, step, radius = strips.memory, strips.step - shift, view(sq.table.radii, np.int64)[window]
    coming = _kept(sq, strips, step + radius, window)
    gone = _kept(sq, strips, step - radius - 1, window)
    more = load(pointer(strips.scratch, (_IN + window) * LANES), 0)
    less = load(pointer(strips.scratch, (_OUT + window) * LANES), 0)
    to = pointer(sums, 0)
    for pair in range(0, sq.table.pairs * LANES, LANES):
        store(to, pair, load(to, pair) + more * load(coming, pair) + less * load(gone, pair))
    _add_past(sq, strips, _past(sq, strips, step - radius - 1), _PAST_OUT + window)


@inner
def _add_past(sq: Squares, strips: Strips, past: Address, weights: int) -> None:
    """Add the products of a pixel of the row to the sums, by a weight of each lane."""
    tables, to = view(sq.table.products, np.int64), pointer(strips.memory, 0)
    weight, weighted = load(pointer(strips.scratch, weights * LANES), 0), pointer(strips.scratch, _WEIGHTED * LANES)
    for number in range(0, sq.table.own * sq.channels * LANES, LANES):
        store(weighted, number, weight * load(past, number))
    for pair in range(sq.table.pairs):
        a, b = tables[2 * pair] * LANES, tables[2 * pair + 1] * LANES
        store(to, pair * LANES, load(to, pair * LANES) + load(weighted, a) * load(past, b))


@inner
def _bounded_alone(sq: Squares, difference: Any, spread: Any) -> Any:
    """As `_bounded`, of one lane."""
    most = np.float32(sq.table.most)
    if sq.table.scale:
        difference = difference / spread * np.float32(sq.table.scale)
    bounded = min(max(difference, -most), most)
    return np.rint(bounded) if sq.table.scale else bounded


@inner
def _remember(sq: Squares, strips: Strips, shift: int) -> None:
    """Take the differences of the pixels that the windows are at; see `know` for those of the pixels themselves."""
    to, moves = view(address(_past(sq, strips, strips.step - shift)), np.float32), _scratch(strips, _MOVES)
    west = view(address(_part(strips, _parts(sq.table, sq.channels).west)), np.float32)
    spreads = view(address(_part(strips, _parts(sq.table, sq.channels).spread)), np.float32)
    offsets, planes = view(sq.table.offsets, np.int64), sq.rows * sq.columns
    for lane in range(LANES):
        place = _place(strips, lane)
        if moves[lane] == 0 or place.column < shift:
            continue
        plane, here = view(place.plain, np.float32), (place.row + RADIUS) * sq.columns + place.column - shift + RADIUS
        spread = plane[here + sq.channels * planes] if sq.table.scale else _ONE
        spreads[lane] = spread
        for channel in range(sq.channels):
            at, number = here + channel * planes, channel * sq.table.own
            base = plane[at - 1]
            west[channel * LANES + lane] = base
            for of_channel in range(sq.table.own - 1):
                value = plane[at - offsets[2 * of_channel] * sq.columns + offsets[2 * of_channel + 1]]
                to[(number + of_channel) * LANES + lane] = _bounded_alone(sq, value - base, spread)
            to[(number + sq.table.own - 1) * LANES + lane] = _bounded_alone(sq, plane[at] - base, spread)


@inner
def _count(sq: Squares, strips: Strips) -> None:
    """Sum the weights of all pixels in the windows."""
    to, width = view(address(_part(strips, _parts(sq.table, sq.channels).weight)), np.float32), sq.columns - 2 * RADIUS
    radii, weights = view(sq.table.radii, np.int64), view(sq.table.weights, np.float32)
    for lane in range(LANES):
        place, weight = _place(strips, lane), _ZERO
        for window in range(sq.table.windows):
            radius = radii[window]
            left, right = min(place.column, radius), min(width - 1 - place.column, radius)
            weight += weights[window] * np.float32(min(place.row, radius) * (left + 1 + right) + left)
        to[lane] = weight


@inner
def spread_at(sq: Squares, strips: Strips) -> Vector:
    """The spreads of the pixels that the windows are at; 1 where none is needed."""
    return load(_part(strips, _parts(sq.table, sq.channels).spread), 0)


@inner
def weight_of(sq: Squares, strips: Strips) -> Vector:
    """The sum of the weights of all pixels in the windows."""
    return load(_part(strips, _parts(sq.table, sq.channels).weight), 0)


@inner
def know(sq: Squares, strips: Strips, channel: int, levels: Vector) -> None:
    """Take the values of a channel of the pixels that the windows are at, in levels."""
    number = channel * sq.table.own + sq.table.own - 1
    west = load(_part(strips, _parts(sq.table, sq.channels).west), channel * LANES)
    store(_past(sq, strips, strips.step), number * LANES, _bounded(sq, levels - west, spread_at(sq, strips)))


@inner
def read(sq: Squares, strips: Strips, channel: int, z: Address, matrix: Address) -> None:
    """Write the differences that a channel is predicted by, and the matrix of the sums of their products: of each lane.

    Args:
        sq: Sizes.
        strips: Rows, whose windows are at the pixels.
        channel: Number of the channel.
        z: `(n, LANES)` for the n differences.
        matrix: `(n + 1, n + 1, LANES)`, of which the lower half is written: its last row is of the channel itself.
    """
    size, past = view(sq.table.counts, np.int64)[channel] + 1, _past(sq, strips, strips.step)
    sums = pointer(strips.memory, 0)
    numbers = view(sq.table.numbers + 8 * ROWS * channel, np.int64)
    products = view(sq.table.matrix + 8 * ROWS * ROWS * channel, np.int64)
    for i in range(size - 1):
        store(z, i * LANES, load(past, numbers[i] * LANES))
    for i in range(size):
        for j in range(i + 1):
            store(matrix, (i * size + j) * LANES, load(sums, products[i * ROWS + j] * LANES))
