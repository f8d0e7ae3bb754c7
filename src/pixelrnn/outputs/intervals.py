r"""From the parameters of a distribution to intervals of integers, as wide as its values are likely.

A value v of L gets :math:`[c(v), c(v + 1))` of :math:`[0, T)` (`kernels.rans`), with

.. math:: c(v) = \lfloor F(v) (T - L) \rfloor + v, \quad c(0) = 0, \quad c(L) = T

and F(v) the probability of the values below v: there is no table of all values, every value has at least 1 of T, and
coding asks for two edges, decoding for :math:`\log_2 L`. F must never fall, not even in its last digit, or an interval
would be empty. A sum, a difference, a product with a positive number and a truncation of floats never do: what they are
exactly does not, and rounding keeps the order of numbers. An exponential, made of several of them, can. So the logistic
function is a table, whose points are joined by lines; all else is such operations, one after the other, fused nowhere:
the same bits on every processor.

Of a mixture of logistics the parameters are prepared once for a sub-pixel, copies are steps. Of all other distributions
the weights of the values are summed once.
"""

from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from pixelrnn.kernels import rans
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.rans import WHOLE, ahead, put, slot_of, take
from pixelrnn.kernels.record import reader
from pixelrnn.kernels.vectors import (
    LANES,
    Address,
    Vector,
    choose,
    load,
    maximum,
    minimum,
    pointer,
    splat,
    store,
)
from pixelrnn.kernels.whole import (
    Whole,
    at_most,
    floats,
    load_whole,
    look_up,
    plus,
    scaled,
    splat_whole,
    store_whole,
    truncated,
)
from pixelrnn.outputs.logistic import prepare
from pixelrnn.outputs.workspace import Output, Workspace

__all__ = ["code_lanes", "code_symbol", "find", "find_one", "interval", "is_mixture", "read_coding", "ready"]

STEPS = 64  # points of the table for a change of the argument by 1
FARTHEST = 16  # argument from which on the logistic function is 1
DIGITS = 24  # binary digits of a probability

_ZERO, _ONE, _STEPS, _FARTHEST = np.array([0, 1, STEPS, FARTHEST], np.float32)
_ALL = np.float32(2.0**DIGITS)


def _table() -> Any:
    """The logistic function at all points, to 24 digits, and how much more the next one is.

    In decimals, which are the same everywhere.
    """
    with localcontext() as context:
        context.prec = 40
        points = [Decimal(point) / STEPS - FARTHEST for point in range(2 * FARTHEST * STEPS + 1)]
        found = [int((2**DIGITS / (1 + (-x).exp())).to_integral_value()) for x in points]
    values = np.array([0, *found[1:-1], 2**DIGITS], np.int64)
    pairs = np.stack([values, np.append(np.diff(values), 0)], axis=1)
    return (pairs / 2**DIGITS).astype(np.float32).reshape(-1)  # exactly


TABLE = _table()

read_coding = reader(rans.Coding)


@inner
def _squash(x: Vector) -> Vector:
    """The logistic function; of what is not a number 0."""
    within = minimum(maximum(splat(-_FARTHEST), x), splat(_FARTHEST))
    place = (within + splat(_FARTHEST)) * splat(_STEPS)
    point = truncated(place)
    pair, table = plus(point, point), pointer(TABLE, 0)
    return look_up(table, pair) + look_up(pointer(table, 1), pair) * (place - floats(point))


@inner
def is_mixture(output: Output) -> bool:
    """Whether values are of a mixture of logistics; else their weights are a table."""
    return output.mixtures > 0 and output.levels > 0


@inner
def ready(output: Output, parameters: Address, workspace: Workspace) -> None:
    """Write what `_edges` needs of the distributions of all lanes into `workspace.code`; mixtures are prepared.

    Where they are no mixtures, the table of their weights is there already: see `decide.weigh`.
    """
    if is_mixture(output):
        prepare(output, parameters, workspace)
        _ready_mixture(output, parameters, pointer(workspace.scale, 0), pointer(workspace.code, 0))
    else:
        _ready_table(output, workspace)


@inner
def _ready_mixture(output: Output, parameters: Address, prepared: Address, code: Address) -> None:
    """Slopes, means and weights of the components, then weights and places of the copies."""
    count, copies, top = output.mixtures, output.copies, splat(np.float32(output.levels - 1))
    points, of_points = pointer(parameters, 3 * count * LANES), pointer(code, 3 * count * LANES)
    total = splat(_ZERO)
    for k in range(0, count * LANES, LANES):
        share = load(prepared, k)
        total = total + share
        store(code, k, load(prepared, 2 * count * LANES + k) / top)
        store(code, count * LANES + k, (load(parameters, count * LANES + k) + splat(_ONE)) * top)
        store(code, 2 * count * LANES + k, share)
    for m in range(0, copies * LANES, LANES):
        share = load(prepared, 3 * count * LANES + m)
        total = total + share
        store(of_points, m, share)
        store(of_points, copies * LANES + m, load(points, copies * LANES + m))
    for number in range(0, (count + copies) * LANES, LANES):
        weights = pointer(code, 2 * count * LANES)
        store(weights, number, load(weights, number) / total)


@inner
def _ready_table(output: Output, workspace: Workspace) -> None:
    """The share of the weights of all values below each."""
    code, table, end = pointer(workspace.code, 0), pointer(workspace.table, 0), output.levels * LANES
    total = splat(_ZERO)
    for level in range(0, end, LANES):
        store(code, level, total)
        total = total + maximum(splat(_ZERO), load(table, level))
    for level in range(0, end, LANES):
        store(code, level, load(code, level) / total)


@inner
def _share_below(output: Output, code: Address, lanes: Whole, values: Whole) -> Vector:
    """F(v) of values, 0 < v < L, by what `ready` wrote; of a table: of some lanes."""
    if not is_mixture(output):
        top = splat_whole(output.levels - 1)
        return look_up(code, plus(scaled(at_most(values, top, values, top), LANES, 0), lanes))
    count, copies = output.mixtures, output.copies
    total, place = splat(_ZERO), floats(values)
    edge = place + place - splat(_ONE)
    for k in range(0, count * LANES, LANES):
        x = (edge - load(code, count * LANES + k)) * load(code, k)
        total = total + load(code, 2 * count * LANES + k) * _squash(x)
    points = pointer(code, 3 * count * LANES)
    for m in range(0, copies * LANES, LANES):
        total = total + choose(load(points, copies * LANES + m), place, load(points, m), splat(_ZERO))
    return total


@inner
def _edges(output: Output, code: Address, lanes: Whole, values: Whole) -> Whole:
    """c(v) of values from 0 on; T from L on."""
    share = minimum(splat(_ONE), _share_below(output, code, lanes, values))
    edges = plus(scaled(truncated(share * splat(_ALL)), WHOLE - output.levels, DIGITS), values)
    none = splat_whole(0)
    return at_most(splat_whole(output.levels), values, splat_whole(WHOLE), at_most(values, none, none, edges))


@inner
def interval(output: Output, workspace: Workspace) -> None:
    """Write where the intervals of the values in `workspace.found` begin and end: `lower`, `upper`."""
    code, lanes = pointer(workspace.code, 0), load_whole(pointer(workspace.lane, 0), 0)
    values = load_whole(pointer(workspace.found, 0), 0)
    store_whole(pointer(workspace.lower, 0), 0, _edges(output, code, lanes, values))
    store_whole(pointer(workspace.upper, 0), 0, _edges(output, code, lanes, plus(values, splat_whole(1))))


@inner
def find(output: Output, workspace: Workspace) -> None:
    """Find the values in whose intervals the numbers in `workspace.slot` lie, and these intervals, by bisection.

    Of all lanes: in a block it comes before `find_one`, if at all.
    """
    code, lanes = pointer(workspace.code, 0), load_whole(pointer(workspace.lane, 0), 0)
    slots, step = load_whole(pointer(workspace.slot, 0), 0), 1
    while 2 * step < output.levels:
        step *= 2
    found, lower, upper = splat_whole(0), splat_whole(0), splat_whole(WHOLE)
    while step > 0:
        middle = plus(found, splat_whole(step))
        edges = _edges(output, code, lanes, middle)
        found, lower = at_most(edges, slots, middle, found), at_most(edges, slots, edges, lower)
        upper = at_most(edges, slots, upper, edges)
        step //= 2
    store_whole(pointer(workspace.found, 0), 0, found)
    store_whole(pointer(workspace.lower, 0), 0, lower)
    store_whole(pointer(workspace.upper, 0), 0, upper)


@inner
def find_one(output: Output, workspace: Workspace, lane: int) -> None:
    """As `find`, of one lane: each time as many values side by side as there are lanes."""
    code, lanes, slot = pointer(workspace.code, 0), splat_whole(lane), workspace.slot[lane]
    if is_mixture(output):
        code = pointer(workspace.of_one, 0)
        for number in range(0, (3 * output.mixtures + 2 * output.copies) * LANES, LANES):
            store(code, number, splat(workspace.code[number + lane]))
    step, found, lower, upper = 1, 0, np.int64(0), np.int64(WHOLE)
    while LANES * step < output.levels:
        step *= LANES
    edges, numbers = workspace.edges, load_whole(pointer(workspace.lane, 0), 0)
    while step > 0:
        values = plus(scaled(plus(numbers, splat_whole(1)), step, 0), splat_whole(found))
        store_whole(pointer(edges, 0), 0, _edges(output, code, lanes, values))
        below = 0
        for each in range(LANES):
            below += 1 if edges[each] <= slot else 0
        lower = np.int64(edges[below - 1]) if below > 0 else lower
        upper = np.int64(edges[below]) if below < LANES else upper
        found, step = found + below * step, step // LANES
    workspace.found[lane], workspace.lower[lane], workspace.upper[lane] = found, lower, upper


@inner
def code_symbol(coding: rans.Coding, workspace: Workspace, lane: int) -> None:
    """Put or take the symbol of a lane, whose interval is known."""
    lower = np.int64(workspace.lower[lane])
    width = np.int64(workspace.upper[lane]) - lower
    if coding.intervals:
        put(coding, workspace.image[lane], lower, width)
    else:
        take(coding, lower, width)


@inner
def code_lanes(output: Output, coding: rans.Coding, workspace: Workspace, count: int) -> None:
    """Code the values in `workspace.found` of the first lanes in `workspace.coded`, or decode them.

    The distributions are ready. As many values are found side by side as there are states.
    """
    lanes, done = workspace.coded, 0
    if coding.intervals:
        interval(output, workspace)
        for number in range(count):
            code_symbol(coding, workspace, lanes[number])
        return
    while done < count:
        several = min(count - done, ahead(coding))
        for number in range(several):
            workspace.slot[lanes[done + number]] = slot_of(coding, number)
        if several > 1:
            find(output, workspace)
        else:
            find_one(output, workspace, lanes[done])
        for number in range(several):
            code_symbol(coding, workspace, lanes[done + number])
        done += several
