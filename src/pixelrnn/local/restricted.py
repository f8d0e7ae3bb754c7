r"""Supports in the walk of local networks: the tables of `distributions.py`, with the levels that can occur only.

The formula is that of `pixelrnn.colours.support`. Each lane has its own row of allowed levels: `Room.rows`.
"""

from typing import Any, NamedTuple

import numpy as np

from pixelrnn.colours.support import FLOOR, FREE
from pixelrnn.kernels.functions import exp
from pixelrnn.kernels.vectors import LANES, Address, address, load, pointer, splat, store, view
from pixelrnn.walk.distributions import Output, Room, compiled, sharpen, weigh
from pixelrnn.walk.quantise import WHOLE

__all__ = ["Trees", "follow", "forced", "only_level", "weigh_within", "write_shares_within"]

_ZERO, _ONE, _FLOOR = np.array([0, 1, FLOOR], np.float32)
_FAR = np.float32(1e30)  # the outer edges of the lowest and the highest level


class Trees(NamedTuple):
    """Addresses as integers of the rows of a `Forest`, int64; 0 if all levels can occur."""

    starts: int
    values: int
    next: int


@compiled
def _row(trees: Trees, row: int) -> Any:
    """The first entry of a row, and how many there are."""
    starts = view(trees.starts, np.int64)
    return starts[row], starts[row + 1] - starts[row]


@compiled
def follow(trees: Trees, row: int, level: int) -> Any:
    """The row behind a level of a row; `FREE` if the row has no such level."""
    if row == FREE:
        return FREE
    values, (first, count) = view(trees.values, np.int64), _row(trees, row)
    low, high = first, first + count
    while low < high:
        middle = (low + high) // 2
        if values[middle] < level:
            low = middle + 1
        else:
            high = middle
    is_there = low < first + count and values[low] == level
    return view(trees.next, np.int64)[low] if is_there else FREE


@compiled
def forced(trees: Trees, row: int) -> bool:
    """Whether a row has one level only."""
    return row != FREE and _row(trees, row)[1] == 1


@compiled
def only_level(trees: Trees, row: int) -> Any:
    """The level of a row that has only one."""
    return view(trees.values, np.int64)[_row(trees, row)[0]]


@compiled
def _confine(output: Output, trees: Trees, room: Room, is_first: bool) -> None:
    """Set the weights of what cannot occur to 0; the first time, also raise the others by their floor."""
    values = view(trees.values, np.int64)
    for lane in range(LANES):
        if room.rows[lane] == FREE:
            continue
        entry, count = _row(trees, room.rows[lane])
        end, total = entry + count, 0.0
        for level in range(output.levels):
            total += room.table[level * LANES + lane]
        floor = np.float32(FLOOR * total) if is_first else _ZERO
        for level in range(output.levels):
            is_allowed = entry < end and values[entry] == level
            entry += 1 if is_allowed else 0
            room.table[level * LANES + lane] = room.table[level * LANES + lane] + floor if is_allowed else _ZERO


@compiled
def weigh_within(output: Output, trees: Trees, parameters: Address, room: Room, temperature: float) -> None:
    """Fill the table of weights; as `distributions.weigh` where all levels can occur."""
    weigh(output, parameters, room, 1.0)
    _confine(output, trees, room, True)
    if temperature != 1:
        sharpen(pointer(room.table, 0), output.levels, splat(np.float32(1 / temperature)))
        _confine(output, trees, room, False)


@compiled
def _weigh_entries(output: Output, trees: Trees, parameters: Address, room: Room, lane: int) -> None:
    """Write the weights of the entries of a lane's row into `room.entries`; the room is prepared."""
    (first, count), values = _row(trees, room.rows[lane]), view(trees.values, np.int64)
    mixtures, copies = output.mixtures, output.copies
    points = view(address(parameters), np.float32)
    total = _ZERO
    for k in range(mixtures):
        total += room.scale[k * LANES + lane]
    for m in range(copies):
        total += room.scale[(3 * mixtures + m) * LANES + lane]
    _weigh_logistics(output, trees, room, lane, total)
    for m in range(copies):
        level = int(points[(3 * mixtures + copies + m) * LANES + lane])
        for entry in range(count):
            if values[first + entry] == level:
                room.entries[entry] += room.scale[(3 * mixtures + m) * LANES + lane] / total
    for entry in range(count):
        room.entries[entry] = max(room.entries[entry], _ZERO) + _FLOOR
    # What a network that has lost its numbers leaves is no number, and all entries are alike.
    for entry in range(count):
        if not room.entries[entry] < _FAR:
            room.entries[:count] = _ONE
            break


@compiled
def _weigh_logistics(output: Output, trees: Trees, room: Room, lane: int, total: Any) -> None:
    """The part of the logistics in the weights of the entries, which take the place of lanes here."""
    (first, count), values = _row(trees, room.rows[lane]), view(trees.values, np.int64)
    mixtures, top = output.mixtures, np.float32(output.levels - 1)
    for entry in range((count + LANES - 1) // LANES * LANES):
        level = values[first + min(entry, count - 1)]
        room.below_entry[entry] = np.float32(2 * level - 1) / top - _ONE if level > 0 else -_FAR
        room.above_entry[entry] = np.float32(2 * level + 1) / top - _ONE if level < top else _FAR
    for entry in range(0, count, LANES):
        below, above = load(pointer(room.below_entry, 0), entry), load(pointer(room.above_entry, 0), entry)
        weight = splat(_ZERO)
        for k in range(mixtures):
            share = splat(room.scale[k * LANES + lane] / total)
            mean = splat(room.scale[(mixtures + k) * LANES + lane])
            inverse = splat(room.scale[(2 * mixtures + k) * LANES + lane])
            high = splat(_ONE) / (splat(_ONE) + exp(mean - above * inverse))
            low = splat(_ONE) / (splat(_ONE) + exp(mean - below * inverse))
            weight = weight + share * (high - low)
        store(pointer(room.entries, 0), entry, weight)


@compiled
def write_shares_within(output: Output, trees: Trees, parameters: Address, room: Room, lane: int, place: int) -> None:
    """Write the shares of the levels of a lane, which has a row, as float64 `(levels)` at an address.

    See `tables.py`; the table is not needed.
    """
    (first, count), values, shares = _row(trees, room.rows[lane]), view(trees.values, np.int64), view(place, np.float64)
    _weigh_entries(output, trees, parameters, room, lane)
    total = reached = below = 0.0
    for entry in range(count):
        total += room.entries[entry]
    total = WHOLE / total
    for level in range(output.levels):
        shares[level] = 0.0
    for entry in range(count):
        reached += room.entries[entry]
        edge = np.floor(reached * total) if entry < count - 1 else WHOLE
        shares[values[first + entry]] = (edge - below) / WHOLE
        below = edge
