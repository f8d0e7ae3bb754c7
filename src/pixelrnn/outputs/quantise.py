r"""From weights to a quantised pmf: the one place where the floats of a distribution become the numbers of a code.

A probability is a multiple of :math:`2^{-24}`, and those of a sub-pixel sum to exactly 1. With
:math:`S_v` the sum of the weights of the levels below v,

.. math:: p_v = (\lfloor S_{v+1} q \rfloor - \lfloor S_v q \rfloor) / 2^{24},
          \quad q = 2^{24} / S_L \text{ rounded to float64,}

in float64 and in order, the last edge being :math:`2^{24}`.

Sums of such numbers are exact in float64, and so is their product with any integer up to :math:`2^{29}`: whoever goes
on with them cannot round differently. A probability can be 0; the entropy coder gives every level at least
:math:`2^{-24}`.
"""

from typing import Any

import numpy as np

from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import LANES, view
from pixelrnn.outputs.workspace import Workspace

__all__ = ["write_pmf", "write_pmf_of_sums"]

WHOLE = 2.0**24
PART = 2.0**-24


@inner
def write_pmf(workspace: Workspace, place: int, lanes: int) -> None:
    """Write the pmf of some lanes of a table as float64 `(lanes, levels)` at an address."""
    pmf: Any = view(place, np.float64)
    table, total, reached, below = workspace.table, workspace.total, workspace.reached, workspace.below
    levels = len(table) // LANES
    total[:], reached[:], below[:] = 0, 0, 0
    for entry in range(levels):
        for lane in range(LANES):
            weight = np.float64(table[entry * LANES + lane])
            total[lane] += weight if weight > 0 else 0.0
    for lane in range(LANES):
        # A network that produced NaN leaves no weights: then one level has everything, and all can be coded.
        total[lane] = WHOLE / total[lane] if total[lane] > 0 else 0.0
    for entry in range(levels):
        for lane in range(LANES):
            weight = np.float64(table[entry * LANES + lane])
            reached[lane] += weight if weight > 0 else 0.0
        for lane in range(lanes):
            edge = np.floor(reached[lane] * total[lane]) if entry < levels - 1 else WHOLE
            pmf[lane * levels + entry] = (edge - below[lane]) / WHOLE
            below[lane] = edge


@inner
def write_pmf_of_sums(workspace: Workspace, count: int, place: int, lane: int) -> None:
    """Write the pmf of one lane, as `write_pmf`, of a table of so many entries: each with all before it."""
    pmf: Any = view(place, np.float64)
    table = workspace.table
    total = np.float64(table[(count - 1) * LANES + lane])
    factor, below = WHOLE / total if total > 0 else 0.0, 0.0
    for entry in range(count - 1):
        edge = np.floor(table[entry * LANES + lane] * factor)
        # Sums of float32 can fall in their last digit; and after NaN there are none.
        edge = min(edge, WHOLE) if edge > below else below
        pmf[entry] = (edge - below) * PART
        below = edge
    pmf[count - 1] = (WHOLE - below) * PART
