r"""Distributions restricted to a support in the walk of local networks: weights of the levels that can occur only.

The formula is that of `pixelrnn.colours.support`. Each lane has its own row of allowed levels: `Workspace.rows`.
"""

from typing import Any

import numpy as np

from pixelrnn.colours.support import FLOOR, FREE
from pixelrnn.kernels import rans
from pixelrnn.kernels.functions import exp
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.vectors import LANES, Address, address, load, pointer, splat, store, view
from pixelrnn.local.trie import Rows, row_of
from pixelrnn.outputs.logistic import KERNEL
from pixelrnn.outputs.quantise import WHOLE
from pixelrnn.outputs.workspace import Output, Workspace, sharpen

__all__ = ["find_in_row", "place_in_row", "weigh_restricted", "weigh_row", "write_restricted_pmf"]

_weigh = KERNEL.weigh
_ZERO, _ONE, _FLOOR = np.array([0, 1, FLOOR], np.float32)
_FAR = np.float32(1e30)  # the outer edges of the lowest and the highest level


@inner
def _restrict(output: Output, rows: Rows, workspace: Workspace, is_first: bool) -> None:
    """Set the weights of what cannot occur to 0; the first time, also raise the others by their floor."""
    values = view(rows.values, np.int64)
    for lane in range(LANES):
        if workspace.rows[lane] == FREE:
            continue
        entry, count = row_of(rows, workspace.rows[lane])
        end, total = entry + count, 0.0
        for level in range(output.levels):
            total += workspace.table[level * LANES + lane]
        floor = np.float32(FLOOR * total) if is_first else _ZERO
        for level in range(output.levels):
            is_allowed = entry < end and values[entry] == level
            entry += 1 if is_allowed else 0
            workspace.table[level * LANES + lane] = (
                workspace.table[level * LANES + lane] + floor if is_allowed else _ZERO
            )


@inner
def weigh_restricted(output: Output, rows: Rows, parameters: Address, workspace: Workspace, temperature: float) -> None:
    """Fill the table of weights; as `decide.weigh` where all levels can occur."""
    _weigh(output, parameters, workspace, 1.0)
    _restrict(output, rows, workspace, True)
    if temperature != 1:
        sharpen(pointer(workspace.table, 0), output.levels, temperature)
        _restrict(output, rows, workspace, False)


@inner
def _weigh_entries(output: Output, rows: Rows, parameters: Address, workspace: Workspace, lane: int) -> None:
    """Write the weights of the entries of a lane's row into `workspace.entries`; the workspace is prepared."""
    (first, count), values = row_of(rows, workspace.rows[lane]), view(rows.values, np.int64)
    mixtures, copies = output.mixtures, output.copies
    points = view(address(parameters), np.float32)
    total = _ZERO
    for k in range(mixtures):
        total += workspace.scale[k * LANES + lane]
    for m in range(copies):
        total += workspace.scale[(3 * mixtures + m) * LANES + lane]
    _weigh_logistics(output, rows, workspace, lane, total)
    for m in range(copies):
        level = int(points[(3 * mixtures + copies + m) * LANES + lane])
        for entry in range(count):
            if values[first + entry] == level:
                workspace.entries[entry] += workspace.scale[(3 * mixtures + m) * LANES + lane] / total
    for entry in range(count):
        workspace.entries[entry] = max(workspace.entries[entry], _ZERO) + _FLOOR
    # NaN leaves no weights: then all entries are alike.
    for entry in range(count):
        if not workspace.entries[entry] < _FAR:
            workspace.entries[:count] = _ONE
            break


@inner
def _weigh_logistics(output: Output, rows: Rows, workspace: Workspace, lane: int, total: Any) -> None:
    """The part of the logistics in the weights of the entries, which take the place of lanes here."""
    (first, count), values = row_of(rows, workspace.rows[lane]), view(rows.values, np.int64)
    mixtures, top = output.mixtures, np.float32(output.levels - 1)
    for entry in range((count + LANES - 1) // LANES * LANES):
        level = values[first + min(entry, count - 1)]
        workspace.below_entry[entry] = np.float32(2 * level - 1) / top - _ONE if level > 0 else -_FAR
        workspace.above_entry[entry] = np.float32(2 * level + 1) / top - _ONE if level < top else _FAR
    for entry in range(0, count, LANES):
        below, above = load(pointer(workspace.below_entry, 0), entry), load(pointer(workspace.above_entry, 0), entry)
        weight = splat(_ZERO)
        for k in range(mixtures):
            share = splat(workspace.scale[k * LANES + lane] / total)
            mean = splat(workspace.scale[(mixtures + k) * LANES + lane])
            inverse = splat(workspace.scale[(2 * mixtures + k) * LANES + lane])
            high = splat(_ONE) / (splat(_ONE) + exp(mean - above * inverse))
            low = splat(_ONE) / (splat(_ONE) + exp(mean - below * inverse))
            weight = weight + share * (high - low)
        store(pointer(workspace.entries, 0), entry, weight)


@inner
def write_restricted_pmf(
    output: Output, rows: Rows, parameters: Address, workspace: Workspace, lane: int, place: int
) -> None:
    """Write the pmf of a lane, which has a row, as float64 `(levels)` at an address.

    See `pixelrnn.outputs.quantise`; the table is not needed.
    """
    (first, count), values, pmf = (
        row_of(rows, workspace.rows[lane]),
        view(rows.values, np.int64),
        view(place, np.float64),
    )
    _weigh_entries(output, rows, parameters, workspace, lane)
    total = reached = below = 0.0
    for entry in range(count):
        total += workspace.entries[entry]
    total = WHOLE / total
    for level in range(output.levels):
        pmf[level] = 0.0
    for entry in range(count):
        reached += workspace.entries[entry]
        edge = np.floor(reached * total) if entry < count - 1 else WHOLE
        pmf[values[first + entry]] = (edge - below) / WHOLE
        below = edge


@inner
def weigh_row(output: Output, rows: Rows, parameters: Address, workspace: Workspace, lane: int) -> None:
    """Write the sums of the weights, as integers, of the entries of a lane's row before each, and of all.

    They are in `workspace.row_sums`; the workspace is prepared.
    """
    (_, count), sums = row_of(rows, workspace.rows[lane]), workspace.row_sums
    _weigh_entries(output, rows, parameters, workspace, lane)
    sums[0] = 0
    for entry in range(count):
        sums[entry + 1] = sums[entry] + max(np.int64(workspace.entries[entry] * np.float32(2.0**24)), 1)


@inner
def _edge_in_row(sums: Any, count: int, entry: int) -> Any:
    return sums[entry] * (rans.WHOLE - count) // sums[count] + entry if entry < count else rans.WHOLE


@inner
def place_in_row(rows: Rows, workspace: Workspace, lane: int) -> None:
    """Write where the interval of a lane's level begins and ends among the entries of its row, which are weighed."""
    (first, count), values = row_of(rows, workspace.rows[lane]), view(rows.values, np.int64)
    sums, level, entry = workspace.row_sums, workspace.found[lane], 0
    while entry < count - 1 and values[first + entry] < level:
        entry += 1
    workspace.lower[lane], workspace.upper[lane] = (
        _edge_in_row(sums, count, entry),
        _edge_in_row(sums, count, entry + 1),
    )


@inner
def find_in_row(rows: Rows, workspace: Workspace, lane: int) -> None:
    """Find the level of a lane's row, whose entries are weighed, in whose interval the lane's slot lies."""
    (first, count), values = row_of(rows, workspace.rows[lane]), view(rows.values, np.int64)
    sums, entry, lower = workspace.row_sums, 0, np.int64(0)
    upper = _edge_in_row(sums, count, 1)
    while upper <= workspace.slot[lane]:
        entry += 1
        lower, upper = upper, _edge_in_row(sums, count, entry + 1)
    workspace.found[lane], workspace.lower[lane], workspace.upper[lane] = values[first + entry], lower, upper
