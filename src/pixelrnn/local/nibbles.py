r"""A level in two steps for an entropy coder: which sixteen levels it is among, then which of them.

.. math:: p(v) = p(\lfloor v / 16 \rfloor) \, p(v \mid \lfloor v / 16 \rfloor)

For a mixture of discretised logistics and points the weight of all levels below one has a closed form, so that 33 of
these are enough for one of 256 levels, instead of a table of all. As good for a code, whose shares are multiples of
:math:`2^{-24}`; how they are made of weights is said in `tables.py`.
"""

from typing import Any

import numpy as np

from pixelrnn.kernels.functions import exp
from pixelrnn.kernels.vectors import LANES, Address, Vector, choose, load, minimum, pointer, splat, store
from pixelrnn.walk.distributions import Output, Room, compiled

__all__ = ["DIGIT", "high_digits", "low_digits", "weigh_high", "weigh_low"]

DIGIT = 16
"""Levels that are told from one another in the second step."""

_ZERO, _HALF, _ONE = np.array([0, 0.5, 1], np.float32)
_FLOOR = np.float32(2.0**-26)  # of a level, in the second step: sums of float32 differ by more where little is left


@compiled
def high_digits(levels: int) -> Any:
    """How many sixteens there are."""
    return (levels + DIGIT - 1) // DIGIT


@compiled
def low_digits(levels: int) -> Any:
    """How many levels a sixteen has."""
    return min(levels, DIGIT)


@compiled
def _total(output: Output, room: Room) -> Vector:
    """The weight of all levels; the room is prepared."""
    prepared, total = pointer(room.scale, 0), splat(_ZERO)
    for k in range(output.mixtures):
        total = total + load(prepared, k * LANES)
    for m in range(3 * output.mixtures, 3 * output.mixtures + output.copies):
        total = total + load(prepared, m * LANES)
    return total


@compiled
def _weight_below(output: Output, parameters: Address, room: Room, level: Vector, total: Vector) -> Vector:
    """The weight of all levels below a level; the room is prepared."""
    count, prepared, top = output.mixtures, pointer(room.scale, 0), np.float32(output.levels - 1)
    edge = (level + level - splat(_ONE)) / splat(top) - splat(_ONE)
    below = splat(_ZERO)
    for k in range(0, count * LANES, LANES):
        mean, inverse = load(prepared, count * LANES + k), load(prepared, 2 * count * LANES + k)
        below = below + load(prepared, k) / (splat(_ONE) + exp(mean - edge * inverse))
    for m in range(output.copies):
        point = load(parameters, (3 * count + output.copies + m) * LANES)
        below = below + choose(point, level, load(prepared, (3 * count + m) * LANES), splat(_ZERO))
    below = choose(level, splat(_HALF), splat(_ZERO), below)
    return choose(splat(top), level, total, below)


@compiled
def weigh_high(output: Output, parameters: Address, room: Room) -> None:
    """Fill the table with the weight of each sixteen and all below it; the room is prepared."""
    total = _total(output, room)
    for digit in range(high_digits(output.levels)):
        level = splat(np.float32(DIGIT * (digit + 1)))
        store(pointer(room.table, 0), digit * LANES, _weight_below(output, parameters, room, level, total))


@compiled
def weigh_low(output: Output, parameters: Address, room: Room) -> None:
    """Fill the table with the weight of each level of a sixteen and those of it below; the room is prepared.

    `room.chosen` has the first level of each lane's sixteen.
    """
    total, first = _total(output, room), load(pointer(room.chosen, 0), 0)
    before, floor = _weight_below(output, parameters, room, first, total), total * splat(_FLOOR)
    for digit in range(low_digits(output.levels)):
        level = first + splat(np.float32(digit + 1))
        weight = _weight_below(output, parameters, room, level, total) - before
        allowed = minimum(level, splat(np.float32(output.levels))) - first
        store(pointer(room.table, 0), digit * LANES, weight + allowed * floor)
