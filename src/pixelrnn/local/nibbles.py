r"""A level as a two-stage symbol for an entropy coder: which sixteen levels it is among, then which of them.

.. math:: p(v) = p(\lfloor v / 16 \rfloor) \, p(v \mid \lfloor v / 16 \rfloor)

For a mixture of discretised logistics and points the weight of all levels below one has a closed form, so that 33 of
these are enough for one of 256 levels, instead of a table of all. As good for a code, whose probabilities are multiples
of :math:`2^{-24}`; how they are made of weights is said in `pixelrnn.outputs.quantise`.
"""

from typing import Any

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import LANES, Address, load, minimum, pointer, splat, store
from pixelrnn.outputs.logistic import total_weight, weight_below
from pixelrnn.outputs.workspace import Output, Workspace

__all__ = ["NIBBLE", "high_nibbles", "low_nibbles", "weigh_high", "weigh_low"]

NIBBLE = 16
"""Levels that are told from one another in the second step."""

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
def weigh_high(output: Output, parameters: Address, workspace: Workspace) -> None:
    """Fill the table with the weight of each sixteen and all below it; the workspace is prepared."""
    total = total_weight(output, workspace)
    for nibble in range(high_nibbles(output.levels)):
        level = splat(np.float32(NIBBLE * (nibble + 1)))
        store(pointer(workspace.table, 0), nibble * LANES, weight_below(output, parameters, workspace, level, total))


@inner
def weigh_low(output: Output, parameters: Address, workspace: Workspace) -> None:
    """Fill the table with the weight of each level of a sixteen and those of it below; the workspace is prepared.

    `workspace.chosen` has the first level of each lane's sixteen.
    """
    total, first = total_weight(output, workspace), load(pointer(workspace.chosen, 0), 0)
    before, floor = weight_below(output, parameters, workspace, first, total), total * splat(_FLOOR)
    for nibble in range(low_nibbles(output.levels)):
        level = first + splat(np.float32(nibble + 1))
        weight = weight_below(output, parameters, workspace, level, total) - before
        allowed = minimum(level, splat(np.float32(output.levels))) - first
        store(pointer(workspace.table, 0), nibble * LANES, weight + allowed * floor)
