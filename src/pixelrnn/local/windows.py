r"""Sums of products over windows around pixels, which move along the rows of images: `LANES` rows side by side.

Of each pixel z are the differences of its neighbours to the western one, of all channels, and of itself: whatever a
least-squares fit of one of the channels needs is among the products :math:`z_a z_b` (`PAIRS`). A sum is over all
windows of `geometry.WINDOWS`, each pixel with its weight. It moves with the pixel: a column of the rows above comes,
as high as the window, another one goes; so do the pixels of the row itself. All are whole numbers below :math:`2^{24}`,
which float32 holds exactly, whatever the order.

The memory of a group of rows has, for each lane, the sums; those of the last `KEPT` columns of the rows above, as high
as each window; the differences of the last pixels of the row; and values of the rows above around the column that comes
next. What belongs to a column is found by the number of the *step* in which the row came to it: lanes are at different
columns, but take each step together. A lane that begins a row, or whose row was not moved in the step before, catches
up on the steps that it needs.
"""

from typing import Any, NamedTuple

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.record import Int64
from pixelrnn.kernels.vectors import LANES, Address, Vector, address, choose, load, pointer, splat, store, view
from pixelrnn.local.geometry import RADIUS, WINDOW, WINDOWS, fitted_differences

__all__ = [
    "COUNTS", "EARLIEST", "FLOATS", "PLACES", "ROWS", "SCRATCH", "Place", "Squares", "Strips", "know",
    "read", "slide", "tables_of", "weight_of",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]

MOST_CHANNELS = 4
RADII, WEIGHTS = np.array([radius for radius, _ in WINDOWS]), np.array([weight for _, weight in WINDOWS], np.float32)
KEPT = 2 * WINDOW + 2

EARLIEST = 2 * KEPT
"""Number of the first step, at least."""

_ALL = WEIGHTS.sum()
_ZERO, _ONE = np.array([0, 1], np.float32)

# The differences of a channel: of the neighbours that it is predicted by itself, then of the pixel itself.
_OWN = [place[1:] for place in fitted_differences(0)]
OF_A_CHANNEL = len(_OWN) + 1
OWN = np.array(_OWN)
UP, LEFT, RIGHT = max(up for up, _ in _OWN), -min(right for _, right in _OWN), max(right for _, right in _OWN)
SEEN = WINDOW + UP  # rows above, of which values are kept
AROUND = LEFT + RIGHT + 1  # columns of these

COUNTS = np.array([len(fitted_differences(channel)) for channel in range(MOST_CHANNELS)])
"""Differences that each channel is predicted by."""

ROWS = COUNTS[-1] + 1
"""Of the largest matrix: of the differences, and of the pixel itself."""


def _numbers(channel: int) -> list[int]:
    """The differences that a channel is predicted by, and its own last, as numbers among all."""
    known = [*_OWN, (0, 0)]
    return [
        e * OF_A_CHANNEL + known.index((up, right)) for e, up, right in [*fitted_differences(channel), (channel, 0, 0)]
    ]


def _pairs(channels: int) -> list[tuple[int, int]]:
    """All products that are needed."""
    found = set()
    for channel in range(channels):
        numbers = _numbers(channel)
        found |= {(max(a, b), min(a, b)) for a in numbers for b in numbers}
    return sorted(found)


PAIRS = np.array([len(_pairs(channels)) for channels in range(MOST_CHANNELS + 1)])
"""Products that are summed, for images of so many channels."""

_TABLE = ROWS + ROWS * ROWS  # integers of a channel
_KEPT = PAIRS  # the sums come first
_PAST = _KEPT + KEPT * len(WINDOWS) * PAIRS
_VALUES = _PAST + KEPT * OF_A_CHANNEL * np.arange(MOST_CHANNELS + 1)
_WEST = _VALUES + AROUND * SEEN * np.arange(MOST_CHANNELS + 1)
_IN_ALL = _WEST + np.arange(MOST_CHANNELS + 1)
FLOATS = (_IN_ALL + 1) * LANES
"""Floats of the memory of a group of rows, for images of so many channels."""


def tables_of(channels: int) -> Array:
    """Which products there are; then for each channel its differences, and the products of a matrix row by row."""
    pairs = _pairs(channels)
    table = np.zeros(2 * len(pairs) + channels * _TABLE, np.int64)
    table[: 2 * len(pairs)] = np.array(pairs).reshape(-1)
    for channel in range(channels):
        numbers = _numbers(channel)
        of_channel = table[2 * len(pairs) + channel * _TABLE :]
        of_channel[: len(numbers)] = numbers
        for i, a in enumerate(numbers):
            for j, b in enumerate(numbers[: i + 1]):
                of_channel[ROWS + i * ROWS + j] = pairs.index((max(a, b), min(a, b)))
    return table


class Squares(NamedTuple):
    """Sizes, and the table that `tables_of` makes.

    Attributes:
        channels: Number of channels of an image.
        levels: Number of levels of a sub-pixel, up to 256.
        rows: Number of rows of a plane with its border.
        columns: Number of columns of a plane with its borders.
        tables: Address of the table.
    """

    channels: int
    levels: int
    rows: int
    columns: int
    tables: Int64


PLACES = 4 * LANES
"""Integers of the places of a group of lanes."""


class Place(NamedTuple):
    """Where a lane is: address of the float32 levels of its image with their borders, number of the row, row, column.

    The number tells rows of all images apart; it is -1 if there is none.
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
_IN, _OUT, _PAST_OUT = 0, len(WINDOWS), 2 * len(WINDOWS)
_PAST_IN, _MOVES, _START = 3 * len(WINDOWS), 3 * len(WINDOWS) + 1, 3 * len(WINDOWS) + 2
_COLUMN = 3 * len(WINDOWS) + 3
_WEIGHTED = _COLUMN + WINDOW * OF_A_CHANNEL * MOST_CHANNELS
SCRATCH = (_WEIGHTED + OF_A_CHANNEL * MOST_CHANNELS) * LANES
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
    return _part(strips, _PAST[sq.channels] + step % KEPT * OF_A_CHANNEL * sq.channels)


@inner
def _values(sq: Squares, strips: Strips, step: int) -> Address:
    """Values of the rows above, row by row and channel by channel, of the column that is reached in a step."""
    return _part(strips, _VALUES[sq.channels] + step % AROUND * SEEN * sq.channels)


@inner
def _kept(sq: Squares, strips: Strips, step: int, window: int) -> Address:
    """Sums of a column of the rows above, as high as a window, that is reached in a step."""
    of_step = step % KEPT * len(RADII) + window
    return _part(strips, _KEPT[sq.channels] + of_step * PAIRS[sq.channels])


@inner
def slide(sq: Squares, strips: Strips) -> None:
    """Move the windows of all lanes to their pixels, and take the differences of these."""
    last, behind = view(strips.last, np.int64), 0
    sums, starts = view(strips.memory, np.float32), _scratch(strips, _START)
    for lane in range(LANES):
        place = _place(strips, lane)
        if place.number < 0:
            continue
        starts[lane] = _NOWHERE
        if last[lane] != place.number + 1 or last[LANES + lane] != strips.step - 1:
            starts[lane] = max(place.column - 2 * WINDOW, -WINDOW)
            behind = max(behind, place.column - int(starts[lane]))
            for pair in range(PAIRS[sq.channels]):
                sums[pair * LANES + lane] = 0
        last[lane], last[LANES + lane] = place.number + 1, strips.step
    if behind:
        for shift in range(behind + AROUND - 1, behind, -1):
            _look(sq, strips, shift)
        for shift in range(behind, 0, -1):
            _move(sq, strips, shift)
    _move(sq, strips, 0)
    _count(sq, strips)


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
    for window in range(len(RADII)):
        _exchange(sq, strips, shift, window)
    _add_past(sq, strips, _past(sq, strips, strips.step - shift - 1), _PAST_IN)
    _remember(sq, strips, shift)


@inner
def _look(sq: Squares, strips: Strips, shift: int) -> None:
    """See the values of the rows above in the column that comes next."""
    starts, width = _scratch(strips, _START), sq.columns - 2 * RADIUS
    for lane in range(LANES):
        place, start = _place(strips, lane), int(starts[lane])
        if place.number < 0 or (shift > 0 and (start == _NOWHERE or place.column - shift < start - AROUND + 1)):
            continue
        plane = view(place.plain, np.float32)
        for up in range(1, SEEN + 1):
            # Of the row just above, the pixel to the right may not be there yet; nothing needs it.
            column = place.column - shift + WINDOW + (RIGHT if up > 1 else 0)
            is_there = up <= place.row + UP and column < width + RADIUS
            to = view(address(_values(sq, strips, strips.step + column - place.column)), np.float32)
            at = (place.row + RADIUS - up) * sq.columns + column + RADIUS
            for channel in range(sq.channels):
                value = plane[at + channel * sq.rows * sq.columns] if is_there else _ZERO
                to[((up - 1) * sq.channels + channel) * LANES + lane] = value


@inner
def _weigh(sq: Squares, strips: Strips, shift: int) -> None:
    """Find out, for each lane, which columns and pixels come and go."""
    scratch, width = _scratch(strips, 0), sq.columns - 2 * RADIUS
    for number in range(_START * LANES):
        scratch[number] = 0
    for lane in range(LANES):
        place, start = _place(strips, lane), int(scratch[_START * LANES + lane])
        column = place.column - shift
        if place.number < 0 or (shift > 0 and (start == _NOWHERE or column < start)):
            continue
        scratch[_MOVES * LANES + lane] = 1
        # Before the start nothing has come that could go.
        scratch[_PAST_IN * LANES + lane] = _ALL if column - 1 >= max(0, start) else _ZERO
        for window in range(len(RADII)):
            coming, gone, weight = column + RADII[window], column - RADII[window] - 1, WEIGHTS[window]
            scratch[(_IN + window) * LANES + lane] = weight if 0 <= coming < width else _ZERO
            scratch[(_OUT + window) * LANES + lane] = _ZERO - weight if gone >= max(0, start + RADII[window]) else _ZERO
            scratch[(_PAST_OUT + window) * LANES + lane] = _ZERO - weight if gone >= max(0, start) else _ZERO


@inner
def _subtract(sq: Squares, strips: Strips, shift: int) -> None:
    """Find the differences of the pixels of the column of the rows above that comes next."""
    column, to = strips.step - shift + WINDOW, pointer(strips.scratch, _COLUMN * LANES)
    highest = 2**20
    for lane in range(LANES):
        place = _place(strips, lane)
        highest = min(highest, place.row) if place.number >= 0 else highest
    rows, inside = sq.channels * LANES, _scratch(strips, _WEIGHTED)
    here, west = _values(sq, strips, column), _values(sq, strips, column - 1)
    for up in range(WINDOW):
        for channel in range(0, rows, LANES):
            base = load(west, up * rows + channel)
            for number in range(OF_A_CHANNEL - 1):
                source = _values(sq, strips, column + OWN[number, 1])
                store(to, number * LANES, load(source, (up + OWN[number, 0]) * rows + channel) - base)
            store(to, (OF_A_CHANNEL - 1) * LANES, load(here, up * rows + channel) - base)
            to = pointer(to, OF_A_CHANNEL * LANES)
        if up >= highest:  # above some images
            for lane in range(LANES):
                inside[lane] = _ONE if up < _place(strips, lane).row else _ZERO
            is_inside = load(pointer(strips.scratch, _WEIGHTED * LANES), 0)
            for number in range(1, OF_A_CHANNEL * sq.channels + 1):
                store(to, -number * LANES, load(to, -number * LANES) * is_inside)


@inner
def _keep(sq: Squares, strips: Strips, shift: int) -> None:
    """Sum the products of the column that comes next, as high as each window; each is higher than the one before."""
    column, of_row = pointer(strips.scratch, _COLUMN * LANES), OF_A_CHANNEL * sq.channels * LANES
    tables, step = view(sq.tables, np.int64), strips.step - shift + WINDOW
    moves = load(pointer(strips.scratch, _MOVES * LANES), 0)
    for pair in range(PAIRS[sq.channels]):
        a, b = tables[2 * pair] * LANES, tables[2 * pair + 1] * LANES
        total, up = splat(_ZERO), 0
        for window in range(len(RADII)):
            for _ in range(RADII[window] - (RADII[window - 1] if window else 0)):
                total = total + load(column, up * of_row + a) * load(column, up * of_row + b)
                up += 1
            to = _kept(sq, strips, step, window)
            kept = total if shift == 0 else choose(splat(_ZERO), moves, total, load(to, pair * LANES))
            store(to, pair * LANES, kept)


@inner
def _exchange(sq: Squares, strips: Strips, shift: int, window: int) -> None:
    """Add a column of a window to the sums, and take one away, and the pixel of the row that leaves the window."""
    sums, step = strips.memory, strips.step - shift
    coming = _kept(sq, strips, step + RADII[window], window)
    gone = _kept(sq, strips, step - RADII[window] - 1, window)
    more = load(pointer(strips.scratch, (_IN + window) * LANES), 0)
    less = load(pointer(strips.scratch, (_OUT + window) * LANES), 0)
    to = pointer(sums, 0)
    for pair in range(0, PAIRS[sq.channels] * LANES, LANES):
        store(to, pair, load(to, pair) + more * load(coming, pair) + less * load(gone, pair))
    _add_past(sq, strips, _past(sq, strips, step - RADII[window] - 1), _PAST_OUT + window)


@inner
def _add_past(sq: Squares, strips: Strips, past: Address, weights: int) -> None:
    """Add the products of a pixel of the row to the sums, by a weight of each lane."""
    tables, to = view(sq.tables, np.int64), pointer(strips.memory, 0)
    weight, weighted = load(pointer(strips.scratch, weights * LANES), 0), pointer(strips.scratch, _WEIGHTED * LANES)
    for number in range(0, OF_A_CHANNEL * sq.channels * LANES, LANES):
        store(weighted, number, weight * load(past, number))
    for pair in range(PAIRS[sq.channels]):
        a, b = tables[2 * pair] * LANES, tables[2 * pair + 1] * LANES
        store(to, pair * LANES, load(to, pair * LANES) + load(weighted, a) * load(past, b))


@inner
def _remember(sq: Squares, strips: Strips, shift: int) -> None:
    """Take the differences of the pixels that the windows are at; see `know` for those of the pixels themselves."""
    to, moves = view(address(_past(sq, strips, strips.step - shift)), np.float32), _scratch(strips, _MOVES)
    west = view(address(_part(strips, _WEST[sq.channels])), np.float32)
    for lane in range(LANES):
        place = _place(strips, lane)
        if moves[lane] == 0 or place.column < shift:
            continue
        plane, here = view(place.plain, np.float32), (place.row + RADIUS) * sq.columns + place.column - shift + RADIUS
        for channel in range(sq.channels):
            at, number = here + channel * sq.rows * sq.columns, channel * OF_A_CHANNEL
            base = plane[at - 1]
            west[channel * LANES + lane] = base
            for of_channel in range(OF_A_CHANNEL - 1):
                value = plane[at - OWN[of_channel, 0] * sq.columns + OWN[of_channel, 1]]
                to[(number + of_channel) * LANES + lane] = value - base
            to[(number + OF_A_CHANNEL - 1) * LANES + lane] = plane[at] - base


@inner
def _count(sq: Squares, strips: Strips) -> None:
    """Sum the weights of all pixels in the windows."""
    to, width = view(address(_part(strips, _IN_ALL[sq.channels])), np.float32), sq.columns - 2 * RADIUS
    for lane in range(LANES):
        place, weight = _place(strips, lane), _ZERO
        for window in range(len(RADII)):
            radius = RADII[window]
            left, right = min(place.column, radius), min(width - 1 - place.column, radius)
            weight += WEIGHTS[window] * np.float32(min(place.row, radius) * (left + 1 + right) + left)
        to[lane] = weight


@inner
def weight_of(sq: Squares, strips: Strips) -> Vector:
    """The sum of the weights of all pixels in the windows."""
    return load(_part(strips, _IN_ALL[sq.channels]), 0)


@inner
def know(sq: Squares, strips: Strips, channel: int, levels: Vector) -> None:
    """Take the values of a channel of the pixels that the windows are at, in levels."""
    number = channel * OF_A_CHANNEL + OF_A_CHANNEL - 1
    west = load(_part(strips, _WEST[sq.channels]), channel * LANES)
    store(_past(sq, strips, strips.step), number * LANES, levels - west)


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
    size, past, sums = COUNTS[channel] + 1, _past(sq, strips, strips.step), pointer(strips.memory, 0)
    table = view(sq.tables + 8 * (2 * PAIRS[sq.channels] + channel * _TABLE), np.int64)
    for i in range(size - 1):
        store(z, i * LANES, load(past, table[i] * LANES))
    for i in range(size):
        for j in range(i + 1):
            store(matrix, (i * size + j) * LANES, load(sums, table[ROWS + i * ROWS + j] * LANES))
