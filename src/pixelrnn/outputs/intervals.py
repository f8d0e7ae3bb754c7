r"""From the parameters of a distribution to intervals of integers, as wide as its values are likely.

A value v of L gets :math:`[c(v), c(v + 1))` of :math:`[0, T)` (`kernels.rans`), with

.. math:: c(v) = \lfloor F(v) (T - L) \rfloor + v, \quad c(0) = 0, \quad c(L) = T

and F(v) the probability of the values below v: there is no table of all values, every value has at least 1 of T, and
coding asks for two edges, decoding for :math:`\log_2 L`. F must never fall, not even in its last digit: so from the
parameters on it is computed in integers.

Of a mixture of logistics the arguments are linear in v and become fixed-point numbers once, the logistic function is a
table that is interpolated between its points, the weights are integers that sum to :math:`2^{16}`, copies are steps.
Of all other distributions the weights of the values, as integers, are summed once.
"""

from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from pixelrnn.kernels import rans
from pixelrnn.kernels.inner import inner
from pixelrnn.kernels.rans import WHOLE, put, slot_of, take
from pixelrnn.kernels.record import reader
from pixelrnn.kernels.vectors import LANES, Address, address, view
from pixelrnn.outputs import logistic
from pixelrnn.outputs.workspace import Output, Workspace

__all__ = ["code_lanes", "code_symbol", "find", "interval", "is_mixture", "read_coding", "ready"]

FRACTION = 40  # binary digits of an argument behind the point
STEP = 6  # of these, those that choose a point of the table
FINE = 16  # and those behind them, by which it is interpolated
FARTHEST = 16  # argument from which on the logistic function is 1
LOGISTIC = 24  # binary digits of the logistic function
WEIGHT = 16  # of the weight of a component
SUM = 24  # of a weight of a value

_ONE = 2.0**FRACTION
_HALF, _END = FARTHEST << FRACTION, (2 * FARTHEST << FRACTION) - 1
_FAR = 2.0 ** (FRACTION + 18)  # farther out than any edge is from any mean that matters


def _table() -> "np.ndarray[Any, np.dtype[np.int32]]":
    """The logistic function at all points, to its last digit: in decimals, which are the same everywhere."""
    with localcontext() as context:
        context.prec = 40
        points = [Decimal(point) / 2**STEP - FARTHEST for point in range(2 * FARTHEST * 2**STEP + 1)]
        found = [int((2**LOGISTIC / (1 + (-x).exp())).to_integral_value()) for x in points]
    return np.array([0, *found[1:-1], 2**LOGISTIC, 2**LOGISTIC], np.int32)


TABLE = _table()

read_coding = reader(rans.Coding)


@inner
def _squash(argument: Any) -> Any:
    """The logistic function of a fixed-point number."""
    place = min(max(argument + _HALF, 0), _END)
    # Indices without a sign, or each would be looked at whether it counts from the end.
    point, rest = np.uint64(place >> (FRACTION - STEP)), (place >> (FRACTION - STEP - FINE)) & (2**FINE - 1)
    below, above = np.int64(TABLE[point]), np.int64(TABLE[point + np.uint64(1)])
    return below + (((above - below) * rest) >> FINE)


@inner
def _numbers(array: Any) -> Any:
    """The int64 of an array, without looks at their indices."""
    return view(array.ctypes.data, np.int64)


@inner
def is_mixture(output: Output) -> bool:
    """Whether values are of a mixture of logistics; else their weights are a table."""
    return output.mixtures > 0 and output.levels > 0


@inner
def ready(output: Output, parameters: Address, workspace: Workspace) -> None:
    """Write what `edges` needs of the distributions of all lanes into `workspace.code`.

    Where they are no mixtures, the table of their weights is there already: see `decide.weigh`.
    """
    if is_mixture(output):
        logistic.prepare(output, parameters, workspace)
        _ready_mixture(output, parameters, workspace)
    else:
        _ready_table(output, workspace)


@inner
def _ready_mixture(output: Output, parameters: Address, workspace: Workspace) -> None:
    """Slopes, offsets and weights of the components, then weights and places of the copies."""
    code, scale, count, copies = workspace.code, workspace.scale, output.mixtures, output.copies
    places, slope = view(address(parameters), np.float32), _ONE / (output.levels - 1)
    for k in range(count):
        for lane in range(LANES):
            inverse, mean = np.float64(scale[(2 * count + k) * LANES + lane]), scale[(count + k) * LANES + lane]
            offset = -(inverse + mean) * _ONE
            code[k * LANES + lane] = np.int64(inverse * slope + 0.5)
            # Not a number becomes 0.
            code[(count + k) * LANES + lane] = np.int64(min(max(offset, -_FAR), _FAR)) if offset == offset else 0
    for lane in range(LANES):
        _share(workspace, lane, count, copies)
        for m in range(copies):
            place = int(places[(3 * count + copies + m) * LANES + lane])
            code[(3 * count + copies + m) * LANES + lane] = place


@inner
def _share(workspace: Workspace, lane: int, count: int, copies: int) -> None:
    """Weights of components and copies as integers that sum to 2^16: the heaviest takes what is left by rounding."""
    code, scale = workspace.code, workspace.scale
    total, highest, heaviest = 0.0, -1.0, 0
    for number in range(count + copies):
        weight = scale[(number if number < count else 2 * count + number) * LANES + lane]
        total += weight
        if weight > highest:
            highest, heaviest = weight, number
    factor, left = 2.0**WEIGHT / total if total > 0 else 0.0, 2**WEIGHT
    for number in range(count + copies):
        weight = scale[(number if number < count else 2 * count + number) * LANES + lane]
        share = np.int64(weight * factor) if weight > 0 and factor > 0 else 0
        share = min(share, left)
        code[(2 * count + number) * LANES + lane] = share
        left -= share
    code[(2 * count + heaviest) * LANES + lane] += left


@inner
def _ready_table(output: Output, workspace: Workspace) -> None:
    """Sums of the weights of all values below each, and of all."""
    code, levels = workspace.code, output.levels
    for lane in range(LANES):
        code[lane] = 0
    for level in range(levels):
        for lane in range(LANES):
            weight = workspace.table[level * LANES + lane]
            whole = np.int64(weight * np.float32(2.0**SUM)) if 0 < weight <= 1 else 0
            code[(level + 1) * LANES + lane] = code[level * LANES + lane] + whole


@inner
def edges(output: Output, workspace: Workspace, first: int, end: int) -> None:
    """Write c(v) of the values v in `workspace.at`, 0 < v < L, into `workspace.edge`, of some lanes."""
    if is_mixture(output):
        _edges_of_mixture(output, workspace, first, end)
    else:
        _edges_of_table(output, workspace, first, end)


@inner
def _edges_of_mixture(output: Output, workspace: Workspace, first: int, end: int) -> None:
    code, at, edge = _numbers(workspace.code), _numbers(workspace.at), _numbers(workspace.edge)
    count, copies = output.mixtures, output.copies
    for lane in range(first, end):
        edge[lane] = 0
    for k in range(count):
        for lane in range(first, end):
            argument = code[k * LANES + lane] * (2 * at[lane] - 1) + code[(count + k) * LANES + lane]
            edge[lane] += code[(2 * count + k) * LANES + lane] * _squash(argument)
    for m in range(copies):
        for lane in range(first, end):
            is_below = code[(3 * count + copies + m) * LANES + lane] < at[lane]
            edge[lane] += code[(3 * count + m) * LANES + lane] << LOGISTIC if is_below else 0
    for lane in range(first, end):
        edge[lane] = (((edge[lane] >> 8) * (WHOLE - output.levels)) >> 32) + at[lane]


@inner
def _edges_of_table(output: Output, workspace: Workspace, first: int, end: int) -> None:
    code, at, edge = _numbers(workspace.code), _numbers(workspace.at), _numbers(workspace.edge)
    levels = output.levels
    for lane in range(first, end):
        total = max(code[levels * LANES + lane], 1)
        edge[lane] = code[at[lane] * LANES + lane] * (WHOLE - levels) // total + at[lane]


@inner
def interval(output: Output, workspace: Workspace, first: int, end: int) -> None:
    """Write where the intervals of the values in `workspace.found` begin and end, of some lanes: `lower`, `upper`."""
    found, lower, upper = _numbers(workspace.found), _numbers(workspace.lower), _numbers(workspace.upper)
    at, edge, levels = _numbers(workspace.at), _numbers(workspace.edge), output.levels
    for lane in range(first, end):
        at[lane] = max(found[lane], 1)
    edges(output, workspace, first, end)
    for lane in range(first, end):
        lower[lane] = edge[lane] if found[lane] > 0 else 0
        at[lane] = min(found[lane] + 1, levels - 1)
    edges(output, workspace, first, end)
    for lane in range(first, end):
        upper[lane] = edge[lane] if found[lane] < levels - 1 else WHOLE


@inner
def _edge_of_one(output: Output, workspace: Workspace, lane: int, value: Any) -> Any:
    """c(v) of one value of one lane: of a mixture, without loops over lanes that are one."""
    if not is_mixture(output):
        workspace.at[lane] = value
        _edges_of_table(output, workspace, lane, lane + 1)
        return workspace.edge[lane]
    code, count, copies = _numbers(workspace.code), output.mixtures, output.copies
    total, twice = np.int64(0), 2 * value - 1
    for k in range(lane, lane + count * LANES, LANES):
        total += code[2 * count * LANES + k] * _squash(code[k] * twice + code[count * LANES + k])
    for m in range(lane, lane + copies * LANES, LANES):
        is_below = code[(3 * count + copies) * LANES + m] < value
        total += code[3 * count * LANES + m] << LOGISTIC if is_below else 0
    return (((total >> 8) * (WHOLE - output.levels)) >> 32) + value


@inner
def _find_one(output: Output, workspace: Workspace, lane: int) -> None:
    """As `find`, of one lane."""
    slot, low, high = workspace.slot[lane], np.int64(0), np.int64(output.levels)
    lower, upper = np.int64(0), np.int64(WHOLE)
    while high - low > 1:
        middle = (low + high) // 2
        edge = _edge_of_one(output, workspace, lane, middle)
        if edge <= slot:
            low, lower = middle, edge
        else:
            high, upper = middle, edge
    workspace.found[lane], workspace.lower[lane], workspace.upper[lane] = low, lower, upper


@inner
def find(output: Output, workspace: Workspace, first: int, end: int) -> None:
    """Find the values in whose intervals the numbers in `workspace.slot` of some lanes lie, and these intervals."""
    if end - first == 1:
        _find_one(output, workspace, first)
        return
    found, lower, upper = _numbers(workspace.found), _numbers(workspace.lower), _numbers(workspace.upper)
    slot, at, edge = _numbers(workspace.slot), _numbers(workspace.at), _numbers(workspace.edge)
    step = 1
    while 2 * step < output.levels:
        step *= 2
    for lane in range(first, end):
        found[lane], lower[lane], upper[lane] = 0, 0, WHOLE
    while step > 0:
        for lane in range(first, end):
            at[lane] = min(found[lane] + step, output.levels - 1)
        edges(output, workspace, first, end)
        for lane in range(first, end):
            is_inside = found[lane] + step < output.levels
            is_above = is_inside & (edge[lane] <= slot[lane])
            lower[lane] = edge[lane] if is_above else lower[lane]
            upper[lane] = edge[lane] if is_inside & (not is_above) else upper[lane]
            found[lane] += step if is_above else 0
        step //= 2


@inner
def code_symbol(coding: rans.Coding, workspace: Workspace, lane: int) -> None:
    """Put or take the symbol of a lane, whose interval is known."""
    lower, width = workspace.lower[lane], workspace.upper[lane] - workspace.lower[lane]
    if coding.intervals:
        put(coding, workspace.image[lane], lower, width)
    else:
        take(coding, lower, width)


@inner
def code_lanes(output: Output, coding: rans.Coding, workspace: Workspace, first: int, end: int) -> None:
    """Code the values in `workspace.found` of some lanes, or decode them; the distributions are ready.

    As many are found side by side as there are states.
    """
    if coding.intervals:
        interval(output, workspace, first, end)
        for lane in range(first, end):
            code_symbol(coding, workspace, lane)
        return
    for start in range(first, end, coding.number_of_states):
        stop = min(start + coding.number_of_states, end)
        for lane in range(start, stop):
            workspace.slot[lane] = slot_of(coding, lane - start)
        find(output, workspace, start, stop)
        for lane in range(start, stop):
            code_symbol(coding, workspace, lane)
