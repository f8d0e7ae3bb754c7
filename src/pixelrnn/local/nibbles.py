r"""A level as a two-stage symbol for an entropy coder: which sixteen levels it is among, then which of them.

.. math:: p(v) = p(\lfloor v / 16 \rfloor) \, p(v \mid \lfloor v / 16 \rfloor)

For a mixture of discretised logistics and points the weight of all levels below one has a closed form, so that 33 of
these are enough for one of 256 levels, instead of a table of all. As good for a code, whose probabilities are multiples
of :math:`2^{-24}`; how they are made of weights is said in `pixelrnn.outputs.quantise`.
"""

from typing import Any

import numpy as np

from pixelrnn.kernels.functions import exp
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import LANES, Address, Vector, choose, load, minimum, pointer, splat, store
from pixelrnn.outputs.workspace import Output, Workspace

__all__ = ["NIBBLE", "high_nibbles", "low_nibbles", "weigh_high", "weigh_low"]

NIBBLE = 16
"""Levels that are told from one another in the second step."""

_ZERO, _HALF, _ONE = np.array([0, 0.5, 1], np.float32)
_FLOOR = np.float32(2.0**-26)  # of a level, in the second step: sums of float32 differ by more where little is left


@inner
def high_nibbles(levels: int) -> Any:
    """How many sixteens there are."""
    return (levels + NIBBLE - 1) // NIBBLE


@inner
def low_nibbles(levels: int) -> Any:
    """How many levels a sixteen has."""
    return min(levels, NIBBLE)


@inner
def _total(output: Output, workspace: Workspace) -> Vector:
    """The weight of all levels; the workspace is prepared."""
    prepared, total = pointer(workspace.scale, 0), splat(_ZERO)
    for k in range(output.mixtures):
        total = total + load(prepared, k * LANES)
    for m in range(3 * output.mixtures, 3 * output.mixtures + output.copies):
        total = total + load(prepared, m * LANES)
    return total


@inner
def _weight_below(output: Output, parameters: Address, workspace: Workspace, level: Vector, total: Vector) -> Vector:
    """The weight of all levels below a level; the workspace is prepared."""
    count, prepared, top = output.mixtures, pointer(workspace.scale, 0), np.float32(output.levels - 1)
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


@inner
def weigh_high(output: Output, parameters: Address, workspace: Workspace) -> None:
    """Fill the table with the weight of each sixteen and all below it; the workspace is prepared."""
    total = _total(output, workspace)
    for nibble in range(high_nibbles(output.levels)):
        level = splat(np.float32(NIBBLE * (nibble + 1)))
        store(pointer(workspace.table, 0), nibble * LANES, _weight_below(output, parameters, workspace, level, total))


@inner
def weigh_low(output: Output, parameters: Address, workspace: Workspace) -> None:
    """Fill the table with the weight of each level of a sixteen and those of it below; the workspace is prepared.

    `workspace.chosen` has the first level of each lane's sixteen.
    """
    total, first = _total(output, workspace), load(pointer(workspace.chosen, 0), 0)
    before, floor = _weight_below(output, parameters, workspace, first, total), total * splat(_FLOOR)
    for nibble in range(low_nibbles(output.levels)):
        level = first + splat(np.float32(nibble + 1))
        weight = _weight_below(output, parameters, workspace, level, total) - before
        allowed = minimum(level, splat(np.float32(output.levels))) - first
        store(pointer(workspace.table, 0), nibble * LANES, weight + allowed * floor)
